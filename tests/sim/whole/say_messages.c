/* say_messages.c -- runtime/run/sql/message.sql and fork.sql: published values, updates, and runs
 * that go on for dead ones. */
#include "tests/sim/whole/base.h"
#include "tests/sim/whole/once.h"

#include "runtime/base/check.h"
#include "runtime/run/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char publish_prefix[] = "publish.";
static const char update_prefix[] = "$update.";

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static json_t *run_name(int64_t run)
{
    char name[32];
    snprintf(name, sizeof name, "r_%" PRId64, run);
    return json_string(name);
}

static json_t *text_or_null(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}

/* ---- published values ---- */

static const struct step_row *newest_value(struct base *base, int32_t tenant, int64_t run,
                                           const char *name)
{
    const struct step_row *newest = NULL;
    BASE_EACH(base, T_STEP, step_row, step)
    {
        if (step->tenant == tenant && step->run == run && step->kind == RV_STEP_PUBLISH &&
            strcmp(step->name, name) == 0 && (newest == NULL || step->seq > newest->seq)) {
            newest = step;
        }
    }
    return newest;
}

static json_t *value_json(const struct step_row *step)
{
    json_t *value = json_object_get(step->json, "published");
    return json_pack("{s:O,s:i}", "value", value != NULL ? value : json_null(), "step",
                     (int)step->seq);
}

static json_t *all_values(struct base_call *call, int64_t run)
{
    json_t *values = json_object();
    BASE_EACH(call->base, T_STEP, step_row, step)
    {
        if (step->tenant == call->tenant && step->run == run && step->kind == RV_STEP_PUBLISH &&
            begins(step->name, publish_prefix)) {
            json_object_set_new(
                values, step->name + strlen(publish_prefix),
                value_json(newest_value(call->base, call->tenant, run, step->name)));
        }
    }
    return values;
}

static void run_values(struct base_call *call)
{
    const struct run_row *run = base_run(call->base, call->tenant, base_int(call, 2, 0));
    const char *name = base_text(call, 3, 0);
    if (run == NULL) {
        return;
    }
    json_t *out = json_pack("{s:o,s:s}", "run", run_name(run->id), "status", run->status);
    if (name == NULL) {
        json_object_set_new(out, "values", all_values(call, run->id));
    } else {
        char full[96];
        snprintf(full, sizeof full, "%s%s", publish_prefix, name);
        const struct step_row *step = newest_value(call->base, call->tenant, run->id, full);
        if (step == NULL) {
            json_decref(out);
            return;
        }
        json_t *value = value_json(step);
        json_object_set_new(out, "name", json_string(name));
        json_object_update(out, value);
        json_decref(value);
    }
    base_row(call);
    base_out_json(call, out);
}

/* ---- updates ---- */

struct update_row *base_update(struct base *base, int32_t tenant, int64_t run, const char *id)
{
    BASE_EACH(base, T_UPDATE, update_row, update)
    {
        if (update->tenant == tenant && update->run == run && strcmp(update->id, id) == 0) {
            return update;
        }
    }
    return NULL;
}

struct signal_row *base_signal(struct base *base, int32_t tenant, int64_t run, int64_t id)
{
    BASE_EACH(base, T_SIGNAL, signal_row, signal)
    {
        if (signal->tenant == tenant && signal->run == run && signal->id == id) {
            return signal;
        }
    }
    return NULL;
}

