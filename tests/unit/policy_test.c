/* policy_test.c -- the bundle that reeve ships, the lattice, errors that restrict, hostile bundles. */
#include "runtime/base/check.h"
#include "runtime/base/random.h"
#include "runtime/gate/policy.h"
#include "tests/support/test.h"

static char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "no %s", path);
    char *text = rv_alloc(1 << 20);
    *length = fread(text, 1, (1 << 20) - 1, file);
    fclose(file);
    return text;
}

static struct rv_policy *load(const char *source)
{
    struct rv_policy *policy = NULL;
    struct rv_error err = {.code = RV_OK};
    if (rv_policy_load(source, strlen(source), "test", &policy, &err) != RV_OK) {
        ck_abort_msg("%s", err.message);
    }
    return policy;
}

static void refused(const char *source, enum rv_code code, const char *words)
{
    struct rv_policy *policy = NULL;
    struct rv_error err = {.code = RV_OK};
    ck_assert_int_eq(rv_policy_load(source, strlen(source), "test", &policy, &err), code);
    ck_assert_msg(strstr(err.message, words) != NULL, "\"%s\" does not say \"%s\"", err.message, words);
}

static const char *decide(const struct rv_policy *policy, const char *question, int64_t used)
{
    json_t *q = json_loads(question, 0, NULL);
    ck_assert_ptr_nonnull(q);
    struct rv_policy_request request = {.action = rv_json_str(q, "action", ""),
                                        .me = json_object_get(q, "me"),
                                        .args = json_object_get(q, "arg"),
                                        .res = json_object_get(q, "res"),
                                        .ctx = json_object_get(q, "ctx")};
    struct rv_arena *arena = rv_arena_create("test", 1 << 20);
    struct rv_policy_facts *facts = NULL;
    ck_assert_int_eq(rv_policy_facts_make(policy, &request, arena, &facts, NULL), RV_OK);
    struct rv_policy_limit limits[RV_POLICY_LIMITS_MAX];
    int count = rv_policy_limits(policy, facts, arena, limits);
    int64_t amounts[RV_POLICY_LIMITS_MAX];
    for (int i = 0; i < count; i++) {
        amounts[i] = used;
    }
    struct rv_verdict verdict;
    rv_policy_decide(policy, facts, amounts, count, arena, &verdict);
    static const char *const names[] = {"allow", "hold", "deny"};
    rv_arena_destroy(arena);
    json_decref(q);
    return names[verdict.kind];
}

#define AGENT "\"me\":{\"kind\":\"agent\",\"id\":\"a\",\"roles\":[],\"tenant\":1}"

TEST(the_shipped_bundle_passes_its_own_tests)
{
    size_t length = 0;
    char *source = read_file("policies/default.lua", &length);
    struct rv_policy *policy = load(source);
    int failed = 0;
    json_t *results = rv_policy_test(policy, &failed);
    char *text = json_dumps(results, JSON_INDENT(1));
    ck_assert_msg(failed == 0, "%s", text);
    ck_assert_int_ge(json_array_size(results), 10);
    free(text);
    json_decref(results);
    rv_policy_destroy(policy);
    rv_free(source);
}

TEST(without_a_permit_everything_is_denied)
{
    struct rv_policy *empty = load("return bundle{ name='e' }");
    ck_assert_str_eq(decide(empty, "{\"action\":\"invoice.pay\"," AGENT "}", 0), "deny");
    rv_policy_destroy(empty);
}

