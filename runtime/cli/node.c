/* node.c -- puts the rooms together; see node.h. */
#include "runtime/cli/node.h"

#include "db_sql.h"
#include "effect_sql.h"
#include "erp/command/command.h"
#include "erp/exception/catalogue.h"
#include "erp_command_sql.h"
#include "erp_exception_sql.h"
#include "gate_sql.h"
#include "hooks_sql.h"
#include "http_sql.h"
#include "journal_sql.h"
#include "model_sql.h"
#include "observe_sql.h"
#include "run_sql.h"
#include "runtime/actor/trace.h"
#include "runtime/actor/view.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "runtime/cli/node_cluster.h"
#include "runtime/cli/writes.h"
#include "runtime/observe/trace_sender.h"
#include "schedule_sql.h"

#include <stdio.h>
#include <string.h>

enum {
    ROUND_MS = 1000, /* at least so often the private server is looked after */
    CLOSE_MS = 10000,
    KEEP_EVERY_US = 1000000
};

const struct rv_migration *const node_migrations[] = {rv_journal_migrations,
                                                      rv_gate_migrations,
                                                      rv_db_migrations,
                                                      rv_http_migrations,
                                                      rv_hooks_migrations,
                                                      rv_run_migrations,
                                                      rv_effect_migrations,
                                                      rv_erp_command_migrations,
                                                      rv_erp_exception_migrations,
                                                      rv_schedule_migrations,
                                                      rv_model_migrations,
                                                      rv_observe_migrations,
                                                      NULL};

const char *const *node_resolutions_of(const char *type)
{
    const struct erp_exception_type *found = erp_exception_type_find(type);
    return found == NULL ? NULL : found->resolutions;
}

/* ---- the answer of a look, on its way to the main thread ---- */

struct look_over {
    struct node *node;
    int64_t number;
    int started;
};

static void note_look(void *data)
{
    struct look_over *over = data;
    over->node->looked = over->number;
    over->node->looked_started = over->started;
    rv_free(over);
}

static void looked(void *data, int32_t tenant, int64_t number, int started)
{
    (void)tenant;
    struct node *node = data;
    struct look_over *over = rv_alloc(sizeof *over);
    *over = (struct look_over){node, number, started};
    rv_loop_post(node->loop, note_look, over);
}

/* ---- a run that is over, on its way to the main thread ---- */

struct run_over {
    struct node *node;
    int32_t tenant;
    int64_t run;
};

static void note_over(void *data)
{
    struct run_over *over = data;
    if (over->node->traces != NULL) {
        rv_trace_sender_add(over->node->traces, over->tenant, over->run);
    }
    rv_free(over);
}

static void changed(void *data, int32_t tenant, int64_t run, enum rv_run_state state)
{
    struct node *node = data;
    if (node->traces != NULL && rv_run_state_final(state)) {
        struct run_over *over = rv_alloc(sizeof *over);
        *over = (struct run_over){node, tenant, run};
        rv_loop_post(node->loop, note_over, over);
    }
}

static void seal(void *data, int32_t tenant)
{
    const struct node_core *core = data;
    rv_audit_seal_soon(core->committer, tenant);
}

/* ---- the model ---- */

static struct rv_engine *pick_engine(void *data, int32_t tenant)
{
    const struct node_core *core = data;
    return rv_models_pick(core->node->models, tenant);
}

static bool no_engine_known(void *data, struct rv_error *err)
{
    const struct node_core *core = data;
    return rv_models_unknown(core->node->models, err);
}

static void on_use_noted(void *data, enum rv_code code, const struct rv_result *result,
                         const struct rv_error *err)
{
    (void)data;
    (void)result;
    if (code != RV_OK) {
        rv_log_error("model", "USE-LOST", err);
    }
}

