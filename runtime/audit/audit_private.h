/* audit_private.h -- what the files of runtime/audit share. */
#ifndef REEVE_RUNTIME_AUDIT_AUDIT_PRIVATE_H
#define REEVE_RUNTIME_AUDIT_AUDIT_PRIVATE_H

#include "runtime/audit/audit.h"
#include "runtime/audit/note.h"
#include "runtime/db/db.h"

enum {
    AUDIT_BODY_MAX = 1 << 20,
    AUDIT_TRUST_MAX = 16, /* keys that were ever used: one a year is many */
    AUDIT_FRONTIER_MAX = 64
};

struct rv_audit {
    struct note_key key;
};

struct rv_audit_trust {
    struct note_verifier keys[AUDIT_TRUST_MAX];
    int count;
};

/* The text of a record, at most AUDIT_BODY_MAX bytes; fractions as texts, members above
 * RV_AUDIT_VALUE_MAX as digests.  `out` is open and empty.  RV_INVALID: `body` is no object (NULL:
 * json_pack was given text that is not UTF-8); RV_LIMIT: thousands of members. */
RV_MUST enum rv_code audit_record_text(json_t *body, struct rv_buf *out, struct rv_error *err);

/* The tree that the head of a tenant holds. */
struct audit_head {
    int64_t size;
    int64_t checkpoint_size;
    struct rv_hash frontier[AUDIT_FRONTIER_MAX];
    size_t frontier_bytes;
};
RV_MUST enum rv_code audit_head_read(struct rv_db_session *session, int32_t tenant,
                                     struct audit_head *out, struct rv_error *err);
/* The public half beside the key: made when missing, compared when there. */
RV_MUST enum rv_code audit_trust_keep(const char *key_path, const struct note_verifier *verifier,
                                      struct rv_error *err);
/* "audit.key" -> "audit.key.pub"; caller frees. */
char *audit_public_path(const char *key_path);

#endif
