/* actor.h -- isolated actors with bounded mailboxes, one scheduler per loop thread.
 *
 * An actor is a behaviour, its own state and a mailbox.  It lives on one core (= loop = thread) for
 * its whole life; a tenant is pinned to a core, so everything of a tenant runs on one thread
 * without locks.  Actors are named by references (ids), never by pointers: a stale reference gives
 * a dead letter, never a crash.  Messages carry a small inline body and optionally one owned
 * payload.
 *
 *     send ----same core----> mailbox ---turn---> receive(self, message)
 *       \---other core--> ring --wake if asleep--^
 *
 * Bounds: a full mailbox does what its owner declared: refuse (the sender is told), drop the
 * oldest, or spill, which is counted and capped at RV_MAILBOX_SPILL_MAX.  System messages (stop,
 * exit, down, timeout, reply) have a lane of their own that is never full and comes first; who is
 * told to end does not stand in line behind the work of its tenant.  A turn handles at most
 * RV_TURN_MESSAGES_MAX messages or RV_TURN_US_MAX. Tenants on one core take turns by weight, and
 * within a tenant the better class goes first, but none waits for ever (share.c). Nothing may block
 * in receive; blocking work goes to rv_work of the loop.
 *
 * Sources: Erlang/OTP (links, monitors, supervisors, restart intensity), Akka (bounds, stash,
 * passivation, dead letters); measured shape in our own prototypes: shared-nothing cores joined by
 * rings.
 */
#ifndef REEVE_RUNTIME_ACTOR_ACTOR_H
#define REEVE_RUNTIME_ACTOR_ACTOR_H

#include "runtime/base/error.h"
#include "runtime/base/random.h"
#include "runtime/loop/loop.h"

struct rv_actors; /* the system: one or more cores */
struct rv_actor;  /* valid only inside its own receive/stop and on its own core */

enum {
    RV_ACTOR_CORES_MAX = 64,
    RV_MAILBOX_DEFAULT = 1024,
    RV_MAILBOX_SPILL_MAX = 65536,
    RV_STASH_DEFAULT = 64, /* messages put aside: what comes while one answer is awaited */
    RV_TURN_MESSAGES_MAX = 64,
    RV_TURN_US_MAX = 200,
    RV_MESSAGE_INLINE = 32, /* bytes that travel inside the envelope */
    RV_DEAD_LETTERS_KEPT = 256,
    RV_ACTOR_DEPTH_MAX = 256, /* of a tree; its end and its failures go through it */
    RV_RESTARTS_NONE = -1,    /* intensity: the first failure escalates */
    RV_WEIGHT_DEFAULT = 1,    /* turns of a tenant before the next one has its */
    RV_WEIGHT_SYSTEM = 4,     /* of tenant 0: what serves all of them */
    RV_WEIGHT_MAX = 64
};

struct rv_ref {
    uint64_t id; /* core 8 | generation 24 | slot 32; 0 is nobody */
};

static inline int rv_ref_is(struct rv_ref a, struct rv_ref b)
{
    return a.id == b.id;
}

/* Kinds below RV_MESSAGE_USER are the system's. */
enum rv_message_kind {
    RV_MESSAGE_STOP,    /* please end; `stop` of the behaviour runs */
    RV_MESSAGE_DOWN,    /* a monitored actor ended: from = it, inline int64 = enum rv_exit */
    RV_MESSAGE_TIMEOUT, /* timer of rv_actor_after: inline uint64 = token */
    RV_MESSAGE_REPLY,   /* answer to a call */
    RV_MESSAGE_EXIT,    /* a linked actor ended, for who traps exits: as RV_MESSAGE_DOWN */
    RV_MESSAGE_USER = 16
};

enum rv_exit {
    RV_EXIT_NORMAL,
    RV_EXIT_FAILED,
    RV_EXIT_KILLED,
    RV_EXIT_PASSIVATED,
    RV_EXIT_UNKNOWN, /* it was not there */
    RV_EXIT_LINKED   /* an actor that it was linked to did not end well */
};

/* A trace-id of W3C trace-context; both 0: none. */
struct rv_trace {
    uint64_t high;
    uint64_t low;
};

