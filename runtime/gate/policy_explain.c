/* policy_explain.c -- why a decision came out as it did, and the smallest change that flips it.
 *
 *   {"verdict":"deny",
 *    "because":[{"rule":"no_permit","why":"default"},
 *               {"rule":"over5k","why":"approve","line":12,"note":"…",       what the rule looked
 * at: "conditions":[{"condition":"arg.amount > 5000.00 EUR","found":"7200.00 EUR"}]}],
 *    "matched":["payee.trusted"],                        rules about this request that hold
 *    "limits":[{"rule","key","used","adds","cap","text"}],
 *    "nearest":[{"rule":"pay.normal","kind":"permit",
 *                "failed":[{"condition":"arg.amount <= 5000.00 EUR","found":"7200.00 EUR"}]}],
 *    "elsewhere":["clerk.pay"],                          permits of the action for other principals
 *    "flip":{"attribute":"arg.amount","from":"7200.00 EUR","to":"5000.00 EUR","verdict":"allow",
 *            "text":"allow if arg.amount were 5000.00 EUR"}}
 *
 * A flip is never guessed: each candidate (one attribute, one new value taken from a condition or a
 * cap) is decided again with all rules, and only one that lowers the verdict is told.  What a
 * principal is cannot be changed, so me.* is never proposed.
 */
#include "runtime/gate/policy_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    EXPLAIN_ARENA_MAX = 64 << 20,
    EXPLAIN_NEAREST_MAX = 5,
    EXPLAIN_ATOMS_MAX = 16,
    EXPLAIN_ELSEWHERE_MAX = 8,
    EXPLAIN_FLIPS_MAX = 4096 /* candidates tried: bounds the time on a huge bundle */
};

static const char *const verdict_names[] = {"allow", "hold", "deny"};

/* ---- words for values and conditions ---- */

static void value_text(struct rv_buf *out, const struct policy_value *value)
{
    char money[48];
    switch (value->type) {
    case POLICY_TEXT: rv_buf_printf(out, "\"%s\"", value->text); break;
    case POLICY_INT: rv_buf_printf(out, "%" PRId64, value->number); break;
    case POLICY_BOOL: rv_buf_str(out, value->number != 0 ? "true" : "false"); break;
    case POLICY_MONEY:
        policy_money_text(value->number, value->text, money);
        rv_buf_str(out, money);
        break;
    case POLICY_LIST: rv_buf_str(out, "a list"); break;
    case POLICY_OTHER: rv_buf_str(out, "something that cannot be compared"); break;
    default: rv_buf_str(out, "missing"); break;
    }
}

static struct policy_value node_literal(const struct policy_node *node)
{
    return (struct policy_value){.type = node->type,
                                 .symbol = node->symbol,
                                 .currency = node->currency,
                                 .length = node->length,
                                 .number = node->number,
                                 .text = node->text};
}

static void condition_text(struct rv_buf *out, const struct rv_policy *policy,
                           const struct policy_node *node)
{
    rv_buf_printf(out, "%s %s", policy->slots[node->slot].path, policy_op_signs[node->op]);
    if (node->op == POLICY_HAS) {
        return;
    }
    rv_buf_char(out, ' ');
    if (node->other != POLICY_NONE) {
        rv_buf_str(out, policy->slots[node->other].path);
        return;
    }
    if (node->op != POLICY_ONE_OF) {
        struct policy_value literal = node_literal(node);
        value_text(out, &literal);
        return;
    }
    for (uint32_t i = 0; i < node->count; i++) {
        int64_t item = policy->literals[node->first + i];
        rv_buf_str(out, i == 0 ? "" : ", ");
        if (node->type == POLICY_TEXT) {
            rv_buf_printf(out, "\"%s\"", policy->symbols[item].text);
        } else {
            rv_buf_printf(out, "%" PRId64, item);
        }
    }
}

static json_t *buf_json(struct rv_buf *buf)
{
    json_t *text = json_string(buf->data);
    rv_buf_fini(buf);
    return text != NULL ? text : json_string("");
}

static json_t *value_json(const struct policy_value *value)
{
    struct rv_buf text;
    rv_buf_init(&text, RV_POLICY_SOURCE_MAX);
    value_text(&text, value);
    return buf_json(&text);
}

/* ---- nearest rules ---- */

