/* cluster.c -- one node among others, as runtime/cli/node_cluster.c makes it: placement, the end of
 * a company that moves, and what the nodes tell each other.
 *
 * Placement is the real one.  The lines between nodes are simulated: a word takes as long as a
 * message to the database, and it may be lost; then the next beat or tick finds out by itself.
 */
#include "tests/sim/whole/world.h"

#include "journal_sql.h"
#include "runtime/db/args.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { DRAIN_MS = 500, WAKE_EVERY_MS = 20, LOST_WORDS = 100 /* thousandths */, ALONE = 150 };

/* ---- words between nodes ---- */

struct word {
    struct node *from, *to;
    int incarnation; /* of `to`, or of `from` when it reminds itself */
    int32_t tenant;  /* 0: somebody has been given something */
};

static struct word *word_make(struct node *from, struct node *to, int32_t tenant)
{
    struct heap *before = heap_enter(&from->world->heap);
    struct word *word = rv_alloc(sizeof *word);
    heap_leave(before);
    *word = (struct word){from, to, to->incarnation, tenant};
    return word;
}

static void hears(struct world *world, void *data)
{
    (void)world;
    struct word word = *(struct word *)data;
    struct node *node = word.to;
    rv_free(data);
    if (!node->alive || node->paused || node->stopping || node->incarnation != word.incarnation) {
        return;
    }
    world_enter(node);
    if (word.tenant == 0 && node->placement != NULL) {
        rv_placement_look(node->placement);
    } else if (word.tenant != 0) {
        node_wake(node, word.tenant);
    }
    world_leave();
}

/* Called from the node's own code. */
static void tell_others(struct node *node, int32_t tenant)
{
    struct world *world = node->world;
    for (int i = 0; i < world->node_count; i++) {
        struct node *other = &world->nodes[i];
        bool arrives = world_calm(world) || !world_chance(world, LOST_WORDS);
        if (other != node && other->alive && arrives) {
            world_at(world, world->now_us + wire_latency_us(world), hears,
                     word_make(node, other, tenant));
        }
    }
}

static void tell(struct node *node, int32_t tenant)
{
    node->told_us[tenant] = node->world->now_us;
    tell_others(node, tenant);
}

static void tells_again(struct world *world, void *data)
{
    (void)world;
    struct word word = *(struct word *)data;
    struct node *node = word.to;
    rv_free(data);
    if (node->alive && !node->stopping && node->incarnation == word.incarnation) {
        node->tell_again[word.tenant] = false;
        world_enter(node);
        tell(node, word.tenant);
        world_leave();
    }
}

/* The first at once, the rest together a little later. */
void cluster_committed(struct node *node, int32_t tenant)
{
    struct world *world = node->world;
    int64_t next_us = node->told_us[tenant] + WAKE_EVERY_MS * WORLD_MS;
    if (world->now_us >= next_us) {
        tell(node, tenant);
    } else if (!node->tell_again[tenant]) {
        node->tell_again[tenant] = true;
        world_at(world, next_us, tells_again, word_make(node, node, tenant));
    }
}

/* ---- a company moves: an actor waits for its orchestrator's end ---- */

struct mover {
    struct node *node;
    int32_t tenant;
    void (*drained)(void *data);
    void *data;
    bool over;
};

static void mover_over(struct rv_actor *self, struct mover *mover)
{
    if (!mover->over) {
        mover->over = true;
        mover->node->driving[mover->tenant] = 0; /* who is late is fenced */
        rv_loop_post(mover->node->loop, mover->drained, mover->data);
        rv_actor_exit(self, RV_EXIT_NORMAL);
    }
}

static enum rv_code mover_start(struct rv_actor *self, void *state, const void *argument,
                                struct rv_error *err)
{
    (void)err;
    struct mover *mover = state;
    *mover = *(const struct mover *)argument;
    struct rv_ref ref = node_orchestrator(mover->node, mover->tenant);
    rv_actor_after(self, ref.id != 0 ? DRAIN_MS : 0, 0);
    if (ref.id != 0) {
        struct rv_message stop = {.kind = RV_MESSAGE_STOP};
        rv_actor_monitor(self, ref);
        rv_actor_send(self, ref, &stop);
    }
    return RV_OK;
}

static enum rv_code mover_receive(struct rv_actor *self, void *state, struct rv_message *message,
                                  struct rv_error *err)
{
    (void)err;
    if (message->kind == RV_MESSAGE_DOWN || message->kind == RV_MESSAGE_TIMEOUT) {
        mover_over(self, state);
    }
    return RV_OK;
}

