/* actor_test.c -- isolation, bounds, supervision, calls, passivation, drain; on one core and on two. */
#include "runtime/actor/actor.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "tests/support/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { ADD = RV_MESSAGE_USER, ASK, FAIL, QUIET, LEAVE };

struct tally {
    atomic_int starts, stops, adds, downs, answers;
    atomic_int last_code;
};

struct argument {
    struct tally *tally;
    struct rv_ref peer;
};

struct state {
    struct argument arg;
    int64_t sum;
};

static enum rv_code start(struct rv_actor *self, void *state, const void *argument,
                          struct rv_error *err)
{
    (void)self;
    (void)err;
    struct state *me = state;
    me->arg = *(const struct argument *)argument;
    atomic_fetch_add(&me->arg.tally->starts, 1);
    return RV_OK;
}

static enum rv_code receive(struct rv_actor *self, void *state, struct rv_message *message,
                            struct rv_error *err)
{
    struct state *me = state;
    switch (message->kind) {
    case ADD:
        me->sum += message->body.numbers[0];
        atomic_fetch_add(&me->arg.tally->adds, 1);
        break;
    case ASK: {
        struct rv_message reply = {.kind = RV_MESSAGE_REPLY};
        reply.body.numbers[0] = me->sum;
        rv_actor_reply(self, message, &reply);
        break;
    }
    case FAIL:
        return rv_fail(err, RV_INVALID, "told to fail");
    case LEAVE:
        rv_actor_exit(self, RV_EXIT_NORMAL);
        break;
    case RV_MESSAGE_DOWN:
        atomic_fetch_add(&me->arg.tally->downs, 1);
        break;
    default:
        break;
    }
    return RV_OK;
}

static void stop(struct rv_actor *self, void *state, enum rv_exit why)
{
    (void)self;
    (void)why;
    struct state *me = state;
    atomic_fetch_add(&me->arg.tally->stops, 1);
}

static const struct rv_behavior adder = {"adder", start, receive, stop, sizeof(struct state)};

struct world {
    struct rv_clock_virtual clock;
    struct rv_loop *loop;
    struct rv_actors *actors;
    struct tally tally;
};

static void world_make(struct world *world)
{
    rv_log_level(RV_LOG_SILENT);
    rv_clock_virtual_init(&world->clock, INT64_C(1700000000000000));
    world->loop = rv_loop_create(&world->clock.clock);
    world->actors = rv_actors_create(&world->loop, 1, 42);
}

static void settle(struct world *world)
{
    for (int i = 0; i < 20; i++) {
        rv_loop_run_once(world->loop, 0);
        while (rv_actors_step(world->actors, 0)) {
        }
    }
}

static void pass_time(struct world *world, int64_t ms)
{
    int64_t end = world->clock.time_us + ms * 1000;
    for (;;) {
        int64_t next = rv_actors_next_deadline_us(world->actors, 0);
        world->clock.time_us = next < end ? (next > world->clock.time_us ? next : world->clock.time_us) : end;
        rv_actors_fire_due(world->actors, 0);
        settle(world);
        if (next >= end) {
            return;
        }
    }
}

static struct rv_ref make(struct world *world, struct rv_spawn spawn)
{
    struct argument argument = {.tally = &world->tally};
    struct rv_ref ref = {0};
    struct rv_error err = {.code = RV_OK};
    spawn.behavior = spawn.behavior != NULL ? spawn.behavior : &adder;
    if (spawn.argument == NULL) {
        spawn.argument = &argument;
        spawn.argument_bytes = sizeof argument;
    }
    ck_assert_int_eq(rv_actors_spawn(world->actors, 0, &spawn, &ref, &err), RV_OK);
    return ref;
}

static void send(struct world *world, struct rv_ref to, uint32_t kind, int64_t number)
{
    struct rv_message message = {.kind = kind};
    message.body.numbers[0] = number;
    rv_actors_send(world->actors, to, &message);
}

static void world_end(struct world *world)
{
    rv_actors_destroy(world->actors);
    rv_loop_destroy(world->loop);
    ck_assert_int_eq(atomic_load(&world->tally.starts), atomic_load(&world->tally.stops));
}

