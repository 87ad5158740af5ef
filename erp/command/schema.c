/* schema.c -- see schema.h.  The path to the value in hand is kept as a chain of stack frames and
 * only written out when something is wrong. */
#include "erp/command/schema.h"

#include "erp/domain/date.h"
#include "erp/domain/iban.h"
#include "erp/domain/money.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct place {
    const struct place *parent;
    const char *key; /* NULL: index */
    size_t index;
    int depth;
};

enum { PATH_MAX_TEXT = 160 };

static void path_text(const struct place *place, char *out)
{
    if (place->parent != NULL) {
        path_text(place->parent, out);
        size_t used = strlen(out);
        if (place->key != NULL) {
            snprintf(out + used, PATH_MAX_TEXT - used, "/%.60s", place->key);
        } else {
            snprintf(out + used, PATH_MAX_TEXT - used, "/%zu", place->index);
        }
    } else {
        out[0] = '\0';
    }
}

__attribute__((format(printf, 4, 5))) static enum rv_code
broken(const struct place *place, struct rv_error *err, const char *hint, const char *format, ...)
{
    char path[PATH_MAX_TEXT];
    path_text(place, path);
    char rule[160];
    va_list args;
    va_start(args, format);
    vsnprintf(rule, sizeof rule, format, args);
    va_end(args);
    rv_fail(err, RV_INVALID, "\"%s\" %s", path[0] == '\0' ? "/" : path, rule);
    rv_hint(err, "%s", hint);
    return RV_INVALID;
}

static enum rv_code check(const json_t *schema, json_t *value, const struct place *place,
                          struct rv_error *err);

/* ---- formats: what a string must be beyond its length ---- */

static bool is_period(const char *text)
{
    char day[ERP_DATE_TEXT];
    return strlen(text) == ERP_PERIOD_TEXT - 1 &&
           snprintf(day, sizeof day, "%s-01", text) == ERP_DATE_TEXT - 1 && erp_date_valid(day);
}

static bool is_currency(const char *text)
{
    return erp_currency_digits(text) >= 0;
}

static bool is_decimal(const char *text)
{
    int64_t value = 0;
    return erp_decimal_read(text, "number", &value, NULL) == RV_OK;
}

static bool is_iban(const char *text)
{
    char out[ERP_IBAN_TEXT];
    return erp_iban_normalise(text, out) && strcmp(out, text) == 0;
}

static bool is_hash(const char *text)
{
    struct rv_hash hash;
    return rv_hash_from_hex(text, &hash);
}

static const struct {
    const char *name;
    bool (*holds)(const char *text);
    const char *hint;
} formats[] = {
    {"date", erp_date_valid, "Write dates as YYYY-MM-DD."},
    {"period", is_period, "Write periods as YYYY-MM."},
    {"currency", is_currency, "Use an ISO 4217 code, for example EUR."},
    {"decimal", is_decimal, "Write a decimal as text with at most 6 digits after the point."},
    {"iban", is_iban,
     "Write the IBAN without spaces, in capital letters, with right check digits."},
    {"hash", is_hash, "Give 64 hexadecimal digits."},
};

static enum rv_code check_string(const json_t *schema, const json_t *value,
                                 const struct place *place, struct rv_error *err)
{
    size_t length = json_string_length(value);
    size_t least = (size_t)rv_json_int(schema, "minLength", 0);
    size_t most = (size_t)rv_json_int(schema, "maxLength", ERP_SCHEMA_LENGTH_DEFAULT);
    if (length < least) {
        return broken(place, err, "Give a text.", "is shorter than %zu bytes", least);
    }
    if (length > most) {
        return broken(place, err, "Give a shorter text.", "is longer than %zu bytes", most);
    }
    const json_t *words = json_object_get(schema, "enum");
    if (words != NULL) {
        size_t i;
        json_t *word;
        json_array_foreach((json_t *)(uintptr_t)words, i, word)
        {
            if (json_equal(word, value)) {
                return RV_OK;
            }
        }
        char *list = rv_json_text(words);
        broken(place, err, "Use one of the words the schema lists.",
               "\"%.40s\" is not one of %.100s", json_string_value(value), list);
        rv_free(list);
        return RV_INVALID;
    }
    const char *format = rv_json_str(schema, "format", NULL);
    for (size_t i = 0; format != NULL && i < RV_COUNT(formats); i++) {
        if (strcmp(formats[i].name, format) == 0) {
            return formats[i].holds(json_string_value(value))
                       ? RV_OK
                       : broken(place, err, formats[i].hint, "\"%.40s\" is no %s",
                                json_string_value(value), format);
        }
    }
    RV_ASSERT(format == NULL);
    return RV_OK;
}

static enum rv_code check_integer(const json_t *schema, const json_t *value,
                                  const struct place *place, struct rv_error *err)
{
    int64_t number = json_integer_value(value);
    const json_t *least = json_object_get(schema, "minimum");
    const json_t *most = json_object_get(schema, "maximum");
    if (least != NULL && number < json_integer_value(least)) {
        return broken(place, err, "Give a larger number.", "%" PRId64 " is below %" PRId64, number,
                      (int64_t)json_integer_value(least));
    }
    if (most != NULL && number > json_integer_value(most)) {
        return broken(place, err, "Give a smaller number.", "%" PRId64 " is above %" PRId64, number,
                      (int64_t)json_integer_value(most));
    }
    return RV_OK;
}

