/* bench_crash.h -- the crash benchmark under another name: `recover --kills`. */
#ifndef REEVE_TESTS_BENCH_BENCH_CRASH_H
#define REEVE_TESTS_BENCH_BENCH_CRASH_H

#include "tests/bench/bench.h"

void bench_crash_run(const struct bench_run *run, const char *bench, const char *name);

#endif
