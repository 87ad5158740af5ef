/* verify.c -- believes nothing: every leaf is hashed again, the tree is built again, and it must
 * agree with every signed checkpoint, with the head and with what was kept elsewhere.
 *
 * The record may grow meanwhile: the head is read before and after.  The tree is compared with the
 * first at its size; what lies beyond the second was added by nobody.
 *
 *   edit            the leaf does not match its body                      -> names the record
 *   edit of columns what they repeat differs from the body                -> names the record
 *   edit of both    the tree differs from the next checkpoint             -> names the range; with
 *                   an export that was kept                               -> names the record
 *   deletion, cut   a sequence number is missing, the head says more      -> names the record
 *   insertion       a record the head does not know, or one twice         -> names the record
 *   checkpoint gone the head knows a later one                            -> names its size
 *   reordering      seq inside the body differs from the row's            -> names the record
 *   roll-back       a kept checkpoint is larger than what is here         -> says so
 */
#include "runtime/audit/verify.h"

#include "runtime/base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { FINDINGS_MAX = 100 };

void verify_begin(struct verify *verify, int32_t tenant, const struct rv_audit_trust *trust)
{
    *verify =
        (struct verify){.tenant = tenant, .trust = trust, .findings = json_array(), .last_seq = -1};
}

void verify_free(struct verify *verify)
{
    json_decref(verify->findings);
    rv_free(verify->checkpoints);
}

void verify_finding(struct verify *verify, int64_t seq, const char *format, ...)
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

/* ---- checkpoints ---- */

static void compare_checkpoints(struct verify *verify)
{
    while (verify->next_checkpoint < verify->checkpoint_count &&
           verify->checkpoints[verify->next_checkpoint].size <= verify->size) {
        const struct verify_checkpoint *checkpoint =
            &verify->checkpoints[verify->next_checkpoint++];
        struct rv_hash root = rv_merkle_root(verify->frontier, verify->frontier_count);
        if (checkpoint->size == verify->size && rv_hash_equal(&root, &checkpoint->root)) {
            verify->good_checkpoint = checkpoint->size;
        } else if (checkpoint->size == verify->good_checkpoint) {
            verify_finding(verify, checkpoint->size,
                           "two checkpoints of size %" PRId64 " were signed with different roots",
                           checkpoint->size);
        } else {
            verify_finding(verify, verify->good_checkpoint,
                           "records %" PRId64 " to %" PRId64
                           " do not give the root that was signed",
                           verify->good_checkpoint, checkpoint->size - 1);
        }
    }
}

static void add_checkpoint(struct verify *verify, int64_t size, const struct rv_hash *root)
{
    verify->checkpoints = rv_realloc(verify->checkpoints, (size_t)(verify->checkpoint_count + 1) *
                                                              sizeof *verify->checkpoints);
    int at = verify->checkpoint_count++;
    while (at > verify->next_checkpoint && verify->checkpoints[at - 1].size > size) {
        verify->checkpoints[at] = verify->checkpoints[at - 1];
        at--;
    }
    verify->checkpoints[at] = (struct verify_checkpoint){size, *root};
    if (size == verify->size) {
        compare_checkpoints(verify); /* also one of an empty record, or that closes an export */
    }
}

void verify_stored_checkpoint(struct verify *verify, int64_t row_size, const char *note)
{
    struct rv_error why = {.code = RV_OK};
    int64_t size = 0;
    struct rv_hash root;
    verify->newest_stored = row_size > verify->newest_stored ? row_size : verify->newest_stored;
    if (note_verify(verify->trust->keys, verify->trust->count, verify->tenant, note, &size, &root,
                    &why) != RV_OK) {
        verify_finding(verify, row_size, "checkpoint at size %" PRId64 ": %s", row_size,
                       why.message);
    } else if (size != row_size) {
        verify_finding(verify, row_size, "the checkpoint's note is for size %" PRId64, size);
    } else if (size < verify->size) {
        verify_finding(verify, size,
                       "the checkpoint of size %" PRId64 " stands behind record %" PRId64, size,
                       verify->last_seq);
    } else {
        add_checkpoint(verify, size, &root);
    }
}

enum rv_code verify_outside(struct verify *verify, const char *notes, struct rv_error *err)
{
    static const char begin[] = "reeve/tenant/";
    int found = 0;
    while (notes != NULL && *notes != '\0') {
        const char *next = strstr(notes, "\nreeve/tenant/");
        size_t length = next != NULL ? (size_t)(next + 1 - notes) : strlen(notes);
        char *note = rv_strndup(notes, length);
        const char *text = note + strspn(note, "\n");
        int64_t size = 0;
        struct rv_hash root;
        enum rv_code code = RV_OK;
        if (strncmp(text, begin, sizeof begin - 1) != 0) {
            code = rv_fail(err, RV_INVALID, "what was kept is no checkpoint");
        } else if (note_is_of(text, verify->tenant)) {
            code = note_verify(verify->trust->keys, verify->trust->count, verify->tenant, text,
                               &size, &root, err);
            found++;
        }
        if (code == RV_OK && size > 0) {
            add_checkpoint(verify, size, &root);
        }
        rv_free(note);
        if (code != RV_OK) {
            return code;
        }
        notes += length;
    }
    if (found == 0) {
        rv_fail(err, RV_INVALID, "no checkpoint of this company was kept there");
        rv_hint(err, "`reeve audit checkpoint` prints one to keep.");
        return RV_INVALID;
    }
    return RV_OK;
}

