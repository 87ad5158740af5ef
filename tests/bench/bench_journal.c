/* bench_journal.c -- durable steps a second through the committer, on a private server with fsync
 * on.
 *
 * N runs, each in a closed loop: the next step is submitted only when the last one is durable.
 *   plain_N   a step is one journal row
 *   gated_N   a step loads one state, and writes a journal row, an event with its balance-like
 *             body, two sealed audit records and an outbox message: the shape of an allowed action
 *   raw_N     the yardstick: the same journal row, one transaction each, on N connections
 * Before measuring, the write-ahead log is filled once and recycled, as it is on a server that has
 * run for a while: otherwise the making of new log files is what is measured.
 * CPU per step is of this process and all PostgreSQL processes together.
 */
#include "tests/bench/bench_journal.h"

#include "audit_sql.h"
#include "db_sql.h"
#include "gate_sql.h"
#include "journal_sql.h"
#include "runtime/audit/audit.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "runtime/db/db.h"
#include "runtime/journal/journal.h"
#include "tests/bench/bench.h"
#include "tests/support/postgres.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TENANT = 1, RUNS_MAX = 256, WARM_UP_MS = 500 };

/* The benchmark's own table and statements (an ERP's event has the same columns). */
static const struct rv_migration own_migrations[] = {
    {.name = "0089_bench",
     .text =
         "CREATE TABLE bench_event (tenant_id int NOT NULL, seq bigint NOT NULL, stream text NOT "
         "NULL,"
         " version int NOT NULL, type text NOT NULL, recorded_at timestamptz NOT NULL,"
         " actor text NOT NULL, body jsonb NOT NULL, body_hash bytea NOT NULL, hash bytea NOT NULL,"
         " PRIMARY KEY (tenant_id, seq), UNIQUE (tenant_id, stream, version));"
         "CREATE TABLE bench_subject (tenant_id int NOT NULL, id text NOT NULL, state jsonb NOT "
         "NULL,"
         " PRIMARY KEY (tenant_id, id))"},
    {.name = NULL}};

static const struct rv_statement subject_load = {
    .name = "bench_subject_load",
    .params = "tenant int4, unit int4[], args jsonb[]",
    .param_count = 3,
    .text =
        "SELECT u.unit, s.state || jsonb_build_object('version', coalesce((SELECT max(e.version)"
        " FROM bench_event e WHERE e.tenant_id = $1 AND e.stream = s.id), 0))"
        " FROM unnest($2::int4[], $3::jsonb[]) AS u(unit, args)"
        " JOIN bench_subject s ON s.tenant_id = $1 AND s.id = u.args->>'id'"};

static const struct rv_statement event_append = {
    .name = "bench_event_append",
    .params = "tenant int4, seq int8[], stream text[], version int4[], type text[], recorded "
              "timestamptz[],"
              " actor text[], body jsonb[], body_hash bytea[], hash bytea[]",
    .param_count = 10,
    .text =
        "INSERT INTO bench_event SELECT $1, r.* FROM unnest($2::int8[], $3::text[], $4::int4[],"
        " $5::text[], $6::timestamptz[], $7::text[], $8::jsonb[], $9::bytea[], $10::bytea[]) AS r"};

static const struct rv_statement subject_make = {
    .name = "bench_subject_make",
    .params = "tenant int4, id text[], state jsonb[]",
    .param_count = 3,
    .text = "INSERT INTO bench_subject SELECT $1, r.* FROM unnest($2::text[], $3::jsonb[]) AS r"};

static const struct rv_migration *const rooms[] = {rv_journal_migrations, rv_gate_migrations,
                                                   rv_db_migrations, own_migrations, NULL};
static const struct rv_statement *const write_order[] = {&subject_make,
                                                         &rv_sql_journal_append,
                                                         &event_append,
                                                         &rv_sql_audit_append,
                                                         &rv_sql_audit_checkpoint_append,
                                                         &rv_sql_outbox_append,
                                                         NULL};

