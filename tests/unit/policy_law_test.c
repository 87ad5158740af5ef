/* policy_law_test.c -- laws over random bundles: the order of rules never matters, a restriction
 * never weakens a verdict, a permit never strengthens one, and a simple second implementation
 * agrees.
 */
#include "tests/unit/policy_support.h"

enum { BUNDLES = 2000, RULES_MAX = 12 };

/* ---- random bundles ---- */

static const char *const attributes[] = {"arg.n", "arg.m", "res.k", "res.deep.k"};
static const char *const texts[] = {"arg.s", "res.t"};
static const char *const words[] = {"red", "green", "blue"};

static int below(struct rv_random *random, int bound)
{
    return (int)rv_random_below(random, (uint64_t)bound);
}

static void random_condition(struct rv_random *random, struct rv_buf *out, int depth)
{
    static const char *const orders[] = {"eq", "ne", "lt", "le", "gt", "ge"};
    static const char *const groups[] = {"all", "any", "none"};
    int what = below(random, depth < 3 ? 8 : 5);
    if (what < 3) {
        rv_buf_printf(out, "%s:%s(%d)", attributes[below(random, 4)], orders[below(random, 6)],
                      below(random, 5));
    } else if (what == 3) {
        rv_buf_printf(out, "%s:%s'%s'", texts[below(random, 2)], below(random, 2) ? "eq" : "ne",
                      words[below(random, 3)]);
    } else if (what == 4) {
        rv_buf_printf(out, "%s:has()", attributes[below(random, 4)]);
    } else {
        rv_buf_printf(out, "%s{", groups[below(random, 3)]);
        for (int i = 0; i <= below(random, 3); i++) {
            random_condition(random, out, depth + 1);
            rv_buf_char(out, ',');
        }
        rv_buf_char(out, '}');
    }
}

static void random_who(struct rv_random *random, struct rv_buf *out, bool must)
{
    static const char *const who[] = {"agents='*'",         "agents=role'payer'",
                                      "agents=role'other'", "agents='a'",
                                      "persons='*'",        "agents='*', persons='*'"};
    if (must || below(random, 2) == 0) {
        rv_buf_printf(out, ", %s", who[below(random, 6)]);
    }
}

static char *random_rule(struct rv_random *random, int number, const char *kind)
{
    static const char *const actions[] = {"'x'", "'*'", "any_of{'x','y'}", "'y'", "'x*'"};
    struct rv_buf out;
    rv_buf_init(&out, 1 << 16);
    rv_buf_printf(&out, "%s{id='%c%d', action=%s", kind, *kind, number, actions[below(random, 5)]);
    random_who(random, &out, strcmp(kind, "permit") == 0);
    if (below(random, 4) != 0) {
        rv_buf_str(&out, ", when=");
        random_condition(random, &out, 0);
    }
    if (strcmp(kind, "approve") == 0) {
        rv_buf_printf(&out, ", stages={{role='r%d', n=%d}}, expires='%dh'", below(random, 3),
                      1 + below(random, 2), 2 + below(random, 3));
        rv_buf_str(&out, below(random, 2) ? ", escalate={after='1h', to='boss'}" : "");
    } else if (strcmp(kind, "limit") == 0) {
        rv_buf_printf(&out, ", %s, per={'agent'}, window='1h', cap=%d",
                      below(random, 2) ? "sum=arg.n" : "count=true", below(random, 6));
        rv_buf_str(&out, below(random, 2) ? ", over=approval'r9'" : "");
    } else if (strcmp(kind, "sink") == 0) {
        rv_buf_printf(&out, ", args={'s'}, need='trusted', endorse={exact='t'}%s",
                      below(random, 2) ? ", otherwise=approval'r8'" : "");
    }
    rv_buf_char(&out, '}');
    char *text = rv_buf_take(&out);
    rv_buf_fini(&out);
    return text;
}

static const char *const kinds[] = {"permit", "permit", "forbid", "approve", "limit", "sink"};

struct rules {
    char *text[RULES_MAX + 1];
    int count;
};

