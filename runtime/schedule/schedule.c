/* schedule.c -- check, compute the next fire, store; see schedule.h. */
#include "runtime/schedule/schedule.h"

#include "runtime/base/check.h"
#include "runtime/base/random.h"
#include "runtime/schedule/due.h"
#include "runtime/schedule/row.h"

#include "schedule_sql.h"

#include <stdio.h>
#include <string.h>

#define SECOND_US INT64_C(1000000)

/* ---- words ---- */

static const char *const overlap_names[] = {"skip", "buffer_one", "allow"};

static const char *overlap_name(enum rv_schedule_overlap overlap)
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
    return rv_fail(err, RV_INVALID, "overlap policy \"%.40s\" must be skip, buffer_one or allow",
                   name);
}

/* ---- rows ---- */

enum rv_code rv_schedule_row_read(const struct rv_result *result, int row,
                                  struct rv_schedule_row *out, struct rv_error *err)
{
    *out = (struct rv_schedule_row){.window_s = rv_result_i64(result, row, 5),
                                    .jitter_s = rv_result_i64(result, row, 6),
                                    .has_last = !rv_result_is_null(result, row, 8)};
    snprintf(out->name, sizeof out->name, "%s", rv_result_text(result, row, 0));
    snprintf(out->zone, sizeof out->zone, "%s", rv_result_text(result, row, 2));
    out->next_us = !rv_result_is_null(result, row, 7) ? rv_result_time_us(result, row, 7) : 0;
    out->last_us = out->has_last ? rv_result_time_us(result, row, 8) : 0;
    enum rv_code code = rv_cron_gap_from(rv_result_text(result, row, 3), &out->gap, err);
    if (code == RV_OK) {
        code = rv_cron_fold_from(rv_result_text(result, row, 4), &out->fold, err);
    }
    if (code == RV_OK) {
        code = rv_dates_read(rv_result_text(result, row, 9), &out->except, err);
    }
    return code == RV_OK ? rv_cron_parse(rv_result_text(result, row, 1), &out->cron, err) : code;
}

static struct rv_cron_rules rules_of(const struct rv_schedule_row *row, const struct rv_zone *zone)
{
    return (struct rv_cron_rules){
        .zone = zone, .gap = row->gap, .fold = row->fold, .except = &row->except};
}

static enum rv_code take_row(void *data, const struct rv_result *result, int row,
                             struct rv_error *err)
{
    return rv_schedule_row_read(result, row, data, err);
}

static struct rv_args *named(const struct rv_statement *statement, int32_t tenant, const char *name)
{
    struct rv_args *args = rv_args_create(statement);
    rv_args_i32(args, 1, tenant);
    rv_args_text(args, 2, name);
    return args;
}

static enum rv_code no_such(const char *name, struct rv_error *err)
{
    rv_fail(err, RV_NOT_FOUND, "no schedule named \"%.63s\"", name);
    rv_hint(err, "`reeve schedule list` shows the names.");
    return RV_NOT_FOUND;
}

static enum rv_code get(struct rv_db_session *session, int32_t tenant, const char *name,
                        struct rv_schedule_row *out, struct rv_error *err)
{
    *out = (struct rv_schedule_row){.next_us = 0};
    enum rv_code code =
        rv_db_session_query(session, tenant, &rv_sql_schedule_get,
                            named(&rv_sql_schedule_get, tenant, name), take_row, out, err);
    return code == RV_OK && out->name[0] == '\0' ? no_such(name, err) : code;
}

static enum rv_code count_row(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)result;
    (void)row;
    (void)err;
    *(int *)data = row + 1; /* also right when the rows come anew */
    return RV_OK;
}

/* Runs a change that returns one row when it happened. */
static enum rv_code change(struct rv_db_session *session, int32_t tenant,
                           const struct rv_statement *statement, struct rv_args *args,
                           bool *happened, struct rv_error *err)
{
    int rows = 0;
    enum rv_code code =
        rv_db_session_change(session, tenant, statement, args, count_row, &rows, err);
    *happened = rows > 0;
    return code;
}

/* ---- adding ---- */

static enum rv_code check_range(const char *field, int64_t value, int64_t least, int64_t most,
                                struct rv_error *err)
{
    if (value >= least && value <= most) {
        return RV_OK;
    }
    return rv_fail(err, RV_INVALID, "%s is %lld and must be from %lld to %lld seconds", field,
                   (long long)value, (long long)least, (long long)most);
}

