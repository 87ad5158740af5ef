/* clock.c -- the only caller of clock_gettime. */
#include "runtime/base/clock.h"

#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t system_now(void *self)
{
    (void)self;
    return read_clock(CLOCK_REALTIME);
}

static int64_t system_mono(void *self)
{
    (void)self;
    return read_clock(CLOCK_MONOTONIC);
}

const struct rv_clock *rv_clock_system(void)
{
    static const struct rv_clock clock = {.now_us = system_now, .mono_us = system_mono};
    return &clock;
}

int64_t rv_thread_cpu_us(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

static int64_t virtual_time(void *self)
{
    const struct rv_clock_virtual *clock = self;
    return clock->time_us;
}

void rv_clock_virtual_init(struct rv_clock_virtual *clock, int64_t start_us)
{
    clock->time_us = start_us;
    clock->clock =
        (struct rv_clock){.now_us = virtual_time, .mono_us = virtual_time, .self = clock};
}

int64_t rv_days_from_civil(int year, int month, int day)
{
    int64_t y = year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + doe - 719468;
}

void rv_civil_from_days(int64_t days, int *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = (int)(yoe + era * 400 + (*month <= 2));
}

void rv_time_text(int64_t time_us, char out[RV_TIME_TEXT])
{
    enum { DAY_S = 86400 };
    int64_t seconds = time_us / 1000000;
    int64_t micros = time_us % 1000000;
    if (micros < 0) {
        micros += 1000000;
        seconds--;
    }
    int64_t days = seconds / DAY_S;
    int64_t rest = seconds % DAY_S;
    if (rest < 0) {
        rest += DAY_S;
        days--;
    }
    int year = 0;
    int month = 0;
    int day = 0;
    rv_civil_from_days(days, &year, &month, &day);
    snprintf(out, RV_TIME_TEXT, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", year, month, day,
             (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60), (int)micros);
}
