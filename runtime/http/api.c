/* api.c -- the table of routes and the way of a call: route, credential, permission, body, handler.
 *
 *   admit (head is there):  route known? method? -> how large a body
 *   handle:                 who asks? -> may they? -> same origin and CSRF token for a session's
 *                           write -> JSON object -> handler -> exactly one answer
 */
#include "runtime/http/api.h"

#include "runtime/audit/act.h"
#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "runtime/base/words.h"
#include "runtime/http/call.h"
#include "runtime/http/desk.h"
#include "runtime/http/openai_share.h"
#include "runtime/journal/blob.h"

#include "http_sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* clang-format off */
static const struct rv_route own_routes[] = {
    {"GET",    "/health",                     RV_MAY_ANYONE,     0, false, rv_api_health},
    {"POST",   "/v1/session",                 RV_MAY_ANYONE,     RV_API_BODY_MAX, false, rv_api_sign_in},
    {"DELETE", "/v1/session",                 RV_MAY_SIGNED_IN,  0, false, rv_api_sign_out},
    {"GET",    "/v1/me",                      RV_MAY_SIGNED_IN,  0, false, rv_api_me},
    {"GET",    "/v1/approvals",               RV_MAY_READ,       0, false, rv_api_approvals_list},
    {"GET",    "/v1/approvals/{}",            RV_MAY_READ,       0, false, rv_api_approval_show},
    {"POST",   "/v1/approvals/{}/decision",   RV_MAY_DECIDE,     RV_API_BODY_MAX, false, rv_api_approval_decide},
    {"GET",    "/v1/runs",                    RV_MAY_READ,       0, false, rv_api_runs_list},
    {"POST",   "/v1/runs",                    RV_MAY_OPERATE,    RV_API_INPUT_MAX, false, rv_api_run_start},
    {"POST",   "/v1/runs/bulk",               RV_MAY_OPERATE,    RV_API_INPUT_MAX, false, rv_api_runs_bulk},
    {"GET",    "/v1/runs/{}",                 RV_MAY_READ,       0, false, rv_api_run_show},
    {"POST",   "/v1/runs/{}/signal",          RV_MAY_OPERATE,    RV_API_INPUT_MAX, false, rv_api_run_signal},
    {"POST",   "/v1/runs/{}/cancel",          RV_MAY_OPERATE,    RV_API_BODY_MAX, false, rv_api_run_cancel},
    {"POST",   "/v1/runs/{}/budget",          RV_MAY_OPERATE,    RV_API_BODY_MAX, false, rv_api_run_raise},
    {"GET",    "/v1/runs/{}/values",          RV_MAY_READ,       0, false, rv_api_values},
    {"GET",    "/v1/runs/{}/values/{}",       RV_MAY_READ,       0, false, rv_api_values},
    {"GET",    "/v1/runs/{}/updates",         RV_MAY_READ,       0, false, rv_api_updates_list},
    {"POST",   "/v1/runs/{}/updates",         RV_MAY_OPERATE,    RV_API_INPUT_MAX, false, rv_api_update},
    {"GET",    "/v1/runs/{}/updates/{}",      RV_MAY_READ,       0, false, rv_api_update_show},
    {"POST",   "/v1/runs/{}/revive",          RV_MAY_OPERATE,    RV_API_INPUT_MAX, false, rv_api_run_revive},
    {"POST",   "/v1/runs/{}/settle",          RV_MAY_OPERATE,    RV_API_BODY_MAX, false, rv_api_run_settle},
    {"POST",   "/v1/runs/{}/retry",           RV_MAY_OPERATE,    RV_API_BODY_MAX, false, rv_api_run_retry},
    {"POST",   "/v1/runs/{}/fork",            RV_MAY_OPERATE,    RV_API_INPUT_MAX, false, rv_api_run_fork},
    {"GET",    "/v1/dead-letters",            RV_MAY_READ,       0, false, rv_api_dead_letters},
    {"GET",    "/v1/dead-letters/{}",         RV_MAY_READ,       0, false, rv_api_dead_letter},
    {"GET",    "/v1/blobs",                   RV_MAY_READ,       0, false, rv_api_blobs_list},
    {"POST",   "/v1/blobs",                   RV_MAY_OPERATE,    RV_BLOB_MAX, true, rv_api_blob_put},
    {"GET",    "/v1/intents",                 RV_MAY_READ,       0, false, rv_api_intents_list},
    {"GET",    "/v1/runs/{}/intents/{}",      RV_MAY_READ,       0, false, rv_api_intent_show},
    {"POST",   "/v1/runs/{}/intents/{}",      RV_MAY_OPERATE,    RV_API_BODY_MAX, false, rv_api_intent_resolve},
    {"GET",    "/v1/exceptions",              RV_MAY_READ,       0, false, rv_api_exceptions_list},
    {"GET",    "/v1/exceptions/{}",           RV_MAY_READ,       0, false, rv_api_exception_show},
    {"GET",    "/v1/schedules",               RV_MAY_READ,       0, false, rv_api_schedules_list},
    {"POST",   "/v1/schedules",               RV_MAY_OPERATE,    RV_API_BODY_MAX, false, rv_api_schedule_add},
    {"GET",    "/v1/schedules/{}",            RV_MAY_READ,       0, false, rv_api_schedule_show},
    {"PATCH",  "/v1/schedules/{}",            RV_MAY_OPERATE,    RV_API_BODY_MAX, false, rv_api_schedule_set},
    {"DELETE", "/v1/schedules/{}",            RV_MAY_OPERATE,    0, false, rv_api_schedule_remove},
    {"POST",   "/v1/schedules/{}/pause",      RV_MAY_OPERATE,    RV_API_BODY_MAX, false, rv_api_schedule_pause},
    {"POST",   "/v1/schedules/{}/resume",     RV_MAY_OPERATE,    RV_API_BODY_MAX, false, rv_api_schedule_resume},
    {"POST",   "/v1/schedules/{}/trigger",    RV_MAY_OPERATE,    RV_API_BODY_MAX, false, rv_api_schedule_trigger},
    {"POST",   "/v1/schedules/{}/backfill",   RV_MAY_OPERATE,    RV_API_BODY_MAX, false, rv_api_schedule_backfill},
    {"GET",    "/v1/calendars",               RV_MAY_READ,       0, false, rv_api_calendars_list},
    {"GET",    "/v1/calendars/{}",            RV_MAY_READ,       0, false, rv_api_calendar_show},
    {"PUT",    "/v1/calendars/{}",            RV_MAY_OPERATE,    RV_API_CALENDAR_MAX, false, rv_api_calendar_put},
    {"DELETE", "/v1/calendars/{}",            RV_MAY_OPERATE,    0, false, rv_api_calendar_remove},
    {"GET",    "/v1/events",                  RV_MAY_READ,       0, false, rv_api_events},
    {"GET",    "/v1/hooks",                   RV_MAY_ADMINISTER, 0, false, rv_api_hooks_list},
    {"GET",    "/v1/hooks/deliveries",        RV_MAY_ADMINISTER, 0, false, rv_api_hook_deliveries},
    {"POST",   "/v1/hooks/deliveries/{}/{}",  RV_MAY_ADMINISTER, RV_API_BODY_MAX, false, rv_api_hook_redrive},
    {"POST",   "/v1/hooks/callback",          RV_MAY_ANYONE,     RV_API_BODY_MAX, true, rv_api_hook_callback},
    {"POST",   "/v1/chat/completions",        RV_MAY_READ,       RV_API_INPUT_MAX, false, rv_api_chat_completions},
    {"POST",   "/v1/completions",             RV_MAY_READ,       RV_API_INPUT_MAX, false, rv_api_completions},
    {"POST",   "/v1/embeddings",              RV_MAY_READ,       RV_API_INPUT_MAX, false, rv_api_embeddings},
    {"GET",    "/v1/models",                  RV_MAY_READ,       0, false, rv_api_models_list},
    {"GET",    "/v1/models/{}",               RV_MAY_READ,       0, false, rv_api_model_show},
    {"GET",    "/v1/answers/{}",              RV_MAY_READ,       0, false, rv_api_answer_show},
    {"GET",    "/{*}",                        RV_MAY_ANYONE,     0, false, rv_api_page},
    {NULL, NULL, RV_MAY_ANYONE, 0, false, NULL},
};
/* clang-format on */

