/* arch.c -- which architecture a file holds, and its numbers.
 *
 * What a file says about its arithmetic is either understood here or refused by name: a model that
 * is run with a rule left out answers, but wrongly.
 */
#include "kernels/model/model.h"

#include "kernels/base/fail.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bounds that hold for every model of these families, with room; they keep sums of products of
 * sizes far from overflow. */
enum {
    WIDTH_MAX = 1 << 16,
    LAYERS_MAX = 1024,
    HEADS_MAX = 1024,
    FEED_MAX = 1 << 20,
    CONTEXT_MAX = 1 << 24
};

static const struct kernel_arch architectures[] = {
    {.name = "llama"},
    {.name = "qwen2", .rope_halves = true, .biases_needed = true},
    {.name = "qwen3", .rope_halves = true, .head_norms = true},
};

/* What a file may say of its architecture: read here or in model.c, or without any meaning for the
 * arithmetic.  Every other key is refused, as is a tensor that nothing reads. */
static const char *const known[] = {
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.layer_norm_epsilon", /* of another kind of norm: these three have the one of squares
                                     */
    "attention.layer_norm_rms_epsilon",
    "attention.sliding_window",
    "attention.value_length",
    "block_count",
    "context_length",
    "embedding_length",
    "feed_forward_length",
    "pooling_type",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.scale_linear",
    "rope.scaling.factor",
    "rope.scaling.finetuned", /* how the model was made */
    "rope.scaling.original_context_length",
    "rope.scaling.type",
    "tensor_data_layout", /* how the tensors were ordered before they were put here */
    "vocab_size",
};

/* Keys that change the arithmetic in a way that is not known here, unless they say this. */
static const struct {
    const char *key;
    float neutral;
} unknown_arithmetic[] = {
    {"expert_count", 0},
    {"expert_used_count", 0},
    {"expert_shared_count", 0},
    {"leading_dense_block_count", 0},
    {"nextn_predict_layers", 0},
    {"attention.causal", 1},
    {"attention.max_alibi_bias", 0},
    {"attention.clamp_kqv", 0},
    {"attention.scale", 0},
    {"attn_logit_softcapping", 0},
    {"final_logit_softcapping", 0},
    {"logit_scale", 1},
    {"residual_scale", 1},
    {"embedding_scale", 1},
    {"rope.scaling.attn_factor", 1},
    {"use_parallel_residual", 0},
};

struct reader {
    const struct kernel_gguf *file;
    const char *arch;
    struct kernel_error *error;
    enum kernel_status status; /* the first failure; later reads do nothing */
    char key[96];
};

static const char *key_of(struct reader *reader, const char *suffix)
{
    snprintf(reader->key, sizeof reader->key, "%s.%s", reader->arch, suffix);
    return reader->key;
}

/* An integer from 1 to `most`; absent: `fallback`, which 0 makes an error. */
static uint32_t read_size(struct reader *reader, const char *suffix, uint32_t most,
                          uint32_t fallback)
{
    const char *key = key_of(reader, suffix);
    uint32_t value = fallback;
    if (reader->status != KERNEL_OK) {
        return 1;
    }
    if (!kernel_gguf_has(reader->file, key)) {
        if (fallback == 0) {
            reader->status = kernel_fail(reader->error, KERNEL_CORRUPT, "key %s is missing", key);
        }
        return fallback;
    }
    if (!kernel_gguf_u32(reader->file, key, &value) || value < 1 || value > most) {
        reader->status = kernel_fail(reader->error, KERNEL_CORRUPT,
                                     "key %s is no integer from 1 to %" PRIu32, key, most);
        return 1;
    }
    return value;
}

static float read_number(struct reader *reader, const char *suffix, float least, float most,
                         float fallback)
{
    const char *key = key_of(reader, suffix);
    float value = fallback;
    if (reader->status != KERNEL_OK || !kernel_gguf_has(reader->file, key)) {
        if (reader->status == KERNEL_OK && isnan(fallback)) {
            reader->status = kernel_fail(reader->error, KERNEL_CORRUPT, "key %s is missing", key);
        }
        return fallback;
    }
    if (!kernel_gguf_f32(reader->file, key, &value) || !(value >= least && value <= most)) {
        reader->status =
            kernel_fail(reader->error, KERNEL_CORRUPT, "key %s is no number from %g to %g", key,
                        (double)least, (double)most);
        return fallback;
    }
    return value;
}

static void refuse_unknown_arithmetic(struct reader *reader)
{
    for (size_t i = 0; i < sizeof unknown_arithmetic / sizeof unknown_arithmetic[0]; i++) {
        const char *key = key_of(reader, unknown_arithmetic[i].key);
        float value = 0;
        uint32_t whole = 0;
        bool flag = false;
        if (reader->status != KERNEL_OK || !kernel_gguf_has(reader->file, key)) {
            continue;
        }
        if (kernel_gguf_u32(reader->file, key, &whole)) {
            value = (float)whole;
        } else if (kernel_gguf_bool(reader->file, key, &flag)) {
            value = flag ? 1 : 0;
        } else if (!kernel_gguf_f32(reader->file, key, &value)) {
            value = NAN;
        }
        if (value != unknown_arithmetic[i].neutral) {
            reader->status = kernel_fail(reader->error, KERNEL_UNSUPPORTED,
                                         "key %s asks for arithmetic that is not known here", key);
        }
    }
}

