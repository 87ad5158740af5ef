/* settle.h -- the word of a person who has dealt, outside, with what a failed run did and could not
 * take back.  Said once; the run stays as it is, and is no dead letter any more.
 *
 * Blocking (rv_db_session); never on a loop thread.
 */
#ifndef REEVE_RUNTIME_RUN_SETTLE_H
#define REEVE_RUNTIME_RUN_SETTLE_H

#include "runtime/db/db.h"

enum { RV_SETTLE_REASON_MAX = 1000 };

/* RV_INVALID: it says nothing, or too much; rv_settle asks it first. */
RV_MUST enum rv_code rv_settle_check(const char *reason, struct rv_error *err);

/* `person` has settled `run`.  RV_INVALID: see above; RV_NOT_FOUND: it is no dead letter;
 * RV_CONFLICT: nothing of it stands, another run goes on for it, or somebody was first. */
RV_MUST enum rv_code rv_settle(struct rv_db_session *session, int32_t tenant, int64_t run,
                               const char *person, const char *reason, struct rv_error *err);

#endif
