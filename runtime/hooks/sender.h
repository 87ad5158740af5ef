/* sender.h -- delivers the outbox to web hook endpoints: signed, retried, at least once.
 *
 *   outbox row --fan-out--> delivery pending --2xx--> delivered
 *                              |   ^  \--410--> dead, endpoint disabled
 *                              |   |(schedule, jitter, Retry-After)
 *                              +---+--tenth failure--> dead (listable, can be sent again)
 *
 * A delivery is claimed for a minute before it is sent, so two nodes never send it at once and a
 * dead node's claims come back.  webhook-id is the same for every attempt: receivers drop repeats.
 *
 * Thread: the loop's.
 */
#ifndef REEVE_RUNTIME_HOOKS_SENDER_H
#define REEVE_RUNTIME_HOOKS_SENDER_H

#include "runtime/db/db.h"
#include "runtime/hooks/post.h"
#include "runtime/hooks/vault.h"

enum {
    RV_HOOK_LOOK_MS = 1000, /* how often all tenants are looked at when nobody pokes */
    RV_HOOK_LEASE_S = 60,   /* longer than any attempt lasts */
    RV_HOOK_IN_FLIGHT_MAX = 64,
    RV_HOOK_PER_TENANT_MAX = 16, /* so that one tenant's slow receiver starves nobody */
    RV_HOOK_FAN_OUT_ROWS = 500
};

struct rv_hooks;

struct rv_hooks_options {
    struct rv_loop *loop;
    struct rv_db *db;
    const struct rv_hook_vault *vault; /* opens the endpoints' secrets; outlives the sender */
    const int64_t *retry_ms; /* waits after the 1st, 2nd ... failure; NULL: the specification's */
    int retry_count;
    int64_t timeout_ms; /* per attempt; 0: 15 s */
    int look_ms;        /* 0: RV_HOOK_LOOK_MS */
};

struct rv_hooks *rv_hooks_create(const struct rv_hooks_options *options);
/* Attempts in flight are dropped (their claims expire); `closed` may be NULL. */
void rv_hooks_close(struct rv_hooks *hooks, void (*closed)(void *data), void *data);
/* Another time per attempt, for those that begin from now on; 0: 15 s. */
void rv_hooks_timeout(struct rv_hooks *hooks, int64_t timeout_ms);

/* What to do after an attempt; pure, for tests.  `attempt` counts from 1, `random` is any number.
 */
enum rv_hook_next { RV_HOOK_DELIVERED, RV_HOOK_RETRY, RV_HOOK_DEAD, RV_HOOK_GONE };
enum rv_hook_next rv_hook_decide(const struct rv_post_result *result, int attempt,
                                 const int64_t *retry_ms, int retry_count, uint64_t random,
                                 int64_t *wait_ms);
extern const int64_t rv_hook_schedule_ms[];
extern const int rv_hook_schedule_count;

#endif
