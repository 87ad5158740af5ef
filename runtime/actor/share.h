/* share.h -- whose turn is next (share.c): what each turn goes through, inline.
 *
 * A core's ready actors stand in the lines of their tenants' shares; the shares form a ring.  A
 * share that has run empty stays in the ring until it comes to the front, so that an actor that is
 * ready again at once costs two stores.  On the core's thread.
 */
#ifndef REEVE_RUNTIME_ACTOR_SHARE_H
#define REEVE_RUNTIME_ACTOR_SHARE_H

#include "runtime/actor/actor_private.h"

enum {
    AGE_NORMAL = 4, /* turns that better classes have before one of RV_CLASS_NORMAL ... */
    AGE_BATCH = 16  /* ... and of RV_CLASS_BATCH: 3.2 ms, when each is as long as it may */
};

/* Ready actors, in order. */
struct line {
    struct rv_actor *first;
    struct rv_actor *last;
    int passed; /* turns that better lines had since this one's last */
};

/* Lines of a share: who was told to end, then the classes. */
enum { LINE_URGENT, LINE_INTERACTIVE, LINE_NORMAL, LINE_BATCH, LINES };

/* What one tenant has on a core: its ready actors, and how many turns it may have before the next
 * one. */
struct share {
    struct line lines[LINES];
    uint32_t some; /* bit per line: somebody is ready */
    int credit;    /* turns left in this round; below 0 after a long turn */
    int64_t turns;
    struct share *next; /* in the ring of those that have ready actors */
    bool queued;        /* in the ring; what has run empty leaves it when it comes to the front */
    int32_t tenant;
    int weight;
    int actors; /* alive; without any, and with the usual weight, the share goes */
    struct share *next_bucket;
};

struct share *share_of(struct core *core, int32_t tenant); /* made when it is not there */
void share_leave(struct core *core, struct share *share);  /* one actor of it has ended */
void share_remove(struct rv_actor *actor);                 /* not ready any more */
int share_ready(const struct share *share);                /* counts them */
void shares_fini(struct core *core);

/* ---- the rare parts ---- */

void share_enqueue(struct core *core, struct share *share);
struct share *share_rotate(struct core *core); /* the first that has somebody and credit */
int share_aged(struct share *share); /* the line whose turn it is, when there are several */
struct rv_actor *share_take_any(struct core *core); /* by the seed */
void share_charge(struct share *share, int64_t turn_us);

/* ---- each turn ---- */

static inline void share_put(struct core *core, struct rv_actor *actor, unsigned which)
{
    struct share *share = actor->share;
    struct line *line = &share->lines[which];
    actor->busy |= BUSY_READY;
    actor->line = (uint8_t)which;
    actor->next_ready = NULL;
    actor->before_ready = line->last;
    if (line->last == NULL) {
        line->first = actor;
        line->passed = 0;
        share->some |= 1U << which;
    } else {
        line->last->next_ready = actor;
    }
    line->last = actor;
    core->ready_count++;
    if (!share->queued) {
        share_enqueue(core, share);
    }
}

static inline void share_take_out(struct core *core, struct rv_actor *actor)
{
    struct line *line = &actor->share->lines[actor->line];
    struct rv_actor *before = actor->before_ready;
    struct rv_actor *next = actor->next_ready;
    if (before != NULL) {
        before->next_ready = next;
    } else {
        line->first = next;
    }
    if (next != NULL) {
        next->before_ready = before;
    } else {
        line->last = before;
    }
    if (line->first == NULL) {
        actor->share->some &= ~(1U << actor->line);
    }
    actor->busy &= (uint8_t)~BUSY_READY;
    core->ready_count--;
}

/* The actor whose turn is next; NULL when none is ready. */
static inline struct rv_actor *share_take(struct core *core)
{
    if (core->ready_count == 0) {
        return NULL;
    }
    struct share *share = core->ring_first;
    if (share->some == 0 || share->credit <= 0) {
        share = share_rotate(core);
    }
    int which = __builtin_ctz(share->some);
    if ((share->some & (share->some - 1)) != 0) {
        which = share_aged(share);
    }
    struct line *line = &share->lines[which];
    struct rv_actor *actor = line->first;
    line->first = actor->next_ready;
    if (line->first == NULL) {
        line->last = NULL;
        share->some &= ~(1U << which);
    } else {
        line->first->before_ready = NULL;
        __builtin_prefetch(line->first); /* its turn is next */
        __builtin_prefetch(line->first->state);
    }
    core->ready_count--;
    return actor; /* who takes it sets what it is busy with */
}

#endif
