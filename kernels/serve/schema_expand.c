/* schema_expand.c -- conjunctions, and their alternatives.
 *
 *     [ {$ref: a, maxLength: 5}, {anyOf: [b, c]} ]
 *         --> [ {$ref..}, a, {anyOf..}, b ]  or  [ {$ref..}, a, {anyOf..}, c ]
 *
 * oneOf is anyOf where no value can satisfy two of its members, which is proven here or refused.
 */
#include "kernels/serve/schema.h"

#include "kernels/base/fail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    struct conj copy = {0};
    for (uint32_t i = 0; i < conj->count; i++) {
        conj_add(&copy, conj->at[i]);
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

/* ---- $ref ---- */

static int hex_value(char c)
{
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

/* One step of a pointer: up to the next "/", "%20" "~0" "~1" read; returns what is behind it. */
static const char *read_step(const char *at, char *out, size_t room)
{
    size_t length = 0;
    while (*at != '\0' && *at != '/' && length + 1 < room) {
        if (*at == '%' && hex_value(at[1]) >= 0 && hex_value(at[2]) >= 0) {
            out[length++] = (char)(hex_value(at[1]) << 4 | hex_value(at[2]));
            at += 3;
        } else {
            out[length++] = *at++;
        }
    }
    out[length] = '\0';
    size_t kept = 0;
    for (size_t i = 0; i < length; i++) {
        bool tilde = out[i] == '~' && (out[i + 1] == '0' || out[i + 1] == '1');
        out[kept++] = (char)(!tilde ? out[i] : out[i + 1] == '0' ? '~' : '/');
        i += tilde;
    }
    out[kept] = '\0';
    return at;
}

static const char *own_name(const json_t *schema)
{
    const char *id = json_string_value(json_object_get(schema, "$id"));
    return id != NULL ? id : json_string_value(json_object_get(schema, "id"));
}

/* A name of its own inside the document changes what "#" means below it. */
static bool renames(const struct schema *schema, const json_t *at)
{
    return at != schema->root && json_is_object(at) && own_name(at) != NULL;
}

static bool below_renamed(const struct schema *schema, json_t *from, const json_t *what,
                          bool inside)
{
    inside = inside || renames(schema, from);
    if (from == what) {
        return inside;
    }
    void *at = json_is_object(from) ? json_object_iter(from) : NULL;
    for (; at != NULL; at = json_object_iter_next(from, at)) {
        if (below_renamed(schema, json_object_iter_value(at), what, inside)) {
            return true;
        }
    }
    for (size_t i = 0; json_is_array(from) && i < json_array_size(from); i++) {
        if (below_renamed(schema, json_array_get(from, i), what, inside)) {
            return true;
        }
    }
    return false;
}

static json_t *resolve(struct schema *schema, json_t *one)
{
    const char *ref = json_string_value(json_object_get(one, "$ref"));
    const char *root_name = own_name(schema->root);
    size_t prefix = root_name != NULL ? strcspn(root_name, "#") : 0;
    if (prefix > 0 && strncmp(ref, root_name, prefix) == 0 &&
        (ref[prefix] == '#' || ref[prefix] == '\0')) {
        ref += prefix;
    }
    if (*ref != '#' && *ref != '\0') {
        schema_fail(schema, one, "$ref", KERNEL_UNSUPPORTED,
                    "\"%.80s\" is not in this document: only references that begin with # are "
                    "followed",
                    ref);
        return NULL;
    }
    ref += *ref == '#';
    if (*ref != '\0' && *ref != '/') {
        schema_fail(schema, one, "$ref", KERNEL_UNSUPPORTED,
                    "\"#%.80s\": anchors are not supported, only pointers", ref);
        return NULL;
    }
    if (below_renamed(schema, schema->root, one, false)) {
        schema_fail(schema, one, "$ref", KERNEL_UNSUPPORTED,
                    "a reference below an $id of its own is not supported");
        return NULL;
    }
    json_t *at = schema->root;
    while (*ref == '/' && at != NULL) {
        char step[512];
        ref = read_step(ref + 1, step, sizeof step);
        char *end = NULL;
        unsigned long index = json_is_array(at) ? strtoul(step, &end, 10) : 0;
        at = json_is_object(at)                                 ? json_object_get(at, step)
             : json_is_array(at) && end != step && *end == '\0' ? json_array_get(at, index)
                                                                : NULL;
        if (at != NULL && renames(schema, at)) {
            schema_fail(schema, one, "$ref", KERNEL_UNSUPPORTED,
                        "it leads below an $id of its own, which is not supported");
            return NULL;
        }
    }
    if (at == NULL || *ref != '\0') {
        schema_fail(schema, one, "$ref", KERNEL_INVALID, "it leads nowhere");
        return NULL;
    }
    return at;
}

/* ---- circles: a schema that stands for itself says nothing, and validators never come back ----
 */

static bool mark(struct schema *schema, const char *kind, const json_t *one)
{
    char key[32];
    snprintf(key, sizeof key, "%s%p", kind, (const void *)one);
    bool known = json_object_get(schema->checked, key) != NULL;
    json_object_set_new(schema->checked, key, json_true());
    return known;
}

static bool unmarked(struct schema *schema, json_t *one);

static bool follow(struct schema *schema, json_t *one)
{
    json_t *target = json_object_get(one, "$ref") != NULL ? resolve(schema, one) : NULL;
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
    if (!json_is_object(one)) {
        return true;
    }
    if (!schema_check(schema, one)) {
        return false;
    }
    if (mark(schema, "begun", one)) {
        char key[32];
        snprintf(key, sizeof key, "done%p", (const void *)one);
        return json_object_get(schema->checked, key) != NULL ||
               schema_fail(schema, one, "$ref", KERNEL_INVALID,
                           "it leads back to itself without a value in between");
    }
    bool good = follow(schema, one);
    mark(schema, "done", one);
    return good;
}

/* ---- oneOf ---- */

static bool disjoint(struct schema *schema, json_t *one, json_t *members)
{
    if (mark(schema, "disjoint", members)) {
        return true;
    }
    for (size_t i = 0; i < json_array_size(members); i++) {
        for (size_t k = 0; k < i; k++) {
            struct conj both = {0};
            conj_add(&both, json_array_get(members, i));
            conj_add(&both, json_array_get(members, k));
            bool possible = !conj_never(&both) && schema_possible(schema, &both, 0);
            conj_free(&both);
            if (schema->status != KERNEL_OK) {
                return false;
            }
            if (possible) {
                return schema_fail(schema, one, "oneOf", KERNEL_UNSUPPORTED,
                                   "members %zu and %zu are not provably disjoint: use anyOf, or "
                                   "a property that tells them apart",
                                   k, i);
            }
        }
    }
    return true;
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

/* Adds what `one` stands for at `at` of `conj`, and its choices to `choices`. */
static bool open_one(struct schema *schema, json_t *one, struct conj *conj, uint32_t at,
                     struct conj *choices)
{
    if (!unmarked(schema, one)) {
        return false;
    }
    if (json_object_get(one, "$ref") != NULL) {
        json_t *target = resolve(schema, one);
        if (target == NULL) {
            return false;
        }
        conj_insert(conj, &at, target);
    }
    json_t *all = json_object_get(one, "allOf");
    for (size_t i = 0; i < json_array_size(all); i++) {
        conj_insert(conj, &at, json_array_get(all, i));
    }
    static const char *const either[] = {"anyOf", "oneOf"};
    for (int i = 0; i < 2; i++) {
        json_t *members = json_object_get(one, either[i]);
        if (members == NULL) {
            continue;
        }
        if (i == 1 && !disjoint(schema, one, members)) {
            return false;
        }
        conj_add(choices, members);
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

/* Takes `conj` and `choices`, both freed. */
static bool expand(struct expansion *e, struct conj conj, uint32_t from, struct conj choices,
                   uint32_t choice)
{
    bool good = true;
    for (uint32_t i = from; good && i < conj.count; i++) {
        good = open_one(e->schema, conj.at[i], &conj, i + 1, &choices);
    }
    if (!good || types_of(&conj) == 0) {
        conj_free(&conj);
    } else if (choice == choices.count) {
        if (e->out->count >= SCHEMA_CHOICES_MAX) {
            good = schema_fail(e->schema, conj.count > 0 ? conj.at[0] : NULL, NULL, KERNEL_INVALID,
                               "more than %d alternatives of one value", SCHEMA_CHOICES_MAX);
            conj_free(&conj);
        } else {
            list_add(e->out, conj);
        }
    } else {
        json_t *members = choices.at[choice];
        for (size_t i = 0; good && i < json_array_size(members); i++) {
            struct conj branch = conj_copy(&conj);
            uint32_t next = branch.count;
            conj_add(&branch, json_array_get(members, i));
            good = expand(e, branch, next, conj_copy(&choices), choice + 1);
        }
        conj_free(&conj);
    }
    conj_free(&choices);
    return good;
}

bool schema_expand(struct schema *schema, const struct conj *conj, struct conj_list *out)
{
    struct expansion expansion = {.schema = schema, .out = out};
    return expand(&expansion, conj_copy(conj), 0, (struct conj){0}, 0);
}
