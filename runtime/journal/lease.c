/* lease.c -- beat, claim, stop in time; see lease.h. */
#include "runtime/journal/lease.h"

#include "journal_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "runtime/db/link.h"
#include "runtime/journal/blob.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct rv_lease {
    struct rv_lease_options options;
    int64_t node;
    struct rv_timer *timer;
    struct rv_lease_held held[RV_LEASE_TENANTS_MAX];
    int count;
    int64_t changes;
    int64_t sent_us;    /* when the outstanding beat left: the lease counts from here */
    int64_t renewed_us; /* sending time of the last beat that was answered */
    bool beating;
    bool claiming;
    bool unsure;           /* a claim was not answered: it may have taken something */
    int64_t asked_changes; /* how often something had come or gone when the claim was sent */
    int claims;
    bool asked_held;       /* the outstanding claim asks what is ours, and takes nothing */
    struct rv_timer *busy; /* heads that could be taken but are locked: asked again soon */
    int64_t busy_ms;
    int64_t busy_since_us;    /* 0: none is */
    struct rv_link *presence; /* holds the lock of our number; NULL: without */
    int64_t locking;          /* the number whose lock was asked for; 0 none */
    int64_t present;          /* the number whose lock is held; 0 none */
    bool said;                /* the outstanding beat says that we hold it */
    bool listened;            /* before: what was told meanwhile is lost */
    int64_t asked_as;         /* the node that the outstanding beat or claim was sent as */
    int64_t claimed_as;
    bool pruned;
    int64_t tidied_us; /* when blobs that nobody refers to were last taken away */
    bool making;       /* a partition of the journal is asked for */
    int64_t looked_us; /* when it was last asked whether one is needed; 0 never */
    bool closing;
    bool released;
    void (*closed)(void *data);
    void *closed_data;
};

static const int64_t tidy_every_us = INT64_C(3600) * 1000000;
static const int64_t settle_ms = INT64_C(590) * 1000; /* a large table is looked through, once */

static void on_timer(void *data);
static void on_busy(void *data);
static void claim(struct rv_lease *lease);
static void on_presence_up(void *data);
static void on_presence_down(void *data, const struct rv_error *err);
static void on_presence_failed(void *data, int tag, enum rv_code code, const char *state,
                               const struct rv_error *err);
static void on_presence_synced(void *data);
static void on_notified(void *data, const char *channel, const char *payload);
static void end_when_quiet(struct rv_lease *lease);
static void end(void *data);
static void on_beat(void *data, enum rv_code code, const struct rv_result *result,
                    const struct rv_error *err);
static void on_claim(void *data, enum rv_code code, const struct rv_result *result,
                     const struct rv_error *err);
static void on_pruned(void *data, enum rv_code code, const struct rv_result *result,
                      const struct rv_error *err);
static void tidy(struct rv_lease *lease);
static void on_release(void *data, enum rv_code code, const struct rv_result *result,
                       const struct rv_error *err);

static void lock_presence(struct rv_lease *lease);

static int64_t mono_us(const struct rv_lease *lease)
{
    return rv_mono_us(rv_loop_clock(lease->options.loop));
}

/* `part` is one of the enum's times for a lease of RV_LEASE_MS. */
static int64_t share_ms(const struct rv_lease *lease, int64_t part)
{
    return lease->options.lease_ms * part / RV_LEASE_MS;
}

struct rv_lease *rv_lease_create(const struct rv_lease_options *options)
{
    struct rv_lease *lease = rv_alloc(sizeof *lease);
    lease->options = *options;
    if (lease->options.lease_ms == 0) {
        lease->options.lease_ms = RV_LEASE_MS;
    }
    lease->node = rv_id_make(rv_now_us(rv_loop_clock(options->loop)));
    lease->tidied_us = mono_us(lease); /* a short command has no time for it */
    lease->timer = rv_timer_create(options->loop, on_timer, lease);
    lease->busy = rv_timer_create(options->loop, on_busy, lease);
    rv_timer_start(lease->timer, 0);
    if (options->uri != NULL) {
        static const struct rv_link_events events = {.up = on_presence_up,
                                                     .down = on_presence_down,
                                                     .failed = on_presence_failed,
                                                     .synced = on_presence_synced,
                                                     .notified = on_notified};
        lease->presence = rv_link_create(options->loop, options->uri, &events, lease);
    }
    return lease;
}

