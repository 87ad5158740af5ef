/* bank.c -- statements come in: header, lines in portions, close.
 *
 *   loading --close--> imported      opening + lines = closing, as many lines as announced
 *                  \-> quarantined   not so; the rule and the difference are named, nothing is
 * matched |  RV-BALANCE   balances are missing, or differ from the lines |  RV-LINES     another
 * number of lines than was announced \  RV-ACCOUNT   the account is not registered --release-->
 * imported, or as above
 *
 * A statement of an account that nobody has registered is kept whole under "unregistered:<IBAN>":
 * no detector and no match looks at it.  Once the account is registered, release moves statement
 * and lines there.
 *
 * A line is known by its fingerprint and by which of several equal lines it is; a line that another
 * statement brought already is counted but not stored again, so a second import adds nothing and
 * two real lines that look alike both stay. */
#include "erp/command/area.h"
#include "erp/command/effect.h"
#include "erp/command/words.h"
#include "erp/domain/money.h"
#include "erp_command_sql.h"

#include <inttypes.h>
#include <string.h>

enum { LINE_ID_BITS = 20 /* ids of lines: statement id, then a million lines */ };

static const char KEPT_FOR[] = "unregistered:"; /* as load_statement has it */

static int statement_keys(const json_t *args, struct rv_arena *arena, const char *out[ERP_KEYS_MAX])
{
    const char *account =
        rv_json_str(args, "account_iban", rv_json_str(args, "account_id", "unknown"));
    out[0] = rv_arena_printf(arena, "bank_statement:%s:%s", account,
                             rv_json_str(args, "statement_id", ""));
    out[1] =
        rv_arena_printf(arena, "bank:%s", account); /* lines of two statements may be the same */
    return 2;
}

static const char *account_name(const json_t *args)
{
    return rv_json_str(args, "account_iban", rv_json_str(args, "account_id", ""));
}

static bool is_kept(const json_t *statement) /* for an account that was not registered */
{
    return strncmp(rv_json_str(statement, "account", ""), KEPT_FOR, sizeof KEPT_FOR - 1) == 0;
}

static enum rv_code need_statement(const json_t *args, const json_t *state, struct rv_error *err)
{
    if (erp_part(state, "statement") == NULL) {
        rv_fail(err, RV_NOT_FOUND, "statement \"%s\" was not announced",
                rv_json_str(args, "statement_id", ""));
        rv_hint(err, "Send its header first: bank_statement.import.");
        return RV_NOT_FOUND;
    }
    return RV_OK;
}

static enum rv_code same_currency(const json_t *args, const json_t *account, const char *statement,
                                  struct rv_error *err)
{
    const char *currency = rv_json_str(account, "currency", NULL);
    if (currency == NULL || strcmp(currency, statement) == 0) {
        return RV_OK;
    }
    rv_fail(err, RV_INVALID, "statement \"%s\" is in %s, account %s in %s",
            rv_json_str(args, "statement_id", ""), statement, rv_json_str(account, "number", ""),
            currency);
    rv_hint(err, "Check that the statement is of this account.");
    return RV_INVALID;
}

/* `releasable`: only the registering of the account was missing, and that is done. */
static void answer_statement(const json_t *statement, const json_t *state,
                             struct erp_outcome *outcome)
{
    json_t *answer = json_pack("{s:O,s:O,s:b}", "statement", json_object_get(statement, "id"),
                               "state", json_object_get(statement, "state"), "changed", 0);
    erp_copy(answer, "rule", statement, "rule");
    erp_copy(answer, "reason", statement, "reason");
    json_object_set_new(answer, "releasable",
                        json_boolean(is_kept(statement) && erp_part(state, "account") != NULL));
    erp_answer(outcome, answer);
}

/* ---- bank_statement.import ---- */

