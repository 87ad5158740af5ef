/* lua_hazards_test.c -- what makes stock Lua answer differently from start to start, one by one.
 *
 * Each row is a body of agent.plan.  Either it ends in an error that names its line and says what
 * to do instead, or it gives this text, in every state (each has a hash seed of its own).  Two
 * hazards are met before there is a plan: bytecode, and the operator ^.
 */
#include "runtime/base/check.h"
#include "runtime/lua/plan.h"
#include "tests/support/test.h"

enum { STATES = 20, SOURCE_MAX = 4096 };

struct hazard {
    const char *name;
    const char *body;   /* its line 3 is the first */
    const char *error;  /* with line and reason; NULL when it gives a text */
    const char *remedy; /* in the same message */
    const char *text;
};

static const struct hazard hazards[] = {
    /* ---- waiting where a plan cannot ---- */
    {"a request in a sort comparator",
     "table.sort({ 2, 1 }, function(a) return erp.get('invoice', a) end)",
     "a.lua:3: erp.get: cannot wait inside a sort or gsub function", "ask before, or after", NULL},
    {"a request in a gsub callback", "return ('a'):gsub('.', function(c) ctx:note(c) end)",
     "a.lua:3: note: cannot wait inside a sort or gsub function", "ask before, or after", NULL},
    {"a finalizer", "setmetatable({}, { __gc = function() ctx:note('late') end })",
     "a.lua:3: unknown name \"setmetatable\"", "plain tables and functions are enough", NULL},
    {"a request under pcall waits",
     "local ok, v = pcall(function() return erp.get('invoice', 1) end) say(tostring(ok) .. v)",
     NULL, NULL, "true7"},
    {"a request in an iterator waits",
     "local function each(n) return function(_, i) if i < n then return i + erp.get('x', i) end "
     "end,"
     " nil, 0 end\nlocal seen = '' for i in each(15) do seen = seen .. i .. ' ' end say(seen)",
     NULL, NULL, "7 14 21 "},
    /* ---- order ---- */
    {"pairs over texts",
     "local t, s = {}, '' for i = 1, 40 do t['k' .. i * 7 % 41] = i end for i = 1, 40, 2 do"
     " t['k' .. i] = nil end\nfor k in pairs(t) do s = s .. k:sub(2) end say(s)",
     NULL, NULL, "101214161822022242628303234363844068"},
    {"pairs over all kinds",
     "local s = '' for k in pairs { [true] = 1, [false] = 1, [2] = 1, [1.5] = 1, ['10'] = 1, [10] ="
     " 1 } do s = s .. tostring(k) .. ' ' end say(s)",
     NULL, NULL, "false true 1.5 2 10 10 "},
    {"erasing while iterating",
     "local t, s = { a = 1, b = 2, c = 3, d = 4 }, '' for k in pairs(t) do t.c = nil s = s .. k end"
     " say(s)",
     NULL, NULL, "abd"},
    {"a table as a key", "for k in pairs { [{}] = 1 } do end",
     "a.lua:3: pairs: a table as a key has no order that is the same everywhere", "use its id",
     NULL},
    {"a function as a key", "for k in pairs { [pairs] = 1 } do end",
     "a.lua:3: pairs: a function as a key has no order", "use its id", NULL},
    {"next", "local k = next({ a = 1 })", "a.lua:3: unknown name \"next\"", "use pairs", NULL},
    {"a sort of many items with ties",
     "local t, sum = {}, 0 for i = 1, 500 do t[i] = { k = i % 3, i = i } end\n"
     "table.sort(t, function(a, b) return a.k < b.k end)\n"
     "for i = 2, 500 do if t[i].k == t[i - 1].k and t[i].i < t[i - 1].i then sum = sum + 1 end end"
     " say(sum .. ' ' .. t[1].i .. ' ' .. t[500].i)",
     NULL, NULL, "0 3 500"},
    {"a comparator that contradicts itself",
     "local t = {} for i = 1, 200 do t[i] = i end\n"
     "table.sort(t, function() return true end) say(t[1] .. ' ' .. t[200])",
     NULL, NULL, "200 1"},
    {"the length of a list with holes",
     "local s = '' for round = 1, 20 do local t = {} for i = 1, 60 do t['k' .. i * round % 61] = i"
     " t[i * round % 23] = i end\nfor i = 1, 60, 2 do t['k' .. i] = nil t[i % 19] = nil end"
     " t['z' .. round] = 1 t[21] = 1 s = s .. #t .. ' ' end say(s)",
     NULL, NULL, "0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 "},
    {"weak tables", "local t = setmetatable({}, { __mode = 'k' })",
     "a.lua:3: unknown name \"setmetatable\"", "plain tables and functions are enough", NULL},
    /* ---- addresses, memory, time, chance ---- */
    {"tostring of a table", "say(tostring({}) .. ' ' .. tostring(pairs) .. ' ' .. tostring(say))",
     NULL, NULL, "table function function"},
    {"%p", "say(('%p'):format({}))", "a.lua:3: format: \"%p\" is not offered", "%d %s %q", NULL},
    {"%s of a table", "say(('%s'):format({}))", "a.lua:3: format: argument 1 is a table",
     "not text or a number", NULL},
    {"collectgarbage", "say(collectgarbage('count'))", "a.lua:3: unknown name \"collectgarbage\"",
     "memory is capped and collected by itself", NULL},
    {"the clock", "say(os.time())", "a.lua:3: unknown name \"os\"", "the time is ctx.now", NULL},
    {"the processor's clock", "say(os.clock())", "a.lua:3: unknown name \"os\"", "ctx.now", NULL},
    {"the locale", "os.setlocale('de_DE')", "a.lua:3: unknown name \"os\"", "ctx.today", NULL},
    {"files", "io.open('/etc/hostname')", "a.lua:3: unknown name \"io\"", "erp.get", NULL},
    {"the debug library", "debug.getinfo(1)", "a.lua:3: unknown name \"debug\"", "ctx:note", NULL},
    {"print", "print(1)", "a.lua:3: unknown name \"print\"", "ctx:note", NULL},
    {"coroutines of its own", "coroutine.create(pairs)", "a.lua:3: unknown name \"coroutine\"",
     "a plan is a coroutine already", NULL},
    {"load of text", "load('return 1')", "a.lua:3: unknown name \"load\"", "pinned by one hash",
     NULL},
    {"load of bytecode", "load('\\27Lua')", "a.lua:3: unknown name \"load\"", "pinned by one hash",
     NULL},
    {"making bytecode", "say(string.dump(say))", "a.lua:3: string.dump is not offered",
     "pinned by one hash", NULL},
    {"a module", "require('os')", "a.lua:3: unknown name \"require\"", "copy the function in",
     NULL},
    {"seeding chance", "math.randomseed(1)", "a.lua:3: math.randomseed is not offered",
     "seeded by the run", NULL},
    {"chance", "say(math.random(1000) .. ' ' .. math.random(0, 9) .. ' ' .. ctx:uuid())", NULL,
     NULL, ""},
    {"the run's clock", "say(ctx.now .. ' ' .. ctx.today)", NULL, NULL,
     "1700000000000000 2023-11-14"},
    /* ---- numbers ---- */
    {"integers and floats",
     "say(1 .. ' ' .. 1.0 .. ' ' .. 10 // 2 .. ' ' .. 10 / 2 .. ' ' .. 1e15"
     " .. ' ' .. 0.1 + 0.2 .. ' ' .. 1e100)",
     NULL, NULL, "1 1.0 5 5.0 1e+15 0.3 1e+100"},
    {"not a number", "say(tostring(0 / 0) .. ('%f %s'):format(0 / 0, -(0 / 0)))", NULL, NULL,
     "nannan nan"},
    {"a sine", "say(math.sin(1))", "a.lua:3: math.sin is not offered",
     "its last bit differs by machine", NULL},
    {"a logarithm", "say(math.log(2))", "a.lua:3: math.log is not offered",
     "its last bit differs by machine", NULL},
    {"an exponential", "say(math.exp(1))", "a.lua:3: math.exp is not offered",
     "its last bit differs by machine", NULL},
    {"a root", "say(math.sqrt(2))", "a.lua:3: math.sqrt is not offered", "use integers", NULL},
    {"a power", "local x = 1\nlocal y = x ^ 0.5", "a.lua:4: the operator \"^\" is not offered",
     "multiply, or write 1 << n", NULL},
    {"text as a number", "say('10' + 1)", "a.lua:3: attempt to perform arithmetic", "'10'", NULL},
    {"packed numbers", "string.pack('d', 1)", "a.lua:3: string.pack is not offered",
     "use string.format", NULL},
    {"%a", "say(('%a'):format(1.5))", "a.lua:3: format: \"%a\" is not offered", "%g", NULL},
    /* ---- what only looks like one ---- */
    {"signs in texts and comments",
     "-- ^ # --[[\nsay([==[^ #]] ]==] .. \"\\\"^#\" .. '#' .. #'ab')", NULL, NULL, "^ #]] \"^##2"},
    {"the length binds as ever",
     "local t = { { 1, 2, 3 }, n = { 4 } } say(#t[1] + 1 .. -#t.n ..\n"
     "#'abc' * 2 .. tostring(not #t == 1) .. #(t[1]) .. 1 << #t.n)",
     "a.lua:4: ", "string", NULL},
    {"the length in an expression",
     "local t = { { 1, 2, 3 }, n = { 4 } } say(#t[1] + 1 .. ' ' .. -#t.n .. ' ' .. #'abc' * 2)",
     NULL, NULL, "4 -1 6"},
    {"the length of nothing", "local x\nsay(#x)", "a.lua:4: attempt to get length of a nil value",
     "length", NULL},
};

