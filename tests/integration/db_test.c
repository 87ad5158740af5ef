/* db_test.c -- statements prepare, tenants are walls, queries end in time, leases move. */
#include "runtime/db/db.h"
#include "db_sql.h"
#include "journal_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/db/migrate.h"
#include "runtime/journal/lease.h"
#include "tests/support/postgres.h"
#include "tests/support/test.h"

#include <libpq-fe.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

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
    must(rv_db_session_query(session, 0, &rv_sql_tenant_create, args, take_number, &id, &err),
         &err);
    return (int32_t)id;
}

static void append(struct rv_db_session *session, int32_t tenant, int64_t run,
                   enum rv_code expected)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_args *args = rv_args_create(&rv_sql_run_input_insert);
    json_t *input = json_pack("{s:s}", "quote", "it's \"fine\" \xe2\x82\xac");
    rv_args_i32(args, 1, tenant);
    rv_args_i64(args, 2, run);
    rv_args_json(args, 3, input);
    json_decref(input);
    ck_assert_int_eq(rv_db_session_query(session, tenant == 2 ? 1 : tenant,
                                         &rv_sql_run_input_insert, args, NULL, NULL, &err),
                     expected);
}

TEST(migrating_twice_applies_nothing_new)
{
    char *uri = test_postgres_database(rooms);
    struct rv_error err = {.code = RV_OK};
    int applied = -1;
    int missing = -1;
    char *owner = test_postgres_migrator(uri);
    struct rv_migrate how = {.owner_uri = owner, .rooms = rooms};
    must(rv_migrate(&how, &applied, &err), &err);
    ck_assert_int_eq(applied, 0);
    must(rv_migrate_missing(uri, rooms, &missing, &err), &err);
    ck_assert_int_eq(missing, 0);
    rv_free(owner);
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
    ck_assert_str_eq(PQgetvalue(result, 0, 0),
                     "2"); /* the owner's function sees the node's tables */
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
        conn,
        "SELECT string_agg(c.relname, ', ') FROM pg_class c "
        "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' "
        "WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace "
        "AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT FROM pg_policy p "
        "WHERE p.polrelid = c.oid AND p.polname = 'tenant_only'))");
    ck_assert_str_eq(PQgetvalue(result, 0, 0), "");
    PQclear(result);
    PQfinish(conn);
    rv_free(uri);
}

/* ---- what goes in comes out ---- */

static const struct rv_statement echo_scalars = {
    .name = "test_echo_scalars",
    .params =
        "a bool, b int2, c int4, d int8, e text, f bytea, g jsonb, h date, i timestamptz, j text",
    .param_count = 10,
    .text = "SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10"};

static enum rv_code check_scalars(void *data, const struct rv_result *result, int row,
                                  struct rv_error *err)
{
    (void)data;
    (void)err;
    ck_assert(rv_result_bool(result, row, 0));
    ck_assert_int_eq(rv_result_i64(result, row, 1), -32768);
    ck_assert_int_eq(rv_result_i64(result, row, 2), INT32_MIN);
    ck_assert(rv_result_i64(result, row, 3) == INT64_MIN);
    ck_assert_str_eq(rv_result_text(result, row, 4), "a\"b\\c");
    unsigned char bytes[4];
    ck_assert_uint_eq(rv_result_bytes(result, row, 5, bytes, sizeof bytes), 3);
    ck_assert_mem_eq(bytes, "\0\xff\n", 3);
    json_t *value = rv_result_json(result, row, 6);
    ck_assert_int_eq(rv_json_int(value, "n", 0), 7);
    json_decref(value);
    ck_assert_str_eq(rv_result_text(result, row, 7), "1969-12-31");
    ck_assert(rv_result_time_us(result, row, 8) == INT64_C(1767225599999999));
    ck_assert(rv_result_is_null(result, row, 9));
    return RV_OK;
}

