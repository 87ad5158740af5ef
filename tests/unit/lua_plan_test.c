/* lua_plan_test.c -- plans are deterministic, sealed and capped; errors name line and field. */
#include "runtime/base/check.h"
#include "runtime/lua/given.h"
#include "runtime/lua/plan.h"
#include "tests/support/test.h"

#include <time.h>

#define AGENT(body)                                                                                \
    "local agent = { name = 'a', version = '1', handles = {'F01'}, uses = {'invoice.hold'} }\n"    \
    "function agent.plan(ctx, exception)\n" body "\n return ctx:plan() end\n return agent\n"

static struct rv_agent *agent_of(const char *source)
{
    struct rv_agent *agent = NULL;
    struct rv_error err = {.code = RV_OK};
    if (rv_agent_load(source, strlen(source), "agent.lua", &agent, &err) != RV_OK) {
        ck_abort_msg("%s", err.message);
    }
    return agent;
}

/* Runs to the end, answering every request with {"ok":true,"value":answer}. */
static enum rv_plan_status run(const char *source, const char *answer, json_t **result, char *trace,
                               struct rv_error *err)
{
    struct rv_agent *agent = agent_of(source);
    json_t *input = json_pack("{s:s,s:I,s:i,s:{s:s,s:[s,s]}}", "run", "r_1", "now_us",
                              (json_int_t)1700000000000000, "seed", 7, "exception", "code", "F01",
                              "resolutions", "invoice.hold", "order.change");
    json_t *value = json_loads(answer, JSON_DECODE_ANY, NULL);
    json_t *reply = json_pack("{s:b,s:o}", "ok", 1, "value", value);
    struct rv_plan *plan = NULL;
    ck_assert_int_eq(rv_plan_start(agent, "plan", input, &plan, err), RV_OK);
    struct rv_plan_request request;
    enum rv_plan_status status = rv_plan_step(plan, NULL, &request, result, err);
    for (int i = 0; i < 100 && status == RV_PLAN_REQUEST; i++) {
        if (trace != NULL) {
            char *text = json_dumps(request.args, JSON_COMPACT | JSON_SORT_KEYS);
            sprintf(trace + strlen(trace), "%s %s %d\n", request.name, text, request.line);
            free(text);
        }
        status = rv_plan_step(plan, reply, &request, result, err);
    }
    rv_plan_destroy(plan);
    rv_agent_destroy(agent);
    json_decref(input);
    json_decref(reply);
    return status;
}

static json_t *done(const char *source, const char *answer, char *trace)
{
    json_t *result = NULL;
    struct rv_error err = {.code = RV_OK};
    enum rv_plan_status status = run(source, answer, &result, trace, &err);
    ck_assert_msg(status == RV_PLAN_DONE, "%s", err.message);
    return result;
}

static void fails(const char *source, const char *words)
{
    json_t *result = NULL;
    struct rv_error err = {.code = RV_OK};
    clock_t start = clock();
    ck_assert_int_eq(run(source, "1", &result, NULL, &err), RV_PLAN_FAILED);
    ck_assert_msg(strstr(err.message, words) != NULL, "\"%s\" does not say \"%s\"", err.message,
                  words);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    ck_assert_msg(seconds < 20, "took %.1f s", seconds); /* a bound on runaway, not on speed */
}

static void no_agent(const char *source, const char *words)
{
    struct rv_agent *agent = NULL;
    struct rv_error err = {.code = RV_OK};
    ck_assert_int_ne(rv_agent_load(source, strlen(source), "agent.lua", &agent, &err), RV_OK);
    ck_assert_msg(strstr(err.message, words) != NULL, "\"%s\" does not say \"%s\"", err.message,
                  words);
}

#define DESK(body)                                                                                 \
    "local agent = { name = 'a', version = '1', handles = {'F01'}, uses = {},\n"                   \
    " updates = { deliver = { type = 'object' } } }\n"                                             \
    "function agent.plan(ctx, exception)\n" body "\n return ctx:plan() end\n return agent\n"

TEST(what_is_told_and_answered_is_asked_for_with_its_arguments)
{
    char trace[1024] = "";
    json_decref(done(DESK("ctx:publish('state', { n = 1 })\n"
                          "local update = ctx:update('deliver', 5)\n"
                          "ctx:reply(update, { ok = true })\n"
                          "ctx:reply({ id = 'v' })\n"
                          "ctx:refuse({ id = 'w.1:2-3_' }, 'no')"),
                     "{\"id\":\"u\",\"body\":{}}", trace));
    ck_assert_str_eq(trace, "publish {\"name\":\"state\",\"value\":{\"n\":1}} 4\n"
                            "update {\"name\":\"deliver\",\"timeout_s\":5} 5\n"
                            "reply {\"id\":\"u\",\"result\":{\"ok\":true}} 6\n"
                            "reply {\"id\":\"v\"} 7\n"
                            "refuse {\"id\":\"w.1:2-3_\",\"reason\":\"no\"} 8\n");
}

