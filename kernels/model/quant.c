/* quant.c -- exact reading of the stored types.
 *
 * A block holds values that share scales (half floats, at its beginning or, in Q6_K, its end):
 *
 *     Q8_0  d, 32 x int8                                    value = d q
 *     Q4_0  d, 16 bytes                                     value = d (q - 8)
 *     Q4_1  d, m, 16 bytes                                  value = d q + m
 *     Q5_0  d, 32 fifth bits, 16 bytes                      value = d (q - 16)
 *     Q5_1  d, m, 32 fifth bits, 16 bytes                   value = d q + m
 *     Q4_K  d, dmin, 12 bytes of scales, 128 bytes          value = (d s) q - (dmin m)
 *     Q5_K  d, dmin, 12 bytes of scales, 32 fifth, 128      value = (d s) q - (dmin m)
 *     Q6_K  128 bytes low, 64 high, 16 x int8 scale, d      value = (d s) (q - 32)
 *
 * In the 32-value types byte j holds value j (low half) and j + 16 (high half).  In the 256-value
 * types 32 bytes hold 64 values: 32 low halves, then 32 high halves; Q6_K interleaves four groups
 * of 32 in the same manner.
 */
#include "kernels/model/quant.h"

#include "kernels/base/fail.h"

#include <string.h>

enum { SMALL = 32, HALF = SMALL / 2 }; /* values of the smaller blocks */

float kernel_half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = (half >> 10) & 0x1f;
    uint32_t fraction = half & 0x3ff;
    uint32_t bits;
    if (exponent == 0x1f) { /* infinite, or not a number */
        bits = sign | 0x7f800000 | fraction << 13;
    } else if (exponent != 0) {
        bits = sign | (exponent + 112) << 23 | fraction << 13;
    } else { /* zero and subnormal: fraction * 2^-24, exact */
        float value = (float)fraction * 0x1p-24F;
        memcpy(&bits, &value, sizeof bits);
        bits |= sign;
    }
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

uint16_t kernel_float_to_half(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    bits &= 0x7fffffff;
    if (bits > 0x7f800000) {
        return sign | 0x7e00;
    }
    if (bits >= 0x477ff000) { /* 65520 and more round to infinity */
        return sign | 0x7c00;
    }
    if (bits < 0x38800000) { /* below 2^-14: a multiple of 2^-24; adding 0.5 rounds to even */
        float magnitude;
        memcpy(&magnitude, &bits, sizeof magnitude);
        magnitude += 0.5F;
        memcpy(&bits, &magnitude, sizeof bits);
        return (uint16_t)(sign | (bits - 0x3f000000));
    }
    bits += 0xfff + (bits >> 13 & 1);
    return (uint16_t)(sign | ((bits - 0x38000000) >> 13));
}

float kernel_bf16_to_float(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

uint16_t kernel_float_to_bf16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffff) > 0x7f800000) {
        return (uint16_t)(bits >> 16 | 0x40);
    }
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

void kernel_k_scale(const unsigned char scales[KERNEL_K_SCALES], int i, unsigned *scale,
                    unsigned *minimum)
{
    if (i < 4) {
        *scale = scales[i] & 63U;
        *minimum = scales[i + 4] & 63U;
    } else {
        *scale = (scales[i + 4] & 15U) | (scales[i - 4] >> 6 << 4);
        *minimum = (scales[i + 4] >> 4) | (scales[i] >> 6 << 4);
    }
}

static float half_at(const unsigned char *at)
{
    uint16_t half;
    memcpy(&half, at, sizeof half);
    return kernel_half_to_float(half);
}

static void read_q8_0(const unsigned char *at, float *out)
{
    float d = half_at(at);
    for (int i = 0; i < SMALL; i++) {
        out[i] = d * (float)(int8_t)at[2 + i];
    }
}

static void read_q4_0(const unsigned char *at, float *out)
{
    float d = half_at(at);
    for (int i = 0; i < HALF; i++) {
        out[i] = d * (float)((at[2 + i] & 15) - 8);
        out[i + HALF] = d * (float)((at[2 + i] >> 4) - 8);
    }
}

static void read_q4_1(const unsigned char *at, float *out)
{
    float d = half_at(at);
    float m = half_at(at + 2);
    for (int i = 0; i < HALF; i++) {
        out[i] = d * (float)(at[4 + i] & 15) + m;
        out[i + HALF] = d * (float)(at[4 + i] >> 4) + m;
    }
}

