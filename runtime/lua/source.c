/* source.c -- see source.h.  A reader of Lua's tokens, as far as it takes to know what is code. */
#include "runtime/lua/source.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

struct reader {
    const char *text;
    size_t length;
    size_t at;
    size_t copied; /* up to here it is in `out` */
    int line;
    struct rv_buf *out;
};

static char peek(const struct reader *reader, size_t ahead)
{
    return reader->at + ahead < reader->length ? reader->text[reader->at + ahead] : '\0';
}

static void take(struct reader *reader, size_t count)
{
    for (; count > 0 && reader->at < reader->length; count--) {
        reader->line += reader->text[reader->at++] == '\n';
    }
}

/* What was taken and not yet copied. */
static void copy(struct reader *reader)
{
    rv_buf_add(reader->out, reader->text + reader->copied, reader->at - reader->copied);
    reader->copied = reader->at;
}

/* "[[" or "[==[" at `ahead`: how many signs of equality; -1 when it is no long bracket. */
static int bracket_level(const struct reader *reader, size_t ahead)
{
    if (peek(reader, ahead) != '[') {
        return -1;
    }
    int level = 0;
    while (peek(reader, ahead + 1 + (size_t)level) == '=') {
        level++;
    }
    return peek(reader, ahead + 1 + (size_t)level) == '[' ? level : -1;
}

static bool closes(const struct reader *reader, int level)
{
    if (peek(reader, 0) != ']' || peek(reader, (size_t)level + 1) != ']') {
        return false;
    }
    for (int i = 1; i <= level; i++) {
        if (peek(reader, (size_t)i) != '=') {
            return false;
        }
    }
    return true;
}

static void take_long(struct reader *reader, int level)
{
    take(reader, (size_t)level + 2);
    while (reader->at < reader->length && !closes(reader, level)) {
        take(reader, 1);
    }
    take(reader, (size_t)level + 2);
}

static void take_comment(struct reader *reader)
{
    take(reader, 2);
    int level = bracket_level(reader, 0);
    if (level >= 0) {
        take_long(reader, level);
        return;
    }
    while (reader->at < reader->length && peek(reader, 0) != '\n') {
        take(reader, 1);
    }
}

/* "\z" skips the white space behind it, with its line ends; else a text ends with its line. */
static void take_quoted(struct reader *reader)
{
    char quote = peek(reader, 0);
    take(reader, 1);
    while (reader->at < reader->length && peek(reader, 0) != quote && peek(reader, 0) != '\n') {
        if (peek(reader, 0) != '\\') {
            take(reader, 1);
            continue;
        }
        bool skips = peek(reader, 1) == 'z';
        take(reader, peek(reader, 1) == '\r' && peek(reader, 2) == '\n' ? 3 : 2);
        while (skips && isspace((unsigned char)peek(reader, 0))) {
            take(reader, 1);
        }
    }
    take(reader, 1);
}

static bool in_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* A name or a number; false when it is the one name that is ours. */
static bool take_word(struct reader *reader)
{
    size_t from = reader->at;
    while (in_name(peek(reader, 0))) {
        take(reader, 1);
    }
    return reader->at - from != strlen(SOURCE_LENGTH) ||
           memcmp(reader->text + from, SOURCE_LENGTH, strlen(SOURCE_LENGTH)) != 0;
}

static enum rv_code take_token(struct reader *reader, const char *name, struct rv_error *err)
{
    char c = peek(reader, 0);
    if (c == '-' && peek(reader, 1) == '-') {
        take_comment(reader);
    } else if (c == '"' || c == '\'') {
        take_quoted(reader);
    } else if (bracket_level(reader, 0) >= 0) {
        take_long(reader, bracket_level(reader, 0));
    } else if (in_name(c)) {
        if (!take_word(reader)) {
            return rv_fail(err, RV_INVALID, "%s:%d: the name \"" SOURCE_LENGTH "\" is taken", name,
                           reader->line);
        }
    } else if (c == '#') {
        copy(reader);
        rv_buf_str(reader->out, " " SOURCE_LENGTH "^");
        reader->copied = ++reader->at;
    } else if (c == '^') {
        return rv_fail(err, RV_INVALID,
                       "%s:%d: the operator \"^\" is not offered: its last bit differs by machine; "
                       "multiply, or write 1 << n for a power of two",
                       name, reader->line);
    } else {
        take(reader, 1);
    }
    return RV_OK;
}

enum rv_code source_read(const char *text, size_t length, const char *name, struct rv_buf *out,
                         struct rv_error *err)
{
    struct reader reader = {.text = text, .length = length, .line = 1, .out = out};
    rv_buf_str(out, "local " SOURCE_LENGTH " <const> = ...; ");
    enum rv_code code = RV_OK;
    while (code == RV_OK && reader.at < length) {
        code = take_token(&reader, name, err);
    }
    copy(&reader);
    return code == RV_OK ? rv_buf_ok(out, "the agent's text", err) : code;
}
