/* policy_terms.c -- the small parts of a rule: amounts, durations, lists of names, conditions.
 *
 * Each takes the tree as written (policy_load.c) and gives its canonical form: one way to write one
 * meaning, so that equal policies have equal hashes.  Lists whose order means nothing are sorted.
 * What could surprise at decision is refused here: an unknown me.* attribute, an ordering of texts,
 * an amount with more decimals than its currency has, an empty all{} that would always be true.
 */
#include "runtime/gate/policy_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SORT_FEW = 16 }; /* sorted without allocating */

const char *const policy_op_names[POLICY_OPS] = {"all",    "any",      "none",  "has", "eq",
                                                 "ne",     "lt",       "le",    "gt",  "ge",
                                                 "one_of", "contains", "prefix"};
const char *const policy_op_signs[POLICY_OPS] = {
    "all", "any", "none", "is given",  "=",        "!=",         "<",
    "<=",  ">",   ">=",   "is one of", "contains", "begins with"};

/* What is known of the principal and of the run that asks; arg.* and res.* are typed by their use.
 */
static const struct {
    const char *path;
    enum policy_type type;
} known_attributes[] = {
    {"me.kind", POLICY_TEXT},  /* agent, person, system */
    {"me.id", POLICY_TEXT},    /* the agent's or the person's name */
    {"me.owner", POLICY_TEXT}, /* who answers for an agent */
    {"me.roles", POLICY_LIST},  {"me.tenant", POLICY_INT},
    {"run.margin", POLICY_INT}, /* points, 1 to 100; absent: no model was asked */
};

enum policy_op policy_op_from_name(const char *name)
{
    int op = 0;
    while (op < POLICY_OPS && strcmp(policy_op_names[op], name) != 0) {
        op++;
    }
    return (enum policy_op)op;
}

/* ---- complaints ---- */

enum rv_code policy_complain(const struct policy_place *place, const char *field,
                             const char *problem, const char *remedy)
{
    char where[160];
    if (place->rule != NULL) {
        snprintf(where, sizeof where, "rule \"%s\"", place->rule);
    } else {
        snprintf(where, sizeof where, "the bundle");
    }
    rv_fail(place->err, RV_INVALID, "%s:%d: %s: field \"%s\" %s", place->file, place->line, where,
            field, problem);
    rv_hint(place->err, "%s", remedy);
    return RV_INVALID;
}

const char *policy_word(const json_t *tree)
{
    return rv_json_str(tree, "$", "");
}

/* ---- lists ---- */

struct sortable {
    const char *text;
    size_t offset; /* of it in the texts of all */
    json_t *value;
};

static int compare_sortable(const void *a, const void *b)
{
    return strcmp(((const struct sortable *)a)->text, ((const struct sortable *)b)->text);
}

void policy_sort(json_t *list)
{
    size_t count = json_array_size(list);
    if (count < 2) {
        return;
    }
    struct sortable few[SORT_FEW];
    struct sortable *items = count <= SORT_FEW ? few : rv_alloc_array(count, sizeof *items);
    struct rv_buf texts;
    rv_buf_init(&texts, RV_JSON_TEXT_MAX);
    for (size_t i = 0; i < count; i++) {
        json_t *value = json_array_get(list, i);
        items[i] = (struct sortable){.offset = texts.length, .value = json_incref(value)};
        RV_ASSERT(rv_json_canonical(value, &texts, NULL) == RV_OK);
        rv_buf_add(&texts, "", 1);
    }
    for (size_t i = 0; i < count; i++) {
        items[i].text = texts.data + items[i].offset;
    }
    qsort(items, count, sizeof *items, compare_sortable);
    json_array_clear(list);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(items[i].text, items[i - 1].text) != 0) {
            json_array_append(list, items[i].value);
        }
        json_decref(items[i].value);
    }
    rv_buf_fini(&texts);
    if (items != few) {
        rv_free(items);
    }
}

