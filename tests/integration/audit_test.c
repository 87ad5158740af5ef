/* audit_test.c -- whatever is done to the record behind reeve's back is found and named. */
#include "runtime/audit/audit.h"
#include "audit_sql.h"
#include "db_sql.h"
#include "gate_sql.h"
#include "journal_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/db/db.h"
#include "tests/support/postgres.h"
#include "tests/support/test.h"

#include <libpq-fe.h>
#include <pthread.h>
#include <unistd.h>

static const struct rv_migration *const rooms[] = {rv_journal_migrations, rv_gate_migrations,
                                                   rv_db_migrations, NULL};
static const struct rv_statement *const write_order[] = {&rv_sql_audit_append,
                                                         &rv_sql_audit_checkpoint_append, NULL};

struct world {
    struct rv_loop *loop;
    struct rv_committer *committer;
    struct rv_audit *audit;
    char *uri;
    int left;
};

struct record {
    struct rv_unit unit;
    struct world *world;
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

static void append(struct world *world, int count)
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

static void sql(const struct world *world, const char *text)
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

static void world_make(struct world *world)
{
    rv_log_level(RV_LOG_SILENT);
    world->uri = test_postgres_database(rooms);
    sql(world, "SELECT reeve_tenant_create('one', '{}')");
    char key[64];
    snprintf(key, sizeof key, "/tmp/rv-audit-key-%d", (int)getpid());
    unlink(key);
    ck_assert_int_eq(rv_audit_open(key, &world->audit, NULL), RV_OK);
    unlink(key);
    world->loop = rv_loop_create(rv_clock_system());
    world->committer =
        rv_committer_create(&(struct rv_committer_options){.loop = world->loop,
                                                           .database_uri = world->uri,
                                                           .write_order = write_order,
                                                           .seal = rv_audit_seal,
                                                           .seal_data = world->audit});
}

static void world_end(struct world *world)
{
    rv_committer_close(world->committer, NULL, NULL);
    rv_loop_run(world->loop);
    rv_loop_destroy(world->loop);
    rv_audit_close(world->audit);
    rv_free(world->uri);
}

/* Empty when all is well, else the first finding. */
static char *verify(const struct world *world, const char *outside)
{
    json_t *report = NULL;
    struct rv_error err = {.code = RV_OK};
    enum rv_code code = rv_audit_verify(world->uri, 1, world->audit, outside, &report, &err);
    ck_assert_msg(code == RV_OK, "%s", err.message);
    const json_t *first = json_array_get(json_object_get(report, "findings"), 0);
    char *text = rv_strdup(rv_json_str(first, "finding", ""));
    ck_assert(rv_json_bool(report, "ok", false) == (*text == '\0'));
    json_decref(report);
    return text;
}

static void found(const struct world *world, const char *outside, const char *words)
{
    char *text = verify(world, outside);
    ck_assert_msg(strstr(text, words) != NULL, "\"%s\" does not say \"%s\"", text, words);
    rv_free(text);
}

TEST(an_untouched_record_verifies)
{
    struct world world = {.left = 0};
    world_make(&world);
    append(&world, 2500);
    char *text = verify(&world, NULL);
    ck_assert_str_eq(text, "");
    rv_free(text);
    world_end(&world);
}

TEST(every_kind_of_tampering_is_found)
{
    static const struct {
        const char *change;
        const char *finding;
    } cases[] = {
        {"UPDATE audit_record SET body = replace(body, '\"number\":7,', '\"number\":8,') WHERE seq "
         "= 7",
         "record 7 was edited"},
        {"UPDATE audit_record SET body = replace(body, 'number', 'Number'), leaf = "
         "sha256('\\x00'::bytea || "
         "replace(body, 'number', 'Number')::bytea) WHERE seq = 9",
         "records 0 to"},
        {"UPDATE audit_record SET kind = 'admin' WHERE seq = 5", "record 5 has columns"},
        {"UPDATE audit_record SET run_id = 99 WHERE seq = 6", "record 6 has columns"},
        {"UPDATE audit_record SET step = 3 WHERE seq = 6", "record 6 has columns"},
        {"UPDATE audit_record SET at = at - interval '1 day' WHERE seq = 8",
         "record 8 has columns"},
        {"UPDATE audit_record SET body = 'x', leaf = sha256('\\x0078'::bytea) WHERE seq = 8",
         "record 8 is no JSON"},
        {"UPDATE audit_record SET leaf = leaf || '\\x00'::bytea WHERE seq = 11",
         "record 11 was edited"},
        {"DELETE FROM audit_record WHERE seq = 0", "record 0 is missing"},
        {"DELETE FROM audit_record WHERE seq BETWEEN 20 AND 30", "records 20 to 30 are missing"},
        {"UPDATE audit_record SET seq = 9000000000000000000 WHERE seq = 40",
         "record 40 is missing"},
        {"INSERT INTO audit_record SELECT tenant_id, 1500, at, kind, run_id, step, "
         "replace(body, '\"seq\":1499,', '\"seq\":1500,'), sha256('\\x00'::bytea || "
         "replace(body, '\"seq\":1499,', '\"seq\":1500,')::bytea) FROM audit_record WHERE seq = "
         "1499",
         "records from 1500 on were added"},
        {"UPDATE tenant_head SET audit_size = audit_size - 1",
         "do not give the tree that the head holds"},
        {"UPDATE tenant_head SET audit_frontier = overlay(audit_frontier PLACING "
         "'\\x00000000'::bytea FROM 1)",
         "do not give the tree that the head holds"},
        {"DELETE FROM audit_checkpoint WHERE size = (SELECT max(size) FROM audit_checkpoint)",
         "is gone"},
        {"UPDATE audit_checkpoint SET size = size + 1 WHERE size = (SELECT max(size) FROM "
         "audit_checkpoint)",
         "note is for size"},
        {"DELETE FROM audit_record WHERE seq = 1200", "record 1200 is missing"},
        {"DELETE FROM audit_record WHERE seq >= 1490", "the tail is cut"},
        {"UPDATE audit_record SET seq = -1 WHERE seq = 3; UPDATE audit_record SET seq = 3 WHERE "
         "seq = 4; "
         "UPDATE audit_record SET seq = 4 WHERE seq = -1",
         "record 3 stands in another's place"},
        {"UPDATE audit_checkpoint SET note = replace(note, 'reeve/tenant/1', 'reeve/tenant/2')",
         "company"},
        {"UPDATE audit_checkpoint SET note = regexp_replace(note, '\\n[0-9]+\\n', E'\\n77\\n')",
         "signature"},
    };
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        struct world world = {.left = 0};
        world_make(&world);
        append(&world, 1500);
        sql(&world, cases[i].change);
        found(&world, NULL, cases[i].finding);
        world_end(&world);
    }
}

