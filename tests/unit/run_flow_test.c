/* run_flow_test.c -- what a run must have to begin, and who gets it. */
#include "runtime/run/flow.h"
#include "runtime/run/room.h"
#include "tests/support/test.h"

#include <stdio.h>

static json_t *of(const char *manifest, const char *input, const char *key, int priority)
{
    json_t *rules = json_loads(manifest, 0, NULL);
    json_t *body = json_loads(input, 0, NULL);
    ck_assert_ptr_nonnull(rules);
    ck_assert_ptr_nonnull(body);
    json_t *flow = rv_flow_of(rules, "payer", body, key, priority);
    json_decref(rules);
    json_decref(body);
    return flow;
}

static const char *key_at(const json_t *flow, size_t i)
{
    return rv_json_str(json_array_get(json_object_get(flow, "keys"), i), "key", "");
}

TEST(an_agent_without_rules_has_no_keys)
{
    ck_assert_ptr_null(of("{}", "{}", NULL, 0));
    ck_assert_ptr_null(of("{\"flow\":[]}", "{}", NULL, 0));
}

TEST(keys_come_in_one_order_for_all_narrow_before_wide_and_slots_before_tokens)
{
    json_t *flow =
        of("{\"flow\":[{\"starts\":9,\"seconds\":60},{\"at_once\":2,\"name\":\"portal\"},"
           "{\"at_once\":3},{\"at_once\":1,\"by\":\"evidence.party\"},{\"at_once\":1,\"by\":"
           "\"key\"}]}",
           "{\"evidence\":{\"party\":7}}", "period:1", 2);
    ck_assert_str_eq(key_at(flow, 0), "slot agent:payer evidence.party=7");
    ck_assert_str_eq(key_at(flow, 1), "slot agent:payer key=period:1");
    ck_assert_str_eq(key_at(flow, 2), "slot agent:payer");
    ck_assert_str_eq(key_at(flow, 3), "slot portal");
    ck_assert_str_eq(key_at(flow, 4), "rate/60 agent:payer");
    ck_assert_int_eq(rv_json_int(flow, "ahead_s", 0), 120);
    json_decref(flow);
}

TEST(a_rule_binds_a_run_without_the_field_too_and_long_values_go_as_digests)
{
    char input[400];
    snprintf(input, sizeof input, "{\"b\":\"%0200d\",\"c\":true}", 1);
    json_t *flow = of("{\"flow\":[{\"at_once\":1,\"by\":\"a\"},{\"at_once\":1,\"by\":\"b\"},"
                      "{\"at_once\":1,\"by\":\"c\"}]}",
                      input, NULL, 0);
    ck_assert_str_eq(key_at(flow, 0), "slot agent:payer a=(none)");
    ck_assert_uint_eq(strlen(key_at(flow, 1)), strlen("slot agent:payer b=") + 64);
    ck_assert_str_eq(key_at(flow, 2), "slot agent:payer c=true");
    json_decref(flow);
}

/* ---- a pass ---- */

static struct rv_arena *arena;
static struct rv_flow_plan plan;

/* The plan stands on what the look says. */
static json_t *decide(const char *text)
{
    json_t *look = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(look);
    arena = rv_arena_create("test", 1 << 20);
    rv_flow_decide(look, arena, &plan);
    return look;
}

static void over(json_t *look)
{
    json_decref(look);
    rv_arena_destroy(arena);
}

#define SLOT(holds)                                                                                \
    "{\"place\":1,\"key\":\"slot a\",\"most\":2,\"seconds\":null,\"holds\":" holds "}"
#define TOKEN(holds)                                                                               \
    "{\"place\":2,\"key\":\"rate/5 a\",\"most\":1,\"seconds\":5,\"holds\":" holds "}"
#define RUN(number, more, keys) "{\"run\":" number ",\"turn\":" number more ",\"keys\":[" keys "]}"
#define KEYS(slot, rate)        "\"keys\":{\"slot a\":{" slot "},\"rate/5 a\":{" rate "}}"

TEST(places_go_in_turn_and_the_rest_waits)
{
    json_t *look = decide("{\"now_us\":9,\"runs\":[" RUN("1", "", SLOT("false")) "," RUN(
        "2", "", SLOT("false")) "," RUN("3", "", SLOT("false")) "]," KEYS("\"used\":0",
                                                                          "\"used\":0") "}");
    ck_assert_int_eq(plan.begun, 2);
    ck_assert_int_eq(plan.move_count, 3);
    ck_assert_int_eq(plan.moves[0].run, 1);
    ck_assert_ptr_null(plan.moves[1].waiting_on);
    ck_assert_str_eq(plan.moves[2].waiting_on, RV_FLOW_SLOT);
    ck_assert_int_eq(plan.moves[2].wake_us, 0);
    over(look);
}

TEST(nobody_passes_who_was_there_before_and_is_not_looked_at)
{
    json_t *look = decide("{\"now_us\":9,\"runs\":[" RUN("5", "", SLOT("false")) "]," KEYS(
        "\"used\":0,\"next\":{\"run\":4,\"turn\":4,\"most\":2,\"place\":1}", "\"used\":0") "}");
    ck_assert_int_eq(plan.begun, 0);
    ck_assert_int_eq(plan.moves[0].run, 5);
    over(look);
}

