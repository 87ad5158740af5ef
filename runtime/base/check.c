/* check.c -- the only caller of malloc in runtime/base, and the end of a wrong program. */
#include "runtime/base/check.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void rv_assert_failed(const char *expression, const char *file, int line, const char *function)
{
    fprintf(stderr, "%s:%d: %s: assertion failed: %s\n", file, line, function, expression);
    fflush(stderr);
    abort();
}

static void *or_die(void *memory, size_t size_bytes)
{
    if (memory == NULL && size_bytes > 0) {
        fprintf(stderr, "reeve: out of memory asking for %zu bytes\n", size_bytes);
        abort();
    }
    return memory;
}

void *rv_alloc(size_t size_bytes)
{
    return or_die(calloc(1, size_bytes > 0 ? size_bytes : 1), size_bytes);
}

void *rv_alloc_array(size_t count, size_t size_bytes)
{
    RV_ASSERT(size_bytes == 0 || count <= SIZE_MAX / size_bytes);
    return rv_alloc(count * size_bytes);
}

void *rv_realloc(void *memory, size_t size_bytes)
{
    return or_die(realloc(memory, size_bytes > 0 ? size_bytes : 1), size_bytes);
}

char *rv_strdup(const char *text)
{
    return text == NULL ? NULL : rv_strndup(text, strlen(text));
}

char *rv_strndup(const char *text, size_t length)
{
    char *copy = rv_alloc(length + 1);
    memcpy(copy, text, length);
    return copy;
}

void rv_free(void *memory)
{
    free(memory);
}
