/* run_act.c -- what happens to a plan: its actions in order, and when one fails, back again.
 *
 *   ACT         submits action by action; a held one waits for people, a void approval is asked for
 * again COMPENSATE  takes back what was executed, newest first, each through the gate like
 * everything else OUTCOME     writes what came of it; then the review, then the end
 *
 * An action and a compensation are the same to the gate, so both may be held, and both wait.  What
 * cannot be taken back (a fact of the bank, a refusal) is said in the outcome, and the run has
 * failed.
 *
 * What only keeps others from acting (an invoice's hold) is taken back when a person has refused
 * what was to come after it.  Where nobody has decided (the approval expired or became void, an
 * action failed, the run was cancelled) it stays: no money leaves because nobody looked.
 */
#include "runtime/run/run_actor_private.h"

#include <string.h>

/* ---- the gate ---- */

struct rv_run_act run_act_frame(const struct run *run, int kind)
{
    return (struct rv_run_act){
        .tenant = run->start.tenant,
        .run = run->start.run,
        .epoch = run->image->epoch,
        .seq = run_next_seq(run),
        .kind = kind,
        .agent = run->image->agent,
        .owner = run->image->owner,
        .exception_key = rv_json_str(json_object_get(run->image->input, "exception"), "key", NULL),
        .budget = &run->budget,
        .doubt = run->doubt,
        .input = run->image->input,
    };
}

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

static void submit(struct run *run, const struct rv_run_act *act)
{
    const struct rv_run_port *port = run->start.port;
    acting(run, act->action, act->args);
    port->act(port->self, act, run_on_port, run_expect(run, PENDING_ACT));
}

/* True when the approval at hand has no answer yet, as far as the journal knows. */
static bool waits(const struct run *run)
{
    return run->approval != 0 && !run->granted;
}

static void ask_approval(struct run *run)
{
    const struct rv_run_port *port = run->start.port;
    port->approval(port->self, run->start.tenant, run->approval, run_on_port,
                   run_expect(run, PENDING_APPROVAL));
}

static void next_item(struct run *run)
{
    run->voids = 0;
    run->approval = 0;
    run->granted = false;
}

enum verdict { VERDICT_DONE, VERDICT_WAIT, VERDICT_AGAIN, VERDICT_NO };

/* What the gate's answer means for the item at hand, an action or a compensation. */
static enum verdict gate_verdict(struct run *run, const json_t *out)
{
    const char *result = rv_json_str(out, "result", "");
    bool was_granted = run->granted;
    run->granted = false;
    if (strcmp(result, "executed") == 0 || strcmp(result, "repeated") == 0) {
        next_item(run);
        return VERDICT_DONE;
    }
    if (strcmp(result, "held") == 0 && rv_json_int(out, "approval", 0) != 0) {
        run->approval = rv_json_int(out, "approval", 0);
        return VERDICT_WAIT;
    }
    if (strcmp(result, "void") == 0 && was_granted && ++run->voids < RV_RUN_VOIDS_MAX) {
        run->approval = 0; /* what was approved has moved: ask again with what is true now */
        return VERDICT_AGAIN;
    }
    return VERDICT_NO;
}

static enum verdict people_verdict(struct run *run, const char *status)
{
    if (strcmp(status, "approved") == 0) {
        run->granted = true;
        return VERDICT_AGAIN;
    }
    if (strcmp(status, "void") == 0 && ++run->voids < RV_RUN_VOIDS_MAX) {
        run->approval = 0;
        return VERDICT_AGAIN;
    }
    return VERDICT_NO;
}

void run_on_approval(struct rv_actor *self, struct run *run, const char *status)
{
    if (strcmp(status, "requested") == 0) {
        if (run->phase == PHASE_ACT && run_canceled(run)) {
            return;
        }
        if (run->state == RV_RUN_WAITING) {
            run_stand_still(self, run);
        } else {
            run_change_state(run, RV_RUN_WAITING, "approval", 0);
        }
        return;
    }
    enum rv_run_state to = run->phase == PHASE_ACT ? RV_RUN_EXECUTING : RV_RUN_COMPENSATING;
    if (run->state != (int)to && !run_move(run, to)) {
        return;
    }
    struct rv_run_change change = {.state = to};
    run_write_step(run,
                   run_make_step(run, RV_STEP_APPROVAL, status, NULL,
                                 json_pack("{s:I}", "approval", (json_int_t)run->approval)),
                   &change, 0, NULL);
}

/* ---- ACT ---- */

