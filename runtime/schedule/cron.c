/* cron.c -- text to bit sets; then the next fire, stretch by stretch of the zone.
 *
 * Within a stretch of one offset wall time and instants run side by side, so the next fire is a
 * search over civil days.  Going from stretch to stretch keeps the order of instants right across
 * gaps and folds, and each of the two has exactly one place where it is decided.
 */
#include "runtime/schedule/cron.h"

#include "runtime/base/check.h"
#include "runtime/base/clock.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { DAY_S = 86400, FIELDS_MAX = 6, WORD_MAX = 64 };

/* ---- reading ---- */

static const char *const month_names[] = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                          "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
static const char *const weekday_names[] = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};

struct field {
    const char *name;
    int least, most;
    const char *const *names; /* NULL: numbers only; names[0] is `least` */
    int name_count;
    const char *example;
};

static const struct field fields[FIELDS_MAX] = {
    {"second", 0, 59, NULL, 0, "0 or */15"},
    {"minute", 0, 59, NULL, 0, "30 or */15"},
    {"hour", 0, 23, NULL, 0, "8 or 8-17"},
    {"day-of-month", 1, 31, NULL, 0, "1 or 1,15"},
    {"month", 1, 12, month_names, 12, "1-3 or JAN-MAR"},
    {"day-of-week", 0, 7, weekday_names, 7, "MON-FRI or 1-5"},
};

static enum rv_code refuse(const struct field *field, const char *word, const char *rule,
                           struct rv_error *err)
{
    rv_fail(err, RV_INVALID, "cron field %s: \"%.40s\" %s", field->name, word, rule);
    rv_hint(err, "Write values from %d to %d as a list, range or step, for example %s.",
            field->least, field->most, field->example);
    return RV_INVALID;
}

/* A number or a name at *at; moves on. False: neither. */
static bool take_value(const struct field *field, const char **at, int *out)
{
    if (isdigit((unsigned char)**at)) {
        int value = 0;
        while (isdigit((unsigned char)**at)) {
            value = value < 1000 ? value * 10 + (**at - '0') : value;
            (*at)++;
        }
        *out = value;
        return true;
    }
    for (int i = 0; i < field->name_count; i++) {
        if (strncasecmp(*at, field->names[i], 3) == 0 && !isalnum((unsigned char)(*at)[3])) {
            *at += 3;
            *out = field->least + i;
            return true;
        }
    }
    return false;
}

/* One element of a list: "*", "a", "a-b", each with "/n". */
static enum rv_code read_item(const struct field *field, const char *item, uint64_t *bits,
                              struct rv_error *err)
{
    const char *at = item;
    int from = field->least, to = field->most == 7 ? 6 : field->most, step = 1;
    bool single = false;
    if (*at == '*') {
        at++;
    } else {
        if (!take_value(field, &at, &from)) {
            return refuse(field, item, "is neither a number nor a name of this field", err);
        }
        single = *at != '-';
        to = from;
        if (*at == '-') {
            at++;
            if (!take_value(field, &at, &to)) {
                return refuse(field, item, "is a range without an end", err);
            }
            if (field->most == 7 && to == 0) {
                to = 7; /* FRI-SUN */
            }
        }
        if (from < field->least || from > field->most || to < field->least || to > field->most) {
            return refuse(field, item, "is out of range", err);
        }
        if (from > to) {
            return refuse(field, item, "is a range that ends before it starts", err);
        }
    }
    if (*at == '/') {
        at++;
        const struct field number = {field->name, 1, field->most, NULL, 0, field->example};
        if (!take_value(&number, &at, &step) || step < 1 || step > field->most) {
            return refuse(field, item, "has a step that is zero, missing or larger than the field",
                          err);
        }
        to = single ? (field->most == 7 ? 6 : field->most) : to;
    }
    if (*at != '\0') {
        return refuse(field, item, "has something behind the value that cron does not know", err);
    }
    for (int value = from; value <= to; value += step) {
        *bits |= UINT64_C(1) << (field->most == 7 && value == 7 ? 0 : value);
    }
    return RV_OK;
}

