/* schema_build.c -- a conjunction becomes a rule, a text becomes a grammar. */
#include "kernels/serve/schema.h"

#include "kernels/base/fail.h"
#include "kernels/serve/spell.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RULE_WORK = 40, LITERAL_WORK = 12, ITEM_WORK = 15 }; /* steps: a rule, a byte, an item */

/* ---- rules by conjunction ---- */

static uint64_t hash_of(const struct conj *conj)
{
    uint64_t hash = 1469598103934665603u;
    for (uint32_t i = 0; i < conj->count; i++) {
        hash = (hash ^ (uint64_t)(uintptr_t)conj->at[i]) * 1099511628211u;
        hash ^= hash >> 29;
    }
    return hash;
}

static void more_slots(struct schema *schema)
{
    schema->slots = schema->slots == 0 ? 256 : schema->slots * 2;
    free(schema->slot);
    schema->slot = kernel_allocate(schema->slots, sizeof *schema->slot);
    for (uint32_t i = 0; i < schema->grammar->count; i++) {
        uint32_t at = (uint32_t)(hash_of(&schema->conj_of[i]) % schema->slots);
        while (schema->slot[at] != 0) {
            at = (at + 1) % schema->slots;
        }
        schema->slot[at] = i + 1;
    }
}

uint32_t schema_rule(struct schema *schema, const struct conj *conj)
{
    struct kernel_grammar *grammar = schema->grammar;
    if (grammar->count * 2 >= schema->slots) {
        more_slots(schema);
    }
    if (!schema_work(schema, conj->count > 0 ? conj->at[0] : NULL, NULL, RULE_WORK + conj->count)) {
        return RULE_NONE;
    }
    uint32_t at = (uint32_t)(hash_of(conj) % schema->slots);
    for (; schema->slot[at] != 0; at = (at + 1) % schema->slots) {
        const struct conj *other = &schema->conj_of[schema->slot[at] - 1];
        if (other->count == conj->count &&
            (conj->count == 0 ||
             memcmp(other->at, conj->at, conj->count * sizeof(json_t *)) == 0)) {
            return schema->slot[at] - 1;
        }
    }
    if (grammar->count >= GRAMMAR_RULES_MAX) {
        schema_fail(schema, NULL, NULL, KERNEL_INVALID, "more than %d different values",
                    GRAMMAR_RULES_MAX);
        return RULE_NONE;
    }
    if (grammar->count == grammar->room) {
        grammar->room = grammar->room == 0 ? 32 : grammar->room * 2;
        grammar->rules = kernel_resize(grammar->rules, grammar->room, sizeof *grammar->rules);
        schema->conj_of = kernel_resize(schema->conj_of, grammar->room, sizeof *schema->conj_of);
    }
    grammar->rules[grammar->count] = (struct rule){0};
    schema->conj_of[grammar->count] = conj_copy(conj);
    schema->slot[at] = grammar->count + 1;
    return grammar->count++;
}

/* ---- alternatives ---- */

struct builder {
    struct schema *schema;
    struct alt *alts;
    uint32_t count;
    struct machine_literals literals; /* of all alternatives together */
    bool has_literals;
    bool seen_any[4]; /* numbers and strings without bounds, once */
};

static void add_alt(struct builder *b, struct alt alt)
{
    b->alts = kernel_resize(b->alts, b->count + 1, sizeof *b->alts);
    b->alts[b->count++] = alt;
}

static void add_literal(struct builder *b, const char *text, size_t length)
{
    if (!work_take(&b->schema->work, LITERAL_WORK * (1 + (uint64_t)length))) {
        return;
    }
    if (!b->has_literals) {
        machine_literals_start(&b->literals);
        b->has_literals = true;
    }
    machine_literals_add(&b->literals, (struct kernel_text){text, length}, 1);
}

/* Integers without a point, however the schema writes them. */
static void add_number_literal(struct builder *b, const json_t *value)
{
    char text[NUMBER_DIGITS_MAX + 16];
    struct number number = schema_number(value);
    if (number.whole > 18 && json_is_real(value)) { /* beyond 64 bits: with an exponent */
        for (int precision = 1; precision <= 17; precision++) {
            snprintf(text, sizeof text, "%.*g", precision, json_real_value(value));
            if (strtod(text, NULL) == json_real_value(value)) {
                break;
            }
        }
        add_literal(b, text, strlen(text));
        return;
    }
    size_t length = number_write(&number, text, sizeof text);
    add_literal(b, text, length);
}

