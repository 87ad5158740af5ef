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

enum { KEY_FILE_BYTES = 64, KEY_HASH_BYTES = 4, ED25519 = 0x01 };

static enum rv_code make_key_file(const char *path, unsigned char secret[64], struct rv_error *err)
{
    unsigned char public_key[32];
    crypto_sign_keypair(public_key, secret);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST) { /* a dangling link, or another process was first */
        rv_fail(err, RV_CONFLICT, "the audit key \"%s\" appeared while it was being made", path);
        rv_hint(err, "Start again.");
        return RV_CONFLICT;
    }
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
    struct note_key key = {.verifier = {.name = "reeve"}};
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
        crypto_sign_ed25519_sk_to_pk(key.verifier.public_key, key.secret_key);
        char id[9];
        sodium_bin2hex(id, sizeof id, key.verifier.public_key, 4);
        snprintf(key.verifier.name, sizeof key.verifier.name, "reeve-%s", id);
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
static void key_hash(const struct note_verifier *key, unsigned char out[KEY_HASH_BYTES])
{
    static const unsigned char algorithm[2] = {'\n', ED25519};
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

void note_sign(const struct note_key *key, int32_t tenant, int64_t size, const struct rv_hash *root,
               char out[NOTE_TEXT_MAX])
{
    int length = body(tenant, size, root, out);
    unsigned char blob[KEY_HASH_BYTES + crypto_sign_BYTES];
    key_hash(&key->verifier, blob);
    crypto_sign_detached(blob + KEY_HASH_BYTES, NULL, (const unsigned char *)out,
                         (unsigned long long)length, key->secret_key);
    char signature[128];
    sodium_bin2base64(signature, sizeof signature, blob, sizeof blob,
                      sodium_base64_VARIANT_ORIGINAL);
    snprintf(out + length, NOTE_TEXT_MAX - (size_t)length, "\n\xe2\x80\x94 %s %s\n",
             key->verifier.name, signature);
}

/* ---- reading ---- */

/* The line at `*at` without its end, copied; false when it does not fit or there is none. */
static bool take_line(const char **at, char *out, size_t size)
{
    const char *end = strchr(*at, '\n');
    size_t length = end == NULL ? size : (size_t)(end - *at);
    if (length >= size) {
        return false;
    }
    memcpy(out, *at, length);
    out[length] = '\0';
    *at = end + 1;
    return true;
}

/* One way to write a number: digits, no sign, no zero in front. */
static bool take_size(const char *text, int64_t *size)
{
    int64_t value = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at < '0' || *at > '9' || (*at == '0' && at == text && at[1] != '\0') ||
            __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *at - '0', &value)) {
            return false;
        }
    }
    *size = value;
    return *text != '\0';
}

/* Exactly `size` bytes in their one spelling: libsodium takes letters with the eighth bit for
 * others. */