static enum rv_code import_decide(const struct erp_context *context, const json_t *args,
                                  const json_t *state, struct erp_outcome *outcome,
                                  struct rv_error *err)
{
    const json_t *known = erp_part(state, "statement");
    const json_t *account = erp_part(state, "account");
    if (account_name(args)[0] == '\0') {
        rv_fail(err, RV_INVALID, "statement \"%s\" names no account",
                rv_json_str(args, "statement_id", ""));
        rv_hint(err, "Give account_iban or account_id.");
        return RV_INVALID;
    }
    enum rv_code code = same_currency(args, account, rv_json_str(args, "currency", ""), err);
    if (code != RV_OK) {
        return code;
    }
    if (known != NULL) {
        bool same =
            json_equal(erp_part(known, "opening"), json_object_get(args, "opening_minor")) ||
            (erp_part(known, "opening") == NULL && json_object_get(args, "opening_minor") == NULL);
        same = same && rv_json_int(known, "closing", 0) == rv_json_int(args, "closing_minor", 0);
        if (!same) {
            rv_fail(err, RV_CONFLICT, "statement \"%s\" is known with other balances",
                    rv_json_str(args, "statement_id", ""));
            rv_hint(err, "Ask the bank which of the two is right; nothing was changed.");
            return RV_CONFLICT;
        }
        answer_statement(known, state, outcome);
        return RV_OK;
    }
    const char *number =
        account != NULL ? rv_json_str(account, "number", "")
                        : rv_arena_printf(context->arena, "%s%s", KEPT_FOR, account_name(args));
    json_t *body = json_pack("{s:I,s:s,s:s,s:s}", "id", (json_int_t)context->first_id, "account",
                             number, "statement_ref", rv_json_str(args, "statement_id", ""),
                             "currency", rv_json_str(args, "currency", ""));
    erp_copy(body, "sequence", args, "sequence");
    erp_copy(body, "first_day", args, "from");
    erp_copy(body, "last_day", args, "to");
    erp_copy(body, "opening", args, "opening_minor");
    erp_copy(body, "closing", args, "closing_minor");
    erp_copy(body, "announced", args, "entry_count");
    erp_copy(body, "file_sha256", args, "file_sha256");
    erp_emit(outcome, erp_stream(context->arena, "bank_statement", context->first_id), 1,
             "bank_statement.opened.v1", context->today, body);
    erp_answer(outcome, json_pack("{s:I,s:s,s:b}", "statement", (json_int_t)context->first_id,
                                  "state", "loading", "changed", 1));
    return RV_OK;
}

/* clang-format off */
#define STATEMENT_NAME \
    FIELD("account_iban", JSON({"type": "string", "minLength": 1, "maxLength": 40})) "," \
    FIELD("account_id", NAME) "," FIELD("statement_id", NAME)

const struct erp_command erp_bank_statement_import = {
    .name = "bank_statement.import",
    .summary = "Announces a bank statement: account, balances, number of lines.",
    .schema = OBJECT(JSON("kind", "statement_id", "currency"), STATEMENT_NAME ","
        FIELD("kind", JSON({"type": "string", "enum": ["bank_statement"]})) ","
        FIELD("sequence", MINOR) "," FIELD("currency", CURRENCY) "," FIELD("from", DATE) "," FIELD("to", DATE) ","
        FIELD("opening_minor", MINOR) "," FIELD("closing_minor", MINOR) "," FIELD("entry_count", COUNT) ","
        FIELD("sum_minor", MINOR) "," FIELD("balanced", BOOL) "," FIELD("difference_minor", MINOR) ","
        FIELD("reason", TEXT) "," FIELD("format", NAME) "," FIELD("file_sha256", HASH)),
    .tier = ERP_TIER_NOTE,
    .risk = ERP_RISK_DRAFT,
    .load = &rv_sql_load_statement,
    .keys = statement_keys,
    .decide = import_decide,
    .compensate = erp_irreversible, /* what the bank says is a fact */
};
/* clang-format on */

/* ---- bank_statement.lines ---- */

static bool index_in(const json_t *list, size_t index)
{
    size_t i;
    json_t *entry;
    json_array_foreach((json_t *)(uintptr_t)list, i, entry)
    {
        if ((size_t)json_integer_value(entry) == index) {
            return true;
        }
    }
    return false;
}

