/* schedule_cron_test.c -- the specification of cron.h, sentence by sentence. */
#include "runtime/schedule/cron.h"

#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/random.h"
#include "tests/support/test.h"

enum { DAY_S = 86400 };

struct pattern {
    struct rv_cron cron;
    struct rv_cron_rules rules;
    struct rv_zone *zone;
};

static struct pattern pattern(const char *text, const char *zone)
{
    struct pattern out = {.zone = NULL};
    struct rv_error err = {.code = RV_OK};
    ck_assert_msg(rv_cron_parse(text, &out.cron, &err) == RV_OK, "%s", err.message);
    ck_assert_int_eq(rv_zone_load(NULL, zone, &out.zone, &err), RV_OK);
    out.rules.zone = out.zone;
    return out;
}

static int64_t utc(const char *text)
{
    int year, month, day, hour, minute, second = 0;
    ck_assert_int_ge(
        sscanf(text, "%d-%d-%d %d:%d:%d", &year, &month, &day, &hour, &minute, &second), 5);
    return rv_days_from_civil(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second;
}

/* The fires after an instant as "03-29 01:00 | ..." in UTC. */
static const char *fires(const struct pattern *pattern, const char *after, int count)
{
    static char text[1024];
    int64_t instant = utc(after);
    text[0] = '\0';
    for (int i = 0; i < count; i++) {
        char one[RV_TIME_TEXT];
        if (!rv_cron_next(&pattern->cron, &pattern->rules, instant, &instant)) {
            strcat(text, "never");
            break;
        }
        rv_time_text(instant * 1000000, one);
        one[10] = ' ';
        size_t length = strlen(text);
        snprintf(text + length, sizeof text - length, "%s%.11s", i > 0 ? " | " : "", one + 5);
    }
    return text;
}

/* ---- the plain calendar ---- */

TEST(lists_ranges_steps_and_names)
{
    static const struct {
        const char *cron, *after, *fires;
    } cases[] = {
        {"30 6 * * MON-FRI", "2026-01-02 07:00", "01-05 06:30 | 01-06 06:30"},
        {"0 0 1 jan,JUL *", "2026-01-01 00:00", "07-01 00:00 | 01-01 00:00"},
        {"*/20 8-9 * * *", "2026-01-01 08:00", "01-01 08:20 | 01-01 08:40 | 01-01 09:00"},
        {"5/25 12 * * *", "2026-01-01 00:00", "01-01 12:05 | 01-01 12:30 | 01-01 12:55"},
        {"0 12 * * 7", "2026-01-01 00:00", "01-04 12:00 | 01-11 12:00"},
        {"0 12 * * FRI-SUN", "2026-01-01 00:00", "01-02 12:00 | 01-03 12:00 | 01-04 12:00"},
        {"0 12 * * 0", "2026-01-01 00:00", "01-04 12:00 | 01-11 12:00"},
        {"0 0 29 2 *", "2026-01-01 00:00", "02-29 00:00 | 02-29 00:00"},
        {"0 0 30 2 *", "2026-01-01 00:00", "never"},
        {"0 0 31 4,6,9,11 *", "2026-01-01 00:00", "never"},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        struct pattern p = pattern(cases[i].cron, "UTC");
        int count = 1;
        for (const char *bar = cases[i].fires; (bar = strchr(bar, '|')) != NULL; bar++) {
            count++;
        }
        ck_assert_str_eq(fires(&p, cases[i].after, count), cases[i].fires);
        rv_zone_destroy(p.zone);
    }
}

TEST(the_next_fire_is_strictly_after_the_instant)
{
    struct pattern p = pattern("0 12 * * *", "UTC");
    ck_assert_str_eq(fires(&p, "2026-01-01 12:00", 1), "01-02 12:00");
    ck_assert_str_eq(fires(&p, "2026-01-01 11:59:59", 1), "01-01 12:00");
    rv_zone_destroy(p.zone);
}

TEST(a_sixth_field_in_front_is_seconds)
{
    struct pattern p = pattern("*/30 0 12 * * *", "UTC");
    int64_t next = 0;
    ck_assert(rv_cron_next(&p.cron, &p.rules, utc("2026-01-01 12:00"), &next));
    ck_assert_int_eq(next, utc("2026-01-01 12:00:30"));
    ck_assert(rv_cron_next(&p.cron, &p.rules, next, &next));
    ck_assert_int_eq(next, utc("2026-01-02 12:00"));
    rv_zone_destroy(p.zone);
}

TEST(when_both_day_fields_restrict_either_fires)
{
    struct pattern p = pattern("0 0 13 * FRI", "UTC"); /* 2026-02-13 is a Friday */
    ck_assert_str_eq(fires(&p, "2026-01-01 00:00", 4),
                     "01-02 00:00 | 01-09 00:00 | 01-13 00:00 | 01-16 00:00");
    rv_zone_destroy(p.zone);
}

TEST(a_day_field_that_starts_with_a_star_does_not_restrict_by_itself)
{
    struct pattern p = pattern("0 0 */2 * MON", "UTC"); /* Mondays on odd days */
    ck_assert_str_eq(fires(&p, "2026-01-01 00:00", 3), "01-05 00:00 | 01-19 00:00 | 02-09 00:00");
    rv_zone_destroy(p.zone);
}

TEST(the_29th_of_february_is_found_across_2100)
{
    struct pattern p = pattern("0 0 29 2 *", "UTC");
    int64_t next = 0;
    ck_assert(rv_cron_next(&p.cron, &p.rules, utc("2096-02-29 00:00"), &next));
    ck_assert_int_eq(next, utc("2104-02-29 00:00"));
    rv_zone_destroy(p.zone);
}

/* ---- clock changes in Berlin, written as sentences ---- */

TEST(a_fire_in_the_gap_runs_right_after_the_gap)
{
    struct pattern p = pattern("30 2 * * *", "Europe/Berlin");
    ck_assert_str_eq(fires(&p, "2026-03-28 00:00", 3), "03-28 01:30 | 03-29 01:00 | 03-30 00:30");
    rv_zone_destroy(p.zone);
}

TEST(several_fires_in_the_gap_run_once)
{
    struct pattern p = pattern("0,15,30 2,3 * * *", "Europe/Berlin");
    ck_assert_str_eq(fires(&p, "2026-03-29 00:59", 3), "03-29 01:00 | 03-29 01:15 | 03-29 01:30");
    rv_zone_destroy(p.zone);
    p = pattern("10,20 2 * * *", "Europe/Berlin");
    ck_assert_str_eq(fires(&p, "2026-03-29 00:00", 2), "03-29 01:00 | 03-30 00:10");
    rv_zone_destroy(p.zone);
}

TEST(with_shift_a_fire_in_the_gap_runs_as_much_later_as_the_clock_jumped)
{
    struct pattern p = pattern("30 2 * * *", "Europe/Berlin");
    p.rules.gap = RV_CRON_GAP_SHIFT;
    ck_assert_str_eq(fires(&p, "2026-03-28 00:00", 3), "03-28 01:30 | 03-29 01:30 | 03-30 00:30");
    rv_zone_destroy(p.zone);
    p = pattern("10,50 2 * * *", "Europe/Berlin"); /* each of them, 03:10 and 03:50 */
    p.rules.gap = RV_CRON_GAP_SHIFT;
    ck_assert_str_eq(fires(&p, "2026-03-29 00:00", 3), "03-29 01:10 | 03-29 01:50 | 03-30 00:10");
    rv_zone_destroy(p.zone);
    p = pattern("30 2,3 * * *", "Europe/Berlin"); /* two at the same instant are one */
    p.rules.gap = RV_CRON_GAP_SHIFT;
    ck_assert_str_eq(fires(&p, "2026-03-29 00:00", 2), "03-29 01:30 | 03-30 00:30");
    rv_zone_destroy(p.zone);
    p = pattern("15 2 * * *", "Australia/Lord_Howe"); /* half an hour: at 02:45 */
    p.rules.gap = RV_CRON_GAP_SHIFT;
    ck_assert_str_eq(fires(&p, "2026-10-03 00:00", 2), "10-03 15:45 | 10-04 15:15");
    rv_zone_destroy(p.zone);
    p = pattern("0 0 * * *", "America/Sao_Paulo"); /* midnight was jumped over: at 01:00 */
    p.rules.gap = RV_CRON_GAP_SHIFT;
    ck_assert_str_eq(fires(&p, "2018-11-03 12:00", 2), "11-04 03:00 | 11-05 02:00");
    rv_zone_destroy(p.zone);
}

TEST(the_policies_look_at_the_date_that_is_named)
{
    struct rv_dates rest;
    struct pattern p = pattern("0 9 * * *", "Pacific/Apia"); /* there was no 2011-12-30 */
    p.rules.except = &rest;
    ck_assert_int_eq(rv_dates_read("2011-12-30", &rest, NULL), RV_OK);
    ck_assert_str_eq(fires(&p, "2011-12-30 02:00", 2), "12-30 19:00 | 12-31 19:00");
    rv_zone_destroy(p.zone);
}

TEST(with_skip_a_fire_in_the_gap_does_not_run)
{
    struct pattern p = pattern("30 2 * * *", "Europe/Berlin");
    p.rules.gap = RV_CRON_GAP_SKIP;
    ck_assert_str_eq(fires(&p, "2026-03-28 00:00", 2), "03-28 01:30 | 03-30 00:30");
    rv_zone_destroy(p.zone);
}

TEST(a_pattern_of_every_hour_is_not_shifted)
{
    struct pattern p = pattern("30 * * * *", "Europe/Berlin");
    ck_assert_str_eq(fires(&p, "2026-03-29 00:00", 3), "03-29 00:30 | 03-29 01:30 | 03-29 02:30");
    rv_zone_destroy(p.zone);
}

TEST(a_fire_at_the_end_of_the_gap_runs_once)
{
    struct pattern p = pattern("0 2,3 * * *", "Europe/Berlin");
    ck_assert_str_eq(fires(&p, "2026-03-29 00:00", 2), "03-29 01:00 | 03-30 00:00");
    rv_zone_destroy(p.zone);
}

TEST(a_fire_in_the_fold_runs_once_at_the_first)
{
    struct pattern p = pattern("30 2 * * *", "Europe/Berlin");
    ck_assert_str_eq(fires(&p, "2026-10-24 12:00", 2), "10-25 00:30 | 10-26 01:30");
    rv_zone_destroy(p.zone);
}

TEST(with_last_it_runs_at_the_second_and_with_both_on_both)
{
    struct pattern p = pattern("30 2 * * *", "Europe/Berlin");
    p.rules.fold = RV_CRON_FOLD_LAST;
    ck_assert_str_eq(fires(&p, "2026-10-24 12:00", 2), "10-25 01:30 | 10-26 01:30");
    p.rules.fold = RV_CRON_FOLD_BOTH;
    ck_assert_str_eq(fires(&p, "2026-10-24 12:00", 3), "10-25 00:30 | 10-25 01:30 | 10-26 01:30");
    rv_zone_destroy(p.zone);
}

TEST(hourly_and_minute_patterns_run_on_both_hours_of_the_fold)
{
    struct pattern p = pattern("0 * * * *", "Europe/Berlin");
    ck_assert_str_eq(fires(&p, "2026-10-24 23:30", 3), "10-25 00:00 | 10-25 01:00 | 10-25 02:00");
    rv_zone_destroy(p.zone);
    p = pattern("*/30 2 * * *", "Europe/Berlin");
    ck_assert_str_eq(fires(&p, "2026-10-24 23:30", 5),
                     "10-25 00:00 | 10-25 00:30 | 10-25 01:00 | 10-25 01:30 | 10-26 01:00");
    rv_zone_destroy(p.zone);
}

TEST(a_jump_at_midnight_shifts_the_fire_of_midnight)
{
    struct pattern p = pattern("0 0 * * *", "America/Sao_Paulo"); /* 2018-11-04 began at 01:00 */
    ck_assert_str_eq(fires(&p, "2018-11-03 12:00", 2), "11-04 03:00 | 11-05 02:00");
    rv_zone_destroy(p.zone);
}

TEST(a_day_that_never_was_fires_once_when_the_next_begins)
{
    struct pattern p = pattern("0 9,15 * * *", "Pacific/Apia"); /* there was no 2011-12-30 */
    ck_assert_str_eq(fires(&p, "2011-12-30 02:00", 3), "12-30 10:00 | 12-30 19:00 | 12-31 01:00");
    rv_zone_destroy(p.zone);
}

/* ---- days by name and business days ---- */

static struct rv_calendar berlin(void)
{
    struct rv_calendar calendar = {.weekend = RV_CALENDAR_WEEKEND};
    ck_assert_int_eq(rv_dates_read("2026-01-01,2026-04-03,2026-04-06,2026-05-01,2026-05-14,"
                                   "2026-05-25,2026-10-03,2026-12-25,2026-12-26",
                                   &calendar.holidays, NULL),
                     RV_OK);
    return calendar;
}

TEST(last_days_and_numbered_weekdays)
{
    static const struct {
        const char *cron, *fires;
    } cases[] = {
        {"0 0 L * *", "01-31 00:00 | 02-28 00:00 | 03-31 00:00"},
        {"0 0 L-2 * *", "01-29 00:00 | 02-26 00:00 | 03-29 00:00"},
        {"0 0 L,1 * *", "01-31 00:00 | 02-01 00:00 | 02-28 00:00"},
        {"0 0 * * FRI#2", "01-09 00:00 | 02-13 00:00 | 03-13 00:00"},
        {"0 0 * * FRI#L", "01-30 00:00 | 02-27 00:00 | 03-27 00:00"},
        {"0 0 * * 7#1,5#1", "01-02 00:00 | 01-04 00:00 | 02-01 00:00"},
        {"0 0 * * MON#5", "03-30 00:00 | 06-29 00:00 | 08-31 00:00"},
        {"0 0 L-30 * *", "03-01 00:00 | 05-01 00:00 | 07-01 00:00"},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        struct pattern p = pattern(cases[i].cron, "UTC");
        ck_assert_str_eq(fires(&p, "2026-01-01 00:00", 3), cases[i].fires);
        rv_zone_destroy(p.zone);
    }
}

TEST(business_days_are_counted_by_the_calendar)
{
    static const struct {
        const char *cron, *after, *without, *with;
    } cases[] = {
        /* the 3rd working day at 02:00 */
        {"0 2 B3 * *", "2026-03-31 12:00", "04-03 02:00 | 05-05 02:00",
         "04-07 02:00 | 05-06 02:00"},
        {"0 2 LB * *", "2026-04-01 00:00", "04-30 02:00 | 05-29 02:00",
         "04-30 02:00 | 05-29 02:00"},
        {"0 2 LB-1 * *", "2026-12-01 00:00", "12-30 02:00 | 01-28 02:00",
         "12-30 02:00 | 01-28 02:00"},
        {"0 2 B 5 *", "2026-05-13 03:00", "05-14 02:00 | 05-15 02:00", "05-15 02:00 | 05-18 02:00"},
        /* the 1st, or the first business day after it; the 3rd or the one before it */
        {"0 2 1>B 5 *", "2026-01-01 00:00", "05-01 02:00 | 05-03 02:00",
         "05-04 02:00 | 05-03 02:00"},
        {"0 2 3<B 10 *", "2026-01-01 00:00", "10-02 02:00 | 10-01 02:00",
         "10-02 02:00 | 10-01 02:00"},
        /* it stays in its month: 31 May 2026 is a Sunday, 1 November a Sunday */
        {"0 2 31>B 5 *", "2026-01-01 00:00", "05-29 02:00 | 05-31 02:00",
         "05-29 02:00 | 05-31 02:00"},
        {"0 2 1<B 11 *", "2026-01-01 00:00", "11-02 02:00 | 11-01 02:00",
         "11-02 02:00 | 11-01 02:00"},
        /* a month that has no such day has no such fire */
        {"0 2 31<B 4,5 *", "2026-01-01 00:00", "05-29 02:00 | 05-31 02:00",
         "05-29 02:00 | 05-31 02:00"},
    };
    struct rv_calendar calendar = berlin();
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        struct pattern p = pattern(cases[i].cron, "UTC");
        ck_assert_str_eq(fires(&p, cases[i].after, 2), cases[i].without);
        p.rules.calendar = &calendar;
        ck_assert_str_eq(fires(&p, cases[i].after, 2), cases[i].with);
        rv_zone_destroy(p.zone);
    }
}

