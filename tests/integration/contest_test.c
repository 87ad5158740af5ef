/* contest_test.c -- many runs want few business keys: each gets its own once, no two at a time. */
#include "tests/support/contest.h"
#include "runtime/base/check.h"
#include "tests/support/postgres.h"
#include "tests/support/test.h"

TEST(no_update_is_lost_and_no_key_has_two_holders)
{
    struct contest_wish wish = {.runs = 2000, .keys = 20, .at_once = 100, .alone = 20, .seed = 7};
    struct contest_result got;
    contest_run(&wish, &got);
    printf("contest: %d runs over %d keys, refused %lld times, %.1f s\n", wish.runs, wish.keys,
           (long long)got.refused, got.seconds);
    ck_assert_int_eq(got.won, wish.runs);
    ck_assert_int_gt(got.refused, wish.runs / 10); /* it was a contest */
    ck_assert_int_eq(got.counted, wish.runs);
    ck_assert_int_eq(got.wrong_keys, 0);
    ck_assert_int_eq(got.second, 0);
    ck_assert_int_eq(got.overlapping, 0);
    ck_assert_int_eq(got.nameless, 0);
    ck_assert_int_eq(got.left_open, 0);
    ck_assert_int_eq(got.deadlocks, 0);
    rv_free(got.answer_us);
    rv_free(got.alone_us);
}

TEST_MAIN_WITH(test_postgres_start(TEST_PG_FAST))
