/* api_schedules.c -- schedules: reads, and whatever `reeve schedule` does.  The rules are those of
 * runtime/schedule, run at the desk; this file reads bodies. */
#include "runtime/http/desk.h"
#include "runtime/schedule/look.h"

#include "runtime/base/check.h"
#include "runtime/lua/given.h"

#include "http_sql.h"

#include <stdlib.h>
#include <string.h>

void rv_api_schedules_list(struct rv_call *call)
{
    struct rv_args *args =
        rv_call_page(call, &rv_sql_api_schedules, "status", rv_schedule_status_words);
    if (args != NULL) {
        rv_call_read(call, &rv_sql_api_schedules, args, "schedule");
    }
}

/* ---- reading ---- */

static const char *name_of(const struct rv_asked *asked)
{
    const char *of_path = asked->call->match.part_count > 0 ? asked->call->match.parts[0] : NULL;
    return of_path != NULL ? of_path : rv_json_str(asked->call->body, "name", "");
}

/* NULL when the body has none; its members are texts by the table of bodies. */
static const char *text(const struct rv_asked *asked, const char *member)
{
    return rv_json_str(asked->call->body, member, NULL);
}

static enum rv_code need_text(struct rv_asked *asked, const char *member, const char **out,
                              struct rv_error *err)
{
    asked->field = member;
    enum rv_code code = rv_json_need_str(asked->call->body, "body", member, out, err);
    asked->field = code == RV_OK ? NULL : asked->field;
    return code;
}

struct range {
    int32_t least, most;
};

static const struct range any_count = {0, INT32_MAX};

static enum rv_code whole_number(struct rv_asked *asked, const char *member, int32_t otherwise,
                                 struct range range, int32_t *out, struct rv_error *err)
{
    const json_t *value = json_object_get(asked->call->body, member);
    *out = otherwise;
    if (value == NULL) {
        return RV_OK;
    }
    if (!json_is_integer(value) || json_integer_value(value) < range.least ||
        json_integer_value(value) > range.most) {
        asked->field = member;
        rv_fail(err, RV_INVALID, "%s must be a whole number from %d to %d", member,
                (int)range.least, (int)range.most);
        rv_hint(err, "Leave it out for what is usual: runtime/schedule/README.md.");
        return RV_INVALID;
    }
    *out = (int32_t)json_integer_value(value);
    return RV_OK;
}

struct numbers {
    int32_t catch_up_window_s, catch_up_max, jitter_s, pause_after;
};

static enum rv_code read_numbers(struct rv_asked *asked, int32_t otherwise, struct numbers *out,
                                 struct rv_error *err)
{
    static const struct range windows = {RV_SCHEDULE_CATCH_UP_MIN_S, RV_SCHEDULE_CATCH_UP_MAX_S};
    static const struct range counts = {1, RV_SCHEDULE_CATCH_UP_MOST};
    static const struct range jitters = {0, RV_SCHEDULE_JITTER_MAX_S};
    static const struct range failures = {0, RV_SCHEDULE_PAUSE_AFTER_MAX};
    enum rv_code code =
        whole_number(asked, "catch_up_window_s", otherwise, windows, &out->catch_up_window_s, err);
    if (code == RV_OK) {
        code = whole_number(asked, "catch_up_max", otherwise, counts, &out->catch_up_max, err);
    }
    if (code == RV_OK) {
        code = whole_number(asked, "jitter_s", otherwise, jitters, &out->jitter_s, err);
    }
    return code == RV_OK
               ? whole_number(asked, "pause_after", otherwise, failures, &out->pause_after, err)
               : code;
}

/* The input of the runs; NULL: none is named. */
static enum rv_code read_input(struct rv_asked *asked, const json_t **out, struct rv_error *err)
{
    *out = json_object_get(asked->call->body, "input");
    enum rv_code code = rv_plan_may_get("input", *out, err);
    asked->field = code == RV_OK ? asked->field : "input";
    return code;
}

/* An instant as a person writes it, in the schedule's zone. */
static enum rv_code read_when(struct rv_asked *asked, const char *member, int64_t *out_us,
                              struct rv_error *err)
{
    const char *written = NULL;
    enum rv_code code = need_text(asked, member, &written, err);
    if (code == RV_OK) {
        code =
            rv_schedule_when(asked->session, asked->tenant, name_of(asked), written, out_us, err);
        asked->field = code == RV_INVALID ? member : NULL;
    }
    return code;
}

