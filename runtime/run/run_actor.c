/* run_actor.c -- how a run moves.
 *
 *   LOAD -> PLAN -> ACT -> CHILDREN -> OUTCOME -> REVIEW -> END
 *             \       \--failed--> COMPENSATE --^
 *
 * Here is the life of the actor: it loads its run, goes from phase to phase, asks the port for one
 * thing at a time and is answered by a message to itself.  What a phase does is in run_ask.c and
 * run_act.c, what is journaled in run_replay.c; see run_actor_private.h for the invariants.
 */
#include "runtime/base/log.h"
#include "runtime/base/text.h"
#include "runtime/run/child.h"
#include "runtime/run/run_actor_private.h"
#include "runtime/run/run_trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What travels back from the port. */
struct answer {
    struct rv_actors *actors;
    struct rv_ref to, boss;
    int32_t tenant;
    int64_t run;
    uint64_t token;
    enum pending about;
    struct rv_trace trace; /* of the run, once it is known */
    enum rv_code code;
    struct rv_error err;
    json_t *json;
    struct rv_run_image *image;
};

static enum rv_code run_start(struct rv_actor *self, void *state, const void *argument,
                              struct rv_error *err);
static enum rv_code run_receive(struct rv_actor *self, void *state, struct rv_message *message,
                                struct rv_error *err);
static void run_stop(struct rv_actor *self, void *state, enum rv_exit why);
static void run_show(const void *state, struct rv_shown *out);
static const char *run_message_name(const struct rv_message *message);
static void on_answer(struct rv_actor *self, struct run *run, struct answer *answer);

const struct rv_behavior rv_run_behavior = {
    .name = "run",
    .start = run_start,
    .receive = run_receive,
    .stop = run_stop,
    .state_bytes = sizeof(struct run),
    .show = run_show,
    .name_of = run_message_name,
};

/* ---- for people ---- */

static const char *about(enum pending pending)
{
    static const char *const names[] = {
        [PENDING_NONE] = "nothing", [PENDING_LOAD] = "load",         [PENDING_READ] = "read",
        [PENDING_STEP] = "step",    [PENDING_ACT] = "act",           [PENDING_ASK] = "model",
        [PENDING_START] = "start",  [PENDING_APPROVAL] = "approval", [PENDING_SIGNAL] = "signal",
        [PENDING_CHILD] = "child",  [PENDING_CHANGE] = "change",
    };
    return names[pending];
}

static void run_show(const void *state, struct rv_shown *out)
{
    const struct run *run = state;
    snprintf(out->what, sizeof out->what, "r_%" PRId64 " %s %s", run->start.run,
             run->pending == PENDING_NONE ? "rests at" : "waits for",
             run->pending == PENDING_NONE ? rv_run_state_name((enum rv_run_state)run->state)
                                          : about(run->pending));
    out->bytes = run->plan != NULL ? (int64_t)rv_plan_memory_bytes(run->plan) : 0;
    if (run->image != NULL) {
        out->bytes += (int64_t)(sizeof *run->image + run->image->source_length +
                                (size_t)run->image->step_count * sizeof *run->image->steps);
    }
}

static const char *run_message_name(const struct rv_message *message)
{
    switch (message->kind) {
    case RV_RUN_ANSWER: return about((enum pending)message->body.numbers[0]);
    case RV_RUN_CANCEL: return "cancel";
    case RV_RUN_WAKE: return "wake";
    case RV_RUN_GIVE_ROOM: return "give room";
    default: return NULL;
    }
}

/* ---- the port's answers come back as messages ---- */

static void answer_free(void *payload)
{
    struct answer *answer = payload;
    json_decref(answer->json);
    rv_run_image_free(answer->image);
    rv_free(answer);
}

static void deliver(struct answer *answer)
{
    struct rv_message message = {.kind = RV_RUN_ANSWER, .payload = answer, .free = answer_free};
    message.body.numbers[0] = answer->about;
    message.trace = answer->trace;
    if (answer->about == PENDING_ASK && answer->boss.id != 0) { /* it may have given its room */
        struct rv_message answered = {.kind = RV_RUN_ANSWERED, .body.numbers = {answer->run}};
        rv_actors_send(answer->actors, answer->boss, &answered);
    }
    rv_actors_send(answer->actors, answer->to, &message); /* a dead run's answer is a dead letter */
}

