/* master.c -- what everything else refers to: accounts, parties, tolerances, period locks.
 *
 * Each command says the whole row and may be said again: what is the same already changes nothing.
 * The answer keeps the row as it was, so that taking back is saying the old row. */
#include "erp/command/area.h"
#include "erp/command/effect.h"
#include "erp/command/words.h"
#include "erp/domain/norm.h"
#include "erp_command_sql.h"

#include <string.h>

/* True when `body` says nothing new about `row`: every member equal, and what it lacks is null. */
static bool same_row(const json_t *body, const json_t *row, const char *const *columns)
{
    if (row == NULL) {
        return false;
    }
    for (; *columns != NULL; columns++) {
        const json_t *new_value = json_object_get(body, *columns);
        const json_t *old_value = erp_part(row, *columns);
        if ((new_value == NULL) != (old_value == NULL) ||
            (new_value != NULL && !json_equal(new_value, old_value))) {
            return false;
        }
    }
    return true;
}

/* The columns of `row` that a command could say again; NULL when there was no row. */
static json_t *row_before(const json_t *row, const char *const *columns)
{
    if (row == NULL) {
        return json_null();
    }
    json_t *before = json_object();
    for (; *columns != NULL; columns++) {
        erp_copy(before, *columns, row, *columns);
    }
    return before;
}

/* ---- accounts ---- */

static const char *const account_columns[] = {
    "number", "name", "kind", "role", "currency", "iban", "bank_account", "manual", "active", NULL};

static int account_keys(const json_t *args, struct rv_arena *arena, const char *out[ERP_KEYS_MAX])
{
    out[0] = rv_arena_printf(arena, "account:%s", rv_json_str(args, "number", ""));
    out[1] = rv_arena_printf(arena, "account-role:%s", rv_json_str(args, "role", ""));
    return json_object_get(args, "role") == NULL ? 1 : 2;
}

static enum rv_code account_decide(const struct erp_context *context, const json_t *args,
                                   const json_t *state, struct erp_outcome *outcome,
                                   struct rv_error *err)
{
    const json_t *row = erp_part(state, "account");
    const char *number = rv_json_str(args, "number", "");
    const char *taken = rv_json_str(state, "role_taken", NULL);
    if (taken != NULL) {
        rv_fail(err, RV_CONFLICT, "the role \"%s\" belongs to account %s",
                rv_json_str(args, "role", ""), taken);
        rv_hint(err, "Register account %s without the role first.", taken);
        return RV_CONFLICT;
    }
    bool changed = !same_row(args, row, account_columns);
    erp_answer(outcome, json_pack("{s:s,s:b,s:o}", "number", number, "changed", changed, "before",
                                  row_before(row, account_columns)));
    if (changed) {
        erp_emit(outcome, rv_arena_printf(context->arena, "account:%s", number),
                 rv_json_int(row, "version", 0) + 1, "account.registered.v1", context->today,
                 json_deep_copy(args));
    }
    return RV_OK;
}

static bool account_compensate(const json_t *args, const json_t *answer, const char **name,
                               json_t **out_args)
{
    const json_t *before = erp_part(answer, "before");
    if (!rv_json_bool(answer, "changed", false)) {
        return false;
    }
    *name = "account.register";
    *out_args = json_deep_copy(before != NULL ? before : args);
    if (before == NULL) { /* a number that was used once stays; it is only put to sleep */
        json_object_set_new(*out_args, "active", json_false());
        json_object_del(*out_args, "role");
    }
    return true;
}

/* clang-format off */
const struct erp_command erp_account_register = {
    .name = "account.register",
    .summary = "Adds an account to the chart, or says it anew.",
    .schema = OBJECT(JSON("number", "name", "kind"),
        FIELD("number", JSON({"type": "string", "minLength": 1, "maxLength": 20})) ","
        FIELD("name", NAME) ","
        FIELD("kind", JSON({"type": "string", "enum": ["asset", "liability", "equity", "income", "expense"]})) ","
        FIELD("role", JSON({"type": "string", "enum": ["ap_control", "ar_control", "vat_input", "grir",
            "expense", "bank", "bank_clearing", "bank_fee", "price_variance", "rounding", "suspense"]})) ","
        FIELD("currency", CURRENCY) ","
        FIELD("iban", JSON({"type": "string", "format": "iban"})) ","
        FIELD("bank_account", NAME) ","
        FIELD("manual", JSON({"type": "boolean", "default": true})) ","
        FIELD("active", JSON({"type": "boolean", "default": true}))),
    .tier = ERP_TIER_LEDGER,
    .risk = ERP_RISK_COMMITS,
    .load = &rv_sql_load_account,
    .keys = account_keys,
    .decide = account_decide,
    .compensate = account_compensate,
};
/* clang-format on */

/* ---- parties ---- */

