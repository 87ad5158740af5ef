/* plain.c -- f32 arithmetic of the CPU backend, once for every level.
 *
 * Compiled several times with CPU_NAME(x) = x_base, x_avx2, x_avx512 and the flags of that level;
 * the compiler's vectors of 16 floats become one, two or four registers.  Each sum has a fixed
 * order that depends on the width alone.  (Multiply-adds are contracted where the level has them:
 * same source, same code for all rows.)
 */
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/unpack.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define CPU_JOIN2(a, b) a##_##b
#define CPU_JOIN(a, b)  CPU_JOIN2(a, b)
#define CPU_NAME(name)  CPU_JOIN(name, CPU_FLAVOUR)

typedef cpu_floats floats;
typedef float loose __attribute__((vector_size(64), aligned(4), may_alias)); /* in memory */

enum { WIDE = 16, CHAINS = 4 /* sums in flight */ };

CPU_INLINE void load(const float *at, floats *out)
{
    *out = *(const loose *)(const void *)at;
}

CPU_INLINE void store(float *at, const floats *value)
{
    *(loose *)(void *)at = *value;
}

CPU_INLINE void spread(float value, floats *out)
{
    *out = value - (floats){0};
}

/* Sum of the lanes, halves on halves. */
CPU_INLINE float add_lanes(const floats *v)
{
#ifdef __AVX512F__
    return _mm512_reduce_add_ps((__m512)*v);
#else
    float at[WIDE] __attribute__((aligned(64)));
    memcpy(at, v, sizeof at);
    for (int half = WIDE / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; i++) {
            at[i] += at[i + half];
        }
    }
    return at[0];
#endif
}

CPU_INLINE float most_of_lanes(const floats *v)
{
#ifdef __AVX512F__
    return _mm512_reduce_max_ps((__m512)*v);
#else
    float at[WIDE] __attribute__((aligned(64)));
    memcpy(at, v, sizeof at);
    for (int half = WIDE / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; i++) {
            at[i] = at[i] > at[i + half] ? at[i] : at[i + half];
        }
    }
    return at[0];
#endif
}

CPU_INLINE void choose(const cpu_ints *which, const floats *yes, const floats *no, floats *out)
{
    *out = (floats)(((cpu_ints)*yes & *which) | ((cpu_ints)*no & ~*which));
}

/* e^x to about 1 ulp between -87 and 88 and held there; what is not a number stays so.
 * Argument reduction and polynomial as in Cephes' expf (Moshier). */
CPU_INLINE void exponential(const floats *in, floats *out)
{
    floats low;
    floats high;
    floats x = *in;
    spread(-87.0F, &low);
    spread(88.0F, &high);
    cpu_ints below = x < low;
    choose(&below, &low, &x, &x);
    cpu_ints above = x > high;
    choose(&above, &high, &x, &x);
    floats magic = x * 1.44269504088896341F + 12582912.0F; /* 1.5 * 2^23: rounds to a whole */
    cpu_ints power = (cpu_ints)magic - 0x4b400000;
    floats whole = magic - 12582912.0F;
    floats r = x - whole * 0.693359375F;
    r = r - whole * -2.12194440e-4F;
    floats p = r * 1.9875691500e-4F + 1.3981999507e-3F;
    p = p * r + 8.3334519073e-3F;
    p = p * r + 4.1665795894e-2F;
    p = p * r + 1.6666665459e-1F;
    p = p * r + 5.0000001201e-1F;
    p = p * (r * r) + r + 1.0F;
    *out = p * (floats)((power + 127) << 23);
}

/* ---- norm, activation, rotation ---- */

static void norm(float *x, const float *delta, const float *factor, float epsilon, uint32_t width,
                 float *out)
{
    floats sums[CHAINS] = {0};
    floats a;
    floats b;
    uint32_t i = 0;
    for (uint32_t chain = 0; i + WIDE <= width; i += WIDE, chain = (chain + 1) % CHAINS) {
        load(x + i, &a);
        if (delta != NULL) {
            load(delta + i, &b);
            a += b;
            store(x + i, &a);
        }
        sums[chain] += a * a;
    }
    sums[0] = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    float sum = add_lanes(&sums[0]);
    for (uint32_t rest = i; rest < width; rest++) {
        x[rest] += delta != NULL ? delta[rest] : 0;
        sum += x[rest] * x[rest];
    }
    float scale = (float)(1 / sqrt((double)sum / width + (double)epsilon));
    for (i = 0; i + WIDE <= width; i += WIDE) {
        load(x + i, &a);
        load(factor + i, &b);
        a = a * scale * b;
        store(out + i, &a);
    }
    for (; i < width; i++) {
        out[i] = x[i] * scale * factor[i];
    }
}

