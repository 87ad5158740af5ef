/* commit_private.h -- what commit.c (queues, retries) and commit_batch.c (one batch) share. */
#ifndef REEVE_RUNTIME_JOURNAL_COMMIT_PRIVATE_H
#define REEVE_RUNTIME_JOURNAL_COMMIT_PRIVATE_H

#include "runtime/base/check.h"
#include "runtime/db/link.h"
#include "runtime/journal/commit.h"

enum {
    COMMIT_QUEUE_MAX = 200000, /* waiting units of one committer; more is refused as overload */
    COMMIT_TRIES_MAX = 12,     /* deadlocks and lost locks; a lost connection does not count */
    COMMIT_WRITES_MAX = 256,   /* statements in the write order */
    COMMIT_SLOTS_MAX = 8,
    COMMIT_KEYS_TABLE = 8192, /* power of two, > 4 * units * keys in practice */
    BATCH_ARENA_MAX = 256 << 20,
    XID_TEXT = 24,
    CHUNK_UNITS = 48, /* decided units whose rows go out while the next ones decide */
    CHUNK_BYTES = 128 << 10,
    COMMIT_REPLAN_FIRST = 64, /* units until the plans are made anew; then at each doubling */
    COMMIT_PAUSE_MIN_MS = 5,  /* after a deadlock, a full disk, ...: doubled up to the next */
    COMMIT_PAUSE_MAX_MS = 1000,
    COMMIT_SWEEP_MS = 1000,
    COMMIT_STUCK_MS = 90 * 1000, /* above lock_timeout: a server that stands still */
    COMMIT_CLOSE_MS = 10 * 1000  /* how long stopping waits to learn of a lost answer */
};

enum batch_phase {
    BATCH_LOADING, /* head and first loads are on their way */
    BATCH_LOADING_MORE,
    BATCH_DECIDING,     /* rows may already be on their way, COMMIT is not */
    BATCH_COMMITTING,   /* everything is sent; the answer decides */
    BATCH_ROLLING_BACK, /* nothing was accepted */
    BATCH_LOOKUP        /* the answer was lost: asking whether it was committed */
};

/* One write statement of the write order, with its arrays. */
struct write {
    const struct rv_statement *statement;
    struct rv_args *args;
    bool used;  /* in this batch */
    bool wakes; /* see rv_committer_options */
};

struct slot_entry {
    const void *room;
    void *memory;
};

/* What decide said of a unit; the error only where it refused. */
struct verdict {
    enum rv_code code;
    const struct rv_error *err; /* in the batch's arena */
};

struct load_group {
    const struct rv_statement *statement;
    struct rv_args *args;
};

struct rv_batch {
    struct rv_committer *committer;
    int32_t tenant;
    int64_t id;
    bool plain;
    enum batch_phase phase;
    struct rv_unit *units[RV_BATCH_UNITS_MAX];
    struct verdict verdicts[RV_BATCH_UNITS_MAX];
    int count;
    int accepted;
    int chunk; /* units decided since rows were last sent */
    size_t sent_bytes;
    bool opened; /* BEGIN was sent */
    bool fenced; /* the fence said no: another node has the tenant */
    bool wakes;  /* it writes what may let a run go on */
    int64_t started_us;
    struct rv_arena *arena;
    struct rv_head head;
    bool has_head;
    char xid[XID_TEXT];
    struct load_group groups[RV_BATCH_UNITS_MAX];
    int group_count;
    int waiting; /* results outstanding before the next step */
    struct slot_entry slots[COMMIT_SLOTS_MAX];
    int slot_count;
    bool failed;
    bool spoiled; /* a decide found that it cannot stand: nothing of it goes out */
    enum rv_code fail_code;
    char fail_state[8];
    struct rv_error fail;
};

enum { BATCH_TAG_FENCE = 9 };

struct tenant_queue {
    struct tenant_queue *next;
    int32_t tenant;
    struct rv_unit *first;
    struct rv_unit **last;
    int limit; /* units of the next batch: halves after a poison unit, doubles after success */
};

struct rv_committer {
    struct rv_committer_options options;
    struct rv_link *link;
    struct write writes[COMMIT_WRITES_MAX];
    int write_count;
    struct tenant_queue *tenants; /* round robin: the first is next */
    struct rv_batch *batch;       /* in flight */
    bool start_posted;
    bool greeting; /* a new connection waits until its predecessor's backend has ended */
    bool greeted;
    bool paused;
    int64_t pause_ms;
    bool closing;
    bool link_closing;
    int64_t closing_us;
    struct rv_timer *pause;
    struct rv_timer *sweep;
    int64_t writer; /* this committer's identity in the database, never reused */
    void (*closed)(void *data);
    void *closed_data;
    struct rv_args *head_args, *lock_args, *fence_args, *tenant_args, *lookup_args, *writer_args,
        *wake_args;
    const char *key_table[COMMIT_KEYS_TABLE];
    uint32_t key_used[COMMIT_KEYS_TABLE];
    uint32_t key_generation;
    struct {
        _Atomic int64_t units, batches, retries, splits, reconnects, queued;
    } stats;           /* written by the loop, read by anybody */
    int64_t replan_at; /* units; see replan_when_grown */
    int64_t last_id;
};

/* commit_batch.c: sends the batch; when it is over one of these is called. */
void batch_begin(struct rv_batch *batch);
void batch_result(struct rv_batch *batch, int tag, const struct rv_result *result);
void batch_synced(struct rv_batch *batch);
void batch_lookup(struct rv_batch *batch); /* after a lost answer, on a new connection */
struct rv_batch *batch_create(struct rv_committer *committer, int32_t tenant);
void batch_forget_states(struct rv_batch *batch);
void batch_destroy(struct rv_batch *batch);

/* commit.c */
/* Units from `first` on go back to the front of their queue, in order. */
void committer_put_back(struct rv_committer *committer, struct rv_batch *batch, int first);
void committer_batch_over(struct rv_committer *committer, struct rv_batch *batch, bool committed);

#endif
