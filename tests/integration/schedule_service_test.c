/* schedule_service_test.c -- schedules in a real database: administration, claims by several nodes,
 * overlap, catch-up, pauses, lost nodes, other tzdata.  Business time is a clock of the test. */
#include "tests/integration/schedule_world.h"

static const char *instants_of(struct world *world, const char *name)
{
    static char text[400];
    struct rv_error err = {.code = RV_OK};
    must(rv_db_session_query(world->session, world->tenant, &rv_sql_golden_instants,
                             named(&rv_sql_golden_instants, world->tenant, name), take_long_text,
                             text, &err),
         &err);
    return text;
}

static int fill(struct world *world, int64_t from_us, int64_t to_us,
                enum rv_schedule_overlap overlap, int per_minute)
{
    struct rv_error err = {.code = RV_OK};
    int made = 0;
    struct rv_schedule_backfill backfill = {
        .from_us = from_us, .to_us = to_us, .overlap = overlap, .per_minute = per_minute};
    must(rv_schedule_fill(world->session, world->tenant, "morning", &backfill, world->now_us, &made,
                          &err),
         &err);
    return made;
}

/* ---- administration ---- */

TEST(every_statement_prepares)
{
    char *uri = test_postgres_database(rooms);
    PGconn *conn = PQconnectdb(uri);
    for (const struct rv_statement *const *at = rv_schedule_statements; *at != NULL; at++) {
        PGresult *result = PQprepare(conn, (*at)->name, (*at)->text, 0, NULL);
        ck_assert_msg(PQresultStatus(result) == PGRES_COMMAND_OK, "%s: %s", (*at)->name,
                      PQerrorMessage(conn));
        PQclear(result);
    }
    PQfinish(conn);
    rv_free(uri);
}

static PGresult *plan_of(PGconn *conn, const struct rv_statement *statement, const char *types,
                         const char *values)
{
    char sql[4000];
    snprintf(sql, sizeof sql, "PREPARE %s(%s) AS %s", statement->name, types, statement->text);
    PQclear(PQexec(conn, sql));
    snprintf(sql, sizeof sql, "EXPLAIN EXECUTE %s(%s)", statement->name, values);
    PGresult *plan = PQexec(conn, sql);
    ck_assert_msg(PQresultStatus(plan) == PGRES_TUPLES_OK, "%s", PQerrorMessage(conn));
    return plan;
}

TEST(of_thousands_that_run_each_is_found_by_its_key)
{
    static struct world world;
    world_open(&world, utc(2026, 1, 1, 0, 0));
    char *super = test_postgres_superuser(world.uri);
    test_postgres_execute(
        super, "ALTER TABLE schedule_fire SET (autovacuum_enabled = off);"
               "INSERT INTO schedule (tenant_id, name, cron, zone, gap, fold, overlap,"
               " catch_up_window_s, jitter_s, action, input, next_at, due_at, tzdata)"
               " VALUES (1, 'one', '0 2 * * *', 'UTC', 'boundary', 'first', 'allow_all',"
               " 3600, 0, 'exceptions.run', '{}', now(), now(), 'x');"
               "INSERT INTO schedule_fire (tenant_id, id, schedule, instant, state,"
               " exclusive, attempt, lease_until) SELECT 1, n, 'one', now() + n * "
               "'1 day'::interval, 'running', false, 1, now() FROM generate_series(1, 9999) n");
    PGconn *conn = PQconnectdb(world.uri);
    PQclear(PQexec(conn, "SET reeve.tenant = '1'"));
    const struct {
        const struct rv_statement *statement;
        const char *types, *values;
    } cases[] = {
        {&rv_sql_schedule_done, "int, int8[], int4[], text[], text[]",
         "1, '{1,2,3}', '{1,1,1}', '{done,done,done}', '{a,b,c}'"},
        {&rv_sql_schedule_beat, "int, int8[], int4[], int8", "1, '{1,2,3}', '{1,1,1}', 9"}};
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        PGresult *plan = plan_of(conn, cases[i].statement, cases[i].types, cases[i].values);
        for (int row = 0; row < PQntuples(plan); row++) {
            ck_assert_ptr_null(strstr(PQgetvalue(plan, row, 0), "schedule_fire_running"));
        }
        PQclear(plan);
    }
    PQfinish(conn);
    rv_free(super);
    world_close(&world);
}

TEST(a_schedule_is_added_shown_paused_resumed_and_removed)
{
    static struct world world;
    int64_t running = 0;
    struct rv_error err = {.code = RV_OK};
    int64_t times[3];
    int count = 0;
    world_open(&world, utc(2026, 3, 28, 0, 0));
    struct rv_schedule schedule = morning();
    ck_assert_int_eq(add(&world, &schedule), utc(2026, 3, 28, 5, 30));
    must(rv_schedule_next(world.session, world.tenant, "morning", world.now_us, 3, times, &count,
                          &err),
         &err);
    ck_assert_int_eq(count, 3);
    ck_assert_int_eq(times[1], utc(2026, 3, 29, 4, 30)); /* summer time */
    rest(&world, 0, "stocktaking");
    ck_assert_str_eq(stored(&world, "morning").status, "paused");
    ck_assert_int_eq(stored(&world, "morning").next_us, 0);
    must(rv_schedule_resume(world.session, world.tenant, "morning", utc(2026, 4, 1, 12, 0), &err),
         &err);
    ck_assert_int_eq(stored(&world, "morning").next_us, utc(2026, 4, 2, 4, 30));
    ck_assert_int_eq(rv_schedule_resume(world.session, world.tenant, "morning", world.now_us, &err),
                     RV_CONFLICT);
    must(rv_schedule_remove(world.session, world.tenant, "morning", &running, &err), &err);
    ck_assert_int_eq(rv_schedule_remove(world.session, world.tenant, "morning", &running, NULL),
                     RV_NOT_FOUND);
    world_close(&world);
}

