/* constraint_test.c -- schemas one by one: what they accept, what they refuse to compile, and the
 * collections of others where they lie beside the repository. */
#include "tests/support/order.h"
#include "tests/support/test.h"
#include "tests/support/words.h"

static struct kernel_trie *small_trie(void)
{
    struct words words;
    words_make(&words, 200, 3);
    struct kernel_trie *trie = words_trie(&words);
    words_free(&words);
    return trie;
}

static enum kernel_status compile(const struct kernel_trie *trie, const char *schema,
                                  struct kernel_grammar **out, struct kernel_error *error)
{
    return kernel_grammar_compile(trie, (struct kernel_text){schema, strlen(schema)}, out, error);
}

struct verdict {
    const char *schema, *accepted, *refused; /* instances, separated by a blank */
};

static void each(const struct kernel_grammar *grammar, const char *list, bool wanted,
                 const char *schema)
{
    while (list != NULL && *list != '\0') {
        size_t length = strcspn(list, " ");
        bool got = kernel_grammar_accepts(grammar, (struct kernel_text){list, length});
        ck_assert_msg(got == wanted, "%s: %.*s", schema, (int)length, list);
        list += length;
        list += *list == ' ';
    }
}

static void judge_all(const struct verdict *verdicts, size_t count)
{
    struct kernel_trie *trie = small_trie();
    for (size_t i = 0; i < count; i++) {
        struct kernel_grammar *grammar = NULL;
        struct kernel_error error = {0};
        ck_assert_msg(compile(trie, verdicts[i].schema, &grammar, &error) == KERNEL_OK, "%s: %s",
                      verdicts[i].schema, error.message);
        each(grammar, verdicts[i].accepted, true, verdicts[i].schema);
        each(grammar, verdicts[i].refused, false, verdicts[i].schema);
        kernel_grammar_destroy(grammar);
    }
    kernel_trie_destroy(trie);
}

