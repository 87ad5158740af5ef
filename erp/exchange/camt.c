/* camt.c -- the tree of camt.053 as a table of places, and the two passes over it; see camt.h.
 *
 * Versions differ in a few places only: Sts became Sts/Cd, the party's name moved from Dbtr/Nm to
 * Dbtr/Pty/Nm, a transaction's amount from AmtDtls/TxAmt/Amt to Amt.  The table simply has both.
 * Elements outside the table are read, checked by xml.c and forgotten.
 */
#include "erp/exchange/camt.h"

#include "erp/domain/date.h"
#include "erp/exchange/camt_internal.h"
#include "erp/exchange/number.h"

#include "runtime/base/check.h"

#include <stdio.h>
#include <string.h>

/* X(place, parent, name) */
#define PLACES(X)                                                                                  \
    X(DOCUMENT, NOWHERE, "Document")                                                               \
    X(MESSAGE, DOCUMENT, "BkToCstmrStmt")                                                          \
    X(STATEMENT, MESSAGE, "Stmt")                                                                  \
    X(S_ID, STATEMENT, "Id")                                                                       \
    X(S_PAGES, STATEMENT, "StmtPgntn")                                                             \
    X(S_PAGE, S_PAGES, "PgNb")                                                                     \
    X(S_SEQUENCE, STATEMENT, "ElctrncSeqNb")                                                       \
    X(S_LEGAL_SEQUENCE, STATEMENT, "LglSeqNb")                                                     \
    X(S_PERIOD, STATEMENT, "FrToDt")                                                               \
    X(S_FROM, S_PERIOD, "FrDtTm")                                                                  \
    X(S_TO, S_PERIOD, "ToDtTm")                                                                    \
    X(ACCOUNT, STATEMENT, "Acct")                                                                  \
    X(ACCOUNT_IDS, ACCOUNT, "Id")                                                                  \
    X(ACCOUNT_IBAN, ACCOUNT_IDS, "IBAN")                                                           \
    X(ACCOUNT_OTHER, ACCOUNT_IDS, "Othr")                                                          \
    X(ACCOUNT_ID, ACCOUNT_OTHER, "Id")                                                             \
    X(ACCOUNT_CURRENCY, ACCOUNT, "Ccy")                                                            \
    X(BALANCE, STATEMENT, "Bal")                                                                   \
    X(B_TYPE, BALANCE, "Tp")                                                                       \
    X(B_CHOICE, B_TYPE, "CdOrPrtry")                                                               \
    X(B_CODE, B_CHOICE, "Cd")                                                                      \
    X(B_AMOUNT, BALANCE, "Amt")                                                                    \
    X(B_SIGN, BALANCE, "CdtDbtInd")                                                                \
    X(B_DATES, BALANCE, "Dt")                                                                      \
    X(B_DATE, B_DATES, "Dt")                                                                       \
    X(B_TIME, B_DATES, "DtTm")                                                                     \
    X(ENTRY, STATEMENT, "Ntry")                                                                    \
    X(E_REFERENCE, ENTRY, "NtryRef")                                                               \
    X(E_AMOUNT, ENTRY, "Amt")                                                                      \
    X(E_SIGN, ENTRY, "CdtDbtInd")                                                                  \
    X(E_REVERSAL, ENTRY, "RvslInd")                                                                \
    X(E_STATUS, ENTRY, "Sts")                                                                      \
    X(E_STATUS_CODE, E_STATUS, "Cd")                                                               \
    X(E_BOOKED, ENTRY, "BookgDt")                                                                  \
    X(E_BOOKED_DATE, E_BOOKED, "Dt")                                                               \
    X(E_BOOKED_TIME, E_BOOKED, "DtTm")                                                             \
    X(E_VALUED, ENTRY, "ValDt")                                                                    \
    X(E_VALUED_DATE, E_VALUED, "Dt")                                                               \
    X(E_VALUED_TIME, E_VALUED, "DtTm")                                                             \
    X(E_BANK_REF, ENTRY, "AcctSvcrRef")                                                            \
    X(E_CODES, ENTRY, "BkTxCd")                                                                    \
    X(E_DOMAIN, E_CODES, "Domn")                                                                   \
    X(E_DOMAIN_CODE, E_DOMAIN, "Cd")                                                               \
    X(E_FAMILY, E_DOMAIN, "Fmly")                                                                  \
    X(E_FAMILY_CODE, E_FAMILY, "Cd")                                                               \
    X(E_SUBFAMILY, E_FAMILY, "SubFmlyCd")                                                          \
    X(E_OWN, E_CODES, "Prtry")                                                                     \
    X(E_OWN_CODE, E_OWN, "Cd")                                                                     \
    X(E_NOTE, ENTRY, "AddtlNtryInf")                                                               \
    X(DETAILS, ENTRY, "NtryDtls")                                                                  \
    X(TX, DETAILS, "TxDtls")                                                                       \
    X(T_REFS, TX, "Refs")                                                                          \
    X(T_END_TO_END, T_REFS, "EndToEndId")                                                          \
    X(T_BANK_REF, T_REFS, "AcctSvcrRef")                                                           \
    X(T_AMOUNT, TX, "Amt")                                                                         \
    X(T_SIGN, TX, "CdtDbtInd")                                                                     \
    X(T_AMOUNTS, TX, "AmtDtls")                                                                    \
    X(T_TX_AMOUNT, T_AMOUNTS, "TxAmt")                                                             \
    X(T_OLD_AMOUNT, T_TX_AMOUNT, "Amt")                                                            \
    X(T_CODES, TX, "BkTxCd")                                                                       \
    X(T_DOMAIN, T_CODES, "Domn")                                                                   \
    X(T_DOMAIN_CODE, T_DOMAIN, "Cd")                                                               \
    X(T_FAMILY, T_DOMAIN, "Fmly")                                                                  \
    X(T_FAMILY_CODE, T_FAMILY, "Cd")                                                               \
    X(T_SUBFAMILY, T_FAMILY, "SubFmlyCd")                                                          \
    X(T_OWN, T_CODES, "Prtry")                                                                     \
    X(T_OWN_CODE, T_OWN, "Cd")                                                                     \
    X(T_PARTIES, TX, "RltdPties")                                                                  \
    X(T_DEBTOR, T_PARTIES, "Dbtr")                                                                 \
    X(T_DEBTOR_NAME, T_DEBTOR, "Nm")                                                               \
    X(T_DEBTOR_PARTY, T_DEBTOR, "Pty")                                                             \
    X(T_DEBTOR_PARTY_NAME, T_DEBTOR_PARTY, "Nm")                                                   \
    X(T_DEBTOR_ACCOUNT, T_PARTIES, "DbtrAcct")                                                     \
    X(T_DEBTOR_IDS, T_DEBTOR_ACCOUNT, "Id")                                                        \
    X(T_DEBTOR_IBAN, T_DEBTOR_IDS, "IBAN")                                                         \
    X(T_CREDITOR, T_PARTIES, "Cdtr")                                                               \
    X(T_CREDITOR_NAME, T_CREDITOR, "Nm")                                                           \
    X(T_CREDITOR_PARTY, T_CREDITOR, "Pty")                                                         \
    X(T_CREDITOR_PARTY_NAME, T_CREDITOR_PARTY, "Nm")                                               \
    X(T_CREDITOR_ACCOUNT, T_PARTIES, "CdtrAcct")                                                   \
    X(T_CREDITOR_IDS, T_CREDITOR_ACCOUNT, "Id")                                                    \
    X(T_CREDITOR_IBAN, T_CREDITOR_IDS, "IBAN")                                                     \
    X(T_MEMO, TX, "RmtInf")                                                                        \
    X(T_FREE, T_MEMO, "Ustrd")                                                                     \
    X(T_STRUCTURED, T_MEMO, "Strd")                                                                \
    X(T_CREDITOR_REF, T_STRUCTURED, "CdtrRefInf")                                                  \
    X(T_CREDITOR_REF_TEXT, T_CREDITOR_REF, "Ref")                                                  \
    X(T_DOCUMENT, T_STRUCTURED, "RfrdDocInf")                                                      \
    X(T_DOCUMENT_NUMBER, T_DOCUMENT, "Nb")                                                         \
    X(T_MORE, T_STRUCTURED, "AddtlRmtInf")                                                         \
    X(T_RETURN, TX, "RtrInf")                                                                      \
    X(T_RETURN_REASON, T_RETURN, "Rsn")                                                            \
    X(T_RETURN_CODE, T_RETURN_REASON, "Cd")                                                        \
    X(T_NOTE, TX, "AddtlTxInf")

