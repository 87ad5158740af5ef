/* make.c -- a model of a known shape with random weights, as the bytes of a GGUF file.
 *
 * For measurements and tests where there are no weights: the file is complete (keys, vocabulary,
 * tensors), so that all that reads models reads it too.  The same shape, type and seed give the
 * same bytes.
 */
#include "kernels/model/make.h"

#include "kernels/base/fail.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

struct made_shape {
    const char *name, *arch;
    uint32_t layers, width, heads, kv_heads, head_width, feed, vocabulary, context;
    float rope_base, epsilon;
    bool tied;
    float rope_factor; /* of Llama 3's stretching; 0: none */
};

/* Published configurations of the models that they are named after; tiny ones for tests, nano as
 * shipped (design: 14 million and 5 million weights). */
static const struct made_shape shapes[] = {
    {"tiny-llama", "llama", 2, 256, 8, 4, 32, 512, 512, 2048, 1e4F, 1e-5F, false, 0},
    {"tiny-llama3", "llama", 2, 256, 8, 4, 32, 512, 512, 2048, 5e5F, 1e-5F, true, 8},
    {"tiny-qwen2", "qwen2", 2, 256, 8, 2, 32, 512, 512, 2048, 1e6F, 1e-6F, true, 0},
    {"tiny-qwen3", "qwen3", 2, 256, 4, 2, 64, 512, 512, 2048, 1e6F, 1e-6F, true, 0},
    {"nano", "llama", 8, 384, 6, 2, 64, 1024, 4096, 1024, 1e4F, 1e-5F, true, 0},
    {"nano-small", "llama", 6, 256, 4, 2, 64, 768, 2048, 1024, 1e4F, 1e-5F, true, 0},
    {"b125m", "llama", 12, 768, 12, 4, 64, 2048, 32000, 2048, 1e4F, 1e-5F, false, 0},
    {"qwen2.5-0.5b", "qwen2", 24, 896, 14, 2, 64, 4864, 151936, 32768, 1e6F, 1e-6F, true, 0},
    {"llama-3.2-1b", "llama", 16, 2048, 32, 8, 64, 8192, 128256, 131072, 5e5F, 1e-5F, true, 32},
    {"qwen3-4b", "qwen3", 36, 2560, 32, 8, 128, 9728, 151936, 40960, 1e6F, 1e-6F, true, 0},
    {"qwen2.5-7b", "qwen2", 28, 3584, 28, 4, 128, 18944, 152064, 32768, 1e6F, 1e-6F, false, 0},
    {"llama-3.1-8b", "llama", 32, 4096, 32, 8, 128, 14336, 128256, 131072, 5e5F, 1e-5F, false, 8},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0], ALIGNMENT = 64 };

const char *kernel_shape_name(uint32_t i)
{
    return i < SHAPES ? shapes[i].name : NULL;
}

/* ---- bytes ---- */

void make_put(struct make_sink *sink, const void *bytes, size_t length)
{
    if (sink->room - sink->length < length) {
        sink->room = (sink->room + length) * 2;
        sink->at = kernel_resize(sink->at, sink->room, 1);
    }
    memcpy(sink->at + sink->length, bytes, length);
    sink->length += length;
}

static void put_u32(struct make_sink *sink, uint32_t value)
{
    make_put(sink, &value, sizeof value);
}

static void put_u64(struct make_sink *sink, uint64_t value)
{
    make_put(sink, &value, sizeof value);
}

void make_put_text(struct make_sink *sink, const char *bytes, size_t length)
{
    put_u64(sink, length);
    make_put(sink, bytes, length);
}

void make_put_key(struct make_sink *sink, const char *key, enum gguf_type type)
{
    make_put_text(sink, key, strlen(key));
    put_u32(sink, type);
}

void make_put_array(struct make_sink *sink, const char *key, enum gguf_type type, uint64_t count)
{
    make_put_key(sink, key, GGUF_ARRAY);
    put_u32(sink, type);
    put_u64(sink, count);
}

/* ---- the tensors of a shape ---- */

enum kind { MATRIX, TABLE, ONES, SMALL, FACTORS };

