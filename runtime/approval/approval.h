/* approval.h -- a person's decision, bound to the digest of exactly what will execute.
 *
 *   requested --all stages voted--> approved --executed in the run--> consumed
 *        |  \--one rejection--> rejected
 *        |---expires_at passed--> expired        \--digest, resource version or policy moved-->
 * void
 *        \---its run is over (cancelled ...)--> void
 *
 * Whether a run shall have a key that another one holds (claim "ask", runtime/run/claim.h) is such
 * a question, too.  Its answer takes effect in its own transaction: a yes is used up at once, by
 * the holder being asked to stop; with a no, or the end of its time, the run that wants the key is.
 * It is void when there is nothing to decide any more, because the holder has let go of the key.
 *
 * Nobody approves their own request or an action of an agent they own; one person fills one slot;
 * an unanswered question ends in "no".  A vote carries the digest its person saw: another digest is
 * refused (RV_CONFLICT).  Free text is a comment, never a decision.
 *
 * Thread: the loop of the committer.
 */
#ifndef REEVE_RUNTIME_APPROVAL_APPROVAL_H
#define REEVE_RUNTIME_APPROVAL_APPROVAL_H

#include "runtime/audit/audit.h"
#include "runtime/journal/commit.h"

/* What an approval may stand at, with a space between two. */
extern const char rv_approval_status_words[];

struct rv_approvals;

struct rv_approvals *rv_approvals_create(struct rv_committer *committer);
void rv_approvals_destroy(struct rv_approvals *approvals);

struct rv_vote {
    int32_t tenant;
    int64_t approval;
    const char *person; /* from the authenticated session or token, never from a body */
    bool approve;
    const char *comment;    /* may be NULL */
    const char *channel;    /* "cli" "inbox" "api" "hook" */
    const char *digest_hex; /* what the person saw; NULL is refused except for channel "cli" */
};

/* `done` gets {"id","status","votes":[..],"missing":[{role,n}]} (borrowed) when code is RV_OK.
 * Errors: RV_NOT_FOUND, RV_DENIED (self-approval, role, already voted), RV_CONFLICT (digest moved,
 * not open any more, expired). */
void rv_approval_vote(struct rv_approvals *approvals, const struct rv_vote *vote,
                      void (*done)(void *data, enum rv_code code, const json_t *status,
                                   const struct rv_error *err),
                      void *data);

/* Expires or escalates one approval when its time has come (database time); otherwise does nothing.
 * The orchestrator calls it for what the statement `company_look` lists.  `done` hears when that is
 * over, not before this has returned: until then it would only queue up again.  May be NULL. */
void rv_approval_time(struct rv_approvals *approvals, int32_t tenant, int64_t approval,
                      void (*done)(void *data, enum rv_code code, const json_t *status,
                                   const struct rv_error *err),
                      void *data);

#endif