enum place {
    NOWHERE,
#define X(place, parent, name) place,
    PLACES(X)
#undef X
};

static const struct erp_xml_path paths[] = {
#define X(place, parent, name) {parent, place, name},
    PLACES(X)
#undef X
};

struct erp_camt {
    struct erp_camt_statement *statements;
    int statement_count;
    int statement_capacity;
    uint8_t *decisions; /* by entry of the file */
    int64_t entry_count;
    int64_t entry_capacity;
    char sha256[RV_HASH_HEX];
};

/* One pass.  `sink` NULL is pass 1. */
struct pass {
    struct erp_camt *camt;
    const struct erp_camt_sink *sink;
    const char *file;
    uint8_t stack[ERP_XML_DEPTH_MAX + 1];
    int depth;
    char uri[80];            /* of the root; other namespaces are not looked at */
    char amount_currency[4]; /* attribute Ccy of the open amount */
    struct erp_camt_statement *statement;
    int statement_index;
    bool saw_message;
    int64_t page;
    struct erp_camt_balance balance;
    char balance_code[8];
    int balance_sign;
    struct camt_currency_sum sums[ERP_CAMT_CURRENCIES_MAX];
    int sum_count;
    struct camt_entry entry;
    struct camt_words tx;
    int64_t entry_index;
    int64_t emitted; /* lines of the statement so far */
    json_t *chunk;
    struct camt_counter counter;
};

