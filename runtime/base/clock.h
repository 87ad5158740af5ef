/* clock.h -- time as a parameter.  Only clock.c asks the operating system what time it is.
 *
 * Business time is `now_us` (UTC microseconds since 1970); deadlines and timers use `mono_us`
 * (never jumps).  A simulation gives its own clock and owns time.
 */
#ifndef REEVE_RUNTIME_BASE_CLOCK_H
#define REEVE_RUNTIME_BASE_CLOCK_H

#include <stdint.h>

struct rv_clock {
    int64_t (*now_us)(void *self);
    int64_t (*mono_us)(void *self);
    void *self;
};

/* The machine's clocks; thread-safe, process lifetime. */
const struct rv_clock *rv_clock_system(void);

/* Processor time this thread has used.  For watchdogs only: nothing durable may depend on it. */
int64_t rv_thread_cpu_us(void);

/* A clock that stands still until told: for tests and simulation. */
struct rv_clock_virtual {
    struct rv_clock clock;
    int64_t time_us;
};
void rv_clock_virtual_init(struct rv_clock_virtual *clock, int64_t start_us);

static inline int64_t rv_now_us(const struct rv_clock *clock)
{
    return clock->now_us(clock->self);
}

static inline int64_t rv_mono_us(const struct rv_clock *clock)
{
    return clock->mono_us(clock->self);
}

enum { RV_TIME_TEXT = 28 }; /* "2026-01-31T08:15:02.417123Z" and NUL */
/* RFC 3339 text in UTC; microseconds are always written. */
void rv_time_text(int64_t time_us, char out[RV_TIME_TEXT]);

/* Days since 1970-01-01 of a proleptic Gregorian date, and back (Howard Hinnant's
 * days_from_civil / civil_from_days). */
int64_t rv_days_from_civil(int year, int month, int day);
void rv_civil_from_days(int64_t days, int *year, int *month, int *day);

#endif
