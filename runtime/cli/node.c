/* node.c -- puts the rooms together; see node.h.
 *
 * The order in which a transaction writes is decided here, once: what others refer to comes first, the
 * audit record comes last, so that it covers everything before it.
 */
#include "runtime/cli/node.h"

#include "approval_sql.h"
#include "audit_sql.h"
#include "db_sql.h"
#include "erp/command/command.h"
#include "erp/exception/catalogue.h"
#include "erp_command_sql.h"
#include "erp_exception_sql.h"
#include "gate_sql.h"
#include "hooks_sql.h"
#include "http_sql.h"
#include "journal_sql.h"
#include "run_sql.h"
#include "schedule_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"

#include <stdio.h>

enum { WRITE_ORDER_MAX = 200, CLOSE_ROUNDS_MS = 20, CLOSE_MS = 10000, KEEP_EVERY_US = 1000000 };

const struct rv_migration *const node_migrations[] = {
    rv_journal_migrations, rv_gate_migrations, rv_db_migrations,       rv_http_migrations,
    rv_hooks_migrations,   rv_run_migrations,  rv_erp_command_migrations, rv_erp_exception_migrations,
    rv_schedule_migrations, NULL};

static const struct rv_statement *const first_writes[] = {
    &rv_sql_policy_bundle_put,  &rv_sql_policy_activate,     &rv_sql_plan_source_put,
    &rv_sql_agent_activate,     &rv_sql_run_insert,          &rv_sql_run_input_insert,
    &rv_sql_journal_append,     &rv_sql_run_status_set,      &rv_sql_run_result_put,
    &rv_sql_run_signal_put,     &rv_sql_run_signal_consume,  &rv_sql_agent_memory_put,
    &rv_sql_event_append,       &rv_sql_command_log_append};
static const struct rv_statement *const last_writes[] = {
    &rv_sql_limit_use_add,        &rv_sql_approval_insert,      &rv_sql_approval_vote_append,
    &rv_sql_approval_status_set,  &rv_sql_approval_answer_set,  &rv_sql_approval_escalate_set,
    &rv_sql_outbox_append,        &rv_sql_audit_append,         &rv_sql_audit_checkpoint_append};

static bool listed(const struct rv_statement *const *list, int count, const struct rv_statement *one)
{
    for (int i = 0; i < count; i++) {
        if (list[i] == one) {
            return true;
        }
    }
    return false;
}

static const struct rv_statement **make_write_order(void)
{
    const struct rv_statement **order = rv_alloc_array(WRITE_ORDER_MAX, sizeof *order);
    int count = 0;
    for (size_t i = 0; i < RV_COUNT(first_writes); i++) {
        order[count++] = first_writes[i];
    }
    for (const struct erp_event_type *type = erp_event_types; type->name != NULL; type++) {
        if (type->projection != NULL && !listed(order, count, type->projection)) {
            order[count++] = type->projection;
        }
    }
    for (size_t i = 0; i < RV_COUNT(last_writes); i++) {
        order[count++] = last_writes[i];
    }
    RV_ASSERT(count < WRITE_ORDER_MAX);
    return order;
}

static const char *const *resolutions_of(const char *type)
{
    const struct erp_exception_type *found = erp_exception_type_find(type);
    return found == NULL ? NULL : found->resolutions;
}

static void looked(void *data, int32_t tenant, int64_t number, int started)
{
    (void)tenant;
    struct node *node = data;
    node->looked = number;
    node->looked_started = started;
}

enum rv_code node_open(const struct node_options *options, struct node **out, struct rv_error *err)
{
    struct rv_audit *audit = NULL;
    enum rv_code code = rv_audit_open(options->audit_key, &audit, err);
    if (code != RV_OK) {
        return code;
    }
    struct node *node = rv_alloc(sizeof *node);
    node->uri = rv_strdup(options->uri);
    node->audit = audit;
    node->loop = rv_loop_create(rv_clock_system());
    node->write_order = make_write_order();
    node->db = rv_db_create(&(struct rv_db_options){.loop = node->loop, .uri = node->uri});
    node->committer = rv_committer_create(&(struct rv_committer_options){
        .loop = node->loop,
        .database_uri = node->uri,
        .write_order = node->write_order,
        .seal = rv_audit_seal,
        .seal_data = audit,
    });
    node->gate =
        rv_gate_create(&(struct rv_gate_options){.committer = node->committer, .db = node->db});
    node->approvals = rv_approvals_create(node->committer);
    node->model = rv_model_create(&(struct rv_model_options){.loop = node->loop});
    node->store = rv_store_create(&(struct rv_store_options){
        .loop = node->loop,
        .db = node->db,
        .committer = node->committer,
        .gate = node->gate,
        .model = node->model,
        .erp_read = &rv_sql_erp_read,
    });
    node->keep = options->keep;
    node->keep_data = options->keep_data;
    uint64_t seed = 0;
    rv_random_secret(&seed, sizeof seed);
    node->actors = rv_actors_create(&node->loop, 1, seed);
    node->orchestrator = (struct rv_orchestrator_options){
        .db = node->db,
        .gate = node->gate,
        .approvals = node->approvals,
        .port = rv_store_port(node->store),
        .resolutions_of = resolutions_of,
        .changed = options->run_changed,
        .changed_data = options->run_changed_data,
        .looked = looked,
        .looked_data = node,
    };
    *out = node;
    return RV_OK;
}

