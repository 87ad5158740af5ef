/* store_child.c -- starting a child run and asking how it ended; see store.h, child.h.
 *
 *   look (agent, runs above) -> rules of child.h -> gate -> [run, input, step] in one transaction
 *                                    \------------> no: the step alone, and the plan goes on
 */
#include "run_sql.h"
#include "runtime/base/check.h"
#include "runtime/journal/journal.h"
#include "runtime/run/child.h"
#include "runtime/run/claim.h"
#include "runtime/run/flow.h"
#include "runtime/run/store_private.h"

#include <inttypes.h>
#include <string.h>

/* ---- how a child ended ---- */

/* Columns as run_child_end gives them; `run` is the one that was asked about. */
struct child_op {
    int64_t run;
    rv_port_done done;
    void *data;
};

static void on_child(void *data, enum rv_code code, const struct rv_result *result,
                     const struct rv_error *err)
{
    struct child_op *op = data;
    json_t *json = NULL;
    if (code == RV_OK && rv_result_rows(result) == 0) {
        json = json_null();
    } else if (code == RV_OK) {
        json_t *ended = rv_result_json(result, 0, 3);
        json = rv_child_outcome(op->run, rv_result_text(result, 0, 0), rv_result_text(result, 0, 1),
                                rv_result_text(result, 0, 2), ended);
        json_decref(ended);
    }
    op->done(op->data, code, json, err);
    rv_free(op);
}

void rv_store_child(void *self, int32_t tenant, int64_t run, rv_port_done done, void *data)
{
    struct rv_store *store = self;
    struct child_op *op = rv_alloc(sizeof *op);
    *op = (struct child_op){run, done, data};
    struct rv_args *params = rv_args_create(&rv_sql_run_child_end);
    rv_args_i64(params, 2, run);
    rv_db_query(store->options.db, tenant, &rv_sql_run_child_end, params, on_child, op);
}

/* ---- a child run: looked up, judged, then made in the transaction of its step ---- */

struct start_op {
    struct rv_gate_pass pass;
    struct rv_store *store;
    struct rv_arena *arena;
    struct rv_run_act act; /* its texts are copies */
    uint8_t digest[RV_STEP_DIGEST_BYTES];
    struct rv_budget budget;
    struct rv_child child;
    json_t *args;
    json_t *input;
    json_t *doubt;
    json_t *question;
    json_t *answer;
    rv_port_done done;
    void *data;
};

static void start_on_look(void *data, enum rv_code code, const struct rv_result *result,
                          const struct rv_error *err);
static enum rv_code start_append(struct rv_gate_pass *pass, struct rv_batch *batch,
                                 struct rv_error *err);
static void start_on_passed(struct rv_gate_pass *pass, enum rv_code code,
                            const struct rv_error *err);

void rv_store_start(void *self, const struct rv_run_act *act, rv_port_done done, void *data)
{
    struct rv_store *store = self;
    struct start_op *op = rv_alloc(sizeof *op);
    op->store = store;
    op->arena = rv_arena_create("child run", 1 << 20);
    op->done = done;
    op->data = data;
    op->args = json_incref((json_t *)(uintptr_t)act->args);
    op->input = json_incref((json_t *)(uintptr_t)act->input);
    op->doubt = json_incref((json_t *)(uintptr_t)act->doubt);
    op->budget = *act->budget;
    op->act = *act;
    op->act.agent = rv_arena_strdup(op->arena, act->agent);
    op->act.owner = rv_arena_strdup(op->arena, act->owner);
    op->act.action = rv_arena_strdup(op->arena, act->action);
    op->act.budget = &op->budget;
    RV_ASSERT(rv_step_digest(act->args, op->digest));
    struct rv_args *params = rv_args_create(&rv_sql_run_child_look);
    rv_args_i64(params, 2, act->run);
    rv_args_text(params, 3, rv_json_str(act->args, "agent", ""));
    rv_args_json(params, 4, json_object_get(act->args, "input"));
    rv_db_query(store->options.db, act->tenant, &rv_sql_run_child_look, params, start_on_look, op);
}

static void start_end(struct start_op *op, enum rv_code code, const struct rv_error *err)
{
    op->done(op->data, code, json_incref(op->answer), err);
    rv_child_fini(&op->child);
    json_decref(op->args);
    json_decref(op->input);
    json_decref(op->doubt);
    json_decref(op->question);
    json_decref(op->answer);
    rv_arena_destroy(op->arena);
    rv_free(op);
}

static void start_on_written(void *data, enum rv_code code, json_t *json,
                             const struct rv_error *err)
{
    json_decref(json);
    start_end(data, code, err);
}

