/* policy_catalogue_test.c -- the shipped bundle against the catalogue of the ERP: nothing is
 * forgotten, nothing is too easy.
 */
#include "erp/command/command.h"
#include "tests/unit/policy_support.h"

/* What passes the gate and is no command of the ERP. */
static const char *const passes[] = {"llm.decide", "run.start", "run.cancel",  "run.signal",
                                     "run.update", "run.raise", "policy.load", "agent.publish"};
enum { ACTIONS_MAX = 128 };

static struct rv_policy *shipped(void)
{
    size_t length = 0;
    char *source = read_whole("policies/default.lua", &length);
    struct rv_policy *policy = NULL;
    struct rv_error err = {.code = RV_OK};
    if (rv_policy_load(source, length, "default.lua", &policy, &err) != RV_OK) {
        ck_abort_msg("%s (%s)", err.message, err.hint);
    }
    rv_free(source);
    return policy;
}

static bool matches(const char *pattern, const char *action)
{
    const char *star = strchr(pattern, '*');
    if (star == NULL) {
        return strcmp(pattern, action) == 0;
    }
    size_t before = (size_t)(star - pattern);
    size_t after = strlen(star + 1);
    return strlen(action) >= before + after && strncmp(pattern, action, before) == 0 &&
           strcmp(star + 1, action + strlen(action) - after) == 0;
}

/* Rules of a kind about an action; `who` NULL: for anybody, "": for everybody. */
static int rules_about(const json_t *canonical, const char *kind, const char *action,
                       const char *who)
{
    int count = 0;
    size_t i;
    json_t *rule;
    json_array_foreach(json_object_get(canonical, "rules"), i, rule)
    {
        const json_t *principals = json_object_get(rule, "who");
        bool fits = who == NULL ||
                    (*who == '\0' ? principals == NULL : json_object_get(principals, who) != NULL);
        size_t k;
        json_t *pattern;
        json_array_foreach(json_object_get(rule, "actions"), k, pattern)
        {
            if (fits && strcmp(rv_json_str(rule, "kind", ""), kind) == 0 &&
                matches(json_string_value(pattern), action)) {
                count++;
                break;
            }
        }
    }
    return count;
}

TEST(every_command_is_permitted_to_somebody_or_forbidden_by_name)
{
    struct rv_policy *policy = shipped();
    json_t *canonical = json_loads(rv_policy_canonical(policy), 0, NULL);
    for (int i = 0; erp_commands[i] != NULL; i++) {
        const char *name = erp_commands[i]->name;
        ck_assert_msg(rules_about(canonical, "permit", name, NULL) > 0 ||
                          rules_about(canonical, "forbid", name, "") > 0,
                      "nothing in default.lua says who may %s; add it to a permit, or forbid it to "
                      "everybody with a note",
                      name);
        /* what only the machine may do, nobody can ask for */
        ck_assert_msg(rules_about(canonical, "permit", name, "persons") > 0 ||
                          rules_about(canonical, "forbid", name, "") > 0,
                      "no person may %s", name);
    }
    json_decref(canonical);
    rv_policy_destroy(policy);
}

TEST(the_shipped_bundle_has_no_findings)
{
    struct rv_policy *policy = shipped();
    const char *actions[ACTIONS_MAX] = {NULL};
    size_t count = 0;
    for (; erp_commands[count] != NULL; count++) {
        ck_assert_uint_lt(count, ACTIONS_MAX - RV_COUNT(passes) - 1);
        actions[count] = erp_commands[count]->name;
    }
    for (size_t i = 0; i < RV_COUNT(passes); i++) {
        actions[count++] = passes[i];
    }
    static const char *const roles[] = {"clerk",      "clerk",      "buyer",
                                        "ap.manager", "controller", "treasurer",
                                        "operator",   "admin",      "integrator"};
    json_t *members = json_array();
    for (size_t i = 0; i < RV_COUNT(roles); i++) {
        json_array_append_new(members, json_pack("{s:o,s:[s]}", "person", json_sprintf("p%zu", i),
                                                 "roles", roles[i]));
    }
    json_t *findings = rv_policy_check(policy, actions, members);
    char *text = json_dumps(findings, JSON_INDENT(1));
    ck_assert_msg(json_array_size(findings) == 0, "%s", text);
    free(text);
    json_decref(findings);
    json_decref(members);
    rv_policy_destroy(policy);
}

/* With the friendliest facts there are, an agent never moves money alone, and never does what the
 * catalogue keeps from agents. */
TEST(no_agent_does_alone_what_the_catalogue_calls_risky)
{
    struct rv_policy *policy = shipped();
    int risky = 0;
    for (int i = 0; erp_commands[i] != NULL; i++) {
        char question[1024];
        snprintf(question, sizeof question,
                 "{\"action\":\"%s\"," AGENT
                 ",\"arg\":{\"amount\":{\"minor\":1,\"currency\":\"EUR\"},"
                 "\"score\":100,\"duplicate_of\":3},\"res\":{\"amount\":{\"minor\":1,\"currency\":"
                 "\"EUR\"},\"vendor\":{\"id\":7,\"status\":\"active\",\"iban\":\"DE00\"},"
                 "\"is_duplicate\":true,\"is_sure\":true,\"iban_is_master\":true}}",
                 erp_commands[i]->name);
        const char *verdict = decide(policy, question, 0);
        if (erp_commands[i]->tier == ERP_TIER_MONEY) {
            risky++;
            ck_assert_msg(strcmp(verdict, "allow") != 0, "an agent may %s alone",
                          erp_commands[i]->name);
        } else if (erp_commands[i]->tier == ERP_TIER_NEVER) {
            risky++;
            ck_assert_msg(strcmp(verdict, "deny") == 0, "an agent may ask for %s",
                          erp_commands[i]->name);
        }
    }
    ck_assert_int_gt(risky, 0);
    rv_policy_destroy(policy);
}

/* What a failed run has done is taken back by the machine: it must be allowed to. */
TEST(the_machine_may_take_back_what_agents_may_do)
{
    struct rv_policy *policy = shipped();
    json_t *canonical = json_loads(rv_policy_canonical(policy), 0, NULL);
    json_t *args = json_pack("{s:i,s:i,s:i,s:s,s:i,s:s,s:[],s:{s:i,s:s}}", "invoice", 1, "payment",
                             2, "entry", 3, "reason", "x", "exception", 4, "key", "PP", "items",
                             "amount", "minor", 1, "currency", "EUR");
    json_t *answer = json_pack("{s:i,s:i,s:i,s:i,s:i,s:b,s:i,s:[],s:s}", "invoice", 1, "payment", 2,
                               "entry", 3, "request", 4, "credit_note", 5, "changed", 1, "order", 6,
                               "lines", "code", "price");
    int seen = 0;
    for (int i = 0; erp_commands[i] != NULL; i++) {
        const char *back = NULL;
        json_t *back_args = NULL;
        bool agents = rules_about(canonical, "permit", erp_commands[i]->name, "agents") > 0;
        if (agents && erp_commands[i]->compensate != NULL &&
            erp_commands[i]->compensate(args, answer, &back, &back_args)) {
            seen++;
            ck_assert_msg(rules_about(canonical, "permit", back, "system") > 0,
                          "%s is taken back by %s, which the machine may not",
                          erp_commands[i]->name, back);
        }
        json_decref(back_args);
    }
    ck_assert_int_gt(seen, 5);
    json_decref(args);
    json_decref(answer);
    json_decref(canonical);
    rv_policy_destroy(policy);
}

TEST_MAIN()
