/* world.h -- the whole runtime in virtual time: nodes, one database, the network between, people,
 * receivers of web hooks, and what goes wrong with them.
 *
 *   world.c    time, who runs next, faults             people.c, asks.c  what people do
 *   node.c     one process: the real rooms put together      base.h   the simulated database
 *   cluster.c  one node among others (for cli/node_cluster.c)
 *   wire.c     connections (stands in for db/link.c)         post.c   receivers (for hooks/post.c)
 *   outside.c  what requests, mails and files do, and who says what became of them
 *   loop.c     the event loop (for loop/loop.c)              heap.c   memory (for base/check.c)
 *   chance.c   ids and secrets (for base/random.c)           rules*.c what must hold
 *   line.c     lines between nodes (for cluster/line.c)
 *   model.c    the engine of a model
 *   books.c    the catalogue of commands                     versions.c who changes agents
 *
 * Everything else is the product's own object code: actors, committer, lease, gate, approvals,
 * runs, plans in Lua, orchestrator, hook sender, schedules.
 *
 * One thread, one seed.  Nothing that is decided depends on an address, on the machine's clock or
 * on the order of a hash table, so a seed is one story, each time the same.
 */
#ifndef REEVE_TESTS_SIM_WHOLE_WORLD_H
#define REEVE_TESTS_SIM_WHOLE_WORLD_H

#include "runtime/actor/actor.h"
#include "runtime/approval/approval.h"
#include "runtime/audit/audit.h"
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/random.h"
#include "runtime/cluster/cluster.h"
#include "runtime/effect/effect.h"
#include "runtime/gate/gate.h"
#include "runtime/hooks/post.h"
#include "runtime/hooks/sender.h"
#include "runtime/journal/lease.h"
#include "runtime/journal/placement.h"
#include "runtime/model/model.h"
#include "runtime/run/company.h"
#include "runtime/run/store.h"
#include "runtime/schedule/service.h"
#include "tests/sim/whole/base.h"
#include "tests/sim/whole/heap.h"

enum {
    WORLD_NODES_MAX = 3,
    WORLD_COMPANIES_MAX = 2,
    WORLD_VIOLATION_BYTES = 400,
    WORLD_UNSURE = 20,       /* points of margin; as in plans/policy.lua */
    WORLD_STEPS_MAX = 400000 /* more is a world that does not come to rest */
};
#define WORLD_MS     INT64_C(1000)
#define WORLD_SECOND INT64_C(1000000)

struct world;

struct world_options {
    uint64_t seed;
    bool faults; /* false: a calm world */
    bool trace;  /* prints the story */
    int nodes;   /* 0: the seed says */
};

/* One process; its memory is its heap. */
struct node {
    struct world *world;
    int index;
    int incarnation; /* unique in the world; 0 while there is none */
    struct heap heap;
    bool alive, stopping;
    bool paused;     /* as by SIGSTOP */
    int64_t hurt_us; /* when something last went wrong with it, or with what it is connected to */
    bool stops_in_batch; /* it will be stopped where it holds the head of a company */
    bool pooled;         /* no connection of its own: it hears no notification */
    bool behind;         /* it was stopped and has not yet caught up with its timers */
    int64_t kill_us;     /* a stop that takes too long ends in a kill */
    int64_t jump_us;     /* how far its wall clock is off */
    struct rv_clock clock;
    struct rv_loop *loop;
    struct rv_db *db;
    struct rv_committer *committer;
    struct rv_gate *gate;
    struct rv_approvals *approvals;
    struct rv_effects *effects;
    struct rv_store *store;
    struct rv_actors *actors;
    struct rv_companies *driver;
    struct rv_lease *lease;
    struct rv_hooks *hooks;
    struct rv_schedule_service *schedules;
    struct rv_orchestrator_options orchestrator;
    struct rv_run_room room;
    struct rv_model_engine engine;
    struct rv_model *model;
    bool model_stopped;                /* it answers at once, with nothing */
    int64_t driving[BASE_TENANTS_MAX]; /* epoch by company; 0: not */
    struct rv_placement *placement;
    struct rv_cluster *lines;         /* NULL: none */
    char link[16];                    /* its address; "": none */
    struct rv_line *line;             /* where it listens; NULL: it does not */
    int64_t moving[BASE_TENANTS_MAX]; /* epoch with which it last began to give it away ... */
    int64_t gave[BASE_TENANTS_MAX];   /* ... and was told that it has */
    int32_t lost_last;
    int64_t told_us[BASE_TENANTS_MAX]; /* when others were last told of a commit */
    bool tell_again[BASE_TENANTS_MAX];
};

