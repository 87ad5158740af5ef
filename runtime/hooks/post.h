/* post.h -- one HTTP request to somebody else's server, or one mail, on the loop; the only includer
 * of curl here beside get.c.
 *
 * Redirects, proxies, cookies and every scheme but https are refused; private addresses too, unless
 * the endpoint allows them (then http is accepted as well).  The answer's body is read up to a
 * limit and thrown away, unless somebody wants it.  Two pools of connections exist, public and
 * private: a kept connection does not pass the address check again, so it must not be shared
 * between the two.
 *
 * What must not happen twice says `once`: then a connection of its own is made, because on a kept
 * one that turns out dead curl would send the request again by itself.
 *
 * Thread: the loop's.
 */
#ifndef REEVE_RUNTIME_HOOKS_POST_H
#define REEVE_RUNTIME_HOOKS_POST_H

#include "runtime/base/error.h"
#include "runtime/loop/loop.h"

enum {
    RV_POST_CONNECT_MS = 5000,
    RV_POST_TIMEOUT_MS = 15000,     /* the specification says 15 to 30 s */
    RV_POST_ANSWER_MAX = 64 * 1024, /* nobody reads it */
    RV_POST_HEADERS_MAX = 8,
    RV_POST_PER_HOST = 16,
    RV_POST_TOTAL = 64
};

struct rv_poster;

struct rv_post {
    const char *url;
    const char *headers[RV_POST_HEADERS_MAX]; /* "Name: value"; NULL-terminated when fewer */
    const char *body;
    size_t length;
    bool allow_private;
    int64_t timeout_ms; /* 0 takes RV_POST_TIMEOUT_MS */
    /* what a web hook leaves out: */
    const char *method; /* NULL: POST; a GET has no body */
    bool once;
    size_t answer_max;   /* so much of the answer is given; 0: none, it is thrown away */
    const char *ca_file; /* PEM that vouches for the server; NULL: the system's */
    /* A mail: the url is smtp:// or smtps://, the body RFC 5322 with CRLF.  TLS is demanded, unless
     * private addresses are allowed. */
    const char *mail_from;      /* NULL: no mail */
    const char *const *mail_to; /* NULL-terminated */
    const char *login;          /* of the mail server, with password; NULL: none */
    const char *password;
};

struct rv_post_result {
    int status;            /* 0 when no answer came; of a mail the server's last reply */
    int64_t retry_after_s; /* 0 when not sent */
    char error[160];       /* "" when an answer came; of a mail: when it was accepted */
    bool sent;             /* some of it may have reached the receiver */
    bool refused_address;  /* private or reserved: it will be so again */
    const char *type;      /* content type of the answer; "" when unknown.  Until `done` returns */
    const char *body;      /* with answer_max; NUL-terminated; until `done` returns */
    size_t length;
    bool cut; /* the answer was longer */
};

struct rv_poster *rv_poster_create(struct rv_loop *loop);
/* Cancels what is in flight: their `done` is not called. Then `closed` (may be NULL). */
void rv_poster_close(struct rv_poster *poster, void (*closed)(void *data), void *data);
/* Copies everything. `done` is called exactly once, not inside the call. */
void rv_poster_send(struct rv_poster *poster, const struct rv_post *post,
                    void (*done)(void *data, const struct rv_post_result *result), void *data);

/* "traceparent: 00-TRACE-PARENT-01" (W3C trace-context) for what leaves: the parent is made of what
 * is sent (`what`: its id), the same for each attempt. */
enum { RV_TRACE_HEADER_MAX = 80 };
void rv_trace_header(const char *trace, const char *what, char out[RV_TRACE_HEADER_MAX]);

#endif