/* What the record says: the schedule, and what was asked by the names of the command line's
 * options, so that an act reads the same whichever way it came. */
static json_t *about(const struct rv_call *call)
{
    static const struct {
        const char *member, *option;
    } words[] = {{"cron", "cron"},
                 {"zone", "tz"},
                 {"gap", "gap"},
                 {"fold", "fold"},
                 {"overlap", "overlap"},
                 {"except", "except"},
                 {"calendar", "calendar"},
                 {"agent", "agent"},
                 {"input", "input"},
                 {"catch_up_window_s", "catch-up"},
                 {"catch_up_max", "catch-up-max"},
                 {"jitter_s", "jitter"},
                 {"pause_after", "pause-after"},
                 {"from", "from"},
                 {"to", "to"},
                 {"rate", "rate"},
                 {"reason", "reason"},
                 {"until", "until"},
                 {"id", "id"}};
    const char *name =
        call->match.part_count > 0 ? call->match.parts[0] : rv_json_str(call->body, "name", "");
    json_t *about = json_pack("{s:s,s:s}", "name", name, "channel", "http");
    for (size_t i = 0; i < RV_COUNT(words); i++) {
        json_t *value = json_object_get(call->body, words[i].member);
        if (json_is_string(value)) {
            json_object_set(about, words[i].option, value);
        } else if (value != NULL) { /* as it would be typed */
            char *typed = rv_json_text(value);
            json_object_set_new(about, words[i].option, json_string(typed));
            rv_free(typed);
        }
    }
    return about;
}

static void act(struct rv_call *call, const char *what, rv_desk_work work)
{
    rv_desk_act(call, what, about(call), work);
}

static void answer_next(struct rv_asked *asked, int64_t next_us)
{
    asked->answer = json_pack("{s:s,s:o}", "schedule", name_of(asked), "next_at",
                              rv_schedule_time_json(next_us));
}

static void answer_done(struct rv_asked *asked, const char *done)
{
    asked->answer = json_pack("{s:s,s:s}", "schedule", name_of(asked), "done", done);
}

/* ---- show ---- */

/* ?next=N: so many next fires. */
static enum rv_code read_next(struct rv_asked *asked, int *out, struct rv_error *err)
{
    char digits[8];
    *out = RV_SCHEDULE_LOOK_NEXT;
    if (!rv_http_query(rv_exchange_request(asked->call->exchange), "next", digits, sizeof digits)) {
        return RV_OK;
    }
    *out = (int)strtol(digits, NULL, 10);
    if (digits[0] == '\0' || strspn(digits, "0123456789") != strlen(digits) ||
        *out > RV_SCHEDULE_LOOK_NEXT_MAX) {
        asked->field = "next";
        return rv_fail(err, RV_INVALID, "next must be a number from 0 to %d",
                       RV_SCHEDULE_LOOK_NEXT_MAX);
    }
    return RV_OK;
}

static enum rv_code show(struct rv_asked *asked, struct rv_error *err)
{
    struct rv_schedule_look look = {.name = name_of(asked), .last = RV_SCHEDULE_LOOK_LAST};
    json_t *rows = NULL;
    enum rv_code code = read_next(asked, &look.next, err);
    if (code == RV_OK) {
        code = rv_schedule_looked(asked->session, asked->tenant, &look, asked->now_us, &rows, err);
    }
    asked->answer = code == RV_OK ? json_incref(json_array_get(rows, 0)) : NULL;
    json_decref(rows);
    return code;
}

void rv_api_schedule_show(struct rv_call *call)
{
    rv_desk_read(call, show);
}

/* ---- add and set ---- */

static enum rv_code read_policies(struct rv_asked *asked, struct rv_schedule *out,
                                  struct rv_error *err)
{
    enum rv_code code = RV_OK;
    if (text(asked, "gap") != NULL) {
        asked->field = "gap";
        code = rv_cron_gap_from(text(asked, "gap"), &out->gap, err);
    }
    if (code == RV_OK && text(asked, "fold") != NULL) {
        asked->field = "fold";
        code = rv_cron_fold_from(text(asked, "fold"), &out->fold, err);
    }
    if (code == RV_OK && text(asked, "overlap") != NULL) {
        asked->field = "overlap";
        code = rv_schedule_overlap_from(text(asked, "overlap"), &out->overlap, err);
    }
    asked->field = code == RV_OK ? NULL : asked->field;
    return code;
}