static void run_update_look(struct base_call *call)
{
    struct base *base = call->base;
    const struct run_row *run = base_run(base, call->tenant, base_int(call, 2, 0));
    const struct plan_row *plan = run != NULL ? base_plan(base, call->tenant, run->plan) : NULL;
    const char *id = base_text(call, 3, 0);
    int open = 0;
    if (plan == NULL) {
        return;
    }
    BASE_EACH(base, T_SIGNAL, signal_row, signal)
    {
        open += signal->tenant == call->tenant && signal->run == run->id &&
                signal->consumed_seq == 0 && begins(signal->name, update_prefix);
    }
    json_t *updates = json_object_get(plan->manifest, "updates");
    const struct update_row *known = base_update(base, call->tenant, run->id, id);
    base_row(call);
    base_out_json(call,
                  json_pack("{s:s,s:s?,s:b,s:s,s:s,s:o,s:o,s:i}", "status", run->status, "error",
                            run->error_text, "deaf", run->error_code != NULL || base_acts(run),
                            "agent", run->agent, "version", plan->version, "updates",
                            updates != NULL ? json_incref(updates) : json_object(), "digest",
                            known != NULL ? base_hex(known->digest) : json_null(), "open", open));
}

static void run_update_put(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        const char *id = base_text(call, 3, i);
        if (base_update(call->base, call->tenant, base_int(call, 2, i), id) != NULL) {
            base_fail(call, "23505", "run_update_pkey");
            return;
        }
        struct update_row *update = base_insert(call, T_UPDATE);
        *update = (struct update_row){.tenant = call->tenant,
                                      .run = base_int(call, 2, i),
                                      .id = id,
                                      .signal = base_int(call, 4, i),
                                      .name = base_text(call, 5, i),
                                      .sent_by = base_text(call, 7, i)};
        base_hash(call, 6, i, update->digest);
    }
}

/* The first of them; NULL: none yet. */
static const struct step_row *reply_to(struct base *base, const struct update_row *update)
{
    char name[128];
    const struct step_row *first = NULL;
    snprintf(name, sizeof name, "reply.%s", update->id);
    BASE_EACH(base, T_STEP, step_row, step)
    {
        if (step->tenant == update->tenant && step->run == update->run &&
            step->kind == RV_STEP_REPLY && strcmp(step->name, name) == 0 &&
            (first == NULL || step->seq < first->seq)) {
            first = step;
        }
    }
    return first;
}

json_t *base_update_shown(struct base *base, const struct update_row *update)
{
    const struct run_row *run = base_run(base, update->tenant, update->run);
    const struct signal_row *signal =
        base_signal(base, update->tenant, update->run, update->signal);
    const struct step_row *reply = reply_to(base, update);
    json_t *out = json_pack("{s:o,s:s,s:s,s:s}", "run", run_name(update->run), "id", update->id,
                            "name", update->name, "sent_by", update->sent_by);
    if (reply != NULL) {
        json_object_update(out, reply->json);
        json_object_del(out, "ok");
        if (json_object_get(reply->json, "value") != NULL) {
            json_object_del(out, "value");
        }
        json_object_set_new(out, "step", json_integer(reply->seq));
    } else if (base_run_over(run)) {
        char reason[600];
        snprintf(reason, sizeof reason, "the run ended before it answered: %s%s%s", run->status,
                 run->error_text != NULL ? ", " : "",
                 run->error_text != NULL ? run->error_text : "");
        json_object_set_new(out, "state", json_string("refused"));
        json_object_set_new(out, "reason", json_string(reason));
    } else {
        bool taken = signal != NULL && signal->consumed_seq != 0;
        json_object_set_new(out, "state", json_string(taken ? "taken" : "accepted"));
    }
    return out;
}

static void run_update_get(struct base_call *call)
{
    const struct update_row *update =
        base_update(call->base, call->tenant, base_int(call, 2, 0), base_text(call, 3, 0));
    if (update == NULL) {
        return;
    }
    base_row(call);
    if (base_run(call->base, call->tenant, update->run) == NULL) {
        base_out_null(call);
    } else {
        base_out_json(call, base_update_shown(call->base, update));
    }
}

/* ---- what is asked under a key of its own ---- */

static struct once_row *asked_once(const struct base_call *call, const char *by, const char *key)
{
    BASE_EACH(call->base, T_ONCE, once_row, once)
    {
        if (once->tenant == call->tenant && strcmp(once->by, by) == 0 &&
            strcmp(once->key, key) == 0) {
            return once;
        }
    }
    return NULL;
}

