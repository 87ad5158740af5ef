/* sim_port.c -- the run port on simulated storage, with the rules of the real one
 * (runtime/run/store.c, runtime/gate/gate.c, the statements in runtime/run/sql).
 *
 * An operation is asked, after a while it is committed (in one instant: that is the transaction),
 * and after another while it is answered.  Faults fall in between: the database is away, the answer
 * is lost, the asker has died and the write still arrives.  Writes of one run keep their order, as
 * in the committer; everything else may overtake.
 */
#include "tests/sim/sim_world.h"

#include "erp/command/command.h"
#include "runtime/base/check.h"
#include "runtime/run/child.h"
#include "runtime/run/doubt.h"
#include "runtime/run/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum op_kind {
    OP_LOAD,
    OP_WRITE,
    OP_READ,
    OP_ACT,
    OP_ASK,
    OP_APPROVAL,
    OP_SIGNAL,
    OP_START,
    OP_CHILD
};
enum { OUT_MAX = 1000 }; /* of a read's answer, in this world */
static const char *const op_names[] = {"load",     "write",  "read",  "act",  "ask",
                                       "approval", "signal", "start", "child"};

struct sim_op {
    struct sim_op *next;
    int64_t at_us;
    uint64_t order; /* same time: first asked, first served */
    enum op_kind kind;
    struct sim_world *world;
    struct sim_run *run;
    int64_t epoch;
    bool committed; /* what follows is the answer */
    bool lose;      /* commit, and answer that it failed */
    bool refuse;    /* do not commit, and say so */
    int64_t answer_delay_us;
    /* what is written */
    struct rv_step step;
    bool has_step;
    bool has_change;
    struct rv_run_change change;
    char waiting_on[16], error_code[32], error_text[600];
    json_t *result;
    json_t *memory;
    int64_t signal;
    bool ends_family, stop_children;
    struct rv_budget budget; /* start, ask, act */
    bool has_budget;
    json_t *input;
    json_t *doubt; /* as the run says it to the gate */
    /* what is asked */
    char name[64];
    json_t *args;
    char agent[64];
    int64_t approval;
    bool has_reason;
    /* what is answered */
    rv_port_done done; /* NULL: nobody waits any more */
    void (*loaded)(void *data, enum rv_code code, struct rv_run_image *image,
                   const struct rv_error *err);
    void *data;
    enum rv_code code;
    struct rv_error err;
    json_t *json;
    struct rv_run_image *image;
};

/* ---- the queue ---- */

static void op_put(struct sim_world *world, struct sim_op *op)
{
    struct sim_op **link = &world->ops;
    while (*link != NULL && ((*link)->at_us < op->at_us ||
                             ((*link)->at_us == op->at_us && (*link)->order < op->order))) {
        link = &(*link)->next;
    }
    op->next = *link;
    *link = op;
}

static void op_free(struct sim_op *op)
{
    rv_free(op->step.name);
    json_decref(op->step.out);
    json_decref(op->result);
    json_decref(op->memory);
    json_decref(op->args);
    json_decref(op->input);
    json_decref(op->doubt);
    json_decref(op->json);
    rv_run_image_free(op->image);
    rv_free(op);
}

static int64_t some_delay(struct sim_world *world)
{
    if (sim_chance(world, world->rates.slow)) {
        return (int64_t)rv_random_below(&world->random, 30 * SIM_SECOND_US);
    }
    return 200 + (int64_t)rv_random_below(&world->random, 5000);
}

static bool fault(struct sim_world *world, int thousandths)
{
    if (world->faults_left == 0 || !sim_chance(world, thousandths)) {
        return false;
    }
    world->faults_left--;
    return true;
}

struct sim_run *sim_find_run(struct sim_world *world, int64_t id)
{
    for (int i = 0; i < world->run_count; i++) {
        if (world->runs[i].id == id) {
            return &world->runs[i];
        }
    }
    return NULL;
}

static bool is_write(enum op_kind kind)
{
    return kind == OP_WRITE || kind == OP_ACT || kind == OP_ASK || kind == OP_START;
}

static struct sim_op *op_make(struct sim_world *world, enum op_kind kind, int64_t run)
{
    struct sim_op *op = rv_alloc(sizeof *op);
    op->kind = kind;
    op->world = world;
    op->run = sim_find_run(world, run);
    RV_ASSERT(op->run != NULL || kind == OP_READ || kind == OP_APPROVAL);
    return op;
}

