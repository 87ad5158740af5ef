/* fork.c -- see fork.h. */
#include "runtime/run/fork.h"

#include "run_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/random.h"
#include "runtime/journal/blob.h"
#include "runtime/journal/journal.h"
#include "runtime/lua/given.h"
#include "runtime/run/flow.h"
#include "runtime/run/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { FORK_ARENA_MAX = 8 << 20 };

/* ---- may it be? ---- */

static enum rv_code check_step(const json_t *facts, const struct rv_run_fork *fork,
                               struct rv_error *err)
{
    const json_t *last = json_object_get(facts, "last");
    int kind = (int)rv_json_int(last, "kind", 0);
    int64_t outcome = rv_json_int(facts, "outcome", 0);
    if (outcome > 0 && fork->at >= outcome) {
        rv_fail(err, RV_INVALID,
                "step %d: the outcome is decided at step %" PRId64 "; a fork begins before it",
                fork->at, outcome);
        rv_hint(err, "Fork at step %" PRId64 ", or at an earlier one.", outcome - 1);
        return RV_INVALID;
    }
    const char *why =
        kind == RV_STEP_TIMER ? "is a wait"
        : kind == RV_STEP_ACTION && strcmp(rv_json_str(last, "result", ""), "held") == 0
            ? "asks people"
        : rv_json_bool(facts, "outside", false) ? "has its outcome in the next one"
        : kind == RV_STEP_NOTE && strcmp(rv_json_str(last, "name", ""), "end") == 0
            ? "is where the run was stopped"
            : NULL;
    if (why != NULL) {
        rv_fail(err, RV_INVALID, "step %d: that step %s, which cannot be taken over alone",
                fork->at, why);
        rv_hint(err, "Fork at step %d, or at a later one.", fork->at - 1);
        return RV_INVALID;
    }
    const char *child = rv_json_str(facts, "child", NULL);
    if (child != NULL) {
        return rv_fail(err, RV_CONFLICT,
                       "step %d: %s, which the run had started, was not over then", fork->at,
                       child);
    }
    return RV_OK;
}

static enum rv_code check_revival(const json_t *facts, const struct rv_run_fork *fork,
                                  struct rv_error *err)
{
    const char *revived = rv_json_str(facts, "revived", NULL);
    const char *later = rv_json_str(facts, "later", NULL);
    if (revived != NULL) {
        rv_fail(err, RV_CONFLICT, "%s goes on for r_%" PRId64 " already", revived, fork->run);
        rv_hint(err, "Should that one have failed, revive it: reeve run revive %s.", revived);
        return RV_CONFLICT;
    }
    if (later != NULL) {
        rv_fail(err, RV_CONFLICT, "%s has taken the business of r_%" PRId64 " since", later,
                fork->run);
        rv_hint(err, "To do it again nevertheless: reeve run fork r_%" PRId64 ".", fork->run);
        return RV_CONFLICT;
    }
    int64_t standing = rv_json_int(facts, "standing", 0);
    if (standing > 0) { /* a payment cannot be taken back, and what is taken back may be refused */
        rv_fail(err, RV_CONFLICT,
                "%" PRId64 " effect%s of r_%" PRId64
                " after step %d stand%s: a run that goes on from there would do the same again",
                standing, standing == 1 ? "" : "s", fork->run, fork->at, standing == 1 ? "s" : "");
        rv_hint(err,
                "See them: reeve run show r_%" PRId64
                ".  To do them again nevertheless: reeve run fork r_%" PRId64 " --at-step %d.",
                fork->run, fork->run, fork->at);
        return RV_CONFLICT;
    }
    return RV_OK;
}

