/* orchestrator.h -- one actor per company: picks agents for exceptions, starts runs, brings back
 * those that can move, ends approvals whose time has come.
 *
 *   a look (one statement): runs that could move -> run actors; runs that people want stopped ->
 * told so; due approvals -> expire or escalate; granted requests of people -> executed
 *   RV_ORCHESTRATE        : open exceptions -> agent that handles the type -> run.start through the
 * gate
 *
 * It looks when it is told that something was committed (RV_ORCHESTRATOR_WAKE: by this process's
 * committer, by a notification of another's), at the very time for which the last look found a
 * timer or a term, when a run stands still, and else ever more rarely: an idle company costs one
 * statement in RV_ORCHESTRATOR_IDLE_MS.  Looks keep a distance of some times what the last one
 * took, so that they never take more than a fifth of the time.
 *
 * A node that serves also looks by itself: when a detection has found something, whoever asked for
 * it, and now and then for what failed before.
 *
 * A look at the exceptions is over when every run it asked for was started or refused; only then
 * does `looked` say so.  Who wants to know that nothing is left to do asks until a look starts
 * nothing.
 *
 * A business key ("exception:<hex>") is claimed by the unique index on open runs: two orchestrators
 * can never start two runs for one exception; runs that a run starts work under its claim
 * (child.h). Children are found like all runs that can move, and so is a parent whose child has
 * ended.  Runs beyond the company's share (room.h) wait in the database, and so do those whose
 * agent says that they must (flow.h).
 */
#ifndef REEVE_RUNTIME_RUN_ORCHESTRATOR_H
#define REEVE_RUNTIME_RUN_ORCHESTRATOR_H

#include "runtime/actor/actor.h"
#include "runtime/approval/approval.h"
#include "runtime/db/db.h"
#include "runtime/gate/gate.h"
#include "runtime/run/port.h"
#include "runtime/run/room.h"

enum {
    RV_ORCHESTRATE =
        RV_MESSAGE_USER,  /* look for open exceptions; numbers[0]: given back to `looked` */
    RV_ORCHESTRATOR_WAKE, /* something was committed that may let a run go on */
    RV_ORCHESTRATOR_TICK_MS = 500,
    RV_ORCHESTRATOR_IDLE_MS = 10000,
    RV_ORCHESTRATOR_LOOK_MS = 60000, /* a run that failed gets another one after so long */
    RV_ORCHESTRATOR_SEAL_MS = 10000, /* so often the newest audit records are sealed */
    RV_EXCEPTIONS_PER_LOOK = 500
};

struct rv_orchestrator_options {
    struct rv_loop *loop;
    struct rv_db *db;
    struct rv_gate *gate;
    struct rv_approvals *approvals;
    const struct rv_run_port *port;
    struct rv_run_room *room; /* of the core, all companies; NULL: each has its share only */
    bool watch;               /* looks at the exceptions by itself; false: only when told */
    /* Resolutions of an exception type, e.g. {"invoice.hold", ...}; NULL-terminated, or NULL. */
    const char *const *(*resolutions_of)(const char *type);
    /* Progress for people; on the actor's thread; may be NULL. */
    void (*changed)(void *data, int32_t tenant, int64_t run, enum rv_run_state state);
    void *changed_data;
    /* The look asked for with that number is over and has started so many runs; on the actor's
     * thread. A failed look is repeated, not reported; a request that overtakes another answers for
     * both. May be NULL. */
    void (*looked)(void *data, int32_t tenant, int64_t number, int started);
    void *looked_data;
    /* Asks for a checkpoint over the company's newest audit records; now and then, and at the end.
     * May be NULL. */
    void (*seal)(void *data, int32_t tenant);
    void *seal_data;
};

struct rv_orchestrator_start {
    int32_t tenant;
    int64_t epoch;
    const struct rv_orchestrator_options *options; /* outlives the actor */
};

extern const struct rv_behavior rv_orchestrator_behavior;

#endif
