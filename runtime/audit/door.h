/* door.h -- a session whose changes go onto the record: one act, one change, one record.
 *
 * Between rv_door_open and rv_door_close every change by the session (rv_db_session_change) is an
 * act of administration (act.h): the change and its record are one transaction.  What is refused,
 * what fails and what changes nothing has a record too, which says so; a secret never is on one.
 *
 * Who waits, and how, is the caller's: the command line runs its loop meanwhile, the HTTP edge
 * blocks a thread of the pool.
 *
 * Thread: that of the session, but for `each` of a change, which runs on the committer's loop while
 * that thread waits.
 */
#ifndef REEVE_RUNTIME_AUDIT_DOOR_H
#define REEVE_RUNTIME_AUDIT_DOOR_H

#include "runtime/audit/act.h"
#include "runtime/db/db.h"

struct rv_door {
    int32_t tenant;
    const char *what;   /* "schedule.add" */
    const char *person; /* who does it */
    json_t *about;      /* whom, which roles; no secret; NULL: nothing is put on record */
    /* Gives the act to the committer and returns after its `done` was called. */
    void (*commit)(void *data, struct rv_act *act);
    void *data;
    bool on_record; /* the act has its record: no other is made at the end */
};

/* The door stays where it is until closed.  A session without one changes things unrecorded. */
void rv_door_open(struct rv_door *door, struct rv_db_session *session);
/* The person may not: `err`, which says so, goes on record.  Gives its code, or why that record
 * could not be written. */
RV_MUST enum rv_code rv_door_refused(struct rv_door *door, struct rv_error *err);
/* The record of an act that changed nothing; `code` says whether it failed.  Gives `code`, or why
 * that record could not be written; `err` is that of the code that comes back. */
RV_MUST enum rv_code rv_door_close(struct rv_door *door, enum rv_code code, struct rv_error *err);

#endif
