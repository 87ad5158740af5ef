/* server.h -- the HTTP/1.1 edge: connections, deadlines, limits, and exchanges answered once.
 *
 *   accept -> IDLE -> HEAD -> BODY -> HANDLING -> (answer) -> IDLE ...
 *                                        \-> STREAM (server-sent events) -> closed
 *             any refusal -> answer, LINGER (so that the client can read it) -> closed
 *
 * An exchange is one request and its one answer.  Handlers answer now or later, exactly once; the
 * request and the exchange's arena live until then, also when the client has gone meanwhile (the
 * answer then goes nowhere).  One connection handles one request at a time; pipelined bytes wait.
 *
 * Deadlines are kept by one sweep every 250 ms; they bound slow clients, never slow handlers.
 * HTTPS is spoken when a certificate is given, else plain HTTP: then listen on loopback only,
 * behind a proxy that ends TLS.
 *
 * Thread: the loop's.
 */
#ifndef REEVE_RUNTIME_HTTP_SERVER_H
#define REEVE_RUNTIME_HTTP_SERVER_H

#include "runtime/base/arena.h"
#include "runtime/base/json.h"
#include "runtime/http/request.h"
#include "runtime/loop/loop.h"

enum {
    RV_HTTP_SWEEP_MS = 250,
    RV_HTTP_HEAD_DEADLINE_MS = 5000,  /* from the first byte to the blank line */
    RV_HTTP_BODY_DEADLINE_MS = 20000, /* the whole body */
    RV_HTTP_IDLE_DEADLINE_MS = 15000, /* between requests, or a reader that takes nothing */
    RV_HTTP_LINGER_MS = 1000,         /* after a refusal, for the client to read why */
    RV_HTTP_CONNECTIONS_MAX = 4096,
    RV_HTTP_CONNECTIONS_PER_ADDRESS = 128, /* default; a proxy in front needs more */
    RV_HTTP_TURNED_AWAY_MAX = 256,   /* beyond those two, that hear 503 and not just a reset */
    RV_HTTP_RETRY_AFTER_S = 1,       /* ... and when to come again */
    RV_HTTP_QUEUE_MAX = 1 << 20,     /* unread stream bytes before a slow reader is cut */
    RV_HTTP_PENDING_MAX = 64 * 1024, /* pipelined bytes kept while a handler works */
    RV_HTTP_ARENA_MAX = 16 << 20     /* memory of one exchange beside its body */
};

struct rv_http_server;
struct rv_exchange;
struct rv_http_stream;

struct rv_http_limits { /* milliseconds and counts; 0 takes the default above */
    int head_ms, body_ms, idle_ms, connections, per_address;
};

struct rv_http_options {
    struct rv_loop *loop;
    const char *address;                     /* numeric; NULL means 127.0.0.1 */
    int port;                                /* 0 takes a free one */
    const char *certificate_file, *key_file; /* PEM; both or neither; borrowed during create */
    struct rv_http_limits limits;
    /* The head is complete: set `*body_max` (0 refuses a body), or answer at once, which ends the
     * connection when a body was coming.  Called before the body is read.  Above RV_HTTP_BODY_MAX
     * the body comes in parts, see rv_exchange_read_part. */
    void (*admit)(void *data, struct rv_exchange *exchange, size_t *body_max);
    /* The request is complete. Not called when `admit` answered. */
    void (*handle)(void *data, struct rv_exchange *exchange);
    /* Answers with rv_exchange_refuse or otherwise what is refused below `handle`: a body too large
     * or too slow, a connection too many, a request that cannot be read (then its path may be NULL,
     * and `admit` may not have been called).  NULL: rv_exchange_refuse. */
    void (*refuse)(void *data, struct rv_exchange *exchange, int status, const char *code,
                   const char *title, const char *hint);
    void *data;
};

RV_MUST enum rv_code rv_http_server_create(const struct rv_http_options *options,
                                           struct rv_http_server **out, struct rv_error *err);
int rv_http_server_port(const struct rv_http_server *server);
int rv_http_server_connections(const struct rv_http_server *server);
/* How many connections were over a limit since it listens. */
int64_t rv_http_server_turned_away(const struct rv_http_server *server);
/* Stops listening and drops every connection; the server's memory goes when the last pending
 * exchange is answered, then `closed` (may be NULL) runs.  NULL server is fine. */
