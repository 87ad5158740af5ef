/* service.c -- one look at a time: which tenants have work, then a turn for each of them.
 *
 * A turn is refresh -> due -> claims (side by side) -> start.  Every step is one short transaction
 * that may be lost or done by another node in between: the next look finds what is left.
 */
#include "runtime/schedule/service.h"

#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "runtime/schedule/due.h"
#include "runtime/schedule/row.h"

#include "schedule_sql.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SECOND_US INT64_C(1000000)

enum { BEATS_PER_LEASE = 3, REASON_MAX = 200, LOOK_SOON_MS = 1 };

/* A zone that is in use; forgotten when tzdata changes. */
struct known_zone {
    struct known_zone *next;
    struct rv_zone *zone;
};

/* A fire this node runs. */
struct running {
    struct running *next;
    int32_t tenant;
    int64_t id;
    int attempt;
    bool beaten;   /* marks those already in a beat's list */
    bool finished; /* the action ended, the database does not know yet */
    bool sending;
    enum rv_code code;
    char reason[REASON_MAX];
};

struct rv_schedule_service {
    struct rv_schedule_options options;
    struct rv_timer *timer;
    struct known_zone *zones;
    char version[RV_ZONE_VERSION_TEXT];
    bool recompute;          /* this look also takes what another tzdata computed */
    int64_t version_read_us; /* monotonic */
    int64_t beat_us;         /* monotonic */
    struct running *running;
    int queries; /* answers still to come */
    int turns;   /* tenants in this look */
    bool looking, again, closing;
    int64_t next_due_us; /* INT64_MAX: nothing known */
    void (*closed)(void *data);
    void *closed_data;
};

struct turn {
    struct rv_schedule_service *service;
    int32_t tenant;
    int claims; /* on their way */
};

static void look(struct rv_schedule_service *service);
static void on_timer(void *data);
static void on_work(void *data, enum rv_code code, const struct rv_result *result,
                    const struct rv_error *err);
static void on_refreshed(void *data, enum rv_code code, const struct rv_result *result,
                         const struct rv_error *err);
static void on_due(void *data, enum rv_code code, const struct rv_result *result,
                   const struct rv_error *err);
static void on_claimed(void *data, enum rv_code code, const struct rv_result *result,
                       const struct rv_error *err);
static void start(struct turn *turn);
static void on_started(void *data, enum rv_code code, const struct rv_result *result,
                       const struct rv_error *err);

static int64_t now_us(const struct rv_schedule_service *service)
{
    return rv_now_us(rv_loop_clock(service->options.loop));
}

static int64_t mono_us(const struct rv_schedule_service *service)
{
    return rv_mono_us(rv_loop_clock(service->options.loop));
}

/* ---- zones ---- */

static void forget_zones(struct rv_schedule_service *service)
{
    while (service->zones != NULL) {
        struct known_zone *known = service->zones;
        service->zones = known->next;
        rv_zone_destroy(known->zone);
        rv_free(known);
    }
}

static enum rv_code find_zone(struct rv_schedule_service *service, const char *name,
                              const struct rv_zone **out, struct rv_error *err)
{
    for (struct known_zone *known = service->zones; known != NULL; known = known->next) {
        if (strcmp(rv_zone_name(known->zone), name) == 0) {
            *out = known->zone;
            return RV_OK;
        }
    }
    struct rv_zone *zone = NULL;
    enum rv_code code = rv_zone_load(NULL, name, &zone, err);
    if (code == RV_OK) {
        struct known_zone *known = rv_alloc(sizeof *known);
        *known = (struct known_zone){.next = service->zones, .zone = zone};
        service->zones = known;
        *out = zone;
    }
    return code;
}

/* Once an hour: has the machine got another tzdata? */
static void check_version(struct rv_schedule_service *service)
{
    char version[RV_ZONE_VERSION_TEXT];
    int64_t now = mono_us(service);
    service->recompute = false;
    if (service->version[0] != '\0' &&
        now - service->version_read_us < RV_SCHEDULE_TZDATA_MS * INT64_C(1000)) {
        return;
    }
    rv_zone_version(NULL, version);
    if (strcmp(version, service->version) != 0) {
        forget_zones(service);
        snprintf(service->version, sizeof service->version, "%s", version);
    }
    service->version_read_us = now;
    service->recompute = true;
}

/* The next look asks again for what was computed with another tzdata. */
static void doubt_version(struct rv_schedule_service *service)
{
    service->version_read_us = mono_us(service) - RV_SCHEDULE_TZDATA_MS * INT64_C(1000);
}

