/* say_effect.c -- runtime/effect/sql/effect.sql, as far as a node and people send it, and what the
 * gate loads of a connector. */
#include "tests/sim/whole/base.h"
#include "tests/sim/whole/effect_rows.h"

#include "runtime/run/run_trace.h"

#include <string.h>

struct connector_row *base_connector(struct base *base, int32_t tenant, const char *name)
{
    BASE_EACH(base, T_CONNECTOR, connector_row, connector)
    {
        if (connector->tenant == tenant && base_is(name, connector->name)) {
            return connector;
        }
    }
    return NULL;
}

struct intent_row *base_intent(struct base *base, int32_t tenant, int64_t run, int32_t seq)
{
    BASE_EACH(base, T_INTENT, intent_row, intent)
    {
        if (intent->tenant == tenant && intent->run == run && intent->seq == seq) {
            return intent;
        }
    }
    return NULL;
}

bool base_intent_open(const struct intent_row *intent)
{
    return !base_is(intent->state, "done") && !base_is(intent->state, "failed");
}

bool base_has_intent(struct base *base, const struct run_row *run, bool canceled)
{
    BASE_EACH(base, T_INTENT, intent_row, intent)
    {
        if (intent->tenant == run->tenant && intent->run == run->id && base_intent_open(intent) &&
            (!canceled || intent->cancel != NULL)) {
            return true;
        }
    }
    return false;
}

static json_t *text_or_null(const char *text)
{
    return text != NULL ? json_string(text) : json_null();
}

/* ---- loads ---- */

static void load_connector(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        const char *name = rv_json_str(base_json(call, 3, i), "connector", NULL);
        const struct connector_row *connector = base_connector(call->base, call->tenant, name);
        json_t *said = json_null();
        if (connector != NULL) {
            said = json_copy(connector->settings);
            json_object_set_new(said, "name", json_string(connector->name));
            json_object_set_new(said, "kind", json_string(connector->kind));
            json_object_set_new(said, "target", json_string(connector->target));
            json_object_set_new(said, "enabled", json_boolean(connector->enabled));
        }
        base_row(call);
        base_out_int(call, base_int(call, 2, i));
        base_out_json(call, json_pack("{s:o,s:{s:i,s:o,s:o,s:o}}", "connector", said, "facts",
                                      "version", connector != NULL ? connector->version : 0,
                                      "connector", text_or_null(name), "kind",
                                      text_or_null(connector != NULL ? connector->kind : NULL),
                                      "host", text_or_null(rv_json_str(said, "host", NULL))));
    }
}

static void put_connector(struct base_call *call, const struct connector_row *connector)
{
    if (connector == NULL) {
        for (int i = 0; i < 7; i++) {
            base_out_null(call);
        }
        return;
    }
    base_out_int(call, connector->id);
    base_out_text(call, connector->kind);
    base_out_text(call, connector->target);
    base_out_text(call, connector->reconcile);
    base_out_json(call, json_incref(connector->settings));
    base_out_null(call); /* connectors of the simulation have no secret */
    base_out_bool(call, connector->enabled);
}

static void effect_load(struct base_call *call)
{
    struct base *base = call->base;
    const struct intent_row *intent =
        base_intent(base, call->tenant, base_int(call, 2, 0), (int32_t)base_int(call, 3, 0));
    if (intent == NULL) {
        return;
    }
    base_row(call);
    base_out_text(call, intent->key);
    base_out_text(call, intent->action);
    base_out_text(call, intent->connector);
    base_out_json(call, json_incref(intent->args));
    base_out_text(call, intent->state);
    base_out_int(call, intent->attempt);
    base_out_int(call, intent->looks);
    if (intent->has_until) {
        base_out_time(call, intent->until_us);
    } else {
        base_out_null(call);
    }
    base_out_text(call, intent->cancel);
    if (intent->outcome != NULL) {
        base_out_json(call, json_incref(intent->outcome));
    } else {
        base_out_null(call);
    }
    put_connector(call, base_connector(base, call->tenant, intent->connector));
    base_out_time(call, base_now_us(base));
    const struct input_row *input = base_input(base, call->tenant, intent->run);
    if (input != NULL && base_run(base, call->tenant, intent->run) != NULL) {
        char trace[RV_TRACE_TEXT];
        rv_trace_text(rv_run_trace(call->tenant, input->run, input->input), trace);
        base_out_text(call, trace);
    } else {
        base_out_null(call);
    }
}

static void effect_now(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        const json_t *args = base_json(call, 3, i);
        const struct intent_row *intent =
            base_intent(call->base, call->tenant, rv_json_int(args, "run", 0),
                        (int32_t)rv_json_int(args, "seq", 0));
        if (intent != NULL) {
            base_row(call);
            base_out_int(call, base_int(call, 2, i));
            base_out_json(call, json_pack("{s:s,s:i,s:i}", "state", intent->state, "attempt",
                                          intent->attempt, "looks", intent->looks));
        }
    }
}

/* ---- writes ---- */

