/* kernel_ops_sequence.c -- rotation, cache, attention and adapters of a backend against the
 * reference: several sequences of different lengths in one batch, their blocks scattered. */
#include "tests/support/kernel_ops_inner.h"

#include "kernels/base/fail.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEQUENCES = 5, TOKENS_MAX = 512, BLOCKS = 96, BLOCKS_MAX = 32, LAYERS = 2 };

/* A batch that owns its arrays. */
struct company {
    struct kernel_batch batch;
    int32_t token[TOKENS_MAX], position[TOKENS_MAX], output[1];
    int32_t start[SEQUENCES + 1], length[SEQUENCES], adapter[SEQUENCES];
    int32_t block[SEQUENCES * BLOCKS_MAX];
};

/* Sequence s has `before[s]` tokens in the cache and gets `more[s]`. */
static void gather_company(struct company *company, uint32_t sequences, const int32_t *before,
                           const int32_t *more, const int32_t *block)
{
    uint32_t tokens = 0;
    company->start[0] = 0;
    for (uint32_t s = 0; s < sequences; s++) {
        for (int32_t i = 0; i < more[s]; i++) {
            KERNEL_ASSERT(tokens < TOKENS_MAX);
            company->token[tokens] = 0;
            company->position[tokens++] = before[s] + i;
        }
        company->start[s + 1] = (int32_t)tokens;
        company->length[s] = before[s] + more[s];
    }
    memcpy(company->block, block, (size_t)sequences * BLOCKS_MAX * sizeof *block);
    company->batch = (struct kernel_batch){
        .tokens = tokens,
        .sequences = sequences,
        .token = company->token,
        .position = company->position,
        .start = company->start,
        .length = company->length,
        .block = company->block,
        .blocks_max = BLOCKS_MAX,
        .adapter = company->adapter,
        .output = company->output,
    };
}

struct attention {
    struct ops *ops;
    const struct kernel_shape *shape;
    struct weight q_norm, k_norm;
    bool norms;
    char what[128];
};

/* Turns, stores and attends for the company; q and out are compared. */
static void run_company(struct attention *attention, const struct company *company, uint32_t layer,
                        struct pair *q, struct pair *k, const struct pair *v, struct pair *out,
                        int side)
{
    struct ops *ops = attention->ops;
    const struct kernel_operations *of = ops->of[side];
    of->begin(ops->state[side], &company->batch);
    of->rope_store(ops->state[side], layer, q->at[side], k->at[side], v->at[side],
                   attention->norms ? attention->q_norm.at[side] : NULL,
                   attention->norms ? attention->k_norm.at[side] : NULL);
    of->attention(ops->state[side], layer, q->at[side], out->at[side]);
    of->end(ops->state[side]);
}

/* What was computed in company, computed again for one sequence alone. */
static void check_alone(struct attention *attention, const struct company *company, uint32_t layer,
                        uint32_t sequence, const float *q, const float *k, const float *v,
                        const struct pair *out)
{
    struct ops *ops = attention->ops;
    const struct kernel_shape *shape = attention->shape;
    size_t wide = (size_t)shape->heads * shape->head_width;
    size_t narrow = (size_t)shape->kv_heads * shape->head_width;
    int32_t first = company->start[sequence];
    int32_t tokens = company->start[sequence + 1] - first;
    int32_t before = company->length[sequence] - tokens;
    struct company *alone = kernel_allocate(1, sizeof *alone);
    alone->adapter[0] = -1;
    struct pair one_q = ops_pair(ops, (size_t)tokens * wide, 0);
    struct pair one_k = ops_pair(ops, (size_t)tokens * narrow, 0);
    struct pair one_v = ops_pair(ops, (size_t)tokens * narrow, 0);
    struct pair one_out = ops_pair(ops, (size_t)tokens * wide, 0);
    gather_company(alone, 1, &before, &tokens, company->block + sequence * BLOCKS_MAX);
    const struct kernel_operations *of = ops->of[TESTED];
    of->upload(ops->state[TESTED], one_q.at[TESTED], q + first * wide, one_q.floats);
    of->upload(ops->state[TESTED], one_k.at[TESTED], k + first * narrow, one_k.floats);
    of->upload(ops->state[TESTED], one_v.at[TESTED], v + first * narrow, one_v.floats);
    run_company(attention, alone, layer, &one_q, &one_k, &one_v, &one_out, TESTED);
    ops_same_bits(ops, out, first * wide, &one_out, attention->what);
    ops_pair_close(ops, &one_q);
    ops_pair_close(ops, &one_k);
    ops_pair_close(ops, &one_v);
    ops_pair_close(ops, &one_out);
    free(alone);
}

