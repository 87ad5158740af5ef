/* invoice_state.c -- what people and agents do about an invoice before and beside posting it.
 *
 *             reject                        post (invoice_post.c)
 *   rejected <------- registered <===> held      registered ------> posted ------> paid
 *            ------->             hold                       <------       <------
 *             reopen             release                     reverse      unmatch
 *
 * A posted invoice may be held too (no payment); release returns it to what it was. */
#include "erp/command/area.h"
#include "erp/command/effect.h"
#include "erp/command/words.h"
#include "erp/domain/money.h"
#include "erp_command_sql.h"

#include <string.h>

static int invoice_keys(const json_t *args, struct rv_arena *arena, const char *out[ERP_KEYS_MAX])
{
    return erp_key_id(args, "invoice", "invoice", arena, out);
}

/* Emits `type` on the invoice's stream and answers {invoice, version} plus `more` (taken). */
static void emit_invoice(const struct erp_context *context, const json_t *invoice, const char *type,
                         json_t *body, json_t *more, struct erp_outcome *outcome)
{
    int64_t id = rv_json_int(invoice, "id", 0);
    int64_t version = rv_json_int(invoice, "version", 0) + 1;
    erp_set_int(body, "id", id);
    erp_emit(outcome, erp_stream(context->arena, "invoice", id), version, type, context->today,
             body);
    json_t *answer = more == NULL ? json_object() : more;
    erp_set_int(answer, "invoice", id);
    erp_set_int(answer, "version", version);
    erp_answer(outcome, answer);
}

static json_t *reason_body(const json_t *args)
{
    json_t *body = json_object();
    erp_copy(body, "reason", args, "reason");
    return body;
}

/* {invoice, reason} for the command that takes back. */
static bool back_to(const char *command, const json_t *args, const char **name, json_t **out_args)
{
    *name = command;
    *out_args =
        json_pack("{s:O,s:s}", "invoice", json_object_get(args, "invoice"), "reason", "taken back");
    return true;
}

/* ---- hold and release ---- */

static enum rv_code hold_decide(const struct erp_context *context, const json_t *args,
                                const json_t *state, struct erp_outcome *outcome,
                                struct rv_error *err)
{
    const json_t *invoice = json_object_get(state, "invoice");
    enum rv_code code =
        erp_need_state(invoice, "invoice", "held", err, "registered", "posted", NULL);
    if (code == RV_OK) {
        json_t *body = reason_body(args);
        erp_copy(body, "code", args, "code");
        emit_invoice(context, invoice, "invoice.held.v1", body, NULL, outcome);
    }
    return code;
}

static bool hold_compensate(const json_t *args, const json_t *answer, const char **name,
                            json_t **out_args)
{
    (void)answer;
    return back_to("invoice.release", args, name, out_args);
}

#define HOLD_CODES                                                                                 \
    JSON({                                                                                         \
        "type" : "string",                                                                         \
        "enum" : [                                                                                 \
            "price", "quantity", "no_order", "duplicate", "tax", "bank_details", "dispute",        \
            "other"                                                                                \
        ]                                                                                          \
    })

const struct erp_command erp_invoice_hold = {
    .name = "invoice.hold",
    .summary = "Stops an invoice from being posted or paid until it is released.",
    .schema =
        OBJECT(JSON("invoice", "code", "reason"),
               FIELD("invoice", ID) "," FIELD("code", HOLD_CODES) "," FIELD("reason", REASON)),
    .tier = ERP_TIER_REVERSIBLE,
    .risk = ERP_RISK_DRAFT,
    .load = &rv_sql_load_invoice,
    .keys = invoice_keys,
    .decide = hold_decide,
    .compensate = hold_compensate,
    .guards = true,
};

static enum rv_code release_decide(const struct erp_context *context, const json_t *args,
                                   const json_t *state, struct erp_outcome *outcome,
                                   struct rv_error *err)
{
    const json_t *invoice = json_object_get(state, "invoice");
    enum rv_code code = erp_need_state(invoice, "invoice", "released", err, "held", NULL);
    if (code == RV_OK) {
        json_t *more = json_object();
        erp_copy(more, "code", invoice, "hold_code");
        emit_invoice(context, invoice, "invoice.released.v1", reason_body(args), more, outcome);
    }
    return code;
}

