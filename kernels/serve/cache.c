/* cache.c -- see cache.h. */
#include "kernels/serve/cache.h"

#include "kernels/base/fail.h"

#include <stdlib.h>
#include <string.h>

enum { NOBODY = -1 };

struct block {
    int32_t tokens[KERNEL_BLOCK_TOKENS];
    struct kernel_chain chain; /* what led to it */
    uint64_t serial;           /* 0: not known by its content */
    uint32_t holders;
    int32_t older, newer; /* in the list of remembered blocks; `newer` also links free ones */
    int32_t next;         /* in its bucket */
};

struct kernel_cache {
    struct block *blocks;
    int32_t *buckets; /* first block of each, by hash of chain and tokens */
    uint32_t count, bucket_mask;
    int32_t free, oldest, newest;
    uint32_t free_count, remembered_count;
    uint64_t next_serial, seed;
    bool remember;
};

struct kernel_cache *kernel_cache_create(uint32_t blocks, uint64_t seed, bool remember)
{
    struct kernel_cache *cache = kernel_allocate(1, sizeof *cache);
    cache->count = blocks;
    cache->blocks = kernel_allocate(blocks, sizeof *cache->blocks);
    uint32_t buckets = 64;
    while (buckets < blocks) {
        buckets *= 2;
    }
    cache->bucket_mask = buckets - 1;
    cache->buckets = kernel_allocate(buckets, sizeof *cache->buckets);
    memset(cache->buckets, 0xFF, buckets * sizeof *cache->buckets);
    cache->free = cache->oldest = cache->newest = NOBODY;
    for (uint32_t i = blocks; i-- > 0;) {
        cache->blocks[i].newer = cache->free;
        cache->free = (int32_t)i;
    }
    cache->free_count = blocks;
    cache->next_serial = 1;
    cache->seed = seed;
    cache->remember = remember;
    return cache;
}

void kernel_cache_destroy(struct kernel_cache *cache)
{
    if (cache != NULL) {
        free(cache->blocks);
        free(cache->buckets);
        free(cache);
    }
}

struct kernel_chain kernel_chain_root(uint32_t tenant, int32_t adapter)
{
    return (struct kernel_chain){.parent = (uint64_t)tenant << 32 | (uint32_t)adapter,
                                 .root = true};
}

/* ---- the index: chain and tokens to block ---- */

static uint32_t bucket_of(const struct kernel_cache *cache, const struct kernel_chain *chain,
                          const int32_t *tokens)
{
    /* splitmix64 (Steele, Lea, Flood 2014) over the words; only the spread matters, matches are
     * compared in full */
    uint64_t hash = cache->seed ^ chain->parent ^ (chain->root ? 0x9E3779B97F4A7C15u : 0);
    for (int i = 0; i < KERNEL_BLOCK_TOKENS; i++) {
        hash += 0x9E3779B97F4A7C15u + (uint32_t)tokens[i];
        hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9u;
        hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EBu;
        hash ^= hash >> 31;
    }
    return (uint32_t)hash & cache->bucket_mask;
}

static int32_t find(const struct kernel_cache *cache, const struct kernel_chain *chain,
                    const int32_t *tokens)
{
    int32_t at = cache->buckets[bucket_of(cache, chain, tokens)];
    while (at != NOBODY) {
        const struct block *block = &cache->blocks[at];
        if (block->chain.parent == chain->parent && block->chain.root == chain->root &&
            memcmp(block->tokens, tokens, sizeof block->tokens) == 0) {
            return at;
        }
        at = block->next;
    }
    return NOBODY;
}

static void forget(struct kernel_cache *cache, int32_t at)
{
    struct block *block = &cache->blocks[at];
    int32_t *link = &cache->buckets[bucket_of(cache, &block->chain, block->tokens)];
    while (*link != at) {
        link = &cache->blocks[*link].next;
    }
    *link = block->next;
    block->serial = 0;
}

/* ---- remembered blocks, least recently used first ---- */

static void list_push(struct kernel_cache *cache, int32_t at)
{
    struct block *block = &cache->blocks[at];
    block->older = cache->newest;
    block->newer = NOBODY;
    if (cache->newest != NOBODY) {
        cache->blocks[cache->newest].newer = at;
    } else {
        cache->oldest = at;
    }
    cache->newest = at;
    cache->remembered_count++;
}

static void list_remove(struct kernel_cache *cache, int32_t at)
{
    struct block *block = &cache->blocks[at];
    if (block->older != NOBODY) {
        cache->blocks[block->older].newer = block->newer;
    } else {
        cache->oldest = block->newer;
    }
    if (block->newer != NOBODY) {
        cache->blocks[block->newer].older = block->older;
    } else {
        cache->newest = block->older;
    }
    cache->remembered_count--;
}

