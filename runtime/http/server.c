/* server.c -- connections: from accepted sockets to complete requests, and their deadlines.
 *
 * A connection's memory goes in the loop's close callback, so that closing inside any callback is
 * safe; rv_connection_close detaches a pending exchange first, which then owns its request.
 */
#include "runtime/http/server.h"

#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/http/answer.h"
#include "runtime/http/connection.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    TURNED_AWAY_SAID_US = 10000000, /* between two lines of the log */
    PLAIN_MAX = 512 * 1024,         /* pending bytes: PENDING_MAX plus a few reads */
    WIRE_MAX = 64 << 20             /* one answer in encrypted form */
};

static const char *const state_names[] = {"idle",   "head",   "body",  "handling",
                                          "stream", "linger", "closed"};
static const uint32_t state_moves[] = {
    [CONNECTION_IDLE] = RV_TO(CONNECTION_HEAD) | RV_TO(CONNECTION_BODY) |
                        RV_TO(CONNECTION_HANDLING) | RV_TO(CONNECTION_LINGER) |
                        RV_TO(CONNECTION_CLOSED),
    [CONNECTION_HEAD] = RV_TO(CONNECTION_BODY) | RV_TO(CONNECTION_HANDLING) |
                        RV_TO(CONNECTION_LINGER) | RV_TO(CONNECTION_CLOSED),
    [CONNECTION_BODY] =
        RV_TO(CONNECTION_HANDLING) | RV_TO(CONNECTION_LINGER) | RV_TO(CONNECTION_CLOSED),
    [CONNECTION_HANDLING] = RV_TO(CONNECTION_IDLE) | RV_TO(CONNECTION_STREAM) |
                            RV_TO(CONNECTION_LINGER) | RV_TO(CONNECTION_CLOSED),
    [CONNECTION_STREAM] = RV_TO(CONNECTION_LINGER) | RV_TO(CONNECTION_CLOSED),
    [CONNECTION_LINGER] = RV_TO(CONNECTION_CLOSED),
    [CONNECTION_CLOSED] = 0,
};
static const struct rv_state_table states = {"connection", state_names, state_moves,
                                             CONNECTION_CLOSED + 1};

static void pump(struct rv_connection *connection);
static void on_read(void *data, const char *bytes, size_t length);

static int64_t now_us(const struct rv_http_server *server)
{
    return rv_mono_us(rv_loop_clock(server->options.loop));
}

void rv_connection_move(struct rv_connection *connection, int state)
{
    const struct rv_http_limits *limits = &connection->server->options.limits;
    const int allowed_ms[] = {
        [CONNECTION_IDLE] = limits->idle_ms,
        [CONNECTION_HEAD] = limits->head_ms,
        [CONNECTION_BODY] = limits->body_ms,
        [CONNECTION_HANDLING] = 0,
        [CONNECTION_STREAM] = 0,
        [CONNECTION_LINGER] = RV_HTTP_LINGER_MS,
        [CONNECTION_CLOSED] = 0,
    };
    rv_state_move(&states, &connection->state, state);
    connection->deadline_us = allowed_ms[state] == 0
                                  ? INT64_MAX
                                  : now_us(connection->server) + allowed_ms[state] * INT64_C(1000);
}

/* ---- sending ---- */

static void send_wire(struct rv_connection *connection, struct rv_buf *wire)
{
    if (wire->length > 0 && !wire->overflowed) {
        size_t length = wire->length;
        rv_tcp_write(connection->tcp, rv_buf_take(wire), length);
    }
}

void rv_connection_send(struct rv_connection *connection, const void *bytes, size_t length)
{
    struct rv_buf wire;
    rv_buf_init(&wire, WIRE_MAX);
    if (connection->tls != NULL) {
        rv_tls_send(connection->tls, bytes, length, &wire);
    } else {
        rv_buf_add(&wire, bytes, length);
    }
    send_wire(connection, &wire);
    rv_buf_fini(&wire);
}

/* ---- ending ---- */

