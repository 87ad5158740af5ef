/* when.c -- see when.h. */
#include "runtime/schedule/when.h"

#include "runtime/schedule/dates.h"

#include <stdio.h>
#include <string.h>

enum { DATE_BYTES = 10, DAY_S = 86400 };

static enum rv_code refuse(const char *text, struct rv_error *err)
{
    rv_fail(err, RV_INVALID, "\"%.40s\" is no date or time", text);
    rv_hint(err, "Write 2026-12-25 or 2026-12-25T08:00 in the schedule's zone; with a Z behind the "
                 "time it is UTC.");
    return RV_INVALID;
}

/* Two digits from 0 to most; moves on. */
static bool take_pair(const char **at, int most, int *out)
{
    const char *c = *at;
    if (c[0] < '0' || c[0] > '9' || c[1] < '0' || c[1] > '9') {
        return false;
    }
    *out = (c[0] - '0') * 10 + (c[1] - '0');
    *at += 2;
    return *out <= most;
}

static bool take_char(const char **at, char c)
{
    bool here = **at == c;
    *at += here ? 1 : 0;
    return here;
}

enum rv_code rv_when_read(const char *text, const struct rv_zone *zone, int64_t *out_us,
                          struct rv_error *err)
{
    char date[DATE_BYTES + 1];
    int64_t day = 0;
    int hour = 0, minute = 0, second = 0;
    bool utc = false;
    snprintf(date, sizeof date, "%s", text);
    if (rv_date_read(date, &day, NULL) != RV_OK) {
        return refuse(text, err);
    }
    const char *at = text + DATE_BYTES;
    if (*at != '\0') {
        bool time = (take_char(&at, 'T') || take_char(&at, ' ')) && take_pair(&at, 23, &hour) &&
                    take_char(&at, ':') && take_pair(&at, 59, &minute) &&
                    (!take_char(&at, ':') || take_pair(&at, 59, &second));
        utc = time && take_char(&at, 'Z');
        if (!time || *at != '\0') {
            return refuse(text, err);
        }
    }
    int64_t wall_s = day * DAY_S + hour * 3600 + minute * 60 + second;
    *out_us = (utc ? wall_s : rv_zone_wall(zone, wall_s).first_s) * INT64_C(1000000);
    return RV_OK;
}