static void note_use(void *data, const struct rv_model_request *request,
                     const struct rv_model_reply *reply)
{
    const struct node_core *core = data;
    if (core->node->stopped) {
        return; /* its database connection is closed */
    }
    struct rv_args *args = rv_args_create(&rv_sql_model_use_add);
    rv_args_i32(args, 1, request->tenant);
    rv_args_text(args, 2, rv_json_str(reply->model, "name", ""));
    rv_args_text(args, 3, request->agent);
    rv_args_text(args, 4, "");
    rv_args_i64(args, 5, reply->tokens_in);
    rv_args_i64(args, 6, reply->tokens_cached);
    rv_args_i64(args, 7, reply->tokens_out);
    rv_db_query(core->db, request->tenant, &rv_sql_model_use_add, args, on_use_noted, NULL);
}

/* ---- a commit may let a run go on ---- */

struct rv_ref node_orchestrator(const struct node *node, int32_t tenant)
{
    return node->actors != NULL ? rv_company_orchestrator(node->actors, tenant)
                                : (struct rv_ref){0};
}

bool node_wake(const struct node *node, int32_t tenant)
{
    struct rv_ref ref = node_orchestrator(node, tenant);
    struct rv_message message = {.kind = RV_ORCHESTRATOR_WAKE};
    return ref.id != 0 && rv_actors_send(node->actors, ref, &message) == RV_OK;
}

/* On any core's thread, as the next one. */
static bool drives(void *data, int32_t tenant)
{
    return node_orchestrator(data, tenant).id != 0;
}

/* What people and machines do through HTTP is committed on the main core: a node that drives the
 * company elsewhere hears of it over its line too. */
static void woke(void *data, int32_t tenant)
{
    const struct node *node = data;
    if (!node_wake(node, tenant) && rv_loop_is_current(node->loop) && node->cluster != NULL &&
        !node->handed_over) {
        node_cluster_committed(node->cluster, tenant);
    }
}

/* ---- the beginning ---- */

static void core_open(struct node_core *core, struct node *node)
{
    core->node = node;
    core->loop = rv_loop_create(rv_clock_system());
    core->db = rv_db_create(&(struct rv_db_options){.loop = core->loop,
                                                    .uri = node->uri,
                                                    .connections = node->options.readers,
                                                    .timeout_ms = node->options.query_timeout_ms});
    core->committer = rv_committer_create(&(struct rv_committer_options){
        .loop = core->loop,
        .database_uri = node->uri,
        .write_order = node->write_order,
        .seal = rv_audit_seal,
        .seal_data = node->audit,
        .wakes = node->wakes,
        .drives = drives,
        .woke = woke,
        .wake_data = node,
    });
    core->gate =
        rv_gate_create(&(struct rv_gate_options){.committer = core->committer, .db = core->db});
    core->approvals = rv_approvals_create(core->committer);
    core->port = rv_model_port_create(&(struct rv_model_port_options){.loop = core->loop,
                                                                      .pick = pick_engine,
                                                                      .db = core->db,
                                                                      .unknown = no_engine_known,
                                                                      .used = note_use,
                                                                      .data = core});
    core->model =
        rv_model_create(&(struct rv_model_options){.loop = core->loop,
                                                   .engine = rv_model_port_engine(core->port),
                                                   .deadline_ms = node->options.model_deadline_ms,
                                                   .tiers = node->tiers});
    core->effects =
        rv_effects_create(&(struct rv_effects_options){.loop = core->loop,
                                                       .db = core->db,
                                                       .committer = core->committer,
                                                       .hook_key = node->options.hook_key});
    core->store = rv_store_create(&(struct rv_store_options){
        .loop = core->loop,
        .db = core->db,
        .committer = core->committer,
        .gate = core->gate,
        .effects = core->effects,
        .model = core->model,
        .erp_read = &rv_sql_erp_read,
        .erp_names = &rv_sql_erp_names_in,
    });
    core->room.limits = node->options.runs;
    core->orchestrator = (struct rv_orchestrator_options){
        .loop = core->loop,
        .db = core->db,
        .gate = core->gate,
        .approvals = core->approvals,
        .room = &core->room,
        .port = rv_store_port(core->store),
        .watch = node->options.watch,
        .resolutions_of = node_resolutions_of,
        .changed = changed,
        .changed_data = node,
        .looked = looked,
        .looked_data = node,
        .seal = seal,
        .seal_data = core,
    };
}

