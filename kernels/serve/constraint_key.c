/* constraint_key.c -- a shortest key that is neither named nor used, from where a key was begun.
 *
 * The keys that are taken, spelled as the machine spells them at their shortest, are a trie.  A key
 * that is free ends at a node where none of them ends, or leaves the trie with a byte that none of
 * them goes on with; from there the machine knows the fewest bytes to an end.  So every node is
 * looked at once, and what there is to look at is the text of the keys that are taken:
 *
 *     taken 0000-00-00, 0000-00-01     0000-00-0 --0--> taken
 *                                                --1--> taken
 *                                                --2--> free: the shortest that leaves
 *
 * One text has several spellings (a character itself, \u with digits in either case).  Only its
 * shortest is in the trie, so none of the others may leave it: they would lead to a key that is
 * taken.  Where a key was begun within an escape, its first character is spelled that way in both.
 */
#include "kernels/base/fail.h"
#include "kernels/serve/constraint_step.h"

#include <stdlib.h>
#include <string.h>

enum { CHARACTER_MAX = 12 /* bytes of one: two \uXXXX */ };

struct place {       /* between two bytes of a key */
    uint32_t state;  /* of the machine */
    uint32_t escape; /* bytes since the \ of an escape that has not ended; 0: in none */
    bool begun_in;   /* the escape in which the key was begun: both sides spell it so */
};
struct taken {         /* what a taken key lacks, from where this one is */
    size_t at, length; /* in `bytes` */
    uint32_t same;     /* bytes that it begins with as the one before it does */
};
struct search {
    const struct machine *machine;
    struct spell_bytes bytes;
    struct taken *taken; /* sorted */
    uint32_t count, room;
    struct place *places; /* [longest + 1] along the key that is looked at */
    bool following[256];  /* bytes that taken keys go on with at the node */
    /* the best so far */
    uint64_t cost;
    uint32_t key, depth;
    int byte; /* with which it leaves; -1: it ends there */
};

/* ---- machines ---- */

/* A byte that reads well out of low .. high. */
static uint8_t pleasant(uint8_t low, uint8_t high)
{
    if (low <= 'a' && high >= 'a') {
        return 'a';
    }
    return low <= '0' && high >= '0' ? '0' : low;
}

uint8_t key_machine_way(const struct machine *machine, uint32_t state, bool characters)
{
    uint64_t best = UINT64_MAX;
    uint8_t byte = 0;
    for (uint32_t e = machine->edge_at[state]; e < machine->edge_at[state + 1]; e++) {
        const struct machine_edge *edge = &machine->edges[e];
        uint64_t cost = machine->shortest[edge->to];
        if (characters) {
            cost += ((uint64_t)machine->least[edge->to] +
                     machine_is(machine, edge->to, MACHINE_BOUNDARY))
                    << 32;
        }
        if (cost < best) {
            best = cost;
            byte = pleasant(edge->low, edge->high);
        }
    }
    return byte;
}

static struct place go(const struct machine *machine, struct place from, uint8_t byte)
{
    struct place to = {.state = machine_step(machine, from.state, byte), .begun_in = from.begun_in};
    if (from.escape > 0) {
        to.escape = from.escape + 1;
    } else {
        to.escape = byte == '\\' && machine_is(machine, from.state, MACHINE_BOUNDARY);
    }
    if (machine_is(machine, to.state, MACHINE_BOUNDARY)) {
        to.escape = 0;
        to.begun_in = false;
    }
    return to;
}

/* Is the byte part of a character's shortest spelling?  \u is that of U+0001 to U+001F alone, with
 * small digits. */
static bool spells_shortest(struct place from, uint8_t byte)
{
    if (from.escape >= 2 && byte >= 'A' && byte <= 'F') {
        return false;
    }
    if (from.begun_in) {
        return true;
    }
    return from.escape == 2 || from.escape == 3 ? byte == '0'
           : from.escape == 4                   ? byte == '0' || byte == '1'
                                                : true;
}

