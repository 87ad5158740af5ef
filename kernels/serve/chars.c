/* chars.c -- see chars.h. */
#include "kernels/serve/chars.h"

#include "kernels/base/fail.h"
#include "kernels/serve/spell.h"

#include <stdlib.h>
#include <string.h>

enum { PRODUCT_WORK = 6 }; /* steps: finding a tuple */

struct chars *chars_create(uint32_t states, uint32_t classes)
{
    struct chars *chars = kernel_allocate(1, sizeof *chars);
    chars->classes = classes;
    chars->states = states;
    chars->cut = kernel_allocate(classes + 1, sizeof *chars->cut);
    chars->cut[classes] = CHARS_END;
    chars->next = kernel_allocate((size_t)states * classes, sizeof *chars->next);
    chars->accept = kernel_allocate(states, sizeof *chars->accept);
    return chars;
}

void chars_destroy(struct chars *chars)
{
    if (chars != NULL) {
        free(chars->cut);
        free(chars->next);
        free(chars->accept);
        free(chars);
    }
}

struct chars *chars_any(void)
{
    return chars_at_least(0);
}

struct chars *chars_at_least(uint32_t count)
{
    struct chars *chars = chars_create(count + 2, 1);
    for (uint32_t i = 0; i < count; i++) {
        chars->next[CHARS_START + i] = CHARS_START + i + 1;
    }
    chars->next[CHARS_START + count] = CHARS_START + count;
    chars->accept[CHARS_START + count] = 1;
    return chars;
}

