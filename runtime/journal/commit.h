/* commit.h -- the one write path: many units of work, one transaction (group commit).
 *
 * A unit says what it must read (`loads`), decides in plain C what to write (`decide`) and is told
 * when that is durable (`done`).  While one transaction is in flight the next batch forms; there is
 * no timer.  One batch = one tenant = one transaction, which first locks the tenant's head row:
 * that orders writers of all processes and fences a node that lost the tenant (epoch).
 *
 *   submit -> queued -> [batch] -> load -> decide -> write -> commit -> done(RV_OK)
 *                          ^  lost connection, serialization, poison neighbour: decided again
 *
 * Rows of decided units may be sent while later ones still decide; nothing is committed before all
 * have decided and the seal agreed.
 *
 * Promises: done is called exactly once, on the committer's loop, never inside submit; RV_OK means
 * the commit was acknowledged (or found committed after a lost answer); any other code means
 * nothing of the unit was written (one exception: closing while the database stays away, after a
 * lost answer; the error says that it is unknown).  Units of one tenant commit in the order of
 * submission, except that a unit sharing a key with a queued one waits for it.
 *
 * A unit with an `effect` is in a transaction of its own.  The effect runs under the head's lock
 * and before decide, which sees what it did; where decide refuses, the effect is rolled back.  For
 * changes that only the database can judge (was there such a row?) and that must not stand without
 * their record: runtime/audit/act.h.
 *
 * Thread: everything on the loop.
 */
#ifndef REEVE_RUNTIME_JOURNAL_COMMIT_H
#define REEVE_RUNTIME_JOURNAL_COMMIT_H

#include "runtime/base/arena.h"
#include "runtime/base/error.h"
#include "runtime/base/hash.h"
#include "runtime/base/json.h"
#include "runtime/base/statement.h"
#include "runtime/loop/loop.h"

struct rv_committer;
struct rv_batch;
struct rv_args;   /* runtime/db/args.h */
struct rv_result; /* runtime/db/db.h */

enum {
    RV_BATCH_UNITS_MAX = 256, /* beyond this latency grows and throughput does not */
    RV_BATCH_BYTES_MAX =
        8 << 20, /* parameters of one transaction; the unit that passes it ends it */
    RV_UNIT_KEYS_MAX = 8,
    RV_UNIT_LOADS_MAX = 8
};

/* What one unit wants to see before it decides.  The statement has the parameters
 * (tenant int4, unit int4[], args jsonb[]) and returns rows (unit int4, state jsonb). */
struct rv_load {
    const struct rv_statement *statement;
    json_t *args;  /* borrowed until done; any JSON */
    json_t *state; /* out: owned by the committer until done, maybe shared with other units: never
                      changed; NULL when no row came */
};

struct rv_unit {
    int32_t tenant;
    int64_t epoch; /* 0: not driven by a run; else must equal the head's epoch */
    const char *keys[RV_UNIT_KEYS_MAX]; /* borrowed until done; NULL-terminated when fewer */
    struct rv_load loads[RV_UNIT_LOADS_MAX];
    int load_count;
    const struct rv_statement *effect; /* NULL: none; else the unit is alone in its transaction */
    struct rv_args *effect_args;       /* borrowed until done */
    bool effect_first; /* before the head is locked: it makes the very tenant (company create) */
    /* With an effect: what it returned, valid inside the call only.  Repeatable. */
    void (*effected)(struct rv_unit *unit, const struct rv_result *result);
    bool needs_head; /* decide reads or moves the head (events, audit); forced when load_count > 0
                        or with an effect */
    /* Optional: called once after the first loads; may append to `loads`. Repeatable. */
    void (*more_loads)(struct rv_unit *unit);
    /* Appends rows with rv_batch_rows.  Returns an error only before it appended anything: then the
     * unit alone is refused with that error.  Runs again after a retry. */
    enum rv_code (*decide)(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err);
    void (*done)(struct rv_unit *unit, enum rv_code code, const struct rv_error *err);
    void *data;
    /* private to the committer */
    struct rv_unit *next;
    int base_loads;
    int tries;
};

/* The tenant's head as locked by this transaction; decide may move the sequences forward. */
struct rv_head {
    int64_t epoch;
    int64_t event_seq;
    struct rv_hash event_hash;
    int64_t audit_size;
    uint8_t audit_frontier[64 * RV_HASH_BYTES];
    int audit_frontier_count;
    int64_t checkpoint_size;
    int64_t checkpoint_at_us;
    int64_t now_us; /* database time of this transaction: one clock for expiry and windows */
    bool seal_now;  /* set by a decide: the audit room shall seal whatever there is */
};

struct rv_head *rv_batch_head(struct rv_batch *batch);
int32_t rv_batch_tenant(const struct rv_batch *batch);
/* Memory that lives until the batch is over. */
struct rv_arena *rv_batch_arena(struct rv_batch *batch);
/* For a decide that has appended already and finds that the unit cannot stand: the transaction is
 * rolled back, and its units are decided again in halves until that one is alone and gets `err`. */
void rv_batch_spoil(struct rv_batch *batch, const struct rv_error *err);
/* The array parameters of `statement` in this transaction; its first parameter must be
 * "tenant int4" and is set already.  The statement must be in the committer's write order. */
struct rv_args *rv_batch_rows(struct rv_batch *batch, const struct rv_statement *statement);
/* Per-batch scratch of one room (e.g. the gate's limit usage): `create` runs on first use, freed
 * with the batch's arena.  `room` is compared by address. */
void *rv_batch_slot(struct rv_batch *batch, const void *room, size_t size_bytes);

struct rv_committer_options {
    struct rv_loop *loop;
    const char *database_uri;
    const struct rv_statement *const *write_order; /* NULL-terminated; rank = position */
    /* Called after all units decided, before the writes go out: the audit room seals here. */
    enum rv_code (*seal)(void *data, struct rv_batch *batch, struct rv_error *err);
    void *seal_data;
    /* Statements of the write order that may let a run go on (a signal, a vote, a new run), ended
     * by NULL; or NULL.  After a commit with one of them `woke` is called; where this process does
     * not drive the company (`drives` says no; NULL: never), the commit itself notifies the node
     * that does (lease.h).  A notification makes those commits queue up in the server, which is why
     * the driving process, whose commits are the many, does without. */
    const struct rv_statement *const *wakes;
    bool (*drives)(void *data, int32_t tenant);
    void (*woke)(void *data, int32_t tenant);
    void *wake_data;
};

struct rv_committer *rv_committer_create(const struct rv_committer_options *options);
/* Completes queued units with RV_CANCELED after the one in flight ended, then calls closed. */
void rv_committer_close(struct rv_committer *committer, void (*closed)(void *data), void *data);

/* Takes the unit until done. */
void rv_commit(struct rv_committer *committer, struct rv_unit *unit);

/* The clock of its loop. */
const struct rv_clock *rv_committer_clock(const struct rv_committer *committer);

/* Any thread, while the committer is there. */
struct rv_commit_stats {
    int64_t units, batches, retries, splits, reconnects, queued;
};
void rv_committer_stats(const struct rv_committer *committer, struct rv_commit_stats *out);

#endif