static enum rv_code check(const struct rv_schedule *schedule, int32_t window_s,
                          struct rv_error *err)
{
    size_t length = strspn(schedule->name, "abcdefghijklmnopqrstuvwxyz0123456789._-");
    if (length == 0 || length > RV_SCHEDULE_NAME_MAX || schedule->name[length] != '\0' ||
        strchr("._-", schedule->name[0]) != NULL) {
        rv_fail(err, RV_INVALID, "name \"%.80s\" is not a name of a schedule", schedule->name);
        rv_hint(err,
                "Use up to %d lower-case letters, digits, \".\", \"_\" or \"-\", a letter or "
                "digit first.",
                RV_SCHEDULE_NAME_MAX);
        return RV_INVALID;
    }
    if (schedule->action[0] == '\0' || strlen(schedule->action) > RV_SCHEDULE_ACTION_MAX) {
        return rv_fail(err, RV_INVALID, "action must have 1 to %d bytes", RV_SCHEDULE_ACTION_MAX);
    }
    if (schedule->input != NULL && !json_is_object(schedule->input)) {
        return rv_fail(err, RV_INVALID, "input must be a JSON object");
    }
    enum rv_code code = check_range("catch-up window", window_s, RV_SCHEDULE_CATCH_UP_MIN_S,
                                    RV_SCHEDULE_CATCH_UP_MAX_S, err);
    return code == RV_OK
               ? check_range("jitter", schedule->jitter_s, 0, RV_SCHEDULE_JITTER_MAX_S, err)
               : code;
}

static int64_t floor_s(int64_t time_us)
{
    return time_us / SECOND_US - (time_us % SECOND_US < 0 ? 1 : 0);
}

static void put_times(struct rv_args *args, int next_index, bool has_next, int64_t next_s,
                      int64_t delay_s)
{
    if (has_next) {
        rv_args_time(args, next_index, next_s * SECOND_US);
        rv_args_time(args, next_index + 1, (next_s + delay_s) * SECOND_US);
    } else {
        rv_args_null(args, next_index);
        rv_args_null(args, next_index + 1);
    }
}

enum rv_code rv_schedule_add(struct rv_db_session *session, int32_t tenant,
                             const struct rv_schedule *schedule, int64_t now_us, int64_t *next_us,
                             struct rv_error *err)
{
    struct rv_cron cron;
    struct rv_dates except;
    struct rv_zone *zone = NULL;
    int64_t next_s = 0;
    int32_t window_s =
        schedule->catch_up_window_s != 0 ? schedule->catch_up_window_s : RV_SCHEDULE_CATCH_UP_S;
    enum rv_code code = check(schedule, window_s, err);
    if (code == RV_OK) {
        code = rv_cron_parse(schedule->cron, &cron, err);
    }
    if (code == RV_OK) {
        code = rv_dates_read(schedule->except != NULL ? schedule->except : "", &except, err);
    }
    if (code == RV_OK) {
        code = rv_zone_load(NULL, schedule->zone, &zone, err);
    }
    if (code != RV_OK) {
        return code;
    }
    struct rv_cron_rules rules = {
        .zone = zone, .gap = schedule->gap, .fold = schedule->fold, .except = &except};
    bool fires = rv_cron_next(&cron, &rules, floor_s(now_us), &next_s);
    rv_zone_destroy(zone);
    if (!fires) {
        rv_fail(err, RV_INVALID, "cron \"%.60s\" does not fire within %d years", schedule->cron,
                RV_CRON_YEARS);
        rv_hint(err, "Choose a day that exists in a month that is named.");
        return RV_INVALID;
    }
    char version[RV_ZONE_VERSION_TEXT];
    rv_zone_version(NULL, version);
    struct rv_args *args = named(&rv_sql_schedule_insert, tenant, schedule->name);
    rv_args_text(args, 3, schedule->cron);
    rv_args_text(args, 4, schedule->zone);
    rv_args_text(args, 5, rv_cron_gap_name(schedule->gap));
    rv_args_text(args, 6, rv_cron_fold_name(schedule->fold));
    rv_args_text(args, 7, overlap_name(schedule->overlap));
    rv_args_i32(args, 8, window_s);
    rv_args_i32(args, 9, schedule->jitter_s);
    rv_args_text(args, 10, schedule->action);
    if (schedule->input != NULL) {
        rv_args_json(args, 11, schedule->input);
    } else {
        rv_args_json_text(args, 11, "{}", 2);
    }
    put_times(args, 12, true, next_s, rv_due_delay(tenant, schedule->name, schedule->jitter_s));
    rv_args_text(args, 14, version);
    rv_args_text(args, 15, schedule->except != NULL ? schedule->except : "");
    bool happened = false;
    code = change(session, tenant, &rv_sql_schedule_insert, args, &happened, err);
    if (code == RV_OK && !happened) {
        code =
            rv_fail(err, RV_CONFLICT, "there is a schedule named \"%s\" already", schedule->name);
        rv_hint(err, "Change it with `reeve schedule set`, or choose another name.");
    }
    *next_us = next_s * SECOND_US;
    return code;
}

