/* actor_private.h -- the structures that the files of runtime/actor share.
 *
 * actor.c      the system and what an actor may do      core.c   delivery, turns, drain
 * supervise.c  start, failure, restart, end             share.c  whose turn is next: tenants by
 * weight alarm.c      timers
 */
#ifndef REEVE_RUNTIME_ACTOR_ACTOR_PRIVATE_H
#define REEVE_RUNTIME_ACTOR_ACTOR_PRIVATE_H

#include "runtime/actor/actor.h"
#include "runtime/base/check.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    CORES_MAX = 64,
    TICK_TURNS_MAX = 16, /* then the loop looks at its other work */
    RESTARTS_DEFAULT = 5,
    RESTART_WINDOW_DEFAULT_MS = 60000,
    RESTART_BACKOFF_MS = 10, /* doubles with each restart in the window, with jitter */
    RESTART_BACKOFF_MAX_MS = 5000,
    RESTARTS_REMEMBERED = 32,
    SHARE_BUCKETS = 256, /* tenants of one core, by number */
    SHARE_DEBT_MAX = 64, /* turns that a tenant may be made to wait for one long turn */
    OWED_MAX = 1024      /* calls that an actor may leave unanswered and be reminded of */
};

/* Kinds of our own, below RV_MESSAGE_USER. */
enum { MESSAGE_WATCH = RV_MESSAGE_REPLY + 1 }; /* `from` wants to hear when the receiver ends */

/* Timer tokens of the system have the top bit set; below it the user's. */
#define TOKEN_SYSTEM    (UINT64_C(1) << 63)
#define TOKEN_PASSIVATE (TOKEN_SYSTEM | 1)
#define TOKEN_RESTART   (TOKEN_SYSTEM | 2)
#define TOKEN_CALL      (TOKEN_SYSTEM | (UINT64_C(1) << 62))

struct envelope {
    struct envelope *next;
    struct rv_message message;
    struct rv_ref to;
    enum rv_code code; /* of a reply */
};

struct queue {
    struct envelope *first;
    struct envelope *last;
    uint32_t count;
};

struct call {
    struct call *next;
    uint64_t id;
    struct rv_ref target;
    void (*answered)(struct rv_actor *self, void *state, enum rv_code code,
                     struct rv_message *reply);
};

