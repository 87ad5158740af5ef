/* verify.c -- reads a tenant's whole record and believes nothing: every leaf is hashed again, the tree
 * is built again, and it must agree with every signed checkpoint, with the head and with a checkpoint
 * that was kept elsewhere.
 *
 *   edit            the leaf does not match its body                      -> names the record
 *   edit of both    the tree differs from the next checkpoint             -> names the range
 *   deletion, cut   a sequence number is missing, the head says more      -> names the record
 *   reordering      seq inside the body differs from the row's            -> names the record
 *   roll-back       the outside checkpoint is larger than what is here    -> says so
 */
#include "audit_sql.h"
#include "runtime/audit/audit_private.h"
#include "runtime/base/check.h"
#include "runtime/db/db.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { FINDINGS_MAX = 100 };

struct checkpoint {
    int64_t size;
    struct rv_hash root;
};

struct verify {
    int32_t tenant;
    const struct rv_audit *audit;
    json_t *findings;
    struct checkpoint *checkpoints;
    int checkpoint_count;
    int next_checkpoint;
    int64_t size;
    struct rv_hash frontier[64];
    int frontier_count;
    int64_t expected_seq;
    int64_t good_checkpoint; /* the last size whose root agreed */
};

static void finding(struct verify *verify, int64_t seq, const char *format, ...) RV_PRINTF(3, 4);
static void finding(struct verify *verify, int64_t seq, const char *format, ...)
{
    if (json_array_size(verify->findings) >= FINDINGS_MAX) {
        return;
    }
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_array_append_new(verify->findings,
                          json_pack("{s:I,s:s}", "seq", (json_int_t)seq, "finding", text));
}

static void add_checkpoint(struct verify *verify, int64_t size, const struct rv_hash *root)
{
    verify->checkpoints = rv_realloc(verify->checkpoints, (size_t)(verify->checkpoint_count + 1) *
                                                              sizeof *verify->checkpoints);
    int at = verify->checkpoint_count++;
    while (at > 0 && verify->checkpoints[at - 1].size > size) {
        verify->checkpoints[at] = verify->checkpoints[at - 1];
        at--;
    }
    verify->checkpoints[at] = (struct checkpoint){size, *root};
}

static enum rv_code take_checkpoint(void *data, const struct rv_result *result, int row,
                                    struct rv_error *err)
{
    (void)err;
    struct verify *verify = data;
    struct rv_error why = {.code = RV_OK};
    int64_t size = 0;
    struct rv_hash root;
    int64_t row_size = rv_result_i64(result, row, 0);
    if (note_verify(&verify->audit->key, verify->tenant, rv_result_text(result, row, 2), &size,
                    &root, &why) != RV_OK) {
        finding(verify, row_size, "%s", why.message);
    } else if (size != row_size) {
        finding(verify, row_size, "the checkpoint's note is for size %" PRId64, size);
    } else {
        add_checkpoint(verify, size, &root);
    }
    return RV_OK;
}

static void compare_checkpoints(struct verify *verify)
{
    while (verify->next_checkpoint < verify->checkpoint_count &&
           verify->checkpoints[verify->next_checkpoint].size == verify->size) {
        const struct checkpoint *checkpoint = &verify->checkpoints[verify->next_checkpoint++];
        struct rv_hash root = rv_merkle_root(verify->frontier, verify->frontier_count);
        if (rv_hash_equal(&root, &checkpoint->root)) {
            verify->good_checkpoint = checkpoint->size;
        } else {
            finding(verify, verify->good_checkpoint,
                    "records %" PRId64 " to %" PRId64 " do not give the root that was signed",
                    verify->good_checkpoint, checkpoint->size - 1);
        }
    }
}

