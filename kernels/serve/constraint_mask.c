/* constraint_mask.c -- which tokens may come next: the trie walked beside the automaton, and where
 * the answer is inside free text, masks that were made with the vocabulary.
 *
 *     inside a free string            elsewhere
 *       plain     a ready mask          walk the whole trie; what cannot go on is leapt over
 *       closing   by what follows "
 *       odd       walk
 *
 * A walk keeps one state per depth.  As long as one machine is all that moves (a string, a number)
 * that state is two integers; else it is a set of stacks, whose frames are forgotten on the way
 * back.  Masks that were dear are kept by everything that the stack is.
 */
#include "kernels/serve/constraint.h"

#include "kernels/base/fail.h"
#include "kernels/serve/constraint_state.h"

#include <stdlib.h>
#include <string.h>

enum {
    CACHE_FROM = 1500,   /* nodes: what took fewer is found as fast as it is looked up */
    CANDIDATES_MAX = 32, /* names that the key in progress may still become */
    LEVELS = TRIE_TOKEN_BYTES_MAX + 2
};

struct walk {
    struct kernel_constraint *state;
    struct stepper stepper;
    const struct trie_tree *tree;
    uint64_t *mask;  /* tokens; NULL: `rests` */
    uint32_t *rests; /* rests of closing tokens that may come; set to `round` */
    uint32_t round;
    uint64_t visited;
    const struct frame *base;
};

/* ---- one byte further ---- */

static void keep_out(struct walk *w, struct level *to, uint32_t first)
{
    struct kernel_constraint *state = w->state;
    const struct stacks *out = w->stepper.out;
    if (first + out->count > state->list_room) {
        state->list_room = (first + out->count) * 2;
        state->list = kernel_resize(state->list, state->list_room, sizeof(const struct frame *));
    }
    to->fast = false;
    to->first = first;
    to->size = out->count;
    if (out->count > 0) {
        memcpy(state->list + first, out->at, out->count * sizeof(const struct frame *));
    }
    to->mark = w->stepper.pool->now;
}

/* The base frame as it is in a fast level, for the slow way on. */
static const struct frame *materialise(struct walk *w, const struct level *from)
{
    struct frame *frame = step_frame(&w->stepper, w->base);
    frame->state = from->state;
    frame->count = from->count;
    return frame;
}

static bool step_slowly(struct walk *w, const struct frame *frame, const struct level *from,
                        struct level *to, uint8_t byte)
{
    w->stepper.out->count = 0;
    step_byte(&w->stepper, frame, byte);
    keep_out(w, to, from->fast ? 0 : from->first + from->size);
    return to->size > 0;
}

static bool step_fast(struct walk *w, const struct level *from, struct level *to, uint8_t byte)
{
    const struct alt *alt = w->base->alt;
    bool scalar = w->base->phase == PHASE_SCALAR;
    const struct machine *m = w->base->phase == PHASE_KEY_OTHER ? alt->others : alt->machine;
    uint32_t next = machine_step(m, from->state, byte);
    if (scalar ? next == MACHINE_DEAD || machine_is(m, next, MACHINE_STUCK)
               : byte == '"' && machine_is(m, from->state, MACHINE_BOUNDARY)) {
        if (scalar && next == MACHINE_DEAD && !machine_is(m, from->state, MACHINE_ACCEPT)) {
            return false;
        }
        return step_slowly(w, materialise(w, from), from, to, byte);
    }
    if (next == MACHINE_DEAD) {
        return false;
    }
    to->fast = true;
    to->state = next;
    to->count = from->count;
    if (w->base->phase == PHASE_STRING) {
        to->count += machine_is(m, next, MACHINE_BOUNDARY);
        if (!step_fits(alt, next, to->count)) {
            return false;
        }
        to->count = step_count(alt, to->count);
    }
    to->mark = from->mark;
    return true;
}

