/* store.c -- the run port on PostgreSQL; see store.h.
 *
 * One operation struct per call, completed exactly once.  Operations that only read go to the
 * reader pool; those that write are units or gate requests.  What is journaled for an action or a
 * model call is appended inside the gate's transaction (`append`), so the journal can never claim
 * more or less than what happened.
 */
#include "runtime/run/store.h"

#include "effect_sql.h"
#include "run_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "runtime/base/text.h"
#include "runtime/gate/gate_record.h"
#include "runtime/journal/blob.h"
#include "runtime/journal/journal.h"
#include "runtime/run/agents.h"
#include "runtime/run/child.h"
#include "runtime/run/doubt.h"
#include "runtime/run/room.h"
#include "runtime/run/store_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The database's time: what a run waits for is due by that clock (runs_due), and a node whose own
 * one is slow would send the run back to sleep, and be given it again at once, until it has caught
 * up. */
int64_t rv_store_now(void *self)
{
    const struct rv_store *store = self;
    const struct rv_clock *clock = rv_loop_clock(store->options.loop);
    return store->timed ? rv_mono_us(clock) + store->ahead_us : rv_now_us(clock);
}

/* An answer is late by what its way took: the quickest one is nearest; a clock may be set back. */
void rv_store_note_time(struct rv_store *store, int64_t database_us)
{
    enum { SET_BACK_US = 1000000 };
    int64_t ahead_us = database_us - rv_mono_us(rv_loop_clock(store->options.loop));
    if (!store->timed || ahead_us > store->ahead_us || store->ahead_us - ahead_us > SET_BACK_US) {
        store->timed = true;
        store->ahead_us = ahead_us;
    }
}

/* ---- reads ---- */

struct read_op {
    struct rv_store *store;
    rv_port_done done;
    void *data;
    enum rv_code (*convert)(const struct rv_result *result, json_t **out, struct rv_error *err);
};

static void on_read(void *data, enum rv_code code, const struct rv_result *result,
                    const struct rv_error *err)
{
    struct read_op *op = data;
    json_t *json = NULL;
    struct rv_error convert = {.code = RV_OK};
    if (code == RV_OK) {
        code = op->convert(result, &json, &convert);
        err = &convert;
    }
    op->done(op->data, code, json, err);
    rv_free(op);
}

static void read_with(struct rv_store *store, int32_t tenant, const struct rv_statement *statement,
                      struct rv_args *args,
                      enum rv_code (*convert)(const struct rv_result *, json_t **,
                                              struct rv_error *),
                      rv_port_done done, void *data)
{
    struct read_op *op = rv_alloc(sizeof *op);
    *op = (struct read_op){.store = store, .done = done, .data = data, .convert = convert};
    rv_db_query(store->options.db, tenant, statement, args, on_read, op);
}

static enum rv_code first_json(const struct rv_result *result, json_t **out, struct rv_error *err)
{
    (void)err;
    *out = rv_result_rows(result) > 0 ? rv_result_json(result, 0, 0) : NULL;
    if (*out == NULL) {
        *out = json_null();
    }
    return RV_OK;
}

static void store_read(void *self, int32_t tenant, const char *agent, const char *name,
                       const json_t *args, rv_port_done done, void *data)
{
    struct rv_store *store = self;
    if (strcmp(name, "memory.get") == 0) {
        struct rv_args *params = rv_args_create(&rv_sql_agent_memory_get);
        rv_args_text(params, 2, agent);
        rv_args_text(params, 3, rv_json_str(args, "key", ""));
        read_with(store, tenant, &rv_sql_agent_memory_get, params, first_json, done, data);
        return;
    }
    if (strcmp(name, "blob.read") == 0) {
        rv_store_blob_read(store, tenant, args, done, data);
        return;
    }
    struct rv_args *params = rv_args_create(store->options.erp_read);
    rv_args_text(params, 2, name);
    rv_args_json(params, 3, args);
    read_with(store, tenant, store->options.erp_read, params, first_json, done, data);
}

static void store_effect(void *self, const struct rv_effect_ask *ask, rv_port_done done, void *data)
{
    struct rv_store *store = self;
    RV_ASSERT(store->options.effects != NULL);
    rv_effects_advance(store->options.effects, ask, done, data);
}

static enum rv_code status_json(const struct rv_result *result, json_t **out, struct rv_error *err)
{
    if (rv_result_rows(result) == 0) {
        return rv_fail(err, RV_CORRUPT, "the approval of this run has vanished");
    }
    *out = json_pack("{s:s}", "status", rv_result_text(result, 0, 0));
    return RV_OK;
}

