/* schema_string.c -- strings: pattern, format and least length become one automaton; the most is
 * counted while the answer is written. */
#include "kernels/serve/schema.h"

#include "kernels/base/fail.h"
#include "kernels/serve/regex.h"
#include "kernels/serve/spell.h"

#include <stdlib.h>
#include <string.h>

bool schema_pattern(struct schema *schema, json_t *where, const char *keyword, const char *pattern,
                    size_t length, struct chars **out)
{
    struct kernel_error error = {0};
    enum kernel_status status =
        regex_chars((struct kernel_text){pattern, length}, &schema->work, out, &error);
    if (status != KERNEL_OK) {
        return schema_fail(schema, where, keyword, status, "%s", error.message);
    }
    return true;
}

const struct chars *schema_pattern_kept(struct schema *schema, json_t *where, const char *keyword,
                                        const char *pattern)
{
    for (uint32_t i = 0; i < schema->pattern_count; i++) {
        if (strcmp(schema->patterns[i].text, pattern) == 0) {
            return schema->patterns[i].chars;
        }
    }
    struct chars *chars = NULL;
    if (!schema_pattern(schema, where, keyword, pattern, strlen(pattern), &chars)) {
        return NULL;
    }
    schema->patterns =
        kernel_resize(schema->patterns, schema->pattern_count + 1, sizeof *schema->patterns);
    schema->patterns[schema->pattern_count].text = pattern;
    schema->patterns[schema->pattern_count++].chars = chars;
    return chars;
}

bool schema_chars(struct schema *schema, const struct merged *merged, bool relaxed,
                  struct chars **out)
{
    struct chars *parts[2 * SCHEMA_PATTERNS_MAX + 1] = {NULL};
    uint32_t count = 0;
    bool good = true;
    *out = NULL;
    for (uint32_t i = 0; good && i < merged->pattern_count; i++) {
        good =
            schema_pattern(schema, merged->where, "pattern", json_string_value(merged->patterns[i]),
                           json_string_length(merged->patterns[i]), &parts[count]);
        count += good;
    }
    for (uint32_t i = 0; good && !relaxed && i < merged->format_count; i++) {
        struct kernel_error error = {0};
        enum kernel_status status = format_chars(json_string_value(merged->formats[i]),
                                                 &schema->work, &parts[count], &error);
        good = status == KERNEL_OK ||
               schema_fail(schema, merged->where, "format", status, "%s", error.message);
        count += good;
    }
    if (good && merged->length_least > 0 && count > 0) {
        if (merged->length_least > SCHEMA_LEAST_MAX) {
            good = schema_fail(schema, merged->where, "minLength", KERNEL_INVALID,
                               "more than %d beside a pattern", SCHEMA_LEAST_MAX);
        } else {
            parts[count++] = chars_at_least(merged->length_least);
        }
    }
    /* two by two, trimmed between: the whole product at once may be large where its end is not */
    for (uint32_t i = 0; good && i < count; i++) {
        if (i == 0) {
            *out = parts[0];
            parts[0] = NULL;
        } else {
            const struct chars *pair[2] = {*out, parts[i]};
            struct chars *both = chars_product(pair, 2, false, &schema->work);
            chars_destroy(*out);
            *out = both;
            good = both != NULL || schema_fail(schema, merged->where, "pattern", KERNEL_INVALID,
                                               "too large an automaton together with the others");
        }
        if (good) {
            chars_trim(*out);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        chars_destroy(parts[i]);
    }
    if (!good) {
        chars_destroy(*out);
        *out = NULL;
    }
    return good;
}

static uint32_t characters(struct kernel_text text)
{
    uint32_t count = 0;
    for (size_t at = 0; at < text.length; count++) {
        spell_read_utf8(text, &at);
    }
    return count;
}

bool schema_string_fits(const struct merged *merged, const struct chars *chars, const json_t *value)
{
    struct kernel_text text = {json_string_value(value), json_string_length(value)};
    uint32_t length = characters(text);
    return length >= merged->length_least && length <= merged->length_most &&
           (chars == NULL || chars_match(chars, text) != 0);
}

/* ---- machines, made once for equal constraints ---- */

static char *key_of(const struct merged *merged)
{
    json_t *list = json_pack("[i]", (int)merged->length_least);
    for (uint32_t i = 0; i < merged->pattern_count; i++) {
        json_array_append(list, merged->patterns[i]);
    }
    for (uint32_t i = 0; i < merged->format_count; i++) {
        json_array_append_new(list, json_pack("[O]", merged->formats[i]));
    }
    char *key = json_dumps(list, JSON_COMPACT);
    KERNEL_ASSERT(key != NULL);
    json_decref(list);
    return key;
}

static struct machine *make_machine(struct schema *schema, const struct merged *merged)
{
    struct chars *chars = NULL;
    struct machine *machine = NULL;
    bool large = false;
    if (schema_chars(schema, merged, false, &chars)) {
        machine = machine_string(chars, false, &schema->work, &large);
    }
    chars_destroy(chars);
    if (large) {
        schema_fail(schema, merged->where, "pattern", KERNEL_INVALID, "too large an automaton");
    }
    if (machine != NULL) {
        grammar_keep(schema->grammar, machine);
    }
    return machine;
}

static const struct machine *machine_for(struct schema *schema, const struct merged *merged,
                                         bool *possible)
{
    char *key = key_of(merged);
    const json_t *known = json_object_get(schema->memo_of, key);
    uint32_t at = known != NULL ? (uint32_t)json_integer_value(known) : schema->memo_count;
    if (known == NULL && schema_work(schema, merged->where, NULL, 100 + strlen(key))) {
        schema->memos =
            kernel_resize(schema->memos, schema->memo_count + 1, sizeof(struct machine *));
        schema->memos[schema->memo_count++] = make_machine(schema, merged);
        json_object_set_new(schema->memo_of, key, json_integer(at));
    }
    free(key);
    const struct machine *machine = at < schema->memo_count ? schema->memos[at] : NULL;
    *possible = machine != NULL;
    return machine;
}

bool schema_string(struct schema *schema, const struct merged *merged, struct alt *out,
                   bool *possible)
{
    *out = (struct alt){.kind = ALT_STRING,
                        .machine = schema->grammar->trie->string,
                        .least = merged->length_least,
                        .most = merged->length_most};
    *possible = merged->length_least <= merged->length_most;
    if (*possible && merged->pattern_count + merged->format_count > 0) {
        out->machine = machine_for(schema, merged, possible);
        out->least = 0; /* the automaton counts it */
        *possible = *possible && out->machine->least[MACHINE_START] <= out->most;
    }
    out->bytes = 2 + (*possible ? out->machine->shortest[MACHINE_START] : 0) + out->least;
    return schema->status == KERNEL_OK;
}
