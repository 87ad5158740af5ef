/* vocab.c -- a vocabulary out of a file's metadata: see vocab.h.
 *
 * In this order: model and pre-tokenizer, the lists and their counts, the tokens' bytes, what text
 * may become, the merges, the tokens with a role.  Nothing in the file is believed; an error names
 * the field and, of a list, the index.
 *
 * Where a file is silent, what is true of all models of its kind holds, as llama.cpp has it:
 * SentencePiece, llama-bpe and deepseek-r1-qwen put a BOS in front, gpt-2 and qwen2 do not.
 */
#include "kernels/model/vocab_inner.h"

#include "kernels/base/fail.h"
#include "kernels/model/gguf.h"
#include "kernels/model/unicode.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    TOKENS_MAX = 1 << 21,      /* the largest vocabularies have 2^18 */
    MERGES_MAX = 1 << 22,      /* of Llama 3: 280,147 */
    TEXT_BYTES_MAX = 16 << 20, /* of all tokens; Qwen 2: 1.1 MB */
    BYTE_CHARACTERS = 324      /* GPT-2 writes bytes as characters below this */
};

#define KEY "tokenizer.ggml."

/* ---- the parts of a file ---- */

struct source {
    const struct kernel_gguf *file;
    struct kernel_vocab *vocab;
    struct kernel_error *error;
    int16_t byte_of[BYTE_CHARACTERS]; /* GPT-2's character to byte; -1: none */
};

/* For messages: texts out of a file are cut to what a person wants to see of them. */
static int shown(struct kernel_text text)
{
    return text.length < 40 ? (int)text.length : 40;
}

static enum kernel_status count_of(struct source *source, const char *key, uint64_t most,
                                   uint64_t *count)
{
    if (!kernel_gguf_array(source->file, key, count)) {
        return kernel_fail(source->error, KERNEL_CORRUPT, "%s: missing, or not a list", key);
    }
    if (*count > most) {
        return kernel_fail(source->error, KERNEL_LIMIT,
                           "%s: %" PRIu64 " entries, at most %" PRIu64 " are taken", key, *count,
                           most);
    }
    return KERNEL_OK;
}

static enum kernel_status same_count(struct source *source, const char *key)
{
    uint64_t count = 0;
    enum kernel_status status = count_of(source, key, TOKENS_MAX, &count);
    if (status == KERNEL_OK && count != source->vocab->size) {
        status = kernel_fail(source->error, KERNEL_CORRUPT,
                             "%s: %" PRIu64 " entries for %" PRIu32 " tokens", key, count,
                             source->vocab->size);
    }
    return status;
}

/* ---- model and pre-tokenizer ---- */

static const struct pre_tokenizer {
    const char *name;
    enum vocab_split split;
    bool whole_words, add_bos;
} pre_tokenizers[] = {
    {"gpt-2", VOCAB_SPLIT_GPT2, false, false},
    {"llama-bpe", VOCAB_SPLIT_LLAMA3, true, true},
    {"qwen2", VOCAB_SPLIT_QWEN2, false, false},
    {"deepseek-r1-qwen", VOCAB_SPLIT_QWEN2, false, true},
};

static bool text_is(struct kernel_text text, const char *name)
{
    return text.length == strlen(name) && memcmp(text.bytes, name, text.length) == 0;
}

static enum kernel_status read_kind(struct source *source)
{
    struct kernel_vocab *vocab = source->vocab;
    struct kernel_text model = {.bytes = "", .length = 0};
    struct kernel_text pre = {.bytes = "", .length = 0};
    if (!kernel_gguf_text(source->file, KEY "model", &model)) {
        return kernel_fail(source->error, KERNEL_CORRUPT, KEY "model: missing, or not a text");
    }
    vocab->space_prefix = text_is(model, "llama");
    if (text_is(model, "llama")) {
        vocab->kind = VOCAB_SENTENCEPIECE;
        vocab->add_bos = true;
        kernel_gguf_bool(source->file, KEY "add_space_prefix", &vocab->space_prefix);
    } else if (!text_is(model, "gpt2")) {
        return kernel_fail(source->error, KERNEL_UNSUPPORTED,
                           KEY "model is \"%.*s\": gpt2 and llama are known", shown(model),
                           model.bytes);
    } else {
        const struct pre_tokenizer *found = NULL;
        kernel_gguf_text(source->file, KEY "pre", &pre);
        for (size_t i = 0; i < sizeof pre_tokenizers / sizeof pre_tokenizers[0]; i++) {
            found = text_is(pre, pre_tokenizers[i].name) ? &pre_tokenizers[i] : found;
        }
        if (found == NULL) {
            return kernel_fail(source->error, KERNEL_UNSUPPORTED,
                               KEY "pre is \"%.*s\": gpt-2, llama-bpe, qwen2 and "
                                   "deepseek-r1-qwen are known",
                               shown(pre), pre.bytes);
        }
        vocab->split = found->split;
        vocab->whole_words = found->whole_words;
        vocab->add_bos = found->add_bos;
    }
    kernel_gguf_bool(source->file, KEY "add_bos_token", &vocab->add_bos);
    return KERNEL_OK;
}

