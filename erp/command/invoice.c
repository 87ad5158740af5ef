/* invoice.c -- documents of a supplier about money become facts: invoice, credit note, remittance.
 *
 * Nothing is judged here beyond what makes a document readable: a wrong sum or a second copy is
 * registered too, and the detectors (erp/exception) say what is wrong with it.  The guard against
 * paying twice stands at posting.  The same file again changes nothing.
 *
 * A supplier nobody registered becomes a party with status "unverified": a fresh tenant can import
 * a chain of documents and matching works, but its bank details are never master data. */
#include "erp/command/area.h"
#include "erp/command/effect.h"
#include "erp/command/words.h"
#include "erp/domain/date.h"
#include "erp/domain/money.h"
#include "erp/domain/norm.h"
#include "erp_command_sql.h"

#include <string.h>

enum { PAYMENT_DAYS_DEFAULT = 30 };

/* ---- pieces of the body ---- */

static json_t *document_lines(const json_t *doc)
{
    json_t *lines = json_array();
    size_t i;
    json_t *from;
    json_array_foreach(json_object_get(doc, "lines"), i, from)
    {
        json_t *line = json_pack("{s:I}", "pos", (json_int_t)i + 1);
        char position[16];
        snprintf(position, sizeof position, "%zu", i + 1);
        erp_set_str(line, "no", rv_json_str(from, "no", position));
        erp_copy(line, "order_line", from, "order_line");
        erp_copy(line, "item", from, "item");
        erp_copy(line, "buyer_item", from, "buyer_item");
        erp_copy(line, "description", from, "description");
        erp_set_str(line, "qty", rv_json_str(from, "qty", "1"));
        erp_copy(line, "unit", from, "unit");
        erp_copy(line, "price", from, "price");
        erp_set_str(line, "base_qty", rv_json_str(from, "price_base_qty", "1"));
        erp_set_int(line, "net", rv_json_int(from, "net_minor", 0));
        erp_copy(line, "tax_category", from, "tax_category");
        erp_copy(line, "tax_rate", from, "tax_rate");
        json_array_append_new(lines, line);
    }
    return lines;
}

static json_t *document_taxes(const json_t *doc)
{
    json_t *taxes = json_array();
    size_t i;
    json_t *from;
    json_array_foreach(json_object_get(doc, "tax"), i, from)
    {
        json_t *tax = json_pack("{s:I,s:I,s:I}", "pos", (json_int_t)i + 1, "base",
                                (json_int_t)rv_json_int(from, "base_minor", 0), "tax",
                                (json_int_t)rv_json_int(from, "tax_minor", 0));
        erp_copy(tax, "category", from, "category");
        erp_copy(tax, "rate", from, "rate");
        erp_copy(tax, "exemption", from, "exemption");
        json_array_append_new(taxes, tax);
    }
    return taxes;
}

struct totals {
    int64_t net;
    int64_t tax;
    int64_t gross;
    int64_t payable;
};

/* What a document leaves out and arithmetic gives; overflow is refused. */
static enum rv_code read_totals(const json_t *doc, struct totals *out, struct rv_error *err)
{
    const json_t *totals = json_object_get(doc, "totals");
    int64_t sum = 0;
    size_t i;
    json_t *line;
    enum rv_code code = RV_OK;
    json_array_foreach(json_object_get(doc, "lines"), i, line)
    {
        if (code == RV_OK) {
            code = erp_money_add(sum, rv_json_int(line, "net_minor", 0), "the sum of the lines",
                                 &sum, err);
        }
    }
    out->tax = rv_json_int(totals, "tax_minor", 0);
    out->net = rv_json_int(totals, "net_minor", rv_json_int(totals, "lines_minor", sum));
    int64_t gross = 0;
    if (code == RV_OK) {
        code = erp_money_add(out->net, out->tax, "the gross total", &gross, err);
    }
    out->gross = rv_json_int(totals, "gross_minor", gross);
    out->payable = rv_json_int(totals, "payable_minor", out->gross);
    return code;
}

