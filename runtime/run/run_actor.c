/* run_actor.c -- how a run moves.
 *
 *   LOAD -> PLAN -> ACT -> OUTCOME -> REVIEW -> END
 *             \       \--failed--> COMPENSATE --^
 *
 * PLAN     steps the Lua coroutine; each request is answered from the journal or by the port
 * ACT      submits the plan's actions in order; a held one waits for people
 * COMPENSATE  takes back what was executed, newest first, when a later action failed
 * REVIEW   lets agent.review look at the outcome (same machinery as PLAN)
 *
 * Replay is the same code: `recorded` gives the next journal entry, and its kind, name and digest must
 * be what the plan does now; otherwise the run parks as DIVERGED with the difference in words.
 *
 * Invariants: at most one port operation is outstanding (`pending`); the coroutine is resumed only
 * with an answer that is durable; `steps[0..step_count)` mirrors the journal; a stale answer (from
 * before a passivation) carries an old token and is dropped.
 */
#include "runtime/run/run_actor.h"

#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/lua/plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum phase { PHASE_LOAD, PHASE_PLAN, PHASE_ACT, PHASE_COMPENSATE, PHASE_OUTCOME, PHASE_REVIEW, PHASE_END };

enum pending {
    PENDING_NONE,
    PENDING_LOAD,
    PENDING_READ,     /* then its answer is journaled */
    PENDING_STEP,     /* a journal write; `draft` becomes a step */
    PENDING_ACT,
    PENDING_ASK,
    PENDING_APPROVAL, /* asking how an approval stands */
    PENDING_SIGNAL,
    PENDING_CHANGE    /* a status write without a step */
};

struct run {
    struct rv_run_start start;
    struct rv_ref self;
    struct rv_actors *actors;
    struct rv_run_image *image;
    struct rv_agent *agent;
    enum phase phase;
    int state; /* enum rv_run_state, moved by rv_state_move */
    int cursor; /* next journal entry to replay */
    struct rv_budget budget;

    struct rv_plan *plan; /* the running coroutine of PLAN or REVIEW */
    bool plan_started;
    struct rv_plan_request request;
    bool has_request;

    json_t *proposal; /* what PLAN returned: {"actions":[..],"summary":..} */
    int action;       /* index of the action at hand */
    int voids;        /* approvals of this action that became void */
    int64_t approval; /* the approval waited for, or granted for the action at hand */
    bool granted;
    int compensate;   /* index of the action being taken back */
    json_t *executed; /* [{index, action, args, answer}] */
    char end_code[32]; /* why the run does not end well; empty while it does */
    char end_text[512];
    bool people_said_no;
    json_t *outcome;
    json_t *review;

    enum pending pending;
    uint64_t token; /* of the outstanding operation */
    const char *acting;  /* command that is at the gate; borrowed from proposal or catalogue */
    json_t *acting_args;
    struct rv_step draft;
    bool has_draft;
    bool cancel_asked;
    char cancel_reason[256];
};

/* What travels back from the port. */
struct answer {
    struct rv_actors *actors;
    struct rv_ref to;
    uint64_t token;
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
static void advance(struct rv_actor *self, struct run *run);
static void on_answer(struct rv_actor *self, struct run *run, struct answer *answer);

const struct rv_behavior rv_run_behavior = {
    .name = "run",
    .start = run_start,
    .receive = run_receive,
    .stop = run_stop,
    .state_bytes = sizeof(struct run),
};

/* ---- memory ---- */

static void step_free(struct rv_step *step)
{
    rv_free(step->name);
    json_decref(step->out);
    *step = (struct rv_step){.seq = 0};
}

void rv_run_image_free(struct rv_run_image *image)
{
    if (image == NULL) {
        return;
    }
    for (int i = 0; i < image->step_count; i++) {
        step_free(&image->steps[i]);
    }
    rv_free(image->steps);
    rv_free(image->agent);
    rv_free(image->owner);
    rv_free(image->source);
    json_decref(image->input);
    rv_free(image);
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
    struct rv_message message = {
        .kind = RV_RUN_ANSWER, .payload = answer, .free = answer_free};
    rv_actors_send(answer->actors, answer->to, &message); /* a dead run's answer is a dead letter */
}

static struct answer *expect(struct run *run, enum pending pending)
{
    RV_ASSERT(run->pending == PENDING_NONE);
    run->pending = pending;
    struct answer *answer = rv_alloc(sizeof *answer);
    answer->actors = run->actors;
    answer->to = run->self;
    answer->token = ++run->token;
    return answer;
}

static void on_port(void *data, enum rv_code code, json_t *json, const struct rv_error *err)
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
    const struct rv_run_port *port = run->start.port;
    port->load(port->self, run->start.tenant, run->start.run, on_loaded,
               expect(run, PENDING_LOAD));
    return RV_OK;
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
            advance(self, run);
        }
        break;
    case RV_RUN_WAKE:
    case RV_MESSAGE_TIMEOUT:
        if (run->pending == PENDING_NONE && run->phase != PHASE_LOAD) {
            advance(self, run);
        }
        break;
    default:
        break;
    }
    return RV_OK;
}

