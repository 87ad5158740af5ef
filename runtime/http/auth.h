/* auth.h -- who is asking: API tokens, sessions, sign-in with a password.
 *
 * The tenant always comes from the credential, never from a body or a path (the sign-in form names
 * its tenant, and the password proves it).  Roles and the enabled flag are read with every request,
 * so a removal acts at once.  Unknown tenant, unknown person and wrong password are one answer
 * after the same work: nobody learns which accounts exist.  Passwords are checked on the work pool.
 *
 * Thread: the loop's.
 */
#ifndef REEVE_RUNTIME_HTTP_AUTH_H
#define REEVE_RUNTIME_HTTP_AUTH_H

#include "runtime/db/db.h"
#include "runtime/http/credential.h"
#include "runtime/http/permission.h"

enum {
    RV_SESSION_SECONDS = 12 * 3600, /* one working day, then sign in again */
    RV_PERSON_NAME_MAX = 100,
    RV_PASSWORD_MAX = 1024,     /* longer is a mistake or an attack on the hash */
    RV_PASSWORD_CHECKS_MAX = 32 /* waiting for the pool; each running one takes 64 MiB */
};

struct rv_caller {
    int32_t tenant;
    const char *person;
    const char *roles;    /* comma-separated */
    unsigned permissions; /* set of enum rv_permission */
    const char *csrf;     /* of the session; NULL when a token was shown */
    struct rv_hash session;
};

/* Why nobody is there. */
struct rv_auth_refusal {
    int status; /* 401, 429 or 503 */
    const char *code;
    const char *title;
    const char *hint;
    int retry_after_s; /* 0: none */
};

struct rv_auth;

struct rv_auth *rv_auth_create(struct rv_loop *loop, struct rv_db *db);
void rv_auth_destroy(
    struct rv_auth *auth); /* when nothing is pending: after server and db closed */

/* Exactly one of caller and refusal is given (borrowed, inside the call only). */
typedef void (*rv_auth_done)(void *data, const struct rv_caller *caller,
                             const struct rv_auth_refusal *refusal);

/* `authorization` and `cookies` are the request's fields or NULL; `peer` its address. */
void rv_auth_identify(struct rv_auth *auth, const char *authorization, const char *cookies,
                      const char *peer, rv_auth_done done, void *data);

/* For credentials of another kind (signed callbacks): whether this peer failed too often, and that
 * it failed again. */
bool rv_auth_is_limited(struct rv_auth *auth, const char *peer, struct rv_auth_refusal *refusal);
void rv_auth_note_failure(struct rv_auth *auth, const char *peer);

/* Whether one more refusal of this caller goes on the audit record: that a person may not is worth
 * a record, and a program that asks all day is not worth a million. */
bool rv_auth_records_refusal(struct rv_auth *auth, const struct rv_caller *caller);

/* On success `cookie` is the session's secret text for Set-Cookie. */
void rv_auth_sign_in(struct rv_auth *auth, const char *tenant, const char *person,
                     const char *password, const char *peer,
                     void (*done)(void *data, const struct rv_caller *caller, const char *cookie,
                                  const struct rv_auth_refusal *refusal),
                     void *data);
/* Forgets the caller's session; a token's caller has none. */
void rv_auth_sign_out(struct rv_auth *auth, const struct rv_caller *caller,
                      void (*done)(void *data, enum rv_code code), void *data);

/* Whether `shown` is the session's CSRF token; constant time. */
bool rv_auth_csrf_matches(const struct rv_caller *caller, const char *shown);

#endif
