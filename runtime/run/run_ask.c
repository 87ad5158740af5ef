/* run_ask.c -- PLAN and REVIEW: stepping the coroutine, and answering what it asks.
 *
 * Each request is answered from the journal, or by the port, which journals the answer before the
 * coroutine hears it.
 *
 *   read, model, note, memory   one entry
 *   sleep                       one entry, written when it begins, with the time at which it ends
 *   signal, await               two entries: the wait with its deadline, then what came, or that
 *                               nothing did
 *   update                      the same, for the signal that carries it
 *   publish, reply, refuse      one entry (run_message.c)
 *   start, handoff              one entry; after a hand-off the coroutine is not resumed
 *   checkpoint                  one entry; the coroutine is given up and the plan begins anew
 */
#include "runtime/journal/blob.h"
#include "runtime/model/model.h"
#include "runtime/run/circle.h"
#include "runtime/run/run_actor_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- the coroutine ---- */

static json_t *plan_input(const struct run *run)
{
    char name[32];
    snprintf(name, sizeof name, "r_%" PRId64, run->start.run);
    json_t *input = json_copy(run->image->input);
    json_object_set_new(input, "run", json_string(name));
    json_object_set_new(input, "now_us", json_integer(run->image->created_us));
    json_object_set_new(input, "seed", json_integer(run_seed(run)));
    const json_t *forked = json_object_get(input, "forked");
    if (forked != NULL) { /* what was copied was asked by another one: fork.h */
        json_object_set(input, "run", json_object_get(forked, "name"));
        json_object_set(input, "now_us", json_object_get(forked, "now_us"));
    }
    if (run->checkpoint != NULL && run->phase == PHASE_PLAN) {
        run_checkpoint_input(run, input);
    }
    if (run->outcome != NULL) {
        json_object_set(input, "outcome", run->outcome);
    }
    return input;
}

/* An end that the plan has no part in. */
static bool take_others_end(struct run *run)
{
    return !run_end_is_own(run) && run_take_end(run);
}

/* The coroutine will give no plan, or no review. */
static void plan_failed(struct rv_actor *self, struct run *run, enum rv_code code,
                        const char *message)
{
    const struct rv_step *step = NULL;
    if (!run_replaying(run)) {
        run_write_end(run, rv_code_name(code), "%s", message);
    } else if (run_end_is_own(run) && code != RV_LIMIT) {
        if (run_take_own_end(run, rv_code_name(code), message)) {
            run_plan_over(self, run, NULL);
        }
    } else if (take_others_end(run)) {
        run_plan_over(self, run, NULL);
    } else if (code == RV_LIMIT) {
        /* the first time it went further: it is the watchdog of processor time, on a busy machine
         */
        rv_actor_exit(self, RV_EXIT_FAILED);
    } else {
        run_recorded(self, run, RV_STEP_NOTE, "end", NULL, 0, &step); /* diverges, in words */
    }
}

static bool ensure_plan(struct rv_actor *self, struct run *run, const char *entry)
{
    if (run->plan != NULL) {
        return true;
    }
    struct rv_error err = {.code = RV_OK};
    json_t *input = plan_input(run);
    enum rv_code code = rv_plan_start(run->agent, entry, input, &run->plan, &err);
    json_decref(input);
    if (code != RV_OK) {
        plan_failed(self, run, code, err.message);
        return false;
    }
    run->plan_started = false;
    run->has_request = false;
    return true;
}

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
        plan_failed(self, run, err.code, err.message);
    } else if (status == RV_PLAN_DONE) {
        run_plan_over(self, run, result);
    }
    return status == RV_PLAN_REQUEST;
}

/* ---- may it? ---- */

