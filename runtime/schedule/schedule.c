/* schedule.c -- adding, changing and looking: check, compute the next fire, store; see schedule.h.
 */
#include "runtime/schedule/schedule.h"

#include "runtime/base/check.h"
#include "runtime/schedule/row.h"
#include "runtime/schedule/when.h"

#include "schedule_sql.h"

#include <stdio.h>
#include <string.h>

const char rv_schedule_status_words[] = "active paused ended broken";

#define SECOND_US INT64_C(1000000)

/* ---- adding ---- */

static enum rv_code check_range(const char *field, int64_t value, int64_t least, int64_t most,
                                const char *unit, struct rv_error *err)
{
    if (value >= least && value <= most) {
        return RV_OK;
    }
    rv_fail(err, RV_INVALID, "%s is %lld and must be from %lld to %lld%s", field, (long long)value,
            (long long)least, (long long)most, unit);
    rv_hint(err, "Leave it out for what is usual: runtime/schedule/README.md.");
    return RV_INVALID;
}

static enum rv_code check_numbers(int64_t window_s, int64_t most, int64_t jitter_s,
                                  int64_t pause_after, const char **wrong, struct rv_error *err)
{
    rv_schedule_mark(wrong, "catch_up_window_s");
    enum rv_code code = check_range("catch-up window", window_s, RV_SCHEDULE_CATCH_UP_MIN_S,
                                    RV_SCHEDULE_CATCH_UP_MAX_S, " seconds", err);
    if (code == RV_OK) {
        rv_schedule_mark(wrong, "catch_up_max");
        code = check_range("catch-up maximum", most, 1, RV_SCHEDULE_CATCH_UP_MOST, "", err);
    }
    if (code == RV_OK) {
        rv_schedule_mark(wrong, "jitter_s");
        code = check_range("jitter", jitter_s, 0, RV_SCHEDULE_JITTER_MAX_S, " seconds", err);
    }
    if (code == RV_OK) {
        rv_schedule_mark(wrong, "pause_after");
        code = check_range("pause after", pause_after, 0, RV_SCHEDULE_PAUSE_AFTER_MAX, " failures",
                           err);
    }
    return code;
}

static enum rv_code check_action(const struct rv_schedule *schedule, struct rv_error *err)
{
    rv_schedule_mark(schedule->wrong, "agent");
    if (schedule->action[0] == '\0' || strlen(schedule->action) > RV_SCHEDULE_ACTION_MAX) {
        return rv_fail(err, RV_INVALID, "action must have 1 to %d bytes", RV_SCHEDULE_ACTION_MAX);
    }
    rv_schedule_mark(schedule->wrong, "input");
    if (schedule->input != NULL && !json_is_object(schedule->input)) {
        return rv_fail(err, RV_INVALID, "input must be a JSON object");
    }
    return RV_OK;
}

static enum rv_code check(const struct rv_schedule *schedule, int32_t window_s, int32_t most,
                          struct rv_error *err)
{
    rv_schedule_mark(schedule->wrong, "name");
    enum rv_code code = rv_schedule_check_name("schedule", schedule->name, err);
    if (code == RV_OK) {
        code = check_action(schedule, err);
    }
    return code == RV_OK ? check_numbers(window_s, most, schedule->jitter_s, schedule->pause_after,
                                         schedule->wrong, err)
                         : code;
}

enum rv_code rv_schedule_take_action(struct rv_db_session *session, int32_t tenant,
                                     const char *agent, const json_t *input,
                                     struct rv_schedule *out, struct rv_error *err)
{
    int found = 0;
    out->action = agent != NULL ? agent : RV_SCHEDULE_EXCEPTIONS;
    out->input = input;
    rv_schedule_mark(out->wrong, "input");
    if (agent == NULL) {
        if (input != NULL) {
            rv_fail(err, RV_INVALID, "input: it is for the run of an agent");
            rv_hint(err, "Say which agent begins with it, or leave the input out.");
            return RV_INVALID;
        }
        return RV_OK;
    }
    rv_schedule_mark(out->wrong, "agent");
    enum rv_code code = rv_db_session_query(session, tenant, &rv_sql_schedule_agent,
                                            rv_schedule_args(&rv_sql_schedule_agent, tenant, agent),
                                            rv_schedule_count_row, &found, err);
    if (code == RV_OK && found == 0) {
        code = rv_fail(err, RV_NOT_FOUND, "agent: no active agent is named \"%.100s\"", agent);
        rv_hint(err, "See the active agents: reeve agent list.");
    }
    return code;
}

