/* circle.h -- does a plan go in a circle?  Decided from its journal alone.
 *
 * A round is 1 to RV_CIRCLE_LENGTH_MAX entries.  The plan goes in a circle when the journal ends
 * with RV_CIRCLE_ROUNDS equal rounds and the next request would begin another one.  Entries are
 * equal when they ask the same (kind, name, digest of the arguments) and learned the same: a plan
 * that polls hears something else in the end or sleeps in between (a wait has its time in its
 * answer), and is left alone.  Of a model's answer only the choice counts.
 *
 * Thread: any; pure.
 */
#ifndef REEVE_RUNTIME_RUN_CIRCLE_H
#define REEVE_RUNTIME_RUN_CIRCLE_H

#include "runtime/run/port.h"

enum { RV_CIRCLE_LENGTH_MAX = 8, RV_CIRCLE_ROUNDS = 3 };

/* Length of the round that `next` (kind, name, digest) would begin again; 0: no circle. */
int rv_circle_find(const struct rv_step *steps, int count, const struct rv_step *next);

/* How often `next` has been asked already: by a plan that starts a child, in all; else since the
 * plan last waited (slept, or awaited a signal or a child) or asked a read or a model something
 * new.  Who looks once an hour, or for each of many documents, does not spin. */
int rv_circle_repeats(const struct rv_step *steps, int count, const struct rv_step *next);

/* "read erp.get, read erp.history": the last round of `length`; cut to fit. */
void rv_circle_say(const struct rv_step *steps, int count, int length, char *out, size_t size);

#endif