/* The atoms that keep a condition from being yes, with what they saw. */
static void failed_atoms(const struct rv_policy_facts *facts, uint32_t index, bool wanted,
                         json_t *out)
{
    const struct policy_node *node = &facts->policy->nodes[index];
    enum policy_truth is = policy_evaluate(facts, index);
    if (is == (wanted ? POLICY_YES : POLICY_NO) || json_array_size(out) >= EXPLAIN_ATOMS_MAX) {
        return;
    }
    if (node->op <= POLICY_NONE_OF) {
        for (uint32_t i = 0; i < node->count; i++) {
            failed_atoms(facts, node->first + i, wanted == (node->op != POLICY_NONE_OF), out);
        }
        return;
    }
    struct rv_buf text;
    rv_buf_init(&text, RV_POLICY_SOURCE_MAX);
    rv_buf_str(&text, wanted ? "" : "not ");
    condition_text(&text, facts->policy, node);
    json_array_append_new(out, json_pack("{s:o,s:o,s:b}", "condition", buf_json(&text), "found",
                                         value_json(policy_resolve(facts, node->slot)), "error",
                                         is == POLICY_ERROR));
}

/* Every atom of a condition with what it saw: the facts a rule rests on. */
static void all_atoms(const struct rv_policy_facts *facts, uint32_t index, json_t *out)
{
    const struct policy_node *node = &facts->policy->nodes[index];
    if (json_array_size(out) >= EXPLAIN_ATOMS_MAX) {
        return;
    }
    if (node->op <= POLICY_NONE_OF) {
        for (uint32_t i = 0; i < node->count; i++) {
            all_atoms(facts, node->first + i, out);
        }
        return;
    }
    struct rv_buf text;
    rv_buf_init(&text, RV_POLICY_SOURCE_MAX);
    condition_text(&text, facts->policy, node);
    enum policy_truth is = policy_evaluate(facts, index);
    json_array_append_new(out, json_pack("{s:o,s:o,s:s}", "condition", buf_json(&text), "found",
                                         value_json(policy_resolve(facts, node->slot)), "holds",
                                         is == POLICY_YES  ? "yes"
                                         : is == POLICY_NO ? "no"
                                                           : "error"));
}

/* Permits about this action and principal that did not hold, fewest failed conditions first. */
static json_t *nearest(const struct rv_policy_facts *facts)
{
    json_t *found = json_array();
    POLICY_FOR_EACH_CANDIDATE(facts, i)
    {
        const struct policy_rule *rule = &facts->policy->rules[i];
        enum policy_truth holds = policy_condition(facts, rule);
        bool wanted = rule->kind == POLICY_PERMIT ? holds != POLICY_YES : holds == POLICY_ERROR;
        if (!wanted) {
            continue;
        }
        json_t *failed = json_array();
        failed_atoms(facts, (uint32_t)rule->when, true, failed);
        json_t *entry = json_pack("{s:s,s:s,s:o}", "rule", rule->id, "kind",
                                  policy_kind_names[rule->kind], "failed", failed);
        size_t at = 0;
        while (at < json_array_size(found) &&
               json_array_size(json_object_get(json_array_get(found, at), "failed")) <=
                   json_array_size(failed)) {
            at++;
        }
        json_array_insert_new(found, at, entry);
        if (json_array_size(found) > EXPLAIN_NEAREST_MAX) {
            json_array_remove(found, EXPLAIN_NEAREST_MAX);
        }
    }
    return found;
}

static bool about_action(const struct policy_rule *rule, const char *action)
{
    size_t i;
    json_t *pattern;
    json_array_foreach(json_object_get(rule->source, "actions"), i, pattern)
    {
        if (policy_pattern_matches(json_string_value(pattern), action)) {
            return true;
        }
    }
    return false;
}

/* Who could: permits of this action that are for others. */
static json_t *elsewhere(const struct rv_policy_facts *facts)
{
    json_t *found = json_array();
    const struct rv_policy *policy = facts->policy;
    for (int i = 0; i < policy->rule_count && json_array_size(found) < EXPLAIN_ELSEWHERE_MAX; i++) {
        bool mine = (facts->candidates[i / 64] >> (i % 64) & 1) != 0;
        if (!mine && policy->rules[i].kind == POLICY_PERMIT &&
            about_action(&policy->rules[i], facts->action)) {
            json_array_append_new(found,
                                  json_pack("{s:s,s:O}", "rule", policy->rules[i].id, "who",
                                            json_object_get(policy->rules[i].source, "who")));
        }
    }
    return found;
}

/* ---- the flip ---- */

struct search {
    const struct rv_policy *policy;
    struct rv_policy_facts *facts;
    const struct rv_policy_limit *limits; /* that apply to the request as it is */
    const int64_t *used;                  /* of each of them */
    int limit_count;
    struct rv_arena *arena; /* emptied after each try */
    enum rv_verdict_kind now;
    enum rv_verdict_kind best;
    uint16_t slot;
    struct policy_value value;
    int tries;
};

