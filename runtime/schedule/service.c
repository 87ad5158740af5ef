/* service.c -- one look at a time: which tenants have work, then a turn for each of them.
 *
 * A turn is refresh [-> lost] -> due -> claim -> start.  Every step is one short transaction that
 * may be lost or done by another node in between: the next look finds what is left.
 */
#include "runtime/schedule/service.h"

#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "runtime/schedule/fires.h"
#include "runtime/schedule/row.h"
#include "runtime/schedule/strike.h"

#include "schedule_sql.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SECOND_US INT64_C(1000000)

enum { LOOK_SOON_MS = 1 };

/* A zone that is in use; forgotten when tzdata changes. */
struct known_zone {
    struct known_zone *next;
    struct rv_zone *zone;
};

struct rv_schedule_service {
    struct rv_schedule_options options;
    struct rv_timer *timer;
    struct rv_fires *fires; /* NULL once closed */
    struct known_zone *zones;
    char version[RV_ZONE_VERSION_TEXT];
    bool recompute;          /* this look also takes what another tzdata computed */
    int64_t version_read_us; /* monotonic */
    int queries;             /* answers still to come */
    int turns;               /* tenants in this look */
    bool looking, again, closing;
    int64_t next_due_us; /* INT64_MAX: nothing known */
    int64_t asked_us;    /* when this look asked, by the loop's clock */
    int64_t ahead_us;    /* the database's clock is, of the loop's; 0: hardly */
    void (*closed)(void *data);
    void *closed_data;
};

/* A company's calendar, as this turn read it. */
struct known_calendar {
    struct known_calendar *next;
    char name[RV_CALENDAR_NAME_MAX + 1];
    struct rv_calendar calendar;
};

/* A schedule in the turn's claim, whose one fire may start in the same breath. */
struct claimed {
    char name[RV_SCHEDULE_NAME_MAX + 1];
    char action[RV_SCHEDULE_ACTION_MAX + 1];
    json_t *input; /* NULL: none is due, or it is missed */
};

struct turn {
    struct rv_schedule_service *service;
    int32_t tenant;
    struct known_calendar *calendars;
    bool lost;               /* fires that took a node down once too often */
    struct rv_args *claim;   /* being filled; NULL: nothing to claim */
    int64_t first_id;        /* of the fires in it, which are numbered on from there */
    int fires, fires_room;   /* in it */
    struct claimed *claimed; /* of each of these fires */
    int changes;             /* statements on their way */
};

static void poke(void *data);
static void on_timer(void *data);
static void look(struct rv_schedule_service *service);
static void on_work(void *data, enum rv_code code, const struct rv_result *result,
                    const struct rv_error *err);
static void on_refreshed(void *data, enum rv_code code, const struct rv_result *result,
                         const struct rv_error *err);
static void on_rested(void *data, enum rv_code code, const struct rv_error *err);
static void look_lost(struct turn *turn);
static void on_lost(void *data, enum rv_code code, const struct rv_error *err);
static void look_due(struct turn *turn);
static void on_due(void *data, enum rv_code code, const struct rv_result *result,
                   const struct rv_error *err);
static void on_changed(void *data, enum rv_code code, const struct rv_result *result,
                       const struct rv_error *err);
static void on_claimed(void *data, enum rv_code code, const struct rv_result *result,
                       const struct rv_error *err);
static void begin_fire(struct turn *turn, int64_t id, int attempt, const char *name,
                       const char *action, const json_t *input);
static void start(struct turn *turn);
static void on_started(void *data, enum rv_code code, const struct rv_result *result,
                       const struct rv_error *err);

static int64_t now_us(const struct rv_schedule_service *service)
{
    return rv_now_us(rv_loop_clock(service->options.loop)) + service->ahead_us;
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
    RV_ASSERT(options->committer != NULL);
    struct rv_schedule_service *service = rv_alloc(sizeof *service);
    service->options = *options;
    if (service->options.look_ms == 0) {
        service->options.look_ms = RV_SCHEDULE_LOOK_MS;
    }
    if (service->options.lease_ms == 0) {
        service->options.lease_ms = RV_SCHEDULE_LEASE_MS;
    }
    service->fires =
        rv_fires_create(&(struct rv_fires_options){.loop = options->loop,
                                                   .db = options->db,
                                                   .committer = options->committer,
                                                   .lease_ms = service->options.lease_ms,
                                                   .stop = options->stop,
                                                   .lost = options->lost,
                                                   .stop_data = options->data,
                                                   .ended = poke,
                                                   .data = service});
    service->timer = rv_timer_create(options->loop, on_timer, service);
    rv_timer_start(service->timer, 0);
    return service;
}

