/* adapter.c -- see adapter.h. */
#include "kernels/model/adapter.h"

#include "kernels/base/fail.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool text_is(struct kernel_text text, const char *word)
{
    return text.length == strlen(word) && memcmp(text.bytes, word, text.length) == 0;
}

static enum kernel_status check_kind(const struct kernel_gguf *file,
                                     const struct kernel_model *model, float *alpha,
                                     struct kernel_error *error)
{
    struct kernel_text text = {"", 0};
    if (!kernel_gguf_text(file, "general.type", &text) || !text_is(text, "adapter")) {
        return kernel_fail(error, KERNEL_UNSUPPORTED, "key general.type: not an adapter");
    }
    text = (struct kernel_text){"", 0};
    if (!kernel_gguf_text(file, "adapter.type", &text) || !text_is(text, "lora")) {
        return kernel_fail(error, KERNEL_UNSUPPORTED,
                           "key adapter.type: \"%.*s\" is not known; known: lora",
                           (int)(text.length < 40 ? text.length : 40), text.bytes);
    }
    text = (struct kernel_text){"", 0};
    if (!kernel_gguf_text(file, "general.architecture", &text) ||
        !text_is(text, model->arch->name)) {
        return kernel_fail(error, KERNEL_INVALID,
                           "key general.architecture: the adapter is for \"%.*s\", the model is %s",
                           (int)(text.length < 40 ? text.length : 40), text.bytes,
                           model->arch->name);
    }
    if (!kernel_gguf_f32(file, "adapter.lora.alpha", alpha) || !isfinite(*alpha)) {
        return kernel_fail(error, KERNEL_CORRUPT, "key adapter.lora.alpha is no number");
    }
    return KERNEL_OK;
}

/* "blk.3.attn_q.weight.lora_a": which product; false: none that can be adapted. */
static bool parse_name(const char *name, const struct kernel_shape *shape, uint32_t *layer,
                       enum kernel_part *part, char *side)
{
    char *end = NULL;
    if (strncmp(name, "blk.", 4) != 0 || name[4] < '0' || name[4] > '9') {
        return false;
    }
    unsigned long index = strtoul(name + 4, &end, 10);
    if (index >= shape->layers || *end != '.') {
        return false;
    }
    for (enum kernel_part p = 0; p < KERNEL_PARTS; p++) {
        size_t length = strlen(kernel_part_names[p]);
        if (strncmp(end + 1, kernel_part_names[p], length) == 0 &&
            strncmp(end + 1 + length, ".weight.lora_", 13) == 0) {
            *side = end[14 + length];
            *layer = (uint32_t)index;
            *part = p;
            return (*side == 'a' || *side == 'b') && end[15 + length] == '\0';
        }
    }
    return false;
}

static enum kernel_status add_part(struct kernel_adapter_file *adapter,
                                   const struct kernel_shape *shape, const struct kernel_tensor *a,
                                   uint32_t layer, enum kernel_part part, float alpha,
                                   struct kernel_error *error)
{
    char other[KERNEL_GGUF_NAME_MAX + 1];
    snprintf(other, sizeof other, "%s", a->name);
    other[strlen(other) - 1] = 'b';
    const struct kernel_tensor *b = kernel_gguf_tensor(adapter->file, other);
    uint32_t rows = kernel_part_rows(shape, part);
    uint32_t columns = kernel_part_columns(shape, part);
    if (b == NULL) {
        return kernel_fail(error, KERNEL_CORRUPT, "tensor %s is missing", other);
    }
    if (a->columns != columns || b->rows != rows || a->rows != b->columns ||
        a->rows > KERNEL_RANK_MAX) {
        return kernel_fail(
            error, KERNEL_INVALID,
            "tensor %s is %" PRIu32 " x %" PRIu32 " and its lora_b %" PRIu32 " x %" PRIu32
            "; the model needs %" PRIu32 " x rank and rank x %" PRIu32 ", rank at most %d",
            a->name, a->columns, a->rows, b->columns, b->rows, columns, rows, KERNEL_RANK_MAX);
    }
    adapter->parts[adapter->count++] = (struct kernel_adapter_part){
        .layer = layer,
        .part = part,
        .a = a,
        .b = b,
        .rank = a->rows,
        .scale = alpha == 0 ? 1 : alpha / (float)a->rows, /* alpha 0: not scaled, as others do */
    };
    return KERNEL_OK;
}

static enum kernel_status read_parts(struct kernel_adapter_file *adapter,
                                     const struct kernel_model *model, struct kernel_error *error)
{
    uint64_t count = kernel_gguf_tensor_count(adapter->file);
    uint64_t halves = 0;
    float alpha = 0;
    enum kernel_status status = check_kind(adapter->file, model, &alpha, error);
    if (status != KERNEL_OK) {
        return status;
    }
    adapter->parts = kernel_allocate(count, sizeof *adapter->parts);
    for (uint64_t i = 0; i < count; i++) {
        const struct kernel_tensor *tensor = kernel_gguf_tensor_at(adapter->file, i);
        uint32_t layer = 0;
        enum kernel_part part = KERNEL_PART_Q;
        char side = 0;
        if (!parse_name(tensor->name, &model->shape, &layer, &part, &side)) {
            return kernel_fail(error, KERNEL_UNSUPPORTED,
                               "tensor %s adapts nothing that this model's adapters may adapt",
                               tensor->name);
        }
        if (side == 'b') {
            halves++;
            continue;
        }
        status = add_part(adapter, &model->shape, tensor, layer, part, alpha, error);
        if (status != KERNEL_OK) {
            return status;
        }
    }
    if (halves != adapter->count || halves == 0) {
        return kernel_fail(error, KERNEL_CORRUPT,
                           "%" PRIu32 " tensors .lora_a, but %" PRIu64 " .lora_b", adapter->count,
                           halves);
    }
    return KERNEL_OK;
}

enum kernel_status kernel_adapter_file_open(const char *path, const struct kernel_model *model,
                                            struct kernel_adapter_file *out,
                                            struct kernel_error *error)
{
    *out = (struct kernel_adapter_file){0};
    enum kernel_status status = kernel_gguf_open(path, &out->file, error);
    if (status == KERNEL_OK) {
        status = read_parts(out, model, error);
    }
    if (status != KERNEL_OK) {
        kernel_adapter_file_close(out);
    }
    return status;
}

void kernel_adapter_file_close(struct kernel_adapter_file *adapter)
{
    kernel_gguf_close(adapter->file);
    free(adapter->parts);
    *adapter = (struct kernel_adapter_file){0};
}
