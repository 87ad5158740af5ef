/* policy_decide.c -- the decision: facts once, then every rule about this action, then the lattice.
 *
 * Conditions have three truths.  An error (a missing attribute, two currencies, two types) grants
 * nothing in a permit and restricts in everything else:
 *
 *   forbid  yes or error -> deny          limit  over, or error -> what `over` says, error -> deny
 *   approve yes -> hold; error -> hold    sink   untrusted, or error -> what `otherwise` says
 *   permit  yes -> allowed by it          no permit -> deny
 *
 * all, any and none are commutative also with errors, so the order of conditions and rules never
 * matters.
 */
#include "runtime/gate/policy_private.h"

#include <stdio.h>
#include <string.h>

/* ---- values ---- */

struct value policy_value(const json_t *json)
{
    struct value value = {.type = VALUE_NONE};
    switch (json == NULL ? JSON_NULL : json_typeof(json)) {
    case JSON_INTEGER:
        value.type = VALUE_INT;
        value.number = json_integer_value(json);
        break;
    case JSON_STRING:
        value.type = VALUE_TEXT;
        value.text = json_string_value(json);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        value.type = VALUE_BOOL;
        value.number = json_is_true(json);
        break;
    case JSON_ARRAY:
        value.type = VALUE_LIST;
        value.list = json;
        break;
    case JSON_OBJECT:
        value.type = VALUE_OTHER;
        value.text = rv_json_str(json, "currency", NULL);
        if (value.text != NULL && json_is_integer(json_object_get(json, "minor"))) {
            value.type = VALUE_MONEY;
            value.number = rv_json_int(json, "minor", 0);
        }
        break;
    case JSON_REAL:
    case JSON_NULL:
        break;
    }
    return value;
}

static const json_t *walk(const json_t *object, const char *path)
{
    while (object != NULL && *path != '\0') {
        char name[64];
        size_t length = strcspn(path, ".");
        if (length >= sizeof name) {
            return NULL;
        }
        memcpy(name, path, length);
        name[length] = '\0';
        object = json_object_get(object, name);
        path += length + (path[length] == '.');
    }
    return object;
}

static struct value resolve(const struct rv_policy_request *request, const char *path)
{
    static const struct {
        const char *prefix;
        size_t length;
    } roots[] = {{"me.", 3}, {"arg.", 4}, {"res.", 4}};
    const json_t *objects[] = {request->me, request->args, request->res};
    for (size_t i = 0; i < RV_COUNT(roots); i++) {
        if (strncmp(path, roots[i].prefix, roots[i].length) == 0) {
            return policy_value(walk(objects[i], path + roots[i].length));
        }
    }
    return (struct value){.type = VALUE_NONE};
}

/* ---- facts ---- */

static bool holds_role(const json_t *me, const char *role)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(me, "roles"), i, item)
    {
        const char *name = json_string_value(item);
        if (name != NULL && strcmp(name, role) == 0) {
            return true;
        }
    }
    return false;
}

static bool who_matches(const json_t *who, const json_t *me)
{
    const char *id = rv_json_str(me, "id", "");
    if (json_is_string(who)) {
        return strcmp(json_string_value(who), "*") == 0 || strcmp(json_string_value(who), id) == 0;
    }
    const char *role = rv_json_str(who, "role", NULL);
    if (role != NULL) {
        return holds_role(me, role);
    }
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)who, i, item)
    {
        const char *inner = rv_json_str(item, "role", NULL);
        if ((inner != NULL && holds_role(me, inner)) ||
            (json_is_string(item) && strcmp(json_string_value(item), id) == 0)) {
            return true;
        }
    }
    return false;
}

static bool principal_matches(const struct principal_match *match, const json_t *me)
{
    static const struct {
        const char *kind;
        const char *field;
    } kinds[] = {{"agent", "agents"}, {"person", "persons"}, {"system", "system"}};
    if (json_object_size(match->source) == 0) {
        return true; /* a restriction without a name is about everybody */
    }
    const char *kind = rv_json_str(me, "kind", "");
    for (size_t i = 0; i < RV_COUNT(kinds); i++) {
        const json_t *who = json_object_get(match->source, kinds[i].field);
        if (strcmp(kind, kinds[i].kind) == 0 && who != NULL) {
            return who_matches(who, me);
        }
    }
    return false;
}

