/* openai_function_test.c -- an answer under tools is the same however it comes in pieces. */
#include "runtime/http/openai_function.h"
#include "tests/support/test.h"

#include <string.h>

/* In pieces of `first` bytes, then of `size`. */
static enum rv_openai_form take(const char *answer, size_t first, size_t size, char *name,
                                struct rv_buf *out)
{
    struct rv_openai_function function;
    size_t length = strlen(answer);
    rv_openai_function_init(&function);
    rv_buf_reset(out);
    for (size_t at = 0, next = first; at < length; at += next, next = size) {
        next = next < length - at ? next : length - at;
        rv_openai_function_take(&function, answer + at, next, out);
    }
    strcpy(name, function.name);
    enum rv_openai_form form = function.form;
    rv_openai_function_fini(&function);
    return form;
}

static const struct {
    const char *answer;
    enum rv_openai_form form;
    const char *name, *told;
} answers[] = {
    {"{\"name\":\"f\",\"arguments\":{}}", RV_OPENAI_FUNCTION, "f", "{}"},
    {"{\"name\":\"get-it_2\",\"arguments\":{\"a\":{\"b\":\"}}\"},\"c\":[1,{}]}}",
     RV_OPENAI_FUNCTION, "get-it_2", "{\"a\":{\"b\":\"}}\"},\"c\":[1,{}]}"},
    {"{\"name\":\"content\",\"arguments\":{\"content\":\"x\"}}", RV_OPENAI_FUNCTION, "content",
     "{\"content\":\"x\"}"},
    {"{\"content\":\"\"}", RV_OPENAI_CONTENT, "", ""},
    {"{\"content\":\"say \\\"{\\\"name\\\":\\\"\\\\ \\n\\u00e9\\ud83d\\uDE00 ok\\\\\"}",
     RV_OPENAI_CONTENT, "", "say \"{\"name\":\"\\ \n\xc3\xa9\xf0\x9f\x98\x80 ok\\"},
    {"{\"content\":\"\\ud7ff\\ue000\\\\u0041\"}", RV_OPENAI_CONTENT, "",
     "\xed\x9f\xbf\xee\x80\x80\\u0041"},
};

TEST(an_answer_is_read_alike_in_any_pieces)
{
    char name[RV_OPENAI_FUNCTION_NAME_MAX + 1];
    struct rv_buf out;
    rv_buf_init(&out, 4096);
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        size_t length = strlen(answers[i].answer);
        for (size_t first = 1; first <= length; first++) {
            for (size_t size = 1; size <= length; size++) {
                ck_assert_int_eq(take(answers[i].answer, first, size, name, &out), answers[i].form);
                ck_assert_str_eq(name, answers[i].name);
                ck_assert_uint_eq(out.length, strlen(answers[i].told));
                ck_assert_str_eq(out.data, answers[i].told);
            }
        }
    }
    rv_buf_fini(&out);
}

TEST(what_can_be_told_is_told_at_once)
{
    struct rv_openai_function function;
    struct rv_buf out;
    rv_buf_init(&out, 4096);
    rv_openai_function_init(&function);
    rv_openai_function_take(&function, "{\"content\":\"good mor", 20, &out);
    ck_assert_str_eq(out.data, "good mor");
    rv_openai_function_take(&function, "ning\\u00", 8, &out);
    ck_assert_str_eq(out.data, "good morning");
    rv_openai_function_fini(&function);
    rv_buf_reset(&out);
    rv_openai_function_init(&function);
    rv_openai_function_take(&function, "{\"name\":\"f\",\"argum", 18, &out);
    ck_assert_int_eq(function.form, RV_OPENAI_UNDECIDED);
    rv_openai_function_take(&function, "ents\":{\"a\":[1,2", 15, &out);
    ck_assert_int_eq(function.form, RV_OPENAI_FUNCTION);
    ck_assert_str_eq(out.data, "{\"a\":[1,2");
    rv_openai_function_fini(&function);
    rv_buf_fini(&out);
}

TEST_MAIN()
