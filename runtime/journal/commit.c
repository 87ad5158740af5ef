/* commit.c -- queues, fairness, retries; see commit.h.  One batch is commit_batch.c.
 *
 *   link up -> greet (wait for the predecessor's backend, register) -> [lookup of a lost answer] ->
 * batches
 *
 * Tenants take turns.  Within a tenant units go in order; a unit that shares a key with one that is
 * in the batch, or with an earlier one that had to wait, waits too.  A statement that fails sends
 * the batch back in halves until the poison unit is alone and gets the error.
 */
#include "db_sql.h"
#include "journal_sql.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "runtime/journal/commit_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void start(void *data);
static void on_pause_over(void *data);
static void on_sweep(void *data);
static void close_link(struct rv_committer *committer);
static void on_up(void *data);
static void on_down(void *data, const struct rv_error *err);
static void on_result(void *data, int tag, const struct rv_result *result);
static void on_failed(void *data, int tag, enum rv_code code, const char *state,
                      const struct rv_error *err);
static void on_synced(void *data);

/* ---- lifecycle ---- */

static bool is_wake(const struct rv_committer_options *options, const struct rv_statement *one)
{
    const struct rv_statement *const *at = options->wakes;
    while (at != NULL && *at != NULL && *at != one) {
        at++;
    }
    return at != NULL && *at != NULL;
}

struct rv_committer *rv_committer_create(const struct rv_committer_options *options)
{
    static const struct rv_link_events events = {.up = on_up,
                                                 .down = on_down,
                                                 .result = on_result,
                                                 .failed = on_failed,
                                                 .synced = on_synced};
    struct rv_committer *committer = rv_alloc(sizeof *committer);
    committer->options = *options;
    for (const struct rv_statement *const *at = options->write_order; *at != NULL; at++) {
        RV_ASSERT(committer->write_count < COMMIT_WRITES_MAX);
        committer->writes[committer->write_count++] =
            (struct write){.statement = *at, .wakes = is_wake(options, *at)};
    }
    committer->head_args = rv_args_create(&rv_sql_head_update);
    committer->lock_args = rv_args_create(&rv_sql_head_lock);
    committer->fence_args = rv_args_create(&rv_sql_head_fence);
    committer->tenant_args = rv_args_create(&rv_sql_batch_begin);
    committer->lookup_args = rv_args_create(&rv_sql_commit_lookup);
    committer->writer_args = rv_args_create(&rv_sql_writer_lock);
    committer->wake_args = rv_args_create(&rv_sql_wake_tell);
    committer->writer = rv_id_make(rv_now_us(rv_loop_clock(options->loop)));
    committer->pause = rv_timer_create(options->loop, on_pause_over, committer);
    committer->sweep = rv_timer_create(options->loop, on_sweep, committer);
    rv_timer_start(committer->sweep, COMMIT_SWEEP_MS);
    committer->link = rv_link_create(options->loop, options->database_uri, &events, committer);
    return committer;
}

static void finish(struct rv_committer *committer, struct rv_unit *unit, enum rv_code code,
                   const struct rv_error *err)
{
    committer->stats.queued--;
    unit->load_count = unit->base_loads;
    unit->done(unit, code, err);
}

static void link_closed(void *data)
{
    struct rv_committer *committer = data;
    if (committer->closed != NULL) {
        committer->closed(committer->closed_data);
    }
    for (int i = 0; i < committer->write_count; i++) {
        rv_args_destroy(committer->writes[i].args);
    }
    rv_args_destroy(committer->head_args);
    rv_args_destroy(committer->lock_args);
    rv_args_destroy(committer->fence_args);
    rv_args_destroy(committer->tenant_args);
    rv_args_destroy(committer->lookup_args);
    rv_args_destroy(committer->writer_args);
    rv_args_destroy(committer->wake_args);
    rv_free(committer);
}

static void cancel_queues(struct rv_committer *committer)
{
    struct rv_error err = {.code = RV_OK};
    rv_fail(&err, RV_CANCELED, "the runtime is stopping; nothing of this was written");
    while (committer->tenants != NULL) {
        struct tenant_queue *queue = committer->tenants;
        committer->tenants = queue->next;
        while (queue->first != NULL) {
            struct rv_unit *unit = queue->first;
            queue->first = unit->next;
            finish(committer, unit, RV_CANCELED, &err);
        }
        rv_free(queue);
    }
}

