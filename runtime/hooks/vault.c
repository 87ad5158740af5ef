/* vault.c -- see vault.h. */
#include "runtime/hooks/vault.h"

#include "runtime/base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MARK_BYTES = 3,
    NONCE_BYTES = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
    TAG_BYTES = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    PLACE_MAX = 96
};
_Static_assert((int)RV_HOOK_VAULT_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key");
_Static_assert((int)RV_HOOK_SEALED_MAX ==
                   MARK_BYTES + NONCE_BYTES + (int)RV_HOOK_SECRET_MAX + TAG_BYTES,
               "sealed form");

static const char mark[] = "rv1";

struct rv_hook_vault {
    uint8_t key[RV_HOOK_VAULT_KEY_BYTES];
};

/* ---- the key ---- */

static enum rv_code make_key(const char *path, uint8_t key[RV_HOOK_VAULT_KEY_BYTES],
                             struct rv_error *err)
{
    crypto_aead_xchacha20poly1305_ietf_keygen(key);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return rv_fail_errno(err, errno, "create the hook key \"%s\"", path);
    }
    ssize_t n = write(fd, key, RV_HOOK_VAULT_KEY_BYTES);
    int failure = n == RV_HOOK_VAULT_KEY_BYTES && fsync(fd) == 0 ? 0 : errno;
    close(fd);
    if (failure != 0) {
        unlink(path);
        return rv_fail_errno(err, failure, "write the hook key \"%s\"", path);
    }
    return RV_OK;
}

static enum rv_code read_key(int fd, const char *path, uint8_t key[RV_HOOK_VAULT_KEY_BYTES],
                             struct rv_error *err)
{
    struct stat info;
    if (fstat(fd, &info) == 0 && (info.st_mode & 077) != 0) {
        rv_fail(err, RV_DENIED, "the hook key \"%s\" is readable by others", path);
        rv_hint(err, "Run `chmod 600 %s`.", path);
        return RV_DENIED;
    }
    uint8_t more;
    if (read(fd, key, RV_HOOK_VAULT_KEY_BYTES) != RV_HOOK_VAULT_KEY_BYTES ||
        read(fd, &more, 1) != 0) {
        rv_fail(err, RV_CORRUPT, "the hook key \"%s\" has not %d bytes", path,
                RV_HOOK_VAULT_KEY_BYTES);
        rv_hint(err, "Restore it from its backup; without it every hook needs a new secret.");
        return RV_CORRUPT;
    }
    return RV_OK;
}

enum rv_code rv_hook_vault_open(const char *key_path, struct rv_hook_vault **out,
                                struct rv_error *err)
{
    RV_ASSERT(sodium_init() >= 0);
    struct rv_hook_vault *vault = rv_alloc(sizeof *vault);
    enum rv_code code = RV_OK;
    int fd = open(key_path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        code = read_key(fd, key_path, vault->key, err);
        close(fd);
    } else if (errno == ENOENT) {
        code = make_key(key_path, vault->key, err);
    } else {
        code = rv_fail_errno(err, errno, "open the hook key \"%s\"", key_path);
    }
    if (code != RV_OK) {
        rv_hook_vault_close(vault);
        return code;
    }
    *out = vault;
    return RV_OK;
}

void rv_hook_vault_close(struct rv_hook_vault *vault)
{
    if (vault != NULL) {
        sodium_memzero(vault->key, sizeof vault->key);
        rv_free(vault);
    }
}

/* ---- sealing ---- */

static size_t place(int32_t tenant, int64_t endpoint, enum rv_hook_field field, char out[PLACE_MAX])
{
    int length = snprintf(out, PLACE_MAX, "reeve.hook/%" PRId32 "/%" PRId64 "/%s", tenant, endpoint,
                          field == RV_HOOK_FIELD_SEED ? "seed" : "secret");
    return (size_t)length;
}