TEST(every_type_comes_back_as_it_went)
{
    char *uri = test_postgres_database(rooms);
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    must(rv_db_session_open(uri, &session, &err), &err);
    struct rv_args *args = rv_args_create(&echo_scalars);
    rv_args_bool(args, 1, true);
    rv_args_i32(args, 2, -32768);
    rv_args_i32(args, 3, INT32_MIN);
    rv_args_i64(args, 4, INT64_MIN);
    rv_args_text(args, 5, "a\"b\\c");
    rv_args_bytes(args, 6, "\0\xff\n", 3);
    rv_args_json_text(args, 7, "{\"n\":7}", 7);
    rv_args_date(args, 8, -1);
    rv_args_time(args, 9, INT64_C(1767225599999999));
    rv_args_text(args, 10, NULL);
    must(rv_db_session_query(session, 0, &echo_scalars, args, check_scalars, NULL, &err), &err);
    rv_db_session_close(session);
    rv_free(uri);
}

static const struct rv_statement sum_arrays = {
    .name = "test_sum_arrays",
    .params = "a int8[], b text[], c jsonb[], d timestamptz[], e bytea[]",
    .param_count = 5,
    .text = "SELECT count(*) * 1000000 + count(r.b) * 10000 + count(r.c) * 100 + count(r.d) + "
            "count(r.e) * 0"
            " + sum(r.a) FROM unnest($1, $2, $3, $4, $5) AS r(a, b, c, d, e)"};

TEST(arrays_keep_their_nulls_and_may_be_empty)
{
    char *uri = test_postgres_database(rooms);
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    must(rv_db_session_open(uri, &session, &err), &err);
    for (int rows = 0; rows <= 3; rows += 3) {
        struct rv_args *args = rv_args_create(&sum_arrays);
        for (int i = 0; i < rows; i++) {
            rv_args_i64(args, 1, 0);
            rv_args_text(args, 2, i == 1 ? NULL : "");
            rv_args_json(args, 3, NULL);
            if (i == 2) {
                rv_args_null(args, 4);
            } else {
                rv_args_time(args, 4, 0);
            }
            rv_args_bytes(args, 5, "", 0);
        }
        int64_t sum = -1;
        must(rv_db_session_query(session, 0, &sum_arrays, args, take_number, &sum, &err), &err);
        ck_assert_int_eq(sum, rows == 0 ? 0 : 3000000 + 20000 + 2);
    }
    rv_db_session_close(session);
    rv_free(uri);
}

TEST_DIES(a_value_of_another_type_is_a_wrong_program, SIGABRT)
{
    struct rv_args *args = rv_args_create(&sum_arrays);
    rv_args_text(args, 1, "seven");
}

static enum rv_code stop_at_ten(void *data, const struct rv_result *result, int row,
                                struct rv_error *err)
{
    (void)result;
    (void)row;
    return ++*(int *)data == 10 ? rv_fail(err, RV_CANCELED, "enough") : RV_OK;
}

TEST(a_stream_ends_when_its_reader_has_enough)
{
    static const struct rv_statement many = {
        .name = "test_many",
        .params = "",
        .text = "SELECT g, repeat('x', 1000) FROM generate_series(1, 50000000) g"};
    static const struct rv_statement huge = {
        .name = "test_huge", .params = "", .text = "SELECT 1, '{\"n\": 1e30}'::jsonb"};
    char *uri = test_postgres_database(rooms);
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    must(rv_db_session_open(uri, &session, &err), &err);
    int rows = 0;
    ck_assert_int_eq(rv_db_session_stream(session, 0, &many, NULL, stop_at_ten, &rows, &err),
                     RV_CANCELED);
    ck_assert_int_eq(rows, 10);
    int64_t one = 0;
    rv_error_clear(&err);
    must(rv_db_session_query(session, 0, &huge, NULL, take_number, &one, &err), &err);
    ck_assert_int_eq(one, 1);
    rv_db_session_close(session);
    rv_free(uri);
}

static enum rv_code take_json(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)err;
    *(json_t **)data = rv_result_json(result, row, 0);
    return RV_OK;
}

TEST(a_number_beyond_every_integer_does_not_kill)
{
    static const struct rv_statement huge = {
        .name = "test_huge", .params = "", .text = "SELECT '{\"n\": 1e30}'::jsonb"};
    char *uri = test_postgres_database(rooms);
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    must(rv_db_session_open(uri, &session, &err), &err);
    json_t *value = NULL;
    must(rv_db_session_query(session, 0, &huge, NULL, take_json, &value, &err), &err);
    ck_assert(json_is_real(json_object_get(value, "n")));
    json_decref(value);
    rv_db_session_close(session);
    rv_free(uri);
}