/* Value i and i + 16 of the two types with five bits, from 0 to 31. */
static void five_bits(const unsigned char *high, const unsigned char *low, int i, int q[2])
{
    uint32_t fifth;
    memcpy(&fifth, high, sizeof fifth);
    q[0] = (int)((low[i] & 15) | (fifth >> i & 1) << 4);
    q[1] = (int)((uint32_t)(low[i] >> 4) | (fifth >> (i + HALF) & 1) << 4);
}

static void read_q5_0(const unsigned char *at, float *out)
{
    float d = half_at(at);
    for (int i = 0; i < HALF; i++) {
        int q[2];
        five_bits(at + 2, at + 6, i, q);
        out[i] = d * (float)(q[0] - 16);
        out[i + HALF] = d * (float)(q[1] - 16);
    }
}

static void read_q5_1(const unsigned char *at, float *out)
{
    float d = half_at(at);
    float m = half_at(at + 2);
    for (int i = 0; i < HALF; i++) {
        int q[2];
        five_bits(at + 4, at + 8, i, q);
        out[i] = d * (float)q[0] + m;
        out[i + HALF] = d * (float)q[1] + m;
    }
}

static void read_q4_k(const unsigned char *at, float *out)
{
    float d = half_at(at);
    float dmin = half_at(at + 2);
    for (int group = 0; group < KERNEL_K_BLOCK / SMALL; group++) {
        const unsigned char *low = at + 16 + group / 2 * SMALL;
        unsigned scale = 0;
        unsigned minimum = 0;
        kernel_k_scale(at + 4, group, &scale, &minimum);
        float step = d * (float)scale;
        float offset = dmin * (float)minimum;
        for (int i = 0; i < SMALL; i++) {
            int q = low[i] >> (group % 2 * 4) & 15;
            out[group * SMALL + i] = step * (float)q - offset;
        }
    }
}

static void read_q5_k(const unsigned char *at, float *out)
{
    float d = half_at(at);
    float dmin = half_at(at + 2);
    const unsigned char *fifth = at + 16;
    for (int group = 0; group < KERNEL_K_BLOCK / SMALL; group++) {
        const unsigned char *low = at + 48 + group / 2 * SMALL;
        unsigned scale = 0;
        unsigned minimum = 0;
        kernel_k_scale(at + 4, group, &scale, &minimum);
        float step = d * (float)scale;
        float offset = dmin * (float)minimum;
        for (int i = 0; i < SMALL; i++) {
            int q = (low[i] >> (group % 2 * 4) & 15) | (fifth[i] >> group & 1) << 4;
            out[group * SMALL + i] = step * (float)q - offset;
        }
    }
}

static void read_q6_k(const unsigned char *at, float *out)
{
    float d = half_at(at + 208);
    for (int group = 0; group < KERNEL_K_BLOCK / SMALL; group++) {
        int part = group / 4; /* of two halves */
        int quarter = group % 4;
        const unsigned char *low = at + part * 64 + quarter % 2 * SMALL;
        const unsigned char *high = at + 128 + part * SMALL;
        for (int i = 0; i < SMALL; i++) {
            int q = (low[i] >> (quarter / 2 * 4) & 15) | (high[i] >> (quarter * 2) & 3) << 4;
            float step = d * (float)(int8_t)at[192 + group * 2 + i / HALF];
            out[group * SMALL + i] = step * (float)(q - 32);
        }
    }
}

void kernel_dequantise(enum kernel_type type, const void *row, float *out, uint32_t columns)
{
    const struct kernel_type_facts *facts = kernel_type_facts(type);
    KERNEL_ASSERT(facts != NULL && columns % facts->block == 0);
    const unsigned char *at = row;
    if (type == KERNEL_F32) {
        memcpy(out, row, columns * sizeof *out);
        return;
    }
    for (uint32_t i = 0; i < columns; i += facts->block, at += facts->block_bytes) {
        switch (type) {
        case KERNEL_F16: out[i] = half_at(at); break;
        case KERNEL_BF16: out[i] = kernel_bf16_to_float((uint16_t)(at[0] | at[1] << 8)); break;
        case KERNEL_Q8_0: read_q8_0(at, out + i); break;
        case KERNEL_Q4_0: read_q4_0(at, out + i); break;
        case KERNEL_Q4_1: read_q4_1(at, out + i); break;
        case KERNEL_Q5_0: read_q5_0(at, out + i); break;
        case KERNEL_Q5_1: read_q5_1(at, out + i); break;
        case KERNEL_Q4_K: read_q4_k(at, out + i); break;
        case KERNEL_Q5_K: read_q5_k(at, out + i); break;
        case KERNEL_Q6_K: read_q6_k(at, out + i); break;
        case KERNEL_F32: break;
        }
    }
}