static enum rv_code take_record(void *data, const struct rv_result *result, int row,
                                struct rv_error *err)
{
    (void)err;
    struct verify *verify = data;
    int64_t seq = rv_result_i64(result, row, 0);
    const char *body = rv_result_text(result, row, 1);
    struct rv_hash stored;
    for (; verify->expected_seq < seq; verify->expected_seq++) {
        finding(verify, verify->expected_seq, "record %" PRId64 " is missing", verify->expected_seq);
    }
    verify->expected_seq = seq + 1;
    struct rv_hash leaf = rv_merkle_leaf(body, rv_result_length(result, row, 1));
    if (rv_result_length(result, row, 2) != 2 + 2 * RV_HASH_BYTES ||
        rv_result_bytes(result, row, 2, stored.bytes, RV_HASH_BYTES) != RV_HASH_BYTES ||
        !rv_hash_equal(&leaf, &stored)) {
        finding(verify, seq, "record %" PRId64 " was edited: its text does not match its leaf", seq);
    }
    char expected[48];
    snprintf(expected, sizeof expected, "\"seq\":%" PRId64 ",", seq);
    if (strstr(body, expected) == NULL) {
        finding(verify, seq, "record %" PRId64 " stands in another's place", seq);
    }
    if (verify->frontier_count < 64) {
        rv_merkle_push(&verify->size, verify->frontier, &verify->frontier_count, &leaf);
    }
    compare_checkpoints(verify);
    return RV_OK;
}

static enum rv_code take_head(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)err;
    struct verify *verify = data;
    int64_t size = rv_result_i64(result, row, 0);
    struct rv_hash frontier[64];
    if (verify->expected_seq < size) {
        finding(verify, verify->expected_seq,
                "the tail is cut: the head knows %" PRId64 " records, %" PRId64 " are here", size,
                verify->expected_seq);
    } else if (verify->size > size) {
        finding(verify, size, "%" PRId64 " records were added behind the head's back",
                verify->size - size);
    } else {
        size_t used = rv_result_bytes(result, row, 1, frontier, sizeof frontier);
        if (used != (size_t)verify->frontier_count * RV_HASH_BYTES ||
            memcmp(frontier, verify->frontier, used) != 0) {
            finding(verify, verify->good_checkpoint,
                    "records since %" PRId64 " do not give the tree that the head holds",
                    verify->good_checkpoint);
        }
    }
    return RV_OK;
}

static enum rv_code read_all(struct verify *verify, const char *uri, const char *outside,
                             struct rv_error *err)
{
    struct rv_db_session *session = NULL;
    enum rv_code code = rv_db_session_open(uri, &session, err);
    if (code != RV_OK) {
        return code;
    }
    int64_t outside_size = 0;
    struct rv_hash outside_root;
    if (outside != NULL) {
        code = note_verify(&verify->audit->key, verify->tenant, outside, &outside_size,
                           &outside_root, err);
        if (code == RV_OK) {
            add_checkpoint(verify, outside_size, &outside_root);
        }
    }
    if (code == RV_OK) {
        code = rv_db_session_query(session, verify->tenant, &rv_sql_audit_checkpoints_all, NULL,
                                   take_checkpoint, verify, err);
    }
    if (code == RV_OK) {
        code = rv_db_session_stream(session, verify->tenant, &rv_sql_audit_records_all, NULL,
                                    take_record, verify, err);
    }
    if (code == RV_OK) {
        code = rv_db_session_query(session, verify->tenant, &rv_sql_audit_head, NULL, take_head,
                                   verify, err);
    }
    for (int i = verify->next_checkpoint; code == RV_OK && i < verify->checkpoint_count; i++) {
        finding(verify, verify->expected_seq,
                "a checkpoint was signed at size %" PRId64 ", only %" PRId64 " records are here",
                verify->checkpoints[i].size, verify->expected_seq);
    }
    rv_db_session_close(session);
    return code;
}

enum rv_code rv_audit_verify(const char *uri, int32_t tenant, const struct rv_audit *audit,
                             const char *outside_checkpoint, json_t **report, struct rv_error *err)
{
    struct verify verify = {.tenant = tenant, .audit = audit, .findings = json_array()};
    enum rv_code code = read_all(&verify, uri, outside_checkpoint, err);
    if (code == RV_OK) {
        *report = json_pack("{s:b,s:I,s:i,s:O}", "ok", json_array_size(verify.findings) == 0,
                            "records", (json_int_t)verify.size, "checkpoints",
                            verify.checkpoint_count, "findings", verify.findings);
    }
    json_decref(verify.findings);
    rv_free(verify.checkpoints);
    return code;
}
