/* base_test.c -- the vocabulary keeps its promises. */
#include "runtime/base/arena.h"
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/hash.h"
#include "runtime/base/json.h"
#include "runtime/base/state_machine.h"
#include "runtime/base/text.h"
#include "runtime/base/words.h"
#include "tests/support/test.h"

#include <errno.h>

#include <signal.h>

TEST(the_first_failure_wins_and_context_goes_in_front)
{
    struct rv_error err = {.code = RV_OK};
    ck_assert_int_eq(rv_fail(&err, RV_NOT_FOUND, "no agent named \"%s\"", "a"), RV_NOT_FOUND);
    ck_assert_int_eq(rv_fail(&err, RV_IO, "later"), RV_IO);
    ck_assert_int_eq(rv_wrap(&err, RV_NOT_FOUND, "start run 7"), RV_NOT_FOUND);
    ck_assert_str_eq(err.message, "start run 7: no agent named \"a\"");
}

/* Whatever the format cuts, and wherever the buffer ends. */
TEST(the_texts_of_an_error_are_utf8_always)
{
    static const char *const characters[] = {"\xC3\xBC", "\xE2\x82\xAC", "\xF0\x9F\x8D\x8E",
                                             "\xEF\xBF\xBD"};
    char name[1024];
    for (size_t c = 0; c < RV_COUNT(characters); c++) {
        for (int pad = 0; pad < 4; pad++) {
            name[0] = '\0';
            for (int i = 0; i < pad; i++) {
                strcat(name, "a");
            }
            while (strlen(name) < 900) {
                strcat(name, characters[c]);
            }
            struct rv_error err = {.code = RV_OK};
            rv_fail(&err, RV_INVALID, "no agent \"%.80s\" of %s", name, name);
            rv_detail(&err, "%.81s %s", name, name);
            rv_hint(&err, "%.82s %s", name, name);
            rv_wrap(&err, RV_INVALID, "import %.33s", name);
            json_t *all =
                json_pack("{s:s,s:s,s:s}", "m", err.message, "d", err.detail, "h", err.hint);
            ck_assert_ptr_nonnull(all);
            json_decref(all);
        }
    }
    struct rv_error err = {.code = RV_OK};
    rv_fail(&err, RV_INVALID, "%s", "a\xFF\xC3z\xED\xA0\x80\xF4\x90\x80\x80\xC0\xAF\xE2\x82");
    ck_assert_str_eq(err.message, "a??z???????????");
    rv_error_clear(&err);
    rv_fail(&err, RV_INVALID, "%s", "\xC3\xBC \xE2\x82\xAC \xF0\x9F\x8D\x8E \xEF\xBF\xBD");
    ck_assert_str_eq(err.message, "\xC3\xBC \xE2\x82\xAC \xF0\x9F\x8D\x8E \xEF\xBF\xBD");
}

TEST(fractions_become_texts_and_nothing_else_changes)
{
    static const struct {
        const char *given;
        const char *plain;
    } cases[] = {
        {"1.5", "\"1.5\""},
        {"[0.1,-0.0,1e300,2.0,1]", "[\"0.1\",\"-0\",\"1e+300\",\"2\",1]"},
        {"{\"a\":{\"b\":[{\"c\":1.25}]},\"d\":null,\"e\":\"1.5\"}",
         "{\"a\":{\"b\":[{\"c\":\"1.25\"}]},\"d\":null,\"e\":\"1.5\"}"},
        {"{}", "{}"},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        json_t *value = NULL;
        ck_assert_int_eq(rv_json_parse(cases[i].given, strlen(cases[i].given), "it", &value, NULL),
                         RV_OK);
        value = rv_json_plain(value);
        char *text = rv_json_text(value);
        ck_assert_str_eq(text, cases[i].plain);
        rv_free(text);
        json_decref(value);
    }
}

TEST(a_text_is_utf8)
{
    static const char *const good[] = {"",
                                       "plain",
                                       "M\xC3\xBCller",
                                       "\xE2\x82\xAC",
                                       "\xED\x9F\xBF",
                                       "\xEE\x80\x80",
                                       "\xF0\x90\x80\x80",
                                       "\xF4\x8F\xBF\xBF"};
    static const char *const bad[] = {"\xFC",
                                      "M\xFCller",
                                      "a\xFF",
                                      "\x80",
                                      "\xC3", /* cut */
                                      "\xC0\x80",
                                      "\xC1\xBF",
                                      "\xE0\x9F\xBF", /* not the shortest */
                                      "\xF0\x8F\xBF\xBF",
                                      "\xED\xA0\x80",
                                      "\xE2\x82",
                                      "\xF0\x90\x80",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80\x80\x80",
                                      "\xE2\x82z"};
    struct rv_error err = {.code = RV_OK};
    for (size_t i = 0; i < RV_COUNT(good); i++) {
        ck_assert_msg(rv_text_utf8(good[i], strlen(good[i])), "good %zu", i);
        ck_assert_int_eq(rv_text_check("x", good[i], &err), RV_OK);
        json_t *text = json_string(good[i]);
        ck_assert_msg(text != NULL, "good %zu for JSON", i);
        json_decref(text);
    }
    for (size_t i = 0; i < RV_COUNT(bad); i++) {
        ck_assert_msg(!rv_text_utf8(bad[i], strlen(bad[i])), "bad %zu", i);
        ck_assert_msg(json_string(bad[i]) == NULL, "bad %zu for JSON", i);
    }
    ck_assert_int_eq(rv_text_check("--agent", "m\xFCller", &err), RV_INVALID);
    ck_assert_str_eq(err.message, "--agent is not valid UTF-8: byte 2 is 0xFC");
}