static void run_stop(struct rv_actor *self, void *state, enum rv_exit why)
{
    (void)self;
    (void)why;
    struct run *run = state;
    rv_plan_destroy(run->plan);
    rv_agent_destroy(run->agent);
    rv_run_image_free(run->image);
    if (run->has_draft) {
        step_free(&run->draft);
    }
    json_decref(run->acting_args);
    json_decref(run->proposal);
    json_decref(run->executed);
    json_decref(run->outcome);
    json_decref(run->review);
}

/* Gives up the actor: the journal holds everything, a message to the run service brings it back. */
static void stand_still(struct rv_actor *self, struct run *run)
{
    bool open = run->phase == PHASE_PLAN || run->phase == PHASE_ACT;
    if (open && run->cancel_asked && run->end_code[0] == '\0') {
        advance(self, run); /* asked to stop while it was loaded or replayed: stops instead of waiting */
        return;
    }
    if (run->start.changed != NULL) {
        run->start.changed(run->start.changed_data, run->start.tenant, run->start.run,
                           (enum rv_run_state)run->state);
    }
    rv_actor_exit(self, rv_run_state_final((enum rv_run_state)run->state) ? RV_EXIT_NORMAL
                                                                          : RV_EXIT_PASSIVATED);
}

/* ---- the journal ---- */

static void set_end(struct run *run, const char *code, const char *format, ...) RV_PRINTF(3, 4);
static void set_end(struct run *run, const char *code, const char *format, ...)
{
    if (run->end_code[0] != '\0') {
        return; /* the first reason is the reason */
    }
    snprintf(run->end_code, sizeof run->end_code, "%s", code);
    va_list args;
    va_start(args, format);
    vsnprintf(run->end_text, sizeof run->end_text, format, args);
    va_end(args);
}

static void change_state(struct rv_actor *self, struct run *run, enum rv_run_state to,
                         const char *waiting_on, int64_t wake_us);

static void diverged(struct rv_actor *self, struct run *run, const struct rv_step *step,
                     const char *now, const char *name, int line)
{
    run->end_code[0] = '\0';
    set_end(run, "diverged", "step %d: the journal has %s \"%s\", the plan now does %s \"%s\" (line %d)",
            step->seq, rv_step_kind_name(step->kind), step->name, now, name, line);
    change_state(self, run, RV_RUN_DIVERGED, NULL, 0);
}

/* A run that ended for a live reason (budget, cancel) left no entry for it but its outcome: on replay
 * the reason comes from there. */
static bool adopt_end(struct run *run)
{
    if (run->cursor >= run->image->step_count || run->end_code[0] != '\0') {
        return false;
    }
    int kind = run->image->steps[run->cursor].kind;
    if (kind != RV_STEP_OUTCOME && kind != RV_STEP_COMPENSATION) {
        return false;
    }
    const json_t *outcome = NULL;
    for (int i = run->cursor; i < run->image->step_count; i++) {
        if (run->image->steps[i].kind == RV_STEP_OUTCOME) {
            outcome = run->image->steps[i].out;
        }
    }
    set_end(run, rv_json_str(outcome, "code", "interrupted"), "%s",
            rv_json_str(outcome, "message", "the run stopped before its outcome was written"));
    return true;
}

enum found { FOUND_NOTHING, FOUND_STEP, FOUND_DIVERGENCE };

/* The next journal entry, when there is one; it must be what we are about to do. */
static enum found recorded(struct rv_actor *self, struct run *run, int kind, const char *name,
                           const json_t *args, int line, const struct rv_step **out)
{
    if (run->cursor >= run->image->step_count) {
        return FOUND_NOTHING;
    }
    const struct rv_step *step = &run->image->steps[run->cursor];
    uint8_t digest[RV_STEP_DIGEST_BYTES] = {0};
    if (step->kind != kind || (name != NULL && strcmp(step->name, name) != 0) ||
        (args != NULL && (!rv_step_digest(args, digest) ||
                          memcmp(digest, step->digest, sizeof digest) != 0))) {
        diverged(self, run, step, rv_step_kind_name(kind), name != NULL ? name : "", line);
        return FOUND_DIVERGENCE;
    }
    run->cursor++;
    *out = step;
    return FOUND_STEP;
}

/* Appends to the mirror what the port has made durable. */
static const struct rv_step *remember(struct run *run, struct rv_step step)
{
    struct rv_run_image *image = run->image;
    RV_ASSERT(run->cursor == image->step_count); /* replay is over before anything new is written */
    image->steps = rv_realloc(image->steps, (size_t)(image->step_count + 1) * sizeof step);
    image->steps[image->step_count++] = step;
    run->cursor = image->step_count;
    return &image->steps[image->step_count - 1];
}

static struct rv_step make_step(const struct run *run, int kind, const char *name,
                                const json_t *args, json_t *out)
{
    struct rv_step step = {.seq = run->image->step_count + 1,
                           .kind = kind,
                           .name = rv_strdup(name),
                           .out = out};
    if (args != NULL) {
        RV_ASSERT(rv_step_digest(args, step.digest)); /* arguments were checked when they came in */
    }
    return step;
}