static bool step_level(struct walk *w, const struct level *from, struct level *to, uint8_t byte)
{
    w->stepper.pool->now = from->mark;
    if (from->fast) {
        return step_fast(w, from, to, byte);
    }
    w->stepper.out->count = 0;
    for (uint32_t i = 0; i < from->size; i++) {
        step_byte(&w->stepper, w->state->list[from->first + i], byte);
    }
    keep_out(w, to, from->first + from->size);
    return to->size > 0;
}

/* ---- the walk ---- */

static void found(struct walk *w, int32_t token)
{
    if (w->mask != NULL) {
        trie_set(w->state->grammar->trie, w->mask, token);
    } else {
        w->rests[token] = w->round;
    }
}

static void walk(struct walk *w)
{
    struct level *levels = w->state->levels;
    uint32_t base = (uint32_t)w->state->text.length;
    if (w->tree->nodes[0].token >= 0) {
        found(w, w->tree->nodes[0].token);
    }
    for (uint32_t i = 1; i < w->tree->count;) {
        const struct trie_node *node = &w->tree->nodes[i];
        w->visited++;
        w->stepper.length = base + node->depth - 1;
        w->state->text.at[w->stepper.length] = (char)node->byte;
        if (step_level(w, &levels[node->depth - 1], &levels[node->depth], node->byte)) {
            if (node->token >= 0) {
                found(w, node->token);
            }
            i++;
        } else {
            i = node->skip;
        }
    }
}

static bool is_fast(const struct frame *frame)
{
    return frame->phase == PHASE_SCALAR || frame->phase == PHASE_STRING ||
           (frame->phase == PHASE_KEY_OTHER && frame->alt->others->ways == NULL);
}

static void walk_from(struct walk *w, const struct trie_tree *tree, const struct frame *frame)
{
    struct level *levels = w->state->levels;
    w->tree = tree;
    w->base = frame;
    levels[0] = (struct level){.fast = is_fast(frame),
                               .state = frame->state,
                               .count = frame->count,
                               .mark = w->stepper.pool->now};
    if (!levels[0].fast) {
        w->stepper.out->count = 0;
        stacks_add(w->stepper.out, frame);
        keep_out(w, &levels[0], 0);
    }
    walk(w);
}

/* ---- free text ---- */

struct candidate { /* what a key in progress lacks to be one that is taken */
    char *rest;
    size_t length;
};
struct candidates {
    struct candidate at[CANDIDATES_MAX];
    uint32_t count;
    bool many;
};

static void add_candidate(struct candidates *c, struct kernel_text decoded,
                          struct kernel_text typed, bool json)
{
    size_t t = 0;
    size_t d = 0;
    while (t < typed.length) {
        uint32_t point = d >= decoded.length ? UINT32_MAX
                         : json              ? spell_read_json(decoded, &d)
                                             : spell_read_utf8(decoded, &d);
        if (point != spell_read_json(typed, &t)) {
            return;
        }
    }
    if (c->count == CANDIDATES_MAX) {
        c->many = true;
        return;
    }
    struct candidate *one = &c->at[c->count++];
    one->rest = kernel_allocate(decoded.length + 1, 4);
    one->length = 0;
    while (d < decoded.length) {
        uint32_t point = json ? spell_read_json(decoded, &d) : spell_read_utf8(decoded, &d);
        one->length += spell_utf8(point, one->rest + one->length);
    }
}

static void find_candidates(const struct walk *w, const struct frame *frame, struct candidates *c)
{
    const char *text = w->state->text.at;
    struct kernel_text typed = {text + frame->key_at, w->state->text.length - frame->key_at};
    *c = (struct candidates){.count = 0};
    for (const struct used *used = frame->used; used != NULL; used = used->up) {
        add_candidate(c, (struct kernel_text){text + used->at, used->length}, typed, true);
    }
    for (uint32_t p = 0; p < frame->alt->property_count; p++) {
        add_candidate(c, frame->alt->properties[p].name, typed, false);
    }
}

