/* kernels_vocab_shared_test.c -- real vocabularies against another engine's tokens, text by text,
 * and against what must hold of any text.  Skipped where ../shared is not beside the checkout. */
#include "tests/support/test.h"
#include "tests/support/vocab_file.h"

#include "kernels/model/gguf.h"
#include "kernels/model/vocab.h"
#include "runtime/base/json.h"

enum { TEXTS = 100, RANDOM_TEXTS = 3000, RANDOM_LENGTH = 120 };

struct opened {
    char *bytes;
    struct kernel_gguf *file;
    struct kernel_vocab *vocab;
};

static struct opened open_shared(const char *path)
{
    struct opened opened = {.bytes = NULL};
    struct kernel_error error = {.message = ""};
    size_t length = 0;
    opened.bytes = vocab_file_shared(path, &length);
    ck_assert_ptr_nonnull(opened.bytes);
    enum kernel_status status = kernel_gguf_read(opened.bytes, length, &opened.file, &error);
    ck_assert_msg(status == KERNEL_OK, "%s: %s", path, error.message);
    status = kernel_vocab_create(opened.file, &opened.vocab, &error);
    ck_assert_msg(status == KERNEL_OK, "%s: %s", path, error.message);
    return opened;
}

static void close_shared(struct opened *opened)
{
    kernel_vocab_destroy(opened->vocab);
    kernel_gguf_close(opened->file);
    free(opened->bytes);
}

static struct kernel_text text_of(const char *bytes, size_t length)
{
    return (struct kernel_text){bytes, length};
}

static void expect(const struct kernel_tokens *tokens, const int32_t *want, uint32_t count,
                   const char *text)
{
    bool same = tokens->count == count;
    for (uint32_t i = 0; i < count && same; i++) {
        same = tokens->at[i] == want[i];
    }
    if (!same) {
        printf("text: %s\nwant:", text);
        for (uint32_t i = 0; i < count; i++) {
            printf(" %d", want[i]);
        }
        printf("\ngot: ");
        for (uint32_t i = 0; i < tokens->count; i++) {
            printf(" %d", tokens->at[i]);
        }
        printf("\n");
    }
    ck_assert(same);
}

/* decode(encode(x)) == x, a token at a time; with `repaired`, what is no UTF-8 has become U+FFFD */
static void expect_round_trip(const struct kernel_vocab *vocab, const char *text, size_t length)
{
    struct kernel_tokens tokens = {.at = NULL};
    struct kernel_decoder decoder = {.kept_count = 0};
    char *out = malloc(3 * length + KERNEL_DECODE_MAX);
    size_t written = 0;
    kernel_vocab_encode(vocab, text_of(text, length), false, &tokens);
    for (uint32_t i = 0; i < tokens.count; i++) {
        ck_assert(!kernel_vocab_is_special(vocab, tokens.at[i]));
        written += kernel_decode(vocab, &decoder, tokens.at[i], out + written);
    }
    ck_assert_uint_eq(kernel_decode(vocab, &decoder, KERNEL_TOKEN_NONE, out + written), 0);
    ck_assert_msg(written == length && memcmp(out, text, length) == 0,
                  "\"%.*s\" came back \"%.*s\"", (int)length, text, (int)written, out);
    free(out);
    free(tokens.at);
}

/* PATH.inp: texts between separator lines; PATH.out: a line of tokens for each. */
static void check_official(const char *vocab_path, const char *path)
{
    static const char separator[] = "\n__ggml_vocab_test__\n";
    char name[128];
    size_t texts_length = 0;
    size_t tokens_length = 0;
    struct opened opened = open_shared(vocab_path);
    snprintf(name, sizeof name, "%s.inp", path);
    char *texts = vocab_file_shared(name, &texts_length);
    snprintf(name, sizeof name, "%s.out", path);
    char *lines = vocab_file_shared(name, &tokens_length);
    ck_assert(texts != NULL && lines != NULL);
    const char *at = texts;
    char *line = lines;
    int count = 0;
    while (line < lines + tokens_length && at <= texts + texts_length) {
        char *line_end = memchr(line, '\n', (size_t)(lines + tokens_length - line));
        char *end =
            memmem(at, (size_t)(texts + texts_length - at), separator, sizeof separator - 1);
        size_t length = (size_t)((end != NULL ? end : texts + texts_length) - at);
        int32_t want[1024];
        uint32_t wanted = 0;
        ck_assert_ptr_nonnull(line_end);
        for (char *next = line; *line_end = '\0', *next != '\0';) {
            char *behind = NULL;
            want[wanted] = (int32_t)strtol(next, &behind, 10);
            if (behind == next) {
                break;
            }
            wanted++;
            next = behind;
        }
        struct kernel_tokens tokens = {.at = NULL};
        kernel_vocab_encode(opened.vocab, text_of(at, length), false, &tokens);
        expect(&tokens, want, wanted, at);
        free(tokens.at);
        expect_round_trip(opened.vocab, at, length);
        count++;
        line = line_end + 1;
        at += length + sizeof separator - 1;
    }
    ck_assert_int_eq(count, 46);
    free(texts);
    free(lines);
    close_shared(&opened);
}

