/* cmd_import.c -- documents into the books, and single commands, through the gate like everybody.
 *
 * A file is read twice by nobody: the importer validates it whole, then hands over its calls; each
 * is a gate request with an idempotency key made of the file's hash, so importing again adds
 * nothing.  Only the release of a kept statement is asked anew each time.
 */
#include "erp/command/command.h"
#include "erp/exchange/import.h"
#include "runtime/base/check.h"
#include "runtime/cli/place.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a request, waited for ---- */

struct wait {
    bool done;
    enum rv_code code;
    struct rv_error err;
    json_t *outcome;
};

static void on_done(struct rv_gate_request *request, enum rv_code code,
                    const struct rv_gate_outcome *outcome, const struct rv_error *err)
{
    struct wait *wait = request->data;
    wait->done = true;
    wait->code = code;
    if (code != RV_OK && err != NULL) {
        wait->err = *err;
    }
    if (outcome == NULL) {
        return;
    }
    json_t *out = json_pack("{s:s,s:b}", "result", rv_gate_result_name(outcome->result), "stored",
                            outcome->stored);
    if (outcome->code != RV_OK) {
        json_object_set_new(out, "code", json_string(rv_code_name(outcome->code)));
        json_object_set_new(out, "message",
                            json_string(outcome->message != NULL ? outcome->message : ""));
        if (outcome->hint != NULL && outcome->hint[0] != '\0') {
            json_object_set_new(out, "hint", json_string(outcome->hint));
        }
    }
    if (outcome->approval != 0) {
        json_object_set_new(out, "approval", json_integer(outcome->approval));
    }
    if (outcome->answer != NULL) {
        json_object_set_new(out, "answer", json_deep_copy(outcome->answer));
    }
    if (outcome->books != NULL) {
        json_object_set_new(out, "books", json_deep_copy(outcome->books));
    }
    wait->outcome = out;
}

/* A gate request, waited for.  `outcome` is a new JSON of what the door said. */
static enum rv_code submit(struct node *node, struct rv_gate_request *request, json_t **outcome,
                           struct rv_error *err)
{
    struct wait wait = {.done = false};
    request->done = on_done;
    request->data = &wait;
    node->wrote = request->tenant;
    rv_gate_submit(node->gate, request);
    node_wait(node, &wait.done, 0);
    *outcome = wait.outcome;
    if (wait.code != RV_OK) {
        *err = wait.err;
        return wait.code;
    }
    const char *result = rv_json_str(wait.outcome, "result", "");
    if (strcmp(result, "executed") == 0 || strcmp(result, "repeated") == 0 ||
        strcmp(result, "held") == 0) {
        return RV_OK;
    }
    enum rv_code code = rv_code_from_name(rv_json_str(wait.outcome, "code", "denied"));
    rv_fail(err, code, "%s: %s", result, rv_json_str(wait.outcome, "message", ""));
    rv_hint(err, "%s", rv_json_str(wait.outcome, "hint", ""));
    return code;
}

/* ---- import ---- */

struct import {
    struct cli *cli;
    struct node *node;
    int32_t tenant;
    struct rv_principal principal;
    int executed;
    int repeated;
    bool quarantined; /* something of any file */
};

enum { EXIT_QUARANTINED = 5 /* of reeve import; the others are those of enum rv_code */ };

/* A refusal is final for its command id.  Importing again after the cause was mended is a new
 * attempt with the next id; an attempt that was made before answers as it did then. */