enum rv_code rv_fork_check(const json_t *facts, const struct rv_run_fork *fork,
                           struct rv_error *err)
{
    const char *status = rv_json_str(facts, "status", "");
    int64_t steps = rv_json_int(facts, "steps", 0);
    if (!rv_run_state_final(rv_run_state_from_name(status))) {
        rv_fail(err, RV_CONFLICT, "run r_%" PRId64 " is not over: %s", fork->run, status);
        rv_hint(err, "Wait for its end, or cancel it: reeve run cancel r_%" PRId64 ".", fork->run);
        return RV_CONFLICT;
    }
    if (fork->revive && check_revival(facts, fork, err) != RV_OK) {
        return RV_CONFLICT;
    }
    const json_t *dropped = json_object_get(facts, "dropped");
    if (json_is_object(dropped)) {
        rv_fail(err, RV_CONFLICT,
                "run r_%" PRId64 ": journal past its retention, dropped on %.10s by %.80s",
                fork->run, rv_json_str(dropped, "at", ""), rv_json_str(dropped, "by", ""));
        rv_hint(err, "Begin anew: reeve run retry.");
        return RV_CONFLICT;
    }
    if (fork->at < 0 || fork->at > steps) {
        rv_fail(err, RV_INVALID, "step %d: run r_%" PRId64 " has steps 1 to %" PRId64, fork->at,
                fork->run, steps);
        rv_hint(err, "Step 0 takes over nothing; see the steps: reeve run show r_%" PRId64 ".",
                fork->run);
        return RV_INVALID;
    }
    int64_t action = rv_json_int(facts, "action", 0);
    if (rv_json_bool(facts, "taken_back", false) && action > 0 && fork->at >= action) {
        rv_fail(err, RV_CONFLICT,
                "what run r_%" PRId64 " did was taken back: the answers from step %" PRId64
                " on are not true any more",
                fork->run, action);
        rv_hint(err, "Fork it before that step, or begin anew: reeve run retry.");
        return RV_CONFLICT;
    }
    if (fork->version != NULL && json_is_null(json_object_get(facts, "new_plan"))) {
        rv_fail(err, RV_NOT_FOUND, "agent %s has no version %.60s", rv_json_str(facts, "agent", ""),
                fork->version);
        rv_hint(err, "Versions are published with reeve agent publish.");
        return RV_NOT_FOUND;
    }
    if ((fork->input != NULL && rv_plan_may_get("input", fork->input, err) != RV_OK) ||
        (fork->message.body != NULL &&
         rv_plan_may_get("message", fork->message.body, err) != RV_OK)) {
        return RV_INVALID;
    }
    return fork->at > 0 ? check_step(facts, fork, err) : RV_OK;
}

json_t *rv_fork_input(const json_t *facts, const struct rv_run_fork *fork)
{
    json_t *input = json_deep_copy(json_object_get(facts, "input"));
    const json_t *before = json_object_get(input, "forked");
    char name[32];
    snprintf(name, sizeof name, "r_%" PRId64, fork->run);
    json_t *forked =
        json_pack("{s:s,s:i,s:s,s:I,s:I}", "run", name, "at", (int)fork->at, "name",
                  rv_json_str(before, "name", name), "now_us",
                  (json_int_t)rv_json_int(before, "now_us", rv_json_int(facts, "created_us", 0)),
                  "seed", (json_int_t)rv_json_int(before, "seed", fork->run));
    RV_ASSERT(forked != NULL);
    json_object_set_new(input, "forked", forked);
    if (fork->input != NULL) {
        json_t *exception = json_object_get(input, "exception");
        if (exception == NULL) {
            json_object_set_new(input, "exception", json_deep_copy(fork->input));
        } else {
            json_object_update(exception, (json_t *)(uintptr_t)fork->input);
        }
    }
    return input;
}

/* ---- through the gate ---- */

struct forking {
    struct rv_gate_pass pass;
    struct rv_gate *gate;
    struct rv_arena *arena;
    struct rv_run_fork fork;
    int64_t id;
    struct rv_hash plan;
    json_t *facts;
    json_t *args;
    json_t *input;
    rv_run_asked done;
    void *data;
};

