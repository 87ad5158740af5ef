/* openai_write.c -- the objects of the API: see openai.h. */
#include "runtime/base/check.h"
#include "runtime/http/openai.h"

#include <string.h>

json_t *rv_openai_error(const char *type, const char *code, const char *message,
                        const char *pointer)
{
    bool placed = pointer != NULL && pointer[0] != '\0';
    return json_pack("{s:{s:s,s:s,s:s?,s:s}}", "error", "message", message, "type", type, "param",
                     placed ? pointer : NULL, "code", code);
}

json_t *rv_openai_usage(const json_t *usage)
{
    json_int_t prompt = rv_json_int(usage, "prompt", 0);
    json_int_t answer = rv_json_int(usage, "answer", 0);
    return json_pack("{s:I,s:I,s:I,s:{s:I},s:{s:I}}", "prompt_tokens", prompt, "completion_tokens",
                     answer, "total_tokens", prompt + answer, "prompt_tokens_details",
                     "cached_tokens", (json_int_t)rv_json_int(usage, "cached", 0),
                     "completion_tokens_details", "reasoning_tokens",
                     (json_int_t)rv_json_int(usage, "thinking", 0));
}

static json_t *token_of(const json_t *entry)
{
    return json_pack("{s:O,s:O,s:O}", "token", json_array_get(entry, 0), "logprob",
                     json_array_get(entry, 1), "bytes", json_array_get(entry, 2));
}

json_t *rv_openai_logprob(const json_t *list, int alternatives)
{
    json_t *out = token_of(json_array_get(list, 0));
    json_t *others = json_array();
    for (size_t i = 1; i < json_array_size(list) && i <= (size_t)alternatives; i++) {
        json_array_append_new(others, token_of(json_array_get(list, i)));
    }
    json_object_set_new(out, "top_logprobs", others);
    return out;
}

static json_t *object_of(const struct rv_openai_head *head, bool chunk, json_t *choices)
{
    const char *name = head->kind == RV_OPENAI_COMPLETION ? "text_completion"
                       : chunk                            ? "chat.completion.chunk"
                                                          : "chat.completion";
    return json_pack("{s:s,s:s,s:I,s:s,s:s,s:o}", "id", head->id, "object", name, "created",
                     (json_int_t)head->created_s, "model", head->model, "system_fingerprint",
                     head->fingerprint, "choices", choices);
}

/* Of completions: parallel lists of tokens, as that older form has it. */
static json_t *flat_logprobs(const json_t *content)
{
    json_t *tokens = json_array();
    json_t *values = json_array();
    json_t *top = json_array();
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *one = json_array_get(content, i);
        const json_t *others = json_object_get(one, "top_logprobs");
        json_t *map = json_object();
        for (size_t k = 0; k < json_array_size(others); k++) {
            const json_t *other = json_array_get(others, k);
            json_object_set(map, rv_json_str(other, "token", ""),
                            json_object_get(other, "logprob"));
        }
        json_array_append(tokens, json_object_get(one, "token"));
        json_array_append(values, json_object_get(one, "logprob"));
        json_array_append_new(top, map);
    }
    return json_pack("{s:o,s:o,s:o}", "tokens", tokens, "token_logprobs", values, "top_logprobs",
                     top);
}

int64_t rv_openai_seed(const struct rv_openai_head *head, size_t index)
{
    return head->seed + (head->seeds_apart ? (int64_t)index : 0);
}

static json_t *choice_of(const struct rv_openai_head *head, size_t index, const char *member,
                         json_t *value, json_t *logprobs, const char *finish)
{
    json_t *shown = json_null();
    if (logprobs != NULL) {
        shown = head->kind == RV_OPENAI_COMPLETION ? flat_logprobs(logprobs)
                                                   : json_pack("{s:O}", "content", logprobs);
        json_decref(logprobs);
    }
    return json_pack("{s:I,s:o,s:o,s:s?,s:I}", "index", (json_int_t)index, member, value,
                     "logprobs", shown, "finish_reason", finish, "seed",
                     (json_int_t)rv_openai_seed(head, index));
}

json_t *rv_openai_chunk(const struct rv_openai_head *head, size_t index, json_t *delta,
                        json_t *logprobs, const char *finish)
{
    bool text = head->kind == RV_OPENAI_COMPLETION;
    json_t *value = delta != NULL ? delta : text ? json_string("") : json_object();
    json_t *choice = choice_of(head, index, text ? "text" : "delta", value, logprobs, finish);
    return object_of(head, true, json_pack("[o]", choice));
}

json_t *rv_openai_usage_chunk(const struct rv_openai_head *head, const json_t *usage)
{
    json_t *chunk = object_of(head, true, json_array());
    json_object_set_new(chunk, "usage", rv_openai_usage(usage));
    return chunk;
}

json_t *rv_openai_choice(const struct rv_openai_head *head, size_t index, json_t *message,
                         json_t *logprobs, const char *finish)
{
    bool text = head->kind == RV_OPENAI_COMPLETION;
    return choice_of(head, index, text ? "text" : "message", message, logprobs, finish);
}

json_t *rv_openai_whole(const struct rv_openai_head *head, json_t *choices, const json_t *usage)
{
    json_t *whole = object_of(head, false, choices);
    json_object_set_new(whole, "usage", rv_openai_usage(usage));
    return whole;
}

json_t *rv_openai_tool_message(const char *text, const char *id, bool *is_call)
{
    json_t *value = json_loads(text, JSON_ALLOW_NUL, NULL);
    json_t *content = json_object_get(value, "content");
    json_t *name = json_object_get(value, "name");
    json_t *arguments = json_object_get(value, "arguments");
    json_t *message = NULL;
    *is_call = false;
    if (json_is_string(name) && json_is_object(arguments)) {
        char *written = rv_json_text(arguments);
        *is_call = true;
        message = json_pack("{s:s,s:n,s:[{s:i,s:s,s:s,s:{s:O,s:s}}]}", "role", "assistant",
                            "content", "tool_calls", "index", 0, "id", id, "type", "function",
                            "function", "name", name, "arguments", written);
        rv_free(written);
    } else if (json_is_string(content)) {
        message = json_pack("{s:s,s:O}", "role", "assistant", "content", content);
    }
    json_decref(value);
    return message;
}
