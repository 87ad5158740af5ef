/* schema_possible.c -- can anything satisfy all of these?  For oneOf: two members are disjoint
 * where provably nothing satisfies both.
 *
 * Every "no" is a proof over values, not over how answers are written (the order of keys, the
 * length of numbers): formats and what is deep inside count as satisfiable.
 */
#include "kernels/serve/schema.h"

#include <string.h>

enum { POSSIBLE_DEPTH_MAX = 4 };

static bool part_possible(struct schema *schema, struct conj *part, uint32_t depth)
{
    bool possible = !conj_never(part) && schema_possible(schema, part, depth + 1);
    conj_free(part);
    return possible;
}

static bool object_possible(struct schema *schema, const struct conj *plain,
                            const struct merged *merged, uint32_t depth)
{
    uint32_t required_count = 0;
    for (uint32_t i = 0; i < plain->count; i++) {
        const json_t *required = json_object_get(plain->at[i], "required");
        for (size_t k = 0; k < json_array_size(required); k++) {
            const char *key = json_string_value(json_array_get(required, k));
            struct conj value = {0};
            if (!schema_key(schema, plain, key, &value) || !part_possible(schema, &value, depth)) {
                return schema->status != KERNEL_OK;
            }
        }
        uint32_t own = (uint32_t)json_array_size(required);
        required_count = own > required_count ? own : required_count;
    }
    return merged->keys_least <= merged->keys_most && required_count <= merged->keys_most;
}

static bool array_possible(struct schema *schema, const struct conj *plain,
                           const struct merged *merged, uint32_t depth)
{
    uint32_t prefix = schema_prefix(plain);
    for (uint32_t i = 0; i <= prefix && i < merged->items_least; i++) {
        struct conj item = {0};
        if (!schema_work(schema, NULL, NULL, (1 + (uint64_t)plain->count) * 15)) {
            return true;
        }
        schema_item(plain, i, &item);
        if (!part_possible(schema, &item, depth)) {
            return false;
        }
    }
    return merged->items_least <= merged->items_most;
}

static bool string_possible(struct schema *schema, const struct merged *merged)
{
    if (merged->length_least > merged->length_most) {
        return false;
    }
    struct chars *chars = NULL;
    if (!schema_chars(schema, merged, true, &chars)) {
        return true;
    }
    bool possible = chars == NULL || chars_trim(chars);
    chars_destroy(chars);
    return possible;
}

static bool value_possible(struct schema *schema, const struct conj *plain, json_t *value,
                           uint32_t depth)
{
    bool possible = true;
    if (json_is_object(value)) {
        const char *key = NULL;
        json_t *one = NULL;
        json_object_foreach(value, key, one)
        {
            if (!schema_work(schema, NULL, NULL, 60)) {
                return true;
            }
            struct conj part = {0};
            json_t *only = json_pack("{s:O}", "const", one);
            json_array_append_new(schema->made, only);
            possible = possible && schema_key(schema, plain, key, &part);
            conj_add(&part, only);
            possible = possible && !conj_never(&part) && schema_possible(schema, &part, depth + 1);
            conj_free(&part);
        }
        for (uint32_t i = 0; possible && i < plain->count; i++) {
            const json_t *required = json_object_get(plain->at[i], "required");
            for (size_t k = 0; possible && k < json_array_size(required); k++) {
                possible =
                    json_object_get(value, json_string_value(json_array_get(required, k))) != NULL;
            }
        }
    }
    return possible;
}

static bool plain_possible(struct schema *schema, const struct conj *plain, uint32_t depth)
{
    struct merged merged;
    bool possible = false;
    if (!schema_merge(schema, plain, &merged)) {
        merged_free(&merged);
        return true;
    }
    if (merged.listed) {
        for (uint32_t i = 0; !possible && i < merged.value_count; i++) {
            possible = value_possible(schema, plain, merged.values[i], depth);
        }
    } else {
        possible = (merged.types & (TYPE_NULL | TYPE_BOOLEAN)) != 0 ||
                   ((merged.types & TYPE_NUMBER) && !number_empty(&merged.number)) ||
                   ((merged.types & TYPE_STRING) && string_possible(schema, &merged)) ||
                   ((merged.types & TYPE_ARRAY) && array_possible(schema, plain, &merged, depth)) ||
                   ((merged.types & TYPE_OBJECT) && object_possible(schema, plain, &merged, depth));
    }
    merged_free(&merged);
    return possible;
}

bool schema_possible(struct schema *schema, const struct conj *conj, uint32_t depth)
{
    struct conj_list list = {0};
    bool possible = depth > POSSIBLE_DEPTH_MAX;
    if (!possible) {
        possible = !schema_expand(schema, conj, &list); /* failed: the caller sees why */
    }
    for (uint32_t i = 0; !possible && i < list.count; i++) {
        possible = plain_possible(schema, &list.at[i], depth);
    }
    conj_list_free(&list);
    return possible;
}
