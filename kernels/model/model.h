/* model.h -- an opened model: its numbers and where each weight lies in the file.
 *
 * arch.c reads the numbers, bind.c finds the tensors, model.c adds the vocabulary.
 *
 * The three architectures are one: normalise, attend, normalise, feed forward, with residual sums
 * (RMSNorm: Zhang and Sennrich 2019, arXiv:1910.07467; rotary positions: Su et al. 2021,
 * arXiv:2104.09864; grouped queries: Ainslie et al. 2023, arXiv:2305.13245; SwiGLU: Shazeer 2020,
 * arXiv:2002.05202).  They differ in the pairs that rotate, in biases and in norms of q and k.
 *
 * Private to kernels/model.
 */
#ifndef REEVE_KERNELS_MODEL_MODEL_H
#define REEVE_KERNELS_MODEL_MODEL_H

#include "kernels/backend.h"
#include "kernels/model/forward.h"
#include "kernels/model/gguf.h"

/* What three architectures differ in. */
struct kernel_arch {
    const char *name;
    bool rope_halves;
    bool biases_needed; /* of q, k and v; else they may be there */
    bool head_norms;    /* of q and k */
};

/* The weights that a product or an adapter can name, in the order of a layer. */
enum kernel_part {
    KERNEL_PART_Q,
    KERNEL_PART_K,
    KERNEL_PART_V,
    KERNEL_PART_OUT,
    KERNEL_PART_GATE,
    KERNEL_PART_UP,
    KERNEL_PART_DOWN,
    KERNEL_PARTS
};
extern const char *const kernel_part_names[KERNEL_PARTS]; /* attn_q ... */
uint32_t kernel_part_rows(const struct kernel_shape *shape, enum kernel_part part);
uint32_t kernel_part_columns(const struct kernel_shape *shape, enum kernel_part part);

/* NULL: the model has none. */
struct kernel_layer {
    const struct kernel_tensor *part[KERNEL_PARTS];
    const struct kernel_tensor *bias[KERNEL_PARTS]; /* of q, k and v only */
    const struct kernel_tensor *attention_norm, *feed_norm;
    const struct kernel_tensor *q_norm, *k_norm;
};

struct kernel_vocab;
struct kernel_chat;

struct kernel_model {
    struct kernel_gguf *file;
    void *image; /* of a model made in memory; `image_bytes` of an anonymous mapping */
    size_t image_bytes;
    const struct kernel_arch *arch;
    struct kernel_shape shape; /* rope_factors: own memory, NULL where all are 1 */
    struct kernel_layer *layers;
    const struct kernel_tensor *embedding, *output_norm;
    const struct kernel_tensor *output; /* the embedding, where tied */
    struct kernel_vocab *vocab;         /* NULL: opened without */
    const struct kernel_chat *chat;     /* NULL: none known */
    char chat_fault[128];               /* why the file's template cannot be used; "" none */
    struct kernel_certainty certainty;
};

/* arch.c: architecture, shape and factors from the file's keys. */
enum kernel_status kernel_arch_read(struct kernel_model *model, struct kernel_error *error);
/* bind.c: the tensors; each is there, has its shape, and none is left over. */
enum kernel_status kernel_bind(struct kernel_model *model, struct kernel_error *error);

/* A model without a vocabulary: takes over `file` (closed on failure too). */
enum kernel_status kernel_model_bare(struct kernel_gguf *file, struct kernel_model **out,
                                     struct kernel_error *error);
void kernel_model_bare_close(struct kernel_model *model); /* NULL is fine */

/* make.c: an image of a made model in an anonymous mapping, a complete GGUF file. */
enum kernel_status kernel_make_image(const char *shape, const char *type, uint64_t seed,
                                     void **image, size_t *bytes, struct kernel_error *error);

#endif