/* The fewest bytes to an end, in shortest spelling up to the next boundary; 0: there is none. */
static uint8_t way_on(const struct machine *machine, struct place from)
{
    if (from.escape == 0 || from.begun_in) {
        return key_machine_way(machine, from.state, false);
    }
    uint64_t best = UINT64_MAX;
    uint8_t found = 0;
    for (uint32_t e = machine->edge_at[from.state]; e < machine->edge_at[from.state + 1]; e++) {
        const struct machine_edge *edge = &machine->edges[e];
        for (uint32_t b = edge->low; b <= edge->high; b++) {
            uint64_t cost = machine->shortest[edge->to];
            cost += from.escape == 1 && b == 'u' ? UINT32_MAX : 0; /* where nothing else is left */
            if (cost < best && spells_shortest(from, (uint8_t)b)) {
                best = cost;
                found = (uint8_t)b;
            }
        }
    }
    return found;
}

/* Adds the rest of a key; false: it has no end that is spelled shortest. */
static bool finish(const struct machine *machine, struct place at, struct spell_bytes *out)
{
    while (!machine_is(machine, at.state, MACHINE_ACCEPT | MACHINE_BOUNDARY)) {
        uint8_t byte = way_on(machine, at);
        at = go(machine, at, byte);
        if (at.state == MACHINE_DEAD) {
            return false;
        }
        spell_add(out, &byte, 1);
    }
    return true;
}

/* ---- the keys that are taken ---- */

/* Spelled as a key that is begun with `begun` would have it; 0: it is not begun so. */
static uint32_t spell_begun(uint32_t point, struct kernel_text begun, char *out)
{
    static const char digits[] = "0123456789abcdef";
    uint32_t length = spell_json(point, out);
    if (begun.length > 0 && begun.bytes[0] == '\\' && point >= 0x80) {
        uint32_t high = point < 0x10000 ? point : 0xd800 + ((point - 0x10000) >> 10);
        uint32_t units[] = {high, 0xdc00 + ((point - 0x10000) & 0x3ff)};
        length = 0;
        for (int unit = 0; unit < (point < 0x10000 ? 1 : 2); unit++) {
            out[length++] = '\\';
            out[length++] = 'u';
            for (int shift = 12; shift >= 0; shift -= 4) {
                out[length++] = digits[units[unit] >> shift & 15];
            }
        }
    }
    for (size_t i = 0; i < begun.length; i++) {
        char byte = begun.bytes[i];
        byte = i >= 2 && byte >= 'A' && byte <= 'F' && begun.bytes[0] == '\\' ? (char)(byte | 0x20)
                                                                              : byte;
        if (i >= length || out[i] != byte) {
            return 0;
        }
    }
    return length;
}

/* A taken key, if it begins as this one does. */
static void add_taken(struct search *search, struct kernel_text key, bool json,
                      struct kernel_text whole, struct kernel_text begun)
{
    size_t k = 0;
    for (size_t w = 0; w < whole.length;) {
        uint32_t point = k >= key.length ? UINT32_MAX
                         : json          ? spell_read_json(key, &k)
                                         : spell_read_utf8(key, &k);
        if (point != spell_read_json(whole, &w)) {
            return;
        }
    }
    if (begun.length > 0 && k >= key.length) {
        return;
    }
    size_t at = search->bytes.length;
    for (bool first = true; k < key.length; first = false) {
        char spelled[CHARACTER_MAX];
        uint32_t point = json ? spell_read_json(key, &k) : spell_read_utf8(key, &k);
        uint32_t length = first ? spell_begun(point, begun, spelled) : spell_json(point, spelled);
        uint32_t skip = first ? (uint32_t)begun.length : 0;
        if (length == 0) {
            return;
        }
        spell_add(&search->bytes, spelled + skip, length - skip);
    }
    if (search->count == search->room) {
        search->room = search->room == 0 ? 16 : search->room * 2;
        search->taken = kernel_resize(search->taken, search->room, sizeof *search->taken);
    }
    search->taken[search->count++] = (struct taken){at, search->bytes.length - at, 0};
}

static int by_text(const void *a, const void *b, void *bytes)
{
    const struct taken *x = a;
    const struct taken *y = b;
    const char *text = bytes;
    int order = memcmp(text + x->at, text + y->at, x->length < y->length ? x->length : y->length);
    return order != 0 ? order : (x->length > y->length) - (x->length < y->length);
}