TEST(a_token_counts_from_where_the_run_has_all_and_the_next_is_told_when_it_comes_back)
{
    json_t *look =
        decide("{\"now_us\":9,\"runs\":[" RUN("1", "", SLOT("true") "," TOKEN("false")) "," RUN(
            "2", "", SLOT("true") "," TOKEN("false")) "]," KEYS("\"used\":2", "\"used\":0") "}");
    ck_assert_int_eq(plan.begun, 1);
    ck_assert_int_eq(plan.take_count, 2);
    ck_assert_int_eq(plan.takes[0].until_us, 0);
    ck_assert_int_eq(plan.takes[1].until_us, 9 + 5000000);
    ck_assert_str_eq(plan.moves[1].waiting_on, RV_FLOW_RATE);
    ck_assert_int_eq(plan.moves[1].place, 2);
    ck_assert_int_eq(plan.moves[1].wake_us, 9 + 5000000);
    over(look);
}

TEST(who_is_next_beyond_the_look_is_marked)
{
    json_t *look = decide("{\"now_us\":9,\"runs\":[" RUN("1", "", SLOT("false")) "]," KEYS(
        "\"used\":0,\"next\":{\"run\":4,\"turn\":4,\"most\":2,\"place\":1}", "\"used\":0") "}");
    ck_assert_int_eq(plan.begun, 1);
    ck_assert_int_eq(plan.move_count, 2);
    ck_assert_int_eq(plan.moves[1].run, 4);
    ck_assert_int_eq(plan.moves[1].wake_us, 9);
    over(look);
}

TEST(below_a_run_with_slots_none_waits_for_one_and_who_stops_stands_aside)
{
    json_t *look =
        decide("{\"now_us\":9,\"runs\":[" RUN("1", ",\"stops\":true", SLOT("false")) "," RUN(
            "2", ",\"nested\":true", SLOT("false")) "]," KEYS("\"used\":2", "\"used\":0") "}");
    ck_assert_int_eq(plan.begun, 0);
    ck_assert_int_eq(plan.moves[0].place, 0);
    ck_assert(!plan.moves[0].stops);
    ck_assert(plan.moves[1].stops);
    ck_assert_str_eq(plan.moves[1].key, "slot a");
    over(look);
}

/* ---- room of the core ---- */

/* Each has more than it can begin; the light one's runs end sooner by `quicker`. */
TEST(starts_follow_the_weights_whoever_is_through_sooner)
{
    struct rv_run_room room = {.active = 0};
    struct rv_run_guest guests[] = {{.weight = 1}, {.weight = 2}, {.weight = 4}};
    static const int percent[] = {60, 45, 40}; /* of its runs that end in a round */
    double started[] = {0, 0, 0};
    for (size_t i = 0; i < 3; i++) {
        rv_run_room_wait(&room, &guests[i], true);
    }
    for (int round = 0; round < 400; round++) {
        for (size_t i = 0; i < 3; i++) {
            rv_run_room_leave(&room, &guests[i], guests[i].has * percent[i] / 100);
            while (rv_run_room_has(&room, &guests[i])) {
                rv_run_room_enter(&room, &guests[i]);
                started[i] += round >= 20;
            }
        }
    }
    double all = started[0] + started[1] + started[2];
    for (int i = 0; i < 3; i++) {
        double due = guests[i].weight / 7.0;
        ck_assert_double_eq_tol(started[i] / all, due, due * 0.03);
    }
}

TEST(who_waits_alone_has_a_commits_worth_and_a_light_one_some_in_any_case)
{
    struct rv_run_room room = {.active = 0};
    struct rv_run_guest light = {.weight = 1};
    struct rv_run_guest heavy = {.weight = 64};
    rv_run_room_wait(&room, &light, true);
    while (rv_run_room_has(&room, &light)) {
        rv_run_room_enter(&room, &light);
    }
    ck_assert_int_eq(light.has, RV_RUNS_COMPANY_MAX);
    rv_run_room_wait(&room, &heavy, true);
    ck_assert(!rv_run_room_has(&room, &light));
    rv_run_room_leave(&room, &light, RV_RUNS_COMPANY_MAX);
    ck_assert(rv_run_room_has(&room, &light));
    rv_run_room_wait(&room, &heavy, false);
    rv_run_room_wait(&room, &light, false);
    ck_assert_ptr_null(room.waiting);
}

TEST(a_core_is_short_of_room_when_it_is_full_and_somebody_waits)
{
    struct rv_run_room room = {.active = 0};
    struct rv_run_guest guests[] = {{.weight = 1}, {.weight = 1}, {.weight = 1}, {.weight = 1}};
    struct rv_run_guest late = {.weight = 1};
    ck_assert(!rv_run_room_short(NULL));
    for (size_t i = 0; i < 4; i++) {
        for (int run = 0; run < RV_RUNS_ACTIVE_MAX / 4; run++) {
            rv_run_room_enter(&room, &guests[i]);
        }
    }
    ck_assert(!rv_run_room_short(&room));
    rv_run_room_wait(&room, &late, true);
    ck_assert(rv_run_room_short(&room));
    rv_run_room_leave(&room, &guests[0], 1);
    ck_assert(!rv_run_room_short(&room));
    rv_run_room_enter(&room, &guests[0]);
    rv_run_room_wait(&room, &late, false);
    ck_assert(!rv_run_room_short(&room));
}

TEST_MAIN()