static enum rv_code check_array(const json_t *schema, json_t *value, const struct place *place,
                                struct rv_error *err)
{
    size_t count = json_array_size(value);
    size_t least = (size_t)rv_json_int(schema, "minItems", 0);
    const json_t *most = json_object_get(schema, "maxItems");
    RV_ASSERT(most != NULL); /* everything has a limit */
    if (count < least) {
        return broken(place, err, "Give more items.", "has fewer than %zu items", least);
    }
    if (count > (size_t)json_integer_value(most)) {
        return broken(place, err, "Split the command.", "has more than %" PRId64 " items",
                      (int64_t)json_integer_value(most));
    }
    const json_t *items = json_object_get(schema, "items");
    size_t i;
    json_t *item;
    json_array_foreach(value, i, item)
    {
        struct place inner = {.parent = place, .index = i, .depth = place->depth + 1};
        enum rv_code code = check(items, item, &inner, err);
        if (code != RV_OK) {
            return code;
        }
    }
    return RV_OK;
}

/* A null says the same as leaving the key out. */
static void drop_nulls(json_t *value)
{
    const char *key;
    json_t *member;
    void *next;
    json_object_foreach_safe(value, next, key, member)
    {
        if (json_is_null(member)) {
            json_object_del(value, key);
        }
    }
}

static enum rv_code check_object(const json_t *schema, json_t *value, const struct place *place,
                                 struct rv_error *err)
{
    const json_t *properties = json_object_get(schema, "properties");
    RV_ASSERT(json_is_false(json_object_get(schema, "additionalProperties")));
    drop_nulls(value);
    const char *key;
    json_t *member;
    json_object_foreach(value, key, member)
    {
        const json_t *rule = json_object_get(properties, key);
        struct place inner = {.parent = place, .key = key, .depth = place->depth + 1};
        if (rule == NULL) {
            return broken(&inner, err,
                          "Leave it out, or see the command's schema for the right name.",
                          "is not known here");
        }
        enum rv_code code = check(rule, member, &inner, err);
        if (code != RV_OK) {
            return code;
        }
    }
    json_t *rule;
    json_object_foreach((json_t *)(uintptr_t)properties, key, rule)
    {
        const json_t *otherwise = json_object_get(rule, "default");
        if (otherwise != NULL && json_object_get(value, key) == NULL) {
            json_object_set_new(value, key, json_deep_copy(otherwise));
        }
    }
    size_t i;
    json_t *name;
    json_array_foreach(json_object_get(schema, "required"), i, name)
    {
        if (json_object_get(value, json_string_value(name)) == NULL) {
            struct place inner = {.parent = place, .key = json_string_value(name)};
            return broken(&inner, err, "Give it.", "is required");
        }
    }
    return RV_OK;
}

static const struct {
    const char *name;
    json_type type;
    enum rv_code (*check)(const json_t *schema, json_t *value, const struct place *place,
                          struct rv_error *err);
} types[] = {
    {"object", JSON_OBJECT, check_object},
    {"array", JSON_ARRAY, check_array},
};

/* Whatever somebody else's machine wants to hear; fractions as text, as everywhere. */
static enum rv_code check_data(const json_t *value, const struct place *place, struct rv_error *err)
{
    struct rv_buf text;
    rv_buf_init(&text, ERP_SCHEMA_DATA_MAX);
    enum rv_code code = rv_json_canonical(value, &text, NULL);
    rv_buf_fini(&text);
    return code == RV_OK
               ? RV_OK
               : broken(place, err, "Fractions are texts; large things are files.",
                        "has a fraction in it, or more than %d bytes", ERP_SCHEMA_DATA_MAX);
}

static enum rv_code wrong_type(const char *type, const struct place *place, struct rv_error *err)
{
    return broken(place, err, "Amounts are integers in minor units, quantities are decimal texts.",
                  "is not of type %s", type);
}

static enum rv_code check(const json_t *schema, json_t *value, const struct place *place,
                          struct rv_error *err)
{
    if (place->depth > ERP_SCHEMA_DEPTH_MAX) {
        return broken(place, err, "Flatten it.", "is nested too deeply");
    }
    const char *type = rv_json_str(schema, "type", "");
    for (size_t i = 0; i < RV_COUNT(types); i++) {
        if (strcmp(type, types[i].name) == 0) {
            return json_typeof(value) == types[i].type ? types[i].check(schema, value, place, err)
                                                       : wrong_type(type, place, err);
        }
    }
    if (strcmp(type, "string") == 0) {
        return json_is_string(value) ? check_string(schema, value, place, err)
                                     : wrong_type(type, place, err);
    }
    if (strcmp(type, "integer") == 0) {
        return json_is_integer(value) ? check_integer(schema, value, place, err)
                                      : wrong_type(type, place, err);
    }
    if (strcmp(type, "data") == 0) {
        return check_data(value, place, err);
    }
    RV_ASSERT(strcmp(type, "boolean") == 0);
    return json_is_boolean(value) ? RV_OK : wrong_type(type, place, err);
}

enum rv_code erp_schema_check(const json_t *schema, json_t *value, struct rv_error *err)
{
    struct place root = {.parent = NULL};
    return check(schema, value, &root, err);
}
