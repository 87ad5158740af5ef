/* circle.h -- does a plan go in a circle?  Decided from its journal alone.
 *
 * A round is 1 to RV_CIRCLE_LENGTH_MAX entries.  The plan goes in a circle when the journal ends
 * with RV_CIRCLE_ROUNDS equal rounds and the next request would begin another one.  Entries are
 * equal when they ask the same (kind, name, digest of the arguments) and learned the same: a plan
 * that polls hears something else in the end or sleeps in between (a wait has its time in its
 * answer), and is no circle.  Of a model's answer only the choice counts.
 *
 * Beside it, whatever is learned: the same request is made only so often (rv_circle_repeats).  A
 * long wait in between is patience, and the count begins anew; a nap is not, or a circle of reads
 * and naps of a second would go on for as long as there are steps.
 *
 * Thread: any; pure.
 */
#ifndef REEVE_RUNTIME_RUN_CIRCLE_H
#define REEVE_RUNTIME_RUN_CIRCLE_H

#include "runtime/run/port.h"

enum {
    RV_CIRCLE_LENGTH_MAX = 8,
    RV_CIRCLE_ROUNDS = 3,
    RV_CIRCLE_PATIENCE_S = 60 /* a wait of so long is patience, a shorter one a nap */
};

/* Marks the entry of a wait that was begun for less than that: `out` gets "nap":true.  (An entry of
 * before there was that mark counts as patience.) */
void rv_circle_mark_nap(json_t *out, int64_t seconds);

/* Length of the round that `next` (kind, name, digest) would begin again; 0: no circle. */
int rv_circle_find(const struct rv_step *steps, int count, const struct rv_step *next);

/* How often `next` has been asked already: by a plan that starts a child, in all; else since the
 * plan last waited with patience, was given what it waited for (a signal, the end of a child), or
 * asked a read or a model something new.  Who looks once an hour, or for each of many documents,
 * does not spin. */
int rv_circle_repeats(const struct rv_step *steps, int count, const struct rv_step *next);

/* "read erp.get, read erp.history": the last round of `length`; cut to fit. */
void rv_circle_say(const struct rv_step *steps, int count, int length, char *out, size_t size);

#endif
