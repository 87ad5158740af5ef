/* schedule_time_test.c -- a year of schedules under virtual time, with standstills and clocks that
 * jump; instants as people write them; lists of holidays.
 */
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/random.h"
#include "runtime/schedule/due.h"
#include "runtime/schedule/holidays.h"
#include "runtime/schedule/when.h"
#include "tests/support/test.h"

#include <string.h>

enum { DAY_S = 86400, SCHEDULES = 500, LOOKS_A_YEAR = 4000 };

static int64_t day(int year, int month, int number)
{
    return rv_days_from_civil(year, month, number) * DAY_S;
}

/* One schedule as the service drives it: the stored next fire, and what it has fired. */
struct simulated {
    struct rv_cron cron;
    struct rv_cron_rules rules;
    struct rv_due_policy policy;
    int64_t next_s, last_s, fires;
};

static void look(struct simulated *one, int64_t now_s)
{
    struct rv_due due;
    while (one->next_s + one->policy.delay_s <= now_s) {
        rv_due_compute(&one->cron, &one->rules, &one->policy, one->next_s, now_s, &due);
        for (int i = 0; i < due.count; i++) {
            ck_assert_int_gt(due.instants_s[i], one->last_s); /* none twice, all in order */
            ck_assert_int_ge(due.instants_s[i], now_s - one->policy.delay_s - one->policy.window_s);
            one->last_s = due.instants_s[i];
            one->fires++;
        }
        ck_assert(due.has_next);
        ck_assert_int_gt(due.next_s, one->last_s);
        one->next_s = due.next_s;
    }
}

static void simulate(uint64_t seed, bool jumps, int64_t *fires)
{
    static const char *const patterns[] = {"30 2 * * *", "0 * * * *",  "15 6 * * MON-FRI",
                                           "0 2 B3 * *", "0 22 L * *", "0 9 1,15 * *"};
    struct rv_random random = {.state = seed};
    struct rv_zone *zone = NULL;
    struct simulated *list = rv_alloc_array(SCHEDULES, sizeof *list);
    int64_t from_s = day(2026, 1, 1), to_s = day(2027, 1, 1);
    ck_assert_int_eq(rv_zone_load(NULL, "Europe/Berlin", &zone, NULL), RV_OK);
    for (int i = 0; i < SCHEDULES; i++) {
        struct simulated *one = &list[i];
        const char *pattern = patterns[(size_t)i % RV_COUNT(patterns)];
        ck_assert_int_eq(rv_cron_parse(pattern, &one->cron, NULL), RV_OK);
        one->rules = (struct rv_cron_rules){.zone = zone};
        one->policy = (struct rv_due_policy){
            .delay_s = rv_due_delay(i, "nightly", 600), .window_s = 7 * DAY_S, .most = 500};
        ck_assert(rv_cron_next(&one->cron, &one->rules, from_s - 1, &one->next_s));
    }
    int64_t now_s = from_s;
    while (now_s < to_s) {
        if (jumps && rv_random_below(&random, 200) == 0) {
            now_s -= (int64_t)rv_random_below(&random, 3 * DAY_S);
        } else if (jumps && rv_random_below(&random, 200) == 0) {
            now_s += (int64_t)rv_random_below(&random, 6 * DAY_S);
        }
        now_s = now_s < to_s ? now_s : to_s; /* a jump may lead beyond the year */
        for (int i = 0; i < SCHEDULES; i++) {
            look(&list[i], now_s);
        }
        now_s += (to_s - from_s) / LOOKS_A_YEAR;
    }
    *fires = 0;
    for (int i = 0; i < SCHEDULES; i++) {
        look(&list[i], to_s + 600 - 1);
        *fires += list[i].fires;
    }
    rv_free(list);
    rv_zone_destroy(zone);
}

TEST(a_year_of_schedules_takes_seconds_and_misses_none)
{
    int64_t fires = 0, jumped = 0;
    int64_t begin_us = rv_thread_cpu_us();
    simulate(1, false, &fires);
    int64_t took_us = rv_thread_cpu_us() - begin_us;
    printf("%d schedules, %lld fires, %lld ms\n", SCHEDULES, (long long)fires,
           (long long)took_us / 1000);
#ifndef __SANITIZE_ADDRESS__
    ck_assert_int_lt(took_us, 5000000);
#endif
    for (uint64_t seed = 1; seed <= 5; seed++) {
        simulate(seed, true, &jumped);
        ck_assert_int_eq(jumped,
                         fires); /* within the window nothing is lost, and nothing doubled */
    }
}

TEST(catching_up_takes_the_newest_of_what_was_missed)
{
    struct rv_zone *zone = NULL;
    struct rv_cron cron;
    struct rv_due due;
    ck_assert_int_eq(rv_zone_load(NULL, "UTC", &zone, NULL), RV_OK);
    ck_assert_int_eq(rv_cron_parse("* * * * * *", &cron, NULL), RV_OK);
    struct rv_cron_rules rules = {.zone = zone};
    struct rv_due_policy policy = {.window_s = 366 * DAY_S, .most = 5};
    int64_t now_s = day(2026, 12, 31);
    int64_t begin_us = rv_thread_cpu_us();
    rv_due_compute(&cron, &rules, &policy, day(2026, 1, 1), now_s, &due); /* 31 million missed */
    ck_assert_int_lt(rv_thread_cpu_us() - begin_us, 200000);
    ck_assert_int_eq(due.count, 5);
    ck_assert_int_eq(due.instants_s[0], now_s - 4);
    ck_assert_int_eq(due.instants_s[4], now_s);
    ck_assert_int_eq(due.missed, RV_MISSED_MOST);
    ck_assert_int_eq(due.next_s, now_s + 1);
    policy.most = 250; /* more than fits at once: the oldest of them first */
    rv_due_compute(&cron, &rules, &policy, day(2026, 1, 1), now_s, &due);
    ck_assert_int_eq(due.count, RV_DUE_MAX);
    ck_assert_int_eq(due.instants_s[0], now_s - 249);
    rv_due_compute(&cron, &rules, &policy, due.next_s, now_s, &due);
    ck_assert_int_eq(due.missed, RV_MISSED_NONE);
    ck_assert_int_eq(due.instants_s[0], now_s - 149);
    rv_zone_destroy(zone);
}