/* Does "NUMBER=..." stand in `text` before `at`? */
static bool named_before(const char *text, const char *at, int tenant)
{
    for (const char *one = text; one < at; one = strchr(one, ',') + 1) {
        int number = 0;
        if (sscanf(one, " %9d", &number) == 1 && number == tenant) {
            return true;
        }
    }
    return false;
}

/* "3=4,7=2": with `node` NULL only looks whether it is right. */
static enum rv_code set_weights(const char *text, struct node *node, struct rv_error *err)
{
    for (const char *at = text != NULL ? text : ""; *at != '\0';) {
        int tenant = 0;
        int weight = 0;
        int used = 0;
        if (sscanf(at, " %9d = %2d %n", &tenant, &weight, &used) != 2 || tenant < 1 || weight < 1 ||
            weight > RV_WEIGHT_MAX || (at[used] != ',' && at[used] != '\0')) {
            rv_fail(err, RV_INVALID, "runtime.weights: \"%.40s\" is not NUMBER=WEIGHT", at);
            rv_hint(err, "Write it as in 3=4,7=2: company 3 has weight 4; weights are 1 to %d.",
                    RV_WEIGHT_MAX);
            return RV_INVALID;
        }
        if (named_before(text, at, tenant)) {
            rv_fail(err, RV_INVALID, "runtime.weights: company %d has two weights", tenant);
            rv_hint(err, "Name each company once.");
            return RV_INVALID;
        }
        if (node != NULL) {
            struct rv_actors *actors = node->actors;
            size_t size = (size_t)(node->weight_count + 1) * sizeof(int32_t);
            rv_actors_weight(actors, rv_actors_core_of_tenant(actors, tenant), tenant, weight);
            node->weighted = rv_realloc(node->weighted, size);
            node->weights = rv_realloc(node->weights, size);
            node->weighted[node->weight_count] = tenant;
            node->weights[node->weight_count++] = weight;
        }
        at += used + (at[used] == ',');
    }
    return RV_OK;
}

enum rv_code node_open(const struct node_options *options, struct node **out, struct rv_error *err)
{
    struct rv_audit *audit = NULL;
    enum rv_code code = set_weights(options->weights, NULL, err);
    struct rv_model_tiers *tiers = NULL;
    code = code == RV_OK ? rv_model_tiers_read(options->tiers, &tiers, err) : code;
    code = code == RV_OK ? rv_audit_open(options->audit_key, &audit, err) : code;
    if (code != RV_OK) {
        rv_model_tiers_free(tiers);
        return code;
    }
    struct node *node = rv_alloc(sizeof *node);
    node->uri = rv_strdup(options->uri);
    node->name = rv_strdup(options->name);
    node->options = *options;
    node->audit = audit;
    node->tiers = tiers;
    node->write_order = node_writes_make();
    node->wakes = node_wakes_make();
    node->core_count = options->cores > 0 ? options->cores : 1;
    node->cores = rv_alloc_array((size_t)node->core_count, sizeof *node->cores);
    struct rv_loop **loops = rv_alloc_array((size_t)node->core_count, sizeof(struct rv_loop *));
    for (int i = 0; i < node->core_count; i++) {
        core_open(&node->cores[i], node);
        loops[i] = node->cores[i].loop;
    }
    uint64_t seed = 0;
    rv_random_secret(&seed, sizeof seed);
    node->actors = rv_actors_create(loops, node->core_count, seed);
    rv_free(loops);
    for (int i = 0; i < node->core_count; i++) {
        struct node_core *core = &node->cores[i];
        core->companies = rv_companies_create(
            &(struct rv_companies_options){.loop = core->loop,
                                           .actors = node->actors,
                                           .core = i,
                                           .orchestrator = &core->orchestrator});
    }
    rv_actors_trace(node->actors);
    if (set_weights(options->weights, node, err) != RV_OK) {
        RV_UNREACHABLE("it was right above");
    }
    for (int i = 0; i < node->core_count; i++) {
        if (rv_lookout_spawn(node->actors, i, err) != RV_OK) {
            rv_log_error("node", "LOOKOUT", err); /* without it the node works, and is not seen */
        }
    }
    const struct node_core *main_core = &node->cores[0];
    node->loop = main_core->loop;
    node->db = main_core->db;
    node->committer = main_core->committer;
    node->gate = main_core->gate;
    node->approvals = main_core->approvals;
    node->models = rv_models_open(&(struct rv_models_options){.loop = node->loop,
                                                              .uri = node->uri,
                                                              .db = node->db,
                                                              .engine = options->engine,
                                                              .watch = options->watch});
    for (int i = 1; i < node->core_count; i++) {
        char name[16];
        snprintf(name, sizeof name, "core %d", i);
        node->cores[i].thread = rv_loop_thread_start(node->cores[i].loop, name);
    }
    *out = node;
    return RV_OK;
}