static enum rv_code take_page(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    const char *text = rv_result_text(result, row, 0);
    return rv_json_parse(text, strlen(text), "page", data, err);
}

TEST(the_rest_interface_shows_schedules_and_no_tenant)
{
    static struct world world;
    struct rv_error err = {.code = RV_OK};
    json_t *page = NULL;
    world_open(&world, utc(2026, 1, 1, 0, 0));
    struct rv_schedule schedule = morning();
    add(&world, &schedule);
    struct rv_args *args = named(&rv_sql_api_schedules, world.tenant, "active");
    rv_args_i32(args, 4, 50);
    must(rv_db_session_query(world.session, world.tenant, &rv_sql_api_schedules, args, take_page,
                             &page, &err),
         &err);
    const json_t *item = json_array_get(json_object_get(page, "items"), 0);
    ck_assert_str_eq(rv_json_str(item, "name", ""), "morning");
    ck_assert_str_eq(rv_json_str(item, "status", ""), "active");
    ck_assert_str_eq(rv_json_str(item, "zone", ""), "Europe/Berlin");
    ck_assert_str_eq(rv_json_str(item, "action", ""), "exceptions.run");
    ck_assert_str_eq(rv_json_str(item, "next_at", ""), "2026-01-01T05:30:00+00:00");
    ck_assert(json_is_array(json_object_get(item, "last_fires")));
    ck_assert_ptr_null(json_object_get(item, "tenant_id"));
    json_decref(page);
    world_close(&world);
}

static int64_t changed(struct world *world, const struct rv_schedule_change *change)
{
    struct rv_error err = {.code = RV_OK};
    int64_t next = 0;
    must(rv_schedule_set(world->session, world->tenant, "morning", change, world->now_us, &next,
                         &err),
         &err);
    return next;
}

TEST(a_schedule_is_changed_in_place)
{
    static struct world world;
    struct rv_error err = {.code = RV_OK};
    int64_t next = 0;
    world_open(&world, utc(2026, 3, 2, 0, 0));
    struct rv_schedule schedule = morning();
    add(&world, &schedule);
    struct rv_schedule_change change = {.cron = "0 8 * * *", AS_IT_IS};
    next = changed(&world, &change);
    ck_assert_int_eq(next, utc(2026, 3, 2, 7, 0)); /* the zone stayed */
    change = (struct rv_schedule_change){.except = "2026-03-02,2026-03-03",
                                         .overlap = "allow_all",
                                         .catch_up_window_s = 60,
                                         .catch_up_max = -1,
                                         .jitter_s = 0,
                                         .pause_after = 0};
    next = changed(&world, &change);
    ck_assert_int_eq(next, utc(2026, 3, 4, 7, 0)); /* and so did the pattern */
    ck_assert_int_eq(stored(&world, "morning").next_us, next);
    /* paused it stays paused, and has no next fire */
    rest(&world, 0, "why");
    change = (struct rv_schedule_change){.zone = "UTC", AS_IT_IS};
    next = changed(&world, &change);
    ck_assert_int_eq(next, 0);
    ck_assert_str_eq(stored(&world, "morning").status, "paused");
    must(rv_schedule_resume(world.session, world.tenant, "morning", world.now_us, &err), &err);
    ck_assert_int_eq(stored(&world, "morning").next_us, utc(2026, 3, 4, 8, 0));
    /* what is wrong changes nothing */
    change = (struct rv_schedule_change){.cron = "0 8 30 2 *", AS_IT_IS};
    ck_assert_int_eq(
        rv_schedule_set(world.session, world.tenant, "morning", &change, world.now_us, &next, NULL),
        RV_INVALID);
    change = (struct rv_schedule_change){.except = "2026-02-30", AS_IT_IS};
    ck_assert_int_eq(
        rv_schedule_set(world.session, world.tenant, "morning", &change, world.now_us, &next, NULL),
        RV_INVALID);
    ck_assert_int_eq(
        rv_schedule_set(world.session, world.tenant, "evening", &change, world.now_us, &next, NULL),
        RV_NOT_FOUND);
    ck_assert_int_eq(stored(&world, "morning").next_us, utc(2026, 3, 4, 8, 0));
    world_close(&world);
}