static void op_ask(struct sim_op *op)
{
    struct sim_world *world = op->world;
    bool writes = is_write(op->kind);
    op->order = ++world->op_order;
    op->at_us = world->clock.time_us + some_delay(world);
    op->answer_delay_us = some_delay(world);
    if (writes) {
        op->at_us = op->at_us > op->run->commit_us ? op->at_us : op->run->commit_us + 1;
        op->run->commit_us = op->at_us;
    }
    op->lose = writes && fault(world, world->rates.lost);
    op->refuse = fault(world, world->rates.refuse);
    if (fault(world, world->rates.down)) {
        world->down_until_us =
            op->at_us + (int64_t)rv_random_below(&world->random, 10 * SIM_SECOND_US);
        sim_note(world, "down", 0, world->down_until_us, 0);
    }
    if (fault(world, world->rates.kill)) {
        world->kill_now = true;
    }
    if (op->run != NULL && fault(world, world->rates.cut)) {
        world->cut_now = op->run->index + 1;
    }
    op_put(world, op);
}

/* ---- the store ---- */

static bool fenced(struct sim_op *op)
{
    if (op->epoch == op->world->epoch || op->world->options.broken == SIM_BREAK_FENCE) {
        return false;
    }
    op->world->fenced++;
    op->code = rv_fail(&op->err, RV_CONFLICT, "another node has the tenant");
    return true;
}

/* The primary key (run, seq); a hole is the caller's mistake and is reported as one. */
static bool taken(struct sim_op *op, int seq)
{
    if (seq <= op->run->step_count) {
        op->code = rv_fail(&op->err, RV_CONFLICT, "step %d is there already", seq);
        return true;
    }
    return false;
}

static bool is_text(const char *text)
{
    json_t *value = json_string(text); /* refuses what is not UTF-8, as the database does */
    bool ok = value != NULL;
    json_decref(value);
    return ok;
}

static struct rv_step copy_step(const struct rv_step *step)
{
    struct rv_step copy = *step;
    copy.name = rv_strdup(step->name);
    copy.out = json_deep_copy(step->out);
    return copy;
}

static void store_step(struct sim_op *op, const struct rv_step *step)
{
    struct sim_world *world = op->world;
    struct sim_run *run = op->run;
    if (world->options.broken == SIM_BREAK_HOLE && step->seq > 2 &&
        rv_random_below(&world->random, 8) == 0) {
        return;
    }
    sim_saw_step(world, run, step, op->epoch);
    sim_note(world, rv_step_kind_name(step->kind), run->index, step->seq, 0);
    RV_ASSERT(run->step_count < SIM_STEPS_MAX);
    run->steps[run->step_count++] = copy_step(step);
}

static void store_state(struct sim_op *op, const struct rv_run_change *change)
{
    struct sim_world *world = op->world;
    struct sim_run *run = op->run;
    sim_saw_state(world, run, change->state, op->epoch);
    sim_note(world, rv_run_state_name(change->state), run->index, change->wake_us, 0);
    run->state = change->state;
    snprintf(run->waiting_on, sizeof run->waiting_on, "%s",
             change->waiting_on != NULL ? change->waiting_on : "");
    run->wake_us = change->wake_us;
    if (change->error_code != NULL) {
        snprintf(run->error_code, sizeof run->error_code, "%s", change->error_code);
    }
    world->tick_us = 0;
}

/* ---- families: the statements run_claim_pass, run_parent_wake, run_children_stop ---- */

static void pass_claim(struct sim_world *world, const struct sim_run *ended)
{
    struct sim_run *heir = NULL;
    for (int i = 0; ended->claims && i < world->run_count; i++) {
        struct sim_run *run = &world->runs[i];
        if (!rv_run_state_final(run->state) && !run->claims && strcmp(run->key, ended->key) == 0 &&
            (heir == NULL || run->id < heir->id)) {
            heir = run;
        }
    }
    if (heir != NULL && world->options.broken != SIM_BREAK_CLAIM) {
        heir->claims = true;
    }
}

static void wake_parent(struct sim_world *world, const struct sim_run *ended)
{
    struct sim_run *parent = sim_find_run(world, ended->parent);
    char name[32];
    snprintf(name, sizeof name, "r_%" PRId64, ended->id);
    if (parent != NULL && parent->state == RV_RUN_WAITING &&
        strcmp(parent->waiting_on, "run") == 0 &&
        strcmp(rv_json_str(parent->steps[parent->step_count - 1].out, "run", ""), name) == 0) {
        parent->wake_us = world->clock.time_us;
    }
}

static void stop_children(struct sim_world *world, const struct sim_run *parent, bool all)
{
    for (int i = 0; i < world->run_count; i++) {
        struct sim_run *run = &world->runs[i];
        if (run->parent == parent->id && !rv_run_state_final(run->state) &&
            (strcmp(run->close, "cancel") == 0 || (all && strcmp(run->close, "wait") == 0))) {
            run->stop_asked = true;
        }
    }
}

