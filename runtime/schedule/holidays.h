/* holidays.h -- a list of holidays as a text file.
 *
 *     # one a line: the date, then what it is
 *     2026-12-25 Christmas Day
 *
 * or an iCalendar file (RFC 5545) of all-day events: DTSTART and SUMMARY of each VEVENT count, to
 * DTEND (exclusive) where it has one.  Events that repeat (RRULE) are refused: export them as
 * dates.
 *
 * A date that comes twice is one, with the first label.  Pure.
 */
#ifndef REEVE_RUNTIME_SCHEDULE_HOLIDAYS_H
#define REEVE_RUNTIME_SCHEDULE_HOLIDAYS_H

#include "runtime/schedule/dates.h"

enum {
    RV_HOLIDAY_LABEL_MAX = 100,
    RV_HOLIDAY_FILE_MAX = 1 << 20 /* a calendar has at most RV_DATES_MAX of them */
};

struct rv_holidays {
    int count;
    int64_t days[RV_DATES_MAX];
    char labels[RV_DATES_MAX][RV_HOLIDAY_LABEL_MAX + 1]; /* UTF-8, cut at a character */
};

/* Errors name the line, the rule and the remedy. */
RV_MUST enum rv_code rv_holidays_read(const char *text, size_t length, struct rv_holidays *out,
                                      struct rv_error *err);

#endif
