/* share.c -- whose turn is next: tenants in a ring, each with its ready actors in lines.
 *
 * A tenant has `weight` turns, then the next tenant has its.  So what one tenant piles up, in one
 * mailbox or in ten thousand actors, delays another's message by at most the other tenants'
 * weights, not by the pile.  A turn that took long counts as several (deficit round robin:
 * Shreedhar and Varghese 1995): credit may go below zero and is paid back in later rounds.
 *
 * Within a tenant the better class goes first, and within a class actors go in turn.  A class that
 * has been passed over AGE_NORMAL or AGE_BATCH times has the next turn, whatever else is ready: so
 * with all three busy, of 100 turns about 75 are interactive, 19 normal and 6 batch.  Whoever was
 * told to end goes before all classes: that ends work and is over soon.
 */
#include "runtime/actor/share.h"

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

static void join(struct core *core, struct share *share)
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

static void leave(struct core *core, struct share *share)
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

void share_enqueue(struct core *core, struct share *share)
{
    share->credit = share->credit > 0 ? 0 : share->credit; /* nobody saves up while idle */
    share->credit += share->weight;
    join(core, share);
}

/* Who has had its turns goes to the back, with those of the next round. */
struct share *share_rotate(struct core *core)
{
    RV_ASSERT(core->ready_count > 0);
    for (;;) {
        struct share *share = core->ring_first;
        if (share->some != 0 && share->credit > 0) {
            return share;
        }
        leave(core, share);
        if (share->some != 0) {
            share->credit += share->weight;
            join(core, share);
        }
    }
}

void share_leave(struct core *core, struct share *share)
{
    share->actors--;
    if (share->actors == 0) {
        RV_ASSERT(share->some == 0);
        if (share->queued) {
            leave(core, share);
        }
        if (share->weight == usual_weight(share->tenant)) {
            share_free(core, share);
        }
    }
}

/* ---- lines ---- */

int share_aged(struct share *share)
{
    static const int ages[LINES] = {[LINE_NORMAL] = AGE_NORMAL, [LINE_BATCH] = AGE_BATCH};
    int which = __builtin_ctz(share->some);
    for (int line = LINE_BATCH; which != LINE_URGENT && line > which; line--) {
        if ((share->some & (1U << line)) != 0 && share->lines[line].passed >= ages[line]) {
            which = line;
        }
    }
    for (int line = which + 1; line < LINES; line++) {
        share->lines[line].passed++;
    }
    share->lines[which].passed = 0;
    return which;
}

void share_remove(struct rv_actor *actor)
{
    share_take_out(actor->core, actor);
}

int share_ready(const struct share *share)
{
    int count = 0;
    for (int line = 0; line < LINES; line++) {
        for (const struct rv_actor *at = share->lines[line].first; at != NULL;
             at = at->next_ready) {
            count++;
        }
    }
    return count;
}

/* Of all that are ready, whatever their class: a simulation looks for orders that hurt. */
struct rv_actor *share_take_any(struct core *core)
{
    if (core->ready_count == 0) {
        return NULL;
    }
    int ready = 0;
    struct share *share = share_rotate(core);
    for (uint64_t skip = rv_random_below(&core->random, (uint64_t)core->ring_count);
         skip > 0 || (ready = share_ready(share)) == 0; skip -= skip > 0) {
        share = share->next != NULL ? share->next : core->ring_first;
    }
    uint64_t skip = rv_random_below(&core->random, (uint64_t)ready);
    struct rv_actor *actor = NULL;
    for (int line = 0; line < LINES && actor == NULL; line++) {
        for (actor = share->lines[line].first; actor != NULL && skip > 0;
             actor = actor->next_ready) {
            skip--;
        }
    }
    share_take_out(core, actor);
    return actor;
}

/* ---- what a turn costs ---- */

void share_charge(struct share *share, int64_t turn_us)
{
    int64_t credit = share->credit - 1 - turn_us / RV_TURN_US_MAX;
    int64_t least = -(int64_t)SHARE_DEBT_MAX * share->weight;
    share->credit = (int)(credit < least ? least : credit);
}

int rv_actor_weight(const struct rv_actor *self)
{
    return self->share->weight;
}

void rv_actors_weight(struct rv_actors *actors, int core, int32_t tenant, int weight)
{
    RV_ASSERT(weight > 0 && weight <= RV_WEIGHT_MAX);
    share_of(&actors->cores[core], tenant)->weight = weight;
}
