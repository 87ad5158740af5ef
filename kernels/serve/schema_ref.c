/* schema_ref.c -- $ref: a JSON pointer (RFC 6901) into the same document, to a subschema.
 *
 * It must lead to a place where a schema stands.  What is below a keyword that holds none ("enum",
 * "required", "default") is a value, whatever it looks like; below a keyword that nobody knows
 * ("components") an object counts that has a keyword of a schema.
 */
#include "kernels/serve/schema.h"

#include <stdlib.h>
#include <string.h>

/* ---- a step of a pointer ---- */

static int hex_value(char c)
{
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

/* "%20" read; false: no room, or U+0000, which no name has. */
static bool read_percent(const char **at, char *out, size_t room)
{
    const char *from = *at;
    size_t length = 0;
    while (*from != '\0' && *from != '/') {
        bool coded = *from == '%' && hex_value(from[1]) >= 0 && hex_value(from[2]) >= 0;
        char c = coded ? (char)(hex_value(from[1]) << 4 | hex_value(from[2])) : *from;
        if (c == '\0' || length + 1 == room) {
            return false;
        }
        out[length++] = c;
        from += coded ? 3 : 1;
    }
    out[length] = '\0';
    *at = from;
    return true;
}

/* "~0" and "~1" read in place (RFC 6901); false: another "~". */
static bool read_tildes(char *text)
{
    size_t kept = 0;
    for (size_t i = 0; text[i] != '\0'; i++) {
        if (text[i] == '~' && text[i + 1] != '0' && text[i + 1] != '1') {
            return false;
        }
        bool tilde = text[i] == '~';
        text[kept++] = (char)(!tilde ? text[i] : text[i + 1] == '0' ? '~' : '/');
        i += tilde;
    }
    text[kept] = '\0';
    return true;
}

/* "0" or digits without a zero in front (RFC 6901); NULL: no such item. */
static json_t *item_at(const json_t *list, const char *step)
{
    size_t digits = strspn(step, "0123456789");
    if (digits == 0 || digits > 9 || step[digits] != '\0' || (step[0] == '0' && digits > 1)) {
        return NULL;
    }
    return json_array_get(list, strtoul(step, NULL, 10));
}

/* ---- where schemas stand ---- */

enum place {
    PLACE_SCHEMA, /* a schema */
    PLACE_GROUP,  /* an object or a list of schemas: its members are */
    PLACE_EITHER, /* "items": a schema, or a list of schemas */
    PLACE_OTHER,  /* below a keyword that nobody knows */
    PLACE_VALUE   /* a value */
};
struct keyword {
    const char *name;
    enum place below;
};
static const struct keyword keywords[] = {
    {"properties", PLACE_GROUP},
    {"patternProperties", PLACE_GROUP},
    {"$defs", PLACE_GROUP},
    {"definitions", PLACE_GROUP},
    {"dependentSchemas", PLACE_GROUP},
    {"dependencies", PLACE_GROUP},
    {"allOf", PLACE_GROUP},
    {"anyOf", PLACE_GROUP},
    {"oneOf", PLACE_GROUP},
    {"prefixItems", PLACE_GROUP},
    {"items", PLACE_EITHER},
    {"additionalItems", PLACE_SCHEMA},
    {"additionalProperties", PLACE_SCHEMA},
    {"propertyNames", PLACE_SCHEMA},
    {"contains", PLACE_SCHEMA},
    {"not", PLACE_SCHEMA},
    {"if", PLACE_SCHEMA},
    {"then", PLACE_SCHEMA},
    {"else", PLACE_SCHEMA},
    {"unevaluatedItems", PLACE_SCHEMA},
    {"unevaluatedProperties", PLACE_SCHEMA},
    {"contentSchema", PLACE_SCHEMA},
    {"type", PLACE_VALUE},
    {"enum", PLACE_VALUE},
    {"const", PLACE_VALUE},
    {"required", PLACE_VALUE},
    {"dependentRequired", PLACE_VALUE},
    {"default", PLACE_VALUE},
    {"examples", PLACE_VALUE},
    {"$ref", PLACE_VALUE},
    {"$id", PLACE_VALUE},
    {"title", PLACE_VALUE},
    {"description", PLACE_VALUE},
    {"format", PLACE_VALUE},
    {"pattern", PLACE_VALUE},
    {"minimum", PLACE_VALUE},
    {"maximum", PLACE_VALUE},
    {"exclusiveMinimum", PLACE_VALUE},
    {"exclusiveMaximum", PLACE_VALUE},
    {"multipleOf", PLACE_VALUE},
    {"minLength", PLACE_VALUE},
    {"maxLength", PLACE_VALUE},
    {"minItems", PLACE_VALUE},
    {"maxItems", PLACE_VALUE},
    {"minProperties", PLACE_VALUE},
    {"maxProperties", PLACE_VALUE},
    {"uniqueItems", PLACE_VALUE},
    {"$comment", PLACE_VALUE},
    {"$schema", PLACE_VALUE},
};

static const struct keyword *keyword_named(const char *name)
{
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        if (strcmp(keywords[i].name, name) == 0) {
            return &keywords[i];
        }
    }
    return NULL;
}

