/* run_spans_test.c -- what a run's row becomes: ids that follow from numbers, times that are kept
 * or said to be bounds, states, and no text of a step. */
#include "runtime/observe/run_spans.h"

#include "runtime/base/check.h"
#include "runtime/hooks/post.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

static json_t *row(const char *text)
{
    json_error_t error;
    json_t *run = json_loads(text, 0, &error);
    ck_assert_msg(run != NULL, "%s", error.text);
    return run;
}

static const char base[] =
    "{\"tenant\": 1, \"run\": 42, \"trace\": \"0af7651916cd43dd8448eb211c80319c\", \"agent\": "
    "\"a\","
    " \"status\": \"done\", \"over\": true, \"steps\": 7, \"attempt\": 1, \"parent\": 0,"
    " \"begin_us\": 1000, \"changed_us\": 9000,"
    " \"entries\": [[2, 2, \"llm.decide\", true, null, null, null, {\"in\": 9, \"out\": 3, \"ms\": "
    "2}],"
    "   [3, 4, \"sleep\", true, null, null, 6000],"
    "   [4, 4, \"signal.wait\", null, null, null, 99000000], [5, 5, \"signal\", true],"
    "   [6, 4, \"await.wait\"], [7, 14, \"await\", true, null, null, null, null, \"r_43\"]],"
    " \"decisions\": [[0, 900, \"run.start\", \"allow\", [\"r\"]], [2, 2000, \"llm.decide\", "
    "\"allow\", []]],"
    " \"heard\": [[5, 7000]], \"children\": [[43, 8000]],"
    " \"effects\": [{\"seq\": 7, \"key\": \"reeve-1-r42-7\", \"action\": \"http.request\","
    "   \"connector\": \"plain\", \"state\": \"done\", \"attempt\": 1, \"begin_us\": 8100,"
    "   \"end_us\": 8200, \"log\": [[8150, \"attempting\"]]}]}";

static const json_t *named(const json_t *spans, const char *name)
{
    for (size_t i = 0; i < json_array_size(spans); i++) {
        if (strcmp(rv_json_str(json_array_get(spans, i), "name", ""), name) == 0) {
            return json_array_get(spans, i);
        }
    }
    ck_abort_msg("no span \"%s\"", name);
    return NULL;
}

/* "": it has no such attribute. */
static const char *attribute(const json_t *span, const char *key)
{
    const json_t *list = json_object_get(span, "attributes");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        if (strcmp(rv_json_str(one, "key", ""), key) == 0) {
            const json_t *value = json_object_get(one, "value");
            return rv_json_bool(value, "boolValue", false)
                       ? "true"
                       : rv_json_str(value, "stringValue", rv_json_str(value, "intValue", "?"));
        }
    }
    return "";
}

static void is_from_to(const json_t *spans, const char *name, const char *from, const char *to,
                       const char *bounds)
{
    const json_t *span = named(spans, name);
    ck_assert_str_eq(rv_json_str(span, "startTimeUnixNano", ""), from);
    ck_assert_str_eq(rv_json_str(span, "endTimeUnixNano", ""), to);
    ck_assert_str_eq(attribute(span, "reeve.bounds"), bounds);
}

TEST(times_are_kept_or_said_to_be_bounds)
{
    json_t *run = row(base);
    json_t *spans = rv_run_spans(run, 50000);
    ck_assert_uint_eq(json_array_size(spans), 6);
    is_from_to(spans, "run a", "900000", "9000000", ""); /* from the question whether it may */
    is_from_to(spans, "llm.decide", "2000000", "4000000", "");
    is_from_to(spans, "wait sleep", "4000000", "6000000", "begin");
    is_from_to(spans, "wait signal.wait", "6000000", "7000000", "begin");
    is_from_to(spans, "wait await.wait", "7000000", "8000000", "begin");
    is_from_to(spans, "http.request plain", "8100000", "8200000", "");
    ck_assert_str_eq(attribute(named(spans, "llm.decide"), "gen_ai.usage.input_tokens"), "9");
    json_decref(spans);
    json_decref(run);
}