TEST(an_error_grants_nothing_and_restricts)
{
    static const struct {
        const char *rule;
        const char *verdict;
    } cases[] = {
        {"permit{id='p', agents='*', action='x', when=arg.missing:eq'1'}", "deny"},
        {"permit{id='p', agents='*', action='x'}", "allow"},
        {"permit{id='p', agents='*', action='x'}, forbid{id='f', action='x', when=arg.missing:eq'1'}", "deny"},
        {"permit{id='p', agents='*', action='x'}, forbid{id='f', action='x', when=arg.missing:has()}", "allow"},
        {"permit{id='p', agents='*', action='x'}, approve{id='a', action='x', when=arg.missing:gt(1), "
         "stages={{role='r'}}, expires='1h'}", "hold"},
        {"permit{id='p', agents='*', action='x'}, limit{id='l', action='x', sum=arg.missing, per={'agent'}, "
         "window='1d', cap=money'5 EUR', over=approval'r'}", "deny"},
        {"permit{id='p', agents='*', action='x'}, limit{id='l', action='x', count=true, per={'agent'}, "
         "window='1d', cap=3, over='deny'}", "allow"},
        {"permit{id='p', agents='*', action='x'}, approve{id='a', action='x', "
         "when=arg.amount:gt(money'1 USD'), stages={{role='r'}}, expires='1h'}", "hold"},
        {"permit{id='p', agents='*', action='x'}, sink{id='s', action='x', args={'iban'}, need='trusted', "
         "endorse={exact='vendor.iban'}, otherwise='deny'}", "deny"},
        {"permit{id='p', agents='*', action='x', when=any{arg.missing:eq'1', arg.amount:lt(money'6 EUR')}}",
         "allow"},
        {"permit{id='p', agents='*', action='x', when=all{arg.amount:lt(money'6 EUR'), arg.missing:eq'1'}}",
         "deny"},
        {"permit{id='p', persons='*', action='x'}", "deny"},
        {"permit{id='p', agents=role'payer', action='x'}", "deny"},
        {"permit{id='p', agents={'a','b'}, action='*'}", "allow"},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        char source[1024];
        snprintf(source, sizeof source, "return bundle{ name='t', %s }", cases[i].rule);
        struct rv_policy *policy = load(source);
        const char *got = decide(policy,
                                 "{\"action\":\"x\"," AGENT ",\"arg\":{\"amount\":{\"minor\":500,"
                                 "\"currency\":\"EUR\"},\"iban\":\"DE1\"},\"res\":{}}", 0);
        ck_assert_msg(strcmp(got, cases[i].verdict) == 0, "%s: %s", cases[i].rule, got);
        rv_policy_destroy(policy);
    }
}

TEST(a_limit_counts_what_was_used)
{
    struct rv_policy *policy =
        load("return bundle{ name='t', permit{id='p', agents='*', action='x'}, limit{id='l', action='x', "
             "sum=arg.amount, per={'agent'}, window='1d', cap=money'10 EUR', over=approval'boss'} }");
    const char *q = "{\"action\":\"x\"," AGENT ",\"arg\":{\"amount\":{\"minor\":500,\"currency\":\"EUR\"}}}";
    ck_assert_str_eq(decide(policy, q, 500), "allow");
    ck_assert_str_eq(decide(policy, q, 501), "hold");
    ck_assert_str_eq(decide(policy, q, INT64_MAX), "hold");
    rv_policy_destroy(policy);
}