static int kind_of_request(const char *name)
{
    static const struct {
        const char *name;
        int kind;
    } kinds[] = {
        {"erp.find", RV_STEP_READ},
        {"erp.get", RV_STEP_READ},
        {"erp.history", RV_STEP_READ},
        {"memory.get", RV_STEP_READ},
        {"memory.set", RV_STEP_MEMORY},
        {"llm.decide", RV_STEP_MODEL},
        {"sleep", RV_STEP_TIMER},
        {"signal", RV_STEP_SIGNAL},
        {"update", RV_STEP_SIGNAL},
        {"publish", RV_STEP_PUBLISH},
        {"reply", RV_STEP_REPLY},
        {"refuse", RV_STEP_REPLY},
        {"note", RV_STEP_NOTE},
        {"start", RV_STEP_START},
        {"handoff", RV_STEP_START},
        {"await", RV_STEP_CHILD},
        {"checkpoint", RV_STEP_CHECKPOINT},
        {"blob.read", RV_STEP_READ},
        {"blob.put", RV_STEP_MEMORY},
    };
    for (size_t i = 0; i < RV_COUNT(kinds); i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return kinds[i].kind;
        }
    }
    RV_UNREACHABLE("the sandbox offers these requests");
}

/* Of what has two entries: the wait's name (NULL for the rest), and that of what came. */
static const char *wait_name(const struct run *run, int kind)
{
    bool update = strcmp(run->request.name, "update") == 0;
    return kind == RV_STEP_SIGNAL  ? update ? "update.wait" : "signal.wait"
           : kind == RV_STEP_CHILD ? "await.wait"
                                   : NULL;
}

static const char *came_name(const struct run *run, int kind)
{
    return kind == RV_STEP_CHILD ? "await" : run->request.name;
}

static int times_asked(const struct run *run, int kind)
{
    struct rv_step next = {.kind = kind, .name = (char *)(uintptr_t)run->request.name};
    RV_ASSERT(rv_step_digest(run->request.args, next.digest));
    return rv_circle_repeats(run->image->steps, run->image->step_count, &next);
}

/* Rounds that ask and learn the same, see circle.h. */
static bool goes_in_circle(struct rv_actor *self, struct run *run, int kind)
{
    const struct rv_run_image *image = run->image;
    const char *wait = wait_name(run, kind);
    char name[RUN_NAME_TEXT];
    if (kind == RV_STEP_PUBLISH || kind == RV_STEP_REPLY) {
        run_message_step(&run->request, name);
    } else {
        snprintf(name, sizeof name, "%s", wait != NULL ? wait : run->request.name);
    }
    struct rv_step next = {.kind = wait != NULL ? RV_STEP_TIMER : kind, .name = name};
    RV_ASSERT(rv_step_digest(run->request.args, next.digest));
    int length = rv_circle_find(image->steps, image->step_count, &next);
    if (length == 0) {
        return false;
    }
    char round[200];
    char text[400];
    rv_circle_say(image->steps, image->step_count, length, round, sizeof round);
    snprintf(text, sizeof text,
             "the plan goes in a circle: %s, %d times the same with the same answers (line %d)",
             round, RV_CIRCLE_ROUNDS, run->request.line);
    plan_failed(self, run, RV_LIMIT, text);
    return true;
}

/* What was read and asked long ago is large, and no circle looks that far back. */
static void forget_old(struct run *run)
{
    int old = run->cursor - 1 - RV_CIRCLE_ROUNDS * RV_CIRCLE_LENGTH_MAX;
    struct rv_step *step = old >= 0 ? &run->image->steps[old] : NULL;
    if (step != NULL && (step->kind == RV_STEP_READ || step->kind == RV_STEP_MODEL)) {
        json_decref(step->out);
        step->out = NULL;
    }
}

static bool one_child_too_many(const struct run *run, struct rv_error *err)
{
    struct rv_budget next = run->budget;
    next.children_used++;
    return rv_budget_check(&next, 0, 0, 0, 0, NULL, 0, err) != RV_OK;
}

