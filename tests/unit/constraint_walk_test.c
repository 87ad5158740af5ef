/* constraint_walk_test.c -- answers by chance: random tokens out of the masks, under many schemas,
 * closed where they get long; every one is checked by an independent validator.
 *
 * REEVE_CONSTRAINT_SCHEMAS=N tries N random schemas instead of the few of the suite, from
 * REEVE_CONSTRAINT_SEED on.
 */
#include "kernels/serve/spell.h"
#include "tests/support/random_schema.h"
#include "tests/support/test.h"
#include "tests/support/words.h"

#include <sys/wait.h>

enum { TOKENS_MAX = 60, EACH = 12, SUITE_SCHEMAS = 260 };

static uint64_t number_of(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static bool has(const uint64_t *mask, uint32_t token)
{
    return (mask[token / 64] >> (token % 64) & 1) != 0;
}

/* Masks and advancing agree on a token, whatever the mask says of it. */
static void check_token(struct kernel_constraint *state, const uint64_t *mask, uint32_t token,
                        const char *schema, const struct spell_bytes *text)
{
    struct kernel_constraint *copy = kernel_constraint_copy(state);
    bool taken = kernel_constraint_advance(copy, (int32_t)token);
    ck_assert_msg(taken == has(mask, token), "token %u: mask %d, advance %d\n%s\nafter %.*s", token,
                  has(mask, token), taken, schema, (int)text->length, text->at);
    kernel_constraint_destroy(copy);
}

static void check_closing(struct kernel_constraint *state, const struct kernel_trie *trie,
                          struct spell_bytes *text, uint64_t *random, const char *schema)
{
    uint64_t *mask = calloc(kernel_trie_words(trie), sizeof *mask);
    uint32_t most = kernel_constraint_shortest(state, UINT32_MAX - 1);
    size_t begin = text->length;
    kernel_constraint_close(state);
    while (!kernel_constraint_must_end(state)) {
        kernel_constraint_mask(state, mask);
        uint32_t token = (uint32_t)(words_random(random) % trie->tokens);
        while (!has(mask, token)) {
            token = (token + 1) % trie->tokens;
        }
        ck_assert(kernel_constraint_advance(state, (int32_t)token));
        spell_add(text, trie->bytes[token].bytes, trie->bytes[token].length);
        ck_assert_msg(text->length - begin <= most, "closing took more than %u bytes: %s", most,
                      schema);
    }
    ck_assert(kernel_constraint_may_end(state));
    free(mask);
}

/* What is forced is what every continuation begins with. */
static void check_forced(struct kernel_constraint *state, const uint64_t *mask,
                         const struct kernel_trie *trie, uint32_t chosen, const char *schema)
{
    char forced[64];
    size_t length = kernel_constraint_forced(state, forced, sizeof forced);
    struct kernel_text bytes = trie->bytes[chosen];
    size_t both = bytes.length < length ? bytes.length : length;
    ck_assert_msg(memcmp(bytes.bytes, forced, both) == 0, "forced %.*s but token %.*s under %s",
                  (int)length, forced, (int)bytes.length, bytes.bytes, schema);
    ck_assert(has(mask, chosen));
}

static void write_line(FILE *file, const char *schema, const struct spell_bytes *text)
{
    json_t *line = json_pack("[s,s%]", schema, text->at, text->length);
    ck_assert_msg(line != NULL, "no UTF-8: %.*s", (int)text->length, text->at);
    char *out = json_dumps(line, JSON_COMPACT);
    fprintf(file, "%s\n", out);
    free(out);
    json_decref(line);
}

static void walk(const struct kernel_grammar *grammar, const struct kernel_trie *trie,
                 const char *schema, uint64_t *random, FILE *file)
{
    struct kernel_constraint *state = kernel_constraint_start(grammar);
    struct spell_bytes text = {0};
    uint64_t *mask = calloc(kernel_trie_words(trie), sizeof *mask);
    uint32_t most = 1 + (uint32_t)(words_random(random) % TOKENS_MAX);
    bool ended = false;
    for (uint32_t i = 0; i < most && !ended; i++) {
        kernel_constraint_mask(state, mask);
        for (int k = 0; k < 4; k++) {
            check_token(state, mask, (uint32_t)(words_random(random) % trie->tokens), schema,
                        &text);
        }
        uint32_t token = (uint32_t)(words_random(random) % trie->tokens);
        uint32_t begin = token;
        while (!has(mask, token)) {
            token = (token + 1) % trie->tokens;
            ck_assert_msg(token != begin, "a dead end after %.*s under %s", (int)text.length,
                          text.at, schema);
        }
        check_forced(state, mask, trie, token, schema);
        ck_assert(kernel_constraint_advance(state, (int32_t)token));
        ended = trie->bytes[token].length == 0;
        spell_add(&text, trie->bytes[token].bytes, trie->bytes[token].length);
    }
    if (!ended) {
        check_closing(state, trie, &text, random, schema);
    }
    ck_assert(kernel_grammar_accepts(grammar, (struct kernel_text){text.at, text.length}));
    write_line(file, schema, &text);
    kernel_constraint_destroy(state);
    free(text.at);
    free(mask);
}

static uint32_t under(const struct kernel_trie *trie, const char *schema, uint64_t *random,
                      FILE *file, uint32_t each)
{
    struct kernel_grammar *grammar = NULL;
    struct kernel_error error = {0};
    enum kernel_status status = kernel_grammar_compile(
        trie, (struct kernel_text){schema, strlen(schema)}, &grammar, &error);
    if (status != KERNEL_OK) {
        ck_assert_msg(grammar == NULL && error.message[0] != '\0', "%s", schema);
        return 0;
    }
    for (uint32_t i = 0; i < each; i++) {
        walk(grammar, trie, schema, random, file);
    }
    kernel_grammar_destroy(grammar);
    return 1;
}

static void validate(const char *path)
{
    char command[256];
    snprintf(command, sizeof command, "python3 tests/unit/constraint_validate.py %s", path);
    int status = system(command);
    ck_assert(WIFEXITED(status));
    ck_assert_msg(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == TEST_SKIP_STATUS,
                  "the validator refuses answers");
}

static void answers(uint64_t part)
{
    uint64_t seed = number_of("REEVE_CONSTRAINT_SEED", 1) + part;
    uint64_t count = number_of("REEVE_CONSTRAINT_SCHEMAS", SUITE_SCHEMAS);
    struct words words;
    words_make(&words, 400, seed);
    struct kernel_trie *trie = words_trie(&words);
    char path[] = "/tmp/reeve-constraint-XXXXXX";
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    uint64_t random = seed * 77 + 5;
    uint32_t compiled = 0;
    for (uint64_t i = 0; i < count; i++) {
        json_t *schema = random_schema(seed * 1000003 + i);
        char *text = json_dumps(schema, JSON_COMPACT);
        compiled += under(trie, text, &random, file, EACH);
        free(text);
        json_decref(schema);
    }
    fclose(file);
    printf("%u of %u random schemas compiled\n", compiled, (uint32_t)count);
    validate(path);
    remove(path);
    kernel_trie_destroy(trie);
    words_free(&words);
    ck_assert_uint_ge(compiled, (uint32_t)count / 2);
}

/* In parts, so that each ends in time under a sanitizer too: together over 10,000 answers. */
TEST(random_answers_satisfy_random_schemas)
{
    answers(0);
}
TEST(so_they_do_with_another_vocabulary)
{
    answers(1);
}
TEST(and_with_a_third)
{
    answers(2);
}
TEST(and_with_a_fourth)
{
    answers(3);
}

TEST_MAIN()
