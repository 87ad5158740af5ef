/* db_test.c -- statements prepare, tenants are walls, queries end in time, leases move. */
#include "db_sql.h"
#include "journal_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/db/db.h"
#include "runtime/db/migrate.h"
#include "runtime/journal/lease.h"
#include "tests/support/postgres.h"
#include "tests/support/test.h"

#include <libpq-fe.h>

static const struct rv_migration *const rooms[] = {rv_journal_migrations, rv_db_migrations, NULL};

static void must(enum rv_code code, const struct rv_error *err)
{
    if (code != RV_OK) {
        ck_abort_msg("%s: %s (%s)", rv_code_name(code), err->message, err->detail);
    }
}

static enum rv_code take_number(void *data, const struct rv_result *result, int row,
                                struct rv_error *err)
{
    (void)err;
    *(int64_t *)data = rv_result_i64(result, row, 0);
    return RV_OK;
}

static int32_t make_tenant(struct rv_db_session *session, const char *name)
{
    struct rv_error err = {.code = RV_OK};
    int64_t id = 0;
    json_t *company = json_object();
    struct rv_args *args = rv_args_create(&rv_sql_tenant_create);
    rv_args_text(args, 1, name);
    rv_args_json(args, 2, company);
    json_decref(company);
    must(rv_db_session_query(session, 0, &rv_sql_tenant_create, args, take_number, &id, &err), &err);
    return (int32_t)id;
}

static void append(struct rv_db_session *session, int32_t tenant, int64_t run, enum rv_code expected)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_args *args = rv_args_create(&rv_sql_run_input_insert);
    json_t *input = json_pack("{s:s}", "quote", "it's \"fine\" \xe2\x82\xac");
    rv_args_i32(args, 1, tenant);
    rv_args_i64(args, 2, run);
    rv_args_json(args, 3, input);
    json_decref(input);
    ck_assert_int_eq(
        rv_db_session_query(session, tenant == 2 ? 1 : tenant, &rv_sql_run_input_insert, args, NULL,
                            NULL, &err),
        expected);
}

TEST(migrating_twice_applies_nothing_new)
{
    char *uri = test_postgres_database(rooms);
    struct rv_error err = {.code = RV_OK};
    int applied = -1;
    must(rv_migrate(uri, rooms, &applied, &err), &err);
    ck_assert_int_eq(applied, 0);
    rv_free(uri);
}

TEST(every_statement_prepares)
{
    char *uri = test_postgres_database(rooms);
    PGconn *conn = PQconnectdb(uri);
    const struct rv_statement *const *all[] = {rv_db_statements, rv_journal_statements};
    for (size_t i = 0; i < RV_COUNT(all); i++) {
        for (const struct rv_statement *const *at = all[i]; *at != NULL; at++) {
            if (strncmp((*at)->text, "DO", 2) == 0) {
                continue; /* a DO block cannot be prepared, it is run by the other tests */
            }
            PGresult *result = PQprepare(conn, (*at)->name, (*at)->text, 0, NULL);
            ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s: %s", (*at)->name,
                          PQerrorMessage(conn));
            PQclear(result);
        }
    }
    PQfinish(conn);
    rv_free(uri);
}

TEST(one_tenant_neither_sees_nor_touches_another)
{
    char *uri = test_postgres_database(rooms);
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    must(rv_db_session_open(uri, &session, &err), &err);
    ck_assert_int_eq(make_tenant(session, "one"), 1);
    ck_assert_int_eq(make_tenant(session, "two"), 2);
    ck_assert_int_eq(make_tenant(session, "one"), -1);
    append(session, 1, 10, RV_OK);
    append(session, 2, 11, RV_DENIED); /* row of tenant 2 while the session is tenant 1 */
    PGconn *conn = PQconnectdb(uri);
    PQclear(PQexec(conn, "SET ROLE reeve_app"));
    static const struct {
        const char *tenant;
        const char *rows;
    } cases[] = {{"", "0"}, {"1", "1"}, {"2", "0"}};
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        const char *values[1] = {cases[i].tenant};
        PQclear(PQexecParams(conn, "SELECT set_config('reeve.tenant', $1, false)", 1, NULL, values,
                             NULL, NULL, 0));
        PGresult *result = PQexec(conn, "SELECT count(*) FROM run_input");
        ck_assert_str_eq(PQgetvalue(result, 0, 0), cases[i].rows);
        PQclear(result);
    }
    PGresult *result = PQexec(conn, "SELECT count(*) FROM reeve_tenants()");
    ck_assert_str_eq(PQgetvalue(result, 0, 0), "2"); /* the owner's function sees the node's tables */
    PQclear(result);
    result = PQexec(conn, "DELETE FROM journal");
    ck_assert_str_eq(PQresultErrorField(result, PG_DIAG_SQLSTATE), "42501");
    PQclear(result);
    PQfinish(conn);
    rv_db_session_close(session);
    rv_free(uri);
}

