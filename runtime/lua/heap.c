/* heap.c -- see heap.h. */
#include "runtime/lua/heap.h"

#include "runtime/base/check.h"

#include <stdint.h>
#include <string.h>

static size_t rounded(size_t size)
{
    return (size + HEAP_GRAIN - 1) / HEAP_GRAIN * HEAP_GRAIN;
}

static bool is_inside(const struct heap *heap, const void *block)
{
    for (int i = heap->chunk_count - 1; i >= 0; i--) {
        if ((uintptr_t)block - (uintptr_t)heap->chunks[i] < HEAP_CHUNK_BYTES) {
            return true;
        }
    }
    return false;
}

/* NULL: no room. */
static void *cut(struct heap *heap, size_t size)
{
    if (heap->chunk_count == 0 || heap->used + size > HEAP_CHUNK_BYTES) {
        if (heap->chunk_count == HEAP_CHUNKS_MAX) {
            return NULL;
        }
        heap->chunks[heap->chunk_count++] = rv_realloc(NULL, HEAP_CHUNK_BYTES);
        heap->used = 0;
    }
    void *block = heap->chunks[heap->chunk_count - 1] + heap->used;
    heap->used += size;
    return block;
}

static void *get(struct heap *heap, size_t size)
{
    size_t whole = rounded(size);
    if (whole <= HEAP_LISTED_MAX) {
        struct heap_free **list = &heap->lists[whole / HEAP_GRAIN - 1];
        struct heap_free *first = *list;
        if (first != NULL) {
            *list = first->next;
            return first;
        }
    }
    void *block = whole <= HEAP_BLOCK_MAX ? cut(heap, whole) : NULL;
    if (block == NULL) {
        heap->outside++;
        block = rv_realloc(NULL, size);
    }
    return block;
}

void heap_free(struct heap *heap, void *block, size_t size)
{
    if (block == NULL) {
        return;
    }
    if (!is_inside(heap, block)) {
        heap->outside--;
        rv_free(block);
    } else if (rounded(size) <= HEAP_LISTED_MAX) {
        struct heap_free *freed = block;
        struct heap_free **list = &heap->lists[rounded(size) / HEAP_GRAIN - 1];
        freed->next = *list;
        *list = freed;
    }
}

void *heap_resize(struct heap *heap, void *block, size_t old_size, size_t new_size)
{
    if (block == NULL) {
        return get(heap, new_size);
    }
    if (!is_inside(heap, block)) {
        return rv_realloc(block, new_size);
    }
    if (rounded(old_size) == rounded(new_size)) {
        return block;
    }
    void *moved = get(heap, new_size);
    memcpy(moved, block, old_size < new_size ? old_size : new_size);
    heap_free(heap, block, old_size);
    return moved;
}

bool heap_is_whole(const struct heap *heap)
{
    return heap->outside == 0;
}

void heap_drop(struct heap *heap)
{
    for (int i = 0; i < heap->chunk_count; i++) {
        rv_free(heap->chunks[i]);
    }
    *heap = (struct heap){.chunk_count = 0};
}