static uint32_t hash_text(const char *text)
{
    uint32_t hash = 2166136261u;
    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    }
    return hash;
}

enum rv_code rv_policy_facts_make(const struct rv_policy *policy,
                                  const struct rv_policy_request *request, struct rv_arena *arena,
                                  struct rv_policy_facts **out, struct rv_error *err)
{
    if (request->action == NULL || !json_is_object(request->me)) {
        return rv_fail(err, RV_INVALID, "a decision needs an action and a principal");
    }
    struct rv_policy_facts *facts = rv_arena_alloc(
        arena, sizeof *facts + (size_t)policy->attribute_count * sizeof(struct value));
    facts->copy = *request;
    facts->request = &facts->copy;
    for (int i = 0; i < policy->attribute_count; i++) {
        facts->values[i] = resolve(request, policy->attributes[i]);
    }
    facts->principal = rv_arena_alloc(arena, (size_t)policy->principal_count + 1);
    for (int i = 0; i < policy->principal_count; i++) {
        facts->principal[i] = principal_matches(&policy->principals[i], request->me);
    }
    uint32_t at = hash_text(request->action) & (uint32_t)(policy->index_size - 1);
    while (policy->index[at].action != NULL) {
        if (strcmp(policy->index[at].action, request->action) == 0) {
            facts->rules = policy->index[at].rules;
            facts->rule_count = policy->index[at].count;
            break;
        }
        at = (at + 1) & (uint32_t)(policy->index_size - 1);
    }
    *out = facts;
    return RV_OK;
}

bool policy_action_matches(const char *pattern, const char *action)
{
    size_t length = strlen(pattern);
    if (length > 0 && pattern[length - 1] == '*') {
        return strncmp(pattern, action, length - 1) == 0;
    }
    return strcmp(pattern, action) == 0;
}

bool policy_about(const struct rv_policy *policy, const struct rule *rule,
                  const struct rv_policy_facts *facts)
{
    (void)policy;
    if (!facts->principal[rule->principal]) {
        return false;
    }
    size_t i;
    json_t *action;
    json_array_foreach((json_t *)(uintptr_t)rule->actions, i, action)
    {
        if (policy_action_matches(json_string_value(action), facts->request->action)) {
            return true;
        }
    }
    return false;
}

/* ---- conditions ---- */

static enum truth truth_of(bool yes)
{
    return yes ? TRUTH_YES : TRUTH_NO;
}

static bool same_type(const struct value *a, const struct value *b)
{
    return a->type == b->type &&
           (a->type != VALUE_MONEY || strcmp(a->text, b->text) == 0); /* currency */
}

static enum truth equal(const struct value *a, const struct value *b)
{
    if (!same_type(a, b)) {
        return TRUTH_ERROR;
    }
    switch (a->type) {
    case VALUE_TEXT:
        return truth_of(strcmp(a->text, b->text) == 0);
    case VALUE_LIST:
        return truth_of(json_equal(a->list, b->list) != 0);
    case VALUE_INT:
    case VALUE_BOOL:
    case VALUE_MONEY:
        return truth_of(a->number == b->number);
    case VALUE_OTHER:
    case VALUE_NONE:
        return TRUTH_ERROR;
    }
    RV_UNREACHABLE("seven types of value");
}

static enum truth order(enum op op, const struct value *a, const struct value *b)
{
    if (!same_type(a, b) || (a->type != VALUE_INT && a->type != VALUE_MONEY)) {
        return TRUTH_ERROR;
    }
    switch (op) {
    case OP_LT:
        return truth_of(a->number < b->number);
    case OP_LE:
        return truth_of(a->number <= b->number);
    case OP_GT:
        return truth_of(a->number > b->number);
    default:
        return truth_of(a->number >= b->number);
    }
}

