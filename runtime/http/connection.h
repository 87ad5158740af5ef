/* connection.h -- what server.c and exchange.c share; for those two files only. */
#ifndef REEVE_RUNTIME_HTTP_CONNECTION_H
#define REEVE_RUNTIME_HTTP_CONNECTION_H

#include "runtime/base/state_machine.h"
#include "runtime/http/server.h"
#include "runtime/http/tls.h"
#include "runtime/loop/tcp.h"

struct rv_http_server {
    struct rv_http_options options;
    struct rv_listener *listener;
    struct rv_timer *sweep;
    struct rv_tls_server *tls; /* NULL: plain HTTP */
    struct rv_connection *connections;
    int connection_count;
    int turned_away_count;       /* of these, over a limit */
    int64_t turned_away_total;   /* since it listens, those that got no answer as well */
    int64_t turned_away_unsaid;  /* not in the log yet */
    int64_t turned_away_said_us; /* when the log last had a line of it; 0: never */
    int exchange_count;          /* not yet answered */
    bool closing;
    void (*closed)(void *data);
    void *closed_data;
};

enum connection_state {
    CONNECTION_IDLE,
    CONNECTION_HEAD,
    CONNECTION_BODY,
    CONNECTION_HANDLING,
    CONNECTION_STREAM,
    CONNECTION_LINGER, /* answered for the last time; waits for the client to read it */
    CONNECTION_CLOSED
};

struct rv_connection {
    struct rv_http_server *server;
    struct rv_connection *previous, *next;
    struct rv_tcp *tcp;
    struct rv_tls *tls;
    struct rv_http_parser *parser; /* NULL once a pending exchange took it over */
    struct rv_buf pending;         /* plain bytes not parsed yet */
    struct rv_exchange *exchange;  /* being handled, or NULL */
    struct rv_http_stream *stream;
    int state;
    int64_t deadline_us;  /* INT64_MAX: none */
    size_t queued_before; /* at the last sweep: a reader that makes progress gets more time */
    bool turned_away;     /* one too many: its first request is answered with 503 */
    bool peer_ended;
    bool body_unread; /* the current request still has body bytes on the way */
    bool paused;      /* reading stopped because `pending` is full */
    bool pumping;
};

struct rv_exchange {
    struct rv_http_server *server;
    struct rv_connection *connection; /* NULL once the client is gone */
    struct rv_http_parser *parser;    /* owner of the request */
    bool owns_parser;
    bool *answered; /* set when answered, while admit or handle is on the stack */
    struct rv_arena *arena;
    struct rv_buf fields; /* extra lines of the answer's head */
    void *context;
    void (*gone)(void *data); /* told when the client goes; NULL: nobody */
    void *gone_data;
    bool parts;             /* the body is handled while it arrives */
    bool asked;             /* the client was told to go on */
    bool body_complete;     /* its last byte is here */
    rv_http_part_read read; /* who waits for the next part; NULL: nobody, and nothing is parsed */
    void *read_data;
    int broken_status; /* why the body will not come to its end; 0: the client left */
    const char *broken_why;
    char peer[RV_TCP_ADDRESS_TEXT];
};

struct rv_http_stream {
    struct rv_connection *connection;
    void (*closed)(void *data);
    void *data;
    bool cut;
};

/* server.c, for exchange.c: */
void rv_connection_send(struct rv_connection *connection, const void *bytes, size_t length);
void rv_connection_move(struct rv_connection *connection, int state);
/* The current request is answered: goes idle and reads on, or lingers. */
void rv_connection_next(struct rv_connection *connection, bool keep_alive);
void rv_connection_close(struct rv_connection *connection);
/* Somebody waits for a part: gives one that is here, else reads on. */
void rv_connection_read_part(struct rv_connection *connection);
void rv_http_server_release(struct rv_http_server *server); /* frees a closed server when unused */

/* exchange.c, for server.c: */
struct rv_exchange *rv_exchange_create(struct rv_connection *connection);
void rv_exchange_detach(struct rv_exchange *exchange); /* the client is gone */
/* Tells who waits for a part that none will come. */
void rv_exchange_break_body(struct rv_exchange *exchange, int status, const char *why);

#endif
