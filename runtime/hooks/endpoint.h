/* endpoint.h -- administration of web hook endpoints, for the command line.
 *
 * Blocking (rv_db_session); never on a loop thread.
 */
#ifndef REEVE_RUNTIME_HOOKS_ENDPOINT_H
#define REEVE_RUNTIME_HOOKS_ENDPOINT_H

#include "runtime/db/db.h"
#include "runtime/hooks/sign.h"

enum { RV_HOOK_OVERLAP_S = 24 * 3600 }; /* both secrets sign for a day after a rotation */

struct rv_hook_endpoint {
    const char *url;    /* https, or http when allow_private */
    const char *events; /* "approval.requested,run.*"; "" is all */
    const char *person; /* callbacks vote as this person; NULL: none are accepted */
    bool allow_private;
};

struct rv_hook_endpoint_keys {
    int64_t id;
    char secret[RV_HOOK_KEY_TEXT];     /* whsec_..., shown once */
    char public_key[RV_HOOK_KEY_TEXT]; /* whpk_..., for v1a */
    char callback[64]; /* the "endpoint" parameter of callbacks: rve_<tenant>_<id> */
};

RV_MUST enum rv_code rv_hook_endpoint_add(struct rv_db_session *session, int32_t tenant,
                                          const struct rv_hook_endpoint *endpoint, int64_t now_us,
                                          struct rv_hook_endpoint_keys *out, struct rv_error *err);
/* Makes a new secret; the old one stays valid for RV_HOOK_OVERLAP_S. */
RV_MUST enum rv_code rv_hook_endpoint_rotate(struct rv_db_session *session, int32_t tenant,
                                             int64_t id, char secret[RV_HOOK_KEY_TEXT],
                                             struct rv_error *err);
RV_MUST enum rv_code rv_hook_endpoint_enable(struct rv_db_session *session, int32_t tenant,
                                             int64_t id, bool enabled, struct rv_error *err);
/* Dead letters of an endpoint (0: of all) are sent again; `count` says how many. */
RV_MUST enum rv_code rv_hook_redrive(struct rv_db_session *session, int32_t tenant,
                                     int64_t endpoint, int *count, struct rv_error *err);
/* `each` gets id, url, events, enabled, person, disabled reason, pending, dead as columns 0..7. */
RV_MUST enum rv_code rv_hook_list(struct rv_db_session *session, int32_t tenant,
                                  enum rv_code (*each)(void *data, const struct rv_result *result,
                                                       int row, struct rv_error *err),
                                  void *data, struct rv_error *err);

#endif
