/* error.h -- how every function of reeve says that it failed, and why.
 *
 * `enum rv_code` steers the caller; `struct rv_error` tells the person.  The error lives on the
 * caller's stack, never allocates and may be NULL.  The first failure wins: a later rv_fail on an
 * error that is already set only adds nothing.  Foreign error numbers (errno, libuv, libpq, Lua)
 * are translated in the file that made the call and never travel further.
 *
 * The texts are UTF-8 always: what was cut inside a character, or was none, is '?' there, so that
 * JSON and the database take them.
 *
 * Wording: `message` is short, factual, lower case, without a full stop and quotes names;
 * `detail` holds facts of the system; `hint` says what to do, as a sentence.
 */
#ifndef REEVE_RUNTIME_BASE_ERROR_H
#define REEVE_RUNTIME_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#define RV_MUST __attribute__((warn_unused_result))
#define RV_PRINTF(format_index, first_index)                                                       \
    __attribute__((format(printf, format_index, first_index)))

/* What the caller can do about it.  X(NAME, word, HTTP status, CLI exit code) */
#define RV_CODES(X)                                                                                \
    X(OK, "ok", 200, 0)                                                                            \
    X(INVALID, "invalid", 400, 2)         /* the input breaks a rule; change the input */          \
    X(NOT_FOUND, "not_found", 404, 1)     /* no such thing, or not yours */                        \
    X(CONFLICT, "conflict", 409, 1)       /* the world moved; read again and decide again */       \
    X(DENIED, "denied", 403, 3)           /* a rule forbids it */                                  \
    X(LIMIT, "limit", 429, 1)             /* a named limit is reached */                           \
    X(TIMEOUT, "timeout", 504, 4)         /* no answer in time */                                  \
    X(CANCELED, "canceled", 499, 1)       /* somebody asked us to stop */                          \
    X(IO, "io", 500, 4)                   /* the operating system failed us */                     \
    X(PROTOCOL, "protocol", 502, 4)       /* a peer spoke nonsense */                              \
    X(UNAVAILABLE, "unavailable", 503, 4) /* a dependency is away; try later */                    \
    X(CORRUPT, "corrupt", 500, 1)         /* stored data contradicts itself */

enum rv_code {
#define X(name, word, http, exit_code) RV_##name,
    RV_CODES(X)
#undef X
};

struct rv_error {
    enum rv_code code; /* RV_OK while nothing failed */
    char message[256];
    char detail[512];
    char hint[256];
    const char *file;
    int line;
    bool settled; /* another failure came later: what is added now is about that one, and dropped */
};

/* Sets `err` (when not NULL and not already set) and returns `code`, so that a failing function
 * ends in one line:  return rv_fail(err, RV_NOT_FOUND, "no agent named \"%s\"", name); */
#define rv_fail(err, code, ...) rv_fail_at((err), (code), __FILE__, __LINE__, __VA_ARGS__)
#define rv_fail_errno(err, number, ...)                                                            \
    rv_fail_errno_at((err), (number), __FILE__, __LINE__, __VA_ARGS__)

enum rv_code rv_fail_at(struct rv_error *err, enum rv_code code, const char *file, int line,
                        const char *format, ...) RV_PRINTF(5, 6);
/* Maps an errno value to a code, puts strerror into the detail. */
enum rv_code rv_fail_errno_at(struct rv_error *err, int number, const char *file, int line,
                              const char *format, ...) RV_PRINTF(5, 6);

/* Puts context in front: "import x.xml: no supplier ..."; returns `code`. */
enum rv_code rv_wrap(struct rv_error *err, enum rv_code code, const char *format, ...)
    RV_PRINTF(3, 4);
/* Adds facts or a remedy to an error that is set.  They give no code: they cannot know it when
 * `err` is NULL.  Both belong to the rv_fail before them: when that one came second, they add
 * nothing either. */
void rv_detail(struct rv_error *err, const char *format, ...) RV_PRINTF(2, 3);
void rv_hint(struct rv_error *err, const char *format, ...) RV_PRINTF(2, 3);

void rv_error_clear(struct rv_error *err);

/* The word of a code, e.g. "not_found"; never NULL. */
const char *rv_code_name(enum rv_code code);
int rv_code_http_status(enum rv_code code);
int rv_code_exit_status(enum rv_code code);
/* RV_OK .. by word; RV_CORRUPT when unknown. */
enum rv_code rv_code_from_name(const char *word);

#endif
