/* bench_park.c -- runs that wait for a signal: what each costs while it waits, and how long it
 * takes to wake.
 *
 *   disk_bytes_per_run   of run, run_input and journal with their indexes, after a vacuum
 *   rss_bytes_per_run    of the serving process, with and without them
 *   look_ms              the orchestrator's question which runs can move, asked alone: median
 *   wake_p50_ms, _p99_ms from the signal being committed by another process (with its notification)
 *                        to the entry that the plan heard it, one at a time
 * and, case idle, 1,000 companies in which nothing happens:
 *   cpu_percent          of one core, reeve and PostgreSQL together
 * and, case approval, how long a run that waits for a person's decision takes to go on with it:
 * bench_decision.c.
 */
#include "tests/bench/bench_decision.h"
#include "tests/bench/served.h"

#include "run_sql.h"
#include "runtime/base/check.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

extern const struct bench bench_park;

enum {
    RUNS = 100000, /* or --runs, rounded up to whole batches */
    BATCH = 20000,
    PROTOTYPE = 1,
    FIRST = 1000,
    WAKES = 40,
    LOOKS = 15,
    COMPANIES = 1000,
    REST_MS = 25000, /* until looks are as rare as they get */
    IDLE_MS = 20000
};

static const char agent[] =
    "local agent = { name = 'waiter', version = '1', summary = 'waits', handles = {'F22'},\n"
    "  uses = {} }\n"
    "function agent.plan(ctx, exception)\n"
    "  ctx:signal('go', 864000)\n"
    "  return ctx:plan()\n"
    "end\n"
    "return agent\n";

static const char *const tables[] = {"run", "run_input", "journal_default"};

static int64_t disk(struct served *served, int table)
{
    char sql[96];
    snprintf(sql, sizeof sql, "SELECT pg_total_relation_size('%s')", tables[table]);
    return served_number(served, sql);
}

static double median_look(struct served *served)
{
    struct bench_samples samples = {.us = NULL};
    const char *values[] = {"1", "1024", "0", "true", "{}"};
    for (int i = 0; i < LOOKS; i++) {
        int64_t begin = served_now_us();
        PGresult *result =
            PQexecParams(served->conn, rv_sql_company_look.text, 5, NULL, values, NULL, NULL, 0);
        RV_ASSERT(PQresultStatus(result) == PGRES_TUPLES_OK);
        bench_sample(&samples, served_now_us() - begin);
        PQclear(result);
    }
    double ms = bench_percentile_ms(&samples, 50);
    bench_samples_free(&samples);
    return ms;
}

/* As another process does it (runtime/run/request.c): the signal, the wake, the notification. */
static void send_signal(struct served *served, int64_t id)
{
    char sql[320];
    char runs[32];
    snprintf(sql, sizeof sql,
             "BEGIN; INSERT INTO run_signal (tenant_id, run_id, id, name, body, sent_by)"
             " VALUES (1, %" PRId64 ", 1, 'go', '{}', 'bench')",
             id);
    served_do(served, sql);
    snprintf(runs, sizeof runs, "{%" PRId64 "}", id);
    const char *values[] = {"1", runs};
    PGresult *result =
        PQexecParams(served->conn, rv_sql_run_signal_wake.text, 2, NULL, values, NULL, NULL, 0);
    RV_ASSERT(PQresultStatus(result) == PGRES_COMMAND_OK);
    PQclear(result);
    served_do(served, "SELECT pg_notify('reeve_wake', '1'); COMMIT");
}

static bool wake(struct served *served, int runs, struct bench_samples *samples)
{
    for (int i = 0; i < WAKES; i++) {
        char sql[256];
        int64_t id = FIRST + (int64_t)i * (runs / WAKES);
        served_nap(37 * i % 500); /* not in step with the looks */
        send_signal(served, id);
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM journal WHERE run_id = %" PRId64 " AND seq = 2", id);
        int64_t took = served_until(served, sql, 1, 30);
        if (took < 0) {
            return false;
        }
        bench_sample(samples, took);
    }
    return true;
}