struct plan_tensor {
    char name[64];
    enum kernel_type type;
    enum kind kind;
    uint32_t columns, rows;
    uint64_t offset;
};

struct plan {
    const struct made_shape *shape;
    struct kernel_shape numbers;
    enum kernel_type type;
    bool mixed; /* Q4_K_M: Q4_K with Q6_K where it matters most */
    struct plan_tensor *tensors;
    uint32_t count;
    uint64_t bytes;
};

/* What fits the row: a K type needs rows of whole 256s, others use an 8-bit or half type then. */
static enum kernel_type fitting(enum kernel_type type, uint32_t columns)
{
    if (columns % kernel_type_facts(type)->block == 0) {
        return type;
    }
    return columns % kernel_type_facts(KERNEL_Q8_0)->block == 0 ? KERNEL_Q8_0 : KERNEL_F16;
}

static void plan_tensor(struct plan *plan, enum kind kind, enum kernel_type type, uint32_t columns,
                        uint32_t rows, const char *name)
{
    struct plan_tensor *tensor = &plan->tensors[plan->count++];
    *tensor = (struct plan_tensor){.kind = kind, .columns = columns, .rows = rows};
    snprintf(tensor->name, sizeof tensor->name, "%s", name);
    tensor->type = kind == MATRIX || kind == TABLE ? fitting(type, columns) : KERNEL_F32;
    const struct kernel_type_facts *facts = kernel_type_facts(tensor->type);
    tensor->offset = plan->bytes;
    plan->bytes += (uint64_t)columns / facts->block * facts->block_bytes * rows;
    plan->bytes = (plan->bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void plan_in_layer(struct plan *plan, uint32_t layer, enum kind kind, enum kernel_type type,
                          uint32_t columns, uint32_t rows, const char *suffix)
{
    char name[64];
    snprintf(name, sizeof name, "blk.%" PRIu32 ".%s", layer, suffix);
    plan_tensor(plan, kind, type, columns, rows, name);
}

/* Which layers' v and down weights a Q4_K_M file keeps in Q6_K (as llama.cpp mixes them): the first
 * and last eighth and every third between. */
static bool kept_finer(uint32_t layer, uint32_t layers)
{
    return layer < layers / 8 || layer >= 7 * layers / 8 || (layer - layers / 8) % 3 == 2;
}

static void plan_layer(struct plan *plan, uint32_t layer)
{
    const struct made_shape *shape = plan->shape;
    bool qwen2 = strcmp(shape->arch, "qwen2") == 0;
    bool qwen3 = strcmp(shape->arch, "qwen3") == 0;
    plan_in_layer(plan, layer, ONES, KERNEL_F32, shape->width, 1, "attn_norm.weight");
    plan_in_layer(plan, layer, ONES, KERNEL_F32, shape->width, 1, "ffn_norm.weight");
    for (enum kernel_part part = 0; part < KERNEL_PARTS; part++) {
        char name[32];
        uint32_t rows = kernel_part_rows(&plan->numbers, part);
        bool finer = plan->mixed && (part == KERNEL_PART_V || part == KERNEL_PART_DOWN) &&
                     kept_finer(layer, shape->layers);
        snprintf(name, sizeof name, "%s.weight", kernel_part_names[part]);
        plan_in_layer(plan, layer, MATRIX, finer ? KERNEL_Q6_K : plan->type,
                      kernel_part_columns(&plan->numbers, part), rows, name);
        if (qwen2 && part <= KERNEL_PART_V) {
            snprintf(name, sizeof name, "%s.bias", kernel_part_names[part]);
            plan_in_layer(plan, layer, SMALL, KERNEL_F32, rows, 1, name);
        }
    }
    if (qwen3) {
        plan_in_layer(plan, layer, ONES, KERNEL_F32, shape->head_width, 1, "attn_q_norm.weight");
        plan_in_layer(plan, layer, ONES, KERNEL_F32, shape->head_width, 1, "attn_k_norm.weight");
    }
}

static void plan_all(struct plan *plan)
{
    const struct made_shape *shape = plan->shape;
    enum kernel_type finer = plan->mixed ? KERNEL_Q6_K : plan->type;
    plan->numbers = (struct kernel_shape){
        .width = shape->width,
        .heads = shape->heads,
        .kv_heads = shape->kv_heads,
        .head_width = shape->head_width,
        .feed = shape->feed,
    };
    plan->tensors = kernel_allocate(4 + shape->layers * 16, sizeof *plan->tensors);
    plan_tensor(plan, TABLE, shape->tied ? finer : plan->type, shape->width, shape->vocabulary,
                "token_embd.weight");
    plan_tensor(plan, ONES, KERNEL_F32, shape->width, 1, "output_norm.weight");
    if (!shape->tied) {
        plan_tensor(plan, TABLE, finer, shape->width, shape->vocabulary, "output.weight");
    }
    if (shape->rope_factor != 0) {
        plan_tensor(plan, FACTORS, KERNEL_F32, shape->head_width / 2, 1, "rope_freqs.weight");
    }
    for (uint32_t layer = 0; layer < shape->layers; layer++) {
        plan_layer(plan, layer);
    }
}

/* ---- the file ---- */

static uint32_t put_number(struct make_sink *sink, const char *arch, const char *suffix,
                           uint32_t value)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", arch, suffix);
    make_put_key(sink, key, GGUF_U32);
    put_u32(sink, value);
    return 1;
}

static uint32_t put_real(struct make_sink *sink, const char *arch, const char *suffix, float value)
{
    char key[96];
    snprintf(key, sizeof key, "%s.%s", arch, suffix);
    make_put_key(sink, key, GGUF_F32);
    make_put(sink, &value, sizeof value);
    return 1;
}

static uint32_t put_keys(struct make_sink *sink, const struct made_shape *shape, const char *type,
                         uint64_t seed)
{
    char name[96];
    const char *arch = shape->arch;
    uint32_t count = 3;
    make_put_key(sink, "general.architecture", GGUF_TEXT);
    make_put_text(sink, arch, strlen(arch));
    snprintf(name, sizeof name, "%s with random weights, %s, seed %" PRIu64, shape->name, type,
             seed);
    make_put_key(sink, "general.name", GGUF_TEXT);
    make_put_text(sink, name, strlen(name));
    make_put_key(sink, "general.alignment", GGUF_U32);
    put_u32(sink, ALIGNMENT);
    count += put_number(sink, arch, "block_count", shape->layers);
    count += put_number(sink, arch, "context_length", shape->context);
    count += put_number(sink, arch, "embedding_length", shape->width);
    count += put_number(sink, arch, "feed_forward_length", shape->feed);
    count += put_number(sink, arch, "attention.head_count", shape->heads);
    count += put_number(sink, arch, "attention.head_count_kv", shape->kv_heads);
    count += put_number(sink, arch, "attention.key_length", shape->head_width);
    count += put_number(sink, arch, "attention.value_length", shape->head_width);
    count += put_number(sink, arch, "rope.dimension_count", shape->head_width);
    count += put_real(sink, arch, "rope.freq_base", shape->rope_base);
    count += put_real(sink, arch, "attention.layer_norm_rms_epsilon", shape->epsilon);
    return count + make_put_vocab(sink, shape->vocabulary, seed);
}

static void put_header(struct make_sink *sink, const struct plan *plan, const char *type,
                       uint64_t seed)
{
    uint64_t keys = 0;
    make_put(sink, "GGUF", 4);
    put_u32(sink, 3);
    put_u64(sink, plan->count);
    size_t at = sink->length;
    put_u64(sink, keys);
    keys = put_keys(sink, plan->shape, type, seed);
    memcpy(sink->at + at, &keys, sizeof keys);
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct plan_tensor *tensor = &plan->tensors[i];
        make_put_text(sink, tensor->name, strlen(tensor->name));
        put_u32(sink, tensor->rows > 1 ? 2 : 1);
        put_u64(sink, tensor->columns);
        if (tensor->rows > 1) {
            put_u64(sink, tensor->rows);
        }
        put_u32(sink, tensor->type);
        put_u64(sink, tensor->offset);
    }
    static const unsigned char zeros[ALIGNMENT];
    make_put(sink, zeros, (ALIGNMENT - sink->length % ALIGNMENT) % ALIGNMENT);
}

