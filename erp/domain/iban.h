/* iban.h -- ISO 13616 account numbers: length by country, check digits by ISO 7064 mod 97-10.
 * Pure functions, any thread. */
#ifndef REEVE_ERP_DOMAIN_IBAN_H
#define REEVE_ERP_DOMAIN_IBAN_H

#include <stdbool.h>

enum { ERP_IBAN_TEXT = 35 };

/* Electronic form (upper case, no spaces) of `text` into `out`; false, with `out` empty, when it is
 * no IBAN: unknown country, wrong length, wrong check digits. */
bool erp_iban_normalise(const char *text, char out[ERP_IBAN_TEXT]);

#endif
