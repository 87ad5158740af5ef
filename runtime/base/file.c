/* file.c -- see file.h. */
#include "runtime/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum rv_code rv_file_open(const char *path, FILE **out, struct rv_error *err)
{
    struct stat status;
    *out = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a pipe does not hold us */
    if (fd < 0) {
        if (errno != ENOENT) {
            return rv_fail_errno(err, errno, "open \"%.200s\"", path);
        }
        rv_fail(err, RV_INVALID, "there is no file \"%.200s\"", path);
        rv_hint(err, "Give the path of a file that is there.");
        return RV_INVALID;
    }
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        close(fd);
        rv_fail(err, RV_INVALID, "\"%.200s\" is not a regular file", path);
        rv_hint(err, "Give a file; what comes from elsewhere is written to one first.");
        return RV_INVALID;
    }
    *out = fdopen(fd, "rb");
    if (*out == NULL) {
        enum rv_code code = rv_fail_errno(err, errno, "open \"%.200s\"", path);
        close(fd);
        return code;
    }
    return RV_OK;
}