/* {"in": [{"a": value}]}, which a plan gets if it may. */
static void given(json_t *value, const char *refused)
{
    static const char source[] = AGENT("");
    json_t *whole = json_pack("{s:[{s:o}]}", "in", "a", value);
    struct rv_error err = {.code = RV_OK};
    enum rv_code code = rv_plan_may_get("input", whole, &err);
    ck_assert_int_eq(code, refused != NULL ? RV_INVALID : RV_OK);
    ck_assert_str_eq(err.message, refused != NULL ? refused : "");
    ck_assert_int_eq(err.hint[0] != '\0', refused != NULL);
    struct rv_agent *agent = agent_of(source);
    json_t *input = json_pack("{s:s,s:I,s:i,s:O}", "run", "r_1", "now_us",
                              (json_int_t)1700000000000000, "seed", 7, "exception", whole);
    struct rv_plan *plan = NULL;
    struct rv_plan_request request;
    json_t *result = NULL;
    struct rv_error died = {.code = RV_OK};
    code = rv_plan_start(agent, "plan", input, &plan, &died);
    bool lives =
        code == RV_OK && rv_plan_step(plan, NULL, &request, &result, &died) == RV_PLAN_DONE;
    ck_assert_int_eq(lives, refused == NULL);
    json_decref(result);
    rv_plan_destroy(plan);
    rv_agent_destroy(agent);
    json_decref(input);
    json_decref(whole);
}

static json_t *long_text(size_t bytes)
{
    char *text = rv_alloc(bytes + 1);
    memset(text, 'x', bytes);
    json_t *value = json_stringn(text, bytes);
    rv_free(text);
    return value;
}

static json_t *long_list(int items)
{
    json_t *list = json_array();
    for (int i = 0; i < items; i++) {
        json_array_append_new(list, json_integer(1));
    }
    return list;
}

static json_t *wide(int members)
{
    json_t *object = json_object();
    for (int i = 0; i < members; i++) {
        char name[12];
        snprintf(name, sizeof name, "n%d", i);
        json_object_set_new(object, name, json_true());
    }
    return object;
}

TEST(a_plan_takes_what_it_may_be_given_and_the_rest_is_refused_before)
{
    given(long_text(RV_GIVEN_TEXT_MAX), NULL);
    given(long_list(RV_GIVEN_LIST_MAX), NULL);
    given(wide(RV_GIVEN_OBJECT_MAX), NULL);
    given(long_text(1048500), "input/in/0/a: 1048500 bytes of text; a plan takes at most 262080 in "
                              "one piece");
    given(long_list(RV_GIVEN_LIST_MAX + 1),
          "input/in/0/a: 16385 items; a plan takes at most 16384 in one piece");
    given(wide(RV_GIVEN_OBJECT_MAX + 1),
          "input/in/0/a: 8193 members; a plan takes at most 8192 in one piece");
}

TEST(what_cannot_be_told_or_answered_fails_at_its_line)
{
    fails(DESK("ctx:publish('state')"), "agent.lua:4: ctx:publish: value is missing");
    fails(DESK("ctx:publish(('x'):rep(65), 1)"), "ctx:publish: name must have 1 to 64 bytes");
    fails(DESK("ctx:publish('f', print)"), "print");
    fails(DESK("ctx:publish('f', ctx.plan)"), "ctx:publish: value: ");
    fails(DESK("ctx:update('other')"), "agent.lua:4: ctx:update: \"other\" is not in \"updates\"");
    fails(DESK("agent.updates.other = {}\nctx:update('other')"), "is not in \"updates\"");
    fails(DESK("ctx:reply({})"), "ctx:reply: the first argument must be what ctx:update gave");
    fails(DESK("ctx:reply({ id = 'a b' })"), "must be what ctx:update gave");
    fails(DESK("ctx:refuse({ id = 'a' })"), "ctx:refuse: reason must be a string");
    fails(DESK("ctx:reply({ id = 'a' })\nctx:refuse({ id = 'a' }, 'no')"),
          "agent.lua:5: ctx:refuse: update \"a\" was answered before");
    no_agent("return { name = 'a', version = '1', handles = {}, uses = {}, updates = { 'x' },\n"
             " plan = function() end }",
             "field \"updates\" must give a schema for each name");
    no_agent("return { name = 'a', version = '1', handles = {}, uses = {},\n"
             " updates = { ['$x'] = {} }, plan = function() end }",
             "field \"updates\"");
}