/* One register full of gate / (1 + e^-gate) * up. */
CPU_INLINE void silu(const floats *gate, const floats *up, floats *out)
{
    floats negative = -*gate;
    floats power;
    exponential(&negative, &power);
    *out = *gate / (power + 1.0F) * *up;
}

static void silu_multiply(const float *gate, const float *up, size_t count, float *out)
{
    floats a;
    floats b;
    size_t i = 0;
    for (; i + WIDE <= count; i += WIDE) {
        load(gate + i, &a);
        load(up + i, &b);
        silu(&a, &b, &a);
        store(out + i, &a);
    }
    if (i < count) { /* the rest in a register too: the same bits wherever a number stands */
        float rest[2][WIDE] = {{0}};
        memcpy(rest[0], gate + i, (count - i) * sizeof *gate);
        memcpy(rest[1], up + i, (count - i) * sizeof *up);
        load(rest[0], &a);
        load(rest[1], &b);
        silu(&a, &b, &a);
        store(rest[0], &a);
        memcpy(out + i, rest[0], (count - i) * sizeof *out);
    }
}

/* turns: [half] cosines, then [half] sines. */
static void rotate(float *head, const float *turns, uint32_t half, bool halves)
{
    const float *sines = turns + half;
    for (uint32_t i = 0; i < half; i++) {
        float *a = halves ? &head[i] : &head[2 * i];
        float *b = halves ? &head[i + half] : &head[2 * i + 1];
        float x = *a;
        float y = *b;
        *a = x * turns[i] - y * sines[i];
        *b = x * sines[i] + y * turns[i];
    }
}

/* ---- attention: online softmax (Milakov and Gimelshein 2018, arXiv:1805.02867), a cache block of
 * 16 positions at a time, from the first one on ---- */

enum { HEADS = 4, REGISTERS_MAX = KERNEL_HEAD_WIDTH_MAX / WIDE };

/* What a head has seen so far. */
struct running {
    float most, sum;
    floats value[REGISTERS_MAX];
};

/* Scores of `heads` heads (a constant where it is called) for the 16 positions of a block: one lane
 * each.  A key is loaded once for all of them. */
CPU_INLINE void score(const float *q, const float *keys, uint32_t width, float scale,
                      uint32_t heads, floats scores[HEADS])
{
    floats sums[HEADS][CHAINS] = {{{0}}};
    floats key;
    uint32_t i = 0;
    for (; i + CHAINS <= width; i += CHAINS) {
        for (uint32_t chain = 0; chain < CHAINS; chain++) {
            load(keys + (size_t)(i + chain) * WIDE, &key);
            for (uint32_t h = 0; h < heads; h++) {
                sums[h][chain] += key * q[h * width + i + chain];
            }
        }
    }
    for (; i < width; i++) {
        load(keys + (size_t)i * WIDE, &key);
        for (uint32_t h = 0; h < heads; h++) {
            sums[h][0] += key * q[h * width + i];
        }
    }
    for (uint32_t h = 0; h < heads; h++) {
        scores[h] = ((sums[h][0] + sums[h][1]) + (sums[h][2] + sums[h][3])) * scale;
    }
}

/* Scores become weights; what was seen before is scaled to the new maximum. */
CPU_INLINE void soften(struct running *run, floats *scores, int32_t here, float weight[WIDE],
                       uint32_t registers)
{
    static const cpu_ints lanes = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    floats lowest;
    floats powers;
    spread(-INFINITY, &lowest);
    cpu_ints counts = lanes <= here;
    choose(&counts, scores, &lowest, scores);
    float most = most_of_lanes(scores);
    most = most > run->most ? most : run->most;
    *scores -= most;
    exponential(scores, &powers);
    powers = (floats)((cpu_ints)powers & counts);
    memcpy(weight, &powers, sizeof powers);
    if (most != run->most) { /* the first block: nothing times e^-87 is nothing */
        floats keep;
        spread(run->most - most, &keep);
        exponential(&keep, &keep);
        run->sum *= keep[0];
        for (uint32_t r = 0; r < registers; r++) {
            run->value[r] *= keep[0];
        }
        run->most = most;
    }
    run->sum += add_lanes(&powers);
}

