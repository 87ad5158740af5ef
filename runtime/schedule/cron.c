/* cron.c -- the next fire, stretch by stretch of the zone.
 *
 * Within a stretch of one offset wall time and instants run side by side, so the next fire is a
 * search over civil months: the days that fire are one bit set a month, and the time of day three.
 * Going from stretch to stretch keeps the order of instants right across gaps and folds, and each
 * of the two has exactly one place where it is decided.
 */
#include "runtime/schedule/cron.h"

#include "runtime/base/clock.h"

enum {
    DAY_S = 86400,
    FOLD_MAX_S = 26 * 3600 /* clocks are set by less than that: no fold is further from a change */
};

/* ---- the days of a month ---- */

static bool has(uint64_t bits, int value)
{
    return (bits >> value & 1) != 0;
}

/* The lowest set value >= from, or -1. */
static int next_bit(uint64_t bits, int from)
{
    bits = from < 64 ? bits >> from << from : 0;
    return bits != 0 ? __builtin_ctzll(bits) : -1;
}

static uint32_t highest(uint32_t bits)
{
    return bits != 0 ? UINT32_C(1) << (31 - __builtin_clz(bits)) : 0;
}

/* B, Bn, LB-n, n>B, n<B */
static uint32_t business_days(const struct rv_cron *cron, const struct rv_month *month,
                              const struct rv_calendar *calendar)
{
    uint32_t all = rv_month_business(month, calendar);
    uint32_t days = (cron->business & 1) != 0 ? all : 0;
    int count = __builtin_popcount(all);
    int number = 0;
    for (uint32_t rest = all; rest != 0; rest &= rest - 1) {
        number++;
        if (has(cron->business, number) || has(cron->business_last, count - number)) {
            days |= rest & -rest;
        }
    }
    uint32_t rolled = (cron->roll_after | cron->roll_before) & rv_month_days(month);
    for (int day = next_bit(rolled, 1); day >= 0; day = next_bit(rolled, day + 1)) {
        uint32_t after = all >> day << day;
        uint32_t before = all & (uint32_t)((UINT64_C(2) << day) - 1);
        uint32_t later = after != 0 ? after & -after : highest(before);
        uint32_t earlier = before != 0 ? highest(before) : after & -after;
        days |= has(cron->roll_after, day) ? later : 0;
        days |= has(cron->roll_before, day) ? earlier : 0;
    }
    return days;
}

static uint32_t nth_weekdays(const struct rv_cron *cron, const struct rv_month *month)
{
    uint32_t days = 0;
    for (int weekday = 0; weekday < 7; weekday++) {
        if (cron->nth[weekday] != 0) {
            int first = 1 + (weekday - month->weekday + 7) % 7;
            for (int n = 0; first + 7 * n <= month->length; n++) {
                bool last = first + 7 * (n + 1) > month->length;
                bool fires = has(cron->nth[weekday], n + 1) || (last && has(cron->nth[weekday], 0));
                days |= fires ? UINT32_C(1) << (first + 7 * n) : 0;
            }
        }
    }
    return days;
}

/* Bit n: day n fires. */
static uint32_t days_of(const struct rv_cron *cron, const struct rv_cron_rules *rules,
                        const struct rv_month *month)
{
    uint32_t by_day = (uint32_t)cron->day;
    for (int back = next_bit(cron->last, 0); back >= 0; back = next_bit(cron->last, back + 1)) {
        by_day |= back < month->length ? UINT32_C(1) << (month->length - back) : 0;
    }
    if ((cron->business | cron->business_last | cron->roll_after | cron->roll_before) != 0) {
        by_day |= business_days(cron, month, rules->calendar);
    }
    uint32_t by_weekday =
        rv_month_weekdays(month, (uint8_t)cron->weekday) | nth_weekdays(cron, month);
    uint32_t days =
        cron->day_free || cron->weekday_free ? by_day & by_weekday : by_day | by_weekday;
    return days & rv_month_days(month) & ~rv_month_dates(month, rules->except);
}

/* ---- searching wall time ---- */

static int64_t floor_day(int64_t wall_s)
{
    return wall_s / DAY_S - (wall_s % DAY_S < 0 ? 1 : 0);
}

/* The first second of the day at or after `from` that fires, or -1. */
static int next_in_day(const struct rv_cron *cron, int from)
{
    int hour = next_bit(cron->hour, from / 3600);
    for (; hour >= 0; hour = next_bit(cron->hour, hour + 1)) {
        int rest = from - hour * 3600 > 0 ? from - hour * 3600 : 0;
        int minute = next_bit(cron->minute, rest / 60);
        for (; minute >= 0; minute = next_bit(cron->minute, minute + 1)) {
            int second = next_bit(cron->second, rest - minute * 60 > 0 ? rest - minute * 60 : 0);
            if (second >= 0) {
                return hour * 3600 + minute * 60 + second;
            }
        }
    }
    return -1;
}

