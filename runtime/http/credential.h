/* credential.h -- the two kinds of secret a caller may show, as text; pure functions.
 *
 *   API token        rvt_<tenant>_<id>_<43 characters>     in "Authorization: Bearer ..."
 *   session cookie   rvs_<tenant>_<43 characters>          in "Cookie: reeve_session=..."
 *
 * The 43 characters are 32 random bytes in base64url.  Only their SHA-256 is stored: 256 random
 * bits need no slow hash.  The tenant in the text says where to look; the secret proves it.
 */
#ifndef REEVE_RUNTIME_HTTP_CREDENTIAL_H
#define REEVE_RUNTIME_HTTP_CREDENTIAL_H

#include "runtime/base/hash.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    RV_SECRET_BYTES = 32,
    RV_SECRET_TEXT = 44, /* 43 characters and NUL */
    RV_CREDENTIAL_TEXT = 96
};
#define RV_SESSION_COOKIE "reeve_session"

enum rv_credential_kind {
    RV_CREDENTIAL_NONE,
    RV_CREDENTIAL_BAD,
    RV_CREDENTIAL_TOKEN,
    RV_CREDENTIAL_SESSION
};

struct rv_credential {
    enum rv_credential_kind kind;
    int32_t tenant;
    int64_t id; /* tokens only */
    struct rv_hash hash;
};

/* Reads what a request shows; either text may be NULL.  An Authorization field wins over a cookie,
 * and a bad one is bad: it never falls back to the cookie. */
struct rv_credential rv_credential_read(const char *authorization, const char *cookies);
/* Makes a new secret: its full text for the caller to see once, its hash for the table. */
void rv_credential_make_token(int32_t tenant, int64_t id, char out[RV_CREDENTIAL_TEXT],
                              struct rv_hash *hash);
void rv_credential_make_session(int32_t tenant, char out[RV_CREDENTIAL_TEXT], struct rv_hash *hash);

#endif
