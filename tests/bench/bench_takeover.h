/* bench_takeover.h -- the case "nodes" of bench_recover: two nodes, one of which goes. */
#ifndef REEVE_TESTS_BENCH_BENCH_TAKEOVER_H
#define REEVE_TESTS_BENCH_BENCH_TAKEOVER_H

#include "tests/bench/bench.h"

void bench_takeover_run(const struct bench_run *run);

#endif
