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
#include <unistd.h>

static const struct rv_migration *const rooms[] = {rv_journal_migrations, rv_db_migrations, NULL};
static const struct rv_statement *const write_order[] = {
    &rv_sql_run_insert,     &rv_sql_run_input_insert,
    &rv_sql_blob_insert,    &rv_sql_blob_parts_insert,
    &rv_sql_blob_use_put,   &rv_sql_journal_append,
    &rv_sql_run_status_set, NULL};

struct world {
    struct rv_loop *loop;
    struct rv_committer *committer;
    char *uri;
    int32_t tenant; /* of the next unit; 0 means 1 */
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
    ck_assert_int_eq(
        rv_journal_append(batch, step->run, step->poison ? 1 : step->seq, 1, "test", digest, out),
        RV_OK);
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
    step->unit = (struct rv_unit){.tenant = world->tenant != 0 ? world->tenant : 1,
                                  .keys = {step->key},
                                  .needs_head = head,
                                  .decide = step_decide,
                                  .done = step_done};
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

static enum rv_code spoiling_decide(struct rv_unit *unit, struct rv_batch *batch,
                                    struct rv_error *err)
{
    struct step *step = (struct step *)unit;
    struct rv_error why = {.code = RV_OK};
    uint8_t digest[16] = {0};
    enum rv_code code = step_decide(unit, batch, err);
    enum rv_code nothing =
        rv_journal_append(batch, step->run, step->seq + 1, 1, "test", digest, NULL);
    ck_assert_int_eq(nothing, RV_INVALID);
    rv_fail(&why, nothing, "what was appended cannot stand");
    rv_batch_spoil(batch, &why);
    return code;
}

TEST(a_unit_that_spoils_its_transaction_is_refused_alone)
{
    for (int head = 0; head < 2; head++) {
        struct world world = {.done = 0};
        world_make(&world);
        for (int run = 1; run <= 100; run++) {
            struct step *step = submit(&world, run, 1, head == 1, false);
            if (run % 40 == 0) {
                step->unit.decide = spoiling_decide;
            }
        }
        rv_loop_run(world.loop);
        ck_assert_int_eq(world.ok, 98);
        ck_assert_int_eq(world.refused, 2);
        ck_assert_int_eq(count(&world, "SELECT count(*) FROM journal"), 98);
        ck_assert_int_eq(count(&world, "SELECT count(*) FROM journal WHERE run_id % 40 = 0"), 0);
        ck_assert_int_eq(count(&world, "SELECT event_seq FROM tenant_head"), head == 1 ? 98 : 0);
        world_end(&world);
    }
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

static const struct rv_statement echo = {.name = "test_echo",
                                         .params = "tenant int4, unit int4[], args jsonb[]",
                                         .param_count = 3,
                                         .text =
                                             "SELECT u.unit, jsonb_build_object('echo', "
                                             "u.args->'n') FROM unnest($2::int4[], $3::jsonb[]) "
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
        step->unit = (struct rv_unit){.tenant = 1,
                                      .load_count = 1,
                                      .more_loads = load_more,
                                      .decide = load_decide,
                                      .done = step_done};
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

/* ---- keys and chunks ---- */

static const int key_room; /* address only */
enum { KEYS_SEEN_MAX = RV_BATCH_UNITS_MAX };
struct keys_seen {
    int64_t runs[KEYS_SEEN_MAX];
    int count;
};

static enum rv_code alone_decide(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err)
{
    struct step *step = (struct step *)unit;
    struct keys_seen *seen = rv_batch_slot(batch, &key_room, sizeof *seen);
    for (int i = 0; i < seen->count; i++) {
        ck_assert_int_ne(seen->runs[i], step->run); /* never two of one key in one transaction */
    }
    seen->runs[seen->count++] = step->run;
    return step_decide(unit, batch, err);
}

TEST(units_that_share_a_key_never_share_a_transaction)
{
    struct world world = {.done = 0};
    world_make(&world);
    int seqs[8] = {0};
    for (int i = 0; i < 400; i++) {
        int run = i * 7919 % 8;
        struct step *step = submit(&world, 1000 + run, ++seqs[run], i % 3 == 0, false);
        step->unit.decide = alone_decide;
        step->unit.keys[1] = i % 5 == 0 ? "invoice:1" : NULL;
    }
    rv_loop_run(world.loop);
    ck_assert_int_eq(world.ok, 400);
    /* within a run the order of submission is the order of commit */
    int last[8] = {0};
    for (int i = 0; i < 400; i++) {
        int run = world.order[i] * 7919 % 8;
        ck_assert_int_gt(world.order[i] + 1, last[run]);
        last[run] = world.order[i] + 1;
    }
    world_end(&world);
}

static enum rv_code large_decide(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err)
{
    struct step *step = (struct step *)unit;
    static char text[20001];
    memset(text, 'x', sizeof text - 1);
    uint8_t digest[16] = {0};
    json_t *out = json_pack("{s:s}", "text", text);
    ck_assert_int_eq(rv_journal_append(batch, step->run, step->seq, 1, "test", digest, out), RV_OK);
    json_decref(out);
    (void)err;
    rv_batch_head(batch)->event_seq++;
    return RV_OK;
}

TEST(large_rows_go_out_in_pieces_of_one_transaction)
{
    struct world world = {.done = 0};
    world_make(&world);
    for (int run = 1; run <= 90; run++) {
        submit(&world, run, 1, true, false)->unit.decide = large_decide;
    }
    rv_loop_run(world.loop);
    ck_assert_int_eq(world.ok, 90);
    struct rv_commit_stats stats;
    rv_committer_stats(world.committer, &stats);
    ck_assert_int_eq(stats.batches, 1);
    ck_assert_int_eq(count(&world, "SELECT count(*) FROM journal WHERE length(out) > 20000"), 90);
    ck_assert_int_eq(count(&world, "SELECT event_seq FROM tenant_head"), 90);
    world_end(&world);
}

static enum rv_code huge_decide(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err)
{
    struct step *step = (struct step *)unit;
    (void)err;
    uint8_t digest[16] = {0};
    char *text = rv_alloc((2 << 20) + 1);
    memset(text, 'y', 2 << 20);
    json_t *out = json_pack("{s:s}", "text", text);
    ck_assert_int_eq(rv_journal_append(batch, step->run, step->seq, 1, "test", digest, out), RV_OK);
    json_decref(out);
    rv_free(text);
    return RV_OK;
}

TEST(a_transaction_has_a_size_and_the_rest_is_the_next_one)
{
    struct world world = {.done = 0};
    world_make(&world);
    for (int run = 1; run <= 12; run++) {
        submit(&world, run, 1, true, false)->unit.decide = huge_decide;
    }
    rv_loop_run(world.loop);
    ck_assert_int_eq(world.ok, 12);
    for (int i = 0; i < 12; i++) {
        ck_assert_int_eq(world.order[i], i);
    }
    struct rv_commit_stats stats;
    rv_committer_stats(world.committer, &stats);
    ck_assert_int_eq(stats.batches, 3);
    ck_assert_int_eq(count(&world, "SELECT count(*) FROM journal"), 12);
    world_end(&world);
}

static enum rv_code refuse_to_seal(void *data, struct rv_batch *batch, struct rv_error *err)
{
    (void)data;
    (void)batch;
    return rv_fail(err, RV_UNAVAILABLE, "no key to seal with");
}

TEST(what_cannot_be_sealed_is_not_written)
{
    struct world world = {.done = 0};
    world_make(&world);
    rv_committer_close(world.committer, NULL, NULL);
    world.committer = rv_committer_create(&(struct rv_committer_options){.loop = world.loop,
                                                                         .database_uri = world.uri,
                                                                         .write_order = write_order,
                                                                         .seal = refuse_to_seal});
    for (int run = 1; run <= 200; run++) {
        submit(&world, run, 1, true, false);
    }
    rv_loop_run(world.loop);
    ck_assert_int_eq(world.refused, 200);
    ck_assert_int_eq(world.last, RV_UNAVAILABLE);
    ck_assert_int_eq(count(&world, "SELECT count(*) FROM journal"), 0);
    world_end(&world);
}

TEST(tenants_take_turns)
{
    struct world world = {.done = 0};
    world_make(&world);
    char *superuser = test_postgres_superuser(world.uri);
    test_postgres_execute(superuser, "INSERT INTO tenant (tenant_id, name) VALUES (2, 'two');"
                                     "INSERT INTO tenant_head (tenant_id) VALUES (2)");
    rv_free(superuser);
    for (int run = 1; run <= 2000; run++) {
        submit(&world, run, 1, false, false);
    }
    world.tenant = 2;
    submit(&world, 5000, 1, false, false);
    rv_loop_run(world.loop);
    ck_assert_int_eq(world.ok, 2001);
    int position = 0;
    while (world.order[position] != 2000) {
        position++;
    }
    ck_assert_int_le(position, 2 * RV_BATCH_UNITS_MAX); /* not behind the other's 2000 */
    world_end(&world);
}

/* ---- without a database ---- */

static void note_closed(void *data)
{
    *(bool *)data = true;
}

TEST(units_wait_for_a_database_and_are_cancelled_at_the_end)
{
    rv_log_level(RV_LOG_SILENT);
    struct world world = {.loop = rv_loop_create(rv_clock_system())};
    world.committer = rv_committer_create(&(struct rv_committer_options){
        .loop = world.loop, .database_uri = "host=/nowhere dbname=x", .write_order = write_order});
    for (int run = 0; run < 10; run++) {
        submit(&world, run, 1, false, false);
    }
    for (int i = 0; i < 10; i++) {
        rv_loop_run_once(world.loop, 20);
    }
    ck_assert_int_eq(world.done, 0);
    bool closed = false;
    rv_committer_close(world.committer, note_closed, &closed);
    rv_loop_run(world.loop);
    ck_assert(closed);
    ck_assert_int_eq(world.refused, 10);
    ck_assert_int_eq(world.last, RV_CANCELED);
    rv_loop_destroy(world.loop);
}

/* ---- a commit whose answer is lost ---- */

/* The server waits for a standby that never comes: the transaction is committed on disk, the answer
 * is not sent, and then the backend is terminated. */
static void lose_answer(bool head)
{
    struct world world = {.done = 0};
    world_make(&world);
    char *superuser = test_postgres_superuser(world.uri);
    submit(&world, 1, 1, head, false);
    rv_loop_run(world.loop);
    test_postgres_execute(superuser, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    test_postgres_execute(superuser, "SELECT pg_reload_conf()");
    rv_loop_run_once(world.loop, 200);
    submit(&world, 2, 1, head, false);
    submit(&world, 3, 1, head, false);
    const char *waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    for (int i = 0; i < 200 && count(&world, waiting) == 0; i++) {
        rv_loop_run_once(world.loop, 20);
    }
    ck_assert_int_eq(count(&world, waiting), 1);
    ck_assert_int_eq(world.done, 1); /* nobody was told */
    test_postgres_execute(
        superuser,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
    rv_loop_run(world.loop);
    ck_assert_int_eq(world.ok, 3);
    test_postgres_execute(superuser, "ALTER SYSTEM RESET synchronous_standby_names");
    test_postgres_execute(superuser, "SELECT pg_reload_conf()");
    ck_assert_int_eq(count(&world, "SELECT count(*) FROM journal"), 3);
    ck_assert_int_eq(count(&world, "SELECT event_seq FROM tenant_head"), head ? 3 : 0);
    struct rv_commit_stats stats;
    rv_committer_stats(world.committer, &stats);
    ck_assert_int_eq(stats.batches, 2); /* found, not done again */
    rv_free(superuser);
    world_end(&world);
}

TEST(a_plain_commit_whose_answer_was_lost_is_found)
{
    if (getenv("REEVE_TEST_PG") == NULL) {
        lose_answer(false);
    }
}

TEST(a_gated_commit_whose_answer_was_lost_is_found)
{
    if (getenv("REEVE_TEST_PG") == NULL) {
        lose_answer(true);
    }
}

TEST(a_connection_that_is_cut_before_the_commit_writes_once)
{
    struct world world = {.done = 0};
    world_make(&world);
    char *superuser = test_postgres_superuser(world.uri);
    PGconn *blocker = PQconnectdb(superuser);
    PQclear(PQexec(blocker, "BEGIN"));
    PQclear(PQexec(blocker, "SELECT 1 FROM tenant_head FOR UPDATE"));
    submit(&world, 1, 1, false, false);
    submit(&world, 2, 1, true, false);
    const char *waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                          "AND datname = current_database()";
    for (int i = 0; i < 200 && count(&world, waiting) == 0; i++) {
        rv_loop_run_once(world.loop, 20);
    }
    test_postgres_execute(superuser,
                          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                          " WHERE wait_event_type = 'Lock' AND datname = current_database()");
    PQclear(PQexec(blocker, "COMMIT"));
    PQfinish(blocker);
    rv_loop_run(world.loop);
    ck_assert_int_eq(world.ok, 2);
    ck_assert_int_eq(count(&world, "SELECT count(*) FROM journal"), 2);
    rv_free(superuser);
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

/* ---- a commit that lets a run go on is told ---- */

struct wake_test {
    bool drives;
    int woke;
};

static bool wake_drives(void *data, int32_t tenant)
{
    ck_assert_int_eq(tenant, 1);
    return ((struct wake_test *)data)->drives;
}

static void wake_woke(void *data, int32_t tenant)
{
    ck_assert_int_eq(tenant, 1);
    ((struct wake_test *)data)->woke++;
}

static int notified(PGconn *conn)
{
    int count = 0;
    PGnotify *note;
    PQclear(PQexec(conn, "SELECT 1"));
    while ((note = PQnotifies(conn)) != NULL) {
        ck_assert_str_eq(note->relname, "reeve_wake");
        ck_assert_str_eq(note->extra, "1");
        PQfreemem(note);
        count++;
    }
    return count;
}

TEST(commits_that_let_runs_go_on_are_told)
{
    static const struct rv_statement *const wakes[] = {&rv_sql_journal_append, NULL};
    struct world world = {.done = 0};
    world_make(&world);
    rv_committer_close(world.committer, NULL, NULL);
    struct wake_test test = {.drives = false};
    world.committer = rv_committer_create(&(struct rv_committer_options){.loop = world.loop,
                                                                         .database_uri = world.uri,
                                                                         .write_order = write_order,
                                                                         .wakes = wakes,
                                                                         .drives = wake_drives,
                                                                         .woke = wake_woke,
                                                                         .wake_data = &test});
    PGconn *conn = PQconnectdb(world.uri);
    PQclear(PQexec(conn, "LISTEN reeve_wake"));
    submit(&world, 1, 1, false, false);
    rv_loop_run(world.loop);
    ck_assert_int_eq(test.woke, 1);
    ck_assert_int_eq(notified(conn), 1); /* somebody else drives it */
    test.drives = true;
    submit(&world, 1, 2, true, false);
    rv_loop_run(world.loop);
    ck_assert_int_eq(test.woke, 2);
    ck_assert_int_eq(notified(conn), 0);
    PQfinish(conn);
    world_end(&world);
}

/* ---- a node that stands still while it sends ---- */

static enum rv_code take_number(void *data, const struct rv_result *result, int row,
                                struct rv_error *err)
{
    (void)err;
    *(int64_t *)data = rv_result_i64(result, row, 0);
    return RV_OK;
}

static int64_t free_heads(const struct world *world, int64_t longer_ms)
{
    int64_t ended = -1;
    struct rv_db_session *session = NULL;
    struct rv_error err = {.code = RV_OK};
    ck_assert_int_eq(rv_db_session_open(world->uri, &session, &err), RV_OK);
    struct rv_args *args = rv_args_create(&rv_sql_heads_free);
    rv_args_i64(args, 1, longer_ms);
    ck_assert_int_eq(
        rv_db_session_query(session, 0, &rv_sql_heads_free, args, take_number, &ended, &err),
        RV_OK);
    rv_db_session_close(session);
    return ended;
}

TEST(a_session_that_stands_still_within_a_batch_is_ended)
{
    struct world world = {0};
    world_make(&world);
    PGconn *still = PQconnectdb(world.uri);
    PQclear(PQexec(still, "SET ROLE reeve_app; SET idle_in_transaction_session_timeout = '50ms'"));
    ck_assert_int_eq(PQenterPipelineMode(still), 1);
    PQsendQueryParams(still, "BEGIN", 0, NULL, NULL, NULL, NULL, 0);
    PQsendQueryParams(still, "SELECT epoch FROM tenant_head FOR UPDATE", 0, NULL, NULL, NULL, NULL,
                      0);
    PQsendFlushRequest(still); /* half of a batch: no Sync */
    PQflush(still);
    for (int i = 0; i < 3; i++) { /* BEGIN, its end, the row */
        PGresult *result = PQgetResult(still);
        ck_assert_int_eq(i == 2, PQresultStatus(result) == PGRES_TUPLES_OK);
        PQclear(result);
    }
    usleep(200000); /* the server's own limit does not see it */
    ck_assert_int_eq(count(&world, "SELECT count(*) FROM pg_locks WHERE mode = 'RowShareLock' AND"
                                   " relation = 'tenant_head'::regclass"),
                     1);
    ck_assert_int_eq(free_heads(&world, 60000), 0);
    ck_assert_int_eq(free_heads(&world, 100), 1);
    ck_assert_int_eq(free_heads(&world, 0), 0);
    PQfinish(still);
    world_end(&world);
}

TEST_MAIN_WITH(test_postgres_start(TEST_PG_FAST))
