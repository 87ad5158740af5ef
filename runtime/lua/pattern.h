/* pattern.h -- Lua's patterns, matched with a budget.  Private to runtime/lua; knows no lua_State.
 *
 * The language is that of the Lua 5.4 manual, 6.4.1: classes, sets, * + - ?, captures, %b, %f, %1,
 * anchors.  Two differences, both stricter: a mistake in a pattern is found before matching begins
 * (Lua finds it when it gets there), and classes are ASCII's, whatever the locale.
 *
 * A pattern is first compiled to a list of items, one for each thing to match.  Matching walks the
 * list and backtracks only at quantifiers, so recursion is as deep as the pattern has quantifiers;
 * time is bounded by `steps`, which the caller gives and which is charged to the run.
 */
#ifndef REEVE_RUNTIME_LUA_PATTERN_H
#define REEVE_RUNTIME_LUA_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PATTERN_LENGTH_MAX = 256, /* a longer one is a program: write it in Lua */
    PATTERN_CAPTURES_MAX = 32 /* as in Lua */
};

struct pattern_item {
    uint8_t kind;     /* private to pattern.c */
    uint8_t repeat;   /* 0 or one of * + - ? */
    uint8_t a, b;     /* capture number; or the two characters of %b */
    uint64_t set[4];  /* one bit for each byte that fits */
};

struct pattern {
    int item_count;
    int capture_count;
    bool anchored;
    struct pattern_item items[]; /* room for as many items as the text has bytes */
};

struct pattern_capture {
    size_t start;
    size_t length;
    bool position; /* "()": the value is start + 1 */
};

struct pattern_match {
    size_t start;
    size_t end;
    struct pattern_capture captures[PATTERN_CAPTURES_MAX];
};

enum pattern_result { PATTERN_NO, PATTERN_YES, PATTERN_SPENT };

/* Bytes of a struct pattern that holds any text of that length. */
size_t pattern_size(size_t length);
/* NULL, or what is wrong with the text. */
const char *pattern_compile(const char *text, size_t length, struct pattern *out);

/* The first match that begins at `from` or later; with `barred` not SIZE_MAX, an empty match that
 * ends there does not count (so that gsub and gmatch move on).  Spends `*steps`. */
enum pattern_result pattern_find(const struct pattern *pattern, const char *subject, size_t length,
                                 size_t from, size_t barred, int64_t *steps,
                                 struct pattern_match *match);

#endif
