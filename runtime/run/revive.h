/* revive.h -- letting a dead letter go on: where its new run shall begin.
 *
 * The last good step is found in the journal of the run: before what was refused, what stopped it,
 * and the answers that were none.  What would fail again in the same way is found by replay, before
 * anything is begun.  The new run is a fork (fork.h).
 *
 * A message that the run could not digest may be another for the new run: then it begins before
 * that message was taken.  What the first run was told stays as it is in its signals and its
 * journal; the new one has a message of its own, from the person who says so, and the audit record
 * says which message of which run it stands for, its new text and the reason.
 *
 * Blocking (rv_db_session); never on a loop thread.  Takes as long as the plan takes.
 */
#ifndef REEVE_RUNTIME_RUN_REVIVE_H
#define REEVE_RUNTIME_RUN_REVIVE_H

#include "runtime/db/db.h"
#include "runtime/run/fork.h"

enum { RV_REVIVE_REASON_MAX = 2000 };

/* Appends to `dead` what statement run_dead says of that run, with "id" as a number.  RV_NOT_FOUND:
 * it is none. */
RV_MUST enum rv_code rv_dead_read(struct rv_db_session *session, int32_t tenant, int64_t run,
                                  json_t *dead, struct rv_error *err);

/* What is wished of a revival, in itself; `field` (may be NULL) names what is wrong.
 * rv_revive_find asks it first. */
RV_MUST enum rv_code rv_revive_check(const struct rv_run_fork *wish, const char **field,
                                     struct rv_error *err);

/* Where the new run shall begin: sets `run`, `at` and `message.id` of `fork`, which says what is
 * wished.  `dead` is one of rv_dead_read.  RV_CONFLICT: it goes on already, it ended well, it would
 * fail again, what it did after the message stands; RV_NOT_FOUND: no such message, with `field`
 * (may be NULL) "message". */
RV_MUST enum rv_code rv_revive_find(struct rv_db_session *session, int32_t tenant,
                                    const json_t *dead, struct rv_run_fork *fork,
                                    const char **field, struct rv_error *err);

#endif
