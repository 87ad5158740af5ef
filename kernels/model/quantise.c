/* quantise.c -- simple writing of the stored types, the inverse of quant.c.
 *
 * Symmetric types take the step from the largest magnitude of a block, the others from its smallest
 * and largest value; the scales are rounded to what the format stores before the values are
 * divided, so that a value never lands further than half a step from where it was (one step at the
 * far end of the symmetric types with an even number of steps).
 */
#include "kernels/model/quant.h"

#include "kernels/base/fail.h"

#include <math.h>
#include <string.h>

enum { SMALL = 32, HALF = SMALL / 2, GROUPS = KERNEL_K_BLOCK / SMALL };

/* Writes the half float next to `value` and returns what a reader will see. */
static float put_half(unsigned char *at, float value)
{
    uint16_t half = kernel_float_to_half(value);
    memcpy(at, &half, sizeof half);
    return kernel_half_to_float(half);
}

/* value / step to the nearest integer within [least, most]; 0 for a step of 0. */
static int round_to(float value, float step, int least, int most)
{
    if (step == 0) {
        return least > 0 ? least : 0;
    }
    float q = rintf(value / step);
    return q < (float)least ? least : q > (float)most ? most : (int)q;
}

/* The value of the largest magnitude, with its sign. */
static float extreme(const float *in, int count)
{
    float most = 0;
    for (int i = 0; i < count; i++) {
        if (fabsf(in[i]) > fabsf(most)) {
            most = in[i];
        }
    }
    return most;
}

static void range(const float *in, int count, float *least, float *most)
{
    *least = in[0];
    *most = in[0];
    for (int i = 1; i < count; i++) {
        *least = fminf(*least, in[i]);
        *most = fmaxf(*most, in[i]);
    }
}

static void write_q8_0(const float *in, unsigned char *at)
{
    float d = put_half(at, fabsf(extreme(in, SMALL)) / 127);
    for (int i = 0; i < SMALL; i++) {
        at[2 + i] = (unsigned char)(int8_t)round_to(in[i], d, -127, 127);
    }
}

static void write_q4_0(const float *in, unsigned char *at)
{
    float d = put_half(at, extreme(in, SMALL) / -8); /* -8 has no +8 beside it */
    for (int i = 0; i < HALF; i++) {
        int low = round_to(in[i], d, -8, 7) + 8;
        int high = round_to(in[i + HALF], d, -8, 7) + 8;
        at[2 + i] = (unsigned char)(low | high << 4);
    }
}

static void write_q4_1(const float *in, unsigned char *at)
{
    float least = 0;
    float most = 0;
    range(in, SMALL, &least, &most);
    float d = put_half(at, (most - least) / 15);
    float m = put_half(at + 2, least);
    for (int i = 0; i < HALF; i++) {
        int low = round_to(in[i] - m, d, 0, 15);
        int high = round_to(in[i + HALF] - m, d, 0, 15);
        at[4 + i] = (unsigned char)(low | high << 4);
    }
}

/* 32 values from 0 to 31: their fifth bits, then their low halves. */
static void put_five_bits(const int q[SMALL], unsigned char *at)
{
    uint32_t fifth = 0;
    for (int i = 0; i < SMALL; i++) {
        fifth |= (uint32_t)(q[i] >> 4) << i;
    }
    memcpy(at, &fifth, sizeof fifth);
    for (int i = 0; i < HALF; i++) {
        at[4 + i] = (unsigned char)((q[i] & 15) | (q[i + HALF] & 15) << 4);
    }
}

static void write_q5_0(const float *in, unsigned char *at)
{
    int q[SMALL];
    float d = put_half(at, extreme(in, SMALL) / -16);
    for (int i = 0; i < SMALL; i++) {
        q[i] = round_to(in[i], d, -16, 15) + 16;
    }
    put_five_bits(q, at + 2);
}

static void write_q5_1(const float *in, unsigned char *at)
{
    int q[SMALL];
    float least = 0;
    float most = 0;
    range(in, SMALL, &least, &most);
    float d = put_half(at, (most - least) / 31);
    float m = put_half(at + 2, least);
    for (int i = 0; i < SMALL; i++) {
        q[i] = round_to(in[i] - m, d, 0, 31);
    }
    put_five_bits(q, at + 4);
}

/* The inverse of kernel_k_scale for all eight groups. */
static void put_k_scales(const int scale[GROUPS], const int minimum[GROUPS], unsigned char *at)
{
    for (int i = 0; i < 4; i++) {
        at[i] = (unsigned char)(scale[i] | scale[i + 4] >> 4 << 6);
        at[i + 4] = (unsigned char)(minimum[i] | minimum[i + 4] >> 4 << 6);
        at[i + 8] = (unsigned char)((scale[i + 4] & 15) | (minimum[i + 4] & 15) << 4);
    }
}

