/* bench_lua.c -- what a run of an agent costs, without any database: load, start, step, replay,
 * stop.
 *
 * The agent is the shipped price_variance with answers from memory.  "replay" is a run to its end
 * from recorded answers, which is what waking a parked run costs.  "hostile" is the longest time a
 * script can keep the loop, by an endless loop that catches every error.
 */
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/lua/plan.h"
#include "tests/bench/bench.h"
#include "tests/bench/bench_lua_states.h"

#include <stdio.h>
#include <string.h>

enum { SOURCE_MAX = 64 << 10 };

static const char source_path[] = "agents/price_variance/agent.lua";
static const char hostile_text[] =
    "local agent = { name = 'h', version = '1', handles = {}, uses = {} }\n"
    "function agent.plan() while true do pcall(function() while true do end end) end end\n"
    "return agent\n";

struct world {
    char source[SOURCE_MAX];
    size_t length;
    struct rv_agent *agent;
    json_t *input;
    json_t *answers[3];
    size_t memory;
    int64_t instructions;
};

static bool open_world(struct world *world)
{
    FILE *file = fopen(source_path, "rb");
    if (file == NULL) {
        fprintf(stderr, "reeve-bench lua: run it in the root of the sources, %s is read\n",
                source_path);
        return false;
    }
    world->length = fread(world->source, 1, sizeof world->source, file);
    fclose(file);
    struct rv_error err = {.code = RV_OK};
    enum rv_code code =
        rv_agent_load(world->source, world->length, source_path, &world->agent, &err);
    RV_ASSERT(code == RV_OK);
    world->input = json_pack(
        "{s:s,s:I,s:i,s:{s:s,s:s,s:s,s:[s,s,s],s:{s:i,s:s,s:i,s:s,s:s,s:s,s:s,s:b,s:{s:i,s:s}}}}",
        "run", "r_1", "now_us", (json_int_t)1767225600000000, "seed", 1, "exception", "key", "k",
        "code", "F01", "summary", "price", "resolutions", "invoice.hold", "order.change",
        "credit_note.request", "evidence", "invoice", 42, "line", "1", "order", 9, "order_line",
        "10", "qty", "10", "price_invoiced", "112", "price_ordered", "100", "too_much", 1, "amount",
        "minor", 12000, "currency", "EUR");
    world->answers[0] = json_pack("{s:b,s:{s:i,s:s,s:s,s:{s:s},s:[{s:s,s:s}]}}", "ok", 1, "value",
                                  "id", 42, "number", "RE-1", "state", "registered", "supplier",
                                  "status", "active", "lines", "no", "1", "description", "bolts");
    world->answers[1] =
        json_pack("{s:b,s:{s:i,s:s,s:i,s:[{s:s,s:s}]}}", "ok", 1, "value", "id", 9, "number",
                  "PO-9", "version", 3, "lines", "no", "10", "base_qty", "1");
    world->answers[2] = json_pack("{s:b,s:{s:s,s:i}}", "ok", 1, "value", "choice",
                                  "credit_note.request", "margin", 60);
    return true;
}

static void close_world(struct world *world)
{
    for (size_t i = 0; i < RV_COUNT(world->answers); i++) {
        json_decref(world->answers[i]);
    }
    json_decref(world->input);
    rv_agent_destroy(world->agent);
}

static void load(struct world *world)
{
    struct rv_agent *agent = NULL;
    enum rv_code code = rv_agent_load(world->source, world->length, source_path, &agent, NULL);
    RV_ASSERT(code == RV_OK);
    rv_agent_destroy(agent);
}

static void start(struct world *world)
{
    struct rv_plan *plan = NULL;
    enum rv_code code = rv_plan_start(world->agent, "plan", world->input, &plan, NULL);
    RV_ASSERT(code == RV_OK);
    rv_plan_destroy(plan);
}

static void replay(struct world *world)
{
    struct rv_plan *plan = NULL;
    struct rv_plan_request request;
    struct rv_error err = {.code = RV_OK};
    json_t *result = NULL;
    enum rv_code code = rv_plan_start(world->agent, "plan", world->input, &plan, NULL);
    RV_ASSERT(code == RV_OK);
    enum rv_plan_status status = rv_plan_step(plan, NULL, &request, &result, &err);
    for (size_t i = 0; status == RV_PLAN_REQUEST; i++) {
        RV_ASSERT(i < RV_COUNT(world->answers));
        status = rv_plan_step(plan, world->answers[i], &request, &result, &err);
    }
    RV_ASSERT(status == RV_PLAN_DONE);
    world->memory = rv_plan_memory_bytes(plan);
    world->instructions = rv_plan_instructions(plan);
    json_decref(result);
    rv_plan_destroy(plan);
}

static void hostile(struct world *world)
{
    struct rv_agent *agent = NULL;
    struct rv_plan *plan = NULL;
    struct rv_plan_request request;
    json_t *result = NULL;
    enum rv_code code = rv_agent_load(hostile_text, strlen(hostile_text), "h", &agent, NULL);
    RV_ASSERT(code == RV_OK);
    code = rv_plan_start(agent, "plan", world->input, &plan, NULL);
    RV_ASSERT(code == RV_OK);
    RV_ASSERT(rv_plan_step(plan, NULL, &request, &result, NULL) == RV_PLAN_FAILED);
    rv_plan_destroy(plan);
    rv_agent_destroy(agent);
}

/* Processor time of one go, in microseconds. */
static double time_of(const struct bench_run *run, void (*go)(struct world *), struct world *world)
{
    int64_t began_us = rv_thread_cpu_us();
    int64_t count = 0;
    int64_t spent_us = 0;
    do {
        go(world);
        count++;
        spent_us = rv_thread_cpu_us() - began_us;
    } while (spent_us < (int64_t)(run->seconds * 1e6));
    return (double)spent_us / (double)count;
}

static void run_lua(const struct bench_run *run)
{
    static const struct {
        const char *name;
        void (*go)(struct world *);
    } cases[] = {{"load", load}, {"start", start}, {"replay", replay}, {"hostile", hostile}};
    struct world world = {.length = 0};
    if (!open_world(&world)) {
        return;
    }
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        if (bench_wants(run, cases[i].name)) {
            bench_report(run, "lua", cases[i].name, "cpu", time_of(run, cases[i].go, &world), "us");
        }
    }
    if (bench_wants(run, "replay")) {
        replay(&world);
        bench_report(run, "lua", "replay", "memory", (double)world.memory, "bytes");
        bench_report(run, "lua", "replay", "instructions", (double)world.instructions, "count");
    }
    close_world(&world);
    bench_lua_states(run);
}

extern const struct bench bench_lua;
const struct bench bench_lua = {
    .name = "lua",
    .summary =
        "cost of an agent's run: load, start, replay, stop; a Lua state for each or for many",
    .run = run_lua};