#define SCHEDULE_WHEN                                                                              \
    "cron zone gap fold overlap except calendar *catch_up_window_s *catch_up_max *jitter_s "       \
    "*pause_after"

/* What a body may have, as rv_json_only takes it.  Those that follow another's
 * interface look at it themselves. */
static const struct {
    const char *pattern, *fields;
} own_bodies[] = {
    {"/v1/session", "tenant name password"},
    {"/v1/approvals/{}/decision", "decision digest comment"},
    {"/v1/runs", "exception agent *input key *priority"},
    {"/v1/runs/bulk", "act reason agent_version *runs *filter *limit *preview *at_step *input"},
    {"/v1/runs/{}/signal", "name *body"},
    {"/v1/runs/{}/updates", "*name *id *body"},
    {"/v1/runs/{}/cancel", "reason"},
    {"/v1/runs/{}/budget",
     "*steps *calls *tokens *risk *children *wall_ms *money *money_minor reason"},
    {"/v1/runs/{}/revive", "*input agent_version reason *message *preview"},
    {"/v1/runs/{}/settle", "reason"},
    {"/v1/runs/{}/retry", "*preview"},
    {"/v1/runs/{}/fork", "agent_version *at_step *input *preview"},
    {"/v1/runs/{}/intents/{}", "outcome reason"},
    {"/v1/schedules", "name agent *input " SCHEDULE_WHEN},
    {"/v1/schedules/{}", "agent *input " SCHEDULE_WHEN},
    {"/v1/schedules/{}/pause", "reason until"},
    {"/v1/schedules/{}/resume", ""},
    {"/v1/schedules/{}/trigger", "id"},
    {"/v1/schedules/{}/backfill", "from to overlap *rate *preview"},
    {"/v1/calendars/{}", "weekend *holidays"},
    {"/v1/hooks/deliveries/{}/{}", ""},
};

