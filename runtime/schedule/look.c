/* look.c -- see look.h. */
#include "runtime/schedule/look.h"

#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/schedule/row.h"

#include "schedule_sql.h"

json_t *rv_schedule_time_json(int64_t time_us)
{
    char text[RV_TIME_TEXT];
    rv_time_text(time_us, text);
    return time_us != 0 ? json_sprintf("%.19sZ", text) : json_null();
}

static json_t *times_json(const int64_t *times_us, int count)
{
    json_t *times = json_array();
    for (int i = 0; i < count; i++) {
        json_array_append_new(times, rv_schedule_time_json(times_us[i]));
    }
    return times;
}

enum rv_code rv_schedule_fill_json(struct rv_db_session *session, int32_t tenant, const char *name,
                                   const struct rv_schedule_backfill *backfill, int64_t now_us,
                                   json_t **out, struct rv_error *err)
{
    int64_t fires[RV_SCHEDULE_BACKFILL_MAX];
    int count = 0;
    enum rv_code code =
        rv_schedule_fill_preview(session, tenant, name, backfill, now_us, fires, &count, err);
    *out = times_json(fires, count);
    return code;
}

enum rv_code rv_schedule_next_json(struct rv_db_session *session, int32_t tenant, const char *name,
                                   int64_t now_us, int most, json_t **out, struct rv_error *err)
{
    int64_t fires[RV_SCHEDULE_LOOK_NEXT_MAX];
    int count = 0;
    RV_ASSERT(most <= RV_SCHEDULE_LOOK_NEXT_MAX);
    enum rv_code code = rv_schedule_next(session, tenant, name, now_us, most, fires, &count, err);
    *out = times_json(fires, count);
    return code;
}

enum rv_code rv_schedule_next_of_json(struct rv_db_session *session, int32_t tenant,
                                      const struct rv_schedule *schedule, int64_t now_us, int most,
                                      json_t **out, struct rv_error *err)
{
    int64_t fires[RV_SCHEDULE_LOOK_NEXT_MAX];
    int count = 0;
    RV_ASSERT(most <= RV_SCHEDULE_LOOK_NEXT_MAX);
    enum rv_code code =
        rv_schedule_next_of(session, tenant, schedule, now_us, most, fires, &count, err);
    *out = times_json(fires, count);
    return code;
}

/* A row as an object, by the names of its columns. */
static enum rv_code take_row(void *data, const struct rv_result *result, int row,
                             struct rv_error *err)
{
    (void)err;
    json_t *line = json_object();
    for (int c = 0; c < rv_result_columns(result); c++) {
        json_object_set_new(line, rv_result_column_name(result, c),
                            rv_result_value(result, row, c));
    }
    json_array_append_new(data, line);
    return RV_OK;
}

static enum rv_code add_next(struct rv_db_session *session, int32_t tenant, int64_t now_us,
                             int most, json_t *row, struct rv_error *err)
{
    json_t *next = NULL;
    enum rv_code code = RV_OK;
    if (json_is_null(json_object_get(row, "next_at"))) {
        next = json_array();
    } else {
        code = rv_schedule_next_json(session, tenant, rv_json_str(row, "name", ""), now_us, most,
                                     &next, err);
    }
    json_object_set_new(row, "next", next);
    return code;
}

static enum rv_code add_last(struct rv_db_session *session, int32_t tenant, int most, json_t *row,
                             struct rv_error *err)
{
    json_t *last = json_array();
    struct rv_args *args =
        rv_schedule_args(&rv_sql_schedule_last_fires, tenant, rv_json_str(row, "name", ""));
    rv_args_i32(args, 3, most);
    json_object_set_new(row, "last_fires", last);
    return rv_db_session_query(session, tenant, &rv_sql_schedule_last_fires, args, take_row, last,
                               err);
}

enum rv_code rv_schedule_looked(struct rv_db_session *session, int32_t tenant,
                                const struct rv_schedule_look *look, int64_t now_us, json_t **out,
                                struct rv_error *err)
{
    *out = json_array();
    enum rv_code code = rv_schedule_list(session, tenant, look->name, take_row, *out, err);
    if (code == RV_OK && look->name != NULL && json_array_size(*out) == 0) {
        code = rv_schedule_no_such(look->name, err);
    }
    size_t i;
    json_t *row;
    json_array_foreach(*out, i, row)
    {
        if (code == RV_OK && look->next > 0) {
            code = add_next(session, tenant, now_us, look->next, row, err);
        }
        if (code == RV_OK && look->last > 0) {
            code = add_last(session, tenant, look->last, row, err);
        }
    }
    return code;
}

/* ---- calendars ---- */

static json_t *weekend_json(uint8_t weekend)
{
    char text[RV_WEEKEND_TEXT];
    rv_weekend_text(weekend, text);
    return json_string(text);
}

enum rv_code rv_calendar_looked(struct rv_db_session *session, int32_t tenant, const char *name,
                                json_t **out, struct rv_error *err)
{
    uint8_t weekend = 0;
    json_t *days = json_array();
    enum rv_code code = rv_calendar_days(session, tenant, name, &weekend, take_row, days, err);
    *out = json_pack("{s:s,s:o,s:o}", "name", name, "weekend", weekend_json(weekend), "holidays",
                     days);
    return code;
}

static enum rv_code take_calendar(void *data, const struct rv_result *result, int row,
                                  struct rv_error *err)
{
    (void)err;
    json_array_append_new(
        data, json_pack("{s:s,s:o,s:I,s:o,s:o,s:I}", "name", rv_result_text(result, row, 0),
                        "weekend", weekend_json((uint8_t)rv_result_i64(result, row, 1)), "holidays",
                        (json_int_t)rv_result_i64(result, row, 2), "first",
                        rv_result_value(result, row, 3), "last", rv_result_value(result, row, 4),
                        "schedules", (json_int_t)rv_result_i64(result, row, 5)));
    return RV_OK;
}

enum rv_code rv_calendars_looked(struct rv_db_session *session, int32_t tenant, json_t **out,
                                 struct rv_error *err)
{
    *out = json_array();
    return rv_calendar_list(session, tenant, take_calendar, *out, err);
}