static void check_extra(const char *vocab_path, const char *name)
{
    size_t length = 0;
    struct opened opened = open_shared(vocab_path);
    char *bytes = vocab_file_shared("tok/extra.json", &length);
    json_error_t error;
    json_t *root = json_loadb(bytes, length, JSON_ALLOW_NUL, &error);
    ck_assert_msg(root != NULL, "%s", error.text);
    size_t index = 0;
    json_t *one = NULL;
    json_array_foreach(json_object_get(root, "cases"), index, one)
    {
        json_t *text = json_object_get(one, "text");
        struct kernel_text input = text_of(json_string_value(text), json_string_length(text));
        for (int specials = 0; specials < 2; specials++) {
            json_t *ids =
                json_object_get(json_object_get(one, name), specials ? "special" : "plain");
            int32_t want[1024];
            uint32_t wanted = 0;
            size_t i = 0;
            json_t *id = NULL;
            json_array_foreach(ids, i, id)
            {
                want[wanted++] = (int32_t)json_integer_value(id);
            }
            struct kernel_tokens tokens = {.at = NULL};
            if (specials && kernel_vocab_bos(opened.vocab) != KERNEL_TOKEN_NONE) {
                kernel_tokens_push(&tokens, kernel_vocab_bos(opened.vocab));
            }
            kernel_vocab_encode(opened.vocab, input, specials, &tokens);
            expect(&tokens, want, wanted, input.bytes);
            free(tokens.at);
        }
        expect_round_trip(opened.vocab, input.bytes, input.length);
    }
    ck_assert_uint_ge(index, 20);
    json_decref(root);
    free(bytes);
    close_shared(&opened);
}

#define QWEN2     "vocab/vocab-qwen2.gguf.gz"
#define LLAMA_BPE "vocab/vocab-llama-bpe.gguf.gz"
#define LLAMA_SPM "vocab/ggml-vocab-llama-spm.gguf.gz"

TEST(qwen2_reads_texts_as_it_was_taught)
{
    check_official(QWEN2, "tok/ggml-vocab-qwen2.gguf");
    check_extra(QWEN2, "qwen2");
}

TEST(llama_bpe_reads_texts_as_it_was_taught)
{
    check_official(LLAMA_BPE, "tok/ggml-vocab-llama-bpe.gguf");
    check_extra(LLAMA_BPE, "llama-bpe");
}

TEST(llama_spm_reads_texts_as_it_was_taught)
{
    check_official(LLAMA_SPM, "tok/ggml-vocab-llama-spm.gguf");
    check_extra(LLAMA_SPM, "llama-spm");
}

/* ---- of any text ---- */

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static size_t put_character(uint32_t code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = length - 1; i > 0; i--) {
        out[i] = (char)(0x80U | (code & 0x3FU));
        code >>= 6;
    }
    out[0] = (char)(lead[length] | code);
    return length;
}

/* Of every plane, but often of what has rules: white space, digits, contractions, marks. */
static size_t random_text(uint64_t *state, bool sentencepiece, char *out)
{
    static const char *const pieces[] = {
        "'s",           "'LL",  " ",   "  ",       "\n",       "\r\n",         "\t", "12",
        "<|im_start|>", "</s>", "the", " invoice", "\xC2\xA0", "\xE3\x80\x80", "!?", "<0x0A>",
        "\xE6\x97\xA5", "a",    "A",   "\xC5\xBF", "'"};
    size_t length = 0;
    size_t characters = next_random(state) % RANDOM_LENGTH;
    for (size_t i = 0; i < characters; i++) {
        uint64_t chance = next_random(state);
        uint32_t code = (uint32_t)(chance >> 32) % 0x110000;
        if (chance % 3 != 0) {
            const char *piece = pieces[(chance >> 8) % (sizeof pieces / sizeof pieces[0])];
            memcpy(out + length, piece, strlen(piece));
            length += strlen(piece);
        } else if ((code < 0xD800 || code > 0xDFFF) && !(sentencepiece && code == 0x2581)) {
            length += put_character(chance % 2 == 0 ? code : code % 0x500, out + length);
        }
    }
    return length;
}

