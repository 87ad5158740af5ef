/* proof.c -- makes and checks the two proofs of RFC 6962; see proof.h. */
#include "runtime/audit/proof.h"

#include "runtime/audit/audit_private.h"
#include "runtime/base/check.h"

/* The largest power of two below count; count > 1. */
static int64_t split(int64_t count)
{
    return INT64_C(1) << (63 - __builtin_clzll((unsigned long long)(count - 1)));
}

struct rv_hash proof_root(const struct rv_hash *leaves, int64_t count)
{
    if (count == 0) {
        return rv_sha256("", 0);
    }
    if (count == 1) {
        return leaves[0];
    }
    int64_t k = split(count);
    struct rv_hash left = proof_root(leaves, k);
    struct rv_hash right = proof_root(leaves + k, count - k);
    return rv_merkle_node(&left, &right);
}

static void add(struct proof *proof, const struct rv_hash *hash)
{
    RV_ASSERT(proof->count < PROOF_MAX);
    proof->hashes[proof->count++] = *hash;
}

static void path(const struct rv_hash *leaves, int64_t count, int64_t index, struct proof *out)
{
    if (count == 1) {
        return;
    }
    int64_t k = split(count);
    struct rv_hash other;
    if (index < k) {
        path(leaves, k, index, out);
        other = proof_root(leaves + k, count - k);
    } else {
        path(leaves + k, count - k, index - k, out);
        other = proof_root(leaves, k);
    }
    add(out, &other);
}

void proof_inclusion(const struct rv_hash *leaves, int64_t count, int64_t index, struct proof *out)
{
    RV_ASSERT(index >= 0 && index < count);
    out->count = 0;
    path(leaves, count, index, out);
}

bool proof_includes(const struct proof *proof, const struct rv_hash *leaf, int64_t index,
                    int64_t size, const struct rv_hash *root)
{
    if (index < 0 || index >= size) {
        return false;
    }
    int64_t fn = index;
    int64_t sn = size - 1;
    struct rv_hash hash = *leaf;
    for (int i = 0; i < proof->count; i++) {
        if (sn == 0) {
            return false;
        }
        if ((fn & 1) != 0 || fn == sn) {
            hash = rv_merkle_node(&proof->hashes[i], &hash);
            while ((fn & 1) == 0 && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            hash = rv_merkle_node(&hash, &proof->hashes[i]);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && rv_hash_equal(&hash, root);
}

/* SUBPROOF(m, D[n], whole): `whole` while the subtree is one that the first tree had as a whole. */
static void subproof(const struct rv_hash *leaves, int64_t first, int64_t count, bool whole,
                     struct proof *out)
{
    struct rv_hash hash;
    if (first == count) {
        if (!whole) {
            hash = proof_root(leaves, count);
            add(out, &hash);
        }
        return;
    }
    int64_t k = split(count);
    if (first <= k) {
        subproof(leaves, first, k, whole, out);
        hash = proof_root(leaves + k, count - k);
    } else {
        subproof(leaves + k, first - k, count - k, false, out);
        hash = proof_root(leaves, k);
    }
    add(out, &hash);
}

void proof_consistency(const struct rv_hash *leaves, int64_t first, int64_t second,
                       struct proof *out)
{
    RV_ASSERT(first > 0 && first <= second);
    out->count = 0;
    subproof(leaves, first, second, true, out);
}

bool proof_consistent(const struct proof *proof, int64_t first, const struct rv_hash *first_root,
                      int64_t second, const struct rv_hash *second_root)
{
    if (first <= 0 || first > second) {
        return false;
    }
    if (first == second) {
        return proof->count == 0 && rv_hash_equal(first_root, second_root);
    }
    int at = 0;
    bool power = (first & (first - 1)) == 0; /* then the first root itself is the first node */
    if (!power && proof->count == 0) {
        return false;
    }
    struct rv_hash old_hash = power ? *first_root : proof->hashes[at++];
    struct rv_hash new_hash = old_hash;
    int64_t fn = first - 1;
    int64_t sn = second - 1;
    while ((fn & 1) != 0) {
        fn >>= 1;
        sn >>= 1;
    }
    for (; at < proof->count; at++) {
        const struct rv_hash *hash = &proof->hashes[at];
        if (sn == 0) {
            return false;
        }
        if ((fn & 1) != 0 || fn == sn) {
            old_hash = rv_merkle_node(hash, &old_hash);
            new_hash = rv_merkle_node(hash, &new_hash);
            while ((fn & 1) == 0 && fn != 0) {
                fn >>= 1;
                sn >>= 1;
            }
        } else {
            new_hash = rv_merkle_node(&new_hash, hash);
        }
        fn >>= 1;
        sn >>= 1;
    }
    return sn == 0 && rv_hash_equal(&old_hash, first_root) && rv_hash_equal(&new_hash, second_root);
}
