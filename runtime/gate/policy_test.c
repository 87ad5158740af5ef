/* policy_test.c -- runs test{} entries: those of the bundle itself, and files of cases beside it.
 *
 *   test { "10k needs two", agent="payer", roles={"ap.payer"}, action="invoice.pay",
 *          arg={amount="10000 EUR"}, res={vendor={status="active"}}, labels={iban="external"},
 *          run={margin=13}, used={["vendor.day"]="49000 EUR"}, expect={hold={"over5k"}} }
 *
 * `used` is what each limit has used already, by rule, or one number for all.  `expect` is a
 * verdict, or a verdict with exactly the rules that made it so.
 */
#include "runtime/gate/policy_private.h"

#include <stdlib.h>
#include <string.h>

enum { TEST_ARENA_MAX = 16 << 20 };

static const char *const verdict_names[] = {"allow", "hold", "deny"};

static json_t *principal(const json_t *test)
{
    static const char *const kinds[] = {"agent", "person", "system"};
    for (size_t i = 0; i < RV_COUNT(kinds); i++) {
        const json_t *id = json_object_get(test, kinds[i]);
        if (id != NULL) {
            json_t *roles = json_object_get(test, "roles");
            json_t *me =
                json_pack("{s:s,s:s,s:i,s:o}", "kind", kinds[i], "id",
                          json_is_string(id) ? json_string_value(id) : kinds[i], "tenant", 1,
                          "roles", json_is_array(roles) ? json_incref(roles) : json_array());
            const char *owner = rv_json_str(test, "owner", NULL);
            if (owner != NULL) {
                json_object_set_new(me, "owner", json_string(owner));
            }
            return me;
        }
    }
    RV_UNREACHABLE("policy_canonical_test wants a principal");
}

static int64_t amount(const json_t *value)
{
    return json_is_object(value) ? rv_json_int(value, "minor", 0) : json_integer_value(value);
}

static int64_t used_of(const json_t *used, const char *rule)
{
    bool one_for_all = json_is_integer(used) || json_object_get(used, "minor") != NULL;
    return amount(one_for_all ? used : json_object_get(used, rule));
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The same ids, whatever their order. */
static bool same_rules(const json_t *expect, const struct rv_verdict *verdict)
{
    const char *wanted[RV_VERDICT_RULES_MAX];
    const char *got[RV_VERDICT_RULES_MAX];
    size_t count = json_array_size(expect);
    if (count != (size_t)verdict->rule_count || count > RV_VERDICT_RULES_MAX) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        const char *id = json_string_value(json_array_get(expect, i));
        wanted[i] = id != NULL ? id : "";
        got[i] = verdict->rules[i].id;
    }
    qsort(wanted, count, sizeof *wanted, compare_texts);
    qsort(got, count, sizeof *got, compare_texts);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(wanted[i], got[i]) != 0) {
            return false;
        }
    }
    return true;
}

static bool as_expected(const json_t *expect, const struct rv_verdict *verdict)
{
    const char *kind = verdict_names[verdict->kind];
    if (json_is_string(expect)) {
        return strcmp(json_string_value(expect), kind) == 0;
    }
    const json_t *rules = json_object_get(expect, kind);
    return rules != NULL && same_rules(rules, verdict);
}

static json_t *got_json(const struct rv_verdict *verdict)
{
    json_t *rules = json_array();
    for (int i = 0; i < verdict->rule_count && i < RV_VERDICT_RULES_MAX; i++) {
        json_array_append_new(rules, json_string(verdict->rules[i].id));
    }
    return json_pack("{s:o}", verdict_names[verdict->kind], rules);
}

static json_t *object_or_empty(const json_t *value) /* Lua's {} is an empty list */
{
    return json_is_object(value) ? json_incref(policy_json(value)) : json_object();
}

static void run_test(const struct rv_policy *policy, const json_t *test, json_t *results,
                     int *failed)
{
    struct rv_arena *arena = rv_arena_create("policy test", TEST_ARENA_MAX);
    json_t *me = principal(test);
    json_t *args = object_or_empty(json_object_get(test, "arg"));
    json_t *res = object_or_empty(json_object_get(test, "res"));
    json_t *ctx = json_pack("{s:o,s:o}", "labels", object_or_empty(json_object_get(test, "labels")),
                            "run", object_or_empty(json_object_get(test, "run")));
    struct rv_policy_request request = {
        .action = rv_json_str(test, "action", ""), .me = me, .args = args, .res = res, .ctx = ctx};
    struct rv_policy_facts *facts = NULL;
    RV_ASSERT(rv_policy_facts_make(policy, &request, arena, &facts, NULL) == RV_OK);
    struct rv_policy_limit limits[RV_POLICY_LIMITS_MAX];
    int64_t used[RV_POLICY_LIMITS_MAX] = {0};
    int count = rv_policy_limits(policy, facts, arena, limits);
    for (int i = 0; i < count; i++) {
        used[i] = used_of(json_object_get(test, "used"), limits[i].rule);
    }
    struct rv_verdict verdict;
    rv_policy_decide(policy, facts, used, count, arena, &verdict);
    const json_t *expect = json_object_get(test, "expect");
    bool ok = as_expected(expect, &verdict);
    *failed += !ok;
    json_array_append_new(results,
                          json_pack("{s:O,s:O,s:b,s:O,s:o}", "name", json_object_get(test, "name"),
                                    "line", json_object_get(test, "line"), "ok", ok, "expected",
                                    expect, "got", got_json(&verdict)));
    json_decref(me);
    json_decref(args);
    json_decref(res);
    json_decref(ctx);
    rv_arena_destroy(arena);
}

json_t *rv_policy_test(const struct rv_policy *policy, int *failed)
{
    json_t *results = json_array();
    *failed = 0;
    size_t i;
    json_t *test;
    json_array_foreach(policy->tests, i, test)
    {
        run_test(policy, test, results, failed);
    }
    return results;
}

enum rv_code rv_policy_test_cases(const struct rv_policy *policy, const char *source, size_t length,
                                  const char *name, json_t **results, int *failed,
                                  struct rv_error *err)
{
    json_t *tree = NULL;
    enum rv_code code = policy_read_lua(source, length, name, &tree, err);
    if (code != RV_OK) {
        return code;
    }
    json_t *body = json_object_get(tree, "body");
    if (strcmp(policy_word(tree), "cases") != 0 || !json_is_array(body)) {
        json_decref(tree);
        rv_fail(err, RV_INVALID, "%s: the file does not return cases{ … }", name);
        rv_hint(err, "Begin with: return cases{ test{ … }, test{ … } }");
        return RV_INVALID;
    }
    json_t *out = json_array();
    *failed = 0;
    size_t i;
    json_t *item;
    json_array_foreach(body, i, item)
    {
        json_t *test = NULL;
        if (strcmp(policy_word(item), "test") != 0) {
            code = rv_fail(err, RV_INVALID, "%s: item %zu of cases is no test{ … }", name, i + 1);
        } else {
            code = policy_canonical_test(item, name, &test, err);
        }
        if (code != RV_OK) {
            break;
        }
        run_test(policy, test, out, failed);
        json_decref(test);
    }
    json_decref(tree);
    if (code != RV_OK) {
        json_decref(out);
        return code;
    }
    *results = out;
    return RV_OK;
}
