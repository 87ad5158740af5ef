/* export_write.c -- writes an export, checking on the way what it writes; and single checkpoints.
 * See export.h for the form.
 */
#include "audit_sql.h"
#include "runtime/audit/export.h"
#include "runtime/base/check.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct writing {
    FILE *out;
    struct verify verify;
    int64_t limit; /* records from here on are left out */
};

static void write_checkpoint(struct writing *writing, int64_t size, const char *note)
{
    json_t *line = json_pack("{s:s}", "checkpoint", note);
    char *text = rv_json_text(line);
    fprintf(writing->out, "%s\n", text);
    rv_free(text);
    json_decref(line);
    verify_stored_checkpoint(&writing->verify, size, note);
}

static enum rv_code take_checkpoint(void *data, const struct rv_result *result, int row,
                                    struct rv_error *err)
{
    (void)err;
    struct writing *writing = data;
    int64_t size = rv_result_i64(result, row, 0);
    if (size <= writing->limit) {
        write_checkpoint(writing, size, rv_result_text(result, row, 2));
    }
    return RV_OK;
}

static enum rv_code take_record(void *data, const struct rv_result *result, int row,
                                struct rv_error *err)
{
    struct writing *writing = data;
    struct verify_record record = {.seq = rv_result_i64(result, row, 0),
                                   .body = rv_result_text(result, row, 1),
                                   .length = rv_result_length(result, row, 1)};
    if (record.seq >= writing->limit) {
        return RV_OK; /* came while we read */
    }
    record.has_leaf =
        rv_result_length(result, row, 2) == 2 + 2 * RV_HASH_BYTES &&
        rv_result_bytes(result, row, 2, record.leaf.bytes, RV_HASH_BYTES) == RV_HASH_BYTES;
    char hex[RV_HASH_HEX];
    rv_hash_hex(&record.leaf, hex);
    fprintf(writing->out, "{\"leaf\":\"%s\",\"record\":", hex);
    fwrite(record.body, 1, record.length, writing->out);
    fputs("}\n", writing->out);
    json_decref(verify_record(&writing->verify, &record));
    return ferror(writing->out) == 0 ? RV_OK : rv_fail_errno(err, errno, "write the export");
}

static enum rv_code write_all(struct writing *writing, struct rv_db_session *session,
                              const char *company, const struct rv_audit *audit,
                              struct rv_error *err)
{
    struct verify *verify = &writing->verify;
    struct audit_head head;
    enum rv_code code = audit_head_read(session, verify->tenant, &head, err);
    if (code != RV_OK) {
        return code;
    }
    writing->limit = audit != NULL ? head.size : head.checkpoint_size;
    verify->head_compared = audit == NULL; /* the head is further than what we read */
    verify_head(verify, &head);
    json_t *header =
        json_pack("{s:s,s:i,s:s,s:I}", "export", "reeve.audit/1", "tenant", (int)verify->tenant,
                  "company", company, "records", (json_int_t)writing->limit);
    char *text = rv_json_text(header);
    fprintf(writing->out, "%s\n", text);
    rv_free(text);
    json_decref(header);
    code = rv_db_session_query(session, verify->tenant, &rv_sql_audit_checkpoints_all, NULL,
                               take_checkpoint, writing, err);
    if (code == RV_OK) {
        code = rv_db_session_stream(session, verify->tenant, &rv_sql_audit_records_all, NULL,
                                    take_record, writing, err);
    }
    if (code != RV_OK) {
        return code;
    }
    struct audit_head end = {.size = writing->limit, .checkpoint_size = head.checkpoint_size};
    verify->head.size = writing->limit;
    verify_end(verify, &end);
    if (audit != NULL && json_array_size(verify->findings) == 0 &&
        verify->good_checkpoint < verify->size) { /* only what is whole gets a signature */
        struct rv_hash root = rv_merkle_root(verify->frontier, verify->frontier_count);
        char note[NOTE_TEXT_MAX];
        note_sign(&audit->key, verify->tenant, verify->size, &root, note);
        write_checkpoint(writing, verify->size, note);
    }
    return fflush(writing->out) == 0 ? RV_OK : rv_fail_errno(err, errno, "write the export");
}

enum rv_code rv_audit_export(const char *uri, int32_t tenant, const char *company,
                             const struct rv_audit *audit, const struct rv_audit_trust *trust,
                             FILE *out, json_t **report, struct rv_error *err)
{
    struct rv_db_session *session = NULL;
    struct writing writing = {.out = out};
    verify_begin(&writing.verify, tenant, trust);
    enum rv_code code = rv_db_session_open(uri, &session, err);
    if (code == RV_OK) {
        code = write_all(&writing, session, company, audit, err);
    }
    if (code == RV_OK) {
        *report = verify_report(&writing.verify);
    }
    rv_db_session_close(session);
    verify_free(&writing.verify);
    return code;
}

/* ---- one checkpoint ---- */

static enum rv_code take_newest(void *data, const struct rv_result *result, int row,
                                struct rv_error *err)
{
    (void)err;
    snprintf(data, RV_AUDIT_NOTE_TEXT, "%s", rv_result_text(result, row, 2)); /* by size */
    return RV_OK;
}

enum rv_code rv_audit_checkpoint(const char *uri, int32_t tenant, const struct rv_audit *audit,
                                 char note[RV_AUDIT_NOTE_TEXT], struct rv_error *err)
{
    struct rv_db_session *session = NULL;
    struct audit_head head;
    enum rv_code code = rv_db_session_open(uri, &session, err);
    note[0] = '\0';
    if (code == RV_OK) {
        code = audit_head_read(session, tenant, &head, err);
    }
    if (code == RV_OK && audit != NULL && head.size > 0) {
        struct rv_hash root =
            rv_merkle_root(head.frontier, (int)(head.frontier_bytes / RV_HASH_BYTES));
        note_sign(&audit->key, tenant, head.size, &root, note);
    } else if (code == RV_OK) {
        code = rv_db_session_query(session, tenant, &rv_sql_audit_checkpoints_all, NULL,
                                   take_newest, note, err);
    }
    rv_db_session_close(session);
    if (code == RV_OK && note[0] == '\0') {
        code = rv_fail(err, RV_NOT_FOUND, "this company's record has no checkpoint yet");
    }
    return code;
}
