/* vocab_encode.c -- text to tokens: see vocab.h.
 *
 *     text --marks--> runs of text --split--> words --merge--> tokens
 *
 * Marks (tokens with a name) are looked for only where the caller asks, and where the vocabulary
 * has words of the user's own that are one token in any text.  Byte-level BPE splits with the
 * model's pre-tokenizer and begins with bytes; SentencePiece begins with characters, and splits
 * before spaces only where that cannot change anything, to keep words short.
 */
#include "kernels/model/vocab_inner.h"

#include "kernels/base/fail.h"
#include "kernels/model/unicode.h"
#include "kernels/model/vocab_merge.h"

#include <stdlib.h>

enum { FIRST_TOKENS = 64 };

void kernel_tokens_push(struct kernel_tokens *tokens, int32_t token)
{
    if (tokens->count == tokens->room) {
        tokens->room = tokens->room == 0 ? FIRST_TOKENS : tokens->room * 2;
        tokens->at = kernel_resize(tokens->at, tokens->room, sizeof *tokens->at);
    }
    tokens->at[tokens->count++] = token;
}

/* ---- byte-level BPE ---- */

static void encode_bpe(const struct kernel_vocab *vocab, struct kernel_text text,
                       struct vocab_word *word, struct kernel_tokens *out)
{
    for (size_t at = 0, end = 0; at < text.length; at = end) {
        end = vocab_split_next(vocab->split, text.bytes, text.length, at);
        if (vocab->whole_words && end - at <= KERNEL_TOKEN_BYTES_MAX) {
            uint32_t token = vocab_names_get(&vocab->words, text.bytes + at, end - at);
            if (token != VOCAB_NONE && vocab->type[token] == VOCAB_NORMAL) {
                kernel_tokens_push(out, (int32_t)token);
                continue;
            }
        }
        word->count = 0;
        for (size_t i = at; i < end; i++) {
            vocab_word_push(word, vocab->byte_token[(unsigned char)text.bytes[i]], 0);
        }
        vocab_word_merge(word, &vocab->pairs);
        for (uint32_t i = 0; i < word->count; i++) {
            kernel_tokens_push(out, (int32_t)word->symbol[i].token);
        }
    }
}

/* ---- SentencePiece ---- */

static void push_bytes(const struct kernel_vocab *vocab, const char *bytes, size_t length,
                       struct kernel_tokens *out)
{
    for (size_t i = 0; i < length; i++) {
        uint32_t token = vocab->byte_token[(unsigned char)bytes[i]];
        kernel_tokens_push(out, token != VOCAB_NONE ? (int32_t)token : vocab->unknown);
    }
}

/* Merges the word of text.bytes[.., end) and appends it; characters without a token go as bytes. */
static void flush_word(const struct kernel_vocab *vocab, struct kernel_text text, size_t end,
                       struct vocab_word *word, struct kernel_tokens *out)
{
    vocab_word_merge(word, &vocab->pairs);
    for (uint32_t i = 0; i < word->count; i++) {
        struct vocab_symbol symbol = word->symbol[i];
        size_t behind = i + 1 < word->count ? word->symbol[i + 1].at : end;
        if (symbol.token < vocab->size) {
            kernel_tokens_push(out, (int32_t)symbol.token);
        } else if (behind > symbol.at) {
            push_bytes(vocab, text.bytes + symbol.at, behind - symbol.at, out);
        } else { /* the space in front that the text does not have */
            push_bytes(vocab, " ", 1, out);
        }
    }
    word->count = 0;
}

/* The number of the character at `at`, which ends at `*next`: a space and U+2581 are the same. */
static uint32_t character_at(const struct kernel_vocab *vocab, struct kernel_text text, size_t at,
                             size_t *next)
{
    unsigned char byte = (unsigned char)text.bytes[at];
    size_t taken = 1;
    if (byte < 0x80) {
        *next = at + 1;
        return vocab->character[byte];
    }
    int32_t code = unicode_next(text.bytes + at, text.length - at, &taken);
    *next = at + (code < 0 ? 1 : taken);
    if (code == 0x2581) {
        return vocab->character[' '];
    }
    return vocab_names_get(&vocab->words, text.bytes + at, *next - at);
}

static void encode_sentencepiece(const struct kernel_vocab *vocab, struct kernel_text text,
                                 struct vocab_word *word, struct kernel_tokens *out)
{
    uint32_t space = vocab->character[' '];
    bool inside = false; /* of a word: something else than spaces came */
    word->count = 0;
    if (vocab->space_prefix) {
        vocab_word_push(word, space, 0);
    }
    for (size_t at = 0, next = 0; at < text.length; at = next) {
        uint32_t token = character_at(vocab, text, at, &next);
        bool is_space = token == space && space != VOCAB_NONE;
        if (is_space && inside && vocab->words_alone) {
            flush_word(vocab, text, at, word, out);
        }
        inside = !is_space;
        vocab_word_push(word, token, (uint32_t)at);
    }
    flush_word(vocab, text, text.length, word, out);
}

/* ---- both ---- */

static void encode_run(const struct kernel_vocab *vocab, struct kernel_text text,
                       struct vocab_word *word, struct kernel_tokens *out)
{
    if (text.length == 0) {
        return;
    }
    if (vocab->kind == VOCAB_BPE) {
        encode_bpe(vocab, text, word, out);
    } else {
        encode_sentencepiece(vocab, text, word, out);
    }
}

/* The first token's name in `text` from `at` on; `specials`: also those that are marks. */
static uint32_t find_mark(const struct kernel_vocab *vocab, struct kernel_text text, size_t at,
                          bool specials, size_t *found, size_t *length)
{
    for (; at < text.length; at++) {
        if (!vocab->mark_begins[(unsigned char)text.bytes[at]]) {
            continue;
        }
        for (uint32_t i = 0; i < vocab->mark_lengths; i++) {
            *length = vocab->mark_length[i];
            if (*length > text.length - at) {
                continue;
            }
            uint32_t token = vocab_names_get(&vocab->marks, text.bytes + at, *length);
            if (token != VOCAB_NONE && (specials || !vocab_is_mark(vocab, token))) {
                *found = at;
                return token;
            }
        }
    }
    return VOCAB_NONE;
}

int32_t kernel_vocab_find_special(const struct kernel_vocab *vocab, struct kernel_text text,
                                  size_t at, size_t *found, size_t *length)
{
    uint32_t token = find_mark(vocab, text, at, true, found, length);
    return token != VOCAB_NONE ? (int32_t)token : KERNEL_TOKEN_NONE;
}

void kernel_vocab_encode(const struct kernel_vocab *vocab, struct kernel_text text, bool specials,
                         struct kernel_tokens *out)
{
    KERNEL_ASSERT(text.length < INT32_MAX);
    struct vocab_word word = {.symbol = NULL};
    size_t at = 0;
    if (specials || vocab->plain_marks) {
        size_t found = 0;
        size_t length = 0;
        uint32_t token = VOCAB_NONE;
        while ((token = find_mark(vocab, text, at, specials, &found, &length)) != VOCAB_NONE) {
            encode_run(vocab, (struct kernel_text){text.bytes + at, found - at}, &word, out);
            kernel_tokens_push(out, (int32_t)token);
            at = found + length;
        }
    }
    if (at < text.length) {
        encode_run(vocab, (struct kernel_text){text.bytes + at, text.length - at}, &word, out);
    }
    vocab_word_free(&word);
}