static bool taken(struct walk *w, const struct frame *frame, const struct candidates *c,
                  const char *bytes, uint32_t length)
{
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->at[i].length == length && memcmp(c->at[i].rest, bytes, length) == 0) {
            return true;
        }
    }
    if (!c->many) {
        return false;
    }
    struct spell_bytes *key = &w->state->key;
    key->length = 0;
    spell_add(key, w->state->text.at + frame->key_at, w->state->text.length - frame->key_at);
    spell_add(key, bytes, length);
    return step_key_taken(w->state->text.at, frame, (struct kernel_text){key->at, key->length});
}

/* The state of the machine after plain bytes; DEAD where it is not accepting there. */
static uint32_t end_after(const struct machine *m, uint32_t state, const char *bytes,
                          uint32_t length)
{
    for (uint32_t i = 0; i < length && state != MACHINE_DEAD; i++) {
        state = machine_step(m, state, (uint8_t)bytes[i]);
    }
    return machine_is(m, state, MACHINE_ACCEPT) ? state : MACHINE_DEAD;
}

/* Tokens that end a string value: the rests that may follow it, then by length. */
static void closing_values(struct walk *w, const struct frame *frame)
{
    const struct kernel_trie *trie = w->state->grammar->trie;
    const struct alt *alt = frame->alt;
    bool free_text = machine_is(alt->machine, frame->state, MACHINE_FREE);
    uint64_t *mask = w->mask;
    w->mask = NULL;
    w->round++;
    walk_from(w, &trie->rests, frame->up);
    w->mask = mask;
    for (uint32_t r = 0; r < trie->rest_count; r++) {
        for (uint32_t i = trie->closing_at[r];
             w->rests[r] == w->round && i < trie->closing_at[r + 1]; i++) {
            const struct trie_closing *one = &trie->closing[i];
            uint64_t count = (uint64_t)frame->count + one->characters;
            bool good = free_text ? count >= alt->least && count <= alt->most
                                  : end_after(alt->machine, frame->state,
                                              trie->bytes[one->token].bytes, one->bytes) != 0;
            if (good) {
                mask[one->token / 64] |= UINT64_C(1) << (one->token % 64);
            }
        }
    }
}

/* Does what follows the key's quote go past the key's own value? Then the key itself matters. */
static bool goes_far(struct kernel_text token, uint32_t quote)
{
    return memchr(token.bytes + quote, ',', token.length - quote) != NULL;
}

static bool takes_token(struct walk *w, const struct frame *frame, struct kernel_text token)
{
    struct kernel_constraint *state = w->state;
    struct pool_mark mark = w->stepper.pool->now;
    struct stacks from = {0};
    struct stacks to = {0};
    stacks_add(&from, frame);
    for (size_t i = 0; i < token.length && from.count > 0; i++) {
        w->stepper.length = (uint32_t)(state->text.length + i);
        state->text.at[w->stepper.length] = token.bytes[i];
        to.count = 0;
        w->stepper.out = &to;
        for (uint32_t k = 0; k < from.count; k++) {
            step_byte(&w->stepper, from.at[k], (uint8_t)token.bytes[i]);
        }
        struct stacks swap = from;
        from = to;
        to = swap;
    }
    bool good = from.count > 0;
    free(from.at);
    free(to.at);
    w->stepper.out = &state->other;
    w->stepper.pool->now = mark;
    return good;
}

