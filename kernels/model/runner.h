/* runner.h -- what a runner is made of.  runner.c makes it, forward.c takes it through a step.
 * Private to those two. */
#ifndef REEVE_KERNELS_MODEL_RUNNER_H
#define REEVE_KERNELS_MODEL_RUNNER_H

#include "kernels/model/adapter.h"
#include "kernels/model/forward.h"

struct runner_layer {
    struct kernel_weight *part[KERNEL_PARTS];
    struct kernel_weight *bias[KERNEL_PARTS]; /* NULL: none */
    struct kernel_weight *attention_norm, *feed_norm;
    struct kernel_weight *q_norm, *k_norm; /* NULL: none */
};

/* Activations in the backend's memory.  What is between two lines is needed at another time than
 * what is between the others, so that all three lie in the same place. */
enum runner_buffer {
    BUFFER_X,      /* the residual stream */
    BUFFER_DELTA,  /* what is added to it next */
    BUFFER_NORMED, /* input of the products */
    /* ---- attention ---- */
    BUFFER_Q,
    BUFFER_K,
    BUFFER_V,
    BUFFER_ATTENDED,
    /* ---- feed-forward ---- */
    BUFFER_GATE,
    BUFFER_UP,
    /* ---- behind the layers ---- */
    BUFFER_LAST,       /* x of the output rows */
    BUFFER_LAST_DELTA, /* delta of the output rows */
    BUFFER_HIDDEN,
    BUFFER_LOGITS,
    BUFFERS
};

struct kernel_runner {
    const struct kernel_model *model;
    const struct kernel_shape *shape;
    const struct kernel_operations *operations;
    _Atomic uint64_t *pieces;
    struct kernel_backend_state *state;
    uint32_t step_tokens, outputs_max, logits_max, blocks;
    uint32_t outputs;                    /* of the last step */
    uint32_t logits_first, logits_count; /* which of their rows of logits are there */
    struct runner_layer *layers;
    struct kernel_weight *embedding, *output, *output_norm;
    float *memory, *buffer[BUFFERS];                          /* these are in that */
    struct kernel_adapter_file adapters[KERNEL_ADAPTERS_MAX]; /* file NULL: a free place */
    uint32_t adapter_count;                                   /* places that were ever used */
    struct kernel_low_rank *low; /* [layer][part][place]; NULL until the first adapter */
};

/* The corrections of one product, by adapter. */
struct kernel_low_rank *runner_low(const struct kernel_runner *runner, uint32_t layer,
                                   enum kernel_part part);

#endif