/* ---- looking ---- */

enum rv_code rv_schedule_list(struct rv_db_session *session, int32_t tenant, rv_schedule_each each,
                              void *data, struct rv_error *err)
{
    struct rv_args *args = rv_args_create(&rv_sql_schedule_list);
    rv_args_i32(args, 1, tenant);
    return rv_db_session_query(session, tenant, &rv_sql_schedule_list, args, each, data, err);
}

/* The row and its zone; the caller destroys `zone`. */
static enum rv_code get_rules(struct rv_db_session *session, int32_t tenant, const char *name,
                              struct rv_schedule_row *row, struct rv_zone **zone,
                              struct rv_error *err)
{
    enum rv_code code = get(session, tenant, name, row, err);
    return code == RV_OK ? rv_zone_load(NULL, row->zone, zone, err) : code;
}

enum rv_code rv_schedule_next(struct rv_db_session *session, int32_t tenant, const char *name,
                              int64_t now_us, int most, int64_t *out_us, int *count,
                              struct rv_error *err)
{
    struct rv_schedule_row row;
    struct rv_zone *zone = NULL;
    int64_t at_s = floor_s(now_us);
    *count = 0;
    if (most < 1 || most > RV_SCHEDULE_NEXT_MAX) {
        return rv_fail(err, RV_INVALID, "the number of fires must be from 1 to %d",
                       RV_SCHEDULE_NEXT_MAX);
    }
    enum rv_code code = get_rules(session, tenant, name, &row, &zone, err);
    if (code != RV_OK) {
        return code;
    }
    struct rv_cron_rules rules = rules_of(&row, zone);
    while (*count < most && rv_cron_next(&row.cron, &rules, at_s, &at_s)) {
        out_us[(*count)++] = at_s * SECOND_US;
    }
    rv_zone_destroy(zone);
    return RV_OK;
}

/* ---- changing ---- */

/* What is stored, with the change over it. */
struct merged {
    struct rv_schedule_row row;
    char cron[RV_CRON_TEXT_MAX];
    char except[RV_DATES_MAX * 11 + 1];
    enum rv_schedule_overlap overlap;
    bool rests; /* paused until somebody resumes it */
    int64_t from_us;
};

static enum rv_code take_whole(void *data, const struct rv_result *result, int row,
                               struct rv_error *err)
{
    struct merged *merged = data;
    enum rv_code code = rv_schedule_row_read(result, row, &merged->row, err);
    snprintf(merged->cron, sizeof merged->cron, "%s", rv_result_text(result, row, 1));
    snprintf(merged->except, sizeof merged->except, "%s", rv_result_text(result, row, 9));
    bool paused = strcmp(rv_result_text(result, row, 12), "paused") == 0;
    merged->rests = paused && rv_result_is_null(result, row, 11);
    merged->from_us = paused && !merged->rests ? rv_result_time_us(result, row, 11) : 0;
    return code == RV_OK
               ? rv_schedule_overlap_from(rv_result_text(result, row, 10), &merged->overlap, err)
               : code;
}

static enum rv_code merge(struct merged *merged, const struct rv_schedule_change *change,
                          struct rv_error *err)
{
    struct rv_schedule_row *row = &merged->row;
    enum rv_code code = RV_OK;
    if (change->cron != NULL) {
        code = rv_cron_parse(change->cron, &row->cron, err);
        snprintf(merged->cron, sizeof merged->cron, "%s", change->cron);
    }
    if (change->zone != NULL) {
        snprintf(row->zone, sizeof row->zone, "%s", change->zone);
    }
    if (code == RV_OK && change->except != NULL) {
        code = rv_dates_read(change->except, &row->except, err);
        snprintf(merged->except, sizeof merged->except, "%s", change->except);
    }
    if (code == RV_OK && change->gap != NULL) {
        code = rv_cron_gap_from(change->gap, &row->gap, err);
    }
    if (code == RV_OK && change->fold != NULL) {
        code = rv_cron_fold_from(change->fold, &row->fold, err);
    }
    if (code == RV_OK && change->overlap != NULL) {
        code = rv_schedule_overlap_from(change->overlap, &merged->overlap, err);
    }
    row->window_s = change->catch_up_window_s >= 0 ? change->catch_up_window_s : row->window_s;
    row->jitter_s = change->jitter_s >= 0 ? change->jitter_s : row->jitter_s;
    if (code == RV_OK) {
        code = check_range("catch-up window", row->window_s, RV_SCHEDULE_CATCH_UP_MIN_S,
                           RV_SCHEDULE_CATCH_UP_MAX_S, err);
    }
    return code == RV_OK ? check_range("jitter", row->jitter_s, 0, RV_SCHEDULE_JITTER_MAX_S, err)
                         : code;
}

