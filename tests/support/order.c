/* order.c -- see order.h. */
#include "tests/support/order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FEW = 256 };

struct schemas {
    json_t *at[FEW];
    size_t count;
};

static json_t *resolve(json_t *root, const char *ref)
{
    json_t *at = *ref == '#' ? root : NULL;
    while (at != NULL && (ref = strchr(ref, '/')) != NULL) {
        char step[512];
        size_t length = 0;
        for (ref++; *ref != '\0' && *ref != '/' && length + 1 < sizeof step; ref++) {
            if (ref[0] == '~' && (ref[1] == '0' || ref[1] == '1')) {
                step[length++] = ref[1] == '0' ? '~' : '/';
                ref++;
            } else if (ref[0] == '%' && ref[1] != '\0') {
                char hex[3] = {ref[1], ref[2], '\0'};
                step[length++] = (char)strtol(hex, NULL, 16);
                ref += 2;
            } else {
                step[length++] = *ref;
            }
        }
        step[length] = '\0';
        at = json_is_array(at) ? json_array_get(at, strtoul(step, NULL, 10))
                               : json_object_get(at, step);
    }
    return at;
}

/* Everything that speaks about the same value, in order. */
static void collect(json_t *root, json_t *schema, struct schemas *out)
{
    for (size_t i = 0; i < out->count; i++) {
        if (out->at[i] == schema) {
            return;
        }
    }
    if (!json_is_object(schema) || out->count == FEW) {
        return;
    }
    out->at[out->count++] = schema;
    const char *ref = json_string_value(json_object_get(schema, "$ref"));
    if (ref != NULL) {
        collect(root, resolve(root, ref), out);
    }
    static const char *const lists[] = {"allOf", "anyOf", "oneOf"};
    for (int k = 0; k < 3; k++) {
        json_t *list = json_object_get(schema, lists[k]);
        for (size_t i = 0; i < json_array_size(list); i++) {
            collect(root, json_array_get(list, i), out);
        }
    }
}

static json_t *ordered(json_t *root, json_t *value, const struct schemas *schemas);

static json_t *part(json_t *root, json_t *value, const struct schemas *schemas, const char *key,
                    size_t index)
{
    struct schemas *parts = calloc(1, sizeof *parts);
    for (size_t i = 0; i < schemas->count; i++) {
        json_t *one = schemas->at[i];
        json_t *items = json_object_get(one, "items");
        if (key != NULL) {
            json_t *named = json_object_get(json_object_get(one, "properties"), key);
            json_t *by_pattern = json_object_get(one, "patternProperties");
            const char *pattern = NULL;
            json_t *other = NULL;
            json_object_foreach(by_pattern, pattern, other)
            {
                collect(root, other, parts);
            }
            collect(root, named != NULL ? named : json_object_get(one, "additionalProperties"),
                    parts);
        } else {
            json_t *prefix = json_is_array(items) ? items : json_object_get(one, "prefixItems");
            json_t *rest = json_is_array(items) ? json_object_get(one, "additionalItems") : items;
            collect(root, index < json_array_size(prefix) ? json_array_get(prefix, index) : rest,
                    parts);
        }
    }
    json_t *out = ordered(root, value, parts);
    free(parts);
    return out;
}

static json_t *ordered(json_t *root, json_t *value, const struct schemas *schemas)
{
    if (json_is_array(value)) {
        json_t *out = json_array();
        for (size_t i = 0; i < json_array_size(value); i++) {
            json_array_append_new(out, part(root, json_array_get(value, i), schemas, NULL, i));
        }
        return out;
    }
    if (json_is_real(value) && fabs(json_real_value(value)) < 1e18 &&
        trunc(json_real_value(value)) == json_real_value(value)) {
        return json_integer((json_int_t)json_real_value(value)); /* "1.0" is the integer 1 */
    }
    if (!json_is_object(value)) {
        return json_incref(value);
    }
    json_t *out = json_object();
    const char *key = NULL;
    json_t *one = NULL;
    for (size_t i = 0; i < schemas->count; i++) {
        json_object_foreach(json_object_get(schemas->at[i], "properties"), key, one)
        {
            json_t *own = json_object_get(value, key);
            if (own != NULL && json_object_get(out, key) == NULL) {
                json_object_set_new(out, key, part(root, own, schemas, key, 0));
            }
        }
    }
    for (size_t i = 0; i < schemas->count; i++) {
        json_t *required = json_object_get(schemas->at[i], "required");
        for (size_t k = 0; k < json_array_size(required); k++) {
            const char *name = json_string_value(json_array_get(required, k));
            json_t *own = name != NULL ? json_object_get(value, name) : NULL;
            if (own != NULL && json_object_get(out, name) == NULL) {
                json_object_set_new(out, name, part(root, own, schemas, name, 0));
            }
        }
        json_t *values[2] = {json_object_get(schemas->at[i], "const"), NULL};
        json_t *list = json_object_get(schemas->at[i], "enum");
        for (size_t k = 0; k < json_array_size(list) + 1; k++) {
            json_t *same = k == 0 ? values[0] : json_array_get(list, k - 1);
            if (same != NULL && json_equal(same, value)) {
                json_decref(out);
                return json_incref(same);
            }
        }
    }
    json_object_foreach(value, key, one)
    {
        if (json_object_get(out, key) == NULL) {
            json_object_set_new(out, key, part(root, one, schemas, key, 0));
        }
    }
    return out;
}

char *order_write(json_t *instance, json_t *schema)
{
    struct schemas *schemas = calloc(1, sizeof *schemas);
    collect(schema, schema, schemas);
    json_t *value = ordered(schema, instance, schemas);
    free(schemas);
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    json_decref(value);
    return text;
}
