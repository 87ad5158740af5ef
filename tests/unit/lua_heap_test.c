/* lua_heap_test.c -- the memory of a Lua state: blocks keep what was put into them, come back, and
 * a small state needs nothing but its chunks. */
#include "runtime/base/check.h"
#include "runtime/base/random.h"
#include "runtime/lua/heap.h"
#include "tests/support/test.h"

enum { BLOCKS = 200, TURNS = 20000 };

struct block {
    unsigned char *bytes;
    size_t size;
    unsigned char mark;
};

static void check_block(const struct block *block, size_t size)
{
    size_t i = 0;
    while (i < size && block->bytes[i] == block->mark) {
        i++;
    }
    ck_assert_uint_eq(i, size);
}

static void turn(struct heap *heap, struct block *block, struct rv_random *chance, size_t most)
{
    if (block->bytes != NULL && rv_random_below(chance, 3) == 0) {
        check_block(block, block->size);
        heap_free(heap, block->bytes, block->size);
        *block = (struct block){.bytes = NULL};
        return;
    }
    size_t size = 1 + (size_t)rv_random_below(chance, most);
    block->bytes = heap_resize(heap, block->bytes, block->size, size);
    ck_assert_uint_eq((uintptr_t)block->bytes % HEAP_GRAIN, 0);
    check_block(block, size < block->size ? size : block->size);
    block->size = size;
    block->mark = (unsigned char)rv_random_below(chance, 256);
    memset(block->bytes, block->mark, size);
}

/* Sizes up to `most`; true when everything stayed in the chunks. */
static bool go(size_t most)
{
    struct heap heap = {.chunk_count = 0};
    struct block blocks[BLOCKS] = {{.bytes = NULL}};
    struct rv_random chance = {most};
    for (int i = 0; i < TURNS; i++) {
        turn(&heap, &blocks[rv_random_below(&chance, BLOCKS)], &chance, most);
    }
    bool whole = heap_is_whole(&heap);
    for (int i = 0; i < BLOCKS; i++) {
        heap_free(&heap, blocks[i].bytes, blocks[i].size);
    }
    ck_assert(heap_is_whole(&heap));
    heap_drop(&heap);
    return whole;
}

TEST(blocks_keep_what_they_hold_and_small_ones_stay_inside)
{
    ck_assert(go(64));
    ck_assert(go(300));
}

TEST(what_does_not_fit_comes_from_outside_and_goes_back)
{
    ck_assert(!go(HEAP_LISTED_MAX * 2));
    ck_assert(!go(HEAP_BLOCK_MAX * 2));
}

TEST(chunks_are_given_back_with_the_blocks_in_them)
{
    struct heap heap = {.chunk_count = 0};
    for (int i = 0; i < 100; i++) {
        ck_assert_ptr_nonnull(heap_resize(&heap, NULL, 0, 100));
    }
    ck_assert(heap_is_whole(&heap));
    heap_drop(&heap); /* a leak is found by the sanitizer */
    ck_assert_int_eq(heap.chunk_count, 0);
}

TEST_MAIN()