/* ---- types ---- */

/* These end an answer wherever they are found; files that call them ordinary are mistaken. */
static const char *const end_names[] = {
    "<|im_end|>",      "<|endoftext|>", "<|eot_id|>",    "<|eom_id|>",
    "<|end_of_text|>", "<|end|>",       "<end_of_turn>", "<｜end▁of▁sentence｜>",
};

static bool is_end_name(struct kernel_text text)
{
    for (size_t i = 0; i < sizeof end_names / sizeof end_names[0]; i++) {
        if (text_is(text, end_names[i])) {
            return true;
        }
    }
    return false;
}

static enum kernel_status read_types(struct source *source)
{
    struct kernel_vocab *vocab = source->vocab;
    uint64_t count = 0;
    bool given = kernel_gguf_array(source->file, KEY "token_type", &count);
    enum kernel_status status = given ? same_count(source, KEY "token_type") : KERNEL_OK;
    for (uint32_t i = 0; i < vocab->size && status == KERNEL_OK; i++) {
        int32_t type = VOCAB_NORMAL;
        struct kernel_text text = {.bytes = "", .length = 0};
        if (given && (!kernel_gguf_i32_at(source->file, KEY "token_type", i, &type) ||
                      type < VOCAB_NORMAL || type > VOCAB_BYTE)) {
            status =
                kernel_fail(source->error, KERNEL_CORRUPT,
                            KEY "token_type[%" PRIu32 "]: %" PRId32 ", known are 1 to 6", i, type);
        } else if (!kernel_gguf_text_at(source->file, KEY "tokens", i, &text)) {
            status = kernel_fail(source->error, KERNEL_CORRUPT,
                                 KEY "tokens[%" PRIu32 "]: not a text", i);
        } else if (is_end_name(text)) {
            vocab->type[i] = VOCAB_CONTROL;
            vocab->end[i] = true;
        } else {
            vocab->type[i] = (uint8_t)type;
        }
    }
    return status;
}

/* ---- bytes ---- */