/* ---- driving runs ---- */

static void orchestrator_name(int32_t tenant, char out[32])
{
    snprintf(out, 32, "orchestrator:%d", tenant);
}

static void gained(void *data, int32_t tenant, int64_t epoch)
{
    struct node *node = data;
    char name[32];
    orchestrator_name(tenant, name);
    struct rv_orchestrator_start start = {
        .tenant = tenant, .epoch = epoch, .options = &node->orchestrator};
    struct rv_spawn spawn = {
        .behavior = &rv_orchestrator_behavior,
        .argument = &start,
        .argument_bytes = sizeof start,
        .overflow = RV_OVERFLOW_SPILL,
        .restart = RV_RESTART_ON_FAILURE,
        .tenant = tenant,
        .name = name,
    };
    struct rv_ref ref = {0};
    struct rv_error err = {.code = RV_OK};
    if (rv_actors_spawn(node->actors, 0, &spawn, &ref, &err) != RV_OK) {
        rv_log_error("node", "ORCHESTRATOR", &err);
        return;
    }
    node->driven++;
}

static void lost(void *data, int32_t tenant)
{
    struct node *node = data;
    char name[32];
    orchestrator_name(tenant, name);
    struct rv_ref ref = rv_actors_find(node->actors, name);
    struct rv_message stop = {.kind = RV_MESSAGE_STOP};
    if (ref.id != 0) {
        rv_actors_send(node->actors, ref, &stop);
        node->driven--;
    }
}

void node_drive(struct node *node, int32_t only_tenant)
{
    RV_ASSERT(node->lease == NULL);
    node->lease = rv_lease_create(&(struct rv_lease_options){
        .loop = node->loop,
        .db = node->db,
        .only_tenant = only_tenant,
        .gained = gained,
        .lost = lost,
        .data = node,
    });
}

int64_t node_orchestrate(struct node *node, int32_t tenant)
{
    char name[32];
    orchestrator_name(tenant, name);
    struct rv_ref ref = rv_actors_find(node->actors, name);
    struct rv_message message = {.kind = RV_ORCHESTRATE};
    message.body.numbers[0] = ++node->looks;
    bool sent = ref.id != 0 && rv_actors_send(node->actors, ref, &message) == RV_OK;
    return sent ? node->looks : 0;
}

bool node_cancel(struct node *node, int32_t tenant, int64_t run)
{
    char name[32];
    orchestrator_name(tenant, name);
    struct rv_ref ref = rv_actors_find(node->actors, name);
    struct rv_message message = {.kind = RV_ORCHESTRATOR_CANCEL};
    message.body.numbers[0] = run;
    return ref.id != 0 && rv_actors_send(node->actors, ref, &message) == RV_OK;
}

bool node_wait(struct node *node, const bool *done, int64_t timeout_ms)
{
    int64_t end_us = rv_mono_us(rv_clock_system()) + timeout_ms * 1000;
    while (!*done) {
        if (timeout_ms > 0 && rv_mono_us(rv_clock_system()) > end_us) {
            return false;
        }
        rv_loop_run_once(node->loop, CLOSE_ROUNDS_MS);
        int64_t now_us = rv_mono_us(rv_clock_system());
        if (node->keep != NULL && !node->stopped && now_us - node->kept_us > KEEP_EVERY_US) {
            node->kept_us = now_us;
            node->keep(node->keep_data);
        }
    }
    return true;
}

/* ---- the end, in the order of dependence ---- */

static void set_true(void *data)
{
    *(bool *)data = true;
}

void node_stop(struct node *node)
{
    if (node->stopped) {
        return;
    }
    node->stopped = true;
    bool done = false;
    rv_actors_drain(node->actors, CLOSE_MS, set_true, &done);
    node_wait(node, &done, CLOSE_MS);
    if (node->lease != NULL) {
        done = false;
        rv_lease_close(node->lease, set_true, &done);
        node_wait(node, &done, CLOSE_MS);
    }
    done = false;
    rv_committer_close(node->committer, set_true, &done);
    node_wait(node, &done, CLOSE_MS);
    done = false;
    rv_db_close(node->db, set_true, &done);
    node_wait(node, &done, CLOSE_MS);
}

void node_close(struct node *node)
{
    if (node == NULL) {
        return;
    }
    node_stop(node);
    rv_actors_destroy(node->actors);
    rv_store_destroy(node->store);
    rv_model_destroy(node->model);
    rv_approvals_destroy(node->approvals);
    rv_gate_destroy(node->gate);
    rv_loop_destroy(node->loop);
    rv_audit_close(node->audit);
    rv_free(node->write_order);
    rv_free(node->uri);
    rv_free(node);
}
