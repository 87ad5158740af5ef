/* runner.c -- a model's weights, a cache and adapters in a backend's memory. */
#include "kernels/model/runner.h"

#include "kernels/base/fail.h"

#include <inttypes.h>
#include <stdlib.h>

static enum kernel_status load(struct kernel_runner *runner, const struct kernel_tensor *tensor,
                               enum kernel_use use, struct kernel_weight **out,
                               struct kernel_error *error)
{
    *out = NULL;
    return tensor == NULL ? KERNEL_OK
                          : runner->operations->load(runner->state, tensor, use, out, error);
}

static void unload(struct kernel_runner *runner, struct kernel_weight *weight)
{
    if (weight != NULL) {
        runner->operations->unload(runner->state, weight);
    }
}

static enum kernel_status load_layer(struct kernel_runner *runner, uint32_t index,
                                     struct kernel_error *error)
{
    const struct kernel_layer *from = &runner->model->layers[index];
    struct runner_layer *to = &runner->layers[index];
    enum kernel_status status =
        load(runner, from->attention_norm, KERNEL_USE_VECTOR, &to->attention_norm, error);
    if (status == KERNEL_OK) {
        status = load(runner, from->feed_norm, KERNEL_USE_VECTOR, &to->feed_norm, error);
    }
    if (status == KERNEL_OK) {
        status = load(runner, from->q_norm, KERNEL_USE_VECTOR, &to->q_norm, error);
    }
    if (status == KERNEL_OK) {
        status = load(runner, from->k_norm, KERNEL_USE_VECTOR, &to->k_norm, error);
    }
    for (enum kernel_part part = 0; part < KERNEL_PARTS && status == KERNEL_OK; part++) {
        status = load(runner, from->part[part], KERNEL_USE_MATRIX, &to->part[part], error);
        if (status == KERNEL_OK) {
            status = load(runner, from->bias[part], KERNEL_USE_VECTOR, &to->bias[part], error);
        }
    }
    return status;
}

static enum kernel_status load_weights(struct kernel_runner *runner, struct kernel_error *error)
{
    const struct kernel_model *model = runner->model;
    runner->layers = kernel_allocate(model->shape.layers, sizeof *runner->layers);
    enum kernel_status status =
        load(runner, model->embedding, KERNEL_USE_TABLE, &runner->embedding, error);
    if (status == KERNEL_OK) {
        status = load(runner, model->output_norm, KERNEL_USE_VECTOR, &runner->output_norm, error);
    }
    if (status == KERNEL_OK) {
        status = load(runner, model->output, KERNEL_USE_MATRIX, &runner->output, error);
    }
    for (uint32_t l = 0; l < model->shape.layers && status == KERNEL_OK; l++) {
        status = load_layer(runner, l, error);
    }
    return status;
}

static enum kernel_status allocate_buffers(struct kernel_runner *runner, struct kernel_error *error)
{
    enum { ALIGNED = 64 /* floats that a buffer begins at a multiple of */ };
    const struct kernel_shape *shape = runner->shape;
    size_t tokens = runner->step_tokens;
    size_t outputs = runner->outputs_max;
    size_t heads = (size_t)shape->heads * shape->head_width;
    size_t kv_heads = (size_t)shape->kv_heads * shape->head_width;
    const size_t floats[BUFFERS] = {
        [BUFFER_X] = tokens * shape->width,
        [BUFFER_DELTA] = tokens * shape->width,
        [BUFFER_NORMED] = tokens * shape->width,
        [BUFFER_Q] = tokens * heads,
        [BUFFER_K] = tokens * kv_heads,
        [BUFFER_V] = tokens * kv_heads,
        [BUFFER_ATTENDED] = tokens * heads,
        [BUFFER_GATE] = tokens * shape->feed,
        [BUFFER_UP] = tokens * shape->feed,
        [BUFFER_LAST] = outputs * shape->width,
        [BUFFER_LAST_DELTA] = outputs * shape->width,
        [BUFFER_HIDDEN] = outputs * shape->width,
        [BUFFER_LOGITS] = (size_t)runner->logits_max * shape->vocabulary,
    };
    size_t at[BUFFERS];
    size_t shared = 0; /* where what is needed in turn begins */
    size_t next = 0;
    size_t end = 0;
    for (int i = 0; i < BUFFERS; i++) {
        shared = i == BUFFER_Q ? next : shared;
        next = i == BUFFER_GATE || i == BUFFER_LAST ? shared : next;
        at[i] = next;
        next += (floats[i] + ALIGNED - 1) / ALIGNED * ALIGNED;
        end = next > end ? next : end;
    }
    runner->memory = runner->operations->allocate(runner->state, end);
    if (runner->memory == NULL) {
        return kernel_fail(error, KERNEL_LIMIT,
                           "no memory for steps of %" PRIu32 " tokens and %" PRIu32
                           " outputs: %zu bytes",
                           runner->step_tokens, runner->outputs_max, end * sizeof(float));
    }
    for (int i = 0; i < BUFFERS; i++) {
        runner->buffer[i] = runner->memory + at[i];
    }
    return KERNEL_OK;
}

