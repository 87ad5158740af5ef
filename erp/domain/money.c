/* money.c -- see money.h.  The currency table is ISO 4217's list of active codes, grouped by the
 * digits of the minor unit. */
#include "erp/domain/money.h"

#include "runtime/base/check.h"

#include <stdio.h>
#include <string.h>

__extension__ typedef __int128 wide;

/* Codes of three letters and a space, so that a search hits whole codes only. */
static const struct {
    int exponent;
    const char *codes;
} currencies[] = {
    {2, "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD "
        "CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP "
        "GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK "
        "LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO "
        "NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS "
        "SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST "
        "XCD XCG YER ZAR ZMW ZWG BGN "},
    {0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF "},
    {3, "BHD IQD JOD KWD LYD OMR TND "},
    {4, "CLF UYW "},
};

int erp_currency_digits(const char *code)
{
    if (code == NULL || strlen(code) != 3) {
        return -1;
    }
    for (int i = 0; i < 3; i++) {
        if (code[i] < 'A' || code[i] > 'Z') {
            return -1;
        }
    }
    const char wanted[] = {code[0], code[1], code[2], ' ', '\0'};
    for (size_t i = 0; i < RV_COUNT(currencies); i++) {
        if (strstr(currencies[i].codes, wanted) != NULL) {
            return currencies[i].exponent;
        }
    }
    return -1;
}

static enum rv_code unknown_currency(const char *currency, struct rv_error *err)
{
    rv_fail(err, RV_INVALID, "\"%.8s\" is not a currency one can post in",
            currency == NULL ? "" : currency);
    rv_hint(err, "Use an active ISO 4217 code of a country's money, for example EUR.");
    return RV_INVALID;
}

void erp_money_format(int64_t minor, const char *currency, char out[ERP_MONEY_TEXT])
{
    int exponent = erp_currency_digits(currency);
    erp_scaled_format(minor, exponent < 0 ? 2 : exponent, out);
    size_t length = strlen(out);
    snprintf(out + length, ERP_MONEY_TEXT - length, " %.3s", currency == NULL ? "" : currency);
}

enum rv_code erp_money_add(int64_t a, int64_t b, const char *what, int64_t *out,
                           struct rv_error *err)
{
    if (__builtin_add_overflow(a, b, out)) {
        return rv_fail(err, RV_LIMIT, "%s is larger than an amount can be", what);
    }
    return RV_OK;
}

enum rv_code erp_line_amount(int64_t qty, int64_t price, int64_t base_qty, const char *currency,
                             enum erp_rounding rounding, int64_t *minor, struct rv_error *err)
{
    RV_ASSERT(base_qty > 0);
    int exponent = erp_currency_digits(currency);
    if (exponent < 0) {
        return unknown_currency(currency, err);
    }
    /* qty[1e-6] x price[1e-6] / base[1e-6] is millionths of the major unit */
    int64_t divisor = ERP_DECIMAL_ONE;
    for (int i = 0; i < exponent; i++) {
        divisor /= 10;
    }
    wide denominator = (wide)base_qty * divisor;
    wide product = (wide)qty * price;
    bool negative = product < 0;
    wide magnitude = negative ? -product : product;
    wide quotient = magnitude / denominator;
    wide twice = (magnitude % denominator) * 2;
    if (twice > denominator ||
        (twice == denominator && (rounding == ERP_ROUND_HALF_UP || (quotient & 1) != 0))) {
        quotient++;
    }
    if (quotient > INT64_MAX) {
        return rv_fail(err, RV_LIMIT, "quantity x price is larger than an amount can be");
    }
    *minor = negative ? -(int64_t)quotient : (int64_t)quotient;
    return RV_OK;
}