struct answer *run_expect(struct run *run, enum pending pending)
{
    RV_ASSERT(run->pending == PENDING_NONE);
    run->pending = pending;
    struct answer *answer = rv_alloc(sizeof *answer);
    answer->actors = run->actors;
    answer->to = run->self;
    answer->boss = run->start.boss;
    answer->tenant = run->start.tenant;
    answer->run = run->start.run;
    answer->token = ++run->token;
    answer->about = pending;
    answer->trace = run->trace;
    return answer;
}

void run_on_port(void *data, enum rv_code code, json_t *json, const struct rv_error *err)
{
    struct answer *answer = data;
    answer->code = code;
    answer->json = json;
    if (code != RV_OK && err != NULL) {
        answer->err = *err;
    }
    deliver(answer);
}

static void on_loaded(void *data, enum rv_code code, struct rv_run_image *image,
                      const struct rv_error *err)
{
    struct answer *answer = data;
    answer->code = code;
    answer->image = image;
    if (image != NULL) {
        answer->trace = rv_run_trace(answer->tenant, answer->run, image->input);
    }
    if (code != RV_OK && err != NULL) {
        answer->err = *err;
    }
    deliver(answer);
}

/* ---- actor ---- */

static enum rv_code run_start(struct rv_actor *self, void *state, const void *argument,
                              struct rv_error *err)
{
    (void)err;
    struct run *run = state;
    run->start = *(const struct rv_run_start *)argument;
    run->self = rv_actor_self(self);
    run->actors = rv_actor_system(self);
    run->executed = json_array();
    run->children = json_array();
    const struct rv_run_port *port = run->start.port;
    port->load(port->self, run->start.tenant, run->start.run, on_loaded,
               run_expect(run, PENDING_LOAD));
    return RV_OK;
}

/* Only a sleep has nothing pending.  The port journals what the model says, whether or not anybody
 * waits for it: the next actor finds it there, and asks nobody.  One that was asked to stop does so
 * with the answer. */
static void give_room(struct rv_actor *self, struct run *run, int64_t answer)
{
    if (run->pending == PENDING_NONE && run->phase != PHASE_LOAD) {
        run_stand_still(self, run);
    } else if (run->pending == PENDING_ASK && answer == (int64_t)run->token && !run->cancel_asked) {
        rv_actor_exit(self, RV_EXIT_PASSIVATED);
    }
}

static void tell_asks(struct rv_actor *self, const struct run *run)
{
    if (run->start.boss.id != 0) {
        struct rv_message message = {.kind = RV_RUN_ASKS,
                                     .body.numbers = {run->start.run, (int64_t)run->token}};
        rv_actor_send(self, run->start.boss, &message);
    }
}

static enum rv_code run_receive(struct rv_actor *self, void *state, struct rv_message *message,
                                struct rv_error *err)
{
    (void)err;
    struct run *run = state;
    switch (message->kind) {
    case RV_RUN_ANSWER: {
        struct answer *answer = message->payload;
        if (answer->token == run->token && run->pending != PENDING_NONE) {
            on_answer(self, run, answer);
        }
        break;
    }
    case RV_RUN_CANCEL:
        run->cancel_asked = true;
        snprintf(run->cancel_reason, sizeof run->cancel_reason, "%s",
                 message->payload != NULL ? (const char *)message->payload : "asked to stop");
        if (run->pending == PENDING_NONE && run->phase != PHASE_LOAD) {
            run_advance(self, run);
        }
        break;
    case RV_RUN_GIVE_ROOM: give_room(self, run, message->body.numbers[0]); break;
    case RV_RUN_WAKE:
    case RV_MESSAGE_TIMEOUT:
        if (run->pending == PENDING_NONE && run->phase != PHASE_LOAD) {
            run_advance(self, run);
        } else if (message->kind == RV_MESSAGE_TIMEOUT && run->pending == PENDING_ASK) {
            tell_asks(self, run);
        }
        break;
    default: break;
    }
    return RV_OK;
}

