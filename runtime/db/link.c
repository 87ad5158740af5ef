/* link.c -- libpq on the loop; see link.h.
 *
 * Rules of libpq that this file obeys (each was paid for by somebody):
 *  - PQsocket may change while connecting: the poll is made anew when it does;
 *  - libuv reports EPOLLERR as an error and stops polling: that is a lost connection, not a wait;
 *  - never PQgetResult while PQisBusy: it would block;
 *  - in pipeline mode NULL ends one statement's results, a second NULL in a row means "no more
 * yet";
 *  - PQflush may return 1: ask for writability and keep reading, or both sides stop for ever;
 *  - the poll handle is closed before PQfinish closes the descriptor.
 * A send that fails dooms the link; the loss is told from the loop, never inside the caller's call.
 */
#include "runtime/db/link.h"

#include "db_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"

#include <string.h>

enum {
    LINK_BACKOFF_MIN_MS = 10,
    LINK_BACKOFF_MAX_MS = 1000, /* a server that comes back is noticed within a second */
    LINK_CONNECT_MS = 10000
};

enum link_state { LINK_DOWN, LINK_CONNECTING, LINK_SETUP, LINK_UP, LINK_CLOSED };

enum expect_kind {
    EXPECT_PREPARE,
    EXPECT_STATEMENT,
    EXPECT_FLUSH_SYNC, /* the transaction goes on */
    EXPECT_SYNC,
    EXPECT_ROLLBACK_SYNC
};

struct expect {
    enum expect_kind kind;
    int tag;
    const char *name;
};

struct rv_link {
    struct rv_loop *loop;
    char *uri;
    struct rv_link_events events;
    void *data;
    enum link_state state;
    struct rv_pq pq;
    struct rv_poll *poll;
    int poll_fd;
    int poll_events;        /* what it is asked for now */
    struct rv_timer *timer; /* back-off, or the limit of connecting */
    int64_t backoff_ms;
    struct expect *expects; /* ring of what will come */
    int expect_first, expect_count, expect_capacity;
    bool answered;   /* the head statement has had its result */
    bool processing; /* inside process(): a kill waits until it returns */
    bool doomed;
    struct rv_error doom;
    void (*closed)(void *data);
    void *closed_data;
};

static void connect_start(struct rv_link *link);
static void connect_step(struct rv_link *link);
static void on_ready(void *data, int events);
static void on_timer(void *data);
static void process(struct rv_link *link);

/* ---- expectations ---- */

static void expect_push(struct rv_link *link, enum expect_kind kind, int tag, const char *name)
{
    if (link->expect_count == link->expect_capacity) {
        int capacity = link->expect_capacity == 0 ? 64 : link->expect_capacity * 2;
        struct expect *ring = rv_alloc_array((size_t)capacity, sizeof *ring);
        for (int i = 0; i < link->expect_count; i++) {
            ring[i] = link->expects[(link->expect_first + i) % link->expect_capacity];
        }
        rv_free(link->expects);
        link->expects = ring;
        link->expect_first = 0;
        link->expect_capacity = capacity;
    }
    link->expects[(link->expect_first + link->expect_count++) % link->expect_capacity] =
        (struct expect){kind, tag, name};
}

static struct expect *expect_head(struct rv_link *link)
{
    return link->expect_count == 0 ? NULL : &link->expects[link->expect_first];
}

static void expect_pop(struct rv_link *link)
{
    link->expect_first = (link->expect_first + 1) % link->expect_capacity;
    link->expect_count--;
    link->answered = false;
}

/* ---- lifecycle ---- */

struct rv_link *rv_link_create(struct rv_loop *loop, const char *uri,
                               const struct rv_link_events *events, void *data)
{
    struct rv_link *link = rv_alloc(sizeof *link);
    link->loop = loop;
    link->uri = rv_strdup(uri);
    link->events = *events;
    link->data = data;
    link->poll_fd = -1;
    link->backoff_ms = LINK_BACKOFF_MIN_MS;
    link->timer = rv_timer_create(loop, on_timer, link);
    rv_timer_start(link->timer, 0);
    return link;
}

