/* openai_types.c -- members that must have their type, also those that change nothing here: a
 * client that is told nothing would believe that they were understood.  See openai.h.
 */
#include "runtime/http/openai.h"

#include <stdio.h>
#include <string.h>

enum { AT_TEXT = 96 };

enum shape { NONE, TEXT, TRUTH, OBJECT };

struct member {
    const char *key;
    enum shape shape;
    bool needed; /* else it may be null, or not there */
};

static bool wrong(struct rv_openai_fault *fault, const char *at, const char *key, const char *what)
{
    snprintf(fault->pointer, sizeof fault->pointer, "%s/%s", at, key);
    snprintf(fault->message, sizeof fault->message, "%s %s", key, what);
    return false;
}

static bool fits(const json_t *value, enum shape shape)
{
    return shape == TEXT    ? json_is_string(value)
           : shape == TRUTH ? json_is_boolean(value)
                            : json_is_object(value);
}

/* The members of the object at the pointer `at`; what is no object has none. */
static bool check(const json_t *object, const char *at, const struct member *members,
                  struct rv_openai_fault *fault)
{
    static const char *const shapes[] = {[TEXT] = "must be a text",
                                         [TRUTH] = "must be true or false",
                                         [OBJECT] = "must be an object"};
    for (const struct member *one = members; one->shape != NONE; one++) {
        const json_t *value = json_object_get(object, one->key);
        bool nothing = value == NULL || json_is_null(value);
        if (nothing && one->needed) {
            return wrong(fault, at, one->key, "is missing");
        }
        if (!nothing && !fits(value, one->shape)) {
            return wrong(fault, at, one->key, shapes[one->shape]);
        }
    }
    return true;
}

/* ---- messages ---- */

static bool check_arguments(const json_t *function, const char *at, struct rv_openai_fault *fault)
{
    const json_t *arguments = json_object_get(function, "arguments");
    const char *text = json_string_value(arguments);
    json_t *value =
        text != NULL ? json_loadb(text, json_string_length(arguments), JSON_ALLOW_NUL, NULL) : NULL;
    bool good = arguments == NULL || json_is_object(value);
    json_decref(value);
    return good || wrong(fault, at, "arguments", "must be a text that is a JSON object");
}

/* Calls that were made before; their ids are put into `ids`. */
static bool check_calls(const json_t *message, size_t index, json_t *ids,
                        struct rv_openai_fault *fault)
{
    static const struct member call[] = {
        {"id", TEXT, true}, {"type", TEXT, false}, {"function", OBJECT, true}, {0}};
    const json_t *calls = json_object_get(message, "tool_calls");
    for (size_t i = 0; i < json_array_size(calls); i++) {
        const json_t *one = json_array_get(calls, i);
        const json_t *function = json_object_get(one, "function");
        const json_t *id = json_object_get(one, "id");
        char at[AT_TEXT];
        snprintf(at, sizeof at, "/messages/%zu/tool_calls/%zu", index, i);
        if (!check(one, at, call, fault)) {
            return false;
        }
        if (strcmp(rv_json_str(one, "type", "function"), "function") != 0) {
            return wrong(fault, at, "type", "must be \"function\"");
        }
        snprintf(at, sizeof at, "/messages/%zu/tool_calls/%zu/function", index, i);
        if (!check_arguments(function, at, fault)) {
            return false;
        }
        json_object_setn_new(ids, json_string_value(id), json_string_length(id), json_true());
    }
    return true;
}

static bool check_message(const json_t *message, size_t index, json_t *ids,
                          struct rv_openai_fault *fault)
{
    static const struct member any[] = {
        {"name", TEXT, false}, {"refusal", TEXT, false}, {"tool_call_id", TEXT, false}, {0}};
    const char *role = rv_json_str(message, "role", "");
    const json_t *calls = json_object_get(message, "tool_calls");
    const json_t *id = json_object_get(message, "tool_call_id");
    char at[AT_TEXT];
    snprintf(at, sizeof at, "/messages/%zu", index);
    if (!check(message, at, any, fault)) {
        return false;
    }
    if (strcmp(role, "tool") == 0 && !json_is_string(id)) {
        return wrong(fault, at, "tool_call_id", "is missing");
    }
    if (strcmp(role, "tool") == 0 &&
        json_object_getn(ids, json_string_value(id), json_string_length(id)) == NULL) {
        return wrong(fault, at, "tool_call_id", "must be the id of a call in an earlier message");
    }
    if (strcmp(role, "assistant") != 0 && calls != NULL && !json_is_null(calls)) {
        return wrong(fault, at, "tool_calls", "can only be in a message of the assistant");
    }
    return check_calls(message, index, ids, fault);
}