static json_t *line_row(const json_t *from, int64_t id)
{
    static const char *const names[][2] = {
        {"fp", "fingerprint"},
        {"occ", "occurrence"},
        {"booked", "booked"},
        {"valued", "valued"},
        {"amount", "amount_minor"},
        {"currency", "currency"},
        {"bank_ref", "bank_ref"},
        {"end_to_end_id", "end_to_end_id"},
        {"counterparty", "counterparty"},
        {"counterparty_iban", "counterparty_iban"},
        {"memo", "remittance"},
        {"code", "code"},
        {"reversal", "reversal"},
    };
    json_t *row = json_pack("{s:I}", "id", (json_int_t)id);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        erp_copy(row, names[i][0], from, names[i][1]);
    }
    return row;
}

static enum rv_code lines_decide(const struct erp_context *context, const json_t *args,
                                 const json_t *state, struct erp_outcome *outcome,
                                 struct rv_error *err)
{
    enum rv_code code = need_statement(args, state, err);
    if (code != RV_OK) {
        return code;
    }
    const json_t *statement = json_object_get(state, "statement");
    int64_t id = rv_json_int(statement, "id", 0);
    int64_t stored = rv_json_int(statement, "line_count", 0);
    int64_t sum = 0;
    int64_t here = 0;
    int64_t known = 0;
    json_t *rows = json_array();
    size_t i;
    json_t *line;
    json_array_foreach(json_object_get(args, "lines"), i, line)
    {
        if (index_in(json_object_get(state, "known_here"), i)) {
            here++;
            continue;
        }
        if (index_in(json_object_get(state, "known_elsewhere"), i)) {
            known++;
        } else {
            int64_t line_id = (id << LINE_ID_BITS) + stored + (int64_t)i + 1;
            json_array_append_new(rows, line_row(line, line_id));
        }
        if (code == RV_OK) {
            code = erp_money_add(sum, rv_json_int(line, "amount_minor", 0), "the statement", &sum,
                                 err);
        }
        if (code == RV_OK && strcmp(rv_json_str(line, "currency", ""),
                                    rv_json_str(statement, "currency", "")) != 0) {
            code =
                rv_fail(err, RV_INVALID, "line %zu is in %s, the statement in %s", i + 1,
                        rv_json_str(line, "currency", ""), rv_json_str(statement, "currency", ""));
        }
    }
    int64_t fresh = (int64_t)json_array_size(rows);
    bool loading = strcmp(rv_json_str(statement, "state", ""), "loading") == 0;
    if (code == RV_OK && fresh + known > 0 && !loading) {
        code = rv_fail(err, RV_CONFLICT, "statement \"%s\" is closed and has other lines",
                       rv_json_str(args, "statement_id", ""));
        rv_hint(err, "A correction comes as a statement of its own.");
    }
    if (code == RV_OK && stored + fresh + known >= INT64_C(1) << LINE_ID_BITS) {
        code = rv_fail(err, RV_LIMIT, "a statement has at most %d lines", (1 << LINE_ID_BITS) - 1);
    }
    if (code != RV_OK) {
        json_decref(rows);
        return code;
    }
    erp_answer(outcome, json_pack("{s:I,s:I,s:I}", "statement", (json_int_t)id, "added",
                                  (json_int_t)fresh, "known", (json_int_t)(known + here)));
    if (fresh + known == 0) {
        json_decref(rows);
        return RV_OK;
    }
    json_t *body =
        json_pack("{s:I,s:O,s:I,s:I,s:I,s:o}", "id", (json_int_t)id, "account",
                  json_object_get(statement, "account"), "count", (json_int_t)(fresh + known),
                  "sum", (json_int_t)sum, "known", (json_int_t)known, "lines", rows);
    erp_emit(outcome, erp_stream(context->arena, "bank_statement", id),
             rv_json_int(statement, "version", 0) + 1, "bank_statement.lines.v1", context->today,
             body);
    return RV_OK;
}

