/* constraint_key_test.c -- keys that are neither named nor used: a shortest one is found wherever
 * there is one, and soon. */
#include "tests/support/test.h"
#include "tests/support/words.h"

#include <time.h>

static struct kernel_trie *small_trie(void)
{
    struct words words;
    words_make(&words, 200, 3);
    struct kernel_trie *trie = words_trie(&words);
    words_free(&words);
    return trie;
}

static struct kernel_grammar *compiled(const struct kernel_trie *trie, const char *schema)
{
    struct kernel_grammar *grammar = NULL;
    struct kernel_error error = {0};
    kernel_grammar_compile(trie, (struct kernel_text){schema, strlen(schema)}, &grammar, &error);
    ck_assert_msg(grammar != NULL, "%s: %s", schema, error.message);
    return grammar;
}

/* The bytes of the shortest answer after `begin`, as closing writes them. */
static void closes(const struct kernel_trie *trie, const char *schema, const char *begin,
                   size_t bytes)
{
    struct kernel_grammar *grammar = compiled(trie, schema);
    struct kernel_constraint *state = kernel_constraint_start(grammar);
    ck_assert_msg(
        kernel_constraint_accepts_bytes(state, (struct kernel_text){begin, strlen(begin)}),
        "%s: %s", schema, begin);
    uint32_t shortest = kernel_constraint_shortest(state, 100000);
    ck_assert_msg(shortest == bytes, "%s after %s: %u", schema, begin, shortest);
    ck_assert(kernel_constraint_ends_within(state, shortest));
    ck_assert(!kernel_constraint_ends_within(state, shortest - 1));
    kernel_constraint_close(state);
    char *rest = calloc(bytes + 1, 1);
    ck_assert_uint_eq(kernel_constraint_forced(state, rest, bytes), bytes);
    char *whole = NULL;
    ck_assert_int_gt(asprintf(&whole, "%s%s", begin, rest), 0);
    ck_assert_msg(kernel_grammar_accepts(grammar, (struct kernel_text){whole, strlen(whole)}),
                  "%s: %s", schema, whole);
    free(whole);
    free(rest);
    kernel_constraint_destroy(state);
    kernel_grammar_destroy(grammar);
}

/* What is whole has an empty rest, which may be no memory at all (-fsanitize=undefined looks). */
TEST(what_is_whole_closes_with_nothing)
{
    struct kernel_trie *trie = small_trie();
    struct kernel_grammar *grammar = compiled(trie, "{\"enum\":[12]}");
    struct kernel_constraint *state = kernel_constraint_start(grammar);
    char rest[4];
    ck_assert(kernel_constraint_accepts_bytes(state, (struct kernel_text){"12", 2}));
    kernel_constraint_close(state);
    ck_assert_uint_eq(kernel_constraint_forced(state, rest, sizeof rest), 0);
    struct kernel_constraint *copy = kernel_constraint_copy(state);
    ck_assert(kernel_constraint_accepts_bytes(copy, (struct kernel_text){"", 0}));
    ck_assert(!kernel_constraint_accepts_bytes(copy, (struct kernel_text){"3", 1}));
    ck_assert(kernel_constraint_must_end(copy));
    kernel_constraint_destroy(copy);
    kernel_constraint_destroy(state);
    kernel_grammar_destroy(grammar);
    kernel_trie_destroy(trie);
}

#define MAP(pattern, least)                                                                        \
    "{\"type\":\"object\",\"patternProperties\":{\"" pattern                                       \
    "\":{\"type\":\"integer\"}},\"additionalProperties\":false,\"minProperties\":" #least "}"
#define NAMES(names, least)                                                                        \
    "{\"type\":\"object\",\"propertyNames\":" names                                                \
    ",\"additionalProperties\":{\"type\":\"integer\"},\"minProperties\":" #least "}"

TEST(maps_with_keys_of_fixed_length_have_several_of_them)
{
    struct kernel_trie *trie = small_trie();
    closes(trie, NAMES("{\"format\":\"uuid\"}", 2), "", 2 * 40 + 3);
    closes(trie, NAMES("{\"format\":\"date\"}", 2), "", 2 * 14 + 3);
    closes(trie, MAP("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", 2), "", 2 * 14 + 3);
    closes(trie, MAP("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", 30), "", 30 * 15 + 1);
    closes(trie, MAP("^[A-Z]{3}-[0-9]{4}$", 2), "", 2 * 12 + 3);
    closes(trie, MAP("^[0-9a-f]{64}$", 3), "", 3 * 68 + 4);
    closes(trie,
           "{\"type\":\"object\",\"patternProperties\":{\"^[0-9]{4}-[0-9]{2}-[0-9]{2}$\":{\"type\":"
           "\"integer\"}},\"additionalProperties\":false,\"minProperties\":2,\"required\":["
           "\"0000-00-00\"]}",
           "", 2 * 14 + 3);
    kernel_trie_destroy(trie);
}

TEST(the_last_of_few_keys_is_found)
{
    struct kernel_trie *trie = small_trie();
    closes(trie, MAP("^(aaa|bbbbbb|cc)$", 3), "{\"cc\":0,", 7 + 1 + 10 + 1);
    closes(trie, MAP("^(aaa|bbbbbb|cc)$", 3), "{\"bb", 7 + 1 + 6 + 1 + 7 + 1);
    closes(trie, MAP("^x[0-9]$", 10), "", 10 * 7 + 1);
    closes(trie, MAP("^x[0-9]?$", 11), "", 10 * 7 + 6 + 1);
    closes(trie, MAP("^[éê]$", 2), "{\"é\":0,", 6 + 1);
    closes(trie, MAP("^[éê]$", 2), "{\"\\u00E9\":0,", 6 + 1);
    closes(trie, MAP("^[éê]$", 2), "{\"é\":0,\"\\u00", 2 + 3 + 1);
    closes(trie, MAP("^[éx]$", 2), "{\"é\":0,", 5 + 1);
    closes(trie, MAP("^[é\\\\u0001]$", 2), "{\"\\u00e9\":0,", 10 + 1);
    closes(trie, MAP("^[\\\\u001e\\\\u001f]$", 2), "{\"\\u001F\":0,", 10 + 1);
    closes(trie, MAP("^[\\\\n\\\\t]é$", 2), "{\"\\n\\u00E9\":0,", 8 + 1);
    closes(trie, MAP("^[😀😁]$", 2), "{\"😀\":0,", 8 + 1);
    kernel_trie_destroy(trie);
}

TEST(fewer_keys_than_needed_are_refused_by_name)
{
    static const char *const schemas[] = {MAP("^(aaa|bbbbbb|cc)$", 4), MAP("^x[0-9]$", 11),
                                          MAP("^[éê]$", 3)};
    struct kernel_trie *trie = small_trie();
    for (size_t i = 0; i < sizeof schemas / sizeof schemas[0]; i++) {
        struct kernel_grammar *grammar = NULL;
        struct kernel_error error = {0};
        kernel_grammar_compile(trie, (struct kernel_text){schemas[i], strlen(schemas[i])}, &grammar,
                               &error);
        ck_assert_msg(grammar == NULL, "%s", schemas[i]);
        ck_assert_msg(strncmp(error.message, "schema /", 8) == 0 &&
                          strstr(error.message, ": nothing satisfies it") != NULL,
                      "%s", error.message);
    }
    kernel_trie_destroy(trie);
}

TEST_MAIN()