static enum rv_code add(struct rv_asked *asked, struct rv_error *err)
{
    struct numbers numbers = {.jitter_s = 0};
    char zone[RV_ZONE_NAME_MAX];
    struct rv_schedule schedule = {.zone = text(asked, "zone"),
                                   .except = text(asked, "except"),
                                   .calendar = text(asked, "calendar"),
                                   .wrong = &asked->field};
    const json_t *input = NULL;
    int64_t next_us = 0;
    enum rv_code code = need_text(asked, "name", &schedule.name, err);
    if (code == RV_OK) {
        code = need_text(asked, "cron", &schedule.cron, err);
    }
    if (code == RV_OK && schedule.zone == NULL) {
        schedule.zone = zone;
        code = rv_schedule_company_zone(asked->session, asked->tenant, zone, err);
    }
    if (code == RV_OK) {
        code = read_numbers(asked, 0, &numbers, err);
    }
    schedule.catch_up_window_s = numbers.catch_up_window_s;
    schedule.catch_up_max = numbers.catch_up_max;
    schedule.jitter_s = numbers.jitter_s;
    schedule.pause_after = numbers.pause_after;
    if (code == RV_OK) {
        code = read_policies(asked, &schedule, err);
    }
    if (code == RV_OK) {
        code = read_input(asked, &input, err);
    }
    if (code == RV_OK) {
        code = rv_schedule_take_action(asked->session, asked->tenant, text(asked, "agent"), input,
                                       &schedule, err);
    }
    if (code == RV_OK) {
        code =
            rv_schedule_add(asked->session, asked->tenant, &schedule, asked->now_us, &next_us, err);
    }
    asked->status = 201;
    answer_next(asked, next_us);
    json_object_set_new(asked->answer, "zone", json_string(schedule.zone));
    return code;
}

void rv_api_schedule_add(struct rv_call *call)
{
    act(call, "schedule.add", add);
}

static enum rv_code set(struct rv_asked *asked, struct rv_error *err)
{
    struct numbers numbers = {.jitter_s = -1};
    struct rv_schedule_change change = {.cron = text(asked, "cron"),
                                        .zone = text(asked, "zone"),
                                        .gap = text(asked, "gap"),
                                        .fold = text(asked, "fold"),
                                        .overlap = text(asked, "overlap"),
                                        .except = text(asked, "except"),
                                        .calendar = text(asked, "calendar"),
                                        .agent = text(asked, "agent"),
                                        .wrong = &asked->field};
    int64_t next_us = 0;
    enum rv_code code = read_numbers(asked, -1, &numbers, err);
    change.catch_up_window_s = numbers.catch_up_window_s;
    change.catch_up_max = numbers.catch_up_max;
    change.jitter_s = numbers.jitter_s;
    change.pause_after = numbers.pause_after;
    if (code == RV_OK) {
        code = read_input(asked, &change.input, err);
    }
    if (code == RV_OK) {
        code = rv_schedule_set(asked->session, asked->tenant, name_of(asked), &change,
                               asked->now_us, &next_us, err);
    }
    answer_next(asked, next_us);
    return code;
}

void rv_api_schedule_set(struct rv_call *call)
{
    act(call, "schedule.set", set);
}

static enum rv_code remove_one(struct rv_asked *asked, struct rv_error *err)
{
    int64_t running = 0;
    enum rv_code code =
        rv_schedule_remove(asked->session, asked->tenant, name_of(asked), &running, err);
    answer_done(asked, "removed");
    json_object_set_new(asked->answer, "running", json_integer(running));
    return code;
}

void rv_api_schedule_remove(struct rv_call *call)
{
    act(call, "schedule.remove", remove_one);
}

/* ---- pause and resume ---- */

static enum rv_code pause_one(struct rv_asked *asked, struct rv_error *err)
{
    struct rv_schedule_rest rest = {.reason = text(asked, "reason"),
                                    .person = asked->call->caller->person,
                                    .wrong = &asked->field};
    enum rv_code code =
        text(asked, "until") != NULL ? read_when(asked, "until", &rest.until_us, err) : RV_OK;
    answer_done(asked, "paused");
    return code == RV_OK ? rv_schedule_pause(asked->session, asked->tenant, name_of(asked), &rest,
                                             asked->now_us, err)
                         : code;
}