TEST(messages_arrive_in_order_and_a_stale_reference_is_a_dead_letter)
{
    struct world world = {.loop = NULL};
    world_make(&world);
    struct rv_ref a = make(&world, (struct rv_spawn){.name = "a"});
    ck_assert(rv_ref_is(rv_actors_find(world.actors, "a"), a));
    for (int i = 0; i < 100; i++) {
        send(&world, a, ADD, i);
    }
    settle(&world);
    ck_assert_int_eq(world.tally.adds, 100);
    send(&world, a, LEAVE, 0);
    settle(&world);
    send(&world, a, ADD, 1);
    settle(&world);
    struct rv_dead_letter letters[4];
    ck_assert_int_eq(rv_actors_dead_letters(world.actors, 0, letters, 4), 1);
    ck_assert_str_eq(letters[0].reason, "no such actor");
    ck_assert_int_eq((int)rv_actors_find(world.actors, "a").id, 0);
    world_end(&world);
}

TEST(a_full_mailbox_does_what_its_owner_declared)
{
    static const enum rv_overflow policies[] = {RV_OVERFLOW_REFUSE, RV_OVERFLOW_DROP_OLDEST,
                                                RV_OVERFLOW_SPILL};
    static const int handled[] = {10, 10, 50};
    for (int i = 0; i < 3; i++) {
        struct world world = {.loop = NULL};
        world_make(&world);
        struct rv_ref a =
            make(&world, (struct rv_spawn){.mailbox = 10, .overflow = policies[i]});
        for (int n = 0; n < 50; n++) {
            send(&world, a, ADD, n);
        }
        settle(&world);
        struct rv_actor_stats stats;
        rv_actors_stats(world.actors, 0, &stats);
        ck_assert_int_eq(world.tally.adds, handled[i]);
        ck_assert_int_eq(world.tally.adds + stats.dead, 50); /* nothing is lost silently */
        world_end(&world);
    }
}

TEST(a_failing_actor_restarts_with_back_off_and_gives_up_at_its_intensity)
{
    struct world world = {.loop = NULL};
    world_make(&world);
    struct rv_ref a = make(&world, (struct rv_spawn){.restart = RV_RESTART_ON_FAILURE,
                                                     .restart_max = 3});
    for (int i = 0; i < 3; i++) {
        send(&world, a, FAIL, 0);
        send(&world, a, ADD, 1); /* keeps its place in the mailbox over the restart */
        settle(&world);
        pass_time(&world, 1000);
        ck_assert_int_eq(world.tally.starts, i + 2);
        ck_assert_int_eq(world.tally.adds, i + 1);
    }
    send(&world, a, FAIL, 0);
    settle(&world);
    pass_time(&world, 10000);
    struct rv_actor_stats stats;
    rv_actors_stats(world.actors, 0, &stats);
    ck_assert_int_eq(stats.live, 0);
    ck_assert_int_eq(stats.restarts, 3);
    world_end(&world);
}

/* ---- a boss that asks and watches ---- */

static void answered(struct rv_actor *self, void *state, enum rv_code code,
                     struct rv_message *reply)
{
    (void)self;
    struct state *me = state;
    atomic_fetch_add(&me->arg.tally->answers, 1);
    atomic_store(&me->arg.tally->last_code, (int)code);
    me->sum = reply != NULL ? reply->body.numbers[0] : -1;
}

static enum rv_code boss_receive(struct rv_actor *self, void *state, struct rv_message *message,
                                 struct rv_error *err)
{
    struct state *me = state;
    if (message->kind == ASK) {
        struct rv_message question = {.kind = (uint32_t)message->body.numbers[0]};
        rv_actor_monitor(self, me->arg.peer);
        rv_actor_call(self, me->arg.peer, &question, 1000, answered);
        return RV_OK;
    }
    return receive(self, state, message, err);
}

static const struct rv_behavior boss = {"boss", start, boss_receive, stop, sizeof(struct state)};

static struct rv_ref make_boss(struct world *world, struct rv_ref peer)
{
    struct argument argument = {.tally = &world->tally, .peer = peer};
    return make(world, (struct rv_spawn){.behavior = &boss,
                                         .argument = &argument,
                                         .argument_bytes = sizeof argument});
}

