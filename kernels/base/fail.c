/* fail.c -- see fail.h. */
#include "kernels/base/fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum kernel_status kernel_fail(struct kernel_error *error, enum kernel_status status,
                               const char *format, ...)
{
    if (error != NULL) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
        error->status = status;
        error->retry_ms = 0;
        error->needs = 0;
    }
    return status;
}

void *kernel_allocate(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size > 0 ? size : 1);
    KERNEL_ASSERT(memory != NULL);
    return memory;
}

void *kernel_resize(void *memory, size_t count, size_t size)
{
    size_t bytes = 0;
    KERNEL_ASSERT(!__builtin_mul_overflow(count, size, &bytes));
    memory = realloc(memory, bytes > 0 ? bytes : 1);
    KERNEL_ASSERT(memory != NULL);
    return memory;
}

void *kernel_try_allocate(size_t count, size_t size)
{
    return calloc(count > 0 ? count : 1, size > 0 ? size : 1);
}

void kernel_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, condition);
    abort();
}
