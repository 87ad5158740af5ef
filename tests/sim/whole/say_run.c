/* say_run.c -- runtime/run/sql: what the orchestrator looks for and the store reads and writes. */
#include "tests/sim/whole/base.h"

#include "runtime/base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a run as it is resumed ---- */

static struct input_row *find_input(struct base *base, int32_t tenant, int64_t run)
{
    BASE_EACH(base, T_INPUT, input_row, input)
    {
        if (input->tenant == tenant && input->run == run) {
            return input;
        }
    }
    return NULL;
}

static struct plan_row *find_plan(struct base *base, int32_t tenant, const uint8_t *hash)
{
    BASE_EACH(base, T_PLAN, plan_row, plan)
    {
        if (plan->tenant == tenant && memcmp(plan->hash, hash, RV_HASH_BYTES) == 0) {
            return plan;
        }
    }
    return NULL;
}

static struct agent_row *find_agent(struct base *base, int32_t tenant, const char *name)
{
    BASE_EACH(base, T_AGENT, agent_row, agent)
    {
        if (agent->tenant == tenant && strcmp(agent->name, name) == 0) {
            return agent;
        }
    }
    return NULL;
}

static void run_image(struct base_call *call)
{
    struct base *base = call->base;
    const struct run_row *run = base_run(base, call->tenant, base_int(call, 2, 0));
    if (run == NULL) {
        return;
    }
    const struct plan_row *plan = find_plan(base, run->tenant, run->plan);
    const struct input_row *input = find_input(base, run->tenant, run->id);
    const struct agent_row *agent = find_agent(base, run->tenant, run->agent);
    if (plan == NULL || input == NULL) {
        return;
    }
    base_row(call);
    base_out_text(call, run->status);
    base_out_text(call, run->agent);
    base_out_text(call, agent != NULL ? agent->owner : "operator");
    base_out_bytes(call, run->plan, RV_HASH_BYTES);
    base_out_text(call, plan->source);
    base_out_json(call, json_incref(input->input));
    base_out_time(call, run->created_us);
    base_out_int(call, run->depth);
    base_out_int(call, base_head(base, run->tenant)->epoch);
    base_out_int(call, run->parent);
    base_out_json(call, json_incref(input->budget));
    base_out_time(call, base_now_us(base));
}

static int by_seq(const void *a, const void *b)
{
    const struct step_row *left = *(const struct step_row *const *)a;
    const struct step_row *right = *(const struct step_row *const *)b;
    return left->seq < right->seq ? -1 : left->seq > right->seq;
}

/* From the newest checkpoint on. */
static void run_steps(struct base_call *call)
{
    enum { STEPS_MAX = 4096, CHECKPOINT = 20 };
    static const struct step_row *found[STEPS_MAX];
    size_t count = 0;
    int32_t first = 0;
    int64_t run = base_int(call, 2, 0);
    BASE_EACH(call->base, T_STEP, step_row, step)
    {
        if (step->tenant == call->tenant && step->run == run) {
            RV_ASSERT(count < STEPS_MAX);
            found[count++] = step;
            first = step->kind == CHECKPOINT && step->seq > first ? step->seq : first;
        }
    }
    qsort(found, count, sizeof found[0], by_seq);
    for (size_t i = 0; i < count; i++) {
        if (found[i]->seq < first) {
            continue;
        }
        base_row(call);
        base_out_int(call, found[i]->seq);
        base_out_int(call, found[i]->kind);
        base_out_text(call, found[i]->name);
        base_out_bytes(call, found[i]->digest, sizeof found[i]->digest);
        base_out_bytes(call, found[i]->out, found[i]->out_length);
    }
}

/* ---- what can move ---- */

static bool is_active(const struct run_row *run)
{
    return base_is(run->status, "created") || base_is(run->status, "planning") ||
           base_is(run->status, "executing") || base_is(run->status, "reviewing") ||
           base_is(run->status, "compensating");
}

static bool has_question(struct base *base, const struct run_row *run)
{
    BASE_EACH(base, T_APPROVAL, approval_row, approval)
    {
        if (approval->tenant == run->tenant && approval->run == run->id &&
            base_is(approval->status, "requested")) {
            return true;
        }
    }
    return false;
}

