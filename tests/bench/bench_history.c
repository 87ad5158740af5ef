/* bench_history.c -- one run without an end in sight, and what a run costs on the disk.
 *
 * Case history: a plan that works in rounds: notes, signals that are there before it asks, and a
 * checkpoint.  1,000,000 steps and 100,000 signals of one run, one after the other, each durable.
 *   steps, signals       that the journal holds at the end
 *   wall_s, steps_per_s  until then
 *   rss_growth_mib       of the serving process: the most after the warm-up (a tenth of the way)
 *                        against what it had then
 *   cold_resume_ms       the process is killed and begun again; from a signal that another process
 *                        commits until the run, which the new process has never seen, has read its
 *                        newest checkpoint and the 400 entries behind it, gone its way again and
 *                        written what it heard: median of nine
 *   bytes_per_step       journal with its indexes
 * Case storage: runs of five notes, a plan and an outcome, as they lie there when they are over.
 *   journal_bytes_per_step, bytes_per_run   with indexes; the run, its input and its result too
 * Case drop: a month of 10,000,000 steps of five-step runs is past its retention.
 *   count_ms   what `reeve retention preview` asks: its runs and steps, counted
 *   drop_ms    the transaction that drops it
 *   dead_rows  that it leaves for a vacuum
 * Case payloads: large results through one run, bench_payloads.c.
 */
#include "tests/bench/bench_payloads.h"
#include "tests/bench/served.h"

#include "run_sql.h"
#include "runtime/base/check.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

extern const struct bench bench_history;

enum {
    RUN = 1,
    STEPS = 1000000,
    ROUND_NOTES = 400,
    ROUND_SIGNALS = 50, /* two entries each: that it waits, and what came */
    ROUND_STEPS = ROUND_NOTES + 2 * ROUND_SIGNALS + 1,
    RESUMES = 9,
    LOOK_MS = 500,
    STILL_S = 120,     /* nothing was written for so long: it stands still */
    SMALL_RUNS = 2000, /* of a batch */
    BATCHES = 5,
    MONTH_STEPS = 10000000,
    MONTH_RUN_STEPS = 5
};

static const char rounds_agent[] =
    "local agent = { name = 'rounds', version = '1', summary = 'works in rounds',\n"
    "  handles = {'F22'}, uses = {}, limits = { steps = 1000000000 } }\n"
    "function agent.plan(ctx, exception)\n"
    "  local state = ctx.state or { round = 0, heard = 0 }\n"
    "  if state.round < %d then\n"
    "    state.round = state.round + 1\n"
    "    for i = 1, %d do ctx:note('n' .. i) end\n"
    "    for _ = 1, %d do\n"
    "      local told = ctx:signal('n', 86400)\n"
    "      assert(told.n == state.heard + 1, 'signals come in their order')\n"
    "      state.heard = told.n\n"
    "    end\n"
    "    ctx:checkpoint(state)\n"
    "  end\n"
    "  for i = 1, %d do ctx:note('e' .. i) end\n"
    "  for _ = 1, %d do ctx:signal('end', 864000) end\n"
    "  return ctx:plan()\n"
    "end\n"
    "return agent\n";

static const char small_agent[] =
    "local agent = { name = 'small', version = '1', summary = 'five notes', handles = {'F22'},\n"
    "  uses = {} }\n"
    "function agent.plan(ctx, exception)\n"
    "  for i = 1, 5 do ctx:note('step ' .. i) end\n"
    "  return ctx:plan():summary('five notes')\n"
    "end\n"
    "return agent\n";

static const char journal_bytes[] = "SELECT sum(pg_total_relation_size(t.relid)) FROM "
                                    "pg_partition_tree('journal') t WHERE t.isleaf";
static const char run_bytes[] =
    "SELECT sum(pg_total_relation_size(r)) FROM unnest(ARRAY['run', 'run_input',"
    " 'run_result']::regclass[]) AS r";
static const char last_step[] = "SELECT coalesce(max(seq), 0) FROM journal WHERE run_id = 1";

static void send_signals(struct served *served, const char *name, int count)
{
    char sql[256];
    snprintf(sql, sizeof sql,
             "INSERT INTO run_signal (tenant_id, run_id, id, name, body, sent_by)"
             " SELECT 1, %d, (SELECT coalesce(max(id), 0) FROM run_signal) + g, '%s',"
             " jsonb_build_object('n', g), 'bench' FROM generate_series(1, %d) AS g",
             RUN, name, count);
    served_do(served, sql);
}

/* As another process does it (runtime/run/request.c). */
static void wake_with(struct served *served, const char *name)
{
    const char *values[] = {"1", "{1}"};
    served_do(served, "BEGIN");
    send_signals(served, name, 1);
    PGresult *result =
        PQexecParams(served->conn, rv_sql_run_signal_wake.text, 2, NULL, values, NULL, NULL, 0);
    RV_ASSERT(PQresultStatus(result) == PGRES_COMMAND_OK);
    PQclear(result);
    served_do(served, "SELECT pg_notify('reeve_wake', '1'); COMMIT");
}

