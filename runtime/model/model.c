/* model.c -- the port: one question on its way to the engine and back, its deadline, the breaker.
 *
 *   closed --N failures in a row--> open --pause over--> half-open --answer--> closed
 *                                     ^------------------failure-----'
 *
 * A question lives until it has been answered to its caller and the engine has given back what it
 * was asked: after the deadline the engine still owes its callback.
 *
 * What is not here: the text of a prompt (prompt.c), what must be hidden (redact.c), what a good
 * answer is (answer.c).
 */
#include "runtime/model/model.h"

#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/log.h"
#include "runtime/model/answer.h"
#include "runtime/model/prompt.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum breaker { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };
static const char *const breaker_names[] = {"closed", "open", "half-open"};

struct rv_model {
    struct rv_model_options options;
    enum breaker breaker;
    int failures; /* in a row */
    int64_t open_until_us;
    int64_t asked, failed, refused, late;
    int64_t tokens_in, tokens_out;
    struct ask *asks; /* those that are open */
};

/* One question. */
struct ask {
    struct rv_model *model; /* NULL when that is gone */
    struct ask *next, **place;
    struct rv_redaction *redaction;
    struct rv_prompt prompt;
    json_t *schema;  /* in the prompt's words */
    json_t *options; /* as the caller wrote them; NULL */
    char *adapter;
    struct rv_model_asker asker; /* its agent is owned */
    int64_t seed;
    int64_t deadline_us;
    int max_tokens;
    int tries;
    bool late;     /* past its deadline: waits only for what the engine took */
    char why[200]; /* the answer before was wrong; "" */
    int tokens_in, tokens_out, tokens_cached, tokens_thinking;
    struct rv_hash hash; /* of the first prompt */
    struct rv_timer *timer;
    struct rv_model_request request;
    bool engine_owes;
    bool inside;    /* of the engine's ask: an answer now waits for the loop */
    json_t *answer; /* that waits */
    void (*done)(void *data, json_t *answer); /* NULL: the caller has been answered */
    void *data;
};

static void on_answer(void *data, enum rv_code code, const struct rv_model_reply *reply,
                      const struct rv_error *err);
static void ask_engine(struct ask *ask);

/* ---- life ---- */

struct rv_model *rv_model_create(const struct rv_model_options *options)
{
    struct rv_model *model = rv_alloc(sizeof *model);
    model->options = *options;
    if (model->options.deadline_ms == 0) {
        model->options.deadline_ms = RV_MODEL_DEADLINE_MS;
    }
    return model;
}

static void ask_unlink(struct ask *ask)
{
    if (ask->place != NULL) {
        *ask->place = ask->next;
        if (ask->next != NULL) {
            ask->next->place = ask->place;
        }
        ask->place = NULL;
    }
}

/* Frees what nobody needs any more. */
static void ask_release(struct ask *ask)
{
    if (ask->engine_owes || ask->done != NULL || ask->inside) {
        return;
    }
    ask_unlink(ask);
    rv_timer_close(ask->timer);
    rv_redaction_destroy(ask->redaction);
    rv_prompt_fini(&ask->prompt);
    json_decref(ask->schema);
    json_decref(ask->options);
    json_decref(ask->answer);
    rv_free((char *)(uintptr_t)ask->asker.agent);
    rv_free(ask->adapter);
    rv_free(ask);
}

void rv_model_destroy(struct rv_model *model)
{
    if (model == NULL) {
        return;
    }
    while (model->asks != NULL) {
        struct ask *ask = model->asks;
        bool waits = ask->answer != NULL; /* the loop still has it */
        ask_unlink(ask);
        rv_timer_close(ask->timer);
        ask->timer = NULL;
        ask->model = NULL;
        if (!waits) {
            ask->done = NULL;
            ask_release(ask);
        }
    }
    rv_free(model);
}