/* The newest step names the signal that is waited for. */
static bool has_signal(struct base *base, const struct run_row *run)
{
    const struct step_row *step = base_step(base, run->id, run->steps);
    const char *name = step != NULL ? rv_json_str(step->json, "name", NULL) : NULL;
    BASE_EACH(base, T_SIGNAL, signal_row, signal)
    {
        if (signal->tenant == run->tenant && signal->run == run->id && signal->consumed_seq == 0 &&
            !base_is(signal->name, "$cancel") && base_is(name, signal->name)) {
            return true;
        }
    }
    return false;
}

struct due_run {
    int64_t id;
    bool answered;
};

/* Those that a person has answered first. */
static int by_turn(const void *a, const void *b)
{
    const struct due_run *left = a;
    const struct due_run *right = b;
    return left->answered != right->answered ? (left->answered ? -1 : 1)
                                             : (left->id > right->id) - (left->id < right->id);
}

/* The limit of each branch is the limit of the whole, and there are fewer runs than it.  A run that
 * is due for both reasons comes twice. */
static void runs_due(struct base_call *call)
{
    enum { RUNS_MAX = 1024 };
    static struct due_run found[RUNS_MAX];
    size_t count = 0;
    struct base *base = call->base;
    RV_ASSERT(base_int(call, 2, 0) >= 64 && base->tables[T_RUN].count < 128);
    BASE_EACH(base, T_RUN, run_row, run)
    {
        if (run->tenant != call->tenant) {
            continue;
        }
        bool waiting = base_is(run->status, "waiting");
        if (is_active(run) || (waiting && run->has_wake && run->wake_us <= base_now_us(base))) {
            found[count++] = (struct due_run){run->id, false};
        }
        if ((waiting && base_is(run->waiting_on, "approval") && !has_question(base, run)) ||
            (waiting && base_is(run->waiting_on, "signal") && has_signal(base, run))) {
            found[count++] = (struct due_run){run->id, true};
        }
    }
    qsort(found, count, sizeof found[0], by_turn);
    for (size_t i = 0; i < count && i < (size_t)base_int(call, 2, 0); i++) {
        base_row(call);
        base_out_int(call, found[i].id);
        base_out_bool(call, found[i].answered);
    }
}

static struct signal_row *oldest_signal(struct base *base, int32_t tenant, int64_t run,
                                        const char *name)
{
    struct signal_row *oldest = NULL;
    BASE_EACH(base, T_SIGNAL, signal_row, signal)
    {
        if (signal->tenant == tenant && (run == 0 || signal->run == run) &&
            signal->consumed_seq == 0 && base_is(signal->name, name) &&
            (oldest == NULL || signal->id < oldest->id)) {
            oldest = signal;
        }
    }
    return oldest;
}

static void run_signal_next(struct base_call *call)
{
    const struct signal_row *signal =
        oldest_signal(call->base, call->tenant, base_int(call, 2, 0), base_text(call, 3, 0));
    if (signal != NULL) {
        base_row(call);
        base_out_int(call, signal->id);
        base_out_json(call, json_incref(signal->body));
    }
}

static struct signal_row *find_signal(struct base *base, int32_t tenant, int64_t run, int64_t id)
{
    BASE_EACH(base, T_SIGNAL, signal_row, signal)
    {
        if (signal->tenant == tenant && signal->run == run && signal->id == id) {
            return signal;
        }
    }
    return NULL;
}

static void run_signal_consume(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        struct signal_row *signal =
            find_signal(call->base, call->tenant, base_int(call, 2, i), base_int(call, 3, i));
        if (signal != NULL) {
            base_touch(call, T_SIGNAL, signal);
            signal->consumed_seq = (int)base_int(call, 4, i);
        }
    }
}

static void put_signal(struct base_call *call, int64_t run, int64_t id, const char *name,
                       json_t *body, const char *sent_by)
{
    struct signal_row *signal = base_insert(call, T_SIGNAL);
    *signal = (struct signal_row){.tenant = call->tenant,
                                  .run = run,
                                  .id = id,
                                  .name = name,
                                  .body = body,
                                  .sent_by = sent_by};
}

