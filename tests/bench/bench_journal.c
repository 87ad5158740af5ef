/* bench_journal.c -- durable steps a second through the committer, on a private server with fsync
 * on.
 *
 * N runs, each in a closed loop: the next step is submitted only when the last one is durable.
 *   plain_N   a step is one journal row
 *   gated_N   rv_gate_pass: budget, policy decision, a rolling limit, two sealed audit records and
 * the journal row, as for a call of the model command_N rv_gate_submit: all of that and an ERP
 * command (an invoice is held and released in turn): its state loaded, its event appended and
 * projected, its answer logged raw_N     the yardstick: the same journal row, one transaction each,
 * on N connections The gate is the one the program uses, over a bundle of 100 rules and those about
 * the action. CPU per step is of this process and all PostgreSQL processes together.
 */
#include "journal_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/random.h"
#include "runtime/journal/journal.h"
#include "tests/bench/bench.h"
#include "tests/bench/gate_world.h"
#include "tests/support/postgres.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct bench bench_journal;

enum { RUNS_MAX = 256, WARM_UP_MS = 500, COMPANY_RULES = 100 };

/* One run of the benchmark: what it submits is submitted again as soon as its step is durable. */
struct bench_step {
    struct rv_unit unit; /* plain */
    struct rv_gate_pass pass;
    struct rv_gate_request request;
    struct rv_budget budget;
    int64_t run;
    int32_t seq;         /* of the step being written */
    char key[32];        /* "run:<id>" */
    char command_id[48]; /* "run:<id>:<seq>" */
    json_t *call_args;
    json_t *hold_args, *release_args; /* of the two commands on the run's own invoice */
    bool held;                        /* that invoice now; a case may end in between */
    int64_t started_us;
    struct world *world;
};

struct world {
    const struct bench_run *run;
    struct gate_world gate;
    struct rv_db *db; /* raw */
    struct bench_step steps[RUNS_MAX];
    struct bench_samples samples;
    int64_t done;
    bool stopping;
    int running;
    int64_t next_run;
};

static int64_t now_us(void)
{
    return rv_mono_us(rv_clock_system());
}

/* ---- what a step writes ---- */

static void journal_row(struct rv_batch *batch, const struct bench_step *step, const char *name)
{
    static const uint8_t digest[RV_JOURNAL_DIGEST_BYTES] = {1, 2, 3};
    json_t *out =
        json_pack("{s:s, s:I}", "status", "posted", "balance_minor", (json_int_t)step->seq * 100);
    enum rv_code code = rv_journal_append(batch, step->run, step->seq, 7, name, digest, out);
    RV_ASSERT(code == RV_OK);
    json_decref(out);
}

static enum rv_code plain_decide(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err)
{
    (void)err;
    journal_row(batch, unit->data, "invoice.post");
    return RV_OK;
}

static enum rv_code gated_append(struct rv_gate_pass *pass, struct rv_batch *batch,
                                 struct rv_error *err)
{
    (void)err;
    journal_row(batch, pass->data, pass->action);
    return RV_OK;
}

static void command_append(struct rv_gate_request *request, struct rv_batch *batch,
                           const struct rv_gate_outcome *outcome)
{
    (void)outcome;
    journal_row(batch, request->data, request->action);
}

/* ---- the closed loops ---- */

struct kind {
    void (*submit)(struct bench_step *step);
    bool through_committer;
};

/* True when the step's run goes on. */
static bool step_over(struct bench_step *step, enum rv_code code, const struct rv_error *err)
{
    struct world *world = step->world;
    if (code != RV_OK) {
        fprintf(stderr, "a step failed: %s (%s)\n", err->message, err->detail);
        exit(EXIT_FAILURE);
    }
    int64_t now = now_us();
    bench_sample(&world->samples, now - step->started_us);
    world->done++;
    step->seq++;
    step->started_us = now;
    if (world->stopping && --world->running == 0) {
        rv_loop_stop(world->gate.loop);
    }
    return !world->stopping;
}

static void plain_submit(struct bench_step *step)
{
    rv_commit(step->world->gate.committer, &step->unit);
}

static void plain_done(struct rv_unit *unit, enum rv_code code, const struct rv_error *err)
{
    if (step_over(unit->data, code, err)) {
        plain_submit(unit->data);
    }
}

static void gated_submit(struct bench_step *step)
{
    step->pass.seq = step->seq;
    step->budget.steps_used = step->seq;
    rv_gate_pass(step->world->gate.gate, &step->pass);
}

static void gated_done(struct rv_gate_pass *pass, enum rv_code code, const struct rv_error *err)
{
    if (step_over(pass->data, code, err)) {
        gated_submit(pass->data);
    }
}

static void command_submit(struct bench_step *step)
{
    bool hold = !step->held;
    snprintf(step->command_id, sizeof step->command_id, "%s:%d", step->key, step->seq);
    step->request.action = hold ? "invoice.hold" : "invoice.release";
    step->request.args = hold ? step->hold_args : step->release_args;
    step->request.seq = step->seq;
    step->budget.steps_used = step->seq;
    rv_gate_submit(step->world->gate.gate, &step->request);
}