bool rv_model_has_engine(const struct rv_model *model, int32_t tenant)
{
    const struct rv_model_engine *engine = model->options.engine;
    return engine != NULL && (engine->serves == NULL || engine->serves(engine->self, tenant));
}

const char *rv_model_name(const struct rv_model *model, int32_t tenant)
{
    const struct rv_model_engine *engine = model->options.engine;
    if (!rv_model_has_engine(model, tenant)) {
        return "";
    }
    return engine->model != NULL ? engine->model(engine->self, tenant) : engine->name;
}

static int64_t mono_us(const struct rv_model *model)
{
    return rv_mono_us(rv_loop_clock(model->options.loop));
}

/* ---- breaker ---- */

static bool may_ask(struct rv_model *model)
{
    if (model->breaker == BREAKER_OPEN && mono_us(model) >= model->open_until_us) {
        model->breaker = BREAKER_HALF_OPEN;
        return true; /* one trial; until its answer nobody else is let through */
    }
    return model->breaker == BREAKER_CLOSED;
}

/* Whether the engine answered, not whether it was right. */
static void note_result(struct rv_model *model, bool answered)
{
    if (answered) {
        model->failures = 0;
        model->breaker = BREAKER_CLOSED;
        return;
    }
    model->failed++;
    if (++model->failures >= RV_MODEL_BREAKER_FAILURES || model->breaker == BREAKER_HALF_OPEN) {
        model->breaker = BREAKER_OPEN;
        model->open_until_us = mono_us(model) + RV_MODEL_BREAKER_OPEN_MS * INT64_C(1000);
        rv_log(RV_LOG_WARN, "model", "BREAKER-OPEN", "failures=%d pause_ms=%d", model->failures,
               RV_MODEL_BREAKER_OPEN_MS);
    }
}

/* ---- the caller's answer ---- */

static json_t *usage_of(const struct ask *ask)
{
    int64_t began_us = ask->deadline_us - ask->model->options.deadline_ms * 1000;
    return json_pack("{s:i,s:i,s:i,s:i,s:i,s:I}", "tokens", ask->tokens_in + ask->tokens_out, "in",
                     ask->tokens_in, "out", ask->tokens_out, "cached", ask->tokens_cached, "tries",
                     ask->tries, "ms", (json_int_t)((mono_us(ask->model) - began_us) / 1000));
}

static json_t *failure(const struct ask *ask, const char *code, const char *message)
{
    json_t *answer = json_pack("{s:b,s:s,s:s}", "ok", 0, "code", code, "message", message);
    if (ask->tries > 0) {
        json_object_set_new(answer, "usage", usage_of(ask));
    }
    return answer;
}

static void answer_now(struct ask *ask, json_t *answer)
{
    void (*done)(void *data, json_t *answer) = ask->done;
    void *data = ask->data;
    ask->done = NULL;
    ask->answer = NULL;
    rv_timer_close(ask->timer);
    ask->timer = NULL;
    ask_release(ask);
    done(data, answer);
}

static void answer_posted(void *data)
{
    struct ask *ask = data;
    if (ask->model != NULL) {
        answer_now(ask, ask->answer);
        return;
    }
    ask->done = NULL; /* the port is gone: nobody is told */
    ask_release(ask);
}

/* Answers once, never inside the caller's call. */
static void answer(struct ask *ask, json_t *value)
{
    if (!ask->inside) {
        answer_now(ask, value);
        return;
    }
    rv_timer_close(ask->timer);
    ask->timer = NULL;
    ask->answer = value;
    rv_loop_post(ask->model->options.loop, answer_posted, ask);
}

static void answer_late(struct ask *ask)
{
    char text[80];
    snprintf(text, sizeof text, "deadline: the model did not answer within %" PRId64 " ms",
             ask->model->options.deadline_ms);
    answer(ask, failure(ask, "unavailable", text));
}

