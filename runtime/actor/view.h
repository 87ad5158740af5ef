/* view.h -- what the actors of a core are doing: for people (`reeve top`), never for decisions.
 *
 * A view is a copy made on the core's own thread, by the lookout: an actor of the system that every
 * core of a serving node has, called "lookout:0", "lookout:1" ...  Ask it with rv_actor_call and a
 * message of kind RV_LOOK; the payload of the answer is a struct rv_core_view.  A core whose turn
 * never ends does not answer, so whose turn it is can be read from any thread
 * (rv_actors_turn_in_hand).
 *
 * A view is bounded: it visits RV_VIEW_WALK_MAX seats a time (the next one goes on from there) and
 * names RV_VIEW_ACTORS_MAX actors, those with the fullest mailboxes first, then the busiest.
 */
#ifndef REEVE_RUNTIME_ACTOR_VIEW_H
#define REEVE_RUNTIME_ACTOR_VIEW_H

#include "runtime/actor/actor.h"

enum {
    RV_LOOK = RV_MESSAGE_USER,  /* to a lookout: a call without a body */
    RV_VIEW_ACTORS_MAX = 256,   /* as many as a table on a screen can use */
    RV_VIEW_TENANTS_MAX = 1024, /* of one core; who has more actors comes first */
    RV_VIEW_WALK_MAX = 65536    /* seats a look visits: about 5 ms of the core's time */
};

struct rv_actor_view {
    struct rv_ref ref;
    struct rv_ref parent; /* 0: none */
    const char *behavior;
    int32_t tenant;
    uint32_t waiting; /* messages in the mailbox */
    uint32_t mailbox; /* it takes so many */
    uint32_t handled; /* since it was born; wraps */
    int restarts;     /* in its window of time */
    bool suspended;   /* waits for its restart */
    bool passivated;  /* waits for a message that begins its next life */
    int64_t bytes;    /* of the actor, its mailbox, and what it says that its state points to */
    char what[48];    /* what it says of itself, or "" */
    enum rv_class class;
};

struct rv_tenant_view {
    int32_t tenant;
    int weight;
    int actors;
    int ready; /* wait for a turn */
    int64_t turns;
    int64_t waiting; /* messages, of the actors visited */
    int64_t bytes;   /* likewise */
};

/* A turn that took longer than 10 ms. */
struct rv_slow_turn {
    struct rv_ref ref; /* 0: there was none */
    const char *behavior;
    int32_t tenant;
    int64_t took_us;
    int64_t at_us;
};

struct rv_core_view {
    int core;
    struct rv_actor_stats stats;
    int ready; /* actors that wait for a turn */
    int timers;
    int64_t visited;    /* seats; fewer than there are: not all actors were looked at */
    int64_t bytes;      /* envelopes, seats and timers of the core */
    int64_t slow_turns; /* so far ... */
    struct rv_slow_turn slowest;
    struct rv_actor_view *actors;
    int actor_count;
    struct rv_tenant_view *tenants;
    int tenant_count;
    struct rv_dead_letter *letters; /* newest first */
    int letter_count;
};

/* On the core's thread.  rv_core_view_free takes it back. */
struct rv_core_view *rv_actors_view(struct rv_actors *actors, int core);
void rv_core_view_free(void *data);

/* Any thread: whose turn it is, and for how long at least one message has been in hand; false: the
 * core sleeps.  A hint: the turn may be over when it is read. */
bool rv_actors_turn_in_hand(struct rv_actors *actors, int core, struct rv_ref *ref,
                            int64_t *lasts_us);
int rv_actors_cores(const struct rv_actors *actors);

/* The lookout of `core`: before the core runs, or on its thread. */
RV_MUST enum rv_code rv_lookout_spawn(struct rv_actors *actors, int core, struct rv_error *err);
/* The lookout's reference; nobody's when there is none.  Any thread. */
struct rv_ref rv_lookout_find(struct rv_actors *actors, int core);

#endif