uint32_t chars_class(const struct chars *chars, uint32_t point)
{
    uint32_t low = 0;
    uint32_t high = chars->classes;
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (chars->cut[middle] <= point) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

uint64_t chars_match(const struct chars *chars, struct kernel_text text)
{
    uint32_t state = CHARS_START;
    for (size_t at = 0; at < text.length && state != CHARS_DEAD;) {
        uint32_t point = spell_read_utf8(text, &at);
        state = chars->next[(size_t)state * chars->classes + chars_class(chars, point)];
    }
    return chars->accept[state];
}

/* ---- product: a state is a tuple of states, found again by its hash ---- */

struct tuples {
    uint32_t width;
    uint32_t count, room;
    uint32_t *at; /* [room * width] */
    uint32_t slots;
    uint32_t *slot; /* number of the tuple + 1 */
};

static uint64_t tuple_hash(const uint32_t *tuple, uint32_t width)
{
    uint64_t hash = 1469598103934665603u;
    for (uint32_t i = 0; i < width; i++) {
        hash = (hash ^ tuple[i]) * 1099511628211u;
        hash ^= hash >> 29;
    }
    return hash;
}

static void tuples_grow(struct tuples *tuples)
{
    tuples->room = tuples->room == 0 ? 64 : tuples->room * 2;
    tuples->at = kernel_resize(tuples->at, (size_t)tuples->room * tuples->width, sizeof(uint32_t));
    tuples->slots = tuples->room * 2;
    free(tuples->slot);
    tuples->slot = kernel_allocate(tuples->slots, sizeof *tuples->slot);
    for (uint32_t i = 0; i < tuples->count; i++) {
        uint64_t hash = tuple_hash(tuples->at + (size_t)i * tuples->width, tuples->width);
        uint32_t slot = (uint32_t)(hash % tuples->slots);
        while (tuples->slot[slot] != 0) {
            slot = (slot + 1) % tuples->slots;
        }
        tuples->slot[slot] = i + 1;
    }
}

static uint32_t tuple_number(struct tuples *tuples, const uint32_t *tuple)
{
    if (tuples->count == tuples->room) {
        tuples_grow(tuples);
    }
    uint32_t slot = (uint32_t)(tuple_hash(tuple, tuples->width) % tuples->slots);
    size_t bytes = tuples->width * sizeof *tuple;
    while (tuples->slot[slot] != 0) {
        uint32_t number = tuples->slot[slot] - 1;
        if (memcmp(tuples->at + (size_t)number * tuples->width, tuple, bytes) == 0) {
            return number;
        }
        slot = (slot + 1) % tuples->slots;
    }
    memcpy(tuples->at + (size_t)tuples->count * tuples->width, tuple, bytes);
    tuples->slot[slot] = tuples->count + 1;
    return tuples->count++;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t *all_cuts(const struct chars *const *parts, uint32_t count, uint32_t *classes)
{
    size_t room = 1;
    for (uint32_t i = 0; i < count; i++) {
        room += parts[i]->classes;
    }
    uint32_t *cuts = kernel_allocate(room + 1, sizeof *cuts);
    size_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(cuts + used, parts[i]->cut, parts[i]->classes * sizeof *cuts);
        used += parts[i]->classes;
    }
    qsort(cuts, used, sizeof *cuts, by_value);
    uint32_t kept = 0;
    for (size_t i = 0; i < used; i++) {
        if (kept == 0 || cuts[kept - 1] != cuts[i]) {
            cuts[kept++] = cuts[i];
        }
    }
    cuts[kept] = CHARS_END;
    *classes = kept;
    return cuts;
}

static uint64_t accept_of(const struct chars *const *parts, uint32_t count, bool labels,
                          const uint32_t *tuple)
{
    uint64_t accept = labels ? UINT64_C(1) << 63 : 1;
    for (uint32_t i = 0; i < count; i++) {
        bool here = parts[i]->accept[tuple[i]] != 0;
        if (labels) {
            accept |= (uint64_t)here << i;
        } else if (!here) {
            return 0;
        }
    }
    return accept;
}

struct chars *chars_product(const struct chars *const *parts, uint32_t count, bool labels,
                            struct work *work)
{
    KERNEL_ASSERT(count > 0 && count <= CHARS_PRODUCT_MAX);
    uint32_t classes = 0;
    uint32_t *cuts = all_cuts(parts, count, &classes);
    uint32_t *class_in = kernel_allocate((size_t)count * classes, sizeof *class_in);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t c = 0; c < classes; c++) {
            class_in[(size_t)i * classes + c] = chars_class(parts[i], cuts[c]);
        }
    }
    struct tuples tuples = {.width = count};
    uint32_t tuple[CHARS_PRODUCT_MAX];
    for (uint32_t i = 0; i < count; i++) { /* number 0 is the dead one; with labels no tuple is */
        tuple[i] = labels ? UINT32_MAX : CHARS_DEAD;
    }
    tuple_number(&tuples, tuple);
    for (uint32_t i = 0; i < count; i++) {
        tuple[i] = CHARS_START;
    }
    tuple_number(&tuples, tuple);
    uint32_t *next = NULL;
    uint32_t room = 0;
    bool fits = true;
    for (uint32_t state = 0; fits && state < tuples.count; state++) {
        fits = work_take(work, (uint64_t)classes * (PRODUCT_WORK + count));
        if (state == room) {
            room = room * 2 + 64;
            next = kernel_resize(next, (size_t)room * classes, sizeof *next);
        }
        for (uint32_t c = 0; fits && c < classes; c++) {
            bool dead = state == CHARS_DEAD;
            for (uint32_t i = 0; i < count && state != CHARS_DEAD; i++) {
                uint32_t from = tuples.at[(size_t)state * count + i];
                tuple[i] = parts[i]->next[(size_t)from * parts[i]->classes +
                                          class_in[(size_t)i * classes + c]];
                dead = dead || (!labels && tuple[i] == CHARS_DEAD);
            }
            next[(size_t)state * classes + c] = dead ? CHARS_DEAD : tuple_number(&tuples, tuple);
        }
        fits = fits && tuples.count <= CHARS_STATES_MAX &&
               (uint64_t)tuples.count * classes <= CHARS_CELLS_MAX;
    }
    struct chars *out = NULL;
    if (fits) {
        out = kernel_allocate(1, sizeof *out);
        *out =
            (struct chars){.classes = classes, .cut = cuts, .states = tuples.count, .next = next};
        out->accept = kernel_allocate(tuples.count, sizeof *out->accept);
        for (uint32_t state = 1; state < tuples.count; state++) {
            out->accept[state] = accept_of(parts, count, labels, tuples.at + (size_t)state * count);
        }
    } else {
        free(cuts);
        free(next);
    }
    free(class_in);
    free(tuples.at);
    free(tuples.slot);
    return out;
}

