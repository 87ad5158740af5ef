/* schema_merge.c -- what several plain subschemas say together about one value. */
#include "kernels/serve/schema.h"

#include "kernels/base/fail.h"

#include <stdlib.h>
#include <string.h>

enum { MERGE_WORK = 80, KEY_WORK = 15 }; /* steps: all keywords of a subschema, a key in one */

static uint32_t type_bit(const char *name)
{
    static const struct {
        const char *name;
        uint32_t bit;
    } types[] = {
        {"null", TYPE_NULL},     {"boolean", TYPE_BOOLEAN}, {"integer", TYPE_NUMBER},
        {"number", TYPE_NUMBER}, {"string", TYPE_STRING},   {"array", TYPE_ARRAY},
        {"object", TYPE_OBJECT},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(name, types[i].name) == 0) {
            return types[i].bit;
        }
    }
    return 0;
}

uint32_t schema_types(const json_t *one)
{
    const json_t *type = json_object_get(one, "type");
    if (type == NULL) {
        return TYPE_ALL;
    }
    if (json_is_string(type)) {
        return type_bit(json_string_value(type));
    }
    uint32_t types = 0;
    for (size_t i = 0; i < json_array_size(type); i++) {
        types |= type_bit(json_string_value(json_array_get(type, i)));
    }
    return types;
}

/* Integers only: "integer" without "number". */
static bool whole_only(const json_t *one)
{
    const json_t *type = json_object_get(one, "type");
    bool integer = false;
    bool number = type == NULL;
    size_t count = json_is_array(type) ? json_array_size(type) : type != NULL;
    for (size_t i = 0; i < count; i++) {
        const char *name = json_string_value(json_is_array(type) ? json_array_get(type, i) : type);
        integer = integer || strcmp(name, "integer") == 0;
        number = number || strcmp(name, "number") == 0;
    }
    return integer && !number;
}

struct number schema_number(const json_t *value)
{
    return json_is_integer(value) ? number_of_integer(json_integer_value(value))
                                  : number_of_real(json_real_value(value));
}

bool schema_same(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b)) {
        if (json_number_value(a) != json_number_value(b)) {
            return false; /* decimals that are the same mean the same double */
        }
        struct number x = schema_number(a);
        struct number y = schema_number(b);
        return number_compare(&x, &y) == 0;
    }
    if (json_typeof(a) != json_typeof(b)) {
        return false;
    }
    if (json_is_array(a)) {
        bool same = json_array_size(a) == json_array_size(b);
        for (size_t i = 0; same && i < json_array_size(a); i++) {
            same = schema_same(json_array_get(a, i), json_array_get(b, i));
        }
        return same;
    }
    if (json_is_object(a)) {
        bool same = json_object_size(a) == json_object_size(b);
        const char *key = NULL;
        json_t *value = NULL;
        json_object_foreach((json_t *)(uintptr_t)a, key, value)
        { /* only reads */
            const json_t *other = json_object_get(b, key);
            same = same && other != NULL && schema_same(value, other);
        }
        return same;
    }
    return json_equal(a, b);
}

uint32_t schema_weight(const json_t *value)
{
    uint32_t weight = 1 + (uint32_t)json_string_length(value) / 32;
    for (size_t i = 0; json_is_array(value) && i < json_array_size(value); i++) {
        weight += schema_weight(json_array_get(value, i));
    }
    const char *key = NULL;
    json_t *one = NULL;
    json_object_foreach((json_t *)(uintptr_t)value, key, one)
    { /* only reads */
        weight += 4 + schema_weight(one);
    }
    return weight;
}

/* ---- one keyword after the other ---- */

static uint32_t count_of(const json_t *one, const char *keyword, uint32_t otherwise)
{
    const json_t *value = json_object_get(one, keyword);
    return value == NULL ? otherwise : (uint32_t)json_number_value(value);
}

static void raise(uint32_t *least, uint32_t value)
{
    *least = value > *least ? value : *least;
}

static void lower(uint32_t *most, uint32_t value)
{
    *most = value < *most ? value : *most;
}

static void merge_counts(const json_t *one, struct merged *out)
{
    raise(&out->length_least, count_of(one, "minLength", 0));
    lower(&out->length_most, count_of(one, "maxLength", UINT32_MAX));
    raise(&out->items_least, count_of(one, "minItems", 0));
    lower(&out->items_most, count_of(one, "maxItems", UINT32_MAX));
    raise(&out->keys_least, count_of(one, "minProperties", 0));
    lower(&out->keys_most, count_of(one, "maxProperties", UINT32_MAX));
}

