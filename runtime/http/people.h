/* people.h -- administration of people, roles and API tokens, for the command line.
 *
 * Blocking (rv_db_session); never on a loop thread.  Errors name the field, the rule and the
 * remedy.
 */
#ifndef REEVE_RUNTIME_HTTP_PEOPLE_H
#define REEVE_RUNTIME_HTTP_PEOPLE_H

#include "runtime/db/db.h"
#include "runtime/http/credential.h"

enum {
    RV_PASSWORD_MIN = 12, /* characters; NIST SP 800-63B asks for 8, money asks for more */
    RV_TOKEN_DAYS_MAX = 366
};

/* Reads one line (the password) from `fd`; argon2id (interactive) goes into the table.  An existing
 * person gets the new password and roles, and all their sessions end.  `password_fd` < 0 adds a
 * person who can only use tokens.  `roles` is comma-separated, may be "". */
RV_MUST enum rv_code rv_person_set(struct rv_db_session *session, int32_t tenant, const char *name,
                                   const char *roles, int password_fd, struct rv_error *err);
/* RV_NOT_FOUND when there is no such person. */
/* A disabled person cannot sign in; sessions end and tokens stop working at once. */
RV_MUST enum rv_code rv_person_enable(struct rv_db_session *session, int32_t tenant,
                                      const char *name, bool enabled, struct rv_error *err);
/* Makes a token that acts as `person`; its text is shown once.  `days` 1..RV_TOKEN_DAYS_MAX. */
RV_MUST enum rv_code rv_token_make(struct rv_db_session *session, int32_t tenant,
                                   const char *person, const char *label, int days, int64_t now_us,
                                   char out[RV_CREDENTIAL_TEXT], int64_t *id, struct rv_error *err);
RV_MUST enum rv_code rv_token_revoke(struct rv_db_session *session, int32_t tenant, int64_t id,
                                     struct rv_error *err);

#endif
