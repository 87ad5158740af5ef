/* share.c -- whose turn is next: tenants in a ring, each with its ready actors in order.
 *
 * A tenant has `weight` turns, then the next tenant has its; within a tenant actors go in turn.  So
 * what one tenant piles up, in one mailbox or in ten thousand actors, delays another's message by
 * at most the other tenants' weights, not by the pile.  A turn that took long counts as several
 * (deficit round robin: Shreedhar and Varghese 1995): credit may go below zero and is paid back in
 * later rounds.
 */
#include "runtime/actor/actor_private.h"

static struct share **bucket(struct core *core, int32_t tenant)
{
    return &core->shares[(uint32_t)tenant % SHARE_BUCKETS];
}

static int usual_weight(int32_t tenant)
{
    return tenant == 0 ? RV_WEIGHT_SYSTEM : RV_WEIGHT_DEFAULT;
}

struct share *share_of(struct core *core, int32_t tenant)
{
    struct share *share = *bucket(core, tenant);
    while (share != NULL && share->tenant != tenant) {
        share = share->next_bucket;
    }
    if (share == NULL) {
        share = rv_alloc(sizeof *share);
        *share = (struct share){
            .next_bucket = *bucket(core, tenant), .tenant = tenant, .weight = usual_weight(tenant)};
        *bucket(core, tenant) = share;
    }
    return share;
}

static void share_free(struct core *core, struct share *share)
{
    struct share **link = bucket(core, share->tenant);
    while (*link != share) {
        link = &(*link)->next_bucket;
    }
    *link = share->next_bucket;
    rv_free(share);
}

void shares_fini(struct core *core)
{
    for (int i = 0; i < SHARE_BUCKETS; i++) {
        while (core->shares[i] != NULL) {
            share_free(core, core->shares[i]);
        }
    }
}

/* ---- the ring ---- */

static void enqueue(struct core *core, struct share *share)
{
    share->next = NULL;
    share->queued = true;
    if (core->ring_last == NULL) {
        core->ring_first = share;
    } else {
        core->ring_last->next = share;
    }
    core->ring_last = share;
    core->ring_count++;
}

static void dequeue(struct core *core, struct share *share)
{
    struct share *before = NULL;
    for (struct share *at = core->ring_first; at != share; at = at->next) {
        before = at;
    }
    if (before == NULL) {
        core->ring_first = share->next;
    } else {
        before->next = share->next;
    }
    if (core->ring_last == share) {
        core->ring_last = before;
    }
    share->queued = false;
    core->ring_count--;
}

void share_leave(struct core *core, struct share *share)
{
    share->actors--;
    if (share->actors == 0 && share->weight == usual_weight(share->tenant)) {
        RV_ASSERT(!share->queued);
        share_free(core, share);
    }
}

/* ---- ready actors ---- */

void share_put(struct rv_actor *actor)
{
    struct core *core = actor->core;
    struct share *share = actor->share;
    actor->ready = true;
    actor->next_ready = NULL;
    if (share->last == NULL) {
        share->first = actor;
    } else {
        share->last->next_ready = actor;
    }
    share->last = actor;
    share->ready++;
    core->ready_count++;
    if (!share->queued) {
        share->credit = share->credit > 0 ? 0 : share->credit; /* nobody saves up while idle */
        share->credit += share->weight;
        enqueue(core, share);
    }
}

static void take_out(struct share *share, struct rv_actor *before, struct rv_actor *actor)
{
    if (before == NULL) {
        share->first = actor->next_ready;
    } else {
        before->next_ready = actor->next_ready;
    }
    if (share->last == actor) {
        share->last = before;
    }
    actor->ready = false;
    actor->next_ready = NULL;
    share->ready--;
    actor->core->ready_count--;
    if (share->ready == 0) {
        dequeue(actor->core, share);
    }
}

void share_remove(struct rv_actor *actor)
{
    struct rv_actor *before = NULL;
    for (struct rv_actor *at = actor->share->first; at != actor; at = at->next_ready) {
        before = at;
    }
    take_out(actor->share, before, actor);
}

static struct rv_actor *take_any(struct core *core)
{
    struct share *share = core->ring_first;
    for (uint64_t skip = rv_random_below(&core->random, (uint64_t)core->ring_count); skip > 0;
         skip--) {
        share = share->next;
    }
    struct rv_actor *before = NULL;
    struct rv_actor *actor = share->first;
    for (uint64_t skip = rv_random_below(&core->random, (uint64_t)share->ready); skip > 0; skip--) {
        before = actor;
        actor = actor->next_ready;
    }
    take_out(share, before, actor);
    return actor;
}

struct rv_actor *share_take(struct core *core, bool random_pick)
{
    if (core->ready_count == 0) {
        return NULL;
    }
    if (random_pick) {
        return take_any(core);
    }
    while (core->ring_first->credit <=
           0) { /* has had its turns: to the back, with those of the next round */
        struct share *share = core->ring_first;
        dequeue(core, share);
        share->credit += share->weight;
        enqueue(core, share);
    }
    struct rv_actor *actor = core->ring_first->first;
    take_out(core->ring_first, NULL, actor);
    return actor;
}

void share_charge_long(struct share *share, int64_t turn_us)
{
    int64_t credit = share->credit - 1 - turn_us / RV_TURN_US_MAX;
    int64_t least = -(int64_t)SHARE_DEBT_MAX * share->weight;
    share->credit = (int)(credit < least ? least : credit);
}

void rv_actors_weight(struct rv_actors *actors, int core, int32_t tenant, int weight)
{
    RV_ASSERT(weight > 0 && weight <= RV_WEIGHT_MAX);
    share_of(&actors->cores[core], tenant)->weight = weight;
}
