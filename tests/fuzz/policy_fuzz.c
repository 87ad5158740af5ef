/* policy_fuzz.c -- a bundle of any bytes: refused with a code and a sentence, or loaded; and what
 * is loaded has a canonical form that says all, decides without crashing, and denies without a
 * permit.
 *
 * The input is the text of a file, and once more what stands inside bundle{ name='f', … }, so that
 * the fuzzer does not have to find the frame first.
 */
#include "runtime/base/check.h"
#include "runtime/gate/policy.h"

#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decide(const struct rv_policy *policy, json_t *me, json_t *data)
{
    static const char *const actions[] = {"x", "invoice.post", "a.b", ""};
    struct rv_arena *arena = rv_arena_create("fuzz", 64 << 20);
    for (size_t i = 0; i < RV_COUNT(actions); i++) {
        struct rv_policy_request request = {
            .action = actions[i], .me = me, .args = data, .res = data};
        struct rv_policy_facts *facts = NULL;
        RV_ASSERT(rv_policy_facts_make(policy, &request, arena, &facts, NULL) == RV_OK);
        struct rv_policy_limit limits[RV_POLICY_LIMITS_MAX];
        int64_t used[RV_POLICY_LIMITS_MAX] = {0};
        int count = rv_policy_limits(policy, facts, arena, limits);
        struct rv_verdict verdict;
        rv_policy_decide(policy, facts, used, count, arena, &verdict);
        RV_ASSERT(verdict.rule_count > 0);
        RV_ASSERT((verdict.kind == RV_HOLD) == (verdict.stages != NULL));
        json_t *account = rv_policy_explain(policy, &request, used, count);
        RV_ASSERT(account != NULL);
        json_decref(account);
    }
    rv_arena_destroy(arena);
}

static void use(const struct rv_policy *policy)
{
    json_t *canonical = NULL;
    const char *text = rv_policy_canonical(policy);
    RV_ASSERT(rv_json_parse(text, strlen(text), "canonical", &canonical, NULL) == RV_OK);
    json_decref(canonical);
    json_t *me =
        json_pack("{s:s,s:s,s:[s],s:i}", "kind", "agent", "id", "a", "roles", "r", "tenant", 1);
    json_t *data = json_pack("{s:i,s:s,s:{s:i,s:s},s:[s]}", "n", 5, "s", "text", "amount", "minor",
                             500, "currency", "EUR", "list", "a");
    decide(policy, me, data);
    int failed = 0;
    json_decref(rv_policy_test(policy, &failed));
    static const char *const catalogue[] = {"x", "invoice.post", NULL};
    json_decref(rv_policy_check(policy, catalogue, data));
    json_decref(me);
    json_decref(data);
}

static void load(const char *source, size_t length)
{
    struct rv_policy *policy = NULL;
    struct rv_error err = {.code = RV_OK};
    enum rv_code code = rv_policy_load(source, length, "fuzz.lua", &policy, &err);
    if (code == RV_OK) {
        use(policy);
        rv_policy_destroy(policy);
    } else {
        RV_ASSERT(err.code == code && err.message[0] != '\0');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rv_buf framed;
    rv_buf_init(&framed, 1 << 20);
    load((const char *)data, size);
    rv_buf_str(&framed, "return bundle{ name='f', ");
    rv_buf_add(&framed, data, size);
    rv_buf_str(&framed, " }");
    load(framed.data, framed.length);
    rv_buf_fini(&framed);
    return 0;
}
