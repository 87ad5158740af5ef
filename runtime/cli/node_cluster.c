/* node_cluster.c -- see node_cluster.h. */
#include "runtime/cli/node_cluster.h"

#include "journal_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "runtime/cli/node.h"
#include "runtime/cluster/certificate.h"
#include "runtime/journal/placement.h"
#include "runtime/run/run_trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    DRAIN_MS =
        500, /* a company whose actors take longer goes without them: the epoch fences them */
    ASK_MS = ACTORS_ANSWER_MS + 500,
    WAKE_EVERY_MS = 20, /* an import commits a thousand times a second: one look is enough */
    WAKES_KEPT = 64,
    GOODBYE_MS = 200, /* for the last word to leave */
    LINGER_MS = 30,   /* nng says that a message is sent before it is */
    ROUND_MS = 10,
    FACE_TEXT = 256
};

struct recent {
    int32_t tenant;
    int64_t told_us;
    bool again;
};

struct node_cluster {
    struct node *node;
    struct rv_cluster *lines; /* NULL: no port */
    struct rv_placement *placement;
    int64_t boot;
    char link[FACE_TEXT];
    char mark[RV_CLUSTER_MARK_TEXT];
    char api[FACE_TEXT];
    char version[FACE_TEXT];
    void (*refused)(void *data, const struct rv_error *err);
    void *refused_data;
    struct rv_timer *timer; /* for wake-ups that were held back */
    struct recent recent[WAKES_KEPT];
};

static void on_wake(void *data, int32_t tenant);
static void on_leases(void *data);
static void on_question(void *data, struct rv_cluster_question *question, const json_t *body);
static void on_timer(void *data);

/* ---- wake-ups ---- */

static bool drives(const struct node *node, int32_t tenant)
{
    return node->lease != NULL && rv_lease_epoch(node->lease, tenant) != 0;
}

static void on_wake(void *data, int32_t tenant)
{
    const struct node_cluster *cluster = data;
    node_wake(cluster->node, tenant);
}

static int64_t now_us(const struct node_cluster *cluster)
{
    return rv_mono_us(rv_loop_clock(cluster->node->loop));
}

/* The first at once, the rest together a little later. */
void node_cluster_committed(struct node_cluster *cluster, int32_t tenant)
{
    if (cluster->lines == NULL) {
        return;
    }
    struct recent *recent = &cluster->recent[(uint32_t)tenant % WAKES_KEPT];
    int64_t now = now_us(cluster);
    if (recent->tenant == tenant && now - recent->told_us < WAKE_EVERY_MS * 1000) {
        if (!recent->again) {
            recent->again = true;
            rv_timer_start(cluster->timer, WAKE_EVERY_MS);
        }
        return;
    }
    if (recent->again) { /* another company was here */
        rv_cluster_wake(cluster->lines, recent->tenant);
    }
    *recent = (struct recent){tenant, now, false};
    rv_cluster_wake(cluster->lines, tenant);
}

static void on_timer(void *data)
{
    struct node_cluster *cluster = data;
    int64_t now = now_us(cluster);
    for (int i = 0; i < WAKES_KEPT; i++) {
        struct recent *recent = &cluster->recent[i];
        if (recent->again) {
            recent->again = false;
            recent->told_us = now;
            rv_cluster_wake(cluster->lines, recent->tenant);
        }
    }
}

/* ---- placement ---- */

static void on_leases(void *data)
{
    struct node_cluster *cluster = data;
    if (cluster->placement != NULL) {
        rv_placement_look(cluster->placement);
    }
}

static void on_passed(void *data, int64_t to_node)
{
    (void)to_node; /* who it was sees it when it looks */
    struct node_cluster *cluster = data;
    if (cluster->lines != NULL) {
        rv_cluster_leases(cluster->lines);
    }
}

static void on_refused(void *data, const struct rv_error *err)
{
    struct node_cluster *cluster = data;
    cluster->refused(cluster->refused_data, err);
}

void node_cluster_begin(struct node_cluster *cluster)
{
    struct node *node = cluster->node;
    cluster->placement = rv_placement_create(&(struct rv_placement_options){
        .loop = node->loop,
        .db = node->db,
        .lease = node->lease,
        .lease_ms = node->options.lease_ms > 0 ? node->options.lease_ms : RV_LEASE_MS,
        .face = {.boot = cluster->boot,
                 .link = cluster->link,
                 .link_mark = cluster->mark,
                 .api = cluster->api,
                 .version = cluster->version},
        .weighted = node->weighted,
        .weights = node->weights,
        .weight_count = node->weight_count,
        .drain = node_drain_company,
        .passed = on_passed,
        .refused = on_refused,
        .data = cluster});
}

