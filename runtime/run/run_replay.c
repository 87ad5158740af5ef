/* run_replay.c -- the journal of one run: read again, written on.
 *
 * Replay is the same code as the first time: run_recorded gives the next entry, and its kind, name
 * and digest must be what the run does now; otherwise it parks as DIVERGED with the difference in
 * words.
 */
#include "runtime/base/text.h"
#include "runtime/run/run_actor_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char end_name[] = "end"; /* of the note that a live end leaves */

/* ---- memory ---- */

void run_step_fini(struct rv_step *step)
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
        run_step_fini(&image->steps[i]);
    }
    rv_free(image->steps);
    rv_free(image->agent);
    rv_free(image->owner);
    rv_free(image->source);
    json_decref(image->input);
    json_decref(image->budget);
    rv_free(image);
}

bool rv_step_is_version(const struct rv_step *step)
{
    return step->kind == RV_STEP_NOTE && strcmp(step->name, RV_STEP_VERSION) == 0;
}

/* ---- why a run does not end well ---- */

static void set_end_args(struct run *run, const char *code, const char *format, va_list args)
    RV_PRINTF(3, 0);
static void set_end_args(struct run *run, const char *code, const char *format, va_list args)
{
    if (run->end_code[0] != '\0') {
        return; /* the first reason is the reason */
    }
    snprintf(run->end_code, sizeof run->end_code, "%s", code);
    vsnprintf(run->end_text, sizeof run->end_text, format, args);
    rv_text_mend(run->end_code);
    rv_text_mend(run->end_text);
}

void run_set_end(struct run *run, const char *code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_end_args(run, code, format, args);
    va_end(args);
}

void run_write_end(struct run *run, const char *code, const char *format, ...)
{
    RV_ASSERT(!run_replaying(run) && run->end_code[0] == '\0');
    va_list args;
    va_start(args, format);
    set_end_args(run, code, format, args);
    va_end(args);
    json_t *out = json_pack("{s:s,s:s}", "code", run->end_code, "message", run->end_text);
    RV_ASSERT(out != NULL);
    /* whatever the run was waiting for, it goes on now, also on another node; the end of a review
     * is no fault of the run */
    bool fault = run->phase != PHASE_REVIEW;
    struct rv_run_change change = {
        .state = (enum rv_run_state)run->state,
        .wake_us = run->state == RV_RUN_WAITING ? run_now_us(run) : 0,
        .error_code = fault ? rv_json_str(out, "code", NULL) : NULL,
        .error_text = fault ? rv_json_str(out, "message", NULL) : NULL,
    };
    run->end_code[0] = '\0'; /* until it is durable */
    run_write_step(run, run_make_step(run, RV_STEP_NOTE, end_name, NULL, out), &change, 0, NULL);
}

static bool tell(struct run *run, const struct rv_run_taken *taken)
{
    const struct rv_run_port *port = run->start.port;
    return port->taken != NULL && port->taken(port->self, taken);
}

static const struct rv_step *next_end(const struct run *run)
{
    const struct rv_step *step = run_replaying(run) ? &run->image->steps[run->cursor] : NULL;
    bool end = step != NULL && run->end_code[0] == '\0' && step->kind == RV_STEP_NOTE &&
               strcmp(step->name, end_name) == 0;
    return end ? step : NULL;
}

static void take_end(struct run *run, const json_t *out)
{
    run->cursor++;
    run_set_end(run, rv_json_str(out, "code", "interrupted"), "%s",
                rv_json_str(out, "message", "the run was stopped"));
}

bool run_take_end(struct run *run)
{
    const struct rv_step *step = next_end(run);
    if (step == NULL) {
        return false;
    }
    tell(run, &(struct rv_run_taken){step, step->kind, step->name, NULL, 0, true});
    take_end(run, step->out);
    return true;
}

/* What a script's error says after its place, "NAME:LINE: "; NULL: it is not of this agent's. */
static const char *said_by(const char *agent, const char *message)
{
    size_t length = strlen(agent);
    if (strncmp(message, agent, length) != 0 || message[length] != ':') {
        return NULL;
    }
    const char *text = message + length + 1;
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && text[digits] == ':' ? text + digits + 1 : text;
}

