/* note.c -- see note.h. */
#include "runtime/audit/note.h"

#include "runtime/base/check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_FILE_BYTES = 64, KEY_HASH_BYTES = 4 };

static enum rv_code make_key_file(const char *path, unsigned char secret[64], struct rv_error *err)
{
    unsigned char public_key[32];
    crypto_sign_keypair(public_key, secret);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return rv_fail_errno(err, errno, "create the audit key \"%s\"", path);
    }
    ssize_t n = write(fd, secret, KEY_FILE_BYTES);
    int failure = n == KEY_FILE_BYTES && fsync(fd) == 0 ? 0 : errno;
    close(fd);
    if (failure != 0) {
        unlink(path);
        return rv_fail_errno(err, failure, "write the audit key \"%s\"", path);
    }
    return RV_OK;
}

enum rv_code note_key_open(const char *path, struct note_key *out, struct rv_error *err)
{
    RV_ASSERT(sodium_init() >= 0);
    struct note_key key = {.name = "reeve"};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum rv_code code = RV_OK;
    if (fd < 0 && errno == ENOENT) {
        code = make_key_file(path, key.secret_key, err);
    } else if (fd < 0) {
        code = rv_fail_errno(err, errno, "open the audit key \"%s\"", path);
    } else {
        struct stat info;
        if (fstat(fd, &info) == 0 && (info.st_mode & 077) != 0) {
            code = rv_fail(err, RV_DENIED, "the audit key \"%s\" is readable by others", path);
            rv_hint(err, "Run `chmod 600 %s`.", path);
        } else if (read(fd, key.secret_key, KEY_FILE_BYTES) != KEY_FILE_BYTES) {
            code = rv_fail(err, RV_CORRUPT, "the audit key \"%s\" has not %d bytes", path,
                           KEY_FILE_BYTES);
        }
        close(fd);
    }
    if (code == RV_OK) {
        crypto_sign_ed25519_sk_to_pk(key.public_key, key.secret_key);
        char id[9];
        sodium_bin2hex(id, sizeof id, key.public_key, 4);
        snprintf(key.name, sizeof key.name, "reeve-%s", id);
        *out = key;
    }
    sodium_memzero(key.secret_key, sizeof key.secret_key);
    return code;
}

void note_key_wipe(struct note_key *key)
{
    sodium_memzero(key->secret_key, sizeof key->secret_key);
}

/* signed-note: first 4 bytes of SHA-256(name || "\n" || 0x01 || public key). */
static void key_hash(const struct note_key *key, unsigned char out[KEY_HASH_BYTES])
{
    static const unsigned char algorithm[2] = {'\n', 0x01};
    const struct rv_span spans[] = {
        {key->name, strlen(key->name)}, {algorithm, 2}, {key->public_key, 32}};
    struct rv_hash hash = rv_sha256_spans(spans, 3);
    memcpy(out, hash.bytes, KEY_HASH_BYTES);
}

static int body(int32_t tenant, int64_t size, const struct rv_hash *root, char out[NOTE_TEXT_MAX])
{
    char root_text[64];
    sodium_bin2base64(root_text, sizeof root_text, root->bytes, RV_HASH_BYTES,
                      sodium_base64_VARIANT_ORIGINAL);
    return snprintf(out, NOTE_TEXT_MAX, "reeve/tenant/%" PRId32 "\n%" PRId64 "\n%s\n", tenant, size,
                    root_text);
}

void note_sign(const struct note_key *key, int32_t tenant, int64_t size,
               const struct rv_hash *root, char out[NOTE_TEXT_MAX])
{
    int length = body(tenant, size, root, out);
    unsigned char blob[KEY_HASH_BYTES + crypto_sign_BYTES];
    key_hash(key, blob);
    crypto_sign_detached(blob + KEY_HASH_BYTES, NULL, (const unsigned char *)out,
                         (unsigned long long)length, key->secret_key);
    char signature[128];
    sodium_bin2base64(signature, sizeof signature, blob, sizeof blob,
                      sodium_base64_VARIANT_ORIGINAL);
    snprintf(out + length, NOTE_TEXT_MAX - (size_t)length, "\n\xe2\x80\x94 %s %s\n", key->name,
             signature);
}

enum rv_code note_verify(const struct note_key *key, int32_t tenant, const char *note,
                         int64_t *size, struct rv_hash *root, struct rv_error *err)
{
    char origin[64];
    char root_text[64];
    char name[NOTE_NAME_MAX];
    char signature[128];
    int64_t found = 0;
    int32_t found_tenant = 0;
    unsigned char blob[KEY_HASH_BYTES + crypto_sign_BYTES];
    struct rv_hash found_root;
    size_t length = 0;
    if (sscanf(note, "%63[^\n]\n%" SCNd64 "\n%63[^\n]\n\n\xe2\x80\x94 %63s %127s", origin, &found,
               root_text, name, signature) != 5 ||
        sscanf(origin, "reeve/tenant/%" SCNd32, &found_tenant) != 1 ||
        sodium_base642bin(found_root.bytes, RV_HASH_BYTES, root_text, strlen(root_text), NULL,
                          &length, NULL, sodium_base64_VARIANT_ORIGINAL) != 0 ||
        length != RV_HASH_BYTES ||
        sodium_base642bin(blob, sizeof blob, signature, strlen(signature), NULL, &length, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        length != sizeof blob) {
        return rv_fail(err, RV_CORRUPT, "a checkpoint has not the form of a signed note");
    }
    char text[NOTE_TEXT_MAX];
    int text_length = body(found_tenant, found, &found_root, text);
    if (found_tenant != tenant) {
        return rv_fail(err, RV_CORRUPT, "a checkpoint belongs to another company");
    }
    if (crypto_sign_verify_detached(blob + KEY_HASH_BYTES, (const unsigned char *)text,
                                    (unsigned long long)text_length, key->public_key) != 0) {
        return rv_fail(err, RV_CORRUPT, "the signature of checkpoint %" PRId64 " is not ours", found);
    }
    *size = found;
    *root = found_root;
    return RV_OK;
}
