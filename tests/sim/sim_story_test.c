/* sim_story_test.c -- single stories of runs, told step by step in a calm world.
 *
 * Each was found by the seeded days (sim_run_test.c) or while reading for them, and stays here as a
 * sentence.
 */
#include "runtime/base/check.h"
#include "tests/sim/sim_world.h"
#include "tests/support/test.h"

#include <inttypes.h>
#include <string.h>

static struct sim_world *calm(void)
{
    sim_plans_open();
    struct sim_options options = {.seed = 7};
    return sim_create(&options);
}

static void end(struct sim_world *world)
{
    ck_assert_str_eq(world->violation, "");
    sim_destroy(world);
    sim_plans_close();
}

static void pass(struct sim_world *world, int64_t us)
{
    ck_assert_msg(sim_live_until(world, world->clock.time_us + us), "%s", world->violation);
}

/* Lives on in small steps until the journal has a step of that kind. */
static void until_step(struct sim_world *world, const struct sim_run *run, int kind)
{
    for (int i = 0; i < 20000; i++) {
        if (run->step_count > 0 && run->steps[run->step_count - 1].kind == kind) {
            return;
        }
        pass(world, 500);
    }
    ck_abort_msg("no such step");
}

static void until_state(struct sim_world *world, const struct sim_run *run, enum rv_run_state state)
{
    for (int i = 0; i < 20000 && run->state != state; i++) {
        pass(world, 500);
    }
    ck_assert_int_eq(run->state, state);
}

static int count(const struct sim_run *run, int kind)
{
    int n = 0;
    for (int i = 0; i < run->step_count; i++) {
        n += run->steps[i].kind == kind;
    }
    return n;
}

static const json_t *outcome_of(const struct sim_run *run)
{
    for (int i = 0; i < run->step_count; i++) {
        if (run->steps[i].kind == RV_STEP_OUTCOME) {
            return run->steps[i].out;
        }
    }
    return NULL;
}

/* It must have ended by then, not some time. */
static void ends_within(struct sim_world *world, const struct sim_run *run, int64_t us)
{
    pass(world, us);
    ck_assert_msg(rv_run_state_final(run->state), "still %s", rv_run_state_name(run->state));
}

static void ends(struct sim_world *world, const struct sim_run *run, enum rv_run_state state)
{
    ck_assert_msg(sim_live(world), "%s", world->violation);
    sim_check_end(world);
    ck_assert_str_eq(world->violation, "");
    ck_assert_str_eq(rv_run_state_name(run->state), rv_run_state_name(state));
}

/* ---- cancel ---- */

TEST(a_cancel_reaches_a_run_whatever_it_waits_for)
{
    static const char *const plans[] = {"waiter", "sleeper"};
    for (size_t i = 0; i < RV_COUNT(plans); i++) {
        struct sim_world *world = calm();
        struct sim_run *run = sim_add_run(world, plans[i]);
        pass(world, SIM_DAY_US);
        ck_assert_int_eq(run->state, RV_RUN_WAITING);
        ck_assert(!run->live); /* it gave up its actor: the wish comes with the load */
        sim_cancel(world, run);
        ends_within(world, run, 5 * SIM_SECOND_US);
        ends(world, run, RV_RUN_CANCELLED);
        ck_assert_str_eq(rv_json_str(outcome_of(run), "code", ""), "canceled");
        end(world);
    }
}

TEST(a_cancel_reaches_a_run_that_sleeps_in_memory)
{
    struct sim_world *world = calm();
    struct sim_run *run = sim_add_run(world, "dozer");
    for (int i = 0; i < 2000 && run->state != RV_RUN_WAITING; i++) {
        pass(world, 500);
    }
    ck_assert_int_eq(run->state, RV_RUN_WAITING);
    ck_assert(run->live);
    sim_cancel(world, run);
    ends_within(world, run, SIM_SECOND_US);
    ends(world, run, RV_RUN_CANCELLED);
    end(world);
}

TEST(a_run_that_sleeps_in_memory_gives_its_room_and_goes_on_in_time)
{
    struct sim_world *world = calm();
    struct sim_run *run = sim_add_run(world, "dozer");
    until_state(world, run, RV_RUN_WAITING);
    pass(world, 100000); /* it has heard of it */
    ck_assert(run->live);
    sim_give_room(world, run);
    pass(world, 1000);
    ck_assert(!run->live);
    ck_assert_int_eq(run->state, RV_RUN_WAITING);
    sim_give_room(world, run); /* that reaches nobody, and brings nobody back */
    pass(world, 1000);
    ck_assert(!run->live);
    ends_within(world, run, 10 * SIM_SECOND_US);
    ends(world, run, RV_RUN_DONE);
    end(world);
}

