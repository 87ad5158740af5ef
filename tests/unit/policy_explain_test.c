/* policy_explain_test.c -- accounts of decisions, static findings, and the bundle that reeve ships.
 */
#include "tests/unit/policy_support.h"

#include <dirent.h>

/* ---- explain ---- */

static json_t *explain(const char *rules, const char *question, int64_t used)
{
    struct rv_policy *policy = bundle(rules);
    json_t *q = json_loads(question, 0, NULL);
    ck_assert_ptr_nonnull(q);
    struct rv_policy_request request = request_of(q);
    int64_t amounts[RV_POLICY_LIMITS_MAX];
    for (int i = 0; i < RV_POLICY_LIMITS_MAX; i++) {
        amounts[i] = used;
    }
    json_t *account = rv_policy_explain(policy, &request, amounts, RV_POLICY_LIMITS_MAX);
    json_decref(q);
    rv_policy_destroy(policy);
    return account;
}

static void flips(const char *rules, const char *question, int64_t used, const char *text)
{
    json_t *account = explain(rules, question, used);
    const char *got = rv_json_str(json_object_get(account, "flip"), "text", "none");
    ck_assert_msg(strcmp(got, text) == 0, "%s: \"%s\", wanted \"%s\"", rules, got, text);
    json_decref(account);
}

TEST(explain_tells_the_smallest_change_that_flips)
{
#define EUR(minor) "{" AGENT ",\"arg\":{\"amount\":{\"minor\":" #minor ",\"currency\":\"EUR\"}}}"
    flips("permit{id='p', agents='*', action='x', when=arg.amount:le(money'5000 EUR')}",
          EUR(720000), 0, "allow if arg.amount were 5000.00 EUR");
    flips("permit{id='p', agents='*', action='x', when=arg.amount:lt(money'5000 EUR')}",
          EUR(720000), 0, "allow if arg.amount were 4999.99 EUR");
    flips(PERMIT_X "forbid{id='f', action='x', when=arg.amount:gt(money'10 EUR')}", EUR(1100), 0,
          "allow if arg.amount were 10.00 EUR");
    flips(PERMIT_X
          "approve{id='a', action='x', when=arg.amount:gt(money'10 EUR'), stages={{role='r'}}, "
          "expires='1h'}",
          EUR(1100), 0, "allow if arg.amount were 10.00 EUR");
    flips(
        PERMIT_X
        "limit{id='l', action='x', sum=arg.amount, per={'agent'}, window='1d', cap=money'10 EUR'}",
        EUR(900), 300, "allow if arg.amount were 7.00 EUR");
    flips("permit{id='p', agents='*', action='x', when=res.vendor.status:eq'active'}",
          "{" AGENT ",\"res\":{\"vendor\":{\"status\":\"blocked\"}}}", 0,
          "allow if res.vendor.status were \"active\"");
    flips("permit{id='p', agents='*', action='x', when=all{arg.a:eq(1), arg.b:eq(1)}}",
          "{" AGENT "}", 0, "none");
    flips("permit{id='p', agents='*', action='x', when=me.owner:eq'other'}", "{" AGENT "}", 0,
          "none");
    flips(PERMIT_X, "{" AGENT "}", 0, "none");
#undef EUR
}

TEST(explain_names_the_nearest_rules_and_what_they_miss)
{
    json_t *account =
        explain("permit{id='far', agents='*', action='x', when=all{arg.a:eq(1), arg.b:eq(1)}}, "
                "permit{id='near', agents='*', action='x', when=all{arg.n:le(3), arg.c:has()}}, "
                "permit{id='clerks', persons=role'clerk', action='x'}, "
                "forbid{id='odd', action='x', when=none{arg.n:eq(4)}}",
                "{" AGENT ",\"arg\":{\"n\":4,\"c\":1}}", 0);
    ck_assert_str_eq(rv_json_str(account, "verdict", ""), "deny");
    const json_t *nearest = json_array_get(json_object_get(account, "nearest"), 0);
    ck_assert_str_eq(rv_json_str(nearest, "rule", ""), "near");
    const json_t *failed = json_array_get(json_object_get(nearest, "failed"), 0);
    ck_assert_str_eq(rv_json_str(failed, "condition", ""), "arg.n <= 3");
    ck_assert_str_eq(rv_json_str(failed, "found", ""), "4");
    ck_assert_str_eq(
        rv_json_str(json_array_get(json_object_get(account, "elsewhere"), 0), "rule", ""),
        "clerks");
    ck_assert_str_eq(
        rv_json_str(json_array_get(json_object_get(account, "because"), 0), "rule", ""),
        "no_permit");
    json_decref(account);
}

