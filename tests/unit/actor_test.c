/* actor_test.c -- isolation, bounds, supervision, calls, passivation, drain; on one core and on
 * two. */
#include "runtime/actor/actor.h"
#include "runtime/actor/view.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "tests/support/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
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
    case FAIL: return rv_fail(err, RV_INVALID, "told to fail");
    case LEAVE: rv_actor_exit(self, RV_EXIT_NORMAL); break;
    case RV_MESSAGE_DOWN: atomic_fetch_add(&me->arg.tally->downs, 1); break;
    default: break;
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

static const struct rv_behavior adder = {.name = "adder",
                                         .start = start,
                                         .receive = receive,
                                         .stop = stop,
                                         .state_bytes = sizeof(struct state)};

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
        world->clock.time_us =
            next < end ? (next > world->clock.time_us ? next : world->clock.time_us) : end;
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
        struct rv_ref a = make(&world, (struct rv_spawn){.mailbox = 10, .overflow = policies[i]});
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
    struct rv_ref a =
        make(&world, (struct rv_spawn){.restart = RV_RESTART_ON_FAILURE, .restart_max = 3});
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

static const struct rv_behavior boss = {.name = "boss",
                                        .start = start,
                                        .receive = boss_receive,
                                        .stop = stop,
                                        .state_bytes = sizeof(struct state)};

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

TEST(who_asked_hears_at_once_when_its_question_was_read_and_its_reader_ended)
{
    struct world world = {.loop = NULL};
    world_make(&world);
    struct rv_ref a = make(&world, (struct rv_spawn){.tenant = 1});
    struct rv_ref b = make_boss(&world, a);
    send(&world, b, ASK, QUIET); /* read, not answered, still owed */
    settle(&world);
    ck_assert_int_eq(world.tally.answers, 0);
    send(&world, a, LEAVE, 0);
    settle(&world);
    ck_assert_int_eq(world.tally.answers, 1);
    ck_assert_int_eq(world.tally.last_code, RV_UNAVAILABLE);
    pass_time(&world, 5000);
    ck_assert_int_eq(world.tally.answers, 1); /* exactly once */
    world_end(&world);
}

TEST(a_failure_answers_the_calls_of_its_incarnation)
{
    struct world world = {.loop = NULL};
    world_make(&world);
    struct rv_ref a = make(&world, (struct rv_spawn){.restart = RV_RESTART_ON_FAILURE});
    struct rv_ref b = make_boss(&world, a);
    send(&world, b, ASK, FAIL);
    settle(&world);
    ck_assert_int_eq(world.tally.last_code, RV_UNAVAILABLE);
    pass_time(&world, 1000);
    send(&world, b, ASK, ASK); /* the next incarnation answers */
    settle(&world);
    ck_assert_int_eq(world.tally.last_code, RV_OK);
    world_end(&world);
}

TEST(a_message_that_comes_too_late_is_not_delivered)
{
    struct world world = {.loop = NULL};
    world_make(&world);
    struct rv_ref a = make(&world, (struct rv_spawn){.tenant = 1});
    struct rv_message message = {.kind = ADD, .deadline_us = world.clock.time_us + 1000};
    rv_actors_send(world.actors, a, &message);
    world.clock.time_us += 2000;
    settle(&world);
    ck_assert_int_eq(world.tally.adds, 0);
    struct rv_dead_letter letter;
    ck_assert_int_eq(rv_actors_dead_letters(world.actors, 0, &letter, 1), 1);
    ck_assert_str_eq(letter.reason, "expired");
    world_end(&world);
}