static void on_deadline(void *data)
{
    struct ask *ask = data;
    struct rv_model *model = ask->model;
    const struct rv_model_engine *engine = model->options.engine;
    RV_ASSERT(ask->engine_owes); /* so `ask` outlives the caller's answer */
    if (ask->late) {
        answer_late(ask);
        return;
    }
    note_result(model, false);
    if (engine->cancel == NULL || ask->asker.tokens_left == 0) {
        answer_late(ask);
    } else { /* what it took counts */
        ask->late = true;
        rv_timer_start(ask->timer, RV_MODEL_SETTLE_MS);
    }
    if (engine->cancel != NULL) {
        engine->cancel(engine->self, ask);
    }
}

/* ---- asking ---- */

/* Of what the asker may spend, with what this question has taken already; at least 1: 0 would be no
 * bound. */
static int64_t tokens_left(const struct ask *ask)
{
    int64_t left = ask->asker.tokens_left - ask->tokens_in - ask->tokens_out;
    return left > 0 ? left : 1;
}

static enum rv_code check_question(const json_t *question, struct rv_error *err)
{
    const json_t *options = json_object_get(question, "options");
    const json_t *schema = json_object_get(question, "schema");
    const json_t *adapter = json_object_get(question, "adapter");
    if (!json_is_string(json_object_get(question, "question"))) {
        return rv_fail(err, RV_INVALID, "field \"question\" must be a text");
    }
    if (adapter != NULL &&
        (json_string_length(adapter) < 1 || json_string_length(adapter) > RV_MODEL_ADAPTER_MAX)) {
        return rv_fail(
            err, RV_INVALID,
            "field \"adapter\" must be the name of one, 1 to %d bytes: reeve adapter list",
            RV_MODEL_ADAPTER_MAX);
    }
    if (options != NULL && schema != NULL) {
        return rv_fail(err, RV_INVALID,
                       "a question has \"options\" or \"schema\": the one that is meant");
    }
    if (json_array_size(options) >= 2) {
        size_t i;
        json_t *option;
        json_array_foreach((json_t *)(uintptr_t)options, i, option)
        {
            if (json_string_length(option) == 0) {
                return rv_fail(err, RV_INVALID,
                               "field \"options\" must be a list of texts, none of them empty");
            }
        }
        return RV_OK;
    }
    if (options != NULL || schema == NULL) {
        return rv_fail(err, RV_INVALID, "a question needs two options or more, or a schema");
    }
    return rv_answer_schema_known(schema, err);
}

static enum rv_code prepare(struct ask *ask, const json_t *question, struct rv_error *err)
{
    int64_t most = rv_model_tokens_most(question);
    enum rv_code code = check_question(question, err);
    if (code == RV_OK && (most < 1 || most > RV_MODEL_ANSWER_MAX)) {
        code = rv_fail(err, RV_INVALID, "field \"max_tokens\" must be from 1 to %d",
                       RV_MODEL_ANSWER_MAX);
    }
    if (code == RV_OK) {
        code = rv_prompt_write(&ask->prompt, ask->redaction, question, ask->seed, err);
    }
    if (code != RV_OK) {
        return code;
    }
    ask->max_tokens = (int)most;
    ask->adapter = rv_strdup(rv_json_str(question, "adapter", ""));
    ask->options = json_incref(json_object_get(question, "options"));
    ask->schema = ask->prompt.options != NULL ? rv_answer_options_schema(ask->prompt.options)
                                              : json_incref(json_object_get(question, "schema"));
    ask->hash = rv_sha256(ask->prompt.text.data, ask->prompt.text.length);
    return RV_OK;
}