static enum rv_code take_zone(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    const char *zone = rv_result_text(result, row, 0);
    if (strlen(zone) >= RV_ZONE_NAME_MAX) { /* a piece of it might be another zone's name */
        rv_fail(err, RV_INVALID, "the company's time zone \"%.60s\" is no time zone", zone);
        rv_hint(err, "Say in which zone the times are meant.");
        return RV_INVALID;
    }
    snprintf(data, RV_ZONE_NAME_MAX, "%s", zone);
    return RV_OK;
}

enum rv_code rv_schedule_company_zone(struct rv_db_session *session, int32_t tenant,
                                      char out[RV_ZONE_NAME_MAX], struct rv_error *err)
{
    struct rv_args *args = rv_args_create(&rv_sql_schedule_company_zone);
    rv_args_i32(args, 1, tenant);
    out[0] = '\0';
    return rv_db_session_query(session, tenant, &rv_sql_schedule_company_zone, args, take_zone, out,
                               err);
}

/* What a schedule says of its times, read. */
struct pattern {
    struct rv_cron cron;
    struct rv_dates except;
    struct rv_calendar calendar;
    struct rv_zone *zone; /* owned */
    struct rv_cron_rules rules;
};

/* The pattern and its first fire after `now_us`. */
static enum rv_code read_pattern(struct rv_db_session *session, int32_t tenant,
                                 const struct rv_schedule *schedule, int64_t now_us,
                                 struct pattern *out, int64_t *next_s, struct rv_error *err)
{
    out->zone = NULL;
    rv_schedule_mark(schedule->wrong, "cron");
    enum rv_code code = rv_cron_parse(schedule->cron, &out->cron, err);
    if (code == RV_OK) {
        rv_schedule_mark(schedule->wrong, "except");
        code = rv_dates_read(schedule->except != NULL ? schedule->except : "", &out->except, err);
    }
    if (code == RV_OK && schedule->calendar != NULL) {
        rv_schedule_mark(schedule->wrong, "calendar");
        code = rv_schedule_load_calendar(session, tenant, schedule->calendar, &out->calendar, err);
    }
    if (code == RV_OK) {
        rv_schedule_mark(schedule->wrong, "zone");
        code = rv_zone_load(NULL, schedule->zone, &out->zone, err);
    }
    if (code != RV_OK) {
        return code;
    }
    out->rules =
        (struct rv_cron_rules){.zone = out->zone,
                               .gap = schedule->gap,
                               .fold = schedule->fold,
                               .except = &out->except,
                               .calendar = schedule->calendar != NULL ? &out->calendar : NULL};
    rv_schedule_mark(schedule->wrong, "cron");
    return rv_cron_next(&out->cron, &out->rules, rv_schedule_floor_s(now_us), next_s)
               ? RV_OK
               : rv_cron_never(schedule->cron, &out->cron, err);
}

