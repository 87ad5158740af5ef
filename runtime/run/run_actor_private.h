/* run_actor_private.h -- what the files of the run actor share.
 *
 *   run_actor.c   life of the actor: messages, what the port answered, from phase to phase
 *   run_replay.c  the journal: what is recorded, what is written, when the two differ
 *   run_ask.c     PLAN and REVIEW: what Lua asks
 *   run_act.c     ACT, COMPENSATE, OUTCOME: the plan's items, and taking them back
 *   run_effect.c  waiting for the outcome of what happens outside
 *   run_child.c   CHILDREN: runs that this run has started
 *   run_budget.c  what it may spend, and what happens where that is not enough
 *   run_message.c   what a plan publishes and answers
 *   run_checkpoint.c   a new beginning in the middle of a plan
 *
 * Invariants: at most one port operation is outstanding (`pending`); the coroutine is resumed only
 * with an answer that is durable; `image->steps` mirrors the journal, and `cursor` is the next
 * entry to replay; a stale answer (from before a passivation) carries an old token and is dropped.
 *
 * Whatever stops a run and does not follow from its journal (a budget of time or steps, a wish to
 * cancel, a script that ran too long) is journaled first, as the note "end": replay stops at the
 * same place for the same reason.
 */
#ifndef REEVE_RUNTIME_RUN_RUN_ACTOR_PRIVATE_H
#define REEVE_RUNTIME_RUN_RUN_ACTOR_PRIVATE_H

#include "runtime/base/check.h"
#include "runtime/lua/plan.h"
#include "runtime/run/agents.h"
#include "runtime/run/doubt.h"
#include "runtime/run/run_actor.h"

enum phase {
    PHASE_LOAD,
    PHASE_PLAN,
    PHASE_ACT,
    PHASE_COMPENSATE,
    PHASE_CHILDREN,
    PHASE_OUTCOME,
    PHASE_REVIEW,
    PHASE_END
};

enum pending {
    PENDING_NONE,
    PENDING_LOAD,
    PENDING_READ, /* then its answer is journaled */
    PENDING_STEP, /* a journal write; `draft` becomes a step */
    PENDING_ACT,
    PENDING_EFFECT, /* the outcome of an action outside */
    PENDING_ASK,
    PENDING_APPROVAL, /* asking how an approval stands */
    PENDING_SIGNAL,
    PENDING_BUDGET, /* whether somebody has raised it */
    PENDING_START,  /* of a child */
    PENDING_CHILD,  /* asking how a child stands */
    PENDING_CHANGE  /* a status write without a step */
};

enum run_overrun { OVERRUN_STOP, OVERRUN_DEGRADE, OVERRUN_ASK }; /* run_budget.c */

struct run {
    struct rv_run_start start;
    struct rv_ref self;
    struct rv_actors *actors;
    struct rv_run_image *image;
    struct rv_agent *agent; /* borrowed from the port's cache, or our own */
    enum phase phase;
    int state;  /* enum rv_run_state, moved by rv_state_move */
    int cursor; /* next journal entry to replay */
    struct rv_budget budget;
    enum run_overrun overrun;
    json_t *doubt;        /* see doubt.h; NULL: none */
    json_t *raised;       /* what people gave more, in order; NULL: nothing */
    bool nobody_gave;     /* it was looked for since the newest entry */
    const char *short_of; /* why the gate refused the action at hand, or the engine the question;
                             borrowed from the journal */

    struct rv_plan *plan; /* the running coroutine of PLAN or REVIEW */
    bool plan_started;
    struct rv_plan_request request;
    bool has_request;

    json_t *proposal; /* what PLAN returned: {"actions":[..],"summary":..} */
    int action;       /* index of the action at hand */
    int voids;        /* approvals of the action at hand that became void */
    int64_t approval; /* the approval waited for, or granted for the action at hand */
    bool granted;
    int32_t effect_seq;  /* of the step whose effect outside has no outcome yet; 0 none */
    json_t *effect_said; /* what the gate answered to it; borrowed from the journal */
    int compensate;      /* index of the action being taken back */
    json_t *executed;    /* [{index, action, args, answer, compensated?, stays?}] */
    json_t *checkpoint;  /* entry that the plan began with: {state, used, children, ...}; or NULL */
    int32_t checkpoint_seq;
    char end_code[32]; /* why the run does not end well; empty while it does */
    char end_text[512];
    bool people_said_no;
    bool people_refused;   /* of those: a person decided so, not the time or a change */
    json_t *children;      /* [{run, close, budget, over}], as the journal says */
    const char *handed_to; /* the child that goes on instead; borrowed from the journal */
    char awaited[32];      /* the child that is waited for */
    json_t *outcome;
    json_t *review;