void rv_model_decide(struct rv_model *model, const struct rv_model_asker *asker,
                     const json_t *question, const json_t *names, int64_t seed,
                     void (*done)(void *data, json_t *answer), void *data)
{
    struct ask *ask = rv_alloc(sizeof *ask);
    struct rv_error err = {.code = RV_OK};
    ask->model = model;
    ask->asker = *asker;
    ask->asker.agent = rv_strdup(asker->agent != NULL ? asker->agent : "");
    ask->seed = seed;
    ask->done = done;
    ask->data = data;
    ask->next = model->asks;
    ask->place = &model->asks;
    if (ask->next != NULL) {
        ask->next->place = &ask->next;
    }
    model->asks = ask;
    ask->inside = true;
    ask->redaction = rv_redaction_create(names);
    if (!rv_model_has_engine(model, asker->tenant)) {
        const struct rv_model_engine *engine = model->options.engine;
        bool lacks = engine != NULL && engine->lacks != NULL && engine->lacks(engine->self, &err);
        answer(ask, failure(ask, "unavailable", lacks ? err.message : "no model is loaded"));
    } else if (prepare(ask, question, &err) != RV_OK) {
        answer(ask, failure(ask, rv_code_name(err.code), err.message));
    } else if (!may_ask(model)) {
        answer(ask,
               failure(ask, "unavailable", "the model failed repeatedly and is given a pause"));
    } else {
        model->asked++;
        ask->deadline_us = mono_us(model) + model->options.deadline_ms * 1000;
        ask->timer = rv_timer_create(model->options.loop, on_deadline, ask);
        rv_timer_start(ask->timer, model->options.deadline_ms);
        ask_engine(ask);
    }
    ask->inside = false;
}

/* The first time, and again after a repair. */
static void ask_engine(struct ask *ask)
{
    const struct rv_model_engine *engine = ask->model->options.engine;
    ask->request = (struct rv_model_request){
        .tenant = ask->asker.tenant,
        .tier = rv_model_tier(ask->model->options.tiers, ask->asker.tenant),
        .agent = ask->asker.agent,
        .run = ask->asker.run,
        .instructions = rv_prompt_instructions,
        .facts = ask->prompt.facts.data,
        .untrusted = ask->prompt.untrusted.data,
        .text = ask->prompt.text.data,
        .options = ask->prompt.options,
        .schema = ask->schema,
        .adapter = ask->adapter,
        .seed = (int64_t)(((uint64_t)ask->seed + (uint64_t)ask->tries) & INT64_MAX),
        .max_tokens = ask->max_tokens - ask->tokens_out,
        .tokens_left = ask->asker.tokens_left > 0 ? tokens_left(ask) : 0,
        .deadline_ms = (ask->deadline_us - mono_us(ask->model)) / 1000,
    };
    bool was_inside = ask->inside;
    ask->tries++;
    ask->engine_owes = true;
    ask->inside = true;
    engine->ask(engine->self, &ask->request, on_answer, ask);
    ask->inside = was_inside;
}

/* ---- the answer is untrusted input ---- */

/* Every text with its tokens put back. */
static json_t *restored(const struct rv_redaction *redaction, const json_t *value)
{
    if (json_is_string(value)) {
        struct rv_buf text;
        rv_buf_init(&text, RV_MODEL_PROMPT_MAX + RV_MODEL_ANSWER_MAX);
        rv_restore(redaction, json_string_value(value), json_string_length(value), &text);
        json_t *out = json_stringn(text.data, text.length);
        rv_buf_fini(&text);
        return out != NULL ? out : json_string("");
    }
    if (json_is_array(value)) {
        json_t *out = json_array();
        for (size_t i = 0; i < json_array_size(value); i++) {
            json_array_append_new(out, restored(redaction, json_array_get(value, i)));
        }
        return out;
    }
    if (json_is_object(value)) {
        json_t *out = json_object();
        const char *key;
        json_t *member;
        json_object_foreach((json_t *)(uintptr_t)value, key, member)
        {
            json_object_set_new(out, key, restored(redaction, member));
        }
        return out;
    }
    return json_deep_copy(value);
}

static int option_index(const json_t *options, const json_t *choice)
{
    for (size_t i = 0; i < json_array_size(options); i++) {
        if (json_equal(json_array_get(options, i), (json_t *)(uintptr_t)choice)) {
            return (int)i;
        }
    }
    return -1;
}

