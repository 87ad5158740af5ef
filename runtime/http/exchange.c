/* exchange.c -- one request, one answer: plain, JSON, problem or stream. */
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/http/answer.h"
#include "runtime/http/connection.h"

#include <stdio.h>
#include <string.h>

enum {
    FIELDS_MAX = 8 * 1024, /* extra fields of one answer: cookies, links */
    ANSWER_MAX = 64 << 20, /* head and body of one answer */
    CHUNK_HEAD_TEXT = 20   /* hexadecimal length and line break */
};

struct rv_exchange *rv_exchange_create(struct rv_connection *connection)
{
    struct rv_exchange *exchange = rv_alloc(sizeof *exchange);
    RV_ASSERT(connection->exchange == NULL);
    exchange->server = connection->server;
    exchange->connection = connection;
    exchange->parser = connection->parser;
    exchange->arena = rv_arena_create("http exchange", RV_HTTP_ARENA_MAX);
    rv_buf_init(&exchange->fields, FIELDS_MAX);
    snprintf(exchange->peer, sizeof exchange->peer, "%s", rv_tcp_peer(connection->tcp));
    connection->exchange = exchange;
    connection->server->exchange_count++;
    return exchange;
}

void rv_exchange_detach(struct rv_exchange *exchange)
{
    RV_ASSERT(exchange->connection != NULL);
    bool handled = exchange->connection->body_unread == false || exchange->parts;
    exchange->connection->parser = NULL;
    exchange->owns_parser = true;
    exchange->connection->exchange = NULL;
    exchange->connection = NULL;
    if (!handled) { /* the body never came: no handler knows this exchange, so nobody will answer */
        rv_exchange_refuse(exchange, 499, "canceled", "the client left", NULL);
    } else if (exchange->read != NULL) {
        rv_exchange_break_body(exchange, 0, NULL);
    } else if (exchange->gone != NULL) {
        exchange->gone(exchange->gone_data);
    }
}

/* ---- a body in parts ---- */

bool rv_exchange_has_parts(const struct rv_exchange *exchange)
{
    return exchange->parts;
}

void rv_exchange_break_body(struct rv_exchange *exchange, int status, const char *why)
{
    rv_http_part_read read = exchange->read;
    exchange->read = NULL;
    exchange->broken_status = status;
    exchange->broken_why = why;
    read(exchange->read_data, RV_HTTP_PART_NONE, NULL, 0);
}

void rv_exchange_read_part(struct rv_exchange *exchange, rv_http_part_read read, void *data)
{
    RV_ASSERT(exchange->parts && exchange->read == NULL);
    exchange->read = read;
    exchange->read_data = data;
    if (exchange->connection == NULL) {
        rv_exchange_break_body(exchange, 0, NULL);
    } else {
        rv_connection_read_part(exchange->connection);
    }
}

void rv_exchange_refuse_body(struct rv_exchange *exchange)
{
    if (exchange->broken_status == 0) {
        rv_exchange_refuse(exchange, 499, "canceled", "the client left", NULL);
    } else {
        rv_exchange_refuse(exchange, exchange->broken_status,
                           exchange->broken_status == 408 ? "timeout" : "invalid",
                           exchange->broken_why, NULL);
    }
}

/* Ends the exchange; returns its connection, NULL when the client is gone. */
static struct rv_connection *finish(struct rv_exchange *exchange)
{
    struct rv_connection *connection = exchange->connection;
    struct rv_http_server *server = exchange->server;
    if (exchange->answered != NULL) {
        *exchange->answered = true;
    }
    rv_arena_destroy(exchange->arena);
    rv_buf_fini(&exchange->fields);
    if (exchange->owns_parser) {
        rv_http_parser_destroy(exchange->parser);
    }
    rv_free(exchange);
    server->exchange_count--;
    if (connection == NULL) {
        rv_http_server_release(server);
    } else {
        connection->exchange = NULL;
    }
    return connection;
}