static void run_signal_put(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        int64_t run = base_int(call, 2, i);
        int64_t id = base_int(call, 3, i);
        if (find_signal(call->base, call->tenant, run, id) != NULL) {
            base_fail(call, "23505", "run_signal_pkey");
            return;
        }
        put_signal(call, run, id, base_text(call, 4, i), base_json(call, 5, i),
                   base_text(call, 6, i));
    }
}

static void runs_to_cancel(struct base_call *call)
{
    struct base *base = call->base;
    int64_t after = 0;
    int64_t limit = base_int(call, 2, 0);
    for (;;) { /* by id */
        const struct signal_row *next = NULL;
        BASE_EACH(base, T_SIGNAL, signal_row, signal)
        {
            if (signal->tenant == call->tenant && base_is(signal->name, "$cancel") &&
                signal->consumed_seq == 0 && signal->id > after &&
                (next == NULL || signal->id < next->id)) {
                next = signal;
            }
        }
        if (next == NULL) {
            return;
        }
        after = next->id;
        BASE_EACH(base, T_SIGNAL, signal_row, same)
        { /* a parent's end has one id for all */
            const struct run_row *run = base_run(base, call->tenant, same->run);
            if (same->tenant == call->tenant && same->id == after && same->consumed_seq == 0 &&
                base_is(same->name, "$cancel") && run != NULL && !base_run_over(run) &&
                run->error_code == NULL && limit-- > 0) {
                base_row(call);
                base_out_int(call, run->id);
                base_out_text(call, rv_json_str(same->body, "reason", NULL));
            }
        }
    }
}

static void run_status(struct base_call *call)
{
    const struct run_row *run = base_run(call->base, call->tenant, base_int(call, 2, 0));
    if (run != NULL) {
        base_row(call);
        base_out_text(call, run->status);
    }
}

/* ---- families ---- */

static json_t *hex_json(const uint8_t *hash)
{
    struct rv_hash value;
    char hex[RV_HASH_HEX];
    memcpy(value.bytes, hash, RV_HASH_BYTES);
    rv_hash_hex(&value, hex);
    return json_string(hex);
}

static void run_child_look(struct base_call *call)
{
    struct base *base = call->base;
    const struct agent_row *agent = find_agent(base, call->tenant, base_text(call, 3, 0));
    const struct plan_row *plan =
        agent != NULL && agent->enabled ? find_plan(base, call->tenant, agent->hash) : NULL;
    json_t *chain = NULL;
    const struct run_row *run = base_run(base, call->tenant, base_int(call, 2, 0));
    for (int n = 0; run != NULL && n < 64; n++) {
        chain = chain != NULL ? chain : json_array();
        json_array_append_new(chain,
                              json_pack("{s:I,s:s,s:s?,s:b}", "run", (json_int_t)run->id, "agent",
                                        run->agent, "key", run->key, "open", !base_run_over(run)));
        run = run->parent != 0 ? base_run(base, call->tenant, run->parent) : NULL;
    }
    base_row(call);
    base_out_json(call,
                  json_pack("{s:s,s:o,s:o}", "currency", "EUR", "agent",
                            plan != NULL ? json_pack("{s:o,s:O}", "hash", hex_json(agent->hash),
                                                     "manifest", plan->manifest)
                                         : json_null(),
                            "chain", chain != NULL ? chain : json_null()));
}

static struct result_row *find_result(struct base *base, int32_t tenant, int64_t run)
{
    BASE_EACH(base, T_RESULT, result_row, result)
    {
        if (result->tenant == tenant && result->run == run) {
            return result;
        }
    }
    return NULL;
}

static void run_child_end(struct base_call *call)
{
    const struct run_row *run = base_run(call->base, call->tenant, base_int(call, 2, 0));
    if (run == NULL || !base_run_over(run)) {
        return;
    }
    const struct result_row *result = find_result(call->base, call->tenant, run->id);
    base_row(call);
    base_out_text(call, run->status);
    base_out_text(call, run->error_code);
    base_out_text(call, run->error_text);
    base_out_json(call, result != NULL ? json_incref(result->result) : NULL);
}

static struct run_row *heir(struct base *base, const struct run_row *ended)
{
    struct run_row *oldest = NULL;
    BASE_EACH(base, T_RUN, run_row, run)
    {
        if (run->tenant == ended->tenant && ended->key != NULL && base_is(run->key, ended->key) &&
            !run->claims && !base_run_over(run) && (oldest == NULL || run->id < oldest->id)) {
            oldest = run;
        }
    }
    return oldest;
}

