/* run_circle_test.c -- the detector of circles on a labelled corpus: what agents do rightly, again
 * and again, and circles planted into it.
 *
 * The corpus is drawn from a seed.  A sequence of requests and answers is fed entry by entry, as
 * runtime/run/run_ask.c asks before each request; the first refusal stops it.  Rates are printed.
 */
#include "runtime/base/check.h"
#include "runtime/base/random.h"
#include "runtime/run/child.h"
#include "runtime/run/circle.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

enum {
    ENTRIES_MAX = 600,
    EACH = 2000,  /* legitimate sequences of each kind */
    PLANTED = 400 /* circles of each length */
};

/* ---- a journal that grows ---- */

struct story {
    struct rv_random chance;
    struct rv_step steps[ENTRIES_MAX];
    int count;
    bool stopped;
};

static int draw(struct story *story, int most)
{
    return (int)rv_random_below(&story->chance, (uint64_t)most);
}

static struct rv_step step_of(int kind, const char *name, json_t *args, json_t *out)
{
    struct rv_step step = {.kind = kind, .name = rv_strdup(name), .out = out};
    RV_ASSERT(rv_step_digest(args, step.digest));
    json_decref(args);
    return step;
}

/* Asks unless it was stopped; `args` and `value` are stolen. */
static void say(struct story *story, int kind, const char *name, json_t *args, json_t *value)
{
    struct rv_step step =
        step_of(kind, name, args, json_pack("{s:b,s:o}", "ok", 1, "value", value));
    int most = kind == RV_STEP_START ? RV_RUN_SAME_CHILD_MAX : RV_RUN_REPEATS_MAX;
    bool counted = kind != RV_STEP_TIMER && kind != RV_STEP_CHILD;
    step.seq = story->count + 1;
    story->stopped = story->stopped || rv_circle_find(story->steps, story->count, &step) > 0 ||
                     (counted && rv_circle_repeats(story->steps, story->count, &step) >= most);
    RV_ASSERT(story->count < ENTRIES_MAX);
    story->steps[story->count++] = step;
}

static void read_of(struct story *story, const char *name, int object, json_t *value)
{
    say(story, RV_STEP_READ, name, json_pack("{s:i}", "id", object), value);
}

/* Its entry has the time at which it ends. */
static void sleeps(struct story *story, int seconds)
{
    struct rv_step *step;
    say(story, RV_STEP_TIMER, "sleep", json_pack("{s:i}", "seconds", seconds), json_true());
    step = &story->steps[story->count - 1];
    json_object_set_new(step->out, "until_us", json_integer(story->count * 3600000000LL));
    rv_circle_mark_nap(step->out, seconds);
}

/* A child and its end, as ctx:start and ctx:await journal them. */
static void child(struct story *story, const char *agent, json_t *input, json_t *result)
{
    char name[32];
    snprintf(name, sizeof name, "r_%d", 1000 + story->count);
    json_t *args = json_pack("{s:s,s:o}", "agent", agent, "input", input);
    say(story, RV_STEP_START, "start", args, json_pack("{s:s}", "run", name));
    say(story, RV_STEP_TIMER, "await.wait", json_pack("{s:s}", "run", name), json_true());
    say(story, RV_STEP_CHILD, "await", json_pack("{s:s}", "run", name), result);
}

static void story_end(struct story *story)
{
    for (int i = 0; i < story->count; i++) {
        rv_free(story->steps[i].name);
        json_decref(story->steps[i].out);
    }
    story->count = 0;
    story->stopped = false;
}

/* ---- what agents do rightly ---- */

/* Looks every hour whether a payment has come; the state changes now and then, and at the end. */
static void polls(struct story *story)
{
    int looks = 3 + draw(story, 60);
    int changes = 1 + draw(story, 20);
    for (int i = 0; i < looks; i++) {
        json_t *state = json_pack("{s:s,s:i}", "status", i + 1 == looks ? "paid" : "open",
                                  "reminders", i / changes);
        read_of(story, "erp.get", 42, state);
        if (draw(story, 2) == 0) {
            read_of(story, "erp.history", 42, json_integer(i / changes));
        }
        sleeps(story, 3600);
    }
}

/* As polls, but for a state that moves at each look, so nobody has to sleep. */
static void watches(struct story *story)
{
    int looks = 3 + draw(story, RV_RUN_REPEATS_MAX - 2);
    for (int i = 0; i < looks; i++) {
        read_of(story, "erp.get", 7, json_pack("{s:i}", "done", i));
    }
}

