/* unpack.h -- 32 columns of a strip as registers: 8 lines of quants, the scales of 16 rows.
 *
 * Written with the compiler's vectors of 64 bytes: one AVX-512 register, two of AVX2, four of SSE2
 * or NEON, by the flags of the file that includes this.  Everything is inlined, with `type`
 * constant at the place of use.
 *
 *     value of (row, column) = scale[group][row] * (q - offset) - least[row]
 *
 * A quant of Q8_0 is stored signed: its unsigned form is q + 128, that is, the top bit turned.
 * Private to kernels/cpu.
 */
#ifndef REEVE_KERNELS_CPU_UNPACK_H
#define REEVE_KERNELS_CPU_UNPACK_H

#include "kernels/cpu/tile.h"
#include "kernels/model/quant.h"

#ifdef __x86_64__
#    include <immintrin.h>
#endif
#include <string.h>

#define CPU_INLINE static inline __attribute__((always_inline, unused))

typedef uint8_t cpu_bytes __attribute__((vector_size(64), aligned(64), may_alias));
typedef int8_t cpu_chars __attribute__((vector_size(64), aligned(64), may_alias));
typedef int32_t cpu_ints __attribute__((vector_size(64), aligned(64), may_alias));
typedef float cpu_floats __attribute__((vector_size(64), aligned(64), may_alias));

struct cpu_unpacked {
    cpu_bytes q[CPU_BLOCK / 4];
    cpu_floats scale[2]; /* of columns 0 to 15, 16 to 31; [0] of all where there is one group */
    cpu_floats least;
};

/* 16 half floats. */
CPU_INLINE void cpu_halves(const unsigned char *at, cpu_floats *out)
{
#if defined __AVX512F__
    *out = (cpu_floats)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)at));
#elif defined __F16C__
    float values[CPU_STRIP] __attribute__((aligned(64)));
    for (int i = 0; i < CPU_STRIP; i += 8) {
        _mm256_store_ps(values + i, _mm256_cvtph_ps(_mm_loadu_si128(
                                        (const __m128i *)(const void *)(at + i * 2))));
    }
    memcpy(out, values, sizeof values);
#else
    for (int i = 0; i < CPU_STRIP; i++) {
        uint16_t half;
        memcpy(&half, at + i * 2, sizeof half);
        (*out)[i] = kernel_half_to_float(half);
    }
#endif
}

/* 16 unsigned (signed: `sign`) bytes as floats. */
CPU_INLINE void cpu_small(const uint8_t *at, bool sign, cpu_floats *out)
{
#if defined __AVX512F__
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m512i wide = sign ? _mm512_cvtepi8_epi32(bytes) : _mm512_cvtepu8_epi32(bytes);
    *out = (cpu_floats)_mm512_cvtepi32_ps(wide);
#elif defined __AVX2__
    float values[CPU_STRIP] __attribute__((aligned(64)));
    for (int i = 0; i < CPU_STRIP; i += 8) {
        __m128i bytes = _mm_loadl_epi64((const __m128i *)(const void *)(at + i));
        _mm256_store_ps(values + i, _mm256_cvtepi32_ps(sign ? _mm256_cvtepi8_epi32(bytes)
                                                            : _mm256_cvtepu8_epi32(bytes)));
    }
    memcpy(out, values, sizeof values);
#else
    for (int i = 0; i < CPU_STRIP; i++) {
        (*out)[i] = sign ? (float)(int8_t)at[i] : (float)at[i];
    }
#endif
}

/* Scales and minima of group `group` (0 to 7) of a Q4_K or Q5_K block: six bits each, see
 * kernel_k_scale; `at` holds each of the 12 bytes for 16 rows. */
CPU_INLINE void cpu_k_scales(const unsigned char *at, uint32_t group, struct cpu_unpacked *out)
{
    typedef uint8_t row_bytes __attribute__((vector_size(16), aligned(1), may_alias));
    const row_bytes *b = (const row_bytes *)(const void *)at;
    row_bytes scale;
    row_bytes least;
    if (group < 4) {
        scale = b[group] & 63;
        least = b[group + 4] & 63;
    } else {
        scale = (b[group + 4] & 15) | (b[group - 4] >> 6 << 4);
        least = (b[group + 4] >> 4) | (b[group] >> 6 << 4);
    }
    cpu_floats d;
    cpu_floats factor;
    cpu_halves(at + KERNEL_K_SCALES * CPU_STRIP, &d);
    cpu_small((const uint8_t *)&scale, false, &factor);
    out->scale[0] = d * factor;
    cpu_halves(at + KERNEL_K_SCALES * CPU_STRIP + CPU_STRIP * 2, &d);
    cpu_small((const uint8_t *)&least, false, &factor);
    out->least = d * factor;
}