#define REFUSE(pass, at, ...)                                                                      \
    (rv_fail(err, RV_INVALID, __VA_ARGS__),                                                        \
     rv_wrap(err, RV_INVALID, "%s line %d", (pass)->file, at))

/* ---- fields ---- */

static enum rv_code take_text(const struct pass *pass, char *out, size_t size, const char *field,
                              const char *text, size_t length, int line, struct rv_error *err)
{
    if (length >= size) {
        return REFUSE(pass, line, "%s is longer than %zu bytes", field, size - 1);
    }
    memcpy(out, text, length);
    out[length] = '\0';
    return RV_OK;
}

/* A date, or the date of a date-time as the bank wrote it (its own zone). */
static enum rv_code take_date(const struct pass *pass, char out[11], const char *field,
                              const char *text, size_t length, int line, struct rv_error *err)
{
    char copy[11] = "";
    if (length >= 10) {
        memcpy(copy, text, 10);
    }
    bool tail_ok = length == 10 || (length > 10 && strchr("TZ+-", text[10]) != NULL);
    if (!tail_ok || !erp_date_valid(copy)) {
        return REFUSE(pass, line, "%s \"%.*s\" is not a date YYYY-MM-DD", field,
                      (int)(length < 30 ? length : 30), text);
    }
    memcpy(out, copy, sizeof copy);
    return RV_OK;
}

static enum rv_code take_amount(const struct pass *pass, struct camt_amount *out, const char *field,
                                const char *text, size_t length, int line, struct rv_error *err)
{
    int shown = (int)(length < 40 ? length : 40);
    int exponent = erp_currency_digits(pass->amount_currency);
    if (exponent < 0) {
        return REFUSE(pass, line, "%s has currency \"%s\", which is unknown or cannot be posted",
                      field, pass->amount_currency);
    }
    struct erp_number value;
    enum rv_code code = erp_number_parse(text, length, field, &value, err);
    if (code != RV_OK) {
        return rv_wrap(err, RV_INVALID, "%s line %d", pass->file, line);
    }
    if (value.digits < 0) {
        return REFUSE(pass, line, "%s \"%.*s\" is negative; the sign belongs into CdtDbtInd", field,
                      shown, text);
    }
    if (!erp_number_minor(value, exponent, &out->minor)) {
        return REFUSE(pass, line, "%s \"%.*s\" has digits beyond the %d decimals of %s", field,
                      shown, text, exponent, pass->amount_currency);
    }
    out->given = true;
    memcpy(out->currency, pass->amount_currency, sizeof out->currency);
    return RV_OK;
}

static enum rv_code take_sign(const struct pass *pass, int *out, const char *text, size_t length,
                              int line, struct rv_error *err)
{
    if (length == 4 && memcmp(text, "CRDT", 4) == 0) {
        *out = 1;
    } else if (length == 4 && memcmp(text, "DBIT", 4) == 0) {
        *out = -1;
    } else {
        return REFUSE(pass, line, "CdtDbtInd \"%.*s\" is neither CRDT nor DBIT",
                      (int)(length < 20 ? length : 20), text);
    }
    return RV_OK;
}

static void take_sequence(struct erp_camt_statement *statement, const char *text, size_t length)
{
    struct erp_number value;
    if (erp_number_parse(text, length, "sequence", &value, NULL) == RV_OK && value.scale == 0 &&
        value.digits >= 0 && value.digits <= INT32_MAX) {
        statement->sequence = value.digits;
    }
}

static void add_text(struct rv_buf *buf, const char *text, size_t length)
{
    if (buf->length > 0) {
        rv_buf_char(buf, ' ');
    }
    size_t room = buf->max - buf->length;
    if (length > room) {
        length = room;
        while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80) {
            length--;
        }
    }
    if (room > 0) {
        rv_buf_add(buf, text, length);
    }
}

static void add_code(char *out, size_t size, const char *text, size_t length)
{
    size_t have = strlen(out);
    snprintf(out + have, size - have, "%s%.*s", have > 0 ? "-" : "", (int)length, text);
}

/* ---- statements ---- */

static enum rv_code statement_open(struct pass *pass, struct rv_error *err)
{
    pass->statement_index++;
    pass->emitted = 0;
    struct erp_camt *camt = pass->camt;
    if (pass->sink != NULL) {
        if (pass->statement_index >= camt->statement_count) {
            return rv_fail(err, RV_CONFLICT, "%s changed while it was read", pass->file);
        }
        pass->statement = &camt->statements[pass->statement_index];
        camt_counter_scope(&pass->counter, pass->statement->id);
        return pass->sink->begin(pass->sink->self, pass->statement_index, err);
    }
    if (camt->statement_count == ERP_CAMT_STATEMENTS_MAX) {
        return rv_fail(err, RV_LIMIT, "%s has more than %d statements", pass->file,
                       ERP_CAMT_STATEMENTS_MAX);
    }
    if (camt->statement_count == camt->statement_capacity) {
        camt->statement_capacity = camt->statement_capacity == 0 ? 4 : camt->statement_capacity * 2;
        camt->statements = rv_realloc(camt->statements,
                                      (size_t)camt->statement_capacity * sizeof *camt->statements);
    }
    pass->statement = &camt->statements[camt->statement_count++];
    *pass->statement =
        (struct erp_camt_statement){.sequence = -1, .first_entry = camt->entry_count};
    pass->sum_count = 0;
    pass->page = 1;
    return RV_OK;
}

