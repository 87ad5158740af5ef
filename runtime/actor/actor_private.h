/* actor_private.h -- the structures that the files of runtime/actor share.
 *
 * actor.c      the system and what an actor may do      core.c   delivery, turns, drain
 * mail.c/.h    envelopes, rings between cores, waking   alarm.c/.h  timers
 * supervise.c  start, failure, restart, end             share.c/.h  whose turn: tenants, classes
 * view.c/.h    what a core is doing, for people         link.c   ending together
 * monitor.c    hearing of ends                          stash.c  messages put aside
 * trace.c/.h   messages of one trace, for people        pool.c/.h  memory of actors
 *
 * Everything of a core is its own thread's, except what is marked atomic, the rings (one writer,
 * one reader) and the inbox (a mutex).  An idle actor is `struct rv_actor` with its state behind
 * it, and a slot; what few actors need is in `struct extra`, made when it is first needed.  What
 * each message touches stands together: `struct rv_actor` begins with it.
 */
#ifndef REEVE_RUNTIME_ACTOR_ACTOR_PRIVATE_H
#define REEVE_RUNTIME_ACTOR_ACTOR_PRIVATE_H

#include "runtime/actor/actor.h"
#include "runtime/actor/alarm.h"
#include "runtime/actor/envelope.h"
#include "runtime/actor/pool.h"
#include "runtime/actor/trace.h"
#include "runtime/actor/view.h"
#include "runtime/base/check.h"

#include <pthread.h>

enum {
    APART = 64,                /* bytes that keep two fields on lines of their own */
    MAIL_MESSAGES = 1024,      /* messages between two looks at the mail, ours and to us */
    TICK_TURNS_MAX = 256,      /* then the loop looks at its other work ... */
    TICK_US_MAX = 100,         /* ... or after so long: a poll of libuv costs 0.2 us */
    SPIN_US = 40,              /* looking for mail of other cores before sleeping ... */
    SPIN_GAP_US = 200,         /* ... when a sleep ended so soon that it did not pay ... */
    SPIN_TRIES = 4,            /* ... until it was in vain so often */
    TURN_LOOKS = 8,            /* messages between two looks at the clock, while they are quick */
    TURNS_UNSEEN = 16,         /* turns of a tenant that is alone, while they are quick */
    TURN_QUICK_US = 4,         /* and that is quick */
    CLOCK_COUNTER_STEP = 8192, /* cycles in which the clock is not read again: about 4 us */
    RESTARTS_DEFAULT = 5,
    RESTART_WINDOW_DEFAULT_MS = 60000,
    RESTART_BACKOFF_MS = 10, /* doubles with each restart in the window, with jitter */
    RESTART_BACKOFF_MAX_MS = 5000,
    RESTARTS_REMEMBERED = 32,
    SHARE_BUCKETS = 256,  /* tenants of one core, by number */
    SHARE_DEBT_MAX = 64,  /* turns that a tenant may be made to wait for one long turn */
    TURN_SLOW_US = 10000, /* a turn that is worth a word to people */
    OWED_MAX = 1024       /* calls that an actor may leave unanswered and be reminded of */
};

/* Kinds of our own, below RV_MESSAGE_USER: handled when they are delivered. */
enum {
    MESSAGE_WATCH = RV_MESSAGE_EXIT + 1, /* `from` wants to hear when the receiver ends */
    MESSAGE_UNWATCH,                     /* ... not any more */
    MESSAGE_LINK,                        /* `from` ends with the receiver, and it with `from` */
    MESSAGE_UNLINK
};

/* Timer tokens of the system have the top bit set; below it the user's. */
#define TOKEN_SYSTEM    (UINT64_C(1) << 63)
#define TOKEN_PASSIVATE (TOKEN_SYSTEM | 1)
#define TOKEN_RESTART   (TOKEN_SYSTEM | 2)
#define TOKEN_CALL      (TOKEN_SYSTEM | (UINT64_C(1) << 62))

