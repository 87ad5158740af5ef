// cuda.cu -- the table of operations of a GPU (kernels/backend.h).
//
// A step's integers (tokens, positions, block table ...) go over in one copy.  Steps in which every sequence has
// one token (decode) are recorded as a CUDA graph the second time their shape comes, and replayed from then on:
// the operations between `begin` and `end` of such a step do nothing.  Any change of memory or weights forgets
// the recordings.
#include "kernels/cuda/attention.cuh"
#include "kernels/cuda/choose.cuh"
#include "kernels/cuda/multiply.cuh"
#include "kernels/cuda/rows.cuh"

#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

extern "C" {
#include "kernels/cuda/plugin.h"
}

enum {
    GRAPHS_MAX = 32,          // recorded shapes of a step
    SPLITS_MAX = 1024,        // of a row
    RAW_BYTES = 64 << 20,     // of a file's weights on the GPU at a time
    PARTIAL_BYTES = 256 << 20 // of partial results of attention
};

// Weights of a tensor, shared by its uses.
struct kernel_weight {
    struct cuda_matrix matrix;
    struct cuda_matrix *on_gpu;
    void *memory;
    const void *data; // of the tensor, as its name
    uint32_t uses;
    struct kernel_weight *next;
};

// What recorded steps of equal shape have in common.
struct graph_key {
    uint32_t tokens, sequences, outputs, blocks_max, splits;
};

struct graph_place {
    struct graph_key key;
    struct cuda_graph *graph; // NULL: seen once
    uint64_t used;
};

enum record { RECORD_NOT, RECORDING, REPLAYING };

struct kernel_backend_state {
    struct cuda_device *device;
    struct kernel_weight *weights;
    bool library; // cuBLASLt for many tokens
    bool graphs_allowed;
    // of the model, after prepare
    const struct kernel_shape *shape;
    struct cuda_attention_shape attention;
    uint16_t *cache;
    uint64_t layer_halves; // of the cache
    double *turn;
    struct cuda_scratch scratch;
    float *partial;
    size_t partial_floats;
    // of the step
    const struct kernel_batch *batch;
    struct cuda_step step;
    int32_t *integers, *host_integers;
    size_t integer_room;
    const int32_t *token, *output, *token_adapter;
    char *asked, *host_asked; // of `pick`: no recorded step knows them
    size_t asked_room;
    enum record record;
    struct graph_place graphs[GRAPHS_MAX], *place;
    uint64_t clock;
};

extern "C" __attribute__((format(printf, 3, 4))) enum kernel_status
kernel_fail(struct kernel_error *error, enum kernel_status status, const char *format, ...);

// A wrong program: says where and ends.
#define MUST(condition)                                                                            \
    ((condition) ? (void)0                                                                         \
                 : (fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition), abort()))

// ---- life ----

static enum kernel_status create(const struct kernel_engine_options *options, struct kernel_backend_state **out,
                                 struct kernel_error *error)
{
    struct kernel_backend_state *state = (struct kernel_backend_state *)calloc(1, sizeof *state);
    MUST(state != nullptr);
    state->library = options == nullptr || !options->same_bytes;
    state->graphs_allowed = true;
    enum kernel_status status = cuda_device_open(&state->device, error);
    if (status != KERNEL_OK) {
        free(state);
        state = nullptr;
    }
    *out = state;
    return status;
}

static void forget_graphs(struct kernel_backend_state *state)
{
    for (int i = 0; i < GRAPHS_MAX; i++) {
        if (state->graphs[i].graph != nullptr) {
            cuda_graph_free(state->device, state->graphs[i].graph);
        }
        state->graphs[i] = {};
    }
}

static void destroy(struct kernel_backend_state *state)
{
    if (state == nullptr) {
        return;
    }
    forget_graphs(state);
    cuda_free(state->device, state->cache);
    cuda_free(state->device, state->turn);
    cuda_free(state->device, state->scratch.staged);
    cuda_free(state->device, state->scratch.expanded);
    cuda_free(state->device, state->scratch.low);
    cuda_free(state->device, state->partial);
    cuda_free(state->device, state->integers);
    free(state->host_integers);
    cuda_free(state->device, state->asked);
    free(state->host_asked);
    cuda_device_close(state->device);
    free(state);
}

static void describe(struct kernel_backend_state *state, char *out, size_t room)
{
    cuda_device_describe(state->device, out, room);
}

