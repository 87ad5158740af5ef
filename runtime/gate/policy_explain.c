/* policy_explain.c -- why a decision came out as it did, what would flip it, and the bundle's tests. */
#include "runtime/gate/policy_private.h"

#include <stdio.h>
#include <string.h>

enum { EXPLAIN_ARENA_MAX = 64 << 20, EXPLAIN_ATOMS_MAX = 32 };

static const char *const verdict_names[] = {"allow", "hold", "deny"};

static json_t *value_json(const struct value *value)
{
    switch (value->type) {
    case VALUE_INT:
        return json_integer(value->number);
    case VALUE_BOOL:
        return json_boolean(value->number != 0);
    case VALUE_TEXT:
        return json_string(value->text);
    case VALUE_MONEY:
        return json_pack("{s:I,s:s}", "minor", (json_int_t)value->number, "currency", value->text);
    case VALUE_LIST:
        return json_incref((json_t *)(uintptr_t)value->list);
    case VALUE_OTHER:
    case VALUE_NONE:
        return json_null();
    }
    RV_UNREACHABLE("seven types of value");
}

/* The atoms of a condition that did not hold, with what they saw. */
static void failed_atoms(const struct rv_policy *policy, const struct expression *node,
                         const struct rv_policy_facts *facts, json_t *out)
{
    if (node == NULL || json_array_size(out) >= EXPLAIN_ATOMS_MAX ||
        policy_evaluate(node, facts) == TRUTH_YES) {
        return;
    }
    if (node->op <= OP_NONE) {
        for (int i = 0; i < node->of_count; i++) {
            failed_atoms(policy, node->of[i], facts, out);
        }
        return;
    }
    json_t *atom = json_object();
    json_object_set_new(atom, "attribute", json_string(policy->attributes[node->attr]));
    json_object_set_new(atom, "needs", json_string(policy_op_names[node->op]));
    json_object_set_new(atom, "wanted",
                        value_json(node->other >= 0 ? &facts->values[node->other] : &node->value));
    json_object_set_new(atom, "found", value_json(&facts->values[node->attr]));
    json_array_append_new(out, atom);
}

static json_t *nearest_rules(const struct rv_policy *policy, const struct rv_policy_facts *facts)
{
    json_t *rules = json_array();
    for (int i = 0; i < policy->rule_count; i++) {
        const struct rule *rule = &policy->rules[i];
        if (!policy_about(policy, rule, facts)) {
            continue;
        }
        enum truth truth = rule->when == NULL ? TRUTH_YES : policy_evaluate(rule->when, facts);
        static const char *const words[] = {"no", "yes", "error"};
        json_t *entry = json_pack("{s:s,s:s,s:s}", "rule", rule->id, "kind",
                                  policy_kind_names[rule->kind], "holds", words[truth]);
        json_t *failed = json_array();
        failed_atoms(policy, rule->when, facts, failed);
        json_object_set_new(entry, "failed", failed);
        json_array_append_new(rules, entry);
    }
    return rules;
}

/* One atom of one permit that is all that is missing: "allowed if arg.amount le 500.00 EUR". */
static json_t *flip(const json_t *rules)
{
    size_t i;
    json_t *rule;
    json_array_foreach((json_t *)(uintptr_t)rules, i, rule)
    {
        const json_t *failed = json_object_get(rule, "failed");
        if (strcmp(rv_json_str(rule, "kind", ""), "permit") == 0 && json_array_size(failed) == 1) {
            json_t *change = json_deep_copy(json_array_get(failed, 0));
            json_object_set(change, "rule", json_object_get(rule, "rule"));
            return change;
        }
    }
    return json_null();
}

