/* policy_decide.c -- the decision: which rules apply, what each says, and the lattice that joins
 * them.
 *
 * A condition is yes, no or error (a missing attribute, two types, two currencies).  Errors follow
 * Kleene's logic: all{} with a "no" is no whatever else failed, any{} with a "yes" is yes; so
 * neither the order of conditions nor the order of rules can matter.  What an error does:
 *
 *   permit   grants nothing
 *   forbid   deny
 *   limit    deny
 *   approve  hold, with the escalation role added; deny when the rule names none
 *   sink     deny
 *
 * Verdict: any deny -> deny; no permit -> deny; any hold -> hold, merged over all rules that ask;
 * else allow.  Attributes are looked up when the first condition asks, and once.
 */
#include "runtime/gate/policy_table.h"

#include <string.h>

/* ---- facts ---- */

static const char *principal_id(const json_t *me)
{
    return rv_json_str(me, "id", "");
}

/* Tables of the buckets that a request has met; beyond it they are done without. */
enum { FACTS_TABLES_MAX = 16 };
struct met {
    const struct policy_table *tables[FACTS_TABLES_MAX];
    int count;
};

static void mark(struct rv_policy_facts *facts, uint32_t action, enum policy_selector selector,
                 int32_t symbol, struct met *met)
{
    const struct policy_bucket *bucket =
        policy_bucket_find(facts->policy, action, selector, symbol);
    if (bucket == NULL) {
        return;
    }
    if (bucket->table != NULL) {
        const uint64_t *members = policy_table_members(bucket->table);
        for (int w = 0; w < facts->policy->words; w++) {
            facts->candidates[w] |= members[w];
        }
        if (met->count < FACTS_TABLES_MAX) {
            met->tables[met->count++] = bucket->table;
        }
        return;
    }
    const uint32_t *rules = facts->policy->bucket_rules + bucket->first;
    for (uint32_t i = 0; i < bucket->count; i++) {
        facts->candidates[rules[i] / 64] |= UINT64_C(1) << (rules[i] % 64);
    }
}

/* Whom the request is from, as selectors of the index; found once for all actions and patterns. */
struct who {
    enum policy_selector any;
    int32_t id; /* symbol or -1 */
    const json_t *roles;
};

static void mark_action(struct rv_policy_facts *facts, uint32_t action, const struct who *who,
                        const int32_t *roles, int role_count, struct met *met)
{
    mark(facts, action, POLICY_EVERYBODY, 0, met);
    mark(facts, action, who->any, 0, met);
    if (who->any == POLICY_SYSTEM) {
        return;
    }
    if (who->id >= 0) {
        mark(facts, action, (enum policy_selector)(who->any + 1), who->id, met);
    }
    for (int i = 0; i < role_count; i++) {
        mark(facts, action, (enum policy_selector)(who->any + 2), roles[i], met);
    }
}

static int role_symbols(const struct rv_policy *policy, const json_t *roles, struct rv_arena *arena,
                        int32_t **out)
{
    size_t size = json_array_size(roles);
    int count = 0;
    *out = rv_arena_alloc(arena, (size + 1) * sizeof **out);
    for (size_t i = 0; i < size; i++) {
        const json_t *role = json_array_get(roles, i);
        int32_t symbol = json_is_string(role) ? policy_symbol_find(policy, json_string_value(role),
                                                                   json_string_length(role))
                                              : -1;
        if (symbol >= 0) {
            (*out)[count++] = symbol;
        }
    }
    return count;
}

static void find_candidates(struct rv_policy_facts *facts, const struct who *who,
                            struct rv_arena *arena, struct met *met)
{
    const struct rv_policy *policy = facts->policy;
    int32_t *roles = NULL;
    int role_count = role_symbols(policy, who->roles, arena, &roles);
    int32_t symbol = policy_symbol_find(policy, facts->action, strlen(facts->action));
    int32_t exact = symbol < 0 ? -1 : policy->action_of_symbol[symbol];
    if (exact >= 0) {
        const struct policy_action *action = &policy->actions[exact];
        mark_action(facts, (uint32_t)exact, who, roles, role_count, met);
        for (uint32_t i = 0; i < action->pattern_count; i++) {
            mark_action(facts, action->patterns[i], who, roles, role_count, met);
        }
        return;
    }
    for (uint32_t i = policy->exact_count; i < policy->action_count; i++) {
        if (policy_pattern_matches(policy->actions[i].name, facts->action)) {
            mark_action(facts, i, who, roles, role_count, met);
        }
    }
}

