/* kernels_vocab_test.c -- vocabularies made for the purpose: what they refuse, what text may never
 * become, and how tokens turn into characters. */
#include "tests/support/test.h"
#include "tests/support/vocab_file.h"

#include "kernels/model/gguf.h"
#include "kernels/model/unicode.h"
#include "kernels/model/vocab.h"

static struct kernel_text text_of(const char *text)
{
    return (struct kernel_text){text, strlen(text)};
}

/* The vocabulary outlives the file. */
static struct kernel_vocab *made(struct vocab_file *made)
{
    struct kernel_gguf *file = NULL;
    struct kernel_vocab *vocab = NULL;
    struct kernel_error error = {.message = ""};
    enum kernel_status status = kernel_gguf_read(made->at, made->length, &file, &error);
    ck_assert_msg(status == KERNEL_OK, "%s", error.message);
    status = kernel_vocab_create(file, &vocab, &error);
    ck_assert_msg(status == KERNEL_OK, "%s", error.message);
    kernel_gguf_close(file);
    memset(made->at, 0xEE, made->length);
    free(made->at);
    return vocab;
}

static void refused(struct vocab_file *made, enum kernel_status want, const char *message)
{
    struct kernel_gguf *file = NULL;
    struct kernel_vocab *vocab = NULL;
    struct kernel_error error = {.message = ""};
    enum kernel_status status = kernel_gguf_read(made->at, made->length, &file, &error);
    ck_assert_msg(status == KERNEL_OK, "%s", error.message);
    status = kernel_vocab_create(file, &vocab, &error);
    ck_assert_int_eq(status, want);
    ck_assert_str_eq(error.message, message);
    ck_assert_ptr_null(vocab);
    kernel_gguf_close(file);
    free(made->at);
}

static void expect(const struct kernel_vocab *vocab, const char *text, bool specials,
                   const int32_t *want, uint32_t count)
{
    struct kernel_tokens tokens = {.at = NULL};
    kernel_vocab_encode(vocab, text_of(text), specials, &tokens);
    ck_assert_uint_eq(tokens.count, count);
    for (uint32_t i = 0; i < count; i++) {
        ck_assert_int_eq(tokens.at[i], want[i]);
    }
    free(tokens.at);
}
#define EXPECT(vocab, text, specials, ...)                                                         \
    expect(vocab, text, specials, (const int32_t[]){__VA_ARGS__},                                  \
           sizeof(int32_t[]){__VA_ARGS__} / sizeof(int32_t))

static const char *const merges[] = {"t h", "th e", "Ġ the", "h e", "1 2", "x th", NULL};
enum { TH = VOCAB_FILE_MERGES, THE, SPACE_THE, HE, N12, XTH, MARK };

/* ---- byte-level BPE ---- */

TEST(merges_go_by_rank_then_from_the_left)
{
    struct vocab_file file = {.at = NULL};
    vocab_file_bpe(&file, &(struct vocab_recipe){.pre = "gpt-2", .merges = merges});
    struct kernel_vocab *vocab = made(&file);
    EXPECT(vocab, "the the", false, THE, SPACE_THE);
    EXPECT(vocab, "xthe", false, 'x', THE); /* "th e" before "x th" */
    EXPECT(vocab, "xth", false, XTH);
    EXPECT(vocab, "hehe", false, HE, HE);
    EXPECT(vocab, "12 12", false, N12, ' ', N12);
    expect(vocab, "", false, NULL, 0);
    kernel_vocab_destroy(vocab);
}

TEST(a_piece_that_is_a_token_wins_where_merges_are_ignored)
{
    static const char *const detour[] = {"a b", "c d", "b cd", "ab cd", NULL};
    struct vocab_file file = {.at = NULL};
    vocab_file_bpe(&file, &(struct vocab_recipe){.pre = "llama-bpe", .merges = detour});
    struct kernel_vocab *vocab = made(&file);
    EXPECT(vocab, "bcd", false, VOCAB_FILE_MERGES + 2);
    EXPECT(vocab, "abcd", false, VOCAB_FILE_MERGES + 3);
    kernel_vocab_destroy(vocab);
}