/* ---- life ---- */

struct rv_schedule_service *rv_schedule_service_create(const struct rv_schedule_options *options)
{
    RV_ON_LOOP(options->loop);
    struct rv_schedule_service *service = rv_alloc(sizeof *service);
    service->options = *options;
    if (service->options.look_ms == 0) {
        service->options.look_ms = RV_SCHEDULE_LOOK_MS;
    }
    if (service->options.lease_ms == 0) {
        service->options.lease_ms = RV_SCHEDULE_LEASE_MS;
    }
    service->timer = rv_timer_create(options->loop, on_timer, service);
    rv_timer_start(service->timer, 0);
    return service;
}

static void release(struct rv_schedule_service *service)
{
    if (!service->closing || service->queries > 0) {
        return;
    }
    while (service->running != NULL) {
        struct running *one = service->running;
        service->running = one->next;
        rv_free(one);
    }
    forget_zones(service);
    void (*closed)(void *data) = service->closed;
    void *data = service->closed_data;
    rv_free(service);
    if (closed != NULL) {
        closed(data);
    }
}

static void release_posted(void *data)
{
    struct rv_schedule_service *service = data;
    service->queries--;
    release(service);
}

void rv_schedule_service_close(struct rv_schedule_service *service, void (*closed)(void *data),
                               void *data)
{
    if (service == NULL) {
        if (closed != NULL) {
            closed(data);
        }
        return;
    }
    RV_ASSERT(!service->closing);
    service->closing = true;
    service->closed = closed;
    service->closed_data = data;
    rv_timer_close(service->timer);
    service->queries++; /* stands for the post: callbacks never run inside the call */
    rv_loop_post(service->options.loop, release_posted, service);
}

/* Sends a statement whose answer is counted. */
static void query(struct rv_schedule_service *service, int32_t tenant,
                  const struct rv_statement *statement, struct rv_args *args, rv_db_done done,
                  void *data)
{
    service->queries++;
    rv_db_query(service->options.db, tenant, statement, args, done, data);
}

/* Common to all answers: counts, logs, and says whether to go on. */
static bool may_go_on(struct rv_schedule_service *service, enum rv_code code,
                      const struct rv_error *err)
{
    service->queries--;
    if (code != RV_OK && !service->closing) {
        rv_log_error("schedule", "SCHEDULE-DB", err); /* the next look tries again */
        doubt_version(service);
    }
    return code == RV_OK && !service->closing;
}

/* ---- the end of a fire ---- */

/* Look now, e.g. because a fire that waited may start. */
static void poke(struct rv_schedule_service *service)
{
    RV_ON_LOOP(service->options.loop);
    if (service->looking) {
        service->again = true;
    } else if (!service->closing) {
        rv_timer_start(service->timer, 0);
    }
}

int rv_schedule_running(const struct rv_schedule_service *service)
{
    int count = 0;
    for (const struct running *one = service->running; one != NULL; one = one->next) {
        count += one->finished ? 0 : 1;
    }
    return count;
}

struct ending {
    struct rv_schedule_service *service;
    struct running *one;
};

static void on_ended(void *data, enum rv_code code, const struct rv_result *result,
                     const struct rv_error *err)
{
    (void)result;
    struct ending *ending = data;
    struct rv_schedule_service *service = ending->service;
    struct running *one = ending->one;
    rv_free(ending);
    one->sending = false;
    if (!may_go_on(service, code, err)) {
        release(service);
        return;
    }
    for (struct running **at = &service->running; *at != NULL; at = &(*at)->next) {
        if (*at == one) {
            *at = one->next;
            break;
        }
    }
    rv_free(one);
    poke(service); /* one that was buffered may start now */
}

static void send_end(struct rv_schedule_service *service, struct running *one)
{
    struct ending *ending = rv_alloc(sizeof *ending);
    struct rv_args *args = rv_args_create(&rv_sql_schedule_done);
    *ending = (struct ending){.service = service, .one = one};
    one->sending = true;
    rv_args_i32(args, 1, one->tenant);
    rv_args_i64(args, 2, one->id);
    rv_args_i32(args, 3, one->attempt);
    rv_args_text(args, 4, one->code == RV_OK ? "done" : "failed");
    rv_args_text(args, 5, one->code == RV_OK ? NULL : one->reason);
    query(service, one->tenant, &rv_sql_schedule_done, args, on_ended, ending);
}

