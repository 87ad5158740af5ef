/* key.h -- the key that the nodes of one database share; nothing else tells a node from a stranger.
 *
 * A file of 32 bytes, mode 0600, made on first use and copied to the other nodes.  What seals
 * messages is derived from it, and so is the mark by which nodes see in the database that they
 * have different ones.
 *
 * Immutable after opening; any thread.
 */
#ifndef REEVE_RUNTIME_CLUSTER_KEY_H
#define REEVE_RUNTIME_CLUSTER_KEY_H

#include "runtime/cluster/wire.h"

enum { RV_CLUSTER_MARK_TEXT = 17 }; /* 16 hexadecimal digits; says nothing about the key */

struct rv_cluster_key {
    struct rv_wire_key wire;
    char mark[RV_CLUSTER_MARK_TEXT];
};

/* RV_DENIED when others may read the file, RV_CORRUPT when it has not 32 bytes. */
RV_MUST enum rv_code rv_cluster_key_open(const char *path, struct rv_cluster_key *out,
                                         struct rv_error *err);
void rv_cluster_key_wipe(struct rv_cluster_key *key);

#endif
