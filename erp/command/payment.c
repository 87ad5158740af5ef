/* payment.c -- money on its way out: propose, release, cancel.
 *
 *   proposed --release--> released --bank_line.match--> cleared
 *       |                     ^                            |
 *     cancel                  +------ bank_line.unmatch ---+
 *
 * A proposal reserves its open items, so that nothing is promised twice.  It pays one supplier in
 * one currency to the bank account of the master data, never to one a document names.  Release
 * posts payables against bank clearing; the bank statement moves clearing to the bank account. */
#include "erp/command/area.h"
#include "erp/command/effect.h"
#include "erp/command/words.h"
#include "erp/domain/date.h"
#include "erp/domain/money.h"
#include "erp_command_sql.h"

#include <inttypes.h>
#include <string.h>

enum { IBAN_REST_DAYS = 10 /* a changed bank account waits: time for a call back */ };

/* ---- payment.propose ---- */

static int propose_keys(const json_t *args, struct rv_arena *arena, const char *out[ERP_KEYS_MAX])
{
    /* Conflicts of proposals with more items than keys end in the table's check, and a retry. */
    int count = 0;
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(args, "items"), i, item)
    {
        if (count < ERP_KEYS_MAX) {
            out[count++] = erp_stream(arena, "open_item", rv_json_int(item, "open_item", 0));
        }
    }
    return count;
}

static const json_t *item_by_id(const json_t *items, int64_t id)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)items, i, item)
    {
        if (rv_json_int(item, "open_item", 0) == id) {
            return item;
        }
    }
    return NULL;
}

static enum rv_code check_payee(const struct erp_context *context, const json_t *party,
                                struct rv_error *err)
{
    const char *name = rv_json_str(party, "name", "");
    if (strcmp(rv_json_str(party, "status", ""), "active") != 0) {
        rv_fail(err, RV_CONFLICT, "supplier \"%s\" is %s and is not paid", name,
                rv_json_str(party, "status", ""));
        rv_hint(err, "Have the supplier's master data verified first: party.register.");
        return RV_CONFLICT;
    }
    if (erp_part(party, "iban") == NULL && erp_part(party, "bank_account") == NULL) {
        rv_fail(err, RV_CONFLICT, "supplier \"%s\" has no bank account in the master data", name);
        rv_hint(err, "Bank details come from party.register, never from an invoice.");
        return RV_CONFLICT;
    }
    int64_t changed = 0;
    const char *changed_on = rv_json_str(party, "iban_changed_on", NULL);
    if (erp_part(party, "iban_before") != NULL && changed_on != NULL &&
        erp_date_parse(changed_on, "iban_changed_on", &changed, NULL) == RV_OK &&
        context->today - changed < IBAN_REST_DAYS) {
        rv_fail(err, RV_CONFLICT, "the bank account of \"%s\" was changed on %s", name, changed_on);
        rv_hint(err,
                "A changed account rests for %d days; call the supplier back on a known number.",
                IBAN_REST_DAYS);
        return RV_CONFLICT;
    }
    return RV_OK;
}

/* Checks one wanted item against what is open and appends it to the payment. */
static enum rv_code take_item(const json_t *wanted, const json_t *item, const json_t *first,
                              json_t *items, int64_t *total, struct rv_error *err)
{
    int64_t id = rv_json_int(wanted, "open_item", 0);
    if (item == NULL || strcmp(rv_json_str(item, "side", ""), "AP") != 0) {
        return rv_fail(err, RV_NOT_FOUND, "no payable open item %" PRId64, id);
    }
    if (rv_json_int(item, "party", 0) != rv_json_int(first, "party", 0) ||
        strcmp(rv_json_str(item, "currency", ""), rv_json_str(first, "currency", "")) != 0) {
        rv_fail(err, RV_INVALID, "open item %" PRId64 " is of another supplier or currency", id);
        rv_hint(err, "One payment pays one supplier in one currency.");
        return RV_INVALID;
    }
    if (rv_json_bool(item, "held", false)) {
        rv_fail(err, RV_CONFLICT, "invoice \"%s\" is held", rv_json_str(item, "ref", ""));
        rv_hint(err, "Release it first, or leave it out.");
        return RV_CONFLICT;
    }
    int64_t free_amount = rv_json_int(item, "open", 0) - rv_json_int(item, "reserved", 0);
    int64_t amount = rv_json_int(wanted, "amount_minor", free_amount);
    bool fits = free_amount >= 0 ? amount > 0 && amount <= free_amount
                                 : amount < 0 && amount >= free_amount;
    if (!fits) {
        char text[ERP_MONEY_TEXT];
        erp_money_format(free_amount, rv_json_str(item, "currency", ""), text);
        rv_fail(err, RV_CONFLICT, "of \"%s\" only %s is open and not in another payment",
                rv_json_str(item, "ref", ""), text);
        rv_hint(err, "Read the open items again.");
        return RV_CONFLICT;
    }
    json_array_append_new(items,
                          json_pack("{s:I,s:I,s:I}", "pos", (json_int_t)json_array_size(items) + 1,
                                    "open_item", (json_int_t)id, "amount", (json_int_t)amount));
    return erp_money_add(*total, amount, "the payment", total, err);
}