static void command_done(struct rv_gate_request *request, enum rv_code code,
                         const struct rv_gate_outcome *outcome, const struct rv_error *err)
{
    struct rv_error refused = {.code = RV_OK};
    if (code == RV_OK && outcome->result != RV_GATE_EXECUTED) {
        code = rv_fail(&refused, RV_DENIED, "%s was %s: %s", request->action,
                       rv_gate_result_name(outcome->result),
                       outcome->message != NULL ? outcome->message : "");
        err = &refused;
    }
    struct bench_step *step = request->data;
    step->held = code == RV_OK ? !step->held : step->held;
    if (step_over(request->data, code, err)) {
        command_submit(request->data);
    }
}

static void raw_submit(struct bench_step *step);

static void raw_done(void *data, enum rv_code code, const struct rv_result *result,
                     const struct rv_error *err)
{
    (void)result;
    if (step_over(data, code, err)) {
        raw_submit(data);
    }
}

static void raw_submit(struct bench_step *step)
{
    struct rv_args *args = rv_args_create(&rv_sql_journal_append);
    static const uint8_t digest[RV_JOURNAL_DIGEST_BYTES] = {1, 2, 3};
    rv_args_i32(args, 1, GATE_WORLD_TENANT);
    rv_args_i64(args, 2, step->run);
    rv_args_i32(args, 3, step->seq);
    rv_args_i32(args, 4, 7);
    rv_args_text(args, 5, "invoice.post");
    rv_args_bytes(args, 6, digest, sizeof digest);
    rv_args_bytes(args, 7, "\001{\"status\":\"posted\"}", 20);
    rv_db_query(step->world->db, GATE_WORLD_TENANT, &rv_sql_journal_append, args, raw_done, step);
}

static const struct kind plain = {plain_submit, true};
static const struct kind gated = {gated_submit, true};
static const struct kind command = {command_submit, true};
static const struct kind raw = {raw_submit, false};

static void prepare(struct world *world, struct bench_step *step)
{
    static const struct rv_principal agent = {
        .kind = RV_PRINCIPAL_AGENT, .id = "price_variance", .owner = "ap.manager"};
    step->world = world;
    step->run = world->next_run++;
    step->seq = 1;
    step->started_us = now_us();
    snprintf(step->key, sizeof step->key, "run:%" PRId64, step->run);
    step->budget = (struct rv_budget){
        .steps_limit = INT32_MAX, .calls_limit = 1000, .tokens_limit = 100000, .depth_limit = 4};
    step->unit = (struct rv_unit){.tenant = GATE_WORLD_TENANT,
                                  .keys = {step->key},
                                  .decide = plain_decide,
                                  .done = plain_done,
                                  .data = step};
    step->pass = (struct rv_gate_pass){.tenant = GATE_WORLD_TENANT,
                                       .principal = agent,
                                       .action = "llm.decide",
                                       .args = step->call_args,
                                       .budget = &step->budget,
                                       .tokens = 400,
                                       .run = step->run,
                                       .key = step->key,
                                       .append = gated_append,
                                       .done = gated_done,
                                       .data = step};
    step->request = (struct rv_gate_request){.tenant = GATE_WORLD_TENANT,
                                             .principal = agent,
                                             .command_id = step->command_id,
                                             .reason = "as the plan says",
                                             .budget = &step->budget,
                                             .run = step->run,
                                             .append = command_append,
                                             .done = command_done,
                                             .data = step};
}

/* Starts `runs` loops, warms up, measures, lets them end and reports. */
static void measure(struct world *world, const char *name, int runs, const struct kind *kind)
{
    world->stopping = false;
    world->running = runs;
    for (int i = 0; i < runs; i++) {
        prepare(world, &world->steps[i]);
        kind->submit(&world->steps[i]);
    }
    gate_world_run(&world->gate, WARM_UP_MS);
    world->samples.count = 0;
    world->done = 0;
    struct rv_commit_stats before;
    rv_committer_stats(world->gate.committer, &before);
    int64_t cpu = bench_cpu_us(test_postgres_pid());
    int64_t own = bench_cpu_us(0);
    int64_t start = now_us();
    gate_world_run(&world->gate, (int64_t)(world->run->seconds * 1000));
    double seconds = (double)(now_us() - start) / 1e6;
    cpu = bench_cpu_us(test_postgres_pid()) - cpu;
    own = bench_cpu_us(0) - own;
    double steps = world->done > 0 ? (double)world->done : 1;
    struct rv_commit_stats after;
    rv_committer_stats(world->gate.committer, &after);
    world->stopping = true;
    rv_loop_run(world->gate.loop);
    double p99 = bench_percentile_ms(&world->samples, 99);
    double p50 = bench_percentile_ms(&world->samples, 50);
    bench_report(world->run, "journal", name, "steps_per_s", steps / seconds, "1/s");
    bench_report(world->run, "journal", name, "p50_ms", p50, "ms");
    bench_report(world->run, "journal", name, "p99_ms", p99, "ms");
    bench_report(world->run, "journal", name, "cpu_us_per_step", (double)cpu / steps, "us");
    bench_report(world->run, "journal", name, "own_cpu_us_per_step", (double)own / steps, "us");
    if (kind->through_committer) {
        bench_report(world->run, "journal", name, "units_per_commit",
                     steps / (double)(after.batches - before.batches + 1), "1");
    }
}

