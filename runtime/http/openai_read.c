/* openai_read.c -- a request of the API becomes a question: see openai.h. */
#include "runtime/base/check.h"
#include "runtime/http/openai.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOOL_NAME_MAX = 64 };
static const double TOP_P_LEAST = 1e-9; /* so small that one token is enough */

__attribute__((format(printf, 3, 4))) static bool
wrong(struct rv_openai_fault *fault, const char *pointer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(fault->message, sizeof fault->message, format, args);
    va_end(args);
    snprintf(fault->pointer, sizeof fault->pointer, "%s", pointer);
    return false;
}

/* ---- single values ---- */

static bool take_number(const json_t *body, const char *key, double least, double most, double *out,
                        struct rv_openai_fault *fault)
{
    const json_t *value = json_object_get(body, key);
    char pointer[64];
    snprintf(pointer, sizeof pointer, "/%s", key);
    if (value == NULL || json_is_null(value)) {
        return true;
    }
    if (!json_is_number(value)) {
        return wrong(fault, pointer, "%s must be a number", key);
    }
    *out = json_number_value(value);
    return (*out >= least && *out <= most) ||
           wrong(fault, pointer, "%s must be from %g to %g", key, least, most);
}

static bool take_integer(const json_t *body, const char *key, int64_t least, int64_t most,
                         int64_t *out, struct rv_openai_fault *fault)
{
    const json_t *value = json_object_get(body, key);
    char pointer[64];
    snprintf(pointer, sizeof pointer, "/%s", key);
    if (value == NULL || json_is_null(value)) {
        return true;
    }
    if (!json_is_integer(value)) {
        return wrong(fault, pointer, "%s must be an integer", key);
    }
    *out = json_integer_value(value);
    return (*out >= least && *out <= most) || wrong(fault, pointer, "%s must be from %lld to %lld",
                                                    key, (long long)least, (long long)most);
}

static bool take_bool(const json_t *body, const char *key, bool *out, struct rv_openai_fault *fault)
{
    const json_t *value = json_object_get(body, key);
    char pointer[64];
    snprintf(pointer, sizeof pointer, "/%s", key);
    if (value == NULL || json_is_null(value)) {
        return true;
    }
    *out = json_is_true(value);
    return json_is_boolean(value) || wrong(fault, pointer, "%s must be true or false", key);
}

