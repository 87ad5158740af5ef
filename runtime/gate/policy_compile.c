/* policy_compile.c -- checks the bundle rule by rule and compiles it for decision.
 *
 * Everything is refused here that could surprise later: unknown fields, unknown operators, a limit
 * without a cap, an approval without an expiry, amounts without a currency.  Messages name rule, field
 * and remedy.
 */
#include "runtime/gate/policy_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const policy_op_names[OP_COUNT] = {"all", "any", "none", "has", "eq", "ne", "lt", "le",
                                               "gt", "ge", "one_of", "contains", "prefix"};
const char *const policy_kind_names[RULE_KINDS] = {"permit", "forbid", "limit", "approve", "sink"};

enum { POLICY_ARENA_MAX = 512 << 20, POLICY_EXPIRY_MAX_S = 90 * 86400 };

static enum rv_code complain(const struct rule *rule, struct rv_error *err, const char *field,
                             const char *text, const char *hint)
{
    rv_fail(err, RV_INVALID, "line %d: rule \"%s\": field \"%s\" %s", rule->line,
            rule->id != NULL ? rule->id : "?", field, text);
    rv_hint(err, "%s", hint);
    return RV_INVALID;
}

/* ---- small things ---- */

int policy_attribute(struct rv_policy *policy, const char *path)
{
    for (int i = 0; i < policy->attribute_count; i++) {
        if (strcmp(policy->attributes[i], path) == 0) {
            return i;
        }
    }
    if (policy->attribute_count == POLICY_ATTRIBUTES_MAX) {
        return -1;
    }
    policy->attributes[policy->attribute_count] = rv_arena_strdup(policy->arena, path);
    return policy->attribute_count++;
}

