/* bank_line.c -- what a line of a statement was for: matched to payments and open items, or posted
 * to an account; and taken back in one step.
 *
 *   open --match--> matched          a payment we released: clearing against bank
 *    ^  \-post_to-> posted           an open item: payables (or receivables) against bank
 *    |________________|  unmatch     a rest only to an account the caller names
 *
 * Every match keeps its rule, its score and the runner-up, so that it can be explained. */
#include "erp/command/area.h"
#include "erp/command/effect.h"
#include "erp/command/words.h"
#include "erp/domain/money.h"
#include "erp_command_sql.h"

#include <inttypes.h>
#include <string.h>

static int line_keys(const json_t *args, struct rv_arena *arena, const char *out[ERP_KEYS_MAX])
{
    int count = erp_key_id(args, "bank_line", "bank_line", arena, out);
    size_t i;
    json_t *target;
    json_array_foreach(json_object_get(args, "targets"), i, target)
    {
        const char *kind = json_object_get(target, "payment") != NULL ? "payment" : "open_item";
        if (count < ERP_KEYS_MAX) {
            out[count++] = erp_stream(arena, kind, rv_json_int(target, kind, 0));
        }
    }
    return count;
}

static const json_t *by_id(const json_t *list, const char *member, int64_t id)
{
    size_t i;
    json_t *entry;
    json_array_foreach((json_t *)(uintptr_t)list, i, entry)
    {
        if (rv_json_int(entry, member, 0) == id) {
            return entry;
        }
    }
    return NULL;
}

static enum rv_code need_open(const json_t *state, struct rv_error *err)
{
    if (strcmp(rv_json_str(state, "statement_state", ""), "imported") != 0) {
        rv_fail(err, RV_CONFLICT, "the statement of this line is %s",
                rv_json_str(state, "statement_state", ""));
        rv_hint(err, "Only lines of a statement that balances are used.");
        return RV_CONFLICT;
    }
    return erp_need_state(json_object_get(state, "line"), "bank line", "used", err, "open", NULL);
}

/* ---- bank_line.match ---- */

/* A payment of ours leaves the bank: its amount is minus the line's. */
static enum rv_code match_payment(struct erp_posting *posting, const json_t *state,
                                  const json_t *target, const char *currency, json_t *targets,
                                  int64_t *used, struct rv_error *err)
{
    int64_t id = rv_json_int(target, "payment", 0);
    const json_t *payment = by_id(erp_part(state, "payments"), "payment", id);
    if (payment == NULL) {
        return rv_fail(err, RV_NOT_FOUND, "no payment %" PRId64, id);
    }
    if (strcmp(rv_json_str(payment, "state", ""), "released") != 0 ||
        strcmp(rv_json_str(payment, "currency", ""), currency) != 0) {
        rv_fail(err, RV_CONFLICT, "payment %" PRId64 " is %s in %s", id,
                rv_json_str(payment, "state", ""), rv_json_str(payment, "currency", ""));
        rv_hint(err, "Match payments that are released and not cleared, in the line's currency.");
        return RV_CONFLICT;
    }
    int64_t amount = rv_json_int(payment, "amount", 0);
    json_array_append_new(
        targets, json_pack("{s:I,s:I}", "payment", (json_int_t)id, "amount", (json_int_t)amount));
    *used -= amount;
    return erp_posting_role(posting, state, "bank_clearing", amount, currency, 0, err);
}

/* An open item is settled by the bank directly: a debit by the supplier, a customer's payment. */
static enum rv_code match_item(struct erp_posting *posting, const json_t *state,
                               const json_t *target, const char *currency, json_t *targets,
                               int64_t *used, struct rv_error *err)
{
    int64_t id = rv_json_int(target, "open_item", 0);
    const json_t *item = by_id(erp_part(state, "items"), "open_item", id);
    if (item == NULL) {
        return rv_fail(err, RV_NOT_FOUND, "no open item %" PRId64, id);
    }
    int64_t free_amount = rv_json_int(item, "open", 0) - rv_json_int(item, "reserved", 0);
    int64_t amount = rv_json_int(target, "amount_minor", free_amount);
    bool fits = free_amount >= 0 ? amount > 0 && amount <= free_amount
                                 : amount < 0 && amount >= free_amount;
    if (!fits || strcmp(rv_json_str(item, "currency", ""), currency) != 0) {
        char text[ERP_MONEY_TEXT];
        erp_money_format(free_amount, rv_json_str(item, "currency", ""), text);
        rv_fail(err, RV_CONFLICT, "of \"%s\" only %s is open and not in a payment",
                rv_json_str(item, "ref", ""), text);
        rv_hint(err, "Match at most that; cancel the payment that reserves the rest.");
        return RV_CONFLICT;
    }
    const char *role =
        strcmp(rv_json_str(item, "side", ""), "AR") == 0 ? "ar_control" : "ap_control";
    json_array_append_new(targets, json_pack("{s:I,s:I}", "open_item", (json_int_t)id, "settles",
                                             (json_int_t)amount));
    *used -= amount;
    return erp_posting_role(posting, state, role, amount, currency, rv_json_int(item, "party", 0),
                            err);
}

