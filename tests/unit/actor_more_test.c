/* actor_more_test.c -- classes and their ageing, the urgent lane, links, the stash, deadlines that
 * are passed on, and the messages of one trace. */
#include "runtime/actor/trace.h"
#include "runtime/base/check.h"
#include "tests/support/actor_world.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

enum { WORK = RV_MESSAGE_USER, PEER, FAIL, LEAVE, LINK, UNLINK, CLOSE, OPEN, OPEN_ODD, ASK, PASS };

enum { NOTES_MAX = 4096 };

struct world {
    struct actor_world base;
    char notes[NOTES_MAX]; /* a letter for what happened */
    int count;
    enum rv_code last_code;
};

struct one {
    struct world *world;
    char letter;
    struct rv_ref peer;
    bool closed; /* puts aside what comes */
};

static void note(struct world *world, char letter)
{
    ck_assert_int_lt(world->count, NOTES_MAX - 1);
    world->notes[world->count++] = letter;
    world->notes[world->count] = '\0';
}

static enum rv_code start(struct rv_actor *self, void *state, const void *argument,
                          struct rv_error *err)
{
    (void)self;
    (void)err;
    *(struct one *)state = *(const struct one *)argument;
    return RV_OK;
}

static void stop(struct rv_actor *self, void *state, enum rv_exit why)
{
    (void)self;
    struct one *me = state;
    note(me->world, why == RV_EXIT_LINKED ? '!' : why == RV_EXIT_FAILED ? '?' : '.');
}

static bool is_odd(const void *state, const struct rv_message *message)
{
    (void)state;
    return message->body.numbers[0] % 2 == 1;
}

static void answered(struct rv_actor *self, void *state, enum rv_code code,
                     struct rv_message *reply)
{
    (void)self;
    (void)reply;
    ((struct one *)state)->world->last_code = code;
}

static enum rv_code receive(struct rv_actor *self, void *state, struct rv_message *message,
                            struct rv_error *err)
{
    struct one *me = state;
    struct rv_ref peer = {(uint64_t)message->body.numbers[0]};
    switch (message->kind) {
    case WORK:
        if (me->closed) {
            me->world->last_code = rv_actor_stash(self, message);
        } else {
            note(me->world, message->body.numbers[0] != 0 ? (char)('0' + message->body.numbers[0])
                                                          : me->letter);
            if (me->peer.id != 0) { /* and again */
                rv_actor_send(self, me->peer, message);
            }
        }
        break;
    case PEER: me->peer = peer; break;
    case CLOSE: me->closed = true; break;
    case OPEN:
        me->closed = false;
        rv_actor_unstash(self, NULL);
        break;
    case OPEN_ODD:
        me->closed = false;
        rv_actor_unstash(self, is_odd);
        break;
    case FAIL: return rv_fail(err, RV_INVALID, "told to fail");
    case LEAVE: rv_actor_exit(self, RV_EXIT_NORMAL); break;
    case LINK: rv_actor_link(self, peer); break;
    case UNLINK: rv_actor_unlink(self, peer); break;
    case ASK: {
        struct rv_message pass = rv_message_of(PASS);
        rv_actor_call(self, peer, &pass, 50, answered);
        break;
    }
    case PASS: { /* whoever asked waits for this answer */
        struct rv_message work = rv_message_of(WORK);
        rv_actor_call(self, me->peer, &work, 10000, answered);
        break;
    }
    case RV_MESSAGE_EXIT: note(me->world, (char)('a' + message->body.numbers[0])); break;
    default: break;
    }
    return RV_OK;
}

static const char *name_of(const struct rv_message *message)
{
    return message->kind == WORK ? "work" : NULL;
}

static const struct rv_behavior behavior = {.name = "one",
                                            .start = start,
                                            .receive = receive,
                                            .stop = stop,
                                            .state_bytes = sizeof(struct one),
                                            .name_of = name_of};

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