/* Whether the member says nothing: null, false, or empty. */
static bool is_nothing(const json_t *value)
{
    return value == NULL || json_is_null(value) || json_is_false(value) ||
           (json_is_string(value) && json_string_length(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0) ||
           (json_is_object(value) && json_object_size(value) == 0);
}

/* Members that have no meaning here, by the requests that know them: refused unless they say
 * nothing. */
static bool refuse_members(enum rv_openai_kind kind, const json_t *body,
                           struct rv_openai_fault *fault)
{
    static const struct {
        unsigned kinds;
        const char *key, *instead;
    } members[] = {
        {1U << RV_OPENAI_CHAT, "functions", "functions is not supported: use tools"},
        {1U << RV_OPENAI_CHAT, "function_call", "function_call is not supported: use tool_choice"},
        {1U << RV_OPENAI_CHAT, "audio", "audio is not supported"},
        {1U << RV_OPENAI_CHAT, "prediction", "prediction is not supported"},
        {1U << RV_OPENAI_CHAT, "web_search_options", "web_search_options is not supported"},
        {1U << RV_OPENAI_COMPLETION, "suffix", "suffix is not supported"},
        {1U << RV_OPENAI_COMPLETION, "response_format",
         "response_format is of /v1/chat/completions"},
        {1U << RV_OPENAI_COMPLETION, "tools", "tools are of /v1/chat/completions"},
    };
    for (size_t i = 0; i < RV_COUNT(members); i++) {
        if ((members[i].kinds >> kind & 1) != 0 &&
            !is_nothing(json_object_get(body, members[i].key))) {
            char pointer[64];
            snprintf(pointer, sizeof pointer, "/%s", members[i].key);
            return wrong(fault, pointer, "%s", members[i].instead);
        }
    }
    const json_t *modalities = json_object_get(body, "modalities");
    bool text_only =
        is_nothing(modalities) || (json_array_size(modalities) == 1 &&
                                   strcmp(json_is_string(json_array_get(modalities, 0))
                                              ? json_string_value(json_array_get(modalities, 0))
                                              : "",
                                          "text") == 0);
    return text_only || wrong(fault, "/modalities", "modalities can only be [\"text\"]");
}

/* How many choices a prompt has.  `best_of`, which would throw the worst away, cannot be more. */
static bool take_n(const json_t *body, struct rv_openai_ask *out, struct rv_openai_fault *fault)
{
    int64_t n = 1;
    if (!take_integer(body, "n", 1, RV_OPENAI_N_MAX, &n, fault)) {
        return false;
    }
    size_t prompts = out->inputs != NULL ? json_array_size(out->inputs) : 1;
    int64_t best_of = n;
    out->n = (size_t)n;
    if (prompts * out->n > RV_OPENAI_CHOICES_MAX) {
        return wrong(fault, "/n", "%zu prompts with %zu choices each: at most %d choices", prompts,
                     out->n, RV_OPENAI_CHOICES_MAX);
    }
    return out->kind != RV_OPENAI_COMPLETION ||
           (take_integer(body, "best_of", 1, 128, &best_of, fault) &&
            (best_of == n || wrong(fault, "/best_of", "best_of must be n")));
}

/* As JSON has a number: at most nine digits, no sign, no zero before them.  -1: it is not. */
static int64_t token_of(const char *key)
{
    size_t length = strspn(key, "0123456789");
    bool good = length > 0 && length <= 9 && key[length] == '\0' && (key[0] != '0' || length == 1);
    return good ? strtoll(key, NULL, 10) : -1;
}

static bool take_bias(const json_t *body, json_t *question, struct rv_openai_fault *fault)
{
    json_t *bias = json_object_get(body, "logit_bias");
    if (bias == NULL || json_is_null(bias)) {
        return true;
    }
    if (!json_is_object(bias)) {
        return wrong(fault, "/logit_bias", "logit_bias must be an object");
    }
    if (json_object_size(bias) > RV_OPENAI_BIASES_MAX) {
        return wrong(fault, "/logit_bias", "logit_bias has at most %d tokens",
                     RV_OPENAI_BIASES_MAX);
    }
    json_t *list = json_array();
    json_object_set_new(question, "bias", list);
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(bias, key, value)
    {
        char pointer[64];
        int64_t token = token_of(key);
        double add = 0;
        if (token < 0) {
            return wrong(fault, "/logit_bias",
                         "logit_bias has token ids as its keys: whole numbers");
        }
        snprintf(pointer, sizeof pointer, "logit_bias/%.20s", key);
        json_t *one = json_pack("{s:O}", pointer, value);
        bool good = (!json_is_null(value) || wrong(fault, "", "%s must be a number", pointer)) &&
                    take_number(one, pointer, -100, 100, &add, fault);
        json_decref(one);
        if (!good) {
            snprintf(fault->pointer, sizeof fault->pointer, "/%s", pointer);
            return false;
        }
        json_array_append_new(list, json_pack("[I,f]", (json_int_t)token, add));
    }
    return true;
}

static bool take_penalties(const json_t *body, json_t *question, struct rv_openai_fault *fault)
{
    double presence = 0;
    double frequency = 0;
    if (!take_number(body, "presence_penalty", -2, 2, &presence, fault) ||
        !take_number(body, "frequency_penalty", -2, 2, &frequency, fault)) {
        return false;
    }
    json_object_set_new(question, "presence", json_real(presence));
    json_object_set_new(question, "frequency", json_real(frequency));
    return true;
}

static bool take_stop(const json_t *body, json_t *question, struct rv_openai_fault *fault)
{
    json_t *value = json_object_get(body, "stop");
    if (value == NULL || json_is_null(value)) {
        return true;
    }
    json_t *list = json_is_array(value) ? json_incref(value) : json_pack("[O]", value);
    json_object_set_new(question, "stop", list);
    if (json_array_size(list) > RV_OPENAI_STOPS_MAX) {
        return wrong(fault, "/stop", "at most %d stop texts", RV_OPENAI_STOPS_MAX);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        size_t length = json_string_length(one);
        if (!json_is_string(one)) {
            return wrong(fault, "/stop", "stop must be a text or a list of texts");
        }
        if (length == 0 || length > RV_OPENAI_STOP_BYTES_MAX ||
            memchr(json_string_value(one), 0, length) != NULL) {
            return wrong(fault, "/stop", "a stop text has 1 to %d bytes without a NUL",
                         RV_OPENAI_STOP_BYTES_MAX);
        }
    }
    if (json_array_size(list) == 0) {
        json_object_del(question, "stop");
    } else if (json_object_get(question, "schema") != NULL) {
        return wrong(fault, "/stop",
                     "stop cannot go with tools or a response_format: such an answer is whole, and "
                     "ends by itself");
    }
    return true;
}

static bool take_sampling(const json_t *body, json_t *question, struct rv_openai_fault *fault)
{
    double temperature = 1;
    double top_p = 1;
    double min_p = 0;
    int64_t top_k = 0;
    int64_t seed = -1;
    if (!take_number(body, "temperature", 0, 2, &temperature, fault) ||
        !take_number(body, "top_p", 0, 1, &top_p, fault) ||
        !take_number(body, "min_p", 0, 1, &min_p, fault) ||
        !take_integer(body, "top_k", 0, 1000000, &top_k, fault) ||
        !take_integer(body, "seed", INT64_MIN, INT64_MAX, &seed, fault)) {
        return false;
    }
    json_object_set_new(question, "temperature", json_real(temperature));
    /* 0 leaves the likeliest token alone; the engine's 0 is "not asked for" */
    json_object_set_new(question, "top_p", json_real(top_p > 0 ? top_p : TOP_P_LEAST));
    json_object_set_new(question, "min_p", json_real(min_p));
    json_object_set_new(question, "top_k", json_integer(top_k));
    if (json_is_integer(json_object_get(body, "seed"))) {
        json_object_set_new(question, "seed", json_integer(seed & INT64_MAX));
    }
    return true;
}

static bool take_length(const json_t *body, int64_t otherwise, struct rv_openai_ask *out,
                        struct rv_openai_fault *fault)
{
    json_t *question = out->question;
    int64_t most = otherwise;
    out->length_field = json_is_integer(json_object_get(body, "max_completion_tokens"))
                            ? "/max_completion_tokens"
                        : json_is_integer(json_object_get(body, "max_tokens")) ? "/max_tokens"
                                                                               : NULL;
    if (!take_integer(body, "max_tokens", 1, INT32_MAX, &most, fault) ||
        !take_integer(body, "max_completion_tokens", 1, INT32_MAX, &most, fault)) {
        return false;
    }
    if (most > 0) {
        json_object_set_new(question, "max", json_integer(most));
    }
    return true;
}

static bool take_stream(const json_t *body, struct rv_openai_ask *out,
                        struct rv_openai_fault *fault)
{
    const json_t *options = json_object_get(body, "stream_options");
    out->usage_chunk = true;
    if (!take_bool(body, "stream", &out->stream, fault)) {
        return false;
    }
    if (options != NULL && !json_is_null(options) && !json_is_object(options)) {
        return wrong(fault, "/stream_options", "stream_options must be an object");
    }
    const json_t *include = json_object_get(options, "include_usage");
    out->usage_chunk = !json_is_false(include);
    return true;
}

/* ---- messages ---- */

/* A text, or parts of it. */
static bool content_text(const json_t *content, size_t index, struct rv_buf *out,
                         struct rv_openai_fault *fault)
{
    char pointer[96];
    snprintf(pointer, sizeof pointer, "/messages/%zu/content", index);
    if (content == NULL || json_is_null(content)) {
        return true;
    }
    if (json_is_string(content)) {
        rv_buf_add(out, json_string_value(content), json_string_length(content));
        return true;
    }
    if (!json_is_array(content)) {
        return wrong(fault, pointer, "content must be a text or a list of parts");
    }
    for (size_t i = 0; i < json_array_size(content); i++) {
        const json_t *part = json_array_get(content, i);
        const json_t *text = json_object_get(part, "text");
        if (strcmp(rv_json_str(part, "type", ""), "text") != 0) {
            snprintf(pointer, sizeof pointer, "/messages/%zu/content/%zu/type", index, i);
            return wrong(fault, pointer, "only parts of type \"text\" are understood");
        }
        if (!json_is_string(text)) {
            snprintf(pointer, sizeof pointer, "/messages/%zu/content/%zu/text", index, i);
            return wrong(fault, pointer, "text must be a text");
        }
        rv_buf_add(out, json_string_value(text), json_string_length(text));
    }
    return true;
}

/* Calls that the model made before, as it wrote them. */
static bool calls_text(const json_t *message, size_t index, struct rv_buf *out,
                       struct rv_openai_fault *fault)
{
    const json_t *calls = json_object_get(message, "tool_calls");
    char pointer[96];
    snprintf(pointer, sizeof pointer, "/messages/%zu/tool_calls", index);
    if (calls != NULL && !json_is_null(calls) && !json_is_array(calls)) {
        return wrong(fault, pointer, "tool_calls must be a list");
    }
    for (size_t i = 0; i < json_array_size(calls); i++) {
        const json_t *function = json_object_get(json_array_get(calls, i), "function");
        json_t *name = json_object_get(function, "name");
        const char *arguments = rv_json_str(function, "arguments", NULL);
        if (!json_is_string(name) || arguments == NULL) {
            snprintf(pointer, sizeof pointer, "/messages/%zu/tool_calls/%zu/function", index, i);
            return wrong(fault, pointer, "a call's function has a name and arguments, both texts");
        }
        char *quoted = json_dumps(name, JSON_ENCODE_ANY);
        rv_buf_printf(out, "{\"name\":%s,\"arguments\":%s}", quoted, arguments);
        rv_free(quoted);
    }
    return true;
}

/* A message says something; an assistant may have called instead. */
static bool says_something(const json_t *message, const char *role, size_t index,
                           struct rv_openai_fault *fault)
{
    char pointer[64];
    if (!is_nothing(json_object_get(message, "function_call"))) {
        snprintf(pointer, sizeof pointer, "/messages/%zu/function_call", index);
        return wrong(fault, pointer, "function_call is not supported: use tool_calls");
    }
    const json_t *content = json_object_get(message, "content");
    bool called = strcmp(role, "assistant") == 0 &&
                  json_array_size(json_object_get(message, "tool_calls")) > 0;
    snprintf(pointer, sizeof pointer, "/messages/%zu/content", index);
    return called || (content != NULL && !json_is_null(content)) ||
           wrong(fault, pointer, "content is missing");
}

static bool take_message(const json_t *message, size_t index, json_t *list,
                         struct rv_openai_fault *fault)
{
    static const char *const roles[][2] = {{"system", "system"}, {"developer", "system"},
                                           {"user", "user"},     {"assistant", "assistant"},
                                           {"tool", "tool"},     {"function", "tool"}};
    char pointer[64];
    snprintf(pointer, sizeof pointer, "/messages/%zu", index);
    if (!json_is_object(message)) {
        return wrong(fault, pointer, "a message must be an object");
    }
    const char *role = NULL;
    for (size_t i = 0; i < RV_COUNT(roles); i++) {
        role = strcmp(rv_json_str(message, "role", ""), roles[i][0]) == 0 ? roles[i][1] : role;
    }
    if (role == NULL) {
        snprintf(pointer, sizeof pointer, "/messages/%zu/role", index);
        return wrong(fault, pointer, "role must be system, developer, user, assistant or tool");
    }
    struct rv_buf text;
    rv_buf_init(&text, RV_JSON_TEXT_MAX);
    rv_buf_str(&text, "");
    bool good = content_text(json_object_get(message, "content"), index, &text, fault) &&
                calls_text(message, index, &text, fault) &&
                says_something(message, role, index, fault);
    if (good) {
        json_t *value = json_stringn(text.data, text.length);
        good = value != NULL || wrong(fault, pointer, "a text is not UTF-8");
        if (good) {
            json_array_append_new(list, json_pack("{s:s,s:o}", "role", role, "text", value));
        }
    }
    rv_buf_fini(&text);
    return good;
}

static bool take_messages(const json_t *body, json_t *question, struct rv_openai_fault *fault)
{
    const json_t *messages = json_object_get(body, "messages");
    json_t *list = json_array();
    json_object_set_new(question, "messages", list);
    if (!json_is_array(messages) || json_array_size(messages) == 0) {
        return wrong(fault, "/messages", "messages must be a list of at least one message");
    }
    for (size_t i = 0; i < json_array_size(messages); i++) {
        if (!take_message(json_array_get(messages, i), i, list, fault)) {
            return false;
        }
    }
    return true;
}

/* ---- functions ---- */

static void rebase(json_t *schema, const char *base);

static void rebase_each(json_t *values, const char *base)
{
    for (size_t i = 0; i < json_array_size(values); i++) {
        rebase(json_array_get(values, i), base);
    }
    const char *key;
    json_t *value;
    json_object_foreach(values, key, value)
    {
        rebase(value, base);
    }
}

/* A schema's references are written from its own root, and its root stands at `base` now: "#" and
 * "#/..." are written from there.  What is data, not schema, stays: a constant may look like a
 * reference. */
static void rebase(json_t *schema, const char *base)
{
    static const char *const maps[] = {"properties", "patternProperties", "dependentSchemas",
                                       "$defs", "definitions"};
    static const char *const data[] = {"const", "enum", "default", "examples", "example"};
    const char *key;
    json_t *value;
    void *next;
    json_object_foreach_safe(schema, next, key, value)
    {
        bool is_map = false;
        bool is_data = false;
        for (size_t i = 0; i < RV_COUNT(maps); i++) {
            is_map = is_map || strcmp(key, maps[i]) == 0;
            is_data = is_data || strcmp(key, data[i]) == 0;
        }
        const char *ref = strcmp(key, "$ref") == 0 ? json_string_value(value) : NULL;
        if (ref != NULL && ref[0] == '#' && (ref[1] == '/' || ref[1] == '\0')) {
            json_t *moved = json_sprintf("#%s%s", base, ref + 1);
            json_object_set_new(schema, key, moved != NULL ? moved : json_incref(value));
        } else if (json_is_array(value) && !is_data) {
            rebase_each(value, base);
        } else if (is_map) {
            rebase_each(value, base);
        } else if (!is_data) {
            rebase(value, base);
        }
    }
}

/* A call of the function, as a schema that will stand at `base`. */
static json_t *call_schema(const json_t *function, const char *base)
{
    char pointer[96];
    snprintf(pointer, sizeof pointer, "%s/properties/arguments", base);
    const json_t *parameters = json_object_get(function, "parameters");
    json_t *arguments = json_is_object(parameters) ? json_deep_copy(parameters) : json_object();
    json_object_del(arguments, "$schema"); /* of a root only, as the next */
    json_object_del(arguments, "$id");
    rebase(arguments, pointer);
    if (json_object_get(arguments, "type") == NULL) { /* always one, whether it is said or not */
        json_object_set_new(arguments, "type", json_string("object"));
    }
    return json_pack("{s:s,s:{s:{s:O},s:o},s:[s,s],s:b}", "type", "object", "properties", "name",
                     "const", json_object_get(function, "name"), "arguments", arguments, "required",
                     "name", "arguments", "additionalProperties", 0);
}

static bool is_tool_name(const char *name)
{
    size_t length =
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return length > 0 && length <= TOOL_NAME_MAX && name[length] == '\0';
}

static bool is_tool(const json_t *tool, size_t index, struct rv_openai_fault *fault)
{
    const json_t *function = json_object_get(tool, "function");
    const json_t *parameters = json_object_get(function, "parameters");
    char pointer[96];
    if (strcmp(rv_json_str(tool, "type", "function"), "function") != 0) {
        snprintf(pointer, sizeof pointer, "/tools/%zu/type", index);
        return wrong(fault, pointer, "only tools of type \"function\" are understood");
    }
    if (!is_tool_name(rv_json_str(function, "name", ""))) {
        snprintf(pointer, sizeof pointer, "/tools/%zu/function/name", index);
        return wrong(fault, pointer,
                     "a tool has a name of 1 to 64 letters, digits, _ and -: "
                     "{\"type\":\"function\",\"function\":{\"name\"..}}");
    }
    snprintf(pointer, sizeof pointer, "/tools/%zu/function/parameters", index);
    if (parameters != NULL && !json_is_null(parameters) && !json_is_object(parameters)) {
        return wrong(fault, pointer, "parameters must be an object: a JSON Schema");
    }
    const json_t *kind = json_object_get(parameters, "type");
    snprintf(pointer, sizeof pointer, "/tools/%zu/function/parameters/type", index);
    return kind == NULL || strcmp(rv_json_str(parameters, "type", ""), "object") == 0 ||
           wrong(fault, pointer, "the arguments of a call are an object: type must be \"object\"");
}

/* "auto", "none", "required" or one function's name; the last in `named`. */
static bool take_choice(const json_t *body, bool has_tools, const char **mode, const char **named,
                        struct rv_openai_fault *fault)
{
    const json_t *choice = json_object_get(body, "tool_choice");
    *mode = has_tools ? "auto" : "none";
    if (choice == NULL || json_is_null(choice)) {
        return true;
    }
    if (json_is_object(choice)) {
        *named = rv_json_str(json_object_get(choice, "function"), "name", NULL);
        *mode = "required";
        return *named != NULL || wrong(fault, "/tool_choice/function/name", "name is missing");
    }
    *mode = json_is_string(choice) ? json_string_value(choice) : "";
    if (strcmp(*mode, "auto") != 0 && strcmp(*mode, "none") != 0 &&
        strcmp(*mode, "required") != 0) {
        return wrong(fault, "/tool_choice", "tool_choice must be auto, none, required or a tool");
    }
    return has_tools || strcmp(*mode, "none") == 0 ||
           wrong(fault, "/tool_choice", "tool_choice without tools");
}

static void tell_tools(json_t *question, const json_t *tools, bool may_talk)
{
    struct rv_buf text;
    rv_buf_init(&text, RV_JSON_TEXT_MAX);
    rv_buf_str(&text, "These functions can be called:\n");
    for (size_t i = 0; i < json_array_size(tools); i++) {
        char *one = rv_json_text(json_object_get(json_array_get(tools, i), "function"));
        rv_buf_printf(&text, "%s\n", one);
        rv_free(one);
    }
    rv_buf_str(&text, "Answer with JSON: {\"name\": function, \"arguments\": object}");
    rv_buf_str(&text, may_talk ? ", or {\"content\": text} to say something.\n" : ".\n");
    json_t *list = json_object_get(question, "messages");
    json_array_insert_new(
        list, 0,
        json_pack("{s:s,s:s#}", "role", "system", "text", text.data, (json_int_t)text.length));
    rv_buf_fini(&text);
}

static bool take_tools(const json_t *body, struct rv_openai_ask *out, struct rv_openai_fault *fault)
{
    const json_t *tools = json_object_get(body, "tools");
    const char *mode = NULL;
    const char *named = NULL;
    if (tools != NULL && !json_is_null(tools) && !json_is_array(tools)) {
        return wrong(fault, "/tools", "tools must be a list");
    }
    if (json_array_size(tools) > RV_OPENAI_TOOLS_MAX) {
        return wrong(fault, "/tools", "at most %d tools", RV_OPENAI_TOOLS_MAX);
    }
    if (!take_choice(body, json_array_size(tools) > 0, &mode, &named, fault)) {
        return false;
    }
    bool may_talk = strcmp(mode, "auto") == 0;
    bool off = strcmp(mode, "none") == 0;
    bool alone = named != NULL || (json_array_size(tools) == 1 && !may_talk);
    json_t *calls = json_array();
    for (size_t i = 0; i < json_array_size(tools); i++) {
        const json_t *function = json_object_get(json_array_get(tools, i), "function");
        if (!is_tool(json_array_get(tools, i), i, fault)) {
            json_decref(calls);
            return false;
        }
        if (named != NULL &&
            (strcmp(named, rv_json_str(function, "name", "")) != 0 || json_array_size(calls) > 0)) {
            continue;
        }
        char base[32] = "";
        if (!alone) {
            snprintf(base, sizeof base, "/anyOf/%zu", json_array_size(calls));
        }
        out->tool = i;
        json_array_append_new(calls, call_schema(function, base));
    }
    if (!off && json_array_size(calls) == 0) {
        json_decref(calls);
        return wrong(fault, "/tool_choice/function/name", "there is no tool of that name");
    }
    if (!off) {
        if (may_talk) {
            json_array_append_new(calls,
                                  json_pack("{s:s,s:{s:{s:s}},s:[s],s:b}", "type", "object",
                                            "properties", "content", "type", "string", "required",
                                            "content", "additionalProperties", 0));
        }
        RV_ASSERT(alone == (json_array_size(calls) == 1));
        json_t *schema =
            alone ? json_incref(json_array_get(calls, 0)) : json_pack("{s:O}", "anyOf", calls);
        json_object_set_new(out->question, "schema", schema);
        tell_tools(out->question, tools, may_talk);
        out->tools = true;
    }
    json_decref(calls);
    return true;
}

static bool take_format(const json_t *body, struct rv_openai_ask *out,
                        struct rv_openai_fault *fault)
{
    const json_t *format = json_object_get(body, "response_format");
    const char *type = rv_json_str(format, "type", json_is_object(format) ? "" : "text");
    if (format != NULL && !json_is_null(format) && !json_is_object(format)) {
        return wrong(fault, "/response_format", "response_format must be an object");
    }
    if (strcmp(type, "text") == 0) {
        return true;
    }
    if (out->tools) {
        return wrong(fault, "/response_format", "either tools or a response_format, not both");
    }
    if (strcmp(type, "json_object") == 0) {
        json_object_set_new(out->question, "schema", json_pack("{s:s}", "type", "object"));
        return true;
    }
    if (strcmp(type, "json_schema") != 0) {
        return wrong(fault, "/response_format/type",
                     "type must be text, json_object or json_schema");
    }
    json_t *schema = json_object_get(json_object_get(format, "json_schema"), "schema");
    if (!json_is_object(schema)) {
        return wrong(fault, "/response_format/json_schema/schema", "schema must be an object");
    }
    json_object_set(out->question, "schema", schema);
    return true;
}

/* ---- the three requests ---- */

static bool read_chat(const json_t *body, struct rv_openai_ask *out, struct rv_openai_fault *fault)
{
    int64_t alternatives = 0;
    out->question = json_pack("{s:s,s:b}", "kind", "chat", "stream", 1);
    if (!take_messages(body, out->question, fault) || !take_tools(body, out, fault) ||
        !take_format(body, out, fault) || !take_length(body, 0, out, fault) ||
        !take_bool(body, "logprobs", &out->logprobs, fault) ||
        !take_integer(body, "top_logprobs", 0, RV_OPENAI_LOGPROBS_MAX, &alternatives, fault)) {
        return false;
    }
    if (alternatives > 0 && !out->logprobs) {
        return wrong(fault, "/top_logprobs", "top_logprobs needs logprobs: true");
    }
    out->alternatives = (int)alternatives;
    return true;
}

static bool take_prompts(json_t *prompt, struct rv_openai_ask *out, struct rv_openai_fault *fault)
{
    out->inputs = json_is_array(prompt) ? json_incref(prompt) : json_array();
    if (json_is_string(prompt)) {
        json_array_append(out->inputs, prompt);
    }
    size_t count = json_array_size(out->inputs);
    if (count == 0 || count > RV_OPENAI_PROMPTS_MAX) {
        return wrong(fault, "/prompt", "prompt must be a text or a list of 1 to %d texts",
                     RV_OPENAI_PROMPTS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_array_get(out->inputs, i);
        bool ids = json_is_integer(one) || json_is_integer(json_array_get(one, 0));
        char pointer[32];
        snprintf(pointer, sizeof pointer, "/prompt/%zu", i);
        if (!json_is_string(one)) {
            return wrong(fault, pointer,
                         ids ? "token ids are not supported: a prompt is a text, which the model's "
                               "own tokenizer reads"
                             : "a prompt must be a text");
        }
    }
    return true;
}

static bool read_completion(const json_t *body, struct rv_openai_ask *out,
                            struct rv_openai_fault *fault)
{
    json_t *prompt = json_object_get(body, "prompt");
    int64_t logprobs = -1;
    bool echo = false;
    if (!take_prompts(prompt, out, fault)) {
        return false;
    }
    out->question = json_pack("{s:s,s:b}", "kind", "complete", "stream", 1);
    if (!take_length(body, RV_OPENAI_COMPLETION_DEFAULT, out, fault) ||
        !take_bool(body, "echo", &echo, fault) ||
        !take_integer(body, "logprobs", 0, RV_OPENAI_LOGPROBS_MAX, &logprobs, fault)) {
        return false;
    }
    out->logprobs = logprobs >= 0;
    out->alternatives = logprobs > 0 ? (int)logprobs : 0;
    return !echo || wrong(fault, "/echo", "echo is not supported");
}

static bool read_embedding(const json_t *body, struct rv_openai_ask *out,
                           struct rv_openai_fault *fault)
{
    json_t *input = json_object_get(body, "input");
    const json_t *wanted = json_object_get(body, "encoding_format");
    const char *format =
        wanted == NULL || json_is_null(wanted) ? "float" : rv_json_str(body, "encoding_format", "");
    const json_t *dimensions = json_object_get(body, "dimensions");
    out->inputs = json_is_array(input) ? json_incref(input) : json_array();
    if (json_is_string(input)) {
        json_array_append(out->inputs, input);
    }
    size_t count = json_array_size(out->inputs);
    if (count == 0 || count > RV_OPENAI_INPUTS_MAX) {
        return wrong(fault, "/input", "input must be a text or a list of 1 to %d texts",
                     RV_OPENAI_INPUTS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        if (json_string_length(json_array_get(out->inputs, i)) == 0) {
            char pointer[32];
            snprintf(pointer, sizeof pointer, "/input/%zu", i);
            return wrong(fault, pointer, "an input must be a text that is not empty");
        }
    }
    if (strcmp(format, "float") != 0 && strcmp(format, "base64") != 0) {
        return wrong(fault, "/encoding_format", "encoding_format must be float or base64");
    }
    out->base64 = strcmp(format, "base64") == 0;
    return dimensions == NULL || json_is_null(dimensions) ||
           wrong(fault, "/dimensions", "dimensions is not supported: the model has one width");
}

bool rv_openai_read(enum rv_openai_kind kind, const json_t *body, struct rv_openai_ask *out,
                    struct rv_openai_fault *fault)
{
    const char *model = rv_json_str(body, "model", NULL);
    *out = (struct rv_openai_ask){.kind = kind, .n = 1};
    if (model == NULL || model[0] == '\0' || strlen(model) > RV_OPENAI_MODEL_MAX) {
        return wrong(fault, "/model", "model must be the name of a model, see GET /v1/models");
    }
    snprintf(out->model, sizeof out->model, "%s", model);
    if (!rv_openai_check_types(kind, body, fault)) {
        return false;
    }
    if (kind == RV_OPENAI_EMBEDDING) {
        return read_embedding(body, out, fault);
    }
    if (!refuse_members(kind, body, fault) ||
        !(kind == RV_OPENAI_CHAT ? read_chat(body, out, fault)
                                 : read_completion(body, out, fault)) ||
        !take_n(body, out, fault) || !take_sampling(body, out->question, fault) ||
        !take_bias(body, out->question, fault) || !take_penalties(body, out->question, fault) ||
        !take_stop(body, out->question, fault) || !take_stream(body, out, fault)) {
        return false;
    }
    if (out->logprobs) { /* the token itself comes with at least one other */
        int count = out->alternatives > 0 ? out->alternatives : 1;
        json_object_set_new(out->question, "logprobs", json_integer(count));
    }
    return true;
}

void rv_openai_ask_fini(struct rv_openai_ask *ask)
{
    json_decref(ask->question);
    json_decref(ask->inputs);
    json_decref(ask->adapter);
    ask->question = NULL;
    ask->inputs = NULL;
    ask->adapter = NULL;
}

/* "schema /anyOf/1/properties/arguments/items/type: why" */
static void schema_place(const struct rv_openai_ask *ask, const char *at, char *out, size_t room)
{
    static const char arguments[] = "/properties/arguments";
    int length = (int)strcspn(at, ":");
    unsigned alternative = (unsigned)ask->tool;
    int used = 0;
    if (!ask->tools) {
        snprintf(out, room, "/response_format/json_schema/schema%.*s", length, at);
        return;
    }
    if (sscanf(at, "/anyOf/%u%n", &alternative, &used) == 1) {
        at += used;
        length -= used;
    }
    bool inside = strncmp(at, arguments, sizeof arguments - 1) == 0;
    int skip = inside ? (int)sizeof arguments - 1 : length;
    if (inside) {
        snprintf(out, room, "/tools/%u/function/parameters%.*s", alternative, length - skip,
                 at + skip);
    } else {
        snprintf(out, room, "/tools");
    }
}

void rv_openai_place(const struct rv_openai_ask *ask, size_t index, enum rv_code code,
                     const char *message, char *out, size_t room)
{
    static const char *const texts[] = {"/messages", "/prompt", "/input"};
    unsigned token = 0;
    out[0] = '\0';
    if (strncmp(message, "schema ", 7) == 0) {
        schema_place(ask, message + 7, out, room);
    } else if (strstr(message, "tokenizer.chat_template") != NULL) {
        snprintf(out, room, "/model");
    } else if (sscanf(message, "bias of token %u", &token) == 1) {
        snprintf(out, room, "/logit_bias/%u", token);
    } else if (strncmp(message, "stop text", 9) == 0) {
        snprintf(out, room, "/stop");
    } else if (code == RV_LIMIT && (strncmp(message, "the shortest answer", 19) == 0 ||
                                    (strncmp(message, "prompt (", 8) == 0 && ask->length_field))) {
        snprintf(out, room, "%s", ask->length_field != NULL ? ask->length_field : "/max_tokens");
    } else if (code == RV_LIMIT || strstr(message, "the prompt") != NULL ||
               strncmp(message, "messages", 8) == 0) {
        snprintf(out, room, "%s", texts[ask->kind]);
        if (json_array_size(ask->inputs) > 1) {
            snprintf(out, room, "%s/%zu", texts[ask->kind], index);
        }
    }
}
