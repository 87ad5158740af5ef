/* line.h -- lines between nodes: bytes go out to one peer, bytes come in from anybody.
 *
 * The only files that know nng (1.5: its streams over TCP, or TLS over TCP; its push sockets can
 * use a connection after it is freed, when a message is sent as the other side goes).  A node
 * listens at one port and dials every peer; a line that breaks is dialled again in the background.
 * Nothing is promised: what was sent may be lost, and it may come from a stranger: wire.h seals and
 * proves.  nng calls back on threads of its own; everything here crosses into the loop by
 * rv_loop_post, and a message that came in is taken before the next one is asked for, so a flood
 * waits in the kernel.
 *
 * With TLS each side shows a certificate of the same authority; a node's must carry its node.name
 * (common name or DNS name), which is what its peers ask for.
 *
 * Thread: the loop's.
 */
#ifndef REEVE_RUNTIME_CLUSTER_LINE_H
#define REEVE_RUNTIME_CLUSTER_LINE_H

#include "runtime/base/error.h"
#include "runtime/loop/loop.h"

#include <stdint.h>

struct rv_line;
struct rv_line_peer;

enum {
    RV_LINE_SEND_MS = 1000, /* unsent so long (nobody there): lost */
    RV_LINE_DIAL_MIN_MS = 50,
    RV_LINE_DIAL_MAX_MS = 2000,
    RV_LINE_MESSAGE_MS = 10000, /* who begins a message has so long to end it */
    RV_LINE_HEARERS_MAX = 256   /* who dialled us; one more: who was silent longest makes room */
};

struct rv_line_tls {
    const char *cert_file; /* NULL: no TLS; PEM, the chain */
    const char *key_file;
    const char *ca_file; /* who signs the nodes' certificates */
};

struct rv_line_options {
    struct rv_loop *loop;
    const char *host; /* to listen at; without brackets */
    int port;         /* 0: any */
    struct rv_line_tls tls;
    size_t message_max; /* longer ones close their connection */
    void (*received)(void *data, const void *message, size_t length);
    void *data;
};

/* Opens the port: RV_CONFLICT when it is taken, RV_INVALID for an address that is not ours, RV_IO,
 * RV_NOT_FOUND for files. */
RV_MUST enum rv_code rv_line_open(const struct rv_line_options *options, struct rv_line **out,
                                  struct rv_error *err);
int rv_line_port(const struct rv_line *line);
/* After the peers are hung up.  Nothing is called any more; memory goes in a later round. */
void rv_line_close(struct rv_line *line);

/* Begins to dial; `name` is what its certificate must carry (with TLS).  RV_INVALID: no address. */
RV_MUST enum rv_code rv_line_dial(struct rv_line *line, const char *host, int port,
                                  const char *name,
                                  void (*sent)(void *data, bool ok), /* also when it is lost */
                                  void *data, struct rv_line_peer **out, struct rv_error *err);
/* One at a time: not before `sent`.  The bytes are copied. */
void rv_line_send(struct rv_line_peer *peer, const void *message, size_t length);
void rv_line_hang_up(struct rv_line_peer *peer); /* `sent` is not called any more */

#endif
