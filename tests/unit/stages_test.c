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
                               .depth_limit = -1};
    struct rv_error err = {.code = RV_OK};
    ck_assert_int_eq(rv_budget_check(&budget, 1, 5, 100, 0, NULL, 0, NULL), RV_OK);
    ck_assert_int_eq(rv_budget_check(&budget, 2, 0, 0, 0, NULL, 0, &err), RV_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.message, "steps"));
    ck_assert_int_eq(rv_budget_check(&budget, 0, 0, INT64_MAX, 0, NULL, 0, NULL), RV_LIMIT);
    budget.wall_deadline_us = 5;
    ck_assert_int_eq(rv_budget_check(&budget, 0, 0, 0, 0, NULL, 6, NULL), RV_LIMIT);
}

TEST(points_of_risk_are_refused_before_they_are_passed)
{
    struct rv_budget budget = {.steps_limit = -1,
                               .calls_limit = -1,
                               .tokens_limit = -1,
                               .risk_limit = 25,
                               .risk_used = 20,
                               .depth_limit = -1};
    struct rv_error err = {.code = RV_OK};
    ck_assert_int_eq(rv_budget_check(&budget, 0, 0, 0, 5, NULL, 0, NULL), RV_OK);
    ck_assert_int_eq(rv_budget_check(&budget, 0, 0, 0, 6, NULL, 0, &err), RV_LIMIT);
    ck_assert_str_eq(err.message, "budget \"risk\" is exhausted: 20 used, 6 asked, limit 25");
    ck_assert_ptr_nonnull(strstr(err.hint, "limits.risk"));
    budget.risk_limit = 0; /* none of it: what is no risk goes on */
    budget.risk_used = 0;
    ck_assert_int_eq(rv_budget_check(&budget, 0, 0, 0, 0, NULL, 0, NULL), RV_OK);
    ck_assert_int_eq(rv_budget_check(&budget, 0, 0, 0, 1, NULL, 0, NULL), RV_LIMIT);
    budget.risk_limit = -1;
    ck_assert_int_eq(rv_budget_check(&budget, 0, 0, 0, ERP_RISK_MAX, NULL, 0, NULL), RV_OK);
}

static enum rv_code asks(const struct rv_budget *budget, const char *currency, int64_t minor,
                         bool home, struct rv_error *err)
{
    struct rv_money money = {.minor = minor, .home = home};
    snprintf(money.currency, sizeof money.currency, "%s", currency);
    return rv_budget_check(budget, 0, 0, 0, 0, &money, 0, err);
}

TEST(money_is_counted_by_currency_and_never_converted)
{
    struct rv_budget budget = {.steps_limit = -1,
                               .calls_limit = -1,
                               .tokens_limit = -1,
                               .depth_limit = -1,
                               .money = {{"EUR", 500, 0}, {"JPY", 100000, 0}},
                               .money_count = 2};
    struct rv_error err = {.code = RV_OK};
    ck_assert_int_eq(asks(&budget, "EUR", 500, true, NULL), RV_OK);
    ck_assert_int_eq(asks(&budget, "EUR", 501, true, NULL), RV_LIMIT);
    ck_assert_int_eq(asks(&budget, "JPY", 100000, false, NULL), RV_OK);
    ck_assert_int_eq(asks(&budget, "USD", 1, false, &err), RV_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.message, "no limit for USD"));
    ck_assert_int_eq(asks(&budget, "", 1, false, NULL), RV_LIMIT);
    ck_assert_int_eq(asks(&budget, "USD", 0, false, NULL), RV_OK);
    rv_budget_spend(&budget, &(struct rv_money){"JPY", 99999, false});
    ck_assert_int_eq(asks(&budget, "EUR", 500, true, NULL), RV_OK); /* yen spend no euros */
    ck_assert_int_eq(asks(&budget, "JPY", 2, false, NULL), RV_LIMIT);
    rv_budget_spend(&budget, &(struct rv_money){"JPY", INT64_MAX, false});
    ck_assert_int_eq(asks(&budget, "JPY", 1, false, NULL), RV_LIMIT);
}

TEST(money_minor_is_the_currency_of_the_company)
{
    struct rv_budget budget = {.steps_limit = -1,
                               .calls_limit = -1,
                               .tokens_limit = -1,
                               .depth_limit = -1,
                               .money = {{"", 500, 0}},
                               .money_count = 1};
    ck_assert_int_eq(asks(&budget, "SEK", 500, true, NULL), RV_OK);
    ck_assert_int_eq(asks(&budget, "EUR", 1, false, NULL), RV_LIMIT);
    budget.money_count = 0;
    ck_assert_int_eq(asks(&budget, "EUR", INT64_MAX, false, NULL), RV_OK);
}

TEST_MAIN()
