/* openai_call.c -- see openai_call.h. */
#include "runtime/http/openai_call.h"

#include "model_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "runtime/http/openai_function.h"
#include "runtime/http/openai_share.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 8 << 20, ID_TEXT = 40, FINGERPRINT_TEXT = 24 };

/* One answer: n of a chat, n of each prompt of completions. */
struct choice {
    struct rv_openai_open *open;
    size_t index;
    uint64_t question;
    bool asked, ended;
    struct rv_buf text, thoughts;       /* so far; of a stream, what was not written yet ... */
    json_t *logprobs;                   /* ... and these, too */
    struct rv_openai_function function; /* with tools: whether `text` is said, or arguments ... */
    bool named;                         /* ... and the stream has the function's name */
    size_t begun;                       /* characters of the prompt and of the tokens so far */
    char finish[16];
};

struct rv_openai_open {
    struct rv_openai_open *next;
    struct rv_api *api;
    struct rv_call *call; /* NULL once the exchange is answered */
    struct rv_http_stream *stream;
    struct rv_engine *engine;
    struct rv_openai_ask ask;
    int32_t tenant;
    char *person;
    char id[ID_TEXT], fingerprint[FINGERPRINT_TEXT];
    uint64_t call_id; /* of the first choice's call; the next have the next */
    struct rv_openai_head head;
    struct choice *choices;
    size_t count, begun, at_engine; /* the first `begun` were asked; count: none is left */
    int64_t end_us;
    json_t *usage; /* of all, as the engine has it */
    bool ended;    /* the engine has said its last word */
    bool cut;      /* nobody listens any more, or one has failed */
};

/* ---- errors ---- */

void rv_openai_refuse(struct rv_call *call, int status, const char *type, const char *code,
                      const char *message, const char *pointer)
{
    json_t *body = rv_openai_error(type, code, message, pointer);
    rv_exchange_json(call->exchange, status, body);
    json_decref(body);
}

static void event_error(const struct rv_engine_event *event, int *status, const char **type,
                        const char **code)
{
    *status = rv_code_http_status(event->code);
    *type = *status >= 500 ? "server_error" : "invalid_request_error";
    *code = rv_code_name(event->code);
    if (event->code == RV_LIMIT && event->retry_ms > 0) {
        *type = "rate_limit_error";
        *code = "overloaded";
    } else if (event->code == RV_LIMIT) {
        *status = 400;
        *code = "context_length_exceeded";
    }
}

void rv_openai_refuse_event(struct rv_call *call, const struct rv_openai_ask *ask, size_t index,
                            const struct rv_engine_event *event)
{
    char place[RV_OPENAI_PLACE_MAX];
    int status = 0;
    const char *type = NULL;
    const char *code = NULL;
    event_error(event, &status, &type, &code);
    if (event->retry_ms > 0) {
        char seconds[16];
        snprintf(seconds, sizeof seconds, "%d", (int)((event->retry_ms + 999) / 1000));
        rv_exchange_field(call->exchange, "Retry-After", seconds);
    }
    rv_openai_place(ask, index, event->retry_ms > 0 ? RV_UNAVAILABLE : event->code,
                    event->err->message, place, sizeof place);
    rv_openai_refuse(call, status, type, code, event->err->message, place);
}

/* ---- accounts ---- */

struct noted {
    struct rv_api *api;
    int32_t tenant;
    int64_t kept;
};

static void on_noted(void *data, enum rv_code code, const struct rv_result *result,
                     const struct rv_error *err)
{
    struct noted *noted = data;
    (void)result;
    if (code != RV_OK) {
        rv_log_error("http", "USE-LOST", err);
    }
    rv_openai_give(noted->api, noted->tenant, noted->kept);
    rv_free(noted);
}