struct world {
    const struct bench_run *run;
    struct rv_loop *loop;
    struct rv_committer *committer;
    struct rv_db *db; /* raw */
    char *uri;
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

static void journal_row(struct rv_batch *batch, const struct bench_step *step)
{
    static const uint8_t digest[RV_JOURNAL_DIGEST_BYTES] = {1, 2, 3};
    json_t *out =
        json_pack("{s:s, s:I}", "status", "posted", "balance_minor", (json_int_t)step->seq * 100);
    rv_journal_append(batch, step->run, step->seq, 7, "invoice.post", digest, out);
    json_decref(out);
}

static void plain_prepare(struct bench_step *step)
{
    step->unit.load_count = 0;
    step->unit.needs_head = false;
}

static enum rv_code plain_decide(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err)
{
    (void)err;
    journal_row(batch, (struct bench_step *)unit);
    return RV_OK;
}

static const struct bench_step_kind plain = {plain_prepare, plain_decide};

static void gated_prepare(struct bench_step *step)
{
    step->unit.load_count = 1;
    step->unit.loads[0] = (struct rv_load){.statement = &subject_load, .args = step->args};
    step->unit.keys[1] = step->subject;
}

static void audit_row(struct rv_batch *batch, const struct bench_step *step, const char *kind)
{
    json_t *body = json_pack("{s:s, s:s, s:s, s:s, s:[s,s]}", "action", "invoice.post", "agent",
                             "price_variance", "resource", step->subject, "verdict", "allow",
                             "rules", "post-within-limit", "four-eyes-above-limit");
    rv_audit_append(batch, kind, step->run, step->seq, body);
    json_decref(body);
}

static enum rv_code gated_decide(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err)
{
    struct bench_step *step = (struct bench_step *)unit;
    const json_t *state = unit->loads[0].state;
    if (state == NULL) {
        return rv_fail(err, RV_NOT_FOUND, "no subject \"%s\"", step->subject);
    }
    struct rv_head *head = rv_batch_head(batch);
    json_t *body =
        json_pack("{s:s, s:I, s:s, s:[{s:s,s:I},{s:s,s:I}]}", "subject", step->subject,
                  "amount_minor", (json_int_t)125000, "currency", "EUR", "lines", "account", "4400",
                  "minor", (json_int_t)125000, "account", "1600", "minor", (json_int_t)-125000);
    struct rv_buf canonical;
    rv_buf_init(&canonical, 1 << 16);
    enum rv_code code = rv_json_canonical(body, &canonical, err);
    RV_ASSERT(code == RV_OK);
    struct rv_hash body_hash = rv_sha256(canonical.data, canonical.length);
    const struct rv_span chain[] = {{head->event_hash.bytes, RV_HASH_BYTES},
                                    {body_hash.bytes, RV_HASH_BYTES}};
    head->event_hash = rv_sha256_spans(chain, RV_COUNT(chain));
    struct rv_args *rows = rv_batch_rows(batch, &event_append);
    rv_args_i64(rows, 2, ++head->event_seq);
    rv_args_text(rows, 3, step->subject);
    rv_args_i32(rows, 4, (int32_t)rv_json_int(state, "version", 0) + 1);
    rv_args_text(rows, 5, "invoice.posted.v1");
    rv_args_time(rows, 6, head->now_us);
    rv_args_text(rows, 7, "agent:price_variance");
    rv_args_json_text(rows, 8, canonical.data, canonical.length);
    rv_args_bytes(rows, 9, body_hash.bytes, RV_HASH_BYTES);
    rv_args_bytes(rows, 10, head->event_hash.bytes, RV_HASH_BYTES);
    struct rv_args *outbox = rv_batch_rows(batch, &rv_sql_outbox_append);
    rv_args_i64(outbox, 2, head->event_seq);
    rv_args_text(outbox, 3, "invoice.posted");
    rv_args_json_text(outbox, 4, canonical.data, canonical.length);
    rv_buf_fini(&canonical);
    json_decref(body);
    audit_row(batch, step, "decision");
    audit_row(batch, step, "outcome");
    journal_row(batch, step);
    return RV_OK;
}

static const struct bench_step_kind gated = {gated_prepare, gated_decide};

/* ---- the closed loops ---- */

static void step_over(struct bench_step *step, enum rv_code code, const struct rv_error *err)
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
        rv_loop_stop(world->loop);
    }
}

static void unit_done(struct rv_unit *unit, enum rv_code code, const struct rv_error *err)
{
    struct bench_step *step = (struct bench_step *)unit;
    struct world *world = step->world;
    step_over(step, code, err);
    if (!world->stopping) {
        rv_commit(world->committer, unit);
    }
}

static void raw_send(struct bench_step *step);

static void raw_done(void *data, enum rv_code code, const struct rv_result *result,
                     const struct rv_error *err)
{
    (void)result;
    struct bench_step *step = data;
    step_over(step, code, err);
    if (!((struct world *)step->world)->stopping) {
        raw_send(step);
    }
}