/* Budget and repetition, before the call. */
static bool may_ask(struct rv_actor *self, struct run *run, int kind)
{
    struct rv_error err = {.code = RV_OK};
    char text[sizeof err.message + 64];
    if (run->short_of != NULL) { /* only the engine knows how many tokens a prompt is */
        const char *message = run->short_of;
        if (!run_budget_look(run) && !run_budget_ask(run, message, run->request.line)) {
            run->short_of = NULL;
            snprintf(text, sizeof text, "%s (line %d)", message, run->request.line);
            plan_failed(self, run, RV_LIMIT, text);
        }
        return false;
    }
    int repeats_max = kind == RV_STEP_START ? RV_RUN_SAME_CHILD_MAX : RV_RUN_REPEATS_MAX;
    const struct rv_plan_request *request = &run->request;
    int64_t calls = kind == RV_STEP_READ || kind == RV_STEP_MODEL ? 1 : 0;
    int64_t tokens = kind == RV_STEP_MODEL ? rv_model_tokens_most(request->args) : 0;
    if (rv_budget_check(&run->budget, 1, calls, tokens, 0, NULL, run_now_us(run), &err) != RV_OK) {
        if (!run_budget_look(run) && !run_budget_ask(run, err.message, request->line) &&
            !run_budget_degrade(run, kind, err.message)) {
            snprintf(text, sizeof text, "%s (line %d)", err.message, request->line);
            plan_failed(self, run, RV_LIMIT, text);
        }
        return false;
    }
    if (kind == RV_STEP_START && one_child_too_many(run, &err) &&
        (run_budget_look(run) || run_budget_ask(run, err.message, request->line))) {
        return false;
    }
    if (kind != RV_STEP_TIMER && kind != RV_STEP_CHECKPOINT && kind != RV_STEP_PUBLISH &&
        wait_name(run, kind) == NULL && times_asked(run, kind) >= repeats_max) {
        snprintf(text, sizeof text,
                 "the plan asks \"%s\" with the same arguments more than %d times (line %d)",
                 request->name, repeats_max, request->line);
        plan_failed(self, run, RV_LIMIT, text);
        return false;
    }
    return !goes_in_circle(self, run, kind);
}

/* ---- asking the world ---- */

/* A sleep is one entry {"ok":true,"value":true,"until_us":…,"retry":…?} written when it begins. */
static void ask_sleep(struct run *run)
{
    int64_t seconds = rv_json_int(run->request.args, "seconds", 0);
    int64_t until_us = run_now_us(run) + seconds * 1000000;
    json_t *out = json_pack("{s:b,s:b,s:I}", "ok", 1, "value", 1, "until_us", (json_int_t)until_us);
    rv_circle_mark_nap(out, seconds);
    const json_t *retry = run->request.retry;
    if (retry != NULL) {
        json_object_set(out, "retry", (json_t *)(uintptr_t)retry);
    }
    run_write_wait(run, run->request.name, retry != NULL ? "retry" : "timer", run->request.args,
                   out);
}

/* The name is kept with the wait: only a signal of that name wakes the run (statement runs_due). */
static void ask_signal_wait(struct run *run)
{
    int64_t seconds = rv_json_int(run->request.args, "timeout_s", 0);
    int64_t until_us = run_now_us(run) + seconds * 1000000;
    char name[RUN_NAME_TEXT];
    json_t *out = json_pack("{s:I,s:s}", "until_us", (json_int_t)until_us, "name",
                            run_signal_name(&run->request, name));
    rv_circle_mark_nap(out, seconds);
    run_write_wait(run, wait_name(run, RV_STEP_SIGNAL), "signal", run->request.args, out);
}

/* The handle follows from the text alone; the text goes into the journal's transaction, and not
 * into the journal. */
static void ask_blob_put(struct run *run)
{
    const struct rv_plan_request *request = &run->request;
    const json_t *text = json_object_get(request->args, "text");
    struct rv_hash hash = rv_sha256(json_string_value(text), json_string_length(text));
    const char *media = rv_json_str(request->args, "media", "");
    json_t *handle = rv_blob_handle(&hash, json_string_length(text), media);
    struct rv_error err = {.code = RV_OK};
    if (rv_blob_check_media(media, &err) == RV_OK) {
        run->blob = text;
    }
    json_t *out = run->blob != NULL ? json_pack("{s:b,s:O}", "ok", 1, "value", handle)
                                    : json_pack("{s:b,s:s,s:s}", "ok", 0, "code",
                                                rv_code_name(err.code), "message", err.message);
    run_write_step(run, run_make_step(run, RV_STEP_MEMORY, request->name, request->args, out), NULL,
                   0, NULL);
    run->blob = NULL;
    json_decref(handle);
}

