/* pool.h -- memory of a core's actors: an actor is often born where another one has just ended.
 *
 * Pieces are cut from chunks, in sizes that are multiples of POOL_STEP, and what is given back
 * waits for the next one of its size; a chunk is freed with the pool.  That costs a tenth of
 * malloc, and an actor no header of it.  What is larger than POOL_LARGEST is malloc's, and so is
 * everything under the address sanitizer, which then sees who touches an actor that has ended.
 *
 * On the core's thread.
 */
#ifndef REEVE_RUNTIME_ACTOR_POOL_H
#define REEVE_RUNTIME_ACTOR_POOL_H

#include <stddef.h>

enum { POOL_STEP = 32, POOL_LARGEST = 1024, POOL_CHUNK = 65536 };

struct pool_piece {
    struct pool_piece *next;
};

struct pool {
    struct pool_piece *waiting[POOL_LARGEST / POOL_STEP];
    struct pool_piece *chunks;
    unsigned char *rest; /* of the newest chunk */
    size_t rest_bytes;
};

void *actor_pool_take(struct pool *pool, size_t bytes); /* zeroed, at a multiple of 16 */
void actor_pool_give(struct pool *pool, void *memory, size_t bytes);
void actor_pool_fini(
    struct pool *pool); /* with all that was taken and is not larger than the largest */

#endif