/* "90s" "10m" "8h" "1d" -> seconds; 0 when it is none of these. */
static int64_t duration(const json_t *json)
{
    const char *text = json_string_value(json);
    if (text == NULL) {
        return 0;
    }
    char *end = NULL;
    long long number = strtoll(text, &end, 10);
    static const struct {
        const char *unit;
        int64_t seconds;
    } units[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    for (size_t i = 0; i < RV_COUNT(units); i++) {
        if (number > 0 && number < 100000 && strcmp(end, units[i].unit) == 0) {
            return number * units[i].seconds;
        }
    }
    return 0;
}

static int minor_digits(const char *currency)
{
    static const char *const none[] = {"JPY", "KRW", "CLP", "ISK", "VND"};
    static const char *const three[] = {"KWD", "BHD", "TND", "IQD", "OMR", "JOD", "LYD"};
    for (size_t i = 0; i < RV_COUNT(none); i++) {
        if (strcmp(none[i], currency) == 0) {
            return 0;
        }
    }
    for (size_t i = 0; i < RV_COUNT(three); i++) {
        if (strcmp(three[i], currency) == 0) {
            return 3;
        }
    }
    return 2;
}

/* {"money":"12.50","currency":"EUR"} -> {"minor":1250,"currency":"EUR"}, in place. */
static bool normalise_money(json_t *json)
{
    const char *text = rv_json_str(json, "money", NULL);
    const char *currency = rv_json_str(json, "currency", NULL);
    if (text == NULL || currency == NULL) {
        return false;
    }
    int digits = minor_digits(currency);
    bool negative = *text == '-';
    int64_t minor = 0;
    int decimals = -1;
    for (text += negative; *text != '\0'; text++) {
        if (*text == '.') {
            decimals = 0;
            continue;
        }
        if (minor > INT64_MAX / 100 || decimals == digits) {
            return false;
        }
        minor = minor * 10 + (*text - '0');
        decimals += decimals >= 0;
    }
    for (decimals = decimals < 0 ? 0 : decimals; decimals < digits; decimals++) {
        minor *= 10;
    }
    json_object_del(json, "money");
    json_object_set_new(json, "minor", json_integer(negative ? -minor : minor));
    return true;
}

static bool normalise(json_t *json)
{
    size_t i;
    const char *key;
    void *next;
    json_t *item;
    if (json_is_array(json)) {
        json_array_foreach(json, i, item)
        {
            if (!normalise(item)) {
                return false;
            }
        }
    } else if (json_object_get(json, "money") != NULL) {
        return normalise_money(json);
    } else if (json_is_object(json)) {
        json_object_foreach_safe(json, next, key, item)
        {
            if (!normalise(item)) {
                return false;
            }
        }
    }
    return true;
}

/* ---- expressions ---- */

static struct expression *compile_expression(struct rv_policy *policy, const json_t *json, int depth,
                                             const char **problem)
{
    const char *name = rv_json_str(json, "op", NULL);
    int op = 0;
    while (op < OP_COUNT && (name == NULL || strcmp(policy_op_names[op], name) != 0)) {
        op++;
    }
    if (op == OP_COUNT || depth > POLICY_DEPTH_MAX) {
        *problem = op == OP_COUNT ? "is no condition like arg.amount:le(money\"5 EUR\")"
                                  : "is nested too deep";
        return NULL;
    }
    struct expression *node = rv_arena_alloc(policy->arena, sizeof *node);
    *node = (struct expression){.op = (enum op)op, .attr = -1, .other = -1, .source = json};
    if (op <= OP_NONE) {
        const json_t *of = json_object_get(json, "of");
        node->of_count = (int)json_array_size(of);
        node->of = rv_arena_alloc(policy->arena, ((size_t)node->of_count + 1) * sizeof *node->of);
        for (int i = 0; i < node->of_count && *problem == NULL; i++) {
            node->of[i] = compile_expression(policy, json_array_get(of, (size_t)i), depth + 1, problem);
        }
        if (node->of_count == 0) {
            *problem = "has an empty list of conditions";
        }
        return node;
    }
    const char *path = rv_json_str(json, "attr", "");
    if (strncmp(path, "me.", 3) != 0 && strncmp(path, "arg.", 4) != 0 && strncmp(path, "res.", 4) != 0) {
        *problem = "names an attribute that is not me.…, arg.… or res.…";
        return NULL;
    }
    node->attr = policy_attribute(policy, path);
    const json_t *value = json_object_get(json, "value");
    const char *other = rv_json_str(value, "attr", NULL);
    if (other != NULL) {
        node->other = policy_attribute(policy, other);
    } else if (op != OP_HAS) {
        node->value = policy_value(value);
    }
    bool ordering = op >= OP_LT && op <= OP_GE;
    if (node->attr < 0 || (other != NULL && node->other < 0)) {
        *problem = "brings more attributes than one bundle may use";
    } else if (op != OP_HAS && other == NULL && (node->value.type == VALUE_NONE || node->value.type == VALUE_OTHER)) {
        *problem = "compares with a value that is no text, integer, boolean, money or list";
    } else if (ordering && other == NULL && node->value.type != VALUE_INT &&
               node->value.type != VALUE_MONEY) {
        *problem = "orders something that is neither integer nor money";
    } else if (op == OP_ONE_OF && other == NULL && node->value.type != VALUE_LIST) {
        *problem = "uses one_of without a list";
    }
    return node;
}

/* ---- who and what ---- */

static int principal_index(struct rv_policy *policy, const json_t *rule)
{
    static const char *const kinds[] = {"agents", "persons", "system"};
    json_t *match = json_object();
    for (size_t i = 0; i < RV_COUNT(kinds); i++) {
        json_t *who = json_object_get(rule, kinds[i]);
        if (who != NULL) {
            json_object_set(match, kinds[i], who);
        }
    }
    for (int i = 0; i < policy->principal_count; i++) {
        if (json_equal(policy->principals[i].source, match)) {
            json_decref(match);
            return i;
        }
    }
    if (policy->principal_count == POLICY_PRINCIPALS_MAX) {
        json_decref(match);
        return -1;
    }
    policy->principals[policy->principal_count].source = match;
    return policy->principal_count++;
}

static bool is_who(const json_t *who)
{
    return who == NULL || json_is_string(who) || json_is_array(who) ||
           json_is_string(json_object_get(who, "role"));
}

static enum rv_code compile_who(struct rv_policy *policy, struct rule *rule, struct rv_error *err)
{
    const json_t *source = rule->source;
    bool named = false;
    static const char *const kinds[] = {"agents", "persons", "system"};
    for (size_t i = 0; i < RV_COUNT(kinds); i++) {
        const json_t *who = json_object_get(source, kinds[i]);
        named = named || who != NULL;
        if (!is_who(who)) {
            return complain(rule, err, kinds[i], "is neither \"*\", a list of names nor role\"…\"",
                            "Write agents=\"*\", agents={\"price_variance\"} or persons=role\"clerk\".");
        }
    }
    if (rule->kind == RULE_PERMIT && !named) {
        return complain(rule, err, "agents", "is missing: a permit says to whom",
                        "Add agents=…, persons=… or system=….");
    }
    rule->principal = principal_index(policy, source);
    return rule->principal >= 0 ? RV_OK
                                : complain(rule, err, "agents", "brings too many different groups",
                                           "Use roles instead of lists of names.");
}

static enum rv_code compile_actions(struct rv_policy *policy, struct rule *rule,
                                    struct rv_error *err)
{
    json_t *action = json_object_get(rule->source, "action");
    if (json_is_string(action)) {
        action = json_pack("[O]", action);
        json_object_set_new((json_t *)(uintptr_t)rule->source, "action", action);
    }
    (void)policy;
    size_t i;
    json_t *item;
    json_array_foreach(action, i, item)
    {
        if (!json_is_string(item)) {
            action = NULL;
            break;
        }
    }
    if (json_array_size(action) == 0) {
        return complain(rule, err, "action", "names no action",
                        "Write action=\"invoice.pay\", \"invoice.*\", \"*\" or any_of{…}.");
    }
    rule->actions = action;
    return RV_OK;
}

/* ---- what a rule asks for ---- */

static enum rv_code compile_stages(struct rv_policy *policy, struct rule *rule, const json_t *ask,
                                   const char *field, struct rv_error *err)
{
    (void)policy;
    const char *role = rv_json_str(ask, "approval", NULL);
    if (json_is_string(ask) && strcmp(json_string_value(ask), "deny") == 0) {
        return RV_OK;
    }
    if (role == NULL) {
        return complain(rule, err, field, "is neither \"deny\" nor approval\"role\"",
                        "Write for example over=approval\"controller\".");
    }
    json_t *stages = json_pack("[{s:s,s:i}]", "role", role, "n", 1);
    json_object_set_new((json_t *)(uintptr_t)rule->source, "stages", stages);
    rule->stages = stages;
    rule->expires_s = 86400;
    return RV_OK;
}

static enum rv_code compile_limit(struct rv_policy *policy, struct rule *rule, struct rv_error *err)
{
    const json_t *source = rule->source;
    const char *sum = rv_json_str(json_object_get(source, "sum"), "attr", NULL);
    bool counts = rv_json_bool(source, "count", false);
    rule->sum_attr = sum != NULL ? policy_attribute(policy, sum) : -1;
    rule->cap = policy_value(json_object_get(source, "cap"));
    if ((sum != NULL) == counts) {
        return complain(rule, err, "sum", "or \"count\" must be given, and only one of them",
                        "Write sum=arg.amount or count=true.");
    }
    if (rule->cap.type != (sum != NULL ? VALUE_MONEY : VALUE_INT) || rule->cap.number < 0) {
        return complain(rule, err, "cap", sum != NULL ? "is no amount" : "is no count",
                        "Write cap=money\"5000 EUR\" with sum, cap=100 with count.");
    }
    rule->window_s = duration(json_object_get(source, "window"));
    if (rule->window_s == 0) {
        return complain(rule, err, "window", "is no duration", "Write window=\"1d\" (s, m, h, d).");
    }
    rule->bucket_s = rule->window_s / POLICY_BUCKETS > 0 ? rule->window_s / POLICY_BUCKETS : 1;
    const json_t *per = json_object_get(source, "per");
    rule->per_count = (int)json_array_size(per);
    static const struct {
        const char *name;
        const char *path;
    } known[] = {{"agent", "me.id"}, {"person", "me.id"}, {"owner", "me.owner"}, {"tenant", "me.tenant"},
                 {"vendor", "res.vendor.id"}};
    for (int i = 0; i < rule->per_count; i++) {
        const json_t *item = json_array_get(per, (size_t)i);
        const char *name = json_is_string(item) ? json_string_value(item) : rv_json_str(item, "attr", NULL);
        const char *path = name;
        for (size_t k = 0; k < RV_COUNT(known) && name != NULL; k++) {
            path = strcmp(known[k].name, name) == 0 ? known[k].path : path;
        }
        if (i >= POLICY_PER_MAX || path == NULL || strchr(path, '.') == NULL) {
            return complain(rule, err, "per", "names something unknown",
                            "Use \"agent\", \"owner\", \"vendor\", \"tenant\" or an attribute.");
        }
        rule->per[i] = policy_attribute(policy, path);
        rule->per_name[i] = name;
    }
    return compile_stages(policy, rule, json_object_get(source, "over"), "over", err);
}

static enum rv_code compile_approve(struct rv_policy *policy, struct rule *rule,
                                    struct rv_error *err)
{
    (void)policy;
    const json_t *source = rule->source;
    rule->stages = json_object_get(source, "stages");
    size_t i;
    json_t *stage;
    json_array_foreach((json_t *)(uintptr_t)rule->stages, i, stage)
    {
        if (rv_json_str(stage, "role", NULL) == NULL || rv_json_int(stage, "n", 1) < 1) {
            return complain(rule, err, "stages", "has a stage without role or with n below 1",
                            "Write stages={ {role=\"controller\", n=1} }.");
        }
        if (json_object_get(stage, "n") == NULL) {
            json_object_set_new(stage, "n", json_integer(1));
        }
    }
    if (json_array_size(rule->stages) == 0) {
        return complain(rule, err, "stages", "is empty: nobody would be asked",
                        "Write stages={ {role=\"controller\", n=1} }.");
    }
    rule->never = json_object_get(source, "never");
    rule->expires_s = duration(json_object_get(source, "expires"));
    if (rule->expires_s == 0 || rule->expires_s > POLICY_EXPIRY_MAX_S) {
        return complain(rule, err, "expires", "is missing or longer than 90 days",
                        "Every question ends: write expires=\"24h\".");
    }
    const json_t *escalate = json_object_get(source, "escalate");
    if (escalate != NULL) {
        rule->escalate_after_s = duration(json_object_get(escalate, "after"));
        rule->escalate_to = rv_json_str(escalate, "to", NULL);
        if (rule->escalate_after_s == 0 || rule->escalate_to == NULL ||
            rule->escalate_after_s >= rule->expires_s) {
            return complain(rule, err, "escalate", "needs after= (before the expiry) and to=",
                            "Write escalate={after=\"8h\", to=\"cfo\"}.");
        }
    }
    return RV_OK;
}

static enum rv_code compile_sink(struct rv_policy *policy, struct rule *rule, struct rv_error *err)
{
    const json_t *source = rule->source;
    const json_t *args = json_object_get(source, "args");
    rule->sink_count = (int)json_array_size(args);
    if (rule->sink_count == 0 || strcmp(rv_json_str(source, "need", ""), "trusted") != 0) {
        return complain(rule, err, "args", "is empty, or need is not \"trusted\"",
                        "Write args={\"iban\"}, need=\"trusted\".");
    }
    rule->sink_args = rv_arena_alloc(policy->arena, (size_t)rule->sink_count * sizeof(int));
    rule->sink_names = rv_arena_alloc(policy->arena, (size_t)rule->sink_count * sizeof(char *));
    for (int i = 0; i < rule->sink_count; i++) {
        const char *name = json_string_value(json_array_get(args, (size_t)i));
        if (name == NULL) {
            return complain(rule, err, "args", "holds something that is no name", "Write args={\"iban\"}.");
        }
        rule->sink_names[i] = name;
        rule->sink_args[i] = policy_attribute(policy, rv_arena_printf(policy->arena, "arg.%s", name));
    }
    const char *exact = rv_json_str(json_object_get(source, "endorse"), "exact", NULL);
    rule->endorse_attr = -1;
    if (exact != NULL) {
        rule->endorse_attr = policy_attribute(policy, rv_arena_printf(policy->arena, "res.%s", exact));
    }
    return compile_stages(policy, rule, json_object_get(source, "otherwise"), "otherwise", err);
}

/* ---- rules ---- */

static enum rv_code compile_rule(struct rv_policy *policy, json_t *source, struct rv_error *err)
{
    struct rule *rule = &policy->rules[policy->rule_count];
    const char *kind = rv_json_str(source, "kind", "");
    *rule = (struct rule){.source = source, .line = (int)rv_json_int(source, "line", 0),
                          .endorse_attr = -1, .sum_attr = -1};
    json_object_del(source, "line"); /* moving a rule in the file does not change the policy */
    rule->id = rv_json_str(source, "id", NULL);
    int number = 0;
    while (number < RULE_KINDS && strcmp(policy_kind_names[number], kind) != 0) {
        number++;
    }
    rule->kind = (enum rule_kind)number;
    if (number == RULE_KINDS) {
        return complain(rule, err, "kind", "is no rule", "Use permit, forbid, limit, approve or sink.");
    }
    if (rule->id == NULL || *rule->id == '\0') {
        return complain(rule, err, "id", "is missing", "Give every rule a short, unique id.");
    }
    for (int i = 0; i < policy->rule_count; i++) {
        if (strcmp(policy->rules[i].id, rule->id) == 0) {
            return complain(rule, err, "id", "is used twice", "Give every rule its own id.");
        }
    }
    enum rv_code code = compile_who(policy, rule, err);
    if (code == RV_OK) {
        code = compile_actions(policy, rule, err);
    }
    const json_t *when = json_object_get(source, "when");
    if (code == RV_OK && when != NULL) {
        const char *problem = NULL;
        rule->when = compile_expression(policy, when, 0, &problem);
        if (problem != NULL) {
            code = complain(rule, err, "when", problem, "See policies/README.md for the language.");
        }
    }
    if (code == RV_OK && rule->kind == RULE_LIMIT) {
        code = compile_limit(policy, rule, err);
    } else if (code == RV_OK && rule->kind == RULE_APPROVE) {
        code = compile_approve(policy, rule, err);
    } else if (code == RV_OK && rule->kind == RULE_SINK) {
        code = compile_sink(policy, rule, err);
    }
    policy->rule_count++;
    return code;
}

/* ---- the index by action ---- */

static bool is_glob(const char *action)
{
    return strchr(action, '*') != NULL;
}

static uint32_t hash_text(const char *text)
{
    uint32_t hash = 2166136261u;
    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    }
    return hash;
}

