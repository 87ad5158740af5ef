/* heap.h -- memory that dies with its owner.
 *
 * A node that is killed gives nothing back by itself, and a simulation kills thousands.  So every
 * allocation of the process belongs to a heap: the one of the node that runs at that moment, or the
 * one of the world.  A kill frees the node's heap at once, as the end of a process does; a node
 * that was closed in order must have left its heap empty, or it leaks.
 *
 * heap.c stands in for runtime/base/check.c.  One thread.
 */
#ifndef REEVE_TESTS_SIM_WHOLE_HEAP_H
#define REEVE_TESTS_SIM_WHOLE_HEAP_H

#include <stddef.h>

struct heap_block;

struct heap {
    struct heap_block *first;
    size_t blocks;
};

/* From now on allocations belong to `heap` (NULL: to nobody, for ever); gives the one before. */
struct heap *heap_enter(struct heap *heap);
void heap_leave(struct heap *before);
/* Frees whatever is left. */
void heap_wipe(struct heap *heap);
/* jansson allocates here too; once, before anything else. */
void heap_begin(void);

#endif
