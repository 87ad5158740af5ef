/* wire.c -- stands in for runtime/db/link.c: connections over a network that loses them.
 *
 *   link (the client, in the node's memory) <--> wire (the network) <--> session (the server)
 *
 * What a client sends up to a flush or sync travels in one piece and is executed in one piece, in
 * the order of sending.  A wire breaks for the two ends at different times: the client may know at
 * once while the server goes on with what has arrived and ends its session seconds later, with or
 * without having committed.  A process that dies closes its wires; what it had sent is on its way
 * all the same.
 *
 * The rules of the real link that its users rely on are kept: no event inside a call, except `down`
 * inside rv_link_kill; a kill while results are given waits until they are given; after a failure
 * the rest of the transaction is skipped and rolled back before `synced`.
 */
#include "runtime/db/link.h"

#include "tests/sim/whole/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    BACKOFF_MIN_MS = 10, /* as the real one */
    BACKOFF_MAX_MS = 1000,
    CONNECT_MS = 10000,
    LINGER_MS = 3000, /* how long the server may keep a session whose client is gone */
    LOST_NOTES = 50,  /* thousandths: a wake-up is a hint, and nothing may rest on it */
    PIECE_FIRST = 8,
    SLOW_DISK_US = 2500 * 1000,
    ALONE_OFTEN = 3
};

enum link_state { LINK_DOWN, LINK_CONNECTING, LINK_UP, LINK_CLOSED };

/* What was sent in one go, and its answers on the way back. */
struct piece {
    struct piece *next;
    struct wire *wire;
    struct base_message **messages;
    struct base_reply *replies;
    int count, capacity;
    int at; /* the next to execute */
    bool sync;
};

struct wire {
    struct wire *next;
    struct world *world;
    struct node *node;
    int owner;                    /* incarnation */
    struct rv_link *link;         /* NULL: the client is gone */
    struct base_session *session; /* NULL: not yet, or no more */
    bool broken;                  /* nothing goes through any more, in either direction */
    int64_t reaches_us;           /* what would arrive later than that is lost */
    int64_t up_us, down_us;       /* when the newest piece arrives: they stay in order */
    struct piece *first;          /* arrived, not executed */
    struct piece **last;
    bool waits;   /* for a lock */
    bool writing; /* a commit, to the disk: nobody else sees it yet, and it holds its locks */
    bool ends;    /* when it is written, the session does */
    int64_t waits_since_us;
    int64_t written_us;
    bool flushed; /* the piece at hand is on the disk */
    bool leaving; /* the client has closed: no more comes */
};

struct rv_link {
    struct rv_loop *loop;
    struct world *world;
    struct node *node;
    struct rv_link_events events;
    void *data;
    enum link_state state;
    struct wire *wire;
    struct piece *open; /* what is being put together */
    struct rv_timer *timer;
    int64_t backoff_ms;
    bool processing, doomed;
    struct rv_error doom;
    void (*closed)(void *data);
    void *closed_data;
};

static void run_server(struct wire *wire);
static void break_wire(struct wire *wire, int64_t linger_us);
static void lost(struct rv_link *link, const struct rv_error *err);

/* ---- time ---- */

int64_t wire_latency_us(struct world *world)
{
    int64_t latency = world->rates.latency_us / 2 + world_below(world, world->rates.latency_us + 1);
    if (!world_calm(world) && world_chance(world, world->rates.slow)) {
        latency += world_below(world, 3 * WORLD_SECOND);
        world_hurt(world, world->now_us + latency);
    }
    return latency;
}

static int64_t later(struct world *world, int64_t *newest_us)
{
    int64_t at_us = world->now_us + wire_latency_us(world);
    *newest_us = at_us > *newest_us ? at_us : *newest_us + 1;
    return *newest_us;
}

