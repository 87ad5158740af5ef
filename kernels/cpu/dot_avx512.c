/* dot_avx512.c -- products of block types with 8-bit inputs on AVX-512 VNNI.
 *
 * vpdpbusd multiplies unsigned with signed bytes and adds four products into 32 bits: a line of 16
 * rows times four columns of the input, repeated.  Quants are taken unsigned, as q + offset; what
 * that is too much, offset * (sum of the input's integers), is taken off beforehand.
 *
 *     w:   | r0c0 r0c1 r0c2 r0c3 | r1c0 ... | ... r15c3 |
 *     x:   |  x0   x1   x2   x3  |  x0  ... | ...   x3  |
 *     sum: |  r0 (32 bits)       |  r1      | ...       |
 *
 * One token keeps its sums in a register and reads the weights as fast as memory gives them.  For
 * more tokens products are what takes time: a few blocks of four strips are unpacked into the first
 * cache, once for all tokens, and four tokens go through them together.  A line is loaded for four
 * products and so is an input, and the 16 chains of sums wait for nobody:
 *
 *              strip 0   strip 1   strip 2   strip 3
 *     token 0 |  sum   |  sum    |  sum    |  sum   |     sums of a block of 32 columns: registers;
 *     token 1 |  ...                                      of all blocks: first cache
 *
 * Meanwhile the same strips' next blocks are asked for, as much with each step as memory gives.
 */
#include "kernels/cpu/dot.h"

enum {
    LINES = CPU_BLOCK / 4,
    AHEAD = 5120,       /* bytes: measured, 1024 to 8192 were tried */
    AHEAD_SMALL = 8192, /* the same for 256 bytes of quants a block */
    TOKENS = 4,         /* that share a line in a register */
    SCALES = 32,        /* bytes of a block, about */
    TOGETHER = 8        /* blocks: of four strips 18 KB as bytes with their scales */
};

CPU_INLINE __m512i dot(const struct cpu_unpacked *block, const int8_t *x, int from, int to,
                       int32_t less)
{
    __m512i even = _mm512_set1_epi32(-less);
    __m512i odd = _mm512_setzero_si512();
    for (int j = from; j < to; j += 2) {
        int32_t four[2];
        memcpy(four, x + (size_t)j * 4, sizeof four);
        even = _mm512_dpbusd_epi32(even, (__m512i)block->q[j], _mm512_set1_epi32(four[0]));
        odd = _mm512_dpbusd_epi32(odd, (__m512i)block->q[j + 1], _mm512_set1_epi32(four[1]));
    }
    return _mm512_add_epi32(even, odd);
}

/* One block of one token onto its 16 sums. */
CPU_INLINE __m512 add_block(const struct cpu_input *input, size_t at,
                            const struct cpu_unpacked *block, __m512 sum, int offset, int groups,
                            bool least)
{
    const int8_t *x = input->q + at * CPU_BLOCK;
    const int32_t *count = input->count[at];
    __m512 in = _mm512_set1_ps(input->scale[at]);
    if (groups == 1) {
        __m512i whole = dot(block, x, 0, LINES, offset != 0 ? offset * (count[0] + count[1]) : 0);
        __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(whole), (__m512)block->scale[0]);
        sum = _mm512_fmadd_ps(scaled, in, sum);
    } else {
        for (int group = 0; group < 2; group++) {
            __m512i whole =
                dot(block, x, group * LINES / 2, (group + 1) * LINES / 2, offset * count[group]);
            __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(whole), (__m512)block->scale[group]);
            sum = _mm512_fmadd_ps(scaled, in, sum);
        }
    }
    if (least) {
        sum = _mm512_fnmadd_ps((__m512)block->least, _mm512_set1_ps(input->sum[at]), sum);
    }
    return sum;
}

/* Asks for what is needed later: quants some kilobytes ahead, over the end of the strip; scales and
 * high bits of the same place of the next strip.  (The processor's own prefetch follows one stream
 * and loses it at each strip's end.)  A token reads a weight once: it comes past the second cache.
 */
CPU_INLINE void ask_ahead(const struct cpu_tile *tile, const unsigned char *strip, uint32_t b,
                          uint32_t quants, uint32_t bits, uint32_t scales)
{
    size_t at = (size_t)b * quants + (quants == 512 ? AHEAD : AHEAD_SMALL);
    at += at >= tile->bits_at ? tile->stride - tile->bits_at : 0;
    for (uint32_t i = 0; i < quants; i += CPU_LINE) {
        _mm_prefetch((const char *)strip + at + i, _MM_HINT_NTA);
    }
    for (uint32_t i = 0; i < bits; i += CPU_LINE) {
        _mm_prefetch((const char *)strip + tile->stride + tile->bits_at + (size_t)b * bits + i,
                     _MM_HINT_NTA);
    }
    _mm_prefetch((const char *)strip + tile->stride + tile->scales_at + (size_t)b * scales,
                 _MM_HINT_NTA);
}