static inline bool rv_trace_is(struct rv_trace trace)
{
    return (trace.high | trace.low) != 0;
}

struct rv_message {
    uint32_t kind;
    uint32_t more; /* the runtime's: whether anything below `body` is set */
    struct rv_ref from;
    union {
        unsigned char bytes[RV_MESSAGE_INLINE];
        int64_t numbers[RV_MESSAGE_INLINE / 8];
        void *pointers[RV_MESSAGE_INLINE / 8];
    } body;
    uint64_t call;         /* non-zero: answer with rv_actor_reply */
    int64_t deadline_us;   /* monotonic; 0 none; expired messages are dead letters, not delivered */
    struct rv_trace trace; /* carried to everything that is sent while handling this message */
    void *payload;         /* owned by the message */
    void (*free)(void *payload); /* NULL: nothing to free */
};

/* An empty message of that kind.  Field by field: gcc clears a structure of this size by a string
 * instruction, which costs as much as sending it. */
static inline struct rv_message rv_message_of(uint32_t kind)
{
    struct rv_message message;
    message.kind = kind;
    message.more = 0;
    message.from.id = 0;
    message.call = 0;
    message.deadline_us = 0;
    message.trace.high = 0;
    message.trace.low = 0;
    message.body.numbers[0] = 0;
    message.body.numbers[1] = 0;
    message.body.numbers[2] = 0;
    message.body.numbers[3] = 0;
    message.payload = NULL;
    message.free = NULL;
    return message;
}

/* Moves the payload out: the caller owns it now. */
void *rv_message_take(struct rv_message *message);

enum rv_overflow { RV_OVERFLOW_REFUSE, RV_OVERFLOW_DROP_OLDEST, RV_OVERFLOW_SPILL };
/* ALWAYS: also after rv_actor_exit(RV_EXIT_NORMAL).  RV_MESSAGE_STOP, passivation, the end of the
 * parent and a drain are final for everybody. */
enum rv_restart { RV_RESTART_NEVER, RV_RESTART_ON_FAILURE, RV_RESTART_ALWAYS };

/* As a supervisor: who begins again when a child that has a restart policy does.  They end newest
 * first and begin oldest first, after the failed child's back-off; only that child's intensity is
 * charged.  Taken along: children without a policy end, the others keep reference and mailbox.
 * ALL is for children that share a state, REST for those that rely on what was spawned before them;
 * reeve's own actors stand alone or have equal children so far, which is ONE_FOR_ONE. */
enum rv_strategy { RV_ONE_FOR_ONE, RV_ONE_FOR_ALL, RV_REST_FOR_ONE };

/* Whose turn comes first among the actors of one tenant: work that a person waits for, all other,
 * work that nobody waits for.  A better class never starves the next: share.c. */
enum rv_class { RV_CLASS_NORMAL, RV_CLASS_INTERACTIVE, RV_CLASS_BATCH };

/* What an actor says of itself, for people. */
struct rv_shown {
    char what[48];
    int64_t bytes; /* of what its state points to */
};

/* Passivation: an actor that was idle for `passivate_ms`, or leaves with RV_EXIT_PASSIVATED, gives
 * its memory back.  Mostly that is its end: monitors hear of it, and what comes later is a dead
 * letter.  Who `reactivates` keeps reference, name and place in its tree instead: `stop` has run
 * and freed what the state points to (its own state_bytes, and our copy of the argument, stay until
 * it ends), children, links, timers and its own monitors are gone as at a restart, those that watch
 * it hear nothing, and the next message begins a new life by `start`, on a turn of its own, before
 * it is received; messages wait meanwhile as in any mailbox.  A `start` that fails is a failure
 * like any other: a policy restarts it with its messages, without one they are dead letters.  No
 * restart is charged.  RV_MESSAGE_STOP, the end of the parent and a drain end it without a new
 * life. */

struct rv_behavior {
    const char *name;
    /* Prepares `state` (zeroed, `state_bytes`); also after a restart.  May fail. */
    enum rv_code (*start)(struct rv_actor *self, void *state, const void *argument,
                          struct rv_error *err);
    /* An error fails the actor: its policy decides whether it begins again; monitors hear of its
     * end, not of a restart. */
    enum rv_code (*receive)(struct rv_actor *self, void *state, struct rv_message *message,
                            struct rv_error *err);
    void (*stop)(struct rv_actor *self, void *state, enum rv_exit why); /* may be NULL */
    size_t state_bytes;
    /* For people: fills what it knows; what a message is about, static.  Both may be NULL. */
    void (*show)(const void *state, struct rv_shown *out);
    const char *(*name_of)(const struct rv_message *message);
};

