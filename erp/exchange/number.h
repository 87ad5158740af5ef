/* number.h -- numbers as XML documents write them, for the books' own parser.
 *
 * XML Schema's decimal allows what erp/domain/decimal.h does not: a plus sign, ".5", "5." and any
 * number of zeros.  Here that spelling is straightened and the exact value kept with its own scale,
 * so that the caller can tell "no number" from "too fine for this currency".  The digits themselves
 * are read by erp_scaled_parse.
 */
#ifndef REEVE_ERP_EXCHANGE_NUMBER_H
#define REEVE_ERP_EXCHANGE_NUMBER_H

#include "erp/domain/money.h"

#include <stddef.h>

/* digits / 10^scale, without trailing zeros in the fraction. */
struct erp_number {
    int64_t digits;
    int scale; /* 0 .. 18 */
};

/* RV_INVALID or RV_LIMIT naming `what` and the text; `err` may be NULL. */
RV_MUST enum rv_code erp_number_parse(const char *text, size_t length, const char *what,
                                      struct erp_number *out, struct rv_error *err);
/* The number in units of 10^-exponent; false when that is not whole or does not fit 64 bits. */
bool erp_number_minor(struct erp_number value, int exponent, int64_t *out);

#endif
