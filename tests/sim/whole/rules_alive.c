/* rules_alive.c -- what must go on while nothing is wrong.  Looked at twice a second, everywhere
 * where for some time nothing has gone wrong: most mistakes of this kind cost seconds, not the end,
 * and a world that comes to rest at last would hide them.
 *
 *   companies   one that a node has claimed is driven by it, also when the claim's answer was lost
 *   runs        one that can move has an actor that moves it, also when the last one failed; one
 *               that was begun, or whose time, answer or word has come, is looked at
 *   rooms       at rest nobody has one
 */
#include "tests/sim/whole/world.h"

#include "runtime/run/orchestrator.h"
#include "runtime/run/run.h"

#include <inttypes.h>

enum {
    LOOK_MS = 500,
    DRIVEN_MS =
        2600, /* a claim that was not answered is asked for at the next beat, or the one after */
    MOVES_MS =
        4000 /* the orchestrator's tick, a look, a load and a step are less than one second */
};

void world_hurt(struct world *world, int64_t until_us)
{
    for (int i = 0; i < world->node_count; i++) {
        node_hurt(&world->nodes[i], until_us);
    }
}

void node_hurt(struct node *node, int64_t until_us)
{
    node->hurt_us = until_us > node->hurt_us ? until_us : node->hurt_us;
}

/* Since when nothing has gone wrong with it; INT64_MAX: it is not well. */
static int64_t well_since(const struct node *node)
{
    bool well =
        node->alive && !node->paused && !node->behind && !node->stopping && node->lease != NULL;
    return well ? node->hurt_us : INT64_MAX;
}

static bool is_well_for(const struct node *node, int64_t ms)
{
    int64_t since_us = well_since(node);
    return since_us < node->world->now_us && node->world->now_us - since_us > ms * WORLD_MS;
}

static bool are_all_well(const struct world *world)
{
    for (int i = 0; i < world->node_count; i++) {
        if (!is_well_for(&world->nodes[i], MOVES_MS)) {
            return false;
        }
    }
    return world->now_us - world->lingered_us > MOVES_MS * WORLD_MS;
}

static const struct node *owner_of(const struct world *world, const struct head_row *head)
{
    for (int i = 0; i < world->node_count; i++) {
        const struct node *node = &world->nodes[i];
        if (node->alive && node->lease != NULL && rv_lease_node(node->lease) == head->owner) {
            return node;
        }
    }
    return NULL;
}

static void check_driven(struct world *world, const struct head_row *head)
{
    const struct node *node = owner_of(world, head);
    int64_t claimed_us = rules_claimed_us(world, head->tenant);
    world->tally.rules++;
    bool gives = node != NULL && node->moving[head->tenant] == head->epoch;
    if (node != NULL && !gives && claimed_us != 0 && node->driving[head->tenant] == 0 &&
        is_well_for(node, DRIVEN_MS) && world->now_us - claimed_us > DRIVEN_MS * WORLD_MS) {
        world_broken(world, "node %d has claimed company %d and does not drive it", node->index,
                     (int)head->tenant);
    }
}

static bool can_move(const struct run_row *run)
{
    return base_is(run->status, "planning") || base_is(run->status, "executing") ||
           base_is(run->status, "reviewing") || base_is(run->status, "compensating");
}

static int64_t later_of(int64_t a_us, int64_t b_us)
{
    return a_us > b_us ? a_us : b_us;
}

/* When it last did something; 0: never. */
static int64_t moved_us(const struct world *world, const struct run_row *run)
{
    int64_t at_us = 0;
    BASE_EACH(world->base, T_STEP, step_row, step)
    {
        if (step->run == run->id && step->copied_from == 0) {
            at_us = later_of(at_us, step->at_us);
        }
    }
    return at_us;
}

/* Should somebody have done something with it for so long?  Steps are looked at last: there are
 * many. */
static bool is_stuck(const struct world *world, const struct run_row *run, int64_t patience_ms)
{
    int64_t before_us = base_now_us(world->base) - patience_ms * WORLD_MS;
    if (base_is(run->status, "created")) {
        return run->changed_us < before_us;
    }
    bool moves = can_move(run) && run->changed_us < before_us;
    bool due = base_is(run->status, "waiting") && run->has_wake && run->wake_us < before_us;
    if (!moves && !due) {
        return false;
    }
    int64_t at_us = moved_us(world, run);
    return (due || at_us != 0) && at_us < before_us &&
           model_asked_us(world, run->tenant, run->id) < before_us;
}

/* By the same node for so long that it must have seen all its runs. */
static bool is_driven(const struct world *world, int32_t tenant)
{
    const struct node *node = owner_of(world, base_head(world->base, tenant));
    return node != NULL && node->driving[tenant] != 0 &&
           world->now_us - rules_changed_us(world, tenant) > MOVES_MS * WORLD_MS;
}

/* Who hears no notification rests on what other nodes say, which may have no line: it looks by
 * itself, ever more rarely. */
static int64_t patience_of(const struct world *world, int32_t tenant)
{
    const struct node *node = owner_of(world, base_head(world->base, tenant));
    bool deaf = node != NULL && node->pooled;
    return deaf ? RV_ORCHESTRATOR_IDLE_MS + MOVES_MS : MOVES_MS;
}

static void check_moves(struct world *world)
{
    BASE_EACH(world->base, T_RUN, run_row, run)
    {
        world->tally.rules++;
        if (is_stuck(world, run, patience_of(world, run->tenant)) &&
            is_driven(world, run->tenant)) {
            world_broken(world, "run %" PRId64 " of %s is %s, and nobody moves it", run->id,
                         run->agent, run->status);
        }
    }
}

void rules_rooms(struct world *world)
{
    for (int i = 0; i < world->node_count; i++) {
        const struct node *node = &world->nodes[i];
        world->tally.rules++;
        if (is_well_for(node, MOVES_MS) && node->room.active != 0) {
            world_broken(world, "%d rooms of node %d were never given back", node->room.active, i);
        }
    }
}

static void look(struct world *world, void *data)
{
    (void)data;
    if (world->ending || world->violation[0] != '\0') {
        return;
    }
    world_at(world, world->now_us + LOOK_MS * WORLD_MS, look, NULL);
    if (wires_linger(world)) { /* it may hold what others wait for */
        world->lingered_us = world->now_us;
    }
    if (world->now_us < world->down_until_us || world->now_us < world->stall_until_us) {
        world_hurt(world, world->now_us);
        return;
    }
    BASE_EACH(world->base, T_HEAD, head_row, head)
    {
        check_driven(world, head);
    }
    if (are_all_well(world)) {
        check_moves(world);
    }
}

void rules_alive_begin(struct world *world)
{
    world_at(world, world->now_us + LOOK_MS * WORLD_MS, look, NULL);
}
