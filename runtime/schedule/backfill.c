/* backfill.c -- the fires of a time that is over, by the expressions that were valid in it.
 *
 * The history of expressions (table schedule_rule) cuts the time into stretches; each is searched
 * with its own expression, zone, policies and calendar.  Calendars have no history: a holiday that
 * was entered late is one.
 */
#include "runtime/base/check.h"
#include "runtime/base/random.h"
#include "runtime/schedule/row.h"

#include "schedule_sql.h"

#include <stdio.h>
#include <string.h>

#define SECOND_US INT64_C(1000000)

enum { MINUTE_MS = 60000 };

/* One entry of the history. */
struct rule {
    int64_t from_us;
    struct rv_schedule_row row; /* cron, zone, gap, fold, except, calendar */
    struct rv_calendar calendar;
};

struct filling {
    const struct rv_schedule_backfill *wanted;
    int64_t instants[RV_SCHEDULE_BACKFILL_MAX];
    int count;
    bool begun;
    struct rule rule; /* the one that is valid until the next begins */
    /* From its first expression on, up to the latter, nothing says any more what ran. */
    int64_t made_us, forgotten_us;
};

static enum rv_code check_known(const struct filling *filling, int64_t at_us, struct rv_error *err)
{
    if (at_us < filling->made_us || at_us > filling->forgotten_us) {
        return RV_OK;
    }
    char text[RV_TIME_TEXT];
    rv_time_text(filling->forgotten_us, text);
    rv_schedule_mark(filling->wanted->wrong, "from");
    rv_fail(
        err, RV_CONFLICT,
        "from: which fires ran up to %.19sZ is not on record any more, and a backfill could run "
        "them again",
        text);
    rv_hint(err, "Begin after that time, or end before the schedule was made.");
    return RV_CONFLICT;
}

static enum rv_code search(struct filling *filling, int64_t to_us, struct rv_error *err)
{
    struct rule *rule = &filling->rule;
    int64_t begin_us =
        rule->from_us > filling->wanted->from_us ? rule->from_us : filling->wanted->from_us;
    int64_t end_us = to_us < filling->wanted->to_us ? to_us : filling->wanted->to_us;
    if (begin_us >= end_us) {
        return RV_OK;
    }
    struct rv_zone *zone = NULL;
    enum rv_code code = rv_zone_load(NULL, rule->row.zone, &zone, err);
    struct rv_cron_rules rules =
        rv_schedule_rules(&rule->row, zone, rule->row.calendar[0] != '\0' ? &rule->calendar : NULL);
    int64_t at_s = rv_schedule_floor_s(begin_us - 1);
    while (code == RV_OK && rv_cron_next(&rule->row.cron, &rules, at_s, &at_s) &&
           at_s * SECOND_US < end_us) {
        if (filling->count == RV_SCHEDULE_BACKFILL_MAX) {
            rv_schedule_mark(filling->wanted->wrong, "to");
            code =
                rv_fail(err, RV_LIMIT, "more than %d fires in that time", RV_SCHEDULE_BACKFILL_MAX);
            rv_hint(err, "Fill a shorter time, one after the other.");
            break;
        }
        code = check_known(filling, at_s * SECOND_US, err);
        filling->instants[filling->count++] = at_s * SECOND_US;
    }
    rv_zone_destroy(zone);
    return code;
}

static enum rv_code read_rule(const struct rv_result *result, int row, struct rule *out,
                              struct rv_error *err)
{
    out->from_us = rv_result_time_us(result, row, 0);
    snprintf(out->row.zone, sizeof out->row.zone, "%s", rv_result_text(result, row, 2));
    snprintf(out->row.calendar, sizeof out->row.calendar, "%s", rv_result_text(result, row, 6));
    enum rv_code code = rv_cron_parse(rv_result_text(result, row, 1), &out->row.cron, err);
    if (code == RV_OK) {
        code = rv_cron_gap_from(rv_result_text(result, row, 3), &out->row.gap, err);
    }
    if (code == RV_OK) {
        code = rv_cron_fold_from(rv_result_text(result, row, 4), &out->row.fold, err);
    }
    if (code == RV_OK) {
        code = rv_dates_read(rv_result_text(result, row, 5), &out->row.except, err);
    }
    return code == RV_OK && out->row.calendar[0] != '\0'
               ? rv_calendar_row_read(result, row, 7, &out->calendar, err)
               : code;
}

static enum rv_code take_rule(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    struct filling *filling = data;
    enum rv_code code = RV_OK;
    if (filling->begun) {
        code = search(filling, rv_result_time_us(result, row, 0), err);
    }
    if (code == RV_OK) {
        code = read_rule(result, row, &filling->rule, err);
    }
    if (!filling->begun) {
        filling->made_us = filling->rule.from_us;
        filling->forgotten_us =
            rv_result_is_null(result, row, 9) ? INT64_MIN : rv_result_time_us(result, row, 9);
        filling->rule.from_us = INT64_MIN; /* before the first expression there was no other */
    }
    filling->begun = true;
    return code;
}