static void write_step(struct run *run, struct rv_step step, const struct rv_run_change *change,
                       int64_t consume_signal, const json_t *memory)
{
    RV_ASSERT(!run->has_draft);
    run->draft = step;
    run->has_draft = true;
    const struct rv_run_port *port = run->start.port;
    struct rv_run_write write = {
        .tenant = run->start.tenant,
        .run = run->start.run,
        .epoch = run->image->epoch,
        .step = &run->draft,
        .change = change,
        .consume_signal = consume_signal,
        .memory = memory,
    };
    port->write(port->self, &write, on_port, expect(run, PENDING_STEP));
}

static void change_state(struct rv_actor *self, struct run *run, enum rv_run_state to,
                         const char *waiting_on, int64_t wake_us)
{
    (void)self;
    rv_state_move(&rv_run_states, &run->state, (int)to);
    json_t *result = NULL;
    if (rv_run_state_final(to)) {
        result = json_object();
        if (run->outcome != NULL) {
            json_object_set(result, "outcome", run->outcome);
        }
        if (run->review != NULL) {
            json_object_set(result, "review", run->review);
        }
    }
    struct rv_run_change change = {
        .state = to,
        .waiting_on = waiting_on,
        .wake_us = wake_us,
        .error_code = run->end_code[0] != '\0' ? run->end_code : NULL,
        .error_text = run->end_code[0] != '\0' ? run->end_text : NULL,
        .result = result,
    };
    struct rv_run_write write = {
        .tenant = run->start.tenant,
        .run = run->start.run,
        .epoch = run->image->epoch,
        .change = &change,
    };
    const struct rv_run_port *port = run->start.port;
    port->write(port->self, &write, on_port, expect(run, PENDING_CHANGE));
    json_decref(result);
}

/* ---- LOAD ---- */

static int64_t limit_of(const json_t *manifest, const char *name, int64_t otherwise)
{
    return rv_json_int(json_object_get(manifest, "limits"), name, otherwise);
}

static void set_budget(struct run *run)
{
    const json_t *manifest = rv_agent_manifest(run->agent);
    int64_t wall_ms = limit_of(manifest, "wall_ms", 0);
    run->budget = (struct rv_budget){
        .steps_limit = limit_of(manifest, "steps", RV_RUN_STEPS_DEFAULT),
        .calls_limit = limit_of(manifest, "calls", RV_RUN_CALLS_DEFAULT),
        .tokens_limit = limit_of(manifest, "tokens", RV_RUN_TOKENS_DEFAULT),
        .money_limit_minor = limit_of(manifest, "money_minor", -1),
        .depth_limit = limit_of(manifest, "depth", RV_RUN_DEPTH_DEFAULT),
        .depth_used = run->image->depth,
        .wall_deadline_us = wall_ms > 0 ? run->image->created_us + wall_ms * 1000 : 0,
    };
}

/* Spends what a step has cost; the same for replayed and new steps, so both stop at the same place. */
static void spend(struct run *run, const struct rv_step *step)
{
    run->budget.steps_used++;
    if (step->kind == RV_STEP_READ || step->kind == RV_STEP_MODEL) {
        run->budget.calls_used++;
    }
    run->budget.tokens_used += rv_json_int(json_object_get(step->out, "usage"), "tokens", 0);
    if (step->kind == RV_STEP_ACTION) {
        run->budget.money_used_minor += rv_json_int(step->out, "money_minor", 0);
    }
}

static void begin(struct rv_actor *self, struct run *run, struct rv_run_image *image)
{
    run->image = image;
    run->state = (int)image->state;
    if (rv_run_state_final(image->state)) {
        stand_still(self, run);
        return;
    }
    struct rv_error err = {.code = RV_OK};
    run->phase = PHASE_PLAN;
    if (rv_agent_load(image->source, image->source_length, image->agent, &run->agent, &err) !=
        RV_OK) {
        set_end(run, "invalid", "%s", err.message);
        change_state(self, run, RV_RUN_FAILED, NULL, 0);
        return;
    }
    set_budget(run);
    advance(self, run);
}

/* ---- PLAN and REVIEW: stepping Lua ---- */

static json_t *plan_input(const struct run *run)
{
    char name[32];
    snprintf(name, sizeof name, "r_%" PRId64, run->start.run);
    json_t *input = json_copy(run->image->input);
    json_object_set_new(input, "run", json_string(name));
    json_object_set_new(input, "now_us", json_integer(run->image->created_us));
    json_object_set_new(input, "seed", json_integer(run->start.run));
    if (run->outcome != NULL) {
        json_object_set(input, "outcome", run->outcome);
    }
    return input;
}

static bool ensure_plan(struct run *run, const char *entry)
{
    if (run->plan != NULL) {
        return true;
    }
    struct rv_error err = {.code = RV_OK};
    json_t *input = plan_input(run);
    enum rv_code code = rv_plan_start(run->agent, entry, input, &run->plan, &err);
    json_decref(input);
    if (code != RV_OK) {
        set_end(run, rv_code_name(code), "%s", err.message);
        return false;
    }
    run->plan_started = false;
    run->has_request = false;
    return true;
}

static void plan_over(struct rv_actor *self, struct run *run, json_t *result);

