/* lua_same_test.c -- the same source, input and answers give the same bytes in every process.
 *
 * Lua seeds its hashing with addresses and the time, so processes differ where it shows through.  The
 * test starts itself forty times (`--trace` prints the requests and the result of one run) and compares
 * the bytes, and the count of instructions, too: a cap that strikes here but not there is a divergence.
 */
#include "runtime/base/check.h"
#include "runtime/lua/plan.h"
#include "tests/support/test.h"

#include <inttypes.h>
#include <unistd.h>

enum { PROCESSES = 40, TRACE_MAX = 256 << 10 };

static const char text[] =
    "local agent = { name = 's', version = '1', handles = {}, uses = { 'invoice.hold' } }\n"
    "function agent.plan(ctx, exception)\n"
    "  local words, n = {}, 0\n"
    "  for w in ('the quick brown fox jumps over the lazy dog and more'):gmatch('%a+') do\n"
    "    n = n + 1 words[w] = n words[n] = w words[n + 0.5] = w words[w:upper() .. n] = true end\n"
    "  for i = 1, 400 do words['k' .. i * 7919 % 1009] = i end\n"
    "  for i = 1, 400, 3 do words['k' .. i * 7919 % 1009] = nil end\n"
    "  words[true], words[false] = 1, 2\n"
    "  local seen = {}\n"
    "  for k, v in pairs(words) do seen[#seen + 1] = tostring(k) .. '=' .. tostring(v) end\n"
    "  ctx:note(#seen .. ' ' .. table.concat(seen, ' '):sub(1, 900))\n"
    "  local rows = {}\n"
    "  for i = 1, 300 do rows[i] = { key = math.random(9), place = i } end\n"
    "  table.sort(rows, function(a, b) return a.key < b.key end)\n"
    "  local order = {}\n"
    "  for i, row in ipairs(rows) do order[i] = row.place end\n"
    "  local facts = { order = order, zeta = 1, alpha = { z = 1, y = { b = 1, a = 2 } }, m = json.array() }\n"
    "  for i = 1, 40 do facts['f' .. i * 37 % 41] = i end\n"
    "  local answer = llm.decide { question = 'q', options = { 'a', 'b' }, facts = facts }\n"
    "  for k, v in pairs(answer) do ctx:note(k .. '=' .. tostring(v)) end\n"
    "  ctx:note(tostring({}) .. tostring(pairs) .. tostring(0.1 + 0.2) .. tostring(1e100) .. ('%g'):format(1 / 3))\n"
    "  ctx:note(tostring(select(2, pcall(function() return {} .. 'x' end))))\n"
    "  local memory_of_it = memory.get('k') or {}\n"
    "  for i = 1, 3 do local x = erp.find('invoice', { supplier = i, b = 2, a = 1 }, { limit = i }) end\n"
    "  return ctx:plan():add('invoice.hold', facts, { reason = 'r', evidence = { 'e' } }):summary(tostring(math.random(1000000)))\n"
    "end\n"
    "return agent\n";

static void print_run(void)
{
    struct rv_agent *agent = NULL;
    struct rv_plan *plan = NULL;
    struct rv_error err = {.code = RV_OK};
    struct rv_plan_request request;
    json_t *result = NULL;
    json_t *input = json_pack("{s:s,s:i,s:I,s:{}}", "run", "r_1", "seed", 42, "now_us",
                              (json_int_t)1700000000000000, "exception");
    json_t *answer = json_pack("{s:b,s:{s:s,s:i,s:s}}", "ok", 1, "value", "choice", "a", "margin", 30,
                               "reason", "because");
    if (rv_agent_load(text, strlen(text), "s.lua", &agent, &err) != RV_OK ||
        rv_plan_start(agent, "plan", input, &plan, &err) != RV_OK) {
        printf("%s\n", err.message);
        return;
    }
    enum rv_plan_status status = rv_plan_step(plan, NULL, &request, &result, &err);
    while (status == RV_PLAN_REQUEST) {
        char *args = rv_json_text(request.args);
        printf("%s %s %d\n", request.name, args, request.line);
        rv_free(args);
        status = rv_plan_step(plan, answer, &request, &result, &err);
    }
    char *plan_text = result != NULL ? rv_json_text(result) : rv_strdup(err.message);
    printf("%s\n%" PRId64 " instructions\n", plan_text, rv_plan_instructions(plan));
    rv_free(plan_text);
    json_decref(result);
    json_decref(input);
    json_decref(answer);
    rv_plan_destroy(plan);
    rv_agent_destroy(agent);
}

static char *trace_of_another_process(void)
{
    char command[512];
    char self[400];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    ck_assert_int_gt(length, 0);
    self[length] = '\0';
    snprintf(command, sizeof command, "'%s' --trace", self);
    FILE *pipe = popen(command, "r");
    ck_assert(pipe != NULL);
    char *bytes = rv_alloc(TRACE_MAX);
    size_t count = fread(bytes, 1, TRACE_MAX - 1, pipe);
    ck_assert_int_eq(pclose(pipe), 0);
    ck_assert_uint_gt(count, 1000);
    return bytes;
}

TEST(forty_processes_ask_the_same)
{
    char *first = trace_of_another_process();
    ck_assert_msg(strstr(first, "llm.decide") != NULL && strstr(first, "\"actions\"") != NULL, "%s", first);
    for (int i = 1; i < PROCESSES; i++) {
        char *other = trace_of_another_process();
        ck_assert_str_eq(first, other);
        rv_free(other);
    }
    rv_free(first);
}

static void trace_if_asked(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--trace") == 0) {
        print_run();
        exit(EXIT_SUCCESS);
    }
}

TEST_MAIN_WITH(trace_if_asked(argc, argv))
