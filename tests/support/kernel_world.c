/* kernel_world.c -- see kernel_world.h. */
#include "tests/support/kernel_world.h"

#include "kernels/base/fail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(enum kernel_status status, const struct kernel_error *error)
{
    if (status != KERNEL_OK) {
        fprintf(stderr, "%s: %s\n", kernel_status_name(status), error->message);
        abort();
    }
}

struct kernel_model *kernel_world_model(const char *path_or_shape)
{
    struct kernel_error error;
    struct kernel_gguf *file = NULL;
    struct kernel_model *model = NULL;
    char shape[64];
    const char *slash = strchr(path_or_shape, '/');
    if (strstr(path_or_shape, ".gguf") != NULL) {
        must(kernel_gguf_open(path_or_shape, &file, &error), &error);
        must(kernel_model_bare(file, &model, &error), &error);
        return model;
    }
    void *image = NULL;
    size_t bytes = 0;
    KERNEL_ASSERT(slash != NULL);
    snprintf(shape, sizeof shape, "%.*s", (int)(slash - path_or_shape), path_or_shape);
    must(kernel_make_image(shape, slash + 1, 1, &image, &bytes, &error), &error);
    must(kernel_gguf_read(image, bytes, &file, &error), &error);
    must(kernel_model_bare(file, &model, &error), &error);
    model->image = image;
    model->image_bytes = bytes;
    return model;
}

void kernel_world_open(struct kernel_world *world, struct kernel_model *model,
                       const struct kernel_operations *operations,
                       const struct kernel_engine_options *engine)
{
    struct kernel_error error;
    struct kernel_runner_options options = {
        .operations = operations,
        .engine = engine,
        .cache_bytes = 8 << 20,
        .step_tokens = KERNEL_WORLD_STEP,
        .outputs_max = KERNEL_WORLD_STEP,
    };
    *world = (struct kernel_world){.model = model};
    must(kernel_runner_create(model, &options, &world->runner, &error), &error);
    world->shape = kernel_runner_shape(world->runner);
    world->blocks = kernel_runner_blocks(world->runner);
    world->free_blocks = kernel_allocate(world->blocks, sizeof *world->free_blocks);
    /* in an order that no sequence of blocks in a table repeats by chance */
    for (uint32_t i = 0; i < world->blocks; i++) {
        world->free_blocks[i] = (int32_t)i;
    }
    uint32_t random = 1;
    for (uint32_t i = world->blocks; i > 1; i--) {
        random = random * 1664525 + 1013904223;
        uint32_t j = (random >> 8) % i;
        int32_t kept = world->free_blocks[i - 1];
        world->free_blocks[i - 1] = world->free_blocks[j];
        world->free_blocks[j] = kept;
    }
    world->free_count = world->blocks;
}

void kernel_world_close(struct kernel_world *world)
{
    kernel_runner_destroy(world->runner);
    kernel_model_bare_close(world->model);
    free(world->free_blocks);
}

void kernel_line_open(const struct kernel_world *world, struct kernel_line *line,
                      const int32_t *tokens, uint32_t count, int32_t adapter)
{
    uint32_t blocks = (count + KERNEL_BLOCK_TOKENS - 1) / KERNEL_BLOCK_TOKENS;
    *line = (struct kernel_line){
        .tokens = tokens,
        .count = count,
        .adapter = adapter,
        .blocks = kernel_allocate(blocks, sizeof(int32_t)),
        .logits = kernel_allocate(count, world->shape->vocabulary * sizeof(float)),
        .hidden = kernel_allocate(count, world->shape->width * sizeof(float)),
    };
}

void kernel_line_close(struct kernel_world *world, struct kernel_line *line)
{
    while (line->block_count > 0) {
        world->free_blocks[world->free_count++] = line->blocks[--line->block_count];
    }
    free(line->blocks);
    free(line->logits);
    free(line->hidden);
}

struct arrays {
    int32_t token[KERNEL_WORLD_STEP], position[KERNEL_WORLD_STEP], output[KERNEL_WORLD_STEP];
    int32_t start[KERNEL_WORLD_LINES + 1], length[KERNEL_WORLD_LINES], adapter[KERNEL_WORLD_LINES];
    struct kernel_line *line[KERNEL_WORLD_LINES];
    struct kernel_line *output_line[KERNEL_WORLD_STEP];
    uint32_t output_at[KERNEL_WORLD_STEP];
};

