/* gate_world.c -- see gate_world.h. */
#include "tests/bench/gate_world.h"

#include "audit_sql.h"
#include "db_sql.h"
#include "erp/command/command.h"
#include "erp_command_sql.h"
#include "erp_exception_sql.h"
#include "gate_sql.h"
#include "journal_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "tests/support/postgres.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WRITE_ORDER_MAX = 96 };

static const struct rv_migration *const rooms[] = {
    rv_journal_migrations,     rv_gate_migrations,          rv_db_migrations,
    rv_erp_command_migrations, rv_erp_exception_migrations, NULL};

static void must(enum rv_code code, const struct rv_error *err)
{
    if (code != RV_OK) {
        fprintf(stderr, "%s (%s) %s\n", err->message, err->detail, err->hint);
        exit(EXIT_FAILURE);
    }
}

/* ---- the stage ---- */

/* The order of runtime/cli/node.c: what others refer to first, the audit record last. */
static const struct rv_statement **make_write_order(void)
{
    static const struct rv_statement *const first[] = {
        &rv_sql_policy_bundle_put, &rv_sql_policy_activate, &rv_sql_journal_append,
        &rv_sql_event_append, &rv_sql_command_log_append};
    static const struct rv_statement *const last[] = {
        &rv_sql_limit_use_add, &rv_sql_approval_insert, &rv_sql_approval_status_set,
        &rv_sql_outbox_append, &rv_sql_audit_append,    &rv_sql_audit_checkpoint_append};
    const struct rv_statement **order = rv_alloc_array(WRITE_ORDER_MAX, sizeof *order);
    int count = 0;
    for (size_t i = 0; i < RV_COUNT(first); i++) {
        order[count++] = first[i];
    }
    for (const struct erp_event_type *type = erp_event_types; type->name != NULL; type++) {
        bool listed = type->projection == NULL;
        for (int i = 0; i < count; i++) {
            listed = listed || order[i] == type->projection;
        }
        if (!listed) {
            order[count++] = type->projection;
        }
        RV_ASSERT(count < WRITE_ORDER_MAX - (int)RV_COUNT(last));
    }
    for (size_t i = 0; i < RV_COUNT(last); i++) {
        order[count++] = last[i];
    }
    return order;
}

struct fact_sink {
    const struct bench_run *run;
    const char *bench;
};

static enum rv_code fact_row(void *data, const struct rv_result *result, int row,
                             struct rv_error *err)
{
    (void)err;
    const struct fact_sink *sink = data;
    bench_fact(sink->run, sink->bench, rv_result_text(result, row, 0),
               rv_result_text(result, row, 1));
    return RV_OK;
}

static void make_tenant(struct gate_world *world, const struct bench_run *run, const char *bench)
{
    static const struct rv_statement settings = {
        .name = "bench_settings",
        .params = "",
        .text =
            "SELECT name, setting || coalesce(unit, '') FROM pg_settings WHERE name IN "
            "('server_version', 'fsync', 'synchronous_commit', 'full_page_writes', "
            "'shared_buffers', 'wal_sync_method', 'max_wal_size', 'min_wal_size') ORDER BY name"};
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    struct fact_sink sink = {run, bench};
    must(rv_db_session_open(world->uri, &session, &err), &err);
    struct rv_args *args = rv_args_create(&rv_sql_tenant_create);
    rv_args_text(args, 1, "bench");
    rv_args_json_text(args, 2, "{}", 2);
    must(rv_db_session_query(session, 0, &rv_sql_tenant_create, args, NULL, NULL, &err), &err);
    must(rv_db_session_query(session, 0, &settings, NULL, fact_row, &sink, &err), &err);
    rv_db_session_close(session);
}

void gate_world_open(struct gate_world *world, const struct bench_run *run, const char *bench)
{
    *world = (struct gate_world){.key_path = "/tmp/reeve-bench-key-XXXXXX"};
    rv_log_level(RV_LOG_WARN);
    test_postgres_start(TEST_PG_FSYNC);
    world->uri = test_postgres_database(rooms);
    world->superuser = test_postgres_superuser(world->uri);
    make_tenant(world, run, bench);
    test_postgres_execute(world->superuser,
                          "SELECT count(pg_logical_emit_message(false, 'fill', "
                          "repeat(md5(g::text), 32768))) FROM generate_series(1, 900) AS g");
    test_postgres_execute(world->superuser, "CHECKPOINT");
    int fd = mkstemp(world->key_path);
    RV_ASSERT(fd >= 0);
    close(fd);
    unlink(world->key_path); /* rv_audit_open makes it */
    struct rv_error err = {.code = RV_OK};
    must(rv_audit_open(world->key_path, &world->audit, &err), &err);
    world->loop = rv_loop_create(rv_clock_system());
    world->write_order = make_write_order();
    world->db = rv_db_create(&(struct rv_db_options){.loop = world->loop, .uri = world->uri});
    world->committer =
        rv_committer_create(&(struct rv_committer_options){.loop = world->loop,
                                                           .database_uri = world->uri,
                                                           .write_order = world->write_order,
                                                           .seal = rv_audit_seal,
                                                           .seal_data = world->audit});
    world->gate =
        rv_gate_create(&(struct rv_gate_options){.committer = world->committer, .db = world->db});
}

