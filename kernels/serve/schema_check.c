/* schema_check.c -- every keyword of a subschema is one that is understood, one that says nothing
 * about validity, or one that is refused by name.
 *
 * A keyword that no draft of JSON Schema defines is an annotation, says the standard (core, section
 * 6.5), and cannot make an instance invalid.
 */
#include "kernels/serve/schema.h"

#include <math.h>
#include <string.h>

struct refused {
    const char *keyword;
    const char *why;
};
static const struct refused refused[] = {
    {"not", "negation is not supported: say what is allowed"},
    {"if", "conditions are not supported: use anyOf"},
    {"contains", "contains is not supported"},
    {"dependencies", "dependencies are not supported: use anyOf"},
    {"dependentRequired", "dependencies are not supported: use anyOf"},
    {"dependentSchemas", "dependencies are not supported: use anyOf"},
    {"unevaluatedProperties", "not supported: use additionalProperties"},
    {"unevaluatedItems", "not supported: use items"},
    {"$dynamicRef", "only $ref is supported"},
    {"$recursiveRef", "only $ref is supported"},
    {"extends", "a keyword of draft 3: use allOf"},
    {"disallow", "a keyword of draft 3"},
    {"divisibleBy", "a keyword of draft 3: use multipleOf"},
};

static bool check_refused(struct schema *schema, json_t *one)
{
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        const json_t *value = json_object_get(one, refused[i].keyword);
        bool conditions = strcmp(refused[i].keyword, "if") == 0;
        if (value == NULL || (conditions && json_object_get(one, "then") == NULL &&
                              json_object_get(one, "else") == NULL)) {
            continue;
        }
        bool harmless = strncmp(refused[i].keyword, "unevaluated", 11) == 0 && json_is_true(value);
        if (!harmless) {
            return schema_fail(schema, one, refused[i].keyword, KERNEL_UNSUPPORTED, "%s",
                               refused[i].why);
        }
    }
    const json_t *unique = json_object_get(one, "uniqueItems");
    if (unique != NULL && !json_is_false(unique)) {
        return schema_fail(schema, one, "uniqueItems", KERNEL_UNSUPPORTED,
                           "items that differ are not supported");
    }
    return true;
}

static bool is_count(const json_t *value)
{
    if (json_is_integer(value)) {
        return json_integer_value(value) >= 0 && json_integer_value(value) < UINT32_MAX;
    }
    double real = json_real_value(value);
    return json_is_real(value) && real >= 0 && real < UINT32_MAX && floor(real) == real;
}

static bool is_schema(const json_t *value)
{
    return json_is_object(value) || json_is_boolean(value);
}

static bool each_is_schema(const json_t *value)
{
    for (size_t i = 0; json_is_array(value) && i < json_array_size(value); i++) {
        if (!is_schema(json_array_get(value, i))) {
            return false;
        }
    }
    const char *key = NULL;
    json_t *one = NULL;
    json_object_foreach((json_t *)(uintptr_t)value, key, one)
    { /* only reads */
        if (!is_schema(one)) {
            return false;
        }
    }
    return true;
}

enum form { FORM_COUNT, FORM_NUMBER, FORM_TEXT, FORM_SCHEMA, FORM_SCHEMAS, FORM_LIST, FORM_NAMES };
struct shape {
    const char *keyword;
    enum form form;
};
static const struct shape shapes[] = {
    {"minLength", FORM_COUNT},
    {"maxLength", FORM_COUNT},
    {"minItems", FORM_COUNT},
    {"maxItems", FORM_COUNT},
    {"minProperties", FORM_COUNT},
    {"maxProperties", FORM_COUNT},
    {"minimum", FORM_NUMBER},
    {"maximum", FORM_NUMBER},
    {"multipleOf", FORM_NUMBER},
    {"pattern", FORM_TEXT},
    {"format", FORM_TEXT},
    {"$ref", FORM_TEXT},
    {"properties", FORM_SCHEMAS},
    {"patternProperties", FORM_SCHEMAS},
    {"allOf", FORM_LIST},
    {"anyOf", FORM_LIST},
    {"oneOf", FORM_LIST},
    {"prefixItems", FORM_LIST},
    {"propertyNames", FORM_SCHEMA},
    {"additionalProperties", FORM_SCHEMA},
    {"additionalItems", FORM_SCHEMA},
    {"required", FORM_NAMES},
};

static bool has_form(const json_t *value, enum form form)
{
    switch (form) {
    case FORM_COUNT: return is_count(value);
    case FORM_NUMBER: return json_is_number(value);
    case FORM_TEXT: return json_is_string(value);
    case FORM_SCHEMA: return is_schema(value);
    case FORM_SCHEMAS: return json_is_object(value) && each_is_schema(value);
    case FORM_LIST:
        return json_is_array(value) && json_array_size(value) > 0 && each_is_schema(value);
    case FORM_NAMES: break;
    }
    for (size_t i = 0; json_is_array(value) && i < json_array_size(value); i++) {
        if (!json_is_string(json_array_get(value, i))) {
            return false;
        }
    }
    return json_is_array(value);
}

