/* lua_fuzz.c -- hostile bytes as an agent, as an answer, as a pattern.
 *
 * First byte: 0 the rest is an agent's source; 1 the rest is JSON that an agent gets as an answer, walks
 * over and sends back; 2 the rest is a pattern, a zero byte and a subject.  No input may crash, leak or
 * stop the loop; for 1 what goes in must come out as it was (nulls apart).
 */
#include "runtime/base/check.h"
#include "runtime/lua/pattern.h"
#include "runtime/lua/plan.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { STEPS_MAX = 8, PATTERN_STEPS = 200000 };

static void step_to_end(struct rv_plan *plan, json_t *answer)
{
    struct rv_plan_request request;
    struct rv_error err = {.code = RV_OK};
    json_t *result = NULL;
    enum rv_plan_status status = rv_plan_step(plan, NULL, &request, &result, &err);
    for (int i = 0; status == RV_PLAN_REQUEST && i < STEPS_MAX; i++) {
        status = rv_plan_step(plan, answer, &request, &result, &err);
    }
    RV_ASSERT((status == RV_PLAN_FAILED) == (err.code != RV_OK));
    json_decref(result);
}

static void try_agent(const char *text, size_t length)
{
    struct rv_agent *agent = NULL;
    struct rv_plan *plan = NULL;
    struct rv_error err = {.code = RV_OK};
    if (rv_agent_load(text, length, "fuzz.lua", &agent, &err) != RV_OK) {
        RV_ASSERT(err.code != RV_OK && err.message[0] != '\0');
        return;
    }
    json_t *input = json_pack("{s:s,s:{s:s}}", "run", "r_1", "exception", "code", "F01");
    json_t *answer = json_pack("{s:b,s:[{s:i}]}", "ok", 1, "value", "id", 1);
    if (rv_plan_start(agent, "plan", input, &plan, &err) == RV_OK) {
        step_to_end(plan, answer);
    }
    json_decref(answer);
    json_decref(input);
    rv_plan_destroy(plan);
    rv_agent_destroy(agent);
}

static const char echo_text[] =
    "local agent = { name = 'e', version = '1', handles = {}, uses = {} }\n"
    "function agent.plan(ctx)\n"
    "  local value = erp.get('invoice', 1)\n"
    "  local function walk(v) if type(v) == 'table' then for _, item in pairs(v) do walk(item) end end end\n"
    "  walk(value)\n"
    "  memory.set('k', { value = value })\n"
    "end\n"
    "return agent\n";

static bool has_null_or_real(const json_t *value)
{
    const char *key;
    json_t *item;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)value, i, item)
    {
        if (has_null_or_real(item)) {
            return true;
        }
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, item)
    {
        if (has_null_or_real(item)) {
            return true;
        }
    }
    return json_is_null(value) || json_is_real(value);
}

static void try_json(const char *text, size_t length)
{
    json_t *value = NULL;
    if (rv_json_parse(text, length, "fuzz", &value, NULL) != RV_OK) {
        return;
    }
    struct rv_agent *agent = NULL;
    struct rv_plan *plan = NULL;
    struct rv_error err = {.code = RV_OK};
    struct rv_plan_request request;
    json_t *result = NULL;
    json_t *input = json_object();
    json_t *answer = json_pack("{s:b,s:O}", "ok", 1, "value", value);
    RV_ASSERT(rv_agent_load(echo_text, strlen(echo_text), "echo.lua", &agent, &err) == RV_OK);
    RV_ASSERT(rv_plan_start(agent, "plan", input, &plan, &err) == RV_OK);
    RV_ASSERT(rv_plan_step(plan, NULL, &request, &result, &err) == RV_PLAN_REQUEST);
    if (rv_plan_step(plan, answer, &request, &result, &err) == RV_PLAN_REQUEST &&
        !has_null_or_real(value)) {
        const json_t *back = json_object_get(json_object_get(request.args, "value"), "value");
        RV_ASSERT(json_equal((json_t *)(uintptr_t)back, value));
    }
    json_decref(result);
    json_decref(answer);
    json_decref(input);
    json_decref(value);
    rv_plan_destroy(plan);
    rv_agent_destroy(agent);
}

static void try_pattern(const char *text, size_t length)
{
    const char *end = memchr(text, '\0', length);
    size_t pattern_length = end != NULL ? (size_t)(end - text) : length;
    if (pattern_length > PATTERN_LENGTH_MAX) {
        return;
    }
    const char *subject = end != NULL ? end + 1 : text;
    size_t subject_length = end != NULL ? length - pattern_length - 1 : 0;
    struct pattern *pattern = rv_alloc(pattern_size(pattern_length));
    struct pattern_match match;
    int64_t steps = PATTERN_STEPS;
    if (pattern_compile(text, pattern_length, pattern) == NULL &&
        pattern_find(pattern, subject, subject_length, 0, SIZE_MAX, &steps, &match) == PATTERN_YES) {
        RV_ASSERT(match.start <= match.end && match.end <= subject_length);
        for (int i = 0; i < pattern->capture_count; i++) {
            RV_ASSERT(match.captures[i].start + match.captures[i].length <= subject_length);
        }
    }
    rv_free(pattern);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const char *text = (const char *)bytes + 1;
    switch (bytes[0] % 3) {
    case 0:
        try_agent(text, size - 1);
        break;
    case 1:
        try_json(text, size - 1);
        break;
    default:
        try_pattern(text, size - 1);
    }
    return 0;
}
