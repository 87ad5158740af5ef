/* constraint_state.h -- inside of `struct kernel_constraint`, for the three files that work on it.
 * Private to kernels/serve. */
#ifndef REEVE_KERNELS_SERVE_CONSTRAINT_STATE_H
#define REEVE_KERNELS_SERVE_CONSTRAINT_STATE_H

#include "kernels/serve/constraint_step.h"

struct level {             /* of a walk through the trie */
    bool fast;             /* one machine, no stack: `state`, `count` */
    uint32_t state, count; /* else stacks [first, first + size) of the walk's list */
    uint32_t first, size;
    struct pool_mark mark;
};
struct kernel_constraint {
    const struct kernel_grammar *grammar;
    struct pool pool;
    struct stacks now;
    struct spell_bytes text; /* the answer so far */
    bool closing;
    struct spell_bytes rest; /* closing: what is still to come */
    size_t rest_at;
    /* for walks, kept between them */
    struct pool scratch;
    struct stacks other; /* the next set while stepping */
    const struct frame **list;
    uint32_t list_room;
    struct level *levels;
    struct spell_bytes key;
    struct spell_bytes way; /* the rest of a key, while a way to the end is looked for ... */
    size_t way_at;          /* ... and how far that is */
    struct spell_bytes trial, found; /* ways to the end: one that is tried, the best */
    bool end_known;                  /* `found` is one of the state as it is */
    uint64_t *mask;                  /* of one stack */
    uint32_t *rests;
};

/* A short way to the end from this stack, added to `out`; false: none of at most `most` bytes was
 * found. */
bool close_stack(struct kernel_constraint *state, const struct frame *frame, size_t most,
                 struct spell_bytes *out);
/* The stepper of a state for bytes that are only tried: frames go to `scratch`. */
struct stepper state_trial(struct kernel_constraint *state);
void state_room(struct kernel_constraint *state, size_t more); /* behind the text */

#endif
