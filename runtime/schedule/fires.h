/* fires.h -- the fires this node runs: keeps their leases, records their ends, tells them to stop.
 * Private to the room.
 *
 * Ends are recorded together: what ended while earlier ends were on their way to the database goes
 * with the next statement.  An end that could not be recorded is sent again with the next beat.
 * Only where one of them failed may a schedule come to rest: these go through the committer, with
 * the record of that pause (strike.h).
 *
 * Thread: the loop's.
 */
#ifndef REEVE_RUNTIME_SCHEDULE_FIRES_H
#define REEVE_RUNTIME_SCHEDULE_FIRES_H

#include "runtime/schedule/service.h"

struct rv_fires;

struct rv_fires_options {
    struct rv_loop *loop;
    struct rv_db *db;
    struct rv_committer *committer;
    int64_t lease_ms;
    void (*stop)(void *data, int32_t tenant, int64_t fire_id, const char *why); /* may be NULL */
    void (*lost)(void *data, int32_t tenant, int64_t fire_id);                  /* may be NULL */
    void *stop_data;                                                            /* of both */
    void (*ended)(void *data); /* some ends are recorded: what waited behind them may start */
    void *data;
};

struct rv_fires *rv_fires_create(const struct rv_fires_options *options);
/* Ends that wait are recorded, and what runs still is given back: another node may have it at once.
 * `closed` once the last answer has come, never inside the call. */
void rv_fires_close(struct rv_fires *fires, void (*closed)(void *data), void *data);

void rv_fires_put(struct rv_fires *fires, int32_t tenant, int64_t id, int attempt);
void rv_fires_done(struct rv_fires *fires, int32_t tenant, int64_t id, enum rv_code code,
                   const char *reason);
/* `what` of schedule_start: "cancel" asks it to stop; "terminate": and it is recorded as over, so
 * that nothing it says counts any more; its lease is kept until what it began is over.  Ignores
 * what does not run here. */
void rv_fires_stop(struct rv_fires *fires, int32_t tenant, int64_t id, const char *what);
/* Renews the leases when it is time. */
void rv_fires_beat(struct rv_fires *fires);

#endif
