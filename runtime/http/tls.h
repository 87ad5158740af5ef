/* tls.h -- TLS for the HTTP edge: OpenSSL between two memory buffers, so that the loop keeps the
 * sockets.  TLS 1.2 at least; the cipher choice is OpenSSL's default.
 *
 * Thread: the loop's.
 */
#ifndef REEVE_RUNTIME_HTTP_TLS_H
#define REEVE_RUNTIME_HTTP_TLS_H

#include "runtime/base/buf.h"

struct rv_tls_server; /* certificate and key */
struct rv_tls;        /* one connection */

RV_MUST enum rv_code rv_tls_server_create(const char *certificate_file, const char *key_file,
                                          struct rv_tls_server **out, struct rv_error *err);
void rv_tls_server_destroy(struct rv_tls_server *server); /* NULL is fine */

struct rv_tls *rv_tls_create(struct rv_tls_server *server);
void rv_tls_destroy(struct rv_tls *tls); /* NULL is fine */

/* Bytes from the socket; appends what they mean to `plain` and what must be sent to `wire`.
 * RV_PROTOCOL: the peer broke TLS; send `wire` (the alert) and close.  RV_CANCELED: the peer closed
 * its side in order. */
enum rv_code rv_tls_receive(struct rv_tls *tls, const char *bytes, size_t length,
                            struct rv_buf *plain, struct rv_buf *wire);
/* Appends `bytes` in encrypted form to `wire`. */
void rv_tls_send(struct rv_tls *tls, const char *bytes, size_t length, struct rv_buf *wire);
void rv_tls_finish(struct rv_tls *tls, struct rv_buf *wire); /* close_notify */

#endif