TEST(a_view_names_the_fullest_mailboxes_first_and_is_bounded)
{
    struct world world = {.loop = NULL};
    world_make(&world);
    struct rv_ref full = {0};
    struct rv_ref busy = {0};
    for (int i = 0; i < 2 * RV_VIEW_ACTORS_MAX; i++) {
        struct rv_ref ref = make(&world, (struct rv_spawn){.tenant = 1 + i % 2});
        full = i == 7 ? ref : full;
        busy = i == 8 ? ref : busy;
    }
    for (int i = 0; i < 3; i++) {
        send(&world, busy, ADD, 1);
    }
    settle(&world);
    send(&world, full, FAIL, 0); /* never restarted: what is behind it is dead */
    settle(&world);
    struct rv_ref piled = make(&world, (struct rv_spawn){.tenant = 2, .mailbox = 4});
    for (int i = 0; i < 6; i++) { /* delivered, not read; two are refused */
        send(&world, piled, ADD, 1);
    }
    send(&world, full, ADD, 1);
    struct rv_actor_stats before = {0};
    rv_actors_stats(world.actors, 0, &before);
    rv_actors_step(world.actors, 0); /* delivers, and gives one turn to the only ready actor */
    struct rv_core_view *view = rv_actors_view(world.actors, 0);
    ck_assert_int_eq(view->actor_count, RV_VIEW_ACTORS_MAX);
    ck_assert_int_eq(view->stats.live, 2 * RV_VIEW_ACTORS_MAX);
    ck_assert_int_eq(view->tenant_count, 2);
    ck_assert_int_eq(view->tenants[0].tenant, 1);
    ck_assert_int_eq(view->tenants[0].actors + view->tenants[1].actors, 2 * RV_VIEW_ACTORS_MAX);
    ck_assert_int_eq(view->letter_count, 3);
    ck_assert_str_eq(view->letters[0].reason, "no such actor");
    ck_assert_str_eq(view->letters[1].reason, "mailbox full");
    ck_assert_int_eq(view->letters[1].tenant, 2);
    ck_assert_str_eq(view->letters[1].behavior, "adder");
    bool found = false;
    for (int i = 0; i < view->actor_count; i++) {
        found = found || (rv_ref_is(view->actors[i].ref, busy) && view->actors[i].handled == 3);
    }
    ck_assert(found);
    ck_assert(view->bytes > 0 && view->actors[0].bytes > 0);
    rv_core_view_free(view);
    settle(&world);
    world_end(&world);
}

static enum rv_code dawdle(struct rv_actor *self, void *state, struct rv_message *message,
                           struct rv_error *err)
{
    struct world *world = (struct world *)message->body.pointers[0];
    (void)state;
    (void)err;
    world->clock.time_us += 50000;
    struct rv_ref ref = {0};
    int64_t lasts_us = 0;
    ck_assert(rv_actors_turn_in_hand(world->actors, 0, &ref, &lasts_us));
    ck_assert(rv_ref_is(ref, rv_actor_self(self)));
    ck_assert_int_eq(lasts_us, 50000);
    return RV_OK;
}

TEST(a_long_turn_is_seen_while_it_lasts_and_noted_afterwards)
{
    static const struct rv_behavior slow = {.name = "dawdler",
                                            .start = start,
                                            .receive = dawdle,
                                            .stop = stop,
                                            .state_bytes = sizeof(struct state)};
    struct world world = {.loop = NULL};
    world_make(&world);
    struct rv_ref ref = make(&world, (struct rv_spawn){.behavior = &slow, .tenant = 9});
    struct rv_message message = {.kind = ADD};
    message.body.pointers[0] = &world;
    rv_actors_send(world.actors, ref, &message);
    settle(&world);
    struct rv_core_view *view = rv_actors_view(world.actors, 0);
    ck_assert_int_eq(view->slow_turns, 1);
    ck_assert_int_eq(view->slowest.took_us, 50000);
    ck_assert_str_eq(view->slowest.behavior, "dawdler");
    rv_core_view_free(view);
    world_end(&world);
}

TEST(a_name_belongs_to_one_actor_until_it_ends)
{
    struct world world = {.loop = NULL};
    world_make(&world);
    struct rv_ref a = make(&world, (struct rv_spawn){.name = "books"});
    struct argument argument = {.tally = &world.tally};
    struct rv_spawn again = {.behavior = &adder,
                             .argument = &argument,
                             .argument_bytes = sizeof argument,
                             .name = "books"};
    struct rv_ref ref = {0};
    ck_assert_int_eq(rv_actors_spawn(world.actors, 0, &again, &ref, NULL), RV_CONFLICT);
    ck_assert(rv_ref_is(rv_actors_find(world.actors, "books"), a));
    send(&world, a, LEAVE, 0);
    settle(&world);
    ck_assert_int_eq(rv_actors_spawn(world.actors, 0, &again, &ref, NULL), RV_OK);
    world_end(&world);
}