struct call {
    struct call *next;
    uint64_t id;
    struct rv_ref target;
    void (*answered)(struct rv_actor *self, void *state, enum rv_code code,
                     struct rv_message *reply);
};

/* The other end of a link. */
struct link {
    struct link *next;
    struct rv_ref ref;
};

/* A call that was received and not yet answered: whoever asked hears when we end without an answer.
 */
struct owed {
    struct owed *next;
    struct rv_ref from;
    uint64_t call;
    int64_t deadline_us;
};

/* What most actors have not: children, a restart policy, somebody who waits for them ... */
struct extra {
    struct rv_actor *children; /* the newest first */
    void *argument;            /* our copy, for the restart */
    size_t argument_bytes;
    int restart_max;
    int restart_count;
    int64_t restart_window_ms;
    int64_t *restarts_us; /* restart_max of them */
    int64_t passivate_ms;
    int64_t active_us;
    struct alarm *alarms;     /* of this life, newest first */
    struct watches *watches;  /* whose ends it wants to hear of; NULL: nobody's */
    struct watcher *watchers; /* who wants to hear of its end */
    struct link *links;
    struct queue stash;
    int stashed;
    int stash_max; /* 0: RV_STASH_DEFAULT */
    struct rv_trace trace;
    struct call *calls;
    struct owed *owed; /* oldest first */
    struct owed **owed_end;
    int owed_count;
};

/* Why an actor is not put in a line. */
enum { BUSY_READY = 1, BUSY_TURN = 2, BUSY_SUSPENDED = 4 }; /* in one; has its turn; will restart */
/* What a message needs before it is received: it passivates; has a trace of its own; has no life
 * (it was passivated and reactivates), which its next turn begins. */
enum { BEFORE_ACTIVE = 1, BEFORE_TRACE = 2, BEFORE_LIFE = 4 };

struct rv_actor {
    struct core *core;
    struct rv_ref ref;
    const struct rv_behavior *behavior;
    struct share *share;
    struct queue mailbox;
    uint32_t waiting; /* in the mailbox */
    uint32_t mailbox_max;
    uint32_t handled; /* messages; wraps */
    uint8_t busy;     /* BUSY_... */
    bool exiting;
    uint8_t before; /* BEFORE_... */
    uint8_t line;   /* in which it stands, when it is ready */
    /* 64 bytes */
    struct rv_actor *next_ready;
    struct rv_actor *before_ready;
    struct lane system;
    struct extra *extra;     /* NULL: nothing of it */
    struct rv_actor *parent; /* on the same core; ends after us */
    struct rv_actor *newer;  /* among its siblings */
    struct rv_actor *older;
    unsigned class                  : 2; /* its line, unless it was told to end */
    enum rv_overflow overflow       : 2;
    enum rv_overflow stash_overflow : 2;
    enum rv_restart restart         : 2;
    enum rv_exit exit               : 3;
    enum rv_strategy strategy       : 2;
    bool started                    : 1;
    bool told_to_stop               : 1; /* by a message: no restart, whatever its policy */
    bool escalated                  : 1; /* ended because it failed too often */
    bool named                      : 1;
    bool traps_exits                : 1;
    bool reactivates                : 1;
    bool ends                       : 1; /* from before its `stop` until it begins again */
    unsigned depth                  : 8; /* below the first of its tree */
    alignas(16) unsigned char state[];
};
_Static_assert(offsetof(struct rv_actor, state) == 128, "an idle actor is 200 bytes at most");
_Static_assert(RV_ACTOR_DEPTH_MAX <= 256, "depth has eight bits");

/* `id` is the reference of who sits here, or of who will sit here next with FREE_SEAT. */
struct slot {
    union {
        struct rv_actor *actor;
        uint32_t next_free;
    } is;
    uint64_t id;
};
#define FREE_SEAT (UINT64_C(0xFF) << 56) /* no core has this number */

