/* decimal.h -- numbers as documents write them: exact, small, never floating point.
 *
 * A decimal is digits / 10^scale.  Text is optional sign, digits, optional point and digits: no
 * exponent, no thousands mark, no white space inside, at most 18 significant digits.
 */
#ifndef REEVE_ERP_EXCHANGE_DECIMAL_H
#define REEVE_ERP_EXCHANGE_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ERP_DECIMAL_DIGITS_MAX = 18, ERP_DECIMAL_TEXT = 24 };

struct erp_decimal {
    int64_t digits;
    int scale; /* 0 .. 18, trailing zeros removed */
};

/* NULL, or what is wrong with the text in words ("has an exponent"). */
const char *erp_decimal_parse(const char *text, size_t length, struct erp_decimal *out);
/* The decimal in units of 10^-exponent; false when that is not a whole number or too large. */
bool erp_decimal_minor(struct erp_decimal value, int exponent, int64_t *out);
/* Decimals of the currency's minor unit (ISO 4217); -1 when unknown or not a posting currency. */
int erp_currency_exponent(const char *code);
/* "-1234.50" from minor units; returns out. */
char *erp_minor_text(int64_t minor, int exponent, char out[ERP_DECIMAL_TEXT]);

#endif
