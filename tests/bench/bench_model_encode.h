/* bench_model_encode.h -- the case `encode` of the bench `model`: text to tokens on one core.
 *
 *   create_ms   a vocabulary out of its file
 *   mb_per_s    of CPU time, over invoices, JSON and sentences; the best of five
 */
#ifndef REEVE_TESTS_BENCH_BENCH_MODEL_ENCODE_H
#define REEVE_TESTS_BENCH_BENCH_MODEL_ENCODE_H

#include "tests/bench/bench.h"

/* `path`: any model file; false: it has no vocabulary that can be used. */
bool bench_model_encode(const struct bench_run *run, const char *path);

#endif
