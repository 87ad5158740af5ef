/* kernels_schema_number_test.c -- bounds of integers against plain comparison of int64, over all of
 * 64 bits. */
#include "tests/support/test.h"
#include "tests/support/words.h"

#include <inttypes.h>

enum { VALUES_MAX = 200 };

static struct kernel_trie *small_trie(void)
{
    struct words words;
    words_make(&words, 200, 3);
    struct kernel_trie *trie = words_trie(&words);
    words_free(&words);
    return trie;
}

static uint32_t awkward_values(int64_t *out)
{
    uint32_t count = 0;
    int64_t power = 1;
    for (int digits = 0; digits <= 18; digits++, power *= digits <= 18 ? 10 : 1) {
        for (int64_t near = digits > 13 || digits < 2 ? -1 : 1; near <= 1; near++) {
            out[count++] = power + near;
            out[count++] = -power + near;
        }
    }
    static const int64_t others[] = {INT64_MIN, INT64_MIN + 1,     INT64_MAX - 1,
                                     INT64_MAX, 9007199254740991,  9007199254740993,
                                     123456789, -9007199254740993, 5000000000000000000};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        out[count++] = others[i];
    }
    ck_assert_uint_le(count, VALUES_MAX);
    return count;
}

static bool below(int64_t a, int64_t b, bool open)
{
    return open ? a < b : a <= b;
}

static bool between(int64_t low, bool low_open, int64_t value, int64_t high, bool high_open)
{
    return below(low, value, low_open) && below(value, high, high_open);
}

static enum kernel_status compiled(const struct kernel_trie *trie, const char *schema,
                                   struct kernel_grammar **grammar, struct kernel_error *error)
{
    *grammar = NULL;
    *error = (struct kernel_error){0};
    return kernel_grammar_compile(trie, (struct kernel_text){schema, strlen(schema)}, grammar,
                                  error);
}

static bool accepts(const struct kernel_grammar *grammar, const char *text)
{
    return kernel_grammar_accepts(grammar, (struct kernel_text){text, strlen(text)});
}

static void compare(const struct kernel_trie *trie, const int64_t *values, uint32_t count,
                    int64_t low, bool low_open, int64_t high, bool high_open)
{
    char schema[200];
    snprintf(schema, sizeof schema, "{\"type\":\"integer\",\"%s\":%" PRId64 ",\"%s\":%" PRId64 "}",
             low_open ? "exclusiveMinimum" : "minimum", low,
             high_open ? "exclusiveMaximum" : "maximum", high);
    struct kernel_grammar *grammar;
    struct kernel_error error;
    enum kernel_status status = compiled(trie, schema, &grammar, &error);
    bool any = between(low, low_open, low, high, high_open) ||
               (low < INT64_MAX && between(low, low_open, low + 1, high, high_open));
    ck_assert_msg((status == KERNEL_OK) == any, "%s: %s", schema, error.message);
    for (uint32_t i = 0; any && i < count; i++) {
        char text[24];
        int length = snprintf(text, sizeof text, "%" PRId64, values[i]);
        bool got = kernel_grammar_accepts(grammar, (struct kernel_text){text, (size_t)length});
        ck_assert_msg(got == between(low, low_open, values[i], high, high_open), "%s: %s", schema,
                      text);
    }
    kernel_grammar_destroy(grammar);
}

TEST(bounds_of_integers_are_those_of_64_bits)
{
    struct kernel_trie *trie = small_trie();
    int64_t values[VALUES_MAX];
    uint32_t count = awkward_values(values);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = i % 3; k < count; k += 3) {
            compare(trie, values, count, values[i], (i + k) % 2, values[k], (i + k) % 4 < 2);
        }
        compare(trie, values, count, values[i], false, values[i], false);
        compare(trie, values, count, values[i], true, INT64_MAX, false);
        compare(trie, values, count, INT64_MIN, false, values[i], true);
    }
    kernel_trie_destroy(trie);
}

