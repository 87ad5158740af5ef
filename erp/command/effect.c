/* effect.c -- see effect.h. */
#include "erp/command/effect.h"

#include "erp/domain/date.h"
#include "erp/domain/money.h"
#include "erp/domain/norm.h"
#include "runtime/base/check.h"

#include <inttypes.h>
#include <string.h>

void erp_outcome_init(struct erp_outcome *outcome)
{
    outcome->event_count = 0;
    outcome->answer = NULL;
    outcome->books = NULL;
}

void erp_outcome_fini(struct erp_outcome *outcome)
{
    for (int i = 0; i < outcome->event_count; i++) {
        json_decref(outcome->events[i].body);
    }
    json_decref(outcome->answer);
    json_decref(outcome->books);
    erp_outcome_init(outcome);
}

char *erp_stream(struct rv_arena *arena, const char *kind, int64_t id)
{
    return rv_arena_printf(arena, "%s:%" PRId64, kind, id);
}

void erp_emit(struct erp_outcome *outcome, const char *stream, int64_t version, const char *type,
              int64_t occurred_on, json_t *body)
{
    RV_ASSERT(outcome->event_count < ERP_EVENTS_MAX && body != NULL && version > 0);
    outcome->events[outcome->event_count++] = (struct erp_event){
        .stream = stream,
        .version = (int32_t)version,
        .type = type,
        .occurred_on = occurred_on,
        .body = body,
    };
}

void erp_answer(struct erp_outcome *outcome, json_t *answer)
{
    json_decref(outcome->answer);
    outcome->answer = answer;
}

const json_t *erp_part(const json_t *state, const char *key)
{
    const json_t *part = json_object_get(state, key);
    return json_is_null(part) ? NULL : part;
}

void erp_copy(json_t *to, const char *to_key, const json_t *from, const char *from_key)
{
    json_t *value = json_object_get(from, from_key);
    if (value != NULL && !json_is_null(value)) {
        json_object_set_new(to, to_key, json_deep_copy(value));
    }
}

void erp_set_str(json_t *object, const char *key, const char *text)
{
    if (text != NULL) {
        json_object_set_new(object, key, json_string(text));
    }
}

void erp_set_int(json_t *object, const char *key, int64_t value)
{
    json_object_set_new(object, key, json_integer(value));
}

int64_t erp_day(const struct erp_context *context, const json_t *args, const char *key)
{
    int64_t day = context->today;
    const char *text = rv_json_str(args, key, NULL);
    RV_ASSERT(text == NULL || erp_date_parse(text, key, &day, NULL) == RV_OK);
    return day;
}

json_t *erp_date_json(int64_t days)
{
    char text[ERP_DATE_TEXT];
    erp_date_text(days, text);
    return json_string(text);
}

enum rv_code erp_need_state(const json_t *subject, const char *what, const char *verb,
                            struct rv_error *err, ...)
{
    const char *state = rv_json_str(subject, "state", "");
    va_list words;
    va_start(words, err);
    const char *first = NULL;
    bool found = false;
    for (const char *word = va_arg(words, const char *); word != NULL;
         word = va_arg(words, const char *)) {
        first = first == NULL ? word : first;
        found = found || strcmp(word, state) == 0;
    }
    va_end(words);
    if (found) {
        return RV_OK;
    }
    rv_fail(err, RV_CONFLICT, "%s %" PRId64 " is %s and cannot be %s", what,
            rv_json_int(subject, "id", 0), state, verb);
    rv_hint(err, "It has to be %s for that; read it again.", first);
    return RV_CONFLICT;
}

bool erp_irreversible(const json_t *args, const json_t *answer, const char **name,
                      json_t **out_args)
{
    (void)args;
    (void)answer;
    (void)name;
    (void)out_args;
    return false;
}

int erp_key_id(const json_t *args, const char *member, const char *kind, struct rv_arena *arena,
               const char *out[ERP_KEYS_MAX])
{
    out[0] = erp_stream(arena, kind, rv_json_int(args, member, 0));
    return 1;
}

/* ---- entries ---- */

void erp_posting_open(struct erp_posting *posting, const struct erp_context *context,
                      struct erp_outcome *outcome, int64_t id, int64_t day, const char *doc_kind,
                      int64_t doc_id, const char *memo)
{
    *posting = (struct erp_posting){
        .context = context,
        .outcome = outcome,
        .id = id,
        .day = day,
        .doc_kind = doc_kind,
        .doc_id = doc_id,
        .memo = memo,
        .lines = json_array(),
        .books = json_array(),
    };
}

void erp_posting_drop(struct erp_posting *posting)
{
    json_decref(posting->lines);
    json_decref(posting->books);
    posting->lines = NULL;
    posting->books = NULL;
}

