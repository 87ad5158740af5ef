/* once.h -- a request under a key of its asker's choice: asked again it has no second effect.
 *
 *   asked       the key is looked up: the same asker, the same request -> the same answer, nothing
 *               is done; another request -> RV_CONFLICT
 *   done        the row of run_once is written with what was asked; of two that ask at once its
 *               primary key lets one through, and the other one looks again
 *   refused     nothing is written: the key is free, and the same may be asked again
 *
 * A key belongs to the company and to who asked.  It is kept for RV_RUN_ONCE_KEEP_S and until a
 * node tidies up (runtime/journal/lease.h), which takes it; then it is as if never used.
 *
 * draft-ietf-httpapi-idempotency-key-header is this over HTTP.
 */
#ifndef REEVE_RUNTIME_RUN_ONCE_H
#define REEVE_RUNTIME_RUN_ONCE_H

#include "runtime/base/hash.h"
#include "runtime/base/json.h"

enum { RV_RUN_ONCE_KEY_MAX = 255, RV_RUN_ONCE_KEEP_S = 86400 /* as migration 0450 has it */ };

/* RV_INVALID naming `what` unless it is 1 to RV_RUN_ONCE_KEY_MAX printable characters of ASCII. */
RV_MUST enum rv_code rv_once_check(const char *what, const char *key, struct rv_error *err);
/* Of what is asked, whatever the order of its members. */
struct rv_hash rv_once_digest(const json_t *asked);
/* RV_CONFLICT unless what was asked under the key (hex) is the same. */
RV_MUST enum rv_code rv_once_same(const char *key, const char *before, const struct rv_hash *digest,
                                  struct rv_error *err);

#endif