/* Tokens that end another key: once for each kind of value that may follow. */
static void closing_keys(struct walk *w, const struct frame *frame)
{
    const struct kernel_trie *trie = w->state->grammar->trie;
    const struct alt *alt = frame->alt;
    struct candidates candidates;
    find_candidates(w, frame, &candidates);
    uint64_t *mask = w->mask;
    for (uint32_t o = 0; o < alt->other_count; o++) {
        uint32_t rule = alt->other_rules[o].rule;
        struct frame *colon = step_frame(&w->stepper, frame);
        colon->phase = PHASE_COLON;
        colon->state = rule;
        colon->at = alt->property_count;
        colon->count = step_count(alt, frame->count + 1);
        w->mask = NULL;
        w->round++;
        walk_from(w, &trie->rests, colon);
        w->mask = mask;
        for (uint32_t r = 0; r < trie->rest_count; r++) {
            for (uint32_t i = trie->closing_at[r];
                 w->rests[r] == w->round && i < trie->closing_at[r + 1]; i++) {
                const struct trie_closing *one = &trie->closing[i];
                struct kernel_text token = trie->bytes[one->token];
                uint32_t end = machine_is(alt->others, frame->state, MACHINE_FREE)
                                   ? frame->state
                                   : end_after(alt->others, frame->state, token.bytes, one->bytes);
                if (end != MACHINE_DEAD && grammar_other(alt, alt->others->label[end]) == rule &&
                    !taken(w, frame, &candidates, token.bytes, one->bytes) &&
                    (!goes_far(token, one->bytes) || takes_token(w, frame, token))) {
                    mask[one->token / 64] |= UINT64_C(1) << (one->token % 64);
                }
            }
        }
    }
    for (uint32_t i = 0; i < candidates.count; i++) {
        free(candidates.at[i].rest);
    }
}

/* True where the ready masks say it all but for the odd tokens. */
static bool free_text(struct walk *w, const struct frame *frame)
{
    const struct kernel_trie *trie = w->state->grammar->trie;
    const struct alt *alt = frame->alt;
    if (frame->phase == PHASE_KEY_OTHER) {
        if (alt->others->ways != NULL ||
            !machine_is(alt->others, frame->state, MACHINE_BOUNDARY | MACHINE_OPEN)) {
            return false;
        }
        trie_plain(trie, UINT32_MAX, w->mask);
        closing_keys(w, frame);
        return true;
    }
    if (frame->phase != PHASE_STRING ||
        !machine_is(alt->machine, frame->state, MACHINE_BOUNDARY | MACHINE_OPEN) ||
        (alt->most != UINT32_MAX && !machine_is(alt->machine, frame->state, MACHINE_FREE))) {
        return false;
    }
    trie_plain(trie, alt->most == UINT32_MAX ? UINT32_MAX : alt->most - frame->count, w->mask);
    closing_values(w, frame);
    return true;
}

/* ---- masks kept by state ---- */

static void add_text(struct spell_bytes *key, const char *text, uint32_t at, uint32_t length)
{
    spell_add(key, &length, sizeof length);
    spell_add(key, text + at, length);
}

static uint64_t state_key(struct kernel_constraint *state, const struct frame *frame)
{
    struct spell_bytes *key = &state->key;
    key->length = 0;
    for (; frame != NULL; frame = frame->up) {
        uint32_t numbers[5] = {frame->phase, frame->state, frame->at, frame->count, frame->depth};
        spell_add(key, &frame->alt, sizeof frame->alt);
        spell_add(key, numbers, sizeof numbers);
        for (const struct used *used = frame->used; used != NULL; used = used->up) {
            add_text(key, state->text.at, used->at, used->length);
        }
        if (frame->phase == PHASE_KEY_OTHER) {
            add_text(key, state->text.at, frame->key_at,
                     (uint32_t)state->text.length - frame->key_at);
        }
    }
    uint64_t hash = 1469598103934665603u;
    for (size_t i = 0; i < key->length; i++) {
        hash = (hash ^ (uint8_t)key->at[i]) * 1099511628211u;
    }
    return hash ^ hash >> 32;
}

static struct cache_entry *cache_slot(const struct kernel_grammar *grammar, uint64_t hash)
{
    struct kernel_grammar *open = (struct kernel_grammar *)(uintptr_t)grammar; /* has the lock */
    return &open->cache[hash % GRAMMAR_CACHE];
}

