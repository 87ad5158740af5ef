/* calendar.h -- a business calendar: which days of the week are free, and which days are holidays.
 *
 * A business day is a day that is neither.  Companies keep theirs as data (`reeve calendar`); a
 * schedule without one has Monday to Friday and no holidays.
 *
 * Months as bit sets: bit n is day n, 1 to 31.  Pure; days are counted from 1970-01-01.
 */
#ifndef REEVE_RUNTIME_SCHEDULE_CALENDAR_H
#define REEVE_RUNTIME_SCHEDULE_CALENDAR_H

#include "runtime/schedule/dates.h"

enum {
    RV_CALENDAR_NAME_MAX = 63,
    RV_CALENDAR_WEEKEND = 1 << 6 | 1 << 0 /* Saturday and Sunday; bit n is weekday n, Sunday 0 */
};

struct rv_calendar {
    uint8_t weekend; /* never all seven: there would be no business day */
    struct rv_dates holidays;
};

/* A month, laid out once for all questions about it. */
struct rv_month {
    int64_t first; /* day of its 1st */
    int length;
    int weekday; /* of its 1st; Sunday is 0 */
};
struct rv_month rv_month_of(int year, int month);
uint32_t rv_month_days(const struct rv_month *month); /* all of them */
/* Those that fall on the weekdays of a set (bit 0: Sunday). */
uint32_t rv_month_weekdays(const struct rv_month *month, uint8_t weekdays);
uint32_t rv_month_dates(const struct rv_month *month,
                        const struct rv_dates *dates); /* NULL: none */
/* The business days; `calendar` NULL: Monday to Friday. */
uint32_t rv_month_business(const struct rv_month *month, const struct rv_calendar *calendar);

/* "SAT,SUN" and back; "none".  Errors name the word. */
RV_MUST enum rv_code rv_weekend_read(const char *text, uint8_t *out, struct rv_error *err);
enum { RV_WEEKEND_TEXT = 32 };
void rv_weekend_text(uint8_t weekend, char out[RV_WEEKEND_TEXT]);

#endif