void erp_posting_line(struct erp_posting *posting, const char *account, const char *name,
                      int64_t amount, const char *currency, int64_t party, const char *tax_code)
{
    if (amount == 0) {
        return;
    }
    json_t *line = json_pack("{s:s,s:I,s:s}", "account", account, "amount", (json_int_t)amount,
                             "currency", currency);
    if (party != 0) {
        erp_set_int(line, "party", party);
    }
    erp_set_str(line, "tax_code", tax_code);
    json_array_append_new(posting->lines, line);
    json_t *book =
        json_pack("{s:s,s:s,s:I,s:I,s:s}", "account", account, "name", name == NULL ? "" : name,
                  "debit", (json_int_t)(amount > 0 ? amount : 0), "credit",
                  (json_int_t)(amount < 0 ? -amount : 0), "currency", currency);
    json_array_append_new(posting->books, book);
}

enum rv_code erp_posting_role(struct erp_posting *posting, const json_t *state, const char *role,
                              int64_t amount, const char *currency, int64_t party,
                              struct rv_error *err)
{
    const json_t *account = json_object_get(json_object_get(state, "roles"), role);
    if (account == NULL && amount != 0) {
        rv_fail(err, RV_NOT_FOUND, "the chart of accounts has no account with the role \"%s\"",
                role);
        rv_hint(err, "Register one: account.register with role \"%s\".", role);
        return RV_NOT_FOUND;
    }
    erp_posting_line(posting, rv_json_str(account, "number", ""), rv_json_str(account, "name", ""),
                     amount, currency, party, NULL);
    return RV_OK;
}

/* Sums per currency; entries have one currency, at most a few. */
static enum rv_code check_zero(const json_t *lines, struct rv_error *err)
{
    json_t *sums = json_object();
    enum rv_code code = RV_OK;
    size_t i;
    json_t *line;
    json_array_foreach((json_t *)(uintptr_t)lines, i, line)
    {
        const char *currency = rv_json_str(line, "currency", "");
        int64_t sum = 0;
        if (code == RV_OK) {
            code = erp_money_add(rv_json_int(sums, currency, 0), rv_json_int(line, "amount", 0),
                                 "the entry", &sum, err);
        }
        json_object_set_new(sums, currency, json_integer(sum));
    }
    const char *currency;
    json_t *sum;
    json_object_foreach(sums, currency, sum)
    {
        if (code == RV_OK && json_integer_value(sum) != 0) {
            char text[ERP_MONEY_TEXT];
            erp_money_format(json_integer_value(sum), currency, text);
            code = rv_fail(err, RV_INVALID,
                           "the entry does not balance: debits and credits differ by %s", text);
            rv_hint(err, "Debits and credits must be equal in every currency.");
        }
    }
    json_decref(sums);
    return code;
}

static enum rv_code check_period(const json_t *locks, const char *class, const char *period,
                                 struct rv_error *err)
{
    char key[32];
    snprintf(key, sizeof key, "%s:%s", class, period);
    const char *lock = rv_json_str(locks, key, NULL);
    if (lock == NULL) {
        return RV_OK;
    }
    rv_fail(err, RV_CONFLICT, "period %s is closed (%s) for %s", period, lock, class);
    rv_hint(err, "Post into the first open period; the business date stays in the memo.");
    return RV_CONFLICT;
}

enum rv_code erp_posting_close(struct erp_posting *posting, const json_t *locks, const char *class,
                               struct rv_error *err)
{
    char period[ERP_PERIOD_TEXT];
    erp_period_text(posting->day, period);
    enum rv_code code = RV_OK;
    if (json_array_size(posting->lines) < 2) {
        code = rv_fail(err, RV_INVALID, "an entry needs at least two lines that are not zero");
    }
    if (code == RV_OK) {
        code = check_zero(posting->lines, err);
    }
    if (code == RV_OK) {
        code = check_period(locks, class, period, err);
    }
    if (code != RV_OK) {
        erp_posting_drop(posting);
        return code;
    }
    json_t *body = json_pack("{s:I,s:s,s:o}", "id", (json_int_t)posting->id, "doc_kind",
                             posting->doc_kind, "lines", posting->lines);
    if (posting->doc_id != 0) {
        erp_set_int(body, "doc_id", posting->doc_id);
    }
    erp_set_str(body, "memo", posting->memo);
    if (posting->reverses != 0) {
        erp_set_int(body, "reverses", posting->reverses);
    }
    erp_emit(posting->outcome, erp_stream(posting->context->arena, "je", posting->id), 1,
             "journal.posted.v1", posting->day, body);
    if (posting->outcome->books == NULL) {
        posting->outcome->books = json_array();
    }
    json_array_extend(posting->outcome->books, posting->books);
    json_decref(posting->books);
    posting->lines = NULL;
    posting->books = NULL;
    return RV_OK;
}