bool run_end_is_own(const struct run *run)
{
    const struct rv_step *step = next_end(run);
    return step != NULL &&
           strcmp(rv_json_str(step->out, "code", ""), rv_code_name(RV_INVALID)) == 0 &&
           said_by(run->image->agent, rv_json_str(step->out, "message", "")) != NULL;
}

static bool same_end(const char *agent, const json_t *left, const json_t *right)
{
    const char *said = said_by(agent, rv_json_str(left, "message", ""));
    const char *now = said_by(agent, rv_json_str(right, "message", ""));
    return said != NULL && now != NULL && strcmp(said, now) == 0 &&
           strcmp(rv_json_str(left, "code", ""), rv_json_str(right, "code", "")) == 0;
}

bool run_take_own_end(struct run *run, const char *code, const char *message)
{
    const struct rv_step *step = next_end(run);
    RV_ASSERT(step != NULL && run_end_is_own(run));
    char text[sizeof run->end_text];
    snprintf(text, sizeof text, "%s", message);
    rv_text_mend(text);
    json_t *now = json_pack("{s:s,s:s}", "code", code, "message", text);
    struct rv_run_taken taken = {step, step->kind, step->name, now, 0, false};
    taken.same = same_end(run->image->agent, step->out, now);
    bool take = tell(run, &taken) || taken.same;
    if (take) {
        take_end(run, taken.same ? step->out : now);
    } else {
        run_set_end(run, "diverged",
                    "step %d: the journal ends with \"%.160s\", the plan now with \"%.160s\"",
                    step->seq, rv_json_str(step->out, "message", ""), text);
        run_change_state(run, RV_RUN_DIVERGED, NULL, 0);
    }
    json_decref(now);
    return take;
}

bool run_canceled(struct run *run)
{
    if (!run->cancel_asked || run->end_code[0] != '\0') {
        return false;
    }
    run->stop_children = json_array_size(run->children) > 0;
    run_write_end(run, "canceled", "%s", run->cancel_reason);
    run->stop_children = false;
    return true;
}

/* ---- reading again ---- */

bool run_replaying(const struct run *run)
{
    return run->cursor < run->image->step_count;
}

static void diverged(struct run *run, const struct rv_step *step, const char *now, const char *name,
                     int line)
{
    run->end_code[0] = '\0';
    run_set_end(run, "diverged",
                "step %d: the journal has %s \"%s\", the plan now does %s \"%s\" (line %d)",
                step->seq, rv_step_kind_name(step->kind), step->name, now, name, line);
    run_change_state(run, RV_RUN_DIVERGED, NULL, 0);
}

enum found run_recorded(struct rv_actor *self, struct run *run, int kind, const char *name,
                        const json_t *args, int line, const struct rv_step **out)
{
    (void)self;
    if (!run_replaying(run)) {
        return FOUND_NOTHING;
    }
    const struct rv_step *step = &run->image->steps[run->cursor];
    uint8_t digest[RV_STEP_DIGEST_BYTES] = {0};
    struct rv_run_taken taken = {step, kind, name, args, line, false};
    bool place = step->kind == kind && (name == NULL || strcmp(step->name, name) == 0);
    taken.same = place && (args == NULL || (rv_step_digest(args, digest) &&
                                            memcmp(digest, step->digest, sizeof digest) == 0));
    /* what is told and answered is named by the plan, or by who asked */
    bool named = kind == RV_STEP_PUBLISH || kind == RV_STEP_REPLY;
    bool go_on = tell(run, &taken) && (place || (named && step->kind == kind));
    if (!taken.same && !go_on) {
        diverged(run, step, rv_step_kind_name(kind), name != NULL ? name : "", line);
        return FOUND_DIVERGENCE;
    }
    run->cursor++;
    *out = step;
    return FOUND_STEP;
}

void run_tell_spent(const struct run *run)
{
    const struct rv_run_port *port = run->start.port;
    if (port->spent != NULL) {
        port->spent(port->self, &run->budget, run->overrun == OVERRUN_ASK ? 0 : 1);
    }
}