static bool is_known(const char *suffix)
{
    bool found = false;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        found = found || strcmp(suffix, known[i]) == 0;
    }
    for (size_t i = 0; i < sizeof unknown_arithmetic / sizeof unknown_arithmetic[0]; i++) {
        found = found || strcmp(suffix, unknown_arithmetic[i].key) == 0;
    }
    return found;
}

static void refuse_unknown_key(void *data, const char *key, const char *type, const char *shown)
{
    struct reader *reader = data;
    size_t length = strlen(reader->arch);
    (void)type;
    (void)shown;
    if (reader->status == KERNEL_OK && strncmp(key, reader->arch, length) == 0 &&
        key[length] == '.' && !is_known(key + length + 1)) {
        reader->status = kernel_fail(reader->error, KERNEL_UNSUPPORTED,
                                     "key %s is not known here: it may change the arithmetic", key);
    }
}

/* Vectors are means here (1); 0 leaves it to whoever runs the file. */
static void refuse_other_pooling(struct reader *reader)
{
    const char *key = key_of(reader, "pooling_type");
    uint32_t type = 0;
    if (reader->status == KERNEL_OK && kernel_gguf_has(reader->file, key) &&
        (!kernel_gguf_u32(reader->file, key, &type) || type > 1)) {
        reader->status =
            kernel_fail(reader->error, KERNEL_UNSUPPORTED,
                        "key %s: %" PRIu32 " is not known; known: 0 (none), 1 (mean)", key, type);
    }
}

/* Positions divided by a factor ("linear", and that where a factor stands alone): the same as
 * frequencies divided by it. */
static float read_scaling(struct reader *reader)
{
    struct kernel_text type = {"", 0};
    float factor =
        read_number(reader, "rope.scale_linear", 1, 1024, 1); /* as it was written once */
    factor = read_number(reader, "rope.scaling.factor", 1, 1024, factor);
    const char *key = key_of(reader, "rope.scaling.type");
    if (reader->status != KERNEL_OK || !kernel_gguf_has(reader->file, key)) {
        return factor;
    }
    if (!kernel_gguf_text(reader->file, key, &type)) {
        reader->status = kernel_fail(reader->error, KERNEL_CORRUPT, "key %s is no text", key);
    } else if (type.length == 6 && memcmp(type.bytes, "linear", 6) == 0) {
        return read_number(reader, "rope.scaling.factor", 1, 1024, NAN);
    } else if (type.length == 4 && memcmp(type.bytes, "none", 4) == 0) {
        return 1;
    } else {
        reader->status = kernel_fail(reader->error, KERNEL_UNSUPPORTED,
                                     "key %s: \"%.*s\" is not known; known: none, linear", key,
                                     (int)(type.length < 40 ? type.length : 40), type.bytes);
    }
    return factor;
}

/* rope_freqs.weight divides the frequencies one by one (Llama 3.1 and its children). */
static void read_factors(struct reader *reader, struct kernel_shape *shape, float scaling)
{
    const struct kernel_tensor *tensor = kernel_gguf_tensor(reader->file, "rope_freqs.weight");
    uint32_t half = shape->rope_width / 2;
    if (reader->status != KERNEL_OK || (tensor == NULL && scaling == 1)) {
        return;
    }
    if (tensor != NULL &&
        (tensor->type != KERNEL_F32 || tensor->columns != half || tensor->rows != 1)) {
        reader->status = kernel_fail(reader->error, KERNEL_CORRUPT,
                                     "tensor rope_freqs.weight is not F32 of %" PRIu32
                                     " (half of rope.dimension_count)",
                                     half);
        return;
    }
    float *factors = kernel_allocate(half, sizeof *factors);
    shape->rope_factors = factors;
    for (uint32_t i = 0; i < half; i++) {
        float factor = 1;
        if (tensor != NULL) {
            memcpy(&factor, (const char *)tensor->data + i * sizeof factor, sizeof factor);
        }
        factors[i] = factor * scaling;
        if (!(factors[i] >= 0x1p-20F && factors[i] <= 0x1p20F)) {
            reader->status =
                kernel_fail(reader->error, KERNEL_CORRUPT,
                            "tensor rope_freqs.weight: element %" PRIu32 " is %g, no factor", i,
                            (double)factor);
            return;
        }
    }
}