static void submit_action(struct run *run, const json_t *action)
{
    struct rv_run_act act = run_act_frame(run, RV_STEP_ACTION);
    act.action = rv_json_str(action, "action", "");
    act.args = json_object_get(action, "args");
    act.reason = rv_json_str(action, "reason", NULL);
    json_t *evidence = rv_doubt_evidence(run->doubt, json_object_get(action, "evidence"));
    act.evidence = evidence;
    act.approval = run->granted ? run->approval : 0;
    submit(run, &act);
    json_decref(evidence);
}

static void action_done(struct run *run, const json_t *action, const json_t *answer)
{
    json_array_append_new(run->executed, json_pack("{s:i,s:O,s:O,s:O?}", "index", run->action,
                                                   "action", json_object_get(action, "action"),
                                                   "args", json_object_get(action, "args"),
                                                   "answer", (json_t *)(uintptr_t)answer));
    if (run->image->steps[run->cursor - 1].seq <= run_forked_at(run)) {
        json_object_set_new(json_array_get(run->executed, json_array_size(run->executed) - 1),
                            "inherited", json_true());
    }
    run->action++;
}

static void action_refused(struct run *run, const json_t *action, const json_t *out)
{
    const char *result = rv_json_str(out, "result", "");
    run->short_of = NULL;
    run_set_end(run, strcmp(result, "denied") == 0 ? "denied" : rv_json_str(out, "code", "refused"),
                "action %d \"%s\": %s", run->action + 1, rv_json_str(action, "action", ""),
                rv_json_str(out, "message", result));
}

/* One action has its answer (replayed or new); decides what comes next. */
static void action_answered(struct run *run, const json_t *action, const struct rv_step *step)
{
    const json_t *out = step->out;
    switch (gate_verdict(run, out)) {
    case VERDICT_DONE:
        if (!run_effect_begins(run, rv_json_str(action, "action", ""), step)) {
            action_done(run, action, json_object_get(out, "answer"));
        }
        break;
    case VERDICT_NO:
        if (run_budget_refused(run, out)) {
            run->short_of = rv_json_str(out, "message", "");
            break;
        }
        action_refused(run, action, out);
        break;
    case VERDICT_WAIT:
    case VERDICT_AGAIN: break;
    }
}

/* What happens outside has its outcome. */
static void action_happened(struct run *run, const json_t *action, const json_t *out)
{
    if (rv_json_bool(out, "ok", false)) {
        json_t *answer = json_copy(run->effect_said);
        json_object_update_missing(answer, (json_t *)(uintptr_t)out);
        json_object_set(answer, "answer", json_object_get(out, "answer"));
        action_done(run, action, answer);
        json_decref(answer);
    } else {
        run_set_end(run, rv_json_str(out, "code", "unavailable"), "action %d \"%s\": %s",
                    run->action + 1, rv_json_str(action, "action", ""),
                    rv_json_str(out, "message", "it did not happen"));
    }
    run->effect_seq = 0;
}

static void action_voted(struct run *run, const char *status)
{
    if (people_verdict(run, status) == VERDICT_NO) {
        run->people_said_no = true;
        run->people_refused = strcmp(status, "rejected") == 0;
        run_set_end(run, status, "action %d: the approval was %s", run->action + 1, status);
    }
}

/* Takes one replayed step of the action phase; true when it did. */
static bool replay_act(struct rv_actor *self, struct run *run, const json_t *action)
{
    const struct rv_step *step = NULL;
    bool voted = waits(run);
    enum found found =
        voted ? run_recorded(self, run, RV_STEP_APPROVAL, NULL, NULL, 0, &step)
              : run_recorded(self, run, RV_STEP_ACTION, rv_json_str(action, "action", ""),
                             json_object_get(action, "args"), (int)rv_json_int(action, "line", 0),
                             &step);
    if (found != FOUND_STEP) {
        return false;
    }
    run_spend(run, step);
    if (voted) {
        action_voted(run, step->name);
    } else {
        action_answered(run, action, step);
    }
    return true;
}

/* Nothing recorded is left: the item at hand goes to people or to the gate. */
static void act_live(struct rv_actor *self, struct run *run, const json_t *action)
{
    struct rv_error err = {.code = RV_OK};
    if (waits(run)) {
        ask_approval(
            run); /* a wish to cancel is looked at when it is known that nobody has voted */
    } else if (run_canceled(run)) {
        return;
    } else if (run->short_of != NULL) {
        if (!run_budget_look(run) &&
            !run_budget_ask(run, run->short_of, (int)rv_json_int(action, "line", 0))) {
            action_refused(run, action, run->image->steps[run->cursor - 1].out);
            run_turn_back(self, run);
        }
    } else if (rv_budget_check(&run->budget, 1, 0, 0, 0, NULL, run_now_us(run), &err) != RV_OK) {
        if (!run_budget_look(run) &&
            !run_budget_ask(run, err.message, (int)rv_json_int(action, "line", 0))) {
            run_write_end(run, "limit", "%s", err.message);
        }
    } else {
        submit_action(run, action);
    }
}

