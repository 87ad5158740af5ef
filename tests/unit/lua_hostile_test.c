/* lua_hostile_test.c -- every script in lua_hostile/ ends by itself, soon, and hurts nobody.
 *
 * First line of a script: "-- plan ends: words" (the text is the body of agent.plan) or "-- load ends:
 * words" (the text is the whole agent).  It must end in an error that says the words, while a neighbour
 * on the same thread that began before it goes on afterwards with the same answer as always.  The aim is
 * 100 ms of processor time for each; the test allows three times that, because a busy machine (two threads
 * on one core) doubles what is counted, and prints the slowest.
 */
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/lua/plan.h"
#include "tests/support/test.h"

#include <dirent.h>

enum {
    HOSTILE_CPU_US = 300000,
    SANITIZED_FACTOR = 10, /* checked builds are that much slower in our part of the work */
    SCRIPT_MAX = 64 << 10,
    SCRIPTS_LEAST = 100
};

static const char folder[] = "tests/unit/lua_hostile";

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

static struct rv_plan *start(const char *source, size_t length, struct rv_agent **agent,
                             struct rv_error *err)
{
    struct rv_plan *plan = NULL;
    if (rv_agent_load(source, length, "a.lua", agent, err) != RV_OK) {
        return NULL;
    }
    json_t *input = json_pack("{s:s,s:{s:s}}", "run", "r_1", "exception", "code", "F01");
    enum rv_code code = rv_plan_start(*agent, "plan", input, &plan, err);
    json_decref(input);
    return code == RV_OK ? plan : NULL;
}

/* Loads and runs a script to its end; RV_OK when it did not fail. */
static enum rv_code run_script(const char *source, size_t length, struct rv_error *err)
{
    struct rv_agent *agent = NULL;
    struct rv_plan_request request;
    json_t *result = NULL;
    struct rv_plan *plan = start(source, length, &agent, err);
    if (plan != NULL && rv_plan_step(plan, NULL, &request, &result, err) == RV_PLAN_FAILED) {
        ck_assert_int_ne(err->code, RV_OK);
    }
    json_decref(result);
    rv_plan_destroy(plan);
    rv_agent_destroy(agent);
    return err->code;
}

/* ---- the neighbour ---- */

static const char neighbour_text[] =
    "local agent = { name = 'n', version = '1', handles = {}, uses = { 'invoice.hold' } }\n"
    "function agent.plan(ctx)\n"
    "  local words = { b = 1, a = 2, c = 3 }\n"
    "  local invoice = erp.get('invoice', 1)\n"
    "  local order = ''\n"
    "  for k in pairs(words) do order = order .. k end\n"
    "  return ctx:plan():add('invoice.hold', { invoice = invoice, order = order:upper():rep(2) },\n"
    "    { reason = 'r' })\n"
    "end\n"
    "return agent\n";

struct neighbour {
    struct rv_agent *agent;
    struct rv_plan *plan;
};

static void neighbour_begins(struct neighbour *neighbour)
{
    struct rv_plan_request request;
    struct rv_error err = {.code = RV_OK};
    json_t *result = NULL;
    neighbour->plan = start(neighbour_text, strlen(neighbour_text), &neighbour->agent, &err);
    ck_assert_msg(neighbour->plan != NULL, "%s", err.message);
    ck_assert_int_eq(rv_plan_step(neighbour->plan, NULL, &request, &result, &err), RV_PLAN_REQUEST);
}

static void neighbour_goes_on(struct neighbour *neighbour, const char *script)
{
    struct rv_plan_request request;
    struct rv_error err = {.code = RV_OK};
    json_t *result = NULL;
    json_t *answer = json_pack("{s:b,s:i}", "ok", 1, "value", 42);
    enum rv_plan_status status = rv_plan_step(neighbour->plan, answer, &request, &result, &err);
    ck_assert_msg(status == RV_PLAN_DONE, "%s: the neighbour failed: %s", script, err.message);
    const json_t *action = json_array_get(json_object_get(result, "actions"), 0);
    ck_assert_str_eq(rv_json_str(json_object_get(action, "args"), "order", ""), "ABCABC");
    json_decref(answer);
    json_decref(result);
    rv_plan_destroy(neighbour->plan);
    rv_agent_destroy(neighbour->agent);
}

/* ---- one script ---- */

/* The words after "-- plan ends: " of the first line; false when it is "-- load ends: ". */
static bool read_head(const char *script, const char *text, char *words, size_t size)
{
    bool plan = strncmp(text, "-- plan ends: ", 14) == 0;
    ck_assert_msg(plan || strncmp(text, "-- load ends: ", 14) == 0, "%s: no first line", script);
    size_t length = strcspn(text + 14, "\n");
    ck_assert_uint_lt(length, size);
    memcpy(words, text + 14, length);
    words[length] = '\0';
    return plan;
}