static void ask_live(struct run *run, int kind)
{
    const struct rv_run_port *port = run->start.port;
    const struct rv_plan_request *request = &run->request;
    switch (kind) {
    case RV_STEP_READ:
        port->read(port->self, run->start.tenant, run->image->agent, request->name, request->args,
                   run_on_port, run_expect(run, PENDING_READ));
        break;
    case RV_STEP_MODEL: {
        struct rv_run_act act = run_act_frame(run, kind);
        act.action = request->name;
        act.args = request->args;
        port->ask(port->self, &act, run_on_port, run_expect(run, PENDING_ASK));
        break;
    }
    case RV_STEP_MEMORY: {
        if (strcmp(request->name, "blob.put") == 0) {
            ask_blob_put(run);
            break;
        }
        json_t *memory = json_pack("{s:s,s:O,s:O}", "agent", run->image->agent, "key",
                                   json_object_get(request->args, "key"), "value",
                                   json_object_get(request->args, "value"));
        RV_ASSERT(memory != NULL);
        run_write_step(run,
                       run_make_step(run, kind, request->name, request->args,
                                     json_pack("{s:b,s:b}", "ok", 1, "value", 1)),
                       NULL, 0, memory);
        json_decref(memory);
        break;
    }
    case RV_STEP_TIMER: ask_sleep(run); break;
    case RV_STEP_SIGNAL: ask_signal_wait(run); break;
    case RV_STEP_START: run_ask_start(run); break;
    case RV_STEP_CHILD: run_ask_child_wait(run, request->args); break;
    case RV_STEP_CHECKPOINT: run_ask_checkpoint(run); break;
    case RV_STEP_PUBLISH:
    case RV_STEP_REPLY: run_ask_message(run, kind); break;
    default:
        run_write_step(run,
                       run_make_step(run, RV_STEP_NOTE, request->name, request->args,
                                     json_pack("{s:b,s:O}", "ok", 1, "value",
                                               (json_t *)(uintptr_t)request->args)),
                       NULL, 0, NULL);
        break;
    }
}

/* ---- waiting ---- */

static void wait_until(struct rv_actor *self, struct run *run, int64_t until_us)
{
    int64_t wait_ms = (until_us - run_now_us(run) + 999) / 1000;
    if (wait_ms <= RV_RUN_TIMER_IN_MEMORY_MS) {
        rv_actor_after(self, wait_ms > 0 ? wait_ms : 0, RUN_SLEEP_TOKEN);
        run_tell_boss(self, run, RV_RUN_SLEEPS, run->start.run);
    } else {
        run_stand_still(self, run);
    }
}

static void stopped(struct rv_actor *self, struct run *run)
{
    if (run->phase == PHASE_CHILDREN) {
        run_turn_back(self, run);
    } else {
        run_plan_over(self, run, NULL);
    }
}

static void ask_awaited(struct run *run, int kind)
{
    const struct rv_run_port *port = run->start.port;
    if (kind == RV_STEP_CHILD) {
        run_ask_child(run);
    } else {
        char name[RUN_NAME_TEXT];
        port->signal(port->self, run->start.tenant, run->start.run,
                     run_signal_name(&run->request, name), run_on_port,
                     run_expect(run, PENDING_SIGNAL));
    }
}

/* `step` is the entry of the wait, just taken; when it is the newest it is looked at again later.
 */
bool run_wait_is_over(struct rv_actor *self, struct run *run, int kind, const struct rv_step **step)
{
    bool two = kind == RV_STEP_SIGNAL || kind == RV_STEP_CHILD;
    if (take_others_end(run)) {
        stopped(self, run);
        return false;
    }
    if (!run_replaying(run)) {
        int64_t until_us = rv_json_int((*step)->out, "until_us", 0);
        if (run_canceled(run)) {
            return false;
        }
        if (two) {
            run->cursor--;
            ask_awaited(run, kind);
            return false;
        }
        if (run_now_us(run) < until_us) {
            run->cursor--;
            wait_until(self, run, until_us);
            return false;
        }
    }
    if (!two) {
        return true;
    }
    run_spend(run, *step);
    return run_recorded(self, run, kind, came_name(run, kind), NULL, run->request.line, step) ==
           FOUND_STEP;
}