static enum rv_code import_call(void *self, const struct erp_exchange_call *call,
                                struct rv_error *err)
{
    enum { ATTEMPTS_MAX = 100 };
    struct import *import = self;
    for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        char id[160];
        snprintf(id, sizeof id, "file:%s:%" PRId64 ":%d", call->file_sha256, call->ordinal,
                 attempt);
        if (call->anew) {
            size_t used = strlen(id);
            snprintf(id + used, sizeof id - used, ":%" PRId64,
                     rv_id_make(rv_now_us(rv_clock_system())));
        }
        struct rv_gate_request request = {.tenant = import->tenant,
                                          .principal = import->principal,
                                          .action = call->command,
                                          .args = call->args,
                                          .command_id = id};
        json_t *outcome = NULL;
        struct rv_error why = {.code = RV_OK};
        enum rv_code code = submit(import->node, &request, &outcome, &why);
        const json_t *answer = json_object_get(outcome, "answer");
        bool stored = rv_json_bool(outcome, "stored", false);
        bool known = stored || (call->anew && !rv_json_bool(answer, "changed", true));
        if (code == RV_OK && call->answer != NULL) {
            call->answer->json = json_incref((json_t *)(uintptr_t)answer);
            call->answer->repeated = stored;
        }
        json_decref(outcome);
        if (code == RV_OK) {
            import->repeated += known;
            import->executed += !known;
            return RV_OK;
        }
        if (!stored) {
            *err = why;
            return code;
        }
    }
    return rv_fail(err, RV_LIMIT, "this file was refused %d times", ATTEMPTS_MAX);
}

static void report_file(const struct cli *cli, const char *path,
                        const struct erp_exchange_report *report, const struct import *import,
                        enum rv_code code, const struct rv_error *err)
{
    const char *what = code != RV_OK          ? "refused"
                       : report->skipped      ? "skipped"
                       : report->quarantined  ? "quarantined"
                       : import->executed > 0 ? "imported"
                                              : "known already";
    const char *why = code != RV_OK ? err->message : report->reason;
    const char *more = code != RV_OK ? err->detail : "";
    const char *rule = code == RV_OK ? report->rule : "";
    const char *remedy = code != RV_OK ? err->hint : report->remedy;
    if (cli->json) {
        json_t *line =
            json_pack("{s:s,s:s,s:s,s:i,s:i,s:s,s:s}", "file", path, "kind", report->kind, "result",
                      what, "findings", report->findings, "fatal_findings", report->fatal_findings,
                      "reason", why, "detail", more);
        if (*rule != '\0') {
            json_object_set_new(line, "rule", json_string(rule));
        }
        if (*remedy != '\0') {
            json_object_set_new(line, "hint", json_string(remedy));
        }
        char *text = rv_json_text(line);
        puts(text);
        rv_free(text);
        json_decref(line);
        return;
    }
    const char *name = strrchr(path, '/');
    printf("%-13s %-14s %s", what, report->kind, name != NULL ? name + 1 : path);
    if (report->findings > 0) {
        printf("  (%d findings, %d fatal)", report->findings, report->fatal_findings);
    }
    printf("%s%s%s%s%s%s\n", *why != '\0' ? "  " : "", rule, *rule != '\0' ? ": " : "", why,
           *more != '\0' ? ": " : "", more);
    if (*remedy != '\0') {
        printf("              -> %s\n", remedy);
    }
}

static void rename_key(json_t *object, const char *from, const char *to)
{
    json_t *value = json_object_get(object, from);
    if (value != NULL) {
        json_object_set(object, to, value);
        json_object_del(object, from);
    }
}

/* One row of master data as the arguments of its command: people's words to the catalogue's. */
static json_t *master_args(const json_t *master, const char *command, const json_t *item)
{
    json_t *args = json_deep_copy(item);
    if (strcmp(command, "party.register") == 0) {
        rename_key(args, "id", "ext_id");
        json_object_del(args, "bic");
    } else if (strcmp(command, "tolerance.set") == 0) {
        rename_key(args, "amount_minor", "amount");
        json_object_del(args, "currency");
    } else if (strcmp(rv_json_str(args, "role", ""), "bank") == 0 &&
               json_object_get(args, "iban") == NULL) {
        json_t *iban = json_object_get(json_object_get(master, "company"), "iban");
        if (iban != NULL) {
            json_object_set(args, "iban", iban);
        }
    }
    return args;
}

