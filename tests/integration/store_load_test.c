/* store_load_test.c -- runs that are loaded together: the one that cannot be loaded is the only one
 * that is not, whatever is wrong with it. */
#include "db_sql.h"
#include "gate_sql.h"
#include "journal_sql.h"
#include "run_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/db/migrate.h"
#include "runtime/run/store.h"
#include "tests/support/postgres.h"
#include "tests/support/test.h"

#include <stdlib.h>

static const struct rv_migration *const rooms[] = {rv_journal_migrations, rv_gate_migrations,
                                                   rv_db_migrations, rv_run_migrations, NULL};

enum { RUNS = 60, FIRST_STEPS = 5, LONG_STEPS = 3000 };

/* Run 1 has a journal of several pages; 2 has no input; 3 has an entry of no version; 4 has the
 * hash of no plan; 5 lacks an entry; 6 does not exist; the rest is well. */
static const char setup[] =
    "SELECT reeve_tenant_create('one', '{}');"
    "INSERT INTO plan_source (tenant_id, hash, agent, version, manifest, source, published_by)"
    " VALUES (1, sha256('plan'), 'agent', '1', '{}', 'plan', 'somebody');"
    "INSERT INTO run (tenant_id, id, agent, plan_hash, status)"
    " SELECT 1, n, 'agent', CASE WHEN n = 4 THEN '\\x01' ELSE sha256('plan') END, 'planning'"
    "   FROM generate_series(1, 60) AS n WHERE n <> 6;"
    "INSERT INTO run_input (tenant_id, run_id, input)"
    " SELECT 1, n, '{}' FROM generate_series(1, 60) AS n WHERE n <> 2;"
    "INSERT INTO journal (tenant_id, run_id, seq, kind, name, digest, out)"
    " SELECT 1, n, s, 12, 'note', '\\x00', CASE WHEN n = 3 AND s = 2 THEN '' ELSE '\\x017b7d' "
    "END::bytea"
    "   FROM generate_series(1, 60) AS n,"
    "        generate_series(1, CASE WHEN n = 1 THEN 3000 ELSE 5 END) AS s"
    "  WHERE NOT (n = 5 AND s = 3);";

struct loaded {
    int *left;
    enum rv_code code;
    int steps;
};

static void on_loaded(void *data, enum rv_code code, struct rv_run_image *image,
                      const struct rv_error *err)
{
    struct loaded *loaded = data;
    (void)err;
    loaded->code = code;
    loaded->steps = image != NULL ? image->step_count : 0;
    rv_run_image_free(image);
    --*loaded->left;
}

TEST(a_run_that_cannot_be_loaded_is_the_only_one)
{
    rv_log_level(RV_LOG_SILENT);
    char *uri = test_postgres_database(rooms);
    char *superuser = test_postgres_superuser(uri);
    test_postgres_execute(superuser, setup);
    struct rv_loop *loop = rv_loop_create(rv_clock_system());
    struct rv_db *db = rv_db_create(&(struct rv_db_options){.loop = loop, .uri = uri});
    struct rv_store *store = rv_store_create(&(struct rv_store_options){.loop = loop, .db = db});
    const struct rv_run_port *port = rv_store_port(store);
    struct loaded loaded[RUNS + 1];
    int left = RUNS;
    for (int run = 1; run <= RUNS; run++) {
        loaded[run] = (struct loaded){.left = &left};
        port->load(port->self, 1, run, on_loaded, &loaded[run]);
    }
    for (int i = 0; i < 400 && left > 0; i++) {
        rv_loop_run_once(loop, 50);
    }
    ck_assert_int_eq(left, 0);
    ck_assert_int_eq(loaded[1].steps, LONG_STEPS);
    ck_assert_int_eq(loaded[2].code, RV_NOT_FOUND);
    ck_assert_int_ne(loaded[3].code, RV_OK);
    ck_assert_int_eq(loaded[4].code, RV_CORRUPT);
    ck_assert_int_eq(loaded[5].code, RV_CORRUPT);
    ck_assert_int_eq(loaded[6].code, RV_NOT_FOUND);
    for (int run = 7; run <= RUNS; run++) {
        ck_assert_int_eq(loaded[run].code, RV_OK);
        ck_assert_int_eq(loaded[run].steps, FIRST_STEPS);
    }
    rv_db_close(db, NULL, NULL);
    rv_loop_run(loop);
    rv_store_destroy(store);
    rv_loop_destroy(loop);
    rv_free(superuser);
    rv_free(uri);
}

TEST_MAIN_WITH(test_postgres_start(TEST_PG_FAST))
