/* stages_test.c -- who is missing never depends on the order of votes. */
#include "runtime/gate/stages.h"
#include "runtime/gate/gate.h"
#include "tests/support/test.h"

static bool complete(const char *stages, const char *votes, const char *also)
{
    json_t *s = json_loads(stages, 0, NULL);
    json_t *v = json_loads(votes, 0, NULL);
    bool done = rv_stages_complete(s, v, also);
    json_decref(s);
    json_decref(v);
    return done;
}

TEST(one_person_fills_one_slot_and_the_order_does_not_matter)
{
    const char *two = "[{\"role\":\"treasurer\",\"n\":1},{\"role\":\"controller\",\"n\":1}]";
    ck_assert(
        !complete(two, "[{\"person\":\"a\",\"roles\":[\"treasurer\",\"controller\"]}]", NULL));
    ck_assert(complete(two,
                       "[{\"person\":\"a\",\"roles\":[\"treasurer\",\"controller\"]},"
                       "{\"person\":\"b\",\"roles\":[\"treasurer\"]}]",
                       NULL));
    ck_assert(complete(two,
                       "[{\"person\":\"b\",\"roles\":[\"treasurer\"]},"
                       "{\"person\":\"a\",\"roles\":[\"treasurer\",\"controller\"]}]",
                       NULL));
    ck_assert(!complete(two,
                        "[{\"person\":\"b\",\"roles\":[\"treasurer\"]},"
                        "{\"person\":\"c\",\"roles\":[\"treasurer\"]}]",
                        NULL));
    ck_assert(complete(two,
                       "[{\"person\":\"b\",\"roles\":[\"treasurer\"]},"
                       "{\"person\":\"c\",\"roles\":[\"cfo\"]}]",
                       "cfo"));
    ck_assert(!complete("[]", "[{\"person\":\"b\",\"roles\":[\"treasurer\"]}]", NULL));
    ck_assert(!complete("[{\"n\":1}]", "[{\"person\":\"b\",\"roles\":[\"treasurer\"]}]", NULL));
}

TEST(a_budget_is_refused_before_it_is_passed)
{
    struct rv_budget budget = {.steps_limit = 10,
                               .steps_used = 9,
                               .calls_limit = -1,
                               .tokens_limit = 100,
                               .money_limit_minor = 500,
                               .depth_limit = -1};
    struct rv_error err = {.code = RV_OK};
    ck_assert_int_eq(rv_budget_check(&budget, 1, 5, 100, 500, 0, NULL), RV_OK);
    ck_assert_int_eq(rv_budget_check(&budget, 2, 0, 0, 0, 0, &err), RV_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.message, "steps"));
    ck_assert_int_eq(rv_budget_check(&budget, 0, 0, INT64_MAX, 0, 0, NULL), RV_LIMIT);
    ck_assert_int_eq(rv_budget_check(&budget, 0, 0, 0, 501, 0, NULL), RV_LIMIT);
    budget.wall_deadline_us = 5;
    ck_assert_int_eq(rv_budget_check(&budget, 0, 0, 0, 0, 6, NULL), RV_LIMIT);
}

TEST_MAIN()