void rv_openai_account(struct rv_api *api, int32_t tenant, const char *person, const char *asked,
                       const json_t *body, int64_t kept)
{
    const json_t *usage = json_object_get(body, "usage");
    if (usage == NULL || api->stopped) {
        rv_openai_give(api, tenant, kept);
        return;
    }
    struct noted *noted = rv_alloc(sizeof *noted);
    *noted = (struct noted){api, tenant, kept};
    const json_t *answered = json_object_get(body, "model");
    struct rv_args *args = rv_args_create(&rv_sql_model_use_add);
    rv_args_i32(args, 1, tenant);
    rv_args_text(args, 2, rv_json_str(answered, "name", asked));
    rv_args_text(args, 3, "");
    rv_args_text(args, 4, person);
    rv_args_i64(args, 5, rv_json_int(usage, "prompt", 0));
    rv_args_i64(args, 6, rv_json_int(usage, "cached", 0));
    rv_args_i64(args, 7, rv_json_int(usage, "answer", 0));
    rv_db_query(api->options.db, tenant, &rv_sql_model_use_add, args, on_noted, noted);
}

/* ---- life ---- */

static void open_free(struct rv_openai_open *open)
{
    struct rv_openai_open **at = &open->api->openai;
    while (*at != open) {
        at = &(*at)->next;
    }
    *at = open->next;
    rv_openai_ask_fini(&open->ask);
    for (size_t i = 0; i < open->count; i++) {
        rv_buf_fini(&open->choices[i].text);
        rv_buf_fini(&open->choices[i].thoughts);
        rv_openai_function_fini(&open->choices[i].function);
        json_decref(open->choices[i].logprobs);
    }
    rv_free(open->choices);
    json_decref(open->usage);
    rv_free(open->person);
    rv_free(open);
}

static void open_cut(struct rv_openai_open *open)
{
    for (size_t i = 0; i < open->count && !open->cut; i++) {
        if (open->choices[i].asked && !open->choices[i].ended) {
            rv_engine_cancel(open->engine, open->choices[i].question);
        }
    }
    open->begun = open->count;
    open->cut = true;
}

void rv_openai_stop(struct rv_api *api)
{
    for (struct rv_openai_open *at = api->openai; at != NULL; at = at->next) {
        open_cut(at);
    }
}

static void on_gone(void *data) /* the client, before it got anything */
{
    open_cut(data);
}

static void on_closed(void *data) /* the client has gone */
{
    struct rv_openai_open *open = data;
    open->stream = NULL;
    open_cut(open);
    if (open->ended) {
        open_free(open);
    }
}

/* ---- streaming ---- */

/* Takes `chunk`. */
static void write_chunk(struct rv_openai_open *open, json_t *chunk)
{
    if (open->stream != NULL && !open->cut) {
        char *text = rv_json_text(chunk);
        struct rv_buf line;
        rv_buf_init(&line, TEXT_MAX);
        rv_buf_printf(&line, "data: %s\n\n", text);
        if (!rv_http_stream_write(open->stream, line.data, line.length)) {
            open_cut(open); /* too slow: on_closed comes */
        }
        rv_buf_fini(&line);
        rv_free(text);
    }
    json_decref(chunk);
}

static void begin_stream(struct rv_openai_open *open)
{
    struct rv_call *call = open->call;
    if (call == NULL) {
        return;
    }
    open->call = NULL;
    if (rv_exchange_gone(call->exchange)) {
        open_cut(open);
        rv_exchange_answer(call->exchange, 499, "application/json", "{}", 2);
        return;
    }
    open->stream = rv_exchange_stream(call->exchange, "text/event-stream", on_closed, open);
    for (size_t i = 0; i < open->count && open->head.kind == RV_OPENAI_CHAT; i++) {
        write_chunk(open, rv_openai_chunk(&open->head, i,
                                          json_pack("{s:s,s:s?}", "role", "assistant", "content",
                                                    open->ask.tools ? NULL : ""),
                                          NULL, NULL));
    }
}

static bool is_call(const struct choice *choice)
{
    return choice->function.form == RV_OPENAI_FUNCTION;
}

static void call_id_of(const struct choice *choice, char id[ID_TEXT])
{
    snprintf(id, ID_TEXT, "call_%016llx",
             (unsigned long long)(choice->open->call_id + choice->index));
}

static json_t *take_text(struct rv_buf *text)
{
    json_t *value = json_stringn(text->data, text->length);
    rv_buf_reset(text);
    return value;
}

/* Of the choice, once there are some.  New reference, or NULL. */
static json_t *take_logprobs(struct choice *choice)
{
    json_t *list = json_array_size(choice->logprobs) > 0 ? choice->logprobs : NULL;
    choice->logprobs = list != NULL ? json_array() : choice->logprobs;
    return list;
}