TEST(instances_are_accepted_exactly)
{
    static const struct verdict verdicts[] = {
        {"{\"type\":\"integer\",\"minimum\":-5,\"exclusiveMaximum\":100}", "-5 0 7 99",
         "-6 100 1e1 01 1.5 -05 42.0"},
        {"{\"type\":\"number\",\"minimum\":0.5,\"maximum\":10.25}", "0.5 10.25 10.2 9.999 1",
         "0.49 10.26 11 .5 -1"},
        {"{\"type\":\"integer\",\"multipleOf\":7}", "0 7 -14 700", "1 8 -13"},
        {"{\"type\":\"number\",\"multipleOf\":0.25}", "0 0.25 -1.5 700", "0.1 8.3 -13.05"},
        {"{\"type\":\"string\",\"minLength\":2,\"maxLength\":3}",
         "\"ab\" \"\xc3\xa9\xf0\x9f\x98\x80\" \"\\u00e9\\ud83d\\ude00\" \"\\n\\\"a\"",
         "\"a\" \"abcd\" \"\\ud83d\\ude00\" \"\\ud83dab\" \"a\nb\" \"a\\qb\""},
        {"{\"type\":\"string\",\"pattern\":\"^\\\"x\\\\\\\\\"}", "\"\\\"x\\\\\" \"\\\"x\\\\y\"",
         "\"x\" \"\\\\x\""},
        {"{\"type\":\"string\",\"format\":\"date\"}",
         "\"2024-02-29\" \"2000-02-29\" \"1999-12-31\"",
         "\"2023-02-29\" \"1900-02-29\" \"2024-13-01\" \"2024-04-31\" \"0000-01-01\""},
        {"{\"type\":\"string\",\"format\":\"ipv4\"}", "\"1.2.3.4\" \"255.255.255.255\"",
         "\"256.1.1.1\" \"1.2.3\" \"01.2.3.4\""},
        {"{\"properties\":{\"a\":{\"type\":\"null\"},\"b\":{}},\"required\":[\"a\"],\"type\":"
         "\"object\"}",
         "{\"a\":null} {\"a\":null,\"b\":1,\"c\":[]}",
         "{} {\"b\":1} {\"a\":1} {\"a\":null,\"c\":1,\"c\":2} {\"a\":null,\"c\":1,\"\\u0063\":2}"
         " {\"a\":null,\"\\u0061\":2}"},
        {"{\"enum\":[\"a\",1,[1,{\"k\":null}],\"\xc3\xa9\"]}",
         "\"a\" 1 [1,{\"k\":null}] \"\xc3\xa9\" \"\\u00e9\"", "\"b\" 2 [1] [1,{}] 10 1.0"},
        {"{\"$ref\":\"#/$defs/l\",\"$defs\":{\"l\":{\"type\":\"array\",\"items\":{\"$ref\":"
         "\"#/$defs/l\"}}}}",
         "[] [[],[[]]]", "[1] {"},
        {"{\"$ref\":\"#/components/schemas/l\",\"components\":{\"schemas\":{\"l\":{\"type\":"
         "\"null\"}}}}",
         "null", "1"},
        {"{\"oneOf\":[{\"const\":1},{\"const\":\"a\",\"title\":\"A\",\"type\":\"string\"}]}",
         "1 \"a\"", "2 \"b\""},
        {"{\"anyOf\":[{\"type\":\"object\",\"properties\":{\"k\":{\"const\":1},\"v\":{\"type\":"
         "\"string\"}},\"required\":[\"k\",\"v\"]},{\"type\":\"object\",\"properties\":{\"k\":{"
         "\"type\":\"integer\"},\"v\":{\"type\":\"null\"}},\"required\":[\"k\",\"v\"]}]}",
         "{\"k\":1,\"v\":\"x\"} {\"k\":1,\"v\":null} {\"k\":12,\"v\":null}",
         "{\"k\":12,\"v\":\"x\"}"},
        {"{\"type\":\"object\",\"patternProperties\":{\"^[0-9]$\":{\"type\":\"integer\"}},"
         "\"additionalProperties\":false,\"minProperties\":2,\"maxProperties\":2}",
         "{\"1\":1,\"2\":2}", "{\"1\":1} {\"1\":1,\"1\":2} {\"1\":1,\"2\":2,\"3\":3} {\"a\":1}"},
        {"{\"type\":\"array\",\"prefixItems\":[{\"type\":\"integer\"}],\"items\":{\"type\":"
         "\"string\"},\"minItems\":1,\"maxItems\":2}",
         "[1] [1,\"a\"]", "[] [\"a\"] [1,2] [1,\"a\",\"b\"]"},
    };
    judge_all(verdicts, sizeof verdicts / sizeof verdicts[0]);
}

