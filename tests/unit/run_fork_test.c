/* run_fork_test.c -- which runs may go on as others: the check alone, with facts as run_fork_look
 * gives them. */
#include "runtime/run/fork.h"
#include "tests/support/test.h"

static const char *refused(const char *facts_text, bool revive, struct rv_error *err)
{
    json_t *facts = json_loads(facts_text, 0, NULL);
    ck_assert_ptr_nonnull(facts);
    const struct rv_run_fork fork = {.run = 7, .revive = revive};
    *err = (struct rv_error){.code = RV_OK};
    enum rv_code code = rv_fork_check(facts, &fork, err);
    json_decref(facts);
    return code == RV_OK ? "" : err->message;
}

TEST(what_failed_goes_on_once)
{
    struct rv_error err;
    const char *free = "{\"status\":\"failed\",\"revived\":null,\"later\":null}";
    const char *revived = "{\"status\":\"failed\",\"revived\":\"r_8\",\"later\":\"r_8\"}";
    const char *later = "{\"status\":\"failed\",\"later\":\"r_9\"}";
    ck_assert_str_eq(refused(free, true, &err), "");
    ck_assert_str_eq(refused(revived, true, &err), "r_8 goes on for r_7 already");
    ck_assert_int_eq(err.code, RV_CONFLICT);
    ck_assert_str_eq(refused(later, true, &err), "r_9 has taken the business of r_7 since");
    ck_assert_int_eq(err.code, RV_CONFLICT);
}

/* A payment stays when the entry after it is refused and the one before it was taken back. */
TEST(what_stands_is_not_done_again)
{
    struct rv_error err;
    const char *stands = "{\"status\":\"failed\",\"steps\":5,\"action\":2,\"taken_back\":true,"
                         "\"standing\":1}";
    ck_assert_str_eq(
        refused(stands, true, &err),
        "1 effect of r_7 after step 0 stands: a run that goes on from there would do the "
        "same again");
    ck_assert_int_eq(err.code, RV_CONFLICT);
    ck_assert_str_eq(refused(stands, false, &err), "");
}

TEST(a_fork_on_purpose_may_be_made_again)
{
    struct rv_error err;
    ck_assert_str_eq(refused("{\"status\":\"failed\",\"later\":\"r_9\"}", false, &err), "");
    ck_assert_str_eq(refused("{\"status\":\"planning\"}", false, &err),
                     "run r_7 is not over: planning");
}

TEST_MAIN()
