/* json.c -- strict parsing and the canonical form of RFC 8785. */
#include "runtime/base/json.h"

#include "runtime/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CANONICAL_FEW_KEYS = 24 }; /* sorted without allocating */

/* jansson has its own, larger and fixed, depth limit; ours is checked on the text so that a
 * hostile input costs one scan and no recursion. */
static bool too_deep(const char *text, size_t length)
{
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > RV_JSON_DEPTH_MAX) {
                return true;
            }
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return false;
}

/* What jansson could not read, in words of ours where the text is JSON and only reeve refuses it.
 */
static enum rv_code unread(const json_error_t *failure, const char *what, struct rv_error *err)
{
    enum json_error_code why = json_error_code(failure);
    const char *wrong = why == json_error_numeric_overflow ? "has a number beyond 64 bits"
                        : why == json_error_duplicate_key  ? "has a key twice"
                        : why == json_error_null_character || why == json_error_null_byte_in_key
                            ? "has the character U+0000 in a text"
                            : "is not valid JSON";
    rv_fail(err, RV_INVALID, "%s %s at line %d column %d", what, wrong, failure->line,
            failure->column);
    rv_detail(err, "%s", failure->text);
    return RV_INVALID;
}

enum rv_code rv_json_parse(const char *text, size_t length, const char *what, json_t **out,
                           struct rv_error *err)
{
    if (length > RV_JSON_TEXT_MAX) {
        return rv_fail(err, RV_LIMIT, "%s is larger than %d bytes", what, RV_JSON_TEXT_MAX);
    }
    if (too_deep(text, length)) {
        rv_fail(err, RV_LIMIT, "%s is nested deeper than %d levels", what, RV_JSON_DEPTH_MAX);
        rv_hint(err, "Lay it out flatter: lists of objects with references instead of a tree.");
        return RV_LIMIT;
    }
    json_error_t failure;
    json_t *value = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &failure);
    if (value == NULL) {
        return unread(&failure, what, err);
    }
    *out = value;
    return RV_OK;
}

/* RFC 8785 3.2.3 sorts keys by UTF-16 code units.  Byte order of UTF-8 differs only where a
 * character of U+E000..U+FFFF meets one above U+FFFF (which UTF-16 writes with surrogates
 * D800..DFFF), so leading bytes 0xEE, 0xEF must sort after 0xF0..0xF4. */
static int utf16_rank(unsigned char c)
{
    if (c >= 0xF0) {
        return 0xEE;
    }
    return c >= 0xEE ? c + 2 : c;
}

static int compare_keys(const void *a, const void *b)
{
    const unsigned char *x = *(const unsigned char *const *)a;
    const unsigned char *y = *(const unsigned char *const *)b;
    while (*x != '\0' && *x == *y) {
        x++;
        y++;
    }
    int by_rank = utf16_rank(*x) - utf16_rank(*y);
    return by_rank != 0 ? by_rank : (int)*x - (int)*y;
}

/* Objects have few keys, often in order: insertion beats a call per comparison. */
static void sort_keys(const char **keys, size_t count)
{
    if (count > CANONICAL_FEW_KEYS) {
        qsort(keys, count, sizeof *keys, compare_keys);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        const char *key = keys[i];
        size_t at = i;
        for (; at > 0 && compare_keys(&keys[at - 1], &key) > 0; at--) {
            keys[at] = keys[at - 1];
        }
        keys[at] = key;
    }
}

static enum rv_code canonical(const json_t *value, struct rv_buf *out, struct rv_error *err);

static void canonical_string(struct rv_buf *out, const char *text, size_t length)
{
    rv_buf_char(out, '"');
    rv_buf_json_escape(out, text, length);
    rv_buf_char(out, '"');
}

static enum rv_code canonical_object(const json_t *object, struct rv_buf *out, struct rv_error *err)
{
    size_t count = json_object_size(object);
    const char *few[CANONICAL_FEW_KEYS];
    const char **keys = count <= CANONICAL_FEW_KEYS ? few : rv_alloc_array(count + 1, sizeof *keys);
    size_t n = 0;
    const char *key;
    json_t *item;
    json_object_foreach((json_t *)(uintptr_t)object, key, item)
    {
        keys[n++] = key;
    }
    RV_ASSERT(n == count);
    sort_keys(keys, count);
    enum rv_code code = RV_OK;
    rv_buf_char(out, '{');
    for (size_t i = 0; i < count && code == RV_OK; i++) {
        if (i > 0) {
            rv_buf_char(out, ',');
        }
        canonical_string(out, keys[i], strlen(keys[i]));
        rv_buf_char(out, ':');
        code = canonical(json_object_get(object, keys[i]), out, err);
    }
    rv_buf_char(out, '}');
    if (keys != few) {
        rv_free(keys);
    }
    return code;
}