/* What every schema may be written with, one keyword after the other. */
TEST(every_keyword_of_the_first_level_is_understood)
{
    static const struct verdict verdicts[] = {
        {"{\"type\":\"object\",\"properties\":{\"b\":{\"type\":\"null\"},\"a\":{\"type\""
         ":\"boolean\"}},\"required\":[\"a\"],\"additionalProperties\":false}",
         "{\"b\":null,\"a\":true} {\"a\":false}", "{} {\"b\":null} {\"a\":1} {\"a\":true,\"c\":1}"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"}},\"additi"
         "onalProperties\":{\"type\":\"string\"}}",
         "{} {\"a\":1} {\"a\":1,\"x\":\"y\"}", "{\"a\":1,\"x\":2} {\"a\":\"1\"}"},
        {"{\"type\":\"object\",\"additionalProperties\":true}", "{} {\"x\":[1]}", "[] 1"},
        {"{\"type\":[\"integer\",\"null\"]}", "1 null", "\"1\" true"},
        {"{\"enum\":[\"a\",1,null,{\"x\":[true]}]}", "\"a\" 1 null {\"x\":[true]}",
         "\"b\" 2 {} {\"x\":[false]}"},
        {"{\"const\":{\"a\":[1,\"b\"]}}", "{\"a\":[1,\"b\"]}", "{\"a\":[1]} 1"},
        {"{\"anyOf\":[{\"type\":\"integer\",\"minimum\":3},{\"type\":\"string\",\"max"
         "Length\":1}]}",
         "3 \"a\" \"\"", "2 \"ab\""},
        {"{\"$ref\":\"#/$defs/node\",\"$defs\":{\"node\":{\"type\":\"object\",\"prope"
         "rties\":{\"next\":{\"anyOf\":[{\"$ref\":\"#/$defs/node\"},{\"type\":\"null"
         "\"}]}},\"required\":[\"next\"],\"additionalProperties\":false}}}",
         "{\"next\":null} {\"next\":{\"next\":null}}", "{} {\"next\":1}"},
        {"{\"type\":\"number\",\"exclusiveMinimum\":0,\"exclusiveMaximum\":1.5}", "0.1 1 1.49",
         "0 1.5 -1"},
        {"{\"type\":\"array\",\"items\":{\"type\":\"boolean\"},\"minItems\":2,\"maxIt"
         "ems\":3}",
         "[true,false] [true,true,true]", "[] [true] [true,true,true,true] [1,2]"},
        {"{\"type\":\"string\",\"pattern\":\"b+\"}", "\"abc\" \"bb\"", "\"ac\" \"\""},
        {"{\"type\":\"string\",\"pattern\":\"^[a-z]{2}\\\\d?$\"}", "\"ab\" \"ab1\"",
         "\"a\" \"ab12\" \"xab\""},
        {"{\"type\":\"string\",\"format\":\"date\"}", "\"2024-02-29\"",
         "\"2023-02-29\" \"2024-13-01\" \"24-01-01\""},
        {"{\"type\":\"string\",\"format\":\"date-time\"}",
         "\"2024-02-29T23:59:59Z\" \"2024-01-01T00:00:00.5+01:00\"",
         "\"2024-02-29\" \"2024-02-29T25:00:00Z\""},
        {"{\"type\":\"string\",\"format\":\"time\"}", "\"12:30:00Z\"", "\"24:00:00Z\" \"12:30\""},
        {"{\"type\":\"string\",\"format\":\"uuid\"}", "\"123e4567-e89b-12d3-a456-426614174000\"",
         "\"123e4567-e89b-12d3-a456-42661417400\" \"x\""},
        {"{\"type\":\"string\",\"format\":\"email\"}", "\"a.b@example.com\"",
         "\"a\" \"@b\" \"a@\""},
        {"{\"type\":\"string\",\"format\":\"ipv4\"}", "\"127.0.0.1\"", "\"256.0.0.1\" \"1.2.3\""},
        {"{\"type\":\"string\",\"format\":\"uri\"}", "\"https://example.com/a?b=c\"",
         "\"example\" \"//x\""}};
    judge_all(verdicts, sizeof verdicts / sizeof verdicts[0]);
}

