/* metrics_api.c -- see metrics_api.h. */
#include "runtime/cli/metrics_api.h"

#include "observe_sql.h"
#include "runtime/base/check.h"
#include "runtime/cli/node.h"
#include "runtime/cli/node_cluster.h"
#include "runtime/observe/trace_sender.h"
#include "version_build.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { TEXT_MAX = 256 << 10 };

#define OPEN_TYPE  "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define PLAIN_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum kind { GAUGE, COUNTER };

struct page {
    struct rv_buf text;
    bool open; /* OpenMetrics: a counter's family has no "_total", and the page has an end */
};

/* ---- the format ---- */

static void family(struct page *page, const char *name, enum kind kind, const char *help)
{
    const char *total = kind == COUNTER && !page->open ? "_total" : "";
    rv_buf_printf(&page->text, "# TYPE reeve_%s%s %s\n", name, total,
                  kind == GAUGE ? "gauge" : "counter");
    if (help != NULL) {
        rv_buf_printf(&page->text, "# HELP reeve_%s%s %s\n", name, total, help);
    }
}

/* `label` and `is` are words of our own: nothing to escape; NULL: without. */
static void sample(struct page *page, const char *name, enum kind kind, const char *label,
                   const char *is, int64_t value)
{
    rv_buf_printf(&page->text, "reeve_%s%s", name, kind == COUNTER ? "_total" : "");
    if (label != NULL) {
        rv_buf_printf(&page->text, "{%s=\"%s\"}", label, is);
    }
    rv_buf_printf(&page->text, " %" PRId64 "\n", value);
}

static void one(struct page *page, const char *name, enum kind kind, const char *help,
                int64_t value)
{
    family(page, name, kind, help);
    sample(page, name, kind, NULL, NULL, value);
}

/* ---- of this process ---- */

static void add_version(struct page *page)
{
    family(page, "build_info", GAUGE, "the version that runs");
    sample(page, "build_info", GAUGE, "version", REEVE_VERSION, 1);
}

