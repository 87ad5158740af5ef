/* regex.c -- tree to automaton: Thompson's construction, then subsets.
 *
 *         +--set--> next                 A state is the set of places that wait for a character
 *     start                              (SET), for the end (END), or are done (MATCH).  "Searched
 *         +--split--> a, b               for" is a fresh start after every character.
 */
#include "kernels/serve/regex.h"

#include "kernels/base/fail.h"

#include <stdlib.h>
#include <string.h>

enum { NODE_WORK = 5, STEP_WORK = 5, SORT_WORK = 4 }; /* steps: a place made, a set left, sorted */

enum node_kind { NODE_SET, NODE_SPLIT, NODE_BEGIN, NODE_END, NODE_MATCH };
struct node {
    enum node_kind kind;
    const struct regex_set *set;
    uint32_t a, b; /* b: of SPLIT */
};

struct nfa {
    struct node *at;
    uint32_t count, room;
    uint32_t start;
    struct work *work;
    bool full;
};

static uint32_t node_new(struct nfa *nfa, struct node node)
{
    if (nfa->count >= REGEX_NODES_MAX) {
        nfa->full = true;
        return 0;
    }
    if (nfa->count == nfa->room) {
        nfa->room = nfa->room == 0 ? 64 : nfa->room * 2;
        nfa->at = kernel_resize(nfa->at, nfa->room, sizeof *nfa->at);
    }
    nfa->at[nfa->count] = node;
    return nfa->count++;
}

/* Built backwards: the place that reads `tree` and goes on to `next`. */
static uint32_t build(struct nfa *nfa, const struct regex_tree *tree, uint32_t next);

static uint32_t build_row(struct nfa *nfa, const struct regex_tree *child, uint32_t next)
{
    uint32_t count = 0;
    for (const struct regex_tree *one = child; one != NULL; one = one->beside) {
        count++;
    }
    const struct regex_tree **list = kernel_allocate(count, sizeof *list);
    count = 0;
    for (const struct regex_tree *one = child; one != NULL; one = one->beside) {
        list[count++] = one;
    }
    while (count > 0 && !nfa->full) {
        next = build(nfa, list[--count], next);
    }
    free(list);
    return next;
}

static uint32_t build_repeat(struct nfa *nfa, const struct regex_tree *tree, uint32_t next)
{
    uint32_t tail = next;
    if (tree->most == UINT32_MAX) {
        tail = node_new(nfa, (struct node){.kind = NODE_SPLIT, .b = next});
        uint32_t body = build(nfa, tree->child, tail);
        if (!nfa->full) {
            nfa->at[tail].a = body;
        }
    } else {
        for (uint32_t i = tree->least; i < tree->most && !nfa->full; i++) {
            uint32_t body = build(nfa, tree->child, tail);
            tail = node_new(nfa, (struct node){.kind = NODE_SPLIT, .a = body, .b = next});
        }
    }
    for (uint32_t i = 0; i < tree->least && !nfa->full; i++) {
        tail = build(nfa, tree->child, tail);
    }
    return tail;
}

static uint32_t build(struct nfa *nfa, const struct regex_tree *tree, uint32_t next)
{
    nfa->full = nfa->full || !work_take(nfa->work, NODE_WORK); /* an empty group makes no place */
    switch (tree->kind) {
    case REGEX_EMPTY: break;
    case REGEX_SET:
        return node_new(nfa, (struct node){.kind = NODE_SET, .set = &tree->set, .a = next});
    case REGEX_ROW: return build_row(nfa, tree->child, next);
    case REGEX_EITHER: {
        uint32_t all = build(nfa, tree->child, next);
        for (const struct regex_tree *o = tree->child->beside; o != NULL && !nfa->full;
             o = o->beside) {
            uint32_t one = build(nfa, o, next);
            all = node_new(nfa, (struct node){.kind = NODE_SPLIT, .a = all, .b = one});
        }
        return all;
    }
    case REGEX_REPEAT: return build_repeat(nfa, tree, next);
    case REGEX_BEGIN: return node_new(nfa, (struct node){.kind = NODE_BEGIN, .a = next});
    case REGEX_END: return node_new(nfa, (struct node){.kind = NODE_END, .a = next});
    }
    return next;
}

/* ---- subsets ---- */

struct subsets {
    const struct nfa *nfa;
    uint32_t *mark; /* [nodes]: the round in which a node was visited */
    uint32_t round;
    uint32_t *stack; /* [2 * nodes] */
    uint32_t *now;   /* the set being made: nodes in order */
    uint32_t now_count;
    uint32_t *pool; /* all sets, one after the other */
    size_t pool_count, pool_room;
    size_t *set_at; /* [sets + 1] */
    uint32_t sets, sets_room;
    uint32_t *slot;
    uint32_t slots;
    uint64_t visited; /* places */
};