void node_cluster_beaten(struct node_cluster *cluster)
{
    if (cluster->placement != NULL) {
        rv_placement_beaten(cluster->placement);
    }
}

/* ---- the end of a company here: an actor that waits for its orchestrator's ---- */

struct mover {
    struct node *node;
    int32_t tenant;
    void (*drained)(void *data);
    void *data;
    bool over;
};

static void mover_over(struct rv_actor *self, struct mover *mover)
{
    if (!mover->over) {
        mover->over = true;
        rv_loop_post(mover->node->loop, mover->drained, mover->data);
        rv_actor_exit(self, RV_EXIT_NORMAL);
    }
}

static enum rv_code mover_start(struct rv_actor *self, void *state, const void *argument,
                                struct rv_error *err)
{
    (void)err;
    struct mover *mover = state;
    *mover = *(const struct mover *)argument;
    struct rv_ref ref = node_orchestrator(mover->node, mover->tenant);
    rv_actor_after(self, ref.id != 0 ? DRAIN_MS : 0, 0);
    if (ref.id != 0) {
        struct rv_message stop = {.kind = RV_MESSAGE_STOP};
        rv_actor_monitor(self, ref);
        rv_actor_send(self, ref, &stop);
    }
    return RV_OK;
}

static enum rv_code mover_receive(struct rv_actor *self, void *state, struct rv_message *message,
                                  struct rv_error *err)
{
    (void)err;
    struct mover *mover = state;
    if (message->kind == RV_MESSAGE_TIMEOUT) {
        rv_log(RV_LOG_INFO, "node", "DRAIN-LATE", "tenant=%d", mover->tenant);
    }
    if (message->kind == RV_MESSAGE_DOWN || message->kind == RV_MESSAGE_TIMEOUT) {
        mover_over(self, mover);
    }
    return RV_OK;
}

static void mover_stop(struct rv_actor *self, void *state, enum rv_exit why)
{
    (void)why;
    mover_over(self, state); /* the node ends meanwhile */
}

static const struct rv_behavior mover_behavior = {.name = "mover",
                                                  .start = mover_start,
                                                  .receive = mover_receive,
                                                  .stop = mover_stop,
                                                  .state_bytes = sizeof(struct mover)};

static void spawn_mover(void *data) /* on the company's core */
{
    struct mover *mover = data;
    struct rv_actors *actors = mover->node->actors;
    struct rv_spawn spawn = {.behavior = &mover_behavior, .argument = mover};
    struct rv_ref ref = {0};
    struct rv_error err = {.code = RV_OK};
    int core = rv_actors_core_of_tenant(actors, mover->tenant);
    if (rv_actors_spawn(actors, core, &spawn, &ref, &err) != RV_OK) {
        rv_loop_post(mover->node->loop, mover->drained, mover->data); /* the node is stopping */
    }
    rv_free(mover);
}

void node_drain_company(void *data, int32_t tenant, void (*drained)(void *data), void *drained_data)
{
    const struct node_cluster *cluster = data;
    struct node *node = cluster->node;
    struct mover *mover = rv_alloc(sizeof *mover);
    *mover = (struct mover){node, tenant, drained, drained_data, false};
    rv_loop_post(node->cores[rv_actors_core_of_tenant(node->actors, tenant)].loop, spawn_mover,
                 mover);
}

/* ---- questions ---- */

struct view {
    struct node *node;
    struct actors_question asked;
    rv_api_done done;
    void *data;
    struct rv_cluster_question *peer; /* another node asks; else `done` */
    char owner[FACE_TEXT];            /* "": nobody, or we */
    char owner_api[FACE_TEXT];
};

static void view_end(struct view *view, enum rv_code code, const json_t *answer,
                     const struct rv_error *err)
{
    if (view->peer != NULL) {
        rv_cluster_answer(view->peer, code == RV_OK ? answer : NULL, err);
    } else {
        view->done(view->data, code, answer, err);
    }
    rv_free(view);
}