TEST(what_is_filled_in_afterwards_runs_one_by_one_and_is_never_skipped)
{
    static struct world world;
    int made = 0;
    world_open(&world, utc(2026, 3, 10, 12, 0));
    world.end_at_once = false;
    struct rv_schedule schedule = morning(); /* skip */
    schedule.except = "2026-03-03";
    add(&world, &schedule);
    made = fill(&world, utc(2026, 3, 2, 0, 0), utc(2026, 3, 6, 0, 0), RV_OVERLAP_BUFFER_ALL, 0);
    ck_assert_int_eq(made, 3); /* the 2nd, 4th and 5th */
    made = fill(&world, utc(2026, 3, 2, 0, 0), utc(2026, 3, 7, 0, 0), RV_OVERLAP_BUFFER_ALL, 0);
    ck_assert_int_eq(made, 1); /* only what was not there */
    struct node *node = add_node(&world, 0);
    for (int i = 0; i < 4; i++) {
        run_until(&world, i + 1);
        rv_schedule_done(node->service, world.tenant, world.seen[i].id, RV_OK, NULL);
    }
    run_ms(&world, 100);
    ck_assert_str_eq(fires_of(&world, "morning"), "done=4");
    /* what is to come is no past; too much is refused as a whole */
    static const struct {
        int64_t from_day, to_day;
        enum rv_schedule_overlap overlap;
        int32_t per_minute;
        enum rv_code code;
    } wrong[] = {{0, 1, RV_OVERLAP_BUFFER_ALL, 0, RV_INVALID},
                 {-10, -10, RV_OVERLAP_BUFFER_ALL, 0, RV_INVALID},
                 {-2000, -1, RV_OVERLAP_BUFFER_ALL, 0, RV_LIMIT},
                 {-10, -1, RV_OVERLAP_CANCEL_OTHER, 0, RV_INVALID},
                 {-10, -1, RV_OVERLAP_BUFFER_ALL, 601, RV_INVALID}};
    for (size_t i = 0; i < RV_COUNT(wrong); i++) {
        struct rv_schedule_backfill backfill = {.from_us =
                                                    world.now_us + wrong[i].from_day * DAY_US,
                                                .to_us = world.now_us + wrong[i].to_day * DAY_US,
                                                .overlap = wrong[i].overlap,
                                                .per_minute = wrong[i].per_minute};
        ck_assert_int_eq(rv_schedule_fill(world.session, world.tenant, "morning", &backfill,
                                          world.now_us, &made, NULL),
                         wrong[i].code);
    }
    ck_assert_str_eq(fires_of(&world, "morning"), "done=4");
    world_close(&world);
}

TEST(one_tenant_neither_sees_nor_changes_the_schedules_of_another)
{
    static struct world world;
    int64_t running = 0;
    char text[100] = "none";
    struct rv_error err = {.code = RV_OK};
    world_open(&world, utc(2026, 1, 1, 0, 0));
    int32_t other = make_tenant(&world, "south");
    struct rv_schedule schedule = morning();
    add(&world, &schedule);
    must(rv_schedule_list(world.session, other, NULL, take_text, text, &err), &err);
    ck_assert_str_eq(text, "none");
    ck_assert_int_eq(rv_schedule_remove(world.session, other, "morning", &running, NULL),
                     RV_NOT_FOUND);
    /* even a statement that names the neighbour finds nothing while it runs as another tenant */
    must(rv_db_session_query(world.session, other, &rv_sql_golden_fire_counts,
                             named(&rv_sql_golden_fire_counts, world.tenant, "morning"), take_text,
                             text, &err),
         &err);
    ck_assert_str_eq(text, "");
    must(rv_schedule_list(world.session, world.tenant, NULL, take_text, text, &err), &err);
    ck_assert_str_eq(text, "morning");
    world_close(&world);
}

TEST(wrong_schedules_are_refused_with_a_reason)
{
    static struct world world;
    int64_t next_us = 0;
    world_open(&world, utc(2026, 1, 1, 0, 0));
    struct rv_schedule good = morning();
    add(&world, &good);
    ck_assert_int_eq(
        rv_schedule_add(world.session, world.tenant, &good, world.now_us, &next_us, NULL),
        RV_CONFLICT);
    struct rv_schedule bad[9];
    for (size_t i = 0; i < RV_COUNT(bad); i++) {
        bad[i] = morning();
        bad[i].name = "bad";
    }
    json_t *array = json_array();
    bad[0].name = "Bad Name";
    bad[1].cron = "61 * * * *";
    bad[2].zone = "CET";
    bad[3].cron = "0 0 30 2 *";
    bad[4].action = "";
    bad[5].jitter_s = -1;
    bad[6].catch_up_window_s = 1;
    bad[7].input = array;
    bad[8].name = "../x";
    for (size_t i = 0; i < RV_COUNT(bad); i++) {
        struct rv_error err = {.code = RV_OK};
        ck_assert_int_eq(
            rv_schedule_add(world.session, world.tenant, &bad[i], world.now_us, &next_us, &err),
            RV_INVALID);
        ck_assert_str_ne(err.message, "");
    }
    json_decref(array);
    world_close(&world);
}

/* ---- firing ---- */