/* What came and was not written. */
static void stream_choice(struct choice *choice)
{
    struct rv_openai_open *open = choice->open;
    if (is_call(choice) && !choice->named) {
        char id[ID_TEXT];
        call_id_of(choice, id);
        begin_stream(open);
        write_chunk(open,
                    rv_openai_chunk(&open->head, choice->index,
                                    rv_openai_call_begin(id, choice->function.name), NULL, NULL));
        choice->named = true;
    }
    if (choice->thoughts.length == 0 && choice->text.length == 0) {
        return;
    }
    begin_stream(open);
    json_t *delta = NULL;
    if (choice->thoughts.length > 0) {
        delta = json_pack("{s:o}", "reasoning_content", take_text(&choice->thoughts));
    } else if (open->head.kind == RV_OPENAI_COMPLETION) {
        delta = take_text(&choice->text);
    } else if (is_call(choice)) {
        delta = rv_openai_call_more(take_text(&choice->text));
    } else {
        delta = json_pack("{s:o}", "content", take_text(&choice->text));
    }
    write_chunk(open,
                rv_openai_chunk(&open->head, choice->index, delta, take_logprobs(choice), NULL));
}

/* ---- the end ---- */

/* Arguments that had to be closed at the limit are whole, and not what the model would have said.
 */
static const char *finish_of(const struct choice *choice)
{
    return is_call(choice) && strcmp(choice->finish, "stop") == 0 ? "tool_calls" : choice->finish;
}

static json_t *message_of(struct choice *choice)
{
    json_t *text = take_text(&choice->text);
    if (choice->open->head.kind == RV_OPENAI_COMPLETION) {
        return text;
    }
    json_t *message = NULL;
    if (is_call(choice)) {
        char id[ID_TEXT];
        call_id_of(choice, id);
        message = rv_openai_call_message(id, choice->function.name, text);
    } else {
        message = json_pack("{s:s,s:o}", "role", "assistant", "content", text);
    }
    if (choice->thoughts.length > 0) {
        json_object_set_new(message, "reasoning_content", take_text(&choice->thoughts));
    }
    return message;
}

static void end_choice(struct choice *choice)
{
    struct rv_openai_open *open = choice->open;
    begin_stream(open);
    write_chunk(open, rv_openai_chunk(&open->head, choice->index, NULL, take_logprobs(choice),
                                      finish_of(choice)));
}

static void end_stream(struct rv_openai_open *open)
{
    if (open->ask.usage_chunk) {
        write_chunk(open, rv_openai_usage_chunk(&open->head, open->usage));
    }
    if (open->stream != NULL && !open->cut) {
        static const char last[] = "data: [DONE]\n\n";
        if (rv_http_stream_write(open->stream, last, sizeof last - 1)) {
            rv_http_stream_end(open->stream);
            open->stream = NULL;
        }
    }
}

static void answer_whole(struct rv_openai_open *open)
{
    json_t *choices = json_array();
    for (size_t i = 0; i < open->count; i++) {
        struct choice *choice = &open->choices[i];
        json_array_append_new(choices, rv_openai_choice(&open->head, i, message_of(choice),
                                                        choice->logprobs, finish_of(choice)));
        choice->logprobs = NULL;
    }
    json_t *whole = rv_openai_whole(&open->head, choices, open->usage);
    rv_exchange_json(open->call->exchange, 200, whole);
    open->call = NULL;
    json_decref(whole);
}

static void on_failed(struct rv_openai_open *open, size_t index,
                      const struct rv_engine_event *event)
{
    if (open->call != NULL) {
        rv_openai_refuse_event(open->call, &open->ask, index, event);
        open->call = NULL;
        return;
    }
    int status = 0;
    const char *type = NULL;
    const char *code = NULL;
    event_error(event, &status, &type, &code);
    write_chunk(open, rv_openai_error(type, code, event->err->message, NULL));
    if (open->stream != NULL && !open->cut) {
        rv_http_stream_end(open->stream);
        open->stream = NULL;
    }
}

