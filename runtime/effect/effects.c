/* effects.c -- the drive of one intent: load, decide (rules.c), write, perform, write; see
 * effect.h.
 *
 * Each turn of an operation reads the intent anew, so that what it acts on is what is durable; a
 * transaction that finds it changed meanwhile writes nothing and the operation reads again.
 */
#include "effect_sql.h"
#include "runtime/audit/audit.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "runtime/effect/effect_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    TURNS_MAX = 32, /* of one operation: more means that two of them fight; later is soon enough */
    TIMEOUT_DEFAULT_MS = 15000
};

struct rv_effects {
    struct rv_effects_options options;
    struct rv_poster *poster;    /* made with the first request */
    struct rv_hook_vault *vault; /* opened with the first secret */
    struct rv_timer *grace;
    struct op *ops;
    char *hook_key;
    bool closing;
    bool ended; /* the grace is over, or nothing is left */
    void (*closed)(void *data);
    void *closed_data;
};

/* What a transaction makes of the intent. */
struct move {
    struct effect_move to;
    int attempt;
    int looks;
    const char *what;
    json_t *detail;  /* for the log and the record; owned */
    json_t *outcome; /* NULL: none yet; owned */
    bool begins;     /* an attempt */
    bool notes_cancel;
    bool fact;   /* what an attempt gave: true, whoever drives the company by now */
    bool anyway; /* ... so it is written without the epoch; state and attempt still decide */
};

struct op {
    struct rv_unit unit; /* first: the committer gives it back */
    struct rv_effects *effects;
    struct op *previous, *next;
    struct effect_intent intent;
    struct move move;
    struct effect_call call; /* what is performed; a look or an attempt */
    json_t *load_args;
    char *cancel; /* of this ask; NULL none */
    int64_t epoch;
    int64_t decided_us; /* monotonic, when the newest move was decided */
    int turns;
    bool cut; /* its answer came from the end of the node: somebody else's database by now */
    void (*done)(void *data, enum rv_code code, json_t *json, const struct rv_error *err);
    void *data;
};

static void turn(struct op *op);
static void on_loaded(void *data, enum rv_code code, const struct rv_result *result,
                      const struct rv_error *err);
static void decide_next(struct op *op);
static void on_performed(void *data, struct effect_result *result);

/* ---- life ---- */

struct rv_effects *rv_effects_create(const struct rv_effects_options *options)
{
    struct rv_effects *effects = rv_alloc(sizeof *effects);
    effects->options = *options;
    effects->hook_key = rv_strdup(options->hook_key);
    return effects;
}

struct rv_loop *effect_loop(struct rv_effects *effects)
{
    return effects->options.loop;
}

struct rv_poster *effect_poster(struct rv_effects *effects)
{
    if (effects->poster == NULL) {
        effects->poster = rv_poster_create(effects->options.loop);
    }
    return effects->poster;
}

enum rv_code effect_vault(struct rv_effects *effects, const struct rv_hook_vault **out,
                          struct rv_error *err)
{
    enum rv_code code = RV_OK;
    if (effects->vault == NULL) {
        code = rv_hook_vault_open(effects->hook_key, &effects->vault, err);
    }
    *out = effects->vault;
    return code;
}

static void op_end(struct op *op, enum rv_code code, json_t *json, const struct rv_error *err);

static void on_poster_closed(void *data)
{
    struct rv_effects *effects = data;
    void (*closed)(void *data) = effects->closed;
    void *closed_data = effects->closed_data;
    rv_hook_vault_close(effects->vault);
    rv_free(effects->hook_key);
    rv_free(effects);
    if (closed != NULL) {
        closed(closed_data);
    }
}

/* Work on the pool and units at the committer cannot be taken back: those are waited for. */
static void release(struct rv_effects *effects)
{
    if (!effects->closing || effects->ended || effects->ops != NULL) {
        return;
    }
    effects->ended = true;
    rv_timer_close(effects->grace);
    if (effects->poster != NULL) {
        rv_poster_close(effects->poster, on_poster_closed, effects);
    } else {
        on_poster_closed(effects);
    }
}

/* What is on its way to a receiver is cut off: the poster forgets it, so it is ended here. */
static void on_grace_over(void *data)
{
    struct rv_effects *effects = data;
    struct rv_poster *poster = effects->poster;
    effects->poster = NULL;
    if (poster != NULL) {
        rv_poster_close(poster, NULL, NULL);
        for (struct op *op = effects->ops, *next = NULL; op != NULL; op = next) {
            next = op->next;
            if (op->cut) {
                op_end(op, RV_CANCELED, NULL, NULL);
            }
        }
    }
}

void rv_effects_close(struct rv_effects *effects, void (*closed)(void *data), void *data)
{
    effects->closing = true;
    effects->closed = closed;
    effects->closed_data = data;
    effects->grace = rv_timer_create(effects->options.loop, on_grace_over, effects);
    rv_timer_start(effects->grace, RV_EFFECT_CLOSE_MS);
    release(effects);
}