TEST(ids_follow_from_numbers)
{
    char header[RV_TRACE_HEADER_MAX];
    char child[17];
    json_t *run = row(base);
    json_t *once = rv_run_spans(run, 50000);
    json_t *again = rv_run_spans(run, 60000);
    ck_assert(json_equal(once, again)); /* of a run that is over */
    const char *root = rv_json_str(named(once, "run a"), "spanId", "");
    ck_assert_uint_eq(strlen(root), 16);
    ck_assert_ptr_null(json_object_get(named(once, "run a"), "parentSpanId"));
    ck_assert_str_eq(rv_json_str(named(once, "llm.decide"), "parentSpanId", ""), root);
    rv_trace_header(rv_json_str(run, "trace", ""), "reeve-1-r42-7", header);
    ck_assert_msg(strstr(header, rv_json_str(named(once, "http.request plain"), "spanId", "")) !=
                      NULL,
                  "%s", header);
    json_object_set_new(run, "run", json_integer(43));
    json_object_set_new(run, "parent", json_integer(42));
    json_t *below = rv_run_spans(run, 50000);
    snprintf(child, sizeof child, "%s", rv_json_str(named(below, "run a"), "parentSpanId", ""));
    ck_assert_str_eq(child, root);
    ck_assert_str_ne(rv_json_str(named(below, "run a"), "spanId", ""), root);
    json_object_set_new(run, "parent", json_integer(0));
    json_object_set_new(run, "caller", json_string("b7ad6b7169203331"));
    json_t *called = rv_run_spans(run, 50000);
    ck_assert_str_eq(rv_json_str(named(called, "run a"), "parentSpanId", ""), "b7ad6b7169203331");
    ck_assert_int_eq(rv_json_int(named(called, "run a"), "kind", 0), 2); /* a server's */
    json_decref(called);
    json_decref(below);
    json_decref(again);
    json_decref(once);
    json_decref(run);
}

TEST(what_is_open_ends_now_and_says_so)
{
    json_t *run = row(base);
    json_object_set_new(run, "over", json_false());
    json_object_set_new(run, "status", json_string("waiting"));
    json_object_set_new(run, "waiting_on", json_string("signal"));
    json_object_set_new(run, "steps", json_integer(4));
    json_object_set_new(run, "changed_us", json_integer(6500));
    while (json_array_size(json_object_get(run, "entries")) > 3) {
        json_array_remove(json_object_get(run, "entries"), 3);
    }
    json_t *spans = rv_run_spans(run, 50000);
    is_from_to(spans, "run a", "900000", "50000000", "");
    ck_assert_str_eq(attribute(named(spans, "run a"), "reeve.open"), "true");
    is_from_to(spans, "wait signal.wait", "6500000", "50000000", "");
    ck_assert_str_eq(attribute(named(spans, "wait signal.wait"), "reeve.open"), "true");
    ck_assert_ptr_null(json_object_get(named(spans, "run a"), "status"));
    json_decref(spans);
    json_decref(run);
}

TEST(how_it_ended_is_its_status)
{
    static const struct {
        const char *status;
        int code; /* 0: none */
    } cases[] = {{"done", 1}, {"failed", 2}, {"compensated", 2}, {"diverged", 2}, {"cancelled", 0}};
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        json_t *run = row(base);
        json_object_set_new(run, "status", json_string(cases[i].status));
        json_object_set_new(run, "code", json_string("limit"));
        json_t *spans = rv_run_spans(run, 50000);
        const json_t *status = json_object_get(named(spans, "run a"), "status");
        ck_assert_int_eq(rv_json_int(status, "code", 0), cases[i].code);
        ck_assert_str_eq(rv_json_str(status, "message", ""), cases[i].code == 2 ? "limit" : "");
        json_decref(spans);
        json_decref(run);
    }
}

TEST(a_row_that_knows_little_is_a_span)
{
    json_t *run = row("{\"tenant\": 1, \"run\": 1, \"trace\": \"0af7651916cd43dd8448eb211c80319c\","
                      " \"agent\": \"a\", \"status\": \"done\", \"over\": true, \"begin_us\": 5,"
                      " \"changed_us\": 4, \"entries\": null, \"decisions\": null,"
                      " \"steps\": 6000}");
    json_t *spans = rv_run_spans(run, 9);
    ck_assert_uint_eq(json_array_size(spans), 1);
    is_from_to(spans, "run a", "5000", "5000", ""); /* clocks went back */
    ck_assert_str_eq(attribute(named(spans, "run a"), "reeve.steps_left_out"), "1000");
    json_t *request = rv_spans_request(spans, "1.0", NULL);
    ck_assert_uint_eq(json_array_size(json_object_get(request, "resourceSpans")), 1);
    json_decref(request);
    json_decref(run);
}

TEST_MAIN()
