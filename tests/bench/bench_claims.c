/* bench_claims.c -- 100,000 runs over 100 business keys, on a private server with fsync on.
 *
 *   contest   256 runs at a time ask for their key until they have it, add one to its counter in
 *             two transactions, and end; three committers.  lost_updates, two_holders, deadlocks
 *             must be 0.  answer_*: from asking to being told, in the crowd; arbitration_us: time
 *             of the whole by answers, the runs' own work included
 *   alone     one asks for a held key, with nobody beside it: from asking to being told who has it
 */
#include "runtime/base/check.h"
#include "tests/bench/bench.h"
#include "tests/support/contest.h"
#include "tests/support/postgres.h"

extern const struct bench bench_claims;

enum { RUNS = 100000, KEYS = 100, AT_ONCE = 256, ALONE = 2000, SEED = 7 };

static void times(const struct bench_run *run, const char *name, const int32_t *us, int64_t count)
{
    struct bench_samples samples = {.us = NULL};
    for (int64_t i = 0; i < count; i++) {
        bench_sample(&samples, us[i]);
    }
    bench_report(run, "claims", name, "answer_p50_ms", bench_percentile_ms(&samples, 50), "ms");
    bench_report(run, "claims", name, "answer_p99_ms", bench_percentile_ms(&samples, 99), "ms");
    bench_samples_free(&samples);
}

static void claims_run(const struct bench_run *run)
{
    struct contest_wish wish = {.runs = run->runs > 0 ? (int)run->runs : RUNS,
                                .keys = KEYS,
                                .at_once = AT_ONCE,
                                .alone = ALONE,
                                .seed = SEED};
    struct contest_result got;
    test_postgres_start(TEST_PG_FSYNC);
    contest_run(&wish, &got);
    double answers = (double)(got.won + got.refused);
    bench_report(run, "claims", "contest", "runs", (double)got.won, "runs");
    bench_report(run, "claims", "contest", "refused", (double)got.refused, "");
    bench_report(run, "claims", "contest", "lost_updates", (double)(got.won - got.counted), "");
    bench_report(run, "claims", "contest", "two_holders", (double)(got.second + got.overlapping),
                 "");
    bench_report(run, "claims", "contest", "deadlocks", (double)got.deadlocks, "");
    bench_report(run, "claims", "contest", "runs_per_s", (double)got.won / got.seconds, "runs/s");
    bench_report(run, "claims", "contest", "arbitration_us", got.seconds * 1e6 / answers, "us");
    times(run, "contest", got.answer_us, got.won + got.refused);
    times(run, "alone", got.alone_us, wish.alone);
    rv_free(got.answer_us);
    rv_free(got.alone_us);
}

const struct bench bench_claims = {
    "claims", "100,000 runs over 100 business keys: nothing lost, and how soon who is told",
    claims_run};
