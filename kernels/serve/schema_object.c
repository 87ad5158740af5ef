/* schema_object.c -- objects: which keys, in which order, and what holds of their values.
 *
 * Named properties come in the order in which the subschemas name them, then those that are only
 * required, then all other keys.  Other keys are told apart by which patterns they match:
 *
 *     patternProperties {"^S_": A, "^I_": B}, additionalProperties C
 *         --product--> one automaton over keys, labelled {} C, {0} A, {1} B, {0,1} A and B
 *
 * The named keys themselves are left out while the answer is written (constraint.c), because no key
 * comes twice anyway.
 */
#include "kernels/serve/schema.h"

#include "kernels/base/fail.h"
#include "kernels/serve/spell.h"

#include <stdlib.h>
#include <string.h>

enum { PROPERTY_WORK = 60, REQUIRED_WORK = 20 }; /* steps: a property made, a name in a set */
enum { UNNAMED_MAX = 40 /* keys that must come and have no name: 0.4 ms a token */ };

/* ---- keys by pattern ---- */

bool schema_key_patterns(struct schema *schema, const struct conj *plain, struct key_patterns *out)
{
    *out = (struct key_patterns){.count = 0};
    for (uint32_t i = 0; i < plain->count; i++) {
        const char *pattern = NULL;
        json_t *value = NULL;
        json_object_foreach(json_object_get(plain->at[i], "patternProperties"), pattern, value)
        {
            bool known = false;
            for (uint32_t k = 0; k < out->count; k++) {
                known = known || strcmp(out->text[k], pattern) == 0;
            }
            if (!known && out->count == SCHEMA_PATTERNS_MAX) {
                return schema_fail(schema, plain->at[i], "patternProperties", KERNEL_INVALID,
                                   "more than %d patterns of keys", SCHEMA_PATTERNS_MAX);
            }
            if (!known) {
                out->text[out->count++] = pattern;
            }
        }
    }
    return true;
}

void schema_labelled_key(const struct conj *plain, const struct key_patterns *patterns,
                         uint64_t label, struct conj *out)
{
    for (uint32_t i = 0; i < plain->count; i++) {
        json_t *by_pattern = json_object_get(plain->at[i], "patternProperties");
        json_t *others = json_object_get(plain->at[i], "additionalProperties");
        bool known = false;
        for (uint32_t k = 0; k < patterns->count; k++) {
            json_t *value = json_object_get(by_pattern, patterns->text[k]);
            if (value != NULL && (label >> k & 1)) {
                conj_add(out, value);
                known = true;
            }
        }
        if (!known && others != NULL) {
            conj_add(out, others);
        }
    }
}

/* ---- propertyNames: one more automaton that every key must satisfy ---- */

static bool names_constraint(struct schema *schema, const struct conj *plain, struct merged *merged,
                             struct chars **out, bool *possible)
{
    struct conj names = {0};
    json_t *where = NULL;
    *out = NULL;
    *possible = true;
    for (uint32_t i = 0; i < plain->count; i++) {
        json_t *one = json_object_get(plain->at[i], "propertyNames");
        where = one != NULL ? plain->at[i] : where;
        if (one != NULL) {
            conj_add(&names, one);
        }
    }
    if (names.count == 0) {
        return true;
    }
    struct conj_list list = {0};
    bool good = conj_never(&names) || schema_expand(schema, &names, &list);
    if (good && list.count == 0) {
        *possible = false;
    } else if (good && list.count > 1) {
        good = schema_fail(schema, where, "propertyNames", KERNEL_UNSUPPORTED,
                           "alternatives of names are not supported");
    } else if (good) {
        good = schema_merge(schema, &list.at[0], merged);
        if (good && merged->listed) {
            good = schema_fail(schema, where, "propertyNames", KERNEL_UNSUPPORTED,
                               "a list of names is not supported: use properties");
        } else if (good && merged->length_most != UINT32_MAX) {
            good = schema_fail(schema, where, "propertyNames", KERNEL_UNSUPPORTED,
                               "maxLength is not supported here: use a pattern");
        } else if (good && !(merged->types & TYPE_STRING)) {
            *possible = false;
        } else if (good) {
            good = schema_chars(schema, merged, false, out);
            if (good && *out == NULL && merged->length_least > 0) {
                *out =
                    chars_at_least(merged->length_least > SCHEMA_LEAST_MAX ? SCHEMA_LEAST_MAX + 1
                                                                           : merged->length_least);
            }
        }
    }
    conj_list_free(&list);
    conj_free(&names);
    return good;
}

