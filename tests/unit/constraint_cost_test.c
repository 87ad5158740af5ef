/* constraint_cost_test.c -- what a token costs where a schema has many alternatives that begin
 * alike: little, or the schema is refused.
 *
 * As the engine does it: a mask, a token, whether an end is within reach, what is forced.  Measured
 * is the processor time of this thread.
 */
#include "tests/support/test.h"
#include "tests/support/words.h"

#include <time.h>

enum { TOKENS = 120, ANSWER_MAX = 700 };
#define MILLISECONDS_MAX 3.0 /* a token, with sanitizers and a busy machine */

static double milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static struct kernel_trie *a_trie(void)
{
    struct words words;
    words_make(&words, 2000, 3);
    struct kernel_trie *trie = words_trie(&words);
    words_free(&words);
    return trie;
}

static int32_t any_token(const struct kernel_trie *trie, const uint64_t *mask, uint64_t *random)
{
    uint32_t token = (uint32_t)(words_random(random) % trie->tokens);
    for (uint32_t i = 0; i < trie->tokens; i++, token = (token + 1) % trie->tokens) {
        if (mask[token / 64] >> (token % 64) & 1) {
            return (int32_t)token;
        }
    }
    return -1;
}

static void token_costs_little(const struct kernel_trie *trie, const char *name, const char *schema)
{
    struct kernel_grammar *grammar = NULL;
    struct kernel_error error = {0};
    kernel_grammar_compile(trie, (struct kernel_text){schema, strlen(schema)}, &grammar, &error);
    if (grammar == NULL) {
        ck_assert_msg(strstr(error.message, "schema /") != NULL, "%s: %s", name, error.message);
        printf("%-28s refused: %s\n", name, error.message);
        return;
    }
    struct kernel_constraint *state = kernel_constraint_start(grammar);
    uint64_t *mask = calloc(kernel_trie_words(trie), sizeof *mask);
    uint64_t random = 4;
    double masks = 0;
    double steps = 0;
    uint32_t tokens = 0;
    for (uint32_t left = ANSWER_MAX; tokens < TOKENS; left--) {
        double begin = milliseconds();
        kernel_constraint_mask(state, mask);
        double made = milliseconds();
        int32_t token = any_token(trie, mask, &random);
        ck_assert_msg(token >= 0, "%s: a dead end", name);
        bool ends = true;
        char forced[256];
        ck_assert(kernel_constraint_advance_within(state, token, left, &ends));
        kernel_constraint_ends_within(state, left);
        kernel_constraint_forced(state, forced, sizeof forced);
        masks += made - begin;
        steps += milliseconds() - made;
        tokens++;
        if (!ends || trie->bytes[token].length == 0 || kernel_constraint_must_end(state)) {
            kernel_constraint_destroy(state);
            state = kernel_constraint_start(grammar);
            left = ANSWER_MAX;
        }
    }
    printf("%-28s mask %.3f ms, step %.3f ms a token\n", name, masks / tokens, steps / tokens);
    ck_assert_msg((masks + steps) / tokens < MILLISECONDS_MAX, "%s: %.2f ms a token", name,
                  (masks + steps) / tokens);
    free(mask);
    kernel_constraint_destroy(state);
    kernel_grammar_destroy(grammar);
}

static char *alternatives(int each, int groups)
{
    char *text = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&text, &length);
    fprintf(file, "{\"allOf\":[");
    for (int g = 0; g < groups; g++) {
        fprintf(file, "%s{\"anyOf\":[", g > 0 ? "," : "");
        for (int i = 0; i < each; i++) {
            fprintf(file, "%s{\"properties\":{\"k%d%d\":{\"type\":\"string\"}}}", i > 0 ? "," : "",
                    g, i);
        }
        fprintf(file, "]}");
    }
    fprintf(file, "],\"type\":\"object\",\"minProperties\":3,\"additionalProperties\":{\"type\":"
                  "\"string\",\"minLength\":20}}");
    fclose(file);
    return text;
}

TEST(a_token_costs_little_whatever_the_schema)
{
    static const int shapes[][2] = {{2, 1}, {8, 1}, {2, 4}, {2, 5}, {8, 2}, {8, 3}};
    struct kernel_trie *trie = a_trie();
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        char name[40];
        snprintf(name, sizeof name, "%d^%d alternatives", shapes[i][0], shapes[i][1]);
        char *schema = alternatives(shapes[i][0], shapes[i][1]);
        token_costs_little(trie, name, schema);
        free(schema);
    }
    token_costs_little(trie, "map of UUIDs",
                       "{\"type\":\"object\",\"propertyNames\":{\"format\":\"uuid\"},"
                       "\"additionalProperties\":{\"type\":\"integer\"}}");
    token_costs_little(trie, "map of dates, 40 of them",
                       "{\"type\":\"object\",\"propertyNames\":{\"format\":\"date\"},"
                       "\"minProperties\":40,\"additionalProperties\":{\"type\":\"integer\"}}");
    kernel_trie_destroy(trie);
}

TEST_MAIN()
