/* node.h -- the running machine: cores (a loop with database, committer and gate each), the actors
 * that live on them and, when serving, HTTP and web hooks.  The composition root's own struct; no
 * other room sees it.
 *
 * Commands use it from the main thread: they start something and run the main core's loop until it
 * is done.  The other cores have a thread each; a company is pinned to one core, and nothing but
 * messages, posts and the database goes between them.
 */
#ifndef REEVE_RUNTIME_CLI_NODE_H
#define REEVE_RUNTIME_CLI_NODE_H

#include "runtime/actor/actor.h"
#include "runtime/approval/approval.h"
#include "runtime/audit/audit.h"
#include "runtime/db/db.h"
#include "runtime/gate/gate.h"
#include "runtime/journal/lease.h"
#include "runtime/model/port.h"
#include "runtime/model/registry.h"
#include "runtime/run/company.h"
#include "runtime/run/store.h"

/* One loop with everything a company needs to work: whoever is pinned to it shares nothing with the
 * other cores but the database. */
struct node_core {
    struct node *node;
    struct rv_loop *loop;
    struct rv_loop_thread *thread; /* NULL: the main core */
    struct rv_db *db;
    struct rv_committer *committer;
    struct rv_gate *gate;
    struct rv_approvals *approvals;
    struct rv_model_port *port;
    struct rv_model *model;
    struct rv_effects *effects;
    struct rv_store *store;
    struct rv_orchestrator_options orchestrator;
    struct rv_companies *companies;
    struct rv_run_room room; /* the core's thread */
    bool closed;             /* the main thread's */
};

struct node_options {
    const char *uri;
    const char *audit_key;
    const char *hook_key;      /* borrowed for the node's life */
    int cores;                 /* 0: one */
    bool watch;                /* starts runs whenever exceptions are found, not only when told */
    int readers;               /* connections per core; 0: the room's default, as below */
    int64_t query_timeout_ms;  /* of a reading query */
    int64_t model_deadline_ms; /* of one question to the model */
    struct rv_run_limits runs; /* of each core, in memory; 0: the room's defaults (room.h) */
    struct rv_engine_options engine; /* path NULL: none but the registry's; borrowed for the node's
                                        life */
    int64_t lease_ms;                /* how long companies are ours without a beat */
    const char *name;                /* of this node; NULL: the host's */
    const char *weights;             /* the setting runtime.weights; NULL or "": all alike */
    const char *tiers;               /* the setting model.tiers, likewise */
    const char *period;              /* the setting retention.period; borrowed for its life */
    /* Called about once a second while waiting: the place where reeve's own PostgreSQL is looked
     * after. May be NULL. */
    void (*keep)(void *data);
    void *keep_data;
};

struct node_cluster;
struct rv_trace_sender;

struct node {
    char *uri;
    char *name;
    struct node_options options; /* its texts are in uri and name */
    struct node_core *cores; /* [0] is the main one: commands, HTTP, hooks, schedules, the lease */
    int core_count;
    /* of the main core, for whoever is on the main thread */
    struct rv_loop *loop;
    struct rv_db *db;
    struct rv_committer *committer;
    struct rv_gate *gate;
    struct rv_approvals *approvals;
    struct rv_audit *audit;
    struct rv_models *models;
    struct rv_actors *actors;
    struct rv_lease *lease;         /* NULL: does not drive runs */
    struct node_cluster *cluster;   /* NULL: not one of several; see node_cluster.h */
    struct rv_trace_sender *traces; /* of runs that end, set before node_drive; NULL: nobody's */
    int32_t *weighted;              /* companies of runtime.weights ... */
    int32_t *weights;               /* ... and theirs */
    int weight_count;
    struct rv_model_tiers *tiers; /* of model.tiers */
    const struct rv_statement **write_order;
    const struct rv_statement **wakes; /* those of them that may let a run go on */
    int32_t wrote;    /* a command's company: its audit record is sealed at the end; 0 none */
    bool handed_over; /* drives nothing any more */
    bool stopped;
    bool drained, left; /* the actors ended, the lease is given back: late ones still say so here */
    int64_t kept_us;
    int driven;         /* companies whose orchestrator runs here */
    int64_t looks;      /* numbers given to looks at the exceptions so far */
    int64_t looked;     /* the newest look that is over ... */
    int looked_started; /* ... and how many runs it began */
};

RV_MUST enum rv_code node_open(const struct node_options *options, struct node **out,
                               struct rv_error *err);
void node_close(struct node *node);

/* Takes the lease of one company (0: all) and drives its runs on this node's loop. */
void node_drive(struct node *node, int32_t only_tenant);
/* Asks the company's orchestrator to look at its exceptions: the number of that look, which
 * node->looked reaches when it is over; 0 while the company is not ours (yet). */
int64_t node_orchestrate(struct node *node, int32_t tenant);
/* The company's orchestrator; nobody's reference while it is not ours.  Any thread. */
struct rv_ref node_orchestrator(const struct node *node, int32_t tenant);
/* Tells it that a commit may let a run go on; false while it is not here.  Any thread. */
bool node_wake(const struct node *node, int32_t tenant);
/* Ends the company's work here and calls `drained` on the main thread, after half a second at the
 * latest.  `data` is the node's cluster (node_cluster.c). */
void node_drain_company(void *data, int32_t tenant, void (*drained)(void *data),
                        void *drained_data);
/* The commands that may resolve a type of exception, NULL-terminated; NULL when unknown. */
const char *const *node_resolutions_of(const char *type);
/* Ends the actors, then gives the companies to the other nodes; what remains answers requests. Part
 * of node_stop: earlier, so that nobody waits for what else there is to close. */
void node_hand_over(struct node *node);
/* First half of node_close: actors, lease, committer and database are ended, memory stays. */
void node_stop(struct node *node);
/* Runs the main core until *done, or `timeout_ms` (0: for ever); false on timeout. */
bool node_wait(struct node *node, const bool *done, int64_t timeout_ms);

/* All rooms' migrations, NULL-terminated. */
extern const struct rv_migration *const node_migrations[];

#endif