void run_turn_back(struct rv_actor *self, struct run *run)
{
    run->phase = PHASE_CHILDREN;
    if (run->end_code[0] != '\0') {
        next_item(run);
        run->compensate = (int)json_array_size(run->executed) - 1;
        run->phase = run->compensate >= 0 ? PHASE_COMPENSATE : PHASE_CHILDREN;
    }
    run_advance(self, run);
}

void run_advance_act(struct rv_actor *self, struct run *run)
{
    const json_t *action = action_at(run, run->action);
    while (run->end_code[0] == '\0' && action != NULL && !run_take_end(run)) {
        if (run_budget_waits(run) || run_budget_given(run)) {
            if (!run_budget_taken(self, run)) {
                return;
            }
            continue;
        }
        if (run->effect_seq != 0) {
            const json_t *out = run_effect_outcome(self, run, rv_json_str(action, "action", ""));
            if (out == NULL) {
                return;
            }
            action_happened(run, action, out);
            action = action_at(run, run->action);
            continue;
        }
        if (!run_replaying(run)) {
            act_live(self, run, action);
            return;
        }
        if (!replay_act(self, run, action)) {
            return; /* diverged */
        }
        action = action_at(run, run->action);
    }
    run_turn_back(self, run);
}

/* ---- COMPENSATE ---- */

/* The command that takes back `done`; false when nothing does: the outcome says so. */
static bool takes_back(const json_t *done, const char **name, json_t **args)
{
    const struct erp_command *command = erp_command_find(rv_json_str(done, "action", ""));
    return command != NULL && command->compensate != NULL &&
           command->compensate(json_object_get(done, "args"), json_object_get(done, "answer"), name,
                               args);
}

/* The journal goes on with it: written before holds stayed, or by a vote that is waited for. */
static bool is_being_taken_back(const struct run *run, const char *name, const json_t *args)
{
    uint8_t digest[RV_STEP_DIGEST_BYTES];
    if (run->approval != 0 || !run_replaying(run)) {
        return run->approval != 0;
    }
    const struct rv_step *step = &run->image->steps[run->cursor];
    return step->kind == RV_STEP_COMPENSATION && strcmp(step->name, name) == 0 &&
           rv_step_digest(args, digest) && memcmp(digest, step->digest, sizeof digest) == 0;
}

/* It keeps others from acting, and nobody has decided. */
static bool stays(const struct run *run, const json_t *done, const char *name, const json_t *args)
{
    const struct erp_command *command = erp_command_find(rv_json_str(done, "action", ""));
    return command->guards && !run->people_refused && !is_being_taken_back(run, name, args);
}

static void compensated(struct run *run, const char *result)
{
    json_object_set_new(json_array_get(run->executed, (size_t)run->compensate), "compensated",
                        json_string(result));
    next_item(run);
    run->compensate--;
}

/* Takes one replayed step; false when the journal has something else. */
static bool replay_compensate(struct rv_actor *self, struct run *run, const char *name,
                              const json_t *args)
{
    const struct rv_step *step = NULL;
    bool voted = waits(run);
    enum found found = voted ? run_recorded(self, run, RV_STEP_APPROVAL, NULL, NULL, 0, &step)
                             : run_recorded(self, run, RV_STEP_COMPENSATION, name, args, 0, &step);
    if (found != FOUND_STEP) {
        return false;
    }
    run_spend(run, step);
    enum verdict verdict = voted ? people_verdict(run, step->name) : gate_verdict(run, step->out);
    if (verdict == VERDICT_DONE && run_effect_begins(run, name, step)) {
        return true;
    }
    if (verdict == VERDICT_DONE || verdict == VERDICT_NO) {
        compensated(run, voted ? step->name : rv_json_str(step->out, "result", ""));
    }
    return true;
}

/* `args` may go when this returns: the port and `acting` keep their own. */
static void compensate_live(struct run *run, const char *name, const json_t *args)
{
    if (waits(run)) {
        ask_approval(run);
        return;
    }
    if (run->state != RV_RUN_COMPENSATING) {
        run_change_state(run, RV_RUN_COMPENSATING, NULL, 0);
        return;
    }
    struct rv_run_act act = run_act_frame(run, RV_STEP_COMPENSATION);
    act.action = name;
    act.args = args;
    act.reason = "takes back an earlier action of a run that could not finish";
    act.approval = run->granted ? run->approval : 0;
    act.budget = NULL; /* undoing is never stopped by a budget */
    act.doubt = NULL;
    submit(run, &act);
}