/* GPT-2 writes printable bytes as themselves and the others as 256, 257, ... in their order. */
static void byte_characters(int16_t byte_of[BYTE_CHARACTERS])
{
    int other = 256;
    for (int i = 0; i < BYTE_CHARACTERS; i++) {
        byte_of[i] = -1;
    }
    for (int byte = 0; byte < 256; byte++) {
        bool itself =
            (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
        byte_of[itself ? byte : other++] = (int16_t)byte;
    }
}

/* Into `out` (room for text.length); false: it has characters that stand for no byte. */
static bool bytes_of_characters(const struct source *source, struct kernel_text text, char *out,
                                size_t *length)
{
    *length = 0;
    for (size_t at = 0, taken = 0; at < text.length; at += taken) {
        int32_t code = unicode_next(text.bytes + at, text.length - at, &taken);
        if (code < 0 || code >= BYTE_CHARACTERS || source->byte_of[code] < 0) {
            return false;
        }
        out[(*length)++] = (char)source->byte_of[code];
    }
    return true;
}

/* "<0x0A>" to 10; -1: not so. */
static int byte_named(struct kernel_text text)
{
    static const char digits[] = "0123456789ABCDEF";
    if (text.length != 6 || memcmp(text.bytes, "<0x", 3) != 0 || text.bytes[5] != '>') {
        return -1;
    }
    const char *high = memchr(digits, text.bytes[3], 16);
    const char *low = memchr(digits, text.bytes[4], 16);
    return high != NULL && low != NULL ? (int)(high - digits) * 16 + (int)(low - digits) : -1;
}

/* U+2581 to spaces. */
static size_t bytes_of_spaces(struct kernel_text text, char *out)
{
    size_t length = 0;
    for (size_t at = 0; at < text.length; at++) {
        if (text.length - at >= 3 && memcmp(text.bytes + at, "\xE2\x96\x81", 3) == 0) {
            out[length++] = ' ';
            at += 2;
        } else {
            out[length++] = text.bytes[at];
        }
    }
    return length;
}

static enum kernel_status read_token(struct source *source, uint32_t i, struct kernel_text text)
{
    struct kernel_vocab *vocab = source->vocab;
    char *out = vocab->text + vocab->offset[i];
    size_t length = text.length;
    int byte = -1;
    if (vocab->type[i] == VOCAB_BYTE && (byte = byte_named(text)) < 0) {
        return kernel_fail(source->error, KERNEL_CORRUPT,
                           KEY "tokens[%" PRIu32 "]: \"%.*s\" is no byte such as <0x0A>", i,
                           shown(text), text.bytes);
    }
    if (byte >= 0) {
        *out = (char)byte;
        length = 1;
        vocab->byte_token[byte] = i;
    } else if (vocab->kind == VOCAB_BPE && vocab->type[i] == VOCAB_NORMAL) {
        if (!bytes_of_characters(source, text, out, &length)) {
            vocab->type[i] = VOCAB_USER_DEFINED; /* what no merge makes is a text of its own */
            length = text.length;
            memcpy(out, text.bytes, text.length);
        } else if (length == 1) {
            vocab->byte_token[(unsigned char)*out] = i;
        }
    } else if (vocab->kind == VOCAB_SENTENCEPIECE &&
               (vocab->type[i] == VOCAB_NORMAL || vocab->type[i] == VOCAB_USER_DEFINED)) {
        length = bytes_of_spaces(text, out);
    } else {
        memcpy(out, text.bytes, text.length);
    }
    vocab->offset[i + 1] = vocab->offset[i] + (uint32_t)length;
    return KERNEL_OK;
}

static enum kernel_status read_tokens(struct source *source)
{
    struct kernel_vocab *vocab = source->vocab;
    struct kernel_text text = {.bytes = "", .length = 0};
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < vocab->size; i++) {
        kernel_gguf_text_at(source->file, KEY "tokens", i, &text); /* is one: read_types */
        if (text.length > KERNEL_TOKEN_BYTES_MAX) {
            return kernel_fail(source->error, KERNEL_LIMIT,
                               KEY "tokens[%" PRIu32 "]: %zu bytes, at most %d are taken", i,
                               text.length, KERNEL_TOKEN_BYTES_MAX);
        }
        bytes += text.length;
    }
    if (bytes > TEXT_BYTES_MAX) {
        return kernel_fail(source->error, KERNEL_LIMIT,
                           KEY "tokens: %" PRIu64 " bytes, at most %d are taken", bytes,
                           TEXT_BYTES_MAX);
    }
    vocab->text = kernel_allocate(bytes + 1, 1);
    enum kernel_status status = KERNEL_OK;
    for (uint32_t i = 0; i < vocab->size && status == KERNEL_OK; i++) {
        kernel_gguf_text_at(source->file, KEY "tokens", i, &text);
        status = read_token(source, i, text);
    }
    return status;
}

/* ---- names: what text may become, and what it may not ---- */

static struct kernel_text text_of(const struct kernel_vocab *vocab, uint32_t token)
{
    return (struct kernel_text){vocab->text + vocab->offset[token],
                                vocab->offset[token + 1] - vocab->offset[token]};
}

/* A user-defined token is a mark of a format where it looks like one ("<think>", "[INST]");
 * otherwise it is text of its own kind (runs of spaces, words of a trade). */
bool vocab_is_mark(const struct kernel_vocab *vocab, uint32_t token)
{
    struct kernel_text text = text_of(vocab, token);
    switch ((enum vocab_type)vocab->type[token]) {
    case VOCAB_CONTROL:
    case VOCAB_UNKNOWN: return true;
    case VOCAB_USER_DEFINED: break;
    case VOCAB_NORMAL:
    case VOCAB_UNUSED:
    case VOCAB_BYTE: return false;
    }
    char first = text.length > 0 ? text.bytes[0] : ' ';
    char last = text.length > 0 ? text.bytes[text.length - 1] : ' ';
    return (first == '<' && last == '>') || (first == '[' && last == ']');
}