void run_spend(struct run *run, const struct rv_step *step)
{
    run->budget.steps_used++;
    bool made = json_object_get(step->out, "budget") == NULL; /* see run_budget_degrade */
    if ((step->kind == RV_STEP_READ || step->kind == RV_STEP_MODEL) && made) {
        run->budget.calls_used++;
    }
    run->budget.tokens_used += rv_json_int(json_object_get(step->out, "usage"), "tokens", 0);
    if (step->kind == RV_STEP_ACTION) {
        const json_t *spent = json_object_get(step->out, "money");
        struct rv_money money = {.minor = rv_json_int(spent, "minor", 0),
                                 .home = rv_json_bool(spent, "home", false)};
        snprintf(money.currency, sizeof money.currency, "%s", rv_json_str(spent, "currency", ""));
        rv_budget_spend(&run->budget, &money);
        run->budget.risk_used += rv_json_int(step->out, "risk", 0); /* as it was then */
    } else if (step->kind == RV_STEP_START) {
        run_child_begun(run, step);
    } else if (step->kind == RV_STEP_CHILD) {
        run_child_over(run, step);
    }
    run_tell_spent(run);
}

/* ---- writing on ---- */

void run_remember(struct run *run, struct rv_step step)
{
    struct rv_run_image *image = run->image;
    RV_ASSERT(run->cursor == image->step_count); /* replay is over before anything new is written */
    image->steps = rv_realloc(image->steps, (size_t)(image->step_count + 1) * sizeof step);
    image->steps[image->step_count++] = step;
    run->cursor = image->step_count;
    run->nobody_gave = false;
}

struct rv_step run_make_step(const struct run *run, int kind, const char *name, const json_t *args,
                             json_t *out)
{
    struct rv_step step = {
        .seq = run_next_seq(run), .kind = kind, .name = rv_strdup(name), .out = out};
    if (args != NULL) {
        RV_ASSERT(rv_step_digest(args, step.digest)); /* arguments were checked when they came in */
    }
    return step;
}

void run_write_step(struct run *run, struct rv_step step, const struct rv_run_change *change,
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
        .blob = run->blob,
        .stop_children = run->stop_children ? run->cancel_reason : NULL,
    };
    port->write(port->self, &write, run_on_port, run_expect(run, PENDING_STEP));
}

bool run_move(struct run *run, enum rv_run_state to)
{
    if (rv_state_may(&rv_run_states, run->state, (int)to)) {
        rv_state_move(&rv_run_states, &run->state, (int)to);
        return true;
    }
    run->end_code[0] = '\0';
    run_set_end(run, "corrupt", "the store says %s, and the journal that it becomes %s now",
                rv_run_state_name((enum rv_run_state)run->state), rv_run_state_name(to));
    run_change_state(run, RV_RUN_DIVERGED, NULL, 0);
    return false;
}

/* Does its agent merge what else is asked for its key (claim.h)? */
static bool merges(const struct run *run)
{
    const json_t *manifest = run->agent != NULL ? rv_agent_manifest(run->agent) : NULL;
    return strcmp(rv_json_str(manifest, "claims", "first"), "merge") == 0;
}

void run_change_state(struct run *run, enum rv_run_state to, const char *waiting_on,
                      int64_t wake_us)
{
    if (!run_move(run, to)) {
        return;
    }
    json_t *result = NULL;
    if (rv_run_state_final(to)) {
        result = json_object();
        if (run->outcome != NULL) {
            json_object_set(result, "outcome", run->outcome);
        }
        if (run->review != NULL) {
            json_object_set(result, "review", run->review);
        }
        if (run->image->parent != 0) { /* for the parent, see rv_child_outcome */
            json_object_set(result, "summary", json_object_get(run->proposal, "summary"));
            json_object_set_new(result, "spent", run_child_spent(run));
            if (run->doubt != NULL) {
                json_object_set(result, "doubt", run->doubt);
            }
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
    bool over = rv_run_state_final(to);
    bool claims = json_object_get(run->image->input, "claim") != NULL;
    struct rv_run_write write = {
        .tenant = run->start.tenant,
        .run = run->start.run,
        .epoch = run->image->epoch,
        .change = &change,
        .ends_family =
            over && (claims || run->image->parent != 0 || json_array_size(run->children) > 0),
        .leaves_rest = over && claims && merges(run),
        .leaves_flow = over && json_object_get(run->image->input, "flow") != NULL,
    };
    const struct rv_run_port *port = run->start.port;
    port->write(port->self, &write, run_on_port, run_expect(run, PENDING_CHANGE));
    json_decref(result);
}
