/* camt_line.c -- bank lines, their fingerprints, and the balance of a statement; see camt.h. */
#include "erp/domain/money.h"
#include "erp/exchange/camt_internal.h"

#include "runtime/base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- equal lines ---- */

enum { COUNTER_FIRST = 1024 };

void camt_counter_fini(struct camt_counter *counter)
{
    rv_free(counter->keys);
    rv_free(counter->counts);
    *counter = (struct camt_counter){0};
}

/* Pages of one statement in one file count on; another statement begins anew. */
void camt_counter_scope(struct camt_counter *counter, const char *statement_id)
{
    if (strcmp(counter->scope, statement_id) != 0) {
        camt_counter_fini(counter);
        snprintf(counter->scope, sizeof counter->scope, "%s", statement_id);
    }
}

static size_t slot_of(const struct camt_counter *counter, uint64_t key)
{
    size_t slot = (size_t)(key & (counter->capacity - 1));
    while (counter->counts[slot] != 0 && counter->keys[slot] != key) {
        slot = (slot + 1) & (counter->capacity - 1);
    }
    return slot;
}

static void counter_grow(struct camt_counter *counter)
{
    struct camt_counter old = *counter;
    counter->capacity = old.capacity == 0 ? COUNTER_FIRST : old.capacity * 2;
    counter->keys = rv_alloc_array(counter->capacity, sizeof *counter->keys);
    counter->counts = rv_alloc_array(counter->capacity, sizeof *counter->counts);
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.counts[i] != 0) {
            size_t slot = slot_of(counter, old.keys[i]);
            counter->keys[slot] = old.keys[i];
            counter->counts[slot] = old.counts[i];
        }
    }
    rv_free(old.keys);
    rv_free(old.counts);
}

static uint32_t count(struct camt_counter *counter, const struct rv_hash *fingerprint)
{
    if (counter->used * 5 >= counter->capacity * 4) {
        counter_grow(counter);
    }
    uint64_t key = 0;
    memcpy(&key, fingerprint->bytes, sizeof key);
    size_t slot = slot_of(counter, key);
    counter->used += counter->counts[slot] == 0;
    counter->keys[slot] = key;
    return ++counter->counts[slot];
}

/* ---- words ---- */

void camt_words_init(struct camt_words *words)
{
    *words = (struct camt_words){0};
    rv_buf_init(&words->memo, ERP_CAMT_MEMO_MAX * 2);
    rv_buf_init(&words->note, ERP_CAMT_MEMO_MAX * 2);
}

void camt_words_reset(struct camt_words *words)
{
    words->bank_ref[0] = words->end_to_end[0] = words->code[0] = words->own_code[0] = '\0';
    words->name[0][0] = words->name[1][0] = words->iban[0][0] = words->iban[1][0] = '\0';
    words->returned[0] = '\0';
    rv_buf_reset(&words->memo);
    rv_buf_reset(&words->note);
    words->amount = (struct camt_amount){0};
    words->sign = 0;
}

void camt_words_fini(struct camt_words *words)
{
    rv_buf_fini(&words->memo);
    rv_buf_fini(&words->note);
}

/* ---- one line ---- */

/* The first text that says something; "NOTPROVIDED" is the standard's way to say nothing. */
static const char *first_of(const char *a, const char *b)
{
    if (a != NULL && a[0] != '\0' && strcmp(a, "NOTPROVIDED") != 0) {
        return a;
    }
    return b != NULL && b[0] != '\0' && strcmp(b, "NOTPROVIDED") != 0 ? b : NULL;
}

/* White space to single spaces, cut at a character boundary. */
static void squeeze(struct rv_buf *out, const char *text)
{
    bool gap = false;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == ' ' || *c == '\t' || *c == '\n' || *c == '\r') {
            gap = out->length > 0;
            continue;
        }
        if (out->length >= ERP_CAMT_MEMO_MAX && ((unsigned char)*c & 0xC0) != 0x80) {
            rv_buf_str(out, "…");
            return;
        }
        if (gap) {
            rv_buf_char(out, ' ');
            gap = false;
        }
        rv_buf_char(out, *c);
    }
}

static void memo_of(const struct camt_entry *entry, const struct camt_words *words,
                    struct rv_buf *out)
{
    if (words != NULL && words->returned[0] != '\0') {
        rv_buf_printf(out, "Return %s. ", words->returned);
    }
    const char *text = "";
    if (words != NULL) {
        text = words->memo.length > 0 ? words->memo.data : words->note.data;
    }
    if (text[0] == '\0') {
        text = entry->words.note.data;
    }
    squeeze(out, text);
    while (out->length > 0 && out->data[out->length - 1] == ' ') {
        out->data[--out->length] = '\0';
    }
}

static void span(struct rv_buf *out, const char *text)
{
    rv_buf_char(out, 0x1F);
    rv_buf_str(out, text != NULL ? text : "");
}

static struct rv_hash fingerprint(const struct erp_camt_statement *statement, const json_t *line)
{
    struct rv_buf text;
    rv_buf_init(&text, 64 << 10);
    rv_buf_str(&text, "reeve-bank-line-1");
    span(&text, statement->iban[0] != '\0' ? statement->iban : statement->account);
    span(&text, rv_json_str(line, "booked", ""));
    span(&text, rv_json_str(line, "valued", ""));
    rv_buf_printf(&text, "\x1F%" PRId64, rv_json_int(line, "amount_minor", 0));
    span(&text, rv_json_str(line, "currency", ""));
    span(&text, rv_json_str(line, "bank_ref", rv_json_str(line, "end_to_end_id", "")));
    span(&text, rv_json_str(line, "counterparty", ""));
    size_t memo = text.length;
    span(&text, rv_json_str(line, "remittance", ""));
    for (size_t i = memo; i < text.length; i++) {
        if (text.data[i] >= 'a' && text.data[i] <= 'z') {
            text.data[i] = (char)(text.data[i] - 'a' + 'A');
        }
    }
    RV_ASSERT(!text.overflowed);
    struct rv_hash hash = rv_sha256(text.data, text.length);
    rv_buf_fini(&text);
    return hash;
}