static json_t *document_body(const struct erp_context *context, const json_t *doc, int64_t party,
                             const struct totals *totals)
{
    const char *number = rv_json_str(doc, "number", "");
    json_t *body =
        json_pack("{s:I,s:I,s:s,s:s,s:I,s:I,s:I,s:I,s:o}", "id", (json_int_t)context->first_id,
                  "party", (json_int_t)party, "number", number, "number_norm",
                  erp_norm_number(context->arena, number), "net", (json_int_t)totals->net, "tax",
                  (json_int_t)totals->tax, "gross", (json_int_t)totals->gross, "payable",
                  (json_int_t)totals->payable, "registered", erp_date_json(context->today));
    erp_copy(body, "issued", doc, "issue_date");
    erp_copy(body, "currency", doc, "currency");
    erp_copy(body, "file_sha256", doc, "file_sha256");
    const json_t *findings = json_object_get(doc, "findings");
    json_object_set_new(body, "findings",
                        findings == NULL ? json_array() : json_deep_copy(findings));
    return body;
}

/* ---- invoice.register ---- */

static int invoice_keys(const json_t *args, struct rv_arena *arena, const char *out[ERP_KEYS_MAX])
{
    return erp_document_keys(args, "invoice", arena, out);
}

static void put_payment(json_t *body, const json_t *doc)
{
    const json_t *payment = json_object_get(doc, "payment");
    erp_copy(body, "pay_iban", payment, "iban");
    erp_copy(body, "pay_account", payment, "account");
    erp_copy(body, "pay_reference", payment, "reference");
}

static void put_totals(json_t *body, const json_t *doc)
{
    static const char *const names[] = {"allowances", "charges", "prepaid", "rounding"};
    const json_t *totals = json_object_get(doc, "totals");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char key[32];
        snprintf(key, sizeof key, "%s_minor", names[i]);
        erp_set_int(body, names[i], rv_json_int(totals, key, 0));
    }
    erp_copy(body, "lines_total", totals, "lines_minor");
}

static enum rv_code invoice_decide(const struct erp_context *context, const json_t *args,
                                   const json_t *state, struct erp_outcome *outcome,
                                   struct rv_error *err)
{
    if (erp_document_known(args, state, "invoice", outcome)) {
        return RV_OK;
    }
    struct totals totals = {0};
    int64_t party = 0;
    enum rv_code code = read_totals(args, &totals, err);
    if (code == RV_OK) {
        code = erp_document_party(context, args, state, outcome, &party, err);
    }
    if (code != RV_OK) {
        return code;
    }
    int64_t issued = erp_day(context, args, "issue_date");
    int64_t days = rv_json_int(erp_part(state, "party"), "payment_days", PAYMENT_DAYS_DEFAULT);
    json_t *body = document_body(context, args, party, &totals);
    json_object_set_new(body, "due",
                        json_object_get(args, "due_date") != NULL
                            ? json_deep_copy(json_object_get(args, "due_date"))
                            : erp_date_json(issued + days));
    json_object_set_new(body, "lines", document_lines(args));
    json_object_set_new(body, "taxes", document_taxes(args));
    const json_t *allowances = json_object_get(args, "allowances");
    json_object_set_new(body, "allowance_lines",
                        allowances == NULL ? json_array() : json_deep_copy(allowances));
    put_totals(body, args);
    put_payment(body, args);
    erp_copy(body, "order_ref", args, "order_ref");
    erp_set_str(body, "order_ref_norm",
                erp_norm_number(context->arena, rv_json_str(args, "order_ref", NULL)));
    erp_copy(body, "contract_ref", args, "contract_ref");
    erp_copy(body, "format", args, "format");
    erp_emit(outcome, erp_stream(context->arena, "invoice", context->first_id), 1,
             "invoice.registered.v1", issued, body);
    erp_answer(outcome, json_pack("{s:I,s:I,s:b,s:b}", "invoice", (json_int_t)context->first_id,
                                  "party", (json_int_t)party, "party_created",
                                  erp_part(state, "party") == NULL, "changed", 1));
    return RV_OK;
}

static bool invoice_compensate(const json_t *args, const json_t *answer, const char **name,
                               json_t **out_args)
{
    (void)args;
    if (!rv_json_bool(answer, "changed", false)) {
        return false;
    }
    *name = "invoice.reject";
    *out_args = json_pack("{s:O,s:s}", "invoice", json_object_get(answer, "invoice"), "reason",
                          "registration taken back");
    return true;
}

/* clang-format off */
#define DOCUMENT_LINE OBJECT("", \
    FIELD("no", NAME) "," FIELD("order_line", NAME) "," FIELD("item", NAME) "," \
    FIELD("buyer_item", NAME) "," FIELD("description", TEXT) "," FIELD("qty", DECIMAL) "," \
    FIELD("unit", NAME) "," FIELD("price", DECIMAL) "," FIELD("price_base_qty", DECIMAL) "," \
    FIELD("net_minor", MINOR) "," FIELD("tax_category", NAME) "," FIELD("tax_rate", DECIMAL) "," \
    FIELD("note", TEXT))
