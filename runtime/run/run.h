/* run.h -- the words of a run: its states, the kinds of its journal, its limits.
 *
 *   CREATED > PLANNING > EXECUTING > REVIEWING > DONE
 *                 |  ^        |  ^       |
 *                 v  |        v  |       v                 any open state -> CANCELLED, FAILED,
 *               WAITING (timer, signal, model, approval, run, effect, intent)      DIVERGED
 *                             |
 *                             +-> COMPENSATING > COMPENSATED        (a held compensation: WAITING)
 *
 * One that waits for its key (claim.h) or a place (flow.h) has not begun; whoever gives it that
 * makes it CREATED.
 *
 * The table of legal moves is in run.c; only rv_state_move changes a state.
 */
#ifndef REEVE_RUNTIME_RUN_RUN_H
#define REEVE_RUNTIME_RUN_RUN_H

#include "runtime/base/state_machine.h"

#define RV_RUN_STATES(X)                                                                           \
    X(CREATED, "created")                                                                          \
    X(PLANNING, "planning")                                                                        \
    X(EXECUTING, "executing")                                                                      \
    X(WAITING, "waiting")                                                                          \
    X(REVIEWING, "reviewing")                                                                      \
    X(COMPENSATING, "compensating")                                                                \
    X(DONE, "done")                                                                                \
    X(FAILED, "failed")                                                                            \
    X(CANCELLED, "cancelled")                                                                      \
    X(COMPENSATED, "compensated")                                                                  \
    X(DIVERGED, "diverged")

enum rv_run_state {
#define X(name, word) RV_RUN_##name,
    RV_RUN_STATES(X)
#undef X
        RV_RUN_STATE_COUNT
};

extern const struct rv_state_table rv_run_states;
const char *rv_run_state_name(enum rv_run_state state);
enum rv_run_state rv_run_state_from_name(const char *name); /* RV_RUN_STATE_COUNT when unknown */
bool rv_run_state_final(enum rv_run_state state);

/* What a journal entry is; numbers are stored, never renumber. */
enum rv_step_kind {
    RV_STEP_READ = 1,
    RV_STEP_MODEL = 2,
    RV_STEP_MEMORY = 3,
    RV_STEP_TIMER = 4,
    RV_STEP_SIGNAL = 5,
    RV_STEP_PLAN = 6,
    RV_STEP_ACTION = 7,
    RV_STEP_APPROVAL = 8,
    RV_STEP_OUTCOME = 9,
    RV_STEP_COMPENSATION = 10,
    RV_STEP_REVIEW = 11,
    RV_STEP_NOTE = 12,
    RV_STEP_START = 13,      /* of a child run: "start" or "handoff" */
    RV_STEP_CHILD = 14,      /* how a child ended */
    RV_STEP_EFFECT = 15,     /* the outcome of an action outside, see runtime/effect/effect.h */
    RV_STEP_CHECKPOINT = 20, /* a new beginning: what lies before it is not read again */
    RV_STEP_PUBLISH = 21,    /* a named value for those outside */
    RV_STEP_REPLY = 22,      /* the answer to an update */
    RV_STEP_KIND_LAST = RV_STEP_REPLY
};
const char *rv_step_kind_name(int kind);      /* "?" when unknown */
int rv_step_kind_from_name(const char *name); /* 0 when unknown */

/* Name of the note (kind RV_STEP_NOTE) that a change of the agent's version leaves in the journal:
 * {"from", "plan", "version", "by"}.  Written from outside the run, read by people only. */
#define RV_STEP_VERSION "version"

enum {
    RV_RUN_REPEATS_MAX = 8, /* the same question with the same arguments: a plan that loops */
    RV_RUN_VOIDS_MAX = 3,   /* an approval that keeps losing its object: give up and say so */
    RV_RUN_STEPS_DEFAULT = 200,
    RV_RUN_CALLS_DEFAULT = 100,
    RV_RUN_TOKENS_DEFAULT = 50000,
    RV_RUN_DEPTH_DEFAULT = 4,
    RV_RUN_CHILDREN_DEFAULT = 16, /* fan-out of one run: a plan with more wants a list, not runs */
    RV_RUN_SAME_CHILD_MAX = 2,    /* an attempt and one retry; the third is a plan that loops */
    /* Longer waits give up their actor: it holds 105 KB and a turn of its company's, and comes back
     * for the 0.2 ms that a short journal takes.  Shorter ones do as soon as a run waits for that
     * room (room.h). */
    RV_RUN_TIMER_IN_MEMORY_MS = 1000,
    RV_RUN_STATE_BYTES_MAX = 1 << 20, /* of a checkpoint, as JSON: larger things are blobs */
    RV_RUN_VALUE_MAX = 64 << 10,      /* published, or answered: read by people and at once */
    RV_STEP_DIGEST_BYTES = 16
};

#endif