/* What the query of a list may have: a filter that is misspelt would give everything. */
static const struct {
    const char *pattern, *parameters;
} own_queries[] = {
    {"/v1/approvals", "status after limit"},
    {"/v1/runs", "status waiting_on role agent key error older after limit"},
    {"/v1/dead-letters", "class agent error revived after limit"},
    {"/v1/blobs", "after limit"},
    {"/v1/intents", "status after limit"},
    {"/v1/exceptions", "state after limit"},
    {"/v1/schedules", "status after limit"},
    {"/v1/hooks/deliveries", "status after limit"},
};

/* False: answered. */
static bool check_query(struct rv_call *call)
{
    const struct rv_route *route = call->match.route;
    struct rv_error err = {.code = RV_OK};
    char field[RV_HTTP_PARAMETER_TEXT] = "";
    for (size_t i = 0; strcmp(route->method, "GET") == 0 && i < RV_COUNT(own_queries); i++) {
        if (strcmp(route->pattern, own_queries[i].pattern) == 0 &&
            rv_http_query_only(rv_exchange_request(call->exchange), own_queries[i].parameters,
                               field, &err) != RV_OK) {
            rv_call_fail(call, &err, field);
            return false;
        }
    }
    return true;
}

static enum rv_code check_fields(const struct rv_call *call, const char **field,
                                 struct rv_error *err)
{
    for (size_t i = 0; i < RV_COUNT(own_bodies); i++) {
        if (strcmp(call->match.route->pattern, own_bodies[i].pattern) == 0) {
            return rv_json_only(call->body, "body", own_bodies[i].fields, field, err);
        }
    }
    return RV_OK;
}