TEST(a_calendar_may_have_another_weekend_and_too_few_days)
{
    struct rv_calendar gulf = {.weekend = 0};
    ck_assert_int_eq(rv_weekend_read("fri,SAT", &gulf.weekend, NULL), RV_OK);
    struct pattern p = pattern("0 2 B1 * *", "UTC");
    p.rules.calendar = &gulf;
    ck_assert_str_eq(fires(&p, "2026-01-01 03:00", 2), "02-01 02:00 | 03-01 02:00"); /* Sundays */
    rv_zone_destroy(p.zone);
    p = pattern("0 2 B24 * *", "UTC"); /* no month has so many without a calendar */
    ck_assert_str_eq(fires(&p, "2026-01-01 03:00", 1), "never");
    ck_assert_int_eq(rv_weekend_read("none", &gulf.weekend, NULL), RV_OK);
    p.rules.calendar = &gulf;
    ck_assert_str_eq(fires(&p, "2026-01-01 03:00", 2), "01-24 02:00 | 02-24 02:00");
    rv_zone_destroy(p.zone);
    char text[RV_WEEKEND_TEXT];
    rv_weekend_text(RV_CALENDAR_WEEKEND, text);
    ck_assert_str_eq(text, "SAT,SUN");
    rv_weekend_text(0, text);
    ck_assert_str_eq(text, "none");
    ck_assert_int_eq(rv_weekend_read("SAT,SUNDAY", &gulf.weekend, NULL), RV_INVALID);
    ck_assert_int_eq(rv_weekend_read("", &gulf.weekend, NULL), RV_INVALID);
    ck_assert_int_eq(rv_weekend_read("MON,TUE,WED,THU,FRI,SAT,SUN", &gulf.weekend, NULL),
                     RV_INVALID);
}