static void run_once_look(struct base_call *call)
{
    const struct once_row *once = asked_once(call, base_text(call, 2, 0), base_text(call, 3, 0));
    if (once != NULL) {
        json_t *hex = base_keep(call->base, base_hex(once->digest));
        base_row(call);
        base_out_text(call, json_string_value(hex));
        base_out_json(call, json_incref(once->answer));
    }
}

static void run_once_put(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        if (asked_once(call, base_text(call, 2, i), base_text(call, 3, i)) != NULL) {
            base_fail(call, "23505", "run_once_pkey");
            return;
        }
        struct once_row *once = base_insert(call, T_ONCE);
        *once = (struct once_row){.tenant = call->tenant,
                                  .by = base_text(call, 2, i),
                                  .key = base_text(call, 3, i),
                                  .answer = base_json(call, 5, i)};
        base_hash(call, 4, i, once->digest);
    }
}

static void run_once_answer(struct base_call *call)
{
    struct once_row *once = asked_once(call, base_text(call, 2, 0), base_text(call, 3, 0));
    if (once != NULL) {
        base_touch(call, T_ONCE, once);
        once->answer = base_json(call, 4, 0);
        base_row(call);
        base_out_int(call, 1);
    }
}

/* ---- runs that begin where another one once was ---- */

struct revival_row *base_revival(struct base *base, int32_t tenant, int64_t of_run)
{
    BASE_EACH(base, T_REVIVAL, revival_row, revival)
    {
        if (revival->tenant == tenant && revival->of_run == of_run) {
            return revival;
        }
    }
    return NULL;
}

static const char *child_of(const struct step_row *step)
{
    return rv_json_str(json_object_get(step->json, "value"), "run", "");
}

/* A child that was started by then, and had not been heard of by then. */
static json_t *open_child(struct base *base, const struct run_row *run, int32_t at)
{
    const struct run_row *oldest = NULL;
    BASE_EACH(base, T_RUN, run_row, child)
    {
        char name[32];
        bool started = false;
        bool ended = false;
        snprintf(name, sizeof name, "r_%" PRId64, child->id);
        BASE_EACH(base, T_STEP, step_row, step)
        {
            bool ours = step->tenant == run->tenant && step->run == run->id && step->seq <= at &&
                        strcmp(child_of(step), name) == 0;
            started = started || (ours && step->kind == RV_STEP_START);
            ended = ended || (ours && step->kind == RV_STEP_CHILD);
        }
        if (child->tenant == run->tenant && child->parent == run->id && started && !ended &&
            (oldest == NULL || child->id < oldest->id)) {
            oldest = child;
        }
    }
    return oldest != NULL ? run_name(oldest->id) : json_null();
}

static json_t *later_run(struct base *base, const struct run_row *run)
{
    int64_t newest = 0;
    BASE_EACH(base, T_RUN, run_row, other)
    {
        bool well = !base_is(other->status, "failed") && !base_is(other->status, "cancelled") &&
                    !base_is(other->status, "compensated") && !base_is(other->status, "diverged");
        if (other->tenant == run->tenant && run->key != NULL && base_is(other->key, run->key) &&
            other->id > run->id && well && other->id > newest) {
            newest = other->id;
        }
    }
    return newest != 0 ? run_name(newest) : json_null();
}

/* The last one that was published under that name, or beginning of its hash. */
static const struct plan_row *named_plan(struct base *base, const struct run_row *run,
                                         const char *version)
{
    const struct plan_row *found = NULL;
    BASE_EACH(base, T_PLAN, plan_row, plan)
    {
        json_t *hex = base_hex(plan->hash);
        bool named =
            version != NULL && (base_is(plan->version, version) ||
                                (strlen(version) >= 8 && begins(json_string_value(hex), version)));
        if (plan->tenant == run->tenant && base_is(plan->agent, run->agent) && named) {
            found = plan;
        }
        json_decref(hex);
    }
    return found;
}

