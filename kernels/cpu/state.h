/* state.h -- the state of the CPU backend.  Private to cpu.c (life) and run.c (steps). */
#ifndef REEVE_KERNELS_CPU_STATE_H
#define REEVE_KERNELS_CPU_STATE_H

#include "kernels/cpu/cpu.h"

struct kernel_backend_state {
    enum cpu_level level;
    const struct cpu_level_table *table;
    struct cpu_pool *pool;
    uint64_t bytes; /* all that was asked for */
    struct kernel_weight *weights;
    /* the cache: [layer][block], each as cpu.h says */
    const struct kernel_shape *shape;
    uint32_t blocks;
    float *cache;
    size_t cache_bytes;
    double *frequency; /* [rope width / 2] */
    /* of a step */
    const struct kernel_batch *batch;
    float *turns; /* [tokens][cosines, sines] */
    uint32_t turns_room;
    int32_t *sequence; /* [tokens] which one a token belongs to */
    /* room for products; grows with the largest */
    struct cpu_input input;
    size_t input_room, half_room; /* blocks of CPU_ROWS tokens */
    struct cpu_scratch scratch[CPU_THREADS_MAX];
    uint32_t scratch_blocks, scratch_rows;
    /* of adapters: tokens of one adapter together, CPU_ROWS at most in a piece */
    uint32_t *adapted, *piece; /* [tokens] in that order; [pieces + 1] where each begins */
    uint32_t pieces;
    size_t adapted_bytes; /* of each of the two */
    float *together;      /* [threads][CPU_ROWS][widest]: their x, one after another */
    uint32_t widest;
    float *low; /* [threads][CPU_ROWS][KERNEL_RANK_MAX] */
};

/* Memory that counts; the process ends when there is none (sizes are bounded by the model). */
void *cpu_room(struct kernel_backend_state *state, void *old, size_t before, size_t bytes);
/* Makes strips of a matrix that adapters multiply with: of 16 bits and not filled up, or of F32. */
void cpu_weight_adapt(struct kernel_backend_state *state, struct kernel_weight *weight);

/* run.c */
void cpu_begin(struct kernel_backend_state *state, const struct kernel_batch *batch);
void cpu_embed(struct kernel_backend_state *state, const struct kernel_weight *table, float *out);
void cpu_norm(struct kernel_backend_state *state, float *x, const float *delta,
              const struct kernel_weight *weight, float epsilon, uint32_t rows, uint32_t width,
              float *out);
void cpu_linear(struct kernel_backend_state *state, const struct kernel_product *products,
                uint32_t count, const float *x, uint32_t rows);
void cpu_rope_store(struct kernel_backend_state *state, uint32_t layer, float *q, float *k,
                    const float *v, const struct kernel_weight *q_norm,
                    const struct kernel_weight *k_norm);
void cpu_attention(struct kernel_backend_state *state, uint32_t layer, const float *q, float *out);
void cpu_silu_multiply(struct kernel_backend_state *state, const float *gate, const float *up,
                       uint32_t rows, uint32_t width, float *out);
void cpu_adapt(struct kernel_backend_state *state, const struct kernel_low_rank *of, uint32_t count,
               const float *x, float *out);
void cpu_gather(struct kernel_backend_state *state, const float *x, uint32_t width, float *out);

#endif