/* Runs `run(wire or piece)` on the client's loop, when there still is one. */
static void tell_client(struct wire *wire, void (*run)(void *data), void *data)
{
    if (wire->link != NULL) {
        struct rv_loop *loop = wire->link->loop;
        world_enter(wire->node);
        rv_loop_post(loop, run, data);
        world_leave();
    }
}

/* ---- the server's end ---- */

static void retry_waiting(struct world *world, void *data)
{
    (void)data;
    for (struct wire *wire = world->wires; wire != NULL; wire = wire->next) {
        if (wire->waits && wire->session != NULL) {
            wire->waits = false;
            run_server(wire);
        }
    }
}

static void end_session(struct wire *wire)
{
    if (wire->session != NULL) {
        if (!wire->session->deaf) {
            node_hurt(wire->node, wire->world->now_us);
        }
        base_session_close(wire->session);
        wire->session = NULL;
        wire->first = NULL;
        wire->last = &wire->first;
        wire->waits = false;
        wire->writing = false;
        wire->ends = false;
        world_at(wire->world, wire->world->now_us, retry_waiting, NULL);
    }
}

/* A commit that is being written is not called back: the session ends after it. */
static void session_over(struct world *world, void *data)
{
    (void)world;
    struct wire *wire = data;
    wire->ends = wire->writing;
    if (!wire->writing) {
        end_session(wire);
    }
}

/* What the server still does for it is too late for it. */
static void hears_it(struct wire *wire)
{
    if (wire->session != NULL) {
        wire->session->deaf = true;
    }
}

static void on_lost(void *data)
{
    struct wire *wire = data;
    if (wire->link != NULL && wire->link->wire == wire) {
        struct rv_error err = {.code = RV_OK};
        rv_fail(&err, RV_UNAVAILABLE, "could not reach the database");
        node_hurt(wire->node, wire->world->now_us);
        hears_it(wire);
        lost(wire->link, &err);
    }
}

static void client_hears_of_loss(struct world *world, void *data)
{
    (void)world;
    tell_client(data, on_lost, data);
}

static void process_piece(void *data);

/* Between the two trips of a batch: it has the head of the company, and does not go on. */
static void stop_inside(struct wire *wire)
{
    struct node *node = wire->node;
    struct world *world = wire->world;
    if (node->stops_in_batch && !node->paused && !world_calm(world)) {
        node->stops_in_batch = false;
        world->tally.inside++;
        world_note(world, "node %d is inside a batch of company %d", node->index,
                   (int)base_holds_head(wire->session));
        world_stand_still(node, world_below(world, 14 * WORLD_SECOND));
    }
}

static void answer_arrives(struct world *world, void *data)
{
    struct piece *piece = data;
    struct wire *wire = piece->wire;
    if (wire->broken || wire->link == NULL) {
        world->tally.lost_answers++;
        return;
    }
    if (!piece->sync && base_holds_head(wire->session) != 0) {
        stop_inside(wire);
    }
    tell_client(wire, process_piece, piece);
}

static void lock_timeout(struct world *world, void *data)
{
    struct wire *wire = data;
    if (wire->waits && world->now_us - wire->waits_since_us >= BASE_LOCK_MS * WORLD_MS) {
        end_session(wire);
        tell_client(wire, on_lost, wire);
    }
}

static void idle_timeout(struct world *world, void *data)
{
    struct wire *wire = data;
    if (wire->session != NULL && wire->session->begun && wire->first == NULL &&
        world->now_us - wire->waits_since_us >= BASE_IDLE_MS * WORLD_MS) {
        int32_t tenant = base_holds_head(wire->session);
        world_note(world, "the server ends a transaction of node %d that stands still",
                   wire->node->index);
        if (tenant != 0) {
            world->tally.idle_ended++;
            rules_ended_inside(world, tenant, wire->owner);
        }
        end_session(wire);
        tell_client(wire, on_lost, wire);
    }
}

/* ---- notifications ---- */

struct note {
    struct wire *wire;
    int32_t tenant;
};