void run_advance_compensate(struct rv_actor *self, struct run *run)
{
    while (run->compensate >= 0) {
        const json_t *done = json_array_get(run->executed, (size_t)run->compensate);
        const char *name = NULL;
        json_t *args = NULL;
        if (rv_json_bool(done, "inherited", false) || !takes_back(done, &name, &args)) {
            run->compensate--;
            continue;
        }
        if (stays(run, done, name, args)) {
            json_object_set_new(json_array_get(run->executed, (size_t)run->compensate), "stays",
                                json_true());
            json_decref(args);
            run->compensate--;
            continue;
        }
        bool live = !run_replaying(run);
        bool replayed = false;
        if (run->effect_seq != 0) {
            const json_t *out = run_effect_outcome(self, run, name);
            replayed = out != NULL;
            if (replayed) {
                run->effect_seq = 0;
                compensated(run, rv_json_bool(out, "ok", false) ? "executed" : "failed");
            }
        } else if (live) {
            compensate_live(run, name, args);
        } else {
            replayed = replay_compensate(self, run, name, args);
        }
        json_decref(args);
        if (!replayed) {
            return; /* something is under way, or it diverged */
        }
    }
    run->phase = PHASE_CHILDREN;
    run_advance(self, run);
}

/* ---- OUTCOME, END ---- */

/* How many effects were taken back, and how many should have been and were not. */
static void count_taken_back(const struct run *run, int *taken, int *left)
{
    size_t i;
    json_t *done;
    *taken = 0;
    *left = 0;
    json_array_foreach(run->executed, i, done)
    {
        const char *result = rv_json_str(done, "compensated", NULL);
        if (result != NULL) {
            bool back = strcmp(result, "executed") == 0 || strcmp(result, "repeated") == 0;
            *taken += back;
            *left += !back;
        }
    }
}

static enum rv_run_state final_state(const struct run *run)
{
    int taken = 0;
    int left = 0;
    count_taken_back(run, &taken, &left);
    if (run->end_code[0] == '\0') {
        return RV_RUN_DONE;
    }
    if (left > 0) {
        return RV_RUN_FAILED; /* somebody has to look at what is left */
    }
    if (taken > 0) {
        return RV_RUN_COMPENSATED;
    }
    bool canceled = run->people_said_no || strcmp(run->end_code, "canceled") == 0;
    return canceled ? RV_RUN_CANCELLED : RV_RUN_FAILED;
}

static json_t *make_outcome(const struct run *run)
{
    int taken = 0;
    int left = 0;
    count_taken_back(run, &taken, &left);
    json_t *outcome =
        json_pack("{s:b,s:O}", "ok", run->end_code[0] == '\0', "executed", run->executed);
    if (run->end_code[0] != '\0') {
        json_object_set_new(outcome, "code", json_string(run->end_code));
        json_object_set_new(outcome, "message", json_string(run->end_text));
    }
    if (left > 0) {
        json_object_set_new(outcome, "not_taken_back", json_integer(left));
    }
    if (run->handed_to != NULL) {
        json_object_set_new(outcome, "handed_to", json_string(run->handed_to));
    }
    return outcome;
}

void run_advance_outcome(struct rv_actor *self, struct run *run)
{
    if (run->outcome == NULL) {
        run->outcome = make_outcome(run);
    }
    /* it holds answers of the ERP: should one have a real number, there is no digest to compare */
    uint8_t digest[RV_STEP_DIGEST_BYTES];
    const json_t *args = rv_step_digest(run->outcome, digest) ? run->outcome : NULL;
    const struct rv_step *step = NULL;
    enum found found = run_recorded(self, run, RV_STEP_OUTCOME, "outcome", args, 0, &step);
    if (found == FOUND_DIVERGENCE) {
        return;
    }
    if (found == FOUND_NOTHING) {
        run_write_step(
            run, run_make_step(run, RV_STEP_OUTCOME, "outcome", args, json_incref(run->outcome)),
            NULL, 0, NULL);
        return;
    }
    bool review = rv_agent_has_review(run->agent) && run->proposal != NULL &&
                  run->handed_to == NULL && final_state(run) == RV_RUN_DONE;
    run->phase = review ? PHASE_REVIEW : PHASE_END;
    run_advance(self, run);
}

void run_advance_end(struct rv_actor *self, struct run *run)
{
    if (rv_run_state_final((enum rv_run_state)run->state)) {
        run_stand_still(self, run);
        return;
    }
    run_change_state(run, final_state(run), NULL, 0);
}
