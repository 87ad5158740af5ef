/* service.h -- fires schedules: looks, claims, applies the policies, hands over, remembers the end.
 *
 *   schedule due --claim--> fire waiting --start--> running --done--> done | failed | cancelled
 *                              |  overlap policy      |    \-- overlap terminate_other: terminated
 *                              v                      v its node died, or gave it back
 *                           skipped                waiting again, same id, next attempt
 *
 * A node may run one per loop; any number of nodes may look at the same database.  An instant of a
 * schedule becomes one fire, and a fire is handed over again only when the node that had it was
 * lost (its lease ran out) or ended: `fire_id` stays the same, so the receiver can use it as its
 * idempotency key.
 *
 * A turn moves up to RV_SCHEDULE_TURN_MAX schedules of a company with four statements, however many
 * there are.  Zones are read again when the machine's tzdata changes (looked at every hour): next
 * fires that were computed with another version are computed anew, as are those whose calendar was
 * changed.
 *
 * Thread: the loop's.
 */
#ifndef REEVE_RUNTIME_SCHEDULE_SERVICE_H
#define REEVE_RUNTIME_SCHEDULE_SERVICE_H

#include "runtime/db/db.h"

struct rv_committer; /* runtime/journal/commit.h */
struct rv_schedule_service;

enum {
    RV_SCHEDULE_LOOK_MS = 1000,    /* how late a change by the command line is seen */
    RV_SCHEDULE_LEASE_MS = 30000,  /* a fire whose node is silent so long is handed over again */
    RV_SCHEDULE_ATTEMPTS_MAX = 3,  /* an action that takes its node down must not do it for ever */
    RV_SCHEDULE_APART_MS = 1000,   /* clocks of machines that are told by people, or by no one */
    RV_SCHEDULE_TURN_MAX = 2048,   /* schedules and fires of one tenant in one turn: fairness */
    RV_SCHEDULE_CLAIM_MAX = 4096,  /* fires recorded by one claim */
    RV_SCHEDULE_BUFFER_MAX = 1000, /* fires of one schedule that wait (buffer_all): more is a jam */
    RV_SCHEDULE_TZDATA_MS = 3600 * 1000
};

struct rv_schedule_options {
    struct rv_loop *loop;
    struct rv_db *db;
    /* For pauses after failures, which are on the audit record; its write order has
     * rv_sql_audit_append. Closed after the service. */
    struct rv_committer *committer;
    /* Does this node drive the tenant?  NULL: all of them.  See rv_lease_epoch. */
    bool (*drives)(void *data, int32_t tenant);
    /* Starts the action; answers later (or at once) with rv_schedule_done, exactly once.  Name,
     * action and input are borrowed for the call. */
    void (*fire)(void *data, int32_t tenant, const char *name, const char *action,
                 const json_t *input, int64_t fire_id);
    /* Asks the action to stop, because of overlap cancel_other or terminate_other, which `why` says
     * (a constant).  It still answers with rv_schedule_done (RV_CANCELED when it stopped).  NULL:
     * actions cannot be stopped. */
    void (*stop)(void *data, int32_t tenant, int64_t fire_id, const char *why);
    /* The fire is not this node's any more: it was silent for longer than the lease.  What only
     * this process does for it may end; what another node can go on with must not be touched.
     * Nothing is to be answered.  NULL: it does not matter. */
    void (*lost)(void *data, int32_t tenant, int64_t fire_id);
    void *data;
    int64_t look_ms;  /* 0: RV_SCHEDULE_LOOK_MS */
    int64_t lease_ms; /* 0: RV_SCHEDULE_LEASE_MS */
    /* Where the loop's clock is more than RV_SCHEDULE_APART_MS off the database's, that one counts:
     * nodes that disagree would fire what is not due, or nothing.  False: the loop's counts. */
    bool database_clock;
};

struct rv_schedule_service *rv_schedule_service_create(const struct rv_schedule_options *options);
/* Fires that are still running are given back: another node goes on with them.  `closed` may be
 * NULL. */
void rv_schedule_service_close(struct rv_schedule_service *service, void (*closed)(void *data),
                               void *data);
/* The action ended; `reason` says why when code is not RV_OK.  RV_CANCELED is no failure.  An
 * unknown fire is ignored. */
void rv_schedule_done(struct rv_schedule_service *service, int32_t tenant, int64_t fire_id,
                      enum rv_code code, const char *reason);

#endif
