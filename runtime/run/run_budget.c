/* run_budget.c -- what a run may spend, and what happens where that is not enough.
 *
 * The manifest says which (`overrun`, "stop" when it says nothing):
 *   stop     the run ends with the reason, and takes back what it did
 *   degrade  a read or a question to a model is not made and answered "limit": the plan goes on
 *            without.  What no plan can go on without (steps, time, an action's risk and money)
 *            ends it
 *   ask      the run waits for a person who may raise the budget (run.raise), however long that
 *            takes: two entries, "budget.wait" and what was given, "$budget".  Then it tries again.
 *            From the one to the other its wall time stands still
 *
 * What people gave before it was needed counts when it is: the first two look for it where the
 * limit is met, and what they find is an entry "$budget" without a wait.  Nothing found leaves no
 * entry: what comes then (the end, an answer "limit", an action taken back) says so.
 *
 * Fan-out and depth: a plan always hears "limit" from ctx:start; with "ask" a run that may not
 * start one more child waits as well.
 */
#include "runtime/run/request.h"
#include "runtime/run/run_actor_private.h"

#include <stdio.h>
#include <string.h>

static const char wait_step[] = "budget.wait";

/* ---- wall time: microseconds of the business clock, never past what they can say ---- */

static int64_t later(int64_t from_us, int64_t more_us)
{
    int64_t us = 0;
    return __builtin_add_overflow(from_us, more_us, &us) ? INT64_MAX : us;
}

static int64_t later_ms(int64_t from_us, int64_t more_ms)
{
    int64_t us = 0;
    return later(from_us, __builtin_mul_overflow(more_ms, INT64_C(1000), &us) ? INT64_MAX : us);
}

/* ---- limits ---- */

/* What the parent gave, or else the manifest's limit: the former was made with the latter in mind.
 */
static int64_t limit_of(const struct run *run, const char *name, int64_t otherwise)
{
    const json_t *manifest = rv_agent_manifest(run->agent);
    int64_t own = rv_json_int(json_object_get(manifest, "limits"), name, otherwise);
    return rv_json_int(run->image->budget, name, own);
}

/* A child has what its parent gave it, by currency; others what the manifest says. */
static void set_money(struct run *run)
{
    struct rv_budget *budget = &run->budget;
    const json_t *given = json_object_get(run->image->budget, "money");
    const json_t *limits = json_object_get(rv_agent_manifest(run->agent), "limits");
    const char *currency;
    json_t *value;
    json_object_foreach(given != NULL ? (json_t *)(uintptr_t)given
                                      : json_object_get(limits, "money"),
                        currency, value)
    {
        RV_ASSERT(budget->money_count < RV_BUDGET_MONEY_MAX); /* both were checked */
        struct rv_money_limit *limit = &budget->money[budget->money_count++];
        snprintf(limit->currency, sizeof limit->currency, "%s", currency);
        limit->limit_minor = json_integer_value(value);
    }
    int64_t home = given != NULL ? -1 : rv_json_int(limits, "money_minor", -1);
    if (home >= 0 && budget->money_count < RV_BUDGET_MONEY_MAX) {
        budget->money[budget->money_count++].limit_minor = home;
    }
}

static enum run_overrun overrun_of(const json_t *manifest)
{
    const char *word = rv_json_str(manifest, "overrun", "stop");
    return strcmp(word, "ask") == 0       ? OVERRUN_ASK
           : strcmp(word, "degrade") == 0 ? OVERRUN_DEGRADE
                                          : OVERRUN_STOP;
}

void run_budget_open(struct run *run)
{
    int64_t wall_ms = limit_of(run, "wall_ms", 0);
    int64_t until_us = rv_json_int(run->image->budget, "until_us", 0); /* the parent's own */
    int64_t wall_us = wall_ms > 0 ? later_ms(run->image->created_us, wall_ms) : 0;
    run->budget = (struct rv_budget){
        .steps_limit = limit_of(run, "steps", RV_RUN_STEPS_DEFAULT),
        .calls_limit = limit_of(run, "calls", RV_RUN_CALLS_DEFAULT),
        .tokens_limit = limit_of(run, "tokens", RV_RUN_TOKENS_DEFAULT),
        .risk_limit = limit_of(run, "risk", -1),
        .depth_limit = limit_of(run, "depth", RV_RUN_DEPTH_DEFAULT),
        .depth_used = run->image->depth,
        .children_limit = limit_of(run, "children", RV_RUN_CHILDREN_DEFAULT),
        .wall_deadline_us =
            wall_us == 0 || (until_us != 0 && until_us < wall_us) ? until_us : wall_us,
    };
    run->overrun = overrun_of(rv_agent_manifest(run->agent));
    set_money(run);
}

/* ---- raised by people ---- */

static void add(int64_t *limit, int64_t more)
{
    if (*limit >= 0 && more > 0 && __builtin_add_overflow(*limit, more, limit)) {
        *limit = INT64_MAX;
    }
}

static bool is_money_of(const char *limit, const char *currency, const char *home)
{
    return strcmp(limit[0] != '\0' ? limit : home, currency[0] != '\0' ? currency : home) == 0;
}

