/* pattern.c -- see pattern.h. */
#include "runtime/lua/pattern.h"

#include <string.h>

enum kind {
    ITEM_BYTE,     /* one byte that is in the set, maybe repeated */
    ITEM_OPEN,     /* ( */
    ITEM_POSITION, /* () */
    ITEM_CLOSE,    /* ) */
    ITEM_SAME,     /* %1: what capture a holds, again */
    ITEM_BALANCE,  /* %bxy */
    ITEM_FRONTIER, /* %f[set] */
    ITEM_END       /* $ at the end */
};

/* ---- sets of bytes ---- */

static void set_add(uint64_t set[4], unsigned c)
{
    set[c >> 6] |= UINT64_C(1) << (c & 63);
}

static bool set_has(const uint64_t set[4], unsigned c)
{
    return (set[c >> 6] >> (c & 63) & 1) != 0;
}

static void set_add_range(uint64_t set[4], unsigned from, unsigned to)
{
    for (unsigned c = from; c <= to; c++) {
        set_add(set, c);
    }
}

/* The ranges of each class, as pairs; %A is what %a is not. */
static const char *class_ranges(char lower)
{
    switch (lower) {
    case 'a': return "AZaz";
    case 'c': return "\x01\x1f\x7f\x7f";
    case 'd': return "09";
    case 'g': return "!~";
    case 'l': return "az";
    case 'p': return "!/:@[`{~";
    case 's': return "\t\r  ";
    case 'u': return "AZ";
    case 'w': return "09AZaz";
    case 'x': return "09AFaf";
    default: return NULL;
    }
}

/* What "%letter" stands for: a class, or the character itself. */
static void set_add_escaped(uint64_t set[4], char letter)
{
    bool upper = letter >= 'A' && letter <= 'Z';
    char lower = upper ? (char)(letter + ('a' - 'A')) : letter;
    const char *ranges = class_ranges(lower);
    if (ranges == NULL) {
        set_add(set, (unsigned char)letter);
        return;
    }
    uint64_t class[4] = {0};
    for (; *ranges != '\0'; ranges += 2) {
        set_add_range(class, (unsigned char)ranges[0], (unsigned char)ranges[1]);
    }
    if (lower == 'c') {
        set_add(class, 0); /* the one class with NUL in it, which a text of pairs cannot say */
    }
    for (int i = 0; i < 4; i++) {
        set[i] |= upper ? ~class[i] : class[i];
    }
}

/* ---- compiling ---- */

struct reader {
    const char *at;
    const char *end;
    const char *problem;
    struct pattern *out;
    uint8_t open[PATTERN_CAPTURES_MAX];
    int open_count;
    bool closed[PATTERN_CAPTURES_MAX];
};

static bool has(const struct reader *r, ptrdiff_t count)
{
    return r->end - r->at >= count;
}

static struct pattern_item *add_item(struct reader *r, enum kind kind)
{
    struct pattern_item *item = &r->out->items[r->out->item_count++];
    memset(item, 0, sizeof *item);
    item->kind = (uint8_t)kind;
    return item;
}

/* "[...]": on entry at '[', on return behind ']'. */
static void read_set(struct reader *r, uint64_t set[4])
{
    r->at++;
    bool negative = has(r, 1) && *r->at == '^';
    r->at += negative;
    for (bool first = true;; first = false) {
        if (!has(r, 1)) {
            r->problem = "a set is not closed: \"]\" is missing";
            return;
        }
        if (*r->at == ']' && !first) {
            r->at++;
            break;
        }
        if (*r->at == '%' && has(r, 2)) {
            set_add_escaped(set, r->at[1]);
            r->at += 2;
        } else if (has(r, 3) && r->at[1] == '-' && r->at[2] != ']') {
            set_add_range(set, (unsigned char)r->at[0], (unsigned char)r->at[2]);
            r->at += 3;
        } else {
            set_add(set, (unsigned char)*r->at);
            r->at++;
        }
    }
    for (int i = 0; negative && i < 4; i++) {
        set[i] = ~set[i];
    }
}

