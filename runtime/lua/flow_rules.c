/* flow_rules.c -- see flow_rules.h. */
#include "runtime/lua/flow_rules.h"

#include <stdio.h>
#include <string.h>

enum { WORD_MAX = 60 };

static bool is_count(const json_t *value, int most)
{
    return json_is_integer(value) && json_integer_value(value) >= 1 &&
           json_integer_value(value) <= most;
}

/* Letters, digits and what `more` has. */
static bool is_word(const json_t *value, const char *more)
{
    const char *at = json_string_value(value);
    if (at == NULL || *at == '\0' || *at == '.' || strlen(at) > WORD_MAX) {
        return false;
    }
    for (; *at != '\0'; at++) {
        bool plain =
            (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9');
        if (!plain && strchr(more, *at) == NULL) {
            return false;
        }
    }
    return true;
}

static const char *unknown_field(const json_t *rule)
{
    static const char *const known[] = {"at_once", "starts", "seconds", "by", "name"};
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)rule, name, value)
    {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            found = found || strcmp(name, known[i]) == 0;
        }
        if (!found) {
            return name;
        }
    }
    return NULL;
}

/* The part of the rule that is wrong, "" for the whole, and why; NULL: none. */
static const char *rule_problem(const json_t *rule, const char **part, char *out, size_t size)
{
    const json_t *at_once = json_object_get(rule, "at_once");
    const json_t *starts = json_object_get(rule, "starts");
    const json_t *seconds = json_object_get(rule, "seconds");
    const json_t *by = json_object_get(rule, "by");
    const json_t *name = json_object_get(rule, "name");
    const char *unknown = unknown_field(rule);
    *part = "";
    if (!json_is_object(rule)) {
        return "must be a rule like { at_once = 3 } or { starts = 100, seconds = 60 }";
    }
    if (unknown != NULL) {
        snprintf(out, size, "has \"%.40s\", which is none of at_once, starts, seconds, by and name",
                 unknown);
        return out;
    }
    if ((at_once == NULL) == (starts == NULL)) {
        return "must have either at_once, or starts and seconds; write two rules for both";
    }
    *part = at_once != NULL ? ".at_once" : ".starts";
    if (!is_count(at_once != NULL ? at_once : starts, FLOW_MOST_MAX)) {
        snprintf(out, size, "must be a number from 1 to %d", FLOW_MOST_MAX);
        return out;
    }
    *part = ".seconds";
    if (starts != NULL ? !is_count(seconds, FLOW_SECONDS_MAX) : seconds != NULL) {
        snprintf(out, size,
                 starts != NULL ? "must be a number from 1 to %d: starts are counted in that time"
                                : "belongs to starts (1 to %d), not to at_once",
                 FLOW_SECONDS_MAX);
        return out;
    }
    *part = ".by";
    if (by != NULL && !is_word(by, "_.")) {
        return "must be a field of the input, like \"party\" or \"evidence.order\", or \"key\"";
    }
    *part = ".name";
    if (name != NULL && !is_word(name, "_.-")) {
        return "must be a short name of letters, digits, \"-\", \"_\" and \".\", like "
               "\"bank-portal\"";
    }
    return NULL;
}

const char *flow_rules_problem(const json_t *flow, char *field, size_t field_size, char *out,
                               size_t size)
{
    snprintf(field, field_size, "flow");
    if (flow == NULL || (json_is_object(flow) && json_object_size(flow) == 0)) {
        return NULL; /* {} may be either */
    }
    if (!json_is_array(flow) || json_array_size(flow) > FLOW_RULES_MAX) {
        snprintf(out, size, "must be a list of at most %d rules, like { { at_once = 3 } }",
                 FLOW_RULES_MAX);
        return out;
    }
    for (size_t i = 0; i < json_array_size(flow); i++) {
        const json_t *rule = json_array_get(flow, i);
        const char *part = "";
        const char *problem = rule_problem(rule, &part, out, size);
        snprintf(field, field_size, "flow[%zu]%s", i + 1, problem != NULL ? part : "");
        for (size_t j = 0; j < i && problem == NULL; j++) {
            if (json_equal(json_array_get(flow, j), rule)) {
                problem = "is there twice";
            }
        }
        if (problem != NULL) {
            return problem;
        }
    }
    return NULL;
}
