/* bench_model_goals.h -- the cases of the bench `model` that measure what sharing an engine costs.
 *
 *   constraint   overhead: what a token of a schema's text costs beside one of free text, less one
 *                (shape of Qwen2.5-0.5B, Q8_0, random weights; per_token_ms, free_per_token_ms)
 *   speculation  gain: an answer that repeats itself, with guesses and without, one sequence;
 *                tokens_per_step; same_bytes: 1 when both answers are the same
 *   paging       waste: the part of the held cache in which no token stands, 64 sequences of mixed
 *                lengths (`sequences`: those that still ran then; a tiny shape)
 *   priority     steps_p99: how many steps of the batch a request of the first tier waits for its
 *                first token beyond those it takes alone, while 32 long prompts of a later tier
 *                run; alone_ms, ttft_p99_ms; recomputed: of all tokens; left: late ones that failed
 */
#ifndef REEVE_TESTS_BENCH_BENCH_MODEL_GOALS_H
#define REEVE_TESTS_BENCH_BENCH_MODEL_GOALS_H

#include "tests/bench/bench.h"

void bench_model_goals(const struct bench_run *run);

#endif
