/* run_doubt_test.c -- what a model's answer leaves of doubt, the lower of two, and the line that
 * people read. */
#include "runtime/base/check.h"
#include "runtime/run/doubt.h"
#include "tests/support/test.h"

#include <string.h>

static json_t *of(const char *args, const char *out)
{
    json_t *question = json_loads(args, 0, NULL);
    json_t *answer = json_loads(out, 0, NULL);
    ck_assert(question != NULL && answer != NULL);
    json_t *doubt = rv_doubt_of(question, answer);
    json_decref(question);
    json_decref(answer);
    return doubt;
}

static const char options[] = "{\"options\":[\"a\",\"b\"]}";

TEST(a_measured_choice_leaves_its_margin_and_its_probabilities)
{
    json_t *doubt =
        of(options, "{\"ok\":true,\"value\":{\"choice\":\"a\",\"reason\":\"r\",\"margin\":3,"
                    "\"probability\":{\"a\":\"0.5100\",\"b\":\"0.4800\"}}}");
    ck_assert_int_eq(rv_doubt_margin(doubt), 3);
    char *text = rv_json_text(doubt);
    ck_assert(strstr(text, "\"reason\"") == NULL); /* the model's words are not measured */
    ck_assert(strstr(text, "0.4800") != NULL);
    rv_free(text);
    json_decref(doubt);
}

TEST(what_was_not_measured_leaves_none)
{
    static const char *const outs[] = {
        "{\"ok\":true,\"value\":{\"choice\":\"a\",\"margin\":0}}",
        "{\"ok\":true,\"value\":{\"choice\":\"a\",\"margin\":101}}",
        "{\"ok\":true,\"value\":{\"choice\":\"a\",\"margin\":-1}}",
        "{\"ok\":true,\"value\":{\"choice\":\"a\",\"margin\":\"3\"}}",
        "{\"ok\":true,\"value\":{\"choice\":\"a\"}}",
        "{\"ok\":false,\"code\":\"unavailable\"}",
        "{\"ok\":true,\"value\":null}",
    };
    for (size_t i = 0; i < RV_COUNT(outs); i++) {
        ck_assert(of(options, outs[i]) == NULL);
    }
    ck_assert_int_eq(rv_doubt_margin(NULL), 0);
}

TEST(a_text_for_a_schema_cannot_claim_a_margin)
{
    ck_assert(of("{\"schema\":{\"type\":\"object\"}}",
                 "{\"ok\":true,\"value\":{\"choice\":\"a\",\"margin\":3}}") == NULL);
}

TEST(the_lower_of_two_stays_whatever_comes_first)
{
    json_t *low = json_pack("{s:i,s:s}", "margin", 3, "choice", "a");
    json_t *high = json_pack("{s:i,s:s}", "margin", 60, "choice", "b");
    json_t *doubt = NULL;
    rv_doubt_join(&doubt, NULL);
    ck_assert(doubt == NULL);
    rv_doubt_join(&doubt, high);
    rv_doubt_join(&doubt, low);
    ck_assert_int_eq(rv_doubt_margin(doubt), 3);
    rv_doubt_join(&doubt, high);
    ck_assert_int_eq(rv_doubt_margin(doubt), 3);
    json_decref(doubt);
    json_decref(low);
    json_decref(high);
}

TEST(people_read_it_as_the_first_line_of_the_evidence)
{
    json_t *own = json_pack("[s]", "invoice 7");
    json_t *doubt = json_pack("{s:i,s:s,s:{s:s,s:s}}", "margin", 3, "choice", "claim",
                              "probability", "claim", "0.5100", "wait", "0.4800");
    json_t *shown = rv_doubt_evidence(doubt, own);
    ck_assert_int_eq((int)json_array_size(shown), 2);
    ck_assert_str_eq(
        json_string_value(json_array_get(shown, 0)),
        "least sure answer of the model, by 3 points: claim (claim 0.5100, wait 0.4800)");
    ck_assert_str_eq(json_string_value(json_array_get(shown, 1)), "invoice 7");
    ck_assert_int_eq((int)json_array_size(own), 1);
    json_decref(shown);
    json_object_del(doubt, "probability");
    shown = rv_doubt_evidence(doubt, NULL);
    ck_assert_str_eq(json_string_value(json_array_get(shown, 0)),
                     "least sure answer of the model, by 3 points: claim");
    json_decref(shown);
    shown = rv_doubt_evidence(NULL, own);
    ck_assert(shown == own);
    json_decref(shown);
    ck_assert(rv_doubt_evidence(NULL, NULL) == NULL);
    json_decref(doubt);
    json_decref(own);
}

TEST(a_long_option_is_cut_at_a_character)
{
    char option[400] = "";
    for (int i = 0; i < 130; i++) {
        strcat(option, "\xc3\xa4"); /* two bytes each */
    }
    json_t *doubt = json_pack("{s:i,s:s}", "margin", 3, "choice", option);
    json_t *shown = rv_doubt_evidence(doubt, NULL);
    const char *text = json_string_value(json_array_get(shown, 0));
    ck_assert(text != NULL); /* it is UTF-8 */
    ck_assert(strstr(text, "...") != NULL && strlen(text) < 200);
    json_decref(shown);
    json_decref(doubt);
}

TEST_MAIN()
