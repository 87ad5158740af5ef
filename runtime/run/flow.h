/* flow.h -- how many runs go on at once, and how many begin in a while.
 *
 * An agent says so itself (`flow` in agent.lua, agents/README.md), and that is judged in one place:
 * the pass below.  A rule is a key with `most` places:
 *
 *   slots   { at_once = 3 }                a run has its place from its beginning to its end
 *   tokens  { starts = 100, seconds = 60 } a place comes back `seconds` after the run has begun: so
 *                                          in no time of that length more than `starts` begin
 *
 * Whose key it is: the agent's; with `by` one for each value of that field of the input; with
 * `name` one that all agents of the company share which name it, such as an interface that bears so
 * many.
 *
 *   begun -> waits for "slot" or "rate" -> created -> ... -> over
 *            [pass: takes one place after the other]         its slots are free, in that
 * transaction
 *
 * A run takes its places one after the other, slots before tokens, those of one value before the
 * agent's before shared ones: all runs in one order, so that none waits for another in a circle. It
 * keeps what it has while it waits for the next one, and a token counts from where it has all.  For
 * one key they go in turn: the time when they were begun, each point of priority a minute earlier.
 * So who weighs more goes first, nobody waits for ever, and those that weigh the same go first come
 * first served.
 *
 * A run that was started by one that has slots does not wait for a slot, as that one may wait for
 * it: where none is free it is asked to stop, with the reason.  Not so a hand-off: that one ends.
 *
 * Every pass is a unit of the committer, under the head of the company and fenced by the lease: two
 * nodes never see the same place free.  Who may find a place has wake_at; a run that leaves marks
 * who comes next for its keys, in the transaction of its end.  The look of the orchestrator finds
 * marks and asks for a pass, so a crash in between loses nothing, and nobody asks again and again.
 *
 * Thread: the committer's loop.
 */
#ifndef REEVE_RUNTIME_RUN_FLOW_H
#define REEVE_RUNTIME_RUN_FLOW_H

#include "runtime/journal/commit.h"

/* What a run waits on that has not got all its places. */
#define RV_FLOW_SLOT "slot"
#define RV_FLOW_RATE "rate"

enum {
    RV_FLOW_KEY_MAX = 200,  /* bytes: a line of a table; a longer value goes as its digest */
    RV_FLOW_PRIORITY_S = 60 /* what a point of priority is worth, in waiting */
};

/* What a run of this agent must have: {"ahead_s", "keys": [{"key", "most", "seconds"?}, ...]} in
 * the order in which it takes them; `input` is what the plan is given, `business_key` may be NULL.
 * New reference; NULL where the manifest has no rules. */
json_t *rv_flow_of(const json_t *manifest, const char *agent, const json_t *input,
                   const char *business_key, int priority);

/* With a new run whose input (the whole one) has "flow": it waits.  After it is written. */
void rv_flow_enter(struct rv_batch *batch, int64_t run, const json_t *input);

/* ---- the decision; pure ---- */

/* What becomes of one run. */
struct rv_flow_move {
    int64_t run;
    const char *waiting_on; /* NULL: it begins; borrowed from nowhere */
    int place;              /* that it waits for; 0: none, it is stopping */
    int64_t wake_us;        /* when it is looked at again; 0: when somebody leaves */
    bool stops;             /* it is asked to: it would wait for a slot below one that has some */
    const char *key;        /* ... for this one; borrowed from the look */
};
struct rv_flow_take {
    int64_t run;
    int place;
    int64_t until_us; /* when a token comes back; 0: with the end of the run, or not begun yet */
};
struct rv_flow_plan {
    struct rv_flow_move *moves;
    struct rv_flow_take *takes;
    int move_count, take_count, begun;
};
/* `look`: the state of the statement run_flow_look, which says what is in it.  Memory is the
 * arena's. */
void rv_flow_decide(const json_t *look, struct rv_arena *arena, struct rv_flow_plan *out);

/* ---- the pass ---- */

/* Once, never inside the call: runs that have begun, borrowed; the next look finds who was left. */
typedef void (*rv_flow_passed)(void *data, enum rv_code code, const int64_t *begun, int count,
                               const struct rv_error *err);
void rv_flow_pass(struct rv_committer *committer, int32_t tenant, int64_t epoch,
                  rv_flow_passed done, void *data);

#endif
