/* upgrade_test.c -- a filled database of an older reeve gets the newest schema in place: what rows
 * say is what they said, and the walls around them stand.
 */
#include "runtime/base/check.h"
#include "runtime/cli/node.h"
#include "runtime/db/migrate.h"
#include "tests/support/postgres.h"
#include "tests/support/test.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MIGRATIONS_MAX = 512 };

struct world {
    char *uri;
    char *superuser;
    PGconn *conn;
};

/* The schema as it was before `first`, the name of a migration or its beginning. */
static struct world before(const char *first)
{
    static struct rv_migration older[MIGRATIONS_MAX];
    static const struct rv_migration *const rooms[] = {older, NULL};
    int count = 0;
    for (const struct rv_migration *const *room = node_migrations; *room != NULL; room++) {
        for (const struct rv_migration *one = *room; one->name != NULL; one++) {
            if (strcmp(one->name, first) < 0) {
                RV_ASSERT(count < MIGRATIONS_MAX - 1);
                older[count++] = *one;
            }
        }
    }
    older[count] = (struct rv_migration){NULL, NULL};
    struct world world = {.uri = test_postgres_database(rooms)};
    world.superuser = test_postgres_superuser(world.uri);
    world.conn = PQconnectdb(world.superuser);
    ck_assert_int_eq(PQstatus(world.conn), CONNECTION_OK);
    return world;
}

static void upgrade(const struct world *world)
{
    struct rv_error err = {.code = RV_OK};
    int applied = 0;
    char *owner = test_postgres_migrator(world->uri);
    struct rv_migrate how = {.owner_uri = owner, .rooms = node_migrations};
    ck_assert_msg(rv_migrate(&how, &applied, &err) == RV_OK, "%s (%s)", err.message, err.detail);
    ck_assert_int_gt(applied, 0);
    rv_free(owner);
}

static void close_world(struct world *world)
{
    PQfinish(world->conn);
    rv_free(world->uri);
    rv_free(world->superuser);
}

/* The one value that it gives, or the SQLSTATE of the refusal; caller frees. */
static char *ask(PGconn *conn, const char *sql)
{
    PGresult *result = PQexec(conn, sql);
    char *said = PQresultStatus(result) == PGRES_FATAL_ERROR
                     ? rv_strdup(PQresultErrorField(result, PG_DIAG_SQLSTATE))
                 : PQntuples(result) > 0 ? rv_strdup(PQgetvalue(result, 0, 0))
                                         : rv_strdup("");
    PQclear(result);
    return said;
}

static void says(PGconn *conn, const char *sql, const char *wanted)
{
    char *said = ask(conn, sql);
    ck_assert_msg(strcmp(said, wanted) == 0, "%s\n   says %s\n instead of %s", sql, said, wanted);
    rv_free(said);
}

static const char fill_runs[] =
    "INSERT INTO tenant (tenant_id, name) VALUES (1, 'one'), (2, 'two');"
    "INSERT INTO tenant_head (tenant_id) VALUES (1), (2);"
    "INSERT INTO run (tenant_id, id, agent, plan_hash, status, waiting_on, wake_at, business_key,"
    "                 parent, depth, attempt, error_code, error_text, steps, close, claims,"
    "                 priority)"
    " SELECT 1 + n / 4 % 2, n * 100000000000, 'agent ' || n % 3, sha256(n::text::bytea),"
    "        CASE n % 4 WHEN 0 THEN 'done' WHEN 1 THEN 'waiting' WHEN 2 THEN 'failed'"
    "                   ELSE 'planning' END,"
    "        CASE WHEN n % 4 = 1 THEN 'signal' END,"
    "        CASE WHEN n % 8 = 1 THEN '2030-01-01'::timestamptz + n * interval '1 s' END,"
    "        CASE WHEN n % 5 = 0 THEN 'key:' || n END, nullif(n % 7, 0), n % 3, n % 2,"
    "        CASE WHEN n % 4 = 2 THEN 'limit' END, CASE WHEN n % 4 = 2 THEN 'why' END, n % 9,"
    "        CASE WHEN n % 7 > 0 THEN 'wait' END, n % 11 > 0, n % 13"
    "   FROM generate_series(1, 300) AS n;"
    "INSERT INTO run_input (tenant_id, run_id, input, budget)"
    " SELECT r.tenant_id, r.id, jsonb_build_object('n', r.id),"
    "        CASE WHEN r.id % 2 = 0 THEN '{\"calls\": 3}'::jsonb ELSE '{}' END FROM run r;";

static const char fill_journal[] =
    "SET ROLE reeve_owner;"
    "SELECT reeve_journal_make('journal_2021_01', '2021-01-01 00:00+00', '2021-02-01 00:00+00');"
    "SELECT reeve_journal_make('journal_2021_02', '2021-02-01 00:00+00', '2021-03-01 00:00+00');"
    "RESET ROLE;"
    "INSERT INTO journal (tenant_id, run_id, seq, kind, name, digest, out)"
    " SELECT 1 + g % 2, r, s, CASE s WHEN 3 THEN 20 WHEN 4 THEN 21 ELSE 12 END, 'note',"
    "        substr(sha256((r + s)::text::bytea), 1, 16), '\\x017b7d'"
    "   FROM generate_series(1, 40) AS g, generate_series(1, 5) AS s,"
    "        LATERAL (SELECT CASE WHEN g <= 20 THEN g"
    "                 ELSE reeve_run_bound('2021-01-01 00:00+00') + g END AS r) AS x;";

static const char told_runs[] =
    "SELECT md5(string_agg((to_jsonb(r) - 'span' - 'input')::text, ';' ORDER BY r.id)) FROM run r";