/* Master data: {"company","accounts":[…],"suppliers":[…],"tolerances":[…]} -> commands. */
static const struct {
    const char *list;
    const char *command;
} master_lists[] = {{"accounts", "account.register"},
                    {"suppliers", "party.register"},
                    {"tolerances", "tolerance.set"}};

/* Everything that can be known before anything is done, so that a mistake in the last row does not
 * leave the first ones behind. */
static enum rv_code check_master(const json_t *master, struct rv_error *err)
{
    size_t rows = 0;
    for (size_t k = 0; k < RV_COUNT(master_lists); k++) {
        const json_t *list = json_object_get(master, master_lists[k].list);
        if (list != NULL && !json_is_array(list)) {
            rv_fail(err, RV_INVALID, "\"%s\" is not a list", master_lists[k].list);
            rv_hint(err, "Write it as in scripts/demo/company/master.json.");
            return RV_INVALID;
        }
        for (size_t i = 0; i < json_array_size(list); i++, rows++) {
            const json_t *item = json_array_get(list, i);
            if (!json_is_object(item)) {
                rv_fail(err, RV_INVALID, "%s %zu: not an object", master_lists[k].list, i + 1);
                rv_hint(err, "Write it as in scripts/demo/company/master.json.");
                return RV_INVALID;
            }
            json_t *args = master_args(master, master_lists[k].command, item);
            enum rv_code code =
                erp_command_check(erp_command_find(master_lists[k].command), args, err);
            json_decref(args);
            if (code != RV_OK) {
                return rv_wrap(err, code, "%s %zu", master_lists[k].list, i + 1);
            }
        }
    }
    if (rows == 0) {
        rv_fail(err, RV_INVALID,
                "it is no master data: no accounts, suppliers or tolerances in it");
        rv_hint(err, "Write it as in scripts/demo/company/master.json.");
        return RV_INVALID;
    }
    return RV_OK;
}

static enum rv_code register_row(struct import *import, const json_t *master, size_t k, size_t i,
                                 struct rv_error *err)
{
    const json_t *list = json_object_get(master, master_lists[k].list);
    json_t *args = master_args(master, master_lists[k].command, json_array_get(list, i));
    char *canonical = json_dumps(args, JSON_COMPACT | JSON_SORT_KEYS);
    struct rv_hash hash = rv_sha256(canonical, strlen(canonical));
    char hex[RV_HASH_HEX];
    free(canonical);
    rv_hash_hex(&hash, hex);
    struct erp_exchange_call call = {.command = master_lists[k].command,
                                     .args = args,
                                     .file_sha256 = hex,
                                     .ordinal = (int64_t)k};
    enum rv_code code = import_call(import, &call, err);
    rv_wrap(err, code, "%s %zu", master_lists[k].list, i + 1);
    json_decref(args);
    return code;
}

static enum rv_code import_master(struct import *import, const char *path, struct rv_error *err)
{
    const char *text = NULL;
    size_t length = 0;
    json_t *master = NULL;
    enum rv_code code = cli_read_file(path, 16 << 20, import->cli->arena, &text, &length, err);
    if (code == RV_OK) {
        code = rv_json_parse(text, length, path, &master, err);
    }
    if (code == RV_OK) {
        code = check_master(master, err);
    }
    for (size_t k = 0; k < RV_COUNT(master_lists) && code == RV_OK; k++) {
        size_t count = json_array_size(json_object_get(master, master_lists[k].list));
        for (size_t i = 0; i < count && code == RV_OK; i++) {
            code = register_row(import, master, k, i, err);
        }
    }
    json_decref(master);
    if (code != RV_OK && err->hint[0] == '\0') {
        rv_hint(err, "%s and import it again: what is known already is not added twice.",
                code == RV_DENIED ? "Load a policy that permits it (reeve policy load FILE)"
                                  : "Mend the file");
    }
    return code;
}