TEST(a_run_at_work_keeps_its_room)
{
    struct sim_world *world = calm();
    struct sim_run *run = sim_add_run(world, "dozer");
    until_state(world, run, RV_RUN_PLANNING);
    ck_assert(run->live);
    sim_give_room(world, run);
    until_state(world, run, RV_RUN_WAITING);
    ck_assert(run->live);
    ends(world, run, RV_RUN_DONE);
    end(world);
}

TEST(a_cancel_reaches_a_run_that_waits_for_people_and_takes_back_what_it_did)
{
    struct sim_world *world = calm();
    struct sim_run *run = sim_add_run(world, "saga");
    for (int i = 0; i < 2000 && world->effect_count < 2; i++) {
        pass(world, 500);
    }
    world->rates.held = 1000;
    until_state(world, run, RV_RUN_WAITING);
    world->approvals[0].vote = SIM_SILENT;
    pass(world, 60 * SIM_SECOND_US);
    ck_assert(!run->live);
    sim_cancel(world, run);
    until_state(world, run, RV_RUN_COMPENSATING);
    int actions = count(run, RV_STEP_ACTION);
    sim_kill(world); /* at the worst moment: nothing is taken back yet */
    ends(world, run, RV_RUN_COMPENSATED);
    ck_assert_int_eq(count(run, RV_STEP_ACTION), actions);
    ck_assert_str_eq(rv_json_str(outcome_of(run), "code", ""), "canceled");
    end(world);
}

TEST(a_canceled_run_goes_on_after_a_kill_and_waits_for_nothing_more)
{
    struct sim_world *world = calm();
    struct sim_run *run = sim_add_run(world, "waiter");
    pass(world, SIM_DAY_US);
    sim_cancel(world, run);
    until_step(world, run, RV_STEP_NOTE);
    sim_kill(world); /* the wish is gone with the node; what was journaled is not */
    ends_within(world, run, 60 * SIM_SECOND_US);
    ends(world, run, RV_RUN_CANCELLED);
    end(world);
}

TEST(a_cancel_that_comes_while_the_wait_is_being_written_is_not_lost)
{
    struct sim_world *world = calm();
    struct sim_run *run = sim_add_run(world, "waiter");
    until_step(world, run, RV_STEP_READ); /* the wait is on its way */
    sim_cancel(world, run);
    ends_within(world, run, 10 * SIM_SECOND_US);
    ends(world, run, RV_RUN_CANCELLED);
    end(world);
}

TEST(a_canceled_run_without_questions_ends_the_same_after_a_kill)
{
    struct sim_world *world = calm();
    struct sim_run *run = sim_add_run(world, "quiet");
    sim_cancel(world, run);
    until_step(world, run, RV_STEP_OUTCOME);
    sim_kill(world);
    ends(world, run, RV_RUN_CANCELLED);
    ck_assert_int_eq(count(run, RV_STEP_ACTION), 0);
    end(world);
}

TEST(a_cancel_ends_a_review_that_sleeps_and_the_work_stays_done)
{
    struct sim_world *world = calm();
    struct sim_run *run = sim_add_run(world, "sleeper");
    until_step(world, run, RV_STEP_TIMER);
    pass(world, 31 * SIM_DAY_US);
    ck_assert_ptr_nonnull(outcome_of(run));
    ck_assert_int_eq(run->state, RV_RUN_WAITING);
    sim_cancel(world, run);
    ends_within(world, run, 5 * SIM_SECOND_US);
    ends(world, run, RV_RUN_DONE);
    end(world);
}

/* ---- ends that replay must find again ---- */

TEST(a_budget_that_ran_out_runs_out_again_after_a_kill)
{
    struct sim_world *world = calm();
    struct sim_run *run = sim_add_run(world, "spender");
    until_state(world, run, RV_RUN_COMPENSATING);
    sim_kill(world);
    ends(world, run, RV_RUN_COMPENSATED);
    ck_assert_str_eq(rv_json_str(outcome_of(run), "code", ""), "limit");
    ck_assert_int_eq(count(run, RV_STEP_COMPENSATION), count(run, RV_STEP_ACTION));
    end(world);
}

