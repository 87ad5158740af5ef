/* date.c -- see date.h.  A date is valid when going to days and back gives the same date. */
#include "erp/domain/date.h"

#include "runtime/base/check.h"
#include "runtime/base/clock.h"

#include <stdio.h>
#include <string.h>

static bool parse(const char *text, int64_t *days)
{
    static const char shape[] = "dddd-dd-dd";
    if (text == NULL || strlen(text) != sizeof shape - 1) {
        return false;
    }
    for (size_t i = 0; i < sizeof shape - 1; i++) {
        bool digit = text[i] >= '0' && text[i] <= '9';
        if (shape[i] == 'd' ? !digit : text[i] != '-') {
            return false;
        }
    }
    int year =
        (text[0] - '0') * 1000 + (text[1] - '0') * 100 + (text[2] - '0') * 10 + text[3] - '0';
    int month = (text[5] - '0') * 10 + text[6] - '0';
    int day = (text[8] - '0') * 10 + text[9] - '0';
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > 31) {
        return false;
    }
    int back_year = 0;
    int back_month = 0;
    int back_day = 0;
    *days = rv_days_from_civil(year, month, day);
    rv_civil_from_days(*days, &back_year, &back_month, &back_day);
    return back_year == year && back_month == month && back_day == day;
}

bool erp_date_valid(const char *text)
{
    int64_t days = 0;
    return parse(text, &days);
}

enum rv_code erp_date_parse(const char *text, const char *what, int64_t *days, struct rv_error *err)
{
    if (!parse(text, days)) {
        rv_fail(err, RV_INVALID, "%s \"%.20s\" is not a date", what, text == NULL ? "" : text);
        rv_hint(err, "Write dates as YYYY-MM-DD, for example 2026-01-31.");
        return RV_INVALID;
    }
    return RV_OK;
}

void erp_date_text(int64_t days, char out[ERP_DATE_TEXT])
{
    int year = 0;
    int month = 0;
    int day = 0;
    rv_civil_from_days(days, &year, &month, &day);
    RV_ASSERT(year >= 1 && year <= 9999);
    snprintf(out, ERP_DATE_TEXT, "%04d-%02d-%02d", year, month, day);
}

void erp_period_text(int64_t days, char out[ERP_PERIOD_TEXT])
{
    char date[ERP_DATE_TEXT];
    erp_date_text(days, date);
    snprintf(out, ERP_PERIOD_TEXT, "%.7s", date);
}