TEST(spilling_is_counted_and_has_an_end)
{
    enum { BOUND = 100, OVER = 50 };
    struct world world = {.loop = NULL};
    world_make(&world);
    struct rv_ref a =
        make(&world, (struct rv_spawn){.mailbox = BOUND, .overflow = RV_OVERFLOW_SPILL});
    for (int i = 0; i < RV_MAILBOX_SPILL_MAX + OVER; i++) {
        send(&world, a, ADD, 1);
    }
    rv_loop_run_once(world.loop, 0); /* delivers; turns begin after it */
    while (rv_actors_step(world.actors, 0)) {
    }
    struct rv_actor_stats stats;
    rv_actors_stats(world.actors, 0, &stats);
    ck_assert_int_eq(stats.spilled, RV_MAILBOX_SPILL_MAX - BOUND);
    ck_assert_int_eq(stats.refused, OVER);
    ck_assert_int_eq(stats.dead, OVER);
    ck_assert_uint_eq(stats.longest_mailbox, RV_MAILBOX_SPILL_MAX);
    ck_assert_int_eq(world.tally.adds, RV_MAILBOX_SPILL_MAX);
    world_end(&world);
}

TEST(a_sender_wakes_a_core_once_however_much_it_sends)
{
    struct world world = {.loop = NULL};
    world_make(&world);
    struct rv_ref a = make(&world, (struct rv_spawn){.mailbox = 20000});
    for (int i = 0; i < 10000; i++) {
        send(&world, a, ADD, 1);
    }
    struct rv_actor_stats stats;
    rv_actors_stats(world.actors, 0, &stats);
    ck_assert_int_eq(stats.wakes, 1);
    settle(&world);
    send(&world, a, ADD, 1); /* it sleeps again */
    rv_actors_stats(world.actors, 0, &stats);
    ck_assert_int_eq(stats.wakes, 2);
    settle(&world);
    ck_assert_int_eq(world.tally.adds, 10001);
    world_end(&world);
}

/* ---- supervision ---- */

/* A parent that has one child of the spawn that its argument holds. */
struct family {
    struct tally *tally;
    struct rv_ref peer;
    struct rv_spawn child;
    struct argument child_argument;
    struct rv_ref *child_ref;
};

static enum rv_code parent_start(struct rv_actor *self, void *state, const void *argument,
                                 struct rv_error *err)
{
    struct family *family = state;
    *family = *(const struct family *)argument;
    atomic_fetch_add(&family->tally->starts, 1);
    family->child.argument = &family->child_argument;
    family->child.argument_bytes = sizeof family->child_argument;
    return rv_actor_spawn(self, &family->child, family->child_ref, err);
}

static const struct rv_behavior parent = {.name = "parent",
                                          .start = parent_start,
                                          .receive = receive,
                                          .stop = stop,
                                          .state_bytes = sizeof(struct family)};

static struct rv_ref make_family(struct world *world, struct rv_spawn child,
                                 enum rv_restart restart, struct tally *child_tally,
                                 struct rv_ref *child_ref)
{
    struct family family = {.tally = &world->tally,
                            .child = child,
                            .child_argument = {.tally = child_tally},
                            .child_ref = child_ref};
    family.child.behavior = &adder;
    return make(world, (struct rv_spawn){.behavior = &parent,
                                         .argument = &family,
                                         .argument_bytes = sizeof family,
                                         .restart = restart});
}

TEST(a_child_that_gives_up_fails_its_parent_which_begins_again_with_a_new_child)
{
    struct world world = {.loop = NULL};
    world_make(&world);
    struct tally child_tally = {0};
    struct rv_ref child = {0};
    make_family(&world, (struct rv_spawn){.restart = RV_RESTART_ON_FAILURE, .restart_max = 2},
                RV_RESTART_ON_FAILURE, &child_tally, &child);
    struct rv_ref first = child;
    for (int i = 0; i < 3; i++) {
        send(&world, first, FAIL, 0);
        settle(&world);
        pass_time(&world, 1000);
    }
    ck_assert_int_eq(world.tally.starts, 2);
    ck_assert_int_eq(child_tally.starts, 4); /* two restarts, and the new one */
    ck_assert(!rv_ref_is(child, first));
    world_end(&world);
    ck_assert_int_eq(child_tally.starts, child_tally.stops);
}

