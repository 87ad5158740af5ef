/* verify.h -- the checking itself, fed by whoever reads: the database or an export.
 *
 *     verify_begin, verify_outside, verify_head, verify_stored_checkpoint..., verify_record...,
 *     verify_end, verify_report
 *
 * Private to runtime/audit.
 */
#ifndef REEVE_RUNTIME_AUDIT_VERIFY_H
#define REEVE_RUNTIME_AUDIT_VERIFY_H

#include "runtime/audit/audit_private.h"

struct verify_checkpoint {
    int64_t size;
    struct rv_hash root;
};

struct verify {
    int32_t tenant;
    const struct rv_audit_trust *trust;
    json_t *findings;
    struct verify_checkpoint *checkpoints; /* by size */
    int checkpoint_count;
    int next_checkpoint;
    int64_t newest_stored; /* size of the newest checkpoint that came from the record's own store */
    int64_t size;
    struct rv_hash frontier[AUDIT_FRONTIER_MAX];
    int frontier_count;
    int64_t expected_seq;
    int64_t last_seq;        /* highest seen; -1 none */
    int64_t good_checkpoint; /* the last size whose root agreed */
    struct audit_head head;  /* what the head said before the records were read */
    bool head_compared;
    const struct rv_hash *kept_leaves; /* of an export that was kept; borrowed */
    int64_t kept_count;
};

/* One record as it lies in its store. */
struct verify_record {
    int64_t seq;
    const char *body;
    size_t length;
    bool has_leaf; /* else it is damaged */
    struct rv_hash leaf;
};

void verify_begin(struct verify *verify, int32_t tenant, const struct rv_audit_trust *trust);
void verify_free(struct verify *verify);
void verify_finding(struct verify *verify, int64_t seq, const char *format, ...) RV_PRINTF(3, 4);
/* Notes that were kept elsewhere; RV_CORRUPT when one is not good, RV_INVALID when none is there.
 */
RV_MUST enum rv_code verify_outside(struct verify *verify, const char *notes, struct rv_error *err);
void verify_head(struct verify *verify, const struct audit_head *head);
/* `row_size` is the size its store gives it. */
void verify_stored_checkpoint(struct verify *verify, int64_t row_size, const char *note);
/* The parsed body, or NULL when it is no JSON (which is a finding); caller releases. */
json_t *verify_record(struct verify *verify, const struct verify_record *record);
/* `later` is the head after the records were read. */
void verify_end(struct verify *verify, const struct audit_head *later);
json_t *verify_report(const struct verify *verify);

#endif
