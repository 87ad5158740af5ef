/* writes.h -- the statements that a node's transactions write with, and their order.
 *
 * A transaction of many commits is written statement by statement (runtime/journal/commit.h): what
 * others refer to comes first, the audit record comes last, so that it covers everything before it.
 * A statement that is not in the order cannot be written: the committer says so, loudly.  The
 * simulation (tests/sim/whole) uses these lists as they are.
 */
#ifndef REEVE_RUNTIME_CLI_WRITES_H
#define REEVE_RUNTIME_CLI_WRITES_H

#include "runtime/db/db.h"

/* Every statement of a commit in the order of writing; NULL ends it.  The caller frees it
 * (rv_free). */
const struct rv_statement **node_writes_make(void);

/* Those of them that may let a run go on, or begin: new runs, signals, answers, the end of a child,
 * the outcome of an effect that another node brings, exceptions.  NULL ends it; the caller frees
 * it. */
const struct rv_statement **node_wakes_make(void);

#endif
