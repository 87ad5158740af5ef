/* fail.h -- how the kernels say what went wrong, and ask for memory.  Private to kernels. */
#ifndef REEVE_KERNELS_BASE_FAIL_H
#define REEVE_KERNELS_BASE_FAIL_H

#include "kernels/kernel.h"

/* Fills `error` (NULL is fine) and returns `status`, so that a failure is one line:
 *     return kernel_fail(error, KERNEL_CORRUPT, "tensor %s: offset %" PRIu64 " ...", ...); */
__attribute__((format(printf, 3, 4))) enum kernel_status
kernel_fail(struct kernel_error *error, enum kernel_status status, const char *format, ...);

/* Memory of a size that is bounded by a checked limit: never NULL, the process ends instead.
 * `kernel_allocate` zeroes.  free() ends all of them. */
void *kernel_allocate(size_t count, size_t size);
void *kernel_resize(void *memory, size_t count, size_t size);
/* Memory of a size that a file or a request chose: zeroed, NULL when there is none. */
void *kernel_try_allocate(size_t count, size_t size);

/* A wrong program, not a wrong input: says where and aborts, in every build. */
#define KERNEL_ASSERT(condition)                                                                   \
    ((condition) ? (void)0 : kernel_assert_failed(#condition, __FILE__, __LINE__))
_Noreturn void kernel_assert_failed(const char *condition, const char *file, int line);

#endif