static bool from_base64(const char *text, void *out, size_t size)
{
    char again[128];
    size_t length = 0;
    const char *end = NULL;
    RV_ASSERT(sodium_base64_ENCODED_LEN(size, sodium_base64_VARIANT_ORIGINAL) <= sizeof again);
    if (sodium_base642bin(out, size, text, strlen(text), NULL, &length, &end,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        length != size || *end != '\0') {
        return false;
    }
    sodium_bin2base64(again, sizeof again, out, size, sodium_base64_VARIANT_ORIGINAL);
    return strcmp(again, text) == 0;
}

/* Is one of the signature lines ours, over exactly these bytes?  Others (witnesses) are skipped. */
static bool signed_by(const struct note_verifier *key, const char *text, size_t length,
                      const char *lines)
{
    unsigned char ours[KEY_HASH_BYTES];
    char prefix[NOTE_NAME_MAX + 8];
    char line[512];
    key_hash(key, ours);
    snprintf(prefix, sizeof prefix, "\xe2\x80\x94 %s ", key->name);
    while (take_line(&lines, line, sizeof line)) {
        unsigned char blob[KEY_HASH_BYTES + crypto_sign_BYTES];
        if (strncmp(line, prefix, strlen(prefix)) == 0 &&
            from_base64(line + strlen(prefix), blob, sizeof blob) &&
            memcmp(blob, ours, KEY_HASH_BYTES) == 0 &&
            crypto_sign_verify_detached(blob + KEY_HASH_BYTES, (const unsigned char *)text, length,
                                        key->public_key) == 0) {
            return true;
        }
    }
    return false;
}

static bool signed_by_one(const struct note_verifier *verifiers, int count, const char *text,
                          size_t length, const char *lines)
{
    for (int i = 0; i < count; i++) {
        if (signed_by(&verifiers[i], text, length, lines)) {
            return true;
        }
    }
    return false;
}

bool note_is_of(const char *note, int32_t tenant)
{
    char expected[64];
    int length = snprintf(expected, sizeof expected, "reeve/tenant/%" PRId32 "\n", tenant);
    return strncmp(note, expected, (size_t)length) == 0;
}

enum rv_code note_read(const char *note, int64_t *size, struct rv_hash *root, struct rv_error *err)
{
    char origin[64];
    char size_text[32];
    char root_text[64];
    const char *at = note;
    const char *blank = strstr(note, "\n\n");
    if (blank == NULL || !take_line(&at, origin, sizeof origin) ||
        !take_line(&at, size_text, sizeof size_text) ||
        !take_line(&at, root_text, sizeof root_text) || at != blank + 1 ||
        !take_size(size_text, size) || !from_base64(root_text, root->bytes, RV_HASH_BYTES)) {
        return rv_fail(err, RV_CORRUPT, "a checkpoint has not the form of a signed note");
    }
    return RV_OK;
}

enum rv_code note_verify(const struct note_verifier *verifiers, int count, int32_t tenant,
                         const char *note, int64_t *size, struct rv_hash *root,
                         struct rv_error *err)
{
    int64_t found = 0;
    struct rv_hash found_root;
    enum rv_code code = note_read(note, &found, &found_root, err);
    if (code != RV_OK) {
        return code;
    }
    if (!note_is_of(note, tenant)) {
        return rv_fail(err, RV_CORRUPT, "a checkpoint belongs to another company");
    }
    const char *blank = strstr(note, "\n\n");
    if (!signed_by_one(verifiers, count, note, (size_t)(blank + 1 - note), blank + 2)) {
        return rv_fail(err, RV_CORRUPT, "the signature of checkpoint %" PRId64 " is not ours",
                       found);
    }
    *size = found;
    *root = found_root;
    return RV_OK;
}

/* ---- verifiers as text (c2sp.org/signed-note): name, key hash, algorithm byte and key ---- */

void note_verifier_text(const struct note_verifier *verifier, char out[NOTE_VERIFIER_TEXT])
{
    unsigned char hash[KEY_HASH_BYTES];
    unsigned char key[1 + sizeof verifier->public_key] = {ED25519};
    char hex[2 * KEY_HASH_BYTES + 1];
    char base64[64];
    key_hash(verifier, hash);
    memcpy(key + 1, verifier->public_key, sizeof verifier->public_key);
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    sodium_bin2base64(base64, sizeof base64, key, sizeof key, sodium_base64_VARIANT_ORIGINAL);
    snprintf(out, NOTE_VERIFIER_TEXT, "%s+%s+%s", verifier->name, hex, base64);
}

enum rv_code note_verifier_read(const char *text, struct note_verifier *out, struct rv_error *err)
{
    struct note_verifier found = {.name = ""};
    unsigned char key[1 + sizeof found.public_key];
    char again[NOTE_VERIFIER_TEXT];
    const char *first = strchr(text, '+');
    const char *second = first != NULL ? strchr(first + 1, '+') : NULL;
    RV_ASSERT(sodium_init() >= 0);
    if (second != NULL && first != text && (size_t)(first - text) < sizeof found.name &&
        strcspn(text, " \t\r\n") == strlen(text) && from_base64(second + 1, key, sizeof key) &&
        key[0] == ED25519) {
        memcpy(found.name, text, (size_t)(first - text));
        memcpy(found.public_key, key + 1, sizeof found.public_key);
        note_verifier_text(&found, again); /* the key hash in the middle must be right, too */
        if (strcmp(again, text) == 0) {
            *out = found;
            return RV_OK;
        }
    }
    rv_fail(err, RV_INVALID, "\"%.80s\" is no public key of an audit record", text);
    rv_hint(err, "It is one line like reeve-1a2b3c4d+5e6f7081+AQ...; see `reeve audit key`.");
    return RV_INVALID;
}