/* Llama 3.1's stretching of slow turns, as its converters write it: wavelengths over 8192 are
 * divided by the factor, below 2048 kept, between blended. */
static void fill_factors(const struct made_shape *shape, unsigned char *out)
{
    for (uint32_t i = 0; i < shape->head_width / 2; i++) {
        double turn = pow((double)shape->rope_base, -2.0 * i / shape->head_width);
        double length = 2 * M_PI / turn;
        double blend = (8192 / length - 1) / (4 - 1);
        double factor = (double)shape->rope_factor;
        blend = blend < 0 ? 0 : blend > 1 ? 1 : blend;
        float value = (float)(1 / ((1 - blend) / factor + blend));
        memcpy(out + i * sizeof value, &value, sizeof value);
    }
}

/* Spreads that keep activations near 1 and make logits as uneven as a model's are. */
static void fill(const struct plan *plan, uint64_t seed, unsigned char *data)
{
    struct make_patterns *patterns = make_patterns_create(seed);
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct plan_tensor *tensor = &plan->tensors[i];
        unsigned char *out = data + tensor->offset;
        float spread = 1 / sqrtf((float)tensor->columns);
        switch (tensor->kind) {
        case MATRIX:
            make_matrix(patterns, tensor->type, tensor->columns, tensor->rows, spread, out);
            break;
        case TABLE:
            make_matrix(patterns, tensor->type, tensor->columns, tensor->rows, 3 * spread, out);
            break;
        case ONES: make_vector(patterns, tensor->columns, 1, 0.1F, out); break;
        case SMALL: make_vector(patterns, tensor->columns, 0, 0.1F, out); break;
        case FACTORS: fill_factors(plan->shape, out); break;
        }
    }
    make_patterns_destroy(patterns);
}

