/* run_versions_test.c -- which version a new run takes, and plans that go in a circle. */
#include "runtime/run/canary.h"
#include "runtime/run/circle.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

/* ---- canary ---- */

static json_t *agent_with(int percent)
{
    return json_pack("{s:s,s:s,s:{s:[s]},s:{s:s,s:i,s:{s:[s,s]}}}", "name", "matcher", "hash",
                     "active", "manifest", "handles", "F01", "canary", "hash", "tried", "percent",
                     percent, "manifest", "handles", "F01", "F02");
}

static bool takes_canary(const json_t *agent, const char *key, int64_t run)
{
    const char *hash = rv_json_str(rv_canary_pick(agent, key, run, NULL), "hash", "");
    return strcmp(hash, "tried") == 0;
}

TEST(a_canary_gets_its_share_of_the_keys)
{
    static const int percents[] = {1, 10, 50, 99, 100};
    for (size_t p = 0; p < RV_COUNT(percents); p++) {
        json_t *agent = agent_with(percents[p]);
        int taken = 0;
        for (int i = 0; i < 20000; i++) {
            char key[64];
            snprintf(key, sizeof key, "exception:%d", i);
            taken += takes_canary(agent, key, 0);
        }
        int off = taken - percents[p] * 200;
        ck_assert_int_le(off < 0 ? -off : off, 300); /* four standard deviations of the worst */
        json_decref(agent);
    }
}

TEST(the_same_key_gets_the_same_version_and_more_percent_only_add)
{
    json_t *few = agent_with(10);
    json_t *many = agent_with(60);
    for (int i = 0; i < 2000; i++) {
        char key[64];
        snprintf(key, sizeof key, "exception:%d", i);
        ck_assert(takes_canary(few, key, 1) == takes_canary(few, key, 2));
        ck_assert(!takes_canary(few, key, 1) || takes_canary(many, key, 1));
    }
    json_decref(few);
    json_decref(many);
}

TEST(a_canary_gets_only_what_it_handles)
{
    json_t *agent = agent_with(100);
    ck_assert(rv_canary_pick(agent, "k", 0, "F02") != agent);
    ck_assert(rv_canary_pick(agent, "k", 0, "F03") == agent);
    json_object_del(agent, "canary");
    ck_assert(rv_canary_pick(agent, "k", 0, "F02") == agent);
    json_decref(agent);
}

/* ---- circles ---- */

enum { STEPS_MAX = 400 };

struct story {
    struct rv_step steps[STEPS_MAX];
    int count;
};

/* What is asked has a number, what is learned another one. */
static struct rv_step step_of(int asked, int learned)
{
    struct rv_step step = {.kind = RV_STEP_READ, .name = rv_strdup("erp.get")};
    snprintf((char *)step.digest, sizeof step.digest, "%d", asked);
    step.out = json_pack("{s:b,s:i}", "ok", 1, "value", learned);
    return step;
}

static void add(struct story *story, int asked, int learned)
{
    ck_assert_int_lt(story->count, STEPS_MAX);
    story->steps[story->count++] = step_of(asked, learned);
}

static int circle(const struct story *story, int asked)
{
    struct rv_step next = step_of(asked, 0);
    int length = rv_circle_find(story->steps, story->count, &next);
    rv_free(next.name);
    json_decref(next.out);
    return length;
}

static void story_free(struct story *story)
{
    for (int i = 0; i < story->count; i++) {
        rv_free(story->steps[i].name);
        json_decref(story->steps[i].out);
    }
    story->count = 0;
}

TEST(every_planted_circle_is_stopped_after_three_rounds)
{
    struct story story = {.count = 0};
    for (int length = 1; length <= RV_CIRCLE_LENGTH_MAX; length++) {
        for (int before = 0; before < 20; before++) {
            for (int i = 0; i < before; i++) {
                add(&story, 1000 + i, i);
            }
            for (int i = 0; i < 3 * length; i++) {
                ck_assert_int_eq(circle(&story, i % length), 0); /* not one too early */
                add(&story, i % length, 7);
            }
            ck_assert_int_eq(circle(&story, 0), length);
            ck_assert_int_eq(circle(&story, 999), 0); /* it leaves the circle by itself */
            story_free(&story);
        }
    }
}

TEST(a_plan_that_learns_something_is_left_alone)
{
    struct story story = {.count = 0};
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 4; i++) {
            ck_assert_int_eq(circle(&story, i), 0);
            add(&story, i, i == 2 ? round : 7);
        }
    }
    story_free(&story);
}

/* Ordinary plans: for each line of a document they look at a few things, some of them shared. */
TEST(ordinary_plans_are_left_alone)
{
    uint32_t chance = 12345;
    int stopped = 0;
    for (int plan = 0; plan < 5000; plan++) {
        struct story story = {.count = 0};
        for (int line = 0; line < 12; line++) {
            for (int look = 0; look < 4; look++) {
                chance = chance * 1664525U + 1013904223U;
                bool shared = (chance >> 8) % 2 == 0; /* the order, the supplier: again and again */
                int asked = shared ? look : 100 + line * 4 + look;
                stopped += circle(&story, asked) > 0;
                add(&story, asked, asked);
            }
        }
        story_free(&story);
    }
    ck_assert_int_le(stopped, 5); /* one in a thousand */
}

TEST(a_circle_has_a_name)
{
    struct story story = {.count = 0};
    char text[64];
    char small[12];
    for (int i = 0; i < 6; i++) {
        add(&story, i % 2, 7);
    }
    rv_circle_say(story.steps, story.count, 2, text, sizeof text);
    ck_assert_str_eq(text, "read erp.get, read erp.get");
    rv_circle_say(story.steps, story.count, 2, small, sizeof small);
    ck_assert_str_eq(small, "read erp.ge");
    story_free(&story);
}

TEST_MAIN()