TEST(a_plan_asks_and_proposes)
{
    char trace[4096] = "";
    json_t *plan = done(AGENT("local i = erp.get('invoice', 42)\n"
                              "local c = llm.decide{question='?', options={'a','b'}, facts={n=i}}\n"
                              "ctx:sleep(5) ctx:note('hello') memory.set('k', {1,2})\n"
                              "ctx:plan():add('invoice.hold', {invoice=42, list=json.array{}}, "
                              "{reason='r', evidence={'e1'}}):summary('s')"),
                        "42", trace);
    ck_assert_str_eq(
        trace, "erp.get {\"id\":42,\"kind\":\"invoice\"} 3\n"
               "llm.decide {\"facts\":{\"n\":42},\"options\":[\"a\",\"b\"],\"question\":\"?\"} 4\n"
               "sleep {\"seconds\":5} 5\n"
               "note {\"text\":\"hello\"} 5\n"
               "memory.set {\"key\":\"k\",\"value\":[1,2]} 5\n");
    char *text = json_dumps(plan, JSON_COMPACT | JSON_SORT_KEYS);
    ck_assert_str_eq(
        text, "{\"actions\":[{\"action\":\"invoice.hold\",\"args\":{\"invoice\":42,\"list\":[]},"
              "\"evidence\":[\"e1\"],\"line\":6,\"reason\":\"r\"}],\"summary\":\"s\"}");
    free(text);
    json_decref(plan);
}

TEST(an_empty_plan_is_an_empty_list)
{
    json_t *plan = done(AGENT(""), "1", NULL);
    ck_assert(json_is_array(json_object_get(plan, "actions")));
    json_decref(plan);
}

TEST(iteration_sorting_and_chance_are_the_same_everywhere)
{
    json_t *plan =
        done(AGENT("local t = {} for _, k in ipairs{'z','b',3,'a',1,true} do t[k] = 1 end\n"
                   "local out = {} for k in pairs(t) do out[#out+1] = tostring(k) end\n"
                   "local s = {{1,'a'},{0,'b'},{1,'c'},{0,'d'}} table.sort(s, function(x,y) return "
                   "x[1]<y[1] end)\n"
                   "for _, v in ipairs(s) do out[#out+1] = v[2] end\n"
                   "out[#out+1] = math.random(1000) .. '' out[#out+1] = tostring({})"
                   "\nctx:plan():summary(table.concat(out, ','))"),
             "1", NULL);
    json_decref(plan);
}

TEST(patterns_match_as_in_lua)
{
    json_t *plan =
        done(AGENT("local r = {}\n"
                   "r[1] = table.concat({('key = value'):match('^(%w+)%s*=%s*(%w+)$')}, '|')\n"
                   "r[2] = ('hello world'):gsub('o', '0')\n"
                   "r[3] = ('a,b,,c'):gsub(',(.)', '<%1>')\n"
                   "r[4] = tostring(('abc'):find('b')) .. tostring(('a.c'):find('.', 1, true))\n"
                   "local w = {} for x in ('one two  three'):gmatch('%a+') do w[#w+1] = x end\n"
                   "r[5] = table.concat(w, '-')\n"
                   "r[6] = ('INV-00123'):match('%-0*(%d+)$') r[7] = ('[x]'):match('^%[(.-)%]$') "
                   "r[8] = ('a-z'):match('[%a-]+')\n"
                   "ctx:plan():summary(table.concat(r, ';'))"),
             "1", NULL);
    ck_assert_str_eq(rv_json_str(plan, "summary", ""),
                     "key|value;hell0 w0rld;a<b><,>c;22;one-two-three;123;x;a-z");
    json_decref(plan);
}

