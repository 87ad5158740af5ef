/* vocab_fuzz.c -- vocabularies out of hostile metadata, and hostile text through them.
 *
 * The input is a whole model file, or (so that more of them get past the reader) a recipe: a byte
 * of choices; lists of tokens with their types, of merges and a template, each ended by a NUL; the
 * rest is text.
 */
#include "kernels/model/chat.h"
#include "kernels/model/gguf.h"
#include "kernels/model/vocab.h"
#include "tests/support/vocab_file.h"

#include <stdlib.h>
#include <string.h>

enum { LIST_MAX = 200, TOKENS_MAX = 256 + LIST_MAX };
enum { WHOLE_FILE = 1, SENTENCEPIECE = 2, WITHOUT_BYTES = 4, WITH_BOS = 8, WITHOUT_TYPES = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
    if (!condition) {
        abort();
    }
}

struct input {
    const char *at, *end;
};

/* Lines up to a NUL; returns how many. */
static size_t take_list(struct input *input, struct vocab_file_text *out)
{
    size_t count = 0;
    const char *end = memchr(input->at, '\0', (size_t)(input->end - input->at));
    end = end != NULL ? end : input->end;
    for (const char *at = input->at; at < end && count < LIST_MAX;) {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        line = line != NULL ? line : end;
        out[count++] = (struct vocab_file_text){at, (size_t)(line - at)};
        at = line < end ? line + 1 : end;
    }
    input->at = end < input->end ? end + 1 : end;
    return count;
}

static void build(struct vocab_file *file, uint8_t choices, struct input *input)
{
    static const char *const pre[] = {"gpt-2", "llama-bpe", "qwen2", "deepseek-r1-qwen"};
    struct vocab_file_text tokens[TOKENS_MAX];
    struct vocab_file_text merges[LIST_MAX];
    struct vocab_file_text template[LIST_MAX];
    char bytes[256][8];
    int32_t types[TOKENS_MAX];
    float scores[TOKENS_MAX];
    size_t count = 0;
    for (; count < 256 && (choices & WITHOUT_BYTES) == 0; count++) {
        static const char digits[] = "0123456789ABCDEF";
        tokens[count] = (struct vocab_file_text){bytes[count], 6};
        types[count] = (choices & SENTENCEPIECE) != 0 ? 6 : 1;
        if ((choices & SENTENCEPIECE) != 0) {
            memcpy(bytes[count], "<0x00>", 6);
            bytes[count][3] = digits[count >> 4];
            bytes[count][4] = digits[count & 15];
        } else {
            tokens[count].length = vocab_file_byte_character((uint8_t)count, bytes[count]);
        }
    }
    size_t own = take_list(input, tokens + count);
    for (size_t i = count; i < count + own; i++) { /* "4text": its type, its text */
        types[i] = 1;
        if (tokens[i].length > 0 && tokens[i].at[0] >= '0' && tokens[i].at[0] <= '9') {
            types[i] = tokens[i].at[0] - '0';
            tokens[i].at++;
            tokens[i].length--;
        }
    }
    count += own;
    for (size_t i = 0; i < count; i++) {
        scores[i] = (float)(tokens[i].length * 7 % 5) - (float)(i % 3);
    }
    vocab_file_text(file, "tokenizer.ggml.model",
                    (choices & SENTENCEPIECE) != 0 ? "llama" : "gpt2");
    vocab_file_text(file, "tokenizer.ggml.pre", pre[choices >> 6]);
    vocab_file_texts(file, "tokenizer.ggml.tokens", tokens, count);
    vocab_file_f32s(file, "tokenizer.ggml.scores", scores, count);
    if ((choices & WITHOUT_TYPES) == 0) {
        vocab_file_i32s(file, "tokenizer.ggml.token_type", types, count);
    }
    vocab_file_texts(file, "tokenizer.ggml.merges", merges, take_list(input, merges));
    vocab_file_u32(file, "tokenizer.ggml.eos_token_id", (uint32_t)count - 1);
    if ((choices & WITH_BOS) != 0) {
        vocab_file_u32(file, "tokenizer.ggml.bos_token_id", 1);
        vocab_file_bool(file, "tokenizer.ggml.add_bos_token", true);
    }
    if (take_list(input, template) > 0) {
        char text[256];
        size_t length = template[0].length < sizeof text ? template[0].length : sizeof text - 1;
        memcpy(text, template[0].at, length);
        text[length] = '\0';
        vocab_file_text(file, "tokenizer.chat_template", text);
    }
}

/* Every token is one, decodes within the room, and of plain text none is special. */
static void walk(const struct kernel_vocab *vocab, const struct kernel_tokens *tokens, bool plain)
{
    static char out[KERNEL_DECODE_MAX];
    struct kernel_decoder decoder = {.kept_count = 0};
    for (uint32_t i = 0; i < tokens->count; i++) {
        int32_t token = tokens->at[i];
        need(token >= 0 && (uint32_t)token < kernel_vocab_size(vocab));
        need(kernel_decode(vocab, &decoder, token, out) <= sizeof out);
        if (plain && kernel_vocab_is_special(vocab, token)) {
            need(kernel_vocab_bytes(vocab, token).length == 0); /* <unk> for a missing byte */
        }
        kernel_vocab_is_end(vocab, token);
    }
    need(kernel_decode(vocab, &decoder, KERNEL_TOKEN_NONE, out) <= 3);
}

static void use(const struct kernel_gguf *file, const struct kernel_vocab *vocab,
                struct kernel_text text)
{
    struct kernel_error error;
    for (int specials = 0; specials < 2; specials++) {
        struct kernel_tokens tokens = {.at = NULL};
        kernel_vocab_encode(vocab, text, specials == 1, &tokens);
        walk(vocab, &tokens, specials == 0);
        free(tokens.at);
    }
    const struct kernel_chat *chat = NULL;
    if (kernel_chat_find(file, vocab, "", &chat, &error) == KERNEL_OK) {
        struct kernel_tokens tokens = {.at = NULL};
        const struct kernel_message messages[] = {{KERNEL_SYSTEM, text},
                                                  {KERNEL_ASSISTANT, text},
                                                  {KERNEL_USER, text},
                                                  {KERNEL_TOOL, text}};
        need(kernel_chat_encode(chat, vocab, messages, 4, &tokens, &error) == KERNEL_OK);
        walk(vocab, &tokens, false);
        free(tokens.at);
        free(kernel_chat_render(chat, messages, 4, true));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vocab_file made = {.at = NULL};
    struct kernel_gguf *file = NULL;
    struct kernel_vocab *vocab = NULL;
    struct kernel_error error;
    if (size < 2) {
        return 0;
    }
    struct input input = {(const char *)data + 1, (const char *)data + size};
    enum kernel_status status = KERNEL_OK;
    if ((data[0] & WHOLE_FILE) != 0) {
        status = kernel_gguf_read(data + 1, size - 1, &file, &error);
    } else {
        build(&made, data[0], &input);
        status = kernel_gguf_read(made.at, made.length, &file, &error);
    }
    if (status == KERNEL_OK && kernel_vocab_create(file, &vocab, &error) == KERNEL_OK) {
        use(file, vocab, (struct kernel_text){input.at, (size_t)(input.end - input.at)});
        kernel_vocab_destroy(vocab);
    }
    kernel_gguf_close(file);
    free(made.at);
    return 0;
}
