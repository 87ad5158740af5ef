/* verify.c -- reads a tenant's whole record and believes nothing: every leaf is hashed again, the
 * tree is built again, and it must agree with every signed checkpoint, with the head and with a
 * checkpoint that was kept elsewhere.
 *
 * The record may grow meanwhile: the head is read before and after.  The tree is compared with the
 * first at its size; what lies beyond the second was added by nobody.
 *
 *   edit            the leaf does not match its body                      -> names the record
 *   edit of columns what they repeat differs from the body                -> names the record
 *   edit of both    the tree differs from the next checkpoint             -> names the range
 *   deletion, cut   a sequence number is missing, the head says more      -> names the record
 *   insertion       a record the head does not know                       -> names the record
 *   checkpoint gone the head knows a later one                            -> names its size
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
    int64_t newest_stored;    /* size of the newest checkpoint in the table */
    int64_t checkpoint_known; /* what the head said before */
    int64_t size;
    struct rv_hash frontier[64];
    int frontier_count;
    int64_t expected_seq;
    int64_t last_seq;        /* highest seen; -1 none */
    int64_t good_checkpoint; /* the last size whose root agreed */
    struct head {
        int64_t size;
        int64_t checkpoint_size;
        struct rv_hash frontier[64];
        size_t frontier_bytes;
    } head; /* before the records were read, then after */
    bool head_compared;
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
    verify->newest_stored = row_size; /* they come in order */
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

/* The tree that was committed when we began must be a stage of the one that is here. */
static void compare_head(struct verify *verify)
{
    const struct head *head = &verify->head;
    if (verify->head_compared || verify->size != head->size) {
        return;
    }
    verify->head_compared = true;
    if (head->frontier_bytes != (size_t)verify->frontier_count * RV_HASH_BYTES ||
        memcmp(head->frontier, verify->frontier, head->frontier_bytes) != 0) {
        finding(verify, verify->good_checkpoint,
                "records since %" PRId64 " do not give the tree that the head holds",
                verify->good_checkpoint);
    }
}

/* What the columns repeat, for queries, must be what the hashed text says. */
static void compare_columns(struct verify *verify, const struct rv_result *result, int row,
                            int64_t seq)
{
    json_t *body = NULL;
    const char *text = rv_result_text(result, row, 1);
    if (rv_json_parse(text, rv_result_length(result, row, 1), "record", &body, NULL) != RV_OK) {
        finding(verify, seq, "record %" PRId64 " is no JSON", seq);
        return;
    }
    if (rv_json_int(body, "seq", -1) != seq || rv_json_int(body, "tenant", -1) != verify->tenant) {
        finding(verify, seq, "record %" PRId64 " stands in another's place", seq);
    }
    if (strcmp(rv_json_str(body, "kind", ""), rv_result_text(result, row, 3)) != 0 ||
        rv_json_int(body, "run", 0) != rv_result_i64(result, row, 4) ||
        rv_json_int(body, "step", -1) != rv_result_i64(result, row, 5) ||
        rv_json_int(body, "at_us", 0) != rv_result_time_us(result, row, 6)) {
        finding(verify, seq, "record %" PRId64 " has columns that differ from its text", seq);
    }
    json_decref(body);
}

static enum rv_code take_record(void *data, const struct rv_result *result, int row,
                                struct rv_error *err)
{
    (void)err;
    struct verify *verify = data;
    int64_t seq = rv_result_i64(result, row, 0);
    const char *body = rv_result_text(result, row, 1);
    struct rv_hash stored;
    if (seq == verify->expected_seq + 1) {
        finding(verify, verify->expected_seq, "record %" PRId64 " is missing",
                verify->expected_seq);
    } else if (seq > verify->expected_seq) {
        finding(verify, verify->expected_seq, "records %" PRId64 " to %" PRId64 " are missing",
                verify->expected_seq, seq - 1);
    }
    verify->last_seq = seq;
    verify->expected_seq = seq < INT64_MAX ? seq + 1 : seq;
    struct rv_hash leaf = rv_merkle_leaf(body, rv_result_length(result, row, 1));
    if (rv_result_length(result, row, 2) != 2 + 2 * RV_HASH_BYTES ||
        rv_result_bytes(result, row, 2, stored.bytes, RV_HASH_BYTES) != RV_HASH_BYTES ||
        !rv_hash_equal(&leaf, &stored)) {
        finding(verify, seq, "record %" PRId64 " was edited: its text does not match its leaf",
                seq);
    }
    compare_columns(verify, result, row, seq);
    compare_head(verify); /* also an empty head */
    rv_merkle_push(&verify->size, verify->frontier, &verify->frontier_count, &leaf);
    compare_checkpoints(verify);
    compare_head(verify);
    return RV_OK;
}

static enum rv_code take_head(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    struct head *head = &((struct verify *)data)->head;
    size_t text = rv_result_length(result, row, 1);
    head->size = rv_result_i64(result, row, 0);
    head->checkpoint_size = rv_result_i64(result, row, 2);
    if (text < 2 || (text - 2) / 2 > sizeof head->frontier) {
        return rv_fail(err, RV_CORRUPT, "the head's frontier has no possible length");
    }
    head->frontier_bytes = rv_result_bytes(result, row, 1, head->frontier, sizeof head->frontier);
    return RV_OK;
}

/* After all records: `head` is the later one now, `before` the size of the earlier. */
static void compare_end(struct verify *verify, int64_t before)
{
    const struct head *head = &verify->head;
    if (verify->last_seq + 1 < before) {
        finding(verify, verify->last_seq + 1,
                "the tail is cut: the head knows %" PRId64 " records, %" PRId64 " are here", before,
                verify->last_seq + 1);
    } else if (verify->last_seq >= head->size) {
        finding(verify, head->size, "records from %" PRId64 " on were added behind the head's back",
                head->size);
    }
    if (verify->newest_stored < verify->checkpoint_known) {
        finding(verify, verify->checkpoint_known, "the checkpoint at size %" PRId64 " is gone",
                verify->checkpoint_known);
    }
    for (int i = verify->next_checkpoint; i < verify->checkpoint_count; i++) {
        finding(verify, verify->checkpoints[i].size,
                "a checkpoint was signed at size %" PRId64 ", only %" PRId64 " records are here",
                verify->checkpoints[i].size, verify->size);
    }
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
    if (code == RV_OK) { /* before the checkpoints: each of them may only be newer */
        code = rv_db_session_query(session, verify->tenant, &rv_sql_audit_head, NULL, take_head,
                                   verify, err);
        verify->checkpoint_known = verify->head.checkpoint_size;
    }
    if (code == RV_OK) {
        code = rv_db_session_query(session, verify->tenant, &rv_sql_audit_checkpoints_all, NULL,
                                   take_checkpoint, verify, err);
    }
    if (code == RV_OK) {
        compare_checkpoints(verify);
        code = rv_db_session_stream(session, verify->tenant, &rv_sql_audit_records_all, NULL,
                                    take_record, verify, err);
        compare_head(verify);
    }
    int64_t before = verify->head.size;
    if (code == RV_OK) {
        code = rv_db_session_query(session, verify->tenant, &rv_sql_audit_head, NULL, take_head,
                                   verify, err);
    }
    if (code == RV_OK) {
        compare_end(verify, before);
    }
    rv_db_session_close(session);
    return code;
}

enum rv_code rv_audit_verify(const char *uri, int32_t tenant, const struct rv_audit *audit,
                             const char *outside_checkpoint, json_t **report, struct rv_error *err)
{
    struct verify verify = {
        .tenant = tenant, .audit = audit, .findings = json_array(), .last_seq = -1};
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
