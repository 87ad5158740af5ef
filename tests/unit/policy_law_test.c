/* policy_law_test.c -- laws over random bundles: the order of rules never matters, a restriction
 * never weakens a verdict, a permit never strengthens one, and a simple second implementation
 * agrees.
 */
#include "tests/unit/policy_support.h"

enum { BUNDLES = 2000, RULES_MAX = 12, WIDE_BUNDLES = 36, WIDE_RULES = 700 };

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
    static const char *const others[] = {"arg.s:one_of{'red','blue'}",
                                         "res.t:one_of{'green','blue','black'}",
                                         "arg.n:one_of{1,3}",
                                         "arg.m:one_of{0,2,9}",
                                         "arg.s:prefix'r'",
                                         "res.t:prefix'gree'",
                                         "arg.l:contains'red'",
                                         "arg.l:contains(2)",
                                         "arg.s:eq(res.t)",
                                         "arg.n:le(arg.m)",
                                         "arg.p:le(money'3 EUR')",
                                         "arg.p:gt(money'1 EUR')",
                                         "arg.p:eq(money'2 EUR')",
                                         "arg.p:ne(money'2 USD')",
                                         "res.b:eq(true)",
                                         "res.b:ne(true)"};
    int what = below(random, depth < 3 ? 10 : 7) - 2;
    if (what < 0) {
        rv_buf_str(out, others[below(random, RV_COUNT(others))]);
        return;
    }
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
    rv_buf_str(&out, (const char *[]){"", "\"l\":[\"red\",1],", "\"l\":[2,\"blue\"],",
                                      "\"l\":\"red\","}[below(random, 4)]);
    rv_buf_printf(&out, "\"p\":{\"minor\":%d,\"currency\":\"%s\"},", 100 * below(random, 5),
                  below(random, 5) ? "EUR" : "USD");
    rv_buf_str(&out, "\"_\":0},\"res\":{");
    rv_buf_str(&out,
               (const char *[]){"", "\"b\":true,", "\"b\":false,", "\"b\":1,"}[below(random, 4)]);
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
    const char *other = rv_json_str(node, "other", NULL);
    const json_t *right = other != NULL ? walk(q, other) : json_object_get(node, "value");
    if (strcmp(op, "has") == 0) {
        return left != NULL ? YES : NO;
    }
    if (left == NULL || right == NULL) {
        return ERROR;
    }
    if (strcmp(op, "contains") == 0 || strcmp(op, "one_of") == 0) {
        const json_t *list = *op == 'c' ? left : right;
        const json_t *item = *op == 'c' ? right : left;
        bool uniform = *op == 'c' || json_typeof(json_array_get(list, 0)) == json_typeof(item);
        if (!json_is_array(list) || !uniform) {
            return ERROR;
        }
        bool found = false;
        for (size_t i = 0; i < json_array_size(list); i++) {
            found = found || json_equal(json_array_get(list, i), item);
        }
        return found ? YES : NO;
    }
    bool booleans = json_is_boolean(left) && json_is_boolean(right);
    if (json_typeof(left) != json_typeof(right) && !booleans) {
        return ERROR;
    }
    if (strcmp(op, "prefix") == 0) {
        const char *head = json_string_value(right);
        return !json_is_string(left)                                       ? ERROR
               : strncmp(json_string_value(left), head, strlen(head)) == 0 ? YES
                                                                           : NO;
    }
    if (json_is_string(left) || booleans) {
        bool equality = strcmp(op, "eq") == 0 || strcmp(op, "ne") == 0;
        return !equality ? ERROR : json_equal(left, right) == (strcmp(op, "eq") == 0) ? YES : NO;
    }
    if (json_is_object(left)) {
        if (strcmp(rv_json_str(left, "currency", ""), rv_json_str(right, "currency", "")) != 0) {
            return ERROR;
        }
        left = json_object_get(left, "minor");
        right = json_object_get(right, "minor");
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

/* What each verdict would rest on, in the order of ids. */
struct plain_verdict {
    enum rv_verdict_kind kind;
    const char *ids[RV_DENY + 1][WIDE_RULES];
    int counts[RV_DENY + 1];
};

static void plain_say(struct plain_verdict *out, enum rv_verdict_kind kind, const json_t *rule)
{
    out->ids[kind][out->counts[kind]++] = rv_json_str(rule, "id", "");
}

static void plain_decide(const json_t *q, const json_t *rules, int64_t used,
                         struct plain_verdict *out)
{
    memset(out, 0, sizeof *out);
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
            if (holds == YES) {
                plain_say(out, RV_ALLOW, rule);
            }
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
            plain_say(out, escalates ? RV_HOLD : RV_DENY, rule);
        } else if (holds == YES && strikes) {
            plain_say(out, asks != NULL ? RV_HOLD : RV_DENY, rule);
        }
    }
    out->kind = out->counts[RV_DENY] > 0 || out->counts[RV_ALLOW] == 0 ? RV_DENY
                : out->counts[RV_HOLD] > 0                             ? RV_HOLD
                                                                       : RV_ALLOW;
}