/* An oracle by counting: every day of 30 years, with random holidays. */
TEST(business_days_equal_a_count_over_every_day)
{
    struct rv_random random = {.state = 7};
    struct rv_calendar calendar = {.weekend = RV_CALENDAR_WEEKEND};
    int64_t first = rv_days_from_civil(2000, 1, 1), last = rv_days_from_civil(2030, 1, 1);
    for (int64_t day = first; day < last && calendar.holidays.count < 900; day++) {
        if (rv_random_below(&random, 12) == 0) {
            calendar.holidays.days[calendar.holidays.count++] = (int32_t)day;
        }
    }
    struct pattern third = pattern("0 0 B3 * *", "UTC"), end = pattern("0 0 LB * *", "UTC");
    third.rules.calendar = end.rules.calendar = &calendar;
    int64_t next_third = first * DAY_S - 1, next_last = next_third;
    int64_t expected_last = -1;
    int count = 0, month_before = 0;
    ck_assert(rv_cron_next(&third.cron, &third.rules, next_third, &next_third));
    ck_assert(rv_cron_next(&end.cron, &end.rules, next_last, &next_last));
    for (int64_t day = first; day < last; day++) {
        int year, month, number;
        rv_civil_from_days(day, &year, &month, &number);
        if (month != month_before) {
            if (expected_last >= 0) {
                ck_assert_int_eq(next_last, expected_last * DAY_S);
                ck_assert(rv_cron_next(&end.cron, &end.rules, next_last, &next_last));
            }
            count = 0;
            month_before = month;
        }
        int64_t weekday = (day + 4) % 7;
        if (weekday != 0 && weekday != 6 && !rv_dates_have(&calendar.holidays, day)) {
            expected_last = day;
            if (++count == 3) {
                ck_assert_int_eq(next_third, day * DAY_S);
                ck_assert(rv_cron_next(&third.cron, &third.rules, next_third, &next_third));
            }
        }
    }
    rv_zone_destroy(third.zone);
    rv_zone_destroy(end.zone);
}

