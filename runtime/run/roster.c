/* roster.c -- see roster.h.
 *
 * The runs stand in `runs`; two tables of indexes find them by number and by reference.  Those that
 * wait are two rings of numbers in the order in which they came: those that somebody waits for, and
 * all others.  Those that sleep are a third.
 */
#include "runtime/run/roster.h"

#include "runtime/base/check.h"

#include <string.h>

enum { FIRST_CAPACITY = 16, NOBODY = -1 };

struct index {
    int32_t *slots;
    uint32_t mask;
};

struct ring {
    int64_t *runs;
    int first, count, capacity;
};

struct rv_roster {
    struct rv_roster_run *runs;
    int count, capacity;
    struct index by_run, by_ref; /* of all; of those with an actor */
    struct ring first, others, sleepers;
    int live, parked;
};

static uint64_t scatter(uint64_t key)
{
    key = (key ^ (key >> 30)) * UINT64_C(0xBF58476D1CE4E5B9); /* splitmix64's finisher */
    key = (key ^ (key >> 27)) * UINT64_C(0x94D049BB133111EB);
    return key ^ (key >> 31);
}

static uint64_t key_of(const struct rv_roster *roster, bool by_ref, int32_t slot)
{
    const struct rv_roster_run *run = &roster->runs[slot];
    return by_ref ? run->ref.id : (uint64_t)run->run;
}

static struct index *index_of(struct rv_roster *roster, bool by_ref)
{
    return by_ref ? &roster->by_ref : &roster->by_run;
}

static void index_put(struct rv_roster *roster, bool by_ref, int32_t slot)
{
    struct index *index = index_of(roster, by_ref);
    uint32_t at = (uint32_t)scatter(key_of(roster, by_ref, slot)) & index->mask;
    while (index->slots[at] != NOBODY) {
        at = (at + 1) & index->mask;
    }
    index->slots[at] = slot;
}

/* Where the key stands, or the empty place where it would. */
static uint32_t index_at(struct rv_roster *roster, bool by_ref, uint64_t key)
{
    struct index *index = index_of(roster, by_ref);
    uint32_t at = (uint32_t)scatter(key) & index->mask;
    while (index->slots[at] != NOBODY && key_of(roster, by_ref, index->slots[at]) != key) {
        at = (at + 1) & index->mask;
    }
    return at;
}

static void index_remove(struct rv_roster *roster, bool by_ref, uint64_t key)
{
    struct index *index = index_of(roster, by_ref);
    uint32_t hole = index_at(roster, by_ref, key);
    RV_ASSERT(index->slots[hole] != NOBODY);
    index->slots[hole] = NOBODY;
    for (uint32_t at = (hole + 1) & index->mask; index->slots[at] != NOBODY;
         at = (at + 1) & index->mask) {
        uint32_t home = (uint32_t)scatter(key_of(roster, by_ref, index->slots[at])) & index->mask;
        if (((at - home) & index->mask) >= ((at - hole) & index->mask)) {
            index->slots[hole] = index->slots[at];
            index->slots[at] = NOBODY;
            hole = at;
        }
    }
}

static void index_size(struct index *index, int capacity)
{
    rv_free(index->slots);
    index->slots = rv_alloc_array((size_t)capacity * 2, sizeof *index->slots);
    memset(index->slots, 0xFF, (size_t)capacity * 2 * sizeof *index->slots); /* NOBODY */
    index->mask = (uint32_t)capacity * 2 - 1;
}

static void resize(struct rv_roster *roster, int capacity)
{
    roster->runs = rv_realloc(roster->runs, (size_t)capacity * sizeof *roster->runs);
    roster->capacity = capacity;
    index_size(&roster->by_run, capacity);
    index_size(&roster->by_ref, capacity);
    for (int32_t i = 0; i < roster->count; i++) {
        index_put(roster, false, i);
        if (roster->runs[i].ref.id != 0) {
            index_put(roster, true, i);
        }
    }
}

struct rv_roster *rv_roster_create(void)
{
    struct rv_roster *roster = rv_alloc(sizeof *roster);
    resize(roster, FIRST_CAPACITY);
    return roster;
}

void rv_roster_destroy(struct rv_roster *roster)
{
    if (roster != NULL) {
        rv_free(roster->runs);
        rv_free(roster->by_run.slots);
        rv_free(roster->by_ref.slots);
        rv_free(roster->first.runs);
        rv_free(roster->others.runs);
        rv_free(roster->sleepers.runs);
        rv_free(roster);
    }
}

struct rv_roster_run *rv_roster_find(struct rv_roster *roster, int64_t run)
{
    int32_t slot = roster->by_run.slots[index_at(roster, false, (uint64_t)run)];
    return slot == NOBODY ? NULL : &roster->runs[slot];
}

static struct ring *ring_of(struct rv_roster *roster, enum rv_class class)
{
    return class == RV_CLASS_INTERACTIVE ? &roster->first : &roster->others;
}

static void ring_push(struct ring *ring, int64_t run)
{
    if (ring->count == ring->capacity) {
        int capacity = ring->capacity == 0 ? FIRST_CAPACITY : ring->capacity * 2;
        int64_t *runs = rv_alloc_array((size_t)capacity, sizeof *runs);
        for (int i = 0; i < ring->count; i++) {
            runs[i] = ring->runs[(ring->first + i) % ring->capacity];
        }
        rv_free(ring->runs);
        ring->runs = runs;
        ring->first = 0;
        ring->capacity = capacity;
    }
    ring->runs[(ring->first + ring->count++) % ring->capacity] = run;
}

