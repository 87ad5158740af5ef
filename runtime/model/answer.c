/* answer.c -- see answer.h. */
#include "runtime/model/answer.h"

#include "runtime/base/check.h"
#include "runtime/model/model.h"

#include <stdio.h>
#include <string.h>

enum { SCHEMA_DEPTH_MAX = 8, PLACE_BYTES = 96 };

/* ---- is the schema one that we check? ---- */

static const char *const type_names[] = {"object", "array", "string", "integer", "boolean", "null"};

static bool type_known(const json_t *value)
{
    for (size_t i = 0; json_is_string(value) && i < RV_COUNT(type_names); i++) {
        if (strcmp(json_string_value(value), type_names[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_types(const json_t *value)
{
    bool known = json_array_size(value) > 0;
    for (size_t i = 0; i < json_array_size(value); i++) {
        known = known && type_known(json_array_get(value, i));
    }
    return known || type_known(value);
}

static bool is_object(const json_t *value)
{
    return json_is_object(value);
}

static bool is_names(const json_t *value)
{
    bool names = json_is_array(value);
    for (size_t i = 0; i < json_array_size(value); i++) {
        names = names && json_is_string(json_array_get(value, i));
    }
    return names;
}

static bool is_boolean(const json_t *value)
{
    return json_is_boolean(value);
}

static bool is_count(const json_t *value)
{
    return json_is_integer(value) && json_integer_value(value) >= 0;
}

static bool is_bound(const json_t *value)
{
    return json_is_integer(value);
}

static bool is_choices(const json_t *value)
{
    bool choices = json_array_size(value) > 0;
    for (size_t i = 0; i < json_array_size(value); i++) {
        choices = choices && !json_is_real(json_array_get(value, i));
    }
    return choices;
}

static bool is_text(const json_t *value)
{
    return json_is_string(value);
}

static const struct keyword {
    const char *name;
    bool (*fits)(const json_t *value);
    const char *rule; /* what its value has to be */
} keywords[] = {
    {"type", is_types,
     "object, array, string, integer, boolean or null, or a list of them; an amount is an integer "
     "in minor units, a share is a string"},
    {"properties", is_object, "an object of schemas"},
    {"required", is_names, "a list of names"},
    {"additionalProperties", is_boolean, "true or false"},
    {"items", is_object, "a schema"},
    {"minItems", is_count, "an integer, 0 or more"},
    {"maxItems", is_count, "an integer, 0 or more"},
    {"enum", is_choices, "a list of one value or more, none of them a number with a fraction"},
    {"minLength", is_count, "an integer, 0 or more"},
    {"maxLength", is_count, "an integer, 0 or more"},
    {"minimum", is_bound, "an integer"},
    {"maximum", is_bound, "an integer"},
    {"description", is_text, "a text"},
};

static enum rv_code keyword_known(const char *name, const json_t *value, struct rv_error *err)
{
    for (size_t i = 0; i < RV_COUNT(keywords); i++) {
        if (strcmp(keywords[i].name, name) == 0) {
            return keywords[i].fits(value)
                       ? RV_OK
                       : rv_fail(err, RV_INVALID, "\"%s\" in the schema of an answer must be %s",
                                 name, keywords[i].rule);
        }
    }
    rv_fail(err, RV_INVALID, "the keyword \"%.40s\" is not known in a schema of an answer", name);
    rv_hint(err, "Use type, properties, required, items, enum and bounds.");
    return RV_INVALID;
}

static enum rv_code schema_known(const json_t *schema, int depth, struct rv_error *err)
{
    if (!json_is_object(schema) || depth > SCHEMA_DEPTH_MAX) {
        return rv_fail(err, RV_INVALID, "a schema is an object, at most %d levels deep",
                       SCHEMA_DEPTH_MAX);
    }
    enum rv_code code = RV_OK;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)schema, key, value)
    {
        code = code == RV_OK ? keyword_known(key, value, err) : code;
    }
    json_object_foreach(json_object_get(schema, "properties"), key, value)
    {
        code = code == RV_OK ? schema_known(value, depth + 1, err) : code;
    }
    const json_t *items = json_object_get(schema, "items");
    return code == RV_OK && items != NULL ? schema_known(items, depth + 1, err) : code;
}

enum rv_code rv_answer_schema_known(const json_t *schema, struct rv_error *err)
{
    return schema_known(schema, 0, err);
}

json_t *rv_answer_options_schema(const json_t *options)
{
    return json_pack("{s:s,s:b,s:[s,s],s:{s:{s:s,s:O},s:{s:s,s:i}}}", "type", "object",
                     "additionalProperties", 0, "required", "choice", "reason", "properties",
                     "choice", "type", "string", "enum", (json_t *)(uintptr_t)options, "reason",
                     "type", "string", "maxLength", RV_MODEL_REASON_MAX);
}

/* ---- does the answer satisfy it? ---- */

static enum rv_code broken(const char *place, const char *rule, struct rv_error *err)
{
    return rv_fail(err, RV_INVALID, "%s %s", place, rule);
}

static bool is_type(const json_t *value, const char *name)
{
    return (strcmp(name, "object") == 0 && json_is_object(value)) ||
           (strcmp(name, "array") == 0 && json_is_array(value)) ||
           (strcmp(name, "string") == 0 && json_is_string(value)) ||
           (strcmp(name, "integer") == 0 && json_is_integer(value)) ||
           (strcmp(name, "boolean") == 0 && json_is_boolean(value)) ||
           (strcmp(name, "null") == 0 && json_is_null(value));
}

static bool type_fits(const json_t *wanted, const json_t *value)
{
    if (json_is_string(wanted)) {
        return is_type(value, json_string_value(wanted));
    }
    bool fits = false;
    size_t i;
    json_t *name;
    json_array_foreach((json_t *)(uintptr_t)wanted, i, name)
    {
        fits = fits || (json_is_string(name) && is_type(value, json_string_value(name)));
    }
    return fits;
}

static bool within(const json_t *schema, const char *least, const char *most, int64_t found)
{
    return found >= rv_json_int(schema, least, INT64_MIN) &&
           found <= rv_json_int(schema, most, INT64_MAX);
}

static int64_t characters(const json_t *text)
{
    int64_t count = 0;
    for (const char *at = json_string_value(text); *at != '\0'; at++) {
        count += ((unsigned char)*at & 0xc0) != 0x80;
    }
    return count;
}

static bool listed(const json_t *list, const json_t *value)
{
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)(uintptr_t)list, i, item)
    {
        if (json_equal(item, (json_t *)(uintptr_t)value)) {
            return true;
        }
    }
    return false;
}

static enum rv_code check(const json_t *schema, const json_t *value, const char *place,
                          struct rv_error *err);

static enum rv_code check_object(const json_t *schema, const json_t *value, const char *place,
                                 struct rv_error *err)
{
    const json_t *properties = json_object_get(schema, "properties");
    size_t i;
    json_t *name;
    json_array_foreach(json_object_get(schema, "required"), i, name)
    {
        if (json_object_get(value, json_string_value(name)) == NULL) {
            return rv_fail(err, RV_INVALID, "%s: \"%.40s\" is missing", place,
                           json_string_value(name));
        }
    }
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        const json_t *rule = json_object_get(properties, key);
        if (rule == NULL) {
            if (json_is_false(json_object_get(schema, "additionalProperties"))) {
                return broken(place, "has a field that was not asked for", err);
            }
            continue;
        }
        char inner[PLACE_BYTES];
        snprintf(inner, sizeof inner, "%s.%s", place, key);
        enum rv_code code = check(rule, member, inner, err);
        if (code != RV_OK) {
            return code;
        }
    }
    return RV_OK;
}