/* ---- strategies: three children that note in which order they begin and end ---- */

struct troupe {
    struct tally *tally;
    char log[256];
    struct rv_ref children[3];
    enum rv_restart policy[3];
    bool refuse; /* the second child does not begin */
};

struct member {
    struct troupe *troupe;
    int number;
    int64_t heard;
};

static void troupe_note(struct troupe *troupe, char what, int number)
{
    size_t used = strlen(troupe->log);
    snprintf(troupe->log + used, sizeof troupe->log - used, "%c%d ", what, number);
}

static enum rv_code member_start(struct rv_actor *self, void *state, const void *argument,
                                 struct rv_error *err)
{
    (void)self;
    struct member *me = state;
    *me = *(const struct member *)argument;
    if (me->troupe->refuse && me->number == 1) {
        troupe_note(me->troupe, '!', me->number);
        return rv_fail(err, RV_UNAVAILABLE, "not now");
    }
    troupe_note(me->troupe, '+', me->number);
    return RV_OK;
}

static enum rv_code member_receive(struct rv_actor *self, void *state, struct rv_message *message,
                                   struct rv_error *err)
{
    struct member *me = state;
    if (message->kind == FAIL) {
        return rv_fail(err, RV_INVALID, "told to fail");
    }
    if (message->kind == LEAVE) {
        rv_actor_exit(self, RV_EXIT_NORMAL);
    }
    me->heard++;
    troupe_note(me->troupe, 'm', me->number);
    return RV_OK;
}

static void member_stop(struct rv_actor *self, void *state, enum rv_exit why)
{
    (void)self;
    (void)why;
    const struct member *me = state;
    troupe_note(me->troupe, '-', me->number);
}

static enum rv_code director_start(struct rv_actor *self, void *state, const void *argument,
                                   struct rv_error *err)
{
    static const struct rv_behavior member = {.name = "member",
                                              .start = member_start,
                                              .receive = member_receive,
                                              .stop = member_stop,
                                              .state_bytes = sizeof(struct member)};
    struct troupe *troupe = *(struct troupe *const *)argument;
    (void)state;
    enum rv_code code = RV_OK;
    for (int i = 0; code == RV_OK && i < 3; i++) {
        struct member start = {.troupe = troupe, .number = i};
        struct rv_spawn spawn = {.behavior = &member,
                                 .argument = &start,
                                 .argument_bytes = sizeof start,
                                 .restart_max = 3,
                                 .restart = troupe->policy[i]};
        code = rv_actor_spawn(self, &spawn, &troupe->children[i], err);
    }
    return code;
}

static struct rv_ref direct(struct world *world, struct troupe *troupe, enum rv_strategy strategy)
{
    static const struct rv_behavior director = {
        .name = "director", .start = director_start, .receive = receive};
    return make(world, (struct rv_spawn){.behavior = &director,
                                         .argument = &troupe,
                                         .argument_bytes = sizeof troupe,
                                         .strategy = strategy,
                                         .restart = RV_RESTART_ON_FAILURE});
}

static const struct troupe three = {
    .policy = {RV_RESTART_ON_FAILURE, RV_RESTART_ON_FAILURE, RV_RESTART_ON_FAILURE}};

/* What happens after the second child fails, with a message for the third on its way. */
static void second_fails(struct world *world, struct troupe *troupe)
{
    settle(world);
    troupe->log[0] = '\0';
    send(world, troupe->children[1], FAIL, 0);
    settle(world);
    send(world, troupe->children[2], ADD, 1);
    settle(world);
    pass_time(world, 1000);
}

TEST(one_for_one_leaves_the_siblings_alone)
{
    struct world world = {.loop = NULL};
    struct troupe troupe = three;
    world_make(&world);
    direct(&world, &troupe, RV_ONE_FOR_ONE);
    second_fails(&world, &troupe);
    ck_assert_str_eq(troupe.log, "-1 m2 +1 "); /* it did not wait */
    world_end(&world);
}

