/* backend.h -- what a processor must be able to do for a model: one table of operations.
 *
 * The model code (model/forward.c) is the only caller and calls nothing else, so that every
 * backend runs the same steps: ref (plain C, the truth), cpu (vector code chosen at start-up), cuda
 * (a plug-in).  All operations work on a flattened batch: T tokens of S sequences, each token knows
 * its position and sequence.  Activations are f32, row-major [T][width], in the backend's memory.
 * A call may be queued; `download` waits.
 *
 * Each row of a result depends on its own row of the input alone, bit for bit: sums go in a fixed
 * order that does not depend on T, on other sequences or on the number of threads.
 *
 * Thread: one at a time per backend.  Private to kernels.
 */
#ifndef REEVE_KERNELS_BACKEND_H
#define REEVE_KERNELS_BACKEND_H

#include "kernels/kernel.h"
#include "kernels/model/tensor.h"

enum {
    KERNEL_BLOCK_TOKENS = 16,     /* of a cache block: what prefixes are shared by */
    KERNEL_HEAD_WIDTH_MAX = 1024, /* a model with more is refused */
    KERNEL_RANK_MAX = 512,        /* of an adapter */
    KERNEL_ALTERNATIVES_MAX = 20  /* that are named beside a token */
};
#define KERNEL_PICK_WEIGHT 0x1p42 /* of the best token, as a whole number: serve/sample.h */

/* One step.  Arrays are the caller's, on the host, unchanged until the step is done. */
struct kernel_batch {
    uint32_t tokens;         /* T */
    uint32_t sequences;      /* S */
    const int32_t *token;    /* [T] */
    const int32_t *position; /* [T] */
    const int32_t *start;    /* [S + 1]: tokens of sequence s are start[s] .. start[s + 1] - 1 */
    const int32_t *length; /* [S] tokens in the cache after this step: positions 0 .. length - 1 */
    const int32_t *block;  /* [S][blocks_max] cache blocks in order; -1 beyond the end */
    uint32_t blocks_max;
    const int32_t *adapter; /* [S] index of a loaded adapter, -1 none */
    uint32_t outputs;       /* rows whose logits (or hidden states) are wanted */
    const int32_t *output;  /* [outputs] indexes into T, ascending */
};

/* The numbers of a model that attention and positions need. */
struct kernel_shape {
    uint32_t width, layers, heads, kv_heads, head_width, feed, vocabulary, context;
    float norm_epsilon;
    float rope_base;
    uint32_t rope_width; /* dimensions of a head that turn, even */
    bool rope_halves;    /* pairs are (i, i + half) as in qwen; else (2i, 2i + 1) as in llama */
    const float *rope_factors; /* [rope_width / 2] dividing the frequencies; NULL: 1 */
    float attention_scale;     /* 1 / sqrt(head_width) */
};

/* A weight, as the backend keeps it (repacked, uploaded); made by `load`. */
struct kernel_weight;
struct kernel_backend_state;

/* What a weight is for.  A tensor with two uses (tied embeddings) is loaded once for each; a
 * backend may keep one copy. */
enum kernel_use {
    KERNEL_USE_TABLE,  /* embed: single rows are read */
    KERNEL_USE_MATRIX, /* linear, adapt */
    KERNEL_USE_VECTOR  /* norms and biases: F32, one row */
};

/* One of several products of the same input: out[r] = weight x[r] + bias (NULL: none). */
struct kernel_product {
    const struct kernel_weight *weight;
    const struct kernel_weight *bias;
    float *out; /* [rows][rows of the weight] */
};

/* A low-rank correction of a product, for the sequences of one adapter; a NULL: it has none. */
struct kernel_low_rank {
    const struct kernel_weight *a; /* rank rows, as wide as the product's input */
    const struct kernel_weight *b; /* as many rows as the product's weight, rank wide */
    uint32_t rank;
    float scale;
};

/* A token to be taken out of one row of logits, as serve/sample.h defines it. */
struct kernel_pick {
    uint32_t row;
    const uint64_t *mask; /* on the host, one bit a token; NULL: all may come */
    double temperature;   /* 0: the most probable, the lowest id where equal */
    double least;         /* log of how much less probable than the best is still drawn */
    double top_p;         /* 0: off */
    uint32_t top_k;       /* 0: off */
    double chance;        /* [0, 1) */
    uint32_t alternatives;
    double measured; /* the token's log-probability is wanted, at this temperature; 0: it is not */
};

enum { KERNEL_PICK_NONE = -1 }; /* no token may come */

struct kernel_candidate {
    int32_t token;
    float logprob;
};

struct kernel_picked {
    int32_t token;
    uint32_t not_finite; /* so many numbers; then nothing else is said */
    float logprob;       /* where alternatives are wanted */
    double measured;     /* where it is wanted: over the whole row, whatever the mask */
    struct kernel_candidate best[KERNEL_ALTERNATIVES_MAX]; /* of the whole row, best first */
};