CPU_INLINE void one_token(const struct cpu_work *work, const unsigned char *strip, float *sums,
                          enum kernel_type type, int offset, int groups, bool least)
{
    const struct cpu_tile *tile = &work->weight->tile;
    uint32_t quants = type == KERNEL_Q8_0 ? 512 : 256;
    bool fives = type == KERNEL_Q5_0 || type == KERNEL_Q5_1 || type == KERNEL_Q5_K;
    uint32_t bits = type == KERNEL_Q6_K ? 2 * CPU_LINE : fives ? CPU_LINE : 0;
    uint32_t scales = type == KERNEL_Q4_1 || type == KERNEL_Q5_1 ? 64
                      : type == KERNEL_Q6_K                      ? 36
                                                                 : 32;
    __m512 sum = _mm512_setzero_ps();
    for (uint32_t b = 0; b < tile->blocks; b++) {
        struct cpu_unpacked block;
        ask_ahead(tile, strip, b, quants, bits, scales);
        cpu_unpack_quants(tile, type, strip, b, block.q);
        cpu_unpack_scales(tile, type, strip, b, &block);
        sum = add_block(work->input, (size_t)b * CPU_ROWS, &block, sum, offset, groups, least);
    }
    _mm512_storeu_ps(sums, sum);
}

/* ---- many tokens ---- */

/* TOGETHER blocks of `count` strips: a line of each strip beside each other. */
struct unpacked {
    __m512i q[TOGETHER][LINES][CPU_WIDE_STRIPS];
    __m512 scale[TOGETHER][2][CPU_WIDE_STRIPS], least[TOGETHER][CPU_WIDE_STRIPS];
};

CPU_INLINE void unpack_block(const struct cpu_tile *tile, const unsigned char *strip,
                             uint32_t block_at, uint32_t b, int s, struct unpacked *out,
                             enum kernel_type type, int groups, bool least)
{
    struct cpu_unpacked block;
    cpu_unpack_quants(tile, type, strip, block_at, block.q);
    cpu_unpack_scales(tile, type, strip, block_at, &block);
    for (int j = 0; j < LINES; j++) {
        out->q[b][j][s] = (__m512i)block.q[j];
    }
    for (int group = 0; group < groups; group++) {
        out->scale[b][group][s] = (__m512)block.scale[group];
    }
    if (least) {
        out->least[b][s] = (__m512)block.least;
    }
}

/* One block (or one half of it) of TOKENS tokens; `at`: of the first one in the input. */
CPU_INLINE void multiply_block(const struct cpu_input *input, size_t at,
                               const struct unpacked *strips, uint32_t b, float *to, int count,
                               int group, int offset, int groups, bool least)
{
    const __m512i(*q)[CPU_WIDE_STRIPS] = &strips->q[b][group * LINES / groups];
    const int8_t *x = input->q + at * CPU_BLOCK + group * CPU_BLOCK / groups;
    __m512i sums[TOKENS][CPU_WIDE_STRIPS];
#pragma GCC unroll 4
    for (int t = 0; t < TOKENS; t++) {
        const int32_t *sum = input->count[at + (size_t)t];
        int32_t less = offset == 0 ? 0 : offset * (groups == 2 ? sum[group] : sum[0] + sum[1]);
        __m512i begin = _mm512_set1_epi32(-less);
#pragma GCC unroll 4
        for (int s = 0; s < count; s++) {
            sums[t][s] = begin;
        }
    }
#pragma GCC unroll 8
    for (int j = 0; j < LINES / groups; j++) {
        __m512i line[CPU_WIDE_STRIPS];
#pragma GCC unroll 4
        for (int s = 0; s < count; s++) {
            line[s] = q[j][s];
        }
#pragma GCC unroll 4
        for (int t = 0; t < TOKENS; t++) {
            int32_t four;
            memcpy(&four, x + (size_t)t * CPU_BLOCK + (size_t)j * 4, sizeof four);
            __m512i in = _mm512_set1_epi32(four);
#pragma GCC unroll 4
            for (int s = 0; s < count; s++) {
                sums[t][s] = _mm512_dpbusd_epi32(sums[t][s], line[s], in);
            }
        }
    }
#pragma GCC unroll 4
    for (int t = 0; t < TOKENS; t++) {
        __m512 in = _mm512_set1_ps(input->scale[at + (size_t)t]);
        __m512 in_sum = _mm512_set1_ps(input->sum[at + (size_t)t]);
#pragma GCC unroll 4
        for (int s = 0; s < count; s++) {
            float *here = to + ((size_t)t * CPU_WIDE_STRIPS + (size_t)s) * CPU_STRIP;
            __m512 scaled =
                _mm512_mul_ps(_mm512_cvtepi32_ps(sums[t][s]), strips->scale[b][group][s]);
            __m512 sum = _mm512_fmadd_ps(scaled, in, _mm512_load_ps(here));
            if (least) {
                sum = _mm512_fnmadd_ps(strips->least[b][s], in_sum, sum);
            }
            _mm512_store_ps(here, sum);
        }
    }
}