#define DOCUMENT_ALLOWANCE OBJECT("", \
    FIELD("charge", BOOL) "," FIELD("amount_minor", MINOR) "," FIELD("base_minor", MINOR) "," \
    FIELD("percent", DECIMAL) "," FIELD("reason", TEXT) "," FIELD("tax_category", NAME) "," \
    FIELD("tax_rate", DECIMAL))
#define DOCUMENT_TAX OBJECT("", \
    FIELD("category", NAME) "," FIELD("rate", DECIMAL) "," FIELD("base_minor", MINOR) "," \
    FIELD("tax_minor", MINOR) "," FIELD("exemption", TEXT))
#define DOCUMENT_FIELDS \
    FIELD("number", NAME) "," FIELD("issue_date", DATE) "," FIELD("due_date", DATE) "," \
    FIELD("currency", CURRENCY) "," FIELD("supplier", PARTY) "," FIELD("buyer", PARTY) "," \
    FIELD("order_ref", NAME) "," FIELD("contract_ref", NAME) "," FIELD("note", TEXT) "," \
    FIELD("payment", PAYMENT_MEANS) "," FIELD("preceding_invoice", NAME) "," \
    FIELD("lines", LIST(5000, DOCUMENT_LINE)) "," FIELD("allowances", LIST(1000, DOCUMENT_ALLOWANCE)) "," \
    FIELD("tax", LIST(1000, DOCUMENT_TAX)) "," FIELD("totals", TOTALS) "," FIELD("format", NAME) "," \
    FIELD("file_sha256", HASH) "," FIELD("findings", FINDINGS)

const struct erp_command erp_invoice_register = {
    .name = "invoice.register",
    .summary = "Registers a supplier's invoice from its document; nothing is posted yet.",
    .schema = OBJECT(JSON("kind", "number", "issue_date", "currency", "supplier", "totals"),
        FIELD("kind", JSON({"type": "string", "enum": ["invoice"]})) "," DOCUMENT_FIELDS),
    .tier = ERP_TIER_REVERSIBLE,
    .risk = ERP_RISK_DRAFT,
    .load = &rv_sql_load_document,
    .keys = invoice_keys,
    .decide = invoice_decide,
    .compensate = invoice_compensate,
};
/* clang-format on */

/* ---- credit_note.register ---- */

static int credit_keys(const json_t *args, struct rv_arena *arena, const char *out[ERP_KEYS_MAX])
{
    return erp_document_keys(args, "credit_note", arena, out);
}

static enum rv_code credit_decide(const struct erp_context *context, const json_t *args,
                                  const json_t *state, struct erp_outcome *outcome,
                                  struct rv_error *err)
{
    if (erp_document_known(args, state, "credit_note", outcome)) {
        return RV_OK;
    }
    struct totals totals = {0};
    int64_t party = 0;
    enum rv_code code = read_totals(args, &totals, err);
    if (code == RV_OK) {
        code = erp_document_party(context, args, state, outcome, &party, err);
    }
    if (code != RV_OK) {
        return code;
    }
    json_t *body = document_body(context, args, party, &totals);
    erp_copy(body, "preceding", args, "preceding_invoice");
    erp_set_str(body, "preceding_norm",
                erp_norm_number(context->arena, rv_json_str(args, "preceding_invoice", NULL)));
    json_object_set_new(body, "lines", document_lines(args));
    erp_emit(outcome, erp_stream(context->arena, "credit_note", context->first_id), 1,
             "credit_note.registered.v1", erp_day(context, args, "issue_date"), body);
    erp_answer(outcome, json_pack("{s:I,s:I,s:b}", "credit_note", (json_int_t)context->first_id,
                                  "party", (json_int_t)party, "changed", 1));
    return RV_OK;
}

/* clang-format off */
const struct erp_command erp_credit_note_register = {
    .name = "credit_note.register",
    .summary = "Registers a supplier's credit note from its document; nothing is posted yet.",
    .schema = OBJECT(JSON("kind", "number", "issue_date", "currency", "supplier", "totals"),
        FIELD("kind", JSON({"type": "string", "enum": ["credit_note"]})) "," DOCUMENT_FIELDS),
    .tier = ERP_TIER_NOTE,
    .risk = ERP_RISK_DRAFT,
    .load = &rv_sql_load_document,
    .keys = credit_keys,
    .decide = credit_decide,
    .compensate = erp_irreversible,
};
/* clang-format on */