static enum rv_code propose_decide(const struct erp_context *context, const json_t *args,
                                   const json_t *state, struct erp_outcome *outcome,
                                   struct rv_error *err)
{
    const json_t *known = erp_part(state, "items");
    const json_t *first = json_array_get(known, 0);
    const json_t *account = erp_part(state, "account");
    const json_t *party = erp_part(state, "party");
    if (account == NULL || strcmp(rv_json_str(account, "role", ""), "bank") != 0) {
        rv_fail(err, RV_NOT_FOUND, "account \"%s\" is no bank account of ours",
                rv_json_str(args, "account", ""));
        rv_hint(err, "Give the number of an account with role \"bank\".");
        return RV_NOT_FOUND;
    }
    if (party == NULL) {
        return rv_fail(err, RV_NOT_FOUND, "none of these open items exists");
    }
    enum rv_code code = check_payee(context, party, err);
    json_t *items = json_array();
    json_t *seen = json_object();
    int64_t total = 0;
    size_t i;
    json_t *wanted;
    json_array_foreach(json_object_get(args, "items"), i, wanted)
    {
        int64_t id = rv_json_int(wanted, "open_item", 0);
        const char *key = erp_stream(context->arena, "open_item", id);
        if (code == RV_OK && json_object_get(seen, key) != NULL) {
            code = rv_fail(err, RV_INVALID, "open item %" PRId64 " is given twice", id);
        }
        json_object_set_new(seen, key, json_true());
        if (code == RV_OK) {
            code = take_item(wanted, item_by_id(known, id), first, items, &total, err);
        }
    }
    json_decref(seen);
    if (code == RV_OK && total <= 0) {
        code = rv_fail(err, RV_CONFLICT,
                       "the credit notes are not less than the invoices: nothing to pay");
        rv_hint(err, "Ask the supplier for a refund, or add more invoices.");
    }
    if (code != RV_OK) {
        json_decref(items);
        return code;
    }
    const char *reference = rv_json_str(args, "reference", rv_json_str(first, "ref", ""));
    json_t *body = json_pack(
        "{s:I,s:O,s:O,s:I,s:s,s:s,s:o,s:o}", "id", (json_int_t)context->first_id, "party",
        json_object_get(party, "id"), "currency", json_object_get(first, "currency"), "amount",
        (json_int_t)total, "account", rv_json_str(args, "account", ""), "reference", reference,
        "items", items, "pay_on", erp_date_json(erp_day(context, args, "pay_on")));
    erp_copy(body, "iban", party, "iban");
    erp_copy(body, "bank_account", party, "bank_account");
    erp_emit(outcome, erp_stream(context->arena, "payment", context->first_id), 1,
             "payment.proposed.v1", context->today, body);
    erp_answer(outcome,
               json_pack("{s:I,s:I,s:O}", "payment", (json_int_t)context->first_id, "amount_minor",
                         (json_int_t)total, "currency", json_object_get(first, "currency")));
    return RV_OK;
}

static bool propose_compensate(const json_t *args, const json_t *answer, const char **name,
                               json_t **out_args)
{
    (void)args;
    *name = "payment.cancel";
    *out_args = json_pack("{s:O,s:s}", "payment", json_object_get(answer, "payment"), "reason",
                          "proposal taken back");
    return true;
}

/* clang-format off */
const struct erp_command erp_payment_propose = {
    .name = "payment.propose",
    .summary = "Proposes to pay open items of one supplier; nothing leaves before release.",
    .schema = OBJECT(JSON("items", "account"),
        FIELD("items", LIST1(500, OBJECT(JSON("open_item"),
            FIELD("open_item", ID) "," FIELD("amount_minor", MINOR)))) ","
        FIELD("account", NAME) "," FIELD("pay_on", DATE) ","
        FIELD("reference", JSON({"type": "string", "minLength": 1, "maxLength": 200}))),
    .tier = ERP_TIER_REVERSIBLE,
    .risk = ERP_RISK_DRAFT,
    .money = ERP_MONEY_AMOUNT,
    .load = &rv_sql_load_payment_propose,
    .keys = propose_keys,
    .decide = propose_decide,
    .compensate = propose_compensate,
};
/* clang-format on */

/* ---- payment.release ---- */

static int payment_keys(const json_t *args, struct rv_arena *arena, const char *out[ERP_KEYS_MAX])
{
    return erp_key_id(args, "payment", "payment", arena, out);
}

static json_t *payment_items(const json_t *state)
{
    json_t *items = json_array();
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(state, "items"), i, item)
    {
        json_array_append_new(items, json_pack("{s:O,s:O}", "open_item",
                                               json_object_get(item, "open_item"), "amount",
                                               json_object_get(item, "amount")));
    }
    return items;
}