static bool release_compensate(const json_t *args, const json_t *answer, const char **name,
                               json_t **out_args)
{
    bool there = back_to("invoice.hold", args, name, out_args);
    erp_copy(*out_args, "code", answer, "code");
    return there;
}

const struct erp_command erp_invoice_release = {
    .name = "invoice.release",
    .summary = "Lifts the hold of an invoice.",
    .schema = OBJECT(JSON("invoice", "reason"), FIELD("invoice", ID) "," FIELD("reason", REASON)),
    .tier = ERP_TIER_LEDGER,
    .risk = ERP_RISK_BOOKS,
    .load = &rv_sql_load_invoice,
    .keys = invoice_keys,
    .decide = release_decide,
    .compensate = release_compensate,
};

/* ---- reject and reopen ---- */

static enum rv_code reject_decide(const struct erp_context *context, const json_t *args,
                                  const json_t *state, struct erp_outcome *outcome,
                                  struct rv_error *err)
{
    const json_t *invoice = json_object_get(state, "invoice");
    if (strcmp(rv_json_str(invoice, "state_before", ""), "posted") == 0) {
        rv_fail(err, RV_CONFLICT, "invoice %lld is posted and held: it cannot be rejected",
                (long long)rv_json_int(invoice, "id", 0));
        rv_hint(err, "Release it and reverse its entry first.");
        return RV_CONFLICT;
    }
    enum rv_code code =
        erp_need_state(invoice, "invoice", "rejected", err, "registered", "held", NULL);
    if (code != RV_OK) {
        return code;
    }
    if (rv_json_int(args, "duplicate_of", 0) == rv_json_int(invoice, "id", 0)) {
        return rv_fail(err, RV_INVALID, "an invoice is no duplicate of itself");
    }
    json_t *body = reason_body(args);
    erp_copy(body, "rules", args, "rules");
    erp_copy(body, "duplicate_of", args, "duplicate_of");
    json_t *more = json_object();
    erp_copy(more, "was_held", invoice, "hold_code");
    emit_invoice(context, invoice, "invoice.rejected.v1", body, more, outcome);
    return RV_OK;
}

static bool reject_compensate(const json_t *args, const json_t *answer, const char **name,
                              json_t **out_args)
{
    (void)answer;
    return back_to("invoice.reopen", args, name, out_args);
}

const struct erp_command erp_invoice_reject = {
    .name = "invoice.reject",
    .summary = "Refuses an invoice that is not posted: wrong, or a duplicate of another.",
    .schema = OBJECT(JSON("invoice", "reason"),
                     FIELD("invoice", ID) "," FIELD("reason", REASON) "," FIELD(
                         "rules", LIST(100, NAME)) "," FIELD("duplicate_of", ID)),
    .tier = ERP_TIER_REVERSIBLE,
    .risk = ERP_RISK_DRAFT,
    .load = &rv_sql_load_invoice_reject,
    .keys = invoice_keys,
    .decide = reject_decide,
    .compensate = reject_compensate,
};

static enum rv_code reopen_decide(const struct erp_context *context, const json_t *args,
                                  const json_t *state, struct erp_outcome *outcome,
                                  struct rv_error *err)
{
    const json_t *invoice = json_object_get(state, "invoice");
    enum rv_code code = erp_need_state(invoice, "invoice", "reopened", err, "rejected", NULL);
    if (code == RV_OK) {
        emit_invoice(context, invoice, "invoice.reopened.v1", reason_body(args), NULL, outcome);
    }
    return code;
}

static bool reopen_compensate(const json_t *args, const json_t *answer, const char **name,
                              json_t **out_args)
{
    (void)answer;
    return back_to("invoice.reject", args, name, out_args);
}

