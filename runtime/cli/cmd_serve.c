/* cmd_serve.c -- the long-running node: inbox and API, runs of all companies, web hooks. */
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/cli/firing.h"
#include "runtime/cli/metrics_token.h"
#include "runtime/cli/node_cluster.h"
#include "runtime/cli/nodes_api.h"
#include "runtime/cli/place.h"
#include "runtime/cli/reload.h"
#include "runtime/hooks/callback.h"
#include "runtime/hooks/sender.h"
#include "runtime/http/api.h"
#include "runtime/http/server.h"
#include "runtime/journal/placement.h"
#include "runtime/observe/trace_sender.h"
#include "runtime/run/bulk.h"
#include "runtime/run/request.h"
#include "runtime/run/revive.h"
#include "runtime/run/settle.h"
#include "runtime/run/update.h"
#include "runtime/schedule/service.h"
#include "version_build.h"
#include "web_assets.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CLOSE_MS = 10000,
    API_MODEL_MS = 600000 /* of one answer through the API: a long text on a slow processor */
};

/* ---- what the API asks of runs ---- */

struct ask {
    json_t *roles;
    rv_api_done done;
    void *data;
};

static json_t *roles_of(const struct rv_caller *caller)
{
    json_t *roles = json_array();
    for (const char *word = caller->roles; *word != '\0';) {
        size_t length = strcspn(word, ",");
        json_array_append_new(roles, json_stringn(word, length));
        word += length + (word[length] == ',');
    }
    return roles;
}

static struct rv_principal ask_begin(const struct rv_caller *caller, rv_api_done done, void *data,
                                     struct ask **out)
{
    struct ask *ask = rv_alloc(sizeof *ask);
    *ask = (struct ask){roles_of(caller), done, data};
    *out = ask;
    return (struct rv_principal){
        .kind = RV_PRINCIPAL_PERSON, .id = caller->person, .roles = ask->roles};
}

static void on_claimed(void *data, enum rv_code code, int64_t id, const json_t *claim,
                       const struct rv_error *err)
{
    struct ask *ask = data;
    json_t *answer = json_object();
    if (code == RV_OK) {
        char text[24];
        snprintf(text, sizeof text, "%" PRId64, id);
        json_object_set_new(answer, "id", json_string(text));
    }
    json_object_update(answer, (json_t *)(uintptr_t)claim);
    ask->done(ask->data, code, answer, err);
    json_decref(answer);
    json_decref(ask->roles);
    rv_free(ask);
}

static void on_asked(void *data, enum rv_code code, int64_t id, const struct rv_error *err)
{
    on_claimed(data, code, id, NULL, err);
}

static void runs_start(void *self, const struct rv_caller *caller, const struct rv_api_start *asked,
                       rv_api_done done, void *data)
{
    struct node *node = self;
    struct ask *ask = NULL;
    struct rv_principal principal = ask_begin(caller, done, data, &ask);
    if (asked->exception != NULL) {
        rv_run_begin_for(node->gate, node->db, caller->tenant, &principal, asked->exception,
                         asked->agent, asked->traceparent, asked->once, node_resolutions_of,
                         on_asked, ask);
        return;
    }
    struct rv_run_begin_input with = {.agent = asked->agent,
                                      .input = asked->input,
                                      .key = asked->key,
                                      .priority = asked->priority,
                                      .traceparent = asked->traceparent,
                                      .once = asked->once};
    rv_run_begin_with(node->gate, node->db, caller->tenant, &principal, &with, on_claimed, ask);
}

static void runs_signal(void *self, const struct rv_caller *caller, int64_t run, const char *name,
                        const json_t *body, const char *once, rv_api_done done, void *data)
{
    struct node *node = self;
    struct ask *ask = NULL;
    struct rv_principal principal = ask_begin(caller, done, data, &ask);
    rv_run_tell(node->gate, node->db, caller->tenant, &principal, run, name, body, once, on_asked,
                ask);
}

static void runs_cancel(void *self, const struct rv_caller *caller, int64_t run, const char *reason,
                        rv_api_done done, void *data)
{
    struct node *node = self;
    struct ask *ask = NULL;
    struct rv_principal principal = ask_begin(caller, done, data, &ask);
    rv_run_cancel(node->gate, node->db, caller->tenant, &principal, run, reason, on_asked, ask);
}

static void runs_raise(void *self, const struct rv_caller *caller, int64_t run, const json_t *more,
                       rv_api_done done, void *data)
{
    struct node *node = self;
    struct ask *ask = NULL;
    struct rv_principal principal = ask_begin(caller, done, data, &ask);
    rv_run_raise(node->gate, node->db, caller->tenant, &principal, run, more, on_asked, ask);
}

