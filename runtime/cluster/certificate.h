/* certificate.h -- is a node's own certificate one that its peers will take?  Asked before the
 * first line, because a peer that refuses it says nothing: TLS ends the connection, and that is
 * all.
 *
 * The rules are those of the lines (line.h): signed by the authority of cluster.tls_ca, valid now,
 * of this key, and with the node's name as common name or DNS name (RFC 5280, RFC 6125).
 *
 * Thread: any.
 */
#ifndef REEVE_RUNTIME_CLUSTER_CERTIFICATE_H
#define REEVE_RUNTIME_CLUSTER_CERTIFICATE_H

#include "runtime/cluster/line.h"

enum { RV_CERTIFICATE_SOON_DAYS = 30 }; /* time enough to get another one */

/* `name`: the node's.  `days_left` is how long it is valid still, rounded down.  RV_INVALID with
 * setting, file, rule and remedy; RV_NOT_FOUND, RV_DENIED, RV_IO: a file cannot be read. */
RV_MUST enum rv_code rv_certificate_check(const struct rv_line_tls *tls, const char *name,
                                          int *days_left, struct rv_error *err);

#endif
