/* low_rank.c -- products of adapters: few tokens, weights of 16 bits, numbers in f32.
 *
 * Compiled for every level as plain.c is.  Of an adapter's weights each number is used by one or
 * two tokens of a step, so that reading them is what takes time: they are kept as F16 or BF16 (see
 * cpu_weight_adapt), without the filling of other strips, and widened in registers.
 *
 *     a line:  r0c0 r0c1 r1c0 r1c1 .. r7c0 r7c1 | r8c0 r8c1 .. r15c1     32 halves
 *     times    x0   x1   x0   x1   ..           | the same
 *     onto     sums of even and of odd columns, row beside row, 8 rows in a register
 *
 * A row's sum is that of its even columns in order, plus that of its odd ones: the same bits
 * whatever other tokens there are.
 */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/unpack.h"

#include <string.h>

#define CPU_JOIN2(a, b) a##_##b
#define CPU_JOIN(a, b)  CPU_JOIN2(a, b)
#define CPU_NAME(name)  CPU_JOIN(name, CPU_FLAVOUR)

typedef cpu_floats floats;
typedef float loose __attribute__((vector_size(64), aligned(4), may_alias)); /* in memory */

enum {
    HALF_LINE = CPU_LINE / 2,
    TOGETHER = 4, /* tokens whose sums are in registers */
    AHEAD = 4096  /* bytes of a strip that are asked for early */
};

/* 16 numbers of 16 bits. */
CPU_INLINE void widen(const unsigned char *at, bool bf16, floats *out)
{
    if (!bf16) {
        cpu_halves(at, out);
        return;
    }
    typedef uint16_t shorts __attribute__((vector_size(32), aligned(2), may_alias));
    typedef uint32_t words __attribute__((vector_size(64)));
    *out = (floats)(__builtin_convertvector(*(const shorts *)(const void *)at, words) << 16);
}

/* x[0] x[1] x[0] x[1] .. */
CPU_INLINE void spread_pair(const float *x, floats *out)
{
    typedef uint64_t longs __attribute__((vector_size(64)));
    uint64_t bits;
    memcpy(&bits, x, sizeof bits);
    *out = (floats)(bits | (longs){0});
}

/* A line onto the sums; `x` has the two columns of the first token. */
CPU_INLINE void multiply_line(const unsigned char *line, bool bf16, const float *x, size_t stride,
                              uint32_t tokens, floats low[TOGETHER], floats high[TOGETHER])
{
    floats first;
    floats second;
    widen(line, bf16, &first);
    widen(line + HALF_LINE, bf16, &second);
    for (uint32_t t = 0; t < tokens; t++) {
        floats pair;
        spread_pair(x + t * stride, &pair);
        low[t] += first * pair;
        high[t] += second * pair;
    }
}

/* 16 sums of each of `tokens` tokens (a constant where it is called), rows in order. */
CPU_INLINE void multiply(const unsigned char *strip, bool bf16, const float *x, uint32_t columns,
                         uint32_t tokens, floats sums[TOGETHER])
{
    floats low[TOGETHER] = {0};
    floats high[TOGETHER] = {0};
    uint32_t c = 0;
    for (; c + 2 <= columns; c += 2, strip += CPU_LINE) {
        __builtin_prefetch(strip + AHEAD);
        multiply_line(strip, bf16, x + c, columns, tokens, low, high);
    }
    if (c < columns) { /* the last column has no neighbour */
        float last[TOGETHER][2] = {{0}};
        for (uint32_t t = 0; t < tokens; t++) {
            last[t][0] = x[(size_t)t * columns + c];
        }
        multiply_line(strip, bf16, last[0], 2, tokens, low, high);
    }
    for (uint32_t t = 0; t < tokens; t++) {
        floats even = __builtin_shufflevector(low[t], high[t], 0, 2, 4, 6, 8, 10, 12, 14, 16, 18,
                                              20, 22, 24, 26, 28, 30);
        floats odd = __builtin_shufflevector(low[t], high[t], 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21,
                                             23, 25, 27, 29, 31);
        sums[t] = even + odd;
    }
}

CPU_INLINE void finish(const struct cpu_work *work, uint32_t strip, uint32_t row,
                       const floats *sums)
{
    uint32_t rows = work->weight->tile.rows;
    uint32_t some = rows - strip * CPU_STRIP < CPU_STRIP ? rows - strip * CPU_STRIP : CPU_STRIP;
    uint32_t place = work->place != NULL ? work->place[row] : row;
    float *out = work->out + (size_t)place * rows + (size_t)strip * CPU_STRIP;
    if (some == CPU_STRIP) {
        floats value = *sums;
        if (work->add) {
            value = *(const loose *)(const void *)out + work->scale * value;
        }
        *(loose *)(void *)out = value;
        return;
    }
    for (uint32_t i = 0; i < some; i++) {
        out[i] = work->add ? out[i] + work->scale * (*sums)[i] : (*sums)[i];
    }
}

CPU_INLINE void products(const struct cpu_work *work, bool bf16)
{
    const struct cpu_tile *tile = &work->weight->tile;
    uint32_t rows = work->input->rows;
    for (uint32_t s = work->first; s < work->last; s++) {
        const unsigned char *strip = work->weight->strips + (size_t)s * tile->stride;
        const float *x = work->input->x;
        floats sums[TOGETHER];
        for (uint32_t r = 0; r < rows;) {
            uint32_t some = rows - r >= TOGETHER ? TOGETHER : rows - r >= 2 ? 2 : 1;
            if (some == TOGETHER) {
                multiply(strip, bf16, x, tile->columns, TOGETHER, sums);
            } else if (some == 2) {
                multiply(strip, bf16, x, tile->columns, 2, sums);
            } else {
                multiply(strip, bf16, x, tile->columns, 1, sums);
            }
            for (uint32_t t = 0; t < some; t++, r++) {
                finish(work, s, r, &sums[t]);
            }
            x += (size_t)some * tile->columns;
        }
    }
}

void CPU_NAME(cpu_low_rank)(const struct cpu_work *work)
{
    if (work->weight->tile.type == KERNEL_BF16) {
        products(work, true);
    } else {
        products(work, false);
    }
}
