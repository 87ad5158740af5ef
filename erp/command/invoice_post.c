/* invoice_post.c -- an invoice becomes what we owe, a credit note what we are owed.
 *
 *   invoice       debit   GR/IR (lines of an order) or expense       net of each line
 *                 debit   input VAT                                  tax
 *                 credit  accounts payable                           payable
 *   credit note   the same with the sides changed
 *
 * The allowances and charges of the whole document go with the largest line account.  What the
 * document says it rounds goes to the rounding account, what was prepaid lowers the payable.
 * Refused when the document's own totals do not add up: such an invoice is rejected or corrected,
 * never bent. */
#include "erp/command/area.h"
#include "erp/command/effect.h"
#include "erp/command/words.h"
#include "erp/domain/money.h"
#include "erp_command_sql.h"

#include <inttypes.h>
#include <string.h>

static int post_keys(const json_t *args, struct rv_arena *arena, const char *out[ERP_KEYS_MAX])
{
    return erp_key_id(args, "invoice", "invoice", arena, out);
}

/* net + tax + rounding - prepaid must be what is payable. */
static enum rv_code check_totals(const json_t *doc, const char *what, struct rv_error *err)
{
    const char *currency = rv_json_str(doc, "currency", "");
    int64_t sum = 0;
    enum rv_code code =
        erp_money_add(rv_json_int(doc, "net", 0), rv_json_int(doc, "tax", 0), what, &sum, err);
    if (code == RV_OK) {
        code = erp_money_add(sum, rv_json_int(doc, "rounding", 0), what, &sum, err);
    }
    if (code == RV_OK) {
        code = erp_money_add(sum, -rv_json_int(doc, "prepaid", 0), what, &sum, err);
    }
    if (code != RV_OK || sum == rv_json_int(doc, "payable", 0)) {
        return code;
    }
    char adds[ERP_MONEY_TEXT];
    char says[ERP_MONEY_TEXT];
    erp_money_format(sum, currency, adds);
    erp_money_format(rv_json_int(doc, "payable", 0), currency, says);
    rv_fail(err, RV_CONFLICT,
            "the totals of the %s do not add up: net and tax give %s, payable says %s", what, adds,
            says);
    rv_hint(err, "Reject it with the rule BR-CO-16 and ask for a correct one.");
    return RV_CONFLICT;
}

/* Account of one line: what the arguments assign, the supplier's own, GR/IR for ordered goods, or
 * the general expense account. */
struct target {
    const char *number;
    const char *name;
};

static enum rv_code line_account(const json_t *args, const json_t *state, const char *no,
                                 bool ordered, struct target *out, struct rv_error *err)
{
    const char *number = NULL;
    size_t i;
    json_t *assignment;
    json_array_foreach(json_object_get(args, "assignments"), i, assignment)
    {
        if (strcmp(rv_json_str(assignment, "line", ""), no) == 0) {
            number = rv_json_str(assignment, "account", NULL);
        }
    }
    if (number == NULL && !ordered) {
        number = rv_json_str(erp_part(state, "party"), "expense_account", NULL);
    }
    if (number != NULL) {
        const json_t *account = json_object_get(erp_part(state, "accounts"), number);
        if (account == NULL || !rv_json_bool(account, "active", false)) {
            rv_fail(err, RV_NOT_FOUND, "account %s does not exist or is not active", number);
            rv_hint(err, "Assign line \"%s\" to an active account.", no);
            return RV_NOT_FOUND;
        }
        *out = (struct target){number, rv_json_str(account, "name", "")};
        return RV_OK;
    }
    const json_t *roles = json_object_get(state, "roles");
    const json_t *account = json_object_get(roles, ordered ? "grir" : "expense");
    account = account == NULL ? json_object_get(roles, "expense") : account;
    if (account == NULL) {
        rv_fail(err, RV_NOT_FOUND,
                "the chart of accounts has no account with the role \"expense\"");
        rv_hint(err, "Register one: account.register with role \"expense\".");
        return RV_NOT_FOUND;
    }
    *out = (struct target){rv_json_str(account, "number", ""), rv_json_str(account, "name", "")};
    return RV_OK;
}