/* Resumes the coroutine with an answer that is in the journal. */
static bool step_plan(struct rv_actor *self, struct run *run, const json_t *answer)
{
    json_t *result = NULL;
    struct rv_error err = {.code = RV_OK};
    enum rv_plan_status status =
        rv_plan_step(run->plan, run->plan_started ? answer : NULL, &run->request, &result, &err);
    run->plan_started = true;
    run->has_request = status == RV_PLAN_REQUEST;
    if (status == RV_PLAN_FAILED) {
        set_end(run, rv_code_name(err.code), "%s", err.message);
        plan_over(self, run, NULL);
        return false;
    }
    if (status == RV_PLAN_DONE) {
        plan_over(self, run, result);
        return false;
    }
    return true;
}

static int kind_of_request(const char *name)
{
    static const struct {
        const char *name;
        int kind;
    } kinds[] = {
        {"erp.find", RV_STEP_READ},     {"erp.get", RV_STEP_READ},
        {"erp.history", RV_STEP_READ},  {"memory.get", RV_STEP_READ},
        {"memory.set", RV_STEP_MEMORY}, {"llm.decide", RV_STEP_MODEL},
        {"sleep", RV_STEP_TIMER},       {"signal", RV_STEP_SIGNAL},
        {"note", RV_STEP_NOTE},
    };
    for (size_t i = 0; i < RV_COUNT(kinds); i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return kinds[i].kind;
        }
    }
    RV_UNREACHABLE("the sandbox offers nine requests");
}

static int times_asked(const struct run *run, const char *name, const json_t *args)
{
    uint8_t digest[RV_STEP_DIGEST_BYTES];
    int count = 0;
    RV_ASSERT(rv_step_digest(args, digest));
    for (int i = 0; i < run->image->step_count; i++) {
        const struct rv_step *step = &run->image->steps[i];
        count += strcmp(step->name, name) == 0 && memcmp(step->digest, digest, sizeof digest) == 0;
    }
    return count;
}

/* Budget and repetition, before the call. */
static bool may_ask(struct run *run, int kind)
{
    struct rv_error err = {.code = RV_OK};
    int64_t calls = kind == RV_STEP_READ || kind == RV_STEP_MODEL ? 1 : 0;
    int64_t tokens = kind == RV_STEP_MODEL ? rv_json_int(run->request.args, "max_tokens", 1) : 0;
    int64_t now_us = run->start.port->now_us(run->start.port->self);
    if (rv_budget_check(&run->budget, 1, calls, tokens, 0, now_us, &err) != RV_OK) {
        set_end(run, "limit", "%s (line %d)", err.message, run->request.line);
        return false;
    }
    if (kind != RV_STEP_TIMER && kind != RV_STEP_SIGNAL &&
        times_asked(run, run->request.name, run->request.args) >= RV_RUN_REPEATS_MAX) {
        set_end(run, "limit", "the plan asks \"%s\" with the same arguments for the %dth time (line %d)",
                run->request.name, RV_RUN_REPEATS_MAX + 1, run->request.line);
        return false;
    }
    return true;
}

static void wait_until(struct rv_actor *self, struct run *run, int64_t until_us)
{
    int64_t now_us = run->start.port->now_us(run->start.port->self);
    int64_t wait_ms = (until_us - now_us + 999) / 1000;
    if (wait_ms <= RV_RUN_TIMER_IN_MEMORY_MS) {
        rv_actor_after(self, wait_ms > 0 ? wait_ms : 0, 1);
    } else {
        stand_still(self, run);
    }
}

/* A sleep is one entry {"ok":true,"value":{"until_us":…}} written when it begins. */
static void ask_sleep(struct rv_actor *self, struct run *run)
{
    int64_t now_us = run->start.port->now_us(run->start.port->self);
    int64_t until_us = now_us + rv_json_int(run->request.args, "seconds", 0) * 1000000;
    rv_state_move(&rv_run_states, &run->state, RV_RUN_WAITING);
    struct rv_run_change change = {
        .state = RV_RUN_WAITING, .waiting_on = "timer", .wake_us = until_us};
    json_t *out = json_pack("{s:b,s:b,s:I}", "ok", 1, "value", 1, "until_us", (json_int_t)until_us);
    write_step(run, make_step(run, RV_STEP_TIMER, run->request.name, run->request.args, out),
               &change, 0, NULL);
    (void)self;
}

/* A signal is two entries: the wait with its deadline, then what came (or that nothing came). */
static void ask_signal_wait(struct run *run)
{
    int64_t now_us = run->start.port->now_us(run->start.port->self);
    int64_t until_us = now_us + rv_json_int(run->request.args, "timeout_s", 0) * 1000000;
    rv_state_move(&rv_run_states, &run->state, RV_RUN_WAITING);
    struct rv_run_change change = {
        .state = RV_RUN_WAITING, .waiting_on = "signal", .wake_us = until_us};
    json_t *out = json_pack("{s:I}", "until_us", (json_int_t)until_us);
    write_step(run, make_step(run, RV_STEP_TIMER, "signal.wait", run->request.args, out), &change, 0,
               NULL);
}

static struct rv_run_act act_frame(const struct run *run, int kind)
{
    return (struct rv_run_act){
        .tenant = run->start.tenant,
        .run = run->start.run,
        .epoch = run->image->epoch,
        .seq = run->image->step_count + 1,
        .kind = kind,
        .agent = run->image->agent,
        .owner = run->image->owner,
        .exception_key = rv_json_str(json_object_get(run->image->input, "exception"), "key", NULL),
        .budget = &run->budget,
    };
}

