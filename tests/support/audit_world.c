/* audit_world.c -- see audit_world.h. */
#include "tests/support/audit_world.h"

#include "audit_sql.h"
#include "db_sql.h"
#include "gate_sql.h"
#include "journal_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "tests/support/key_file.h"
#include "tests/support/postgres.h"
#include "tests/support/test.h"

#include <libpq-fe.h>
#include <unistd.h>

static const struct rv_migration *const rooms[] = {rv_journal_migrations, rv_gate_migrations,
                                                   rv_db_migrations, NULL};
static const struct rv_statement *const write_order[] = {&rv_sql_audit_append,
                                                         &rv_sql_audit_checkpoint_append, NULL};

struct record {
    struct rv_unit unit;
    struct audit_world *world;
    int number;
};

static enum rv_code record_decide(struct rv_unit *unit, struct rv_batch *batch,
                                  struct rv_error *err)
{
    (void)err;
    struct record *record = (struct record *)unit;
    json_t *body = json_pack("{s:i}", "number", record->number);
    rv_audit_append(batch, "test", 0, -1, body);
    json_decref(body);
    return RV_OK;
}

static void record_done(struct rv_unit *unit, enum rv_code code, const struct rv_error *err)
{
    (void)err;
    struct record *record = (struct record *)unit;
    ck_assert_int_eq(code, RV_OK);
    if (--record->world->left == 0) {
        rv_loop_stop(record->world->loop);
    }
    rv_free(record);
}

void audit_world_append(struct audit_world *world, int count)
{
    world->left = count;
    for (int i = 0; i < count; i++) {
        struct record *record = rv_alloc(sizeof *record);
        record->world = world;
        record->number = i;
        record->unit = (struct rv_unit){
            .tenant = 1, .needs_head = true, .decide = record_decide, .done = record_done};
        rv_commit(world->committer, &record->unit);
    }
    rv_loop_run(world->loop);
}

void audit_world_sql(const struct audit_world *world, const char *text)
{
    char *uri = test_postgres_superuser(world->uri);
    PGconn *conn = PQconnectdb(uri);
    PQclear(
        PQexec(conn, "SET session_replication_role = replica")); /* an intruder stops triggers */
    PGresult *result = PQexec(conn, text);
    ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK ||
                      PQresultStatus(result) == PGRES_TUPLES_OK,
                  "%s", PQerrorMessage(conn));
    PQclear(result);
    PQfinish(conn);
    rv_free(uri);
}

void audit_world_make(struct audit_world *world)
{
    rv_log_level(RV_LOG_SILENT);
    world->uri = test_postgres_database(rooms);
    audit_world_sql(world, "SELECT reeve_tenant_create('one', '{}')");
    char key[KEY_FILE_NAME];
    key_file_name(key);
    ck_assert_int_eq(rv_audit_open(key, &world->audit, NULL), RV_OK);
    ck_assert_int_eq(rv_audit_trust_open(key, &world->trust, NULL), RV_OK);
    key_file_remove(key);
    world->loop = rv_loop_create(rv_clock_system());
    world->committer =
        rv_committer_create(&(struct rv_committer_options){.loop = world->loop,
                                                           .database_uri = world->uri,
                                                           .write_order = write_order,
                                                           .seal = rv_audit_seal,
                                                           .seal_data = world->audit});
}

void audit_world_end(struct audit_world *world)
{
    rv_committer_close(world->committer, NULL, NULL);
    rv_loop_run(world->loop);
    rv_loop_destroy(world->loop);
    rv_audit_close(world->audit);
    rv_audit_trust_free(world->trust);
    rv_free(world->uri);
}