static enum rv_code make_facts(const struct rv_policy *policy,
                               const struct rv_policy_request *request, struct rv_arena *arena,
                               struct met *met, struct rv_policy_facts **out, struct rv_error *err)
{
    static const struct {
        const char *kind;
        enum policy_selector any;
    } kinds[] = {
        {"agent", POLICY_AGENT_ANY}, {"person", POLICY_PERSON_ANY}, {"system", POLICY_SYSTEM}};
    const char *kind = rv_json_str(request->me, "kind", "");
    struct who who = {.any = POLICY_EVERYBODY, .roles = json_object_get(request->me, "roles")};
    for (size_t i = 0; i < RV_COUNT(kinds); i++) {
        if (strcmp(kinds[i].kind, kind) == 0) {
            who.any = kinds[i].any;
        }
    }
    if (request->action == NULL || who.any == POLICY_EVERYBODY) {
        return rv_fail(
            err, RV_INVALID,
            "a decision needs an action, and a principal that is agent, person or system");
    }
    struct rv_policy_facts *facts = rv_arena_alloc(arena, sizeof *facts);
    facts->policy = policy;
    facts->action = request->action;
    facts->roots[POLICY_ROOT_ME] = request->me;
    facts->roots[POLICY_ROOT_ARG] = request->args;
    facts->roots[POLICY_ROOT_RES] = request->res;
    facts->roots[POLICY_ROOT_RUN] = json_object_get(request->ctx, "run");
    facts->labels = json_object_get(request->ctx, "labels");
    facts->id = principal_id(request->me);
    facts->is_agent = who.any == POLICY_AGENT_ANY;
    facts->candidates = rv_arena_alloc(arena, (size_t)policy->words * sizeof *facts->candidates);
    facts->values = rv_arena_alloc(arena, ((size_t)policy->slot_count + 1) * sizeof *facts->values);
    who.id = policy_symbol_find(policy, facts->id, strlen(facts->id));
    find_candidates(facts, &who, arena, met);
    *out = facts;
    return RV_OK;
}

enum rv_code policy_facts_plain(const struct rv_policy *policy,
                                const struct rv_policy_request *request, struct rv_arena *arena,
                                struct rv_policy_facts **out, struct rv_error *err)
{
    struct met ignored = {.count = 0};
    return make_facts(policy, request, arena, &ignored, out, err);
}

enum rv_code rv_policy_facts_make(const struct rv_policy *policy,
                                  const struct rv_policy_request *request, struct rv_arena *arena,
                                  struct rv_policy_facts **out, struct rv_error *err)
{
    struct met met = {.count = 0};
    enum rv_code code = make_facts(policy, request, arena, &met, out, err);
    for (int i = 0; code == RV_OK && i < met.count; i++) {
        policy_table_settle(met.tables[i], *out, arena);
    }
    return code;
}

/* ---- values ---- */

struct policy_value policy_value_of(const struct rv_policy *policy, const json_t *json)
{
    struct policy_value value = {.type = POLICY_ABSENT, .symbol = -1, .json = json};
    if (json == NULL) {
        return value;
    }
    switch (json_typeof(json)) {
    case JSON_STRING:
        value.type = POLICY_TEXT;
        value.text = json_string_value(json);
        value.length = (uint32_t)json_string_length(json);
        value.symbol = policy_symbol_find(policy, value.text, value.length);
        break;
    case JSON_INTEGER:
        value.type = POLICY_INT;
        value.number = json_integer_value(json);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        value.type = POLICY_BOOL;
        value.number = json_is_true(json);
        break;
    case JSON_ARRAY: value.type = POLICY_LIST; break;
    case JSON_OBJECT: {
        const json_t *minor = json_object_get(json, "minor");
        value.type = POLICY_OTHER;
        value.currency = minor == NULL ? 0 : policy_currency(rv_json_str(json, "currency", NULL));
        if (json_is_integer(minor) && value.currency != 0) {
            value.type = POLICY_MONEY;
            value.number = json_integer_value(minor);
            value.text = rv_json_str(json, "currency", NULL);
        }
        break;
    }
    case JSON_REAL: value.type = POLICY_OTHER; break;
    case JSON_NULL: break;
    }
    return value;
}

