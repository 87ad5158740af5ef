/* private_remove.c -- the end of reeve's own PostgreSQL: deleting a cluster, and finding those
 * whose state directory is gone.
 *
 * Deleting follows no link and stays on the cluster's own disk.  It begins with the file that makes
 * a cluster one (PG_VERSION): what is left after an interruption is never started again.
 */
#include "runtime/db/private_postgres.h"

#include "runtime/base/check.h"
#include "runtime/db/private_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPEN_FOLDERS = 16 };

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

enum rv_code rv_private_postgres_remove(const struct rv_private_postgres_options *options,
                                        struct rv_private_postgres_status *out,
                                        struct rv_error *err)
{
    enum rv_code code = rv_private_postgres_stop(options, out, err);
    char base[RV_PRIVATE_PATH_MAX];
    char version[RV_PRIVATE_PATH_MAX];
    if (code == RV_OK && out->state == RV_PRIVATE_ABSENT) {
        return rv_fail(err, RV_NOT_FOUND, "there is no cluster in \"%s\"", out->data);
    }
    if (code != RV_OK) {
        return code;
    }
    snprintf(base, sizeof base, "%s", out->data);
    char *slash = strrchr(base, '/');
    RV_ASSERT(slash != NULL && slash != base);
    *slash = '\0';
    private_join(version, out->data, "PG_VERSION");
    if (unlink(version) != 0 ||
        nftw(base, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0) {
        return rv_fail_errno(err, errno, "delete \"%s\"", base);
    }
    out->state = RV_PRIVATE_ABSENT;
    out->changed = true;
    return RV_OK;
}

/* The owner's path; "" when the file is not there. */
static void read_owner(const char *place, char out[RV_PRIVATE_PATH_MAX])
{
    char path[RV_PRIVATE_PATH_MAX];
    private_join(path, place, PRIVATE_OWNER_FILE);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t length = fd >= 0 ? read(fd, out, RV_PRIVATE_PATH_MAX - 1) : 0;
    out[length > 0 ? length : 0] = '\0';
    if (fd >= 0) {
        close(fd);
    }
}

void rv_private_postgres_spares(void (*each)(void *data,
                                             const struct rv_private_postgres_spare *spare),
                                void *data)
{
    DIR *folder = opendir(PRIVATE_SPARE_ROOT);
    struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (strncmp(entry->d_name, PRIVATE_SPARE_BEGIN, sizeof PRIVATE_SPARE_BEGIN - 1) != 0) {
            continue;
        }
        char place[RV_PRIVATE_PATH_MAX];
        char owner[RV_PRIVATE_PATH_MAX];
        struct stat ignored;
        private_join(place, PRIVATE_SPARE_ROOT, entry->d_name);
        read_owner(place, owner);
        bool gone = owner[0] == '/' && lstat(owner, &ignored) != 0 && errno == ENOENT;
        each(data, &(struct rv_private_postgres_spare){place, owner, gone});
    }
    if (folder != NULL) {
        closedir(folder);
    }
}
