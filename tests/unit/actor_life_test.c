/* actor_life_test.c -- what ends with a life: children, timers, monitors, answers that are owed;
 * and what a drain waits for. */
#include "runtime/actor/actor_private.h"
#include "tests/support/actor_world.h"
#include "tests/support/test.h"

#include <string.h>

enum { WORK = RV_MESSAGE_USER, FAIL, LEAVE, MONITOR, DEMONITOR, CALL, DEEPER, ARM, CANCEL };

struct world {
    struct actor_world base;
    int ticks, downs, works, answers, depth;
    enum rv_code last_code, spawn_code;
};

struct one {
    struct world *world;
    bool ticks;         /* has a timer that it arms again */
    bool bears_in_stop; /* spawns in `stop` */
    bool silent;        /* answers no call */
};

static const struct rv_behavior behavior;

static enum rv_code spawn_child(struct rv_actor *self, struct world *world, struct rv_ref *out)
{
    struct one argument = {.world = world};
    struct rv_spawn spawn = {.behavior = &behavior, .argument = &argument};
    struct rv_error err = {.code = RV_OK};
    return rv_actor_spawn(self, &spawn, out, &err);
}

static enum rv_code start(struct rv_actor *self, void *state, const void *argument,
                          struct rv_error *err)
{
    (void)err;
    struct one *me = state;
    *me = *(const struct one *)argument;
    if (me->ticks) {
        rv_actor_after(self, 1000, 1);
    }
    return RV_OK;
}

static void stop(struct rv_actor *self, void *state, enum rv_exit why)
{
    (void)why;
    struct one *me = state;
    if (me->bears_in_stop) {
        struct rv_ref child = {0};
        me->world->spawn_code = spawn_child(self, me->world, &child);
        rv_actor_after(self, 5, 7); /* nobody is there to hear of it */
    }
}

static void answered(struct rv_actor *self, void *state, enum rv_code code,
                     struct rv_message *reply)
{
    (void)self;
    (void)reply;
    struct one *me = state;
    me->world->answers++;
    me->world->last_code = code;
}

static enum rv_code deepen(struct rv_actor *self, struct world *world)
{
    struct rv_message deeper = rv_message_of(DEEPER);
    struct rv_ref child = {0};
    world->spawn_code = spawn_child(self, world, &child);
    if (world->spawn_code == RV_OK) {
        world->depth++;
        rv_actor_send(self, child, &deeper);
    }
    return RV_OK;
}

static enum rv_code receive(struct rv_actor *self, void *state, struct rv_message *message,
                            struct rv_error *err)
{
    struct one *me = state;
    struct rv_ref peer = {(uint64_t)message->body.numbers[0]};
    struct rv_message work = rv_message_of(WORK);
    switch (message->kind) {
    case WORK:
        me->world->works++;
        if (!me->silent) {
            rv_actor_reply(self, message, &work);
        }
        break;
    case FAIL: return rv_fail(err, RV_INVALID, "told to fail");
    case LEAVE: rv_actor_exit(self, RV_EXIT_NORMAL); break;
    case MONITOR: rv_actor_monitor(self, peer); break;
    case DEMONITOR: rv_actor_demonitor(self, peer); break;
    case CALL: rv_actor_call(self, peer, &work, 10000, answered); break;
    case DEEPER: return deepen(self, me->world);
    case ARM: rv_actor_after(self, message->body.numbers[0], 9); break;
    case CANCEL: rv_actor_cancel_after(self, 9); break;
    case RV_MESSAGE_DOWN: me->world->downs++; break;
    case RV_MESSAGE_TIMEOUT:
        me->world->ticks++;
        if (me->ticks) {
            rv_actor_after(self, 1000, 1);
        }
        break;
    default: break;
    }
    return RV_OK;
}

static const struct rv_behavior behavior = {.name = "one",
                                            .start = start,
                                            .receive = receive,
                                            .stop = stop,
                                            .state_bytes = sizeof(struct one)};

static void world_make(struct world *world)
{
    memset(world, 0, sizeof *world);
    actor_world_make(&world->base, 1);
}

static void world_end(struct world *world)
{
    actor_world_end(&world->base);
}

static void settle(struct world *world)
{
    actor_world_settle(&world->base);
}

static void pass(struct world *world, int64_t ms)
{
    actor_world_pass(&world->base, ms);
}