enum rv_code erp_reverse(const struct erp_context *context, struct erp_outcome *outcome, int64_t id,
                         int64_t day, const json_t *je, const json_t *lines, const json_t *locks,
                         const char *class, const char *reason, struct rv_error *err)
{
    int64_t old = rv_json_int(je, "id", 0);
    if (erp_part(je, "reversed_by") != NULL) {
        return rv_fail(err, RV_CONFLICT, "entry %" PRId64 " is reversed already, by %" PRId64, old,
                       rv_json_int(je, "reversed_by", 0));
    }
    struct erp_posting posting;
    erp_posting_open(&posting, context, outcome, id, day, rv_json_str(je, "doc_kind", "manual"),
                     rv_json_int(je, "doc_id", 0), reason);
    posting.reverses = old;
    size_t i;
    json_t *line;
    json_array_foreach((json_t *)(uintptr_t)lines, i, line)
    {
        erp_posting_line(&posting, rv_json_str(line, "account", ""), rv_json_str(line, "name", ""),
                         -rv_json_int(line, "amount", 0), rv_json_str(line, "currency", ""),
                         rv_json_int(line, "party", 0), rv_json_str(line, "tax_code", NULL));
    }
    enum rv_code code = erp_posting_close(&posting, locks, class, err);
    if (code == RV_OK) {
        erp_emit(outcome, erp_stream(context->arena, "je", old), rv_json_int(je, "version", 0) + 1,
                 "journal.reversed.v1", day,
                 json_pack("{s:I,s:I}", "id", (json_int_t)old, "by", (json_int_t)id));
    }
    return code;
}

/* ---- parties in documents ---- */

static void new_party(const struct erp_context *context, const json_t *party, int64_t id,
                      struct erp_outcome *outcome)
{
    const char *vat = rv_json_str(party, "vat_id", NULL);
    const char *name = rv_json_str(party, "name", "");
    json_t *body = json_pack("{s:I,s:s,s:s,s:s,s:s,s:i}", "id", (json_int_t)id, "kind", "supplier",
                             "name", name, "name_norm", erp_norm(context->arena, name), "status",
                             "unverified", "payment_days", 30);
    erp_set_str(body, "vat_id", vat);
    erp_set_str(body, "vat_norm", erp_norm(context->arena, vat));
    erp_copy(body, "ext_id", party, "id");
    erp_copy(body, "legal_id", party, "legal_id");
    erp_copy(body, "country", party, "country");
    erp_emit(outcome, erp_stream(context->arena, "party", id), 1, "party.registered.v1",
             context->today, body);
}

enum rv_code erp_document_party(const struct erp_context *context, const json_t *doc,
                                const json_t *state, struct erp_outcome *outcome, int64_t *party,
                                struct rv_error *err)
{
    const json_t *known = erp_part(state, "party");
    if (known == NULL) {
        *party = context->first_id + 1;
        new_party(context, json_object_get(doc, "supplier"), *party, outcome);
        return RV_OK;
    }
    *party = rv_json_int(known, "id", 0);
    if (strcmp(rv_json_str(known, "status", ""), "blocked") == 0 &&
        strcmp(rv_json_str(doc, "kind", ""), "order") == 0) {
        rv_fail(err, RV_CONFLICT, "supplier \"%s\" is blocked", rv_json_str(known, "name", ""));
        rv_hint(err, "Order elsewhere, or unblock the supplier with party.register.");
        return RV_CONFLICT;
    }
    return RV_OK;
}

int erp_document_keys(const json_t *doc, const char *kind, struct rv_arena *arena,
                      const char *out[ERP_KEYS_MAX])
{
    const json_t *supplier = json_object_get(doc, "supplier");
    const char *name = erp_norm(arena, rv_json_str(supplier, "name", ""));
    const char *vat = erp_norm(arena, rv_json_str(supplier, "vat_id", NULL));
    int count = 0;
    out[count++] = rv_arena_printf(arena, "%s:%s:%s", kind, name,
                                   erp_norm_number(arena, rv_json_str(doc, "number", "")));
    out[count++] = rv_arena_printf(arena, "supplier:%s", name);
    if (vat != NULL) {
        out[count++] = rv_arena_printf(arena, "vat:%s", vat);
    }
    return count;
}

bool erp_document_known(const json_t *doc, const json_t *state, const char *kind,
                        struct erp_outcome *outcome)
{
    const char *file = rv_json_str(doc, "file_sha256", NULL);
    size_t i;
    json_t *same;
    json_array_foreach(json_object_get(state, "same"), i, same)
    {
        if (file != NULL && strcmp(rv_json_str(same, "file", ""), file) == 0) {
            erp_answer(outcome,
                       json_pack("{s:O,s:b}", kind, json_object_get(same, "id"), "changed", 0));
            return true;
        }
    }
    return false;
}
