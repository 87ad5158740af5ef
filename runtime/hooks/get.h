/* get.h -- one HTTP GET of reeve's own API, for commands that ask a serving node; waits for it.
 *
 * http and https; no redirect, no proxy, no cookie, so that the token goes nowhere else.  Memory of
 * the answer is bounded by RV_GET_ANSWER_MAX.
 */
#ifndef REEVE_RUNTIME_HOOKS_GET_H
#define REEVE_RUNTIME_HOOKS_GET_H

#include "runtime/base/buf.h"
#include "runtime/base/error.h"

enum { RV_GET_TIMEOUT_MS = 5000, RV_GET_ANSWER_MAX = 16 << 20 };

struct rv_get {
    const char *url;
    const char *token;   /* "rvt_..." */
    const char *ca_file; /* PEM that vouches for the server; NULL: the system's */
};

/* `*status` and `body` (appended) are the answer's.  RV_UNAVAILABLE: there was none. */
RV_MUST enum rv_code rv_get(const struct rv_get *get, int *status, struct rv_buf *body,
                            struct rv_error *err);

#endif
