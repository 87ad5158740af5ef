/* number.c -- decimal numbers compared digit by digit, as text, never as floating point. */
#include "kernels/serve/number.h"

#include "kernels/base/fail.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- made ---- */

static void tidy(struct number *number)
{
    uint32_t zeros = 0;
    while (zeros < number->whole && number->digits[zeros] == '0') {
        zeros++;
    }
    uint32_t all = number->whole + number->fraction;
    memmove(number->digits, number->digits + zeros, all - zeros);
    number->whole -= zeros;
    while (number->fraction > 0 && number->digits[number->whole + number->fraction - 1] == '0') {
        number->fraction--;
    }
    if (number->whole + number->fraction == 0) {
        number->negative = false;
    }
}

struct number number_of_integer(int64_t value)
{
    struct number number = {.negative = value < 0};
    char text[24];
    int length =
        snprintf(text, sizeof text, "%" PRIu64, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
    memcpy(number.digits, text, (size_t)length);
    number.whole = (uint32_t)length;
    tidy(&number);
    return number;
}

struct number number_of_real(double value)
{
    struct number number = {.negative = value < 0};
    double size = fabs(value); /* a negative zero is 0 */
    char text[40];
    for (int precision = 0; precision < 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, size);
        if (strtod(text, NULL) == size) {
            break;
        }
    }
    /* d.ddde+xx: the digits, and where the point goes */
    char digits[20];
    int count = 0;
    const char *at = text;
    for (; *at != 'e' && *at != '\0'; at++) {
        if (*at != '.' && count < (int)sizeof digits) {
            digits[count++] = *at;
        }
    }
    long exponent = *at == 'e' ? strtol(at + 1, NULL, 10) : 0;
    long whole = exponent + 1;
    long zeros = whole < 0 ? -whole : 0; /* after the point, in front */
    if (zeros + count > NUMBER_DIGITS_MAX || whole > NUMBER_DIGITS_MAX) {
        zeros = NUMBER_DIGITS_MAX - count;
    }
    char *out = number.digits;
    if (whole <= 0) {
        memset(out, '0', (size_t)zeros);
        memcpy(out + zeros, digits, (size_t)count);
        number.fraction = (uint32_t)(zeros + count);
    } else {
        memcpy(out, digits, (size_t)count);
        if (whole > count) {
            memset(out + count, '0', (size_t)(whole - count));
        }
        number.whole = (uint32_t)whole;
        number.fraction = whole < count ? (uint32_t)(count - whole) : 0;
    }
    tidy(&number);
    return number;
}

static int compare_size(const struct number *a, const struct number *b)
{
    if (a->whole != b->whole) {
        return a->whole < b->whole ? -1 : 1;
    }
    uint32_t la = a->whole + a->fraction;
    uint32_t lb = b->whole + b->fraction;
    int order = memcmp(a->digits, b->digits, la < lb ? la : lb);
    return order != 0 ? order : (la > lb) - (la < lb);
}

int number_compare(const struct number *a, const struct number *b)
{
    if (a->negative != b->negative) {
        return a->negative ? -1 : 1;
    }
    int order = compare_size(a, b);
    return a->negative ? -order : order;
}

bool number_is_whole(const struct number *number)
{
    return number->fraction == 0;
}

size_t number_write(const struct number *number, char *out, size_t room)
{
    int length = snprintf(out, room, "%s%.*s%s%.*s", number->negative ? "-" : "",
                          number->whole > 0 ? (int)number->whole : 1,
                          number->whole > 0 ? number->digits : "0", number->fraction > 0 ? "." : "",
                          (int)number->fraction, number->digits + number->whole);
    return length < 0 ? 0 : (size_t)length < room ? (size_t)length : room - 1;
}

/* ---- rules ---- */

