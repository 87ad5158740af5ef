/* dot.h -- what the products of block types share at every level: their types and their end.
 * Private to dot_*.c and matrix_amx.c. */
#ifndef REEVE_KERNELS_CPU_DOT_H
#define REEVE_KERNELS_CPU_DOT_H

#include "kernels/cpu/cpu.h"
#include "kernels/cpu/unpack.h"

/* Calls `function`(..., type, offset, groups, least) with constants for the type of a tile, so that
 * each type becomes code of its own. */
#define CPU_FOR_TYPE(type, function, ...)                                                          \
    switch (type) {                                                                                \
    case KERNEL_Q8_0: function(__VA_ARGS__, KERNEL_Q8_0, 128, 1, false); break;                    \
    case KERNEL_Q4_0: function(__VA_ARGS__, KERNEL_Q4_0, 8, 1, false); break;                      \
    case KERNEL_Q4_1: function(__VA_ARGS__, KERNEL_Q4_1, 0, 1, true); break;                       \
    case KERNEL_Q5_0: function(__VA_ARGS__, KERNEL_Q5_0, 16, 1, false); break;                     \
    case KERNEL_Q5_1: function(__VA_ARGS__, KERNEL_Q5_1, 0, 1, true); break;                       \
    case KERNEL_Q4_K: function(__VA_ARGS__, KERNEL_Q4_K, 0, 1, true); break;                       \
    case KERNEL_Q5_K: function(__VA_ARGS__, KERNEL_Q5_K, 0, 1, true); break;                       \
    case KERNEL_Q6_K: function(__VA_ARGS__, KERNEL_Q6_K, 32, 2, false); break;                     \
    default: break;                                                                                \
    }

/* Where token `row` stands in block `block` of the prepared input: of scale, sum and count; times
 * CPU_BLOCK of q. */
CPU_INLINE size_t cpu_input_at(const struct cpu_input *input, uint32_t block, uint32_t row)
{
    return ((size_t)(row / CPU_ROWS) * input->blocks + block) * CPU_ROWS + row % CPU_ROWS;
}

/* 16 sums of one token, with the bias, to their place; the last strip may be narrower. */
CPU_INLINE void cpu_finish(const struct cpu_work *work, uint32_t strip, uint32_t row,
                           const float *sums)
{
    uint32_t rows = work->weight->tile.rows;
    uint32_t first = strip * CPU_STRIP;
    uint32_t some = rows - first < CPU_STRIP ? rows - first : CPU_STRIP;
    float *out = work->out + (size_t)row * rows + first;
    if (some == CPU_STRIP) { /* nearly always: a register */
        typedef float loose __attribute__((vector_size(64), aligned(4), may_alias));
        loose value = *(const loose *)(const void *)sums;
        if (work->bias != NULL) {
            value += *(const loose *)(const void *)(work->bias + first);
        }
        *(loose *)(void *)out = value;
        return;
    }
    for (uint32_t i = 0; i < some; i++) {
        out[i] = sums[i] + (work->bias != NULL ? work->bias[first + i] : 0);
    }
}

#endif