struct rv_api *rv_api_create(const struct rv_api_options *options)
{
    struct rv_api *api = rv_alloc(sizeof *api);
    api->options = *options;
    if (options->operator_token != NULL && options->operator_token[0] != '\0') {
        api->operator_hash = rv_sha256(options->operator_token, strlen(options->operator_token));
        api->has_operator = true;
    }
    api->options.operator_token = NULL;
    api->auth = rv_auth_create(options->loop, options->db);
    api->events = rv_events_create(options->loop, options->db);
    api->desk = rv_desk_create(options->loop, options->uri, options->committer);
    api->pages = rv_pages_create(options->assets);
    while (options->more_routes != NULL && options->more_routes[api->more_count].method != NULL) {
        api->more_count++;
    }
    api->routes =
        rv_alloc_array((size_t)api->more_count + RV_COUNT(own_routes), sizeof *api->routes);
    if (api->more_count > 0) {
        memcpy(api->routes, options->more_routes, (size_t)api->more_count * sizeof *api->routes);
    }
    memcpy(api->routes + api->more_count, own_routes, sizeof own_routes);
    return api;
}

void rv_api_stop(struct rv_api *api)
{
    api->stopped = true;
    rv_desk_stop(api->desk);
    rv_openai_stop(api);
    rv_api_updates_stop(api);
    rv_events_stop(api->events);
}

void rv_api_destroy(struct rv_api *api)
{
    if (api != NULL) {
        rv_events_destroy(api->events);
        rv_desk_destroy(api->desk);
        rv_pages_destroy(api->pages);
        rv_auth_destroy(api->auth);
        rv_openai_shares_free(api);
        rv_free(api->routes);
        rv_free(api);
    }
}

/* ---- admit ---- */

void rv_api_admit(void *data, struct rv_exchange *exchange, size_t *body_max)
{
    struct rv_api *api = data;
    const struct rv_http_request *request = rv_exchange_request(exchange);
    struct rv_call *call = rv_arena_alloc(rv_exchange_arena(exchange), sizeof *call);
    call->api = api;
    call->exchange = exchange;
    rv_exchange_set_context(exchange, call);
    rv_route_find(api->routes, request->method, request->path, &call->match);
    if (call->match.route != NULL) {
        *body_max = call->match.route->body_max;
        call->data =
            call->match.route < api->routes + api->more_count ? api->options.more_data : NULL;
    } else if (call->match.allowed[0] != '\0') {
        rv_exchange_field(exchange, "Allow", call->match.allowed);
        rv_api_refuse(api, exchange, 405, "invalid", "this path does not take that method",
                      "The Allow field lists the methods it takes.");
    } else {
        rv_api_refuse(api, exchange, 404, "not_found", "there is nothing at this path", NULL);
    }
}

/* Below /v1 where no route of our own begins alike: there only programs that speak the other API
 * look for something. */
static bool is_openai_path(const struct rv_api *api, const char *path)
{
    static const char root[] = "/v1/";
    if (path == NULL || strncmp(path, root, sizeof root - 1) != 0) {
        return false;
    }
    size_t length = sizeof root - 1 + strcspn(path + sizeof root - 1, "/");
    for (const struct rv_route *at = api->routes; at->method != NULL; at++) {
        const char *pattern = at->pattern;
        if (strncmp(pattern, path, length) == 0 &&
            (pattern[length] == '/' || pattern[length] == '\0') && !rv_route_is_openai(at)) {
            return false;
        }
    }
    return true;
}

void rv_api_refuse(void *data, struct rv_exchange *exchange, int status, const char *code,
                   const char *title, const char *hint)
{
    const struct rv_http_request *request = rv_exchange_request(exchange);
    if (is_openai_path(data, request->path)) {
        rv_openai_refuse_exchange(exchange, status, code, title, hint);
    } else {
        rv_exchange_refuse(exchange, status, code, title, hint);
    }
}

/* ---- handle ---- */

static void release_body(void *data)
{
    json_decref(data);
}

static void refuse(struct rv_call *call, int status, const char *code, const char *title,
                   const char *hint)
{
    if (rv_call_is_openai(call)) {
        rv_openai_refuse_exchange(call->exchange, status, code, title, hint);
    } else {
        rv_exchange_refuse(call->exchange, status, code, title, hint);
    }
}

