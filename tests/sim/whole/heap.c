/* heap.c -- see heap.h: rv_alloc and its kin over the C library, each block in its owner's list. */
#include "tests/sim/whole/heap.h"

#include "runtime/base/check.h"
#include "runtime/base/json.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct heap_block {
    struct heap_block *next;
    struct heap_block **link; /* what points here */
    struct heap *heap;
    size_t size;
    _Alignas(16) unsigned char bytes[];
};

/* All but the largest blocks are kept for the next of about their size: half a million are asked
 * for in a world. Where a sanitizer looks for memory that is used after its end, none are. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STEP_BYTES = 64, KEPT_SIZES = 0 };
#else
enum { STEP_BYTES = 64, KEPT_SIZES = 2048 }; /* up to 128 KiB: what a node begins with */
#endif

static struct heap nobody; /* what lives as long as the process */
static struct heap *current = &nobody;
static struct heap_block *kept[KEPT_SIZES + 1]; /* by size, in steps; the last stays empty */

void rv_assert_failed(const char *expression, const char *file, int line, const char *function)
{
    fprintf(stderr, "%s:%d: %s: assertion failed: %s\n", file, line, function, expression);
    fflush(NULL);
    abort();
}

struct heap *heap_enter(struct heap *heap)
{
    struct heap *before = current;
    current = heap != NULL ? heap : &nobody;
    return before;
}

void heap_leave(struct heap *before)
{
    current = before;
}

static void put_in(struct heap_block *block, struct heap *heap)
{
    block->heap = heap;
    block->next = heap->first;
    block->link = &heap->first;
    if (block->next != NULL) {
        block->next->link = &block->next;
    }
    heap->first = block;
    heap->blocks++;
}

static void take_out(struct heap_block *block)
{
    *block->link = block->next;
    if (block->next != NULL) {
        block->next->link = block->link;
    }
    block->heap->blocks--;
}

static struct heap_block *block_of(void *memory)
{
    return (struct heap_block *)(void *)((char *)memory - offsetof(struct heap_block, bytes));
}

static size_t steps_of(size_t size)
{
    return (size + STEP_BYTES - 1) / STEP_BYTES;
}

static struct heap_block *fresh(size_t size, bool zero)
{
    size_t steps = steps_of(size);
    size_t whole = sizeof(struct heap_block) + (steps < KEPT_SIZES ? steps * STEP_BYTES : size);
    struct heap_block *block =
        zero ? calloc(1, whole) : malloc(whole); /* style: the allocator of this program */
    if (block == NULL) {
        fprintf(stderr, "sim: out of memory asking for %zu bytes\n", size);
        abort();
    }
    return block;
}

static void *give(size_t size, bool zero)
{
    size_t steps = steps_of(size);
    struct heap_block *block = steps < KEPT_SIZES ? kept[steps] : NULL;
    if (block != NULL) {
        kept[steps] = block->next;
        if (zero) {
            memset(block->bytes, 0, size);
        }
    } else {
        block = fresh(size, zero);
    }
    block->size = size;
    put_in(block, current);
    return block->bytes;
}

void heap_wipe(struct heap *heap)
{
    while (heap->first != NULL) {
        rv_free(heap->first->bytes);
    }
}

static void *give_json(size_t size)
{
    return give(size, false);
}

void heap_begin(void)
{
    json_set_alloc_funcs(give_json, rv_free);
}

void *rv_alloc(size_t size_bytes)
{
    return give(size_bytes, true);
}

void *rv_alloc_array(size_t count, size_t size_bytes)
{
    RV_ASSERT(size_bytes == 0 || count <= SIZE_MAX / size_bytes);
    return give(count * size_bytes, true);
}

void *rv_realloc(void *memory, size_t size_bytes)
{
    void *moved = give(size_bytes, false);
    if (memory != NULL) {
        struct heap_block *old = block_of(memory);
        memcpy(moved, memory, old->size < size_bytes ? old->size : size_bytes);
        take_out(block_of(moved));
        put_in(block_of(moved), old->heap); /* it stays whose it was */
        rv_free(memory);
    }
    return moved;
}

char *rv_strdup(const char *text)
{
    return text == NULL ? NULL : rv_strndup(text, strlen(text));
}

char *rv_strndup(const char *text, size_t length)
{
    char *copy = give(length + 1, false);
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

void rv_free(void *memory)
{
    if (memory != NULL) {
        struct heap_block *block = block_of(memory);
        take_out(block);
        size_t steps = steps_of(block->size);
        if (steps < KEPT_SIZES) {
            block->next = kept[steps];
            kept[steps] = block;
        } else {
            free(block); /* style: the allocator of this program */
        }
    }
}
