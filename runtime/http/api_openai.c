/* api_openai.c -- the OpenAI-compatible routes: who may, which model, how much is left today. */
#include "model_sql.h"
#include "runtime/base/check.h"
#include "runtime/http/openai_call.h"
#include "runtime/http/openai_share.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const char any_model[] = "reeve"; /* whatever serves the caller's company */

bool rv_route_is_openai(const struct rv_route *route)
{
    static const char *const patterns[] = {"/v1/chat/completions", "/v1/completions",
                                           "/v1/embeddings", "/v1/models", "/v1/models/{}"};
    bool found = false;
    for (size_t i = 0; i < RV_COUNT(patterns); i++) {
        found = found || strcmp(route->pattern, patterns[i]) == 0;
    }
    return found;
}

bool rv_call_is_openai(const struct rv_call *call)
{
    return call->match.route != NULL && rv_route_is_openai(call->match.route);
}

void rv_openai_refuse_exchange(struct rv_exchange *exchange, int status, const char *code,
                               const char *message, const char *hint)
{
    const char *type = status == 401   ? "authentication_error"
                       : status == 403 ? "permission_error"
                       : status == 429 ? "rate_limit_error"
                       : status >= 500 ? "server_error"
                                       : "invalid_request_error";
    struct rv_buf text;
    rv_buf_init(&text, RV_HTTP_HEAD_MAX);
    rv_buf_printf(&text, "%s%s%s", message, hint != NULL ? ". " : "", hint != NULL ? hint : "");
    json_t *body = rv_openai_error(type, code, text.data, NULL);
    rv_exchange_json(exchange, status, body);
    json_decref(body);
    rv_buf_fini(&text);
}

void rv_openai_refuse_status(struct rv_call *call, int status, const char *code,
                             const char *message)
{
    rv_openai_refuse_exchange(call->exchange, status, code, message, NULL);
}

static struct rv_engine *engine_of(struct rv_call *call)
{
    const struct rv_api_models *models = &call->api->options.models;
    return models->pick != NULL ? models->pick(models->self, call->caller->tenant) : NULL;
}

/* ---- today's share ---- */

struct asking {
    struct rv_call *call;
    struct rv_openai_ask ask;
    struct rv_engine *engine;
};

static void go_on(struct asking *asking)
{
    if (asking->ask.kind == RV_OPENAI_EMBEDDING) {
        rv_openai_embed(asking->call, &asking->ask, asking->engine);
    } else {
        rv_openai_begin(asking->call, &asking->ask, asking->engine);
    }
    rv_free(asking);
}

static void forget(struct asking *asking)
{
    rv_openai_ask_fini(&asking->ask);
    rv_free(asking);
}

static void on_today(void *data, enum rv_code code, const struct rv_result *result,
                     const struct rv_error *err)
{
    struct asking *asking = data;
    struct rv_call *call = asking->call;
    int64_t most = call->api->options.models.tokens_per_day;
    int32_t tenant = call->caller->tenant;
    int64_t used = code == RV_OK ? rv_result_i64(result, 0, 0) : 0;
    int64_t kept = rv_openai_kept(call->api, tenant);
    if (code == RV_OK && used + kept < most) {
        json_t *facts = rv_engine_facts(asking->engine);
        asking->ask.kept = rv_openai_most(&asking->ask, rv_json_int(facts, "room", 0));
        json_decref(facts);
        rv_openai_keep(call->api, tenant, asking->ask.kept);
        go_on(asking);
        return;
    }
    char text[160];
    if (code == RV_OK && used < most) { /* nobody knows yet what they will leave */
        rv_exchange_field(call->exchange, "Retry-After", "1");
        snprintf(text, sizeof text,
                 "your company has used %lld tokens of %lld today (UTC), and its requests on their "
                 "way may take the rest: again when they are answered",
                 (long long)used, (long long)most);
        rv_openai_refuse(call, 429, "rate_limit_error", "rate_limit_exceeded", text, NULL);
    } else if (code == RV_OK) {
        snprintf(text, sizeof text, "%lld", (long long)rv_result_i64(result, 0, 1));
        rv_exchange_field(call->exchange, "Retry-After", text);
        snprintf(text, sizeof text, "your company has used %lld tokens of %lld today (UTC)",
                 (long long)used, (long long)most);
        rv_openai_refuse(call, 429, "insufficient_quota", "insufficient_quota", text, NULL);
    } else {
        rv_openai_refuse_status(call, rv_code_http_status(code), rv_code_name(code), err->message);
    }
    forget(asking);
}