/* ---- properties ---- */

static bool names_wall(const struct rv_cron *cron, int64_t wall_s)
{
    int year, month, day;
    int64_t days = wall_s / DAY_S, rest = wall_s % DAY_S;
    rv_civil_from_days(days, &year, &month, &day);
    bool by_day = (cron->day >> day & 1) != 0, by_week = (cron->weekday >> (days + 4) % 7 & 1) != 0;
    bool fits = cron->day_free || cron->weekday_free ? by_day && by_week : by_day || by_week;
    return fits && (cron->month >> month & 1) != 0 && (cron->hour >> rest / 3600 & 1) != 0 &&
           (cron->minute >> rest / 60 % 60 & 1) != 0 && (cron->second >> rest % 60 & 1) != 0;
}

/* Walking minute by minute over half a year must find the same fires: an independent oracle for
 * gap=skip, fold=both, where no policy interferes. */
TEST(the_search_equals_a_walk_over_every_minute)
{
    static const char *const crons[] = {"30 2 * * *", "*/7 1-4 * * SUN", "15 0 1,15 * MON",
                                        "59 23 28-31 * *", "0 */5 * 3,10 *"};
    static const char *const zones[] = {"Europe/Berlin", "Australia/Lord_Howe", "America/New_York",
                                        "Africa/Casablanca"};
    for (size_t c = 0; c < RV_COUNT(crons); c++) {
        for (size_t z = 0; z < RV_COUNT(zones); z++) {
            struct pattern p = pattern(crons[c], zones[z]);
            p.rules.gap = RV_CRON_GAP_SKIP;
            p.rules.fold = RV_CRON_FOLD_BOTH;
            int64_t next = 0;
            int different = 0; /* an assertion per minute would take half a minute */
            bool more = rv_cron_next(&p.cron, &p.rules, utc("2026-01-31 23:59:59"), &next);
            int64_t end = utc("2026-11-15 00:00");
            for (int64_t t = utc("2026-02-01 00:00"); t < end; t += 60) {
                bool expected = names_wall(&p.cron, t + rv_zone_offset(p.zone, t));
                different += (more && t == next) == expected ? 0 : 1;
                if (more && t == next) {
                    more = rv_cron_next(&p.cron, &p.rules, t, &next);
                }
            }
            ck_assert_msg(different == 0, "%s %s: %d minutes differ", crons[c], zones[z],
                          different);
            rv_zone_destroy(p.zone);
        }
    }
}