int64_t rv_lease_node(const struct rv_lease *lease)
{
    return lease->node;
}

int64_t rv_lease_epoch(const struct rv_lease *lease, int32_t tenant)
{
    for (int i = 0; i < lease->count; i++) {
        if (lease->held[i].tenant == tenant) {
            return lease->held[i].epoch;
        }
    }
    return 0;
}

int rv_lease_count(const struct rv_lease *lease)
{
    return lease->count;
}

int32_t rv_lease_tenant(const struct rv_lease *lease, int index)
{
    RV_ASSERT(index >= 0 && index < lease->count);
    return lease->held[index].tenant;
}

int64_t rv_lease_changes(const struct rv_lease *lease)
{
    return lease->changes;
}

static int by_tenant(const void *a, const void *b)
{
    const struct rv_lease_held *left = a;
    const struct rv_lease_held *right = b;
    return (left->tenant > right->tenant) - (left->tenant < right->tenant);
}

int rv_lease_held(const struct rv_lease *lease, struct rv_lease_held *out)
{
    memcpy(out, lease->held, (size_t)lease->count * sizeof *out);
    qsort(out, (size_t)lease->count, sizeof *out, by_tenant);
    return lease->count;
}

void rv_lease_drop(struct rv_lease *lease, int32_t tenant, int64_t epoch)
{
    for (int i = 0; i < lease->count; i++) {
        if (lease->held[i].tenant == tenant && lease->held[i].epoch == epoch) {
            lease->held[i] = lease->held[--lease->count];
            lease->changes++;
            lease->options.lost(lease->options.data, tenant);
            return;
        }
    }
}

void rv_lease_adopt(struct rv_lease *lease, int32_t tenant, int64_t epoch)
{
    int64_t known = rv_lease_epoch(lease, tenant);
    if (known >= epoch || lease->count == RV_LEASE_TENANTS_MAX || lease->closing) {
        return;
    }
    rv_lease_drop(lease, tenant, known);
    lease->held[lease->count++] = (struct rv_lease_held){.tenant = tenant, .epoch = epoch};
    lease->changes++;
    rv_log(RV_LOG_DEBUG, "lease", "GAINED", "tenant=%d epoch=%" PRId64, tenant, epoch);
    lease->options.gained(lease->options.data, tenant, epoch);
}

static void lose_all(struct rv_lease *lease)
{
    lease->changes++;
    while (lease->count > 0) {
        int32_t tenant = lease->held[--lease->count].tenant;
        rv_log(RV_LOG_WARN, "lease", "LEASE-LOST", "tenant=%d node=%" PRId64, tenant, lease->node);
        lease->options.lost(lease->options.data, tenant);
    }
}

/* ---- the connection that shows that we live ---- */

static void lock_presence(struct rv_lease *lease)
{
    struct rv_args *args = rv_args_create(&rv_sql_node_presence);
    rv_args_i64(args, 1, lease->node);
    lease->locking = lease->node;
    lease->present = 0;
    rv_link_send(lease->presence, &rv_sql_node_absence, NULL, -1);
    rv_link_send(lease->presence, &rv_sql_node_presence, args, -1);
    rv_link_sync(lease->presence);
    rv_args_destroy(args);
}

static void on_presence_up(void *data)
{
    struct rv_lease *lease = data;
    rv_link_send(lease->presence, &rv_sql_wake_listen, NULL, -1);
    lock_presence(lease);
}

static void on_presence_down(void *data, const struct rv_error *err)
{
    (void)err;
    struct rv_lease *lease = data;
    lease->locking = 0;
    lease->present = 0;
}

static void on_presence_failed(void *data, int tag, enum rv_code code, const char *state,
                               const struct rv_error *err)
{
    (void)tag;
    (void)code;
    (void)state;
    struct rv_lease *lease = data;
    rv_link_kill(lease->presence, err->message); /* and once more */
}

