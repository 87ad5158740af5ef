/* commit_test.c -- group commit keeps its promises, also while the server is being killed. */
#include "db_sql.h"
#include "journal_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/db/args.h"
#include "runtime/db/db.h"
#include "runtime/journal/journal.h"
#include "tests/support/postgres.h"
#include "tests/support/test.h"

#include <libpq-fe.h>

static const struct rv_migration *const rooms[] = {rv_journal_migrations, rv_db_migrations, NULL};
static const struct rv_statement *const write_order[] = {
    &rv_sql_run_insert, &rv_sql_run_input_insert, &rv_sql_journal_append, &rv_sql_run_status_set, NULL};

struct world {
    struct rv_loop *loop;
    struct rv_committer *committer;
    char *uri;
    int done, ok, refused;
    int wanted;
    enum rv_code last;
    int order[4096];
};

struct step {
    struct rv_unit unit;
    struct world *world;
    int64_t run;
    int seq;
    int number;
    bool poison;
    char key[32];
};

static void tenant_make(const char *uri)
{
    struct rv_db_session *session = NULL;
    struct rv_error err = {.code = RV_OK};
    ck_assert_int_eq(rv_db_session_open(uri, &session, &err), RV_OK);
    json_t *company = json_object();
    struct rv_args *args = rv_args_create(&rv_sql_tenant_create);
    rv_args_text(args, 1, "one");
    rv_args_json(args, 2, company);
    json_decref(company);
    ck_assert_int_eq(rv_db_session_query(session, 0, &rv_sql_tenant_create, args, NULL, NULL, &err),
                     RV_OK);
    rv_db_session_close(session);
}

static void world_make(struct world *world)
{
    rv_log_level(RV_LOG_SILENT);
    world->uri = test_postgres_database(rooms);
    tenant_make(world->uri);
    world->loop = rv_loop_create(rv_clock_system());
    world->committer = rv_committer_create(&(struct rv_committer_options){
        .loop = world->loop, .database_uri = world->uri, .write_order = write_order});
}

static void world_end(struct world *world)
{
    rv_committer_close(world->committer, NULL, NULL);
    rv_loop_run(world->loop);
    rv_loop_destroy(world->loop);
    rv_free(world->uri);
}

static int64_t count(const struct world *world, const char *sql)
{
    char *uri = test_postgres_superuser(world->uri);
    PGconn *conn = PQconnectdb(uri);
    PGresult *result = PQexec(conn, sql);
    ck_assert_msg(PQntuples(result) == 1, "%s", PQerrorMessage(conn));
    int64_t value = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    PQfinish(conn);
    rv_free(uri);
    return value;
}

static enum rv_code step_decide(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err)
{
    struct step *step = (struct step *)unit;
    (void)err;
    uint8_t digest[16] = {0};
    json_t *out = json_pack("{s:i}", "n", step->number);
    rv_journal_append(batch, step->run, step->poison ? 1 : step->seq, 1, "test", digest, out);
    if (unit->needs_head) {
        rv_batch_head(batch)->event_seq++;
    }
    json_decref(out);
    return RV_OK;
}

static void step_done(struct rv_unit *unit, enum rv_code code, const struct rv_error *err)
{
    struct step *step = (struct step *)unit;
    struct world *world = step->world;
    (void)err;
    world->order[world->done % 4096] = step->number;
    world->done++;
    world->ok += code == RV_OK;
    world->refused += code != RV_OK;
    world->last = code;
    rv_free(step);
    if (world->done == world->wanted) {
        rv_loop_stop(world->loop);
    }
}

static struct step *submit(struct world *world, int64_t run, int seq, bool head, bool poison)
{
    struct step *step = rv_alloc(sizeof *step);
    step->world = world;
    step->run = run;
    step->seq = seq;
    step->number = world->wanted++;
    step->poison = poison;
    snprintf(step->key, sizeof step->key, "run:%lld", (long long)run);
    step->unit = (struct rv_unit){.tenant = 1, .keys = {step->key}, .needs_head = head,
                                  .decide = step_decide, .done = step_done};
    rv_commit(world->committer, &step->unit);
    return step;
}

TEST(steps_of_one_run_commit_in_order_and_many_share_a_commit)
{
    for (int head = 0; head < 2; head++) {
        struct world world = {.done = 0};
        world_make(&world);
        for (int seq = 1; seq <= 5; seq++) {
            for (int run = 1; run <= 200; run++) {
                submit(&world, run, seq, head == 1, false);
            }
        }
        rv_loop_run(world.loop);
        ck_assert_int_eq(world.ok, 1000);
        struct rv_commit_stats stats;
        rv_committer_stats(world.committer, &stats);
        ck_assert_int_le(stats.batches, 40);
        ck_assert_int_eq(count(&world, "SELECT count(*) FROM journal"), 1000);
        ck_assert_int_eq(count(&world, "SELECT event_seq FROM tenant_head"), head == 1 ? 1000 : 0);
        world_end(&world);
    }
}