/* The rest of the line goes to the account the caller named; it must be active and in the chart. */
static enum rv_code post_rest(struct erp_posting *posting, const json_t *args, const json_t *state,
                              int64_t rest, const char *currency, struct rv_error *err)
{
    const json_t *account = erp_part(state, "account");
    if (rest == 0) {
        return RV_OK;
    }
    char text[ERP_MONEY_TEXT];
    erp_money_format(rest, currency, text);
    if (json_object_get(args, "account") == NULL) {
        rv_fail(err, RV_CONFLICT, "the targets and the bank line differ by %s", text);
        rv_hint(err, "Choose other targets or amounts, or name an \"account\" for the difference.");
        return RV_CONFLICT;
    }
    if (account == NULL || !rv_json_bool(account, "active", false)) {
        return rv_fail(err, RV_NOT_FOUND, "account \"%s\" does not exist or is not active",
                       rv_json_str(args, "account", ""));
    }
    erp_posting_line(posting, rv_json_str(account, "number", ""), rv_json_str(account, "name", ""),
                     -rest, currency, 0, NULL);
    return RV_OK;
}

static enum rv_code match_decide(const struct erp_context *context, const json_t *args,
                                 const json_t *state, struct erp_outcome *outcome,
                                 struct rv_error *err)
{
    const json_t *line = json_object_get(state, "line");
    const json_t *bank = json_object_get(state, "bank");
    int64_t id = rv_json_int(line, "id", 0);
    int64_t amount = rv_json_int(line, "amount", 0);
    const char *currency = rv_json_str(line, "currency", "");
    enum rv_code code = need_open(state, err);
    if (code != RV_OK) {
        return code;
    }
    struct erp_posting posting;
    erp_posting_open(&posting, context, outcome, context->first_id, context->today, "bank_line", id,
                     rv_json_str(line, "memo", ""));
    erp_posting_line(&posting, rv_json_str(bank, "number", ""), rv_json_str(bank, "name", ""),
                     amount, currency, 0, NULL);
    json_t *targets = json_array();
    int64_t used = 0; /* what the targets account for, in the sign of the line */
    size_t i;
    json_t *target;
    json_array_foreach(json_object_get(args, "targets"), i, target)
    {
        bool payment = json_object_get(target, "payment") != NULL;
        if (code == RV_OK && payment == (json_object_get(target, "open_item") != NULL)) {
            code =
                rv_fail(err, RV_INVALID, "target %zu is a payment or an open item, one of them", i);
        }
        if (code == RV_OK) {
            code = (payment ? match_payment : match_item)(&posting, state, target, currency,
                                                          targets, &used, err);
        }
    }
    if (code == RV_OK) {
        code = post_rest(&posting, args, state, amount - used, currency, err);
    }
    if (code != RV_OK) {
        json_decref(targets);
        erp_posting_drop(&posting);
        return code;
    }
    code = erp_posting_close(&posting, json_object_get(state, "locks"), "BANK", err);
    if (code != RV_OK) {
        json_decref(targets);
        return code;
    }
    json_t *body = json_pack(
        "{s:I,s:I,s:I,s:s,s:I,s:o}", "id", (json_int_t)id, "je", (json_int_t)context->first_id,
        "match", (json_int_t)context->first_id + 1, "rule", rv_json_str(args, "rule", "by hand"),
        "score", (json_int_t)rv_json_int(args, "score", 100), "targets", targets);
    erp_copy(body, "runner_up", args, "runner_up");
    erp_emit(outcome, erp_stream(context->arena, "bank_line", id),
             rv_json_int(line, "version", 0) + 1, "bank_line.matched.v1", context->today, body);
    erp_answer(outcome, json_pack("{s:I,s:I,s:I}", "bank_line", (json_int_t)id, "entry",
                                  (json_int_t)context->first_id, "match",
                                  (json_int_t)context->first_id + 1));
    return RV_OK;
}

static bool use_compensate(const json_t *args, const json_t *answer, const char **name,
                           json_t **out_args)
{
    (void)answer;
    *name = "bank_line.unmatch";
    *out_args = json_pack("{s:O,s:s}", "bank_line", json_object_get(args, "bank_line"), "reason",
                          "taken back");
    return true;
}

/* clang-format off */
const struct erp_command erp_bank_line_match = {
    .name = "bank_line.match",
    .summary = "Matches a bank line to payments and open items; sums must agree.",
    .schema = OBJECT(JSON("bank_line", "targets"),
        FIELD("bank_line", ID) ","
        FIELD("targets", LIST1(100, OBJECT("",
            FIELD("payment", ID) "," FIELD("open_item", ID) "," FIELD("amount_minor", MINOR)))) ","
        FIELD("account", NAME) "," FIELD("rule", NAME) ","
        FIELD("score", JSON({"type": "integer", "minimum": 0, "maximum": 100})) ","
        FIELD("runner_up", OBJECT("", FIELD("target", NAME) "," FIELD("score", COUNT) "," FIELD("reason", TEXT)))),
    .tier = ERP_TIER_LEDGER,
    .risk = ERP_RISK_BOOKS,
    .money = ERP_MONEY_AMOUNT,
    .load = &rv_sql_load_bank_line,
    .keys = line_keys,
    .decide = match_decide,
    .compensate = use_compensate,
};
/* clang-format on */