static void raw_send(struct bench_step *step)
{
    struct world *world = step->world;
    struct rv_args *args = rv_args_create(&rv_sql_journal_append);
    static const uint8_t digest[RV_JOURNAL_DIGEST_BYTES] = {1, 2, 3};
    rv_args_i32(args, 1, TENANT);
    rv_args_i64(args, 2, step->run);
    rv_args_i32(args, 3, step->seq);
    rv_args_i32(args, 4, 7);
    rv_args_text(args, 5, "invoice.post");
    rv_args_bytes(args, 6, digest, sizeof digest);
    rv_args_bytes(args, 7, "\001{\"status\":\"posted\"}", 20);
    rv_db_query(world->db, TENANT, &rv_sql_journal_append, args, raw_done, step);
}

static void phase_over(void *data)
{
    rv_loop_stop(data);
}

static void wait_ms(struct world *world, int64_t ms)
{
    struct rv_timer *timer = rv_timer_create(world->loop, phase_over, world->loop);
    rv_timer_start(timer, ms);
    rv_loop_run(world->loop);
    rv_timer_close(timer);
}

/* Starts `runs` loops, warms up, measures, lets them end and reports. */
static void measure(struct world *world, const char *name, int runs,
                    const struct bench_step_kind *kind)
{
    if (!bench_wants(world->run, name)) {
        return;
    }
    world->stopping = false;
    world->running = runs;
    for (int i = 0; i < runs; i++) {
        struct bench_step *step = &world->steps[i];
        json_t *args = step->args;
        *step = (struct bench_step){.run = world->next_run++,
                                    .seq = 1,
                                    .args = args,
                                    .world = world,
                                    .started_us = now_us()};
        snprintf(step->key, sizeof step->key, "run:%" PRId64, step->run);
        snprintf(step->subject, sizeof step->subject, "invoice:%d", i);
        if (kind == NULL) {
            raw_send(step);
            continue;
        }
        step->unit = (struct rv_unit){
            .tenant = TENANT, .keys = {step->key}, .decide = kind->decide, .done = unit_done};
        kind->prepare(step);
        rv_commit(world->committer, &step->unit);
    }
    wait_ms(world, WARM_UP_MS);
    world->samples.count = 0;
    world->done = 0;
    struct rv_commit_stats before;
    rv_committer_stats(world->committer, &before);
    int64_t cpu = bench_cpu_us(test_postgres_pid());
    int64_t own = bench_cpu_us(0);
    int64_t start = now_us();
    wait_ms(world, (int64_t)(world->run->seconds * 1000));
    double seconds = (double)(now_us() - start) / 1e6;
    cpu = bench_cpu_us(test_postgres_pid()) - cpu;
    own = bench_cpu_us(0) - own;
    double steps = world->done > 0 ? (double)world->done : 1;
    struct rv_commit_stats after;
    rv_committer_stats(world->committer, &after);
    world->stopping = true;
    rv_loop_run(world->loop);
    double p99 = bench_percentile_ms(&world->samples, 99);
    double p50 = bench_percentile_ms(&world->samples, 50);
    bench_report(world->run, "journal", name, "steps_per_s", steps / seconds, "1/s");
    bench_report(world->run, "journal", name, "p50_ms", p50, "ms");
    bench_report(world->run, "journal", name, "p99_ms", p99, "ms");
    bench_report(world->run, "journal", name, "cpu_us_per_step", (double)cpu / steps, "us");
    bench_report(world->run, "journal", name, "own_cpu_us_per_step", (double)own / steps, "us");
    if (kind != NULL) {
        bench_report(world->run, "journal", name, "units_per_commit",
                     steps / (double)(after.batches - before.batches + 1), "1");
    }
}

/* ---- the stage ---- */

static enum rv_code fact_row(void *data, const struct rv_result *result, int row,
                             struct rv_error *err)
{
    (void)err;
    bench_fact(data, "journal", rv_result_text(result, row, 0), rv_result_text(result, row, 1));
    return RV_OK;
}

static void must(enum rv_code code, const struct rv_error *err)
{
    if (code != RV_OK) {
        fprintf(stderr, "%s (%s)\n", err->message, err->detail);
        exit(EXIT_FAILURE);
    }
}

