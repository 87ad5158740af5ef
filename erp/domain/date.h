/* date.h -- business dates as days since 1970-01-01 (runtime/base/clock.h), read and written as
 * "YYYY-MM-DD"; periods as "YYYY-MM".  A date that the calendar lacks (2025-02-29) is refused.
 * Pure functions, any thread. */
#ifndef REEVE_ERP_DOMAIN_DATE_H
#define REEVE_ERP_DOMAIN_DATE_H

#include "runtime/base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum { ERP_DATE_TEXT = 11, ERP_PERIOD_TEXT = 8 };

bool erp_date_valid(const char *text);
RV_MUST enum rv_code erp_date_parse(const char *text, const char *what, int64_t *days,
                                    struct rv_error *err);
void erp_date_text(int64_t days, char out[ERP_DATE_TEXT]);     /* years 1 to 9999 */
void erp_period_text(int64_t days, char out[ERP_PERIOD_TEXT]); /* the month it falls in */

#endif
