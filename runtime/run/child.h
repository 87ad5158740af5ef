/* child.h -- may this run start that one, and with what?  Pure rules over what was looked up; asked
 * before the gate, by the store and by a simulation alike.
 *
 *   agent      is published and active
 *   loop       no run of that agent among those above (or this one) that works on the same business
 *              key, or, without one, has the same input: A -> B -> A is refused with the chain in
 *              words
 *   repeat     the same start at most RV_RUN_SAME_CHILD_MAX times (asked by the run actor)
 *   depth      at most what the run and the agent allow; children: at most limits.children
 *   budget     steps, calls, tokens, risk and money of the child come out of what is left to the
 *              run: what `budget` says, else half of it (all of it for a hand-off); never more than
 *              the agent's own limits.  The unused part comes back with the child's outcome.
 *
 * A child works under its parent's claim on the business key: `claims` is false for a key that an
 * open run above works on already (and where nobody holds it by then, statement run_insert claims).
 * When a run ends that holds the claim, the oldest open run that works under it gets it in the same
 * transaction (statement run_claim_pass).
 */
#ifndef REEVE_RUNTIME_RUN_CHILD_H
#define REEVE_RUNTIME_RUN_CHILD_H

#include "runtime/run/port.h"

enum { RV_CHILD_CHAIN_MAX = 64 }; /* generations looked at; limits.depth is lower */

struct rv_child {
    int64_t id;
    const char *agent; /* borrowed from the arguments */
    struct rv_hash plan_hash;
    char key[128]; /* business key; empty: none */
    bool claims;
    const char *close; /* "cancel" "abandon" "wait" "handoff" */
    int depth;
    json_t *input;
    json_t *budget; /* {steps, calls, tokens, risk?, depth, money{by currency}?, home?, wall_ms?,
                       until_us?} */
};
void rv_child_fini(struct rv_child *child);

/* The number of a run's name ("r_42"); 0 when it is none. */
int64_t rv_child_number(const char *name);
/* The child's id follows from the parent's and the step, so that asking again cannot make two. */
int64_t rv_child_id(int64_t parent, int32_t seq);

/* `act`: action "start" or "handoff" with the arguments of the plan.
 * `look`: {"agent": as rv_canary_pick takes it, or null, "chain": [{"run": id, "agent", "key",
 * "open", "same": a run of that agent without a key has this input?}, …]}, the chain from the
 * asking run upwards. RV_NOT_FOUND, RV_INVALID, RV_LIMIT: refused,
 * and `err` says why. */
RV_MUST enum rv_code rv_child_plan(const struct rv_run_act *act, const json_t *look, int64_t now_us,
                                   struct rv_child *out, struct rv_error *err);

/* What the journal keeps of a start that was allowed; new reference. */
json_t *rv_child_answer(const struct rv_run_act *act, const struct rv_child *child);
/* The question for the policy: {"agent", "mode": "start" or "handoff", "type"?}; new reference. */
json_t *rv_child_question(const struct rv_run_act *act);

/* What a plan hears of a child that has ended; new reference.  `result` may be NULL. */
json_t *rv_child_outcome(int64_t run, const char *status, const char *error_code,
                         const char *error_text, const json_t *result);

#endif
