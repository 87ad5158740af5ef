/* make_vocab.c -- a vocabulary for a made model: byte-level BPE of any size.
 *
 * 256 bytes; then tokens that join two earlier ones, each with its merge, drawn so that they
 * resemble a real vocabulary in what costs time: mostly letters with and without a space in front,
 * some punctuation and digits, some other bytes; then the marks of the chatml format.  Texts are
 * written as GPT-2 writes them: a character for each byte.
 */
#include "kernels/model/make.h"

#include "kernels/base/fail.h"

#include <stdlib.h>
#include <string.h>

enum {
    BYTES = 256,
    LENGTH_MAX = 16, /* bytes of a token */
    CLASSES = 3,     /* words, signs, other bytes */
    TRIES = 32,
    NORMAL = 1, /* tokenizer.ggml.token_type */
    CONTROL = 3
};

static const char *const marks[] = {"<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>",
                                    "</think>"};
enum { MARKS = sizeof marks / sizeof marks[0], END_OF_TEXT = 0, END_OF_TURN = 2 };

static const char chatml[] =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + "
    "message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\\n' }}{% endif %}";

struct token {
    unsigned char bytes[LENGTH_MAX];
    unsigned char length;
    uint32_t left, right; /* of its merge */
};

struct made {
    struct token *tokens;
    uint32_t count;
    uint32_t *members[CLASSES]; /* tokens of a class */
    uint32_t member_count[CLASSES];
    uint32_t *slots; /* hash of bytes -> token + 1 */
    uint32_t slot_mask;
    uint64_t random;
};

static int class_of(unsigned char byte)
{
    if ((byte | 32) >= 'a' && (byte | 32) <= 'z') {
        return 0;
    }
    return byte == ' ' ? 0 : byte > ' ' && byte <= '~' ? 1 : 2;
}

static uint64_t hash(const struct token *token)
{
    uint64_t sum = 14695981039346656037U; /* FNV-1a */
    for (int i = 0; i < token->length; i++) {
        sum = (sum ^ token->bytes[i]) * 1099511628211U;
    }
    return sum;
}

/* False: there is one with these bytes. */
static bool add(struct made *made, const struct token *token, int class)
{
    uint32_t slot = (uint32_t)(hash(token) >> 20) & made->slot_mask;
    for (; made->slots[slot] != 0; slot = (slot + 1) & made->slot_mask) {
        const struct token *other = &made->tokens[made->slots[slot] - 1];
        if (other->length == token->length &&
            memcmp(other->bytes, token->bytes, token->length) == 0) {
            return false;
        }
    }
    made->tokens[made->count] = *token;
    made->members[class][made->member_count[class]++] = made->count;
    made->slots[slot] = ++made->count;
    return true;
}

/* A member of the class, early ones more often: they are short. */
static uint32_t pick(struct made *made, int class)
{
    uint64_t bits = make_random(&made->random);
    double first = (double)(bits >> 32) * 0x1p-32;
    double second = (double)(bits & UINT32_MAX) * 0x1p-32;
    return made->members[class][(uint32_t)(first * second * made->member_count[class])];
}

static bool try_to_join(struct made *made, int class)
{
    struct token token = {.left = pick(made, class), .right = pick(made, class)};
    const struct token *left = &made->tokens[token.left];
    const struct token *right = &made->tokens[token.right];
    if (left->length + right->length > LENGTH_MAX || right->bytes[0] == ' ') {
        return false;
    }
    memcpy(token.bytes, left->bytes, left->length);
    memcpy(token.bytes + left->length, right->bytes, right->length);
    token.length = (unsigned char)(left->length + right->length);
    return add(made, &token, class);
}

static void join_one(struct made *made)
{
    uint32_t chance = (uint32_t)(make_random(&made->random) % 100);
    int class = chance < 88 ? 0 : chance < 96 ? 1 : 2;
    for (int i = 0; i < TRIES; i++) {
        if (try_to_join(made, class)) {
            return;
        }
    }
    while (!try_to_join(made, 0)) { /* 16 letters: never exhausted */
    }
}

/* Bytes that GPT-2 writes as the character of the same number. */
static bool is_written_as_itself(unsigned byte)
{
    return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte != 0xad);
}