const struct rv_http_request *rv_exchange_request(const struct rv_exchange *exchange)
{
    return rv_http_parser_request(exchange->parser);
}

const char *rv_exchange_peer(const struct rv_exchange *exchange)
{
    return exchange->peer;
}

const struct rv_http_server *rv_exchange_server(const struct rv_exchange *exchange)
{
    return exchange->server;
}

bool rv_exchange_is_tls(const struct rv_exchange *exchange)
{
    return exchange->server->tls != NULL;
}

struct rv_arena *rv_exchange_arena(struct rv_exchange *exchange)
{
    return exchange->arena;
}

bool rv_exchange_gone(const struct rv_exchange *exchange)
{
    return exchange->connection == NULL;
}

void rv_exchange_when_gone(struct rv_exchange *exchange, void (*gone)(void *data), void *data)
{
    exchange->gone = gone;
    exchange->gone_data = data;
}

void rv_exchange_set_context(struct rv_exchange *exchange, void *context)
{
    exchange->context = context;
}

void *rv_exchange_context(const struct rv_exchange *exchange)
{
    return exchange->context;
}

void rv_exchange_field(struct rv_exchange *exchange, const char *name, const char *value)
{
    RV_ASSERT(strpbrk(name, "\r\n") == NULL && strpbrk(value, "\r\n") == NULL);
    rv_buf_printf(&exchange->fields, "%s: %s\r\n", name, value);
}

/* ---- whole answers ---- */

void rv_exchange_answer(struct rv_exchange *exchange, int status, const char *type,
                        const void *bytes, size_t length)
{
    struct rv_connection *connection = exchange->connection;
    const struct rv_http_request *request = rv_exchange_request(exchange);
    rv_log(RV_LOG_DEBUG, "http", "HTTP-ANSWER", "answered method=%s path=%s status=%d bytes=%zu",
           request->method != NULL ? request->method : "-",
           request->path != NULL ? request->path : "-", status, length);
    if (connection == NULL) {
        finish(exchange);
        return;
    }
    bool is_head = request->method != NULL && strcmp(request->method, "HEAD") == 0;
    bool keep_alive = request->keep_alive && !connection->body_unread && !connection->peer_ended;
    struct rv_buf answer;
    rv_buf_init(&answer, ANSWER_MAX);
    rv_http_answer_head(&answer, status, type, (int64_t)length, exchange->fields.data, keep_alive,
                        rv_exchange_is_tls(exchange));
    if (!is_head) {
        rv_buf_add(&answer, bytes, length);
    }
    RV_ASSERT(!answer.overflowed && !exchange->fields.overflowed);
    rv_connection_send(connection, answer.data, answer.length);
    rv_buf_fini(&answer);
    finish(exchange);
    rv_connection_next(connection, keep_alive);
}

void rv_exchange_json(struct rv_exchange *exchange, int status, const json_t *body)
{
    char *text = rv_json_text(body);
    rv_exchange_answer(exchange, status, "application/json", text, strlen(text));
    rv_free(text);
}

static void add_member(struct rv_buf *out, const char *name, const char *text)
{
    if (text != NULL && text[0] != '\0') {
        rv_buf_printf(out, ",\"%s\":\"", name);
        rv_buf_json_escape(out, text, strlen(text));
        rv_buf_char(out, '"');
    }
}

static void answer_problem(struct rv_exchange *exchange, int status, const char *code,
                           const char *detail, const char *facts, const char *hint,
                           const char *field, const json_t *members)
{
    struct rv_buf body;
    rv_buf_init(&body, RV_HTTP_HEAD_MAX);
    rv_buf_printf(&body, "{\"type\":\"urn:reeve:problem:%s\",\"title\":\"%s\",\"status\":%d", code,
                  rv_http_reason(status), status);
    add_member(&body, "code", code);
    add_member(&body, "detail", detail);
    add_member(&body, "facts", facts);
    add_member(&body, "hint", hint);
    add_member(&body, "field", field);
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)members, name, value)
    {
        char *text = rv_json_text(value);
        rv_buf_printf(&body, ",\"%s\":%s", name, text);
        rv_free(text);
    }
    rv_buf_char(&body, '}');
    RV_ASSERT(!body.overflowed);
    rv_exchange_answer(exchange, status, "application/problem+json", body.data, body.length);
    rv_buf_fini(&body);
}

