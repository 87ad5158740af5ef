/* actor_passive_test.c -- passivated actors that the next message begins again: what they keep,
 * what they lose, who hears of it, and how they end without a new life. */
#include "runtime/actor/actor_private.h"
#include "runtime/actor/view.h"
#include "tests/support/actor_world.h"
#include "tests/support/test.h"

#include <string.h>

enum { WORK = RV_MESSAGE_USER, LEAVE, STASH, MONITOR, LINK, CALL, BEAR, FAIL };

enum { IDLE_MS = 100 };

struct world {
    struct actor_world base;
    int starts, stops, works, downs, exits, answers;
    int64_t last;           /* number of the last WORK; each is one more than the one before */
    int64_t wrong;          /* those that were not */
    int64_t seen;           /* by the state: what a life has worked off */
    int fail_starts;        /* the next ones fail */
    enum rv_exit last_down; /* or exit */
    enum rv_code last_code;
    struct rv_ref child;
};

struct one {
    struct world *world;
    int64_t seen;
};

static const struct rv_behavior behavior;

static enum rv_code start(struct rv_actor *self, void *state, const void *argument,
                          struct rv_error *err)
{
    (void)self;
    struct one *me = state;
    ck_assert_ptr_null(me->world); /* a new life begins with an empty state */
    *me = *(const struct one *)argument;
    me->world->starts++;
    if (me->world->fail_starts > 0) {
        me->world->fail_starts--;
        return rv_fail(err, RV_UNAVAILABLE, "told to fail");
    }
    return RV_OK;
}

static void stop(struct rv_actor *self, void *state, enum rv_exit why)
{
    (void)self;
    (void)why;
    ((struct one *)state)->world->stops++;
}

static void answered(struct rv_actor *self, void *state, enum rv_code code,
                     struct rv_message *reply)
{
    (void)self;
    (void)reply;
    struct world *world = ((struct one *)state)->world;
    world->answers++;
    world->last_code = code;
}

static void work(struct rv_actor *self, struct one *me, struct rv_message *message)
{
    struct world *world = me->world;
    struct rv_message answer = rv_message_of(WORK);
    int64_t number = message->body.numbers[0];
    world->wrong += number != world->last + 1;
    world->last = number;
    world->works++;
    world->seen = ++me->seen;
    rv_actor_reply(self, message, &answer);
}

static void bear(struct rv_actor *self, struct world *world)
{
    struct one argument = {.world = world};
    struct rv_spawn spawn = {.behavior = &behavior,
                             .argument = &argument,
                             .argument_bytes = sizeof argument,
                             .passivate_ms = IDLE_MS,
                             .reactivates = true,
                             .restart = RV_RESTART_ON_FAILURE};
    struct rv_error err = {.code = RV_OK};
    ck_assert_int_eq(rv_actor_spawn(self, &spawn, &world->child, &err), RV_OK);
}