static bool read_body(struct rv_call *call)
{
    const struct rv_http_request *request = rv_exchange_request(call->exchange);
    const char *type = rv_http_field(request, "content-type");
    struct rv_error err = {.code = RV_OK};
    if (type == NULL || strncasecmp(type, "application/json", 16) != 0) {
        refuse(call, 415, "invalid", "the body must be JSON",
               "Send it with Content-Type: application/json.");
        return false;
    }
    enum rv_code code =
        rv_json_parse(request->body.data, request->body.length, "body", &call->body, &err);
    if (code == RV_LIMIT) { /* of the text itself: waiting, as 429 asks for, does not help */
        err.code = RV_INVALID;
        code = RV_INVALID;
    }
    if (code == RV_OK) {
        rv_arena_cleanup(rv_exchange_arena(call->exchange), release_body, call->body);
        if (!json_is_object(call->body)) {
            code = rv_fail(&err, RV_INVALID, "the body must be a JSON object");
        }
    }
    const char *field = NULL;
    if (code == RV_OK) {
        code = check_fields(call, &field, &err);
    }
    if (code != RV_OK) {
        rv_call_fail(call, &err, field);
        return false;
    }
    return true;
}

/* A name in the path that no text of the database or the record could be names nothing.  False:
 * answered. */
static bool check_path(struct rv_call *call)
{
    struct rv_error err = {.code = RV_OK};
    for (int i = 0; i < call->match.part_count; i++) {
        const char *part = call->match.parts[i];
        if (!rv_text_utf8(part, strlen(part))) {
            rv_fail(&err, RV_NOT_FOUND, "the path is not valid UTF-8");
            rv_hint(&err, "Write its bytes in UTF-8, each as %%XX: \"\xC3\xBC\" is %%C3%%BC.");
            rv_call_fail(call, &err, NULL);
            return false;
        }
    }
    return true;
}

static void run_handler(struct rv_call *call)
{
    const struct rv_route *route = call->match.route;
    if (!check_path(call) || !check_query(call) ||
        (route->body_max > 0 && !route->body_raw && !read_body(call))) {
        return;
    }
    route->handle(call);
}

/* A browser sends Origin with every write; another site's is refused before the token is looked at.
 */
static bool is_same_origin(const struct rv_exchange *exchange)
{
    const struct rv_http_request *request = rv_exchange_request(exchange);
    const char *origin = rv_http_field(request, "origin");
    if (origin == NULL) {
        return true;
    }
    const char *rest = strstr(origin, "://");
    return rest != NULL && strcasecmp(rest + 3, rv_http_field(request, "host")) == 0;
}

static bool may_write(const struct rv_call *call)
{
    const struct rv_http_request *request = rv_exchange_request(call->exchange);
    bool reads = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
    return reads || call->caller->csrf == NULL ||
           (is_same_origin(call->exchange) &&
            rv_auth_csrf_matches(call->caller, rv_http_field(request, "x-csrf-token")));
}

static const struct rv_caller *keep_caller(struct rv_call *call, const struct rv_caller *caller)
{
    struct rv_arena *arena = rv_exchange_arena(call->exchange);
    struct rv_caller *copy = rv_arena_alloc(arena, sizeof *copy);
    *copy = *caller;
    copy->person = rv_arena_strdup(arena, caller->person);
    copy->roles = rv_arena_strdup(arena, caller->roles);
    copy->csrf = rv_arena_strdup(arena, caller->csrf);
    return copy;
}

void rv_call_refuse_caller(struct rv_call *call, const struct rv_auth_refusal *refusal)
{
    char seconds[16];
    if (refusal->retry_after_s > 0) {
        snprintf(seconds, sizeof seconds, "%d", refusal->retry_after_s);
        rv_exchange_field(call->exchange, "Retry-After", seconds);
    }
    if (refusal->status == 401) {
        rv_exchange_field(call->exchange, "WWW-Authenticate", "Bearer realm=\"reeve\"");
    }
    refuse(call, refusal->status, refusal->code, refusal->title, refusal->hint);
}

