/* nodes_api.c -- see nodes_api.h. */
#include "runtime/cli/nodes_api.h"

#include "cli_sql.h"
#include "journal_sql.h"
#include "runtime/cli/actors_api.h"
#include "runtime/cli/metrics_api.h"
#include "runtime/cli/node.h"
#include "runtime/cli/node_cluster.h"
#include "runtime/http/call.h"
#include "runtime/run/run_trace.h"

#include <stdlib.h>
#include <string.h>

json_t *nodes_api_row(const struct rv_result *result, int row)
{
    char since[RV_TIME_TEXT];
    bool lives = rv_result_bool(result, row, 7);
    bool serves = rv_result_bool(result, row, 8);
    rv_time_text(rv_result_time_us(result, row, 5), since);
    json_t *load = rv_result_value(result, row, 10);
    return json_pack(
        "{s:s,s:s,s:s,s:I,s:s,s:s,s:o,s:I,s:I,s:o,s:s,s:s}", "name", rv_result_text(result, row, 0),
        "state",
        !lives   ? "gone"
        : serves ? "serving"
                 : "working",
        "node", rv_result_text(result, row, 1), "pid", (json_int_t)rv_result_i64(result, row, 2),
        "link", rv_result_text(result, row, 3), "api", rv_result_text(result, row, 4), "since",
        json_sprintf("%.19sZ", since), "seen_ms", (json_int_t)rv_result_i64(result, row, 6),
        "companies", (json_int_t)rv_result_i64(result, row, 9), "load", load, "version",
        rv_result_text(result, row, 11), "boot", rv_result_text(result, row, 12));
}

static void on_nodes(void *data, enum rv_code code, const struct rv_result *result,
                     const struct rv_error *err)
{
    struct rv_call *call = data;
    const struct node *node = call->data;
    json_t *answer = NULL;
    if (code == RV_OK) {
        json_t *nodes = json_array();
        for (int row = 0; row < rv_result_rows(result); row++) {
            json_t *one = nodes_api_row(result, row);
            json_object_set_new(
                one, "here",
                json_boolean(node->cluster != NULL &&
                             rv_result_i64(result, row, 12) == node_cluster_boot(node->cluster)));
            json_array_append_new(nodes, one);
        }
        answer =
            json_pack("{s:o,s:o}", "nodes", nodes, "lines",
                      node->cluster != NULL ? node_cluster_peers(node->cluster) : json_array());
    }
    rv_call_done(call, code, answer, err);
    json_decref(answer);
}

static void get_nodes(struct rv_call *call)
{
    struct node *node = call->data;
    rv_db_query(node->db, 0, &rv_sql_nodes_all, NULL, on_nodes, call);
}

static void ask(struct rv_call *call, enum actors_what what, struct rv_trace trace)
{
    struct actors_question question = {what, call->caller->tenant, trace};
    node_cluster_actors(call->data, &question, rv_call_done, call);
}

static void get_actors(struct rv_call *call)
{
    ask(call, ACTORS_LIVE, (struct rv_trace){0, 0});
}

static void get_dead_letters(struct rv_call *call)
{
    ask(call, ACTORS_DEAD_LETTERS, (struct rv_trace){0, 0});
}

/* ---- a trace: what the nodes saw of it, and what the database keeps ---- */

struct tracing {
    struct rv_call *call;
    struct rv_trace trace;
    json_t *story; /* NULL: the database knows nothing of it */
};

static void drop_story(void *data)
{
    struct tracing *tracing = data;
    json_decref(tracing->story);
}

static void on_messages(void *data, enum rv_code code, const json_t *answer,
                        const struct rv_error *err)
{
    struct tracing *tracing = data;
    struct rv_error none = {.code = RV_OK};
    if (code != RV_OK) {
        rv_call_fail(tracing->call, err, NULL);
        return;
    }
    if (tracing->story == NULL && json_array_size(json_object_get(answer, "messages")) == 0) {
        rv_fail(&none, RV_NOT_FOUND, "nothing of your company belongs to this trace");
        rv_hint(&none, "GET /v1/runs/{id} says which trace a run belongs to: \"trace_id\".  A run "
                       "that was not given one is found with ?run=ID beside it.");
        rv_call_fail(tracing->call, &none, NULL);
        return;
    }
    json_t *whole = json_copy((json_t *)(uintptr_t)answer);
    json_object_update_missing(whole, tracing->story);
    rv_call_done(tracing->call, RV_OK, whole, NULL);
    json_decref(whole);
}

static void on_story(void *data, enum rv_code code, const struct rv_result *result,
                     const struct rv_error *err)
{
    struct tracing *tracing = data;
    struct rv_call *call = tracing->call;
    if (code != RV_OK) {
        rv_call_fail(call, err, NULL);
        return;
    }
    tracing->story = rv_result_rows(result) > 0 ? rv_result_json(result, 0, 0) : NULL;
    struct actors_question question = {ACTORS_TRACE, call->caller->tenant, tracing->trace};
    node_cluster_actors(call->data, &question, on_messages, tracing);
}

static void read_story(struct rv_call *call, struct rv_trace trace)
{
    struct node *node = call->data;
    char run[24] = "";
    struct tracing *tracing = rv_arena_alloc(rv_exchange_arena(call->exchange), sizeof *tracing);
    *tracing = (struct tracing){.call = call, .trace = trace};
    rv_arena_cleanup(rv_exchange_arena(call->exchange), drop_story, tracing);
    struct rv_args *args = rv_args_create(&rv_sql_trace_story);
    rv_args_text(args, 2, call->match.parts[0]);
    rv_http_query(rv_exchange_request(call->exchange), "run", run, sizeof run);
    const char *digits = strncmp(run, "r_", 2) == 0 ? run + 2 : run;
    if (digits[0] != '\0' && strspn(digits, "0123456789") == strlen(digits) &&
        strlen(digits) < 19) {
        rv_args_i64(args, 3, strtoll(digits, NULL, 10));
    } else {
        rv_args_null(args, 3);
    }
    rv_db_query(node->db, call->caller->tenant, &rv_sql_trace_story, args, on_story, tracing);
}

static void get_trace(struct rv_call *call)
{
    struct rv_trace trace = {0, 0};
    if (rv_trace_from_text(call->match.parts[0], &trace)) {
        read_story(call, trace);
        return;
    }
    struct rv_error err = {.code = RV_OK};
    rv_fail(&err, RV_INVALID, "a trace-id has 32 digits, 0 to 9 and a to f, not all of them 0");
    rv_hint(&err, "GET /v1/runs/{id} says which trace a run belongs to: \"trace_id\".");
    rv_call_fail(call, &err, NULL);
}

const struct rv_route nodes_api_routes[] = {
    {"GET", "/v1/nodes", RV_MAY_ADMINISTER, 0, false, get_nodes},
    {"GET", "/v1/actors", RV_MAY_ADMINISTER, 0, false, get_actors},
    {"GET", "/v1/actors/dead-letters", RV_MAY_ADMINISTER, 0, false, get_dead_letters},
    {"GET", "/v1/traces/{}", RV_MAY_ADMINISTER, 0, false, get_trace},
    {"GET", "/metrics", RV_MAY_ADMINISTER | RV_MAY_OVERSEE, 0, false, metrics_api_get},
    {NULL, NULL, RV_MAY_ANYONE, 0, false, NULL},
};