/* A text, a list of texts or any_of{…}: a sorted list of texts. */
json_t *policy_term_texts(const struct policy_place *place, const char *field, const json_t *tree,
                          const char *remedy)
{
    if (strcmp(policy_word(tree), "any_of") == 0) {
        tree = json_object_get(tree, "value");
    }
    json_t *list = json_array();
    if (json_is_string(tree)) {
        json_array_append(list, policy_json(tree));
    }
    size_t i;
    json_t *item;
    json_array_foreach(policy_json(tree), i, item)
    {
        if (!json_is_string(item)) {
            json_array_clear(list);
            break;
        }
        json_array_append(list, item);
    }
    if (json_array_size(list) == 0) {
        json_decref(list);
        policy_complain(place, field, tree == NULL ? "is missing" : "is no list of names", remedy);
        return NULL;
    }
    policy_sort(list);
    return list;
}

/* ---- durations and money ---- */

int64_t policy_term_duration(const json_t *tree)
{
    static const struct {
        const char *unit;
        int64_t seconds;
    } units[] = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    const char *text = json_string_value(tree);
    int64_t number = 0;
    int digits = 0;
    while (text != NULL && *text >= '0' && *text <= '9' && digits < 9) {
        number = number * 10 + (*text++ - '0');
        digits++;
    }
    for (size_t i = 0; digits > 0 && i < RV_COUNT(units); i++) {
        if (strcmp(text, units[i].unit) == 0) {
            return number * units[i].seconds;
        }
    }
    return 0;
}

/* ISO 4217: currencies whose minor unit is not a hundredth. */
static int minor_digits(const char *currency)
{
    static const char none[] =
        "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF ";
    static const char three[] = "BHD IQD JOD KWD LYD OMR TND ";
    char word[5];
    snprintf(word, sizeof word, "%s ", currency);
    return strstr(none, word) != NULL ? 0 : strstr(three, word) != NULL ? 3 : 2;
}

/* "-12.50 EUR" -> minor units; a sentence when it is no amount. */
static const char *parse_money(const char *text, int64_t *minor, char currency[4])
{
    bool negative = *text == '-';
    int64_t value = 0;
    int digits = 0;
    int decimals = -1;
    for (text += negative; *text != ' ' && *text != '\0'; text++) {
        if (*text == '.' && decimals < 0 && digits > 0) {
            decimals = 0;
        } else if (*text < '0' || *text > '9') {
            return "is no amount";
        } else if (__builtin_mul_overflow(value, 10, &value) ||
                   __builtin_add_overflow(value, *text - '0', &value)) {
            return "is too large an amount";
        } else {
            digits++;
            decimals += decimals >= 0;
        }
    }
    bool has_currency = *text == ' ' && strlen(text) == 4;
    for (int i = 1; has_currency && i <= 3; i++) {
        has_currency = text[i] >= 'A' && text[i] <= 'Z';
    }
    if (digits == 0 || decimals == 0 || !has_currency) {
        return "is no amount with a currency";
    }
    memcpy(currency, text + 1, 4);
    int wanted = minor_digits(currency);
    if (decimals > wanted) {
        return "has more decimals than its currency";
    }
    for (int i = decimals < 0 ? 0 : decimals; i < wanted; i++) {
        if (__builtin_mul_overflow(value, 10, &value)) {
            return "is too large an amount";
        }
    }
    *minor = negative ? -value : value;
    return NULL;
}

void policy_money_text(int64_t minor, const char *currency, char out[48])
{
    int digits = minor_digits(currency);
    uint64_t size = minor < 0 ? 0 - (uint64_t)minor : (uint64_t)minor;
    uint64_t unit = digits == 0 ? 1 : digits == 2 ? 100 : 1000;
    if (digits == 0) {
        snprintf(out, 48, "%s%" PRIu64 " %s", minor < 0 ? "-" : "", size, currency);
    } else {
        snprintf(out, 48, "%s%" PRIu64 ".%0*" PRIu64 " %s", minor < 0 ? "-" : "", size / unit,
                 digits, size % unit, currency);
    }
}

