/* roles_test.c -- what can somebody do who has the credentials that reeve runs with, and nothing of
 * reeve?
 *
 * Everything is tried by plain libpq as the login "reeve", the way psql would: every table that has
 * a tenant_id, found in the catalogue, so that no new one is forgotten.  A company's number is set
 * as a setting of the session; the setting says which company is meant, the login decides that it
 * is one at a time, and that nothing of the wall can be moved.
 */
#include "runtime/base/check.h"
#include "runtime/cli/node.h"
#include "runtime/db/migrate.h"
#include "test_roles_sql.h"
#include "tests/support/postgres.h"
#include "tests/support/test.h"

#include <libpq-fe.h>
#include <stdbool.h>

enum { SQL_MAX = 2000, TABLES_LEAST = 40 };

static bool foreign_server(void)
{
    return getenv("REEVE_TEST_PG") != NULL; /* its only login may be a superuser */
}

struct world {
    char *uri;
    char *superuser;
    PGconn *app;
    PGresult *tables; /* name, is a partition, is append-only, columns */
};

static PGconn *connect_as(const char *uri)
{
    PGconn *conn = PQconnectdb(uri);
    ck_assert_msg(PQstatus(conn) == CONNECTION_OK, "%s", PQerrorMessage(conn));
    return conn;
}

static struct world open_world(void)
{
    struct world world = {.uri = test_postgres_database(node_migrations)};
    world.superuser = test_postgres_superuser(world.uri);
    test_postgres_execute(world.superuser, rv_sql_roles_fill.text);
    world.app = connect_as(world.uri);
    world.tables = PQexec(world.app, rv_sql_roles_tables.text);
    ck_assert_msg(PQresultStatus(world.tables) == PGRES_TUPLES_OK, "%s", PQerrorMessage(world.app));
    ck_assert_int_ge(PQntuples(world.tables), TABLES_LEAST);
    return world;
}

static void close_world(struct world *world)
{
    PQclear(world->tables);
    PQfinish(world->app);
    rv_free(world->uri);
    rv_free(world->superuser);
}

static void set_tenant(PGconn *conn, const char *tenant)
{
    const char *values[1] = {tenant};
    PGresult *result = PQexecParams(conn, "SELECT set_config('reeve.tenant', $1, false)", 1, NULL,
                                    values, NULL, NULL, 0);
    ck_assert_int_eq(PQresultStatus(result), PGRES_TUPLES_OK);
    PQclear(result);
}

static void refused(PGconn *conn, const char *sql)
{
    PGresult *result = PQexec(conn, sql);
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    ck_assert_msg(state != NULL && strcmp(state, "42501") == 0, "%s: %s", sql,
                  state != NULL ? PQresultErrorMessage(result) : "was done");
    PQclear(result);
}

/* The number that `sql` gives; -1: refused. */
static int number(PGconn *conn, const char *sql)
{
    PGresult *result = PQexec(conn, sql);
    int found = -1;
    if (PQresultStatus(result) == PGRES_TUPLES_OK) {
        found = atoi(PQgetvalue(result, 0, 0));
    } else {
        ck_assert_str_eq(PQresultErrorField(result, PG_DIAG_SQLSTATE), "42501");
    }
    PQclear(result);
    return found;
}

/* ---- rows ---- */

TEST(every_table_shows_one_company_and_none_without_one)
{
    if (foreign_server()) {
        return;
    }
    struct world world = open_world();
    PGconn *superuser = connect_as(world.superuser);
    static const struct {
        const char *tenant;
        int of_one, of_two;
    } cases[] = {{NULL, 0, 0}, {"", 0, 0}, {"1", 1, 0}, {"2", 0, 1}};
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        if (cases[i].tenant != NULL) { /* NULL: never set in this session */
            set_tenant(world.app, cases[i].tenant);
        }
        for (int row = 0; row < PQntuples(world.tables); row++) {
            const char *table = PQgetvalue(world.tables, row, 0);
            bool part = PQgetvalue(world.tables, row, 1)[0] == 't';
            char sql[SQL_MAX];
            const int expected[2] = {cases[i].of_one, cases[i].of_two};
            for (int company = 1; company <= 2; company++) {
                snprintf(sql, sizeof sql, "SELECT count(*) FROM %s WHERE tenant_id = %d", table,
                         company);
                ck_assert_msg(part || number(superuser, sql) == 1, "%s has no row of %d", table,
                              company);
                int found = number(world.app, sql);
                ck_assert_msg(found == (part ? -1 : expected[company - 1]),
                              "tenant \"%s\": %s of %d: %d rows",
                              cases[i].tenant != NULL ? cases[i].tenant : "unset", table, company,
                              found);
            }
        }
    }
    PQfinish(superuser);
    close_world(&world);
}

