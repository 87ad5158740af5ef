/* effect_rules_test.c -- nothing is attempted of which nobody knows whether it happened: the pure
 * rules of runtime/effect, over every state, verdict and rule; and what answers mean. */
#include "runtime/base/check.h"
#include "runtime/effect/connector.h"
#include "runtime/effect/effect_private.h"
#include "tests/support/test.h"

static const enum effect_rule rules[] = {EFFECT_ASK_PERSON, EFFECT_REPEAT, EFFECT_STATUS,
                                         EFFECT_LOOK};

static struct effect_intent intent_of(enum effect_state state, enum effect_rule rule, int attempt)
{
    return (struct effect_intent){.state = state,
                                  .rule = rule,
                                  .attempt = attempt,
                                  .has_connector = true,
                                  .now_us = 1000,
                                  .settings =
                                      json_pack("{s:i,s:i}", "attempts", 3, "backoff_ms", 100)};
}

TEST(an_attempt_without_an_outcome_is_never_repeated_blindly)
{
    for (size_t i = 0; i < RV_COUNT(rules); i++) {
        for (int attempt = 1; attempt <= 3; attempt++) {
            static const enum effect_state open[] = {EFFECT_ATTEMPTING, EFFECT_UNCLEAR};
            for (size_t k = 0; k < RV_COUNT(open); k++) {
                struct effect_intent intent = intent_of(open[k], rules[i], attempt);
                enum effect_next next = effect_next(&intent, false);
                if (next == NEXT_ATTEMPT) {
                    ck_assert_int_eq(rules[i], EFFECT_REPEAT);
                    ck_assert_int_lt(attempt, 3);
                } else {
                    ck_assert(next == NEXT_LOOK || next == NEXT_PERSON);
                }
                ck_assert_int_ne(effect_next(&intent, true), NEXT_WITHDRAW); /* it may be done */
                intent.until_us = 2000; /* the attempt may be on its way */
                ck_assert_int_eq(effect_next(&intent, false), NEXT_WAIT);
                intent.until_us = 0;
                intent.has_connector = false;
                ck_assert_int_eq(effect_next(&intent, false), NEXT_PERSON);
                json_decref(intent.settings);
            }
        }
    }
}

TEST(what_was_not_sent_can_be_withdrawn_and_what_is_over_stays)
{
    struct effect_intent intent = intent_of(EFFECT_INTENDED, EFFECT_STATUS, 0);
    ck_assert_int_eq(effect_next(&intent, false), NEXT_ATTEMPT);
    ck_assert_int_eq(effect_next(&intent, true), NEXT_WITHDRAW);
    intent.state = EFFECT_RETRY;
    intent.until_us = 2000;
    ck_assert_int_eq(effect_next(&intent, false), NEXT_WAIT);
    ck_assert_int_eq(effect_next(&intent, true), NEXT_WITHDRAW);
    intent.until_us = 0;
    intent.has_connector = false;
    ck_assert_int_eq(effect_next(&intent, false), NEXT_REFUSE);
    intent.state = EFFECT_DONE;
    ck_assert_int_eq(effect_next(&intent, true), NEXT_GIVE);
    intent.state = EFFECT_FAILED;
    ck_assert_int_eq(effect_next(&intent, false), NEXT_GIVE);
    intent.state = EFFECT_PERSON;
    ck_assert_int_eq(effect_next(&intent, true), NEXT_WAIT);
    json_decref(intent.settings);
}

TEST(each_verdict_leads_where_it_must)
{
    for (size_t i = 0; i < RV_COUNT(rules); i++) {
        for (int attempt = 1; attempt <= 3; attempt++) {
            struct effect_intent intent = intent_of(EFFECT_ATTEMPTING, rules[i], attempt);
            struct effect_result result = {.verdict = EFFECT_HAPPENED};
            ck_assert_int_eq(effect_after_attempt(&intent, &result).state, EFFECT_DONE);
            ck_assert_int_eq(effect_after_look(&intent, &result).state, EFFECT_DONE);
            result.verdict = EFFECT_REFUSED;
            ck_assert_int_eq(effect_after_attempt(&intent, &result).state, EFFECT_FAILED);
            result.verdict = EFFECT_NOT_YET;
            struct effect_move move = effect_after_attempt(&intent, &result);
            ck_assert_int_eq(move.state, attempt < 3 ? EFFECT_RETRY : EFFECT_FAILED);
            if (attempt < 3) {
                ck_assert_int_eq(move.wait_ms, attempt == 1 ? 100 : 200);
            }
            result.wait_ms = 5000; /* the receiver asked for more time */
            ck_assert_int_eq(effect_after_attempt(&intent, &result).wait_ms,
                             attempt < 3 ? 5000 : 0);
            result.verdict = EFFECT_UNKNOWN;
            move = effect_after_attempt(&intent, &result);
            bool person =
                rules[i] == EFFECT_ASK_PERSON || (rules[i] == EFFECT_REPEAT && attempt == 3);
            ck_assert_int_eq(move.state, person ? EFFECT_PERSON : EFFECT_UNCLEAR);
            intent.looks = RV_EFFECT_LOOKS_MAX - 2;
            ck_assert_int_eq(effect_after_look(&intent, &result).state, EFFECT_UNCLEAR);
            intent.looks = RV_EFFECT_LOOKS_MAX - 1;
            ck_assert_int_eq(effect_after_look(&intent, &result).state, EFFECT_PERSON);
            json_decref(intent.settings);
        }
    }
}