TEST(errors_name_line_and_field)
{
    no_agent("return 5", "agent table");
    no_agent("local a = {}\nreturn {\n name='x', version='1', handles='F01', uses={}, "
             "plan=function() end}",
             "agent.lua:3: field \"handles\"");
    no_agent("return {name='x', version='1', handles={}, uses={}}", "plan");
    no_agent("x = 1", "agent.lua:1: global \"x\" assigned");
    no_agent("local = 5", "agent.lua:1:");
    no_agent("\x1bLua", "agent.lua");
    fails(AGENT("ctx:plan():add('payment.release', {}, {reason='x'})"),
          "agent.lua:3: plan:add: action");
    fails(AGENT("ctx:plan():add('invoice.hold', {}, {})"), "\"reason\"");
    fails(AGENT("ctx:plan():add('invoice.hold', {a={b=function() end}}, {reason='x'})"), "\"a.b\"");
    fails(AGENT("ctx:plan():add('invoice.hold', {amount=1.5}, {reason='x'})"), "fraction");
    fails(AGENT("y = 5"), "agent.lua:3: global \"y\"");
    fails(AGENT("local n = nothing"), "unknown name \"nothing\"");
    fails(AGENT("erp.get('invoice')"), "agent.lua:3: erp.get: id is missing");
}

#define LIMITED(limits)                                                                            \
    "local agent = { name = 'a', version = '1', handles = {}, uses = {}, limits = " limits " }\n"  \
    "function agent.plan(ctx) return ctx:plan() end\nreturn agent\n"

TEST(a_limit_of_risk_is_a_whole_number_of_points)
{
    struct rv_agent *agent = agent_of(LIMITED("{ risk = 0 }"));
    const json_t *limits = json_object_get(rv_agent_manifest(agent), "limits");
    ck_assert(json_is_integer(json_object_get(limits, "risk")));
    rv_agent_destroy(agent);
    no_agent(LIMITED("{ risk = -1 }"), "may hold steps, calls, tokens, risk,");
    no_agent(LIMITED("{ risk = '5' }"), "may hold steps, calls, tokens, risk,");
    no_agent(LIMITED("{ risks = 5 }"), "may hold steps, calls, tokens, risk,");
}

TEST(other_agents_are_started_awaited_and_handed_to)
{
    char trace[2000] = "";
    json_decref(
        done(AGENT("local child = ctx:start('other', {base=1}, {as='x', budget={steps=5}})\n"
                   "ctx:await(child, 60)\n"
                   "ctx:handoff('third', nil, {reason='not mine'})"),
             "{\"run\":\"r_2\",\"agent\":\"other\"}", trace));
    ck_assert_str_eq(
        trace,
        "start {\"agent\":\"other\",\"as\":\"x\",\"budget\":{\"steps\":5},\"close\":\"cancel\","
        "\"input\":{\"base\":1}} 3\n"
        "await {\"run\":\"r_2\",\"timeout_s\":60} 4\n"
        "handoff "
        "{\"agent\":\"third\",\"input\":{\"code\":\"F01\",\"resolutions\":[\"invoice.hold\","
        "\"order.change\"]},\"reason\":\"not mine\"} 5\n");
    fails(AGENT("ctx:start('other')"), "ctx:start: input must be a table");
    fails(AGENT("ctx:start('other', {}, {clos='wait'})"), "unknown field \"clos\"");
    fails(AGENT("ctx:start('other', {}, {close='never'})"), "\"cancel\", \"abandon\" or \"wait\"");
    fails(AGENT("ctx:start('other', {}, {budget={steps=-1}})"), "budget.steps");
    fails(AGENT("ctx:start('other', {}, {budget={risk=-1}})"), "budget.risk");
    fails(AGENT("ctx:start('other', {}, {budget={step=1}})"), "unknown field \"step\"");
    fails(AGENT("ctx:await({run='r_9'})"), "what ctx:start gave to this plan");
    fails(AGENT("ctx:handoff('third')"), "ctx:handoff: options must be a table");
    fails(AGENT("ctx:handoff('third', nil, {})"), "\"reason\"");
}

/* Answers "unavailable" so many times, then 7; gives what was asked, in order. */
static void retried(const char *source, int failures, const char *code, const char *expected)
{
    struct rv_agent *agent = agent_of(source);
    json_t *input = json_pack("{s:s,s:I,s:i,s:{}}", "run", "r_1", "now_us",
                              (json_int_t)1700000000000000, "seed", 7, "exception");
    json_t *good = json_pack("{s:b,s:i}", "ok", 1, "value", 7);
    json_t *bad = json_pack("{s:b,s:s,s:s}", "ok", 0, "code", code, "message", "away");
    json_t *result = NULL;
    char trace[500] = "";
    struct rv_plan *plan = NULL;
    struct rv_plan_request request;
    struct rv_error err = {.code = RV_OK};
    ck_assert_int_eq(rv_plan_start(agent, "plan", input, &plan, &err), RV_OK);
    enum rv_plan_status status = rv_plan_step(plan, NULL, &request, &result, &err);
    while (status == RV_PLAN_REQUEST) {
        bool sleeps = strcmp(request.name, "sleep") == 0;
        size_t used = strlen(trace);
        if (sleeps) {
            snprintf(trace + used, sizeof trace - used, "%d ",
                     (int)rv_json_int(request.args, "seconds", -1));
        } else {
            snprintf(trace + used, sizeof trace - used, "ask ");
        }
        const json_t *answer = sleeps || failures-- <= 0 ? good : bad;
        status = rv_plan_step(plan, answer, &request, &result, &err);
    }
    ck_assert_msg(status == RV_PLAN_DONE, "%s", err.message);
    snprintf(trace + strlen(trace), sizeof trace - strlen(trace), "%s",
             rv_json_str(result, "summary", ""));
    ck_assert_str_eq(trace, expected);
    rv_plan_destroy(plan);
    rv_agent_destroy(agent);
    json_decref(result);
    json_decref(input);
    json_decref(good);
    json_decref(bad);
}