TEST(a_due_schedule_fires_once_with_its_input_whatever_the_number_of_nodes)
{
    static struct world world;
    world_open(&world, utc(2026, 1, 1, 5, 29));
    struct rv_schedule schedule = morning();
    json_t *input = json_pack("{s:i}", "amount", 42);
    schedule.input = input;
    add(&world, &schedule);
    json_decref(input);
    add_node(&world, 0);
    add_node(&world, 0);
    run_until(&world, 0);
    for (int day = 0; day < 5; day++) {
        world.now_us = utc(2026, 1, 1 + day, 5, 30) + day * 1000;
        run_until(&world, day + 1);
    }
    ck_assert_str_eq(world.seen[0].action, "exceptions.run");
    ck_assert_str_eq(world.seen[0].name, "morning");
    ck_assert_int_eq(world.seen[0].amount, 42);
    ck_assert_str_eq(fires_of(&world, "morning"), "done=5");
    ck_assert_int_eq(stored(&world, "morning").next_us, utc(2026, 1, 6, 5, 30));
    ck_assert_int_eq(stored(&world, "morning").last_us, utc(2026, 1, 5, 5, 30));
    world_close(&world);
}

TEST(many_schedules_of_two_tenants_all_fire_and_none_twice)
{
    static struct world world;
    world_open(&world, utc(2026, 1, 1, 5, 0));
    int32_t other = make_tenant(&world, "south"), first = world.tenant;
    struct rv_schedule schedule = morning();
    char name[20];
    schedule.name = name;
    for (int i = 0; i < 100; i++) { /* more than one turn takes */
        snprintf(name, sizeof name, "n%d", i);
        world.tenant = first;
        add(&world, &schedule);
        world.tenant = other;
        add(&world, &schedule);
    }
    add_node(&world, 0);
    add_node(&world, 0);
    run_at(&world, utc(2026, 1, 1, 5, 31), 200);
    world_close(&world);
}

TEST(with_skip_a_fire_that_is_due_during_another_is_skipped)
{
    static struct world world;
    world_open(&world, utc(2026, 1, 1, 0, 0));
    world.end_at_once = false;
    struct rv_schedule schedule = morning();
    schedule.cron = "* * * * *";
    add(&world, &schedule);
    struct node *node = add_node(&world, 0);
    world.now_us += MINUTE_US;
    run_until(&world, 1);
    world.now_us += MINUTE_US;
    run_until(&world, 1);
    ck_assert_str_eq(fires_of(&world, "morning"), "running=1 skipped=1");
    int64_t id = 0;
    ck_assert_int_eq(rv_schedule_run_now(world.session, world.tenant, "morning", NULL,
                                         world.now_us + 1, &id, NULL),
                     RV_CONFLICT);
    rv_schedule_done(node->service, world.tenant, world.seen[0].id, RV_UNAVAILABLE, "no database");
    run_ms(&world, 100);
    world.now_us += MINUTE_US;
    run_until(&world, 2);
    ck_assert_str_eq(fires_of(&world, "morning"), "failed=1 running=1 skipped=1");
    world_close(&world);
}

TEST(with_buffer_one_exactly_one_waits_and_starts_when_the_running_one_ends)
{
    static struct world world;
    world_open(&world, utc(2026, 1, 1, 0, 0));
    world.end_at_once = false;
    struct rv_schedule schedule = morning();
    schedule.cron = "* * * * *";
    schedule.overlap = RV_OVERLAP_BUFFER_ONE;
    add(&world, &schedule);
    struct node *node = add_node(&world, 0);
    for (int i = 0; i < 4; i++) {
        world.now_us += MINUTE_US;
        run_until(&world, 1);
    }
    ck_assert_str_eq(fires_of(&world, "morning"), "running=1 skipped=2 waiting=1");
    rv_schedule_done(node->service, world.tenant, world.seen[0].id, RV_OK, NULL);
    run_until(&world, 2);
    ck_assert_str_eq(fires_of(&world, "morning"), "done=1 running=1 skipped=2");
    world_close(&world);
}

TEST(with_allow_they_run_side_by_side)
{
    static struct world world;
    world_open(&world, utc(2026, 1, 1, 0, 0));
    world.end_at_once = false;
    struct rv_schedule schedule = morning();
    schedule.cron = "* * * * *";
    schedule.overlap = RV_OVERLAP_ALLOW_ALL;
    add(&world, &schedule);
    add_node(&world, 0);
    world.now_us += 3 * MINUTE_US;
    run_until(&world, 3);
    ck_assert_str_eq(fires_of(&world, "morning"), "running=3");
    world_close(&world);
}

static struct rv_schedule minutely(enum rv_schedule_overlap overlap)
{
    struct rv_schedule schedule = morning();
    schedule.cron = "* * * * *";
    schedule.overlap = overlap;
    return schedule;
}

TEST(with_buffer_all_they_run_one_after_the_other)
{
    static struct world world;
    world_open(&world, utc(2026, 1, 1, 0, 0));
    world.end_at_once = false;
    struct rv_schedule schedule = minutely(RV_OVERLAP_BUFFER_ALL);
    add(&world, &schedule);
    struct node *node = add_node(&world, 0);
    for (int i = 0; i < 3; i++) {
        world.now_us += MINUTE_US;
        run_until(&world, 1);
    }
    ck_assert_str_eq(fires_of(&world, "morning"), "running=1 waiting=2");
    for (int i = 0; i < 3; i++) {
        run_until(&world, i + 1);
        ck_assert(i == 0 || world.seen[i].id > world.seen[i - 1].id); /* oldest first */
        rv_schedule_done(node->service, world.tenant, world.seen[i].id, RV_OK, NULL);
    }
    run_ms(&world, 100);
    ck_assert_str_eq(fires_of(&world, "morning"), "done=3");
    world_close(&world);
}

