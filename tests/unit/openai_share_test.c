/* openai_share_test.c -- what is kept back of a company's share: each prompt once, n answers to it.
 */
#include "runtime/http/openai_share.h"
#include "tests/support/test.h"

static int64_t most(enum rv_openai_kind kind, const char *body, int64_t room)
{
    struct rv_openai_ask ask;
    struct rv_openai_fault fault;
    json_t *value = json_loads(body, 0, NULL);
    ck_assert(value != NULL);
    ck_assert_msg(rv_openai_read(kind, value, &ask, &fault), "%s", fault.message);
    int64_t tokens = rv_openai_most(&ask, room);
    rv_openai_ask_fini(&ask);
    json_decref(value);
    return tokens;
}

/* 16 tokens stand around a text. */
TEST(a_prompt_is_kept_back_once_and_each_of_its_answers)
{
    static const char chat[] = "{\"model\":\"m\",\"max_tokens\":10,\"n\":%d,"
                               "\"messages\":[{\"role\":\"user\",\"content\":\"abcd\"}]}";
    for (int n = 1; n <= 16; n++) {
        char body[256];
        snprintf(body, sizeof body, chat, n);
        ck_assert_int_eq(most(RV_OPENAI_CHAT, body, 1000), 4 + 16 + n * 10);
        ck_assert_int_eq(most(RV_OPENAI_CHAT, body, 25), 15 + n * 10); /* no room for more */
        ck_assert_int_eq(most(RV_OPENAI_CHAT, body, 8), n * 8);
    }
    ck_assert_int_eq(
        most(RV_OPENAI_COMPLETION,
             "{\"model\":\"m\",\"max_tokens\":10,\"n\":3,\"prompt\":[\"abcd\",\"ab\"]}", 1000),
        (4 + 16 + 30) + (2 + 16 + 30));
    ck_assert_int_eq(
        most(RV_OPENAI_EMBEDDING, "{\"model\":\"m\",\"input\":[\"abcd\",\"ab\"]}", 1000),
        (4 + 16) + (2 + 16));
}

TEST_MAIN()
