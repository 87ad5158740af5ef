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
    SUMS = 4,     /* tiles with sums at a time */
    AHEAD = 2048  /* bytes of a strip that are asked for early */
};

/* The tiles: four of sums, and A and B twice.  (Macros: the intrinsics make them part of an
 * instruction's name.) */
#    define A0 4
#    define A1 5
#    define B0 6
#    define B1 7

/* `bytes` of each of 16 tokens, and four of them in each line of B. */
static void configure(uint16_t bytes)
{
    uint8_t lines = (uint8_t)(bytes / 4);
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } const shapes __attribute__((aligned(64))) = {
        .palette = 1,
        .row_bytes = {64, 64, 64, 64, bytes, bytes, 64, 64},
        .rows = {16, 16, 16, 16, 16, 16, lines, lines},
    };
    _tile_loadconfig(&shapes);
}

/* ---- block types ---- */

/* A strip as signed bytes and f32 scales; quants of Q8_0 are that already. */
CPU_INLINE void widen(const struct cpu_tile *tile, const unsigned char *strip,
                      const struct cpu_scratch *scratch, enum kernel_type type, int offset,
                      int groups, bool least, bool asked)
{
    for (uint32_t b = 0; b < tile->blocks; b++) {
        struct cpu_unpacked block;
        /* the strip comes from memory here: once for all tokens */
        uint32_t quants = type == KERNEL_Q8_0 ? 512 : 256;
        for (uint32_t i = 0; i < quants && !asked; i += CPU_LINE) {
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

/* 16 x 16 integers, scaled, onto the sums of 16 tokens.  Memory is idle meanwhile: the `lines`
 * lines from `next` on, of strips that come later, are asked for, not faster than they can be
 * fetched. */
CPU_INLINE void scale_sums(const int32_t *whole, const float *scale, const float *in,
                           const char *next, uint32_t lines, __m512 sums[CPU_ROWS])
{
    __m512 of_weights = _mm512_load_ps(scale);
#    pragma GCC unroll 16
    for (int t = 0; t < CPU_ROWS; t++) {
        __m512 value = _mm512_cvtepi32_ps(_mm512_load_si512(whole + (size_t)t * CPU_STRIP));
        sums[t] = _mm512_fmadd_ps(_mm512_mul_ps(value, of_weights), _mm512_set1_ps(in[t]), sums[t]);
        if (t % 2 == 1 && (uint32_t)t / 2 < lines) {
            _mm_prefetch(next + (size_t)(t / 2) * CPU_LINE, _MM_HINT_T1);
        }
    }
}

/* What a strip looks like to the loop below. */
struct wide_strip {
    const uint8_t *q;
    const float *scale, *least;
    float *sums;               /* [groups of tokens][CPU_ROWS][16] */
    const unsigned char *next; /* the strip that comes in its place; NULL: none */
    size_t each;               /* bytes of it that are asked for with each block */
};

/* The sums of a few tiles on their way from the tiles to the registers. */
struct on_way {
    int32_t at[SUMS][CPU_ROWS * CPU_STRIP] __attribute__((aligned(64)));
};

/* Products of `count` tiles (a constant where it matters): of blocks, or of half blocks. */
CPU_INLINE void multiply_tiles(const int8_t *x, const uint8_t *w, size_t x_stride, size_t w_stride,
                               uint32_t count, int32_t (*out)[CPU_ROWS * CPU_STRIP])
{
#    define MULTIPLY(i, a, b)                                                                      \
        if (count > (i)) {                                                                         \
            _tile_zero(i);                                                                         \
            _tile_loadd(a, x + (i)*x_stride, CPU_BLOCK);                                           \
            _tile_loadd(b, w + (i)*w_stride, CPU_LINE);                                            \
            _tile_dpbssd(i, a, b);                                                                 \
        }
#    define STORE(i)                                                                               \
        if (count > (i)) {                                                                         \
            _tile_stored(i, out[i], CPU_LINE);                                                     \
        }
    MULTIPLY(0, A0, B0)
    MULTIPLY(1, A1, B1)
    MULTIPLY(2, A0, B0)
    MULTIPLY(3, A1, B1)
    STORE(0)
    STORE(1)
    STORE(2)
    STORE(3)
}

/* Blocks `from` to `to` - 1 of one strip onto the sums of 16 tokens. */
CPU_INLINE void multiply_group(const struct cpu_input *input, const struct wide_strip *strip,
                               uint32_t group, uint32_t from, uint32_t to, int groups, bool least)
{
    struct on_way way[2];
    float *kept = strip->sums + (size_t)group * CPU_ROWS * CPU_STRIP;
    uint32_t some = SUMS / (uint32_t)groups; /* blocks at a time */
    __m512 sums[CPU_ROWS];
#    pragma GCC unroll 16
    for (int t = 0; t < CPU_ROWS; t++) {
        sums[t] = from > 0 ? _mm512_load_ps(kept + (size_t)t * CPU_STRIP) : _mm512_setzero_ps();
    }
    for (uint32_t b = from, done = from; done < to; b += some) {
        if (b < to) { /* these first: their sums need a while to arrive */
            uint32_t count = to - b < some ? to - b : some;
            size_t at = ((size_t)group * input->blocks + b) * CPU_ROWS;
            const int8_t *x = input->q + at * CPU_BLOCK;
            const uint8_t *w = strip->q + (size_t)b * LINES * CPU_LINE;
            if (groups == 1) {
                multiply_tiles(x, w, CPU_ROWS * CPU_BLOCK, LINES * CPU_LINE, count,
                               way[b / some % 2].at);
            } else {
                for (uint32_t i = 0; i < count; i++) {
                    multiply_tiles(x + (size_t)i * CPU_ROWS * CPU_BLOCK,
                                   w + (size_t)i * LINES * CPU_LINE, CPU_BLOCK / 2,
                                   LINES / 2 * CPU_LINE, 2, way[b / some % 2].at + 2 * i);
                }
            }
        }
        if (b == from) {
            continue;
        }
        for (; done < b && done < to; done++) {
            size_t at = ((size_t)group * input->blocks + done) * CPU_ROWS;
            const float *scale = strip->scale + (size_t)done * groups * CPU_STRIP;
            const struct on_way *whole = &way[done / some % 2];
            const int32_t *here = whole->at[done % some * (uint32_t)groups];
            const char *next = (const char *)strip->next + done * strip->each;
            uint32_t lines =
                group == 0 && strip->next != NULL ? (uint32_t)(strip->each / CPU_LINE) : 0;
            scale_sums(here, scale, input->scale + at, next, lines, sums);
            if (groups == 2) {
                scale_sums(here + CPU_ROWS * CPU_STRIP, scale + CPU_STRIP, input->scale + at, next,
                           0, sums);
            }
            if (least) {
                __m512 minimum = _mm512_load_ps(strip->least + (size_t)done * CPU_STRIP);
#    pragma GCC unroll 16
                for (int t = 0; t < CPU_ROWS; t++) {
                    sums[t] =
                        _mm512_fnmadd_ps(minimum, _mm512_set1_ps(input->sum[at + t]), sums[t]);
                }
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
        widen(tile, at, &part, type, offset, groups, least, first > work->first);
        strips[i] = (struct wide_strip){
            .q = type == KERNEL_Q8_0 ? at : part.q,
            .scale = part.scale,
            .least = part.least,
            .sums = all->sums + (size_t)i * input->groups * CPU_ROWS * CPU_STRIP,
            .next = first + count + i < tile->strips ? at + count * tile->stride : NULL,
            .each = (tile->stride + tile->blocks - 1) / tile->blocks,
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
    configure(work->weight->tile.type == KERNEL_Q6_K ? CPU_BLOCK / 2 : CPU_BLOCK);
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
    configure(CPU_BLOCK * sizeof(uint16_t));
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
            _tile_zero(0);
            for (uint32_t b = 0; b < tile->blocks; b++) {
                _tile_loadd(A0, x + (size_t)b * CPU_ROWS * CPU_BLOCK, CPU_LINE);
                _tile_loadd(B0, q + (size_t)b * BLOCK_BYTES, CPU_LINE);
                _tile_dpbf16ps(0, A0, B0);
            }
            _tile_stored(0, sums, CPU_LINE);
            for (uint32_t t = 0; t < CPU_ROWS && g * CPU_ROWS + t < input->rows; t++) {
                cpu_finish(work, s, g * CPU_ROWS + t, sums[t]);
            }
        }
    }
    _tile_release();
}

#endif
