/* import.h -- the one entry: a business file becomes calls of ERP commands, or a clear refusal.
 *
 *   invoice, credit note      invoice.register | credit_note.register   (document JSON)
 *   order                     order.register
 *   despatch, receipt         receipt.register
 *   remittance                remittance.register
 *   camt.053, each statement  bank_statement.import   header JSON
 *                             bank_statement.lines    {account_iban|account_id, statement_id,
 * lines} bank_statement.close    {account_…, statement_id, state, reason?}: state "quarantined"
 * when it does not balance bank_statement.release  {account_…, statement_id}: only of one that was
 *                                                     kept because its account was not registered
 *
 * Everything is validated before the first call: of a file that is refused nothing is handed on.
 * A file that is recognised and needs no import (an order response) makes no call and says why.
 *
 * The sink may block (it usually waits for a commit), so call from a worker thread, not the loop.
 * Memory: a document up to about 400 MiB in the worst case its limits allow, ordinary ones a few
 * MiB; a statement of 200,000 entries stays below 32 MiB in all.
 *
 * To add a format: a mark in detect_format.h, a reader of its own, a row in import.c.
 */
#ifndef REEVE_ERP_EXCHANGE_IMPORT_H
#define REEVE_ERP_EXCHANGE_IMPORT_H

#include "erp/exchange/detect_format.h"
#include "erp/exchange/source.h"
#include "runtime/base/hash.h"
#include "runtime/base/json.h"

#include <stdint.h>

/* What a sink may tell about a call that went well. */
struct erp_exchange_answer {
    json_t *json;  /* the command's, a new reference; NULL: not told */
    bool repeated; /* it was done at an earlier import and is the answer of then */
};

struct erp_exchange_call {
    const char *command;     /* "invoice.register"; static text */
    json_t *args;            /* borrowed; incref to keep */
    const char *file_sha256; /* file_sha256 and ordinal together name the call: one idempotency */
    int64_t ordinal;         /* key each, the same at every import of the same bytes; from 0 */
    bool anew; /* harmless to repeat, asked anew at every import; no ordinal of its own */
    struct erp_exchange_answer *answer; /* to be filled by the sink, if it can */
};

struct erp_exchange_sink {
    /* A code other than RV_OK ends the import with that code. */
    enum rv_code (*call)(void *self, const struct erp_exchange_call *call, struct rv_error *err);
    void *self;
};

/* What happened; filled as far as it came also when the import fails. */
struct erp_exchange_report {
    enum erp_format format;
    char kind[32];            /* "invoice", "bank_statement", "OrderResponseSimple" */
    char sha256[RV_HASH_HEX]; /* "" when the file was refused */
    int64_t calls;
    int64_t lines;
    int findings;
    int fatal_findings;
    int statements;
    int quarantined;
    int64_t skipped_entries;
    int64_t unsplit_batches;
    bool skipped;  /* nothing to import: reason says why */
    char rule[24]; /* of the first quarantine: "RV-BALANCE", "RV-LINES", "RV-TWIN", "RV-ACCOUNT" */
    char reason[256]; /* of skipping, or of the first quarantine */
    char remedy[256]; /* of the first quarantine */
};

RV_MUST enum rv_code erp_exchange_read(struct erp_source *source,
                                       const struct erp_exchange_sink *sink,
                                       struct erp_exchange_report *report, struct rv_error *err);
RV_MUST enum rv_code erp_exchange_read_file(const char *path, const struct erp_exchange_sink *sink,
                                            struct erp_exchange_report *report,
                                            struct rv_error *err);

#endif
