/* order.c -- what was ordered and what came: purchase orders, receipts, despatch advices. */
#include "erp/command/area.h"
#include "erp/command/effect.h"
#include "erp/command/words.h"
#include "erp/domain/money.h"
#include "erp/domain/norm.h"
#include "erp_command_sql.h"

#include <string.h>

/* ---- order.register ---- */

static int order_keys(const json_t *args, struct rv_arena *arena, const char *out[ERP_KEYS_MAX])
{
    return erp_document_keys(args, "order", arena, out);
}

static json_t *order_lines(const json_t *doc)
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
        erp_copy(line, "item", from, "item");
        erp_copy(line, "buyer_item", from, "buyer_item");
        erp_copy(line, "description", from, "description");
        erp_set_str(line, "qty", rv_json_str(from, "qty", "0"));
        erp_copy(line, "unit", from, "unit");
        erp_copy(line, "price", from, "price");
        erp_set_str(line, "base_qty", rv_json_str(from, "price_base_qty", "1"));
        erp_copy(line, "net", from, "net_minor");
        erp_copy(line, "tax_rate", from, "tax_rate");
        json_array_append_new(lines, line);
    }
    return lines;
}

static enum rv_code order_decide(const struct erp_context *context, const json_t *args,
                                 const json_t *state, struct erp_outcome *outcome,
                                 struct rv_error *err)
{
    if (erp_document_known(args, state, "order", outcome)) {
        return RV_OK;
    }
    const char *number = rv_json_str(args, "number", "");
    if (json_array_size(json_object_get(state, "same")) > 0) {
        rv_fail(err, RV_CONFLICT, "order \"%s\" of this supplier is registered already", number);
        rv_hint(err, "Change it with order.change; an order is not said twice.");
        return RV_CONFLICT;
    }
    int64_t party = 0;
    enum rv_code code = erp_document_party(context, args, state, outcome, &party, err);
    if (code != RV_OK) {
        return code;
    }
    const json_t *totals = json_object_get(args, "totals");
    json_t *body = json_pack("{s:I,s:I,s:s,s:s,s:o}", "id", (json_int_t)context->first_id, "party",
                             (json_int_t)party, "number", number, "number_norm",
                             erp_norm_number(context->arena, number), "lines", order_lines(args));
    erp_copy(body, "issued", args, "issue_date");
    erp_copy(body, "currency", args, "currency");
    erp_copy(body, "net", totals,
             json_object_get(totals, "net_minor") ? "net_minor" : "lines_minor");
    erp_copy(body, "tax", totals, "tax_minor");
    erp_copy(body, "gross", totals, "gross_minor");
    erp_copy(body, "file_sha256", args, "file_sha256");
    const json_t *findings = json_object_get(args, "findings");
    json_object_set_new(body, "findings",
                        findings == NULL ? json_array() : json_deep_copy(findings));
    erp_emit(outcome, erp_stream(context->arena, "order", context->first_id), 1,
             "order.registered.v1", erp_day(context, args, "issue_date"), body);
    erp_answer(outcome, json_pack("{s:I,s:I,s:b,s:b}", "order", (json_int_t)context->first_id,
                                  "party", (json_int_t)party, "party_created",
                                  erp_part(state, "party") == NULL, "changed", 1));
    return RV_OK;
}