/* Scales of a Q4_K or Q5_K block and its values from 0 to `steps`. */
static void scale_k(const float *in, int steps, unsigned char *at, int q[KERNEL_K_BLOCK])
{
    float step[GROUPS];
    float offset[GROUPS];
    int scale[GROUPS];
    int minimum[GROUPS];
    float step_most = 0;
    float offset_most = 0;
    for (int g = 0; g < GROUPS; g++) {
        float least = 0;
        float most = 0;
        range(in + g * SMALL, SMALL, &least, &most);
        least = fminf(least, 0); /* a minimum is only ever subtracted */
        step[g] = (fmaxf(most, least) - least) / (float)steps;
        offset[g] = -least;
        step_most = fmaxf(step_most, step[g]);
        offset_most = fmaxf(offset_most, offset[g]);
    }
    float d = put_half(at, step_most / 63);
    float dmin = put_half(at + 2, offset_most / 63);
    for (int g = 0; g < GROUPS; g++) {
        scale[g] = round_to(step[g], d, 0, 63);
        minimum[g] = round_to(offset[g], dmin, 0, 63);
        for (int i = 0; i < SMALL; i++) {
            q[g * SMALL + i] = round_to(in[g * SMALL + i] + dmin * (float)minimum[g],
                                        d * (float)scale[g], 0, steps);
        }
    }
    put_k_scales(scale, minimum, at + 4);
}

static void put_low_halves(const int q[KERNEL_K_BLOCK], unsigned char *at)
{
    for (int i = 0; i < KERNEL_K_BLOCK / 2; i++) {
        int first = i / SMALL * 2 * SMALL + i % SMALL;
        at[i] = (unsigned char)((q[first] & 15) | (q[first + SMALL] & 15) << 4);
    }
}

static void write_q4_k(const float *in, unsigned char *at)
{
    int q[KERNEL_K_BLOCK];
    scale_k(in, 15, at, q);
    put_low_halves(q, at + 16);
}

static void write_q5_k(const float *in, unsigned char *at)
{
    int q[KERNEL_K_BLOCK];
    scale_k(in, 31, at, q);
    memset(at + 16, 0, SMALL);
    for (int i = 0; i < KERNEL_K_BLOCK; i++) {
        at[16 + i % SMALL] |= (unsigned char)(q[i] >> 4 << i / SMALL);
    }
    put_low_halves(q, at + 48);
}

static void write_q6_k(const float *in, unsigned char *at)
{
    float most[2 * GROUPS]; /* signed: -32 has no +32 beside it */
    for (int s = 0; s < 2 * GROUPS; s++) {
        most[s] = extreme(in + s * HALF, HALF) / -32;
    }
    float d = put_half(at + 208, extreme(most, 2 * GROUPS) / -128);
    memset(at, 0, 192);
    for (int s = 0; s < 2 * GROUPS; s++) {
        int scale = round_to(most[s], d, -128, 127);
        int part = s / 8;
        int quarter = s / 2 % 4;
        at[192 + s] = (unsigned char)(int8_t)scale;
        for (int i = 0; i < HALF; i++) {
            int q = round_to(in[s * HALF + i], d * (float)scale, -32, 31) + 32;
            int column = s % 2 * HALF + i;
            at[part * 64 + quarter % 2 * SMALL + column] |=
                (unsigned char)((q & 15) << quarter / 2 * 4);
            at[128 + part * SMALL + column] |= (unsigned char)(q >> 4 << quarter * 2);
        }
    }
}

void kernel_quantise(enum kernel_type type, const float *row, void *out, uint32_t columns)
{
    const struct kernel_type_facts *facts = kernel_type_facts(type);
    KERNEL_ASSERT(facts != NULL && columns % facts->block == 0);
    unsigned char *at = out;
    if (type == KERNEL_F32) {
        memcpy(out, row, columns * sizeof *row);
        return;
    }
    for (uint32_t i = 0; i < columns; i += facts->block, at += facts->block_bytes) {
        uint16_t brain = 0;
        switch (type) {
        case KERNEL_F16: put_half(at, row[i]); break;
        case KERNEL_BF16:
            brain = kernel_float_to_bf16(row[i]);
            memcpy(at, &brain, sizeof brain);
            break;
        case KERNEL_Q8_0: write_q8_0(row + i, at); break;
        case KERNEL_Q4_0: write_q4_0(row + i, at); break;
        case KERNEL_Q4_1: write_q4_1(row + i, at); break;
        case KERNEL_Q5_0: write_q5_0(row + i, at); break;
        case KERNEL_Q5_1: write_q5_1(row + i, at); break;
        case KERNEL_Q4_K: write_q4_k(row + i, at); break;
        case KERNEL_Q5_K: write_q5_k(row + i, at); break;
        case KERNEL_Q6_K: write_q6_k(row + i, at); break;
        case KERNEL_F32: break;
        }
    }
}
