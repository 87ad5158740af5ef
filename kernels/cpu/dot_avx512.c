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
 * One token keeps its sums in a register and reads the weights as fast as memory gives them; many
 * tokens share the unpacked block, with their sums in the first cache.
 */
#include "kernels/cpu/dot.h"

enum { LINES = CPU_BLOCK / 4, AHEAD = 2048 /* bytes: measured, 1024 to 16384 were tried */ };

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
 * and loses it at each strip's end.) */
CPU_INLINE void ask_ahead(const struct cpu_tile *tile, const unsigned char *strip, uint32_t b,
                          uint32_t quants, uint32_t bits, uint32_t scales)
{
    size_t at = (size_t)b * quants + AHEAD;
    at += at >= tile->bits_at ? tile->stride - tile->bits_at : 0;
    for (uint32_t i = 0; i < quants; i += CPU_LINE) {
        _mm_prefetch((const char *)strip + at + i, _MM_HINT_T0);
    }
    for (uint32_t i = 0; i < bits; i += CPU_LINE) {
        _mm_prefetch((const char *)strip + tile->stride + tile->bits_at + (size_t)b * bits + i,
                     _MM_HINT_T0);
    }
    _mm_prefetch((const char *)strip + tile->stride + tile->scales_at + (size_t)b * scales,
                 _MM_HINT_T0);
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

CPU_INLINE void many_tokens(const struct cpu_work *work, const unsigned char *strip, float *sums,
                            enum kernel_type type, int offset, int groups, bool least)
{
    const struct cpu_tile *tile = &work->weight->tile;
    const struct cpu_input *input = work->input;
    memset(sums, 0, (size_t)input->rows * CPU_STRIP * sizeof *sums);
    for (uint32_t b = 0; b < tile->blocks; b++) {
        struct cpu_unpacked block;
        cpu_unpack_quants(tile, type, strip, b, block.q);
        cpu_unpack_scales(tile, type, strip, b, &block);
        for (uint32_t row = 0; row < input->rows; row++) {
            float *to = sums + (size_t)row * CPU_STRIP;
            __m512 sum = add_block(input, cpu_input_at(input, b, row), &block, _mm512_loadu_ps(to),
                                   offset, groups, least);
            _mm512_storeu_ps(to, sum);
        }
    }
}

void cpu_dot_avx512(const struct cpu_work *work)
{
    const struct cpu_tile *tile = &work->weight->tile;
    float *sums = work->scratch->sums;
    for (uint32_t s = work->first; s < work->last; s++) {
        const unsigned char *strip = work->weight->strips + (size_t)s * tile->stride;
        if (work->input->rows == 1) {
            CPU_FOR_TYPE(tile->type, one_token, work, strip, sums);
        } else {
            CPU_FOR_TYPE(tile->type, many_tokens, work, strip, sums);
        }
        for (uint32_t r = 0; r < work->input->rows; r++) {
            cpu_finish(work, s, r, sums + (size_t)r * CPU_STRIP);
        }
    }
}