static const struct policy_value *look_up(const struct rv_policy_facts *facts, uint16_t slot)
{
    const struct policy_slot *place = &facts->policy->slots[slot];
    const json_t *json = facts->roots[place->root];
    if (place->parent != POLICY_NONE) {
        json = json_object_getn(policy_resolve(facts, place->parent)->json, place->key,
                                place->key_length);
    }
    facts->values[slot] = policy_value_of(facts->policy, json);
    return &facts->values[slot];
}

const struct policy_value *policy_resolve(const struct rv_policy_facts *facts, uint16_t slot)
{
    const struct policy_value *value = &facts->values[slot];
    return value->type != POLICY_UNRESOLVED ? value : look_up(facts, slot);
}

/* ---- atoms ---- */

static enum policy_truth truth(bool yes)
{
    return yes ? POLICY_YES : POLICY_NO;
}

static bool comparable(const struct policy_value *a, const struct policy_value *b)
{
    return a->type == b->type && a->currency == b->currency && a->type >= POLICY_TEXT &&
           a->type <= POLICY_MONEY;
}

static bool same(const struct policy_value *a, const struct policy_value *b)
{
    if (a->type != POLICY_TEXT) {
        return a->number == b->number;
    }
    if (a->symbol >= 0 || b->symbol >= 0) {
        return a->symbol == b->symbol;
    }
    return a->length == b->length && memcmp(a->text, b->text, a->length) == 0;
}

static bool list_has(const struct rv_policy *policy, const json_t *list,
                     const struct policy_value *wanted)
{
    size_t size = json_array_size(list);
    for (size_t i = 0; i < size; i++) {
        const json_t *json = json_array_get(list, i);
        if (wanted->type == POLICY_TEXT && json_is_string(json)) {
            if (json_string_length(json) == wanted->length &&
                memcmp(json_string_value(json), wanted->text, wanted->length) == 0) {
                return true;
            }
            continue;
        }
        struct policy_value item = policy_value_of(policy, json);
        if (comparable(&item, wanted) && same(&item, wanted)) {
            return true;
        }
    }
    return false;
}

static bool literals_have(const struct rv_policy *policy, const struct policy_node *node,
                          const struct policy_value *value)
{
    int64_t wanted = node->type == POLICY_TEXT ? value->symbol : value->number;
    bool known = node->type != POLICY_TEXT || value->symbol >= 0;
    const int64_t *list = policy->literals + node->first;
    for (uint32_t i = 0; known && i < node->count; i++) {
        if (list[i] == wanted) {
            return true;
        }
    }
    return false;
}

static enum policy_truth order(uint8_t op, int64_t a, int64_t b)
{
    switch (op) {
    case POLICY_LT: return truth(a < b);
    case POLICY_LE: return truth(a <= b);
    case POLICY_GT: return truth(a > b);
    default: return truth(a >= b);
    }
}

/* An attribute against another. */
static enum policy_truth compare_attributes(const struct rv_policy_facts *facts, uint8_t op,
                                            const struct policy_value *left,
                                            const struct policy_value *right)
{
    bool pair = comparable(left, right);
    switch (op) {
    case POLICY_EQ:
    case POLICY_NE: return pair ? truth(same(left, right) == (op == POLICY_EQ)) : POLICY_ERROR;
    case POLICY_ONE_OF:
        return right->type == POLICY_LIST && comparable(left, left)
                   ? truth(list_has(facts->policy, right->json, left))
                   : POLICY_ERROR;
    case POLICY_CONTAINS:
        return left->type == POLICY_LIST && comparable(right, right)
                   ? truth(list_has(facts->policy, left->json, right))
                   : POLICY_ERROR;
    case POLICY_PREFIX:
        return pair && left->type == POLICY_TEXT
                   ? truth(left->length >= right->length &&
                           memcmp(left->text, right->text, right->length) == 0)
                   : POLICY_ERROR;
    default:
        return pair && (left->type == POLICY_INT || left->type == POLICY_MONEY)
                   ? order(op, left->number, right->number)
                   : POLICY_ERROR;
    }
}