/* ---- who may do what ---- */

TEST(a_login_that_policies_do_not_bind_is_refused)
{
    char *uri = test_postgres_database(rooms);
    char *superuser = test_postgres_superuser(uri);
    test_postgres_execute(
        superuser,
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'reeve_bypass') THEN "
        "CREATE ROLE reeve_bypass LOGIN BYPASSRLS; END IF; END $$");
    char mighty[512];
    snprintf(mighty, sizeof mighty, "%s user=reeve_bypass", uri);
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    ck_assert_int_eq(rv_db_session_open(mighty, &session, &err), RV_DENIED);
    ck_assert_ptr_null(session);
    rv_error_clear(&err);
    must(rv_db_session_open(superuser, &session, &err), &err); /* becomes reeve_app */
    static const struct rv_statement who = {
        .name = "test_who", .params = "", .text = "SELECT (current_user = 'reeve_app')::int"};
    int64_t is_app = 0;
    must(rv_db_session_query(session, 0, &who, NULL, take_number, &is_app, &err), &err);
    ck_assert_int_eq(is_app, 1);
    rv_db_session_close(session);
    rv_free(superuser);
    rv_free(uri);
}

TEST(a_temporary_table_does_not_stand_in_for_ours)
{
    char *uri = test_postgres_database(rooms);
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    must(rv_db_session_open(uri, &session, &err), &err);
    make_tenant(session, "one");
    PGconn *conn = PQconnectdb(uri);
    PQclear(PQexec(conn, "SET ROLE reeve_app"));
    PGresult *made =
        PQexec(conn, "CREATE TEMPORARY TABLE tenant (tenant_id int, name text, company jsonb)");
    ck_assert_int_eq(PQresultStatus(made), PGRES_COMMAND_OK);
    PQclear(made);
    PGresult *result = PQexec(conn, "SELECT count(*) FROM reeve_tenants()");
    ck_assert_str_eq(PQgetvalue(result, 0, 0), "1");
    PQclear(result);
    PQfinish(conn);
    rv_db_session_close(session);
    rv_free(uri);
}

TEST(what_only_grows_is_not_even_changed_by_its_owner)
{
    char *uri = test_postgres_database(rooms);
    char *superuser = test_postgres_superuser(uri);
    PGconn *conn = PQconnectdb(superuser);
    PQclear(PQexec(conn, "INSERT INTO journal VALUES (1, 1, 1, 1, 'x', '', '')"));
    static const char *const attempts[] = {"UPDATE journal SET name = 'y'", "DELETE FROM journal",
                                           "UPDATE journal_default SET name = 'y'",
                                           "TRUNCATE journal"};
    for (size_t i = 0; i < RV_COUNT(attempts); i++) {
        PGresult *result = PQexec(conn, attempts[i]);
        ck_assert_msg(PQresultStatus(result) == PGRES_FATAL_ERROR, "%s", attempts[i]);
        ck_assert_str_eq(PQresultErrorField(result, PG_DIAG_SQLSTATE), "42501");
        PQclear(result);
    }
    PQfinish(conn);
    rv_free(superuser);
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
        struct rv_args *args = rv_args_create(&rv_sql_node_here);
        rv_args_i64(args, 1, 1000 + i);
        rv_args_text(args, 2, "host");
        rv_args_i32(args, 3, i);
        rv_args_i64(args, 4, 5000);
        rv_args_bool(args, 5, false);
        rv_db_query(test.db, 0, &rv_sql_node_here, args, on_query, &test);
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

TEST(a_server_whose_connections_are_all_taken_says_so)
{
    enum { MORE_THAN_THERE_ARE = 200 };
    char *uri = test_postgres_database(rooms);
    struct rv_db_session *sessions[MORE_THAN_THERE_ARE];
    struct rv_error err = {.code = RV_OK};
    int count = 0;
    while (count < MORE_THAN_THERE_ARE &&
           rv_db_session_open(uri, &sessions[count], &err) == RV_OK) {
        count++;
    }
    ck_assert_int_lt(count, MORE_THAN_THERE_ARE);
    ck_assert_int_eq(err.code, RV_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.hint, "run fewer commands at once"));
    while (count > 0) {
        rv_db_session_close(sessions[--count]);
    }
    rv_free(uri);
}

