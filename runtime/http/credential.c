/* credential.c -- see credential.h. */
#include "runtime/http/credential.h"

#include "runtime/base/check.h"
#include "runtime/base/random.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct rv_credential bad = {.kind = RV_CREDENTIAL_BAD};

/* A decimal number up to the next "_"; 0 when there is none or it is above `max`. */
static int64_t read_number(const char **at, int64_t max)
{
    int64_t value = 0;
    const char *start = *at;
    while (**at >= '0' && **at <= '9') {
        int digit = **at - '0';
        if (value > (max - digit) / 10) {
            return 0;
        }
        value = value * 10 + digit;
        (*at)++;
    }
    if (*at == start || **at != '_') {
        return 0;
    }
    (*at)++;
    return value;
}

static bool is_secret(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_')) {
            return false;
        }
    }
    return length == RV_SECRET_TEXT - 1;
}

static struct rv_credential read_text(const char *text, size_t length)
{
    char copy[RV_CREDENTIAL_TEXT];
    struct rv_credential credential = {.kind = RV_CREDENTIAL_TOKEN};
    if (length >= sizeof copy) {
        return bad;
    }
    memcpy(copy, text, length);
    copy[length] = '\0';
    const char *at = copy + 4;
    if (strncmp(copy, "rvs_", 4) == 0) {
        credential.kind = RV_CREDENTIAL_SESSION;
    } else if (strncmp(copy, "rvt_", 4) != 0) {
        return bad;
    }
    credential.tenant = (int32_t)read_number(&at, INT32_MAX);
    if (credential.kind == RV_CREDENTIAL_TOKEN && credential.tenant > 0) {
        credential.id = read_number(&at, INT64_MAX);
    }
    bool numbers =
        credential.tenant > 0 && (credential.kind == RV_CREDENTIAL_SESSION || credential.id > 0);
    if (!numbers || !is_secret(at, strlen(at))) {
        return bad;
    }
    credential.hash = rv_sha256(at, strlen(at));
    return credential;
}

static struct rv_credential read_cookies(const char *cookies)
{
    static const char name[] = RV_SESSION_COOKIE "=";
    for (const char *at = cookies; *at != '\0';) {
        size_t length = strcspn(at, ";");
        if (strncmp(at, name, sizeof name - 1) == 0) {
            struct rv_credential found =
                read_text(at + sizeof name - 1, length - (sizeof name - 1));
            return found.kind == RV_CREDENTIAL_SESSION ? found : bad;
        }
        at += length;
        at += strspn(at, "; ");
    }
    return (struct rv_credential){.kind = RV_CREDENTIAL_NONE};
}

struct rv_credential rv_credential_read(const char *authorization, const char *cookies)
{
    if (authorization != NULL) {
        if (strncasecmp(authorization, "Bearer ", 7) != 0) {
            return bad;
        }
        struct rv_credential found = read_text(authorization + 7, strlen(authorization + 7));
        return found.kind == RV_CREDENTIAL_TOKEN ? found : bad;
    }
    return cookies != NULL ? read_cookies(cookies)
                           : (struct rv_credential){.kind = RV_CREDENTIAL_NONE};
}

static void make_secret(char out[RV_SECRET_TEXT], struct rv_hash *hash)
{
    unsigned char bytes[RV_SECRET_BYTES];
    rv_random_secret(bytes, sizeof bytes);
    sodium_bin2base64(out, RV_SECRET_TEXT, bytes, sizeof bytes,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(bytes, sizeof bytes);
    *hash = rv_sha256(out, strlen(out));
}

void rv_credential_make_token(int32_t tenant, int64_t id, char out[RV_CREDENTIAL_TEXT],
                              struct rv_hash *hash)
{
    char secret[RV_SECRET_TEXT];
    RV_ASSERT(tenant > 0 && id > 0);
    make_secret(secret, hash);
    snprintf(out, RV_CREDENTIAL_TEXT, "rvt_%" PRId32 "_%" PRId64 "_%s", tenant, id, secret);
    sodium_memzero(secret, sizeof secret);
}

void rv_credential_make_session(int32_t tenant, char out[RV_CREDENTIAL_TEXT], struct rv_hash *hash)
{
    char secret[RV_SECRET_TEXT];
    RV_ASSERT(tenant > 0);
    make_secret(secret, hash);
    snprintf(out, RV_CREDENTIAL_TEXT, "rvs_%" PRId32 "_%s", tenant, secret);
    sodium_memzero(secret, sizeof secret);
}
