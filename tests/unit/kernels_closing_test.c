/* kernels_closing_test.c -- an answer under a schema that meets its limit of tokens is closed: it
 * is whole, and says that it was. */
#include "kernels/kernel.h"
#include "tests/support/kernel_asker.h"
#include "tests/support/kernel_tiny.h"
#include "tests/support/test.h"

#include <jansson.h>

static struct kernel_request question(struct kernel_message *message, const char *schema,
                                      uint32_t tokens, int seed)
{
    static const char *const prompts[] = {"Hold the invoice or pay it?", "a",
                                          "{\"lines\": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]}"};
    *message = (struct kernel_message){.role = KERNEL_USER, .text = text_of(prompts[seed % 3])};
    return (struct kernel_request){.kind = KERNEL_COMPLETE,
                                   .tenant = 1,
                                   .messages = message,
                                   .message_count = 1,
                                   .schema = text_of(schema),
                                   .sampling = {.temperature = 1.5, .seed = (uint64_t)seed},
                                   .answer_max = tokens};
}

/* "stopped" is no word for what was cut off: it would have said the same with more room. */
TEST(an_answer_that_is_closed_at_its_limit_says_so)
{
    static const char text[] =
        "{\"type\":\"object\",\"properties\":{\"said\":{\"type\":\"string\"}},"
        "\"required\":[\"said\"],\"additionalProperties\":false}";
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){0});
    enum { ASKED = 16, SHORT = 48, LONG = 120 };
    int cut = 0;
    int ended = 0;
    for (int i = 0; i < ASKED; i++) {
        struct asked asked[2] = {0};
        for (int k = 0; k < 2; k++) {
            struct kernel_message message;
            struct kernel_request request = question(&message, text, k == 0 ? SHORT : LONG, i);
            ck_assert_msg(ask(engine, &request, &asked[k]), "%s", asked[k].message);
            asked_wait(&asked[k]);
        }
        if (asked[0].finish == KERNEL_STOPPED) {
            ended++;
            ck_assert_str_eq(asked[0].text, asked[1].text);
        } else {
            cut++;
            ck_assert_uint_ge(asked[0].usage.answer_tokens, SHORT / 2);
        }
        asked_free(&asked[0]);
        asked_free(&asked[1]);
    }
    ck_assert_int_gt(cut, 0);
    ck_assert_int_gt(ended, 0);
    printf("  %d ended, %d were closed\n", ended, cut);
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

/* Some ways on are longer than what is left: they are not taken. */
TEST(an_answer_does_not_begin_what_it_cannot_end)
{
    static const char *const long_ones[] = {
        "{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"string\",\"minLength\":200}]}",
        "{\"type\":\"array\",\"items\":{\"type\":\"string\",\"minLength\":1000000000}}",
        "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\",\"minItems\":1000000,"
        "\"items\":{\"type\":\"string\",\"minLength\":1000000}}},\"additionalProperties\":false}",
        "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\",\"minLength\":90}}",
    };
    enum { SCHEMAS = sizeof long_ones / sizeof long_ones[0], ASKED = 40 };
    struct kernel_model *model = tiny();
    struct kernel_engine *engine = start(model, (struct kernel_engine_options){0});
    struct asked asked[ASKED] = {0};
    for (int i = 0; i < ASKED; i++) {
        struct kernel_message message;
        struct kernel_request request =
            question(&message, long_ones[i % SCHEMAS], 40 + (uint32_t)i % 5, i);
        request.logprobs = i % 2 == 0 ? 3 : 0;
        ck_assert_msg(ask(engine, &request, &asked[i]), "%s", asked[i].message);
    }
    for (int i = 0; i < ASKED; i++) {
        asked_wait(&asked[i]);
        ck_assert_msg(!asked[i].failed, "%s", asked[i].message);
        json_t *value = json_loads(asked[i].text, JSON_DECODE_ANY, NULL);
        ck_assert_msg(value != NULL, "schema %d: not JSON: %s", i % (int)SCHEMAS, asked[i].text);
        json_decref(value);
        asked_free(&asked[i]);
    }
    kernel_engine_destroy(engine);
    kernel_model_close(model);
}

TEST_MAIN()