/* ---- one operation ---- */

static void move_fini(struct move *move)
{
    json_decref(move->detail);
    json_decref(move->outcome);
    *move = (struct move){.attempt = 0};
}

static void op_end(struct op *op, enum rv_code code, json_t *json, const struct rv_error *err)
{
    struct rv_effects *effects = op->effects;
    if (op->previous != NULL) {
        op->previous->next = op->next;
    } else {
        effects->ops = op->next;
    }
    if (op->next != NULL) {
        op->next->previous = op->previous;
    }
    op->done(op->data, code, json, err);
    effect_intent_fini(&op->intent);
    move_fini(&op->move);
    json_decref(op->load_args);
    rv_free(op->cancel);
    rv_free(op);
    release(effects);
}

void rv_effects_advance(struct rv_effects *effects, const struct rv_effect_ask *ask,
                        void (*done)(void *data, enum rv_code code, json_t *json,
                                     const struct rv_error *err),
                        void *data)
{
    struct op *op = rv_alloc(sizeof *op);
    RV_ASSERT(!effects->ended);
    *op = (struct op){.effects = effects,
                      .next = effects->ops,
                      .intent = {.tenant = ask->tenant, .run = ask->run, .seq = ask->seq},
                      .cancel = rv_strdup(ask->cancel),
                      .epoch = ask->epoch,
                      .done = done,
                      .data = data};
    if (op->next != NULL) {
        op->next->previous = op;
    }
    effects->ops = op;
    op->load_args = json_pack("{s:I,s:i}", "run", (json_int_t)ask->run, "seq", (int)ask->seq);
    turn(op);
}

/* Reads the intent as it is now. */
static void turn(struct op *op)
{
    struct effect_intent fresh = {
        .tenant = op->intent.tenant, .run = op->intent.run, .seq = op->intent.seq};
    effect_intent_fini(&op->intent);
    op->intent = fresh;
    struct rv_args *args = rv_args_create(&rv_sql_effect_load);
    rv_args_i64(args, 2, fresh.run);
    rv_args_i32(args, 3, fresh.seq);
    rv_db_query(op->effects->options.db, fresh.tenant, &rv_sql_effect_load, args, on_loaded, op);
}

static void on_loaded(void *data, enum rv_code code, const struct rv_result *result,
                      const struct rv_error *err)
{
    struct op *op = data;
    if (code != RV_OK) {
        op_end(op, code, NULL, err);
    } else if (!effect_intent_read(&op->intent, result)) {
        /* a copy of a run has the step of the original, not its intent: nothing is sent for it */
        op_end(op, RV_OK,
               json_pack("{s:b,s:s,s:i,s:s,s:s,s:s}", "ok", 0, "state", "failed", "attempts", 0,
                         "how", "no intent", "code", "not_found", "message",
                         "this run has no intent for the step: it belongs to another run"),
               NULL);
    } else {
        decide_next(op);
    }
}

/* ---- writing a move ---- */

static enum rv_code move_decide(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err)
{
    struct op *op = (struct op *)unit;
    const struct effect_intent *intent = &op->intent;
    const struct move *move = &op->move;
    const json_t *now = unit->loads[0].state;
    if (strcmp(rv_json_str(now, "state", ""), effect_state_name(intent->state)) != 0 ||
        rv_json_int(now, "attempt", -1) != intent->attempt ||
        rv_json_int(now, "looks", -1) != intent->looks) {
        return rv_fail(err, RV_CONFLICT, "intent %s has moved meanwhile", intent->key);
    }
    int64_t now_us = rv_batch_head(batch)->now_us;
    op->decided_us = rv_mono_us(rv_loop_clock(op->effects->options.loop));
    struct rv_args *rows = rv_batch_rows(batch, &rv_sql_effect_move);
    rv_args_i64(rows, 2, intent->run);
    rv_args_i32(rows, 3, intent->seq);
    rv_args_text(rows, 4, effect_state_name(move->to.state));
    rv_args_i32(rows, 5, move->attempt);
    rv_args_i32(rows, 6, move->looks);
    if (move->to.state == EFFECT_DONE || move->to.state == EFFECT_FAILED ||
        move->to.state == EFFECT_PERSON) {
        rv_args_null(rows, 7);
    } else {
        rv_args_time(rows, 7, now_us + move->to.wait_ms * 1000);
    }
    rv_args_text(rows, 8, move->notes_cancel ? op->cancel : NULL);
    rv_args_json(rows, 9, move->outcome);
    rows = rv_batch_rows(batch, &rv_sql_effect_log_append);
    rv_args_i64(rows, 2, intent->run);
    rv_args_i32(rows, 3, intent->seq);
    rv_args_i64(rows, 4, rv_id_make(now_us));
    rv_args_text(rows, 5, move->what);
    rv_args_json(rows, 6, move->detail);
    json_t *record = json_pack("{s:s,s:s,s:s,s:s,s:s,s:i,s:O}", "what", move->what, "key",
                               intent->key, "action", intent->action, "connector", intent->name,
                               "state", effect_state_name(move->to.state), "attempt", move->attempt,
                               "detail", move->detail);
    rv_audit_append(batch, "effect", intent->run, intent->seq, record);
    json_decref(record);
    if (move->anyway && move->outcome != NULL) { /* the run waits on another node for the time */
        rv_args_i64(rv_batch_rows(batch, &rv_sql_effect_wake), 2, intent->run);
    }
    return RV_OK;
}