/* ---- as people write it ---- */

TEST(an_instant_is_of_the_zone_or_of_utc)
{
    static const struct {
        const char *text;
        int64_t utc_s;
    } cases[] = {{"2026-12-25", 82800 - DAY_S},
                 {"2026-12-25T08:00", 7 * 3600},
                 {"2026-12-25 08:00:30", 7 * 3600 + 30},
                 {"2026-12-25T08:00Z", 8 * 3600},
                 {"2026-12-25T23:59:59Z", DAY_S - 1}};
    static const char *const wrong[] = {"",
                                        "tomorrow",
                                        "2026-02-30",
                                        "2026-12-25T",
                                        "2026-12-25T8:00",
                                        "2026-12-25T24:00",
                                        "2026-12-25T08:60",
                                        "2026-12-25T08:00+01",
                                        "2026-12-25x"};
    struct rv_zone *zone = NULL;
    int64_t out_us = 0;
    ck_assert_int_eq(rv_zone_load(NULL, "Europe/Berlin", &zone, NULL), RV_OK);
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        ck_assert_int_eq(rv_when_read(cases[i].text, zone, &out_us, NULL), RV_OK);
        ck_assert_int_eq(out_us / 1000000, day(2026, 12, 25) + cases[i].utc_s);
    }
    for (size_t i = 0; i < RV_COUNT(wrong); i++) {
        struct rv_error err = {.code = RV_OK};
        ck_assert_msg(rv_when_read(wrong[i], zone, &out_us, &err) == RV_INVALID, "%s", wrong[i]);
        ck_assert_str_ne(err.hint, "");
    }
    /* a time that was jumped over is the jump, one that comes twice the first */
    ck_assert_int_eq(rv_when_read("2026-03-29T02:30", zone, &out_us, NULL), RV_OK);
    ck_assert_int_eq(out_us / 1000000, day(2026, 3, 29) + 3600);
    ck_assert_int_eq(rv_when_read("2026-10-25T02:30", zone, &out_us, NULL), RV_OK);
    ck_assert_int_eq(out_us / 1000000, day(2026, 10, 25) + 1800);
    rv_zone_destroy(zone);
}

static enum rv_code read_text(const char *text, struct rv_holidays *out, struct rv_error *err)
{
    return rv_holidays_read(text, strlen(text), out, err);
}

TEST(holidays_are_read_from_a_list_or_a_calendar_file)
{
    static struct rv_holidays holidays;
    ck_assert_int_eq(read_text("# of Berlin\r\n\n2026-12-25 Christmas Day \n2026-12-26, second\n"
                               "2026-12-25 again\n2027-01-01",
                               &holidays, NULL),
                     RV_OK);
    ck_assert_int_eq(holidays.count, 3);
    ck_assert_str_eq(holidays.labels[0], "Christmas Day");
    ck_assert_str_eq(holidays.labels[1], "second");
    ck_assert_int_eq(holidays.days[2], rv_days_from_civil(2027, 1, 1));
    ck_assert_int_eq(
        read_text("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20261225\r\n"
                  "DTEND;VALUE=DATE:20261227\r\nSUMMARY:Christmas\r\nEND:VEVENT\r\n"
                  "BEGIN:VEVENT\r\nSUMMARY;LANGUAGE=en:New Year\r\nDTSTART:20270101T000000Z\r\n"
                  "END:VEVENT\r\nEND:VCALENDAR\r\n",
                  &holidays, NULL),
        RV_OK);
    ck_assert_int_eq(holidays.count, 3);
    ck_assert_str_eq(holidays.labels[1], "Christmas");
    ck_assert_str_eq(holidays.labels[2], "New Year");
    static const struct {
        const char *text, *message;
    } wrong[] = {
        {"2026-12-25\n2026-02-30 no\n", "line 2: \"2026-02-30 no\" does not begin with a date"},
        {"2026-12-25Christmas", "line 1:"},
        {"BEGIN:VCALENDAR\nBEGIN:VEVENT\nRRULE:FREQ=YEARLY\n",
         "line 3: \"RRULE:FREQ=YEARLY\" is an "
         "event that repeats"},
        {"BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VEVENT\n", "ends an event without DTSTART"},
        {"BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20261325\n", "has no date of the calendar"},
        {"BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260101\nDTEND:20270101\nEND:VEVENT",
         "more than 31"},
        {"BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260101\n", "an event has no end"},
    };
    for (size_t i = 0; i < RV_COUNT(wrong); i++) {
        struct rv_error err = {.code = RV_OK};
        ck_assert_int_eq(read_text(wrong[i].text, &holidays, &err), RV_INVALID);
        ck_assert_msg(strstr(err.message, wrong[i].message) != NULL, "%s", err.message);
        ck_assert_str_ne(err.hint, "");
    }
}

TEST_MAIN()
