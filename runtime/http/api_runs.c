/* api_runs.c -- runs: list, one with its journal, start, signal, cancel, raise. */
#include "runtime/base/check.h"
#include "runtime/http/call.h"
#include "runtime/run/begin.h"
#include "runtime/run/claim.h"
#include "runtime/run/raise.h"

#include "http_sql.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 100, FILTER_MAX_BYTES = 256, OLDER_DIGITS_MAX = 10 };

/* ?waiting_on=&agent=&key=&error=&role=&older=SECONDS beside every list's own; false: answered. */
static bool add_filters(struct rv_call *call, struct rv_args *args)
{
    static const char *const names[] = {"waiting_on", "agent", "key", "error", "role"};
    const struct rv_http_request *request = rv_exchange_request(call->exchange);
    char text[FILTER_MAX_BYTES + 1];
    struct rv_error err = {.code = RV_OK};
    for (int i = 0; i < (int)RV_COUNT(names); i++) {
        bool given = rv_http_query(request, names[i], text, sizeof text) && text[0] != '\0';
        rv_args_text(args, 5 + i, given ? text : NULL);
    }
    if (!rv_http_query(request, "older", text, sizeof text) || text[0] == '\0') {
        rv_args_null(args, 10);
        return true;
    }
    if (strspn(text, "0123456789") != strlen(text) || strlen(text) > OLDER_DIGITS_MAX) {
        rv_fail(&err, RV_INVALID, "older must be a number of seconds");
        rv_call_fail(call, &err, "older");
        return false;
    }
    rv_args_i64(args, 10, strtoll(text, NULL, 10));
    return true;
}

void rv_api_runs_list(struct rv_call *call)
{
    struct rv_args *args = rv_call_page(call, &rv_sql_api_runs, "status");
    if (args == NULL) {
        return;
    }
    if (add_filters(call, args)) {
        rv_call_read(call, &rv_sql_api_runs, args, "run");
    } else {
        rv_args_destroy(args);
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

static enum rv_code check_name(const char *key, const char *name, struct rv_error *err)
{
    if (name[0] == '\0' || strlen(name) > NAME_MAX_BYTES) {
        return rv_fail(err, RV_INVALID, "%s must be 1 to %d bytes", key, NAME_MAX_BYTES);
    }
    if (name[0] == '$') {
        return rv_fail(err, RV_INVALID, "%s must not begin with \"$\": those are reeve's own", key);
    }
    return RV_OK;
}

static enum rv_code need_name(const json_t *body, const char *key, const char **out,
                              struct rv_error *err)
{
    enum rv_code code = rv_json_need_str(body, "body", key, out, err);
    return code == RV_OK ? check_name(key, *out, err) : code;
}

/* {"exception", "agent"?} for a discrepancy, or {"agent", "input"?, "key"?, "priority"?} for other
 * work. */
static enum rv_code read_start(const json_t *body, struct rv_api_start *out, const char **field,
                               struct rv_error *err)
{
    static const char *const apart[] = {"input", "key", "priority"};
    json_t *priority = json_object_get(body, "priority");
    out->agent = rv_json_str(body, "agent", NULL);
    out->input = json_object_get(body, "input");
    out->key = rv_json_str(body, "key", NULL);
    out->priority = -1;
    if (priority != NULL) {
        *field = "priority";
        json_int_t value = json_is_integer(priority) ? json_integer_value(priority) : -1;
        if (value < 0 || value > RV_CLAIM_PRIORITY_MAX) {
            return rv_fail(err, RV_INVALID, "priority must be a number from 0 to %d",
                           RV_CLAIM_PRIORITY_MAX);
        }
        out->priority = (int)value;
    }
    if (json_object_get(body, "exception") == NULL && out->agent != NULL) {
        struct rv_run_begin_input with = {
            .agent = out->agent, .input = out->input, .key = out->key, .priority = out->priority};
        return rv_run_begin_check(&with, field, err);
    }
    *field = "agent";
    if (out->agent != NULL && check_name("agent", out->agent, err) != RV_OK) {
        return RV_INVALID;
    }
    *field = "exception";
    if (need_name(body, "exception", &out->exception, err) != RV_OK) {
        rv_hint(err, "Name an open exception (GET /v1/exceptions?state=open), or an agent and the "
                     "input that its plan gets.");
        return RV_INVALID;
    }
    for (size_t i = 0; i < RV_COUNT(apart); i++) {
        if (json_object_get(body, apart[i]) != NULL) {
            *field = apart[i];
            return rv_fail(err, RV_INVALID, "%s and exception exclude each other", apart[i]);
        }
    }
    return RV_OK;
}

void rv_api_run_start(struct rv_call *call)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_api_start start = {.exception = NULL};
    const char *field = NULL;
    if (read_start(call->body, &start, &field, &err) != RV_OK) {
        rv_call_fail(call, &err, field);
        return;
    }
    const struct rv_api_runs *runs = &call->api->options.runs;
    start.traceparent = rv_http_field(rv_exchange_request(call->exchange), "traceparent");
    runs->start(runs->self, call->caller, &start, rv_call_accepted, call);
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
    runs->signal(runs->self, call->caller, id, name, body, rv_call_accepted, call);
}

void rv_api_run_cancel(struct rv_call *call)
{
    struct rv_error err = {.code = RV_OK};
    int64_t id = rv_call_id(call, 0, "run");
    if (id == 0) {
        return;
    }
    const char *reason = call->body != NULL ? rv_json_str(call->body, "reason", NULL) : NULL;
    if (reason != NULL && strlen(reason) > RV_API_COMMENT_MAX) {
        rv_fail(&err, RV_INVALID, "reason is longer than %d bytes", RV_API_COMMENT_MAX);
        rv_call_fail(call, &err, "reason");
        return;
    }
    const struct rv_api_runs *runs = &call->api->options.runs;
    runs->cancel(runs->self, call->caller, id, reason != NULL ? reason : "asked to stop",
                 rv_call_accepted, call);
}

void rv_api_run_raise(struct rv_call *call)
{
    struct rv_error err = {.code = RV_OK};
    const char *field = NULL;
    int64_t id = rv_call_id(call, 0, "run");
    if (id == 0) {
        return;
    }
    if (rv_run_check_raise(call->body, &field, &err) != RV_OK) {
        rv_call_fail(call, &err, field);
        return;
    }
    const struct rv_api_runs *runs = &call->api->options.runs;
    runs->raise(runs->self, call->caller, id, call->body, rv_call_accepted, call);
}
