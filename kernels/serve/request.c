/* request.c -- a request becomes a sequence, or is refused: on the caller's thread, before anything
 * of it is computed, with the numbers that were wrong.
 */
#include "kernels/serve/compile.h"
#include "kernels/serve/grammar.h"
#include "kernels/serve/serve.h"
#include "kernels/serve/spell.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { PENALTY_MOST = 2, BIAS_MOST = 100 };

/* ---- the prompt ---- */

static enum kernel_status encode_prompt(struct kernel_engine *engine,
                                        const struct kernel_request *request,
                                        struct kernel_tokens *out, struct kernel_error *error)
{
    if (request->message_count == 0 || request->messages == NULL) {
        return kernel_fail(error, KERNEL_INVALID, "a request has at least one message");
    }
    if (request->kind == KERNEL_CHAT) {
        if (engine->chat == NULL) {
            struct kernel_model_facts facts;
            char list[KERNEL_CHAT_LIST];
            kernel_model_facts(engine->model, &facts);
            kernel_chat_list(list);
            return kernel_fail(error, KERNEL_UNSUPPORTED, "%s; name one: %s",
                               facts.chat_fault[0] != '\0' ? facts.chat_fault
                                                           : "the model has no chat format",
                               list);
        }
        return kernel_chat_encode(engine->chat, engine->vocab, request->messages,
                                  request->message_count, out, error);
    }
    if (request->message_count != 1) {
        return kernel_fail(error, KERNEL_INVALID, "a text or an embedding has one message, not %u",
                           request->message_count);
    }
    if (kernel_vocab_bos(engine->vocab) != KERNEL_TOKEN_NONE) {
        kernel_tokens_push(out, kernel_vocab_bos(engine->vocab));
    }
    kernel_vocab_encode(engine->vocab, request->messages[0].text, false, out);
    return KERNEL_OK;
}

static enum kernel_status too_little(uint32_t prompt, uint32_t least, uint32_t most,
                                     struct kernel_error *error)
{
    kernel_fail(error, KERNEL_LIMIT,
                "the prompt has %u tokens and the shortest answer may need %u; %u are allowed "
                "together",
                prompt, least, most);
    if (error != NULL) {
        error->needs = (int64_t)prompt + least;
    }
    return KERNEL_LIMIT;
}

/* What the request itself allows for both together. */
static enum kernel_status fit_total(struct sequence *sequence, struct kernel_error *error)
{
    uint32_t prompt = sequence->tokens.count;
    uint32_t least = sequence->kind == KERNEL_EMBED ? 0 : 1;
    if (sequence->total_max == 0) {
        return KERNEL_OK;
    }
    if (sequence->total_max < least || prompt > sequence->total_max - least) {
        return too_little(prompt, least, sequence->total_max, error);
    }
    uint32_t left = sequence->total_max - prompt;
    if (sequence->answer_max > left) {
        sequence->answer_max = left;
        uint32_t half = left / 2;
        sequence->thinking_max = sequence->thinking_max < half ? sequence->thinking_max : half;
    }
    return KERNEL_OK;
}

/* Prompt and answer must fit the context and the cache; `answer_max` 0 becomes what they leave. */
static enum kernel_status fit(const struct kernel_engine *engine, struct sequence *sequence,
                              struct kernel_error *error)
{
    uint32_t prompt = sequence->tokens.count;
    uint32_t room = engine->context_max;
    uint32_t cached = engine->cache_tokens;
    room = room < cached ? room : cached;
    uint32_t least = sequence->kind == KERNEL_EMBED ? 0 : 1;
    if (prompt == 0) {
        return kernel_fail(error, KERNEL_INVALID, "the prompt is empty");
    }
    if (prompt + least > room) {
        return kernel_fail(error, KERNEL_LIMIT, "the prompt has %u tokens; %u are left for it%s",
                           prompt, room, least > 0 ? " and an answer" : "");
    }
    if (sequence->answer_max == 0 || sequence->kind == KERNEL_EMBED) {
        sequence->answer_max = room - prompt;
    } else if (sequence->answer_max > room - prompt) {
        return kernel_fail(error, KERNEL_LIMIT,
                           "prompt (%u tokens) and answer (%u) are longer than the context (%u): "
                           "%u are left for an answer",
                           prompt, sequence->answer_max, room, room - prompt);
    }
    return KERNEL_OK;
}

