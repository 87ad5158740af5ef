/* gate.h -- the door.  Every effect of reeve passes here, in this order, or it does not happen:
 *
 *   1 budget      steps, calls, tokens, risk, money, time, depth of the run
 *   2 permission  may this principal do this action at all?       \
 *   3 scope       these arguments, this resource, these limits?    > one policy decision
 *   4 risk        allow, or hold for which people?                /
 *   5 record      decision, durable
 *   6 perform     the ERP command: invariants > events + projections
 *   7 record      outcome, durable
 *
 * For ERP commands 2 to 7 happen inside one PostgreSQL transaction (one committer unit): decision,
 * audit records, events, projections, journal row, approval and outbox message commit together or
 * not at all.  runtime/gate/gate.c is the only caller of an ERP command's `decide`.
 *
 *   request -> ALLOWED -> EXECUTED | REFUSED (an invariant of the books)
 *          \-> HELD (approval id) ... the same request again with that approval -> EXECUTED | VOID
 *           \-> DENIED (rule)
 *
 * Thread: the committer's loop.
 */
#ifndef REEVE_RUNTIME_GATE_GATE_H
#define REEVE_RUNTIME_GATE_GATE_H

#include "erp/command/command.h"
#include "runtime/audit/audit.h"
#include "runtime/db/db.h"
#include "runtime/gate/policy.h"
#include "runtime/journal/commit.h"

struct rv_gate;

struct rv_gate_options {
    struct rv_committer *committer;
    struct rv_db *db; /* fetches policy bundles */
};
struct rv_gate *rv_gate_create(const struct rv_gate_options *options);
void rv_gate_destroy(struct rv_gate *gate);
/* The clock of its loop: for ids of what is asked of it. */
const struct rv_clock *rv_gate_clock(const struct rv_gate *gate);
struct rv_committer *rv_gate_committer(const struct rv_gate *gate); /* that of its options */

enum rv_principal_kind { RV_PRINCIPAL_AGENT, RV_PRINCIPAL_PERSON, RV_PRINCIPAL_SYSTEM };

/* Who asks.  `owner` is the person who answers for an agent: never an approver of its actions. */
struct rv_principal {
    enum rv_principal_kind kind;
    const char *id;
    const char *owner;   /* agents only */
    const json_t *roles; /* array of strings; may be NULL */
};

enum { RV_BUDGET_MONEY_MAX = 8, RV_CURRENCY_TEXT = 4 };

/* An amount that a step moves or commits (erp/command/command.h says which do).  Never negative. */
struct rv_money {
    char currency[RV_CURRENCY_TEXT]; /* "" when the amount names none */
    int64_t minor;
    bool home; /* the company's own currency */
};

/* Money by currency: nothing is converted, so a currency without a limit may not be spent at all.
 * `currency` "" is the company's own (limits.money_minor of a manifest). */
struct rv_money_limit {
    char currency[RV_CURRENCY_TEXT];
    int64_t limit_minor, used_minor;
};

/* What a run may still spend; checked first, before anything is looked at. A negative limit means
 * unlimited. */
struct rv_budget {
    int64_t steps_limit, steps_used;
    int64_t calls_limit, calls_used;
    int64_t tokens_limit, tokens_used;
    int64_t risk_limit, risk_used; /* points of its actions: erp/command/command.h */
    struct rv_money_limit money[RV_BUDGET_MONEY_MAX];
    int money_count;                       /* 0: unlimited */
    int64_t wall_deadline_us;              /* business clock; 0 none */
    int64_t depth_limit, depth_used;       /* generations above the run */
    int64_t children_limit, children_used; /* runs that it has started */
};
/* RV_LIMIT naming the budget that is exhausted.  `risk` are the points of this step, `money` is
 * what it would move or commit; NULL: nothing. */
RV_MUST enum rv_code rv_budget_check(const struct rv_budget *budget, int64_t steps, int64_t calls,
                                     int64_t tokens, int64_t risk, const struct rv_money *money,
                                     int64_t now_us, struct rv_error *err);

/* What is left for an amount of that currency; -1: no limit, 0 too where money is limited and this
 * currency is not named. */
int64_t rv_budget_money_left(const struct rv_budget *budget, const char *currency, bool home);

/* Counts what was executed, or gives back a negative amount; what no limit is about is not counted.
 */
void rv_budget_spend(struct rv_budget *budget, const struct rv_money *money);

enum rv_gate_result {
    RV_GATE_EXECUTED,
    RV_GATE_HELD,
    RV_GATE_DENIED,
    RV_GATE_REFUSED, /* the ERP said no, or a budget is exhausted: nothing was done */
    RV_GATE_VOID,    /* the presented approval no longer binds */
    RV_GATE_REPEATED /* this command id was answered before: `answer` is that answer */
};
const char *rv_gate_result_name(enum rv_gate_result result);

struct rv_gate_request;

enum { RV_COMMAND_ID_MAX = 200 };

