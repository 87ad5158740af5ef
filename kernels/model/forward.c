/* forward.c -- one step of a model: the order of operations, for every backend the same.
 *
 *     x = embedding of the tokens
 *     each layer:   n = norm(x);  q, k, v = products of n, turned and stored
 *                   x += out product of attention(q)
 *                   n = norm(x);  x += down product of silu(gate product) * up product
 *     output rows:  hidden = norm(x);  logits = output product of hidden
 *
 * A residual sum is not done where it arises but by the norm that reads it next, so that a backend
 * has one pass over x less.
 */
#include "kernels/model/runner.h"

#include "kernels/base/fail.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static void check_batch(const struct kernel_runner *runner, const struct kernel_batch *batch)
{
    KERNEL_ASSERT(batch->tokens > 0 && batch->tokens <= runner->step_tokens);
    KERNEL_ASSERT(batch->sequences > 0 && batch->outputs <= runner->outputs_max);
    KERNEL_ASSERT(batch->start[0] == 0 && batch->start[batch->sequences] == (int32_t)batch->tokens);
    for (uint32_t s = 0; s < batch->sequences; s++) {
        const int32_t *blocks = batch->block + (size_t)s * batch->blocks_max;
        int32_t length = batch->length[s];
        KERNEL_ASSERT(batch->start[s] < batch->start[s + 1]);
        KERNEL_ASSERT(length > 0 &&
                      (uint32_t)(length - 1) / KERNEL_BLOCK_TOKENS < batch->blocks_max);
        for (int32_t b = 0; b <= (length - 1) / KERNEL_BLOCK_TOKENS; b++) {
            KERNEL_ASSERT(blocks[b] >= 0 && (uint32_t)blocks[b] < runner->blocks);
        }
        for (int32_t t = batch->start[s]; t < batch->start[s + 1]; t++) {
            KERNEL_ASSERT(batch->position[t] >= 0 && batch->position[t] < length);
            KERNEL_ASSERT(batch->token[t] >= 0 &&
                          (uint32_t)batch->token[t] < runner->shape->vocabulary);
        }
        int32_t adapter = batch->adapter[s];
        KERNEL_ASSERT(adapter < 0 || ((uint32_t)adapter < runner->adapter_count &&
                                      runner->adapters[adapter].file != NULL));
    }
    for (uint32_t i = 0; i < batch->outputs; i++) {
        KERNEL_ASSERT(batch->output[i] >= 0 && (uint32_t)batch->output[i] < batch->tokens);
        KERNEL_ASSERT(i == 0 || batch->output[i] > batch->output[i - 1]);
    }
}

static bool any_adapter(const struct kernel_batch *batch)
{
    for (uint32_t s = 0; s < batch->sequences; s++) {
        if (batch->adapter[s] >= 0) {
            return true;
        }
    }
    return false;
}

struct step {
    struct kernel_runner *runner;
    const struct kernel_operations *operations;
    struct kernel_backend_state *state;
    const struct kernel_batch *batch;
    bool adapted;
    uint32_t layer;
};

/* One more operation is made, or queued where the backend is a device. */
static void count_piece(const struct kernel_runner *runner)
{
    if (runner->pieces != NULL) {
        atomic_fetch_add_explicit(runner->pieces, 1, memory_order_relaxed);
    }
}

/* Products `first` to `last` of the same input, each with its adapters' corrections. */
static void multiply(const struct step *step, enum kernel_part first, enum kernel_part last,
                     enum runner_buffer input, enum runner_buffer output)
{
    struct kernel_runner *runner = step->runner;
    const struct runner_layer *layer = &runner->layers[step->layer];
    struct kernel_product products[KERNEL_PARTS] = {{NULL, NULL, NULL}};
    uint32_t count = 0;
    for (enum kernel_part part = first; part <= last; part++, count++) {
        products[count] = (struct kernel_product){layer->part[part], layer->bias[part],
                                                  runner->buffer[output + count]};
    }
    step->operations->linear(step->state, products, count, runner->buffer[input],
                             step->batch->tokens);
    count_piece(runner);
    for (uint32_t i = 0; step->adapted && i < count; i++) {
        step->operations->adapt(step->state, runner_low(runner, step->layer, first + i),
                                runner->adapter_count, runner->buffer[input], products[i].out);
        count_piece(runner);
    }
}

static void normalise(const struct step *step, const struct kernel_weight *weight,
                      const float *delta)
{
    struct kernel_runner *runner = step->runner;
    step->operations->norm(step->state, runner->buffer[BUFFER_X], delta, weight,
                           runner->shape->norm_epsilon, step->batch->tokens, runner->shape->width,
                           runner->buffer[BUFFER_NORMED]);
}

