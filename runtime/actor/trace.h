/* trace.h -- the messages of one trace, for people: who got what from whom, when, and how long it
 * waited and took.
 *
 * A core notes every message that belongs to a trace (struct rv_trace) in a ring of
 * RV_TRACE_RECENT; messages without a trace cost one comparison.  Who looks at a trace gets what is
 * there of it, and from then on the trace has a ring of its own, so that busy neighbours do not
 * push it out, until nobody has looked for RV_TRACE_WATCH_MS.  At most RV_TRACE_WATCHED at once:
 * the one that was not looked at for longest goes.
 *
 * Look by rv_actor_call to the lookout of the core (view.h) with a message of kind RV_LOOK_TRACE
 * whose numbers[0] and [1] are the trace: the payload of the answer is a struct rv_trace_view.
 */
#ifndef REEVE_RUNTIME_ACTOR_TRACE_H
#define REEVE_RUNTIME_ACTOR_TRACE_H

#include "runtime/actor/actor.h"

enum {
    RV_LOOK_TRACE = RV_MESSAGE_USER + 1,
    RV_TRACE_RECENT = 4096, /* of a core: 400 KiB, made with the first */
    RV_TRACE_KEPT = 1024,   /* of a trace that somebody looks at: the newest */
    RV_TRACE_WATCHED = 16,
    RV_TRACE_WATCH_MS = 600000
};

struct rv_traced {
    struct rv_trace trace;
    int64_t at_us;     /* when its turn came, wall clock */
    int64_t waited_us; /* in the mailbox before; as exact as a turn is long */
    int64_t took_us;
    struct rv_ref to;
    struct rv_ref from; /* 0: from outside any actor */
    const char *actor;  /* behaviour of the receiver; NULL: there was none */
    const char *what;   /* see name_of in actor.h; of a dead letter the reason; or NULL */
    uint32_t kind;
    int32_t tenant;    /* of the receiver; 0 when there was none */
    bool dead;         /* nobody read it */
    enum rv_code code; /* what the receiver said */
};

struct rv_trace_view {
    int core;
    int64_t seen; /* of this trace since the look began, with those that made room since */
    int count;
    struct rv_traced *messages; /* oldest first */
};

/* Notes from now on; before the cores run.  Without it no core does. */
void rv_actors_trace(struct rv_actors *actors);
/* On the core's thread.  rv_trace_view_free takes it back. */
struct rv_trace_view *rv_actors_trace_view(struct rv_actors *actors, int core,
                                           struct rv_trace trace);
void rv_trace_view_free(void *data);

#endif
