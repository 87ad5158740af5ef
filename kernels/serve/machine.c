/* machine.c -- drafts made fast: what leads nowhere is cut, distances are computed, bytes get
 * classes. */
#include "kernels/serve/machine.h"

#include "kernels/base/fail.h"
#include "kernels/serve/spell.h"

#include <stdlib.h>
#include <string.h>

void machine_destroy(struct machine *machine)
{
    if (machine != NULL) {
        free(machine->flags);
        free(machine->label);
        free(machine->edge_at);
        free(machine->edges);
        free(machine->next);
        free(machine->shortest);
        free(machine->least);
        free(machine->ways);
        free(machine);
    }
}

size_t machine_bytes(const struct machine *machine)
{
    size_t table = machine->next == NULL ? 0 : (size_t)machine->states * machine->classes * 4;
    return sizeof *machine + table + (size_t)machine->states * 32 +
           machine->edge_count * sizeof(struct machine_edge);
}

/* ---- drafts ---- */

void machine_draft_start(struct machine_draft *draft)
{
    *draft = (struct machine_draft){0};
    machine_draft_state(draft);
    machine_draft_state(draft);
}

uint32_t machine_draft_state(struct machine_draft *draft)
{
    if (draft->states == draft->states_room) {
        draft->states_room = draft->states_room == 0 ? 64 : draft->states_room * 2;
        draft->flags = kernel_resize(draft->flags, draft->states_room, sizeof *draft->flags);
        draft->label = kernel_resize(draft->label, draft->states_room, sizeof *draft->label);
        draft->first = kernel_resize(draft->first, draft->states_room, sizeof *draft->first);
    }
    draft->flags[draft->states] = 0;
    draft->label[draft->states] = 0;
    draft->first[draft->states] = 0;
    return draft->states++;
}

void machine_draft_edge(struct machine_draft *draft, uint32_t from, uint8_t low, uint8_t high,
                        uint32_t to)
{
    if (to == MACHINE_DEAD) {
        return;
    }
    uint32_t last = draft->first[from];
    if (last != 0 && draft->edges[last - 1].to == to && draft->edges[last - 1].high + 1 == low) {
        draft->edges[last - 1].high = high;
        return;
    }
    if (draft->edge_count == draft->edge_room) {
        draft->edge_room = draft->edge_room == 0 ? 128 : draft->edge_room * 2;
        draft->edges = kernel_resize(draft->edges, draft->edge_room, sizeof *draft->edges);
    }
    draft->edges[draft->edge_count].low = low;
    draft->edges[draft->edge_count].high = high;
    draft->edges[draft->edge_count].to = to;
    draft->edges[draft->edge_count].beside = draft->first[from];
    draft->first[from] = ++draft->edge_count;
}

uint32_t machine_draft_find(const struct machine_draft *draft, uint32_t from, uint8_t byte)
{
    for (uint32_t e = draft->first[from]; e != 0; e = draft->edges[e - 1].beside) {
        if (byte >= draft->edges[e - 1].low && byte <= draft->edges[e - 1].high) {
            return draft->edges[e - 1].to;
        }
    }
    return MACHINE_DEAD;
}

static void draft_free(struct machine_draft *draft)
{
    free(draft->flags);
    free(draft->label);
    free(draft->first);
    free(draft->edges);
    *draft = (struct machine_draft){0};
}

/* ---- finishing ---- */

struct backwards { /* edges by where they lead to */
    uint32_t *at;
    uint32_t *from;
};

static struct backwards turn(const struct machine_draft *draft)
{
    struct backwards back = {
        .at = kernel_allocate((size_t)draft->states + 2, sizeof *back.at),
        .from = kernel_allocate(draft->edge_count, sizeof *back.from),
    };
    for (uint32_t e = 0; e < draft->edge_count; e++) {
        back.at[draft->edges[e].to + 2]++;
    }
    for (uint32_t s = 0; s < draft->states; s++) {
        back.at[s + 1] += back.at[s];
    }
    for (uint32_t s = 0; s < draft->states; s++) {
        for (uint32_t e = draft->first[s]; e != 0; e = draft->edges[e - 1].beside) {
            back.from[back.at[draft->edges[e - 1].to + 1]++] = s;
        }
    }
    return back;
}