/* How often what happens; drawn once for each world. */
struct world_rates {
    int64_t fault_ms;  /* between two faults, about */
    int64_t people_ms; /* between two things that people do */
    int64_t latency_us;
    int slow;        /* thousandths of the messages that take long */
    int drop;        /* thousandths of what is sent that ends its connection */
    int refuse;      /* thousandths of deliveries that receivers refuse */
    int late, twice; /* thousandths of what one node says to another */
    int64_t disk_us; /* of a commit, about; more while the disk is slow */
    int64_t calm_us; /* from then on nothing goes wrong any more */
};

struct world_tally {
    int64_t steps, commits, effects, runs, ended, approvals, votes, deliveries, fires;
    int64_t keys_given; /* to another run, by people */
    int64_t kills, stops, pauses, drops, crashes, jumps, lost_answers, takeovers, moves, rules;
    int64_t ended_early; /* leases of nodes whose lock was free */
    int64_t ended_alive; /* of those: that live and had only lost the connection */
    int64_t wakes;       /* notifications that arrived */
    int64_t inside; /* stops between the two trips of a batch; there the server ended it, ... */
    int64_t idle_ended;
    int64_t taken_inside; /* ... and another node took the company before it went on */
    int64_t migrated;     /* open runs that went on with another version */
    int64_t unsure;       /* entries that people allowed because the model was not sure */
    int64_t asked;        /* questions to the model */
    int64_t crowds;       /* many more runs of a company than rooms */
    int64_t updates, replies, refused, values, revived;
    int64_t words, late, twice;        /* between nodes */
    int64_t questions, answers;        /* of these: asked, and answered well */
    int64_t slow_commits, cut_commits; /* seconds long; ended by a crash */
    int64_t letters, deeds, repeats;   /* attempts that arrived; what they did; dropped by key */
    int64_t unheard, said, withdrawn;  /* done, and nobody heard; by people; never sent */
    int64_t undone, troubles;          /* taken back; faults while an attempt was on its way */
    int64_t lived_us;
};

struct event;
struct wire;
struct rules;
struct errand;
struct asking;
struct node_question;
struct deed;

/* Something that people have asked of a run; see asks.c. */
struct ask {
    struct ask *next;
    struct world *world;
    int32_t tenant;
    int64_t run;
    char id[24];
    int32_t seen;  /* newest value when it was asked; the step from which a dead run goes on */
    bool wrong;    /* no schema takes it */
    bool other;    /* with another input */
    char answered; /* the first letter of how it ended */
};

struct world {
    struct world_options options;
    struct heap heap;
    struct rv_random random;
    int64_t now_us;
    struct base *base;
    int64_t base_jump_us; /* the server's clock against ours */
    int64_t down_until_us;
    int64_t stall_until_us;
    int64_t slow_disk_until_us;
    int64_t lingered_us; /* when a session without a client was last seen */
    struct world_rates rates;
    struct rv_run_limits rooms; /* of each node; 0: more than it ever needs */
    struct node nodes[WORLD_NODES_MAX];
    int node_count;
    int companies;
    int incarnations;
    int cases; /* opened so far */
    int cases_most;
    bool ending;          /* all is done: everybody stops in order, nobody comes back */
    int rested;           /* looks in a row that found nothing to do */
    struct event *events; /* a heap by time and order */
    int event_count, event_capacity;
    uint64_t event_order;
    struct wire *wires;
    struct rules *rules;
    struct errand *errands; /* what people have asked for so far */
    struct ask *asks;
    struct asking *askings;          /* questions to the model */
    struct node_question *questions; /* between nodes */
    struct deed *deeds;              /* outside, by their keys */
    int wrong, revivals, begun;      /* asks of these kinds */
    struct world_tally tally;
    uint64_t hash;
    char violation[WORLD_VIOLATION_BYTES];
};

