/* kernels_schema_work_test.c -- compiling a schema ends soon, whatever the schema says: hostile
 * ones are refused by name, large honest ones compile.
 *
 * Measured is the processor time of this thread, with room for sanitizers: what these cases took
 * before there was a limit was seconds to years.
 */
#include "tests/support/test.h"
#include "tests/support/words.h"

#include <stdarg.h>
#include <time.h>

enum { SECONDS_MAX = 5 };

struct text {
    char *at;
    size_t length, room;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *more = NULL;
    int length = vasprintf(&more, format, arguments);
    va_end(arguments);
    ck_assert_int_ge(length, 0);
    if (text->length + (size_t)length + 1 > text->room) {
        text->room = (text->length + (size_t)length + 1) * 2;
        text->at = realloc(text->at, text->room);
        ck_assert_ptr_nonnull(text->at);
    }
    memcpy(text->at + text->length, more, (size_t)length + 1);
    text->length += (size_t)length;
    free(more);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct kernel_trie *small_trie(void)
{
    struct words words;
    words_make(&words, 200, 3);
    struct kernel_trie *trie = words_trie(&words);
    words_free(&words);
    return trie;
}

static enum kernel_status compile(const struct kernel_trie *trie, const char *name,
                                  struct text *schema, struct kernel_error *error)
{
    struct kernel_grammar *grammar = NULL;
    *error = (struct kernel_error){0};
    double begin = seconds();
    enum kernel_status status = kernel_grammar_compile(
        trie, (struct kernel_text){schema->at, schema->length}, &grammar, error);
    double took = seconds() - begin;
    printf("%-40s %7zu bytes %6.3f s %s\n", name, schema->length, took, error->message);
    ck_assert_msg(took < SECONDS_MAX, "%s took %.1f s", name, took);
    kernel_grammar_destroy(grammar);
    free(schema->at);
    *schema = (struct text){0};
    return status;
}

static void refused(const struct kernel_trie *trie, const char *name, struct text *schema,
                    const char *says)
{
    struct kernel_error error;
    enum kernel_status status = compile(trie, name, schema, &error);
    ck_assert_msg(status == KERNEL_INVALID && strstr(error.message, says) != NULL, "%s: %d %s",
                  name, status, error.message);
}

static void compiles(const struct kernel_trie *trie, const char *name, struct text *schema)
{
    struct kernel_error error;
    enum kernel_status status = compile(trie, name, schema, &error);
    ck_assert_msg(status == KERNEL_OK, "%s: %s", name, error.message);
}

/* Whatever is said of it, it is said soon. */
static void ends(const struct kernel_trie *trie, const char *name, struct text *schema)
{
    struct kernel_error error;
    enum kernel_status status = compile(trie, name, schema, &error);
    ck_assert_msg(status == KERNEL_OK || error.message[0] != '\0', "%s", name);
}

TEST(choices_whose_types_clash_are_counted_too)
{
    struct kernel_trie *trie = small_trie();
    for (int n = 14; n <= 44; n += 10) {
        struct text t = {0};
        put(&t, "{\"type\":\"integer\",\"allOf\":[");
        for (int i = 0; i < n; i++) {
            put(&t, "{\"anyOf\":[{\"title\":\"a%d\"},{\"title\":\"b%d\"}]},", i, i);
        }
        put(&t, "{\"anyOf\":[{\"type\":\"string\"}]}]}");
        if (n == 14) {
            ends(trie, "choices that clash, 14", &t);
        } else {
            refused(trie, "choices that clash", &t, "/anyOf: compiling it takes more work");
        }
    }
    kernel_trie_destroy(trie);
}

TEST(patterns_that_repeat_nothing_end)
{
    struct kernel_trie *trie = small_trie();
    struct text t = {0};
    put(&t, "{\"type\":\"string\",\"pattern\":\"");
    for (int i = 0; i < 8; i++) {
        put(&t, "(");
    }
    for (int i = 0; i < 8; i++) {
        put(&t, "){4096}");
    }
    put(&t, "\"}");
    ends(trie, "empty groups repeated", &t);
    put(&t, "{\"type\":\"string\",\"pattern\":\"^[a-c]{0,4000}$\"}");
    ends(trie, "long repetition", &t);
    put(&t, "{\"type\":\"string\",\"pattern\":\"^(");
    for (int i = 0; i < 150; i++) {
        put(&t, "%s[\\\\u%04x-\\\\u%04x]", i > 0 ? "|" : "", 0x1000 + i * 70, 0x1020 + i * 70);
    }
    put(&t, "){0,120}$\"}");
    ends(trie, "long repetition of many classes", &t);
    put(&t, "{\"type\":\"string\",\"pattern\":\"");
    for (int i = 0; i < 2000; i++) {
        put(&t, "(a?|b*)");
    }
    put(&t, "$\"}");
    ends(trie, "thousands of empty choices", &t);
    kernel_trie_destroy(trie);
}

TEST(many_dear_patterns_are_bounded_together)
{
    struct kernel_trie *trie = small_trie();
    struct text t = {0};
    put(&t, "{\"type\":\"object\",\"properties\":{");
    for (int i = 0; i < 2000; i++) {
        put(&t, "%s\"p%d\":{\"type\":\"string\",\"pattern\":\"(a|b)*a(a|b){11}%d$\"}",
            i > 0 ? "," : "", i, i);
    }
    put(&t, "}}");
    refused(trie, "2,000 patterns of 4,096 states", &t, "");
    put(&t, "{\"type\":\"string\",\"allOf\":[");
    for (int i = 0; i < 20; i++) {
        put(&t, "%s{\"pattern\":\"^(.{%d})*$\"}", i > 0 ? "," : "", 2 * i + 3);
    }
    put(&t, "]}");
    refused(trie, "a product of 20 patterns", &t, "");
    put(&t, "{\"type\":\"object\",\"properties\":{");
    for (int i = 0; i < 3000; i++) {
        put(&t, "%s\"p%d\":{\"type\":\"integer\",\"minimum\":%d,\"multipleOf\":%d}",
            i > 0 ? "," : "", i, i, 1500 + i);
    }
    put(&t, "}}");
    ends(trie, "3,000 large steps", &t);
    kernel_trie_destroy(trie);
}

static void object_members(struct text *t, const char *keyword, int count)
{
    put(t, "{\"%s\":[", keyword);
    for (int i = 0; i < count; i++) {
        put(t,
            "%s{\"type\":\"object\",\"properties\":{\"kind\":{\"const\":\"k%d\"},\"v\":{\"type\":"
            "\"integer\"}},\"required\":[\"kind\",\"v\"]}",
            i > 0 ? "," : "", i);
    }
    put(t, "]}");
}

TEST(large_choices_are_soon_made_or_refused)
{
    struct kernel_trie *trie = small_trie();
    struct text t = {0};
    object_members(&t, "oneOf", 450);
    compiles(trie, "oneOf of 450 objects", &t);
    object_members(&t, "oneOf", 1200);
    refused(trie, "oneOf of 1,200 objects", &t, "/oneOf");
    object_members(&t, "anyOf", 512);
    compiles(trie, "anyOf of 512 objects", &t);
    put(&t, "{\"oneOf\":[");
    for (int i = 0; i < 450; i++) { /* nothing that tells them apart at a glance */
        put(&t,
            "%s{\"type\":\"object\",\"properties\":{\"a\":{\"minimum\":%d,\"maximum\":%d,\"type\":"
            "\"number\"}},\"required\":[\"a\"]}",
            i > 0 ? "," : "", 2 * i, 2 * i + 1);
    }
    put(&t, "]}");
    ends(trie, "oneOf of 450 ranges", &t);
    put(&t, "{\"oneOf\":[");
    for (int i = 0; i < 1000; i++) {
        put(&t, "%s{\"const\":\"value %d\",\"title\":\"t\"}", i > 0 ? "," : "", i);
    }
    put(&t, "]}");
    compiles(trie, "oneOf of 1,000 consts", &t);
    for (int depth = 0; depth < 9; depth++) {
        put(&t, "{\"anyOf\":[{\"type\":\"object\",\"properties\":{\"x%d\":{\"type\":\"string\"}}},",
            depth);
    }
    put(&t, "{\"type\":\"null\"}");
    for (int depth = 0; depth < 9; depth++) {
        put(&t, "]}");
    }
    compiles(trie, "anyOf nested 9 deep", &t);
    put(&t, "{\"allOf\":[");
    for (int i = 0; i < 9; i++) {
        put(&t,
            "%s{\"anyOf\":[{\"properties\":{\"x%d\":{\"type\":\"string\"}}},{\"properties\":{"
            "\"y%d\":{\"type\":\"string\"}}}]}",
            i > 0 ? "," : "", i, i);
    }
    put(&t, "]}");
    ends(trie, "512 alternatives, written out", &t);
    kernel_trie_destroy(trie);
}

TEST(large_lists_compile)
{
    struct kernel_trie *trie = small_trie();
    struct text t = {0};
    put(&t, "{\"type\":\"string\",\"pattern\":\"^v[0-9 a-z]*$\",\"enum\":[");
    for (int i = 0; i < 900; i++) {
        put(&t, "%s\"value %d\"", i > 0 ? "," : "", i);
    }
    put(&t, "]}");
    compiles(trie, "900 strings beside a pattern", &t);
    put(&t, "{\"type\":\"object\",\"properties\":{");
    for (int i = 0; i < 1000; i++) {
        put(&t, "%s\"p%d\":{\"enum\":[\"a%d\",\"b%d\",%d,null]}", i > 0 ? "," : "", i, i, i, i);
    }
    put(&t, "}}");
    compiles(trie, "1,000 enums", &t);
    put(&t, "{\"enum\":[");
    for (int i = 0; i < 1000; i++) {
        put(&t, "%s\"a longer value that has number %d\"", i > 0 ? "," : "", i);
    }
    put(&t, "]}");
    compiles(trie, "an enum of 1,000", &t);
    put(&t, "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{");
    for (int i = 0; i < 5000; i++) {
        put(&t, "%s\"property_%d\":{\"type\":\"%s\"}", i > 0 ? "," : "", i,
            i % 2 ? "string" : "integer");
    }
    put(&t, "},\"required\":[");
    for (int i = 0; i < 5000; i++) {
        put(&t, "%s\"property_%d\"", i > 0 ? "," : "", i);
    }
    put(&t, "]}");
    compiles(trie, "5,000 properties, all required", &t);
    put(&t, "{\"$defs\":{");
    for (int i = 0; i < 2000; i++) {
        put(&t,
            "%s\"d%d\":{\"type\":\"object\",\"properties\":{\"next\":{\"$ref\":\"#/$defs/d%d\"}}}",
            i > 0 ? "," : "", i, i == 0 ? 0 : i - 1);
    }
    put(&t, "},\"type\":\"object\",\"properties\":{");
    for (int i = 0; i < 2000; i++) {
        put(&t, "%s\"p%d\":{\"$ref\":\"#/$defs/d%d\"}", i > 0 ? "," : "", i, i);
    }
    put(&t, "}}");
    compiles(trie, "2,000 definitions, referred to", &t);
    kernel_trie_destroy(trie);
}

TEST(what_multiplies_is_bounded)
{
    struct kernel_trie *trie = small_trie();
    struct text t = {0};
    put(&t, "{\"$defs\":{\"e\":{\"enum\":[");
    for (int i = 0; i < 1000; i++) {
        put(&t, "%s\"a longer value that has number %d\"", i > 0 ? "," : "", i);
    }
    put(&t, "]}},\"type\":\"object\",\"properties\":{");
    for (int i = 0; i < 3000; i++) {
        put(&t, "%s\"p%d\":{\"$ref\":\"#/$defs/e\",\"minLength\":%d}", i > 0 ? "," : "", i, i % 9);
    }
    put(&t, "}}");
    refused(trie, "3,000 times an enum of 1,000", &t, "");
    put(&t, "{\"$defs\":{\"o\":{\"type\":\"object\",\"properties\":{");
    for (int i = 0; i < 3000; i++) {
        put(&t, "%s\"p%d\":{}", i > 0 ? "," : "", i);
    }
    put(&t, "}}},\"anyOf\":[");
    for (int i = 0; i < 500; i++) {
        put(&t, "%s{\"$ref\":\"#/$defs/o\",\"minProperties\":%d}", i > 0 ? "," : "", i);
    }
    put(&t, "]}");
    refused(trie, "500 times an object of 3,000", &t, "");
    put(&t, "{\"type\":\"array\",\"allOf\":[");
    for (int i = 0; i < 1500; i++) {
        put(&t,
            "%s{\"title\":\"t%d\",\"prefixItems\":[{},{},{\"title\":\"x\"},{},{},{\"title\":\"x\"}]"
            "}",
            i > 0 ? "," : "", i);
    }
    put(&t, "]}");
    ends(trie, "1,500 lists of items at once", &t);
    put(&t, "{\"allOf\":[");
    for (int i = 0; i < 12000; i++) {
        put(&t, "%s{\"title\":\"t\"}", i > 0 ? "," : "");
    }
    put(&t, "]}");
    ends(trie, "allOf of 12,000", &t);
    put(&t, "{\"$defs\":{");
    for (int i = 0; i < 1800; i++) { /* each needs the one before it: heights from the far end */
        put(&t,
            "%s\"d%d\":{\"type\":\"object\",\"properties\":{\"n\":{\"$ref\":\"#/$defs/d%d\"}},"
            "\"required\":[\"n\"]}",
            i > 0 ? "," : "", i, i + 1);
    }
    put(&t, ",\"d1800\":{\"type\":\"null\"}},\"type\":\"object\",\"properties\":{");
    for (int i = 1800; i > 0; i--) {
        put(&t, "%s\"p%d\":{\"$ref\":\"#/$defs/d%d\"}", i < 1800 ? "," : "", i, i);
    }
    put(&t, "}}");
    ends(trie, "a chain of 1,800", &t);
    kernel_trie_destroy(trie);
}

TEST_MAIN()
