/* cron_read.c -- the text of a cron expression to bit sets; see cron.h.
 *
 * One pass with a cursor, so that every refusal knows which characters it is about.
 */
#include "runtime/base/check.h"
#include "runtime/schedule/cron.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { FIELDS_MAX = 6, DAY_FIELD = 3, WEEKDAY_FIELD = 5, ITEM_SHOWN = 40 };

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
    {"day-of-month", 1, 31, NULL, 0,
     "1 or 1,15; L: last day, B3: third business day, LB: last one"},
    {"month", 1, 12, month_names, 12, "1-3 or JAN-MAR"},
    {"day-of-week", 0, 7, weekday_names, 7, "MON-FRI or 1-5; FRI#2: second Friday, FRI#L: last"},
};

struct reader {
    const char *text;
    const char *item; /* the element of a list that is being read */
    const char *at;
    int field;
    struct rv_cron *out;
    struct rv_error *err;
};

/* ---- refusing ---- */

static enum rv_code refuse(const struct reader *in, const char *rule)
{
    const struct field *field = &fields[in->field];
    int length = (int)strcspn(in->item, " \t,");
    int before = (int)(in->item - in->text);
    rv_fail(in->err, RV_INVALID, "cron field %s: \"%.*s\" %s (character %d)", field->name,
            length < ITEM_SHOWN ? length : ITEM_SHOWN, in->item, rule, before + 1);
    rv_detail(in->err, "here: %.*s>>%.*s<<%s", before, in->text, length, in->item,
              in->item + length);
    rv_hint(in->err, "Write values from %d to %d as a list, range or step, for example %s.",
            field->least, field->most, field->example);
    return RV_INVALID;
}

static enum rv_code refuse_shape(const char *text, const char *rule, struct rv_error *err)
{
    rv_fail(err, RV_INVALID, "cron \"%.60s\" %s", text, rule);
    rv_hint(err, "Write [second] minute hour day-of-month month day-of-week, for example "
                 "\"30 6 * * MON-FRI\".");
    return RV_INVALID;
}

/* ---- elements ---- */

static bool ended(const struct reader *in)
{
    return *in->at == '\0' || strchr(" \t,", *in->at) != NULL;
}

static bool take_char(struct reader *in, char upper)
{
    bool here = toupper((unsigned char)*in->at) == upper;
    in->at += here ? 1 : 0;
    return here;
}

/* Saturates: what is too large is out of every range. */
static bool take_number(struct reader *in, int *out)
{
    const char *start = in->at;
    for (*out = 0; isdigit((unsigned char)*in->at); in->at++) {
        *out = *out < 1000 ? *out * 10 + (*in->at - '0') : *out;
    }
    return in->at > start;
}

/* A number or a name of the field. */
static bool take_value(struct reader *in, int *out)
{
    const struct field *field = &fields[in->field];
    for (int i = 0; i < field->name_count; i++) {
        if (strncasecmp(in->at, field->names[i], 3) == 0 && !isalnum((unsigned char)in->at[3])) {
            in->at += 3;
            *out = field->least + i;
            return true;
        }
    }
    return take_number(in, out);
}

/* "L", "L-3", "LB", "LB-1": the `L` was taken. */
static enum rv_code read_last(struct reader *in)
{
    bool business = take_char(in, 'B');
    int back = 0;
    if (take_char(in, '-') && (!take_number(in, &back) || back < 1 || back > 30)) {
        return refuse(in, "counts back from the last day by a number from 1 to 30");
    }
    if (!ended(in)) {
        return refuse(in, "is not L, L-n, LB or LB-n");
    }
    *(business ? &in->out->business_last : &in->out->last) |= UINT32_C(1) << back;
    return RV_OK;
}

/* "B", "B3": the `B` was taken. */
static enum rv_code read_business(struct reader *in)
{
    int number = 0;
    bool numbered = take_number(in, &number);
    if (!ended(in) || (numbered && (number < 1 || number > 31))) {
        return refuse(in, "is neither B nor Bn with n from 1 to 31");
    }
    in->out->business |= UINT32_C(1) << number;
    return RV_OK;
}

/* "15>B", "15<B": the number was taken. */
static enum rv_code read_roll(struct reader *in, int day)
{
    uint32_t *set = *in->at == '>' ? &in->out->roll_after : &in->out->roll_before;
    in->at++;
    if (!take_char(in, 'B') || !ended(in)) {
        return refuse(in, "is not n>B or n<B");
    }
    if (day < 1 || day > 31) {
        return refuse(in, "is out of range");
    }
    *set |= UINT32_C(1) << day;
    return RV_OK;
}

/* "FRI#2", "FRI#L": the "#" was taken. */
static enum rv_code read_nth(struct reader *in, int weekday)
{
    int nth = 0;
    if (!take_char(in, 'L') && (!take_number(in, &nth) || nth < 1 || nth > 5)) {
        return refuse(in, "names no week: after # comes 1 to 5 or L");
    }
    if (weekday > 7 || !ended(in)) {
        return refuse(in, weekday > 7 ? "is out of range" : "is not like FRI#2 or FRI#L");
    }
    in->out->nth[weekday % 7] |= (uint8_t)(1u << nth);
    return RV_OK;
}