/* What is used of the limits that apply after the change; false when nobody knows, because another
 * limit applies or the same one counts for another key. */
static bool used_again(const struct search *search, int64_t out[RV_POLICY_LIMITS_MAX],
                       int *out_count)
{
    struct rv_policy_limit limits[RV_POLICY_LIMITS_MAX];
    *out_count = rv_policy_limits(search->policy, search->facts, search->arena, limits);
    for (int i = 0; i < *out_count; i++) {
        bool known = false;
        for (int k = 0; k < search->limit_count && !known; k++) {
            known = strcmp(limits[i].rule, search->limits[k].rule) == 0 &&
                    strcmp(limits[i].key, search->limits[k].key) == 0;
            out[i] = known ? search->used[k] : 0;
        }
        if (!known) {
            return false;
        }
    }
    return true;
}

/* A slot that can be changed alone: not what the principal is, not what holds or hangs below
 * others. */
static bool changeable(const struct search *search, uint16_t slot)
{
    const struct rv_policy *policy = search->policy;
    const struct policy_slot *place = &policy->slots[slot];
    if (place->root == POLICY_ROOT_ME || place->parent == POLICY_NONE) {
        return false;
    }
    bool money = policy_resolve(search->facts, slot)->type == POLICY_MONEY;
    for (int i = 0; i < policy->slot_count; i++) {
        bool below = policy->slots[i].parent == slot;
        if (below && !(money && strcmp(policy->slots[i].key, "currency") == 0)) {
            return false; /* another amount of the same currency leaves the currency as it is */
        }
    }
    return policy->slots[place->parent].parent == POLICY_NONE ||
           policy_resolve(search->facts, place->parent)->type != POLICY_ABSENT;
}

static uint64_t distance(const struct policy_value *a, const struct policy_value *b)
{
    bool numbers = a->type == b->type && (a->type == POLICY_INT || a->type == POLICY_MONEY);
    if (!numbers) {
        return UINT64_MAX;
    }
    return a->number > b->number ? (uint64_t)a->number - (uint64_t)b->number
                                 : (uint64_t)b->number - (uint64_t)a->number;
}

static void try_value(struct search *search, uint16_t slot, const struct policy_value *value)
{
    if (!changeable(search, slot) || search->tries++ >= EXPLAIN_FLIPS_MAX) {
        return;
    }
    struct policy_value before = *policy_resolve(search->facts, slot);
    if (before.type == POLICY_MONEY &&
        (value->type != POLICY_MONEY || value->currency != before.currency)) {
        return; /* nothing that people would do */
    }
    struct policy_value after = *value;
    after.json = before.type == POLICY_MONEY ? before.json : after.json; /* for its currency */
    search->facts->values[slot] = after;
    int64_t used[RV_POLICY_LIMITS_MAX];
    int used_count = 0;
    struct rv_verdict verdict = {.kind = RV_DENY};
    if (used_again(search, used, &used_count)) {
        rv_policy_decide(search->policy, search->facts, used, used_count, search->arena, &verdict);
    }
    search->facts->values[slot] = before;
    bool closer = verdict.kind == search->best && search->slot == slot &&
                  distance(&before, value) < distance(&before, &search->value);
    if (verdict.kind < search->best || (closer && verdict.kind < search->now)) {
        search->best = verdict.kind;
        search->slot = slot;
        search->value = *value;
    }
    rv_arena_reset(search->arena);
}

/* Values around a literal: on it, just below and just above; and none at all. */
static void try_atom(struct search *search, const struct policy_node *node)
{
    struct policy_value value = node->other != POLICY_NONE
                                    ? *policy_resolve(search->facts, node->other)
                                    : node_literal(node);
    if (node->op == POLICY_HAS || node->op == POLICY_CONTAINS || value.type == POLICY_ABSENT ||
        value.type == POLICY_LIST) {
        struct policy_value nothing = {.type = POLICY_ABSENT, .symbol = -1};
        try_value(search, node->slot, &nothing);
        return;
    }
    if (node->op == POLICY_ONE_OF && node->other == POLICY_NONE) {
        for (uint32_t i = 0; i < node->count; i++) {
            int64_t item = search->policy->literals[node->first + i];
            struct policy_value one = {.type = node->type, .number = item, .symbol = -1};
            if (node->type == POLICY_TEXT) {
                const struct policy_symbol *symbol = &search->policy->symbols[item];
                one = (struct policy_value){.type = POLICY_TEXT,
                                            .symbol = (int32_t)item,
                                            .text = symbol->text,
                                            .length = symbol->length};
            }
            try_value(search, node->slot, &one);
        }
        return;
    }
    try_value(search, node->slot, &value);
    if (value.type == POLICY_BOOL) {
        value.number = !value.number;
        try_value(search, node->slot, &value);
    } else if (value.type == POLICY_INT || value.type == POLICY_MONEY) {
        int64_t at = value.number;
        value.number = at < INT64_MAX ? at + 1 : at;
        try_value(search, node->slot, &value);
        value.number = at > INT64_MIN ? at - 1 : at;
        try_value(search, node->slot, &value);
    }
}