void rv_http_server_close(struct rv_http_server *server, void (*closed)(void *data), void *data);

/* ---- the exchange ---- */

const struct rv_http_request *rv_exchange_request(const struct rv_exchange *exchange);
const char *rv_exchange_peer(const struct rv_exchange *exchange);
const struct rv_http_server *rv_exchange_server(const struct rv_exchange *exchange);
bool rv_exchange_is_tls(const struct rv_exchange *exchange);
struct rv_arena *rv_exchange_arena(struct rv_exchange *exchange); /* until answered */
/* Whether the client has gone: an answer will go nowhere, and a stream cannot be opened. */
bool rv_exchange_gone(const struct rv_exchange *exchange);
/* Says so as soon as it is so, unless it was answered before: what costs much can be given up.  It
 * is answered all the same, but not inside the call. */
void rv_exchange_when_gone(struct rv_exchange *exchange, void (*gone)(void *data), void *data);
/* One value a layer above hangs on the exchange, e.g. who is asking. */
void rv_exchange_set_context(struct rv_exchange *exchange, void *context);
void *rv_exchange_context(const struct rv_exchange *exchange);

/* Adds a field to the answer; both texts are copied, the value must not contain a line break. */
void rv_exchange_field(struct rv_exchange *exchange, const char *name, const char *value);

/* Each of the following answers: the exchange must not be used after.  Bytes are copied. */
void rv_exchange_answer(struct rv_exchange *exchange, int status, const char *type,
                        const void *bytes, size_t length);
void rv_exchange_json(struct rv_exchange *exchange, int status, const json_t *body);
/* application/problem+json (RFC 9457) with the error's code, message, detail and hint; `field`
 * names the offending input or is NULL. */
void rv_exchange_problem(struct rv_exchange *exchange, const struct rv_error *err,
                         const char *field);
/* The same with members of its own. */
void rv_exchange_problem_with(struct rv_exchange *exchange, const struct rv_error *err,
                              const json_t *members);
/* The same with another status than the code's, such as 422. */
void rv_exchange_problem_as(struct rv_exchange *exchange, int status, const struct rv_error *err,
                            const char *field);
/* The same for what only HTTP knows: 401, 405, 413, 415 ... */
void rv_exchange_refuse(struct rv_exchange *exchange, int status, const char *code,
                        const char *title, const char *hint);

/* ---- large bodies: a request that is handled while it arrives ---- */

enum rv_http_part {
    RV_HTTP_PART,      /* RV_HTTP_PART_BYTES of them */
    RV_HTTP_PART_LAST, /* at most so many */
    RV_HTTP_PART_NONE  /* the body will not come to its end: rv_exchange_refuse_body */
};
typedef void (*rv_http_part_read)(void *data, enum rv_http_part part, const void *bytes,
                                  size_t length);

/* Whether the body comes in parts: then `handle` was called before it. */
bool rv_exchange_has_parts(const struct rv_exchange *exchange);
/* Gives the next part, once, now or later; the bytes are valid inside `read` only.  Until it is
 * called again nothing more is read from the connection.  Not after RV_HTTP_PART_LAST. */
void rv_exchange_read_part(struct rv_exchange *exchange, rv_http_part_read read, void *data);
/* Answers, saying why the body could not be read; after RV_HTTP_PART_NONE. */
void rv_exchange_refuse_body(struct rv_exchange *exchange);

/* ---- streams: an answer without an end ---- */

/* Sends the head; the exchange is answered.  `closed(data)` runs once when the client left, lagged
 * behind or the server closes; the stream must not be used after. */
struct rv_http_stream *rv_exchange_stream(struct rv_exchange *exchange, const char *type,
                                          void (*closed)(void *data), void *data);
/* Sends one chunk.  False: the reader is too slow and the stream has been cut (`closed` runs later
 * from the loop). */
bool rv_http_stream_write(struct rv_http_stream *stream, const void *bytes, size_t length);
/* Ends it from our side; `closed` does not run. */
void rv_http_stream_end(struct rv_http_stream *stream);

#endif
