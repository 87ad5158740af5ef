/* strike.h -- what a schedule does by itself, with its record.
 *
 * A statement that counts failures (schedule_done, schedule_lost) pauses a schedule that had too
 * many in a row; another ends the pauses whose time is over (schedule_rested).  Nobody asks for
 * that at the time, but it is an act of administration like any other: what "schedule.pause" or
 * "schedule.resume", person "system:schedule", the name and the reason are on the audit record
 * (kind "admin"), in the transaction that does it.
 *
 * Private to the room.  Thread: the committer's loop.
 */
#ifndef REEVE_RUNTIME_SCHEDULE_STRIKE_H
#define REEVE_RUNTIME_SCHEDULE_STRIKE_H

#include "runtime/db/args.h"
#include "runtime/journal/commit.h"

/* Who pauses a schedule by itself; also in its column paused_by. */
#define RV_SCHEDULE_SYSTEM "system:schedule"
/* What it does. */
#define RV_SCHEDULE_PAUSES  "schedule.pause"
#define RV_SCHEDULE_RESUMES "schedule.resume"

/* Runs `statement`, whose rows (schedule text, reason text) are the schedules that it paused, or
 * with RV_SCHEDULE_RESUMES those that go on, as `tenant`.  Takes args.  `done` exactly once, never
 * inside the call. */
void rv_schedule_strike(struct rv_committer *committer, int32_t tenant, const char *what,
                        const struct rv_statement *statement, struct rv_args *args,
                        void (*done)(void *data, enum rv_code code, const struct rv_error *err),
                        void *data);

#endif