static enum rv_code read_field(const struct field *field, char *word, uint64_t *bits,
                               struct rv_error *err)
{
    enum rv_code code = RV_OK;
    char *item = word;
    *bits = 0;
    while (code == RV_OK && item != NULL) {
        char *comma = strchr(item, ',');
        if (comma != NULL) {
            *comma = '\0';
        }
        code = *item == '\0' ? refuse(field, item, "is an empty element of a list", err)
                             : read_item(field, item, bits, err);
        item = comma != NULL ? comma + 1 : NULL;
    }
    return code;
}

static enum rv_code refuse_shape(const char *text, const char *rule, struct rv_error *err)
{
    rv_fail(err, RV_INVALID, "cron \"%.60s\" %s", text, rule);
    rv_hint(err, "Write [second] minute hour day-of-month month day-of-week, for example "
                 "\"30 6 * * MON-FRI\".");
    return RV_INVALID;
}

enum rv_code rv_cron_parse(const char *text, struct rv_cron *out, struct rv_error *err)
{
    char words[FIELDS_MAX][WORD_MAX];
    int count = 0;
    if (strlen(text) >= RV_CRON_TEXT_MAX) {
        return refuse_shape(text, "is too long", err);
    }
    for (const char *at = text + strspn(text, " \t"); *at != '\0'; at += strspn(at, " \t")) {
        size_t length = strcspn(at, " \t");
        if (count == FIELDS_MAX || length >= WORD_MAX) {
            return refuse_shape(text,
                                count == FIELDS_MAX ? "has more than six fields"
                                                    : "has a field that is too long",
                                err);
        }
        memcpy(words[count], at, length);
        words[count++][length] = '\0';
        at += length;
    }
    if (count < FIELDS_MAX - 1) {
        return refuse_shape(text, "has fewer than five fields", err);
    }
    int missing = FIELDS_MAX - count; /* 1 when there are no seconds */
    *out = (struct rv_cron){.second = 1};
    uint64_t *const bits[] = {&out->second, &out->minute, &out->hour,
                              &out->day,    &out->month,  &out->weekday};
    out->elapsed = words[1 - missing][0] == '*' || words[2 - missing][0] == '*';
    out->day_free = words[3 - missing][0] == '*';
    out->weekday_free = words[5 - missing][0] == '*';
    enum rv_code code = RV_OK;
    for (int i = missing; i < FIELDS_MAX && code == RV_OK; i++) {
        code = read_field(&fields[i], words[i - missing], bits[i], err);
    }
    return code;
}

/* ---- searching wall time ---- */

static bool has(uint64_t bits, int value)
{
    return (bits >> value & 1) != 0;
}

static bool day_fires(const struct rv_cron *cron, int64_t days)
{
    int year, month, day;
    rv_civil_from_days(days, &year, &month, &day);
    if (!has(cron->month, month)) {
        return false;
    }
    bool by_day = has(cron->day, day);
    bool by_weekday = has(cron->weekday, (int)(((days + 4) % 7 + 7) % 7));
    return cron->day_free || cron->weekday_free ? by_day && by_weekday : by_day || by_weekday;
}