/* ---- remittance.register ---- */

static int remittance_keys(const json_t *args, struct rv_arena *arena,
                           const char *out[ERP_KEYS_MAX])
{
    return erp_document_keys(args, "remittance", arena, out);
}

static enum rv_code remittance_decide(const struct erp_context *context, const json_t *args,
                                      const json_t *state, struct erp_outcome *outcome,
                                      struct rv_error *err)
{
    if (erp_document_known(args, state, "remittance", outcome)) {
        return RV_OK;
    }
    const char *number = rv_json_str(args, "number", "");
    if (json_array_size(json_object_get(state, "same")) > 0) {
        return rv_fail(err, RV_CONFLICT, "remittance \"%s\" is registered already", number);
    }
    int64_t party = 0;
    enum rv_code code = erp_document_party(context, args, state, outcome, &party, err);
    if (code != RV_OK) {
        return code;
    }
    json_t *lines = json_array();
    int64_t sum = 0;
    size_t i;
    json_t *from;
    json_array_foreach(json_object_get(args, "lines"), i, from)
    {
        int64_t paid = rv_json_int(from, "paid_minor", 0);
        if (code == RV_OK) {
            code = erp_money_add(sum, paid, "the remittance", &sum, err);
        }
        json_t *line = json_pack("{s:I,s:I}", "pos", (json_int_t)i + 1, "paid", (json_int_t)paid);
        erp_copy(line, "invoice_ref", from, "invoice");
        erp_set_str(line, "invoice_ref_norm",
                    erp_norm_number(context->arena, rv_json_str(from, "invoice", NULL)));
        erp_copy(line, "paid_on", json_object_get(from, "date") != NULL ? from : args,
                 json_object_get(from, "date") != NULL ? "date" : "issue_date");
        json_array_append_new(lines, line);
    }
    if (code != RV_OK) {
        json_decref(lines);
        return code;
    }
    json_t *body = json_pack("{s:I,s:I,s:s,s:s,s:o,s:I}", "id", (json_int_t)context->first_id,
                             "party", (json_int_t)party, "number", number, "number_norm",
                             erp_norm_number(context->arena, number), "lines", lines, "total",
                             (json_int_t)rv_json_int(args, "total_minor", sum));
    erp_copy(body, "issued", args, "issue_date");
    erp_copy(body, "currency", args, "currency");
    erp_copy(body, "file_sha256", args, "file_sha256");
    erp_emit(outcome, erp_stream(context->arena, "remittance", context->first_id), 1,
             "remittance.registered.v1", erp_day(context, args, "issue_date"), body);
    erp_answer(outcome, json_pack("{s:I,s:I,s:b}", "remittance", (json_int_t)context->first_id,
                                  "party", (json_int_t)party, "changed", 1));
    return RV_OK;
}

/* clang-format off */
const struct erp_command erp_remittance_register = {
    .name = "remittance.register",
    .summary = "Registers a remittance advice: what was paid for which invoices.",
    .schema = OBJECT(JSON("kind", "number", "issue_date", "currency", "supplier", "lines"),
        FIELD("kind", JSON({"type": "string", "enum": ["remittance"]})) ","
        FIELD("number", NAME) "," FIELD("issue_date", DATE) "," FIELD("currency", CURRENCY) ","
        FIELD("supplier", PARTY) "," FIELD("buyer", PARTY) "," FIELD("total_minor", MINOR) "," FIELD("note", TEXT) ","
        FIELD("lines", LIST1(5000, OBJECT("",
            FIELD("invoice", NAME) "," FIELD("paid_minor", MINOR) "," FIELD("date", DATE) ","
            FIELD("no", NAME) "," FIELD("note", TEXT)))) ","
        FIELD("payment", PAYMENT_MEANS) "," FIELD("findings", FINDINGS) "," FIELD("format", NAME) ","
        FIELD("file_sha256", HASH)),
    .tier = ERP_TIER_NOTE,
    .risk = ERP_RISK_DRAFT,
    .load = &rv_sql_load_document,
    .keys = remittance_keys,
    .decide = remittance_decide,
    .compensate = erp_irreversible,
};
/* clang-format on */