static void runs_revive(void *self, const struct rv_caller *caller, const struct rv_run_fork *fork,
                        rv_api_done done, void *data)
{
    struct node *node = self;
    struct ask *ask = NULL;
    struct rv_principal principal = ask_begin(caller, done, data, &ask);
    rv_run_fork(node->gate, node->db, caller->tenant, &principal, fork, on_asked, ask);
}

struct bulk_ask {
    json_t *roles;
    struct rv_principal principal;
    void (*done)(void *data);
    void *data;
};

static void on_bulk(void *data)
{
    struct bulk_ask *ask = data;
    ask->done(ask->data);
    json_decref(ask->roles);
    rv_free(ask);
}

static void runs_bulk(void *self, const struct rv_caller *caller, const struct rv_bulk_wish *wish,
                      struct rv_bulk *bulk, const bool *stopped, void (*done)(void *data),
                      void *data)
{
    const struct node *node = self;
    struct bulk_ask *ask = rv_alloc(sizeof *ask);
    *ask = (struct bulk_ask){.roles = roles_of(caller), .done = done, .data = data};
    ask->principal = (struct rv_principal){
        .kind = RV_PRINCIPAL_PERSON, .id = caller->person, .roles = ask->roles};
    const struct rv_bulk_place place = {.gate = node->gate,
                                        .db = node->db,
                                        .tenant = caller->tenant,
                                        .principal = &ask->principal,
                                        .resolutions_of = node_resolutions_of,
                                        .stopped = stopped};
    rv_bulk_do(&place, wish, bulk, on_bulk, ask);
}

struct update_ask {
    json_t *roles;
    rv_api_updated done;
    void *data;
};

static void on_updated(void *data, enum rv_code code, const json_t *update, const char *field,
                       const struct rv_error *err)
{
    struct update_ask *ask = data;
    ask->done(ask->data, code, update, field, err);
    json_decref(ask->roles);
    rv_free(ask);
}

static void runs_update(void *self, const struct rv_caller *caller, int64_t run, const char *name,
                        const char *id, const json_t *body, rv_api_updated done, void *data)
{
    struct node *node = self;
    struct update_ask *ask = rv_alloc(sizeof *ask);
    *ask = (struct update_ask){roles_of(caller), done, data};
    struct rv_principal principal = {
        .kind = RV_PRINCIPAL_PERSON, .id = caller->person, .roles = ask->roles};
    struct rv_run_update update = {.run = run, .name = name, .id = id, .body = body};
    rv_run_update(node->gate, node->db, caller->tenant, &principal, &update, on_updated, ask);
}

static struct rv_engine *model_of(void *self, int32_t tenant)
{
    const struct node *node = self;
    return rv_models_pick(node->models, tenant);
}

/* ---- schedules ---- */

struct serving {
    const struct cli *cli;
    struct rv_hooks *hooks;
    struct node *node;
    struct rv_schedule_service *schedules;
    struct firings *firings;
    struct rv_error refused; /* another node has our name */
    bool stop;
    struct {
        bool schedules, server, hooks, traces;
    } closed; /* each its own: one that is late must not speak for the next */
};

static void fire(void *data, int32_t tenant, const char *name, const char *action,
                 const json_t *input, int64_t fire_id)
{
    const struct serving *serving = data;
    firings_fire(serving->firings, tenant, name, action, input, fire_id);
}

static void stop(void *data, int32_t tenant, int64_t fire_id, const char *why)
{
    const struct serving *serving = data;
    firings_stop(serving->firings, tenant, fire_id, why);
}

static void lose(void *data, int32_t tenant, int64_t fire_id)
{
    const struct serving *serving = data;
    firings_lost(serving->firings, tenant, fire_id);
}

static bool drives(void *data, int32_t tenant)
{
    const struct serving *serving = data;
    return serving->node->lease != NULL && rv_lease_epoch(serving->node->lease, tenant) != 0;
}

/* ---- one of several ---- */

static void on_refused(void *data, const struct rv_error *err)
{
    struct serving *serving = data;
    serving->refused = *err;
    serving->stop = true;
}

static enum rv_code check_name(const struct cli *cli, struct rv_error *err)
{
    struct rv_db_session *session = NULL;
    enum rv_code code = rv_db_session_open(cli->uri, &session, err);
    if (code == RV_OK) {
        code = rv_placement_name_free(session, rv_config_node_name(cli->config), err);
    }
    rv_db_session_close(session);
    return code;
}