static void effect_intend(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        int64_t run = base_int(call, 2, i);
        int32_t seq = (int32_t)base_int(call, 3, i);
        if (base_intent(call->base, call->tenant, run, seq) != NULL) {
            base_fail(call, "23505", "effect_intent_pkey");
            return;
        }
        struct intent_row *intent = base_insert(call, T_INTENT);
        *intent = (struct intent_row){.tenant = call->tenant,
                                      .run = run,
                                      .seq = seq,
                                      .key = base_text(call, 4, i),
                                      .action = base_text(call, 5, i),
                                      .connector = base_text(call, 6, i),
                                      .args = base_json(call, 7, i),
                                      .state = "intended"};
    }
}

/* {"cancel": why} before the rest, when somebody wants the run to stop. */
static json_t *with_cancel(struct base_call *call, const struct intent_row *intent, json_t *outcome)
{
    if (intent->cancel == NULL || outcome == NULL) {
        return outcome;
    }
    json_t *out = json_pack("{s:s}", "cancel", intent->cancel);
    json_object_update(out, outcome);
    return base_keep(call->base, out);
}

static void effect_move(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        struct intent_row *intent = base_intent(call->base, call->tenant, base_int(call, 2, i),
                                                (int32_t)base_int(call, 3, i));
        if (intent == NULL) {
            continue;
        }
        base_touch(call, T_INTENT, intent);
        intent->state = base_text(call, 4, i);
        intent->attempt = (int)base_int(call, 5, i);
        intent->looks = (int)base_int(call, 6, i);
        intent->has_until = !base_null(call, 7, i);
        intent->until_us = intent->has_until ? base_time_us(call, 7, i) : 0;
        intent->outcome = with_cancel(call, intent, base_json(call, 9, i));
        intent->cancel = base_null(call, 8, i) ? intent->cancel : base_text(call, 8, i);
    }
}

static bool log_put(struct base_call *call, int64_t run, int32_t seq, int64_t n, const char *what,
                    json_t *detail)
{
    BASE_EACH(call->base, T_EFFECT_LOG, effect_log_row, line)
    {
        if (line->tenant == call->tenant && line->run == run && line->seq == seq && line->n == n) {
            base_fail(call, "23505", "effect_log_pkey");
            return false;
        }
    }
    struct effect_log_row *line = base_insert(call, T_EFFECT_LOG);
    *line = (struct effect_log_row){
        .tenant = call->tenant, .run = run, .seq = seq, .n = n, .what = what, .detail = detail};
    return true;
}

static void effect_log_append(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        if (!log_put(call, base_int(call, 2, i), (int32_t)base_int(call, 3, i),
                     base_int(call, 4, i), base_text(call, 5, i), base_json(call, 6, i))) {
            return;
        }
    }
}

static void wake(struct base_call *call, int64_t id)
{
    struct run_row *run = base_run(call->base, call->tenant, id);
    if (run != NULL && base_is(run->status, "waiting") &&
        (base_is(run->waiting_on, "effect") || base_is(run->waiting_on, "intent"))) {
        base_touch(call, T_RUN, run);
        run->has_wake = true;
        run->wake_us = base_now_us(call->base);
    }
}

static void effect_wake(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        const struct run_row *run = base_run(call->base, call->tenant, base_int(call, 2, i));
        if (run != NULL && !base_has_intent(call->base, run, false)) {
            wake(call, run->id);
        }
    }
}

static void effect_resolve(struct base_call *call)
{
    struct intent_row *intent =
        base_intent(call->base, call->tenant, base_int(call, 2, 0), (int32_t)base_int(call, 3, 0));
    bool over = intent != NULL && intent->has_until && base_is(intent->state, "attempting") &&
                intent->until_us < base_now_us(call->base);
    if (intent == NULL ||
        !(over || base_is(intent->state, "person") || base_is(intent->state, "unclear")) ||
        !log_put(call, intent->run, intent->seq, base_int(call, 6, 0), "resolve",
                 base_json(call, 7, 0))) {
        return;
    }
    json_t *outcome = json_copy(base_json(call, 5, 0));
    json_object_set_new(outcome, "key", json_string(intent->key));
    json_object_set_new(outcome, "attempts", json_integer(intent->attempt));
    if (intent->cancel != NULL) {
        json_object_set_new(outcome, "cancel", json_string(intent->cancel));
    }
    base_touch(call, T_INTENT, intent);
    intent->state = base_text(call, 4, 0);
    intent->outcome = base_keep(call->base, outcome);
    intent->has_until = false;
    wake(call, intent->run);
    call->session->tells |= 1u << call->tenant;
    base_row(call);
    base_out_text(call, intent->key);
    base_out_text(call, intent->connector);
    base_out_text(call, intent->action);
}

const struct base_word base_words_effect[] = {
    {"load_connector", load_connector},
    {"effect_load", effect_load},
    {"effect_now", effect_now},
    {"effect_intend", effect_intend},
    {"effect_move", effect_move},
    {"effect_log_append", effect_log_append},
    {"effect_wake", effect_wake},
    {"effect_resolve", effect_resolve},
    {NULL, NULL},
};