/* "*", "a", "a-b", each with "/n". */
static enum rv_code read_range(struct reader *in, uint64_t *bits)
{
    const struct field *field = &fields[in->field];
    bool weekday = in->field == WEEKDAY_FIELD;
    int end = weekday ? 6 : field->most;
    int from = field->least, to = end, step = 1;
    bool single = false;
    if (!take_char(in, '*')) {
        if (!take_value(in, &from)) {
            return refuse(in, "is neither a number nor a name of this field");
        }
        if (in->field == DAY_FIELD && (*in->at == '>' || *in->at == '<')) {
            return read_roll(in, from);
        }
        if (weekday && take_char(in, '#')) {
            return read_nth(in, from);
        }
        single = !take_char(in, '-');
        to = from;
        if (!single && !take_value(in, &to)) {
            return refuse(in, "is a range without an end");
        }
        if (!single && weekday && to == 0) {
            to = 7; /* FRI-SUN */
        }
        if (from < field->least || from > field->most || to < field->least || to > field->most) {
            return refuse(in, "is out of range");
        }
        if (from > to) {
            return refuse(in, "is a range that ends before it starts");
        }
    }
    if (take_char(in, '/')) {
        if (!take_number(in, &step) || step < 1 || step > field->most) {
            return refuse(in, "has a step that is zero, missing or larger than the field");
        }
        to = single ? end : to;
    }
    if (!ended(in)) {
        return refuse(in, "has something behind the value that cron does not know");
    }
    for (int value = from; value <= to; value += step) {
        *bits |= UINT64_C(1) << (weekday && value == 7 ? 0 : value);
    }
    return RV_OK;
}

static enum rv_code read_item(struct reader *in, uint64_t *bits)
{
    if (ended(in)) {
        return refuse(in, "is an empty element of a list");
    }
    if (in->field == DAY_FIELD && take_char(in, 'L')) {
        return read_last(in);
    }
    if (in->field == DAY_FIELD && take_char(in, 'B')) {
        return read_business(in);
    }
    return read_range(in, bits);
}

static enum rv_code read_field(struct reader *in, uint64_t *bits)
{
    enum rv_code code = RV_OK;
    bool more = true;
    while (code == RV_OK && more) {
        in->item = in->at;
        code = read_item(in, bits);
        more = code == RV_OK && take_char(in, ',');
    }
    return code;
}

enum rv_code rv_cron_parse(const char *text, struct rv_cron *out, struct rv_error *err)
{
    const char *starts[FIELDS_MAX];
    int count = 0;
    if (strlen(text) >= RV_CRON_TEXT_MAX) {
        return refuse_shape(text, "is longer than 255 characters", err);
    }
    for (const char *at = text + strspn(text, " \t"); *at != '\0'; at += strspn(at, " \t")) {
        if (count == FIELDS_MAX) {
            return refuse_shape(text, "has more than six fields", err);
        }
        starts[count++] = at;
        at += strcspn(at, " \t");
    }
    if (count < FIELDS_MAX - 1) {
        return refuse_shape(text, "has fewer than five fields", err);
    }
    int missing = FIELDS_MAX - count; /* 1 when there are no seconds */
    *out = (struct rv_cron){.second = (uint64_t)missing};
    uint64_t *const bits[] = {&out->second, &out->minute, &out->hour,
                              &out->day,    &out->month,  &out->weekday};
    out->elapsed = *starts[1 - missing] == '*' || *starts[2 - missing] == '*';
    out->day_free = *starts[DAY_FIELD - missing] == '*';
    out->weekday_free = *starts[WEEKDAY_FIELD - missing] == '*';
    enum rv_code code = RV_OK;
    for (int i = missing; i < FIELDS_MAX && code == RV_OK; i++) {
        struct reader in = {
            .text = text, .at = starts[i - missing], .field = i, .out = out, .err = err};
        code = read_field(&in, bits[i]);
    }
    return code;
}

enum rv_code rv_cron_never(const char *text, const struct rv_cron *cron, struct rv_error *err)
{
    static const int longest[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int most = 0;
    for (int month = 1; month <= 12; month++) {
        int days = longest[month - 1];
        most = (cron->month >> month & 1) != 0 && days > most ? days : most;
    }
    if (cron->day != 0 && cron->day >> (most + 1) << (most + 1) == cron->day) {
        rv_fail(
            err, RV_INVALID,
            "cron \"%.60s\" never fires: field day-of-month names day %d, and no month of field "
            "month has more than %d",
            text, __builtin_ctzll(cron->day), most);
        rv_hint(err,
                "Choose a day that exists in a month that is named; L is the last day of each.");
    } else {
        rv_fail(err, RV_INVALID, "cron \"%.60s\" does not fire within %d years", text,
                RV_CRON_YEARS);
        rv_hint(err,
                "Fields day-of-month, month and day-of-week must meet on days that are neither "
                "excepted nor, for B, holidays.");
    }
    return RV_INVALID;
}

/* ---- words ---- */

static const char *const gap_names[] = {"boundary", "shift", "skip"};
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
    rv_fail(err, RV_INVALID, "gap policy \"%.40s\" must be boundary, shift or skip", name);
    rv_hint(err,
            "boundary: at the jump; shift: as much later as the clock jumps; skip: not at all.");
    return RV_INVALID;
}

enum rv_code rv_cron_fold_from(const char *name, enum rv_cron_fold *out, struct rv_error *err)
{
    for (size_t i = 0; i < RV_COUNT(fold_names); i++) {
        if (strcmp(name, fold_names[i]) == 0) {
            *out = (enum rv_cron_fold)i;
            return RV_OK;
        }
    }
    rv_fail(err, RV_INVALID, "fold policy \"%.40s\" must be first, last or both", name);
    rv_hint(err, "It says which of two equal wall times fires when clocks are set back.");
    return RV_INVALID;
}