/* `currency` "" is the company's own, `home`, as in the manifest's money_minor. */
static void raise_money(struct rv_budget *budget, const char *currency, const char *home,
                        int64_t minor)
{
    for (int i = 0; i < budget->money_count; i++) {
        if (is_money_of(budget->money[i].currency, currency, home)) {
            add(&budget->money[i].limit_minor, minor);
            return;
        }
    }
    if (budget->money_count > 0 && budget->money_count < RV_BUDGET_MONEY_MAX) {
        struct rv_money_limit *limit = &budget->money[budget->money_count++];
        snprintf(limit->currency, sizeof limit->currency, "%s", currency);
        add(&limit->limit_minor, minor);
    }
}

void run_budget_raise(struct run *run, const json_t *more)
{
    struct rv_budget *budget = &run->budget;
    add(&budget->steps_limit, rv_json_int(more, "steps", 0));
    add(&budget->calls_limit, rv_json_int(more, "calls", 0));
    add(&budget->tokens_limit, rv_json_int(more, "tokens", 0));
    add(&budget->risk_limit, rv_json_int(more, "risk", 0));
    add(&budget->children_limit, rv_json_int(more, "children", 0));
    int64_t wall_ms = rv_json_int(more, "wall_ms", 0);
    int64_t waited_us = rv_json_int(more, "at_us", 0) - rv_json_int(more, "since_us", INT64_MAX);
    if (budget->wall_deadline_us != 0 && waited_us > 0) {
        budget->wall_deadline_us = later(budget->wall_deadline_us, waited_us);
    }
    if (budget->wall_deadline_us != 0 && wall_ms > 0) {
        /* a deadline that is long past is not moved by the time that people took */
        int64_t from_us = rv_json_int(more, "at_us", budget->wall_deadline_us);
        from_us = from_us > budget->wall_deadline_us ? from_us : budget->wall_deadline_us;
        budget->wall_deadline_us = later_ms(from_us, wall_ms);
    }
    const char *home = rv_json_str(more, "home", ""); /* not known of those from before */
    raise_money(budget, "", home, rv_json_int(more, "money_minor", 0));
    const char *currency;
    json_t *minor;
    json_object_foreach(json_object_get(more, "money"), currency, minor)
    {
        raise_money(budget, currency, home, json_integer_value(minor));
    }
    if (run->raised == NULL) {
        run->raised = json_array();
    }
    json_array_append(run->raised, (json_t *)(uintptr_t)more);
    run_tell_spent(run);
}

/* ---- not enough ---- */

/* The budget's name, as rv_budget_check's sentence has it. */
static void name_of(const char *message, char out[16])
{
    snprintf(out, 16, "%s", "budget");
    if (sscanf(message, "budget \"%15[a-z_]\"", out) != 1) {
        snprintf(out, 16, "%s", "budget");
    }
}

bool run_budget_given(const struct run *run)
{
    const struct rv_step *step = run_replaying(run) ? &run->image->steps[run->cursor] : NULL;
    return step != NULL && step->kind == RV_STEP_SIGNAL &&
           strcmp(step->name, RV_RUN_BUDGET_SIGNAL) == 0;
}

static bool may_look(const struct run *run)
{
    return run->overrun != OVERRUN_ASK && !run->nobody_gave && !run_replaying(run) &&
           run->state != RV_RUN_COMPENSATING; /* that was stored when nobody had given anything */
}

static void ask_given(struct run *run)
{
    const struct rv_run_port *port = run->start.port;
    port->signal(port->self, run->start.tenant, run->start.run, RV_RUN_BUDGET_SIGNAL, run_on_port,
                 run_expect(run, PENDING_BUDGET));
}

bool run_budget_look(struct run *run)
{
    if (!may_look(run)) {
        return false;
    }
    ask_given(run);
    return true;
}

bool run_budget_ask(struct run *run, const char *message, int line)
{
    char name[16];
    if (run->overrun != OVERRUN_ASK) {
        return false;
    }
    name_of(message, name);
    run->short_of = NULL;
    run_write_wait(run, wait_step, "budget", NULL,
                   json_pack("{s:s,s:s,s:s,s:i,s:I}", "name", RV_RUN_BUDGET_SIGNAL, "budget", name,
                             "message", message, "line", line, "since_us",
                             (json_int_t)run_now_us(run)));
    return true;
}

bool run_budget_degrade(struct run *run, int kind, const char *message)
{
    char name[16];
    name_of(message, name);
    bool can = kind == RV_STEP_READ || kind == RV_STEP_MODEL;
    bool hard = strcmp(name, "calls") != 0 && strcmp(name, "tokens") != 0;
    if (run->overrun != OVERRUN_DEGRADE || !can || hard) {
        return false;
    }
    run_write_step(run,
                   run_make_step(run, kind, run->request.name, run->request.args,
                                 json_pack("{s:b,s:s,s:s,s:s}", "ok", 0, "code", "limit", "message",
                                           message, "budget", name)),
                   NULL, 0, NULL);
    return true;
}

