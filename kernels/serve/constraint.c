/* constraint.c -- a state's life: started, advanced, copied, asked. */
#include "kernels/serve/constraint.h"

#include "kernels/base/fail.h"
#include "kernels/serve/constraint_state.h"

#include <stdlib.h>
#include <string.h>

enum {
    POOL_COMPACT = 256 << 10, /* of frames, most of them dead: then the live ones move */
    CLOSE_BYTES_MAX = 4 << 20,
    WAY_FIRST = 128, /* bytes: how far an end is looked for at first ... */
    WAY_MORE = 4     /* ... and how much further each time */
};

void state_room(struct kernel_constraint *state, size_t more)
{
    if (state->text.length + more > state->text.room) {
        state->text.room = (state->text.length + more) * 2;
        state->text.at = kernel_resize(state->text.at, state->text.room, 1);
    }
}

struct stepper state_trial(struct kernel_constraint *state)
{
    state->scratch.now = (struct pool_mark){0, 0};
    state_room(state, TRIE_TOKEN_BYTES_MAX + 1);
    return (struct stepper){.grammar = state->grammar,
                            .pool = &state->scratch,
                            .text = state->text.at,
                            .length = (uint32_t)state->text.length,
                            .out = &state->other};
}

static struct kernel_constraint *create(const struct kernel_grammar *grammar)
{
    struct kernel_constraint *state = kernel_allocate(1, sizeof *state);
    state->grammar = grammar;
    state_room(state, 256);
    return state;
}

struct kernel_constraint *kernel_constraint_start(const struct kernel_grammar *grammar)
{
    struct kernel_constraint *state = create(grammar);
    struct frame *root = pool_take(&state->pool, sizeof *root);
    *root = (struct frame){.phase = PHASE_ROOT, .state = 0};
    stacks_add(&state->now, root);
    return state;
}

void kernel_constraint_destroy(struct kernel_constraint *state)
{
    if (state != NULL) {
        pool_free(&state->pool);
        pool_free(&state->scratch);
        free(state->now.at);
        free(state->other.at);
        free(state->text.at);
        free(state->rest.at);
        free(state->list);
        free(state->levels);
        free(state->key.at);
        free(state->way.at);
        free(state->trial.at);
        free(state->found.at);
        free(state->mask);
        free(state->rests);
        free(state);
    }
}

/* ---- moving frames to another pool: what stacks share stays shared ---- */

struct moved {
    const struct frame *from;
    const struct frame *to;
};
struct move {
    struct pool *pool;
    struct moved *frames;
    uint32_t count, room;
};

static const struct used *move_used(struct move *move, const struct used *used)
{
    const struct used *first = NULL;
    struct used *last = NULL;
    for (; used != NULL; used = used->up) {
        struct used *copy = pool_take(move->pool, sizeof *copy);
        *copy = *used;
        copy->up = NULL;
        if (last != NULL) {
            last->up = copy;
        } else {
            first = copy;
        }
        last = copy;
    }
    return first;
}

static const struct frame *move_frame(struct move *move, const struct frame *frame)
{
    if (frame == NULL || frame == &step_finished) {
        return frame;
    }
    for (uint32_t i = move->count; i-- > 0;) {
        if (move->frames[i].from == frame) {
            return move->frames[i].to;
        }
    }
    const struct frame *up = move_frame(move, frame->up); /* as deep as the answer is nested */
    struct frame *copy = pool_take(move->pool, sizeof *copy);
    *copy = *frame;
    copy->up = up;
    copy->used = move_used(move, frame->used);
    if (move->count == move->room) {
        move->room = move->room == 0 ? 32 : move->room * 2;
        move->frames = kernel_resize(move->frames, move->room, sizeof *move->frames);
    }
    move->frames[move->count++] = (struct moved){frame, copy};
    return copy;
}

static void move_stacks(const struct stacks *from, struct stacks *to, struct pool *pool)
{
    struct move move = {.pool = pool};
    to->count = 0;
    for (uint32_t i = 0; i < from->count; i++) {
        stacks_add(to, move_frame(&move, from->at[i]));
    }
    free(move.frames);
}

struct kernel_constraint *kernel_constraint_copy(const struct kernel_constraint *state)
{
    struct kernel_constraint *copy = create(state->grammar);
    move_stacks(&state->now, &copy->now, &copy->pool);
    spell_add(&copy->text, state->text.at, state->text.length);
    spell_add(&copy->rest, state->rest.at, state->rest.length);
    copy->closing = state->closing;
    copy->rest_at = state->rest_at;
    return copy;
}

static void compact(struct kernel_constraint *state)
{
    struct pool pool = {0};
    struct stacks stacks = {0};
    move_stacks(&state->now, &stacks, &pool);
    pool_free(&state->pool);
    free(state->now.at);
    state->pool = pool;
    state->now = stacks;
}

/* ---- advancing ---- */