/* ---- options: {"choice":one of them,"reason":text} ---- */

static const char answer_open[] = "{\"choice\":";
static const char answer_middle[] = ",\"reason\":\"";
enum { REASON_MAX = 600 }; /* characters: a person reads it */

static json_t *options_schema(const struct kernel_request *request)
{
    json_t *names = json_array();
    for (uint32_t i = 0; i < request->option_count; i++) {
        json_array_append_new(names,
                              json_stringn(request->options[i].bytes, request->options[i].length));
    }
    return json_pack("{s:s, s:{s:{s:o}, s:{s:s, s:i}}, s:[s,s], s:b}", "type", "object",
                     "properties", "choice", "enum", names, "reason", "type", "string", "maxLength",
                     (int)REASON_MAX, "required", "choice", "reason", "additionalProperties", 0);
}

static void encode_options(struct kernel_engine *engine, const struct kernel_request *request,
                           struct options *options)
{
    options->common = UINT32_MAX;
    for (uint32_t i = 0; i < options->count; i++) {
        struct spell_bytes text = {0}; /* spelt as the grammar spells it */
        spell_add(&text, answer_open, sizeof answer_open - 1);
        spell_add_quoted(&text, request->options[i]);
        spell_add(&text, answer_middle, sizeof answer_middle - 1);
        struct kernel_tokens *tokens = &options->tokens[i];
        kernel_vocab_encode(engine->vocab, (struct kernel_text){text.at, text.length}, false,
                            tokens);
        uint32_t same = 0;
        while (same < tokens->count && same < options->tokens[0].count &&
               tokens->at[same] == options->tokens[0].at[same]) {
            same++;
        }
        options->common = same < options->common && i > 0 ? same : options->common;
        options->longest = tokens->count > options->longest ? tokens->count : options->longest;
        free(text.at);
    }
}

static enum kernel_status take_options(struct kernel_engine *engine, struct sequence *sequence,
                                       const struct kernel_request *request,
                                       struct kernel_error *error)
{
    if (request->option_count < 2 || request->option_count > OPTIONS_MAX) {
        return kernel_fail(error, KERNEL_INVALID, "%u options: 2 to %d can be decided between",
                           request->option_count, OPTIONS_MAX);
    }
    for (uint32_t i = 0; i < request->option_count; i++) {
        json_t *name = json_stringn(request->options[i].bytes, request->options[i].length);
        if (name == NULL) {
            return kernel_fail(error, KERNEL_INVALID, "option %u is not UTF-8", i);
        }
        json_decref(name);
        for (uint32_t j = 0; j < i; j++) {
            if (request->options[i].length == request->options[j].length &&
                memcmp(request->options[i].bytes, request->options[j].bytes,
                       request->options[i].length) == 0) {
                return kernel_fail(error, KERNEL_INVALID, "options %u and %u are the same", j, i);
            }
        }
    }
    struct options *options = kernel_allocate(1, sizeof *options);
    sequence->options = options;
    options->count = request->option_count;
    options->tokens = kernel_allocate(options->count, sizeof *options->tokens);
    options->probability = kernel_allocate(options->count, sizeof *options->probability);
    options->score = kernel_allocate(options->count, sizeof *options->score);
    options->choice = -1;
    encode_options(engine, request, options);
    json_t *schema = options_schema(request);
    char *text = json_dumps(schema, JSON_COMPACT);
    spell_add(&sequence->schema, text, strlen(text));
    free(text);
    json_decref(schema);
    return KERNEL_OK;
}

/* ---- the whole ---- */