/* clang-format off */
const struct erp_command erp_bank_statement_lines = {
    .name = "bank_statement.lines",
    .summary = "Adds lines to a statement that is being loaded.",
    .schema = OBJECT(JSON("statement_id", "lines"), STATEMENT_NAME ","
        FIELD("lines", LIST1(1000, OBJECT(JSON("booked", "amount_minor", "currency", "fingerprint", "occurrence"),
            FIELD("no", COUNT) "," FIELD("booked", DATE) "," FIELD("valued", DATE) "," FIELD("amount_minor", MINOR) ","
            FIELD("currency", CURRENCY) "," FIELD("bank_ref", TEXT) "," FIELD("end_to_end_id", TEXT) ","
            FIELD("counterparty", TEXT) "," FIELD("counterparty_iban", JSON({"type": "string", "maxLength": 40})) ","
            FIELD("remittance", JSON({"type": "string", "maxLength": 8000})) "," FIELD("code", NAME) ","
            FIELD("reversal", BOOL) "," FIELD("fingerprint", HASH) "," FIELD("occurrence", ID))))),
    .tier = ERP_TIER_NOTE,
    .risk = ERP_RISK_DRAFT,
    .load = &rv_sql_load_statement,
    .keys = statement_keys,
    .decide = lines_decide,
    .compensate = erp_irreversible,
};
/* clang-format on */

/* ---- bank_statement.close ---- */

/* What opening + lines lacks to the closing balance; 0 when it balances or balances are not given.
 */
static int64_t difference_of(const json_t *statement)
{
    if (erp_part(statement, "opening") == NULL || erp_part(statement, "closing") == NULL) {
        return 0;
    }
    int64_t sum = 0;
    int64_t difference = 0;
    if (__builtin_add_overflow(rv_json_int(statement, "opening", 0),
                               rv_json_int(statement, "line_sum", 0), &sum) ||
        __builtin_sub_overflow(rv_json_int(statement, "closing", 0), sum, &difference)) {
        return INT64_MAX;
    }
    return difference;
}

static json_t *verdict(const char *state, const char *rule, const char *reason)
{
    json_t *out = json_pack("{s:s,s:s}", "state", state, "reason", reason);
    erp_set_str(out, "rule", rule);
    return out;
}

/* What the statement is by its own figures: {state, rule, reason}, a new reference. */
static json_t *judge(const json_t *args, const json_t *statement, int64_t difference)
{
    int64_t count = rv_json_int(statement, "line_count", 0);
    int64_t announced = rv_json_int(statement, "announced", count);
    bool given = erp_part(statement, "opening") != NULL && erp_part(statement, "closing") != NULL;
    bool wanted = strcmp(rv_json_str(args, "state", ""), "imported") == 0;
    char reason[160];
    if (strcmp(rv_json_str(args, "rule", ""), "RV-TWIN") == 0) {
        return verdict("quarantined", "RV-TWIN", rv_json_str(args, "reason", ""));
    }
    if (difference != 0) {
        char amount[ERP_MONEY_TEXT];
        erp_money_format(difference, rv_json_str(statement, "currency", ""), amount);
        snprintf(reason, sizeof reason, "opening balance and lines differ from closing by %s",
                 amount);
        return verdict("quarantined", "RV-BALANCE", reason);
    }
    if (count != announced) {
        snprintf(reason, sizeof reason, "%" PRId64 " lines announced, %" PRId64 " came", announced,
                 count);
        return verdict("quarantined", "RV-LINES", reason);
    }
    if (!given || !wanted) {
        return verdict("quarantined", "RV-BALANCE",
                       rv_json_str(args, "reason", given ? "" : "a balance is not given"));
    }
    return verdict("imported", NULL, "");
}

static enum rv_code close_decide(const struct erp_context *context, const json_t *args,
                                 const json_t *state, struct erp_outcome *outcome,
                                 struct rv_error *err)
{
    enum rv_code code = need_statement(args, state, err);
    if (code != RV_OK) {
        return code;
    }
    const json_t *statement = json_object_get(state, "statement");
    if (strcmp(rv_json_str(statement, "state", ""), "loading") != 0) {
        answer_statement(statement, state, outcome);
        return RV_OK;
    }
    int64_t id = rv_json_int(statement, "id", 0);
    int64_t difference = difference_of(statement);
    json_t *judged = judge(args, statement, difference);
    json_t *body = judged;
    if (is_kept(statement)) {
        body = verdict(
            "quarantined", "RV-ACCOUNT",
            rv_arena_printf(context->arena, "account %s is not registered", account_name(args)));
        json_object_set_new(body, "judged", judged);
    }
    json_t *answer =
        json_pack("{s:I,s:O,s:I,s:O,s:b,s:b}", "statement", (json_int_t)id, "state",
                  json_object_get(body, "state"), "difference_minor", (json_int_t)difference,
                  "reason", json_object_get(body, "reason"), "changed", 1, "releasable",
                  is_kept(statement) && erp_part(state, "account") != NULL);
    erp_copy(answer, "rule", body, "rule");
    erp_answer(outcome, answer);
    erp_set_int(body, "id", id);
    erp_set_int(body, "difference", difference);
    erp_emit(outcome, erp_stream(context->arena, "bank_statement", id),
             rv_json_int(statement, "version", 0) + 1, "bank_statement.closed.v1", context->today,
             body);
    return RV_OK;
}