TEST(no_row_of_another_company_is_written_changed_or_deleted)
{
    if (foreign_server()) {
        return;
    }
    struct world world = open_world();
    set_tenant(world.app, "1");
    for (int row = 0; row < PQntuples(world.tables); row++) {
        const char *table = PQgetvalue(world.tables, row, 0);
        const char *columns = PQgetvalue(world.tables, row, 3);
        char sql[SQL_MAX];
        snprintf(
            sql, sizeof sql,
            "WITH d AS (DELETE FROM %s WHERE tenant_id = 2 RETURNING 1) SELECT count(*) FROM d",
            table);
        ck_assert_msg(number(world.app, sql) <= 0, "%s", sql);
        snprintf(sql, sizeof sql,
                 "WITH u AS (UPDATE %s SET tenant_id = 1 WHERE tenant_id = 2 RETURNING 1) "
                 "SELECT count(*) FROM u",
                 table);
        ck_assert_msg(number(world.app, sql) <= 0, "%s", sql);
        snprintf(sql, sizeof sql, "UPDATE %s SET tenant_id = 2", table); /* given away */
        refused(world.app, sql);
        snprintf(sql, sizeof sql,
                 "INSERT INTO %s (%s) SELECT %s FROM (SELECT (jsonb_populate_record(x, "
                 "'{\"tenant_id\":2}')).* FROM %s AS x) AS y",
                 table, columns, columns, table);
        refused(world.app, sql);
    }
    close_world(&world);
}

TEST(what_only_grows_is_not_changed)
{
    if (foreign_server()) {
        return;
    }
    struct world world = open_world();
    static const char *const must[] = {
        "event",         "journal",     "audit_record", "audit_checkpoint",
        "approval_vote", "command_log", "plan_source",  "policy_bundle"};
    set_tenant(world.app, "1");
    for (size_t i = 0; i < RV_COUNT(must); i++) {
        char sql[SQL_MAX];
        snprintf(sql, sizeof sql, "UPDATE %s SET tenant_id = tenant_id", must[i]);
        refused(world.app, sql);
        snprintf(sql, sizeof sql, "DELETE FROM %s", must[i]);
        refused(world.app, sql);
        snprintf(sql, sizeof sql,
                 "INSERT INTO %s SELECT * FROM %s ON CONFLICT ON CONSTRAINT %s_pkey DO UPDATE SET "
                 "tenant_id = 1",
                 must[i], must[i], must[i]);
        refused(world.app, sql);
    }
    close_world(&world);
}

/* ---- the wall itself ---- */

TEST(no_table_is_altered_dropped_or_emptied)
{
    if (foreign_server()) {
        return;
    }
    struct world world = open_world();
    static const char *const attempts[] = {
        "ALTER TABLE %s DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE %s NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE %s ADD COLUMN more int",
        "ALTER TABLE %s DISABLE TRIGGER ALL",
        "ALTER TABLE %s OWNER TO reeve",
        "ALTER TABLE %s RENAME TO elsewhere",
        "DROP POLICY tenant_only ON %s",
        "ALTER POLICY tenant_only ON %s USING (true)",
        "CREATE POLICY everything ON %s USING (true)",
        "CREATE TRIGGER mine BEFORE INSERT ON %s EXECUTE FUNCTION "
        "suppress_redundant_updates_trigger()",
        "CREATE RULE mine AS ON INSERT TO %s DO INSTEAD NOTHING",
        "CREATE INDEX ON %s (tenant_id)",
        "TRUNCATE %s",
        "TRUNCATE %s CASCADE",
        "DROP TABLE %s",
        "DROP TABLE %s CASCADE",
        "SET row_security = off; SELECT * FROM %s",
    };
    set_tenant(world.app, "1");
    for (int row = 0; row < PQntuples(world.tables); row++) {
        for (size_t i = 0; i < RV_COUNT(attempts); i++) {
            char sql[SQL_MAX];
            const char *mark = strstr(attempts[i], "%s");
            snprintf(sql, sizeof sql, "%.*s%s%s", (int)(mark - attempts[i]), attempts[i],
                     PQgetvalue(world.tables, row, 0), mark + 2);
            refused(world.app, sql);
        }
    }
    close_world(&world);
}