/* What the answer must satisfy, compiled where that is soon done; else sequence_compile is left. */
static enum kernel_status take_constraint(struct kernel_engine *engine, struct sequence *sequence,
                                          const struct kernel_request *request,
                                          struct kernel_error *error)
{
    enum kernel_status status = KERNEL_OK;
    if (request->option_count > 0 && request->schema.length > 0) {
        return kernel_fail(error, KERNEL_INVALID, "a request has options or a schema, not both");
    }
    if (request->option_count > 0) {
        status = take_options(engine, sequence, request, error);
    } else {
        spell_add(&sequence->schema, request->schema.bytes, request->schema.length);
    }
    if (status != KERNEL_OK || sequence->schema.length == 0) {
        return status;
    }
    return sequence_compile(engine, sequence, COMPILE_SUBMITTING, error);
}

enum kernel_status sequence_compile(struct kernel_engine *engine, struct sequence *sequence,
                                    enum compile_effort effort, struct kernel_error *error)
{
    struct kernel_text schema = {sequence->schema.at, sequence->schema.length};
    enum kernel_status status =
        grammars_acquire(engine, sequence->tenant, schema, effort, &sequence->grammar, error);
    if (status != KERNEL_OK || sequence->grammar == NULL) {
        return status;
    }
    sequence->constraint = kernel_constraint_start(sequence->grammar->grammar);
    sequence->mask = kernel_allocate(kernel_trie_words(engine->trie), sizeof *sequence->mask);
    uint32_t most = sequence->answer_max > SHORTEST_TOLD ? sequence->answer_max : SHORTEST_TOLD;
    uint32_t least = kernel_constraint_shortest(sequence->constraint, most); /* a token a byte */
    for (uint32_t i = 0; sequence->options != NULL && i < sequence->options->count; i++) {
        uint32_t need = sequence->options->tokens[i].count + 2; /* and the quote and the brace */
        least = need > least ? need : least;
    }
    least += CLOSING_MARGIN + (sequence->thinking ? 2 : 0);
    bool enough = sequence->answer_asked == 0 || least <= sequence->answer_asked;
    if (least > sequence->answer_max && sequence->total_max != 0 && enough &&
        least > sequence->total_max - sequence->tokens.count) {
        return too_little(sequence->tokens.count, least, sequence->total_max, error);
    }
    if (least > sequence->answer_max) {
        return kernel_fail(error, KERNEL_LIMIT,
                           "the shortest answer may need %u tokens%s, %u are allowed", least,
                           least > most ? " or more" : "", sequence->answer_max);
    }
    uint32_t left = sequence->answer_max - least;
    sequence->thinking_max = sequence->thinking_max < left ? sequence->thinking_max : left;
    return KERNEL_OK;
}

static enum kernel_status take_stops(struct sequence *sequence,
                                     const struct kernel_request *request,
                                     struct kernel_error *error)
{
    if (request->stop_count > STOPS_MAX) {
        return kernel_fail(error, KERNEL_INVALID, "%u stop texts: at most %d", request->stop_count,
                           STOPS_MAX);
    }
    if (request->stop_count > 0 && (request->schema.length > 0 || request->option_count > 0)) {
        return kernel_fail(error, KERNEL_INVALID,
                           "stop texts: an answer under a schema or of options ends by itself");
    }
    for (uint32_t i = 0; i < request->stop_count; i++) {
        const struct kernel_text *stop = &request->stop[i];
        if (stop->length == 0 || stop->length > STOP_BYTES_MAX ||
            memchr(stop->bytes, 0, stop->length) != NULL) {
            return kernel_fail(error, KERNEL_INVALID, "stop text %u: 1 to %d bytes without a NUL",
                               i, STOP_BYTES_MAX);
        }
        char *copy = kernel_allocate(stop->length + 1, 1);
        memcpy(copy, stop->bytes, stop->length);
        sequence->stops[sequence->stop_count++] = copy;
    }
    return KERNEL_OK;
}

/* Every comparison is false for NaN. */
static bool is_within(double value, double most)
{
    return value >= -most && value <= most;
}