/* Sums the lines by account; the rest up to `net` (document allowances) joins the largest. */
static enum rv_code post_lines(struct erp_posting *posting, const json_t *args, const json_t *state,
                               const json_t *doc, struct rv_error *err)
{
    const char *currency = rv_json_str(doc, "currency", "");
    json_t *sums = json_object();
    json_t *names = json_object();
    int64_t rest = rv_json_int(doc, "net", 0);
    enum rv_code code = RV_OK;
    size_t i;
    json_t *line;
    json_array_foreach(json_object_get(state, "lines"), i, line)
    {
        struct target target = {0};
        if (code == RV_OK) {
            code = line_account(args, state, rv_json_str(line, "no", ""),
                                rv_json_bool(line, "ordered", false), &target, err);
        }
        if (code == RV_OK) {
            int64_t net = rv_json_int(line, "net", 0);
            erp_set_int(sums, target.number, rv_json_int(sums, target.number, 0) + net);
            erp_set_str(names, target.number, target.name);
            rest -= net;
        }
    }
    if (code == RV_OK && json_object_size(sums) == 0) {
        struct target target = {0};
        code = line_account(args, state, "", false, &target, err);
        if (code == RV_OK) {
            erp_set_int(sums, target.number, 0);
            erp_set_str(names, target.number, target.name);
        }
    }
    const char *largest = NULL;
    const char *number;
    json_t *sum;
    json_object_foreach(sums, number, sum)
    {
        if (largest == NULL ||
            llabs(json_integer_value(sum)) > llabs(rv_json_int(sums, largest, 0))) {
            largest = number;
        }
    }
    if (code == RV_OK) {
        erp_set_int(sums, largest, rv_json_int(sums, largest, 0) + rest);
    }
    json_object_foreach(sums, number, sum)
    {
        if (code == RV_OK) {
            erp_posting_line(posting, number, rv_json_str(names, number, ""),
                             json_integer_value(sum), currency, 0, NULL);
        }
    }
    json_decref(sums);
    json_decref(names);
    return code;
}

static enum rv_code refuse_twin(const json_t *state, const char *what, struct rv_error *err)
{
    if (erp_part(state, "twin") == NULL) {
        return RV_OK;
    }
    rv_fail(err, RV_CONFLICT,
            "the same %s is posted already as %lld: same supplier, number and amount", what,
            (long long)rv_json_int(state, "twin", 0));
    rv_hint(err, "Reject it as a duplicate.");
    return RV_CONFLICT;
}

static json_t *open_item(const struct erp_context *context, const json_t *doc, int64_t amount,
                         json_t *due)
{
    return json_pack("{s:I,s:O,s:O,s:O,s:O,s:I,s:o}", "id", (json_int_t)context->first_id + 1,
                     "party", json_object_get(doc, "party"), "ref", json_object_get(doc, "number"),
                     "ref_norm", json_object_get(doc, "number_norm"), "currency",
                     json_object_get(doc, "currency"), "amount", (json_int_t)amount, "due", due);
}

static enum rv_code post_decide(const struct erp_context *context, const json_t *args,
                                const json_t *state, struct erp_outcome *outcome,
                                struct rv_error *err)
{
    const json_t *invoice = json_object_get(state, "invoice");
    const char *currency = rv_json_str(invoice, "currency", "");
    int64_t id = rv_json_int(invoice, "id", 0);
    int64_t party = rv_json_int(invoice, "party", 0);
    int64_t payable = rv_json_int(invoice, "payable", 0);
    int64_t day = erp_day(context, args, "post_date");
    enum rv_code code = erp_need_state(invoice, "invoice", "posted", err, "registered", NULL);
    if (code == RV_OK) {
        code = refuse_twin(state, "invoice", err);
    }
    if (code == RV_OK) {
        code = check_totals(invoice, "invoice", err);
    }
    if (code == RV_OK && payable < 0) {
        code = rv_fail(err, RV_INVALID, "invoice %" PRId64 " has a negative payable", id);
        rv_hint(err, "Register it as a credit note.");
    }
    if (code != RV_OK) {
        return code;
    }
    struct erp_posting posting;
    erp_posting_open(&posting, context, outcome, context->first_id, day, "invoice", id,
                     rv_json_str(args, "memo", rv_json_str(invoice, "number", "")));
    code = post_lines(&posting, args, state, invoice, err);
    if (code == RV_OK) {
        code = erp_posting_role(&posting, state, "vat_input", rv_json_int(invoice, "tax", 0),
                                currency, 0, err);
    }
    if (code == RV_OK) {
        code = erp_posting_role(&posting, state, "rounding", rv_json_int(invoice, "rounding", 0),
                                currency, 0, err);
    }
    if (code == RV_OK) {
        code = erp_posting_role(&posting, state, "suspense", -rv_json_int(invoice, "prepaid", 0),
                                currency, party, err);
    }
    if (code == RV_OK) {
        code = erp_posting_role(&posting, state, "ap_control", -payable, currency, party, err);
    }
    if (code != RV_OK) {
        erp_posting_drop(&posting);
        return code;
    }
    code = erp_posting_close(&posting, json_object_get(state, "locks"), "AP", err);
    if (code != RV_OK) {
        return code;
    }
    int64_t version = rv_json_int(invoice, "version", 0) + 1;
    json_t *body = json_pack(
        "{s:I,s:I,s:o}", "id", (json_int_t)id, "je", (json_int_t)context->first_id, "item",
        open_item(context, invoice, payable, json_incref(json_object_get(invoice, "due"))));
    erp_emit(outcome, erp_stream(context->arena, "invoice", id), version, "invoice.posted.v1", day,
             body);
    erp_answer(outcome, json_pack("{s:I,s:I,s:I,s:I}", "invoice", (json_int_t)id, "version",
                                  (json_int_t)version, "entry", (json_int_t)context->first_id,
                                  "open_item", (json_int_t)context->first_id + 1));
    return RV_OK;
}

