/* model.c -- the engine of a model that takes its time: mostly a moment, at times seconds, in some
 * worlds so long that the deadline is over.  Whoever asks waits beside many others for room.
 *
 * Broken: a run asks again while its question is open, and nothing has happened to its node or
 * company.
 */
#include "tests/sim/whole/world.h"

#include <inttypes.h>
#include <stdio.h>

struct asking {
    struct asking *next; /* of all in the world */
    struct node *node;
    int incarnation;
    int64_t driving;           /* epoch in which it was asked */
    int64_t asked_us, said_us; /* when it was answered; 0 not */
    int32_t tenant;
    int64_t run;
    int64_t tokens_left; /* 0: no bound */
    rv_model_answered answered;
    void *data;
};

/* Its process is there, and has not been answered. */
static bool is_open(const struct asking *asking)
{
    const struct node *node = asking->node;
    return asking->said_us == 0 && node->alive && node->incarnation == asking->incarnation;
}

static void answer(struct asking *asking, enum rv_code code, const struct rv_model_reply *reply,
                   const struct rv_error *err)
{
    asking->said_us = base_now_us(asking->node->world->base);
    asking->answered(asking->data, code, reply, err);
}

/* As an engine does before it computes anything. */
static bool says_no(struct asking *asking)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_model_reply reply = {.tokens_needed = 21}; /* a token of an answer */
    if (asking->tokens_left == 0 || asking->tokens_left >= reply.tokens_needed) {
        return false;
    }
    answer(asking, rv_fail(&err, RV_LIMIT, "too little is left"), &reply, &err);
    return true;
}

static void say(void *data)
{
    struct asking *asking = data;
    struct rv_model_reply reply = {.text = "{\"choice\":\"yes\",\"reason\":\"why not\"}",
                                   .choice = -1,
                                   .margin = (int)(1 + (asking->run * 7 + asking->asked_us) % 60),
                                   .tokens_in = 20,
                                   .tokens_out = 10};
    if (is_open(asking) && !says_no(asking)) {
        bool little = asking->tokens_left > 0 && asking->tokens_left < 30;
        reply.tokens_out = little ? (int)asking->tokens_left - reply.tokens_in : reply.tokens_out;
        answer(asking, RV_OK, &reply, NULL);
    }
}

static void thought(struct world *world, void *data)
{
    struct asking *asking = data;
    struct node *node = asking->node;
    (void)world;
    if (is_open(asking)) {
        world_enter(node);
        rv_loop_post(node->loop, say, asking);
        world_leave();
    }
}

static void say_no(struct asking *asking)
{
    struct rv_error err = {.code = RV_UNAVAILABLE, .message = "the node stops"};
    answer(asking, RV_UNAVAILABLE, NULL, &err);
}

static void ask(void *self, const struct rv_model_request *request, rv_model_answered answered,
                void *data)
{
    struct node *node = self;
    struct world *world = node->world;
    for (const struct asking *open = world->askings; open != NULL; open = open->next) {
        if (open->node == node && is_open(open) && open->tenant == request->tenant &&
            open->run == request->run && open->driving == node->driving[request->tenant] &&
            open->driving != 0) {
            world_broken(world, "run %" PRId64 " asks the model again while its question is open",
                         request->run);
        }
    }
    struct heap *before = heap_enter(&world->heap);
    struct asking *asking = rv_alloc(sizeof *asking);
    heap_leave(before);
    *asking = (struct asking){.next = world->askings,
                              .node = node,
                              .incarnation = node->incarnation,
                              .driving = node->driving[request->tenant],
                              .tenant = request->tenant,
                              .run = request->run,
                              .tokens_left = request->tokens_left,
                              .asked_us = base_now_us(world->base),
                              .answered = answered,
                              .data = data};
    world->askings = asking;
    world->tally.asked++;
    world_note(world, "node %d: run %" PRId64 " asks the model", node->index, request->run);
    if (node->model_stopped) {
        say_no(asking);
        return;
    }
    int64_t most_us = world_chance(world, 500) ? 100 * WORLD_MS : 9 * WORLD_SECOND;
    world_at(world, world->now_us + 1 + world_below(world, most_us), thought, asking);
}

int64_t model_asked_us(const struct world *world, int32_t tenant, int64_t run)
{
    int64_t last_us = 0;
    for (const struct asking *asking = world->askings; asking != NULL; asking = asking->next) {
        if (asking->tenant == tenant && asking->run == run) {
            int64_t until_us = is_open(asking) ? base_now_us(world->base) : asking->said_us;
            last_us = until_us > last_us ? until_us : last_us;
        }
    }
    return last_us;
}

void model_stop(struct node *node)
{
    node->model_stopped = true;
    for (struct asking *asking = node->world->askings; asking != NULL; asking = asking->next) {
        if (asking->node == node && is_open(asking)) {
            say_no(asking);
        }
    }
}

void model_begin(struct node *node)
{
    node->engine = (struct rv_model_engine){.self = node, .name = "m", .hash = "m", .ask = ask};
    node->model =
        rv_model_create(&(struct rv_model_options){.loop = node->loop, .engine = &node->engine});
}

void model_end(struct node *node)
{
    rv_model_destroy(node->model);
    node->model = NULL;
}
