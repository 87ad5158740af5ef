/* schema_complete.c -- is it a schema?  For those that come from outside; the catalogue's own are
 * right by their tests.  A place is written as in the schema: /properties/day/format. */
#include "erp/command/schema.h"

#include "runtime/base/check.h"

#include <stdio.h>
#include <string.h>

enum { PLACE_TEXT = 200, RULE_TEXT = 200 };

struct at {
    const struct at *above;
    const char *key;
    int depth; /* of the values it is about */
};

static void place_text(const struct at *at, char *out)
{
    if (at->above == NULL) {
        out[0] = '\0';
        return;
    }
    place_text(at->above, out);
    size_t used = strlen(out);
    snprintf(out + used, PLACE_TEXT - used, "/%.60s", at->key);
}

__attribute__((format(printf, 5, 6))) static enum rv_code
wrong(const struct at *at, const char *key, struct rv_error *err, const char *hint,
      const char *format, ...)
{
    char place[PLACE_TEXT];
    char rule[RULE_TEXT];
    va_list args;
    place_text(at, place);
    va_start(args, format);
    vsnprintf(rule, sizeof rule, format, args);
    va_end(args);
    rv_fail(err, RV_INVALID, "\"%s/%s\" %s", place, key, rule);
    rv_hint(err, "%s", hint);
    return RV_INVALID;
}

static enum rv_code complete(json_t *schema, const struct at *at, struct rv_error *err);

static bool is_count(const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) >= 0;
}

static bool is_words(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!json_is_string(json_array_get(list, i))) {
            return false;
        }
    }
    return json_is_array(list) && json_array_size(list) > 0;
}

static enum rv_code complete_object(json_t *schema, const struct at *at, struct rv_error *err)
{
    json_t *properties = json_object_get(schema, "properties");
    json_t *required = json_object_get(schema, "required");
    json_t *more = json_object_get(schema, "additionalProperties");
    if (more != NULL && !json_is_false(more)) {
        return wrong(at, "additionalProperties", err, "Name every member in properties.",
                     "must be false");
    }
    json_object_set_new(schema, "additionalProperties", json_false());
    if (properties == NULL || (json_is_array(properties) && json_array_size(properties) == 0)) {
        json_object_set_new(schema, "properties", json_object());
        properties = json_object_get(schema, "properties");
    }
    if (!json_is_object(properties)) {
        return wrong(at, "properties", err, "Write { day = { type = \"string\" } }.",
                     "must give a schema for each name");
    }
    const char *key;
    json_t *inner;
    json_object_foreach(properties, key, inner)
    {
        struct at list = {at, "properties", at->depth};
        struct at below = {&list, key, at->depth + 1};
        enum rv_code code = complete(inner, &below, err);
        if (code != RV_OK) {
            return code;
        }
    }
    if (json_is_object(required) && json_object_size(required) == 0) {
        json_object_del(schema, "required"); /* an empty list of Lua */
        required = NULL;
    }
    if (required != NULL && !is_words(required)) {
        return wrong(at, "required", err, "Write { \"day\", \"place\" }.",
                     "must be a list of names");
    }
    size_t i;
    json_t *name;
    json_array_foreach(required, i, name)
    {
        if (json_object_get(properties, json_string_value(name)) == NULL) {
            return wrong(at, "required", err, "Add it to properties.",
                         "names \"%.60s\", which is not in properties", json_string_value(name));
        }
    }
    return RV_OK;
}

static enum rv_code complete_array(json_t *schema, const struct at *at, struct rv_error *err)
{
    static const char *const counts[] = {"minItems", "maxItems"};
    for (size_t i = 0; i < RV_COUNT(counts); i++) {
        const json_t *count = json_object_get(schema, counts[i]);
        if (count != NULL && !is_count(count)) {
            return wrong(at, counts[i], err, "Give a number of items.", "must be an integer >= 0");
        }
    }
    if (json_object_get(schema, "maxItems") == NULL) {
        json_object_set_new(schema, "maxItems", json_integer(ERP_SCHEMA_ITEMS_DEFAULT));
    }
    struct at below = {at, "items", at->depth + 1};
    return complete(json_object_get(schema, "items"), &below, err);
}

