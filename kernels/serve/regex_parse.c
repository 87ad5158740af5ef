/* regex_parse.c -- the text of a pattern to a tree, by recursive descent.
 *
 *     either := row ("|" row)*        row := (atom quantifier?)*
 *     atom   := "^" | "$" | "." | class | group | escape | character
 */
#include "kernels/serve/regex.h"

#include "kernels/base/fail.h"
#include "kernels/serve/spell.h"

#include <stdlib.h>
#include <string.h>

/* ---- sets ---- */

void regex_set_add(struct regex_set *set, uint32_t low, uint32_t high)
{
    if (set->count == set->room) {
        set->room = set->room == 0 ? 8 : set->room * 2;
        set->range = kernel_resize(set->range, set->room, sizeof *set->range);
    }
    set->range[set->count][0] = low;
    set->range[set->count++][1] = high;
}

static int by_low(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

void regex_set_sort(struct regex_set *set)
{
    if (set->count == 0) {
        return;
    }
    qsort(set->range, set->count, sizeof *set->range, by_low);
    uint32_t kept = 0;
    for (uint32_t i = 1; i < set->count; i++) {
        if (set->range[i][0] <= set->range[kept][1] + 1) {
            if (set->range[i][1] > set->range[kept][1]) {
                set->range[kept][1] = set->range[i][1];
            }
        } else {
            kept++;
            set->range[kept][0] = set->range[i][0];
            set->range[kept][1] = set->range[i][1];
        }
    }
    set->count = kept + 1;
}

void regex_set_invert(struct regex_set *set)
{
    regex_set_sort(set);
    struct regex_set out = {0};
    uint32_t from = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        if (set->range[i][0] > from) {
            regex_set_add(&out, from, set->range[i][0] - 1);
        }
        from = set->range[i][1] + 1;
    }
    if (from < CHARS_END) {
        regex_set_add(&out, from, CHARS_END - 1);
    }
    free(set->range);
    *set = out;
}

/* \d \w \s and their opposites. */
static void add_named(struct regex_set *set, char name)
{
    static const uint32_t digits[][2] = {{'0', '9'}};
    static const uint32_t words[][2] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
    static const uint32_t spaces[][2] = {
        {9, 13},          {' ', ' '},       {0xa0, 0xa0},     {0x1680, 0x1680}, {0x2000, 0x200a},
        {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000}, {0xfeff, 0xfeff}};
    struct regex_set named = {0};
    char kind = (char)(name | 0x20);
    const uint32_t(*from)[2] = kind == 'd' ? digits : kind == 'w' ? words : spaces;
    uint32_t count = kind == 'd' ? 1 : kind == 'w' ? 4 : 10;
    for (uint32_t i = 0; i < count; i++) {
        regex_set_add(&named, from[i][0], from[i][1]);
    }
    if (name < 'a') {
        regex_set_invert(&named);
    }
    for (uint32_t i = 0; i < named.count; i++) {
        regex_set_add(set, named.range[i][0], named.range[i][1]);
    }
    free(named.range);
}

/* ---- the parser ---- */

struct parser {
    struct kernel_text text;
    size_t at;
    uint32_t depth;
    struct kernel_error *error;
    enum kernel_status status; /* the first failure */
};

static struct regex_tree *fail(struct parser *p, enum kernel_status status, const char *what)
{
    if (p->status == KERNEL_OK) {
        p->status = kernel_fail(p->error, status, "%s at byte %zu of the pattern", what, p->at);
    }
    return NULL;
}

static bool ended(const struct parser *p)
{
    return p->at >= p->text.length;
}

static char peek(const struct parser *p, size_t ahead)
{
    return p->at + ahead < p->text.length ? p->text.bytes[p->at + ahead] : '\0';
}

static bool take(struct parser *p, char byte)
{
    if (!ended(p) && p->text.bytes[p->at] == byte) {
        p->at++;
        return true;
    }
    return false;
}