void rv_committer_close(struct rv_committer *committer, void (*closed)(void *data), void *data)
{
    committer->closing = true;
    committer->closing_us = rv_mono_us(rv_loop_clock(committer->options.loop));
    committer->closed = closed;
    committer->closed_data = data;
    cancel_queues(committer);
    close_link(committer);
}

/* When nothing is in flight any more; a start that is posted comes back here. */
static void close_link(struct rv_committer *committer)
{
    if (committer->batch != NULL || committer->start_posted || committer->link_closing) {
        return;
    }
    committer->link_closing = true;
    rv_timer_close(committer->pause);
    rv_timer_close(committer->sweep);
    rv_link_close(committer->link, link_closed, committer);
}

const struct rv_clock *rv_committer_clock(const struct rv_committer *committer)
{
    return rv_loop_clock(committer->options.loop);
}

void rv_committer_stats(const struct rv_committer *committer, struct rv_commit_stats *out)
{
    *out = (struct rv_commit_stats){.units = committer->stats.units,
                                    .batches = committer->stats.batches,
                                    .retries = committer->stats.retries,
                                    .splits = committer->stats.splits,
                                    .reconnects = committer->stats.reconnects,
                                    .queued = committer->stats.queued};
}

/* ---- submitting ---- */

static struct tenant_queue *queue_of(struct rv_committer *committer, int32_t tenant)
{
    struct tenant_queue **link = &committer->tenants;
    for (; *link != NULL; link = &(*link)->next) {
        if ((*link)->tenant == tenant) {
            return *link;
        }
    }
    struct tenant_queue *queue = rv_alloc(sizeof *queue);
    *queue = (struct tenant_queue){.tenant = tenant, .limit = RV_BATCH_UNITS_MAX};
    queue->last = &queue->first;
    *link = queue;
    return queue;
}

static void start_soon(struct rv_committer *committer)
{
    if (!committer->start_posted && committer->batch == NULL && !committer->link_closing) {
        committer->start_posted = true;
        rv_loop_post(committer->options.loop, start, committer);
    }
}

struct refusal {
    struct rv_committer *committer;
    struct rv_unit *unit;
    enum rv_code code;
    struct rv_error err;
};

static void refuse_now(void *data)
{
    struct refusal *refusal = data;
    refusal->unit->done(refusal->unit, refusal->code, &refusal->err);
    rv_free(refusal);
}

static void refuse(struct rv_committer *committer, struct rv_unit *unit)
{
    struct refusal *refusal = rv_alloc(sizeof *refusal);
    refusal->committer = committer;
    refusal->unit = unit;
    refusal->code =
        committer->closing
            ? rv_fail(&refusal->err, RV_CANCELED, "the runtime is stopping")
            : rv_fail(&refusal->err, RV_UNAVAILABLE,
                      "more than %d writes are waiting for the database", COMMIT_QUEUE_MAX);
    rv_loop_post(committer->options.loop, refuse_now, refusal);
}

void rv_commit(struct rv_committer *committer, struct rv_unit *unit)
{
    RV_ON_LOOP(committer->options.loop);
    unit->next = NULL;
    unit->tries = 0;
    unit->base_loads = unit->load_count;
    if (committer->closing || committer->stats.queued >= COMMIT_QUEUE_MAX) {
        refuse(committer, unit);
        return;
    }
    struct tenant_queue *queue = queue_of(committer, unit->tenant);
    *queue->last = unit;
    queue->last = &unit->next;
    committer->stats.queued++;
    start_soon(committer);
}

/* ---- forming a batch ---- */

static uint32_t hash_key(const char *key)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *key != '\0'; key++) {
        hash = (hash ^ (unsigned char)*key) * 16777619u;
    }
    return hash;
}

/* Adds the key to this batch's set; true when it was there. */
static bool key_taken(struct rv_committer *committer, const char *key, bool add)
{
    uint32_t at = hash_key(key) & (COMMIT_KEYS_TABLE - 1);
    while (committer->key_used[at] == committer->key_generation) {
        if (strcmp(committer->key_table[at], key) == 0) {
            return true;
        }
        at = (at + 1) & (COMMIT_KEYS_TABLE - 1);
    }
    if (add) {
        committer->key_used[at] = committer->key_generation;
        committer->key_table[at] = key;
    }
    return false;
}