static void client_hears(void *data)
{
    struct note note = *(struct note *)data;
    struct rv_link *link = note.wire->link;
    rv_free(data);
    if (link != NULL && link->wire == note.wire && rv_link_is_up(link) &&
        link->events.notified != NULL) {
        char payload[16];
        snprintf(payload, sizeof payload, "%d", (int)note.tenant);
        link->world->tally.wakes++;
        link->events.notified(link->data, "reeve_wake", payload);
    }
}

static void note_arrives(struct world *world, void *data)
{
    (void)world;
    struct note *note = data;
    if (note->wire->broken || note->wire->link == NULL) {
        rv_free(note);
    } else {
        tell_client(note->wire, client_hears, note);
    }
}

void wires_notify(void *data, int32_t tenant)
{
    struct world *world = data;
    struct heap *before = heap_enter(&world->heap);
    for (struct wire *wire = world->wires; wire != NULL; wire = wire->next) {
        bool lost = !world_calm(world) && world_chance(world, LOST_NOTES);
        if (wire->session != NULL && wire->session->listens && !lost) {
            struct note *note = rv_alloc(sizeof *note);
            *note = (struct note){wire, tenant};
            world_at(world, later(world, &wire->down_us), note_arrives, note);
        }
    }
    heap_leave(before);
}

/* ---- execution ---- */

/* Answers after which somebody must ask again by itself: they get lost more often than others, and
 * where nobody asks for another reason (placement.h) still more often. */
static bool loses_answer(const struct wire *wire, const struct piece *piece)
{
    static const struct {
        const char *statement;
        int thousandths;
    } dear[] = {{"lease_take", 100},        {"run_images", 20},    {"run_signal_next", 30},
                {"run_child_look", 30},     {"run_child_end", 30}, {"erp_read", 30},
                {"approval_status_get", 30}};
    for (int i = 0; i < piece->count && !wire->broken && !world_calm(wire->world); i++) {
        for (size_t k = 0; k < RV_COUNT(dear); k++) {
            if (strcmp(piece->messages[i]->statement->name, dear[k].statement) == 0 &&
                piece->replies[i].rows > 0) {
                int often = wire->node->placement == NULL ? ALONE_OFTEN : 1;
                bool lost = world_chance(wire->world, dear[k].thousandths * often);
                if (lost) {
                    world_note(wire->world, "node %d does not hear the answer of %s",
                               wire->node->index, dear[k].statement);
                }
                return lost;
            }
        }
    }
    return false;
}

static void written(struct world *world, void *data)
{
    (void)world;
    struct wire *wire = data;
    if (wire->writing && world->now_us >= wire->written_us) {
        wire->writing = false;
        wire->flushed = true;
        run_server(wire);
        if (wire->ends) {
            end_session(wire);
        }
    }
}

/* True while the commit that ends the piece is on its way to the disk. */
static bool writes_first(struct wire *wire)
{
    struct world *world = wire->world;
    const struct base_session *session = wire->session;
    bool flushed = wire->flushed;
    wire->flushed = false;
    if (flushed || world_calm(world) || session->aborted || session->begun ||
        session->change_count == 0) {
        return false;
    }
    int64_t disk_us = world_below(world, world->rates.disk_us + 1);
    if (world->now_us < world->slow_disk_until_us) {
        disk_us += world_below(world, SLOW_DISK_US);
        world->tally.slow_commits += disk_us > WORLD_SECOND;
        world_hurt(world, world->now_us + disk_us);
    }
    wire->writing = true;
    wire->written_us = world->now_us + disk_us;
    world_at(world, wire->written_us, written, wire);
    return true;
}