static void make_tenant(struct world *world)
{
    static const struct rv_statement settings = {
        .name = "bench_settings",
        .params = "",
        .text = "SELECT name, setting || coalesce(unit, '') FROM pg_settings WHERE name IN "
                "('server_version',"
                " 'fsync', 'synchronous_commit', 'full_page_writes', 'shared_buffers', "
                "'wal_sync_method',"
                " 'max_wal_size', 'min_wal_size') ORDER BY name"};
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    must(rv_db_session_open(world->uri, &session, &err), &err);
    struct rv_args *args = rv_args_create(&rv_sql_tenant_create);
    rv_args_text(args, 1, "bench");
    rv_args_json_text(args, 2, "{}", 2);
    must(rv_db_session_query(session, 0, &rv_sql_tenant_create, args, NULL, NULL, &err), &err);
    args = rv_args_create(&subject_make);
    rv_args_i32(args, 1, TENANT);
    for (int i = 0; i < RUNS_MAX; i++) {
        char id[32];
        snprintf(id, sizeof id, "invoice:%d", i);
        world->steps[i].args = json_pack("{s:s}", "id", id);
        rv_args_text(args, 2, id);
        static const char state[] =
            "{\"facts\":{\"status\":\"registered\",\"amount_minor\":125000,"
            "\"currency\":\"EUR\",\"supplier\":\"supplier:17\",\"tolerance\":200}}";
        rv_args_json_text(args, 3, state, sizeof state - 1);
    }
    must(rv_db_session_query(session, TENANT, &subject_make, args, NULL, NULL, &err), &err);
    must(rv_db_session_query(session, 0, &settings, NULL, fact_row, (void *)(uintptr_t)world->run,
                             &err),
         &err);
    rv_db_session_close(session);
}

static void run_journal(const struct bench_run *run)
{
    rv_log_level(RV_LOG_WARN);
    test_postgres_start(TEST_PG_FSYNC);
    struct world *world = rv_alloc(sizeof *world);
    world->run = run;
    world->next_run = rv_id_make(rv_now_us(rv_clock_system()));
    world->uri = test_postgres_database(rooms);
    make_tenant(world);
    char *superuser = test_postgres_superuser(world->uri);
    test_postgres_execute(
        superuser,
        "SELECT count(pg_logical_emit_message(false, 'fill', repeat(md5(g::text), 32768)))"
        " FROM generate_series(1, 900) AS g");
    test_postgres_execute(superuser, "CHECKPOINT");
    rv_free(superuser);
    char key[] = "/tmp/reeve-bench-key-XXXXXX";
    int fd = mkstemp(key);
    RV_ASSERT(fd >= 0);
    close(fd);
    unlink(key); /* rv_audit_open makes it */
    struct rv_error err = {.code = RV_OK};
    struct rv_audit *audit = NULL;
    must(rv_audit_open(key, &audit, &err), &err);
    world->loop = rv_loop_create(rv_clock_system());
    world->committer =
        rv_committer_create(&(struct rv_committer_options){.loop = world->loop,
                                                           .database_uri = world->uri,
                                                           .write_order = write_order,
                                                           .seal = rv_audit_seal,
                                                           .seal_data = audit});
    static const struct {
        const char *name;
        int runs;
        const struct bench_step_kind *kind;
    } cases[] = {{"plain_1", 1, &plain}, {"plain_32", 32, &plain}, {"plain_256", 256, &plain},
                 {"gated_1", 1, &gated}, {"gated_32", 32, &gated}, {"gated_256", 256, &gated},
                 {"raw_1", 1, NULL},     {"raw_32", 32, NULL}};
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        if (cases[i].kind == NULL) {
            world->db = rv_db_create(&(struct rv_db_options){
                .loop = world->loop, .uri = world->uri, .connections = cases[i].runs});
        }
        measure(world, cases[i].name, cases[i].runs, cases[i].kind);
        if (cases[i].kind == NULL) {
            rv_db_close(world->db, NULL, NULL);
        }
    }
    rv_committer_close(world->committer, NULL, NULL);
    rv_loop_run(world->loop);
    rv_loop_destroy(world->loop);
    rv_audit_close(audit);
    unlink(key);
    char public_key[sizeof key + sizeof ".pub"];
    snprintf(public_key, sizeof public_key, "%s.pub", key);
    unlink(public_key);
    for (int i = 0; i < RUNS_MAX; i++) {
        json_decref(world->steps[i].args);
    }
    bench_samples_free(&world->samples);
    rv_free(world->uri);
    rv_free(world);
}

const struct bench bench_journal = {
    .name = "journal",
    .summary = "durable steps a second through the committer, fsync on",
    .run = run_journal,
};