TEST(nobody_becomes_mightier)
{
    if (foreign_server()) {
        return;
    }
    struct world world = open_world();
    static const char *const attempts[] = {
        "SET ROLE reeve_owner",
        "SET ROLE reeve_migrate",
        "SET ROLE reeve_test",
        "SET SESSION AUTHORIZATION reeve_owner",
        "GRANT reeve_owner TO reeve",
        "GRANT reeve_app TO reeve_migrate",
        "ALTER ROLE reeve BYPASSRLS",
        "ALTER ROLE reeve SUPERUSER",
        "ALTER ROLE reeve_owner LOGIN",
        "CREATE ROLE mine",
        "CREATE DATABASE mine",
        "CREATE SCHEMA mine",
        "CREATE TABLE public.mine ()",
        "CREATE VIEW public.mine AS SELECT 1",
        "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE OR REPLACE FUNCTION reeve_append_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN "
        "END'",
        "ALTER FUNCTION reeve_tenants() SET search_path = pg_temp",
        "ALTER FUNCTION reeve_tenants() OWNER TO reeve",
        "DROP FUNCTION reeve_tenants()",
        "ALTER TYPE finding OWNER TO reeve",
        "ALTER SCHEMA public OWNER TO reeve",
        "ALTER DEFAULT PRIVILEGES FOR ROLE reeve_owner GRANT ALL ON TABLES TO reeve",
        "SET session_replication_role = replica",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "COPY (SELECT 1) TO '/tmp/reeve-roles-test'",
        "SELECT pg_read_file('PG_VERSION')",
        "ALTER SYSTEM SET fsync = off",
        "UPDATE pg_class SET relrowsecurity = false",
        "SELECT rolpassword FROM pg_authid",
        "INSERT INTO schema_migration VALUES ('9999', '')",
        "UPDATE tolerance_default SET amount = 1",
        "DELETE FROM node_key",
    };
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < RV_COUNT(attempts); i++) {
            refused(world.app, attempts[i]);
        }
        /* reeve's own connections become reeve_app: neither that nor going back gives more */
        PQclear(PQexec(world.app, "SET ROLE reeve_app"));
    }
    PQclear(PQexec(world.app, "RESET ROLE"));
    refused(world.app, "ALTER TABLE event DISABLE ROW LEVEL SECURITY");
    set_tenant(world.app, "1");
    ck_assert_int_eq(number(world.app, "SELECT count(*) FROM event"), 1);
    close_world(&world);
}

TEST(everything_belongs_to_the_owner_and_nothing_is_open)
{
    if (foreign_server()) {
        return;
    }
    struct world world = open_world();
    PGresult *strays = PQexec(world.app, rv_sql_roles_strays.text);
    ck_assert_msg(PQresultStatus(strays) == PGRES_TUPLES_OK, "%s", PQerrorMessage(world.app));
    for (int i = 0; i < PQntuples(strays); i++) {
        printf("%s\n", PQgetvalue(strays, i, 0));
    }
    ck_assert_int_eq(PQntuples(strays), 0);
    PQclear(strays);
    close_world(&world);
}

/* ---- migrating ---- */