enum rv_code rv_schedule_set(struct rv_db_session *session, int32_t tenant, const char *name,
                             const struct rv_schedule_change *wanted, int64_t now_us,
                             int64_t *next_us, struct rv_error *err)
{
    struct merged merged = {.rests = false};
    struct rv_zone *zone = NULL;
    char version[RV_ZONE_VERSION_TEXT];
    int64_t next_s = 0;
    bool happened = false;
    enum rv_code code =
        rv_db_session_query(session, tenant, &rv_sql_schedule_get,
                            named(&rv_sql_schedule_get, tenant, name), take_whole, &merged, err);
    if (code == RV_OK && merged.row.name[0] == '\0') {
        return no_such(name, err);
    }
    if (code == RV_OK) {
        code = merge(&merged, wanted, err);
    }
    if (code == RV_OK) {
        code = rv_zone_load(NULL, merged.row.zone, &zone, err);
    }
    if (code != RV_OK) {
        return code;
    }
    struct rv_cron_rules rules = rules_of(&merged.row, zone);
    int64_t from_us = merged.from_us > now_us ? merged.from_us : now_us;
    bool fires = rv_cron_next(&merged.row.cron, &rules, floor_s(from_us), &next_s);
    rv_zone_destroy(zone);
    if (!fires) {
        return rv_fail(err, RV_INVALID, "schedule \"%s\" would never fire again", name);
    }
    rv_zone_version(NULL, version);
    struct rv_args *args = named(&rv_sql_schedule_set, tenant, name);
    rv_args_text(args, 3, merged.cron);
    rv_args_text(args, 4, merged.row.zone);
    rv_args_text(args, 5, rv_cron_gap_name(merged.row.gap));
    rv_args_text(args, 6, rv_cron_fold_name(merged.row.fold));
    rv_args_text(args, 7, overlap_name(merged.overlap));
    rv_args_i32(args, 8, (int32_t)merged.row.window_s);
    rv_args_i32(args, 9, (int32_t)merged.row.jitter_s);
    rv_args_text(args, 10, merged.except);
    put_times(args, 11, !merged.rests, next_s, rv_due_delay(tenant, name, merged.row.jitter_s));
    rv_args_text(args, 13, version);
    code = change(session, tenant, &rv_sql_schedule_set, args, &happened, err);
    if (code == RV_OK && !happened) {
        code = rv_fail(err, RV_CONFLICT, "schedule \"%s\" was changed at the same moment", name);
    }
    *next_us = merged.rests ? 0 : next_s * SECOND_US;
    return code;
}

enum rv_code rv_schedule_pause(struct rv_db_session *session, int32_t tenant, const char *name,
                               int64_t until_us, const char *reason, int64_t now_us,
                               struct rv_error *err)
{
    struct rv_schedule_row row;
    struct rv_zone *zone = NULL;
    char version[RV_ZONE_VERSION_TEXT];
    int64_t next_s = 0;
    bool happened = false;
    if (until_us != 0 && until_us <= now_us) {
        return rv_fail(err, RV_INVALID, "a pause must end in the future");
    }
    enum rv_code code = get_rules(session, tenant, name, &row, &zone, err);
    if (code != RV_OK) {
        return code;
    }
    struct rv_cron_rules rules = rules_of(&row, zone);
    bool has_next = until_us != 0 && rv_cron_next(&row.cron, &rules, floor_s(until_us), &next_s);
    rv_zone_destroy(zone);
    if (until_us != 0 && !has_next) {
        return rv_fail(err, RV_INVALID, "schedule \"%s\" never fires after that pause", name);
    }
    rv_zone_version(NULL, version);
    struct rv_args *args = named(&rv_sql_schedule_pause, tenant, name);
    if (until_us != 0) {
        rv_args_time(args, 3, until_us);
    } else {
        rv_args_null(args, 3);
    }
    rv_args_text(args, 4, reason);
    put_times(args, 5, has_next, next_s, rv_due_delay(tenant, name, row.jitter_s));
    rv_args_text(args, 7, version);
    code = change(session, tenant, &rv_sql_schedule_pause, args, &happened, err);
    if (code == RV_OK && !happened) {
        code = rv_fail(err, RV_CONFLICT, "schedule \"%s\" has ended or is broken", name);
    }
    return code;
}

