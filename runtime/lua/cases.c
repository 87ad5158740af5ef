/* cases.c -- see cases.h.
 *
 * The file of cases is wrapped, on its first line so that line numbers stay, into an agent whose
 * review gives the list: so it is sealed, capped and turned into JSON by the same code as
 * everything else.
 */
#include "runtime/lua/cases.h"

#include "runtime/base/buf.h"
#include "runtime/base/check.h"

#include <string.h>

enum { SAY_BYTES = 200 };

struct running {
    const char *file;
    const json_t *one; /* the case */
    const struct rv_case_checks *checks;
    struct rv_error *err;
    json_t *plan; /* out: what was proposed; owned */
};

/* ---- reading the file ---- */

static enum rv_code read_cases(const char *source, size_t length, const char *file, json_t **out,
                               struct rv_error *err)
{
    static const char before[] = "local cases = (function() ";
    static const char after[] = "\nend)()\nreturn { name = 'cases', version = '1', handles = {}, "
                                "uses = {}, plan = function() end, "
                                "review = function() return { cases = cases } end }\n";
    struct rv_buf text;
    rv_buf_init(&text, RV_AGENT_SOURCE_MAX + sizeof before + sizeof after);
    rv_buf_str(&text, before);
    rv_buf_add(&text, source, length);
    rv_buf_str(&text, after);
    struct rv_agent *agent = NULL;
    struct rv_plan *plan = NULL;
    struct rv_plan_request request;
    json_t *result = NULL;
    json_t *input = json_object();
    enum rv_code code = rv_buf_ok(&text, "the file of cases", err);
    if (code == RV_OK) {
        code = rv_agent_load(text.data, text.length, file, &agent, err);
    }
    if (code == RV_OK) {
        code = rv_plan_start(agent, "review", input, &plan, err);
    }
    if (code == RV_OK && rv_plan_step(plan, NULL, &request, &result, err) != RV_PLAN_DONE) {
        code = rv_fail(err, RV_INVALID, "%s asks for something while it loads", file);
    }
    if (code == RV_OK) {
        *out = json_incref(json_object_get(result, "cases"));
        code = json_is_array(*out)
                   ? RV_OK
                   : rv_fail(err, RV_INVALID, "%s does not return a list of cases", file);
    }
    json_decref(result);
    json_decref(input);
    rv_plan_destroy(plan);
    rv_agent_destroy(agent);
    rv_buf_fini(&text);
    return code;
}

/* ---- comparing ---- */

static enum rv_code differ(const struct running *run, const char *what, const char *wanted,
                           const json_t *found)
{
    char *text = found != NULL ? rv_json_text(found) : rv_strdup("nothing");
    rv_fail(run->err, RV_INVALID, "%s: case \"%s\": %s: expected %s, found %.*s", run->file,
            rv_json_str(run->one, "name", "?"), what, wanted, SAY_BYTES, text);
    rv_detail(run->err, "%s", text);
    rv_free(text);
    return RV_INVALID;
}

/* Everything that `wanted` names is in `found`; an empty table of Lua may be a list or an object.
 */
static bool includes(const json_t *wanted, const json_t *found)
{
    const char *key;
    json_t *value;
    if (json_is_object(wanted) && json_object_size(wanted) == 0) {
        return json_is_object(found) || (json_is_array(found) && json_array_size(found) == 0);
    }
    if (json_is_object(wanted) && json_is_object(found)) {
        json_object_foreach((json_t *)(uintptr_t)wanted, key, value)
        {
            if (!includes(value, json_object_get(found, key))) {
                return false;
            }
        }
        return true;
    }
    if (json_is_array(wanted) && json_is_array(found)) {
        bool same = json_array_size(wanted) == json_array_size(found);
        for (size_t i = 0; same && i < json_array_size(wanted); i++) {
            same = includes(json_array_get(wanted, i), json_array_get(found, i));
        }
        return same;
    }
    return found != NULL && json_equal((json_t *)(uintptr_t)wanted, (json_t *)(uintptr_t)found);
}

static bool mentions(const json_t *value, const char *text)
{
    const char *key;
    json_t *item;
    size_t i;
    if (json_is_string(value)) {
        return strstr(json_string_value(value), text) != NULL;
    }
    json_array_foreach((json_t *)(uintptr_t)value, i, item)
    {
        if (mentions(item, text)) {
            return true;
        }
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, item)
    {
        if (strcmp(key, "untrusted") != 0 && (strstr(key, text) != NULL || mentions(item, text))) {
            return true;
        }
    }
    return false;
}

