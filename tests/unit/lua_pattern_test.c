/* lua_pattern_test.c -- our pattern functions against Lua's own, on chosen and on random cases.
 *
 * The agent builds random patterns and texts of an alphabet that makes matches likely, and writes down
 * what find, match, gmatch and gsub gave.  The stock interpreter runs the same file and must write the same.
 */
#include "runtime/base/check.h"
#include "runtime/lua/plan.h"
#include "tests/support/test.h"

#include <unistd.h>

/* A generator of its own (a small LCG), because math.random differs between the two. */
static const char script[] =
    "local state = SEED\n"
    "local function chance(n) state = (state * 1103515245 + 12345) % 2147483648 return state // 65536 % n + 1 end\n"
    "local parts = { 'a', 'b', '.', '%a', '%d', '%s', '%w', '%u', '[ab]', '[^a]', '[a-c1-3]', '[%d_]', '%.', '()',\n"
    "  '(a)', '(.)', '(%a+)', '%b()', '%f[%w]', '$', '^', ']', '-', '[]]', '[a-]', '%A', '(a*(.)%w(%s*))', '%1', '' }\n"
    "local marks = { '', '', '', '*', '+', '-', '?' }\n"
    "local letters = { 'a', 'b', 'c', '1', '2', ' ', '.', '(', ')', 'A', '_', ']', '-' }\n"
    "local function text(n) local t = {} for i = 1, chance(n) - 1 do t[i] = letters[chance(#letters)] end\n"
    "  return table.concat(t) end\n"
    "local function pattern() local t = {} for i = 1, chance(5) do\n"
    "  t[i] = parts[chance(#parts)] .. marks[chance(#marks)] end return table.concat(t) end\n"
    "local function show(ok, ...) if not ok then return 'error' end local t = {}\n"
    "  for i = 1, select('#', ...) do t[i] = tostring((select(i, ...))) end return table.concat(t, '|') end\n"
    "local function all(s, p) local t = {} for a, b in s:gmatch(p) do t[#t + 1] = tostring(a) .. ',' .. tostring(b) end\n"
    "  return table.concat(t, ';') end\n"
    "local out = {}\n"
    "for i = 1, 250 do\n"
    "  local s, p = text(14), pattern()\n"
    "  local ok = pcall(string.find, s, p)\n"
    /* patterns that stock Lua refuses only when it reaches the mistake are left out on both sides */
    "  local valid = pcall(string.find, ('ab1 .(A_)a'):rep(3), p) and VALID(p)\n"
    "  if ok and valid then\n"
    "    local line = { p, s, show(pcall(string.find, s, p, chance(4) - 2)), show(pcall(string.match, s, p)),\n"
    "      show(pcall(string.gsub, s, p, '<%0>', chance(5))), show(pcall(string.gsub, s, p, { a = 'X', b = false })) }\n"
    "    if p:sub(1, 1) ~= '^' then line[#line + 1] = show(pcall(all, s, p)) end\n"
    "    out[#out + 1] = table.concat(line, '\\t')\n"
    "  end\n"
    "end\n";

/* Which patterns our compiler takes; the stock side is given the same list. */
static const char valid_ours[] = "local function VALID(p) return pcall(string.find, '', p) end\n";

static char *run_ours(int seed)
{
    char *source = rv_alloc(32 << 10);
    struct rv_agent *agent = NULL;
    struct rv_plan *plan = NULL;
    struct rv_error err = {.code = RV_OK};
    struct rv_plan_request request;
    json_t *result = NULL;
    json_t *input = json_object();
    snprintf(source, 32 << 10,
             "local SEED = %d\n%slocal agent = { name = 'p', version = '1', handles = {}, uses = {} }\n"
             "agent.plan = function() end\n"
             "function agent.review()\n%sreturn { text = table.concat(out, '\\n') }\nend\nreturn agent\n",
             seed, valid_ours, script);
    ck_assert_msg(rv_agent_load(source, strlen(source), "p.lua", &agent, &err) == RV_OK, "%s",
                  err.message);
    ck_assert_int_eq(rv_plan_start(agent, "review", input, &plan, &err), RV_OK);
    enum rv_plan_status status = rv_plan_step(plan, NULL, &request, &result, &err);
    ck_assert_msg(status == RV_PLAN_DONE, "%s", err.message);
    char *text = rv_strdup(rv_json_str(result, "text", ""));
    json_decref(result);
    json_decref(input);
    rv_plan_destroy(plan);
    rv_agent_destroy(agent);
    rv_free(source);
    return text;
}

/* The same file under the distribution's lua5.4; it is told which patterns we accept. */
static char *run_stock(int seed, const char *ours)
{
    char program[] = "/tmp/lua_pattern_XXXXXX";
    char command[128];
    int fd = mkstemp(program);
    ck_assert_int_ge(fd, 0);
    FILE *file = fdopen(fd, "w");
    ck_assert(file != NULL && ours != NULL);
    fprintf(file, "local SEED = %d\nlocal taken = {}\n", seed);
    for (const char *line = ours; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
        fprintf(file, "taken[ [=[%.*s]=] ] = true\n", (int)strcspn(line, "\t"), line);
    }
    fprintf(file, "local function VALID(p) return taken[p] end\n%sio.write(table.concat(out, '\\n'))\n",
            script);
    fclose(file);
    snprintf(command, sizeof command, "lua5.4 %s", program);
    FILE *pipe = popen(command, "r");
    char *text = rv_alloc(1 << 20);
    size_t length = fread(text, 1, (1 << 20) - 1, pipe);
    text[length] = '\0';
    ck_assert_int_eq(pclose(pipe), 0);
    unlink(program);
    return text;
}

TEST(random_patterns_match_as_in_stock_lua)
{
    if (system("lua5.4 -v >/dev/null 2>&1") != 0) {
        exit(EXIT_SUCCESS); /* the build has it (it runs our generators); a test machine may not */
    }
    int compared = 0;
    for (int seed = 1; seed <= 40; seed++) {
        char *ours = run_ours(seed);
        char *stock = run_stock(seed, ours);
        if (strcmp(ours, stock) != 0) {
            const char *a = ours;
            const char *b = stock;
            while (*a != '\0' && strcspn(a, "\n") == strcspn(b, "\n") &&
                   strncmp(a, b, strcspn(a, "\n")) == 0) {
                a += strcspn(a, "\n") + 1;
                b += strcspn(b, "\n") + 1;
            }
            ck_abort_msg("seed %d\nours:  %.*s\nstock: %.*s", seed, (int)strcspn(a, "\n"), a,
                         (int)strcspn(b, "\n"), b);
        }
        for (const char *at = ours; *at != '\0'; at++) {
            compared += *at == '\n';
        }
        rv_free(ours);
        rv_free(stock);
    }
    ck_assert_int_gt(compared, 3000);
}

TEST_MAIN()