const struct erp_command erp_invoice_reopen = {
    .name = "invoice.reopen",
    .summary = "Takes back the rejection of an invoice.",
    .schema = OBJECT(JSON("invoice", "reason"), FIELD("invoice", ID) "," FIELD("reason", REASON)),
    .tier = ERP_TIER_REVERSIBLE,
    .risk = ERP_RISK_DRAFT,
    .load = &rv_sql_load_invoice,
    .keys = invoice_keys,
    .decide = reopen_decide,
    .compensate = reopen_compensate,
};

/* ---- link to an order ---- */

static int link_keys(const json_t *args, struct rv_arena *arena, const char *out[ERP_KEYS_MAX])
{
    erp_key_id(args, "invoice", "invoice", arena, out);
    out[1] = erp_stream(arena, "order", rv_json_int(args, "order", 0));
    return 2;
}

/* The order line an invoice line means: named in the arguments, or by number, item, or being alone.
 */
static const json_t *order_line_for(const json_t *args, const json_t *line,
                                    const json_t *order_lines)
{
    const char *no = rv_json_str(line, "no", "");
    const char *named = rv_json_str(line, "order_line", NULL);
    bool explicit = false;
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(args, "lines"), i, entry)
    {
        if (strcmp(rv_json_str(entry, "no", ""), no) == 0) {
            named = rv_json_str(entry, "order_line", "");
            explicit = true;
        }
    }
    const json_t *by_item = NULL;
    const char *item = rv_json_str(line, "item", NULL);
    json_array_foreach((json_t *)(uintptr_t)order_lines, i, entry)
    {
        if (named != NULL && strcmp(rv_json_str(entry, "no", ""), named) == 0) {
            return entry;
        }
        if (by_item == NULL && item != NULL && strcmp(rv_json_str(entry, "item", ""), item) == 0) {
            by_item = entry;
        }
    }
    if (by_item == NULL && json_array_size(order_lines) == 1) {
        by_item = json_array_get(order_lines, 0);
    }
    return explicit ? NULL : by_item;
}

static enum rv_code link_decide(const struct erp_context *context, const json_t *args,
                                const json_t *state, struct erp_outcome *outcome,
                                struct rv_error *err)
{
    const json_t *invoice = json_object_get(state, "invoice");
    const json_t *order = erp_part(state, "order");
    int64_t wanted = rv_json_int(args, "order", 0);
    enum rv_code code =
        erp_need_state(invoice, "invoice", "linked", err, "registered", "held", NULL);
    if (code != RV_OK) {
        return code;
    }
    if (wanted != 0 && order == NULL) {
        return rv_fail(err, RV_NOT_FOUND, "no order %lld", (long long)wanted);
    }
    if (order != NULL &&
        (rv_json_int(order, "party", 0) != rv_json_int(invoice, "party", 0) ||
         strcmp(rv_json_str(order, "currency", ""), rv_json_str(invoice, "currency", "")) != 0)) {
        rv_fail(err, RV_INVALID, "order \"%s\" is of another supplier or in another currency",
                rv_json_str(order, "number", ""));
        rv_hint(err, "Link an order of the invoice's own supplier and currency.");
        return RV_INVALID;
    }
    json_t *lines = json_array();
    size_t i;
    json_t *line;
    json_array_foreach(json_object_get(state, "lines"), i, line)
    {
        const json_t *target =
            order == NULL ? NULL
                          : order_line_for(args, line, json_object_get(state, "order_lines"));
        json_t *change = json_object();
        erp_copy(change, "pos", line, "pos");
        if (target != NULL) {
            erp_set_int(change, "order_id", wanted);
            erp_copy(change, "order_pos", target, "pos");
        }
        json_array_append_new(lines, change);
    }
    json_t *body = json_pack("{s:o}", "lines", lines);
    erp_copy(body, "reason", args, "reason");
    if (wanted != 0) {
        erp_set_int(body, "order_id", wanted);
    }
    json_t *more = json_pack("{s:I}", "before", (json_int_t)rv_json_int(invoice, "order_id", 0));
    emit_invoice(context, invoice, "invoice.linked.v1", body, more, outcome);
    return RV_OK;
}