TEST(rest_for_one_takes_along_who_came_after)
{
    struct world world = {.loop = NULL};
    struct troupe troupe = three;
    world_make(&world);
    direct(&world, &troupe, RV_REST_FOR_ONE);
    second_fails(&world, &troupe);
    ck_assert_str_eq(troupe.log, "-1 -2 +1 +2 m2 "); /* its mailbox has waited */
    world_end(&world);
}

TEST(one_for_all_takes_along_everybody_and_temporary_children_end)
{
    struct world world = {.loop = NULL};
    struct troupe troupe = three;
    world_make(&world);
    direct(&world, &troupe, RV_ONE_FOR_ALL);
    second_fails(&world, &troupe);
    ck_assert_str_eq(troupe.log, "-1 -2 -0 +0 +1 +2 m2 ");
    world_end(&world);
    troupe = three;
    troupe.policy[0] = RV_RESTART_NEVER;
    world_make(&world);
    direct(&world, &troupe, RV_ONE_FOR_ALL);
    second_fails(&world, &troupe);
    ck_assert_str_eq(troupe.log, "-1 -2 -0 +1 +2 m2 ");
    world_end(&world);
}

TEST(a_normal_end_takes_nobody_along_unless_the_child_is_permanent)
{
    struct world world = {.loop = NULL};
    struct troupe troupe = three;
    world_make(&world);
    direct(&world, &troupe, RV_ONE_FOR_ALL);
    settle(&world);
    troupe.log[0] = '\0';
    send(&world, troupe.children[1], LEAVE, 0);
    settle(&world);
    pass_time(&world, 1000);
    ck_assert_str_eq(troupe.log, "m1 -1 ");
    world_end(&world);
    troupe = three;
    troupe.policy[1] = RV_RESTART_ALWAYS;
    world_make(&world);
    direct(&world, &troupe, RV_ONE_FOR_ALL);
    settle(&world);
    troupe.log[0] = '\0';
    send(&world, troupe.children[1], LEAVE, 0);
    settle(&world);
    pass_time(&world, 1000);
    ck_assert_str_eq(troupe.log, "m1 -1 -2 -0 +0 +1 +2 ");
    world_end(&world);
}

TEST(a_child_that_cannot_begin_again_gives_up_for_the_whole_group)
{
    struct world world = {.loop = NULL};
    struct troupe troupe = three;
    world_make(&world);
    struct rv_ref top = direct(&world, &troupe, RV_ONE_FOR_ALL);
    settle(&world);
    troupe.log[0] = '\0';
    troupe.refuse = true;
    send(&world, troupe.children[1], FAIL, 0);
    settle(&world);
    pass_time(&world, 200); /* three restarts, then the parent fails and begins again */
    ck_assert(strstr(troupe.log, "-1 -2 -0 +0 !1 -0 +0 !1 -0 ") == troupe.log);
    troupe.refuse = false;
    pass_time(&world, 60000);
    troupe.log[0] = '\0';
    send(&world, troupe.children[2], ADD, 1);
    settle(&world);
    ck_assert_str_eq(troupe.log, "m2 ");
    send(&world, top, RV_MESSAGE_STOP, 0);
    settle(&world);
    ck_assert_str_eq(troupe.log, "m2 -2 -1 -0 ");
    world_end(&world);
}

TEST(any_failures_in_any_order_leave_everybody_at_work_once)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct world world = {.loop = NULL};
        struct rv_random random = {.state = seed};
        struct troupe troupe = three;
        world_make(&world);
        direct(&world, &troupe, seed % 2 == 0 ? RV_ONE_FOR_ALL : RV_REST_FOR_ONE);
        settle(&world);
        for (int i = 0; i < 12; i++) {
            send(&world, troupe.children[rv_random_below(&random, 3)], FAIL, 0);
            if (rv_random_below(&random, 2) == 0) {
                settle(&world);
            }
            pass_time(&world, (int64_t)rv_random_below(&random, 40));
            troupe.log[0] = '\0';
        }
        pass_time(&world, 60000);
        troupe.log[0] = '\0';
        for (int i = 0; i < 3; i++) {
            send(&world, troupe.children[i], ADD, 1);
            settle(&world);
        }
        ck_assert_msg(strcmp(troupe.log, "m0 m1 m2 ") == 0, "seed %d: %s", (int)seed, troupe.log);
        world_end(&world);
    }
}

