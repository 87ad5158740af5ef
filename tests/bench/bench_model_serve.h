/* bench_model_serve.h -- the cases of the bench `model` that measure requests, from the question to
 * the answer.
 *
 *   prefix  speedup, cold_ms, warm_ms: the first token after 1,500 tokens that were seen before and
 *           50 new ones, and after 1,550 new ones (shape of Qwen2.5-0.5B, Q8_0, random weights)
 *   resident  beside_file_and_cache_mb: 64 decisions at once with the largest steps (that shape and
 *           its 151,936 tokens, out of a file); memory of the process, less the file and the cache
 *   nano    decision_ms: one decision of the shipped model, prompt to the end, on one thread;
 *           first_token_ms: from opening its file to the first piece of its first answer;
 *           prompt_tokens, answer_tokens
 */
#ifndef REEVE_TESTS_BENCH_BENCH_MODEL_SERVE_H
#define REEVE_TESTS_BENCH_BENCH_MODEL_SERVE_H

#include "tests/bench/bench.h"

void bench_model_serve(const struct bench_run *run);

#endif
