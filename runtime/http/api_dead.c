/* api_dead.c -- dead letters: runs that did not end well; letting one go on, by the rules of
 * runtime/run/revive.h, and saying that it was dealt with (runtime/run/settle.h).
 *
 *   body -> [desk: which step, would it fail again?] -> through the gate, as `reeve run revive`
 */
#include "run_sql.h"
#include "runtime/base/check.h"
#include "runtime/http/desk.h"
#include "runtime/run/fork.h"
#include "runtime/run/search.h"

#include <inttypes.h>
#include <string.h>

enum { FILTER_MAX_BYTES = 256 };

/* ---- which ---- */

/* Whether there was ever such an agent is looked up before the question. */
struct question {
    struct rv_call *call;
    struct rv_args *args;
    char agent[FILTER_MAX_BYTES + 1];
};

static void on_agent(void *data, enum rv_code code, const struct rv_result *result,
                     const struct rv_error *err)
{
    const struct question *question = data;
    struct rv_error wrong = {.code = RV_OK};
    if (code == RV_OK && rv_result_bool(result, 0, 0)) {
        rv_call_read(question->call, &rv_sql_run_dead_page, question->args, "dead letter");
        return;
    }
    rv_args_destroy(question->args);
    if (code != RV_OK) {
        rv_call_fail(question->call, err, NULL);
    } else {
        rv_run_no_agent("agent", question->agent, &wrong);
        rv_exchange_problem_as(question->call->exchange, 400, &wrong, "agent");
    }
}

/* ?class=&agent=&error=&revived=1 beside those of every list. */
void rv_api_dead_letters(struct rv_call *call)
{
    const struct rv_http_request *request = rv_exchange_request(call->exchange);
    char text[FILTER_MAX_BYTES + 1];
    if (!rv_call_word(call, "revived", "0 1") || !rv_call_word(call, "error", rv_run_error_words)) {
        return;
    }
    struct rv_args *args = rv_call_page(call, &rv_sql_run_dead_page, "class", rv_run_dead_words);
    if (args == NULL) {
        return;
    }
    struct question *question = rv_arena_alloc(rv_exchange_arena(call->exchange), sizeof *question);
    *question = (struct question){.call = call, .args = args};
    rv_http_query(request, "agent", question->agent, sizeof question->agent);
    rv_args_text(args, 5, question->agent[0] != '\0' ? question->agent : NULL);
    bool given = rv_http_query(request, "error", text, sizeof text) && text[0] != '\0';
    rv_args_text(args, 6, given ? text : NULL);
    rv_args_bool(args, 7,
                 rv_http_query(request, "revived", text, sizeof text) && strcmp(text, "1") == 0);
    if (question->agent[0] == '\0') {
        rv_call_read(call, &rv_sql_run_dead_page, args, "dead letter");
        return;
    }
    struct rv_args *named = rv_args_create(&rv_sql_run_agent_known);
    rv_args_i32(named, 1, call->caller->tenant);
    rv_args_text(named, 2, question->agent);
    rv_db_query(call->api->options.db, call->caller->tenant, &rv_sql_run_agent_known, named,
                on_agent, question);
}

static enum rv_code show(struct rv_asked *asked, struct rv_error *err)
{
    int64_t *run = asked->call->data;
    json_t *dead = json_array();
    enum rv_code code =
        asked->call->api->options.runs.dead(asked->session, asked->tenant, *run, dead, err);
    if (code == RV_OK) {
        asked->answer = json_incref(json_array_get(dead, 0));
        json_object_set_new(asked->answer, "id", json_sprintf("%" PRId64, *run));
    }
    json_decref(dead);
    return code;
}

/* The run of the path, where the work finds it; false: answered. */
static bool take_run(struct rv_call *call)
{
    int64_t *run = rv_arena_alloc(rv_exchange_arena(call->exchange), sizeof *run);
    *run = rv_call_id(call, 0, "run");
    call->data = run;
    return *run != 0;
}

void rv_api_dead_letter(struct rv_call *call)
{
    if (take_run(call)) {
        rv_desk_read(call, show);
    }
}

/* ---- going on ---- */

static enum rv_code read_message(const json_t *body, struct rv_run_fork *out, const char **field,
                                 struct rv_error *err)
{
    const json_t *message = json_object_get(body, "message");
    int64_t step = 0;
    *field = "message";
    if (message == NULL) {
        return RV_OK;
    }
    if (!json_is_object(message)) {
        return rv_fail(err, RV_INVALID, "message must be {\"step\", \"body\"}");
    }
    enum rv_code code = rv_json_only(message, "message", "*step *body", field, err);
    if (code != RV_OK) {
        return code;
    }
    *field = "message.step";
    code = rv_json_need_int(message, "message", "step", &step, err);
    if (code == RV_OK && (step < 1 || step > INT32_MAX)) {
        code = rv_fail(err, RV_INVALID, "message.step must be the number of a step");
    }
    out->message.step = (int32_t)step;
    out->message.body = json_object_get(message, "body");
    if (code == RV_OK && out->message.body == NULL) {
        *field = "message.body";
        code = rv_fail(err, RV_INVALID, "message.body must say what the message says instead");
    }
    return code;
}

