/* company_look.h -- what the database says of one company, as a message to its orchestrator.
 *
 * One statement answers all that a look asks (company_look in sql/run.sql, where the kinds are
 * described).  The answer is a message of its own, so the asking actor never blocks, and one that
 * comes late to a restarted incarnation is a dead letter.
 */
#ifndef REEVE_RUNTIME_RUN_COMPANY_LOOK_H
#define REEVE_RUNTIME_RUN_COMPANY_LOOK_H

#include "runtime/actor/actor.h"
#include "runtime/db/db.h"

enum rv_look_kind { /* as in the statement */
                    RV_LOOK_ACTIVE = 1,
                    RV_LOOK_DUE,
                    RV_LOOK_CANCEL,
                    RV_LOOK_APPROVAL,
                    RV_LOOK_GRANTED,
                    RV_LOOK_NEWEST,
                    RV_LOOK_NEXT_MS,
                    RV_LOOK_UNSEALED,
                    RV_LOOK_ANSWERED,
                    RV_LOOK_FLOW,
                    RV_LOOK_EPOCH
};

struct rv_look_row {
    enum rv_look_kind kind;
    int64_t id;
    char *reason; /* RV_LOOK_CANCEL */
};

/* The payload of the answer. */
struct rv_look {
    enum rv_code code;
    bool sweep;
    int count;
    struct rv_look_row rows[];
};

struct rv_look_ask {
    struct rv_db *db;
    struct rv_actors *actors;
    struct rv_ref to;
    uint32_t kind; /* of the message that answers */
    int32_t tenant;
    int limit;            /* of each kind */
    int64_t after;        /* active runs above this number */
    bool watch;           /* also: has a detection found something? */
    const int64_t *ended; /* runs that are over: nobody waits for their approvals any more */
    int ended_count;
};

/* The payload of exactly one message of that kind is a struct rv_look. */
void rv_company_look(const struct rv_look_ask *ask);
/* The slow question for what the quick one finds only with its cause (company_sweep). */
void rv_company_sweep(const struct rv_look_ask *ask);

#endif