TEST(children_end_before_their_parent)
{
    struct world world = {.loop = NULL};
    world_make(&world);
    struct tally child_tally = {0};
    struct rv_ref child = {0};
    struct rv_ref top =
        make_family(&world, (struct rv_spawn){.tenant = 3}, RV_RESTART_NEVER, &child_tally, &child);
    send(&world, top, LEAVE, 0);
    settle(&world);
    ck_assert_int_eq(child_tally.stops, 1);
    struct rv_actor_stats stats;
    rv_actors_stats(world.actors, 0, &stats);
    ck_assert_int_eq(stats.live, 0);
    world_end(&world);
}

TEST(always_means_after_a_normal_end_too_and_stop_is_final)
{
    struct world world = {.loop = NULL};
    world_make(&world);
    struct rv_ref a = make(&world, (struct rv_spawn){.restart = RV_RESTART_ALWAYS});
    send(&world, a, LEAVE, 0);
    settle(&world);
    pass_time(&world, 1000);
    ck_assert_int_eq(world.tally.starts, 2);
    send(&world, a, ADD, 1); /* the same reference */
    send(&world, a, RV_MESSAGE_STOP, 0);
    settle(&world);
    pass_time(&world, 1000);
    ck_assert_int_eq(world.tally.starts, 2);
    ck_assert_int_eq(world.tally.stops, 2);
    world_end(&world);
}

/* ---- fairness between tenants ---- */

struct lane {
    int64_t handled;
    int64_t last_turn;              /* of the core, at the newest message */
    struct rv_clock_virtual *clock; /* moved by each message; NULL: a message takes no time */
};

enum { LONG_MESSAGE_US = 2000 };

static enum rv_code lane_start(struct rv_actor *self, void *state, const void *argument,
                               struct rv_error *err)
{
    (void)self;
    (void)err;
    *(struct lane **)state = *(struct lane *const *)argument;
    return RV_OK;
}

static enum rv_code lane_receive(struct rv_actor *self, void *state, struct rv_message *message,
                                 struct rv_error *err)
{
    (void)err;
    struct lane *lane = *(struct lane **)state;
    struct rv_actor_stats stats;
    rv_actors_stats(rv_actor_system(self), 0, &stats);
    if (message->kind >= RV_MESSAGE_USER) {
        lane->handled++;
        lane->last_turn = stats.turns;
        if (lane->clock != NULL) {
            lane->clock->time_us += LONG_MESSAGE_US;
        }
    }
    return RV_OK;
}

static const struct rv_behavior lane_behavior = {.name = "lane",
                                                 .start = lane_start,
                                                 .receive = lane_receive,
                                                 .state_bytes = sizeof(struct lane *)};

static struct rv_ref make_lane(struct world *world, int32_t tenant, struct lane *lane)
{
    return make(world, (struct rv_spawn){.behavior = &lane_behavior,
                                         .argument = &lane,
                                         .argument_bytes = sizeof(struct lane *),
                                         .mailbox = 20000,
                                         .tenant = tenant});
}

TEST(what_one_tenant_piles_up_does_not_delay_another)
{
    enum { PILE = 10000 };
    static const int actors_of_pile[] = {1, 100, 10000};
    for (size_t i = 0; i < sizeof actors_of_pile / sizeof actors_of_pile[0]; i++) {
        struct world world = {.loop = NULL};
        world_make(&world);
        struct lane loud = {0};
        struct lane quiet = {0};
        for (int n = 0; n < actors_of_pile[i]; n++) {
            struct rv_ref ref = make_lane(&world, 1, &loud);
            for (int k = 0; k < PILE / actors_of_pile[i]; k++) {
                send(&world, ref, ADD, 1);
            }
        }
        send(&world, make_lane(&world, 2, &quiet), ADD, 1); /* behind all of them */
        for (int n = 0; n < 20000 && loud.handled < PILE; n++) {
            rv_loop_run_once(world.loop, 0);
        }
        ck_assert_int_eq(loud.handled, PILE);
        ck_assert_int_eq(quiet.handled, 1);
        ck_assert_int_le(quiet.last_turn, 3);
        world_end(&world);
    }
}