static enum rv_code complete_string(json_t *schema, const struct at *at, struct rv_error *err)
{
    static const char *const counts[] = {"minLength", "maxLength"};
    const json_t *words = json_object_get(schema, "enum");
    const json_t *format = json_object_get(schema, "format");
    for (size_t i = 0; i < RV_COUNT(counts); i++) {
        const json_t *count = json_object_get(schema, counts[i]);
        if (count != NULL && !is_count(count)) {
            return wrong(at, counts[i], err, "Give a number of bytes.", "must be an integer >= 0");
        }
    }
    if (words != NULL && !is_words(words)) {
        return wrong(at, "enum", err, "Write { \"yes\", \"no\" }.", "must be a list of texts");
    }
    if (format != NULL &&
        (!json_is_string(format) || !erp_schema_knows_format(json_string_value(format)))) {
        return wrong(at, "format", err, "Use one of: date period currency decimal iban hash.",
                     "is not a format that is known here");
    }
    return RV_OK;
}

static enum rv_code complete_integer(json_t *schema, const struct at *at, struct rv_error *err)
{
    static const char *const bounds[] = {"minimum", "maximum"};
    for (size_t i = 0; i < RV_COUNT(bounds); i++) {
        const json_t *bound = json_object_get(schema, bounds[i]);
        if (bound != NULL && !json_is_integer(bound)) {
            return wrong(at, bounds[i], err, "Amounts are integers in minor units.",
                         "must be an integer");
        }
    }
    return RV_OK;
}

static const struct {
    const char *name;
    const char *keywords; /* beside type, default, title, description */
    enum rv_code (*complete)(json_t *schema, const struct at *at, struct rv_error *err);
} types[] = {
    {"object", " properties required additionalProperties ", complete_object},
    {"array", " items minItems maxItems ", complete_array},
    {"string", " minLength maxLength enum format ", complete_string},
    {"integer", " minimum maximum ", complete_integer},
    {"boolean", " ", NULL},
    {"data", " ", NULL},
};

/* Of a list of words with a space around each. */
static bool listed(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = words; length > 0 && (at = strstr(at, word)) != NULL; at++) {
        if (at[-1] == ' ' && at[length] == ' ') {
            return true;
        }
    }
    return false;
}

static enum rv_code complete(json_t *schema, const struct at *at, struct rv_error *err)
{
    if (!json_is_object(schema)) {
        return wrong(at, "", err, "Write { type = \"string\" }.", "must be a schema");
    }
    if (at->depth > ERP_SCHEMA_DEPTH_MAX) {
        return wrong(at, "", err, "Flatten it.", "is nested too deeply");
    }
    const char *type = rv_json_str(schema, "type", "");
    size_t which = 0;
    while (which < RV_COUNT(types) && strcmp(types[which].name, type) != 0) {
        which++;
    }
    if (which == RV_COUNT(types)) {
        return wrong(at, "type", err, "Use one of: object array string integer boolean data.",
                     "\"%.40s\" is not a type that is known here", type);
    }
    const char *key;
    json_t *value;
    json_object_foreach(schema, key, value)
    {
        if (!listed(" type default title description ", key) &&
            !listed(types[which].keywords, key)) {
            return wrong(at, key, err, "See agents/README.md for what a schema may say.",
                         "is not known for type %s", type);
        }
    }
    enum rv_code code =
        types[which].complete != NULL ? types[which].complete(schema, at, err) : RV_OK;
    json_t *otherwise = json_object_get(schema, "default");
    if (code == RV_OK && otherwise != NULL) {
        struct rv_error why = {.code = RV_OK};
        json_t *copy = json_deep_copy(otherwise);
        if (erp_schema_check(schema, copy, &why) != RV_OK) {
            code = wrong(at, "default", err, "Give one that the schema allows.",
                         "does not pass: %s", why.message);
        }
        json_decref(copy);
    }
    return code;
}

enum rv_code erp_schema_complete(json_t *schema, struct rv_error *err)
{
    struct at root = {.above = NULL};
    return complete(schema, &root, err);
}
