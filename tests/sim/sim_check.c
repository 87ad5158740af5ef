/* sim_check.c -- what must hold, checked from what was stored, never from what the port believes.
 *
 *   a journal has no holes, grows at its end and never after the run has ended
 *   every write that is accepted carries the epoch that is valid now
 *   an effect happens once: by its command id, and once more by run, action and arguments
 *   an effect has a decision that allows it; a held one an approval that was given, for exactly
 * this, and not used before a state moves only as the table says no action after the first
 * compensation; compensations run from the newest effect to the oldest in the end every run has
 * ended, never as diverged; its outcome says what was done
 */
#include "tests/sim/sim_world.h"

#include "erp/command/command.h"
#include "runtime/base/words.h"
#include "runtime/run/child.h"
#include "runtime/run/request.h"
#include "runtime/run/search.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void sim_broken(struct sim_world *world, const char *format, ...)
{
    if (world->violation[0] != '\0') {
        return; /* the first is the one to look at */
    }
    va_list args;
    va_start(args, format);
    vsnprintf(world->violation, sizeof world->violation, format, args);
    va_end(args);
    if (world->options.trace) {
        printf("VIOLATION %s\n", world->violation);
    }
}

static void rule(struct sim_world *world, bool holds, const struct sim_run *run, const char *what)
{
    world->compared++;
    if (!holds) {
        sim_broken(world, "run %d (%s): %s", run->index, run->plan->name, what);
    }
}

/* ---- while it goes ---- */

void sim_saw_step(struct sim_world *world, struct sim_run *run, const struct rv_step *step,
                  int64_t epoch)
{
    rule(world, epoch == world->epoch, run, "a step of an old epoch was accepted");
    rule(world, step->seq == run->seen_seq + 1, run, "the journal has a hole, or a step twice");
    rule(world, !rv_run_state_final(run->state), run, "a step after the end of the run");
    run->seen_seq = step->seq;
    bool undoing = false;
    for (int i = 0; i < run->step_count; i++) {
        undoing = undoing || run->steps[i].kind == RV_STEP_COMPENSATION;
    }
    rule(world, step->kind != RV_STEP_ACTION || !undoing, run, "an action after a compensation");
    rule(world, step->out != NULL, run, "a step without an output");
}

void sim_saw_state(struct sim_world *world, struct sim_run *run, enum rv_run_state to,
                   int64_t epoch)
{
    rule(world, epoch == world->epoch, run, "a state of an old epoch was accepted");
    bool legal = run->state == to || rv_state_may(&rv_run_states, (int)run->state, (int)to);
    world->compared++;
    if (!legal) {
        sim_broken(world, "run %d (%s): moved from %s to %s", run->index, run->plan->name,
                   rv_run_state_name(run->state), rv_run_state_name(to));
    }
    rule(world, to != RV_RUN_DIVERGED, run, "replay diverged");
}