static enum kernel_status find_plan(const char *shape, const char *type, struct plan *plan,
                                    struct kernel_error *error)
{
    const struct kernel_type_facts *facts = kernel_type_named(type);
    for (int i = 0; i < SHAPES; i++) {
        if (strcasecmp(shapes[i].name, shape) == 0) {
            plan->shape = &shapes[i];
        }
    }
    if (plan->shape == NULL) {
        char known[160] = "";
        for (size_t i = 0, at = 0; i < SHAPES && at < sizeof known; i++) {
            at += (size_t)snprintf(known + at, sizeof known - at, " %s", shapes[i].name);
        }
        return kernel_fail(error, KERNEL_INVALID, "shape \"%.40s\" is not known; known:%s", shape,
                           known);
    }
    plan->mixed = strcasecmp(type, "Q4_K_M") == 0;
    if (facts == NULL && !plan->mixed) {
        return kernel_fail(error, KERNEL_INVALID,
                           "type \"%.40s\" is not known; known: " KERNEL_TYPES " Q4_K_M", type);
    }
    plan->type = plan->mixed ? KERNEL_Q4_K : facts->type;
    return KERNEL_OK;
}

enum kernel_status kernel_make_image(const char *shape, const char *type, uint64_t seed,
                                     void **image, size_t *bytes, struct kernel_error *error)
{
    struct plan plan = {.shape = NULL};
    struct make_sink header = {0};
    enum kernel_status status = find_plan(shape, type, &plan, error);
    if (status != KERNEL_OK) {
        return status;
    }
    plan_all(&plan);
    put_header(&header, &plan, type, seed);
    *bytes = header.length + plan.bytes;
    *image = mmap(NULL, *bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (*image == MAP_FAILED) {
        status = kernel_fail(error, KERNEL_LIMIT, "no memory for a model of %zu bytes: %s", *bytes,
                             strerrordesc_np(errno));
    } else {
        madvise(*image, *bytes, MADV_HUGEPAGE); /* only quicker */
        memcpy(*image, header.at, header.length);
        fill(&plan, seed, (unsigned char *)*image + header.length);
        mprotect(*image, *bytes, PROT_READ);
    }
    free(header.at);
    free(plan.tensors);
    return status;
}
