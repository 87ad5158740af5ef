/* verify_database.c -- feeds the checking from a tenant's tables; see verify.h. */
#include "audit_sql.h"
#include "runtime/audit/export.h"
#include "runtime/audit/verify.h"
#include "runtime/base/check.h"

#include <inttypes.h>
#include <string.h>

static enum rv_code take_head(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    struct audit_head *head = data;
    size_t text = rv_result_length(result, row, 1);
    head->size = rv_result_i64(result, row, 0);
    head->checkpoint_size = rv_result_i64(result, row, 2);
    if (text < 2 || (text - 2) / 2 > sizeof head->frontier) {
        return rv_fail(err, RV_CORRUPT, "the head's frontier has no possible length");
    }
    head->frontier_bytes = rv_result_bytes(result, row, 1, head->frontier, sizeof head->frontier);
    return RV_OK;
}

enum rv_code audit_head_read(struct rv_db_session *session, int32_t tenant, struct audit_head *out,
                             struct rv_error *err)
{
    *out = (struct audit_head){.size = 0};
    return rv_db_session_query(session, tenant, &rv_sql_audit_head, NULL, take_head, out, err);
}

static enum rv_code take_checkpoint(void *data, const struct rv_result *result, int row,
                                    struct rv_error *err)
{
    (void)err;
    verify_stored_checkpoint(data, rv_result_i64(result, row, 0), rv_result_text(result, row, 2));
    return RV_OK;
}

/* What the columns repeat, for queries, must be what the hashed text says. */
static enum rv_code take_record(void *data, const struct rv_result *result, int row,
                                struct rv_error *err)
{
    (void)err;
    struct verify *verify = data;
    struct verify_record record = {.seq = rv_result_i64(result, row, 0),
                                   .body = rv_result_text(result, row, 1),
                                   .length = rv_result_length(result, row, 1)};
    record.has_leaf =
        rv_result_length(result, row, 2) == 2 + 2 * RV_HASH_BYTES &&
        rv_result_bytes(result, row, 2, record.leaf.bytes, RV_HASH_BYTES) == RV_HASH_BYTES;
    json_t *body = verify_record(verify, &record);
    if (body != NULL &&
        (strcmp(rv_json_str(body, "kind", ""), rv_result_text(result, row, 3)) != 0 ||
         rv_json_int(body, "run", 0) != rv_result_i64(result, row, 4) ||
         rv_json_int(body, "step", -1) != rv_result_i64(result, row, 5) ||
         rv_json_int(body, "at_us", 0) != rv_result_time_us(result, row, 6))) {
        verify_finding(verify, record.seq,
                       "record %" PRId64 " has columns that differ from its text", record.seq);
    }
    json_decref(body);
    return RV_OK;
}

static enum rv_code read_all(struct verify *verify, struct rv_db_session *session,
                             struct rv_error *err)
{
    struct audit_head head;
    /* before the checkpoints: each of them may only be newer */
    enum rv_code code = audit_head_read(session, verify->tenant, &head, err);
    verify_head(verify, &head);
    if (code == RV_OK) {
        code = rv_db_session_query(session, verify->tenant, &rv_sql_audit_checkpoints_all, NULL,
                                   take_checkpoint, verify, err);
    }
    if (code == RV_OK) {
        code = rv_db_session_stream(session, verify->tenant, &rv_sql_audit_records_all, NULL,
                                    take_record, verify, err);
    }
    if (code == RV_OK) {
        code = audit_head_read(session, verify->tenant, &head, err);
    }
    if (code == RV_OK) {
        verify_end(verify, &head);
    }
    return code;
}

enum rv_code rv_audit_verify(const char *uri, int32_t tenant, const struct rv_audit_trust *trust,
                             const struct rv_audit_kept *kept, json_t **report,
                             struct rv_error *err)
{
    struct rv_db_session *session = NULL;
    struct verify verify;
    struct rv_hash *leaves = NULL;
    verify_begin(&verify, tenant, trust);
    enum rv_code code = rv_db_session_open(uri, &session, err);
    if (code == RV_OK) {
        code = export_kept(&verify, kept, &leaves, err);
    }
    if (code == RV_OK) {
        code = read_all(&verify, session, err);
    }
    if (code == RV_OK) {
        *report = verify_report(&verify);
    }
    rv_db_session_close(session);
    rv_free(leaves);
    verify_free(&verify);
    return code;
}
