/* bind.c -- the tensors of a model by name, each with the shape that its place asks for. */
#include "kernels/model/model.h"

#include "kernels/base/fail.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

const char *const kernel_part_names[KERNEL_PARTS] = {
    "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down",
};

uint32_t kernel_part_rows(const struct kernel_shape *shape, enum kernel_part part)
{
    switch (part) {
    case KERNEL_PART_Q: return shape->heads * shape->head_width;
    case KERNEL_PART_K:
    case KERNEL_PART_V: return shape->kv_heads * shape->head_width;
    case KERNEL_PART_GATE:
    case KERNEL_PART_UP: return shape->feed;
    default: return shape->width;
    }
}

uint32_t kernel_part_columns(const struct kernel_shape *shape, enum kernel_part part)
{
    switch (part) {
    case KERNEL_PART_OUT: return shape->heads * shape->head_width;
    case KERNEL_PART_DOWN: return shape->feed;
    default: return shape->width;
    }
}

struct binder {
    struct kernel_model *model;
    struct kernel_error *error;
    enum kernel_status status; /* the first failure; later lookups do nothing */
    uint64_t used;
};

/* rows 0: as many as there are.  vector: F32, so that backends need no second form of it. */
static const struct kernel_tensor *find(struct binder *binder, const char *name, uint32_t rows,
                                        uint32_t columns, bool vector, bool needed)
{
    const struct kernel_tensor *tensor = kernel_gguf_tensor(binder->model->file, name);
    if (binder->status != KERNEL_OK) {
        return NULL;
    }
    if (tensor == NULL) {
        if (needed) {
            binder->status =
                kernel_fail(binder->error, KERNEL_CORRUPT, "tensor %s is missing", name);
        }
        return NULL;
    }
    binder->used++;
    if (tensor->columns != columns || (rows != 0 && tensor->rows != rows) ||
        tensor->dimension[2] != 1 || tensor->dimension[3] != 1) {
        binder->status = kernel_fail(
            binder->error, KERNEL_CORRUPT,
            "tensor %s is %" PRIu32 " x %" PRIu32 ", not %" PRIu32 " x %" PRIu32 " as the keys say",
            name, tensor->columns, tensor->rows, columns, rows != 0 ? rows : tensor->rows);
    } else if (vector && tensor->type != KERNEL_F32) {
        binder->status = kernel_fail(binder->error, KERNEL_UNSUPPORTED,
                                     "tensor %s is %s; norms and biases are F32", name,
                                     kernel_type_facts(tensor->type)->name);
    }
    return tensor;
}

static const struct kernel_tensor *find_vector(struct binder *binder, uint32_t layer,
                                               const char *name, uint32_t columns, bool needed)
{
    char full[KERNEL_GGUF_NAME_MAX];
    snprintf(full, sizeof full, "blk.%" PRIu32 ".%s", layer, name);
    return find(binder, full, 1, columns, true, needed);
}

static void bind_layer(struct binder *binder, uint32_t index)
{
    const struct kernel_arch *arch = binder->model->arch;
    const struct kernel_shape *shape = &binder->model->shape;
    struct kernel_layer *layer = &binder->model->layers[index];
    layer->attention_norm = find_vector(binder, index, "attn_norm.weight", shape->width, true);
    layer->feed_norm = find_vector(binder, index, "ffn_norm.weight", shape->width, true);
    for (enum kernel_part part = 0; part < KERNEL_PARTS; part++) {
        char name[KERNEL_GGUF_NAME_MAX];
        uint32_t rows = kernel_part_rows(shape, part);
        snprintf(name, sizeof name, "blk.%" PRIu32 ".%s.weight", index, kernel_part_names[part]);
        layer->part[part] = find(binder, name, rows, kernel_part_columns(shape, part), false, true);
        if (part <= KERNEL_PART_V) {
            snprintf(name, sizeof name, "%s.bias", kernel_part_names[part]);
            layer->bias[part] = find_vector(binder, index, name, rows, arch->biases_needed);
        }
    }
    if (arch->head_norms) {
        layer->q_norm = find_vector(binder, index, "attn_q_norm.weight", shape->head_width, true);
        layer->k_norm = find_vector(binder, index, "attn_k_norm.weight", shape->head_width, true);
    }
}