static void perform(struct op *op, bool look);
static void write_move(struct op *op);

static void move_done(struct rv_unit *unit, enum rv_code code, const struct rv_error *err)
{
    struct op *op = (struct op *)unit;
    bool begins = op->move.begins;
    int attempt = op->move.attempt;
    if (code == RV_CONFLICT && op->move.fact && !op->move.anyway) {
        op->move.anyway = true;
        write_move(op);
        return;
    }
    move_fini(&op->move);
    if (code == RV_CONFLICT && op->turns++ < TURNS_MAX) {
        turn(op); /* somebody else moved it: look again */
    } else if (code != RV_OK) {
        op_end(op, code, NULL, err);
    } else if (begins) {
        op->intent.doubt =
            op->intent.state == EFFECT_ATTEMPTING || op->intent.state == EFFECT_UNCLEAR;
        op->intent.state = EFFECT_ATTEMPTING;
        op->intent.attempt = attempt;
        perform(op, false);
    } else {
        turn(op);
    }
}

static void write_move(struct op *op)
{
    const struct effect_intent *intent = &op->intent;
    op->unit = (struct rv_unit){.tenant = intent->tenant,
                                .epoch = op->move.anyway ? 0 : op->epoch,
                                .keys = {intent->key},
                                .loads = {{.statement = &rv_sql_effect_now, .args = op->load_args}},
                                .load_count = 1,
                                .needs_head = true,
                                .decide = move_decide,
                                .done = move_done};
    rv_commit(op->effects->options.committer, &op->unit);
}

/* ---- moves ---- */

static json_t *make_outcome(const struct op *op, bool ok, const char *how,
                            const struct effect_result *result)
{
    const struct effect_intent *intent = &op->intent;
    const char *cancel = op->cancel != NULL ? op->cancel : intent->cancel;
    json_t *out =
        json_pack("{s:b,s:s,s:s,s:i,s:s,s:s*}", "ok", ok, "state", ok ? "done" : "failed", "key",
                  intent->key, "attempts", intent->attempt, "how", how, "cancel", cancel);
    if (ok) {
        json_object_set(out, "answer", result->answer);
    } else {
        json_object_set_new(out, "code", json_string(result->code));
        json_object_set_new(out, "message", json_string(result->message));
    }
    return out;
}

/* After an attempt or a look; takes the result's answer. */
static void settle(struct op *op, struct effect_result *result)
{
    struct move *move = &op->move;
    static const char *const words[] = {"happened", "refused", "not yet", "unknown"};
    *move = (struct move){.to = op->call.look ? effect_after_look(&op->intent, result)
                                              : effect_after_attempt(&op->intent, result),
                          .attempt = op->intent.attempt,
                          .looks = op->call.look ? op->intent.looks + 1 : op->intent.looks,
                          .what = op->call.look ? "look" : "attempt",
                          .fact = !op->call.look};
    move->detail = json_pack("{s:s,s:O*,s:s*,s:s*}", "verdict", words[result->verdict], "answer",
                             result->answer, "code", result->answer == NULL ? result->code : NULL,
                             "message", result->answer == NULL ? result->message : NULL);
    bool ended = move->to.state == EFFECT_DONE || move->to.state == EFFECT_FAILED;
    if (ended) {
        static const char *const rules[] = {"person", "repeat", "status", "look"};
        move->outcome = make_outcome(op, move->to.state == EFFECT_DONE,
                                     op->call.look ? rules[op->intent.rule] : "answer", result);
    }
    json_decref(result->answer);
    result->answer = NULL;
    write_move(op);
}

static int64_t timeout_ms(const struct effect_intent *intent)
{
    return effect_setting(intent, "timeout_ms", TIMEOUT_DEFAULT_MS);
}

static void begin_attempt(struct op *op)
{
    op->move =
        (struct move){.to = {EFFECT_ATTEMPTING, timeout_ms(&op->intent) + RV_EFFECT_MARGIN_MS},
                      .attempt = op->intent.attempt + 1,
                      .looks = op->intent.looks,
                      .what = "begin",
                      .begins = true,
                      .detail = json_pack("{s:i}", "attempt", op->intent.attempt + 1)};
    write_move(op);
}