static enum truth in_list(const struct value *item, const struct value *list)
{
    if (list->type != VALUE_LIST || item->type == VALUE_NONE || item->type == VALUE_OTHER) {
        return TRUTH_ERROR;
    }
    size_t i;
    json_t *member;
    json_array_foreach((json_t *)(uintptr_t)list->list, i, member)
    {
        struct value value = policy_value(member);
        if (equal(item, &value) == TRUTH_YES) {
            return TRUTH_YES;
        }
    }
    return TRUTH_NO;
}

static enum truth group(const struct expression *node, const struct rv_policy_facts *facts)
{
    bool any_yes = false;
    bool any_no = false;
    bool any_error = false;
    for (int i = 0; i < node->of_count; i++) {
        enum truth truth = policy_evaluate(node->of[i], facts);
        any_yes = any_yes || truth == TRUTH_YES;
        any_no = any_no || truth == TRUTH_NO;
        any_error = any_error || truth == TRUTH_ERROR;
    }
    if (node->op == OP_ALL) {
        return any_no ? TRUTH_NO : any_error ? TRUTH_ERROR : TRUTH_YES;
    }
    enum truth any = any_yes ? TRUTH_YES : any_error ? TRUTH_ERROR : TRUTH_NO;
    if (node->op == OP_ANY || any == TRUTH_ERROR) {
        return any;
    }
    return any == TRUTH_YES ? TRUTH_NO : TRUTH_YES;
}

enum truth policy_evaluate(const struct expression *node, const struct rv_policy_facts *facts)
{
    if (node->op <= OP_NONE) {
        return group(node, facts);
    }
    const struct value *left = &facts->values[node->attr];
    const struct value *right = node->other >= 0 ? &facts->values[node->other] : &node->value;
    if (node->op == OP_HAS) {
        return truth_of(left->type != VALUE_NONE);
    }
    if (left->type == VALUE_NONE || right->type == VALUE_NONE) {
        return TRUTH_ERROR;
    }
    switch (node->op) {
    case OP_EQ:
        return equal(left, right);
    case OP_NE: {
        enum truth same = equal(left, right);
        return same == TRUTH_ERROR ? same : truth_of(same == TRUTH_NO);
    }
    case OP_ONE_OF:
        return in_list(left, right);
    case OP_CONTAINS:
        return in_list(right, left);
    case OP_PREFIX:
        return left->type == VALUE_TEXT && right->type == VALUE_TEXT
                   ? truth_of(strncmp(left->text, right->text, strlen(right->text)) == 0)
                   : TRUTH_ERROR;
    default:
        return order(node->op, left, right);
    }
}

static enum truth when(const struct rule *rule, const struct rv_policy_facts *facts)
{
    return rule->when == NULL ? TRUTH_YES : policy_evaluate(rule->when, facts);
}

/* ---- candidates: the exact ones, then those with a glob ---- */

static const struct rule *candidate(const struct rv_policy *policy,
                                    const struct rv_policy_facts *facts, int i)
{
    return &policy->rules[i < facts->rule_count ? facts->rules[i]
                                                : policy->wild[i - facts->rule_count]];
}

static int candidate_count(const struct rv_policy *policy, const struct rv_policy_facts *facts)
{
    return facts->rule_count + policy->wild_count;
}

static bool speaks(const struct rv_policy *policy, const struct rule *rule,
                   const struct rv_policy_facts *facts, int i)
{
    return i < facts->rule_count ? facts->principal[rule->principal]
                                 : policy_about(policy, rule, facts);
}

/* ---- limits ---- */

static const char *limit_key(const struct rule *rule, const struct rv_policy_facts *facts,
                             struct rv_arena *arena, bool *error)
{
    const char *key = "";
    for (int i = 0; i < rule->per_count; i++) {
        const struct value *value = &facts->values[rule->per[i]];
        const char *sep = i == 0 ? "" : "|";
        if (value->type == VALUE_TEXT) {
            key = rv_arena_printf(arena, "%s%s%s=%s", key, sep, rule->per_name[i], value->text);
        } else if (value->type == VALUE_INT) {
            key = rv_arena_printf(arena, "%s%s%s=%lld", key, sep, rule->per_name[i],
                                  (long long)value->number);
        } else {
            *error = true;
        }
    }
    return key;
}

