/* bench_model_cpu.h -- the cases of the bench `model` that measure the CPU backend, over models of
 * the shape of Qwen2.5-0.5B with random weights, made in memory.
 *
 *   bandwidth    gb_per_s      reading 512 MB, one thread; taken beside each of the other figures
 *   decode_q8_0  tokens_per_s, gb_per_s (weights and cache), fraction_of_bandwidth: one sequence
 *   decode_q4_k  likewise, Q4_K_M (what does not fit its blocks of 256 is Q8_0, as make.c chooses)
 *   prefill_q8_0 tokens_per_s, gflops: a prompt of 512 tokens in one step
 *   batch_16     tokens_per_s of 16 sequences, gain over one, in turn
 *   adapters_16  tokens_per_s of 16 sequences with 8 adapters of rank 16 on all products, of_base
 *                (the same without adapters, in turn), same_bits: how many of the sequences have
 * the logits, bit for bit, that they have where all 16 have their adapter busy_neighbour
 * tokens_per_s of two threads beside one busy process on every core, kept of alone_tokens_per_s, in
 * turn threads      decode_tokens_per_s, prefill_tokens_per_s on all cores
 *
 * One core: the CPU time of the measuring thread, the best of many short runs, so that a busy
 * machine disturbs little; `threads` and `busy_neighbour` are by the clock.
 */
#ifndef REEVE_TESTS_BENCH_BENCH_MODEL_CPU_H
#define REEVE_TESTS_BENCH_BENCH_MODEL_CPU_H

#include "tests/bench/bench.h"

void bench_model_cpu(const struct bench_run *run);

#endif