static void random_rules(struct rv_random *random, struct rules *rules)
{
    rules->count = 2 + below(random, RULES_MAX - 2);
    for (int i = 0; i < rules->count; i++) {
        rules->text[i] = random_rule(random, i, i == 0 ? "permit" : kinds[below(random, 6)]);
    }
}

static void rules_end(struct rules *rules)
{
    for (int i = 0; i < rules->count; i++) {
        rv_free(rules->text[i]);
    }
}

static struct rv_policy *load_rules(const struct rules *rules, const int *order)
{
    struct rv_buf all;
    rv_buf_init(&all, 1 << 20);
    for (int i = 0; i < rules->count; i++) {
        rv_buf_printf(&all, "%s, ", rules->text[order == NULL ? i : order[i]]);
    }
    struct rv_policy *policy = bundle(all.data);
    rv_buf_fini(&all);
    return policy;
}

static void shuffle(struct rv_random *random, int *order, int count)
{
    for (int i = 0; i < count; i++) {
        int at = below(random, i + 1);
        order[i] = order[at];
        order[at] = i;
    }
}

/* Numbers, texts, the wrong type, or nothing. */
static void random_member(struct rv_random *random, struct rv_buf *out, const char *name, bool text)
{
    int what = below(random, 8);
    if (what < 5) {
        rv_buf_printf(out, text ? "\"%s\":\"%s\"," : "\"%s\":%s,", name,
                      text ? words[below(random, 3)]
                           : (const char *[]){"0", "1", "2", "3", "4"}[below(random, 5)]);
    } else if (what == 5) {
        rv_buf_printf(out, "\"%s\":%s,", name, text ? "7" : "\"seven\"");
    } else if (what == 6) {
        rv_buf_printf(out, "\"%s\":null,", name);
    }
}

static char *random_question(struct rv_random *random)
{
    static const char *const people[] = {AGENT, PERSON, MACHINE};
    struct rv_buf out;
    rv_buf_init(&out, 1 << 16);
    rv_buf_printf(&out, "{\"action\":\"%s\",%s,\"arg\":{", below(random, 4) ? "x" : "z",
                  people[below(random, 5) < 3 ? 0 : 1 + below(random, 2)]);
    random_member(random, &out, "n", false);
    random_member(random, &out, "m", false);
    random_member(random, &out, "s", true);
    rv_buf_str(&out, "\"_\":0},\"res\":{");
    random_member(random, &out, "k", false);
    random_member(random, &out, "t", true);
    rv_buf_str(&out, "\"deep\":{");
    random_member(random, &out, "k", false);
    rv_buf_printf(&out, "\"_\":0}},\"ctx\":{\"labels\":{%s}}}",
                  (const char *[]){"", "\"s\":\"erp\"", "\"s\":\"external\""}[below(random, 3)]);
    char *text = rv_buf_take(&out);
    rv_buf_fini(&out);
    return text;
}

/* Everything a verdict says, as text. */
static void account(const struct rv_policy *policy, const char *question, int64_t used, char *out,
                    size_t size)
{
    struct answer answer;
    ask(policy, question, used, &answer);
    verdict_text(&answer.verdict, out, size);
    char *stages =
        answer.verdict.stages != NULL ? json_dumps(answer.verdict.stages, JSON_SORT_KEYS) : NULL;
    size_t n = strlen(out);
    snprintf(out + n, size - n, " | %s %" PRId64 " %" PRId64 " %s", stages != NULL ? stages : "-",
             answer.verdict.expires_s, answer.verdict.escalate_after_s,
             answer.verdict.escalate_to != NULL ? answer.verdict.escalate_to : "-");
    free(stages);
    answer_end(&answer);
}

/* ---- the laws ---- */