static void name_tokens(struct kernel_vocab *vocab)
{
    bool has_length[KERNEL_TOKEN_BYTES_MAX + 1] = {false};
    for (uint32_t i = 0; i < vocab->size; i++) {
        struct kernel_text text = text_of(vocab, i);
        if (text.length == 0) {
            continue;
        }
        if (vocab->type[i] == VOCAB_NORMAL ||
            (vocab->type[i] == VOCAB_USER_DEFINED && !vocab_is_mark(vocab, i))) {
            vocab_names_put(&vocab->words, text.bytes, text.length, i);
        }
        if (vocab->type[i] == VOCAB_CONTROL || vocab->type[i] == VOCAB_UNKNOWN ||
            vocab->type[i] == VOCAB_USER_DEFINED) {
            vocab_names_put(&vocab->marks, text.bytes, text.length, i);
            vocab->mark_begins[(unsigned char)text.bytes[0]] = true;
            vocab->plain_marks = vocab->plain_marks || !vocab_is_mark(vocab, i);
            has_length[text.length] = true;
        }
    }
    vocab->mark_length = kernel_allocate(KERNEL_TOKEN_BYTES_MAX, sizeof *vocab->mark_length);
    for (uint32_t length = KERNEL_TOKEN_BYTES_MAX; length > 0; length--) {
        if (has_length[length]) {
            vocab->mark_length[vocab->mark_lengths++] = length;
        }
    }
}

/* ---- merges ---- */

static enum kernel_status read_merge(struct source *source, uint32_t i)
{
    struct kernel_vocab *vocab = source->vocab;
    struct kernel_text text = {.bytes = "", .length = 0};
    char both[2 * KERNEL_TOKEN_BYTES_MAX + 1];
    if (!kernel_gguf_text_at(source->file, KEY "merges", i, &text)) {
        return kernel_fail(source->error, KERNEL_CORRUPT, KEY "merges[%" PRIu32 "]: not a text", i);
    }
    const char *space = text.length > 1 ? memchr(text.bytes + 1, ' ', text.length - 1) : NULL;
    size_t left = 0;
    size_t right = 0;
    if (space == NULL || text.length > sizeof both ||
        !bytes_of_characters(source, (struct kernel_text){text.bytes, (size_t)(space - text.bytes)},
                             both, &left) ||
        !bytes_of_characters(
            source, (struct kernel_text){space + 1, text.length - (size_t)(space - text.bytes) - 1},
            both + left, &right)) {
        return kernel_fail(source->error, KERNEL_CORRUPT,
                           KEY "merges[%" PRIu32 "]: \"%.*s\" is not two tokens and a space", i,
                           shown(text), text.bytes);
    }
    struct vocab_pair pair = {
        .left = vocab_names_get(&vocab->words, both, left),
        .right = vocab_names_get(&vocab->words, both + left, right),
        .order = i,
        .merged = vocab_names_get(&vocab->words, both, left + right),
    };
    if (pair.left == VOCAB_NONE || pair.right == VOCAB_NONE || pair.merged == VOCAB_NONE) {
        return kernel_fail(source->error, KERNEL_CORRUPT,
                           KEY "merges[%" PRIu32 "]: \"%.*s\": %s is no token", i, shown(text),
                           text.bytes,
                           pair.left == VOCAB_NONE    ? "its left part"
                           : pair.right == VOCAB_NONE ? "its right part"
                                                      : "what it makes");
    }
    vocab_pairs_put(&vocab->pairs, &pair);
    return KERNEL_OK;
}

static enum kernel_status read_merges(struct source *source)
{
    uint64_t count = 0;
    enum kernel_status status = count_of(source, KEY "merges", MERGES_MAX, &count);
    for (uint32_t byte = 0; byte < 256 && status == KERNEL_OK; byte++) {
        if (source->vocab->byte_token[byte] == VOCAB_NONE) {
            status = kernel_fail(source->error, KERNEL_CORRUPT,
                                 KEY "tokens: byte 0x%02" PRIX32 " has no token", byte);
        }
    }
    for (uint32_t i = 0; i < count && status == KERNEL_OK; i++) {
        status = read_merge(source, i);
    }
    return status;
}

/* ---- SentencePiece: every cut of a token in two that are tokens is a merge, its order the
 * token's score ---- */

static size_t character_length(struct kernel_text text, size_t at)
{
    size_t taken = 1;
    return unicode_next(text.bytes + at, text.length - at, &taken) < 0 ? 1 : taken;
}

