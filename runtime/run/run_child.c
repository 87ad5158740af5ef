/* run_child.c -- the children of a run: what they were given, what came back, waiting for the last.
 *
 *   start, handoff   one entry, written by the gate's transaction that made the child
 *   await            two entries: the wait with its deadline, then how the child ended (run_ask.c)
 *   CHILDREN         when all actions are done: waits for those whose policy is "wait"
 *
 * What a child may spend is spent by its parent when it starts; what it left comes back with the
 * entry of its end.  So budgets follow from the journal alone, and no two runs ever share a
 * counter.
 */
#include "runtime/run/child.h"
#include "runtime/run/circle.h"
#include "runtime/run/run_actor_private.h"

#include <stdio.h>
#include <string.h>

/* ---- what the journal says of them ---- */

static json_t *find(const struct run *run, const char *name)
{
    size_t i;
    json_t *child;
    json_array_foreach(run->children, i, child)
    {
        if (strcmp(rv_json_str(child, "run", ""), name) == 0) {
            return child;
        }
    }
    return NULL;
}

/* `sign` 1 takes, -1 gives back. */
static void book(struct run *run, const json_t *amounts, int sign)
{
    run->budget.steps_used += sign * rv_json_int(amounts, "steps", 0);
    run->budget.calls_used += sign * rv_json_int(amounts, "calls", 0);
    run->budget.tokens_used += sign * rv_json_int(amounts, "tokens", 0);
    run->budget.risk_used += sign * rv_json_int(amounts, "risk", 0);
    const char *home = rv_json_str(amounts, "home", "");
    const char *currency;
    json_t *minor;
    json_object_foreach(json_object_get(amounts, "money"), currency, minor)
    {
        struct rv_money money = {.minor = sign * json_integer_value(minor),
                                 .home = strcmp(currency, home) == 0};
        snprintf(money.currency, sizeof money.currency, "%s", currency);
        rv_budget_spend(&run->budget, &money);
    }
}

void run_child_begun(struct run *run, const struct rv_step *step)
{
    if (!rv_json_bool(step->out, "ok", false)) {
        return;
    }
    const json_t *value = json_object_get(step->out, "value");
    run->budget.children_used++;
    book(run, json_object_get(step->out, "budget"), 1);
    json_array_append_new(run->children,
                          json_pack("{s:O,s:O,s:O,s:b}", "run", json_object_get(value, "run"),
                                    "close", json_object_get(step->out, "close"), "budget",
                                    json_object_get(step->out, "budget"), "over", 0));
    if (strcmp(step->name, "handoff") == 0) {
        run->handed_to = rv_json_str(value, "run", "");
    }
}

/* The same child may be awaited twice; its budget comes back once. */
void run_child_over(struct run *run, const struct rv_step *step)
{
    rv_doubt_join(&run->doubt, json_object_get(step->out, "doubt"));
    json_t *child = find(run, rv_json_str(json_object_get(step->out, "value"), "run", ""));
    if (child != NULL && !rv_json_bool(child, "over", false)) {
        json_object_set_new(child, "over", json_true());
        book(run, json_object_get(child, "budget"), -1);
        book(run, json_object_get(step->out, "spent"), 1);
    }
}

/* What people gave this run itself.  Raises from before they said `apart` counted against the
 * parent. */
static int64_t raised_by(const struct run *run, const char *currency, const char *name)
{
    int64_t sum = 0;
    size_t i;
    json_t *more;
    json_array_foreach(run->raised, i, more)
    {
        const json_t *from = currency != NULL ? json_object_get(more, "money") : more;
        int64_t amount = rv_json_int(from, currency != NULL ? currency : name, 0);
        if (currency != NULL && strcmp(rv_json_str(more, "home", ""), currency) == 0) {
            amount += rv_json_int(more, "money_minor", 0); /* both at most RV_RUN_RAISE_MAX */
        }
        if (rv_json_bool(more, "apart", false) && __builtin_add_overflow(sum, amount, &sum)) {
            sum = INT64_MAX;
        }
    }
    return sum;
}

/* What counts against the parent: what people gave does not, and is spent last. */
static int64_t of_parent(int64_t used, int64_t limit, int64_t raised)
{
    int64_t given = limit > raised ? limit - raised : 0;
    int64_t beyond = used > given ? used - given : 0;
    return limit < 0 ? used : used - (beyond < raised ? beyond : raised);
}

