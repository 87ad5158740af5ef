/* vocab_split.c -- see vocab_split.h. */
#include "kernels/model/vocab_split.h"

#include "kernels/model/unicode.h"

enum { LINE = UNICODE_SPACE + 1, NOTHING }; /* beside unicode_kind: \r or \n; the end of the text */

/* clang-format off */
enum { O = UNICODE_OTHER, A = UNICODE_LETTER, D = UNICODE_NUMBER, S = UNICODE_SPACE, E = LINE };
static const unsigned char ascii_kind[128] = {
    O, O, O, O, O, O, O, O, O, S, E, S, S, E, O, O,  O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    S, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,  D, D, D, D, D, D, D, D, D, D, O, O, O, O, O, O,
    O, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A,  A, A, A, A, A, A, A, A, A, A, A, O, O, O, O, O,
    O, A, A, A, A, A, A, A, A, A, A, A, A, A, A, A,  A, A, A, A, A, A, A, A, A, A, A, O, O, O, O, O,
};
/* clang-format on */

struct scan {
    const char *text;
    size_t length;
};

/* The kind of the character at `at`, and where the next one begins. */
static unsigned kind_at(const struct scan *scan, size_t at, size_t *next)
{
    if (at >= scan->length) {
        *next = at;
        return NOTHING;
    }
    unsigned char byte = (unsigned char)scan->text[at];
    if (byte < 0x80) {
        *next = at + 1;
        return ascii_kind[byte];
    }
    size_t taken = 1;
    int32_t code = unicode_next(scan->text + at, scan->length - at, &taken);
    if (code < 0) {
        *next = at + 1;
        return UNICODE_OTHER;
    }
    *next = at + taken;
    return unicode_kind((uint32_t)code);
}

static bool is_space(unsigned kind)
{
    return kind == UNICODE_SPACE || kind == LINE;
}

/* Behind the characters of `kind` at `at`, at most `most` of them. */
static size_t run_of(const struct scan *scan, size_t at, unsigned kind, size_t most)
{
    size_t next = at;
    while (most-- > 0 && kind_at(scan, at, &next) == kind) {
        at = next;
    }
    return at;
}

static char lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte + ('a' - 'A')) : byte;
}

/* 's|'t|'re|'ve|'m|'ll|'d at an apostrophe: where it ends, or `at`.  Without regard to case means
 * ASCII letters: U+017F (long s), which folds to s, is a letter like others, as the engines take it
 * whose texts are the reference. */
static size_t contraction(const struct scan *scan, size_t at, bool any_case)
{
    size_t left = scan->length - at;
    const char *text = scan->text + at;
    if (left < 2 || text[0] != '\'') {
        return at;
    }
    char one = any_case ? lower(text[1]) : text[1];
    if (one == 's' || one == 't' || one == 'm' || one == 'd') {
        return at + 2;
    }
    if (left < 3) {
        return at;
    }
    char two = any_case ? lower(text[2]) : text[2];
    bool known =
        (one == 'r' && two == 'e') || (one == 'v' && two == 'e') || (one == 'l' && two == 'l');
    return known ? at + 3 : at;
}

/* \s+(?!\S)|\s+ at white space: all of it at the end of the text, otherwise all but its last
 * character, which goes with what follows; but at least one. */
static size_t white_space(const struct scan *scan, size_t at)
{
    size_t next = at;
    size_t last = at; /* where the last one begins */
    size_t end = at;
    while (is_space(kind_at(scan, end, &next))) {
        last = end;
        end = next;
    }
    return end == scan->length || last == at ? end : last;
}

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
static size_t next_gpt2(const struct scan *scan, size_t at)
{
    size_t end = contraction(scan, at, false);
    if (end > at) {
        return end;
    }
    size_t next = at;
    size_t start = scan->text[at] == ' ' ? at + 1 : at;
    unsigned kind = kind_at(scan, start, &next);
    if (kind == UNICODE_LETTER || kind == UNICODE_NUMBER || kind == UNICODE_OTHER) {
        return run_of(scan, start, kind, SIZE_MAX);
    }
    return white_space(scan, at);
}

/* (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n]*
 * |\s*[\r\n]+|\s+(?!\S)|\s+ */
static size_t next_llama3(const struct scan *scan, size_t at, size_t digits)
{
    size_t end = contraction(scan, at, true);
    if (end > at) {
        return end;
    }
    size_t next = at;
    size_t behind = at;
    unsigned kind = kind_at(scan, at, &next);
    if (kind == UNICODE_LETTER) {
        return run_of(scan, at, UNICODE_LETTER, SIZE_MAX);
    }
    if (kind == UNICODE_NUMBER) {
        return run_of(scan, at, UNICODE_NUMBER, digits);
    }
    if (kind != LINE && kind_at(scan, next, &behind) == UNICODE_LETTER) {
        return run_of(scan, next, UNICODE_LETTER, SIZE_MAX);
    }
    size_t start = scan->text[at] == ' ' ? at + 1 : at;
    if (kind_at(scan, start, &next) == UNICODE_OTHER) {
        return run_of(scan, run_of(scan, start, UNICODE_OTHER, SIZE_MAX), LINE, SIZE_MAX);
    }
    size_t line_end = at; /* behind the last \r or \n of this white space */
    for (size_t i = at; is_space(kind = kind_at(scan, i, &next)); i = next) {
        if (kind == LINE) {
            line_end = next;
        }
    }
    return line_end > at ? line_end : white_space(scan, at);
}

size_t vocab_split_next(enum vocab_split split, const char *text, size_t length, size_t at)
{
    const struct scan scan = {text, length};
    switch (split) {
    case VOCAB_SPLIT_GPT2: return next_gpt2(&scan, at);
    case VOCAB_SPLIT_LLAMA3: return next_llama3(&scan, at, 3);
    case VOCAB_SPLIT_QWEN2: break;
    }
    return next_llama3(&scan, at, 1);
}