/* exclusiveX is a number since draft 6, and said before how to read X. */
static bool merge_numbers(struct schema *schema, json_t *one, struct merged *out)
{
    const json_t *low = json_object_get(one, "minimum");
    const json_t *high = json_object_get(one, "maximum");
    const json_t *above = json_object_get(one, "exclusiveMinimum");
    const json_t *below = json_object_get(one, "exclusiveMaximum");
    const json_t *step = json_object_get(one, "multipleOf");
    out->number.whole = out->number.whole || whole_only(one);
    if (low != NULL) {
        struct number number = schema_number(low);
        number_at_least(&out->number, &number, json_is_true(above));
    }
    if (high != NULL) {
        struct number number = schema_number(high);
        number_at_most(&out->number, &number, json_is_true(below));
    }
    if (json_is_number(above)) {
        struct number number = schema_number(above);
        number_at_least(&out->number, &number, true);
    }
    if (json_is_number(below)) {
        struct number number = schema_number(below);
        number_at_most(&out->number, &number, true);
    }
    if (step != NULL) {
        struct number number = schema_number(step);
        if (!number_multiple(&out->number, &number)) {
            return schema_fail(schema, one, "multipleOf", KERNEL_UNSUPPORTED,
                               "such a step is not supported: at most 100000, or as fine as that");
        }
    }
    return true;
}

static bool merge_texts(struct schema *schema, json_t *one, struct merged *out)
{
    static const char *const keywords[] = {"pattern", "format"};
    for (int i = 0; i < 2; i++) {
        json_t *value = json_object_get(one, keywords[i]);
        if (value == NULL) {
            continue;
        }
        uint32_t *count = i == 0 ? &out->pattern_count : &out->format_count;
        if (*count == SCHEMA_PATTERNS_MAX) {
            return schema_fail(schema, one, keywords[i], KERNEL_INVALID,
                               "more than %d of them on one value", SCHEMA_PATTERNS_MAX);
        }
        (i == 0 ? out->patterns : out->formats)[(*count)++] = value;
        out->where = one;
    }
    return true;
}

/* ---- enum and const ---- */

static bool is_listed(const json_t *one, const json_t *value)
{
    const json_t *list = json_object_get(one, "enum");
    const json_t *only = json_object_get(one, "const");
    bool found = list == NULL;
    for (size_t i = 0; !found && i < json_array_size(list); i++) {
        found = schema_same(json_array_get(list, i), value);
    }
    return found && (only == NULL || schema_same(only, value));
}

static uint32_t type_of(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_NULL: return TYPE_NULL;
    case JSON_TRUE:
    case JSON_FALSE: return TYPE_BOOLEAN;
    case JSON_INTEGER:
    case JSON_REAL: return TYPE_NUMBER;
    case JSON_STRING: return TYPE_STRING;
    case JSON_ARRAY: return TYPE_ARRAY;
    case JSON_OBJECT: return TYPE_OBJECT;
    }
    return 0;
}

/* The first that lists values: every value comes from there. */
static json_t *source_of(const struct conj *plain)
{
    for (uint32_t i = 0; i < plain->count; i++) {
        if (json_object_get(plain->at[i], "const") != NULL ||
            json_object_get(plain->at[i], "enum") != NULL) {
            return plain->at[i];
        }
    }
    return NULL;
}

/* Is it listed wherever values are? */
static bool fits_lists(struct schema *schema, const struct conj *plain, const json_t *source,
                       const json_t *value)
{
    bool fits = true;
    for (uint32_t i = 0; fits && i < plain->count; i++) {
        json_t *one = plain->at[i];
        const json_t *list = json_object_get(one, "enum");
        bool other = one != source || (list != NULL && json_object_get(one, "const") != NULL);
        uint64_t steps = 8 + json_array_size(list) * (2 + (uint64_t)schema_weight(value));
        fits = !other || (schema_work(schema, one, "enum", steps) && is_listed(one, value));
    }
    return fits;
}

static bool value_fits(struct schema *schema, const struct merged *merged,
                       const struct chars *chars, const json_t *value)
{
    if (json_is_number(value)) {
        struct number number = schema_number(value);
        return schema_work(schema, merged->where, "enum", json_is_real(value) ? 500 : 30) &&
               number_fits(&merged->number, &number);
    }
    if (json_is_string(value)) {
        return schema_work(schema, merged->where, "enum", 4 * json_string_length(value)) &&
               schema_string_fits(merged, chars, value);
    }
    return true;
}

