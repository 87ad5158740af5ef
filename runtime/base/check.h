/* check.h -- assertions that stay on in every build, and allocation that cannot fail.
 *
 * Wrong input is an error (error.h).  A wrong program is an assertion: it prints expression and
 * place and aborts; the journal replays.  Out of memory is death too: budgets, not malloc, are
 * what fails politely.
 */
#ifndef REEVE_RUNTIME_BASE_CHECK_H
#define REEVE_RUNTIME_BASE_CHECK_H

#include <stddef.h>

#define RV_ASSERT(expression)                                                                      \
    ((expression) ? (void)0 : rv_assert_failed(#expression, __FILE__, __LINE__, __func__))
#define RV_UNREACHABLE(why) rv_assert_failed("unreachable: " why, __FILE__, __LINE__, __func__)
#define RV_COUNT(array)     (sizeof(array) / sizeof((array)[0]))

__attribute__((noreturn)) void rv_assert_failed(const char *expression, const char *file, int line,
                                                const char *function);

/* Zeroed memory; never NULL.  Freed with rv_free (free is fine too). */
void *rv_alloc(size_t size_bytes);
void *rv_alloc_array(size_t count, size_t size_bytes);
void *rv_realloc(void *memory, size_t size_bytes);
char *rv_strdup(const char *text); /* NULL gives NULL */
char *rv_strndup(const char *text, size_t length);
void rv_free(void *memory);

#endif
