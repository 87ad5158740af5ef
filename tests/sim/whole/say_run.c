/* say_run.c -- runtime/run/sql/run.sql: what the store reads and writes, families, exceptions. What
 * the orchestrator looks for is in say_look.c, versions of agents are in say_versions.c. */
#include "tests/sim/whole/base.h"

#include "runtime/base/check.h"
#include "runtime/base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a run as it is resumed ---- */

struct input_row *base_input(struct base *base, int32_t tenant, int64_t run)
{
    struct input_row *found = NULL;
    BASE_EACH(base, T_INPUT, input_row, input)
    {
        if (input->tenant == tenant && input->run == run && (found == NULL || input->near)) {
            found = input;
        }
    }
    return found;
}

bool base_has_far_input(struct base *base, int32_t tenant, int64_t run)
{
    BASE_EACH(base, T_INPUT, input_row, input)
    {
        if (input->tenant == tenant && input->run == run && !input->near) {
            return true;
        }
    }
    return false;
}

enum { FIRST_RUN, THEN_PLAN, THEN_STEP };

static void nulls(struct base_call *call, int count)
{
    for (int i = 0; i < count; i++) {
        base_out_null(call);
    }
}

static void image_of_run(struct base_call *call, const struct run_row *run)
{
    struct base *base = call->base;
    const struct input_row *input = base_input(base, run->tenant, run->id);
    const struct agent_row *agent = base_agent(base, run->tenant, run->agent);
    if (input == NULL) {
        return;
    }
    base_row(call);
    base_out_int(call, 1 + FIRST_RUN);
    base_out_int(call, run->id);
    base_out_int(call, run->depth);
    base_out_int(call, base_head(base, run->tenant)->epoch);
    base_out_text(call, run->status);
    base_out_text(call, run->agent);
    base_out_text(call, agent != NULL ? agent->owner : "operator");
    base_out_bytes(call, run->plan, RV_HASH_BYTES);
    base_out_null(call);
    base_out_json(call, json_incref(input->input));
    base_out_json(call, json_incref(input->budget));
    base_out_time(call, run->created_us);
    base_out_int(call, run->parent);
    base_out_time(call, base_now_us(base));
    base_out_int(call, 0);
}

static void image_of_plan(struct base_call *call, const struct plan_row *plan)
{
    base_row(call);
    base_out_int(call, 1 + THEN_PLAN);
    base_out_int(call, 0);
    base_out_int(call, 0);
    base_out_int(call, 0);
    base_out_text(call, plan->source);
    nulls(call, 2);
    base_out_bytes(call, plan->hash, RV_HASH_BYTES);
    nulls(call, 4);
    base_out_int(call, 0);
    base_out_null(call);
    base_out_int(call, 0);
}

static void image_of_step(struct base_call *call, const struct step_row *step)
{
    base_row(call);
    base_out_int(call, 1 + THEN_STEP);
    base_out_int(call, step->run);
    base_out_int(call, step->seq);
    base_out_int(call, step->kind);
    base_out_text(call, step->name);
    nulls(call, 2);
    base_out_bytes(call, step->digest, sizeof step->digest);
    base_out_bytes(call, step->out, step->out_length);
    nulls(call, 3);
    base_out_int(call, 0);
    base_out_null(call);
    base_out_int(call, 0);
}

static bool is_asked_for(const struct step_row *step, const struct run_row *run, int32_t first)
{
    return step->tenant == run->tenant && step->run == run->id && step->seq >= first;
}

static int32_t newest_beginning(struct base_call *call, const struct run_row *run)
{
    enum { CHECKPOINT = 20 };
    int32_t first = 0;
    BASE_EACH(call->base, T_STEP, step_row, step)
    {
        if (is_asked_for(step, run, first) && step->kind == CHECKPOINT) {
            first = step->seq;
        }
    }
    return first;
}

/* From the newest checkpoint on, the first `most`; in no order, as there. */
static void images_of_steps(struct base_call *call, const struct run_row *run, int64_t most)
{
    int32_t first = newest_beginning(call, run);
    int32_t last = INT32_MAX;
    int64_t count = 0;
    BASE_EACH(call->base, T_STEP, step_row, step)
    {
        count += is_asked_for(step, run, first);
    }
    for (; count > most; count--) { /* the last one goes */
        int32_t below = 0;
        BASE_EACH(call->base, T_STEP, step_row, step)
        {
            if (is_asked_for(step, run, first) && step->seq <= last && step->seq > below) {
                below = step->seq;
            }
        }
        last = below - 1;
    }
    BASE_EACH(call->base, T_STEP, step_row, step)
    {
        if (is_asked_for(step, run, first) && step->seq <= last) {
            image_of_step(call, step);
        }
    }
}

