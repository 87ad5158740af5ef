/* update.h -- what is asked of a run under an id, checked before it is taken, and answered by it.
 *
 *   manifest   updates = { deliver = { type = "object", ... } }: schemas of erp/command/schema.h
 *   ask        name, body, id: checked against the version the run is pinned to, then run.update
 *              through the gate: a row of run_update and the signal "$update.NAME", once for an id
 *   plan       ctx:update(name), then ctx:reply(update, result) or ctx:refuse(update, reason)
 *   answer     {run, id, name, state: accepted | taken | answered | refused, result | reason, ...}
 *
 * A run that is over has refused what it has not answered, with its end as the reason: that follows
 * from the run's own row, so no update is forgotten between an end and an asker.
 *
 * Thread: the gate's loop.
 */
#ifndef REEVE_RUNTIME_RUN_UPDATE_H
#define REEVE_RUNTIME_RUN_UPDATE_H

#include "runtime/run/request.h"

enum {
    RV_UPDATE_ID_MAX = 100,
    RV_UPDATE_NAME_MAX = 64,
    RV_UPDATE_BODY_MAX = 64 << 10, /* as JSON; larger things are blobs, sent by their handle */
    RV_UPDATE_OPEN_MAX = 1000,     /* not yet taken by one run: its asker should wait for answers */
    RV_UPDATE_WAIT_MAX_S = 60      /* for an answer, in one call; then it is read by its id */
};

/* Names of signals that carry updates. */
#define RV_UPDATE_SIGNAL "$update."

/* Whether the schemas of a manifest's "updates" are some; what they may leave out is filled in.
 * RV_INVALID naming update, place and rule. */
RV_MUST enum rv_code rv_updates_check(const json_t *manifest, struct rv_error *err);

struct rv_run_update {
    int64_t run;
    const char *name;
    const char *id;     /* NULL: one is made */
    const json_t *body; /* NULL: an empty object */
};

/* `update` (borrowed): as above.  `field` names the input that was wrong, or is NULL. */
typedef void (*rv_update_asked)(void *data, enum rv_code code, const json_t *update,
                                const char *field, const struct rv_error *err);

/* The same id again, with the same name and body, writes nothing and gives how it stands.
 * RV_NOT_FOUND no such run; RV_INVALID name, id or body; RV_CONFLICT the run is over, or the id was
 * used for something else; RV_LIMIT too large, or too many.  Nothing was written then. */
void rv_run_update(struct rv_gate *gate, struct rv_db *db, int32_t tenant,
                   const struct rv_principal *principal, const struct rv_run_update *update,
                   rv_update_asked done, void *data);

#endif