json_t *rv_policy_explain(const struct rv_policy *policy, const struct rv_policy_request *request,
                          const int64_t *used, int used_count)
{
    struct rv_arena *arena = rv_arena_create("policy explain", EXPLAIN_ARENA_MAX);
    struct rv_policy_facts *facts = NULL;
    struct rv_error err = {.code = RV_OK};
    if (rv_policy_facts_make(policy, request, arena, &facts, &err) != RV_OK) {
        json_t *broken = json_pack("{s:s,s:s}", "verdict", "deny", "message", err.message);
        rv_arena_destroy(arena);
        return broken;
    }
    struct rv_verdict verdict;
    rv_policy_decide(policy, facts, used, used_count, arena, &verdict);
    json_t *because = json_array();
    for (int i = 0; i < verdict.rule_count && i < RV_VERDICT_RULES_MAX; i++) {
        json_array_append_new(because, json_pack("{s:s,s:s}", "rule", verdict.rules[i].id, "why",
                                                 verdict.rules[i].why));
    }
    json_t *rules = nearest_rules(policy, facts);
    json_t *out = json_pack("{s:s,s:o,s:O,s:o}", "verdict", verdict_names[verdict.kind], "because",
                            because, "rules", rules, "allowed_if",
                            verdict.kind == RV_DENY ? flip(rules) : json_null());
    if (verdict.stages != NULL) {
        json_object_set_new(out, "stages", json_deep_copy(verdict.stages));
    }
    json_decref(rules);
    rv_arena_destroy(arena);
    return out;
}

/* ---- tests that live in the bundle ---- */

static json_t *test_principal(const json_t *test)
{
    static const char *const kinds[] = {"agent", "person", "system"};
    for (size_t i = 0; i < RV_COUNT(kinds); i++) {
        const char *id = rv_json_str(test, kinds[i], NULL);
        if (id != NULL) {
            json_t *me = json_pack("{s:s,s:s,s:i}", "kind", kinds[i], "id", id, "tenant", 1);
            json_t *roles = json_object_get(test, "roles");
            json_object_set_new(me, "roles", roles != NULL ? json_incref(roles) : json_array());
            json_object_set_new(me, "owner", json_string(rv_json_str(test, "owner", "operator")));
            return me;
        }
    }
    return json_object();
}

static bool expected(const json_t *expect, const json_t *got)
{
    const char *verdict = rv_json_str(got, "verdict", "");
    if (json_is_string(expect)) {
        return strcmp(json_string_value(expect), verdict) == 0;
    }
    const json_t *hold = json_object_get(expect, "hold");
    if (strcmp(verdict, "hold") != 0 || hold == NULL) {
        return false;
    }
    const json_t *because = json_object_get(got, "because");
    if (json_array_size(hold) != json_array_size(because)) {
        return false;
    }
    size_t i;
    json_t *id;
    json_array_foreach((json_t *)(uintptr_t)hold, i, id)
    {
        bool found = false;
        size_t k;
        json_t *rule;
        json_array_foreach((json_t *)(uintptr_t)because, k, rule)
        {
            found = found || json_equal(id, json_object_get(rule, "rule"));
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

json_t *rv_policy_test(const struct rv_policy *policy, int *failed)
{
    json_t *results = json_array();
    *failed = 0;
    size_t i;
    json_t *test;
    json_array_foreach(json_object_get(policy->bundle, "tests"), i, test)
    {
        json_t *me = test_principal(test);
        const json_t *labels = json_object_get(test, "labels");
        json_t *ctx = json_object();
        if (labels != NULL) {
            json_object_set(ctx, "labels", (json_t *)(uintptr_t)labels);
        }
        struct rv_policy_request request = {
            .action = rv_json_str(test, "action", ""),
            .me = me,
            .args = json_object_get(test, "arg"),
            .res = json_object_get(test, "res"),
            .ctx = ctx,
        };
        int64_t used[RV_POLICY_LIMITS_MAX] = {0};
        int64_t already = rv_json_int(test, "used", 0);
        for (size_t k = 0; k < RV_COUNT(used); k++) {
            used[k] = already;
        }
        json_t *got = rv_policy_explain(policy, &request, used, RV_POLICY_LIMITS_MAX);
        bool ok = expected(json_object_get(test, "expect"), got);
        *failed += !ok;
        const char *name = rv_json_str(test, "name", NULL);
        if (name == NULL) {
            name = json_string_value(json_array_get(json_object_get(test, "items"), 0));
        }
        json_array_append_new(
            results, json_pack("{s:s,s:b,s:O?,s:O,s:O}", "name", name != NULL ? name : "?", "ok", ok,
                               "expected", json_object_get(test, "expect"), "got",
                               json_object_get(got, "verdict"), "because",
                               json_object_get(got, "because") != NULL
                                   ? json_object_get(got, "because")
                                   : json_object_get(got, "verdict")));
        json_decref(got);
        json_decref(me);
        json_decref(ctx);
    }
    return results;
}