static const struct step_row *step_from(struct base_call *call, const struct run_row *run,
                                        int32_t first)
{
    const struct step_row *next = NULL;
    BASE_EACH(call->base, T_STEP, step_row, step)
    {
        if (is_asked_for(step, run, first) && (next == NULL || step->seq < next->seq)) {
            next = step;
        }
    }
    return next;
}

static void run_image_page(struct base_call *call)
{
    const struct run_row *run = base_run(call->base, call->tenant, base_int(call, 2, 0));
    int32_t after = (int32_t)base_int(call, 3, 0);
    int64_t most = base_int(call, 4, 0);
    int64_t bytes = 0;
    if (run == NULL) {
        return;
    }
    int32_t first = newest_beginning(call, run);
    const struct step_row *step = step_from(call, run, after >= first ? after + 1 : first);
    for (int64_t n = 1; step != NULL && n <= most && bytes < base_int(call, 5, 0); n++) {
        bytes += (int64_t)step->out_length;
        base_row(call);
        base_out_int(call, step->seq);
        base_out_int(call, step->kind);
        base_out_text(call, step->name);
        base_out_bytes(call, step->digest, sizeof step->digest);
        base_out_bytes(call, step->out, step->out_length);
        base_out_text(call, run->status);
        base_out_bytes(call, run->plan, RV_HASH_BYTES);
        base_out_bool(call, n == most || bytes >= base_int(call, 5, 0));
        step = step_from(call, run, step->seq + 1);
    }
}

static bool has_plan(struct base_call *call, const uint8_t *hash)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        const struct run_row *run = base_run(call->base, call->tenant, base_int(call, 2, i));
        if (run != NULL && memcmp(run->plan, hash, RV_HASH_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

static void run_images(struct base_call *call)
{
    for (int what = FIRST_RUN; what <= THEN_STEP; what += THEN_STEP) {
        for (int i = 0; i < base_count(call, 2); i++) {
            const struct run_row *run = base_run(call->base, call->tenant, base_int(call, 2, i));
            if (run != NULL && what == FIRST_RUN) {
                image_of_run(call, run);
            } else if (run != NULL) {
                images_of_steps(call, run, base_int(call, 3, 0));
            }
        }
        BASE_EACH(call->base, T_PLAN, plan_row, plan)
        {
            if (what == FIRST_RUN && plan->tenant == call->tenant && has_plan(call, plan->hash)) {
                image_of_plan(call, plan);
            }
        }
    }
}

/* ---- signals ---- */

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

static void run_signal_consume(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        struct signal_row *signal =
            base_signal(call->base, call->tenant, base_int(call, 2, i), base_int(call, 3, i));
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
        if (base_signal(call->base, call->tenant, run, id) != NULL) {
            base_fail(call, "23505", "run_signal_pkey");
            return;
        }
        put_signal(call, run, id, base_text(call, 4, i), base_json(call, 5, i),
                   base_text(call, 6, i));
    }
}

/* Asked with the signal and with the wait, whichever is the later. */
static void run_signal_wake(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        struct run_row *run = base_run(call->base, call->tenant, base_int(call, 2, i));
        if (run != NULL && base_is(run->status, "waiting") && base_waits_for_word(run) &&
            base_has_signal(call->base, run)) {
            base_touch(call, T_RUN, run);
            run->has_wake = true;
            run->wake_us = base_now_us(call->base);
        }
    }
}

static void run_status(struct base_call *call)
{
    const struct run_row *run = base_run(call->base, call->tenant, base_int(call, 2, 0));
    if (run != NULL) {
        base_row(call);
        base_out_text(call, run->status);
        base_out_text(call, run->error_text);
        base_out_bool(call, run->error_code != NULL);
        base_out_bool(call, run->error_code != NULL || base_acts(run));
        base_out_text(call, "EUR");
        const struct plan_row *plan = base_plan(call->base, run->tenant, run->plan);
        const struct input_row *input = base_input(call->base, run->tenant, run->id);
        if (plan == NULL || input == NULL) {
            base_out_null(call);
        } else {
            json_t *limits = json_copy(json_object_get(plan->manifest, "limits"));
            limits = limits != NULL ? limits : json_object();
            json_object_update(limits, input->budget);
            base_out_json(call, limits);
        }
    }
}