/* `run`, which is in the ring, leaves it: nearly always as its first. */
static void ring_drop(struct ring *ring, int64_t run)
{
    int at = 0;
    while (at < ring->count && ring->runs[(ring->first + at) % ring->capacity] != run) {
        at++;
    }
    RV_ASSERT(at < ring->count);
    for (; at > 0; at--) {
        ring->runs[(ring->first + at) % ring->capacity] =
            ring->runs[(ring->first + at - 1) % ring->capacity];
    }
    ring->first = (ring->first + 1) % ring->capacity;
    ring->count--;
}

bool rv_roster_add(struct rv_roster *roster, int64_t run, enum rv_class class)
{
    struct rv_roster_run *known = rv_roster_find(roster, run);
    if (known != NULL) {
        if (known->parked && class == RV_CLASS_INTERACTIVE) {
            known->class = class;
        } else if (known->ref.id == 0 && class == RV_CLASS_INTERACTIVE && known->class != class) {
            ring_drop(ring_of(roster, known->class), run);
            known->class = class;
            ring_push(ring_of(roster, class), run);
        }
        return false;
    }
    if (roster->count == roster->capacity) {
        resize(roster, roster->capacity * 2);
    }
    roster->runs[roster->count] = (struct rv_roster_run){.run = run, .class = class};
    index_put(roster, false, roster->count++);
    ring_push(ring_of(roster, class), run);
    return true;
}

int64_t rv_roster_next(struct rv_roster *roster)
{
    const struct ring *ring = roster->first.count > 0 ? &roster->first : &roster->others;
    return ring->count == 0 ? 0 : ring->runs[ring->first];
}

void rv_roster_live(struct rv_roster *roster, int64_t run, struct rv_ref ref)
{
    struct rv_roster_run *entry = rv_roster_find(roster, run);
    RV_ASSERT(entry != NULL && entry->ref.id == 0 && ref.id != 0);
    ring_drop(ring_of(roster, entry->class), run);
    entry->ref = ref;
    index_put(roster, true, (int32_t)(entry - roster->runs));
    roster->live++;
}

void rv_roster_sleeps(struct rv_roster *roster, int64_t run)
{
    struct rv_roster_run *entry = rv_roster_find(roster, run);
    if (entry != NULL && entry->ref.id != 0 && !entry->sleeps) {
        entry->sleeps = true;
        ring_push(&roster->sleepers, run);
    }
}

void rv_roster_asks(struct rv_roster *roster, int64_t run, int64_t answer)
{
    struct rv_roster_run *entry = rv_roster_find(roster, run);
    if (entry != NULL && entry->ref.id != 0 && roster->parked < RV_ROSTER_PARKED_MAX) {
        entry->asks = answer;
        rv_roster_sleeps(roster, run);
    }
}

void rv_roster_answered(struct rv_roster *roster, int64_t run)
{
    struct rv_roster_run *entry = rv_roster_find(roster, run);
    if (entry == NULL) {
        return;
    }
    entry->asks = 0;
    if (entry->parked) {
        entry->parked = false;
        roster->parked--;
        ring_push(ring_of(roster, entry->class), run);
    }
}

void rv_roster_park(struct rv_roster *roster, const struct rv_roster_run *gone)
{
    bool added = rv_roster_add(roster, gone->run, gone->class);
    RV_ASSERT(added);
    if (gone->asks != 0) {
        struct rv_roster_run *entry = rv_roster_find(roster, gone->run);
        ring_drop(ring_of(roster, entry->class), gone->run);
        entry->parked = true;
        roster->parked++;
    }
}

const struct rv_roster_run *rv_roster_sleeper(struct rv_roster *roster)
{
    if (roster->sleepers.count == 0) {
        return NULL;
    }
    int64_t run = roster->sleepers.runs[roster->sleepers.first];
    struct rv_roster_run *entry = rv_roster_find(roster, run);
    ring_drop(&roster->sleepers, run);
    entry->sleeps = false;
    entry->gives = entry->asks;
    return entry;
}

/* The last run takes the place of the one that goes. */
static void remove_at(struct rv_roster *roster, int32_t slot)
{
    struct rv_roster_run gone = roster->runs[slot];
    struct rv_roster_run last = roster->runs[roster->count - 1];
    index_remove(roster, false, (uint64_t)gone.run);
    if (gone.ref.id != 0) {
        index_remove(roster, true, gone.ref.id);
        roster->live--;
    }
    if (gone.sleeps) {
        ring_drop(&roster->sleepers, gone.run);
    }
    roster->count--;
    if (slot != roster->count) {
        index_remove(roster, false, (uint64_t)last.run);
        if (last.ref.id != 0) {
            index_remove(roster, true, last.ref.id);
        }
        roster->runs[slot] = last;
        index_put(roster, false, slot);
        if (last.ref.id != 0) {
            index_put(roster, true, slot);
        }
    }
    if (roster->capacity > FIRST_CAPACITY && roster->count < roster->capacity / 8) {
        resize(roster, roster->capacity / 2); /* a backlog is over: its memory goes */
    }
}

bool rv_roster_gone(struct rv_roster *roster, struct rv_ref ref, struct rv_roster_run *out)
{
    int32_t slot = roster->by_ref.slots[index_at(roster, true, ref.id)];
    if (slot == NOBODY) {
        return false;
    }
    *out = roster->runs[slot];
    remove_at(roster, slot);
    return true;
}

void rv_roster_forget(struct rv_roster *roster, int64_t run)
{
    const struct rv_roster_run *entry = rv_roster_find(roster, run);
    RV_ASSERT(entry != NULL && entry->ref.id == 0);
    ring_drop(ring_of(roster, entry->class), run);
    remove_at(roster, (int32_t)(entry - roster->runs));
}

int rv_roster_waiting(const struct rv_roster *roster)
{
    return roster->first.count + roster->others.count;
}

int rv_roster_lives(const struct rv_roster *roster)
{
    return roster->live;
}