static void on_presence_synced(void *data)
{
    struct rv_lease *lease = data;
    lease->present = lease->locking;
    lease->locking = 0;
    if (lease->present != lease->node) {
        lock_presence(lease); /* we have become somebody else meanwhile */
        return;
    }
    if (!lease->closing) {
        rv_timer_start(lease->timer, 0); /* say so, and hear whether we are still who we were */
    }
    if (lease->listened && lease->options.woken != NULL) {
        lease->options.woken(lease->options.data, 0);
    }
    lease->listened = true;
}

static void on_notified(void *data, const char *channel, const char *payload)
{
    (void)channel;
    struct rv_lease *lease = data;
    int32_t tenant = (int32_t)strtol(payload, NULL, 10);
    if (lease->options.woken != NULL && tenant > 0) {
        lease->options.woken(lease->options.data, tenant);
    }
}

/* ---- beating ---- */

/* A node whose lease ran out is dead for the others: it goes on under a new identity. */
static void start_over(struct rv_lease *lease)
{
    lose_all(lease);
    lease->node = rv_id_make(rv_now_us(rv_loop_clock(lease->options.loop)));
    if (lease->presence != NULL && rv_link_is_up(lease->presence) && lease->locking == 0) {
        lock_presence(lease);
    } /* else when that answer or that connection is there */
}

static void on_timer(void *data)
{
    struct rv_lease *lease = data;
    if (lease->closing) {
        return;
    }
    rv_timer_start(lease->timer, share_ms(lease, RV_LEASE_BEAT_MS));
    if (lease->renewed_us != 0 && mono_us(lease) - lease->renewed_us >
                                      share_ms(lease, RV_LEASE_MS - RV_LEASE_MARGIN_MS) * 1000) {
        start_over(lease);
        lease->renewed_us = 0;
    }
    if (lease->beating) {
        return;
    }
    lease->beating = true;
    lease->asked_as = lease->node;
    lease->sent_us = mono_us(lease);
    char host[64] = "";
    if (lease->options.name != NULL && lease->options.name[0] != '\0') {
        snprintf(host, sizeof host, "%s", lease->options.name);
    } else {
        gethostname(host, sizeof host - 1);
    }
    struct rv_args *args = rv_args_create(&rv_sql_node_here);
    rv_args_i64(args, 1, lease->node);
    rv_args_text(args, 2, host);
    rv_args_i32(args, 3, (int32_t)getpid());
    rv_args_i64(args, 4, lease->options.lease_ms);
    lease->said = lease->present == lease->node;
    rv_args_bool(args, 5, lease->said);
    rv_db_query(lease->options.db, 0, &rv_sql_node_here, args, on_beat, lease);
}

static void on_beat(void *data, enum rv_code code, const struct rv_result *result,
                    const struct rv_error *err)
{
    struct rv_lease *lease = data;
    lease->beating = false;
    if (lease->closing) {
        end_when_quiet(lease);
        return;
    }
    if (lease->asked_as != lease->node) {
        return; /* an answer to who we were before */
    }
    if (code != RV_OK) {
        rv_log(RV_LOG_WARN, "lease", "BEAT-FAILED", "%s", err->message);
        return;
    }
    if (!rv_result_bool(result, 0, 0)) {
        start_over(lease);
        return;
    }
    lease->renewed_us = lease->sent_us;
    if (lease->present == lease->node && !lease->said) {
        rv_timer_start(lease->timer, 0); /* the lock came while this beat was under way */
    }
    tidy(lease);
    lease->busy_ms = share_ms(lease, RV_LEASE_BUSY_MS);
    claim(lease);
    if (lease->options.beaten != NULL) {
        lease->options.beaten(lease->options.data);
    }
}

/* ---- housekeeping: whichever node has the time ---- */

