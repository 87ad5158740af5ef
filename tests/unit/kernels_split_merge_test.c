/* kernels_split_merge_test.c -- the two steps below a vocabulary: where pieces end, and merging
 * compared with the plainest way to do it. */
#include "tests/support/test.h"

#include "kernels/model/vocab_merge.h"
#include "kernels/model/vocab_split.h"

enum { WORDS = 1500, LETTERS = 4, LENGTH_MAX = 200, TOKENS = 24 };

/* ---- pieces ---- */

static void pieces(enum vocab_split split, const char *text, const char *want)
{
    char got[256] = "";
    size_t length = strlen(text);
    size_t used = 0;
    for (size_t at = 0, end = 0; at < length; at = end) {
        end = vocab_split_next(split, text, length, at);
        ck_assert_uint_gt(end, at);
        ck_assert_uint_le(end, length);
        used +=
            (size_t)snprintf(got + used, sizeof got - used, "[%.*s]", (int)(end - at), text + at);
    }
    ck_assert_str_eq(got, want);
}

TEST(pieces_end_where_the_expressions_end_them)
{
    pieces(VOCAB_SPLIT_GPT2, "I'LL we'll  go\n\n x1234!?",
           "[I]['][LL][ we]['ll][ ][ go][\n\n][ x][1234][!?]");
    pieces(VOCAB_SPLIT_LLAMA3, "I'LL we'll  go\n\n x1234!?",
           "[I]['LL][ we]['ll][ ][ go][\n\n][ x][123][4][!?]");
    pieces(VOCAB_SPLIT_QWEN2, "x1234 .\r\n\n  \t ", "[x][1][2][3][4][ .\r\n\n][  \t ]");
    pieces(VOCAB_SPLIT_QWEN2, "  \n  \n  y", "[  \n  \n][ ][ y]");
    pieces(VOCAB_SPLIT_QWEN2, "_name\tname (x)", "[_name][\tname][ (][x][)]");
    pieces(VOCAB_SPLIT_QWEN2, "\xC2\xA0nbsp\xE3\x80\x80\xE6\x97\xA5",
           "[\xC2\xA0nbsp][\xE3\x80\x80\xE6\x97\xA5]");
    pieces(VOCAB_SPLIT_QWEN2, "\xC2\xBD \xD9\xA3", "[\xC2\xBD][ ][\xD9\xA3]"); /* numbers */
    pieces(VOCAB_SPLIT_GPT2, "\xC2\xBD \xD9\xA3", "[\xC2\xBD][ \xD9\xA3]");
    pieces(VOCAB_SPLIT_QWEN2, "e\xCC\x81t", "[e][\xCC\x81t]"); /* a combining mark is no letter */
    pieces(VOCAB_SPLIT_QWEN2, "'\xC5\xBFt", "['\xC5\xBFt]"); /* long s is a letter like others */
    pieces(VOCAB_SPLIT_GPT2, "'\xC5\xBFt", "['][\xC5\xBFt]");
    pieces(VOCAB_SPLIT_QWEN2, "a\xFF\xFEz", "[a][\xFF\xFE][z]");
}

/* ---- merges ---- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* The lowest order first, the leftmost of equals: over and over from the beginning. */
static uint32_t merge_plainly(struct vocab_symbol *symbol, uint32_t count,
                              const struct vocab_pairs *pairs)
{
    for (;;) {
        const struct vocab_pair *best = NULL;
        uint32_t at = 0;
        for (uint32_t i = 0; i + 1 < count; i++) {
            const struct vocab_pair *pair =
                vocab_pairs_get(pairs, symbol[i].token, symbol[i + 1].token);
            if (pair != NULL && (best == NULL || pair->order < best->order)) {
                best = pair;
                at = i;
            }
        }
        if (best == NULL) {
            return count;
        }
        symbol[at].token = best->merged;
        memmove(symbol + at + 1, symbol + at + 2, (count - at - 2) * sizeof *symbol);
        count--;
    }
}

/* Tokens that merge into each other in circles and with equal orders: worse than any vocabulary. */
static struct vocab_pairs random_pairs(uint64_t *state)
{
    struct vocab_pairs pairs = {.slot = NULL};
    uint64_t count = 1 + next_random(state) % 60;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t chance = next_random(state);
        vocab_pairs_put(&pairs,
                        &(struct vocab_pair){.left = (uint32_t)(chance % TOKENS),
                                             .right = (uint32_t)((chance >> 8) % TOKENS),
                                             .order = (uint32_t)((chance >> 16) % 40),
                                             .merged = (uint32_t)((chance >> 24) % TOKENS)});
    }
    return pairs;
}

TEST(short_and_long_words_merge_as_the_plain_way_does)
{
    uint64_t state = 4711;
    struct vocab_word word = {.symbol = NULL};
    struct vocab_symbol plain[LENGTH_MAX];
    for (int i = 0; i < WORDS; i++) {
        struct vocab_pairs pairs = random_pairs(&state);
        uint32_t length = (uint32_t)(next_random(&state) % LENGTH_MAX);
        word.count = 0;
        for (uint32_t k = 0; k < length; k++) {
            uint64_t chance = next_random(&state);
            uint32_t token = chance % 50 == 0 ? VOCAB_NONE : (uint32_t)(chance >> 8) % LETTERS;
            plain[k] = (struct vocab_symbol){token, k};
            vocab_word_push(&word, token, k);
        }
        length = merge_plainly(plain, length, &pairs);
        vocab_word_merge(&word, &pairs);
        ck_assert_uint_eq(word.count, length);
        for (uint32_t k = 0; k < length; k++) {
            ck_assert_uint_eq(word.symbol[k].token, plain[k].token);
            ck_assert_uint_eq(word.symbol[k].at, plain[k].at);
        }
        vocab_pairs_free(&pairs);
    }
    vocab_word_free(&word);
}

TEST_MAIN()