/* What a repeat was answered is nothing about the attempt before it, unless it is that it is done.
 */
TEST(a_repeat_that_was_not_taken_leaves_the_attempt_before_it_unclear)
{
    for (int attempt = 2; attempt <= 3; attempt++) {
        struct effect_intent intent = intent_of(EFFECT_ATTEMPTING, EFFECT_REPEAT, attempt);
        intent.doubt = true;
        struct effect_result result = {.verdict = EFFECT_HAPPENED};
        ck_assert_int_eq(effect_after_attempt(&intent, &result).state, EFFECT_DONE);
        result.verdict = EFFECT_REFUSED;
        ck_assert_int_eq(effect_after_attempt(&intent, &result).state, EFFECT_PERSON);
        result.verdict = EFFECT_NOT_YET;
        struct effect_move move = effect_after_attempt(&intent, &result);
        ck_assert_int_eq(move.state, attempt < 3 ? EFFECT_UNCLEAR : EFFECT_PERSON);
        ck_assert_int_eq(move.wait_ms, attempt < 3 ? 200 : 0);
        result.verdict = EFFECT_UNKNOWN;
        move = effect_after_attempt(&intent, &result);
        ck_assert_int_eq(move.state, attempt < 3 ? EFFECT_UNCLEAR : EFFECT_PERSON);
        json_decref(intent.settings);
    }
}

static enum effect_verdict http(int status, bool sent, bool look)
{
    struct rv_post_result post = {.status = status, .sent = sent, .type = "", .body = ""};
    struct effect_result result;
    snprintf(post.error, sizeof post.error, "%s", status == 0 ? "broken" : "");
    (look ? effect_http_judge_look : effect_http_judge)(&post, &result);
    json_decref(result.answer);
    return result.verdict;
}

/* The answer to an attempt, as JSON; caller frees. */
static char *answered(const char *type, const char *body, size_t length)
{
    struct rv_post_result post = {
        .status = 200, .sent = true, .type = type, .body = body, .length = length};
    struct effect_result result;
    effect_http_judge(&post, &result);
    ck_assert_ptr_nonnull(result.answer);
    char *text = rv_json_text(result.answer);
    json_decref(result.answer);
    return text;
}

/* Nothing in it may be what the journal, the record or the plan cannot hold. */
TEST(an_answer_is_taken_in_as_the_plan_will_see_it)
{
    static const struct {
        const char *type, *body;
        size_t length;
        const char *holds;
    } cases[] = {
        {"application/json", "{\"rate\":1.5}", 12, "\"body\":{\"rate\":\"1.5\"}"},
        {"application/json", "[1.25,[0.5,3]]", 14, "\"body\":[\"1.25\",[\"0.5\",3]]"},
        {"application/json; charset=utf-8", "2.5", 3, "\"body\":\"2.5\""},
        {"application/json", "{\"a\":\"m\xFCller\"}", 14, "\"bytes\":14"},
        {"application/json", "{\"a\":\"x\\u0000y\"}", 16, "\"bytes\":16"},
        {"application/json", "1e999", 5, "\"bytes\":5"},
        {"text/plain", "1.5", 3, "\"text\":\"1.5\""},
        {"text/plain", "cut \xE2\x82", 6, "\"bytes\":6"},
        {"text/plain", "a\0b", 3, "\"bytes\":3"},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        char *text = answered(cases[i].type, cases[i].body, cases[i].length);
        ck_assert_msg(strstr(text, cases[i].holds) != NULL, "%s", text);
        ck_assert_msg(strstr(text, "\\u0000") == NULL, "%s", text);
        rv_free(text);
    }
}