/* ---- one case ---- */

/* An answer {ask=, args=} or an action {action=, args=} against what came. */
static enum rv_code compare_call(const struct running *run, const char *what, const json_t *wanted,
                                 const char *kind, const char *name, const json_t *args)
{
    const char *wanted_name = rv_json_str(wanted, kind, "nothing more");
    const json_t *fields = json_object_get(wanted, "args");
    if (strcmp(wanted_name, name) != 0) {
        json_t *found = json_pack("{s:s,s:O}", "name", name, "args", args);
        enum rv_code code = differ(run, what, wanted_name, found);
        json_decref(found);
        return code;
    }
    if (fields != NULL && !includes(fields, args)) {
        char *text = rv_json_text(fields);
        enum rv_code code = differ(run, what, text, args);
        rv_free(text);
        return code;
    }
    return RV_OK;
}

static json_t *answer_of(const json_t *given)
{
    const char *error = rv_json_str(given, "error", NULL);
    if (error != NULL) {
        return json_pack("{s:b,s:s,s:s}", "ok", 0, "code", error, "message", error);
    }
    json_t *value = json_object_get(given, "value");
    return json_pack("{s:b,s:O?}", "ok", 1, "value", value);
}

/* Steps to the end.  `*result` is new, or NULL when the plan failed (run->err says why). */
static enum rv_code check_ask(const struct running *run, const char *what, const char *name,
                              const json_t *args)
{
    const struct rv_case_checks *checks = run->checks;
    enum rv_code code =
        checks->ask == NULL ? RV_OK : checks->ask(checks->data, name, args, run->err);
    return code == RV_OK ? RV_OK
                         : rv_wrap(run->err, code, "%s: case \"%s\": %s", run->file,
                                   rv_json_str(run->one, "name", "?"), what);
}

/* ctx:checkpoint: the plan begins again, with the state that it gave. */
static enum rv_code begin_anew(const struct running *run, struct rv_agent *agent, json_t *input,
                               const struct rv_plan_request *request, struct rv_plan **plan)
{
    json_object_set(input, "state", json_object_get(request->args, "state"));
    struct rv_plan *next = NULL;
    enum rv_code code = rv_plan_start(agent, "plan", input, &next, run->err);
    rv_plan_destroy(*plan);
    *plan = next;
    return code;
}

static enum rv_code answer_requests(const struct running *run, struct rv_agent *agent,
                                    json_t *input, struct rv_plan **plan, json_t **result,
                                    bool *failed)
{
    const json_t *answers = json_object_get(run->one, "answers");
    const char *hostile = rv_json_str(run->one, "hostile", NULL);
    struct rv_plan_request request;
    json_t *answer = NULL;
    enum rv_code code = RV_OK;
    for (size_t i = 0; code == RV_OK; i++) {
        enum rv_plan_status status = rv_plan_step(*plan, answer, &request, result, run->err);
        json_decref(answer);
        answer = NULL;
        char what[48];
        snprintf(what, sizeof what, "request %zu, line %d", i + 1, request.line);
        if (status == RV_PLAN_REQUEST) {
            const json_t *given = json_array_get(answers, i);
            code = compare_call(run, what, given, "ask", request.name, request.args);
            if (code == RV_OK && hostile != NULL && mentions(request.args, hostile)) {
                code = differ(run, what, "the hostile text below \"untrusted\" only", request.args);
            }
            if (code == RV_OK) {
                code = check_ask(run, what, request.name, request.args);
            }
            answer = answer_of(given);
            if (code == RV_OK && strcmp(request.name, "checkpoint") == 0) {
                code = begin_anew(run, agent, input, &request, plan); /* the request ends with it */
                json_decref(answer);
                answer = NULL;
            } else if (strcmp(request.name, "handoff") == 0 && rv_json_bool(answer, "ok", false)) {
                *result = json_pack("{s:[]}", "actions"); /* an accepted hand-off ends the run */
                break;
            }
            continue;
        }
        *failed = status == RV_PLAN_FAILED;
        if (!*failed && i < json_array_size(answers)) {
            code = differ(run, "the plan ended", "all answers to be asked for",
                          json_array_get(answers, i));
        }
        break;
    }
    json_decref(answer);
    return code;
}

