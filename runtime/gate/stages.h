/* stages.h -- which approvals are still missing?  Pure.
 *
 * Stages are [{"role":"controller","n":1}, ...]; a vote is one person with the roles they hold now.
 * One person fills at most one slot, and a slot takes only a person who holds its role (or, once
 * escalated, the escalation role).  Found by augmenting paths (Kuhn's bipartite matching), so that
 * the order of votes never matters.
 */
#ifndef REEVE_RUNTIME_GATE_STAGES_H
#define REEVE_RUNTIME_GATE_STAGES_H

#include "runtime/base/json.h"

enum { RV_APPROVAL_SLOTS_MAX = 16, RV_APPROVAL_VOTES_MAX = 32 };

/* `votes`: [{"person":"..","roles":["..",..]}, ...] of people who said yes.  `also` is the
 * escalation role or NULL.  New reference: the missing [{role,n}], empty when complete.  Stages
 * beyond RV_APPROVAL_SLOTS_MAX slots or malformed ones count as missing (they can never be filled).
 */
json_t *rv_stages_missing(const json_t *stages, const json_t *votes, const char *also);
bool rv_stages_complete(const json_t *stages, const json_t *votes, const char *also);

/* Could these people agree, if all of them said yes?  Like rv_stages_missing, for any number of
 * `people` (the form of votes), without the one named `without` (may be NULL). */
json_t *rv_stages_unfilled(const json_t *stages, const json_t *people, const char *also,
                           const char *without);

/* Could this person fill any slot at all? */
bool rv_stages_eligible(const json_t *stages, const json_t *roles, const char *also);

#endif