/* Pages of a list, and what stands on them; one supplier many times. */
static void pages(struct story *story)
{
    int count = 2 + draw(story, 25);
    for (int page = 0; page < count; page++) {
        json_t *after = json_pack("{s:s,s:i}", "status", "open", "after", page * 50);
        bool last = page + 1 == count;
        say(story, RV_STEP_READ, "erp.find", after,
            last ? json_array() : json_pack("[i,i]", page * 50, page * 50 + 1));
        for (int i = draw(story, 4); i > 0; i--) {
            read_of(story, "erp.get", page * 50 + i, json_pack("{s:s}", "status", "open"));
        }
    }
}

/* The same on each document; their answers are all the same, and so is the supplier, who is looked
 * up for every other one. */
static void documents(struct story *story)
{
    int count = 5 + draw(story, 60);
    for (int i = 0; i < count; i++) {
        read_of(story, "erp.get", 100 + i, json_pack("{s:s}", "status", "matched"));
        say(story, RV_STEP_NOTE, "note", json_pack("{s:i,s:s}", "id", 100 + i, "text", "seen"),
            json_true());
        if (draw(story, 2) == 0) {
            read_of(story, "erp.get", 1, json_pack("{s:s}", "supplier", "Nordhafen GmbH"));
        }
        if (draw(story, 3) == 0) {
            say(story, RV_STEP_MODEL, "llm.decide",
                json_pack("{s:s,s:i}", "question", "does it match?", "id", 100 + i),
                json_pack("{s:s,s:i}", "choice", "yes", "tokens", i));
        }
    }
}

/* Refused, asked again with other arguments; sometimes once more with the same. */
static void retries(struct story *story)
{
    for (int i = 0, count = 3 + draw(story, 12); i < count; i++) {
        for (int again = draw(story, 2); again >= 0; again--) {
            say(story, RV_STEP_MODEL, "llm.decide",
                json_pack("{s:s,s:i}", "question", "which account?", "attempt", i),
                json_pack("{s:s}", "choice", "none of them"));
        }
        if (draw(story, 3) == 0) {
            sleeps(story, 30 << (i % 6));
        }
    }
}

/* Every night the same exceptions, most of them as they were. */
static void nights(struct story *story)
{
    int exceptions = 1 + draw(story, 6);
    for (int night = 0, count = 5 + draw(story, 30); night < count; night++) {
        read_of(story, "erp.find", 0, json_integer(exceptions));
        for (int i = 0; i < exceptions; i++) {
            read_of(story, "erp.get", i, json_pack("{s:i}", "state", draw(story, 20) == 0));
        }
        sleeps(story, 86400);
    }
}

/* Two agents work on one thing in turn, through the one that gives it out; each round knows more.
 */
static void turns(struct story *story)
{
    static const char *const agents[] = {"drafter", "checker"};
    for (int i = 0, count = 4 + draw(story, 40); i < count; i++) {
        child(story, agents[i % 2], json_pack("{s:i}", "draft", i),
              json_pack("{s:s}", "outcome", i + 1 == count ? "accepted" : "once more"));
    }
}

/* The same as it is asked for a few lines of a document: some of it shared, nothing in order. */
static void lines(struct story *story)
{
    for (int line = 0; line < 12; line++) {
        for (int look = 0; look < 4; look++) {
            bool shared = draw(story, 3) == 0;
            int asked = shared ? look + 4 * (line / 3) : 100 + line * 4 + look;
            read_of(story, "erp.get", asked, json_integer(asked));
        }
    }
}

static const struct {
    const char *name;
    void (*tell)(struct story *story);
} kinds[] = {{"polling a state that changes", polls},
             {"watching a state that moves", watches},
             {"paging through lists", pages},
             {"the same on many documents", documents},
             {"retries with changed arguments", retries},
             {"every night the same exceptions", nights},
             {"two agents in turn, with progress", turns},
             {"the lines of a document", lines}};

TEST(at_most_one_of_a_thousand_legitimate_sequences_is_stopped)
{
    struct story *story = rv_alloc(sizeof *story);
    int stopped_all = 0;
    story->chance.state = 20260101;
    for (size_t k = 0; k < RV_COUNT(kinds); k++) {
        int stopped = 0;
        int entries = 0;
        for (int i = 0; i < EACH; i++) {
            kinds[k].tell(story);
            stopped += story->stopped;
            entries += story->count;
            story_end(story);
        }
        printf("circles: %-34s %d of %d stopped (%d entries each)\n", kinds[k].name, stopped, EACH,
               entries / EACH);
        stopped_all += stopped;
    }
    rv_free(story);
    int all = EACH * (int)RV_COUNT(kinds);
    printf("circles: %d of %d legitimate sequences stopped: %.3f %%\n", stopped_all, all,
           100.0 * stopped_all / all);
    ck_assert_int_ge(all, 10000);
    ck_assert_int_le(stopped_all, all / 1000);
}