/* ---- check ---- */

static const char *const catalogue[] = {"x", "y", "z.a", "z.b", NULL};

static void finds(const char *rules, const char *members, const char *wanted)
{
    struct rv_policy *policy = bundle(rules);
    json_t *people = members != NULL ? json_loads(members, 0, NULL) : NULL;
    json_t *findings = rv_policy_check(policy, catalogue, people);
    char got[1024] = "";
    size_t i;
    json_t *finding;
    json_array_foreach(findings, i, finding)
    {
        const char *text = rv_json_str(finding, "finding", "");
        if (strncmp(text, "no-permit", 9) != 0 || strstr(wanted, "no-permit") != NULL) {
            size_t n = strlen(got);
            snprintf(got + n, sizeof got - n, "%s%s %.*s %s", n == 0 ? "" : "; ",
                     rv_json_str(finding, "rule", ""), (int)strcspn(text, ":"), text,
                     rv_json_str(finding, "witness", ""));
        }
    }
    ck_assert_msg(strcmp(got, wanted) == 0, "%s\n finds  \"%s\"\n wanted \"%s\"", rules, got,
                  wanted);
    json_decref(findings);
    json_decref(people);
    rv_policy_destroy(policy);
}

TEST(check_finds_what_cannot_work)
{
    finds("permit{id='p', agents='*', action='*'}", NULL, "");
    finds("permit{id='p', agents='*', action={'x','y','z.a'}}", NULL, "- no-permit z.b");
    finds("permit{id='p', agents='*', action={'x','gone'}}", NULL, "p unknown-action gone");
    finds("permit{id='p', agents='*', action='z.*'}, forbid{id='f', action='q.*'}", NULL,
          "f unknown-action q.*; f nothing-permitted q.*");
    finds(PERMIT_X "approve{id='a', action='y', stages={{role='r'}}, expires='1h'}", NULL,
          "a nothing-permitted y");
    finds("permit{id='p', agents='a', action='x'}, forbid{id='f', action='*'}", NULL,
          "p dead-permit f");
    finds("permit{id='p', agents='a', action='x'}, forbid{id='f', action='*', persons='*'}", NULL,
          "");
    finds("permit{id='p', agents='a', action='x'}, forbid{id='f', action='x', when=arg.n:eq(1)}",
          NULL, "");
    finds("permit{id='p', agents={'a','b'}, action={'x','y'}}, "
          "permit{id='q', agents='a', action='x', when=arg.n:eq(1)}",
          NULL, "q shadowed-permit p");
    finds("permit{id='p', agents='*', action='x', when=arg.n:eq(1)}, "
          "permit{id='q', agents='*', action='x', when=all{arg.n:eq(1), arg.m:eq(1)}}",
          NULL, "q shadowed-permit p");
    finds("permit{id='p', agents='*', action='x'}, permit{id='q', agents='*', action='x'}", NULL,
          "q shadowed-permit p");
    finds("permit{id='p', agents='*', action='x', when=all{arg.n:lt(5), arg.n:gt(5)}}", NULL,
          "p dead-condition arg.n");
    finds("permit{id='p', agents='*', action='x', when=all{arg.s:eq'a', arg.s:ne'a'}}", NULL,
          "p dead-condition arg.s");
    finds("permit{id='p', agents='*', action='x', when=all{arg.n:le(5), arg.n:ge(5)}}", NULL, "");
    finds(PERMIT_X
          "approve{id='a', action='x', stages={{role='r'}, {role='s', n=3}}, expires='2h', "
          "escalate={after='1h', to='boss'}}",
          "[{\"person\":\"p\",\"roles\":[\"s\"]},{\"person\":\"q\",\"roles\":[\"s\"]}]",
          "a unknown-members r; a quorum s; a escalation-role boss");
    finds(PERMIT_X "approve{id='a', action='x', stages={{role='s', n=2}}, expires='2h'}",
          "[{\"person\":\"p\",\"roles\":[\"s\"]},{\"person\":\"q\",\"roles\":[\"s\"]}]", "");
    finds(PERMIT_X "approve{id='a', action='x', stages={{role='r'},{role='s'}}, expires='2h'}",
          "[{\"person\":\"p\",\"roles\":[\"r\",\"s\"]}]", "a quorum s");
    finds(PERMIT_X "approve{id='a', action='x', stages={{role='s'}}, expires='2h', "
                   "escalate={after='1h', to='boss'}}",
          "[{\"person\":\"p\",\"roles\":[\"boss\"]}]", "a unknown-members s");
    finds("permit{id='p', persons=role 's', action='x'}, approve{id='a', persons=role 's', "
          "action='x', stages={{role='s'}}, expires='2h'}",
          "[{\"person\":\"p\",\"roles\":[\"s\"]}]", "a requester-only s");
    finds("permit{id='p', persons=role 's', action='x'}, approve{id='a', persons=role 's', "
          "action='x', stages={{role='s'}}, expires='2h'}",
          "[{\"person\":\"p\",\"roles\":[\"s\"]},{\"person\":\"q\",\"roles\":[\"s\"]}]", "");
    finds(PERMIT_X "limit{id='sum', action='x', sum=arg.amount, per={'agent'}, window='1d', "
                   "cap=money'5000 EUR'}, limit{id='count', action='x', count=true, per={'agent'}, "
                   "window='1d', "
                   "cap=4}, forbid{id='big', action='x', when=arg.amount:gt(money'1000 EUR')}",
          NULL, "sum limit-never-bites count");
    finds(PERMIT_X "limit{id='sum', action='x', sum=arg.amount, per={'agent'}, window='1d', "
                   "cap=money'3000 EUR'}, limit{id='count', action='x', count=true, per={'agent'}, "
                   "window='1d', "
                   "cap=4}, forbid{id='big', action='x', when=arg.amount:gt(money'1000 EUR')}",
          NULL, "");
    finds(PERMIT_X
          "approve{id='a', action='x', when=arg.amount:gt(money'10 EUR'), stages={{role='r'}}, "
          "expires='1h'}",
          NULL, "a split-below-approval arg.amount");
    finds(
        PERMIT_X
        "approve{id='a', action='x', when=arg.amount:gt(money'10 EUR'), stages={{role='r'}}, "
        "expires='1h'}, limit{id='l', action='x', sum=arg.amount, window='1d', cap=money'99 EUR'}",
        NULL, "");
    finds("permit{id='p', agents='*', action='x', when=arg.n:eq(1)}, "
          "permit{id='q', agents='*', action='y', when=arg.n:eq'1'}",
          NULL, "q two-types arg.n");
    finds("permit{id='p', persons=role'admin', action='x'}, permit{id='q', persons=role'admin', "
          "action='y'}, "
          "sod{id='s', conflict={'x','y'}}",
          NULL, "s sod persons role\"admin\"");
    finds(PERMIT_X "sink{id='s', action='x', args={'iban','payee'}, need='trusted', "
                   "endorse={exact='vendor.iban'}}",
          NULL, "s one-fact-for-many res.vendor.iban");
    finds(PERMIT_X "sink{id='s', action='x', args={'iban'}, need='trusted', "
                   "endorse={exact='vendor.iban'}}",
          NULL, "");
    finds("permit{id='p', persons=role'admin', action='x'}, permit{id='q', persons=role'clerk', "
          "action='y'}, "
          "sod{id='s', conflict={'x','y'}}",
          NULL, "");
}