/* ---- the head ---- */

/* The tree that was committed when we began must be a stage of the one that is here. */
static void compare_head(struct verify *verify)
{
    const struct audit_head *head = &verify->head;
    if (verify->head_compared || verify->size != head->size) {
        return;
    }
    verify->head_compared = true;
    if (head->frontier_bytes != (size_t)verify->frontier_count * RV_HASH_BYTES ||
        memcmp(head->frontier, verify->frontier, head->frontier_bytes) != 0) {
        verify_finding(verify, verify->good_checkpoint,
                       "records since %" PRId64 " do not give the tree that the head holds",
                       verify->good_checkpoint);
    }
}

void verify_head(struct verify *verify, const struct audit_head *head)
{
    verify->head = *head;
}

/* ---- records ---- */

static void check_place(struct verify *verify, int64_t seq)
{
    if (seq == verify->last_seq) {
        verify_finding(verify, seq, "record %" PRId64 " is there twice", seq);
    } else if (seq < verify->expected_seq) {
        verify_finding(verify, seq, "record %" PRId64 " stands behind record %" PRId64, seq,
                       verify->last_seq);
    } else if (seq == verify->expected_seq + 1) {
        verify_finding(verify, verify->expected_seq, "record %" PRId64 " is missing",
                       verify->expected_seq);
    } else if (seq > verify->expected_seq) {
        verify_finding(verify, verify->expected_seq,
                       "records %" PRId64 " to %" PRId64 " are missing", verify->expected_seq,
                       seq - 1);
    }
    if (seq >= verify->expected_seq) {
        verify->last_seq = seq;
        verify->expected_seq = seq < INT64_MAX ? seq + 1 : seq;
    }
}

json_t *verify_record(struct verify *verify, const struct verify_record *record)
{
    int64_t seq = record->seq;
    check_place(verify, seq);
    struct rv_hash leaf = rv_merkle_leaf(record->body, record->length);
    if (!record->has_leaf || !rv_hash_equal(&leaf, &record->leaf)) {
        verify_finding(verify, seq,
                       "record %" PRId64 " was edited: its text does not match its leaf", seq);
    } else if (seq >= 0 && seq < verify->kept_count &&
               !rv_hash_equal(&leaf, &verify->kept_leaves[seq])) {
        verify_finding(verify, seq,
                       "record %" PRId64 " was edited: it differs from the export that was kept",
                       seq);
    }
    json_t *body = NULL;
    if (rv_json_parse(record->body, record->length, "record", &body, NULL) != RV_OK) {
        verify_finding(verify, seq, "record %" PRId64 " is no JSON", seq);
    } else if (rv_json_int(body, "seq", -1) != seq ||
               rv_json_int(body, "tenant", -1) != verify->tenant) {
        verify_finding(verify, seq, "record %" PRId64 " stands in another's place", seq);
    }
    compare_head(verify); /* also an empty head */
    rv_merkle_push(&verify->size, verify->frontier, &verify->frontier_count, &leaf);
    compare_checkpoints(verify);
    compare_head(verify);
    return body;
}

void verify_end(struct verify *verify, const struct audit_head *later)
{
    const struct audit_head *before = &verify->head;
    compare_head(verify);
    if (verify->last_seq + 1 < before->size) {
        verify_finding(verify, verify->last_seq + 1,
                       "the tail is cut: the head knows %" PRId64 " records, %" PRId64 " are here",
                       before->size, verify->last_seq + 1);
    } else if (verify->last_seq >= later->size) {
        verify_finding(verify, later->size,
                       "records from %" PRId64 " on were added behind the head's back",
                       later->size);
    }
    if (verify->newest_stored < before->checkpoint_size) {
        verify_finding(verify, before->checkpoint_size,
                       "the checkpoint at size %" PRId64 " is gone", before->checkpoint_size);
    }
    for (int i = verify->next_checkpoint; i < verify->checkpoint_count; i++) {
        verify_finding(verify, verify->checkpoints[i].size,
                       "a checkpoint was signed at size %" PRId64 ", only %" PRId64
                       " records are here",
                       verify->checkpoints[i].size, verify->size);
    }
    if (verify->kept_count > verify->size) {
        verify_finding(verify, verify->size,
                       "the export that was kept has %" PRId64 " records, only %" PRId64
                       " are here",
                       verify->kept_count, verify->size);
    }
}

json_t *verify_report(const struct verify *verify)
{
    return json_pack("{s:b,s:I,s:i,s:I,s:O}", "ok", json_array_size(verify->findings) == 0,
                     "records", (json_int_t)verify->size, "checkpoints", verify->checkpoint_count,
                     "sealed", (json_int_t)verify->good_checkpoint, "findings", verify->findings);
}