TEST(the_login_that_reeve_runs_as_may_not_migrate)
{
    if (foreign_server()) {
        return;
    }
    char *uri = test_postgres_database(node_migrations);
    struct rv_error err = {.code = RV_OK};
    int applied = 0;
    struct rv_migrate how = {.owner_uri = uri, .rooms = node_migrations};
    ck_assert_int_eq(rv_migrate(&how, &applied, &err), RV_DENIED);
    ck_assert_msg(strstr(err.message, "no member of reeve_owner") != NULL, "%s", err.message);
    ck_assert_msg(strstr(err.hint, "database.owner_uri") != NULL, "%s", err.hint);
    rv_free(uri);
}

static int strays(const char *uri)
{
    PGconn *conn = connect_as(uri);
    PGresult *result = PQexec(conn, rv_sql_roles_strays.text);
    ck_assert_msg(PQresultStatus(result) == PGRES_TUPLES_OK, "%s", PQerrorMessage(conn));
    int count = PQntuples(result);
    for (int i = 0; i < count && i < 5; i++) {
        printf("%s\n", PQgetvalue(result, i, 0));
    }
    PQclear(result);
    PQfinish(conn);
    return count;
}

TEST(what_an_older_reeve_left_is_handed_over_by_an_administrator)
{
    if (foreign_server()) {
        return;
    }
    struct world world = open_world();
    char *migrator = test_postgres_migrator(world.uri);
    test_postgres_execute(world.superuser, rv_sql_roles_as_before.text);
    struct rv_error err = {.code = RV_OK};
    int applied = 0;
    int missing = 0;
    /* the former login goes on reading and sees that something is missing */
    char former[512];
    snprintf(former, sizeof former, "%s user=former", world.uri);
    ck_assert_int_eq(rv_migrate_missing(former, node_migrations, &missing, &err), RV_OK);
    ck_assert_int_eq(missing, 1);
    /* somebody who is not the owner may not take the tables away */
    struct rv_migrate how = {.owner_uri = migrator, .rooms = node_migrations};
    ck_assert_int_eq(rv_migrate(&how, &applied, &err), RV_DENIED);
    ck_assert_msg(err.hint[0] != '\0', "%s", err.message);
    rv_error_clear(&err);
    how.owner_uri = world.superuser;
    ck_assert_msg(rv_migrate(&how, &applied, &err) == RV_OK, "%s (%s)", err.message, err.detail);
    ck_assert_int_eq(applied, 1);
    ck_assert_int_eq(strays(world.uri), 0);
    /* from now on the login for it does it */
    how.owner_uri = migrator;
    ck_assert_msg(rv_migrate(&how, &applied, &err) == RV_OK, "%s (%s)", err.message, err.detail);
    ck_assert_int_eq(applied, 0);
    PGconn *conn = connect_as(former);
    refused(conn, "ALTER TABLE event DISABLE ROW LEVEL SECURITY");
    refused(conn, "DROP TABLE event");
    set_tenant(conn, "1");
    ck_assert_int_eq(number(conn, "SELECT count(*) FROM event"), 1);
    ck_assert_int_eq(number(conn, "SELECT count(*) FROM event WHERE tenant_id = 2"), 0);
    PQfinish(conn);
    rv_free(migrator);
    close_world(&world);
}

TEST(the_former_owner_may_hand_it_over_itself)
{
    if (foreign_server()) {
        return;
    }
    struct world world = open_world();
    test_postgres_execute(world.superuser, rv_sql_roles_as_before.text);
    test_postgres_execute(world.superuser, "GRANT reeve_owner TO former");
    char former[512];
    snprintf(former, sizeof former, "%s user=former", world.uri);
    struct rv_error err = {.code = RV_OK};
    int applied = 0;
    struct rv_migrate how = {.owner_uri = former, .rooms = node_migrations};
    ck_assert_msg(rv_migrate(&how, &applied, &err) == RV_OK, "%s (%s)", err.message, err.detail);
    ck_assert_int_eq(strays(world.uri), 0);
    test_postgres_execute(world.superuser, "REVOKE reeve_owner FROM former");
    close_world(&world);
}

TEST_MAIN_WITH(test_postgres_start(TEST_PG_FAST))