static void canonical_integer(struct rv_buf *out, int64_t number)
{
    char digits[20];
    size_t at = sizeof digits;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0) {
        digits[--at] = '-';
    }
    rv_buf_add(out, digits + at, sizeof digits - at);
}

static enum rv_code canonical(const json_t *value, struct rv_buf *out, struct rv_error *err)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: return canonical_object(value, out, err);
    case JSON_ARRAY:
        rv_buf_char(out, '[');
        for (size_t i = 0; i < json_array_size(value); i++) {
            if (i > 0) {
                rv_buf_char(out, ',');
            }
            enum rv_code code = canonical(json_array_get(value, i), out, err);
            if (code != RV_OK) {
                return code;
            }
        }
        rv_buf_char(out, ']');
        return RV_OK;
    case JSON_STRING:
        canonical_string(out, json_string_value(value), json_string_length(value));
        return RV_OK;
    case JSON_INTEGER: canonical_integer(out, json_integer_value(value)); return RV_OK;
    case JSON_TRUE: rv_buf_str(out, "true"); return RV_OK;
    case JSON_FALSE: rv_buf_str(out, "false"); return RV_OK;
    case JSON_NULL: rv_buf_str(out, "null"); return RV_OK;
    case JSON_REAL:
        rv_fail(err, RV_INVALID, "a real number cannot stand in a signed document");
        rv_hint(err, "Write amounts as integers in minor units and quantities as strings.");
        return RV_INVALID;
    }
    RV_UNREACHABLE("jansson has eight types");
}

enum rv_code rv_json_canonical(const json_t *value, struct rv_buf *out, struct rv_error *err)
{
    enum rv_code code = canonical(value, out, err);
    return code == RV_OK ? rv_buf_ok(out, "canonical JSON", err) : code;
}

void rv_json_real_text(double number, char out[RV_JSON_REAL_TEXT])
{
    snprintf(out, RV_JSON_REAL_TEXT, "%.15g", number);
}

json_t *rv_json_plain(json_t *value)
{
    if (json_is_real(value)) {
        char text[RV_JSON_REAL_TEXT];
        rv_json_real_text(json_real_value(value), text);
        json_decref(value);
        return json_string(text);
    }
    const char *key;
    json_t *item;
    json_object_foreach(value, key, item)
    {
        if (json_is_real(item) || json_is_object(item) || json_is_array(item)) {
            json_object_set_new(value, key, rv_json_plain(json_incref(item)));
        }
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        json_array_set_new(value, i, rv_json_plain(json_incref(json_array_get(value, i))));
    }
    return value;
}

char *rv_json_text(const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    RV_ASSERT(text != NULL);
    return text;
}

const char *rv_json_str(const json_t *object, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : otherwise;
}

int64_t rv_json_int(const json_t *object, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

bool rv_json_bool(const json_t *object, const char *key, bool otherwise)
{
    const json_t *value = json_object_get(object, key);
    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

enum rv_code rv_json_need_str(const json_t *object, const char *what, const char *key,
                              const char **out, struct rv_error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value)) {
        return rv_fail(err, RV_INVALID, "%s: field \"%s\" must be a string", what, key);
    }
    *out = json_string_value(value);
    return RV_OK;
}

/* The word `key` in `fields`, at its "*" if it has one; NULL when it is not there. */
static const char *find_field(const char *fields, const char *key)
{
    size_t length = strlen(key);
    for (const char *at = fields; *at != '\0' && length > 0;) {
        const char *name = at + (*at == '*');
        size_t size = strcspn(name, " ");
        if (size == length && memcmp(name, key, size) == 0) {
            return at;
        }
        at = name + size + strspn(name + size, " ");
    }
    return NULL;
}

enum rv_code rv_json_only(const json_t *object, const char *what, const char *fields,
                          const char **field, struct rv_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        const char *found = find_field(fields, key);
        if (found != NULL && (*found == '*' || json_is_string(value) || json_is_null(value))) {
            continue;
        }
        if (field != NULL) {
            *field = key;
        }
        if (found != NULL) {
            return rv_fail(err, RV_INVALID, "%s: field \"%.80s\" must be a text", what, key);
        }
        rv_fail(err, RV_INVALID, "%s: there is no field \"%.80s\" here", what, key);
        if (fields[0] == '\0') {
            rv_hint(err, "It has no fields.");
        } else {
            char known[200];
            size_t used = 0;
            for (const char *at = fields; *at != '\0' && used + 1 < sizeof known; at++) {
                if (*at != '*') {
                    known[used++] = *at;
                }
            }
            known[used] = '\0';
            rv_hint(err, "Its fields: %s.", known);
        }
        return RV_INVALID;
    }
    return RV_OK;
}

enum rv_code rv_json_need_int(const json_t *object, const char *what, const char *key, int64_t *out,
                              struct rv_error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value)) {
        return rv_fail(err, RV_INVALID, "%s: field \"%s\" must be an integer", what, key);
    }
    *out = json_integer_value(value);
    return RV_OK;
}