static enum rv_code read_wish(const json_t *body, struct rv_run_fork *out, const char **field,
                              struct rv_error *err)
{
    *out = (struct rv_run_fork){.version = rv_json_str(body, "agent_version", NULL),
                                .input = json_object_get(body, "input"),
                                .revive = true,
                                .reason = rv_json_str(body, "reason", NULL)};
    *field = "input";
    if (out->input != NULL && !json_is_object(out->input)) {
        return rv_fail(err, RV_INVALID, "input must be a JSON object");
    }
    const json_t *preview = json_object_get(body, "preview");
    *field = "preview";
    if (preview != NULL && !json_is_boolean(preview)) {
        return rv_fail(err, RV_INVALID, "preview must be true or false");
    }
    return read_message(body, out, field, err);
}

/* On its way through the gate. */
struct reviving {
    struct rv_call *call;
    struct rv_run_fork fork; /* input and message are the body's */
};

static json_t *answer_of(const struct rv_run_fork *fork, const char *id)
{
    json_t *answer = json_pack("{s:o,s:i,s:b}", "run", json_sprintf("r_%" PRId64, fork->run),
                               "at_step", (int)fork->at, "revived", id != NULL);
    if (id != NULL) {
        json_object_set_new(answer, "id", json_string(id));
        json_object_set_new(answer, "new_run", json_sprintf("r_%s", id));
    }
    return answer;
}

static void on_revived(void *data, enum rv_code code, const json_t *answer,
                       const struct rv_error *err)
{
    struct reviving *reviving = data;
    json_t *whole =
        code == RV_OK ? answer_of(&reviving->fork, rv_json_str(answer, "id", "")) : NULL;
    rv_call_accepted(reviving->call, code, whole, err);
    json_decref(whole);
    rv_free(reviving);
}

static void begin(struct rv_call *call, void *data)
{
    struct reviving *reviving = data;
    const struct rv_api_runs *runs = &call->api->options.runs;
    runs->revive(runs->self, call->caller, &reviving->fork, on_revived, reviving);
}

static enum rv_code find(struct rv_asked *asked, struct rv_error *err)
{
    const int64_t *run = asked->call->data;
    const struct rv_api_runs *runs = &asked->call->api->options.runs;
    struct rv_run_fork fork;
    const json_t *body = asked->call->body;
    json_t *dead = json_array();
    enum rv_code code = read_wish(body, &fork, &asked->field, err);
    if (code == RV_OK) {
        asked->field = NULL;
        code = runs->dead(asked->session, asked->tenant, *run, dead, err);
    }
    if (code == RV_OK) {
        code = runs->find(asked->session, asked->tenant, json_array_get(dead, 0), &fork,
                          &asked->field, err);
    }
    json_decref(dead);
    if (code == RV_OK && json_is_true(json_object_get(body, "preview"))) {
        asked->answer = answer_of(&fork, NULL);
    } else if (code == RV_OK) {
        struct reviving *reviving = rv_alloc(sizeof *reviving);
        *reviving = (struct reviving){asked->call, fork};
        asked->then = begin;
        asked->data = reviving;
    }
    return code;
}

void rv_api_run_revive(struct rv_call *call)
{
    if (take_run(call)) {
        rv_desk_read(call, find);
    }
}

/* ---- dealt with, outside ---- */

static enum rv_code settle(struct rv_asked *asked, struct rv_error *err)
{
    const struct rv_call *call = asked->call;
    const int64_t *run = call->data;
    const char *reason = rv_json_str(call->body, "reason", NULL);
    enum rv_code code = call->api->options.runs.settle(asked->session, asked->tenant, *run,
                                                       call->caller->person, reason, err);
    asked->field = code == RV_INVALID ? "reason" : NULL;
    if (code == RV_OK) {
        asked->answer = json_pack("{s:o,s:s,s:s}", "run", json_sprintf("r_%" PRId64, *run),
                                  "settled_by", call->caller->person, "reason", reason);
    }
    return code;
}

void rv_api_run_settle(struct rv_call *call)
{
    if (take_run(call)) {
        const int64_t *run = call->data;
        rv_desk_act(call, "run.settle",
                    json_pack("{s:o,s:s?}", "run", json_sprintf("r_%" PRId64, *run), "reason",
                              rv_json_str(call->body, "reason", NULL)),
                    settle);
    }
}