static enum rv_run_state state_after_wait(const struct run *run)
{
    switch (run->phase) {
    case PHASE_REVIEW: return RV_RUN_REVIEWING;
    case PHASE_CHILDREN: return run->end_code[0] == '\0' ? RV_RUN_EXECUTING : RV_RUN_COMPENSATING;
    default: return RV_RUN_PLANNING;
    }
}

/* What came has its own entry; with it the run is no longer waiting.  Until then the run always
 * gives up its actor, however short the wait: signals and ended children are found by the
 * orchestrator's look. */
void run_on_awaited(struct rv_actor *self, struct run *run, int kind, const json_t *came)
{
    const struct rv_step *wait = &run->image->steps[run->cursor];
    int64_t until_us = rv_json_int(wait->out, "until_us", INT64_MAX);
    bool child = kind == RV_STEP_CHILD;
    json_t *out = NULL;
    run->cursor++;
    if (json_is_object(came)) {
        out = json_pack("{s:b,s:O,s:O*,s:O*}", "ok", 1, "value",
                        json_object_get(came, child ? "value" : "body"), "spent",
                        json_object_get(came, "spent"), "doubt",
                        child ? json_object_get(came, "doubt") : NULL);
    } else if (run_now_us(run) >= until_us) {
        out = json_pack("{s:b,s:s,s:s}", "ok", 0, "code", "timeout", "message",
                        child ? "the child has not ended in time"
                        : strcmp(run->request.name, "update") == 0 ? "no update came in time"
                                                                   : "no signal came in time");
    } else if (!run_canceled(run)) {
        run->cursor--;
        run_stand_still(self, run);
        return;
    } else {
        return;
    }
    enum rv_run_state to = state_after_wait(run);
    if (run->state != (int)to && !run_move(run, to)) {
        json_decref(out);
        return;
    }
    struct rv_run_change change = {.state = to};
    run_write_step(run, run_make_step(run, kind, came_name(run, kind), NULL, out), &change,
                   rv_json_int(came, "id", 0), NULL);
}

/* ---- moving on ---- */

/* True while the coroutine can go on now; false when something is outstanding or the plan is over.
 */
static bool answer_request(struct rv_actor *self, struct run *run)
{
    int kind = kind_of_request(run->request.name);
    const struct rv_step *step = NULL;
    uint8_t digest[RV_STEP_DIGEST_BYTES];
    if (take_others_end(run)) {
        run_plan_over(self, run, NULL);
        return false;
    }
    if (!run_budget_taken(self, run)) {
        return false;
    }
    if (take_others_end(run)) { /* while it waited for its budget */
        run_plan_over(self, run, NULL);
        return false;
    }
    bool next_is_new = !run_replaying(run) || run_end_is_own(run);
    if (next_is_new && !rv_step_digest(run->request.args, digest)) {
        char text[256];
        snprintf(text, sizeof text, "%s:%d: \"%s\" with a real number: use integers or text",
                 run->image->agent, run->request.line, run->request.name);
        plan_failed(self, run, RV_INVALID, text);
        return false;
    }
    struct rv_error wrong = {.code = RV_OK};
    if (next_is_new && run_signal_check(&run->request, &wrong) != RV_OK) {
        char text[sizeof wrong.message + 64];
        snprintf(text, sizeof text, "%s:%d: %s", run->image->agent, run->request.line,
                 wrong.message);
        plan_failed(self, run, RV_INVALID, text);
        return false;
    }
    char told[RUN_NAME_TEXT];
    bool tells = kind == RV_STEP_PUBLISH || kind == RV_STEP_REPLY;
    const char *wait = wait_name(run, kind);
    const char *name = wait != NULL ? wait
                       : tells      ? run_message_step(&run->request, told)
                                    : run->request.name;
    if (kind == RV_STEP_CHILD) {
        snprintf(run->awaited, sizeof run->awaited, "%s",
                 rv_json_str(run->request.args, "run", ""));
    }
    enum found found = run_recorded(self, run, wait != NULL ? RV_STEP_TIMER : kind, name,
                                    run->request.args, run->request.line, &step);
    if (found == FOUND_DIVERGENCE) {
        return false;
    }
    if (found == FOUND_NOTHING) {
        if (!run_canceled(run) && may_ask(self, run, kind)) {
            ask_live(run, kind);
            if (run->pending == PENDING_ASK) {
                rv_actor_after(self, RUN_ASK_LONG_MS, RUN_ASK_TOKEN);
            }
        }
        return false;
    }
    if ((kind == RV_STEP_TIMER || wait != NULL) && !run_wait_is_over(self, run, kind, &step)) {
        return false;
    }
    if (kind == RV_STEP_MODEL && run_budget_short_look(run, step->out)) {
        return false;
    }
    run_spend(run, step);
    if (kind == RV_STEP_MODEL && run_budget_short(run, step->out)) {
        return true; /* asked again, or stopped, above */
    }
    if (kind == RV_STEP_MODEL) {
        json_t *doubt = rv_doubt_of(run->request.args, step->out);
        rv_doubt_join(&run->doubt, doubt);
        json_decref(doubt);
    }
    if (kind == RV_STEP_CHECKPOINT) {
        run_begin_anew(run, step);
        return ensure_plan(self, run, "plan") && step_plan(self, run, NULL);
    }
    if (run->handed_to != NULL) {
        char summary[64];
        snprintf(summary, sizeof summary, "handed to %.32s", run->handed_to);
        run_plan_over(self, run, json_pack("{s:[],s:s}", "actions", "summary", summary));
        return false;
    }
    json_t *answer = json_incref(step->out);
    forget_old(run);
    bool more = step_plan(self, run, answer);
    json_decref(answer);
    return more;
}

