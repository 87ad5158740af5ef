/* say_nodes.c -- runtime/journal/sql/lease.sql: nodes, leases, and which node is to have which
 * company.  What PostgreSQL keeps as `real` is a float here, so the same companies move. */
#include "tests/sim/whole/base.h"

#include "runtime/base/check.h"
#include "runtime/journal/lease.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PROPOSED_FOR_US INT64_C(15000000) /* as in 0150_nodes.sql */
#define STAYS_FOR_US    INT64_C(10000000)
#define GRACE_US        INT64_C(3000000) /* as in 0160_node_presence.sql */

static void nothing(struct base_call *call)
{
    (void)call; /* forgets what is days old: no simulation lasts that long */
}

static void no_period(struct base_call *call)
{
    (void)call; /* one table is enough here: no row is no partition to make */
}

/* ---- nodes ---- */

struct node_row *base_node(struct base *base, int64_t number)
{
    BASE_EACH(base, T_NODE, node_row, node)
    {
        if (node->node == number) {
            return node;
        }
    }
    return NULL;
}

static bool lives(const struct base *base, const struct node_row *node)
{
    return node != NULL && node->lease_until_us > base_now_us(base);
}

/* reeve_node_stays: it has more left of its lease than the part in which it lets go of all. */
static bool stays(const struct base *base, const struct node_row *node)
{
    return node != NULL && node->serves &&
           node->lease_until_us > base_now_us(base) + RV_LEASE_MARGIN_MS * INT64_C(1000);
}

static void node_here(struct base_call *call)
{
    struct base *base = call->base;
    int64_t number = base_int(call, 1, 0);
    int64_t until_us = base_now_us(base) + base_int(call, 4, 0) * 1000;
    struct node_row *node = base_node(base, number);
    bool found = lives(base, node);
    if (found) {
        base_touch(call, T_NODE, node);
        node->lease_until_us = until_us;
        node->present = node->present || base_bool(call, 5, 0);
    } else if (node == NULL) {
        node = base_insert(call, T_NODE);
        *node = (struct node_row){.node = number,
                                  .lease_until_us = until_us,
                                  .name = base_text(call, 2, 0),
                                  .pid = base_int(call, 3, 0),
                                  .present = base_bool(call, 5, 0),
                                  .process = call->session->owner};
        found = true;
    }
    base_row(call);
    base_out_bool(call, found);
}

/* What follows comes only when nobody else has the lock, see must_wait in base.c. */
static void node_presence(struct base_call *call)
{
    call->session->advisory = base_int(call, 1, 0);
    base_row(call);
    base_out_text(call, "");
}

static void node_absence(struct base_call *call)
{
    call->session->advisory = 0;
    base_row(call);
    base_out_text(call, "");
}

static void wake_listen(struct base_call *call)
{
    call->session->asks_to_listen = true;
}

static void wake_tell(struct base_call *call)
{
    const char *tenant = base_text(call, 1, 0);
    int64_t number = strtoll(tenant, NULL, 10);
    RV_ASSERT(number > 0 && number < BASE_TENANTS_MAX);
    call->session->tells |= 1u << number;
    base_row(call);
    base_out_text(call, "");
}

/* reeve_nodes_gone: the lease of other nodes whose lock is free ends now.  The lock that it takes
 * for its transaction is not here: the transaction is over in the same moment. */
static void end_gone(struct base_call *call, int64_t but)
{
    struct base *base = call->base;
    if (base->started_us > base_now_us(base) - GRACE_US) {
        return;
    }
    BASE_EACH(base, T_NODE, node_row, node)
    {
        if (node->present && lives(base, node) && node->node != but &&
            !base->lock_taken(base->lock_data, call->session, node->node)) {
            base_touch(call, T_NODE, node);
            node->lease_until_us = base_now_us(base);
            node->ended_us = base_now_us(base);
        }
    }
}

static void nodes_gone(struct base_call *call)
{
    end_gone(call, 0);
    base_row(call);
    base_out_text(call, "");
}