/* ---- planted circles ---- */

/* One request of a circle: what it is follows from its place; a model words its answer anew. */
static void round_step(struct story *story, int place, int flavour)
{
    switch ((place + flavour) % 4) {
    case 0: read_of(story, "erp.get", 7000 + place, json_pack("{s:s}", "status", "open")); break;
    case 1: read_of(story, "erp.history", 7000 + place, json_array()); break;
    case 2:
        say(story, RV_STEP_MODEL, "llm.decide",
            json_pack("{s:s,s:i}", "question", "now?", "n", place),
            json_pack("{s:s,s:i}", "choice", "wait", "tokens", draw(story, 1000)));
        break;
    default: say(story, RV_STEP_NOTE, "note", json_pack("{s:i}", "n", place), json_true()); break;
    }
}

TEST(every_planted_circle_ends_within_three_rounds)
{
    struct story *story = rv_alloc(sizeof *story);
    int planted = 0;
    int stopped = 0;
    story->chance.state = 20260102;
    for (int length = 1; length <= RV_CIRCLE_LENGTH_MAX; length++) {
        for (int i = 0; i < PLANTED; i++) {
            int flavour = draw(story, 4);
            do { /* honest work before it, its beginning in the middle of a round */
                story_end(story);
                kinds[(size_t)draw(story, RV_COUNT(kinds))].tell(story);
            } while (story->stopped || story->count > ENTRIES_MAX - 4 * RV_CIRCLE_LENGTH_MAX);
            int from = draw(story, length);
            int asked = 0;
            while (!story->stopped && asked <= RV_CIRCLE_ROUNDS * length) {
                round_step(story, (from + asked++) % length, flavour);
            }
            planted++;
            /* the request that would begin the fourth round is not made */
            stopped += story->stopped;
            story_end(story);
        }
    }
    printf("circles: %d of %d planted ones of length 1 to %d stopped before a fourth round\n",
           stopped, planted, RV_CIRCLE_LENGTH_MAX);
    rv_free(story);
    ck_assert_int_ge(planted, 1000);
    ck_assert_int_eq(stopped, planted);
}

/* ---- from agent to agent ---- */

/* Hands over from agent to agent on one key, or without one with the same input; how many
 * hand-overs before one is refused. */
static int hand_overs(int length, int most, bool same, bool keys, char why[256])
{
    json_t *chain = json_array();
    int made = 0;
    for (int refused = 0; made < most && !refused; made += !refused) {
        char now[16];
        char next[16];
        struct rv_child got;
        struct rv_error err = {.code = RV_OK};
        char key[72];
        snprintf(key, sizeof key, "%064d", same ? 1 : made + 1);
        char held[96];
        snprintf(held, sizeof held, "exception:%s", key);
        snprintf(now, sizeof now, "a%d", made % length);
        snprintf(next, sizeof next, "a%d", (made + 1) % length);
        json_array_insert_new(chain, 0,
                              json_pack("{s:i,s:s,s:s,s:b,s:b}", "run", made + 1, "agent", now,
                                        "key", keys ? held : "", "open", 1, "same", same && !keys));
        json_t *args =
            json_pack("{s:s,s:{s:s}}", "agent", next, "input", keys ? "key" : "period", key);
        json_t *input = json_pack("{s:{}}", "exception");
        json_t *hash = json_pack("{s:s,s:s,s:{}}", "name", next, "hash",
                                 "0000000000000000000000000000000000000000000000000000000000000000",
                                 "manifest");
        json_t *look = json_pack("{s:o,s:O,s:s}", "agent", hash, "chain", chain, "currency", "EUR");
        struct rv_budget budget = {.steps_limit = 1000,
                                   .calls_limit = 1000,
                                   .tokens_limit = 1000,
                                   .depth_limit = 1000,
                                   .children_limit = 1000};
        struct rv_run_act act = {.tenant = 1,
                                 .run = made + 1,
                                 .seq = 1,
                                 .kind = RV_STEP_START,
                                 .agent = now,
                                 .action = "handoff",
                                 .args = args,
                                 .budget = &budget,
                                 .input = input};
        if (!same) { /* each hands over something else: only the depth ends it */
            budget.depth_used = made;
        }
        refused = rv_child_plan(&act, look, 1, &got, &err) == RV_LIMIT;
        if (!refused) {
            rv_child_fini(&got);
        }
        snprintf(why, 256, "%s", err.message);
        json_decref(args);
        json_decref(input);
        json_decref(look);
    }
    json_decref(chain);
    return made;
}