static void put_free(struct kernel_cache *cache, int32_t at)
{
    cache->blocks[at].newer = cache->free;
    cache->free = at;
    cache->free_count++;
}

/* ---- what sequences do ---- */

int32_t kernel_cache_take(struct kernel_cache *cache)
{
    int32_t at = cache->free;
    if (at != NOBODY) {
        cache->free = cache->blocks[at].newer;
        cache->free_count--;
    } else if (cache->oldest != NOBODY) {
        at = cache->oldest;
        list_remove(cache, at);
        forget(cache, at);
    } else {
        return KERNEL_BLOCK_NONE;
    }
    cache->blocks[at].holders = 1;
    return at;
}

void kernel_cache_release(struct kernel_cache *cache, int32_t at)
{
    struct block *block = &cache->blocks[at];
    KERNEL_ASSERT(block->holders > 0);
    if (--block->holders > 0) {
        return;
    }
    if (block->serial != 0) {
        list_push(cache, at);
    } else {
        put_free(cache, at);
    }
}

void kernel_cache_seal(struct kernel_cache *cache, int32_t at, struct kernel_chain *chain,
                       const int32_t *tokens)
{
    if (!cache->remember) {
        return;
    }
    struct block *block = &cache->blocks[at];
    KERNEL_ASSERT(block->holders > 0 && block->serial == 0);
    int32_t same = find(cache, chain, tokens);
    if (same !=
        NOBODY) { /* two computed the same: this one stays private, what follows is shared */
        *chain = (struct kernel_chain){.parent = cache->blocks[same].serial};
        return;
    }
    memcpy(block->tokens, tokens, sizeof block->tokens);
    block->chain = *chain;
    block->serial = cache->next_serial++;
    uint32_t bucket = bucket_of(cache, chain, tokens);
    block->next = cache->buckets[bucket];
    cache->buckets[bucket] = at;
    *chain = (struct kernel_chain){.parent = block->serial};
}

int32_t kernel_cache_match(struct kernel_cache *cache, struct kernel_chain *chain,
                           const int32_t *tokens)
{
    int32_t at = find(cache, chain, tokens);
    if (at == NOBODY) {
        return KERNEL_BLOCK_NONE;
    }
    struct block *block = &cache->blocks[at];
    if (block->holders++ == 0) {
        list_remove(cache, at);
    }
    *chain = (struct kernel_chain){.parent = block->serial};
    return at;
}

void kernel_cache_forget(struct kernel_cache *cache, int32_t adapter)
{
    /* Its first blocks are enough: nothing below them can be reached any more. */
    for (uint32_t i = 0; i < cache->count; i++) {
        struct block *block = &cache->blocks[i];
        if (block->serial == 0 || !block->chain.root || (int32_t)block->chain.parent != adapter) {
            continue;
        }
        forget(cache, (int32_t)i);
        if (block->holders == 0) {
            list_remove(cache, (int32_t)i);
            put_free(cache, (int32_t)i);
        }
    }
}

uint32_t kernel_cache_available(const struct kernel_cache *cache)
{
    return cache->free_count + cache->remembered_count;
}

uint32_t kernel_cache_remembered(const struct kernel_cache *cache)
{
    return cache->remembered_count;
}

uint32_t kernel_cache_size(const struct kernel_cache *cache)
{
    return cache->count;
}

void kernel_cache_check(const struct kernel_cache *cache)
{
    uint32_t free_seen = 0;
    uint32_t remembered_seen = 0;
    uint32_t held = 0;
    for (int32_t at = cache->free; at != NOBODY; at = cache->blocks[at].newer) {
        KERNEL_ASSERT(cache->blocks[at].holders == 0 && cache->blocks[at].serial == 0);
        free_seen++;
    }
    for (int32_t at = cache->oldest; at != NOBODY; at = cache->blocks[at].newer) {
        const struct block *block = &cache->blocks[at];
        KERNEL_ASSERT(block->holders == 0 && block->serial != 0);
        KERNEL_ASSERT(find(cache, &block->chain, block->tokens) == at);
        remembered_seen++;
    }
    for (uint32_t i = 0; i < cache->count; i++) {
        held += cache->blocks[i].holders > 0;
    }
    KERNEL_ASSERT(free_seen == cache->free_count && remembered_seen == cache->remembered_count);
    KERNEL_ASSERT(free_seen + remembered_seen + held == cache->count);
}