/* ---- tests of bundles ---- */

TEST(a_failing_test_says_what_it_got)
{
    struct rv_policy *policy =
        bundle(PERMIT_X "test{'wrong', agent='a', action='x', expect='deny'}, "
                        "test{'right', agent='a', action='x', expect={allow={'p'}}}, "
                        "test{'other rule', agent='a', action='x', expect={allow={'q'}}}");
    int failed = 0;
    json_t *results = rv_policy_test(policy, &failed);
    ck_assert_int_eq(failed, 2);
    char *got = json_dumps(json_object_get(json_array_get(results, 0), "got"), JSON_COMPACT);
    ck_assert_str_eq(got, "{\"allow\":[\"p\"]}");
    free(got);
    json_decref(results);
    rv_policy_destroy(policy);
}

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

static void all_pass(json_t *results, int failed, const char *what)
{
    size_t i;
    json_t *result;
    json_array_foreach(results, i, result)
    {
        char *text = json_dumps(result, JSON_COMPACT);
        ck_assert_msg(rv_json_bool(result, "ok", false), "%s: %d fail, first %s", what, failed,
                      text);
        free(text);
    }
    json_decref(results);
}

TEST(the_shipped_bundle_passes_its_own_tests_and_all_cases)
{
    struct rv_policy *policy = shipped();
    int failed = 0;
    json_t *results = rv_policy_test(policy, &failed);
    size_t count = json_array_size(results);
    all_pass(results, failed, "default.lua");
    DIR *folder = opendir("policies/cases");
    ck_assert_ptr_nonnull(folder);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (strstr(entry->d_name, ".lua") == NULL) {
            continue;
        }
        char path[512];
        snprintf(path, sizeof path, "policies/cases/%s", entry->d_name);
        size_t length = 0;
        char *source = read_whole(path, &length);
        struct rv_error err = {.code = RV_OK};
        if (rv_policy_test_cases(policy, source, length, path, &results, &failed, &err) != RV_OK) {
            ck_abort_msg("%s (%s)", err.message, err.hint);
        }
        count += json_array_size(results);
        all_pass(results, failed, path);
        rv_free(source);
    }
    closedir(folder);
    ck_assert_uint_ge(count, 60);
    rv_policy_destroy(policy);
}

