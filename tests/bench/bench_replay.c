/* bench_replay.c -- how fast a run goes its way again from its journal: steps a second and core.
 *
 *   notes   entries that say little
 *   reads   entries with an invoice of a dozen lines as the answer
 * each of one run of 4,000 entries, as `reeve run replay` does it: the document in memory, plan
 * compiled, every request compared with its entry, the transcript hashed.
 *   steps_per_s   of processor time of one thread
 *   us_per_step
 */
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/lua/plan.h"
#include "runtime/run/replay.h"
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct bench bench_replay;

enum { STEPS = 4000, LINES = 12, CREATED_S = 1767225600 };

#define AGENT(body)                                                                                \
    "local agent = { name = 'again', version = '1', handles = {}, uses = {},\n"                    \
    "  limits = { steps = 100000, calls = 100000 } }\n"                                            \
    "function agent.plan(ctx, input)\n  for i = 1, 4000 do " body " end\n"                         \
    "  return ctx:plan()\nend\nreturn agent\n"

static const struct {
    const char *name;
    const char *source;
} cases[] = {{"notes", AGENT("ctx:note('entry ' .. i)")},
             {"reads", AGENT("erp.get('invoice', i)")}};

static json_t *invoice(int number)
{
    json_t *lines = json_array();
    for (int i = 0; i < LINES; i++) {
        json_array_append_new(lines, json_pack("{s:i,s:s,s:s,s:s,s:i}", "no", i + 1, "description",
                                               "hexagon bolts M8 x 40, galvanised", "qty", "100",
                                               "price", "1.25", "net_minor", 12500));
    }
    return json_pack("{s:i,s:s,s:s,s:{s:s,s:s},s:o}", "id", number, "number", "RE-2026-0042",
                     "state", "registered", "supplier", "name", "Nordhafen GmbH", "status",
                     "active", "lines", lines);
}

/* What the gate and the world would have said, and what the journal has of it. */
static json_t *entry_of(const struct rv_plan_request *request, int seq, bool note)
{
    uint8_t digest[RV_STEP_DIGEST_BYTES];
    RV_ASSERT(rv_step_digest(request->args, digest));
    json_t *value = note ? json_incref((json_t *)(uintptr_t)request->args) : invoice(seq);
    return rv_history_step(seq, note ? RV_STEP_NOTE : RV_STEP_READ, request->name, digest,
                           json_pack("{s:b,s:o}", "ok", 1, "value", value));
}

/* A run that has come to the end of its journal and waits for its plan to be written. */
static json_t *history_of(const char *source, bool note)
{
    struct rv_agent *agent = NULL;
    struct rv_plan *plan = NULL;
    struct rv_plan_request request;
    struct rv_error err = {.code = RV_OK};
    json_t *result = NULL;
    char hex[RV_HASH_HEX];
    struct rv_hash hash = rv_sha256(source, strlen(source));
    rv_hash_hex(&hash, hex);
    json_t *journal = json_array();
    json_t *input = json_pack("{s:{}}", "exception");
    json_t *start = json_pack("{s:s,s:I,s:i,s:{}}", "run", "r_1", "now_us",
                              (json_int_t)CREATED_S * 1000000, "seed", 1, "exception");
    enum rv_code code = rv_agent_load(source, strlen(source), "again", &agent, &err);
    RV_ASSERT(code == RV_OK);
    code = rv_plan_start(agent, "plan", start, &plan, &err);
    RV_ASSERT(code == RV_OK);
    enum rv_plan_status status = rv_plan_step(plan, NULL, &request, &result, &err);
    for (int seq = 1; status == RV_PLAN_REQUEST; seq++) {
        json_t *entry = entry_of(&request, seq, note);
        json_array_append_new(journal, entry);
        status = rv_plan_step(plan, json_object_get(entry, "out"), &request, &result, &err);
    }
    RV_ASSERT(status == RV_PLAN_DONE);
    json_decref(result);
    json_decref(start);
    rv_plan_destroy(plan);
    rv_agent_destroy(agent);
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:o,s:I,s:i,s:s,s:b,s:o}", "format", "reeve-run/1",
                     "run", "r_1", "agent", "again", "owner", "operator", "plan", hex, "source",
                     source, "input", input, "created_us", (json_int_t)CREATED_S * 1000000, "depth",
                     0, "status", "planning", "redacted", 0, "journal", journal);
}

static void replay(const struct bench_run *run, const char *name, const json_t *history)
{
    int64_t began_us = rv_thread_cpu_us();
    int64_t spent_us = 0;
    int64_t steps = 0;
    do {
        struct rv_replay_report report;
        struct rv_error err = {.code = RV_OK};
        enum rv_code code = rv_replay(history, NULL, &report, &err);
        if (code != RV_OK || report.verdict != RV_REPLAY_OPEN || report.steps != STEPS) {
            fprintf(stderr, "replay: %s: %s%s\n", name, err.message,
                    code == RV_OK ? report.text : "");
            exit(EXIT_FAILURE);
        }
        steps += report.steps;
        rv_replay_report_fini(&report);
        spent_us = rv_thread_cpu_us() - began_us;
    } while ((double)spent_us < run->seconds * 1e6);
    bench_report(run, "replay", name, "steps_per_s", (double)steps * 1e6 / (double)spent_us,
                 "steps/s");
    bench_report(run, "replay", name, "us_per_step", (double)spent_us / (double)steps, "us");
}

static void replay_run(const struct bench_run *run)
{
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        if (bench_wants(run, cases[i].name)) {
            json_t *history = history_of(cases[i].source, i == 0);
            replay(run, cases[i].name, history);
            json_decref(history);
        }
    }
}

const struct bench bench_replay = {
    "replay", "steps that one core replays in a second, from a run's document", replay_run};