static void commit_family(const struct sim_op *op)
{
    if (op->ends_family) {
        pass_claim(op->world, op->run);
        wake_parent(op->world, op->run);
    }
    if (op->has_change && strcmp(op->waiting_on, "run") == 0) {
        const struct sim_run *child =
            sim_find_run(op->world, rv_child_number(rv_json_str(op->step.out, "run", "")));
        RV_ASSERT(child != NULL);
        if (rv_run_state_final(child->state)) {
            wake_parent(op->world, child);
        }
    }
    if (op->ends_family || op->stop_children) {
        stop_children(op->world, op->run, op->stop_children);
    }
    if (op->has_change && rv_run_state_final(op->change.state)) {
        sim_saw_family(op->world, op->run);
    }
    op->world->tick_us = 0;
}

static void commit_write(struct sim_op *op)
{
    struct sim_world *world = op->world;
    struct sim_run *run = op->run;
    if (fenced(op) || (op->has_step && taken(op, op->step.seq))) {
        return;
    }
    if (op->has_step && op->step.kind == RV_STEP_READ &&
        json_string_length(json_object_get(op->step.out, "value")) > OUT_MAX) {
        op->code = rv_fail(&op->err, RV_LIMIT, "the output of step %d is too large", op->step.seq);
        return;
    }
    if (op->has_change && op->error_text[0] != '\0' && !is_text(op->error_text)) {
        op->code = rv_fail(&op->err, RV_INVALID, "invalid byte sequence in the error text");
        return;
    }
    if (op->has_step) {
        store_step(op, &op->step);
    }
    if (op->has_change) {
        store_state(op, &op->change);
    }
    if (op->result != NULL) {
        json_decref(run->result);
        run->result = json_deep_copy(op->result);
    }
    for (int i = 0; op->signal != 0 && i < run->signal_count; i++) {
        if (run->signals[i].id == op->signal && world->options.broken != SIM_BREAK_SIGNAL) {
            sim_saw_signal_used(world, run, &run->signals[i], op->step.seq);
            run->signals[i].consumed_seq = op->step.seq;
        }
    }
    if (op->memory != NULL) {
        json_object_set(world->memory, rv_json_str(op->memory, "key", ""),
                        json_object_get(op->memory, "value"));
    }
    commit_family(op);
}

static void commit_load(struct sim_op *op)
{
    const struct sim_run *run = op->run;
    struct rv_run_image *image = rv_alloc(sizeof *image);
    image->state = run->state;
    image->agent = rv_strdup(run->plan->name);
    image->owner = rv_strdup("owner");
    image->plan_hash = run->plan->hash;
    image->source = rv_strndup(run->plan->source, run->plan->length);
    image->source_length = run->plan->length;
    image->input = json_deep_copy(run->input);
    image->created_us = run->created_us;
    image->epoch = op->world->epoch;
    image->depth = run->depth;
    image->parent = run->parent;
    image->budget = json_deep_copy(run->budget);
    for (int i = 0; i < run->step_count; i++) {
        image->base = run->steps[i].kind == RV_STEP_CHECKPOINT ? i : image->base;
    }
    image->step_count = run->step_count - image->base;
    image->steps = rv_alloc_array((size_t)image->step_count + 1, sizeof *image->steps);
    for (int i = 0; i < image->step_count; i++) {
        image->steps[i] = copy_step(&run->steps[image->base + i]);
    }
    op->image = image;
}

static void commit_read(struct sim_op *op)
{
    struct sim_world *world = op->world;
    if (strcmp(op->name, "memory.get") == 0) {
        json_t *value = json_object_get(world->memory, rv_json_str(op->args, "key", ""));
        op->json = value != NULL ? json_deep_copy(value) : json_null();
        return;
    }
    int64_t id = rv_json_int(op->args, "id", 0);
    if (sim_chance(world, 100)) {
        op->code = rv_fail(&op->err, RV_INVALID, "no such kind");
        return;
    }
    if (sim_chance(world, 30)) {
        char large[OUT_MAX + 2];
        memset(large, 'x', sizeof large - 1);
        large[sizeof large - 1] = '\0';
        op->json = json_string(large);
        return;
    }
    op->json = sim_chance(world, 100)
                   ? json_null()
                   : json_pack("{s:I,s:I}", "id", (json_int_t)id, "version",
                               (json_int_t)world->versions[id % SIM_RESOURCES_MAX]);
}

static void commit_approval(struct sim_op *op)
{
    struct sim_world *world = op->world;
    for (int i = 0; i < world->approval_count; i++) {
        const struct sim_approval *it = &world->approvals[i];
        if (it->id == op->approval) {
            const char *status = "requested";
            if (it->used || it->voided) {
                status = it->used ? "consumed" : "void";
            } else if (!sim_approval_open(world, it)) {
                bool answered = it->vote != SIM_SILENT && it->vote_us <= it->expires_us;
                bool gone = it->vote == SIM_MOVES && it->id % 2 == 0;
                status = !answered                 ? "expired"
                         : it->vote == SIM_REJECTS ? "rejected"
                         : gone                    ? "void"
                                                   : "approved";
                if (world->options.broken == SIM_BREAK_APPROVAL) {
                    status = "approved";
                }
            }
            op->json = json_pack("{s:s}", "status", status);
            return;
        }
    }
    op->code = rv_fail(&op->err, RV_CORRUPT, "the approval of this run has vanished");
}

