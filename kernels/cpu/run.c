/* run.c -- the operations of a step: each is cut into pieces that threads take (pool.h), and each
 * piece is done by the level's own code.
 *
 * Short operations (a few microseconds) are not cut: waking somebody costs as much.
 */
#include "kernels/cpu/state.h"

#include "kernels/base/fail.h"
#include "kernels/model/quant.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    PRODUCTS_MAX = 8,        /* of one input; a layer has three at most */
    PIECE_BYTES = 96 << 10,  /* of weights: so large that the end of a job is not ragged */
    PIECE_FLOATS = 32 << 10, /* of numbers that are worked on one by one */
    BEGINNING = 4096         /* bytes of a matrix of an adapter */
};

/* ---- begin, embed, gather ---- */

void cpu_begin(struct kernel_backend_state *state, const struct kernel_batch *batch)
{
    state->batch = batch;
    uint32_t half = state->shape != NULL ? state->shape->rope_width / 2 : 0;
    state->pieces = 0;
    if (batch->tokens > state->turns_room) {
        size_t before = state->turns_room;
        size_t sequence = (before * sizeof *state->sequence + 63) / 64 * 64;
        size_t turns = (before * half * 2 * sizeof *state->turns + 63) / 64 * 64;
        state->sequence =
            cpu_room(state, state->sequence, sequence, batch->tokens * sizeof *state->sequence);
        state->turns = cpu_room(state, state->turns, turns,
                                (size_t)batch->tokens * half * 2 * sizeof *state->turns);
        state->turns_room = batch->tokens;
    }
    for (uint32_t s = 0; s < batch->sequences; s++) {
        for (int32_t t = batch->start[s]; t < batch->start[s + 1]; t++) {
            state->sequence[t] = (int32_t)s;
            float *turns = state->turns + (size_t)t * half * 2;
            for (uint32_t i = 0; i < half; i++) {
                double turn = state->frequency[i] * batch->position[t];
                turns[i] = (float)cos(turn);
                turns[half + i] = (float)sin(turn);
            }
        }
    }
}

void cpu_embed(struct kernel_backend_state *state, const struct kernel_weight *table, float *out)
{
    const struct kernel_tensor *tensor = table->tensor;
    const struct kernel_weight *twin = table->twin;
    for (uint32_t t = 0; t < state->batch->tokens; t++, out += tensor->columns) {
        uint32_t row = (uint32_t)state->batch->token[t];
        if (twin != NULL) {
            cpu_tile_row(&twin->tile, twin->strips, row, out);
        } else {
            kernel_dequantise(tensor->type,
                              (const char *)tensor->data + row * (tensor->bytes / tensor->rows),
                              out, tensor->columns);
        }
    }
}

void cpu_gather(struct kernel_backend_state *state, const float *x, uint32_t width, float *out)
{
    const struct kernel_batch *batch = state->batch;
    for (uint32_t i = 0; i < batch->outputs; i++) {
        memcpy(out + (size_t)i * width, x + (size_t)batch->output[i] * width, width * sizeof *out);
    }
}

/* ---- row by row ---- */

struct rows {
    struct kernel_backend_state *state;
    uint32_t rows, width, together; /* rows of a piece */
    float *x, *out;
    const float *a, *b;
    float epsilon;
};

static struct rows rows_of(struct kernel_backend_state *state, uint32_t rows, uint32_t width)
{
    uint32_t together = PIECE_FLOATS / (width > 0 ? width : 1);
    return (struct rows){state, rows, width, together > 0 ? together : 1, NULL, NULL,
                         NULL,  NULL, 0};
}

static void run_rows(struct rows *rows, cpu_piece piece)
{
    cpu_pool_run(rows->state->pool, piece, rows,
                 (rows->rows + rows->together - 1) / rows->together);
}

static uint32_t last_row(const struct rows *rows, uint32_t piece)
{
    uint32_t last = (piece + 1) * rows->together;
    return last < rows->rows ? last : rows->rows;
}

static void norm_piece(void *data, uint32_t piece, uint32_t worker)
{
    const struct rows *rows = data;
    (void)worker;
    for (uint32_t r = piece * rows->together; r < last_row(rows, piece); r++) {
        size_t at = (size_t)r * rows->width;
        rows->state->table->plain->norm(rows->x + at, rows->a != NULL ? rows->a + at : NULL,
                                        rows->b, rows->epsilon, rows->width, rows->out + at);
    }
}

