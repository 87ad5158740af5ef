/* ref.h -- the state of the reference backend.  Private to kernels/ref. */
#ifndef REEVE_KERNELS_REF_REF_H
#define REEVE_KERNELS_REF_REF_H

#include "kernels/backend.h"

struct kernel_weight {
    const struct kernel_tensor *tensor;
    enum kernel_use use;
};

struct kernel_backend_state {
    const struct kernel_batch *batch; /* between begin and the end of the step */
    const struct kernel_shape *shape;
    uint32_t blocks;
    float *cache;   /* [layer][block][kv head][key, value][token of the block][head width] */
    double *scores; /* [context] of one head */
    float *row;     /* one row of a weight, as f32 */
    uint32_t row_room;
    uint64_t bytes;
};

/* The row of `weight` as f32: in the file, or in state->row. */
const float *ref_row(struct kernel_backend_state *state, const struct kernel_weight *weight,
                     uint32_t row);

/* ref_attention.c */
void ref_rope_store(struct kernel_backend_state *state, uint32_t layer, float *q, float *k,
                    const float *v, const struct kernel_weight *q_norm,
                    const struct kernel_weight *k_norm);
void ref_attention(struct kernel_backend_state *state, uint32_t layer, const float *q, float *out);

#endif