static enum kernel_status check_weights(const struct kernel_engine *engine,
                                        const struct kernel_request *request,
                                        struct kernel_error *error)
{
    const struct kernel_sampling *sampling = &request->sampling;
    if (!is_within(sampling->presence, PENALTY_MOST) ||
        !is_within(sampling->frequency, PENALTY_MOST)) {
        return kernel_fail(error, KERNEL_INVALID, "presence %g, frequency %g: -%d to %d",
                           sampling->presence, sampling->frequency, PENALTY_MOST, PENALTY_MOST);
    }
    if (sampling->bias_count > BIASES_MAX) {
        return kernel_fail(error, KERNEL_INVALID, "%u biases: at most %d", sampling->bias_count,
                           BIASES_MAX);
    }
    for (uint32_t i = 0; i < sampling->bias_count; i++) {
        const struct kernel_bias *bias = &sampling->bias[i];
        if (bias->token < 0 || (uint32_t)bias->token >= engine->vocabulary) {
            return kernel_fail(error, KERNEL_INVALID,
                               "bias of token %" PRId32 ": the vocabulary has tokens 0 to %u",
                               bias->token, engine->vocabulary - 1);
        }
        if (!is_within(bias->add, BIAS_MOST)) {
            return kernel_fail(error, KERNEL_INVALID, "bias of token %" PRId32 " %g: -%d to %d",
                               bias->token, bias->add, BIAS_MOST, BIAS_MOST);
        }
    }
    return request->option_count > 0 && sampling_weighs(sampling)
               ? kernel_fail(error, KERNEL_INVALID,
                             "options are measured: a bias or a penalty cannot go with them")
               : KERNEL_OK;
}

static void take_biases(struct sequence *sequence)
{
    struct kernel_sampling *sampling = &sequence->sampling;
    struct kernel_bias *copy = NULL;
    if (sampling->bias_count > 0) {
        copy = kernel_allocate(sampling->bias_count, sizeof *copy);
        memcpy(copy, sampling->bias, sampling->bias_count * sizeof *copy);
    }
    sequence->biases = copy;
    sampling->bias = copy;
}

static enum kernel_status check_sampling(const struct kernel_engine *engine,
                                         const struct kernel_request *request,
                                         struct kernel_error *error)
{
    const struct kernel_sampling *sampling = &request->sampling;
    if (!(sampling->temperature >= 0 && sampling->temperature <= 5)) {
        return kernel_fail(error, KERNEL_INVALID, "temperature %g: 0 to 5", sampling->temperature);
    }
    if (!(sampling->top_p >= 0 && sampling->top_p <= 1)) {
        return kernel_fail(error, KERNEL_INVALID, "top_p %g: 0 to 1", sampling->top_p);
    }
    if (!(sampling->min_p >= 0 && sampling->min_p <= 1)) {
        return kernel_fail(error, KERNEL_INVALID, "min_p %g: 0 to 1", sampling->min_p);
    }
    if (request->logprobs > LOGPROBS_MAX) {
        return kernel_fail(error, KERNEL_INVALID, "logprobs %u: at most %d", request->logprobs,
                           LOGPROBS_MAX);
    }
    return check_weights(engine, request, error);
}

static enum kernel_status take_adapter(struct kernel_engine *engine, struct sequence *sequence,
                                       const char *name, struct kernel_error *error)
{
    if (name == NULL) {
        return KERNEL_OK;
    }
    pthread_mutex_lock(&engine->lock);
    for (int i = 0; i < ADAPTERS_MAX && sequence->adapter < 0; i++) {
        if (engine->adapters[i].state == ADAPTER_LOADED &&
            strcmp(engine->adapters[i].name, name) == 0) {
            sequence->adapter = i;
            engine->adapters[i].users++;
        }
    }
    pthread_mutex_unlock(&engine->lock);
    return sequence->adapter >= 0
               ? KERNEL_OK
               : kernel_fail(error, KERNEL_INVALID, "no adapter is named %.60s", name);
}

/* A thinking model begins with its thoughts, or, where none are wanted, with none. */
static void take_thinking(struct kernel_engine *engine, struct sequence *sequence,
                          const struct kernel_request *request)
{
    int32_t begin = KERNEL_TOKEN_NONE;
    bool begun = false;
    sequence->think_end = KERNEL_TOKEN_NONE;
    sequence->draft_max = DRAFT_FIRST;
    if (request->kind != KERNEL_CHAT || engine->chat == NULL) {
        return;
    }
    kernel_chat_thinking(engine->chat, engine->vocab, &begin, &sequence->think_end, &begun);
    if (sequence->think_end == KERNEL_TOKEN_NONE) {
        return;
    }
    sequence->thinking_max = request->thinking_max; /* 0 until there is a length to take half of */
    if (!begun && begin != KERNEL_TOKEN_NONE) {
        kernel_tokens_push(&sequence->tokens, begin);
    }
    sequence->thinking = request->thinking_max != KERNEL_NO_THINKING;
    if (!sequence->thinking) {
        kernel_tokens_push(&sequence->tokens, sequence->think_end);
    }
}