TEST(every_tenant_table_is_behind_its_wall)
{
    char *uri = test_postgres_database(rooms);
    PGconn *conn = PQconnectdb(uri);
    PGresult *result = PQexec(
        conn, "SELECT string_agg(c.relname, ', ') FROM pg_class c "
              "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' "
              "WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace "
              "AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT FROM pg_policy p "
              "WHERE p.polrelid = c.oid AND p.polname = 'tenant_only'))");
    ck_assert_str_eq(PQgetvalue(result, 0, 0), "");
    PQclear(result);
    PQfinish(conn);
    rv_free(uri);
}

/* ---- the pool ---- */

struct pool_test {
    struct rv_loop *loop;
    struct rv_db *db;
    int done;
    int wanted;
    enum rv_code code;
};

static void on_query(void *data, enum rv_code code, const struct rv_result *result,
                     const struct rv_error *err)
{
    struct pool_test *test = data;
    (void)err;
    test->code = code;
    if (code == RV_OK) {
        ck_assert_int_eq(rv_result_rows(result), 1);
    }
    if (++test->done == test->wanted) {
        rv_db_close(test->db, NULL, NULL);
    }
}

TEST(the_pool_answers_many_queries)
{
    rv_log_level(RV_LOG_SILENT);
    char *uri = test_postgres_database(rooms);
    struct pool_test test = {.loop = rv_loop_create(rv_clock_system()), .wanted = 500};
    test.db = rv_db_create(&(struct rv_db_options){.loop = test.loop, .uri = uri});
    for (int i = 0; i < 500; i++) {
        struct rv_args *args = rv_args_create(&rv_sql_node_beat);
        rv_args_i64(args, 1, 1000 + i);
        rv_args_text(args, 2, "host");
        rv_args_i32(args, 3, i);
        rv_args_i64(args, 4, 5000);
        rv_db_query(test.db, 0, &rv_sql_node_beat, args, on_query, &test);
    }
    rv_loop_run(test.loop);
    ck_assert_int_eq(test.done, 500);
    ck_assert_int_eq(test.code, RV_OK);
    rv_loop_destroy(test.loop);
    rv_free(uri);
}

TEST(a_query_without_a_database_ends_in_time)
{
    rv_log_level(RV_LOG_SILENT);
    struct pool_test test = {.loop = rv_loop_create(rv_clock_system()), .wanted = 1};
    test.db = rv_db_create(&(struct rv_db_options){
        .loop = test.loop, .uri = "host=/nowhere dbname=x", .timeout_ms = 400});
    rv_db_query(test.db, 0, &rv_sql_tenants_all, NULL, on_query, &test);
    rv_loop_run(test.loop);
    ck_assert_int_eq(test.code, RV_UNAVAILABLE);
    rv_loop_destroy(test.loop);
}

/* ---- leases ---- */

struct lease_test {
    struct rv_loop *loop;
    int gained[2], lost[2];
    int64_t epoch;
};

static void gained0(void *data, int32_t tenant, int64_t epoch)
{
    struct lease_test *test = data;
    ck_assert_int_eq(tenant, 1);
    test->gained[0]++;
    test->epoch = epoch;
}

static void gained1(void *data, int32_t tenant, int64_t epoch)
{
    struct lease_test *test = data;
    (void)tenant;
    test->gained[1]++;
    ck_assert_int_gt(epoch, test->epoch);
}

static void lost0(void *data, int32_t tenant)
{
    (void)tenant;
    ((struct lease_test *)data)->lost[0]++;
}

TEST(a_tenant_has_one_driver_and_another_takes_over)
{
    rv_log_level(RV_LOG_SILENT);
    char *uri = test_postgres_database(rooms);
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    must(rv_db_session_open(uri, &session, &err), &err);
    make_tenant(session, "one");
    struct lease_test test = {.loop = rv_loop_create(rv_clock_system())};
    struct rv_db *db = rv_db_create(&(struct rv_db_options){.loop = test.loop, .uri = uri});
    struct rv_lease_options options = {.loop = test.loop, .db = db, .gained = gained0, .lost = lost0,
                                       .data = &test};
    struct rv_lease *first = rv_lease_create(&options);
    for (int i = 0; i < 100 && test.gained[0] == 0; i++) {
        rv_loop_run_once(test.loop, 50);
    }
    ck_assert_int_eq(test.gained[0], 1);
    options.gained = gained1;
    struct rv_lease *second = rv_lease_create(&options);
    for (int i = 0; i < 30; i++) {
        rv_loop_run_once(test.loop, 50);
    }
    ck_assert_int_eq(test.gained[1], 0); /* the first is alive */
    rv_lease_close(first, NULL, NULL);
    for (int i = 0; i < 100 && test.gained[1] == 0; i++) {
        rv_loop_run_once(test.loop, 50);
    }
    ck_assert_int_eq(test.gained[1], 1);
    rv_lease_close(second, NULL, NULL);
    for (int i = 0; i < 10; i++) {
        rv_loop_run_once(test.loop, 20);
    }
    rv_db_close(db, NULL, NULL);
    rv_loop_run(test.loop);
    rv_loop_destroy(test.loop);
    rv_db_session_close(session);
    rv_free(uri);
}

TEST_MAIN_WITH(test_postgres_start(TEST_PG_FAST))