TEST(an_error_that_cuts_a_character_is_still_a_text)
{
    struct rv_error err = {.code = RV_OK};
    (void)rv_fail(&err, RV_INVALID, "\"%.2s\" is none", "m\xC3\xBCller");
    rv_hint(&err, "not \"%s\"", "\xFC\xC3\xBC");
    ck_assert_str_eq(err.message, "\"m?\" is none");
    ck_assert_str_eq(err.hint, "not \"?\xC3\xBC\"");
}

TEST(a_word_stands_in_a_list_as_a_whole_or_not_at_all)
{
    static const char words[] = "open over overdue";
    struct rv_error err = {.code = RV_OK};
    ck_assert(rv_words_have(words, "open"));
    ck_assert(rv_words_have(words, "over"));
    ck_assert(rv_words_have(words, "overdue"));
    ck_assert(!rv_words_have(words, "ove"));
    ck_assert(!rv_words_have(words, "opened"));
    ck_assert(!rv_words_have(words, "open over"));
    ck_assert(!rv_words_have(words, " "));
    ck_assert(!rv_words_have(words, ""));
    ck_assert(!rv_words_have("", "open"));
    ck_assert(!rv_words_have("", ""));
    ck_assert(rv_words_have_n(words, "over=1", 4));
    ck_assert(!rv_words_have_n(words, "over=1", 5));
    ck_assert(!rv_words_have_n(words, "open", 0));
    ck_assert_int_eq(rv_words_need("status", "", words, &err), RV_OK);
    ck_assert_int_eq(rv_words_need("status", "over", words, &err), RV_OK);
    ck_assert_int_eq(rv_words_need("status", "late", words, &err), RV_INVALID);
    ck_assert_str_eq(err.message, "status: \"late\" is none");
    ck_assert_str_eq(err.hint, "Write one of: open over overdue.");
}

TEST(a_hint_is_of_its_own_failure_and_changes_no_code)
{
    struct rv_error err = {.code = RV_OK};
    rv_hint(NULL, "nobody listens");
    rv_detail(NULL, "nobody listens");
    ck_assert_int_eq(rv_fail(&err, RV_DENIED, "first"), RV_DENIED);
    rv_hint(&err, "remedy of the first");
    ck_assert_int_eq(rv_fail(&err, RV_LIMIT, "second"), RV_LIMIT);
    rv_detail(&err, "facts of the second");
    rv_hint(&err, "remedy of the second");
    ck_assert_int_eq(err.code, RV_DENIED);
    ck_assert_str_eq(err.message, "first");
    ck_assert_str_eq(err.detail, "");
    ck_assert_str_eq(err.hint, "remedy of the first");
    rv_error_clear(&err);
    ck_assert_int_eq(rv_fail_errno(&err, ENOENT, "open"), RV_NOT_FOUND);
    rv_hint(&err, "make it");
    ck_assert_str_eq(err.hint, "make it");
}

TEST(a_buffer_never_grows_beyond_its_maximum)
{
    struct rv_buf buf;
    rv_buf_init(&buf, 10);
    rv_buf_str(&buf, "0123456789");
    ck_assert(!buf.overflowed);
    rv_buf_char(&buf, 'x');
    struct rv_error err = {.code = RV_OK};
    ck_assert_int_eq(rv_buf_ok(&buf, "the text", &err), RV_LIMIT);
    ck_assert_str_eq(buf.data, "0123456789");
    rv_buf_fini(&buf);
}

TEST(canonical_json_sorts_keys_by_utf16_and_refuses_reals)
{
    json_t *value = NULL;
    const char *text =
        "{\"b\":[1,true,null],\"a\":\"\\u20ac\\n\",\"\\ue000\":1,\"\\ud83d\\ude00\":2}";
    struct rv_error err = {.code = RV_OK};
    ck_assert_int_eq(rv_json_parse(text, strlen(text), "test", &value, &err), RV_OK);
    struct rv_buf buf;
    rv_buf_init(&buf, 1000);
    ck_assert_int_eq(rv_json_canonical(value, &buf, &err), RV_OK);
    ck_assert_str_eq(buf.data, "{\"a\":\"\xe2\x82\xac\\n\",\"b\":[1,true,null],"
                               "\"\xf0\x9f\x98\x80\":2,\"\xee\x80\x80\":1}");
    json_object_set_new(value, "x", json_real(1.5));
    ck_assert_int_eq(rv_json_canonical(value, &buf, &err), RV_INVALID);
    json_decref(value);
    rv_buf_fini(&buf);
}