/* Sorted, and none twice. */
static void sort_taken(struct search *search)
{
    char none[1] = "";
    char *bytes = search->bytes.at != NULL ? search->bytes.at : none;
    struct taken *taken = search->taken;
    qsort_r(taken, search->count, sizeof *taken, by_text, bytes);
    uint32_t kept = 0;
    size_t longest = 0;
    for (uint32_t i = 0; i < search->count; i++) {
        size_t same = 0;
        while (kept > 0 && same < taken[i].length && same < taken[kept - 1].length &&
               bytes[taken[i].at + same] == bytes[taken[kept - 1].at + same]) {
            same++;
        }
        if (kept == 0 || same < taken[i].length || same < taken[kept - 1].length) {
            taken[kept] = taken[i];
            taken[kept++].same = (uint32_t)same;
        }
        longest = taken[i].length > longest ? taken[i].length : longest;
    }
    search->count = kept;
    search->places = kernel_allocate(longest + 1, sizeof *search->places);
}

/* ---- the search ---- */

static const char *text_of(const struct search *search, uint32_t key)
{
    return search->bytes.at + search->taken[key].at;
}

static void propose(struct search *search, uint64_t cost, uint32_t key, uint32_t depth, int byte)
{
    if (cost < search->cost) {
        search->cost = cost;
        search->key = key;
        search->depth = depth;
        search->byte = byte;
    }
}

/* What leaving with a byte costs; UINT64_MAX: it cannot be. */
static uint64_t leaving_cost(const struct search *search, uint32_t depth, uint8_t byte)
{
    struct place to = go(search->machine, search->places[depth], byte);
    if (to.escape == 0 || to.begun_in) {
        return (uint64_t)depth + 1 + search->machine->shortest[to.state];
    }
    struct spell_bytes rest = {0};
    bool good = finish(search->machine, to, &rest);
    uint64_t cost = good ? (uint64_t)depth + 1 + rest.length : UINT64_MAX;
    free(rest.at);
    return cost;
}

static void leave(struct search *search, uint32_t key, uint32_t depth)
{
    const struct machine *machine = search->machine;
    struct place from = search->places[depth];
    for (uint32_t e = machine->edge_at[from.state]; e < machine->edge_at[from.state + 1]; e++) {
        const struct machine_edge *edge = &machine->edges[e];
        if ((uint64_t)depth + 1 + machine->shortest[edge->to] >= search->cost) {
            continue;
        }
        uint32_t first = pleasant(edge->low, edge->high);
        for (uint32_t i = 0; i <= (uint32_t)edge->high - edge->low; i++) {
            uint32_t b =
                first + i <= edge->high ? first + i : first + i - edge->high - 1 + edge->low;
            if (!search->following[b] && spells_shortest(from, (uint8_t)b)) {
                propose(search, leaving_cost(search, depth, (uint8_t)b), key, depth, (int)b);
                if (b != '\\') { /* another byte of the edge costs the same */
                    break;
                }
            }
        }
    }
}

/* The node of the first `depth` bytes of that key, which no key before it has; false: nothing below
 * it can be a key. */
static bool look(struct search *search, uint32_t key, uint32_t depth)
{
    const struct machine *machine = search->machine;
    uint32_t state = search->places[depth].state;
    if (state == MACHINE_DEAD) {
        return false;
    }
    uint32_t end = key + 1;
    while (end < search->count && search->taken[end].same >= depth) {
        end++;
    }
    bool boundary = machine_is(machine, state, MACHINE_BOUNDARY);
    if (boundary && depth > 0 && !key_is_open(machine, state, end - key)) {
        return false;
    }
    bool ends_here = search->taken[key].length == depth;
    if (boundary && machine_is(machine, state, MACHINE_ACCEPT) && !ends_here) {
        propose(search, depth, key, depth, -1);
    }
    if ((uint64_t)depth + 1 >= search->cost) {
        return true;
    }
    memset(search->following, 0, sizeof search->following);
    for (uint32_t i = key; i < end; i++) {
        if (search->taken[i].length > depth) {
            search->following[(uint8_t)text_of(search, i)[depth]] = true;
        }
    }
    leave(search, key, depth);
    return true;
}