static void store_approval(void *self, int32_t tenant, int64_t approval, rv_port_done done,
                           void *data)
{
    struct rv_store *store = self;
    struct rv_args *params = rv_args_create(&rv_sql_approval_status_get);
    rv_args_i64(params, 2, approval);
    read_with(store, tenant, &rv_sql_approval_status_get, params, status_json, done, data);
}

static enum rv_code signal_json(const struct rv_result *result, json_t **out, struct rv_error *err)
{
    (void)err;
    *out = rv_result_rows(result) == 0
               ? json_null()
               : json_pack("{s:I,s:o}", "id", (json_int_t)rv_result_i64(result, 0, 0), "body",
                           rv_result_json(result, 0, 1));
    return RV_OK;
}

static void store_signal(void *self, int32_t tenant, int64_t run, const char *name,
                         rv_port_done done, void *data)
{
    struct rv_store *store = self;
    struct rv_args *params = rv_args_create(&rv_sql_run_signal_next);
    rv_args_i64(params, 2, run);
    rv_args_text(params, 3, name);
    read_with(store, tenant, &rv_sql_run_signal_next, params, signal_json, done, data);
}

/* ---- writes ---- */

static void append_change(struct rv_batch *batch, int64_t run, int steps,
                          const struct rv_run_change *change)
{
    struct rv_run_status status = {
        .run = run,
        .status = rv_run_state_name(change->state),
        .waiting_on = change->waiting_on,
        .wake_us = change->wake_us,
        .error_code = change->error_code,
        .error_text = change->error_text,
        .steps = steps,
    };
    rv_journal_run_status(batch, &status);
    if (change->result != NULL) {
        struct rv_args *rows = rv_batch_rows(batch, &rv_sql_run_result_put);
        rv_args_i64(rows, 2, run);
        rv_args_json(rows, 3, change->result);
    }
}

struct write_op {
    struct rv_unit unit; /* first */
    int64_t run;
    const struct rv_step *step; /* NULL or `kept`: the actor may end before this is decided */
    struct rv_step kept;
    bool has_change;
    struct rv_run_change change;
    char waiting_on[16];
    char error_code[32];
    char error_text[512];
    json_t *result;
    int64_t consume_signal;
    json_t *memory;
    json_t *blob;
    bool ends_family, leaves_rest, leaves_flow;
    const char *stop_children; /* in the arena */
    struct rv_arena *arena;
    rv_port_done done;
    void *data;
};

static void append_family(const struct write_op *op, struct rv_batch *batch)
{
    if (op->leaves_rest) {
        rv_args_i64(rv_batch_rows(batch, &rv_sql_run_claim_rest), 2, op->run);
    }
    if (op->ends_family) {
        rv_args_i64(rv_batch_rows(batch, &rv_sql_run_claim_pass), 2, op->run);
        rv_args_i64(rv_batch_rows(batch, &rv_sql_run_parent_wake), 2, op->run);
    }
    if (op->leaves_flow) {
        rv_args_i64(rv_batch_rows(batch, &rv_sql_run_flow_end), 2, op->run);
    }
    if (op->has_change && op->step != NULL && strcmp(op->waiting_on, "run") == 0) {
        rv_args_i64(rv_batch_rows(batch, &rv_sql_run_parent_wake), 2,
                    rv_child_number(rv_json_str(op->step->out, "run", "")));
    }
    if (op->ends_family || op->stop_children != NULL) {
        struct rv_args *rows = rv_batch_rows(batch, &rv_sql_run_children_stop);
        rv_args_i64(rows, 2, op->run);
        rv_args_bool(rows, 3, op->stop_children != NULL);
        rv_args_text(rows, 4,
                     op->stop_children != NULL ? op->stop_children : "the run above has ended");
    }
}

/* What a person must hear of, and nobody else tells: NULL where the change is none of that. */
static const char *event_of(const struct rv_run_change *change)
{
    switch (change->state) {
    case RV_RUN_FAILED:
    case RV_RUN_COMPENSATED:
    case RV_RUN_DIVERGED: return "run.failed";
    default:
        return change->waiting_on != NULL && strcmp(change->waiting_on, "budget") == 0
                   ? "run.needs_budget"
                   : NULL;
    }
}