static void release(struct rv_schedule_service *service)
{
    if (!service->closing || service->queries > 0 || service->fires != NULL) {
        return;
    }
    forget_zones(service);
    void (*closed)(void *data) = service->closed;
    void *data = service->closed_data;
    rv_free(service);
    if (closed != NULL) {
        closed(data);
    }
}

static void on_fires_closed(void *data)
{
    struct rv_schedule_service *service = data;
    service->fires = NULL;
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
    rv_fires_close(service->fires, on_fires_closed, service);
}

void rv_schedule_done(struct rv_schedule_service *service, int32_t tenant, int64_t fire_id,
                      enum rv_code code, const char *reason)
{
    RV_ON_LOOP(service->options.loop);
    if (service->fires != NULL) {
        rv_fires_done(service->fires, tenant, fire_id, code, reason);
    }
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

/* ---- a look ---- */

/* Look now: a fire that waited may start. */
static void poke(void *data)
{
    struct rv_schedule_service *service = data;
    if (service->looking) {
        service->again = true;
    } else if (!service->closing) {
        rv_timer_start(service->timer, 0);
    }
}

static void on_timer(void *data)
{
    struct rv_schedule_service *service = data;
    if (!service->closing && !service->looking) {
        rv_fires_beat(service->fires);
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
    service->asked_us = rv_now_us(rv_loop_clock(service->options.loop));
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
    while (turn->calendars != NULL) {
        struct known_calendar *known = turn->calendars;
        turn->calendars = known->next;
        rv_free(known);
    }
    for (int i = 0; i < turn->fires; i++) {
        json_decref(turn->claimed[i].input);
    }
    rv_free(turn->claimed);
    rv_free(turn);
    if (--service->turns == 0) {
        end_look(service);
    }
}

/* By how much the clocks are apart, as well as an answer can say.  False: that was another
 * difference than this look went by. */
static bool compare_clocks(struct rv_schedule_service *service, int64_t database_us)
{
    const int64_t most_us = RV_SCHEDULE_APART_MS * INT64_C(1000);
    int64_t took_us = rv_now_us(rv_loop_clock(service->options.loop)) - service->asked_us;
    if (took_us < 0 || took_us > most_us) {
        return true; /* too long ago to say */
    }
    int64_t ahead_us = database_us - service->asked_us - took_us / 2;
    bool apart = ahead_us > most_us || ahead_us < -most_us;
    int64_t changed_us = (apart ? ahead_us : 0) - service->ahead_us;
    if (changed_us <= most_us && changed_us >= -most_us) {
        return true;
    }
    service->ahead_us = apart ? ahead_us : 0;
    rv_log(RV_LOG_WARN, "schedule", "SCHEDULE-CLOCK",
           apart
               ? "this machine's clock is %.1f s off the database's, by which schedules go: set it"
               : "this machine's clock is right again (%.1f s off the database's)",
           (double)ahead_us / (double)SECOND_US);
    return false;
}

static void on_work(void *data, enum rv_code code, const struct rv_result *result,
                    const struct rv_error *err)
{
    struct rv_schedule_service *service = data;
    if (!may_go_on(service, code, err)) {
        end_look(service);
        return;
    }
    if (service->options.database_clock &&
        !compare_clocks(service, rv_result_time_us(result, 0, 2))) {
        service->again = true;
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

static void take_calendars(struct turn *turn, const struct rv_result *result)
{
    for (int row = 0; row < rv_result_rows(result); row++) {
        if (rv_result_is_null(result, row, 0)) {
            continue; /* the company has none */
        }
        struct rv_error err = {.code = RV_OK};
        struct known_calendar *known = rv_alloc(sizeof *known);
        snprintf(known->name, sizeof known->name, "%s", rv_result_text(result, row, 0));
        if (rv_calendar_row_read(result, row, 1, &known->calendar, &err) != RV_OK) {
            rv_log_error("schedule", "SCHEDULE-CALENDAR", &err); /* as if there were none of it */
            rv_free(known);
            continue;
        }
        known->next = turn->calendars;
        turn->calendars = known;
    }
}

static void on_refreshed(void *data, enum rv_code code, const struct rv_result *result,
                         const struct rv_error *err)
{
    struct turn *turn = data;
    struct rv_schedule_service *service = turn->service;
    if (!may_go_on(service, code, err)) {
        end_turn(turn);
        return;
    }
    take_calendars(turn, result);
    turn->lost = rv_result_i64(result, 0, 3) > 0;
    if (rv_result_i64(result, 0, 4) == 0) {
        look_lost(turn);
        return;
    }
    struct rv_args *args = rv_args_create(&rv_sql_schedule_rested);
    rv_args_i32(args, 1, turn->tenant);
    rv_args_time(args, 2, now_us(service));
    service->queries++;
    rv_schedule_strike(service->options.committer, turn->tenant, RV_SCHEDULE_RESUMES,
                       &rv_sql_schedule_rested, args, on_rested, turn);
}

/* Pauses whose time is over have ended. */
static void on_rested(void *data, enum rv_code code, const struct rv_error *err)
{
    struct turn *turn = data;
    if (may_go_on(turn->service, code, err)) {
        look_lost(turn);
    } else {
        end_turn(turn);
    }
}

static void look_lost(struct turn *turn)
{
    struct rv_schedule_service *service = turn->service;
    if (!turn->lost) {
        look_due(turn);
        return;
    }
    struct rv_args *args = rv_args_create(&rv_sql_schedule_lost);
    rv_args_i32(args, 1, turn->tenant);
    rv_args_i32(args, 2, RV_SCHEDULE_ATTEMPTS_MAX);
    service->queries++;
    rv_schedule_strike(service->options.committer, turn->tenant, RV_SCHEDULE_PAUSES,
                       &rv_sql_schedule_lost, args, on_lost, turn);
}

/* Fires that took their node down too often have failed. */
static void on_lost(void *data, enum rv_code code, const struct rv_error *err)
{
    struct turn *turn = data;
    if (may_go_on(turn->service, code, err)) {
        look_due(turn);
    } else {
        end_turn(turn);
    }
}

static void look_due(struct turn *turn)
{
    struct rv_schedule_service *service = turn->service;
    struct rv_args *args = rv_args_create(&rv_sql_schedule_due);
    rv_args_i32(args, 1, turn->tenant);
    rv_args_time(args, 2, now_us(service));
    rv_args_text(args, 3, service->recompute ? service->version : NULL);
    rv_args_i32(args, 4, RV_SCHEDULE_TURN_MAX);
    query(service, turn->tenant, &rv_sql_schedule_due, args, on_due, turn);
}

static void break_schedule(struct turn *turn, const char *name, const struct rv_error *why)
{
    struct rv_args *args = rv_schedule_args(&rv_sql_schedule_break, turn->tenant, name);
    rv_log(RV_LOG_ERROR, "schedule", "SCHEDULE-BROKEN", "tenant=%d schedule=%s reason=\"%s\"",
           (int)turn->tenant, name, why->message);
    rv_args_text(args, 3, why->message);
    turn->changes++;
    query(turn->service, turn->tenant, &rv_sql_schedule_break, args, on_changed, turn);
}

/* Puts a fire into the claim; `alone` is what it would start with, NULL when it does not come
 * alone. */
static void put_fire(struct turn *turn, const char *name, int64_t instant_s, const char *missed,
                     const struct claimed *alone)
{
    if (turn->fires == turn->fires_room) {
        turn->fires_room = turn->fires_room > 0 ? 2 * turn->fires_room : 16;
        turn->claimed =
            rv_realloc(turn->claimed, (size_t)turn->fires_room * sizeof turn->claimed[0]);
    }
    rv_args_text(turn->claim, 8, name);
    rv_args_i64(turn->claim, 9, turn->first_id + turn->fires);
    rv_args_time(turn->claim, 10, instant_s * SECOND_US);
    rv_args_text(turn->claim, 11, missed != NULL ? "skipped" : "waiting");
    rv_args_text(turn->claim, 12, missed);
    rv_args_bool(turn->claim, 13, alone != NULL);
    turn->claimed[turn->fires++] = alone != NULL ? *alone : (struct claimed){.input = NULL};
}

/* Puts one schedule and its due fires into the turn's claim. */
static void claim(struct turn *turn, const struct rv_schedule_row *row, const struct rv_due *due,
                  int64_t delay_s, const struct rv_result *result, int index)
{
    static const char *const why_missed[] = {
        [RV_MISSED_WINDOW] = "it and perhaps later ones fell out of the catch-up window",
        [RV_MISSED_MOST] = "it and perhaps later ones were more than the catch-up maximum"};
    struct rv_schedule_service *service = turn->service;
    if (turn->claim == NULL) {
        turn->claim = rv_args_create(&rv_sql_schedule_claim);
        turn->first_id = rv_id_make(now_us(service)); /* thousands of random ones would meet */
        rv_args_i32(turn->claim, 1, turn->tenant);
        rv_args_text(turn->claim, 2, service->version);
        rv_args_i64(turn->claim, 14, service->options.lease_ms);
    }
    struct rv_args *args = turn->claim;
    rv_args_text(args, 3, row->name);
    rv_args_time(args, 4, row->next_us);
    rv_schedule_put_times(args, 5, due->has_next, due->next_s, delay_s);
    if (due->count > 0) {
        rv_args_time(args, 7, due->instants_s[due->count - 1] * SECOND_US);
    } else {
        rv_args_null(args, 7);
    }
    if (due->missed != RV_MISSED_NONE) {
        rv_log(RV_LOG_WARN, "schedule", "SCHEDULE-MISSED",
               "tenant=%d schedule=%s window_s=%" PRId64 " most=%" PRId64, (int)turn->tenant,
               row->name, row->window_s, row->most);
        put_fire(turn, row->name, row->next_us / SECOND_US, why_missed[due->missed], NULL);
    }
    struct claimed alone = {.input = NULL};
    if (due->count == 1) {
        snprintf(alone.name, sizeof alone.name, "%s", row->name);
        snprintf(alone.action, sizeof alone.action, "%s", rv_result_text(result, index, 12));
        alone.input = rv_result_json(result, index, 13);
    }
    for (int i = 0; i < due->count; i++) {
        put_fire(turn, row->name, due->instants_s[i], NULL, due->count == 1 ? &alone : NULL);
    }
    service->again = service->again || due->count == RV_DUE_MAX;
}

static const struct rv_calendar *find_calendar(const struct turn *turn, const char *name)
{
    const struct known_calendar *known = turn->calendars;
    while (known != NULL && strcmp(known->name, name) != 0) {
        known = known->next;
    }
    return known != NULL ? &known->calendar : NULL;
}

/* Moves one schedule on: its due fires, or its next one anew under another tzdata or calendar. */
static void move(struct turn *turn, const struct rv_result *result, int index)
{
    struct rv_schedule_service *service = turn->service;
    struct rv_error err = {.code = RV_OK};
    struct rv_schedule_row row;
    const struct rv_zone *zone = NULL;
    struct rv_due due;
    int64_t now_s = now_us(service) / SECOND_US;
    enum rv_code code = rv_schedule_row_read(result, index, &row, &err);
    if (code == RV_OK) {
        code = find_zone(service, row.zone, &zone, &err);
    }
    const struct rv_calendar *calendar = find_calendar(turn, row.calendar);
    if (code == RV_OK && row.calendar[0] != '\0' && calendar == NULL) {
        code = rv_fail(&err, RV_NOT_FOUND, "its calendar \"%s\" cannot be read", row.calendar);
    }
    if (code != RV_OK) {
        break_schedule(turn, rv_result_text(result, index, 0), &err);
        return;
    }
    struct rv_cron_rules rules = rv_schedule_rules(&row, zone, calendar);
    int64_t expected_s = row.next_us / SECOND_US;
    int64_t delay_s = rv_due_delay(turn->tenant, row.name, row.jitter_s);
    if (expected_s + delay_s > now_s) {
        int64_t from_s = now_s - delay_s;
        if (row.has_last && row.last_us / SECOND_US > from_s) {
            from_s = row.last_us / SECOND_US;
        }
        if (!rv_cron_next(&row.cron, &rules, from_s, &expected_s)) {
            rv_fail(&err, RV_INVALID, "it never fires any more (tzdata %s, calendar \"%s\")",
                    service->version, row.calendar);
            break_schedule(turn, row.name, &err);
            return;
        }
    }
    const struct rv_due_policy policy = {
        .delay_s = delay_s, .window_s = row.window_s, .most = row.most};
    rv_due_compute(&row.cron, &rules, &policy, expected_s, now_s, &due);
    claim(turn, &row, &due, delay_s, result, index);
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
    turn->changes = 1; /* this function's own share */
    for (int row = 0; row < rows; row++) {
        if (turn->fires >= RV_SCHEDULE_CLAIM_MAX) {
            service->again = true;
            break;
        }
        move(turn, result, row);
    }
    if (turn->claim != NULL) {
        turn->changes++;
        query(service, turn->tenant, &rv_sql_schedule_claim, turn->claim, on_claimed, turn);
        turn->claim = NULL;
    }
    if (--turn->changes == 0) {
        start(turn);
    }
}

static void on_changed(void *data, enum rv_code code, const struct rv_result *result,
                       const struct rv_error *err)
{
    (void)result;
    struct turn *turn = data;
    may_go_on(turn->service, code, err);
    if (--turn->changes == 0) {
        start(turn);
    }
}

/* What started in the same breath; fewer schedules than were asked for: another node was quicker.
 */
static void on_claimed(void *data, enum rv_code code, const struct rv_result *result,
                       const struct rv_error *err)
{
    struct turn *turn = data;
    int rows = may_go_on(turn->service, code, err) ? rv_result_rows(result) : 0;
    for (int row = 0; row < rows && !turn->service->closing; row++) {
        int64_t id = rv_result_i64(result, row, 0);
        RV_ASSERT(id >= turn->first_id && id < turn->first_id + turn->fires);
        const struct claimed *one = &turn->claimed[id - turn->first_id];
        begin_fire(turn, id, 1, one->name, one->action, one->input);
    }
    if (--turn->changes == 0) {
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
    rv_args_time(args, 4, now_us(turn->service));
    rv_args_i32(args, 5, RV_SCHEDULE_BUFFER_MAX);
    query(turn->service, turn->tenant, &rv_sql_schedule_start, args, on_started, turn);
}

static void begin_fire(struct turn *turn, int64_t id, int attempt, const char *name,
                       const char *action, const json_t *input)
{
    struct rv_schedule_service *service = turn->service;
    rv_fires_put(service->fires, turn->tenant, id, attempt);
    rv_log(RV_LOG_INFO, "schedule", "SCHEDULE-FIRE",
           "tenant=%d schedule=%s action=%s fire=%" PRId64 " attempt=%d", (int)turn->tenant, name,
           action, id, attempt);
    service->options.fire(service->options.data, turn->tenant, name, action, input, id);
}

static void on_started(void *data, enum rv_code code, const struct rv_result *result,
                       const struct rv_error *err)
{
    struct turn *turn = data;
    struct rv_schedule_service *service = turn->service;
    bool go_on = may_go_on(service, code, err);
    int rows = go_on ? rv_result_rows(result) : 0;
    service->again = service->again || rows >= RV_SCHEDULE_TURN_MAX;
    for (int row = 0; row < rows && !service->closing; row++) {
        const char *what = rv_result_text(result, row, 0);
        bool stops = strcmp(what, "stop") == 0; /* what its last node began hears of it so */
        bool tells = strcmp(what, "tell") == 0; /* ... and it is over already */
        if (stops || tells || strcmp(what, "start") == 0) {
            json_t *input = rv_result_json(result, row, 5);
            begin_fire(turn, rv_result_i64(result, row, 1), (int)rv_result_i64(result, row, 2),
                       rv_result_text(result, row, 3), rv_result_text(result, row, 4), input);
            json_decref(input);
        }
        if (strcmp(what, "start") != 0) {
            rv_log(RV_LOG_INFO, "schedule", "SCHEDULE-STOP", "tenant=%d schedule=%s fire=%s %s",
                   (int)turn->tenant, rv_result_text(result, row, 3),
                   rv_result_text(result, row, 1), what);
            rv_fires_stop(service->fires, turn->tenant, rv_result_i64(result, row, 1),
                          stops   ? "cancel"
                          : tells ? "terminate"
                                  : what);
        }
    }
    end_turn(turn);
}