static void copy_stacks(struct stacks *to, const struct stacks *from)
{
    if (to->room < from->count) {
        to->room = from->count;
        to->at = kernel_resize(to->at, to->room, sizeof(const struct frame *));
    }
    if (from->count > 0) {
        memcpy(to->at, from->at, from->count * sizeof(const struct frame *));
    }
    to->count = from->count;
}

/* All bytes from the stacks in `from`, which becomes what is left; both lists are overwritten. */
static bool run(struct kernel_constraint *state, struct stacks *from, struct stacks *to,
                struct kernel_text bytes)
{
    struct stepper stepper = {
        .grammar = state->grammar, .pool = &state->pool, .length = (uint32_t)state->text.length};
    state_room(state, bytes.length + 1);
    stepper.text = state->text.at;
    for (size_t i = 0; i < bytes.length && from->count > 0; i++) {
        state->text.at[stepper.length] = bytes.bytes[i];
        to->count = 0;
        stepper.out = to;
        for (uint32_t k = 0; k < from->count; k++) {
            step_byte(&stepper, from->at[k], (uint8_t)bytes.bytes[i]);
        }
        stepper.length++;
        struct stacks swap = *from;
        *from = *to;
        *to = swap;
    }
    return from->count > 0;
}

/* Where alternatives overflowed on the way, each stack alone still gets through. */
static bool run_apart(struct kernel_constraint *state, struct stacks *from,
                      struct kernel_text bytes)
{
    struct stacks out = {0};
    struct stacks one = {0};
    struct stacks other = {0};
    for (uint32_t i = 0; i < state->now.count; i++) {
        one.count = 0;
        stacks_add(&one, state->now.at[i]);
        run(state, &one, &other, bytes);
        for (uint32_t k = 0; k < one.count; k++) {
            stacks_add(&out, one.at[k]);
        }
    }
    copy_stacks(from, &out);
    free(out.at);
    free(one.at);
    free(other.at);
    return from->count > 0;
}

/* Takes the bytes, unless no end is within `most` bytes after them (`*ends`): then, as where they
 * may not come, the state is as before. */
static bool take(struct kernel_constraint *state, struct kernel_text bytes, uint32_t most,
                 bool *ends)
{
    size_t left = state->rest.length - state->rest_at;
    if (state->closing &&
        (bytes.length > left || (bytes.length > 0 && memcmp(state->rest.at + state->rest_at,
                                                            bytes.bytes, bytes.length) != 0))) {
        return false;
    }
    struct pool_mark mark = state->pool.now;
    struct stacks from = {0};
    copy_stacks(&from, &state->now);
    bool good = run(state, &from, &state->other, bytes);
    if (!good && state->now.count > 1) {
        good = run_apart(state, &from, bytes);
    }
    if (good) {
        struct stacks before = state->now;
        state->now = from;
        state->text.length += bytes.length;
        state->rest_at += state->closing ? bytes.length : 0;
        state->end_known = false;
        *ends = most == UINT32_MAX || kernel_constraint_ends_within(state, most);
        if (*ends) {
            free(before.at);
            if (state->pool.bytes > POOL_COMPACT) {
                compact(state);
            }
            return true;
        }
        state->now = before;
        state->text.length -= bytes.length;
        state->rest_at -= state->closing ? bytes.length : 0;
        state->end_known = false;
    }
    free(from.at);
    state->pool.now = mark;
    return good;
}

bool kernel_constraint_accepts_bytes(struct kernel_constraint *state, struct kernel_text bytes)
{
    bool ends = true;
    return take(state, bytes, UINT32_MAX, &ends);
}

bool kernel_constraint_advance_within(struct kernel_constraint *state, int32_t token, uint32_t most,
                                      bool *ends)
{
    const struct kernel_trie *trie = state->grammar->trie;
    *ends = true;
    if (token < 0 || (uint32_t)token >= trie->tokens) {
        return false;
    }
    if (trie->ends[token / 64] >> (token % 64) & 1) {
        return kernel_constraint_may_end(state);
    }
    return trie->usable[token] && take(state, trie->bytes[token], most, ends);
}

bool kernel_constraint_advance(struct kernel_constraint *state, int32_t token)
{
    bool ends = true;
    return kernel_constraint_advance_within(state, token, UINT32_MAX, &ends);
}

/* ---- asking ---- */

bool kernel_constraint_may_end(const struct kernel_constraint *state)
{
    if (state->closing) {
        return state->rest_at == state->rest.length;
    }
    for (uint32_t i = 0; i < state->now.count; i++) {
        if (step_may_end(state->now.at[i])) {
            return true;
        }
    }
    return false;
}

bool kernel_constraint_must_end(const struct kernel_constraint *state)
{
    if (state->closing) {
        return state->rest_at == state->rest.length;
    }
    for (uint32_t i = 0; i < state->now.count; i++) {
        if (state->now.at[i]->phase != PHASE_FINISHED) {
            return false;
        }
    }
    return true;
}