static enum rv_code flush(struct pass *pass, struct rv_error *err)
{
    json_t *chunk = pass->chunk;
    if (chunk == NULL) {
        return RV_OK;
    }
    pass->chunk = NULL;
    return pass->sink->lines(pass->sink->self, pass->statement_index, chunk, err);
}

static enum rv_code statement_close(struct pass *pass, int line, struct rv_error *err)
{
    struct erp_camt_statement *s = pass->statement;
    if (pass->sink != NULL) {
        enum rv_code code = flush(pass, err);
        return code != RV_OK ? code : pass->sink->end(pass->sink->self, pass->statement_index, err);
    }
    if (s->id[0] == '\0') {
        return REFUSE(pass, line, "statement without Id");
    }
    if (s->iban[0] == '\0' && s->account[0] == '\0') {
        return REFUSE(pass, line, "statement \"%.60s\" names no account (Acct/Id)", s->id);
    }
    if (pass->page > 1) {
        size_t n = strlen(s->id);
        snprintf(s->id + n, sizeof s->id - n, "/p%lld", (long long)pass->page);
    }
    if (s->from[0] == '\0') {
        memcpy(s->from, s->opening.date, sizeof s->from);
    }
    if (s->to[0] == '\0') {
        memcpy(s->to, s->closing.date, sizeof s->to);
    }
    return camt_statement_settle(s, pass->sums, pass->sum_count, pass->file, err);
}

static void balance_close(struct pass *pass)
{
    struct erp_camt_statement *s = pass->statement;
    struct erp_camt_balance *balance = &pass->balance;
    const char *code = pass->balance_code;
    if (!balance->given) {
        return;
    }
    balance->minor *= pass->balance_sign < 0 ? -1 : 1;
    balance->interim = strcmp(code, "ITBD") == 0;
    bool opening = strcmp(code, "OPBD") == 0 || strcmp(code, "PRCD") == 0;
    if (strcmp(code, "OPBD") == 0 || (opening && (!s->opening.given || s->opening.interim)) ||
        (balance->interim && !s->opening.given)) {
        s->opening = *balance;
    }
    if (strcmp(code, "CLBD") == 0 ||
        (balance->interim && (!s->closing.given || s->closing.interim))) {
        s->closing = *balance;
    }
}

/* ---- entries ---- */

static enum rv_code sum_entry(struct pass *pass, int64_t minor, int line, struct rv_error *err)
{
    const char *currency = pass->entry.words.amount.currency;
    int i = 0;
    while (i < pass->sum_count && strcmp(pass->sums[i].currency, currency) != 0) {
        i++;
    }
    if (i == ERP_CAMT_CURRENCIES_MAX) {
        return REFUSE(pass, line, "entries of one statement are in more than %d currencies",
                      ERP_CAMT_CURRENCIES_MAX);
    }
    if (i == pass->sum_count) {
        pass->sums[pass->sum_count++] = (struct camt_currency_sum){.minor = 0};
        memcpy(pass->sums[i].currency, currency, sizeof pass->sums[i].currency);
    }
    pass->sums[i].count++;
    if (__builtin_add_overflow(pass->sums[i].minor, minor, &pass->sums[i].minor)) {
        return REFUSE(pass, line, "the sum of the entries is larger than 64 bits");
    }
    return RV_OK;
}

static void entry_open(struct pass *pass, int line)
{
    struct camt_entry *entry = &pass->entry;
    camt_words_reset(&entry->words);
    camt_words_reset(&entry->first);
    entry->reference[0] = entry->booked[0] = entry->valued[0] = '\0';
    entry->reversal = false;
    entry->booked_status = true;
    entry->transactions = 0;
    entry->transactions_have_amounts = true;
    entry->sum_own = entry->sum_plain = 0;
    entry->line = line;
}

/* Every entry needs a date to be booked on: its own, else its value date, else the statement's. */
static enum rv_code entry_date(struct pass *pass, struct rv_error *err)
{
    struct camt_entry *entry = &pass->entry;
    const struct erp_camt_statement *s = pass->statement;
    if (entry->booked[0] == '\0') {
        const char *stand_in = s->to[0] != '\0' ? s->to : s->closing.date;
        memcpy(entry->booked, entry->valued[0] != '\0' ? entry->valued : stand_in,
               sizeof entry->booked);
    }
    if (entry->booked[0] == '\0') {
        return REFUSE(pass, entry->line, "entry has no BookgDt and no ValDt");
    }
    return RV_OK;
}