static void check_company(struct attention *attention, const int32_t *before, const int32_t *more,
                          const int32_t *block, uint32_t layer)
{
    struct ops *ops = attention->ops;
    const struct kernel_shape *shape = attention->shape;
    struct company *company = kernel_allocate(1, sizeof *company);
    for (int s = 0; s < SEQUENCES; s++) {
        company->adapter[s] = -1;
    }
    gather_company(company, SEQUENCES, before, more, block);
    size_t tokens = company->batch.tokens;
    struct pair q = ops_pair(ops, tokens * shape->heads * shape->head_width, 1.5F);
    struct pair k = ops_pair(ops, tokens * shape->kv_heads * shape->head_width, 1.5F);
    struct pair v = ops_pair(ops, tokens * shape->kv_heads * shape->head_width, 1);
    struct pair out = ops_pair(ops, q.floats, 1);
    float *kept_q = ops_fetch(ops, &q, TESTED);
    float *kept_k = ops_fetch(ops, &k, TESTED);
    float *kept_v = ops_fetch(ops, &v, TESTED);
    for (int side = 0; side < SIDES; side++) {
        run_company(attention, company, layer, &q, &k, &v, &out, side);
    }
    double band = ops_band(ops->options->attention_precision);
    char what[160];
    snprintf(what, sizeof what, "rope_store, %.120s", attention->what);
    ops_compare_pair(ops, &q, 10 * ops_band(KERNEL_PRECISION_F32), what);
    ops_compare_pair(ops, &out, 2 * band, attention->what); /* keys and values */
    check_alone(attention, company, layer, 1, kept_q, kept_k, kept_v, &out);
    check_alone(attention, company, layer, SEQUENCES - 1, kept_q, kept_k, kept_v, &out);
    free(kept_q);
    free(kept_k);
    free(kept_v);
    ops_pair_close(ops, &q);
    ops_pair_close(ops, &k);
    ops_pair_close(ops, &v);
    ops_pair_close(ops, &out);
    free(company);
}

static void check_shape(struct ops *ops, const struct kernel_shape *shape, bool norms)
{
    /* how many tokens each has before the two steps, and gets in each: decode beside prefill,
     * block borders, one that begins */
    static const int32_t first[SEQUENCES] = {15, 33, 16, 200, 1};
    static const int32_t second[SEQUENCES] = {1, 1, 17, 1, 70};
    static const int32_t none[SEQUENCES] = {0};
    int32_t block[SEQUENCES * BLOCKS_MAX];
    int32_t order[BLOCKS];
    struct attention attention = {.ops = ops, .shape = shape, .norms = norms};
    for (int32_t i = 0; i < BLOCKS; i++) {
        int32_t j = (int32_t)(ops_draw(ops) % (uint64_t)(i + 1));
        order[i] = order[j];
        order[j] = i;
    }
    for (int s = 0, next = 0; s < SEQUENCES; s++) {
        for (int b = 0; b < BLOCKS_MAX; b++) {
            bool used = b * KERNEL_BLOCK_TOKENS < first[s] + second[s] + 1;
            block[s * BLOCKS_MAX + b] = used ? order[next++] : -1;
        }
    }
    snprintf(attention.what, sizeof attention.what,
             "attention, %" PRIu32 "/%" PRIu32 " heads of %" PRIu32 ", %" PRIu32 " turn%s%s%s",
             shape->heads, shape->kv_heads, shape->head_width, shape->rope_width,
             shape->rope_halves ? " in halves" : "", norms ? ", norms" : "",
             shape->rope_factors != NULL ? ", factors" : "");
    ops_open(ops, shape, BLOCKS);
    attention.q_norm = ops_weight(ops, KERNEL_F32, KERNEL_USE_VECTOR, shape->head_width, 1);
    attention.k_norm = ops_weight(ops, KERNEL_F32, KERNEL_USE_VECTOR, shape->head_width, 1);
    ops_weight_load(ops, &attention.q_norm, KERNEL_USE_VECTOR);
    ops_weight_load(ops, &attention.k_norm, KERNEL_USE_VECTOR);
    for (uint32_t layer = 0; layer < LAYERS; layer++) {
        check_company(&attention, none, first, block, layer);
    }
    for (uint32_t layer = 0; layer < LAYERS; layer++) {
        check_company(&attention, first, second, block, layer);
    }
    ops_weight_close(ops, &attention.q_norm);
    ops_weight_close(ops, &attention.k_norm);
    ops_close(ops);
}