struct refusal {
    struct rv_act act; /* first */
    struct rv_call *call;
    struct rv_error err;
};

static void on_refusal_recorded(struct rv_act *act, enum rv_code code, const struct rv_error *err)
{
    struct refusal *refusal = (struct refusal *)act;
    rv_call_fail(refusal->call, code == RV_OK ? &refusal->err : err, NULL);
    json_decref(act->about);
    rv_free((char *)(uintptr_t)act->person);
    rv_free(refusal);
}

/* Somebody we know may not: that is on the record before they hear it, as with the command line.
 * Of the request only its route, as path and query may say more than a record should. */
static void refuse_on_record(struct rv_call *call, const struct rv_error *err)
{
    if (call->api->options.committer == NULL ||
        !rv_auth_records_refusal(call->api->auth, call->caller)) {
        rv_call_fail(call, err, NULL);
        return;
    }
    struct refusal *refusal = rv_alloc(sizeof *refusal);
    *refusal = (struct refusal){
        .act = {.tenant = call->caller->tenant,
                .what = "http.request",
                .person = rv_strdup(call->caller->person),
                .about = json_pack("{s:s,s:s,s:s,s:s}", "channel", "http", "method",
                                   rv_exchange_request(call->exchange)->method, "route",
                                   call->match.route->pattern, "refused", err->message),
                .done = on_refusal_recorded},
        .call = call,
        .err = *err};
    rv_act_commit(call->api->options.committer, &refusal->act);
}

static void on_identified(void *data, const struct rv_caller *caller,
                          const struct rv_auth_refusal *refusal)
{
    struct rv_call *call = data;
    enum rv_permission needed = call->match.route->permission;
    if (caller == NULL) {
        rv_call_refuse_caller(call, refusal);
        return;
    }
    struct rv_error err = {.code = RV_OK};
    call->caller = keep_caller(call, caller);
    if ((caller->permissions & needed) == 0) {
        rv_fail(&err, RV_DENIED, "your roles do not allow you to %s",
                rv_permission_name(needed & ~(unsigned)RV_MAY_OVERSEE));
        rv_hint(
            &err,
            "Somebody with the role admin gives roles with \"reeve person add NAME --roles A,B\".");
        refuse_on_record(call, &err);
        return;
    }
    if (!may_write(call)) {
        rv_fail(&err, RV_DENIED, "the request does not come from reeve's own page");
        rv_hint(&err, "Send the csrf value of GET /v1/me as X-CSRF-Token.");
        refuse_on_record(call, &err);
        return;
    }
    run_handler(call);
}

/* What is no operator's token may still be an API token. */
static bool is_operator(const struct rv_call *call)
{
    static const char scheme[] = "Bearer ";
    const char *shown = rv_http_field(rv_exchange_request(call->exchange), "authorization");
    if ((call->match.route->permission & RV_MAY_OVERSEE) == 0 || !call->api->has_operator ||
        shown == NULL || strncasecmp(shown, scheme, sizeof scheme - 1) != 0) {
        return false;
    }
    struct rv_hash hash = rv_sha256(shown + sizeof scheme - 1, strlen(shown + sizeof scheme - 1));
    return rv_hash_equal(&hash, &call->api->operator_hash);
}

void rv_api_handle(void *data, struct rv_exchange *exchange)
{
    struct rv_api *api = data;
    struct rv_call *call = rv_exchange_context(exchange);
    const struct rv_http_request *request = rv_exchange_request(exchange);
    if (call->match.route->permission == RV_MAY_ANYONE) {
        run_handler(call);
        return;
    }
    if (is_operator(call)) {
        static const struct rv_caller operator_caller = {
            .person = "", .roles = "", .permissions = RV_MAY_OVERSEE};
        on_identified(call, &operator_caller, NULL);
        return;
    }
    rv_auth_identify(api->auth, rv_http_field(request, "authorization"),
                     rv_http_field(request, "cookie"), rv_exchange_peer(exchange), on_identified,
                     call);
}

