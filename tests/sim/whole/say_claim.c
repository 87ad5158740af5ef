/* say_claim.c -- the statements about business keys: who holds one, who waits for it, who gets it;
 * see runtime/run/claim.h.
 */
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "tests/sim/whole/base.h"
#include "tests/sim/whole/rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { RUNS_MAX = 128 };

static struct run_row *holder(struct base *base, int32_t tenant, const char *key)
{
    BASE_EACH(base, T_RUN, run_row, run)
    {
        if (run->tenant == tenant && run->claims && base_is(run->key, key) && !base_run_over(run)) {
            return run;
        }
    }
    return NULL;
}

/* What it waits for; there in more words. */
static const char *waits(struct base *base, const struct run_row *run)
{
    const struct step_row *step = base_step(base, run->id, run->steps);
    bool nameless = base_is(run->waiting_on, "run") &&
                    (step == NULL || rv_json_str(step->json, "run", NULL) == NULL);
    return !base_is(run->status, "waiting") || nameless ? NULL : run->waiting_on;
}

/* "r_1", "exception" or a principal; NULL without a record of its beginning. */
static const char *begun_by(struct base *base, const struct run_row *run)
{
    char name[32];
    const char *found = NULL;
    snprintf(name, sizeof name, "r_%" PRId64, run->parent);
    if (run->parent != 0) {
        return json_string_value(base_keep(base, json_string(name)));
    }
    BASE_EACH(base, T_AUDIT, audit_row, record)
    {
        if (found == NULL && record->tenant == run->tenant && record->run == run->id &&
            record->step == 0 && base_is(record->kind, "decision")) {
            json_t *body = base_keep(base, json_loads(record->body, 0, NULL));
            bool begins = base_is(rv_json_str(body, "action", NULL), "run.start");
            found = begins ? rv_json_str(body, "principal", NULL) : NULL;
        }
    }
    return base_is(found, "system:orchestrator") ? "exception" : found;
}

static void run_claim_holder(struct base_call *call)
{
    const struct run_row *run = holder(call->base, call->tenant, base_text(call, 2, 0));
    if (run == NULL) {
        return;
    }
    char since[RV_TIME_TEXT];
    rv_time_text(run->created_us, since);
    since[10] = ' ';
    since[19] = '\0';
    base_row(call);
    base_out_int(call, run->id);
    base_out_text(call, run->agent);
    base_out_text(call, since);
    base_out_text(call, run->status);
    base_out_text(call, run->waiting_on);
    base_out_text(call, waits(call->base, run));
    base_out_int(call, run->priority);
    base_out_text(call, begun_by(call->base, run));
}

/* ---- who comes second ---- */

bool base_is_told_to_stop(struct base *base, const struct run_row *run)
{
    bool told = false;
    BASE_EACH(base, T_SIGNAL, signal_row, signal)
    {
        told = told || (signal->tenant == run->tenant && signal->run == run->id &&
                        signal->consumed_seq == 0 && base_is(signal->name, "$cancel"));
    }
    return told;
}

bool base_waits_for_key(const struct run_row *run)
{
    return base_is(run->status, "waiting") && base_is(run->waiting_on, "lock");
}

static json_t *highest_waiting(struct base *base, const struct run_row *held)
{
    const struct run_row *highest = NULL;
    BASE_EACH(base, T_RUN, run_row, run)
    {
        if (run->tenant == held->tenant && base_is(run->key, held->key) && !run->claims &&
            base_waits_for_key(run) && (highest == NULL || run->priority > highest->priority)) {
            highest = run;
        }
    }
    return highest != NULL ? json_integer(highest->priority) : json_null();
}

/* What people see of it. */
static json_t *facts_of(struct base *base, const struct run_row *held)
{
    char name[32];
    char since[RV_TIME_TEXT];
    snprintf(name, sizeof name, "r_%" PRId64, held->id);
    rv_time_text(held->created_us, since);
    since[19] = 'Z';
    since[20] = '\0';
    const struct input_row *input = base_input(base, held->tenant, held->id);
    return input == NULL
               ? NULL
               : json_pack("{s:{s:s,s:s,s:i,s:s,s:s?,s:s?,s:s,s:O?}}", "holder", "run", name,
                           "agent", held->agent, "priority", held->priority, "status", held->status,
                           "waiting_on", held->waiting_on, "begun_by", begun_by(base, held),
                           "since", since, "input", json_object_get(input->input, "exception"));
}

