/* schedule_lost_test.c -- fires whose node is lost or was away, or whose schedule is gone; in a
 * real database. */
#include "tests/integration/schedule_world.h"

/* It dies: what ran there still has its lease, of that many milliseconds.  No other node looks. */
static void lose_node(struct world *world, struct node *node, int64_t lease_ms)
{
    char sql[200];
    close_node(world, node); /* which gives its fires back */
    snprintf(sql, sizeof sql,
             "UPDATE schedule_fire SET state = 'running',"
             " lease_until = clock_timestamp() + %d * interval '1 millisecond'"
             " WHERE state = 'waiting' AND attempt > 0",
             (int)lease_ms);
    char *super = test_postgres_superuser(world->uri);
    test_postgres_execute(super, sql);
    rv_free(super);
}

/* A schedule of every minute, whose first fire runs at the node that is given back. */
static struct node *begin_minutely(struct world *world, enum rv_schedule_overlap overlap,
                                   int64_t lease_ms)
{
    world_open(world, utc(2026, 1, 1, 5, 29));
    world->end_at_once = false;
    struct rv_schedule schedule = morning();
    schedule.cron = "* * * * *";
    schedule.overlap = overlap;
    add(world, &schedule);
    struct node *node = add_node(world, lease_ms);
    world->now_us += MINUTE_US;
    run_until(world, 1);
    return node;
}

TEST(a_fire_of_a_lost_node_is_handed_over_again_with_the_same_id)
{
    static struct world world;
    world_open(&world, utc(2026, 1, 1, 5, 29));
    world.end_at_once = false;
    struct rv_schedule schedule = morning();
    add(&world, &schedule);
    struct node *lost = add_node(&world, 200);
    world.now_us += MINUTE_US;
    run_until(&world, 1);
    lose_node(&world, lost, 200); /* it never says how the fire ended */
    struct node *other = add_node(&world, 200);
    run_until(&world, 2);
    ck_assert_int_eq(world.seen[1].id, world.seen[0].id);
    ck_assert_int_eq(world.seen[1].node, 2);
    run_ms(&world, 600); /* its own beats keep it */
    ck_assert_int_eq(world.seen_count, 2);
    rv_schedule_done(other->service, world.tenant, world.seen[1].id, RV_OK, NULL);
    run_ms(&world, 200);
    ck_assert_str_eq(fires_of(&world, "morning"), "done=1");
    world_close(&world);
}

TEST(a_node_that_was_away_lets_go_of_a_fire_that_another_has_and_stops_nothing)
{
    enum { LEASE_MS = 3000 };
    static struct world world;
    world_open(&world, utc(2026, 1, 1, 5, 29));
    world.end_at_once = false;
    struct rv_schedule schedule = morning();
    add(&world, &schedule);
    struct node *first = add_node(&world, LEASE_MS);
    world.now_us += MINUTE_US;
    run_until(&world, 1);
    first->away = true;
    struct node *other = add_node(&world, LEASE_MS);
    char *super = test_postgres_superuser(world.uri);
    while (world.seen_count < 2) { /* as if it had been silent for so long */
        test_postgres_execute(super, "UPDATE schedule_fire SET lease_until = clock_timestamp()");
        run_ms(&world, 100);
    }
    rv_free(super);
    ck_assert_int_eq(world.seen[1].id, world.seen[0].id);
    ck_assert_int_eq(world.seen[1].node, 2);
    run_ms(&world, LEASE_MS); /* both beat */
    ck_assert_int_eq(world.stop_count, 0);
    ck_assert_int_eq(world.lost_count, 1);
    ck_assert_int_eq(world.lost, world.seen[0].id);
    rv_schedule_done(first->service, world.tenant, world.seen[0].id, RV_CANCELED, "let go of");
    run_ms(&world, 200);
    ck_assert_str_eq(fires_of(&world, "morning"), "running=1");
    rv_schedule_done(other->service, world.tenant, world.seen[0].id, RV_OK, NULL);
    run_ms(&world, 200);
    ck_assert_str_eq(fires_of(&world, "morning"), "done=1");
    world_close(&world);
}