static void append_event(const struct write_op *op, struct rv_batch *batch)
{
    const char *event = op->has_change ? event_of(&op->change) : NULL;
    if (event != NULL) {
        rv_outbox_append(batch, rv_id_make(rv_batch_head(batch)->now_us), event,
                         json_pack("{s:I,s:s,s:s}", "run", (json_int_t)op->run, "status",
                                   rv_run_state_name(op->change.state), "code", op->error_code));
    }
}

static enum rv_code write_decide(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err)
{
    struct write_op *op = (struct write_op *)unit;
    enum rv_code code = op->step == NULL
                            ? RV_OK
                            : rv_journal_append(batch, op->run, op->step->seq, op->step->kind,
                                                op->step->name, op->step->digest, op->step->out);
    if (code == RV_INVALID) {
        return rv_fail(err, RV_INVALID,
                       "the output of step %d (%s) is no JSON: a text in it is "
                       "not UTF-8",
                       op->step->seq, op->step->name);
    }
    if (code != RV_OK) {
        rv_fail(err, RV_LIMIT,
                "the output of step %d (%s) is %zu bytes, at most %d are allowed: ask for less",
                op->step->seq, op->step->name, json_dumpb(op->step->out, NULL, 0, JSON_COMPACT),
                RV_JOURNAL_OUT_MAX);
        rv_hint(err,
                "Narrow the question, or put the content with reeve blob put and read slices.");
        return RV_LIMIT;
    }
    if (op->has_change) {
        append_change(batch, op->run, op->step != NULL ? op->step->seq : 0, &op->change);
    }
    if (op->consume_signal != 0) {
        struct rv_args *rows = rv_batch_rows(batch, &rv_sql_run_signal_consume);
        rv_args_i64(rows, 2, op->run);
        rv_args_i64(rows, 3, op->consume_signal);
        rv_args_i32(rows, 4, op->step->seq);
    }
    if (op->memory != NULL) {
        struct rv_args *rows = rv_batch_rows(batch, &rv_sql_agent_memory_put);
        rv_args_text(rows, 2, rv_json_str(op->memory, "agent", ""));
        rv_args_text(rows, 3, rv_json_str(op->memory, "key", ""));
        rv_args_json(rows, 4, json_object_get(op->memory, "value"));
        rv_args_i64(rows, 5, op->run);
    }
    if (op->has_change && strcmp(op->waiting_on, "signal") == 0) {
        rv_args_i64(rv_batch_rows(batch, &rv_sql_run_signal_wake), 2,
                    op->run); /* it may be there */
    }
    if (op->blob != NULL) {
        rv_blob_append(batch, op->run, json_string_value(op->blob), json_string_length(op->blob),
                       rv_json_str(json_object_get(op->step->out, "value"), "media", "text/plain"));
    }
    append_family(op, batch);
    append_event(op, batch);
    if (op->has_change && strcmp(op->waiting_on, "intent") == 0) {
        rv_args_i64(rv_batch_rows(batch, &rv_sql_effect_wake), 2, op->run);
    }
    return RV_OK;
}

static void write_done(struct rv_unit *unit, enum rv_code code, const struct rv_error *err)
{
    struct write_op *op = (struct write_op *)unit;
    op->done(op->data, code, NULL, err);
    json_decref(op->kept.out);
    json_decref(op->result);
    json_decref(op->memory);
    json_decref(op->blob);
    rv_arena_destroy(op->arena);
    rv_free(op);
}

static void keep(char *out, size_t size, const char **field)
{
    if (*field != NULL) {
        snprintf(out, size, "%s", *field);
        *field = out;
    }
}