static enum rv_code check(const json_t *schema, const json_t *value, const char *place,
                          struct rv_error *err)
{
    const json_t *type = json_object_get(schema, "type");
    if (json_is_real(value) || (type != NULL && !type_fits(type, value))) {
        return broken(place, "has the wrong type", err);
    }
    const json_t *choices = json_object_get(schema, "enum");
    if (choices != NULL && !listed(choices, value)) {
        return broken(place, "is none of what was offered", err);
    }
    if (json_is_string(value) && !within(schema, "minLength", "maxLength", characters(value))) {
        return broken(place, "is too long or too short", err);
    }
    if (json_is_integer(value) &&
        !within(schema, "minimum", "maximum", json_integer_value(value))) {
        return broken(place, "is out of its bounds", err);
    }
    if (json_is_object(value)) {
        return check_object(schema, value, place, err);
    }
    if (!json_is_array(value)) {
        return RV_OK;
    }
    if (!within(schema, "minItems", "maxItems", (int64_t)json_array_size(value))) {
        return broken(place, "has too many or too few items", err);
    }
    const json_t *items = json_object_get(schema, "items");
    enum rv_code code = RV_OK;
    for (size_t i = 0; items != NULL && code == RV_OK && i < json_array_size(value); i++) {
        char inner[PLACE_BYTES];
        snprintf(inner, sizeof inner, "%s[%zu]", place, i);
        code = check(items, json_array_get(value, i), inner, err);
    }
    return code;
}

enum rv_code rv_answer_check(const json_t *schema, const json_t *value, struct rv_error *err)
{
    return check(schema, value, "the answer", err);
}