void rv_http_server_release(struct rv_http_server *server)
{
    if (!server->closing || server->connection_count > 0 || server->exchange_count > 0) {
        return;
    }
    rv_tls_server_destroy(server->tls);
    void (*closed)(void *data) = server->closed;
    void *data = server->closed_data;
    rv_free(server);
    if (closed != NULL) {
        closed(data);
    }
}

static void on_closed(void *data)
{
    struct rv_connection *connection = data;
    struct rv_http_server *server = connection->server;
    rv_tls_destroy(connection->tls);
    rv_http_parser_destroy(connection->parser);
    rv_buf_fini(&connection->pending);
    server->turned_away_count -= connection->turned_away;
    rv_free(connection);
    server->connection_count--;
    rv_http_server_release(server);
}

void rv_connection_close(struct rv_connection *connection)
{
    if (connection->state == CONNECTION_CLOSED) {
        return;
    }
    struct rv_http_server *server = connection->server;
    rv_connection_move(connection, CONNECTION_CLOSED);
    if (connection->previous != NULL) {
        connection->previous->next = connection->next;
    } else {
        server->connections = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    struct rv_http_stream *stream = connection->stream;
    connection->stream = NULL;
    if (connection->exchange != NULL) {
        rv_exchange_detach(connection->exchange);
    }
    rv_tcp_close(connection->tcp, on_closed, connection);
    if (stream != NULL) {
        void (*closed)(void *data) = stream->closed;
        void *data = stream->data;
        rv_free(stream);
        closed(data);
    }
}

static void linger(struct rv_connection *connection)
{
    if (connection->tls != NULL) {
        struct rv_buf wire;
        rv_buf_init(&wire, WIRE_MAX);
        rv_tls_finish(connection->tls, &wire);
        send_wire(connection, &wire);
        rv_buf_fini(&wire);
    }
    rv_tcp_shutdown(connection->tcp);
    rv_connection_move(connection, CONNECTION_LINGER);
    rv_buf_reset(&connection->pending);
    if (connection->paused) {
        connection->paused = false;
        rv_tcp_read_start(connection->tcp, on_read, connection);
    }
}

void rv_connection_next(struct rv_connection *connection, bool keep_alive)
{
    connection->exchange = NULL;
    if (!keep_alive || connection->body_unread || connection->peer_ended ||
        connection->server->closing) {
        linger(connection);
        return;
    }
    rv_http_parser_reset(connection->parser);
    rv_connection_move(connection, CONNECTION_IDLE);
    if (connection->paused) {
        connection->paused = false;
        rv_tcp_read_start(connection->tcp, on_read, connection);
    }
    pump(connection);
}

static void refuse_as(struct rv_exchange *exchange, int status, const char *code, const char *title,
                      const char *hint)
{
    const struct rv_http_options *options = &exchange->server->options;
    if (options->refuse != NULL) {
        options->refuse(options->data, exchange, status, code, title, hint);
    } else {
        rv_exchange_refuse(exchange, status, code, title, hint);
    }
}

/* A request that cannot be read: its framing is lost, so the connection ends with the answer. */
static void refuse(struct rv_connection *connection)
{
    int status = rv_http_parser_status(connection->parser);
    connection->body_unread = true;
    if (connection->exchange == NULL) {
        rv_exchange_create(connection);
    } else if (connection->exchange->parts) {
        rv_exchange_break_body(connection->exchange, status,
                               rv_http_parser_why(connection->parser));
        return;
    }
    refuse_as(connection->exchange, status, "invalid", rv_http_parser_why(connection->parser),
              status == 413
                  ? "Large contents go to POST /v1/blobs, 64 MiB each; send their handles instead."
                  : NULL);
}

/* ---- reading ---- */

/* The first request of a connection that was one too many. */
static void turn_away(struct rv_connection *connection)
{
    char seconds[16];
    snprintf(seconds, sizeof seconds, "%d", RV_HTTP_RETRY_AFTER_S);
    connection->body_unread = true; /* whatever there is: it ends with the answer */
    rv_exchange_field(connection->exchange, "Retry-After", seconds);
    refuse_as(connection->exchange, 503, "unavailable",
              "there are too many connections, from this address or at all",
              "Keep connections open and use them again, or come later.");
}

/* Returns whether the exchange is still open after asking the layer above. */
static bool admit(struct rv_connection *connection, size_t *body_max)
{
    struct rv_http_server *server = connection->server;
    struct rv_exchange *exchange = rv_exchange_create(connection);
    bool answered = false;
    if (connection->turned_away) {
        turn_away(connection);
        return false;
    }
    exchange->answered = &answered;
    server->options.admit(server->options.data, exchange, body_max);
    if (!answered) {
        exchange->answered = NULL;
    }
    return !answered;
}

static void handle(struct rv_connection *connection)
{
    struct rv_http_server *server = connection->server;
    struct rv_exchange *exchange = connection->exchange;
    bool answered = false;
    connection->body_unread = false;
    if (connection->state != CONNECTION_HANDLING) {
        rv_connection_move(connection, CONNECTION_HANDLING);
    }
    exchange->answered = &answered;
    server->options.handle(server->options.data, exchange);
    if (!answered) {
        exchange->answered = NULL;
    }
}

static void go_on(struct rv_connection *connection)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (rv_http_parser_request(connection->parser)->expects_continue) {
        rv_connection_send(connection, line, sizeof line - 1);
    }
}