/* ---- named properties ---- */

struct known_names { /* sets of names: keys of objects */
    json_t *seen, *required;
};

static bool add_property(struct schema *schema, const struct conj *plain, const char *key,
                         const struct chars *names, const struct known_names *known,
                         struct alt *out)
{
    if (!schema_work(schema, plain->at[0], "properties", PROPERTY_WORK + 4 * strlen(key))) {
        return false;
    }
    if (json_object_get(known->seen, key) != NULL) {
        return true;
    }
    json_object_set_new(known->seen, key, json_true());
    struct conj conj = {0};
    bool good = schema_key(schema, plain, key, &conj);
    struct kernel_text name = {key, strlen(key)};
    bool never = conj_never(&conj) || (names != NULL && chars_match(names, name) == 0);
    out->properties =
        kernel_resize(out->properties, out->property_count + 1, sizeof *out->properties);
    char *copy = kernel_allocate(name.length + 1, 1);
    memcpy(copy, key, name.length);
    out->properties[out->property_count++] =
        (struct property){.name = {copy, name.length},
                          .rule = never || !good ? RULE_NONE : schema_rule(schema, &conj),
                          .required = json_object_get(known->required, key) != NULL};
    conj_free(&conj);
    return good && schema->status == KERNEL_OK;
}

/* All names that one of them requires; NULL: failed. */
static json_t *required_names(struct schema *schema, const struct conj *plain)
{
    json_t *names = json_object();
    for (uint32_t i = 0; i < plain->count; i++) {
        const json_t *required = json_object_get(plain->at[i], "required");
        size_t count = json_array_size(required);
        if (!schema_work(schema, plain->at[i], "required", count * REQUIRED_WORK)) {
            json_decref(names);
            return NULL;
        }
        for (size_t k = 0; k < count; k++) {
            json_object_set_new(names, json_string_value(json_array_get(required, k)), json_true());
        }
    }
    return names;
}

static bool named_properties(struct schema *schema, const struct conj *plain,
                             const struct chars *names, struct alt *out)
{
    struct known_names known = {json_object(), required_names(schema, plain)};
    bool good = known.required != NULL;
    for (uint32_t i = 0; good && i < plain->count; i++) {
        const char *key = NULL;
        json_t *value = NULL;
        json_object_foreach(json_object_get(plain->at[i], "properties"), key, value)
        {
            good = good && add_property(schema, plain, key, names, &known, out);
        }
    }
    for (uint32_t i = 0; good && i < plain->count; i++) {
        const json_t *required = json_object_get(plain->at[i], "required");
        for (size_t k = 0; good && k < json_array_size(required); k++) {
            good = add_property(schema, plain, json_string_value(json_array_get(required, k)),
                                names, &known, out);
        }
    }
    json_decref(known.seen);
    json_decref(known.required);
    if (good && out->property_count > KERNEL_SCHEMA_PROPERTIES_MAX) {
        return schema_fail(schema, plain->at[0], "properties", KERNEL_INVALID,
                           "%u properties, at most %d", out->property_count,
                           KERNEL_SCHEMA_PROPERTIES_MAX);
    }
    return good;
}

/* ---- all other keys ---- */

static void add_other(struct alt *out, uint64_t label, uint32_t rule)
{
    out->other_rules =
        kernel_resize(out->other_rules, out->other_count + 1, sizeof *out->other_rules);
    out->other_rules[out->other_count++] = (struct other_rule){label, rule};
}