/* ---- which model, which adapter ---- */

static bool is_label(const char *label, const char *name)
{
    size_t bare = strcspn(label, "@");
    return strcmp(name, label) == 0 || (strlen(name) == bare && strncmp(name, label, bare) == 0);
}

/* "reeve", NAME, NAME@VERSION of the registry, or, where the setting says what answers, the name in
 * the file. */
static bool is_model(const struct rv_engine *engine, const char *name)
{
    const char *label = rv_engine_label(engine);
    if (strcmp(name, any_model) == 0) {
        return true;
    }
    if (label != NULL) {
        return is_label(label, name);
    }
    json_t *facts = rv_engine_facts(engine);
    bool same = facts != NULL && strcmp(name, rv_json_str(facts, "name", "")) == 0;
    json_decref(facts);
    return same;
}

static void check_share(struct asking *asking)
{
    struct rv_call *call = asking->call;
    if (call->api->options.models.tokens_per_day == 0) {
        go_on(asking);
        return;
    }
    struct rv_args *args = rv_args_create(&rv_sql_model_use_today);
    rv_args_i32(args, 1, call->caller->tenant);
    rv_db_query(call->api->options.db, call->caller->tenant, &rv_sql_model_use_today, args,
                on_today, asking);
}

static void on_adapter(void *data, enum rv_code code, const struct rv_result *result,
                       const struct rv_error *err)
{
    struct asking *asking = data;
    struct rv_call *call = asking->call;
    if (code == RV_OK && rv_result_rows(result) == 1) {
        asking->ask.adapter =
            json_pack("{s:s,s:s,s:s}", "name", rv_result_text(result, 0, 0), "path",
                      rv_result_text(result, 0, 1), "sha256", rv_result_text(result, 0, 2));
        check_share(asking);
        return;
    }
    if (code == RV_OK) {
        char text[400];
        snprintf(text, sizeof text,
                 "your company has no adapter \"%s\"; GET /v1/models lists what it has, reeve "
                 "adapter load FILE --name NAME adds one",
                 strrchr(asking->ask.model, ':') + 1);
        rv_openai_refuse(call, 404, "invalid_request_error", "model_not_found", text, "/model");
    } else {
        rv_openai_refuse_status(call, rv_code_http_status(code), rv_code_name(code), err->message);
    }
    forget(asking);
}

/* ---- the routes ---- */

static void refuse_model(struct rv_call *call, const char *name)
{
    char text[400];
    snprintf(text, sizeof text,
             "there is no model \"%s\" for your company; GET /v1/models lists those it may use",
             name);
    rv_openai_refuse(call, 404, "invalid_request_error", "model_not_found", text, "/model");
}