TEST(tenants_share_a_core_by_weight)
{
    enum { ACTORS = 2000 };
    struct world world = {.loop = NULL};
    world_make(&world);
    struct lane lanes[3] = {{0}, {0}, {0}};
    rv_actors_weight(world.actors, 0, 2, 3);
    for (int n = 0; n < ACTORS; n++) {
        for (int32_t tenant = 1; tenant <= 2; tenant++) {
            send(&world, make_lane(&world, tenant, &lanes[tenant]), ADD, 1);
        }
    }
    struct rv_actor_stats stats = {0};
    while (stats.turns < 800) {
        rv_loop_run_once(world.loop, 0);
        rv_actors_stats(world.actors, 0, &stats);
    }
    ck_assert_int_eq(lanes[1].handled + lanes[2].handled, stats.turns);
    ck_assert_int_ge(lanes[2].handled, lanes[1].handled * 3 - 3);
    ck_assert_int_le(lanes[2].handled, lanes[1].handled * 3 + 3);
    world_end(&world);
}

TEST(a_tenant_that_takes_long_turns_has_fewer_of_them)
{
    struct world world = {.loop = NULL};
    world_make(&world);
    struct lane slow = {.clock = &world.clock};
    struct lane quick = {0};
    for (int n = 0; n < 1000; n++) {
        send(&world, make_lane(&world, 1, &slow), ADD, 1);
        send(&world, make_lane(&world, 2, &quick), ADD, 1);
    }
    struct rv_actor_stats stats = {0};
    while (stats.turns < 600) {
        rv_loop_run_once(world.loop, 0);
        rv_actors_stats(world.actors, 0, &stats);
    }
    /* one message of the slow tenant costs as much as eleven turns: about a twelfth of all */
    ck_assert_int_ge(slow.handled, 40);
    ck_assert_int_le(slow.handled, 70);
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

static const struct rv_behavior player = {.name = "player",
                                          .start = start,
                                          .receive = player_receive,
                                          .stop = stop,
                                          .state_bytes = sizeof(struct state)};

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
    struct rv_spawn spawn = {
        .behavior = &player, .argument = &argument, .argument_bytes = sizeof argument};
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

/* ---- the end of two cores ---- */

struct two {
    struct pair pair;
    struct tally tally;
    struct rv_timer *timers[2];
    pthread_t threads[2];
};

static void two_make(struct two *two)
{
    rv_log_level(RV_LOG_SILENT);
    for (int i = 0; i < 2; i++) {
        two->pair.loops[i] = rv_loop_create(rv_clock_system());
        two->timers[i] = rv_timer_create(two->pair.loops[i], keep_alive, NULL);
        rv_timer_start(two->timers[i], 60000);
    }
    two->pair.actors = rv_actors_create(two->pair.loops, 2, 7);
}

static struct rv_ref two_spawn(struct two *two, int core, const struct rv_behavior *behavior,
                               struct rv_ref peer)
{
    struct argument argument = {.tally = &two->tally, .peer = peer};
    struct rv_spawn spawn = {.behavior = behavior,
                             .argument = &argument,
                             .argument_bytes = sizeof argument,
                             .tenant = core};
    struct rv_ref ref = {0};
    ck_assert_int_eq(rv_actors_spawn(two->pair.actors, core, &spawn, &ref, NULL), RV_OK);
    return ref;
}

static void two_run(struct two *two)
{
    for (int i = 0; i < 2; i++) {
        pthread_create(&two->threads[i], NULL, run_loop, two->pair.loops[i]);
    }
}

static void two_end(struct two *two, int64_t drain_ms)
{
    rv_actors_drain(two->pair.actors, drain_ms, all_drained, &two->pair);
    for (int i = 0; i < 2; i++) {
        pthread_join(two->threads[i], NULL);
    }
    struct argument argument = {.tally = &two->tally};
    struct rv_spawn late = {
        .behavior = &adder, .argument = &argument, .argument_bytes = sizeof argument};
    struct rv_ref ref = {0};
    ck_assert_int_eq(rv_actors_spawn(two->pair.actors, 0, &late, &ref, NULL), RV_UNAVAILABLE);
    rv_actors_destroy(two->pair.actors);
    for (int i = 0; i < 2; i++) {
        rv_timer_close(two->timers[i]);
        rv_loop_destroy(two->pair.loops[i]);
    }
    ck_assert_int_eq(atomic_load(&two->tally.starts), atomic_load(&two->tally.stops));
}

static void wait_for(atomic_int *value, int wanted)
{
    for (int i = 0; i < 10000 && atomic_load(value) < wanted; i++) {
        usleep(1000);
    }
    ck_assert_int_ge(atomic_load(value), wanted);
}

static void tell(struct two *two, struct rv_ref to, uint32_t kind, int64_t number)
{
    struct rv_message message = {.kind = kind};
    message.body.numbers[0] = number;
    rv_actors_send(two->pair.actors, to, &message);
}

TEST(calls_and_monitors_cross_cores)
{
    struct two two = {.tally = {0}};
    two_make(&two);
    struct rv_ref far = two_spawn(&two, 1, &adder, (struct rv_ref){0});
    struct rv_ref near = two_spawn(&two, 0, &boss, far);
    two_run(&two);
    tell(&two, near, ASK, ASK);
    wait_for(&two.tally.answers, 1);
    ck_assert_int_eq(atomic_load(&two.tally.last_code), RV_OK);
    tell(&two, near, ASK, QUIET);
    tell(&two, near, ASK, LEAVE); /* leaves both calls without an answer */
    wait_for(&two.tally.answers, 3);
    ck_assert_int_eq(atomic_load(&two.tally.last_code), RV_UNAVAILABLE);
    wait_for(&two.tally.downs, 3);
    tell(&two, near, ASK, ASK); /* nobody there: the monitor says so too */
    wait_for(&two.tally.answers, 4);
    wait_for(&two.tally.downs, 4);
    two_end(&two, 5000);
}

static enum rv_code endless_receive(struct rv_actor *self, void *state, struct rv_message *message,
                                    struct rv_error *err)
{
    (void)err;
    struct state *me = state;
    if (message->kind == ADD) {
        struct rv_message next = {.kind = ADD};
        atomic_fetch_add(&me->arg.tally->adds, 1);
        rv_actor_send(self, message->from.id != 0 ? message->from : me->arg.peer, &next);
    }
    return RV_OK;
}

static const struct rv_behavior endless = {.name = "endless",
                                           .start = start,
                                           .receive = endless_receive,
                                           .stop = stop,
                                           .state_bytes = sizeof(struct state)};

TEST(a_drain_ends_even_when_the_work_does_not)
{
    struct two two = {.tally = {0}};
    two_make(&two);
    struct rv_ref far = two_spawn(&two, 1, &endless, (struct rv_ref){0});
    struct rv_ref near = two_spawn(&two, 0, &endless, far);
    two_run(&two);
    tell(&two, near, ADD, 0);
    wait_for(&two.tally.adds, 1000);
    two_end(&two, 50);
}

TEST(a_system_that_is_destroyed_under_way_leaves_nothing_behind)
{
    struct two two = {.tally = {0}};
    two_make(&two);
    struct rv_ref far = two_spawn(&two, 1, &adder, (struct rv_ref){0});
    struct rv_ref near = two_spawn(&two, 0, &boss, far);
    tell(&two, near, ASK, ASK);
    tell(&two, far, ADD, 1);
    rv_actors_drain(two.pair.actors, 1000, NULL, NULL); /* posted, and never run */
    rv_actors_destroy(two.pair.actors);
    for (int i = 0; i < 2; i++) {
        rv_timer_close(two.timers[i]);
        rv_loop_destroy(two.pair.loops[i]); /* runs what was posted */
    }
    ck_assert_int_eq(atomic_load(&two.tally.starts), atomic_load(&two.tally.stops));
}

TEST_MAIN()
