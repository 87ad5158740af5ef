/* port.h -- what a run actor needs from the world, as functions.
 *
 * The real world is runtime/run/store.c (PostgreSQL, the gate, the model); a simulation gives its
 * own and so owns time, storage and faults.  Every operation completes exactly once, never inside
 * the call, on the actor's own thread; `data` is given back.  JSON results are new references.
 */
#ifndef REEVE_RUNTIME_RUN_PORT_H
#define REEVE_RUNTIME_RUN_PORT_H

#include "runtime/base/error.h"
#include "runtime/base/hash.h"
#include "runtime/base/json.h"
#include "runtime/effect/effect.h"
#include "runtime/gate/gate.h"
#include "runtime/run/run.h"

/* One entry of the journal. */
struct rv_step {
    int32_t seq; /* 1, 2, 3 ... */
    int kind;    /* enum rv_step_kind */
    char *name;
    uint8_t digest[RV_STEP_DIGEST_BYTES]; /* of the canonical arguments */
    json_t *out;
};

/* A run as it stands in the store. */
struct rv_run_image {
    enum rv_run_state state;
    char *agent;
    char *owner; /* who answers for the agent */
    struct rv_hash plan_hash;
    char *source; /* Lua text of that hash */
    size_t source_length;
    json_t *input; /* {exception:{...}, ...} */
    int64_t created_us;
    int64_t zone_s; /* the company's clock, ahead of UTC, when this was loaded */
    int depth;
    int64_t parent; /* 0 none */
    json_t *budget; /* what the parent gave, see child.h; NULL or empty without a parent */
    int64_t epoch;  /* of the tenant's lease: fences every write */
    /* The journal from its newest checkpoint on: that entry is steps[0], and `base` entries lie
     * before it, which nobody needs any more.  Without a checkpoint: all of it, and 0. */
    struct rv_step *steps;
    int step_count;
    int32_t base;
    int notes; /* version notes (RV_STEP_VERSION) after `base`: numbered, not among `steps` */
};
/* Whether an entry says that the run has another version of its agent from there on. */
bool rv_step_is_version(const struct rv_step *step);
/* First bytes of the SHA-256 of the canonical JSON; false when there is none (a real number). */
bool rv_step_digest(const json_t *value, uint8_t out[RV_STEP_DIGEST_BYTES]);
void rv_run_image_free(struct rv_run_image *image);

/* A status change that rides on a write. */
struct rv_run_change {
    enum rv_run_state state;
    const char *waiting_on; /* "approval" "timer" "retry" "signal" "model" "run" "effect" "intent"
                             * "budget" or NULL
                             */
    int64_t wake_us;        /* 0 none */
    const char *error_code; /* NULL none */
    const char *error_text;
    const json_t *result; /* final states: {outcome, review}; may be NULL */
};

struct rv_run_write {
    int32_t tenant;
    int64_t run;
    int64_t epoch;
    const struct rv_step *step;         /* may be NULL: only a status change */
    const struct rv_run_change *change; /* may be NULL: only a step */
    int64_t consume_signal;             /* id of the signal this step consumes; 0 none */
    const json_t *memory; /* {"agent","key","value"} to store with the step; or NULL */
    const json_t *blob;   /* a text to keep as a blob of this run; or NULL */
    /* A run that has a parent, children or a key of its own ends: its claim is passed on, its
     * parent wakes, and its children whose policy is "cancel" are asked to stop. */
    bool ends_family;
    bool leaves_rest; /* ... and what it was given to merge and has not taken is a run by itself */
    bool leaves_flow; /* it has places (flow.h), and ends: others may have them */
    const char *stop_children; /* why: those whose policy is "cancel" or "wait"; NULL: no */
};

/* An action on its way through the gate; the journal step is written in the same transaction. */
struct rv_run_act {
    int32_t tenant;
    int64_t run;
    int64_t epoch;
    int32_t seq;
    int kind; /* RV_STEP_ACTION, RV_STEP_COMPENSATION; RV_STEP_MODEL; RV_STEP_START */
    const char *agent;
    const char *owner;
    const char *action;
    const json_t *args;
    const char *reason;
    const json_t *evidence;
    const char *exception_key;
    int64_t approval;
    const struct rv_budget *budget;
    const json_t *doubt; /* of its model, see doubt.h; NULL: none */
    const json_t *input; /* of the run */
};

/* `json` is a new reference or NULL; `err` is set when code is not RV_OK. */
typedef void (*rv_port_done)(void *data, enum rv_code code, json_t *json,
                             const struct rv_error *err);

struct rv_agents;

/* A journal entry that a replaying run has come to, and what the run does there now. */
struct rv_run_taken {
    const struct rv_step *step; /* as recorded */
    int kind;
    const char *name;   /* NULL: any */
    const json_t *args; /* NULL: not compared */
    int line;           /* of the plan; 0 unknown */
    bool same;
};

struct rv_run_port {
    void *self;
    struct rv_agents *agents; /* compiled agents, see agents.h; NULL: each run compiles its own */
    int64_t (*now_us)(void *self);
    void (*load)(void *self, int32_t tenant, int64_t run,
                 void (*done)(void *data, enum rv_code code, struct rv_run_image *image,
                              const struct rv_error *err),
                 void *data);
    void (*write)(void *self, const struct rv_run_write *write, rv_port_done done, void *data);
    /* "erp.find", "erp.get", "erp.history", "memory.get": gives the value (JSON null when none). */
    void (*read)(void *self, int32_t tenant, const char *agent, const char *name,
                 const json_t *args, rv_port_done done, void *data);
    /* Gives {"result":"executed|held|denied|refused|void","answer":…,"approval":id,
     * "expires_us":…,"code":…,"message":…,"rules":[…]}: exactly what was journaled. */
    void (*act)(void *self, const struct rv_run_act *act, rv_port_done done, void *data);
    /* What became of an action outside, see rv_effects_advance. */
    void (*effect)(void *self, const struct rv_effect_ask *ask, rv_port_done done, void *data);
    /* A model's choice, through the gate: {"ok":true,"value":…,"usage":{…}} or {"ok":false,…}. */
    void (*ask)(void *self, const struct rv_run_act *act, rv_port_done done, void *data);
    /* A child run, through the gate, in one transaction with its step: `action` is "start" or
     * "handoff".  Gives what was journaled: {"ok":true,"value":{"run",…},"close","budget"} or
     * {"ok":false,…}. */
    void (*start)(void *self, const struct rv_run_act *act, rv_port_done done, void *data);
    /* How a child ended: {"value":{"run","status",…},"spent":{…},"doubt"?}, or JSON null while it
     * is open. */
    void (*child)(void *self, int32_t tenant, int64_t run, rv_port_done done, void *data);
    /* {"status":"requested|approved|rejected|expired|void|consumed"} */
    void (*approval)(void *self, int32_t tenant, int64_t approval, rv_port_done done, void *data);
    /* The oldest unconsumed signal of that name: {"id":…,"body":…} or JSON null. */
    void (*signal)(void *self, int32_t tenant, int64_t run, const char *name, rv_port_done done,
                   void *data);
    /* Whoever watches a replay is told of each entry, at once; may be NULL.  True: go on although
     * the arguments differ (for an entry that is the same, the answer does not matter). */
    bool (*taken)(void *self, const struct rv_run_taken *taken);
    /* Likewise of what it has spent by then, and may spend; `steps` more it needs, or else it ends
     * (0: it would ask a person).  May be NULL. */
    void (*spent)(void *self, const struct rv_budget *budget, int64_t steps);
};

#endif