enum rv_code rv_schedule_add(struct rv_db_session *session, int32_t tenant,
                             const struct rv_schedule *schedule, int64_t now_us, int64_t *next_us,
                             struct rv_error *err)
{
    struct pattern pattern = {.zone = NULL};
    int64_t next_s = 0;
    int32_t window_s =
        schedule->catch_up_window_s != 0 ? schedule->catch_up_window_s : RV_SCHEDULE_CATCH_UP_S;
    int32_t most = schedule->catch_up_max != 0 ? schedule->catch_up_max : RV_SCHEDULE_CATCH_UP;
    enum rv_code code = check(schedule, window_s, most, err);
    if (code == RV_OK) {
        code = read_pattern(session, tenant, schedule, now_us, &pattern, &next_s, err);
    }
    rv_zone_destroy(pattern.zone);
    if (code != RV_OK) {
        return code;
    }
    rv_schedule_mark(schedule->wrong, NULL);
    char version[RV_ZONE_VERSION_TEXT];
    rv_zone_version(NULL, version);
    struct rv_args *args = rv_schedule_args(&rv_sql_schedule_insert, tenant, schedule->name);
    rv_args_text(args, 3, schedule->cron);
    rv_args_text(args, 4, schedule->zone);
    rv_args_text(args, 5, rv_cron_gap_name(schedule->gap));
    rv_args_text(args, 6, rv_cron_fold_name(schedule->fold));
    rv_args_text(args, 7, rv_schedule_overlap_name(schedule->overlap));
    rv_args_i32(args, 8, window_s);
    rv_args_i32(args, 9, schedule->jitter_s);
    rv_args_text(args, 10, schedule->action);
    if (schedule->input != NULL) {
        rv_args_json(args, 11, schedule->input);
    } else {
        rv_args_json_text(args, 11, "{}", 2);
    }
    rv_schedule_put_times(args, 12, true, next_s,
                          rv_due_delay(tenant, schedule->name, schedule->jitter_s));
    rv_args_text(args, 14, version);
    rv_args_text(args, 15, schedule->except != NULL ? schedule->except : "");
    rv_args_time(args, 16, now_us);
    rv_args_i32(args, 17, most);
    rv_args_i32(args, 18, schedule->pause_after);
    rv_args_text(args, 19, schedule->calendar);
    bool happened = false;
    code = rv_schedule_change_row(session, tenant, &rv_sql_schedule_insert, args, &happened, err);
    if (code == RV_OK && !happened) {
        code =
            rv_fail(err, RV_CONFLICT, "there is a schedule named \"%s\" already", schedule->name);
        rv_hint(err, "Change it with `reeve schedule set`, or choose another name.");
    }
    *next_us = next_s * SECOND_US;
    return code;
}

/* ---- looking ---- */

enum rv_code rv_schedule_list(struct rv_db_session *session, int32_t tenant, const char *name,
                              rv_schedule_each each, void *data, struct rv_error *err)
{
    return rv_db_session_query(session, tenant, &rv_sql_schedule_list,
                               rv_schedule_args(&rv_sql_schedule_list, tenant, name), each, data,
                               err);
}

enum rv_code rv_schedule_when(struct rv_db_session *session, int32_t tenant, const char *name,
                              const char *text, int64_t *out_us, struct rv_error *err)
{
    struct rv_schedule_whole whole;
    enum rv_code code = rv_schedule_load(session, tenant, name, &whole, err);
    if (code == RV_OK) {
        code = rv_when_read(text, whole.zone, out_us, err);
    }
    rv_schedule_whole_fini(&whole);
    return code;
}

enum rv_code rv_schedule_next(struct rv_db_session *session, int32_t tenant, const char *name,
                              int64_t now_us, int most, int64_t *out_us, int *count,
                              struct rv_error *err)
{
    struct rv_schedule_whole whole;
    int64_t at_s = rv_schedule_floor_s(now_us);
    *count = 0;
    if (most < 1 || most > RV_SCHEDULE_NEXT_MAX) {
        return rv_fail(err, RV_INVALID, "the number of fires must be from 1 to %d",
                       RV_SCHEDULE_NEXT_MAX);
    }
    enum rv_code code = rv_schedule_load(session, tenant, name, &whole, err);
    if (code == RV_OK && whole.paused && whole.paused_until_us > now_us) {
        at_s = rv_schedule_floor_s(whole.paused_until_us - 1); /* a fire at its end happens */
    }
    while (code == RV_OK && *count < most &&
           rv_cron_next(&whole.row.cron, &whole.rules, at_s, &at_s)) {
        out_us[(*count)++] = at_s * SECOND_US;
    }
    rv_schedule_whole_fini(&whole);
    return code;
}