TEST(digits_stay_together_as_the_model_was_taught)
{
    static const struct {
        const char *pre;
        int32_t tokens[4];
        uint32_t count;
    } cases[] = {
        {"gpt-2", {N12, '3', N12}, 3},
        {"llama-bpe", {N12, '3', N12}, 3},
        {"qwen2", {'1', '2', '3', '1'}, 4},
        {"deepseek-r1-qwen", {'1', '2', '3', '1'}, 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct vocab_file file = {.at = NULL};
        vocab_file_bpe(&file, &(struct vocab_recipe){.pre = cases[i].pre, .merges = merges});
        struct kernel_vocab *vocab = made(&file);
        expect(vocab, cases[i].count == 3 ? "12312" : "1231", false, cases[i].tokens,
               cases[i].count);
        kernel_vocab_destroy(vocab);
    }
}

/* ---- specials ---- */

TEST(text_never_becomes_a_special_token)
{
    static const char *const marks[] = {"<|im_start|>", "<think>", "the", "<|im_start|>the", NULL};
    for (int32_t type = 2; type <= 4; type++) { /* unknown, control, user-defined */
        struct vocab_file file = {.at = NULL};
        vocab_file_bpe(&file,
                       &(struct vocab_recipe){.pre = "qwen2", .marks = marks, .mark_type = type});
        struct kernel_vocab *vocab = made(&file);
        int32_t first = VOCAB_FILE_MERGES;
        struct kernel_tokens tokens = {.at = NULL};
        kernel_vocab_encode(vocab, text_of("<|im_start|><think>"), false, &tokens);
        ck_assert_uint_eq(tokens.count, 19);
        for (uint32_t i = 0; i < tokens.count; i++) {
            ck_assert_int_lt(tokens.at[i], 256);
        }
        free(tokens.at);
        EXPECT(vocab, "a<|im_start|>b", true, 'a', first, 'b');
        EXPECT(vocab, "<|im_start|>the<think>", true, first + 3, first + 1); /* the longest */
        ck_assert_int_eq(kernel_vocab_special(vocab, "<think>"), first + 1);
        ck_assert(kernel_vocab_is_special(vocab, first) == (type != 4));
        if (type == 4) { /* a word of the user's own is one token in any text, and sampled */
            EXPECT(vocab, "athe", false, 'a', first + 2);
            ck_assert_uint_eq(kernel_vocab_bytes(vocab, first + 2).length, 3);
        } else {
            EXPECT(vocab, "the", false, 't', 'h', 'e');
        }
        kernel_vocab_destroy(vocab);
    }
}

TEST(names_of_ends_are_ends_whatever_the_file_calls_them)
{
    static const char *const marks[] = {"<|im_end|>", "<｜end▁of▁sentence｜>", "<|im_start|>",
                                        NULL};
    struct vocab_file file = {.at = NULL};
    vocab_file_bpe(&file, &(struct vocab_recipe){.pre = "qwen2", .marks = marks, .mark_type = 4});
    vocab_file_u32(&file, "tokenizer.ggml.eot_token_id", 'E');
    struct kernel_vocab *vocab = made(&file);
    ck_assert(kernel_vocab_is_end(vocab, VOCAB_FILE_MERGES));
    ck_assert(kernel_vocab_is_special(vocab, VOCAB_FILE_MERGES));
    ck_assert(kernel_vocab_is_end(vocab, VOCAB_FILE_MERGES + 1));
    ck_assert(!kernel_vocab_is_end(vocab, VOCAB_FILE_MERGES + 2));
    ck_assert(kernel_vocab_is_end(vocab, 'E'));
    kernel_vocab_destroy(vocab);
}

TEST(a_bos_is_put_in_front_where_the_family_does_or_the_file_says)
{
    static const struct {
        const char *pre;
        int flag; /* -1: not in the file */
        int32_t want;
    } cases[] = {
        {"llama-bpe", -1, 7},        {"qwen2", -1, -1}, {"gpt-2", -1, -1},
        {"deepseek-r1-qwen", -1, 7}, {"qwen2", 1, 7},   {"llama-bpe", 0, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct vocab_file file = {.at = NULL};
        vocab_file_bpe(&file, &(struct vocab_recipe){.pre = cases[i].pre});
        vocab_file_u32(&file, "tokenizer.ggml.bos_token_id", 7);
        if (cases[i].flag >= 0) {
            vocab_file_bool(&file, "tokenizer.ggml.add_bos_token", cases[i].flag == 1);
        }
        struct kernel_vocab *vocab = made(&file);
        ck_assert_int_eq(kernel_vocab_bos(vocab), cases[i].want);
        kernel_vocab_destroy(vocab);
    }
}

/* ---- SentencePiece ---- */

enum { PIECES_MAX = 300 };
struct pieces {
    struct vocab_file_text at[PIECES_MAX];
    float score[PIECES_MAX];
    int32_t type[PIECES_MAX];
    size_t count;
    char bytes[256][7];
};

static void piece(struct pieces *pieces, const char *text, float score, int32_t type)
{
    pieces->at[pieces->count] = (struct vocab_file_text){text, strlen(text)};
    pieces->score[pieces->count] = score;
    pieces->type[pieces->count++] = type;
}

static void byte_pieces(struct pieces *pieces)
{
    piece(pieces, "<unk>", 0, 2);
    piece(pieces, "<s>", 0, 3);
    piece(pieces, "</s>", 0, 3);
    for (int i = 0; i < 256; i++) {
        snprintf(pieces->bytes[i], sizeof pieces->bytes[i], "<0x%02X>", i);
        piece(pieces, pieces->bytes[i], 0, 6);
    }
}

static void pieces_file(const struct pieces *pieces, struct vocab_file *file)
{
    vocab_file_text(file, "tokenizer.ggml.model", "llama");
    vocab_file_texts(file, "tokenizer.ggml.tokens", pieces->at, pieces->count);
    vocab_file_f32s(file, "tokenizer.ggml.scores", pieces->score, pieces->count);
    vocab_file_i32s(file, "tokenizer.ggml.token_type", pieces->type, pieces->count);
    vocab_file_u32(file, "tokenizer.ggml.bos_token_id", 1);
    vocab_file_u32(file, "tokenizer.ggml.eos_token_id", 2);
}

enum { BYTES = 3, PIECES = 259 };

TEST(pieces_merge_by_score_and_unknown_characters_are_bytes)
{
    static struct pieces pieces;
    byte_pieces(&pieces);
    piece(&pieces, "▁", -9, 1);      /* 259 */
    piece(&pieces, "a", -9, 1);      /* 260 */
    piece(&pieces, "b", -9, 1);      /* 261 */
    piece(&pieces, "ab", -2, 1);     /* 262 */
    piece(&pieces, "ba", -1, 1);     /* 263 */
    piece(&pieces, "▁a", -3, 1);     /* 264 */
    piece(&pieces, "a▁b", -0.5F, 1); /* 265: goes on behind a word's end */
    piece(&pieces, "zb", -4, 1);     /* 266: z alone is no piece */
    struct vocab_file file = {.at = NULL};
    pieces_file(&pieces, &file);
    struct kernel_vocab *vocab = made(&file);
    EXPECT(vocab, "aba", false, 264, 263); /* "ba" is worth most, then "▁a" */
    EXPECT(vocab, "b", false, 259, 261);
    EXPECT(vocab, "zb", false, 259, 266);
    EXPECT(vocab, "z", false, 259, BYTES + 'z');
    EXPECT(vocab, "é", false, 259, BYTES + 0xC3, BYTES + 0xA9);
    EXPECT(vocab, "\xC3", false, 259, BYTES + 0xC3);
    EXPECT(vocab, "<s>", true, 1);
    EXPECT(vocab, "a<s>a", true, 264, 1, 264); /* a space in front of each text */
    EXPECT(vocab, "<0x0A>", false, 259, BYTES + '<', BYTES + '0', BYTES + 'x', BYTES + '0',
           BYTES + 'A', BYTES + '>');
    ck_assert_int_eq(kernel_vocab_bos(vocab), 1);
    ck_assert_int_eq(kernel_vocab_eos(vocab), 2);
    ck_assert(kernel_vocab_is_end(vocab, 2));
    kernel_vocab_destroy(vocab);
}

TEST(a_space_in_front_only_where_the_file_wants_one)
{
    static struct pieces pieces;
    byte_pieces(&pieces);
    piece(&pieces, "▁", -9, 1);
    struct vocab_file file = {.at = NULL};
    pieces_file(&pieces, &file);
    vocab_file_bool(&file, "tokenizer.ggml.add_space_prefix", false);
    struct kernel_vocab *vocab = made(&file);
    EXPECT(vocab, "z", false, BYTES + 'z');
    EXPECT(vocab, " z", false, PIECES, BYTES + 'z');
    kernel_vocab_destroy(vocab);
}

/* ---- tokens to characters ---- */

static void decoded(const char *bytes, size_t length, const char *want)
{
    struct vocab_file file = {.at = NULL};
    vocab_file_bpe(&file, &(struct vocab_recipe){.pre = "qwen2"});
    struct kernel_vocab *vocab = made(&file);
    struct kernel_decoder decoder = {.kept_count = 0};
    char out[256 + KERNEL_DECODE_MAX];
    size_t written = 0;
    for (size_t i = 0; i < length; i++) {
        size_t before = written;
        written += kernel_decode(vocab, &decoder, (unsigned char)bytes[i], out + written);
        for (size_t at = before, taken = 0; at < written; at += taken) { /* whole characters only */
            ck_assert_int_ge(unicode_next(out + at, written - at, &taken), 0);
        }
    }
    written += kernel_decode(vocab, &decoder, KERNEL_TOKEN_NONE, out + written);
    ck_assert_uint_eq(written, strlen(want));
    ck_assert_mem_eq(out, want, written);
    kernel_vocab_destroy(vocab);
}
#define DECODED(bytes, want) decoded(bytes, sizeof(bytes) - 1, want)

TEST(characters_come_whole_and_what_is_none_is_replaced)
{
    DECODED("Grüße, 日本 🚚", "Grüße, 日本 🚚");
    DECODED("a\x80z", "a\xEF\xBF\xBDz");
    DECODED("\xE6\x97", "\xEF\xBF\xBD"); /* cut off: one maximal subpart */
    DECODED("\xE6\x97z", "\xEF\xBF\xBDz");
    DECODED("\xF0\x9F\x9A\xE6\x97\xA5", "\xEF\xBF\xBD\xE6\x97\xA5");
    DECODED("\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"); /* a surrogate */
    DECODED("\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD");                 /* overlong */
    DECODED("\xF4\x90\x80\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
    /* The Unicode Standard 3.9, table 3-11 */
    DECODED("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41",
            "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\x41");
}

TEST(bytes_that_are_no_text_are_encoded_too)
{
    struct vocab_file file = {.at = NULL};
    vocab_file_bpe(&file, &(struct vocab_recipe){.pre = "qwen2"});
    struct kernel_vocab *vocab = made(&file);
    EXPECT(vocab, "a\x80\xF0\x9F", false, 'a', 0x80, 0xF0, 0x9F);
    kernel_vocab_destroy(vocab);
}

/* ---- what is refused ---- */

static struct vocab_file begun(void)
{
    struct vocab_file file = {.at = NULL};
    vocab_file_bpe(&file, &(struct vocab_recipe){.pre = "qwen2", .merges = merges});
    return file;
}

TEST(a_file_that_contradicts_itself_is_refused_by_field)
{
    static const int32_t one[] = {1};
    struct vocab_file file = {.at = NULL};
    vocab_file_text(&file, "tokenizer.ggml.model", "bert");
    refused(&file, KERNEL_UNSUPPORTED,
            "tokenizer.ggml.model is \"bert\": gpt2 and llama are known");

    file = (struct vocab_file){.at = NULL};
    vocab_file_text(&file, "general.name", "nothing");
    refused(&file, KERNEL_CORRUPT, "tokenizer.ggml.model: missing, or not a text");

    file = (struct vocab_file){.at = NULL};
    vocab_file_bpe(&file, &(struct vocab_recipe){.pre = "tekken"});
    refused(
        &file, KERNEL_UNSUPPORTED,
        "tokenizer.ggml.pre is \"tekken\": gpt-2, llama-bpe, qwen2 and deepseek-r1-qwen are known");

    file = (struct vocab_file){.at = NULL};
    vocab_file_bpe(&file, &(struct vocab_recipe){.pre = "qwen2",
                                                 .marks = (const char *const[]){"x", NULL},
                                                 .mark_type = 9});
    refused(&file, KERNEL_CORRUPT, "tokenizer.ggml.token_type[256]: 9, known are 1 to 6");

    file = begun();
    vocab_file_u32(&file, "tokenizer.ggml.eos_token_id", 262);
    refused(&file, KERNEL_CORRUPT, "tokenizer.ggml.eos_token_id: 262 is not one of 262 tokens");

    file = (struct vocab_file){.at = NULL};
    vocab_file_text(&file, "tokenizer.ggml.model", "gpt2");
    vocab_file_text(&file, "tokenizer.ggml.pre", "gpt-2");
    vocab_file_texts(&file, "tokenizer.ggml.tokens", (struct vocab_file_text[]){{"a", 1}, {"b", 1}},
                     2);
    vocab_file_i32s(&file, "tokenizer.ggml.token_type", one, 1);
    refused(&file, KERNEL_CORRUPT, "tokenizer.ggml.token_type: 1 entries for 2 tokens");

    file = (struct vocab_file){.at = NULL};
    vocab_file_text(&file, "tokenizer.ggml.model", "gpt2");
    vocab_file_text(&file, "tokenizer.ggml.pre", "gpt-2");
    vocab_file_texts(&file, "tokenizer.ggml.tokens", (struct vocab_file_text[]){{"a", 1}, {"b", 1}},
                     2);
    vocab_file_texts(&file, "tokenizer.ggml.merges", NULL, 0);
    refused(&file, KERNEL_CORRUPT, "tokenizer.ggml.tokens: byte 0x00 has no token");

    file = (struct vocab_file){.at = NULL};
    vocab_file_text(&file, "tokenizer.ggml.model", "llama");
    vocab_file_texts(&file, "tokenizer.ggml.tokens", (struct vocab_file_text[]){{"a", 1}, {"b", 1}},
                     2);
    vocab_file_f32s(&file, "tokenizer.ggml.scores", (float[]){1, 1.0F / 0.0F}, 2);
    refused(&file, KERNEL_CORRUPT, "tokenizer.ggml.scores[1]: not a finite number");

    file = (struct vocab_file){.at = NULL};
    vocab_file_text(&file, "tokenizer.ggml.model", "llama");
    vocab_file_texts(&file, "tokenizer.ggml.tokens", (struct vocab_file_text[]){{"a", 1}}, 1);
    vocab_file_f32s(&file, "tokenizer.ggml.scores", (float[]){1}, 1);
    refused(&file, KERNEL_CORRUPT,
            "tokenizer.ggml.tokens: <0x00> is missing, and so is tokenizer.ggml.unknown_token_id");
}

TEST(a_merge_of_no_tokens_is_refused)
{
    static const struct {
        const char *merge, *message;
    } cases[] = {
        {"qq t", "tokenizer.ggml.merges[0]: \"qq t\": its left part is no token"},
        {"t qq", "tokenizer.ggml.merges[0]: \"t qq\": its right part is no token"},
        {"t h", "tokenizer.ggml.merges[0]: \"t h\": what it makes is no token"},
        {"th", "tokenizer.ggml.merges[0]: \"th\" is not two tokens and a space"},
        {" ", "tokenizer.ggml.merges[0]: \" \" is not two tokens and a space"},
        {"", "tokenizer.ggml.merges[0]: \"\" is not two tokens and a space"},
        {"t ", "tokenizer.ggml.merges[0]: \"t \": its right part is no token"},
        {"t 日", "tokenizer.ggml.merges[0]: \"t 日\" is not two tokens and a space"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct vocab_file_text tokens[256];
        char room[256][2];
        struct vocab_file file = {.at = NULL};
        for (int byte = 0; byte < 256; byte++) {
            tokens[byte] = (struct vocab_file_text){
                room[byte], vocab_file_byte_character((unsigned char)byte, room[byte])};
        }
        vocab_file_text(&file, "tokenizer.ggml.model", "gpt2");
        vocab_file_text(&file, "tokenizer.ggml.pre", "gpt-2");
        vocab_file_texts(&file, "tokenizer.ggml.tokens", tokens, 256);
        vocab_file_texts(&file, "tokenizer.ggml.merges",
                         &(struct vocab_file_text){cases[i].merge, strlen(cases[i].merge)}, 1);
        refused(&file, KERNEL_CORRUPT, cases[i].message);
    }
}

TEST_MAIN()