static void try_condition(struct search *search, uint32_t index)
{
    const struct policy_node *node = &search->policy->nodes[index];
    if (node->op > POLICY_NONE_OF) {
        try_atom(search, node);
        return;
    }
    for (uint32_t i = 0; i < node->count; i++) {
        try_condition(search, node->first + i);
    }
}

static json_t *find_flip(struct search *search)
{
    POLICY_FOR_EACH_CANDIDATE(search->facts, i)
    {
        const struct policy_rule *rule = &search->policy->rules[i];
        if (rule->when >= 0) {
            try_condition(search, (uint32_t)rule->when);
        }
        for (int k = 0; k < search->limit_count; k++) { /* what the cap still leaves */
            if (rule->sum != POLICY_NONE && strcmp(search->limits[k].rule, rule->id) == 0 &&
                search->used[k] >= 0 && search->used[k] < rule->cap.number) {
                struct policy_value rest = rule->cap;
                rest.number -= search->used[k];
                try_value(search, rule->sum, &rest);
            }
        }
        for (int k = 0; k < rule->sink_count; k++) {
            if (rule->endorse != POLICY_NONE) {
                struct policy_value record = *policy_resolve(search->facts, rule->endorse);
                try_value(search, rule->sink_slots[k], &record);
            }
        }
    }
    if (search->best >= search->now) {
        return json_null();
    }
    const char *path = search->policy->slots[search->slot].path;
    json_t *to = value_json(&search->value);
    struct rv_buf text;
    rv_buf_init(&text, RV_POLICY_SOURCE_MAX);
    rv_buf_printf(&text, "%s if %s were %s", verdict_names[search->best], path,
                  json_string_value(to));
    return json_pack("{s:s,s:o,s:o,s:s,s:o}", "attribute", path, "from",
                     value_json(policy_resolve(search->facts, search->slot)), "to", to, "verdict",
                     verdict_names[search->best], "text", buf_json(&text));
}

/* ---- the account ---- */

/* The argument that a sink does not trust, where it came from and what the record says. */
static void add_sink(const struct rv_policy_facts *facts, const struct policy_rule *rule,
                     json_t *out)
{
    const char *argument = NULL;
    if (policy_sink_clean(facts, rule, &argument) != POLICY_NO) {
        return;
    }
    for (int i = 0; i < rule->sink_count; i++) {
        if (strcmp(rule->sink_names[i], argument) == 0) {
            json_object_set_new(out, "found",
                                value_json(policy_resolve(facts, rule->sink_slots[i])));
        }
    }
    json_object_set_new(out, "argument", json_string(argument));
    json_object_set_new(out, "label",
                        json_string(policy_labels[policy_argument_rank(facts, argument)]));
    json_object_set_new(out, "needs", json_string(policy_labels[rule->need]));
    if (rule->endorse != POLICY_NONE) {
        json_object_set_new(out, "record_is",
                            json_string(facts->policy->slots[rule->endorse].path));
        json_object_set_new(out, "record", value_json(policy_resolve(facts, rule->endorse)));
    }
}

static json_t *because(const struct rv_policy_facts *facts, const struct rv_verdict *verdict)
{
    const struct rv_policy *policy = facts->policy;
    json_t *list = json_array();
    for (int i = 0; i < verdict->rule_count && i < RV_VERDICT_RULES_MAX; i++) {
        json_t *entry =
            json_pack("{s:s,s:s}", "rule", verdict->rules[i].id, "why", verdict->rules[i].why);
        json_array_append_new(list, entry);
        POLICY_FOR_EACH_CANDIDATE(facts, k)
        {
            const struct policy_rule *rule = &policy->rules[k];
            if (rule->id != verdict->rules[i].id) {
                continue;
            }
            const char *note = rv_json_str(rule->source, "note", NULL);
            json_object_set_new(entry, "line", json_integer(policy->lines[k]));
            if (note != NULL) {
                json_object_set_new(entry, "note", json_string(note));
            }
            if (rule->when >= 0) {
                json_t *atoms = json_array();
                all_atoms(facts, (uint32_t)rule->when, atoms);
                json_object_set_new(entry, "conditions", atoms);
            }
            if (rule->kind == POLICY_SINK) {
                add_sink(facts, rule, entry);
            }
        }
    }
    return list;
}