/* Executes what has arrived, piece by piece, until something waits for a lock. */
static void run_server(struct wire *wire)
{
    struct world *world = wire->world;
    while (wire->first != NULL && wire->session != NULL) {
        struct piece *piece = wire->first;
        while (piece->at < piece->count) {
            if (base_execute(wire->session, piece->messages[piece->at],
                             &piece->replies[piece->at]) == BASE_WAITS) {
                wire->waits = true;
                wire->waits_since_us = world->now_us;
                world_at(world, world->now_us + BASE_LOCK_MS * WORLD_MS, lock_timeout, wire);
                return;
            }
            piece->at++;
        }
        if (piece->sync && writes_first(wire)) {
            return;
        }
        if (piece->sync) {
            base_sync(wire->session);
        } else if (wire->session->begun) {
            wire->waits_since_us = world->now_us;
            world_at(world, world->now_us + BASE_IDLE_MS * WORLD_MS, idle_timeout, wire);
        }
        wire->first = piece->next;
        if (wire->first == NULL) {
            wire->last = &wire->first;
        }
        if (loses_answer(wire, piece)) {
            break_wire(wire, world_below(world, LINGER_MS / 10 * WORLD_MS));
        }
        world_at(world, later(world, &wire->down_us), answer_arrives, piece);
        world_at(world, world->now_us, retry_waiting, NULL);
    }
    if (wire->leaving) {
        end_session(wire);
    }
}

static void piece_arrives(struct world *world, void *data)
{
    struct piece *piece = data;
    struct wire *wire = piece->wire;
    if (world->now_us < world->stall_until_us) { /* the server stands still for a while */
        world_at(world, world->stall_until_us, piece_arrives, piece);
        return;
    }
    if (wire->session == NULL || world->now_us > wire->reaches_us) {
        return;
    }
    *wire->last = piece;
    wire->last = &piece->next;
    if (!wire->waits && !wire->writing) {
        run_server(wire);
    }
}

static void close_arrives(struct world *world, void *data)
{
    struct wire *wire = data;
    if (wire->session == NULL) {
        return;
    }
    if (world->now_us < world->stall_until_us) { /* after what was sent before it */
        world_at(world, world->stall_until_us, close_arrives, wire);
        return;
    }
    wire->leaving = true;
    if (wire->writing) {
        return; /* it hears of it afterwards */
    }
    if (wire->waits) { /* a backend that waits for a lock looks now and then whether its client
                          lives */
        world_at(world, world->now_us + world_below(world, 2 * WORLD_SECOND), session_over, wire);
    } else {
        run_server(wire);
    }
}

static void on_up(void *data);

static void client_hears_of_session(struct world *world, void *data)
{
    (void)world;
    struct wire *wire = data;
    if (!wire->broken) {
        tell_client(wire, on_up, wire);
    }
}

static void connect_arrives(struct world *world, void *data)
{
    struct wire *wire = data;
    if (wire->broken || wire->link == NULL) {
        return;
    }
    if (world->now_us < world->down_until_us) {
        wire->broken = true;
        world_at(world, later(world, &wire->down_us), client_hears_of_loss, wire);
        return;
    }
    wire->session = base_session_open(world->base, wire->owner);
    world_at(world, later(world, &wire->down_us), client_hears_of_session, wire);
}

/* ---- what breaks ---- */

/* The wire breaks: the client hears of it, mostly at once; the server ends the session some time
 * later. */
static void break_wire(struct wire *wire, int64_t linger_us)
{
    struct world *world = wire->world;
    wire->broken = true;
    wire->reaches_us = world->now_us + world_below(world, WORLD_SECOND);
    world->tally.drops++;
    int64_t deaf_us = world_chance(world, 150) ? world_below(world, LINGER_MS * WORLD_MS) : 0;
    int64_t hears_us = world->now_us + wire_latency_us(world) + deaf_us;
    node_hurt(wire->node, hears_us);
    world_at(world, hears_us, client_hears_of_loss, wire);
    world_at(world, world->now_us + linger_us, session_over, wire);
}

