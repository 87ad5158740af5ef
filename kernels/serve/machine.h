/* machine.h -- an automaton over bytes: a string's inside, a number, one of several literals.
 *
 * State 0 is dead, 1 the start; every state that is there leads to an accepting one.  Small ones
 * have a table by classes of bytes (a step is two loads), large literal sets only their edges.
 *
 *     inside of a string, at a boundary between characters (B), for a pattern that allows "a" and
 *     "\"": the closing quote is not part of it, who runs the machine looks at it himself
 *
 *          +--a--> B'            B --\--> escape --"--> B''
 *          B                     B --c3..df--> continuation --80..bf--> B
 *
 * Thread: read only after it was made.  Private to kernels/serve.
 */
#ifndef REEVE_KERNELS_SERVE_MACHINE_H
#define REEVE_KERNELS_SERVE_MACHINE_H

#include "kernels/serve/chars.h"

enum {
    MACHINE_DEAD = 0,
    MACHINE_START = 1,
    MACHINE_STATES_MAX = 400000,
    MACHINE_TABLE_MAX = 4000000 /* states times classes with a table: 16 MB */
};
enum machine_flags {
    MACHINE_ACCEPT = 1,
    MACHINE_BOUNDARY = 2, /* strings: between characters */
    MACHINE_OPEN = 4,     /* ... any plain character leads to an open state */
    MACHINE_FREE = 8,     /* ... any plain character leads here again, and here is accepting */
    MACHINE_STUCK = 16    /* accepting, and nothing may follow */
};

struct machine_edge {
    uint8_t low, high;
    uint32_t to;
};
struct machine {
    uint32_t states, edge_count;
    uint8_t *flags;
    uint64_t *label;   /* NULL, or what an accepting state stands for */
    uint32_t *edge_at; /* [states + 1] */
    struct machine_edge *edges;
    uint8_t class_of[256];
    uint32_t classes;
    uint32_t *next;     /* [states * classes]; NULL: large */
    uint32_t *shortest; /* bytes to an accepting state */
    uint32_t *least;    /* strings: characters to one, the begun one counts */
    uint64_t *ways; /* keys: how many texts at least, UINT64_MAX no end; NULL: no end anywhere */
};

static inline uint32_t machine_step(const struct machine *machine, uint32_t state, uint8_t byte)
{
    if (machine->next != NULL) {
        return machine->next[(size_t)state * machine->classes + machine->class_of[byte]];
    }
    for (uint32_t i = machine->edge_at[state]; i < machine->edge_at[state + 1]; i++) {
        if (byte >= machine->edges[i].low && byte <= machine->edges[i].high) {
            return machine->edges[i].to;
        }
    }
    return MACHINE_DEAD;
}
static inline bool machine_is(const struct machine *machine, uint32_t state, uint8_t flags)
{
    return (machine->flags[state] & flags) == flags;
}
void machine_destroy(struct machine *machine);
size_t machine_bytes(const struct machine *machine); /* of memory */

/* ---- building ---- */

struct machine_draft {
    uint32_t states, states_room;
    uint8_t *flags;
    uint64_t *label;
    uint32_t *first; /* edge + 1 of each state */
    struct {
        uint8_t low, high;
        uint32_t to, beside;
    } * edges;
    uint32_t edge_count, edge_room;
};
void machine_draft_start(struct machine_draft *draft); /* states 0 and 1 */
uint32_t machine_draft_state(struct machine_draft *draft);
void machine_draft_edge(struct machine_draft *draft, uint32_t from, uint8_t low, uint8_t high,
                        uint32_t to);
uint32_t machine_draft_find(const struct machine_draft *draft, uint32_t from, uint8_t byte);
/* Ends the draft.  NULL: nothing is accepted, or too large (`*large`). */
struct machine *machine_finish(struct machine_draft *draft, bool string, bool *large);

/* The inside of JSON strings whose decoded text `chars` (trimmed) accepts.  Characters are raw
 * UTF-8; escapes only where they are needed or nothing shorter says it: \" \\ \b \f \n \r \t, and
 * \uXXXX of control and non-ASCII characters, in pairs above U+FFFF.  Never U+0000, which no
 * database text holds.  `ways`: count texts. */
struct machine *machine_string(const struct chars *chars, bool ways, struct work *work,
                               bool *large);

/* One of several JSON texts, each with its label (the later one wins).  Characters over ASCII also
 * as \uXXXX. */
struct machine_literals {
    struct machine_draft draft;
};
void machine_literals_start(struct machine_literals *literals);
void machine_literals_add(struct machine_literals *literals, struct kernel_text json,
                          uint64_t label);
struct machine *machine_literals_finish(struct machine_literals *literals, bool *large);

#endif
