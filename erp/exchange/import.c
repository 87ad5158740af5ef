/* import.c -- detect, read, validate, then call; see import.h. */
#include "erp/exchange/import.h"

#include "erp/exchange/camt.h"
#include "erp/exchange/ubl.h"
#include "runtime/base/check.h"

#include <stdio.h>
#include <string.h>

struct import {
    struct erp_source *source;
    const struct erp_exchange_sink *sink;
    struct erp_exchange_report *report;
    struct erp_camt *camt;
    char twin[14]; /* "", or what the statement's id is told apart by: '#' and of the file's hash */
};

/* What a document must have to be registered at all, beyond what findings say. */
static const struct {
    const char *kind;
    const char *command;
    const char *required[6]; /* "totals.payable_minor" looks one level down */
} documents[] = {
    {"invoice",
     "invoice.register",
     {"number", "issue_date", "currency", "supplier", "totals.payable_minor"}},
    {"credit_note",
     "credit_note.register",
     {"number", "issue_date", "currency", "supplier", "totals.payable_minor"}},
    {"order", "order.register", {"number", "issue_date", "currency", "supplier"}},
    {"receipt", "receipt.register", {"number", "issue_date"}},
    {"despatch", "receipt.register", {"number", "issue_date"}},
    {"remittance",
     "remittance.register",
     {"number", "issue_date", "currency", "supplier", "total_minor"}},
};

/* Takes args; what is in `answer` is the caller's. */
static enum rv_code ask(struct import *import, struct erp_exchange_call one,
                        struct erp_exchange_answer *answer, struct rv_error *err)
{
    *answer = (struct erp_exchange_answer){.json = NULL};
    one.file_sha256 = import->report->sha256;
    one.ordinal = import->report->calls;
    one.answer = answer;
    enum rv_code code = import->sink->call(import->sink->self, &one, err);
    import->report->calls += code == RV_OK && !one.anew; /* those keep the others' numbers */
    json_decref(one.args);
    return code;
}

static enum rv_code call(struct import *import, const char *command, json_t *args,
                         struct rv_error *err)
{
    struct erp_exchange_answer answer;
    struct erp_exchange_call one = {.command = command, .args = args};
    enum rv_code code = ask(import, one, &answer, err);
    json_decref(answer.json);
    return code;
}

/* ---- documents ---- */

static bool has(const json_t *document, const char *key)
{
    const char *dot = strchr(key, '.');
    if (dot == NULL) {
        return json_object_get(document, key) != NULL;
    }
    char head[32];
    snprintf(head, sizeof head, "%.*s", (int)(dot - key), key);
    return json_object_get(json_object_get(document, head), dot + 1) != NULL;
}

static void count_findings(const json_t *document, struct erp_exchange_report *report)
{
    size_t i = 0;
    json_t *finding = NULL;
    json_array_foreach(json_object_get(document, "findings"), i, finding)
    {
        report->findings++;
        report->fatal_findings += rv_json_bool(finding, "fatal", false);
    }
}

/* The finding about an amount that was left out of the document: it was there, but in a shape the
 * books cannot hold.  NULL when there is none. */
static const char *why_left_out(const json_t *document, const char *key)
{
    static const char *const rules[] = {"RV-MINOR-UNIT", "RV-CURRENCY"};
    const char *element = strcmp(key, "totals.payable_minor") == 0 ? " PayableAmount "
                          : strcmp(key, "total_minor") == 0        ? " Total"
                                                                   : NULL;
    size_t i = 0;
    json_t *finding = NULL;
    json_array_foreach(json_object_get(document, "findings"), i, finding)
    {
        const char *rule = rv_json_str(finding, "rule", "");
        const char *message = rv_json_str(finding, "message", "");
        bool about_amounts = strcmp(rule, rules[0]) == 0 || strcmp(rule, rules[1]) == 0;
        if (about_amounts && element != NULL && strstr(message, element) != NULL) {
            return message;
        }
    }
    return NULL;
}

static enum rv_code import_document(struct import *import, json_t *document, struct rv_error *err)
{
    const char *kind = rv_json_str(document, "kind", "");
    size_t i = 0;
    while (strcmp(documents[i].kind, kind) != 0) {
        i++;
        RV_ASSERT(i < RV_COUNT(documents));
    }
    for (size_t k = 0; k < RV_COUNT(documents[i].required); k++) {
        const char *key = documents[i].required[k];
        if (key != NULL && !has(document, key)) {
            const char *why = why_left_out(document, key);
            if (why != NULL) {
                rv_fail(err, RV_INVALID, "%s %s", import->source->name, why);
            } else {
                rv_fail(err, RV_INVALID, "%s: the %s has no usable %s", import->source->name, kind,
                        key);
            }
            json_decref(document);
            return RV_INVALID;
        }
    }
    count_findings(document, import->report);
    import->report->lines = (int64_t)json_array_size(json_object_get(document, "lines"));
    return call(import, documents[i].command, document, err);
}

