/* vocab_file.c -- see vocab_file.h. */
#include "tests/support/vocab_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { U32 = 4, I32 = 5, F32 = 6, BOOL = 7, TEXT = 8, LIST = 9, HEADER = 24 };

char *vocab_file_shared(const char *path, size_t *length)
{
    char whole[256];
    snprintf(whole, sizeof whole, "../shared/data/llm/%s", path);
    gzFile file = gzopen(whole, "rb"); /* reads what is not gzipped as it is */
    if (file == NULL) {
        return NULL;
    }
    size_t room = 1 << 20;
    char *bytes = malloc(room);
    int got = 0;
    *length = 0;
    while ((got = gzread(file, bytes + *length, (unsigned)(room - *length))) > 0) {
        *length += (size_t)got;
        if (*length == room) {
            room *= 2;
            bytes = realloc(bytes, room);
        }
    }
    gzclose(file);
    return bytes;
}

static void put(struct vocab_file *file, const void *bytes, size_t length)
{
    if (file->length == 0) { /* magic, version, no tensors, the number of keys */
        static const unsigned char header[HEADER] = {'G', 'G', 'U', 'F', 3};
        file->room = 4096;
        file->at = malloc(file->room);
        memcpy(file->at, header, HEADER);
        file->length = HEADER;
    }
    if (file->room - file->length < length) {
        file->room = 2 * (file->length + length);
        file->at = realloc(file->at, file->room);
    }
    if (length > 0) {
        memcpy(file->at + file->length, bytes, length);
        file->length += length;
    }
}

static void put_u32(struct vocab_file *file, uint32_t number)
{
    put(file, &number, sizeof number);
}

static void put_text(struct vocab_file *file, const char *text, size_t length)
{
    uint64_t count = length;
    put(file, &count, sizeof count);
    put(file, text, length);
}

static void begin(struct vocab_file *file, const char *key, uint32_t type)
{
    put_text(file, key, strlen(key));
    put_u32(file, type);
    file->keys++;
    memcpy(file->at + 16, &file->keys, sizeof file->keys);
}

static void begin_list(struct vocab_file *file, const char *key, uint32_t type, size_t count)
{
    uint64_t long_count = count;
    begin(file, key, LIST);
    put_u32(file, type);
    put(file, &long_count, sizeof long_count);
}

void vocab_file_text(struct vocab_file *file, const char *key, const char *text)
{
    begin(file, key, TEXT);
    put_text(file, text, strlen(text));
}

void vocab_file_u32(struct vocab_file *file, const char *key, uint32_t number)
{
    begin(file, key, U32);
    put_u32(file, number);
}

void vocab_file_bool(struct vocab_file *file, const char *key, bool value)
{
    unsigned char byte = value;
    begin(file, key, BOOL);
    put(file, &byte, 1);
}

void vocab_file_texts(struct vocab_file *file, const char *key, const struct vocab_file_text *texts,
                      size_t count)
{
    begin_list(file, key, TEXT, count);
    for (size_t i = 0; i < count; i++) {
        put_text(file, texts[i].at, texts[i].length);
    }
}

void vocab_file_i32s(struct vocab_file *file, const char *key, const int32_t *numbers, size_t count)
{
    begin_list(file, key, I32, count);
    put(file, numbers, count * sizeof *numbers);
}

void vocab_file_f32s(struct vocab_file *file, const char *key, const float *numbers, size_t count)
{
    begin_list(file, key, F32, count);
    put(file, numbers, count * sizeof *numbers);
}

size_t vocab_file_byte_character(unsigned char byte, char out[2])
{
    unsigned code = byte;
    if (byte <= 32) {
        code = 256U + byte;
    } else if (byte >= 127 && byte <= 160) {
        code = 256U + 33U + (byte - 127U);
    } else if (byte == 173) {
        code = 256U + 33U + 34U;
    }
    if (code < 128) {
        out[0] = (char)code;
        return 1;
    }
    out[0] = (char)(0xC0U | code >> 6);
    out[1] = (char)(0x80U | (code & 0x3FU));
    return 2;
}

void vocab_file_bpe(struct vocab_file *file, const struct vocab_recipe *recipe)
{
    enum { MOST = 512, ROOM = 64 };
    struct vocab_file_text tokens[MOST];
    struct vocab_file_text merges[MOST];
    int32_t types[MOST];
    static char room[MOST][ROOM];
    size_t count = 0;
    size_t merge_count = 0;
    for (; count < 256; count++) {
        size_t length = vocab_file_byte_character((unsigned char)count, room[count]);
        tokens[count] = (struct vocab_file_text){room[count], length};
        types[count] = 1;
    }
    for (; recipe->merges != NULL && recipe->merges[merge_count] != NULL; merge_count++) {
        const char *merge = recipe->merges[merge_count];
        size_t left = (size_t)(strchr(merge, ' ') - merge);
        memcpy(room[count], merge, left);
        memcpy(room[count] + left, merge + left + 1, strlen(merge) - left - 1);
        merges[merge_count] = (struct vocab_file_text){merge, strlen(merge)};
        tokens[count] = (struct vocab_file_text){room[count], strlen(merge) - 1};
        types[count++] = 1;
    }
    for (size_t i = 0; recipe->marks != NULL && recipe->marks[i] != NULL; i++) {
        tokens[count] = (struct vocab_file_text){recipe->marks[i], strlen(recipe->marks[i])};
        types[count++] = recipe->mark_type;
    }
    vocab_file_text(file, "tokenizer.ggml.model", "gpt2");
    vocab_file_text(file, "tokenizer.ggml.pre", recipe->pre);
    vocab_file_texts(file, "tokenizer.ggml.tokens", tokens, count);
    vocab_file_i32s(file, "tokenizer.ggml.token_type", types, count);
    vocab_file_texts(file, "tokenizer.ggml.merges", merges, merge_count);
}