void wires_drop_one(struct world *world)
{
    int live = 0;
    for (struct wire *wire = world->wires; wire != NULL; wire = wire->next) {
        live += wire->session != NULL && !wire->broken && wire->link != NULL;
    }
    int64_t pick = live > 0 ? world_below(world, live) : -1;
    for (struct wire *wire = world->wires; wire != NULL; wire = wire->next) {
        if (wire->session != NULL && !wire->broken && wire->link != NULL && pick-- == 0) {
            int64_t linger_us =
                world_chance(world, 300) ? 0 : world_below(world, LINGER_MS * WORLD_MS);
            world_note(world, "the network breaks a connection of node %d", wire->node->index);
            break_wire(wire, world_chance(world, 100) ? linger_us * 8 : linger_us);
            return;
        }
    }
}

void wires_break_writer(struct world *world, const struct node *node, int64_t linger_us)
{
    for (struct wire *wire = world->wires; wire != NULL; wire = wire->next) {
        if (wire->node == node && wire->session != NULL && wire->session->writes && !wire->broken &&
            wire->link != NULL) {
            world_note(world, "the committer of node %d loses its connection for %" PRId64 " ms",
                       node->index, linger_us / 1000);
            break_wire(wire, linger_us);
        }
    }
}

void wires_server_crash(struct world *world)
{
    for (struct wire *wire = world->wires; wire != NULL; wire = wire->next) {
        if (wire->session != NULL) {
            if (wire->writing) { /* it was on the disk, or not yet */
                world->tally.cut_commits++;
                if (world_chance(world, 500)) {
                    base_sync(wire->session);
                }
            }
            end_session(wire);
            wire->broken = wire->broken || world_chance(world, 500); /* or the answers still come */
            wire->reaches_us = 0;
            world_at(world, wire->down_us > world->now_us ? wire->down_us + 1 : world->now_us,
                     client_hears_of_loss, wire);
        } else if (wire->link != NULL && !wire->broken) { /* on its way to the server */
            wire->broken = true;
            world_at(world, world->now_us + wire_latency_us(world), client_hears_of_loss, wire);
        }
    }
}

/* The client's end closes; what it has sent before arrives before. */
static void leave(struct wire *wire)
{
    wire->link = NULL;
    hears_it(wire);
    if (!wire->broken) {
        world_at(wire->world, later(wire->world, &wire->up_us), close_arrives, wire);
    }
}

void wires_node_gone(struct node *node)
{
    for (struct wire *wire = node->world->wires; wire != NULL; wire = wire->next) {
        if (wire->node == node && wire->link != NULL) {
            leave(wire);
        }
    }
}

bool wires_linger(const struct world *world)
{
    for (const struct wire *wire = world->wires; wire != NULL; wire = wire->next) {
        if (wire->session != NULL && (wire->broken || wire->link == NULL)) {
            return true;
        }
    }
    return false;
}

bool wires_advisory_taken(void *data, const struct base_session *session, int64_t key)
{
    const struct world *world = data;
    for (const struct wire *wire = world->wires; wire != NULL; wire = wire->next) {
        if (wire->session != NULL && wire->session != session && wire->session->advisory == key) {
            return true;
        }
    }
    return false;
}

/* ---- the client's end ---- */

static void connect_start(struct rv_link *link)
{
    struct world *world = link->world;
    struct heap *before = heap_enter(&world->heap);
    struct wire *wire = rv_alloc(sizeof *wire);
    *wire = (struct wire){.next = world->wires,
                          .world = world,
                          .node = link->node,
                          .owner = link->node->incarnation,
                          .link = link,
                          .reaches_us = INT64_MAX};
    wire->last = &wire->first;
    world->wires = wire;
    heap_leave(before);
    link->wire = wire;
    link->state = LINK_CONNECTING;
    rv_timer_start(link->timer, CONNECT_MS);
    world_at(world, later(world, &wire->up_us), connect_arrives, wire);
}

