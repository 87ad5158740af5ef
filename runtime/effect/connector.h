/* connector.h -- destinations of external effects, as an administrator sets them up.
 *
 * Agents name a connector and never see its address or its secret.  `settings` of the row:
 *
 *   all    timeout_ms, attempts, backoff_ms, allow_private, ca
 *   http   host, methods [..], answer_max, header?, status? ("/payments/{key}", with rule "status")
 *   mail   host, from, recipients [..], login?
 *   file   (the target is the directory)
 *
 * The rule says what happens when nobody knows whether an effect happened; see effect.h.
 * Administration is blocking (rv_db_session); never on a loop thread.
 */
#ifndef REEVE_RUNTIME_EFFECT_CONNECTOR_H
#define REEVE_RUNTIME_EFFECT_CONNECTOR_H

#include "runtime/base/error.h"
#include "runtime/base/json.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    RV_CONNECTOR_NAME_MAX = 64,
    RV_CONNECTOR_URL_MAX = 2000,
    RV_CONNECTOR_SECRET_MAX = 4096, /* a token with claims; a password is a hundredth */
    RV_CONNECTOR_SEALED_MAX = RV_CONNECTOR_SECRET_MAX + 64,
    RV_CONNECTOR_TIMEOUT_MAX_MS = 120 * 1000, /* a receiver that thinks longer needs a callback */
    RV_CONNECTOR_ATTEMPTS_MAX = 50,
    RV_CONNECTOR_ANSWER_DEFAULT = 64 * 1024,
    RV_CONNECTOR_ANSWER_MAX = 1 << 20 /* it goes into the journal, not into the books */
};

struct rv_connector {
    const char *name;
    const char *kind;      /* "http" "mail" "file" */
    const char *target;    /* URL or absolute directory */
    const char *reconcile; /* NULL: "look" for files, else "person" */
    const char *status;    /* http */
    const char *methods;   /* http: "POST,PUT"; NULL: POST */
    const char *header;    /* http: of the secret; NULL: Authorization: Bearer */
    const char *from;      /* mail */
    const char *to;        /* mail: "*@example.com,a@b.c" */
    const char *login;     /* mail, with a secret */
    const char *ca;        /* file of certificates; NULL: the system's */
    bool allow_private;
    int64_t timeout_ms, attempts, backoff_ms, answer_max; /* answer_max: http */
};

/* Whether it makes sense; `settings` gets a new reference, `*reconcile` the rule.  Errors name the
 * field.  Pure, but for a look at the directory or the file of certificates. */
RV_MUST enum rv_code rv_connector_check(const struct rv_connector *connector, json_t **settings,
                                        const char **reconcile, struct rv_error *err);
/* "r_42:7": the intent of step 7 of run 42. */
RV_MUST enum rv_code rv_intent_read(const char *text, int64_t *run, int32_t *seq,
                                    struct rv_error *err);

#endif
