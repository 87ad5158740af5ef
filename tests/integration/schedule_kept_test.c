/* schedule_kept_test.c -- nothing that was due is lost, and nothing runs twice: where a node ends
 * in order, a schedule is changed, a time is filled in, a clock is wrong; in a real database.
 */
#include "tests/integration/schedule_world.h"

static int64_t changed(struct world *world, const struct rv_schedule_change *change)
{
    struct rv_error err = {.code = RV_OK};
    int64_t next = 0;
    must(rv_schedule_set(world->session, world->tenant, "morning", change, world->now_us, &next,
                         &err),
         &err);
    return next;
}

static enum rv_code fill(struct world *world, int64_t from_us, int64_t to_us, int *made)
{
    struct rv_schedule_backfill backfill = {
        .from_us = from_us, .to_us = to_us, .overlap = RV_OVERLAP_BUFFER_ALL};
    *made = 0;
    return rv_schedule_fill(world->session, world->tenant, "morning", &backfill, world->now_us,
                            made, NULL);
}

TEST(what_runs_goes_on_at_once_elsewhere_when_its_node_ends_in_order)
{
    enum { LEASE_MS = 60000 };
    static struct world world;
    world_open(&world, utc(2026, 1, 1, 5, 29));
    world.end_at_once = false;
    struct rv_schedule schedule = morning();
    add(&world, &schedule);
    world.now_us += MINUTE_US;
    for (int i = 1; i <= 2 * RV_SCHEDULE_ATTEMPTS_MAX; i++) { /* so many new versions of reeve */
        struct node *node = add_node(&world, LEASE_MS);
        run_until(&world, i);
        ck_assert_int_eq(world.seen[i - 1].id, world.seen[0].id);
        close_node(&world, node);
        world.node_count = 0;
        ck_assert_str_eq(fires_of(&world, "morning"), "waiting=1");
    }
    rest(&world, 0, "what runs goes on");
    struct node *last = add_node(&world, LEASE_MS);
    run_until(&world, 2 * RV_SCHEDULE_ATTEMPTS_MAX + 1);
    rv_schedule_done(last->service, world.tenant, world.seen[0].id, RV_OK, NULL);
    close_node(&world, last); /* the end that is on its way is recorded before */
    world.node_count = 0;
    ck_assert_str_eq(fires_of(&world, "morning"), "done=1");
    world_close(&world);
}

TEST(what_was_due_stays_due_when_something_else_is_changed)
{
    static struct world world;
    world_open(&world, utc(2026, 1, 1, 5, 29));
    struct rv_schedule schedule = morning();
    schedule.jitter_s = 3600;
    add(&world, &schedule);
    add_node(&world, 0);
    int64_t due_us = stored(&world, "morning").next_us;
    ck_assert_int_eq(due_us, utc(2026, 1, 1, 5, 30));
    world.now_us = due_us + SECOND_US; /* it waits for its jitter */
    run_ms(&world, 100);
    ck_assert_int_eq(world.seen_count, 0);
    struct rv_schedule_change change = {AS_IT_IS};
    change.pause_after = 5;
    changed(&world, &change);
    ck_assert_int_eq(stored(&world, "morning").next_us, due_us);
    change.jitter_s = 0;
    changed(&world, &change);
    run_until(&world, 1); /* and now for none */
    /* another expression counts from now on */
    world.nodes[0].away = true;
    world.now_us = utc(2026, 1, 2, 6, 0);
    change = (struct rv_schedule_change){.cron = "0 7 * * *", AS_IT_IS};
    ck_assert_int_eq(changed(&world, &change), utc(2026, 1, 3, 6, 0));
    ck_assert_int_eq(stored(&world, "morning").next_us, utc(2026, 1, 3, 6, 0));
    world_close(&world);
}

