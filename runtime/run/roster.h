/* roster.h -- the runs of one company that its orchestrator knows: those that have an actor, and
 * those that are ready for one and wait their turn, and those that have given theirs to others
 * while they wait for the model's answer.
 *
 * A run is in it once.  Found by number and by reference in constant time (open addressing, Knuth
 * 6.4 algorithm L, deletion by shifting back), because a company may have ten thousand of them.
 *
 * Thread: the orchestrator's.
 */
#ifndef REEVE_RUNTIME_RUN_ROSTER_H
#define REEVE_RUNTIME_RUN_ROSTER_H

#include "runtime/actor/actor.h"

struct rv_roster;

enum { RV_ROSTER_PARKED_MAX = 1024 }; /* each is a question in memory, of some kilobytes */

struct rv_roster_run {
    int64_t run;
    struct rv_ref ref; /* 0: waits its turn */
    enum rv_class class;
    bool told_to_stop;
    bool begun;    /* it has read its journal again */
    bool sleeps;   /* it said so, and was not named by rv_roster_sleeper since */
    bool parked;   /* it has given its actor while it waits for an answer, and waits no turn */
    int64_t asks;  /* the answer that it waits for, as it said; 0 none */
    int64_t gives; /* ... when it was last named: it may have given its actor for that */
};

struct rv_roster *rv_roster_create(void);
void rv_roster_destroy(struct rv_roster *roster);

/* The run waits its turn; false when it is known already.  A run keeps its class while it has its
 * actor; one that only waits becomes interactive when somebody waits for it. */
bool rv_roster_add(struct rv_roster *roster, int64_t run, enum rv_class class);
/* The run that has waited longest among those that somebody waits for, or else among all; 0 when
 * none waits. */
int64_t rv_roster_next(struct rv_roster *roster);
/* What is known of the run; NULL nothing.  Valid until something is added. */
struct rv_roster_run *rv_roster_find(struct rv_roster *roster, int64_t run);
/* It has an actor now. */
void rv_roster_live(struct rv_roster *roster, int64_t run, struct rv_ref ref);
/* Its actor waits for nothing but the time; a run without an actor is not noted. */
void rv_roster_sleeps(struct rv_roster *roster, int64_t run);
/* It waits for that answer, which takes long; as one that sleeps.  Nothing while so many have given
 * their actors for that as may. */
void rv_roster_asks(struct rv_roster *roster, int64_t run, int64_t answer);
/* The answer is there, or will not come: one that is parked waits its turn. */
void rv_roster_answered(struct rv_roster *roster, int64_t run);
/* Whoever said so first is named, once; NULL when nobody is left.  It may be awake by now. */
const struct rv_roster_run *rv_roster_sleeper(struct rv_roster *roster);
/* The actor of `gone` (see rv_roster_gone) stands still, and had been asked for its room: if it has
 * given that for an answer, nobody shall ask again.  So its run is parked until the answer is
 * there; where that came meanwhile it waits its turn, at worst for nothing. */
void rv_roster_park(struct rv_roster *roster, const struct rv_roster_run *gone);
/* The actor is gone, and `out` is what was known of its run; false when it was none of ours. */
bool rv_roster_gone(struct rv_roster *roster, struct rv_ref ref, struct rv_roster_run *out);
/* The run could not have an actor. */
void rv_roster_forget(struct rv_roster *roster, int64_t run);
int rv_roster_waiting(const struct rv_roster *roster);
int rv_roster_lives(const struct rv_roster *roster);

#endif
