/* sim_world.h -- a small world in virtual time: real run actors with real Lua plans on the real
 * actor system, above a simulated port that owns storage, gate, people, model and faults.
 *
 *     sim_create(seed) > sim_add_run ... > sim_live until everything has ended > sim_violation
 *
 *   sim_world.c  time, the actor system, kills and restarts     sim_port.c   the run port: storage,
 * gate sim_check.c  what must hold, with its own bookkeeping       sim_plans.c  the Lua plans
 *
 * One thread, no real waiting, no address and no hash order in anything that is decided: the same
 * seed gives the same trace, step by step.  A broken rule is kept as text and ends the world; only
 * the code under test aborts.
 */
#ifndef REEVE_TESTS_SIM_SIM_WORLD_H
#define REEVE_TESTS_SIM_SIM_WORLD_H

#include "runtime/actor/actor.h"
#include "runtime/base/random.h"
#include "runtime/run/agents.h"
#include "runtime/run/run_actor.h"
#include "tests/sim/sim_plans.h"

enum {
    SIM_RUNS_MAX = 48, /* with the children */
    SIM_TENANT = 1,
    SIM_APPROVALS_MAX = 256,
    SIM_EFFECTS_MAX = 512,
    SIM_SIGNALS_MAX = 8,
    SIM_RAISE_STEPS = 6, /* what people give a run that asks for more */
    SIM_RAISE_CALLS = 4,
    SIM_RAISE_TOKENS = 100,
    SIM_RAISE_RISK = 2,
    SIM_STEPS_MAX = 256, /* of one run; the plans' own limits are lower */
    SIM_RESOURCES_MAX = 64,
    SIM_TURNS_MAX = 8000, /* of one world: more is a run that never comes to an end */
    SIM_VIOLATION_BYTES = 512
};
#define SIM_SECOND_US INT64_C(1000000)
#define SIM_DAY_US    (86400 * SIM_SECOND_US)

/* Ports that are wrong on purpose: each must be caught. */
enum sim_break {
    SIM_SOUND,
    SIM_BREAK_TWICE,    /* effect and journal in two transactions, the command id not looked at */
    SIM_BREAK_FENCE,    /* writes of an old epoch are accepted */
    SIM_BREAK_APPROVAL, /* silence and a no are taken for a yes */
    SIM_BREAK_UNASKED,  /* a held action is executed at once */
    SIM_BREAK_HOLE,     /* now and then a step is acknowledged and not stored */
    SIM_BREAK_ANSWER,   /* another answer is given than was journaled */
    SIM_BREAK_SIGNAL,   /* a signal is not marked as used */
    SIM_BREAK_CHILD,    /* a child and the step that starts it in two transactions */
    SIM_BREAK_CLAIM,    /* a run that ends lets go of its claim instead of passing it on */
    SIM_BREAK_COUNT
};
extern const char *const sim_break_names[SIM_BREAK_COUNT];

struct sim_options {
    uint64_t seed;
    enum sim_break broken;
    bool faults;              /* false: a calm world, for stories that are told step by step */
    bool trace;               /* print what happens */
    struct rv_agents *agents; /* compiled plans, may be shared by worlds; NULL: each run compiles */
};

struct sim_signal {
    int64_t id;
    char name[16];
    int consumed_seq; /* 0: not yet */
};

/* A run as the store has it, and whether an actor has it now. */
struct sim_run {
    int index;
    int64_t id;
    const struct sim_plan *plan;
    json_t *input;
    int64_t created_us;
    int64_t parent; /* 0 none */
    int depth;
    json_t *budget;
    char close[12];
    char key[128];
    bool claims;
    bool stop_asked; /* the signal "$cancel" is there */
    bool stop_told;  /* to the actor that it has now */
    enum rv_run_state state;
    char waiting_on[16];
    int64_t wake_us;
    char error_code[32];
    json_t *result;
    struct rv_step steps[SIM_STEPS_MAX];
    int step_count;
    struct sim_signal signals[SIM_SIGNALS_MAX];
    int signal_count;
    int64_t commit_us; /* of its newest write: the committer keeps the order of one run's writes */
    bool live;
    struct rv_ref actor;
    int loads;
    /* kept by sim_check.c */
    int seen_seq;
    int last_action; /* index into the plan, of the newest executed action */
};

enum sim_vote { SIM_APPROVES, SIM_REJECTS, SIM_SILENT, SIM_MOVES }; /* moves: the object changes */

struct sim_approval {
    int64_t id;
    int run; /* index */
    char action[64];
    uint8_t digest[RV_STEP_DIGEST_BYTES];
    int64_t resource;
    int64_t version;
    enum sim_vote vote;
    int64_t vote_us;
    int64_t expires_us;
    bool used;
    bool voided;
};

