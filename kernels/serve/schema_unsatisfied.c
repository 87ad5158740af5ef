/* schema_unsatisfied.c -- which part of a schema makes it that nothing satisfies it: for the error
 * alone.  From the whole down to what is required and cannot be; there, the keyword without which
 * something would satisfy it.
 */
#include "kernels/serve/schema.h"

#include <string.h>

enum { KEYWORDS_MAX = 64, BLAMED_MAX = 256 }; /* of a subschema, and of all that are tried */

/* What an instance of the rule must have inside and cannot; RULE_NONE: the fault is its own. */
static uint32_t required_inside(const struct kernel_grammar *grammar, uint32_t number)
{
    const struct rule *rule = &grammar->rules[number];
    for (uint32_t a = 0; a < rule->count; a++) {
        const struct alt *alt = &rule->alts[a];
        for (uint32_t i = 0; alt->kind == ALT_OBJECT && i < alt->property_count; i++) {
            uint32_t inside = alt->properties[i].rule;
            if (alt->properties[i].required && inside != RULE_NONE &&
                grammar->rules[inside].height == UINT32_MAX) {
                return inside;
            }
        }
        for (uint32_t i = 0; alt->kind == ALT_ARRAY && i < alt->least; i++) {
            uint32_t inside = i < alt->prefix_count ? alt->prefix[i] : alt->rest;
            if (inside != RULE_NONE && grammar->rules[inside].height == UINT32_MAX) {
                return inside;
            }
            if (i >= alt->prefix_count) {
                break; /* the rest are alike */
            }
        }
    }
    return RULE_NONE;
}

/* Whether something may satisfy the rule's subschemas, `which` of them without that keyword. */
static bool possible_without(struct schema *schema, const struct conj *whole, uint32_t which,
                             const char *keyword)
{
    struct conj less = {0};
    schema->status = KERNEL_OK; /* whatever came of the one before */
    json_t *copy = json_copy(whole->at[which]);
    json_object_del(copy, keyword);
    json_array_append_new(schema->made, copy);
    for (uint32_t i = 0; i < whole->count; i++) {
        conj_add(&less, i == which ? copy : whole->at[i]);
    }
    bool possible = !conj_never(&less) && schema_possible(schema, &less, 0);
    possible = possible && schema->status == KERNEL_OK && !schema->work.spent;
    conj_free(&less);
    return possible;
}

/* The keyword to name; that a type is asked for is the fault only where nothing else is. */
static const char *blame(struct schema *schema, const struct conj *whole, uint32_t *which)
{
    uint32_t tried = 0;
    for (int types = 0; types < 2; types++) {
        for (uint32_t i = 0; i < whole->count; i++) {
            if (json_object_size(whole->at[i]) > KEYWORDS_MAX) {
                continue;
            }
            const char *keyword = NULL;
            json_t *value = NULL;
            json_object_foreach(whole->at[i], keyword, value)
            {
                bool now = (strcmp(keyword, "type") == 0) == (types == 1);
                if (now && tried++ < BLAMED_MAX && !schema->work.spent &&
                    possible_without(schema, whole, i, keyword)) {
                    *which = i;
                    return keyword;
                }
            }
        }
    }
    return NULL;
}

bool schema_unsatisfied(struct schema *schema)
{
    const struct kernel_grammar *grammar = schema->grammar;
    uint32_t number = 0;
    uint32_t inside = required_inside(grammar, 0);
    uint32_t steps = 0; /* more than there are rules: it needs itself */
    while (inside != RULE_NONE && steps++ < grammar->count) {
        number = inside;
        inside = required_inside(grammar, number);
    }
    const struct conj *whole = &schema->conj_of[number];
    json_t *where = whole->count > 0 ? whole->at[0] : NULL;
    if (inside != RULE_NONE) {
        return schema_fail(
            schema, where, json_object_get(where, "$ref") != NULL ? "$ref" : "required",
            KERNEL_INVALID, "nothing satisfies it: it would have to have itself inside");
    }
    uint32_t which = 0;
    struct kernel_error *error = schema->error;
    schema->error = NULL; /* what is found on the way is not the fault that is looked for */
    const char *keyword = conj_never(whole) ? NULL : blame(schema, whole, &which);
    schema->error = error;
    schema->status = KERNEL_OK;
    schema->starved = schema->work.spent; /* what it took to find the keyword does not count */
    schema->work.spent = false;
    return schema_fail(schema, keyword != NULL ? whole->at[which] : where, keyword, KERNEL_INVALID,
                       "nothing satisfies it");
}