TEST(a_run_that_asks_for_more_goes_on_when_it_is_given_even_after_a_kill)
{
    struct sim_world *world = calm();
    struct sim_run *run = sim_add_run(world, "asker");
    until_state(world, run, RV_RUN_WAITING);
    ck_assert_str_eq(run->waiting_on, "budget");
    ck_assert_str_eq(rv_json_str(run->steps[run->step_count - 1].out, "budget", ""), "calls");
    pass(world, 3 * SIM_SECOND_US);
    ck_assert(!run->live); /* it costs nothing while people think */
    sim_kill(world);
    ends(world, run, RV_RUN_DONE);
    ck_assert_int_eq(count(run, RV_STEP_READ), 5);
    ck_assert_int_eq(count(run, RV_STEP_ACTION), 4); /* one was refused for its risk */
    end(world);
}

TEST(a_run_that_asks_for_more_risk_acts_when_it_is_given_even_after_a_kill)
{
    struct sim_world *world = calm();
    struct sim_run *run = sim_add_run(world, "daring");
    until_state(world, run, RV_RUN_WAITING);
    ck_assert_str_eq(rv_json_str(run->steps[run->step_count - 1].out, "budget", ""), "risk");
    ck_assert_int_eq(count(run, RV_STEP_ACTION), 2); /* the second was refused, and cost nothing */
    sim_kill(world);
    ends(world, run, RV_RUN_DONE);
    ck_assert_int_eq(count(run, RV_STEP_ACTION), 6);
    ck_assert_int_eq(count(run, RV_STEP_SIGNAL), 2);
    end(world);
}

TEST(what_an_action_cost_is_what_the_journal_says)
{
    struct sim_world *world = calm();
    struct sim_run *run = sim_add_run(world, "daring");
    until_step(world, run, RV_STEP_ACTION);
    sim_kill(world);
    /* as a reeve wrote it where the action had three points, not one */
    json_object_set_new(run->steps[run->step_count - 1].out, "risk", json_integer(3));
    ends(world, run, RV_RUN_DONE);
    ck_assert_int_eq(count(run, RV_STEP_SIGNAL), 3);
    end(world);
}

TEST(a_run_that_asks_for_more_can_be_canceled_instead)
{
    struct sim_world *world = calm();
    struct sim_run *run = sim_add_run(world, "asker");
    until_state(world, run, RV_RUN_WAITING);
    sim_cancel(world, run);
    ends(world, run, RV_RUN_CANCELLED);
    ck_assert_int_eq(count(run, RV_STEP_READ), 2);
    end(world);
}

TEST(a_plan_goes_on_without_the_calls_that_its_budget_does_not_give)
{
    struct sim_world *world = calm();
    struct sim_run *run = sim_add_run(world, "thrifty");
    until_state(world, run, RV_RUN_EXECUTING);
    sim_kill(world);
    ends(world, run, RV_RUN_DONE);
    int made = 0;
    for (int i = 0; i < run->step_count; i++) {
        made += (run->steps[i].kind == RV_STEP_READ || run->steps[i].kind == RV_STEP_MODEL) &&
                json_object_get(run->steps[i].out, "budget") == NULL;
    }
    ck_assert_int_eq(made, 3);
    ck_assert_int_eq(count(run, RV_STEP_READ) + count(run, RV_STEP_MODEL), 10);
    end(world);
}

TEST(a_reason_is_text_whatever_the_script_said)
{
    struct sim_world *world = calm();
    struct sim_run *run = sim_add_run(world, "shouter");
    ends(world, run, RV_RUN_FAILED);
    ck_assert(json_is_string(json_object_get(outcome_of(run), "message")));
    end(world);
}

TEST(a_review_that_fails_leaves_the_work_done)
{
    struct sim_world *world = calm();
    struct sim_run *run = sim_add_run(world, "grumbler");
    ends(world, run, RV_RUN_DONE);
    ck_assert_str_eq(run->error_code, "");
    ck_assert_str_eq(rv_json_str(json_object_get(run->result, "review"), "failed", ""), "invalid");
    end(world);
}

TEST(what_cannot_be_taken_back_is_said)
{
    struct sim_world *world = calm();
    struct sim_run *run = sim_add_run(world, "spender");
    world->rates.back_refused = 1000;
    ends(world, run, RV_RUN_FAILED);
    ck_assert_int_gt((int)rv_json_int(outcome_of(run), "not_taken_back", 0), 0);
    end(world);
}

/* ---- signals ---- */