    struct rv_trace trace; /* none before it is loaded */
    enum pending pending;
    uint64_t token;     /* of the outstanding operation */
    const char *acting; /* command that is at the gate; borrowed from proposal or catalogue */
    json_t *acting_args;
    const json_t *blob; /* text to keep with the entry that is being written; borrowed */
    struct rv_step draft;
    bool has_draft;
    bool cancel_asked;
    bool stop_children; /* with the entry that is being written */
    char cancel_reason[256];
};

enum {
    RUN_SLEEP_TOKEN = 1,
    RUN_ASK_TOKEN = 2,
    RUN_ASK_LONG_MS = 200 /* an answer that takes so long is worth another load and replay */
};

/* ---- run_actor.c ---- */

/* What travels back from the port: give the result as `data` of the operation. */
struct answer;
struct answer *run_expect(struct run *run, enum pending pending);
void run_on_port(void *data, enum rv_code code, json_t *json, const struct rv_error *err);
/* Does whatever comes next; the one place where phases follow each other. */
void run_advance(struct rv_actor *self, struct run *run);
/* Gives up the actor: the journal holds everything, a message to the orchestrator brings it back.
 */
void run_stand_still(struct rv_actor *self, struct run *run);
void run_tell_boss(struct rv_actor *self, const struct run *run, uint32_t kind, int64_t about);

/* What a fork's plan sees as chance is that of the run it comes from. */
static inline int64_t run_seed(const struct run *run)
{
    return rv_json_int(json_object_get(run->image->input, "forked"), "seed", run->start.run);
}

/* Entries up to this one were another run's. */
static inline int64_t run_forked_at(const struct run *run)
{
    return rv_json_int(json_object_get(run->image->input, "forked"), "at", 0);
}

static inline int64_t run_now_us(const struct run *run)
{
    return run->start.port->now_us(run->start.port->self);
}

/* ---- run_replay.c ---- */

enum found { FOUND_NOTHING, FOUND_STEP, FOUND_DIVERGENCE };

/* The next journal entry, when there is one; it must be what we are about to do.  `name` and `args`
 * NULL: any. */
enum found run_recorded(struct rv_actor *self, struct run *run, int kind, const char *name,
                        const json_t *args, int line, const struct rv_step **out);
bool run_replaying(const struct run *run); /* entries are left */
/* The number of the entry that is written next. */
static inline int32_t run_next_seq(const struct run *run)
{
    const struct rv_run_image *image = run->image;
    return image->base + image->notes + image->step_count + 1;
}
/* Appends to the mirror what the port has made durable. */
void run_remember(struct run *run, struct rv_step step);
/* Entry number `cursor` may be the end: takes it, and with it the reason. */
bool run_take_end(struct run *run);
/* That end is the plan's own: its script raised an error, or gave no plan.  What a plan does
 * follows from the journal, so it must do the same again; an end that came from outside (a cancel,
 * a budget, a cap) is taken as it is.  Told by its words: "AGENT:LINE: text", code "invalid". */
bool run_end_is_own(const struct run *run);
/* Takes an end of that kind; it must say what the plan says now, at whatever line.  False: the run
 * diverged. */
bool run_take_own_end(struct run *run, const char *code, const char *message);
struct rv_step run_make_step(const struct run *run, int kind, const char *name, const json_t *args,
                             json_t *out);
void run_step_fini(struct rv_step *step);
/* `out` of the step is its own; the rest is borrowed until the answer. */
void run_write_step(struct run *run, struct rv_step step, const struct rv_run_change *change,
                    int64_t consume_signal, const json_t *memory);
void run_change_state(struct run *run, enum rv_run_state to, const char *waiting_on,
                      int64_t wake_us);
/* The state that a step will bring; false when state and journal contradict each other (the store
 * was damaged): then the run is parked as DIVERGED and nothing more may be asked. */
bool run_move(struct run *run, enum rv_run_state to);
/* Why the run will not end well; the first reason stays. */
void run_set_end(struct run *run, const char *code, const char *format, ...) RV_PRINTF(3, 4);
/* The same, journaled before anything follows from it. */
void run_write_end(struct run *run, const char *code, const char *format, ...) RV_PRINTF(3, 4);
/* A wish to cancel is granted where live work would begin: true when it was written. */
bool run_canceled(struct run *run);
/* Spends what a step has cost; the same for replayed and new steps: both stop at the same place. */
void run_spend(struct run *run, const struct rv_step *step);
void run_tell_spent(const struct run *run); /* whoever watches a replay */

/* ---- run_ask.c ---- */

void run_advance_lua(struct rv_actor *self, struct run *run, const char *entry);
void run_plan_over(struct rv_actor *self, struct run *run, json_t *result);
/* What was waited for: a signal, or how a child ended; null while it has not come. */
void run_on_awaited(struct rv_actor *self, struct run *run, int kind, const json_t *came);
/* What a sleep or a wait says now: true when the run may go on, with `step` the entry to go on
 * with.
 */