/* ---- what can be reached ---- */

/* Transitions by where they lead to, then breadth first: every transition is looked at once. */
void chars_spread(const struct chars *chars, const bool *classes, bool *there)
{
    size_t cells = (size_t)chars->states * chars->classes;
    uint32_t *from_at = kernel_allocate((size_t)chars->states + 2, sizeof *from_at);
    uint32_t *from = kernel_allocate(cells, sizeof *from);
    for (size_t i = chars->classes; i < cells; i++) {
        from_at[chars->next[i] + 2]++;
    }
    for (uint32_t s = 0; s < chars->states; s++) {
        from_at[s + 1] += from_at[s];
    }
    for (uint32_t s = 1; s < chars->states; s++) {
        for (uint32_t c = 0; c < chars->classes; c++) {
            uint32_t to = chars->next[(size_t)s * chars->classes + c];
            from[from_at[to + 1]++] = classes == NULL || classes[c] ? s : CHARS_DEAD;
        }
    }
    uint32_t *queue = kernel_allocate(chars->states, sizeof *queue);
    uint32_t count = 0;
    for (uint32_t s = 0; s < chars->states; s++) {
        if (there[s]) {
            queue[count++] = s;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t e = from_at[queue[i]]; e < from_at[queue[i] + 1]; e++) {
            if (from[e] != CHARS_DEAD && !there[from[e]]) {
                there[from[e]] = true;
                queue[count++] = from[e];
            }
        }
    }
    free(queue);
    free(from);
    free(from_at);
}

bool chars_trim(struct chars *chars)
{
    bool *live = kernel_allocate(chars->states, sizeof *live);
    for (uint32_t s = 1; s < chars->states; s++) {
        live[s] = chars->accept[s] != 0;
    }
    chars_spread(chars, NULL, live);
    for (size_t i = 0; i < (size_t)chars->states * chars->classes; i++) {
        if (!live[chars->next[i]]) {
            chars->next[i] = CHARS_DEAD;
        }
    }
    bool any = live[CHARS_START];
    free(live);
    return any;
}

/* Depth first with a stack of our own: a state met again below itself has no end of texts.  Needs
 * a trimmed automaton. */
uint64_t *chars_ways(const struct chars *chars)
{
    enum { NEW, OPEN, DONE };
    uint64_t *ways = kernel_allocate(chars->states, sizeof *ways);
    uint8_t *mark = kernel_allocate(chars->states, sizeof *mark);
    uint32_t *stack = kernel_allocate(chars->states, sizeof *stack);
    uint32_t *class_at = kernel_allocate(chars->states, sizeof *class_at);
    uint32_t depth = 0;
    stack[depth++] = CHARS_START;
    mark[CHARS_START] = OPEN;
    while (depth > 0) {
        uint32_t s = stack[depth - 1];
        if (class_at[s] == chars->classes) {
            mark[s] = DONE;
            depth--;
            bool endless = ways[s] == UINT64_MAX;
            uint64_t sum = chars->accept[s] != 0;
            for (uint32_t c = 0; !endless && c < chars->classes; c++) {
                uint64_t each = ways[chars->next[(size_t)s * chars->classes + c]];
                uint64_t size = chars->cut[c + 1] - chars->cut[c];
                endless = each == UINT64_MAX || __builtin_mul_overflow(each, size, &each) ||
                          __builtin_add_overflow(sum, each, &sum);
            }
            ways[s] = endless ? UINT64_MAX : sum;
            continue;
        }
        uint32_t to = chars->next[(size_t)s * chars->classes + class_at[s]++];
        if (to == CHARS_DEAD || mark[to] == DONE) {
            continue;
        }
        if (mark[to] == OPEN) { /* a circle: everything on it is endless */
            for (uint32_t i = depth; i-- > 0;) {
                ways[stack[i]] = UINT64_MAX;
                if (stack[i] == to) {
                    break;
                }
            }
        } else {
            mark[to] = OPEN;
            stack[depth++] = to;
        }
    }
    free(mark);
    free(stack);
    free(class_at);
    return ways;
}