/* clang-format off */
const struct erp_command erp_order_register = {
    .name = "order.register",
    .summary = "Registers a purchase order from its document.",
    .schema = OBJECT(JSON("kind", "number", "issue_date", "currency", "supplier", "lines"),
        FIELD("kind", JSON({"type": "string", "enum": ["order"]})) ","
        FIELD("number", NAME) "," FIELD("issue_date", DATE) "," FIELD("currency", CURRENCY) ","
        FIELD("supplier", PARTY) "," FIELD("buyer", PARTY) ","
        FIELD("lines", LIST1(5000, OBJECT(JSON("qty"),
            FIELD("no", NAME) "," FIELD("item", NAME) "," FIELD("buyer_item", NAME) ","
            FIELD("description", TEXT) "," FIELD("qty", DECIMAL) "," FIELD("unit", NAME) ","
            FIELD("price", DECIMAL) "," FIELD("price_base_qty", DECIMAL) "," FIELD("net_minor", MINOR) ","
            FIELD("tax_rate", DECIMAL) "," FIELD("tax_category", NAME) "," FIELD("note", TEXT)))) ","
        FIELD("totals", TOTALS) "," FIELD("note", TEXT) "," FIELD("contract_ref", NAME) ","
        FIELD("payment", PAYMENT_MEANS) ","
        FIELD("findings", FINDINGS) "," FIELD("format", NAME) "," FIELD("file_sha256", HASH)),
    .tier = ERP_TIER_NOTE,
    .risk = ERP_RISK_DRAFT,
    .load = &rv_sql_load_document,
    .keys = order_keys,
    .decide = order_decide,
    .compensate = erp_irreversible, /* what a document says is a fact */
};
/* clang-format on */

/* ---- order.change ---- */

static int change_keys(const json_t *args, struct rv_arena *arena, const char *out[ERP_KEYS_MAX])
{
    return erp_key_id(args, "order", "order", arena, out);
}

static const json_t *line_by_no(const json_t *lines, const char *no)
{
    size_t i;
    json_t *line;
    json_array_foreach((json_t *)(uintptr_t)lines, i, line)
    {
        if (strcmp(rv_json_str(line, "no", ""), no) == 0) {
            return line;
        }
    }
    return NULL;
}

/* "was_qty", "was_price": what the caller saw; equal as numbers, or somebody was faster. */
static enum rv_code check_was(const json_t *wanted, const json_t *line, const char *what,
                              struct rv_error *err)
{
    char key[16];
    snprintf(key, sizeof key, "was_%s", what);
    const char *was = rv_json_str(wanted, key, NULL);
    int64_t seen = 0;
    int64_t is = 0;
    if (was == NULL) {
        return RV_OK;
    }
    enum rv_code code = erp_decimal_read(was, key, &seen, err);
    if (code == RV_OK) {
        code = erp_decimal_read(rv_json_str(line, what, "0"), what, &is, err);
    }
    if (code == RV_OK && seen != is) {
        code = rv_fail(err, RV_CONFLICT, "the %s of line \"%s\" is %s, not %s", what,
                       rv_json_str(line, "no", ""), rv_json_str(line, what, "0"), was);
        rv_hint(err, "Somebody changed it: read it again and decide again.");
    }
    return code;
}

static enum rv_code change_line(const json_t *wanted, const json_t *line, const char *currency,
                                json_t *changes, json_t *before, int64_t *net_delta,
                                struct rv_error *err)
{
    const char *no = rv_json_str(line, "no", "");
    const char *qty_text = rv_json_str(wanted, "qty", rv_json_str(line, "qty", "0"));
    const char *price_text = rv_json_str(wanted, "price", rv_json_str(line, "price", "0"));
    int64_t qty = 0;
    int64_t price = 0;
    int64_t base = ERP_DECIMAL_ONE;
    int64_t received = 0;
    enum rv_code code = erp_decimal_read(qty_text, "quantity", &qty, err);
    if (code == RV_OK) {
        code = erp_decimal_read(price_text, "price", &price, err);
    }
    if (code == RV_OK) {
        code = erp_decimal_read(rv_json_str(line, "base_qty", "1"), "base quantity", &base, err);
    }
    if (code == RV_OK) {
        code = erp_decimal_read(rv_json_str(line, "received", "0"), "received", &received, err);
    }
    if (code != RV_OK) {
        return code;
    }
    if (qty < received) {
        char text[ERP_SCALED_TEXT];
        erp_decimal_format(received, text);
        rv_fail(err, RV_CONFLICT, "line %s cannot be reduced to %s: %s have been received", no,
                qty_text, text);
        rv_hint(err, "Give at least what has been received, or return goods first.");
        return RV_CONFLICT;
    }
    code = check_was(wanted, line, "qty", err);
    if (code == RV_OK) {
        code = check_was(wanted, line, "price", err);
    }
    if (code != RV_OK) {
        return code;
    }
    int64_t net = 0;
    code = erp_line_amount(qty, price, base > 0 ? base : ERP_DECIMAL_ONE, currency,
                           ERP_ROUND_HALF_UP, &net, err);
    if (code != RV_OK) {
        return code;
    }
    *net_delta += net - rv_json_int(line, "net", 0);
    json_array_append_new(changes,
                          json_pack("{s:O,s:s,s:s,s:I}", "pos", json_object_get(line, "pos"), "qty",
                                    qty_text, "price", price_text, "net", (json_int_t)net));
    json_t *old = json_pack("{s:s,s:s,s:s,s:s}", "no", no, "qty", rv_json_str(line, "qty", "0"),
                            "was_qty", qty_text, "was_price", price_text);
    erp_copy(old, "price", line, "price");
    json_array_append_new(before, old);
    return RV_OK;
}