/* The handler is asked before the body comes, and says when it wants a part of it. */
static void begin_parts(struct rv_connection *connection, size_t body_max)
{
    struct rv_http_server *server = connection->server;
    struct rv_exchange *exchange = connection->exchange;
    if (rv_http_parser_stream_body(connection->parser, body_max) == RV_HTTP_REFUSED) {
        refuse(connection);
        return;
    }
    exchange->parts = true;
    rv_connection_move(connection, CONNECTION_BODY);
    connection->deadline_us = INT64_MAX; /* nobody waits for the client yet */
    bool answered = false;
    exchange->answered = &answered;
    server->options.handle(server->options.data, exchange);
    if (!answered) {
        exchange->answered = NULL;
    }
}

/* Gives a part to who waits for it, when there is one.  The reader may answer, or ask again. */
static bool offer_part(struct rv_connection *connection)
{
    struct rv_exchange *exchange = connection->exchange;
    if (exchange == NULL || exchange->read == NULL) {
        return false;
    }
    const struct rv_buf *body = &rv_http_parser_request(connection->parser)->body;
    bool last = exchange->body_complete && body->length <= RV_HTTP_PART_BYTES;
    if (!last && body->length < RV_HTTP_PART_BYTES) {
        return false;
    }
    size_t length = last ? body->length : RV_HTTP_PART_BYTES;
    char *bytes = rv_alloc(length + 1);
    memcpy(bytes, body->data, length);
    rv_http_parser_take_body(connection->parser, length);
    rv_http_part_read read = exchange->read;
    exchange->read = NULL;
    connection->deadline_us = INT64_MAX;
    read(exchange->read_data, last ? RV_HTTP_PART_LAST : RV_HTTP_PART, bytes, length);
    rv_free(bytes);
    return true;
}

void rv_connection_read_part(struct rv_connection *connection)
{
    struct rv_http_server *server = connection->server;
    if (connection->body_unread && !connection->exchange->asked) {
        connection->exchange->asked = true;
        go_on(connection);
    }
    if (connection->body_unread) {
        connection->deadline_us = now_us(server) + server->options.limits.body_ms * INT64_C(1000);
    }
    if (offer_part(connection)) {
        return;
    }
    pump(connection);
    if (connection->paused && connection->state == CONNECTION_BODY &&
        connection->pending.length <= RV_HTTP_PENDING_MAX) {
        connection->paused = false;
        rv_tcp_read_start(connection->tcp, on_read, connection);
    }
    if (connection->peer_ended && connection->state == CONNECTION_BODY &&
        connection->exchange->read != NULL) {
        rv_connection_close(connection); /* all that came is read, and it is not all */
    }
}