/* Every rule of the shipped bundle decides something in some test: take it out and one fails. */
TEST(every_rule_of_the_shipped_bundle_is_needed_by_a_test)
{
    struct rv_policy *policy = shipped();
    json_t *canonical = json_loads(rv_policy_canonical(policy), 0, NULL);
    const json_t *rules = json_object_get(canonical, "rules");
    size_t length = 0;
    char *source = read_whole("policies/default.lua", &length);
    char *cases[8] = {NULL};
    size_t lengths[8] = {0};
    int files = 0;
    DIR *folder = opendir("policies/cases");
    for (struct dirent *entry = readdir(folder); entry != NULL && files < 8;
         entry = readdir(folder)) {
        if (strstr(entry->d_name, ".lua") != NULL) {
            char path[512];
            snprintf(path, sizeof path, "policies/cases/%s", entry->d_name);
            cases[files] = read_whole(path, &lengths[files]);
            files++;
        }
    }
    closedir(folder);
    size_t i;
    json_t *rule;
    json_array_foreach(rules, i, rule)
    {
        const char *id = rv_json_str(rule, "id", "");
        if (strcmp(rv_json_str(rule, "kind", ""), "sod") == 0) {
            continue;
        }
        /* the rule, moved to an action that nobody asks for */
        char *copy = rv_strdup(source);
        char needle[128];
        snprintf(needle, sizeof needle, "id = \"%s\"", id);
        char *at = strstr(copy, needle);
        ck_assert_msg(at != NULL, "rule \"%s\" is not written as %s", id, needle);
        char *action = strstr(at, "action =");
        ck_assert_ptr_nonnull(action);
        struct rv_buf mutant;
        rv_buf_init(&mutant, 1 << 20);
        rv_buf_add(&mutant, copy, (size_t)(action - copy));
        rv_buf_str(&mutant, "action = \"nothing.at_all\", note = ");
        char *value = action + strlen("action =");
        char *end = value + strspn(value, " ");
        end = strncmp(end, "any_of", 6) == 0 ? strchr(end, '}') + 1 : strchr(end + 1, '"') + 1;
        rv_buf_str(&mutant, "\"\"");
        rv_buf_str(&mutant, end);
        struct rv_policy *without = NULL;
        struct rv_error err = {.code = RV_OK};
        if (rv_policy_load(mutant.data, mutant.length, "mutant.lua", &without, &err) != RV_OK) {
            ck_abort_msg("%s: %s", id, err.message);
        }
        int failed = 0;
        json_decref(rv_policy_test(without, &failed));
        for (int k = 0; k < files; k++) {
            json_t *results = NULL;
            int more = 0;
            ck_assert_int_eq(
                rv_policy_test_cases(without, cases[k], lengths[k], "cases", &results, &more, NULL),
                RV_OK);
            json_decref(results);
            failed += more;
        }
        ck_assert_msg(failed > 0, "no test notices when rule \"%s\" is gone", id);
        rv_policy_destroy(without);
        rv_buf_fini(&mutant);
        rv_free(copy);
    }
    for (int k = 0; k < files; k++) {
        rv_free(cases[k]);
    }
    rv_free(source);
    json_decref(canonical);
    rv_policy_destroy(policy);
}

TEST_MAIN()