int rv_policy_limits(const struct rv_policy *policy, const struct rv_policy_facts *facts,
                     struct rv_arena *arena, struct rv_policy_limit out[RV_POLICY_LIMITS_MAX])
{
    int count = 0;
    for (int i = 0; i < candidate_count(policy, facts) && count < RV_POLICY_LIMITS_MAX; i++) {
        const struct rule *rule = candidate(policy, facts, i);
        if (rule->kind != RULE_LIMIT || !speaks(policy, rule, facts, i) ||
            when(rule, facts) == TRUTH_NO) {
            continue;
        }
        bool error = false;
        const struct value *sum = rule->sum_attr >= 0 ? &facts->values[rule->sum_attr] : NULL;
        int64_t adds = sum == NULL ? 1 : sum->type == VALUE_MONEY ? sum->number : 0;
        out[count++] = (struct rv_policy_limit){
            .rule = rule->id,
            .key = limit_key(rule, facts, arena, &error),
            .window_s = rule->window_s,
            .bucket_s = rule->bucket_s,
            .adds = adds < 0 ? -adds : adds,
            .cap = rule->cap.number,
        };
    }
    return count;
}

/* ---- the lattice ---- */

static void name_rule(struct rv_verdict *out, const char *id, const char *why)
{
    if (out->rule_count < RV_VERDICT_RULES_MAX) {
        out->rules[out->rule_count] = (struct rv_verdict_rule){id, why};
    }
    out->rule_count++;
}

/* Raising to a higher verdict forgets what made the lower one. */
static void raise(struct rv_verdict *out, enum rv_verdict_kind kind, const char *id, const char *why)
{
    if (kind < out->kind) {
        return;
    }
    if (kind > out->kind) {
        out->kind = kind;
        out->rule_count = 0;
    }
    name_rule(out, id, why);
}

static void free_json(void *json)
{
    json_decref(json);
}

static void merge_stages(struct rv_verdict *out, const struct rule *rule, struct rv_arena *arena)
{
    json_t *merged = (json_t *)(uintptr_t)out->stages;
    if (merged == NULL) {
        merged = json_array();
        rv_arena_cleanup(arena, free_json, merged);
        out->stages = merged;
    }
    size_t i;
    json_t *stage;
    json_array_foreach((json_t *)(uintptr_t)rule->stages, i, stage)
    {
        const char *role = rv_json_str(stage, "role", "");
        int64_t n = rv_json_int(stage, "n", 1);
        size_t k;
        json_t *have;
        bool found = false;
        json_array_foreach(merged, k, have)
        {
            if (strcmp(rv_json_str(have, "role", ""), role) == 0) {
                found = true;
                if (rv_json_int(have, "n", 1) < n) {
                    json_object_set_new(have, "n", json_integer(n));
                }
            }
        }
        if (!found) {
            json_array_append_new(merged, json_pack("{s:s,s:I}", "role", role, "n", (json_int_t)n));
        }
    }
    if (out->expires_s == 0 || rule->expires_s < out->expires_s) {
        out->expires_s = rule->expires_s;
    }
    if (rule->escalate_to != NULL &&
        (out->escalate_to == NULL || rule->escalate_after_s < out->escalate_after_s)) {
        out->escalate_after_s = rule->escalate_after_s;
        out->escalate_to = rule->escalate_to;
    }
}

static void ask(struct rv_verdict *out, const struct rule *rule, const char *why,
                struct rv_arena *arena)
{
    if (rule->stages == NULL) {
        raise(out, RV_DENY, rule->id, why);
    } else {
        raise(out, RV_HOLD, rule->id, why);
        merge_stages(out, rule, arena);
    }
}

