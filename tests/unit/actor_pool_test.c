/* actor_pool_test.c -- the memory of a core's actors: clean, apart from each other, used again. */
#include "runtime/actor/pool.h"
#include "runtime/base/random.h"
#include "tests/support/test.h"

#include <stdint.h>
#include <string.h>

enum { PIECES = 3000, ROUNDS = 20000 };

struct piece {
    unsigned char *memory;
    size_t bytes;
    unsigned char mark;
};

/* Whole, and not somebody else's. */
static void check(const struct piece *piece)
{
    size_t wrong = 0;
    for (size_t i = 0; i < piece->bytes; i++) {
        wrong += piece->memory[i] != piece->mark;
    }
    ck_assert_uint_eq(wrong, 0);
}

TEST(pieces_are_clean_apart_and_used_again)
{
    static struct piece pieces[PIECES];
    struct pool pool = {.rest = NULL};
    struct rv_random random = {.state = 7};
    for (int i = 0; i < ROUNDS; i++) {
        struct piece *piece = &pieces[rv_random_below(&random, PIECES)];
        if (piece->memory != NULL) {
            check(piece);
            actor_pool_give(&pool, piece->memory, piece->bytes);
        }
        piece->bytes = (size_t)rv_random_below(&random, POOL_LARGEST + POOL_LARGEST / 4);
        piece->memory = actor_pool_take(&pool, piece->bytes);
        piece->mark = 0;
        ck_assert_uint_eq((uintptr_t)piece->memory % 16, 0);
        check(piece);
        piece->mark = (unsigned char)i;
        memset(piece->memory, piece->mark, piece->bytes);
    }
    for (int i = 0; i < PIECES; i++) {
        if (pieces[i].memory != NULL) {
            check(&pieces[i]);
            actor_pool_give(&pool, pieces[i].memory, pieces[i].bytes);
        }
    }
    actor_pool_fini(&pool);
}

TEST_MAIN()