enum rv_code rv_schedule_next_of(struct rv_db_session *session, int32_t tenant,
                                 const struct rv_schedule *schedule, int64_t now_us, int most,
                                 int64_t *out_us, int *count, struct rv_error *err)
{
    struct pattern pattern = {.zone = NULL};
    int64_t at_s = 0;
    *count = 0;
    enum rv_code code = read_pattern(session, tenant, schedule, now_us, &pattern, &at_s, err);
    bool fires = code == RV_OK;
    while (fires && *count < most) {
        out_us[(*count)++] = at_s * SECOND_US;
        fires = rv_cron_next(&pattern.cron, &pattern.rules, at_s, &at_s);
    }
    rv_zone_destroy(pattern.zone);
    return code;
}

/* ---- changing in place ---- */

/* Puts the change over what is stored. */
static enum rv_code merge(struct rv_db_session *session, int32_t tenant,
                          struct rv_schedule_whole *whole, const struct rv_schedule_change *change,
                          struct rv_error *err)
{
    struct rv_schedule_row *row = &whole->row;
    enum rv_code code = RV_OK;
    rv_schedule_mark(change->wrong, "cron");
    if (change->cron != NULL) {
        code = rv_cron_parse(change->cron, &row->cron, err);
        snprintf(whole->cron, sizeof whole->cron, "%s", change->cron);
    }
    if (code == RV_OK && change->zone != NULL) {
        struct rv_zone *zone = NULL;
        rv_schedule_mark(change->wrong, "zone");
        code = rv_zone_load(NULL, change->zone, &zone, err);
        if (code == RV_OK) {
            rv_zone_destroy(whole->zone);
            whole->zone = zone;
            snprintf(row->zone, sizeof row->zone, "%s", change->zone);
        }
    }
    if (code == RV_OK && change->except != NULL) {
        rv_schedule_mark(change->wrong, "except");
        code = rv_dates_read(change->except, &row->except, err);
        snprintf(whole->except, sizeof whole->except, "%s", change->except);
    }
    if (code == RV_OK && change->calendar != NULL) {
        rv_schedule_mark(change->wrong, "calendar");
        bool none = strcmp(change->calendar, "none") == 0;
        snprintf(row->calendar, sizeof row->calendar, "%s", none ? "" : change->calendar);
        code = none ? RV_OK
                    : rv_schedule_load_calendar(session, tenant, change->calendar, &whole->calendar,
                                                err);
    }
    if (code == RV_OK && change->gap != NULL) {
        rv_schedule_mark(change->wrong, "gap");
        code = rv_cron_gap_from(change->gap, &row->gap, err);
    }
    if (code == RV_OK && change->fold != NULL) {
        rv_schedule_mark(change->wrong, "fold");
        code = rv_cron_fold_from(change->fold, &row->fold, err);
    }
    if (code == RV_OK && change->overlap != NULL) {
        rv_schedule_mark(change->wrong, "overlap");
        code = rv_schedule_overlap_from(change->overlap, &whole->overlap, err);
    }
    row->window_s = change->catch_up_window_s >= 0 ? change->catch_up_window_s : row->window_s;
    row->most = change->catch_up_max >= 0 ? change->catch_up_max : row->most;
    row->jitter_s = change->jitter_s >= 0 ? change->jitter_s : row->jitter_s;
    whole->pause_after = change->pause_after >= 0 ? change->pause_after : whole->pause_after;
    whole->rules =
        rv_schedule_rules(row, whole->zone, row->calendar[0] != '\0' ? &whole->calendar : NULL);
    return code == RV_OK ? check_numbers(row->window_s, row->most, row->jitter_s,
                                         whole->pause_after, change->wrong, err)
                         : code;
}

/* What it shall run; `out` has NULL for what stays. */
static enum rv_code take_change(struct rv_db_session *session, int32_t tenant,
                                const struct rv_schedule_whole *whole,
                                const struct rv_schedule_change *change, struct rv_schedule *out,
                                struct rv_error *err)
{
    static const char none[] = RV_SCHEDULE_EXCEPTIONS;
    const char *agent = change->agent != NULL ? change->agent : whole->action;
    *out = (struct rv_schedule){.wrong = change->wrong};
    if (change->agent == NULL && change->input == NULL) {
        return RV_OK;
    }
    bool handles = strcmp(agent, change->agent != NULL ? "none" : none) == 0;
    enum rv_code code =
        rv_schedule_take_action(session, tenant, handles ? NULL : agent, change->input, out, err);
    return code == RV_OK ? check_action(out, err) : code;
}