static void finish_conn(void *conn)
{
    PQfinish(conn);
}

/* Closes poll and connection; the link itself stays. */
static void drop(struct rv_link *link)
{
    PGconn *conn = link->pq.conn;
    link->pq = (struct rv_pq){.conn = NULL};
    link->expect_first = 0;
    link->expect_count = 0;
    link->answered = false;
    if (link->poll != NULL) {
        rv_poll_stop(link->poll);
        rv_poll_close(link->poll, finish_conn, conn);
        link->poll = NULL;
    } else if (conn != NULL) {
        PQfinish(conn);
    }
    link->poll_fd = -1;
}

static void free_link(void *data)
{
    struct rv_link *link = data;
    if (link->closed != NULL) {
        link->closed(link->closed_data);
    }
    rv_free(link->expects);
    rv_free(link->uri);
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

/* The connection is gone: tell once, try again after a pause with jitter. */
static void lost(struct rv_link *link, const struct rv_error *err)
{
    if (link->processing) {
        link->doomed = true; /* unwinding first: the end of process() finishes the job */
        link->doom = *err;
        return;
    }
    bool was_up = link->state == LINK_UP;
    struct rv_error why = *err;
    drop(link);
    link->doomed = false;
    rv_error_clear(&link->doom);
    link->state = LINK_DOWN;
    struct rv_random random = {(uint64_t)rv_mono_us(rv_loop_clock(link->loop))};
    int64_t jitter = (int64_t)rv_random_below(&random, (uint64_t)link->backoff_ms / 2 + 1);
    rv_timer_start(link->timer, link->backoff_ms + jitter);
    link->backoff_ms =
        link->backoff_ms * 2 > LINK_BACKOFF_MAX_MS ? LINK_BACKOFF_MAX_MS : link->backoff_ms * 2;
    if (was_up) {
        rv_log(RV_LOG_WARN, "db", "DB-LOST", "%s detail=\"%s\"", why.message, why.detail);
    }
    link->events.down(link->data, &why);
}

static void lost_here(struct rv_link *link)
{
    struct rv_error err = {.code = RV_OK};
    rv_pq_lost(link->pq.conn, &err);
    lost(link, &err);
}

/* Inside somebody's call: the timer tells it right after. */
static void doom_later(struct rv_link *link)
{
    if (!link->doomed) {
        link->doomed = true;
        rv_pq_lost(link->pq.conn, &link->doom);
        rv_timer_start(link->timer, 0);
    }
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

/* ---- connecting ---- */

static void on_timer(void *data)
{
    struct rv_link *link = data;
    if (link->state == LINK_DOWN) {
        connect_start(link);
    } else if (link->state == LINK_UP && link->doomed) {
        struct rv_error doom = link->doom;
        lost(link, &doom);
    } else if (link->state == LINK_CONNECTING || link->state == LINK_SETUP) {
        rv_link_kill(link, "connecting took too long");
    }
}

static void connect_start(struct rv_link *link)
{
    link->state = LINK_CONNECTING;
    link->pq.conn = rv_pq_connect(link->uri, false);
    RV_ASSERT(link->pq.conn != NULL);
    if (PQstatus(link->pq.conn) == CONNECTION_BAD) {
        lost_here(link);
        return;
    }
    rv_timer_start(link->timer, LINK_CONNECT_MS);
    connect_step(link);
}

static void watch(struct rv_link *link, int events)
{
    int fd = PQsocket(link->pq.conn);
    if (link->poll == NULL || fd != link->poll_fd) {
        if (link->poll != NULL) {
            rv_poll_stop(link->poll);
            rv_poll_close(link->poll, NULL, NULL);
        }
        link->poll = rv_poll_create(link->loop, fd, on_ready, link);
        link->poll_fd = fd;
        link->poll_events = 0;
    }
    if (events != link->poll_events) {
        rv_poll_start(link->poll, events);
        link->poll_events = events;
    }
}

static void setup_start(struct rv_link *link)
{
    link->state = LINK_SETUP;
    if (PQsetnonblocking(link->pq.conn, 1) != 0 ||
        PQsendQuery(link->pq.conn, rv_sql_db_setup.text) != 1) {
        lost_here(link);
        return;
    }
    watch(link, PQflush(link->pq.conn) == 1 ? RV_READABLE | RV_WRITABLE : RV_READABLE);
}

static void connect_step(struct rv_link *link)
{
    switch (PQconnectPoll(link->pq.conn)) {
    case PGRES_POLLING_READING: watch(link, RV_READABLE); break;
    case PGRES_POLLING_WRITING: watch(link, RV_WRITABLE); break;
    case PGRES_POLLING_OK: setup_start(link); break;
    default: lost_here(link); break;
    }
}

static void setup_step(struct rv_link *link)
{
    PGconn *conn = link->pq.conn;
    int flushed = PQflush(conn);
    if (flushed < 0 || PQconsumeInput(conn) != 1) {
        lost_here(link);
        return;
    }
    watch(link, flushed == 1 ? RV_READABLE | RV_WRITABLE : RV_READABLE);
    while (!PQisBusy(conn)) {
        PGresult *result = PQgetResult(conn);
        if (result == NULL) {
            if (PQenterPipelineMode(conn) != 1) {
                lost_here(link);
                return;
            }
            link->state = LINK_UP;
            link->backoff_ms = LINK_BACKOFF_MIN_MS;
            rv_timer_stop(link->timer);
            link->events.up(link->data);
            return;
        }
        bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
        struct rv_error err = {.code = RV_OK};
        if (!ok) {
            rv_pq_error(result, "setup", &err);
        }
        PQclear(result);
        if (!ok) {
            lost(link, &err);
            return;
        }
    }
}

static void on_ready(void *data, int events)
{
    struct rv_link *link = data;
    if ((events & RV_POLL_ERROR) != 0 && link->state != LINK_CONNECTING) {
        lost_here(link);
        return;
    }
    switch (link->state) {
    case LINK_CONNECTING: connect_step(link); break;
    case LINK_SETUP: setup_step(link); break;
    case LINK_UP:
        if ((events & RV_READABLE) != 0 && PQconsumeInput(link->pq.conn) != 1) {
            lost_here(link);
            return;
        }
        process(link);
        break;
    case LINK_DOWN:
    case LINK_CLOSED: break;
    }
}

/* ---- results ---- */

static void report(struct rv_link *link, const struct expect *expect, PGresult *pg)
{
    ExecStatusType status = PQresultStatus(pg);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
        if (expect->kind == EXPECT_STATEMENT && expect->tag >= 0) {
            struct rv_result result = {pg};
            link->events.result(link->data, expect->tag, &result);
        }
        return;
    }
    if (status == PGRES_PIPELINE_ABORTED) {
        return; /* the statement before it has told why */
    }
    struct rv_error err = {.code = RV_OK};
    enum rv_code code = rv_pq_error(pg, expect->name, &err);
    const char *state = PQresultErrorField(pg, PG_DIAG_SQLSTATE);
    if (state != NULL && strcmp(state, "25P02") == 0) {
        return; /* the same, after a flush: the transaction has failed already */
    }
    link->events.failed(link->data, expect->kind == EXPECT_STATEMENT ? expect->tag : -1, code,
                        state != NULL ? state : "", &err);
}

static void take_sync(struct rv_link *link)
{
    struct expect expect = *expect_head(link);
    expect_pop(link);
    if (expect.kind == EXPECT_FLUSH_SYNC) {
        return;
    }
    if (expect.kind == EXPECT_SYNC && PQtransactionStatus(link->pq.conn) == PQTRANS_INERROR) {
        int prepares = 0;
        if (!rv_pq_send(&link->pq, &rv_sql_db_rollback, NULL, &prepares)) {
            lost_here(link); /* inside process(): dooms */
            return;
        }
        if (prepares > 0) {
            expect_push(link, EXPECT_PREPARE, -1, rv_sql_db_rollback.name);
        }
        expect_push(link, EXPECT_STATEMENT, -1, rv_sql_db_rollback.name);
        expect_push(link, EXPECT_ROLLBACK_SYNC, -1, "sync");
        PQpipelineSync(link->pq.conn);
        return;
    }
    link->events.synced(link->data);
}

static void take_notes(struct rv_link *link)
{
    PGnotify *note;
    while (!link->doomed && link->state == LINK_UP && (note = PQnotifies(link->pq.conn)) != NULL) {
        if (link->events.notified != NULL) {
            link->events.notified(link->data, note->relname, note->extra);
        }
        PQfreemem(note);
    }
}

static void process(struct rv_link *link)
{
    PGconn *conn = link->pq.conn;
    link->processing = true;
    bool ended = false; /* NULL after NULL: nothing more yet */
    while (!link->doomed && link->state == LINK_UP && link->expect_count > 0 && !PQisBusy(conn)) {
        PGresult *pg = PQgetResult(conn);
        if (pg == NULL) {
            if (link->answered) {
                expect_pop(link);
                ended = false;
            } else if (ended) {
                break;
            } else {
                ended = true;
            }
            continue;
        }
        ended = false;
        if (link->answered) {
            expect_pop(
                link); /* a sync sent after a failure swallows the NULL between two results */
        }
        struct expect *expect = expect_head(link);
        if (PQresultStatus(pg) == PGRES_PIPELINE_SYNC) {
            RV_ASSERT(expect->kind >= EXPECT_FLUSH_SYNC);
            PQclear(pg);
            take_sync(link);
            continue;
        }
        if (expect->kind == EXPECT_PREPARE && PQresultStatus(pg) != PGRES_COMMAND_OK) {
            rv_pq_forget(&link->pq, expect->name); /* failed, or skipped after a failure */
        }
        struct expect copy = *expect;
        link->answered = true;
        report(link, &copy, pg);
        PQclear(pg);
    }
    take_notes(link);
    link->processing = false;
    if (link->doomed && link->state == LINK_UP) {
        struct rv_error doom = link->doom;
        lost(link, &doom);
        return;
    }
    if (link->state != LINK_UP) {
        return;
    }
    if (PQstatus(conn) == CONNECTION_BAD) {
        lost_here(link);
        return;
    }
    int flushed = PQflush(conn);
    if (flushed < 0) {
        lost_here(link);
        return;
    }
    watch(link, flushed == 1 ? RV_READABLE | RV_WRITABLE : RV_READABLE);
}

/* ---- sending ---- */

static void push_out(struct rv_link *link)
{
    if (link->processing) {
        return; /* process() flushes when it is done */
    }
    int flushed = PQflush(link->pq.conn);
    if (flushed < 0) {
        doom_later(link);
        return;
    }
    watch(link, flushed == 1 ? RV_READABLE | RV_WRITABLE : RV_READABLE);
}

void rv_link_send(struct rv_link *link, const struct rv_statement *statement, struct rv_args *args,
                  int tag)
{
    if (!rv_link_is_up(link)) {
        return;
    }
    int prepares = 0;
    bool sent = rv_pq_send(&link->pq, statement, args, &prepares);
    if (prepares > 0) {
        expect_push(link, EXPECT_PREPARE, -1, statement->name);
    }
    if (!sent) {
        doom_later(link);
        return;
    }
    expect_push(link, EXPECT_STATEMENT, tag, statement->name);
}

void rv_link_flush(struct rv_link *link)
{
    if (rv_link_is_up(link)) {
        expect_push(link, EXPECT_FLUSH_SYNC, -1, "flush");
        PQpipelineSync(link->pq.conn);
        push_out(link);
    }
}

void rv_link_sync(struct rv_link *link)
{
    if (rv_link_is_up(link)) {
        expect_push(link, EXPECT_SYNC, -1, "sync");
        PQpipelineSync(link->pq.conn);
        push_out(link);
    }
}
