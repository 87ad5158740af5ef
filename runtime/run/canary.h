/* canary.h -- which version of its agent a new run takes: the active one, or the one that is tried.
 *
 * Decided by the run's business key (by its own name where it has none): the same exception always
 * gets the same version, also when it is tried again, on any node.  The draws of two agents have
 * nothing to do with each other.  A version that does not handle the type of the exception is not
 * taken.
 *
 * Thread: any; pure.
 */
#ifndef REEVE_RUNTIME_RUN_CANARY_H
#define REEVE_RUNTIME_RUN_CANARY_H

#include "runtime/base/json.h"

#include <stdbool.h>
#include <stdint.h>

/* Whether an agent's version handles exceptions of this type. */
bool rv_manifest_handles(const json_t *manifest, const char *type);

/* `agent`: {"name", "hash", "manifest", "canary": {"hash", "percent", "manifest"}?}.  Gives it or
 * its canary, borrowed; both have "hash" and "manifest".  `key` empty: `run` decides.  `type` NULL:
 * not asked. */
const json_t *rv_canary_pick(const json_t *agent, const char *key, int64_t run, const char *type);

#endif
