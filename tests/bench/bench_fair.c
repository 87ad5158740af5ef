/* bench_fair.c -- a company with a mountain of runs, and another one that only wants one now and
 * then.
 *
 *   alone_p50_ms, _p99_ms      of the second company, while the first has nothing to do: from the
 *                              run being there to its first journal entry
 *   beside_p50_ms, _p99_ms     the same while the first company works at its backlog
 *   raised_ms                  by how much the p99 rose
 *   jain                       of two companies with equal backlogs: Jain's index of what each got
 *                              done in the measured time (1: the same)
 * All on one core of the program.  A backlog of 100,000.
 */
#include "tests/bench/served.h"

#include "runtime/base/check.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

extern const struct bench bench_fair;

enum {
    BACKLOG = 100000,
    BATCH = 20000,
    STARTS = 40,
    FIRST = 1000,
    OFTEN_MS = 100,
    JAIN_MS = 10000
};

static const char agent[] =
    "local agent = { name = 'noter', version = '1', summary = 'notes', handles = {'F22'},\n"
    "  uses = {} }\n"
    "function agent.plan(ctx, exception)\n"
    "  ctx:note('first')\n  ctx:note('second')\n"
    "  return ctx:plan()\n"
    "end\n"
    "return agent\n";

/* Starts runs of company 2 one after the other; ids from `first`. */
static bool starts(struct served *served, int64_t first, struct bench_samples *samples)
{
    for (int i = 0; i < STARTS; i++) {
        char sql[160];
        int64_t id = first + i;
        served_nap(OFTEN_MS + 37 * i % 500); /* not in step with the looks */
        served_fresh_runs(served, 2, id, 1);
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM journal WHERE run_id = %" PRId64 " AND seq = 1", id);
        int64_t took = served_until(served, sql, 1, 60);
        if (took < 0) {
            return false;
        }
        bench_sample(samples, took);
    }
    return true;
}

static int64_t over(struct served *served, int tenant)
{
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM run WHERE tenant_id = %d AND status = 'done'",
             tenant);
    return served_number(served, sql);
}

static void backlog(struct served *served, int tenant, int64_t first)
{
    for (int i = 0; i < BACKLOG; i += BATCH) {
        served_fresh_runs(served, tenant, first + i, BATCH);
    }
}

static void fair_run(const struct bench_run *run)
{
    static const char name[] = "fair";
    struct served served;
    struct bench_samples alone = {.us = NULL};
    struct bench_samples beside = {.us = NULL};
    served_open(&served, name);
    for (int tenant = 1; tenant <= 3; tenant++) {
        served_company(&served, tenant, agent);
    }
    served_start(&served);
    served_fresh_runs(&served, 2, 1, 1); /* everything is warm when it is done */
    bool ok = served_until(&served, "SELECT count(*) FROM run WHERE status = 'done'", 1, 60) >= 0;
    ok = ok && starts(&served, FIRST, &alone);
    backlog(&served, 1, 10 * FIRST);
    served_do(&served, "ANALYZE run, run_input, journal");
    served_nap(2000);
    int64_t began = served_now_us();
    int64_t before = over(&served, 1);
    ok = ok && starts(&served, 2 * FIRST, &beside);
    double rate = (double)(over(&served, 1) - before) / ((double)(served_now_us() - began) / 1e6);
    int64_t left = BACKLOG - over(&served, 1);
    if (!ok || left <= 0) {
        fprintf(stderr, "fair: a run did not start, or the backlog was worked off too soon\n");
        served_close(&served);
        return;
    }
    double alone_ms = bench_percentile_ms(&alone, 99);
    double beside_ms = bench_percentile_ms(&beside, 99);
    bench_report(run, name, name, "alone_p50_ms", bench_percentile_ms(&alone, 50), "ms");
    bench_report(run, name, name, "alone_p99_ms", alone_ms, "ms");
    bench_report(run, name, name, "beside_p50_ms", bench_percentile_ms(&beside, 50), "ms");
    bench_report(run, name, name, "beside_p99_ms", beside_ms, "ms");
    bench_report(run, name, name, "raised_ms", beside_ms - alone_ms, "ms");
    bench_report(run, name, name, "backlog_runs_per_s", rate, "runs/s");
    backlog(&served, 3, 10 * FIRST + BACKLOG);
    served_do(&served, "ANALYZE run, run_input, journal");
    served_nap(2000);
    double a = (double)-over(&served, 1);
    double b = (double)-over(&served, 3);
    served_nap(JAIN_MS);
    a += (double)over(&served, 1);
    b += (double)over(&served, 3);
    bench_report(run, name, name, "jain_a_runs", a, "");
    bench_report(run, name, name, "jain_b_runs", b, "");
    bench_report(run, name, name, "jain", (a + b) * (a + b) / (2 * (a * a + b * b)), "");
    bench_samples_free(&alone);
    bench_samples_free(&beside);
    served_close(&served);
}

const struct bench bench_fair = {
    "fair", "a backlog of 100,000 runs of one company, and how long another one's wait", fair_run};