/* {"a":1} as a schema that only it satisfies, one level deep: the rest follows by itself. */
static json_t *schema_of_value(struct schema *schema, json_t *value)
{
    json_t *out = NULL;
    if (json_is_object(value)) {
        json_t *properties = json_object();
        json_t *required = json_array();
        const char *key = NULL;
        json_t *one = NULL;
        json_object_foreach(value, key, one)
        {
            json_object_set_new(properties, key, json_pack("{s:O}", "const", one));
            json_array_append_new(required, json_string(key));
        }
        out = json_pack("{s:s,s:o,s:o,s:b}", "type", "object", "properties", properties, "required",
                        required, "additionalProperties", 0);
    } else {
        json_t *items = json_array();
        for (size_t i = 0; i < json_array_size(value); i++) {
            json_array_append_new(items, json_pack("{s:O}", "const", json_array_get(value, i)));
        }
        int count = (int)json_array_size(value);
        out = json_pack("{s:s,s:o,s:i,s:i}", "type", "array", "prefixItems", items, "minItems",
                        count, "maxItems", count);
    }
    KERNEL_ASSERT(out != NULL);
    json_array_append_new(schema->made, out);
    return out;
}

static void add_array(struct builder *b, const struct conj *plain, const struct merged *merged)
{
    struct alt alt = {.kind = ALT_ARRAY, .least = merged->items_least, .most = merged->items_most};
    uint32_t prefix = schema_prefix(plain);
    if (!schema_work(b->schema, plain->count > 0 ? plain->at[0] : NULL, "prefixItems",
                     (1 + (uint64_t)prefix) * (1 + plain->count) * ITEM_WORK)) {
        return;
    }
    alt.prefix = kernel_allocate(prefix, sizeof *alt.prefix);
    alt.rest = RULE_NONE;
    for (uint32_t i = 0; i <= prefix; i++) {
        struct conj item = {0};
        schema_item(plain, i, &item);
        if (conj_never(&item)) { /* nothing from here on */
            alt.most = alt.most > i ? i : alt.most;
        } else if (i < prefix) {
            alt.prefix[alt.prefix_count++] = schema_rule(b->schema, &item);
        } else {
            alt.rest = schema_rule(b->schema, &item);
        }
        bool never = conj_never(&item);
        conj_free(&item);
        if (never) {
            break;
        }
    }
    add_alt(b, alt);
    b->alts[b->count - 1].bytes = 2;
}

static bool add_object(struct builder *b, const struct conj *plain, const struct merged *merged)
{
    struct alt alt = {0};
    bool possible = false;
    bool good = schema_object(b->schema, plain, merged, &alt, &possible);
    if (!possible) {
        alt.least = 1;
        alt.most = 0; /* settled away */
    }
    add_alt(b, alt);
    return good;
}

static bool add_listed(struct builder *b, const struct conj *plain, const struct merged *merged)
{
    bool good = true;
    for (uint32_t i = 0; good && i < merged->value_count; i++) {
        json_t *value = merged->values[i];
        if (json_is_null(value)) {
            add_literal(b, "null", 4);
        } else if (json_is_boolean(value)) {
            add_literal(b, json_is_true(value) ? "true" : "false", json_is_true(value) ? 4 : 5);
        } else if (json_is_number(value)) {
            add_number_literal(b, value);
        } else if (json_is_string(value)) {
            struct spell_bytes bytes = {0};
            spell_add_quoted(
                &bytes, (struct kernel_text){json_string_value(value), json_string_length(value)});
            add_literal(b, bytes.at, bytes.length);
            free(bytes.at);
        } else {
            struct conj same = conj_copy(plain);
            conj_add(&same, schema_of_value(b->schema, value));
            struct merged one;
            good = schema_merge(b->schema, &same, &one);
            if (good && json_is_array(value)) {
                add_array(b, &same, &one);
            } else if (good) {
                good = add_object(b, &same, &one);
            }
            merged_free(&one);
            conj_free(&same);
        }
    }
    return good;
}

/* No machine: nothing satisfies it, or only what answers do not write, which is said by name. */
static bool number_missing(struct schema *schema, const struct conj *plain,
                           const struct number_rule *rule)
{
    static const char *const keywords[] = {"minimum", "exclusiveMinimum", "maximum",
                                           "exclusiveMaximum", "multipleOf"};
    if (number_empty(rule) || number_written(rule)) {
        return true;
    }
    for (uint32_t i = 0; i < plain->count; i++) {
        for (size_t k = 0; k < sizeof keywords / sizeof keywords[0]; k++) {
            if (json_object_get(plain->at[i], keywords[k]) != NULL) {
                return schema_fail(schema, plain->at[i], keywords[k], KERNEL_UNSUPPORTED,
                                   "only numbers satisfy it that are not written here: beyond 64 "
                                   "bits, or with more digits than a double tells apart");
            }
        }
    }
    return true;
}