/* An attribute against what the bundle says; the hot path of a decision. */
static enum policy_truth compare_literal(const struct rv_policy_facts *facts,
                                         const struct policy_node *node,
                                         const struct policy_value *left)
{
    if (node->op == POLICY_CONTAINS) {
        struct policy_value wanted = {.type = node->type,
                                      .symbol = node->symbol,
                                      .number = node->number,
                                      .text = node->text,
                                      .length = node->length};
        return left->type == POLICY_LIST ? truth(list_has(facts->policy, left->json, &wanted))
                                         : POLICY_ERROR;
    }
    if (left->type != node->type || left->currency != node->currency) {
        return POLICY_ERROR;
    }
    switch (node->op) {
    case POLICY_EQ:
    case POLICY_NE: {
        bool equal =
            left->type == POLICY_TEXT ? left->symbol == node->symbol : left->number == node->number;
        return truth(equal == (node->op == POLICY_EQ));
    }
    case POLICY_ONE_OF: return truth(literals_have(facts->policy, node, left));
    case POLICY_PREFIX:
        return truth(left->length >= node->length &&
                     memcmp(left->text, node->text, node->length) == 0);
    default: return order(node->op, left->number, node->number);
    }
}

static enum policy_truth atom(const struct rv_policy_facts *facts, const struct policy_node *node)
{
    const struct policy_value *left = policy_resolve(facts, node->slot);
    if (node->op == POLICY_HAS) {
        return truth(left->type != POLICY_ABSENT);
    }
    if (left->type == POLICY_ABSENT) {
        return POLICY_ERROR;
    }
    if (node->other == POLICY_NONE) {
        return compare_literal(facts, node, left);
    }
    const struct policy_value *right = policy_resolve(facts, node->other);
    return right->type == POLICY_ABSENT ? POLICY_ERROR
                                        : compare_attributes(facts, node->op, left, right);
}

/* ---- conditions ---- */

enum policy_truth policy_evaluate(const struct rv_policy_facts *facts, uint32_t index)
{
    const struct policy_node *node = &facts->policy->nodes[index];
    if (node->op > POLICY_NONE_OF) {
        return atom(facts, node);
    }
    /* all stops at the first no, any and none at the first yes: nothing later can change it */
    enum policy_truth decisive = node->op == POLICY_ALL ? POLICY_NO : POLICY_YES;
    bool error = false;
    bool decided = false;
    for (uint32_t i = 0; i < node->count && !decided; i++) {
        enum policy_truth child = policy_evaluate(facts, node->first + i);
        decided = child == decisive;
        error = error || child == POLICY_ERROR;
    }
    if (!decided && error) {
        return POLICY_ERROR;
    }
    return truth(node->op == POLICY_ANY ? decided : !decided);
}

enum policy_truth policy_condition(const struct rv_policy_facts *facts,
                                   const struct policy_rule *rule)
{
    if (facts->yes != NULL) {
        size_t at = (size_t)(rule - facts->policy->rules);
        uint64_t bit = UINT64_C(1) << (at % 64);
        if ((facts->yes[at / 64] & bit) != 0) {
            return POLICY_YES;
        }
        if ((facts->error[at / 64] & bit) != 0) {
            return POLICY_ERROR;
        }
    }
    return rule->when < 0 ? POLICY_YES : policy_evaluate(facts, (uint32_t)rule->when);
}

/* ---- labels ---- */

int policy_label_rank(const char *label)
{
    for (int rank = 0; policy_labels[rank] != NULL; rank++) {
        if (strcmp(policy_labels[rank], label) == 0) {
            return rank;
        }
    }
    return 0;
}

/* Labels are given by argument, also as "arg.iban" or "args.iban". */
static const char *label_argument(const char *name)
{
    return strncmp(name, "args.", 5) == 0  ? name + 5
           : strncmp(name, "arg.", 4) == 0 ? name + 4
                                           : name;
}

