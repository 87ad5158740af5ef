/* audit.h -- the record that cannot be quietly changed: RFC 6962 Merkle tree, one per tenant.
 *
 * Each record is canonical JSON; its leaf hash and the tree's frontier move forward inside the very
 * transaction that writes the effect.  A checkpoint (c2sp.org/tlog-checkpoint text, Ed25519 signed
 * note) is written at least every RV_CHECKPOINT_RECORDS records or RV_CHECKPOINT_S seconds.
 * verify finds any edit, deletion, reordering, insertion or cut tail and names the record.
 *
 * What it cannot find by itself: somebody with all rights in the database who rolls everything back
 * to an earlier checkpoint, or rewrites what no checkpoint covers yet.  Against that, keep
 * checkpoints (`reeve audit checkpoint`) or exports elsewhere and give them to verify.
 *
 * Checking needs public keys only (struct rv_audit_trust), and an export needs no database.
 */
#ifndef REEVE_RUNTIME_AUDIT_AUDIT_H
#define REEVE_RUNTIME_AUDIT_AUDIT_H

#include "runtime/journal/commit.h"

#include <stdio.h>

enum {
    RV_CHECKPOINT_RECORDS = 1000,
    RV_CHECKPOINT_S = 60,
    RV_AUDIT_VALUE_MAX = 16 << 10,
    RV_AUDIT_KEY_TEXT = 160,  /* a public key as text */
    RV_AUDIT_NOTE_TEXT = 1024 /* a checkpoint as text */
};

struct rv_audit;       /* the sealing key and its name; one per process, immutable, any thread */
struct rv_audit_trust; /* the public keys whose checkpoints are believed; immutable */

/* Key pair from `key_path` (made with mode 0600 when absent) and its public half in
 * `key_path`.pub.  Fails with RV_CORRUPT when the public half is there and the key is not, or is
 * another one: what was signed before would look tampered with. */
RV_MUST enum rv_code rv_audit_open(const char *key_path, struct rv_audit **out,
                                   struct rv_error *err);
void rv_audit_close(struct rv_audit *audit);

/* Appends a record to this transaction; moves the head's tree.  Adds seq and at to `body`
 * (borrowed; kind e.g. "decision", "outcome", "admin"; run 0 and step -1 when none). Returns its
 * seq.
 *
 * A record holds no fraction, it holds the text of it; and of a value that is larger than
 * RV_AUDIT_VALUE_MAX as canonical JSON its digest, {"sha256","bytes"}, as reeve keeps the value
 * elsewhere.  What cannot be recorded must not happen: a `body` that is no JSON (NULL, as json_pack
 * says of text that is not UTF-8) spoils the unit (rv_batch_spoil), and nothing of it is written.
 */
int64_t rv_audit_append(struct rv_batch *batch, const char *kind, int64_t run, int step,
                        json_t *body);

/* The committer's seal hook (data = struct rv_audit): writes a checkpoint when one is due or asked
 * for. */
enum rv_code rv_audit_seal(void *data, struct rv_batch *batch, struct rv_error *err);
/* Asks for a checkpoint over everything that is not under one, so that a quiet company's newest
 * records do not wait for its next write.  Costs one short transaction, also when nothing is open.
 */
void rv_audit_seal_soon(struct rv_committer *committer, int32_t tenant);

/* ---- public keys ---- */

void rv_audit_public_key(const struct rv_audit *audit, char out[RV_AUDIT_KEY_TEXT]);
/* One key a line; empty lines and those that begin with "#" are skipped. */
RV_MUST enum rv_code rv_audit_trust_read(const char *text, struct rv_audit_trust **out,
                                         struct rv_error *err);
/* The keys of `key_path`.pub, or the public half of `key_path` itself; makes nothing. */
RV_MUST enum rv_code rv_audit_trust_open(const char *key_path, struct rv_audit_trust **out,
                                         struct rv_error *err);
void rv_audit_trust_free(struct rv_audit_trust *trust);

/* ---- checking; blocking: CLI and work threads only.  `uri` as in db.h ---- */

/* What was kept elsewhere; all may be NULL. */
struct rv_audit_kept {
    const char *checkpoints; /* signed notes, one after the other; other companies' are skipped */
    FILE *export;            /* an earlier export: names the records that differ */
};

/* Reads everything of a tenant and checks it; `report` gets a new reference:
 * {"ok":bool,"records":n,"checkpoints":n,"sealed":n,"findings":[{"seq":n,"finding":"…"}]}; `sealed`
 * counts the records under the newest checkpoint that agreed. */
RV_MUST enum rv_code rv_audit_verify(const char *uri, int32_t tenant,
                                     const struct rv_audit_trust *trust,
                                     const struct rv_audit_kept *kept, json_t **report,
                                     struct rv_error *err);
/* The same for an export; the report also has "tenant" and "company" as the export says. */
RV_MUST enum rv_code rv_audit_verify_export(FILE *export, const struct rv_audit_trust *trust,
                                            const struct rv_audit_kept *kept, json_t **report,
                                            struct rv_error *err);
/* Writes all records and checkpoints that lie under one signature, and checks them on the way. With
 * `audit` the newest state is signed for it; without (NULL) the newest stored checkpoint is its
 * end. A record that was tampered with is exported too, and `report` says so. */
RV_MUST enum rv_code rv_audit_export(const char *uri, int32_t tenant, const char *company,
                                     const struct rv_audit *audit,
                                     const struct rv_audit_trust *trust, FILE *out, json_t **report,
                                     struct rv_error *err);
/* A checkpoint to keep elsewhere: of this moment with `audit`, else (NULL) the newest stored one.
 */
RV_MUST enum rv_code rv_audit_checkpoint(const char *uri, int32_t tenant,
                                         const struct rv_audit *audit,
                                         char note[RV_AUDIT_NOTE_TEXT], struct rv_error *err);

/* ---- proofs: one JSON object each, checked without a database ---- */

/* That record `seq` is under a signed checkpoint. */
RV_MUST enum rv_code rv_audit_prove_record(const char *uri, int32_t tenant, int64_t seq,
                                           const struct rv_audit *audit, json_t **proof,
                                           struct rv_error *err);
/* That the record has only grown since the checkpoint `since`. */
RV_MUST enum rv_code rv_audit_prove_growth(const char *uri, int32_t tenant, const char *since,
                                           const struct rv_audit *audit,
                                           const struct rv_audit_trust *trust, json_t **proof,
                                           struct rv_error *err);
/* `report`: {"ok":bool,"proof":"inclusion"|"consistency","tenant":n,"size":n,...,"finding"?:"…"}.
 */
RV_MUST enum rv_code rv_audit_verify_proof(const json_t *proof, const struct rv_audit_trust *trust,
                                           const struct rv_audit_kept *kept, json_t **report,
                                           struct rv_error *err);

/* ---- the tree itself (pure) ---- */
struct rv_hash rv_merkle_leaf(const void *record, size_t length);
/* Frontier: hashes of the perfect subtrees of `size`, largest first. */
void rv_merkle_push(int64_t *size, struct rv_hash *frontier, int *count,
                    const struct rv_hash *leaf);
struct rv_hash rv_merkle_node(const struct rv_hash *left, const struct rv_hash *right);
struct rv_hash rv_merkle_root(const struct rv_hash *frontier, int count); /* empty: SHA-256("") */

#endif
