/* bench_fair.c -- a company with a mountain of runs, and another one that only wants one now and
 * then.
 *
 *   alone_p50_ms, _p99_ms      of the second company, while the first has nothing to do: from the
 *                              run being there to its first journal entry
 *   beside_p50_ms, _p99_ms     the same while the first company works at its backlog
 *   raised_ms                  by how much the p99 rose
 *   jain                       of two companies with equal backlogs: Jain's index of what each got
 *                              done in the measured time (1: the same)
 *   share_1_percent, _2_, _4_  case "weights": of three companies with equal backlogs and the
 *                              weights 1, 2 and 4, what each got done of all that was done
 *   off_percent                by how much the worst of these is off what its weight says, of that
 * All on one core of the program.  A backlog of 100,000; of 60,000 each with weights.
 */
#include "tests/bench/served.h"

#include "runtime/base/check.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

extern const struct bench bench_fair;

enum {
    BACKLOG = 100000,
    BATCH = 20000,
    STARTS = 40,
    FIRST = 1000,
    OFTEN_MS = 100,
    JAIN_MS = 10000,
    WEIGHTED = 3,
    WEIGHTED_BACKLOG = 60000, /* of the heaviest more than it works off in WEIGHTED_MS */
    WEIGHTED_MS = 15000
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

static void backlog(struct served *served, int tenant, int64_t first, int count)
{
    for (int i = 0; i < count; i += BATCH) {
        served_fresh_runs(served, tenant, first + i, BATCH);
    }
}

/* ---- weights ---- */

static void report_weights(const struct bench_run *run, const int *weights, const double *done)
{
    double all = 0;
    double weight = 0;
    double worst = 0;
    for (int i = 0; i < WEIGHTED; i++) {
        all += done[i];
        weight += weights[i];
    }
    for (int i = 0; i < WEIGHTED; i++) {
        char metric[32];
        double share = 100 * done[i] / all;
        double due = 100 * weights[i] / weight;
        worst = fmax(worst, 100 * fabs(share - due) / due);
        snprintf(metric, sizeof metric, "share_%d_percent", weights[i]);
        bench_report(run, "fair", "weights", metric, share, "%");
    }
    bench_report(run, "fair", "weights", "off_percent", worst, "%");
    bench_report(run, "fair", "weights", "runs_per_s", all / (WEIGHTED_MS / 1000.0), "runs/s");
}

static void weights_run(const struct bench_run *run)
{
    static const int weights[WEIGHTED] = {1, 2, 4};
    double done[WEIGHTED];
    bool left = true;
    struct served served;
    served_open(&served, "fair-weights");
    for (int i = 0; i < WEIGHTED; i++) {
        served_company(&served, i + 1, agent);
        backlog(&served, i + 1, FIRST + (int64_t)i * WEIGHTED_BACKLOG, WEIGHTED_BACKLOG);
    }
    served_do(&served, "ANALYZE run, run_input, journal");
    setenv("REEVE_RUNTIME_WEIGHTS", "1=1,2=2,3=4", 1);
    served_start(&served);
    unsetenv("REEVE_RUNTIME_WEIGHTS");
    bool ok =
        served_until(&served, "SELECT count(*) FROM run WHERE status = 'done'", FIRST, 60) >= 0;
    served_nap(2000);
    for (int i = 0; i < WEIGHTED; i++) {
        done[i] = (double)-over(&served, i + 1);
    }
    served_nap(WEIGHTED_MS);
    for (int i = 0; i < WEIGHTED; i++) {
        int64_t now = over(&served, i + 1);
        done[i] += (double)now;
        left = left && now < WEIGHTED_BACKLOG;
    }
    if (ok && left) {
        report_weights(run, weights, done);
    } else {
        fprintf(stderr, "fair: no run ended, or a backlog was worked off too soon\n");
    }
    served_close(&served);
}

/* ---- two companies ---- */

static void backlog_run(const struct bench_run *run)
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
    backlog(&served, 1, 10 * FIRST, BACKLOG);
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
    backlog(&served, 3, 10 * FIRST + BACKLOG, BACKLOG);
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

static void fair_run(const struct bench_run *run)
{
    if (bench_wants(run, "fair")) {
        backlog_run(run);
    }
    if (bench_wants(run, "weights")) {
        weights_run(run);
    }
}

const struct bench bench_fair = {
    "fair", "a backlog of 100,000 runs of one company, and how long another one's wait", fair_run};