static bool add_number(struct builder *b, const struct conj *plain, const struct merged *merged)
{
    const struct number_rule *rule = &merged->number;
    const struct kernel_trie *trie = b->schema->grammar->trie;
    const struct machine *machine = rule->whole ? trie->integer : trie->number;
    if (rule->has_low || rule->has_high || rule->step != 0) {
        bool large = false;
        struct machine *made = number_machine(rule, &b->schema->work, &large);
        if (large) {
            return schema_fail(b->schema, plain->count > 0 ? plain->at[0] : NULL, "multipleOf",
                               KERNEL_UNSUPPORTED, "too large a step to be counted with");
        }
        if (made == NULL) {
            return number_missing(b->schema, plain, rule);
        }
        grammar_keep(b->schema->grammar, made);
        machine = made;
    } else if (b->seen_any[rule->whole]) {
        return true;
    } else {
        b->seen_any[rule->whole] = true;
    }
    add_alt(b, (struct alt){.kind = ALT_SCALAR,
                            .machine = machine,
                            .bytes = machine->shortest[MACHINE_START]});
    return true;
}

static bool add_types(struct builder *b, const struct conj *plain, const struct merged *merged)
{
    bool good = true;
    if (merged->types & TYPE_NULL) {
        add_literal(b, "null", 4);
    }
    if (merged->types & TYPE_BOOLEAN) {
        add_literal(b, "true", 4);
        add_literal(b, "false", 5);
    }
    if (merged->types & TYPE_NUMBER) {
        good = add_number(b, plain, merged);
    }
    if (good && (merged->types & TYPE_STRING)) {
        struct alt alt;
        bool possible = false;
        good = schema_string(b->schema, merged, &alt, &possible);
        if (good && possible) {
            add_alt(b, alt);
        }
    }
    if (good && (merged->types & TYPE_ARRAY)) {
        add_array(b, plain, merged);
    }
    if (good && (merged->types & TYPE_OBJECT)) {
        good = add_object(b, plain, merged);
    }
    return good;
}

static bool build_rule(struct schema *schema, uint32_t number)
{
    struct conj_list list = {0};
    struct builder b = {.schema = schema};
    struct conj conj = conj_copy(&schema->conj_of[number]);
    json_t *where = conj.count > 0 ? conj.at[0] : NULL;
    bool good = schema_expand(schema, &conj, &list);
    for (uint32_t i = 0; good && i < list.count; i++) {
        struct merged merged;
        good = schema_merge(schema, &list.at[i], &merged);
        if (good) {
            good = merged.listed ? add_listed(&b, &list.at[i], &merged)
                                 : add_types(&b, &list.at[i], &merged);
        }
        merged_free(&merged);
        good = good && schema_work(schema, where, NULL, RULE_WORK) && schema->status == KERNEL_OK;
    }
    if (b.has_literals) {
        bool large = false;
        struct machine *machine = machine_literals_finish(&b.literals, &large);
        if (machine != NULL) {
            grammar_keep(schema->grammar, machine);
            add_alt(&b, (struct alt){.kind = ALT_SCALAR,
                                     .machine = machine,
                                     .bytes = machine->shortest[MACHINE_START]});
        } else {
            good = schema_fail(schema, where, "enum", KERNEL_INVALID, "too many characters");
        }
    }
    schema->grammar->rules[number].alts = b.alts;
    schema->grammar->rules[number].count = b.count;
    conj_list_free(&list);
    conj_free(&conj);
    if (good && schema->grammar->bytes > KERNEL_GRAMMAR_BYTES_MAX) {
        good = schema_fail(schema, NULL, NULL, KERNEL_INVALID, "its automata need more than %d MiB",
                           KERNEL_GRAMMAR_BYTES_MAX >> 20);
    }
    return good;
}

/* ---- the text ---- */

