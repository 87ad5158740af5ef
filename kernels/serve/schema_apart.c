/* schema_apart.c -- the members of a oneOf are told apart, or it is refused.
 *
 * Most are apart at a glance: their types differ, or they pin the same key to different constants,
 *
 *     {"properties": {"kind": {"const": "a"}}, "required": ["kind"]}     | $ref to such
 *     {"properties": {"kind": {"const": "b"}}, "required": ["kind"]}
 *
 * and only for the other pairs it is asked whether something satisfies both (schema_possible.c).
 */
#include "kernels/serve/schema.h"

#include "kernels/base/fail.h"

#include <stdlib.h>
#include <string.h>

enum { PINS_MAX = 4, REFS_MAX = 16, PAIR_WORK = 6 };

struct glance { /* what holds of every value of a member */
    uint32_t types;
    const json_t *only; /* NULL, or the one value */
    uint32_t weight;    /* of `only` */
    struct {
        const char *key;
        const json_t *value; /* where the key is there */
        bool required;
    } pin[PINS_MAX];
    uint32_t pins;
};

static void pin_keys(json_t *one, struct glance *out)
{
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(json_object_get(one, "properties"), key, value)
    {
        const json_t *only = json_object_get(value, "const");
        if (only == NULL || json_is_array(only) || json_is_object(only)) {
            continue;
        }
        const json_t *required = json_object_get(one, "required");
        bool needed = false;
        for (size_t i = 0; !needed && i < json_array_size(required); i++) {
            needed = strcmp(json_string_value(json_array_get(required, i)), key) == 0;
        }
        out->pin[out->pins].key = key;
        out->pin[out->pins].value = only;
        out->pin[out->pins++].required = needed;
        if (out->pins == PINS_MAX) {
            return;
        }
    }
}

static bool glance_at(struct schema *schema, json_t *member, struct glance *out)
{
    *out = (struct glance){.types = json_is_false(member) ? 0 : TYPE_ALL};
    json_t *one = member;
    for (int i = 0; i < REFS_MAX && one != NULL; i++) {
        size_t size = json_object_size(json_object_get(one, "properties")) +
                      json_array_size(json_object_get(one, "required")) * PINS_MAX;
        if (!schema_work(schema, one, NULL, 40 + size * 4)) {
            return false;
        }
        out->types &= json_is_false(one) ? 0 : schema_types(one);
        out->only = out->only != NULL ? out->only : json_object_get(one, "const");
        if (out->pins == 0) {
            pin_keys(one, out);
        }
        one = json_object_get(one, "$ref") != NULL ? schema_resolve(schema, one) : NULL;
    }
    out->weight = out->only != NULL ? schema_weight(out->only) : 0;
    return schema->status == KERNEL_OK;
}

static bool apart_at_a_glance(const struct glance *a, const struct glance *b)
{
    uint32_t types = a->types & b->types;
    if (types == 0 || (a->only != NULL && b->only != NULL && !schema_same(a->only, b->only))) {
        return true;
    }
    for (uint32_t i = 0; types == TYPE_OBJECT && i < a->pins; i++) {
        for (uint32_t k = 0; k < b->pins; k++) {
            if ((a->pin[i].required || b->pin[k].required) &&
                strcmp(a->pin[i].key, b->pin[k].key) == 0 &&
                !schema_same(a->pin[i].value, b->pin[k].value)) {
                return true;
            }
        }
    }
    return false;
}

static bool apart(struct schema *schema, json_t *one, json_t *members, size_t i, size_t k)
{
    struct conj both = {0};
    conj_add(&both, json_array_get(members, i));
    conj_add(&both, json_array_get(members, k));
    bool possible = !conj_never(&both) && schema_possible(schema, &both, 0);
    conj_free(&both);
    if (schema->status == KERNEL_OK && possible) {
        schema_fail(schema, one, "oneOf", KERNEL_UNSUPPORTED,
                    "members %zu and %zu are not provably disjoint: use anyOf, or a property that "
                    "tells them apart",
                    k, i);
    }
    return schema->status == KERNEL_OK;
}

bool schema_apart(struct schema *schema, json_t *one, json_t *members)
{
    if (schema_mark(schema, members, MARK_DISJOINT)) {
        return true;
    }
    size_t count = json_array_size(members);
    struct glance *glances = kernel_allocate(count, sizeof *glances);
    bool good = true;
    for (size_t i = 0; good && i < count; i++) {
        good = glance_at(schema, json_array_get(members, i), &glances[i]);
    }
    for (size_t i = 0; good && i < count; i++) {
        for (size_t k = 0; good && k < i; k++) {
            uint32_t weight =
                glances[i].weight < glances[k].weight ? glances[i].weight : glances[k].weight;
            good =
                schema_work(schema, one, "oneOf", PAIR_WORK + 4 * (uint64_t)weight) &&
                (apart_at_a_glance(&glances[i], &glances[k]) || apart(schema, one, members, i, k));
        }
    }
    free(glances);
    return good;
}