static void on_timer(void *data)
{
    struct rv_link *link = data;
    if (link->state == LINK_DOWN) {
        connect_start(link);
    } else if (link->state == LINK_CONNECTING) {
        rv_link_kill(link, "connecting took too long");
    }
}

struct rv_link *rv_link_create(struct rv_loop *loop, const char *uri,
                               const struct rv_link_events *events, void *data)
{
    (void)uri;
    struct rv_link *link = rv_alloc(sizeof *link);
    link->loop = loop;
    link->node = loop_node(loop);
    link->world = link->node->world;
    link->events = *events;
    link->data = data;
    link->backoff_ms = BACKOFF_MIN_MS;
    link->timer = rv_timer_create(loop, on_timer, link);
    rv_timer_start(link->timer, 0);
    return link;
}

static void drop(struct rv_link *link)
{
    if (link->wire != NULL) {
        leave(link->wire);
        link->wire = NULL;
    }
    link->open = NULL; /* of the world's memory */
}

static void lost(struct rv_link *link, const struct rv_error *err)
{
    if (link->processing) {
        link->doomed = true;
        link->doom = *err;
        return;
    }
    struct rv_error why = *err;
    drop(link);
    link->doomed = false;
    link->state = LINK_DOWN;
    rv_timer_start(link->timer,
                   link->backoff_ms + world_below(link->world, link->backoff_ms / 2 + 1));
    link->backoff_ms =
        link->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : link->backoff_ms * 2;
    link->events.down(link->data, &why);
}

void rv_link_kill(struct rv_link *link, const char *why)
{
    if (link->state == LINK_DOWN || link->state == LINK_CLOSED) {
        return;
    }
    struct rv_error err = {.code = RV_OK};
    rv_fail(&err, RV_UNAVAILABLE, "dropped the database connection: %s", why);
    lost(link, &err);
}

static void free_link(void *data)
{
    struct rv_link *link = data;
    if (link->closed != NULL) {
        link->closed(link->closed_data);
    }
    rv_free(link);
}

void rv_link_close(struct rv_link *link, void (*closed)(void *data), void *data)
{
    RV_ASSERT(link->state != LINK_CLOSED);
    link->state = LINK_CLOSED;
    drop(link);
    rv_timer_close(link->timer);
    link->closed = closed;
    link->closed_data = data;
    rv_loop_post(link->loop, free_link, link);
}

bool rv_link_is_up(const struct rv_link *link)
{
    return link->state == LINK_UP && !link->doomed;
}

static void on_up(void *data)
{
    struct wire *wire = data;
    struct rv_link *link = wire->link;
    if (link == NULL || link->wire != wire || link->state != LINK_CONNECTING) {
        return;
    }
    link->state = LINK_UP;
    link->backoff_ms = BACKOFF_MIN_MS;
    rv_timer_stop(link->timer);
    link->events.up(link->data);
}

/* ---- sending ---- */

void rv_link_send(struct rv_link *link, const struct rv_statement *statement, struct rv_args *args,
                  int tag)
{
    if (!rv_link_is_up(link)) {
        return;
    }
    RV_ASSERT(statement->param_count == 0 || args != NULL);
    struct heap *before = heap_enter(&link->world->heap);
    struct piece *piece = link->open;
    if (piece == NULL) {
        piece = rv_alloc(sizeof *piece);
        piece->wire = link->wire;
        link->open = piece;
    }
    if (piece->count == piece->capacity) {
        piece->capacity = piece->capacity * 2 + PIECE_FIRST;
        piece->messages =
            rv_realloc(piece->messages, (size_t)piece->capacity * sizeof(struct base_message *));
    }
    piece->messages[piece->count++] = base_message_make(statement, args, tag);
    heap_leave(before);
}