/* {option: "0.8731"}, in the caller's words: decimal text, as everything that is no integer. */
static json_t *probability_of(const struct ask *ask, const double *probability)
{
    json_t *out = json_object();
    for (size_t i = 0; i < json_array_size(ask->options); i++) {
        char text[16];
        double p = probability[i] >= 0 && probability[i] <= 1 ? probability[i] : 0;
        snprintf(text, sizeof text, "%.4f", p);
        json_object_set_new(out, json_string_value(json_array_get(ask->options, i)),
                            json_string(text));
    }
    return out;
}

/* Of all tries; those of `answer` include the thoughts. */
static json_t *tokens_of(const struct ask *ask)
{
    return json_pack("{s:i,s:i,s:i,s:i}", "prompt", ask->tokens_in, "cached", ask->tokens_cached,
                     "answer", ask->tokens_out, "thinking", ask->tokens_thinking);
}

/* What the caller gets, or RV_INVALID with the rule that was broken. */
static enum rv_code read_reply(const struct ask *ask, const struct rv_model_reply *reply,
                               json_t **value, struct rv_error *err)
{
    json_t *raw = NULL;
    const char *text = reply->text == NULL ? "" : reply->text;
    size_t length = strnlen(text, RV_MODEL_ANSWER_MAX + 1);
    if (length > RV_MODEL_ANSWER_MAX) {
        return rv_fail(err, RV_INVALID, "the answer is longer than %d bytes", RV_MODEL_ANSWER_MAX);
    }
    if (rv_json_parse(text, length, "the answer", &raw, NULL) != RV_OK) {
        return rv_fail(err, RV_INVALID, "the answer is no JSON");
    }
    enum rv_code code = rv_answer_check(ask->schema, raw, err);
    if (code == RV_OK && ask->options != NULL) {
        int index = option_index(ask->prompt.options, json_object_get(raw, "choice"));
        RV_ASSERT(index >= 0); /* the schema has an enum of them */
        if (reply->choice >= 0 && reply->choice != index) {
            code = rv_fail(err, RV_INVALID, "the answer names one option and the engine another");
        } else {
            int margin = reply->margin > 0 && reply->margin <= 100 ? reply->margin : 0;
            *value = json_pack(
                "{s:O,s:o,s:i}", "choice", json_array_get(ask->options, (size_t)index), "reason",
                restored(ask->redaction, json_object_get(raw, "reason")), "margin", margin);
            if (reply->probability != NULL) {
                json_object_set_new(*value, "probability", probability_of(ask, reply->probability));
            }
            json_object_set_new(*value, "tokens", tokens_of(ask));
            if (ask->prompt.left_out > 0) {
                json_object_set_new(*value, "left_out", json_integer(ask->prompt.left_out));
            }
        }
    } else if (code == RV_OK) {
        *value = restored(ask->redaction, raw);
    }
    json_decref(raw);
    return code;
}

static bool try_again(struct ask *ask, const struct rv_error *why)
{
    struct rv_error err = {.code = RV_OK};
    return ask->tries < RV_MODEL_TRIES_MAX &&
           (ask->asker.tokens_left == 0 || tokens_left(ask) >= RV_MODEL_TRY_TOKENS_MIN) &&
           ask->max_tokens - ask->tokens_out >= RV_MODEL_TRY_TOKENS_MIN &&
           mono_us(ask->model) < ask->deadline_us &&
           rv_prompt_repair(&ask->prompt, why->message, &err) == RV_OK;
}

/* What answered, so that the same can be asked again. */
static json_t *model_of(const struct ask *ask, const struct rv_model_reply *reply)
{
    const struct rv_model_engine *engine = ask->model->options.engine;
    json_t *model = reply->model != NULL
                        ? json_copy((json_t *)(uintptr_t)reply->model)
                        : json_pack("{s:s,s:s}", "name", engine->name, "hash", engine->hash);
    json_object_set_new(model, "seed", json_integer(ask->request.seed));
    return model;
}