static const char told_journal[] =
    "SELECT md5(string_agg(to_jsonb(j)::text, ';' ORDER BY j.run_id, j.seq)) FROM journal j";
static const char told_indexes[] =
    "SELECT string_agg(c.relname, ' ' ORDER BY c.relname) FROM pg_index x"
    " JOIN pg_class c ON c.oid = x.indexrelid"
    " WHERE x.indrelid IN ('run'::regclass, 'journal'::regclass) AND c.relname NOT IN "
    "('run_waits', 'run_agent_unwell', 'journal_compensation')";

TEST(runs_and_journals_are_what_they_were)
{
    struct world world = before("0320");
    test_postgres_execute(world.superuser, fill_runs);
    test_postgres_execute(world.superuser, fill_journal);
    char *runs = ask(world.conn, told_runs);
    char *journal = ask(world.conn, told_journal);
    char *indexes = ask(world.conn, told_indexes);
    upgrade(&world);
    says(world.conn, told_runs, runs);
    says(world.conn, told_journal, journal);
    says(world.conn, told_indexes, indexes);
    says(world.conn, "SELECT count(*) FROM run r WHERE r.span <> r.id >> 36", "0");
    says(world.conn,
         "SELECT count(*) FROM run r CROSS JOIN LATERAL run_given(r.tenant_id, r.id, r.input) AS i"
         " WHERE i.input = jsonb_build_object('n', r.id)"
         "   AND (i.budget = '{}') = (r.id % 2 = 1)",
         "300");
    /* every partition has every index of the journal */
    says(world.conn,
         "SELECT count(*) FROM pg_index p WHERE p.indrelid = 'journal'::regclass AND"
         " (SELECT count(*) FROM pg_inherits i WHERE i.inhparent = p.indexrelid) <>"
         " (SELECT count(*) FROM pg_inherits i WHERE i.inhparent = 'journal'::regclass)",
         "0");
    rv_free(runs);
    rv_free(journal);
    rv_free(indexes);
    close_world(&world);
}

TEST(companies_stay_apart_and_journals_only_grow)
{
    struct world world = before("0320");
    test_postgres_execute(world.superuser, fill_runs);
    test_postgres_execute(world.superuser, fill_journal);
    upgrade(&world);
    PGconn *app = PQconnectdb(world.uri);
    ck_assert_int_eq(PQstatus(app), CONNECTION_OK);
    says(app, "SELECT set_config('reeve.tenant', '1', false)", "1");
    says(app, "SELECT count(*) FROM run", "151");
    says(app, "SELECT count(*) FROM journal", "100");
    says(app, "DELETE FROM journal", "42501");
    says(app,
         "INSERT INTO run (tenant_id, id, agent, plan_hash, status) VALUES (2, 7, 'a', '', 'done')",
         "42501");
    says(app,
         "INSERT INTO run (tenant_id, id, agent, plan_hash, status) VALUES (1, 7, 'a', '', 'no')",
         "23514");
    says(app,
         "INSERT INTO run (tenant_id, id, agent, plan_hash, status, business_key)"
         " SELECT 1, 8, 'a', '', 'created', r.business_key FROM run r WHERE r.claims"
         "  AND r.status = 'planning' AND r.business_key IS NOT NULL LIMIT 1",
         "23505"); /* the claim */
    /* into a partition of the old order, one of the new, and the one that was empty */
    says(app,
         "INSERT INTO journal (tenant_id, run_id, seq, kind, name, digest, out)"
         " SELECT 1, r, 9, 12, 'late', '\\x01', '\\x02' FROM unnest(ARRAY[20,"
         "  reeve_run_bound('2021-01-02 00:00+00'), reeve_run_bound('2021-02-02 00:00+00')]) AS r"
         " RETURNING name || encode(digest, 'hex') || encode(out, 'hex')",
         "late0102");
    says(app, "SELECT count(*) FROM journal WHERE seq = 9 AND name = 'late' AND tenant_id = 1",
         "3");
    PQfinish(app);
    close_world(&world);
}

/* Found by an index over spans, in the order of their numbers, a page after the other. */
TEST(runs_are_found_newest_first)
{
    struct world world = before("0320");
    test_postgres_execute(world.superuser, fill_runs);
    upgrade(&world);
    static const char *const filters[] = {"{\"status\":\"open\"}", "{\"waiting_on\":\"signal\"}",
                                          "{\"agent\":\"agent 1\"}", "{\"status\":\"failed\"}",
                                          "{\"status\":\"planning\",\"agent\":\"agent 2\"}"};
    static const char *const rules[] = {
        "status IN ('planning', 'waiting')", "waiting_on = 'signal'", "agent = 'agent 1'",
        "status = 'failed'", "status = 'planning' AND agent = 'agent 2'"};
    for (size_t i = 0; i < RV_COUNT(filters); i++) {
        char sql[640];
        char wanted[640];
        snprintf(wanted, sizeof wanted,
                 "SELECT string_agg(id::text, ' ' ORDER BY id DESC) FROM (SELECT id FROM run"
                 " WHERE tenant_id = 2 AND %s AND id < 20000000000000 ORDER BY id DESC LIMIT 7) x",
                 rules[i]);
        char *ids = ask(world.conn, wanted);
        ck_assert_int_gt((int)strlen(ids), 20);
        snprintf(sql, sizeof sql,
                 "SELECT string_agg(q::text, ' ' ORDER BY n) FROM run_find(2, '%s'::jsonb"
                 " || '{\"below\":20000000000000}', 7) WITH ORDINALITY AS f(q, n)",
                 filters[i]);
        says(world.conn, sql, ids);
        rv_free(ids);
    }
    close_world(&world);
}

TEST_MAIN_WITH(test_postgres_start(TEST_PG_FAST))
