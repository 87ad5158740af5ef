/* machine_string.c -- code points to bytes: every transition of a `chars` becomes the ways in which
 * JSON may spell that character.
 *
 * A block of code points (the 64 that share a lead byte, the 4096 ...) that all lead to the same
 * state shares its continuation bytes with every other such block:
 *
 *     lead e1..ec --> any(2, t) --80..bf--> any(1, t) --80..bf--> t
 *
 * and only blocks that a class boundary cuts get states of their own.  The same with hexadecimal
 * digits after \u.  Source: utf8-ranges of RE2 (Cox 2010), here top down.
 */
#include "kernels/serve/machine.h"

#include "kernels/base/fail.h"

#include <stdlib.h>
#include <string.h>

enum {
    SPELL_WORK = 150,
    MADE_WORK = 6
}; /* steps: a state's characters, a state or edge of bytes */

struct run { /* code points from here to the next run */
    uint32_t low, to;
};
struct speller {
    const struct chars *chars;
    struct machine_draft draft;
    uint32_t *at;         /* machine state of each chars state */
    uint32_t *any_utf[3]; /* [k - 1][chars state]: k continuation bytes, whatever they are */
    uint32_t *any_hex[4]; /* [k - 1][chars state]: k hexadecimal digits */
    uint32_t *any_pair;   /* [chars state]: any surrogate pair after \ud8..db's "d" */
    struct run *runs;
    uint32_t run_count;
};

static uint32_t *table_new(const struct speller *speller)
{
    return kernel_allocate(speller->chars->states, sizeof(uint32_t));
}

/* ---- the runs of one state ---- */

static void add_run(struct speller *s, uint32_t low, uint32_t to)
{
    if (s->run_count > 0 && s->runs[s->run_count - 1].low == low) {
        s->run_count--;
    }
    if (s->run_count == 0 || s->runs[s->run_count - 1].to != to) {
        s->runs[s->run_count++] = (struct run){low, to};
    }
}

/* Where state `q` goes, U+0000 and surrogates nowhere. */
static void runs_of(struct speller *s, uint32_t q)
{
    const struct chars *chars = s->chars;
    s->run_count = 0;
    add_run(s, 0, CHARS_DEAD);
    for (uint32_t c = 0; c < chars->classes; c++) {
        uint32_t low = chars->cut[c];
        uint32_t high = chars->cut[c + 1];
        uint32_t to = chars->next[(size_t)q * chars->classes + c];
        low = low == 0 ? 1 : low;
        if (low < 0xd800) {
            add_run(s, low, to);
        }
        if (low < 0xe000 && high > 0xd800) {
            add_run(s, 0xd800, CHARS_DEAD);
        }
        if (high > 0xe000) {
            add_run(s, low < 0xe000 ? 0xe000 : low, to);
        }
    }
}