static enum place place_below(enum place place, const json_t *at, const char *step)
{
    const struct keyword *keyword = keyword_named(step);
    switch (place) {
    case PLACE_EITHER:
    case PLACE_SCHEMA:
        return json_is_array(at) ? PLACE_SCHEMA : keyword != NULL ? keyword->below : PLACE_OTHER;
    case PLACE_GROUP: return PLACE_SCHEMA;
    case PLACE_OTHER: /* a keyword may begin a schema that nobody announced */
        return keyword != NULL && keyword->below != PLACE_VALUE && json_is_object(at)
                   ? keyword->below
                   : PLACE_OTHER;
    case PLACE_VALUE: break;
    }
    return PLACE_VALUE;
}

static bool stands_here(enum place place, json_t *what)
{
    if (json_is_boolean(what)) {
        return place == PLACE_SCHEMA || place == PLACE_EITHER;
    }
    if (!json_is_object(what) || place == PLACE_GROUP || place == PLACE_VALUE) {
        return false;
    }
    bool found = place != PLACE_OTHER || json_object_size(what) == 0;
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(what, name, value)
    {
        found = found || keyword_named(name) != NULL;
    }
    return found;
}

/* ---- names of its own ---- */

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

static void mark_renamed(struct schema *schema, json_t *from, bool inside)
{
    inside = inside || renames(schema, from);
    if (inside) {
        schema_mark(schema, from, MARK_RENAMED);
    }
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(from, key, value)
    {
        mark_renamed(schema, value, inside);
    }
    for (size_t i = 0; json_is_array(from) && i < json_array_size(from); i++) {
        mark_renamed(schema, json_array_get(from, i), inside);
    }
}

void schema_mark_renamed(struct schema *schema)
{
    mark_renamed(schema, schema->root, false);
}

/* ---- the whole ---- */

/* Behind "#", in this document; NULL: failed. */
static const char *pointer_of(struct schema *schema, json_t *one)
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
    if (schema_marked(schema, one, MARK_RENAMED)) {
        schema_fail(schema, one, "$ref", KERNEL_UNSUPPORTED,
                    "a reference below an $id of its own is not supported");
        return NULL;
    }
    return ref;
}

json_t *schema_resolve(struct schema *schema, json_t *one)
{
    size_t length = json_string_length(json_object_get(one, "$ref"));
    const char *ref =
        schema_work(schema, one, "$ref", 40 + 4 * length) ? pointer_of(schema, one) : NULL;
    if (ref == NULL) {
        return NULL;
    }
    json_t *at =
        length == strlen(json_string_value(json_object_get(one, "$ref"))) ? schema->root : NULL;
    enum place place = PLACE_SCHEMA;
    while (*ref == '/' && at != NULL) {
        char step[512];
        ref++;
        bool good = read_percent(&ref, step, sizeof step) && read_tildes(step);
        place = good ? place_below(place, at, step) : place;
        at = !good                ? NULL
             : json_is_array(at)  ? item_at(at, step)
             : json_is_object(at) ? json_object_get(at, step)
                                  : NULL;
        if (at != NULL && renames(schema, at)) {
            schema_fail(schema, one, "$ref", KERNEL_UNSUPPORTED,
                        "it leads below an $id of its own, which is not supported");
            return NULL;
        }
    }
    if (at == NULL) {
        schema_fail(schema, one, "$ref", KERNEL_INVALID, "it leads nowhere");
        return NULL;
    }
    if (!stands_here(place, at)) {
        schema_fail(schema, one, "$ref", KERNEL_INVALID, "it leads to something that is no schema");
        return NULL;
    }
    return at;
}