void cpu_norm(struct kernel_backend_state *state, float *x, const float *delta,
              const struct kernel_weight *weight, float epsilon, uint32_t rows, uint32_t width,
              float *out)
{
    struct rows job = rows_of(state, rows, width);
    job.x = x;
    job.a = delta;
    job.b = weight->vector;
    job.epsilon = epsilon;
    job.out = out;
    run_rows(&job, norm_piece);
}

static void silu_piece(void *data, uint32_t piece, uint32_t worker)
{
    const struct rows *rows = data;
    (void)worker;
    for (uint32_t r = piece * rows->together; r < last_row(rows, piece); r++) {
        size_t at = (size_t)r * rows->width;
        rows->state->table->plain->silu_multiply(rows->a + at, rows->b + at, rows->width,
                                                 rows->out + at);
    }
}

void cpu_silu_multiply(struct kernel_backend_state *state, const float *gate, const float *up,
                       uint32_t rows, uint32_t width, float *out)
{
    struct rows job = rows_of(state, rows, width);
    job.together = job.together / 4 > 0 ? job.together / 4 : 1; /* an exponential a number */
    job.a = gate;
    job.b = up;
    job.out = out;
    run_rows(&job, silu_piece);
}

/* ---- products ---- */

static bool is_half(enum kernel_type type)
{
    return type == KERNEL_F16 || type == KERNEL_BF16;
}

struct product_job {
    struct kernel_backend_state *state;
    const struct kernel_product *products;
    uint32_t count;
    uint32_t together[PRODUCTS_MAX]; /* strips of a piece, by product */
    uint32_t pieces[PRODUCTS_MAX];
};

static void prepare_piece(void *data, uint32_t piece, uint32_t worker)
{
    struct kernel_backend_state *state = data;
    (void)worker;
    if (state->input.eight) {
        state->table->plain->prepare(&state->input, piece);
    }
    if (state->input.half) {
        state->table->prepare_halves(&state->input, piece);
    }
}