void ops_check_attention(struct ops *ops)
{
    static const struct {
        uint32_t heads, kv_heads, head_width, rope_width;
        bool halves, norms, factors;
    } shapes[] = {
        {8, 4, 32, 32, false, false, false},  {6, 2, 64, 64, false, false, true},
        {14, 2, 64, 64, true, false, false},  {4, 2, 64, 64, true, true, false},
        {4, 1, 128, 128, true, true, false},  {8, 2, 128, 128, false, false, true},
        {3, 3, 96, 48, false, false, false},  {2, 1, 80, 80, true, false, false},
        {12, 4, 64, 64, false, false, false}, {1, 1, 256, 128, true, false, false},
    };
    float factors[KERNEL_HEAD_WIDTH_MAX / 2];
    for (int i = 0; i < KERNEL_HEAD_WIDTH_MAX / 2; i++) {
        factors[i] = i < 8 ? 1 : i < 16 ? 1.5F : 8;
    }
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct kernel_shape shape = {
            .width = shapes[i].heads * shapes[i].head_width,
            .layers = LAYERS,
            .heads = shapes[i].heads,
            .kv_heads = shapes[i].kv_heads,
            .head_width = shapes[i].head_width,
            .feed = 256,
            .vocabulary = 512,
            .context = 4096,
            .norm_epsilon = 1e-6F,
            .rope_base = i % 2 == 0 ? 1e4F : 1e6F,
            .rope_width = shapes[i].rope_width,
            .rope_halves = shapes[i].halves,
            .rope_factors = shapes[i].factors ? factors : NULL,
            .attention_scale = 1 / sqrtf((float)shapes[i].head_width),
        };
        check_shape(ops, &shape, shapes[i].norms);
    }
}

/* ---- adapters ---- */

/* F16 ends at 65504: such weights stay what they are. */
static void enlarge(struct weight *weight)
{
    float *values = (float *)(uintptr_t)weight->tensor.data;
    for (size_t i = 0; i < weight->tensor.bytes / sizeof *values; i++) {
        values[i] *= 1e6F;
    }
}