static json_t *matched(const struct rv_policy_facts *facts)
{
    json_t *list = json_array();
    POLICY_FOR_EACH_CANDIDATE(facts, i)
    {
        if (policy_condition(facts, &facts->policy->rules[i]) == POLICY_YES) {
            json_array_append_new(list, json_string(facts->policy->rules[i].id));
        }
    }
    return list;
}

static void amount_text(struct rv_buf *out, int64_t number, const char *currency)
{
    struct policy_value value = {
        .type = currency != NULL ? POLICY_MONEY : POLICY_INT, .number = number, .text = currency};
    value_text(out, &value);
}

static json_t *limits_json(const struct rv_policy *policy, const struct rv_policy_limit *limits,
                           int count, const int64_t *used, int used_count)
{
    json_t *list = json_array();
    for (int i = 0; i < count; i++) {
        const char *currency = NULL;
        for (int k = 0; k < policy->rule_count; k++) {
            if (policy->rules[k].id == limits[i].rule) {
                currency = policy->rules[k].cap.text;
            }
        }
        int64_t already = i < used_count ? used[i] : 0;
        struct rv_buf text;
        rv_buf_init(&text, RV_POLICY_SOURCE_MAX);
        amount_text(&text, already, currency);
        rv_buf_str(&text, " used, this adds ");
        amount_text(&text, limits[i].adds, currency);
        rv_buf_str(&text, ", the cap is ");
        amount_text(&text, limits[i].cap, currency);
        json_array_append_new(
            list, json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:o}", "rule", limits[i].rule, "key",
                            limits[i].key, "window_s", (json_int_t)limits[i].window_s, "used",
                            (json_int_t)already, "adds", (json_int_t)limits[i].adds, "cap",
                            (json_int_t)limits[i].cap, "text", buf_json(&text)));
    }
    return list;
}

json_t *rv_policy_explain(const struct rv_policy *policy, const struct rv_policy_request *request,
                          const int64_t *used, int used_count)
{
    struct rv_arena *arena = rv_arena_create("policy explain", EXPLAIN_ARENA_MAX);
    struct rv_arena *scratch = rv_arena_create("policy explain try", EXPLAIN_ARENA_MAX);
    struct rv_policy_facts *facts = NULL;
    struct rv_error err = {.code = RV_OK};
    json_t *out = NULL;
    if (policy_facts_plain(policy, request, arena, &facts, &err) != RV_OK) {
        out = json_pack("{s:s,s:[{s:s,s:s}],s:s}", "verdict", "deny", "because", "rule",
                        "facts_unreadable", "why", "error", "message", err.message);
    } else {
        struct rv_policy_limit limits[RV_POLICY_LIMITS_MAX];
        int64_t zeros[RV_POLICY_LIMITS_MAX] = {0};
        int limit_count = rv_policy_limits(policy, facts, arena, limits);
        if (used == NULL) { /* nobody knows: as if nothing were used */
            used = zeros;
            used_count = limit_count;
        }
        struct rv_verdict verdict;
        rv_policy_decide(policy, facts, used, used_count, arena, &verdict);
        out = json_pack("{s:s,s:o,s:o,s:o,s:o,s:o}", "verdict", verdict_names[verdict.kind],
                        "because", because(facts, &verdict), "matched", matched(facts), "limits",
                        limits_json(policy, limits, limit_count, used, used_count), "nearest",
                        nearest(facts), "elsewhere", elsewhere(facts));
        json_object_set_new(out, "file", json_string(policy->file));
        json_object_set_new(out, "action", json_string(facts->action));
        if (verdict.kind == RV_HOLD) {
            if (verdict.escalate_to != NULL) {
                json_object_set_new(out, "escalate_to", json_string(verdict.escalate_to));
                json_object_set_new(out, "escalate_after_s",
                                    json_integer(verdict.escalate_after_s));
            }
            json_object_set_new(out, "stages", json_deep_copy(verdict.stages));
            json_object_set_new(out, "expires_s", json_integer(verdict.expires_s));
        }
        struct search search = {.policy = policy,
                                .facts = facts,
                                .limits = limits,
                                .used = used,
                                .limit_count = used_count < limit_count ? used_count : limit_count,
                                .arena = scratch,
                                .now = verdict.kind,
                                .best = verdict.kind,
                                .slot = POLICY_NONE};
        json_object_set_new(out, "flip", find_flip(&search));
    }
    rv_arena_destroy(scratch);
    rv_arena_destroy(arena);
    return out;
}
