/* audit.h -- the record that cannot be quietly changed: RFC 6962 Merkle tree, one per tenant.
 *
 * Each record is canonical JSON; its leaf hash and the tree's frontier move forward inside the very
 * transaction that writes the effect.  A checkpoint (c2sp.org/tlog-checkpoint text, Ed25519 signed
 * note) is written at least every RV_CHECKPOINT_RECORDS records or RV_CHECKPOINT_S seconds.
 * verify finds any edit, deletion, reordering, insertion or cut tail and names the record.
 */
#ifndef REEVE_RUNTIME_AUDIT_AUDIT_H
#define REEVE_RUNTIME_AUDIT_AUDIT_H

#include "runtime/journal/commit.h"

enum { RV_CHECKPOINT_RECORDS = 1000, RV_CHECKPOINT_S = 60 };

struct rv_audit; /* the sealing key and its name; one per process, immutable, any thread */

/* Key pair from `key_path` (made with mode 0600 when absent). */
RV_MUST enum rv_code rv_audit_open(const char *key_path, struct rv_audit **out,
                                   struct rv_error *err);
void rv_audit_close(struct rv_audit *audit);

/* Appends a record to this transaction; moves the head's tree.  Adds seq and at to `body`
 * (borrowed; kind e.g. "decision", "outcome", "admin"; run 0 and step -1 when none). Returns its
 * seq. */
int64_t rv_audit_append(struct rv_batch *batch, const char *kind, int64_t run, int step,
                        json_t *body);

/* The committer's seal hook (data = struct rv_audit): writes a checkpoint when one is due. */
enum rv_code rv_audit_seal(void *audit, struct rv_batch *batch, struct rv_error *err);

/* Reads everything of a tenant and checks it; `report` gets a new reference:
 * {"ok":bool,"records":n,"checkpoints":n,"findings":[{"seq":n,"finding":"…"}]}.  Blocking: CLI and
 * work threads only.  `uri` as in db.h; `outside_checkpoint` (may be NULL) is a signed note kept
 * elsewhere, against roll-back. */
RV_MUST enum rv_code rv_audit_verify(const char *uri, int32_t tenant, const struct rv_audit *audit,
                                     const char *outside_checkpoint, json_t **report,
                                     struct rv_error *err);

/* ---- the tree itself (pure) ---- */
struct rv_hash rv_merkle_leaf(const void *record, size_t length);
/* Frontier: hashes of the perfect subtrees of `size`, largest first. */
void rv_merkle_push(int64_t *size, struct rv_hash *frontier, int *count,
                    const struct rv_hash *leaf);
struct rv_hash rv_merkle_root(const struct rv_hash *frontier, int count); /* empty: SHA-256("") */

#endif