size_t rv_hook_seal(const struct rv_hook_vault *vault, int32_t tenant, int64_t endpoint,
                    enum rv_hook_field field, const uint8_t *secret, size_t length,
                    uint8_t out[RV_HOOK_SEALED_MAX])
{
    char where[PLACE_MAX];
    unsigned long long sealed = 0;
    uint8_t *nonce = out + MARK_BYTES;
    RV_ASSERT(length <= RV_HOOK_SECRET_MAX);
    memcpy(out, mark, MARK_BYTES);
    randombytes_buf(nonce, NONCE_BYTES);
    size_t where_length = place(tenant, endpoint, field, where);
    crypto_aead_xchacha20poly1305_ietf_encrypt(nonce + NONCE_BYTES, &sealed, secret, length,
                                               (const unsigned char *)where, where_length, NULL,
                                               nonce, vault->key);
    return MARK_BYTES + NONCE_BYTES + (size_t)sealed;
}

bool rv_hook_is_sealed(const uint8_t *stored, size_t length)
{
    /* a bare secret has at most RV_HOOK_SECRET_MAX bytes; a sealed one of the least length has more
     */
    _Static_assert((int)RV_HOOK_SECRET_MIN + MARK_BYTES + NONCE_BYTES + TAG_BYTES >
                       (int)RV_HOOK_SECRET_MAX,
                   "the two forms differ by their length");
    return length > RV_HOOK_SECRET_MAX && memcmp(stored, mark, MARK_BYTES) == 0;
}

size_t rv_hook_unseal(const struct rv_hook_vault *vault, int32_t tenant, int64_t endpoint,
                      enum rv_hook_field field, const uint8_t *sealed, size_t length,
                      uint8_t out[RV_HOOK_SECRET_MAX])
{
    char where[PLACE_MAX];
    unsigned long long opened = 0;
    if (!rv_hook_is_sealed(sealed, length) || length > RV_HOOK_SEALED_MAX) {
        return 0;
    }
    const uint8_t *nonce = sealed + MARK_BYTES;
    size_t where_length = place(tenant, endpoint, field, where);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(
            out, &opened, NULL, nonce + NONCE_BYTES, length - MARK_BYTES - NONCE_BYTES,
            (const unsigned char *)where, where_length, nonce, vault->key) != 0) {
        return 0;
    }
    return (size_t)opened;
}

/* ---- of connectors ---- */

static size_t connector_place(int32_t tenant, int64_t connector, char out[PLACE_MAX])
{
    return (size_t)snprintf(out, PLACE_MAX, "reeve.connector/%" PRId32 "/%" PRId64, tenant,
                            connector);
}

void rv_hook_seal_connector(const struct rv_hook_vault *vault, int32_t tenant, int64_t connector,
                            const char *secret, size_t length, struct rv_buf *out)
{
    char where[PLACE_MAX];
    uint8_t nonce[NONCE_BYTES];
    unsigned long long sealed = 0;
    size_t where_length = connector_place(tenant, connector, where);
    unsigned char *text = rv_alloc(length + TAG_BYTES);
    randombytes_buf(nonce, sizeof nonce);
    crypto_aead_xchacha20poly1305_ietf_encrypt(text, &sealed, (const unsigned char *)secret, length,
                                               (const unsigned char *)where, where_length, NULL,
                                               nonce, vault->key);
    rv_buf_add(out, mark, MARK_BYTES);
    rv_buf_add(out, nonce, sizeof nonce);
    rv_buf_add(out, text, (size_t)sealed);
    rv_free(text);
}

bool rv_hook_unseal_connector(const struct rv_hook_vault *vault, int32_t tenant, int64_t connector,
                              const uint8_t *sealed, size_t length, struct rv_buf *out)
{
    char where[PLACE_MAX];
    unsigned long long opened = 0;
    size_t where_length = connector_place(tenant, connector, where);
    if (length < MARK_BYTES + NONCE_BYTES + TAG_BYTES || memcmp(sealed, mark, MARK_BYTES) != 0) {
        return false;
    }
    unsigned char *text = rv_alloc(length);
    bool good = crypto_aead_xchacha20poly1305_ietf_decrypt(
                    text, &opened, NULL, sealed + MARK_BYTES + NONCE_BYTES,
                    length - MARK_BYTES - NONCE_BYTES, (const unsigned char *)where, where_length,
                    sealed + MARK_BYTES, vault->key) == 0;
    if (good) {
        rv_buf_add(out, text, (size_t)opened);
    }
    sodium_memzero(text, length);
    rv_free(text);
    return good;
}