static bool rules_by_label(struct schema *schema, const struct conj *plain,
                           const struct key_patterns *patterns, uint64_t names_bit, struct alt *out)
{
    struct chars *chars = out->other_chars;
    for (uint32_t s = 1; s < chars->states && schema->status == KERNEL_OK; s++) {
        uint64_t label = chars->accept[s];
        if (names_bit != 0 && !(label & names_bit)) {
            chars->accept[s] = 0;
            continue;
        }
        const struct other_rule *known = NULL;
        if (!schema_work(schema, plain->at[0], "patternProperties", 2 + out->other_count / 4)) {
            return false;
        }
        for (uint32_t i = 0; i < out->other_count && known == NULL; i++) {
            known = out->other_rules[i].label == label ? &out->other_rules[i] : NULL;
        }
        if (known == NULL) {
            struct conj conj = {0};
            schema_labelled_key(plain, patterns, label, &conj);
            add_other(out, label, conj_never(&conj) ? RULE_NONE : schema_rule(schema, &conj));
            conj_free(&conj);
            known = &out->other_rules[out->other_count - 1];
        }
        if (known->rule == RULE_NONE) { /* no key, and not counted as one */
            chars->accept[s] = 0;
        }
    }
    return schema->status == KERNEL_OK;
}

static bool other_keys(struct schema *schema, const struct conj *plain, const struct chars *names,
                       struct alt *out)
{
    struct key_patterns patterns;
    if (!schema_key_patterns(schema, plain, &patterns)) {
        return false;
    }
    if (patterns.count == 0 && names == NULL) {
        struct conj conj = {0};
        schema_labelled_key(plain, &patterns, 0, &conj);
        if (!conj_never(&conj)) {
            out->others = schema->grammar->trie->string;
            out->other_capacity = UINT64_MAX;
            add_other(out, 0, schema_rule(schema, &conj));
        }
        conj_free(&conj);
        return schema->status == KERNEL_OK;
    }
    const struct chars *parts[SCHEMA_PATTERNS_MAX + 1];
    uint32_t count = 0;
    for (uint32_t i = 0; i < patterns.count; i++) {
        parts[count] =
            schema_pattern_kept(schema, plain->at[0], "patternProperties", patterns.text[i]);
        if (parts[count++] == NULL) {
            return false;
        }
    }
    uint64_t names_bit = names != NULL ? UINT64_C(1) << count : 0;
    if (names != NULL) {
        parts[count++] = names;
    }
    out->other_chars = chars_product(parts, count, true, &schema->work);
    if (out->other_chars == NULL) {
        return schema_fail(schema, plain->at[0], "patternProperties", KERNEL_INVALID,
                           "too large an automaton");
    }
    if (!rules_by_label(schema, plain, &patterns, names_bit, out)) {
        return false;
    }
    if (chars_trim(out->other_chars)) {
        uint64_t *ways = chars_ways(out->other_chars);
        out->other_capacity = ways[CHARS_START];
        free(ways);
    }
    return true;
}

/* Each key that has no name is looked for among the others, whenever a token is taken. */
static bool few_unnamed(struct schema *schema, const struct conj *plain, const struct alt *out)
{
    uint32_t named = 0;
    for (uint32_t i = 0; i < out->property_count; i++) {
        named += out->properties[i].rule != RULE_NONE;
    }
    for (uint32_t i = 0; i < plain->count && out->least > named + UNNAMED_MAX; i++) {
        if (json_number_value(json_object_get(plain->at[i], "minProperties")) >= out->least) {
            return schema_fail(schema, plain->at[i], "minProperties", KERNEL_UNSUPPORTED,
                               "more than %d keys without a name; name some in properties, or use "
                               "an array of objects",
                               UNNAMED_MAX);
        }
    }
    return true;
}

bool schema_object(struct schema *schema, const struct conj *plain, const struct merged *merged,
                   struct alt *out, bool *possible)
{
    *out = (struct alt){.kind = ALT_OBJECT, .least = merged->keys_least, .most = merged->keys_most};
    struct chars *names = NULL;
    struct merged of_names = {0};
    bool names_possible = true;
    bool good = names_constraint(schema, plain, &of_names, &names, &names_possible);
    if (good && !names_possible) { /* no key at all */
        out->most = 0;
    }
    good = good && named_properties(schema, plain, names, out) && few_unnamed(schema, plain, out) &&
           other_keys(schema, plain, names, out);
    *possible = out->least <= out->most;
    chars_destroy(names);
    merged_free(&of_names);
    return good;
}