static void ask_live(struct rv_actor *self, struct run *run, int kind)
{
    const struct rv_run_port *port = run->start.port;
    const struct rv_plan_request *request = &run->request;
    switch (kind) {
    case RV_STEP_READ:
        port->read(port->self, run->start.tenant, run->image->agent, request->name, request->args,
                   on_port, expect(run, PENDING_READ));
        break;
    case RV_STEP_MODEL: {
        struct rv_run_act act = act_frame(run, kind);
        act.action = request->name;
        act.args = request->args;
        port->ask(port->self, &act, on_port, expect(run, PENDING_ASK));
        break;
    }
    case RV_STEP_MEMORY: {
        json_t *memory = json_pack("{s:s,s:O,s:O}", "agent", run->image->agent, "key",
                                   json_object_get(request->args, "key"), "value",
                                   json_object_get(request->args, "value"));
        RV_ASSERT(memory != NULL);
        write_step(run, make_step(run, kind, request->name, request->args,
                                  json_pack("{s:b,s:b}", "ok", 1, "value", 1)),
                   NULL, 0, memory);
        json_decref(memory);
        break;
    }
    case RV_STEP_TIMER:
        ask_sleep(self, run);
        break;
    case RV_STEP_SIGNAL:
        ask_signal_wait(run);
        break;
    default:
        write_step(run, make_step(run, RV_STEP_NOTE, request->name, request->args,
                                  json_pack("{s:b,s:O}", "ok", 1, "value",
                                            (json_t *)(uintptr_t)request->args)),
                   NULL, 0, NULL);
        break;
    }
}

/* True while the coroutine can go on now; false when something is outstanding or the plan is over. */
static bool answer_request(struct rv_actor *self, struct run *run)
{
    int kind = kind_of_request(run->request.name);
    const struct rv_step *step = NULL;
    uint8_t digest[RV_STEP_DIGEST_BYTES];
    if (!rv_step_digest(run->request.args, digest)) {
        set_end(run, "invalid", "\"%s\" with a real number (line %d): use integers or text",
                run->request.name, run->request.line);
        plan_over(self, run, NULL);
        return false;
    }
    if (run->phase == PHASE_PLAN && adopt_end(run)) {
        plan_over(self, run, NULL);
        return false;
    }
    bool is_signal = kind == RV_STEP_SIGNAL;
    enum found found = recorded(self, run, is_signal ? RV_STEP_TIMER : kind,
                                is_signal ? "signal.wait" : run->request.name, run->request.args,
                                run->request.line, &step);
    if (found == FOUND_DIVERGENCE) {
        return false;
    }
    if (found == FOUND_NOTHING) {
        if (!may_ask(run, kind)) {
            plan_over(self, run, NULL);
            return false;
        }
        ask_live(self, run, kind);
        return false;
    }
    if (kind == RV_STEP_TIMER || is_signal) {
        int64_t until_us = rv_json_int(step->out, "until_us", 0);
        bool more = run->cursor < run->image->step_count;
        int64_t now_us = run->start.port->now_us(run->start.port->self);
        if (is_signal && !more) {
            run->cursor--; /* look at the wait again when something happens */
            const struct rv_run_port *port = run->start.port;
            port->signal(port->self, run->start.tenant, run->start.run,
                         rv_json_str(run->request.args, "name", ""), on_port,
                         expect(run, PENDING_SIGNAL));
            return false;
        }
        if (!is_signal && !more && now_us < until_us) {
            run->cursor--;
            wait_until(self, run, until_us);
            return false;
        }
        spend(run, step);
        if (is_signal) {
            found = recorded(self, run, RV_STEP_SIGNAL, run->request.name, NULL, run->request.line,
                             &step);
            if (found != FOUND_STEP) {
                return false;
            }
        }
    }
    spend(run, step);
    return step_plan(self, run, step->out);
}

static void on_signal(struct rv_actor *self, struct run *run, const json_t *signal)
{
    const struct rv_step *wait = &run->image->steps[run->cursor];
    int64_t now_us = run->start.port->now_us(run->start.port->self);
    int64_t until_us = rv_json_int(wait->out, "until_us", 0);
    json_t *out = NULL;
    if (json_is_object(signal)) {
        out = json_pack("{s:b,s:O}", "ok", 1, "value", json_object_get(signal, "body"));
    } else if (now_us >= until_us) {
        out = json_pack("{s:b,s:s,s:s}", "ok", 0, "code", "timeout", "message",
                        "no signal came in time");
    } else {
        wait_until(self, run, until_us);
        return;
    }
    run->cursor++;
    write_step(run, make_step(run, RV_STEP_SIGNAL, run->request.name, NULL, out), NULL,
               rv_json_int(signal, "id", 0), NULL);
}

static void advance_lua(struct rv_actor *self, struct run *run, const char *entry)
{
    if (!ensure_plan(run, entry)) {
        plan_over(self, run, NULL);
        return;
    }
    bool more = run->has_request || step_plan(self, run, NULL);
    while (more) {
        more = answer_request(self, run);
    }
}

