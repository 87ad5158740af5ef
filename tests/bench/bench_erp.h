/* bench_erp.h -- the benchmarks of the books. */
#ifndef REEVE_TESTS_BENCH_BENCH_ERP_H
#define REEVE_TESTS_BENCH_BENCH_ERP_H

#include "tests/bench/bench.h"

extern const struct bench bench_ledger; /* bench_ledger.c */
extern const struct bench bench_detect; /* bench_detect.c */

#endif