static uint64_t memory(struct kernel_backend_state *state)
{
    return cuda_memory(state->device);
}

// ---- memory ----

static float *allocate(struct kernel_backend_state *state, size_t floats)
{
    size_t bytes = 0;
    forget_graphs(state);
    return __builtin_mul_overflow(floats, sizeof(float), &bytes)
               ? nullptr
               : (float *)cuda_allocate(state->device, bytes);
}

static void release(struct kernel_backend_state *state, float *at)
{
    forget_graphs(state);
    cuda_free(state->device, at);
}

static void upload(struct kernel_backend_state *state, float *to, const float *from, size_t floats)
{
    cuda_copy_in(state->device, to, from, floats * sizeof *to);
}

static enum kernel_status download(struct kernel_backend_state *state, float *to, const float *from, size_t floats,
                                   struct kernel_error *error)
{
    return cuda_copy_out(state->device, to, from, floats * sizeof *to, error);
}

static enum kernel_status no_room(struct kernel_backend_state *state, const char *what, size_t bytes,
                                  struct kernel_error *error)
{
    uint64_t unused = 0;
    uint64_t all = 0;
    cuda_memory_facts(state->device, &unused, &all);
    return kernel_fail(error, KERNEL_DEVICE,
                       "the GPU has no memory for %s: %zu bytes wanted, %" PRIu64 " of %" PRIu64 " are free", what,
                       bytes, unused, all);
}

static enum kernel_status load(struct kernel_backend_state *state, const struct kernel_tensor *tensor,
                               enum kernel_use use, struct kernel_weight **out, struct kernel_error *error)
{
    (void)use; // one form serves all
    for (struct kernel_weight *weight = state->weights; weight != nullptr; weight = weight->next) {
        if (weight->data == tensor->data) {
            weight->uses++;
            *out = weight;
            return KERNEL_OK;
        }
    }
    forget_graphs(state);
    size_t bytes = cuda_matrix_bytes(tensor->type, tensor->rows, tensor->columns);
    size_t stride = tensor->bytes / tensor->rows;
    size_t raw_bytes = tensor->bytes < RAW_BYTES ? tensor->bytes : stride > RAW_BYTES ? stride : (size_t)RAW_BYTES;
    struct kernel_weight *weight = (struct kernel_weight *)calloc(1, sizeof *weight);
    MUST(weight != nullptr);
    weight->memory = cuda_allocate(state->device, bytes + sizeof(struct cuda_matrix));
    void *raw = cuda_allocate(state->device, raw_bytes);
    if (weight->memory == nullptr || raw == nullptr) {
        cuda_free(state->device, weight->memory);
        cuda_free(state->device, raw);
        free(weight);
        return no_room(state, tensor->name, bytes, error);
    }
    cuda_matrix_fill(state->device, tensor, weight->memory, raw, raw_bytes, &weight->matrix);
    weight->on_gpu = (struct cuda_matrix *)((char *)weight->memory + bytes);
    cuda_copy_in(state->device, weight->on_gpu, &weight->matrix, sizeof weight->matrix);
    enum kernel_status status = cuda_wait(state->device, error);
    cuda_free(state->device, raw);
    if (status != KERNEL_OK) {
        cuda_free(state->device, weight->memory);
        free(weight);
        return status;
    }
    weight->data = tensor->data;
    weight->uses = 1;
    weight->next = state->weights;
    state->weights = weight;
    *out = weight;
    return KERNEL_OK;
}

static void unload(struct kernel_backend_state *state, struct kernel_weight *weight)
{
    if (--weight->uses > 0) {
        return;
    }
    struct kernel_weight **at = &state->weights;
    while (*at != weight) {
        at = &(*at)->next;
    }
    *at = weight->next;
    forget_graphs(state);
    cuda_free(state->device, weight->memory);
    free(weight);
}

static uint64_t block_bytes(struct kernel_backend_state *state, const struct kernel_shape *shape)
{
    (void)state;
    return (uint64_t)shape->layers * shape->kv_heads * shape->head_width * 2 * KERNEL_BLOCK_TOKENS * sizeof(uint16_t);
}

static uint32_t widest(const struct kernel_shape *shape)
{
    uint32_t heads = shape->heads * shape->head_width;
    uint32_t most = shape->width > heads ? shape->width : heads;
    return most > shape->feed ? most : shape->feed;
}