void rv_store_write(void *self, const struct rv_run_write *write, rv_port_done done, void *data)
{
    struct rv_store *store = self;
    struct write_op *op = rv_alloc(sizeof *op);
    op->run = write->run;
    op->arena = rv_arena_create("run write", 4096);
    if (write->step != NULL) {
        op->kept = *write->step;
        op->kept.name = rv_arena_strdup(op->arena, write->step->name);
        op->kept.out = json_incref(write->step->out);
        op->step = &op->kept;
    }
    op->consume_signal = write->consume_signal;
    op->memory = json_incref((json_t *)(uintptr_t)write->memory);
    op->blob = json_incref((json_t *)(uintptr_t)write->blob);
    op->done = done;
    op->data = data;
    if (write->change != NULL) {
        op->has_change = true;
        op->change = *write->change;
        keep(op->waiting_on, sizeof op->waiting_on, &op->change.waiting_on);
        keep(op->error_code, sizeof op->error_code, &op->change.error_code);
        keep(op->error_text, sizeof op->error_text, &op->change.error_text);
        op->result = json_incref((json_t *)(uintptr_t)write->change->result);
    }
    op->ends_family = write->ends_family;
    op->leaves_rest = write->leaves_rest;
    op->leaves_flow = write->leaves_flow;
    op->stop_children = rv_arena_strdup(op->arena, write->stop_children);
    op->unit.tenant = write->tenant;
    op->unit.epoch = write->epoch;
    op->unit.keys[0] = rv_arena_printf(op->arena, "run:%" PRId64, write->run);
    op->unit.needs_head = op->has_change && event_of(&op->change) != NULL; /* its clock */
    op->unit.decide = write_decide;
    op->unit.done = write_done;
    rv_commit(store->options.committer, &op->unit);
}

/* ---- actions through the gate ---- */

struct act_op {
    struct rv_gate_request request;
    struct rv_store *store;
    struct rv_arena *arena;
    int kind;
    uint8_t digest[RV_STEP_DIGEST_BYTES];
    json_t *args;
    json_t *evidence;
    json_t *out;             /* what was journaled, of the last try */
    struct rv_budget budget; /* as it was: the run may be gone before the gate looks at it */
    rv_port_done done;
    void *data;
};

static json_t *outcome_json(const struct rv_gate_request *request,
                            const struct rv_gate_outcome *outcome)
{
    json_t *out = json_pack("{s:s}", "result", rv_gate_result_name(outcome->result));
    if (outcome->code != RV_OK) {
        json_object_set_new(out, "code", json_string(rv_code_name(outcome->code)));
        json_object_set_new(out, "message",
                            json_string(outcome->message != NULL ? outcome->message : ""));
    }
    if (outcome->approval != 0) {
        json_object_set_new(out, "approval", json_integer(outcome->approval));
    }
    if (outcome->expires_us != 0) {
        json_object_set_new(out, "expires_us", json_integer(outcome->expires_us));
    }
    if (outcome->answer != NULL) {
        json_object_set(out, "answer", (json_t *)(uintptr_t)outcome->answer);
    }
    if (outcome->books != NULL) {
        json_object_set(out, "books", (json_t *)(uintptr_t)outcome->books);
    }
    if (outcome->result == RV_GATE_EXECUTED && outcome->money.minor != 0) {
        json_object_set_new(out, "money",
                            json_pack("{s:s,s:I,s:b}", "currency", outcome->money.currency, "minor",
                                      (json_int_t)outcome->money.minor, "home",
                                      outcome->money.home));
    }
    if (outcome->result == RV_GATE_EXECUTED && outcome->risk != 0) {
        json_object_set_new(out, "risk", json_integer((json_int_t)outcome->risk));
    }
    if (outcome->verdict != NULL) {
        json_object_set_new(out, "verdict", json_string(rv_verdict_name(outcome->verdict->kind)));
        json_object_set_new(out, "rules", rv_verdict_rules_json(outcome->verdict));
        if (outcome->verdict->stages != NULL) {
            json_object_set(out, "stages", (json_t *)(uintptr_t)outcome->verdict->stages);
        }
    }
    (void)request;
    return out;
}

static void act_append(struct rv_gate_request *request, struct rv_batch *batch,
                       const struct rv_gate_outcome *outcome)
{
    struct act_op *op = request->data;
    json_decref(op->out);
    op->out = outcome_json(request, outcome);
    if (outcome->result == RV_GATE_EXECUTED && erp_command_find(request->action)->outside) {
        char key[RV_EFFECT_KEY_TEXT];
        rv_effect_key(request->tenant, request->run, request->seq, key);
        json_object_set_new(op->out, "intent", json_string(key));
        rv_effect_intend(batch, request->run, request->seq, request->action, op->args);
    }
    enum rv_code code = rv_journal_append(batch, request->run, request->seq, op->kind,
                                          request->action, op->digest, op->out);
    if (code != RV_OK) { /* what the journal does not hold must not have been done */
        struct rv_error err = {.code = RV_OK};
        rv_fail(&err, code, "the answer of %s is no entry for the journal", request->action);
        rv_batch_spoil(batch, &err);
        return;
    }
    if (outcome->result == RV_GATE_HELD) {
        struct rv_run_change change = {
            .state = RV_RUN_WAITING, .waiting_on = "approval", .wake_us = outcome->expires_us};
        append_change(batch, request->run, request->seq, &change);
    }
}