static const struct rv_statement slow = {
    .name = "test_slow", .params = "", .text = "SELECT 1 FROM pg_sleep(20)"};
static const struct rv_statement own_pid = {
    .name = "test_own_pid", .params = "", .text = "SELECT pg_backend_pid()"};

struct answer {
    bool done;
    enum rv_code code;
    int64_t number;
};

static void on_answer(void *data, enum rv_code code, const struct rv_result *result,
                      const struct rv_error *err)
{
    struct answer *answer = data;
    (void)err;
    answer->done = true;
    answer->code = code;
    answer->number = code == RV_OK && rv_result_rows(result) > 0 ? rv_result_i64(result, 0, 0) : 0;
}

static struct answer ask(struct rv_loop *loop, struct rv_db *db,
                         const struct rv_statement *statement)
{
    struct answer answer = {.done = false};
    rv_db_query(db, 0, statement, NULL, on_answer, &answer);
    while (!answer.done) {
        rv_loop_run_once(loop, 50);
    }
    return answer;
}

TEST(the_server_itself_ends_a_slow_query)
{
    rv_log_level(RV_LOG_SILENT);
    char *uri = test_postgres_database(rooms);
    struct rv_loop *loop = rv_loop_create(rv_clock_system());
    struct rv_db *db = rv_db_create(
        &(struct rv_db_options){.loop = loop, .uri = uri, .connections = 1, .timeout_ms = 500});
    int64_t before = ask(loop, db, &own_pid).number;
    ck_assert_int_eq(ask(loop, db, &slow).code, RV_TIMEOUT);
    ck_assert_int_eq(ask(loop, db, &own_pid).number, before); /* the connection lives on */
    rv_db_close(db, NULL, NULL);
    rv_loop_run(loop);
    rv_loop_destroy(loop);
    rv_free(uri);
}

TEST(a_server_that_stands_still_does_not_hold_a_query)
{
    rv_log_level(RV_LOG_SILENT);
    char *uri = test_postgres_database(rooms);
    struct rv_loop *loop = rv_loop_create(rv_clock_system());
    struct rv_db *db = rv_db_create(
        &(struct rv_db_options){.loop = loop, .uri = uri, .connections = 1, .timeout_ms = 400});
    pid_t backend = (pid_t)ask(loop, db, &own_pid).number;
    if (kill(backend, SIGSTOP) == 0) { /* not with a server of another user */
        ck_assert_int_eq(ask(loop, db, &own_pid).code, RV_UNAVAILABLE);
        struct answer again = ask(loop, db, &own_pid);
        ck_assert_int_eq(again.code, RV_OK);
        ck_assert_int_ne(again.number, backend);
        kill(backend, SIGCONT);
    }
    rv_db_close(db, NULL, NULL);
    rv_loop_run(loop);
    rv_loop_destroy(loop);
    rv_free(uri);
}

/* ---- leases ---- */