/* The values of `count` positions, weighted, in `some` registers from `first` on. */
CPU_INLINE void gather_values(struct running run[HEADS], const float *values,
                              float weight[HEADS][WIDE], uint32_t count, uint32_t registers,
                              uint32_t first, uint32_t some, uint32_t heads)
{
    floats sums[HEADS][CHAINS];
    for (uint32_t h = 0; h < heads; h++) {
        for (uint32_t i = 0; i < some; i++) {
            sums[h][i] = run[h].value[first + i];
        }
    }
    for (uint32_t p = 0; p < count; p++) {
        for (uint32_t i = 0; i < some; i++) {
            floats value;
            load(values + ((size_t)p * registers + first + i) * WIDE, &value);
            for (uint32_t h = 0; h < heads; h++) {
                sums[h][i] += value * weight[h][p];
            }
        }
    }
    for (uint32_t h = 0; h < heads; h++) {
        for (uint32_t i = 0; i < some; i++) {
            run[h].value[first + i] = sums[h][i];
        }
    }
}

CPU_INLINE void attend_heads(const struct cpu_attend *attend, uint32_t first, uint32_t heads)
{
    const struct kernel_shape *shape = attend->shape;
    uint32_t width = shape->head_width;
    uint32_t registers = (width + WIDE - 1) / WIDE;
    const float *q = attend->q + (size_t)first * width;
    struct running run[HEADS];
    for (uint32_t h = 0; h < heads; h++) {
        run[h].most = -INFINITY;
        run[h].sum = 0;
        memset(run[h].value, 0, registers * sizeof run[h].value[0]);
    }
    for (int32_t from = 0; from <= attend->position; from += CPU_POSITIONS) {
        const float *keys = attend->cache +
                            (size_t)attend->block[from / CPU_POSITIONS] * cpu_block_floats(shape) +
                            attend->kv_head * cpu_head_floats(shape);
        const float *values = keys + (size_t)CPU_POSITIONS * width;
        int32_t here = attend->position - from; /* the last position of the block that counts */
        uint32_t count = here < CPU_POSITIONS - 1 ? (uint32_t)here + 1 : CPU_POSITIONS;
        floats scores[HEADS];
        float weight[HEADS][WIDE] __attribute__((aligned(64)));
        score(q, keys, width, shape->attention_scale, heads, scores);
        for (uint32_t h = 0; h < heads; h++) {
            soften(&run[h], &scores[h], here, weight[h], registers);
        }
        uint32_t r = 0;
        for (; r + CHAINS <= registers; r += CHAINS) {
            gather_values(run, values, weight, count, registers, r, CHAINS, heads);
        }
        for (; r < registers; r++) {
            gather_values(run, values, weight, count, registers, r, 1, heads);
        }
    }
    for (uint32_t h = 0; h < heads; h++) {
        float scale = 1 / run[h].sum;
        float *out = attend->out + (size_t)(first + h) * width;
        for (uint32_t r = 0; r < registers; r++) {
            floats value = run[h].value[r] * scale;
            uint32_t some = width - r * WIDE < WIDE ? width - r * WIDE : WIDE;
            memcpy(out + (size_t)r * WIDE, &value, some * sizeof *out);
        }
    }
}

static void attend(const struct cpu_attend *attend)
{
    uint32_t heads = attend->shape->heads / attend->shape->kv_heads;
    uint32_t h = 0;
    for (; h + HEADS <= heads; h += HEADS) {
        attend_heads(attend, h, HEADS);
    }
    for (; h + 2 <= heads; h += 2) {
        attend_heads(attend, h, 2);
    }
    for (; h < heads; h++) {
        attend_heads(attend, h, 1);
    }
}

/* ---- products with weights as f32 ---- */

