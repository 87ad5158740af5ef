/* cpu.c -- the life of the CPU backend: threads, memory, weights, the cache. */
#include "kernels/cpu/cpu.h"

#include "kernels/base/fail.h"
#include "kernels/cpu/state.h"
#include "kernels/model/quant.h"

#include <inttypes.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, PACK_TOGETHER = 16 /* strips of a piece of work */ };

/* ---- memory ---- */

void *cpu_room(struct kernel_backend_state *state, void *old, size_t before, size_t bytes)
{
    free(old);
    bytes = (bytes + CPU_LIKE_CACHE - 1) / CPU_LIKE_CACHE * CPU_LIKE_CACHE;
    void *memory = aligned_alloc(CPU_LIKE_CACHE, bytes > 0 ? bytes : CPU_LIKE_CACHE);
    KERNEL_ASSERT(memory != NULL);
    state->bytes += bytes - before;
    return memory;
}

/* Large memory with large pages where the system gives them: zeroed. */
static void *map_large(struct kernel_backend_state *state, size_t bytes)
{
    bytes = (bytes + PAGE - 1) / PAGE * PAGE;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return NULL;
    }
    madvise(memory, bytes, MADV_HUGEPAGE); /* only quicker */
    state->bytes += bytes;
    return memory;
}

static void unmap_large(struct kernel_backend_state *state, void *memory, size_t bytes)
{
    if (memory != NULL) {
        bytes = (bytes + PAGE - 1) / PAGE * PAGE;
        munmap(memory, bytes);
        state->bytes -= bytes;
    }
}

/* Blocks of floats know their size, so that `memory` is exact. */
struct block {
    size_t bytes;
    _Alignas(CPU_LIKE_CACHE) float at[];
};

static float *allocate(struct kernel_backend_state *state, size_t floats)
{
    size_t bytes = 0;
    if (__builtin_mul_overflow(floats, sizeof(float), &bytes) ||
        __builtin_add_overflow(bytes, sizeof(struct block) + CPU_LIKE_CACHE - 1, &bytes)) {
        return NULL;
    }
    bytes = bytes / CPU_LIKE_CACHE * CPU_LIKE_CACHE;
    struct block *block = aligned_alloc(CPU_LIKE_CACHE, bytes);
    if (block == NULL) {
        return NULL;
    }
    block->bytes = bytes;
    state->bytes += bytes;
    return block->at;
}

static void release(struct kernel_backend_state *state, float *at)
{
    if (at != NULL) {
        struct block *block = (struct block *)(void *)((char *)at - offsetof(struct block, at));
        state->bytes -= block->bytes;
        free(block);
    }
}

static void upload(struct kernel_backend_state *state, float *to, const float *from, size_t floats)
{
    (void)state;
    memcpy(to, from, floats * sizeof *to);
}

static enum kernel_status download(struct kernel_backend_state *state, float *to, const float *from,
                                   size_t floats, struct kernel_error *error)
{
    (void)state;
    (void)error;
    memcpy(to, from, floats * sizeof *to);
    return KERNEL_OK;
}

/* ---- life ---- */

/* Cores that this process may use. */
static uint32_t cores(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count > 0 ? (uint32_t)count : 1;
}

static enum kernel_status create_at(enum cpu_level level,
                                    const struct kernel_engine_options *options,
                                    struct kernel_backend_state **out)
{
    struct kernel_backend_state *state = kernel_allocate(1, sizeof *state);
    uint32_t threads = options != NULL && options->threads > 0 ? options->threads : cores();
    state->level = level;
    state->table = cpu_level_table(level);
    state->pool = cpu_pool_create(threads);
    state->bytes = sizeof *state;
    *out = state;
    return KERNEL_OK;
}

static void destroy(struct kernel_backend_state *state)
{
    if (state == NULL) {
        return;
    }
    unmap_large(state, state->cache, state->cache_bytes);
    free(state->frequency);
    free(state->turns);
    free(state->sequence);
    free(state->input.q);
    free(state->input.scale);
    free(state->input.sum);
    free(state->input.count);
    free(state->input.halves);
    for (int i = 0; i < CPU_THREADS_MAX; i++) {
        free(state->scratch[i].q);
        free(state->scratch[i].scale);
        free(state->scratch[i].least);
        free(state->scratch[i].wide);
        free(state->scratch[i].sums);
    }
    free(state->low);
    free(state->together);
    free(state->adapted);
    free(state->piece);
    cpu_pool_destroy(state->pool);
    free(state);
}

static void describe(struct kernel_backend_state *state, char *out, size_t room)
{
    uint32_t threads = cpu_pool_threads(state->pool);
    snprintf(out, room, "CPU: %s, %" PRIu32 " thread%s", state->table->name, threads,
             threads == 1 ? "" : "s");
}

static uint64_t memory(struct kernel_backend_state *state)
{
    return state->bytes;
}

/* ---- weights ---- */

struct packing {
    const struct kernel_weight *weight;
};

