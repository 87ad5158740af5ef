/* run_trace_test.c -- the trace of a run: read from a traceparent, or made from its number. */
#include "runtime/run/run_trace.h"

#include "runtime/base/check.h"
#include "tests/support/test.h"

#include <string.h>

TEST(a_traceparent_is_read_as_the_standard_says)
{
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true},
        {"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true},
        {"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-the-future-brings", true},
        {"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.what", false},
        {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", false},
        {"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false},
        {"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false},
        {"00-00000000000000000000000000000000-b7ad6b7169203331-01", false},
        {"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false},
        {"00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01x", false},
        {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", false},
        {"00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false},
        {"", false},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        struct rv_trace trace = {0, 0};
        char text[RV_TRACE_TEXT];
        ck_assert_msg(rv_trace_from_parent(cases[i].text, &trace) == cases[i].good, "%s",
                      cases[i].text);
        if (cases[i].good) {
            rv_trace_text(trace, text);
            ck_assert_str_eq(text, "0af7651916cd43dd8448eb211c80319c");
            char caller[RV_TRACE_CALLER];
            rv_trace_caller(cases[i].text, caller);
            ck_assert_str_eq(caller, "b7ad6b7169203331");
        }
    }
}

TEST(a_run_has_the_trace_of_its_input_or_one_of_its_number)
{
    char text[RV_TRACE_TEXT];
    json_t *input = json_pack("{s:s}", "trace", "0af7651916cd43dd8448eb211c80319c");
    rv_trace_text(rv_run_trace(1, 42, input), text);
    ck_assert_str_eq(text, "0af7651916cd43dd8448eb211c80319c");
    json_object_set_new(input, "trace", json_string("no trace"));
    rv_trace_text(rv_run_trace(1, 42, input), text);
    /* printf 'reeve run 1 42' | sha256sum | cut -c1-32 */
    ck_assert_str_eq(text, "731b214b411175a26c510c8a2b7ec19c");
    struct rv_trace other = rv_run_trace(2, 42, NULL);
    ck_assert(rv_trace_is(other));
    ck_assert_uint_ne(other.high, rv_run_trace(1, 42, NULL).high);
    json_decref(input);
}

TEST_MAIN()
