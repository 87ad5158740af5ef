/* fires.c -- a hash table by id, a queue of ends, a beat; see fires.h. */
#include "runtime/schedule/fires.h"

#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/schedule/strike.h"

#include "schedule_sql.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BEATS_PER_LEASE = 3,
    REASON_MAX = 200,
    BUCKETS_FIRST = 64,
    ENDS_MAX = 1024,     /* in one statement */
    ENDS_ON_THE_WAY = 2, /* statements; the rest gathers */
    BEAT_MAX = 4096      /* leases renewed by one statement */
};

struct fire {
    struct fire *next;       /* in its bucket */
    struct fire *next_ended; /* in the queue */
    int32_t tenant;
    int64_t id;
    int attempt;
    bool finished; /* the action ended, the database does not know yet */
    bool queued;   /* ... and its end waits or is on its way */
    bool told;     /* to stop */
    enum rv_code code;
    char reason[REASON_MAX];
};

struct rv_fires {
    struct rv_fires_options options;
    struct fire **buckets;
    size_t bucket_count, count;
    struct fire *first_ended, **last_ended;
    int on_the_way; /* statements with ends */
    int queries;    /* answers and posts still to come */
    bool posted, closing, released;
    int64_t beat_us; /* monotonic */
    void (*closed)(void *data);
    void *closed_data;
};

/* ---- the table ---- */

static void send_ends(struct rv_fires *fires);
static void release(struct rv_fires *fires);

static struct fire **find(struct rv_fires *fires, int32_t tenant, int64_t id)
{
    struct fire **at = &fires->buckets[(uint64_t)id % fires->bucket_count];
    while (*at != NULL && ((*at)->id != id || (*at)->tenant != tenant)) {
        at = &(*at)->next;
    }
    return at;
}

static void drop(struct rv_fires *fires, struct fire *fire)
{
    struct fire **at = find(fires, fire->tenant, fire->id);
    RV_ASSERT(*at == fire);
    *at = fire->next;
    fires->count--;
    rv_free(fire);
}

static void grow(struct rv_fires *fires)
{
    size_t count = fires->bucket_count * 2;
    struct fire **buckets = rv_alloc_array(count, sizeof *buckets);
    for (size_t i = 0; i < fires->bucket_count; i++) {
        while (fires->buckets[i] != NULL) {
            struct fire *fire = fires->buckets[i];
            struct fire **at = &buckets[(uint64_t)fire->id % count];
            fires->buckets[i] = fire->next;
            fire->next = *at;
            *at = fire;
        }
    }
    rv_free(fires->buckets);
    fires->buckets = buckets;
    fires->bucket_count = count;
}

void rv_fires_put(struct rv_fires *fires, int32_t tenant, int64_t id, int attempt)
{
    if (fires->count == fires->bucket_count) {
        grow(fires);
    }
    struct fire **at = find(fires, tenant, id);
    if (*at != NULL) { /* it was lost to the lease and came back here: the newer attempt counts */
        (*at)->attempt = attempt;
        return;
    }
    *at = rv_alloc(sizeof **at);
    **at = (struct fire){.tenant = tenant, .id = id, .attempt = attempt};
    fires->count++;
}

/* ---- life ---- */

struct rv_fires *rv_fires_create(const struct rv_fires_options *options)
{
    struct rv_fires *fires = rv_alloc(sizeof *fires);
    *fires = (struct rv_fires){.options = *options, .bucket_count = BUCKETS_FIRST};
    fires->buckets = rv_alloc_array(fires->bucket_count, sizeof *fires->buckets);
    fires->last_ended = &fires->first_ended;
    return fires;
}

static void give_back(struct rv_fires *fires);