static void look_at_all(struct search *search, struct place begin)
{
    size_t closed = SIZE_MAX; /* no node of the key before is open from this depth on */
    uint64_t least = search->machine->shortest[begin.state];
    search->places[0] = begin;
    for (uint32_t i = 0; i < search->count && search->cost > least; i++) {
        const struct taken *key = &search->taken[i];
        if (i > 0 && key->same >= closed) {
            continue;
        }
        closed = SIZE_MAX;
        for (uint32_t d = i == 0 ? 0 : key->same + 1; d <= key->length && search->cost > least;
             d++) {
            if (d > 0) {
                search->places[d] =
                    go(search->machine, search->places[d - 1], (uint8_t)text_of(search, i)[d - 1]);
            }
            if (!look(search, i, d)) {
                closed = d;
                break;
            }
        }
    }
}

/* The rest of a shortest key of all, if it is free and nothing counted stands in its way. */
static bool shortest_is_free(const char *text, const struct frame *frame, uint32_t state,
                             struct kernel_text typed, struct spell_bytes *out)
{
    const struct machine *machine = frame->alt->others;
    uint64_t most = (uint64_t)step_used_count(frame) + frame->alt->property_count;
    size_t before = out->length;
    bool good = true;
    struct place at = {.state = state, .begun_in = true};
    while (good && !machine_is(machine, at.state, MACHINE_ACCEPT | MACHINE_BOUNDARY)) {
        uint8_t byte = key_machine_way(machine, at.state, false);
        at.state = machine_step(machine, at.state, byte);
        spell_add(out, &byte, 1);
        good = key_is_open(machine, at.state, most);
    }
    if (good && most > 0) {
        struct spell_bytes whole = {0};
        spell_add(&whole, typed.bytes, typed.length);
        spell_add(&whole, out->at + before, out->length - before);
        good = !step_key_taken(text, frame, (struct kernel_text){whole.at, whole.length});
        free(whole.at);
    }
    out->length = good ? out->length : before;
    return good;
}

bool key_shortest(const char *text, const struct frame *frame, uint32_t state,
                  struct kernel_text typed, struct spell_bytes *out)
{
    if (shortest_is_free(text, frame, state, typed, out)) {
        return true;
    }
    size_t whole = step_whole_characters(typed);
    struct kernel_text known = {typed.bytes, whole};
    struct kernel_text begun = {typed.bytes + whole, typed.length - whole};
    struct search search = {.machine = frame->alt->others, .cost = UINT64_MAX};
    for (const struct used *used = frame->used; used != NULL; used = used->up) {
        add_taken(&search, (struct kernel_text){text + used->at, used->length}, true, known, begun);
    }
    for (uint32_t p = 0; p < frame->alt->property_count; p++) {
        add_taken(&search, frame->alt->properties[p].name, false, known, begun);
    }
    struct place begin = {.state = state};
    if (begun.length > 0 && begun.bytes[0] == '\\') {
        begin.escape = (uint32_t)begun.length;
        begin.begun_in = true;
    }
    bool found = true;
    if (search.count == 0) {
        begin.begun_in = true; /* nothing that another spelling could lead to */
        found = finish(search.machine, begin, out);
    } else {
        sort_taken(&search);
        look_at_all(&search, begin);
        found = search.cost != UINT64_MAX;
    }
    if (search.count > 0 && found) {
        spell_add(out, text_of(&search, search.key), search.depth);
        if (search.byte >= 0) {
            struct place at = begin;
            for (uint32_t d = 0; d < search.depth; d++) {
                at = go(search.machine, at, (uint8_t)text_of(&search, search.key)[d]);
            }
            uint8_t byte = (uint8_t)search.byte;
            spell_add(out, &byte, 1);
            found = finish(search.machine, go(search.machine, at, byte), out);
        }
    }
    free(search.bytes.at);
    free(search.taken);
    free(search.places);
    return found;
}
