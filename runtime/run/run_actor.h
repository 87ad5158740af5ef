/* run_actor.h -- one run, one actor: Lua plans, the journal remembers, the port performs.
 *
 * The actor advances through the phases of run_actor.c; at every step it either finds the answer in
 * the journal (replay) or asks the port, which journals it before the actor goes on.  A run
 * therefore resumes on any node from its journal alone.
 */
#ifndef REEVE_RUNTIME_RUN_RUN_ACTOR_H
#define REEVE_RUNTIME_RUN_RUN_ACTOR_H

#include "runtime/actor/actor.h"
#include "runtime/run/port.h"

struct rv_run_start {
    int32_t tenant;
    int64_t run;
    int64_t epoch; /* under which this node drives the company; 0: as it stands (simulation) */
    const struct rv_run_port *port; /* outlives the actor */
    /* Told when the run stands still or has ended; on the actor's thread.  May be NULL. */
    void (*changed)(void *data, int32_t tenant, int64_t run, enum rv_run_state state);
    void *changed_data;
    struct rv_ref boss; /* hears RV_RUN_BEGUN, _CHILD, _SLEEPS, _ASKS and _ANSWERED; 0 nobody */
};

/* Behaviour of a run actor; argument is a struct rv_run_start. */
extern const struct rv_behavior rv_run_behavior;

enum {
    RV_RUN_WAKE = RV_MESSAGE_USER, /* something you wait for may have happened */
    RV_RUN_CANCEL,                 /* payload: rv_strdup'ed reason */
    RV_RUN_GIVE_ROOM,              /* others need it: if you only sleep, stand still; so too if you
                                      wait for the answer that numbers[0] names, 0 none */
    RV_RUN_BEGUN,                  /* to the boss: number's journal is read again; numbers[0] */
    RV_RUN_CHILD,                  /* to the boss: a run has started this one; numbers[0] */
    RV_RUN_SLEEPS,                 /* to the boss: this one has its actor only for its timer's sake;
                                      numbers[0] */
    RV_RUN_ASKS,     /* to the boss: this one (numbers[0]) has waited for the model for
                        a while, for the answer numbers[1] */
    RV_RUN_ANSWERED, /* to the boss: the model's answer to this one is in the journal,
                        or will not come; it may have no actor; numbers[0] */
    RV_RUN_ANSWER    /* private: an operation of the port completed */
};

#endif