static const char *const party_columns[] = {
    "kind", "name",         "vat_id", "ext_id",       "legal_id",        "country",
    "iban", "bank_account", "status", "payment_days", "expense_account", NULL};

static int party_keys(const json_t *args, struct rv_arena *arena, const char *out[ERP_KEYS_MAX])
{
    const char *name = erp_norm(arena, rv_json_str(args, "name", ""));
    const char *vat = erp_norm(arena, rv_json_str(args, "vat_id", NULL));
    int count = 0;
    if (json_object_get(args, "id") != NULL) {
        out[count++] = erp_stream(arena, "party", rv_json_int(args, "id", 0));
    }
    out[count++] = rv_arena_printf(arena, "supplier:%s", name);
    if (vat != NULL) {
        out[count++] = rv_arena_printf(arena, "vat:%s", vat);
    }
    return count;
}

static enum rv_code party_decide(const struct erp_context *context, const json_t *args,
                                 const json_t *state, struct erp_outcome *outcome,
                                 struct rv_error *err)
{
    const json_t *row = erp_part(state, "party");
    if (row == NULL && json_object_get(args, "id") != NULL) {
        rv_fail(err, RV_NOT_FOUND, "no party %lld", (long long)rv_json_int(args, "id", 0));
        rv_hint(err, "Leave \"id\" out to register a new party.");
        return RV_NOT_FOUND;
    }
    int64_t id = row != NULL ? rv_json_int(row, "id", 0) : context->first_id;
    bool changed = !same_row(args, row, party_columns);
    erp_answer(outcome, json_pack("{s:I,s:b,s:o}", "party", (json_int_t)id, "changed", changed,
                                  "before", row_before(row, party_columns)));
    if (!changed) {
        return RV_OK;
    }
    json_t *body = json_deep_copy(args);
    erp_set_int(body, "id", id);
    erp_set_str(body, "name_norm", erp_norm(context->arena, rv_json_str(args, "name", "")));
    erp_set_str(body, "vat_norm", erp_norm(context->arena, rv_json_str(args, "vat_id", NULL)));
    erp_emit(outcome, erp_stream(context->arena, "party", id), rv_json_int(row, "version", 0) + 1,
             "party.registered.v1", context->today, body);
    return RV_OK;
}

static bool party_compensate(const json_t *args, const json_t *answer, const char **name,
                             json_t **out_args)
{
    const json_t *before = erp_part(answer, "before");
    if (!rv_json_bool(answer, "changed", false)) {
        return false;
    }
    *name = "party.register";
    *out_args = json_deep_copy(before != NULL ? before : args);
    erp_copy(*out_args, "id", answer, "party");
    if (before == NULL) { /* who was met once stays known, but gets no orders and no money */
        json_object_set_new(*out_args, "status", json_string("blocked"));
    }
    return true;
}

/* clang-format off */
const struct erp_command erp_party_register = {
    .name = "party.register",
    .summary = "Registers a supplier or customer as master data, or says it anew.",
    .schema = OBJECT(JSON("name"),
        FIELD("id", ID) ","
        FIELD("kind", JSON({"type": "string", "enum": ["supplier", "customer"], "default": "supplier"})) ","
        FIELD("name", NAME) "," FIELD("vat_id", NAME) "," FIELD("ext_id", NAME) "," FIELD("legal_id", NAME) ","
        FIELD("country", JSON({"type": "string", "minLength": 2, "maxLength": 2})) ","
        FIELD("iban", JSON({"type": "string", "format": "iban"})) ","
        FIELD("bank_account", NAME) ","
        FIELD("status", JSON({"type": "string", "enum": ["unverified", "active", "blocked"], "default": "active"})) ","
        FIELD("payment_days", JSON({"type": "integer", "minimum": 0, "maximum": 365, "default": 30})) ","
        FIELD("expense_account", NAME)),
    .tier = ERP_TIER_MONEY,
    .risk = ERP_RISK_COMMITS,
    .load = &rv_sql_load_party,
    .keys = party_keys,
    .decide = party_decide,
    .compensate = party_compensate,
};
/* clang-format on */

/* ---- tolerances ---- */

static int tolerance_keys(const json_t *args, struct rv_arena *arena, const char *out[ERP_KEYS_MAX])
{
    out[0] = rv_arena_printf(arena, "tolerance:%s", rv_json_str(args, "key", ""));
    return 1;
}