static void visit(struct subsets *s, uint32_t node, bool at_begin, bool at_end)
{
    uint32_t depth = 0;
    s->stack[depth++] = node;
    while (depth > 0) {
        uint32_t n = s->stack[--depth];
        if (s->mark[n] == s->round) {
            continue;
        }
        s->mark[n] = s->round;
        s->visited++;
        const struct node *one = &s->nfa->at[n];
        if (one->kind == NODE_SPLIT) {
            s->stack[depth++] = one->b;
            s->stack[depth++] = one->a;
        } else if (one->kind == NODE_BEGIN) {
            if (at_begin) {
                s->stack[depth++] = one->a;
            }
        } else if (one->kind == NODE_END && at_end) {
            s->stack[depth++] = one->a;
        } else {
            s->now[s->now_count++] = n;
        }
    }
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint64_t hash_of(const uint32_t *set, size_t count)
{
    uint64_t hash = 1469598103934665603u;
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ set[i]) * 1099511628211u;
        hash ^= hash >> 31;
    }
    return hash;
}

static void more_slots(struct subsets *s)
{
    s->slots = s->slots == 0 ? 256 : s->slots * 2;
    free(s->slot);
    s->slot = kernel_allocate(s->slots, sizeof *s->slot);
    for (uint32_t i = 1; i < s->sets; i++) {
        uint64_t hash = hash_of(s->pool + s->set_at[i], s->set_at[i + 1] - s->set_at[i]);
        uint32_t at = (uint32_t)(hash % s->slots);
        while (s->slot[at] != 0) {
            at = (at + 1) % s->slots;
        }
        s->slot[at] = i;
    }
}

/* The number of the set in `now`; 0 for the empty one.  `fresh`: of its own even where an equal set
 * exists (the start, because only there ^ holds). */
static uint32_t set_number(struct subsets *s, bool fresh)
{
    if (s->now_count == 0 && !fresh) {
        return CHARS_DEAD;
    }
    qsort(s->now, s->now_count, sizeof *s->now, by_number);
    if (s->sets * 2 >= s->slots) {
        more_slots(s);
    }
    uint32_t at = (uint32_t)(hash_of(s->now, s->now_count) % s->slots);
    for (; s->slot[at] != 0 && !fresh; at = (at + 1) % s->slots) {
        uint32_t number = s->slot[at];
        size_t count = s->set_at[number + 1] - s->set_at[number];
        if (number != CHARS_START && count == s->now_count &&
            memcmp(s->pool + s->set_at[number], s->now, count * sizeof *s->now) == 0) {
            return number;
        }
    }
    if (s->pool_count + s->now_count > s->pool_room) {
        s->pool_room = (s->pool_count + s->now_count) * 2;
        s->pool = kernel_resize(s->pool, s->pool_room, sizeof *s->pool);
    }
    if (s->now_count > 0) {
        memcpy(s->pool + s->pool_count, s->now, s->now_count * sizeof *s->now);
    }
    s->pool_count += s->now_count;
    if (s->sets + 2 > s->sets_room) {
        s->sets_room = s->sets_room == 0 ? 64 : s->sets_room * 2;
        s->set_at = kernel_resize(s->set_at, s->sets_room, sizeof *s->set_at);
    }
    uint32_t number = s->sets++;
    s->set_at[s->sets] = s->pool_count;
    s->slot[at] = number;
    return number;
}

static bool set_has(const struct regex_set *set, uint32_t point)
{
    uint32_t low = 0;
    uint32_t high = set->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (set->range[middle][1] < point) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < set->count && set->range[low][0] <= point;
}

static bool accepts(struct subsets *s, uint32_t state)
{
    s->round++;
    s->now_count = 0;
    for (size_t i = s->set_at[state]; i < s->set_at[state + 1]; i++) {
        s->mark[s->pool[i]] = s->round - 1;
        visit(s, s->pool[i], state == CHARS_START, true);
    }
    for (uint32_t i = 0; i < s->now_count; i++) {
        if (s->nfa->at[s->now[i]].kind == NODE_MATCH) {
            return true;
        }
    }
    return false;
}

static bool is_done(struct subsets *s)
{
    for (uint32_t i = 0; i < s->now_count; i++) {
        if (s->nfa->at[s->now[i]].kind == NODE_MATCH) {
            s->now[0] = s->now[i];
            s->now_count = 1; /* found: whatever follows, it stays found */
            return true;
        }
    }
    return false;
}

static void step(struct subsets *s, uint32_t state, uint32_t point)
{
    s->round++;
    s->now_count = 0;
    for (size_t i = s->set_at[state]; i < s->set_at[state + 1]; i++) {
        const struct node *node = &s->nfa->at[s->pool[i]];
        if (node->kind == NODE_SET && set_has(node->set, point)) {
            visit(s, node->a, false, false);
        } else if (node->kind == NODE_MATCH) {
            visit(s, s->pool[i], false, false);
        }
    }
    visit(s, s->nfa->start, false, false);
    is_done(s);
    s->visited += s->set_at[state + 1] - s->set_at[state] + SORT_WORK * (uint64_t)s->now_count;
}

static int by_address(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (const struct regex_set *const *)a;
    uintptr_t y = (uintptr_t) * (const struct regex_set *const *)b;
    return (x > y) - (x < y);
}