static void node_serve(struct base_call *call)
{
    struct base *base = call->base;
    struct node_row *self = base_node(base, base_int(call, 1, 0));
    int64_t boot = base_int(call, 2, 0);
    const struct node_row *taken = NULL; /* the one that lives longest */
    base_row(call);
    BASE_EACH(base, T_NODE, node_row, other)
    {
        if (self != NULL && strcmp(other->name, self->name) == 0 && other->serves &&
            other->boot != boot && lives(base, other) &&
            (taken == NULL || other->lease_until_us > taken->lease_until_us)) {
            taken = other;
        }
    }
    if (taken != NULL) {
        base_out_json(call,
                      json_pack("{s:s,s:I}", "name", self->name, "pid", (json_int_t)taken->pid));
        return;
    }
    base_out_null(call);
    BASE_EACH(base, T_NODE, node_row, before)
    {
        if (before->boot == boot && before != self && lives(base, before)) {
            base_touch(call, T_NODE, before);
            before->lease_until_us = base_now_us(base);
        }
    }
    if (self != NULL) {
        base_touch(call, T_NODE, self);
        self->boot = boot;
        self->link = base_text(call, 4, 0);
        self->link_mark = base_text(call, 5, 0);
        self->serves = true;
    }
}

static int by_boot(const void *a, const void *b)
{
    int64_t left = (*(const struct node_row *const *)a)->boot;
    int64_t right = (*(const struct node_row *const *)b)->boot;
    return left < right ? -1 : left > right;
}

static void cluster_peers(struct base_call *call)
{
    enum { MOST = 256 };
    struct base *base = call->base;
    const struct node_row *peers[MOST];
    size_t count = 0;
    BASE_EACH(base, T_NODE, node_row, node)
    {
        if (node->serves && node->link != NULL && node->link[0] != '\0' &&
            node->boot != base_int(call, 1, 0) && lives(base, node)) {
            RV_ASSERT(count < MOST);
            peers[count++] = node;
        }
    }
    qsort(peers, count, sizeof(const struct node_row *), by_boot);
    for (size_t i = 0; i < count; i++) {
        base_row(call);
        base_out_int(call, peers[i]->boot);
        base_out_int(call, peers[i]->node);
        base_out_text(call, peers[i]->name);
        base_out_text(call, peers[i]->link);
        base_out_text(call, peers[i]->link_mark);
    }
}

/* ---- leases ---- */

static bool may_take(struct base *base, const struct head_row *head, int32_t only)
{
    return (only == 0 || head->tenant == only) &&
           (head->owner == 0 || !lives(base, base_node(base, head->owner)));
}

/* Nobody here sends half of a batch: what stands still is idle in its transaction (BASE_IDLE_MS).
 */
static void heads_free(struct base_call *call)
{
    base_row(call);
    base_out_int(call, 0);
}

static void lease_take(struct base_call *call)
{
    struct base *base = call->base;
    int64_t number = base_int(call, 1, 0);
    int32_t only = (int32_t)base_int(call, 2, 0);
    int64_t most = base_int(call, 3, 0);
    int64_t busy = 0;
    end_gone(call, number);
    bool alive = lives(base, base_node(base, number));
    BASE_EACH(base, T_HEAD, head_row, head)
    {
        bool locked = base->head_locks[head->tenant] != NULL; /* SKIP LOCKED */
        if (!may_take(base, head, only)) {
            continue;
        }
        if (!alive || locked || most-- <= 0) {
            busy++;
            continue;
        }
        base_touch(call, T_HEAD, head);
        head->owner = number;
        head->epoch++;
        base_row(call);
        base_out_int(call, head->tenant);
        base_out_int(call, head->epoch);
    }
    if (busy > 0) {
        base_row(call);
        base_out_int(call, 0);
        base_out_int(call, busy);
    }
}

static void lease_held(struct base_call *call)
{
    BASE_EACH(call->base, T_HEAD, head_row, head)
    {
        if (head->owner == base_int(call, 1, 0)) {
            base_row(call);
            base_out_int(call, head->tenant);
            base_out_int(call, head->epoch);
        }
    }
}

