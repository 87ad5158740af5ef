/* policy_language_test.c -- what a bundle may say, how a refusal reads, and what a hostile one
 * gets. */
#include "tests/unit/policy_support.h"

#include <time.h>

static void refused(const char *source, enum rv_code code, const char *message, const char *hint)
{
    struct rv_policy *policy = NULL;
    struct rv_error err = {.code = RV_OK};
    ck_assert_msg(rv_policy_load(source, strlen(source), "t.lua", &policy, &err) == code,
                  "%.200s: %d %s", source, err.code, err.message);
    ck_assert_msg(strstr(err.message, message) != NULL, "%.200s:\n\"%s\" does not say \"%s\"",
                  source, err.message, message);
    ck_assert_msg(strstr(err.hint, hint) != NULL, "%.200s:\nhint \"%s\" does not say \"%s\"",
                  source, err.hint, hint);
}

/* The example of design/governance.md 5.1, less what reeve refuses by name (fx, remind, tz, base).
 */
TEST(the_example_of_the_design_loads)
{
    struct rv_policy *policy = NULL;
    struct rv_error err = {.code = RV_OK};
    static const char source[] =
        "return bundle{ name=\"ap\", schema=\"erp.v1\",\n"
        " permit { id=\"pay.normal\", agents=role\"ap.payer\", action=\"invoice.pay\", "
        "resource=is\"Invoice\",\n"
        "   when=all{ me.tenant:eq(res.tenant), res.vendor.status:eq\"approved\", "
        "arg.amount:le(money\"25000 EUR\") } },\n"
        " forbid { id=\"sanctions\", action=any_of{\"payment.release\",\"invoice.pay\"}, "
        "when=res.vendor.sanctioned:eq(true) },\n"
        " limit  { id=\"vendor.day\", action=\"invoice.pay\", sum=arg.amount, "
        "per={\"agent\",\"vendor\"}, "
        "window=\"1d\", cap=money\"50000 EUR\", over=approval\"cfo\" },\n"
        " limit  { id=\"burst\", action=\"*\", count=true, per={\"agent\"}, window=\"10m\", "
        "cap=200, "
        "over=\"deny\" },\n"
        " approve{ id=\"over5k\", action=\"invoice.pay\", when=arg.amount:gt(money\"5000 EUR\"),\n"
        "   stages={ {role=\"ap.manager\", n=1}, {role=\"controller\", n=1} }, distinct=true,\n"
        "   never={\"creator\",\"sponsor\"}, expires=\"24h\", escalate={after=\"8h\", to=\"cfo\"} "
        "},\n"
        " sod    { id=\"master-vs-pay\", conflict={\"vendor.bank_change\",\"payment.release\"} },\n"
        " sink   { id=\"payee\", action={\"vendor.bank_change\",\"invoice.pay\"}, "
        "args={\"iban\",\"payee\"}, "
        "need=\"trusted\",\n"
        "          endorse={ exact=\"vendor_master.iban\" }, otherwise=approval\"bank\" },\n"
        " test   { \"10k needs two\", agent=\"a1\", roles={\"ap.payer\"}, action=\"invoice.pay\", "
        "arg={amount=\"10000 EUR\"},\n"
        "   res={type=\"Invoice\", tenant=1, vendor={id=7, status=\"approved\", "
        "sanctioned=false}}, "
        "expect={hold={\"over5k\"}} } }\n";
    if (rv_policy_load(source, strlen(source), "ap.lua", &policy, &err) != RV_OK) {
        ck_abort_msg("%s", err.message);
    }
    int failed = 0;
    json_t *results = rv_policy_test(policy, &failed);
    char *text = json_dumps(results, 0);
    ck_assert_msg(failed == 0 && json_array_size(results) == 1, "%s", text);
    free(text);
    json_decref(results);
    ck_assert_str_eq(rv_policy_name(policy), "ap");
    rv_policy_destroy(policy);
}