/* The same verdict for the same rules, in the same order. */
static void assert_agrees(const struct rv_policy *policy, const json_t *canonical,
                          const char *question, int64_t used, int seen[3])
{
    static struct plain_verdict wanted;
    json_t *q = json_loads(question, 0, NULL);
    plain_decide(q, canonical, used, &wanted);
    struct answer answer;
    ask(policy, question, used, &answer);
    const struct rv_verdict *got = &answer.verdict;
    ck_assert_msg(got->kind == wanted.kind, "%s\n%s\n%d, the plain one says %d",
                  rv_policy_canonical(policy), question, got->kind, wanted.kind);
    int count = wanted.counts[wanted.kind];
    ck_assert_msg(got->rule_count == (count > 0 ? count : 1), "%s\n%s\n%d rules, wanted %d",
                  rv_policy_canonical(policy), question, got->rule_count, count);
    for (int i = 0; i < count && i < RV_VERDICT_RULES_MAX; i++) {
        ck_assert_str_eq(got->rules[i].id, wanted.ids[wanted.kind][i]);
    }
    seen[got->kind]++;
    answer_end(&answer);
    json_decref(q);
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
            assert_agrees(policy, canonical, question, below(&random, 6), seen);
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

/* Bundles with so many rules about one action that columns decide them; every third has
 * restrictions that deny, the others permit and ask. */
TEST(a_plain_second_implementation_agrees_on_wide_bundles)
{
    struct rv_random random = {4711};
    int seen[3] = {0};
    for (int round = 0; round < WIDE_BUNDLES; round++) {
        struct rv_buf all;
        rv_buf_init(&all, 1 << 20);
        int limits = 0;
        for (int i = 0; i < WIDE_RULES; i++) {
            const char *kind = "permit";
            if (i > 0 && round % 3 == 0) {
                kind = kinds[below(&random, 6)];
            } else if (i > 0 && round % 3 == 1 && below(&random, 4) == 0) {
                kind = "approve";
            }
            limits += strcmp(kind, "limit") == 0;
            char *text = random_rule(&random, i, limits > 8 && *kind == 'l' ? "permit" : kind);
            bool denies = strcmp(kind, "approve") == 0 && strstr(text, "escalate") == NULL;
            if (round % 3 == 1 && denies) { /* on any error */
                rv_free(text);
                text = random_rule(&random, i, "permit");
            }
            rv_buf_printf(&all, "%s, ", text);
            rv_free(text);
        }
        struct rv_policy *policy = bundle(all.data);
        json_t *canonical = json_loads(rv_policy_canonical(policy), 0, NULL);
        for (int i = 0; i < 40; i++) {
            char *question = random_question(&random);
            assert_agrees(policy, canonical, question, below(&random, 6), seen);
            rv_free(question);
        }
        json_decref(canonical);
        rv_policy_destroy(policy);
        rv_buf_fini(&all);
    }
    for (int kind = 0; kind < 3; kind++) {
        ck_assert_msg(seen[kind] > WIDE_BUNDLES, "verdict %d was seen only %d times", kind,
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
    int units = 0;
    int cents = 0;
    char currency[4];
    bool money = sscanf(text, "%d.%2d %3s", &units, &cents, currency) == 3;
    json_t *value = strcmp(text, "missing") == 0 ? json_null()
                    : money
                        ? json_pack("{s:i,s:s}", "minor", units * 100 + cents, "currency", currency)
                        : json_loads(text, JSON_DECODE_ANY, NULL);
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