static int64_t check_script(const char *script)
{
    char path[512];
    char text[SCRIPT_MAX];
    char source[SCRIPT_MAX + 512];
    char words[128];
    snprintf(path, sizeof path, "%s/%s", folder, script);
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "cannot open %s", path);
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    if (read_head(script, text, words, sizeof words)) {
        snprintf(source, sizeof source,
                 "local agent = { name='h', version='1', handles={}, uses={'invoice.hold'} } "
                 "function agent.plan(ctx, exception) %s\nreturn ctx:plan() end return agent\n",
                 text);
    } else {
        snprintf(source, sizeof source, "%s", text);
    }
    struct neighbour neighbour;
    struct rv_error err = {.code = RV_OK};
    neighbour_begins(&neighbour);
    int64_t began = rv_thread_cpu_us();
    enum rv_code code = run_script(source, strlen(source), &err);
    int64_t spent = rv_thread_cpu_us() - began;
    neighbour_goes_on(&neighbour, script);
    ck_assert_msg(code != RV_OK, "%s: it ended well", script);
    /* a slow machine or a checked build may meet the watchdog before the count */
    bool watchdog = strstr(words, "instructions") != NULL && strstr(err.message, "limit \"cpu\"") != NULL;
    ck_assert_msg(watchdog || strstr(err.message, words) != NULL, "%s: \"%s\" does not say \"%s\"",
                  script, err.message, words);
    ck_assert_msg((strncmp(words, "limit", 5) != 0) || code == RV_LIMIT, "%s: code %s", script,
                  rv_code_name(code));
    int64_t most = sanitized ? HOSTILE_CPU_US * SANITIZED_FACTOR : HOSTILE_CPU_US;
    ck_assert_msg(spent < most, "%s: took %lld us of processor time", script, (long long)spent);
    return spent;
}

TEST(every_hostile_script_ends_and_hurts_nobody)
{
    struct dirent **entries = NULL;
    int found = scandir(folder, &entries, NULL, alphasort);
    int count = 0;
    int64_t slowest_us = 0;
    char slowest[128] = "";
    for (int i = 0; i < found; i++) {
        if (strstr(entries[i]->d_name, ".lua") != NULL) {
            int64_t spent = check_script(entries[i]->d_name);
            if (spent > slowest_us) {
                slowest_us = spent;
                snprintf(slowest, sizeof slowest, "%s", entries[i]->d_name);
            }
            count++;
        }
        free(entries[i]);
    }
    free(entries);
    printf("%d scripts; slowest %s: %.1f ms\n", count, slowest, (double)slowest_us / 1000);
    ck_assert_int_ge(count, SCRIPTS_LEAST);
}

/* ---- the caps themselves ---- */

TEST(memory_never_exceeds_its_cap)
{
    static const char text[] =
        "local agent = { name = 'm', version = '1', handles = {}, uses = {} }\n"
        "function agent.plan(ctx)\n"
        "  local t = {}\n"
        "  while true do t[#t + 1] = ('x'):rep(1000) .. #t; if #t % 100 == 0 then ctx:note('n') end end\n"
        "end\n"
        "return agent\n";
    struct rv_agent *agent = NULL;
    struct rv_error err = {.code = RV_OK};
    struct rv_plan_request request;
    json_t *result = NULL;
    json_t *answer = json_pack("{s:b}", "ok", 1);
    struct rv_plan *plan = start(text, strlen(text), &agent, &err);
    enum rv_plan_status status = rv_plan_step(plan, NULL, &request, &result, &err);
    size_t most = 0;
    while (status == RV_PLAN_REQUEST) {
        size_t now = rv_plan_memory_bytes(plan);
        most = now > most ? now : most;
        status = rv_plan_step(plan, answer, &request, &result, &err);
    }
    ck_assert_int_eq(status, RV_PLAN_FAILED);
    ck_assert_msg(strstr(err.message, "limit \"memory\"") != NULL, "%s", err.message);
    ck_assert_uint_gt(most, RV_PLAN_MEMORY_MAX / 2);
    ck_assert_uint_le(most, RV_PLAN_MEMORY_MAX);
    ck_assert_uint_le(rv_plan_memory_bytes(plan), RV_PLAN_MEMORY_MAX);
    json_decref(answer);
    rv_plan_destroy(plan);
    rv_agent_destroy(agent);
}

/* A large answer is billed to the run that gets it, and ends it when it is too large. */
TEST(an_answer_that_does_not_fit_ends_the_run)
{
    static const char text[] = "local agent = { name = 'm', version = '1', handles = {}, uses = {} }\n"
                               "function agent.plan(ctx) local x = erp.get('invoice', 1) end\n"
                               "return agent\n";
    struct rv_agent *agent = NULL;
    struct rv_error err = {.code = RV_OK};
    struct rv_plan_request request;
    json_t *result = NULL;
    json_t *list = json_array();
    for (int i = 0; i < 200000; i++) {
        json_array_append_new(list, json_pack("{s:i}", "n", i));
    }
    json_t *answer = json_pack("{s:b,s:o}", "ok", 1, "value", list);
    struct rv_plan *plan = start(text, strlen(text), &agent, &err);
    ck_assert_int_eq(rv_plan_step(plan, NULL, &request, &result, &err), RV_PLAN_REQUEST);
    ck_assert_int_eq(rv_plan_step(plan, answer, &request, &result, &err), RV_PLAN_FAILED);
    ck_assert_int_eq(err.code, RV_LIMIT);
    json_decref(answer);
    rv_plan_destroy(plan);
    rv_agent_destroy(agent);
}

TEST(bytecode_is_refused)
{
    struct rv_agent *agent = NULL;
    struct rv_error err = {.code = RV_OK};
    ck_assert_int_eq(rv_agent_load("\x1bLua\x54", 5, "a.lua", &agent, &err), RV_INVALID);
    ck_assert_msg(strstr(err.message, "bytecode") != NULL, "%s", err.message);
}

TEST(a_source_that_is_too_long_is_refused)
{
    struct rv_agent *agent = NULL;
    struct rv_error err = {.code = RV_OK};
    char *source = rv_alloc(RV_AGENT_SOURCE_MAX + 1);
    memset(source, ' ', RV_AGENT_SOURCE_MAX + 1);
    ck_assert_int_eq(rv_agent_load(source, RV_AGENT_SOURCE_MAX + 1, "a.lua", &agent, &err), RV_LIMIT);
    rv_free(source);
}

TEST_MAIN()
