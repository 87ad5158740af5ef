/* kernels_draft_test.c -- what is guessed, and how many. */
#include "kernels/serve/serve.h"
#include "tests/support/test.h"

#include <string.h>

static struct sequence with(int32_t *tokens, uint32_t count)
{
    struct sequence sequence = {.draft_max = DRAFT_FIRST};
    sequence.tokens.at = tokens;
    sequence.tokens.count = count;
    return sequence;
}

TEST(what_followed_last_time_is_guessed)
{
    int32_t tokens[] = {1, 2, 3, 7, 1, 2, 3, 8, 9, 10, 11, 5, 2, 3};
    struct sequence sequence = with(tokens, 14);
    int32_t out[DRAFT_MAX];
    ck_assert_uint_eq(draft_guess(&sequence, 3, out), 3);
    ck_assert_int_eq(out[0], 8); /* the newest of the two places */
    ck_assert_int_eq(out[1], 9);
    ck_assert_int_eq(out[2], 10);
}

TEST(a_longer_match_is_better_than_a_newer_one)
{
    int32_t tokens[] = {5, 1, 2, 3, 7, 0, 2, 3, 8, 5, 1, 2, 3};
    struct sequence sequence = with(tokens, 13);
    int32_t out[DRAFT_MAX];
    ck_assert_uint_eq(draft_guess(&sequence, 1, out), 1);
    ck_assert_int_eq(out[0], 7);
}

TEST(what_goes_round_goes_on_so)
{
    int32_t tokens[] = {4, 1, 2, 3, 1, 2, 3};
    struct sequence sequence = with(tokens, 7);
    int32_t out[DRAFT_MAX];
    static const int32_t round[DRAFT_MAX] = {1, 2, 3, 1, 2, 3, 1, 2};
    ck_assert_uint_eq(draft_guess(&sequence, DRAFT_MAX, out), DRAFT_MAX);
    ck_assert_int_eq(memcmp(out, round, sizeof round), 0);
}

TEST(nothing_is_guessed_after_what_was_never_there)
{
    int32_t tokens[] = {1, 2, 3, 4, 5, 6};
    struct sequence sequence = with(tokens, 6);
    int32_t out[DRAFT_MAX];
    ck_assert_uint_eq(draft_guess(&sequence, DRAFT_MAX, out), 0);
    sequence.tokens.count = 1;
    ck_assert_uint_eq(draft_guess(&sequence, DRAFT_MAX, out), 0);
}

static void step(struct sequence *sequence, uint32_t drafts, uint32_t right)
{
    sequence->drafts = drafts;
    draft_learn(sequence, right);
}

TEST(as_many_are_guessed_as_come_true)
{
    struct sequence sequence = with(NULL, 0);
    step(&sequence, 2, 2);
    ck_assert_uint_eq(sequence.draft_max, 4);
    step(&sequence, 4, 4);
    step(&sequence, 8, 8);
    ck_assert_uint_eq(sequence.draft_max, DRAFT_MAX);
    step(&sequence, 8, 1);
    ck_assert_uint_eq(sequence.draft_max, 2);
    ck_assert_uint_eq(sequence.draft_rest, 0);
    step(&sequence, 0, 0); /* a step without guesses teaches nothing */
    ck_assert_uint_eq(sequence.draft_max, 2);
    ck_assert_uint_eq(sequence.draft_rest, 0);
}

TEST(who_guesses_wrong_rests_longer_each_time)
{
    struct sequence sequence = with(NULL, 0);
    static const uint32_t rests[] = {1, 2, 4, 8, 16, 32, 32};
    for (size_t i = 0; i < sizeof rests / sizeof rests[0]; i++) {
        step(&sequence, 1, 0);
        ck_assert_uint_eq(sequence.draft_max, 1);
        ck_assert_uint_eq(sequence.draft_rest, rests[i]);
    }
    step(&sequence, 1, 1);
    step(&sequence, 2, 0);
    ck_assert_uint_eq(sequence.draft_rest, 1);
}

TEST_MAIN()
