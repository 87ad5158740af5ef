/* calendars.c -- a company's business calendars in the database; see schedule.h. */
#include "runtime/schedule/row.h"

#include "schedule_sql.h"

enum rv_code rv_calendar_add(struct rv_db_session *session, int32_t tenant, const char *name,
                             const char *weekend, struct rv_error *err)
{
    uint8_t free_days = RV_CALENDAR_WEEKEND;
    bool happened = false;
    enum rv_code code = rv_schedule_check_name("calendar", name, err);
    if (code == RV_OK && weekend != NULL) {
        code = rv_weekend_read(weekend, &free_days, err);
    }
    if (code != RV_OK) {
        return code;
    }
    struct rv_args *args = rv_schedule_args(&rv_sql_calendar_insert, tenant, name);
    rv_args_i32(args, 3, free_days);
    code = rv_schedule_change_row(session, tenant, &rv_sql_calendar_insert, args, &happened, err);
    if (code == RV_OK && !happened) {
        code = rv_fail(err, RV_CONFLICT, "there is a calendar named \"%s\" already", name);
        rv_hint(err, "Change it with `reeve calendar set`, or choose another name.");
    }
    return code;
}

static enum rv_code no_such(const char *name, struct rv_error *err)
{
    rv_fail(err, RV_NOT_FOUND, "no calendar named \"%.63s\"", name);
    rv_hint(err, "`reeve calendar list` shows the names.");
    return RV_NOT_FOUND;
}

enum rv_code rv_calendar_too_many(int count, struct rv_error *err)
{
    rv_fail(err, RV_LIMIT, "a calendar has at most %d holidays, and this makes %d", RV_DATES_MAX,
            count);
    rv_hint(err, "Take out years that are long past.");
    return RV_LIMIT;
}

/* The holidays as they will be: no more than one calendar may have. */
static enum rv_code check_count(const struct rv_calendar *calendar,
                                const struct rv_calendar_change *change, struct rv_error *err)
{
    int count = calendar->holidays.count;
    for (int i = 0; i < change->day_count; i++) {
        count += rv_dates_have(&calendar->holidays, change->days[i]) ? 0 : 1;
    }
    return count > RV_DATES_MAX ? rv_calendar_too_many(count, err) : RV_OK;
}

enum rv_code rv_calendar_set(struct rv_db_session *session, int32_t tenant, const char *name,
                             const struct rv_calendar_change *change, struct rv_error *err)
{
    struct rv_calendar calendar;
    bool happened = false;
    enum rv_code code = rv_schedule_load_calendar(session, tenant, name, &calendar, err);
    if (code == RV_OK) {
        code = check_count(&calendar, change, err);
    }
    if (code == RV_OK && change->weekend != NULL) {
        code = rv_weekend_read(change->weekend, &calendar.weekend, err);
    }
    if (code != RV_OK) {
        return code;
    }
    struct rv_args *args = rv_schedule_args(&rv_sql_calendar_set, tenant, name);
    rv_args_i32(args, 3, calendar.weekend);
    for (int i = 0; i < change->day_count; i++) {
        rv_args_date(args, 4, change->days[i]);
        rv_args_text(args, 5, change->labels[i]);
    }
    for (int i = 0; change->gone != NULL && i < change->gone->count; i++) {
        rv_args_date(args, 6, change->gone->days[i]);
    }
    code = rv_schedule_change_row(session, tenant, &rv_sql_calendar_set, args, &happened, err);
    return code == RV_OK && !happened ? no_such(name, err) : code;
}

static enum rv_code take_created(void *data, const struct rv_result *result, int row,
                                 struct rv_error *err)
{
    (void)err;
    *(bool *)data = rv_result_bool(result, row, 0);
    return RV_OK;
}

static enum rv_code check_apart(const struct rv_calendar_whole *whole, struct rv_error *err)
{
    for (int i = 0; i < whole->day_count; i++) {
        for (int k = 0; k < i; k++) {
            if (whole->days[k] == whole->days[i]) {
                rv_fail(err, RV_INVALID, "holidays %d and %d are the same day", k, i);
                rv_hint(err, "Name a day once; counted from 0.");
                return RV_INVALID;
            }
        }
    }
    return RV_OK;
}

enum rv_code rv_calendar_put(struct rv_db_session *session, int32_t tenant, const char *name,
                             const struct rv_calendar_whole *whole, bool *created,
                             struct rv_error *err)
{
    uint8_t free_days = RV_CALENDAR_WEEKEND;
    *created = false;
    rv_schedule_mark(whole->wrong, "name");
    enum rv_code code = rv_schedule_check_name("calendar", name, err);
    if (code == RV_OK && whole->weekend != NULL) {
        rv_schedule_mark(whole->wrong, "weekend");
        code = rv_weekend_read(whole->weekend, &free_days, err);
    }
    if (code == RV_OK && whole->day_count > RV_DATES_MAX) {
        rv_schedule_mark(whole->wrong, "holidays");
        code = rv_calendar_too_many(whole->day_count, err);
    }
    if (code == RV_OK) {
        rv_schedule_mark(whole->wrong, "holidays");
        code = check_apart(whole, err);
    }
    if (code != RV_OK) {
        return code;
    }
    rv_schedule_mark(whole->wrong, NULL);
    struct rv_args *args = rv_schedule_args(&rv_sql_calendar_put, tenant, name);
    rv_args_i32(args, 3, free_days);
    for (int i = 0; i < whole->day_count; i++) {
        rv_args_date(args, 4, whole->days[i]);
        rv_args_text(args, 5, whole->labels[i]);
    }
    return rv_db_session_change(session, tenant, &rv_sql_calendar_put, args, take_created, created,
                                err);
}

enum rv_code rv_calendar_remove(struct rv_db_session *session, int32_t tenant, const char *name,
                                struct rv_error *err)
{
    struct rv_calendar calendar;
    bool happened = false;
    enum rv_code code = rv_schedule_load_calendar(session, tenant, name, &calendar, err);
    if (code != RV_OK) {
        return code;
    }
    code = rv_schedule_change_row(session, tenant, &rv_sql_calendar_remove,
                                  rv_schedule_args(&rv_sql_calendar_remove, tenant, name),
                                  &happened, err);
    if (code == RV_OK && !happened) {
        rv_fail(err, RV_CONFLICT, "calendar \"%.63s\" is used by a schedule, or was", name);
        rv_hint(err, "A backfill needs it for the time when it was; remove the schedule first.");
        code = RV_CONFLICT;
    }
    return code;
}

enum rv_code rv_calendar_list(struct rv_db_session *session, int32_t tenant, rv_schedule_each each,
                              void *data, struct rv_error *err)
{
    struct rv_args *args = rv_args_create(&rv_sql_calendar_list);
    rv_args_i32(args, 1, tenant);
    return rv_db_session_query(session, tenant, &rv_sql_calendar_list, args, each, data, err);
}

enum rv_code rv_calendar_days(struct rv_db_session *session, int32_t tenant, const char *name,
                              uint8_t *weekend, rv_schedule_each each, void *data,
                              struct rv_error *err)
{
    struct rv_calendar calendar;
    enum rv_code code = rv_schedule_load_calendar(session, tenant, name, &calendar, err);
    *weekend = calendar.weekend;
    return code == RV_OK
               ? rv_db_session_query(session, tenant, &rv_sql_calendar_days,
                                     rv_schedule_args(&rv_sql_calendar_days, tenant, name), each,
                                     data, err)
               : code;
}
