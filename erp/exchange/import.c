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

static enum rv_code call(struct import *import, const char *command, json_t *args,
                         struct rv_error *err)
{
    struct erp_exchange_call one = {.command = command,
                                    .args = args,
                                    .file_sha256 = import->report->sha256,
                                    .ordinal = import->report->calls};
    enum rv_code code = import->sink->call(import->sink->self, &one, err);
    import->report->calls += code == RV_OK;
    json_decref(args);
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
    json_object_set_new(args, "statement_id", json_string(statement->id));
    return args;
}

static enum rv_code on_begin(void *self, int index, struct rv_error *err)
{
    struct import *import = self;
    return call(import, "bank_statement.import", erp_camt_header(import->camt, index), err);
}

static enum rv_code on_lines(void *self, int index, json_t *lines, struct rv_error *err)
{
    struct import *import = self;
    json_t *args = named(import, index);
    import->report->lines += (int64_t)json_array_size(lines);
    json_object_set_new(args, "lines", lines);
    return call(import, "bank_statement.lines", args, err);
}

static enum rv_code on_end(void *self, int index, struct rv_error *err)
{
    struct import *import = self;
    const struct erp_camt_statement *statement = erp_camt_statement(import->camt, index);
    json_t *args = named(import, index);
    json_object_set_new(args, "state",
                        json_string(statement->balanced ? "imported" : "quarantined"));
    if (!statement->balanced) {
        json_object_set_new(args, "reason", json_string(statement->reason));
    }
    return call(import, "bank_statement.close", args, err);
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
        if (!statement->balanced && report->quarantined++ == 0) {
            snprintf(report->reason, sizeof report->reason, "%s", statement->reason);
        }
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