static void check_adapters(struct ops *ops, enum kernel_type type, uint32_t columns, uint32_t rows,
                           const uint32_t rank[3], bool large)
{
    static const int32_t before[SEQUENCES] = {0};
    static const int32_t more[SEQUENCES] = {1, 33, 2, 1, 7};
    static const int32_t adapter[SEQUENCES] = {2, 0, -1, 1, 0}; /* 1 does not touch this product */
    int32_t block[SEQUENCES * BLOCKS_MAX] = {0};
    struct company *company = kernel_allocate(1, sizeof *company);
    struct weight a[3];
    struct weight b[3];
    struct kernel_low_rank of[SIDES][3] = {0};
    memcpy(company->adapter, adapter, sizeof adapter);
    gather_company(company, SEQUENCES, before, more, block);
    size_t tokens = company->batch.tokens;
    struct pair x = ops_pair(ops, tokens * columns, 1);
    struct pair out = ops_pair(ops, tokens * rows, 1);
    struct pair kept = ops_pair(ops, tokens * rows, 1);
    ops_pair_copy(ops, &kept, &out);
    for (int i = 0; i < 3; i += 2) {
        a[i] = ops_weight(ops, type, KERNEL_USE_MATRIX, columns, rank[i]);
        b[i] = ops_weight(ops, type, KERNEL_USE_MATRIX, rank[i], rows);
        if (large) {
            enlarge(&a[i]);
            enlarge(&b[i]);
        }
        ops_weight_load(ops, &a[i], KERNEL_USE_MATRIX);
        ops_weight_load(ops, &b[i], KERNEL_USE_MATRIX);
        for (int side = 0; side < SIDES; side++) {
            of[side][i] = (struct kernel_low_rank){a[i].at[side], b[i].at[side], rank[i],
                                                   0.5F / (float)rank[i]};
        }
    }
    for (int side = 0; side < SIDES; side++) {
        ops->of[side]->begin(ops->state[side], &company->batch);
        ops->of[side]->adapt(ops->state[side], of[side], 3, x.at[side], out.at[side]);
        ops->of[side]->end(ops->state[side]);
    }
    char what[128];
    snprintf(what, sizeof what, "adapt %s, %" PRIu32 " to %" PRIu32 ", ranks %" PRIu32 " %" PRIu32,
             kernel_type_facts(type)->name, columns, rows, rank[0], rank[2]);
    ops_compare_pair(ops, &out, 2 * ops_band(ops_precision(ops, type)), what);
    float *after = ops_fetch(ops, &out, TESTED);
    float *base = ops_fetch(ops, &kept, TESTED);
    for (int s = 2; s <= 3; s++) { /* no adapter; one that does not touch this product */
        if (memcmp(after + (size_t)company->start[s] * rows,
                   base + (size_t)company->start[s] * rows,
                   (size_t)more[s] * rows * sizeof *base) != 0) {
            printf("%s: a sequence without it was adapted\n", what);
            ops->complaints++;
        }
    }
    /* the second sequence alone */
    struct company *alone = kernel_allocate(1, sizeof *alone);
    gather_company(alone, 1, before, more + 1, block);
    alone->adapter[0] = adapter[1];
    struct pair one_x = ops_pair(ops, (size_t)more[1] * columns, 0);
    struct pair one_out = ops_pair(ops, (size_t)more[1] * rows, 0);
    float *in = ops_fetch(ops, &x, TESTED);
    const struct kernel_operations *tested = ops->of[TESTED];
    tested->upload(ops->state[TESTED], one_x.at[TESTED], in + columns, one_x.floats);
    tested->upload(ops->state[TESTED], one_out.at[TESTED], base + rows, one_out.floats);
    tested->begin(ops->state[TESTED], &alone->batch);
    tested->adapt(ops->state[TESTED], of[TESTED], 3, one_x.at[TESTED], one_out.at[TESTED]);
    tested->end(ops->state[TESTED]);
    ops_same_bits(ops, &out, rows, &one_out, what);
    free(in);
    free(after);
    free(base);
    free(company);
    free(alone);
    for (int i = 0; i < 3; i += 2) {
        ops_weight_close(ops, &a[i]);
        ops_weight_close(ops, &b[i]);
    }
    ops_pair_close(ops, &x);
    ops_pair_close(ops, &out);
    ops_pair_close(ops, &kept);
    ops_pair_close(ops, &one_x);
    ops_pair_close(ops, &one_out);
}

void ops_check_adapters(struct ops *ops)
{
    static const uint32_t ranks[][3] = {{1, 1, 5}, {8, 1, 4}, {16, 1, 64}};
    for (int i = 0; i < 3; i++) {
        check_adapters(ops, KERNEL_F32, 256, 130, ranks[i], i == 1);
        check_adapters(ops, KERNEL_F32, 896, 256, ranks[i], false);
        check_adapters(ops, i == 1 ? KERNEL_BF16 : KERNEL_F16, 512, 96, ranks[i], false);
    }
}