json_t *sim_raise(int64_t signal)
{
    return json_pack("{s:I,s:i,s:i,s:i,s:i}", "signal", (json_int_t)signal, "steps",
                     SIM_RAISE_STEPS, "calls", SIM_RAISE_CALLS, "tokens", SIM_RAISE_TOKENS, "risk",
                     SIM_RAISE_RISK);
}

static void commit_signal(struct sim_op *op)
{
    const struct sim_run *run = op->run;
    for (int i = 0; i < run->signal_count; i++) {
        const struct sim_signal *signal = &run->signals[i];
        if (signal->consumed_seq == 0 && strcmp(signal->name, op->name) == 0) {
            op->json = json_pack("{s:I,s:{s:I}}", "id", (json_int_t)signal->id, "body", "signal",
                                 (json_int_t)signal->id);
            if (strcmp(op->name, RV_RUN_BUDGET_SIGNAL) == 0) {
                json_object_set_new(op->json, "body", sim_raise(signal->id));
            }
            return;
        }
    }
    op->json = json_null();
}

/* ---- the gate ---- */

bool sim_approval_open(const struct sim_world *world, const struct sim_approval *approval)
{
    int64_t now_us = world->clock.time_us;
    return !approval->used && !approval->voided && now_us < approval->expires_us &&
           (approval->vote == SIM_SILENT || now_us < approval->vote_us);
}

static int64_t resource_of(const json_t *args)
{
    return rv_json_int(args, "invoice", 0) % SIM_RESOURCES_MAX;
}

static json_t *refusal(const char *result, enum rv_code code, const char *message)
{
    return json_pack("{s:s,s:s,s:s}", "result", result, "code", rv_code_name(code), "message",
                     message);
}

static json_t *hold(struct sim_op *op)
{
    struct sim_world *world = op->world;
    int64_t now_us = world->clock.time_us;
    RV_ASSERT(world->approval_count < SIM_APPROVALS_MAX);
    struct sim_approval *approval = &world->approvals[world->approval_count++];
    static const enum sim_vote votes[] = {SIM_APPROVES, SIM_APPROVES, SIM_APPROVES,
                                          SIM_REJECTS,  SIM_SILENT,   SIM_MOVES};
    *approval = (struct sim_approval){
        .id = ++world->next_id,
        .run = op->run->index,
        .resource = resource_of(op->args),
        .version = world->versions[resource_of(op->args)],
        .vote = votes[rv_random_below(&world->random, RV_COUNT(votes))],
        .vote_us = now_us + 1 + (int64_t)rv_random_below(&world->random, 4 * SIM_DAY_US),
        .expires_us =
            now_us + SIM_DAY_US / 24 + (int64_t)rv_random_below(&world->random, 5 * SIM_DAY_US)};
    snprintf(approval->action, sizeof approval->action, "%s", op->name);
    memcpy(approval->digest, op->step.digest, sizeof approval->digest);
    return json_pack("{s:s,s:I,s:I}", "result", "held", "approval", (json_int_t)approval->id,
                     "expires_us", (json_int_t)approval->expires_us);
}

static json_t *perform(struct sim_op *op, struct sim_approval *approval, bool allowed)
{
    struct sim_world *world = op->world;
    RV_ASSERT(world->effect_count < SIM_EFFECTS_MAX);
    struct sim_effect effect = {.run = op->run->index,
                                .kind = op->step.kind,
                                .approval = approval != NULL ? approval->id : 0};
    snprintf(effect.command_id, sizeof effect.command_id, "run:%" PRId64 ":%d", op->run->id,
             op->step.seq);
    snprintf(effect.action, sizeof effect.action, "%s", op->name);
    memcpy(effect.digest, op->step.digest, sizeof effect.digest);
    int64_t *version = &world->versions[resource_of(op->args)];
    effect.answer = json_pack("{s:I}", "version", (json_int_t)++ * version);
    if (sim_chance(world, 100)) {
        json_object_set_new(effect.answer, "rate", json_real(1.5)); /* no digest can hold it */
    }
    sim_saw_effect(world, &effect, allowed, approval);
    sim_note(world, "effect", op->run->index, op->step.seq, effect.approval);
    world->effects[world->effect_count++] = effect;
    if (approval != NULL) {
        approval->used = true;
    }
    return json_pack("{s:s,s:O,s:i}", "result", "executed", "answer", effect.answer, "risk",
                     (int)erp_command_find(op->name)->risk);
}