static void run_claim_pass(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        const struct run_row *ended = base_run(call->base, call->tenant, base_int(call, 2, i));
        struct run_row *next = ended != NULL && ended->claims ? heir(call->base, ended) : NULL;
        if (next != NULL) {
            base_touch(call, T_RUN, next);
            next->claims = true;
            if (base_claim_hurt(call->base, next)) {
                base_fail(call, "23505", "run_claim");
                return;
            }
        }
    }
}

static void run_parent_wake(struct base_call *call)
{
    struct base *base = call->base;
    for (int i = 0; i < base_count(call, 2); i++) {
        const struct run_row *child = base_run(base, call->tenant, base_int(call, 2, i));
        struct run_row *parent = child != NULL && child->parent != 0 && base_run_over(child)
                                     ? base_run(base, call->tenant, child->parent)
                                     : NULL;
        if (parent == NULL || !base_is(parent->status, "waiting") ||
            !base_is(parent->waiting_on, "run")) {
            continue;
        }
        const struct step_row *step = base_step(base, parent->id, parent->steps);
        char name[32];
        snprintf(name, sizeof name, "r_%" PRId64, child->id);
        if (step != NULL && strcmp(rv_json_str(step->json, "run", ""), name) == 0) {
            base_touch(call, T_RUN, parent);
            parent->has_wake = true;
            parent->wake_us = base_now_us(base);
        }
    }
}

static void run_children_stop(struct base_call *call)
{
    struct base *base = call->base;
    for (int i = 0; i < base_count(call, 2); i++) {
        int64_t ended = base_int(call, 2, i);
        char sender[32];
        snprintf(sender, sizeof sender, "run:r_%" PRId64, ended);
        BASE_EACH(base, T_RUN, run_row, child)
        {
            bool policy = base_is(child->close, "cancel") ||
                          (base_bool(call, 3, i) && base_is(child->close, "wait"));
            if (child->tenant == call->tenant && child->parent == ended && policy &&
                !base_run_over(child) &&
                find_signal(base, call->tenant, child->id, ended) == NULL) {
                put_signal(call, child->id, ended, "$cancel",
                           base_keep(base, json_pack("{s:s?}", "reason", base_text(call, 4, i))),
                           rv_arena_strdup(base->arena, sender));
            }
        }
    }
}

/* ---- what a plan reads and remembers ---- */

static void approval_status_get(struct base_call *call)
{
    BASE_EACH(call->base, T_APPROVAL, approval_row, approval)
    {
        if (approval->tenant == call->tenant && approval->id == base_int(call, 2, 0)) {
            base_row(call);
            base_out_text(call, approval->status);
        }
    }
}

static struct memory_row *find_memory(struct base *base, int32_t tenant, const char *agent,
                                      const char *key)
{
    BASE_EACH(base, T_MEMORY, memory_row, memory)
    {
        if (memory->tenant == tenant && strcmp(memory->agent, agent) == 0 &&
            strcmp(memory->key, key) == 0) {
            return memory;
        }
    }
    return NULL;
}

static void agent_memory_get(struct base_call *call)
{
    const struct memory_row *memory =
        find_memory(call->base, call->tenant, base_text(call, 2, 0), base_text(call, 3, 0));
    if (memory != NULL) {
        base_row(call);
        base_out_json(call, json_incref(memory->value));
    }
}

/* Two rows of one statement cannot take the same place: the batch is split then. */
static void agent_memory_put(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        const char *agent = base_text(call, 2, i);
        const char *key = base_text(call, 3, i);
        for (int k = 0; k < i; k++) {
            if (base_is(base_text(call, 2, k), agent) && base_is(base_text(call, 3, k), key)) {
                base_fail(call, "21000", NULL);
                return;
            }
        }
        struct memory_row *memory = find_memory(call->base, call->tenant, agent, key);
        if (memory == NULL) {
            memory = base_insert(call, T_MEMORY);
        } else {
            base_touch(call, T_MEMORY, memory);
        }
        *memory = (struct memory_row){.tenant = call->tenant,
                                      .agent = agent,
                                      .key = key,
                                      .value = base_json(call, 4, i),
                                      .run = base_int(call, 5, i)};
    }
}