TEST(a_run_that_heard_its_signal_waits_no_longer_even_after_a_kill)
{
    struct sim_world *world = calm();
    struct sim_run *run = sim_add_run(world, "waiter");
    pass(world, SIM_DAY_US);
    sim_signal(world, run, "go");
    until_step(world, run, RV_STEP_SIGNAL);
    sim_kill(world);
    ends_within(world, run, 60 * SIM_SECOND_US); /* its wait would have lasted another month */
    ends(world, run, RV_RUN_DONE);
    end(world);
}

TEST(a_signal_is_heard_at_once_in_a_short_wait)
{
    struct sim_world *world = calm();
    struct sim_run *run = sim_add_run(world, "listener");
    pass(world, 10 * SIM_SECOND_US);
    sim_signal(world, run, "go");
    ends_within(world, run, 2 * SIM_SECOND_US);
    ends(world, run, RV_RUN_DONE);
    ck_assert_int_eq(run->signals[0].consumed_seq, 2);
    end(world);
}

TEST(a_signal_of_another_name_does_not_keep_a_run_awake)
{
    struct sim_world *world = calm();
    struct sim_run *run = sim_add_run(world, "waiter");
    pass(world, SIM_DAY_US);
    int loads = run->loads;
    sim_signal(world, run, "stay");
    pass(world, SIM_DAY_US);
    ck_assert_int_le(run->loads, loads + 1);
    end(world);
}

/* ---- families ---- */

static struct sim_run *boss(struct sim_world *world, const char *child, const char *close,
                            bool await)
{
    struct sim_run *run = sim_add_run(world, "boss");
    json_t *exception = json_object_get(run->input, "exception");
    json_object_set_new(exception, "agent", json_string(child));
    json_object_set_new(exception, "close", json_string(close));
    json_object_set_new(exception, "await", json_boolean(await));
    return run;
}

static const char *summary_of(const struct sim_run *run)
{
    for (int i = 0; i < run->step_count; i++) {
        if (run->steps[i].kind == RV_STEP_PLAN) {
            return rv_json_str(run->steps[i].out, "summary", "");
        }
    }
    return "";
}

TEST(a_parent_hears_how_its_child_ended)
{
    struct sim_world *world = calm();
    struct sim_run *run = boss(world, "quiet", "cancel", true);
    ends(world, run, RV_RUN_DONE);
    ck_assert_str_eq(summary_of(run), "done");
    ck_assert_int_eq(world->run_count, 2);
    ck_assert_int_eq(world->runs[1].state, RV_RUN_DONE);
    ck_assert_int_eq(world->runs[1].depth, 1);
    ck_assert(!world->runs[1].claims); /* it worked under its parent's */
    end(world);
}

TEST(a_parent_wakes_although_the_node_died_at_the_end_of_its_child)
{
    struct sim_world *world = calm();
    struct sim_run *run = boss(world, "quiet", "cancel", true);
    until_step(world, run, RV_STEP_TIMER);
    until_state(world, &world->runs[1], RV_RUN_DONE);
    sim_kill(world);
    ends_within(world, run, 60 * SIM_SECOND_US);
    ends(world, run, RV_RUN_DONE);
    ck_assert_int_eq(world->run_count, 2);
    end(world);
}

TEST(a_parent_that_waits_in_the_end_outlives_its_child)
{
    struct sim_world *world = calm();
    struct sim_run *run = boss(world, "sleeper", "wait", false);
    until_step(world, run, RV_STEP_ACTION);
    pass(world, SIM_DAY_US);
    ck_assert_int_eq(run->state, RV_RUN_WAITING);
    ck_assert_str_eq(run->waiting_on, "run");
    ends(world, run, RV_RUN_DONE);
    ck_assert_int_eq(world->runs[1].state, RV_RUN_DONE);
    end(world);
}

TEST(a_child_that_nobody_needs_any_more_is_canceled)
{
    struct sim_world *world = calm();
    struct sim_run *run = boss(world, "sleeper", "cancel", false);
    ends_within(world, run, 30 * SIM_SECOND_US);
    ends(world, run, RV_RUN_DONE);
    ck_assert_int_eq(world->runs[1].state, RV_RUN_CANCELLED);
    end(world);
}

TEST(an_abandoned_child_goes_on_and_inherits_the_claim)
{
    struct sim_world *world = calm();
    struct sim_run *run = boss(world, "sleeper", "abandon", false);
    ends_within(world, run, 30 * SIM_SECOND_US);
    ck_assert(!rv_run_state_final(world->runs[1].state));
    ck_assert(world->runs[1].claims);
    ends(world, run, RV_RUN_DONE);
    ck_assert_int_eq(world->runs[1].state, RV_RUN_DONE);
    end(world);
}

