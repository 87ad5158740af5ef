/* metrics_token.c -- see metrics_token.h. */
#include "runtime/cli/metrics_token.h"

#include "runtime/base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* As it stands in a field of a request. */
static bool is_token(const char *text)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++) {
        if (text[i] <= ' ' || text[i] > '~') {
            return false;
        }
    }
    return length >= METRICS_TOKEN_MIN && length <= METRICS_TOKEN_MAX;
}

static enum rv_code read_token(int fd, const char *path, char out[METRICS_TOKEN_MAX + 1],
                               struct rv_error *err)
{
    char text[METRICS_TOKEN_MAX + 3]; /* and the end of the line */
    struct stat info;
    if (fstat(fd, &info) == 0 && (info.st_mode & 077) != 0) {
        rv_fail(err, RV_DENIED, "metrics.token_file: \"%s\" is readable by others", path);
        rv_hint(err, "Run `chmod 600 %s`; if somebody may have read it, make a new one.", path);
        return RV_DENIED;
    }
    ssize_t length = read(fd, text, sizeof text - 1);
    text[length > 0 ? length : 0] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    bool good = is_token(text);
    if (good) {
        memcpy(out, text, strlen(text) + 1);
    } else {
        rv_fail(err, RV_INVALID, "metrics.token_file: \"%s\" has no token in its first line", path);
        rv_hint(err,
                "It has %d to %d characters without a space; make one with `openssl rand -hex 32`.",
                METRICS_TOKEN_MIN, METRICS_TOKEN_MAX);
    }
    explicit_bzero(text, sizeof text);
    return good ? RV_OK : RV_INVALID;
}

enum rv_code metrics_token_read(const struct rv_config *config, char out[METRICS_TOKEN_MAX + 1],
                                struct rv_error *err)
{
    const char *path = rv_config_text(config, RV_SET_METRICS_TOKEN);
    out[0] = '\0';
    if (path[0] == '\0') {
        return RV_OK;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return rv_fail_errno(err, errno, "open metrics.token_file \"%s\"", path);
    }
    enum rv_code code = read_token(fd, path, out, err);
    close(fd);
    return code;
}