static enum rv_code push_line(struct pass *pass, const struct camt_words *words, int64_t minor,
                              struct rv_error *err)
{
    if (pass->chunk == NULL) {
        pass->chunk = json_array();
    }
    json_array_append_new(pass->chunk, camt_line_json(pass->statement, &pass->entry, words, minor,
                                                      ++pass->emitted, &pass->counter));
    return json_array_size(pass->chunk) == ERP_CAMT_CHUNK ? flush(pass, err) : RV_OK;
}

/* Pass 1: what the entry will become. */
static uint8_t decide(const struct camt_entry *entry)
{
    if (!entry->booked_status) {
        return CAMT_ENTRY_SKIPPED;
    }
    int64_t signed_minor = entry->words.amount.minor * entry->words.sign;
    if (entry->transactions < 2 || !entry->transactions_have_amounts) {
        return CAMT_ENTRY_SINGLE;
    }
    if (entry->sum_own == signed_minor) {
        return CAMT_ENTRY_SPLIT_OWN;
    }
    return entry->sum_plain == entry->words.amount.minor ? CAMT_ENTRY_SPLIT : CAMT_ENTRY_SINGLE;
}

static enum rv_code entry_check(struct pass *pass, struct rv_error *err)
{
    struct erp_camt *camt = pass->camt;
    struct camt_entry *entry = &pass->entry;
    if (!entry->words.amount.given || entry->words.sign == 0) {
        return REFUSE(pass, entry->line, "entry without %s",
                      entry->words.amount.given ? "CdtDbtInd" : "Amt");
    }
    if (camt->entry_count == ERP_CAMT_ENTRIES_MAX) {
        return rv_fail(err, RV_LIMIT, "%s has more than %d entries", pass->file,
                       ERP_CAMT_ENTRIES_MAX);
    }
    if (camt->entry_count == camt->entry_capacity) {
        camt->entry_capacity = camt->entry_capacity == 0 ? 256 : camt->entry_capacity * 2;
        camt->decisions = rv_realloc(camt->decisions, (size_t)camt->entry_capacity);
    }
    uint8_t decision = decide(entry);
    camt->decisions[camt->entry_count++] = decision;
    if (decision == CAMT_ENTRY_SKIPPED) {
        pass->statement->skipped++;
        return RV_OK;
    }
    enum rv_code code = entry_date(pass, err);
    if (code != RV_OK) {
        return code;
    }
    pass->statement->unsplit_batches += decision == CAMT_ENTRY_SINGLE && entry->transactions > 1;
    pass->statement->line_count += decision == CAMT_ENTRY_SINGLE ? 1 : entry->transactions;
    return sum_entry(pass, entry->words.amount.minor * entry->words.sign, entry->line, err);
}

static enum rv_code entry_close(struct pass *pass, struct rv_error *err)
{
    if (pass->sink == NULL) {
        return entry_check(pass, err);
    }
    struct camt_entry *entry = &pass->entry;
    if (pass->camt->decisions[pass->entry_index++] != CAMT_ENTRY_SINGLE) {
        return RV_OK;
    }
    enum rv_code code = entry_date(pass, err);
    if (code != RV_OK) {
        return code;
    }
    return push_line(pass, entry->transactions == 1 ? &entry->first : NULL,
                     entry->words.amount.minor * entry->words.sign, err);
}

static void swap_words(struct camt_words *a, struct camt_words *b)
{
    struct camt_words t = *a;
    *a = *b;
    *b = t;
}

static enum rv_code tx_close(struct pass *pass, struct rv_error *err)
{
    struct camt_entry *entry = &pass->entry;
    struct camt_words *tx = &pass->tx;
    int sign = tx->sign != 0 ? tx->sign : entry->words.sign;
    entry->transactions++;
    if (pass->sink == NULL) {
        bool usable =
            tx->amount.given && strcmp(tx->amount.currency, entry->words.amount.currency) == 0 &&
            !__builtin_add_overflow(entry->sum_own, tx->amount.minor * sign, &entry->sum_own) &&
            !__builtin_add_overflow(entry->sum_plain, tx->amount.minor, &entry->sum_plain);
        entry->transactions_have_amounts = entry->transactions_have_amounts && usable;
        return RV_OK;
    }
    if (pass->entry_index >= pass->camt->entry_count) {
        return rv_fail(err, RV_CONFLICT, "%s changed while it was read", pass->file);
    }
    uint8_t decision = pass->camt->decisions[pass->entry_index];
    if (decision == CAMT_ENTRY_SINGLE && entry->transactions == 1) {
        swap_words(&entry->first, tx);
    }
    if (decision != CAMT_ENTRY_SPLIT && decision != CAMT_ENTRY_SPLIT_OWN) {
        return RV_OK;
    }
    enum rv_code code = entry_date(pass, err);
    if (code != RV_OK) {
        return code;
    }
    return push_line(pass, tx,
                     tx->amount.minor * (decision == CAMT_ENTRY_SPLIT ? entry->words.sign : sign),
                     err);
}

