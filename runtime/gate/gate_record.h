/* gate_record.h -- what the door writes down: digests, audit bodies, approval rows.  Private to
 * runtime/gate. */
#ifndef REEVE_RUNTIME_GATE_GATE_RECORD_H
#define REEVE_RUNTIME_GATE_GATE_RECORD_H

#include "runtime/gate/gate.h"

/* The SHA-256 of a value's canonical JSON; RV_INVALID when it has none (a real number). */
RV_MUST enum rv_code rv_gate_digest(const json_t *value, struct rv_hash *out, struct rv_error *err);

/* Everything an approval binds to.  Absent is not null: unknown parts are left out. */
struct rv_binding {
    int32_t tenant;
    const char *requested_by;
    int64_t run;
    int32_t seq;
    const char *action;
    const char *schema; /* of the arguments; NULL: reeve's own action has none */
    const json_t *args;
    const char *resource;
    int64_t resource_version; /* -1: the resource has none */
    const char *policy_hex;
    const json_t *rules;
    int64_t expires_us;
};
RV_MUST enum rv_code rv_binding_digest(const struct rv_binding *binding, struct rv_hash *out,
                                       struct rv_error *err);

/* A question to people: what it is bound to, and what they see of it. */
struct rv_question {
    int64_t id; /* of the approval */
    struct rv_binding binding;
    struct rv_hash policy;
    const struct rv_verdict *verdict; /* whom to ask, until when */
    const char *agent;                /* NULL: none asks */
    const char *owner;                /* of the agent: never decides; NULL none */
    const char *reason;               /* this and the next four may be NULL */
    const json_t *evidence;
    const char *exception_key; /* hex */
    const json_t *amount;
    const json_t *facts;
    const json_t *effect; /* what a decision does */
    const json_t *limits; /* what is held meanwhile */
    int tier;
    const char *command_id;
};
/* The approval row and its announcement.  RV_INVALID: what cannot be hashed cannot be approved. */
RV_MUST enum rv_code rv_question_put(struct rv_batch *batch, const struct rv_question *question,
                                     struct rv_error *err);

/* "agent:price_variance", "person:controller", "system:detector". */
char *rv_principal_text(const struct rv_principal *principal, struct rv_arena *arena);
json_t *rv_principal_json(const struct rv_principal *principal, int32_t tenant);

json_t *rv_verdict_rules_json(const struct rv_verdict *verdict);
/* Is every rule of the verdict among those that an approval was granted for? */
bool rv_verdict_rules_within(const struct rv_verdict *verdict, const json_t *granted);
const char *rv_verdict_name(enum rv_verdict_kind kind);

/* Audit record of the decision; returns its sequence. */
int64_t rv_record_decision(struct rv_batch *batch, const struct rv_principal *principal,
                           const char *action, const struct rv_hash *args_digest,
                           const struct rv_verdict *verdict, const char *policy_hex,
                           int64_t approval, const char *reason, int64_t run, int32_t seq);
/* Audit record of what came of it. */
int64_t rv_record_outcome(struct rv_batch *batch, int64_t decision_seq, const char *action,
                          const struct rv_gate_outcome *outcome, int64_t run, int32_t seq);

/* What an approval's reservations hold of one limit. */
int64_t rv_limits_held(const json_t *reservations, const struct rv_policy_limit *limit);
/* RV_INVALID unless the id is one to RV_COMMAND_ID_MAX bytes of clean UTF-8. */
RV_MUST enum rv_code rv_command_id_check(const char *id, struct rv_error *err);
/* Gives back what a held approval had reserved: [{rule,key,bucket_us,adds}]. */
void rv_limits_release(struct rv_batch *batch, const json_t *reservations);

/* A unit of this transaction ends the approval (uses it up, voids it, lets it expire, answers it):
 * false when an earlier unit of the transaction has done so already, which what was loaded does not
 * show.  Units that share a key never meet in a transaction, but who presents an approval and who
 * lets it expire share none. */
bool rv_approval_end(struct rv_batch *batch, int64_t approval);

/* Outbox message, announced by web hook and live to the inbox. Takes `body`. */
void rv_outbox_append(struct rv_batch *batch, int64_t id, const char *event, json_t *body);

#endif