/* The sets of all places, each once: a repetition written out has the same set many times. */
static const struct regex_set **sets_of(const struct nfa *nfa, uint32_t *count)
{
    const struct regex_set **sets =
        kernel_allocate((size_t)nfa->count + 1, sizeof(const struct regex_set *));
    uint32_t used = 0;
    for (uint32_t i = 0; i < nfa->count; i++) {
        if (nfa->at[i].kind == NODE_SET) {
            sets[used++] = nfa->at[i].set;
        }
    }
    qsort(sets, used, sizeof(const struct regex_set *), by_address);
    *count = 0;
    for (uint32_t i = 0; i < used; i++) {
        if (*count == 0 || sets[*count - 1] != sets[i]) {
            sets[(*count)++] = sets[i];
        }
    }
    return sets;
}

static uint32_t *cuts_of(const struct nfa *nfa, uint32_t *classes)
{
    uint32_t count = 0;
    const struct regex_set **sets = sets_of(nfa, &count);
    size_t room = 2;
    for (uint32_t i = 0; i < count; i++) {
        room += 2 * (size_t)sets[i]->count;
    }
    uint32_t *cuts = kernel_allocate(room + 1, sizeof *cuts);
    size_t used = 1;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t r = 0; r < sets[i]->count; r++) {
            cuts[used++] = sets[i]->range[r][0];
            cuts[used++] = sets[i]->range[r][1] + 1;
        }
    }
    free(sets);
    qsort(cuts, used, sizeof *cuts, by_number);
    uint32_t kept = 0;
    for (size_t i = 0; i < used; i++) {
        if (cuts[i] < CHARS_END && (kept == 0 || cuts[kept - 1] != cuts[i])) {
            cuts[kept++] = cuts[i];
        }
    }
    cuts[kept] = CHARS_END;
    *classes = kept;
    return cuts;
}

/* Which sets accept; false: too much work. */
static bool accept_all(struct subsets *s, uint64_t *accept)
{
    bool fits = true;
    for (uint32_t state = 1; fits && state < s->sets; state++) {
        accept[state] = accepts(s, state);
        fits = work_take(s->nfa->work, STEP_WORK + s->visited);
        s->visited = 0;
    }
    return fits;
}

static struct chars *determine(const struct nfa *nfa)
{
    uint32_t classes = 0;
    uint32_t *cuts = cuts_of(nfa, &classes);
    struct subsets s = {.nfa = nfa, .sets = 1, .sets_room = 64, .round = 1};
    s.mark = kernel_allocate(nfa->count, sizeof *s.mark);
    s.stack = kernel_allocate(2 * (size_t)nfa->count + 2, sizeof *s.stack);
    s.now = kernel_allocate(nfa->count, sizeof *s.now);
    s.set_at = kernel_allocate(s.sets_room, sizeof *s.set_at);
    s.round++;
    visit(&s, nfa->start, true, false);
    is_done(&s);
    set_number(&s, true);
    uint32_t room = 64;
    uint32_t *next = kernel_allocate((size_t)room * classes, sizeof *next);
    bool fits = true;
    for (uint32_t state = 1; fits && state < s.sets; state++) {
        if (state == room) {
            room *= 2;
            next = kernel_resize(next, (size_t)room * classes, sizeof *next);
        }
        for (uint32_t c = 0; fits && c < classes; c++) {
            step(&s, state, cuts[c]);
            next[(size_t)state * classes + c] = set_number(&s, false);
            fits = work_take(nfa->work, STEP_WORK + s.visited);
            s.visited = 0;
        }
        fits = fits && s.sets <= CHARS_STATES_MAX && (uint64_t)s.sets * classes <= CHARS_CELLS_MAX;
    }
    struct chars *out = kernel_allocate(1, sizeof *out);
    *out = (struct chars){.classes = classes, .cut = cuts, .states = s.sets, .next = next};
    out->accept = kernel_allocate(s.sets, sizeof *out->accept);
    if (!fits || !accept_all(&s, out->accept)) {
        chars_destroy(out);
        out = NULL;
    }
    free(s.mark);
    free(s.stack);
    free(s.now);
    free(s.set_at);
    free(s.pool);
    free(s.slot);
    return out;
}

enum kernel_status regex_chars(struct kernel_text pattern, struct work *work, struct chars **out,
                               struct kernel_error *error)
{
    struct regex_tree *tree = NULL;
    enum kernel_status status = regex_parse(pattern, &tree, error);
    *out = NULL;
    if (status != KERNEL_OK) {
        return status;
    }
    struct nfa nfa = {.work = work};
    uint32_t match = node_new(&nfa, (struct node){.kind = NODE_MATCH});
    nfa.start = build(&nfa, tree, match);
    struct chars *chars = nfa.full ? NULL : determine(&nfa);
    free(nfa.at);
    regex_tree_destroy(tree);
    if (chars == NULL) {
        return kernel_fail(error, KERNEL_INVALID, "the pattern needs too large an automaton");
    }
    *out = chars;
    return KERNEL_OK;
}