static json_t *present_approval(struct sim_op *op)
{
    struct sim_world *world = op->world;
    struct sim_approval *approval = NULL;
    for (int i = 0; i < world->approval_count; i++) {
        if (world->approvals[i].id == op->approval) {
            approval = &world->approvals[i];
        }
    }
    RV_ASSERT(approval != NULL);
    bool moved =
        approval->vote == SIM_MOVES || approval->version != world->versions[approval->resource];
    bool given = approval->vote == SIM_APPROVES && approval->vote_us <= world->clock.time_us;
    bool binds = !approval->used && !approval->voided && !moved && given &&
                 approval->expires_us >= world->clock.time_us;
    if (!binds && world->options.broken != SIM_BREAK_APPROVAL) {
        approval->voided = true;
        return refusal("void", RV_CONFLICT, "the approval no longer binds");
    }
    return perform(op, approval, true);
}

static json_t *decide(struct sim_op *op)
{
    struct sim_world *world = op->world;
    const struct sim_rates *rates = &world->rates;
    const struct erp_command *command = erp_command_find(op->name);
    struct rv_error err = {.code = RV_OK};
    json_t *args = json_deep_copy(op->args); /* the gate fills in defaults */
    enum rv_code code = command == NULL ? rv_fail(&err, RV_NOT_FOUND, "no such action")
                                        : erp_command_check(command, args, &err);
    json_decref(args);
    if (code != RV_OK) {
        return refusal("refused", code, err.message);
    }
    if (op->has_budget && rv_budget_check(&op->budget, 0, 0, 0, command->risk, NULL,
                                          world->clock.time_us, &err) != RV_OK) {
        json_t *out = refusal("refused", RV_LIMIT, err.message);
        json_object_set_new(out, "rules", json_pack("[{s:s}]", "id", "budget"));
        return out;
    }
    if (op->approval != 0) {
        return present_approval(op);
    }
    if (op->step.kind == RV_STEP_COMPENSATION) {
        if (sim_chance(world, rates->back_refused)) {
            return rv_random_below(&world->random, 2) == 0
                       ? refusal("refused", RV_CONFLICT, "it has moved on")
                       : hold(op);
        }
        return perform(op, NULL, true);
    }
    if (sim_chance(world, rates->held)) {
        return world->options.broken == SIM_BREAK_UNASKED ? perform(op, NULL, false) : hold(op);
    }
    if (sim_chance(world, rates->denied)) {
        return refusal("denied", RV_DENIED, "a rule does not allow it");
    }
    if (sim_chance(world, rates->refused)) {
        return refusal("refused", RV_CONFLICT, "the books say no");
    }
    return perform(op, NULL, true);
}

/* The same command id again: the stored answer. */
static json_t *answered_before(struct sim_op *op)
{
    char id[64];
    snprintf(id, sizeof id, "run:%" PRId64 ":%d", op->run->id, op->step.seq);
    for (int i = 0; i < op->world->effect_count; i++) {
        const struct sim_effect *effect = &op->world->effects[i];
        if (strcmp(effect->command_id, id) == 0 && op->world->options.broken != SIM_BREAK_TWICE) {
            return json_pack("{s:s,s:O}", "result", "repeated", "answer", effect->answer);
        }
    }
    return NULL;
}

static void commit_act(struct sim_op *op)
{
    if (fenced(op) || taken(op, op->step.seq)) {
        return;
    }
    sim_saw_asked(op->world, op->run, &op->step, rv_doubt_margin(op->doubt));
    json_t *out = answered_before(op);
    if (out == NULL && sim_chance(op->world, op->world->rates.bad)) {
        op->code = rv_fail(&op->err, RV_INVALID, "what cannot be hashed cannot be approved");
        return;
    }
    if (out == NULL) {
        out = decide(op);
    }
    op->step.out = out;
    op->json = json_deep_copy(out);
    if (op->world->options.broken == SIM_BREAK_TWICE && op->lose) {
        return; /* the effect is there, its journal entry is not */
    }
    store_step(op, &op->step);
    if (strcmp(rv_json_str(out, "result", ""), "held") == 0) {
        struct rv_run_change change = {.state = RV_RUN_WAITING,
                                       .waiting_on = "approval",
                                       .wake_us = rv_json_int(out, "expires_us", 0)};
        store_state(op, &change);
    }
    if (op->world->options.broken == SIM_BREAK_ANSWER &&
        strcmp(rv_json_str(out, "result", ""), "executed") == 0) {
        json_object_set_new(op->json, "answer", json_pack("{s:i}", "version", -1));
    }
}