static void begin_body(struct rv_connection *connection)
{
    size_t body_max = 0;
    connection->body_unread = true;
    if (!admit(connection, &body_max)) {
        return;
    }
    if (body_max > RV_HTTP_BODY_MAX) {
        begin_parts(connection, body_max);
        return;
    }
    if (rv_http_parser_allow_body(connection->parser, body_max) == RV_HTTP_REFUSED) {
        refuse(connection);
        return;
    }
    rv_connection_move(connection, CONNECTION_BODY);
    go_on(connection);
}

static void complete(struct rv_connection *connection)
{
    if (connection->exchange != NULL && connection->exchange->parts) {
        connection->body_unread = false;
        connection->exchange->body_complete = true;
        rv_connection_move(connection, CONNECTION_HANDLING);
        offer_part(connection);
        return;
    }
    if (connection->exchange == NULL) { /* no body: admitted only now */
        size_t body_max = 0;
        rv_connection_move(connection, CONNECTION_HANDLING);
        if (!admit(connection, &body_max)) {
            return;
        }
    }
    handle(connection);
}

static bool may_parse(const struct rv_connection *connection)
{
    const struct rv_exchange *exchange = connection->exchange;
    if (exchange != NULL && exchange->parts && exchange->read == NULL) {
        return false; /* whoever handles it has enough */
    }
    return connection->state == CONNECTION_IDLE || connection->state == CONNECTION_HEAD ||
           connection->state == CONNECTION_BODY;
}

/* Parses what is pending until a handler has a request or the bytes are used up.  A handler that
 * answers at once comes back here through rv_connection_next; the flag keeps that flat. */
static void pump(struct rv_connection *connection)
{
    if (connection->pumping) {
        return;
    }
    connection->pumping = true;
    while (may_parse(connection) && connection->pending.length > 0) {
        size_t used = 0;
        enum rv_http_progress progress = rv_http_parser_feed(
            connection->parser, connection->pending.data, connection->pending.length, &used);
        rv_buf_consume(&connection->pending, used);
        switch (progress) {
        case RV_HTTP_MORE:
            if (connection->state == CONNECTION_IDLE &&
                rv_http_parser_started(connection->parser)) {
                rv_connection_move(connection, CONNECTION_HEAD);
            }
            offer_part(connection);
            break;
        case RV_HTTP_HEAD: begin_body(connection); break;
        case RV_HTTP_COMPLETE: complete(connection); break;
        case RV_HTTP_REFUSED: refuse(connection); break;
        default: RV_UNREACHABLE("unknown progress");
        }
    }
    connection->pumping = false;
}

static void on_end(struct rv_connection *connection)
{
    bool sending = rv_tcp_queued(connection->tcp) > 0;
    connection->peer_ended = true;
    bool held = connection->state == CONNECTION_BODY && connection->exchange->parts &&
                connection->exchange->read == NULL; /* what came before is still being stored */
    bool broken = rv_tcp_is_broken(connection->tcp);
    if (!broken && (held || connection->state == CONNECTION_HANDLING ||
                    (connection->state == CONNECTION_LINGER && sending))) {
        return; /* a client may end its side and still read the answer */
    }
    if (!broken && connection->state == CONNECTION_IDLE && sending) {
        linger(connection);
        return;
    }
    rv_connection_close(connection);
}

static bool decrypt(struct rv_connection *connection, const char *bytes, size_t length)
{
    struct rv_buf wire;
    rv_buf_init(&wire, WIRE_MAX);
    enum rv_code code = rv_tls_receive(connection->tls, bytes, length, &connection->pending, &wire);
    send_wire(connection, &wire);
    rv_buf_fini(&wire);
    return code == RV_OK;
}