struct rv_spawn {
    const struct rv_behavior *behavior;
    /* For `start`, and valid during it only; copied (argument_bytes) where there can be a restart
     * or a reactivation. */
    const void *argument;
    size_t argument_bytes;
    uint32_t mailbox; /* 0: RV_MAILBOX_DEFAULT */
    enum rv_overflow overflow;
    uint32_t stash; /* 0: RV_STASH_DEFAULT */
    enum rv_overflow stash_overflow;
    enum rv_class class;
    bool traps_exits;          /* hears of the ends of linked actors instead of ending with them */
    enum rv_restart restart;   /* what its supervisor does when it fails */
    int restart_max;           /* intensity: at most so many restarts ... (0: 5), 31 at most */
    int64_t restart_window_ms; /* ... in this time (0: 60 000), then escalate: the parent fails */
    enum rv_strategy strategy; /* for the children that it will have */
    int64_t passivate_ms;      /* idle so long: stop with RV_EXIT_PASSIVATED; 0 never */
    bool reactivates;          /* passivated it keeps its reference; see above */
    int32_t tenant;            /* for `reeve top` and fairness */
    const char *name;          /* registers under this name (copied); NULL none */
};

/* ---- the system ---- */
/* `cores` loops are borrowed; each is run by its own thread (or all by one, in turn, in tests and
 * simulation).  `seed` feeds jitter and the simulation's scheduling order. */
struct rv_actors *rv_actors_create(struct rv_loop *const *loops, int cores, uint64_t seed);
/* Stops new work, lets mailboxes run empty for at most `timeout_ms`, then stops everybody. */
void rv_actors_drain(struct rv_actors *actors, int64_t timeout_ms, void (*drained)(void *data),
                     void *data);
void rv_actors_destroy(struct rv_actors *actors); /* after the loops have stopped */
int rv_actors_core_of_tenant(const struct rv_actors *actors, int32_t tenant);
/* Simulation: delivers what was sent, then runs one turn of one ready actor of `core`, chosen by
 * the seed; false when idle.  The loop need not run. */
bool rv_actors_step(struct rv_actors *actors, int core);
/* Earliest armed timer of a core on the loop's monotonic clock; INT64_MAX when none.  A simulation
 * moves its virtual clock there and calls rv_actors_fire_due. */
int64_t rv_actors_next_deadline_us(const struct rv_actors *actors, int core);
void rv_actors_fire_due(struct rv_actors *actors, int core);

/* Spawns on `core` from outside any actor (must be on that core's thread, or before it runs). */
RV_MUST enum rv_code rv_actors_spawn(struct rv_actors *actors, int core,
                                     const struct rv_spawn *spawn, struct rv_ref *out,
                                     struct rv_error *err);
/* How many turns a tenant has before the next one has its; on the core's thread, or before it runs.
 */
void rv_actors_weight(struct rv_actors *actors, int core, int32_t tenant, int weight);
int rv_actor_weight(const struct rv_actor *self); /* that of its tenant on this core */
/* Sends from outside any actor; any thread.  Takes the payload, also on failure.  It arrives later,
 * so a full mailbox is not seen here: the refusal is a dead letter.  RV_NOT_FOUND: nobody's
 * reference. */
enum rv_code rv_actors_send(struct rv_actors *actors, struct rv_ref to, struct rv_message *message);
struct rv_ref rv_actors_find(struct rv_actors *actors, const char *name); /* any thread */

/* ---- inside an actor ---- */
struct rv_ref rv_actor_self(const struct rv_actor *self);
struct rv_actors *rv_actor_system(const struct rv_actor *self);
struct rv_loop *rv_actor_loop(const struct rv_actor *self);
/* The child is supervised by `self`: when self ends, its children are stopped first. RV_UNAVAILABLE
 * in `stop`, RV_LIMIT deeper than RV_ACTOR_DEPTH_MAX. */
