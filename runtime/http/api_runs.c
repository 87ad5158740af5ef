/* api_runs.c -- runs: list, one with its journal, start, signal, cancel, raise. */
#include "runtime/base/check.h"
#include "runtime/base/words.h"
#include "runtime/http/call.h"
#include "runtime/lua/given.h"
#include "runtime/run/begin.h"
#include "runtime/run/claim.h"
#include "runtime/run/once.h"
#include "runtime/run/raise.h"
#include "runtime/run/request.h"
#include "runtime/run/search.h"

#include "http_sql.h"
#include "run_sql.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum { FILTER_MAX_BYTES = RV_HTTP_PARAMETER_MAX, OLDER_DIGITS_MAX = 10 };

/* A question for runs on its way: before it the names in it are looked up, one after the other. */
struct search {
    struct rv_call *call;
    struct rv_args *args;
    char waiting_on[FILTER_MAX_BYTES + 1];
    char role[FILTER_MAX_BYTES + 1];
    char agent[FILTER_MAX_BYTES + 1];
    int at; /* in `names` */
};

/* ?waiting_on=&agent=&key=&error=&role=&older=SECONDS, of which `field` is wrong. */
static enum rv_code read_filters(struct search *search, const char **field, struct rv_error *err)
{
    static const char *const texts[] = {"waiting_on", "agent", "key", "error", "role"};
    const struct rv_http_request *request = rv_exchange_request(search->call->exchange);
    char text[FILTER_MAX_BYTES + 1];
    for (int i = 0; i < (int)RV_COUNT(texts); i++) {
        bool given = rv_http_query(request, texts[i], text, sizeof text) && text[0] != '\0';
        rv_args_text(search->args, 5 + i, given ? text : NULL);
    }
    rv_http_query(request, "waiting_on", search->waiting_on, sizeof search->waiting_on);
    rv_http_query(request, "role", search->role, sizeof search->role);
    rv_http_query(request, "agent", search->agent, sizeof search->agent);
    *field = "older";
    if (!rv_http_query(request, "older", text, sizeof text) || text[0] == '\0') {
        rv_args_null(search->args, 10);
        return RV_OK;
    }
    if (strspn(text, "0123456789") != strlen(text) || strlen(text) > OLDER_DIGITS_MAX) {
        return rv_fail(err, RV_INVALID, "older must be a number of seconds");
    }
    rv_args_i64(search->args, 10, strtoll(text, NULL, 10));
    return RV_OK;
}

static void search_refuse(struct search *search, const char *field, const struct rv_error *err)
{
    rv_args_destroy(search->args);
    if (field != NULL) {
        rv_exchange_problem_as(search->call->exchange, 400, err, field);
    } else {
        rv_call_fail(search->call, err, NULL);
    }
}

static void no_role_to_wait_for(const struct search *search, const struct rv_result *result,
                                struct rv_error *err)
{
    rv_run_no_role("waiting_on", search->waiting_on, true, rv_result_text(result, 0, 1), err);
}

static void no_role(const struct search *search, const struct rv_result *result,
                    struct rv_error *err)
{
    rv_run_no_role("role", search->role, false, rv_result_text(result, 0, 1), err);
}

static void no_agent(const struct search *search, const struct rv_result *result,
                     struct rv_error *err)
{
    (void)result;
    rv_run_no_agent("agent", search->agent, err);
}

/* The statements say whether the company has what the parameter names. */
static const struct {
    const char *parameter;
    size_t value;        /* in struct search */
    const char *no_name; /* words that are none */
    const struct rv_statement *statement;
    void (*refuse)(const struct search *search, const struct rv_result *result,
                   struct rv_error *err);
} names[] = {
    {"waiting_on", offsetof(struct search, waiting_on), rv_run_wait_words, &rv_sql_run_role_known,
     no_role_to_wait_for},
    {"role", offsetof(struct search, role), "", &rv_sql_run_role_known, no_role},
    {"agent", offsetof(struct search, agent), "", &rv_sql_run_agent_known, no_agent},
};

static void look_up(struct search *search);