static void on_piece(struct choice *choice, const json_t *body)
{
    struct rv_openai_open *open = choice->open;
    const json_t *list = json_object_get(body, "logprobs");
    const json_t *text = json_object_get(body, "text");
    bool thinking = rv_json_bool(body, "thinking", false);
    for (size_t i = 0; open->ask.logprobs && !thinking && i < json_array_size(list); i++) {
        json_t *one = rv_openai_logprob(json_array_get(list, i), open->ask.alternatives);
        if (open->head.kind == RV_OPENAI_COMPLETION) {
            rv_openai_place_logprob(one, &choice->begun);
        }
        json_array_append_new(choice->logprobs, one);
    }
    if (open->ask.tools && !thinking) {
        rv_openai_function_take(&choice->function, json_string_value(text),
                                json_string_length(text), &choice->text);
    } else {
        rv_buf_add(thinking ? &choice->thoughts : &choice->text, json_string_value(text),
                   json_string_length(text));
    }
    if (open->ask.stream) {
        stream_choice(choice);
    }
}

/* Adds, exactly, what one of them took: of the prompt, which all choices of it have, once. */
static void add_usage(json_t *sum, const json_t *usage)
{
    static const char *const keys[] = {"prompt", "cached", "answer", "thinking"};
    for (size_t i = 0; i < RV_COUNT(keys); i++) {
        int64_t tokens = rv_json_int(sum, keys[i], 0) + rv_json_int(usage, keys[i], 0);
        json_object_set_new(sum, keys[i], json_integer(tokens));
    }
}

static void ask_more(struct rv_openai_open *open);

static void record(const struct choice *choice, const struct rv_engine_event *event)
{
    const struct rv_openai_open *open = choice->open;
    bool done = event->kind == RV_ENGINE_DONE;
    const json_t *usage = json_object_get(event->body, "usage");
    const struct rv_openai_made made = {.id = open->id,
                                        .choice = (int32_t)choice->index,
                                        .outcome =
                                            done ? choice->finish : rv_code_name(event->code),
                                        .seed = rv_openai_seed(&open->head, choice->index),
                                        .has_seed = true,
                                        .prompt_tokens = rv_json_int(usage, "prompt", 0),
                                        .cached_tokens = rv_json_int(usage, "cached", 0)};
    rv_openai_record(open->api, open->tenant, &made, event->body);
}

/* The event's body as it is charged for: a prompt by the first of its choices.  New reference. */
static json_t *counted_of(const struct choice *choice, const json_t *body)
{
    json_t *usage = json_object_get(body, "usage");
    if (usage == NULL || choice->index % choice->open->ask.n == 0) {
        return json_incref((json_t *)(uintptr_t)body);
    }
    json_t *counted = json_copy((json_t *)(uintptr_t)body);
    json_t *answer = json_copy(usage);
    json_object_set_new(answer, "prompt", json_integer(0));
    json_object_set_new(answer, "cached", json_integer(0));
    json_object_set_new(counted, "usage", answer);
    return counted;
}

/* The choice has ended; the request has with its last one, or with the first that failed. */
static void on_end(struct choice *choice, const struct rv_engine_event *event)
{
    struct rv_openai_open *open = choice->open;
    choice->ended = true;
    open->at_engine--;
    json_t *counted = counted_of(choice, event->body);
    add_usage(open->usage, json_object_get(counted, "usage"));
    snprintf(choice->finish, sizeof choice->finish, "%s",
             rv_json_str(event->body, "finish", "stop"));
    record(choice, event);
    if (event->kind == RV_ENGINE_FAILED) {
        on_failed(open, choice->index / open->ask.n, event);
        open_cut(open);
    } else if (open->ask.stream) {
        end_choice(choice);
    }
    open->ended = open->at_engine == 0 && open->begun == open->count;
    rv_openai_account(open->api, open->tenant, open->person, open->ask.model, counted,
                      open->ended ? open->ask.kept : 0);
    json_decref(counted);
    if (!open->ended) {
        ask_more(open);
    } else if (event->kind == RV_ENGINE_DONE && open->ask.stream) {
        end_stream(open);
    } else if (open->call != NULL) {
        answer_whole(open);
    }
}

static void on_event(void *data, const struct rv_engine_event *event)
{
    struct choice *choice = data;
    struct rv_openai_open *open = choice->open;
    if (event->kind == RV_ENGINE_PIECE) {
        on_piece(choice, event->body);
        return;
    }
    on_end(choice, event);
    if (open->ended && open->stream == NULL) {
        open_free(open);
    }
}

