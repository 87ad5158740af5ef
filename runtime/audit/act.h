/* act.h -- an act of administration and its record, in one transaction.
 *
 * People, tokens, receivers, schedules and companies are changed by one statement each, the effect.
 * It runs inside the transaction that appends the record (kind "admin"): both stand or neither
 * does.  An effect that returns no row did nothing and is rolled back without a record; the caller
 * then records what failed as an act without an effect.
 *
 * The record has `what`, `person`, the members of `about`, and what the effect's one row gave
 * (columns that have a name), or how many rows were `changed`; so no column of an effect may be a
 * secret.
 *
 * Thread: the committer's loop.
 */
#ifndef REEVE_RUNTIME_AUDIT_ACT_H
#define REEVE_RUNTIME_AUDIT_ACT_H

#include "runtime/journal/commit.h"

struct rv_result;

struct rv_act {
    struct rv_unit unit; /* private */
    int32_t tenant;
    const char *what;                  /* "person.add" */
    const char *person;                /* who does it */
    json_t *about;                     /* whom, which roles; borrowed until done; never a secret */
    const struct rv_statement *effect; /* NULL: a record only (what was refused, what failed) */
    struct rv_args *args;              /* of the effect; borrowed until done */
    bool founds;                       /* the effect makes the tenant itself */
    /* Optional: a row of the effect, before it is durable; called anew from row 0 on a retry. */
    void (*row)(struct rv_act *act, const struct rv_result *result, int row);
    /* Exactly once.  RV_NOT_FOUND with `nothing` set: the effect found nothing to do. */
    void (*done)(struct rv_act *act, enum rv_code code, const struct rv_error *err);
    void *data;
    /* out */
    bool nothing;
    int rows;       /* that the effect returned */
    int64_t record; /* seq of the record, once done with RV_OK */
    json_t *made;   /* private */
};

void rv_act_commit(struct rv_committer *committer, struct rv_act *act);

#endif
