/* words.c -- see words.h. */
#include "tests/support/words.h"

#include "kernels/base/fail.h"
#include "kernels/serve/spell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(struct words *words, const char *bytes, size_t length, bool special, bool end)
{
    if (words->count == words->room) {
        words->room = words->room == 0 ? 1024 : words->room * 2;
        words->tokens = kernel_resize(words->tokens, words->room, sizeof *words->tokens);
    }
    char *copy = kernel_allocate(length + 1, 1);
    memcpy(copy, bytes, length);
    words->tokens[words->count++] = (struct trie_token){{copy, length}, special, end};
}

void words_free(struct words *words)
{
    for (uint32_t i = 0; i < words->count; i++) {
        free((char *)(uintptr_t)words->tokens[i].bytes.bytes);
    }
    free(words->tokens);
    *words = (struct words){0};
}

struct kernel_trie *words_trie(const struct words *words)
{
    struct kernel_trie *trie = NULL;
    struct kernel_error error;
    KERNEL_ASSERT(trie_create(words->tokens, words->count, &trie, &error) == KERNEL_OK);
    return trie;
}

void words_make(struct words *words, uint32_t more, uint64_t seed)
{
    static const char *const parts[] = {
        "\"",    "\":",   "\",",  "\",\"",    "\":\"",    "\"}",
        "\"]",   "{\"",   "[\"",  "},{\"",    "]}",       "a",
        "b",     "c",     "foo",  "bar",      "x",        "1",
        "2",     "0",     "12",   "-",        ".",        "e",
        "true",  "false", "null", " ",        "\\",       "\\n",
        "\\u00", "d8",    "\\\"", "\xc3\xa9", "\xe2\x82", "\xf0\x9f\x98\x80",
        "\xc3",  ":",     ",",    "{",        "}",        "[",
        "]",     "T",     "Z",    "2024-0",   "@",        "\n",
        "\t",    "z",
    };
    enum { PARTS = sizeof parts / sizeof parts[0] };
    *words = (struct words){0};
    for (int byte = 0; byte < 256; byte++) {
        char one = (char)byte;
        add(words, &one, 1, false, false);
    }
    add(words, "", 0, true, true);
    add(words, "", 0, true, false);
    uint64_t random = seed * 2 + 1;
    for (uint32_t i = 0; i < more; i++) {
        char text[64];
        size_t length = 0;
        uint32_t count = 1 + (uint32_t)(words_random(&random) % 4);
        for (uint32_t k = 0; k < count; k++) {
            const char *part = parts[words_random(&random) % PARTS];
            memcpy(text + length, part, strlen(part));
            length += strlen(part);
        }
        add(words, text, length, false, false);
    }
}

/* ---- GGUF: only the list tokenizer.ggml.tokens, and its types ---- */

struct reader {
    const unsigned char *at, *end;
};

static uint64_t number(struct reader *r, size_t size)
{
    uint64_t value = 0;
    KERNEL_ASSERT((size_t)(r->end - r->at) >= size);
    memcpy(&value, r->at, size);
    r->at += size;
    return value;
}

static struct kernel_text text(struct reader *r)
{
    uint64_t length = number(r, 8);
    KERNEL_ASSERT((uint64_t)(r->end - r->at) >= length);
    struct kernel_text out = {(const char *)r->at, (size_t)length};
    r->at += length;
    return out;
}

static void skip_value(struct reader *r, uint32_t type)
{
    static const uint8_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    if (type == 8) {
        text(r);
    } else if (type == 9) {
        uint32_t inner = (uint32_t)number(r, 4);
        uint64_t count = number(r, 8);
        for (uint64_t i = 0; i < count; i++) {
            skip_value(r, inner);
        }
    } else {
        number(r, sizes[type]);
    }
}

/* Byte-level BPE writes bytes as printable characters: 0x100.. stand for those that are not. */
static size_t undo_bytes(struct kernel_text token, char *out)
{
    static const uint8_t printable[][2] = {{'!', '~'}, {0xa1, 0xac}, {0xae, 0xff}};
    uint8_t map[512] = {0};
    uint32_t next = 0x100;
    for (uint32_t byte = 0; byte < 256; byte++) {
        bool same = false;
        for (int i = 0; i < 3; i++) {
            same = same || (byte >= printable[i][0] && byte <= printable[i][1]);
        }
        map[same ? byte : next++] = (uint8_t)byte;
    }
    size_t length = 0;
    for (size_t at = 0; at < token.length;) {
        uint32_t point = spell_read_utf8(token, &at);
        out[length++] = point < 512 ? (char)map[point] : '?';
    }
    return length;
}

static void read_tokens(struct words *words, struct reader *r, struct kernel_text **names,
                        uint32_t *count)
{
    number(r, 8); /* magic, version */
    number(r, 8);
    uint64_t pairs = number(r, 8);
    for (uint64_t i = 0; i < pairs; i++) {
        struct kernel_text key = text(r);
        uint32_t type = (uint32_t)number(r, 4);
        if (key.length == 21 && memcmp(key.bytes, "tokenizer.ggml.tokens", 21) == 0) {
            number(r, 4);
            *count = (uint32_t)number(r, 8);
            *names = kernel_allocate(*count, sizeof **names);
            for (uint32_t t = 0; t < *count; t++) {
                (*names)[t] = text(r);
            }
        } else if (key.length == 25 && memcmp(key.bytes, "tokenizer.ggml.token_type", 25) == 0) {
            number(r, 4);
            uint64_t types = number(r, 8);
            char plain[4096];
            for (uint64_t t = 0; t < types && t < *count; t++) {
                bool special = number(r, 4) != 1;
                struct kernel_text name = (*names)[t];
                size_t length = special || name.length > sizeof plain ? 0 : undo_bytes(name, plain);
                add(words, plain, length, special, special && t == types - 1);
            }
        } else {
            skip_value(r, type);
        }
    }
}

bool words_read(struct words *words, const char *path)
{
    char command[512];
    *words = (struct words){0};
    snprintf(command, sizeof command, "gunzip -c '%s' 2>/dev/null", path);
    FILE *pipe = popen(command, "r");
    size_t length = 0;
    size_t room = 32u << 20;
    unsigned char *bytes = kernel_allocate(room, 1);
    size_t got = 0;
    while (pipe != NULL && (got = fread(bytes + length, 1, room - length, pipe)) > 0) {
        length += got;
    }
    if (pipe != NULL) {
        pclose(pipe);
    }
    if (length > 64) {
        struct reader reader = {bytes, bytes + length};
        struct kernel_text *names = NULL;
        uint32_t count = 0;
        read_tokens(words, &reader, &names, &count);
        free(names);
    }
    free(bytes);
    return words->count > 0;
}