static bool ends_with(const char *text, const char *end)
{
    size_t a = strlen(text);
    size_t b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

static enum rv_code import_one(struct import *import, const char *path)
{
    struct erp_exchange_sink sink = {.call = import_call, .self = import};
    struct erp_exchange_report report = {.calls = 0};
    struct rv_error err = {.code = RV_OK};
    import->executed = 0;
    import->repeated = 0;
    enum rv_code code;
    if (ends_with(path, ".json")) {
        snprintf(report.kind, sizeof report.kind, "master data");
        code = import_master(import, path, &err);
    } else {
        code = erp_exchange_read_file(path, &sink, &report, &err);
    }
    import->quarantined = import->quarantined || report.quarantined > 0;
    report_file(import->cli, path, &report, import, code, &err);
    return code;
}

int cmd_import(struct cli *cli)
{
    if (cli->argc < 1) {
        return cli_usage(cli, "import FILE... (UBL or camt.053 XML, or master data as JSON)");
    }
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    struct import import = {.cli = cli};
    enum rv_code code = place_company(cli, &session, &import.tenant, &err);
    if (code == RV_OK) {
        code = cli_person(cli, session, import.tenant, &import.principal, &err);
    }
    rv_db_session_close(session);
    if (code == RV_OK) {
        code = place_node(cli, &import.node, &err);
    }
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    int status = 0;
    for (int i = 0; i < cli->argc; i++) {
        code = import_one(&import, cli->argv[i]);
        if (code != RV_OK) {
            status = status == 0 ? rv_code_exit_status(code) : status;
            status = status == 2 ? 1 : status; /* a bad file is a failure, not bad usage */
        }
        if (code == RV_UNAVAILABLE) {
            break;
        }
    }
    node_close(import.node);
    return status == 0 && import.quarantined ? EXIT_QUARANTINED : status;
}

/* ---- one command ---- */

int cmd_do(struct cli *cli)
{
    const char *id = cli_option(cli, "id");
    bool dry_run = cli_flag(cli, "dry-run");
    if (cli->argc != 2) {
        return cli_usage(cli, "do ACTION ARGS.json|'{...}' [--id ID] [--dry-run]");
    }
    struct rv_error err = {.code = RV_OK};
    const char *text = cli->argv[1];
    size_t length = strlen(text);
    json_t *args = NULL;
    if ((text[0] != '{' && text[0] != '[' &&
         cli_read_file(text, 16 << 20, cli->arena, &text, &length, &err) != RV_OK) ||
        rv_json_parse(text, length, "the text of the arguments", &args, &err) != RV_OK) {
        if (err.hint[0] == '\0') {
            rv_hint(&err,
                    "ARGUMENTS is a JSON object, as in '{\"key\":\"PP\"}', or a file with one.");
        }
        return cli_fail(cli, &err);
    }
    struct rv_db_session *session = NULL;
    struct node *node = NULL;
    struct rv_gate_request request = {.action = cli->argv[0], .args = args, .dry_run = dry_run};
    char own_id[64];
    snprintf(own_id, sizeof own_id, "cli:%" PRId64, rv_id_make(rv_now_us(rv_clock_system())));
    request.command_id = id != NULL ? id : own_id;
    enum rv_code code = place_company(cli, &session, &request.tenant, &err);
    if (code == RV_OK) {
        code = cli_person(cli, session, request.tenant, &request.principal, &err);
    }
    rv_db_session_close(session);
    if (code == RV_OK) {
        code = place_node(cli, &node, &err);
    }
    json_t *outcome = NULL;
    if (code == RV_OK) {
        code = submit(node, &request, &outcome, &err);
    }
    if (outcome != NULL &&
        (code == RV_OK || !cli->json)) { /* with --json one document: the error */
        json_dumpf(outcome, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(outcome);
    json_decref(args);
    node_close(node);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}