TEST(hostile_json_is_refused)
{
    json_t *value = NULL;
    char deep[2 * RV_JSON_DEPTH_MAX + 3];
    memset(deep, '[', sizeof deep);
    ck_assert_int_eq(rv_json_parse(deep, sizeof deep, "deep", &value, NULL), RV_LIMIT);
    const char *twice = "{\"a\":1,\"a\":2}";
    struct rv_error doubled = {.code = RV_OK};
    ck_assert_int_eq(rv_json_parse(twice, strlen(twice), "twice", &value, &doubled), RV_INVALID);
    ck_assert_ptr_nonnull(strstr(doubled.message, "has a key twice"));
    rv_error_clear(&doubled);
    ck_assert_ptr_null(value);
}

TEST(json_that_only_reeve_refuses_is_refused_in_words_of_its_own)
{
    static const char *const cases[][2] = {
        {"{\"a\":18446744073709551615}", "body has a number beyond 64 bits at line 1 column "},
        {"{\"a\":1e999}", "body has a number beyond 64 bits at line 1 column "},
        {"{\"a\":\"b\\u0000\"}", "body has the character U+0000 in a text at line 1 column "},
        {"{\"a\\u0000\":1}", "body has the character U+0000 in a text at line 1 column "},
        {"{\"a\":1", "body is not valid JSON at line 1 column "}};
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        json_t *value = NULL;
        struct rv_error err = {0};
        ck_assert_int_eq(rv_json_parse(cases[i][0], strlen(cases[i][0]), "body", &value, &err),
                         RV_INVALID);
        ck_assert_msg(strncmp(err.message, cases[i][1], strlen(cases[i][1])) == 0, "%s",
                      err.message);
    }
}

TEST(sha256_of_abc)
{
    char hex[RV_HASH_HEX];
    struct rv_hash hash = rv_sha256("abc", 3);
    rv_hash_hex(&hash, hex);
    ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(dates_go_there_and_back)
{
    for (int64_t day = -800000; day < 800000; day += 37) {
        int y = 0;
        int m = 0;
        int d = 0;
        rv_civil_from_days(day, &y, &m, &d);
        ck_assert_int_eq(rv_days_from_civil(y, m, d), day);
    }
    char text[RV_TIME_TEXT];
    rv_time_text(INT64_C(1769847302417123), text);
    ck_assert_str_eq(text, "2026-01-31T08:15:02.417123Z");
}

static void count_up(void *data)
{
    ++*(int *)data;
}

TEST(an_arena_runs_its_cleanups)
{
    int runs = 0;
    struct rv_arena *arena = rv_arena_create("test", 1 << 20);
    rv_arena_cleanup(arena, count_up, &runs);
    for (int i = 0; i < 1000; i++) {
        ck_assert_str_eq(rv_arena_printf(arena, "%d", 7), "7");
    }
    rv_arena_destroy(arena);
    ck_assert_int_eq(runs, 1);
}

static bool only(const char *text, const char *fields, const char *field)
{
    struct rv_error err = {.code = RV_OK};
    json_t *object = NULL;
    const char *found = NULL;
    ck_assert_int_eq(rv_json_parse(text, strlen(text), "text", &object, &err), RV_OK);
    enum rv_code code = rv_json_only(object, "body", fields, &found, &err);
    bool as_said = field == NULL ? code == RV_OK && found == NULL
                                 : code == RV_INVALID && strcmp(found, field) == 0 &&
                                       strstr(err.message, field) != NULL;
    json_decref(object);
    return as_said;
}

TEST(an_object_has_its_fields_and_no_other)
{
    ck_assert(only("{}", "name *body", NULL));
    ck_assert(only("{\"name\":\"a\",\"body\":{\"x\":1}}", "name *body", NULL));
    ck_assert(only("{\"name\":null}", "name *body", NULL));
    ck_assert(only("{\"name\":5}", "name *body", "name"));
    ck_assert(only("{\"nam\":\"a\"}", "name *body", "nam"));
    ck_assert(only("{\"*body\":\"a\"}", "name *body", "*body"));
    ck_assert(only("{\"name *body\":\"a\"}", "name *body", "name *body"));
    ck_assert(only("{\"x\":1}", "", "x"));
    ck_assert(only("{\"\":1}", "name", ""));
}

enum light { RED, GREEN };
static const uint32_t light_moves[] = {[RED] = RV_TO(GREEN), [GREEN] = 0};
static const char *const light_names[] = {"red", "green"};
static const struct rv_state_table lights = {"light", light_names, light_moves, 2};

TEST_DIES(an_illegal_move_is_a_wrong_program, SIGABRT)
{
    int state = GREEN;
    rv_state_move(&lights, &state, RED);
}

TEST_MAIN()