/* What comes after the blocks at work: the next ones of the strips, or the first ones of those
 * strips that follow them. */
struct coming {
    const unsigned char *at, *scales; /* of the first of them */
    uint32_t quants;                  /* bytes of a block */
    uint32_t strips;
};

/* One part of `turns` of what comes beside block `b`. */
CPU_INLINE void ask_for(const struct coming *coming, const struct cpu_tile *tile, uint32_t turn,
                        uint32_t turns, uint32_t b)
{
    for (uint32_t s = turn; s < coming->strips; s += turns) {
        const char *at = (const char *)coming->at + s * tile->stride + (size_t)b * coming->quants;
        for (uint32_t i = 0; i < coming->quants; i += CPU_LINE) {
            _mm_prefetch(at + i, _MM_HINT_T0);
        }
        _mm_prefetch((const char *)coming->scales + s * tile->stride + (size_t)b * SCALES,
                     _MM_HINT_T0);
    }
}

/* `count` strips (a constant where it is called) from `first` on, for all tokens. */
CPU_INLINE void many_tokens(const struct cpu_work *work, uint32_t first, int count,
                            enum kernel_type type, int offset, int groups, bool least)
{
    const struct cpu_tile *tile = &work->weight->tile;
    const struct cpu_input *input = work->input;
    const unsigned char *strip = work->weight->strips + (size_t)first * tile->stride;
    float *sums = work->scratch->sums; /* [tokens][CPU_WIDE_STRIPS][16] */
    struct unpacked strips;
    uint32_t after = tile->strips - first - (uint32_t)count;
    uint32_t turns = (input->rows + TOKENS - 1) / TOKENS;
    memset(sums, 0, (size_t)turns * TOKENS * CPU_WIDE_STRIPS * CPU_LINE);
    for (uint32_t from = 0; from < tile->blocks; from += TOGETHER) {
        uint32_t some = tile->blocks - from < TOGETHER ? tile->blocks - from : TOGETHER;
        for (uint32_t b = 0; b < some; b++) {
            for (int s = 0; s < count; s++) {
                unpack_block(tile, strip + (size_t)s * tile->stride, from + b, b, s, &strips, type,
                             groups, least);
            }
        }
        bool last = from + some == tile->blocks;
        const unsigned char *next = strip + (last ? (size_t)count * tile->stride : 0);
        struct coming coming = {
            .quants = type == KERNEL_Q8_0 ? 512 : 256,
            .strips = !last || after > (uint32_t)count ? (uint32_t)count : after,
        };
        coming.at = next + (last ? 0 : (size_t)(from + some) * coming.quants);
        coming.scales = next + tile->scales_at + (last ? 0 : (size_t)(from + some) * SCALES);
        for (uint32_t turn = 0; turn < turns; turn++) {
            float *to = sums + (size_t)turn * TOKENS * CPU_WIDE_STRIPS * CPU_STRIP;
            for (uint32_t b = 0; b < some; b++) {
                ask_for(&coming, tile, turn, turns, b);
                /* the compiler would like to keep the sums in registers: it has too few */
                __asm__ volatile("" ::: "memory");
                for (int group = 0; group < groups; group++) {
                    multiply_block(input, cpu_input_at(input, from + b, turn * TOKENS), &strips, b,
                                   to, count, group, offset, groups, least);
                }
            }
        }
    }
    for (uint32_t r = 0; r < input->rows; r++, sums += CPU_WIDE_STRIPS * CPU_STRIP) {
        for (int s = 0; s < count; s++) {
            cpu_finish(work, first + (uint32_t)s, r, sums + (size_t)s * CPU_STRIP);
        }
    }
}

void cpu_dot_avx512(const struct cpu_work *work)
{
    const struct cpu_tile *tile = &work->weight->tile;
    uint32_t s = work->first;
    for (; work->input->rows == 1 && s < work->last; s++) {
        const unsigned char *strip = work->weight->strips + (size_t)s * tile->stride;
        CPU_FOR_TYPE(tile->type, one_token, work, strip, work->scratch->sums);
        cpu_finish(work, s, 0, work->scratch->sums);
    }
    for (; s + CPU_WIDE_STRIPS <= work->last; s += CPU_WIDE_STRIPS) {
        CPU_FOR_TYPE(tile->type, many_tokens, work, s, CPU_WIDE_STRIPS);
    }
    for (; s < work->last; s++) {
        CPU_FOR_TYPE(tile->type, many_tokens, work, s, 1);
    }
}