// Radians a position, of each pair.
static bool make_turns(struct kernel_backend_state *state, const struct kernel_shape *shape)
{
    uint32_t half = shape->rope_width / 2;
    double *turns = (double *)calloc(half + 1, sizeof *turns);
    MUST(turns != nullptr);
    for (uint32_t i = 0; i < half; i++) {
        double factor = shape->rope_factors != nullptr ? (double)shape->rope_factors[i] : 1;
        turns[i] = pow((double)shape->rope_base, -2.0 * i / shape->rope_width) / factor;
    }
    state->turn = (double *)cuda_allocate(state->device, (half + 1) * sizeof *turns);
    if (state->turn != nullptr) {
        cuda_copy_in(state->device, state->turn, turns, half * sizeof *turns);
    }
    free(turns);
    return state->turn != nullptr;
}

static enum kernel_status prepare(struct kernel_backend_state *state, const struct kernel_shape *shape,
                                  uint32_t blocks, uint32_t step_tokens, struct kernel_error *error)
{
    MUST(state->shape == nullptr);
    size_t cache = (size_t)blocks * block_bytes(state, shape);
    size_t staged = cuda_staged_bytes(step_tokens, widest(shape));
    size_t low = (size_t)step_tokens * KERNEL_RANK_MAX * sizeof(float);
    state->shape = shape;
    state->attention = {shape->heads, shape->kv_heads, shape->head_width, shape->attention_scale};
    state->layer_halves = (uint64_t)blocks * block_bytes(state, shape) / shape->layers / sizeof(uint16_t);
    state->cache = (uint16_t *)cuda_allocate(state->device, cache);
    if (state->cache == nullptr) {
        return no_room(state, "the cache", cache, error);
    }
    state->scratch.staged = (uint16_t *)cuda_allocate(state->device, staged);
    state->scratch.low = (float *)cuda_allocate(state->device, low);
    state->partial_floats = PARTIAL_BYTES / sizeof(float);
    state->partial = (float *)cuda_allocate(state->device, PARTIAL_BYTES);
    if (state->scratch.staged == nullptr || state->scratch.low == nullptr || state->partial == nullptr ||
        !make_turns(state, shape)) {
        return no_room(state, "steps", staged + low + PARTIAL_BYTES, error);
    }
    if (state->library && cuda_library_there(state->device)) { // an aid: without it our own kernels do it
        state->scratch.expanded_bytes = (size_t)widest(shape) * shape->width * sizeof(uint16_t);
        state->scratch.expanded = (uint16_t *)cuda_allocate(state->device, state->scratch.expanded_bytes);
    }
    return cuda_wait(state->device, error);
}

// ---- a step ----

// Where each array of a step lies among its integers.
struct places {
    size_t token, position, token_sequence, token_adapter, block, output, tile_first, tile_count, end;
};

static struct places place_integers(const struct kernel_batch *batch, uint32_t tiles)
{
    struct places at = {};
    at.position = at.token + batch->tokens;
    at.token_sequence = at.position + batch->tokens;
    at.token_adapter = at.token_sequence + batch->tokens;
    at.block = at.token_adapter + batch->tokens;
    at.output = at.block + (size_t)batch->sequences * batch->blocks_max;
    at.tile_first = at.output + batch->outputs;
    at.tile_count = at.tile_first + tiles;
    at.end = at.tile_count + tiles;
    return at;
}

static uint32_t count_tiles(const struct kernel_batch *batch, uint32_t tile_tokens)
{
    uint32_t tiles = 0;
    for (uint32_t s = 0; s < batch->sequences; s++) {
        tiles += ((uint32_t)(batch->start[s + 1] - batch->start[s]) + tile_tokens - 1) / tile_tokens;
    }
    return tiles;
}

static void fill_integers(int32_t *to, const struct places *at, const struct kernel_batch *batch, uint32_t tile_tokens)
{
    memcpy(to + at->token, batch->token, batch->tokens * sizeof *to);
    memcpy(to + at->position, batch->position, batch->tokens * sizeof *to);
    memcpy(to + at->block, batch->block, (size_t)batch->sequences * batch->blocks_max * sizeof *to);
    if (batch->outputs > 0) {
        memcpy(to + at->output, batch->output, batch->outputs * sizeof *to);
    }
    uint32_t tile = 0;
    for (uint32_t s = 0; s < batch->sequences; s++) {
        for (int32_t t = batch->start[s]; t < batch->start[s + 1]; t++) {
            to[at->token_sequence + (size_t)t] = (int32_t)s;
            to[at->token_adapter + (size_t)t] = batch->adapter[s];
        }
        for (int32_t t = batch->start[s]; t < batch->start[s + 1]; t += (int32_t)tile_tokens, tile++) {
            int32_t left = batch->start[s + 1] - t;
            to[at->tile_first + tile] = t;
            to[at->tile_count + tile] = left < (int32_t)tile_tokens ? left : (int32_t)tile_tokens;
        }
    }
}