static enum rv_code release_decide(const struct erp_context *context, const json_t *args,
                                   const json_t *state, struct erp_outcome *outcome,
                                   struct rv_error *err)
{
    (void)args;
    const json_t *payment = json_object_get(state, "payment");
    const json_t *party = erp_part(state, "party");
    int64_t id = rv_json_int(payment, "id", 0);
    int64_t amount = rv_json_int(payment, "amount", 0);
    const char *currency = rv_json_str(payment, "currency", "");
    enum rv_code code = erp_need_state(payment, "payment", "released", err, "proposed", NULL);
    if (code == RV_OK) {
        code = check_payee(context, party, err);
    }
    if (code == RV_OK &&
        strcmp(rv_json_str(payment, "iban", ""), rv_json_str(party, "iban", "")) != 0) {
        code = rv_fail(err, RV_CONFLICT, "the supplier's bank account changed since the proposal");
        rv_hint(err, "Cancel this payment and propose it again.");
    }
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(state, "items"), i, item)
    {
        if (code == RV_OK && rv_json_bool(item, "held", false)) {
            code = rv_fail(err, RV_CONFLICT, "an invoice in payment %" PRId64 " is held", id);
            rv_hint(err, "Release the invoice, or cancel the payment.");
        }
    }
    if (code != RV_OK) {
        return code;
    }
    struct erp_posting posting;
    erp_posting_open(&posting, context, outcome, context->first_id, context->today, "payment", id,
                     rv_json_str(payment, "reference", ""));
    code = erp_posting_role(&posting, state, "ap_control", amount, currency,
                            rv_json_int(payment, "party", 0), err);
    if (code == RV_OK) {
        code = erp_posting_role(&posting, state, "bank_clearing", -amount, currency, 0, err);
    }
    if (code != RV_OK) {
        erp_posting_drop(&posting);
        return code;
    }
    code = erp_posting_close(&posting, json_object_get(state, "locks"), "BANK", err);
    if (code != RV_OK) {
        return code;
    }
    json_t *body = json_pack("{s:I,s:I,s:o}", "id", (json_int_t)id, "je",
                             (json_int_t)context->first_id, "items", payment_items(state));
    erp_emit(outcome, erp_stream(context->arena, "payment", id),
             rv_json_int(payment, "version", 0) + 1, "payment.released.v1", context->today, body);
    erp_answer(outcome, json_pack("{s:I,s:I,s:I,s:s}", "payment", (json_int_t)id, "entry",
                                  (json_int_t)context->first_id, "amount_minor", (json_int_t)amount,
                                  "currency", currency));
    return RV_OK;
}

const struct erp_command erp_payment_release = {
    .name = "payment.release",
    .summary = "Releases a proposed payment to the bank: money leaves.",
    .schema = OBJECT(JSON("payment"), FIELD("payment", ID)),
    .tier = ERP_TIER_MONEY,
    .risk = ERP_RISK_LEAVES,
    .money = ERP_MONEY_AMOUNT,
    .load = &rv_sql_load_payment,
    .keys = payment_keys,
    .decide = release_decide,
    .compensate = erp_irreversible, /* what has left can only be asked back */
};

/* ---- payment.cancel ---- */

static enum rv_code cancel_decide(const struct erp_context *context, const json_t *args,
                                  const json_t *state, struct erp_outcome *outcome,
                                  struct rv_error *err)
{
    const json_t *payment = json_object_get(state, "payment");
    int64_t id = rv_json_int(payment, "id", 0);
    enum rv_code code = erp_need_state(payment, "payment", "cancelled", err, "proposed", NULL);
    if (code != RV_OK) {
        return code;
    }
    json_t *again = json_array();
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(state, "items"), i, item)
    {
        json_array_append_new(again, json_pack("{s:O,s:O}", "open_item",
                                               json_object_get(item, "open_item"), "amount_minor",
                                               json_object_get(item, "amount")));
    }
    json_t *body = json_pack("{s:I,s:o}", "id", (json_int_t)id, "items", payment_items(state));
    erp_copy(body, "reason", args, "reason");
    erp_emit(outcome, erp_stream(context->arena, "payment", id),
             rv_json_int(payment, "version", 0) + 1, "payment.cancelled.v1", context->today, body);
    erp_answer(outcome, json_pack("{s:I,s:o,s:O,s:O,s:O}", "payment", (json_int_t)id, "items",
                                  again, "account", json_object_get(payment, "account"), "pay_on",
                                  json_object_get(payment, "pay_on"), "reference",
                                  json_object_get(payment, "reference")));
    return RV_OK;
}

static bool cancel_compensate(const json_t *args, const json_t *answer, const char **name,
                              json_t **out_args)
{
    (void)args;
    *name = "payment.propose";
    *out_args = json_deep_copy(answer);
    json_object_del(*out_args, "payment");
    return true;
}

const struct erp_command erp_payment_cancel = {
    .name = "payment.cancel",
    .summary = "Takes a proposed payment back; its open items are free again.",
    .schema = OBJECT(JSON("payment", "reason"), FIELD("payment", ID) "," FIELD("reason", REASON)),
    .tier = ERP_TIER_REVERSIBLE,
    .risk = ERP_RISK_DRAFT,
    .load = &rv_sql_load_payment,
    .keys = payment_keys,
    .decide = cancel_decide,
    .compensate = cancel_compensate,
};