static enum rv_code change_decide(const struct erp_context *context, const json_t *args,
                                  const json_t *state, struct erp_outcome *outcome,
                                  struct rv_error *err)
{
    const json_t *order = json_object_get(state, "order");
    int64_t version = rv_json_int(order, "version", 0);
    int64_t id = rv_json_int(order, "id", 0);
    enum rv_code code = erp_need_state(order, "order", "changed", err, "open", NULL);
    if (code == RV_OK && rv_json_int(args, "base_version", version) != version) {
        code = rv_fail(err, RV_CONFLICT, "order %lld is at version %lld, not %lld", (long long)id,
                       (long long)version, (long long)rv_json_int(args, "base_version", 0));
        rv_hint(err, "Somebody changed it: read it again and decide again.");
    }
    json_t *changes = json_array();
    json_t *before = json_array();
    int64_t net_delta = 0;
    size_t i;
    json_t *wanted;
    json_array_foreach(json_object_get(args, "lines"), i, wanted)
    {
        const char *no = rv_json_str(wanted, "no", "");
        const json_t *line = line_by_no(json_object_get(state, "lines"), no);
        if (code == RV_OK && line == NULL) {
            code = rv_fail(err, RV_NOT_FOUND, "order %lld has no line \"%s\"", (long long)id, no);
        }
        if (code == RV_OK) {
            code = change_line(wanted, line, rv_json_str(order, "currency", ""), changes, before,
                               &net_delta, err);
        }
    }
    if (code != RV_OK) {
        json_decref(changes);
        json_decref(before);
        return code;
    }
    json_t *body = json_pack("{s:I,s:o,s:I}", "id", (json_int_t)id, "lines", changes, "net",
                             (json_int_t)(rv_json_int(order, "net", 0) + net_delta));
    erp_copy(body, "reason", args, "reason");
    erp_emit(outcome, erp_stream(context->arena, "order", id), version + 1, "order.changed.v1",
             context->today, body);
    erp_answer(outcome, json_pack("{s:I,s:I,s:o}", "order", (json_int_t)id, "version",
                                  (json_int_t)version + 1, "before", before));
    return RV_OK;
}

static bool change_compensate(const json_t *args, const json_t *answer, const char **name,
                              json_t **out_args)
{
    (void)args;
    *name = "order.change";
    *out_args = json_pack("{s:O,s:O,s:s}", "order", json_object_get(answer, "order"), "lines",
                          json_object_get(answer, "before"), "reason", "taken back");
    return true;
}

/* clang-format off */
const struct erp_command erp_order_change = {
    .name = "order.change",
    .summary = "Changes quantity or price of order lines, on the version or the values that were read.",
    .schema = OBJECT(JSON("order", "lines", "reason"),
        FIELD("order", ID) "," FIELD("base_version", ID) "," FIELD("reason", REASON) ","
        FIELD("lines", LIST1(1000, OBJECT(JSON("no"),
            FIELD("no", NAME) "," FIELD("qty", DECIMAL) "," FIELD("price", DECIMAL) ","
            FIELD("was_qty", DECIMAL) "," FIELD("was_price", DECIMAL))))),
    .tier = ERP_TIER_LEDGER,
    .risk = ERP_RISK_COMMITS,
    .money = ERP_MONEY_AMOUNT,
    .load = &rv_sql_load_order_change,
    .keys = change_keys,
    .decide = change_decide,
    .compensate = change_compensate,
};
/* clang-format on */