/* The only byte that may come next in `from`; -1 where there is a choice or the end. */
static int only_byte(struct stepper *stepper, const struct stacks *from, char *at)
{
    static const char first[] = "a0\",}:]"; /* most choices show within these */
    int found = -1;
    for (uint32_t i = 0; i < from->count; i++) {
        if (step_may_end(from->at[i])) {
            return -1;
        }
    }
    for (int i = 0; i < 256 + (int)sizeof first - 1; i++) {
        int byte = i < (int)sizeof first - 1 ? (uint8_t)first[i] : i - (int)sizeof first + 1;
        if (byte == found) {
            continue;
        }
        *at = (char)byte;
        stepper->out->count = 0;
        struct pool_mark mark = stepper->pool->now;
        for (uint32_t k = 0; k < from->count && stepper->out->count == 0; k++) {
            step_byte(stepper, from->at[k], (uint8_t)byte);
        }
        stepper->pool->now = mark;
        if (stepper->out->count > 0) {
            if (found >= 0) {
                return -1;
            }
            found = byte;
        }
    }
    return found;
}

size_t kernel_constraint_forced(const struct kernel_constraint *constant, char *out, size_t room)
{
    /* only memory that is kept between calls is touched, nothing that is the state */
    struct kernel_constraint *state = (struct kernel_constraint *)(uintptr_t)constant;
    size_t length = 0;
    if (state->closing) {
        length = state->rest.length - state->rest_at;
        length = length < room ? length : room;
        if (length > 0) { /* else there may be no rest at all */
            memcpy(out, state->rest.at + state->rest_at, length);
        }
        return length;
    }
    struct stepper stepper = state_trial(state);
    struct stacks from = {0};
    struct stacks to = {0};
    copy_stacks(&from, &state->now);
    while (length < room) {
        state_room(state, length + 2);
        stepper.text = state->text.at;
        char *at = state->text.at + stepper.length;
        int byte = only_byte(&stepper, &from, at);
        if (byte < 0) {
            break;
        }
        *at = (char)byte;
        to.count = 0;
        stepper.out = &to;
        for (uint32_t k = 0; k < from.count; k++) {
            step_byte(&stepper, from.at[k], (uint8_t)byte);
        }
        stepper.out = &state->other;
        stepper.length++;
        out[length++] = (char)byte;
        struct stacks swap = from;
        from = to;
        to = swap;
    }
    free(from.at);
    free(to.at);
    return length;
}

/* ---- closing ---- */

/* Of at most `most` bytes; looked for further and further, so that what it costs goes by the
 * shortest way and not by the longest.  `any`: the first that is found will do. */
static bool shortest_way(struct kernel_constraint *state, size_t most, bool any,
                         struct spell_bytes *out)
{
    bool found = false;
    for (size_t far = WAY_FIRST; !found; far *= WAY_MORE) {
        size_t limit = far < most ? far : most;
        for (uint32_t i = 0; i < state->now.count && !(found && any); i++) {
            struct spell_bytes *way = &state->trial;
            way->length = 0;
            if (close_stack(state, state->now.at[i], limit, way) &&
                (!found || way->length < out->length)) {
                struct spell_bytes swap = *out;
                *out = *way;
                *way = swap;
                found = true;
                limit = out->length;
            }
        }
        if (far >= most) {
            break;
        }
    }
    return found;
}

uint32_t kernel_constraint_shortest(const struct kernel_constraint *constant, uint32_t most)
{
    struct kernel_constraint *state = (struct kernel_constraint *)(uintptr_t)constant;
    if (state->closing) {
        return (uint32_t)(state->rest.length - state->rest_at);
    }
    bool found = shortest_way(state, most, false, &state->found);
    state->end_known = found;
    return found ? (uint32_t)state->found.length : most + 1;
}

bool kernel_constraint_ends_within(const struct kernel_constraint *constant, uint32_t most)
{
    struct kernel_constraint *state = (struct kernel_constraint *)(uintptr_t)constant;
    if (state->closing) {
        return state->rest.length - state->rest_at <= most;
    }
    if (state->end_known && state->found.length <= most) {
        return true;
    }
    state->end_known = shortest_way(state, most, true, &state->found);
    return state->end_known;
}

void kernel_constraint_close(struct kernel_constraint *state)
{
    if (!state->closing) {
        state->rest.length = 0;
        state->rest_at = 0;
        bool found = shortest_way(state, CLOSE_BYTES_MAX, false, &state->rest);
        KERNEL_ASSERT(found);
        state->closing = true;
    }
}

bool kernel_grammar_accepts(const struct kernel_grammar *grammar, struct kernel_text instance)
{
    struct kernel_constraint *state = kernel_constraint_start(grammar);
    bool good =
        kernel_constraint_accepts_bytes(state, instance) && kernel_constraint_may_end(state);
    kernel_constraint_destroy(state);
    return good;
}