static enum rv_code read_ubl(struct import *import, struct rv_error *err)
{
    struct erp_ubl_result result;
    enum rv_code code = erp_ubl_read(import->source, &result, err);
    if (code != RV_OK) {
        return code;
    }
    struct erp_exchange_report *report = import->report;
    memcpy(report->sha256, result.sha256, sizeof report->sha256);
    if (result.document == NULL) {
        snprintf(report->kind, sizeof report->kind, "%s", erp_ubl_type_name(result.type));
        snprintf(report->reason, sizeof report->reason, "%s", result.skipped);
        report->skipped = true;
        return RV_OK;
    }
    snprintf(report->kind, sizeof report->kind, "%s", rv_json_str(result.document, "kind", ""));
    return import_document(import, result.document, err);
}

/* ---- statements ---- */

static void name_statement(const struct import *import, int index, json_t *args)
{
    char id[sizeof(struct erp_camt_statement){0}.id + sizeof import->twin];
    snprintf(id, sizeof id, "%s%s", erp_camt_statement(import->camt, index)->id, import->twin);
    json_object_set_new(args, "statement_id", json_string(id));
}

/* Names the statement as the books know it: by account and the bank's id. */
static json_t *named(const struct import *import, int index)
{
    const struct erp_camt_statement *statement = erp_camt_statement(import->camt, index);
    json_t *args = json_object();
    if (statement->iban[0] != '\0') {
        json_object_set_new(args, "account_iban", json_string(statement->iban));
    } else {
        json_object_set_new(args, "account_id", json_string(statement->account));
    }
    name_statement(import, index, args);
    return args;
}

static enum rv_code open_statement(struct import *import, int index, struct rv_error *err)
{
    json_t *header = erp_camt_header(import->camt, index);
    name_statement(import, index, header);
    return call(import, "bank_statement.import", header, err);
}

/* The bank's id belongs to a statement with other balances or lines, and nobody here knows which
 * is right: this one goes into quarantine whole, beside the one that is known. */
static enum rv_code open_twin(struct import *import, int index, struct rv_error *err)
{
    snprintf(import->twin, sizeof import->twin, "#%.12s", import->report->sha256);
    *err = (struct rv_error){.code = RV_OK};
    import->report->calls++; /* the refused call keeps its number */
    return open_statement(import, index, err);
}

static enum rv_code on_begin(void *self, int index, struct rv_error *err)
{
    struct import *import = self;
    import->twin[0] = '\0';
    enum rv_code code = open_statement(import, index, err);
    return code == RV_CONFLICT ? open_twin(import, index, err) : code;
}

static enum rv_code on_lines(void *self, int index, json_t *lines, struct rv_error *err)
{
    struct import *import = self;
    json_t *args = named(import, index);
    import->report->lines += (int64_t)json_array_size(lines);
    json_object_set(args, "lines", lines);
    enum rv_code code = call(import, "bank_statement.lines", args, err);
    if (code == RV_CONFLICT && import->twin[0] == '\0') {
        code = open_twin(import, index, err);
        if (code == RV_OK) {
            args = named(import, index);
            json_object_set(args, "lines", lines);
            code = call(import, "bank_statement.lines", args, err);
        }
    }
    json_decref(lines);
    return code;
}

/* By rule; the last serves every other. */
static const struct {
    const char *rule;
    const char *text;
} remedies[] = {
    {"RV-ACCOUNT", "Register it: account.register with role \"bank\" and its iban or bank_account; "
                   "then import the file again, or give bank_statement.release."},
    {"RV-TWIN", "Ask the bank which of the two is right; nothing of this one is booked."},
    {"", "Nothing of it is booked; ask the bank for a correct statement."},
};

static void count_quarantine(struct erp_exchange_report *report, const char *rule,
                             const char *reason)
{
    if (report->quarantined++ > 0) {
        return;
    }
    snprintf(report->rule, sizeof report->rule, "%s", rule);
    snprintf(report->reason, sizeof report->reason, "%s", reason);
    size_t i = 0;
    while (i < RV_COUNT(remedies) - 1 && strcmp(remedies[i].rule, rule) != 0) {
        i++;
    }
    snprintf(report->remedy, sizeof report->remedy, "%s", remedies[i].text);
}

/* A statement that waits only for its account is asked for again at every later import: when the
 * account is registered by now, release answers what the statement is, else it stays kept. */
static enum rv_code try_release(struct import *import, int index,
                                struct erp_exchange_answer *answer, struct rv_error *err)
{
    struct erp_exchange_answer released;
    struct erp_exchange_call one = {
        .command = "bank_statement.release", .args = named(import, index), .anew = true};
    enum rv_code code = ask(import, one, &released, err);
    if (code == RV_NOT_FOUND) {
        *err = (struct rv_error){.code = RV_OK};
        return RV_OK;
    }
    if (released.json != NULL) {
        json_decref(answer->json);
        answer->json = released.json;
    }
    return code;
}