static bool link_compensate(const json_t *args, const json_t *answer, const char **name,
                            json_t **out_args)
{
    *name = "invoice.link_order";
    *out_args = json_pack("{s:O,s:O,s:s}", "invoice", json_object_get(args, "invoice"), "order",
                          json_object_get(answer, "before"), "reason", "taken back");
    return true;
}

const struct erp_command erp_invoice_link_order = {
    .name = "invoice.link_order",
    .summary =
        "Says which order an invoice is for, line by line where it matters; order 0 unlinks.",
    .schema =
        OBJECT(JSON("invoice", "order", "reason"),
               FIELD("invoice", ID) "," FIELD("order", COUNT) "," FIELD("reason", REASON) "," FIELD(
                   "lines", LIST(5000, OBJECT(JSON("no", "order_line"),
                                              FIELD("no", NAME) "," FIELD("order_line", NAME))))),
    .tier = ERP_TIER_REVERSIBLE,
    .risk = ERP_RISK_DRAFT,
    .load = &rv_sql_load_invoice_link,
    .keys = link_keys,
    .decide = link_decide,
    .compensate = link_compensate,
};

/* ---- accept a variance ---- */

static bool array_has(const json_t *array, const char *word)
{
    size_t i;
    json_t *entry;
    json_array_foreach((json_t *)(uintptr_t)array, i, entry)
    {
        if (strcmp(json_string_value(entry), word) == 0) {
            return true;
        }
    }
    return false;
}

static enum rv_code variance_decide(const struct erp_context *context, const json_t *args,
                                    const json_t *state, struct erp_outcome *outcome,
                                    struct rv_error *err)
{
    const json_t *invoice = json_object_get(state, "invoice");
    const json_t *line = erp_part(state, "line");
    const char *variance = rv_json_str(args, "variance", "");
    const char *currency = rv_json_str(invoice, "currency", "");
    bool withdraw = rv_json_bool(args, "withdraw", false);
    enum rv_code code = erp_need_state(invoice, "invoice", withdraw ? "changed" : "accepted", err,
                                       "registered", "held", "posted", "paid", NULL);
    if (code != RV_OK) {
        return code;
    }
    if (line == NULL) {
        return rv_fail(err, RV_NOT_FOUND, "invoice %lld has no line \"%s\"",
                       (long long)rv_json_int(invoice, "id", 0), rv_json_str(args, "line", ""));
    }
    if (array_has(json_object_get(line, "accepted"), variance) != withdraw) {
        return rv_fail(err, RV_CONFLICT, "variance %s of line \"%s\" is %s", variance,
                       rv_json_str(args, "line", ""),
                       withdraw ? "not accepted" : "accepted already");
    }
    const json_t *amount = json_object_get(args, "amount");
    int64_t actual =
        rv_json_int(line, strcmp(variance, "PP") == 0 ? "price_variance" : "quantity_variance", 0);
    if (!withdraw && (rv_json_int(amount, "minor", 0) != actual ||
                      strcmp(rv_json_str(amount, "currency", ""), currency) != 0)) {
        char text[ERP_MONEY_TEXT];
        erp_money_format(actual, currency, text);
        rv_fail(err, RV_CONFLICT, "the variance of line \"%s\" is %s, not what was to be accepted",
                rv_json_str(args, "line", ""), text);
        rv_hint(err, "Read the line again and accept exactly what is there.");
        return RV_CONFLICT;
    }
    json_t *body = json_pack("{s:O,s:s,s:b}", "pos", json_object_get(line, "pos"), "variance",
                             variance, "withdrawn", withdraw);
    erp_copy(body, "amount", args, "amount");
    erp_copy(body, "reason", args, "reason");
    emit_invoice(context, invoice, "invoice.variance_accepted.v1", body, NULL, outcome);
    return RV_OK;
}

