/* decimal.h -- exact decimal numbers as scaled integers: quantities, unit prices, rates.
 *
 * A decimal is an int64_t counting millionths ("1.5" is 1500000): the same range and scale as
 * numeric(20,6) needs in practice, up to 9.2 million million.  Text is plain: optional minus,
 * digits, optionally a point and digits; no exponent, no plus, no thousands mark, no spaces, at
 * most 18 digits. Digits beyond the scale are accepted only when they are zero: nothing is ever
 * rounded silently. Pure functions, any thread.
 */
#ifndef REEVE_ERP_DOMAIN_DECIMAL_H
#define REEVE_ERP_DOMAIN_DECIMAL_H

#include "runtime/base/error.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    ERP_DECIMAL_SCALE = 6,       /* prices of 0.0001 and six-digit unit conversions are real */
    ERP_DECIMAL_DIGITS_MAX = 18, /* what fits an int64_t whatever the digits are */
    ERP_SCALED_TEXT = 24
};
#define ERP_DECIMAL_ONE INT64_C(1000000)

/* The parser under money and decimals: `text` as an integer count of 10^-scale.
 * RV_INVALID names `what` and the rule; RV_LIMIT when it has too many digits. */
RV_MUST enum rv_code erp_scaled_parse(const char *text, const char *what, int scale, int64_t *out,
                                      struct rv_error *err);
RV_MUST enum rv_code erp_decimal_read(const char *text, const char *what, int64_t *out,
                                      struct rv_error *err);
/* Shortest plain text: "100", "0.0001", "-1.5". */
void erp_decimal_format(int64_t decimal, char out[ERP_SCALED_TEXT]);
/* The same for any scale, always with `scale` digits after the point. */
void erp_scaled_format(int64_t value, int scale, char out[ERP_SCALED_TEXT]);

enum erp_rounding {
    ERP_ROUND_HALF_UP, /* away from zero at exactly one half: what invoices do */
    ERP_ROUND_HALF_EVEN
};
/* value x numerator / denominator, rounded once; false when it does not fit.  denominator > 0. */
RV_MUST bool erp_mul_div(int64_t value, int64_t numerator, int64_t denominator,
                         enum erp_rounding rounding, int64_t *out);

#endif