struct lease_test {
    struct rv_loop *loop;
    int gained[2], lost[2];
    int64_t epoch;
    int woken; /* sum of the tenants */
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
    struct rv_lease_options options = {
        .loop = test.loop, .db = db, .gained = gained0, .lost = lost0, .data = &test};
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

TEST(a_node_whose_lease_ran_out_stops_and_is_followed)
{
    rv_log_level(RV_LOG_SILENT);
    char *uri = test_postgres_database(rooms);
    char *superuser = test_postgres_superuser(uri);
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    must(rv_db_session_open(uri, &session, &err), &err);
    make_tenant(session, "one");
    struct lease_test test = {.loop = rv_loop_create(rv_clock_system())};
    struct rv_db *db = rv_db_create(&(struct rv_db_options){.loop = test.loop, .uri = uri});
    struct rv_lease_options options = {
        .loop = test.loop, .db = db, .gained = gained0, .lost = lost0, .data = &test};
    struct rv_lease *first = rv_lease_create(&options);
    for (int i = 0; i < 100 && test.gained[0] == 0; i++) {
        rv_loop_run_once(test.loop, 50);
    }
    int64_t node = rv_lease_node(first);
    int64_t epoch = rv_lease_epoch(first, 1);
    ck_assert_int_gt(epoch, 0);
    test_postgres_execute(superuser,
                          "UPDATE node SET lease_until = clock_timestamp() - interval '1 s'");
    for (int i = 0; i < 200 && test.gained[0] < 2; i++) {
        rv_loop_run_once(test.loop, 50);
    }
    ck_assert_int_eq(test.lost[0], 1);
    ck_assert_int_eq(test.gained[0], 2); /* again, as somebody else, behind a new fence */
    ck_assert(rv_lease_node(first) != node);
    ck_assert_int_gt(rv_lease_epoch(first, 1), epoch);
    rv_lease_close(first, NULL, NULL);
    for (int i = 0; i < 10; i++) {
        rv_loop_run_once(test.loop, 20);
    }
    rv_db_close(db, NULL, NULL);
    rv_loop_run(test.loop);
    rv_loop_destroy(test.loop);
    rv_db_session_close(session);
    rv_free(superuser);
    rv_free(uri);
}

/* The life of a node in a process of its own, until it is killed. */
static void be_a_node(const char *uri)
{
    struct lease_test test = {.loop = rv_loop_create(rv_clock_system())};
    struct rv_db *db = rv_db_create(&(struct rv_db_options){.loop = test.loop, .uri = uri});
    struct rv_lease_options options = {.loop = test.loop,
                                       .db = db,
                                       .uri = uri,
                                       .lease_ms = 600000, /* not what brings the next one in */
                                       .gained = gained0,
                                       .lost = lost0,
                                       .data = &test};
    rv_lease_create(&options);
    for (;;) {
        rv_loop_run_once(test.loop, 1000);
    }
}

static int64_t ask_number(PGconn *conn, const char *sql)
{
    PGresult *result = PQexec(conn, sql);
    ck_assert_msg(PQresultStatus(result) == PGRES_TUPLES_OK, "%s", PQerrorMessage(conn));
    int64_t number = PQntuples(result) == 1 ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : 0;
    PQclear(result);
    return number;
}

TEST(a_killed_node_is_followed_at_once)
{
    rv_log_level(RV_LOG_SILENT);
    char *uri = test_postgres_database(rooms);
    char *superuser = test_postgres_superuser(uri);
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    must(rv_db_session_open(uri, &session, &err), &err);
    make_tenant(session, "one");
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        be_a_node(uri);
    }
    PGconn *conn = PQconnectdb(superuser);
    for (int i = 0; i < 400 && ask_number(conn, "SELECT count(*) FROM node n JOIN tenant_head h ON "
                                                "h.owner_node = n.node_id WHERE n.present") == 0;
         i++) {
        usleep(25000);
    }
    struct lease_test test = {.loop = rv_loop_create(rv_clock_system())};
    struct rv_db *db = rv_db_create(&(struct rv_db_options){.loop = test.loop, .uri = uri});
    struct rv_lease_options options = {
        .loop = test.loop, .db = db, .uri = uri, .gained = gained1, .lost = lost0, .data = &test};
    struct rv_lease *second = rv_lease_create(&options);
    for (int i = 0; i < 90; i++) { /* until the server has run for some time, and more */
        rv_loop_run_once(test.loop, 50);
    }
    ck_assert_int_eq(test.gained[1], 0); /* the first is alive */
    kill(child, SIGKILL);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    int64_t begin = rv_mono_us(rv_clock_system());
    while (test.gained[1] == 0 && rv_mono_us(rv_clock_system()) - begin < 30000000) {
        rv_loop_run_once(test.loop, 50);
    }
    ck_assert_int_eq(test.gained[1], 1); /* 600 s before its lease would have ended */
    rv_lease_close(second, NULL, NULL);
    for (int i = 0; i < 10; i++) {
        rv_loop_run_once(test.loop, 20);
    }
    rv_db_close(db, NULL, NULL);
    rv_loop_run(test.loop);
    rv_loop_destroy(test.loop);
    PQfinish(conn);
    rv_db_session_close(session);
    rv_free(superuser);
    rv_free(uri);
}

/* Its connection drops and cannot hold the lock in time: the other takes over, and the first hears
 * of it with the lock and begins anew behind the new fence. */