/* The coroutine has ended: with a result, or with run->end_code set. */
static void plan_over(struct rv_actor *self, struct run *run, json_t *result)
{
    rv_plan_destroy(run->plan);
    run->plan = NULL;
    run->has_request = false;
    if (run->phase == PHASE_REVIEW) {
        /* a review that fails does not undo what was done: its failure is the review */
        run->review = result != NULL ? result
                                     : json_pack("{s:s,s:s}", "failed", run->end_code, "message",
                                                 run->end_text);
        run->phase = PHASE_END;
        advance(self, run);
        return;
    }
    if (result == NULL) {
        run->phase = PHASE_OUTCOME;
        advance(self, run);
        return;
    }
    const struct rv_step *step = NULL;
    uint8_t digest[RV_STEP_DIGEST_BYTES];
    if (!rv_step_digest(result, digest)) {
        json_decref(result);
        set_end(run, "invalid", "the plan holds a real number: use integers or text");
        run->phase = PHASE_OUTCOME;
        advance(self, run);
        return;
    }
    enum found found = recorded(self, run, RV_STEP_PLAN, "plan", result, 0, &step);
    if (found == FOUND_DIVERGENCE) {
        json_decref(result);
        return;
    }
    if (found == FOUND_STEP) {
        run->proposal = result;
        run->phase = PHASE_ACT;
        spend(run, step);
        advance(self, run);
        return;
    }
    rv_state_move(&rv_run_states, &run->state, RV_RUN_EXECUTING);
    struct rv_run_change change = {.state = RV_RUN_EXECUTING};
    write_step(run, make_step(run, RV_STEP_PLAN, "plan", result, result), &change, 0, NULL);
}

/* ---- ACT ---- */

static const json_t *action_at(const struct run *run, int index)
{
    return json_array_get(json_object_get(run->proposal, "actions"), (size_t)index);
}

static void acting(struct run *run, const char *name, const json_t *args)
{
    json_decref(run->acting_args);
    run->acting_args = json_incref((json_t *)(uintptr_t)args);
    run->acting = name;
}

static void submit_action(struct run *run, const json_t *action)
{
    struct rv_run_act act = act_frame(run, RV_STEP_ACTION);
    act.action = rv_json_str(action, "action", "");
    act.args = json_object_get(action, "args");
    act.reason = rv_json_str(action, "reason", NULL);
    act.evidence = json_object_get(action, "evidence");
    act.approval = run->granted ? run->approval : 0;
    const struct rv_run_port *port = run->start.port;
    acting(run, act.action, act.args);
    port->act(port->self, &act, on_port, expect(run, PENDING_ACT));
}

/* One action has its answer (replayed or new); decides what comes next. */
static void action_answered(struct run *run, const json_t *action, const json_t *out)
{
    const char *result = rv_json_str(out, "result", "");
    bool was_granted = run->granted;
    run->granted = false;
    if (strcmp(result, "executed") == 0 || strcmp(result, "repeated") == 0) {
        json_array_append_new(run->executed,
                              json_pack("{s:i,s:O,s:O,s:O?}", "index", run->action, "action",
                                        json_object_get(action, "action"), "args",
                                        json_object_get(action, "args"), "answer",
                                        json_object_get(out, "answer")));
        run->action++;
        run->voids = 0;
        run->approval = 0;
    } else if (strcmp(result, "held") == 0) {
        run->approval = rv_json_int(out, "approval", 0);
    } else if (strcmp(result, "void") == 0 && was_granted && ++run->voids < RV_RUN_VOIDS_MAX) {
        run->approval = 0; /* what was approved has moved: ask again with what is true now */
    } else {
        set_end(run, strcmp(result, "denied") == 0 ? "denied" : rv_json_str(out, "code", "refused"),
                "action %d \"%s\": %s", run->action + 1, rv_json_str(action, "action", ""),
                rv_json_str(out, "message", result));
    }
}

static void approval_answered(struct run *run, const char *status)
{
    if (strcmp(status, "approved") == 0) {
        run->granted = true;
        return;
    }
    if (strcmp(status, "void") == 0 && ++run->voids < RV_RUN_VOIDS_MAX) {
        run->approval = 0;
        return;
    }
    run->people_said_no = true;
    set_end(run, status, "action %d: the approval was %s", run->action + 1, status);
}

/* Takes one replayed step of the action phase; true when it did. */
static bool replay_act(struct rv_actor *self, struct run *run, const json_t *action)
{
    const struct rv_step *step = NULL;
    bool waits = run->approval != 0 && !run->granted;
    enum found found =
        waits ? recorded(self, run, RV_STEP_APPROVAL, NULL, NULL, 0, &step)
              : recorded(self, run, RV_STEP_ACTION, rv_json_str(action, "action", ""),
                         json_object_get(action, "args"), (int)rv_json_int(action, "line", 0), &step);
    if (found != FOUND_STEP) {
        return false;
    }
    spend(run, step);
    if (waits) {
        approval_answered(run, step->name);
    } else {
        action_answered(run, action, step->out);
    }
    return true;
}

