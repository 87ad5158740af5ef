/* calendar.c -- see calendar.h. */
#include "runtime/schedule/calendar.h"

#include "runtime/base/clock.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const weekday_names[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

struct rv_month rv_month_of(int year, int month)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    int64_t first = rv_days_from_civil(year, month, 1);
    return (struct rv_month){.first = first,
                             .length = lengths[month - 1] + (month == 2 && leap ? 1 : 0),
                             .weekday = (int)(((first + 4) % 7 + 7) % 7)}; /* 1970: a Thursday */
}

uint32_t rv_month_days(const struct rv_month *month)
{
    return (uint32_t)((UINT64_C(1) << (month->length + 1)) - 2);
}

/* The week as the 1st begins it, repeated. */
uint32_t rv_month_weekdays(const struct rv_month *month, uint8_t weekdays)
{
    uint64_t week =
        (uint64_t)(weekdays >> month->weekday | weekdays << (7 - month->weekday)) & 0x7f;
    uint64_t weeks = week | week << 7 | week << 14 | week << 21 | week << 28;
    return (uint32_t)(weeks << 1) & rv_month_days(month);
}

uint32_t rv_month_dates(const struct rv_month *month, const struct rv_dates *dates)
{
    uint32_t days = 0;
    int low = 0, high = dates != NULL ? dates->count : 0;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (dates->days[middle] < month->first) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; dates != NULL && low < dates->count && dates->days[low] < month->first + month->length;
         low++) {
        days |= UINT32_C(1) << (dates->days[low] - month->first + 1);
    }
    return days;
}

uint32_t rv_month_business(const struct rv_month *month, const struct rv_calendar *calendar)
{
    uint8_t weekend = calendar != NULL ? calendar->weekend : RV_CALENDAR_WEEKEND;
    return rv_month_weekdays(month, (uint8_t)(~weekend & 0x7f)) &
           ~rv_month_dates(month, calendar != NULL ? &calendar->holidays : NULL);
}

enum rv_code rv_weekend_read(const char *text, uint8_t *out, struct rv_error *err)
{
    *out = 0;
    if (strcasecmp(text, "none") == 0) {
        return RV_OK;
    }
    for (const char *at = text;;) {
        size_t length = strcspn(at, ",");
        int day = 0;
        while (day < 7 && (length != 3 || strncasecmp(at, weekday_names[day], 3) != 0)) {
            day++;
        }
        if (day == 7) {
            rv_fail(err, RV_INVALID, "weekend: \"%.*s\" is no day of the week", (int)length, at);
            rv_hint(err, "Write the free days as in SAT,SUN or FRI,SAT; \"none\" for no free day.");
            return RV_INVALID;
        }
        *out |= (uint8_t)(1u << day);
        if (at[length] == '\0') {
            break;
        }
        at += length + 1;
    }
    if (*out == 0x7f) {
        rv_fail(err, RV_INVALID, "weekend: all seven days are free, so there is no business day");
        rv_hint(err, "Leave at least one day of the week out.");
        return RV_INVALID;
    }
    return RV_OK;
}

void rv_weekend_text(uint8_t weekend, char out[RV_WEEKEND_TEXT])
{
    size_t length = 0;
    snprintf(out, RV_WEEKEND_TEXT, "none");
    for (int i = 1; i <= 7; i++) { /* Monday first: Saturday before Sunday */
        if ((weekend >> i % 7 & 1) != 0) {
            length += (size_t)snprintf(out + length, RV_WEEKEND_TEXT - length, "%s%s",
                                       length > 0 ? "," : "", weekday_names[i % 7]);
        }
    }
}