bool run_wait_is_over(struct rv_actor *self, struct run *run, int kind,
                      const struct rv_step **step);

/* ---- run_act.c ---- */

void run_advance_act(struct rv_actor *self, struct run *run);
void run_advance_compensate(struct rv_actor *self, struct run *run);
void run_advance_outcome(struct rv_actor *self, struct run *run);
void run_advance_end(struct rv_actor *self, struct run *run);
void run_on_approval(struct rv_actor *self, struct run *run, const char *status);
/* After the actions, or when something stops the run: takes back first what must be. */
void run_turn_back(struct rv_actor *self, struct run *run);
/* What every question to the gate says about its run. */
struct rv_run_act run_act_frame(const struct run *run, int kind);

/* ---- run_message.c ---- */

enum { RUN_NAME_TEXT = 160 }; /* "$update." and a name, "reply." and an id */
/* Whether anybody can send what a request for a signal or an update waits for: RV_INVALID, naming
 * the call, for a name that is longer than a sender's may be, or one of reeve's own.  Asked before
 * a wait is written, never of a journal: those of before hold such waits. */
RV_MUST enum rv_code run_signal_check(const struct rv_plan_request *request, struct rv_error *err);
/* The signal that a request for a signal or an update waits for. */
const char *run_signal_name(const struct rv_plan_request *request, char out[RUN_NAME_TEXT]);
/* The name of the entry of publish, reply and refuse. */
const char *run_message_step(const struct rv_plan_request *request, char out[RUN_NAME_TEXT]);
void run_ask_message(struct run *run, int kind);

/* ---- run_checkpoint.c ---- */

void run_ask_checkpoint(struct run *run);
/* What a plan that begins at a checkpoint sees beside its input. */
void run_checkpoint_input(const struct run *run, json_t *input);
/* An entry that was taken or loaded first: the plan begins anew with its state, everything before
 * it is let go of. */
void run_begin_anew(struct run *run, const struct rv_step *step);
/* Of a run that was loaded from its newest checkpoint: goes on as if all before had been replayed.
 * False: the journal does not begin as it should. */
bool run_resume_checkpoint(struct run *run);

/* ---- run_budget.c ---- */

void run_budget_open(struct run *run); /* the limits of a run that was just loaded */
void run_budget_raise(struct run *run, const json_t *more);
/* A limit was met, before the call.  True: looks whether somebody has given more already, then the
 * run goes on as if it had not met it; it comes back here when nobody has. */
bool run_budget_look(struct run *run);
/* And nobody had; `message` says which limit.  True: the run waits for a person. */
bool run_budget_ask(struct run *run, const char *message, int line);
/* True: the request is answered "limit" and nothing else is done. */
bool run_budget_degrade(struct run *run, int kind, const char *message);
/* The engine's answer was that the prompt passes the budget, and the plan does not hear of it: the
 * run stops, or asks a person and then the model again. */
bool run_budget_short(struct run *run, const json_t *out);
/* The same, just answered, where the plan would hear of it: true while it looks as above, before
 * the answer counts. */
bool run_budget_short_look(struct run *run, const json_t *out);
/* The gate's answer was a budget's, and more may be had: the run asks, or has not looked yet. */
bool run_budget_refused(const struct run *run, const json_t *out);
bool run_budget_waits(const struct run *run); /* the next entry of the journal is such a wait */
bool run_budget_given(const struct run *run); /* ... is what was given */
/* Takes a wait that is next in the journal, with what was given.  False: it waits still, or the run
 * diverged. */
bool run_budget_taken(struct rv_actor *self, struct run *run);
/* What was given is the next entry, and no wait belongs to it. */
bool run_budget_early(const struct run *run);
void run_on_raised(struct rv_actor *self, struct run *run, const json_t *came);

/* ---- run_effect.c ---- */

/* Whether the action that was executed as `step` happens outside: then its outcome is awaited. */
bool run_effect_begins(struct run *run, const char *action, const struct rv_step *step);
/* The awaited outcome, as journaled; NULL while it has not come, or the run diverged. */
const json_t *run_effect_outcome(struct rv_actor *self, struct run *run, const char *action);
void run_on_effect(struct rv_actor *self, struct run *run, json_t *outcome);

/* ---- run_child.c ---- */

void run_child_begun(struct run *run, const struct rv_step *step);
void run_child_over(struct run *run, const struct rv_step *step);
json_t *run_child_spent(const struct run *run);
void run_ask_start(struct run *run);
void run_ask_child(struct run *run); /* how `awaited` stands */
void run_ask_child_wait(struct run *run, const json_t *args);
/* The entry of a wait; takes `out`, whose "until_us" is the deadline. */
void run_write_wait(struct run *run, const char *name, const char *waiting_on, const json_t *args,
                    json_t *out);
void run_advance_children(struct rv_actor *self, struct run *run);

#endif