static bool post_compensate(const json_t *args, const json_t *answer, const char **name,
                            json_t **out_args)
{
    (void)args;
    *name = "journal.reverse";
    *out_args = json_pack("{s:O,s:s}", "entry", json_object_get(answer, "entry"), "reason",
                          "posting taken back");
    return true;
}

/* clang-format off */
const struct erp_command erp_invoice_post = {
    .name = "invoice.post",
    .summary = "Posts an invoice: expense or goods received, input tax, and what we owe from now on.",
    .schema = OBJECT(JSON("invoice"),
        FIELD("invoice", ID) "," FIELD("post_date", DATE) "," FIELD("memo", TEXT) ","
        FIELD("assignments", LIST(5000, OBJECT(JSON("line", "account"),
            FIELD("line", NAME) "," FIELD("account", NAME))))),
    .tier = ERP_TIER_LEDGER,
    .risk = ERP_RISK_BOOKS,
    .money = ERP_MONEY_AMOUNT,
    .load = &rv_sql_load_invoice_post,
    .keys = post_keys,
    .decide = post_decide,
    .compensate = post_compensate,
};
/* clang-format on */

/* ---- credit_note.post ---- */

static int credit_keys(const json_t *args, struct rv_arena *arena, const char *out[ERP_KEYS_MAX])
{
    return erp_key_id(args, "credit_note", "credit_note", arena, out);
}

static enum rv_code credit_decide(const struct erp_context *context, const json_t *args,
                                  const json_t *state, struct erp_outcome *outcome,
                                  struct rv_error *err)
{
    const json_t *note = json_object_get(state, "credit_note");
    const char *currency = rv_json_str(note, "currency", "");
    int64_t id = rv_json_int(note, "id", 0);
    int64_t party = rv_json_int(note, "party", 0);
    int64_t payable = rv_json_int(note, "payable", 0);
    int64_t day = erp_day(context, args, "post_date");
    enum rv_code code = erp_need_state(note, "credit note", "posted", err, "registered", NULL);
    if (code == RV_OK) {
        code = refuse_twin(state, "credit note", err);
    }
    if (code == RV_OK) {
        code = check_totals(note, "credit note", err);
    }
    struct target target = {0};
    if (code == RV_OK) {
        code = line_account(args, state, "", rv_json_bool(state, "ordered", false), &target, err);
    }
    if (code != RV_OK) {
        return code;
    }
    struct erp_posting posting;
    erp_posting_open(&posting, context, outcome, context->first_id, day, "credit_note", id,
                     rv_json_str(note, "number", ""));
    code = erp_posting_role(&posting, state, "ap_control", payable, currency, party, err);
    if (code == RV_OK) {
        erp_posting_line(&posting, target.number, target.name, -rv_json_int(note, "net", 0),
                         currency, 0, NULL);
        code = erp_posting_role(&posting, state, "vat_input", -rv_json_int(note, "tax", 0),
                                currency, 0, err);
    }
    if (code != RV_OK) {
        erp_posting_drop(&posting);
        return code;
    }
    code = erp_posting_close(&posting, json_object_get(state, "locks"), "AP", err);
    if (code != RV_OK) {
        return code;
    }
    int64_t version = rv_json_int(note, "version", 0) + 1;
    json_t *body = json_pack(
        "{s:I,s:I,s:o}", "id", (json_int_t)id, "je", (json_int_t)context->first_id, "item",
        open_item(context, note, -payable, json_incref(json_object_get(note, "issued"))));
    erp_emit(outcome, erp_stream(context->arena, "credit_note", id), version,
             "credit_note.posted.v1", day, body);
    erp_answer(outcome, json_pack("{s:I,s:I,s:I}", "credit_note", (json_int_t)id, "entry",
                                  (json_int_t)context->first_id, "open_item",
                                  (json_int_t)context->first_id + 1));
    return RV_OK;
}

/* clang-format off */
const struct erp_command erp_credit_note_post = {
    .name = "credit_note.post",
    .summary = "Posts a credit note: lowers expense and input tax, the supplier owes us.",
    .schema = OBJECT(JSON("credit_note"), FIELD("credit_note", ID) "," FIELD("post_date", DATE)),
    .tier = ERP_TIER_LEDGER,
    .risk = ERP_RISK_BOOKS,
    .money = ERP_MONEY_AMOUNT,
    .load = &rv_sql_load_credit_note,
    .keys = credit_keys,
    .decide = credit_decide,
    .compensate = post_compensate,
};
/* clang-format on */