static bool keys_free(struct rv_committer *committer, const struct rv_unit *unit)
{
    bool is_free = true;
    for (int i = 0; i < RV_UNIT_KEYS_MAX && unit->keys[i] != NULL; i++) {
        is_free = is_free && !key_taken(committer, unit->keys[i], false);
    }
    for (int i = 0; i < RV_UNIT_KEYS_MAX && unit->keys[i] != NULL; i++) {
        key_taken(committer, unit->keys[i], true); /* also when it waits: order within a key */
    }
    return is_free;
}

static bool is_plain(const struct rv_unit *unit)
{
    return unit->load_count == 0 && !unit->needs_head && unit->effect == NULL;
}

static struct rv_batch *form(struct rv_committer *committer, struct tenant_queue *queue)
{
    enum { LOOK_AHEAD = 4 * RV_BATCH_UNITS_MAX, KEYS_LOOKED_MAX = COMMIT_KEYS_TABLE / 2 };
    struct rv_batch *batch = batch_create(committer, queue->tenant);
    committer->key_generation++;
    bool one_epoch = true;
    int looked = 0;
    int keys = 0;
    struct rv_unit **link = &queue->first;
    while (*link != NULL && batch->count < queue->limit && looked++ < LOOK_AHEAD &&
           keys < KEYS_LOOKED_MAX) {
        struct rv_unit *unit = *link;
        if (unit->effect != NULL && batch->count > 0) {
            break; /* alone, and in its turn */
        }
        keys += RV_UNIT_KEYS_MAX;
        if (!keys_free(committer, unit)) {
            link = &unit->next;
            continue;
        }
        *link = unit->next;
        if (unit->next == NULL) {
            queue->last = link;
        }
        unit->next = NULL;
        batch->plain = batch->plain && is_plain(unit);
        one_epoch = one_epoch && (batch->count == 0 || unit->epoch == batch->units[0]->epoch);
        batch->units[batch->count++] = unit;
        if (unit->effect != NULL) {
            break;
        }
    }
    batch->plain = batch->plain && one_epoch;
    batch->id = committer->last_id = rv_id_make(rv_now_us(rv_loop_clock(committer->options.loop)));
    batch->started_us = rv_mono_us(rv_loop_clock(committer->options.loop));
    RV_ASSERT(batch->count > 0);
    return batch;
}

/* The first tenant with work goes to the end of the ring. */
static struct tenant_queue *next_tenant(struct rv_committer *committer)
{
    struct tenant_queue **link = &committer->tenants;
    while (*link != NULL && (*link)->first == NULL) {
        link = &(*link)->next;
    }
    struct tenant_queue *queue = *link;
    if (queue == NULL) {
        return NULL;
    }
    *link = queue->next;
    queue->next = NULL;
    struct tenant_queue **end = &committer->tenants;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = queue;
    return queue;
}

static void start(void *data)
{
    struct rv_committer *committer = data;
    committer->start_posted = false;
    if (committer->batch != NULL) {
        return;
    }
    if (committer->closing) {
        close_link(committer);
        return;
    }
    if (!committer->greeted || committer->paused || !rv_link_is_up(committer->link)) {
        return; /* whatever ends that starts again */
    }
    struct tenant_queue *queue = next_tenant(committer);
    if (queue != NULL) {
        committer->batch = form(committer, queue);
        committer->stats.batches++;
        batch_begin(committer->batch);
    }
}

/* ---- how a batch ends ---- */

void committer_put_back(struct rv_committer *committer, struct rv_batch *batch, int first)
{
    struct tenant_queue *queue = queue_of(committer, batch->tenant);
    for (int i = batch->count - 1; i >= first; i--) {
        struct rv_unit *unit = batch->units[i];
        unit->load_count = unit->base_loads;
        unit->next = queue->first;
        queue->first = unit;
        if (unit->next == NULL) {
            queue->last = &unit->next;
        }
    }
    batch->count = first;
}