/* The same arguments with "withdraw" turned round. */
static bool withdraw_compensate(const char *command, const json_t *args, const char **name,
                                json_t **out_args)
{
    *name = command;
    *out_args = json_deep_copy(args);
    json_object_set_new(*out_args, "withdraw",
                        json_boolean(!rv_json_bool(args, "withdraw", false)));
    return true;
}

static bool variance_compensate(const json_t *args, const json_t *answer, const char **name,
                                json_t **out_args)
{
    (void)answer;
    return withdraw_compensate("invoice.accept_variance", args, name, out_args);
}

const struct erp_command erp_invoice_accept_variance = {
    .name = "invoice.accept_variance",
    .summary = "Accepts the price or quantity difference of one invoice line, in its exact amount.",
    .schema =
        OBJECT(JSON("invoice", "line", "variance", "amount", "reason"),
               FIELD("invoice", ID) "," FIELD("line", NAME) "," FIELD(
                   "variance", JSON({
                       "type" : "string",
                       "enum" : [ "PP", "DQ" ]
                   })) "," FIELD("amount", AMOUNT) "," FIELD("reason", REASON) "," FIELD("withdraw",
                                                                                         BOOL)),
    .tier = ERP_TIER_LEDGER,
    .risk = ERP_RISK_COMMITS,
    .money = ERP_MONEY_AMOUNT,
    .load = &rv_sql_load_invoice_line,
    .keys = invoice_keys,
    .decide = variance_decide,
    .compensate = variance_compensate,
};

/* ---- not a duplicate ---- */

static enum rv_code distinct_decide(const struct erp_context *context, const json_t *args,
                                    const json_t *state, struct erp_outcome *outcome,
                                    struct rv_error *err)
{
    const json_t *invoice = json_object_get(state, "invoice");
    int64_t other = rv_json_int(args, "other", 0);
    bool withdraw = rv_json_bool(args, "withdraw", false);
    bool known = false;
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(invoice, "distinct_from"), i, entry)
    {
        known = known || json_integer_value(entry) == other;
    }
    if (other == rv_json_int(invoice, "id", 0)) {
        return rv_fail(err, RV_INVALID, "an invoice is never distinct from itself");
    }
    if (known != withdraw) {
        return rv_fail(err, RV_CONFLICT, "invoice %lld is %s as distinct from %lld",
                       (long long)rv_json_int(invoice, "id", 0),
                       withdraw ? "not marked" : "marked already", (long long)other);
    }
    json_t *body = json_pack("{s:I,s:b}", "other", (json_int_t)other, "withdrawn", withdraw);
    erp_copy(body, "reason", args, "reason");
    emit_invoice(context, invoice, "invoice.distinct.v1", body, NULL, outcome);
    return RV_OK;
}

static bool distinct_compensate(const json_t *args, const json_t *answer, const char **name,
                                json_t **out_args)
{
    (void)answer;
    return withdraw_compensate("invoice.confirm_distinct", args, name, out_args);
}

const struct erp_command erp_invoice_confirm_distinct = {
    .name = "invoice.confirm_distinct",
    .summary = "Says that an invoice that looks like another one is a different one.",
    .schema = OBJECT(JSON("invoice", "other", "reason"),
                     FIELD("invoice", ID) "," FIELD("other", ID) "," FIELD(
                         "reason", REASON) "," FIELD("withdraw", BOOL)),
    .tier = ERP_TIER_LEDGER,
    .risk = ERP_RISK_BOOKS,
    .load = &rv_sql_load_invoice,
    .keys = invoice_keys,
    .decide = distinct_decide,
    .compensate = distinct_compensate,
};

/* ---- ask for a credit note ---- */