static void run_layers(struct step *step)
{
    struct kernel_runner *runner = step->runner;
    const struct kernel_operations *operations = step->operations;
    float **buffer = runner->buffer;
    const float *delta = NULL;
    uint32_t layers = runner->shape->layers;
    for (step->layer = 0; step->layer < layers; step->layer++) {
        const struct runner_layer *layer = &runner->layers[step->layer];
        normalise(step, layer->attention_norm, delta);
        multiply(step, KERNEL_PART_Q, KERNEL_PART_V, BUFFER_NORMED, BUFFER_Q);
        operations->rope_store(step->state, step->layer, buffer[BUFFER_Q], buffer[BUFFER_K],
                               buffer[BUFFER_V], layer->q_norm, layer->k_norm);
        if (step->layer + 1 == layers && step->batch->outputs == 0) {
            return; /* nobody reads further: the keys and values were all that was wanted */
        }
        operations->attention(step->state, step->layer, buffer[BUFFER_Q], buffer[BUFFER_ATTENDED]);
        count_piece(runner);
        multiply(step, KERNEL_PART_OUT, KERNEL_PART_OUT, BUFFER_ATTENDED, BUFFER_DELTA);
        normalise(step, layer->feed_norm, buffer[BUFFER_DELTA]);
        multiply(step, KERNEL_PART_GATE, KERNEL_PART_UP, BUFFER_NORMED, BUFFER_GATE);
        operations->silu_multiply(step->state, buffer[BUFFER_GATE], buffer[BUFFER_UP],
                                  step->batch->tokens, runner->shape->feed, buffer[BUFFER_GATE]);
        multiply(step, KERNEL_PART_DOWN, KERNEL_PART_DOWN, BUFFER_GATE, BUFFER_DELTA);
        delta = buffer[BUFFER_DELTA];
    }
}

/* As many rows of logits as there is room for, from `first` on. */
static void make_logits(struct kernel_runner *runner, uint32_t first)
{
    uint32_t left = runner->outputs - first;
    uint32_t rows = left < runner->logits_max ? left : runner->logits_max;
    struct kernel_product product = {runner->output, NULL, runner->buffer[BUFFER_LOGITS]};
    const float *hidden = runner->buffer[BUFFER_HIDDEN] + (size_t)first * runner->shape->width;
    runner->operations->linear(runner->state, &product, 1, hidden, rows);
    count_piece(runner);
    runner->logits_first = first;
    runner->logits_count = rows;
}

static void run_outputs(const struct step *step, bool logits)
{
    struct kernel_runner *runner = step->runner;
    const struct kernel_operations *operations = step->operations;
    float **buffer = runner->buffer;
    uint32_t width = runner->shape->width;
    operations->gather(step->state, buffer[BUFFER_X], width, buffer[BUFFER_LAST]);
    operations->gather(step->state, buffer[BUFFER_DELTA], width, buffer[BUFFER_LAST_DELTA]);
    operations->norm(step->state, buffer[BUFFER_LAST], buffer[BUFFER_LAST_DELTA],
                     runner->output_norm, runner->shape->norm_epsilon, step->batch->outputs, width,
                     buffer[BUFFER_HIDDEN]);
    if (logits) {
        make_logits(runner, 0);
    }
}

void kernel_runner_queue(struct kernel_runner *runner, const struct kernel_batch *batch,
                         bool logits)
{
    check_batch(runner, batch);
    struct step step = {.runner = runner,
                        .operations = runner->operations,
                        .state = runner->state,
                        .batch = batch,
                        .adapted = any_adapter(batch)};
    runner->outputs = batch->outputs;
    runner->logits_count = 0;
    step.operations->begin(step.state, batch);
    step.operations->embed(step.state, runner->embedding, runner->buffer[BUFFER_X]);
    run_layers(&step);
    if (batch->outputs > 0) {
        run_outputs(&step, logits);
    }
    step.operations->end(step.state);
}

/* The products of one input together, and those of an adapter are smaller. */
uint64_t kernel_runner_piece_flops(const struct kernel_runner *runner, uint32_t context)
{
    const struct kernel_shape *shape = runner->shape;
    uint64_t tokens = runner->step_tokens;
    uint64_t heads = (uint64_t)shape->heads * shape->head_width;
    uint64_t keys = (uint64_t)shape->kv_heads * shape->head_width;
    uint64_t pieces[] = {
        2 * tokens * shape->width * (heads + 2 * keys),
        2 * tokens * shape->width * 2 * shape->feed,
        4 * tokens * context * heads,
        2 * (uint64_t)runner->logits_max * shape->width * shape->vocabulary,
    };
    uint64_t largest = 0;
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        largest = pieces[i] > largest ? pieces[i] : largest;
    }
    return largest;
}

/* ---- what came out ---- */

static enum kernel_status fetch(struct kernel_runner *runner, enum runner_buffer from,
                                uint32_t width, uint32_t first, uint32_t rows, float *to,
                                struct kernel_error *error)
{
    return runner->operations->download(runner->state, to,
                                        runner->buffer[from] + (size_t)first * width,
                                        (size_t)rows * width, error);
}