struct watcher {
    struct watcher *next;
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

/* What one tenant has on a core: its ready actors, and how many turns it may have before the next
 * one. */
struct share {
    struct share *next_bucket;
    struct share *next; /* in the ring of those that have ready actors */
    int32_t tenant;
    int weight;
    int credit; /* turns left in this round; below 0 after a long turn */
    int actors; /* alive; without any, and with the usual weight, the share goes */
    bool queued;
    struct rv_actor *first;
    struct rv_actor *last;
    int ready;
};

struct rv_actor {
    struct core *core;
    struct rv_ref ref;
    struct rv_spawn spawn; /* argument and name are our copies */
    void *state;
    bool started;
    bool suspended; /* waits for its restart */
    bool ready;     /* in the run queue */
    bool in_turn;
    bool exiting;
    bool told_to_stop; /* by a message: no restart, whatever its policy */
    bool escalated;    /* ended because it failed too often */
    enum rv_exit exit;
    uint64_t trace;
    struct queue system;
    struct queue mailbox;
    struct rv_ref parent;
    struct watcher *children;
    struct watcher *watchers;
    struct call *calls;
    struct owed *owed; /* oldest first */
    struct owed **owed_end;
    int owed_count;
    struct share *share;
    int64_t restarts_us[RESTARTS_REMEMBERED];
    int restart_count;
    int64_t active_us;
    struct rv_actor *next_ready;
};

struct slot {
    struct rv_actor *actor; /* NULL: free */
    uint32_t generation;
    uint32_t next_free;
};

struct alarm {
    int64_t at_us;
    uint64_t order; /* same time: first armed, first fired */
    struct rv_ref ref;
    uint64_t token;
};

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
    struct slot *slots;
    uint32_t slot_count;
    uint32_t free_slot; /* UINT32_MAX: none */
    struct share *shares[SHARE_BUCKETS];
    struct share *ring_first; /* whose turn it is */
    struct share *ring_last;
    int ring_count;
    int ready_count;
    bool ticking; /* a tick is posted to the loop */
    struct rv_random random;
    struct alarm *alarms; /* binary heap, earliest first */
    int alarm_count;
    int alarm_capacity;
    uint64_t alarm_order;
    struct rv_timer *timer;
    int64_t timer_us; /* what the loop's timer is armed for */
    uint64_t call_ids;
    bool draining;
    bool closed; /* drained: nobody is born here any more */
    int64_t drain_deadline_us;
    /* from other cores */
    pthread_mutex_t inbox_lock;
    struct queue inbox;
    atomic_bool inbox_posted; /* a wake is on its way: others need not wake again */
    /* looked at by others */
    _Atomic int64_t live, spawned, turns, messages, sent_remote, wakes, dead, refused, spilled,
        restarts, passivated;
    _Atomic uint32_t longest_mailbox;
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
struct rv_actor *core_find(struct core *core, struct rv_ref ref); /* NULL when stale */
struct rv_ref core_seat(struct core *core, struct rv_actor *actor);
void core_unseat(struct core *core, struct rv_actor *actor);
enum rv_code core_deliver(struct core *core, struct envelope *envelope);
/* Any thread: `run` is called on the core's loop with its bell; core_rung gives the core, NULL:
 * gone. */
void core_ring(struct core *core, void (*run)(void *bell));
struct core *core_rung(void *data);
void core_take_inbox(struct core *core);
void core_post_remote(struct core *core, struct envelope *envelope);
void core_ready(struct rv_actor *actor);
bool core_turn(struct core *core, bool random_pick);
/* alarm.c */
void core_alarm(struct core *core, struct rv_ref ref, int64_t delay_ms, uint64_t token);
void core_alarm_cancel(struct core *core, struct rv_ref ref, uint64_t token);
void core_fire_due(struct core *core);
void core_on_timer(void *core);

/* share.c */
struct share *share_of(struct core *core, int32_t tenant); /* made when it is not there */
void share_leave(struct core *core, struct share *share);  /* one actor of it has ended */
void share_put(struct rv_actor *actor);                    /* ready */
void share_remove(struct rv_actor *actor);                 /* not ready any more */
/* The actor whose turn is next; NULL when none is ready.  `random_pick`: any of them, by the seed.
 */
struct rv_actor *share_take(struct core *core, bool random_pick);
void share_charge(struct share *share, int64_t turn_us);
void shares_fini(struct core *core);

void core_dead_letter(struct core *core, struct envelope *envelope, const char *reason);
void core_drain_check(struct core *core);

void queue_push(struct queue *queue, struct envelope *envelope);
struct envelope *queue_pop(struct queue *queue);
struct envelope *envelope_make(struct rv_ref to, struct rv_message *message);
void envelope_free(struct envelope *envelope);

static inline int ref_core(struct rv_ref ref)
{
    return (int)(ref.id >> 56);
}

/* supervise.c */
struct rv_actor *actor_create(struct core *core, const struct rv_spawn *spawn,
                              struct rv_ref parent);
enum rv_code actor_start(struct rv_actor *actor, struct rv_error *err);
/* The behaviour failed: restart with back-off, or end and escalate. */
void actor_failed(struct rv_actor *actor, const struct rv_error *err);
/* It wants to end after its turn: ends, or begins again where its policy says so. */
void actor_left(struct rv_actor *actor);
void actor_owes(struct rv_actor *actor, const struct rv_message *message);
void actor_paid(struct rv_actor *actor, const struct rv_message *request);
void actor_restart_now(struct rv_actor *actor);
/* Children first, then the actor; tells monitors; frees. Never inside the actor's own turn. */
void actor_end(struct rv_actor *actor, enum rv_exit why);

#endif
