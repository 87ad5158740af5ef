/* api_runs.c -- runs: list, one with its journal, start, signal, cancel. */
#include "runtime/base/check.h"
#include "runtime/http/call.h"

#include "http_sql.h"

#include <string.h>

enum { NAME_MAX_BYTES = 100 };

void rv_api_runs_list(struct rv_call *call)
{
    struct rv_args *args = rv_call_page(call, &rv_sql_api_runs, "status");
    if (args != NULL) {
        rv_call_read(call, &rv_sql_api_runs, args, "run");
    }
}

void rv_api_run_show(struct rv_call *call)
{
    int64_t id = rv_call_id(call, 0, "run");
    if (id == 0) {
        return;
    }
    struct rv_args *args = rv_args_create(&rv_sql_api_run);
    rv_args_i32(args, 1, call->caller->tenant);
    rv_args_i64(args, 2, id);
    rv_call_read(call, &rv_sql_api_run, args, "run");
}

static enum rv_code need_name(const json_t *body, const char *key, const char **out,
                              struct rv_error *err)
{
    enum rv_code code = rv_json_need_str(body, "body", key, out, err);
    if (code == RV_OK && ((*out)[0] == '\0' || strlen(*out) > NAME_MAX_BYTES)) {
        return rv_fail(err, RV_INVALID, "%s must be 1 to %d bytes", key, NAME_MAX_BYTES);
    }
    return code;
}

void rv_api_run_start(struct rv_call *call)
{
    struct rv_error err = {.code = RV_OK};
    const char *agent = NULL;
    if (need_name(call->body, "agent", &agent, &err) != RV_OK) {
        rv_call_fail(call, &err, "agent");
        return;
    }
    bool has_exception = json_is_string(json_object_get(call->body, "exception"));
    bool has_input = json_is_object(json_object_get(call->body, "input"));
    if (has_exception == has_input) {
        rv_fail(&err, RV_INVALID, "a run needs either an exception (text) or an input (object)");
        rv_call_fail(call, &err, "input");
        return;
    }
    const struct rv_api_runs *runs = &call->api->options.runs;
    runs->start(runs->self, call->caller->tenant, call->caller->person, call->body,
                rv_call_accepted, call);
}

void rv_api_run_signal(struct rv_call *call)
{
    struct rv_error err = {.code = RV_OK};
    const char *name = NULL;
    int64_t id = rv_call_id(call, 0, "run");
    if (id == 0) {
        return;
    }
    if (need_name(call->body, "name", &name, &err) != RV_OK) {
        rv_call_fail(call, &err, "name");
        return;
    }
    const json_t *body = json_object_get(call->body, "body");
    if (body == NULL) {
        body = json_null();
    }
    const struct rv_api_runs *runs = &call->api->options.runs;
    runs->signal(runs->self, call->caller->tenant, call->caller->person, id, name, body,
                 rv_call_accepted, call);
}

void rv_api_run_cancel(struct rv_call *call)
{
    int64_t id = rv_call_id(call, 0, "run");
    if (id == 0) {
        return;
    }
    const struct rv_api_runs *runs = &call->api->options.runs;
    runs->cancel(runs->self, call->caller->tenant, call->caller->person, id, rv_call_accepted,
                 call);
}