/* The first wall time in [from, to) that the pattern names; false: none. */
static bool next_wall(const struct rv_cron *cron, const struct rv_cron_rules *rules, int64_t from,
                      int64_t to, int64_t *out)
{
    int year, number, day;
    int64_t start_day = floor_day(from);
    rv_civil_from_days(start_day, &year, &number, &day);
    int start = (int)(from - start_day * DAY_S);
    for (;;) {
        int found = next_bit(cron->month, number);
        if (found != number) { /* another month, from its beginning */
            year += found < 0 ? 1 : 0;
            number = found < 0 ? next_bit(cron->month, 1) : found;
            day = 1;
            start = 0;
        }
        struct rv_month month = rv_month_of(year, number);
        if (month.first * DAY_S >= to) {
            return false;
        }
        uint32_t days = days_of(cron, rules, &month);
        for (int at = next_bit(days, day); at >= 0; at = next_bit(days, at + 1)) {
            int second = next_in_day(cron, at == day ? start : 0);
            if (second >= 0) {
                *out = (month.first + at - 1) * DAY_S + second;
                return *out < to;
            }
        }
        number++;
        day = 1;
        start = 0;
    }
}

/* ---- searching instants ---- */

/* May this fire run, when its wall time comes twice? */
static bool fold_allows(const struct rv_cron *cron, const struct rv_cron_rules *rules,
                        const struct rv_zone_stretch *stretch, int64_t wall_s, int64_t instant_s)
{
    bool near = (stretch->start_s != INT64_MIN && instant_s - stretch->start_s < FOLD_MAX_S) ||
                (stretch->end_s != INT64_MAX && stretch->end_s - instant_s < FOLD_MAX_S);
    if (!near || cron->elapsed || rules->fold == RV_CRON_FOLD_BOTH) {
        return true;
    }
    struct rv_wall wall = rv_zone_wall(rules->zone, wall_s);
    return wall.kind != RV_WALL_FOLD ||
           instant_s == (rules->fold == RV_CRON_FOLD_FIRST ? wall.first_s : wall.last_s);
}

/* The first instant >= from that makes up for a fire which the clock jumped over when it jumped to
 * this stretch. */
static bool next_made_up(const struct rv_cron *cron, const struct rv_cron_rules *rules,
                         const struct rv_zone_stretch *stretch, int64_t from, int64_t *out_s)
{
    int64_t start = stretch->start_s;
    bool every_hour = cron->hour == (UINT64_C(1) << 24) - 1;
    if (rules->gap == RV_CRON_GAP_SKIP || every_hour || start == INT64_MIN ||
        from - start >= FOLD_MAX_S) {
        return false;
    }
    int32_t before = rv_zone_offset(rules->zone, start - 1);
    int64_t wall = 0, gap_end = start + stretch->offset_s;
    if (rules->gap == RV_CRON_GAP_BOUNDARY) {
        *out_s = start;
        return from == start && next_wall(cron, rules, start + before, gap_end, &wall);
    }
    if (from + before >= gap_end || !next_wall(cron, rules, from + before, gap_end, &wall)) {
        return false;
    }
    *out_s = wall - before;
    return *out_s < stretch->end_s;
}

static bool next_regular(const struct rv_cron *cron, const struct rv_cron_rules *rules,
                         const struct rv_zone_stretch *stretch, int64_t from, int64_t end,
                         int64_t *out_s)
{
    int64_t wall = from + stretch->offset_s;
    while (next_wall(cron, rules, wall, end + stretch->offset_s, &wall)) {
        *out_s = wall - stretch->offset_s;
        if (fold_allows(cron, rules, stretch, wall, *out_s)) {
            return true;
        }
        wall++;
    }
    return false;
}

bool rv_cron_next(const struct rv_cron *cron, const struct rv_cron_rules *rules, int64_t after_s,
                  int64_t *out_s)
{
    int64_t from = after_s + 1;
    int64_t cap = from + INT64_C(366) * RV_CRON_YEARS * DAY_S;
    while (from < cap) {
        struct rv_zone_stretch stretch = rv_zone_stretch_at(rules->zone, from);
        int64_t end = stretch.end_s < cap ? stretch.end_s : cap;
        int64_t made_up = 0;
        bool late = next_made_up(cron, rules, &stretch, from, &made_up);
        if (next_regular(cron, rules, &stretch, from, end, out_s)) {
            *out_s = late && made_up < *out_s ? made_up : *out_s;
            return true;
        }
        if (late) {
            *out_s = made_up;
            return true;
        }
        from = end;
    }
    return false;
}