static void act_done(struct rv_gate_request *request, enum rv_code code,
                     const struct rv_gate_outcome *outcome, const struct rv_error *err);

/* Refused before any transaction (unknown action, arguments against the schema), or answered
 * from the command log, where the gate appends nothing: journaled by a plain write, so that the
 * run remembers. When an earlier incarnation of the run has journaled it meanwhile, the write
 * is a conflict. */
static void act_journal_outcome(struct act_op *op, const struct rv_gate_outcome *outcome);

static void store_act(void *self, const struct rv_run_act *act, rv_port_done done, void *data)
{
    struct rv_store *store = self;
    struct act_op *op = rv_alloc(sizeof *op);
    op->store = store;
    op->arena = rv_arena_create("run action", 1 << 20);
    op->kind = act->kind;
    op->done = done;
    op->data = data;
    op->args =
        json_deep_copy(act->args); /* the gate fills in defaults; the plan's stay as they are */
    op->evidence = json_incref((json_t *)(uintptr_t)act->evidence);
    RV_ASSERT(rv_step_digest(act->args, op->digest));
    bool back = act->kind == RV_STEP_COMPENSATION;
    if (act->budget != NULL) {
        op->budget = *act->budget;
    }
    op->request = (struct rv_gate_request){
        .tenant = act->tenant,
        .principal = {.kind = back ? RV_PRINCIPAL_SYSTEM : RV_PRINCIPAL_AGENT,
                      .id = back ? "saga" : rv_arena_strdup(op->arena, act->agent),
                      .owner = rv_arena_strdup(op->arena, act->owner)},
        .action = rv_arena_strdup(op->arena, act->action),
        .args = op->args,
        .command_id = rv_arena_printf(op->arena, "run:%" PRId64 ":%d", act->run, act->seq),
        .reason = rv_arena_strdup(op->arena, act->reason),
        .evidence = op->evidence,
        .exception_key = rv_arena_strdup(op->arena, act->exception_key),
        .approval = act->approval,
        .budget = act->budget != NULL ? &op->budget : NULL,
        .margin = rv_doubt_margin(act->doubt),
        .run = act->run,
        .epoch = act->epoch,
        .seq = act->seq,
        .append = act_append,
        .done = act_done,
        .data = op,
    };
    rv_gate_submit(store->options.gate, &op->request);
}

static void act_end(struct act_op *op, enum rv_code code, const struct rv_error *err)
{
    op->done(op->data, code, json_incref(op->out), err);
    json_decref(op->out);
    json_decref(op->args);
    json_decref(op->evidence);
    rv_arena_destroy(op->arena);
    rv_free(op);
}

static void act_done(struct rv_gate_request *request, enum rv_code code,
                     const struct rv_gate_outcome *outcome, const struct rv_error *err)
{
    struct act_op *op = request->data;
    bool early = code != RV_OK && outcome != NULL && outcome->result == RV_GATE_REFUSED;
    if (early || (code == RV_OK && outcome->stored)) {
        act_journal_outcome(op, outcome);
        return;
    }
    act_end(op, code, err);
}

static void on_outcome_written(void *data, enum rv_code code, json_t *json,
                               const struct rv_error *err)
{
    struct act_op *op = data;
    json_decref(json);
    act_end(op, code, err);
}

static void act_journal_outcome(struct act_op *op, const struct rv_gate_outcome *outcome)
{
    json_decref(op->out);
    op->out = outcome_json(&op->request, outcome);
    struct rv_step *step = rv_arena_alloc(op->arena, sizeof *step);
    *step = (struct rv_step){.seq = op->request.seq,
                             .kind = op->kind,
                             .name = rv_arena_strdup(op->arena, op->request.action),
                             .out = op->out};
    memcpy(step->digest, op->digest, sizeof step->digest);
    struct rv_run_write write = {.tenant = op->request.tenant,
                                 .run = op->request.run,
                                 .epoch = op->request.epoch,
                                 .step = step};
    rv_store_write(op->store, &write, on_outcome_written, op);
}

/* ---- a question to the model: passed and recorded first, then asked, then journaled ---- */