TEST(canceling_a_parent_reaches_the_child_that_it_waits_for)
{
    struct sim_world *world = calm();
    struct sim_run *run = boss(world, "sleeper", "wait", false);
    until_step(world, run, RV_STEP_ACTION);
    pass(world, SIM_DAY_US);
    sim_cancel(world, run);
    ends_within(world, run, 60 * SIM_SECOND_US);
    ends(world, run, RV_RUN_COMPENSATED); /* its own work was done and is taken back */
    ck_assert_int_eq(world->runs[1].state, RV_RUN_CANCELLED);
    end(world);
}

TEST(a_parent_gives_up_waiting_after_its_time)
{
    struct sim_world *world = calm();
    struct sim_run *run = boss(world, "sleeper", "cancel", true);
    json_object_set_new(json_object_get(run->input, "exception"), "timeout_s", json_integer(3600));
    ends_within(world, run, 3700 * SIM_SECOND_US);
    ends(world, run, RV_RUN_DONE);
    ck_assert_str_eq(summary_of(run), "did not wait");
    end(world);
}

TEST(an_exception_is_handed_over_once_and_not_back)
{
    struct sim_world *world = calm();
    struct sim_run *run = sim_add_run(world, "ping");
    ends(world, run, RV_RUN_DONE);
    ck_assert_int_eq(world->run_count, 2);
    const struct sim_run *pong = &world->runs[1];
    ck_assert_ptr_nonnull(json_object_get(outcome_of(run), "handed_to"));
    ck_assert_int_eq(count(run, RV_STEP_ACTION), 0);
    ck_assert_int_eq(pong->state, RV_RUN_DONE);
    ck_assert(pong->claims);
    const char *why = rv_json_str(pong->steps[0].out, "message", "");
    ck_assert_msg(strstr(why, "ping -> pong -> ping") != NULL, "%s", why);
    ck_assert_ptr_nonnull(strstr(why, pong->key)); /* over what */
    end(world);
}

TEST(generations_have_a_limit)
{
    struct sim_world *world = calm();
    struct sim_run *run = sim_add_run(world, "deep");
    ends(world, run, RV_RUN_DONE);
    ck_assert_int_eq(world->run_count, 4); /* limits.depth is 3 */
    ck_assert_str_eq(summary_of(run), "below below below limit");
    end(world);
}

TEST(a_budget_goes_to_the_child_and_what_is_left_comes_back)
{
    struct sim_world *world = calm();
    struct sim_run *run = boss(world, "quiet", "cancel", true);
    ends(world, run, RV_RUN_DONE);
    const json_t *granted = json_object_get(run->steps[0].out, "budget");
    ck_assert_int_eq(rv_json_int(granted, "steps", 0), (60 - 1) / 2); /* half of what is left */
    ck_assert_int_eq(rv_json_int(granted, "calls", 0), 30);
    ck_assert_int_eq(rv_json_int(granted, "risk", 0), 20);
    const struct rv_step *ended = &run->steps[2];
    ck_assert_int_eq(ended->kind, RV_STEP_CHILD);
    /* the plan and two actions */
    ck_assert_int_eq(rv_json_int(json_object_get(ended->out, "spent"), "steps", 0), 3);
    ck_assert_int_eq(rv_json_int(json_object_get(ended->out, "spent"), "risk", 0), 2);
    end(world);
}

static void is_not_given(const char *name, int asked, const char *said)
{
    struct sim_world *world = calm();
    struct sim_run *run = boss(world, "quiet", "cancel", true);
    json_object_set_new(json_object_get(run->input, "exception"), "budget",
                        json_pack("{s:i}", name, asked));
    ends(world, run, RV_RUN_DONE);
    ck_assert_int_eq(world->run_count, 1);
    const char *why = summary_of(run);
    ck_assert_msg(strstr(why, said) != NULL, "%s", why);
    end(world);
}

TEST(a_child_cannot_be_given_more_than_there_is)
{
    is_not_given("steps", 60, "limit: field \"budget.steps\": 60 asked, the run has 59 left");
    is_not_given("risk", 41, "limit: field \"budget.risk\": 41 asked, the run has 40 left");
}