static bool covers(const char *outer, const char *inner)
{
    size_t length = strlen(outer);
    return strncmp(outer, inner, length) == 0 && (inner[length] == '\0' || inner[length] == '.');
}

/* The weakest label on the argument, on what holds it and on what it holds.  Without any: a
 * person's own entry counts as "user", the machine's as "system", an agent's as the weakest there
 * is. */
int policy_argument_rank(const struct rv_policy_facts *facts, const char *argument)
{
    int rank = -1;
    const char *name;
    json_t *label;
    json_object_foreach(policy_json(facts->labels), name, label)
    {
        const char *about = label_argument(name);
        if (covers(about, argument) || covers(argument, about)) {
            int found = policy_label_rank(json_is_string(label) ? json_string_value(label) : "");
            rank = rank < 0 || found < rank ? found : rank;
        }
    }
    if (rank >= 0) {
        return rank;
    }
    const char *kind = rv_json_str(facts->roots[POLICY_ROOT_ME], "kind", "");
    return policy_label_rank(facts->is_agent               ? "external"
                             : strcmp(kind, "system") == 0 ? "system"
                                                           : "user");
}

/* Missing, but only because something that is no object stands where its holder should be: what
 * that holds is not looked into, so it is taken for the value. */
static bool hidden(const struct rv_policy_facts *facts, uint16_t slot)
{
    const struct policy_slot *slots = facts->policy->slots;
    for (uint16_t at = slots[slot].parent; at != POLICY_NONE; at = slots[at].parent) {
        const struct policy_value *holder = policy_resolve(facts, at);
        if (holder->type != POLICY_ABSENT) {
            return !json_is_object(holder->json);
        }
    }
    return false;
}

enum policy_truth policy_sink_clean(const struct rv_policy_facts *facts,
                                    const struct policy_rule *rule, const char **argument)
{
    for (int i = 0; i < rule->sink_count; i++) {
        const struct policy_value *value = policy_resolve(facts, rule->sink_slots[i]);
        bool nothing = value->type == POLICY_ABSENT && !hidden(facts, rule->sink_slots[i]);
        if (nothing || policy_argument_rank(facts, rule->sink_names[i]) >= rule->need) {
            continue; /* nothing flows, or from a source that is trusted enough */
        }
        if (rule->endorse != POLICY_NONE) {
            const struct policy_value *record = policy_resolve(facts, rule->endorse);
            if (comparable(value, record) && same(value, record)) {
                continue; /* exactly what the system of record says */
            }
        }
        *argument = rule->sink_names[i];
        return POLICY_NO;
    }
    return POLICY_YES;
}

/* ---- the lattice ---- */

/* What the rules seen so far say; each list keeps the first RV_VERDICT_RULES_MAX and counts all. */
struct tally {
    struct rv_verdict_rule rules[RV_DENY + 1][RV_VERDICT_RULES_MAX];
    int counts[RV_DENY + 1];         /* RV_ALLOW: permits */
    const struct policy_ask *widest; /* that asks the most roles */
    int ask_count;
    struct policy_stage roles[POLICY_ROLES_MERGED_MAX];
    int role_count;
    int64_t expires_s, escalate_after_s;
    const char *escalate_to;
    bool too_many;
};

static void say(struct tally *tally, enum rv_verdict_kind kind, const struct policy_rule *rule,
                const char *why)
{
    if (tally->counts[kind] < RV_VERDICT_RULES_MAX) {
        tally->rules[kind][tally->counts[kind]] = (struct rv_verdict_rule){rule->id, why};
    }
    tally->counts[kind]++;
}

static void need_role(struct tally *tally, const struct policy_stage *stage)
{
    for (int i = 0; i < tally->role_count; i++) {
        if (tally->roles[i].symbol == stage->symbol) {
            tally->roles[i].n = stage->n > tally->roles[i].n ? stage->n : tally->roles[i].n;
            return;
        }
    }
    if (tally->role_count == POLICY_ROLES_MERGED_MAX) {
        tally->too_many = true;
        return;
    }
    tally->roles[tally->role_count++] = *stage;
}