TEST(what_is_regular_waits_for_one_that_is_filled_in)
{
    static struct world world;
    int made = 0;
    world_open(&world, utc(2026, 1, 1, 5, 0));
    world.end_at_once = false;
    struct rv_schedule schedule = morning(); /* skip */
    schedule.cron = "* * * * *";
    add(&world, &schedule);
    ck_assert_int_eq(fill(&world, utc(2025, 12, 1, 0, 0), utc(2025, 12, 1, 0, 3), &made), RV_OK);
    ck_assert_int_eq(made, 3);
    struct node *node = add_node(&world, 0);
    run_until(&world, 1);
    world.now_us += MINUTE_US;
    run_ms(&world, 150);
    world.now_us += MINUTE_US;
    run_ms(&world, 150);
    ck_assert_str_eq(fires_of(&world, "morning"), "running=1 skipped=1 waiting=3");
    rv_schedule_done(node->service, world.tenant, world.seen[0].id, RV_OK, NULL);
    run_until(&world, 2); /* the regular one, before what else is filled in */
    world.now_us += MINUTE_US;
    run_ms(&world, 150);
    ck_assert_str_eq(fires_of(&world, "morning"), "done=1 running=1 skipped=2 waiting=2");
    world_close(&world);
}

TEST(what_ran_is_never_filled_in_again)
{
    static struct world world;
    int made = 0;
    world_open(&world, utc(2026, 1, 1, 5, 0));
    char *super = test_postgres_superuser(world.uri);
    struct rv_schedule schedule = morning();
    add(&world, &schedule);
    test_postgres_execute(super, "UPDATE schedule_rule SET valid_from = '2026-01-01'");
    add_node(&world, 0);
    ck_assert_int_eq(fill(&world, utc(2025, 12, 1, 0, 0), utc(2025, 12, 3, 0, 0), &made), RV_OK);
    ck_assert_int_eq(made, 2);
    run_until(&world, 2);
    for (int day = 0; day < 40; day++) {
        run_at(&world, utc(2026, 1, 1, 5, 30) + day * DAY_US, 3 + day);
    }
    ck_assert_str_eq(fires_of(&world, "morning"), "done=33"); /* 31 days, and what was filled in */
    ck_assert_int_eq(fill(&world, utc(2025, 12, 1, 0, 0), utc(2025, 12, 4, 0, 0), &made), RV_OK);
    ck_assert_int_eq(made, 1); /* only what was not */
    ck_assert_int_eq(fill(&world, utc(2026, 1, 2, 0, 0), utc(2026, 1, 4, 0, 0), &made),
                     RV_CONFLICT);
    ck_assert_int_eq(fill(&world, utc(2025, 12, 30, 0, 0), utc(2026, 1, 4, 0, 0), &made),
                     RV_CONFLICT);
    ck_assert_int_eq(fill(&world, utc(2026, 1, 12, 0, 0), utc(2026, 1, 14, 0, 0), &made), RV_OK);
    ck_assert_int_eq(made, 0);
    rv_free(super);
    world_close(&world);
}

TEST(a_clock_that_is_wrong_fires_nothing_early_and_nothing_late)
{
    static const int64_t hours[] = {2, -2, 0};
    for (size_t i = 0; i < RV_COUNT(hours); i++) {
        static struct world world;
        world_open(&world, rv_now_us(rv_clock_system()));
        world.database_clock = true;
        struct rv_schedule schedule = morning();
        schedule.cron = "* * * * * *";
        schedule.overlap = RV_OVERLAP_ALLOW_ALL;
        add(&world, &schedule);
        world.now_us += hours[i] * HOUR_US;
        add_node(&world, 0);
        int64_t began_us = real_mono(NULL);
        int64_t passed_us = 0;
        while (passed_us < 5 * SECOND_US / 2 ||
               (world.seen_count == 0 && passed_us < 20 * SECOND_US)) {
            world.now_us = rv_now_us(rv_clock_system()) + hours[i] * HOUR_US;
            rv_loop_run_once(world.loop, 10);
            passed_us = real_mono(NULL) - began_us;
        }
        ck_assert_int_ge(world.seen_count, 1);
        ck_assert_int_le(world.seen_count, (int)(passed_us / SECOND_US) + 3);
        world_close(&world);
    }
}

TEST_MAIN_WITH(test_postgres_start(TEST_PG_FAST))