TEST(fires_always_rise_and_do_not_depend_on_where_one_asks_from)
{
    struct rv_random random = {.state = 11};
    static const char *const crons[] = {"30 2 * * *", "*/10 * * * *", "0 0 1 * *", "5 4 * * 1,3"};
    for (size_t c = 0; c < RV_COUNT(crons); c++) {
        struct pattern p = pattern(crons[c], "Europe/Berlin");
        for (int n = 0; n < 3000; n++) {
            int64_t from = utc("2020-01-01 00:00") + (int64_t)rv_random_below(&random, 600000000);
            int64_t next = 0, again = 0;
            ck_assert(rv_cron_next(&p.cron, &p.rules, from, &next));
            ck_assert_int_gt(next, from);
            int64_t between = from + (int64_t)rv_random_below(&random, (uint64_t)(next - from));
            ck_assert(rv_cron_next(&p.cron, &p.rules, between, &again));
            ck_assert_int_eq(again, next);
        }
        rv_zone_destroy(p.zone);
    }
}

/* ---- days of rest ---- */

TEST(a_day_of_rest_is_the_zones_day)
{
    struct rv_dates rest;
    ck_assert_int_eq(rv_dates_read("2026-12-26,2026-12-25", &rest, NULL), RV_OK);
    struct pattern night =
        pattern("30 23 * * *", "America/New_York"); /* 04:30 UTC of the next day */
    night.rules.except = &rest;
    ck_assert_str_eq(fires(&night, "2026-12-24 00:00", 3),
                     "12-24 04:30 | 12-25 04:30 | 12-28 04:30");
    struct pattern often = pattern("*/15 * * * *", "Europe/Berlin");
    often.rules.except = &rest;
    ck_assert_str_eq(fires(&often, "2026-12-24 22:30", 2), "12-24 22:45 | 12-26 23:00");
    rv_zone_destroy(night.zone);
    rv_zone_destroy(often.zone);
}