/* One meaning, one text, one hash. */
TEST(the_canonical_form_knows_no_order_and_no_layout)
{
    static const char *const same[] = {
        "permit{id='p', agents={'b','a'}, action=any_of{'y','x'}, when=all{arg.n:eq(1), "
        "arg.m:eq(2)}}, "
        "approve{id='a', action='x', stages={{role='r'},{role='q', n=1}}, expires='1d'}",
        "\n\n approve{expires='24h', stages={{role='q'},{role='r'}}, action={'x'}, id='a', "
        "never={'requester'}},"
        "\n permit{id='p', agents=any_of{'a','b','a'}, action={'x','y'}, when=all{arg.m:eq(2), "
        "arg.n:eq(1)}}, "
        "test{'one', agent='a', action='x', expect='deny'}",
    };
    struct rv_policy *a = bundle(same[0]);
    struct rv_policy *b = bundle(same[1]);
    ck_assert_str_eq(rv_policy_canonical(a), rv_policy_canonical(b));
    struct rv_hash x = rv_policy_hash(a);
    struct rv_hash y = rv_policy_hash(b);
    ck_assert(rv_hash_equal(&x, &y));
    struct rv_hash z = rv_sha256(rv_policy_canonical(a), strlen(rv_policy_canonical(a)));
    ck_assert(rv_hash_equal(&x, &z));
    struct rv_policy *c = bundle("permit{id='p', agents={'b','a'}, action=any_of{'y','x'}}");
    struct rv_hash w = rv_policy_hash(c);
    ck_assert(!rv_hash_equal(&x, &w));
    ck_assert_str_eq(
        rv_policy_canonical(c),
        "{\"format\":\"reeve.policy.v1\",\"name\":\"t\",\"rules\":[{\"actions\":[\"x\",\"y\"],"
        "\"id\":"
        "\"p\",\"kind\":\"permit\",\"who\":{\"agents\":{\"ids\":[\"a\",\"b\"],\"roles\":[]}}}]}");
    rv_policy_destroy(a);
    rv_policy_destroy(b);
    rv_policy_destroy(c);
}

TEST(rules_can_be_built_in_loops)
{
    struct rv_policy *policy = NULL;
    static const char source[] = "local rules = { name='t' }\n"
                                 "for i, action in ipairs{'a.x','b.x'} do\n"
                                 "  rules[i] = permit{ id='p.'..i, agents='*', action=action }\n"
                                 "end\n"
                                 "return bundle(rules)\n";
    ck_assert_int_eq(rv_policy_load(source, strlen(source), "t.lua", &policy, NULL), RV_OK);
    ck_assert_str_eq(decide(policy, "{\"action\":\"b.x\"," AGENT "}", 0), "allow");
    rv_policy_destroy(policy);
}

#define RULE(kind, fields) "return bundle{ name='t',\n " kind "{id='r', action='x', " fields "} }"
#define PERMIT(fields)     RULE("permit", "agents='*', " fields)
#define APPROVE(fields)    RULE("approve", fields)
#define LIMIT(fields)      RULE("limit", fields)
#define SINK(fields)       RULE("sink", fields)

