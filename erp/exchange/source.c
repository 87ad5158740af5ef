/* source.c -- files; see source.h.
 *
 * The file stays open between the passes, so both read the same inode even when somebody replaces
 * the name; whether its content changed in place is decided by the hash (import.c).
 */
#include "erp/exchange/source.h"

#include "runtime/base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum rv_code file_read(struct erp_source *source, void *buffer, size_t size,
                              size_t *out_length, struct rv_error *err)
{
    ssize_t n = 0;
    do {
        n = read(source->fd, buffer, size);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return rv_fail_errno(err, errno, "read \"%s\"", source->name);
    }
    *out_length = (size_t)n;
    return RV_OK;
}

static enum rv_code file_rewind(struct erp_source *source, struct rv_error *err)
{
    if (lseek(source->fd, 0, SEEK_SET) != 0) {
        return rv_fail_errno(err, errno, "rewind \"%s\"", source->name);
    }
    return RV_OK;
}

enum rv_code erp_source_open(struct erp_source *out, const char *path, struct rv_error *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return rv_fail_errno(err, errno, "open \"%s\"", path);
    }
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        close(fd);
        return rv_fail(err, RV_INVALID, "\"%s\" is not a regular file", path);
    }
    *out = (struct erp_source){.name = name, .read = file_read, .rewind = file_rewind, .fd = fd};
    return RV_OK;
}

void erp_source_close(struct erp_source *source)
{
    if (source->read == file_read) {
        close(source->fd);
        source->read = NULL;
    }
}