struct sim_effect {
    char command_id[64];
    int run;
    int kind;
    char action[64];
    uint8_t digest[RV_STEP_DIGEST_BYTES];
    int64_t approval;
    json_t *answer;
};

/* How often what happens, in thousandths; drawn once for each world. */
struct sim_rates {
    int kill, cut, lost, refuse, slow, down, wake, cancel;
    int held, denied, refused, back_refused;
    int bad; /* answers that will be the same every time, and journal nothing */
};

struct sim_op;

struct sim_world {
    struct sim_options options;
    struct rv_random random;
    struct rv_clock_virtual clock;
    struct rv_loop *loop;
    struct rv_actors *actors;
    struct rv_ref host;
    struct rv_run_port port;
    struct sim_rates rates;
    int faults_left;
    int64_t epoch;
    int64_t down_until_us;
    int64_t tick_us; /* next look for runs that can move; INT64_MAX none */
    bool kill_now;
    int cut_now; /* index + 1 */
    struct sim_run runs[SIM_RUNS_MAX];
    int run_count;
    struct sim_approval approvals[SIM_APPROVALS_MAX];
    int approval_count;
    struct sim_effect effects[SIM_EFFECTS_MAX];
    int effect_count;
    int64_t versions[SIM_RESOURCES_MAX];
    json_t *memory;
    struct sim_op *ops; /* by time */
    uint64_t op_order;
    int64_t next_id;
    uint64_t hash;
    int64_t turns;
    int kills, cuts, lost, fenced;
    int64_t compared; /* rules looked at */
    int64_t doubts;   /* actions that came with a margin */
    char violation[SIM_VIOLATION_BYTES];
};

struct sim_world *sim_create(const struct sim_options *options);
void sim_destroy(struct sim_world *world);
struct sim_run *sim_add_run(struct sim_world *world, const char *plan);
/* Until all runs have ended and nothing is under way; false when a rule was broken. */
bool sim_live(struct sim_world *world);
/* The same up to a time on the virtual clock. */
bool sim_live_until(struct sim_world *world, int64_t until_us);
/* What people and operators do, at this moment. */
void sim_signal(struct sim_world *world, struct sim_run *run, const char *name);
void sim_cancel(struct sim_world *world, struct sim_run *run);
/* Others need its room, as its orchestrator would say. */
void sim_give_room(struct sim_world *world, struct sim_run *run);
void sim_kill(struct sim_world *world); /* the node dies and comes back under the next epoch */
/* A whole day of faults from one seed: creates, lives, checks the end, destroys. */
struct sim_report {
    uint64_t hash;
    int64_t turns, effects, steps, kills, cuts, lost, fenced, compared, doubts;
    int ends[RV_RUN_STATE_COUNT];
    char violation[SIM_VIOLATION_BYTES];
};
void sim_day(const struct sim_options *options, struct sim_report *report);

/* ---- for the files of the simulation ---- */

bool sim_chance(struct sim_world *world, int thousandths);
/* One line of the trace; also what the hash is made of. */
void sim_note(struct sim_world *world, const char *what, int64_t run, int64_t a, int64_t b);

/* sim_port.c */
struct rv_run_port sim_port(struct sim_world *world);
void sim_ops_due(struct sim_world *world);
int64_t sim_ops_next_us(const struct sim_world *world);
void sim_ops_die(struct sim_world *world); /* their askers are about to vanish */
void sim_ops_destroy(struct sim_world *world);
bool sim_approval_open(const struct sim_world *world, const struct sim_approval *approval);
json_t *sim_raise(int64_t signal);                                 /* new reference */
struct sim_run *sim_find_run(struct sim_world *world, int64_t id); /* NULL: none */

/* sim_check.c: told of every fact as it is stored */
void sim_broken(struct sim_world *world, const char *format, ...) RV_PRINTF(2, 3);
void sim_saw_step(struct sim_world *world, struct sim_run *run, const struct rv_step *step,
                  int64_t epoch);
void sim_saw_state(struct sim_world *world, struct sim_run *run, enum rv_run_state to,
                   int64_t epoch);
/* `allowed`: the decision that was recorded for this command. */
/* An action comes to the gate, with what its run says of its model (runtime/run/doubt.h). */
void sim_saw_asked(struct sim_world *world, const struct sim_run *run, const struct rv_step *step,
                   int margin);
void sim_saw_effect(struct sim_world *world, const struct sim_effect *effect, bool allowed,
                    const struct sim_approval *approval);
/* A run has ended, and its claim, if it had one, has been passed on. */
void sim_saw_family(struct sim_world *world, const struct sim_run *ended);
/* A child that has just been stored with the step of its start. */
void sim_saw_child(struct sim_world *world, const struct sim_run *child);
void sim_saw_signal_used(struct sim_world *world, struct sim_run *run,
                         const struct sim_signal *signal, int seq);
void sim_check_end(struct sim_world *world);

#endif
