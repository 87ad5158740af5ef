/* bench_model_sample.h -- case sample: what it costs to draw a token out of 152,000. */
#ifndef REEVE_TESTS_BENCH_BENCH_MODEL_SAMPLE_H
#define REEVE_TESTS_BENCH_BENCH_MODEL_SAMPLE_H

#include "tests/bench/bench.h"

/* Reports greedy_us, temperature_us, top_k_us, top_p_us and flat_top_p_us: a token each, one
 * thread. */
void bench_model_sample(const struct bench_run *run);

#endif