struct ended {
    enum rv_code code;
    char text[512]; /* the summary, or the error's message */
};

static void run_body(const char *body, struct ended *ended)
{
    struct rv_agent *agent = NULL;
    struct rv_plan *plan = NULL;
    struct rv_plan_request request;
    struct rv_error err = {.code = RV_OK};
    json_t *result = NULL;
    char source[SOURCE_MAX];
    snprintf(source, sizeof source,
             "local agent = { name = 'a', version = '1', handles = {}, uses = {} }\n"
             "function agent.plan(ctx) local function say(text) ctx:plan():summary(text) end\n"
             "%s\nend\nreturn agent\n",
             body);
    json_t *input = json_pack("{s:s,s:i,s:I,s:{}}", "run", "r_1", "seed", 42, "now_us",
                              (json_int_t)1700000000000000, "exception");
    json_t *answer = json_pack("{s:b,s:i}", "ok", 1, "value", 7);
    ended->code = rv_agent_load(source, strlen(source), "a.lua", &agent, &err);
    if (ended->code == RV_OK) {
        ended->code = rv_plan_start(agent, "plan", input, &plan, &err);
    }
    if (ended->code == RV_OK) {
        enum rv_plan_status status = rv_plan_step(plan, NULL, &request, &result, &err);
        while (status == RV_PLAN_REQUEST) {
            status = rv_plan_step(plan, answer, &request, &result, &err);
        }
        ended->code = status == RV_PLAN_DONE ? RV_OK : err.code;
    }
    snprintf(ended->text, sizeof ended->text, "%s",
             ended->code == RV_OK ? rv_json_str(result, "summary", "") : err.message);
    json_decref(result);
    json_decref(answer);
    json_decref(input);
    rv_plan_destroy(plan);
    rv_agent_destroy(agent);
}

