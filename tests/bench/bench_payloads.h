/* bench_payloads.h -- the case "payloads" of `history`: ten results of 20 MB through one run; see
 * bench_payloads.c. */
#ifndef REEVE_TESTS_BENCH_BENCH_PAYLOADS_H
#define REEVE_TESTS_BENCH_BENCH_PAYLOADS_H

#include "tests/bench/bench.h"

void bench_payloads_run(const struct bench_run *run);

#endif