static size_t put_character(unsigned char byte, unsigned char *out)
{
    unsigned code = byte;
    if (!is_written_as_itself(byte)) { /* the others from 256 on, in their order */
        code = 256;
        for (unsigned other = 0; other < byte; other++) {
            code += !is_written_as_itself(other);
        }
    }
    if (code < 0x80) {
        out[0] = (unsigned char)code;
        return 1;
    }
    out[0] = (unsigned char)(0xc0 | code >> 6);
    out[1] = (unsigned char)(0x80 | (code & 63));
    return 2;
}

static size_t put_characters(const struct token *token, unsigned char *out)
{
    size_t length = 0;
    for (int i = 0; i < token->length; i++) {
        length += put_character(token->bytes[i], out + length);
    }
    return length;
}

static void make_tokens(struct made *made, uint32_t size)
{
    uint32_t slots = 1;
    while (slots < size * 2) {
        slots *= 2;
    }
    made->slot_mask = slots - 1;
    made->slots = kernel_allocate(slots, sizeof *made->slots);
    made->tokens = kernel_allocate(size, sizeof *made->tokens);
    for (int c = 0; c < CLASSES; c++) {
        made->members[c] = kernel_allocate(size, sizeof *made->members[c]);
    }
    for (int byte = 0; byte < BYTES; byte++) {
        struct token token = {.bytes = {(unsigned char)byte}, .length = 1};
        add(made, &token, class_of((unsigned char)byte));
    }
    while (made->count < size - MARKS) {
        join_one(made);
    }
}

static void put_lists(struct make_sink *sink, const struct made *made)
{
    unsigned char text[4 * LENGTH_MAX + 1];
    make_put_array(sink, "tokenizer.ggml.tokens", GGUF_TEXT, made->count + MARKS);
    for (uint32_t i = 0; i < made->count; i++) {
        make_put_text(sink, (const char *)text, put_characters(&made->tokens[i], text));
    }
    for (int i = 0; i < MARKS; i++) {
        make_put_text(sink, marks[i], strlen(marks[i]));
    }
    make_put_array(sink, "tokenizer.ggml.token_type", GGUF_I32, made->count + MARKS);
    for (uint32_t i = 0; i < made->count + MARKS; i++) {
        int32_t type = i < made->count ? NORMAL : CONTROL;
        make_put(sink, &type, sizeof type);
    }
    make_put_array(sink, "tokenizer.ggml.merges", GGUF_TEXT, made->count - BYTES);
    for (uint32_t i = BYTES; i < made->count; i++) {
        size_t length = put_characters(&made->tokens[made->tokens[i].left], text);
        text[length++] = ' ';
        length += put_characters(&made->tokens[made->tokens[i].right], text + length);
        make_put_text(sink, (const char *)text, length);
    }
}

static void put_id(struct make_sink *sink, const char *key, uint32_t id)
{
    make_put_key(sink, key, GGUF_U32);
    make_put(sink, &id, sizeof id);
}

uint32_t make_put_vocab(struct make_sink *sink, uint32_t size, uint64_t seed)
{
    struct made made = {.random = seed};
    KERNEL_ASSERT(size >= BYTES + MARKS);
    make_tokens(&made, size);
    make_put_key(sink, "tokenizer.ggml.model", GGUF_TEXT);
    make_put_text(sink, "gpt2", 4);
    make_put_key(sink, "tokenizer.ggml.pre", GGUF_TEXT);
    make_put_text(sink, "qwen2", 5);
    put_lists(sink, &made);
    put_id(sink, "tokenizer.ggml.bos_token_id", made.count + END_OF_TEXT);
    put_id(sink, "tokenizer.ggml.eos_token_id", made.count + END_OF_TURN);
    unsigned char no = 0;
    make_put_key(sink, "tokenizer.ggml.add_bos_token", GGUF_BOOL);
    make_put(sink, &no, sizeof no);
    make_put_key(sink, "tokenizer.chat_template", GGUF_TEXT);
    make_put_text(sink, chatml, sizeof chatml - 1);
    for (int c = 0; c < CLASSES; c++) {
        free(made.members[c]);
    }
    free(made.slots);
    free(made.tokens);
    return 9;
}