TEST(a_wrong_bundle_is_refused_with_place_rule_field_and_remedy)
{
    static const struct {
        const char *source, *message, *hint;
    } cases[] = {
        {"return 5", "does not return bundle", "return bundle"},
        {"", "does not return bundle", ""},
        {"return bundle{ permit{id='p', agents='*', action='x'} }", "\"name\" is missing", "name="},
        {"return bundle{ name='t', tz='Europe/Berlin' }", "\"tz\" is not known", "windows roll"},
        {"return bundle{ name='t', schema='erp.v9' }", "\"schema\"", "erp.v1"},
        {"return bundle{ name='t', 'permit' }", "no rule", "permit"},
        {"return bundle{ name='t', role'x' }", "no rule", "permit"},
        {"return bundle{ name='t',\n\n permit{agents='*', action='x'} }",
         "t.lua:3:", "own short id"},
        {"return bundle{ name='t', permit{id='a b', agents='*', action='x'} }", "\"id\"",
         "letters"},
        {"return bundle{ name='t', permit{id='no_permit', agents='*', action='x'} }", "\"id\"",
         "letters"},
        {"return bundle{ name='t', permit{id='p', agents='*', action='x'},\n permit{id='p', "
         "agents='*', "
         "action='y'} }",
         "t.lua:2: rule \"p\": field \"id\" is used twice", "own id"},
        {"return bundle{ name='t', permit{id='p', action='x'} }", "\"agents\" is missing",
         "persons="},
        {"return bundle{ name='t', permit{id='p', agents={}, action='x'} }", "names nobody",
         "role"},
        {"return bundle{ name='t', permit{id='p', agents=5, action='x'} }", "names nobody", "role"},
        {"return bundle{ name='t', permit{id='p', system='detector', action='x'} }", "\"system\"",
         "true"},
        {"return bundle{ name='t', permit{id='p', agents='*'} }", "\"action\" is missing",
         "any_of"},
        {"return bundle{ name='t', permit{id='p', agents='*', action='Invoice.Pay'} }", "no action",
         "lower"},
        {"return bundle{ name='t', permit{id='p', agents='*', action='a*b*'} }", "no action",
         "one *"},
        {PERMIT("wehn=arg.n:eq(1)"), "t.lua:2: rule \"r\": field \"wehn\" is not known", "when"},
        {PERMIT("expires='1h'"), "\"expires\" is not known", "Fields are"},
        {PERMIT("'stray'"), "\"[1]\"", "Fields are"},
        {PERMIT("note=5"), "\"note\"", "sentence"},
        {PERMIT("resource='Invoice'"), "\"resource\"", "is\""},
        {PERMIT("when=true"), "\"when\" is no condition", "all"},
        {PERMIT("when=all{}"), "empty list", "Leave the field out"},
        {PERMIT("when=arg.n"), "no condition", "arg.amount:le"},
        {PERMIT("when=arg.n == 5"), "\"when\" is no condition",
         "arg.amount:le"}, /* Lua makes it false */
        {PERMIT("when=arg.n < 5"), "compared with words", ""},
        {PERMIT("when=me.name:eq'x'"), "\"me.name\", which does not exist", "me.owner"},
        {PERMIT("when=me:eq'x'"), "does not exist", "me.owner"},
        {PERMIT("when=arg:has()"), "does not exist", "arg.<argument>"},
        {PERMIT("when=run:has()"), "does not exist", "run.margin"},
        {PERMIT("when=run.state:eq'x'"), "\"run.state\", which does not exist", "run.margin"},
        {PERMIT("when=run.margin:eq'low'"), "compares two types", "Order integers"},
        {PERMIT("when=run.margin:lt(money'20 EUR')"), "compares two types", "Order integers"},
        {PERMIT("when=me.roles:eq'x'"), "use contains", ""},
        {PERMIT("when=me.tenant:eq'x'"), "two types", ""},
        {PERMIT("when=arg.a:gt'b'"), "orders", "Order integers"},
        {PERMIT("when=arg.a:eq{1}"), "no text, integer", ""},
        {PERMIT("when=arg.a:one_of{}"), "needs a list", ""},
        {PERMIT("when=arg.a:one_of{1,'b'}"), "needs a list", ""},
        {PERMIT("when=arg.a:prefix(5)"), "needs a text", ""},
        {PERMIT("when=arg.a:eq()"), "needs one value", ""},
        {PERMIT("when=arg.a:has(1)"), "needs no value", ""},
        {PERMIT("when=arg.a.eq(1)"), "with a colon", ""},
        {PERMIT("when=arg.a:gt(money'5.123 EUR')"), "more decimals", ""},
        {PERMIT("when=arg.a:gt(money'5.5 JPY')"), "more decimals", ""},
        {PERMIT("when=arg.a:gt(money'5')"), "no amount with a currency", "money"},
        {PERMIT("when=arg.a:gt(money'5 eur')"), "no amount with a currency", "money"},
        {PERMIT("when=arg.a:gt(money'5,5 EUR')"), "no amount", "money"},
        {PERMIT("when=arg.a:gt(money'99999999999999999999 EUR')"), "too large", "money"},
        {PERMIT("when=arg.a:eq(1.5)"), "a fraction", ""},
        {PERMIT("when=arg.a:eq(print)"), "no word \"print\"", ""},
        {PERMIT("when=arg['a.b']:eq(1)"), "no attribute name", ""},
        {APPROVE("stages={{role='r'}}"), "\"expires\" is missing", "24h"},
        {APPROVE("stages={{role='r'}}, expires='soon'"), "\"expires\"", "24h"},
        {APPROVE("stages={{role='r'}}, expires='91d'"), "\"expires\"", "24h"},
        {APPROVE("expires='1h'"), "\"stages\"", "role="},
        {APPROVE("stages={}, expires='1h'"), "\"stages\"", "role="},
        {APPROVE("stages={{role='r', n=0}}, expires='1h'"), "\"stages\"", "role="},
        {APPROVE("stages={{role='r', n=9},{role='q', n=9}}, expires='1h'"), "more than 16", ""},
        {APPROVE("stages={{role='r', m=1}}, expires='1h'"), "\"stages\"", "role="},
        {APPROVE("stages={{role='r'}}, expires='1h', distinct=false"), "switched off",
         "One person"},
        {APPROVE("stages={{role='r'}}, expires='1h', never={'beneficiary'}"), "\"never\"",
         "requester"},
        {APPROVE("stages={{role='r'}}, expires='1h', escalate={after='2h', to='b'}"),
         "\"escalate\"", "after"},
        {APPROVE("stages={{role='r'}}, expires='1h', remind='10m'"), "\"remind\" is not offered",
         "escalate"},
        {LIMIT("window='1d', cap=5"), "\"sum\"", "count=true"},
        {LIMIT("sum=arg.a, count=true, window='1d', cap=5"), "\"sum\"", "count=true"},
        {LIMIT("sum='a', window='1d', cap=money'5 EUR'"), "\"sum\"", "arg.amount"},
        {LIMIT("count=true, window='1d', cap=money'5 EUR'"), "\"cap\"", "cap=100"},
        {LIMIT("count=true, window='1d', cap=-1"), "\"cap\"", "cap=100"},
        {LIMIT("count=true, window='1d'"), "\"cap\"", "cap=100"},
        {LIMIT("count=true, window='soon', cap=1"), "\"window\"", "1d"},
        {LIMIT("count=true, window='400d', cap=1"), "\"window\"", "1d"},
        {LIMIT("count=true, window='1d', cap=1, per={'moon'}"), "\"per\"", "vendor"},
        {LIMIT("count=true, window='1d', cap=1, over=role'r'"), "\"over\"", "approval"},
        {LIMIT("count=true, window='1d', cap=1, expires='1h'"), "where the answer is deny",
         "approval"},
        {LIMIT("sum=arg.a, window='1d', cap=money'5 EUR', fx='ecb'"), "\"fx\" is not offered",
         "currency"},
        {SINK("need='trusted'"), "\"args\"", "iban"},
        {SINK("args={'iban'}"), "\"need\"", "trusted"},
        {SINK("args={'iban'}, need='external'"), "\"need\"", "trusted"},
        {SINK("args={'iban'}, need='trusted', endorse={exact='arg.iban'}"), "\"endorse\"",
         "vendor.iban"},
        {SINK("args={'iban'}, need='trusted', otherwise='maybe'"), "\"otherwise\"", "approval"},
        {"return bundle{ name='t', sod{id='s', conflict={'a'}} }", "two actions", "conflict"},
        {"return bundle{ name='t', sod{id='s', conflict={'a','b'}, within='90d'} }", "not offered",
         "roles"},
        {"return bundle{ name='t', test{agent='a', action='x', expect='allow'} }", "\"[1]\"",
         "test{"},
        {"return bundle{ name='t', test{'one', action='x', expect='allow'} }", "principal",
         "agent"},
        {"return bundle{ name='t', test{'one', agent='a', action='x', expect='maybe'} }",
         "\"expect\"", "hold"},
        {"return bundle{ name='t', test{'one', agent='a', actoin='x', expect='deny'} }",
         "\"actoin\"", "Fields"},
        {"return bundle{ name='t', test{'one', agent='a', action='x', arg={a=role'r'}, "
         "expect='deny'} }",
         "\"arg\"", "money"},
        {"return bundle{ name='t' ", "t.lua:1:", ""},
        {"x = 5 return bundle{ name='t' }", "write local x", ""},
        {"local t = arg t.x = 5 return t", "cannot be assigned", ""},
        {"return permit", "no data", ""},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        refused(cases[i].source, RV_INVALID, cases[i].message, cases[i].hint);
    }
}