/* A rule that wants people, or "no" when it names none. */
static void restrict_by(struct tally *tally, const struct policy_rule *rule, const char *why)
{
    const struct policy_ask *ask = &rule->ask;
    if (ask->stages == NULL) {
        say(tally, RV_DENY, rule, why);
        return;
    }
    say(tally, RV_HOLD, rule, why);
    if (tally->ask_count++ == 0 || ask->count > tally->widest->count) {
        tally->widest = ask;
    }
    for (int i = 0; i < ask->count; i++) {
        need_role(tally, &ask->list[i]);
    }
    if (tally->expires_s == 0 || ask->expires_s < tally->expires_s) {
        tally->expires_s = ask->expires_s;
    }
    bool sooner = ask->escalate_to != NULL &&
                  (tally->escalate_to == NULL || ask->escalate_after_s < tally->escalate_after_s ||
                   (ask->escalate_after_s == tally->escalate_after_s &&
                    strcmp(ask->escalate_to, tally->escalate_to) < 0));
    if (sooner) {
        tally->escalate_after_s = ask->escalate_after_s;
        tally->escalate_to = ask->escalate_to;
    }
}

static void apply_approve(struct tally *tally, const struct policy_rule *rule,
                          enum policy_truth holds)
{
    if (holds == POLICY_YES) {
        restrict_by(tally, rule, "approve");
    } else if (rule->ask.escalate_to == NULL) {
        say(tally, RV_DENY, rule, "error");
    } else {
        restrict_by(tally, rule, "error");
        need_role(tally,
                  &(struct policy_stage){rule->ask.escalate_to, rule->ask.escalate_symbol, 1});
    }
}

static void apply(struct tally *tally, const struct rv_policy_facts *facts,
                  const struct policy_rule *rule, const int64_t *used, int used_count, int *limit)
{
    int64_t adds = 0;
    const char *argument = NULL;
    enum policy_truth holds = rule->kind == POLICY_LIMIT ? policy_limit_adds(facts, rule, &adds)
                                                         : policy_condition(facts, rule);
    if (holds == POLICY_NO) {
        return;
    }
    switch ((enum policy_kind)rule->kind) {
    case POLICY_FORBID: say(tally, RV_DENY, rule, holds == POLICY_YES ? "forbid" : "error"); break;
    case POLICY_LIMIT:
        if (holds == POLICY_ERROR || *limit >= used_count || *limit >= RV_POLICY_LIMITS_MAX) {
            say(tally, RV_DENY, rule, "error"); /* also: nobody looked up what is used */
        } else if (policy_limit_over(rule, used[*limit], adds)) {
            restrict_by(tally, rule, "limit");
        }
        *limit += holds == POLICY_YES;
        break;
    case POLICY_APPROVE: apply_approve(tally, rule, holds); break;
    case POLICY_SINK:
        if (holds == POLICY_ERROR) {
            say(tally, RV_DENY, rule, "error");
        } else if (policy_sink_clean(facts, rule, &argument) != POLICY_YES) {
            restrict_by(tally, rule, "sink");
        }
        break;
    case POLICY_PERMIT:
    case POLICY_SOD:
    case POLICY_KINDS: RV_UNREACHABLE("only restricting rules are applied");
    }
}

/* Permits that hold.  One is enough where people are asked anyway: it is not named then. */
static void count_permits(struct tally *tally, const struct rv_policy_facts *facts)
{
    const struct rv_policy *policy = facts->policy;
    bool one_is_enough = tally->counts[RV_HOLD] > 0;
    for (int w = 0; w < policy->words; w++) {
        uint64_t bits = facts->candidates[w] & policy->of_kind[POLICY_PERMIT][w];
        if (facts->yes != NULL) {
            bits &= ~facts->error[w];
            if (tally->counts[RV_ALLOW] >= RV_VERDICT_RULES_MAX) { /* counted, not listed */
                tally->counts[RV_ALLOW] += __builtin_popcountll(bits & facts->yes[w]);
                bits &= ~facts->yes[w];
            }
        }
        for (; bits != 0; bits &= bits - 1) {
            const struct policy_rule *rule = &policy->rules[w * 64 + __builtin_ctzll(bits)];
            if (policy_condition(facts, rule) == POLICY_YES) {
                say(tally, RV_ALLOW, rule, "permit");
                if (one_is_enough) {
                    return;
                }
            }
        }
    }
}

