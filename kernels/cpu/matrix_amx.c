/* matrix_amx.c -- products on AMX tiles: 16 tokens x 16 rows at a time.
 *
 * Block types.  32 columns (16 of Q6_K: its scales change there) of 16 tokens times a block of a
 * strip give 16 x 16 exact integers; they leave the tile for the registers, where each token's 16
 * sums live, and are scaled there as dot_avx512.c does it:
 *
 *      A: 16 tokens x 32 bytes       B: 8 lines of the strip       C: 16 tokens x 16 rows
 *      | x0  x1 .. x31 | token 0     | r0 c0-3 | r1 c0-3 | ..      | t0r0 t0r1 .. t0r15 |
 *      | x0  x1 .. x31 | token 1  X  | r0 c4-7 | r1 c4-7 | ..   =  | t1r0 ..            |
 *        ..                            ..                            ..
 *
 * F16, BF16.  Inputs and weights as bf16; a tile takes 32 columns and the sums stay in C from the
 * first block to the last.  One token goes the same way as many: reading the weights takes longer
 * than the tile.
 */
#include "kernels/cpu/dot.h"

#ifdef __x86_64__

enum {
    LINES = CPU_BLOCK / 4,
    FEW = 4,      /* tokens that VNNI multiplies as fast */
    TOGETHER = 8, /* blocks: 4 KB of 16 tokens and of each strip */
    AHEAD = 2048  /* bytes of a strip that are asked for early */
};

/* The tiles: two sums, then A and B of 32 columns of bytes, of 16, and of 32 of bf16.  (Macros: the
 * intrinsics make them part of an instruction's name.) */
#    define SUM0     0
#    define SUM1     1
#    define A32      2
#    define B32      3
#    define A16      4
#    define B16      5
#    define A_HALVES 6
#    define B_HALVES 7

static void configure(void)
{
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } const shapes __attribute__((aligned(64))) = {
        .palette = 1,
        .row_bytes = {64, 64, 32, 64, 16, 64, 64, 64},
        .rows = {16, 16, 16, 8, 16, 4, 16, 16},
    };
    _tile_loadconfig(&shapes);
}

/* ---- block types ---- */

/* A strip as signed bytes and f32 scales; quants of Q8_0 are that already. */
CPU_INLINE void widen(const struct cpu_tile *tile, const unsigned char *strip,
                      const struct cpu_scratch *scratch, enum kernel_type type, int offset,
                      int groups, bool least)
{
    for (uint32_t b = 0; b < tile->blocks; b++) {
        struct cpu_unpacked block;
        /* the strip comes from memory here: once for all tokens */
        uint32_t quants = type == KERNEL_Q8_0 ? 512 : 256;
        for (uint32_t i = 0; i < quants; i += CPU_LINE) {
            _mm_prefetch((const char *)strip + (size_t)b * quants + AHEAD + i, _MM_HINT_T0);
        }
        cpu_unpack_scales(tile, type, strip, b, &block);
        for (int group = 0; group < groups; group++) {
            _mm512_store_ps(scratch->scale + ((size_t)b * groups + group) * CPU_STRIP,
                            (__m512)block.scale[group]);
        }
        if (least) {
            _mm512_store_ps(scratch->least + (size_t)b * CPU_STRIP, (__m512)block.least);
        }
        if (type != KERNEL_Q8_0) {
            cpu_unpack_quants(tile, type, strip, b, block.q);
            for (int j = 0; j < LINES; j++) {
                cpu_bytes line = block.q[j] - (uint8_t)offset;
                _mm512_store_si512(scratch->q + ((size_t)b * LINES + j) * CPU_LINE, (__m512i)line);
            }
        }
    }
}

/* 16 x 16 integers, scaled, onto the sums of 16 tokens. */
CPU_INLINE void scale_sums(const int32_t *whole, const float *scale, const float *in,
                           __m512 sums[CPU_ROWS])
{
    __m512 of_weights = _mm512_load_ps(scale);
#    pragma GCC unroll 16
    for (int t = 0; t < CPU_ROWS; t++) {
        __m512 value = _mm512_cvtepi32_ps(_mm512_load_si512(whole + (size_t)t * CPU_STRIP));
        sums[t] = _mm512_fmadd_ps(_mm512_mul_ps(value, of_weights), _mm512_set1_ps(in[t]), sums[t]);
    }
}

/* What a strip looks like to the loop below. */
struct wide_strip {
    const uint8_t *q;
    const float *scale, *least;
    float *sums; /* [groups of tokens][CPU_ROWS][16] */
};