static enum rv_code check(const struct rv_schedule_backfill *wanted, int64_t now_us,
                          struct rv_error *err)
{
    rv_schedule_mark(wanted->wrong, wanted->to_us > now_us ? "to" : "from");
    if (wanted->from_us >= wanted->to_us || wanted->to_us > now_us) {
        rv_fail(err, RV_INVALID,
                "from, to: the time to fill must end after it begins, and be past");
        rv_hint(err, "What is still to come runs by itself; `reeve schedule run` runs it now.");
        return RV_INVALID;
    }
    rv_schedule_mark(wanted->wrong, "overlap");
    if (wanted->overlap != RV_OVERLAP_SKIP && wanted->overlap != RV_OVERLAP_BUFFER_ALL &&
        wanted->overlap != RV_OVERLAP_ALLOW_ALL) {
        rv_fail(err, RV_INVALID, "overlap policy %s is not for what is filled in afterwards",
                rv_schedule_overlap_name(wanted->overlap));
        rv_hint(err,
                "buffer_all: one after the other; allow_all: side by side; skip: not while one "
                "runs.");
        return RV_INVALID;
    }
    rv_schedule_mark(wanted->wrong, "rate");
    if (wanted->per_minute < 0 || wanted->per_minute > RV_SCHEDULE_RATE_MAX) {
        return rv_fail(err, RV_INVALID, "rate is %d and must be from 1 to %d fires a minute",
                       (int)wanted->per_minute, RV_SCHEDULE_RATE_MAX);
    }
    rv_schedule_mark(wanted->wrong, NULL);
    return RV_OK;
}

/* All instants of that time; the caller frees. */
static enum rv_code gather(struct rv_db_session *session, int32_t tenant, const char *name,
                           const struct rv_schedule_backfill *backfill, int64_t now_us,
                           struct filling **out, struct rv_error *err)
{
    struct filling *filling = rv_alloc(sizeof *filling);
    *filling = (struct filling){.wanted = backfill};
    *out = filling;
    enum rv_code code = check(backfill, now_us, err);
    if (code == RV_OK) {
        code = rv_db_session_query(session, tenant, &rv_sql_schedule_rules,
                                   rv_schedule_args(&rv_sql_schedule_rules, tenant, name),
                                   take_rule, filling, err);
    }
    if (code == RV_OK && !filling->begun) {
        code = rv_schedule_no_such(name, err);
    }
    return code == RV_OK ? search(filling, INT64_MAX, err) : code;
}

enum rv_code rv_schedule_fill(struct rv_db_session *session, int32_t tenant, const char *name,
                              const struct rv_schedule_backfill *backfill, int64_t now_us,
                              int *made, struct rv_error *err)
{
    struct filling *filling = NULL;
    *made = 0;
    enum rv_code code = gather(session, tenant, name, backfill, now_us, &filling, err);
    if (code == RV_OK && filling->count > 0) {
        struct rv_args *args = rv_schedule_args(&rv_sql_schedule_backfill, tenant, name);
        int64_t first_id = rv_id_make(now_us);
        rv_args_text(args, 3, rv_schedule_overlap_name(backfill->overlap));
        if (backfill->per_minute > 0) {
            rv_args_i32(args, 4, MINUTE_MS / backfill->per_minute);
        } else {
            rv_args_null(args, 4);
        }
        for (int i = 0; i < filling->count; i++) {
            rv_args_i64(args, 5, first_id + i); /* numbered on from there */
            rv_args_time(args, 6, filling->instants[i]);
        }
        code = rv_db_session_change(session, tenant, &rv_sql_schedule_backfill, args,
                                    rv_schedule_count_row, made, err);
    }
    rv_free(filling);
    return code;
}

struct missing {
    int64_t *out_us;
    int count;
};

static enum rv_code take_missing(void *data, const struct rv_result *result, int row,
                                 struct rv_error *err)
{
    (void)err;
    struct missing *missing = data;
    missing->out_us[row] = rv_result_time_us(result, row, 0);
    missing->count = row + 1;
    return RV_OK;
}

enum rv_code rv_schedule_fill_preview(struct rv_db_session *session, int32_t tenant,
                                      const char *name, const struct rv_schedule_backfill *backfill,
                                      int64_t now_us, int64_t *out_us, int *count,
                                      struct rv_error *err)
{
    struct filling *filling = NULL;
    struct missing missing = {.out_us = out_us};
    enum rv_code code = gather(session, tenant, name, backfill, now_us, &filling, err);
    if (code == RV_OK && filling->count > 0) {
        struct rv_args *args = rv_schedule_args(&rv_sql_schedule_unrecorded, tenant, name);
        for (int i = 0; i < filling->count; i++) {
            rv_args_time(args, 3, filling->instants[i]);
        }
        code = rv_db_session_query(session, tenant, &rv_sql_schedule_unrecorded, args, take_missing,
                                   &missing, err);
    }
    *count = missing.count;
    rv_free(filling);
    return code;
}
