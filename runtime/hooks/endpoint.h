/* endpoint.h -- administration of web hook endpoints, for the command line.
 *
 * Blocking (rv_db_session); never on a loop thread.
 */
#ifndef REEVE_RUNTIME_HOOKS_ENDPOINT_H
#define REEVE_RUNTIME_HOOKS_ENDPOINT_H

#include "runtime/db/db.h"
#include "runtime/hooks/vault.h"

enum {
    RV_HOOK_OVERLAP_S = 24 * 3600,         /* both secrets sign for a day after a rotation */
    RV_HOOK_OVERLAP_MAX_S = 30 * 24 * 3600 /* longer, and a stolen secret stays good */
};

/* What a delivery may stand at, with a space between two. */
extern const char rv_hook_delivery_words[];

struct rv_hook_endpoint {
    const char *url;    /* https, or http when allow_private */
    const char *events; /* "approval.requested,run.*"; "" is all; see `reeve help hook add` */
    const char *person; /* callbacks vote as this person; NULL: none are accepted */
    bool allow_private;
};

struct rv_hook_endpoint_keys {
    int64_t id;
    char secret[RV_HOOK_KEY_TEXT];     /* whsec_..., shown once */
    char public_key[RV_HOOK_KEY_TEXT]; /* whpk_..., for v1a */
    char callback[64]; /* the "endpoint" parameter of callbacks: rve_<tenant>_<id> */
};

/* RV_INVALID, with the list of those that exist, where `events` names one that is never announced:
 * its receiver would wait for ever.  "NOUN.*" is all of a noun that has some. */
RV_MUST enum rv_code rv_hook_events_check(const char *events, struct rv_error *err);

RV_MUST enum rv_code rv_hook_endpoint_add(struct rv_db_session *session, int32_t tenant,
                                          const struct rv_hook_vault *vault,
                                          const struct rv_hook_endpoint *endpoint, int64_t now_us,
                                          struct rv_hook_endpoint_keys *out, struct rv_error *err);
/* Makes a new secret; the old one signs and is accepted beside it for `overlap_s` (0: it is stolen,
 * and ends now). */
RV_MUST enum rv_code rv_hook_endpoint_rotate(struct rv_db_session *session, int32_t tenant,
                                             const struct rv_hook_vault *vault, int64_t id,
                                             int32_t overlap_s, char secret[RV_HOOK_KEY_TEXT],
                                             struct rv_error *err);
/* Seals what an earlier version stored bare; `count` says how many endpoints.  RV_CORRUPT when a
 * sealed secret does not open with this key: the other endpoints are sealed all the same. */
RV_MUST enum rv_code rv_hook_endpoints_seal(struct rv_db_session *session, int32_t tenant,
                                            const struct rv_hook_vault *vault, int *count,
                                            struct rv_error *err);
RV_MUST enum rv_code rv_hook_endpoint_enable(struct rv_db_session *session, int32_t tenant,
                                             int64_t id, bool enabled, struct rv_error *err);
/* Dead letters of an endpoint (0: of all) are sent again; `count` says how many. */
RV_MUST enum rv_code rv_hook_redrive(struct rv_db_session *session, int32_t tenant,
                                     int64_t endpoint, int *count, struct rv_error *err);

#endif
