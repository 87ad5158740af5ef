/* api_calendars.c -- business calendars of a company, as `reeve calendar` keeps them.  The rules
 * are those of runtime/schedule, run at the desk. */
#include "runtime/base/check.h"
#include "runtime/http/desk.h"
#include "runtime/schedule/dates.h"
#include "runtime/schedule/holidays.h"
#include "runtime/schedule/look.h"

#include <stdio.h>
#include <string.h>

static const char *name_of(const struct rv_asked *asked)
{
    return asked->call->match.parts[0];
}

static enum rv_code list(struct rv_asked *asked, struct rv_error *err)
{
    json_t *items = NULL;
    enum rv_code code = rv_calendars_looked(asked->session, asked->tenant, &items, err);
    asked->answer = json_pack("{s:o,s:n}", "items", items, "next");
    return code;
}

void rv_api_calendars_list(struct rv_call *call)
{
    rv_desk_read(call, list);
}

static enum rv_code show(struct rv_asked *asked, struct rv_error *err)
{
    return rv_calendar_looked(asked->session, asked->tenant, name_of(asked), &asked->answer, err);
}

void rv_api_calendar_show(struct rv_call *call)
{
    rv_desk_read(call, show);
}

/* ---- put ---- */

struct days {
    int64_t days[RV_DATES_MAX];
    const char *labels[RV_DATES_MAX];
    int count;
};

/* Names the member that is looked at: "holidays[3].day". */
static void look_at(struct rv_asked *asked, size_t index, const char *member)
{
    snprintf(asked->field_text, sizeof asked->field_text, "holidays[%zu]%s%.40s", index,
             member[0] != '\0' ? "." : "", member);
    asked->field = asked->field_text;
}

static enum rv_code read_day(struct rv_asked *asked, size_t index, const json_t *holiday,
                             struct days *out, struct rv_error *err)
{
    const char *day = NULL;
    const char *member = NULL;
    look_at(asked, index, "");
    if (!json_is_object(holiday)) {
        rv_fail(err, RV_INVALID, "a holiday must be an object");
        rv_hint(err, "As in {\"day\": \"2026-12-25\", \"label\": \"Christmas Day\"}.");
        return RV_INVALID;
    }
    enum rv_code code = rv_json_only(holiday, "holiday", "day label", &member, err);
    if (code != RV_OK) {
        look_at(asked, index, member != NULL ? member : "");
        return code;
    }
    look_at(asked, index, "day");
    code = rv_json_need_str(holiday, "holiday", "day", &day, err);
    if (code == RV_OK) {
        code = rv_date_read(day, &out->days[out->count], err);
    }
    if (code != RV_OK) {
        return code;
    }
    out->labels[out->count++] = rv_json_str(holiday, "label", "");
    look_at(asked, index, "label");
    return strlen(out->labels[out->count - 1]) <= RV_HOLIDAY_LABEL_MAX
               ? RV_OK
               : rv_fail(err, RV_INVALID, "label is longer than %d bytes", RV_HOLIDAY_LABEL_MAX);
}

static enum rv_code read_days(struct rv_asked *asked, struct days *out, struct rv_error *err)
{
    json_t *holidays = json_object_get(asked->call->body, "holidays");
    asked->field = "holidays";
    if (holidays != NULL && !json_is_array(holidays)) {
        return rv_fail(err, RV_INVALID, "holidays must be an array of {\"day\",\"label\"}");
    }
    size_t i;
    const json_t *holiday;
    enum rv_code code = RV_OK;
    json_array_foreach(holidays, i, holiday)
    {
        if (code == RV_OK && i == RV_DATES_MAX) {
            asked->field = "holidays";
            code = rv_calendar_too_many((int)json_array_size(holidays), err);
        }
        code = code == RV_OK ? read_day(asked, i, holiday, out, err) : code;
    }
    asked->field = code == RV_OK ? NULL : asked->field;
    return code;
}

static enum rv_code put(struct rv_asked *asked, struct rv_error *err)
{
    struct days *days = rv_alloc(sizeof *days);
    bool created = false;
    enum rv_code code = read_days(asked, days, err);
    if (code == RV_OK) {
        struct rv_calendar_whole whole = {.weekend =
                                              rv_json_str(asked->call->body, "weekend", NULL),
                                          .days = days->days,
                                          .labels = days->labels,
                                          .day_count = days->count,
                                          .wrong = &asked->field};
        code =
            rv_calendar_put(asked->session, asked->tenant, name_of(asked), &whole, &created, err);
    }
    rv_free(days);
    asked->status = created ? 201 : 200;
    asked->answer =
        json_pack("{s:s,s:s}", "calendar", name_of(asked), "done", created ? "added" : "changed");
    return code;
}

void rv_api_calendar_put(struct rv_call *call)
{
    const char *weekend = rv_json_str(call->body, "weekend", NULL);
    rv_desk_act(call, "calendar.put",
                json_pack("{s:s,s:s*,s:i,s:s}", "name", call->match.parts[0], "weekend", weekend,
                          "days", (int)json_array_size(json_object_get(call->body, "holidays")),
                          "channel", "http"),
                put);
}

static enum rv_code remove_one(struct rv_asked *asked, struct rv_error *err)
{
    asked->answer = json_pack("{s:s,s:s}", "calendar", name_of(asked), "done", "removed");
    return rv_calendar_remove(asked->session, asked->tenant, name_of(asked), err);
}

void rv_api_calendar_remove(struct rv_call *call)
{
    rv_desk_act(call, "calendar.remove",
                json_pack("{s:s,s:s}", "name", call->match.parts[0], "channel", "http"),
                remove_one);
}