TEST(the_order_of_rules_never_matters)
{
    struct rv_random random = {20260101};
    for (int round = 0; round < BUNDLES; round++) {
        struct rules rules;
        int order[RULES_MAX];
        random_rules(&random, &rules);
        shuffle(&random, order, rules.count);
        struct rv_policy *a = load_rules(&rules, NULL);
        struct rv_policy *b = load_rules(&rules, order);
        struct rv_hash x = rv_policy_hash(a);
        struct rv_hash y = rv_policy_hash(b);
        ck_assert(rv_hash_equal(&x, &y));
        for (int i = 0; i < 5; i++) {
            char *question = random_question(&random);
            int64_t used = below(&random, 6);
            char first[4096];
            char second[4096];
            account(a, question, used, first, sizeof first);
            account(b, question, used, second, sizeof second);
            ck_assert_msg(strcmp(first, second) == 0, "%s\n%s\n%s", question, first, second);
            rv_free(question);
        }
        rv_policy_destroy(a);
        rv_policy_destroy(b);
        rules_end(&rules);
    }
}

static enum rv_verdict_kind kind_of(const struct rv_policy *policy, const char *question,
                                    int64_t used)
{
    const char *name = decide(policy, question, used);
    return *name == 'a' ? RV_ALLOW : *name == 'h' ? RV_HOLD : RV_DENY;
}

TEST(a_restriction_never_weakens_and_a_permit_never_strengthens)
{
    struct rv_random random = {424242};
    for (int round = 0; round < BUNDLES; round++) {
        struct rules rules;
        random_rules(&random, &rules);
        const char *kind = kinds[below(&random, 6)];
        bool permit = strcmp(kind, "permit") == 0;
        struct rv_policy *before = load_rules(&rules, NULL);
        rules.text[rules.count] = random_rule(&random, 99, kind);
        rules.count++;
        struct rv_policy *after = load_rules(&rules, NULL);
        for (int i = 0; i < 5; i++) {
            char *question = random_question(&random);
            int64_t used = below(&random, 6);
            enum rv_verdict_kind old = kind_of(before, question, used);
            enum rv_verdict_kind new = kind_of(after, question, used);
            ck_assert_msg(permit ? new <= old : new >= old, "%s\n%s: %d -> %d", question,
                          rules.text[rules.count - 1], old, new);
            rv_free(question);
        }
        rv_policy_destroy(before);
        rv_policy_destroy(after);
        rules_end(&rules);
    }
}

/* ---- a second implementation: straight over the canonical JSON, no index, no symbols ---- */

enum truth { NO, YES, ERROR };

static const json_t *walk(const json_t *q, const char *path)
{
    char copy[64];
    snprintf(copy, sizeof copy, "%s", path);
    char *rest = copy;
    const json_t *at = q;
    for (char *part = strsep(&rest, "."); part != NULL; part = strsep(&rest, ".")) {
        at = json_object_get(at, part);
    }
    return json_is_null(at) ? NULL : at;
}

static enum truth plain(const json_t *q, const json_t *node)
{
    const char *op = rv_json_str(node, "op", "");
    const json_t *of = json_object_get(node, "of");
    if (of != NULL) {
        int counts[3] = {0};
        for (size_t i = 0; i < json_array_size(of); i++) {
            counts[plain(q, json_array_get(of, i))]++;
        }
        if (strcmp(op, "all") == 0) {
            return counts[NO] ? NO : counts[ERROR] ? ERROR : YES;
        }
        enum truth any = counts[YES] ? YES : counts[ERROR] ? ERROR : NO;
        return strcmp(op, "any") == 0 || any == ERROR ? any : any == YES ? NO : YES;
    }
    const json_t *left = walk(q, rv_json_str(node, "attr", ""));
    const json_t *right = json_object_get(node, "value");
    if (strcmp(op, "has") == 0) {
        return left != NULL ? YES : NO;
    }
    if (left == NULL || json_typeof(left) != json_typeof(right)) {
        return ERROR;
    }
    if (json_is_string(left)) {
        bool same = strcmp(json_string_value(left), json_string_value(right)) == 0;
        return same == (strcmp(op, "eq") == 0) ? YES : NO;
    }
    json_int_t a = json_integer_value(left);
    json_int_t b = json_integer_value(right);
    bool yes = strcmp(op, "eq") == 0   ? a == b
               : strcmp(op, "ne") == 0 ? a != b
               : strcmp(op, "lt") == 0 ? a < b
               : strcmp(op, "le") == 0 ? a <= b
               : strcmp(op, "gt") == 0 ? a > b
                                       : a >= b;
    return yes ? YES : NO;
}