static void add_process(struct page *page, const struct node *node)
{
    struct rusage used = {0};
    long pages = 0;
    FILE *memory = fopen("/proc/self/statm", "re");
    if (memory != NULL) {
        if (fscanf(memory, "%*s %ld", &pages) != 1) {
            pages = 0;
        }
        fclose(memory);
    }
    getrusage(RUSAGE_SELF, &used);
    one(page, "memory_resident_bytes", GAUGE, "memory of this process, engines apart",
        (int64_t)pages * sysconf(_SC_PAGESIZE));
    one(page, "cpu_milliseconds", COUNTER, "time of the CPU that this process took",
        (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000 +
            (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1000);
    one(page, "companies_driven", GAUGE, "companies whose runs this node drives",
        node->lease != NULL ? rv_lease_count(node->lease) : 0);
}

struct figure {
    const char *name;
    enum kind kind;
    const char *help;
    size_t at; /* in its struct: an int64_t */
};

#define ACTOR(name, kind, help, member)                                                            \
    {                                                                                              \
        "actor_" name, kind, help, offsetof(struct rv_actor_stats, member)                         \
    }
static const struct figure of_actors[] = {
    ACTOR("live", GAUGE, "actors that live", live),
    ACTOR("turns", COUNTER, "turns that actors had", turns),
    ACTOR("messages", COUNTER, "messages that were handled", messages),
    ACTOR("dead_letters", COUNTER, "messages that nobody read", dead),
    ACTOR("refused", COUNTER, "messages that a full mailbox refused", refused),
    ACTOR("restarts", COUNTER, "actors that failed and were begun again", restarts),
    ACTOR("passivated", COUNTER, "idle actors that gave their memory back", passivated),
    ACTOR("reactivated", COUNTER, "passivated actors that a message began again", reactivated),
};
#define COMMIT(name, kind, help, member)                                                           \
    {                                                                                              \
        "commit_" name, kind, help, offsetof(struct rv_commit_stats, member)                       \
    }
static const struct figure of_commits[] = {
    COMMIT("units", COUNTER, "units of work that were committed", units),
    COMMIT("batches", COUNTER, "transactions they were committed in", batches),
    COMMIT("queued", GAUGE, "units that wait for their turn", queued),
    COMMIT("retries", COUNTER, "transactions tried again: a deadlock, a full disk", retries),
    COMMIT("splits", COUNTER, "transactions cut in two to find the unit that fails", splits),
    COMMIT("reconnects", COUNTER, "times the writer's connection was lost", reconnects),
};

static int64_t value_of(const void *figures, size_t at)
{
    int64_t value = 0;
    memcpy(&value, (const char *)figures + at, sizeof value);
    return value;
}

/* Of each core; `figures` are the cores' structs one after the other, `size` bytes each. */
static void add_figures(struct page *page, const struct figure *table, size_t count,
                        const void *figures, size_t size, int cores)
{
    for (size_t i = 0; i < count; i++) {
        family(page, table[i].name, table[i].kind, table[i].help);
        for (int core = 0; core < cores; core++) {
            char number[12];
            snprintf(number, sizeof number, "%d", core);
            sample(page, table[i].name, table[i].kind, "core", number,
                   value_of((const char *)figures + (size_t)core * size, table[i].at));
        }
    }
}

static void add_cores(struct page *page, const struct node *node)
{
    struct rv_actor_stats actors[RV_ACTOR_CORES_MAX];
    struct rv_commit_stats commits[RV_ACTOR_CORES_MAX];
    for (int core = 0; core < node->core_count; core++) {
        rv_actors_stats(node->actors, core, &actors[core]);
        rv_committer_stats(node->cores[core].committer, &commits[core]);
    }
    add_figures(page, of_actors, RV_COUNT(of_actors), actors, sizeof *actors, node->core_count);
    add_figures(page, of_commits, RV_COUNT(of_commits), commits, sizeof *commits, node->core_count);
}

static void add_lines(struct page *page, const struct node *node)
{
    static const char *const words[] = {"sent", "lost", "received"};
    json_t *peers = node->cluster != NULL ? node_cluster_peers(node->cluster) : json_array();
    one(page, "line_peers", GAUGE, "other nodes this one has a line to",
        (int64_t)json_array_size(peers));
    for (size_t i = 0; i < RV_COUNT(words); i++) {
        char name[32];
        int64_t sum = 0;
        size_t k;
        json_t *peer;
        json_array_foreach(peers, k, peer)
        {
            sum += rv_json_int(peer, words[i], 0);
        }
        snprintf(name, sizeof name, "line_%s", words[i]);
        one(page, name, GAUGE, "messages of the lines that are there now", sum);
    }
    json_decref(peers);
}

static void add_traces(struct page *page, const struct node *node)
{
    struct rv_trace_sender_stats stats;
    if (node->traces == NULL) {
        return;
    }
    rv_trace_sender_stats(node->traces, &stats);
    one(page, "traces_queued", GAUGE, "runs whose trace waits to be sent", stats.queued);
    one(page, "traces_runs", COUNTER, "runs whose trace the collector took", stats.runs);
    one(page, "traces_spans", COUNTER, "spans of these", stats.spans);
    one(page, "traces_dropped", COUNTER, "runs whose trace was not sent", stats.dropped);
    one(page, "traces_rejected", COUNTER, "spans that the collector refused", stats.rejected);
    one(page, "traces_retries", COUNTER, "requests to the collector sent again", stats.retries);
}

/* ---- of the engine ---- */

/* Those that go down too; the others only grow, until the engine is begun anew. */
static void add_http(struct page *page, const struct rv_http_server *server)
{
    one(page, "http_connections", GAUGE, "open ones", rv_http_server_connections(server));
    one(page, "http_connections_turned_away", COUNTER,
        "over a limit: answered with 503, or not at all", rv_http_server_turned_away(server));
}

static enum kind kind_of(const char *name)
{
    static const char *const gauges[] = {"running",     "waiting",       "blocks",
                                         "blocks_used", "blocks_cached", "memory_bytes"};
    for (size_t i = 0; i < RV_COUNT(gauges); i++) {
        if (strcmp(name, gauges[i]) == 0) {
            return GAUGE;
        }
    }
    return COUNTER;
}

static struct rv_engine *engine_of(const struct rv_call *call)
{
    const struct rv_api_models *models = &call->api->options.models;
    return models->pick != NULL ? models->pick(models->self, call->caller->tenant) : NULL;
}

static void add_ready(struct page *page, const struct rv_engine *engine)
{
    one(page, "model_ready", GAUGE, "1: the engine answers",
        engine != NULL && rv_engine_is_ready(engine));
}

static void add_model(struct page *page, const struct rv_engine *engine)
{
    json_t *status = engine != NULL ? rv_engine_status(engine) : json_object();
    const char *name;
    json_t *value;
    add_ready(page, engine);
    one(page, "model_open", GAUGE, NULL, rv_json_int(status, "open", 0));
    one(page, "model_restarts", COUNTER, NULL, rv_json_int(status, "restarts", 0));
    json_object_foreach(json_object_get(status, "stats"), name, value)
    {
        if (json_is_integer(value)) {
            char full[80];
            snprintf(full, sizeof full, "model_%s", name);
            one(page, full, kind_of(name), NULL, json_integer_value(value));
        }
    }
    json_decref(status);
}

/* ---- of the database ---- */

/* Rows (name, kind, value), rows of a name together; "seconds" and numbers are gauges. */
static void add_backlog(struct page *page, const char *prefix, const struct rv_result *result)
{
    const char *before = "";
    for (int row = 0; row < rv_result_rows(result); row++) {
        char name[64];
        const char *kind = rv_result_text(result, row, 1);
        snprintf(name, sizeof name, "%s_%s", prefix, rv_result_text(result, row, 0));
        if (strcmp(before, rv_result_text(result, row, 0)) != 0) {
            family(page, name, GAUGE, NULL);
        }
        before = rv_result_text(result, row, 0);
        sample(page, name, GAUGE, kind[0] != '\0' ? "waits" : NULL, kind,
               rv_result_i64(result, row, 2));
    }
}

/* The whole is the operator's alone: from sums of all companies, read before and after, one could
 * tell how long another one's question was and whether its beginning was known. */
static void on_backlog(void *data, enum rv_code code, const struct rv_result *result,
                       const struct rv_error *err)
{
    (void)err; /* the monitor shall see that the database is away, and the rest */
    struct rv_call *call = data;
    const struct node *node = call->data;
    bool whole = call->caller->tenant == 0;
    const char *accept = rv_http_field(rv_exchange_request(call->exchange), "accept");
    struct page page = {.open = accept != NULL &&
                                strstr(accept, "application/openmetrics-text") != NULL};
    rv_buf_init(&page.text, TEXT_MAX);
    add_version(&page);
    if (whole) {
        add_process(&page, node);
        add_cores(&page, node);
        add_lines(&page, node);
        add_traces(&page, node);
        add_http(&page, rv_exchange_server(call->exchange));
    }
    one(&page, "database_up", GAUGE, "1: the database answers", code == RV_OK);
    if (code == RV_OK) {
        add_backlog(&page, whole ? "backlog" : "company", result);
    }
    if (whole) {
        add_model(&page, engine_of(call));
    } else {
        add_ready(&page, engine_of(call));
    }
    if (page.open) {
        rv_buf_str(&page.text, "# EOF\n");
    }
    rv_exchange_answer(call->exchange, 200, page.open ? OPEN_TYPE : PLAIN_TYPE, page.text.data,
                       page.text.length);
    rv_buf_fini(&page.text);
}

void metrics_api_get(struct rv_call *call)
{
    const struct node *node = call->data;
    int32_t tenant = call->caller->tenant;
    const struct rv_statement *asked = tenant == 0 ? &rv_sql_backlog : &rv_sql_company_figures;
    struct rv_args *args = rv_args_create(asked);
    if (tenant != 0) {
        rv_args_i32(args, 1, tenant);
    }
    rv_args_i32(args, tenant == 0 ? 1 : 2, RV_BACKLOG_MAX);
    rv_db_query(node->db, tenant, asked, args, on_backlog, call);
}