static struct rv_ref make(struct world *world, struct rv_spawn spawn, struct one argument)
{
    struct rv_ref ref = {0};
    struct rv_error err = {.code = RV_OK};
    argument.world = world;
    spawn.behavior = &behavior;
    spawn.argument = &argument;
    spawn.argument_bytes = sizeof argument;
    ck_assert_int_eq(rv_actors_spawn(world->base.actors, 0, &spawn, &ref, &err), RV_OK);
    return ref;
}

static void tell(struct world *world, struct rv_ref to, uint32_t kind, uint64_t number)
{
    actor_world_post(&world->base, to, kind, (int64_t)number);
    settle(world);
}

static int64_t live(struct world *world)
{
    return actor_world_stats(&world->base, 0).live;
}

static int64_t dead(struct world *world)
{
    return actor_world_stats(&world->base, 0).dead;
}

TEST(who_ends_has_no_more_children)
{
    struct world world;
    world_make(&world);
    struct rv_ref parent = make(&world, (struct rv_spawn){0}, (struct one){.bears_in_stop = true});
    tell(&world, parent, LEAVE, 0);
    ck_assert_int_eq(world.spawn_code, RV_UNAVAILABLE);
    ck_assert_int_eq(live(&world), 0);
    ck_assert_int_eq(rv_actors_next_deadline_us(world.base.actors, 0), INT64_MAX);

    parent = make(&world, (struct rv_spawn){.restart = RV_RESTART_ON_FAILURE},
                  (struct one){.bears_in_stop = true});
    tell(&world, parent, FAIL, 0);
    ck_assert_int_eq(world.spawn_code, RV_UNAVAILABLE);
    pass(&world, 100);
    ck_assert_int_eq(world.ticks, 0); /* of what it armed in `stop` */
    tell(&world, parent, DEEPER, 0);  /* and the next life has them */
    ck_assert_int_gt(world.depth, 0);
    world_end(&world);
}

TEST(a_tree_has_a_depth)
{
    struct world world;
    world_make(&world);
    struct rv_ref root = make(&world, (struct rv_spawn){0}, (struct one){0});
    tell(&world, root, DEEPER, 0);
    ck_assert_int_eq(world.spawn_code, RV_LIMIT);
    ck_assert_int_eq(world.depth, RV_ACTOR_DEPTH_MAX - 1);
    ck_assert_int_eq(live(&world), RV_ACTOR_DEPTH_MAX);
    tell(&world, root, LEAVE, 0);
    ck_assert_int_eq(live(&world), 0);
    world_end(&world);
}

TEST(timers_end_with_the_life_that_armed_them)
{
    struct world world;
    world_make(&world);
    struct rv_ref ticker =
        make(&world, (struct rv_spawn){.restart = RV_RESTART_ON_FAILURE, .restart_window_ms = 1000},
             (struct one){.ticks = true});
    for (int i = 0; i < 4; i++) {
        tell(&world, ticker, FAIL, 0);
        pass(&world, 500);
    }
    world.ticks = 0;
    for (int i = 0; i < 100; i++) {
        pass(&world, 100);
    }
    ck_assert_int_eq(world.ticks, 10);
    ck_assert_int_eq(world.base.actors->cores[0].alarm_count, 1);

    /* one that was due already, and waits behind the failure */
    ticker = make(&world, (struct rv_spawn){.restart = RV_RESTART_ON_FAILURE}, (struct one){0});
    tell(&world, ticker, ARM, 3);
    world.ticks = 0;
    struct rv_message fail = rv_message_of(FAIL);
    world.base.clock.time_us += 3000;
    rv_actors_send(world.base.actors, ticker, &fail);
    struct rv_actor *actor = core_find(&world.base.actors->cores[0], ticker);
    core_fire_due(&world.base.actors->cores[0]);
    struct rv_error err = {.code = RV_INVALID};
    actor_failed(actor, &err);
    pass(&world, 100);
    ck_assert_int_eq(world.ticks, 0);
    world_end(&world);
}

TEST(a_timer_is_canceled_until_it_is_heard)
{
    struct world world;
    world_make(&world);
    struct rv_ref one = make(&world, (struct rv_spawn){0}, (struct one){0});
    for (int64_t ms = 1; ms <= 64; ms++) {
        tell(&world, one, ARM, (uint64_t)(ms * 37 % 64 + 1));
    }
    for (int i = 0; i < 64; i++) {
        tell(&world, one, CANCEL, 0); /* one of them each time */
    }
    ck_assert_int_eq(rv_actors_next_deadline_us(world.base.actors, 0), INT64_MAX);
    pass(&world, 100);
    ck_assert_int_eq(world.ticks, 0);
    for (int64_t ms = 1; ms <= 64; ms++) {
        tell(&world, one, ARM, (uint64_t)(ms * 37 % 64 + 1));
    }
    for (int i = 1; i <= 64; i++) {
        pass(&world, 1);
        ck_assert_int_eq(world.ticks, i);
    }
    world_end(&world);
}