TEST(what_may_be_answered_another_time_is_asked_again)
{
    static const char plain[] =
        AGENT("local v, why, code = ctx:retry({max=4, backoff=3}, function(n) return "
              "erp.get('invoice', n) end)\n"
              "ctx:plan():summary(v and 'value ' .. v or code .. ': ' .. why)");
    retried(plain, 0, "unavailable", "ask value 7");
    retried(plain, 2, "unavailable", "ask 3 ask 6 ask value 7");
    retried(plain, 9, "timeout", "ask 3 ask 6 ask 12 ask timeout: away");
    retried(plain, 1, "invalid", "ask invalid: away");
    fails(AGENT("ctx:retry({max=9}, function() end)"), "an integer from 0 to 8");
    fails(AGENT("ctx:retry({max=0}, function() end)"), "must be at least 1");
    fails(AGENT("ctx:retry({times=2}, function() end)"), "unknown field \"times\"");
    fails(AGENT("ctx:retry({}, 5)"), "attempt must be a function");
    fails(AGENT("ctx:retry({on='timeout'}, function() end)"), "must be a table");
}

TEST(hostile_plans_end_in_a_named_limit)
{
    static const struct {
        const char *body;
        const char *words;
    } cases[] = {
        {"while true do end", "limit \""},
        {"while true do pcall(function() while true do end end) end", "limit \""},
        {"local function f() return pcall(f) end while true do f() end", "limit"},
        {"while true do xpcall(function() error('x') end, function() return 1 end) end",
         "limit \""},
        {"local s = 'x' while true do s = s .. s end", "memory"},
        {"local t = {} while true do t[#t+1] = {} end", "memory"},
        {"local s = ('x'):rep(1 << 30)", "rep: the text would be longer"},
        {"local x = (('a'):rep(200)):find('.-.-.-.-.-.-b$')", "limit \""},
        {"local x = (('a'):rep(5000)):match('(.*)(.*)(.*)(.*)b')", "limit \""},
        {"local function f() return 1 + f() end f()", "memory"},
        {"error({})", "no text"},
        {"error(setmetatable)", "unknown name"},
        {"string.rep = nil", "cannot be assigned"},
        {"getmetatable('').__index = nil", "unknown name"},
        {"load('x=1')()", "unknown name"},
        {"os.exit(1)", "unknown name"},
        {"coroutine.yield()", "unknown name"},
        {"string.format('%p', {})", "not offered"},
        {"string.format('%s', {})", "table"},
        {"string.dump(function() end)", "string.dump is not offered"},
        {"table.unpack({}, 1, 1e8)", "200"},
        {"ctx.run = 5", "cannot be assigned"},
        {"local t = {} t[t] = 1 for k in pairs(t) do end", "order"},
        {"local t = {} t.t = t erp.find('invoice', t)", "deep"},
        {"erp.find('invoice', {x = 'a\\0b'})", "U+0000"},
        {"ctx:sleep(1.5)", "integer"},
        {"for i = 1, 100 do ctx:plan():add('invoice.hold', {}, {reason='x'}) end", "more than 64"},
        {"llm.decide{question='q', options={'only'}}", "2 to 16 choices"},
        {"llm.decide{question='q', options={'', 'b'}}", "an option is empty"},
        {"llm.decide{question='q', options={'a', 'b'}, schema={type='string'}}",
         "exclude each other"},
        {"llm.decide{question='q', options={'a', 'b'}, max_tokens=0}", "at least 1"},
        {"('x'):gsub('(', 'y')", "malformed"},
        {"('x'):find('%')", "malformed"},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        char source[2048];
        snprintf(source, sizeof source, AGENT("%s"), cases[i].body);
        fails(source, cases[i].words);
    }
}

TEST_MAIN()