static void on_local_view(void *data, enum rv_code code, const json_t *answer,
                          const struct rv_error *err)
{
    struct view *view = data;
    json_t *named = code == RV_OK ? json_copy((json_t *)(uintptr_t)answer) : NULL;
    if (named != NULL) {
        json_object_set_new(named, "node", json_string(view->node->name));
        if (view->owner[0] != '\0') {
            json_object_set_new(
                named, "owner",
                json_pack("{s:s,s:s}", "node", view->owner, "api", view->owner_api));
        }
    }
    view_end(view, code, named, err);
    json_decref(named);
}

static void view_here(struct view *view)
{
    actors_ask(view->node->actors, &view->asked, on_local_view, view);
}

static void on_remote_view(void *data, enum rv_code code, const json_t *answer,
                           const struct rv_error *err)
{
    struct view *view = data;
    if (code != RV_OK) {
        rv_log(RV_LOG_INFO, "cluster", "ASK-FAILED", "node=%s %s", view->owner, err->message);
        view_here(view); /* and the owner's name */
        return;
    }
    view_end(view, RV_OK, answer, NULL);
}

static void on_owner(void *data, enum rv_code code, const struct rv_result *result,
                     const struct rv_error *err)
{
    (void)err;
    struct view *view = data;
    const struct node_cluster *cluster = view->node->cluster;
    int64_t boot = 0;
    if (code == RV_OK && rv_result_rows(result) == 1) {
        boot = rv_result_i64(result, 0, 1);
        if (boot != cluster->boot) {
            snprintf(view->owner, sizeof view->owner, "%s", rv_result_text(result, 0, 2));
            snprintf(view->owner_api, sizeof view->owner_api, "%s", rv_result_text(result, 0, 3));
        }
    }
    if (boot == 0 || boot == cluster->boot || cluster->lines == NULL) {
        view_here(view);
        return;
    }
    char trace[RV_TRACE_TEXT];
    rv_trace_text(view->asked.trace, trace);
    json_t *body = json_pack("{s:s,s:i,s:i,s:s}", "ask", "actors", "what", (int)view->asked.what,
                             "company", (int)view->asked.admin_of, "trace", trace);
    rv_cluster_ask(cluster->lines, boot, body, ASK_MS, on_remote_view, view);
    json_decref(body);
}

void node_cluster_actors(struct node *node, const struct actors_question *question,
                         rv_api_done done, void *data)
{
    struct view *view = rv_alloc(sizeof *view);
    *view = (struct view){.node = node, .asked = *question, .done = done, .data = data};
    if (node->cluster == NULL || drives(node, question->admin_of)) {
        view_here(view);
        return;
    }
    struct rv_args *args = rv_args_create(&rv_sql_node_of);
    rv_args_i32(args, 1, question->admin_of);
    rv_db_query(node->db, 0, &rv_sql_node_of, args, on_owner, view);
}

/* The asking node has looked whether its caller may know: this is between nodes. */
static void on_question(void *data, struct rv_cluster_question *question, const json_t *body)
{
    const struct node_cluster *cluster = data;
    struct rv_error err = {.code = RV_OK};
    int64_t what = rv_json_int(body, "what", -1);
    int64_t tenant = rv_json_int(body, "company", 0);
    struct rv_trace trace = {0, 0};
    bool traced = rv_trace_from_text(rv_json_str(body, "trace", ""), &trace);
    if (strcmp(rv_json_str(body, "ask", ""), "actors") != 0 || tenant <= 0 || tenant > INT32_MAX ||
        what < 0 || what >= ACTORS_WHATS || (what == ACTORS_TRACE) != traced) {
        rv_fail(&err, RV_INVALID, "this node does not know that question");
        rv_cluster_answer(question, NULL, &err);
        return;
    }
    struct view *view = rv_alloc(sizeof *view);
    *view = (struct view){.node = cluster->node,
                          .asked = {(enum actors_what)what, (int32_t)tenant, trace},
                          .peer = question};
    view_here(view);
}

int64_t node_cluster_boot(const struct node_cluster *cluster)
{
    return cluster->boot;
}

json_t *node_cluster_peers(const struct node_cluster *cluster)
{
    return cluster->lines != NULL ? rv_cluster_peers(cluster->lines) : json_array();
}

/* ---- beginning and end ---- */