TEST(a_poison_unit_is_refused_alone)
{
    struct world world = {.done = 0};
    world_make(&world);
    submit(&world, 77, 1, false, false);
    rv_loop_run(world.loop);
    for (int run = 100; run < 200; run++) {
        submit(&world, run == 150 ? 77 : run, run == 150 ? 2 : 1, run % 3 == 0, run == 150);
    }
    rv_loop_run(world.loop);
    ck_assert_int_eq(world.ok, 100); /* 1 before, 99 of the 100 */
    ck_assert_int_eq(world.refused, 1);
    ck_assert_int_eq(count(&world, "SELECT count(*) FROM journal"), 100);
    world_end(&world);
}

TEST(an_old_epoch_writes_nothing)
{
    struct world world = {.done = 0};
    world_make(&world);
    for (int head = 0; head < 2; head++) {
        struct step *step = submit(&world, 5 + head, 1, head == 1, false);
        step->unit.epoch = 3;
        rv_loop_run(world.loop);
        ck_assert_int_eq(world.last, RV_CONFLICT);
    }
    ck_assert_int_eq(count(&world, "SELECT count(*) FROM journal"), 0);
    world_end(&world);
}

/* ---- loads ---- */

static enum rv_code load_decide(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err)
{
    struct step *step = (struct step *)unit;
    (void)batch;
    (void)err;
    ck_assert_int_eq(rv_json_int(unit->loads[0].state, "echo", -1), step->number);
    ck_assert_ptr_nonnull(unit->loads[1].state);
    return step->number % 7 == 0 ? rv_fail(err, RV_DENIED, "not this one") : RV_OK;
}

static const struct rv_statement echo = {
    .name = "test_echo",
    .params = "tenant int4, unit int4[], args jsonb[]",
    .param_count = 3,
    .text = "SELECT u.unit, jsonb_build_object('echo', u.args->'n') FROM unnest($2::int4[], $3::jsonb[]) "
            "AS u(unit, args) WHERE $1 > 0"};

static void load_more(struct rv_unit *unit)
{
    ck_assert_int_eq(unit->load_count, 1);
    unit->loads[1] = (struct rv_load){.statement = &echo, .args = unit->loads[0].args};
    unit->load_count = 2;
}

TEST(loads_are_set_based_and_refusals_are_single)
{
    struct world world = {.done = 0};
    world_make(&world);
    json_t *args[70];
    for (int i = 0; i < 70; i++) {
        struct step *step = rv_alloc(sizeof *step);
        args[i] = json_pack("{s:i}", "n", i);
        step->world = &world;
        step->number = i;
        step->unit = (struct rv_unit){.tenant = 1, .load_count = 1, .more_loads = load_more,
                                      .decide = load_decide, .done = step_done};
        step->unit.loads[0] = (struct rv_load){.statement = &echo, .args = args[i]};
        rv_commit(world.committer, &step->unit);
    }
    world.wanted = 70;
    rv_loop_run(world.loop);
    ck_assert_int_eq(world.refused, 10);
    ck_assert_int_eq(world.ok, 60);
    for (int i = 0; i < 70; i++) {
        json_decref(args[i]);
    }
    world_end(&world);
}

/* ---- the server dies, again and again ---- */

TEST(every_unit_is_written_once_while_the_server_is_killed)
{
    struct world world = {.done = 0};
    world_make(&world);
    int kills = 0;
    for (int seq = 1; seq <= 60; seq++) {
        for (int run = 1; run <= 100; run++) {
            submit(&world, run, seq, run % 2 == 0, false);
        }
    }
    while (world.done < world.wanted) {
        rv_loop_run_once(world.loop, 20);
        if (kills < 5 && world.done > (kills + 1) * 800) {
            test_postgres_crash();
            kills++;
        }
    }
    ck_assert_int_eq(kills, 5);
    ck_assert_int_eq(world.ok, 6000);
    ck_assert_int_eq(count(&world, "SELECT count(*) FROM journal"), 6000);
    ck_assert_int_eq(count(&world, "SELECT event_seq FROM tenant_head"), 3000);
    world_end(&world);
}

TEST_MAIN_WITH(test_postgres_start(TEST_PG_FAST))