// Into how many parts attention is cut so that the GPU has work for all its processors; 0: it has anyway.  A power
// of two, so that recorded steps serve longer.
static uint32_t choose_splits(const struct kernel_backend_state *state, const struct kernel_batch *batch,
                              uint32_t tiles)
{
    int32_t longest = 0;
    for (uint32_t s = 0; s < batch->sequences; s++) {
        longest = batch->length[s] > longest ? batch->length[s] : longest;
    }
    uint32_t parts = ((uint32_t)longest + CUDA_SPLIT - 1) / CUDA_SPLIT;
    uint32_t splits = 1;
    while (splits < parts) {
        splits *= 2;
    }
    bool enough = tiles * state->attention.kv_heads >= cuda_device_processors(state->device) * 16;
    bool fits = cuda_partial_floats(batch->tokens, state->attention.heads, state->attention.head_width, splits) <=
                state->partial_floats;
    return parts <= 1 || enough || !fits || splits > SPLITS_MAX ? 0 : splits;
}

static bool integers_room(struct kernel_backend_state *state, size_t wanted)
{
    if (wanted <= state->integer_room) {
        return true;
    }
    forget_graphs(state);
    cuda_free(state->device, state->integers);
    free(state->host_integers);
    state->integer_room = wanted * 2;
    state->integers = (int32_t *)cuda_allocate(state->device, state->integer_room * sizeof *state->integers);
    state->host_integers = (int32_t *)malloc(state->integer_room * sizeof *state->host_integers);
    MUST(state->host_integers != nullptr);
    return state->integers != nullptr;
}

// The place of a recorded shape; one that was not used for long makes room.
static struct graph_place *place_of(struct kernel_backend_state *state, const struct graph_key *key)
{
    struct graph_place *oldest = &state->graphs[0];
    for (int i = 0; i < GRAPHS_MAX; i++) {
        struct graph_place *place = &state->graphs[i];
        if (place->used > 0 && memcmp(&place->key, key, sizeof *key) == 0) {
            return place;
        }
        oldest = place->used < oldest->used ? place : oldest;
    }
    if (oldest->graph != nullptr) {
        cuda_graph_free(state->device, oldest->graph);
    }
    *oldest = {};
    oldest->key = *key;
    return oldest;
}

static void begin_recording(struct kernel_backend_state *state, const struct kernel_batch *batch)
{
    bool decode = batch->tokens == batch->sequences;
    for (uint32_t s = 0; s < batch->sequences; s++) {
        decode = decode && batch->adapter[s] < 0;
    }
    state->record = RECORD_NOT;
    state->place = nullptr;
    if (!decode || !state->graphs_allowed) {
        return;
    }
    struct graph_key key = {batch->tokens, batch->sequences, batch->outputs, batch->blocks_max, state->step.splits};
    struct graph_place *place = place_of(state, &key);
    bool seen = place->used > 0;
    place->used = ++state->clock;
    if (place->graph != nullptr) {
        state->record = REPLAYING;
        state->place = place;
    } else if (seen) {
        state->record = RECORDING;
        state->place = place;
        cuda_record_begin(state->device);
    }
}

static void begin(struct kernel_backend_state *state, const struct kernel_batch *batch)
{
    uint32_t tile_tokens = cuda_tile_tokens(state->attention.heads, state->attention.kv_heads);
    uint32_t tiles = count_tiles(batch, tile_tokens);
    struct places at = place_integers(batch, tiles);
    state->batch = batch;
    MUST(integers_room(state, at.end)); // some thousand bytes, twice as many as ever before
    fill_integers(state->host_integers, &at, batch, tile_tokens);
    cuda_copy_in(state->device, state->integers, state->host_integers, at.end * sizeof *state->integers);
    const int32_t *base = state->integers;
    state->token = base + at.token;
    state->output = base + at.output;
    state->token_adapter = base + at.token_adapter;
    state->step = {base + at.position,    base + at.token_sequence, base + at.block,
                   base + at.tile_first,  base + at.tile_count,     batch->tokens,
                   batch->blocks_max,     tiles,                    choose_splits(state, batch, tiles)};
    begin_recording(state, batch);
}