static void answer_wrong(struct ask *ask)
{
    char text[240];
    snprintf(text, sizeof text, "the model was asked %d times; %s", ask->tries, ask->why);
    answer(ask, failure(ask, "invalid", text));
}

/* Of the first try the asker hears what is missing; a repair without room is none. */
static void on_too_little(struct ask *ask, int64_t needs, const char *message)
{
    ask->tries--; /* nothing was computed */
    if (ask->tries > 0) {
        answer_wrong(ask);
        return;
    }
    json_t *no = failure(ask, "limit", message);
    json_object_set_new(no, "needs", json_integer(needs));
    answer(ask, no);
}

static void on_reply(struct ask *ask, const struct rv_model_reply *reply)
{
    struct rv_model *model = ask->model;
    struct rv_error why = {.code = RV_OK};
    json_t *value = NULL;
    note_result(model, true);
    if (read_reply(ask, reply, &value, &why) != RV_OK) {
        model->refused++;
        snprintf(ask->why, sizeof ask->why, "%s", why.message);
        if (try_again(ask, &why)) {
            ask_engine(ask);
        } else {
            answer_wrong(ask);
        }
        return;
    }
    char hex[RV_HASH_HEX];
    rv_hash_hex(&ask->hash, hex);
    json_t *out = json_pack("{s:b,s:o,s:o,s:o,s:s}", "ok", 1, "value", value, "usage",
                            usage_of(ask), "model", model_of(ask, reply), "prompt", hex);
    if (reply->cut) {
        json_object_set_new(out, "cut", json_true());
    }
    answer(ask, out);
}

static void on_answer(void *data, enum rv_code code, const struct rv_model_reply *reply,
                      const struct rv_error *err)
{
    struct ask *ask = data;
    struct rv_model *model = ask->model;
    RV_ASSERT(ask->engine_owes); /* exactly once */
    ask->engine_owes = false;
    if (model == NULL) {
        ask_release(ask);
        return;
    }
    if (reply != NULL) {
        int in = reply->tokens_in > 0 ? reply->tokens_in : 0;
        int out = reply->tokens_out > 0 ? reply->tokens_out : 0;
        ask->tokens_in += in;
        ask->tokens_out += out;
        ask->tokens_cached += reply->tokens_cached;
        ask->tokens_thinking += reply->tokens_thinking;
        model->tokens_in += in;
        model->tokens_out += out;
    }
    if (ask->done == NULL || ask->answer != NULL) { /* the deadline has answered already */
        model->late++;
        ask_release(ask);
        return;
    }
    if (ask->late) {
        model->late++;
        answer_late(ask);
        return;
    }
    if (code == RV_OK) {
        on_reply(ask, reply);
        return;
    }
    bool said_no = code == RV_LIMIT || code == RV_INVALID; /* of this question: it is well */
    note_result(model, said_no);
    const char *message = err != NULL ? err->message : "the model failed";
    if (code == RV_LIMIT && reply != NULL && reply->tokens_needed > 0) {
        on_too_little(ask, reply->tokens_needed, message);
        return;
    }
    answer(ask, failure(ask, said_no ? rv_code_name(code) : "unavailable", message));
}

json_t *rv_model_status(const struct rv_model *model)
{
    const struct rv_model_engine *engine = model->options.engine;
    return json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:s}", "state", breaker_names[model->breaker],
                     "asked", (json_int_t)model->asked, "failed", (json_int_t)model->failed,
                     "refused", (json_int_t)model->refused, "late", (json_int_t)model->late,
                     "tokens_in", (json_int_t)model->tokens_in, "tokens_out",
                     (json_int_t)model->tokens_out, "engine",
                     engine != NULL ? engine->name : "none");
}
