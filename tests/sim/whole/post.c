/* post.c -- stands in for runtime/hooks/post.c: receivers of web hooks, somewhere in the network,
 * and the way to what is outside (outside.c).
 *
 * A receiver accepts, refuses, is slow, or accepts while its answer is lost; what it has accepted
 * it checks, and drops a message that it has seen before, as the specification asks of it.
 *
 * What goes outside needs a connection first: a sender that stands still meanwhile sends when it
 * goes on, unless its time is over by then.  What has not arrived by then never does.
 */
#include "runtime/hooks/post.h"

#include "tests/sim/whole/outside.h"
#include "tests/sim/whole/world.h"

#include <stdio.h>
#include <string.h>

struct attempt;

struct rv_poster {
    struct rv_loop *loop;
    struct node *node;
    struct attempt *attempts;
};

/* One attempt on its way, in the world's memory: the sender may be gone when the answer comes. */
struct attempt {
    struct attempt *next; /* of its poster */
    struct node *node;
    int incarnation;
    bool cut; /* its poster was closed */
    char *url, *method, *body;
    size_t length;
    char key[RV_EFFECT_KEY_TEXT]; /* of what goes outside */
    int64_t over_us;              /* when its sender waits no longer */
    int64_t timeout_us;
    struct rv_post_result result;
    void (*done)(void *data, const struct rv_post_result *result);
    void *data;
};

static bool is_waited_for(const struct attempt *attempt)
{
    return attempt->node->alive && attempt->node->incarnation == attempt->incarnation &&
           !attempt->cut;
}

static void tell_sender(struct attempt *attempt, void (*run)(void *data))
{
    if (is_waited_for(attempt)) {
        world_enter(attempt->node);
        rv_loop_post(attempt->node->loop, run, attempt);
        world_leave();
    }
}

static void answered(void *data)
{
    struct attempt *attempt = data;
    if (!attempt->cut) {
        attempt->cut = true; /* once */
        attempt->done(attempt->data, &attempt->result);
    }
}

static void answer_arrives(struct world *world, void *data)
{
    (void)world;
    tell_sender(data, answered);
}

/* ---- web hooks ---- */

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

/* ---- what goes outside ---- */

static void fail(struct attempt *attempt, bool sent, const char *why)
{
    attempt->result = (struct rv_post_result){.sent = sent, .type = "", .body = ""};
    snprintf(attempt->result.error, sizeof attempt->result.error, "%s", why);
}

static void arrives_outside(struct world *world, void *data)
{
    struct attempt *attempt = data;
    struct outside_letter letter = {.url = attempt->url,
                                    .method = attempt->method,
                                    .key = attempt->key,
                                    .timeout_us = attempt->timeout_us};
    int64_t at_us = world->now_us + outside_take(world, &letter, &attempt->result);
    if (at_us >= attempt->over_us) {
        fail(attempt, true, "timed out");
        at_us = attempt->over_us;
    }
    world_at(world, at_us, answer_arrives, attempt);
}

/* The connection is there: on the loop of the sender. */
static void goes_out(void *data)
{
    struct attempt *attempt = data;
    struct world *world = attempt->node->world;
    int64_t at_us = world->now_us + wire_latency_us(world);
    if (attempt->cut) {
        return;
    }
    if (world->now_us >= attempt->over_us) {
        fail(attempt, false, "timed out");
        answered(attempt);
    } else if (at_us >= attempt->over_us) {
        fail(attempt, true, "timed out");
        world_at(world, attempt->over_us, answer_arrives, attempt);
    } else {
        world_at(world, at_us, arrives_outside, attempt);
    }
}

static void connected(struct world *world, void *data)
{
    struct attempt *attempt = data;
    if (!world_calm(world) && world_chance(world, world->rates.refuse)) {
        fail(attempt, false, "there is nobody");
        tell_sender(attempt, answered);
    } else {
        tell_sender(attempt, goes_out);
    }
}

/* "Idempotency-Key: KEY" of a request, "Message-ID: <KEY@...>" of a mail. */
static void read_key(struct attempt *attempt, const struct rv_post *post)
{
    const char *found = strstr(post->body, "Message-ID: <");
    for (int i = 0; i < RV_POST_HEADERS_MAX && post->headers[i] != NULL; i++) {
        if (strncmp(post->headers[i], "Idempotency-Key: ", 17) == 0) {
            snprintf(attempt->key, sizeof attempt->key, "%s", post->headers[i] + 17);
        }
    }
    if (post->mail_from != NULL && found != NULL) {
        found += strlen("Message-ID: <");
        snprintf(attempt->key, sizeof attempt->key, "%.*s", (int)strcspn(found, "@"), found);
    }
}

/* ---- the poster ---- */

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
    for (struct attempt *attempt = poster->attempts; attempt != NULL; attempt = attempt->next) {
        attempt->cut = true;
    }
    struct closing *closing = rv_alloc(sizeof *closing);
    *closing = (struct closing){poster, closed, data};
    rv_loop_post(poster->loop, poster_closed, closing);
}

void rv_poster_send(struct rv_poster *poster, const struct rv_post *post,
                    void (*done)(void *data, const struct rv_post_result *result), void *data)
{
    struct world *world = poster->node->world;
    bool outside = outside_is(post->url);
    int64_t timeout_us = outside ? post->timeout_ms * WORLD_MS : RV_POST_TIMEOUT_MS * WORLD_MS / 5;
    struct heap *before = heap_enter(&world->heap);
    struct attempt *attempt = rv_alloc(sizeof *attempt);
    *attempt = (struct attempt){.next = poster->attempts,
                                .node = poster->node,
                                .incarnation = poster->node->incarnation,
                                .url = rv_strdup(post->url),
                                .method = rv_strdup(post->method != NULL ? post->method : "POST"),
                                .body = rv_strndup(post->body, post->length),
                                .length = post->length,
                                .timeout_us = timeout_us,
                                .over_us = world->now_us + timeout_us,
                                .done = done,
                                .data = data};
    heap_leave(before);
    poster->attempts = attempt;
    world->tally.deliveries += !outside;
    if (outside) {
        read_key(attempt, post);
        struct deed *deed = outside_deed(world, attempt->key);
        deed->busy_until_us = attempt->over_us + OUTSIDE_AFTER_US;
    }
    world_at(world, world->now_us + wire_latency_us(world), outside ? connected : arrives, attempt);
}