static void on_read(void *data, const char *bytes, size_t length)
{
    struct rv_connection *connection = data;
    if (bytes == NULL) {
        on_end(connection);
        return;
    }
    if (connection->state == CONNECTION_LINGER) {
        return; /* read and dropped, so that the answer is not lost to a reset */
    }
    bool intact = true;
    if (connection->tls != NULL) {
        intact = decrypt(connection, bytes, length);
    } else {
        rv_buf_add(&connection->pending, bytes, length);
    }
    pump(connection);
    if (connection->state == CONNECTION_CLOSED) {
        return;
    }
    if (!intact) {
        rv_tcp_read_stop(connection->tcp);
        on_end(connection);
        return;
    }
    if (connection->state == CONNECTION_STREAM) {
        rv_buf_reset(&connection->pending); /* nothing can follow a stream */
    } else if (connection->pending.length > RV_HTTP_PENDING_MAX && !connection->paused) {
        connection->paused = true;
        rv_tcp_read_stop(connection->tcp);
    }
}

/* ---- deadlines ---- */

static void on_deadline(struct rv_connection *connection)
{
    if (connection->state == CONNECTION_BODY && connection->exchange->parts) {
        rv_exchange_break_body(connection->exchange, 408, "the body did not arrive in time");
        return;
    }
    if (connection->state == CONNECTION_BODY) { /* the client is there, only slow: say so */
        refuse_as(connection->exchange, 408, "timeout", "the body did not arrive in time", NULL);
        return;
    }
    rv_connection_close(connection);
}

static void check(struct rv_connection *connection, int64_t now)
{
    size_t queued = rv_tcp_queued(connection->tcp);
    bool progress = queued < connection->queued_before;
    connection->queued_before = queued;
    if (connection->stream != NULL && connection->stream->cut) {
        rv_connection_close(connection);
        return;
    }
    if (connection->state == CONNECTION_LINGER && connection->peer_ended && queued == 0) {
        rv_connection_close(connection);
        return;
    }
    bool reading = connection->state == CONNECTION_IDLE || connection->state == CONNECTION_LINGER;
    if (reading && queued > 0 && progress) {
        connection->deadline_us = now + connection->server->options.limits.idle_ms * INT64_C(1000);
    }
    if (now >= connection->deadline_us) {
        on_deadline(connection);
    }
}

static void on_sweep(void *data)
{
    struct rv_http_server *server = data;
    int64_t now = now_us(server);
    struct rv_connection *next = NULL;
    for (struct rv_connection *one = server->connections; one != NULL; one = next) {
        next = one->next; /* closing frees later, in the loop */
        check(one, now);
    }
    rv_timer_start(server->sweep, RV_HTTP_SWEEP_MS);
}

/* ---- accepting ---- */

static bool has_room(const struct rv_http_server *server, const char *peer)
{
    int same = 0;
    if (server->connection_count - server->turned_away_count >=
        server->options.limits.connections) {
        return false;
    }
    for (const struct rv_connection *one = server->connections; one != NULL; one = one->next) {
        same += !one->turned_away && strcmp(rv_tcp_peer(one->tcp), peer) == 0;
    }
    return same < server->options.limits.per_address;
}

/* At most a line every ten seconds, whoever knocks how often. */
static void say_full(struct rv_http_server *server, const char *peer)
{
    int64_t now = now_us(server);
    server->turned_away_total++;
    server->turned_away_unsaid++;
    if (server->turned_away_said_us == 0 ||
        now - server->turned_away_said_us >= TURNED_AWAY_SAID_US) {
        rv_log(RV_LOG_WARN, "http", "HTTP-FULL",
               "too many connections address=%s open=%d turned_away=%" PRId64, peer,
               server->connection_count, server->turned_away_unsaid);
        server->turned_away_said_us = now;
        server->turned_away_unsaid = 0;
    }
}