static enum kernel_status prepare_cache(struct kernel_runner *runner, uint64_t cache_bytes,
                                        struct kernel_error *error)
{
    uint64_t block = runner->operations->block_bytes(runner->state, runner->shape);
    uint64_t blocks = cache_bytes / block;
    if (blocks == 0) {
        return kernel_fail(error, KERNEL_LIMIT,
                           "a cache of %" PRIu64 " bytes holds no block of %" PRIu64, cache_bytes,
                           block);
    }
    runner->blocks = (uint32_t)(blocks < INT32_MAX ? blocks : INT32_MAX);
    return runner->operations->prepare(runner->state, runner->shape, runner->blocks,
                                       runner->step_tokens, error);
}

enum kernel_status kernel_runner_create(const struct kernel_model *model,
                                        const struct kernel_runner_options *options,
                                        struct kernel_runner **out, struct kernel_error *error)
{
    KERNEL_ASSERT(options->step_tokens > 0 && options->outputs_max > 0);
    struct kernel_runner *runner = kernel_allocate(1, sizeof *runner);
    runner->model = model;
    runner->shape = &model->shape;
    runner->operations = options->operations;
    runner->pieces = options->pieces;
    runner->step_tokens = options->step_tokens;
    runner->outputs_max = options->outputs_max;
    bool some = runner->operations->host_memory && options->logits_max > 0 &&
                options->logits_max < options->outputs_max;
    runner->logits_max = some ? options->logits_max : options->outputs_max;
    enum kernel_status status = runner->operations->create(options->engine, &runner->state, error);
    if (status == KERNEL_OK) {
        status = load_weights(runner, error);
    }
    if (status == KERNEL_OK) {
        status = allocate_buffers(runner, error);
    }
    if (status == KERNEL_OK) {
        status = prepare_cache(runner, options->cache_bytes, error);
    }
    if (status != KERNEL_OK) {
        kernel_runner_destroy(runner);
        runner = NULL;
    }
    *out = runner;
    return status;
}

void kernel_runner_destroy(struct kernel_runner *runner)
{
    if (runner == NULL) {
        return;
    }
    for (uint32_t i = 0; i < runner->adapter_count; i++) {
        kernel_runner_adapter_drop(runner, (int32_t)i);
    }
    for (uint32_t l = 0; runner->layers != NULL && l < runner->shape->layers; l++) {
        struct runner_layer *layer = &runner->layers[l];
        unload(runner, layer->attention_norm);
        unload(runner, layer->feed_norm);
        unload(runner, layer->q_norm);
        unload(runner, layer->k_norm);
        for (enum kernel_part part = 0; part < KERNEL_PARTS; part++) {
            unload(runner, layer->part[part]);
            unload(runner, layer->bias[part]);
        }
    }
    unload(runner, runner->embedding);
    unload(runner, runner->output);
    unload(runner, runner->output_norm);
    if (runner->state != NULL) {
        runner->operations->release(runner->state, runner->memory);
        runner->operations->destroy(runner->state);
    }
    free(runner->layers);
    free(runner->low);
    free(runner);
}