TEST(a_living_node_that_lost_its_lock_gives_way)
{
    rv_log_level(RV_LOG_SILENT);
    char *uri = test_postgres_database(rooms);
    char *superuser = test_postgres_superuser(uri);
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    must(rv_db_session_open(uri, &session, &err), &err);
    make_tenant(session, "one");
    struct lease_test test = {.loop = rv_loop_create(rv_clock_system())};
    struct rv_db *db = rv_db_create(&(struct rv_db_options){.loop = test.loop, .uri = uri});
    struct rv_lease_options options = {
        .loop = test.loop, .db = db, .uri = uri, .gained = gained0, .lost = lost0, .data = &test};
    struct rv_lease *first = rv_lease_create(&options);
    PGconn *conn = PQconnectdb(superuser);
    for (int i = 0; i < 400 && (test.gained[0] == 0 ||
                                ask_number(conn, "SELECT count(*) FROM node WHERE present") == 0);
         i++) {
        rv_loop_run_once(test.loop, 25);
    }
    ck_assert_int_eq(test.gained[0], 1);
    int64_t node = rv_lease_node(first);
    for (int i = 0; i < 90; i++) {
        rv_loop_run_once(test.loop, 50);
    }
    char sql[256];
    snprintf(sql, sizeof sql,
             "SELECT count(pg_terminate_backend(l.pid)) FROM pg_locks l WHERE l.granted AND "
             "l.locktype = 'advisory' AND ((l.classid::int8 << 32) | l.objid::int8) = %lld",
             (long long)node);
    ck_assert_int_eq(ask_number(conn, sql), 1);
    snprintf(sql, sizeof sql, "SELECT pg_advisory_lock_shared(%lld)", (long long)node);
    ask_number(conn, sql); /* the first waits for its lock, and anybody may see it free */
    options.gained = gained1;
    struct rv_lease *second = rv_lease_create(&options);
    for (int i = 0; i < 200 && test.gained[1] == 0; i++) {
        rv_loop_run_once(test.loop, 25);
    }
    ck_assert_int_eq(test.gained[1], 1);
    snprintf(sql, sizeof sql, "SELECT pg_advisory_unlock_shared(%lld)", (long long)node);
    ask_number(conn, sql);
    for (int i = 0; i < 400 && test.lost[0] == 0; i++) {
        rv_loop_run_once(test.loop, 25);
    }
    ck_assert_int_eq(test.lost[0], 1);
    ck_assert(rv_lease_node(first) != node);
    ck_assert_int_eq(rv_lease_epoch(first, 1), 0);
    ck_assert_int_gt(rv_lease_epoch(second, 1), test.epoch);
    rv_lease_close(first, NULL, NULL);
    rv_lease_close(second, NULL, NULL);
    for (int i = 0; i < 20; i++) {
        rv_loop_run_once(test.loop, 20);
    }
    rv_db_close(db, NULL, NULL);
    rv_loop_run(test.loop);
    rv_loop_destroy(test.loop);
    PQfinish(conn);
    rv_db_session_close(session);
    rv_free(superuser);
    rv_free(uri);
}

/* Node 10 could not beat in time and goes on as 11, and has said so; 20 cannot beat right now, 30
 * leaves: what it had is 11's, not that of a number that nobody goes by any more. */
TEST(nothing_is_given_to_who_a_node_was_before)
{
    rv_log_level(RV_LOG_SILENT);
    char *uri = test_postgres_database(rooms);
    char *superuser = test_postgres_superuser(uri);
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    must(rv_db_session_open(uri, &session, &err), &err);
    for (int i = 0; i < 6; i++) {
        char name[16];
        snprintf(name, sizeof name, "company %d", i);
        make_tenant(session, name);
    }
    PGconn *conn = PQconnectdb(superuser);
    ask_number(conn,
               "SELECT count(reeve_node_here(n, 'node ' || (n / 10), 1, interval '5 s', false))"
               "  FROM unnest(ARRAY[10, 20, 30]) AS n");
    ask_number(conn, "SELECT count(reeve_node_serve(n, n / 10, 5000, '', '', '', '', '')) "
                     "  FROM unnest(ARRAY[10, 20, 30]) AS n");
    ck_assert_int_eq(ask_number(conn, "SELECT count(*) FROM reeve_lease_take(30, 0, 100)"), 6);
    ask_number(conn, "SELECT reeve_node_here(11, 'node 1', 1, interval '5 s', false)");
    ask_number(conn, "SELECT count(reeve_node_serve(11, 1, 5000, '', '', '', '', ''))");
    ck_assert_int_eq(
        ask_number(conn, "SELECT count(*) FROM node WHERE lease_until > clock_timestamp()"), 3);
    test_postgres_execute(superuser, "UPDATE node SET lease_until = clock_timestamp() + "
                                     "interval '1400 ms' WHERE node_id = 20");
    ask_number(conn, "SELECT count(*) FROM reeve_placement_propose(30, 2)");
    ck_assert_int_eq(ask_number(conn, "SELECT count(*) FROM placement WHERE moving_to <> 11"), 0);
    ask_number(conn, "SELECT count(reeve_lease_leave(30))");
    ck_assert_int_eq(ask_number(conn, "SELECT count(*) FROM tenant_head WHERE owner_node = 11"), 6);
    PQfinish(conn);
    rv_db_session_close(session);
    rv_free(superuser);
    rv_free(uri);
}