static struct regex_tree *tree_new(enum regex_kind kind)
{
    struct regex_tree *tree = kernel_allocate(1, sizeof *tree);
    tree->kind = kind;
    return tree;
}

static void tree_add(struct regex_tree *tree, struct regex_tree *child)
{
    if (tree->last == NULL) {
        tree->child = child;
    } else {
        tree->last->beside = child;
    }
    tree->last = child;
}

void regex_tree_destroy(struct regex_tree *tree)
{
    while (tree != NULL) {
        struct regex_tree *beside = tree->beside;
        regex_tree_destroy(tree->child);
        free(tree->set.range);
        free(tree);
        tree = beside;
    }
}

static uint32_t hex(struct parser *p, uint32_t digits)
{
    uint32_t value = 0;
    for (uint32_t i = 0; i < digits; i++) {
        char c = peek(p, 0);
        bool digit = c >= '0' && c <= '9';
        char low = (char)(c | 0x20);
        if (!digit && !(low >= 'a' && low <= 'f')) {
            fail(p, KERNEL_UNSUPPORTED, "a hexadecimal escape without its digits");
            return 0;
        }
        value = value << 4 | (uint32_t)(digit ? c - '0' : low - 'a' + 10);
        p->at++;
    }
    return value;
}

static uint32_t escaped_unicode(struct parser *p)
{
    if (take(p, '{')) {
        uint32_t value = 0;
        size_t begin = p->at;
        while (!ended(p) && peek(p, 0) != '}' && p->at - begin < 8) {
            value = value << 4 | hex(p, 1);
            if (p->status != KERNEL_OK) {
                return 0;
            }
        }
        if (p->at == begin || !take(p, '}') || value >= CHARS_END) {
            fail(p, KERNEL_UNSUPPORTED, "\\u{...} that is no code point");
        }
        return value;
    }
    uint32_t value = hex(p, 4);
    if (value >= 0xd800 && value < 0xdc00 && peek(p, 0) == '\\' && peek(p, 1) == 'u') {
        p->at += 2;
        uint32_t low = hex(p, 4);
        if (low >= 0xdc00 && low < 0xe000) {
            return 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00);
        }
        fail(p, KERNEL_UNSUPPORTED, "half a surrogate pair");
    } else if (value >= 0xd800 && value < 0xe000) {
        fail(p, KERNEL_UNSUPPORTED, "half a surrogate pair");
    }
    return value;
}

/* After a backslash: a set into `set` and true, or one character into `point`. */
static bool escape(struct parser *p, struct regex_set *set, uint32_t *point)
{
    static const char controls[] = "tnvfr";
    static const char values[] = "\t\n\v\f\r";
    if (ended(p)) {
        fail(p, KERNEL_UNSUPPORTED, "a backslash at the end");
        return false;
    }
    char c = p->text.bytes[p->at];
    const char *control = c != '\0' ? strchr(controls, c) : NULL;
    if (c != '\0' && strchr("dDwWsS", c) != NULL) {
        p->at++;
        add_named(set, c);
        return true;
    }
    if (control != NULL) {
        p->at++;
        *point = (uint32_t)values[control - controls];
    } else if (c == 'x') {
        p->at++;
        *point = hex(p, 2);
    } else if (c == 'u') {
        p->at++;
        *point = escaped_unicode(p);
    } else if (c == 'c' && ((peek(p, 1) | 0x20) >= 'a' && (peek(p, 1) | 0x20) <= 'z')) {
        *point = peek(p, 1) & 0x1fu;
        p->at += 2;
    } else if (c == '0' && !(peek(p, 1) >= '0' && peek(p, 1) <= '9')) {
        p->at++;
        *point = 0;
    } else if ((c >= '0' && c <= '9') || c == 'k') {
        fail(p, KERNEL_UNSUPPORTED, "a back reference");
    } else if (c == 'b' || c == 'B') {
        fail(p, KERNEL_UNSUPPORTED, "a word boundary (write the characters that may stand there)");
    } else if (c == 'p' || c == 'P') {
        fail(p, KERNEL_UNSUPPORTED, "a Unicode property (write its characters as a class)");
    } else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
        fail(p, KERNEL_UNSUPPORTED, "an escape that ECMA-262 does not know");
    } else {
        *point = spell_read_utf8(p->text, &p->at);
    }
    return false;
}