static void pass_time(struct world *world, int64_t ms)
{
    actor_world_pass(&world->base, ms);
}

static struct rv_ref make(struct world *world, struct rv_spawn spawn, struct one one)
{
    struct rv_ref ref = {0};
    struct rv_error err = {.code = RV_OK};
    one.world = world;
    spawn.behavior = &behavior;
    spawn.argument = &one;
    spawn.argument_bytes = sizeof one;
    ck_assert_int_eq(rv_actors_spawn(world->base.actors, 0, &spawn, &ref, &err), RV_OK);
    return ref;
}

static void send(struct world *world, struct rv_ref to, uint32_t kind, int64_t number)
{
    actor_world_post(&world->base, to, kind, number);
}

static int times(const struct world *world, char letter)
{
    int count = 0;
    for (const char *at = world->notes; *at != '\0'; at++) {
        count += *at == letter;
    }
    return count;
}

/* ---- classes: the loop gives the turns, in its own order ---- */

/* Two actors of that class with one token between them: one of them is always ready, and a turn is
 * one message. */
static void keep_busy(struct world *world, enum rv_class class, char letter, int32_t tenant)
{
    struct rv_spawn spawn = {.class = class, .tenant = tenant};
    struct rv_ref a = make(world, spawn, (struct one){.letter = letter});
    struct rv_ref b = make(world, spawn, (struct one){.letter = letter, .peer = a});
    send(world, a, PEER, (int64_t)b.id);
    send(world, a, WORK, 0);
}

static void run(struct world *world, int notes)
{
    while (world->count < notes) {
        rv_loop_run_once(world->base.loops[0], 0);
    }
}

static int longest_gap(const struct world *world, char letter)
{
    int longest = 0;
    int gap = 0;
    for (int i = 0; i < world->count; i++) {
        gap = world->notes[i] == letter ? 0 : gap + 1;
        longest = gap > longest ? gap : longest;
    }
    return longest;
}

TEST(a_better_class_goes_first_and_none_starves)
{
    struct world world;
    world_make(&world);
    keep_busy(&world, RV_CLASS_BATCH, 'B', 1);
    keep_busy(&world, RV_CLASS_NORMAL, 'N', 1);
    keep_busy(&world, RV_CLASS_INTERACTIVE, 'I', 1);
    run(&world, 1700);
    int all = world.count;
    ck_assert_int_ge(times(&world, 'I') * 100 / all, 74); /* 12.8 of 17 */
    ck_assert_int_ge(times(&world, 'N') * 100 / all, 18); /* 3.2 of 17 */
    ck_assert_int_ge(times(&world, 'B') * 100 / all, 5);  /* 1 of 17 */
    ck_assert_int_le(longest_gap(&world, 'N'), 6);
    ck_assert_int_le(longest_gap(&world, 'B'), 17);
    world_end(&world);
}

TEST(classes_are_of_one_tenant_and_take_nothing_from_another)
{
    struct world world;
    world_make(&world);
    keep_busy(&world, RV_CLASS_BATCH, 'B', 1);
    keep_busy(&world, RV_CLASS_INTERACTIVE, 'I', 2);
    run(&world, 1000);
    ck_assert_int_ge(times(&world, 'B') * 100 / world.count, 49);
    ck_assert_int_ge(times(&world, 'I') * 100 / world.count, 49);
    world_end(&world);
}

TEST(who_is_told_to_end_does_not_wait_behind_the_work_of_its_tenant)
{
    struct world world;
    struct rv_ref refs[100];
    world_make(&world);
    for (int i = 0; i < 100; i++) {
        struct rv_spawn spawn = {.class = i == 50 ? RV_CLASS_INTERACTIVE : RV_CLASS_BATCH,
                                 .tenant = 1};
        refs[i] = make(&world, spawn, (struct one){.letter = i == 50 ? 'I' : 'B'});
        send(&world, refs[i], WORK, 0);
    }
    struct rv_message end = {.kind = RV_MESSAGE_STOP};
    rv_actors_send(world.base.actors, refs[99], &end);
    run(&world, 100);
    ck_assert_str_eq(world.notes + world.count - 3, "BBB");
    ck_assert_int_eq(memcmp(world.notes, ".IB", 3), 0);
    world_end(&world);
}

