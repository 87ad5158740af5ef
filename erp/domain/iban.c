/* iban.c -- see iban.h.  Lengths are those of the SWIFT IBAN registry. */
#include "erp/domain/iban.h"

#include "runtime/base/check.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* country and total length, e.g. "DE22" */
static const char lengths[] = "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 "
                              "CR22 CY28 CZ24 DE22 DJ27 DK18 "
                              "DO28 EE20 EG29 ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 "
                              "GT28 HN28 HR21 HU28 IE22 IL23 "
                              "IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 "
                              "MC27 MD24 ME22 MK19 MN20 MR27 "
                              "MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24 RS22 "
                              "RU33 SA24 SC31 SD18 SE24 SI19 "
                              "SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30 ";

static int length_of(const char country[2])
{
    for (const char *at = lengths; *at != '\0'; at += 5) {
        if (at[0] == country[0] && at[1] == country[1]) {
            return (at[2] - '0') * 10 + (at[3] - '0');
        }
    }
    return 0;
}

static bool check_digits_right(const char *iban, int length)
{
    int remainder = 0;
    for (int i = 0; i < length; i++) {
        char c = iban[(i + 4) % length];
        int value = c >= 'A' ? c - 'A' + 10 : c - '0';
        remainder = (remainder * (value > 9 ? 100 : 10) + value) % 97;
    }
    return remainder == 1;
}

bool erp_iban_normalise(const char *text, char out[ERP_IBAN_TEXT])
{
    int length = 0;
    bool good = text != NULL;
    for (; good && *text != '\0'; text++) {
        if (*text == ' ') {
            continue;
        }
        char c = (char)(*text >= 'a' && *text <= 'z' ? *text - 'a' + 'A' : *text);
        good = length < ERP_IBAN_TEXT - 1 && ((c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'));
        if (good) {
            out[length++] = c;
        }
    }
    good = good && length > 4 && length_of(out) == length && out[2] <= '9' && out[3] <= '9' &&
           check_digits_right(out, length);
    out[good ? length : 0] = '\0';
    return good;
}