static bool cached(struct kernel_constraint *state, uint64_t hash, uint64_t *mask)
{
    struct kernel_grammar *grammar = (struct kernel_grammar *)(uintptr_t)state->grammar;
    pthread_mutex_lock(&grammar->lock);
    const struct cache_entry *entry = cache_slot(grammar, hash);
    bool hit = entry->mask != NULL && entry->hash == hash &&
               entry->key_length == state->key.length &&
               memcmp(entry->key, state->key.at, entry->key_length) == 0;
    for (uint32_t i = 0; hit && i < grammar->trie->words; i++) {
        mask[i] |= entry->mask[i];
    }
    pthread_mutex_unlock(&grammar->lock);
    return hit;
}

static void keep(struct kernel_constraint *state, const struct frame *frame, const uint64_t *mask)
{
    struct kernel_grammar *grammar = (struct kernel_grammar *)(uintptr_t)state->grammar;
    uint64_t hash = state_key(state, frame);
    pthread_mutex_lock(&grammar->lock);
    struct cache_entry *entry = cache_slot(grammar, hash);
    if (entry->mask == NULL) {
        entry->mask = kernel_allocate(grammar->trie->words, sizeof *entry->mask);
    }
    entry->hash = hash;
    entry->key_length = state->key.length;
    entry->key = kernel_resize(entry->key, state->key.length, 1);
    memcpy(entry->key, state->key.at, state->key.length);
    memcpy(entry->mask, mask, grammar->trie->words * sizeof *mask);
    pthread_mutex_unlock(&grammar->lock);
}

/* ---- the whole ---- */

static void mask_closing(const struct kernel_constraint *state, uint64_t *mask)
{
    const struct kernel_trie *trie = state->grammar->trie;
    const struct trie_tree *tree = &trie->all;
    uint32_t node = 0;
    for (size_t at = state->rest_at; at < state->rest.length; at++) {
        uint32_t end = tree->nodes[node].skip;
        uint32_t child = node + 1;
        while (child < end && tree->nodes[child].byte != (uint8_t)state->rest.at[at]) {
            child = tree->nodes[child].skip;
        }
        if (child >= end) {
            return;
        }
        node = child;
        if (tree->nodes[node].token >= 0) {
            trie_set(trie, mask, tree->nodes[node].token);
        }
    }
}

static void mask_stack(struct kernel_constraint *state, const struct frame *frame, uint64_t *mask)
{
    const struct kernel_trie *trie = state->grammar->trie;
    uint64_t hash = state_key(state, frame);
    if (frame->phase == PHASE_FINISHED || cached(state, hash, mask)) {
        return;
    }
    memset(state->mask, 0, trie->words * sizeof *mask);
    struct walk w = {.state = state,
                     .stepper = state_trial(state),
                     .mask = state->mask,
                     .rests = state->rests,
                     .round = state->rests[trie->rest_count]};
    walk_from(&w, free_text(&w, frame) ? &trie->odd : &trie->all, frame);
    state->rests[trie->rest_count] = w.round;
    for (uint32_t i = 0; i < trie->words; i++) {
        mask[i] |= state->mask[i];
    }
    if (w.visited >= CACHE_FROM) {
        keep(state, frame, state->mask);
    }
}

void kernel_constraint_mask(struct kernel_constraint *state, uint64_t *mask)
{
    const struct kernel_trie *trie = state->grammar->trie;
    memset(mask, 0, trie->words * sizeof *mask);
    if (kernel_constraint_may_end(state)) {
        memcpy(mask, trie->ends, trie->words * sizeof *mask);
    }
    if (state->closing) {
        mask_closing(state, mask);
        return;
    }
    if (state->mask == NULL) {
        state->mask = kernel_allocate(trie->words, sizeof *state->mask);
        state->rests = kernel_allocate((size_t)trie->rest_count + 1, sizeof *state->rests);
        state->levels = kernel_allocate(LEVELS, sizeof *state->levels);
    }
    for (uint32_t i = 0; i < state->now.count; i++) {
        mask_stack(state, state->now.at[i], mask);
    }
}
