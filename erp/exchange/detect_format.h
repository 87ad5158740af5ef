/* detect_format.h -- what kind of business file begins like this?
 *
 * Looks at the first bytes only (ERP_FORMAT_SNIFF are enough), so it can be wrong about the rest;
 * the reader of the format decides.  Never fails: unknown is an answer, with a reason.
 */
#ifndef REEVE_ERP_EXCHANGE_DETECT_FORMAT_H
#define REEVE_ERP_EXCHANGE_DETECT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>

enum { ERP_FORMAT_SNIFF = 64 << 10 };

/* X(FORMAT, word, what to do when it cannot be imported, or NULL) */
#define ERP_FORMATS(X)                                                                             \
    X(UNKNOWN, "unknown", "the file is none of the formats that reeve reads: UBL 2, camt.053")     \
    X(UBL, "ubl", NULL)                                                                            \
    X(CAMT_053, "camt.053", NULL)                                                                  \
    X(CAMT_052, "camt.052",                                                                        \
      "an intraday report is not final; import the camt.053 statement of the same day")            \
    X(CAMT_054, "camt.054",                                                                        \
      "a notification repeats entries of the statement; import the camt.053 that contains them")   \
    X(PAIN, "pain", "a payment order or its status is not read; import the bank statement")        \
    X(CII, "cii", "UN/CEFACT CII is not read; ask the sender for the same invoice as UBL 2.1")     \
    X(MT940, "mt940", "MT940 is not read; ask the bank for camt.053")                              \
    X(BAI2, "bai2", "BAI2 is not read; ask the bank for camt.053")                                 \
    X(ACH, "nacha", "NACHA is not read; ask the bank for camt.053")                                \
    X(X12, "x12", "X12 is not read; ask the sender for UBL 2.1")                                   \
    X(EDIFACT, "edifact", "EDIFACT is not read; ask the sender for UBL 2.1")                       \
    X(PDF, "pdf", "a PDF is a picture of a document; ask the sender for the UBL file")             \
    X(ZIP, "zip", "unpack the archive and import the files in it")

enum erp_format {
#define X(format, word, remedy) ERP_FORMAT_##format,
    ERP_FORMATS(X)
#undef X
};

enum erp_format erp_format_detect(const void *bytes, size_t length);
const char *erp_format_name(enum erp_format format);
/* What to do instead, NULL when the format is imported. */
const char *erp_format_remedy(enum erp_format format);

#endif