json_t *policy_term_money(const json_t *tree, const char **problem)
{
    const char *text = json_string_value(tree);
    if (strcmp(policy_word(tree), "money") == 0) {
        text = rv_json_str(tree, "value", "");
    }
    int64_t minor = 0;
    char currency[4];
    const char *wrong = text == NULL ? "is no amount" : parse_money(text, &minor, currency);
    if (wrong != NULL) {
        if (problem != NULL) {
            *problem = wrong;
        }
        return NULL;
    }
    return json_pack("{s:I,s:s}", "minor", (json_int_t)minor, "currency", currency);
}

/* ---- attributes ---- */

bool policy_term_path(const struct policy_place *place, const char *field, const char *path)
{
    for (size_t i = 0; i < RV_COUNT(known_attributes); i++) {
        if (strcmp(known_attributes[i].path, path) == 0) {
            return true;
        }
    }
    bool open = (strncmp(path, "arg.", 4) == 0 || strncmp(path, "res.", 4) == 0) && path[4] != '\0';
    if (!open) {
        char problem[200];
        snprintf(problem, sizeof problem, "names the attribute \"%s\", which does not exist", path);
        policy_complain(place, field, problem,
                        "Attributes are me.kind, me.id, me.owner, me.roles, me.tenant, run.margin, "
                        "arg.<argument> and res.<fact>.");
    }
    return open;
}

static enum policy_type known_type(const char *path)
{
    for (size_t i = 0; i < RV_COUNT(known_attributes); i++) {
        if (strcmp(known_attributes[i].path, path) == 0) {
            return known_attributes[i].type;
        }
    }
    return POLICY_UNRESOLVED; /* open: typed by its use */
}

/* ---- conditions ---- */

static json_t *condition_fail(const struct policy_place *place, const char *field, const char *path,
                              const char *op, const char *why, const char *remedy)
{
    char problem[220];
    snprintf(problem, sizeof problem, "%.100s:%s %s", path, op, why);
    policy_complain(place, field, problem, remedy);
    return NULL;
}

static enum policy_type literal_type(const json_t *literal)
{
    return json_is_string(literal)    ? POLICY_TEXT
           : json_is_integer(literal) ? POLICY_INT
           : json_is_boolean(literal) ? POLICY_BOOL
           : json_is_object(literal)  ? POLICY_MONEY
                                      : POLICY_LIST;
}

/* Text, integer, boolean, money or (one_of) a list of texts or integers. */
static json_t *literal(const struct policy_place *place, const char *field, const char *path,
                       enum policy_op op, const json_t *tree)
{
    const char *name = policy_op_names[op];
    if (op == POLICY_ONE_OF) {
        if (strcmp(policy_word(tree), "any_of") == 0) {
            tree = json_object_get(tree, "value");
        }
        if (json_array_size(tree) > POLICY_ONE_OF_MAX) {
            return condition_fail(place, field, path, name, "lists more than 10,000 values",
                                  "Keep such a list as a fact of the ERP, or use prefix.");
        }
        bool uniform = json_array_size(tree) > 0;
        for (size_t i = 0; i < json_array_size(tree); i++) {
            const json_t *item = json_array_get(tree, i);
            uniform = uniform && (json_is_string(item) || json_is_integer(item)) &&
                      json_typeof(item) == json_typeof(json_array_get(tree, 0));
        }
        if (!uniform) {
            return condition_fail(place, field, path, name, "needs a list of texts or of integers",
                                  "Write arg.country:one_of{\"DE\", \"AT\"}.");
        }
        json_t *list = json_copy(policy_json(tree));
        policy_sort(list);
        return list;
    }
    if (strcmp(policy_word(tree), "money") == 0) {
        const char *problem = NULL;
        json_t *money = policy_term_money(tree, &problem);
        return money != NULL ? money
                             : condition_fail(place, field, path, name, problem,
                                              "Write money\"5000 EUR\" or money\"12.50 EUR\".");
    }
    if (json_is_string(tree) || json_is_integer(tree) || json_is_boolean(tree)) {
        return json_incref(policy_json(tree));
    }
    return condition_fail(place, field, path, name,
                          "compares with something that is no text, integer, boolean or money",
                          "Write a value such as \"active\", 95, true or money\"50 EUR\".");
}