static bool plain_about(const json_t *q, const json_t *rule)
{
    const char *action = rv_json_str(q, "action", "");
    bool about = false;
    size_t i;
    json_t *pattern;
    json_array_foreach(json_object_get(rule, "actions"), i, pattern)
    {
        const char *text = json_string_value(pattern);
        about = about || strcmp(text, action) == 0 || strcmp(text, "*") == 0 ||
                (strcmp(text, "x*") == 0 && *action == 'x');
    }
    const json_t *who = json_object_get(rule, "who");
    const json_t *me = json_object_get(q, "me");
    const char *kind = rv_json_str(me, "kind", "");
    if (who == NULL) {
        return about;
    }
    const json_t *group = json_object_get(who, strcmp(kind, "agent") == 0    ? "agents"
                                               : strcmp(kind, "person") == 0 ? "persons"
                                                                             : "system");
    if (group == NULL || !json_is_object(group)) {
        return about && group != NULL;
    }
    bool fits = false;
    json_array_foreach(json_object_get(group, "ids"), i, pattern)
    {
        fits = fits || strcmp(json_string_value(pattern), rv_json_str(me, "id", "")) == 0;
    }
    json_array_foreach(json_object_get(group, "roles"), i, pattern)
    {
        for (size_t k = 0; k < json_array_size(json_object_get(me, "roles")); k++) {
            fits = fits || json_equal(pattern, json_array_get(json_object_get(me, "roles"), k));
        }
    }
    return about && fits;
}

static enum rv_verdict_kind plain_decide(const json_t *q, const json_t *rules, int64_t used)
{
    bool permitted = false;
    bool held = false;
    bool denied = false;
    size_t i;
    json_t *rule;
    json_array_foreach(json_object_get(rules, "rules"), i, rule)
    {
        const char *kind = rv_json_str(rule, "kind", "");
        const json_t *when = json_object_get(rule, "when");
        enum truth holds = !plain_about(q, rule) ? NO : when == NULL ? YES : plain(q, when);
        const json_t *asks = json_object_get(rule, "ask");
        bool strikes = holds == YES;
        if (strcmp(kind, "permit") == 0) {
            permitted = permitted || holds == YES;
            continue;
        }
        if (strcmp(kind, "limit") == 0 && holds == YES) {
            const char *sum = rv_json_str(rule, "sum", NULL);
            const json_t *value = sum == NULL ? NULL : walk(q, sum);
            holds = sum != NULL && !json_is_integer(value) ? ERROR : YES;
            int64_t adds = sum == NULL ? 1 : json_integer_value(value);
            strikes = used + adds > rv_json_int(rule, "cap", 0);
        } else if (strcmp(kind, "sink") == 0 && holds == YES) {
            const json_t *value = walk(q, "arg.s");
            const json_t *record = walk(q, "res.t");
            const char *label =
                rv_json_str(json_object_get(json_object_get(q, "ctx"), "labels"), "s", "");
            bool agent = strcmp(rv_json_str(json_object_get(q, "me"), "kind", ""), "agent") == 0;
            bool trusted = strcmp(label, "erp") == 0 || (*label == '\0' && !agent);
            strikes = value != NULL && !trusted && !(record != NULL && json_equal(value, record));
        }
        if (holds == ERROR) {
            bool escalates =
                strcmp(kind, "approve") == 0 && json_object_get(asks, "escalate_to") != NULL;
            held = held || escalates;
            denied = denied || !escalates;
        } else if (holds == YES && strikes) {
            held = held || asks != NULL;
            denied = denied || asks == NULL;
        }
    }
    return denied || !permitted ? RV_DENY : held ? RV_HOLD : RV_ALLOW;
}