RV_MUST enum rv_code rv_actor_spawn(struct rv_actor *self, const struct rv_spawn *spawn,
                                    struct rv_ref *out, struct rv_error *err);
/* On the same core RV_LIMIT when a full mailbox refuses, RV_NOT_FOUND when nobody is there; to
 * another core always RV_OK.  Either way there is a dead letter. */
enum rv_code rv_actor_send(struct rv_actor *self, struct rv_ref to, struct rv_message *message);
/* A request whose answer (or RV_TIMEOUT, or RV_UNAVAILABLE when the target ended) comes to
 * `answered` exactly once, on this actor's turn.  It has no longer than the message in hand. */
void rv_actor_call(struct rv_actor *self, struct rv_ref to, struct rv_message *message,
                   int64_t timeout_ms,
                   void (*answered)(struct rv_actor *self, void *state, enum rv_code code,
                                    struct rv_message *reply));
/* Answers a call; ignored for messages that were not calls. */
void rv_actor_reply(struct rv_actor *self, const struct rv_message *request,
                    struct rv_message *reply);
/* RV_MESSAGE_DOWN when `target` ends, or at once (RV_EXIT_UNKNOWN) with nobody there.  Each call is
 * one message; a monitor holds for one life of `self`, as a link. */
void rv_actor_monitor(struct rv_actor *self, struct rv_ref target);
void rv_actor_demonitor(struct rv_actor *self, struct rv_ref target); /* all of that target */
/* From now on the two end together: when one does not end well (RV_EXIT_NORMAL,
 * RV_EXIT_PASSIVATED), the other ends with RV_EXIT_LINKED, and begins again where its policy says
 * so; who traps exits gets RV_MESSAGE_EXIT instead, of good ends too.  A link holds for one life: a
 * restart has none. With nobody there it breaks at once (RV_EXIT_UNKNOWN).  Linking twice is
 * linking once. */
void rv_actor_link(struct rv_actor *self, struct rv_ref other);
void rv_actor_unlink(struct rv_actor *self, struct rv_ref other);
/* Puts the message in hand aside, with its payload and the call that it may be.  When there are too
 * many: RV_LIMIT (the message is a dead letter), or the oldest goes, or it is put aside and
 * counted, as the spawn declared.  A restart gives all of them back, and so does rv_actor_unstash:
 * in order, before what waits in the mailbox, those that are `wanted` (NULL: all); how many. */
enum rv_code rv_actor_stash(struct rv_actor *self, struct rv_message *message);
int rv_actor_unstash(struct rv_actor *self,
                     bool (*wanted)(const void *state, const struct rv_message *message));
/* What comes without a trace belongs to this one from now on. */
void rv_actor_trace(struct rv_actor *self, struct rv_trace trace);
/* One message RV_MESSAGE_TIMEOUT with `token` after `delay_ms`; any number at once.  A timer ends
 * with the life that armed it.  Canceling takes back one with that token that was not heard yet. */
void rv_actor_after(struct rv_actor *self, int64_t delay_ms, uint64_t token);
void rv_actor_cancel_after(struct rv_actor *self, uint64_t token);
/* Ends after this turn. */
void rv_actor_exit(struct rv_actor *self, enum rv_exit why);

/* ---- looking in ---- */
struct rv_dead_letter {
    struct rv_ref to, from;
    uint32_t kind;
    int64_t at_us;
    int32_t tenant;       /* of the receiver, or else of a sender on this core; 0: not known */
    const char *behavior; /* whose tenant that is; NULL: neither is there any more */
    const char *reason;   /* "no such actor", "mailbox full", "expired", "dropped oldest",
                             "stash full" */
};
/* The newest kept ones of a core, newest first; returns how many. On that core's thread. */
int rv_actors_dead_letters(struct rv_actors *actors, int core, struct rv_dead_letter *out, int max);

struct rv_actor_stats {
    int64_t live, spawned, turns, messages, sent_remote, wakes, dead, refused, spilled, restarts,
        passivated, reactivated;
    uint32_t longest_mailbox;
};
void rv_actors_stats(struct rv_actors *actors, int core,
                     struct rv_actor_stats *out); /* any thread */

#endif