void rv_schedule_done(struct rv_schedule_service *service, int32_t tenant, int64_t fire_id,
                      enum rv_code code, const char *reason)
{
    RV_ON_LOOP(service->options.loop);
    for (struct running *one = service->running; one != NULL; one = one->next) {
        if (one->tenant == tenant && one->id == fire_id && !one->finished) {
            one->finished = true;
            one->code = code;
            snprintf(one->reason, sizeof one->reason, "%s",
                     reason != NULL ? reason : rv_code_name(code));
            if (code != RV_OK) {
                rv_log(RV_LOG_WARN, "schedule", "SCHEDULE-FAILED",
                       "tenant=%d fire=%" PRId64 " code=%s reason=\"%s\"", (int)tenant, fire_id,
                       rv_code_name(code), one->reason);
            }
            if (!service->closing) {
                send_end(service, one);
            }
            return;
        }
    }
}

/* ---- beats ---- */

static void on_beaten(void *data, enum rv_code code, const struct rv_result *result,
                      const struct rv_error *err)
{
    (void)result;
    struct rv_schedule_service *service = data;
    may_go_on(service, code, err);
    release(service);
}

/* Renews the leases, one statement per tenant; and repeats ends that could not be recorded. */
static void beat(struct rv_schedule_service *service)
{
    int64_t now = mono_us(service);
    if (now - service->beat_us < service->options.lease_ms * 1000 / BEATS_PER_LEASE) {
        return;
    }
    service->beat_us = now;
    for (struct running *one = service->running; one != NULL; one = one->next) {
        one->beaten = false;
        if (one->finished && !one->sending) {
            send_end(service, one);
        }
    }
    for (struct running *first = service->running; first != NULL; first = first->next) {
        if (first->beaten) {
            continue;
        }
        struct rv_args *args = rv_args_create(&rv_sql_schedule_beat);
        rv_args_i32(args, 1, first->tenant);
        for (struct running *one = first; one != NULL; one = one->next) {
            if (one->tenant == first->tenant) {
                one->beaten = true;
                rv_args_i64(args, 2, one->id);
            }
        }
        rv_args_i64(args, 3, service->options.lease_ms);
        query(service, first->tenant, &rv_sql_schedule_beat, args, on_beaten, service);
    }
}

/* ---- a look ---- */

static void on_timer(void *data)
{
    struct rv_schedule_service *service = data;
    if (!service->closing && !service->looking) {
        beat(service);
        look(service);
    }
}

static void look(struct rv_schedule_service *service)
{
    struct rv_args *args = rv_args_create(&rv_sql_schedule_work);
    service->looking = true;
    service->again = false;
    service->next_due_us = INT64_MAX;
    check_version(service);
    rv_args_time(args, 1, now_us(service));
    rv_args_text(args, 2, service->recompute ? service->version : NULL);
    query(service, 0, &rv_sql_schedule_work, args, on_work, service);
}

/* Sleeps until the next fire is due, at most one look. */
static void end_look(struct rv_schedule_service *service)
{
    service->looking = false;
    if (service->closing) {
        release(service);
        return;
    }
    int64_t wait_ms = service->options.look_ms;
    if (service->again) {
        wait_ms = 0;
    } else if (service->next_due_us != INT64_MAX) {
        int64_t until_ms = (service->next_due_us - now_us(service)) / 1000 + LOOK_SOON_MS;
        wait_ms = until_ms < LOOK_SOON_MS ? LOOK_SOON_MS : until_ms < wait_ms ? until_ms : wait_ms;
    }
    rv_timer_start(service->timer, wait_ms);
}

static void begin_turn(struct rv_schedule_service *service, int32_t tenant)
{
    struct turn *turn = rv_alloc(sizeof *turn);
    struct rv_args *args = rv_args_create(&rv_sql_schedule_refresh);
    *turn = (struct turn){.service = service, .tenant = tenant};
    service->turns++;
    rv_args_i32(args, 1, tenant);
    rv_args_time(args, 2, now_us(service));
    rv_args_i32(args, 3, RV_SCHEDULE_ATTEMPTS_MAX);
    query(service, tenant, &rv_sql_schedule_refresh, args, on_refreshed, turn);
}

static void end_turn(struct turn *turn)
{
    struct rv_schedule_service *service = turn->service;
    rv_free(turn);
    if (--service->turns == 0) {
        end_look(service);
    }
}