TEST(with_cancel_other_the_running_one_is_asked_to_stop_and_the_newest_starts_then)
{
    static struct world world;
    world_open(&world, utc(2026, 1, 1, 0, 0));
    world.end_at_once = false;
    struct rv_schedule schedule = minutely(RV_OVERLAP_CANCEL_OTHER);
    add(&world, &schedule);
    struct node *node = add_node(&world, 0);
    world.now_us += MINUTE_US;
    run_until(&world, 1);
    world.now_us += MINUTE_US;
    run_until(&world, 1); /* it does not stop yet */
    ck_assert_int_eq(world.stop_count, 1);
    ck_assert_int_eq(world.stopped[0], world.seen[0].id);
    ck_assert_str_eq(world.why, "a later fire of its schedule is due (overlap cancel_other)");
    ck_assert_str_eq(fires_of(&world, "morning"), "running=1 waiting=1");
    world.now_us += MINUTE_US;
    run_until(&world, 1);
    ck_assert_int_eq(world.stop_count, 1); /* asked once */
    ck_assert_str_eq(fires_of(&world, "morning"), "running=1 skipped=1 waiting=1");
    rv_schedule_done(node->service, world.tenant, world.seen[0].id, RV_CANCELED, "asked to");
    run_until(&world, 2);
    ck_assert_str_eq(fires_of(&world, "morning"), "cancelled=1 running=1 skipped=1");
    world_close(&world);
}

TEST(another_node_hears_by_the_beat_that_its_fire_shall_stop)
{
    static struct world world;
    world_open(&world, utc(2026, 1, 1, 0, 0));
    world.end_at_once = false;
    world.stop_at_once = true;
    struct rv_schedule schedule = minutely(RV_OVERLAP_CANCEL_OTHER);
    add(&world, &schedule);
    add_node(&world, 300);
    world.now_us += MINUTE_US;
    run_until(&world, 1);
    add_node(&world, 300);
    for (int i = 1; i < 6; i++) { /* whichever of the two is quicker */
        world.now_us += MINUTE_US;
        run_until(&world, i + 1);
        ck_assert_int_eq(world.stop_count, i);
        ck_assert_int_eq(world.stopped[i - 1], world.seen[i - 1].id);
        ck_assert_str_eq(world.why, "a later fire of its schedule is due (overlap cancel_other)");
    }
    ck_assert_str_eq(fires_of(&world, "morning"), "cancelled=5 running=1");
    world_close(&world);
}

TEST(another_node_hears_by_the_beat_that_its_fire_is_over)
{
    static struct world world;
    world_open(&world, utc(2026, 1, 1, 0, 0));
    world.end_at_once = false;
    struct rv_schedule schedule = minutely(RV_OVERLAP_TERMINATE_OTHER);
    add(&world, &schedule);
    struct node *first = add_node(&world, 300);
    world.now_us += MINUTE_US;
    run_until(&world, 1);
    first->away = true;
    add_node(&world, 300);
    world.now_us += MINUTE_US;
    run_until(&world, 2);
    run_ms(&world, 200);
    ck_assert_int_eq(world.stop_count, 1);
    ck_assert_int_eq(world.stopped[0], world.seen[0].id);
    ck_assert_str_eq(world.why, "a later fire of its schedule is due (overlap terminate_other)");
    ck_assert_int_eq(world.lost_count, 0);
    world_close(&world);
}

TEST(with_terminate_other_the_running_one_is_over_and_nothing_it_says_counts)
{
    static struct world world;
    world_open(&world, utc(2026, 1, 1, 0, 0));
    world.end_at_once = false;
    struct rv_schedule schedule = minutely(RV_OVERLAP_TERMINATE_OTHER);
    add(&world, &schedule);
    struct node *node = add_node(&world, 0);
    for (int i = 0; i < 3; i++) {
        world.now_us += MINUTE_US;
        run_until(&world, i + 1);
    }
    ck_assert_int_eq(world.stop_count, 2);
    ck_assert_int_eq(world.stopped[1], world.seen[1].id);
    ck_assert_str_eq(world.why, "a later fire of its schedule is due (overlap terminate_other)");
    ck_assert_str_eq(fires_of(&world, "morning"), "running=1 terminated=2");
    rv_schedule_done(node->service, world.tenant, world.seen[0].id, RV_OK, NULL); /* too late */
    run_ms(&world, 100);
    ck_assert_str_eq(fires_of(&world, "morning"), "running=1 terminated=2");
    rv_schedule_done(node->service, world.tenant, world.seen[2].id, RV_OK, NULL);
    run_ms(&world, 100);
    ck_assert_str_eq(fires_of(&world, "morning"), "done=1 terminated=2");
    world_close(&world);
}