static bool class_item(struct parser *p, struct regex_set *set, uint32_t *point)
{
    if (!take(p, '\\')) {
        *point = spell_read_utf8(p->text, &p->at);
        return false;
    }
    if (take(p, 'b')) {
        *point = '\b';
        return false;
    }
    return escape(p, set, point);
}

static struct regex_tree *class_tree(struct parser *p)
{
    struct regex_tree *tree = tree_new(REGEX_SET);
    bool inverted = take(p, '^');
    while (!take(p, ']')) {
        if (ended(p)) {
            fail(p, KERNEL_UNSUPPORTED, "a class without its end");
        }
        uint32_t low = 0;
        uint32_t high = 0;
        bool named = p->status == KERNEL_OK && class_item(p, &tree->set, &low);
        if (p->status != KERNEL_OK) {
            return tree;
        }
        bool range = peek(p, 0) == '-' && peek(p, 1) != ']' && p->at + 1 < p->text.length;
        if (range && !named) {
            p->at++;
            size_t before = p->at;
            struct regex_set other = {0};
            if (class_item(p, &other, &high)) { /* [a-\d]: three things, says appendix B */
                p->at = before;
                regex_set_add(&tree->set, '-', '-');
                high = low;
            }
            free(other.range);
            if (high < low) {
                fail(p, KERNEL_UNSUPPORTED, "a range whose end is before its beginning");
            }
        } else {
            high = low;
        }
        if (p->status == KERNEL_OK && !named) {
            regex_set_add(&tree->set, low, high);
        }
    }
    regex_set_sort(&tree->set);
    if (inverted) {
        regex_set_invert(&tree->set);
    }
    return tree;
}

static struct regex_tree *either(struct parser *p);

static struct regex_tree *group(struct parser *p)
{
    if (take(p, '?')) {
        bool name = peek(p, 0) == '<' && peek(p, 1) != '=' && peek(p, 1) != '!';
        if (name) {
            while (!ended(p) && peek(p, 0) != '>') {
                p->at++;
            }
            p->at++;
        } else if (!take(p, ':')) {
            return fail(p, KERNEL_UNSUPPORTED,
                        peek(p, 0) == '=' || peek(p, 0) == '!' || peek(p, 0) == '<'
                            ? "look-around"
                            : "a group with flags");
        }
    }
    if (++p->depth > REGEX_DEPTH_MAX) {
        return fail(p, KERNEL_INVALID, "too many groups inside each other");
    }
    struct regex_tree *tree = either(p);
    p->depth--;
    if (p->status == KERNEL_OK && !take(p, ')')) {
        fail(p, KERNEL_UNSUPPORTED, "a group without its end");
    }
    return tree;
}

static struct regex_tree *atom(struct parser *p)
{
    if (take(p, '^')) {
        return tree_new(REGEX_BEGIN);
    }
    if (take(p, '$')) {
        return tree_new(REGEX_END);
    }
    if (take(p, '(')) {
        return group(p);
    }
    if (take(p, '[')) {
        return class_tree(p);
    }
    struct regex_tree *tree = tree_new(REGEX_SET);
    uint32_t point = 0;
    if (take(p, '.')) {
        static const uint32_t line_ends[] = {'\n', '\r', 0x2028, 0x2029};
        for (int i = 0; i < 4; i++) {
            regex_set_add(&tree->set, line_ends[i], line_ends[i]);
        }
        regex_set_invert(&tree->set);
        return tree;
    }
    char c = peek(p, 0);
    if (c == '*' || c == '+' || c == '?') {
        fail(p, KERNEL_UNSUPPORTED, "a repetition of nothing");
    } else if (take(p, '\\')) {
        if (escape(p, &tree->set, &point)) {
            return tree;
        }
    } else {
        point = spell_read_utf8(p->text, &p->at);
    }
    regex_set_add(&tree->set, point, point);
    return tree;
}