static void on_looked_up(void *data, enum rv_code code, const struct rv_result *result,
                         const struct rv_error *err)
{
    struct search *search = data;
    struct rv_error wrong = {.code = RV_OK};
    if (code != RV_OK) {
        search_refuse(search, NULL, err);
    } else if (!rv_result_bool(result, 0, 0)) {
        names[search->at].refuse(search, result, &wrong);
        search_refuse(search, names[search->at].parameter, &wrong);
    } else {
        search->at++;
        look_up(search);
    }
}

/* From `at` on; then the question itself. */
static void look_up(struct search *search)
{
    struct rv_call *call = search->call;
    for (; search->at < (int)RV_COUNT(names); search->at++) {
        const char *name = (const char *)search + names[search->at].value;
        if (name[0] != '\0' && !rv_words_have(names[search->at].no_name, name)) {
            struct rv_args *args = rv_args_create(names[search->at].statement);
            rv_args_i32(args, 1, call->caller->tenant);
            rv_args_text(args, 2, name);
            rv_db_query(call->api->options.db, call->caller->tenant, names[search->at].statement,
                        args, on_looked_up, search);
            return;
        }
    }
    rv_call_read(call, &rv_sql_api_runs, search->args, "run");
}

void rv_api_runs_list(struct rv_call *call)
{
    struct rv_error err = {.code = RV_OK};
    const char *field = NULL;
    if (!rv_call_word(call, "error", rv_run_error_words)) {
        return;
    }
    struct rv_args *args = rv_call_page(call, &rv_sql_api_runs, "status", rv_run_status_words);
    if (args == NULL) {
        return;
    }
    struct search *search = rv_arena_alloc(rv_exchange_arena(call->exchange), sizeof *search);
    *search = (struct search){.call = call, .args = args};
    if (read_filters(search, &field, &err) != RV_OK) {
        search_refuse(search, field, &err);
    } else {
        look_up(search);
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
    if (name[0] == '\0' || strlen(name) > RV_SIGNAL_NAME_MAX) {
        return rv_fail(err, RV_INVALID, "%s must be 1 to %d bytes", key, RV_SIGNAL_NAME_MAX);
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

/* The field Idempotency-Key: a string as RFC 8941 writes it, "in quotes", or the key as it is; NULL
 * without one.  False: answered. */
static bool read_once(struct rv_call *call, const char **out)
{
    struct rv_error err = {.code = RV_OK};
    const char *field = rv_http_field(rv_exchange_request(call->exchange), "idempotency-key");
    *out = NULL;
    if (field == NULL) {
        return true;
    }
    size_t length = strlen(field);
    char *key = rv_arena_strdup(rv_exchange_arena(call->exchange), field);
    bool good = true;
    if (field[0] == '"') {
        size_t n = 0;
        size_t at = 1;
        for (; at < length && field[at] != '"'; at++) {
            at += field[at] == '\\' && at + 1 < length;
            key[n++] = field[at];
        }
        key[n] = '\0';
        good = at + 1 == length; /* the quote at its end, and nothing after */
    }
    *out = key;
    if (!good) {
        rv_fail(&err, RV_INVALID, "the field Idempotency-Key is not one text in quotes");
        rv_hint(&err, "Write it as Idempotency-Key: \"8e03978e-40d5-43dd-bc93-6894a57f9324\".");
    } else {
        good = rv_once_check("the field Idempotency-Key", key, &err) == RV_OK;
    }
    if (!good) {
        rv_call_fail(call, &err, "Idempotency-Key");
    }
    return good;
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
    if (!read_once(call, &start.once)) {
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
    const char *once = NULL;
    if (!read_once(call, &once)) {
        return;
    }
    const json_t *body = json_object_get(call->body, "body");
    if (body == NULL) {
        body = json_null();
    }
    if (rv_plan_may_get("body", body, &err) != RV_OK) {
        rv_call_fail(call, &err, "body");
        return;
    }
    const struct rv_api_runs *runs = &call->api->options.runs;
    runs->signal(runs->self, call->caller, id, name, body, once, rv_call_accepted, call);
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