static const char *wrong_type(enum policy_op op, enum policy_type left, enum policy_type right)
{
    bool ordering = op >= POLICY_LT && op <= POLICY_GE;
    if (ordering && right != POLICY_INT && right != POLICY_MONEY) {
        return "orders something that is neither an integer nor money";
    }
    if (op == POLICY_PREFIX && right != POLICY_TEXT) {
        return "needs a text";
    }
    if (op == POLICY_CONTAINS && right != POLICY_TEXT && right != POLICY_INT) {
        return "needs a text or an integer";
    }
    if (op == POLICY_CONTAINS && left != POLICY_UNRESOLVED && left != POLICY_LIST) {
        return "looks into something that is no list";
    }
    if (op != POLICY_CONTAINS && op != POLICY_ONE_OF && left != POLICY_UNRESOLVED &&
        left != right) {
        return left == POLICY_LIST ? "compares a list; use contains" : "compares two types";
    }
    return NULL;
}

static json_t *atom(const struct policy_place *place, const char *field, const json_t *tree)
{
    const char *name = rv_json_str(tree, "op", "");
    const char *path = rv_json_str(tree, "attr", "");
    enum policy_op op = policy_op_from_name(name);
    if (!policy_term_path(place, field, path)) {
        return NULL;
    }
    if (op == POLICY_OPS || op <= POLICY_NONE_OF) {
        return condition_fail(place, field, path, name, "is no condition",
                              "See policies/README.md for the operators.");
    }
    json_t *out = json_pack("{s:s,s:s}", "op", name, "attr", path);
    if (op == POLICY_HAS) {
        return out;
    }
    const json_t *value = json_object_get(tree, "value");
    if (strcmp(policy_word(value), "attribute") == 0) {
        const char *other = rv_json_str(value, "path", "");
        if (!policy_term_path(place, field, other)) {
            json_decref(out);
            return NULL;
        }
        json_object_set_new(out, "other", json_string(other));
        return out;
    }
    json_t *right = literal(place, field, path, op, value);
    if (right == NULL) {
        json_decref(out);
        return NULL;
    }
    json_object_set_new(out, "value", right);
    const char *wrong = wrong_type(op, known_type(path), literal_type(right));
    if (wrong != NULL) {
        json_decref(out);
        return condition_fail(
            place, field, path, name, wrong,
            "Order integers and money, compare texts with eq, ne, one_of, prefix.");
    }
    return out;
}

json_t *policy_term_condition(const struct policy_place *place, const char *field,
                              const json_t *tree, int depth)
{
    if (depth > POLICY_CONDITION_DEPTH) {
        policy_complain(place, field, "is nested too deep",
                        "Write several rules instead of one: any of several permits permits.");
        return NULL;
    }
    if (strcmp(policy_word(tree), "condition") == 0) {
        return atom(place, field, tree);
    }
    const char *name = rv_json_str(tree, "op", "");
    const json_t *of = json_object_get(tree, "of");
    if (strcmp(policy_word(tree), "group") != 0 || policy_op_from_name(name) > POLICY_NONE_OF) {
        policy_complain(place, field, "is no condition",
                        "Write for example arg.amount:le(money\"50 EUR\") or all{ …, … }.");
        return NULL;
    }
    if (json_array_size(of) == 0) {
        policy_complain(place, field, "has an empty list of conditions",
                        "Leave the field out where a rule always holds.");
        return NULL;
    }
    json_t *list = json_array();
    size_t i;
    json_t *item;
    json_array_foreach(policy_json(of), i, item)
    {
        json_t *child = policy_term_condition(place, field, item, depth + 1);
        if (child == NULL) {
            json_decref(list);
            return NULL;
        }
        json_array_append_new(list, child);
    }
    policy_sort(list);
    return json_pack("{s:s,s:o}", "op", name, "of", list);
}
