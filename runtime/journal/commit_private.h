/* commit_private.h -- what commit.c (queues, retries) and commit_batch.c (one batch) share. */
#ifndef REEVE_RUNTIME_JOURNAL_COMMIT_PRIVATE_H
#define REEVE_RUNTIME_JOURNAL_COMMIT_PRIVATE_H

#include "runtime/base/check.h"
#include "runtime/db/link.h"
#include "runtime/journal/commit.h"

enum {
    COMMIT_QUEUE_MAX = 200000,   /* waiting units of one committer; more is refused as overload */
    COMMIT_TRIES_MAX = 12,       /* deadlocks and lost locks; a lost connection does not count */
    COMMIT_WRITES_MAX = 256,     /* statements in the write order */
    COMMIT_SLOTS_MAX = 8,
    COMMIT_KEYS_TABLE = 8192,    /* power of two, > 4 * units * keys in practice */
    BATCH_ARENA_MAX = 256 << 20,
    XID_TEXT = 24
};

enum batch_phase {
    BATCH_LOADING,      /* head and first loads are on their way */
    BATCH_LOADING_MORE,
    BATCH_COMMITTING,   /* everything is sent; the answer decides */
    BATCH_ROLLING_BACK, /* nothing was accepted */
    BATCH_LOOKUP        /* the answer was lost: asking whether it was committed */
};

/* One write statement of the write order, with its arrays. */
struct write {
    const struct rv_statement *statement;
    struct rv_args *args;
    bool used; /* in this batch */
};

struct slot_entry {
    const void *room;
    void *memory;
};

struct verdict {
    enum rv_code code;
    struct rv_error err;
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
    enum rv_code fail_code;
    char fail_state[8];
    struct rv_error fail;
};

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
    bool closing;
    void (*closed)(void *data);
    void *closed_data;
    struct rv_args *head_args, *lock_args, *fence_args, *tenant_args, *lookup_args;
    const char *key_table[COMMIT_KEYS_TABLE];
    uint32_t key_used[COMMIT_KEYS_TABLE];
    uint32_t key_generation;
    struct rv_commit_stats stats;
    int64_t last_id;
};

/* commit_batch.c: sends the batch; when it is over one of these is called. */
void batch_begin(struct rv_batch *batch);
void batch_result(struct rv_batch *batch, int tag, const struct rv_result *result);
void batch_synced(struct rv_batch *batch);
void batch_lookup(struct rv_batch *batch); /* after a lost answer, on a new connection */
struct rv_batch *batch_create(struct rv_committer *committer, int32_t tenant);
void batch_destroy(struct rv_batch *batch);

/* commit.c */
void committer_batch_over(struct rv_committer *committer, struct rv_batch *batch, bool committed);

#endif