/* Rules in any order decide the same; more restrictions never weaken a verdict. */
TEST(order_never_matters_and_restrictions_only_restrict)
{
    static const char *const rules[] = {
        "permit{id='p1', agents='*', action='x', when=arg.n:lt(50)}",
        "permit{id='p2', agents='*', action='*', when=arg.n:ge(40)}",
        "forbid{id='f1', action='x', when=arg.n:eq(13)}",
        "approve{id='a1', action='x', when=arg.n:gt(20), stages={{role='r1'}}, expires='1h'}",
        "approve{id='a2', action='x', when=arg.m:gt(20), stages={{role='r2'}}, expires='2h'}",
        "limit{id='l1', action='x', count=true, per={'agent'}, window='1h', cap=5, over=approval'r3'}",
    };
    struct rv_random random = {99};
    for (int round = 0; round < 200; round++) {
        int order[RV_COUNT(rules)];
        for (int i = 0; i < (int)RV_COUNT(rules); i++) {
            int at = (int)rv_random_below(&random, (uint64_t)i + 1);
            order[i] = order[at];
            order[at] = i;
        }
        char shuffled[2048] = "return bundle{ name='t'";
        char sorted[2048] = "return bundle{ name='t'";
        char fewer[2048] = "return bundle{ name='t'";
        for (int i = 0; i < (int)RV_COUNT(rules); i++) {
            strcat(strcat(shuffled, ", "), rules[order[i]]);
            strcat(strcat(sorted, ", "), rules[i]);
            if (i < 2) {
                strcat(strcat(fewer, ", "), rules[i]);
            }
        }
        struct rv_policy *a = load(strcat(shuffled, " }"));
        struct rv_policy *b = load(strcat(sorted, " }"));
        struct rv_policy *c = load(strcat(fewer, " }"));
        char question[256];
        snprintf(question, sizeof question, "{\"action\":\"x\"," AGENT ",\"arg\":{\"n\":%d,\"m\":%d}}",
                 (int)rv_random_below(&random, 60), (int)rv_random_below(&random, 60));
        int64_t used = (int64_t)rv_random_below(&random, 10);
        ck_assert_str_eq(decide(a, question, used), decide(b, question, used));
        static const char *const lattice = "allow hold deny";
        ck_assert(strstr(lattice, decide(b, question, used)) >=
                  strstr(lattice, decide(c, question, used)));
        rv_policy_destroy(a);
        rv_policy_destroy(b);
        rv_policy_destroy(c);
    }
}

TEST(moving_a_rule_down_a_line_is_the_same_policy)
{
    struct rv_policy *a = load("return bundle{ name='t', permit{id='p', agents='*', action='x'} }");
    struct rv_policy *b = load("return bundle{ name='t',\n\n permit{action='x', id='p', agents='*'} }");
    struct rv_hash x = rv_policy_hash(a);
    struct rv_hash y = rv_policy_hash(b);
    ck_assert(rv_hash_equal(&x, &y));
    rv_policy_destroy(a);
    rv_policy_destroy(b);
}

TEST(a_wrong_bundle_is_refused_with_rule_field_and_remedy)
{
    refused("return 5", RV_INVALID, "bundle");
    refused("return bundle{ name='t', permit{agents='*', action='x'} }", RV_INVALID, "\"id\"");
    refused("return bundle{ name='t', permit{id='p', action='x'} }", RV_INVALID, "agents");
    refused("return bundle{ name='t', approve{id='a', action='x', stages={{role='r'}}} }", RV_INVALID,
            "expires");
    refused("return bundle{ name='t', limit{id='l', action='x', count=true, window='soon', cap=1, over='deny'} }",
            RV_INVALID, "window");
    refused("return bundle{ name='t', forbid{id='f', action='x', when=arg.a:gt'b'} }", RV_INVALID, "orders");
    refused("return bundle{ name='t', forbid{id='f', action='x', when=other.a:eq'b'} }", RV_INVALID,
            "unknown word");
    refused("return bundle{ name='t', forbid{id='f', action='x', when=arg.a:gt(money'5.123 EUR')} }",
            RV_INVALID, "decimals");
    refused("return bundle{ name='t', permit{id='p', agents='*', action='x'}, permit{id='p', agents='*', "
            "action='y'} }", RV_INVALID, "twice");
    refused("x = 5 return bundle{}", RV_INVALID, "local");
}

TEST(a_hostile_bundle_costs_little_and_is_refused)
{
    refused("while true do end", RV_INVALID, "instructions");
    refused("local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(100000) end return bundle{}", RV_LIMIT, "bytes");
    refused("return os.exit(1)", RV_INVALID, "unknown word");
    refused("return bundle{ name='t', permit{id='p', agents='*', action='x', when=function() end} }",
            RV_INVALID, "function");
    refused("local t = {} t.t = t return bundle{ t }", RV_INVALID, "deep");
    refused("\27Lua", RV_INVALID, "policy");
    refused("return bundle{ name='t', permit{id='p', agents='*', action='x', when=arg.a:eq(1.5)} }",
            RV_INVALID, "fraction");
}

TEST_MAIN()