/* The lowest set value >= from, or -1. */
static int next_bit(uint64_t bits, int from)
{
    bits = from < 64 ? bits >> from << from : 0;
    return bits != 0 ? __builtin_ctzll(bits) : -1;
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
static bool next_wall(const struct rv_cron *cron, int64_t from, int64_t to, int64_t *out)
{
    int64_t days = from / DAY_S - (from % DAY_S < 0 ? 1 : 0);
    for (int start = (int)(from - days * DAY_S); days * DAY_S < to; days++, start = 0) {
        int second = day_fires(cron, days) ? next_in_day(cron, start) : -1;
        if (second >= 0) {
            *out = days * DAY_S + second;
            return *out < to;
        }
    }
    return false;
}

/* ---- searching instants ---- */

static bool fold_allows(const struct rv_cron *cron, const struct rv_cron_rules *rules,
                        int64_t wall_s, int64_t instant_s)
{
    struct rv_wall wall = rv_zone_wall(rules->zone, wall_s);
    if (wall.kind != RV_WALL_FOLD || cron->elapsed || rules->fold == RV_CRON_FOLD_BOTH) {
        return true;
    }
    return instant_s == (rules->fold == RV_CRON_FOLD_FIRST ? wall.first_s : wall.last_s);
}

/* Did the clock, when it jumped to this stretch, jump over a fire that must be made up for? */
static bool gap_fires(const struct rv_cron *cron, const struct rv_cron_rules *rules,
                      const struct rv_zone_stretch *stretch)
{
    int64_t ignored;
    bool every_hour = cron->hour == (UINT64_C(1) << 24) - 1;
    if (rules->gap == RV_CRON_GAP_SKIP || every_hour || stretch->start_s == INT64_MIN) {
        return false;
    }
    int32_t before = rv_zone_offset(rules->zone, stretch->start_s - 1);
    return before < stretch->offset_s && next_wall(cron, stretch->start_s + before,
                                                   stretch->start_s + stretch->offset_s, &ignored);
}

static bool next_any(const struct rv_cron *cron, const struct rv_cron_rules *rules, int64_t after_s,
                     int64_t *out_s)
{
    int64_t from = after_s + 1;
    int64_t cap = from + INT64_C(366) * RV_CRON_YEARS * DAY_S;
    while (from < cap) {
        struct rv_zone_stretch stretch = rv_zone_stretch_at(rules->zone, from);
        int64_t end = stretch.end_s < cap ? stretch.end_s : cap;
        if (from == stretch.start_s && gap_fires(cron, rules, &stretch)) {
            *out_s = from;
            return true;
        }
        int64_t wall = from + stretch.offset_s;
        while (next_wall(cron, wall, end + stretch.offset_s, &wall)) {
            if (fold_allows(cron, rules, wall, wall - stretch.offset_s)) {
                *out_s = wall - stretch.offset_s;
                return true;
            }
            wall++;
        }
        from = end;
    }
    return false;
}

static int64_t floor_day(int64_t wall_s)
{
    return wall_s / DAY_S - (wall_s % DAY_S < 0 ? 1 : 0);
}

bool rv_cron_next(const struct rv_cron *cron, const struct rv_cron_rules *rules, int64_t after_s,
                  int64_t *out_s)
{
    while (next_any(cron, rules, after_s, out_s)) {
        int64_t day = floor_day(*out_s + rv_zone_offset(rules->zone, *out_s));
        if (!rv_dates_have(rules->except, day)) {
            return true;
        }
        int64_t rest_end_s = rv_zone_wall(rules->zone, (day + 1) * DAY_S).first_s;
        after_s = rest_end_s - 1 > *out_s ? rest_end_s - 1 : *out_s;
    }
    return false;
}

/* ---- words ---- */

static const char *const gap_names[] = {"shift", "skip"};
static const char *const fold_names[] = {"first", "last", "both"};

const char *rv_cron_gap_name(enum rv_cron_gap gap)
{
    return gap_names[gap];
}

const char *rv_cron_fold_name(enum rv_cron_fold fold)
{
    return fold_names[fold];
}

enum rv_code rv_cron_gap_from(const char *name, enum rv_cron_gap *out, struct rv_error *err)
{
    for (size_t i = 0; i < RV_COUNT(gap_names); i++) {
        if (strcmp(name, gap_names[i]) == 0) {
            *out = (enum rv_cron_gap)i;
            return RV_OK;
        }
    }
    return rv_fail(err, RV_INVALID, "gap policy \"%.40s\" must be shift or skip", name);
}

enum rv_code rv_cron_fold_from(const char *name, enum rv_cron_fold *out, struct rv_error *err)
{
    for (size_t i = 0; i < RV_COUNT(fold_names); i++) {
        if (strcmp(name, fold_names[i]) == 0) {
            *out = (enum rv_cron_fold)i;
            return RV_OK;
        }
    }
    return rv_fail(err, RV_INVALID, "fold policy \"%.40s\" must be first, last or both", name);
}