static void leave_agent(struct run *run)
{
    struct rv_agents *agents = run->start.port->agents;
    if (agents != NULL) {
        rv_agents_leave(agents, run->agent);
    } else {
        rv_agent_destroy(run->agent);
    }
}

static void run_stop(struct rv_actor *self, void *state, enum rv_exit why)
{
    (void)self;
    (void)why;
    struct run *run = state;
    rv_plan_destroy(run->plan);
    leave_agent(run);
    rv_run_image_free(run->image);
    if (run->has_draft) {
        run_step_fini(&run->draft);
    }
    json_decref(run->acting_args);
    json_decref(run->proposal);
    json_decref(run->executed);
    json_decref(run->children);
    json_decref(run->checkpoint);
    json_decref(run->raised);
    json_decref(run->doubt);
    json_decref(run->outcome);
    json_decref(run->review);
}

/* Gives up the actor: the journal holds everything, a message to the run service brings it back. */
void run_stand_still(struct rv_actor *self, struct run *run)
{
    bool open = run->phase == PHASE_PLAN || run->phase == PHASE_ACT || run->phase == PHASE_CHILDREN;
    if (open && run->cancel_asked && run->end_code[0] == '\0' && run->effect_seq == 0) {
        run_advance(
            self,
            run); /* asked to stop while it was loaded or replayed: stops instead of waiting */
        return;
    }
    if (run->start.changed != NULL) {
        run->start.changed(run->start.changed_data, run->start.tenant, run->start.run,
                           (enum rv_run_state)run->state);
    }
    rv_actor_exit(self, rv_run_state_final((enum rv_run_state)run->state) ? RV_EXIT_NORMAL
                                                                          : RV_EXIT_PASSIVATED);
}

/* ---- LOAD ---- */

static enum rv_code find_agent(struct run *run, struct rv_error *err)
{
    const struct rv_run_image *image = run->image;
    struct rv_agents *agents = run->start.port->agents;
    if (agents != NULL) {
        return rv_agents_take(agents, &image->plan_hash, image->source, image->source_length,
                              image->agent, &run->agent, err);
    }
    return rv_agent_load(image->source, image->source_length, image->agent, &run->agent, err);
}

/* It was never begun: another run has its key (claim.h), and whoever lets go of that makes it
 * CREATED.  Until then nothing but a wish to stop moves it. */
static bool waits_for_key(const struct run *run)
{
    return run->state == RV_RUN_WAITING && run->image->base == 0 && run->image->step_count == 0;
}

void run_tell_boss(struct rv_actor *self, const struct run *run, uint32_t kind, int64_t about)
{
    if (run->start.boss.id != 0) {
        struct rv_message message = {.kind = kind, .body.numbers = {about}};
        rv_actor_send(self, run->start.boss, &message);
    }
}

static void begin(struct rv_actor *self, struct run *run, struct rv_run_image *image)
{
    run->image = image;
    run->trace = rv_run_trace(run->start.tenant, run->start.run, image->input);
    rv_actor_trace(self, run->trace);
    run->state = (int)image->state;
    if (run->start.epoch != 0 && image->epoch != run->start.epoch) {
        rv_actor_exit(self, RV_EXIT_NORMAL); /* another node drives the company by now */
        return;
    }
    run_tell_boss(self, run, RV_RUN_BEGUN, run->start.run);
    if (rv_run_state_final(image->state)) {
        run_stand_still(self, run);
        return;
    }
    struct rv_error err = {.code = RV_OK};
    run->phase = PHASE_PLAN;
    if (find_agent(run, &err) != RV_OK) {
        run_set_end(run, "invalid", "%s", err.message);
        run_change_state(run, RV_RUN_FAILED, NULL, 0);
        return;
    }
    run_budget_open(run);
    rv_doubt_join(&run->doubt, json_object_get(image->input, "doubt"));
    if (image->base > 0 && !run_resume_checkpoint(run)) {
        run_set_end(run, "corrupt", "the journal does not begin with a checkpoint at step %d",
                    (int)image->base + 1);
        run_change_state(run, RV_RUN_DIVERGED, NULL, 0);
        return;
    }
    if (waits_for_key(run)) {
        if (!run_canceled(run)) {
            run_stand_still(self, run);
        }
        return;
    }
    run_advance(self, run);
}

/* ---- moving on ---- */