static enum rv_code tolerance_decide(const struct erp_context *context, const json_t *args,
                                     const json_t *state, struct erp_outcome *outcome,
                                     struct rv_error *err)
{
    static const char *const columns[] = {"pct_bp", "amount", "days", NULL};
    const char *key = rv_json_str(args, "key", "");
    if (!rv_json_bool(state, "known", false)) {
        rv_fail(err, RV_NOT_FOUND, "there is no tolerance \"%s\"", key);
        rv_hint(err, "Keys: PP DQ ST TAX LINE DEBIT BD BANK DUP PAY2.");
        return RV_NOT_FOUND;
    }
    const json_t *current = erp_part(state, "current");
    bool changed = !same_row(args, current, columns);
    json_t *before = row_before(current, columns);
    erp_set_str(before, "key", key);
    erp_answer(outcome,
               json_pack("{s:s,s:b,s:o}", "key", key, "changed", changed, "before", before));
    if (changed) {
        erp_emit(outcome, rv_arena_printf(context->arena, "tolerance:%s", key),
                 rv_json_int(json_object_get(state, "facts"), "version", 0) + 1, "tolerance.set.v1",
                 context->today, json_deep_copy(args));
    }
    return RV_OK;
}

static bool before_compensate(const char *command, const json_t *answer, const char **name,
                              json_t **out_args)
{
    if (!rv_json_bool(answer, "changed", false)) {
        return false;
    }
    *name = command;
    *out_args = json_deep_copy(json_object_get(answer, "before"));
    return true;
}

static bool tolerance_compensate(const json_t *args, const json_t *answer, const char **name,
                                 json_t **out_args)
{
    (void)args;
    return before_compensate("tolerance.set", answer, name, out_args);
}

/* clang-format off */
const struct erp_command erp_tolerance_set = {
    .name = "tolerance.set",
    .summary = "Sets what a difference may be before it becomes an exception.",
    .schema = OBJECT(JSON("key", "pct_bp", "amount", "days"),
        FIELD("key", JSON({"type": "string", "minLength": 1, "maxLength": 10})) ","
        FIELD("pct_bp", JSON({"type": "integer", "minimum": 0, "maximum": 10000})) ","
        FIELD("amount", COUNT) ","
        FIELD("days", JSON({"type": "integer", "minimum": 0, "maximum": 3660}))),
    .tier = ERP_TIER_LEDGER,
    .risk = ERP_RISK_COMMITS,
    .load = &rv_sql_load_tolerance,
    .keys = tolerance_keys,
    .decide = tolerance_decide,
    .compensate = tolerance_compensate,
};
/* clang-format on */

/* ---- periods ---- */

static int period_keys(const json_t *args, struct rv_arena *arena, const char *out[ERP_KEYS_MAX])
{
    out[0] = rv_arena_printf(arena, "period:%s:%s", rv_json_str(args, "class", ""),
                             rv_json_str(args, "period", ""));
    return 1;
}

static enum rv_code period_decide(const struct erp_context *context, const json_t *args,
                                  const json_t *state, struct erp_outcome *outcome,
                                  struct rv_error *err)
{
    const char *was = rv_json_str(state, "state", "open");
    const char *wanted = rv_json_str(args, "state", "");
    bool changed = strcmp(was, wanted) != 0;
    if (changed && strcmp(was, "hard") == 0) {
        rv_fail(err, RV_CONFLICT, "period %s is closed for good", rv_json_str(args, "period", ""));
        rv_hint(err, "A hard lock is final; correct in a later period.");
        return RV_CONFLICT;
    }
    json_t *before = json_deep_copy(args);
    erp_set_str(before, "state", was);
    erp_answer(outcome, json_pack("{s:b,s:o}", "changed", changed, "before", before));
    if (changed) {
        const char *stream =
            rv_arena_printf(context->arena, "period:%s:%s", rv_json_str(args, "class", ""),
                            rv_json_str(args, "period", ""));
        erp_emit(outcome, stream, rv_json_int(json_object_get(state, "facts"), "version", 0) + 1,
                 "period.locked.v1", context->today, json_deep_copy(args));
    }
    return RV_OK;
}

static bool period_compensate(const json_t *args, const json_t *answer, const char **name,
                              json_t **out_args)
{
    if (strcmp(rv_json_str(args, "state", ""), "hard") == 0) {
        return false; /* final */
    }
    return before_compensate("period.lock", answer, name, out_args);
}

/* clang-format off */
const struct erp_command erp_period_lock = {
    .name = "period.lock",
    .summary = "Opens or closes a period for a class of postings; a hard lock is final.",
    .schema = OBJECT(JSON("class", "period", "state"),
        FIELD("class", JSON({"type": "string", "enum": ["AP", "BANK", "GL"]})) ","
        FIELD("period", JSON({"type": "string", "format": "period"})) ","
        FIELD("state", JSON({"type": "string", "enum": ["open", "soft", "hard"]}))),
    .tier = ERP_TIER_MONEY,
    .risk = ERP_RISK_COMMITS,
    .load = &rv_sql_load_period,
    .keys = period_keys,
    .decide = period_decide,
    .compensate = period_compensate,
};
/* clang-format on */