TEST(who_waits_for_its_restart_ends_at_once_when_told_to)
{
    struct world world;
    world_make(&world);
    struct rv_spawn spawn = {.restart = RV_RESTART_ALWAYS};
    struct rv_ref ref = make(&world, spawn, (struct one){.letter = 'a'});
    send(&world, ref, FAIL, 0);
    settle(&world);
    struct rv_message end = {.kind = RV_MESSAGE_STOP};
    rv_actors_send(world.base.actors, ref, &end);
    settle(&world);
    struct rv_actor_stats stats;
    rv_actors_stats(world.base.actors, 0, &stats);
    ck_assert_int_eq(stats.live, 0);
    pass_time(&world, 10000);
    rv_actors_stats(world.base.actors, 0, &stats);
    ck_assert_int_eq(stats.restarts, 0);
    world_end(&world);
}

/* ---- links ---- */

TEST(linked_actors_end_together_unless_the_end_is_good)
{
    struct world world;
    world_make(&world);
    struct rv_spawn spawn = {.tenant = 1};
    struct rv_ref a = make(&world, spawn, (struct one){.letter = 'a'});
    struct rv_ref b = make(&world, spawn, (struct one){.letter = 'b'});
    struct rv_ref c = make(&world, spawn, (struct one){.letter = 'c'});
    send(&world, a, LINK, (int64_t)b.id);
    send(&world, a, LINK, (int64_t)b.id); /* is linking once */
    send(&world, b, LINK, (int64_t)c.id);
    settle(&world);
    send(&world, a, LEAVE, 0);
    settle(&world);
    ck_assert_str_eq(world.notes, "."); /* a good end is its own */
    send(&world, b, FAIL, 0);
    settle(&world);
    ck_assert_str_eq(world.notes, ".?!");
    world_end(&world);
    ck_assert_str_eq(world.notes, ".?!");
}

TEST(an_end_goes_through_a_chain_and_a_ring_of_links_once)
{
    struct world world;
    struct rv_ref refs[50];
    world_make(&world);
    for (int i = 0; i < 50; i++) {
        refs[i] = make(&world, (struct rv_spawn){.tenant = 1}, (struct one){.letter = 'x'});
    }
    for (int i = 0; i < 50; i++) {
        send(&world, refs[i], LINK, (int64_t)refs[(i + 1) % 50].id);
    }
    settle(&world);
    send(&world, refs[17], FAIL, 0);
    settle(&world);
    ck_assert_int_eq(times(&world, '!'), 49);
    ck_assert_int_eq(times(&world, '?'), 1);
    world_end(&world);
}

TEST(who_traps_exits_is_told_and_lives)
{
    struct world world;
    world_make(&world);
    struct rv_spawn traps = {.traps_exits = true};
    struct rv_ref a = make(&world, traps, (struct one){.letter = 'a'});
    struct rv_ref b = make(&world, (struct rv_spawn){0}, (struct one){.letter = 'b'});
    struct rv_ref c = make(&world, (struct rv_spawn){0}, (struct one){.letter = 'c'});
    send(&world, a, LINK, (int64_t)b.id);
    send(&world, c, LINK, (int64_t)a.id);
    settle(&world);
    send(&world, b, FAIL, 0);
    settle(&world);
    send(&world, c, LEAVE, 0);
    settle(&world);
    send(&world, a, LINK, (int64_t)b.id); /* nobody is there any more */
    settle(&world);
    char expected[8] = {'?', 'a' + RV_EXIT_FAILED, '.', 'a' + RV_EXIT_NORMAL,
                        'a' + RV_EXIT_UNKNOWN};
    ck_assert_str_eq(world.notes, expected);
    world_end(&world);
}

