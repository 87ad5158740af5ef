/* export.c -- reads and checks an export without a database; see export.h. */
#include "runtime/audit/export.h"

#include "runtime/base/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE_MAX_BYTES = 4 << 20, /* a record has at most AUDIT_BODY_MAX bytes */
    COMPANY_MAX = 256
};

static const char leaf_begin[] = "{\"leaf\":\"";
static const char record_begin[] = "\",\"record\":";

struct reading {
    FILE *file;
    char *line;
    size_t capacity;
    size_t length;
    int64_t number;
    int32_t tenant;
    int64_t records;
    char company[COMPANY_MAX];
    struct rv_hash *leaves; /* collected where wanted */
    int64_t leaf_count;
    bool collect;
};

/* The next line without its end; false at the end of the file. */
static bool next_line(struct reading *reading)
{
    ssize_t length = getline(&reading->line, &reading->capacity, reading->file);
    if (length < 0 || length > LINE_MAX_BYTES) {
        return false;
    }
    reading->number++;
    reading->length = (size_t)length;
    if (length > 0 && reading->line[length - 1] == '\n') {
        reading->line[--reading->length] = '\0';
    }
    return true;
}

static enum rv_code read_header(struct reading *reading, struct rv_error *err)
{
    json_t *header = NULL;
    if (!next_line(reading) ||
        rv_json_parse(reading->line, reading->length, "header", &header, NULL) != RV_OK ||
        strcmp(rv_json_str(header, "export", ""), "reeve.audit/1") != 0) {
        json_decref(header);
        rv_fail(err, RV_INVALID, "the file is no export of an audit record");
        rv_hint(err, "`reeve audit export` writes one.");
        return RV_INVALID;
    }
    reading->tenant = (int32_t)rv_json_int(header, "tenant", 0);
    reading->records = rv_json_int(header, "records", 0);
    snprintf(reading->company, sizeof reading->company, "%s", rv_json_str(header, "company", ""));
    json_decref(header);
    return RV_OK;
}

/* Fills `record` when the line is one; the text stays in the line. */
static bool is_record(const struct reading *reading, struct verify_record *record)
{
    size_t leaf_at = sizeof leaf_begin - 1;
    size_t text_at = leaf_at + 2 * RV_HASH_BYTES + sizeof record_begin - 1;
    if (reading->length <= text_at + 1 || reading->line[reading->length - 1] != '}' ||
        strncmp(reading->line, leaf_begin, leaf_at) != 0 ||
        strncmp(reading->line + leaf_at + 2 * RV_HASH_BYTES, record_begin,
                sizeof record_begin - 1) != 0) {
        return false;
    }
    char hex[RV_HASH_HEX];
    memcpy(hex, reading->line + leaf_at, RV_HASH_HEX - 1);
    hex[RV_HASH_HEX - 1] = '\0';
    record->has_leaf = rv_hash_from_hex(hex, &record->leaf);
    record->body = reading->line + text_at;
    record->length = reading->length - text_at - 1;
    json_t *body = NULL;
    if (rv_json_parse(record->body, record->length, "record", &body, NULL) == RV_OK) {
        record->seq = rv_json_int(body, "seq", -1);
        json_decref(body);
        return true;
    }
    return false;
}

static void take_leaf(struct reading *reading, const struct verify_record *record)
{
    if (!reading->collect) {
        return;
    }
    if ((reading->leaf_count & (reading->leaf_count + 1)) == 0) { /* doubles */
        size_t room = (size_t)(reading->leaf_count + 1) * 2;
        reading->leaves = rv_realloc(reading->leaves, room * sizeof *reading->leaves);
    }
    reading->leaves[reading->leaf_count++] = rv_merkle_leaf(record->body, record->length);
}

static void take_line(struct reading *reading, struct verify *verify)
{
    struct verify_record record = {.seq = -1};
    json_t *line = NULL;
    if (is_record(reading, &record)) {
        take_leaf(reading, &record);
        json_decref(verify_record(verify, &record));
        return;
    }
    const char *note = NULL;
    if (rv_json_parse(reading->line, reading->length, "line", &line, NULL) == RV_OK) {
        note = rv_json_str(line, "checkpoint", NULL);
    }
    const char *size = note != NULL ? strchr(note, '\n') : NULL;
    if (size != NULL) {
        verify_stored_checkpoint(verify, strtoll(size + 1, NULL, 10), note);
    } else {
        verify_finding(verify, verify->expected_seq,
                       "line %" PRId64 " (after record %" PRId64 ") is no record", reading->number,
                       verify->last_seq);
    }
    json_decref(line);
}

static enum rv_code read_lines(struct reading *reading, struct verify *verify, struct rv_error *err)
{
    struct audit_head head = {.size = reading->records};
    verify->head_compared = true; /* a file has no frontier: the last checkpoint stands for it */
    verify_head(verify, &head);
    while (next_line(reading)) {
        take_line(reading, verify);
    }
    if (ferror(reading->file) != 0) {
        return rv_fail_errno(err, errno, "read the export");
    }
    verify_end(verify, &head);
    if (verify->good_checkpoint < verify->size && json_array_size(verify->findings) == 0) {
        verify_finding(verify, verify->good_checkpoint,
                       "records from %" PRId64 " on are under no checkpoint of this export",
                       verify->good_checkpoint);
    }
    return RV_OK;
}

enum rv_code export_kept(struct verify *verify, const struct rv_audit_kept *kept,
                         struct rv_hash **leaves, struct rv_error *err)
{
    enum rv_code code = RV_OK;
    *leaves = NULL;
    if (kept != NULL && kept->checkpoints != NULL) {
        code = verify_outside(verify, kept->checkpoints, err);
    }
    if (code != RV_OK || kept == NULL || kept->export == NULL) {
        return code;
    }
    struct reading reading = {.file = kept->export, .collect = true};
    struct verify old;
    code = read_header(&reading, err);
    verify_begin(&old, reading.tenant, verify->trust);
    if (code == RV_OK && reading.tenant != verify->tenant) {
        code = rv_fail(err, RV_INVALID, "the export that was kept is of another company");
    }
    if (code == RV_OK) {
        code = read_lines(&reading, &old, err);
    }
    if (code == RV_OK && json_array_size(old.findings) > 0) {
        code = rv_fail(err, RV_CORRUPT, "the export that was kept is not whole: %s",
                       rv_json_str(json_array_get(old.findings, 0), "finding", ""));
    }
    if (code == RV_OK) {
        *leaves = reading.leaves;
        verify->kept_leaves = reading.leaves;
        verify->kept_count = reading.leaf_count;
    } else {
        rv_free(reading.leaves);
    }
    verify_free(&old);
    free(reading.line); /* getline's */
    return code;
}

enum rv_code rv_audit_verify_export(FILE *export, const struct rv_audit_trust *trust,
                                    const struct rv_audit_kept *kept, json_t **report,
                                    struct rv_error *err)
{
    struct reading reading = {.file = export};
    struct verify verify;
    struct rv_hash *leaves = NULL;
    enum rv_code code = read_header(&reading, err);
    verify_begin(&verify, reading.tenant, trust);
    if (code == RV_OK) {
        code = export_kept(&verify, kept, &leaves, err);
    }
    if (code == RV_OK) {
        code = read_lines(&reading, &verify, err);
    }
    if (code == RV_OK) {
        *report = verify_report(&verify);
        json_object_set_new(*report, "tenant", json_integer(reading.tenant));
        json_object_set_new(*report, "company", json_string(reading.company));
    }
    rv_free(leaves);
    verify_free(&verify);
    free(reading.line);
    return code;
}