static void run_result_put(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        int64_t run = base_int(call, 2, i);
        struct result_row *result = find_result(call->base, call->tenant, run);
        if (result == NULL) {
            result = base_insert(call, T_RESULT);
        } else {
            base_touch(call, T_RESULT, result);
        }
        result->tenant = call->tenant;
        result->run = run;
        result->result = base_json(call, 3, i);
    }
}

/* ---- agents and exceptions ---- */

static void plan_source_put(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        uint8_t hash[RV_HASH_BYTES];
        base_hash(call, 2, i, hash);
        if (find_plan(call->base, call->tenant, hash) == NULL) {
            struct plan_row *plan = base_insert(call, T_PLAN);
            plan->tenant = call->tenant;
            memcpy(plan->hash, hash, sizeof hash);
            plan->agent = base_text(call, 3, i);
            plan->manifest = base_json(call, 5, i);
            plan->source = base_text(call, 6, i);
        }
    }
}

static void agent_activate(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        const char *name = base_text(call, 2, i);
        struct agent_row *agent = find_agent(call->base, call->tenant, name);
        if (agent == NULL) {
            agent = base_insert(call, T_AGENT);
            agent->tenant = call->tenant;
            agent->name = name;
            agent->owner = base_text(call, 4, i);
        } else {
            base_touch(call, T_AGENT, agent);
        }
        base_hash(call, 3, i, agent->hash);
        agent->enabled = true;
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct agent_row *const *)a)->name,
                  (*(const struct agent_row *const *)b)->name);
}

static void agents_active(struct base_call *call)
{
    enum { AGENTS_MAX = 64 };
    const struct agent_row *found[AGENTS_MAX];
    size_t count = 0;
    BASE_EACH(call->base, T_AGENT, agent_row, agent)
    {
        if (agent->tenant == call->tenant && agent->enabled && count < AGENTS_MAX) {
            found[count++] = agent;
        }
    }
    qsort(found, count, sizeof found[0], by_name);
    for (size_t i = 0; i < count; i++) {
        const struct plan_row *plan = find_plan(call->base, call->tenant, found[i]->hash);
        if (plan != NULL) {
            base_row(call);
            base_out_text(call, found[i]->name);
            base_out_bytes(call, found[i]->hash, RV_HASH_BYTES);
            base_out_json(call, json_incref(plan->manifest));
            base_out_text(call, found[i]->owner);
        }
    }
}

static const char *business_key(const struct exception_row *exception, char out[96])
{
    struct rv_hash hash;
    char hex[RV_HASH_HEX];
    memcpy(hash.bytes, exception->key, RV_HASH_BYTES);
    rv_hash_hex(&hash, hex);
    snprintf(out, 96, "exception:%s", hex);
    return out;
}

/* A later run in the family speaks for it. */
static bool handed_over(struct base *base, const struct run_row *run)
{
    BASE_EACH(base, T_RUN, run_row, next)
    {
        if (next->tenant == run->tenant && next->parent == run->id &&
            base_is(next->close, "handoff")) {
            return true;
        }
    }
    return false;
}

/* Has a run taken the exception as it is now, or failed at it a moment ago? */
static bool is_taken(struct base *base, const struct exception_row *exception)
{
    char key[96];
    business_key(exception, key);
    BASE_EACH(base, T_RUN, run_row, run)
    {
        const struct input_row *input = find_input(base, run->tenant, run->id);
        if (run->tenant != exception->tenant || !base_is(run->key, key) || input == NULL) {
            continue;
        }
        bool current = rv_json_int(input->input, "found_seq", 0) >= exception->found_seq;
        if (base_is(run->status, "failed")) {
            if (current && run->changed_us > base_now_us(base) - INT64_C(60000000)) {
                return true;
            }
            continue;
        }
        if (!base_run_over(run) ||
            (current && (run->parent == 0 || base_is(run->close, "handoff")) &&
             !handed_over(base, run))) {
            return true;
        }
    }
    return false;
}

static bool resource_busy(struct base *base, const struct exception_row *exception)
{
    BASE_EACH(base, T_EXCEPTION, exception_row, other)
    {
        if (other->tenant != exception->tenant ||
            strcmp(other->resource, exception->resource) != 0) {
            continue;
        }
        char key[96];
        business_key(other, key);
        BASE_EACH(base, T_RUN, run_row, run)
        {
            if (run->tenant == other->tenant && base_is(run->key, key) && !base_run_over(run) &&
                !(base_is(run->status, "waiting") && base_is(run->waiting_on, "approval"))) {
                return true;
            }
        }
    }
    return false;
}