static void advance_act(struct rv_actor *self, struct run *run)
{
    for (;;) {
        const json_t *action = action_at(run, run->action);
        if (run->end_code[0] != '\0') {
            run->compensate = (int)json_array_size(run->executed) - 1;
            run->phase = run->compensate >= 0 ? PHASE_COMPENSATE : PHASE_OUTCOME;
            advance(self, run);
            return;
        }
        if (action == NULL) {
            run->phase = PHASE_OUTCOME;
            advance(self, run);
            return;
        }
        if (adopt_end(run)) {
            continue;
        }
        if (run->cursor < run->image->step_count) {
            if (!replay_act(self, run, action)) {
                return; /* diverged */
            }
            continue;
        }
        if (run->approval != 0 && !run->granted) {
            const struct rv_run_port *port = run->start.port;
            port->approval(port->self, run->start.tenant, run->approval, on_port,
                           expect(run, PENDING_APPROVAL));
            return;
        }
        struct rv_error err = {.code = RV_OK};
        int64_t now_us = run->start.port->now_us(run->start.port->self);
        if (rv_budget_check(&run->budget, 1, 0, 0, 0, now_us, &err) != RV_OK) {
            set_end(run, "limit", "%s", err.message);
            continue;
        }
        submit_action(run, action);
        return;
    }
}

static void on_approval(struct rv_actor *self, struct run *run, const char *status)
{
    if (strcmp(status, "requested") == 0) {
        if (run->state == RV_RUN_WAITING) {
            stand_still(self, run);
        } else {
            change_state(self, run, RV_RUN_WAITING, "approval", 0);
        }
        return;
    }
    if (run->state == RV_RUN_WAITING) {
        rv_state_move(&rv_run_states, &run->state, RV_RUN_EXECUTING);
    }
    struct rv_run_change change = {.state = RV_RUN_EXECUTING};
    write_step(run, make_step(run, RV_STEP_APPROVAL, status, NULL,
                              json_pack("{s:I}", "approval", (json_int_t)run->approval)),
               &change, 0, NULL);
}

/* ---- COMPENSATE: newest first, each through the gate like everything else ---- */

static void advance_compensate(struct rv_actor *self, struct run *run)
{
    while (run->compensate >= 0) {
        const json_t *done = json_array_get(run->executed, (size_t)run->compensate);
        const char *name = NULL;
        json_t *args = NULL;
        const struct erp_command *command = erp_command_find(rv_json_str(done, "action", ""));
        if (command == NULL || command->compensate == NULL ||
            !command->compensate(json_object_get(done, "args"), json_object_get(done, "answer"),
                                 &name, &args)) {
            run->compensate--; /* a fact: nothing takes it back, the outcome says so */
            continue;
        }
        const struct rv_step *step = NULL;
        enum found found = recorded(self, run, RV_STEP_COMPENSATION, name, args, 0, &step);
        if (found == FOUND_STEP) {
            spend(run, step);
            json_object_set_new(json_array_get(run->executed, (size_t)run->compensate),
                                "compensated",
                                json_string(rv_json_str(step->out, "result", "")));
            run->compensate--;
            json_decref(args);
            continue;
        }
        if (found == FOUND_DIVERGENCE) {
            json_decref(args);
            return;
        }
        if (run->state != RV_RUN_COMPENSATING) {
            json_decref(args);
            change_state(self, run, RV_RUN_COMPENSATING, NULL, 0);
            return;
        }
        struct rv_run_act act = act_frame(run, RV_STEP_COMPENSATION);
        act.action = name;
        act.args = args;
        act.reason = "takes back an earlier action of a run that could not finish";
        act.budget = NULL; /* undoing is never stopped by a budget */
        const struct rv_run_port *port = run->start.port;
        acting(run, name, args);
        port->act(port->self, &act, on_port, expect(run, PENDING_ACT));
        json_decref(args);
        return;
    }
    run->phase = PHASE_OUTCOME;
    advance(self, run);
}

/* ---- OUTCOME, END ---- */

static bool anything_taken_back(const struct run *run)
{
    size_t i;
    json_t *done;
    json_array_foreach(run->executed, i, done)
    {
        if (json_object_get(done, "compensated") != NULL) {
            return true;
        }
    }
    return false;
}

static enum rv_run_state final_state(const struct run *run)
{
    if (anything_taken_back(run)) {
        return RV_RUN_COMPENSATED;
    }
    if (run->end_code[0] == '\0') {
        return RV_RUN_DONE;
    }
    bool canceled = run->people_said_no || strcmp(run->end_code, "canceled") == 0;
    return canceled ? RV_RUN_CANCELLED : RV_RUN_FAILED;
}

static void advance_outcome(struct rv_actor *self, struct run *run)
{
    if (run->outcome == NULL) {
        run->outcome = json_pack("{s:b,s:O}", "ok", run->end_code[0] == '\0', "executed", run->executed);
        if (run->end_code[0] != '\0') {
            json_object_set_new(run->outcome, "code", json_string(run->end_code));
            json_object_set_new(run->outcome, "message", json_string(run->end_text));
        }
    }
    const struct rv_step *step = NULL;
    enum found found = recorded(self, run, RV_STEP_OUTCOME, "outcome", run->outcome, 0, &step);
    if (found == FOUND_DIVERGENCE) {
        return;
    }
    if (found == FOUND_NOTHING) {
        write_step(run, make_step(run, RV_STEP_OUTCOME, "outcome", run->outcome,
                                  json_incref(run->outcome)),
                   NULL, 0, NULL);
        return;
    }
    bool review = rv_agent_has_review(run->agent) && run->proposal != NULL &&
                  final_state(run) == RV_RUN_DONE;
    run->phase = review ? PHASE_REVIEW : PHASE_END;
    advance(self, run);
}