static bool number(struct parser *p, uint32_t *out)
{
    size_t begin = p->at;
    uint32_t value = 0;
    while (peek(p, 0) >= '0' && peek(p, 0) <= '9') {
        value = value > REGEX_REPEAT_MAX ? value : value * 10 + (uint32_t)(peek(p, 0) - '0');
        p->at++;
    }
    *out = value;
    return p->at > begin;
}

/* {n} {n,} {n,m}; anything else in braces is text, says appendix B. */
static bool braces(struct parser *p, uint32_t *least, uint32_t *most)
{
    size_t begin = p->at;
    if (!take(p, '{')) {
        return false;
    }
    bool good = number(p, least);
    *most = *least;
    if (good && take(p, ',') && !number(p, most)) {
        *most = UINT32_MAX;
    }
    if (!good || !take(p, '}')) {
        p->at = begin;
        return false;
    }
    return true;
}

static struct regex_tree *repeated(struct parser *p, struct regex_tree *inner)
{
    uint32_t least = 0;
    uint32_t most = UINT32_MAX;
    if (take(p, '*')) {
    } else if (take(p, '+')) {
        least = 1;
    } else if (take(p, '?')) {
        most = 1;
    } else if (!braces(p, &least, &most)) {
        return inner;
    }
    take(p, '?'); /* lazy: the same texts */
    struct regex_tree *tree = tree_new(REGEX_REPEAT);
    tree_add(tree, inner);
    tree->least = least;
    tree->most = most;
    if (least > REGEX_REPEAT_MAX || (most != UINT32_MAX && most > REGEX_REPEAT_MAX)) {
        fail(p, KERNEL_INVALID, "a repetition of more than 4096 times");
    } else if (most < least) {
        fail(p, KERNEL_UNSUPPORTED, "a repetition whose most is below its least");
    } else if (inner->kind == REGEX_BEGIN || inner->kind == REGEX_END) {
        fail(p, KERNEL_UNSUPPORTED, "a repeated anchor");
    }
    return tree;
}

static struct regex_tree *row(struct parser *p)
{
    struct regex_tree *tree = tree_new(REGEX_ROW);
    while (p->status == KERNEL_OK && !ended(p) && peek(p, 0) != '|' &&
           !(peek(p, 0) == ')' && p->depth > 0)) {
        struct regex_tree *one = atom(p);
        if (one != NULL) {
            tree_add(tree, p->status == KERNEL_OK ? repeated(p, one) : one);
        }
    }
    return tree;
}

static struct regex_tree *either(struct parser *p)
{
    struct regex_tree *tree = tree_new(REGEX_EITHER);
    do {
        tree_add(tree, row(p));
    } while (p->status == KERNEL_OK && take(p, '|'));
    return tree;
}

enum kernel_status regex_parse(struct kernel_text pattern, struct regex_tree **out,
                               struct kernel_error *error)
{
    struct parser p = {.text = pattern, .error = error};
    *out = NULL;
    if (pattern.length > REGEX_BYTES_MAX) {
        return kernel_fail(error, KERNEL_INVALID, "a pattern of more than %d bytes",
                           REGEX_BYTES_MAX);
    }
    struct regex_tree *tree = either(&p);
    if (p.status == KERNEL_OK && !ended(&p)) {
        fail(&p, KERNEL_UNSUPPORTED, "a bracket that nothing opened");
    }
    if (p.status != KERNEL_OK) {
        regex_tree_destroy(tree);
        return p.status;
    }
    *out = tree;
    return KERNEL_OK;
}