static json_t *exception_json(const struct exception_row *exception)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:O,s:I,s:I}", "type", exception->type, "subject",
                     exception->subject, "resource", exception->resource, "summary",
                     exception->summary, "state", exception->state, "evidence", exception->evidence,
                     "opened_seq", (json_int_t)exception->opened_seq, "found_seq",
                     (json_int_t)exception->found_seq);
}

static void put_exception(struct base_call *call, const struct exception_row *exception)
{
    json_t *hex = hex_json(exception->key);
    base_row(call);
    base_out_text(call, json_string_value(hex));
    base_out_text(call, exception->type);
    base_out_json(call, exception_json(exception));
    json_decref(hex);
}

static int by_type_and_key(const void *a, const void *b)
{
    const struct exception_row *left = *(const struct exception_row *const *)a;
    const struct exception_row *right = *(const struct exception_row *const *)b;
    int order = strcmp(left->type, right->type);
    return order != 0 ? order : memcmp(left->key, right->key, RV_HASH_BYTES);
}

static void exceptions_waiting(struct base_call *call)
{
    enum { FOUND_MAX = 256 };
    struct base *base = call->base;
    const struct exception_row *found[FOUND_MAX];
    size_t count = 0;
    BASE_EACH(base, T_EXCEPTION, exception_row, exception)
    {
        if (exception->tenant != call->tenant || !base_is(exception->state, "open") ||
            is_taken(base, exception) || resource_busy(base, exception)) {
            continue;
        }
        size_t i = 0; /* the oldest of each resource */
        while (i < count && strcmp(found[i]->resource, exception->resource) != 0) {
            i++;
        }
        if (i == count) {
            RV_ASSERT(count < FOUND_MAX);
            found[count++] = exception;
        } else if (exception->opened_seq < found[i]->opened_seq) {
            found[i] = exception;
        }
    }
    qsort(found, count, sizeof found[0], by_type_and_key);
    for (size_t i = 0; i < count && i < (size_t)base_int(call, 2, 0); i++) {
        put_exception(call, found[i]);
    }
}

static void exceptions_newest(struct base_call *call)
{
    int64_t newest = 0;
    BASE_EACH(call->base, T_EXCEPTION, exception_row, exception)
    {
        if (exception->tenant == call->tenant && base_is(exception->state, "open") &&
            exception->found_seq > newest) {
            newest = exception->found_seq;
        }
    }
    base_row(call);
    base_out_int(call, newest);
}

static void exception_open(struct base_call *call)
{
    const char *wanted = base_text(call, 2, 0);
    BASE_EACH(call->base, T_EXCEPTION, exception_row, exception)
    {
        json_t *hex = hex_json(exception->key);
        if (exception->tenant == call->tenant && base_is(exception->state, "open") &&
            base_is(wanted, json_string_value(hex))) {
            put_exception(call, exception);
        }
        json_decref(hex);
    }
}

const struct base_word base_words_run[] = {
    {"run_image", run_image},
    {"run_steps", run_steps},
    {"runs_due", runs_due},
    {"run_signal_next", run_signal_next},
    {"run_signal_consume", run_signal_consume},
    {"run_signal_put", run_signal_put},
    {"runs_to_cancel", runs_to_cancel},
    {"run_status", run_status},
    {"run_child_look", run_child_look},
    {"run_child_end", run_child_end},
    {"run_claim_pass", run_claim_pass},
    {"run_parent_wake", run_parent_wake},
    {"run_children_stop", run_children_stop},
    {"approval_status_get", approval_status_get},
    {"agent_memory_get", agent_memory_get},
    {"agent_memory_put", agent_memory_put},
    {"run_result_put", run_result_put},
    {"plan_source_put", plan_source_put},
    {"agent_activate", agent_activate},
    {"agents_active", agents_active},
    {"exceptions_waiting", exceptions_waiting},
    {"exceptions_newest", exceptions_newest},
    {"exception_open", exception_open},
    {NULL, NULL},
};