TEST(a_plain_second_implementation_agrees)
{
    struct rv_random random = {77};
    int seen[3] = {0};
    for (int round = 0; round < BUNDLES; round++) {
        struct rules rules;
        random_rules(&random, &rules);
        struct rv_policy *policy = load_rules(&rules, NULL);
        json_t *canonical = json_loads(rv_policy_canonical(policy), 0, NULL);
        for (int i = 0; i < 10; i++) {
            char *question = random_question(&random);
            json_t *q = json_loads(question, 0, NULL);
            int64_t used = below(&random, 6);
            enum rv_verdict_kind wanted = plain_decide(q, canonical, used);
            enum rv_verdict_kind got = kind_of(policy, question, used);
            ck_assert_msg(got == wanted, "%s\n%s\n%d, the plain one says %d",
                          rv_policy_canonical(policy), question, got, wanted);
            seen[got]++;
            json_decref(q);
            rv_free(question);
        }
        json_decref(canonical);
        rv_policy_destroy(policy);
        rules_end(&rules);
    }
    for (int kind = 0; kind < 3; kind++) {
        ck_assert_msg(seen[kind] > BUNDLES / 10, "verdict %d was seen only %d times", kind,
                      seen[kind]);
    }
}

/* ---- explain: a flip that is told really flips ---- */

static void set_path(json_t *q, const char *path, const char *text)
{
    char copy[64];
    snprintf(copy, sizeof copy, "%s", path);
    char *rest = copy;
    json_t *at = q;
    char *part = strsep(&rest, ".");
    while (rest != NULL) {
        if (!json_is_object(json_object_get(at, part))) {
            json_object_set_new(at, part, json_object());
        }
        at = json_object_get(at, part);
        part = strsep(&rest, ".");
    }
    json_t *value =
        strcmp(text, "missing") == 0 ? json_null() : json_loads(text, JSON_DECODE_ANY, NULL);
    ck_assert_msg(value != NULL, "%s", text);
    json_object_set_new(at, part, value);
}

TEST(a_flip_that_is_told_really_flips)
{
    struct rv_random random = {31337};
    int flips = 0;
    for (int round = 0; round < BUNDLES; round++) {
        struct rules rules;
        random_rules(&random, &rules);
        struct rv_policy *policy = load_rules(&rules, NULL);
        for (int i = 0; i < 5; i++) {
            char *question = random_question(&random);
            json_t *q = json_loads(question, 0, NULL);
            int64_t one = below(&random, 6);
            int64_t used[RV_POLICY_LIMITS_MAX];
            for (int k = 0; k < RV_POLICY_LIMITS_MAX; k++) {
                used[k] = one;
            }
            struct rv_policy_request request = request_of(q);
            json_t *account_json = rv_policy_explain(policy, &request, used, RV_POLICY_LIMITS_MAX);
            ck_assert_str_eq(rv_json_str(account_json, "verdict", ""),
                             decide(policy, question, one));
            const json_t *flip = json_object_get(account_json, "flip");
            if (json_is_object(flip)) {
                flips++;
                set_path(q, rv_json_str(flip, "attribute", ""), rv_json_str(flip, "to", ""));
                char *changed = json_dumps(q, 0);
                const char *now = decide(policy, changed, one);
                ck_assert_msg(strcmp(now, rv_json_str(flip, "verdict", "")) == 0, "%s\n%s\n%s: %s",
                              rv_policy_canonical(policy), question, rv_json_str(flip, "text", ""),
                              now);
                ck_assert_int_lt(strcmp(now, "deny") == 0 ? 2 : strcmp(now, "hold") == 0,
                                 strcmp(rv_json_str(account_json, "verdict", ""), "deny") == 0 ? 2
                                                                                               : 1);
                free(changed);
            }
            json_decref(account_json);
            json_decref(q);
            rv_free(question);
        }
        rv_policy_destroy(policy);
        rules_end(&rules);
    }
    ck_assert_int_gt(flips, BUNDLES / 4);
}

TEST_MAIN()