static enum rv_code receive(struct rv_actor *self, void *state, struct rv_message *message,
                            struct rv_error *err)
{
    struct one *me = state;
    struct rv_ref peer = {(uint64_t)message->body.numbers[0]};
    struct rv_message question = rv_message_of(WORK);
    question.body.numbers[0] = me->world->last + 1;
    switch (message->kind) {
    case WORK: work(self, me, message); break;
    case LEAVE: rv_actor_exit(self, RV_EXIT_PASSIVATED); break;
    case STASH:
        if (me->seen == 0) {
            return rv_actor_stash(self, message);
        }
        break;
    case MONITOR: rv_actor_monitor(self, peer); break;
    case LINK: rv_actor_link(self, peer); break;
    case CALL: rv_actor_call(self, peer, &question, 10000, answered); break;
    case FAIL: return rv_fail(err, RV_INVALID, "told to fail");
    case BEAR: bear(self, me->world); break;
    case RV_MESSAGE_DOWN:
        me->world->downs++;
        me->world->last_down = (enum rv_exit)message->body.numbers[0];
        break;
    case RV_MESSAGE_EXIT:
        me->world->exits++;
        me->world->last_down = (enum rv_exit)message->body.numbers[0];
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

static void world_make(struct world *world, int cores)
{
    memset(world, 0, sizeof *world);
    actor_world_make(&world->base, cores);
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

static struct rv_ref make_on(struct world *world, int core, struct rv_spawn spawn)
{
    struct rv_ref ref = {0};
    struct rv_error err = {.code = RV_OK};
    struct one argument = {.world = world};
    spawn.behavior = &behavior;
    spawn.argument = &argument;
    spawn.argument_bytes = sizeof argument;
    ck_assert_int_eq(rv_actors_spawn(world->base.actors, core, &spawn, &ref, &err), RV_OK);
    memset(&argument, 0xA5, sizeof argument); /* theirs was copied */
    return ref;
}

/* One that is passivated and comes back. */
static struct rv_spawn passive(void)
{
    return (struct rv_spawn){.passivate_ms = IDLE_MS, .reactivates = true};
}

static struct rv_ref make(struct world *world, struct rv_spawn spawn)
{
    return make_on(world, 0, spawn);
}

static void post(struct world *world, struct rv_ref to, uint32_t kind, uint64_t number)
{
    actor_world_post(&world->base, to, kind, (int64_t)number);
}

static void tell(struct world *world, struct rv_ref to, uint32_t kind, uint64_t number)
{
    post(world, to, kind, number);
    settle(world);
}

static struct rv_actor_stats stats(struct world *world)
{
    return actor_world_stats(&world->base, 0);
}

static bool is_passive(struct world *world, struct rv_ref ref)
{
    struct rv_core_view *view = rv_actors_view(world->base.actors, 0);
    bool is = false;
    for (int i = 0; i < view->actor_count; i++) {
        is |= rv_ref_is(view->actors[i].ref, ref) && view->actors[i].passivated;
    }
    rv_core_view_free(view);
    return is;
}

TEST(a_message_begins_its_next_life)
{
    struct world world;
    world_make(&world, 1);
    struct rv_spawn spawn = passive();
    spawn.name = "it";
    struct rv_ref it = make(&world, spawn);
    struct rv_ref watcher = make(&world, (struct rv_spawn){0});
    struct rv_ref trapper = make(&world, (struct rv_spawn){.traps_exits = true});
    tell(&world, watcher, MONITOR, it.id);
    tell(&world, trapper, LINK, it.id);
    tell(&world, it, WORK, 1);
    ck_assert(!is_passive(&world, it));
    pass(&world, 2 * IDLE_MS);
    ck_assert(is_passive(&world, it));
    ck_assert_int_eq(world.stops, 1);
    ck_assert_int_eq(world.downs, 0);
    ck_assert_int_eq(world.exits, 1); /* a link is of one life, a monitor of one actor */
    ck_assert_int_eq(world.last_down, RV_EXIT_PASSIVATED);
    ck_assert_int_eq(rv_actors_next_deadline_us(world.base.actors, 0),
                     INT64_MAX); /* it costs no time */
    ck_assert(rv_ref_is(rv_actors_find(world.base.actors, "it"), it));
    tell(&world, it, WORK, 2);
    ck_assert(!is_passive(&world, it));
    ck_assert_int_eq(world.starts, 4);
    ck_assert_int_eq(world.works, 2);
    ck_assert_int_eq(world.seen, 1); /* of this life */
    struct rv_actor_stats now = stats(&world);
    ck_assert_int_eq(now.live, 3);
    ck_assert_int_eq(now.passivated, 1);
    ck_assert_int_eq(now.reactivated, 1);
    ck_assert_int_eq(now.restarts + now.dead, 0);
    pass(&world, 2 * IDLE_MS); /* again and again */
    tell(&world, it, WORK, 3);
    ck_assert_int_eq(stats(&world).reactivated, 2);
    ck_assert_int_eq(world.wrong, 0);
    world_end(&world);
}

TEST(who_asks_one_that_is_passivated_is_answered)
{
    struct world world;
    world_make(&world, 1);
    struct rv_ref it = make(&world, passive());
    struct rv_ref asker = make(&world, (struct rv_spawn){0});
    pass(&world, 2 * IDLE_MS);
    tell(&world, asker, CALL, it.id);
    ck_assert_int_eq(world.answers, 1);
    ck_assert_int_eq(world.last_code, RV_OK);
    world_end(&world);
}

TEST(it_is_reached_from_another_core)
{
    struct world world;
    world_make(&world, 2);
    struct rv_ref it = make(&world, passive());
    struct rv_ref asker = make_on(&world, 1, (struct rv_spawn){0});
    pass(&world, 2 * IDLE_MS);
    ck_assert(is_passive(&world, it));
    tell(&world, asker, CALL, it.id);
    ck_assert_int_eq(world.answers, 1);
    ck_assert_int_eq(world.last_code, RV_OK);
    ck_assert_int_eq(stats(&world).reactivated, 1);
    world_end(&world);
}

TEST(it_ends_without_a_new_life)
{
    struct world world;
    world_make(&world, 1);
    struct rv_ref it = make(&world, passive());
    struct rv_ref watcher = make(&world, (struct rv_spawn){0});
    tell(&world, watcher, MONITOR, it.id);
    pass(&world, 2 * IDLE_MS);
    tell(&world, it, RV_MESSAGE_STOP, 0);
    ck_assert_int_eq(world.downs, 1);
    ck_assert_int_eq(world.last_down, RV_EXIT_NORMAL);
    ck_assert_int_eq(world.starts, 2);
    ck_assert_int_eq(world.stops, 1); /* when it was passivated */
    tell(&world, it, WORK, 1);
    ck_assert_int_eq(stats(&world).dead, 1);
    ck_assert_int_eq(world.works, 0);
    /* ... also when a message came just before */
    it = make(&world, passive());
    pass(&world, 2 * IDLE_MS);
    post(&world, it, WORK, 1);
    tell(&world, it, RV_MESSAGE_STOP, 0);
    ck_assert_int_eq(world.works, 0);
    ck_assert_int_eq(world.starts, 3);
    ck_assert_int_eq(stats(&world).dead, 2);
    world_end(&world);
}

TEST(it_ends_with_its_parent)
{
    struct world world;
    world_make(&world, 1);
    struct rv_ref parent = make(&world, (struct rv_spawn){0});
    tell(&world, parent, BEAR, 0);
    pass(&world, 2 * IDLE_MS);
    ck_assert(is_passive(&world, world.child));
    tell(&world, parent, RV_MESSAGE_STOP, 0);
    ck_assert_int_eq(stats(&world).live, 0);
    ck_assert_int_eq(world.starts, 2);
    ck_assert_int_eq(world.stops, 2);
    world_end(&world);
}

TEST(a_passivated_parent_takes_its_children_along)
{
    struct world world;
    world_make(&world, 1);
    struct rv_ref parent = make(&world, passive());
    tell(&world, parent, BEAR, 0);
    struct rv_ref child = world.child;
    tell(&world, parent, LEAVE, 0);
    ck_assert_int_eq(stats(&world).live, 1);
    ck_assert(is_passive(&world, parent));
    tell(&world, child, WORK, 1);
    ck_assert_int_eq(stats(&world).dead, 1);
    tell(&world, parent, BEAR, 0);
    ck_assert_int_eq(stats(&world).live, 2);
    world_end(&world);
}

TEST(a_start_that_fails_loses_no_message_silently)
{
    struct world world;
    world_make(&world, 1);
    struct rv_ref it = make(&world, passive());
    struct rv_ref watcher = make(&world, (struct rv_spawn){0});
    tell(&world, watcher, MONITOR, it.id);
    pass(&world, 2 * IDLE_MS);
    world.fail_starts = 1;
    post(&world, it, WORK, 1);
    tell(&world, it, WORK, 2);
    ck_assert_int_eq(stats(&world).dead, 2);
    ck_assert_int_eq(world.downs, 1);
    ck_assert_int_eq(world.last_down, RV_EXIT_FAILED);
    /* with a policy it is tried again, and the messages wait */
    struct rv_spawn spawn = passive();
    spawn.restart = RV_RESTART_ON_FAILURE;
    it = make(&world, spawn);
    pass(&world, 2 * IDLE_MS);
    world.fail_starts = 2;
    post(&world, it, WORK, 1);
    tell(&world, it, WORK, 2);
    ck_assert_int_eq(world.works, 0);
    for (int i = 0; i < 20 && world.works < 2; i++) {
        pass(&world, 1000);
    }
    ck_assert_int_eq(world.works, 2);
    ck_assert_int_eq(world.wrong, 0);
    ck_assert_int_eq(stats(&world).restarts, 2);
    ck_assert_int_eq(stats(&world).dead, 2);
    world_end(&world);
}

TEST(who_leaves_with_messages_comes_back_for_them)
{
    struct world world;
    world_make(&world, 1);
    struct rv_ref it = make(&world, passive());
    post(&world, it, STASH, 0); /* put aside: it goes back to the mailbox */
    post(&world, it, LEAVE, 0);
    post(&world, it, WORK, 1);
    settle(&world);
    ck_assert_int_eq(world.works, 1);
    ck_assert_int_eq(world.starts, 2);
    ck_assert_int_eq(stats(&world).dead, 0);
    world_end(&world);
}

static void note_drained(void *data)
{
    *(bool *)data = true;
}

TEST(a_drain_hears_its_messages_and_begins_no_life_without)
{
    struct world world;
    bool drained = false;
    world_make(&world, 1);
    struct rv_ref one = make(&world, passive());
    make(&world, passive());
    pass(&world, 2 * IDLE_MS);
    post(&world, one, WORK, 1);
    rv_actors_drain(world.base.actors, 5000, note_drained, &drained);
    for (int i = 0; i < 1000 && !drained; i++) {
        rv_loop_run_once(world.base.loops[0], 0);
        world.base.clock.time_us += 1000;
        rv_actors_fire_due(world.base.actors, 0);
    }
    ck_assert(drained);
    ck_assert_int_eq(world.works, 1);
    ck_assert_int_eq(world.starts, 3);
    ck_assert_int_eq(world.stops, 3);
    ck_assert_int_eq(stats(&world).live, 0);
    world_end(&world);
}

TEST(a_link_with_one_that_is_passivated_holds)
{
    struct world world;
    world_make(&world, 1);
    struct rv_ref it = make(&world, passive());
    struct rv_ref linked = make(&world, (struct rv_spawn){0});
    pass(&world, 2 * IDLE_MS);
    tell(&world, linked, LINK, it.id); /* with one that has no life: it holds for the next */
    ck_assert(is_passive(&world, it));
    actor_end(core_find(&world.base.actors->cores[0], linked), RV_EXIT_FAILED);
    settle(&world);
    ck_assert_int_eq(stats(&world).live, 0); /* as linked actors do */
    world_end(&world);
}

TEST(it_begins_again_with_its_siblings_where_the_strategy_says_so)
{
    struct world world;
    world_make(&world, 1);
    struct rv_ref parent = make(&world, (struct rv_spawn){.strategy = RV_ONE_FOR_ALL});
    tell(&world, parent, BEAR, 0);
    struct rv_ref first = world.child;
    pass(&world, 2 * IDLE_MS);
    tell(&world, parent, BEAR, 0);
    tell(&world, world.child, FAIL, 0);
    post(&world, first, WORK, 1); /* it waits for the group to begin again */
    settle(&world);
    ck_assert_int_eq(world.works, 0);
    pass(&world, 1000);
    ck_assert_int_eq(world.works, 1);
    ck_assert_int_eq(world.starts, 5);
    ck_assert_int_eq(stats(&world).reactivated, 0); /* that was a restart */
    ck_assert_int_eq(stats(&world).restarts, 2);
    tell(&world, first, RV_MESSAGE_STOP, 0);
    ck_assert_int_eq(stats(&world).live, 2);
    world_end(&world);
}

/* Messages by the thousand and pauses by chance: each is heard once, in order, by whichever life.
 */
TEST(whatever_the_pauses_each_message_is_heard_once_and_in_order)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct world world;
        struct rv_random random = {.state = seed};
        world_make(&world, 1);
        struct rv_ref it = make(&world, passive());
        int64_t sent = 0;
        for (int i = 0; i < 300; i++) {
            switch (rv_random_below(&random, 5)) {
            case 0: pass(&world, (int64_t)rv_random_below(&random, 3 * IDLE_MS)); break;
            case 1: post(&world, it, LEAVE, 0); break;
            case 2: rv_actors_step(world.base.actors, 0); break;
            default: post(&world, it, WORK, (uint64_t)++sent); break;
            }
        }
        settle(&world);
        struct rv_actor_stats now = stats(&world);
        ck_assert_int_eq(world.works, sent);
        ck_assert_int_eq(world.wrong + now.dead, 0);
        ck_assert_int_eq(now.live, 1);
        ck_assert_int_gt(now.reactivated, 10);
        ck_assert_int_eq(world.starts, now.reactivated + 1);
        ck_assert_int_eq(world.stops, now.passivated);
        world_end(&world);
    }
}

TEST_MAIN()