static uint32_t run_at(const struct speller *s, uint32_t point)
{
    uint32_t low = 0;
    uint32_t high = s->run_count;
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (s->runs[middle].low <= point) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Do all of low .. high go to the same state?  Then it is `*to`. */
static bool uniform(const struct speller *s, uint32_t low, uint32_t high, uint32_t *to)
{
    uint32_t run = run_at(s, low);
    *to = s->runs[run].to;
    return run + 1 == s->run_count || s->runs[run + 1].low > high;
}

/* ---- UTF-8 ---- */

static uint32_t any_continuation(struct speller *s, uint32_t bytes, uint32_t to)
{
    if (bytes == 0 || to == CHARS_DEAD) {
        return s->at[to];
    }
    uint32_t state = s->any_utf[bytes - 1][to];
    if (state == 0) {
        state = machine_draft_state(&s->draft);
        s->any_utf[bytes - 1][to] = state;
        uint32_t after = any_continuation(s, bytes - 1, to);
        machine_draft_edge(&s->draft, state, 0x80, 0xbf, after);
    }
    return state;
}

/* The state that reads the last `bytes` bytes of the code points from `low` on; those below `least`
 * would be overlong. */
static uint32_t continuation(struct speller *s, uint32_t bytes, uint32_t low, uint32_t least)
{
    uint32_t size = UINT32_C(1) << (6 * bytes);
    uint32_t to = 0;
    if (low + size <= least || low >= CHARS_END) {
        return MACHINE_DEAD;
    }
    if (low >= least && low + size <= CHARS_END && uniform(s, low, low + size - 1, &to)) {
        return any_continuation(s, bytes, to);
    }
    uint32_t state = machine_draft_state(&s->draft);
    for (uint32_t i = 0; i < 64; i++) {
        uint32_t block = low + i * (size / 64);
        uint32_t after = MACHINE_DEAD;
        if (bytes > 1) {
            after = continuation(s, bytes - 1, block, least);
        } else if (block >= least && block < CHARS_END) {
            after = s->at[s->runs[run_at(s, block)].to];
        }
        machine_draft_edge(&s->draft, state, (uint8_t)(0x80 + i), (uint8_t)(0x80 + i), after);
    }
    return state;
}

static void spell_raw(struct speller *s, uint32_t from)
{
    for (uint32_t c = 0x20; c < 0x80; c++) {
        if (c != '"' && c != '\\') {
            machine_draft_edge(&s->draft, from, (uint8_t)c, (uint8_t)c,
                               s->at[s->runs[run_at(s, c)].to]);
        }
    }
    for (uint32_t lead = 0xc2; lead < 0xf5; lead++) {
        uint32_t bytes = lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
        uint32_t low = (lead & (0x3fu >> bytes)) << (6 * bytes);
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        uint32_t after = continuation(s, bytes, low, least[bytes]);
        machine_draft_edge(&s->draft, from, (uint8_t)lead, (uint8_t)lead, after);
    }
}

/* ---- escapes ---- */

static void hex_edge(struct speller *s, uint32_t from, uint32_t digit, uint32_t to)
{
    uint8_t lower = (uint8_t) "0123456789abcdef"[digit];
    machine_draft_edge(&s->draft, from, lower, lower, to);
    if (digit > 9) {
        uint8_t upper = (uint8_t)(lower - 'a' + 'A');
        machine_draft_edge(&s->draft, from, upper, upper, to);
    }
}

static uint32_t any_hex(struct speller *s, uint32_t digits, uint32_t to)
{
    if (digits == 0 || to == CHARS_DEAD) {
        return s->at[to];
    }
    uint32_t state = s->any_hex[digits - 1][to];
    if (state == 0) {
        state = machine_draft_state(&s->draft);
        s->any_hex[digits - 1][to] = state;
        uint32_t after = any_hex(s, digits - 1, to);
        for (uint32_t d = 0; d < 16; d++) {
            hex_edge(s, state, d, after);
        }
    }
    return state;
}

/* "\ud8" .. "\udb" seen up to the "d", one target for every code point above U+FFFF. */
static uint32_t any_pair(struct speller *s, uint32_t to)
{
    if (s->any_pair[to] != 0) {
        return s->any_pair[to];
    }
    struct machine_draft *draft = &s->draft;
    uint32_t chain[8];
    for (int i = 0; i < 8; i++) {
        chain[i] = machine_draft_state(draft);
    }
    for (uint32_t d = 0; d < 16; d++) {
        if (d >= 8 && d < 12) {
            hex_edge(s, chain[0], d, chain[1]);
        }
        hex_edge(s, chain[1], d, chain[2]);
        hex_edge(s, chain[2], d, chain[3]);
        if (d >= 12) {
            hex_edge(s, chain[6], d, chain[7]);
        }
    }
    machine_draft_edge(draft, chain[3], '\\', '\\', chain[4]);
    machine_draft_edge(draft, chain[4], 'u', 'u', chain[5]);
    hex_edge(s, chain[5], 13, chain[6]);
    uint32_t last = any_hex(s, 1, to);
    for (uint32_t d = 0; d < 16; d++) {
        hex_edge(s, chain[7], d, last);
    }
    s->any_pair[to] = chain[0];
    return chain[0];
}

/* The state that reads the last `digits` digits of the code points from `low` on. */
static uint32_t hex_digits(struct speller *s, uint32_t digits, uint32_t low)
{
    uint32_t size = UINT32_C(1) << (4 * digits);
    uint32_t to = 0;
    if (digits == 0) {
        bool printable = low >= 0x20 && low < 0x7f; /* those are written as they are */
        return printable ? MACHINE_DEAD : s->at[s->runs[run_at(s, low)].to];
    }
    bool mixed = low < 0x80 && low + size > 0x20;
    if (!mixed && uniform(s, low, low + size - 1, &to)) {
        return any_hex(s, digits, to);
    }
    uint32_t state = machine_draft_state(&s->draft);
    for (uint32_t d = 0; d < 16; d++) {
        uint32_t block = low + d * (size / 16);
        uint32_t pair = 0;
        if (digits == 4 && block == 0xd000) { /* d000..d7ff, and the pairs d800..dbff */
            uint32_t split = machine_draft_state(&s->draft);
            for (uint32_t e = 0; e < 8; e++) {
                hex_edge(s, split, e, hex_digits(s, 2, block + e * 0x100));
            }
            if (uniform(s, 0x10000, CHARS_END - 1, &pair) && pair != CHARS_DEAD) {
                uint32_t head = any_pair(s, pair);
                uint32_t tail = machine_draft_find(&s->draft, head, '8');
                for (uint32_t e = 8; e < 12; e++) {
                    hex_edge(s, split, e, tail);
                }
            }
            hex_edge(s, state, d, split);
            continue;
        }
        hex_edge(s, state, d, hex_digits(s, digits - 1, block));
    }
    return state;
}

static void spell_escapes(struct speller *s, uint32_t from)
{
    static const char letters[] = "\"\\bfnrt";
    static const char values[] = "\"\\\b\f\n\r\t";
    struct machine_draft *draft = &s->draft;
    uint32_t escape = machine_draft_state(draft);
    machine_draft_edge(draft, from, '\\', '\\', escape);
    for (size_t i = 0; letters[i] != '\0'; i++) {
        uint32_t to = s->runs[run_at(s, (uint8_t)values[i])].to;
        machine_draft_edge(draft, escape, (uint8_t)letters[i], (uint8_t)letters[i], s->at[to]);
    }
    machine_draft_edge(draft, escape, 'u', 'u', hex_digits(s, 4, 0));
}

/* ---- which states take every plain character ---- */

static bool is_plain_class(const struct chars *chars, uint32_t class)
{
    uint32_t low = chars->cut[class];
    uint32_t high = chars->cut[class + 1]; /* has it anything but these? */
    static const uint32_t except[][2] = {
        {0, 0x20}, {'"', '"' + 1}, {'\\', '\\' + 1}, {0x2028, 0x202a}, {0xd800, 0xe000}};
    for (size_t i = 0; i < sizeof except / sizeof except[0] && low < high; i++) {
        if (low >= except[i][0] && low < except[i][1]) {
            low = except[i][1];
        }
    }
    return low < high;
}

static void mark_open(struct speller *s)
{
    const struct chars *chars = s->chars;
    bool *closed = kernel_allocate(chars->states, sizeof *closed);
    bool *plain = kernel_allocate(chars->classes, sizeof *plain);
    for (uint32_t c = 0; c < chars->classes; c++) {
        plain[c] = is_plain_class(chars, c);
    }
    closed[CHARS_DEAD] = true;
    chars_spread(chars, plain, closed);
    for (uint32_t q = 1; q < chars->states; q++) {
        bool free_state = chars->accept[q] != 0;
        for (uint32_t c = 0; c < chars->classes; c++) {
            free_state =
                free_state && (!plain[c] || chars->next[(size_t)q * chars->classes + c] == q);
        }
        if (s->at[q] != 0) {
            s->draft.flags[s->at[q]] |=
                (uint8_t)((closed[q] ? 0 : MACHINE_OPEN) | (free_state ? MACHINE_FREE : 0));
        }
    }
    free(closed);
    free(plain);
}

/* Texts from each state; inside a character at least as many as the best of what may follow. */
static uint64_t *count_ways(const struct speller *s, const struct machine *machine)
{
    uint64_t *by_chars = chars_ways(s->chars);
    uint64_t *ways = kernel_allocate(machine->states, sizeof *ways);
    bool endless = true;
    for (uint32_t q = 1; q < s->chars->states; q++) {
        if (s->at[q] != 0) {
            ways[s->at[q]] = by_chars[q];
            endless = endless && (by_chars[q] == UINT64_MAX || by_chars[q] == 0);
        }
    }
    free(by_chars);
    if (endless) {
        free(ways);
        return NULL;
    }
    for (uint32_t round = 0; round < 12; round++) { /* a character is at most twelve bytes */
        for (uint32_t state = machine->states; state-- > 1;) {
            if (machine->flags[state] & MACHINE_BOUNDARY) {
                continue;
            }
            for (uint32_t e = machine->edge_at[state]; e < machine->edge_at[state + 1]; e++) {
                uint64_t there = ways[machine->edges[e].to];
                ways[state] = there > ways[state] ? there : ways[state];
            }
        }
    }
    return ways;
}

/* All characters of one state; false: too much work. */
static bool spell_state(struct speller *s, uint32_t q, struct work *work)
{
    uint32_t before = s->draft.edge_count + s->draft.states;
    runs_of(s, q);
    spell_raw(s, s->at[q]);
    spell_escapes(s, s->at[q]);
    uint64_t made = s->draft.edge_count + s->draft.states - before;
    return work_take(work, SPELL_WORK + s->chars->classes + made * MADE_WORK);
}

struct machine *machine_string(const struct chars *chars, bool ways, struct work *work, bool *large)
{
    struct speller s = {.chars = chars};
    machine_draft_start(&s.draft);
    s.at = table_new(&s);
    s.any_pair = table_new(&s);
    for (int i = 0; i < 3; i++) {
        s.any_utf[i] = table_new(&s);
    }
    for (int i = 0; i < 4; i++) {
        s.any_hex[i] = table_new(&s);
    }
    s.runs = kernel_allocate((size_t)chars->classes + 8, sizeof *s.runs);
    for (uint32_t q = CHARS_START; q < chars->states; q++) {
        s.at[q] = q == CHARS_START ? MACHINE_START : machine_draft_state(&s.draft);
        s.draft.flags[s.at[q]] =
            (uint8_t)(MACHINE_BOUNDARY | (chars->accept[q] != 0 ? MACHINE_ACCEPT : 0));
        s.draft.label[s.at[q]] = chars->accept[q];
    }
    bool fits = true;
    for (uint32_t q = CHARS_START; q < chars->states && fits; q++) {
        fits = spell_state(&s, q, work) && s.draft.states <= MACHINE_STATES_MAX;
    }
    mark_open(&s);
    struct machine *machine = machine_finish(&s.draft, true, large);
    if (!fits) {
        machine_destroy(machine);
        machine = NULL;
        *large = true;
    }
    if (machine != NULL && ways) {
        machine->ways = count_ways(&s, machine);
    }
    free(s.at);
    free(s.any_pair);
    for (int i = 0; i < 3; i++) {
        free(s.any_utf[i]);
    }
    for (int i = 0; i < 4; i++) {
        free(s.any_hex[i]);
    }
    free(s.runs);
    return machine;
}