CPU_INLINE void cpu_unpack_scales(const struct cpu_tile *tile, enum kernel_type type,
                                  const unsigned char *strip, uint32_t block,
                                  struct cpu_unpacked *out)
{
    const unsigned char *at = strip + tile->scales_at;
    cpu_floats d;
    switch (type) {
    case KERNEL_Q4_1:
    case KERNEL_Q5_1:
        cpu_halves(at + (size_t)block * 64, &out->scale[0]);
        cpu_halves(at + (size_t)block * 64 + 32, &d);
        out->least = -d;
        break;
    case KERNEL_Q4_K:
    case KERNEL_Q5_K: cpu_k_scales(at + (size_t)block / 8 * 256, block % 8, out); break;
    case KERNEL_Q6_K:
        at += (size_t)block / 8 * 288;
        cpu_halves(at + 256, &d);
        cpu_small(at + block % 8 * 32, true, &out->scale[0]);
        cpu_small(at + block % 8 * 32 + 16, true, &out->scale[1]);
        out->scale[0] *= d;
        out->scale[1] *= d;
        break;
    default: cpu_halves(at + (size_t)block * 32, &out->scale[0]); break;
    }
}

CPU_INLINE void cpu_unpack_quants(const struct cpu_tile *tile, enum kernel_type type,
                                  const unsigned char *strip, uint32_t block, cpu_bytes q[8])
{
    const struct cpu_bits {
        cpu_bytes line[2];
    } *bits = NULL;
    if (type == KERNEL_Q8_0) {
        const cpu_bytes *at = (const cpu_bytes *)(const void *)(strip + (size_t)block * 512);
        for (int j = 0; j < 8; j++) {
            q[j] = at[j] ^ 128;
        }
        return;
    }
    const cpu_bytes *at = (const cpu_bytes *)(const void *)(strip + (size_t)block * 256);
    for (int j = 0; j < 4; j++) {
        q[j] = at[j] & 15;
        q[j + 4] = at[j] >> 4;
    }
    if (type == KERNEL_Q6_K) {
        bits = (const void *)(strip + tile->bits_at + (size_t)block * 128);
        for (int j = 0; j < 8; j++) {
            q[j] |= ((bits->line[j / 4] >> (j % 4 * 2)) & 3) << 4;
        }
    } else if (type == KERNEL_Q5_0 || type == KERNEL_Q5_1 || type == KERNEL_Q5_K) {
        bits = (const void *)(strip + tile->bits_at + (size_t)block * 64);
        for (int j = 0; j < 8; j++) {
            q[j] |= ((bits->line[0] >> j) & 1) << 4;
        }
    }
}

/* Any type, chosen while running. */
CPU_INLINE void cpu_unpack(const struct cpu_tile *tile, const unsigned char *strip, uint32_t block,
                           struct cpu_unpacked *out)
{
#define CPU_UNPACK_CASE(name)                                                                      \
case name:                                                                                         \
    cpu_unpack_quants(tile, name, strip, block, out->q);                                           \
    cpu_unpack_scales(tile, name, strip, block, out);                                              \
    break
    switch (tile->type) {
        CPU_UNPACK_CASE(KERNEL_Q8_0);
        CPU_UNPACK_CASE(KERNEL_Q4_0);
        CPU_UNPACK_CASE(KERNEL_Q4_1);
        CPU_UNPACK_CASE(KERNEL_Q5_0);
        CPU_UNPACK_CASE(KERNEL_Q5_1);
        CPU_UNPACK_CASE(KERNEL_Q4_K);
        CPU_UNPACK_CASE(KERNEL_Q5_K);
        CPU_UNPACK_CASE(KERNEL_Q6_K);
    default: break;
    }
#undef CPU_UNPACK_CASE
}

#endif