/* ---- driving runs ---- */

/* A company comes or goes: said on the main thread, done in that order on the company's core. */
struct change {
    struct node_core *core;
    int32_t tenant;
    int64_t epoch;
};

static void begin_company(void *data)
{
    struct change *change = data;
    rv_company_begin(change->core->companies, change->tenant, change->epoch);
    rv_free(change);
}

static void end_company(void *data)
{
    struct change *change = data;
    rv_company_end(change->core->companies, change->tenant);
    rv_free(change);
}

static void post_change(struct node *node, int32_t tenant, int64_t epoch, void (*run)(void *data))
{
    struct change *change = rv_alloc(sizeof *change);
    *change = (struct change){&node->cores[rv_actors_core_of_tenant(node->actors, tenant)], tenant,
                              epoch};
    rv_loop_post(change->core->loop, run, change);
}

static void gained(void *data, int32_t tenant, int64_t epoch)
{
    struct node *node = data;
    node->driven++;
    post_change(node, tenant, epoch, begin_company);
}

static void beaten(void *data)
{
    const struct node *node = data;
    if (node->cluster != NULL) {
        node_cluster_beaten(node->cluster);
    }
}

static void lost(void *data, int32_t tenant)
{
    struct node *node = data;
    node->driven--;
    post_change(node, tenant, 0, end_company);
}

/* Another process has committed; company 0: we do not know whose. */
static void woken(void *data, int32_t tenant)
{
    struct node *node = data;
    if (tenant != 0) {
        node_wake(node, tenant);
        return;
    }
    for (int i = 0; i < rv_lease_count(node->lease); i++) {
        node_wake(node, rv_lease_tenant(node->lease, i));
    }
}

void node_drive(struct node *node, int32_t only_tenant)
{
    RV_ASSERT(node->lease == NULL);
    node->lease = rv_lease_create(&(struct rv_lease_options){
        .loop = node->loop,
        .db = node->db,
        .uri = node->uri,
        .only_tenant = only_tenant,
        .lease_ms = node->options.lease_ms,
        .name = node->name,
        .period = node->options.period,
        .gained = gained,
        .lost = lost,
        .beaten = beaten,
        .woken = woken,
        .data = node,
    });
    if (node->cluster != NULL) {
        node_cluster_begin(node->cluster);
    }
}

int64_t node_orchestrate(struct node *node, int32_t tenant)
{
    struct rv_ref ref = node_orchestrator(node, tenant);
    struct rv_message message = {.kind = RV_ORCHESTRATE};
    message.body.numbers[0] = ++node->looks;
    bool sent = ref.id != 0 && rv_actors_send(node->actors, ref, &message) == RV_OK;
    return sent ? node->looks : 0;
}