static void apply_limit(struct rv_verdict *out, const struct rule *rule,
                        const struct rv_policy_facts *facts, int64_t used, enum truth applies,
                        struct rv_arena *arena)
{
    const struct value *sum = rule->sum_attr >= 0 ? &facts->values[rule->sum_attr] : NULL;
    bool error = applies == TRUTH_ERROR;
    limit_key(rule, facts, arena, &error);
    if (sum != NULL && (sum->type != VALUE_MONEY || strcmp(sum->text, rule->cap.text) != 0)) {
        error = true;
    }
    if (error) {
        raise(out, RV_DENY, rule->id, "error");
        return;
    }
    int64_t adds = sum == NULL ? 1 : sum->number < 0 ? -sum->number : sum->number;
    int64_t total = 0;
    if (__builtin_add_overflow(used, adds, &total) || total > rule->cap.number) {
        ask(out, rule, "limit", arena);
    }
}

static bool trusted(const struct rule *rule, const struct rv_policy_facts *facts, int i)
{
    const struct value *value = &facts->values[rule->sink_args[i]];
    if (value->type == VALUE_NONE) {
        return true; /* not given: nothing flows */
    }
    if (rule->endorse_attr >= 0 && equal(value, &facts->values[rule->endorse_attr]) == TRUTH_YES) {
        return true; /* exactly what the master record says */
    }
    const char *label = rv_json_str(json_object_get(facts->request->ctx, "labels"),
                                    rule->sink_names[i], "model");
    return strcmp(label, "erp") == 0 || strcmp(label, "system") == 0;
}

static void apply_sink(struct rv_verdict *out, const struct rule *rule,
                       const struct rv_policy_facts *facts, enum truth applies,
                       struct rv_arena *arena)
{
    bool clean = applies == TRUTH_YES;
    for (int i = 0; i < rule->sink_count; i++) {
        clean = clean && trusted(rule, facts, i);
    }
    if (!clean) {
        ask(out, rule, applies == TRUTH_ERROR ? "error" : "sink", arena);
    }
}

void rv_policy_decide(const struct rv_policy *policy, const struct rv_policy_facts *facts,
                      const int64_t *used, int used_count, struct rv_arena *arena,
                      struct rv_verdict *out)
{
    *out = (struct rv_verdict){.kind = RV_ALLOW};
    const char *permit = NULL;
    int limit = 0;
    int limits_seen = 0;
    for (int i = 0; i < candidate_count(policy, facts); i++) {
        const struct rule *rule = candidate(policy, facts, i);
        if (!speaks(policy, rule, facts, i)) {
            continue;
        }
        enum truth truth = when(rule, facts);
        if (truth == TRUTH_NO) {
            continue;
        }
        switch (rule->kind) {
        case RULE_PERMIT:
            if (truth == TRUTH_YES && (permit == NULL || strcmp(rule->id, permit) < 0)) {
                permit = rule->id; /* the same one whatever the order of the file */
            }
            break;
        case RULE_FORBID:
            raise(out, RV_DENY, rule->id, truth == TRUTH_YES ? "forbid" : "error");
            break;
        case RULE_LIMIT:
            if (limits_seen++ < RV_POLICY_LIMITS_MAX && limit < used_count) {
                apply_limit(out, rule, facts, used[limit++], truth, arena);
            } else {
                raise(out, RV_DENY, rule->id, "error"); /* more limits than can be looked up */
            }
            break;
        case RULE_APPROVE:
            ask(out, rule, truth == TRUTH_YES ? "approve" : "error", arena);
            break;
        case RULE_SINK:
            apply_sink(out, rule, facts, truth, arena);
            break;
        case RULE_KINDS:
            RV_UNREACHABLE("five kinds of rule");
        }
    }
    if (permit == NULL) {
        raise(out, RV_DENY, "no_permit", "default");
    } else if (out->kind == RV_ALLOW) {
        name_rule(out, permit, "permit");
    }
    if (out->kind == RV_HOLD) {
        json_t *never = json_pack("[s,s]", "requester", "agent_owner");
        rv_arena_cleanup(arena, free_json, never);
        out->never = never;
    }
}
