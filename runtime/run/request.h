/* request.h -- what is asked of runs from outside: begin one, tell one something, stop one.
 *
 *   begin    exception + agent -> run.start  through the gate -> a new run, claimed by business key
 *            agent + input     -> run.start, too: work that no discrepancy has asked for; what
 *                                 happens when its key is held says claim.h
 *   tell     run + name + body -> run.signal through the gate -> a stored signal that a plan may
 * await cancel   run + reason      -> run.cancel through the gate -> the stored signal "$cancel"
 *
 * What was asked is durable before `done` says so: whichever node drives the company finds it, now
 * or after a crash.  Permission is the policy's; every request is on the audit record with its
 * person.
 *
 * Thread: the gate's loop.
 */
#ifndef REEVE_RUNTIME_RUN_REQUEST_H
#define REEVE_RUNTIME_RUN_REQUEST_H

#include "runtime/db/db.h"
#include "runtime/gate/gate.h"
#include "runtime/run/begin.h"

enum { RV_SIGNAL_NAME_MAX = 100 };

/* Name of the signal that asks a run to stop.  Names that begin with "$" are reeve's own. */
#define RV_RUN_CANCEL_SIGNAL "$cancel"
/* Name of the signal that gives a run more to spend. */
#define RV_RUN_BUDGET_SIGNAL "$budget"

/* Exactly once, never inside the call.  `id` is the new run or the signal. */
typedef void (*rv_run_asked)(void *data, enum rv_code code, int64_t id, const struct rv_error *err);

struct rv_run_begin {
    int32_t tenant;
    int64_t epoch; /* of the tenant's lease: fences a node that has lost it; 0 when a person asks */
    struct rv_principal principal; /* id and roles are copied */
    const json_t *agent;           /* {name, hash, manifest, owner, canary?}: see canary.h */
    const json_t *exception; /* {key, type, row}, as the statement exceptions_waiting gives it */
    const char *const
        *resolutions; /* commands that may resolve the type, NULL-terminated; or NULL */
};
/* RV_CONFLICT: a run for this exception is open already. */
void rv_run_begin(struct rv_gate *gate, const struct rv_run_begin *asked, rv_run_asked done,
                  void *data);

/* Finds the exception (hex key) and the agent (NULL: the one that handles its type), then begins.
 * `traceparent`: see run_trace.h; NULL, or malformed: the run has a trace of its own.
 * `once`: a key of the request itself, checked (once.h); NULL: none. */
void rv_run_begin_for(struct rv_gate *gate, struct rv_db *db, int32_t tenant,
                      const struct rv_principal *principal, const char *exception,
                      const char *agent, const char *traceparent, const char *once,
                      const char *const *(*resolutions_of)(const char *type), rv_run_asked done,
                      void *data);

/* As rv_run_asked.  `claim`, borrowed, NULL where the key was free or none: what became of it
 *   {"merged": true}                            the run of that id got the input instead
 *   {"waiting_on": "lock", "holder": {...}?}    begun, waits for the key
 *   {"holder": {...}}                           with RV_CONFLICT: who has it, see rv_claim_holder
 */
typedef void (*rv_run_claimed)(void *data, enum rv_code code, int64_t id, const json_t *claim,
                               const struct rv_error *err);
/* After rv_run_begin_check.  RV_CONFLICT: an open run has the key, and claim.h says that it keeps
 * it; or there is a run of that number (rv_run_begun_before).  Everything is copied. */
void rv_run_begin_with(struct rv_gate *gate, struct rv_db *db, int32_t tenant,
                       const struct rv_principal *principal, const struct rv_run_begin_input *asked,
                       rv_run_claimed done, void *data);
/* Was the conflict about the number: did the same call begin its run earlier? */
bool rv_run_begun_before(enum rv_code code, const struct rv_error *err);

/* RV_NOT_FOUND: no such run; RV_CONFLICT: it is over, or `once` (as above) was used for something
 * else.  `name` is checked by the caller: 1 to
 * RV_SIGNAL_NAME_MAX bytes, not beginning with "$". */
void rv_run_tell(struct rv_gate *gate, struct rv_db *db, int32_t tenant,
                 const struct rv_principal *principal, int64_t run, const char *name,
                 const json_t *body, const char *once, rv_run_asked done, void *data);
void rv_run_cancel(struct rv_gate *gate, struct rv_db *db, int32_t tenant,
                   const struct rv_principal *principal, int64_t run, const char *reason,
                   rv_run_asked done, void *data);

/* Gives a run more to spend, through the gate as run.raise {budgets, reason}: `more` is as
 * raise.h says, and was checked.  A run that waits for its budget goes on,
 * any other has it when it needs it. */
void rv_run_raise(struct rv_gate *gate, struct rv_db *db, int32_t tenant,
                  const struct rv_principal *principal, int64_t run, const json_t *more,
                  rv_run_asked done, void *data);
/* The agent of `agents` that handles the exception type, borrowed; NULL when none does. */
const json_t *rv_run_agent_for(const json_t *agents, const char *type);
/* One row of the statement agents_active as {name, hash, manifest, owner, canary?}; new
 * reference. */
json_t *rv_run_agent_row(const struct rv_result *result, int row);

#endif