/* Ascending where scores descend. */
static uint32_t order_of(float score)
{
    uint32_t bits = 0;
    score = 0.0F - score; /* and no -0 */
    memcpy(&bits, &score, sizeof bits);
    return bits & 0x80000000U ? ~bits : bits | 0x80000000U;
}

/* A character that is no token may be part of one: it gets a number behind the tokens'. */
static void number_lone_characters(struct kernel_vocab *vocab)
{
    uint32_t next = vocab->size;
    for (uint32_t i = 0; i < vocab->size; i++) {
        struct kernel_text text = text_of(vocab, i);
        if (vocab_names_get(&vocab->words, text.bytes, text.length) != i) {
            continue;
        }
        for (size_t at = 0, length = 0; at < text.length; at += length) {
            length = character_length(text, at);
            if (vocab_names_get(&vocab->words, text.bytes + at, length) == VOCAB_NONE) {
                vocab_names_put(&vocab->words, text.bytes + at, length, next++);
            }
        }
    }
    for (unsigned char byte = 0; byte < 128; byte++) {
        char character = (char)byte;
        vocab->character[byte] = vocab_names_get(&vocab->words, &character, 1);
    }
}

static enum kernel_status read_scores(struct source *source)
{
    struct kernel_vocab *vocab = source->vocab;
    enum kernel_status status = same_count(source, KEY "scores");
    if (status != KERNEL_OK) {
        return status;
    }
    number_lone_characters(vocab);
    vocab->words_alone = true;
    for (uint32_t i = 0; i < vocab->size; i++) {
        struct kernel_text text = text_of(vocab, i);
        float score = 0;
        if (!kernel_gguf_f32_at(source->file, KEY "scores", i, &score) || !isfinite(score)) {
            return kernel_fail(source->error, KERNEL_CORRUPT,
                               KEY "scores[%" PRIu32 "]: not a finite number", i);
        }
        if (vocab_names_get(&vocab->words, text.bytes, text.length) != i) {
            continue;
        }
        for (size_t at = character_length(text, 0); at < text.length;
             at += character_length(text, at)) {
            struct vocab_pair pair = {
                .left = vocab_names_get(&vocab->words, text.bytes, at),
                .right = vocab_names_get(&vocab->words, text.bytes + at, text.length - at),
                .order = order_of(score),
                .merged = i,
            };
            if (pair.left != VOCAB_NONE && pair.right != VOCAB_NONE) {
                vocab_pairs_put(&vocab->pairs, &pair);
            }
            if (text.bytes[at] == ' ' && text.bytes[at - 1] != ' ') {
                vocab->words_alone = false;
            }
        }
    }
    return KERNEL_OK;
}

/* ---- tokens with a role ---- */

/* `*token` stays as it is where the file does not say. */
static enum kernel_status read_id(struct source *source, const char *key, int32_t *token)
{
    uint32_t id = 0;
    if (!kernel_gguf_u32(source->file, key, &id)) {
        return KERNEL_OK;
    }
    if (id >= source->vocab->size) {
        return kernel_fail(source->error, KERNEL_CORRUPT,
                           "%s: %" PRIu32 " is not one of %" PRIu32 " tokens", key, id,
                           source->vocab->size);
    }
    *token = (int32_t)id;
    return KERNEL_OK;
}

static enum kernel_status read_roles(struct source *source)
{
    struct kernel_vocab *vocab = source->vocab;
    int32_t eot = KERNEL_TOKEN_NONE;
    int32_t eom = KERNEL_TOKEN_NONE;
    int32_t padding = KERNEL_TOKEN_NONE;
    struct {
        const char *key;
        int32_t *token;
        bool ends;
    } const roles[] = {
        {KEY "bos_token_id", &vocab->bos, false},  {KEY "eos_token_id", &vocab->eos, true},
        {KEY "eot_token_id", &eot, true},          {KEY "eom_token_id", &eom, true},
        {KEY "padding_token_id", &padding, false}, {KEY "unknown_token_id", &vocab->unknown, false},
    };
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        enum kernel_status status = read_id(source, roles[i].key, roles[i].token);
        if (status != KERNEL_OK) {
            return status;
        }
        if (roles[i].ends && *roles[i].token != KERNEL_TOKEN_NONE) {
            vocab->end[*roles[i].token] = true;
        }
    }
    for (uint32_t byte = 0; byte < 256 && vocab->kind == VOCAB_SENTENCEPIECE; byte++) {
        if (vocab->byte_token[byte] == VOCAB_NONE && vocab->unknown == KERNEL_TOKEN_NONE) {
            return kernel_fail(source->error, KERNEL_CORRUPT,
                               KEY "tokens: <0x%02" PRIX32 "> is missing, and so is " KEY
                                   "unknown_token_id",
                               byte);
        }
    }
    return KERNEL_OK;
}