static void closed(void *data)
{
    *(bool *)data = true;
}

void gate_world_close(struct gate_world *world)
{
    bool committer_closed = false;
    bool db_closed = false;
    rv_committer_close(world->committer, closed, &committer_closed);
    while (!committer_closed) {
        rv_loop_run_once(world->loop, 20);
    }
    rv_db_close(world->db, closed, &db_closed);
    while (!db_closed) {
        rv_loop_run_once(world->loop, 20);
    }
    rv_gate_destroy(world->gate);
    rv_loop_run(world->loop);
    rv_loop_destroy(world->loop);
    rv_audit_close(world->audit);
    unlink(world->key_path);
    rv_free(world->write_order);
    rv_free(world->superuser);
    rv_free(world->uri);
}

/* ---- what is waited for ---- */

void gate_world_policy(struct gate_world *world, const char *source)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_policy *policy = NULL;
    struct rv_db_session *session = NULL;
    must(rv_policy_load(source, strlen(source), "bench.lua", &policy, &err), &err);
    struct rv_hash hash = rv_policy_hash(policy);
    must(rv_db_session_open(world->uri, &session, &err), &err);
    struct rv_args *args = rv_args_create(&rv_sql_policy_bundle_put);
    rv_args_i32(args, 1, GATE_WORLD_TENANT);
    rv_args_bytes(args, 2, hash.bytes, RV_HASH_BYTES);
    rv_args_text(args, 3, rv_policy_name(policy));
    rv_args_text(args, 4, source);
    rv_args_text(args, 5, rv_policy_canonical(policy));
    rv_args_text(args, 6, "bench");
    must(rv_db_session_query(session, GATE_WORLD_TENANT, &rv_sql_policy_bundle_put, args, NULL,
                             NULL, &err),
         &err);
    args = rv_args_create(&rv_sql_policy_activate);
    rv_args_i32(args, 1, GATE_WORLD_TENANT);
    rv_args_bytes(args, 2, hash.bytes, RV_HASH_BYTES);
    must(rv_db_session_query(session, GATE_WORLD_TENANT, &rv_sql_policy_activate, args, NULL, NULL,
                             &err),
         &err);
    rv_db_session_close(session);
    rv_policy_destroy(policy);
}

struct command {
    struct rv_gate_request request; /* first */
    bool done;
    json_t *answer;
};

static void command_done(struct rv_gate_request *request, enum rv_code code,
                         const struct rv_gate_outcome *outcome, const struct rv_error *err)
{
    struct command *command = (struct command *)request;
    if (code != RV_OK || outcome->result != RV_GATE_EXECUTED) {
        fprintf(stderr, "%s: %s\n", request->action,
                code != RV_OK              ? err->message
                : outcome->message != NULL ? outcome->message
                                           : rv_gate_result_name(outcome->result));
        exit(EXIT_FAILURE);
    }
    command->answer = json_incref((json_t *)(uintptr_t)outcome->answer);
    command->done = true;
}

json_t *gate_world_do(struct gate_world *world, const char *action, json_t *args)
{
    char id[32];
    snprintf(id, sizeof id, "bench:%" PRId64, ++world->commands);
    struct command command = {.request = {.tenant = GATE_WORLD_TENANT,
                                          .principal = {.kind = RV_PRINCIPAL_SYSTEM, .id = "bench"},
                                          .action = action,
                                          .args = args,
                                          .command_id = id,
                                          .done = command_done}};
    rv_gate_submit(world->gate, &command.request);
    while (!command.done) {
        rv_loop_run_once(world->loop, 20);
    }
    json_decref(args);
    return command.answer;
}

static void time_over(void *data)
{
    rv_loop_stop(data);
}

void gate_world_run(struct gate_world *world, int64_t ms)
{
    struct rv_timer *timer = rv_timer_create(world->loop, time_over, world->loop);
    rv_timer_start(timer, ms);
    rv_loop_run(world->loop);
    rv_timer_close(timer);
}