static void add_line(struct kernel_world *world, struct arrays *arrays, struct kernel_batch *batch,
                     struct kernel_line *line, uint32_t take, bool outputs)
{
    uint32_t end = line->done + take;
    KERNEL_ASSERT(end <= line->count && batch->tokens + take <= KERNEL_WORLD_STEP);
    while (line->block_count * KERNEL_BLOCK_TOKENS < end) {
        KERNEL_ASSERT(world->free_count > 0);
        line->blocks[line->block_count++] = world->free_blocks[--world->free_count];
    }
    arrays->line[batch->sequences] = line;
    arrays->length[batch->sequences] = (int32_t)end;
    arrays->adapter[batch->sequences] = line->adapter;
    for (uint32_t i = line->done; i < end; i++) {
        arrays->token[batch->tokens] = line->tokens[i];
        arrays->position[batch->tokens] = (int32_t)i;
        if (outputs || i + 1 == line->count) {
            arrays->output_line[batch->outputs] = line;
            arrays->output_at[batch->outputs] = i;
            arrays->output[batch->outputs++] = (int32_t)batch->tokens;
        }
        batch->tokens++;
    }
    line->done = end;
    arrays->start[++batch->sequences] = (int32_t)batch->tokens;
    if (line->block_count > batch->blocks_max) {
        batch->blocks_max = line->block_count;
    }
}

static void keep_outputs(const struct kernel_world *world, const struct arrays *arrays,
                         const struct kernel_batch *batch, const float *logits, const float *hidden)
{
    size_t vocabulary = world->shape->vocabulary;
    size_t width = world->shape->width;
    for (uint32_t i = 0; i < batch->outputs; i++) {
        struct kernel_line *line = arrays->output_line[i];
        memcpy(line->logits + arrays->output_at[i] * vocabulary, logits + i * vocabulary,
               vocabulary * sizeof(float));
        memcpy(line->hidden + arrays->output_at[i] * width, hidden + i * width,
               width * sizeof(float));
    }
}

void kernel_world_step(struct kernel_world *world, struct kernel_line *const *lines,
                       const uint32_t *take, uint32_t count, bool outputs)
{
    struct kernel_error error;
    struct arrays *arrays = kernel_allocate(1, sizeof *arrays);
    struct kernel_batch batch = {
        .token = arrays->token,
        .position = arrays->position,
        .start = arrays->start,
        .length = arrays->length,
        .adapter = arrays->adapter,
        .output = arrays->output,
    };
    KERNEL_ASSERT(count <= KERNEL_WORLD_LINES);
    for (uint32_t i = 0; i < count; i++) {
        if (take[i] > 0) {
            add_line(world, arrays, &batch, lines[i], take[i], outputs);
        }
    }
    int32_t *table = kernel_allocate((size_t)batch.sequences * batch.blocks_max, sizeof *table);
    for (uint32_t s = 0; s < batch.sequences; s++) {
        for (uint32_t b = 0; b < batch.blocks_max; b++) {
            table[s * batch.blocks_max + b] =
                b < arrays->line[s]->block_count ? arrays->line[s]->blocks[b] : -1;
        }
    }
    batch.block = table;
    float *logits = kernel_allocate(batch.outputs, world->shape->vocabulary * sizeof(float));
    float *hidden = kernel_allocate(batch.outputs, world->shape->width * sizeof(float));
    must(kernel_runner_step(world->runner, &batch, logits, hidden, &error), &error);
    keep_outputs(world, arrays, &batch, logits, hidden);
    free(logits);
    free(hidden);
    free(table);
    free(arrays);
}

void kernel_world_all(struct kernel_world *world, struct kernel_line *line, uint32_t chunk)
{
    while (line->done < line->count) {
        uint32_t left = line->count - line->done;
        uint32_t take = left < chunk ? left : chunk;
        kernel_world_step(world, &line, &take, 1, true);
    }
}
