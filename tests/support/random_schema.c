/* random_schema.c -- see random_schema.h. */
#include "tests/support/random_schema.h"

#include "tests/support/words.h"

#include <stdio.h>
#include <string.h>

struct chance {
    uint64_t state;
};

static uint32_t pick(struct chance *c, uint32_t below)
{
    return (uint32_t)(words_random(&c->state) % below);
}

static bool one_in(struct chance *c, uint32_t n)
{
    return pick(c, n) == 0;
}

static const char *const keys[] = {"a",   "b", "foo",   "bar",   "x\"y", "d\xc3\xa9j\xc3\xa0",
                                   "S_1", "",  "n/a~b", "tab\t", "fo",   "foobar"};
static const char *key(struct chance *c)
{
    return keys[pick(c, sizeof keys / sizeof keys[0])];
}

static json_t *value(struct chance *c, int depth)
{
    static const char *const texts[] = {
        "a", "bar", "", "\"\\\n", "\xc3\xa9\xe2\x82\xac", "\xf0\x9f\x98\x80", "ab12", "null"};
    static const double reals[] = {0.5, -1.25, 2.0, 1e3, 0.1};
    switch (pick(c, depth > 0 ? 7 : 5)) {
    case 0: return json_null();
    case 1: return json_boolean(pick(c, 2));
    case 2: return json_integer((int)pick(c, 200) - 100);
    case 3: return json_real(reals[pick(c, 5)]);
    case 4: return json_string(texts[pick(c, 8)]);
    case 5: {
        json_t *list = json_array();
        for (uint32_t i = pick(c, 3); i > 0; i--) {
            json_array_append_new(list, value(c, depth - 1));
        }
        return list;
    }
    default: {
        json_t *object = json_object();
        for (uint32_t i = pick(c, 3); i > 0; i--) {
            json_object_set_new(object, key(c), value(c, depth - 1));
        }
        return object;
    }
    }
}

static json_t *schema(struct chance *c, int depth);

static void string_keywords(struct chance *c, json_t *out)
{
    static const char *const patterns[] = {"^[a-z]+$",
                                           "b",
                                           "^(a|bc)*$",
                                           "^.{2,5}$",
                                           "^[^a]",
                                           "x$",
                                           "^\\\\\"?$",
                                           "^\xc3\xa9+$",
                                           "^[0-9]{3}-[0-9]{2}$",
                                           "^a|b$",
                                           "(foo|bar){1,2}",
                                           "^[\\u0080-\\uffff]{1,3}$",
                                           "^a?$"};
    static const char *const formats[] = {"date",  "date-time", "time",     "uuid", "ipv4",
                                          "email", "uri",       "hostname", "ipv6"};
    if (one_in(c, 3)) {
        json_object_set_new(out, "minLength", json_integer(pick(c, 5)));
    }
    if (one_in(c, 3)) {
        json_object_set_new(out, "maxLength", json_integer(2 + pick(c, 12)));
    }
    if (one_in(c, 3)) {
        json_object_set_new(out, "pattern", json_string(patterns[pick(c, 13)]));
    } else if (one_in(c, 4)) {
        json_object_set_new(out, "format", json_string(formats[pick(c, 9)]));
    }
}

static void number_keywords(struct chance *c, json_t *out, bool whole)
{
    if (one_in(c, 2)) {
        json_object_set_new(out, one_in(c, 3) ? "exclusiveMinimum" : "minimum",
                            whole ? json_integer((int)pick(c, 300) - 200)
                                  : json_real(((int)pick(c, 300) - 200) / 8.0));
    }
    if (one_in(c, 2)) {
        json_object_set_new(out, one_in(c, 3) ? "exclusiveMaximum" : "maximum",
                            whole ? json_integer((int)pick(c, 300) - 100)
                                  : json_real(((int)pick(c, 300) - 100) / 8.0));
    }
    if (one_in(c, 4)) {
        json_object_set_new(out, "multipleOf", json_integer(1 + pick(c, 13)));
    }
}

static void array_keywords(struct chance *c, json_t *out, int depth)
{
    if (one_in(c, 3)) {
        json_t *prefix = json_array();
        for (uint32_t i = 1 + pick(c, 3); i > 0; i--) {
            json_array_append_new(prefix, schema(c, depth - 1));
        }
        json_object_set_new(out, "prefixItems", prefix);
    }
    if (!one_in(c, 4)) {
        json_object_set_new(out, "items", one_in(c, 6) ? json_false() : schema(c, depth - 1));
    }
    if (one_in(c, 3)) {
        json_object_set_new(out, "minItems", json_integer(pick(c, 4)));
    }
    if (one_in(c, 2)) {
        json_object_set_new(out, "maxItems", json_integer(1 + pick(c, 4)));
    }
}