static void look_at_holder(struct base_call *call, int unit, const struct run_row *held, bool asks)
{
    struct base *base = call->base;
    bool ending = held->error_code != NULL || base_is_told_to_stop(base, held);
    json_t *next = highest_waiting(base, held);
    json_t *facts = NULL;
    bool question = asks && !ending && json_is_null(next);
    if (question) {
        facts = facts_of(base, held);
    }
    json_t *state =
        json_pack("{s:I,s:s,s:i,s:b,s:b,s:o,s:o*}", "run", (json_int_t)held->id, "agent",
                  held->agent, "priority", held->priority, "stopping", ending || base_acts(held),
                  "ending", ending, "next", next, "facts", facts);
    base_row(call);
    base_out_int(call, unit);
    base_out_json(call, question && facts == NULL ? (json_decref(state), NULL) : state);
}

static void run_claim_look(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        const json_t *args = base_json(call, 3, i);
        const char *key = rv_json_str(args, "key", NULL);
        const struct run_row *held = key != NULL ? holder(call->base, call->tenant, key) : NULL;
        if (held != NULL) {
            look_at_holder(call, (int)base_int(call, 2, i), held,
                           base_is(rv_json_str(args, "claims", NULL), "ask"));
        }
    }
}

static void run_claim_set(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        struct run_row *run = base_run(call->base, call->tenant, base_int(call, 2, i));
        if (run != NULL) {
            base_touch(call, T_RUN, run);
            run->priority = (int)base_int(call, 3, i);
            run->status = run->claims ? run->status : "waiting";
            run->waiting_on = run->claims ? run->waiting_on : "lock";
            if (base_claim_hurt(call->base, run)) {
                base_fail(call, "23505", "run_claim");
                return;
            }
        }
    }
}

/* ---- when the holder ends ---- */

static bool is_rest(const struct signal_row *signal, const struct run_row *run)
{
    return signal->tenant == run->tenant && signal->run == run->id && signal->consumed_seq == 0 &&
           base_is(signal->name, "merge");
}

static const struct signal_row *oldest_rest(struct base *base, const struct run_row *run)
{
    const struct signal_row *oldest = NULL;
    BASE_EACH(base, T_SIGNAL, signal_row, signal)
    {
        if (is_rest(signal, run) && json_is_object(signal->body) &&
            (oldest == NULL || signal->id < oldest->id)) {
            oldest = signal;
        }
    }
    return oldest;
}

static bool is_taken(struct base *base, const struct signal_row *moved)
{
    BASE_EACH(base, T_SIGNAL, signal_row, signal)
    {
        if (signal != moved && signal->tenant == moved->tenant && signal->run == moved->run &&
            signal->id == moved->id) {
            return true;
        }
    }
    return false;
}

/* The oldest is the new run; it gets the others. */
static bool pass_rest(struct base_call *call, const struct run_row *ended, int64_t oldest)
{
    BASE_EACH(call->base, T_SIGNAL, signal_row, signal)
    {
        if (is_rest(signal, ended)) {
            base_touch(call, T_SIGNAL, signal);
            signal->consumed_seq = signal->id == oldest ? -1 : 0;
            signal->run = signal->id == oldest ? signal->run : oldest;
            if (is_taken(call->base, signal)) {
                base_fail(call, "23505", "run_signal_pkey");
                return false;
            }
        }
    }
    return true;
}

/* Of several keys that are hurt PostgreSQL names that of the part which stands last. */
static bool begin_rest(struct base_call *call, const struct run_row *ended,
                       const struct signal_row *oldest)
{
    const struct input_row *before = base_input(call->base, call->tenant, ended->id);
    json_t *flow = before != NULL ? json_object_get(before->input, "flow") : NULL;
    if (json_array_size(json_object_get(flow, "keys")) > 0 &&
        base_has_places(call->base, call->tenant, oldest->id)) {
        base_fail(call, "23505", "run_flow_pkey");
        return false;
    }
    if (base_has_far_input(call->base, call->tenant, oldest->id)) {
        base_fail(call, "23505", "run_input_pkey");
        return false;
    }
    if (base_run(call->base, call->tenant, oldest->id) != NULL) {
        base_fail(call, "23505", "run_pkey");
        return false;
    }
    char today[RV_TIME_TEXT];
    rv_time_text(base_now_us(call->base), today);
    today[10] = '\0';
    struct run_row *run = base_insert(call, T_RUN);
    *run = (struct run_row){.tenant = call->tenant,
                            .id = oldest->id,
                            .agent = ended->agent,
                            .status = "waiting",
                            .waiting_on = "lock",
                            .key = ended->key,
                            .priority = ended->priority,
                            .created_us = base_now_us(call->base),
                            .changed_us = base_now_us(call->base)};
    memcpy(run->plan, ended->plan, sizeof run->plan);
    struct input_row *input = base_insert(call, T_INPUT);
    *input = (struct input_row){
        .tenant = call->tenant,
        .run = oldest->id,
        .input = base_keep(call->base, json_pack("{s:s,s:O,s:s?}", "today", today, "exception",
                                                 oldest->body, "claim", ended->key)),
        .budget = base_keep(call->base, json_object())};
    if (flow != NULL) {
        json_object_set(input->input, "flow", flow);
    }
    return base_put_places(call, oldest->id, flow, base_now_us(call->base));
}