TEST(what_was_asked_to_stop_hears_of_it_though_its_node_is_lost)
{
    static struct world world;
    struct node *lost = begin_minutely(&world, RV_OVERLAP_CANCEL_OTHER, 2000);
    lose_node(&world, lost, 2000);
    struct node *other = add_node(&world, 2000);
    world.now_us += MINUTE_US;
    run_until(&world, 2); /* what the lost node began is taken up, only to be stopped */
    ck_assert_int_eq(world.seen[1].id, world.seen[0].id);
    ck_assert_int_eq(world.stop_count, 1);
    ck_assert_int_eq(world.stopped[0], world.seen[0].id);
    ck_assert_str_eq(world.why, "a later fire of its schedule is due (overlap cancel_other)");
    ck_assert_str_eq(fires_of(&world, "morning"), "running=1 waiting=1");
    rv_schedule_done(other->service, world.tenant, world.seen[0].id, RV_CANCELED, "asked to");
    run_until(&world, 3);
    ck_assert(world.seen[2].id != world.seen[0].id);
    ck_assert_int_eq(world.stop_count, 1);
    ck_assert_str_eq(fires_of(&world, "morning"), "cancelled=1 running=1");
    world_close(&world);
}

/* The next one is due by the time that anybody finds the one whose node was lost. */
static void take_up_late(enum rv_schedule_overlap overlap, const char *fires)
{
    static struct world world;
    struct node *lost = begin_minutely(&world, overlap, 200);
    world.stop_at_once = true;
    lose_node(&world, lost, 0);
    world.now_us += 2 * MINUTE_US;
    add_node(&world, 200);
    run_until(&world, 3);
    ck_assert_int_eq(world.seen[1].id, world.seen[0].id);
    ck_assert(world.seen[2].id != world.seen[0].id);
    ck_assert_int_eq(world.stop_count, 1);
    ck_assert_int_eq(world.stopped[0], world.seen[0].id);
    ck_assert_str_eq(fires_of(&world, "morning"), fires);
    world_close(&world);
}

TEST(what_was_lost_is_stopped_before_the_next_one_takes_its_place)
{
    take_up_late(RV_OVERLAP_CANCEL_OTHER, "cancelled=1 running=1 skipped=1");
    take_up_late(RV_OVERLAP_TERMINATE_OTHER, "running=1 skipped=1 terminated=1");
}

/* Its node had died, which nobody knew when the next one was due. */
TEST(what_is_terminated_hears_of_it_though_its_node_is_lost)
{
    static struct world world;
    struct node *lost = begin_minutely(&world, RV_OVERLAP_TERMINATE_OTHER, 4000);
    lose_node(&world, lost, 4000);
    struct node *other = add_node(&world, 4000);
    world.now_us += MINUTE_US;
    run_until(&world, 2);
    ck_assert(world.seen[1].id != world.seen[0].id); /* the next one does not wait */
    ck_assert_str_eq(fires_of(&world, "morning"), "running=1 terminated=1");
    run_until(&world, 3);
    ck_assert_int_eq(world.seen[2].id, world.seen[0].id);
    ck_assert_int_eq(world.stop_count, 1);
    ck_assert_int_eq(world.stopped[0], world.seen[0].id);
    ck_assert_str_eq(world.why, "a later fire of its schedule is due (overlap terminate_other)");
    run_ms(&world, 3000); /* two beats */
    rv_schedule_done(other->service, world.tenant, world.seen[0].id, RV_CANCELED, "asked to");
    run_ms(&world, 4500); /* more than a lease */
    ck_assert_int_eq(world.stop_count, 1);
    ck_assert_int_eq(world.seen_count, 3);
    ck_assert_str_eq(fires_of(&world, "morning"), "running=1 terminated=1");
    world_close(&world);
}