/* Stands between a core and its loop's queue, which it may not outlive. */
struct bell {
    struct core *core; /* NULL: it is gone */
    atomic_int posted; /* callbacks under way */
};

struct core {
    struct rv_actors *actors;
    int index;
    struct rv_loop *loop;
    struct bell *bell;
    const struct rv_clock *clock;
    bool real_time;         /* the machine's clock: it can be read less often than it is asked */
    _Atomic int64_t now_us; /* see core_now; others look at it while a turn does not end */
    uint64_t counter;
    bool quick;            /* the turns before the last look at the clock were short ... */
    int unseen;            /* ... and so many have been since, all of one tenant */
    struct rv_trace trace; /* of the message in hand */
    int64_t deadline_us;   /* likewise; 0 none */
    struct tracer *tracer; /* NULL: messages are not noted */
    struct rv_error err; /* for receive; empty between turns: a kilobyte is not cleared for each */
    struct pool pool;    /* of its actors */
    struct slot *slots;
    uint32_t slot_count; /* that there is memory for */
    uint32_t slot_used;  /* that were ever taken; memory behind it is untouched */
    uint32_t free_slot;  /* UINT32_MAX: none */
    struct share *shares[SHARE_BUCKETS];
    struct share *ring_first; /* whose turn it is */
    struct share *ring_last;
    int ring_count;
    int ready_count;
    struct rv_idle *ticker; /* calls us each round of the loop ... */
    bool ticking;           /* ... while there is something to do */
    int spins;              /* left; see SPIN_US */
    int64_t rested_us;      /* when it last went to sleep */
    struct rv_random random;
    struct due *alarms; /* binary heap, earliest first */
    int alarm_count;
    int alarm_capacity;
    uint64_t alarm_order;
    struct rv_timer *timer;
    int64_t timer_us; /* what the loop's timer is armed for */
    uint64_t call_ids;
    int64_t watch_numbers;
    bool draining;
    bool closed; /* drained: nobody is born here any more */
    int64_t drain_deadline_us;
    struct envelope *free_envelopes;
    struct slab *slabs;
    struct queue later; /* to ourselves, after what is going on */
    /* from other cores and other threads */
    struct outlet *outlets;         /* one per core */
    uint64_t dirty;                 /* bit per outlet: something to publish */
    _Atomic(struct ring *) *inlets; /* one per core; NULL before the first message */
    pthread_mutex_t inbox_lock;
    struct queue inbox;     /* of threads that are no cores */
    atomic_bool inbox_some; /* so that nobody locks to find it empty */
    /* looked at by others with each message: on a line that nothing else writes */
    unsigned char apart[APART];
    atomic_bool awake; /* it will look at its mail: no need to wake it */
    atomic_int cpu;    /* which it ran on when it last looked, in its turns or to wait */
    unsigned char apart_too[APART];
    /* looked at by others now and then */
    _Atomic int64_t live, spawned, turns, messages, sent_remote, wakes, dead, refused, spilled,
        restarts, passivated, reactivated;
    _Atomic uint32_t longest_mailbox;
    _Atomic uint64_t turn_ref; /* whose turn it is, or was last; 0: asleep */
    struct rv_slow_turn slowest;
    int64_t slow_turns;
    uint32_t view_from; /* the slot where the next look goes on; see RV_VIEW_WALK_MAX */
    struct rv_dead_letter dead_letters[RV_DEAD_LETTERS_KEPT];
    int64_t dead_count;
};

struct name {
    struct name *next;
    char *text;
    struct rv_ref ref;
};

struct rv_actors {
    struct core *cores;
    int core_count;
    pthread_mutex_t names_lock;
    struct name *names;
    void (*drained)(void *data);
    void *drained_data;
    atomic_int draining_cores;
};

/* core.c */
void core_init(struct core *core, struct rv_actors *actors, int index, struct rv_loop *loop,
               uint64_t seed);