static enum rv_code store(struct rv_db_session *session, int32_t tenant,
                          const struct rv_schedule_whole *whole, const struct rv_schedule *runs,
                          bool rests, int64_t next_s, int64_t now_us, struct rv_error *err)
{
    const struct rv_schedule_row *row = &whole->row;
    char version[RV_ZONE_VERSION_TEXT];
    bool happened = false;
    rv_zone_version(NULL, version);
    struct rv_args *args = rv_schedule_args(&rv_sql_schedule_set, tenant, row->name);
    rv_args_text(args, 3, whole->cron);
    rv_args_text(args, 4, row->zone);
    rv_args_text(args, 5, rv_cron_gap_name(row->gap));
    rv_args_text(args, 6, rv_cron_fold_name(row->fold));
    rv_args_text(args, 7, rv_schedule_overlap_name(whole->overlap));
    rv_args_i32(args, 8, (int32_t)row->window_s);
    rv_args_i32(args, 9, (int32_t)row->jitter_s);
    rv_args_text(args, 10, whole->except);
    rv_schedule_put_times(args, 11, !rests, next_s, rv_due_delay(tenant, row->name, row->jitter_s));
    rv_args_text(args, 13, version);
    rv_args_time(args, 14, now_us);
    rv_args_i32(args, 15, (int32_t)row->most);
    rv_args_i32(args, 16, whole->pause_after);
    rv_args_text(args, 17, row->calendar[0] != '\0' ? row->calendar : NULL);
    rv_args_text(args, 18, runs->action);
    if (runs->input != NULL) {
        rv_args_json(args, 19, runs->input);
    } else if (runs->action != NULL && strcmp(runs->action, RV_SCHEDULE_EXCEPTIONS) == 0) {
        rv_args_json_text(args, 19, "{}", 2);
    } else {
        rv_args_null(args, 19);
    }
    enum rv_code code =
        rv_schedule_change_row(session, tenant, &rv_sql_schedule_set, args, &happened, err);
    if (code == RV_OK && !happened) {
        code =
            rv_fail(err, RV_CONFLICT, "schedule \"%s\" was changed at the same moment", row->name);
        rv_hint(err, "Look at it with `reeve schedule show`, then ask again.");
    }
    return code;
}

enum rv_code rv_schedule_set(struct rv_db_session *session, int32_t tenant, const char *name,
                             const struct rv_schedule_change *wanted, int64_t now_us,
                             int64_t *next_us, struct rv_error *err)
{
    struct rv_schedule_whole whole;
    struct rv_schedule runs;
    int64_t next_s = 0;
    rv_schedule_mark(wanted->wrong, NULL);
    enum rv_code code = rv_schedule_load(session, tenant, name, &whole, err);
    if (code == RV_NOT_FOUND && whole.row.name[0] != '\0' && wanted->zone != NULL) {
        rv_error_clear(err); /* the stored zone is gone, and here is another */
        code = RV_OK;
    }
    if (code == RV_OK) {
        code = take_change(session, tenant, &whole, wanted, &runs, err);
    }
    if (code == RV_OK) {
        code = merge(session, tenant, &whole, wanted, err);
    }
    if (code == RV_OK) {
        bool rests = whole.paused && whole.paused_until_us == 0;
        bool later = whole.paused && whole.paused_until_us > now_us;
        bool fires = later ? rv_schedule_after_rest(&whole, whole.paused_until_us, &next_s)
                           : rv_schedule_after(&whole, now_us, &next_s);
        if (!fires) {
            rv_schedule_mark(wanted->wrong, "cron");
            code = rv_cron_never(whole.cron, &whole.row.cron, err);
        } else {
            rv_schedule_mark(wanted->wrong, NULL);
            code = store(session, tenant, &whole, &runs, rests, next_s, now_us, err);
            *next_us = rests ? 0 : next_s * SECOND_US;
        }
    }
    rv_schedule_whole_fini(&whole);
    return code;
}