static void run_claim_rest(struct base_call *call)
{
    const struct run_row *ended[RUNS_MAX];
    const struct signal_row *oldest[RUNS_MAX];
    int count = 0;
    bool ok = true;
    for (int i = 0; i < base_count(call, 2); i++) {
        const struct run_row *run = base_run(call->base, call->tenant, base_int(call, 2, i));
        const struct signal_row *rest =
            run != NULL && run->claims ? oldest_rest(call->base, run) : NULL;
        if (rest != NULL) {
            RV_ASSERT(count < RUNS_MAX);
            ended[count] = run;
            oldest[count++] = rest;
        }
    }
    for (int i = 0; i < count && ok; i++) {
        ok = pass_rest(call, ended[i], oldest[i]->id);
    }
    for (int i = 0; i < count && ok; i++) {
        ok = begin_rest(call, ended[i], oldest[i]);
    }
}

/* People have decided that it shall have the key. */
static bool is_chosen(struct base *base, const struct run_row *run)
{
    BASE_EACH(base, T_APPROVAL, approval_row, approval)
    {
        if (approval->tenant == run->tenant && approval->run == run->id &&
            base_is(approval->action, "run.start") && base_is(approval->status, "consumed")) {
            return true;
        }
    }
    return false;
}

/* Does `one` get the key before `other`? */
static bool comes_before(struct base *base, const struct run_row *one, const struct run_row *other)
{
    bool later = base_waits_for_key(one);
    if (later != base_waits_for_key(other)) {
        return !later;
    }
    bool chosen = is_chosen(base, one);
    if (chosen != is_chosen(base, other)) {
        return chosen;
    }
    return one->priority != other->priority ? one->priority > other->priority : one->id < other->id;
}

static struct run_row *heir(struct base *base, const struct run_row *ended)
{
    struct run_row *first = NULL;
    BASE_EACH(base, T_RUN, run_row, run)
    {
        if (run->tenant == ended->tenant && ended->key != NULL && base_is(run->key, ended->key) &&
            !run->claims && !base_run_over(run) &&
            (first == NULL || comes_before(base, run, first))) {
            first = run;
        }
    }
    return first;
}

static bool give(struct base_call *call, struct run_row *next, int priority)
{
    base_touch(call, T_RUN, next);
    next->claims = true;
    if (base_waits_for_key(next)) {
        bool places = base_has_places(call->base, next->tenant, next->id);
        next->status = places ? "waiting" : "created";
        next->waiting_on = places ? "slot" : NULL;
        next->has_wake = places || next->has_wake;
        next->wake_us = places ? base_now_us(call->base) : next->wake_us;
        next->changed_us = base_now_us(call->base);
    } else if (priority > next->priority) {
        next->priority = priority;
    }
    if (base_claim_hurt(call->base, next)) {
        base_fail(call, "23505", "run_claim");
        return false;
    }
    return true;
}

static void run_claim_pass(struct base_call *call)
{
    struct run_row *next[RUNS_MAX]; /* as they stood when the statement began */
    int priority[RUNS_MAX];
    int count = 0;
    for (int i = 0; i < base_count(call, 2); i++) {
        const struct run_row *ended = base_run(call->base, call->tenant, base_int(call, 2, i));
        struct run_row *found = ended != NULL && ended->claims ? heir(call->base, ended) : NULL;
        int at = 0;
        while (at < count && next[at] != found) {
            at++;
        }
        if (found != NULL && at < count) {
            priority[at] = ended->priority > priority[at] ? ended->priority : priority[at];
        } else if (found != NULL) {
            RV_ASSERT(count < RUNS_MAX);
            next[count] = found;
            priority[count++] = ended->priority;
        }
    }
    bool ok = true;
    for (int i = 0; i < count && ok; i++) {
        ok = give(call, next[i], priority[i]);
    }
}

const struct base_word base_words_claim[] = {
    {"run_claim_holder", run_claim_holder}, {"run_claim_look", run_claim_look},
    {"run_claim_set", run_claim_set},       {"run_claim_rest", run_claim_rest},
    {"run_claim_pass", run_claim_pass},     {NULL, NULL},
};