/* One partition a call: there may be another one to make. */
static void on_made(void *data, enum rv_code code, const struct rv_result *result,
                    const struct rv_error *err)
{
    struct rv_lease *lease = data;
    lease->making = false;
    if (code != RV_OK) {
        rv_log(RV_LOG_WARN, "lease", "PERIOD-FAILED", "%s", err->message);
    }
    const char *made =
        code == RV_OK && rv_result_rows(result) > 0 ? rv_result_text(result, 0, 0) : "";
    if (made[0] != '\0' && strcmp(made, "busy") != 0) {
        rv_log(RV_LOG_INFO, "lease", "PERIOD", "the journal's partitions: %s", made);
        lease->looked_us = 0;
    }
    if (lease->closing) {
        end_when_quiet(lease);
    }
}

/* Long before they are needed: a journal without its period goes into the default partition. */
static void make_periods(struct rv_lease *lease)
{
    lease->looked_us = mono_us(lease);
    lease->making = true;
    struct rv_args *args = rv_args_create(&rv_sql_journal_ahead);
    rv_args_text(args, 1, lease->options.period != NULL ? lease->options.period : "month");
    rv_args_i32(args, 2, RV_JOURNAL_AHEAD);
    rv_db_query_within(lease->options.db, 0, &rv_sql_journal_ahead, args, settle_ms, on_made,
                       lease);
}

static void tidy(struct rv_lease *lease)
{
    if (!lease->pruned) {
        lease->pruned = true;
        rv_db_query(lease->options.db, 0, &rv_sql_node_prune, NULL, on_pruned, NULL);
    }
    if (!lease->making &&
        (lease->looked_us == 0 || mono_us(lease) - lease->looked_us > tidy_every_us)) {
        make_periods(lease);
    }
    if (mono_us(lease) - lease->tidied_us > tidy_every_us) {
        lease->tidied_us = mono_us(lease);
        struct rv_args *args = rv_args_create(&rv_sql_blob_prune);
        rv_args_i64(args, 1, RV_BLOB_KEEP_S);
        rv_args_i32(args, 2, RV_BLOB_PRUNE_MAX);
        rv_db_query(lease->options.db, 0, &rv_sql_blob_prune, args, on_pruned, NULL);
        args = rv_args_create(&rv_sql_journal_sweep);
        rv_args_i32(args, 1, RV_JOURNAL_SWEEP_MAX);
        rv_db_query(lease->options.db, 0, &rv_sql_journal_sweep, args, on_pruned, NULL);
    }
}

/* ---- claiming ---- */

/* What nobody drives; and now and then what is ours by the database: a claim whose answer was lost
 * has taken companies that we do not know of, and that nobody else may take while we live. */
static void claim(struct rv_lease *lease)
{
    enum { HELD_EVERY_CLAIMS = 4 }; /* an unanswered claim may also come through late */
    if (lease->claiming || lease->count == RV_LEASE_TENANTS_MAX) {
        return;
    }
    bool held = lease->unsure || ++lease->claims % HELD_EVERY_CLAIMS == 0;
    const struct rv_statement *statement = held ? &rv_sql_lease_held : &rv_sql_lease_take;
    lease->claiming = true;
    lease->claimed_as = lease->node;
    lease->asked_changes = lease->changes;
    lease->asked_held = held;
    struct rv_args *args = rv_args_create(statement);
    rv_args_i64(args, 1, lease->node);
    if (!held) {
        rv_args_i32(args, 2, lease->options.only_tenant);
        rv_args_i32(args, 3, RV_LEASE_TENANTS_MAX - lease->count);
    }
    rv_db_query(lease->options.db, 0, statement, args, on_claim, lease);
}

static void on_busy(void *data)
{
    struct rv_lease *lease = data;
    if (!lease->closing) {
        claim(lease);
    }
}

static void on_pruned(void *data, enum rv_code code, const struct rv_result *result,
                      const struct rv_error *err)
{
    (void)data;
    (void)result;
    if (code != RV_OK) {
        rv_log(RV_LOG_WARN, "lease", "PRUNE-FAILED", "%s", err->message);
    }
}

