/* iban.h -- is this text an IBAN (ISO 13616): country, length 15..34, check digits modulo 97. */
#ifndef REEVE_ERP_EXCHANGE_IBAN_H
#define REEVE_ERP_EXCHANGE_IBAN_H

#include <stdbool.h>
#include <stddef.h>

enum { ERP_IBAN_TEXT = 35 };

/* Removes spaces and makes letters upper case; false (out untouched) when it is no IBAN. */
static inline bool erp_iban_normal(const char *text, char out[ERP_IBAN_TEXT])
{
    char copy[ERP_IBAN_TEXT];
    size_t n = 0;
    for (; *text != '\0'; text++) {
        char c = *text >= 'a' && *text <= 'z' ? (char)(*text - 'a' + 'A') : *text;
        if (c == ' ') {
            continue;
        }
        bool letter = c >= 'A' && c <= 'Z';
        bool digit = c >= '0' && c <= '9';
        if (n == ERP_IBAN_TEXT - 1 || (n < 2 && !letter) || (n >= 2 && n < 4 && !digit) ||
            (!letter && !digit)) {
            return false;
        }
        copy[n++] = c;
    }
    if (n < 15) {
        return false;
    }
    copy[n] = '\0';
    int rest = 0;
    for (size_t i = 0; i < n; i++) {
        char c = copy[(i + 4) % n];
        rest = c >= 'A' ? (rest * 100 + (c - 'A' + 10)) % 97 : (rest * 10 + (c - '0')) % 97;
    }
    if (rest != 1) {
        return false;
    }
    for (size_t i = 0; i <= n; i++) {
        out[i] = copy[i];
    }
    return true;
}

#endif