static enum rv_code join(const struct cli *cli, struct serving *serving, const char *api,
                         struct rv_error *err)
{
    char host[256] = "";
    int port = 0;
    if (rv_config_text(cli->config, RV_SET_CLUSTER_LISTEN)[0] != '\0') {
        rv_config_address(cli->config, RV_SET_CLUSTER_LISTEN, host, &port);
    }
    const char *cert = rv_config_text(cli->config, RV_SET_CLUSTER_TLS_CERT);
    const char *key = rv_config_text(cli->config, RV_SET_CLUSTER_TLS_KEY);
    const char *ca = rv_config_text(cli->config, RV_SET_CLUSTER_TLS_CA);
    if ((cert[0] != '\0') != (key[0] != '\0') || (cert[0] != '\0') != (ca[0] != '\0')) {
        rv_fail(err, RV_INVALID,
                "cluster.tls_cert, cluster.tls_key and cluster.tls_ca go together");
        rv_hint(err, "Set all three, or none: messages are sealed in any case.");
        return RV_INVALID;
    }
    return node_cluster_open(
        &(struct node_cluster_options){.node = serving->node,
                                       .host = host,
                                       .port = port,
                                       .address =
                                           rv_config_text(cli->config, RV_SET_CLUSTER_ADDRESS),
                                       .key_file = cli->cluster_key,
                                       .tls = {cert[0] != '\0' ? cert : NULL, key, ca},
                                       .api = api,
                                       .version = REEVE_VERSION,
                                       .refused = on_refused,
                                       .data = serving},
        err);
}

/* ---- traces ---- */

static enum rv_code trace_runs(const struct cli *cli, struct node *node, struct rv_error *err)
{
    const char *endpoint = rv_config_text(cli->config, RV_SET_TELEMETRY_ENDPOINT);
    if (endpoint[0] == '\0') {
        return RV_OK;
    }
    return rv_trace_sender_create(
        &(struct rv_trace_sender_options){
            .loop = node->loop,
            .db = node->db,
            .endpoint = endpoint,
            .header_file = rv_config_text(cli->config, RV_SET_TELEMETRY_HEADER),
            .version = REEVE_VERSION,
            .node = node->name,
            .timeout_ms = rv_config_integer(cli->config, RV_SET_TELEMETRY_TIMEOUT)},
        &node->traces, err);
}

/* ---- the node ---- */

static void on_hangup(void *data, int number)
{
    (void)number;
    const struct serving *serving = data;
    reload_settings(serving->cli, serving->hooks);
}

static void on_signal(void *data, int number)
{
    struct serving *serving = data;
    fprintf(stderr, "\nsignal %d: stopping%s\n", number, serving->stop ? " already" : "");
    serving->stop = true;
}

static void set_true(void *data)
{
    *(bool *)data = true;
}

