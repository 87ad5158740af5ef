/* policy_support.h -- a bundle and a question in one line each, for the tests of policies. */
#ifndef REEVE_TESTS_UNIT_POLICY_SUPPORT_H
#define REEVE_TESTS_UNIT_POLICY_SUPPORT_H

#include "runtime/base/check.h"
#include "runtime/base/random.h"
#include "runtime/gate/policy.h"
#include "tests/support/test.h"

#include <inttypes.h>
#include <stdarg.h>

#define AGENT                                                                                      \
    "\"me\":{\"kind\":\"agent\",\"id\":\"a\",\"owner\":\"chief\",\"roles\":[\"payer\"],"           \
    "\"tenant\":1}"
#define PERSON   "\"me\":{\"kind\":\"person\",\"id\":\"p\",\"roles\":[\"clerk\"],\"tenant\":1}"
#define MACHINE  "\"me\":{\"kind\":\"system\",\"id\":\"detector\",\"roles\":[],\"tenant\":1}"
#define PERMIT_X "permit{id='p', agents='*', persons='*', system=true, action='x'}, "

static const char *const policy_verdicts[] = {"allow", "hold", "deny"};

/* `rules` is what stands inside bundle{ name='t', … }. */
static inline struct rv_policy *bundle(const char *rules)
{
    struct rv_buf source;
    rv_buf_init(&source, 8 << 20);
    rv_buf_printf(&source, "return bundle{ name='t', %s }", rules);
    struct rv_policy *policy = NULL;
    struct rv_error err = {.code = RV_OK};
    if (rv_policy_load(source.data, source.length, "t.lua", &policy, &err) != RV_OK) {
        ck_abort_msg("%s (%s)", err.message, err.hint);
    }
    rv_buf_fini(&source);
    return policy;
}

/* The answer to one question, with everything it needs kept until answer_end. */
struct answer {
    json_t *question;
    struct rv_arena *arena;
    struct rv_policy_limit limits[RV_POLICY_LIMITS_MAX];
    int limit_count;
    struct rv_verdict verdict;
};

static inline struct rv_policy_request request_of(const json_t *q)
{
    return (struct rv_policy_request){.action = rv_json_str(q, "action", "x"),
                                      .me = json_object_get(q, "me"),
                                      .args = json_object_get(q, "arg"),
                                      .res = json_object_get(q, "res"),
                                      .ctx = json_object_get(q, "ctx")};
}

static inline void ask(const struct rv_policy *policy, const char *question, int64_t used,
                       struct answer *answer)
{
    json_error_t where;
    answer->question = json_loads(question, 0, &where);
    ck_assert_msg(answer->question != NULL, "%s: %s", question, where.text);
    answer->arena = rv_arena_create("answer", 8 << 20);
    struct rv_policy_request request = request_of(answer->question);
    struct rv_policy_facts *facts = NULL;
    ck_assert_int_eq(rv_policy_facts_make(policy, &request, answer->arena, &facts, NULL), RV_OK);
    answer->limit_count = rv_policy_limits(policy, facts, answer->arena, answer->limits);
    int64_t amounts[RV_POLICY_LIMITS_MAX];
    for (int i = 0; i < RV_POLICY_LIMITS_MAX; i++) {
        amounts[i] = used;
    }
    rv_policy_decide(policy, facts, amounts, answer->limit_count, answer->arena, &answer->verdict);
}

static inline void answer_end(struct answer *answer)
{
    rv_arena_destroy(answer->arena);
    json_decref(answer->question);
}

static inline const char *decide(const struct rv_policy *policy, const char *question, int64_t used)
{
    struct answer answer;
    ask(policy, question, used, &answer);
    const char *verdict = policy_verdicts[answer.verdict.kind];
    answer_end(&answer);
    return verdict;
}

/* "hold a1,a2" with the rules in the order of the verdict. */
static inline void verdict_text(const struct rv_verdict *verdict, char *out, size_t size)
{
    int n = snprintf(out, size, "%s", policy_verdicts[verdict->kind]);
    for (int i = 0; i < verdict->rule_count && i < RV_VERDICT_RULES_MAX; i++) {
        n += snprintf(out + n, size - (size_t)n, "%s%s:%s", i == 0 ? " " : ",",
                      verdict->rules[i].id, verdict->rules[i].why);
    }
}

static inline char *read_whole(const char *path, size_t *length)
{
    FILE *file = fopen(path, "rb");
    ck_assert_msg(file != NULL, "no %s", path);
    char *text = rv_alloc(1 << 20);
    *length = fread(text, 1, (1 << 20) - 1, file);
    fclose(file);
    return text;
}

#endif
