/* ref.c -- the reference backend: plain C, no tricks, the truth for the others.
 *
 * Activations are stored as f32 and summed as f64, in the order of their index; weights are read
 * exactly.  So the results differ from exact arithmetic by the rounding of stored activations
 * alone.
 */
#include "kernels/ref/ref.h"

#include "kernels/base/fail.h"
#include "kernels/model/quant.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum kernel_status create(const struct kernel_engine_options *options,
                                 struct kernel_backend_state **out, struct kernel_error *error)
{
    (void)options;
    (void)error;
    *out = kernel_allocate(1, sizeof **out);
    return KERNEL_OK;
}

static void destroy(struct kernel_backend_state *state)
{
    if (state != NULL) {
        free(state->cache);
        free(state->scores);
        free(state->row);
        free(state);
    }
}

static void describe(struct kernel_backend_state *state, char *out, size_t room)
{
    (void)state;
    snprintf(out, room, "reference: plain C, 1 thread");
}

static uint64_t memory(struct kernel_backend_state *state)
{
    return state->bytes;
}

/* Blocks of floats know their size, so that `memory` is exact. */
struct block {
    size_t bytes;
    _Alignas(64) float at[];
};

static float *allocate(struct kernel_backend_state *state, size_t floats)
{
    size_t bytes = 0;
    if (__builtin_mul_overflow(floats, sizeof(float), &bytes) ||
        __builtin_add_overflow(bytes, sizeof(struct block) + 63, &bytes)) {
        return NULL;
    }
    struct block *block = aligned_alloc(_Alignof(struct block), bytes / 64 * 64);
    if (block == NULL) {
        return NULL;
    }
    block->bytes = bytes / 64 * 64;
    state->bytes += block->bytes;
    return block->at;
}

static void release(struct kernel_backend_state *state, float *at)
{
    if (at != NULL) {
        struct block *block = (struct block *)(void *)((char *)at - offsetof(struct block, at));
        state->bytes -= block->bytes;
        free(block);
    }
}

static void upload(struct kernel_backend_state *state, float *to, const float *from, size_t floats)
{
    (void)state;
    memcpy(to, from, floats * sizeof *to);
}

static enum kernel_status download(struct kernel_backend_state *state, float *to, const float *from,
                                   size_t floats, struct kernel_error *error)
{
    (void)state;
    (void)error;
    memcpy(to, from, floats * sizeof *to);
    return KERNEL_OK;
}

static enum kernel_status load(struct kernel_backend_state *state,
                               const struct kernel_tensor *tensor, enum kernel_use use,
                               struct kernel_weight **out, struct kernel_error *error)
{
    (void)error;
    KERNEL_ASSERT(use != KERNEL_USE_VECTOR || (tensor->type == KERNEL_F32 && tensor->rows == 1));
    if (tensor->columns > state->row_room) {
        state->row = kernel_resize(state->row, tensor->columns, sizeof *state->row);
        state->row_room = tensor->columns;
    }
    struct kernel_weight *weight = kernel_allocate(1, sizeof *weight);
    *weight = (struct kernel_weight){tensor, use};
    *out = weight;
    return KERNEL_OK;
}

static void unload(struct kernel_backend_state *state, struct kernel_weight *weight)
{
    (void)state;
    free(weight);
}

const float *ref_row(struct kernel_backend_state *state, const struct kernel_weight *weight,
                     uint32_t row)
{
    const struct kernel_tensor *tensor = weight->tensor;
    size_t stride = tensor->bytes / tensor->rows;
    kernel_dequantise(tensor->type, (const char *)tensor->data + row * stride, state->row,
                      tensor->columns);
    return state->row;
}

static uint64_t block_bytes(struct kernel_backend_state *state, const struct kernel_shape *shape)
{
    (void)state;
    return (uint64_t)shape->layers * shape->kv_heads * shape->head_width * 2 * KERNEL_BLOCK_TOKENS *
           sizeof(float);
}

static enum kernel_status prepare(struct kernel_backend_state *state,
                                  const struct kernel_shape *shape, uint32_t blocks,
                                  uint32_t step_tokens, struct kernel_error *error)
{
    (void)step_tokens;
    KERNEL_ASSERT(state->cache == NULL);
    state->shape = shape;
    state->blocks = blocks;
    state->cache = kernel_try_allocate(blocks, block_bytes(state, shape));
    state->scores =
        kernel_try_allocate((size_t)blocks * KERNEL_BLOCK_TOKENS, sizeof *state->scores);
    if (state->cache == NULL || state->scores == NULL) {
        return kernel_fail(error, KERNEL_LIMIT,
                           "no memory for a cache of %" PRIu32 " blocks of %" PRIu64 " bytes",
                           blocks, block_bytes(state, shape));
    }
    state->bytes += blocks * (block_bytes(state, shape) + KERNEL_BLOCK_TOKENS * sizeof(double));
    return KERNEL_OK;
}

static void begin(struct kernel_backend_state *state, const struct kernel_batch *batch)
{
    state->batch = batch;
}

static void end(struct kernel_backend_state *state)
{
    state->batch = NULL;
}

