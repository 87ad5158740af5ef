/* schema_fail.c -- what is wrong with a schema, and where: a JSON pointer (RFC 6901). */
#include "kernels/serve/schema.h"

#include "kernels/base/fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POINTER_MAX = 140 };

static size_t add_step(char *out, size_t length, const char *step)
{
    if (length + 1 < POINTER_MAX) {
        out[length++] = '/';
    }
    for (; *step != '\0' && length + 2 < POINTER_MAX; step++) {
        if (*step == '~' || *step == '/') {
            out[length++] = '~';
            out[length++] = *step == '~' ? '0' : '1';
        } else {
            out[length++] = *step;
        }
    }
    out[length] = '\0';
    return length;
}

static bool find(json_t *from, const json_t *what, char *out, size_t length)
{
    out[length] = '\0';
    if (from == what) {
        return true;
    }
    if (json_is_object(from)) {
        const char *key = NULL;
        json_t *value = NULL;
        json_object_foreach(from, key, value)
        {
            if (find(value, what, out, add_step(out, length, key))) {
                return true;
            }
        }
    }
    for (size_t i = 0; json_is_array(from) && i < json_array_size(from); i++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", i);
        if (find(json_array_get(from, i), what, out, add_step(out, length, number))) {
            return true;
        }
    }
    out[length] = '\0';
    return false;
}

bool schema_fail(struct schema *schema, const json_t *where, const char *keyword,
                 enum kernel_status status, const char *format, ...)
{
    if (schema->status != KERNEL_OK) {
        return false;
    }
    char pointer[POINTER_MAX + 8] = "";
    if (where != NULL) {
        find(schema->root, where, pointer, 0);
    }
    if (keyword != NULL) {
        add_step(pointer, strlen(pointer), keyword);
    }
    char text[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (schema->work.spent) { /* whatever was given up because of it */
        snprintf(text, sizeof text,
                 "compiling it takes more work than is allowed: too many alternatives, values, or "
                 "states of patterns and numbers");
        status = KERNEL_INVALID;
    }
    schema->status = kernel_fail(schema->error, status, "schema%s%s: %s",
                                 pointer[0] != '\0' ? " " : "", pointer, text);
    return false;
}

bool schema_work(struct schema *schema, const json_t *where, const char *keyword, uint64_t steps)
{
    return work_take(&schema->work, steps) ||
           schema_fail(schema, where, keyword, KERNEL_INVALID, "too much work");
}