static size_t rounded(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* Room for the input in the forms that are wanted, and its preparation. */
static void prepare_input(struct kernel_backend_state *state, const struct kernel_product *products,
                          uint32_t count, const float *x, uint32_t rows)
{
    struct cpu_input *input = &state->input;
    input->x = x;
    input->rows = rows;
    input->columns = products[0].weight->tile.columns;
    input->blocks = products[0].weight->tile.blocks;
    input->groups = (rows + CPU_ROWS - 1) / CPU_ROWS;
    input->eight = false;
    input->half = false;
    for (uint32_t p = 0; p < count; p++) {
        enum kernel_type type = products[p].weight->tile.type;
        KERNEL_ASSERT(products[p].weight->tile.columns == input->columns);
        input->eight = input->eight || cpu_tile_layout(type) != NULL;
        input->half = input->half || (is_half(type) && state->table->halves != NULL);
    }
    size_t had = state->input_room * CPU_ROWS;
    size_t want = (size_t)input->groups * input->blocks * CPU_ROWS;
    if (input->eight && want > had) {
        input->q = cpu_room(state, input->q, rounded(had * CPU_BLOCK), want * CPU_BLOCK);
        input->scale =
            cpu_room(state, input->scale, rounded(had * sizeof(float)), want * sizeof(float));
        input->sum =
            cpu_room(state, input->sum, rounded(had * sizeof(float)), want * sizeof(float));
        input->count = cpu_room(state, input->count, rounded(had * sizeof *input->count),
                                want * sizeof *input->count);
        state->input_room = want / CPU_ROWS;
    }
    had = state->half_room * CPU_ROWS;
    if (input->half && want > had) {
        input->halves =
            cpu_room(state, input->halves, rounded(had * CPU_BLOCK * sizeof *input->halves),
                     want * CPU_BLOCK * sizeof *input->halves);
        state->half_room = want / CPU_ROWS;
    }
    if (input->eight || input->half) {
        cpu_pool_run(state->pool, prepare_piece, state, input->groups);
    }
}

static void prepare_scratch(struct kernel_backend_state *state, uint32_t rows, uint32_t blocks)
{
    /* of a block of all strips; q: as bytes, or as bf16 of one strip */
    enum {
        Q = CPU_WIDE_STRIPS * CPU_BLOCK * CPU_STRIP,
        SCALES = CPU_WIDE_STRIPS * 2 * CPU_LINE,
        LEAST = CPU_WIDE_STRIPS * CPU_LINE,
        SUMS = CPU_WIDE_STRIPS * CPU_LINE,
        WIDE = CPU_STEP * CPU_STRIP * sizeof(float)
    };
    rows = (rows + CPU_ROWS - 1) / CPU_ROWS * CPU_ROWS;
    size_t had = state->scratch_blocks;
    size_t had_rows = state->scratch_rows;
    for (uint32_t i = 0; i < cpu_pool_threads(state->pool); i++) {
        struct cpu_scratch *scratch = &state->scratch[i];
        if (blocks > had) {
            scratch->q = cpu_room(state, scratch->q, had * Q, (size_t)blocks * Q);
            scratch->scale = cpu_room(state, scratch->scale, had * SCALES, (size_t)blocks * SCALES);
            scratch->least = cpu_room(state, scratch->least, had * LEAST, (size_t)blocks * LEAST);
        }
        if (scratch->wide == NULL) {
            scratch->wide = cpu_room(state, NULL, 0, WIDE);
        }
        if (rows > had_rows) {
            scratch->sums = cpu_room(state, scratch->sums, had_rows * SUMS, (size_t)rows * SUMS);
        }
    }
    state->scratch_blocks = blocks > state->scratch_blocks ? blocks : state->scratch_blocks;
    state->scratch_rows = rows > state->scratch_rows ? rows : state->scratch_rows;
}

static void product_piece(void *data, uint32_t piece, uint32_t worker)
{
    const struct product_job *job = data;
    const struct cpu_level_table *table = job->state->table;
    uint32_t p = 0;
    while (piece >= job->pieces[p]) {
        piece -= job->pieces[p++];
    }
    const struct kernel_product *product = &job->products[p];
    const struct cpu_tile *tile = &product->weight->tile;
    uint32_t first = piece * job->together[p];
    uint32_t last = first + job->together[p];
    struct cpu_work work = {
        .input = &job->state->input,
        .weight = product->weight,
        .bias = product->bias != NULL ? product->bias->vector : NULL,
        .out = product->out,
        .first = first,
        .last = last < tile->strips ? last : tile->strips,
        .scratch = &job->state->scratch[worker],
    };
    if (cpu_tile_layout(tile->type) != NULL) {
        table->blocks(&work);
    } else if (is_half(tile->type) && table->halves != NULL) {
        table->halves(&work);
    } else {
        table->plain->floats(&work);
    }
}

void cpu_linear(struct kernel_backend_state *state, const struct kernel_product *products,
                uint32_t count, const float *x, uint32_t rows)
{
    KERNEL_ASSERT(count <= PRODUCTS_MAX);
    struct product_job job = {.state = state, .products = products, .count = count};
    uint32_t pieces = 0;
    prepare_input(state, products, count, x, rows);
    prepare_scratch(state, rows, state->input.blocks);
    for (uint32_t p = 0; p < count; p++) {
        const struct cpu_tile *tile = &products[p].weight->tile;
        /* whole sets of strips: single ones are dearer */
        size_t together = PIECE_BYTES / tile->stride / CPU_WIDE_STRIPS * CPU_WIDE_STRIPS;
        job.together[p] = together > 0 ? (uint32_t)together : CPU_WIDE_STRIPS;
        job.pieces[p] = (tile->strips + job.together[p] - 1) / job.together[p];
        pieces += job.pieces[p];
    }
    cpu_pool_run(state->pool, product_piece, &job, pieces);
}

/* ---- positions, cache, attention ---- */

struct token_job {
    struct kernel_backend_state *state;
    uint32_t layer, together;
    float *q, *k, *out;
    const float *v;
    const float *q_norm, *k_norm;
};

static const float *block_at(const struct token_job *job, int32_t block)
{
    const struct kernel_shape *shape = job->state->shape;
    KERNEL_ASSERT(block >= 0 && (uint32_t)block < job->state->blocks);
    return job->state->cache +
           ((size_t)job->layer * job->state->blocks + (size_t)block) * cpu_block_floats(shape);
}

static void turn_head(const struct token_job *job, float *head, const float *factor, uint32_t token)
{
    const struct kernel_shape *shape = job->state->shape;
    const struct cpu_plain *plain = job->state->table->plain;
    uint32_t half = shape->rope_width / 2;
    if (factor != NULL) {
        plain->norm(head, NULL, factor, shape->norm_epsilon, shape->head_width, head);
    }
    plain->rotate(head, job->state->turns + (size_t)token * half * 2, half, shape->rope_halves);
}

static void store_token(const struct token_job *job, uint32_t token)
{
    const struct kernel_shape *shape = job->state->shape;
    const struct kernel_batch *batch = job->state->batch;
    uint32_t width = shape->head_width;
    uint32_t stride = (width + 15) / 16 * 16;
    int32_t position = batch->position[token];
    uint32_t sequence = (uint32_t)job->state->sequence[token];
    int32_t block =
        batch->block[(size_t)sequence * batch->blocks_max + position / KERNEL_BLOCK_TOKENS];
    float *at = (float *)(uintptr_t)block_at(job, block);
    uint32_t place = (uint32_t)position % KERNEL_BLOCK_TOKENS;
    for (uint32_t h = 0; h < shape->kv_heads; h++, at += cpu_head_floats(shape)) {
        float *key = job->k + ((size_t)token * shape->kv_heads + h) * width;
        const float *value = job->v + ((size_t)token * shape->kv_heads + h) * width;
        float *values = at + (size_t)CPU_POSITIONS * width + (size_t)place * stride;
        turn_head(job, key, job->k_norm, token);
        for (uint32_t i = 0; i < width; i++) {
            at[(size_t)i * CPU_POSITIONS + place] = key[i];
        }
        memcpy(values, value, width * sizeof *values);
        memset(values + width, 0, (stride - width) * sizeof *values);
    }
}

static void rope_piece(void *data, uint32_t piece, uint32_t worker)
{
    const struct token_job *job = data;
    const struct kernel_shape *shape = job->state->shape;
    (void)worker;
    uint32_t last = (piece + 1) * job->together;
    last = last < job->state->batch->tokens ? last : job->state->batch->tokens;
    for (uint32_t t = piece * job->together; t < last; t++) {
        for (uint32_t h = 0; h < shape->heads; h++) {
            turn_head(job, job->q + ((size_t)t * shape->heads + h) * shape->head_width, job->q_norm,
                      t);
        }
        store_token(job, t);
    }
}

void cpu_rope_store(struct kernel_backend_state *state, uint32_t layer, float *q, float *k,
                    const float *v, const struct kernel_weight *q_norm,
                    const struct kernel_weight *k_norm)
{
    _Static_assert((int)CPU_POSITIONS == (int)KERNEL_BLOCK_TOKENS, "a cache block is a register");
    struct token_job job = {.state = state, .layer = layer, .together = 16, .q = q, .k = k, .v = v};
    job.q_norm = q_norm != NULL ? q_norm->vector : NULL;
    job.k_norm = k_norm != NULL ? k_norm->vector : NULL;
    cpu_pool_run(state->pool, rope_piece, &job, (state->batch->tokens + 15) / 16);
}

static void attention_piece(void *data, uint32_t piece, uint32_t worker)
{
    const struct token_job *job = data;
    const struct kernel_shape *shape = job->state->shape;
    const struct kernel_batch *batch = job->state->batch;
    (void)worker;
    uint32_t token = piece / shape->kv_heads;
    uint32_t kv_head = piece % shape->kv_heads;
    size_t at = ((size_t)token * shape->heads + kv_head * (shape->heads / shape->kv_heads)) *
                shape->head_width;
    struct cpu_attend attend = {
        .shape = shape,
        .q = job->q + at,
        .out = job->out + at,
        .cache = block_at(job, 0),
        .block = batch->block + (size_t)job->state->sequence[token] * batch->blocks_max,
        .kv_head = kv_head,
        .position = batch->position[token],
    };
    job->state->table->plain->attend(&attend);
}

void cpu_attention(struct kernel_backend_state *state, uint32_t layer, const float *q, float *out)
{
    struct token_job job = {.state = state, .layer = layer, .q = (float *)(uintptr_t)q, .out = out};
    cpu_pool_run(state->pool, attention_piece, &job, state->batch->tokens * state->shape->kv_heads);
}

/* ---- adapters ---- */

struct adapt_job {
    struct kernel_backend_state *state;
    const struct kernel_low_rank *of;
    uint32_t count;
    const float *x;
    float *out;
};

static size_t lines_of(size_t bytes)
{
    return (bytes + CPU_LIKE_CACHE - 1) / CPU_LIKE_CACHE * CPU_LIKE_CACHE;
}

/* The step's tokens by their adapter: its weights are read once for CPU_ROWS of them. */
static void gather_adapted(struct kernel_backend_state *state)
{
    const struct kernel_batch *batch = state->batch;
    size_t bytes = (batch->tokens + 1) * sizeof *state->adapted;
    if (bytes > state->adapted_bytes) {
        state->adapted = cpu_room(state, state->adapted, lines_of(state->adapted_bytes), bytes);
        state->piece = cpu_room(state, state->piece, lines_of(state->adapted_bytes), bytes);
        state->adapted_bytes = bytes;
    }
    uint32_t count = 0;
    for (uint32_t s = 0; s < batch->sequences; s++) {
        bool first = batch->adapter[s] >= 0;
        for (uint32_t other = 0; other < s && first; other++) {
            first = batch->adapter[other] != batch->adapter[s];
        }
        uint32_t begin = count;
        for (uint32_t other = s; other < batch->sequences && first; other++) {
            if (batch->adapter[other] != batch->adapter[s]) {
                continue;
            }
            for (int32_t t = batch->start[other]; t < batch->start[other + 1]; t++) {
                if ((count - begin) % CPU_ROWS == 0) {
                    state->piece[state->pieces++] = count;
                }
                state->adapted[count++] = (uint32_t)t;
            }
        }
    }
    state->piece[state->pieces] = count;
}

static void low_rank_product(const struct kernel_backend_state *state, const struct cpu_work *work)
{
    if (is_half(work->weight->tile.type)) {
        state->table->plain->low_rank(work);
    } else {
        state->table->plain->floats(work);
    }
}

/* The adapter of a piece; NULL: it has nothing here. */
static const struct kernel_low_rank *adapter_of(const struct adapt_job *job, uint32_t piece)
{
    const struct kernel_backend_state *state = job->state;
    uint32_t token = state->adapted[state->piece[piece]];
    uint32_t adapter = (uint32_t)state->batch->adapter[state->sequence[token]];
    return adapter < job->count && job->of[adapter].a != NULL ? &job->of[adapter] : NULL;
}

/* Asks for the beginning of a small matrix that comes after the one at work. */
static void ask_for(const struct kernel_weight *weight)
{
    for (size_t i = 0; i < BEGINNING && i < weight->bytes; i += CPU_LIKE_CACHE) {
        __builtin_prefetch(weight->strips + i);
    }
}

/* Tokens of one adapter: `low` = a x, out += scale * b low. */
static void adapt_piece(void *data, uint32_t piece, uint32_t worker)
{
    const struct adapt_job *job = data;
    struct kernel_backend_state *state = job->state;
    const uint32_t *tokens = state->adapted + state->piece[piece];
    uint32_t rows = state->piece[piece + 1] - state->piece[piece];
    const struct kernel_low_rank *of = adapter_of(job, piece);
    if (of == NULL) {
        return;
    }
    uint32_t columns = of->a->tile.columns;
    float *low = state->low + (size_t)worker * CPU_ROWS * KERNEL_RANK_MAX;
    float *together = state->together + (size_t)worker * CPU_ROWS * state->widest;
    struct cpu_input input = {.x = together, .rows = rows};
    struct cpu_work work = {.input = &input, .scratch = &state->scratch[worker]};
    for (uint32_t r = 0; r < rows; r++) {
        memcpy(together + (size_t)r * columns, job->x + (size_t)tokens[r] * columns,
               columns * sizeof *together);
    }
    work.weight = of->a;
    work.last = of->a->tile.strips;
    work.out = low;
    ask_for(of->b);
    low_rank_product(state, &work);
    work.weight = of->b;
    work.last = of->b->tile.strips;
    work.out = job->out;
    work.place = tokens;
    work.add = true;
    work.scale = of->scale;
    input.x = low;
    const struct kernel_low_rank *next =
        piece + 1 < state->pieces ? adapter_of(job, piece + 1) : NULL;
    if (next != NULL) {
        ask_for(next->a);
    }
    low_rank_product(state, &work);
}

void cpu_adapt(struct kernel_backend_state *state, const struct kernel_low_rank *of, uint32_t count,
               const float *x, float *out)
{
    uint32_t threads = cpu_pool_threads(state->pool);
    uint32_t widest = state->widest;
    for (uint32_t i = 0; i < count; i++) {
        if (of[i].a != NULL) { /* the backend made them: it may change them */
            KERNEL_ASSERT(of[i].rank <= KERNEL_RANK_MAX);
            cpu_weight_adapt(state, (struct kernel_weight *)(uintptr_t)of[i].a);
            cpu_weight_adapt(state, (struct kernel_weight *)(uintptr_t)of[i].b);
            widest = of[i].a->tile.columns > widest ? of[i].a->tile.columns : widest;
        }
    }
    if (widest > state->widest) {
        size_t each = (size_t)threads * CPU_ROWS * sizeof *state->together;
        state->together =
            cpu_room(state, state->together, lines_of(each * state->widest), each * widest);
        state->widest = widest;
    }
    if (state->low == NULL) {
        state->low = cpu_room(state, NULL, 0,
                              (size_t)threads * CPU_ROWS * KERNEL_RANK_MAX * sizeof *state->low);
    }
    if (state->pieces == 0) {
        gather_adapted(state);
    }
    prepare_scratch(state, CPU_ROWS, 1);
    struct adapt_job job = {state, of, count, x, out};
    cpu_pool_run(state->pool, adapt_piece, &job, state->pieces);
}