static void go_to_person(struct op *op)
{
    op->move = (struct move){
        .to = {EFFECT_PERSON, 0},
        .attempt = op->intent.attempt,
        .looks = op->intent.looks,
        .what = "ask",
        .detail = json_pack("{s:s}", "why",
                            op->intent.has_connector
                                ? "it has no outcome, and the connector's rule is to ask"
                                : "it has no outcome, and its connector is gone or switched off")};
    write_move(op);
}

/* Nothing was sent, and nothing will be. */
static void give_up(struct op *op, enum rv_code code, const char *how, const char *message)
{
    struct effect_result result = {.answer = NULL};
    effect_result_set(&result, EFFECT_REFUSED, code, "%s", message);
    op->move = (struct move){.to = {EFFECT_FAILED, 0},
                             .attempt = op->intent.attempt,
                             .looks = op->intent.looks,
                             .what = how,
                             .detail = json_pack("{s:s}", "message", message),
                             .outcome = make_outcome(op, false, how, &result)};
    write_move(op);
}

/* The wish to stop is kept with the intent: whoever brings the outcome brings it, too. */
static bool note_cancel(struct op *op)
{
    if (op->cancel == NULL || op->intent.cancel != NULL) {
        return false;
    }
    op->move = (struct move){
        .to = {op->intent.state, (op->intent.until_us - op->intent.now_us + 999) / 1000},
        .attempt = op->intent.attempt,
        .looks = op->intent.looks,
        .what = "cancel",
        .detail = json_pack("{s:s}", "reason", op->cancel),
        .notes_cancel = true};
    write_move(op);
    return true;
}

static void wait(struct op *op)
{
    if (op->intent.state != EFFECT_RETRY && note_cancel(op)) {
        return;
    }
    bool person = op->intent.state == EFFECT_PERSON;
    op_end(op, RV_OK,
           json_pack("{s:s,s:I}", "state", effect_state_name(op->intent.state), "until_us",
                     (json_int_t)(person ? 0 : op->intent.until_us)),
           NULL);
}

static void decide_next(struct op *op)
{
    if (op->effects->closing) {
        struct rv_error err = {.code = RV_OK};
        rv_fail(&err, RV_CANCELED, "the node stops");
        op_end(op, RV_CANCELED, NULL, &err);
        return;
    }
    if (op->turns++ > TURNS_MAX) {
        struct rv_error err = {.code = RV_OK};
        rv_fail(&err, RV_UNAVAILABLE, "intent %s does not come to rest", op->intent.key);
        op_end(op, RV_UNAVAILABLE, NULL, &err);
        return;
    }
    bool cancel = op->cancel != NULL || op->intent.cancel != NULL;
    switch (effect_next(&op->intent, cancel)) {
    case NEXT_GIVE: op_end(op, RV_OK, json_incref(op->intent.outcome), NULL); break;
    case NEXT_WAIT: wait(op); break;
    case NEXT_WITHDRAW: give_up(op, RV_CANCELED, "withdrawn", "withdrawn: it was not sent"); break;
    case NEXT_REFUSE:
        give_up(op, RV_NOT_FOUND, "no connector", "its connector is gone or switched off");
        break;
    case NEXT_ATTEMPT: begin_attempt(op); break;
    case NEXT_PERSON: go_to_person(op); break;
    case NEXT_LOOK: perform(op, true); break;
    }
}

/* ---- performing ---- */

static void on_performed(void *data, struct effect_result *result)
{
    struct op *op = data;
    op->cut = false;
    settle(op, result);
}

static void perform(struct op *op, bool look)
{
    struct rv_effects *effects = op->effects;
    int64_t mono_us = rv_mono_us(rv_loop_clock(effects->options.loop));
    int64_t late_us = mono_us - op->decided_us;
    op->call = (struct effect_call){.intent = &op->intent,
                                    .look = look,
                                    .over_us = mono_us + timeout_ms(&op->intent) * 1000,
                                    .done = on_performed,
                                    .data = op};
    if (!look && (late_us > RV_EFFECT_LATE_MS * 1000 || effects->closing)) {
        struct effect_result late = {.answer = NULL};
        effect_result_set(&late, EFFECT_NOT_YET, RV_TIMEOUT,
                          "the attempt would have begun too late, and was not begun");
        settle(op, &late);
        return;
    }
    op->cut = op->intent.kind != EFFECT_FILE;
    switch (op->intent.kind) {
    case EFFECT_HTTP: effect_http_begin(effects, &op->call); break;
    case EFFECT_MAIL: effect_mail_begin(effects, &op->call); break;
    case EFFECT_FILE: effect_file_begin(effects, &op->call); break;
    }
}