static void on_work(void *data, enum rv_code code, const struct rv_result *result,
                    const struct rv_error *err)
{
    struct rv_schedule_service *service = data;
    if (!may_go_on(service, code, err)) {
        end_look(service);
        return;
    }
    service->turns = 1; /* this loop's own share, so that no turn ends the look early */
    for (int row = 0; row < rv_result_rows(result); row++) {
        int32_t tenant = (int32_t)rv_result_i64(result, row, 0);
        if (tenant == 0) {
            if (!rv_result_is_null(result, row, 1)) {
                service->next_due_us = rv_result_time_us(result, row, 1);
            }
        } else if (service->options.drives == NULL ||
                   service->options.drives(service->options.data, tenant)) {
            begin_turn(service, tenant);
        }
    }
    if (--service->turns == 0) {
        end_look(service);
    }
}

/* ---- a tenant's turn ---- */

static void on_refreshed(void *data, enum rv_code code, const struct rv_result *result,
                         const struct rv_error *err)
{
    (void)result;
    struct turn *turn = data;
    struct rv_schedule_service *service = turn->service;
    if (!may_go_on(service, code, err)) {
        end_turn(turn);
        return;
    }
    struct rv_args *args = rv_args_create(&rv_sql_schedule_due);
    rv_args_i32(args, 1, turn->tenant);
    rv_args_time(args, 2, now_us(service));
    rv_args_text(args, 3, service->recompute ? service->version : NULL);
    rv_args_i32(args, 4, RV_SCHEDULE_TURN_MAX);
    query(service, turn->tenant, &rv_sql_schedule_due, args, on_due, turn);
}

static void break_schedule(struct turn *turn, const char *name, const struct rv_error *why)
{
    struct rv_args *args = rv_args_create(&rv_sql_schedule_break);
    rv_log(RV_LOG_ERROR, "schedule", "SCHEDULE-BROKEN", "tenant=%d schedule=%s reason=\"%s\"",
           (int)turn->tenant, name, why->message);
    rv_args_i32(args, 1, turn->tenant);
    rv_args_text(args, 2, name);
    rv_args_text(args, 3, why->message);
    turn->claims++;
    query(turn->service, turn->tenant, &rv_sql_schedule_break, args, on_claimed, turn);
}

static void put_fire(struct rv_args *args, int64_t id, int64_t instant_s, const char *state,
                     const char *reason)
{
    rv_args_i64(args, 8, id);
    rv_args_time(args, 9, instant_s * SECOND_US);
    rv_args_text(args, 10, state);
    rv_args_text(args, 11, reason);
}

static void claim(struct turn *turn, const struct rv_schedule_row *row, const struct rv_due *due,
                  int64_t delay_s)
{
    struct rv_schedule_service *service = turn->service;
    struct rv_args *args = rv_args_create(&rv_sql_schedule_claim);
    int64_t id_time_us = now_us(service);
    rv_args_i32(args, 1, turn->tenant);
    rv_args_text(args, 2, row->name);
    rv_args_time(args, 3, row->next_us);
    if (due->has_next) {
        rv_args_time(args, 4, due->next_s * SECOND_US);
        rv_args_time(args, 5, (due->next_s + delay_s) * SECOND_US);
    } else {
        rv_args_null(args, 4);
        rv_args_null(args, 5);
    }
    rv_args_text(args, 6, service->version);
    if (due->count > 0) {
        rv_args_time(args, 7, due->instants_s[due->count - 1] * SECOND_US);
    } else {
        rv_args_null(args, 7);
    }
    if (due->missed) {
        rv_log(RV_LOG_WARN, "schedule", "SCHEDULE-MISSED",
               "fires older than the catch-up window tenant=%d schedule=%s window_s=%" PRId64,
               (int)turn->tenant, row->name, row->window_s);
        put_fire(args, rv_id_make(id_time_us), row->next_us / SECOND_US, "skipped",
                 "it and perhaps later ones fell out of the catch-up window");
    }
    for (int i = 0; i < due->count; i++) {
        id_time_us += 1000; /* ids of one claim differ in their milliseconds */
        put_fire(args, rv_id_make(id_time_us), due->instants_s[i], "waiting", NULL);
    }
    service->again = service->again || due->count == RV_DUE_MAX;
    turn->claims++;
    query(service, turn->tenant, &rv_sql_schedule_claim, args, on_claimed, turn);
}

