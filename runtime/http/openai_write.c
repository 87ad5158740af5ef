/* openai_write.c -- the objects of the API: see openai.h. */
#include "runtime/base/check.h"
#include "runtime/http/openai.h"

#include <string.h>

enum { NAME_MAX_BYTES = 64 << 10 }; /* of a token, four for each of its bytes */

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

/* ---- the older form of log-probabilities, of completions ---- */

/* "bytes:\\xe2\\x80", as the original names a token that is a part of a character. */
static void write_bytes(const json_t *entry, struct rv_buf *out)
{
    const json_t *bytes = json_object_get(entry, "bytes");
    rv_buf_str(out, "bytes:");
    for (size_t i = 0; i < json_array_size(bytes); i++) {
        rv_buf_printf(out, "\\x%02x",
                      (unsigned)(json_integer_value(json_array_get(bytes, i)) & 0xff));
    }
}

static bool is_text(const json_t *entry)
{
    const json_t *bytes = json_object_get(entry, "bytes");
    const json_t *token = json_object_get(entry, "token");
    const char *text = json_string_value(token);
    bool same = json_array_size(bytes) == json_string_length(token);
    for (size_t i = 0; same && i < json_array_size(bytes); i++) {
        same = json_integer_value(json_array_get(bytes, i)) == (unsigned char)text[i];
    }
    return same;
}

static json_t *name_of(const json_t *entry)
{
    struct rv_buf name;
    if (is_text(entry)) {
        return json_incref(json_object_get(entry, "token"));
    }
    rv_buf_init(&name, NAME_MAX_BYTES);
    write_bytes(entry, &name);
    json_t *out = json_stringn(name.data, name.length);
    rv_buf_fini(&name);
    return out;
}

/* Two tokens may have one text (a vocabulary with a token for each byte besides): the second goes
 * by its bytes, a further one by a number behind them, so that none is lost. */
static void add_top(json_t *map, const json_t *entry)
{
    json_t *name = name_of(entry);
    struct rv_buf other;
    rv_buf_init(&other, NAME_MAX_BYTES);
    rv_buf_add(&other, json_string_value(name), json_string_length(name));
    for (int i = 1; json_object_getn(map, other.data, other.length) != NULL; i++) {
        rv_buf_reset(&other);
        write_bytes(entry, &other);
        if (i > 1) {
            rv_buf_printf(&other, " (%d)", i);
        }
    }
    json_object_setn(map, other.data, other.length, json_object_get(entry, "logprob"));
    rv_buf_fini(&other);
    json_decref(name);
}

size_t rv_openai_characters(const json_t *text)
{
    const char *at = json_string_value(text);
    size_t count = 0;
    for (size_t i = 0; i < json_string_length(text); i++) {
        count += ((unsigned char)at[i] & 0xc0) != 0x80;
    }
    return count;
}

void rv_openai_place_logprob(json_t *entry, size_t *begun)
{
    const json_t *bytes = json_object_get(entry, "bytes");
    bool inside = (json_integer_value(json_array_get(bytes, 0)) & 0xc0) == 0x80;
    size_t offset = *begun - (inside && *begun > 0 ? 1 : 0);
    for (size_t i = 0; i < json_array_size(bytes); i++) {
        *begun += (json_integer_value(json_array_get(bytes, i)) & 0xc0) != 0x80;
    }
    json_object_set_new(entry, "text_offset", json_integer((json_int_t)offset));
}

/* Parallel lists of tokens. */
static json_t *flat_logprobs(const json_t *content)
{
    json_t *tokens = json_array();
    json_t *values = json_array();
    json_t *top = json_array();
    json_t *offsets = json_array();
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *one = json_array_get(content, i);
        const json_t *others = json_object_get(one, "top_logprobs");
        json_t *map = json_object();
        for (size_t k = 0; k < json_array_size(others); k++) {
            add_top(map, json_array_get(others, k));
        }
        json_array_append_new(tokens, name_of(one));
        json_array_append(offsets, json_object_get(one, "text_offset"));
        json_array_append(values, json_object_get(one, "logprob"));
        json_array_append_new(top, map);
    }
    return json_pack("{s:o,s:o,s:o,s:o}", "tokens", tokens, "token_logprobs", values,
                     "top_logprobs", top, "text_offset", offsets);
}

int64_t rv_openai_seed(const struct rv_openai_head *head, size_t index)
{
    uint64_t next = head->seeds_apart ? index : index % head->n;
    return (int64_t)(((uint64_t)head->seed + next) & INT64_MAX);
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

json_t *rv_openai_call_message(const char *id, const char *name, json_t *arguments)
{
    return json_pack("{s:s,s:n,s:[{s:s,s:s,s:{s:s,s:o}}]}", "role", "assistant", "content",
                     "tool_calls", "id", id, "type", "function", "function", "name", name,
                     "arguments", arguments);
}

json_t *rv_openai_call_begin(const char *id, const char *name)
{
    return json_pack("{s:[{s:i,s:s,s:s,s:{s:s,s:s}}]}", "tool_calls", "index", 0, "id", id, "type",
                     "function", "function", "name", name, "arguments", "");
}

json_t *rv_openai_call_more(json_t *arguments)
{
    return json_pack("{s:[{s:i,s:{s:o}}]}", "tool_calls", "index", 0, "function", "arguments",
                     arguments);
}
