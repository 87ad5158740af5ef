/* decimal.c -- see decimal.h.  The intermediate product is 128 bits wide, so that rounding happens
 * once and at the end. */
#include "erp/domain/decimal.h"

#include "runtime/base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

__extension__ typedef __int128 wide;

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static enum rv_code not_decimal(const char *text, const char *what, struct rv_error *err)
{
    rv_fail(err, RV_INVALID, "%s \"%.40s\" is not a plain decimal number", what, text);
    rv_hint(err, "Write digits with a point, for example 1234.50: no exponent, no thousands mark.");
    return RV_INVALID;
}

enum rv_code erp_scaled_parse(const char *text, const char *what, int scale, int64_t *out,
                              struct rv_error *err)
{
    RV_ASSERT(scale >= 0 && scale <= ERP_DECIMAL_DIGITS_MAX);
    const char *at = text;
    bool negative = *at == '-';
    at += negative ? 1 : 0;
    if (!is_digit(*at)) {
        return not_decimal(text, what, err);
    }
    int64_t value = 0;
    int digits = 0;
    int fraction = -1; /* digits after the point; -1 before it */
    for (; *at != '\0'; at++) {
        if (*at == '.' && fraction < 0 && is_digit(at[1])) {
            fraction = 0;
            continue;
        }
        if (!is_digit(*at)) {
            return not_decimal(text, what, err);
        }
        if (fraction >= scale) { /* beyond the scale: only zeros */
            if (*at != '0') {
                rv_fail(err, RV_INVALID, "%s \"%.40s\" has more than %d decimal digits", what, text,
                        scale);
                rv_hint(err, "Nothing is rounded silently: give at most %d digits after the point.",
                        scale);
                return RV_INVALID;
            }
            continue;
        }
        if (value != 0 || *at != '0') {
            digits++;
        }
        if (digits > ERP_DECIMAL_DIGITS_MAX) {
            break;
        }
        value = value * 10 + (*at - '0');
        fraction += fraction >= 0 ? 1 : 0;
    }
    for (int i = fraction < 0 ? 0 : fraction; i < scale && digits <= ERP_DECIMAL_DIGITS_MAX; i++) {
        digits += value != 0 ? 1 : 0;
        value = digits > ERP_DECIMAL_DIGITS_MAX ? value : value * 10;
    }
    if (digits > ERP_DECIMAL_DIGITS_MAX) {
        rv_fail(err, RV_LIMIT, "%s \"%.40s\" has more than %d digits", what, text,
                ERP_DECIMAL_DIGITS_MAX);
        return RV_LIMIT;
    }
    *out = negative ? -value : value;
    return RV_OK;
}

enum rv_code erp_decimal_read(const char *text, const char *what, int64_t *out,
                              struct rv_error *err)
{
    return erp_scaled_parse(text, what, ERP_DECIMAL_SCALE, out, err);
}

void erp_scaled_format(int64_t value, int scale, char out[ERP_SCALED_TEXT])
{
    uint64_t magnitude = value < 0 ? -(uint64_t)value : (uint64_t)value;
    uint64_t unit = 1;
    for (int i = 0; i < scale; i++) {
        unit *= 10;
    }
    const char *sign = value < 0 ? "-" : "";
    if (scale == 0) {
        snprintf(out, ERP_SCALED_TEXT, "%s%" PRIu64, sign, magnitude);
    } else {
        snprintf(out, ERP_SCALED_TEXT, "%s%" PRIu64 ".%0*" PRIu64, sign, magnitude / unit, scale,
                 magnitude % unit);
    }
}

void erp_decimal_format(int64_t decimal, char out[ERP_SCALED_TEXT])
{
    erp_scaled_format(decimal, ERP_DECIMAL_SCALE, out);
    size_t length = strlen(out);
    while (out[length - 1] == '0') {
        length--;
    }
    length -= out[length - 1] == '.' ? 1 : 0;
    out[length] = '\0';
}

bool erp_mul_div(int64_t value, int64_t numerator, int64_t denominator, enum erp_rounding rounding,
                 int64_t *out)
{
    RV_ASSERT(denominator > 0);
    wide product = (wide)value * numerator;
    bool negative = product < 0;
    wide magnitude = negative ? -product : product;
    wide quotient = magnitude / denominator;
    wide twice = (magnitude % denominator) * 2;
    if (twice > denominator ||
        (twice == denominator && (rounding == ERP_ROUND_HALF_UP || (quotient & 1) != 0))) {
        quotient++;
    }
    quotient = negative ? -quotient : quotient;
    if (quotient > INT64_MAX || quotient < INT64_MIN) {
        return false;
    }
    *out = (int64_t)quotient;
    return true;
}