bool run_budget_short(struct run *run, const json_t *out)
{
    bool is = json_object_get(out, "budget") != NULL &&
              (run->overrun != OVERRUN_DEGRADE || run_budget_given(run));
    if (is) {
        run->short_of = rv_json_str(out, "message", "");
    }
    return is;
}

bool run_budget_short_look(struct run *run, const json_t *out)
{
    if (run->overrun != OVERRUN_DEGRADE || json_object_get(out, "budget") == NULL ||
        !may_look(run)) {
        return false;
    }
    run->cursor--; /* the answer is taken again */
    ask_given(run);
    return true;
}

/* It was stopped before it had looked whether it was given more: that is why it ended. */
static bool was_stopped(const struct run *run)
{
    return run_replaying(run) && run->image->steps[run->cursor].kind == RV_STEP_NOTE;
}

bool run_budget_refused(const struct run *run, const json_t *out)
{
    if (run->overrun != OVERRUN_ASK && !run_budget_given(run) && !was_stopped(run) &&
        !may_look(run)) {
        return false;
    }
    size_t i;
    json_t *rule;
    json_array_foreach(json_object_get(out, "rules"), i, rule)
    {
        const char *id =
            json_is_string(rule) ? json_string_value(rule) : rv_json_str(rule, "id", "");
        if (strcmp(id, "budget") == 0) {
            return true;
        }
    }
    return false;
}

/* ---- waiting for a person ---- */

static enum rv_run_state state_before(const struct run *run)
{
    return run->phase == PHASE_ACT      ? RV_RUN_EXECUTING
           : run->phase == PHASE_REVIEW ? RV_RUN_REVIEWING
                                        : RV_RUN_PLANNING;
}

bool run_budget_waits(const struct run *run)
{
    const struct rv_step *step = run_replaying(run) ? &run->image->steps[run->cursor] : NULL;
    return step != NULL && step->kind == RV_STEP_TIMER && strcmp(step->name, wait_step) == 0;
}

/* Takes the wait.  False: it waits still, or the run diverged; `since`: when it began. */
static bool wait_taken(struct rv_actor *self, struct run *run, const json_t **since)
{
    const struct rv_step *step = NULL;
    if (run_recorded(self, run, RV_STEP_TIMER, wait_step, NULL, 0, &step) != FOUND_STEP) {
        return false;
    }
    *since = json_object_get(step->out, "since_us");
    run->short_of = NULL;
    if (!run_replaying(run) && !run_canceled(run)) {
        run->cursor--;
        ask_given(run);
    }
    return run_replaying(run) && run->pending == PENDING_NONE;
}

bool run_budget_taken(struct rv_actor *self, struct run *run)
{
    const struct rv_step *step = NULL;
    while (run_budget_waits(run) || run_budget_given(run)) {
        const json_t *since = NULL;
        if (!run_budget_given(run) && !wait_taken(self, run, &since)) {
            return false;
        }
        if (run->image->steps[run->cursor].kind == RV_STEP_NOTE) {
            return true; /* it was stopped while it waited: whoever goes on takes that entry */
        }
        run->short_of = NULL;
        if (run_recorded(self, run, RV_STEP_SIGNAL, RV_RUN_BUDGET_SIGNAL, NULL, 0, &step) !=
            FOUND_STEP) {
            return false;
        }
        json_t *given = json_copy(json_object_get(step->out, "value"));
        json_object_set(given, "since_us", (json_t *)(uintptr_t)since); /* none: no such member */
        run_budget_raise(run, given);
        json_decref(given);
    }
    return true;
}

bool run_budget_early(const struct run *run)
{
    const struct rv_step *last = run->cursor > 0 ? &run->image->steps[run->cursor - 1] : NULL;
    bool waited = last != NULL && last->kind == RV_STEP_TIMER &&
                  strcmp(rv_json_str(last->out, "name", ""), RV_RUN_BUDGET_SIGNAL) == 0;
    return run_budget_given(run) && !waited;
}

void run_on_raised(struct rv_actor *self, struct run *run, const json_t *came)
{
    bool waits = run_budget_waits(run);
    if (!waits && !json_is_object(came)) {
        run->nobody_gave = true;
        run_advance(self, run);
        return;
    }
    if (!waits && run_replaying(run)) { /* an answer of the model that was not to be the last */
        run_spend(run, &run->image->steps[run->cursor]);
    }
    run->cursor += run_replaying(run) ? 1 : 0; /* behind the wait, or that answer */
    if (!json_is_object(came)) {
        if (!run_canceled(run)) {
            run->cursor--;
            run_stand_still(self, run);
        }
        return;
    }
    enum rv_run_state to = state_before(run);
    if (run->state != (int)to && !run_move(run, to)) {
        return;
    }
    struct rv_run_change change = {.state = to};
    json_t *out = json_pack("{s:b,s:O}", "ok", 1, "value", json_object_get(came, "body"));
    run_write_step(run, run_make_step(run, RV_STEP_SIGNAL, RV_RUN_BUDGET_SIGNAL, NULL, out),
                   &change, rv_json_int(came, "id", 0), NULL);
}