bool node_wait(struct node *node, const bool *done, int64_t timeout_ms)
{
    int64_t end_us = rv_mono_us(rv_clock_system()) + timeout_ms * 1000;
    while (!*done) {
        int64_t left_ms =
            timeout_ms > 0 ? (end_us - rv_mono_us(rv_clock_system()) + 999) / 1000 : ROUND_MS;
        if (left_ms <= 0) {
            return false;
        }
        rv_loop_run_once(node->loop, left_ms < ROUND_MS ? (int)left_ms : ROUND_MS);
        int64_t now_us = rv_mono_us(rv_clock_system());
        if (node->options.keep != NULL && !node->stopped &&
            now_us - node->kept_us > KEEP_EVERY_US) {
            node->kept_us = now_us;
            node->options.keep(node->options.keep_data);
        }
    }
    return true;
}

/* ---- the end, in the order of dependence ---- */

static void set_true(void *data)
{
    *(bool *)data = true;
}

static void on_core_closed(void *data) /* on the core's thread */
{
    struct node_core *core = data;
    rv_loop_post(core->node->loop, set_true, &core->closed);
}

static void on_committer_closed(void *data)
{
    struct node_core *core = data;
    rv_db_close(core->db, on_core_closed, core);
}

static void on_effects_closed(void *data)
{
    struct node_core *core = data;
    rv_committer_close(core->committer, on_committer_closed, core);
}

static void close_core(void *data)
{
    struct node_core *core = data;
    rv_model_port_stop(core->port);
    rv_store_stop(core->store);
    rv_effects_close(core->effects, on_effects_closed, core);
}

void node_hand_over(struct node *node)
{
    if (node->handed_over) {
        return;
    }
    node->handed_over = true;
    if (node->cluster != NULL) {
        node_cluster_leave(node->cluster);
    }
    rv_actors_drain(node->actors, CLOSE_MS, set_true, &node->drained);
    node_wait(node, &node->drained, CLOSE_MS);
    if (node->lease != NULL) {
        rv_lease_close(node->lease, set_true, &node->left);
        node_wait(node, &node->left, CLOSE_MS);
    }
    if (node->cluster != NULL) {
        node_cluster_left(node->cluster);
    }
}

void node_stop(struct node *node)
{
    if (node->stopped) {
        return;
    }
    node->stopped = true;
    node_hand_over(node);
    rv_models_stop(node->models);
    if (node->wrote != 0) {
        rv_audit_seal_soon(node->committer, node->wrote);
    }
    for (int i = node->core_count - 1; i >= 0; i--) {
        struct node_core *core = &node->cores[i];
        rv_loop_post(core->loop, close_core, core);
        if (!node_wait(node, &core->closed, CLOSE_MS)) {
            rv_log(RV_LOG_WARN, "node", "CLOSE-LATE", "core=%d the database did not answer", i);
        }
        if (core->thread != NULL) {
            rv_loop_thread_join(core->thread);
            core->thread = NULL;
        }
    }
}

void node_close(struct node *node)
{
    if (node == NULL) {
        return;
    }
    node_stop(node);
    rv_actors_destroy(node->actors);
    for (int i = 0; i < node->core_count; i++) {
        rv_model_destroy(node->cores[i].model);
    }
    rv_loop_run_once(node->loop, 0); /* what was posted to the engine's supervisor */
    rv_models_close(node->models);
    for (int i = node->core_count - 1; i >= 0; i--) {
        struct node_core *core = &node->cores[i];
        rv_loop_run_once(core->loop, 0); /* answers on their way to the port */
        rv_companies_destroy(core->companies);
        rv_store_destroy(core->store);
        rv_model_port_destroy(core->port);
        rv_approvals_destroy(core->approvals);
        rv_gate_destroy(core->gate);
        rv_loop_destroy(core->loop);
    }
    node_cluster_close(node->cluster);
    rv_free(node->weighted);
    rv_free(node->weights);
    rv_model_tiers_free(node->tiers);
    rv_audit_close(node->audit);
    rv_free(node->write_order);
    rv_free(node->wakes);
    rv_free(node->cores);
    rv_free(node->uri);
    rv_free(node->name);
    rv_free(node);
}