static enum kernel_status measure(struct kernel_text text, struct kernel_error *error)
{
    uint32_t depth = 0;
    bool quoted = false;
    if (text.length > KERNEL_SCHEMA_BYTES_MAX) {
        return kernel_fail(error, KERNEL_INVALID, "a schema of %zu bytes, at most %d", text.length,
                           KERNEL_SCHEMA_BYTES_MAX);
    }
    for (size_t i = 0; i < text.length; i++) {
        char c = text.bytes[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            if (++depth > KERNEL_SCHEMA_DEPTH_MAX) {
                return kernel_fail(error, KERNEL_INVALID, "a schema nested deeper than %d",
                                   KERNEL_SCHEMA_DEPTH_MAX);
            }
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return KERNEL_OK;
}

static void schema_free(struct schema *schema)
{
    for (uint32_t i = 0; i < schema->grammar->count; i++) {
        conj_free(&schema->conj_of[i]);
    }
    for (uint32_t i = 0; i < schema->pattern_count; i++) {
        chars_destroy(schema->patterns[i].chars);
    }
    free(schema->patterns);
    free(schema->memos);
    free(schema->conj_of);
    free(schema->slot);
    json_decref(schema->made);
    json_decref(schema->memo_of);
    schema_marks_free(schema);
    json_decref(schema->root);
}

static enum kernel_status compile(const struct kernel_trie *trie, json_t *root, uint64_t work,
                                  struct kernel_grammar **out, bool *spent,
                                  struct kernel_error *error)
{
    struct kernel_grammar *grammar = kernel_allocate(1, sizeof *grammar);
    grammar->trie = trie;
    pthread_mutex_init(&grammar->lock, NULL);
    struct schema schema = {.root = root,
                            .made = json_array(),
                            .memo_of = json_object(),
                            .work = {.left = work},
                            .grammar = grammar,
                            .error = error};
    struct conj whole = {0};
    conj_add(&whole, root);
    schema_mark_renamed(&schema);
    bool large = false;
    bool good = true;
    if (!json_is_boolean(root) && !json_is_object(root)) {
        good =
            schema_fail(&schema, NULL, NULL, KERNEL_INVALID, "a schema is an object or a boolean");
    } else if (conj_never(&whole)) {
        good = schema_fail(&schema, NULL, NULL, KERNEL_INVALID, "nothing satisfies it");
    } else {
        schema_rule(&schema, &whole);
    }
    for (uint32_t i = 0; good && i < grammar->count; i++) {
        good = build_rule(&schema, i);
    }
    if (good && !grammar_settle(grammar, &schema.work, &large)) {
        uint32_t height = grammar->count > 0 ? grammar->rules[0].height : 0;
        if (large || schema.work.spent) {
            schema_fail(&schema, NULL, NULL, KERNEL_INVALID, "its automata are too large");
        } else if (height != UINT32_MAX) {
            schema_fail(&schema, NULL, NULL, KERNEL_INVALID,
                        "nothing satisfies it that is nested %d deep at most",
                        KERNEL_ANSWER_DEPTH_MAX);
        } else {
            schema_unsatisfied(&schema);
        }
    }
    *spent = schema.work.spent || schema.starved;
    conj_free(&whole);
    schema_free(&schema);
    if (schema.status != KERNEL_OK) {
        kernel_grammar_destroy(grammar);
        return schema.status;
    }
    *out = grammar;
    return KERNEL_OK;
}

enum kernel_status kernel_grammar_compile_within(const struct kernel_trie *trie,
                                                 struct kernel_text schema, uint64_t work,
                                                 struct kernel_grammar **out, bool *spent,
                                                 struct kernel_error *error)
{
    *out = NULL;
    *spent = false;
    enum kernel_status status = measure(schema, error);
    if (status != KERNEL_OK) {
        return status;
    }
    json_error_t where;
    json_t *root = json_loadb(schema.bytes, schema.length,
                              JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &where);
    if (root == NULL) {
        return kernel_fail(error, KERNEL_INVALID, "the schema is no JSON: %s (byte %d)", where.text,
                           where.position);
    }
    return compile(trie, root, work > 0 ? work : WORK_MAX, out, spent, error);
}

enum kernel_status kernel_grammar_compile(const struct kernel_trie *trie, struct kernel_text schema,
                                          struct kernel_grammar **out, struct kernel_error *error)
{
    bool spent = false;
    return kernel_grammar_compile_within(trie, schema, 0, out, &spent, error);
}

enum kernel_status kernel_grammar_any(const struct kernel_trie *trie, bool object,
                                      struct kernel_grammar **out, struct kernel_error *error)
{
    *out = NULL;
    bool spent = false;
    return compile(trie, object ? json_pack("{s:s}", "type", "object") : json_object(), WORK_MAX,
                   out, &spent, error);
}