/* All of them; the next batch takes at most `limit`. */
static void put_back(struct rv_committer *committer, struct rv_batch *batch, int limit)
{
    committer_put_back(committer, batch, 0);
    queue_of(committer, batch->tenant)->limit = limit > 0 ? limit : 1;
}

static bool is_transient(const char *state)
{
    return strncmp(state, "40", 2) == 0 || strcmp(state, "55P03") == 0 ||
           strncmp(state, "57P", 3) == 0 || strncmp(state, "53", 2) == 0;
}

static bool tried_too_often(const struct rv_batch *batch)
{
    for (int i = 0; i < batch->count; i++) {
        if (++batch->units[i]->tries > COMMIT_TRIES_MAX) {
            return true;
        }
    }
    return false;
}

/* What failed for a reason outside the units gets some time to go away. */
static void pause_a_while(struct rv_committer *committer)
{
    committer->pause_ms = committer->pause_ms * 2 > COMMIT_PAUSE_MAX_MS ? COMMIT_PAUSE_MAX_MS
                                                                        : committer->pause_ms * 2;
    committer->pause_ms =
        committer->pause_ms < COMMIT_PAUSE_MIN_MS ? COMMIT_PAUSE_MIN_MS : committer->pause_ms;
    committer->paused = true;
    rv_timer_start(committer->pause, committer->pause_ms);
}

static void on_pause_over(void *data)
{
    struct rv_committer *committer = data;
    committer->paused = false;
    start_soon(committer);
}

/* A statement of the batch failed and everything was rolled back. */
static void retry_or_blame(struct rv_committer *committer, struct rv_batch *batch)
{
    struct rv_error err = batch->fail;
    enum rv_code code = batch->fail_code;
    if (batch->fenced) {
        rv_error_clear(&err);
        code = rv_fail(&err, RV_CONFLICT, "another node drives this company now");
        for (int i = 0; i < batch->count; i++) {
            finish(committer, batch->units[i], code, &err);
        }
    } else if (code == RV_NOT_FOUND && !batch->has_head) {
        for (int i = 0; i < batch->count; i++) {
            finish(committer, batch->units[i], code, &err);
        }
    } else if (is_transient(batch->fail_state) && !tried_too_often(batch)) {
        committer->stats.retries++;
        put_back(committer, batch, batch->count);
        pause_a_while(committer);
    } else if (batch->count == 1) {
        finish(committer, batch->units[0], code, &err);
    } else {
        committer->stats.splits++;
        put_back(committer, batch, batch->count / 2);
    }
}

void committer_batch_over(struct rv_committer *committer, struct rv_batch *batch, bool committed)
{
    committer->batch = NULL;
    if (batch->phase == BATCH_LOOKUP && !committed) {
        put_back(committer, batch, batch->count);
    } else if (!committed && batch->failed) {
        retry_or_blame(committer, batch);
    } else {
        struct tenant_queue *queue = queue_of(committer, batch->tenant);
        queue->limit =
            queue->limit * 2 > RV_BATCH_UNITS_MAX ? RV_BATCH_UNITS_MAX : queue->limit * 2;
        committer->pause_ms = 0;
        if (batch->wakes && committer->options.woke != NULL) {
            committer->options.woke(committer->options.wake_data, batch->tenant);
        }
        static const struct rv_error none = {.code = RV_OK};
        for (int i = 0; i < batch->count; i++) {
            const struct verdict *verdict = &batch->verdicts[i];
            committer->stats.units += verdict->code == RV_OK;
            finish(committer, batch->units[i], verdict->code,
                   verdict->err != NULL ? verdict->err : &none);
        }
    }
    batch_destroy(batch);
    if (committer->closing) {
        cancel_queues(committer);
    }
    start_soon(committer);
}

/* ---- what the link tells ---- */

/* Nobody but us may still commit under our name before we ask and go on. */
static void on_up(void *data)
{
    struct rv_committer *committer = data;
    committer->greeting = true;
    rv_args_reset(committer->writer_args);
    rv_args_i64(committer->writer_args, 1, committer->writer);
    rv_link_send(committer->link, &rv_sql_writer_lock, committer->writer_args, -1);
    rv_link_send(committer->link, &rv_sql_writer_register, committer->writer_args, -1);
    rv_link_send(committer->link, &rv_sql_writer_prune, NULL, -1);
    rv_link_sync(committer->link);
}