/* Is the step the same as a double?  4364.81 is a multiple of 0.01, but not to a validator that
 * divides doubles, as most do.  Whole steps, halves, quarters divide exactly: an answer has no more
 * digits beside a step than a double tells apart. */
static bool is_exact(const json_t *step)
{
    struct number number = schema_number(step);
    double scaled = ldexp(json_number_value(step), (int)number.fraction);
    return scaled == floor(scaled);
}

static bool check_form(struct schema *schema, json_t *one)
{
    static const char *const wanted[] = {
        [FORM_COUNT] = "a whole number from 0 on",
        [FORM_NUMBER] = "a number",
        [FORM_TEXT] = "a string",
        [FORM_SCHEMA] = "a schema",
        [FORM_SCHEMAS] = "an object of schemas",
        [FORM_LIST] = "a list of schemas, not empty",
        [FORM_NAMES] = "a list of names",
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        const json_t *value = json_object_get(one, shapes[i].keyword);
        if (value != NULL && !has_form(value, shapes[i].form)) {
            return schema_fail(schema, one, shapes[i].keyword, KERNEL_INVALID, "must be %s",
                               wanted[shapes[i].form]);
        }
    }
    const json_t *items = json_object_get(one, "items");
    if (items != NULL && !is_schema(items) && !(json_is_array(items) && each_is_schema(items))) {
        return schema_fail(schema, one, "items", KERNEL_INVALID, "must be a schema");
    }
    static const char *const limits[] = {"exclusiveMinimum", "exclusiveMaximum"};
    for (int i = 0; i < 2; i++) {
        const json_t *limit = json_object_get(one, limits[i]);
        if (limit != NULL && !json_is_number(limit) && !json_is_boolean(limit)) {
            return schema_fail(schema, one, limits[i], KERNEL_INVALID, "must be a number");
        }
    }
    const json_t *step = json_object_get(one, "multipleOf");
    if (step != NULL && json_number_value(step) <= 0) {
        return schema_fail(schema, one, "multipleOf", KERNEL_INVALID, "must be above 0");
    }
    if (step != NULL && !is_exact(step)) {
        return schema_fail(schema, one, "multipleOf", KERNEL_UNSUPPORTED,
                           "no such fraction, dividing doubles tells otherwise: count in cents, or "
                           "a string of pattern ^[0-9]+\\.[0-9]{2}$");
    }
    const json_t *list = json_object_get(one, "enum");
    if (list != NULL && (!json_is_array(list) || json_array_size(list) == 0)) {
        return schema_fail(schema, one, "enum", KERNEL_INVALID, "must be a list, not empty");
    }
    return true;
}

static bool check_type(struct schema *schema, json_t *one)
{
    const json_t *type = json_object_get(one, "type");
    if (type == NULL) {
        return true;
    }
    size_t count = json_is_array(type) ? json_array_size(type) : 1;
    for (size_t i = 0; i < count; i++) {
        const json_t *name = json_is_array(type) ? json_array_get(type, i) : type;
        json_t *alone = json_pack("{s:O}", "type", (json_t *)(uintptr_t)name);
        bool known = json_is_string(name) && schema_types(alone) != 0;
        json_decref(alone);
        if (!known) {
            return schema_fail(schema, one, "type", KERNEL_INVALID,
                               "must be null, boolean, integer, number, string, array, object or "
                               "a list of these");
        }
    }
    if (count == 0) {
        return schema_fail(schema, one, "type", KERNEL_INVALID, "an empty list");
    }
    return true;
}

static bool check_limits(struct schema *schema, json_t *one)
{
    size_t names = json_object_size(json_object_get(one, "properties"));
    size_t values = json_array_size(json_object_get(one, "enum"));
    if (names > KERNEL_SCHEMA_PROPERTIES_MAX) {
        return schema_fail(schema, one, "properties", KERNEL_INVALID, "%zu properties, at most %d",
                           names, KERNEL_SCHEMA_PROPERTIES_MAX);
    }
    if (values > KERNEL_SCHEMA_ENUM_MAX) {
        return schema_fail(schema, one, "enum", KERNEL_INVALID, "%zu values, at most %d", values,
                           KERNEL_SCHEMA_ENUM_MAX);
    }
    return true;
}

bool schema_check(struct schema *schema, json_t *one)
{
    if (json_is_boolean(one)) {
        return true;
    }
    if (!json_is_object(one)) {
        return schema_fail(schema, one, NULL, KERNEL_INVALID, "a schema is an object or a boolean");
    }
    const json_t *format = json_object_get(one, "format");
    bool good = check_refused(schema, one) && check_form(schema, one) && check_type(schema, one) &&
                check_limits(schema, one);
    if (good && format != NULL && !schema_format_known(json_string_value(format))) {
        return schema_fail(schema, one, "format", KERNEL_UNSUPPORTED,
                           "the format \"%.60s\" is not known", json_string_value(format));
    }
    return good;
}