/* ---- hostile bundles ---- */

TEST(nothing_of_the_machine_is_within_reach)
{
    static const char *const words[] = {
        "os",     "io",     "require", "load",         "loadstring",
        "dofile", "debug",  "package", "coroutine",    "string",
        "table",  "math",   "utf8",    "setmetatable", "getmetatable",
        "rawset", "rawget", "pcall",   "xpcall",       "collectgarbage",
        "_G",     "print",  "next",    "pairs",        "select"};
    for (size_t i = 0; i < RV_COUNT(words); i++) {
        char source[128];
        snprintf(source, sizeof source, "local x = %s return bundle{ name='t' }", words[i]);
        refused(source, RV_INVALID, "there is no word", "README");
    }
    refused("return ('x'):rep(5)", RV_INVALID, "index a string", "");
    refused("local e = _ENV e.x = 1 return bundle{ name='t' }", RV_INVALID, "local x", "");
    refused("\x1bLua", RV_INVALID, "binary", "");
    char bytes[] = "return bundle{ name='t\0', }";
    struct rv_policy *policy = NULL;
    ck_assert_int_eq(rv_policy_load(bytes, sizeof bytes - 1, "t.lua", &policy, NULL), RV_INVALID);
}

TEST(a_hostile_bundle_costs_little_and_is_refused_by_name)
{
    int64_t start = (int64_t)clock();
    refused("while true do end", RV_LIMIT, "20,000,000 instructions", "loop");
    refused("local function f() return f() end return f()", RV_LIMIT, "instructions", "loop");
    refused("local function f() return 1 + f() end return f()", RV_LIMIT, "64 MiB of memory", "");
    refused("local t = {} for i = 1, 1e9 do t[i] = {i} end", RV_LIMIT, "64 MiB of memory", "loop");
    refused("local s = 'x' for i = 1, 100 do s = s .. s end", RV_LIMIT, "text longer than 64 KiB",
            "loop");
    refused("local t = {} t.t = t return bundle{ name='t', t }", RV_INVALID, "nested too deep", "");
    refused(
        "local t = {'x'} for i = 1, 30 do t = {t, t} end return bundle{ name='t', permit{id='p', "
        "agents=t, action='x'} }",
        RV_LIMIT, "1,000,000 values", "");
    refused(
        "return bundle{ name='t', permit{id='p', agents='*', action='x', when=function() end} }",
        RV_INVALID, "no data", "");
    refused("local c = arg.n:eq(1) for i = 1, 17 do c = all{c} end return bundle{ name='t', "
            "permit{id='p', agents='*', action='x', when=c} }",
            RV_INVALID, "nested too deep", "several rules");
    struct rv_buf deep;
    rv_buf_init(&deep, 1 << 20);
    rv_buf_str(&deep, "return ");
    for (int i = 0; i < 5000; i++) {
        rv_buf_char(&deep, '{');
    }
    refused(deep.data, RV_LIMIT, "overflow", "");
    rv_buf_fini(&deep);
    char *huge = rv_alloc(RV_POLICY_SOURCE_MAX + 2);
    memset(huge, ' ', RV_POLICY_SOURCE_MAX + 1);
    refused(huge, RV_LIMIT, "longer than 1048576 bytes", "");
    rv_free(huge);
    ck_assert_int_lt((int64_t)clock() - start, 20 * (int64_t)CLOCKS_PER_SEC);
}

TEST(products_of_lists_are_refused_before_they_are_built)
{
    refused("local a, n = {}, {} for i = 1, 3000 do a[i] = 'a.' .. i n[i] = 'n' .. i end\n"
            "return bundle{ name='t', permit{id='p', agents=n, action=a} }",
            RV_LIMIT, "actions times names", "roles");
    refused("local a = {} for i = 1, 5000 do a[i] = 'a.' .. i end\n"
            "return bundle{ name='t', permit{id='p', agents='*', action=a} }",
            RV_LIMIT, "more than 4096 actions", "");
    refused("local a = {} for i = 1, 1100 do a[i] = arg['x' .. i]:has() end\n"
            "return bundle{ name='t', permit{id='p', agents='*', action='x', when=all(a)} }",
            RV_LIMIT, "more than 1024 attributes", "");
    refused("local b = {name='t'} for i = 1, 20001 do b[i] = permit{id='p' .. i, agents='*', "
            "action='x'} end\n"
            "return bundle(b)",
            RV_LIMIT, "more than 20000 rules", "");
}

TEST_MAIN()
