/* bench_model_gpu.h -- the cases of the bench `model` that need a GPU (`--gpu`): random weights of
 * the shape of Llama 3.1 8B, made in memory, and of Qwen2.5-0.5B.
 *
 *   gpu_bandwidth     gb_per_s (a copy inside the GPU, read and written), tflops (a bf16 product by
 * cuBLASLt) gpu_decode_bf16   tokens_per_s, fraction_of_bandwidth (bytes of weights read): one
 * sequence gpu_decode_q8_0, gpu_decode_q4_k   likewise gpu_decode_small  tokens_per_s of the small
 * shape, Q8_0 gpu_prefill_bf16  tokens_per_s, fraction_of_product: a prompt of 2048 tokens
 *   gpu_batch_64, gpu_batch_256   tokens_per_s of so many sequences, gain over one
 *   gpu_same_bytes    prefill_cost, batch_64_cost: how many times dearer the mode is
 *
 * By the clock, the median of many steps.
 */
#ifndef REEVE_TESTS_BENCH_BENCH_MODEL_GPU_H
#define REEVE_TESTS_BENCH_BENCH_MODEL_GPU_H

#include "tests/bench/bench.h"

void bench_model_gpu(const struct bench_run *run);

#endif