static void release(struct rv_fires *fires)
{
    if (!fires->closing || fires->queries > 0) {
        return;
    }
    if (!fires->released) { /* after the last end was recorded */
        fires->released = true;
        give_back(fires);
        if (fires->queries > 0) {
            return;
        }
    }
    for (size_t i = 0; i < fires->bucket_count; i++) {
        while (fires->buckets[i] != NULL) {
            struct fire *fire = fires->buckets[i];
            fires->buckets[i] = fire->next;
            rv_free(fire);
        }
    }
    void (*closed)(void *data) = fires->closed;
    void *data = fires->closed_data;
    rv_free(fires->buckets);
    rv_free(fires);
    closed(data);
}

static void release_posted(void *data)
{
    struct rv_fires *fires = data;
    fires->queries--;
    release(fires);
}

void rv_fires_close(struct rv_fires *fires, void (*closed)(void *data), void *data)
{
    send_ends(fires);
    fires->closing = true;
    fires->closed = closed;
    fires->closed_data = data;
    fires->queries++; /* stands for the post: callbacks never run inside the call */
    rv_loop_post(fires->options.loop, release_posted, fires);
}

/* Common to all answers. */
static bool may_go_on(struct rv_fires *fires, enum rv_code code, const struct rv_error *err)
{
    fires->queries--;
    if (code != RV_OK && !fires->closing) {
        rv_log_error("schedule", "SCHEDULE-DB", err); /* the next beat tries again */
    }
    return code == RV_OK && !fires->closing;
}

/* ---- ends ---- */

struct ending {
    struct rv_fires *fires;
    int count;
    struct fire *list[ENDS_MAX];
};

static void on_ended(void *data, enum rv_code code, const struct rv_error *err)
{
    struct ending *ending = data;
    struct rv_fires *fires = ending->fires;
    bool recorded = code == RV_OK;
    may_go_on(fires, code, err);
    fires->on_the_way--;
    for (int i = 0; i < ending->count; i++) {
        if (recorded) {
            drop(fires, ending->list[i]);
        } else {
            ending->list[i]->queued = false;
        }
    }
    rv_free(ending);
    if (!recorded || fires->closing) {
        release(fires);
        return;
    }
    send_ends(fires);
    fires->options.ended(fires->options.data);
}

static void on_ended_well(void *data, enum rv_code code, const struct rv_result *result,
                          const struct rv_error *err)
{
    (void)result;
    on_ended(data, code, err);
}

/* All statements lock fires in this order, so that no two wait for each other. */
static int by_id(const void *a, const void *b)
{
    const struct fire *left = *(struct fire *const *)a;
    const struct fire *right = *(struct fire *const *)b;
    return left->tenant != right->tenant ? (left->tenant > right->tenant ? 1 : -1)
                                         : (left->id > right->id) - (left->id < right->id);
}

static const char *state_of(enum rv_code code)
{
    return code == RV_OK ? "done" : code == RV_CANCELED ? "cancelled" : "failed";
}

/* Neighbours in the queue that are of one tenant go together. */
static void send_ends(struct rv_fires *fires)
{
    while (fires->first_ended != NULL && fires->on_the_way < ENDS_ON_THE_WAY) {
        int32_t tenant = fires->first_ended->tenant;
        struct ending *ending = rv_alloc(sizeof *ending);
        struct rv_args *args = rv_args_create(&rv_sql_schedule_done);
        bool failed = false;
        ending->fires = fires;
        rv_args_i32(args, 1, tenant);
        while (fires->first_ended != NULL && fires->first_ended->tenant == tenant &&
               ending->count < ENDS_MAX) {
            struct fire *fire = fires->first_ended;
            fires->first_ended = fire->next_ended;
            ending->list[ending->count++] = fire;
        }
        qsort(ending->list, (size_t)ending->count, sizeof ending->list[0], by_id);
        for (int i = 0; i < ending->count; i++) {
            const struct fire *fire = ending->list[i];
            failed = failed || (fire->code != RV_OK && fire->code != RV_CANCELED);
            rv_args_i64(args, 2, fire->id);
            rv_args_i32(args, 3, fire->attempt);
            rv_args_text(args, 4, state_of(fire->code));
            rv_args_text(args, 5, fire->code == RV_OK ? NULL : fire->reason);
        }
        fires->last_ended = fires->first_ended == NULL ? &fires->first_ended : fires->last_ended;
        fires->on_the_way++;
        fires->queries++;
        if (failed) {
            rv_schedule_strike(fires->options.committer, tenant, RV_SCHEDULE_PAUSES,
                               &rv_sql_schedule_done, args, on_ended, ending);
        } else {
            rv_db_query(fires->options.db, tenant, &rv_sql_schedule_done, args, on_ended_well,
                        ending);
        }
    }
}