TEST(why_an_attempt_failed_is_text_wherever_it_was_cut)
{
    char why[1024];
    for (int pad = 0; pad < 3; pad++) {
        struct effect_result result = {.answer = NULL};
        memset(why, 'a', (size_t)pad);
        for (size_t at = (size_t)pad; at + 3 < sizeof why; at += 3) {
            memcpy(why + at, "\xE2\x82\xAC", 4);
        }
        effect_result_set(&result, EFFECT_REFUSED, RV_INVALID, "%s", why);
        json_t *text = json_string(result.message);
        ck_assert_ptr_nonnull(text);
        json_decref(text);
    }
}

TEST(answers_mean_what_they_say)
{
    ck_assert_int_eq(http(200, true, false), EFFECT_HAPPENED);
    ck_assert_int_eq(http(204, true, false), EFFECT_HAPPENED);
    ck_assert_int_eq(http(302, true, false), EFFECT_REFUSED);
    ck_assert_int_eq(http(404, true, false), EFFECT_REFUSED);
    ck_assert_int_eq(http(409, true, false), EFFECT_REFUSED);
    ck_assert_int_eq(http(429, true, false), EFFECT_NOT_YET);
    ck_assert_int_eq(http(503, true, false), EFFECT_NOT_YET);
    ck_assert_int_eq(http(500, true, false), EFFECT_UNKNOWN);
    ck_assert_int_eq(http(502, true, false), EFFECT_UNKNOWN);
    ck_assert_int_eq(http(504, true, false), EFFECT_UNKNOWN);
    ck_assert_int_eq(http(0, false, false), EFFECT_NOT_YET); /* nobody was reached */
    ck_assert_int_eq(http(0, true, false), EFFECT_UNKNOWN);  /* somebody may have been */
    ck_assert_int_eq(http(200, true, true), EFFECT_HAPPENED);
    ck_assert_int_eq(http(404, true, true), EFFECT_NOT_YET);
    ck_assert_int_eq(http(410, true, true), EFFECT_NOT_YET);
    ck_assert_int_eq(http(401, true, true), EFFECT_UNKNOWN);
    ck_assert_int_eq(http(503, true, true), EFFECT_UNKNOWN);
    ck_assert_int_eq(http(0, false, true), EFFECT_UNKNOWN);
}

TEST(a_mail_is_plain_and_carries_its_key)
{
    char key[] = "reeve-1-r5-2";
    struct effect_intent intent = {
        .key = key,
        .args = json_pack("{s:[s,s],s:s,s:s}", "to", "a@b.example", "c@d.example", "subject",
                          "R\xc3\xbc"
                          "ckfrage zu einer Rechnung, die l\xc3\xa4nger ist",
                          "text",
                          "Gr\xc3\xbc\xc3\x9f"
                          "e"),
        .settings = json_pack("{s:s}", "from", "reeve@company.example")};
    struct rv_buf text;
    rv_buf_init(&text, 1 << 16);
    effect_mail_text(&intent, INT64_C(1700000000) * 1000000, &text);
    ck_assert_ptr_nonnull(strstr(text.data, "Message-ID: <reeve-1-r5-2@company.example>\r\n"));
    ck_assert_ptr_nonnull(strstr(text.data, "To: <a@b.example>,\r\n <c@d.example>\r\n"));
    ck_assert_ptr_nonnull(strstr(text.data, "Date: 14 Nov 2023 22:13:20 +0000\r\n"));
    ck_assert_ptr_nonnull(strstr(text.data, "Subject: =?UTF-8?B?"));
    ck_assert_ptr_nonnull(strstr(text.data, "\r\n\r\nR3LDvMOfZQ==\r\n"));
    for (const char *at = text.data; *at != '\0'; at++) {
        ck_assert_int_lt((unsigned char)*at, 0x80);
        ck_assert(*at != '\n' || at[-1] == '\r');
    }
    rv_buf_fini(&text);
    json_decref(intent.args);
    json_decref(intent.settings);
}

TEST(names_of_intents_are_read_strictly)
{
    int64_t run = 0;
    int32_t seq = 0;
    ck_assert_int_eq(rv_intent_read("r_42:7", &run, &seq, NULL), RV_OK);
    ck_assert_int_eq(run, 42);
    ck_assert_int_eq(seq, 7);
    static const char *const wrong[] = {"", "r_42", "r_42:", "42:0", "r_:7", "r_42:7x", "r_-1:2"};
    for (size_t i = 0; i < RV_COUNT(wrong); i++) {
        ck_assert_int_eq(rv_intent_read(wrong[i], &run, &seq, NULL), RV_INVALID);
    }
}

TEST_MAIN()