/* ---- what handlers share ---- */

void rv_call_fail(struct rv_call *call, const struct rv_error *err, const char *field)
{
    if (rv_call_is_openai(call)) {
        rv_openai_refuse_status(call, rv_code_http_status(err->code), rv_code_name(err->code),
                                err->message);
        return;
    }
    rv_exchange_problem(call->exchange, err, field);
}

struct read {
    struct rv_call *call;
    const char *what;
};

static void on_read(void *data, enum rv_code code, const struct rv_result *result,
                    const struct rv_error *err)
{
    struct read *read = data;
    struct rv_call *call = read->call;
    if (code != RV_OK) {
        rv_call_fail(call, err, NULL);
    } else if (rv_result_rows(result) == 0 || rv_result_is_null(result, 0, 0)) {
        struct rv_error missing = {.code = RV_OK};
        rv_fail(&missing, RV_NOT_FOUND, "no such %s in your tenant", read->what);
        rv_call_fail(call, &missing, NULL);
    } else {
        rv_exchange_answer(call->exchange, 200, "application/json", rv_result_text(result, 0, 0),
                           rv_result_length(result, 0, 0));
    }
}

void rv_call_read(struct rv_call *call, const struct rv_statement *statement, struct rv_args *args,
                  const char *what)
{
    struct read *read = rv_arena_alloc(rv_exchange_arena(call->exchange), sizeof *read);
    *read = (struct read){call, what};
    rv_db_query(call->api->options.db, call->caller->tenant, statement, args, on_read, read);
}

struct acting {
    struct rv_act act; /* first */
    struct rv_call *call;
    json_t *answer;
    const char *missing;
};

static void on_acted(struct rv_act *act, enum rv_code code, const struct rv_error *err)
{
    struct acting *acting = (struct acting *)act;
    struct rv_error missing = {.code = RV_OK};
    if (code == RV_OK) {
        rv_exchange_json(acting->call->exchange, 200, acting->answer);
    } else if (act->nothing) {
        rv_fail(&missing, RV_NOT_FOUND, "no such %s in your tenant", acting->missing);
        rv_call_fail(acting->call, &missing, NULL);
    } else {
        rv_call_fail(acting->call, err, NULL);
    }
    json_decref(act->about);
    json_decref(acting->answer);
    rv_args_destroy(act->args);
    rv_free((char *)(uintptr_t)act->person);
    rv_free(acting);
}

void rv_call_act(struct rv_call *call, const char *what, json_t *about,
                 const struct rv_statement *effect, struct rv_args *args, json_t *answer,
                 const char *missing)
{
    struct acting *acting = rv_alloc(sizeof *acting);
    *acting = (struct acting){.act = {.tenant = call->caller->tenant,
                                      .what = what,
                                      .person = rv_strdup(call->caller->person),
                                      .about = about,
                                      .effect = effect,
                                      .args = args,
                                      .done = on_acted},
                              .call = call,
                              .answer = answer,
                              .missing = missing};
    rv_act_commit(call->api->options.committer, &acting->act);
}

/* Digits of a positive 63-bit number, nothing else; 0 otherwise. */
static int64_t read_id(const char *text)
{
    int64_t value = 0;
    for (const char *at = text; *at != '\0'; at++) {
        int digit = *at - '0';
        if (digit < 0 || digit > 9 || value > (INT64_MAX - digit) / 10) {
            return 0;
        }
        value = value * 10 + digit;
    }
    return value;
}

int64_t rv_call_id(struct rv_call *call, int index, const char *what)
{
    const char *part = call->match.parts[index];
    bool run = strcmp(what, "run") == 0 && strncmp(part, "r_", 2) == 0; /* as answers name it */
    int64_t id = read_id(part + (run ? 2 : 0));
    if (id == 0) {
        struct rv_error err = {.code = RV_OK};
        rv_fail(&err, RV_NOT_FOUND, "no such %s in your tenant", what);
        rv_call_fail(call, &err, NULL);
    }
    return id;
}

