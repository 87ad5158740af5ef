/* zone_posix.c -- parse the footer, then list the changes of three years around an instant. */
#include "runtime/schedule/zone_posix.h"

#include "runtime/base/clock.h"

#include <ctype.h>
#include <string.h>

enum { DAY_S = 86400, POSIX_HOURS_MAX = 167 /* RFC 8536 3.3.1 */, POSIX_OFFSET_HOURS_MAX = 24 };

/* ---- reading ---- */

static bool take_number(const char **at, int least, int most, int *out)
{
    int value = 0;
    if (!isdigit((unsigned char)**at)) {
        return false;
    }
    while (isdigit((unsigned char)**at)) {
        value = value * 10 + (**at - '0');
        if (value > most) {
            return false;
        }
        (*at)++;
    }
    *out = value;
    return value >= least;
}

static bool take_char(const char **at, char c)
{
    if (**at != c) {
        return false;
    }
    (*at)++;
    return true;
}

/* "CET" or "<+0330>" */
static bool take_abbreviation(const char **at)
{
    if (take_char(at, '<')) {
        size_t length = strcspn(*at, ">");
        *at += length;
        return length > 0 && take_char(at, '>');
    }
    const char *start = *at;
    while (isalpha((unsigned char)**at)) {
        (*at)++;
    }
    return *at - start >= 3;
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(const char **at, int hours_max, int32_t *out)
{
    int hours = 0, minutes = 0, seconds = 0;
    bool minus = **at == '-';
    if (**at == '-' || **at == '+') {
        (*at)++;
    }
    if (!take_number(at, 0, hours_max, &hours)) {
        return false;
    }
    if (take_char(at, ':')) {
        if (!take_number(at, 0, 59, &minutes)) {
            return false;
        }
        if (take_char(at, ':') && !take_number(at, 0, 59, &seconds)) {
            return false;
        }
    }
    *out = (hours * 3600 + minutes * 60 + seconds) * (minus ? -1 : 1);
    return true;
}

static bool take_day(const char **at, struct rv_posix_day *day)
{
    day->time_s = 2 * 3600;
    if (take_char(at, 'M')) {
        day->form = 'M';
        if (!take_number(at, 1, 12, &day->month) || !take_char(at, '.') ||
            !take_number(at, 1, 5, &day->week) || !take_char(at, '.') ||
            !take_number(at, 0, 6, &day->weekday)) {
            return false;
        }
    } else if (take_char(at, 'J')) {
        day->form = 'J';
        if (!take_number(at, 1, 365, &day->day)) {
            return false;
        }
    } else {
        day->form = '0';
        if (!take_number(at, 0, 365, &day->day)) {
            return false;
        }
    }
    return !take_char(at, '/') || take_time(at, POSIX_HOURS_MAX, &day->time_s);
}

bool rv_posix_parse(const char *text, struct rv_posix_zone *out)
{
    const char *at = text;
    *out = (struct rv_posix_zone){.changes = false};
    if (!take_abbreviation(&at) || !take_time(&at, POSIX_OFFSET_HOURS_MAX, &out->standard_s)) {
        return false;
    }
    out->standard_s = -out->standard_s; /* POSIX counts west as positive */
    if (*at == '\0') {
        return true;
    }
    out->changes = true;
    out->daylight_s = out->standard_s + 3600;
    if (!take_abbreviation(&at)) {
        return false;
    }
    if (*at != ',') {
        if (!take_time(&at, POSIX_OFFSET_HOURS_MAX, &out->daylight_s)) {
            return false;
        }
        out->daylight_s = -out->daylight_s;
    }
    return take_char(&at, ',') && take_day(&at, &out->start) && take_char(&at, ',') &&
           take_day(&at, &out->end) && *at == '\0';
}

/* ---- answering ---- */

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Wall time of the change in `year`. */
static int64_t change_wall(const struct rv_posix_day *day, int year)
{
    int64_t days = 0;
    if (day->form == 'M') {
        int64_t first = rv_days_from_civil(year, day->month, 1);
        int64_t next = day->month == 12 ? rv_days_from_civil(year + 1, 1, 1)
                                        : rv_days_from_civil(year, day->month + 1, 1);
        int64_t weekday = ((first + 4) % 7 + 7) % 7; /* 1970-01-01 was a Thursday */
        days = first + (day->weekday - weekday + 7) % 7 + 7 * (day->week - 1);
        while (days >= next) { /* week 5 is the last one */
            days -= 7;
        }
    } else {
        days = rv_days_from_civil(year, 1, 1) + day->day;
        if (day->form == 'J') {
            days += is_leap(year) && day->day >= 60 ? 0 : -1;
        }
    }
    return days * DAY_S + day->time_s;
}

struct rv_zone_stretch rv_posix_stretch(const struct rv_posix_zone *zone, int64_t instant_s)
{
    struct rv_zone_stretch stretch = {INT64_MIN, INT64_MAX, zone->standard_s};
    if (!zone->changes) {
        return stretch;
    }
    struct {
        int64_t at_s;
        int32_t offset_s;
    } changes[6];
    int year, month, day, count = 0;
    int64_t wall_s = instant_s + zone->standard_s;
    rv_civil_from_days(wall_s / DAY_S - (wall_s % DAY_S < 0 ? 1 : 0), &year, &month, &day);
    for (int y = year - 1; y <= year + 1; y++) {
        int64_t start = change_wall(&zone->start, y) - zone->standard_s;
        int64_t end = change_wall(&zone->end, y) - zone->daylight_s;
        bool start_first = start < end;
        changes[count].at_s = start_first ? start : end;
        changes[count++].offset_s = start_first ? zone->daylight_s : zone->standard_s;
        changes[count].at_s = start_first ? end : start;
        changes[count++].offset_s = start_first ? zone->standard_s : zone->daylight_s;
    }
    /* Daylight time all the year ends when the next year's starts: the later entry holds. */
    for (int i = 0; i < count; i++) {
        if (changes[i].at_s <= instant_s) {
            stretch.start_s = changes[i].at_s;
            stretch.offset_s = changes[i].offset_s;
        } else {
            stretch.end_s = changes[i].at_s;
            break;
        }
    }
    return stretch;
}