static bool merge_values(struct schema *schema, const struct conj *plain, struct merged *out)
{
    json_t *source = source_of(plain);
    if (source == NULL) {
        return true;
    }
    out->listed = true;
    json_t *only = json_object_get(source, "const");
    json_t *list = json_object_get(source, "enum");
    size_t count = only != NULL ? 1 : json_array_size(list);
    out->values = kernel_allocate(count, sizeof(json_t *));
    struct chars *chars = NULL; /* of the patterns, made for the first string */
    bool made = false;
    for (size_t i = 0; i < count && schema->status == KERNEL_OK; i++) {
        json_t *value = only != NULL ? only : json_array_get(list, i);
        bool fits = schema_work(schema, source, "enum", 20) && (out->types & type_of(value)) != 0 &&
                    fits_lists(schema, plain, source, value);
        if (fits && json_is_string(value) && !made) {
            fits = made = schema_chars(schema, out, false, &chars);
        }
        if (fits && value_fits(schema, out, chars, value)) {
            out->values[out->value_count++] = value;
        }
    }
    chars_destroy(chars);
    return schema->status == KERNEL_OK;
}

bool schema_merge(struct schema *schema, const struct conj *plain, struct merged *out)
{
    *out = (struct merged){.types = TYPE_ALL,
                           .length_most = UINT32_MAX,
                           .items_most = UINT32_MAX,
                           .keys_most = UINT32_MAX};
    if (!schema_work(schema, plain->count > 0 ? plain->at[0] : NULL, NULL,
                     30 + (uint64_t)plain->count * MERGE_WORK)) {
        return false;
    }
    for (uint32_t i = 0; i < plain->count; i++) {
        json_t *one = plain->at[i];
        out->types &= json_is_false(one) ? 0 : schema_types(one);
        merge_counts(one, out);
        if (!merge_numbers(schema, one, out) || !merge_texts(schema, one, out)) {
            return false;
        }
    }
    return merge_values(schema, plain, out);
}

void merged_free(struct merged *merged)
{
    free(merged->values);
    merged->values = NULL;
}

/* ---- what holds of a part ---- */

static bool key_matches(struct schema *schema, json_t *one, const char *pattern, const char *key)
{
    if (!schema_work(schema, one, "patternProperties", KEY_WORK + 4 * strlen(key))) {
        return false;
    }
    const struct chars *chars = schema_pattern_kept(schema, one, "patternProperties", pattern);
    return chars != NULL && chars_match(chars, (struct kernel_text){key, strlen(key)}) != 0;
}

bool schema_key(struct schema *schema, const struct conj *plain, const char *key, struct conj *out)
{
    if (!schema_work(schema, NULL, NULL, (1 + (uint64_t)plain->count) * KEY_WORK)) {
        return false;
    }
    for (uint32_t i = 0; i < plain->count; i++) {
        json_t *one = plain->at[i];
        json_t *named = json_object_get(json_object_get(one, "properties"), key);
        json_t *others = json_object_get(one, "additionalProperties");
        bool known = named != NULL;
        if (named != NULL) {
            conj_add(out, named);
        }
        const char *pattern = NULL;
        json_t *value = NULL;
        json_object_foreach(json_object_get(one, "patternProperties"), pattern, value)
        {
            if (key_matches(schema, one, pattern, key)) {
                conj_add(out, value);
                known = true;
            }
        }
        if (!known && others != NULL) {
            conj_add(out, others);
        }
    }
    return schema->status == KERNEL_OK;
}

/* prefixItems and items, or as the older drafts had it a list of items and additionalItems. */
static json_t *prefix_of(const json_t *one)
{
    json_t *items = json_object_get(one, "items");
    return json_is_array(items) ? items : json_object_get(one, "prefixItems");
}

void schema_item(const struct conj *plain, uint32_t index, struct conj *out)
{
    for (uint32_t i = 0; i < plain->count; i++) {
        json_t *prefix = prefix_of(plain->at[i]);
        json_t *items = json_object_get(plain->at[i], "items");
        json_t *rest =
            json_is_array(items) ? json_object_get(plain->at[i], "additionalItems") : items;
        if (index < json_array_size(prefix)) {
            conj_add(out, json_array_get(prefix, index));
        } else if (rest != NULL) {
            conj_add(out, rest);
        }
    }
}

uint32_t schema_prefix(const struct conj *plain)
{
    uint32_t longest = 0;
    for (uint32_t i = 0; i < plain->count; i++) {
        uint32_t size = (uint32_t)json_array_size(prefix_of(plain->at[i]));
        longest = size > longest ? size : longest;
    }
    return longest;
}
