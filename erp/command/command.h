/* command.h -- the catalogue of what can be done to the books, as data.
 *
 * A command is: a name, a schema for its arguments, a tier and risk points, the SQL that loads what
 * its invariants need, a pure function that decides, and the command that undoes it.  Nothing here
 * does I/O: the gate (runtime/gate/gate.c) loads, decides and writes, all in one transaction.
 *
 *     args --schema--> [look (SQL, a reader)] --> load (SQL) --> state --> decide(args, state)
 *                                                       --> events + answer + books
 *
 * The same decide gives the dry run that an approver sees and the effect that executes.
 */
#ifndef REEVE_ERP_COMMAND_COMMAND_H
#define REEVE_ERP_COMMAND_COMMAND_H

#include "runtime/base/arena.h"
#include "runtime/base/error.h"
#include "runtime/base/json.h"
#include "runtime/base/statement.h"

enum erp_tier {
    ERP_TIER_NOTE,       /* T0: annotates only */
    ERP_TIER_REVERSIBLE, /* T1: reversible, no ledger effect */
    ERP_TIER_LEDGER,     /* T2: ledger effect inside limits */
    ERP_TIER_MONEY,      /* T3: money leaves, bank data, write-off */
    ERP_TIER_NEVER       /* T4: never by an agent */
};

/* What a command moves or commits: what a budget of money counts. */
enum erp_money {
    ERP_MONEY_NONE,  /* looks, notes, holds, takes back */
    ERP_MONEY_AMOUNT /* `amount` of its arguments where it has one, else of its facts */
};

/* Risk points, 0 to 100: what an action may cost the company where it was wrong, whoever decided.
 * They add up to what a budget of risk counts (limits.risk of a manifest).  The rule is how far the
 * mistake reaches before somebody can take it back: */
enum erp_risk {
    ERP_RISK_NONE = 0,     /* nowhere: looks, notes, puts off */
    ERP_RISK_DRAFT = 1,    /* to a document or a mark, in the books nothing moves */
    ERP_RISK_BOOKS = 5,    /* into the books, or past a guard before them; an entry takes it back */
    ERP_RISK_COMMITS = 10, /* to what others are told is agreed, or what later actions go by:
                              orders, differences accepted, claims, master data, periods */
    ERP_RISK_LEAVES = 20,  /* out of the house: money, and every effect outside */
    ERP_RISK_MAX = 100
};

enum { ERP_KEYS_MAX = 7, ERP_EVENTS_MAX = 512 };

struct erp_context {
    int32_t tenant;
    int64_t now_us;    /* database time of the transaction */
    int64_t today;     /* business date in the company's zone, days since 1970 */
    int64_t first_id;  /* ids for new rows: first_id, first_id+1, ... (16 reserved); time-ordered,
                          stable per command */
    const char *actor; /* "person:clerk", "agent:price_variance" */
    struct rv_arena *arena; /* step lifetime */
};

/* One fact to append.  `stream` e.g. "invoice:4711"; `version` is the stream's next version as the
 * loaded state says (optimistic: the unique key refuses a stale one). */
struct erp_event {
    const char *stream;
    int32_t version;
    const char *type;    /* "invoice.held.v1", must be in erp_event_types */
    int64_t occurred_on; /* days since 1970 */
    json_t *body;        /* owned by the outcome */
};

struct erp_outcome {
    struct erp_event events[ERP_EVENTS_MAX];
    int event_count;
    json_t *answer; /* owned; what the caller gets: ids, totals */
    json_t *books; /* owned; [{account, name, debit, credit, currency}], the effect on the ledger */
};
void erp_outcome_init(struct erp_outcome *outcome);
void erp_outcome_fini(struct erp_outcome *outcome);

struct erp_command {
    const char *name;    /* "invoice.hold" */
    const char *summary; /* one sentence for people: help, inbox, procedure documentation */
    const char *schema;  /* JSON Schema of the arguments, additionalProperties false */
    enum erp_tier tier;
    enum erp_risk risk;
    enum erp_money money;
    /* Happens outside of the books: its decision is a durable intent, and the runtime performs it
     * afterwards (external.c, runtime/effect). */
    bool outside;
    const struct rv_statement
        *load; /* (tenant int4, unit int4[], args jsonb[]) -> (unit int4, state jsonb) */
    /* Optional: what takes long to find out is looked at before the transaction, on a reader, in
     * one snapshot: (tenant int4, args jsonb) -> rows (portion jsonb), at least one.  The gate then
     * runs load and decide once for each portion, in a transaction of its own: one action, one
     * decision, one answer.  `load` gets {"args": args, "look": portion} instead of args, and once
     * without "look" for its facts alone; between look and load the world has moved, so load checks
     * again what must still hold.  Portions are committed as they come: a command that ends early
     * has done the first ones, and the same command again does the rest. */
    const struct rv_statement *look;
    /* With `look`: adds the answer of one portion to the sum of those before. */
    void (*join)(json_t *sum, const json_t *answer);
    /* Business keys the command reads and writes, e.g. "invoice:4711", from the arguments alone,
     * into arena memory; returns how many (<= ERP_KEYS_MAX).  The first is the resource. */
    int (*keys)(const json_t *args, struct rv_arena *arena, const char *out[ERP_KEYS_MAX]);
    /* `state` is what `load` returned (never NULL: an absent subject is in the state as null).
     * Errors: RV_NOT_FOUND, RV_INVALID, RV_CONFLICT naming field, rule and remedy. */
    enum rv_code (*decide)(const struct erp_context *context, const json_t *args,
                           const json_t *state, struct erp_outcome *outcome, struct rv_error *err);
    /* The command that takes it back, given what was asked and answered; false when there is none
     * (a fact).  New references. */
    bool (*compensate)(const json_t *args, const json_t *answer, const char **name,
                       json_t **out_args);
    /* It only keeps others from acting until somebody has decided.  A run that could not finish
     * takes it back when a person has refused the rest; where nobody has decided it stays. */
    bool guards;
};

/* NULL-terminated tables; lookups return NULL when unknown. */
extern const struct erp_command *const erp_commands[];
const struct erp_command *erp_command_find(const char *name);

/* Checks `args` against the command's schema; fills defaults into `args`.  Errors name the field by
 * JSON pointer, the rule and the remedy. */
RV_MUST enum rv_code erp_command_check(const struct erp_command *command, json_t *args,
                                       struct rv_error *err);

/* An event type and the one set-based statement that projects it:
 * (tenant int4, seq int8[], stream text[], occurred date[], body jsonb[]).  NULL projection: none.
 */
struct erp_event_type {
    const char *name;
    const struct rv_statement *projection;
};
extern const struct erp_event_type erp_event_types[]; /* NULL name ends; order = write order */
const struct erp_event_type *erp_event_type_find(const char *name);

#endif
