/* cache.h -- blocks of keys and values: who holds them, and what they are remembered for.
 *
 * A block keeps KERNEL_BLOCK_TOKENS tokens of one sequence.  It is free, held (by one or more
 * sequences), or remembered: nobody holds it, but it is full and known by what led to it, so that a
 * later prompt that begins the same way takes it instead of computing it.
 *
 *     free --take--> held --seal (full)--> held, known --last release--> remembered --evict--> held
 *       ^------------release (not full)------'   '<---------match------------'
 *
 * Known by: the block before it (a serial number that is never used twice) and its own 16 tokens,
 * compared in full; the first block of a sequence by tenant and adapter instead.  So a block is
 * found only by the same tenant, with the same adapter, after exactly the same tokens: there is no
 * hash that could collide, and nothing for another tenant to hit.  The least recently used is
 * evicted, the end of a sequence before its beginning.
 *
 * Ideas: paged attention (Kwon et al. 2023), radix caching (Zheng et al. 2024).
 * Thread: one.  Private to kernels.
 */
#ifndef REEVE_KERNELS_SERVE_CACHE_H
#define REEVE_KERNELS_SERVE_CACHE_H

#include "kernels/backend.h"

struct kernel_cache;

enum { KERNEL_BLOCK_NONE = -1 };

/* Where a sequence's blocks hang: the tenant's root, then block by block. */
struct kernel_chain {
    uint64_t parent;
    bool root;
};

struct kernel_cache *kernel_cache_create(uint32_t blocks, uint64_t seed, bool remember);
void kernel_cache_destroy(struct kernel_cache *cache);

struct kernel_chain kernel_chain_root(uint32_t tenant, int32_t adapter);
/* A free block, or the least recently used remembered one; NONE when all are held. */
int32_t kernel_cache_take(struct kernel_cache *cache);
void kernel_cache_release(struct kernel_cache *cache, int32_t at);
/* The block is full of these tokens; `chain` moves on to it. */
void kernel_cache_seal(struct kernel_cache *cache, int32_t at, struct kernel_chain *chain,
                       const int32_t *tokens);
/* The block that is known to follow `chain` with these tokens, held now; `chain` moves on. */
int32_t kernel_cache_match(struct kernel_cache *cache, struct kernel_chain *chain,
                           const int32_t *tokens);
/* Everything known of an adapter is forgotten: its number may come to mean another one. */
void kernel_cache_forget(struct kernel_cache *cache, int32_t adapter);

uint32_t kernel_cache_available(const struct kernel_cache *cache); /* free and remembered */
uint32_t kernel_cache_remembered(const struct kernel_cache *cache);
uint32_t kernel_cache_size(const struct kernel_cache *cache);
/* For tests: counts, lists and index agree; aborts where they do not. */
void kernel_cache_check(const struct kernel_cache *cache);

#endif