/* Breadth first from the accepting states; `characters`: only edges into boundaries count. */
static uint32_t *distances(const struct machine_draft *draft, const struct backwards *back,
                           bool characters)
{
    uint32_t *distance = kernel_allocate(draft->states, sizeof *distance);
    memset(distance, 0xff, draft->states * sizeof *distance);
    uint32_t *now = kernel_allocate(2 * (size_t)draft->states, sizeof *now);
    uint32_t *later = kernel_allocate(2 * (size_t)draft->states, sizeof *later);
    uint32_t now_count = 0;
    uint32_t later_count = 0;
    for (uint32_t s = 1; s < draft->states; s++) {
        if (draft->flags[s] & MACHINE_ACCEPT) {
            distance[s] = 0;
            now[now_count++] = s;
        }
    }
    for (uint32_t round = 0; now_count > 0; round++) {
        for (uint32_t i = 0; i < now_count; i++) { /* grows while edges cost nothing */
            uint32_t to = now[i];
            bool costs = !characters || (draft->flags[to] & MACHINE_BOUNDARY);
            for (uint32_t e = back->at[to]; e < back->at[to + 1]; e++) {
                uint32_t from = back->from[e];
                if (!costs && distance[from] > round) { /* may wait for the next round already */
                    now[now_count++] = from;
                    distance[from] = round;
                } else if (costs && distance[from] == UINT32_MAX) {
                    distance[from] = round + 1;
                    later[later_count++] = from;
                }
            }
        }
        uint32_t *swap = now;
        now = later;
        later = swap;
        now_count = later_count;
        later_count = 0;
    }
    free(now);
    free(later);
    return distance;
}

static void classify(struct machine *machine)
{
    bool cut[257] = {[0] = true};
    for (uint32_t e = 0; e < machine->edge_count; e++) {
        cut[machine->edges[e].low] = true;
        cut[machine->edges[e].high + 1] = true;
    }
    uint32_t class = 0;
    for (uint32_t byte = 0; byte < 256; byte++) {
        class += byte > 0 && cut[byte];
        machine->class_of[byte] = (uint8_t) class;
    }
    machine->classes = class + 1;
    if ((uint64_t)machine->states * machine->classes > MACHINE_TABLE_MAX) {
        return;
    }
    machine->next =
        kernel_allocate((size_t)machine->states * machine->classes, sizeof *machine->next);
    for (uint32_t s = 0; s < machine->states; s++) {
        uint32_t *row = machine->next + (size_t)s * machine->classes;
        for (uint32_t e = machine->edge_at[s]; e < machine->edge_at[s + 1]; e++) {
            uint32_t high = machine->class_of[machine->edges[e].high];
            for (uint32_t c = machine->class_of[machine->edges[e].low]; c <= high; c++) {
                row[c] = machine->edges[e].to;
            }
        }
    }
}

static int by_low(const void *a, const void *b)
{
    const struct machine_edge *x = a;
    const struct machine_edge *y = b;
    return (x->low > y->low) - (x->low < y->low);
}

static void lay_out_edges(struct machine *machine, const struct machine_draft *draft)
{
    machine->edge_at = kernel_allocate((size_t)draft->states + 1, sizeof *machine->edge_at);
    machine->edges = kernel_allocate(draft->edge_count, sizeof *machine->edges);
    for (uint32_t s = 0; s < draft->states; s++) {
        machine->edge_at[s] = machine->edge_count;
        if (machine->shortest[s] == UINT32_MAX) {
            continue;
        }
        for (uint32_t e = draft->first[s]; e != 0; e = draft->edges[e - 1].beside) {
            uint32_t to = draft->edges[e - 1].to;
            if (machine->shortest[to] != UINT32_MAX) {
                machine->edges[machine->edge_count++] = (struct machine_edge){
                    .low = draft->edges[e - 1].low, .high = draft->edges[e - 1].high, .to = to};
            }
        }
        uint32_t count = machine->edge_count - machine->edge_at[s];
        qsort(machine->edges + machine->edge_at[s], count, sizeof *machine->edges, by_low);
        if (count == 0 && (machine->flags[s] & MACHINE_ACCEPT)) {
            machine->flags[s] |= MACHINE_STUCK;
        }
    }
    machine->edge_at[draft->states] = machine->edge_count;
}