/* ---- the stage ---- */

static void make_bundle(struct world *world)
{
    struct rv_buf source;
    rv_buf_init(&source, RV_POLICY_SOURCE_MAX);
    rv_buf_str(&source,
               "return bundle{ name='bench',\n"
               "permit{id='agents', agents='*', action=any_of{'invoice.hold','invoice.release',"
               "'llm.decide'}},\n"
               "permit{id='machine', system=true, action='*'},\n"
               "forbid{id='blocked', action='invoice.release', "
               "when=all{res.vendor.status:has(), res.vendor.status:eq'blocked'}},\n"
               "limit{id='day', agents='*', action=any_of{'invoice.hold','invoice.release',"
               "'llm.decide'}, count=true, per={'agent'}, window='1d', cap=1000000000, "
               "over='deny'},\n");
    bench_gate_rules(&source, COMPANY_RULES, false);
    rv_buf_str(&source, "}");
    gate_world_policy(&world->gate, source.data);
    rv_buf_fini(&source);
}

/* The invoice that run `i` works on. */
static int64_t make_invoice(struct world *world, int i)
{
    json_t *document = json_pack(
        "{s:s,s:s,s:s,s:s,s:{s:s,s:s,s:s},s:[],s:{s:i,s:i,s:i,s:i}}", "kind", "invoice", "number",
        world->steps[i].key, "issue_date", "2025-11-25", "currency", "EUR", "supplier", "name",
        "Northwind Paper", "vat_id", "DE123456789", "country", "DE", "lines", "totals", "net_minor",
        125000 + i, "tax_minor", 0, "gross_minor", 125000 + i, "payable_minor", 125000 + i);
    json_t *answer = gate_world_do(&world->gate, "invoice.register", document);
    int64_t id = rv_json_int(answer, "invoice", 0);
    json_decref(answer);
    return id;
}

static void make_steps(struct world *world)
{
    for (int i = 0; i < RUNS_MAX; i++) {
        struct bench_step *step = &world->steps[i];
        snprintf(step->key, sizeof step->key, "R-%d", i);
        json_int_t invoice = make_invoice(world, i);
        step->call_args = json_pack("{s:s,s:I}", "schema", "variance", "invoice", invoice);
        step->hold_args = json_pack("{s:I,s:s,s:s}", "invoice", invoice, "code", "price", "reason",
                                    "the price is above the order");
        step->release_args =
            json_pack("{s:I,s:s}", "invoice", invoice, "reason", "the difference is settled");
    }
}

static void run_journal(const struct bench_run *run)
{
    static const struct {
        const char *name;
        int runs;
        const struct kind *kind;
    } cases[] = {
        {"plain_1", 1, &plain},     {"plain_32", 32, &plain},     {"plain_256", 256, &plain},
        {"gated_1", 1, &gated},     {"gated_32", 32, &gated},     {"gated_256", 256, &gated},
        {"command_1", 1, &command}, {"command_32", 32, &command}, {"command_256", 256, &command},
        {"raw_1", 1, &raw},         {"raw_32", 32, &raw}};
    struct world *world = rv_alloc(sizeof *world);
    world->run = run;
    world->next_run = rv_id_make(rv_now_us(rv_clock_system()));
    gate_world_open(&world->gate, run, "journal");
    make_bundle(world);
    make_steps(world);
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        if (!bench_wants(run, cases[i].name)) {
            continue;
        }
        if (cases[i].kind == &raw) {
            world->db = rv_db_create(&(struct rv_db_options){
                .loop = world->gate.loop, .uri = world->gate.uri, .connections = cases[i].runs});
        }
        measure(world, cases[i].name, cases[i].runs, cases[i].kind);
        if (cases[i].kind == &raw) {
            rv_db_close(world->db, NULL, NULL);
        }
    }
    gate_world_close(&world->gate);
    for (int i = 0; i < RUNS_MAX; i++) {
        json_decref(world->steps[i].call_args);
        json_decref(world->steps[i].hold_args);
        json_decref(world->steps[i].release_args);
    }
    bench_samples_free(&world->samples);
    rv_free(world);
}

const struct bench bench_journal = {
    .name = "journal",
    .summary = "durable steps a second through the gate and the committer, fsync on",
    .run = run_journal,
};