void run_advance(struct rv_actor *self, struct run *run)
{
    RV_ASSERT(run->pending == PENDING_NONE);
    switch (run->phase) {
    case PHASE_PLAN:
        if (run->state == RV_RUN_CREATED && !run_replaying(run)) {
            run_change_state(run, RV_RUN_PLANNING, NULL, 0);
        } else {
            run_advance_lua(self, run, "plan");
        }
        break;
    case PHASE_ACT: run_advance_act(self, run); break;
    case PHASE_COMPENSATE: run_advance_compensate(self, run); break;
    case PHASE_CHILDREN: run_advance_children(self, run); break;
    case PHASE_OUTCOME: run_advance_outcome(self, run); break;
    case PHASE_REVIEW:
        if (run->state != RV_RUN_REVIEWING && run->state != RV_RUN_WAITING) {
            run_change_state(run, RV_RUN_REVIEWING, NULL, 0);
        } else {
            run_advance_lua(self, run, "review");
        }
        break;
    case PHASE_END: run_advance_end(self, run); break;
    case PHASE_LOAD: RV_UNREACHABLE("loading has its own answer");
    }
}

/* The port failed us (database away, lease lost): give up the actor; the journal is the truth and
 * the run service starts it again. */
static void abandon(struct rv_actor *self, struct run *run, const struct answer *answer)
{
    rv_log(RV_LOG_WARN, "run", "RUN-ABANDONED", "run=r_%" PRId64 " code=%s %s", run->start.run,
           rv_code_name(answer->code), answer->err.message);
    rv_actor_exit(self, RV_EXIT_FAILED);
}

static void draft_is_durable(struct rv_actor *self, struct run *run)
{
    RV_ASSERT(run->has_draft);
    run->has_draft = false;
    run_remember(run, run->draft);
    /* the entry is at the end of the mirror: go back one and take it like any replayed entry */
    run->cursor--;
    if (run->phase == PHASE_PLAN && run->draft.kind == RV_STEP_PLAN) {
        run->cursor++;
        run_spend(run, &run->draft);
        run->proposal = json_incref(run->draft.out);
        run->phase = PHASE_ACT;
    } else if ((run->draft.kind == RV_STEP_SIGNAL && !run_budget_early(run)) ||
               run->draft.kind == RV_STEP_CHILD) {
        run->cursor--; /* the wait before it belongs to the same request */
    }
    run_advance(self, run);
}

/* The port journaled this answer in the transaction of what it answers. */
static void durable_answer(struct rv_actor *self, struct run *run, int kind, const char *name,
                           const json_t *args, json_t *out)
{
    run->draft = run_make_step(run, kind, name, args, out);
    run->has_draft = true;
    draft_is_durable(self, run);
}

/* ---- what the port says ---- */

/* Would the same be answered another time?  Then the run comes back later; otherwise it hears "no",
 * so that it does not come back for ever. */
static bool passes(enum rv_code code)
{
    switch (code) {
    case RV_INVALID:
    case RV_NOT_FOUND:
    case RV_DENIED:
    case RV_LIMIT: return false;
    default: return true;
    }
}

static json_t *no_answer(const struct answer *answer)
{
    char text[sizeof answer->err.message];
    snprintf(text, sizeof text, "%s", answer->err.message);
    rv_text_mend(text);
    return json_pack("{s:b,s:s,s:s}", "ok", 0, "code", rv_code_name(answer->code), "message", text);
}

/* The journal would not take the draft, and never will. */
static void step_refused(struct rv_actor *self, struct run *run, const struct answer *answer)
{
    int kind = run->draft.kind;
    bool can_end = (run->phase == PHASE_PLAN || run->phase == PHASE_ACT) && kind != RV_STEP_NOTE;
    if (kind == RV_STEP_READ) { /* most likely an answer that is too large: ask for less */
        json_decref(run->draft.out);
        struct rv_step step = run->draft;
        step.out = no_answer(answer);
        run->has_draft = false;
        run_write_step(run, step, NULL, 0, NULL);
    } else if (can_end) {
        run->has_draft = false;
        run_step_fini(&run->draft);
        run_write_end(run, rv_code_name(answer->code), "%s", answer->err.message);
    } else {
        abandon(self, run, answer);
    }
}

