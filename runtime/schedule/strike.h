/* strike.h -- failures that are counted, and the pauses that follow from them, with their record.
 *
 * A statement that counts failures (schedule_done, schedule_lost) pauses a schedule that had too
 * many in a row.  Nobody asked for that pause, but it is an act of administration like any other:
 * what "schedule.pause", person "system:schedule", the name and the reason are on the audit record
 * (kind "admin"), in the transaction that counts and pauses.
 *
 * Private to the room.  Thread: the committer's loop.
 */
#ifndef REEVE_RUNTIME_SCHEDULE_STRIKE_H
#define REEVE_RUNTIME_SCHEDULE_STRIKE_H

#include "runtime/db/args.h"
#include "runtime/journal/commit.h"

/* Who pauses a schedule by itself; also in its column paused_by. */
#define RV_SCHEDULE_SYSTEM "system:schedule"

/* Runs `statement`, whose rows (schedule text, reason text) are the schedules that it paused, as
 * `tenant`.  Takes args.  `done` exactly once, never inside the call. */
void rv_schedule_strike(struct rv_committer *committer, int32_t tenant,
                        const struct rv_statement *statement, struct rv_args *args,
                        void (*done)(void *data, enum rv_code code, const struct rv_error *err),
                        void *data);

#endif