/* ---- receipt.register ---- */

static int receipt_keys(const json_t *args, struct rv_arena *arena, const char *out[ERP_KEYS_MAX])
{
    return erp_document_keys(args, rv_json_str(args, "kind", "receipt"), arena, out);
}

static json_t *receipt_lines(const json_t *doc)
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
        erp_copy(line, "unit", from, "unit");
        erp_set_str(line, "qty", rv_json_str(from, "qty", "0"));
        erp_set_str(line, "short_qty", rv_json_str(from, "short_qty", "0"));
        erp_set_str(line, "rejected_qty", rv_json_str(from, "rejected_qty", "0"));
        json_array_append_new(lines, line);
    }
    return lines;
}

static enum rv_code receipt_decide(const struct erp_context *context, const json_t *args,
                                   const json_t *state, struct erp_outcome *outcome,
                                   struct rv_error *err)
{
    const char *kind = rv_json_str(args, "kind", "receipt");
    if (erp_document_known(args, state, "receipt", outcome)) {
        return RV_OK;
    }
    const char *number = rv_json_str(args, "number", "");
    if (json_array_size(json_object_get(state, "same")) > 0) {
        return rv_fail(err, RV_CONFLICT, "%s \"%s\" of this supplier is registered already", kind,
                       number);
    }
    int64_t party = 0;
    enum rv_code code = erp_document_party(context, args, state, outcome, &party, err);
    if (code != RV_OK) {
        return code;
    }
    json_t *body =
        json_pack("{s:I,s:I,s:s,s:s,s:s,s:o}", "id", (json_int_t)context->first_id, "party",
                  (json_int_t)party, "kind", kind, "number", number, "number_norm",
                  erp_norm_number(context->arena, number), "lines", receipt_lines(args));
    erp_copy(body, "issued", args, "issue_date");
    erp_copy(body, "order_ref", args, "order_ref");
    erp_set_str(body, "order_ref_norm",
                erp_norm_number(context->arena, rv_json_str(args, "order_ref", NULL)));
    erp_copy(body, "file_sha256", args, "file_sha256");
    erp_emit(outcome, erp_stream(context->arena, "receipt", context->first_id), 1,
             "receipt.registered.v1", erp_day(context, args, "issue_date"), body);
    erp_answer(outcome, json_pack("{s:I,s:I,s:b}", "receipt", (json_int_t)context->first_id,
                                  "party", (json_int_t)party, "changed", 1));
    return RV_OK;
}

/* clang-format off */
const struct erp_command erp_receipt_register = {
    .name = "receipt.register",
    .summary = "Registers a goods receipt or a despatch advice from its document.",
    .schema = OBJECT(JSON("kind", "number", "issue_date", "supplier", "lines"),
        FIELD("kind", JSON({"type": "string", "enum": ["receipt", "despatch"]})) ","
        FIELD("number", NAME) "," FIELD("issue_date", DATE) "," FIELD("order_ref", NAME) ","
        FIELD("supplier", PARTY) "," FIELD("buyer", PARTY) "," FIELD("note", TEXT) ","
        FIELD("lines", LIST1(5000, OBJECT("",
            FIELD("no", NAME) "," FIELD("order_line", NAME) "," FIELD("item", NAME) ","
            FIELD("buyer_item", NAME) "," FIELD("description", TEXT) "," FIELD("qty", DECIMAL) ","
            FIELD("short_qty", DECIMAL) "," FIELD("rejected_qty", DECIMAL) "," FIELD("unit", NAME) ","
            FIELD("note", TEXT)))) ","
        FIELD("findings", FINDINGS) "," FIELD("format", NAME) "," FIELD("file_sha256", HASH)),
    .tier = ERP_TIER_NOTE,
    .risk = ERP_RISK_DRAFT,
    .load = &rv_sql_load_document,
    .keys = receipt_keys,
    .decide = receipt_decide,
    .compensate = erp_irreversible,
};
/* clang-format on */