static void pack_piece(void *data, uint32_t piece, uint32_t worker)
{
    const struct kernel_weight *weight = ((struct packing *)data)->weight;
    (void)worker;
    uint32_t last = (piece + 1) * PACK_TOGETHER;
    last = last < weight->tile.strips ? last : weight->tile.strips;
    for (uint32_t s = piece * PACK_TOGETHER; s < last; s++) {
        cpu_tile_pack(&weight->tile, weight->tensor, s,
                      weight->strips + (size_t)s * weight->tile.stride);
    }
}

/* The whole pages of the file that a tensor lay in; they come back when somebody reads them. */
static void give_pages_back(const struct kernel_tensor *tensor)
{
    if (tensor->in_file) {
        uintptr_t from = ((uintptr_t)tensor->data + PAGE - 1) / PAGE * PAGE;
        uintptr_t to = ((uintptr_t)tensor->data + tensor->bytes) / PAGE * PAGE;
        if (to > from) {
            madvise((void *)from, to - from, MADV_DONTNEED); /* only smaller */
        }
    }
}

static enum kernel_status pack(struct kernel_backend_state *state, struct kernel_weight *weight,
                               struct kernel_error *error)
{
    const struct kernel_tensor *tensor = weight->tensor;
    weight->tile = cpu_tile_measure(tensor->type, tensor->rows, tensor->columns);
    weight->bytes = weight->tile.strips * weight->tile.stride;
    weight->strips = map_large(state, weight->bytes);
    if (weight->strips == NULL) {
        return kernel_fail(error, KERNEL_LIMIT, "tensor %.64s: no memory for %zu bytes",
                           tensor->name, weight->bytes);
    }
    struct packing packing = {weight};
    cpu_pool_run(state->pool, pack_piece, &packing,
                 (weight->tile.strips + PACK_TOGETHER - 1) / PACK_TOGETHER);
    give_pages_back(tensor);
    return KERNEL_OK;
}

/* Table and matrix of one tensor find each other. */
static void pair_up(struct kernel_backend_state *state, const struct kernel_tensor *tensor)
{
    struct kernel_weight *matrix = NULL;
    for (struct kernel_weight *one = state->weights; one != NULL; one = one->next) {
        if (one->use == KERNEL_USE_MATRIX && one->tensor == tensor) {
            matrix = one;
        }
    }
    for (struct kernel_weight *one = state->weights; one != NULL; one = one->next) {
        if (one->use == KERNEL_USE_TABLE && one->tensor == tensor) {
            one->twin = matrix;
        }
    }
}

static enum kernel_status load(struct kernel_backend_state *state,
                               const struct kernel_tensor *tensor, enum kernel_use use,
                               struct kernel_weight **out, struct kernel_error *error)
{
    KERNEL_ASSERT(use != KERNEL_USE_VECTOR || (tensor->type == KERNEL_F32 && tensor->rows == 1));
    struct kernel_weight *weight = kernel_allocate(1, sizeof *weight);
    *weight = (struct kernel_weight){.tensor = tensor, .use = use, .next = state->weights};
    *out = NULL;
    if (use == KERNEL_USE_VECTOR) {
        weight->bytes = tensor->bytes;
        weight->vector = cpu_room(state, NULL, 0, weight->bytes);
        memcpy(weight->vector, tensor->data, weight->bytes);
    } else if (use == KERNEL_USE_MATRIX) {
        enum kernel_status status = pack(state, weight, error);
        if (status != KERNEL_OK) {
            free(weight);
            return status;
        }
    }
    state->weights = weight;
    pair_up(state, tensor);
    *out = weight;
    return KERNEL_OK;
}

static void unload(struct kernel_backend_state *state, struct kernel_weight *weight)
{
    struct kernel_weight **at = &state->weights;
    while (*at != weight) {
        at = &(*at)->next;
    }
    *at = weight->next;
    pair_up(state, weight->tensor);
    unmap_large(state, weight->strips, weight->bytes);
    if (weight->vector != NULL) {
        state->bytes -= (weight->bytes + CPU_LIKE_CACHE - 1) / CPU_LIKE_CACHE * CPU_LIKE_CACHE;
        free(weight->vector);
    }
    free(weight);
}

/* A matrix as f32, row after row. */
static float *widen(const struct kernel_tensor *tensor)
{
    float *values = kernel_allocate((size_t)tensor->rows * tensor->columns, sizeof *values);
    for (uint32_t r = 0; r < tensor->rows; r++) {
        kernel_dequantise(tensor->type,
                          (const char *)tensor->data + r * (tensor->bytes / tensor->rows),
                          values + (size_t)r * tensor->columns, tensor->columns);
    }
    return values;
}

/* The same numbers as F16; NULL where one of them is none: an adapter that was stored with more
 * digits keeps them. */
static uint16_t *narrow(const float *values, size_t count)
{
    uint16_t *halves = kernel_allocate(count, sizeof *halves);
    for (size_t i = 0; i < count; i++) {
        halves[i] = kernel_float_to_half(values[i]);
        if (kernel_half_to_float(halves[i]) != values[i]) { /* also where it is not finite */
            free(halves);
            return NULL;
        }
    }
    return halves;
}

