/* camt.h -- ISO 20022 camt.053 bank statements, all versions (…:camt.053.001.NN), streamed.
 *
 * Two passes over one source.  Pass 1 (erp_camt_check) reads the whole file, refuses it or knows
 * everything about it: each statement's header, its line count, its sum and whether opening balance
 * plus booked entries is the closing balance.  Pass 2 (erp_camt_emit) hands on headers and lines in
 * chunks of at most ERP_CAMT_CHUNK.  So nothing of a bad file is handed on, and memory is one byte
 * an entry plus some twenty a line (equal lines are counted), whatever the file's size.
 *
 * What becomes a line: every booked entry (Sts BOOK).  Pending and informational entries are no
 * part of a booked balance; they are counted and left out.  An entry with several transactions
 * (a batch) becomes one line each when their amounts are given in the entry's currency and sum to
 * the entry, exactly; otherwise it stays one line (counted in `unsplit_batches`).
 *
 * Balances: opening is OPBD, else PRCD, else the first ITBD; closing is CLBD, else the last ITBD.
 * A statement that does not balance, has another currency among its entries, or lacks a balance is
 * handed on with balanced false and a reason; it is for quarantine, not for refusal.
 *
 * Fingerprint of a line: SHA-256 of account, booked, valued, amount, currency, bank reference (or
 * end-to-end id), counterparty and memo (upper case, single spaces), joined by 0x1F after the
 * version word; `occurrence` counts equal fingerprints of one statement from 1.  So a second import
 * finds every line again, and two real lines that look alike both stay.
 *
 * Errors: RV_INVALID naming line and field, RV_LIMIT, RV_CONFLICT when the bytes of pass 2 are not
 * those of pass 1, and those of xml.h.  Thread: any worker thread, one at a time per source.
 */
#ifndef REEVE_ERP_EXCHANGE_CAMT_H
#define REEVE_ERP_EXCHANGE_CAMT_H

#include "erp/exchange/xml.h"
#include "runtime/base/json.h"

enum {
    ERP_CAMT_CHUNK = 1000,           /* lines of one bank_statement.lines command */
    ERP_CAMT_STATEMENTS_MAX = 10000, /* a bank sends a few hundred accounts in one file */
    ERP_CAMT_ENTRIES_MAX = 5000000,  /* of one file; 2 GiB hold about as many */
    ERP_CAMT_CURRENCIES_MAX = 8,     /* in the entries of one statement */
    ERP_CAMT_MEMO_MAX = 4000,        /* longer remittance text is cut, marked by an ellipsis */
};

struct erp_camt_balance {
    bool given;
    bool interim; /* an ITBD that stands in until the real one comes */
    int64_t minor;
    char currency[4];
    char date[11];
};

struct erp_camt_statement {
    char id[160]; /* "/pN" is added to page N > 1 of a paginated statement */
    char iban[40];
    char account[80]; /* Othr/Id, when there is no IBAN */
    char currency[4];
    char from[11];
    char to[11];
    int64_t sequence; /* -1 when not given */
    struct erp_camt_balance opening;
    struct erp_camt_balance closing;
    int64_t first_entry; /* index of its first entry in the file */
    int64_t line_count;
    int64_t sum_minor; /* of the lines in the statement's currency */
    int64_t skipped;   /* entries not booked */
    int64_t unsplit_batches;
    bool balanced;
    bool comparable; /* both balances and one currency, so that a difference exists */
    int64_t difference_minor;
    char reason[200]; /* why it is not balanced, or "" */
};

struct erp_camt; /* what pass 1 knows */

/* `out` is owned by the caller; NULL on failure. */
RV_MUST enum rv_code erp_camt_check(struct erp_source *source, struct erp_camt **out,
                                    struct rv_error *err);
void erp_camt_free(struct erp_camt *camt); /* NULL is fine */
int erp_camt_statement_count(const struct erp_camt *camt);
const struct erp_camt_statement *erp_camt_statement(const struct erp_camt *camt, int index);
const char *erp_camt_sha256(const struct erp_camt *camt);
/* The contract's bank statement header, new reference. */
json_t *erp_camt_header(const struct erp_camt *camt, int index);

struct erp_camt_sink {
    enum rv_code (*begin)(void *self, int statement, struct rv_error *err);
    /* `lines`: a new array of 1 .. ERP_CAMT_CHUNK bank lines, the receiver's. */
    enum rv_code (*lines)(void *self, int statement, json_t *lines, struct rv_error *err);
    enum rv_code (*end)(void *self, int statement, struct rv_error *err);
    void *self;
};

/* Rewinds `source`, which must be the one that was checked. */
RV_MUST enum rv_code erp_camt_emit(struct erp_camt *camt, struct erp_source *source,
                                   const struct erp_camt_sink *sink, struct rv_error *err);

#endif