/* What this run as a child has spent of what its parent gave it, its own children's included. */
json_t *run_child_spent(const struct run *run)
{
    const struct rv_budget *budget = &run->budget;
    const struct {
        const char *name;
        int64_t used, limit;
    } rows[] = {{"steps", budget->steps_used, budget->steps_limit},
                {"calls", budget->calls_used, budget->calls_limit},
                {"tokens", budget->tokens_used, budget->tokens_limit},
                {"risk", budget->risk_used, budget->risk_limit}};
    json_t *spent = json_object();
    for (size_t i = 0; i < RV_COUNT(rows); i++) {
        int64_t raised = raised_by(run, NULL, rows[i].name);
        json_object_set_new(spent, rows[i].name,
                            json_integer(of_parent(rows[i].used, rows[i].limit, raised)));
    }
    const json_t *home = json_object_get(run->image->budget, "home");
    if (home != NULL) { /* money was given: every limit is named by its currency */
        json_t *money = json_object();
        for (int i = 0; i < budget->money_count; i++) {
            const struct rv_money_limit *row = &budget->money[i];
            int64_t raised = raised_by(run, row->currency, NULL);
            json_object_set_new(money, row->currency,
                                json_integer(of_parent(row->used_minor, row->limit_minor, raised)));
        }
        json_object_set_new(spent, "money", money);
        json_object_set(spent, "home", (json_t *)(uintptr_t)home);
    }
    return spent;
}

/* ---- asking ---- */

void run_ask_start(struct run *run)
{
    const struct rv_run_port *port = run->start.port;
    struct rv_run_act act = run_act_frame(run, RV_STEP_START);
    act.action = run->request.name;
    act.args = run->request.args;
    port->start(port->self, &act, run_on_port, run_expect(run, PENDING_START));
}

void run_ask_child(struct run *run)
{
    const struct rv_run_port *port = run->start.port;
    int64_t child = rv_child_number(run->awaited);
    port->child(port->self, run->start.tenant, child, run_on_port, run_expect(run, PENDING_CHILD));
}

void run_write_wait(struct run *run, const char *name, const char *waiting_on, const json_t *args,
                    json_t *out)
{
    if (!run_move(run, RV_RUN_WAITING)) {
        json_decref(out);
        return;
    }
    struct rv_run_change change = {.state = RV_RUN_WAITING,
                                   .waiting_on = waiting_on,
                                   .wake_us = rv_json_int(out, "until_us", 0)};
    run_write_step(run, run_make_step(run, RV_STEP_TIMER, name, args, out), &change, 0, NULL);
}

/* The child's name is kept with the wait: only its end wakes the run (statement run_parent_wake).
 */
void run_ask_child_wait(struct run *run, const json_t *args)
{
    int64_t timeout_s = rv_json_int(args, "timeout_s", 0);
    json_t *out = json_pack("{s:O}", "run", json_object_get(args, "run"));
    if (timeout_s > 0 || json_object_get(args, "timeout_s") != NULL) {
        json_object_set_new(out, "until_us", json_integer(run_now_us(run) + timeout_s * 1000000));
        rv_circle_mark_nap(out, timeout_s);
    }
    run_write_wait(run, "await.wait", "run", args, out);
}

/* ---- CHILDREN ---- */

static const char *first_open(const struct run *run)
{
    size_t i;
    json_t *child;
    json_array_foreach(run->children, i, child)
    {
        if (strcmp(rv_json_str(child, "close", ""), "wait") == 0 &&
            !rv_json_bool(child, "over", false)) {
            return rv_json_str(child, "run", "");
        }
    }
    return NULL;
}

/* Nothing recorded is left: the wait for this child begins. */
static void wait_live(struct run *run, const json_t *args)
{
    struct rv_error err = {.code = RV_OK};
    if (run_canceled(run)) {
        return;
    }
    bool well = run->end_code[0] == '\0';
    if (well && rv_budget_check(&run->budget, 0, 0, 0, 0, NULL, run_now_us(run), &err) != RV_OK) {
        run_write_end(run, "limit", "%s", err.message);
    } else {
        run_ask_child_wait(run, args);
    }
}

void run_advance_children(struct rv_actor *self, struct run *run)
{
    for (const char *open = first_open(run); open != NULL; open = first_open(run)) {
        if (run_take_end(run)) {
            run_turn_back(self, run);
            return;
        }
        const struct rv_step *step = NULL;
        json_t *args = json_pack("{s:s}", "run", open);
        snprintf(run->awaited, sizeof run->awaited, "%s", open);
        enum found found = run_recorded(self, run, RV_STEP_TIMER, "await.wait", args, 0, &step);
        if (found == FOUND_NOTHING) {
            wait_live(run, args);
        }
        json_decref(args);
        if (found != FOUND_STEP || !run_wait_is_over(self, run, RV_STEP_CHILD, &step)) {
            return;
        }
        run_spend(run, step);
    }
    run->phase = PHASE_OUTCOME;
    run_advance(self, run);
}