void number_at_least(struct number_rule *rule, const struct number *low, bool open)
{
    int order = rule->has_low ? number_compare(low, &rule->low) : 1;
    if (order > 0) {
        rule->low = *low;
        rule->low_open = open;
    } else if (order == 0) {
        rule->low_open = rule->low_open || open;
    }
    rule->has_low = true;
}

void number_at_most(struct number_rule *rule, const struct number *high, bool open)
{
    int order = rule->has_high ? number_compare(high, &rule->high) : -1;
    if (order < 0) {
        rule->high = *high;
        rule->high_open = open;
    } else if (order == 0) {
        rule->high_open = rule->high_open || open;
    }
    rule->has_high = true;
}

enum { STEP_MAX = 100000, STEP_DIGITS_MAX = 12 };

static uint64_t divisor_of_both(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

bool number_multiple(struct number_rule *rule, const struct number *step)
{
    if (step->negative || step->whole + step->fraction == 0 || step->fraction > STEP_DIGITS_MAX ||
        step->whole > 12) {
        return false;
    }
    uint64_t value = 0;
    for (uint32_t i = 0; i < step->whole + step->fraction; i++) {
        if (value > UINT64_C(100000000000000000)) {
            return false;
        }
        value = value * 10 + (uint64_t)(step->digits[i] - '0');
    }
    uint32_t digits = step->fraction;
    if (rule->step != 0) { /* the least common multiple, at the finer of both scales */
        for (; digits < rule->step_digits; digits++) {
            if (__builtin_mul_overflow(value, UINT64_C(10), &value)) {
                return false;
            }
        }
        for (; rule->step_digits < digits; rule->step_digits++) {
            if (__builtin_mul_overflow(rule->step, UINT64_C(10), &rule->step)) {
                return false;
            }
        }
        uint64_t both = divisor_of_both(value, rule->step);
        if (__builtin_mul_overflow(value / both, rule->step, &value)) {
            return false;
        }
    }
    while (digits > 0 && value % 10 == 0) {
        value /= 10;
        digits--;
    }
    rule->step = value;
    rule->step_digits = digits;
    return value <= STEP_MAX;
}

bool number_empty(const struct number_rule *rule)
{
    if (!rule->has_low || !rule->has_high) {
        return false;
    }
    int order = number_compare(&rule->low, &rule->high);
    return order > 0 || (order == 0 && (rule->low_open || rule->high_open));
}

bool number_written(const struct number_rule *rule)
{
    if (!rule->has_low || !rule->has_high) {
        return false;
    }
    struct number least = number_of_integer(INT64_MIN);
    struct number most = number_of_integer(INT64_MAX);
    bool inside =
        number_compare(&rule->low, &least) >= 0 && number_compare(&rule->high, &most) <= 0;
    uint32_t digits = rule->low.whole > rule->high.whole ? rule->low.whole : rule->high.whole;
    bool exact = rule->step_digits == 0 || digits + rule->step_digits <= NUMBER_EXACT_DIGITS;
    return inside && exact && (rule->whole || rule->step != 0);
}

static bool is_multiple(const struct number_rule *rule, const struct number *number)
{
    if (number->fraction > rule->step_digits) {
        return false;
    }
    uint64_t rest = 0;
    for (uint32_t i = 0; i < number->whole + rule->step_digits; i++) {
        uint64_t digit =
            i < number->whole + number->fraction ? (uint64_t)(number->digits[i] - '0') : 0;
        rest = (rest * 10 + digit) % rule->step;
    }
    return rest == 0;
}

bool number_fits(const struct number_rule *rule, const struct number *number)
{
    int low = rule->has_low ? number_compare(number, &rule->low) : 1;
    int high = rule->has_high ? number_compare(number, &rule->high) : -1;
    return low >= 0 && high <= 0 && !(low == 0 && rule->low_open) &&
           !(high == 0 && rule->high_open) && (!rule->whole || number_is_whole(number)) &&
           (rule->step == 0 || is_multiple(rule, number));
}