/* Once per process: memory, the catalogue, plans, policy and keys. */
void worlds_begin(void);

struct world *world_create(const struct world_options *options);
/* Faults, then calm, until nothing is left to do; false when a rule was broken. */
bool world_live(struct world *world);
void world_destroy(struct world *world);

/* ---- for the files of the simulation ---- */

struct node *world_current(void); /* whose code runs; NULL: nobody's */
void world_enter(struct node *node);
void world_leave(void);
bool world_chance(struct world *world, int thousandths);
int64_t world_below(struct world *world, int64_t bound);
void world_at(struct world *world, int64_t at_us, void (*run)(struct world *world, void *data),
              void *data);
/* One line of the story, and what the hash is made of. */
void world_note(struct world *world, const char *format, ...) RV_PRINTF(2, 3);
void world_broken(struct world *world, const char *format, ...) RV_PRINTF(2, 3);
bool world_calm(const struct world *world);

void chance_begin(uint64_t seed);
void books_begin(void);
void versions_change(struct world *world); /* somebody changes a version of an agent */
/* The clerk wants it stopped. */
void people_cancel(struct world *world, struct node *node, int32_t tenant, int64_t run);
void people_act(struct world *world, void *data); /* and again and again */
void world_open_case(struct world *world);
struct node *world_some_node(struct world *world); /* NULL: it is not alive */
void asks_act(struct world *world, struct node *node);
bool ask_repeats(const struct ask *ask);

void world_kill(struct node *node); /* and it comes back later */
void world_database_crashes(struct world *world);
void world_stand_still(struct node *node, int64_t for_us); /* as by SIGSTOP, and goes on later */
void world_stop(struct node *node); /* asks it to end in order; one that takes too long is killed */
void world_node_stopped(struct node *node); /* it ended in order */
const struct rv_clock *node_clock(const struct node *node);
void node_begin(struct node *node);
void node_kill(struct node *node);
void node_stop(struct node *node); /* in order; it ends some time later */
struct rv_ref node_orchestrator(const struct node *node, int32_t tenant);
/* A commit may let a run go on; false while the company's orchestrator is not here. */
bool node_wake(const struct node *node, int32_t tenant);
extern const char *const node_names[WORLD_NODES_MAX];
extern const struct rv_audit *node_audit;
extern const struct rv_hook_vault *node_vault;
void nodes_begin(void); /* keys, once per process */

/* Placement and what nodes tell each other. */
void model_begin(struct node *node); /* the loop is there */
void model_end(struct node *node);
void model_stop(struct node *node); /* what is open is answered at once, with nothing */
/* When the run last waited for the model, by the server's clock; 0: never. */
int64_t model_asked_us(const struct world *world, int32_t tenant, int64_t run);
void cluster_begin(struct node *node); /* the lease is there */
void cluster_beaten(void *node);
void cluster_committed(struct node *node, int32_t tenant);
void cluster_leave(struct node *node);  /* before the lease is given back */
void cluster_left(struct node *node);   /* after */
void cluster_end(struct node *node);    /* after the loop */
void cluster_killed(struct node *node); /* what it asked needs no answer any more */
void cluster_check_end(struct world *world);
/* Does nobody alive serve under the node's name?  Else it must not begin yet. */
bool cluster_name_free(struct node *node);

struct node *loop_node(const struct rv_loop *loop);
int64_t loop_ready_us(struct rv_loop *loop); /* on the loop's monotonic clock */
void loop_turn(struct rv_loop *loop, uint64_t chance);