TEST(dates_are_of_the_calendar)
{
    static const char *const wrong[] = {"2026-02-30", "2026-13-01", "26-01-01",    "2026-01-01,",
                                        ",",          "2026-1-1",   "2026-01-01 ", "2025-02-29"};
    struct rv_dates dates;
    ck_assert_int_eq(rv_dates_read("", &dates, NULL), RV_OK);
    ck_assert_int_eq(dates.count, 0);
    ck_assert_int_eq(rv_dates_read("2024-02-29", &dates, NULL), RV_OK);
    ck_assert(rv_dates_have(&dates, rv_days_from_civil(2024, 2, 29)));
    ck_assert(!rv_dates_have(&dates, rv_days_from_civil(2024, 3, 1)));
    for (size_t i = 0; i < RV_COUNT(wrong); i++) {
        ck_assert_msg(rv_dates_read(wrong[i], &dates, NULL) == RV_INVALID, "%s", wrong[i]);
    }
}

/* ---- errors ---- */

TEST(an_error_marks_where_it_is)
{
    struct rv_cron cron;
    struct rv_error err = {.code = RV_OK};
    ck_assert_int_eq(rv_cron_parse("0 2 * 13 MON", &cron, &err), RV_INVALID);
    ck_assert_str_eq(err.detail, "here: 0 2 * >>13<< MON");
    err = (struct rv_error){.code = RV_OK};
    ck_assert_int_eq(rv_cron_parse("0 2 30 2 *", &cron, &err), RV_OK);
    ck_assert_int_eq(rv_cron_never("0 2 30 2 *", &cron, &err), RV_INVALID);
    ck_assert_ptr_nonnull(strstr(err.message, "day-of-month names day 30, and no month of field "
                                              "month has more than 29"));
}