void run_advance_lua(struct rv_actor *self, struct run *run, const char *entry)
{
    /* an error that was just written: the coroutine that raised it is still here */
    bool raised = run->plan != NULL && run->plan_started && !run->has_request;
    if (raised ? run_take_end(run) : take_others_end(run)) {
        run_plan_over(self, run, NULL);
        return;
    }
    bool more = ensure_plan(self, run, entry) && (run->has_request || step_plan(self, run, NULL));
    while (more) {
        more = answer_request(self, run);
    }
}

/* A review that fails does not undo what was done: its failure is the review. */
static void review_over(struct rv_actor *self, struct run *run, json_t *review)
{
    if (review == NULL) {
        review = json_pack("{s:s,s:s}", "failed", run->end_code, "message", run->end_text);
        run->end_code[0] = '\0';
    }
    run->review = review;
    run->phase = PHASE_END;
    run_advance(self, run);
}

/* The coroutine has ended: with a result, or (NULL) with the reason in the journal. */
void run_plan_over(struct rv_actor *self, struct run *run, json_t *result)
{
    run->has_request = false;
    uint8_t digest[RV_STEP_DIGEST_BYTES];
    if (run->phase != PHASE_REVIEW && result != NULL && !rv_step_digest(result, digest)) {
        json_decref(result);
        char text[256];
        snprintf(text, sizeof text, "%s: the plan holds a real number: use integers or text",
                 run->image->agent);
        plan_failed(self, run, RV_INVALID, text);
        return;
    }
    rv_plan_destroy(run->plan);
    run->plan = NULL;
    if (run->phase == PHASE_REVIEW) {
        review_over(self, run, result);
        return;
    }
    if (result == NULL || take_others_end(run)) {
        json_decref(result);
        run->phase = PHASE_CHILDREN;
        run_advance(self, run);
        return;
    }
    const struct rv_step *step = NULL;
    enum found found = run_recorded(self, run, RV_STEP_PLAN, "plan", result, 0, &step);
    if (found == FOUND_STEP) {
        run->proposal = result;
        run->phase = PHASE_ACT;
        run_spend(run, step);
        run_advance(self, run);
    } else if (found == FOUND_DIVERGENCE || run_canceled(run)) {
        json_decref(result);
    } else if (!run_move(run, RV_RUN_EXECUTING)) {
        json_decref(result);
    } else {
        struct rv_run_change change = {.state = RV_RUN_EXECUTING};
        run_write_step(run, run_make_step(run, RV_STEP_PLAN, "plan", result, result), &change, 0,
                       NULL);
    }
}
