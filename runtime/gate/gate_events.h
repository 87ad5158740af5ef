/* gate_events.h -- writes ERP events into a batch: chained, appended, projected.  Private to
 * runtime/gate and to tests of the books. */
#ifndef REEVE_RUNTIME_GATE_GATE_EVENTS_H
#define REEVE_RUNTIME_GATE_GATE_EVENTS_H

#include "erp/command/command.h"
#include "runtime/journal/commit.h"

/* Moves the head's event sequence and chain hash by every event of the outcome and appends the rows
 * of event_append and of each type's projection.  Gives the first and last sequence; 0 when there
 * are no events.  A body without canonical form is a wrong program (decide built it). */
void rv_gate_append_events(struct rv_batch *batch, const struct erp_outcome *outcome,
                           const char *actor, const char *command_id, int64_t *first,
                           int64_t *last);

#endif
