/* orders.c -- see orders.h. */
#include "runtime/model/orders.h"

#include "runtime/base/buf.h"
#include "runtime/base/check.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

enum { DEPTH_MAX = 32 }; /* as in prompt.c, which refuses what is deeper */

static bool is_small(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_joint(char c)
{
    return c == '.' || c == '_';
}

static bool is_capital(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_word(char c)
{
    return is_small(c) || is_capital(c) || (c >= '0' && c <= '9') || c == '_';
}

/* Small letters, joined by '.' or '_', then maybe a number ("open_item 12"); or a phrase of three
 * words or more.  Nothing that an honest letter has by chance. */
static bool is_ours(const char *option)
{
    int joints = 0;
    int spaces = 0;
    bool number = false;
    for (size_t i = 0; option[i] != '\0'; i++) {
        bool begins = i == 0 || is_joint(option[i - 1]) || option[i - 1] == ' ';
        bool joint = is_joint(option[i]) || option[i] == ' ';
        bool digit = option[i] >= '0' && option[i] <= '9';
        if ((joint && (begins || option[i + 1] == '\0')) ||
            !(joint || digit || is_small(option[i]))) {
            return false;
        }
        joints += is_joint(option[i]);
        spaces += option[i] == ' ';
        number = number || digit;
    }
    return joints > 0 || (spaces >= 2 && !number);
}

/* Behind the first name of an option in [at, end); NULL: there is none. */
static const char *name_in(const char *text, const char *at, const char *end, const json_t *options)
{
    const char *found = NULL;
    size_t i;
    json_t *option;
    json_array_foreach((json_t *)(uintptr_t)options, i, option)
    {
        const char *name = json_is_string(option) ? json_string_value(option) : "";
        size_t length = strlen(name);
        if (!is_ours(name)) {
            continue;
        }
        for (const char *here = at; here + length <= end; here++) {
            bool alone = (here == text || !is_word(here[-1])) && !is_word(here[length]);
            if (alone && strncasecmp(here, name, length) == 0) {
                found = found == NULL || here + length < found ? here + length : found;
                break;
            }
        }
    }
    return found;
}

/* Behind the sentence that begins at `at` and the spaces after it: it ends with its line, or with a
 * mark. */
static const char *sentence_end(const char *at)
{
    bool ended = false;
    while (*at != '\0' && !ended) {
        bool mark = *at == '.' || *at == '!' || *at == '?';
        ended = *at == '\n' || (mark && (at[1] == ' ' || at[1] == '\0'));
        at++;
    }
    while (*at == ' ') {
        at++;
    }
    return at;
}

/* What is left of a text; "" when that is nothing. */
static char *rest_of(const char *text, const json_t *options, int *left_out)
{
    struct rv_buf out;
    rv_buf_init(&out, strlen(text) + 1);
    rv_buf_str(&out, "");
    for (const char *at = text; *at != '\0';) {
        const char *end = sentence_end(at);
        const char *name = name_in(text, at, end, options);
        if (name == NULL) {
            rv_buf_add(&out, at, (size_t)(end - at));
            at = end;
            continue;
        }
        while (name < end && !(name[0] == ' ' && is_capital(name[1]))) {
            name++; /* an order without its mark: what begins after it is another sentence */
        }
        at = name < end ? name + 1 : end;
        (*left_out)++;
        while (*at == '\0' && out.length > 0 && out.data[out.length - 1] == ' ') {
            out.length--;
        }
    }
    char *rest = rv_strndup(out.data, out.length);
    rv_buf_fini(&out);
    return rest;
}

static json_t *leave_out(const json_t *value, const json_t *options, int depth, int *left_out)
{
    if (json_is_string(value)) {
        int before = *left_out;
        char *rest = rest_of(json_string_value(value), options, left_out);
        json_t *out = *left_out == before ? json_incref((json_t *)(uintptr_t)value)
                      : rest[0] == '\0'   ? NULL
                                          : json_string(rest);
        rv_free(rest);
        return out;
    }
    if (depth > DEPTH_MAX || !(json_is_array(value) || json_is_object(value))) {
        return json_incref((json_t *)(uintptr_t)value);
    }
    json_t *out = json_is_array(value) ? json_array() : json_object();
    size_t i;
    const char *key;
    json_t *member;
    json_array_foreach((json_t *)(uintptr_t)value, i, member)
    {
        json_t *rest = leave_out(member, options, depth + 1, left_out);
        json_array_append_new(out, rest != NULL ? rest : json_string(""));
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        json_t *rest = leave_out(member, options, depth + 1, left_out);
        if (rest != NULL) {
            json_object_set_new(out, key, rest);
        }
    }
    return out;
}

json_t *rv_orders_leave_out(const json_t *untrusted, const json_t *options, int *left_out)
{
    return untrusted == NULL ? NULL : leave_out(untrusted, options, 0, left_out);
}
