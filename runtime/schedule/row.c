/* row.c -- see row.h. */
#include "runtime/schedule/row.h"

#include "runtime/base/check.h"

#include "schedule_sql.h"

#include <stdio.h>
#include <string.h>

#define SECOND_US INT64_C(1000000)

/* ---- words ---- */

static const char *const overlap_names[] = {"skip",         "buffer_one",      "buffer_all",
                                            "cancel_other", "terminate_other", "allow_all"};

const char *rv_schedule_overlap_name(enum rv_schedule_overlap overlap)
{
    return overlap_names[overlap];
}

enum rv_code rv_schedule_overlap_from(const char *name, enum rv_schedule_overlap *out,
                                      struct rv_error *err)
{
    for (size_t i = 0; i < RV_COUNT(overlap_names); i++) {
        if (strcmp(name, overlap_names[i]) == 0) {
            *out = (enum rv_schedule_overlap)i;
            return RV_OK;
        }
    }
    rv_fail(err, RV_INVALID,
            "overlap policy \"%.40s\" must be skip, buffer_one, buffer_all, cancel_other, "
            "terminate_other or allow_all",
            name);
    rv_hint(err, "It says what happens when a time comes while the one before still runs.");
    return RV_INVALID;
}

enum rv_code rv_schedule_check_name(const char *what, const char *name, struct rv_error *err)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-");
    if (length == 0 || length > RV_SCHEDULE_NAME_MAX || name[length] != '\0' ||
        strchr("._-", name[0]) != NULL) {
        rv_fail(err, RV_INVALID, "name \"%.80s\" is not a name of a %s", name, what);
        rv_hint(err,
                "Use up to %d lower-case letters, digits, \".\", \"_\" or \"-\", a letter or "
                "digit first.",
                RV_SCHEDULE_NAME_MAX);
        return RV_INVALID;
    }
    return RV_OK;
}

/* ---- rows ---- */

static int64_t time_or_zero(const struct rv_result *result, int row, int column)
{
    return rv_result_is_null(result, row, column) ? 0 : rv_result_time_us(result, row, column);
}

enum rv_code rv_schedule_row_read(const struct rv_result *result, int row,
                                  struct rv_schedule_row *out, struct rv_error *err)
{
    *out = (struct rv_schedule_row){.window_s = rv_result_i64(result, row, 5),
                                    .jitter_s = rv_result_i64(result, row, 6),
                                    .next_us = time_or_zero(result, row, 7),
                                    .last_us = time_or_zero(result, row, 8),
                                    .has_last = !rv_result_is_null(result, row, 8),
                                    .most = rv_result_i64(result, row, 10)};
    snprintf(out->name, sizeof out->name, "%s", rv_result_text(result, row, 0));
    snprintf(out->zone, sizeof out->zone, "%s", rv_result_text(result, row, 2));
    snprintf(out->calendar, sizeof out->calendar, "%s", rv_result_text(result, row, 11));
    enum rv_code code = rv_cron_gap_from(rv_result_text(result, row, 3), &out->gap, err);
    if (code == RV_OK) {
        code = rv_cron_fold_from(rv_result_text(result, row, 4), &out->fold, err);
    }
    if (code == RV_OK) {
        code = rv_dates_read(rv_result_text(result, row, 9), &out->except, err);
    }
    return code == RV_OK ? rv_cron_parse(rv_result_text(result, row, 1), &out->cron, err) : code;
}

struct rv_cron_rules rv_schedule_rules(const struct rv_schedule_row *row,
                                       const struct rv_zone *zone,
                                       const struct rv_calendar *calendar)
{
    return (struct rv_cron_rules){.zone = zone,
                                  .gap = row->gap,
                                  .fold = row->fold,
                                  .except = row->except.count > 0 ? &row->except : NULL,
                                  .calendar = calendar};
}

enum rv_code rv_calendar_row_read(const struct rv_result *result, int row, int column,
                                  struct rv_calendar *out, struct rv_error *err)
{
    out->weekend = (uint8_t)rv_result_i64(result, row, column);
    return rv_dates_read(rv_result_text(result, row, column + 1), &out->holidays, err);
}

/* ---- statements ---- */

struct rv_args *rv_schedule_args(const struct rv_statement *statement, int32_t tenant,
                                 const char *name)
{
    struct rv_args *args = rv_args_create(statement);
    rv_args_i32(args, 1, tenant);
    rv_args_text(args, 2, name);
    return args;
}

enum rv_code rv_schedule_no_such(const char *name, struct rv_error *err)
{
    rv_fail(err, RV_NOT_FOUND, "no schedule named \"%.63s\"", name);
    rv_hint(err, "`reeve schedule list` shows the names.");
    return RV_NOT_FOUND;
}

