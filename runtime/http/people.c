/* people.c -- see people.h. */
#include "runtime/http/people.h"

#include "runtime/base/check.h"
#include "runtime/base/random.h"
#include "runtime/http/auth.h"

#include "http_sql.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

enum { LABEL_MAX = 100, DAY_S = 86400 };

static const char other_word[] = "administrator"; /* that HTTP once had for the role admin */

static enum rv_code check_name(const char *name, struct rv_error *err)
{
    size_t length = strlen(name);
    bool fine = length >= 1 && length <= RV_PERSON_NAME_MAX;
    for (size_t i = 0; i < length && fine; i++) {
        unsigned char c = (unsigned char)name[i];
        fine = c > ' ' && c != 0x7f && c != ',' && c != ':';
    }
    if (fine) {
        return RV_OK;
    }
    rv_fail(err, RV_INVALID,
            "name of a person must be 1 to %d characters without space, comma or colon",
            RV_PERSON_NAME_MAX);
    rv_hint(err, "Use the account name of your directory, e.g. controller.north.");
    return RV_INVALID;
}

static enum rv_code check_roles(const char *roles, struct rv_error *err)
{
    for (const char *at = roles; *at != '\0'; at++) {
        bool letter =
            (*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9') || *at == '_' || *at == '.';
        bool comma = *at == ',' && at > roles && at[-1] != ',' && at[1] != '\0';
        if (!letter && !comma) {
            rv_fail(err, RV_INVALID, "roles \"%s\" is not a comma-separated list of words", roles);
            rv_hint(
                err,
                "Words are lower-case letters, digits, _ and dots, e.g. controller,ap.manager.");
            return RV_INVALID;
        }
    }
    for (const char *at = roles; *at != '\0'; at += *at == ',') {
        size_t length = strcspn(at, ",");
        if (length == strlen(other_word) && memcmp(at, other_word, length) == 0) {
            rv_fail(err, RV_INVALID, "there is no role \"%s\": its word is \"admin\"", other_word);
            rv_hint(err, "Policies, the command line and HTTP all know it as admin.");
            return RV_INVALID;
        }
        at += length;
    }
    return RV_OK;
}

/* One line into `out`; the line break is dropped. */
static enum rv_code read_password(int fd, char out[RV_PASSWORD_MAX + 2], struct rv_error *err)
{
    size_t length = 0;
    for (;;) {
        char c = '\0';
        ssize_t count = read(fd, &c, 1);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return rv_fail_errno(err, errno, "could not read the password from descriptor %d", fd);
        }
        if (count == 0 || c == '\n') {
            break;
        }
        if (length > RV_PASSWORD_MAX) {
            return rv_fail(err, RV_INVALID, "the password is longer than %d bytes",
                           RV_PASSWORD_MAX);
        }
        out[length++] = c;
    }
    if (length > 0 && out[length - 1] == '\r') {
        length--;
    }
    out[length] = '\0';
    if (length < RV_PASSWORD_MIN || strlen(out) != length) {
        rv_fail(err, RV_INVALID, "the password must have at least %d characters", RV_PASSWORD_MIN);
        rv_hint(err, "Four random words are easy to remember and long enough.");
        return RV_INVALID;
    }
    return RV_OK;
}

static enum rv_code hash_password(int fd, char out[crypto_pwhash_STRBYTES], struct rv_error *err)
{
    char password[RV_PASSWORD_MAX + 2];
    RV_ASSERT(sodium_init() >= 0);
    enum rv_code code = read_password(fd, password, err);
    if (code == RV_OK &&
        crypto_pwhash_str(out, password, strlen(password), crypto_pwhash_OPSLIMIT_INTERACTIVE,
                          crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0) {
        code = rv_fail(err, RV_UNAVAILABLE, "there is not enough memory to hash a password");
    }
    sodium_memzero(password, sizeof password);
    return code;
}

enum rv_code rv_person_set(struct rv_db_session *session, int32_t tenant, const char *name,
                           const char *roles, int password_fd, struct rv_error *err)
{
    char hash[crypto_pwhash_STRBYTES];
    enum rv_code code = check_name(name, err);
    if (code == RV_OK) {
        code = check_roles(roles, err);
    }
    if (code == RV_OK && password_fd >= 0) {
        code = hash_password(password_fd, hash, err);
    }
    if (code != RV_OK) {
        return code;
    }
    struct rv_args *args = rv_args_create(&rv_sql_people_set);
    rv_args_i32(args, 1, tenant);
    rv_args_text(args, 2, name);
    rv_args_text(args, 3, roles);
    rv_args_text(args, 4, password_fd >= 0 ? hash : NULL);
    return rv_db_session_change_one(session, tenant, &rv_sql_people_set, args, "person", err);
}

enum rv_code rv_person_enable(struct rv_db_session *session, int32_t tenant, const char *name,
                              bool enabled, struct rv_error *err)
{
    struct rv_args *args = rv_args_create(&rv_sql_people_enable);
    rv_args_i32(args, 1, tenant);
    rv_args_text(args, 2, name);
    rv_args_bool(args, 3, enabled);
    return rv_db_session_change_one(session, tenant, &rv_sql_people_enable, args, "such person",
                                    err);
}

enum rv_code rv_token_make(struct rv_db_session *session, int32_t tenant, const char *person,
                           const char *label, int days, int64_t now_us,
                           char out[RV_CREDENTIAL_TEXT], int64_t *id, struct rv_error *err)
{
    struct rv_hash hash;
    if (days < 1 || days > RV_TOKEN_DAYS_MAX) {
        return rv_fail(err, RV_INVALID, "a token lives 1 to %d days, not %d", RV_TOKEN_DAYS_MAX,
                       days);
    }
    if (label[0] == '\0' || strlen(label) > LABEL_MAX) {
        rv_fail(err, RV_INVALID, "label of a token must be 1 to %d bytes", LABEL_MAX);
        rv_hint(err, "Say where it is used, so that it can be revoked one day.");
        return RV_INVALID;
    }
    *id = rv_id_make(now_us);
    rv_credential_make_token(tenant, *id, out, &hash);
    struct rv_args *args = rv_args_create(&rv_sql_token_make);
    rv_args_i32(args, 1, tenant);
    rv_args_i64(args, 2, *id);
    rv_args_text(args, 3, person);
    rv_args_bytes(args, 4, hash.bytes, RV_HASH_BYTES);
    rv_args_text(args, 5, label);
    rv_args_time(args, 6, now_us + (int64_t)days * DAY_S * 1000000);
    enum rv_code code =
        rv_db_session_change_one(session, tenant, &rv_sql_token_make, args, "such person", err);
    if (code != RV_OK) {
        sodium_memzero(out, RV_CREDENTIAL_TEXT);
    }
    return code;
}

enum rv_code rv_token_revoke(struct rv_db_session *session, int32_t tenant, int64_t id,
                             struct rv_error *err)
{
    struct rv_args *args = rv_args_create(&rv_sql_token_revoke);
    rv_args_i32(args, 1, tenant);
    rv_args_i64(args, 2, id);
    return rv_db_session_change_one(session, tenant, &rv_sql_token_revoke, args, "such token", err);
}