/* clang-format off */
const struct erp_command erp_bank_statement_close = {
    .name = "bank_statement.close",
    .summary = "Ends the loading of a statement: imported when it balances, else quarantined.",
    .schema = OBJECT(JSON("statement_id", "state"), STATEMENT_NAME ","
        FIELD("state", JSON({"type": "string", "enum": ["imported", "quarantined"]})) ","
        FIELD("rule", JSON({"type": "string", "enum": ["RV-BALANCE", "RV-TWIN"]})) "," FIELD("reason", TEXT)),
    .tier = ERP_TIER_NOTE,
    .risk = ERP_RISK_DRAFT,
    .load = &rv_sql_load_statement,
    .keys = statement_keys,
    .decide = close_decide,
    .compensate = erp_irreversible,
};
/* clang-format on */

/* ---- bank_statement.release ---- */

static enum rv_code release_decide(const struct erp_context *context, const json_t *args,
                                   const json_t *state, struct erp_outcome *outcome,
                                   struct rv_error *err)
{
    enum rv_code code = need_statement(args, state, err);
    if (code != RV_OK) {
        return code;
    }
    const json_t *statement = json_object_get(state, "statement");
    const json_t *account = erp_part(state, "account");
    if (!is_kept(statement)) {
        answer_statement(statement, state, outcome);
        return RV_OK;
    }
    if (account == NULL) {
        rv_fail(err, RV_NOT_FOUND, "account %s is not registered", account_name(args));
        rv_hint(err,
                "Register it: account.register with role \"bank\" and its iban or bank_account.");
        return RV_NOT_FOUND;
    }
    code = erp_need_state(statement, "the statement", "released", err, "quarantined", NULL);
    if (code == RV_OK) {
        code = same_currency(args, account, rv_json_str(statement, "currency", ""), err);
    }
    if (code != RV_OK) {
        return code;
    }
    int64_t id = rv_json_int(statement, "id", 0);
    const json_t *judged = json_object_get(statement, "judged");
    json_t *body =
        json_pack("{s:I,s:O,s:O}", "id", (json_int_t)id, "account",
                  json_object_get(account, "number"), "state", json_object_get(judged, "state"));
    if (erp_part(judged, "rule") != NULL) {
        erp_copy(body, "rule", judged, "rule");
        erp_copy(body, "reason", judged, "reason");
    }
    json_t *answer = json_pack("{s:I,s:O,s:O,s:b}", "statement", (json_int_t)id, "state",
                               json_object_get(judged, "state"), "account",
                               json_object_get(account, "number"), "changed", 1);
    erp_copy(answer, "rule", body, "rule");
    erp_copy(answer, "reason", body, "reason");
    erp_answer(outcome, answer);
    erp_emit(outcome, erp_stream(context->arena, "bank_statement", id),
             rv_json_int(statement, "version", 0) + 1, "bank_statement.released.v1", context->today,
             body);
    return RV_OK;
}

/* clang-format off */
const struct erp_command erp_bank_statement_release = {
    .name = "bank_statement.release",
    .summary = "Lets a statement out of quarantine whose account was registered after it came.",
    .schema = OBJECT(JSON("statement_id"), STATEMENT_NAME),
    .tier = ERP_TIER_NOTE,
    .risk = ERP_RISK_DRAFT,
    .load = &rv_sql_load_statement,
    .keys = statement_keys,
    .decide = release_decide,
    .compensate = erp_irreversible,
};
/* clang-format on */