struct ask_op {
    struct rv_gate_pass pass;
    struct rv_store *store;
    struct rv_arena *arena;
    uint8_t digest[RV_STEP_DIGEST_BYTES];
    json_t *question;
    json_t *summary; /* what the record keeps of the question: its digest */
    json_t *answer;
    struct rv_budget budget;
    struct rv_timer *slow;        /* fires when the answer takes long; NULL: nobody was asked */
    struct ask_op *next, **place; /* of those with such a timer */
    int64_t asked_us;
    struct ask_line *line; /* of its company; NULL: no engine is asked */
    struct ask_op *behind; /* in that line, not asked yet */
    json_t *names;         /* ... and what it will be asked with */
    rv_port_done done;
    void *data;
};

/* Runs give their room to others while they wait, so that many more may ask at once than have room.
 * The model has no more before it than when they kept it: the others stand in line here, where no
 * deadline runs. */
struct ask_line {
    int32_t tenant;
    int open; /* asked */
    struct ask_op *first, **end;
    struct ask_line *next;
};

/* Whoever looks for runs that wait for the model need not hear of those that are answered at once.
 */
enum { ASK_SLOW_MS = 1000, ASK_OPEN_MAX = RV_RUNS_COMPANY_MAX };

static void ask_on_passed(struct rv_gate_pass *pass, enum rv_code code, const struct rv_error *err);
static void ask_on_names(void *data, enum rv_code code, const struct rv_result *result,
                         const struct rv_error *err);
static void ask_on_answer(void *data, json_t *answer);
static void ask_on_written(void *data, enum rv_code code, json_t *json, const struct rv_error *err);

static void ask_model(struct ask_op *op, const json_t *names);

json_t *rv_store_no(const char *code, const char *message)
{
    char *text = rv_strdup(message);
    rv_text_mend(text);
    json_t *no = json_pack("{s:b,s:s,s:s}", "ok", 0, "code", code, "message", text);
    rv_free(text);
    return no;
}

static void store_ask(void *self, const struct rv_run_act *act, rv_port_done done, void *data)
{
    struct rv_store *store = self;
    struct ask_op *op = rv_alloc(sizeof *op);
    op->store = store;
    op->arena = rv_arena_create("model question", 1 << 20);
    op->done = done;
    op->data = data;
    op->question = json_incref((json_t *)(uintptr_t)act->args);
    RV_ASSERT(rv_step_digest(act->args, op->digest));
    struct rv_hash hash;
    RV_ASSERT(rv_gate_digest(act->args, &hash, NULL) == RV_OK);
    char hex[RV_HASH_HEX];
    rv_hash_hex(&hash, hex);
    op->summary = json_pack("{s:s}", "question", hex);
    op->budget = *act->budget;
    op->pass = (struct rv_gate_pass){
        .tenant = act->tenant,
        .principal = {.kind = RV_PRINCIPAL_AGENT,
                      .id = rv_arena_strdup(op->arena, act->agent),
                      .owner = rv_arena_strdup(op->arena, act->owner)},
        .action = "llm.decide",
        .args = op->summary,
        .budget = &op->budget,
        .tokens = rv_model_tokens_most(act->args),
        .run = act->run,
        .epoch = act->epoch,
        .seq = act->seq,
        .key = rv_arena_printf(op->arena, "run:%" PRId64, act->run),
        .done = ask_on_passed,
        .data = op,
    };
    rv_gate_pass(store->options.gate, &op->pass);
}

static void ask_free(struct ask_op *op)
{
    json_decref(op->names);
    json_decref(op->answer);
    json_decref(op->question);
    json_decref(op->summary);
    rv_arena_destroy(op->arena);
    rv_free(op);
}

static void ask_end(struct ask_op *op, enum rv_code code, const struct rv_error *err)
{
    op->done(op->data, code, json_incref(op->answer), err);
    ask_free(op);
}

static void ask_on_passed(struct rv_gate_pass *pass, enum rv_code code, const struct rv_error *err)
{
    struct ask_op *op = pass->data;
    struct rv_model *model = op->store->options.model;
    if (code == RV_DENIED || code == RV_LIMIT) {
        /* the door said no: the plan hears it and goes on without advice */
        ask_on_answer(op, rv_store_no(rv_code_name(code), err->message));
    } else if (code != RV_OK) {
        ask_end(op, code, err);
    } else if (model == NULL) {
        ask_on_answer(op, rv_store_no("unavailable", "no model is loaded"));
    } else if (op->store->options.erp_names != NULL && rv_model_has_engine(model, pass->tenant)) {
        struct rv_args *args = rv_args_create(op->store->options.erp_names);
        rv_args_json(args, 2, op->question);
        rv_db_query(op->store->options.db, pass->tenant, op->store->options.erp_names, args,
                    ask_on_names, op);
    } else {
        ask_model(op, NULL);
    }
}