TEST(work_that_is_handed_round_comes_back_to_nobody)
{
    char why[256];
    for (int length = 1; length <= RV_CIRCLE_LENGTH_MAX; length++) {
        ck_assert_int_eq(hand_overs(length, 100, true, true, why), length - 1);
        ck_assert_msg(strstr(why, "\"handoff\" would go in a circle over exception:") != NULL, "%s",
                      why);
        ck_assert_int_eq(hand_overs(length, 100, true, false, why), length - 1);
        ck_assert_msg(strstr(why, "would go in a circle over the same work: a0") != NULL, "%s",
                      why);
    }
}

TEST(ping_pong_with_something_else_each_time_ends_at_the_depth)
{
    char why[256];
    for (int keys = 0; keys <= 1; keys++) {
        ck_assert_int_eq(hand_overs(2, 100, false, keys == 1, why), RV_RUN_DEPTH_DEFAULT);
        ck_assert_msg(strstr(why, "budget \"depth\" is exhausted: 5 used, 0 asked, limit 4") !=
                          NULL,
                      "%s", why);
    }
}

/* ---- patience ---- */

/* The same look again and again, a wait in between; how many looks before one is refused. */
static int looks(struct story *story, int most, int seconds)
{
    int made = 0;
    for (; made < most; made++) {
        read_of(story, "erp.get", 1, json_pack("{s:s}", "status", "open"));
        if (story->stopped) {
            break;
        }
        sleeps(story, seconds);
    }
    story_end(story);
    return made;
}

TEST(nine_polls_an_hour_apart_are_patience_and_naps_are_none)
{
    struct story *story = rv_alloc(sizeof *story);
    ck_assert_int_eq(looks(story, 9, 3600), 9);
    ck_assert_int_eq(looks(story, 200, 3600), 200);
    ck_assert_int_eq(looks(story, 200, RV_CIRCLE_PATIENCE_S), 200);
    ck_assert_int_eq(looks(story, 200, RV_CIRCLE_PATIENCE_S - 1), RV_RUN_REPEATS_MAX);
    ck_assert_int_eq(looks(story, 200, 1), RV_RUN_REPEATS_MAX);
    ck_assert_int_eq(looks(story, 200, 0), RV_RUN_REPEATS_MAX);
    rv_free(story);
}

/* A wait for a signal and what came of it, as runtime/run/run_ask.c journals them. */
static void awaits(struct story *story, int seconds, bool comes)
{
    say(story, RV_STEP_TIMER, "signal.wait", json_pack("{s:s}", "name", "go"), json_true());
    struct rv_step *wait = &story->steps[story->count - 1];
    json_object_set_new(wait->out, "until_us", json_integer(story->count * 3600000000LL));
    rv_circle_mark_nap(wait->out, seconds);
    say(story, RV_STEP_SIGNAL, "signal", json_pack("{s:s}", "name", "go"), json_true());
    json_object_set_new(story->steps[story->count - 1].out, "ok", json_boolean(comes));
}

TEST(a_short_wait_in_vain_is_a_nap_and_one_that_brings_something_is_not)
{
    struct story *story = rv_alloc(sizeof *story);
    for (int i = 0; i < 20; i++) {
        read_of(story, "erp.get", 1, json_integer(0));
        awaits(story, 5, true);
    }
    ck_assert(!story->stopped);
    story_end(story);
    for (int i = 0; i < RV_RUN_REPEATS_MAX; i++) {
        read_of(story, "erp.get", 1, json_integer(0));
        awaits(story, 5, false);
    }
    read_of(story, "erp.get", 1, json_integer(0));
    ck_assert(story->stopped);
    story_end(story);
    rv_free(story);
}

/* ---- the limits of the rule ---- */

TEST(a_plan_that_waits_may_look_again_and_one_that_spins_may_not)
{
    struct story *story = rv_alloc(sizeof *story);
    for (int i = 0; i < 50; i++) {
        read_of(story, "erp.get", 1, json_integer(i / 10));
        sleeps(story, 60);
    }
    ck_assert(!story->stopped);
    story_end(story);
    for (int i = 0; i < RV_RUN_REPEATS_MAX; i++) {
        read_of(story, "erp.get", 1, json_integer(i));
    }
    ck_assert(!story->stopped);
    read_of(story, "erp.get", 1, json_integer(99));
    ck_assert(story->stopped);
    story_end(story);
    for (int i = 0; i < RV_RUN_SAME_CHILD_MAX; i++) { /* a child is not tried again for ever */
        child(story, "worker", json_object(), json_integer(i));
    }
    ck_assert(!story->stopped);
    child(story, "worker", json_object(), json_integer(99));
    ck_assert(story->stopped);
    story_end(story);
    rv_free(story);
}

TEST_MAIN()
