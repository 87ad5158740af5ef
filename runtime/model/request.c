/* request.c -- see request.h. */
#include "runtime/model/request.h"

#include "runtime/base/buf.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLER_MAX = 64 << 10 };

static enum kernel_status refuse(struct kernel_error *error, const char *message)
{
    error->status = KERNEL_INVALID;
    snprintf(error->message, sizeof error->message, "%s", message);
    return KERNEL_INVALID;
}

static struct kernel_text text_of(const json_t *value)
{
    return (struct kernel_text){json_string_value(value), json_string_length(value)};
}

static enum kernel_status take_texts(const json_t *list, struct kernel_text *out, size_t most,
                                     uint32_t *count, struct kernel_error *error)
{
    if (json_array_size(list) > most) {
        return refuse(error, "too many options or stop texts");
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!json_is_string(json_array_get(list, i))) {
            return refuse(error, "options and stop texts are texts");
        }
        out[i] = text_of(json_array_get(list, i));
    }
    *count = (uint32_t)json_array_size(list);
    return KERNEL_OK;
}

/* A model without a chat format gets one text, as it was trained: no roles. */
static void join(struct rv_kernel_request *built)
{
    size_t room = 1;
    for (uint32_t i = 0; i < built->request.message_count; i++) {
        room += built->messages[i].text.length + 1;
    }
    built->joined = rv_alloc(room);
    size_t length = 0;
    for (uint32_t i = 0; i < built->request.message_count; i++) {
        const struct kernel_text *text = &built->messages[i].text;
        memcpy(built->joined + length, text->bytes, text->length);
        length += text->length;
        built->joined[length++] = '\n';
    }
    built->messages[0] = (struct kernel_message){KERNEL_USER, {built->joined, length}};
    built->request.message_count = 1;
    built->request.kind = KERNEL_COMPLETE;
}

static enum kernel_status take_messages(struct rv_kernel_request *built, const json_t *list,
                                        struct kernel_error *error)
{
    static const char *const roles[] = {"system", "user", "assistant", "tool"};
    size_t count = json_array_size(list);
    if (count == 0 || count > RV_ASK_MESSAGES_MAX) {
        return refuse(error, "a question has 1 to 1024 messages");
    }
    built->messages = rv_alloc_array(count, sizeof *built->messages);
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(list, i);
        const json_t *text = json_object_get(item, "text");
        const char *role = rv_json_str(item, "role", "user");
        if (!json_is_string(text)) {
            return refuse(error, "a message has a text");
        }
        for (size_t r = 0; r < RV_COUNT(roles); r++) {
            if (strcmp(role, roles[r]) == 0) {
                built->messages[i].role = (enum kernel_role)r;
            }
        }
        built->messages[i].text = text_of(text);
    }
    built->request.messages = built->messages;
    built->request.message_count = (uint32_t)count;
    return KERNEL_OK;
}

void rv_kernel_chat_refusal(const struct kernel_model_facts *facts, char *out, size_t room)
{
    static const char missing[] = "no key tokenizer.chat_template";
    const char *why = facts->chat_fault[0] != '\0' ? facts->chat_fault : missing;
    int length = snprintf(out, room, "%s; set model.template:", why);
    for (uint32_t i = 0; kernel_chat_format(i) != NULL && length < (int)room; i++) {
        length += snprintf(out + length, room - (size_t)length, "%s %s", i > 0 ? "," : "",
                           kernel_chat_format(i));
    }
    if (length >= (int)room) { /* too many to be named: `reeve help config` has them */
        snprintf(out, room, "%s; set model.template to another format", why);
    }
}

static double number_of(const json_t *question, const char *key)
{
    return json_number_value(json_object_get(question, key));
}

/* In as few digits as give it back. */
static void write_number(struct rv_buf *out, const char *name, double value)
{
    char text[32];
    int digits = 4;
    do {
        snprintf(text, sizeof text, "%.*g", digits, value);
    } while (strtod(text, NULL) != value && ++digits <= 17);
    rv_buf_printf(out, "%s%s", name, text);
}

/* All that makes a choice besides the logits and the seed: what GET /v1/answers/ID tells. */
static char *sampler_text(const struct kernel_sampling *sampling)
{
    struct rv_buf out;
    rv_buf_init(&out, SAMPLER_MAX);
    if (sampling->temperature == 0) {
        rv_buf_str(&out, "greedy");
    } else {
        write_number(&out, "temperature ", sampling->temperature);
        write_number(&out, " top_p ", sampling->top_p);
        write_number(&out, " min_p ", sampling->min_p);
        rv_buf_printf(&out, " top_k %u", sampling->top_k);
    }
    if (sampling->presence != 0) {
        write_number(&out, " presence ", sampling->presence);
    }
    if (sampling->frequency != 0) {
        write_number(&out, " frequency ", sampling->frequency);
    }
    for (uint32_t i = 0; i < sampling->bias_count; i++) {
        rv_buf_printf(&out, "%s%d:", i == 0 ? " bias " : ",", sampling->bias[i].token);
        write_number(&out, "", sampling->bias[i].add);
    }
    char *text = rv_strndup(out.data, out.length);
    rv_buf_fini(&out);
    return text;
}

