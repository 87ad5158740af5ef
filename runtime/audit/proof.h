/* proof.h -- short proofs about the tree of RFC 6962: pure functions over hashes.
 *
 *   inclusion    this record is number `index` of the tree of `size` records with this root
 *   consistency  the tree of `first` records is the beginning of the tree of `second` records
 *
 * Proofs are made from all leaves (PATH and PROOF of RFC 6962 2.1.1 and 2.1.2) and checked from the
 * proof alone (the algorithms of RFC 9162 2.1.3.2 and 2.1.4.2).  Private to runtime/audit.
 */
#ifndef REEVE_RUNTIME_AUDIT_PROOF_H
#define REEVE_RUNTIME_AUDIT_PROOF_H

#include "runtime/audit/audit.h"

enum { PROOF_MAX = 128 }; /* a tree of 2^63 leaves needs 63, a consistency proof one more */

struct proof {
    struct rv_hash hashes[PROOF_MAX];
    int count;
};

struct rv_hash proof_root(const struct rv_hash *leaves, int64_t count); /* MTH */
/* 0 <= index < count. */
void proof_inclusion(const struct rv_hash *leaves, int64_t count, int64_t index, struct proof *out);
bool proof_includes(const struct proof *proof, const struct rv_hash *leaf, int64_t index,
                    int64_t size, const struct rv_hash *root);
/* 0 < first <= second. */
void proof_consistency(const struct rv_hash *leaves, int64_t first, int64_t second,
                       struct proof *out);
bool proof_consistent(const struct proof *proof, int64_t first, const struct rv_hash *first_root,
                      int64_t second, const struct rv_hash *second_root);

#endif