static void send_posted(void *data)
{
    struct rv_fires *fires = data;
    fires->queries--;
    fires->posted = false;
    if (fires->closing) {
        release(fires);
    } else {
        send_ends(fires);
    }
}

static void enqueue(struct rv_fires *fires, struct fire *fire)
{
    fire->queued = true;
    fire->next_ended = NULL;
    *fires->last_ended = fire;
    fires->last_ended = &fire->next_ended;
    if (!fires->posted) { /* those that end in the same round of the loop go together */
        fires->posted = true;
        fires->queries++;
        rv_loop_post(fires->options.loop, send_posted, fires);
    }
}

void rv_fires_done(struct rv_fires *fires, int32_t tenant, int64_t id, enum rv_code code,
                   const char *reason)
{
    struct fire *fire = *find(fires, tenant, id);
    if (fire == NULL || fire->finished || fires->closing) {
        return;
    }
    fire->finished = true;
    fire->code = code;
    snprintf(fire->reason, sizeof fire->reason, "%s", reason != NULL ? reason : rv_code_name(code));
    if (code != RV_OK && code != RV_CANCELED) {
        rv_log(RV_LOG_WARN, "schedule", "SCHEDULE-FAILED",
               "tenant=%d fire=%" PRId64 " code=%s reason=\"%s\"", (int)tenant, id,
               rv_code_name(code), fire->reason);
    }
    enqueue(fires, fire);
}

/* ---- stopping ---- */

static void tell(struct rv_fires *fires, struct fire *fire, const char *why, bool over)
{
    int32_t tenant = fire->tenant;
    int64_t id = fire->id;
    bool told = fire->told;
    fire->told = true;
    if (over) {
        drop(fires, fire);
    }
    if (!told && fires->options.stop != NULL) {
        fires->options.stop(fires->options.stop_data, tenant, id, why);
    }
}

static const char *why_of(const char *what)
{
    return strcmp(what, "cancel") == 0
               ? "a later fire of its schedule is due (overlap cancel_other)"
               : "a later fire of its schedule is due (overlap terminate_other)";
}

void rv_fires_stop(struct rv_fires *fires, int32_t tenant, int64_t id, const char *what)
{
    struct fire *fire = *find(fires, tenant, id);
    if (fire != NULL && !fire->finished) {
        tell(fires, fire, why_of(what), false);
    }
}

/* Whatever is common to all nodes goes on: it is another's, or nobody counts it any more. */
static void let_go(struct rv_fires *fires, struct fire *fire, bool lost)
{
    int32_t tenant = fire->tenant;
    int64_t id = fire->id;
    drop(fires, fire);
    if (lost && fires->options.lost != NULL) {
        fires->options.lost(fires->options.stop_data, tenant, id);
    }
}

/* ---- beats ---- */

struct beating {
    struct rv_fires *fires;
    int32_t tenant;
};