/* ---- dispatch ---- */

static enum rv_code on_open(void *self, const struct erp_xml_element *element, bool *discard_text,
                            struct rv_error *err)
{
    (void)discard_text;
    struct pass *pass = self;
    if (element->depth == 1) {
        snprintf(pass->uri, sizeof pass->uri, "%s", element->uri);
    }
    uint8_t place = NOWHERE;
    bool inside = element->depth == 1 || pass->stack[element->depth - 1] != NOWHERE;
    if (inside && strcmp(element->uri, pass->uri) == 0) {
        place = erp_xml_place(paths, RV_COUNT(paths),
                              element->depth == 1 ? NOWHERE : pass->stack[element->depth - 1],
                              element->name);
    }
    pass->depth = element->depth;
    pass->stack[pass->depth] = place;
    switch (place) {
    case MESSAGE: pass->saw_message = true; return RV_OK;
    case STATEMENT: return statement_open(pass, err);
    case BALANCE:
        pass->balance = (struct erp_camt_balance){.given = false};
        pass->balance_code[0] = '\0';
        pass->balance_sign = 1;
        return RV_OK;
    case ENTRY:
        if (pass->sink != NULL && pass->entry_index >= pass->camt->entry_count) {
            return rv_fail(err, RV_CONFLICT, "%s changed while it was read", pass->file);
        }
        entry_open(pass, element->line);
        return RV_OK;
    case TX: camt_words_reset(&pass->tx); return RV_OK;
    case B_AMOUNT:
    case E_AMOUNT:
    case T_AMOUNT:
    case T_OLD_AMOUNT:
        pass->amount_currency[0] = '\0';
        for (int i = 0; i < element->attribute_count; i++) {
            if (strcmp(element->attributes[i].name, "Ccy") == 0) {
                snprintf(pass->amount_currency, sizeof pass->amount_currency, "%s",
                         strlen(element->attributes[i].value) == 3 ? element->attributes[i].value
                                                                   : "?");
            }
        }
        return RV_OK;
    default: return RV_OK;
    }
}

static enum rv_code balance_amount(struct pass *pass, const char *text, size_t length, int line,
                                   struct rv_error *err)
{
    struct camt_amount amount = {.given = false};
    enum rv_code code = take_amount(pass, &amount, "Bal/Amt", text, length, line, err);
    if (code == RV_OK) {
        pass->balance.given = true;
        pass->balance.minor = amount.minor;
        memcpy(pass->balance.currency, amount.currency, sizeof pass->balance.currency);
    }
    return code;
}

/* Fields of Stmt, Acct and Bal; pass 1 only. */
static enum rv_code header_field(struct pass *pass, uint8_t place, const char *text, size_t length,
                                 int line, struct rv_error *err)
{
    struct erp_camt_statement *s = pass->statement;
    switch (place) {
    case S_ID: return take_text(pass, s->id, sizeof s->id - 16, "Stmt/Id", text, length, line, err);
    case S_PAGE: {
        struct erp_number page;
        if (erp_number_parse(text, length, "page", &page, NULL) == RV_OK && page.scale == 0) {
            pass->page = page.digits;
        }
        return RV_OK;
    }
    case S_SEQUENCE: take_sequence(s, text, length); return RV_OK;
    case S_LEGAL_SEQUENCE:
        if (s->sequence < 0) {
            take_sequence(s, text, length);
        }
        return RV_OK;
    case S_FROM: return take_date(pass, s->from, "FrDtTm", text, length, line, err);
    case S_TO: return take_date(pass, s->to, "ToDtTm", text, length, line, err);
    case ACCOUNT_IBAN:
        return take_text(pass, s->iban, sizeof s->iban, "Acct/Id/IBAN", text, length, line, err);
    case ACCOUNT_ID:
        return take_text(pass, s->account, sizeof s->account, "Acct/Id/Othr/Id", text, length, line,
                         err);
    case ACCOUNT_CURRENCY: {
        enum rv_code code =
            take_text(pass, s->currency, sizeof s->currency, "Acct/Ccy", text, length, line, err);
        if (code == RV_OK && erp_currency_digits(s->currency) < 0) {
            return REFUSE(pass, line, "Acct/Ccy \"%s\" is unknown or cannot be posted",
                          s->currency);
        }
        return code;
    }
    case B_CODE:
        snprintf(pass->balance_code, sizeof pass->balance_code, "%.*s",
                 (int)(length < 7 ? length : 7), text);
        return RV_OK;
    case B_AMOUNT: return balance_amount(pass, text, length, line, err);
    case B_SIGN: return take_sign(pass, &pass->balance_sign, text, length, line, err);
    case B_DATE:
    case B_TIME: return take_date(pass, pass->balance.date, "Bal/Dt", text, length, line, err);
    case BALANCE: balance_close(pass); return RV_OK;
    default: return RV_OK;
    }
}