TEST(what_is_not_understood_is_refused_by_pointer)
{
    static const struct {
        const char *schema;
        enum kernel_status status;
        const char *says;
    } cases[] = {
        {"{\"properties\":{\"a/b\":{\"not\":{}}}}", KERNEL_UNSUPPORTED, "/properties/a~1b/not"},
        {"{\"uniqueItems\":true}", KERNEL_UNSUPPORTED, "/uniqueItems"},
        {"{\"if\":{},\"then\":false}", KERNEL_UNSUPPORTED, "/if"},
        {"{\"pattern\":\"(?=a)\"}", KERNEL_UNSUPPORTED, "look-around"},
        {"{\"properties\":{\"a\":{\"pattern\":\"x\\\\b\"}}}", KERNEL_UNSUPPORTED,
         "schema /properties/a/pattern: a word boundary (write the characters"},
        {"{\"items\":{\"pattern\":\"^\\\\p{Lu}+$\"}}", KERNEL_UNSUPPORTED,
         "schema /items/pattern: a Unicode property (write its characters as a class)"},
        {"{\"pattern\":\"[\\\\P{N}]\"}", KERNEL_UNSUPPORTED,
         "schema /pattern: a Unicode property (write its characters as a class)"},
        {"{\"format\":\"color\"}", KERNEL_UNSUPPORTED, "/format"},
        {"{\"$ref\":\"http://other/x\"}", KERNEL_UNSUPPORTED, "/$ref"},
        {"{\"$ref\":\"#/$defs/none\"}", KERNEL_INVALID, "/$ref"},
        {"{\"$ref\":\"#\"}", KERNEL_INVALID, "itself"},
        {"{\"required\":[\"a\"],\"properties\":{\"a\":{\"$ref\":\"#/required\"}}}", KERNEL_INVALID,
         "/properties/a/$ref: it leads to something that is no schema"},
        {"{\"minimum\":1,\"properties\":{\"a\":{\"$ref\":\"#/minimum\"}}}", KERNEL_INVALID,
         "no schema"},
        {"{\"properties\":{\"a\":{\"$ref\":\"#/properties\"}}}", KERNEL_INVALID, "no schema"},
        {"{\"properties\":{\"a\":{\"$ref\":\"#/default\"}},\"default\":{\"type\":\"null\"}}",
         KERNEL_INVALID, "no schema"},
        {"{\"properties\":{\"a\":{\"$ref\":\"#/x\"}},\"x\":{\"A\":{\"type\":\"null\"}}}",
         KERNEL_INVALID, "no schema"},
        {"{\"anyOf\":[{},{\"$ref\":\"#/anyOf/+0\"}]}", KERNEL_INVALID, "nowhere"},
        {"{\"anyOf\":[{},{\"$ref\":\"#/anyOf/%200\"}]}", KERNEL_INVALID, "nowhere"},
        {"{\"anyOf\":[{},{\"$ref\":\"#/anyOf/00\"}]}", KERNEL_INVALID, "nowhere"},
        {"{\"$defs\":{\"a\":{}},\"anyOf\":[{\"$ref\":\"#/$defs/a%00b\"}]}", KERNEL_INVALID,
         "nowhere"},
        {"{\"$defs\":{\"a\":{}},\"anyOf\":[{\"$ref\":\"#/$defs/a\\u0000b\"}]}", KERNEL_INVALID,
         "nowhere"},
        {"{\"$defs\":{\"a~2\":{}},\"anyOf\":[{\"$ref\":\"#/$defs/a~2\"}]}", KERNEL_INVALID,
         "nowhere"},
        {"{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"number\"}]}", KERNEL_UNSUPPORTED,
         "/oneOf"},
        {"{\"type\":\"string\",\"minLength\":3,\"maxLength\":2}", KERNEL_INVALID, "nothing"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#\"}},\"required\":[\"a\"]}",
         KERNEL_INVALID, "nothing"},
        {"{\"type\":\"string\",\"minLength\":3,\"maxLength\":2}", KERNEL_INVALID,
         "schema /minLength: nothing satisfies it"},
        {"{\"type\":\"object\",\"required\":[\"a\"],\"additionalProperties\":false}",
         KERNEL_INVALID, "schema /required: nothing"},
        {"{\"type\":\"object\",\"required\":[\"a\"],\"properties\":{\"a\":{\"type\":\"integer\","
         "\"minimum\":5,\"maximum\":4}}}",
         KERNEL_INVALID, "schema /properties/a/minimum: nothing"},
        {"{\"type\":\"array\",\"minItems\":1,\"items\":{\"enum\":[\"a\"],\"type\":\"integer\"}}",
         KERNEL_INVALID, "schema /items/enum: nothing"},
        {"{\"allOf\":[{\"type\":\"string\"},{\"type\":\"integer\"}]}", KERNEL_INVALID,
         "schema /allOf: nothing"},
        {"{\"$ref\":\"#/$defs/x\",\"$defs\":{\"x\":{\"enum\":[]}}}", KERNEL_INVALID, "schema /"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#\"}},\"required\":[\"a\"]}",
         KERNEL_INVALID, "schema /properties/a/$ref: nothing satisfies it: it would have to have"},
        {"{\"type\":\"a\"}", KERNEL_INVALID, "/type"},
        {"{\"properties\":{\"a\":{\"type\":\"number\",\"minimum\":0,\"multipleOf\":0.01}}}",
         KERNEL_UNSUPPORTED, "schema /properties/a/multipleOf: no such fraction"},
        {"{\"type\":\"integer\",\"multipleOf\":0.1}", KERNEL_UNSUPPORTED, "cents"},
        {"{\"type\":\"object\",\"minProperties\":41}", KERNEL_UNSUPPORTED,
         "schema /minProperties: more than 40 keys"},
        {"{\"a\":1,\"a\":2}", KERNEL_INVALID, "JSON"},
        {"[", KERNEL_INVALID, "JSON"},
    };
    struct kernel_trie *trie = small_trie();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kernel_grammar *grammar = NULL;
        struct kernel_error error = {0};
        enum kernel_status status = compile(trie, cases[i].schema, &grammar, &error);
        ck_assert_msg(status == cases[i].status && strstr(error.message, cases[i].says) != NULL,
                      "%s: %d %s", cases[i].schema, status, error.message);
    }
    kernel_trie_destroy(trie);
}