struct kernel_operations {
    const char *name;
    /* ---- life ---- */
    /* `options` may be NULL: the defaults of kernel.h */
    enum kernel_status (*create)(const struct kernel_engine_options *options,
                                 struct kernel_backend_state **out, struct kernel_error *error);
    void (*destroy)(struct kernel_backend_state *state); /* after its memory and weights */
    void (*describe)(struct kernel_backend_state *state, char *out, size_t room);
    uint64_t (*memory)(struct kernel_backend_state *state); /* bytes held now, beside the file */
    /* ---- memory ---- */
    float *(*allocate)(struct kernel_backend_state *state, size_t floats); /* NULL: none left */
    void (*release)(struct kernel_backend_state *state, float *memory);
    void (*upload)(struct kernel_backend_state *state, float *to, const float *from, size_t floats);
    enum kernel_status (*download)(struct kernel_backend_state *state, float *to, const float *from,
                                   size_t floats, struct kernel_error *error);
    /* the tensor and its bytes stay until unload */
    enum kernel_status (*load)(struct kernel_backend_state *state,
                               const struct kernel_tensor *tensor, enum kernel_use use,
                               struct kernel_weight **out, struct kernel_error *error);
    void (*unload)(struct kernel_backend_state *state, struct kernel_weight *weight);
    /* bytes of one cache block, all layers */
    uint64_t (*block_bytes)(struct kernel_backend_state *state, const struct kernel_shape *shape);
    /* once, before the first step: a cache of so many blocks, and room for steps of so many tokens;
     * `shape` stays */
    enum kernel_status (*prepare)(struct kernel_backend_state *state,
                                  const struct kernel_shape *shape, uint32_t blocks,
                                  uint32_t step_tokens, struct kernel_error *error);
    /* ---- a step: begin, operations on memory of this backend, end, download ---- */
    void (*begin)(struct kernel_backend_state *state, const struct kernel_batch *batch);
    /* steps of equal T, S and outputs name the same operations on the same memory: between begin
     * and end a backend may record instead of run, and run here, or what it has recorded before */
    void (*end)(struct kernel_backend_state *state);
    /* out[t] = the row of the batch's token t */
    void (*embed)(struct kernel_backend_state *state, const struct kernel_weight *table,
                  float *out);
    /* x += delta (NULL: nothing to add), then out = x / rms(x) * weight; `rows` rows of `width` */
    void (*norm)(struct kernel_backend_state *state, float *x, const float *delta,
                 const struct kernel_weight *weight, float epsilon, uint32_t rows, uint32_t width,
                 float *out);
    void (*linear)(struct kernel_backend_state *state, const struct kernel_product *products,
                   uint32_t count, const float *x, uint32_t rows);
    /* per-head norm of q and k where the model has one (NULL: none; epsilon is the shape's),
     * rotation by position, keys and values into the cache; q stays in place, k is spoilt */
    void (*rope_store)(struct kernel_backend_state *state, uint32_t layer, float *q, float *k,
                       const float *v, const struct kernel_weight *q_norm,
                       const struct kernel_weight *k_norm);
    /* each token over the positions 0 .. its own of its sequence; q and out: [T][heads * width] */
    void (*attention)(struct kernel_backend_state *state, uint32_t layer, const float *q,
                      float *out);
    /* out = silu(gate) * up; out may be gate */
    void (*silu_multiply)(struct kernel_backend_state *state, const float *gate, const float *up,
                          uint32_t rows, uint32_t width, float *out);
    /* out[t] += scale * b (a x[t]) with the entry of `of` that the token's sequence names as its
     * adapter; x and out have the batch's T rows */
    void (*adapt)(struct kernel_backend_state *state, const struct kernel_low_rank *of,
                  uint32_t count, const float *x, float *out);
    /* the batch's output rows of x, one after another */
    void (*gather)(struct kernel_backend_state *state, const float *x, uint32_t width, float *out);
    /* ---- after a step ---- */
    /* NULL: it cannot; the rows are downloaded.  Tokens out of rows of `logits`, each as if it were
     * alone.  Waits, as `download` does.  Sums are in double, in another order than the host's: a
     * draw within 2^-40 of the border between two tokens (or of top_p) may fall to either. */
    enum kernel_status (*pick)(struct kernel_backend_state *state, const float *logits,
                               uint32_t vocabulary, const struct kernel_pick *picks, uint32_t count,
                               struct kernel_picked *out, struct kernel_error *error);
    /* its memory is the host's, and nothing is queued: what stands there is read without download
     */
    bool host_memory;
};

extern const struct kernel_operations kernel_operations_ref;
const struct kernel_operations *kernel_operations_cpu(void); /* the best for this processor */

#endif