static json_t *first_of(int32_t seq)
{
    return seq != 0 ? json_integer(seq) : json_null();
}

/* An action or a child, or what takes an action back. */
static bool does(const struct step_row *step)
{
    const char *result = rv_json_str(step->json, "result", "");
    bool executed = strcmp(result, "executed") == 0 || strcmp(result, "repeated") == 0;
    return step->kind == RV_STEP_START
               ? rv_json_bool(step->json, "ok", false)
               : executed && (step->kind == RV_STEP_ACTION || step->kind == RV_STEP_COMPENSATION);
}

/* What is to happen outside has its outcome in the next of these entries. */
static bool did_not_happen(struct base *base, const struct step_row *done)
{
    const struct step_row *next = NULL;
    BASE_EACH(base, T_STEP, step_row, step)
    {
        bool one = step->kind == RV_STEP_ACTION || step->kind == RV_STEP_COMPENSATION ||
                   step->kind == RV_STEP_START || step->kind == RV_STEP_EFFECT;
        if (one && step->tenant == done->tenant && step->run == done->run &&
            step->seq > done->seq && (next == NULL || step->seq < next->seq)) {
            next = step;
        }
    }
    return next != NULL && next->kind == RV_STEP_EFFECT && !rv_json_bool(next->json, "ok", false);
}

json_t *base_fork_facts(struct base *base, int32_t tenant, int64_t id, int32_t at,
                        const char *version)
{
    const struct run_row *run = base_run(base, tenant, id);
    const struct input_row *input = run != NULL ? base_input(base, tenant, id) : NULL;
    int32_t steps = 0;
    int32_t plan_at = 0;
    int32_t outcome = 0;
    int32_t action = 0;
    int standing = 0;
    bool taken_back = false;
    bool outside = false;
    json_t *last = NULL;
    if (input == NULL) {
        return NULL;
    }
    BASE_EACH(base, T_STEP, step_row, step)
    {
        if (step->tenant != tenant || step->run != id) {
            continue;
        }
        steps = step->seq > steps ? step->seq : steps;
        if (step->kind == RV_STEP_PLAN && step->seq <= at &&
            (plan_at == 0 || step->seq < plan_at)) {
            plan_at = step->seq;
        } else if (step->kind == RV_STEP_OUTCOME && (outcome == 0 || step->seq < outcome)) {
            outcome = step->seq;
        } else if (step->kind == RV_STEP_ACTION && (action == 0 || step->seq < action)) {
            action = step->seq;
        }
        if (does(step) && !did_not_happen(base, step)) {
            standing += step->kind != RV_STEP_COMPENSATION && step->seq > at;
            standing -= step->kind == RV_STEP_COMPENSATION;
        }
        taken_back = taken_back || step->kind == RV_STEP_COMPENSATION;
        outside = outside || (step->seq == at + 1 && step->kind == RV_STEP_EFFECT);
        if (step->seq == at) {
            json_t *result = json_object_get(step->json, "result");
            last = json_pack("{s:i,s:s,s:o}", "kind", step->kind, "name", step->name, "result",
                             step->kind == RV_STEP_ACTION && json_is_string(result)
                                 ? json_incref(result)
                                 : json_null());
        }
    }
    const struct revival_row *revival = base_revival(base, tenant, id);
    const struct plan_row *plan = named_plan(base, run, version);
    json_t *facts = json_pack(
        "{s:s,s:s,s:o,s:o,s:O,s:I,s:i,s:o,s:b,s:o,s:o,s:o,s:b}", "status", run->status, "agent",
        run->agent, "plan", base_hex(run->plan), "key", text_or_null(run->key), "input",
        input->input, "created_us", (json_int_t)run->created_us, "steps", (int)steps, "last",
        last != NULL ? last : json_null(), "outside", outside, "plan_at", first_of(plan_at),
        "outcome", first_of(outcome), "action", first_of(action), "taken_back", taken_back);
    RV_ASSERT(facts != NULL);
    json_object_set_new(facts, "standing", json_integer(standing));
    json_object_set_new(facts, "child", open_child(base, run, at));
    json_object_set_new(facts, "dropped", json_null());
    json_object_set_new(facts, "revived", revival != NULL ? run_name(revival->run) : json_null());
    json_object_set_new(facts, "later", later_run(base, run));
    json_object_set_new(facts, "new_plan", plan != NULL ? base_hex(plan->hash) : json_null());
    json_object_set_new(facts, "new_source",
                        plan != NULL ? json_string(plan->source) : json_null());
    return facts;
}