static struct action_index *index_slot(const struct rv_policy *policy, const char *action)
{
    uint32_t at = hash_text(action) & (uint32_t)(policy->index_size - 1);
    while (policy->index[at].action != NULL && strcmp(policy->index[at].action, action) != 0) {
        at = (at + 1) & (uint32_t)(policy->index_size - 1);
    }
    return &policy->index[at];
}

static void add_to(struct rv_policy *policy, int **list, int *count, int rule)
{
    if ((*count & (*count - 1)) == 0) { /* full at powers of two: double */
        int *larger = rv_arena_alloc(policy->arena, (size_t)(*count * 2 + 1) * sizeof(int));
        if (*count > 0) {
            memcpy(larger, *list, (size_t)*count * sizeof(int));
        }
        *list = larger;
    }
    (*list)[(*count)++] = rule;
}

static void build_index(struct rv_policy *policy)
{
    size_t names = 0;
    for (int i = 0; i < policy->rule_count; i++) {
        names += json_array_size(policy->rules[i].actions);
    }
    policy->index_size = 16;
    while ((size_t)policy->index_size < 2 * names + 1) {
        policy->index_size *= 2;
    }
    policy->index = rv_arena_alloc(policy->arena, (size_t)policy->index_size * sizeof *policy->index);
    for (int i = 0; i < policy->rule_count; i++) {
        size_t k;
        json_t *action;
        bool wild = false;
        json_array_foreach((json_t *)(uintptr_t)policy->rules[i].actions, k, action)
        {
            wild = wild || is_glob(json_string_value(action));
        }
        if (wild) {
            add_to(policy, &policy->wild, &policy->wild_count, i);
            continue;
        }
        json_array_foreach((json_t *)(uintptr_t)policy->rules[i].actions, k, action)
        {
            struct action_index *slot = index_slot(policy, json_string_value(action));
            slot->action = json_string_value(action);
            add_to(policy, &slot->rules, &slot->count, i);
        }
    }
}

