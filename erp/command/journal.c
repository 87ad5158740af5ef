/* journal.c -- entries by hand, and taking entries back.
 *
 * A posted entry is never changed: correction is a second entry with the opposite lines, dated into
 * an open period and linked both ways.  Reversing the entry of an invoice gives the invoice back as
 * registered and removes its open item, as long as nothing of it was settled. */
#include "erp/command/area.h"
#include "erp/command/effect.h"
#include "erp/command/words.h"
#include "erp_command_sql.h"

#include <inttypes.h>
#include <string.h>

/* ---- journal.post ---- */

static int post_keys(const json_t *args, struct rv_arena *arena, const char *out[ERP_KEYS_MAX])
{
    (void)args;
    (void)arena;
    (void)out;
    return 0; /* reads only accounts and locks; two entries never disturb each other */
}

static enum rv_code post_decide(const struct erp_context *context, const json_t *args,
                                const json_t *state, struct erp_outcome *outcome,
                                struct rv_error *err)
{
    struct erp_posting posting;
    erp_posting_open(&posting, context, outcome, context->first_id, erp_day(context, args, "date"),
                     "manual", 0, rv_json_str(args, "memo", NULL));
    enum rv_code code = RV_OK;
    size_t i;
    json_t *line;
    json_array_foreach(json_object_get(args, "lines"), i, line)
    {
        const char *number = rv_json_str(line, "account", "");
        const char *currency = rv_json_str(line, "currency", "");
        const json_t *account = json_object_get(erp_part(state, "accounts"), number);
        const char *only = rv_json_str(account, "currency", NULL);
        if (code != RV_OK) {
            break;
        }
        if (account == NULL || !rv_json_bool(account, "active", false) ||
            !rv_json_bool(account, "manual", false)) {
            code =
                rv_fail(err, RV_NOT_FOUND,
                        "account \"%s\" does not exist, is not active, or takes no entries by hand",
                        number);
            rv_hint(err, "Use an account that is active and manual.");
        } else if (only != NULL && strcmp(only, currency) != 0) {
            code = rv_fail(err, RV_INVALID, "account \"%s\" is kept in %s, not %s", number, only,
                           currency);
        } else if (rv_json_int(line, "amount_minor", 0) == 0) {
            code = rv_fail(err, RV_INVALID, "line %zu has no amount", i + 1);
        }
        erp_posting_line(&posting, number, rv_json_str(account, "name", ""),
                         rv_json_int(line, "amount_minor", 0), currency,
                         rv_json_int(line, "party", 0), rv_json_str(line, "tax_code", NULL));
    }
    if (code != RV_OK) {
        erp_posting_drop(&posting);
        return code;
    }
    code = erp_posting_close(&posting, json_object_get(state, "locks"), "GL", err);
    if (code == RV_OK) {
        erp_answer(outcome, json_pack("{s:I}", "entry", (json_int_t)context->first_id));
    }
    return code;
}

static bool post_compensate(const json_t *args, const json_t *answer, const char **name,
                            json_t **out_args)
{
    (void)args;
    *name = "journal.reverse";
    *out_args = json_pack("{s:O,s:s}", "entry", json_object_get(answer, "entry"), "reason",
                          "entry taken back");
    return true;
}