TEST(too_many_failures_in_a_row_pause_it_with_the_reason)
{
    static struct world world;
    struct rv_error err = {.code = RV_OK};
    world_open(&world, utc(2026, 1, 1, 0, 0));
    world.end_at_once = false;
    struct rv_schedule schedule = minutely(RV_OVERLAP_SKIP);
    schedule.pause_after = 3;
    add(&world, &schedule);
    struct node *node = add_node(&world, 0);
    static const enum rv_code ends[] = {RV_UNAVAILABLE, RV_UNAVAILABLE, RV_OK,     RV_UNAVAILABLE,
                                        RV_CANCELED,    RV_UNAVAILABLE, RV_INVALID};
    for (size_t i = 0; i < RV_COUNT(ends); i++) {
        ck_assert_str_eq(stored(&world, "morning").status, "active");
        world.now_us += MINUTE_US;
        run_until(&world, (int)i + 1);
        rv_schedule_done(node->service, world.tenant, world.seen[i].id, ends[i],
                         "the books are shut");
        run_ms(&world, 100);
    }
    struct stored now = stored(&world, "morning");
    ck_assert_str_eq(now.status, "paused");
    ck_assert_int_eq(now.next_us, 0);
    ck_assert_str_eq(now.reason, "3 failures in a row; the last: the books are shut");
    ck_assert_int_eq(now.records, 1); /* of that very transaction */
    world.now_us += 5 * MINUTE_US;
    run_until(&world, (int)RV_COUNT(ends));
    must(rv_schedule_resume(world.session, world.tenant, "morning", world.now_us, &err), &err);
    world.now_us += MINUTE_US;
    run_until(&world, (int)RV_COUNT(ends) + 1);
    rv_schedule_done(node->service, world.tenant, world.seen[RV_COUNT(ends)].id, RV_INVALID,
                     "again");
    run_ms(&world, 100);
    ck_assert_str_eq(stored(&world, "morning").status, "active"); /* it counts anew */
    world_close(&world);
}

/* ---- the history of expressions, rates, calendars ---- */

static void set(struct world *world, struct rv_schedule_change change)
{
    change.catch_up_window_s = change.catch_up_max = change.jitter_s = change.pause_after = -1;
    changed(world, &change);
}

TEST(a_backfill_uses_the_expression_that_was_valid_then)
{
    static struct world world;
    world_open(&world, utc(2026, 3, 1, 12, 0));
    struct rv_schedule schedule = morning(); /* 06:30 in Berlin */
    add(&world, &schedule);
    world.now_us = utc(2026, 3, 4, 12, 0);
    set(&world, (struct rv_schedule_change){.cron = "0 8,20 * * *", .zone = "UTC"});
    world.now_us = utc(2026, 3, 6, 12, 0);
    set(&world, (struct rv_schedule_change){.except = "2026-03-08"});
    set(&world, (struct rv_schedule_change){.gap = "skip"}); /* at the same moment */
    world.now_us = utc(2026, 3, 10, 0, 0);
    /* 2 to 4: 06:30 in Berlin; from noon on the 4th: 20:00, then two a day, none on the 8th */
    ck_assert_int_eq(
        fill(&world, utc(2026, 3, 2, 0, 0), utc(2026, 3, 4, 12, 0), RV_OVERLAP_BUFFER_ALL, 0), 3);
    ck_assert_int_eq(
        fill(&world, utc(2026, 3, 2, 0, 0), utc(2026, 3, 7, 0, 0), RV_OVERLAP_BUFFER_ALL, 0), 5);
    ck_assert_int_eq(
        fill(&world, utc(2026, 3, 7, 0, 0), utc(2026, 3, 10, 0, 0), RV_OVERLAP_ALLOW_ALL, 0), 4);
    ck_assert_str_eq(instants_of(&world, "morning"),
                     "02 05:30,03 05:30,04 05:30,04 20:00,05 08:00,05 20:00,06 08:00,06 20:00,"
                     "07 08:00,07 20:00,09 08:00,09 20:00");
    add_node(&world, 0);
    run_until(&world, 12);
    world_close(&world);
}

TEST(a_backfill_with_a_rate_starts_no_faster)
{
    static struct world world;
    world_open(&world, utc(2026, 3, 10, 12, 0));
    struct rv_schedule schedule = morning();
    add(&world, &schedule);
    ck_assert_int_eq(
        fill(&world, utc(2026, 3, 1, 0, 0), utc(2026, 3, 6, 0, 0), RV_OVERLAP_ALLOW_ALL, 6), 5);
    add_node(&world, 0);
    run_until(&world, 1);
    world.now_us += 9 * SECOND_US;
    run_until(&world, 1);
    world.now_us += SECOND_US;
    run_until(&world, 2);
    world.now_us += 3600 * SECOND_US; /* a standstill earns no burst */
    run_until(&world, 3);
    world.now_us += 10 * SECOND_US;
    run_until(&world, 4);
    ck_assert_str_eq(fires_of(&world, "morning"), "done=4 waiting=1");
    world_close(&world);
}