/* Columns `from` .. `from` + `count` - 1 of a strip, [count][16]. */
CPU_INLINE const float *widen(const struct cpu_tile *tile, const unsigned char *strip,
                              uint32_t from, uint32_t count, float *room)
{
    if (tile->type == KERNEL_F32) {
        return (const float *)(const void *)(strip + (size_t)from * CPU_LINE);
    }
    typedef uint32_t words __attribute__((vector_size(64), aligned(64), may_alias));
    const words *at = (const words *)(const void *)(strip + (size_t)from / 2 * CPU_LINE);
    for (uint32_t c = 0; c < count; c += 2, at++) {
        floats even;
        floats odd;
        if (tile->type == KERNEL_BF16) {
            even = (floats)(*at << 16);
            odd = (floats)(*at & 0xffff0000);
        } else {
#ifdef __AVX512F__
            __m512i pairs = (__m512i)*at;
            even = (floats)_mm512_cvtph_ps(_mm512_cvtepi32_epi16(pairs));
            odd = (floats)_mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(pairs, 16)));
#else
            uint16_t halves[2][WIDE];
            for (int i = 0; i < WIDE; i++) {
                halves[0][i] = (uint16_t)(*at)[i];
                halves[1][i] = (uint16_t)((*at)[i] >> 16);
            }
            cpu_halves((const unsigned char *)halves[0], &even);
            cpu_halves((const unsigned char *)halves[1], &odd);
#endif
        }
        store(room + (size_t)c * WIDE, &even);
        store(room + (size_t)(c + 1) * WIDE, &odd);
    }
    return room;
}

/* Partial sums of `tokens` tokens (a constant where it is called) onto theirs. */
CPU_INLINE void multiply(const float *weights, const float *x, uint32_t columns, uint32_t count,
                         uint32_t tokens, float *sums)
{
    floats partial[8] = {0};
    for (uint32_t c = 0; c < count; c++) {
        floats weight;
        load(weights + (size_t)c * WIDE, &weight);
        for (uint32_t t = 0; t < tokens; t++) {
            partial[t] += weight * x[(size_t)t * columns + c];
        }
    }
    for (uint32_t t = 0; t < tokens; t++) {
        floats sum;
        load(sums + t * WIDE, &sum);
        sum += partial[t];
        store(sums + t * WIDE, &sum);
    }
}

static void multiply_all(const float *weights, const float *x, uint32_t columns, uint32_t count,
                         uint32_t tokens, float *sums)
{
    uint32_t t = 0;
    for (; t + 8 <= tokens; t += 8) {
        multiply(weights, x + (size_t)t * columns, columns, count, 8, sums + (size_t)t * WIDE);
    }
    for (; t + 2 <= tokens; t += 2) {
        multiply(weights, x + (size_t)t * columns, columns, count, 2, sums + (size_t)t * WIDE);
    }
    for (; t < tokens; t++) {
        multiply(weights, x + (size_t)t * columns, columns, count, 1, sums + (size_t)t * WIDE);
    }
}

static void float_products(const struct cpu_work *work)
{
    const struct cpu_tile *tile = &work->weight->tile;
    const struct cpu_input *input = work->input;
    float *sums = work->scratch->sums;
    for (uint32_t s = work->first; s < work->last; s++) {
        const unsigned char *strip = work->weight->strips + (size_t)s * tile->stride;
        memset(sums, 0, (size_t)input->rows * WIDE * sizeof *sums);
        for (uint32_t from = 0; from < tile->columns; from += CPU_STEP) {
            uint32_t count = tile->columns - from < CPU_STEP ? tile->columns - from : CPU_STEP;
            const float *weights = widen(tile, strip, from, count, work->scratch->wide);
            multiply_all(weights, input->x + from, tile->columns, count, input->rows, sums);
        }
        uint32_t some =
            tile->rows - s * CPU_STRIP < CPU_STRIP ? tile->rows - s * CPU_STRIP : CPU_STRIP;
        for (uint32_t r = 0; r < input->rows; r++) {
            uint32_t place = work->place != NULL ? work->place[r] : r;
            float *out = work->out + (size_t)place * tile->rows + s * CPU_STRIP;
            for (uint32_t i = 0; i < some; i++) {
                float sum = sums[(size_t)r * WIDE + i];
                if (work->add) {
                    out[i] += work->scale * sum;
                } else {
                    out[i] = sum + (work->bias != NULL ? work->bias[s * CPU_STRIP + i] : 0);
                }
            }
        }
    }
}

/* ---- inputs of 8 bits ---- */