static void refused(struct rv_actor *self, struct run *run, enum pending pending,
                    const struct answer *answer)
{
    switch (pending) {
    case PENDING_READ:
        run_write_step(run,
                       run_make_step(run, RV_STEP_READ, run->request.name, run->request.args,
                                     no_answer(answer)),
                       NULL, 0, NULL);
        break;
    case PENDING_ASK:
        run_write_step(run,
                       run_make_step(run, RV_STEP_MODEL, run->request.name, run->request.args,
                                     no_answer(answer)),
                       NULL, 0, NULL);
        break;
    case PENDING_ACT: {
        json_t *out = no_answer(answer);
        json_object_del(out, "ok");
        json_object_set_new(out, "result", json_string("refused"));
        bool back = run->phase == PHASE_COMPENSATE;
        run_write_step(run,
                       run_make_step(run, back ? RV_STEP_COMPENSATION : RV_STEP_ACTION, run->acting,
                                     run->acting_args, out),
                       NULL, 0, NULL);
        break;
    }
    case PENDING_START:
        run_write_step(run,
                       run_make_step(run, RV_STEP_START, run->request.name, run->request.args,
                                     no_answer(answer)),
                       NULL, 0, NULL);
        break;
    case PENDING_STEP: step_refused(self, run, answer); break;
    default: abandon(self, run, answer); break;
    }
}

static void on_answer(struct rv_actor *self, struct run *run, struct answer *answer)
{
    enum pending pending = run->pending;
    run->pending = PENDING_NONE;
    if (pending == PENDING_ASK) {
        rv_actor_cancel_after(self, RUN_ASK_TOKEN);
    }
    if (answer->code != RV_OK) {
        if (passes(answer->code)) {
            abandon(self, run, answer);
        } else {
            refused(self, run, pending, answer);
        }
        return;
    }
    switch (pending) {
    case PENDING_LOAD: {
        struct rv_run_image *image = answer->image;
        answer->image = NULL;
        begin(self, run, image);
        break;
    }
    case PENDING_READ:
        run_write_step(run,
                       run_make_step(run, RV_STEP_READ, run->request.name, run->request.args,
                                     json_pack("{s:b,s:O}", "ok", 1, "value", answer->json)),
                       NULL, 0, NULL);
        break;
    case PENDING_ASK:
        durable_answer(self, run, RV_STEP_MODEL, run->request.name, run->request.args,
                       json_incref(answer->json));
        break;
    case PENDING_ACT:
        if (strcmp(rv_json_str(answer->json, "result", ""), "held") == 0 &&
            !run_move(run, RV_RUN_WAITING)) {
            break;
        }
        durable_answer(self, run,
                       run->phase == PHASE_COMPENSATE ? RV_STEP_COMPENSATION : RV_STEP_ACTION,
                       run->acting, run->acting_args, json_incref(answer->json));
        break;
    case PENDING_STEP: draft_is_durable(self, run); break;
    case PENDING_EFFECT: run_on_effect(self, run, answer->json); break;
    case PENDING_APPROVAL:
        run_on_approval(self, run, rv_json_str(answer->json, "status", "void"));
        break;
    case PENDING_BUDGET: run_on_raised(self, run, answer->json); break;
    case PENDING_SIGNAL: run_on_awaited(self, run, RV_STEP_SIGNAL, answer->json); break;
    case PENDING_CHILD: run_on_awaited(self, run, RV_STEP_CHILD, answer->json); break;
    case PENDING_START: {
        const char *child = rv_json_str(json_object_get(answer->json, "value"), "run", "");
        if (rv_child_number(child) != 0) { /* its number is next to ours: no look goes back there */
            run_tell_boss(self, run, RV_RUN_CHILD, rv_child_number(child));
        }
        durable_answer(self, run, RV_STEP_START, run->request.name, run->request.args,
                       json_incref(answer->json));
        break;
    }
    case PENDING_CHANGE:
        if (rv_run_state_final((enum rv_run_state)run->state) || run->state == RV_RUN_WAITING) {
            run_stand_still(self, run);
        } else {
            run_advance(self, run);
        }
        break;
    case PENDING_NONE: RV_UNREACHABLE("an answer without a question");
    }
}
