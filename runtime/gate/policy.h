/* policy.h -- may this principal do this action with these arguments to this resource?
 *
 * A bundle is Lua at load time that builds a closed, typed expression tree; its canonical JSON is
 * what is hashed, reviewed and compiled.  No Lua runs at decision time: a decision is total,
 * terminating, deterministic and allocates nothing.
 *
 * Verdicts form a lattice: allow < hold(rules) < deny.  Default deny.  An error in a permit grants
 * nothing; an error in a forbid, limit, approve or sink rule restricts.  Order never matters.
 */
#ifndef REEVE_RUNTIME_GATE_POLICY_H
#define REEVE_RUNTIME_GATE_POLICY_H

#include "runtime/base/arena.h"
#include "runtime/base/error.h"
#include "runtime/base/hash.h"
#include "runtime/base/json.h"

struct rv_policy; /* an immutable, compiled bundle; share freely between threads */

enum {
    RV_POLICY_SOURCE_MAX = 1 << 20,
    RV_POLICY_RULES_MAX = 20000,
    RV_VERDICT_RULES_MAX = 32, /* rules named in one verdict; more are counted, not listed */
    RV_POLICY_LIMITS_MAX = 16  /* limits that can apply to one request; one more denies */
};

/* `name` stands in messages ("default.lua:12: rule \"over5k\": field \"expires\" is missing; the
 * error's hint is the remedy).  RV_INVALID: the bundle breaks a rule of the language; RV_LIMIT: it
 * needs more time, memory or depth than a bundle may. */
RV_MUST enum rv_code rv_policy_load(const char *source, size_t length, const char *name,
                                    struct rv_policy **out, struct rv_error *err);
void rv_policy_destroy(struct rv_policy *policy);
/* Of the canonical form: rules in another order, other layout, other tests are the same policy. */
struct rv_hash rv_policy_hash(const struct rv_policy *policy);
const char *rv_policy_canonical(const struct rv_policy *policy); /* borrowed JSON text */
const char *rv_policy_name(const struct rv_policy *policy);

enum rv_verdict_kind { RV_ALLOW, RV_HOLD, RV_DENY };

/* The question.  `me`, `args`, `res` are JSON objects (borrowed): me = {kind:"agent"|"person"|
 * "system", id, roles:[..], owner, tenant}, args = the action's arguments, res = facts the ERP
 * loaded (vendor status, master IBAN, amounts ...), ctx = {now_us, labels:{args.path: "external"|
 * "erp"|..}, run:{margin}}: run is what was measured of the run that asks, absent where nothing
 * was.  Money in JSON is {"minor":int,"currency":"EUR"}. */
struct rv_policy_request {
    const char *action;
    const json_t *me;
    const json_t *args;
    const json_t *res;
    const json_t *ctx;
};

/* A request prepared once and decided many times: the rules about it, and the attributes they
 * mention, each looked up on first use.  The request's texts and JSON are borrowed as long as the
 * facts are used; facts belong to one thread.  RV_INVALID without an action or a known kind of
 * principal. */
struct rv_policy_facts;
RV_MUST enum rv_code rv_policy_facts_make(const struct rv_policy *policy,
                                          const struct rv_policy_request *request,
                                          struct rv_arena *arena, struct rv_policy_facts **out,
                                          struct rv_error *err);

/* Limits that apply: for each the rule, the key ("agent=x|vendor=7"), the window and the amount
 * this request would add.  The gate looks up what is used and passes it to decide in the same
 * order. */
struct rv_policy_limit {
    const char *rule; /* borrowed from the policy */
    const char *key;  /* arena */
    int64_t window_s;
    int64_t bucket_s; /* conservative bucket width */
    int64_t adds;     /* 1 for a count limit, minor units for a sum */
    int64_t cap;
};
int rv_policy_limits(const struct rv_policy *policy, const struct rv_policy_facts *facts,
                     struct rv_arena *arena, struct rv_policy_limit out[RV_POLICY_LIMITS_MAX]);

struct rv_verdict_rule {
    const char *id; /* borrowed from the policy */
    const char
        *why; /* static: "permit", "forbid", "limit", "approve", "sink", "error", "default" */
};
struct rv_verdict {
    enum rv_verdict_kind kind;
    struct rv_verdict_rule rules[RV_VERDICT_RULES_MAX]; /* what made it so */
    int rule_count;                                     /* may be larger than the list */
    /* for RV_HOLD, merged over all asking rules (per role the largest n); borrowed from the policy,
     * arena for the merge */
    const json_t *stages;     /* [{"role":"controller","n":1}, ...] */
    const json_t *never;      /* ["requester","agent_owner", ...] always contains these two */
    int64_t expires_s;        /* the shortest */
    int64_t escalate_after_s; /* the soonest, always before expires_s; 0: none */
    const char *escalate_to;
};

/* `used[i]` belongs to limit i of rv_policy_limits (already used + held in the window); a limit
 * that applies and has no `used` denies. */
void rv_policy_decide(const struct rv_policy *policy, const struct rv_policy_facts *facts,
                      const int64_t *used, int used_count, struct rv_arena *arena,
                      struct rv_verdict *out);

/* Readable account of a decision: matched rules, limits, failed conditions of the nearest rules,
 * and one changed attribute that lowers the verdict, where there is one (decided again, never
 * guessed). `used` NULL: as if nothing were used.  New reference; its form stands in
 * policy_explain.c. */
json_t *rv_policy_explain(const struct rv_policy *policy, const struct rv_policy_request *request,
                          const int64_t *used, int used_count);

/* Data as people write it in tests and questions: a text such as "12.50 EUR" is the amount it says.
 * New reference; NULL when it holds a word of the language. */
json_t *rv_policy_data(const json_t *tree);

/* Static findings: [{severity:"error"|"warning"|"note", rule, line, finding, witness}].  `actions`
 * is a NULL-terminated list of the catalogue or NULL; `people` [{person, roles:[..]}], those who
 * can act, or NULL.  New reference. */
json_t *rv_policy_check(const struct rv_policy *policy, const char *const *actions,
                        const json_t *people);

/* Runs the bundle's own test{} entries: [{name, line, ok, expected, got}].  New reference. */
json_t *rv_policy_test(const struct rv_policy *policy, int *failed);

/* The same for a file of its own, `return cases{ test{…}, … }`. */
RV_MUST enum rv_code rv_policy_test_cases(const struct rv_policy *policy, const char *source,
                                          size_t length, const char *name, json_t **results,
                                          int *failed, struct rv_error *err);

#endif