/* ---- the beginning ---- */

static void name_it(struct rv_openai_open *open)
{
    uint64_t number[2];
    rv_random_secret(number, sizeof number);
    json_t *facts = rv_engine_facts(open->engine);
    snprintf(open->id, sizeof open->id, "%s-%016llx",
             open->ask.kind == RV_OPENAI_CHAT ? "chatcmpl" : "cmpl", (unsigned long long)number[0]);
    open->call_id = number[1];
    snprintf(open->fingerprint, sizeof open->fingerprint, "fp_%.12s",
             rv_json_str(facts, "hash", "unknown"));
    json_decref(facts);
    open->head = (struct rv_openai_head){
        .kind = open->ask.kind,
        .id = open->id,
        .model = open->ask.model,
        .fingerprint = open->fingerprint,
        .created_s = rv_now_us(rv_loop_clock(open->api->options.loop)) / 1000000};
    const json_t *seed = json_object_get(open->ask.question, "seed");
    rv_random_secret(number, sizeof number);
    open->head.seed =
        seed != NULL ? json_integer_value(seed) : (int64_t)(number[0] % RV_OPENAI_SEED_MOST);
    open->head.seeds_apart = seed == NULL;
    open->head.n = open->ask.n;
}

/* The same seed gives each prompt the answers that it has alone; without one they are drawn apart.
 */
static void ask_more(struct rv_openai_open *open)
{
    struct rv_loop *loop = open->api->options.loop;
    int64_t left_ms = (open->end_us - rv_mono_us(rv_loop_clock(loop))) / 1000;
    while (open->begun < open->count && open->at_engine < RV_OPENAI_AT_ONCE) {
        struct choice *choice = &open->choices[open->begun++];
        json_t *question = json_copy(open->ask.question);
        json_t *prompt = json_array_get(open->ask.inputs, choice->index / open->ask.n);
        if (prompt != NULL) {
            json_object_set_new(question, "messages",
                                json_pack("[{s:s,s:O}]", "role", "user", "text", prompt));
        }
        json_object_set_new(question, "seed",
                            json_integer(rv_openai_seed(&open->head, choice->index)));
        open->at_engine++;
        choice->asked = true;
        choice->question = rv_engine_ask(open->engine, loop, question, left_ms > 1 ? left_ms : 1,
                                         on_event, choice);
    }
}

void rv_openai_begin(struct rv_call *call, struct rv_openai_ask *ask, struct rv_engine *engine)
{
    struct rv_api *api = call->api;
    struct rv_openai_open *open = rv_alloc(sizeof *open);
    *open = (struct rv_openai_open){
        .next = api->openai,
        .api = api,
        .call = call,
        .engine = engine,
        .ask = *ask,
        .tenant = call->caller->tenant,
        .person = rv_strdup(call->caller->person),
        .count = ask->n * (ask->inputs != NULL ? json_array_size(ask->inputs) : 1),
        .end_us =
            rv_mono_us(rv_loop_clock(api->options.loop)) + api->options.models.deadline_ms * 1000,
        .usage = json_object()};
    api->openai = open;
    open->choices = rv_alloc_array(open->count, sizeof *open->choices);
    for (size_t i = 0; i < open->count; i++) {
        struct choice *choice = &open->choices[i];
        *choice =
            (struct choice){.open = open,
                            .index = i,
                            .logprobs = ask->logprobs ? json_array() : NULL,
                            .begun = rv_openai_characters(json_array_get(ask->inputs, i / ask->n))};
        rv_buf_init(&choice->text, TEXT_MAX);
        rv_buf_str(&choice->text, "");
        rv_buf_init(&choice->thoughts, TEXT_MAX);
        rv_openai_function_init(&choice->function);
    }
    name_it(open);
    json_t *question = open->ask.question;
    json_object_set_new(question, "tenant", json_integer(open->tenant));
    json_object_set_new(question, "tier",
                        json_integer(rv_model_tier(api->options.models.tiers, open->tenant)));
    if (open->ask.adapter != NULL) {
        json_object_set(question, "adapter", open->ask.adapter);
    }
    rv_exchange_when_gone(call->exchange, on_gone, open);
    ask_more(open);
}