static enum rv_code request_decide(const struct erp_context *context, const json_t *args,
                                   const json_t *state, struct erp_outcome *outcome,
                                   struct rv_error *err)
{
    const json_t *invoice = json_object_get(state, "invoice");
    const json_t *amount = json_object_get(args, "amount");
    const char *currency = rv_json_str(invoice, "currency", "");
    int64_t minor = rv_json_int(amount, "minor", 0);
    enum rv_code code = erp_need_state(invoice, "invoice", "credited", err, "registered", "held",
                                       "posted", "paid", NULL);
    if (code != RV_OK) {
        return code;
    }
    if (minor <= 0 || minor > rv_json_int(invoice, "payable", 0) ||
        strcmp(rv_json_str(amount, "currency", ""), currency) != 0) {
        char text[ERP_MONEY_TEXT];
        erp_money_format(rv_json_int(invoice, "payable", 0), currency, text);
        rv_fail(err, RV_INVALID, "a credit note can be asked for up to the invoice's %s", text);
        rv_hint(err, "Give an amount above zero and not above that, in its currency.");
        return RV_INVALID;
    }
    json_t *body =
        json_pack("{s:I,s:O,s:O,s:I,s:s}", "id", (json_int_t)context->first_id, "invoice_id",
                  json_object_get(invoice, "id"), "party", json_object_get(invoice, "party"),
                  "amount", (json_int_t)minor, "currency", currency);
    erp_copy(body, "reason", args, "reason");
    const json_t *lines = json_object_get(args, "lines");
    json_object_set_new(body, "lines", lines == NULL ? json_array() : json_deep_copy(lines));
    erp_emit(outcome, erp_stream(context->arena, "credit_request", context->first_id), 1,
             "credit_note.requested.v1", context->today, body);
    erp_answer(outcome, json_pack("{s:I,s:O}", "request", (json_int_t)context->first_id, "invoice",
                                  json_object_get(invoice, "id")));
    return RV_OK;
}

static bool request_compensate(const json_t *args, const json_t *answer, const char **name,
                               json_t **out_args)
{
    (void)args;
    *name = "credit_note.cancel_request";
    *out_args = json_pack("{s:O,s:s}", "request", json_object_get(answer, "request"), "reason",
                          "taken back");
    return true;
}

const struct erp_command erp_credit_note_request = {
    .name = "credit_note.request",
    .summary = "Asks the supplier for a credit note on an invoice.",
    .schema = OBJECT(JSON("invoice", "amount", "reason"),
                     FIELD("invoice", ID) "," FIELD("amount", AMOUNT) "," FIELD(
                         "reason", REASON) "," FIELD("lines", LIST(1000, NAME))),
    .tier = ERP_TIER_LEDGER, /* a letter leaves the house */
    .risk = ERP_RISK_COMMITS,
    .load = &rv_sql_load_invoice,
    .keys = invoice_keys,
    .decide = request_decide,
    .compensate = request_compensate,
};

static int cancel_keys(const json_t *args, struct rv_arena *arena, const char *out[ERP_KEYS_MAX])
{
    return erp_key_id(args, "request", "credit_request", arena, out);
}

static enum rv_code cancel_decide(const struct erp_context *context, const json_t *args,
                                  const json_t *state, struct erp_outcome *outcome,
                                  struct rv_error *err)
{
    const json_t *request = json_object_get(state, "request");
    enum rv_code code = erp_need_state(request, "request", "cancelled", err, "open", NULL);
    if (code == RV_OK) {
        int64_t id = rv_json_int(request, "id", 0);
        json_t *body = reason_body(args);
        erp_set_int(body, "id", id);
        erp_emit(outcome, erp_stream(context->arena, "credit_request", id),
                 rv_json_int(request, "version", 0) + 1, "credit_note.request_cancelled.v1",
                 context->today, body);
        erp_answer(outcome, json_pack("{s:I}", "request", (json_int_t)id));
    }
    return code;
}

const struct erp_command erp_credit_note_cancel_request = {
    .name = "credit_note.cancel_request",
    .summary = "Takes back a request for a credit note.",
    .schema = OBJECT(JSON("request", "reason"), FIELD("request", ID) "," FIELD("reason", REASON)),
    .tier = ERP_TIER_LEDGER,
    .risk = ERP_RISK_COMMITS,
    .load = &rv_sql_load_credit_request,
    .keys = cancel_keys,
    .decide = cancel_decide,
    .compensate = erp_irreversible, /* ask again with credit_note.request */
};