/* 16 integers from -127 to 127 as bytes, and their sum. */
CPU_INLINE void narrow(const cpu_ints *v, int8_t *out)
{
#if defined __AVX512F__
    _mm_storeu_si128((__m128i *)(void *)out, _mm512_cvtepi32_epi8((__m512i)*v));
#elif defined __AVX2__
    const __m256i *at = (const __m256i *)(const void *)v;
    __m256i words = _mm256_packs_epi32(_mm256_load_si256(at), _mm256_load_si256(at + 1));
    words = _mm256_permute4x64_epi64(words, 0xd8); /* packing works in halves of a register */
    _mm_storeu_si128((__m128i *)(void *)out, _mm_packs_epi16(_mm256_castsi256_si128(words),
                                                             _mm256_extracti128_si256(words, 1)));
#else
    for (int i = 0; i < WIDE; i++) {
        out[i] = (int8_t)(*v)[i];
    }
#endif
}

CPU_INLINE int32_t count_lanes(const cpu_ints *v)
{
#ifdef __AVX512F__
    return _mm512_reduce_add_epi32((__m512i)*v);
#else
    int32_t sum = 0;
    for (int i = 0; i < WIDE; i++) {
        sum += (*v)[i];
    }
    return sum;
#endif
}

/* 32 columns of one token. */
CPU_INLINE void prepare_block(const float *x, int8_t *q, float *scale, float *sum, int32_t count[2])
{
    floats low;
    floats high;
    load(x, &low);
    load(x + WIDE, &high);
    floats a = (floats)((cpu_ints)low & 0x7fffffff);
    floats b = (floats)((cpu_ints)high & 0x7fffffff);
    cpu_ints greater = a > b;
    choose(&greater, &a, &b, &a);
    float most = most_of_lanes(&a);
    /* a sum is not a number when one summand is not: it reaches the result by the scale */
    floats nothing = (low + high) * 0.0F;
    most += add_lanes(&nothing);
    if (!(most <= FLT_MAX)) { /* the scale says it; no whole number is that of NaN */
        low = (floats){0};
        high = (floats){0};
    }
    float inverse = most > 0 ? 127 / most : 0;
    *scale = most / 127;
    if (!(inverse <= 3.0e38F)) { /* so small that 127 / most is beyond the range: nothing is lost */
        inverse = 0;
    }
    low = low * inverse + 12582912.0F; /* rounds to a whole number, ties to even */
    high = high * inverse + 12582912.0F;
    cpu_ints whole[2] = {(cpu_ints)low - 0x4b400000, (cpu_ints)high - 0x4b400000};
    for (int half = 0; half < 2; half++) {
        narrow(&whole[half], q + half * WIDE);
        count[half] = count_lanes(&whole[half]);
    }
    *sum = *scale * (float)(count[0] + count[1]);
}

static void prepare(const struct cpu_input *input, uint32_t group)
{
    uint32_t rows = input->rows - group * CPU_ROWS;
    rows = rows < CPU_ROWS ? rows : CPU_ROWS;
    for (uint32_t b = 0; b < input->blocks; b++) {
        size_t at = ((size_t)group * input->blocks + b) * CPU_ROWS;
        for (uint32_t r = 0; r < rows; r++) {
            const float *x =
                input->x + (size_t)(group * CPU_ROWS + r) * input->columns + b * CPU_BLOCK;
            prepare_block(x, input->q + (at + r) * CPU_BLOCK, input->scale + at + r,
                          input->sum + at + r, input->count[at + r]);
        }
        memset(input->q + (at + rows) * CPU_BLOCK, 0, (size_t)(CPU_ROWS - rows) * CPU_BLOCK);
        memset(input->scale + at + rows, 0, (CPU_ROWS - rows) * sizeof(float));
        memset(input->sum + at + rows, 0, (CPU_ROWS - rows) * sizeof(float));
        memset(input->count + at + rows, 0, (CPU_ROWS - rows) * sizeof *input->count);
    }
}

const struct cpu_plain CPU_NAME(cpu_plain) = {
    .norm = norm,
    .silu_multiply = silu_multiply,
    .rotate = rotate,
    .attend = attend,
    .floats = float_products,
    .low_rank = CPU_NAME(cpu_low_rank),
    .prepare = prepare,
};
