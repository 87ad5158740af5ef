/* line.c -- stands in for runtime/cluster/line.c: lines between nodes, as a bad network has them.
 *
 * What is sent is lost, late, or comes twice, at once or seconds later, also when its receiver has
 * begun anew meanwhile; one message overtakes the other.  Above it is the product's own code:
 * numbers, seals, questions.  A node's address is "node:N".
 */
#include "runtime/cluster/line.h"

#include "tests/sim/whole/world.h"

#include <string.h>

enum { LOST = 100 /* thousandths */, SAYS_LOST = 500, AGAIN_US = 3 * 1000 * 1000 };

struct rv_line {
    struct rv_line_options options;
    struct node *node;
};

/* What was sent, in the world's memory: its sender may be gone when it comes. */
struct parcel {
    struct rv_line_peer *peer; /* to be told; NULL: it has hung up */
    struct node *from, *to;
    int incarnation; /* of `from` */
    bool ok;
    char *bytes;
    size_t length;
};

/* One of its copies, where it came in. */
struct arrival {
    const struct parcel *parcel;
    int incarnation; /* of who hears it */
};

struct rv_line_peer {
    struct rv_line *line;
    struct node *to;
    struct parcel *parcel; /* under way; NULL: none */
    void (*sent)(void *data, bool ok);
    void *data;
};

enum rv_code rv_line_open(const struct rv_line_options *options, struct rv_line **out,
                          struct rv_error *err)
{
    (void)err;
    struct rv_line *line = rv_alloc(sizeof *line);
    *line = (struct rv_line){.options = *options, .node = loop_node(options->loop)};
    line->node->line = line;
    *out = line;
    return RV_OK;
}

int rv_line_port(const struct rv_line *line)
{
    return line->node->index + 1;
}

void rv_line_close(struct rv_line *line)
{
    line->node->line = NULL;
    rv_free(line);
}

enum rv_code rv_line_dial(struct rv_line *line, const char *host, int port, const char *name,
                          void (*sent)(void *data, bool ok), void *data, struct rv_line_peer **out,
                          struct rv_error *err)
{
    (void)host;
    (void)name;
    (void)err;
    struct rv_line_peer *peer = rv_alloc(sizeof *peer);
    *peer = (struct rv_line_peer){
        .line = line, .to = &line->node->world->nodes[port - 1], .sent = sent, .data = data};
    *out = peer;
    return RV_OK;
}

void rv_line_hang_up(struct rv_line_peer *peer)
{
    if (peer->parcel != NULL) {
        peer->parcel->peer = NULL;
    }
    rv_free(peer);
}

/* ---- on its way ---- */

static void tell_sent(void *data)
{
    const struct parcel *parcel = data;
    struct rv_line_peer *peer = parcel->peer;
    if (peer != NULL) {
        peer->parcel = NULL;
        peer->sent(peer->data, parcel->ok);
    }
}

static void has_left(struct world *world, void *data)
{
    (void)world;
    struct parcel *parcel = data;
    struct node *node = parcel->from;
    if (node->alive && node->incarnation == parcel->incarnation && parcel->peer != NULL) {
        world_enter(node);
        rv_loop_post(node->loop, tell_sent, parcel);
        world_leave();
    }
}

static void hears(void *data)
{
    const struct arrival *arrival = data;
    const struct parcel *parcel = arrival->parcel;
    const struct rv_line *line = parcel->to->line;
    if (line != NULL && parcel->to->incarnation == arrival->incarnation) {
        line->options.received(line->options.data, parcel->bytes, parcel->length);
    }
}

static void comes(struct world *world, void *data)
{
    struct parcel *parcel = data;
    struct node *node = parcel->to;
    if (node->alive && node->line != NULL) {
        struct heap *before = heap_enter(&world->heap);
        struct arrival *arrival = rv_alloc(sizeof *arrival);
        heap_leave(before);
        *arrival = (struct arrival){parcel, node->incarnation};
        world_enter(node);
        rv_loop_post(node->loop, hears, arrival);
        world_leave();
    }
}

void rv_line_send(struct rv_line_peer *peer, const void *message, size_t length)
{
    struct node *from = peer->line->node;
    struct world *world = from->world;
    bool wild = !world_calm(world);
    RV_ASSERT(peer->parcel == NULL); /* one at a time */
    struct heap *before = heap_enter(&world->heap);
    struct parcel *parcel = rv_alloc(sizeof *parcel);
    *parcel = (struct parcel){.peer = peer,
                              .from = from,
                              .to = peer->to,
                              .incarnation = from->incarnation,
                              .ok = true,
                              .bytes = rv_alloc(length),
                              .length = length};
    heap_leave(before);
    memcpy(parcel->bytes, message, length);
    peer->parcel = parcel;
    world->tally.words++;
    if (wild && world_chance(world, LOST)) {
        parcel->ok = !world_chance(world, SAYS_LOST);
    } else {
        int64_t at_us = world->now_us + wire_latency_us(world);
        if (wild && world_chance(world, world->rates.late)) {
            at_us += world_below(world, AGAIN_US);
            world->tally.late++;
        }
        world_at(world, at_us, comes, parcel);
        if (wild && world_chance(world, world->rates.twice)) {
            int64_t after_us = world_chance(world, 500) ? world->rates.latency_us : AGAIN_US;
            world_at(world, at_us + world_below(world, after_us), comes, parcel);
            world->tally.twice++;
        }
    }
    world_at(world, world->now_us + world_below(world, world->rates.latency_us), has_left, parcel);
}