static void problem(struct rv_exchange *exchange, int status, const struct rv_error *err,
                    const char *field, const json_t *members)
{
    RV_ASSERT(err->code != RV_OK);
    if (status >= 500) { /* our trouble: the facts are for the log, not for the client */
        rv_log_error("http", "HTTP-FAILED", err);
    }
    answer_problem(exchange, status, rv_code_name(err->code), err->message,
                   status >= 500 ? NULL : err->detail, err->hint, field, members);
}

void rv_exchange_problem(struct rv_exchange *exchange, const struct rv_error *err,
                         const char *field)
{
    problem(exchange, rv_code_http_status(err->code), err, field, NULL);
}

void rv_exchange_problem_as(struct rv_exchange *exchange, int status, const struct rv_error *err,
                            const char *field)
{
    problem(exchange, status, err, field, NULL);
}

void rv_exchange_problem_with(struct rv_exchange *exchange, const struct rv_error *err,
                              const json_t *members)
{
    problem(exchange, rv_code_http_status(err->code), err, NULL, members);
}

void rv_exchange_refuse(struct rv_exchange *exchange, int status, const char *code,
                        const char *title, const char *hint)
{
    answer_problem(exchange, status, code, title, NULL, hint, NULL, NULL);
}

/* ---- streams ---- */

struct rv_http_stream *rv_exchange_stream(struct rv_exchange *exchange, const char *type,
                                          void (*closed)(void *data), void *data)
{
    struct rv_connection *connection = exchange->connection;
    RV_ASSERT(connection != NULL && connection->state == CONNECTION_HANDLING);
    struct rv_http_stream *stream = rv_alloc(sizeof *stream);
    *stream = (struct rv_http_stream){.connection = connection, .closed = closed, .data = data};
    struct rv_buf head;
    rv_buf_init(&head, RV_HTTP_HEAD_MAX);
    rv_http_answer_head(&head, 200, type, RV_HTTP_CHUNKED, exchange->fields.data, false,
                        rv_exchange_is_tls(exchange));
    rv_connection_send(connection, head.data, head.length);
    rv_buf_fini(&head);
    finish(exchange);
    connection->stream = stream;
    rv_connection_move(connection, CONNECTION_STREAM);
    if (connection->peer_ended) {
        stream->cut = true; /* the sweep closes it */
    }
    return stream;
}

bool rv_http_stream_write(struct rv_http_stream *stream, const void *bytes, size_t length)
{
    struct rv_connection *connection = stream->connection;
    if (stream->cut || length == 0) {
        return !stream->cut;
    }
    char size[CHUNK_HEAD_TEXT];
    struct rv_buf chunk;
    rv_buf_init(&chunk, ANSWER_MAX);
    snprintf(size, sizeof size, "%zx\r\n", length);
    rv_buf_str(&chunk, size);
    rv_buf_add(&chunk, bytes, length);
    rv_buf_str(&chunk, "\r\n");
    rv_connection_send(connection, chunk.data, chunk.length);
    rv_buf_fini(&chunk);
    if (rv_tcp_queued(connection->tcp) > RV_HTTP_QUEUE_MAX) {
        rv_log(RV_LOG_WARN, "http", "HTTP-SLOW", "stream reader is too slow address=%s",
               rv_tcp_peer(connection->tcp));
        stream->cut = true;
    }
    return !stream->cut;
}

void rv_http_stream_end(struct rv_http_stream *stream)
{
    struct rv_connection *connection = stream->connection;
    connection->stream = NULL;
    rv_connection_send(connection, "0\r\n\r\n", 5);
    rv_free(stream);
    rv_connection_next(connection, false);
}