static void on_freed(void *data, enum rv_code code, const struct rv_result *result,
                     const struct rv_error *err)
{
    (void)data;
    if (code != RV_OK) {
        rv_log(RV_LOG_WARN, "lease", "FREE-FAILED", "%s", err->message);
    } else if (rv_result_i64(result, 0, 0) > 0) {
        rv_log(RV_LOG_WARN, "lease", "NODE-STOOD-STILL",
               "ended sessions of nodes that stood still within a batch sessions=%" PRId64,
               rv_result_i64(result, 0, 0));
    }
}

/* Companies that could be taken are locked: for a moment, or by a node that stands still. */
static void still_busy(struct rv_lease *lease)
{
    int64_t now_us = rv_mono_us(rv_loop_clock(lease->options.loop));
    lease->busy_ms = lease->busy_ms > 0 ? lease->busy_ms * 2 : 1;
    rv_timer_start(lease->busy, lease->busy_ms);
    if (lease->busy_since_us == 0) {
        lease->busy_since_us = now_us;
    } else if (now_us - lease->busy_since_us > share_ms(lease, RV_LEASE_STUCK_MS) * 1000) {
        struct rv_args *args = rv_args_create(&rv_sql_heads_free);
        lease->busy_since_us = now_us;
        rv_args_i64(args, 1, share_ms(lease, RV_LEASE_STILL_MS));
        rv_db_query(lease->options.db, 0, &rv_sql_heads_free, args, on_freed, NULL);
    }
}

static void on_claim(void *data, enum rv_code code, const struct rv_result *result,
                     const struct rv_error *err)
{
    struct rv_lease *lease = data;
    lease->claiming = false;
    if (lease->closing) {
        end_when_quiet(lease);
        return;
    }
    if (lease->claimed_as != lease->node) {
        return; /* taken by who we were before: free again as soon as that lease ends */
    }
    lease->unsure = code != RV_OK;
    if (code != RV_OK) {
        rv_log(RV_LOG_WARN, "lease", "CLAIM-FAILED", "%s", err->message);
        return;
    }
    if (lease->asked_changes != lease->changes) {
        lease->unsure = true; /* what is in it may have gone since: ask what is ours by now */
        claim(lease);
        return;
    }
    bool busy = false;
    for (int row = 0; row < rv_result_rows(result) && !lease->closing; row++) {
        int32_t tenant = (int32_t)rv_result_i64(result, row, 0);
        if (tenant == 0) {
            busy = true;
        } else {
            rv_lease_adopt(lease, tenant, rv_result_i64(result, row, 1));
        }
    }
    if (busy && !lease->closing) {
        still_busy(lease);
    } else if (!lease->asked_held) {
        lease->busy_since_us = 0;
    }
    if (lease->asked_held && !lease->closing) {
        claim(lease); /* what nobody drives shall not wait for that */
    }
}

void rv_lease_close(struct rv_lease *lease, void (*closed)(void *data), void *data)
{
    lease->closing = true;
    lease->closed = closed;
    lease->closed_data = data;
    rv_timer_close(lease->timer);
    rv_timer_close(lease->busy);
    end_when_quiet(lease);
}

/* Gives back only when nothing of ours is under way that could still take something. */
static void end_when_quiet(struct rv_lease *lease)
{
    if (lease->beating || lease->claiming || lease->making || lease->released) {
        return;
    }
    lease->released = true;
    struct rv_args *args = rv_args_create(&rv_sql_lease_release);
    rv_args_i64(args, 1, lease->node);
    rv_db_query(lease->options.db, 0, &rv_sql_lease_release, args, on_release, lease);
}

static void on_release(void *data, enum rv_code code, const struct rv_result *result,
                       const struct rv_error *err)
{
    (void)code; /* when the database is away the lease ends by itself */
    (void)result;
    (void)err;
    struct rv_lease *lease = data;
    if (lease->presence != NULL) {
        rv_link_close(lease->presence, end, lease);
    } else {
        end(lease);
    }
}

static void end(void *data)
{
    struct rv_lease *lease = data;
    if (lease->closed != NULL) {
        lease->closed(lease->closed_data);
    }
    rv_free(lease);
}
