/* schema_expand.c -- conjunctions, and their alternatives.
 *
 *     [ {$ref: a, maxLength: 5}, {anyOf: [b, c]} ]
 *         --> [ {$ref..}, a, {anyOf..}, b ]  or  [ {$ref..}, a, {anyOf..}, c ]
 *
 * oneOf is anyOf where no value can satisfy two of its members (schema_apart.c).  Every branch that
 * is tried costs work, also where its types clash and nothing comes of it.
 */
#include "kernels/serve/schema.h"

#include "kernels/base/fail.h"

#include <stdlib.h>
#include <string.h>

enum { /* steps: looking at all keywords, at those that stand for more, at the type; a branch */
       CHECK_WORK = 250,
       OPEN_WORK = 40,
       TYPE_WORK = 6,
       EXPAND_WORK = 30
};

void conj_add(struct conj *conj, json_t *schema)
{
    if (json_is_true(schema) || (json_is_object(schema) && json_object_size(schema) == 0)) {
        return;
    }
    for (uint32_t i = 0; i < conj->count; i++) {
        if (conj->at[i] == schema) {
            return;
        }
    }
    if (conj->count == conj->room) {
        conj->room = conj->room == 0 ? 4 : conj->room * 2;
        conj->at = kernel_resize(conj->at, conj->room, sizeof(json_t *));
    }
    conj->at[conj->count++] = schema;
}

/* At a place of its own, so that what a subschema stands for comes where it stands. */
static void conj_insert(struct conj *conj, uint32_t *at, json_t *schema)
{
    uint32_t before = conj->count;
    conj_add(conj, schema);
    if (conj->count > before) {
        memmove(conj->at + *at + 1, conj->at + *at, (before - *at) * sizeof(json_t *));
        conj->at[(*at)++] = schema;
    }
}

struct conj conj_copy(const struct conj *conj)
{
    struct conj copy = {.count = conj->count, .room = conj->count};
    copy.at = kernel_allocate(copy.room, sizeof(json_t *));
    if (copy.count > 0) {
        memcpy(copy.at, conj->at, copy.count * sizeof(json_t *));
    }
    return copy;
}

void conj_free(struct conj *conj)
{
    free(conj->at);
    *conj = (struct conj){0};
}

void conj_list_free(struct conj_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        conj_free(&list->at[i]);
    }
    free(list->at);
    *list = (struct conj_list){0};
}

bool conj_never(const struct conj *conj)
{
    for (uint32_t i = 0; i < conj->count; i++) {
        if (json_is_false(conj->at[i])) {
            return true;
        }
    }
    return false;
}

/* ---- circles: a schema that stands for itself says nothing, and validators never come back ----
 */

static bool unmarked(struct schema *schema, json_t *one);

static bool follow(struct schema *schema, json_t *one)
{
    json_t *target = json_object_get(one, "$ref") != NULL ? schema_resolve(schema, one) : NULL;
    if (target != NULL && !unmarked(schema, target)) {
        return false;
    }
    static const char *const lists[] = {"allOf", "anyOf", "oneOf"};
    for (int k = 0; k < 3; k++) {
        json_t *list = json_object_get(one, lists[k]);
        for (size_t i = 0; i < json_array_size(list); i++) {
            if (!unmarked(schema, json_array_get(list, i))) {
                return false;
            }
        }
    }
    return schema->status == KERNEL_OK;
}

static bool unmarked(struct schema *schema, json_t *one)
{
    if (!json_is_object(one) || schema_marked(schema, one, MARK_DONE)) {
        return true;
    }
    if (schema_mark(schema, one, MARK_BEGUN)) {
        return schema_fail(schema, one, "$ref", KERNEL_INVALID,
                           "it leads back to itself without a value in between");
    }
    bool good = schema_work(schema, one, NULL, CHECK_WORK) && schema_check(schema, one) &&
                follow(schema, one);
    schema_mark(schema, one, MARK_DONE);
    return good;
}

/* ---- expanding ---- */

struct expansion {
    struct schema *schema;
    struct conj_list *out;
};

static void list_add(struct conj_list *list, struct conj conj)
{
    if (list->count == list->room) {
        list->room = list->room == 0 ? 4 : list->room * 2;
        list->at = kernel_resize(list->at, list->room, sizeof *list->at);
    }
    list->at[list->count++] = conj;
}

/* {"const": x} and what only describes it; NULL: it says more. */
static json_t *constant_of(json_t *one)
{
    static const char *const describing[] = {"title",   "description", "$comment",
                                             "default", "examples",    "deprecated"};
    json_t *only = json_object_get(one, "const");
    const json_t *type = json_object_get(one, "type");
    size_t said = only != NULL;
    for (size_t i = 0; only != NULL && i < sizeof describing / sizeof describing[0]; i++) {
        said += json_object_get(one, describing[i]) != NULL;
    }
    bool text = json_is_string(type) && strcmp(json_string_value(type), "string") == 0;
    said += text && json_is_string(only);
    return only != NULL && said == json_object_size(one) ? only : NULL;
}

