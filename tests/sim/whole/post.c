/* post.c -- stands in for runtime/hooks/post.c: receivers of web hooks, somewhere in the network.
 *
 * A receiver accepts, refuses, is slow, or accepts while its answer is lost; what it has accepted
 * it checks, and drops a message that it has seen before, as the specification asks of it.
 */
#include "runtime/hooks/post.h"

#include "tests/sim/whole/world.h"

#include <stdio.h>
#include <string.h>

struct rv_poster {
    struct rv_loop *loop;
    struct node *node;
};

/* One attempt on its way, in the world's memory: the sender may be gone when the answer comes. */
struct attempt {
    struct node *node;
    int incarnation;
    char *body;
    size_t length;
    int64_t timeout_us;
    struct rv_post_result result;
    void (*done)(void *data, const struct rv_post_result *result);
    void *data;
};

static void answered(void *data)
{
    struct attempt *attempt = data;
    if (!attempt->node->stopping) { /* closing cancels what is in flight */
        attempt->done(attempt->data, &attempt->result);
    }
}

static void answer_arrives(struct world *world, void *data)
{
    (void)world;
    struct attempt *attempt = data;
    struct node *node = attempt->node;
    if (node->alive && node->incarnation == attempt->incarnation && !node->stopping) {
        world_enter(node);
        rv_loop_post(node->loop, answered, attempt);
        world_leave();
    }
}

static void arrives(struct world *world, void *data)
{
    struct attempt *attempt = data;
    bool wild = !world_calm(world);
    int64_t wait_us = wire_latency_us(world);
    if (wild && world_chance(world, world->rates.refuse)) {
        attempt->result.status = world_chance(world, 500) ? 503 : 0;
        snprintf(attempt->result.error, sizeof attempt->result.error, "refused");
    } else {
        rules_delivered(world, 0, attempt->body, attempt->length);
        attempt->result.status = 200;
        if (wild &&
            world_chance(world, world->rates.refuse)) { /* accepted, and nobody hears of it */
            attempt->result.status = 0;
            snprintf(attempt->result.error, sizeof attempt->result.error, "no answer");
            wait_us = attempt->timeout_us;
        }
    }
    world_at(world, world->now_us + wait_us, answer_arrives, attempt);
}

struct rv_poster *rv_poster_create(struct rv_loop *loop)
{
    struct rv_poster *poster = rv_alloc(sizeof *poster);
    poster->loop = loop;
    poster->node = loop_node(loop);
    return poster;
}

struct closing {
    struct rv_poster *poster;
    void (*closed)(void *data);
    void *data;
};

static void poster_closed(void *data)
{
    struct closing closing = *(struct closing *)data;
    rv_free(data);
    rv_free(closing.poster);
    if (closing.closed != NULL) {
        closing.closed(closing.data);
    }
}

void rv_poster_close(struct rv_poster *poster, void (*closed)(void *data), void *data)
{
    struct closing *closing = rv_alloc(sizeof *closing);
    *closing = (struct closing){poster, closed, data};
    rv_loop_post(poster->loop, poster_closed, closing);
}

void rv_poster_send(struct rv_poster *poster, const struct rv_post *post,
                    void (*done)(void *data, const struct rv_post_result *result), void *data)
{
    struct world *world = poster->node->world;
    struct heap *before = heap_enter(&world->heap);
    struct attempt *attempt = rv_alloc(sizeof *attempt);
    *attempt = (struct attempt){.node = poster->node,
                                .incarnation = poster->node->incarnation,
                                .body = rv_strndup(post->body, post->length),
                                .length = post->length,
                                .timeout_us = 15 * WORLD_SECOND / 5,
                                .done = done,
                                .data = data};
    heap_leave(before);
    world->tally.deliveries++;
    world_at(world, world->now_us + wire_latency_us(world), arrives, attempt);
}