/* clang-format off */
const struct erp_command erp_journal_post = {
    .name = "journal.post",
    .summary = "Posts an entry by hand; it must balance in every currency.",
    .schema = OBJECT(JSON("lines", "memo"),
        FIELD("date", DATE) "," FIELD("memo", REASON) ","
        FIELD("lines", JSON({"type": "array", "minItems": 2, "maxItems": 1000, "items":)
            OBJECT(JSON("account", "amount_minor", "currency"),
                FIELD("account", NAME) "," FIELD("amount_minor", MINOR) "," FIELD("currency", CURRENCY) ","
                FIELD("party", ID) "," FIELD("tax_code", NAME)) "}")),
    .tier = ERP_TIER_LEDGER,
    .risk = ERP_RISK_BOOKS,
    .money = ERP_MONEY_AMOUNT,
    .load = &rv_sql_load_journal_post,
    .keys = post_keys,
    .decide = post_decide,
    .compensate = post_compensate,
};
/* clang-format on */

/* ---- journal.reverse ---- */

static int reverse_keys(const json_t *args, struct rv_arena *arena, const char *out[ERP_KEYS_MAX])
{
    return erp_key_id(args, "entry", "je", arena, out);
}

/* The document goes back to registered; refused while anything of its open item is used. */
static enum rv_code give_back(const struct erp_context *context, const json_t *state,
                              const char *kind, const char *event, struct erp_outcome *outcome,
                              struct rv_error *err)
{
    const json_t *document = erp_part(state, kind);
    const json_t *item = erp_part(state, "item");
    int64_t id = rv_json_int(document, "id", 0);
    if (item == NULL || strcmp(rv_json_str(document, "state", ""), "held") == 0 ||
        rv_json_int(item, "open", 0) != rv_json_int(item, "amount", 0) ||
        rv_json_int(item, "reserved", 0) != 0) {
        rv_fail(err, RV_CONFLICT, "%s %" PRId64 " is held, settled or in a payment", kind, id);
        rv_hint(err, "Release the hold, cancel the payment or unmatch the bank line first.");
        return RV_CONFLICT;
    }
    json_t *body =
        json_pack("{s:I,s:O}", "id", (json_int_t)id, "open_item", json_object_get(item, "id"));
    erp_emit(outcome, erp_stream(context->arena, kind, id), rv_json_int(document, "version", 0) + 1,
             event, context->today, body);
    return RV_OK;
}

static enum rv_code reverse_decide(const struct erp_context *context, const json_t *args,
                                   const json_t *state, struct erp_outcome *outcome,
                                   struct rv_error *err)
{
    const json_t *je = json_object_get(state, "je");
    const char *kind = rv_json_str(je, "doc_kind", "");
    bool manual = strcmp(kind, "manual") == 0;
    bool invoice = strcmp(kind, "invoice") == 0;
    bool credit = strcmp(kind, "credit_note") == 0;
    if (!manual && !invoice && !credit) {
        rv_fail(err, RV_CONFLICT, "the entry of a %s is not reversed alone", kind);
        rv_hint(err, "Use bank_line.unmatch; a released payment can only be asked back.");
        return RV_CONFLICT;
    }
    if (!manual && erp_part(je, "reverses") != NULL) {
        rv_fail(err, RV_CONFLICT, "entry %" PRId64 " is a reversal itself",
                rv_json_int(je, "id", 0));
        rv_hint(err, "Post the document again.");
        return RV_CONFLICT;
    }
    enum rv_code code = RV_OK;
    if (invoice) {
        code = give_back(context, state, "invoice", "invoice.unposted.v1", outcome, err);
    } else if (credit) {
        code = give_back(context, state, "credit_note", "credit_note.unposted.v1", outcome, err);
    }
    if (code == RV_OK) {
        code = erp_reverse(context, outcome, context->first_id, erp_day(context, args, "date"), je,
                           json_object_get(state, "lines"), json_object_get(state, "locks"),
                           manual ? "GL" : "AP", rv_json_str(args, "reason", ""), err);
    }
    if (code == RV_OK) {
        json_t *answer = json_pack("{s:I,s:O,s:s}", "entry", (json_int_t)context->first_id,
                                   "reversed", json_object_get(je, "id"), "doc_kind", kind);
        erp_copy(answer, "doc", je, "doc_id");
        erp_answer(outcome, answer);
    }
    return code;
}

static bool reverse_compensate(const json_t *args, const json_t *answer, const char **name,
                               json_t **out_args)
{
    const char *kind = rv_json_str(answer, "doc_kind", "manual");
    if (strcmp(kind, "manual") == 0) {
        return post_compensate(args, answer, name, out_args); /* the reversal of the reversal */
    }
    *name = strcmp(kind, "invoice") == 0 ? "invoice.post" : "credit_note.post";
    *out_args = json_pack("{s:O}", kind, json_object_get(answer, "doc"));
    return true;
}

const struct erp_command erp_journal_reverse = {
    .name = "journal.reverse",
    .summary = "Takes an entry back by its opposite; an invoice becomes registered again.",
    .schema = OBJECT(JSON("entry", "reason"),
                     FIELD("entry", ID) "," FIELD("date", DATE) "," FIELD("reason", REASON)),
    .tier = ERP_TIER_LEDGER,
    .risk = ERP_RISK_BOOKS,
    .money = ERP_MONEY_AMOUNT,
    .load = &rv_sql_load_journal_entry,
    .keys = reverse_keys,
    .decide = reverse_decide,
    .compensate = reverse_compensate,
};
