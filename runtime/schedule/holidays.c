/* holidays.c -- line by line; see holidays.h. */
#include "runtime/schedule/holidays.h"

#include "runtime/base/clock.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { DATE_BYTES = 10, ICAL_DATE_BYTES = 8, LINE_MAX_BYTES = 1000, EVENT_DAYS_MAX = 31 };

struct reader {
    struct rv_holidays *out;
    struct rv_error *err;
    int number; /* of the line */
    /* an iCalendar event: */
    bool in_event;
    int64_t from, to;
    char label[RV_HOLIDAY_LABEL_MAX + 1];
};

static enum rv_code refuse(const struct reader *in, const char *line, const char *rule,
                           const char *remedy)
{
    rv_fail(in->err, RV_INVALID, "line %d: \"%.60s\" %s", in->number, line, rule);
    rv_hint(in->err, "%s", remedy);
    return RV_INVALID;
}

/* The head of a label that fits, whole characters only. */
static void copy_label(char out[RV_HOLIDAY_LABEL_MAX + 1], const char *text)
{
    size_t length = strlen(text);
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t')) {
        length--;
    }
    if (length > RV_HOLIDAY_LABEL_MAX) {
        length = RV_HOLIDAY_LABEL_MAX;
        while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80) {
            length--;
        }
    }
    memcpy(out, text, length);
    out[length] = '\0';
}

static enum rv_code add(struct reader *in, int64_t day, const char *label)
{
    struct rv_holidays *out = in->out;
    for (int i = 0; i < out->count; i++) {
        if (out->days[i] == day) {
            return RV_OK;
        }
    }
    if (out->count == RV_DATES_MAX) {
        rv_fail(in->err, RV_LIMIT, "line %d: more than %d dates", in->number, RV_DATES_MAX);
        rv_hint(in->err, "A schedule looks eight years ahead at most: import those years only.");
        return RV_LIMIT;
    }
    copy_label(out->labels[out->count], label);
    out->days[out->count++] = day;
    return RV_OK;
}

/* ---- one date a line ---- */

static enum rv_code read_plain(struct reader *in, const char *line)
{
    char date[DATE_BYTES + 1];
    int64_t day = 0;
    line += strspn(line, " \t");
    if (*line == '\0' || *line == '#') {
        return RV_OK;
    }
    snprintf(date, sizeof date, "%s", line);
    size_t length = strlen(date);
    if (rv_date_read(date, &day, NULL) != RV_OK ||
        (line[length] != '\0' && strchr(" \t,;", line[length]) == NULL)) {
        return refuse(in, line, "does not begin with a date of the calendar",
                      "Write one a line, as in: 2026-12-25 Christmas Day");
    }
    line += length;
    return add(in, day, line + strspn(line, " \t,;"));
}

/* ---- iCalendar ---- */

/* What stands behind "NAME:" or "NAME;parameters:"; NULL when it is another property. */
static const char *property(const char *line, const char *name)
{
    size_t length = strlen(name);
    if (strncasecmp(line, name, length) != 0 || (line[length] != ':' && line[length] != ';')) {
        return NULL;
    }
    const char *colon = strchr(line + length, ':');
    return colon != NULL ? colon + 1 : NULL;
}

/* "20261225", also with a time behind it. */
static enum rv_code read_compact(const struct reader *in, const char *line, const char *text,
                                 int64_t *day)
{
    char date[DATE_BYTES + 1];
    if (strlen(text) >= ICAL_DATE_BYTES && (text[8] == '\0' || text[8] == 'T')) {
        snprintf(date, sizeof date, "%.4s-%.2s-%.2s", text, text + 4, text + 6);
        if (rv_date_read(date, day, NULL) == RV_OK) {
            return RV_OK;
        }
    }
    return refuse(in, line, "has no date of the calendar", "An event's date is like 20261225.");
}

static enum rv_code end_event(struct reader *in, const char *line)
{
    enum rv_code code = RV_OK;
    if (in->from == INT64_MIN) {
        return refuse(in, line, "ends an event without DTSTART", "Every event needs its date.");
    }
    int64_t to = in->to != INT64_MIN && in->to > in->from ? in->to : in->from + 1;
    if (to - in->from > EVENT_DAYS_MAX) {
        return refuse(in, line, "ends an event of more than 31 days",
                      "A holiday calendar has single days: is this the right file?");
    }
    for (int64_t day = in->from; day < to && code == RV_OK; day++) {
        code = add(in, day, in->label);
    }
    in->in_event = false;
    return code;
}

static enum rv_code read_ical(struct reader *in, const char *line)
{
    const char *value = NULL;
    if (strcasecmp(line, "BEGIN:VEVENT") == 0) {
        in->in_event = true;
        in->from = in->to = INT64_MIN;
        in->label[0] = '\0';
        return RV_OK;
    }
    if (!in->in_event) {
        return RV_OK;
    }
    if (strcasecmp(line, "END:VEVENT") == 0) {
        return end_event(in, line);
    }
    if ((value = property(line, "DTSTART")) != NULL) {
        return read_compact(in, line, value, &in->from);
    }
    if ((value = property(line, "DTEND")) != NULL) {
        return read_compact(in, line, value, &in->to);
    }
    if ((value = property(line, "SUMMARY")) != NULL) {
        copy_label(in->label, value);
    } else if (property(line, "RRULE") != NULL) {
        return refuse(in, line, "is an event that repeats",
                      "Export the calendar as single dates of the years you need.");
    }
    return RV_OK;
}

/* ---- lines ---- */

enum rv_code rv_holidays_read(const char *text, size_t length, struct rv_holidays *out,
                              struct rv_error *err)
{
    static const char opening[] = "BEGIN:VCALENDAR";
    struct reader in = {.out = out, .err = err};
    enum rv_code code = RV_OK;
    char line[LINE_MAX_BYTES + 1];
    bool ical = length >= sizeof opening - 1 && strncasecmp(text, opening, sizeof opening - 1) == 0;
    out->count = 0;
    for (size_t at = 0; at < length && code == RV_OK;) {
        const char *stop = memchr(text + at, '\n', length - at);
        size_t whole = stop != NULL ? (size_t)(stop - text) - at : length - at;
        size_t kept = whole > 0 && text[at + whole - 1] == '\r' ? whole - 1 : whole;
        in.number++;
        if (kept > LINE_MAX_BYTES || memchr(text + at, '\0', kept) != NULL) {
            snprintf(line, sizeof line, "%.20s", "...");
            return refuse(&in, line, "is longer than 1000 bytes or no text",
                          "Give a text file: one date a line, or iCalendar.");
        }
        memcpy(line, text + at, kept);
        line[kept] = '\0';
        code = ical ? read_ical(&in, line) : read_plain(&in, line);
        at += whole + 1;
    }
    if (code == RV_OK && in.in_event) {
        in.number++;
        code = refuse(&in, "", "is missing: an event has no end",
                      "The file is cut off; export it again.");
    }
    return code;
}
