/* decimal.c -- see decimal.h. */
#include "erp/exchange/decimal.h"

#include "runtime/base/check.h"

#include <stdio.h>
#include <string.h>

const char *erp_decimal_parse(const char *text, size_t length, struct erp_decimal *out)
{
    size_t i = 0;
    bool negative = false;
    if (i < length && (text[i] == '-' || text[i] == '+')) {
        negative = text[i++] == '-';
    }
    int64_t digits = 0;
    int significant = 0;
    int scale = -1;
    bool any = false;
    int zeros = 0; /* trailing zeros after the point, not yet counted */
    for (; i < length; i++) {
        char c = text[i];
        if (c == '.' && scale < 0) {
            scale = 0;
            continue;
        }
        if (c == 'e' || c == 'E') {
            return "has an exponent";
        }
        if (c == ',' || c == '\'' || c == ' ' || c == '_' || c == '.') {
            return "has a thousands mark or a second point";
        }
        if (c < '0' || c > '9') {
            return "is not a decimal number";
        }
        any = true;
        if (scale >= 0 && c == '0') {
            zeros++;
            continue;
        }
        for (; zeros > 0; zeros--) {
            significant += digits != 0;
            if (significant > ERP_DECIMAL_DIGITS_MAX || ++scale > ERP_DECIMAL_DIGITS_MAX) {
                return "has more than 18 digits";
            }
            digits *= 10;
        }
        significant += digits != 0 || c != '0';
        if (significant > ERP_DECIMAL_DIGITS_MAX) {
            return "has more than 18 digits";
        }
        digits = digits * 10 + (c - '0');
        if (scale >= 0 && ++scale > ERP_DECIMAL_DIGITS_MAX) {
            return "has more than 18 digits";
        }
    }
    if (!any) {
        return "is empty or not a decimal number";
    }
    *out =
        (struct erp_decimal){.digits = negative ? -digits : digits, .scale = scale > 0 ? scale : 0};
    return NULL;
}

bool erp_decimal_minor(struct erp_decimal value, int exponent, int64_t *out)
{
    int64_t minor = value.digits;
    if (value.scale > exponent) {
        return false; /* trailing zeros are already gone */
    }
    for (int i = value.scale; i < exponent; i++) {
        if (__builtin_mul_overflow(minor, 10, &minor)) {
            return false;
        }
    }
    *out = minor;
    return true;
}

/* ISO 4217, current codes; the digit is the minor unit.  Funds, metals and test codes are left
 * out: nothing can be posted in them. */
static const char two[] =
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF "
    "CHE CHF CHW CNY COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD "
    "GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD "
    "MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP "
    "PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS "
    "TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG BGN HRK ANG ";
static const char zero[] = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF ";
static const char three[] = "BHD IQD JOD KWD LYD OMR TND ";
static const char four[] = "CLF UYW ";

static bool listed(const char *list, const char *code)
{
    for (; *list != '\0'; list += 4) {
        if (memcmp(list, code, 3) == 0) {
            return true;
        }
    }
    return false;
}

int erp_currency_exponent(const char *code)
{
    if (code == NULL || strlen(code) != 3) {
        return -1;
    }
    return listed(two, code)     ? 2
           : listed(zero, code)  ? 0
           : listed(three, code) ? 3
           : listed(four, code)  ? 4
                                 : -1;
}

char *erp_minor_text(int64_t minor, int exponent, char out[ERP_DECIMAL_TEXT])
{
    uint64_t magnitude = minor < 0 ? 0 - (uint64_t)minor : (uint64_t)minor;
    uint64_t unit = 1;
    for (int i = 0; i < exponent; i++) {
        unit *= 10;
    }
    if (exponent == 0) {
        snprintf(out, ERP_DECIMAL_TEXT, "%s%llu", minor < 0 ? "-" : "",
                 (unsigned long long)magnitude);
    } else {
        snprintf(out, ERP_DECIMAL_TEXT, "%s%llu.%0*llu", minor < 0 ? "-" : "",
                 (unsigned long long)(magnitude / unit), exponent,
                 (unsigned long long)(magnitude % unit));
    }
    return out;
}