static enum rv_code entry_field(struct pass *pass, uint8_t place, const char *text, size_t length,
                                int line, struct rv_error *err)
{
    struct camt_entry *entry = &pass->entry;
    struct camt_words *words = &entry->words;
    switch (place) {
    case E_REFERENCE:
        return take_text(pass, entry->reference, CAMT_TEXT, "NtryRef", text, length, line, err);
    case E_AMOUNT: return take_amount(pass, &words->amount, "Ntry/Amt", text, length, line, err);
    case E_SIGN: return take_sign(pass, &words->sign, text, length, line, err);
    case E_REVERSAL:
        entry->reversal =
            (length == 4 && memcmp(text, "true", 4) == 0) || (length == 1 && text[0] == '1');
        return RV_OK;
    case E_STATUS:
    case E_STATUS_CODE:
        if (length > 0) {
            entry->booked_status = length == 4 && memcmp(text, "BOOK", 4) == 0;
        }
        return RV_OK;
    case E_BOOKED_DATE:
    case E_BOOKED_TIME: return take_date(pass, entry->booked, "BookgDt", text, length, line, err);
    case E_VALUED_DATE:
    case E_VALUED_TIME: return take_date(pass, entry->valued, "ValDt", text, length, line, err);
    case E_BANK_REF:
        return take_text(pass, words->bank_ref, CAMT_TEXT, "AcctSvcrRef", text, length, line, err);
    case E_DOMAIN_CODE:
    case E_FAMILY_CODE:
    case E_SUBFAMILY: add_code(words->code, sizeof words->code, text, length); return RV_OK;
    case E_OWN_CODE: add_code(words->own_code, sizeof words->own_code, text, length); return RV_OK;
    case E_NOTE: add_text(&words->note, text, length); return RV_OK;
    case ENTRY: return entry_close(pass, err);
    default: return RV_OK;
    }
}

static enum rv_code tx_field(struct pass *pass, uint8_t place, const char *text, size_t length,
                             int line, struct rv_error *err)
{
    struct camt_words *tx = &pass->tx;
    switch (place) {
    case T_END_TO_END:
        return take_text(pass, tx->end_to_end, CAMT_TEXT, "EndToEndId", text, length, line, err);
    case T_BANK_REF:
        return take_text(pass, tx->bank_ref, CAMT_TEXT, "Refs/AcctSvcrRef", text, length, line,
                         err);
    case T_OLD_AMOUNT:
        if (tx->amount.given) {
            return RV_OK; /* TxDtls/Amt was there */
        }
        return take_amount(pass, &tx->amount, "TxAmt/Amt", text, length, line, err);
    case T_AMOUNT: return take_amount(pass, &tx->amount, "TxDtls/Amt", text, length, line, err);
    case T_SIGN: return take_sign(pass, &tx->sign, text, length, line, err);
    case T_DOMAIN_CODE:
    case T_FAMILY_CODE:
    case T_SUBFAMILY: add_code(tx->code, sizeof tx->code, text, length); return RV_OK;
    case T_OWN_CODE: add_code(tx->own_code, sizeof tx->own_code, text, length); return RV_OK;
    case T_DEBTOR_NAME:
    case T_DEBTOR_PARTY_NAME:
        return take_text(pass, tx->name[0], CAMT_TEXT, "Dbtr/Nm", text, length, line, err);
    case T_CREDITOR_NAME:
    case T_CREDITOR_PARTY_NAME:
        return take_text(pass, tx->name[1], CAMT_TEXT, "Cdtr/Nm", text, length, line, err);
    case T_DEBTOR_IBAN:
        return take_text(pass, tx->iban[0], sizeof tx->iban[0], "DbtrAcct IBAN", text, length, line,
                         err);
    case T_CREDITOR_IBAN:
        return take_text(pass, tx->iban[1], sizeof tx->iban[1], "CdtrAcct IBAN", text, length, line,
                         err);
    case T_FREE:
    case T_CREDITOR_REF_TEXT:
    case T_DOCUMENT_NUMBER:
    case T_MORE: add_text(&tx->memo, text, length); return RV_OK;
    case T_RETURN_CODE: add_code(tx->returned, sizeof tx->returned, text, length); return RV_OK;
    case T_NOTE: add_text(&tx->note, text, length); return RV_OK;
    case TX: return tx_close(pass, err);
    default: return RV_OK;
    }
}

static enum rv_code on_close(void *self, const char *raw, size_t raw_length, int line,
                             struct rv_error *err)
{
    struct pass *pass = self;
    uint8_t place = pass->stack[pass->depth--];
    size_t length = 0;
    const char *text = erp_xml_trim(raw, raw_length, &length);
    if (place == STATEMENT) {
        return statement_close(pass, line, err);
    }
    if (place > STATEMENT && place < ENTRY) {
        return pass->sink == NULL ? header_field(pass, place, text, length, line, err) : RV_OK;
    }
    if (place >= ENTRY && place <= DETAILS) {
        return entry_field(pass, place, text, length, line, err);
    }
    return place >= TX ? tx_field(pass, place, text, length, line, err) : RV_OK;
}