/* Of one actor, and of as many others with one each. */
TEST(tens_of_thousands_of_timers)
{
    enum { TIMERS = 30000, CANCELED = 10000, SPAN_MS = 1000 };
    struct world world;
    world_make(&world);
    struct rv_ref one = make(&world, (struct rv_spawn){0}, (struct one){0});
    for (int i = 0; i < TIMERS; i++) {
        struct rv_ref other = make(&world, (struct rv_spawn){0}, (struct one){0});
        tell(&world, one, ARM, (uint64_t)(i * INT64_C(7919) % SPAN_MS + 1));
        tell(&world, other, ARM, (uint64_t)(i * INT64_C(104729) % SPAN_MS + 1));
    }
    ck_assert_int_eq(world.base.actors->cores[0].alarm_count, 2 * TIMERS);
    for (int i = 0; i < CANCELED; i++) {
        tell(&world, one, CANCEL, 0);
    }
    ck_assert_int_eq(world.base.actors->cores[0].alarm_count, 2 * TIMERS - CANCELED);
    int before = 0;
    for (int ms = 0; ms < SPAN_MS; ms++) {
        pass(&world, 1);
        ck_assert_int_gt(world.ticks, before); /* each at its own time */
        before = world.ticks;
    }
    ck_assert_int_eq(world.ticks, 2 * TIMERS - CANCELED);
    world_end(&world);
}

TEST(an_actor_that_fails_often_has_one_look_at_its_idleness)
{
    struct world world;
    world_make(&world);
    struct rv_ref one = make(&world,
                             (struct rv_spawn){.restart = RV_RESTART_ON_FAILURE,
                                               .restart_max = 10,
                                               .restart_window_ms = 1000,
                                               .passivate_ms = 60000},
                             (struct one){0});
    for (int i = 0; i < 200; i++) {
        tell(&world, one, FAIL, 0);
        pass(&world, 2050);
        tell(&world, one, WORK, 0);
    }
    ck_assert_int_eq(world.works, 200);
    ck_assert_int_eq(world.base.actors->cores[0].alarm_count, 1);
    pass(&world, 61000);
    ck_assert_int_eq(live(&world), 0);
    world_end(&world);
}

TEST(who_watched_and_is_gone_is_forgotten)
{
    struct world world;
    world_make(&world);
    struct rv_ref target = make(&world, (struct rv_spawn){0}, (struct one){0});
    for (int i = 0; i < 1000; i++) {
        struct rv_ref watcher = make(&world, (struct rv_spawn){0}, (struct one){0});
        tell(&world, watcher, MONITOR, target.id);
        tell(&world, watcher, LEAVE, 0);
    }
    struct rv_actor *actor = core_find(&world.base.actors->cores[0], target);
    ck_assert_ptr_null(actor->extra->watchers);
    tell(&world, target, LEAVE, 0);
    ck_assert_int_eq(dead(&world), 0);
    world_end(&world);
}

TEST(a_monitor_holds_until_it_is_taken_back_or_its_life_ends)
{
    struct world world;
    world_make(&world);
    struct rv_ref watcher =
        make(&world, (struct rv_spawn){.restart = RV_RESTART_ON_FAILURE}, (struct one){0});
    struct rv_ref targets[4];
    for (int i = 0; i < 4; i++) {
        targets[i] =
            make(&world, (struct rv_spawn){.restart = RV_RESTART_ON_FAILURE}, (struct one){0});
        tell(&world, watcher, MONITOR, targets[i].id);
    }
    tell(&world, targets[0], FAIL, 0); /* begins again: no end */
    pass(&world, 100);
    ck_assert_int_eq(world.downs, 0);
    tell(&world, targets[0], LEAVE, 0);
    ck_assert_int_eq(world.downs, 1);
    tell(&world, watcher, DEMONITOR, targets[1].id);
    tell(&world, watcher, DEMONITOR, targets[1].id); /* nothing */
    tell(&world, targets[1], LEAVE, 0);
    ck_assert_int_eq(world.downs, 1);
    tell(&world, watcher, MONITOR, targets[1].id); /* who is gone */
    ck_assert_int_eq(world.downs, 2);
    tell(&world, watcher, FAIL, 0);
    pass(&world, 100);
    tell(&world, watcher, MONITOR, targets[3].id);
    tell(&world, targets[2], LEAVE, 0);
    ck_assert_int_eq(world.downs, 2);
    tell(&world, targets[3], LEAVE, 0);
    ck_assert_int_eq(world.downs, 3);
    ck_assert_int_eq(dead(&world), 0);
    world_end(&world);
}