/* Moves one schedule on: its due fires, or its next one anew under another tzdata. */
static void move(struct turn *turn, const struct rv_result *result, int index)
{
    struct rv_schedule_service *service = turn->service;
    struct rv_error err = {.code = RV_OK};
    struct rv_schedule_row row;
    struct rv_cron_rules rules = {.zone = NULL};
    struct rv_due due;
    int64_t now_s = now_us(service) / SECOND_US;
    enum rv_code code = rv_schedule_row_read(result, index, &row, &err);
    if (code == RV_OK) {
        code = find_zone(service, row.zone, &rules.zone, &err);
    }
    if (code != RV_OK) {
        break_schedule(turn, rv_result_text(result, index, 0), &err);
        return;
    }
    rules.gap = row.gap;
    rules.fold = row.fold;
    rules.except = &row.except;
    int64_t expected_s = row.next_us / SECOND_US;
    int64_t delay_s = rv_due_delay(turn->tenant, row.name, row.jitter_s);
    if (expected_s + delay_s > now_s) {
        int64_t from_s = now_s - delay_s;
        if (row.has_last && row.last_us / SECOND_US > from_s) {
            from_s = row.last_us / SECOND_US;
        }
        if (!rv_cron_next(&row.cron, &rules, from_s, &expected_s)) {
            rv_fail(&err, RV_INVALID, "it never fires under tzdata %s", service->version);
            break_schedule(turn, row.name, &err);
            return;
        }
    }
    rv_due_compute(&row.cron, &rules, expected_s, delay_s, row.window_s, now_s, &due);
    claim(turn, &row, &due, delay_s);
}

static void on_due(void *data, enum rv_code code, const struct rv_result *result,
                   const struct rv_error *err)
{
    struct turn *turn = data;
    struct rv_schedule_service *service = turn->service;
    if (!may_go_on(service, code, err)) {
        end_turn(turn);
        return;
    }
    int rows = rv_result_rows(result);
    service->again = service->again || rows == RV_SCHEDULE_TURN_MAX;
    if (rows == RV_SCHEDULE_TURN_MAX && service->recompute) {
        doubt_version(service); /* the rest is computed anew in the next look */
    }
    turn->claims = 1; /* this loop's own share */
    for (int row = 0; row < rows; row++) {
        move(turn, result, row);
    }
    if (--turn->claims == 0) {
        start(turn);
    }
}

static void on_claimed(void *data, enum rv_code code, const struct rv_result *result,
                       const struct rv_error *err)
{
    (void)result; /* no row: another node was quicker, which is fine */
    struct turn *turn = data;
    may_go_on(turn->service, code, err);
    if (--turn->claims == 0) {
        start(turn);
    }
}

static void start(struct turn *turn)
{
    if (turn->service->closing) {
        end_turn(turn);
        return;
    }
    struct rv_args *args = rv_args_create(&rv_sql_schedule_start);
    rv_args_i32(args, 1, turn->tenant);
    rv_args_i32(args, 2, RV_SCHEDULE_TURN_MAX);
    rv_args_i64(args, 3, turn->service->options.lease_ms);
    query(turn->service, turn->tenant, &rv_sql_schedule_start, args, on_started, turn);
}

static void on_started(void *data, enum rv_code code, const struct rv_result *result,
                       const struct rv_error *err)
{
    struct turn *turn = data;
    struct rv_schedule_service *service = turn->service;
    bool go_on = may_go_on(service, code, err);
    int rows = go_on ? rv_result_rows(result) : 0;
    service->again = service->again || rows == RV_SCHEDULE_TURN_MAX;
    for (int row = 0; row < rows && !service->closing; row++) {
        struct running *one = rv_alloc(sizeof *one);
        json_t *input = rv_result_json(result, row, 4);
        *one = (struct running){.next = service->running,
                                .tenant = turn->tenant,
                                .id = rv_result_i64(result, row, 0),
                                .attempt = (int)rv_result_i64(result, row, 1)};
        service->running = one;
        rv_log(RV_LOG_INFO, "schedule", "SCHEDULE-FIRE",
               "tenant=%d schedule=%s action=%s fire=%" PRId64 " attempt=%d", (int)turn->tenant,
               rv_result_text(result, row, 2), rv_result_text(result, row, 3), one->id,
               one->attempt);
        service->options.fire(service->options.data, turn->tenant, rv_result_text(result, row, 2),
                              rv_result_text(result, row, 3), input, one->id);
        json_decref(input);
    }
    end_turn(turn);
}
