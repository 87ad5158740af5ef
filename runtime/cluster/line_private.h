/* line_private.h -- what the files of line.h share: line.c listens and hears, line_peer.c dials and
 * says, line_tls.c reads certificates.
 *
 * On the wire (TCP, or TLS over it): who listens greets with RV_LINE_GREETING, so that who dials
 * knows that a node hears it (and not a port that takes bytes and understands none, or another
 * kind of TLS); then come messages, each a length of four bytes, most significant first, and as
 * many bytes.  Nothing else ever goes back.
 *
 * Rules for nng's asynchronous operations, each of which belongs to one object:
 *   - the callback runs on a thread of nng and does one thing: it posts to the loop;
 *   - all else is done on the loop's thread, also reading the result, before the next operation;
 *   - an object ends by closing its stream, stopping its operations (which waits for a callback
 *     that posts and for nothing else), and a post that frees it behind what was posted before.
 */
#ifndef REEVE_RUNTIME_CLUSTER_LINE_PRIVATE_H
#define REEVE_RUNTIME_CLUSTER_LINE_PRIVATE_H

#include "runtime/cluster/line.h"

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>

#define RV_LINE_GREETING "reeve 1\n"

enum { LINE_GREETING_BYTES = sizeof RV_LINE_GREETING - 1, LINE_HEAD_BYTES = 4, LINE_URL_MAX = 320 };

/* What this node shows and asks for; all NULL without TLS. */
struct line_tls {
    char *cert; /* PEM texts */
    char *key;
    char *ca_file;
};

struct line_hearer; /* somebody who dialled us */

struct rv_line {
    struct rv_line_options options;
    struct line_tls tls;
    nng_stream_listener *listener;
    nng_aio *accept;
    struct rv_timer *again; /* to accept, after an error */
    int port;
    struct line_hearer *first, *last; /* who was silent longest first */
    int hearers;
    bool closing;
};

/* nng's errors end here. */
enum rv_code line_fail(struct rv_error *err, int number, const char *what, const char *url);
void line_url(char out[LINE_URL_MAX], bool tls, const char *host, int port);

RV_MUST enum rv_code line_tls_read(struct line_tls *tls, const struct rv_line_tls *files,
                                   struct rv_error *err);
void line_tls_fini(struct line_tls *tls);
bool line_tls_is_on(const struct line_tls *tls);
/* `name` is what the other side's certificate must carry; NULL: of the listener, which wants to see
 * everybody's.  The caller frees it. */
RV_MUST enum rv_code line_tls_config(const struct line_tls *tls, const char *name,
                                     nng_tls_config **out, struct rv_error *err);

#endif