static void read_open(struct reader *r)
{
    if (r->out->capture_count == PATTERN_CAPTURES_MAX) {
        r->problem = "more than 32 captures";
        return;
    }
    int number = r->out->capture_count++;
    bool position = has(r, 2) && r->at[1] == ')';
    add_item(r, position ? ITEM_POSITION : ITEM_OPEN)->a = (uint8_t)number;
    if (!position) { /* a position is never complete in the sense of %1: it holds no text */
        r->open[r->open_count++] = (uint8_t)number;
    }
    r->at += position ? 2 : 1;
}

static void read_close(struct reader *r)
{
    if (r->open_count == 0) {
        r->problem = "\")\" without \"(\"";
        return;
    }
    uint8_t number = r->open[--r->open_count];
    r->closed[number] = true;
    add_item(r, ITEM_CLOSE)->a = number;
    r->at++;
}

static void read_same(struct reader *r)
{
    int number = r->at[1] - '1';
    if (number < 0 || number >= r->out->capture_count || !r->closed[number]) {
        r->problem = "\"%1\" names a capture that holds no text yet";
        return;
    }
    add_item(r, ITEM_SAME)->a = (uint8_t)number;
    r->at += 2;
}

static void read_byte(struct reader *r)
{
    struct pattern_item *item = add_item(r, ITEM_BYTE);
    if (*r->at == '[') {
        read_set(r, item->set);
    } else if (*r->at == '.') {
        memset(item->set, 0xff, sizeof item->set);
        r->at++;
    } else if (*r->at == '%') {
        set_add_escaped(item->set, r->at[1]);
        r->at += 2;
    } else {
        set_add(item->set, (unsigned char)*r->at);
        r->at++;
    }
    if (r->problem == NULL && has(r, 1) && memchr("*+-?", *r->at, 4) != NULL) {
        item->repeat = (uint8_t)*r->at++;
    }
}

static void read_escape(struct reader *r)
{
    if (!has(r, 2)) {
        r->problem = "it ends with \"%\"";
    } else if (r->at[1] == 'b') {
        if (!has(r, 4)) {
            r->problem = "\"%b\" needs two characters";
            return;
        }
        struct pattern_item *item = add_item(r, ITEM_BALANCE);
        item->a = (uint8_t)r->at[2];
        item->b = (uint8_t)r->at[3];
        r->at += 4;
    } else if (r->at[1] == 'f') {
        r->at += 2;
        if (!has(r, 1) || *r->at != '[') {
            r->problem = "\"%f\" needs a set";
            return;
        }
        read_set(r, add_item(r, ITEM_FRONTIER)->set);
    } else if (r->at[1] >= '0' && r->at[1] <= '9') {
        read_same(r);
    } else {
        read_byte(r);
    }
}

size_t pattern_size(size_t length)
{
    return sizeof(struct pattern) + length * sizeof(struct pattern_item);
}

const char *pattern_compile(const char *text, size_t length, struct pattern *out)
{
    if (length > PATTERN_LENGTH_MAX) {
        return "it is longer than 256 characters";
    }
    struct reader r = {.at = text, .end = text + length, .out = out};
    out->item_count = 0;
    out->capture_count = 0;
    out->anchored = length > 0 && text[0] == '^';
    r.at += out->anchored;
    while (r.problem == NULL && r.at < r.end) {
        if (*r.at == '(') {
            read_open(&r);
        } else if (*r.at == ')') {
            read_close(&r);
        } else if (*r.at == '$' && r.at + 1 == r.end) {
            add_item(&r, ITEM_END);
            r.at++;
        } else if (*r.at == '%') {
            read_escape(&r);
        } else {
            read_byte(&r);
        }
    }
    if (r.problem == NULL && r.open_count > 0) {
        r.problem = "\"(\" without \")\"";
    }
    return r.problem;
}

/* ---- matching ---- */

struct matcher {
    const struct pattern *pattern;
    const unsigned char *subject;
    size_t length;
    int64_t *steps;
    struct pattern_match *match;
};

static enum pattern_result match_items(struct matcher *m, int index, size_t at);

static bool spend(struct matcher *m, size_t steps)
{
    *m->steps -= (int64_t)steps;
    return *m->steps >= 0;
}

/* The length of the balanced text at `at`, 0 when there is none. */
static size_t balanced(const struct matcher *m, const struct pattern_item *item, size_t at)
{
    if (at >= m->length || m->subject[at] != item->a) {
        return 0;
    }
    size_t depth = 1;
    for (size_t i = at + 1; i < m->length; i++) {
        if (m->subject[i] == item->b) {
            if (--depth == 0) {
                return i + 1 - at;
            }
        } else if (m->subject[i] == item->a) {
            depth++;
        }
    }
    return 0;
}

