/* error.c -- fills the error struct; see error.h for the rules of wording. */
#include "runtime/base/error.h"

#include "runtime/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *word;
    int http;
    int exit_status;
} codes[] = {
#define X(name, word, http, exit_code) {word, http, exit_code},
    RV_CODES(X)
#undef X
};

static void set(struct rv_error *err, enum rv_code code, const char *file, int line,
                const char *format, va_list args) RV_PRINTF(5, 0);
static void set(struct rv_error *err, enum rv_code code, const char *file, int line,
                const char *format, va_list args)
{
    err->code = code;
    err->file = file;
    err->line = line;
    err->detail[0] = '\0';
    err->hint[0] = '\0';
    err->settled = false;
    vsnprintf(err->message, sizeof err->message, format, args);
    rv_text_mend(err->message);
}

enum rv_code rv_fail_at(struct rv_error *err, enum rv_code code, const char *file, int line,
                        const char *format, ...)
{
    if (err != NULL && err->code == RV_OK) {
        va_list args;
        va_start(args, format);
        set(err, code, file, line, format, args);
        va_end(args);
    } else if (err != NULL) {
        err->settled = true;
    }
    return code;
}

static enum rv_code code_of_errno(int number)
{
    switch (number) {
    case ENOENT: return RV_NOT_FOUND;
    case EACCES:
    case EPERM: return RV_DENIED;
    case EEXIST: return RV_CONFLICT;
    case EINVAL: return RV_INVALID;
    case ETIMEDOUT: return RV_TIMEOUT;
    case ECONNREFUSED:
    case EAGAIN: return RV_UNAVAILABLE;
    default: return RV_IO;
    }
}

enum rv_code rv_fail_errno_at(struct rv_error *err, int number, const char *file, int line,
                              const char *format, ...)
{
    enum rv_code code = code_of_errno(number);
    if (err != NULL && err->code == RV_OK) {
        va_list args;
        va_start(args, format);
        set(err, code, file, line, format, args);
        va_end(args);
        char text[128] = "";
        /* the GNU strerror_r returns the text and is thread-safe */
        snprintf(err->detail, sizeof err->detail, "%s", strerror_r(number, text, sizeof text));
        rv_text_mend(err->detail);
    } else if (err != NULL) {
        err->settled = true;
    }
    return code;
}

enum rv_code rv_wrap(struct rv_error *err, enum rv_code code, const char *format, ...)
{
    if (err == NULL || err->code == RV_OK) {
        return code;
    }
    char inner[sizeof err->message];
    memcpy(inner, err->message, sizeof inner);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof err->message) {
        snprintf(err->message + n, sizeof err->message - (size_t)n, ": %s", inner);
    }
    rv_text_mend(err->message);
    return code;
}

void rv_detail(struct rv_error *err, const char *format, ...)
{
    if (err == NULL || err->settled) {
        return;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(err->detail, sizeof err->detail, format, args);
    va_end(args);
    rv_text_mend(err->detail);
}

void rv_hint(struct rv_error *err, const char *format, ...)
{
    if (err == NULL || err->settled) {
        return;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(err->hint, sizeof err->hint, format, args);
    va_end(args);
    rv_text_mend(err->hint);
}

void rv_error_clear(struct rv_error *err)
{
    if (err != NULL) {
        *err = (struct rv_error){.code = RV_OK};
    }
}

const char *rv_code_name(enum rv_code code)
{
    return (size_t)code < sizeof codes / sizeof codes[0] ? codes[code].word : "unknown";
}

int rv_code_http_status(enum rv_code code)
{
    return (size_t)code < sizeof codes / sizeof codes[0] ? codes[code].http : 500;
}

int rv_code_exit_status(enum rv_code code)
{
    return (size_t)code < sizeof codes / sizeof codes[0] ? codes[code].exit_status : 1;
}

enum rv_code rv_code_from_name(const char *word)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (strcmp(codes[i].word, word) == 0) {
            return (enum rv_code)i;
        }
    }
    return RV_CORRUPT;
}