static enum rv_code compare_actions(const struct running *run, const json_t *result)
{
    const json_t *wanted = json_object_get(run->one, "actions");
    const json_t *actions = json_object_get(result, "actions");
    const char *hostile = rv_json_str(run->one, "hostile", NULL);
    if (hostile != NULL && mentions(result, hostile)) {
        return differ(run, "the plan", "no hostile text", result);
    }
    enum rv_code code = RV_OK;
    size_t count = json_array_size(wanted) > json_array_size(actions) ? json_array_size(wanted)
                                                                      : json_array_size(actions);
    for (size_t i = 0; i < count && code == RV_OK; i++) {
        const json_t *action = json_array_get(actions, i);
        char what[32];
        snprintf(what, sizeof what, "action %zu", i + 1);
        if (action == NULL) {
            return differ(run, what, rv_json_str(json_array_get(wanted, i), "action", "?"), NULL);
        }
        code = compare_call(run, what, json_array_get(wanted, i), "action",
                            rv_json_str(action, "action", ""), json_object_get(action, "args"));
        if (code == RV_OK && json_array_size(json_object_get(action, "evidence")) == 0) {
            code = differ(run, what, "at least one item of evidence", action);
        }
    }
    return code;
}

/* A misspelt expectation would expect nothing. */
static enum rv_code check_fields(const struct running *run)
{
    static const char *const known[] = {"name",  "exception", "answers", "actions",
                                        "fails", "hostile",   "today"};
    const char *key;
    json_t *value;
    if (!json_is_object(run->one) || !json_is_string(json_object_get(run->one, "name"))) {
        rv_fail(run->err, RV_INVALID, "%s: a case is a table with a name", run->file);
        rv_hint(run->err, "Write it as in { name = \"...\", exception = {...}, ... }.");
        return RV_INVALID;
    }
    json_object_foreach((json_t *)(uintptr_t)run->one, key, value)
    {
        bool found = false;
        for (size_t i = 0; i < RV_COUNT(known); i++) {
            found = found || strcmp(known[i], key) == 0;
        }
        if (!found) {
            rv_fail(run->err, RV_INVALID, "%s: case \"%s\": there is no field \"%.60s\"", run->file,
                    rv_json_str(run->one, "name", "?"), key);
            rv_hint(run->err, "A case has name, exception, answers, actions or fails, "
                              "hostile, today.");
            return RV_INVALID;
        }
    }
    return RV_OK;
}

static enum rv_code run_case(struct running *run, struct rv_agent *agent)
{
    const char *fails = rv_json_str(run->one, "fails", NULL);
    enum rv_code code = check_fields(run);
    if (code != RV_OK) {
        return code;
    }
    json_t *input =
        json_pack("{s:s,s:I,s:s,s:i,s:O?}", "run", "r_1", "now_us", (json_int_t)1767225600000000,
                  "today", rv_json_str(run->one, "today", "2026-01-01"), "seed", 1, "exception",
                  json_object_get(run->one, "exception"));
    struct rv_plan *plan = NULL;
    bool failed = false;
    code = rv_plan_start(agent, "plan", input, &plan, run->err);
    if (code == RV_OK) {
        code = answer_requests(run, agent, input, &plan, &run->plan, &failed);
    }
    if (code == RV_OK && failed) {
        code = fails != NULL && strstr(run->err->message, fails) != NULL
                   ? RV_OK
                   : rv_wrap(run->err, RV_INVALID, "%s: case \"%s\"", run->file,
                             rv_json_str(run->one, "name", "?"));
    } else if (code == RV_OK) {
        code = fails != NULL ? differ(run, "the plan", fails, run->plan)
                             : compare_actions(run, run->plan);
    }
    if (code == RV_OK) {
        const struct rv_case_checks *checks = run->checks;
        rv_error_clear(run->err);
        code = checks->plan == NULL ? RV_OK
                                    : checks->plan(checks->data, rv_json_str(run->one, "name", "?"),
                                                   run->plan, run->err);
    }
    json_decref(input);
    rv_plan_destroy(plan);
    return code;
}

enum rv_code rv_agent_cases(struct rv_agent *agent, const char *source, size_t length,
                            const char *file, const struct rv_case_checks *checks,
                            rv_case_told told, void *data, struct rv_error *err)
{
    json_t *cases = NULL;
    enum rv_code code = read_cases(source, length, file, &cases, err);
    for (size_t i = 0; code == RV_OK && i < json_array_size(cases); i++) {
        struct rv_error own = {.code = RV_OK};
        struct running run = {file, json_array_get(cases, i), checks, &own, NULL};
        enum rv_code result = run_case(&run, agent);
        told(data, rv_json_str(run.one, "name", "?"), result, run.plan, &own);
        json_decref(run.plan);
    }
    json_decref(cases);
    return code;
}