/* Verification of a record that grows meanwhile finds nothing. */
static void *verify_again_and_again(void *data)
{
    const struct world *world = data;
    for (int i = 0; i < 20; i++) {
        char *text = verify(world, NULL);
        ck_assert_str_eq(text, "");
        rv_free(text);
    }
    return NULL;
}

TEST(a_record_that_grows_meanwhile_verifies)
{
    struct world world = {.left = 0};
    pthread_t thread;
    world_make(&world);
    append(&world, 1000);
    ck_assert_int_eq(pthread_create(&thread, NULL, verify_again_and_again, &world), 0);
    for (int i = 0; i < 30; i++) {
        append(&world, 300);
    }
    pthread_join(thread, NULL);
    world_end(&world);
}

TEST(a_rolled_back_database_is_found_with_a_checkpoint_kept_elsewhere)
{
    struct world world = {.left = 0};
    world_make(&world);
    append(&world, 1500);
    char *uri = test_postgres_superuser(world.uri);
    PGconn *conn = PQconnectdb(uri);
    PGresult *result = PQexec(conn, "SELECT note FROM audit_checkpoint ORDER BY size DESC LIMIT 1");
    char *note = rv_strdup(PQgetvalue(result, 0, 0));
    PQclear(result);
    PQfinish(conn);
    rv_free(uri);
    sql(&world, "DELETE FROM audit_record; DELETE FROM audit_checkpoint; UPDATE tenant_head SET "
                "audit_size = 0, "
                "audit_frontier = '', checkpoint_size = 0");
    char *text = verify(&world, NULL);
    ck_assert_str_eq(text, ""); /* by itself an empty record looks whole */
    rv_free(text);
    found(&world, note, "only 0 records are here");
    rv_free(note);
    world_end(&world);
}

/* RFC 6962 2.1 by its recursive definition, independent of the frontier. */
static struct rv_hash recursive_root(const struct rv_hash *leaves, int count)
{
    if (count == 1) {
        return leaves[0];
    }
    int k = 1;
    while (k * 2 < count) {
        k *= 2;
    }
    struct rv_hash left = recursive_root(leaves, k);
    struct rv_hash right = recursive_root(leaves + k, count - k);
    unsigned char bytes[65] = {1};
    memcpy(bytes + 1, left.bytes, 32);
    memcpy(bytes + 33, right.bytes, 32);
    return rv_sha256(bytes, sizeof bytes);
}

TEST(the_frontier_gives_the_root_of_the_definition)
{
    enum { MOST = 300 };
    struct rv_hash leaves[MOST];
    struct rv_hash frontier[64];
    int count = 0;
    int64_t size = 0;
    for (int i = 0; i < MOST; i++) {
        leaves[i] = rv_merkle_leaf(&i, sizeof i);
        rv_merkle_push(&size, frontier, &count, &leaves[i]);
        struct rv_hash root = rv_merkle_root(frontier, count);
        struct rv_hash expected = recursive_root(leaves, i + 1);
        ck_assert(rv_hash_equal(&root, &expected));
    }
}

TEST_MAIN_WITH(test_postgres_start(TEST_PG_FAST))