/* A request or a mail as it arrives outside. */
struct outside_letter {
    const char *url, *method, *key;
    int64_t timeout_us; /* of who sent it */
};
bool outside_is(const char *url);
void outside_make(struct world *world, int32_t tenant); /* its connectors */
json_t *outside_ways(struct world *world);              /* some of their names */
/* Takes it, and says what its sender will hear, after so many microseconds. */
int64_t outside_take(struct world *world, const struct outside_letter *letter,
                     struct rv_post_result *result);
/* An attempt begins, or is on its way, by that process: something may go wrong with it now. */
void outside_trouble(struct world *world, int incarnation, int32_t tenant, int64_t run);
/* A person finds out what became of an effect; false: nothing waits for one. */
bool outside_resolve(struct world *world);
void outside_switch(struct world *world); /* a connector off, or on again */
void rules_outside_commit(struct world *world, const struct base_session *session);
void rules_outside_end(struct world *world);

int64_t wire_latency_us(struct world *world);
void wires_node_gone(struct node *node);
/* Is a session there whose client has gone, or does not answer? */
bool wires_linger(const struct world *world);
void wires_drop_one(struct world *world); /* some connection breaks */
/* The committer's: the server goes on with it for so long, and nobody else may write in its name.
 */
void wires_break_writer(struct world *world, const struct node *node, int64_t linger_us);
void wires_server_crash(struct world *world);
/* A notification is on its way to all that listen. */
void wires_notify(void *world, int32_t tenant);
bool wires_advisory_taken(void *data, const struct base_session *session, int64_t key);

/* Something goes wrong until then, with all nodes or with one: see rules_alive.c. */
void world_hurt(struct world *world, int64_t until_us);
void node_hurt(struct node *node, int64_t until_us);
void rules_alive_begin(struct world *world);
int64_t rules_changed_us(const struct world *world, int32_t tenant);
/* When its company was claimed last; 0: it was given, or the claim came through too late. */
int64_t rules_claimed_us(const struct world *world, int32_t tenant);
/* Incarnation that claimed the company last. */
int rules_claimer(const struct world *world, int32_t tenant);
void rules_begin(struct world *world);
void rules_end(struct world *world);
void rules_commit(void *world, const struct base_session *session);
void rules_ended_inside(struct world *world, int32_t tenant, int owner);
void rules_driving(struct node *node, int32_t tenant, int64_t epoch); /* it thinks that it does */
void rules_promised_vote(struct world *world, int32_t tenant, int64_t approval, const char *person);
bool rules_has_vote(struct world *world, int32_t tenant, int64_t approval, const char *person);
void rules_promised_signal(struct world *world, int32_t tenant, int64_t run, int64_t signal);
void rules_delivered(struct world *world, int32_t tenant, const char *body, size_t length);
void rules_update(struct world *world, const struct base_session *session,
                  const struct update_row *update);
void rules_told_step(struct world *world, const struct step_row *step);
void rules_told_update(struct ask *ask, const json_t *update);
void rules_refused_update(const struct ask *ask);
int32_t rules_newest_value(struct world *world, int32_t tenant, int64_t run);
void rules_told_value(const struct ask *ask, const json_t *found); /* NULL: nothing */
void rules_revival(struct world *world, const struct revival_row *revival);
void rules_promised_revival(const struct ask *ask, int64_t run);
void rules_promised_run(const struct ask *ask, int64_t run);
/* The same key, the same run; after rules_promised_run. */
void rules_once(const struct ask *ask);
void rules_copied_step(struct world *world, const struct step_row *step);
void rules_stopped_fire(struct world *world, int32_t tenant, int64_t fire);
/* The run that it goes on for; 0: none. */
int64_t rules_revived_from(struct world *world, int32_t tenant, int64_t run);
void rules_effect(struct world *world, const struct event_row *event, int64_t run);
void rules_told_end(struct world *world);
bool rules_at_rest(struct world *world);
void rules_rooms(struct world *world); /* at rest: every room has been given back */
void rules_lost(struct world *world);  /* says what is left to do: it will never be done */
void rules_check_end(struct world *world);

#endif