static enum rv_code check_certificate(const struct node *node, const struct rv_line_tls *tls,
                                      struct rv_error *err)
{
    int days_left = RV_CERTIFICATE_SOON_DAYS;
    enum rv_code code =
        tls->cert_file == NULL ? RV_OK : rv_certificate_check(tls, node->name, &days_left, err);
    if (code == RV_OK && days_left < RV_CERTIFICATE_SOON_DAYS) {
        rv_log(RV_LOG_WARN, "cluster", "CERTIFICATE-ENDS",
               "cluster.tls_cert is valid for %d more days: get another one in time", days_left);
    }
    return code;
}

static enum rv_code open_lines(struct node_cluster *cluster,
                               const struct node_cluster_options *options, struct rv_error *err)
{
    struct rv_cluster_key key;
    bool everywhere = strcmp(options->host, "0.0.0.0") == 0 || strcmp(options->host, "::") == 0;
    if (everywhere && options->address[0] == '\0') {
        rv_fail(err, RV_INVALID,
                "cluster.listen is every address of this machine, and "
                "cluster.address does not say which one the others shall use");
        rv_hint(err, "Set cluster.address to HOST:PORT as the other nodes reach this one.");
        return RV_INVALID;
    }
    enum rv_code code = check_certificate(cluster->node, &options->tls, err);
    code = code == RV_OK ? rv_cluster_key_open(options->key_file, &key, err) : code;
    if (code != RV_OK) {
        return code;
    }
    code = rv_cluster_open(&(struct rv_cluster_options){.loop = cluster->node->loop,
                                                        .db = cluster->node->db,
                                                        .boot = cluster->boot,
                                                        .host = options->host,
                                                        .port = options->port,
                                                        .key = &key,
                                                        .tls = options->tls,
                                                        .wake = on_wake,
                                                        .leases = on_leases,
                                                        .ask = on_question,
                                                        .data = cluster},
                           &cluster->lines, err);
    snprintf(cluster->mark, sizeof cluster->mark, "%s", key.mark);
    rv_cluster_key_wipe(&key);
    if (code == RV_OK && options->address[0] != '\0') {
        snprintf(cluster->link, sizeof cluster->link, "%s", options->address);
    } else if (code == RV_OK) {
        bool brackets = strchr(options->host, ':') != NULL;
        snprintf(cluster->link, sizeof cluster->link, "%s%s%s:%d", brackets ? "[" : "",
                 options->host, brackets ? "]" : "", rv_cluster_port(cluster->lines));
    }
    return code;
}

enum rv_code node_cluster_open(const struct node_cluster_options *options, struct rv_error *err)
{
    struct node *node = options->node;
    struct node_cluster *cluster = rv_alloc(sizeof *cluster);
    cluster->node = node;
    cluster->boot = rv_id_make(rv_now_us(rv_loop_clock(node->loop)));
    cluster->refused = options->refused;
    cluster->refused_data = options->data;
    snprintf(cluster->api, sizeof cluster->api, "%s", options->api);
    snprintf(cluster->version, sizeof cluster->version, "%s", options->version);
    enum rv_code code = options->host[0] != '\0' ? open_lines(cluster, options, err) : RV_OK;
    if (code != RV_OK) {
        rv_free(cluster);
        return code;
    }
    cluster->timer = rv_timer_create(node->loop, on_timer, cluster);
    node->cluster = cluster;
    return RV_OK;
}

void node_cluster_leave(struct node_cluster *cluster)
{
    if (cluster->placement != NULL) {
        rv_placement_stop(cluster->placement);
    }
}

void node_cluster_left(struct node_cluster *cluster)
{
    struct node *node = cluster->node;
    rv_timer_close(cluster->timer);
    cluster->timer = NULL;
    if (cluster->lines == NULL) {
        return;
    }
    int64_t end_us = now_us(cluster) + GOODBYE_MS * 1000;
    rv_cluster_leases(cluster->lines);
    while (!rv_cluster_quiet(cluster->lines) && now_us(cluster) < end_us) {
        rv_loop_run_once(node->loop, ROUND_MS);
    }
    end_us = now_us(cluster) + LINGER_MS * 1000;
    while (now_us(cluster) < end_us) {
        rv_loop_run_once(node->loop, ROUND_MS);
    }
    rv_cluster_stop(cluster->lines);
}

void node_cluster_close(struct node_cluster *cluster)
{
    if (cluster == NULL) {
        return;
    }
    rv_timer_close(cluster->timer);
    rv_placement_destroy(cluster->placement);
    rv_cluster_destroy(cluster->lines);
    rv_free(cluster);
}
