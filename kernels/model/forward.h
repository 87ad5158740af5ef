/* forward.h -- one step of a model on a backend: a batch of tokens in, logits out.
 *
 * A runner is a model's weights in a backend's memory, with a cache of key-value blocks.  It knows
 * nothing of requests: which tokens, which blocks, which rows is the caller's (serve/).
 *
 * Thread: one at a time.  Private to kernels.
 */
#ifndef REEVE_KERNELS_MODEL_FORWARD_H
#define REEVE_KERNELS_MODEL_FORWARD_H

#include "kernels/backend.h"
#include "kernels/model/vocab.h"

#include <stdatomic.h>

struct kernel_runner;

enum { KERNEL_ADAPTERS_MAX = 64 }; /* loaded at a time */

struct kernel_runner_options {
    const struct kernel_operations *operations;
    const struct kernel_engine_options *engine; /* threads and plug-in path; may be NULL */
    uint64_t cache_bytes;
    uint32_t step_tokens; /* the largest T */
    uint32_t outputs_max; /* rows of logits or hidden states in a step */
    /* Rows of logits that are there at a time, where memory is the host's; 0: outputs_max. */
    uint32_t logits_max;
    _Atomic uint64_t
        *pieces; /* counts the operations that were made or queued; NULL: nobody asks */
};
enum kernel_status kernel_runner_create(const struct kernel_model *model,
                                        const struct kernel_runner_options *options,
                                        struct kernel_runner **out, struct kernel_error *error);
void kernel_runner_destroy(struct kernel_runner *runner);
uint32_t kernel_runner_blocks(const struct kernel_runner *runner); /* in the cache */
const struct kernel_shape *kernel_runner_shape(const struct kernel_runner *runner);
/* Floating-point operations of the largest one of a step, with `context` tokens to attend to. */
uint64_t kernel_runner_piece_flops(const struct kernel_runner *runner, uint32_t context);
void kernel_runner_describe(struct kernel_runner *runner, char *out, size_t room);
uint64_t kernel_runner_memory(const struct kernel_runner *runner); /* beside the file */

/* Queues a step: its logits (where wanted) and hidden states stay with the backend until the next
 * one, and are asked for below.  Where there is room for fewer rows of logits than are wanted, the
 * others are made when they are asked for, as many at a time as there is room for: best in order.
 * The same bits either way.  A batch that breaks a rule of backend.h is a wrong program. */
void kernel_runner_queue(struct kernel_runner *runner, const struct kernel_batch *batch,
                         bool logits);
/* The logits of output `row` of the last step (that wanted some): where they stand, until another
 * row is asked for or the next step; or in `room` ([vocabulary]) where they are not in the host's
 * memory. */
enum kernel_status kernel_runner_row(struct kernel_runner *runner, uint32_t row, float *room,
                                     const float **out, struct kernel_error *error);
/* `rows` rows from `first` on of what the last step put out, to the host. */
enum kernel_status kernel_runner_hidden(struct kernel_runner *runner, uint32_t first, uint32_t rows,
                                        float *to, struct kernel_error *error);
/* Whether the backend takes tokens out of rows by itself, and that: backend.h, `pick`. */
bool kernel_runner_picks(const struct kernel_runner *runner);
enum kernel_status kernel_runner_pick(struct kernel_runner *runner, const struct kernel_pick *picks,
                                      uint32_t count, struct kernel_picked *out,
                                      struct kernel_error *error);
/* How many numbers of a row are not finite. */
uint32_t kernel_not_finite(const float *row, uint32_t width);
/* KERNEL_CORRUPT: that many numbers of a token's row; `what` are "logits" or the like. */
enum kernel_status kernel_fail_not_finite(struct kernel_error *error, const char *what,
                                          int32_t position, uint32_t count, uint32_t width);

/* All of it at once.  logits: [outputs][vocabulary] on the host, or NULL; hidden: [outputs][width]
 * after the last norm, or NULL.  KERNEL_CORRUPT when a number of them is not finite. */
enum kernel_status kernel_runner_step(struct kernel_runner *runner,
                                      const struct kernel_batch *batch, float *logits,
                                      float *hidden, struct kernel_error *error);

/* LoRA: `*index` is what batches name. */
enum kernel_status kernel_runner_adapter(struct kernel_runner *runner, const char *path,
                                         int32_t *index, struct kernel_error *error);
void kernel_runner_adapter_drop(struct kernel_runner *runner, int32_t index);

/* Mean of hidden states, length 1: what an embedding request answers.  `sum` starts as zeros and
 * takes rows in the order of the text, in as many pieces as they come. */
void kernel_pool_add(double *sum, const float *hidden, uint32_t rows, uint32_t width);
void kernel_pool_finish(const double *sum, uint32_t width, float *out);

/* What a file says of its own probabilities: kernel.h, "How probable an option is". */
struct kernel_certainty {
    bool canonical;     /* there is one right thought for a question */
    double temperature; /* at which they come true; 1 where it says nothing */
};

/* What a model keeps, for serve/. */
struct kernel_certainty kernel_model_certainty(const struct kernel_model *model);
const struct kernel_vocab *kernel_model_vocab(const struct kernel_model *model);
const struct kernel_chat *
kernel_model_chat(const struct kernel_model *model); /* NULL: none known */

#endif