static void object_keywords(struct chance *c, json_t *out, int depth)
{
    static const char *const patterns[] = {"^f", "a", "^S_[0-9]$", "^[a-c]$", ".{3}"};
    json_t *properties = json_object();
    json_t *required = json_array();
    for (uint32_t i = pick(c, 5); i > 0; i--) {
        const char *name = key(c);
        if (json_object_get(properties, name) == NULL) {
            json_object_set_new(properties, name,
                                one_in(c, 12) ? json_false() : schema(c, depth - 1));
            if (one_in(c, 2)) {
                json_array_append_new(required, json_string(name));
            }
        }
    }
    json_object_set_new(out, "properties", properties);
    json_object_set_new(out, "required", required);
    if (one_in(c, 3)) {
        json_t *by_pattern = json_object();
        for (uint32_t i = 1 + pick(c, 2); i > 0; i--) {
            json_object_set_new(by_pattern, patterns[pick(c, 5)], schema(c, depth - 1));
        }
        json_object_set_new(out, "patternProperties", by_pattern);
    }
    if (!one_in(c, 4)) {
        json_object_set_new(out, "additionalProperties",
                            one_in(c, 2) ? json_false() : schema(c, depth - 1));
    }
    if (one_in(c, 5)) {
        json_object_set_new(out, "minProperties", json_integer(pick(c, 4)));
    }
    if (one_in(c, 5)) {
        json_object_set_new(out, "maxProperties", json_integer(1 + pick(c, 4)));
    }
    if (one_in(c, 10)) {
        json_object_set_new(out, "propertyNames", json_pack("{s:s}", "pattern", "^[a-z]*$"));
    }
}

static json_t *list_of(struct chance *c, int depth)
{
    json_t *list = json_array();
    for (uint32_t i = 1 + pick(c, 3); i > 0; i--) {
        json_array_append_new(list, schema(c, depth - 1));
    }
    return list;
}

static json_t *schema(struct chance *c, int depth)
{
    static const char *const types[] = {"null",   "boolean", "integer", "number",
                                        "string", "array",   "object"};
    json_t *out = json_object();
    if (one_in(c, 12)) {
        json_object_set_new(out, "$ref", json_string(one_in(c, 2) ? "#/$defs/a" : "#/$defs/b"));
        return out;
    }
    if (depth > 0 && one_in(c, 6)) {
        static const char *const lists[] = {"anyOf", "anyOf", "allOf", "oneOf"};
        json_object_set_new(out, lists[pick(c, 4)], list_of(c, depth));
        if (one_in(c, 2)) {
            return out;
        }
    }
    if (one_in(c, 8)) {
        json_t *list = json_array();
        for (uint32_t i = 1 + pick(c, 4); i > 0; i--) {
            json_array_append_new(list, value(c, 2));
        }
        json_object_set_new(out, "enum", list);
        return out;
    }
    if (one_in(c, 16)) {
        json_object_set_new(out, "const", value(c, 2));
        return out;
    }
    uint32_t kind = depth > 0 ? 2 + pick(c, 5) : pick(c, 5);
    if (one_in(c, 10)) {
        json_object_set_new(out, "type",
                            json_pack("[s,s]", types[kind], types[(kind + 1 + pick(c, 5)) % 7]));
    } else if (!one_in(c, 15)) {
        json_object_set_new(out, "type", json_string(types[kind]));
    }
    if (kind == 2 || kind == 3) {
        number_keywords(c, out, kind == 2);
    } else if (kind == 4) {
        string_keywords(c, out);
    } else if (kind == 5) {
        array_keywords(c, out, depth);
    } else if (kind == 6) {
        object_keywords(c, out, depth);
    }
    return out;
}

json_t *random_schema(uint64_t seed)
{
    struct chance c = {seed * 0x9e3779b97f4a7c15u + 1};
    for (int i = 0; i < 4; i++) {
        words_random(&c.state);
    }
    json_t *root = schema(&c, 3);
    json_t *defs = json_object();
    json_object_set_new(defs, "a", schema(&c, 2));
    json_object_set_new(defs, "b", schema(&c, 2));
    json_object_set_new(root, "$defs", defs);
    return root;
}