static void forking_end(struct forking *op, enum rv_code code, const struct rv_error *err)
{
    op->done(op->data, code, code == RV_OK ? op->id : 0, err);
    json_decref((json_t *)(uintptr_t)op->pass.principal.roles);
    json_decref((json_t *)(uintptr_t)op->fork.input);
    json_decref((json_t *)(uintptr_t)op->fork.message.body);
    json_decref(op->facts);
    json_decref(op->args);
    json_decref(op->input);
    rv_arena_destroy(op->arena);
    rv_free(op);
}

/* The decision is recorded by the gate, with a digest of what was asked; why is said here. */
static void record_revival(const struct forking *op, struct rv_batch *batch)
{
    json_t *body =
        json_pack("{s:s,s:O,s:i,s:s}", "what", "run.revive", "of", json_object_get(op->args, "run"),
                  "at_step", (int)op->fork.at, "person", op->pass.principal.id);
    if (op->fork.reason != NULL) {
        json_object_set_new(body, "reason", json_string(op->fork.reason));
    }
    if (op->fork.input != NULL) {
        json_object_set(body, "input", (json_t *)(uintptr_t)op->fork.input);
    }
    if (op->fork.message.body != NULL) {
        json_object_set_new(body, "message",
                            json_pack("{s:i,s:I,s:O}", "step", (int)op->fork.message.step, "id",
                                      (json_int_t)op->fork.message.id, "body",
                                      op->fork.message.body));
    }
    rv_audit_append(batch, "admin", op->id, -1, body);
    json_decref(body);
}

/* What the first run had not taken by then; one of them perhaps in other words, which are those of
 * the person who asks. */
static void carry_signals(const struct forking *op, struct rv_batch *batch)
{
    const json_t *body = op->fork.message.body;
    struct rv_args *rows = rv_batch_rows(batch, &rv_sql_run_signal_carry);
    rv_args_i64(rows, 2, op->id);
    rv_args_i64(rows, 3, op->fork.run);
    rv_args_i32(rows, 4, op->fork.at);
    rv_args_i64(rows, 5, body != NULL ? op->fork.message.id : 0);
    rv_args_json(rows, 6, body);
    rv_args_text(rows, 7, op->pass.principal.id);
    if (body != NULL) {
        rv_blob_use(batch, op->id, body);
    }
}

static enum rv_code fork_append(struct rv_gate_pass *pass, struct rv_batch *batch,
                                struct rv_error *err)
{
    (void)err;
    struct forking *op = pass->data;
    const char *key = rv_json_str(op->facts, "key", NULL);
    struct rv_run_new run = {.id = op->id,
                             .agent = rv_json_str(op->facts, "agent", ""),
                             .plan_hash = &op->plan,
                             .business_key = key,
                             .input = op->input};
    rv_journal_run_new(batch, &run);
    struct rv_args *rows = rv_batch_rows(batch, &rv_sql_run_fork_copy);
    rv_args_i64(rows, 2, op->id);
    rv_args_i64(rows, 3, op->fork.run);
    rv_args_i32(rows, 4, op->fork.at);
    if (op->fork.revive) {
        record_revival(op, batch);
        rows = rv_batch_rows(batch, &rv_sql_run_revival_put);
        rv_args_i64(rows, 2, op->fork.run);
        rv_args_i64(rows, 3, op->id);
        carry_signals(op, batch);
    }
    if (op->fork.at > 0) { /* it stands where those steps had brought the first one */
        bool planned = rv_json_int(op->facts, "plan_at", 0) > 0;
        struct rv_run_status status = {
            .run = op->id,
            .status = rv_run_state_name(planned ? RV_RUN_EXECUTING : RV_RUN_PLANNING),
            .steps = op->fork.at};
        rv_journal_run_status(batch, &status);
    }
    rv_flow_enter(batch, op->id, op->input);
    return RV_OK;
}