static void woken0(void *data, int32_t tenant)
{
    ((struct lease_test *)data)->woken += tenant;
}

TEST(a_notification_wakes_the_node_that_drives)
{
    rv_log_level(RV_LOG_SILENT);
    char *uri = test_postgres_database(rooms);
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    must(rv_db_session_open(uri, &session, &err), &err);
    make_tenant(session, "one");
    struct lease_test test = {.loop = rv_loop_create(rv_clock_system())};
    struct rv_db *db = rv_db_create(&(struct rv_db_options){.loop = test.loop, .uri = uri});
    struct rv_lease_options options = {.loop = test.loop,
                                       .db = db,
                                       .uri = uri,
                                       .gained = gained0,
                                       .lost = lost0,
                                       .woken = woken0,
                                       .data = &test};
    struct rv_lease *lease = rv_lease_create(&options);
    for (int i = 0; i < 200 && test.woken == 0; i++) {
        struct rv_args *args = rv_args_create(&rv_sql_wake_tell);
        rv_args_text(args, 1, "7");
        must(rv_db_session_query(session, 0, &rv_sql_wake_tell, args, NULL, NULL, &err), &err);
        rv_loop_run_once(test.loop, 20);
    }
    ck_assert_int_gt(test.woken, 0);
    ck_assert_int_eq(test.woken % 7, 0);
    rv_lease_close(lease, NULL, NULL);
    for (int i = 0; i < 10; i++) {
        rv_loop_run_once(test.loop, 20);
    }
    rv_db_close(db, NULL, NULL);
    rv_loop_run(test.loop);
    rv_loop_destroy(test.loop);
    rv_db_session_close(session);
    rv_free(uri);
}

/* ---- tenants take turns at the pool ---- */

struct turn_test {
    int done, position;
};

static void on_many(void *data, enum rv_code code, const struct rv_result *result,
                    const struct rv_error *err)
{
    (void)result;
    (void)err;
    ck_assert_int_eq(code, RV_OK);
    ((struct turn_test *)data)->done++;
}

static void on_one(void *data, enum rv_code code, const struct rv_result *result,
                   const struct rv_error *err)
{
    (void)result;
    (void)err;
    ck_assert_int_eq(code, RV_OK);
    ((struct turn_test *)data)->position = ((struct turn_test *)data)->done;
}

TEST(a_backlog_of_one_tenant_does_not_delay_another)
{
    rv_log_level(RV_LOG_SILENT);
    char *uri = test_postgres_database(rooms);
    struct rv_loop *loop = rv_loop_create(rv_clock_system());
    struct rv_db *db =
        rv_db_create(&(struct rv_db_options){.loop = loop, .uri = uri, .connections = 1});
    struct turn_test test = {.position = -1};
    for (int i = 0; i < 300; i++) {
        rv_db_query(db, 1, &rv_sql_tenants_all, NULL, on_many, &test);
    }
    rv_db_query(db, 2, &rv_sql_tenants_all, NULL, on_one, &test);
    for (int i = 0; i < 1000 && test.done < 300; i++) {
        rv_loop_run_once(loop, 20);
    }
    ck_assert_int_eq(test.done, 300);
    ck_assert_int_le(test.position, 2);
    rv_db_close(db, NULL, NULL);
    rv_loop_run(loop);
    rv_loop_destroy(loop);
    rv_free(uri);
}

TEST_MAIN_WITH(test_postgres_start(TEST_PG_FAST))