static struct placement_row *find_placement(struct base *base, int32_t tenant)
{
    BASE_EACH(base, T_PLACEMENT, placement_row, placement)
    {
        if (placement->tenant == tenant) {
            return placement;
        }
    }
    return NULL;
}

static float load_of(const struct placement_row *placement)
{
    return placement == NULL ? 1 : placement->load;
}

/* The node that has a company, or is to have it soon. */
static int64_t owner_to_be(const struct head_row *head, const struct placement_row *placement)
{
    return placement != NULL && placement->moving_to != 0 ? placement->moving_to : head->owner;
}

/* What a node has; `soon`: with what moves. */
static float sum_of(struct base *base, int64_t number, bool soon)
{
    float sum = 0;
    BASE_EACH(base, T_HEAD, head_row, head)
    {
        const struct placement_row *placement = find_placement(base, head->tenant);
        int64_t owner = soon ? owner_to_be(head, placement) : head->owner;
        sum += owner == number ? load_of(placement) : 0;
    }
    return sum;
}

/* The serving node that has least, but for `from`: NULL when there is none. */
static struct node_row *least_loaded(struct base *base, int64_t from, bool soon)
{
    struct node_row *least = NULL;
    BASE_EACH(base, T_NODE, node_row, node)
    {
        if (node->node == from || !stays(base, node)) {
            continue;
        }
        float load = sum_of(base, node->node, soon);
        float best = least == NULL ? 0 : sum_of(base, least->node, soon);
        if (least == NULL || load < best || (load == best && node->node < least->node)) {
            least = node;
        }
    }
    return least;
}

/* reeve_lease_leave: the heaviest first, each to whoever has least by then. */
static void lease_release(struct base_call *call)
{
    struct base *base = call->base;
    int64_t number = base_int(call, 1, 0);
    struct node_row *self = base_node(base, number);
    if (self != NULL) {
        base_delete(call, T_NODE, self);
    }
    for (;;) {
        struct head_row *heaviest = NULL;
        float most = 0;
        BASE_EACH(base, T_HEAD, head_row, head)
        {
            float load = load_of(find_placement(base, head->tenant));
            if (head->owner == number && (heaviest == NULL || load > most)) {
                heaviest = head;
                most = load;
            }
        }
        if (heaviest == NULL) {
            break;
        }
        const struct node_row *to = least_loaded(base, number, false);
        base_touch(call, T_HEAD, heaviest);
        heaviest->owner = to != NULL ? to->node : 0;
        heaviest->epoch += to != NULL;
    }
    base_row(call);
    base_out_text(call, "");
}

/* ---- placement ---- */

static int weight_of(struct base_call *call, int32_t tenant)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        if (base_int(call, 2, i) == tenant) {
            return (int)base_int(call, 3, i);
        }
    }
    return 1;
}

static void sample_one(struct base_call *call, int32_t tenant)
{
    int active = 0;
    BASE_EACH(call->base, T_RUN, run_row, run)
    {
        active += run->tenant == tenant && !base_run_over(run) && !base_is(run->status, "waiting");
    }
    float load = (float)(weight_of(call, tenant) * (1 + active));
    struct placement_row *placement = find_placement(call->base, tenant);
    if (placement == NULL) {
        placement = base_insert(call, T_PLACEMENT);
        *placement = (struct placement_row){.tenant = tenant, .load = load, .moved_us = INT64_MIN};
    } else if (fabs((double)(load - placement->load)) > 0.05 * (double)placement->load) {
        base_touch(call, T_PLACEMENT, placement);
        placement->load = (float)((double)placement->load * 0.5 + (double)load * 0.5);
    }
}

static void placement_sample(struct base_call *call)
{
    BASE_EACH(call->base, T_HEAD, head_row, head)
    {
        if (head->owner == base_int(call, 1, 0)) {
            sample_one(call, head->tenant);
        }
    }
    base_row(call);
    base_out_null(call);
}