bool rv_call_word(struct rv_call *call, const char *parameter, const char *words)
{
    char word[RV_HTTP_PARAMETER_MAX + 1] = "";
    struct rv_error err = {.code = RV_OK};
    if (!rv_http_query(rv_exchange_request(call->exchange), parameter, word, sizeof word) ||
        rv_words_need(parameter, word, words, &err) == RV_OK) {
        return true;
    }
    rv_call_fail(call, &err, parameter);
    return false;
}

struct rv_args *rv_call_page(struct rv_call *call, const struct rv_statement *statement,
                             const char *status_name, const char *status_words)
{
    const struct rv_http_request *request = rv_exchange_request(call->exchange);
    struct rv_error err = {.code = RV_OK};
    char status[RV_HTTP_PARAMETER_MAX + 1] = "";
    char after[RV_HTTP_PARAMETER_MAX + 1] = "";
    char limit[RV_HTTP_PARAMETER_MAX + 1] = "";
    const char *field = NULL;
    if (status_name != NULL && !rv_call_word(call, status_name, status_words)) {
        return NULL;
    }
    bool has_status = status_name != NULL &&
                      rv_http_query(request, status_name, status, sizeof status) &&
                      status[0] != '\0';
    bool has_after = rv_http_query(request, "after", after, sizeof after);
    bool has_limit = rv_http_query(request, "limit", limit, sizeof limit);
    int64_t count = has_limit ? read_id(limit) : RV_API_PAGE_DEFAULT;
    if (has_after && read_id(after) == 0) {
        field = "after";
        rv_fail(&err, RV_INVALID, "after must be the id of the last item seen");
        rv_hint(&err, "The answer before has it in next.");
    } else if (count < 1 || count > RV_API_PAGE_MAX) {
        field = "limit";
        rv_fail(&err, RV_INVALID, "limit must be a number from 1 to %d", RV_API_PAGE_MAX);
        rv_hint(&err, "Ask for the next page with after.");
    }
    if (field != NULL) {
        rv_call_fail(call, &err, field);
        return NULL;
    }
    struct rv_args *args = rv_args_create(statement);
    rv_args_i32(args, 1, call->caller->tenant);
    rv_args_text(args, 2, has_status ? status : NULL);
    if (has_after) {
        rv_args_i64(args, 3, read_id(after));
    } else {
        rv_args_null(args, 3);
    }
    rv_args_i32(args, 4, (int32_t)count);
    return args;
}

static void answer_done(struct rv_call *call, int status, enum rv_code code, const json_t *answer,
                        const struct rv_error *err)
{
    if (code != RV_OK && json_object_size(answer) > 0) {
        rv_exchange_problem_with(call->exchange, err, answer);
    } else if (code != RV_OK) {
        rv_call_fail(call, err, NULL);
    } else if (answer == NULL) {
        rv_exchange_answer(call->exchange, status, "application/json", "{}", 2);
    } else {
        rv_exchange_json(call->exchange, status, answer);
    }
}

void rv_call_done(void *data, enum rv_code code, const json_t *answer, const struct rv_error *err)
{
    answer_done(data, 200, code, answer, err);
}

void rv_call_accepted(void *data, enum rv_code code, const json_t *answer,
                      const struct rv_error *err)
{
    answer_done(data, 202, code, answer, err);
}

/* ---- health: says only that this process answers and whether its database does ---- */

static void on_health(void *data, enum rv_code code, const struct rv_result *result,
                      const struct rv_error *err)
{
    (void)result;
    (void)err;
    struct rv_call *call = data;
    const char *body = code == RV_OK ? "{\"status\":\"ok\",\"database\":\"ok\"}"
                                     : "{\"status\":\"degraded\",\"database\":\"away\"}";
    rv_exchange_answer(call->exchange, code == RV_OK ? 200 : 503, "application/json", body,
                       strlen(body));
}

void rv_api_health(struct rv_call *call)
{
    rv_db_query(call->api->options.db, 0, &rv_sql_http_health, NULL, on_health, call);
}