TEST(an_unlinked_actor_lives_and_a_restart_has_no_links)
{
    struct world world;
    world_make(&world);
    struct rv_spawn again = {.restart = RV_RESTART_ON_FAILURE};
    struct rv_ref a = make(&world, again, (struct one){.letter = 'a'});
    struct rv_ref b = make(&world, again, (struct one){.letter = 'b'});
    struct rv_ref c = make(&world, (struct rv_spawn){0}, (struct one){.letter = 'c'});
    send(&world, a, LINK, (int64_t)c.id);
    send(&world, a, UNLINK, (int64_t)c.id);
    send(&world, a, LINK, (int64_t)b.id);
    settle(&world);
    send(&world, a, FAIL, 0);
    settle(&world);
    ck_assert_str_eq(world.notes, "?!"); /* b with it, c not */
    pass_time(&world, 1000);
    send(&world, b, WORK, 0); /* both have begun again */
    settle(&world);
    send(&world, a, FAIL, 0);
    settle(&world);
    ck_assert_str_eq(world.notes, "?!b?");
    world_end(&world);
}

/* ---- the stash ---- */

TEST(what_was_put_aside_comes_back_in_order_and_before_what_waits)
{
    struct world world;
    world_make(&world);
    struct rv_ref a = make(&world, (struct rv_spawn){0}, (struct one){.closed = true});
    for (int i = 1; i <= 5; i++) {
        send(&world, a, WORK, i);
    }
    settle(&world);
    ck_assert_str_eq(world.notes, "");
    send(&world, a, OPEN_ODD, 0);
    send(&world, a, WORK, 9);
    settle(&world);
    ck_assert_str_eq(world.notes, "1359"); /* those that are wanted */
    send(&world, a, OPEN, 0);
    settle(&world);
    ck_assert_str_eq(world.notes, "135924");
    world_end(&world);
}

TEST(a_stash_is_bounded_and_does_what_its_owner_declared)
{
    static const struct {
        enum rv_overflow overflow;
        const char *after;
        enum rv_code code;
    } cases[] = {{RV_OVERFLOW_REFUSE, "12", RV_LIMIT},
                 {RV_OVERFLOW_DROP_OLDEST, "34", RV_OK},
                 {RV_OVERFLOW_SPILL, "1234", RV_OK}};
    for (size_t i = 0; i < RV_COUNT(cases); i++) {
        struct world world;
        world_make(&world);
        struct rv_spawn spawn = {.stash = 2, .stash_overflow = cases[i].overflow};
        struct rv_ref a = make(&world, spawn, (struct one){.closed = true});
        for (int k = 1; k <= 4; k++) {
            send(&world, a, WORK, k);
        }
        settle(&world);
        ck_assert_int_eq(world.last_code, cases[i].code);
        send(&world, a, OPEN, 0);
        settle(&world);
        ck_assert_str_eq(world.notes, cases[i].after);
        struct rv_actor_stats stats;
        rv_actors_stats(world.base.actors, 0, &stats);
        ck_assert_int_eq(stats.dead, cases[i].overflow == RV_OVERFLOW_SPILL ? 0 : 2);
        world_end(&world);
    }
}

TEST(a_restart_gives_the_stash_back_and_an_end_answers_its_calls)
{
    struct world world;
    world_make(&world);
    struct rv_spawn again = {.restart = RV_RESTART_ON_FAILURE, .passivate_ms = 100};
    struct rv_ref a = make(&world, again, (struct one){0});
    send(&world, a, CLOSE, 0);
    send(&world, a, WORK, 1);
    send(&world, a, WORK, 2);
    settle(&world);
    pass_time(&world, 1000); /* who holds messages is not idle */
    send(&world, a, FAIL, 0);
    settle(&world);
    pass_time(&world, 50); /* open, as it was born */
    ck_assert_str_eq(world.notes, "?12");
    struct rv_ref closed = make(&world, (struct rv_spawn){0}, (struct one){.closed = true});
    struct rv_ref asks = make(&world, (struct rv_spawn){0}, (struct one){.peer = closed});
    world.last_code = RV_OK;
    send(&world, asks, PASS, 0);
    settle(&world);
    send(&world, closed, LEAVE, 0);
    settle(&world);
    ck_assert_int_eq(world.last_code, RV_UNAVAILABLE);
    world_end(&world);
}

