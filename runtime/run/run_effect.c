/* run_effect.c -- an action outside: executed at the gate means intended, and the run waits for its
 * outcome before it goes on.
 *
 * Two entries: the action (or compensation) with the gate's answer, then the effect with its
 * outcome, {"ok":true,"key","attempts","how","answer"} or {"ok":false,"code","message"}.  In
 * between the run performs nothing else and does not end, not even when it is asked to stop: the
 * wish goes along with the question, and what was not sent yet is withdrawn.
 */
#include "runtime/run/run_actor_private.h"

#include <stdio.h>
#include <string.h>

bool run_effect_begins(struct run *run, const char *action, const struct rv_step *step)
{
    const struct erp_command *command = erp_command_find(action);
    if (command == NULL || !command->outside) {
        return false;
    }
    run->effect_seq = step->seq;
    run->effect_said = json_object_get(step->out, "answer");
    return true;
}

static void ask(struct run *run)
{
    const struct rv_run_port *port = run->start.port;
    bool stop = run->cancel_asked && run->phase == PHASE_ACT; /* taking back is not stopped */
    struct rv_effect_ask question = {.tenant = run->start.tenant,
                                     .run = run->start.run,
                                     .epoch = run->image->epoch,
                                     .seq = run->effect_seq,
                                     .cancel = stop ? run->cancel_reason : NULL};
    RV_ASSERT(port->effect != NULL);
    port->effect(port->self, &question, run_on_port, run_expect(run, PENDING_EFFECT));
}

const json_t *run_effect_outcome(struct rv_actor *self, struct run *run, const char *action)
{
    const struct rv_step *step = NULL;
    enum found found = run_recorded(self, run, RV_STEP_EFFECT, action, NULL, 0, &step);
    if (found == FOUND_NOTHING) {
        run->acting = action;
        ask(run);
    }
    if (found != FOUND_STEP) {
        return NULL;
    }
    run_spend(run, step);
    const char *cancel = rv_json_str(step->out, "cancel", NULL);
    if (cancel != NULL && run->phase == PHASE_ACT) {
        run->cancel_asked = true;
        snprintf(run->cancel_reason, sizeof run->cancel_reason, "%s", cancel);
    }
    return step->out;
}

/* Not yet: the run gives up its actor, until the time has come or somebody has said. */
static void go_on_waiting(struct run *run, const json_t *answer)
{
    bool person = strcmp(rv_json_str(answer, "state", ""), "person") == 0;
    run_change_state(run, RV_RUN_WAITING, person ? "intent" : "effect",
                     rv_json_int(answer, "until_us", 0));
}

void run_on_effect(struct rv_actor *self, struct run *run, json_t *outcome)
{
    (void)self;
    if (json_object_get(outcome, "ok") == NULL) {
        go_on_waiting(run, outcome);
        return;
    }
    enum rv_run_state to = run->phase == PHASE_ACT ? RV_RUN_EXECUTING : RV_RUN_COMPENSATING;
    if (run->state != (int)to && !run_move(run, to)) {
        return;
    }
    struct rv_run_change change = {.state = to};
    run_write_step(run, run_make_step(run, RV_STEP_EFFECT, run->acting, NULL, json_incref(outcome)),
                   &change, 0, NULL);
}