static void idle(const struct bench_run *run)
{
    static const char name[] = "park";
    struct served served;
    char sql[128];
    served_open(&served, name);
    snprintf(sql, sizeof sql,
             "SELECT reeve_tenant_create('i' || g, '{}') FROM generate_series(1, %d) g", COMPANIES);
    served_do(&served, sql);
    served_start(&served);
    if (served_until(&served, "SELECT count(owner_node) FROM tenant_head", COMPANIES, 60) >= 0) {
        served_nap(REST_MS);
        int64_t cpu = served_cpu_us(&served);
        int64_t begin = served_now_us();
        served_nap(IDLE_MS);
        double share = (double)(served_cpu_us(&served) - cpu) / (double)(served_now_us() - begin);
        bench_report(run, name, "idle", "companies", COMPANIES, "");
        bench_report(run, name, "idle", "cpu_percent", share * 100, "%");
        bench_report(run, name, "idle", "rss_mib", (double)served_rss(&served) / (1 << 20), "MiB");
    }
    served_close(&served);
}

static void parked(const struct bench_run *run)
{
    static const char name[] = "park";
    struct served served;
    struct bench_samples samples = {.us = NULL};
    int runs = run->runs > 0 ? (int)((run->runs + BATCH - 1) / BATCH * BATCH) : RUNS;
    served_open(&served, name);
    served_company(&served, 1, agent);
    served_start(&served);
    served_fresh_runs(&served, 1, PROTOTYPE, 1);
    bool ok =
        served_until(&served, "SELECT count(*) FROM run WHERE waiting_on = 'signal'", 1, 30) >= 0;
    served_nap(3000); /* at rest */
    int64_t rss = served_rss(&served);
    served_do(&served, "VACUUM FULL run, run_input, journal_default");
    int64_t bytes[RV_COUNT(tables)];
    for (int i = 0; i < (int)RV_COUNT(tables); i++) {
        bytes[i] = disk(&served, i);
    }
    for (int i = 0; ok && i < runs; i += BATCH) {
        served_copy_runs(&served, 1, PROTOTYPE, FIRST + i, BATCH);
    }
    served_do(&served, "VACUUM ANALYZE run, run_input, journal_default");
    served_nap(5000); /* ten looks */
    if (ok && wake(&served, runs, &samples)) {
        bench_report(run, name, name, "runs", runs, "");
        double all = 0;
        for (int i = 0; i < (int)RV_COUNT(tables); i++) {
            char metric[48];
            double each = (double)(disk(&served, i) - bytes[i]) / runs;
            all += each;
            snprintf(metric, sizeof metric, "%s_bytes_per_run", tables[i]);
            bench_report(run, name, name, metric, each, "B");
        }
        bench_report(run, name, name, "disk_bytes_per_run", all, "B");
        bench_report(run, name, name, "rss_bytes_per_run",
                     (double)(served_rss(&served) - rss) / runs, "B");
        bench_report(run, name, name, "rss_mib", (double)served_rss(&served) / (1 << 20), "MiB");
        bench_report(run, name, name, "look_ms", median_look(&served), "ms");
        bench_report(run, name, name, "wake_p50_ms", bench_percentile_ms(&samples, 50), "ms");
        bench_report(run, name, name, "wake_p99_ms", bench_percentile_ms(&samples, 99), "ms");
    } else {
        fprintf(stderr, "park: a run does not wait, or does not wake\n");
    }
    bench_samples_free(&samples);
    served_close(&served);
}

static void park_run(const struct bench_run *run)
{
    if (bench_wants(run, "park")) {
        parked(run);
    }
    if (bench_wants(run, "idle")) {
        idle(run);
    }
    if (bench_wants(run, "approval")) {
        bench_decision_run(run);
    }
}

const struct bench bench_park = {
    "park", "100,000 runs that wait: memory and disk of each, and how fast one wakes", park_run};