/* What the door said.  Everything is borrowed until the callback returns. */
struct rv_gate_outcome {
    enum rv_gate_result result;
    bool stored;         /* an earlier answer to the same command id, not a new decision */
    enum rv_code code;   /* why not, for DENIED, REFUSED, VOID */
    const char *message; /* one sentence */
    const char *hint;    /* what to do about it; NULL or "" when nobody said */
    const struct rv_verdict *verdict; /* NULL when the budget refused */
    int64_t approval;                 /* HELD: the approval to wait for */
    int64_t expires_us;               /* HELD: when the answer becomes no */
    const json_t *answer;             /* EXECUTED, REPEATED */
    const json_t *books;              /* EXECUTED: effect on the ledger; HELD: the dry run */
    int64_t first_event, last_event;  /* EXECUTED: 0 when none */
    struct rv_money money;            /* what it moves or commits; spent when EXECUTED */
    int64_t risk;                     /* its points; likewise */
};

struct rv_gate_request {
    int32_t tenant;
    struct rv_principal principal;
    const char *action;     /* a command of the ERP catalogue */
    json_t *args;           /* borrowed until done; defaults are filled in */
    const char *command_id; /* idempotency key: "run:<id>:<seq>" or the client's; unique per tenant;
                               1 to RV_COMMAND_ID_MAX bytes of UTF-8 without control characters */
    const char *reason;     /* may be NULL */
    const json_t *evidence; /* array of strings; may be NULL */
    const char *exception_key; /* hex; may be NULL */
    const json_t *labels;      /* taint of arguments by name: {"iban":"external"}; may be NULL */
    int64_t approval;          /* 0, or the approval that was granted for exactly this */
    const struct rv_budget *budget; /* NULL: none (persons) */
    int margin; /* run.margin of policies: by how many points the model of the run was sure of its
                   least sure answer, as measured; 0: it was not asked, or not measured */
    /* the run that asks; zero for persons */
    int64_t run;
    int64_t epoch;
    int32_t seq;
    /* Called inside the transaction once the outcome is known, to append the caller's own rows
     * (journal entry, run status).  May be NULL.  Repeatable. */
    void (*append)(struct rv_gate_request *request, struct rv_batch *batch,
                   const struct rv_gate_outcome *outcome);
    /* Exactly once, after the commit is acknowledged; or `code` says why nothing happened, for a
     * request that is wrong in itself already inside rv_gate_submit. */
    void (*done)(struct rv_gate_request *request, enum rv_code code,
                 const struct rv_gate_outcome *outcome, const struct rv_error *err);
    void *data;
    bool dry_run; /* decide and show, write nothing */
};

/* A command with a look (erp/command/command.h) is committed in portions, as one action: `done` and
 * `append` come once, with the last.  There an error other than RV_OK means that the last portions
 * were not written; the same request again does the rest. */
void rv_gate_submit(struct rv_gate *gate, struct rv_gate_request *request);

/* What people are asked about an action that is no ERP command; all but the texts are new
 * references, which the gate takes. */
struct rv_gate_question {
    json_t *args;   /* exactly what is decided, bound by the digest */
    json_t *facts;  /* what people see of it; may be NULL */
    json_t *effect; /* what each decision does, in words; may be NULL */
    const char *agent;
    const char *owner; /* of the agent: never decides; may be NULL */
};

/* A decision without an ERP command: model calls, run starts, policy loads.  Writes the decision to
 * the audit record; `append` adds the effect's own rows when allowed.  HELD counts as DENIED, but
 * where there is an `ask` and the policy holds the action only for what `look` has seen: then `ask`
 * appends the rows of what waits for people, and `done` gets RV_OK with `approval`.  What their
 * answer does is runtime/approval's. */
struct rv_gate_pass {
    int32_t tenant;
    struct rv_principal principal;
    const char *action; /* "run.start", "llm.decide", "policy.load", "agent.publish" ... */
    const json_t *args; /* what is asked, for policies and the record */
    const struct rv_budget *budget;
    int64_t tokens; /* tokens this call may use at most */
    int64_t run;
    int64_t epoch;
    int32_t seq;
    const char *key; /* business key, see rv_unit; may be NULL */
    /* What `append` wants to see, as a load of rv_unit (its state is owned until the call
     * returns, NULL: no row); NULL: nothing. */
    const struct rv_statement *look;
    json_t *look_args; /* borrowed until done */
    const json_t *looked;
    enum rv_code (*append)(struct rv_gate_pass *pass, struct rv_batch *batch, struct rv_error *err);
    enum rv_code (*ask)(struct rv_gate_pass *pass, struct rv_batch *batch,
                        struct rv_gate_question *question, struct rv_error *err);
    int64_t approval; /* that waits for people; 0: nobody was asked */
    void (*done)(struct rv_gate_pass *pass, enum rv_code code, const struct rv_error *err);
    void *data;
};
void rv_gate_pass(struct rv_gate *gate, struct rv_gate_pass *pass);

#endif