/* What the engine counts, prompt and answer: it refuses what is more than the run has left. */
static json_t *advice(struct sim_op *op)
{
    int64_t tokens = (int64_t)rv_random_below(&op->world->random, 100);
    struct rv_budget left = {.steps_limit = -1,
                             .calls_limit = -1,
                             .depth_limit = -1,
                             .children_limit = -1,
                             .tokens_limit = op->budget.tokens_limit,
                             .tokens_used = op->budget.tokens_used};
    struct rv_error why = {.code = RV_OK};
    if (rv_budget_check(&left, 0, 0, tokens, 0, NULL, 0, &why) != RV_OK) {
        return json_pack("{s:b,s:s,s:s,s:s}", "ok", 0, "code", "limit", "message", why.message,
                         "budget", "tokens");
    }
    return json_pack("{s:b,s:{s:s,s:i},s:{s:I}}", "ok", 1, "value", "choice",
                     rv_random_below(&op->world->random, 2) == 0 ? "first" : "second", "margin",
                     (int)((op->run->id * 7 + op->step.seq * 37) % 101), "usage", "tokens",
                     (json_int_t)tokens);
}

static void commit_ask(struct sim_op *op)
{
    if (fenced(op) || taken(op, op->step.seq)) {
        return;
    }
    if (sim_chance(op->world, op->world->rates.bad)) {
        op->code = rv_fail(&op->err, RV_LIMIT, "the answer is too large");
        return;
    }
    switch (rv_random_below(&op->world->random, 4)) {
    case 0:
        op->json = json_pack("{s:b,s:s,s:s}", "ok", 0, "code", "unavailable", "message",
                             "no model is loaded");
        break;
    case 1:
        op->json =
            json_pack("{s:b,s:s,s:s}", "ok", 0, "code", "denied", "message", "the door said no");
        break;
    default: op->json = advice(op); break;
    }
    op->step.out = json_deep_copy(op->json);
    store_step(op, &op->step);
}

/* ---- children ---- */

/* The statement run_child_look. */
static json_t *look(struct sim_world *world, const struct sim_run *run, const char *agent,
                    const json_t *input)
{
    const struct sim_plan *plan = sim_plan_named(agent);
    json_t *chain = json_array();
    for (; run != NULL; run = run->parent != 0 ? sim_find_run(world, run->parent) : NULL) {
        json_array_append_new(
            chain,
            json_pack("{s:I,s:s,s:s,s:b,s:b}", "run", (json_int_t)run->id, "agent", run->plan->name,
                      "key", run->key, "open", !rv_run_state_final(run->state), "same",
                      json_equal(json_object_get(run->input, "exception"), input)));
    }
    json_t *found = json_null();
    if (plan != NULL) {
        char hex[RV_HASH_HEX];
        rv_hash_hex(&plan->hash, hex);
        found = json_pack("{s:s,s:O}", "hash", hex, "manifest", plan->manifest);
    }
    return json_pack("{s:o,s:o}", "agent", found, "chain", chain);
}

static json_t *no(enum rv_code code, const char *message)
{
    return json_pack("{s:b,s:s,s:s}", "ok", 0, "code", rv_code_name(code), "message", message);
}

static bool is_claimed(const struct sim_world *world, const char *key)
{
    for (int i = 0; i < world->run_count; i++) {
        if (world->runs[i].claims && !rv_run_state_final(world->runs[i].state) &&
            strcmp(world->runs[i].key, key) == 0) {
            return true;
        }
    }
    return false;
}

static void make_child(struct sim_op *op, const struct rv_child *child)
{
    struct sim_world *world = op->world;
    struct sim_run *run = &world->runs[world->run_count];
    *run = (struct sim_run){.index = world->run_count,
                            .id = child->id,
                            .plan = sim_plan_named(child->agent),
                            .created_us = world->clock.time_us,
                            .input = json_deep_copy(child->input),
                            .budget = json_deep_copy(child->budget),
                            .parent = op->run->id,
                            .depth = child->depth,
                            .claims = child->claims || !is_claimed(world, child->key),
                            .state = RV_RUN_CREATED};
    snprintf(run->close, sizeof run->close, "%s", child->close);
    snprintf(run->key, sizeof run->key, "%s", child->key);
    sim_saw_child(world, run);
    world->run_count++;
    sim_note(world, "child", run->index, op->run->index, op->step.seq);
}

static json_t *judge_start(struct sim_op *op)
{
    struct sim_world *world = op->world;
    struct rv_error err = {.code = RV_OK};
    struct rv_child child;
    struct rv_run_act act = {.run = op->run->id,
                             .seq = op->step.seq,
                             .agent = op->run->plan->name,
                             .action = op->name,
                             .args = op->args,
                             .budget = &op->budget,
                             .doubt = op->doubt,
                             .input = op->input};
    json_t *known = look(world, op->run, rv_json_str(op->args, "agent", ""),
                         json_object_get(op->args, "input"));
    enum rv_code code = rv_child_plan(&act, known, world->clock.time_us, &child, &err);
    json_decref(known);
    if (code != RV_OK) {
        return no(code, err.message);
    }
    json_t *out = NULL;
    if (sim_chance(world, world->rates.denied)) {
        out = no(RV_DENIED, "a rule does not allow it");
    } else if (world->run_count == SIM_RUNS_MAX) {
        out = no(RV_LIMIT, "the world is full");
    } else if (child.claims && is_claimed(world, child.key)) {
        out = no(RV_CONFLICT, "another run is working on that exception already");
    } else {
        make_child(op, &child);
        out = rv_child_answer(&act, &child);
    }
    rv_child_fini(&child);
    return out;
}