static void look_at(const struct hazard *hazard)
{
    struct ended first;
    run_body(hazard->body, &first);
    if (hazard->error != NULL) {
        ck_assert_msg(first.code != RV_OK && strstr(first.text, hazard->error) != NULL &&
                          strstr(first.text, hazard->remedy) != NULL,
                      "%s: \"%s\" does not say \"%s\" and \"%s\"", hazard->name, first.text,
                      hazard->error, hazard->remedy);
    } else {
        ck_assert_msg(first.code == RV_OK &&
                          (hazard->text[0] == '\0' || strcmp(first.text, hazard->text) == 0),
                      "%s: \"%s\", expected \"%s\"", hazard->name, first.text, hazard->text);
    }
    for (int i = 1; i < STATES; i++) {
        struct ended again;
        run_body(hazard->body, &again);
        ck_assert_msg(again.code == first.code && strcmp(again.text, first.text) == 0,
                      "%s: \"%s\", before \"%s\"", hazard->name, again.text, first.text);
    }
}

TEST(every_hazard_is_the_same_everywhere_or_an_error_with_a_remedy)
{
    for (size_t i = 0; i < RV_COUNT(hazards); i++) {
        look_at(&hazards[i]);
    }
}

TEST(bytecode_is_no_plan)
{
    struct rv_agent *agent = NULL;
    struct rv_error err = {.code = RV_OK};
    ck_assert_int_eq(rv_agent_load("\x1bLua", 4, "a.lua", &agent, &err), RV_INVALID);
    ck_assert_msg(strstr(err.message, "is bytecode: a plan is text") != NULL, "%s", err.message);
}

TEST(the_name_that_stands_for_the_length_is_taken)
{
    struct ended ended;
    run_body("local _LENGTH = 1", &ended);
    ck_assert_msg(strstr(ended.text, "a.lua:3: the name \"_LENGTH\" is taken") != NULL, "%s",
                  ended.text);
}

TEST_MAIN()