/* Blocks `from` to `to` - 1 of one strip onto the sums of 16 tokens. */
CPU_INLINE void multiply_group(const struct cpu_input *input, const struct wide_strip *strip,
                               uint32_t group, uint32_t from, uint32_t to, int groups, bool least)
{
    int32_t whole[2][CPU_ROWS * CPU_STRIP] __attribute__((aligned(64)));
    float *kept = strip->sums + (size_t)group * CPU_ROWS * CPU_STRIP;
    __m512 sums[CPU_ROWS];
#    pragma GCC unroll 16
    for (int t = 0; t < CPU_ROWS; t++) {
        sums[t] = from > 0 ? _mm512_load_ps(kept + (size_t)t * CPU_STRIP) : _mm512_setzero_ps();
    }
    for (uint32_t b = from; b < to; b++) {
        size_t at = ((size_t)group * input->blocks + b) * CPU_ROWS;
        const int8_t *x = input->q + at * CPU_BLOCK;
        const uint8_t *w = strip->q + (size_t)b * LINES * CPU_LINE;
        const float *scale = strip->scale + (size_t)b * groups * CPU_STRIP;
        if (groups == 1) {
            _tile_zero(SUM0);
            _tile_loadd(A32, x, CPU_BLOCK);
            _tile_loadd(B32, w, CPU_LINE);
            _tile_dpbssd(SUM0, A32, B32);
            _tile_stored(SUM0, whole[b % 2], CPU_LINE);
            scale_sums(whole[b % 2], scale, input->scale + at, sums);
        } else {
            _tile_zero(SUM0);
            _tile_loadd(A16, x, CPU_BLOCK);
            _tile_loadd(B16, w, CPU_LINE);
            _tile_dpbssd(SUM0, A16, B16);
            _tile_stored(SUM0, whole[0], CPU_LINE);
            _tile_zero(SUM1);
            _tile_loadd(A16, x + CPU_BLOCK / 2, CPU_BLOCK);
            _tile_loadd(B16, w + LINES / 2 * CPU_LINE, CPU_LINE);
            _tile_dpbssd(SUM1, A16, B16);
            _tile_stored(SUM1, whole[1], CPU_LINE);
            scale_sums(whole[0], scale, input->scale + at, sums);
            scale_sums(whole[1], scale + CPU_STRIP, input->scale + at, sums);
        }
        if (least) {
            __m512 minimum = _mm512_load_ps(strip->least + (size_t)b * CPU_STRIP);
#    pragma GCC unroll 16
            for (int t = 0; t < CPU_ROWS; t++) {
                sums[t] = _mm512_fnmadd_ps(minimum, _mm512_set1_ps(input->sum[at + t]), sums[t]);
            }
        }
    }
#    pragma GCC unroll 16
    for (int t = 0; t < CPU_ROWS; t++) {
        _mm512_store_ps(kept + (size_t)t * CPU_STRIP, sums[t]);
    }
}

/* `count` strips from `first` on, together: a few blocks of them and of 16 tokens lie in the first
 * cache, and each token comes there once for all strips. */
CPU_INLINE void multiply_strips(const struct cpu_work *work, uint32_t first, uint32_t count,
                                enum kernel_type type, int offset, int groups, bool least)
{
    const struct cpu_input *input = work->input;
    const struct cpu_tile *tile = &work->weight->tile;
    const struct cpu_scratch *all = work->scratch;
    struct wide_strip strips[CPU_WIDE_STRIPS];
    for (uint32_t i = 0; i < count; i++) {
        const unsigned char *at = work->weight->strips + (size_t)(first + i) * tile->stride;
        size_t lines = (size_t)i * tile->blocks * CPU_STRIP;
        struct cpu_scratch part = {
            .q = all->q + lines * CPU_BLOCK,
            .scale = all->scale + lines * groups,
            .least = all->least + lines,
        };
        widen(tile, at, &part, type, offset, groups, least);
        strips[i] = (struct wide_strip){
            .q = type == KERNEL_Q8_0 ? at : part.q,
            .scale = part.scale,
            .least = part.least,
            .sums = all->sums + (size_t)i * input->groups * CPU_ROWS * CPU_STRIP,
        };
    }
    for (uint32_t from = 0; from < tile->blocks; from += TOGETHER) {
        uint32_t to = from + TOGETHER < tile->blocks ? from + TOGETHER : tile->blocks;
        for (uint32_t g = 0; g < input->groups; g++) {
            for (uint32_t i = 0; i < count; i++) {
                multiply_group(input, &strips[i], g, from, to, groups, least);
            }
        }
    }
    for (uint32_t r = 0; r < input->rows; r++) {
        for (uint32_t i = 0; i < count; i++) {
            cpu_finish(work, first + i, r, strips[i].sums + (size_t)r * CPU_STRIP);
        }
    }
}