static bool check_messages(const json_t *messages, struct rv_openai_fault *fault)
{
    json_t *ids = json_object();
    bool good = true;
    for (size_t i = 0; i < json_array_size(messages) && good; i++) {
        good = check_message(json_array_get(messages, i), i, ids, fault);
    }
    json_decref(ids);
    return good;
}

/* ---- tools, formats ---- */

static bool check_tools(const json_t *tools, struct rv_openai_fault *fault)
{
    static const struct member tool[] = {{"type", TEXT, false}, {"function", OBJECT, false}, {0}};
    static const struct member function[] = {
        {"description", TEXT, false}, {"strict", TRUTH, false}, {0}};
    bool good = true;
    for (size_t i = 0; i < json_array_size(tools) && good; i++) {
        const json_t *one = json_array_get(tools, i);
        char at[AT_TEXT];
        char inside[AT_TEXT];
        snprintf(at, sizeof at, "/tools/%zu", i);
        snprintf(inside, sizeof inside, "/tools/%zu/function", i);
        good = check(one, at, tool, fault) &&
               check(json_object_get(one, "function"), inside, function, fault);
    }
    return good;
}

static bool check_choice(const json_t *choice, struct rv_openai_fault *fault)
{
    static const struct member named[] = {{"type", TEXT, false}, {"function", OBJECT, true}, {0}};
    if (!json_is_object(choice)) {
        return true;
    }
    if (!check(choice, "/tool_choice", named, fault)) {
        return false;
    }
    return strcmp(rv_json_str(choice, "type", "function"), "function") == 0 ||
           wrong(fault, "/tool_choice", "type", "must be \"function\"");
}

static bool check_format(const json_t *format, struct rv_openai_fault *fault)
{
    static const struct member any[] = {{"json_schema", OBJECT, true}, {0}};
    static const struct member schema[] = {
        {"name", TEXT, true}, {"description", TEXT, false}, {"strict", TRUTH, false}, {0}};
    return strcmp(rv_json_str(format, "type", ""), "json_schema") != 0 ||
           (check(format, "/response_format", any, fault) &&
            check(json_object_get(format, "json_schema"), "/response_format/json_schema", schema,
                  fault));
}

/* ---- the whole ---- */

bool rv_openai_check_types(enum rv_openai_kind kind, const json_t *body,
                           struct rv_openai_fault *fault)
{
    static const struct member every[] = {{"user", TEXT, false}, {0}};
    static const struct member chat[] = {{"parallel_tool_calls", TRUTH, false},
                                         {"store", TRUTH, false},
                                         {"metadata", OBJECT, false},
                                         {"service_tier", TEXT, false},
                                         {"reasoning_effort", TEXT, false},
                                         {"verbosity", TEXT, false},
                                         {"safety_identifier", TEXT, false},
                                         {"prompt_cache_key", TEXT, false},
                                         {0}};
    static const struct member stream[] = {
        {"include_usage", TRUTH, false}, {"include_obfuscation", TRUTH, false}, {0}};
    if (!check(body, "", every, fault)) {
        return false;
    }
    if (kind != RV_OPENAI_EMBEDDING &&
        !check(json_object_get(body, "stream_options"), "/stream_options", stream, fault)) {
        return false;
    }
    return kind != RV_OPENAI_CHAT ||
           (check(body, "", chat, fault) &&
            check_messages(json_object_get(body, "messages"), fault) &&
            check_tools(json_object_get(body, "tools"), fault) &&
            check_choice(json_object_get(body, "tool_choice"), fault) &&
            check_format(json_object_get(body, "response_format"), fault));
}