TEST(a_child_of_little_risk_takes_back_what_was_within_it)
{
    struct sim_world *world = calm();
    struct sim_run *run = boss(world, "saga", "cancel", true);
    json_object_set_new(json_object_get(run->input, "exception"), "budget",
                        json_pack("{s:i}", "risk", 2));
    ends(world, run, RV_RUN_DONE);
    ck_assert_str_eq(summary_of(run), "compensated");
    const struct sim_run *child = &world->runs[1];
    ck_assert_str_eq(child->error_code, "limit");
    const char *why = rv_json_str(outcome_of(child), "message", "");
    ck_assert_msg(strstr(why, "budget \"risk\" is exhausted: 2 used, 1 asked, limit 2") != NULL,
                  "%s", why);
    ck_assert_int_eq(count(child, RV_STEP_ACTION), 3); /* the third is refused */
    ck_assert_int_eq(count(child, RV_STEP_COMPENSATION), 2);
    end(world);
}

/* How many actions are done after a child of three points, which spends two, and a new beginning.
 */
static int staked(bool await)
{
    struct sim_world *world = calm();
    struct sim_run *run = sim_add_run(world, "staker");
    json_object_set_new(json_object_get(run->input, "exception"), "await", json_boolean(await));
    until_step(world, run, RV_STEP_CHECKPOINT);
    sim_kill(world); /* what was used before it is in its entry alone */
    ends(world, run, RV_RUN_COMPENSATED);
    ck_assert_str_eq(rv_json_str(outcome_of(run), "code", ""), "limit");
    int done = (int)json_array_size(json_object_get(outcome_of(run), "executed"));
    end(world);
    return done;
}

TEST(risk_that_a_child_may_take_is_not_there_until_it_comes_back)
{
    ck_assert_int_eq(staked(false), 1);
    ck_assert_int_eq(staked(true), 2);
}

TEST(a_run_that_is_canceled_where_its_budget_refused_an_action_is_found_again)
{
    struct sim_world *world = calm();
    struct sim_run *run = boss(world, "saga", "cancel", true);
    json_object_set_new(json_object_get(run->input, "exception"), "budget",
                        json_pack("{s:i}", "risk", 2));
    until_step(world, run, RV_STEP_TIMER);
    struct sim_run *child = &world->runs[1];
    for (int i = 0; i < 20000 && count(child, RV_STEP_ACTION) < 3; i++) {
        pass(world, 50);
    }
    ck_assert_int_eq(child->steps[child->step_count - 1].kind, RV_STEP_ACTION);
    sim_kill(world); /* nobody has looked yet whether it was given more */
    sim_cancel(world, child);
    until_step(world, child, RV_STEP_COMPENSATION);
    sim_kill(world);
    ends(world, run, RV_RUN_DONE);
    ck_assert_int_eq(child->state, RV_RUN_COMPENSATED);
    ck_assert_str_eq(rv_json_str(outcome_of(child), "code", ""), "canceled");
    end(world);
}

TEST(a_child_stops_where_its_share_ends)
{
    struct sim_world *world = calm();
    struct sim_run *run = boss(world, "saga", "cancel", true);
    json_object_set_new(json_object_get(run->input, "exception"), "budget",
                        json_pack("{s:i}", "steps", 3));
    ends(world, run, RV_RUN_DONE);
    ck_assert_str_eq(summary_of(run), "compensated");
    ck_assert_str_eq(world->runs[1].error_code, "limit");
    end(world);
}

/* ---- what a plan is given ---- */

TEST(a_plan_sees_the_date_that_was_journaled_with_its_input)
{
    struct sim_world *world = calm();
    struct sim_run *run = sim_add_run(world, "dated");
    json_object_set_new(run->input, "today", json_string("2026-01-02")); /* in the company's zone */
    until_step(world, run, RV_STEP_NOTE);
    pass(world, 3 * SIM_DAY_US);
    sim_kill(world);
    ends(world, run, RV_RUN_DONE);
    const char *noted = rv_json_str(json_object_get(run->steps[0].out, "value"), "text", "");
    ck_assert_str_eq(noted, "2026-01-02");
    end(world);
}

/* ---- a damaged store ---- */

TEST(a_state_that_contradicts_the_journal_parks_the_run_and_not_the_node)
{
    struct sim_world *world = calm();
    struct sim_run *run = sim_add_run(world, "quiet");
    run->state = RV_RUN_REVIEWING; /* and nothing in the journal */
    sim_live(world);
    ck_assert_int_eq(run->state, RV_RUN_DIVERGED);
    world->violation[0] = '\0'; /* diverging is what this story is about */
    end(world);
}

TEST_MAIN()
