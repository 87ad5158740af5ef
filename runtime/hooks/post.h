/* post.h -- one HTTP POST to somebody else's server, on the loop; the only includer of curl here
 * beside get.c.
 *
 * Redirects, proxies, cookies and every scheme but https are refused; private addresses too, unless
 * the endpoint allows them (then http is accepted as well).  The answer's body is read up to a
 * limit and thrown away.  Two pools of connections exist, public and private: a kept connection
 * does not pass the address check again, so it must not be shared between the two.
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
};

struct rv_post_result {
    int status;            /* 0 when no answer came */
    int64_t retry_after_s; /* 0 when not sent */
    char error[160];       /* "" when an answer came */
};

struct rv_poster *rv_poster_create(struct rv_loop *loop);
/* Cancels what is in flight: their `done` is not called. Then `closed` (may be NULL). */
void rv_poster_close(struct rv_poster *poster, void (*closed)(void *data), void *data);
/* Copies everything. `done` is called exactly once, not inside the call. */
void rv_poster_send(struct rv_poster *poster, const struct rv_post *post,
                    void (*done)(void *data, const struct rv_post_result *result), void *data);

#endif