/* ---- the bundle ---- */

static enum rv_code compile_bundle(struct rv_policy *policy, struct rv_error *err)
{
    json_t *bundle = policy->bundle;
    if (strcmp(rv_json_str(bundle, "kind", ""), "bundle") != 0) {
        return rv_fail(err, RV_INVALID, "the file must return bundle{ name=…, rules… }");
    }
    if (!normalise(bundle)) {
        return rv_fail(err, RV_INVALID, "an amount has more decimals than its currency, or is too large");
    }
    json_t *items = json_object_get(bundle, "items");
    json_t *rules = json_array();
    json_t *tests = json_array();
    size_t i;
    json_t *item;
    json_array_foreach(items, i, item)
    {
        bool is_test = strcmp(rv_json_str(item, "kind", ""), "test") == 0;
        json_array_append(is_test ? tests : rules, item);
    }
    json_object_del(bundle, "items");
    json_object_set_new(bundle, "rules", rules);
    json_object_set_new(bundle, "tests", tests);
    if (json_array_size(rules) > RV_POLICY_RULES_MAX) {
        return rv_fail(err, RV_LIMIT, "a bundle has at most %d rules", RV_POLICY_RULES_MAX);
    }
    policy->rules = rv_arena_alloc(policy->arena, (json_array_size(rules) + 1) * sizeof *policy->rules);
    enum rv_code code = RV_OK;
    json_array_foreach(rules, i, item)
    {
        code = compile_rule(policy, item, err);
        if (code != RV_OK) {
            return code;
        }
    }
    json_array_foreach(tests, i, item)
    {
        json_object_del(item, "line");
    }
    build_index(policy);
    return RV_OK;
}