static void free_json(void *json)
{
    json_decref(json);
}

/* Does this ask alone want what all of them want together? */
static bool asks_it_all(const struct policy_ask *ask, const struct tally *tally)
{
    bool all = ask->count == tally->role_count;
    for (int i = 0; all && i < ask->count; i++) {
        bool found = false;
        for (int k = 0; k < tally->role_count && !found; k++) {
            found = tally->roles[k].symbol == ask->list[i].symbol &&
                    tally->roles[k].n == ask->list[i].n;
        }
        all = found;
    }
    return all;
}

/* The stages of one ask, or the merged ones in the same order. */
static void fill_hold(struct rv_verdict *out, const struct tally *tally,
                      const struct policy_rule *first_asking, struct rv_arena *arena)
{
    out->never = first_asking->ask.never; /* the same two in every rule */
    out->expires_s = tally->expires_s;
    /* one rule's expiry may be no later than another's escalation, which would then never come */
    out->escalate_after_s =
        tally->escalate_after_s < tally->expires_s ? tally->escalate_after_s : tally->expires_s / 2;
    out->escalate_to = tally->escalate_to;
    if (asks_it_all(tally->widest, tally)) {
        out->stages = tally->widest->stages;
        return;
    }
    json_t *stages = json_array();
    for (int i = 0; i < tally->role_count; i++) {
        json_array_append_new(stages, json_pack("{s:s,s:I}", "role", tally->roles[i].role, "n",
                                                (json_int_t)tally->roles[i].n));
    }
    policy_sort(stages);
    rv_arena_cleanup(arena, free_json, stages);
    out->stages = stages;
}

void rv_policy_decide(const struct rv_policy *policy, const struct rv_policy_facts *facts,
                      const int64_t *used, int used_count, struct rv_arena *arena,
                      struct rv_verdict *out)
{
    RV_ASSERT(facts->policy == policy);
    struct tally tally; /* 2 KiB of lists that need no zeroing */
    memset(tally.counts, 0, sizeof tally.counts);
    tally.widest = NULL;
    tally.ask_count = tally.role_count = 0;
    tally.too_many = false;
    tally.expires_s = tally.escalate_after_s = 0;
    tally.escalate_to = NULL;
    int limit = 0;
    const struct policy_rule *asking = NULL;
    for (int w = 0; w < policy->words; w++) {
        uint64_t bits = facts->candidates[w] & ~policy->of_kind[POLICY_PERMIT][w];
        for (; bits != 0; bits &= bits - 1) {
            const struct policy_rule *rule = &policy->rules[w * 64 + __builtin_ctzll(bits)];
            int before = tally.ask_count;
            apply(&tally, facts, rule, used, used_count, &limit);
            asking = tally.ask_count > before ? rule : asking;
        }
    }
    if (tally.counts[RV_DENY] == 0) { /* a denial names only what denies */
        count_permits(&tally, facts);
    }
    enum rv_verdict_kind kind = tally.counts[RV_DENY] > 0 || tally.too_many ? RV_DENY
                                : tally.counts[RV_ALLOW] == 0               ? RV_DENY
                                : tally.counts[RV_HOLD] > 0                 ? RV_HOLD
                                                                            : RV_ALLOW;
    out->kind = kind;
    out->rule_count = tally.counts[kind];
    int shown = out->rule_count < RV_VERDICT_RULES_MAX ? out->rule_count : RV_VERDICT_RULES_MAX;
    memcpy(out->rules, tally.rules[kind], (size_t)shown * sizeof out->rules[0]);
    out->stages = out->never = NULL;
    out->expires_s = out->escalate_after_s = 0;
    out->escalate_to = NULL;
    if (kind == RV_DENY && out->rule_count == 0) {
        const char *id = tally.too_many ? "too_many_roles" : "no_permit";
        out->rules[out->rule_count++] =
            (struct rv_verdict_rule){id, tally.too_many ? "error" : "default"};
    }
    if (kind == RV_HOLD) {
        fill_hold(out, &tally, asking, arena);
    }
}
