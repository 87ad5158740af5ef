/* activate.h -- what decides (a policy bundle) and what acts (a version of an agent) from now on.
 *
 * Both go through the gate: the policy that is active permits or forbids them ("policy.load",
 * "agent.publish"), in the transaction that activates, and the decision is on the audit record with
 * what was activated.  cmd_activate.c has bundles and the question, cmd_agent_version.c agents.
 */
#ifndef REEVE_RUNTIME_CLI_ACTIVATE_H
#define REEVE_RUNTIME_CLI_ACTIVATE_H

#include "runtime/cli/admin.h"
#include "runtime/run/dry.h"

struct activation {
    struct rv_unit unit;      /* first; of a first bundle only */
    struct rv_gate_pass pass; /* of everything else */
    const struct rv_principal *person;
    const char *action;
    const char *name;
    struct rv_hash hash;
    char hex[RV_HASH_HEX];
    json_t *more;                   /* beside name and hash, for policies and the record; or NULL */
    const struct rv_policy *policy; /* a bundle ... */
    int impossible;                 /* approvals of the bundle that nobody could give */
    const char *what;               /* ... or an agent: "publish" "activate" "canary" "promote"
                                       "rollback"; "migrate": only the runs */
    const char *source;
    const json_t *manifest;               /* of a text that is new here; or NULL */
    const char *owner;                    /* of the agent; NULL: it keeps the one it has */
    int percent;                          /* of a canary; -1: the text is kept, no run takes it */
    const struct rv_dry_run *const *runs; /* that go on with this version */
    int run_count;
    bool done;
    enum rv_code code;
    struct rv_error err;
};

/* Asks the gate and waits.  RV_DENIED: with a hint. */
RV_MUST enum rv_code activate_ask(struct node *node, struct activation *activation, int32_t tenant,
                                  struct rv_error *err);
/* The rows of an agent's change, in the transaction of the gate's decision. */
void activate_put_agent(const struct activation *activation, struct rv_batch *batch);

#endif