static void answer_question(struct rv_call *call, enum rv_openai_kind kind)
{
    struct rv_openai_fault fault;
    struct rv_openai_ask ask;
    struct rv_engine *engine = engine_of(call);
    if (!rv_openai_read(kind, call->body, &ask, &fault)) {
        rv_openai_ask_fini(&ask);
        rv_openai_refuse(call, 400, "invalid_request_error", "invalid", fault.message,
                         fault.pointer);
        return;
    }
    bool whole = engine != NULL && is_model(engine, ask.model); /* a name may have a colon */
    const char *colon = whole ? NULL : strrchr(ask.model, ':');
    char base[RV_OPENAI_MODEL_MAX + 1];
    snprintf(base, sizeof base, "%.*s",
             (int)(colon != NULL ? colon - ask.model : (ptrdiff_t)strlen(ask.model)), ask.model);
    if (engine == NULL || (!whole && (colon == NULL || !is_model(engine, base)))) {
        refuse_model(call, ask.model);
        rv_openai_ask_fini(&ask);
        return;
    }
    struct asking *asking = rv_alloc(sizeof *asking);
    *asking = (struct asking){call, ask, engine};
    if (colon == NULL) {
        check_share(asking);
        return;
    }
    struct rv_args *args = rv_args_create(&rv_sql_model_adapter_find);
    rv_args_i32(args, 1, call->caller->tenant);
    rv_args_text(args, 2, strrchr(asking->ask.model, ':') + 1);
    rv_db_query(call->api->options.db, call->caller->tenant, &rv_sql_model_adapter_find, args,
                on_adapter, asking);
}

void rv_api_chat_completions(struct rv_call *call)
{
    answer_question(call, RV_OPENAI_CHAT);
}

void rv_api_completions(struct rv_call *call)
{
    answer_question(call, RV_OPENAI_COMPLETION);
}

void rv_api_embeddings(struct rv_call *call)
{
    answer_question(call, RV_OPENAI_EMBEDDING);
}

/* ---- the list ---- */

static json_t *model_object(const char *name)
{
    return json_pack("{s:s,s:s,s:i,s:s}", "id", name, "object", "model", "created", 0, "owned_by",
                     "reeve");
}

static void add_named(json_t *list, const struct rv_engine *engine)
{
    const char *label = rv_engine_label(engine);
    if (label != NULL) {
        char bare[RV_OPENAI_MODEL_MAX + 1];
        snprintf(bare, sizeof bare, "%.*s", (int)strcspn(label, "@"), label);
        json_array_append_new(list, model_object(bare));
        json_array_append_new(list, model_object(label));
        return;
    }
    json_t *facts = rv_engine_facts(engine);
    if (facts != NULL) {
        json_array_append_new(list, model_object(rv_json_str(facts, "name", "")));
    }
    json_decref(facts);
}

/* All of them, or the one that the path names. */
static void answer_models(struct rv_call *call, json_t *list)
{
    if (call->match.part_count == 0) {
        json_t *body = json_pack("{s:s,s:o}", "object", "list", "data", list);
        rv_exchange_json(call->exchange, 200, body);
        json_decref(body);
        return;
    }
    const json_t *found = NULL;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        found = strcmp(rv_json_str(one, "id", ""), call->match.parts[0]) == 0 ? one : found;
    }
    if (found != NULL) {
        rv_exchange_json(call->exchange, 200, found);
    } else {
        refuse_model(call, call->match.parts[0]);
    }
    json_decref(list);
}

static void on_adapters(void *data, enum rv_code code, const struct rv_result *result,
                        const struct rv_error *err)
{
    struct rv_call *call = data;
    const struct rv_engine *engine = engine_of(call);
    if (code != RV_OK) {
        rv_openai_refuse_status(call, rv_code_http_status(code), rv_code_name(code), err->message);
        return;
    }
    json_t *list = json_array();
    if (engine != NULL) {
        json_array_append_new(list, model_object(any_model));
        add_named(list, engine);
        for (int i = 0; i < rv_result_rows(result); i++) {
            char id[RV_OPENAI_MODEL_MAX + 1];
            snprintf(id, sizeof id, "%s:%s", any_model, rv_result_text(result, i, 0));
            json_array_append_new(list, model_object(id));
        }
    }
    answer_models(call, list);
}

void rv_api_models_list(struct rv_call *call)
{
    struct rv_args *args = rv_args_create(&rv_sql_model_adapters);
    rv_args_i32(args, 1, call->caller->tenant);
    rv_db_query(call->api->options.db, call->caller->tenant, &rv_sql_model_adapters, args,
                on_adapters, call);
}

void rv_api_model_show(struct rv_call *call)
{
    rv_api_models_list(call);
}