enum kernel_status sequence_create(struct kernel_engine *engine,
                                   const struct kernel_request *request, struct sequence **out,
                                   struct kernel_error *error)
{
    struct sequence *sequence = kernel_allocate(1, sizeof *sequence);
    sequence->vocab = engine->vocab;
    sequence->adapter = -1;
    sequence->kind = request->kind;
    sequence->tenant = request->tenant;
    sequence->tier = request->tier;
    sequence->sampling = request->sampling;
    sequence->logprobs = request->logprobs;
    sequence->answer_max = sequence->answer_asked = request->answer_max;
    sequence->total_max = request->total_max;
    sequence->submitted_us = sequence->waiting_since_us = serve_now_us();
    sequence->deadline_us =
        request->timeout_ms > 0 ? sequence->submitted_us + request->timeout_ms * 1000 : 0;
    take_biases(sequence);
    enum kernel_status status = check_sampling(engine, request, error);
    if (status == KERNEL_OK) {
        status = take_adapter(engine, sequence, request->adapter, error);
    }
    if (status == KERNEL_OK) {
        status = encode_prompt(engine, request, &sequence->tokens, error);
    }
    if (status == KERNEL_OK) {
        take_thinking(engine, sequence, request);
        status = fit(engine, sequence, error);
    }
    if (status == KERNEL_OK) {
        status = fit_total(sequence, error);
    }
    if (request->thinking_max == 0) {
        sequence->thinking_max = sequence->answer_max / 2;
    }
    if (status == KERNEL_OK) {
        status = take_stops(sequence, request, error);
    }
    if (status == KERNEL_OK && request->kind != KERNEL_EMBED) {
        status = take_constraint(engine, sequence, request, error);
    }
    if (status != KERNEL_OK) {
        sequence_destroy(engine, sequence);
        return status;
    }
    sequence->prompt_count = sequence->tokens.count;
    sequence->usage.prompt_tokens = sequence->prompt_count;
    sequence->blocks = kernel_allocate(engine->blocks_max, sizeof *sequence->blocks);
    sequence->chain = kernel_chain_root(sequence->tenant, sequence->adapter);
    if (request->kind == KERNEL_EMBED) {
        sequence->pooled = kernel_allocate(engine->width, sizeof *sequence->pooled);
    }
    *out = sequence;
    return KERNEL_OK;
}

void sequence_destroy(struct kernel_engine *engine, struct sequence *sequence)
{
    if (sequence == NULL) {
        return;
    }
    KERNEL_ASSERT(sequence->block_count == 0);
    if (sequence->adapter >= 0 && sequence->state != SEQUENCE_ENDED) { /* never submitted */
        pthread_mutex_lock(&engine->lock);
        engine->adapters[sequence->adapter].users--;
        pthread_mutex_unlock(&engine->lock);
    }
    kernel_constraint_destroy(sequence->constraint);
    grammars_release(engine, sequence->grammar);
    free(sequence->schema.at);
    free(sequence->biases);
    for (uint32_t i = 0; i < sequence->stop_count; i++) {
        free(sequence->stops[i]);
    }
    if (sequence->options != NULL) {
        for (uint32_t i = 0; i < sequence->options->count; i++) {
            free(sequence->options->tokens[i].at);
        }
        free(sequence->options->tokens);
        free(sequence->options->probability);
        free(sequence->options->score);
        free(sequence->options);
    }
    free(sequence->tokens.at);
    free(sequence->blocks);
    free(sequence->mask);
    free(sequence->held);
    free(sequence->told);
    free(sequence->pooled);
    free(sequence);
}