void rv_api_schedule_pause(struct rv_call *call)
{
    act(call, "schedule.pause", pause_one);
}

static enum rv_code resume(struct rv_asked *asked, struct rv_error *err)
{
    answer_done(asked, "resumed");
    return rv_schedule_resume(asked->session, asked->tenant, name_of(asked), asked->now_us, err);
}

void rv_api_schedule_resume(struct rv_call *call)
{
    act(call, "schedule.resume", resume);
}

/* ---- trigger and backfill ---- */

static enum rv_code trigger(struct rv_asked *asked, struct rv_error *err)
{
    int64_t fire = 0;
    enum rv_code code = rv_schedule_run_now(asked->session, asked->tenant, name_of(asked),
                                            text(asked, "id"), asked->now_us, &fire, err);
    asked->field = code == RV_INVALID ? "id" : NULL;
    asked->status = 202;
    asked->answer = json_pack("{s:s,s:s,s:o}", "schedule", name_of(asked), "done", "due", "fire",
                              json_sprintf("%lld", (long long)fire));
    return code;
}

void rv_api_schedule_trigger(struct rv_call *call)
{
    act(call, "schedule.run", trigger);
}

static enum rv_code read_backfill(struct rv_asked *asked, struct rv_schedule_backfill *out,
                                  struct rv_error *err)
{
    int32_t rate = 0;
    const char *overlap = text(asked, "overlap");
    enum rv_code code = whole_number(asked, "rate", 0, any_count, &rate, err);
    if (code == RV_OK && rate == 0 && json_object_get(asked->call->body, "rate") != NULL) {
        asked->field = "rate";
        code = rv_fail(err, RV_INVALID, "rate must be from 1 to %d fires a minute",
                       RV_SCHEDULE_RATE_MAX);
        rv_hint(err, "Leave it away for no limit.");
    }
    *out = (struct rv_schedule_backfill){
        .overlap = RV_OVERLAP_BUFFER_ALL, .per_minute = rate, .wrong = &asked->field};
    if (code == RV_OK && overlap != NULL) {
        code = rv_schedule_overlap_from(overlap, &out->overlap, err);
        asked->field = code == RV_OK ? NULL : "overlap";
    }
    if (code == RV_OK) {
        code = read_when(asked, "from", &out->from_us, err);
    }
    return code == RV_OK ? read_when(asked, "to", &out->to_us, err) : code;
}

static enum rv_code backfill(struct rv_asked *asked, struct rv_error *err)
{
    struct rv_schedule_backfill wanted;
    int made = 0;
    enum rv_code code = read_backfill(asked, &wanted, err);
    if (code == RV_OK) {
        code = rv_schedule_fill(asked->session, asked->tenant, name_of(asked), &wanted,
                                asked->now_us, &made, err);
    }
    asked->status = 202;
    asked->answer = json_pack("{s:s,s:i}", "schedule", name_of(asked), "made", made);
    return code;
}

static enum rv_code preview(struct rv_asked *asked, struct rv_error *err)
{
    struct rv_schedule_backfill wanted;
    json_t *fires = NULL;
    enum rv_code code = read_backfill(asked, &wanted, err);
    if (code == RV_OK) {
        code = rv_schedule_fill_json(asked->session, asked->tenant, name_of(asked), &wanted,
                                     asked->now_us, &fires, err);
    }
    asked->answer = json_pack("{s:s,s:i,s:o*}", "schedule", name_of(asked), "count",
                              (int)json_array_size(fires), "fires", fires);
    return code;
}

/* "preview": true only says which fires would be made. */
void rv_api_schedule_backfill(struct rv_call *call)
{
    const json_t *only = json_object_get(call->body, "preview");
    if (only != NULL && !json_is_boolean(only)) {
        struct rv_error err = {.code = RV_OK};
        rv_fail(&err, RV_INVALID, "preview must be true or false");
        rv_desk_refuse(call, &err, "preview", 0);
    } else if (json_is_true(only)) {
        rv_desk_read(call, preview);
    } else {
        act(call, "schedule.backfill", backfill);
    }
}
