/* dot_avx2.c -- products of block types with 8-bit inputs on AVX2 and FMA.
 *
 * A register holds a line of 8 rows; four columns of the input are repeated over it.  There is no
 * product of signed bytes: |w| (unsigned) is multiplied with x times the sign of w, pairs are added
 * in 16 bits (at most 2 * 128 * 127: no overflow), pairs of pairs in 32.
 *
 *     w:   | r0c0 r0c1 r0c2 r0c3 | r1c0 ... | ... r7c3 |
 *     x:   |  x0   x1   x2   x3  |  x0  ... | ...  x3  |
 *     sum: |  r0 (32 bits)       |  r1      | ...      |
 */
#include "kernels/cpu/dot.h"

enum { LINES = CPU_BLOCK / 4, SIDES = 2 /* rows 0 to 7, 8 to 15 */ };

struct lines {
    __m256i w[SIDES][LINES];
};

CPU_INLINE void sign_lines(const struct cpu_unpacked *block, int offset, struct lines *out)
{
    __m256i less = _mm256_set1_epi8((char)offset);
    for (int j = 0; j < LINES; j++) {
        const __m256i *at = (const __m256i *)(const void *)&block->q[j];
        out->w[0][j] = _mm256_sub_epi8(_mm256_load_si256(at), less);
        out->w[1][j] = _mm256_sub_epi8(_mm256_load_si256(at + 1), less);
    }
}

CPU_INLINE __m256i dot(const __m256i *w, const int8_t *x, int from, int to)
{
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i sum = _mm256_setzero_si256();
    for (int j = from; j < to; j++) {
        int32_t four;
        memcpy(&four, x + (size_t)j * 4, sizeof four);
        __m256i in = _mm256_sign_epi8(_mm256_set1_epi32(four), w[j]);
        __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(w[j]), in);
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
    }
    return sum;
}

CPU_INLINE void multiply_block(const struct cpu_input *input, uint32_t b, const struct lines *lines,
                               const struct cpu_unpacked *block, float *sums, int groups,
                               bool least)
{
    for (uint32_t row = 0; row < input->rows; row++, sums += CPU_STRIP) {
        size_t at = cpu_input_at(input, b, row);
        const int8_t *x = input->q + at * CPU_BLOCK;
        __m256 in = _mm256_broadcast_ss(&input->scale[at]);
        for (int side = 0; side < SIDES; side++) {
            __m256 sum = _mm256_loadu_ps(sums + (size_t)side * 8);
            for (int group = 0; group < groups; group++) {
                int lines_here = LINES / groups;
                __m256i whole =
                    dot(lines->w[side], x, group * lines_here, (group + 1) * lines_here);
                __m256 scale = _mm256_load_ps((const float *)&block->scale[group] + side * 8);
                sum = _mm256_fmadd_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(whole), scale), in, sum);
            }
            if (least) {
                sum = _mm256_fnmadd_ps(_mm256_load_ps((const float *)&block->least + side * 8),
                                       _mm256_broadcast_ss(&input->sum[at]), sum);
            }
            _mm256_storeu_ps(sums + (size_t)side * 8, sum);
        }
    }
}

CPU_INLINE void multiply_strip(const struct cpu_work *work, const unsigned char *strip, float *sums,
                               enum kernel_type type, int offset, int groups, bool least)
{
    const struct cpu_tile *tile = &work->weight->tile;
    for (uint32_t b = 0; b < tile->blocks; b++) {
        struct cpu_unpacked block;
        struct lines lines;
        cpu_unpack_quants(tile, type, strip, b, block.q);
        cpu_unpack_scales(tile, type, strip, b, &block);
        sign_lines(&block, offset, &lines);
        multiply_block(work->input, b, &lines, &block, sums, groups, least);
    }
}

void cpu_dot_avx2(const struct cpu_work *work)
{
    const struct cpu_tile *tile = &work->weight->tile;
    float *sums = work->scratch->sums;
    for (uint32_t s = work->first; s < work->last; s++) {
        const unsigned char *strip = work->weight->strips + (size_t)s * tile->stride;
        memset(sums, 0, (size_t)work->input->rows * CPU_STRIP * sizeof *sums);
        CPU_FOR_TYPE(tile->type, multiply_strip, work, strip, sums);
        for (uint32_t r = 0; r < work->input->rows; r++) {
            cpu_finish(work, s, r, sums + (size_t)r * CPU_STRIP);
        }
    }
}