enum rv_code rv_schedule_resume(struct rv_db_session *session, int32_t tenant, const char *name,
                                int64_t now_us, struct rv_error *err)
{
    struct rv_schedule_row row;
    struct rv_zone *zone = NULL;
    char version[RV_ZONE_VERSION_TEXT];
    int64_t next_s = 0;
    bool happened = false;
    enum rv_code code = get_rules(session, tenant, name, &row, &zone, err);
    if (code != RV_OK) {
        return code;
    }
    struct rv_cron_rules rules = rules_of(&row, zone);
    bool has_next = rv_cron_next(&row.cron, &rules, floor_s(now_us), &next_s);
    rv_zone_destroy(zone);
    if (!has_next) {
        return rv_fail(err, RV_INVALID, "schedule \"%s\" never fires again", name);
    }
    rv_zone_version(NULL, version);
    struct rv_args *args = named(&rv_sql_schedule_resume, tenant, name);
    put_times(args, 3, true, next_s, rv_due_delay(tenant, name, row.jitter_s));
    rv_args_text(args, 5, version);
    code = change(session, tenant, &rv_sql_schedule_resume, args, &happened, err);
    if (code == RV_OK && !happened) {
        code = rv_fail(err, RV_CONFLICT, "schedule \"%s\" is active already", name);
    }
    return code;
}

enum rv_code rv_schedule_remove(struct rv_db_session *session, int32_t tenant, const char *name,
                                struct rv_error *err)
{
    bool happened = false;
    enum rv_code code = change(session, tenant, &rv_sql_schedule_remove,
                               named(&rv_sql_schedule_remove, tenant, name), &happened, err);
    if (code == RV_OK && !happened) {
        code = no_such(name, err);
    }
    return code;
}

enum rv_code rv_schedule_run_now(struct rv_db_session *session, int32_t tenant, const char *name,
                                 int64_t now_us, int64_t *fire_id, struct rv_error *err)
{
    struct rv_schedule_row row;
    bool happened = false;
    enum rv_code code = get(session, tenant, name, &row, err);
    if (code != RV_OK) {
        return code;
    }
    *fire_id = rv_id_make(now_us);
    struct rv_args *args = named(&rv_sql_schedule_run_now, tenant, name);
    rv_args_i64(args, 3, *fire_id);
    rv_args_time(args, 4, now_us);
    code = change(session, tenant, &rv_sql_schedule_run_now, args, &happened, err);
    if (code == RV_OK && !happened) {
        code = rv_fail(err, RV_CONFLICT, "schedule \"%s\" is running already", name);
        rv_hint(err, "Wait for it, or choose the overlap policy buffer_one or allow.");
    }
    return code;
}

enum rv_code rv_schedule_backfill(struct rv_db_session *session, int32_t tenant, const char *name,
                                  int64_t from_us, int64_t to_us, int64_t now_us, int *made,
                                  struct rv_error *err)
{
    struct rv_schedule_row row;
    struct rv_zone *zone = NULL;
    int count = 0;
    *made = 0;
    if (from_us >= to_us || to_us > now_us) {
        rv_fail(err, RV_INVALID, "the time to fill must end after it begins, and be past");
        rv_hint(err, "What is still to come runs by itself; `reeve schedule run` runs it now.");
        return RV_INVALID;
    }
    enum rv_code code = get_rules(session, tenant, name, &row, &zone, err);
    if (code != RV_OK) {
        return code;
    }
    struct rv_cron_rules rules = rules_of(&row, zone);
    struct rv_args *args = named(&rv_sql_schedule_backfill, tenant, name);
    int64_t at_s = floor_s(from_us - 1);
    while (rv_cron_next(&row.cron, &rules, at_s, &at_s) && at_s * SECOND_US < to_us) {
        if (count++ == RV_SCHEDULE_BACKFILL_MAX) {
            code =
                rv_fail(err, RV_LIMIT, "more than %d fires in that time", RV_SCHEDULE_BACKFILL_MAX);
            rv_hint(err, "Fill a shorter time, one after the other.");
            break;
        }
        rv_args_i64(args, 3, rv_id_make(now_us));
        rv_args_time(args, 4, at_s * SECOND_US);
    }
    rv_zone_destroy(zone);
    if (code != RV_OK || count == 0) {
        rv_args_destroy(args);
        return code;
    }
    return rv_db_session_change(session, tenant, &rv_sql_schedule_backfill, args, count_row, made,
                                err);
}