TEST(a_negative_zero_is_zero)
{
    static const struct {
        const char *schema, *yes, *no;
    } cases[] = {
        {"{\"const\":-0.0}", "0", "-"},
        {"{\"const\":-0e-5}", "0", "-"},
        {"{\"const\":{\"a\":[-0.0]}}", "{\"a\":[0]}", "{\"a\":[-]}"},
        {"{\"enum\":[-0.0,5]}", "0", "-"},
        {"{\"enum\":[0,-0.0]}", "0", "-"},
        {"{\"type\":\"number\",\"minimum\":-0.001,\"maximum\":-0.0}", "-0.0005", "0.811104"},
        {"{\"type\":\"number\",\"minimum\":-0.0,\"maximum\":0}", "0", "1"},
        {"{\"type\":\"number\",\"exclusiveMinimum\":-0.0,\"maximum\":0.001}", "0.0005", "0"},
        {"{\"type\":\"integer\",\"minimum\":-2,\"exclusiveMaximum\":-0.0}", "-1", "0"},
        {"{\"type\":\"integer\",\"minimum\":-2,\"exclusiveMaximum\":-0.0}", "-2", "-0"},
    };
    struct kernel_trie *trie = small_trie();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kernel_grammar *grammar;
        struct kernel_error error;
        enum kernel_status status = compiled(trie, cases[i].schema, &grammar, &error);
        ck_assert_msg(status == KERNEL_OK, "%s: %s", cases[i].schema, error.message);
        ck_assert_msg(accepts(grammar, cases[i].yes), "%s: %s", cases[i].schema, cases[i].yes);
        ck_assert_msg(!accepts(grammar, cases[i].no), "%s: %s", cases[i].schema, cases[i].no);
        kernel_grammar_destroy(grammar);
    }
    kernel_trie_destroy(trie);
}

TEST(what_is_not_written_is_refused_by_name)
{
    static const struct {
        const char *schema;
        enum kernel_status status;
        const char *says;
    } cases[] = {
        {"{\"type\":\"integer\",\"exclusiveMinimum\":999999999999999}", KERNEL_OK, ""},
        {"{\"type\":\"integer\",\"exclusiveMinimum\":1000000000000000}", KERNEL_OK, ""},
        {"{\"type\":\"number\",\"exclusiveMinimum\":1000000000000000}", KERNEL_OK, ""},
        {"{\"type\":\"integer\",\"maximum\":-9223372036854775808}", KERNEL_OK, ""},
        {"{\"type\":\"integer\",\"minimum\":1e20}", KERNEL_UNSUPPORTED, "/minimum: only numbers"},
        {"{\"type\":\"number\",\"minimum\":1e20}", KERNEL_UNSUPPORTED, "/minimum: only numbers"},
        {"{\"type\":\"integer\",\"exclusiveMinimum\":9223372036854775807}", KERNEL_UNSUPPORTED,
         "/exclusiveMinimum: only numbers"},
        {"{\"type\":\"number\",\"exclusiveMinimum\":0,\"exclusiveMaximum\":1e-30}",
         KERNEL_UNSUPPORTED, "only numbers"},
        {"{\"type\":\"integer\",\"exclusiveMinimum\":3,\"exclusiveMaximum\":4}", KERNEL_INVALID,
         "schema /exclusiveMinimum: nothing satisfies it"},
        {"{\"type\":\"integer\",\"minimum\":1,\"maximum\":6,\"multipleOf\":7}", KERNEL_INVALID,
         "schema /minimum: nothing satisfies it"},
    };
    struct kernel_trie *trie = small_trie();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kernel_grammar *grammar;
        struct kernel_error error;
        enum kernel_status status = compiled(trie, cases[i].schema, &grammar, &error);
        ck_assert_msg(status == cases[i].status && strstr(error.message, cases[i].says) != NULL,
                      "%s: %d %s", cases[i].schema, status, error.message);
        kernel_grammar_destroy(grammar);
    }
    kernel_trie_destroy(trie);
}

TEST_MAIN()
