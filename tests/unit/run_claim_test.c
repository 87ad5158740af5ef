/* run_claim_test.c -- who gets a business key that two want. */
#include "runtime/run/claim.h"
#include "tests/support/test.h"

static const char *why;

/* `claims` of the agent that wants it; the holder's look. */
static enum rv_claim_way decide(const char *claims, int priority, const char *look)
{
    json_t *manifest = json_pack("{s:s*}", "claims", claims);
    json_t *state = look != NULL ? json_loads(look, 0, NULL) : NULL;
    enum rv_claim_way way = rv_claim_decide("mine", manifest, priority, state, &why);
    json_decref(state);
    json_decref(manifest);
    return way;
}

TEST(a_free_key_is_everybodys)
{
    ck_assert_int_eq(decide(NULL, 0, NULL), RV_CLAIM_BEGIN);
    ck_assert_int_eq(decide("merge", 0, NULL), RV_CLAIM_BEGIN);
    ck_assert_int_eq(decide("priority", 0, NULL), RV_CLAIM_BEGIN);
}

TEST(the_first_keeps_it)
{
    ck_assert_int_eq(decide(NULL, 100, "{\"agent\":\"mine\",\"priority\":0}"), RV_CLAIM_REFUSE);
    ck_assert_int_eq(decide("first", 100, "{\"agent\":\"mine\",\"priority\":0}"), RV_CLAIM_REFUSE);
    ck_assert_ptr_null(why);
}

TEST(what_is_merged_goes_to_a_run_of_the_same_agent_that_still_listens)
{
    ck_assert_int_eq(decide("merge", 0, "{\"agent\":\"mine\",\"stopping\":false}"), RV_CLAIM_MERGE);
    ck_assert_int_eq(decide("merge", 0, "{\"agent\":\"other\",\"stopping\":false}"),
                     RV_CLAIM_REFUSE);
    ck_assert_str_eq(why, "an agent merges only into its own runs");
    ck_assert_int_eq(decide("merge", 0, "{\"agent\":\"mine\",\"stopping\":true}"), RV_CLAIM_REFUSE);
    ck_assert_str_eq(why, "it is stopping and takes nothing more");
}

TEST(only_a_higher_priority_waits_for_it)
{
    static const char held[] = "{\"agent\":\"other\",\"priority\":5,\"next\":null}";
    static const char wanted[] = "{\"agent\":\"other\",\"priority\":5,\"next\":7}";
    ck_assert_int_eq(decide("priority", 5, held), RV_CLAIM_REFUSE);
    ck_assert_str_eq(why, "its priority is as high or higher");
    ck_assert_int_eq(decide("priority", 6, held), RV_CLAIM_OUTRANK);
    ck_assert_int_eq(decide("priority", 7, wanted), RV_CLAIM_REFUSE);
    ck_assert_str_eq(why, "one of as high a priority or higher waits for it");
    ck_assert_int_eq(decide("priority", 8, wanted), RV_CLAIM_OUTRANK);
    ck_assert_int_eq(decide("priority", 0, "{\"agent\":\"other\",\"priority\":0}"),
                     RV_CLAIM_REFUSE);
}

TEST(people_are_asked_once_about_a_holder_that_would_go_on)
{
    ck_assert_int_eq(decide("ask", 0, NULL), RV_CLAIM_BEGIN);
    ck_assert_int_eq(decide("ask", 0, "{\"agent\":\"other\",\"next\":null,\"ending\":false}"),
                     RV_CLAIM_ASK);
    ck_assert_int_eq(decide("ask", 0, "{\"agent\":\"other\",\"next\":null,\"ending\":true}"),
                     RV_CLAIM_WAIT);
    ck_assert_int_eq(decide("ask", 9, "{\"agent\":\"other\",\"next\":0,\"ending\":true}"),
                     RV_CLAIM_REFUSE);
    ck_assert_str_eq(why, "another run waits for it already");
}

TEST(a_question_names_both_runs_and_what_each_decision_does)
{
    json_t *look = json_loads(
        "{\"run\":7,\"facts\":{\"holder\":{\"run\":\"r_7\",\"agent\":\"other\"}}}", 0, NULL);
    json_t *input = json_pack("{s:s}", "period", "2026-10");
    struct rv_gate_question question;
    rv_claim_question(look, "mine", 8, "person:clerk", "k:1", input, &question);
    ck_assert_str_eq(rv_json_str(question.args, "run", ""), "r_8");
    ck_assert_str_eq(rv_json_str(question.args, "holder", ""), "r_7");
    ck_assert_str_eq(rv_json_str(question.args, "key", ""), "k:1");
    const json_t *wants = json_object_get(question.facts, "wants");
    ck_assert_str_eq(rv_json_str(wants, "begun_by", ""), "person:clerk");
    ck_assert(json_equal(json_object_get(wants, "input"), input));
    ck_assert(strstr(rv_json_str(question.effect, "approve", ""), "r_7 of agent other is asked") !=
              NULL);
    ck_assert_str_eq(rv_json_str(question.effect, "expire", ""),
                     "r_7 keeps the key and goes on; r_8 does not begin");
    json_decref(question.args);
    json_decref(question.facts);
    json_decref(question.effect);
    json_decref(input);
    json_decref(look);
}

TEST(a_request_weighs_what_it_says_or_else_what_its_agent_says)
{
    json_t *manifest = json_pack("{s:i}", "priority", 3);
    ck_assert_int_eq(rv_claim_priority(manifest, -1), 3);
    ck_assert_int_eq(rv_claim_priority(manifest, 0), 0);
    ck_assert_int_eq(rv_claim_priority(NULL, -1), 0);
    json_decref(manifest);
}

TEST(the_holder_in_words)
{
    char text[RV_CLAIM_SAID_MAX];
    json_t *holder = json_pack("{s:s,s:s,s:s,s:s,s:s}", "run", "r_1", "agent", "a", "since", "then",
                               "status", "waiting", "waits", "approval of clerk");
    rv_claim_say(holder, text, sizeof text);
    ck_assert_str_eq(text, ": r_1 of agent a since then, which waits for approval of clerk");
    json_object_del(holder, "waits");
    rv_claim_say(holder, text, sizeof text);
    ck_assert_str_eq(text, ": r_1 of agent a since then, which is waiting");
    json_object_set_new(holder, "begun_by", json_string("person:clerk"));
    rv_claim_say(holder, text, sizeof text);
    ck_assert_str_eq(text, ": r_1 of agent a since then (begun by person:clerk), which is waiting");
    json_object_set_new(holder, "begun_by", json_string("exception"));
    rv_claim_say(holder, text, sizeof text);
    ck_assert_str_eq(text, ": r_1 of agent a since then (begun by the exception that was found), "
                           "which is waiting");
    rv_claim_say(NULL, text, sizeof text);
    ck_assert_str_eq(text, "");
    json_decref(holder);
}

TEST_MAIN()
