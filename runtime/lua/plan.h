/* plan.h -- an agent's Lua, sealed: the same source, input and answers give the same run, anywhere.
 *
 * A plan is a coroutine.  It runs until it needs the world, then gives a request and stands still;
 * the run actor journals the answer and resumes it.  Replay is the same with answers from the
 * journal.  Nothing here does I/O, knows the time or a random number that was not given.
 *
 *     load source -> agent (manifest, hash)
 *     start(agent, "plan", input) -> step(NULL) -> REQUEST -> step(answer) -> ... -> DONE | FAILED
 *
 * Caps per run: memory, instructions, and as a watchdog the processor time of one turn.  None can
 * be escaped by pcall; the first two depend on nothing but source, input and answers (see
 * sealed.h). Thread: an agent and its runs belong to one thread at a time.
 */
#ifndef REEVE_RUNTIME_LUA_PLAN_H
#define REEVE_RUNTIME_LUA_PLAN_H

#include "runtime/base/error.h"
#include "runtime/base/hash.h"
#include "runtime/base/json.h"

struct rv_agent;
struct rv_plan;

enum {
    RV_AGENT_SOURCE_MAX = 256 << 10,    /* an agent is a page or ten, not a program */
    RV_PLAN_MEMORY_MAX = 8 << 20,       /* of one run; a plan with fifty documents needs a tenth */
    RV_PLAN_INSTRUCTIONS_MAX = 5000000, /* of one run, all turns together: tens of milliseconds */
    RV_PLAN_ACTIONS_MAX = 64
};

/* Compiles and checks the manifest.  `name` is for messages.  Errors: RV_INVALID with
 * "agent.lua:12: field \"handles\" must be a list of exception codes". */
RV_MUST enum rv_code rv_agent_load(const char *source, size_t length, const char *name,
                                   struct rv_agent **out, struct rv_error *err);
/* The same, with the compiled prelude of `other`, an agent of the same loop: it is twenty times an
 * agent's own text.  NULL: as above. */
RV_MUST enum rv_code rv_agent_load_beside(const struct rv_agent *other, const char *source,
                                          size_t length, const char *name, struct rv_agent **out,
                                          struct rv_error *err);
void rv_agent_destroy(struct rv_agent *agent); /* after its plans */
/* {name, version, handles:[..], uses:[..commands], limits:{steps, calls, tokens, risk, money{},
 * wall_ms, depth, children}, overrun:"stop"|"degrade"|"ask"?, summary, updates:{NAME: schema}?,
 * claims:"first"|"merge"|"priority"?, priority?, flow:[rule..]? (flow_rules.h)}: borrowed. */
const json_t *rv_agent_manifest(const struct rv_agent *agent);
struct rv_hash rv_agent_hash(const struct rv_agent *agent); /* SHA-256 of the source */
bool rv_agent_has_review(const struct rv_agent *agent);

/* `entry` is "plan" or "review".  `input` (borrowed for the call):
 * {run:"r_..", now_us:…, today:"YYYY-MM-DD"?, seed:…, exception:{…}, outcome:{…} for review,
 * state:{…}? and children:["r_.."]? after a checkpoint}.
 * Without `today`, ctx.today is the UTC date of now_us. */
RV_MUST enum rv_code rv_plan_start(struct rv_agent *agent, const char *entry, const json_t *input,
                                   struct rv_plan **out, struct rv_error *err);
void rv_plan_destroy(struct rv_plan *plan);

enum rv_plan_status { RV_PLAN_REQUEST, RV_PLAN_DONE, RV_PLAN_FAILED };

/* What the plan wants.  Valid until the next step; owned by the plan. */
struct rv_plan_request {
    /* "erp.find" "erp.get" "erp.history" "llm.decide" "memory.get" "memory.set" "blob.read"
     * "blob.put" "sleep" "signal" "note" "start" "await" "handoff" "checkpoint" "publish" "update"
     * "reply" "refuse" */
    const char *name;
    const json_t *args; /* an object, schema-checked here */
    /* Of a sleep between two attempts: {"attempt", "code"} of the one before.  It is no part of the
     * question, and says nothing to a replay.  NULL: none. */
    const json_t *retry;
    int line; /* of agent.lua */
};

/* Continues with `answer` (borrowed; NULL on the first step): {"ok":true,"value":…} or
 * {"ok":false,"code":"unavailable","message":"…"}, which Lua sees as nil, message, code.
 * After DONE or FAILED a plan must not be stepped again.
 * DONE: `result` is a new reference: for "plan"
 * {"actions":[{action,args,reason,evidence:[…],line}], "summary":…}, for "review" what it returned.
 * FAILED: err says file, line and field or limit. */
enum rv_plan_status rv_plan_step(struct rv_plan *plan, const json_t *answer,
                                 struct rv_plan_request *request, json_t **result,
                                 struct rv_error *err);

size_t rv_plan_memory_bytes(const struct rv_plan *plan);
int64_t rv_plan_instructions(const struct rv_plan *plan);

#endif
