/* agents.h -- the compiled agents of one loop, by plan hash.
 *
 * Checking and compiling a plan costs about half a millisecond, starting a run from it a tenth: so
 * a plan is compiled once and kept while it is used, and some while after.  What runs share is the
 * manifest and bytecode that we made ourselves from the text of that hash, read only; every run has
 * a Lua state of its own, with its own memory and counters, so nothing passes from run to run.
 *
 * Thread: the loop of the runs.
 */
#ifndef REEVE_RUNTIME_RUN_AGENTS_H
#define REEVE_RUNTIME_RUN_AGENTS_H

#include "runtime/lua/plan.h"

struct rv_agents;

enum { RV_AGENTS_IDLE_MAX = 64 }; /* kept though no run uses them: some megabytes at the most */

struct rv_agents *rv_agents_create(void);
void rv_agents_destroy(struct rv_agents *agents); /* after the last run has left; NULL is fine */

/* The agent of that hash, compiled now when it is not here.  `name` is part of its identity:
 * messages have it.  Errors as of rv_agent_load; nothing is kept of a plan that does not load. */
RV_MUST enum rv_code rv_agents_take(struct rv_agents *agents, const struct rv_hash *hash,
                                    const char *source, size_t length, const char *name,
                                    struct rv_agent **out, struct rv_error *err);
void rv_agents_leave(struct rv_agents *agents, struct rv_agent *agent); /* NULL is fine */

#endif
