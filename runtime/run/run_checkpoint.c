/* run_checkpoint.c -- a new beginning in the middle of a plan: `ctx:checkpoint(state)`.
 *
 * Lua's stack cannot be stored, so a run is recovered by going its way again; a checkpoint is where
 * that way begins.  The plan says in plain data what it has to remember, the entry is written, the
 * coroutine is given up, and agent.plan is called again with ctx.state.  Nothing before the entry
 * is ever needed to go on, so it leaves memory, and a resume reads from the newest checkpoint only:
 * a run of a million steps costs what its last stretch costs.
 *
 * The entry {"ok", "state", "used", "raised"?, "doubt"?, "children", "now_us", "today"} also holds
 * what reeve itself would have learned from the entries before it: what was spent, how sure the
 * model was, and which children there are. Chance and the caps of memory and instructions begin
 * anew, too; the limits of the manifest do not.
 */
#include "runtime/run/run_actor_private.h"

#include <stdio.h>
#include <string.h>

/* ---- what goes into the entry ---- */

static json_t *budget_used(const struct rv_budget *budget)
{
    json_t *money = json_array();
    for (int i = 0; i < budget->money_count; i++) {
        json_array_append_new(money, json_integer(budget->money[i].used_minor));
    }
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:o}", "steps", (json_int_t)budget->steps_used, "calls",
                     (json_int_t)budget->calls_used, "tokens", (json_int_t)budget->tokens_used,
                     "risk", (json_int_t)budget->risk_used, "children",
                     (json_int_t)budget->children_used, "money", money);
}

/* Children that are over have been accounted for. */
static json_t *children_open(const struct run *run)
{
    json_t *open = json_array();
    size_t i;
    json_t *child;
    json_array_foreach(run->children, i, child)
    {
        if (!rv_json_bool(child, "over", false)) {
            json_array_append_new(open, json_deep_copy(child));
        }
    }
    return open;
}

/* By the company's clock. */
static void set_today(const struct run *run, json_t *out)
{
    char text[RV_TIME_TEXT];
    rv_time_text(run_now_us(run) + run->image->zone_s * INT64_C(1000000), text);
    json_object_set_new(out, "today", json_stringn(text, strlen("2026-01-01")));
}

void run_ask_checkpoint(struct run *run)
{
    const json_t *args = run->request.args;
    json_t *state = json_object_get(args, "state");
    size_t size = json_dumpb(state, NULL, 0, JSON_COMPACT);
    if (size > RV_RUN_STATE_BYTES_MAX) {
        run_write_end(run, "limit",
                      "ctx:checkpoint: the state is %zu bytes of JSON, at most %d are allowed "
                      "(line %d): keep what is large as a blob and its handle in the state",
                      size, RV_RUN_STATE_BYTES_MAX, run->request.line);
        return;
    }
    json_t *out = json_pack("{s:b,s:O,s:o,s:o,s:I}", "ok", 1, "state", state, "used",
                            budget_used(&run->budget), "children", children_open(run), "now_us",
                            (json_int_t)run_now_us(run));
    RV_ASSERT(out != NULL);
    set_today(run, out);
    if (run->raised != NULL) {
        json_object_set(out, "raised", run->raised);
    }
    if (run->doubt != NULL) {
        json_object_set(out, "doubt", run->doubt);
    }
    if (run->state != RV_RUN_PLANNING && !run_move(run, RV_RUN_PLANNING)) { /* after a sleep */
        json_decref(out);
        return;
    }
    /* also moves the run's row: how far it is, and that it moves */
    struct rv_run_change change = {.state = RV_RUN_PLANNING};
    run_write_step(run, run_make_step(run, RV_STEP_CHECKPOINT, run->request.name, args, out),
                   &change, 0, NULL);
}

/* ---- beginning there ---- */

static void restore_budget(struct run *run, const json_t *used)
{
    struct rv_budget *budget = &run->budget;
    budget->steps_used = rv_json_int(used, "steps", 0);
    budget->calls_used = rv_json_int(used, "calls", 0);
    budget->tokens_used = rv_json_int(used, "tokens", 0);
    budget->risk_used = rv_json_int(used, "risk", 0);
    budget->children_used = rv_json_int(used, "children", 0);
    const json_t *money = json_object_get(used, "money");
    for (int i = 0; i < budget->money_count; i++) {
        budget->money[i].used_minor = json_integer_value(json_array_get(money, (size_t)i));
    }
}

static void let_go_before(struct run *run, const struct rv_step *step)
{
    struct rv_run_image *image = run->image;
    int gone = (int)(step - image->steps);
    struct rv_step kept = *step;
    RV_ASSERT(gone >= 0 && gone < image->step_count && run->cursor == gone + 1);
    for (int i = 0; i < gone; i++) {
        run_step_fini(&image->steps[i]);
    }
    int left = image->step_count - gone;
    struct rv_step *steps = rv_alloc_array((size_t)left, sizeof *steps);
    memcpy(steps, image->steps + gone, (size_t)left * sizeof *steps);
    rv_free(image->steps);
    image->steps = steps;
    image->steps[0] = kept;
    image->step_count = left;
    image->base += gone;
    run->cursor = 1;
}

void run_begin_anew(struct run *run, const struct rv_step *step)
{
    json_decref(run->checkpoint);
    run->checkpoint = json_incref(step->out);
    run->checkpoint_seq = step->seq;
    rv_doubt_join(&run->doubt, json_object_get(step->out, "doubt"));
    json_decref(run->children);
    run->children = json_deep_copy(json_object_get(step->out, "children"));
    let_go_before(run, step);
    rv_plan_destroy(run->plan);
    run->plan = NULL;
    run->has_request = false;
}

bool run_resume_checkpoint(struct run *run)
{
    const struct rv_run_image *image = run->image;
    if (image->step_count == 0 || image->steps[0].kind != RV_STEP_CHECKPOINT ||
        image->steps[0].seq != image->base + 1) {
        return false;
    }
    const struct rv_step *step = &image->steps[0];
    size_t i;
    json_t *more;
    json_array_foreach(json_object_get(step->out, "raised"), i, more)
    {
        run_budget_raise(run, more);
    }
    restore_budget(run, json_object_get(step->out, "used"));
    run->cursor = 1;
    run_spend(run, step); /* `used` is from before the entry itself */
    run_begin_anew(run, step);
    return true;
}

/* Time goes on for a plan that lives long: ctx.now is that of the checkpoint, ctx.today the
 * company's date then (of entries from before that was recorded: the UTC date). */
void run_checkpoint_input(const struct run *run, json_t *input)
{
    const json_t *out = run->checkpoint;
    json_object_set(input, "state", json_object_get(out, "state"));
    json_object_set(input, "now_us", json_object_get(out, "now_us"));
    json_object_del(input, "today");
    json_object_set(input, "today", json_object_get(out, "today"));
    json_object_set_new(
        input, "seed",
        json_integer(
            (json_int_t)(((uint64_t)run_seed(run) + (uint64_t)run->checkpoint_seq) & INT64_MAX)));
    json_t *names = json_array();
    size_t i;
    json_t *child;
    json_array_foreach(json_object_get(out, "children"), i, child)
    {
        json_array_append(names, json_object_get(child, "run"));
    }
    json_object_set_new(input, "children", names);
}