static void commit_start(struct sim_op *op)
{
    if (fenced(op) || taken(op, op->step.seq)) {
        return;
    }
    if (sim_chance(op->world, op->world->rates.bad)) {
        op->code = rv_fail(&op->err, RV_INVALID, "the answer is too large");
        return;
    }
    op->step.out = judge_start(op);
    op->json = json_deep_copy(op->step.out);
    if (op->world->options.broken == SIM_BREAK_CHILD && op->lose) {
        return; /* the child is there, the step is not */
    }
    store_step(op, &op->step);
    op->world->tick_us = 0;
}

static void commit_child(struct sim_op *op)
{
    const struct sim_run *run = op->run;
    op->json = rv_run_state_final(run->state)
                   ? rv_child_outcome(run->id, rv_run_state_name(run->state),
                                      run->error_code[0] != '\0' ? run->error_code : NULL, NULL,
                                      run->result)
                   : json_null();
}

static void commit(struct sim_op *op)
{
    struct sim_world *world = op->world;
    if (op->refuse || world->clock.time_us < world->down_until_us) {
        op->code = rv_fail(&op->err, RV_UNAVAILABLE, "the database is away");
    } else {
        static void (*const commits[])(struct sim_op * op) = {
            [OP_LOAD] = commit_load,     [OP_WRITE] = commit_write, [OP_READ] = commit_read,
            [OP_ACT] = commit_act,       [OP_ASK] = commit_ask,     [OP_APPROVAL] = commit_approval,
            [OP_SIGNAL] = commit_signal, [OP_START] = commit_start, [OP_CHILD] = commit_child,
        };
        commits[op->kind](op);
        if (op->lose && op->code == RV_OK) {
            world->lost++;
            op->code = rv_fail(&op->err, RV_UNAVAILABLE, "the connection broke");
        }
    }
    sim_note(world, op_names[op->kind], op->run != NULL ? op->run->index : -1, (int64_t)op->code,
             op->done == NULL && op->loaded == NULL);
}

/* ---- answers ---- */

static void answer(struct sim_op *op)
{
    bool ok = op->code == RV_OK;
    if (op->loaded != NULL) {
        op->loaded(op->data, op->code, ok ? op->image : NULL, ok ? NULL : &op->err);
        op->image = ok ? NULL : op->image;
    } else if (op->done != NULL) {
        op->done(op->data, op->code, ok ? op->json : NULL, ok ? NULL : &op->err);
        op->json = ok ? NULL : op->json;
    }
    op->loaded = NULL;
    op->done = NULL;
}

void sim_ops_due(struct sim_world *world)
{
    while (world->ops != NULL && world->ops->at_us <= world->clock.time_us) {
        struct sim_op *op = world->ops;
        world->ops = op->next;
        if (!op->committed) {
            commit(op);
            op->committed = true;
            op->at_us = world->clock.time_us + op->answer_delay_us;
            op_put(world, op);
        } else {
            answer(op);
            op_free(op);
        }
    }
}

int64_t sim_ops_next_us(const struct sim_world *world)
{
    return world->ops != NULL ? world->ops->at_us : INT64_MAX;
}

/* The asker's process dies: nobody hears an answer; a write that is on its way may still arrive. */
void sim_ops_die(struct sim_world *world)
{
    struct sim_op **link = &world->ops;
    while (*link != NULL) {
        struct sim_op *op = *link;
        enum rv_code code = op->code;
        op->code = RV_UNAVAILABLE;
        answer(op);
        op->code = code;
        if (op->committed || !is_write(op->kind) || rv_random_below(&world->random, 2) == 0) {
            *link = op->next;
            op_free(op);
        } else {
            link = &op->next;
        }
    }
}

void sim_ops_destroy(struct sim_world *world)
{
    while (world->ops != NULL) {
        struct sim_op *op = world->ops;
        world->ops = op->next;
        RV_ASSERT(op->done == NULL && op->loaded == NULL);
        op_free(op);
    }
}

/* ---- the port ---- */

static int64_t port_now(void *self)
{
    struct sim_world *world = self;
    return world->clock.time_us;
}