static void on_noted(void *data, enum rv_code code, const struct rv_result *result,
                     const struct rv_error *err)
{
    (void)data;
    (void)result;
    if (code != RV_OK) {
        rv_log(RV_LOG_DEBUG, "run", "MODEL-WAIT", "not noted: %s", err->message);
    }
}

/* Says once for people that the run waits for the model.  Nothing rests on it, and it holds until
 * the answer is in the journal: nobody has to take it back. */
static void ask_is_slow(void *data)
{
    const struct ask_op *op = data;
    const struct rv_store *store = op->store;
    struct rv_args *args = rv_args_create(&rv_sql_run_model_wait);
    rv_args_i64(args, 2, op->pass.run);
    rv_args_i64(args, 3, op->pass.epoch);
    rv_args_i32(args, 4, op->pass.seq);
    rv_args_text(args, 5, rv_model_name(store->options.model, op->pass.tenant));
    rv_args_i64(args, 6, (rv_mono_us(rv_loop_clock(store->options.loop)) - op->asked_us) / 1000);
    rv_db_query(store->options.db, op->pass.tenant, &rv_sql_run_model_wait, args, on_noted, NULL);
}

static void ask_watch(struct ask_op *op)
{
    struct rv_store *store = op->store;
    if (store->stopped) {
        return;
    }
    op->asked_us = rv_mono_us(rv_loop_clock(store->options.loop));
    op->slow = rv_timer_create(store->options.loop, ask_is_slow, op);
    rv_timer_start(op->slow, ASK_SLOW_MS);
    op->next = store->asks;
    op->place = &store->asks;
    if (op->next != NULL) {
        op->next->place = &op->next;
    }
    store->asks = op;
}

static void ask_unwatch(struct ask_op *op)
{
    if (op->slow == NULL) {
        return;
    }
    rv_timer_close(op->slow);
    op->slow = NULL;
    *op->place = op->next;
    if (op->next != NULL) {
        op->next->place = op->place;
    }
}

/* ---- the line of a company ---- */

static struct ask_line *line_of(struct rv_store *store, int32_t tenant)
{
    struct ask_line *line = store->lines;
    while (line != NULL && line->tenant != tenant) {
        line = line->next;
    }
    if (line == NULL) {
        line = rv_alloc(sizeof *line);
        *line = (struct ask_line){.tenant = tenant, .next = store->lines};
        line->end = &line->first;
        store->lines = line;
    }
    return line;
}

static void line_free(struct rv_store *store, struct ask_line *line)
{
    struct ask_line **link = &store->lines;
    while (*link != line) {
        link = &(*link)->next;
    }
    *link = line->next;
    rv_free(line);
}

static struct ask_op *line_pop(struct ask_line *line)
{
    struct ask_op *op = line->first;
    line->first = op->behind;
    line->end = line->first == NULL ? &line->first : line->end;
    return op;
}

static void ask_now(struct ask_op *op, const json_t *names);

/* An engine has answered; the next one of that company is asked. */
static void line_less(struct ask_op *op)
{
    struct ask_line *line = op->line;
    if (line == NULL) {
        return;
    }
    op->line = NULL;
    line->open--;
    if (line->first != NULL && !op->store->stopped) {
        struct ask_op *next = line_pop(line);
        json_t *names = next->names;
        next->names = NULL;
        line->open++;
        ask_now(next, names);
        json_decref(names);
    } else if (line->open == 0 && line->first == NULL) {
        line_free(op->store, line);
    }
}

static void ask_model(struct ask_op *op, const json_t *names)
{
    if (!rv_model_has_engine(op->store->options.model, op->pass.tenant)) {
        ask_now(op, names);
        return;
    }
    ask_watch(op);
    op->line = line_of(op->store, op->pass.tenant);
    if (op->line->open < ASK_OPEN_MAX) {
        op->line->open++;
        ask_now(op, names);
    } else {
        op->names = json_incref((json_t *)(uintptr_t)names);
        *op->line->end = op;
        op->line->end = &op->behind;
    }
}

/* No child has a part in it: what those may spend was taken from it when they began (child.h).  So
 * the question may take all that is left, and what it took is settled by its entry. */