static void run_fork_look(struct base_call *call)
{
    json_t *facts = base_fork_facts(call->base, call->tenant, base_int(call, 2, 0),
                                    (int32_t)base_int(call, 3, 0), base_text(call, 4, 0));
    if (facts != NULL) {
        base_row(call);
        base_out_json(call, facts);
    }
}

/* What was there when the statement began. */
static void run_fork_copy(struct base_call *call)
{
    struct base *base = call->base;
    int before = base->tables[T_STEP].count;
    for (int i = 0; i < base_count(call, 2); i++) {
        for (int k = 0; k < before; k++) {
            const struct step_row *from = base->tables[T_STEP].rows[k];
            if (from->tenant != call->tenant || from->run != base_int(call, 3, i) ||
                from->seq > base_int(call, 4, i)) {
                continue;
            }
            if (base_step(base, base_int(call, 2, i), from->seq) != NULL) {
                base_fail(call, "23505", "journal_default_pkey");
                return;
            }
            struct step_row *step = base_insert(call, T_STEP);
            *step = *from;
            step->run = base_int(call, 2, i);
            step->copied_from = from->run;
        }
    }
}

static void run_revival_put(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        if (base_revival(call->base, call->tenant, base_int(call, 2, i)) != NULL) {
            base_fail(call, "23505", "run_revival_once");
            return;
        }
        struct revival_row *revival = base_insert(call, T_REVIVAL);
        *revival = (struct revival_row){
            .tenant = call->tenant, .of_run = base_int(call, 2, i), .run = base_int(call, 3, i)};
    }
}

static void run_signal_carry(struct base_call *call)
{
    struct base *base = call->base;
    int before = base->tables[T_SIGNAL].count;
    for (int i = 0; i < base_count(call, 2); i++) {
        for (int k = 0; k < before; k++) {
            const struct signal_row *from = base->tables[T_SIGNAL].rows[k];
            bool open = from->consumed_seq == 0 || from->consumed_seq > base_int(call, 4, i);
            if (from->gone || from->tenant != call->tenant || from->run != base_int(call, 3, i) ||
                !open || base_is(from->name, "$cancel") || base_is(from->name, "$budget") ||
                begins(from->name, update_prefix)) {
                continue;
            }
            if (base_signal(base, call->tenant, base_int(call, 2, i), from->id) != NULL) {
                base_fail(call, "23505", "run_signal_pkey");
                return;
            }
            struct signal_row *signal = base_insert(call, T_SIGNAL);
            *signal = *from;
            signal->run = base_int(call, 2, i);
            signal->consumed_seq = 0;
            if (signal->id == base_int(call, 5, i)) {
                signal->body = base_json(call, 6, i);
                signal->sent_by = base_text(call, 7, i);
            }
        }
    }
}

const struct base_word base_words_messages[] = {
    {"run_values", run_values},
    {"run_update_look", run_update_look},
    {"run_update_put", run_update_put},
    {"run_update_get", run_update_get},
    {"run_once_look", run_once_look},
    {"run_once_put", run_once_put},
    {"run_once_answer", run_once_answer},
    {"run_fork_look", run_fork_look},
    {"run_fork_copy", run_fork_copy},
    {"run_revival_put", run_revival_put},
    {"run_signal_carry", run_signal_carry},
    {NULL, NULL},
};