static bool is_bound(const struct kernel_model *model, const struct kernel_tensor *tensor)
{
    if (tensor == model->embedding || tensor == model->output || tensor == model->output_norm ||
        strcmp(tensor->name, "rope_freqs.weight") == 0) {
        return true;
    }
    for (uint32_t l = 0; l < model->shape.layers; l++) {
        const struct kernel_layer *layer = &model->layers[l];
        if (tensor == layer->attention_norm || tensor == layer->feed_norm ||
            tensor == layer->q_norm || tensor == layer->k_norm) {
            return true;
        }
        for (enum kernel_part part = 0; part < KERNEL_PARTS; part++) {
            if (tensor == layer->part[part] || tensor == layer->bias[part]) {
                return true;
            }
        }
    }
    return false;
}

/* A tensor that nobody uses is a rule of the model that is not known here. */
static void refuse_strangers(struct binder *binder)
{
    const struct kernel_gguf *file = binder->model->file;
    uint64_t count = kernel_gguf_tensor_count(file);
    if (kernel_gguf_tensor(file, "rope_freqs.weight") != NULL) {
        binder->used++;
    }
    for (uint64_t i = 0; binder->status == KERNEL_OK && binder->used != count && i < count; i++) {
        const struct kernel_tensor *tensor = kernel_gguf_tensor_at(file, i);
        if (!is_bound(binder->model, tensor)) {
            binder->status = kernel_fail(binder->error, KERNEL_UNSUPPORTED,
                                         "tensor %s is not one that %s models are known to have",
                                         tensor->name, binder->model->arch->name);
        }
    }
}

enum kernel_status kernel_bind(struct kernel_model *model, struct kernel_error *error)
{
    struct binder binder = {.model = model, .error = error};
    struct kernel_shape *shape = &model->shape;
    uint64_t tokens = 0;
    if (kernel_gguf_tensor_count(model->file) < shape->layers) {
        return kernel_fail(error, KERNEL_CORRUPT,
                           "key %s.block_count: %" PRIu32 " layers, but only %" PRIu64 " tensors",
                           model->arch->name, shape->layers, kernel_gguf_tensor_count(model->file));
    }
    model->layers = kernel_allocate(shape->layers, sizeof *model->layers);
    model->embedding = find(&binder, "token_embd.weight", 0, shape->width, false, true);
    shape->vocabulary = model->embedding != NULL ? model->embedding->rows : 0;
    model->output_norm = find(&binder, "output_norm.weight", 1, shape->width, true, true);
    model->output = find(&binder, "output.weight", shape->vocabulary, shape->width, false, false);
    if (model->output == NULL) {
        model->output = model->embedding;
    }
    for (uint32_t l = 0; l < shape->layers && binder.status == KERNEL_OK; l++) {
        bind_layer(&binder, l);
    }
    refuse_strangers(&binder);
    if (binder.status == KERNEL_OK &&
        kernel_gguf_array(model->file, "tokenizer.ggml.tokens", &tokens) &&
        tokens != shape->vocabulary) {
        binder.status = kernel_fail(error, KERNEL_CORRUPT,
                                    "tokenizer.ggml.tokens has %" PRIu64
                                    " entries, token_embd.weight %" PRIu32 " rows",
                                    tokens, shape->vocabulary);
    }
    return binder.status;
}

enum kernel_status kernel_model_bare(struct kernel_gguf *file, struct kernel_model **out,
                                     struct kernel_error *error)
{
    struct kernel_model *model = kernel_allocate(1, sizeof *model);
    model->file = file;
    enum kernel_status status = kernel_arch_read(model, error);
    if (status == KERNEL_OK) {
        status = kernel_bind(model, error);
    }
    if (status != KERNEL_OK) {
        kernel_model_bare_close(model);
        model = NULL;
    }
    *out = model;
    return status;
}

void kernel_model_bare_close(struct kernel_model *model)
{
    if (model == NULL) {
        return;
    }
    kernel_gguf_close(model->file);
    if (model->image != NULL) {
        munmap(model->image, model->image_bytes);
    }
    free((float *)(uintptr_t)model->shape.rope_factors);
    free(model->layers);
    free(model);
}