/* ---- families ---- */

static json_t *agent_json(struct base *base, const struct agent_row *agent)
{
    const struct plan_row *plan =
        agent != NULL && agent->enabled ? base_plan(base, agent->tenant, agent->hash) : NULL;
    if (plan == NULL) {
        return json_null();
    }
    json_t *canary = base_canary(base, agent);
    return json_pack("{s:s,s:o,s:O,s:o}", "name", agent->name, "hash", base_hex(agent->hash),
                     "manifest", plan->manifest, "canary", canary != NULL ? canary : json_null());
}

/* As `=` and `||` of the database: what is not there makes all of it null. */
static void put_same(json_t *link, const struct input_row *input, const json_t *asked)
{
    const json_t *has = json_object_get(input != NULL ? input->input : NULL, "exception");
    json_object_set_new(link, "same",
                        has != NULL && asked != NULL ? json_boolean(json_equal(has, asked))
                                                     : json_null());
}

static void run_child_look(struct base_call *call)
{
    struct base *base = call->base;
    json_t *chain = NULL;
    const struct run_row *run = base_run(base, call->tenant, base_int(call, 2, 0));
    for (int n = 0; run != NULL && n < 64; n++) {
        chain = chain != NULL ? chain : json_array();
        json_t *link = json_pack("{s:I,s:s,s:s?,s:b}", "run", (json_int_t)run->id, "agent",
                                 run->agent, "key", run->key, "open", !base_run_over(run));
        if (base_is(run->agent, base_text(call, 3, 0)) && run->key == NULL) {
            put_same(link, base_input(base, run->tenant, run->id), base_json(call, 4, 0));
        }
        json_array_append_new(chain, link);
        run = run->parent != 0 ? base_run(base, call->tenant, run->parent) : NULL;
    }
    base_row(call);
    base_out_json(call,
                  json_pack("{s:s,s:o,s:o}", "currency", "EUR", "agent",
                            agent_json(base, base_agent(base, call->tenant, base_text(call, 3, 0))),
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
                base_signal(base, call->tenant, child->id, ended) == NULL) {
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

/* ---- exceptions ---- */

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
        const struct input_row *input = base_input(base, run->tenant, run->id);
        if (run->tenant != exception->tenant || !base_is(run->key, key)) {
            continue;
        }
        bool current =
            (input != NULL ? rv_json_int(input->input, "found_seq", 0) : 0) >= exception->found_seq;
        if (base_is(run->status, "failed")) { /* a minute, then two, four and so on */
            int doublings = run->attempt < 10 ? run->attempt : 10;
            if (current && run->changed_us > base_now_us(base) - (INT64_C(60000000) << doublings)) {
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
                !(base_is(run->status, "waiting") &&
                  (base_is(run->waiting_on, "approval") || base_is(run->waiting_on, "budget")))) {
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
    json_t *hex = base_hex(exception->key);
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

static void exception_open(struct base_call *call)
{
    const char *wanted = base_text(call, 2, 0);
    BASE_EACH(call->base, T_EXCEPTION, exception_row, exception)
    {
        json_t *hex = base_hex(exception->key);
        if (exception->tenant == call->tenant && base_is(exception->state, "open") &&
            base_is(wanted, json_string_value(hex))) {
            put_exception(call, exception);
        }
        json_decref(hex);
    }
}

/* What it notes is read by people's lists only, and nothing that is simulated shows them. */
static void run_model_wait(struct base_call *call)
{
    (void)call;
}

const struct base_word base_words_run[] = {
    {"run_images", run_images},
    {"run_image_page", run_image_page},
    {"run_signal_next", run_signal_next},
    {"run_signal_consume", run_signal_consume},
    {"run_signal_put", run_signal_put},
    {"run_signal_wake", run_signal_wake},
    {"run_status", run_status},
    {"run_child_look", run_child_look},
    {"run_child_end", run_child_end},
    {"run_parent_wake", run_parent_wake},
    {"run_children_stop", run_children_stop},
    {"approval_status_get", approval_status_get},
    {"agent_memory_get", agent_memory_get},
    {"agent_memory_put", agent_memory_put},
    {"run_result_put", run_result_put},
    {"exceptions_waiting", exceptions_waiting},
    {"exception_open", exception_open},
    {"run_model_wait", run_model_wait},
    {NULL, NULL},
};