static void advance_end(struct rv_actor *self, struct run *run)
{
    if (rv_run_state_final((enum rv_run_state)run->state)) {
        stand_still(self, run);
        return;
    }
    change_state(self, run, final_state(run), NULL, 0);
}

/* ---- moving on ---- */

static void advance(struct rv_actor *self, struct run *run)
{
    RV_ASSERT(run->pending == PENDING_NONE);
    if (run->cancel_asked && run->end_code[0] == '\0' && run->cursor >= run->image->step_count &&
        (run->phase == PHASE_PLAN || run->phase == PHASE_ACT)) {
        set_end(run, "canceled", "%s", run->cancel_reason);
        if (run->phase == PHASE_PLAN) {
            plan_over(self, run, NULL);
            return;
        }
    }
    switch (run->phase) {
    case PHASE_PLAN:
        if (run->state == RV_RUN_CREATED) {
            change_state(self, run, RV_RUN_PLANNING, NULL, 0);
        } else {
            advance_lua(self, run, "plan");
        }
        break;
    case PHASE_ACT:
        advance_act(self, run);
        break;
    case PHASE_COMPENSATE:
        advance_compensate(self, run);
        break;
    case PHASE_OUTCOME:
        advance_outcome(self, run);
        break;
    case PHASE_REVIEW:
        if (run->state != RV_RUN_REVIEWING && run->state != RV_RUN_WAITING) {
            change_state(self, run, RV_RUN_REVIEWING, NULL, 0);
        } else {
            advance_lua(self, run, "review");
        }
        break;
    case PHASE_END:
        advance_end(self, run);
        break;
    case PHASE_LOAD:
        RV_UNREACHABLE("loading has its own answer");
    }
}

/* The port failed us (database away, lease lost): give up the actor; the journal is the truth and the
 * run service starts it again. */
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
    remember(run, run->draft);
    /* the entry is at the end of the mirror: go back one and take it like any replayed entry */
    run->cursor--;
    if (run->phase == PHASE_PLAN && run->draft.kind == RV_STEP_PLAN) {
        run->cursor++;
        spend(run, &run->draft);
        run->proposal = json_incref(run->draft.out);
        run->phase = PHASE_ACT;
    } else if (run->draft.kind == RV_STEP_SIGNAL) {
        run->cursor--; /* the wait before it belongs to the same request */
    }
    advance(self, run);
}

static void on_answer(struct rv_actor *self, struct run *run, struct answer *answer)
{
    enum pending pending = run->pending;
    run->pending = PENDING_NONE;
    if (answer->code != RV_OK && pending != PENDING_READ) {
        abandon(self, run, answer);
        return;
    }
    switch (pending) {
    case PENDING_LOAD: {
        struct rv_run_image *image = answer->image;
        answer->image = NULL;
        begin(self, run, image);
        break;
    }
    case PENDING_READ: {
        if (answer->code == RV_UNAVAILABLE || answer->code == RV_TIMEOUT) {
            abandon(self, run, answer);
            break;
        }
        json_t *out = answer->code == RV_OK
                          ? json_pack("{s:b,s:O}", "ok", 1, "value", answer->json)
                          : json_pack("{s:b,s:s,s:s}", "ok", 0, "code", rv_code_name(answer->code),
                                      "message", answer->err.message);
        write_step(run, make_step(run, RV_STEP_READ, run->request.name, run->request.args, out),
                   NULL, 0, NULL);
        break;
    }
    case PENDING_ASK:
        /* the port journaled the model's answer together with its audit record */
        run->draft = make_step(run, RV_STEP_MODEL, run->request.name, run->request.args,
                               json_incref(answer->json));
        run->has_draft = true;
        draft_is_durable(self, run);
        break;
    case PENDING_ACT: {
        bool back = run->phase == PHASE_COMPENSATE;
        run->draft = make_step(run, back ? RV_STEP_COMPENSATION : RV_STEP_ACTION, run->acting,
                               run->acting_args, json_incref(answer->json));
        run->has_draft = true;
        if (strcmp(rv_json_str(answer->json, "result", ""), "held") == 0 && !back) {
            rv_state_move(&rv_run_states, &run->state, RV_RUN_WAITING);
        }
        draft_is_durable(self, run);
        break;
    }
    case PENDING_STEP:
        draft_is_durable(self, run);
        break;
    case PENDING_APPROVAL:
        on_approval(self, run, rv_json_str(answer->json, "status", "void"));
        break;
    case PENDING_SIGNAL:
        on_signal(self, run, answer->json);
        break;
    case PENDING_CHANGE:
        if (rv_run_state_final((enum rv_run_state)run->state) || run->state == RV_RUN_WAITING) {
            stand_still(self, run);
        } else {
            advance(self, run);
        }
        break;
    case PENDING_NONE:
        RV_UNREACHABLE("an answer without a question");
    }
}
