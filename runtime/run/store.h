/* store.h -- the real world behind a run's port: PostgreSQL, the gate, the model.
 *
 * Every write of a run is a unit of the committer, fenced by the tenant's lease epoch; actions and
 * model calls go through the gate and are journaled in the gate's own transaction.
 * Thread: the committer's loop.
 */
#ifndef REEVE_RUNTIME_RUN_STORE_H
#define REEVE_RUNTIME_RUN_STORE_H

#include "runtime/model/model.h"
#include "runtime/run/port.h"

struct rv_store;

struct rv_store_options {
    struct rv_loop *loop;
    struct rv_db *db;
    struct rv_committer *committer;
    struct rv_gate *gate;
    struct rv_effects *effects; /* who performs what happens outside */
    struct rv_model *model;     /* NULL: no model, llm.decide answers "unavailable" */
    /* The statement behind erp.find, erp.get, erp.history:
     * (tenant int4, name text, args jsonb) -> one row (value jsonb). */
    const struct rv_statement *erp_read;
    /* The names in a question that a model must not see: (tenant int4, question jsonb) -> one row
     * (names jsonb).  NULL: only what is found by its form is hidden. */
    const struct rv_statement *erp_names;
};
struct rv_store *rv_store_create(const struct rv_store_options *options);
/* Before its database is closed: nothing more is noted of questions that are open. */
void rv_store_stop(struct rv_store *store);
void rv_store_destroy(struct rv_store *store);
const struct rv_run_port *rv_store_port(struct rv_store *store);

#endif