/* Until step `last` is there; the most memory after a tenth of the way against what it was then. */
static bool watch(struct served *served, int64_t last, int64_t *growth)
{
    int64_t base = 0;
    int64_t most = 0;
    int64_t seq = 0;
    int64_t moved_us = served_now_us();
    while (seq < last) {
        served_nap(LOOK_MS);
        int64_t now = served_number(served, last_step);
        int64_t rss = served_rss(served);
        if (now > seq) {
            moved_us = served_now_us();
        } else if (served_now_us() - moved_us > STILL_S * INT64_C(1000000)) {
            fprintf(stderr, "history: the run stands still at step %" PRId64 "\n", seq);
            return false;
        }
        seq = now;
        if (seq > last / 10) {
            base = base == 0 ? rss : base;
            most = rss > most ? rss : most;
        }
    }
    *growth = most - base;
    return true;
}

/* Killed, begun again, at rest; then a signal: microseconds until it is in the journal. */
static int64_t resume(struct served *served, int64_t heard)
{
    char sql[160];
    served_kill(served, SIGKILL);
    served_start(served);
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM tenant_head h JOIN node n ON n.node_id = h.owner_node"
             " WHERE n.pid = %d",
             (int)served->pid);
    if (served_until(served, sql, 1, 30) < 0) {
        return -1;
    }
    served_nap(1500);
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM journal WHERE run_id = %d AND seq = %" PRId64 " AND kind = 5",
             RUN, heard);
    wake_with(served, "end");
    return served_until(served, sql, 1, 30);
}

static void history(const struct bench_run *run)
{
    static const char name[] = "history";
    struct served served;
    struct bench_samples samples = {.us = NULL};
    char source[2048];
    int rounds = (int)((run->steps > 0 ? run->steps : STEPS) + ROUND_STEPS - 1) / ROUND_STEPS;
    int64_t last = (int64_t)rounds * ROUND_STEPS + ROUND_NOTES + 1; /* and that it waits */
    int64_t growth = 0;
    snprintf(source, sizeof source, rounds_agent, rounds, ROUND_NOTES, ROUND_SIGNALS, ROUND_NOTES,
             RESUMES);
    served_open(&served, name);
    served_company(&served, 1, source);
    send_signals(&served, "n", rounds * ROUND_SIGNALS);
    served_do(&served, "VACUUM ANALYZE run_signal");
    int64_t bytes = served_number(&served, journal_bytes);
    served_start(&served);
    served_fresh_runs(&served, 1, RUN, 1);
    int64_t begin = served_now_us();
    bool ok = watch(&served, last, &growth);
    double wall_s = (double)(served_now_us() - begin) / 1e6;
    bytes = served_number(&served, journal_bytes) - bytes;
    for (int i = 0; ok && i < RESUMES; i++) {
        int64_t took = resume(&served, last + 1 + 2 * (int64_t)i);
        ok = took >= 0;
        bench_sample(&samples, took);
    }
    ok = ok && served_until(&served, "SELECT count(*) FROM run WHERE status = 'done'", 1, 30) >= 0;
    if (ok) {
        int64_t heard = served_number(
            &served, "SELECT count(*) FROM run_signal WHERE name = 'n' AND consumed_seq > 0");
        bench_report(run, name, name, "steps", (double)served_number(&served, last_step), "");
        bench_report(run, name, name, "signals", (double)heard, "");
        bench_report(run, name, name, "wall_s", wall_s, "s");
        bench_report(run, name, name, "steps_per_s", (double)last / wall_s, "1/s");
        bench_report(run, name, name, "rss_growth_mib", (double)growth / (1 << 20), "MiB");
        bench_report(run, name, name, "cold_resume_ms", bench_percentile_ms(&samples, 50), "ms");
        bench_report(run, name, name, "cold_resume_max_ms", bench_percentile_ms(&samples, 100),
                     "ms");
        bench_report(run, name, name, "bytes_per_step", (double)bytes / (double)last, "B");
    } else {
        fprintf(stderr, "history: the run did not come to its end\n");
    }
    bench_samples_free(&samples);
    served_close(&served);
}

/* A batch of small runs, driven to their end, and the vacuum that a server does by itself. */
static bool batch(struct served *served, int number)
{
    served_fresh_runs(served, 1, (int64_t)number * SMALL_RUNS, SMALL_RUNS);
    bool ok = served_until(served, "SELECT count(*) FROM run WHERE status = 'done'",
                           (int64_t)number * SMALL_RUNS, 300) >= 0;
    served_do(served, "VACUUM ANALYZE run, run_input, run_result, journal");
    return ok;
}