static void send_piece(struct rv_link *link, bool sync)
{
    struct world *world = link->world;
    struct heap *before = heap_enter(&world->heap);
    struct piece *piece = link->open;
    if (piece == NULL) {
        piece = rv_alloc(sizeof *piece);
        piece->wire = link->wire;
    }
    link->open = NULL;
    piece->sync = sync;
    piece->replies = rv_alloc_array((size_t)piece->count + 1, sizeof *piece->replies);
    struct wire *wire = piece->wire;
    int64_t at_us = later(world, &wire->up_us);
    if (!wire->broken) {
        world_at(world, at_us, piece_arrives, piece);
        if (!world_calm(world) && world_chance(world, world->rates.drop)) {
            /* before it arrives, or after: then only the answer is lost */
            break_wire(wire, world_below(world, LINGER_MS * WORLD_MS));
            wire->reaches_us = world_chance(world, 500) ? at_us + 1 : world->now_us;
        }
    }
    heap_leave(before);
}

void rv_link_flush(struct rv_link *link)
{
    if (rv_link_is_up(link)) {
        send_piece(link, false);
    }
}

void rv_link_sync(struct rv_link *link)
{
    if (rv_link_is_up(link)) {
        send_piece(link, true);
    }
}

/* ---- results ---- */

static PGresult *make_result(const struct base_reply *reply)
{
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    RV_ASSERT(result != NULL);
    static char name[] = "column";
    PGresAttDesc columns[64];
    RV_ASSERT(reply->columns <= (int)RV_COUNT(columns));
    for (int i = 0; i < reply->columns; i++) {
        columns[i] = (PGresAttDesc){.name = name, .columnid = i + 1, .typid = 25, .typlen = -1};
    }
    if (reply->columns > 0) {
        RV_ASSERT(PQsetResultAttrs(result, reply->columns, columns) == 1);
    }
    for (int i = 0; i < reply->cell_count; i++) {
        const struct base_value *cell = &reply->cells[i];
        RV_ASSERT(PQsetvalue(result, i / reply->columns, i % reply->columns,
                             (char *)(uintptr_t)cell->bytes, cell->length) == 1);
    }
    return result;
}

static enum rv_code code_of_state(const char *state)
{
    return strcmp(state, "23505") == 0 ? RV_CONFLICT : RV_INVALID; /* as pq.c for these two */
}

static void give(struct rv_link *link, const struct base_message *message,
                 const struct base_reply *reply)
{
    if (reply->failed && reply->state[0] != '\0') {
        struct rv_error err = {.code = RV_OK};
        enum rv_code code = code_of_state(reply->state);
        rv_fail(&err, code, "database: %s", reply->message);
        rv_detail(&err, "statement=%s sqlstate=%s%s%s", message->statement->name, reply->state,
                  reply->constraint[0] != '\0' ? " constraint=" : "", reply->constraint);
        link->events.failed(link->data, message->tag, code, reply->state, &err);
    } else if (!reply->failed && message->tag >= 0) {
        PGresult *pg = make_result(reply);
        struct rv_result result = {pg};
        link->events.result(link->data, message->tag, &result);
        PQclear(pg);
    }
}

static void free_piece(struct piece *piece)
{
    for (int i = 0; i < piece->count; i++) {
        base_message_free(piece->messages[i]);
        base_reply_fini(&piece->replies[i]);
    }
    rv_free(piece->messages);
    rv_free(piece->replies);
    rv_free(piece);
}

static void process_piece(void *data)
{
    struct piece *piece = data;
    struct wire *wire = piece->wire;
    struct rv_link *link = wire->link;
    if (link == NULL || link->wire != wire || link->state != LINK_UP) {
        return;
    }
    link->processing = true;
    for (int i = 0; i < piece->count && !link->doomed && link->state == LINK_UP; i++) {
        give(link, piece->messages[i], &piece->replies[i]);
    }
    if (piece->sync && !link->doomed && link->state == LINK_UP) {
        link->events.synced(link->data);
    }
    link->processing = false;
    free_piece(piece);
    if (link->doomed && link->state == LINK_UP) {
        struct rv_error doom = link->doom;
        lost(link, &doom);
    }
}
