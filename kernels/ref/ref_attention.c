/* ref_attention.c -- positions and attention of the reference backend.
 *
 * Rotary positions (Su et al. 2021, arXiv:2104.09864): pair i of a head turns by
 * position * base^(-2i / rope_width), divided by the model's factor for it.  Attention is the plain
 * softmax over all earlier positions, in two passes, head by head; keys and values lie in blocks of
 * KERNEL_BLOCK_TOKENS that the batch's table names (paged attention: Kwon et al. 2023,
 * arXiv:2309.06180).
 */
#include "kernels/ref/ref.h"

#include "kernels/base/fail.h"

#include <math.h>
#include <string.h>

static void norm_head(float *head, const float *factor, float epsilon, uint32_t width)
{
    double sum = 0;
    for (uint32_t i = 0; i < width; i++) {
        sum += (double)head[i] * head[i];
    }
    double scale = 1 / sqrt(sum / width + (double)epsilon);
    for (uint32_t i = 0; i < width; i++) {
        head[i] = (float)(head[i] * scale * factor[i]);
    }
}

static void turn_head(float *head, int32_t position, const struct kernel_shape *shape)
{
    uint32_t half = shape->rope_width / 2;
    for (uint32_t i = 0; i < half; i++) {
        double factor = shape->rope_factors != NULL ? shape->rope_factors[i] : 1;
        double turn =
            pow((double)shape->rope_base, -2.0 * i / shape->rope_width) / factor * position;
        float *a = shape->rope_halves ? &head[i] : &head[2 * i];
        float *b = shape->rope_halves ? &head[i + half] : &head[2 * i + 1];
        double x = *a;
        double y = *b;
        *a = (float)(x * cos(turn) - y * sin(turn));
        *b = (float)(x * sin(turn) + y * cos(turn));
    }
}

/* Where keys (values: `value` 1) of one position begin. */
static float *cache_at(struct kernel_backend_state *state, uint32_t layer, uint32_t sequence,
                       uint32_t head, int value, int32_t position)
{
    const struct kernel_shape *shape = state->shape;
    const struct kernel_batch *batch = state->batch;
    int32_t block =
        batch->block[(size_t)sequence * batch->blocks_max + position / KERNEL_BLOCK_TOKENS];
    KERNEL_ASSERT(block >= 0 && (uint32_t)block < state->blocks);
    size_t at = (size_t)layer * state->blocks + (size_t)block;
    at = (at * shape->kv_heads + head) * 2 + (size_t)value;
    at = at * KERNEL_BLOCK_TOKENS + (size_t)position % KERNEL_BLOCK_TOKENS;
    return state->cache + at * shape->head_width;
}

void ref_rope_store(struct kernel_backend_state *state, uint32_t layer, float *q, float *k,
                    const float *v, const struct kernel_weight *q_norm,
                    const struct kernel_weight *k_norm)
{
    const struct kernel_shape *shape = state->shape;
    const struct kernel_batch *batch = state->batch;
    size_t width = shape->head_width;
    for (uint32_t s = 0; s < batch->sequences; s++) {
        for (int32_t t = batch->start[s]; t < batch->start[s + 1]; t++) {
            int32_t position = batch->position[t];
            for (uint32_t h = 0; h < shape->heads; h++) {
                float *head = q + ((size_t)t * shape->heads + h) * width;
                if (q_norm != NULL) {
                    norm_head(head, ref_row(state, q_norm, 0), shape->norm_epsilon,
                              shape->head_width);
                }
                turn_head(head, position, shape);
            }
            for (uint32_t h = 0; h < shape->kv_heads; h++) {
                size_t at = ((size_t)t * shape->kv_heads + h) * width;
                if (k_norm != NULL) {
                    norm_head(k + at, ref_row(state, k_norm, 0), shape->norm_epsilon,
                              shape->head_width);
                }
                turn_head(k + at, position, shape);
                memcpy(cache_at(state, layer, s, h, 0, position), k + at, width * sizeof *k);
                memcpy(cache_at(state, layer, s, h, 1, position), v + at, width * sizeof *v);
            }
        }
    }
}

static void attend(struct kernel_backend_state *state, uint32_t layer, uint32_t sequence,
                   uint32_t kv_head, int32_t position, const float *q, float *out)
{
    const struct kernel_shape *shape = state->shape;
    double value[KERNEL_HEAD_WIDTH_MAX] = {0};
    double most = -INFINITY;
    double sum = 0;
    KERNEL_ASSERT((uint32_t)position / KERNEL_BLOCK_TOKENS < state->blocks);
    for (int32_t p = 0; p <= position; p++) {
        const float *key = cache_at(state, layer, sequence, kv_head, 0, p);
        double score = 0;
        for (uint32_t i = 0; i < shape->head_width; i++) {
            score += (double)q[i] * key[i];
        }
        state->scores[p] = score * (double)shape->attention_scale;
        most = fmax(most, state->scores[p]);
    }
    for (int32_t p = 0; p <= position; p++) {
        state->scores[p] = exp(state->scores[p] - most);
        sum += state->scores[p];
    }
    for (int32_t p = 0; p <= position; p++) {
        const float *row = cache_at(state, layer, sequence, kv_head, 1, p);
        for (uint32_t i = 0; i < shape->head_width; i++) {
            value[i] += state->scores[p] * row[i];
        }
    }
    for (uint32_t i = 0; i < shape->head_width; i++) {
        out[i] = (float)(value[i] / sum);
    }
}

void ref_attention(struct kernel_backend_state *state, uint32_t layer, const float *q, float *out)
{
    const struct kernel_shape *shape = state->shape;
    const struct kernel_batch *batch = state->batch;
    for (uint32_t s = 0; s < batch->sequences; s++) {
        for (int32_t t = batch->start[s]; t < batch->start[s + 1]; t++) {
            for (uint32_t h = 0; h < shape->heads; h++) {
                size_t at = ((size_t)t * shape->heads + h) * shape->head_width;
                attend(state, layer, s, h / (shape->heads / shape->kv_heads), batch->position[t],
                       q + at, out + at);
            }
        }
    }
}