TEST(a_call_is_answered_or_times_out_or_hears_that_nobody_is_there)
{
    struct world world = {.loop = NULL};
    world_make(&world);
    struct rv_ref a = make(&world, (struct rv_spawn){.tenant = 1});
    struct rv_ref b = make_boss(&world, a);
    send(&world, b, ASK, ASK);
    settle(&world);
    ck_assert_int_eq(world.tally.answers, 1);
    ck_assert_int_eq(world.tally.last_code, RV_OK);
    send(&world, b, ASK, QUIET); /* read, never answered */
    settle(&world);
    ck_assert_int_eq(world.tally.answers, 1);
    pass_time(&world, 2000);
    ck_assert_int_eq(world.tally.answers, 2);
    ck_assert_int_eq(world.tally.last_code, RV_TIMEOUT);
    send(&world, a, LEAVE, 0);
    settle(&world);
    ck_assert_int_eq(world.tally.downs, 2); /* monitored twice */
    send(&world, b, ASK, ASK);
    settle(&world);
    ck_assert_int_eq(world.tally.last_code, RV_UNAVAILABLE);
    ck_assert_int_eq(world.tally.downs, 3);
    world_end(&world);
}

TEST(an_idle_actor_is_passivated)
{
    struct world world = {.loop = NULL};
    world_make(&world);
    struct rv_ref a = make(&world, (struct rv_spawn){.passivate_ms = 5000});
    pass_time(&world, 3000);
    send(&world, a, ADD, 1);
    settle(&world);
    pass_time(&world, 3000);
    struct rv_actor_stats stats;
    rv_actors_stats(world.actors, 0, &stats);
    ck_assert_int_eq(stats.live, 1);
    pass_time(&world, 9000);
    rv_actors_stats(world.actors, 0, &stats);
    ck_assert_int_eq(stats.live, 0);
    ck_assert_int_eq(stats.passivated, 1);
    world_end(&world);
}

/* ---- two cores ---- */

struct pair {
    struct rv_loop *loops[2];
    struct rv_actors *actors;
    atomic_int left;
};

static enum rv_code player_receive(struct rv_actor *self, void *state, struct rv_message *message,
                                   struct rv_error *err)
{
    (void)err;
    struct state *me = state;
    if (message->kind != ADD) {
        return RV_OK;
    }
    if (atomic_fetch_add(&me->arg.tally->adds, 1) >= 20000) {
        return RV_OK;
    }
    struct rv_message next = {.kind = ADD};
    rv_actor_send(self, message->from.id != 0 ? message->from : me->arg.peer, &next);
    return RV_OK;
}

static const struct rv_behavior player = {"player", start, player_receive, stop,
                                          sizeof(struct state)};

static void *run_loop(void *data)
{
    rv_loop_run(data);
    return NULL;
}

static void all_drained(void *data)
{
    struct pair *pair = data;
    rv_loop_stop(pair->loops[0]);
    rv_loop_stop(pair->loops[1]);
}

static void keep_alive(void *data)
{
    (void)data;
}

TEST(two_cores_talk_and_drain)
{
    rv_log_level(RV_LOG_SILENT);
    struct pair pair = {.left = 0};
    struct tally tally = {0};
    struct rv_timer *timers[2];
    for (int i = 0; i < 2; i++) {
        pair.loops[i] = rv_loop_create(rv_clock_system());
        timers[i] = rv_timer_create(pair.loops[i], keep_alive, NULL);
        rv_timer_start(timers[i], 60000);
    }
    pair.actors = rv_actors_create(pair.loops, 2, 7);
    struct argument argument = {.tally = &tally};
    struct rv_spawn spawn = {.behavior = &player,
                             .argument = &argument,
                             .argument_bytes = sizeof argument};
    struct rv_ref refs[2];
    ck_assert_int_eq(rv_actors_spawn(pair.actors, 1, &spawn, &refs[1], NULL), RV_OK);
    argument.peer = refs[1];
    ck_assert_int_eq(rv_actors_spawn(pair.actors, 0, &spawn, &refs[0], NULL), RV_OK);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        pthread_create(&threads[i], NULL, run_loop, pair.loops[i]);
    }
    struct rv_message first = {.kind = ADD};
    rv_actors_send(pair.actors, refs[0], &first);
    while (atomic_load(&tally.adds) < 20000) {
        usleep(1000);
    }
    rv_actors_drain(pair.actors, 5000, all_drained, &pair);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_int_eq(tally.stops, 2);
    rv_actors_destroy(pair.actors);
    for (int i = 0; i < 2; i++) {
        rv_timer_close(timers[i]);
        rv_loop_destroy(pair.loops[i]);
    }
}

TEST_MAIN()
