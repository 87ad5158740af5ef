/* trust.c -- the public keys that checkpoints are checked with, and the file they lie in.
 *
 * The public half lies beside the key since the first start, so that checking never needs the
 * secret and a lost or exchanged key is noticed before anything is sealed with another one.
 */
#include "runtime/audit/audit_private.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { TRUST_FILE_MAX = 16 << 10 };

char *audit_public_path(const char *key_path)
{
    static const char suffix[] = ".pub";
    size_t length = strlen(key_path);
    char *path = rv_alloc(length + sizeof suffix);
    memcpy(path, key_path, length);
    memcpy(path + length, suffix, sizeof suffix);
    return path;
}

enum rv_code rv_audit_trust_read(const char *text, struct rv_audit_trust **out,
                                 struct rv_error *err)
{
    struct rv_audit_trust *trust = rv_alloc(sizeof *trust);
    enum rv_code code = RV_OK;
    while (code == RV_OK && *text != '\0') {
        size_t length = strcspn(text, "\r\n");
        if (length > 0 && text[0] != '#') {
            char *line = rv_strndup(text, length);
            code = trust->count < AUDIT_TRUST_MAX
                       ? note_verifier_read(line, &trust->keys[trust->count++], err)
                       : rv_fail(err, RV_LIMIT, "more than %d public keys", AUDIT_TRUST_MAX);
            rv_free(line);
        }
        text += length;
        text += strspn(text, "\r\n");
    }
    if (code == RV_OK && trust->count == 0) {
        code = rv_fail(err, RV_INVALID, "there is no public key in what was given");
        rv_hint(err, "`reeve audit key` prints it, on the machine that writes the record.");
    }
    if (code != RV_OK) {
        rv_free(trust);
        return code;
    }
    *out = trust;
    return RV_OK;
}

void rv_audit_trust_free(struct rv_audit_trust *trust)
{
    rv_free(trust);
}

/* RV_NOT_FOUND when there is no such file. */
static enum rv_code read_public(const char *path, struct rv_audit_trust **out, struct rv_error *err)
{
    char text[TRUST_FILE_MAX];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return rv_fail_errno(err, errno, "open \"%s\"", path);
    }
    ssize_t length = read(fd, text, sizeof text - 1);
    int failure = errno;
    close(fd);
    if (length < 0) {
        return rv_fail_errno(err, failure, "read \"%s\"", path);
    }
    text[length] = '\0';
    enum rv_code code = rv_audit_trust_read(text, out, err);
    return code == RV_OK ? code : rv_wrap(err, code, "public key file \"%s\"", path);
}

enum rv_code rv_audit_trust_open(const char *key_path, struct rv_audit_trust **out,
                                 struct rv_error *err)
{
    char *path = audit_public_path(key_path);
    struct rv_error none = {.code = RV_OK};
    enum rv_code code = read_public(path, out, &none);
    rv_free(path);
    if (code == RV_OK) {
        return code;
    }
    if (code != RV_NOT_FOUND) {
        *err = none;
        return code;
    }
    if (access(key_path, R_OK) != 0) {
        code = rv_fail_errno(err, errno, "read the audit key \"%s\" or its public half", key_path);
        rv_hint(err, "Give the public key with --key; `reeve audit key` prints it where it is.");
        return code;
    }
    struct rv_audit *audit = NULL;
    code = rv_audit_open(key_path, &audit, err);
    if (code == RV_OK) {
        *out = rv_alloc(sizeof **out);
        (*out)->keys[(*out)->count++] = audit->key.verifier;
        rv_audit_close(audit);
    }
    return code;
}

static bool trusts(const struct rv_audit_trust *trust, const struct note_verifier *verifier)
{
    for (int i = 0; i < trust->count; i++) {
        if (memcmp(trust->keys[i].public_key, verifier->public_key, sizeof verifier->public_key) ==
            0) {
            return true;
        }
    }
    return false;
}

static void write_public(const char *path, const struct note_verifier *verifier)
{
    char text[RV_AUDIT_KEY_TEXT + 1];
    note_verifier_text(verifier, text);
    size_t length = strlen(text);
    text[length++] = '\n';
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, length) != (ssize_t)length) {
        /* a convenience and a guard, no need: the key itself is there */
        rv_log(RV_LOG_WARN, "audit", "AUDIT-PUBLIC", "could not write \"%s\": %s", path,
               strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
}

enum rv_code audit_trust_keep(const char *key_path, const struct note_verifier *verifier,
                              struct rv_error *err)
{
    char *path = audit_public_path(key_path);
    struct rv_audit_trust *trust = NULL;
    struct rv_error why = {.code = RV_OK};
    enum rv_code code = read_public(path, &trust, &why);
    if (code == RV_NOT_FOUND) {
        write_public(path, verifier);
        code = RV_OK;
    } else if (code != RV_OK) {
        *err = why;
    } else if (!trusts(trust, verifier)) {
        code = rv_fail(err, RV_CORRUPT, "the audit key \"%s\" is not the one of \"%s\"", key_path,
                       path);
        rv_hint(err, "Restore the key, or add its public half (`reeve audit key`) to that file.");
    }
    rv_audit_trust_free(trust);
    rv_free(path);
    return code;
}