static enum kernel_status take_biases(struct rv_kernel_request *built, const json_t *list,
                                      struct kernel_error *error)
{
    size_t count = json_array_size(list);
    if (count > RV_ASK_BIASES_MAX) {
        return refuse(error, "too many biases");
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_array_get(list, i);
        json_int_t token = json_integer_value(json_array_get(one, 0));
        built->biases[i] = (struct kernel_bias){
            .token = token >= 0 && token < INT32_MAX ? (int32_t)token : INT32_MAX,
            .add = json_number_value(json_array_get(one, 1))};
    }
    built->request.sampling.bias = built->biases;
    built->request.sampling.bias_count = (uint32_t)count;
    return KERNEL_OK;
}

static enum kernel_status take_sampling(struct rv_kernel_request *built, const json_t *question,
                                        struct kernel_error *error)
{
    struct kernel_sampling *sampling = &built->request.sampling;
    *sampling = (struct kernel_sampling){.temperature = number_of(question, "temperature"),
                                         .top_p = number_of(question, "top_p"),
                                         .min_p = number_of(question, "min_p"),
                                         .top_k = (uint32_t)rv_json_int(question, "top_k", 0),
                                         .seed = (uint64_t)rv_json_int(question, "seed", 0),
                                         .presence = number_of(question, "presence"),
                                         .frequency = number_of(question, "frequency")};
    enum kernel_status status = take_biases(built, json_object_get(question, "bias"), error);
    built->sampler = sampler_text(sampling);
    return status;
}

enum kernel_status rv_kernel_request_read(struct rv_kernel_request *built, const json_t *question,
                                          const struct kernel_model_facts *facts,
                                          struct kernel_error *error)
{
    const char *kind = rv_json_str(question, "kind", "chat");
    const json_t *schema = json_object_get(question, "schema");
    *built = (struct rv_kernel_request){.schema = NULL};
    struct kernel_request *request = &built->request;
    request->kind = strcmp(kind, "embed") == 0      ? KERNEL_EMBED
                    : strcmp(kind, "complete") == 0 ? KERNEL_COMPLETE
                                                    : KERNEL_CHAT;
    request->tenant = (uint32_t)rv_json_int(question, "tenant", 0);
    request->tier = (uint32_t)rv_json_int(question, "tier", 0);
    request->answer_max = (uint32_t)rv_json_int(question, "max", 0);
    int64_t total = rv_json_int(question, "max_total", 0);
    request->total_max = total > 0 ? (uint32_t)(total < UINT32_MAX ? total : UINT32_MAX) : 0;
    request->logprobs = (uint32_t)rv_json_int(question, "logprobs", 0);
    request->timeout_ms = rv_json_int(question, "timeout_ms", 0);
    int64_t thinking = rv_json_int(question, "thinking_max", 0);
    request->thinking_max = thinking < 0 ? KERNEL_NO_THINKING : (uint32_t)thinking;
    enum kernel_status status = take_sampling(built, question, error);
    if (status == KERNEL_OK) {
        status = take_messages(built, json_object_get(question, "messages"), error);
    }
    if (status == KERNEL_OK) {
        status = take_texts(json_object_get(question, "options"), built->options,
                            RV_ASK_OPTIONS_MAX, &request->option_count, error);
    }
    if (status == KERNEL_OK) {
        status = take_texts(json_object_get(question, "stop"), built->stops, RV_ASK_STOPS_MAX,
                            &request->stop_count, error);
    }
    if (status != KERNEL_OK) {
        return status;
    }
    request->options = request->option_count > 0 ? built->options : NULL;
    request->stop = built->stops;
    if (schema != NULL) {
        built->schema = json_dumps(schema, JSON_COMPACT | JSON_ENCODE_ANY);
        RV_ASSERT(built->schema != NULL);
        request->schema = (struct kernel_text){built->schema, strlen(built->schema)};
    }
    if (request->kind != KERNEL_CHAT || facts->chat[0] != '\0') {
        return KERNEL_OK;
    }
    if (facts->chat_fault[0] != '\0' || !rv_json_bool(question, "plain", false)) {
        rv_kernel_chat_refusal(facts, error->message, sizeof error->message);
        return error->status = KERNEL_UNSUPPORTED;
    }
    join(built);
    return KERNEL_OK;
}

void rv_kernel_request_free(struct rv_kernel_request *built)
{
    rv_free(built->messages);
    rv_free(built->joined);
    rv_free(built->sampler);
    free(built->schema);
}

json_t *rv_kernel_facts(const struct kernel_model_facts *facts)
{
    struct rv_hash hash;
    char hex[RV_HASH_HEX];
    _Static_assert(sizeof hash == sizeof facts->hash, "both are SHA-256");
    memcpy(&hash, facts->hash, sizeof hash);
    rv_hash_hex(&hash, hex);
    json_t *name = json_string(facts->name);
    char fault[256];
    if (facts->chat_fault[0] != '\0') {
        rv_kernel_chat_refusal(facts, fault, sizeof fault);
    }
    return json_pack("{s:o,s:s,s:s,s:s,s:s,s:s*,s:I,s:I,s:I,s:I,s:I,s:I}", "name",
                     name != NULL ? name : json_string("unnamed"), "hash", hex, "architecture",
                     facts->architecture, "type", facts->type, "chat", facts->chat, "chat_fault",
                     facts->chat_fault[0] != '\0' ? fault : NULL, "parameters",
                     (json_int_t)facts->parameters, "bytes", (json_int_t)facts->bytes, "context",
                     (json_int_t)facts->context, "vocabulary", (json_int_t)facts->vocabulary,
                     "layers", (json_int_t)facts->layers, "width", (json_int_t)facts->width);
}