static void greeted(struct rv_committer *committer)
{
    committer->greeting = false;
    committer->greeted = true;
    if (committer->batch != NULL) {
        batch_lookup(committer->batch); /* its answer was lost with the last connection */
    } else {
        start_soon(committer);
    }
}

static void on_down(void *data, const struct rv_error *err)
{
    (void)err;
    struct rv_committer *committer = data;
    struct rv_batch *batch = committer->batch;
    committer->greeting = false;
    committer->greeted = false;
    committer->stats.reconnects++;
    if (batch == NULL) {
        return;
    }
    if (batch->phase == BATCH_COMMITTING || batch->phase == BATCH_LOOKUP) {
        rv_log(RV_LOG_WARN, "journal", "COMMIT-UNKNOWN",
               "answer lost batch=%" PRId64 " units=%d: looking it up", batch->id, batch->count);
        batch->phase = BATCH_LOOKUP;
        return; /* kept until the database can be asked */
    }
    batch_forget_states(batch);
    committer->batch = NULL;
    put_back(committer, batch, batch->count);
    batch_destroy(batch);
    if (committer->closing) {
        cancel_queues(committer);
        close_link(committer);
    }
}

/* Stopping, and the database stays away: the journal will tell on the next start. */
static void give_up_lookup(struct rv_committer *committer)
{
    struct rv_batch *batch = committer->batch;
    struct rv_error err = {.code = RV_OK};
    rv_fail(&err, RV_UNAVAILABLE,
            "stopping while the database is away: whether this was written is unknown");
    rv_hint(&err, "Read the journal again after the next start.");
    committer->batch = NULL;
    batch_forget_states(batch);
    for (int i = 0; i < batch->count; i++) {
        finish(committer, batch->units[i], RV_UNAVAILABLE, &err);
    }
    batch_destroy(batch);
    cancel_queues(committer);
    close_link(committer);
}

static void on_sweep(void *data)
{
    struct rv_committer *committer = data;
    const struct rv_batch *batch = committer->batch;
    int64_t now_us = rv_mono_us(rv_loop_clock(committer->options.loop));
    rv_timer_start(committer->sweep, COMMIT_SWEEP_MS);
    if (batch != NULL && batch->phase == BATCH_LOOKUP) {
        if (committer->closing && now_us - committer->closing_us > COMMIT_CLOSE_MS * 1000) {
            give_up_lookup(committer);
        }
    } else if (batch != NULL && now_us - batch->started_us > COMMIT_STUCK_MS * INT64_C(1000)) {
        rv_link_kill(committer->link, "a transaction stands still");
    }
}

static void on_result(void *data, int tag, const struct rv_result *result)
{
    struct rv_committer *committer = data;
    if (committer->batch != NULL) {
        batch_result(committer->batch, tag, result);
    }
}

static void on_failed(void *data, int tag, enum rv_code code, const char *state,
                      const struct rv_error *err)
{
    struct rv_committer *committer = data;
    struct rv_batch *batch = committer->batch;
    if (committer->greeting) {
        rv_link_kill(committer->link, err->message); /* and greets again */
        return;
    }
    if (batch == NULL || batch->failed) {
        return;
    }
    batch->failed = true;
    batch->fenced = tag == BATCH_TAG_FENCE && strcmp(state, "22012") == 0;
    batch->fail_code = code;
    batch->fail = *err;
    snprintf(batch->fail_state, sizeof batch->fail_state, "%s", state);
    if (strcmp(state, "0A000") == 0 || strcmp(state, "26000") == 0) {
        rv_link_kill(committer->link, "a prepared statement went stale"); /* prepares all anew */
        return;
    }
    if (batch->phase == BATCH_LOADING || batch->phase == BATCH_LOADING_MORE) {
        rv_link_sync(committer->link); /* no sync was sent yet: end the broken transaction */
    }
}

static void on_synced(void *data)
{
    struct rv_committer *committer = data;
    if (committer->greeting) {
        greeted(committer);
    } else if (committer->batch != NULL) {
        batch_synced(committer->batch);
    }
}