/* The plan hears no, and goes on without the child. */
static void start_refused(struct start_op *op, enum rv_code code, const char *message)
{
    op->answer = rv_store_no(rv_code_name(code), message);
    struct rv_step *step = rv_arena_alloc(op->arena, sizeof *step);
    *step = (struct rv_step){.seq = op->act.seq,
                             .kind = RV_STEP_START,
                             .name = rv_arena_strdup(op->arena, op->act.action),
                             .out = op->answer};
    memcpy(step->digest, op->digest, sizeof step->digest);
    struct rv_run_write write = {
        .tenant = op->act.tenant, .run = op->act.run, .epoch = op->act.epoch, .step = step};
    rv_store_write(op->store, &write, start_on_written, op);
}

static void start_on_look(void *data, enum rv_code code, const struct rv_result *result,
                          const struct rv_error *err)
{
    struct start_op *op = data;
    struct rv_error why = {.code = RV_OK};
    if (code != RV_OK) {
        start_end(op, code, err);
        return;
    }
    json_t *look = rv_result_json(result, 0, 0);
    code = rv_child_plan(&op->act, look, rv_store_now(op->store), &op->child, &why);
    json_decref(look);
    if (code != RV_OK) {
        start_refused(op, code,
                      rv_arena_printf(op->arena, "%s%s%s", why.message,
                                      why.hint[0] != '\0' ? "; " : "", why.hint));
        return;
    }
    op->question = rv_child_question(&op->act);
    op->pass = (struct rv_gate_pass){
        .tenant = op->act.tenant,
        .principal = {.kind = RV_PRINCIPAL_AGENT, .id = op->act.agent, .owner = op->act.owner},
        .action = "run.start",
        .args = op->question,
        .budget = &op->budget,
        .run = op->act.run,
        .epoch = op->act.epoch,
        .seq = op->act.seq,
        .key = rv_arena_printf(op->arena, "run:%" PRId64, op->act.run),
        .append = start_append,
        .done = start_on_passed,
        .data = op,
    };
    rv_gate_pass(op->store->options.gate, &op->pass);
}

static enum rv_code start_append(struct rv_gate_pass *pass, struct rv_batch *batch,
                                 struct rv_error *err)
{
    struct start_op *op = pass->data;
    const struct rv_child *child = &op->child;
    json_decref(op->answer);
    op->answer = rv_child_answer(&op->act, child);
    if (rv_journal_append(batch, pass->run, pass->seq, RV_STEP_START, op->act.action, op->digest,
                          op->answer) != RV_OK) {
        return rv_fail(err, RV_LIMIT, "the answer is too large for the journal");
    }
    struct rv_run_new run = {.id = child->id,
                             .agent = child->agent,
                             .plan_hash = &child->plan_hash,
                             .business_key = child->key[0] != '\0' ? child->key : NULL,
                             .parent = pass->run,
                             .depth = child->depth,
                             .close = child->close,
                             .shares = !child->claims,
                             .budget = child->budget,
                             .input = child->input};
    rv_journal_run_new(batch, &run);
    rv_flow_enter(batch, child->id, child->input);
    return RV_OK;
}

static void start_on_holder(void *data, enum rv_code code, const struct rv_result *result,
                            const struct rv_error *err)
{
    struct start_op *op = data;
    char who[RV_CLAIM_SAID_MAX];
    (void)err;
    json_t *holder = code == RV_OK ? rv_claim_holder(result) : NULL;
    rv_claim_say(holder, who, sizeof who);
    json_decref(holder);
    start_refused(
        op, RV_CONFLICT,
        rv_arena_printf(op->arena, "another run is working on that exception already%s", who));
}

static void start_on_passed(struct rv_gate_pass *pass, enum rv_code code,
                            const struct rv_error *err)
{
    struct start_op *op = pass->data;
    if (code == RV_OK) {
        start_end(op, RV_OK, NULL);
        return;
    }
    json_decref(op->answer);
    op->answer = NULL;
    if (code == RV_CONFLICT && strstr(err->detail, "constraint=run_claim") != NULL) {
        struct rv_args *args = rv_args_create(&rv_sql_run_claim_holder);
        rv_args_text(args, 2, op->child.key);
        rv_db_query(op->store->options.db, op->act.tenant, &rv_sql_run_claim_holder, args,
                    start_on_holder, op);
    } else if (code == RV_CONFLICT && strstr(err->detail, "constraint=run_pkey") != NULL) {
        start_refused(op, code, "the name of the child is taken; start it again");
    } else if (code == RV_DENIED || code == RV_LIMIT || code == RV_INVALID) {
        start_refused(op, code, err->message);
    } else {
        start_end(op, code, err);
    }
}
