/* granted.h -- what a person asked for, other people have granted, and nobody has executed yet.
 *
 * An agent's action waits inside its run.  A person's request that the policy holds has nobody who
 * waits: once granted it is presented again here, as its person and under its own command id, so
 * that it executes exactly once, whoever else presents it too.  What the books or the policy then
 * refuse is void.
 *
 * Thread: the gate's loop.
 */
#ifndef REEVE_RUNTIME_RUN_GRANTED_H
#define REEVE_RUNTIME_RUN_GRANTED_H

#include "runtime/db/db.h"
#include "runtime/gate/gate.h"

/* Presents every granted request of the company (at most 100 at once) to the gate; then `done` says
 * how many were executed.  Exactly once, never inside the call; `done` may be NULL. */
void rv_granted_execute(struct rv_gate *gate, struct rv_db *db, int32_t tenant,
                        void (*done)(void *data, int executed), void *data);

#endif
