/* lease.h -- this node's life sign and the companies it drives.
 *
 * One row per process start, one heartbeat for everything; database time decides.  Companies nobody
 * alive drives are claimed continuously, so a killed node's runs come back by themselves.  A node
 * whose heartbeat could not be renewed in time stops driving before its lease ends (own monotonic
 * clock), and the epoch fences it even if it does not.
 *
 * Death is seen at once where the connection tells it: a node holds the advisory lock of its number
 * on a connection of its own, and the server frees it when that client is gone.  Whoever looks for
 * companies and can take such a lock ends that node's lease (function reeve_lease_take).  Why this
 * is safe:
 *   - It is a hint to be quick, never the protection.  Taking a company raises its epoch under the
 *     head's row lock; whatever the old node still sends carries the old epoch and is refused.  So
 *     a lock that comes free although its node lives costs a change of hands, and nothing else.
 *   - A connection that drops: the node connects again, asks for the same lock and beats.  The
 *     looker holds the lock until its transaction is over, so the node gets it either before (then
 *     the looker does not) or after the end of its lease is committed, and its beat is refused: it
 *     loses all it drives and goes on under a new number, as after a lease that ran out.
 *   - The number is new at every start, and `present` is written only after the lock is held: a
 *     node that has just begun, or cannot hold a lock (behind a pooler), has its lease time only.
 *   - The lock that stays although the node is gone (a machine without power, a cut network, a
 *     stopped process) is what the lease time is for.
 *   - Just after the server's own start all connections are gone and no node is dead: for some
 *     seconds only the lease time counts.
 *
 * Whoever has a lease also keeps house, now and then: partitions of the journal for the time to
 * come (sql/migrations/0210_retention.sql), blobs that nobody refers to, what dropped journals
 * left.
 *
 * The same connection listens: a commit of another process that may let a run go on is told here
 * (`woken`), see rv_committer_options.
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
    RV_LEASE_BUSY_MS = 10, /* a head that a dying backend still locks: asked again, then slower */
    RV_LEASE_STUCK_MS =
        500, /* so long locked: its session is ended, when its node stands still ... */
    RV_LEASE_STILL_MS = 3000, /* ... which is to have sent nothing for so long */
    RV_LEASE_TENANTS_MAX = 4096,
    RV_JOURNAL_AHEAD = 3,        /* periods of the journal that are made before they begin */
    RV_JOURNAL_SWEEP_MAX = 20000 /* rows of dropped runs at once, of each table */
};

struct rv_lease_options {
    struct rv_loop *loop;
    struct rv_db *db;
    const char *uri; /* for the connection that shows that we live; NULL: the lease time alone */
    int32_t only_tenant; /* 0: any */
    int64_t lease_ms;    /* 0: RV_LEASE_MS; beats and margin keep their share of it */
    const char *name;    /* of this node, for people; NULL: the host's; borrowed */
    const char *period;  /* of the journal's partitions: "day", "week", "month"; NULL: month;
                          * borrowed */
    void (*gained)(void *data, int32_t tenant, int64_t epoch);
    void (*lost)(void *data, int32_t tenant);
    void (*beaten)(void *data); /* a beat was answered, companies were asked for; may be NULL */
    /* Something was committed elsewhere that may let a run go on; tenant 0: perhaps in any company,
     * as the connection was away.  May be NULL. */
    void (*woken)(void *data, int32_t tenant);
    void *data;
};

struct rv_lease *rv_lease_create(const struct rv_lease_options *options);
/* Gives everything back, then calls closed. */
void rv_lease_close(struct rv_lease *lease, void (*closed)(void *data), void *data);
int64_t rv_lease_node(const struct rv_lease *lease);
/* 0 when this node does not drive the tenant. */
int64_t rv_lease_epoch(const struct rv_lease *lease, int32_t tenant);
/* The companies that it drives, from 0. */
int rv_lease_count(const struct rv_lease *lease);
int32_t rv_lease_tenant(const struct rv_lease *lease, int index);

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
