/* cluster.c -- one node among others, as runtime/cli/node_cluster.c makes it: placement, the end of
 * a company that moves, and what the nodes tell each other.
 *
 * Placement is the real one, and so is what nodes say to each other (runtime/cluster): wake-ups and
 * questions, sealed and numbered.  Only the lines are simulated, see line.c.
 */
#include "tests/sim/whole/world.h"

#include "journal_sql.h"
#include "runtime/db/args.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    DRAIN_MS = 500,
    WAKE_EVERY_MS = 20,
    ASK_MS = 2000,
    ASKS_EVERY_MS = 1500,
    ALONE = 150, /* thousandths */
    MUTE = 50    /* without a line */
};
#define KEY_MARK "a key"

/* ---- what one node says to another ---- */

struct word {
    struct node *to;
    int incarnation;
    int32_t tenant;
};

static struct word *word_make(struct node *to, int32_t tenant)
{
    struct heap *before = heap_enter(&to->world->heap);
    struct word *word = rv_alloc(sizeof *word);
    heap_leave(before);
    *word = (struct word){to, to->incarnation, tenant};
    return word;
}

static void on_wake(void *data, int32_t tenant)
{
    const struct node *node = data;
    if (!node->stopping) {
        node_wake(node, tenant);
    }
}

static void on_leases(void *data)
{
    const struct node *node = data;
    if (node->placement != NULL && !node->stopping) {
        rv_placement_look(node->placement);
    }
}

static void tell(struct node *node, int32_t tenant)
{
    node->told_us[tenant] = node->world->now_us;
    if (node->lines != NULL) {
        rv_cluster_wake(node->lines, tenant);
    }
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
        world_at(world, next_us, tells_again, word_make(node, tenant));
    }
}

/* ---- questions: each is heard once at most, and answered once ---- */

struct node_question {
    struct node_question *next;
    struct world *world;
    int number, asker; /* incarnation */
    int heard, answered;
    bool killed; /* who asked */
};

static void on_answer(void *data, enum rv_code code, const json_t *answer,
                      const struct rv_error *err)
{
    (void)err;
    struct node_question *question = data;
    struct world *world = question->world;
    world->tally.rules++;
    if (++question->answered > 1) {
        world_broken(world, "question %d between nodes is answered twice", question->number);
    } else if (code == RV_OK &&
               (question->heard != 1 || rv_json_int(answer, "of", 0) != question->number)) {
        world_broken(world, "question %d between nodes has the answer of another",
                     question->number);
    }
    world->tally.answers += code == RV_OK;
}

struct reply {
    struct rv_cluster_question *question;
    int64_t number;
};

static void replies(void *data)
{
    struct reply *reply = data;
    json_t *answer = json_pack("{s:I}", "of", (json_int_t)reply->number);
    rv_cluster_answer(reply->question, answer, NULL);
    json_decref(answer);
    rv_free(reply);
}

static void on_question(void *data, struct rv_cluster_question *asked, const json_t *body)
{
    struct node *node = data;
    struct world *world = node->world;
    int64_t number = rv_json_int(body, "number", 0);
    struct node_question *question = world->questions;
    while (question != NULL && question->number != number) {
        question = question->next;
    }
    world->tally.rules++;
    if (question == NULL || ++question->heard > 1) {
        world_broken(world, "question %d between nodes is heard %s", (int)number,
                     question == NULL ? "and was never asked" : "twice");
    }
    struct reply *reply = rv_alloc(sizeof *reply);
    *reply = (struct reply){asked, number};
    if (world_chance(world, 500)) {
        rv_loop_post(node->loop, replies, reply);
    } else {
        replies(reply);
    }
}

static void ask_other(struct node *node, const struct node *other)
{
    struct world *world = node->world;
    struct heap *before = heap_enter(&world->heap);
    struct node_question *question = rv_alloc(sizeof *question);
    heap_leave(before);
    *question = (struct node_question){.next = world->questions,
                                       .world = world,
                                       .number = (int)++world->tally.questions,
                                       .asker = node->incarnation};
    world->questions = question;
    json_t *body = json_pack("{s:i}", "number", question->number);
    rv_cluster_ask(node->lines, other->incarnation, body, ASK_MS, on_answer, question);
    json_decref(body);
}

static void asks(struct world *world, void *data)
{
    struct word word = *(struct word *)data;
    struct node *node = word.to;
    if (!node->alive || node->stopping || world->ending || node->incarnation != word.incarnation) {
        rv_free(data);
        return;
    }
    const struct node *other = &world->nodes[world_below(world, world->node_count)];
    if (other != node && other->alive && !node->paused) {
        world_enter(node);
        ask_other(node, other);
        world_leave();
    }
    world_at(world, world->now_us + world_below(world, ASKS_EVERY_MS * WORLD_MS), asks, data);
}

void cluster_killed(struct node *node)
{
    for (struct node_question *at = node->world->questions; at != NULL; at = at->next) {
        at->killed = at->killed || at->asker == node->incarnation;
    }
}

void cluster_check_end(struct world *world)
{
    for (const struct node_question *at = world->questions; at != NULL; at = at->next) {
        world->tally.rules++;
        if (at->answered == 0 && !at->killed) {
            world_broken(world, "question %d between nodes is never answered", at->number);
        }
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
    if (node->lines != NULL) {
        rv_cluster_leases(node->lines);
    }
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
    world_at(node->world, node->world->now_us, steps_down, word_make(node, 0));
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

static void open_lines(struct node *node)
{
    static const struct rv_cluster_key key = {.mark = KEY_MARK};
    struct rv_error err = {.code = RV_OK};
    enum rv_code code = rv_cluster_open(&(struct rv_cluster_options){.loop = node->loop,
                                                                     .db = node->db,
                                                                     .boot = node->incarnation,
                                                                     .host = "node",
                                                                     .key = &key,
                                                                     .wake = on_wake,
                                                                     .leases = on_leases,
                                                                     .ask = on_question,
                                                                     .data = node},
                                        &node->lines, &err);
    RV_ASSERT(code == RV_OK);
    snprintf(node->link, sizeof node->link, "node:%d", rv_cluster_port(node->lines));
    world_at(node->world, node->world->now_us + WORLD_SECOND, asks, word_make(node, 0));
}

void cluster_begin(struct node *node)
{
    if (world_chance(node->world, ALONE)) {
        world_note(node->world, "node %d only works, as a command does", node->index);
        return; /* nobody gives it companies, and it gives none away */
    }
    if (!world_chance(node->world, MUTE)) {
        open_lines(node);
    }
    node->placement =
        rv_placement_create(&(struct rv_placement_options){.loop = node->loop,
                                                           .db = node->db,
                                                           .lease = node->lease,
                                                           .lease_ms = RV_LEASE_MS,
                                                           .face = {.boot = node->incarnation,
                                                                    .link = node->link,
                                                                    .link_mark = KEY_MARK,
                                                                    .api = "",
                                                                    .version = "sim"},
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
    if (node->lines != NULL) {
        rv_cluster_leases(node->lines); /* what is on its way comes */
        rv_cluster_stop(node->lines);
    }
}

void cluster_end(struct node *node)
{
    if (node->placement != NULL) {
        rv_placement_destroy(node->placement);
        node->placement = NULL;
    }
    rv_cluster_destroy(node->lines);
    node->lines = NULL;
}