static void mover_stop(struct rv_actor *self, void *state, enum rv_exit why)
{
    (void)why;
    mover_over(self, state);
}

static const struct rv_behavior mover_behavior = {.name = "mover",
                                                  .start = mover_start,
                                                  .receive = mover_receive,
                                                  .stop = mover_stop,
                                                  .state_bytes = sizeof(struct mover)};

static void spawn_mover(void *data)
{
    struct mover *mover = data;
    struct rv_spawn spawn = {.behavior = &mover_behavior, .argument = mover};
    struct rv_ref ref = {0};
    struct rv_error err = {.code = RV_OK};
    if (rv_actors_spawn(mover->node->actors, 0, &spawn, &ref, &err) != RV_OK) {
        rv_loop_post(mover->node->loop, mover->drained, mover->data); /* the node is stopping */
    }
    rv_free(mover);
}

static void drain(void *data, int32_t tenant, void (*drained)(void *data), void *drained_data)
{
    struct node *node = data;
    struct mover *mover = rv_alloc(sizeof *mover);
    *mover = (struct mover){node, tenant, drained, drained_data, false};
    node->world->tally.moves++;
    node->moving[tenant] = rv_lease_epoch(node->lease, tenant);
    world_note(node->world, "node %d: company %d is to move", node->index, (int)tenant);
    rv_loop_post(node->loop, spawn_mover, mover);
}

static void passed(void *data, int64_t to_node)
{
    (void)to_node;
    struct node *node = data;
    node->gave[node->lost_last] = node->moving[node->lost_last]; /* it has just let go of it */
    tell_others(node, 0);
}

/* ---- names ---- */

static void steps_down(struct world *world, void *data)
{
    (void)world;
    struct word word = *(struct word *)data;
    rv_free(data);
    if (word.to->alive && !word.to->stopping && word.to->incarnation == word.incarnation) {
        world_stop(word.to);
    }
}

/* A word of its dead namesake came in late. */
static void refused(void *data, const struct rv_error *err)
{
    struct node *node = data;
    world_note(node->world, "node %d: %s", node->index, err->message);
    world_at(node->world, node->world->now_us, steps_down, word_make(node, node, 0));
}

static void bury(struct world *world, int64_t number)
{
    struct base_session *session = base_session_open(world->base, 0);
    struct rv_args *args = rv_args_create(&rv_sql_lease_release);
    rv_args_i64(args, 1, number);
    struct base_message *message = base_message_make(&rv_sql_lease_release, args, -1);
    struct base_reply reply = {.rows = 0};
    if (base_execute(session, message, &reply) == BASE_DONE) {
        base_sync(session);
    }
    base_reply_fini(&reply);
    base_message_free(message);
    rv_args_destroy(args);
    base_session_close(session);
}

bool cluster_name_free(struct node *node)
{
    struct world *world = node->world;
    BASE_EACH(world->base, T_NODE, node_row, row)
    {
        if (row->serves && row->lease_until_us > base_now_us(world->base) &&
            strcmp(row->name, node_names[node->index]) == 0) {
            if (world_chance(world, 300)) { /* as where it can be seen that the process is gone */
                struct heap *before = heap_enter(&world->heap);
                bury(world, row->node);
                heap_leave(before);
            }
            return false;
        }
    }
    return true;
}

/* ---- beginning and end ---- */

void cluster_begin(struct node *node)
{
    if (world_chance(node->world, ALONE)) {
        world_note(node->world, "node %d only works, as a command does", node->index);
        return; /* nobody gives it companies, and it gives none away */
    }
    node->placement = rv_placement_create(&(struct rv_placement_options){
        .loop = node->loop,
        .db = node->db,
        .lease = node->lease,
        .lease_ms = RV_LEASE_MS,
        .face =
            {.boot = node->incarnation, .link = "", .link_mark = "", .api = "", .version = "sim"},
        .drain = drain,
        .passed = passed,
        .refused = refused,
        .data = node});
}

void cluster_beaten(void *data)
{
    struct node *node = data;
    if (node->placement != NULL) {
        rv_placement_beaten(node->placement);
    }
}

void cluster_leave(struct node *node)
{
    if (node->placement != NULL) {
        rv_placement_stop(node->placement);
    }
}

void cluster_left(struct node *node)
{
    tell_others(node, 0);
}

void cluster_end(struct node *node)
{
    if (node->placement != NULL) {
        rv_placement_destroy(node->placement);
        node->placement = NULL;
    }
}