static void port_load(void *self, int32_t tenant, int64_t run,
                      void (*done)(void *data, enum rv_code code, struct rv_run_image *image,
                                   const struct rv_error *err),
                      void *data)
{
    (void)tenant;
    struct sim_op *op = op_make(self, OP_LOAD, run);
    op->run->loads++;
    op->loaded = done;
    op->data = data;
    op_ask(op);
}

static void port_write(void *self, const struct rv_run_write *write, rv_port_done done, void *data)
{
    struct sim_op *op = op_make(self, OP_WRITE, write->run);
    op->epoch = write->epoch;
    if (write->step != NULL) {
        op->step = copy_step(write->step);
        op->has_step = true;
    }
    if (write->change != NULL) {
        op->has_change = true;
        op->change = *write->change;
        op->result = json_deep_copy(write->change->result);
        snprintf(op->waiting_on, sizeof op->waiting_on, "%s",
                 op->change.waiting_on != NULL ? op->change.waiting_on : "");
        snprintf(op->error_code, sizeof op->error_code, "%s",
                 op->change.error_code != NULL ? op->change.error_code : "");
        snprintf(op->error_text, sizeof op->error_text, "%s",
                 op->change.error_text != NULL ? op->change.error_text : "");
        op->change.waiting_on = op->waiting_on;
        op->change.error_code = op->error_code[0] != '\0' ? op->error_code : NULL;
        op->change.error_text = op->error_text;
    }
    op->signal = write->consume_signal;
    op->ends_family = write->ends_family;
    op->stop_children = write->stop_children != NULL;
    op->memory = json_deep_copy(write->memory);
    op->done = done;
    op->data = data;
    op_ask(op);
}

static void port_read(void *self, int32_t tenant, const char *agent, const char *name,
                      const json_t *args, rv_port_done done, void *data)
{
    (void)tenant;
    struct sim_op *op = op_make(self, OP_READ, 0);
    snprintf(op->agent, sizeof op->agent, "%s", agent);
    snprintf(op->name, sizeof op->name, "%s", name);
    op->args = json_deep_copy(args);
    op->done = done;
    op->data = data;
    op_ask(op);
}

static void fill_act(struct sim_op *op, const struct rv_run_act *act, rv_port_done done, void *data)
{
    op->epoch = act->epoch;
    op->step = (struct rv_step){.seq = act->seq, .kind = act->kind, .name = rv_strdup(act->action)};
    RV_ASSERT(rv_step_digest(act->args, op->step.digest));
    snprintf(op->name, sizeof op->name, "%s", act->action);
    op->args = json_deep_copy(act->args);
    op->approval = act->approval;
    op->doubt = json_deep_copy(act->doubt);
    op->done = done;
    op->data = data;
    op_ask(op);
}

static void port_act(void *self, const struct rv_run_act *act, rv_port_done done, void *data)
{
    struct sim_op *op = op_make(self, OP_ACT, act->run);
    op->has_budget = act->budget != NULL; /* not of what is taken back */
    op->budget = op->has_budget ? *act->budget : (struct rv_budget){.steps_limit = 0};
    fill_act(op, act, done, data);
}

static void port_ask(void *self, const struct rv_run_act *act, rv_port_done done, void *data)
{
    struct sim_op *op = op_make(self, OP_ASK, act->run);
    op->budget = *act->budget;
    fill_act(op, act, done, data);
}

static void port_start(void *self, const struct rv_run_act *act, rv_port_done done, void *data)
{
    struct sim_op *op = op_make(self, OP_START, act->run);
    op->budget = *act->budget;
    op->input = json_deep_copy(act->input);
    fill_act(op, act, done, data);
}

static void port_child(void *self, int32_t tenant, int64_t run, rv_port_done done, void *data)
{
    (void)tenant;
    struct sim_op *op = op_make(self, OP_CHILD, run);
    op->done = done;
    op->data = data;
    op_ask(op);
}

static void port_approval(void *self, int32_t tenant, int64_t approval, rv_port_done done,
                          void *data)
{
    (void)tenant;
    struct sim_op *op = op_make(self, OP_APPROVAL, 0);
    op->approval = approval;
    op->done = done;
    op->data = data;
    op_ask(op);
}

static void port_signal(void *self, int32_t tenant, int64_t run, const char *name,
                        rv_port_done done, void *data)
{
    (void)tenant;
    struct sim_op *op = op_make(self, OP_SIGNAL, run);
    snprintf(op->name, sizeof op->name, "%s", name);
    op->done = done;
    op->data = data;
    op_ask(op);
}

struct rv_run_port sim_port(struct sim_world *world)
{
    return (struct rv_run_port){
        .self = world,
        .agents = world->options.agents,
        .now_us = port_now,
        .load = port_load,
        .write = port_write,
        .read = port_read,
        .act = port_act,
        .ask = port_ask,
        .start = port_start,
        .child = port_child,
        .approval = port_approval,
        .signal = port_signal,
    };
}
