/* bench_outage.h -- the case "outage" of `recover`: the database is away under 1,000 active runs;
 * see bench_outage.c. */
#ifndef REEVE_TESTS_BENCH_BENCH_OUTAGE_H
#define REEVE_TESTS_BENCH_BENCH_OUTAGE_H

#include "tests/bench/bench.h"

void bench_outage_run(const struct bench_run *run);

#endif