TEST(a_calendar_decides_about_working_days_and_its_change_moves_the_next_fire)
{
    static struct world world;
    int64_t running = 0;
    struct rv_error err = {.code = RV_OK};
    int64_t day = rv_days_from_civil(2026, 4, 3);
    const char *label = "Good Friday";
    world_open(&world, utc(2026, 3, 31, 0, 0));
    struct rv_schedule schedule = morning();
    schedule.cron = "0 2 B3 * *";
    schedule.calendar = "de-be";
    int64_t next_us = 0;
    ck_assert_int_eq(
        rv_schedule_add(world.session, world.tenant, &schedule, world.now_us, &next_us, &err),
        RV_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(err.message, "no calendar named \"de-be\""));
    must(rv_calendar_add(world.session, world.tenant, "de-be", NULL, &err), &err);
    ck_assert_int_eq(rv_calendar_add(world.session, world.tenant, "de-be", NULL, NULL),
                     RV_CONFLICT);
    ck_assert_int_eq(add(&world, &schedule), utc(2026, 4, 3, 0, 0));
    add_node(&world, 0);
    run_until(&world, 0);
    struct rv_calendar_change change = {.days = &day, .labels = &label, .day_count = 1};
    must(rv_calendar_set(world.session, world.tenant, "de-be", &change, &err), &err);
    run_until(&world, 0);
    ck_assert_int_eq(stored(&world, "morning").next_us, utc(2026, 4, 6, 0, 0));
    run_at(&world, utc(2026, 4, 3, 1, 0), 0);
    run_at(&world, utc(2026, 4, 6, 0, 0), 1);
    ck_assert_int_eq(rv_calendar_remove(world.session, world.tenant, "de-be", NULL), RV_CONFLICT);
    set(&world, (struct rv_schedule_change){.calendar = "none"});
    /* a backfill of April would still need it */
    ck_assert_int_eq(rv_calendar_remove(world.session, world.tenant, "de-be", NULL), RV_CONFLICT);
    must(rv_schedule_remove(world.session, world.tenant, "morning", &running, &err), &err);
    must(rv_calendar_remove(world.session, world.tenant, "de-be", &err), &err);
    ck_assert_int_eq(rv_calendar_remove(world.session, world.tenant, "de-be", NULL), RV_NOT_FOUND);
    world_close(&world);
}

/* ---- clocks that jump ---- */

TEST(a_clock_that_jumps_back_fires_nothing_twice)
{
    static struct world world;
    struct rv_error err = {.code = RV_OK};
    world_open(&world, utc(2026, 1, 1, 5, 29));
    struct rv_schedule schedule = morning();
    add(&world, &schedule);
    add_node(&world, 0);
    run_at(&world, utc(2026, 1, 1, 5, 30), 1);
    world.now_us = utc(2026, 1, 1, 4, 0); /* back, and over the same time again */
    run_until(&world, 1);
    run_at(&world, utc(2026, 1, 1, 5, 30), 1);
    /* what computes the next fire anew repeats nothing either */
    world.now_us = utc(2025, 11, 1, 0, 0);
    set(&world, (struct rv_schedule_change){.gap = "skip"});
    ck_assert_int_eq(stored(&world, "morning").next_us, utc(2026, 1, 2, 5, 30));
    rest(&world, 0, "why");
    must(rv_schedule_resume(world.session, world.tenant, "morning", world.now_us, &err), &err);
    ck_assert_int_eq(stored(&world, "morning").next_us, utc(2026, 1, 2, 5, 30));
    run_at(&world, utc(2026, 1, 2, 5, 30), 2);
    world_close(&world);
}

TEST(a_clock_that_jumps_forward_obeys_window_and_maximum)
{
    static struct world world;
    world_open(&world, utc(2026, 1, 1, 0, 30));
    struct rv_schedule schedule = morning();
    schedule.cron = "0 * * * *";
    schedule.zone = "UTC";
    schedule.overlap = RV_OVERLAP_BUFFER_ALL;
    schedule.catch_up_window_s = 12 * 3600;
    schedule.catch_up_max = 2;
    add(&world, &schedule);
    add_node(&world, 0);
    run_at(&world, utc(2026, 1, 1, 1, 0), 1);
    run_at(&world, utc(2026, 2, 1, 12, 10), 3); /* the newest two: 11:00, 12:00 */
    ck_assert_str_eq(instants_of(&world, "morning"), "01 01:00,01 02:00,01 11:00,01 12:00");
    ck_assert_str_eq(fires_of(&world, "morning"), "done=3 skipped=1");
    ck_assert_int_eq(stored(&world, "morning").next_us, utc(2026, 2, 1, 13, 0));
    world_close(&world);
}

TEST(after_a_standstill_the_fires_within_the_window_are_caught_up)
{
    static struct world world;
    world_open(&world, utc(2026, 1, 1, 0, 30));
    struct rv_schedule schedule = morning();
    schedule.cron = "0 * * * *";
    schedule.zone = "UTC";
    schedule.overlap = RV_OVERLAP_ALLOW_ALL;
    schedule.catch_up_window_s = 3 * 3600;
    add(&world, &schedule);
    world.now_us = utc(2026, 1, 3, 12, 10);
    add_node(&world, 0);
    run_until(&world, 3); /* 10:00, 11:00, 12:00 */
    ck_assert_str_eq(fires_of(&world, "morning"), "done=3 skipped=1");
    ck_assert_int_eq(stored(&world, "morning").next_us, utc(2026, 1, 3, 13, 0));
    world_close(&world);
}