TEST(what_no_node_can_tell_is_given_up)
{
    static struct world world;
    begin_minutely(&world, RV_OVERLAP_TERMINATE_OTHER, 5000);
    world.now_us += MINUTE_US;
    run_until(&world, 2);
    ck_assert_int_eq(world.stop_count, 1);
    char *super = test_postgres_superuser(world.uri);
    for (int attempt = 2; attempt <= RV_SCHEDULE_ATTEMPTS_MAX;
         attempt++) { /* as if each were silent */
        test_postgres_execute(super, "UPDATE schedule_fire SET lease_until = clock_timestamp()"
                                     " WHERE state = 'terminated'");
        run_until(&world, attempt + 1);
        ck_assert_int_eq(world.seen[attempt].id, world.seen[0].id);
    }
    test_postgres_execute(super, "UPDATE schedule_fire SET lease_until = clock_timestamp()"
                                 " WHERE state = 'terminated'");
    rv_free(super);
    run_ms(&world, 500);
    ck_assert_int_eq(world.seen_count, RV_SCHEDULE_ATTEMPTS_MAX + 1);
    ck_assert_str_eq(fires_of(&world, "morning"), "running=1 terminated=1");
    world_close(&world);
}

TEST(what_runs_goes_on_when_its_schedule_is_removed)
{
    static struct world world;
    struct rv_error err = {.code = RV_OK};
    int64_t running = 0;
    world_open(&world, utc(2026, 1, 1, 5, 29));
    world.end_at_once = false;
    struct rv_schedule schedule = morning();
    add(&world, &schedule);
    struct node *node = add_node(&world, 200);
    world.now_us += MINUTE_US;
    run_until(&world, 1);
    must(rv_schedule_remove(world.session, world.tenant, "morning", &running, &err), &err);
    ck_assert_int_eq(running, 1);
    run_ms(&world, 500); /* several beats */
    ck_assert_int_eq(world.stop_count, 0);
    ck_assert_int_eq(world.lost_count, 0);
    rv_schedule_done(node->service, world.tenant, world.seen[0].id, RV_OK, NULL);
    run_ms(&world, 100);
    world_close(&world);
}

TEST(a_fire_that_takes_every_node_down_fails_in_the_end)
{
    static struct world world;
    world_open(&world, utc(2026, 1, 1, 5, 29));
    world.end_at_once = false;
    struct rv_schedule schedule = morning();
    add(&world, &schedule);
    world.now_us += MINUTE_US;
    for (int attempt = 1; attempt <= RV_SCHEDULE_ATTEMPTS_MAX; attempt++) {
        struct node *node = add_node(&world, 100);
        run_until(&world, attempt);
        lose_node(&world, node, 100);
        world.node_count = 0;
        run_ms(&world, 150);
    }
    add_node(&world, 100);
    run_until(&world, RV_SCHEDULE_ATTEMPTS_MAX);
    ck_assert_str_eq(fires_of(&world, "morning"), "failed=1");
    world_close(&world);
}

/* Its run stands in the journal: whoever has the fire only watches it. */
TEST(a_fire_that_has_begun_its_run_outlives_any_number_of_nodes)
{
    static struct world world;
    world_open(&world, utc(2026, 1, 1, 5, 29));
    world.end_at_once = false;
    struct rv_schedule schedule = morning();
    add(&world, &schedule);
    world.now_us += MINUTE_US;
    for (int attempt = 1; attempt <= 2 * RV_SCHEDULE_ATTEMPTS_MAX; attempt++) {
        struct node *node = add_node(&world, 1000);
        run_until(&world, attempt);
        if (attempt == 1) {
            char sql[300];
            snprintf(sql, sizeof sql,
                     "INSERT INTO run (tenant_id, id, agent, plan_hash, status)"
                     " VALUES (%d, %lld, 'a', '\\x00', 'waiting')",
                     (int)world.tenant, (long long)world.seen[0].id);
            char *super = test_postgres_superuser(world.uri);
            test_postgres_execute(super, sql);
            rv_free(super);
        }
        lose_node(&world, node, 100);
        world.node_count = 0;
        run_ms(&world, 150);
    }
    ck_assert_str_eq(fires_of(&world, "morning"), "running=1");
    world_close(&world);
}

TEST_MAIN_WITH(test_postgres_start(TEST_PG_FAST))