int cmd_serve(struct cli *cli)
{
    signal(SIGPIPE, SIG_IGN); /* a client that has gone is an error of its own socket */
    char address[256];
    int port = 0;
    const char *certificate = rv_config_text(cli->config, RV_SET_HTTP_TLS_CERT);
    rv_config_address(cli->config, RV_SET_HTTP_LISTEN, address, &port);
    rv_log_level(rv_log_level_from_name(rv_config_text(cli->config, RV_SET_LOG_LEVEL)));
    struct rv_error err = {.code = RV_OK};
    struct serving serving = {.cli = cli};
    struct rv_hook_vault *vault = NULL;
    char operator_token[METRICS_TOKEN_MAX + 1];
    if (metrics_token_read(cli->config, operator_token, &err) != RV_OK ||
        place_hook_vault(cli, &vault, &err) != RV_OK || check_name(cli, &err) != RV_OK ||
        place_serving_node(cli, &serving.node, &err) != RV_OK) {
        rv_hook_vault_close(vault);
        return cli_fail(cli, &err);
    }
    struct node *node = serving.node;
    struct rv_hook_callbacks *callbacks =
        rv_hook_callbacks_create(node->loop, node->db, node->approvals, vault);
    struct rv_hooks *hooks = rv_hooks_create(&(struct rv_hooks_options){
        .loop = node->loop,
        .db = node->db,
        .vault = vault,
        .timeout_ms = rv_config_integer(cli->config, RV_SET_HOOKS_TIMEOUT)});
    serving.hooks = hooks;
    struct rv_api *api = rv_api_create(&(struct rv_api_options){
        .loop = node->loop,
        .db = node->db,
        .uri = cli->uri,
        .committer = node->committer,
        .approvals = node->approvals,
        .runs = {.start = runs_start,
                 .signal = runs_signal,
                 .cancel = runs_cancel,
                 .raise = runs_raise,
                 .self = node,
                 .update = runs_update,
                 .revive = runs_revive,
                 .check = rv_bulk_check,
                 .bulk = runs_bulk,
                 .dead = rv_dead_read,
                 .find = rv_revive_find,
                 .settle = rv_settle},
        .models = {.pick = model_of,
                   .tokens_per_day = rv_config_integer(cli->config, RV_SET_MODEL_TOKENS),
                   .deadline_ms = API_MODEL_MS,
                   .tiers = node->tiers,
                   .self = node},
        .callbacks = callbacks,
        .assets = rv_web_assets,
        .operator_token = operator_token,
        .more_routes = nodes_api_routes,
        .more_data = node,
    });
    explicit_bzero(operator_token, sizeof operator_token);
    struct rv_http_options listening = {
        .loop = node->loop,
        .address = address,
        .port = port,
        .certificate_file = certificate[0] != '\0' ? certificate : NULL,
        .key_file =
            certificate[0] != '\0' ? rv_config_text(cli->config, RV_SET_HTTP_TLS_KEY) : NULL,
        .admit = rv_api_admit,
        .refuse = rv_api_refuse,
        .handle = rv_api_handle,
        .data = api};
    struct rv_http_server *server = NULL;
    enum rv_code code = rv_http_server_create(&listening, &server, &err);
    char url[320] = "";
    if (code == RV_OK) {
        bool brackets = strchr(address, ':') != NULL;
        snprintf(url, sizeof url, "%s://%s%s%s:%d/", certificate[0] != '\0' ? "https" : "http",
                 brackets ? "[" : "", address, brackets ? "]" : "", rv_http_server_port(server));
        code = trace_runs(cli, node, &err);
    }
    if (code == RV_OK) {
        code = join(cli, &serving, url, &err);
    }
    struct rv_signal *term = NULL;
    if (code == RV_OK) {
        term = rv_signal_create(node->loop, SIGTERM, on_signal, &serving);
        struct rv_signal *interrupt = rv_signal_create(node->loop, SIGINT, on_signal, &serving);
        struct rv_signal *hangup = rv_signal_create(node->loop, SIGHUP, on_hangup, &serving);
        node_drive(node, 0);
        serving.firings = firings_create(node);
        serving.schedules =
            rv_schedule_service_create(&(struct rv_schedule_options){.loop = node->loop,
                                                                     .db = node->db,
                                                                     .committer = node->committer,
                                                                     .drives = drives,
                                                                     .fire = fire,
                                                                     .stop = stop,
                                                                     .lost = lose,
                                                                     .data = &serving,
                                                                     .database_clock = true});
        firings_report_to(serving.firings, serving.schedules);
        if (cli->json) {
            cli_print_json(&cli->output, json_pack("{s:s}", "inbox", url));
        } else {
            cli_print(&cli->output, "the inbox is at %s", url);
        }
        fflush(stdout);
        node_wait(node, &serving.stop, 0);
        rv_signal_close(interrupt); /* again: at once.  SIGTERM again: it is stopping */
        rv_signal_close(hangup);
        if (serving.refused.code != RV_OK) {
            err = serving.refused;
            code = err.code;
        }
    }
    rv_api_stop(api);
    if (serving.firings != NULL) {
        firings_leave(serving.firings);
    }
    node_hand_over(node);
    if (serving.schedules != NULL) {
        rv_schedule_service_close(serving.schedules, set_true, &serving.closed.schedules);
        node_wait(node, &serving.closed.schedules, CLOSE_MS);
    }
    if (server != NULL) {
        rv_http_server_close(server, set_true, &serving.closed.server);
        node_wait(node, &serving.closed.server, CLOSE_MS);
    }
    rv_hooks_close(hooks, set_true, &serving.closed.hooks);
    node_wait(node, &serving.closed.hooks, CLOSE_MS);
    struct rv_trace_sender *traces = node->traces;
    node->traces = NULL;
    rv_trace_sender_close(traces, set_true, &serving.closed.traces);
    node_wait(node, &serving.closed.traces, CLOSE_MS);
    node_stop(node);
    if (serving.firings != NULL) {
        firings_destroy(serving.firings);
    }
    rv_api_destroy(api);
    rv_hook_callbacks_destroy(callbacks);
    if (term != NULL) {
        /* what is left takes no time; blocked, since to close it means death for a moment */
        sigset_t only;
        sigemptyset(&only);
        sigaddset(&only, SIGTERM);
        pthread_sigmask(SIG_BLOCK, &only, NULL);
        rv_signal_close(term);
        signal(SIGTERM, SIG_IGN);
    }
    node_close(node);
    rv_hook_vault_close(vault);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}