static void put(json_t *object, const char *key, const char *text)
{
    if (text != NULL && text[0] != '\0') {
        json_object_set_new(object, key, json_string(text));
    }
}

json_t *camt_line_json(const struct erp_camt_statement *statement, const struct camt_entry *entry,
                       const struct camt_words *words, int64_t minor, int64_t number,
                       struct camt_counter *counter)
{
    const struct camt_words *own = &entry->words;
    int other = minor < 0 ? 1 : 0; /* money left: the creditor is the counterparty */
    json_t *line = json_object();
    json_object_set_new(line, "no", json_integer(number));
    put(line, "booked", entry->booked);
    put(line, "valued", entry->valued);
    json_object_set_new(line, "amount_minor", json_integer(minor));
    put(line, "currency", own->amount.currency);
    put(line, "bank_ref",
        first_of(words != NULL ? words->bank_ref : NULL,
                 first_of(own->bank_ref, entry->reference)));
    if (words != NULL) {
        put(line, "end_to_end_id", first_of(words->end_to_end, NULL));
        put(line, "counterparty", words->name[other]);
        put(line, "counterparty_iban", words->iban[other]);
    }
    struct rv_buf memo;
    rv_buf_init(&memo, ERP_CAMT_MEMO_MAX * 2);
    memo_of(entry, words, &memo);
    put(line, "remittance", memo.data);
    rv_buf_fini(&memo);
    const char *code = first_of(words != NULL ? words->code : NULL, own->code);
    if (code == NULL) {
        code = first_of(words != NULL ? words->own_code : NULL, own->own_code);
    }
    put(line, "code", code);
    json_object_set_new(line, "reversal", json_boolean(entry->reversal));
    struct rv_hash hash = fingerprint(statement, line);
    char hex[RV_HASH_HEX];
    rv_hash_hex(&hash, hex);
    put(line, "fingerprint", hex);
    json_object_set_new(line, "occurrence", json_integer(count(counter, &hash)));
    return line;
}

/* ---- the balance ---- */

/* The account's currency, else a balance's, else that of the entries. */
static const char *currency_of(const struct erp_camt_statement *statement,
                               const struct camt_currency_sum *sums, int sum_count)
{
    if (statement->currency[0] != '\0') {
        return statement->currency;
    }
    if (statement->opening.given) {
        return statement->opening.currency;
    }
    if (statement->closing.given) {
        return statement->closing.currency;
    }
    return sum_count > 0 ? sums[0].currency : NULL;
}

static void explain(struct erp_camt_statement *s, int64_t foreign)
{
    char a[ERP_MONEY_TEXT];
    char b[ERP_MONEY_TEXT];
    char c[ERP_MONEY_TEXT];
    char d[ERP_MONEY_TEXT];
    if (!s->opening.given || !s->closing.given) {
        snprintf(s->reason, sizeof s->reason, "the statement has no %s balance",
                 !s->opening.given ? "opening" : "closing");
    } else if (strcmp(s->opening.currency, s->currency) != 0 ||
               strcmp(s->closing.currency, s->currency) != 0) {
        snprintf(s->reason, sizeof s->reason,
                 "opening balance is in %s, closing balance in %s, the account in %s",
                 s->opening.currency, s->closing.currency, s->currency);
    } else if (foreign > 0) {
        snprintf(s->reason, sizeof s->reason, "%" PRId64 " entries are not in %s", foreign,
                 s->currency);
    } else {
        erp_money_format(s->opening.minor, s->currency, a);
        erp_money_format(s->sum_minor, s->currency, b);
        erp_money_format(s->closing.minor, s->currency, c);
        erp_money_format(s->difference_minor, s->currency, d);
        snprintf(s->reason, sizeof s->reason,
                 "opening %s and entries %s do not give closing %s (difference %s)", a, b, c, d);
    }
}

enum rv_code camt_statement_settle(struct erp_camt_statement *statement,
                                   const struct camt_currency_sum *sums, int sum_count,
                                   const char *file, struct rv_error *err)
{
    const char *currency = currency_of(statement, sums, sum_count);
    if (currency == NULL) {
        return rv_fail(err, RV_INVALID,
                       "%s: statement \"%.60s\" names no currency: no Acct/Ccy, balance or entry",
                       file, statement->id);
    }
    char copy[4];
    memcpy(copy, currency, sizeof copy);
    memcpy(statement->currency, copy, sizeof copy);
    int64_t foreign = 0;
    for (int i = 0; i < sum_count; i++) {
        if (strcmp(sums[i].currency, copy) == 0) {
            statement->sum_minor = sums[i].minor;
        } else {
            foreign += sums[i].count;
        }
    }
    statement->comparable = foreign == 0 && statement->opening.given && statement->closing.given &&
                            strcmp(statement->opening.currency, copy) == 0 &&
                            strcmp(statement->closing.currency, copy) == 0;
    int64_t expected = 0;
    if (statement->comparable &&
        (__builtin_add_overflow(statement->opening.minor, statement->sum_minor, &expected) ||
         __builtin_sub_overflow(statement->closing.minor, expected,
                                &statement->difference_minor))) {
        return rv_fail(err, RV_INVALID, "%s: balances of statement \"%.60s\" are too large", file,
                       statement->id);
    }
    statement->balanced = statement->comparable && statement->difference_minor == 0;
    if (!statement->balanced) {
        explain(statement, foreign);
    }
    return RV_OK;
}