static void forget_proposals(struct base_call *call)
{
    struct base *base = call->base;
    BASE_EACH(base, T_PLACEMENT, placement_row, placement)
    {
        if (placement->moving_to != 0 &&
            (placement->moving_since_us < base_now_us(base) - PROPOSED_FOR_US ||
             !stays(base, base_node(base, placement->moving_to)))) {
            base_touch(call, T_PLACEMENT, placement);
            placement->moving_to = 0;
        }
    }
}

/* The heaviest company of the node that is not more than half of the difference. */
static struct head_row *to_give(struct base *base, int64_t from, float difference)
{
    struct head_row *found = NULL;
    BASE_EACH(base, T_HEAD, head_row, head)
    {
        const struct placement_row *placement = find_placement(base, head->tenant);
        bool may = placement == NULL || (placement->moving_to == 0 &&
                                         placement->moved_us < base_now_us(base) - STAYS_FOR_US);
        if (head->owner == from && may && load_of(placement) <= difference / 2 &&
            (found == NULL || load_of(placement) > load_of(find_placement(base, found->tenant)))) {
            found = head;
        }
    }
    return found;
}

static void placement_propose(struct base_call *call)
{
    struct base *base = call->base;
    int64_t from = base_int(call, 1, 0);
    forget_proposals(call);
    for (int64_t i = 0; i < base_int(call, 2, 0); i++) {
        float mine = sum_of(base, from, true);
        const struct node_row *other = least_loaded(base, from, true);
        float difference = other == NULL ? 0 : mine - sum_of(base, other->node, true);
        if (other == NULL || (double)difference < 0.2 * (double)mine) {
            return;
        }
        const struct head_row *head = to_give(base, from, difference);
        if (head == NULL) {
            return;
        }
        struct placement_row *placement = find_placement(base, head->tenant);
        if (placement == NULL) {
            placement = base_insert(call, T_PLACEMENT);
            *placement =
                (struct placement_row){.tenant = head->tenant, .load = 1, .moved_us = INT64_MIN};
        } else {
            base_touch(call, T_PLACEMENT, placement);
        }
        placement->moving_to = other->node;
        placement->moving_since_us = base_now_us(base);
        base_row(call);
        base_out_int(call, head->tenant);
        base_out_int(call, other->node);
    }
}

static void lease_pass(struct base_call *call)
{
    struct base *base = call->base;
    int32_t tenant = (int32_t)base_int(call, 1, 0);
    struct placement_row *placement = find_placement(base, tenant);
    const struct node_row *target = placement != NULL && placement->moving_to != 0
                                        ? base_node(base, placement->moving_to)
                                        : NULL;
    int64_t to = stays(base, target) ? target->node : 0;
    struct head_row *head = base_head(base, tenant);
    bool passed = head != NULL && head->owner == base_int(call, 2, 0) && head->owner != 0 &&
                  head->epoch == base_int(call, 3, 0);
    if (passed) {
        base_touch(call, T_HEAD, head);
        head->owner = to;
        head->epoch++;
    }
    if (placement != NULL) {
        base_touch(call, T_PLACEMENT, placement);
        placement->moving_to = 0;
        placement->moved_us = base_now_us(base);
    }
    base_row(call);
    if (passed) {
        base_out_int(call, to);
    } else {
        base_out_null(call);
    }
}

const struct base_word base_words_nodes[] = {
    {"node_here", node_here},
    {"node_presence", node_presence},
    {"node_absence", node_absence},
    {"nodes_gone", nodes_gone},
    {"wake_listen", wake_listen},
    {"wake_tell", wake_tell},
    {"node_prune", nothing},
    {"journal_ahead", no_period},
    {"node_serve", node_serve},
    {"cluster_peers", cluster_peers},
    {"lease_take", lease_take},
    {"heads_free", heads_free},
    {"lease_held", lease_held},
    {"lease_release", lease_release},
    {"lease_pass", lease_pass},
    {"placement_sample", placement_sample},
    {"placement_propose", placement_propose},
    {NULL, NULL},
};