static enum rv_code on_end(void *self, int index, struct rv_error *err)
{
    struct import *import = self;
    const struct erp_camt_statement *statement = erp_camt_statement(import->camt, index);
    struct erp_exchange_answer answer;
    struct erp_exchange_call close = {.command = "bank_statement.close",
                                      .args = named(import, index)};
    bool twin = import->twin[0] != '\0';
    char reason[240];
    snprintf(reason, sizeof reason,
             twin ? "statement %s is known with other balances or lines" : "%s",
             twin ? statement->id : statement->reason);
    bool good = statement->balanced && !twin;
    json_object_set_new(close.args, "state", json_string(good ? "imported" : "quarantined"));
    if (!good) {
        json_object_set_new(close.args, "rule", json_string(twin ? "RV-TWIN" : "RV-BALANCE"));
        json_object_set_new(close.args, "reason", json_string(reason));
    }
    enum rv_code code = ask(import, close, &answer, err);
    if (code == RV_OK && strcmp(rv_json_str(answer.json, "rule", ""), "RV-ACCOUNT") == 0 &&
        (answer.repeated || rv_json_bool(answer.json, "releasable", false))) {
        code = try_release(import, index, &answer, err);
    }
    if (code == RV_OK && answer.json == NULL && !good) {
        count_quarantine(import->report, twin ? "RV-TWIN" : "RV-BALANCE", reason);
    } else if (code == RV_OK && strcmp(rv_json_str(answer.json, "state", ""), "quarantined") == 0) {
        count_quarantine(import->report, rv_json_str(answer.json, "rule", "RV-BALANCE"),
                         rv_json_str(answer.json, "reason", statement->reason));
    }
    json_decref(answer.json);
    return code;
}

static enum rv_code read_camt(struct import *import, struct rv_error *err)
{
    enum rv_code code = erp_camt_check(import->source, &import->camt, err);
    if (code != RV_OK) {
        return code;
    }
    struct erp_exchange_report *report = import->report;
    snprintf(report->kind, sizeof report->kind, "bank_statement");
    snprintf(report->sha256, sizeof report->sha256, "%s", erp_camt_sha256(import->camt));
    report->statements = erp_camt_statement_count(import->camt);
    for (int i = 0; i < report->statements; i++) {
        const struct erp_camt_statement *statement = erp_camt_statement(import->camt, i);
        report->skipped_entries += statement->skipped;
        report->unsplit_batches += statement->unsplit_batches;
    }
    struct erp_camt_sink sink = {
        .begin = on_begin, .lines = on_lines, .end = on_end, .self = import};
    code = erp_camt_emit(import->camt, import->source, &sink, err);
    erp_camt_free(import->camt);
    return code;
}

/* ---- entry ---- */

static enum rv_code detect(struct erp_source *source, enum erp_format *out, struct rv_error *err)
{
    char *bytes = rv_alloc(ERP_FORMAT_SNIFF);
    size_t length = 0;
    enum rv_code code = source->rewind(source, err);
    if (code == RV_OK) {
        code = source->read(source, bytes, ERP_FORMAT_SNIFF, &length, err);
    }
    if (code == RV_OK) {
        *out = erp_format_detect(bytes, length);
        code = source->rewind(source, err);
    }
    rv_free(bytes);
    return code;
}

static enum rv_code read_any(struct erp_source *source, const struct erp_exchange_sink *sink,
                             struct erp_exchange_report *report, struct rv_error *err)
{
    *report = (struct erp_exchange_report){.format = ERP_FORMAT_UNKNOWN};
    enum rv_code code = detect(source, &report->format, err);
    if (code != RV_OK) {
        return code;
    }
    struct import import = {.source = source, .sink = sink, .report = report};
    switch (report->format) {
    case ERP_FORMAT_UBL: return read_ubl(&import, err);
    case ERP_FORMAT_CAMT_053: return read_camt(&import, err);
    default:
        rv_fail(err, RV_INVALID, "%s is %s and is not imported", source->name,
                erp_format_name(report->format));
        rv_hint(err, "%s.", erp_format_remedy(report->format));
        return RV_INVALID;
    }
}

enum rv_code erp_exchange_read(struct erp_source *source, const struct erp_exchange_sink *sink,
                               struct erp_exchange_report *report, struct rv_error *err)
{
    enum rv_code code = read_any(source, sink, report, err);
    if ((code == RV_INVALID || code == RV_LIMIT) && report->calls == 0 && err != NULL &&
        err->hint[0] == '\0') {
        rv_hint(err, "Nothing of it was imported; ask whoever sent it for a correct file.");
    }
    return code;
}

enum rv_code erp_exchange_read_file(const char *path, const struct erp_exchange_sink *sink,
                                    struct erp_exchange_report *report, struct rv_error *err)
{
    struct erp_source source;
    *report = (struct erp_exchange_report){.format = ERP_FORMAT_UNKNOWN};
    enum rv_code code = erp_source_open(&source, path, err);
    if (code != RV_OK) {
        rv_hint(err, "Give the path of a file that can be read.");
        return code;
    }
    code = erp_exchange_read(&source, sink, report, err);
    erp_source_close(&source);
    return code;
}