enum rv_code policy_compile(json_t *bundle, const char *name, struct rv_policy **out,
                            struct rv_error *err)
{
    struct rv_policy *policy = rv_alloc(sizeof *policy);
    policy->arena = rv_arena_create("policy", POLICY_ARENA_MAX);
    policy->bundle = bundle;
    policy->name = rv_arena_strdup(policy->arena, name);
    enum rv_code code = compile_bundle(policy, err);
    struct rv_buf text;
    rv_buf_init(&text, RV_JSON_TEXT_MAX);
    if (code == RV_OK) {
        code = rv_json_canonical(policy->bundle, &text, err);
    }
    if (code == RV_OK) {
        policy->hash = rv_sha256(text.data, text.length);
        policy->canonical = rv_buf_take(&text);
    }
    rv_buf_fini(&text);
    if (code != RV_OK) {
        rv_wrap(err, code, "policy \"%s\"", name);
        rv_policy_destroy(policy);
        return code;
    }
    *out = policy;
    return RV_OK;
}

enum rv_code rv_policy_load(const char *source, size_t length, const char *name,
                            struct rv_policy **out, struct rv_error *err)
{
    json_t *bundle = NULL;
    enum rv_code code = policy_read_lua(source, length, name, &bundle, err);
    return code == RV_OK ? policy_compile(bundle, name, out, err) : code;
}

void rv_policy_destroy(struct rv_policy *policy)
{
    if (policy == NULL) {
        return;
    }
    for (int i = 0; i < policy->principal_count; i++) {
        json_decref((json_t *)(uintptr_t)policy->principals[i].source);
    }
    json_decref(policy->bundle);
    rv_free(policy->canonical);
    rv_arena_destroy(policy->arena);
    rv_free(policy);
}

struct rv_hash rv_policy_hash(const struct rv_policy *policy)
{
    return policy->hash;
}

const char *rv_policy_canonical(const struct rv_policy *policy)
{
    return policy->canonical;
}

const char *rv_policy_name(const struct rv_policy *policy)
{
    return policy->name;
}
