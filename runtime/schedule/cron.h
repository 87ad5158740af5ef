/* cron.h -- cron expressions with a specification (README.md beside this file has it at length).
 *
 *     [second] minute hour day-of-month month day-of-week
 *
 * Five fields, or six with seconds in front (five: second 0).  A field is a list "a,b" of ranges
 * "a-b", "*" or single values, each with an optional step "/n" ("a/n" runs to the end of the
 * field).  Months and weekdays may be names (JAN, mon); Sunday is 0 or 7.
 *
 *   day-of-month  L, L-n    the last day of the month, n days before it
 *                 B, Bn     every business day, the n-th business day of the month
 *                 LB, LB-n  the last business day, n business days before it
 *                 n>B, n<B  day n, or the first business day after (before) it; where the month has
 *                           none in that direction, the other one (so it stays in its month)
 *   day-of-week   FRI#2, FRI#L   the second, the last Friday of the month
 *
 * Days.  A day field that starts with "*" does not restrict by itself; when both day fields
 * restrict, a day that matches EITHER fires; otherwise both must match (POSIX crontab).  Days that
 * are excepted never fire.  All of this looks at the date that the pattern names.
 *
 * Clock changes, each with its test:
 *  Gap    A fire whose wall time is jumped over runs at the jump, once however many were jumped
 * over (boundary); as much later as the clock jumped, 02:30 at 03:30 (shift); or not at all (skip).
 * A pattern of every hour is never made up for: its next fire is at most an hour away. Fold   A
 * fire whose wall time comes twice runs on the first, the last or both.  A pattern whose minute or
 * hour field starts with "*" counts elapsed time and runs on both, always.
 *
 * A pattern that does not fire within RV_CRON_YEARS years never fires (30 February).
 *
 * Pure; a parsed expression is a value.
 */
#ifndef REEVE_RUNTIME_SCHEDULE_CRON_H
#define REEVE_RUNTIME_SCHEDULE_CRON_H

#include "runtime/schedule/calendar.h"
#include "runtime/schedule/zone.h"

enum {
    RV_CRON_YEARS = 8, /* 29 February: 2096 to 2104 is the longest wait of the calendar */
    RV_CRON_TEXT_MAX = 256
};

struct rv_cron {
    uint64_t second, minute, hour, day, month, weekday; /* bit n: value n fires; Sunday is bit 0 */
    uint32_t last;                                      /* bit n: L-n */
    uint32_t business;                                  /* bit n: Bn; bit 0: B */
    uint32_t business_last;                             /* bit n: LB-n */
    uint32_t roll_after, roll_before;                   /* bit n: n>B, n<B */
    uint8_t nth[7];              /* of each weekday, bit n: the n-th (#n); bit 0: the last (#L) */
    bool day_free, weekday_free; /* the field starts with "*" */
    bool elapsed;                /* minute or hour starts with "*" */
};

enum rv_cron_gap { RV_CRON_GAP_BOUNDARY, RV_CRON_GAP_SHIFT, RV_CRON_GAP_SKIP };
enum rv_cron_fold { RV_CRON_FOLD_FIRST, RV_CRON_FOLD_LAST, RV_CRON_FOLD_BOTH };

struct rv_cron_rules {
    const struct rv_zone *zone;
    enum rv_cron_gap gap;
    enum rv_cron_fold fold;
    const struct rv_dates *except;      /* dates without a fire; NULL: none */
    const struct rv_calendar *calendar; /* for B; NULL: Monday to Friday */
};

/* Errors name the field, the rule, the remedy and the character where it went wrong; the detail
 * shows the expression with that part marked. */
RV_MUST enum rv_code rv_cron_parse(const char *text, struct rv_cron *out, struct rv_error *err);
/* The first fire strictly after an instant; false: never. */
bool rv_cron_next(const struct rv_cron *cron, const struct rv_cron_rules *rules, int64_t after_s,
                  int64_t *out_s);
/* Why a pattern that never fires does not: names the fields that contradict each other. */
enum rv_code rv_cron_never(const char *text, const struct rv_cron *cron, struct rv_error *err);

/* "boundary", "shift", "skip"; "first", "last", "both". */
const char *rv_cron_gap_name(enum rv_cron_gap gap);
const char *rv_cron_fold_name(enum rv_cron_fold fold);
RV_MUST enum rv_code rv_cron_gap_from(const char *name, enum rv_cron_gap *out,
                                      struct rv_error *err);
RV_MUST enum rv_code rv_cron_fold_from(const char *name, enum rv_cron_fold *out,
                                       struct rv_error *err);

#endif
