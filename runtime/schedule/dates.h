/* dates.h -- a list of calendar days as text, "2026-12-25,2026-12-26": days on which a schedule
 * rests.
 *
 * Pure; days are counted from 1970-01-01, sorted.
 */
#ifndef REEVE_RUNTIME_SCHEDULE_DATES_H
#define REEVE_RUNTIME_SCHEDULE_DATES_H

#include "runtime/base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum { RV_DATES_MAX = 1000 }; /* the holidays of many decades, or every day of two years */

struct rv_dates {
    int32_t days[RV_DATES_MAX];
    int count;
};

/* "" is none.  Errors name the date and the rule. */
RV_MUST enum rv_code rv_dates_read(const char *text, struct rv_dates *out, struct rv_error *err);
bool rv_dates_have(const struct rv_dates *dates, int64_t day); /* NULL has none */
/* One date, "2026-12-25". */
RV_MUST enum rv_code rv_date_read(const char *text, int64_t *day, struct rv_error *err);

#endif