static void check_random(const char *path, bool sentencepiece)
{
    struct opened opened = open_shared(path);
    uint64_t state = 20261121;
    char text[RANDOM_LENGTH * 16];
    for (int i = 0; i < RANDOM_TEXTS; i++) {
        expect_round_trip(opened.vocab, text, random_text(&state, sentencepiece, text));
    }
    close_shared(&opened);
}

TEST(any_text_comes_back_as_it_was)
{
    check_random(QWEN2, false);
    check_random(LLAMA_BPE, false);
    check_random(LLAMA_SPM, true); /* whose space is U+2581: that one comes back as a space */
    check_random("models/tiny-llama-f32.gguf", false);
    check_random("models/tiny-qwen3-f32.gguf", false);
}

/* A word of a megabyte, of white space, of one letter, of bytes that are no text. */
TEST(hostile_megabytes_take_no_longer_than_they_should)
{
    enum { MEGABYTE = 1 << 20 };
    static const char *const paths[] = {QWEN2, LLAMA_BPE, LLAMA_SPM};
    static const char *const patterns[] = {"a",  " ", "\n ", "ab", "\xFF", "1", "\xE6\x97\xA5",
                                           "\n", "!", "'s"};
    char *text = malloc(MEGABYTE);
    for (size_t p = 0; p < 3; p++) {
        struct opened opened = open_shared(paths[p]);
        for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
            size_t length = strlen(patterns[i]);
            size_t whole = MEGABYTE / length * length;
            for (size_t at = 0; at < whole; at += length) {
                memcpy(text + at, patterns[i], length);
            }
            struct kernel_tokens tokens = {.at = NULL};
            kernel_vocab_encode(opened.vocab, text_of(text, whole), false, &tokens);
            size_t bytes = 0;
            for (uint32_t t = 0; t < tokens.count; t++) {
                bytes += kernel_vocab_bytes(opened.vocab, tokens.at[t]).length;
            }
            ck_assert(bytes == whole || bytes == whole + 1); /* SentencePiece: the space in front */
            free(tokens.at);
        }
        close_shared(&opened);
    }
    free(text);
}

TEST(padding_and_specials_are_never_sampled_and_ends_end)
{
    struct opened opened = open_shared(QWEN2);
    const struct kernel_vocab *vocab = opened.vocab;
    int32_t im_end = kernel_vocab_special(vocab, "<|im_end|>");
    ck_assert_int_eq(im_end, 151645);
    ck_assert_int_eq(kernel_vocab_special(vocab, "<|im_middle|>"), KERNEL_TOKEN_NONE);
    ck_assert(kernel_vocab_is_end(vocab, im_end));
    ck_assert(kernel_vocab_is_end(vocab, 151643)); /* <|endoftext|> */
    ck_assert(!kernel_vocab_is_end(vocab, 151644));
    ck_assert_int_eq(kernel_vocab_bos(vocab), KERNEL_TOKEN_NONE);
    ck_assert_int_eq(kernel_vocab_eos(vocab), 151645);
    ck_assert_uint_eq(kernel_vocab_size(vocab), 151936);
    for (int32_t i = 0; i < 151936; i++) {
        ck_assert(kernel_vocab_is_special(vocab, i) == (i >= 151643));
        ck_assert((kernel_vocab_bytes(vocab, i).length == 0) == (i >= 151643));
    }
    close_shared(&opened);
}

static bool is_there(void)
{
    size_t length = 0;
    char *bytes = vocab_file_shared("tok/extra.json", &length);
    free(bytes);
    return bytes != NULL;
}

int main(int argc, char **argv)
{
    if (!is_there()) {
        printf("skipped: no ../shared/data/llm beside the checkout\n");
        return TEST_SKIP_STATUS;
    }
    return test_main(argc, argv);
}