/* ---- the two passes ---- */

static enum rv_code run(struct erp_camt *camt, struct erp_source *source,
                        const struct erp_camt_sink *sink, char hex[RV_HASH_HEX],
                        struct rv_error *err)
{
    struct pass *pass = rv_alloc(sizeof *pass);
    pass->camt = camt;
    pass->sink = sink;
    pass->file = source->name;
    pass->statement_index = -1;
    camt_words_init(&pass->entry.words);
    camt_words_init(&pass->entry.first);
    camt_words_init(&pass->tx);
    struct erp_xml_handler handler = {.open = on_open, .close = on_close, .self = pass};
    struct rv_hash hash = {{0}};
    enum rv_code code =
        erp_xml_read(source, ERP_XML_STATEMENT_BYTES_MAX, &handler, &hash, NULL, err);
    rv_hash_hex(&hash, hex);
    if (code == RV_OK && !pass->saw_message) {
        code = rv_fail(err, RV_INVALID, "%s has no BkToCstmrStmt: it is not a camt.053 file",
                       source->name);
    } else if (code == RV_OK && camt->statement_count == 0) {
        code = rv_fail(err, RV_INVALID, "%s has no statement (Stmt)", source->name);
    }
    json_decref(pass->chunk);
    camt_counter_fini(&pass->counter);
    camt_words_fini(&pass->entry.words);
    camt_words_fini(&pass->entry.first);
    camt_words_fini(&pass->tx);
    rv_free(pass);
    return code;
}

enum rv_code erp_camt_check(struct erp_source *source, struct erp_camt **out, struct rv_error *err)
{
    *out = NULL;
    enum rv_code code = source->rewind(source, err);
    if (code != RV_OK) {
        return code;
    }
    struct erp_camt *camt = rv_alloc(sizeof *camt);
    code = run(camt, source, NULL, camt->sha256, err);
    if (code != RV_OK) {
        erp_camt_free(camt);
        return code;
    }
    *out = camt;
    return RV_OK;
}

enum rv_code erp_camt_emit(struct erp_camt *camt, struct erp_source *source,
                           const struct erp_camt_sink *sink, struct rv_error *err)
{
    RV_ASSERT(sink != NULL);
    enum rv_code code = source->rewind(source, err);
    char hex[RV_HASH_HEX];
    if (code == RV_OK) {
        code = run(camt, source, sink, hex, err);
    }
    if (code == RV_OK && strcmp(hex, camt->sha256) != 0) {
        return rv_fail(err, RV_CONFLICT, "%s changed while it was read", source->name);
    }
    return code;
}

void erp_camt_free(struct erp_camt *camt)
{
    if (camt != NULL) {
        rv_free(camt->statements);
        rv_free(camt->decisions);
        rv_free(camt);
    }
}

int erp_camt_statement_count(const struct erp_camt *camt)
{
    return camt->statement_count;
}

const struct erp_camt_statement *erp_camt_statement(const struct erp_camt *camt, int index)
{
    RV_ASSERT(index >= 0 && index < camt->statement_count);
    return &camt->statements[index];
}

const char *erp_camt_sha256(const struct erp_camt *camt)
{
    return camt->sha256;
}

json_t *erp_camt_header(const struct erp_camt *camt, int index)
{
    const struct erp_camt_statement *s = erp_camt_statement(camt, index);
    json_t *header = json_object();
    json_object_set_new(header, "kind", json_string("bank_statement"));
    json_object_set_new(header, "statement_id", json_string(s->id));
    if (s->sequence >= 0) {
        json_object_set_new(header, "sequence", json_integer(s->sequence));
    }
    if (s->iban[0] != '\0') {
        json_object_set_new(header, "account_iban", json_string(s->iban));
    } else {
        json_object_set_new(header, "account_id", json_string(s->account));
    }
    json_object_set_new(header, "currency", json_string(s->currency));
    if (s->from[0] != '\0') {
        json_object_set_new(header, "from", json_string(s->from));
    }
    if (s->to[0] != '\0') {
        json_object_set_new(header, "to", json_string(s->to));
    }
    if (s->opening.given) {
        json_object_set_new(header, "opening_minor", json_integer(s->opening.minor));
    }
    if (s->closing.given) {
        json_object_set_new(header, "closing_minor", json_integer(s->closing.minor));
    }
    json_object_set_new(header, "entry_count", json_integer(s->line_count));
    json_object_set_new(header, "sum_minor", json_integer(s->sum_minor));
    json_object_set_new(header, "balanced", json_boolean(s->balanced));
    json_object_set_new(header, "difference_minor", json_integer(s->difference_minor));
    json_object_set_new(header, "file_sha256", json_string(camt->sha256));
    return header;
}