enum kernel_status kernel_runner_row(struct kernel_runner *runner, uint32_t row, float *room,
                                     const float **out, struct kernel_error *error)
{
    uint32_t vocabulary = runner->shape->vocabulary;
    KERNEL_ASSERT(row < runner->outputs && runner->logits_count > 0);
    if (!runner->operations->host_memory) {
        *out = room;
        return fetch(runner, BUFFER_LOGITS, vocabulary, row, 1, room, error);
    }
    if (row < runner->logits_first || row - runner->logits_first >= runner->logits_count) {
        make_logits(runner, row);
    }
    *out = runner->buffer[BUFFER_LOGITS] + (size_t)(row - runner->logits_first) * vocabulary;
    return KERNEL_OK;
}

enum kernel_status kernel_runner_hidden(struct kernel_runner *runner, uint32_t first, uint32_t rows,
                                        float *to, struct kernel_error *error)
{
    return fetch(runner, BUFFER_HIDDEN, runner->shape->width, first, rows, to, error);
}

bool kernel_runner_picks(const struct kernel_runner *runner)
{
    return runner->operations->pick != NULL;
}

enum kernel_status kernel_runner_pick(struct kernel_runner *runner, const struct kernel_pick *picks,
                                      uint32_t count, struct kernel_picked *out,
                                      struct kernel_error *error)
{
    return runner->operations->pick(runner->state, runner->buffer[BUFFER_LOGITS],
                                    runner->shape->vocabulary, picks, count, out, error);
}

uint32_t kernel_not_finite(const float *row, uint32_t width)
{
    typedef float lanes __attribute__((vector_size(64), aligned(4), may_alias));
    enum {
        LANES = sizeof(lanes) / sizeof(float),
        PIECE = 4096
    }; /* a piece is looked at closely
          when its sum says so */
    uint32_t count = 0;
    for (uint32_t from = 0; from < width; from += PIECE) {
        uint32_t end = width - from < PIECE ? width : from + PIECE;
        lanes sums = {0}; /* 0 x: not a number as soon as one x is not finite */
        float sum = 0;
        uint32_t i = from;
        for (; i + LANES <= end; i += LANES) {
            sums += 0 * *(const lanes *)(const void *)(row + i);
        }
        for (; i < end; i++) {
            sum += 0 * row[i];
        }
        for (int lane = 0; lane < LANES; lane++) {
            sum += sums[lane];
        }
        for (i = from; isnan(sum) && i < end; i++) {
            count += !isfinite(row[i]);
        }
    }
    return count;
}

enum kernel_status kernel_fail_not_finite(struct kernel_error *error, const char *what,
                                          int32_t position, uint32_t count, uint32_t width)
{
    return kernel_fail(error, KERNEL_CORRUPT,
                       "%s of the token at position %" PRId32 " are not finite (%" PRIu32
                       " of %" PRIu32 "): the weights of the model or of the adapter are damaged, "
                       "or their numbers leave the range of f32",
                       what, position, count, width);
}

/* ---- all at once ---- */

/* A model that has run into infinity must not answer: every number is looked at. */
static enum kernel_status check_row(const struct kernel_batch *batch, uint32_t row,
                                    const char *what, uint32_t width, const float *at,
                                    struct kernel_error *error)
{
    uint32_t count = kernel_not_finite(at, width);
    return count > 0 ? kernel_fail_not_finite(error, what, batch->position[batch->output[row]],
                                              count, width)
                     : KERNEL_OK;
}

static enum kernel_status fetch_hidden(struct kernel_runner *runner,
                                       const struct kernel_batch *batch, float *to,
                                       struct kernel_error *error)
{
    uint32_t width = runner->shape->width;
    enum kernel_status status = kernel_runner_hidden(runner, 0, batch->outputs, to, error);
    for (uint32_t r = 0; status == KERNEL_OK && r < batch->outputs; r++) {
        status = check_row(batch, r, "hidden states", width, to + (size_t)r * width, error);
    }
    return status;
}

static enum kernel_status fetch_logits(struct kernel_runner *runner,
                                       const struct kernel_batch *batch, float *to,
                                       struct kernel_error *error)
{
    uint32_t vocabulary = runner->shape->vocabulary;
    bool here = runner->operations->host_memory;
    enum kernel_status status =
        here ? KERNEL_OK : fetch(runner, BUFFER_LOGITS, vocabulary, 0, batch->outputs, to, error);
    for (uint32_t r = 0; status == KERNEL_OK && r < batch->outputs; r++, to += vocabulary) {
        const float *row = to;
        if (here) {
            status = kernel_runner_row(runner, r, NULL, &row, error);
            memcpy(to, row, vocabulary * sizeof *to);
        }
        status = check_row(batch, r, "logits", vocabulary, to, error);
    }
    return status;
}

enum kernel_status kernel_runner_step(struct kernel_runner *runner,
                                      const struct kernel_batch *batch, float *logits,
                                      float *hidden, struct kernel_error *error)
{
    kernel_runner_queue(runner, batch, logits != NULL);
    enum kernel_status status = KERNEL_OK;
    if (batch->outputs > 0 && hidden != NULL) {
        status = fetch_hidden(runner, batch, hidden, error);
    }
    if (batch->outputs > 0 && logits != NULL && status == KERNEL_OK) {
        status = fetch_logits(runner, batch, logits, error);
    }
    return status;
}