void cpu_matrix_amx(const struct cpu_work *work)
{
    if (work->input->rows <= FEW) {
        cpu_dot_avx512(work);
        return;
    }
    configure();
    for (uint32_t s = work->first; s < work->last; s += CPU_WIDE_STRIPS) {
        uint32_t count = work->last - s < CPU_WIDE_STRIPS ? work->last - s : CPU_WIDE_STRIPS;
        CPU_FOR_TYPE(work->weight->tile.type, multiply_strips, work, s, count);
    }
    _tile_release();
}

/* ---- F16 and BF16 ---- */

void cpu_prepare_amx_halves(const struct cpu_input *input, uint32_t group)
{
    for (uint32_t b = 0; b < input->blocks; b++) {
        uint16_t *to = input->halves + ((size_t)group * input->blocks + b) * CPU_ROWS * CPU_BLOCK;
        uint32_t from = b * CPU_BLOCK;
        uint32_t some = input->columns - from < CPU_BLOCK ? input->columns - from : CPU_BLOCK;
        __mmask32 there = (__mmask32)(UINT64_MAX >> (64 - some));
        for (uint32_t r = 0; r < CPU_ROWS; r++, to += CPU_BLOCK) {
            uint32_t row = group * CPU_ROWS + r;
            __m512 low = _mm512_setzero_ps();
            __m512 high = low;
            if (row < input->rows) {
                const float *x = input->x + (size_t)row * input->columns + from;
                low = _mm512_maskz_loadu_ps((__mmask16)there, x);
                high = _mm512_maskz_loadu_ps((__mmask16)(there >> 16), x + CPU_STRIP);
            }
            _mm512_storeu_si512(to, (__m512i)_mm512_cvtne2ps_pbh(high, low));
        }
    }
}

/* 32 columns of a strip of F16 as bf16. */
CPU_INLINE void narrow(const unsigned char *at, uint8_t *out)
{
#    pragma GCC unroll 4
    for (int line = 0; line < CPU_BLOCK / 2; line++, at += CPU_LINE, out += CPU_LINE) {
        __m512i halves = _mm512_load_si512(at);
        __m512 low = _mm512_cvtph_ps(_mm512_castsi512_si256(halves));
        __m512 high = _mm512_cvtph_ps(_mm512_extracti64x4_epi64(halves, 1));
        _mm512_store_si512(out, (__m512i)_mm512_cvtne2ps_pbh(high, low));
    }
}

void cpu_matrix_amx_halves(const struct cpu_work *work)
{
    const struct cpu_tile *tile = &work->weight->tile;
    const struct cpu_input *input = work->input;
    enum { BLOCK_BYTES = CPU_BLOCK / 2 * CPU_LINE };
    configure();
    for (uint32_t s = work->first; s < work->last; s++) {
        const unsigned char *q = work->weight->strips + (size_t)s * tile->stride;
        if (tile->type == KERNEL_F16) {
            for (uint32_t b = 0; b < tile->blocks; b++) {
                narrow(q + (size_t)b * BLOCK_BYTES, work->scratch->q + (size_t)b * BLOCK_BYTES);
            }
            q = work->scratch->q;
        }
        for (uint32_t g = 0; g < input->groups; g++) {
            float sums[CPU_ROWS][CPU_STRIP] __attribute__((aligned(64)));
            const uint16_t *x = input->halves + (size_t)g * input->blocks * CPU_ROWS * CPU_BLOCK;
            _tile_zero(SUM0);
            for (uint32_t b = 0; b < tile->blocks; b++) {
                _tile_loadd(A_HALVES, x + (size_t)b * CPU_ROWS * CPU_BLOCK, CPU_LINE);
                _tile_loadd(B_HALVES, q + (size_t)b * BLOCK_BYTES, CPU_LINE);
                _tile_dpbf16ps(SUM0, A_HALVES, B_HALVES);
            }
            _tile_stored(SUM0, sums, CPU_LINE);
            for (uint32_t t = 0; t < CPU_ROWS && g * CPU_ROWS + t < input->rows; t++) {
                cpu_finish(work, s, g * CPU_ROWS + t, sums[t]);
            }
        }
    }
    _tile_release();
}

#endif
