/* heap.h -- the memory of one Lua state, taken in large pieces.  Private to runtime/lua.
 *
 * A state makes some hundred small blocks when it begins and gives all of them back when it ends:
 * going to the C library for each is half of what a run's start and end cost.  Blocks are cut from
 * a few chunks; freed ones wait in a list of their size.  What does not fit (a large state, a large
 * block) comes from the C library, so the cap on a state's memory bounds this heap as well.
 *
 * Thread: that of the state.  Sizes are bytes.
 */
#ifndef REEVE_RUNTIME_LUA_HEAP_H
#define REEVE_RUNTIME_LUA_HEAP_H

#include <stdbool.h>
#include <stddef.h>

enum {
    HEAP_CHUNK_BYTES = 16 << 10,
    HEAP_CHUNKS_MAX = 8,   /* a state that has more is large: the C library serves it well */
    HEAP_BLOCK_MAX = 8192, /* larger blocks come from the C library */
    HEAP_GRAIN = 16,       /* sizes are rounded up to it, and blocks stand at multiples of it */
    HEAP_LISTED_MAX = 512, /* blocks up to here are used again; larger ones only with the chunk */
    HEAP_LISTS = HEAP_LISTED_MAX / HEAP_GRAIN
};

struct heap_free {
    struct heap_free *next;
};

struct heap {
    char *chunks[HEAP_CHUNKS_MAX];
    int chunk_count;
    size_t used; /* of the newest chunk */
    struct heap_free *lists[HEAP_LISTS];
    int outside; /* blocks that the C library gave and has not got back */
};

/* As realloc and free, but the old size must be told: 0 without a block.  `new_size` > 0. */
void *heap_resize(struct heap *heap, void *block, size_t old_size, size_t new_size);
void heap_free(struct heap *heap, void *block, size_t size);
/* True when heap_drop would give back everything: nothing is outside. */
bool heap_is_whole(const struct heap *heap);
/* Gives back the chunks, with all blocks in them. */
void heap_drop(struct heap *heap);

#endif