/* A list of nothing but constants is one alternative: {"enum": [..]}; else NULL. */
static json_t *constants_of(struct schema *schema, json_t *members)
{
    size_t count = json_array_size(members);
    if (count < 2 || count > KERNEL_SCHEMA_ENUM_MAX) {
        return NULL;
    }
    json_t *values = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *only = constant_of(json_array_get(members, i));
        if (only == NULL) {
            json_decref(values);
            return NULL;
        }
        json_array_append(values, only);
    }
    json_t *made = json_pack("{s:o}", "enum", values);
    json_array_append_new(schema->made, made);
    return made;
}

/* Adds the members of one anyOf or oneOf to the choices, or to `conj` where they are constants. */
static bool add_choice(struct schema *schema, json_t *one, const char *keyword,
                       struct conj *choices, struct conj *conj, uint32_t *at)
{
    json_t *members = json_object_get(one, keyword);
    size_t count = json_array_size(members);
    if (!schema_work(schema, one, keyword, OPEN_WORK * (1 + count))) {
        return false;
    }
    json_t *list = constants_of(schema, members);
    if (list == NULL && count > SCHEMA_CHOICES_MAX) {
        return schema_fail(schema, one, keyword, KERNEL_INVALID, "%zu alternatives, at most %d",
                           count, SCHEMA_CHOICES_MAX);
    }
    if (strcmp(keyword, "oneOf") == 0 && !schema_apart(schema, one, members)) {
        return false;
    }
    if (list != NULL) {
        conj_insert(conj, at, list);
    } else {
        conj_add(choices, members);
    }
    return true;
}

/* Adds what `one` stands for at `at` of `conj`, and its choices to `choices`. */
static bool open_one(struct schema *schema, json_t *one, struct conj *conj, uint32_t at,
                     struct conj *choices)
{
    if (!schema_work(schema, one, NULL, OPEN_WORK) || !unmarked(schema, one)) {
        return false;
    }
    if (json_object_get(one, "$ref") != NULL) {
        json_t *target = schema_resolve(schema, one);
        if (target == NULL) {
            return false;
        }
        conj_insert(conj, &at, target);
    }
    json_t *all = json_object_get(one, "allOf");
    for (size_t i = 0; i < json_array_size(all); i++) {
        if (!schema_work(schema, one, "allOf", 2 + conj->count / 8)) {
            return false;
        }
        conj_insert(conj, &at, json_array_get(all, i));
    }
    static const char *const either[] = {"anyOf", "oneOf"};
    for (int i = 0; i < 2; i++) {
        if (json_object_get(one, either[i]) != NULL &&
            !add_choice(schema, one, either[i], choices, conj, &at)) {
            return false;
        }
    }
    return true;
}

static uint32_t types_of(const struct conj *conj)
{
    uint32_t types = TYPE_ALL;
    for (uint32_t i = 0; i < conj->count; i++) {
        types &= json_is_false(conj->at[i]) ? 0 : schema_types(conj->at[i]);
    }
    return types;
}

static bool expand(struct expansion *e, struct conj conj, uint32_t from, struct conj choices,
                   uint32_t choice);

/* A branch for each member of one choice. */
static bool branch_out(struct expansion *e, const struct conj *conj, const struct conj *choices,
                       uint32_t choice)
{
    const json_t *members = choices->at[choice];
    bool good = true;
    for (size_t i = 0; good && i < json_array_size(members); i++) {
        struct conj branch = conj_copy(conj);
        uint32_t next = branch.count;
        conj_add(&branch, json_array_get(members, i));
        good = expand(e, branch, next, conj_copy(choices), choice + 1);
    }
    return good;
}

/* Takes `conj` and `choices`, both freed. */
static bool expand(struct expansion *e, struct conj conj, uint32_t from, struct conj choices,
                   uint32_t choice)
{
    json_t *first = conj.count > 0 ? conj.at[0] : NULL;
    bool good = schema_work(e->schema, choice > 0 ? choices.at[choice - 1] : first, NULL,
                            EXPAND_WORK + conj.count * TYPE_WORK + choices.count);
    for (uint32_t i = from; good && i < conj.count; i++) {
        good = open_one(e->schema, conj.at[i], &conj, i + 1, &choices);
    }
    bool possible = good && types_of(&conj) != 0;
    if (possible && choice < choices.count) {
        good = branch_out(e, &conj, &choices, choice);
    } else if (possible && e->out->count >= SCHEMA_CHOICES_MAX) {
        good = schema_fail(e->schema, first, NULL, KERNEL_INVALID,
                           "more than %d alternatives of one value", SCHEMA_CHOICES_MAX);
    } else if (possible) {
        list_add(e->out, conj);
        conj = (struct conj){0};
    }
    conj_free(&conj);
    conj_free(&choices);
    return good;
}

bool schema_expand(struct schema *schema, const struct conj *conj, struct conj_list *out)
{
    struct expansion expansion = {.schema = schema, .out = out};
    return expand(&expansion, conj_copy(conj), 0, (struct conj){0}, 0);
}