void cpu_weight_adapt(struct kernel_backend_state *state, struct kernel_weight *weight)
{
    if (weight->adapts) {
        return;
    }
    struct kernel_tensor tensor = *weight->tensor;
    size_t count = (size_t)tensor.rows * tensor.columns;
    float *wide = NULL;
    uint16_t *halves = NULL;
    if (tensor.type != KERNEL_F16 && tensor.type != KERNEL_BF16) {
        wide = widen(&tensor);
        halves = narrow(wide, count);
        tensor.type = halves != NULL ? KERNEL_F16 : KERNEL_F32;
        tensor.data = halves != NULL ? (const void *)halves : wide;
        tensor.bytes = count * (halves != NULL ? sizeof *halves : sizeof *wide);
    }
    struct cpu_tile tile = cpu_tile_measure(tensor.type, tensor.rows, tensor.columns);
    if (tensor.type != KERNEL_F32) {
        tile.stride = (size_t)(tensor.columns + 1) / 2 * CPU_LINE;
    }
    unsigned char *strips = map_large(state, tile.strips * tile.stride);
    KERNEL_ASSERT(strips != NULL); /* of an adapter: small */
    for (uint32_t s = 0; s < tile.strips; s++) {
        cpu_tile_pack(&tile, &tensor, s, strips + (size_t)s * tile.stride);
    }
    unmap_large(state, weight->strips, weight->bytes);
    weight->tile = tile;
    weight->strips = strips;
    weight->bytes = tile.strips * tile.stride;
    weight->adapts = true;
    free(wide);
    free(halves);
    give_pages_back(weight->tensor);
}

/* ---- the cache ---- */

static uint64_t block_bytes(struct kernel_backend_state *state, const struct kernel_shape *shape)
{
    (void)state;
    return cpu_block_floats(shape) * shape->layers * sizeof(float);
}

static enum kernel_status prepare(struct kernel_backend_state *state,
                                  const struct kernel_shape *shape, uint32_t blocks,
                                  uint32_t step_tokens, struct kernel_error *error)
{
    (void)step_tokens; /* what a step needs grows with the steps that come */
    KERNEL_ASSERT(state->cache == NULL);
    size_t bytes = 0;
    if (!__builtin_mul_overflow((size_t)blocks, block_bytes(state, shape), &bytes)) {
        state->cache = map_large(state, bytes);
    }
    if (state->cache == NULL) {
        return kernel_fail(error, KERNEL_LIMIT,
                           "no memory for a cache of %" PRIu32 " blocks of %" PRIu64 " bytes",
                           blocks, block_bytes(state, shape));
    }
    state->shape = shape;
    state->blocks = blocks;
    state->cache_bytes = bytes;
    uint32_t half = shape->rope_width / 2;
    state->frequency = cpu_room(state, NULL, 0, half * sizeof *state->frequency);
    for (uint32_t i = 0; i < half; i++) {
        double factor = shape->rope_factors != NULL ? (double)shape->rope_factors[i] : 1;
        state->frequency[i] = pow((double)shape->rope_base, -2.0 * i / shape->rope_width) / factor;
    }
    return KERNEL_OK;
}

static void end(struct kernel_backend_state *state)
{
    state->batch = NULL;
}

/* ---- the tables ---- */

#define CPU_OPERATIONS(create_function)                                                            \
    {                                                                                              \
        .name = "cpu", .create = (create_function), .destroy = destroy, .describe = describe,      \
        .memory = memory, .allocate = allocate, .release = release, .upload = upload,              \
        .download = download, .load = load, .unload = unload, .block_bytes = block_bytes,          \
        .prepare = prepare, .begin = cpu_begin, .end = end, .embed = cpu_embed, .norm = cpu_norm,  \
        .linear = cpu_linear, .rope_store = cpu_rope_store, .attention = cpu_attention,            \
        .silu_multiply = cpu_silu_multiply, .adapt = cpu_adapt, .gather = cpu_gather,              \
        .host_memory = true                                                                        \
    }

#define CPU_CREATE(name, level)                                                                    \
    static enum kernel_status name(const struct kernel_engine_options *options,                    \
                                   struct kernel_backend_state **out, struct kernel_error *error)  \
    {                                                                                              \
        (void)error;                                                                               \
        return create_at(level, options, out);                                                     \
    }
CPU_CREATE(create_plain, CPU_PLAIN)
CPU_CREATE(create_avx2, CPU_AVX2)
CPU_CREATE(create_avx512, CPU_AVX512)
CPU_CREATE(create_amx, CPU_AMX)

const struct kernel_operations *cpu_operations_at(enum cpu_level level)
{
    static const struct kernel_operations operations[CPU_LEVELS] = {
        [CPU_PLAIN] = CPU_OPERATIONS(create_plain),
        [CPU_AVX2] = CPU_OPERATIONS(create_avx2),
        [CPU_AVX512] = CPU_OPERATIONS(create_avx512),
        [CPU_AMX] = CPU_OPERATIONS(create_amx),
    };
    KERNEL_ASSERT(level < CPU_LEVELS && level <= cpu_level_best());
    return &operations[level];
}

const struct kernel_operations *kernel_operations_cpu(void)
{
    return cpu_operations_at(cpu_level_best());
}
