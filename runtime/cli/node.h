/* node.h -- the running machine: one loop with database, committer, gate, actors and, when serving,
 * HTTP and web hooks.  The composition root's own struct; no other room sees it.
 *
 * Commands use it from the main thread: they start something and run the loop until it is done.
 */
#ifndef REEVE_RUNTIME_CLI_NODE_H
#define REEVE_RUNTIME_CLI_NODE_H

#include "runtime/actor/actor.h"
#include "runtime/approval/approval.h"
#include "runtime/audit/audit.h"
#include "runtime/db/db.h"
#include "runtime/gate/gate.h"
#include "runtime/journal/lease.h"
#include "runtime/run/orchestrator.h"
#include "runtime/run/store.h"

struct node {
    char *uri;
    struct rv_loop *loop;
    struct rv_db *db;
    struct rv_audit *audit;
    struct rv_committer *committer;
    struct rv_gate *gate;
    struct rv_approvals *approvals;
    struct rv_model *model;
    struct rv_store *store;
    struct rv_actors *actors;
    struct rv_lease *lease; /* NULL: does not drive runs */
    struct rv_orchestrator_options orchestrator;
    const struct rv_statement **write_order;
    bool stopped;
    void (*keep)(void *data); /* see node_options */
    void *keep_data;
    int64_t kept_us;
    int driven; /* companies whose orchestrator runs here */
    int64_t looks;       /* numbers given to looks at the exceptions so far */
    int64_t looked;      /* the newest look that is over ... */
    int looked_started;  /* ... and how many runs it began */
};

struct node_options {
    const char *uri;
    const char *audit_key;
    void (*run_changed)(void *data, int32_t tenant, int64_t run, enum rv_run_state state);
    void *run_changed_data;
    /* Called about once a second while waiting: the place where reeve's own PostgreSQL is looked after.
     * May be NULL. */
    void (*keep)(void *data);
    void *keep_data;
};

RV_MUST enum rv_code node_open(const struct node_options *options, struct node **out,
                               struct rv_error *err);
void node_close(struct node *node);

/* Takes the lease of one company (0: all) and drives its runs on this node's loop. */
void node_drive(struct node *node, int32_t only_tenant);
/* Asks the company's orchestrator to look at its exceptions: the number of that look, which
 * node->looked reaches when it is over; 0 while the company is not ours (yet). */
int64_t node_orchestrate(struct node *node, int32_t tenant);
/* Asks a run to stop at its next step; false when its company is not driven here. */
bool node_cancel(struct node *node, int32_t tenant, int64_t run);
/* First half of node_close: actors, lease, committer and database are ended, memory stays. */
void node_stop(struct node *node);
/* Runs the loop until *done, or `timeout_ms` (0: for ever); false on timeout. */
bool node_wait(struct node *node, const bool *done, int64_t timeout_ms);

/* All rooms' migrations, NULL-terminated. */
extern const struct rv_migration *const node_migrations[];

#endif
