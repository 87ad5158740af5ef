/* camt_internal.h -- what camt.c (the tree of the format) and camt_line.c (lines, fingerprints,
 * balances) share.  No one else includes it. */
#ifndef REEVE_ERP_EXCHANGE_CAMT_INTERNAL_H
#define REEVE_ERP_EXCHANGE_CAMT_INTERNAL_H

#include "erp/exchange/camt.h"
#include "runtime/base/buf.h"

enum {
    CAMT_TEXT = 640,       /* a name or reference: 140 characters by the schema, 4 bytes each */
    CAMT_ENTRY_SINGLE = 0, /* decisions of pass 1, one byte an entry */
    CAMT_ENTRY_SPLIT_OWN,  /* batch, transactions carry their own signs */
    CAMT_ENTRY_SPLIT,      /* batch, all transactions have the entry's sign */
    CAMT_ENTRY_SKIPPED,
};

struct camt_amount {
    bool given;
    int64_t minor;
    char currency[4];
};

/* The same words are said by an entry and by its transactions. */
struct camt_words {
    char bank_ref[CAMT_TEXT];
    char end_to_end[CAMT_TEXT];
    char name[2][CAMT_TEXT]; /* debtor, creditor */
    char iban[2][40];
    char code[120]; /* PMNT-RCDT-ESCT, or the bank's own */
    char own_code[80];
    char returned[80];
    struct rv_buf memo;
    struct rv_buf note; /* AddtlTxInf, AddtlNtryInf: when there is no memo */
    struct camt_amount amount;
    int sign; /* 0 unknown */
};

struct camt_entry {
    struct camt_words words;
    char reference[CAMT_TEXT];
    char booked[11];
    char valued[11];
    bool reversal;
    bool booked_status;
    int64_t transactions;
    bool transactions_have_amounts;
    int64_t sum_own;
    int64_t sum_plain;
    struct camt_words first; /* of its first transaction; held until the entry ends */
    int line;
};

/* Counts equal fingerprints: 64 bits of each, open addressing. */
struct camt_counter {
    uint64_t *keys;
    uint32_t *counts;
    size_t capacity;
    size_t used;
    char scope[160];
};
void camt_counter_fini(struct camt_counter *counter);
void camt_counter_scope(struct camt_counter *counter, const char *statement_id);

void camt_words_init(struct camt_words *words);
void camt_words_reset(struct camt_words *words);
void camt_words_fini(struct camt_words *words);

struct camt_currency_sum {
    char currency[4];
    int64_t minor;
    int64_t count;
};

/* Closes a statement of pass 1: currency, sums, balance, reason. */
enum rv_code camt_statement_settle(struct erp_camt_statement *statement,
                                   const struct camt_currency_sum *sums, int sum_count,
                                   const char *file, struct rv_error *err);

/* One bank line, new reference.  `words` of the transaction or NULL; `minor` signed. */
json_t *camt_line_json(const struct erp_camt_statement *statement, const struct camt_entry *entry,
                       const struct camt_words *words, int64_t minor, int64_t number,
                       struct camt_counter *counter);

#endif