void core_fini(struct core *core);
struct rv_ref core_seat(struct core *core, struct rv_actor *actor);
void core_unseat(struct core *core, struct rv_actor *actor);
enum rv_code core_deliver(struct core *core, struct envelope *envelope);
/* What an actor sends: from it, with the trace of the message in hand. */
enum rv_code core_send(struct rv_actor *self, struct rv_ref to, struct rv_message *message);
void core_ready(struct rv_actor *actor);
void core_arm(struct core *core); /* a tick will come */
bool core_turn(struct core *core, bool random_pick);
/* link.c */
enum rv_code link_deliver(struct core *core, struct rv_actor *actor, struct envelope *envelope);
/* An exit signal: true when that is all; false: the actor traps exits and receives it. */
bool link_exit(struct rv_actor *actor, const struct rv_message *message);
void links_break(struct rv_actor *actor, enum rv_exit why); /* its incarnation has ended */

/* monitor.c */
enum rv_code monitor_deliver(struct core *core, struct rv_actor *actor, struct envelope *envelope);
bool monitor_holds(struct rv_actor *actor, const struct rv_message *down); /* and ends with it */
void monitors_end(struct rv_actor *actor); /* those that it has, with its life */
void monitors_tell(struct rv_actor *actor, enum rv_exit why);

/* trace.c */
void tracer_destroy(struct tracer *tracer);
enum rv_code trace_receive(struct rv_actor *actor, struct envelope *envelope, struct rv_error *err);
void trace_system(struct rv_actor *actor, const struct envelope *envelope);
void trace_dead(struct core *core, const struct envelope *envelope, const struct rv_actor *to,
                const char *reason); /* `to` NULL: nobody */

/* stash.c */
void stash_give_back(struct rv_actor *actor); /* all of it, to the front of the mailbox */

void core_dead_letter(struct core *core, struct envelope *envelope, const char *reason);
void core_drain_check(struct core *core);

/* NULL when stale. */
static inline struct rv_actor *core_find(struct core *core, struct rv_ref ref)
{
    uint32_t slot = (uint32_t)ref.id;
    if (slot >= core->slot_used || core->slots[slot].id != ref.id) {
        return NULL;
    }
    return core->slots[slot].is.actor;
}

/* Who sits there; NULL: nobody. */
static inline struct rv_actor *core_sitting(const struct core *core, uint32_t slot)
{
    const struct slot *seat = &core->slots[slot];
    return (seat->id & FREE_SEAT) == FREE_SEAT ? NULL : seat->is.actor;
}

static inline int ref_core(struct rv_ref ref)
{
    return (int)(ref.id >> 56);
}

/* Counters have one writer; others only look. */
static inline void bump(_Atomic int64_t *counter, int64_t by)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

/* view.c */
void view_note_slow(struct core *core, const struct rv_actor *actor, int64_t took_us);
/* supervise.c */
struct rv_actor *actor_create(struct core *core, const struct rv_spawn *spawn,
                              struct rv_actor *parent);
struct extra *actor_extra(struct rv_actor *actor); /* made when it is not there */
enum rv_code actor_start(struct rv_actor *actor, const void *argument, struct rv_error *err);
/* The next life of one that was passivated; within its turn. */
enum rv_code actor_reactivate(struct rv_actor *actor, struct rv_error *err);
/* The behaviour failed: restart with back-off, or end and escalate. */
void actor_failed(struct rv_actor *actor, const struct rv_error *err);
/* It wants to end after its turn: ends, or begins again where its policy says so. */
void actor_left(struct rv_actor *actor);
void actor_owes(struct rv_actor *actor, const struct rv_message *message);
bool actor_is_waited_for(struct rv_actor *actor); /* for an answer; it has struct extra */
void actor_paid(struct rv_actor *actor, const struct rv_message *request);
void actor_restart_now(struct rv_actor *actor);
bool actor_is_of_group(const struct rv_actor *actor);
/* Children first, then the actor; tells monitors; frees. Never inside the actor's own turn. */
void actor_end(struct rv_actor *actor, enum rv_exit why);

#endif