static void end(struct kernel_backend_state *state)
{
    if (state->record == RECORDING) {
        state->place->graph = cuda_record_end(state->device);
        if (state->place->graph == nullptr) {
            state->graphs_allowed = false; // the error sticks: this step fails, later ones are not recorded
        }
    }
    if (state->record != RECORD_NOT && state->place->graph != nullptr) {
        cuda_replay(state->device, state->place->graph);
    }
    state->record = RECORD_NOT;
    state->batch = nullptr;
}

static void embed(struct kernel_backend_state *state, const struct kernel_weight *table, float *out)
{
    if (state->record != REPLAYING) {
        cuda_embed(state->device, &table->matrix, state->token, state->step.tokens, out);
    }
}

static void norm(struct kernel_backend_state *state, float *x, const float *delta, const struct kernel_weight *weight,
                 float epsilon, uint32_t rows, uint32_t width, float *out)
{
    if (state->record != REPLAYING) {
        cuda_norm(state->device, x, delta, (const float *)weight->matrix.codes, epsilon, rows, width, out);
    }
}

static void linear(struct kernel_backend_state *state, const struct kernel_product *products, uint32_t count,
                   const float *x, uint32_t rows)
{
    struct cuda_product of[CUDA_PRODUCTS_MAX];
    MUST(count <= CUDA_PRODUCTS_MAX);
    for (uint32_t p = 0; p < count; p++) {
        const struct kernel_weight *bias = products[p].bias;
        of[p] = {products[p].weight->matrix, bias != nullptr ? (const float *)bias->matrix.codes : nullptr,
                 products[p].out};
    }
    if (state->record != REPLAYING) {
        cuda_multiply(state->device, &state->scratch, of, count, x, rows, state->library);
    }
}

static void rope_store(struct kernel_backend_state *state, uint32_t layer, float *q, float *k, const float *v,
                       const struct kernel_weight *q_norm, const struct kernel_weight *k_norm)
{
    struct cuda_rope rope = {q,
                             k,
                             v,
                             q_norm != nullptr ? (const float *)q_norm->matrix.codes : nullptr,
                             k_norm != nullptr ? (const float *)k_norm->matrix.codes : nullptr,
                             state->shape->norm_epsilon,
                             state->turn,
                             state->shape->rope_width,
                             state->shape->rope_halves};
    if (state->record != REPLAYING) {
        cuda_rope_store(state->device, &state->step, &state->attention, &rope,
                        state->cache + layer * state->layer_halves);
    }
}

static void attention(struct kernel_backend_state *state, uint32_t layer, const float *q, float *out)
{
    if (state->record != REPLAYING) {
        cuda_attention(state->device, &state->step, &state->attention, state->cache + layer * state->layer_halves, q,
                       state->partial, out);
    }
}

static void silu_multiply(struct kernel_backend_state *state, const float *gate, const float *up, uint32_t rows,
                          uint32_t width, float *out)
{
    if (state->record != REPLAYING) {
        cuda_silu_multiply(state->device, gate, up, (size_t)rows * width, out);
    }
}

static void adapt(struct kernel_backend_state *state, const struct kernel_low_rank *of, uint32_t count, const float *x,
                  float *out)
{
    for (uint32_t first = 0; first < count; first += CUDA_LOW_MAX) {
        struct cuda_low_ranks low = {};
        const struct kernel_weight *a = nullptr;
        const struct kernel_weight *b = nullptr;
        uint32_t rank = 0;
        low.first = (int32_t)first;
        for (uint32_t i = first; i < count && i < first + CUDA_LOW_MAX; i++, low.count++) {
            if (of[i].a != nullptr) {
                a = of[i].a;
                b = of[i].b;
                rank = of[i].rank > rank ? of[i].rank : rank;
                low.of[low.count] = {a->on_gpu, b->on_gpu, of[i].rank, of[i].scale};
            }
        }
        if (a != nullptr) {
            cuda_adapt(state->device, &state->scratch, &low, rank, a->matrix.columns, b->matrix.rows,
                       state->token_adapter, state->step.tokens, x, out);
        }
    }
}

