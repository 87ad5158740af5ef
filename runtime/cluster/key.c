/* key.c -- see key.h. */
#include "runtime/cluster/key.h"

#include "runtime/base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MARK_BYTES = 8 };
_Static_assert((int)RV_WIRE_KEY_BYTES == crypto_kdf_KEYBYTES, "derived from");
_Static_assert((int)RV_CLUSTER_MARK_TEXT == 2 * MARK_BYTES + 1, "the mark in hex");

static const char context[crypto_kdf_CONTEXTBYTES] = {'r', 'v', 'c', 'l', 'u', 's', 't', 'r'};
enum { SUBKEY_WIRE = 1, SUBKEY_MARK = 2 };

static enum rv_code make(const char *path, uint8_t key[RV_WIRE_KEY_BYTES], struct rv_error *err)
{
    crypto_kdf_keygen(key);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return rv_fail_errno(err, errno, "create the cluster key \"%s\"", path);
    }
    ssize_t n = write(fd, key, RV_WIRE_KEY_BYTES);
    int failure = n == RV_WIRE_KEY_BYTES && fsync(fd) == 0 ? 0 : errno;
    close(fd);
    if (failure != 0) {
        unlink(path);
        return rv_fail_errno(err, failure, "write the cluster key \"%s\"", path);
    }
    return RV_OK;
}

static enum rv_code take(int fd, const char *path, uint8_t key[RV_WIRE_KEY_BYTES],
                         struct rv_error *err)
{
    struct stat info;
    if (fstat(fd, &info) == 0 && (info.st_mode & 077) != 0) {
        rv_fail(err, RV_DENIED, "the cluster key \"%s\" is readable by others", path);
        rv_hint(err, "Run `chmod 600 %s`.", path);
        return RV_DENIED;
    }
    uint8_t more;
    if (read(fd, key, RV_WIRE_KEY_BYTES) != RV_WIRE_KEY_BYTES || read(fd, &more, 1) != 0) {
        rv_fail(err, RV_CORRUPT, "the cluster key \"%s\" has not %d bytes", path,
                RV_WIRE_KEY_BYTES);
        rv_hint(err, "Copy it from another node; or remove it on all nodes and copy a new one.");
        return RV_CORRUPT;
    }
    return RV_OK;
}

enum rv_code rv_cluster_key_open(const char *path, struct rv_cluster_key *out, struct rv_error *err)
{
    RV_ASSERT(sodium_init() >= 0);
    uint8_t key[RV_WIRE_KEY_BYTES];
    uint8_t mark[16];
    enum rv_code code = RV_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        code = take(fd, path, key, err);
        close(fd);
    } else if (errno == ENOENT) {
        code = make(path, key, err);
    } else {
        code = rv_fail_errno(err, errno, "open the cluster key \"%s\"", path);
    }
    if (code == RV_OK) {
        crypto_kdf_derive_from_key(out->wire.bytes, sizeof out->wire.bytes, SUBKEY_WIRE, context,
                                   key);
        crypto_kdf_derive_from_key(mark, sizeof mark, SUBKEY_MARK, context, key);
        sodium_bin2hex(out->mark, sizeof out->mark, mark, MARK_BYTES);
    }
    sodium_memzero(key, sizeof key);
    return code;
}

void rv_cluster_key_wipe(struct rv_cluster_key *key)
{
    sodium_memzero(key, sizeof *key);
}
