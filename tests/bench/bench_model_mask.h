/* bench_model_mask.h -- the cases `mask` and `compile` of the bench `model`.
 *
 *   mask     mean_us, p50_us, p99_us of a token's mask at a real vocabulary, over the valid
 *            instances of many schemas, each schema fresh
 *   compile  p50_ms, p99_ms of those schemas
 */
#ifndef REEVE_TESTS_BENCH_BENCH_MODEL_MASK_H
#define REEVE_TESTS_BENCH_BENCH_MODEL_MASK_H

#include "tests/bench/bench.h"

/* `vocabulary`: a .gguf.gz; `schemas`: a .jsonl with "schema" and "tests"; false: not there. */
bool bench_model_mask(const struct bench_run *run, const char *vocabulary, const char *schemas);

#endif