static void fork_done(struct rv_gate_pass *pass, enum rv_code code, const struct rv_error *err)
{
    struct forking *op = pass->data;
    struct rv_error taken = {.code = RV_OK};
    if (code == RV_CONFLICT && strstr(err->detail, "constraint=run_claim") != NULL) {
        rv_fail(&taken, RV_CONFLICT, "a run is working on the same business already: %s",
                rv_json_str(op->facts, "key", ""));
        rv_hint(&taken, "See it: reeve run list open --key KEY.");
        err = &taken;
    } else if (code == RV_CONFLICT && strstr(err->detail, "constraint=run_revival_once") != NULL) {
        rv_fail(&taken, RV_CONFLICT, "another run goes on for r_%" PRId64 " already", op->fork.run);
        rv_hint(&taken, "See it: reeve run dead --revived.");
        err = &taken;
    }
    forking_end(op, code, err);
}

static void on_facts(void *data, enum rv_code code, const struct rv_result *result,
                     const struct rv_error *err)
{
    struct forking *op = data;
    struct rv_error why = {.code = RV_OK};
    if (code == RV_OK && rv_result_rows(result) == 0) {
        code = rv_fail(&why, RV_NOT_FOUND, "there is no run r_%" PRId64, op->fork.run);
        rv_hint(&why, "See the runs: reeve run list.");
        err = &why;
    } else if (code == RV_OK) {
        op->facts = rv_result_json(result, 0, 0);
        code = rv_fork_check(op->facts, &op->fork, &why);
        err = &why;
    }
    if (code != RV_OK) {
        forking_end(op, code, err);
        return;
    }
    const char *plan = rv_json_str(op->facts, "new_plan", rv_json_str(op->facts, "plan", ""));
    char name[32];
    RV_ASSERT(rv_hash_from_hex(plan, &op->plan));
    snprintf(name, sizeof name, "r_%" PRId64, op->fork.run);
    op->input = rv_fork_input(op->facts, &op->fork);
    op->args = json_pack("{s:s,s:s,s:s,s:i,s:s}", "agent", rv_json_str(op->facts, "agent", ""),
                         "mode", op->fork.revive ? "revive" : "fork", "run", name, "at_step",
                         (int)op->fork.at, "plan", plan);
    if (op->fork.reason != NULL) {
        json_object_set_new(op->args, "reason", json_string(op->fork.reason));
    }
    op->pass.action = "run.start";
    op->pass.args = op->args;
    op->pass.run = op->id;
    op->pass.key = rv_json_str(op->facts, "key", NULL);
    op->pass.append = fork_append;
    op->pass.done = fork_done;
    rv_gate_pass(op->gate, &op->pass);
}

void rv_run_fork(struct rv_gate *gate, struct rv_db *db, int32_t tenant,
                 const struct rv_principal *principal, const struct rv_run_fork *fork,
                 rv_run_asked done, void *data)
{
    struct forking *op = rv_alloc(sizeof *op);
    op->gate = gate;
    op->arena = rv_arena_create("run fork", FORK_ARENA_MAX);
    op->id = rv_id_make(rv_now_us(rv_gate_clock(gate)));
    op->fork = *fork;
    op->fork.version = rv_arena_strdup(op->arena, fork->version);
    op->fork.input = json_deep_copy(fork->input);
    op->fork.message.body = json_deep_copy(fork->message.body);
    op->fork.reason = rv_arena_strdup(op->arena, fork->reason);
    op->done = done;
    op->data = data;
    op->pass.tenant = tenant;
    op->pass.principal = *principal;
    op->pass.principal.id = rv_arena_strdup(op->arena, principal->id);
    op->pass.principal.roles = json_incref((json_t *)(uintptr_t)principal->roles);
    op->pass.data = op;
    struct rv_args *args = rv_args_create(&rv_sql_run_fork_look);
    rv_args_i64(args, 2, fork->run);
    rv_args_i32(args, 3, fork->at);
    rv_args_text(args, 4, fork->version);
    rv_db_query(db, tenant, &rv_sql_run_fork_look, args, on_facts, op);
}