static void storage(const struct bench_run *run)
{
    static const char name[] = "history";
    struct served served;
    served_open(&served, name);
    served_company(&served, 1, small_agent);
    served_start(&served);
    bool ok = batch(&served, 1); /* the room for what changes is there afterwards */
    int64_t journal = served_number(&served, journal_bytes);
    int64_t runs = served_number(&served, run_bytes);
    int64_t steps = served_number(&served, "SELECT count(*) FROM journal");
    for (int i = 2; ok && i <= BATCHES; i++) {
        ok = batch(&served, i);
    }
    if (ok) {
        const double count = (BATCHES - 1) * SMALL_RUNS;
        steps = served_number(&served, "SELECT count(*) FROM journal") - steps;
        journal = served_number(&served, journal_bytes) - journal;
        runs = served_number(&served, run_bytes) - runs;
        bench_report(run, name, "storage", "runs", count, "");
        bench_report(run, name, "storage", "steps_per_run", (double)steps / count, "");
        bench_report(run, name, "storage", "journal_bytes_per_step",
                     (double)journal / (double)steps, "B");
        bench_report(run, name, "storage", "journal_bytes_per_run", (double)journal / count, "B");
        bench_report(run, name, "storage", "bytes_per_run", (double)(journal + runs) / count, "B");
    } else {
        fprintf(stderr, "history: the small runs did not come to their end\n");
    }
    served_close(&served);
}

static void drop(const struct bench_run *run)
{
    static const char name[] = "history";
    struct served served;
    char sql[640];
    int64_t runs = (run->steps > 0 ? run->steps : MONTH_STEPS) / MONTH_RUN_STEPS;
    served_open(&served, name);
    served_company(&served, 1, small_agent);
    served_do(&served, "SET ROLE reeve_owner; SELECT reeve_journal_make('journal_2021_01', "
                       "'2021-01-01 00:00:00+00', '2021-02-01 00:00:00+00'); RESET ROLE");
    snprintf(sql, sizeof sql,
             "INSERT INTO journal (tenant_id, run_id, seq, kind, name, digest, out)"
             " SELECT 1, reeve_run_bound('2021-01-01 00:00:00+00') + g * 1000, s, 12, 'note',"
             "  '\\x00112233445566778899aabbccddeeff',"
             "  '\\x01'::bytea || convert_to('{\"ok\":true,\"value\":{\"text\":\"step ' || s ||"
             "  '\"}}', 'UTF8') FROM generate_series(1, %" PRId64
             ") AS g, generate_series(1, %d) AS s",
             runs, MONTH_RUN_STEPS);
    served_do(&served, sql);
    snprintf(sql, sizeof sql,
             "INSERT INTO run (tenant_id, id, agent, plan_hash, status, steps)"
             " SELECT 1, reeve_run_bound('2021-01-01 00:00:00+00') + g * 1000, a.name,"
             "  a.active_hash, 'done', %d FROM generate_series(1, %" PRId64 ") AS g, agent a",
             MONTH_RUN_STEPS, runs);
    served_do(&served, sql);
    served_do(&served, "VACUUM ANALYZE run, journal");
    served_do(&served, "CHECKPOINT");
    int64_t bytes =
        served_number(&served, "SELECT pg_total_relation_size('journal_2021_01'::regclass)");
    int64_t begin = served_now_us();
    int64_t steps =
        served_number(&served, "SELECT steps FROM reeve_journal_tally('journal_2021_01')");
    int64_t counted = served_now_us();
    served_do(&served,
              "BEGIN; SET LOCAL ROLE reeve_owner; SELECT reeve_journal_drop('journal_2021_01', 12,"
              " 'bench', '[]'); COMMIT");
    int64_t dropped = served_now_us();
    bench_report(run, name, "drop", "steps", (double)steps, "");
    bench_report(run, name, "drop", "mib", (double)bytes / (1 << 20), "MiB");
    bench_report(run, name, "drop", "count_ms", (double)(counted - begin) / 1000, "ms");
    bench_report(run, name, "drop", "drop_ms", (double)(dropped - counted) / 1000, "ms");
    served_do(&served, "SELECT pg_stat_force_next_flush()");
    bench_report(run, name, "drop", "dead_rows",
                 (double)served_number(&served, "SELECT coalesce(sum(n_dead_tup), 0) FROM "
                                                "pg_stat_user_tables WHERE relname LIKE 'journal%'"
                                                " OR relname = 'run'"),
                 "");
    served_close(&served);
}

static void history_run(const struct bench_run *run)
{
    if (bench_wants(run, "history")) {
        history(run);
    }
    if (bench_wants(run, "storage")) {
        storage(run);
    }
    if (bench_wants(run, "drop")) {
        drop(run);
    }
    if (bench_wants(run, "payloads")) {
        bench_payloads_run(run);
    }
}

const struct bench bench_history = {
    "history", "a run of 1,000,000 steps and 100,000 signals; what a small one costs on the disk",
    history_run};