static int lower(int a, int b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* By the journals alone: of the run before `seq`, of its parent before it began, of the children
 * whose end it has heard of.  0: no model was asked. */
static int least_margin(struct sim_world *world, const struct sim_run *run, int seq)
{
    int least = 0;
    const struct sim_run *parent = run->parent != 0 ? sim_find_run(world, run->parent) : NULL;
    for (int i = 0; parent != NULL && i < parent->step_count; i++) {
        const struct rv_step *step = &parent->steps[i];
        const json_t *begun = json_object_get(step->out, "value");
        if (step->kind == RV_STEP_START &&
            rv_child_number(rv_json_str(begun, "run", "")) == run->id) {
            least = least_margin(world, parent, step->seq);
        }
    }
    for (int i = 0; i < run->step_count && run->steps[i].seq < seq; i++) {
        const struct rv_step *step = &run->steps[i];
        const json_t *value = json_object_get(step->out, "value");
        if (step->kind == RV_STEP_MODEL) {
            least = lower(least, (int)rv_json_int(value, "margin", 0));
        } else if (step->kind == RV_STEP_CHILD && json_object_get(value, "run") != NULL) {
            const struct sim_run *child =
                sim_find_run(world, rv_child_number(rv_json_str(value, "run", "")));
            least = lower(least, least_margin(world, child, INT32_MAX));
        }
    }
    return least;
}

void sim_saw_asked(struct sim_world *world, const struct sim_run *run, const struct rv_step *step,
                   int margin)
{
    bool back = step->kind == RV_STEP_COMPENSATION;
    rule(world, margin == (back ? 0 : least_margin(world, run, step->seq)), run,
         "the gate heard another margin than the journals hold");
    world->doubts += margin > 0;
}

void sim_saw_effect(struct sim_world *world, const struct sim_effect *effect, bool allowed,
                    const struct sim_approval *approval)
{
    const struct sim_run *run = &world->runs[effect->run];
    for (const struct sim_effect *other = world->effects;
         other < world->effects + world->effect_count; other++) {
        rule(world, strcmp(other->command_id, effect->command_id) != 0, run,
             "one command id had its effect twice");
        bool same = effect->kind == RV_STEP_ACTION && other->kind == RV_STEP_ACTION &&
                    other->run == effect->run && strcmp(other->action, effect->action) == 0 &&
                    memcmp(other->digest, effect->digest, sizeof effect->digest) == 0;
        rule(world, !same, run, "one action of a plan had its effect twice");
        rule(world, effect->approval == 0 || other->approval != effect->approval, run,
             "one approval was used twice");
    }
    rule(world, allowed || approval != NULL, run, "an effect that nobody allowed");
    if (approval != NULL) {
        rule(world, approval->vote == SIM_APPROVES && approval->vote_us <= world->clock.time_us,
             run, "an effect before its approval was given");
        rule(world, world->clock.time_us <= approval->expires_us, run,
             "an effect of an approval that had expired");
        rule(world,
             strcmp(approval->action, effect->action) == 0 &&
                 memcmp(approval->digest, effect->digest, sizeof effect->digest) == 0,
             run, "an approval was used for something else");
    }
}

void sim_saw_signal_used(struct sim_world *world, struct sim_run *run,
                         const struct sim_signal *signal, int seq)
{
    for (int i = 0; i < run->step_count; i++) {
        const struct rv_step *step = &run->steps[i];
        rule(world,
             step->kind != RV_STEP_SIGNAL ||
                 rv_json_int(json_object_get(step->out, "value"), "signal", 0) != signal->id ||
                 step->seq == seq,
             run, "one signal was answered twice");
    }
}

void sim_saw_child(struct sim_world *world, const struct sim_run *child)
{
    for (int i = 0; i < world->run_count; i++) {
        const struct sim_run *other = &world->runs[i];
        rule(world, other->id != child->id, child, "one start made two children");
        rule(world,
             !child->claims || !other->claims || rv_run_state_final(other->state) ||
                 strcmp(other->key, child->key) != 0,
             child, "two claims on one business key");
    }
}

/* What a family promises when one of its runs ends. */
static void check_close(struct sim_world *world, const struct sim_run *run)
{
    for (int i = 0; i < world->run_count; i++) {
        const struct sim_run *child = &world->runs[i];
        if (child->parent == run->id) {
            rule(world, strcmp(child->close, "wait") != 0 || rv_run_state_final(child->state), run,
                 "ended before a child that it waits for");
        }
    }
}

/* An open family holds its claim: exactly one of its open runs. */
static void check_claims(struct sim_world *world)
{
    for (int i = 0; i < world->run_count; i++) {
        const struct sim_run *run = &world->runs[i];
        int holders = 0;
        for (int k = 0; k < world->run_count; k++) {
            const struct sim_run *other = &world->runs[k];
            holders += other->claims && !rv_run_state_final(other->state) &&
                       strcmp(other->key, run->key) == 0;
        }
        rule(world, rv_run_state_final(run->state) || holders == 1, run,
             "its business key is claimed by none, or by two");
    }
}

void sim_saw_family(struct sim_world *world, const struct sim_run *ended)
{
    check_close(world, ended);
    check_claims(world);
}

/* ---- in the end ---- */

static const struct rv_step *step_of(const struct sim_run *run, int kind, const char *name)
{
    for (int i = 0; i < run->step_count; i++) {
        if (run->steps[i].kind == kind && (name == NULL || strcmp(run->steps[i].name, name) == 0)) {
            return &run->steps[i];
        }
    }
    return NULL;
}

static bool was(const struct rv_step *step, const char *result)
{
    return strcmp(rv_json_str(step->out, "result", ""), result) == 0;
}

static bool done(const struct rv_step *step)
{
    return was(step, "executed") || was(step, "repeated");
}

/* The entries of one compensation: held, voted, void, and again; the last says what came of it. */
static const struct rv_step *take_compensation(const struct sim_run *run, int *next,
                                               const char *name,
                                               const uint8_t digest[RV_STEP_DIGEST_BYTES])
{
    const struct rv_step *last = NULL;
    bool refused = false;
    int voids = 0;
    for (; *next < run->step_count && !refused; ++*next) {
        const struct rv_step *step = &run->steps[*next];
        if (step->kind == RV_STEP_APPROVAL && last != NULL) {
            voids += strcmp(step->name, "void") == 0;
            refused = strcmp(step->name, "approved") != 0 &&
                      (strcmp(step->name, "void") != 0 || voids == RV_RUN_VOIDS_MAX);
            continue;
        }
        bool same = step->kind == RV_STEP_COMPENSATION && strcmp(step->name, name) == 0 &&
                    digest != NULL && memcmp(digest, step->digest, RV_STEP_DIGEST_BYTES) == 0;
        if (!same || (last != NULL && !was(last, "held") && !was(last, "void"))) {
            break;
        }
        last = step;
        voids += was(step, "void");
        refused = voids == RV_RUN_VOIDS_MAX;
    }
    return last;
}

/* Has a person refused what was to come?  Time and changes are nobody's decision. */
static bool people_refused(const struct sim_run *run)
{
    bool refused = false;
    for (int i = 0; i < run->step_count && run->steps[i].kind != RV_STEP_COMPENSATION; i++) {
        refused = refused || (run->steps[i].kind == RV_STEP_APPROVAL &&
                              strcmp(run->steps[i].name, "rejected") == 0);
    }
    return refused;
}

/* What keeps others from acting stays where nobody has decided. */
static bool stays(const struct sim_run *run, const struct erp_command *command)
{
    return command->guards && !people_refused(run);
}

/* The compensations that are due after the executed steps of a journal, newest first, must be what
 * the journal has, in that order; gives how many were carried out, and how many are missing. */
static void check_compensations(struct sim_world *world, const struct sim_run *run, int *carried,
                                int *missing)
{
    int next = 0;
    *carried = 0;
    *missing = 0;
    while (next < run->step_count && run->steps[next].kind != RV_STEP_COMPENSATION) {
        next++;
    }
    bool undoing = next < run->step_count;
    const json_t *actions =
        step_of(run, RV_STEP_PLAN, "plan") != NULL
            ? json_object_get(step_of(run, RV_STEP_PLAN, "plan")->out, "actions")
            : NULL;
    int executed = 0;
    for (int i = 0; i < run->step_count; i++) {
        executed += run->steps[i].kind == RV_STEP_ACTION && done(&run->steps[i]);
    }
    for (int index = executed - 1; index >= 0; index--) {
        const json_t *action = json_array_get(actions, (size_t)index);
        const struct erp_command *command = erp_command_find(rv_json_str(action, "action", ""));
        const char *name = NULL;
        json_t *args = NULL;
        json_t *answer = json_object();
        uint8_t digest[RV_STEP_DIGEST_BYTES];
        if (command != NULL && command->compensate != NULL && !stays(run, command) &&
            command->compensate(json_object_get(action, "args"), answer, &name, &args)) {
            bool known = rv_step_digest(args, digest);
            const struct rv_step *last = take_compensation(run, &next, name, known ? digest : NULL);
            rule(world, !undoing || last != NULL, run,
                 "compensations are not the effects in reverse");
            *carried += last != NULL && done(last);
            *missing += last == NULL || !done(last);
        }
        json_decref(args);
        json_decref(answer);
    }
    rule(world, next >= run->step_count || run->steps[next].kind != RV_STEP_COMPENSATION, run,
         "a compensation of nothing");
}

/* The actions of the journal are those of the plan, one after the other. */
static int check_actions(struct sim_world *world, const struct sim_run *run)
{
    const struct rv_step *plan = step_of(run, RV_STEP_PLAN, "plan");
    int index = 0;
    for (int i = 0; i < run->step_count; i++) {
        const struct rv_step *step = &run->steps[i];
        if (step->kind != RV_STEP_ACTION) {
            continue;
        }
        const json_t *action =
            plan != NULL ? json_array_get(json_object_get(plan->out, "actions"), (size_t)index)
                         : NULL;
        rule(world, strcmp(rv_json_str(action, "action", ""), step->name) == 0, run,
             "an action that is not the plan's next");
        index += done(step);
    }
    return index;
}

/* Each start that was allowed has its child, once, and there is no other. */
static void check_children(struct sim_world *world, const struct sim_run *run)
{
    int started = 0;
    for (int i = 0; i < run->step_count; i++) {
        const struct rv_step *step = &run->steps[i];
        if (step->kind != RV_STEP_START || !rv_json_bool(step->out, "ok", false)) {
            continue;
        }
        started++;
        int found = 0;
        for (int k = 0; k < world->run_count; k++) {
            const struct sim_run *child = &world->runs[k];
            char name[32];
            snprintf(name, sizeof name, "r_%" PRId64, child->id);
            found += child->parent == run->id && child->depth == run->depth + 1 &&
                     strcmp(rv_json_str(json_object_get(step->out, "value"), "run", ""), name) == 0;
        }
        rule(world, found == 1, run, "a start without its child, or with two");
    }
    int children = 0;
    for (int k = 0; k < world->run_count; k++) {
        children += world->runs[k].parent == run->id;
    }
    rule(world, children == started, run, "a child that no step has started");
}

/* All that a run and those below it have used fits what the run was given, but for the entries
 * that no budget stops: plan, outcome, approvals, compensations, and the note of the end. */
static int steps_below(const struct sim_world *world, const struct sim_run *run)
{
    int steps = 0;
    for (int i = 0; i < run->step_count; i++) {
        int kind = run->steps[i].kind;
        steps += kind != RV_STEP_PLAN && kind != RV_STEP_OUTCOME && kind != RV_STEP_APPROVAL &&
                 kind != RV_STEP_COMPENSATION && kind != RV_STEP_NOTE && kind != RV_STEP_SIGNAL &&
                 kind != RV_STEP_CHILD && kind != RV_STEP_TIMER;
    }
    for (int k = 0; k < world->run_count; k++) {
        if (world->runs[k].parent == run->id) {
            steps += steps_below(world, &world->runs[k]);
        }
    }
    return steps;
}

/* Reads and questions that were made; what is answered for want of a budget is none. */
static int calls_below(const struct sim_world *world, const struct sim_run *run)
{
    int calls = 0;
    for (int i = 0; i < run->step_count; i++) {
        const struct rv_step *step = &run->steps[i];
        calls += (step->kind == RV_STEP_READ || step->kind == RV_STEP_MODEL) &&
                 json_object_get(step->out, "budget") == NULL;
    }
    for (int k = 0; k < world->run_count; k++) {
        if (world->runs[k].parent == run->id) {
            calls += calls_below(world, &world->runs[k]);
        }
    }
    return calls;
}

static int64_t tokens_below(const struct sim_world *world, const struct sim_run *run)
{
    int64_t tokens = 0;
    for (int i = 0; i < run->step_count; i++) {
        const json_t *usage = json_object_get(run->steps[i].out, "usage");
        tokens += rv_json_int(usage, "tokens", 0);
    }
    for (int k = 0; k < world->run_count; k++) {
        if (world->runs[k].parent == run->id) {
            tokens += tokens_below(world, &world->runs[k]);
        }
    }
    return tokens;
}

/* By the catalogue, not by what the journal says of them. */
static int64_t risk_below(const struct sim_world *world, const struct sim_run *run)
{
    int64_t risk = 0;
    for (int i = 0; i < run->step_count; i++) {
        const struct rv_step *step = &run->steps[i];
        if (step->kind == RV_STEP_ACTION &&
            strcmp(rv_json_str(step->out, "result", ""), "executed") == 0) {
            risk += erp_command_find(step->name)->risk;
        }
    }
    for (int k = 0; k < world->run_count; k++) {
        if (world->runs[k].parent == run->id) {
            risk += risk_below(world, &world->runs[k]);
        }
    }
    return risk;
}

/* How often people gave more. */
static int raised_below(const struct sim_world *world, const struct sim_run *run)
{
    int raised = 0;
    for (int i = 0; i < run->step_count; i++) {
        raised += run->steps[i].kind == RV_STEP_SIGNAL &&
                  strcmp(run->steps[i].name, RV_RUN_BUDGET_SIGNAL) == 0;
    }
    for (int k = 0; k < world->run_count; k++) {
        if (world->runs[k].parent == run->id) {
            raised += raised_below(world, &world->runs[k]);
        }
    }
    return raised;
}

static void check_budget(struct sim_world *world, const struct sim_run *run)
{
    const json_t *limits = json_object_get(run->plan->manifest, "limits");
    int64_t own = rv_json_int(limits, "steps", RV_RUN_STEPS_DEFAULT);
    int64_t limit = rv_json_int(run->budget, "steps", own);
    int raised = raised_below(world, run);
    int64_t calls =
        rv_json_int(run->budget, "calls", rv_json_int(limits, "calls", RV_RUN_CALLS_DEFAULT));
    limit += (int64_t)raised * SIM_RAISE_STEPS;
    rule(world, calls_below(world, run) <= calls + (int64_t)raised * SIM_RAISE_CALLS, run,
         "made more calls than it was given");
    int64_t tokens =
        rv_json_int(run->budget, "tokens", rv_json_int(limits, "tokens", RV_RUN_TOKENS_DEFAULT));
    rule(world, tokens_below(world, run) <= tokens + (int64_t)raised * SIM_RAISE_TOKENS, run,
         "took more tokens than it was given");
    int64_t risk = rv_json_int(run->budget, "risk", rv_json_int(limits, "risk", -1));
    rule(world, risk < 0 || risk_below(world, run) <= risk + (int64_t)raised * SIM_RAISE_RISK, run,
         "took more risk than it was given");
    rule(world, steps_below(world, run) <= limit, run, "used more steps than it was given");
    rule(world, run->depth <= rv_json_int(run->budget, "depth", RV_RUN_DEPTH_DEFAULT), run,
         "stands deeper than is allowed");
}

static void check_run(struct sim_world *world, const struct sim_run *run)
{
    check_children(world, run);
    check_budget(world, run);
    rule(world, rv_run_state_final(run->state), run, "has not ended");
    const struct rv_step *plan = step_of(run, RV_STEP_PLAN, "plan");
    const struct rv_step *outcome = step_of(run, RV_STEP_OUTCOME, "outcome");
    int executed = check_actions(world, run);
    int carried = 0;
    int missing = 0;
    check_compensations(world, run, &carried, &missing);
    int proposed = plan != NULL ? (int)json_array_size(json_object_get(plan->out, "actions")) : 0;
    if (run->state == RV_RUN_DIVERGED || outcome == NULL) {
        rule(world, outcome != NULL, run, "ended without an outcome");
        return;
    }
    bool ok = rv_json_bool(outcome->out, "ok", false);
    rule(world, ok == (run->state == RV_RUN_DONE), run, "outcome and end contradict each other");
    rule(world, (int)json_array_size(json_object_get(outcome->out, "executed")) == executed, run,
         "the outcome counts other actions than were executed");
    rule(world, ok || json_is_string(json_object_get(outcome->out, "message")), run,
         "an end without a reason");
    rule(world, ok == (run->error_code[0] == '\0'), run, "done with an error, or not done without");
    rule(world, ok || rv_words_have(rv_run_error_words, run->error_code), run,
         "an error that no search takes");
    if (run->state == RV_RUN_DONE) {
        rule(world, plan != NULL && executed == proposed, run, "done, but not everything was");
    } else if (run->state == RV_RUN_COMPENSATED) {
        rule(world, carried > 0 && missing == 0, run, "compensated, but not everything was");
    } else {
        rule(world, missing == 0 || run->state == RV_RUN_FAILED, run,
             "what was executed was not taken back");
        rule(world, carried == 0 || missing > 0, run, "was taken back, and does not say so");
    }
    int effects = 0;
    for (int i = 0; i < world->effect_count; i++) {
        effects += world->effects[i].run == run->index;
    }
    rule(world, effects == executed + carried, run, "effects and journal do not agree");
    for (int i = 0; i < run->signal_count; i++) {
        int used = 0;
        for (int s = 0; s < run->step_count; s++) {
            used += run->steps[s].kind == RV_STEP_SIGNAL &&
                    rv_json_int(json_object_get(run->steps[s].out, "value"), "signal", 0) ==
                        run->signals[i].id;
        }
        rule(world, used == (run->signals[i].consumed_seq != 0), run,
             "a signal was used without being marked, marked without being used, or used twice");
    }
}

void sim_check_end(struct sim_world *world)
{
    for (int i = 0; i < world->run_count && world->violation[0] == '\0'; i++) {
        check_run(world, &world->runs[i]);
    }
}
