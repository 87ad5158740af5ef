/* number.c -- see number.h. */
#include "erp/exchange/number.h"

#include "runtime/base/check.h"

#include <string.h>

enum { NUMBER_TEXT = 64 }; /* sign, 18 digits, point, 18 decimals; leading zeros are dropped */

enum rv_code erp_number_parse(const char *text, size_t length, const char *what,
                              struct erp_number *out, struct rv_error *err)
{
    char copy[NUMBER_TEXT];
    size_t n = 0;
    size_t i = 0;
    if (i < length && (text[i] == '-' || text[i] == '+')) {
        if (text[i] == '-') {
            copy[n++] = '-';
        }
        i++;
    }
    while (i + 1 < length && text[i] == '0' && text[i + 1] >= '0' && text[i + 1] <= '9') {
        i++;
    }
    bool bare = i + 1 < length && text[i] == '.';
    if (bare) {
        copy[n++] = '0';
    }
    const char *point = memchr(text, '.', length);
    size_t end = length;
    if (point != NULL && strspn(point + 1, "0123456789") >= (size_t)(text + length - point - 1)) {
        while (end > 0 && text[end - 1] == '0') {
            end--;
        }
        end -= (end > i + 1 || bare) && text[end - 1] == '.';
    }
    if (end < i || end - i > sizeof copy - n - 1) {
        return rv_fail(err, RV_LIMIT, "%s \"%.*s\" has more than %d digits", what,
                       (int)(length < 40 ? length : 40), text, ERP_DECIMAL_DIGITS_MAX);
    }
    memcpy(copy + n, text + i, end - i);
    copy[n + end - i] = '\0';
    point = strchr(copy, '.');
    int scale = point != NULL ? (int)strlen(point + 1) : 0;
    if (scale > ERP_DECIMAL_DIGITS_MAX) {
        return rv_fail(err, RV_LIMIT, "%s \"%.*s\" has more than %d decimals", what,
                       (int)(length < 40 ? length : 40), text, ERP_DECIMAL_DIGITS_MAX);
    }
    out->scale = scale;
    return erp_scaled_parse(copy, what, scale, &out->digits, err);
}

bool erp_number_minor(struct erp_number value, int exponent, int64_t *out)
{
    int64_t minor = value.digits;
    if (value.scale > exponent) {
        return false;
    }
    for (int i = value.scale; i < exponent; i++) {
        if (__builtin_mul_overflow(minor, 10, &minor)) {
            return false;
        }
    }
    *out = minor;
    return true;
}