static void check_shape(struct reader *reader, const struct kernel_shape *shape)
{
    if (reader->status != KERNEL_OK) {
        return;
    }
    if (shape->heads % shape->kv_heads != 0) {
        reader->status = kernel_fail(reader->error, KERNEL_CORRUPT,
                                     "%s.attention.head_count %" PRIu32
                                     " is no multiple of head_count_kv %" PRIu32,
                                     reader->arch, shape->heads, shape->kv_heads);
    } else if (shape->rope_width % 2 != 0 || shape->rope_width > shape->head_width) {
        reader->status =
            kernel_fail(reader->error, KERNEL_CORRUPT,
                        "%s.rope.dimension_count %" PRIu32 " is odd or over the head's %" PRIu32,
                        reader->arch, shape->rope_width, shape->head_width);
    }
}

static void read_heads(struct reader *reader, struct kernel_shape *shape)
{
    shape->heads = read_size(reader, "attention.head_count", HEADS_MAX, 0);
    shape->kv_heads = read_size(reader, "attention.head_count_kv", HEADS_MAX, shape->heads);
    uint32_t even = shape->heads > 0 ? shape->width / shape->heads : 0;
    shape->head_width = read_size(reader, "attention.key_length", KERNEL_HEAD_WIDTH_MAX, even);
    uint32_t value_width =
        read_size(reader, "attention.value_length", KERNEL_HEAD_WIDTH_MAX, shape->head_width);
    shape->rope_width =
        read_size(reader, "rope.dimension_count", KERNEL_HEAD_WIDTH_MAX, shape->head_width);
    if (reader->status != KERNEL_OK) {
        return;
    }
    if (value_width != shape->head_width) {
        reader->status =
            kernel_fail(reader->error, KERNEL_UNSUPPORTED,
                        "%s.attention.value_length %" PRIu32 " differs from key_length %" PRIu32,
                        reader->arch, value_width, shape->head_width);
    } else if (shape->head_width == even && even * shape->heads != shape->width &&
               !kernel_gguf_has(reader->file, key_of(reader, "attention.key_length"))) {
        reader->status = kernel_fail(reader->error, KERNEL_CORRUPT,
                                     "%s.embedding_length %" PRIu32
                                     " is no multiple of attention.head_count %" PRIu32,
                                     reader->arch, shape->width, shape->heads);
    }
}

static void read_shape(struct reader *reader, struct kernel_shape *shape)
{
    shape->width = read_size(reader, "embedding_length", WIDTH_MAX, 0);
    shape->layers = read_size(reader, "block_count", LAYERS_MAX, 0);
    shape->feed = read_size(reader, "feed_forward_length", FEED_MAX, 0);
    shape->context = read_size(reader, "context_length", CONTEXT_MAX, 0);
    read_heads(reader, shape);
    shape->norm_epsilon = read_number(reader, "attention.layer_norm_rms_epsilon", 0, 1, NAN);
    shape->rope_base = read_number(reader, "rope.freq_base", 1, 1e12F, 10000);
    uint32_t window = read_size(reader, "attention.sliding_window", UINT32_MAX, UINT32_MAX);
    if (reader->status == KERNEL_OK && window < shape->context) {
        reader->status = kernel_fail(reader->error, KERNEL_UNSUPPORTED,
                                     "key %s.attention.sliding_window: windows are not known here",
                                     reader->arch);
    }
    refuse_unknown_arithmetic(reader);
    kernel_gguf_keys(reader->file, refuse_unknown_key, reader);
    refuse_other_pooling(reader);
    float scaling = read_scaling(reader);
    check_shape(reader, shape);
    read_factors(reader, shape, scaling);
    shape->attention_scale = (float)(1 / sqrt((double)shape->head_width));
}

enum kernel_status kernel_arch_read(struct kernel_model *model, struct kernel_error *error)
{
    struct kernel_text name = {"", 0};
    struct kernel_text type = {"model", 5};
    if (!kernel_gguf_text(model->file, "general.architecture", &name)) {
        return kernel_fail(error, KERNEL_CORRUPT, "key general.architecture is missing");
    }
    kernel_gguf_text(model->file, "general.type", &type);
    if (type.length != 5 || memcmp(type.bytes, "model", 5) != 0) {
        return kernel_fail(error, KERNEL_UNSUPPORTED, "key general.type: \"%.*s\" is no model%s",
                           (int)(type.length < 40 ? type.length : 40), type.bytes,
                           type.length == 7 && memcmp(type.bytes, "adapter", 7) == 0
                               ? "; an adapter is loaded on top of one"
                               : "");
    }
    for (size_t i = 0; i < sizeof architectures / sizeof architectures[0]; i++) {
        if (name.length == strlen(architectures[i].name) &&
            memcmp(name.bytes, architectures[i].name, name.length) == 0) {
            model->arch = &architectures[i];
        }
    }
    if (model->arch == NULL) {
        return kernel_fail(error, KERNEL_UNSUPPORTED,
                           "key general.architecture: \"%.*s\" is not known; known: llama, qwen2, "
                           "qwen3",
                           (int)(name.length < 40 ? name.length : 40), name.bytes);
    }
    struct reader reader = {.file = model->file, .arch = model->arch->name, .error = error};
    model->shape.rope_halves = model->arch->rope_halves;
    read_shape(&reader, &model->shape);
    return reader.status;
}
