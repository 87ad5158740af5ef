/* tcp.h -- streams of bytes on the loop: listen, read, write, close.
 *
 * Reading uses one buffer per loop callback, so an idle connection costs no read memory.  Writing
 * takes ownership of the bytes; what the kernel does not accept at once is queued and counted, and
 * the owner decides when a slow reader has had enough (rv_tcp_queued).
 *
 * Ownership: a connection belongs to whoever got it from `accepted` until rv_tcp_close; its memory
 * goes in the loop's close callback, so closing inside any callback is safe.  After rv_tcp_close no
 * callback of the connection runs except `closed`.
 *
 * Thread: the loop's.
 */
#ifndef REEVE_RUNTIME_LOOP_TCP_H
#define REEVE_RUNTIME_LOOP_TCP_H

#include "runtime/loop/loop.h"

#include <stddef.h>

struct rv_listener;
struct rv_tcp;

enum {
    RV_TCP_ADDRESS_TEXT = 64, /* an IPv6 address with a scope, and NUL */
    RV_TCP_BACKLOG = 511      /* the kernel caps it at somaxconn */
};

/* Listens on a numeric `address` (IPv4 or IPv6; names are not resolved: an operator says exactly
 * where reeve listens); port 0 takes a free one.  `accepted(data, tcp)` owns each connection. */
RV_MUST enum rv_code rv_listener_open(struct rv_loop *loop, const char *address, int port,
                                      void (*accepted)(void *data, struct rv_tcp *tcp), void *data,
                                      struct rv_listener **out, struct rv_error *err);
int rv_listener_port(const struct rv_listener *listener);
void rv_listener_close(struct rv_listener *listener); /* NULL is fine */

/* The peer's address without port, e.g. "127.0.0.1"; valid until close. */
const char *rv_tcp_peer(const struct rv_tcp *tcp);

/* `read(data, bytes, length)`: bytes are valid inside the call only; bytes NULL means that the peer
 * ended or the connection broke (reading has stopped; rv_tcp_is_broken says which). */
void rv_tcp_read_start(struct rv_tcp *tcp,
                       void (*read)(void *data, const char *bytes, size_t length), void *data);
void rv_tcp_read_stop(struct rv_tcp *tcp);
/* The peer reset the connection, or is unreachable: nothing that is written gets there. */
bool rv_tcp_is_broken(const struct rv_tcp *tcp);

/* Takes `bytes` (from rv_alloc and its family).  A write that fails shows itself to the reader. */
void rv_tcp_write(struct rv_tcp *tcp, char *bytes, size_t length);
/* Bytes handed over and not yet accepted by the kernel. */
size_t rv_tcp_queued(const struct rv_tcp *tcp);
/* Says "no more from us" after the queued bytes; reading goes on. */
void rv_tcp_shutdown(struct rv_tcp *tcp);
/* Drops what is queued.  `closed(data)` may be NULL.  NULL tcp is fine. */
void rv_tcp_close(struct rv_tcp *tcp, void (*closed)(void *data), void *data);

#endif
