/* pool.c -- see pool.h. */
#include "runtime/actor/pool.h"
#include "runtime/base/check.h"

#include <stdbool.h>
#include <string.h>

static bool is_mallocs(size_t bytes)
{
#ifdef __SANITIZE_ADDRESS__
    (void)bytes;
    return true;
#else
    return bytes > POOL_LARGEST;
#endif
}

static size_t size_class(size_t bytes)
{
    return bytes == 0 ? 0 : (bytes - 1) / POOL_STEP;
}

/* The head of a chunk is its link; what a smaller rest leaves of the last one is lost. */
static void *cut(struct pool *pool, size_t bytes)
{
    if (pool->rest_bytes < bytes) {
        unsigned char *memory = rv_alloc(POOL_CHUNK);
        struct pool_piece *chunk = (struct pool_piece *)(void *)memory;
        chunk->next = pool->chunks;
        pool->chunks = chunk;
        pool->rest = memory + POOL_STEP;
        pool->rest_bytes = POOL_CHUNK - POOL_STEP;
    }
    void *piece = pool->rest;
    pool->rest += bytes;
    pool->rest_bytes -= bytes;
    return piece; /* as the allocator cleared it */
}

void *actor_pool_take(struct pool *pool, size_t bytes)
{
    if (is_mallocs(bytes)) {
        return rv_alloc(bytes);
    }
    size_t class = size_class(bytes);
    struct pool_piece *piece = pool->waiting[class];
    if (piece == NULL) {
        return cut(pool, (class + 1) * POOL_STEP);
    }
    pool->waiting[class] = piece->next;
    memset(piece, 0, (class + 1) * POOL_STEP);
    return piece;
}

void actor_pool_give(struct pool *pool, void *memory, size_t bytes)
{
    if (is_mallocs(bytes)) {
        rv_free(memory);
        return;
    }
    struct pool_piece *piece = memory;
    piece->next = pool->waiting[size_class(bytes)];
    pool->waiting[size_class(bytes)] = piece;
}

void actor_pool_fini(struct pool *pool)
{
    while (pool->chunks != NULL) {
        struct pool_piece *chunk = pool->chunks;
        pool->chunks = chunk->next;
        rv_free(chunk);
    }
}
