/* policy_check.c -- what can be known about a bundle without running it. */
#include "runtime/gate/policy_private.h"

#include <stdio.h>
#include <string.h>

static void add(json_t *findings, const char *severity, const char *rule, const char *finding,
                const char *witness)
{
    json_array_append_new(findings, json_pack("{s:s,s:s,s:s,s:s}", "severity", severity, "rule", rule,
                                              "finding", finding, "witness", witness));
}

static bool mentions(const struct rule *rule, const char *action)
{
    size_t i;
    json_t *pattern;
    json_array_foreach((json_t *)(uintptr_t)rule->actions, i, pattern)
    {
        if (policy_action_matches(json_string_value(pattern), action)) {
            return true;
        }
    }
    return false;
}

/* An action of the catalogue nobody may ever do, or a rule about an action that does not exist. */
static void check_actions(const struct rv_policy *policy, const char *const *actions,
                          json_t *findings)
{
    for (const char *const *action = actions; *action != NULL; action++) {
        bool permitted = false;
        for (int i = 0; i < policy->rule_count; i++) {
            permitted = permitted ||
                        (policy->rules[i].kind == RULE_PERMIT && mentions(&policy->rules[i], *action));
        }
        if (!permitted) {
            add(findings, "note", "-", "no permit mentions this action: it is always denied", *action);
        }
    }
    for (int i = 0; i < policy->rule_count; i++) {
        size_t k;
        json_t *pattern;
        json_array_foreach((json_t *)(uintptr_t)policy->rules[i].actions, k, pattern)
        {
            bool known = false;
            for (const char *const *action = actions; *action != NULL; action++) {
                known = known || policy_action_matches(json_string_value(pattern), *action);
            }
            if (!known) {
                add(findings, "error", policy->rules[i].id, "names an action that does not exist",
                    json_string_value(pattern));
            }
        }
    }
}

/* A role nobody holds can never approve; a quorum above its members neither. */
static void check_members(const struct rv_policy *policy, const json_t *members, json_t *findings)
{
    for (int i = 0; i < policy->rule_count; i++) {
        size_t k;
        json_t *stage;
        json_array_foreach((json_t *)(uintptr_t)policy->rules[i].stages, k, stage)
        {
            const char *role = rv_json_str(stage, "role", "");
            int64_t have = rv_json_int(members, role, 0);
            if (have < rv_json_int(stage, "n", 1)) {
                add(findings, "error", policy->rules[i].id,
                    have == 0 ? "asks a role that nobody holds: such a request can only expire"
                              : "asks for more people than hold the role",
                    role);
            }
        }
    }
}

/* A permit whose actions and principals an unconditional forbid covers can never help. */
static void check_dead(const struct rv_policy *policy, json_t *findings)
{
    for (int i = 0; i < policy->rule_count; i++) {
        const struct rule *forbid = &policy->rules[i];
        if (forbid->kind != RULE_FORBID || forbid->when != NULL ||
            json_object_size(policy->principals[forbid->principal].source) != 0) {
            continue;
        }
        for (int k = 0; k < policy->rule_count; k++) {
            const struct rule *rule = &policy->rules[k];
            size_t n;
            json_t *action;
            bool covered = rule->kind == RULE_PERMIT;
            json_array_foreach((json_t *)(uintptr_t)rule->actions, n, action)
            {
                covered = covered && mentions(forbid, json_string_value(action));
            }
            if (covered) {
                add(findings, "warning", rule->id, "can never help: a forbid always covers it",
                    forbid->id);
            }
        }
    }
}

/* The same permit without its condition makes the conditional one superfluous. */
static void check_shadowed(const struct rv_policy *policy, json_t *findings)
{
    for (int i = 0; i < policy->rule_count; i++) {
        for (int k = 0; k < policy->rule_count; k++) {
            const struct rule *wide = &policy->rules[i];
            const struct rule *narrow = &policy->rules[k];
            if (i != k && wide->kind == RULE_PERMIT && narrow->kind == RULE_PERMIT &&
                wide->when == NULL && wide->principal == narrow->principal &&
                json_equal(wide->actions, narrow->actions) && (narrow->when != NULL || i < k)) {
                add(findings, "warning", narrow->id, "is shadowed by a wider permit", wide->id);
            }
        }
    }
}

json_t *rv_policy_check(const struct rv_policy *policy, const char *const *actions,
                        const json_t *members)
{
    json_t *findings = json_array();
    if (actions != NULL) {
        check_actions(policy, actions, findings);
    }
    if (members != NULL) {
        check_members(policy, members, findings);
    }
    check_dead(policy, findings);
    check_shadowed(policy, findings);
    return findings;
}