/* ---- deadlines ---- */

TEST(a_call_has_no_longer_than_the_call_that_it_serves)
{
    struct world world;
    world_make(&world);
    struct rv_ref silent = make(&world, (struct rv_spawn){0}, (struct one){.closed = true});
    struct rv_ref middle = make(&world, (struct rv_spawn){0}, (struct one){.peer = silent});
    struct rv_ref asks = make(&world, (struct rv_spawn){0}, (struct one){0});
    send(&world, asks, ASK, (int64_t)middle.id); /* 50 ms; it would ask for 10 s itself */
    settle(&world);
    world.last_code = RV_OK;
    ck_assert_int_le(rv_actors_next_deadline_us(world.base.actors, 0),
                     world.base.clock.time_us + 50000);
    pass_time(&world, 51);
    ck_assert_int_eq(world.last_code, RV_TIMEOUT);
    ck_assert_int_eq(rv_actors_next_deadline_us(world.base.actors, 0),
                     INT64_MAX); /* both have ended */
    world_end(&world);
}

/* ---- one trace ---- */

TEST(the_messages_of_one_trace_are_noted_and_only_those)
{
    static const struct rv_trace mine = {0x0af7651916cd43dd, 0x8448eb211c80319c};
    static const struct rv_trace other = {1, 2};
    struct world world;
    world_make(&world);
    rv_actors_trace(world.base.actors);
    struct rv_ref b = make(&world, (struct rv_spawn){0}, (struct one){.letter = 'b'});
    struct rv_ref a = make(&world, (struct rv_spawn){0}, (struct one){.letter = 'a', .peer = b});
    for (int i = 0; i < 3; i++) {
        struct rv_message work = rv_message_of(WORK);
        work.trace = i == 0 ? mine : i == 1 ? other : (struct rv_trace){0, 0};
        rv_actors_send(world.base.actors, a, &work);
    }
    settle(&world);
    struct rv_trace_view *view = rv_actors_trace_view(world.base.actors, 0, mine);
    ck_assert_int_eq(view->count, 2); /* to a, and what a sent while it had it in hand */
    ck_assert_uint_eq(view->messages[0].to.id, a.id);
    ck_assert_uint_eq(view->messages[1].from.id, a.id);
    ck_assert_uint_eq(view->messages[1].to.id, b.id);
    ck_assert_str_eq(view->messages[1].what, "work");
    ck_assert_str_eq(view->messages[1].actor, "one");
    rv_trace_view_free(view);
    for (int i = 0; i < RV_TRACE_RECENT + 10; i++) { /* neighbours are busy */
        struct rv_message work = rv_message_of(WORK);
        work.trace = other;
        rv_actors_send(world.base.actors, b, &work);
        world.count = 0;
        settle(&world);
    }
    struct rv_message late = rv_message_of(WORK);
    late.trace = mine;
    rv_actors_send(world.base.actors, (struct rv_ref){b.id + 1000}, &late);
    settle(&world);
    view = rv_actors_trace_view(world.base.actors, 0,
                                mine); /* it is looked at: nothing pushes it out */
    ck_assert_int_eq(view->count, 3);
    ck_assert(view->messages[2].dead);
    ck_assert_str_eq(view->messages[2].what, "no such actor");
    rv_trace_view_free(view);
    world_end(&world);
}

TEST_MAIN()
