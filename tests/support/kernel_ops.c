/* kernel_ops.c -- see kernel_ops.h: memory, products, norms and what works number by number. */
#include "tests/support/kernel_ops.h"

#include "kernels/base/fail.h"
#include "kernels/model/quant.h"
#include "tests/support/kernel_ops_inner.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { STEP_MAX = 512, ALIGNMENT = 32 /* of tensors in files */ };

uint64_t ops_draw(struct ops *ops)
{
    uint64_t z = ops->random += 0x9e3779b97f4a7c15; /* SplitMix64 */
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

float ops_number(struct ops *ops)
{
    uint64_t bits = ops_draw(ops);
    double sum = (double)(bits & 0xffff) + (double)(bits >> 16 & 0xffff) +
                 (double)(bits >> 32 & 0xffff) + (double)(bits >> 48);
    return (float)((sum / 65535 - 2) * sqrt(3));
}

static void must(enum kernel_status status, const struct kernel_error *error)
{
    if (status != KERNEL_OK) {
        fprintf(stderr, "%s: %s\n", kernel_status_name(status), error->message);
        abort();
    }
}

void ops_open(struct ops *ops, const struct kernel_shape *shape, uint32_t blocks)
{
    struct kernel_error error;
    for (int side = 0; side < SIDES; side++) {
        must(ops->of[side]->create(ops->options->engine, &ops->state[side], &error), &error);
        KERNEL_ASSERT(ops->of[side]->block_bytes(ops->state[side], shape) > 0);
        must(ops->of[side]->prepare(ops->state[side], shape, blocks, STEP_MAX, &error), &error);
    }
}

void ops_close(struct ops *ops)
{
    for (int side = 0; side < SIDES; side++) {
        ops->of[side]->destroy(ops->state[side]);
    }
}

struct pair ops_pair(struct ops *ops, size_t floats, float spread)
{
    struct pair pair = {.floats = floats};
    float *values = kernel_allocate(floats, sizeof *values);
    for (size_t i = 0; i < floats; i++) {
        values[i] = spread * ops_number(ops);
    }
    for (int side = 0; side < SIDES; side++) {
        pair.at[side] = ops->of[side]->allocate(ops->state[side], floats);
        KERNEL_ASSERT(pair.at[side] != NULL);
        ops->of[side]->upload(ops->state[side], pair.at[side], values, floats);
    }
    free(values);
    return pair;
}

float *ops_fetch(struct ops *ops, const struct pair *pair, int side)
{
    struct kernel_error error;
    float *values = kernel_allocate(pair->floats, sizeof *values);
    must(ops->of[side]->download(ops->state[side], values, pair->at[side], pair->floats, &error),
         &error);
    return values;
}

void ops_pair_copy(struct ops *ops, struct pair *to, const struct pair *from)
{
    for (int side = 0; side < SIDES; side++) {
        float *values = ops_fetch(ops, from, side);
        ops->of[side]->upload(ops->state[side], to->at[side], values, to->floats);
        free(values);
    }
}

void ops_pair_close(struct ops *ops, struct pair *pair)
{
    for (int side = 0; side < SIDES; side++) {
        ops->of[side]->release(ops->state[side], pair->at[side]);
    }
}

struct weight ops_weight(struct ops *ops, enum kernel_type type, enum kernel_use use,
                         uint32_t columns, uint32_t rows)
{
    const struct kernel_type_facts *facts = kernel_type_facts(type);
    struct weight weight = {.memory = NULL};
    size_t stride = (size_t)columns / facts->block * facts->block_bytes;
    size_t room = stride * rows + ALIGNMENT;
    char *memory = aligned_alloc(64, (room + 63) / 64 * 64);
    float *row = kernel_allocate(columns, sizeof *row);
    KERNEL_ASSERT(memory != NULL);
    weight.memory = memory;
    weight.tensor = (struct kernel_tensor){
        .name = "test",
        .type = type,
        .columns = columns,
        .rows = rows,
        .dimension = {columns, rows, 1, 1},
        .data = memory + ALIGNMENT, /* no better aligned than in a file */
        .bytes = stride * rows,
    };
    for (uint32_t r = 0; r < rows; r++) {
        for (uint32_t i = 0; i < columns; i++) {
            row[i] = use == KERNEL_USE_VECTOR ? 1 + 0.2F * ops_number(ops) : ops_number(ops);
        }
        kernel_quantise(type, row, memory + ALIGNMENT + r * stride, columns);
    }
    free(row);
    return weight;
}

void ops_weight_load(struct ops *ops, struct weight *weight, enum kernel_use use)
{
    struct kernel_error error;
    for (int side = 0; side < SIDES; side++) {
        must(ops->of[side]->load(ops->state[side], &weight->tensor, use, &weight->at[side], &error),
             &error);
    }
}

void ops_weight_close(struct ops *ops, struct weight *weight)
{
    for (int side = 0; side < SIDES; side++) {
        ops->of[side]->unload(ops->state[side], weight->at[side]);
    }
    free(weight->memory);
}

enum kernel_precision ops_precision(const struct ops *ops, enum kernel_type type)
{
    switch (type) {
    case KERNEL_F32: return ops->options->float_precision;
    case KERNEL_F16:
    case KERNEL_BF16: return ops->options->half_precision;
    default: return ops->options->block_precision;
    }
}

/* Of one operation: a whole model may differ by what a few dozen of them do. */
double ops_band(enum kernel_precision precision)
{
    static const double bands[] = {
        [KERNEL_PRECISION_F32] = 1e-11,
        [KERNEL_PRECISION_F16] = 1e-7,
        [KERNEL_PRECISION_BF16] = 1e-5,
        [KERNEL_PRECISION_INT8] = 3e-4,
    };
    return bands[precision];
}

void ops_compare_sums(struct ops *ops, const struct pair *pair, double band, uint32_t terms,
                      const char *what)
{
    float *truth = ops_fetch(ops, pair, REF);
    float *ours = ops_fetch(ops, pair, TESTED);
    double error = 0;
    double power = 0;
    for (size_t i = 0; i < pair->floats; i++) {
        double difference = (double)ours[i] - (double)truth[i];
        error += difference * difference;
        power += (double)truth[i] * truth[i];
    }
    ops->comparisons++;
    if (terms > 0) {
        power = fmax(power, (double)terms * (double)pair->floats);
        band *= 1 + 8 * sqrt(2 / (double)pair->floats); /* eight standard deviations of chi^2 */
    }
    if (!(error <= band * power)) {
        printf("%s: NMSE %.3g, allowed %.3g\n", what, error / power, band);
        ops->complaints++;
    }
    free(truth);
    free(ours);
}

void ops_compare_pair(struct ops *ops, const struct pair *pair, double band, const char *what)
{
    ops_compare_sums(ops, pair, band, 0, what);
}

void ops_same_bits(struct ops *ops, const struct pair *whole, size_t from, const struct pair *part,
                   const char *what)
{
    if (!ops->options->same_bits) {
        return;
    }
    float *all = ops_fetch(ops, whole, TESTED);
    float *some = ops_fetch(ops, part, TESTED);
    ops->comparisons++;
    KERNEL_ASSERT(from + part->floats <= whole->floats);
    if (memcmp(all + from, some, part->floats * sizeof *some) != 0) {
        printf("%s: other bits in other company\n", what);
        ops->complaints++;
    }
    free(all);
    free(some);
}

/* ---- products ---- */

/* Row `row` of `rows`, alone, has the bits that it had in company. */
static void check_row_alone(struct ops *ops, const struct weight *weight, const struct weight *bias,
                            const struct pair *x, const struct pair *out, uint32_t row,
                            const char *what)
{
    uint32_t columns = weight->tensor.columns;
    struct pair one = ops_pair(ops, columns, 0);
    struct pair got = ops_pair(ops, weight->tensor.rows, 0);
    float *values = ops_fetch(ops, x, TESTED);
    ops->of[TESTED]->upload(ops->state[TESTED], one.at[TESTED], values + (size_t)row * columns,
                            columns);
    struct kernel_product product = {weight->at[TESTED], bias != NULL ? bias->at[TESTED] : NULL,
                                     got.at[TESTED]};
    ops->of[TESTED]->linear(ops->state[TESTED], &product, 1, one.at[TESTED], 1);
    ops_same_bits(ops, out, (size_t)row * weight->tensor.rows, &got, what);
    free(values);
    ops_pair_close(ops, &one);
    ops_pair_close(ops, &got);
}

/* One, two or three products of the same input, of different types and heights. */
static void check_linear(struct ops *ops, enum kernel_type type, uint32_t columns, uint32_t height,
                         uint32_t rows)
{
    uint32_t count = 1 + (uint32_t)(ops_draw(ops) % 3);
    struct pair x = ops_pair(ops, (size_t)rows * columns, 1);
    struct weight weights[3];
    struct weight biases[3];
    struct pair outs[3];
    struct kernel_product products[SIDES][3];
    char what[160];
    for (uint32_t p = 0; p < count; p++) {
        enum kernel_type other = p == 0 ? type : p == 1 ? KERNEL_Q8_0 : KERNEL_F16;
        uint32_t tall = p == 0 ? height : height / 2 + 1;
        weights[p] = ops_weight(ops, other, KERNEL_USE_MATRIX, columns, tall);
        ops_weight_load(ops, &weights[p], KERNEL_USE_MATRIX);
        biases[p] = ops_weight(ops, KERNEL_F32, KERNEL_USE_VECTOR, tall, 1);
        ops_weight_load(ops, &biases[p], KERNEL_USE_VECTOR);
        outs[p] = ops_pair(ops, (size_t)rows * tall, 1);
        for (int side = 0; side < SIDES; side++) {
            products[side][p] = (struct kernel_product){
                weights[p].at[side], p != 1 ? biases[p].at[side] : NULL, outs[p].at[side]};
        }
    }
    for (int side = 0; side < SIDES; side++) {
        ops->of[side]->linear(ops->state[side], products[side], count, x.at[side], rows);
    }
    for (uint32_t p = 0; p < count; p++) {
        const struct kernel_type_facts *facts = kernel_type_facts(weights[p].tensor.type);
        snprintf(what, sizeof what,
                 "linear %s, %" PRIu32 " columns, %" PRIu32 " rows, %" PRIu32
                 " tokens, product %" PRIu32 " of %" PRIu32,
                 facts->name, columns, weights[p].tensor.rows, rows, p + 1, count);
        ops_compare_sums(ops, &outs[p], ops_band(ops_precision(ops, facts->type)), columns, what);
        uint32_t row = (uint32_t)(ops_draw(ops) % rows);
        check_row_alone(ops, &weights[p], p != 1 ? &biases[p] : NULL, &x, &outs[p], row, what);
        ops_weight_close(ops, &weights[p]);
        ops_weight_close(ops, &biases[p]);
        ops_pair_close(ops, &outs[p]);
    }
    ops_pair_close(ops, &x);
}

static const enum kernel_type all_types[] = {
    KERNEL_F32,  KERNEL_F16,  KERNEL_BF16, KERNEL_Q8_0, KERNEL_Q4_0, KERNEL_Q4_1,
    KERNEL_Q5_0, KERNEL_Q5_1, KERNEL_Q4_K, KERNEL_Q5_K, KERNEL_Q6_K,
};
enum { TYPES = sizeof all_types / sizeof all_types[0] };

static void check_products(struct ops *ops)
{
    static const uint32_t columns[] = {32, 256, 896, 2048};
    static const uint32_t heights[] = {1, 7, 64, 130};
    static const uint32_t rows[] = {1, 2, 7, 16, 33, 65};
    for (int t = 0; t < TYPES; t++) {
        bool wide = kernel_type_facts(all_types[t])->block == KERNEL_K_BLOCK;
        for (int c = 0; c < 4; c++) {
            uint32_t width = wide && columns[c] % KERNEL_K_BLOCK != 0
                                 ? (columns[c] + KERNEL_K_BLOCK) / KERNEL_K_BLOCK * KERNEL_K_BLOCK
                                 : columns[c];
            for (int r = 0; r < 6; r++) {
                check_linear(ops, all_types[t], width, heights[ops_draw(ops) % 4], rows[r]);
            }
        }
        check_linear(ops, all_types[t], 256, 48, STEP_MAX);
    }
}

/* ---- number by number ---- */

static void check_norm(struct ops *ops, uint32_t width, uint32_t rows, bool added)
{
    struct pair x = ops_pair(ops, (size_t)rows * width, 2);
    struct pair delta = ops_pair(ops, (size_t)rows * width, 1);
    struct pair out = ops_pair(ops, (size_t)rows * width, 1);
    struct pair one = ops_pair(ops, width, 0);
    struct pair alone = ops_pair(ops, width, 0);
    struct weight weight = ops_weight(ops, KERNEL_F32, KERNEL_USE_VECTOR, width, 1);
    char what[96];
    ops_weight_load(ops, &weight, KERNEL_USE_VECTOR);
    for (int side = 0; side < SIDES; side++) {
        ops->of[side]->norm(ops->state[side], x.at[side], added ? delta.at[side] : NULL,
                            weight.at[side], 1e-5F, rows, width, out.at[side]);
    }
    snprintf(what, sizeof what, "norm, width %" PRIu32 ", %" PRIu32 " rows%s", width, rows,
             added ? ", added" : "");
    ops_compare_pair(ops, &x, ops_band(KERNEL_PRECISION_F32), what);
    ops_compare_pair(ops, &out, ops_band(KERNEL_PRECISION_F32), what);
    float *values = ops_fetch(ops, &x, TESTED);
    ops->of[TESTED]->upload(ops->state[TESTED], one.at[TESTED], values + (size_t)(rows - 1) * width,
                            width);
    ops->of[TESTED]->norm(ops->state[TESTED], one.at[TESTED], NULL, weight.at[TESTED], 1e-5F, 1,
                          width, alone.at[TESTED]);
    ops_same_bits(ops, &out, (size_t)(rows - 1) * width, &alone, what);
    free(values);
    ops_weight_close(ops, &weight);
    ops_pair_close(ops, &x);
    ops_pair_close(ops, &delta);
    ops_pair_close(ops, &out);
    ops_pair_close(ops, &one);
    ops_pair_close(ops, &alone);
}

/* Gates from far below to far above 0, in place and not. */
static void check_silu(struct ops *ops, uint32_t width, uint32_t rows, float spread)
{
    struct pair gate = ops_pair(ops, (size_t)rows * width, spread);
    struct pair up = ops_pair(ops, (size_t)rows * width, 1);
    struct pair out = ops_pair(ops, (size_t)rows * width, 1);
    char what[96];
    for (int side = 0; side < SIDES; side++) {
        ops->of[side]->silu_multiply(ops->state[side], gate.at[side], up.at[side], rows, width,
                                     out.at[side]);
        ops->of[side]->silu_multiply(ops->state[side], gate.at[side], up.at[side], rows, width,
                                     gate.at[side]);
    }
    snprintf(what, sizeof what, "silu_multiply, width %" PRIu32 ", %" PRIu32 " rows", width, rows);
    ops_compare_pair(ops, &out, ops_band(KERNEL_PRECISION_F32), what);
    ops_compare_pair(ops, &gate, ops_band(KERNEL_PRECISION_F32), what);
    ops_same_bits(ops, &out, 0, &gate, what);
    ops_pair_close(ops, &gate);
    ops_pair_close(ops, &up);
    ops_pair_close(ops, &out);
}

/* Rows of a table by token; then some of them by output. */
static void check_rows(struct ops *ops, enum kernel_type type, uint32_t width)
{
    enum { TOKENS = 9, TABLE = 37 };
    static const int32_t output[] = {0, 3, 4, 8};
    int32_t token[TOKENS];
    int32_t position[TOKENS];
    int32_t start[] = {0, TOKENS};
    int32_t length[] = {TOKENS};
    int32_t block[] = {0};
    int32_t adapter[] = {-1};
    struct kernel_batch batch = {.tokens = TOKENS,
                                 .sequences = 1,
                                 .token = token,
                                 .position = position,
                                 .start = start,
                                 .length = length,
                                 .block = block,
                                 .blocks_max = 1,
                                 .adapter = adapter,
                                 .outputs = 4,
                                 .output = output};
    struct weight table = ops_weight(ops, type, KERNEL_USE_TABLE, width, TABLE);
    struct pair out = ops_pair(ops, (size_t)TOKENS * width, 1);
    struct pair some = ops_pair(ops, (size_t)4 * width, 1);
    char what[96];
    for (int i = 0; i < TOKENS; i++) {
        token[i] = i == 0 ? TABLE - 1 : (int32_t)(ops_draw(ops) % TABLE);
        position[i] = i;
    }
    ops_weight_load(ops, &table, KERNEL_USE_TABLE);
    for (int side = 0; side < SIDES; side++) {
        ops->of[side]->begin(ops->state[side], &batch);
        ops->of[side]->embed(ops->state[side], table.at[side], out.at[side]);
        ops->of[side]->gather(ops->state[side], out.at[side], width, some.at[side]);
        ops->of[side]->end(ops->state[side]);
    }
    snprintf(what, sizeof what, "embed %s, width %" PRIu32, kernel_type_facts(type)->name, width);
    ops_compare_pair(ops, &out, 0, what); /* reading is exact */
    snprintf(what, sizeof what, "gather, width %" PRIu32, width);
    ops_compare_pair(ops, &some, 0, what);
    ops_weight_close(ops, &table);
    ops_pair_close(ops, &out);
    ops_pair_close(ops, &some);
}

static void check_numbers(struct ops *ops)
{
    static const uint32_t widths[] = {32, 96, 256, 896, 4096};
    static const uint32_t rows[] = {1, 7, 33};
    for (int w = 0; w < 5; w++) {
        for (int r = 0; r < 3; r++) {
            check_norm(ops, widths[w], rows[r], r % 2 == 0);
            check_silu(ops, widths[w], rows[r], r == 2 ? 40 : 2);
        }
    }
    for (int t = 0; t < TYPES; t++) {
        check_rows(ops, all_types[t], 512);
    }
}

int kernel_ops_compare(const struct kernel_ops_options *options)
{
    const struct kernel_shape shape = {.width = 256,
                                       .layers = 1,
                                       .heads = 4,
                                       .kv_heads = 2,
                                       .head_width = 64,
                                       .feed = 512,
                                       .vocabulary = 512,
                                       .context = 512,
                                       .norm_epsilon = 1e-5F,
                                       .rope_base = 1e4F,
                                       .rope_width = 64,
                                       .attention_scale = 0.125F};
    struct ops ops = {.options = options,
                      .of = {&kernel_operations_ref, options->operations},
                      .random = options->seed};
    char about[128];
    if (options->seed == 0 && getrandom(&ops.random, sizeof ops.random, 0) < 0) {
        ops.random = 1;
    }
    printf("operations of %s: seed %" PRIu64 "\n", options->operations->name, ops.random);
    ops_open(&ops, &shape, 4);
    options->operations->describe(ops.state[TESTED], about, sizeof about);
    uint64_t before = options->operations->memory(ops.state[TESTED]);
    check_products(&ops);
    check_numbers(&ops);
    ops_check_adapters(&ops);
    ops_check_picks(&ops);
    /* a backend may keep room for the next step, not the weights that it had */
    if (options->operations->memory(ops.state[TESTED]) > before + (4 << 20)) {
        printf("memory: %" PRIu64 " bytes before, %" PRIu64 " after all was released\n", before,
               options->operations->memory(ops.state[TESTED]));
        ops.complaints++;
    }
    ops_close(&ops);
    ops_check_attention(&ops);
    printf("operations of %s (%s): %d comparisons, %d complaints\n", options->operations->name,
           about, ops.comparisons, ops.complaints);
    return ops.complaints;
}