static void on_accepted(void *data, struct rv_tcp *tcp)
{
    struct rv_http_server *server = data;
    bool room = has_room(server, rv_tcp_peer(tcp));
    if (!room) {
        say_full(server, rv_tcp_peer(tcp));
    }
    if (!room && server->turned_away_count >= RV_HTTP_TURNED_AWAY_MAX) {
        rv_tcp_close(tcp, NULL, NULL);
        return;
    }
    struct rv_connection *connection = rv_alloc(sizeof *connection);
    const struct rv_http_limits *limits = &server->options.limits;
    connection->server = server;
    connection->tcp = tcp;
    connection->turned_away = !room;
    server->turned_away_count += !room;
    connection->parser = rv_http_parser_create();
    rv_buf_init(&connection->pending, PLAIN_MAX);
    if (server->tls != NULL) {
        connection->tls = rv_tls_create(server->tls);
    }
    connection->deadline_us =
        now_us(server) + (room ? limits->idle_ms : limits->head_ms) * INT64_C(1000);
    connection->next = server->connections;
    if (connection->next != NULL) {
        connection->next->previous = connection;
    }
    server->connections = connection;
    server->connection_count++;
    rv_tcp_read_start(tcp, on_read, connection);
}

/* ---- the server ---- */

static int or_default(int value, int otherwise)
{
    return value > 0 ? value : otherwise;
}

enum rv_code rv_http_server_create(const struct rv_http_options *options,
                                   struct rv_http_server **out, struct rv_error *err)
{
    RV_ON_LOOP(options->loop);
    if ((options->certificate_file == NULL) != (options->key_file == NULL)) {
        rv_fail(err, RV_INVALID, "HTTPS needs both a certificate file and a key file");
        rv_hint(err, "Set both, or none for plain HTTP on this machine.");
        return RV_INVALID;
    }
    struct rv_http_server *server = rv_alloc(sizeof *server);
    struct rv_http_limits *limits = &server->options.limits;
    server->options = *options;
    limits->head_ms = or_default(limits->head_ms, RV_HTTP_HEAD_DEADLINE_MS);
    limits->body_ms = or_default(limits->body_ms, RV_HTTP_BODY_DEADLINE_MS);
    limits->idle_ms = or_default(limits->idle_ms, RV_HTTP_IDLE_DEADLINE_MS);
    limits->connections = or_default(limits->connections, RV_HTTP_CONNECTIONS_MAX);
    limits->per_address = or_default(limits->per_address, RV_HTTP_CONNECTIONS_PER_ADDRESS);
    enum rv_code code = RV_OK;
    if (options->certificate_file != NULL) {
        code =
            rv_tls_server_create(options->certificate_file, options->key_file, &server->tls, err);
    }
    if (code == RV_OK) {
        code = rv_listener_open(options->loop,
                                options->address != NULL ? options->address : "127.0.0.1",
                                options->port, on_accepted, server, &server->listener, err);
    }
    if (code != RV_OK) {
        rv_tls_server_destroy(server->tls);
        rv_free(server);
        return code;
    }
    server->sweep = rv_timer_create(options->loop, on_sweep, server);
    rv_timer_start(server->sweep, RV_HTTP_SWEEP_MS);
    *out = server;
    return RV_OK;
}

int rv_http_server_port(const struct rv_http_server *server)
{
    return rv_listener_port(server->listener);
}

int rv_http_server_connections(const struct rv_http_server *server)
{
    return server->connection_count;
}

int64_t rv_http_server_turned_away(const struct rv_http_server *server)
{
    return server->turned_away_total;
}

void rv_http_server_close(struct rv_http_server *server, void (*closed)(void *data), void *data)
{
    if (server == NULL) {
        if (closed != NULL) {
            closed(data);
        }
        return;
    }
    RV_ASSERT(!server->closing);
    server->closing = true;
    server->closed = closed;
    server->closed_data = data;
    rv_listener_close(server->listener);
    rv_timer_close(server->sweep);
    server->connection_count++; /* holds the server while its connections are closed */
    while (server->connections != NULL) {
        rv_connection_close(server->connections);
    }
    server->connection_count--;
    rv_http_server_release(server);
}