struct machine *machine_finish(struct machine_draft *draft, bool string, bool *large)
{
    *large = draft->states > MACHINE_STATES_MAX;
    if (*large) {
        draft_free(draft);
        return NULL;
    }
    struct machine *machine = kernel_allocate(1, sizeof *machine);
    struct backwards back = turn(draft);
    machine->states = draft->states;
    machine->shortest = distances(draft, &back, false);
    machine->least = string ? distances(draft, &back, true) : NULL;
    machine->flags = kernel_allocate(draft->states, 1);
    memcpy(machine->flags, draft->flags, draft->states);
    machine->label = kernel_allocate(draft->states, sizeof *machine->label);
    memcpy(machine->label, draft->label, draft->states * sizeof *machine->label);
    lay_out_edges(machine, draft);
    classify(machine);
    free(back.at);
    free(back.from);
    draft_free(draft);
    if (machine->shortest[MACHINE_START] == UINT32_MAX) {
        machine_destroy(machine);
        return NULL;
    }
    return machine;
}

/* ---- literals ---- */

void machine_literals_start(struct machine_literals *literals)
{
    machine_draft_start(&literals->draft);
}

static uint32_t go(struct machine_draft *draft, uint32_t from, uint8_t byte)
{
    uint32_t to = machine_draft_find(draft, from, byte);
    if (to == MACHINE_DEAD) {
        to = machine_draft_state(draft);
        machine_draft_edge(draft, from, byte, byte, to);
    }
    return to;
}

/* \uXXXX from `from` to `to`, digits in either case. */
static uint32_t go_escaped(struct machine_draft *draft, uint32_t from, uint32_t unit, uint32_t to)
{
    static const char lower[] = "0123456789abcdef";
    static const char upper[] = "0123456789ABCDEF";
    from = go(draft, go(draft, from, '\\'), 'u');
    for (int shift = 12; shift >= 0; shift -= 4) {
        uint32_t digit = unit >> shift & 15;
        uint32_t next = machine_draft_find(draft, from, (uint8_t)lower[digit]);
        if (next == MACHINE_DEAD) {
            next = shift == 0 && to != MACHINE_DEAD ? to : machine_draft_state(draft);
            machine_draft_edge(draft, from, (uint8_t)lower[digit], (uint8_t)lower[digit], next);
            if (upper[digit] != lower[digit]) {
                machine_draft_edge(draft, from, (uint8_t)upper[digit], (uint8_t)upper[digit], next);
            }
        }
        from = next;
    }
    return from;
}

void machine_literals_add(struct machine_literals *literals, struct kernel_text json,
                          uint64_t label)
{
    struct machine_draft *draft = &literals->draft;
    uint32_t state = MACHINE_START;
    for (size_t at = 0; at < json.length && draft->states <= MACHINE_STATES_MAX;) {
        size_t begin = at;
        uint32_t point = spell_read_utf8(json, &at);
        uint32_t from = state;
        for (size_t i = begin; i < at; i++) {
            state = go(draft, state, (uint8_t)json.bytes[i]);
        }
        if (point >= 0x10000) {
            uint32_t high = go_escaped(draft, from, 0xd800 + ((point - 0x10000) >> 10), 0);
            go_escaped(draft, high, 0xdc00 + ((point - 0x10000) & 0x3ff), state);
        } else if (point >= 0x80) {
            go_escaped(draft, from, point, state);
        }
    }
    draft->flags[state] |= MACHINE_ACCEPT;
    draft->label[state] = label;
}

struct machine *machine_literals_finish(struct machine_literals *literals, bool *large)
{
    return machine_finish(&literals->draft, false, large);
}
