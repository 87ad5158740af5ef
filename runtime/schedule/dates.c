/* dates.c -- see dates.h. */
#include "runtime/schedule/dates.h"

#include "runtime/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DATE_BYTES = 10 };

static enum rv_code refuse(const char *text, size_t length, struct rv_error *err)
{
    rv_fail(err, RV_INVALID, "\"%.*s\" is no date", (int)(length < 40 ? length : 40), text);
    rv_hint(err, "Write dates as in 2026-12-25, with commas between them.");
    return RV_INVALID;
}

static enum rv_code read_one(const char *text, size_t length, int64_t *day, struct rv_error *err)
{
    int numbers[3] = {0, 0, 0};
    int part = 0;
    if (length != DATE_BYTES) {
        return refuse(text, length, err);
    }
    for (size_t i = 0; i < length; i++) {
        bool dash = i == 4 || i == 7;
        if (dash ? text[i] != '-' : (text[i] < '0' || text[i] > '9')) {
            return refuse(text, length, err);
        }
        part += dash;
        numbers[part] = dash ? 0 : numbers[part] * 10 + (text[i] - '0');
    }
    *day = rv_days_from_civil(numbers[0], numbers[1], numbers[2]);
    int again[3];
    rv_civil_from_days(*day, &again[0], &again[1], &again[2]);
    /* the calendar must have it: 30 February comes back as 2 March */
    return memcmp(numbers, again, sizeof numbers) == 0 ? RV_OK : refuse(text, length, err);
}

enum rv_code rv_date_read(const char *text, int64_t *day, struct rv_error *err)
{
    return read_one(text, strlen(text), day, err);
}

static int by_day(const void *a, const void *b)
{
    int32_t left = *(const int32_t *)a;
    int32_t right = *(const int32_t *)b;
    return (left > right) - (left < right);
}

enum rv_code rv_dates_read(const char *text, struct rv_dates *out, struct rv_error *err)
{
    out->count = 0;
    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        int64_t day = 0;
        enum rv_code code = read_one(text, length, &day, err);
        if (code != RV_OK) {
            return code;
        }
        if (out->count == RV_DATES_MAX) {
            return rv_fail(err, RV_LIMIT, "more than %d dates", RV_DATES_MAX);
        }
        out->days[out->count++] = (int32_t)day;
        text += length;
        if (text[0] == ',' && text[1] == '\0') {
            return refuse(text, 1, err);
        }
        text += *text == ',';
    }
    qsort(out->days, (size_t)out->count, sizeof out->days[0], by_day);
    return RV_OK;
}

bool rv_dates_have(const struct rv_dates *dates, int64_t day)
{
    if (dates == NULL || day < INT32_MIN || day > INT32_MAX) {
        return false;
    }
    int32_t wanted = (int32_t)day;
    return bsearch(&wanted, dates->days, (size_t)dates->count, sizeof dates->days[0], by_day) !=
           NULL;
}