TEST(a_long_catch_up_goes_in_portions_and_is_complete)
{
    static struct world world;
    world_open(&world, utc(2026, 1, 1, 0, 0));
    struct rv_schedule schedule = morning();
    schedule.cron = "* * * * *";
    schedule.overlap = RV_OVERLAP_ALLOW_ALL;
    schedule.catch_up_window_s = 86400;
    add(&world, &schedule);
    world.now_us += 250 * MINUTE_US;
    add_node(&world, 0);
    run_until(&world, 250);
    ck_assert_str_eq(fires_of(&world, "morning"), "done=250");
    world_close(&world);
}

TEST(a_pause_with_an_end_ends_by_itself_and_catches_nothing_up)
{
    static struct world world;
    world_open(&world, utc(2026, 1, 1, 0, 0));
    struct rv_schedule schedule = morning();
    schedule.catch_up_window_s = 30 * 86400;
    add(&world, &schedule);
    rest(&world, utc(2026, 1, 10, 0, 0), "leave");
    add_node(&world, 0);
    run_at(&world, utc(2026, 1, 9, 12, 0), 0);
    run_at(&world, utc(2026, 1, 10, 1, 0), 0);
    ck_assert_str_eq(stored(&world, "morning").status, "active");
    ck_assert_int_eq(stored(&world, "morning").records, 1); /* it says so */
    run_at(&world, utc(2026, 1, 10, 5, 30), 1);
    rest(&world, utc(2026, 1, 11, 5, 30), "to a fire: it happens");
    run_at(&world, utc(2026, 1, 11, 5, 30), 2);
    world_close(&world);
}

TEST(run_now_fires_at_once_also_while_paused)
{
    static struct world world;
    struct rv_error err = {.code = RV_OK};
    int64_t id = 0;
    world_open(&world, utc(2026, 1, 1, 0, 0));
    struct rv_schedule schedule = morning();
    add(&world, &schedule);
    rest(&world, 0, NULL);
    add_node(&world, 0);
    must(rv_schedule_run_now(world.session, world.tenant, "morning", NULL, world.now_us, &id, &err),
         &err);
    run_until(&world, 1);
    ck_assert_int_eq(world.seen[0].id, id);
    ck_assert_int_eq(
        rv_schedule_run_now(world.session, world.tenant, "absent", NULL, world.now_us, &id, NULL),
        RV_NOT_FOUND);
    world_close(&world);
}

TEST(another_tzdata_computes_the_next_fire_anew)
{
    static struct world world;
    char version[RV_ZONE_VERSION_TEXT];
    struct rv_error err = {.code = RV_OK};
    world_open(&world, utc(2026, 1, 1, 0, 0));
    struct rv_schedule schedule = morning();
    add(&world, &schedule);
    struct rv_args *args = named(&rv_sql_golden_old_tzdata, world.tenant, "morning");
    rv_args_time(args, 3, utc(2026, 1, 1, 9, 30));
    must(rv_db_session_query(world.session, world.tenant, &rv_sql_golden_old_tzdata, args, NULL,
                             NULL, &err),
         &err);
    add_node(&world, 0);
    run_until(&world, 0);
    rv_zone_version(NULL, version);
    ck_assert_str_eq(stored(&world, "morning").tzdata, version);
    ck_assert_int_eq(stored(&world, "morning").next_us, utc(2026, 1, 1, 5, 30));
    world_close(&world);
}

TEST(a_schedule_whose_zone_is_gone_is_broken_and_says_so)
{
    static struct world world;
    struct rv_error err = {.code = RV_OK};
    world_open(&world, utc(2026, 1, 1, 5, 29));
    struct rv_schedule schedule = morning();
    add(&world, &schedule);
    must(rv_db_session_query(world.session, world.tenant, &rv_sql_golden_unknown_zone,
                             named(&rv_sql_golden_unknown_zone, world.tenant, "morning"), NULL,
                             NULL, &err),
         &err);
    add_node(&world, 0);
    world.now_us += MINUTE_US;
    run_until(&world, 0);
    ck_assert_str_eq(stored(&world, "morning").status, "broken");
    world_close(&world);
}

TEST(jitter_delays_by_the_same_time_always_and_spreads_schedules)
{
    static struct world world;
    world_open(&world, utc(2026, 1, 1, 0, 0));
    struct rv_schedule schedule = morning();
    schedule.jitter_s = 600;
    int64_t next_us = add(&world, &schedule);
    int64_t delay_us = rv_due_delay(world.tenant, "morning", 600) * SECOND_US;
    ck_assert_int_eq(stored(&world, "morning").due_us, next_us + delay_us);
    add_node(&world, 0);
    run_at(&world, next_us + delay_us - 1, 0);
    run_at(&world, next_us + delay_us, 1);
    ck_assert_int_eq(stored(&world, "morning").due_us, next_us + DAY_US + delay_us);
    bool buckets[10] = {false};
    for (int tenant = 1; tenant <= 100; tenant++) {
        int64_t delay = rv_due_delay(tenant, "morning", 600);
        ck_assert(delay >= 0 && delay <= 600);
        buckets[delay * 10 / 601] = true;
    }
    for (size_t i = 0; i < RV_COUNT(buckets); i++) {
        ck_assert(buckets[i]);
    }
    world_close(&world);
}

TEST_MAIN_WITH(test_postgres_start(TEST_PG_FAST))