static enum rv_code take_whole(void *data, const struct rv_result *result, int row,
                               struct rv_error *err)
{
    struct rv_schedule_whole *whole = data;
    enum rv_code code = rv_schedule_row_read(result, row, &whole->row, err);
    snprintf(whole->cron, sizeof whole->cron, "%s", rv_result_text(result, row, 1));
    snprintf(whole->except, sizeof whole->except, "%s", rv_result_text(result, row, 9));
    snprintf(whole->action, sizeof whole->action, "%s", rv_result_text(result, row, 18));
    whole->paused_until_us = time_or_zero(result, row, 13);
    whole->paused = strcmp(rv_result_text(result, row, 14), "paused") == 0;
    whole->pause_after = (int32_t)rv_result_i64(result, row, 15);
    if (code == RV_OK) {
        code = rv_schedule_overlap_from(rv_result_text(result, row, 12), &whole->overlap, err);
    }
    return code == RV_OK && whole->row.calendar[0] != '\0'
               ? rv_calendar_row_read(result, row, 16, &whole->calendar, err)
               : code;
}

enum rv_code rv_schedule_load(struct rv_db_session *session, int32_t tenant, const char *name,
                              struct rv_schedule_whole *out, struct rv_error *err)
{
    *out = (struct rv_schedule_whole){.zone = NULL};
    enum rv_code code = rv_db_session_query(session, tenant, &rv_sql_schedule_get,
                                            rv_schedule_args(&rv_sql_schedule_get, tenant, name),
                                            take_whole, out, err);
    if (code == RV_OK && out->row.name[0] == '\0') {
        return rv_schedule_no_such(name, err);
    }
    if (code == RV_OK) {
        code = rv_zone_load(NULL, out->row.zone, &out->zone, err);
    }
    out->rules = rv_schedule_rules(&out->row, out->zone,
                                   out->row.calendar[0] != '\0' ? &out->calendar : NULL);
    return code;
}

void rv_schedule_whole_fini(struct rv_schedule_whole *whole)
{
    rv_zone_destroy(whole->zone);
    whole->zone = NULL;
}

struct named_calendar {
    struct rv_calendar *out;
    bool found;
};

static enum rv_code take_calendar(void *data, const struct rv_result *result, int row,
                                  struct rv_error *err)
{
    struct named_calendar *named = data;
    named->found = true;
    return rv_calendar_row_read(result, row, 1, named->out, err);
}

enum rv_code rv_schedule_load_calendar(struct rv_db_session *session, int32_t tenant,
                                       const char *name, struct rv_calendar *out,
                                       struct rv_error *err)
{
    struct named_calendar named = {.out = out};
    enum rv_code code = rv_db_session_query(session, tenant, &rv_sql_calendar_get,
                                            rv_schedule_args(&rv_sql_calendar_get, tenant, name),
                                            take_calendar, &named, err);
    if (code == RV_OK && !named.found) {
        code = rv_fail(err, RV_NOT_FOUND, "no calendar named \"%.63s\"", name);
        rv_hint(err, "`reeve calendar list` shows the names; `reeve calendar add` makes one.");
    }
    return code;
}

bool rv_schedule_after(const struct rv_schedule_whole *whole, int64_t from_us, int64_t *next_s)
{
    int64_t from =
        whole->row.has_last && whole->row.last_us > from_us ? whole->row.last_us : from_us;
    return rv_cron_next(&whole->row.cron, &whole->rules, rv_schedule_floor_s(from), next_s);
}

bool rv_schedule_after_rest(const struct rv_schedule_whole *whole, int64_t until_us,
                            int64_t *next_s)
{
    return rv_schedule_after(whole, until_us - 1, next_s);
}

enum rv_code rv_schedule_count_row(void *data, const struct rv_result *result, int row,
                                   struct rv_error *err)
{
    (void)result;
    (void)err;
    *(int *)data = row + 1; /* also right when the rows come anew */
    return RV_OK;
}

enum rv_code rv_schedule_change_row(struct rv_db_session *session, int32_t tenant,
                                    const struct rv_statement *statement, struct rv_args *args,
                                    bool *happened, struct rv_error *err)
{
    int rows = 0;
    enum rv_code code =
        rv_db_session_change(session, tenant, statement, args, rv_schedule_count_row, &rows, err);
    *happened = rows > 0;
    return code;
}

int64_t rv_schedule_floor_s(int64_t time_us)
{
    return time_us / SECOND_US - (time_us % SECOND_US < 0 ? 1 : 0);
}

void rv_schedule_put_times(struct rv_args *args, int index, bool has_next, int64_t next_s,
                           int64_t delay_s)
{
    if (has_next) {
        rv_args_time(args, index, next_s * SECOND_US);
        rv_args_time(args, index + 1, (next_s + delay_s) * SECOND_US);
    } else {
        rv_args_null(args, index);
        rv_args_null(args, index + 1);
    }
}
