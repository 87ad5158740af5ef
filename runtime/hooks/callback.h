/* callback.h -- signed messages from outside that decide an approval.
 *
 * A callback is authenticated by the key of its endpoint, and the endpoint belongs to one person:
 * the vote is that person's, with channel "hook", and every rule of approvals holds for it (roles,
 * own requests, digest).  A name in the body is nobody.
 *
 *   endpoint known, enabled, has a person -> signature -> timestamp within 300 s
 *     -> message id not seen before (durable) -> body -> vote
 *
 * Whatever fails before the body looks the same from outside.  When the vote itself could not be
 * stored (database away), the message id is forgotten, so that the sender's retry counts.
 *
 * Thread: the loop's.
 */
#ifndef REEVE_RUNTIME_HOOKS_CALLBACK_H
#define REEVE_RUNTIME_HOOKS_CALLBACK_H

#include "runtime/approval/approval.h"
#include "runtime/db/db.h"
#include "runtime/hooks/vault.h"

struct rv_hook_callbacks;

/* `vault` outlives the callbacks. */
struct rv_hook_callbacks *rv_hook_callbacks_create(struct rv_loop *loop, struct rv_db *db,
                                                   struct rv_approvals *approvals,
                                                   const struct rv_hook_vault *vault);
void rv_hook_callbacks_destroy(struct rv_hook_callbacks *callbacks); /* when nothing is pending */

/* Borrowed until done; NULL where the request had no such field. */
struct rv_hook_callback {
    const char *endpoint;  /* "rve_<tenant>_<id>" */
    const char *id;        /* webhook-id */
    const char *timestamp; /* webhook-timestamp */
    const char *signature; /* webhook-signature */
    const char *body; /* {"approval": id, "decision": "approve"|"reject", "digest", "comment"} */
    size_t body_length;
};

/* `done` as in rv_approval_vote; RV_DENIED when the message is not authentic, RV_CONFLICT when it
 * was received before. */
void rv_hook_callback_receive(struct rv_hook_callbacks *callbacks,
                              const struct rv_hook_callback *callback,
                              void (*done)(void *data, enum rv_code code, const json_t *status,
                                           const struct rv_error *err),
                              void *data);

#endif