/* As many as fit, then fewer. */
static enum pattern_result match_most(struct matcher *m, int index, size_t at)
{
    const struct pattern_item *item = &m->pattern->items[index];
    size_t least = item->repeat == '+';
    size_t most = item->repeat == '?' ? 1 : SIZE_MAX;
    size_t count = 0;
    while (count < most && at + count < m->length && set_has(item->set, m->subject[at + count])) {
        count++;
    }
    if (!spend(m, count)) {
        return PATTERN_SPENT;
    }
    for (size_t n = count; n + 1 > least; n--) {
        enum pattern_result result = match_items(m, index + 1, at + n);
        if (result != PATTERN_NO) {
            return result;
        }
        if (n == 0) {
            break;
        }
    }
    return PATTERN_NO;
}

/* As few as do, then more. */
static enum pattern_result match_fewest(struct matcher *m, int index, size_t at)
{
    const struct pattern_item *item = &m->pattern->items[index];
    for (;; at++) {
        enum pattern_result result = match_items(m, index + 1, at);
        if (result != PATTERN_NO) {
            return result;
        }
        if (at >= m->length || !set_has(item->set, m->subject[at])) {
            return PATTERN_NO;
        }
    }
}

/* One item that has no choice; moves `*at`. */
static bool match_one(struct matcher *m, const struct pattern_item *item, size_t *at)
{
    struct pattern_capture *capture = &m->match->captures[item->a % PATTERN_CAPTURES_MAX];
    size_t length = 0;
    switch ((enum kind)item->kind) {
    case ITEM_BYTE:
        length = 1;
        if (*at >= m->length || !set_has(item->set, m->subject[*at])) {
            return false;
        }
        break;
    case ITEM_OPEN:
    case ITEM_POSITION:
        *capture = (struct pattern_capture){.start = *at, .position = item->kind == ITEM_POSITION};
        break;
    case ITEM_CLOSE:
        capture->length = *at - capture->start;
        break;
    case ITEM_SAME:
        length = capture->length;
        if (m->length - *at < length ||
            memcmp(m->subject + capture->start, m->subject + *at, length) != 0) {
            return false;
        }
        spend(m, length);
        break;
    case ITEM_BALANCE:
        length = balanced(m, item, *at);
        spend(m, length > 0 ? length : m->length - *at);
        if (length == 0) {
            return false;
        }
        break;
    case ITEM_FRONTIER: {
        unsigned before = *at == 0 ? 0 : m->subject[*at - 1];
        unsigned after = *at == m->length ? 0 : m->subject[*at];
        return !set_has(item->set, before) && set_has(item->set, after);
    }
    case ITEM_END:
        return *at == m->length;
    }
    *at += length;
    return true;
}

static enum pattern_result match_items(struct matcher *m, int index, size_t at)
{
    for (; index < m->pattern->item_count; index++) {
        const struct pattern_item *item = &m->pattern->items[index];
        if (!spend(m, 1)) {
            return PATTERN_SPENT;
        }
        if (item->repeat == '-') {
            return match_fewest(m, index, at);
        }
        if (item->repeat != 0) {
            return match_most(m, index, at);
        }
        if (!match_one(m, item, &at)) {
            return *m->steps < 0 ? PATTERN_SPENT : PATTERN_NO;
        }
    }
    m->match->end = at;
    return PATTERN_YES;
}

enum pattern_result pattern_find(const struct pattern *pattern, const char *subject, size_t length,
                                 size_t from, size_t barred, int64_t *steps,
                                 struct pattern_match *match)
{
    struct matcher m = {.pattern = pattern,
                        .subject = (const unsigned char *)subject,
                        .length = length,
                        .steps = steps,
                        .match = match};
    for (size_t start = from; start <= length; start++) {
        if (!spend(&m, 1)) {
            return PATTERN_SPENT;
        }
        enum pattern_result result = match_items(&m, 0, start);
        if (result == PATTERN_SPENT) {
            return PATTERN_SPENT;
        }
        if (result == PATTERN_YES && match->end != barred) {
            match->start = start;
            return PATTERN_YES;
        }
        if (pattern->anchored) {
            break;
        }
    }
    return PATTERN_NO;
}