static int64_t tokens_left(const struct rv_budget *budget)
{
    int64_t left = budget->tokens_limit - budget->tokens_used;
    return budget->tokens_limit < 0 ? 0 : left > 0 ? left : 1; /* 0: no bound */
}

static void ask_now(struct ask_op *op, const json_t *names)
{
    /* the same step asks with the same seed; run ids use all 63 bits, so the product may wrap
     */
    uint64_t seed = (uint64_t)op->pass.run * 1000U + (uint64_t)op->pass.seq;
    struct rv_model_asker asker = {.tenant = op->pass.tenant,
                                   .agent = op->pass.principal.id,
                                   .run = op->pass.run,
                                   .tokens_left = tokens_left(&op->budget)};
    rv_model_decide(op->store->options.model, &asker, op->question, names,
                    (int64_t)(seed & INT64_MAX), ask_on_answer, op);
}

/* Without the names nothing is asked: they would leave with the question. */
static void ask_on_names(void *data, enum rv_code code, const struct rv_result *result,
                         const struct rv_error *err)
{
    struct ask_op *op = data;
    if (code != RV_OK) {
        ask_on_answer(op, rv_store_no("unavailable", err->message));
        return;
    }
    json_t *names = rv_result_rows(result) > 0 ? rv_result_json(result, 0, 0) : NULL;
    ask_model(op, names);
    json_decref(names);
}

/* What the engine counted is more than the run has left: its budget says no, not the model. */
static void name_budget(struct ask_op *op)
{
    int64_t needs = rv_json_int(op->answer, "needs", 0);
    struct rv_error err = {.code = RV_OK};
    struct rv_budget tokens = {.steps_limit = -1,
                               .calls_limit = -1,
                               .depth_limit = -1,
                               .children_limit = -1,
                               .tokens_limit = op->budget.tokens_limit,
                               .tokens_used = op->budget.tokens_used};
    if (needs > 0 && rv_budget_check(&tokens, 0, 0, needs, 0, NULL, 0, &err) != RV_OK) {
        json_object_set_new(op->answer, "message", json_string(err.message));
        json_object_set_new(op->answer, "budget", json_string("tokens"));
    }
    json_object_del(op->answer, "needs");
}

static void ask_on_answer(void *data, json_t *answer)
{
    struct ask_op *op = data;
    op->answer = answer;
    name_budget(op);
    ask_unwatch(op);
    line_less(op);
    struct rv_step *step = rv_arena_alloc(op->arena, sizeof *step);
    *step = (struct rv_step){.seq = op->pass.seq,
                             .kind = RV_STEP_MODEL,
                             .name = rv_arena_strdup(op->arena, "llm.decide"),
                             .out = op->answer};
    memcpy(step->digest, op->digest, sizeof step->digest);
    struct rv_run_write write = {
        .tenant = op->pass.tenant, .run = op->pass.run, .epoch = op->pass.epoch, .step = step};
    rv_store_write(op->store, &write, ask_on_written, op);
}

static void ask_on_written(void *data, enum rv_code code, json_t *json, const struct rv_error *err)
{
    json_decref(json);
    ask_end(data, code, err);
}

/* ---- lifecycle ---- */

struct rv_store *rv_store_create(const struct rv_store_options *options)
{
    struct rv_store *store = rv_alloc(sizeof *store);
    store->options = *options;
    store->agents = rv_agents_create();
    store->port = (struct rv_run_port){
        .self = store,
        .agents = store->agents,
        .now_us = rv_store_now,
        .load = rv_store_load,
        .write = rv_store_write,
        .read = store_read,
        .act = store_act,
        .effect = store_effect,
        .ask = store_ask,
        .start = rv_store_start,
        .child = rv_store_child,
        .approval = store_approval,
        .signal = store_signal,
    };
    return store;
}

void rv_store_stop(struct rv_store *store)
{
    store->stopped = true;
    while (store->asks != NULL) {
        ask_unwatch(store->asks);
    }
}

void rv_store_destroy(struct rv_store *store)
{
    if (store != NULL) {
        rv_store_stop(store);
        while (store->lines != NULL) {
            while (store->lines->first != NULL) { /* never asked: nobody hears of it any more */
                ask_free(line_pop(store->lines));
            }
            line_free(store, store->lines);
        }
        rv_agents_destroy(store->agents);
        rv_free(store);
    }
}

const struct rv_run_port *rv_store_port(struct rv_store *store)
{
    return &store->port;
}
