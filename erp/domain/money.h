/* money.h -- amounts: signed 64-bit integers in minor units of an ISO 4217 currency.
 *
 * No amount is ever a float or a bare decimal.  Adding checks for overflow, rounding is named, text
 * is parsed strictly: trailing zeros beyond the minor unit are fine (8.850 EUR is 8.85), other
 * digits are refused.  Pure functions, any thread.
 */
#ifndef REEVE_ERP_DOMAIN_MONEY_H
#define REEVE_ERP_DOMAIN_MONEY_H

#include "erp/domain/decimal.h"

enum { ERP_CURRENCY_TEXT = 4, ERP_MONEY_TEXT = ERP_SCALED_TEXT + ERP_CURRENCY_TEXT };

/* Digits of the minor unit (JPY 0, EUR 2, KWD 3, CLF 4); -1 when `code` is no currency one can post
 * in: unknown, withdrawn, a metal, a test code. */
int erp_currency_digits(const char *code);

/* 10750, "GBP" -> "107.50 GBP"; an unknown currency is shown with two digits. */
void erp_money_format(int64_t minor, const char *currency, char out[ERP_MONEY_TEXT]);

/* RV_LIMIT naming `what` when the sum does not fit. */
RV_MUST enum rv_code erp_money_add(int64_t a, int64_t b, const char *what, int64_t *out,
                                   struct rv_error *err);
/* quantity x price / base quantity in minor units, rounded once; RV_LIMIT when it does not fit,
 * RV_INVALID for an unknown currency.  Quantities are decimals (decimal.h), base_qty > 0. */
RV_MUST enum rv_code erp_line_amount(int64_t qty, int64_t price, int64_t base_qty,
                                     const char *currency, enum erp_rounding rounding,
                                     int64_t *minor, struct rv_error *err);

#endif