/* ---- all of it ---- */

static enum kernel_status read_all(struct source *source)
{
    struct kernel_vocab *vocab = source->vocab;
    uint64_t count = 0;
    enum kernel_status status = read_kind(source);
    if (status == KERNEL_OK) {
        status = count_of(source, KEY "tokens", TOKENS_MAX, &count);
    }
    if (status == KERNEL_OK && count == 0) {
        status = kernel_fail(source->error, KERNEL_CORRUPT, KEY "tokens: empty");
    }
    if (status != KERNEL_OK) {
        return status;
    }
    vocab->size = (uint32_t)count;
    vocab->type = kernel_allocate(count, sizeof *vocab->type);
    vocab->end = kernel_allocate(count, sizeof *vocab->end);
    vocab->offset = kernel_allocate(count + 1, sizeof *vocab->offset);
    byte_characters(source->byte_of);
    status = read_types(source);
    if (status == KERNEL_OK) {
        status = read_tokens(source);
    }
    if (status == KERNEL_OK) {
        name_tokens(vocab);
        status = vocab->kind == VOCAB_BPE ? read_merges(source) : read_scores(source);
    }
    return status == KERNEL_OK ? read_roles(source) : status;
}

enum kernel_status kernel_vocab_create(const struct kernel_gguf *file, struct kernel_vocab **out,
                                       struct kernel_error *error)
{
    struct kernel_vocab *vocab = kernel_allocate(1, sizeof *vocab);
    vocab->bos = KERNEL_TOKEN_NONE;
    vocab->eos = KERNEL_TOKEN_NONE;
    vocab->unknown = KERNEL_TOKEN_NONE;
    for (int byte = 0; byte < 256; byte++) {
        vocab->byte_token[byte] = VOCAB_NONE;
    }
    struct source source = {.file = file, .vocab = vocab, .error = error};
    enum kernel_status status = read_all(&source);
    if (status != KERNEL_OK) {
        kernel_vocab_destroy(vocab);
        return status;
    }
    *out = vocab;
    return KERNEL_OK;
}

void kernel_vocab_destroy(struct kernel_vocab *vocab)
{
    if (vocab == NULL) {
        return;
    }
    vocab_names_free(&vocab->words);
    vocab_names_free(&vocab->marks);
    vocab_pairs_free(&vocab->pairs);
    free(vocab->mark_length);
    free(vocab->text);
    free(vocab->offset);
    free(vocab->type);
    free(vocab->end);
    free(vocab);
}

/* ---- questions ---- */

static void check_token(const struct kernel_vocab *vocab, int32_t token)
{
    KERNEL_ASSERT(token >= 0 && (uint32_t)token < vocab->size);
}

uint32_t kernel_vocab_size(const struct kernel_vocab *vocab)
{
    return vocab->size;
}

bool kernel_vocab_is_special(const struct kernel_vocab *vocab, int32_t token)
{
    check_token(vocab, token);
    uint8_t type = vocab->type[token];
    return type == VOCAB_CONTROL || type == VOCAB_UNKNOWN || type == VOCAB_UNUSED;
}

struct kernel_text kernel_vocab_bytes(const struct kernel_vocab *vocab, int32_t token)
{
    if (kernel_vocab_is_special(vocab, token)) {
        return (struct kernel_text){.bytes = "", .length = 0};
    }
    return text_of(vocab, (uint32_t)token);
}

bool kernel_vocab_is_end(const struct kernel_vocab *vocab, int32_t token)
{
    check_token(vocab, token);
    return vocab->end[token];
}

int32_t kernel_vocab_bos(const struct kernel_vocab *vocab)
{
    return vocab->add_bos ? vocab->bos : KERNEL_TOKEN_NONE;
}

int32_t kernel_vocab_eos(const struct kernel_vocab *vocab)
{
    return vocab->eos;
}

int32_t kernel_vocab_special(const struct kernel_vocab *vocab, const char *name)
{
    uint32_t token = vocab_names_get(&vocab->marks, name, strlen(name));
    return token != VOCAB_NONE ? (int32_t)token : KERNEL_TOKEN_NONE;
}
