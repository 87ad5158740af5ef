/* lease.h -- this node's life sign and the companies it drives.
 *
 * One row per process start, one heartbeat for everything; database time decides.  Companies nobody
 * alive drives are claimed continuously, so a killed node's runs come back by themselves.  A node
 * whose heartbeat could not be renewed in time stops driving before its lease ends (own monotonic
 * clock), and the epoch fences it even if it does not.
 *
 * Thread: the loop's.
 */
#ifndef REEVE_RUNTIME_JOURNAL_LEASE_H
#define REEVE_RUNTIME_JOURNAL_LEASE_H

#include "runtime/db/db.h"

struct rv_lease;

enum {
    RV_LEASE_MS = 5000, /* unanswered so long, others take over */
    RV_LEASE_BEAT_MS = 1000,
    RV_LEASE_MARGIN_MS = 1500, /* we stop this long before the lease ends */
    RV_LEASE_TENANTS_MAX = 4096
};

struct rv_lease_options {
    struct rv_loop *loop;
    struct rv_db *db;
    int32_t only_tenant; /* 0: any */
    int64_t lease_ms;    /* 0: RV_LEASE_MS; beats and margin keep their share of it */
    const char *name;    /* of this node, for people; NULL: the host's; borrowed */
    void (*gained)(void *data, int32_t tenant, int64_t epoch);
    void (*lost)(void *data, int32_t tenant);
    void (*beaten)(void *data); /* a beat was answered, companies were asked for; may be NULL */
    void *data;
};

struct rv_lease *rv_lease_create(const struct rv_lease_options *options);
/* Gives everything back, then calls closed. */
void rv_lease_close(struct rv_lease *lease, void (*closed)(void *data), void *data);
int64_t rv_lease_node(const struct rv_lease *lease);
/* 0 when this node does not drive the tenant. */
int64_t rv_lease_epoch(const struct rv_lease *lease, int32_t tenant);

/* ---- for placement.h: companies that come and go by other ways than the claim ---- */

struct rv_lease_held {
    int32_t tenant;
    int64_t epoch;
};
/* Ordered by tenant; `out` has room for RV_LEASE_TENANTS_MAX.  Returns how many. */
int rv_lease_held(const struct rv_lease *lease, struct rv_lease_held *out);
/* How often something came or went: an answer about an older state tells nothing. */
int64_t rv_lease_changes(const struct rv_lease *lease);
/* The database says that it is ours with this epoch: `gained`, unless we know. */
void rv_lease_adopt(struct rv_lease *lease, int32_t tenant, int64_t epoch);
/* It is not, or not with this epoch: `lost`, unless we know. */
void rv_lease_drop(struct rv_lease *lease, int32_t tenant, int64_t epoch);

#endif