struct tally {
    uint32_t compiled, refused, valid, invalid, rejected, accepted;
    uint32_t fractions; /* refused because validators disagree on what satisfies them */
};

static void judge(const struct kernel_trie *trie, json_t *schema, json_t *tests,
                  struct tally *tally)
{
    char *text = json_dumps(schema, JSON_COMPACT | JSON_ENCODE_ANY);
    struct kernel_grammar *grammar = NULL;
    struct kernel_error error = {0};
    bool compiled = compile(trie, text, &grammar, &error) == KERNEL_OK;
    bool fraction = !compiled && strstr(error.message, "multipleOf: no such fraction") != NULL;
    tally->compiled += compiled;
    tally->refused += !compiled && !fraction;
    tally->fractions += fraction;
    for (size_t i = 0; compiled && i < json_array_size(tests); i++) {
        json_t *test = json_array_get(tests, i);
        char *instance = order_write(json_object_get(test, "data"), schema);
        bool valid = json_is_true(json_object_get(test, "valid"));
        bool got =
            kernel_grammar_accepts(grammar, (struct kernel_text){instance, strlen(instance)});
        tally->valid += valid;
        tally->invalid += !valid;
        tally->rejected += valid && !got;
        tally->accepted += !valid && got;
        if (!valid && got) {
            printf("accepted: %.300s under %.500s\n", instance, text);
        }
        free(instance);
    }
    kernel_grammar_destroy(grammar);
    free(text);
}

enum { FRACTIONS_MAX = 3 /* multipleOf 0.0001, 1e-8, 0.123456789 */ };

static void check_tally(const char *name, const struct tally *t)
{
    printf("%s: %u schemas compiled, %u refused by name; %u valid (%u rejected), %u invalid (%u "
           "accepted)\n",
           name, t->compiled, t->refused, t->valid, t->rejected, t->invalid, t->accepted);
    ck_assert_uint_eq(t->accepted, 0);
    ck_assert_uint_le(t->fractions, FRACTIONS_MAX);
    ck_assert_uint_le(t->rejected * 100, t->valid);
    ck_assert_uint_ge(t->compiled * 5, (t->compiled + t->refused) * 4);
}

TEST(the_official_tests_and_real_schemas)
{
    static const char official[] = "../shared/data/jsonschema/testsuite-draft2020-12.json";
    static const char real[] = "../shared/data/jsonschema/maskbench-sample.jsonl";
    json_t *suite = json_load_file(official, JSON_ALLOW_NUL, NULL);
    FILE *file = fopen(real, "r");
    if (suite == NULL || file == NULL) {
        printf("%s and %s are not there: not compared\n", official, real);
        return;
    }
    struct kernel_trie *trie = small_trie();
    struct tally tally = {0};
    const char *keyword = NULL;
    json_t *groups = NULL;
    json_object_foreach(suite, keyword, groups)
    {
        for (size_t i = 0; i < json_array_size(groups); i++) {
            json_t *group = json_array_get(groups, i);
            judge(trie, json_object_get(group, "schema"), json_object_get(group, "tests"), &tally);
        }
    }
    check_tally("official tests", &tally);
    tally = (struct tally){0};
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, file) > 0) {
        json_t *one = json_loads(line, JSON_ALLOW_NUL, NULL);
        judge(trie, json_object_get(one, "schema"), json_object_get(one, "tests"), &tally);
        json_decref(one);
    }
    check_tally("real schemas", &tally);
    free(line);
    fclose(file);
    json_decref(suite);
    kernel_trie_destroy(trie);
}

TEST_MAIN()