static void embed(struct kernel_backend_state *state, const struct kernel_weight *table, float *out)
{
    uint32_t width = table->tensor->columns;
    for (uint32_t t = 0; t < state->batch->tokens; t++) {
        memcpy(out + (size_t)t * width, ref_row(state, table, (uint32_t)state->batch->token[t]),
               width * sizeof *out);
    }
}

static void norm(struct kernel_backend_state *state, float *x, const float *delta,
                 const struct kernel_weight *weight, float epsilon, uint32_t rows, uint32_t width,
                 float *out)
{
    const float *factor = ref_row(state, weight, 0);
    for (uint32_t r = 0; r < rows; r++) {
        float *row = x + (size_t)r * width;
        double sum = 0;
        for (uint32_t i = 0; i < width; i++) {
            row[i] += delta != NULL ? delta[(size_t)r * width + i] : 0;
            sum += (double)row[i] * row[i];
        }
        double scale = 1 / sqrt(sum / width + (double)epsilon);
        for (uint32_t i = 0; i < width; i++) {
            out[(size_t)r * width + i] = (float)(row[i] * scale * factor[i]);
        }
    }
}

/* Four sums, index by index: the order is fixed, and the processor need not wait for each. */
static double dot(const float *a, const float *b, uint32_t count)
{
    double sum[4] = {0};
    uint32_t i = 0;
    for (; i + 4 <= count; i += 4) {
        for (uint32_t j = 0; j < 4; j++) {
            sum[j] += (double)a[i + j] * b[i + j];
        }
    }
    for (; i < count; i++) {
        sum[0] += (double)a[i] * b[i];
    }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static void linear(struct kernel_backend_state *state, const struct kernel_product *products,
                   uint32_t count, const float *x, uint32_t rows)
{
    for (uint32_t p = 0; p < count; p++) {
        const struct kernel_tensor *tensor = products[p].weight->tensor;
        const struct kernel_weight *bias = products[p].bias;
        for (uint32_t n = 0; n < tensor->rows; n++) {
            const float *row = ref_row(state, products[p].weight, n);
            float add = 0;
            if (bias != NULL) {
                memcpy(&add, (const char *)bias->tensor->data + n * sizeof add, sizeof add);
            }
            for (uint32_t r = 0; r < rows; r++) {
                const float *in = x + (size_t)r * tensor->columns;
                products[p].out[(size_t)r * tensor->rows + n] =
                    (float)(dot(row, in, tensor->columns) + (double)add);
            }
        }
    }
}

static void silu_multiply(struct kernel_backend_state *state, const float *gate, const float *up,
                          uint32_t rows, uint32_t width, float *out)
{
    (void)state;
    for (size_t i = 0; i < (size_t)rows * width; i++) {
        double g = (double)gate[i];
        out[i] = (float)(g / (1 + exp(-g)) * up[i]);
    }
}

static void adapt_row(struct kernel_backend_state *state, const struct kernel_low_rank *of,
                      const float *x, float *out)
{
    const struct kernel_tensor *a = of->a->tensor;
    const struct kernel_tensor *b = of->b->tensor;
    double *low = kernel_allocate(of->rank, sizeof *low);
    for (uint32_t i = 0; i < of->rank; i++) {
        low[i] = dot(ref_row(state, of->a, i), x, a->columns);
    }
    for (uint32_t n = 0; n < b->rows; n++) {
        const float *row = ref_row(state, of->b, n);
        double sum = 0;
        for (uint32_t i = 0; i < of->rank; i++) {
            sum += (double)row[i] * low[i];
        }
        out[n] = (float)((double)out[n] + (double)of->scale * sum);
    }
    free(low);
}

static void adapt(struct kernel_backend_state *state, const struct kernel_low_rank *of,
                  uint32_t count, const float *x, float *out)
{
    const struct kernel_batch *batch = state->batch;
    for (uint32_t s = 0; s < batch->sequences; s++) {
        int32_t adapter = batch->adapter[s];
        if (adapter < 0 || (uint32_t)adapter >= count || of[adapter].a == NULL) {
            continue;
        }
        size_t in = of[adapter].a->tensor->columns;
        size_t to = of[adapter].b->tensor->rows;
        for (int32_t t = batch->start[s]; t < batch->start[s + 1]; t++) {
            adapt_row(state, &of[adapter], x + (size_t)t * in, out + (size_t)t * to);
        }
    }
}

static void gather(struct kernel_backend_state *state, const float *x, uint32_t width, float *out)
{
    const struct kernel_batch *batch = state->batch;
    for (uint32_t i = 0; i < batch->outputs; i++) {
        memcpy(out + (size_t)i * width, x + (size_t)batch->output[i] * width, width * sizeof *out);
    }
}

const struct kernel_operations kernel_operations_ref = {
    .name = "ref",
    .create = create,
    .destroy = destroy,
    .describe = describe,
    .memory = memory,
    .allocate = allocate,
    .release = release,
    .upload = upload,
    .download = download,
    .load = load,
    .unload = unload,
    .block_bytes = block_bytes,
    .prepare = prepare,
    .begin = begin,
    .end = end,
    .embed = embed,
    .norm = norm,
    .linear = linear,
    .rope_store = ref_rope_store,
    .attention = ref_attention,
    .silu_multiply = silu_multiply,
    .adapt = adapt,
    .gather = gather,
    .host_memory = true,
};
