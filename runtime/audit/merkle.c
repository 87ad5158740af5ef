/* merkle.c -- the tree of RFC 6962 (Certificate Transparency), kept as a compact range.
 *
 * leaf = SHA-256(0x00 || record), node = SHA-256(0x01 || left || right).  The frontier holds the
 * roots of the perfect subtrees of `size`, largest first: as many hashes as `size` has one-bits.
 */
#include "runtime/audit/audit.h"

#include "runtime/base/check.h"

struct rv_hash rv_merkle_leaf(const void *record, size_t length)
{
    static const unsigned char prefix = 0x00;
    const struct rv_span spans[] = {{&prefix, 1}, {record, length}};
    return rv_sha256_spans(spans, 2);
}

struct rv_hash rv_merkle_node(const struct rv_hash *left, const struct rv_hash *right)
{
    static const unsigned char prefix = 0x01;
    const struct rv_span spans[] = {
        {&prefix, 1}, {left->bytes, RV_HASH_BYTES}, {right->bytes, RV_HASH_BYTES}};
    return rv_sha256_spans(spans, 3);
}

void rv_merkle_push(int64_t *size, struct rv_hash *frontier, int *count, const struct rv_hash *leaf)
{
    RV_ASSERT(*count < 64 && __builtin_popcountll((unsigned long long)*size) == *count);
    struct rv_hash hash = *leaf;
    for (int64_t bits = *size; (bits & 1) != 0; bits >>= 1) {
        hash = rv_merkle_node(&frontier[--*count], &hash);
    }
    frontier[(*count)++] = hash;
    ++*size;
}

struct rv_hash rv_merkle_root(const struct rv_hash *frontier, int count)
{
    if (count == 0) {
        return rv_sha256("", 0);
    }
    struct rv_hash root = frontier[count - 1];
    for (int i = count - 2; i >= 0; i--) {
        root = rv_merkle_node(&frontier[i], &root);
    }
    return root;
}