uint32_t kernel_runner_blocks(const struct kernel_runner *runner)
{
    return runner->blocks;
}

const struct kernel_shape *kernel_runner_shape(const struct kernel_runner *runner)
{
    return runner->shape;
}

void kernel_runner_describe(struct kernel_runner *runner, char *out, size_t room)
{
    runner->operations->describe(runner->state, out, room);
}

uint64_t kernel_runner_memory(const struct kernel_runner *runner)
{
    return runner->operations->memory(runner->state);
}

/* ---- adapters ---- */

struct kernel_low_rank *runner_low(const struct kernel_runner *runner, uint32_t layer,
                                   enum kernel_part part)
{
    return runner->low + ((size_t)layer * KERNEL_PARTS + (size_t)part) * KERNEL_ADAPTERS_MAX;
}

static enum kernel_status load_adapter(struct kernel_runner *runner, uint32_t place,
                                       struct kernel_error *error)
{
    const struct kernel_adapter_file *adapter = &runner->adapters[place];
    for (uint32_t i = 0; i < adapter->count; i++) {
        const struct kernel_adapter_part *part = &adapter->parts[i];
        struct kernel_weight *a = NULL;
        struct kernel_weight *b = NULL;
        enum kernel_status status = load(runner, part->a, KERNEL_USE_MATRIX, &a, error);
        if (status == KERNEL_OK) {
            status = load(runner, part->b, KERNEL_USE_MATRIX, &b, error);
        }
        if (status != KERNEL_OK) {
            unload(runner, a);
            return status;
        }
        runner_low(runner, part->layer, part->part)[place] =
            (struct kernel_low_rank){a, b, part->rank, part->scale};
    }
    return KERNEL_OK;
}

enum kernel_status kernel_runner_adapter(struct kernel_runner *runner, const char *path,
                                         int32_t *index, struct kernel_error *error)
{
    uint32_t place = 0;
    while (place < KERNEL_ADAPTERS_MAX && runner->adapters[place].file != NULL) {
        place++;
    }
    if (place == KERNEL_ADAPTERS_MAX) {
        return kernel_fail(error, KERNEL_LIMIT, "%d adapters are loaded: unload one first",
                           KERNEL_ADAPTERS_MAX);
    }
    enum kernel_status status =
        kernel_adapter_file_open(path, runner->model, &runner->adapters[place], error);
    if (status != KERNEL_OK) {
        return status;
    }
    if (runner->low == NULL) {
        runner->low = kernel_allocate((size_t)runner->shape->layers * KERNEL_PARTS,
                                      KERNEL_ADAPTERS_MAX * sizeof *runner->low);
    }
    if (place == runner->adapter_count) {
        runner->adapter_count++;
    }
    status = load_adapter(runner, place, error);
    if (status != KERNEL_OK) {
        kernel_runner_adapter_drop(runner, (int32_t)place);
        return status;
    }
    *index = (int32_t)place;
    return KERNEL_OK;
}

void kernel_runner_adapter_drop(struct kernel_runner *runner, int32_t index)
{
    KERNEL_ASSERT(index >= 0 && (uint32_t)index < runner->adapter_count);
    struct kernel_adapter_file *adapter = &runner->adapters[index];
    for (uint32_t i = 0; i < adapter->count; i++) {
        const struct kernel_adapter_part *part = &adapter->parts[i];
        struct kernel_low_rank *low = &runner_low(runner, part->layer, part->part)[index];
        unload(runner, (struct kernel_weight *)(uintptr_t)low->a);
        unload(runner, (struct kernel_weight *)(uintptr_t)low->b);
        *low = (struct kernel_low_rank){0};
    }
    kernel_adapter_file_close(adapter);
}