static void gather(struct kernel_backend_state *state, const float *x, uint32_t width, float *out)
{
    if (state->record != REPLAYING && state->batch->outputs > 0) {
        cuda_gather(state->device, x, state->output, state->batch->outputs, width, out);
    }
}

// ---- after a step ----

// Where each array of `pick` lies: what is asked goes over in one copy.
struct asked_places {
    size_t picks, masks, picked, end;
};

// The place of a mask among those that differ, which `distinct` collects; few, and mostly the same one.
static int32_t mask_place(const uint64_t **distinct, uint32_t *count, const uint64_t *mask)
{
    if (mask == nullptr) {
        return -1;
    }
    uint32_t at = 0;
    while (at < *count && distinct[at] != mask) {
        at++;
    }
    if (at == *count) {
        distinct[(*count)++] = mask;
    }
    return (int32_t)at;
}

static bool asked_room(struct kernel_backend_state *state, size_t wanted)
{
    if (wanted <= state->asked_room) {
        return true;
    }
    cuda_free(state->device, state->asked);
    free(state->host_asked);
    state->asked_room = wanted;
    state->asked = (char *)cuda_allocate(state->device, wanted);
    state->host_asked = (char *)malloc(wanted);
    MUST(state->host_asked != nullptr);
    state->asked_room = state->asked != nullptr ? wanted : 0;
    return state->asked != nullptr;
}

static enum kernel_status pick(struct kernel_backend_state *state, const float *logits, uint32_t vocabulary,
                               const struct kernel_pick *picks, uint32_t count, struct kernel_picked *out,
                               struct kernel_error *error)
{
    size_t mask_bytes = ((size_t)vocabulary + 63) / 64 * sizeof(uint64_t);
    const uint64_t **distinct = (const uint64_t **)calloc(count + 1, sizeof *distinct);
    int32_t *mask = (int32_t *)calloc(count + 1, sizeof *mask);
    uint32_t masks = 0;
    MUST(distinct != nullptr && mask != nullptr);
    for (uint32_t i = 0; i < count; i++) {
        mask[i] = mask_place(distinct, &masks, picks[i].mask);
    }
    struct asked_places at = {};
    at.masks = at.picks + count * sizeof(struct cuda_pick);
    at.picked = at.masks + masks * mask_bytes;
    at.end = at.picked + count * sizeof *out;
    enum kernel_status status = asked_room(state, at.end) ? KERNEL_OK : no_room(state, "masks", at.end, error);
    if (status == KERNEL_OK) {
        struct cuda_pick *to = (struct cuda_pick *)(state->host_asked + at.picks);
        for (uint32_t i = 0; i < count; i++) {
            const struct kernel_pick *from = &picks[i];
            to[i] = {from->temperature, from->least, from->top_p,        from->chance, from->measured,
                     from->row,         from->top_k, from->alternatives, mask[i]};
        }
        for (uint32_t i = 0; i < masks; i++) {
            memcpy(state->host_asked + at.masks + i * mask_bytes, distinct[i], mask_bytes);
        }
        cuda_copy_in(state->device, state->asked, state->host_asked, at.picked);
        cuda_choose(state->device, logits, vocabulary, (const uint64_t *)(state->asked + at.masks),
                    (const struct cuda_pick *)(state->asked + at.picks), count,
                    (struct kernel_picked *)(state->asked + at.picked));
        status = cuda_copy_out(state->device, out, state->asked + at.picked, count * sizeof *out, error);
    }
    free(distinct);
    free(mask);
    return status;
}

static const struct kernel_operations operations = {
    .name = "cuda",
    .create = create,
    .destroy = destroy,
    .describe = describe,
    .memory = memory,
    .allocate = allocate,
    .release = release,
    .upload = upload,
    .download = download,
    .load = load,
    .unload = unload,
    .block_bytes = block_bytes,
    .prepare = prepare,
    .begin = begin,
    .end = end,
    .embed = embed,
    .norm = norm,
    .linear = linear,
    .rope_store = rope_store,
    .attention = attention,
    .silu_multiply = silu_multiply,
    .adapt = adapt,
    .gather = gather,
    .pick = pick,
};

extern "C" const struct kernel_operations *reeve_cuda_operations(uint32_t version)
{
    return version == REEVE_CUDA_VERSION ? &operations : nullptr;
}