static void on_beaten(void *data, enum rv_code code, const struct rv_result *result,
                      const struct rv_error *err)
{
    struct beating *beating = data;
    struct rv_fires *fires = beating->fires;
    int rows = may_go_on(fires, code, err) ? rv_result_rows(result) : 0;
    for (int row = 0; row < rows; row++) {
        struct fire *fire = *find(fires, beating->tenant, rv_result_i64(result, row, 0));
        if (fire == NULL || fire->finished || fire->attempt != rv_result_i64(result, row, 1)) {
            continue; /* it ended, or came back here, while the beat was on its way */
        }
        const char *what = rv_result_text(result, row, 2);
        bool lost = strcmp(what, "lost") == 0;
        if (lost || strcmp(what, "removed") == 0) {
            rv_log(RV_LOG_INFO, "schedule", "SCHEDULE-LET-GO",
                   "tenant=%d fire=%" PRId64 " attempt=%d %s", (int)fire->tenant, fire->id,
                   fire->attempt, lost ? "lost" : "removed");
            let_go(fires, fire, lost);
        } else {
            tell(fires, fire, why_of(what), rv_result_bool(result, row, 3));
        }
    }
    rv_free(beating);
    release(fires);
}

/* All that are here, in the order in which statements lock them; the caller frees. */
static struct fire **all_by_id(struct rv_fires *fires)
{
    struct fire **list = rv_alloc_array(fires->count + 1, sizeof *list);
    size_t count = 0;
    for (size_t i = 0; i < fires->bucket_count; i++) {
        for (struct fire *fire = fires->buckets[i]; fire != NULL; fire = fire->next) {
            list[count++] = fire;
        }
    }
    qsort(list, count, sizeof *list, by_id);
    return list;
}

/* Ids and attempts of the first ones of `list`, of one company; how many. */
static size_t put_ids(struct rv_args *args, struct fire **list, size_t count)
{
    size_t n = 0;
    for (; n < count && n < BEAT_MAX && list[n]->tenant == list[0]->tenant; n++) {
        rv_args_i64(args, 2, list[n]->id);
        rv_args_i32(args, 3, list[n]->attempt);
    }
    return n;
}

void rv_fires_beat(struct rv_fires *fires)
{
    int64_t now = rv_mono_us(rv_loop_clock(fires->options.loop));
    if (fires->count == 0 ||
        now - fires->beat_us < fires->options.lease_ms * 1000 / BEATS_PER_LEASE) {
        return;
    }
    fires->beat_us = now;
    struct fire **list = all_by_id(fires);
    for (size_t i = 0; i < fires->count;) {
        struct beating *beating = rv_alloc(sizeof *beating);
        struct rv_args *args = rv_args_create(&rv_sql_schedule_beat);
        *beating = (struct beating){.fires = fires, .tenant = list[i]->tenant};
        rv_args_i32(args, 1, beating->tenant);
        i += put_ids(args, &list[i], fires->count - i);
        rv_args_i64(args, 4, fires->options.lease_ms);
        fires->queries++;
        rv_db_query(fires->options.db, beating->tenant, &rv_sql_schedule_beat, args, on_beaten,
                    beating);
    }
    for (size_t i = 0; i < fires->count; i++) {
        if (list[i]->finished && !list[i]->queued) {
            enqueue(fires, list[i]);
        }
    }
    rv_free(list);
}

/* ---- giving back ---- */

/* What could not be given back is handed over when its lease is over. */
static void on_given_back(void *data, enum rv_code code, const struct rv_result *result,
                          const struct rv_error *err)
{
    (void)result;
    struct rv_fires *fires = data;
    may_go_on(fires, code, err);
    release(fires);
}

static void give_back(struct rv_fires *fires)
{
    struct fire **list = all_by_id(fires);
    for (size_t i = 0; i < fires->count;) {
        int32_t tenant = list[i]->tenant;
        struct rv_args *args = rv_args_create(&rv_sql_schedule_release);
        rv_args_i32(args, 1, tenant);
        i += put_ids(args, &list[i], fires->count - i);
        fires->queries++;
        rv_db_query(fires->options.db, tenant, &rv_sql_schedule_release, args, on_given_back,
                    fires);
    }
    rv_free(list);
}