TEST(a_down_that_crossed_the_end_of_its_monitor_is_not_heard)
{
    struct world world;
    world_make(&world);
    struct rv_ref watcher = make(&world, (struct rv_spawn){0}, (struct one){0});
    struct rv_ref target = make(&world, (struct rv_spawn){0}, (struct one){0});
    tell(&world, watcher, MONITOR, target.id);
    actor_end(core_find(&world.base.actors->cores[0], target),
              RV_EXIT_KILLED); /* its word is sent ... */
    struct rv_actor *actor = core_find(&world.base.actors->cores[0], watcher);
    rv_actor_demonitor(actor, target); /* ... and not yet there */
    settle(&world);
    ck_assert_int_eq(world.downs, 0);
    world_end(&world);
}

TEST(who_owes_an_answer_is_not_idle)
{
    struct world world;
    world_make(&world);
    struct rv_ref debtor =
        make(&world, (struct rv_spawn){.passivate_ms = 100}, (struct one){.silent = true});
    struct rv_ref asker = make(&world, (struct rv_spawn){0}, (struct one){0});
    tell(&world, asker, CALL, debtor.id);
    for (int i = 0; i < 90; i++) {
        pass(&world, 100);
        ck_assert_int_eq(live(&world), 2);
    }
    ck_assert_int_eq(world.answers, 0);
    for (int i = 0; i < 15; i++) {
        pass(&world, 100);
    }
    ck_assert_int_eq(world.last_code, RV_TIMEOUT);
    for (int i = 0; i < 3; i++) {
        pass(&world, 100);
    }
    ck_assert_int_eq(live(&world), 1); /* nobody waits for it any more */
    world_end(&world);
}

TEST(the_first_failure_may_be_the_last)
{
    struct world world;
    world_make(&world);
    struct rv_ref one =
        make(&world,
             (struct rv_spawn){.restart = RV_RESTART_ON_FAILURE, .restart_max = RV_RESTARTS_NONE},
             (struct one){0});
    tell(&world, one, FAIL, 0);
    ck_assert_int_eq(live(&world), 0);
    world_end(&world);
}

static void note_drained(void *data)
{
    *(bool *)data = true;
}

/* Ten messages wait for an actor that backs off; it works them off, or the time is up. */
static void drain_during_back_off(int64_t timeout_ms, int works)
{
    struct world world;
    bool drained = false;
    world_make(&world);
    struct rv_ref one =
        make(&world, (struct rv_spawn){.restart = RV_RESTART_ON_FAILURE}, (struct one){0});
    struct rv_message fail = rv_message_of(FAIL);
    rv_actors_send(world.base.actors, one, &fail);
    for (int i = 0; i < 10; i++) {
        struct rv_message work = rv_message_of(WORK);
        rv_actors_send(world.base.actors, one, &work);
    }
    settle(&world);
    rv_actors_drain(world.base.actors, timeout_ms, note_drained, &drained);
    for (int i = 0; i < 1000 && !drained; i++) {
        rv_loop_run_once(world.base.loops[0], 0);
        int64_t next_us = rv_actors_next_deadline_us(world.base.actors, 0);
        if (next_us != INT64_MAX && next_us > rv_mono_us(&world.base.clock.clock)) {
            world.base.clock.time_us += next_us - rv_mono_us(&world.base.clock.clock);
        }
        rv_actors_fire_due(world.base.actors, 0);
    }
    ck_assert(drained);
    ck_assert_int_eq(world.works, works);
    ck_assert_int_eq(dead(&world), 10 - works);
    world_end(&world);
}

TEST(a_drain_waits_for_who_backs_off_with_work)
{
    drain_during_back_off(5000, 10);
    drain_during_back_off(1, 0); /* and no longer than it may */
}

TEST_MAIN()