/* ---- bank_line.post_to ---- */

static enum rv_code post_decide(const struct erp_context *context, const json_t *args,
                                const json_t *state, struct erp_outcome *outcome,
                                struct rv_error *err)
{
    const json_t *line = json_object_get(state, "line");
    const json_t *bank = json_object_get(state, "bank");
    int64_t id = rv_json_int(line, "id", 0);
    int64_t amount = rv_json_int(line, "amount", 0);
    const char *currency = rv_json_str(line, "currency", "");
    enum rv_code code = need_open(state, err);
    if (code != RV_OK) {
        return code;
    }
    if (amount == 0) {
        return rv_fail(err, RV_INVALID, "bank line %" PRId64 " moves no money", id);
    }
    struct erp_posting posting;
    erp_posting_open(&posting, context, outcome, context->first_id, context->today, "bank_line", id,
                     rv_json_str(args, "memo", rv_json_str(line, "memo", "")));
    erp_posting_line(&posting, rv_json_str(bank, "number", ""), rv_json_str(bank, "name", ""),
                     amount, currency, 0, NULL);
    code = post_rest(&posting, args, state, amount, currency, err);
    if (code != RV_OK) {
        erp_posting_drop(&posting);
        return code;
    }
    code = erp_posting_close(&posting, json_object_get(state, "locks"), "BANK", err);
    if (code != RV_OK) {
        return code;
    }
    json_t *body =
        json_pack("{s:I,s:I,s:s}", "id", (json_int_t)id, "je", (json_int_t)context->first_id,
                  "account", rv_json_str(args, "account", ""));
    erp_emit(outcome, erp_stream(context->arena, "bank_line", id),
             rv_json_int(line, "version", 0) + 1, "bank_line.posted.v1", context->today, body);
    erp_answer(outcome, json_pack("{s:I,s:I}", "bank_line", (json_int_t)id, "entry",
                                  (json_int_t)context->first_id));
    return RV_OK;
}

const struct erp_command erp_bank_line_post_to = {
    .name = "bank_line.post_to",
    .summary = "Posts a bank line to an account: a fee, interest, or suspense until it is known.",
    .schema = OBJECT(JSON("bank_line", "account"),
                     FIELD("bank_line", ID) "," FIELD("account", NAME) "," FIELD("memo", TEXT)),
    .tier = ERP_TIER_LEDGER,
    .risk = ERP_RISK_BOOKS,
    .money = ERP_MONEY_AMOUNT,
    .load = &rv_sql_load_bank_line,
    .keys = line_keys,
    .decide = post_decide,
    .compensate = use_compensate,
};

/* ---- bank_line.unmatch ---- */

static enum rv_code unmatch_decide(const struct erp_context *context, const json_t *args,
                                   const json_t *state, struct erp_outcome *outcome,
                                   struct rv_error *err)
{
    const json_t *line = json_object_get(state, "line");
    const json_t *match = erp_part(state, "match");
    int64_t id = rv_json_int(line, "id", 0);
    enum rv_code code =
        erp_need_state(line, "bank line", "taken back", err, "matched", "posted", NULL);
    if (code == RV_OK) {
        code =
            erp_reverse(context, outcome, context->first_id, context->today, erp_part(state, "je"),
                        erp_part(state, "jl"), json_object_get(state, "locks"), "BANK",
                        rv_json_str(args, "reason", ""), err);
    }
    if (code != RV_OK) {
        return code;
    }
    const json_t *targets = erp_part(match, "targets");
    json_t *body = json_pack("{s:I,s:o}", "id", (json_int_t)id, "targets",
                             targets == NULL ? json_array() : json_deep_copy(targets));
    erp_copy(body, "match", match, "id");
    erp_copy(body, "reason", args, "reason");
    erp_emit(outcome, erp_stream(context->arena, "bank_line", id),
             rv_json_int(line, "version", 0) + 1, "bank_line.unmatched.v1", context->today, body);
    erp_answer(outcome, json_pack("{s:I,s:I}", "bank_line", (json_int_t)id, "entry",
                                  (json_int_t)context->first_id));
    return RV_OK;
}

const struct erp_command erp_bank_line_unmatch = {
    .name = "bank_line.unmatch",
    .summary = "Takes back a match or posting of a bank line, with all it settled.",
    .schema =
        OBJECT(JSON("bank_line", "reason"), FIELD("bank_line", ID) "," FIELD("reason", REASON)),
    .tier = ERP_TIER_LEDGER,
    .risk = ERP_RISK_BOOKS,
    .load = &rv_sql_load_bank_line,
    .keys = line_keys,
    .decide = unmatch_decide,
    .compensate = erp_irreversible, /* match again */
};