TEST(an_error_names_the_field_the_rule_and_the_remedy)
{
    static const struct {
        const char *cron, *message;
    } cases[] = {
        {"60 * * * *", "cron field minute: \"60\" is out of range (character 1)"},
        {"* 24 * * *", "cron field hour: \"24\" is out of range (character 3)"},
        {"* * 0 * *", "cron field day-of-month: \"0\" is out of range"},
        {"* * * foo *", "cron field month: \"foo\" is neither a number nor a name of this field"},
        {"* * * * 8", "cron field day-of-week: \"8\" is out of range"},
        {"* * * * MONDAY", "cron field day-of-week: \"MONDAY\" is neither"},
        {"9-5 * * * *", "cron field minute: \"9-5\" is a range that ends before it starts"},
        {"*/0 * * * *", "cron field minute: \"*/0\" has a step that is zero"},
        {"1,,2 * * * *", "cron field minute: \"\" is an empty element of a list (character 3)"},
        {"0  8 * * MON,TUE,FOO", "cron field day-of-week: \"FOO\" is neither a number nor a name "
                                 "of this field (character 18)"},
        {"1, * * * *", "cron field minute: \"\" is an empty element of a list (character 3)"},
        {"* * L-31 * *", "cron field day-of-month: \"L-31\" counts back from the last day"},
        {"* * LW * *", "cron field day-of-month: \"LW\" is not L, L-n, LB or LB-n"},
        {"* * B32 * *", "cron field day-of-month: \"B32\" is neither B nor Bn"},
        {"* * B1-3 * *", "cron field day-of-month: \"B1-3\" is neither B nor Bn"},
        {"* * 15>C * *", "cron field day-of-month: \"15>C\" is not n>B or n<B"},
        {"* * 32<B * *", "cron field day-of-month: \"32<B\" is out of range"},
        {"* * * * FRI#6", "cron field day-of-week: \"FRI#6\" names no week"},
        {"* * * * 9#1", "cron field day-of-week: \"9#1\" is out of range"},
        {"1- * * * *", "cron field minute: \"1-\" is a range without an end"},
        {"* * * L *", "cron field month: \"L\" is neither"},
        {"* * * * 5?", "cron field day-of-week: \"5?\" has something behind the value"},
        {"5#2 * * * *", "cron field minute: \"5#2\" has something behind the value"},
        {"99 * * * * *", "cron field second: \"99\" is out of range"},
        {"* * * *", "cron \"* * * *\" has fewer than five fields"},
        {"* * * * * * *", "cron \"* * * * * * *\" has more than six fields"},
        {"", "cron \"\" has fewer than five fields"},
        {"99999999999999999999 * * * *", "is out of range"},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        struct rv_cron cron;
        struct rv_error err = {.code = RV_OK};
        ck_assert_int_eq(rv_cron_parse(cases[i].cron, &cron, &err), RV_INVALID);
        ck_assert_msg(strstr(err.message, cases[i].message) != NULL, "\"%s\"", err.message);
        ck_assert_ptr_nonnull(strstr(err.hint, "for example"));
    }
}

TEST_MAIN()
