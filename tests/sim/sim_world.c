/* sim_world.c -- time, the actor system, what people do, kills and restarts.
 *
 *   step actors until nobody is ready > check for kill and cut > jump to the next moment at which
 *   something is due: an answer, an alarm, a look for runs that can move
 *
 * Runs are found as the orchestrator finds them (statement runs_due): every half second, whatever
 * has not ended and could move, and has no actor, gets one.
 */
#include "tests/sim/sim_world.h"

#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/run/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    HOST_START = RV_MESSAGE_USER, /* numbers: index of the run */
    HOST_CANCEL,
    HOST_WAKE,
    HOST_GIVE_ROOM,
    TICK_US = 500000,
    PEOPLE_US = 600000000, /* until somebody sees that a run asks for more */
    FAULTS_MAX = 40,
    FIRST_RUN_ID = 1000
};
#define START_US INT64_C(1767225600000000) /* 2026-01-01 */

const char *const sim_break_names[SIM_BREAK_COUNT] = {
    "sound", "twice", "fence", "approval", "unasked", "hole", "answer", "signal", "child", "claim"};

/* ---- chance and trace ---- */

bool sim_chance(struct sim_world *world, int thousandths)
{
    return (int)rv_random_below(&world->random, 1000) < thousandths;
}

static void mix(struct sim_world *world, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        world->hash = (world->hash ^ (value & 0xFF)) * UINT64_C(1099511628211); /* FNV-1a */
        value >>= 8;
    }
}

void sim_note(struct sim_world *world, const char *what, int64_t run, int64_t a, int64_t b)
{
    mix(world, (uint64_t)world->clock.time_us);
    for (const char *at = what; *at != '\0'; at++) {
        mix(world, (unsigned char)*at);
    }
    mix(world, (uint64_t)run);
    mix(world, (uint64_t)a);
    mix(world, (uint64_t)b);
    if (world->options.trace) {
        char when[RV_TIME_TEXT];
        rv_time_text(world->clock.time_us, when);
        printf("%s run %" PRId64 " %-12s %" PRId64 " %" PRId64 "\n", when, run, what, a, b);
    }
}

/* ---- the host: an actor that has the runs as its children, as the orchestrator does ---- */

struct host {
    struct sim_world *world;
};

static enum rv_code host_start(struct rv_actor *self, void *state, const void *argument,
                               struct rv_error *err)
{
    (void)self;
    (void)err;
    ((struct host *)state)->world = *(struct sim_world *const *)argument;
    return RV_OK;
}

static void on_changed(void *data, int32_t tenant, int64_t run, enum rv_run_state state)
{
    struct sim_world *world = data;
    (void)tenant;
    for (int i = 0; i < world->run_count; i++) {
        if (world->runs[i].id == run && rv_run_state_final(state) &&
            world->runs[i].state != state) {
            sim_broken(world, "run %d: says that it is %s, the store has %s", i,
                       rv_run_state_name(state), rv_run_state_name(world->runs[i].state));
        }
    }
}

static void start_run(struct rv_actor *self, struct sim_world *world, struct sim_run *run)
{
    struct rv_run_start start = {.tenant = SIM_TENANT,
                                 .run = run->id,
                                 .port = &world->port,
                                 .changed = on_changed,
                                 .changed_data = world};
    struct rv_spawn spawn = {.behavior = &rv_run_behavior,
                             .argument = &start,
                             .argument_bytes = sizeof start,
                             .mailbox = 64,
                             .tenant = SIM_TENANT};
    struct rv_error err = {.code = RV_OK};
    RV_ASSERT(rv_actor_spawn(self, &spawn, &run->actor, &err) == RV_OK);
    rv_actor_monitor(self, run->actor);
    run->live = true;
    sim_note(world, "start", run->index, run->step_count, 0);
}

static enum rv_code host_receive(struct rv_actor *self, void *state, struct rv_message *message,
                                 struct rv_error *err)
{
    (void)err;
    struct sim_world *world = ((struct host *)state)->world;
    if (message->kind == RV_MESSAGE_DOWN) {
        for (int i = 0; i < world->run_count; i++) {
            if (rv_ref_is(world->runs[i].actor, message->from)) {
                world->runs[i].live = false;
                world->runs[i].stop_told = false;
                sim_note(world, "down", i, message->body.numbers[0], 0);
            }
        }
        return RV_OK;
    }
    if (message->kind < RV_MESSAGE_USER) {
        return RV_OK;
    }
    struct sim_run *run = &world->runs[message->body.numbers[0]];
    if (!run->live && (message->kind == HOST_START || message->kind == HOST_CANCEL)) {
        start_run(self, world, run); /* a run without an actor gets one, and then its message */
    }
    if (message->kind != HOST_START && run->live) {
        struct rv_message forward = {.kind = message->kind == HOST_CANCEL ? RV_RUN_CANCEL
                                             : message->kind == HOST_WAKE ? RV_RUN_WAKE
                                                                          : RV_RUN_GIVE_ROOM};
        rv_actor_send(self, run->actor, &forward);
    }
    return RV_OK;
}

static const struct rv_behavior host_behavior = {
    .name = "host",
    .start = host_start,
    .receive = host_receive,
    .state_bytes = sizeof(struct host),
};

static void tell_host(struct sim_world *world, uint32_t kind, const struct sim_run *run)
{
    struct rv_message message = {.kind = kind};
    message.body.numbers[0] = run->index;
    rv_actors_send(world->actors, world->host, &message);
}

/* ---- a node begins and dies ---- */

static void node_begin(struct sim_world *world)
{
    world->epoch++;
    world->actors = rv_actors_create(&world->loop, 1, rv_random_next(&world->random));
    struct rv_spawn spawn = {.behavior = &host_behavior,
                             .argument = &world,
                             .argument_bytes = sizeof(struct sim_world *)};
    struct rv_error err = {.code = RV_OK};
    RV_ASSERT(rv_actors_spawn(world->actors, 0, &spawn, &world->host, &err) == RV_OK);
    world->tick_us = 0;
}

static void node_die(struct sim_world *world)
{
    sim_ops_die(world);
    rv_actors_destroy(world->actors);
    world->actors = NULL;
    for (int i = 0; i < world->run_count; i++) {
        world->runs[i].live = false;
        world->runs[i].stop_told = false;
    }
}

void sim_kill(struct sim_world *world)
{
    sim_note(world, "kill", 0, world->epoch, 0);
    world->kills++;
    node_die(world);
    node_begin(world);
}

/* One actor dies and leaves its operation under way; the node and its epoch stay. */
static void cut(struct sim_world *world, struct sim_run *run)
{
    sim_note(world, "cut", run->index, run->live, 0);
    if (run->live) {
        world->cuts++;
        struct rv_message stop = {.kind = RV_MESSAGE_STOP};
        rv_actors_send(world->actors, run->actor, &stop);
    }
}

/* ---- creation ---- */

static struct sim_rates draw_rates(struct sim_world *world)
{
    struct sim_rates rates = {.held = (int)rv_random_below(&world->random, 500),
                              .denied = (int)rv_random_below(&world->random, 100),
                              .refused = (int)rv_random_below(&world->random, 150),
                              .back_refused =
                                  (int)rv_random_below(&world->random, 4) == 0 ? 200 : 0};
    if (!world->options.faults) {
        return (struct sim_rates){0};
    }
    int wildness = (int)rv_random_below(&world->random, 4); /* of which one quarter is calm */
    rates.kill = (int)rv_random_below(&world->random, 30) * wildness;
    rates.cut = (int)rv_random_below(&world->random, 20) * wildness;
    rates.lost = (int)rv_random_below(&world->random, 40) * wildness;
    rates.refuse = (int)rv_random_below(&world->random, 20) * wildness;
    rates.slow = (int)rv_random_below(&world->random, 50) * wildness;
    rates.down = (int)rv_random_below(&world->random, 5) * wildness;
    rates.wake = (int)rv_random_below(&world->random, 30) * wildness;
    rates.bad = (int)rv_random_below(&world->random, 20);
    rates.cancel = rv_random_below(&world->random, 3) == 0 ? 10 : 0;
    return rates;
}

struct sim_world *sim_create(const struct sim_options *options)
{
    rv_log_level(RV_LOG_SILENT);
    struct sim_world *world = rv_alloc(sizeof *world);
    world->options = *options;
    world->random.state = options->seed;
    world->hash = UINT64_C(14695981039346656037);
    world->memory = json_object();
    world->faults_left = FAULTS_MAX;
    rv_clock_virtual_init(&world->clock, START_US);
    world->loop = rv_loop_create(&world->clock.clock);
    world->rates = draw_rates(world);
    world->port = sim_port(world);
    node_begin(world);
    return world;
}

struct sim_run *sim_add_run(struct sim_world *world, const char *plan)
{
    RV_ASSERT(world->run_count < SIM_RUNS_MAX);
    struct sim_run *run = &world->runs[world->run_count];
    *run = (struct sim_run){
        .index = world->run_count,
        .id = FIRST_RUN_ID + (int64_t)(rv_random_next(&world->random) >> 12) * SIM_RUNS_MAX +
              world->run_count,
        .plan = plan != NULL ? sim_plan_find(plan)
                             : sim_plan_pick((unsigned long)rv_random_below(&world->random, 1000)),
        .created_us = world->clock.time_us,
        .claims = true,
        .state = RV_RUN_CREATED,
    };
    char key[RV_HASH_HEX];
    struct rv_hash hash = rv_sha256(&run->index, sizeof run->index);
    rv_hash_hex(&hash, key);
    run->input =
        json_pack("{s:{s:s,s:i,s:i}}", "exception", "key", key, "base",
                  100 + run->index * 10 + (int)rv_random_below(&world->random, 4), "shared", 7);
    snprintf(run->key, sizeof run->key, "exception:%s", key);
    world->run_count++;
    world->tick_us = 0;
    return run;
}

void sim_destroy(struct sim_world *world)
{
    node_die(world);
    sim_ops_destroy(world);
    rv_loop_destroy(world->loop);
    for (int i = 0; i < world->run_count; i++) {
        struct sim_run *run = &world->runs[i];
        for (int s = 0; s < run->step_count; s++) {
            rv_free(run->steps[s].name);
            json_decref(run->steps[s].out);
        }
        json_decref(run->input);
        json_decref(run->budget);
        json_decref(run->result);
    }
    for (int i = 0; i < world->effect_count; i++) {
        json_decref(world->effects[i].answer);
    }
    json_decref(world->memory);
    rv_free(world);
}

/* ---- what people and operators do ---- */

void sim_signal(struct sim_world *world, struct sim_run *run, const char *name)
{
    if (run->signal_count == SIM_SIGNALS_MAX) {
        return;
    }
    struct sim_signal *signal = &run->signals[run->signal_count++];
    signal->id = ++world->next_id;
    snprintf(signal->name, sizeof signal->name, "%s", name);
    sim_note(world, "signal sent", run->index, signal->id, 0);
    world->tick_us = 0;
}

void sim_cancel(struct sim_world *world, struct sim_run *run)
{
    sim_note(world, "cancel", run->index, 0, 0);
    tell_host(world, HOST_CANCEL, run);
}

void sim_give_room(struct sim_world *world, struct sim_run *run)
{
    sim_note(world, "give room", run->index, run->live, 0);
    tell_host(world, HOST_GIVE_ROOM, run);
}

static void people(struct sim_world *world)
{
    if (!world->options.faults || world->run_count == 0) {
        return;
    }
    struct sim_run *run = &world->runs[rv_random_below(&world->random, (uint64_t)world->run_count)];
    if (rv_run_state_final(run->state)) {
        return;
    }
    if (sim_chance(world, world->rates.cancel)) {
        sim_cancel(world, run);
    } else if (sim_chance(world, world->rates.wake)) {
        tell_host(world, HOST_WAKE, run);
    } else if (sim_chance(world, world->rates.wake)) {
        sim_give_room(world, run);
    } else if (strcmp(run->waiting_on, "signal") == 0 && sim_chance(world, 60)) {
        sim_signal(world, run, sim_chance(world, 800) ? "go" : "stay");
    }
}

/* ---- runs that can move: the statement runs_due ---- */

static bool awaits_answer(const struct sim_world *world, const struct sim_run *run)
{
    for (int i = 0; i < world->approval_count; i++) {
        if (world->approvals[i].run == run->index &&
            sim_approval_open(world, &world->approvals[i])) {
            return true;
        }
    }
    return false;
}

static bool has_signal(const struct sim_run *run)
{
    const char *name = rv_json_str(run->steps[run->step_count - 1].out, "name", "");
    for (int i = 0; i < run->signal_count; i++) {
        if (run->signals[i].consumed_seq == 0 && strcmp(run->signals[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* As the statement company_look (3): asked to stop, and not stopping. */
static bool must_stop(const struct sim_run *run)
{
    return run->stop_asked && !run->stop_told && !rv_run_state_final(run->state) &&
           run->error_code[0] == '\0';
}

/* When the run could move, now at the earliest; INT64_MAX when nothing that is known will move it.
 */
static int64_t due_us(const struct sim_world *world, const struct sim_run *run)
{
    int64_t now_us = world->clock.time_us;
    if (must_stop(run)) {
        return now_us;
    }
    if (rv_run_state_final(run->state) || run->live) {
        return INT64_MAX;
    }
    if (run->state != RV_RUN_WAITING || (run->wake_us != 0 && run->wake_us <= now_us) ||
        (strcmp(run->waiting_on, "approval") == 0 && !awaits_answer(world, run)) ||
        ((strcmp(run->waiting_on, "signal") == 0 || strcmp(run->waiting_on, "budget") == 0) &&
         has_signal(run))) {
        return now_us;
    }
    if (strcmp(run->waiting_on, "budget") == 0) {
        return now_us + PEOPLE_US; /* somebody will look */
    }
    int64_t due = run->wake_us != 0 ? run->wake_us : INT64_MAX;
    for (int i = 0; i < world->approval_count; i++) {
        const struct sim_approval *approval = &world->approvals[i];
        if (approval->run == run->index && sim_approval_open(world, approval)) {
            int64_t end_us =
                approval->vote == SIM_SILENT || approval->vote_us > approval->expires_us
                    ? approval->expires_us
                    : approval->vote_us;
            due = end_us < due ? end_us : due;
        }
    }
    return due;
}

/* For more to spend; they give it whenever the world looks around. */
static bool asks_people(const struct sim_run *run)
{
    return run->state == RV_RUN_WAITING && !run->live && strcmp(run->waiting_on, "budget") == 0 &&
           !has_signal(run);
}

static void plan_tick(struct sim_world *world)
{
    int64_t soonest = INT64_MAX;
    for (int i = 0; i < world->run_count; i++) {
        int64_t due = due_us(world, &world->runs[i]);
        soonest = due < soonest ? due : soonest;
    }
    world->tick_us = soonest == INT64_MAX ? INT64_MAX : (soonest / TICK_US + 1) * TICK_US;
}

static void tick(struct sim_world *world)
{
    for (int i = 0; i < world->run_count; i++) {
        struct sim_run *run = &world->runs[i];
        if (must_stop(run)) {
            run->stop_told = true;
            tell_host(world, HOST_CANCEL, run);
        } else if (asks_people(run)) {
            sim_signal(world, run, RV_RUN_BUDGET_SIGNAL);
        } else if (due_us(world, run) <= world->clock.time_us) {
            tell_host(world, HOST_START, run);
        }
    }
}

/* ---- life ---- */

static bool step(struct sim_world *world)
{
    if (!rv_actors_step(world->actors, 0)) {
        return false;
    }
    if (++world->turns > SIM_TURNS_MAX) {
        sim_broken(world, "the world does not come to an end");
    }
    if (world->kill_now) {
        world->kill_now = false;
        sim_kill(world);
    }
    if (world->cut_now != 0) {
        cut(world, &world->runs[world->cut_now - 1]);
        world->cut_now = 0;
    }
    return true;
}

static bool live(struct sim_world *world, int64_t until_us)
{
    for (int64_t looks = 0; world->violation[0] == '\0'; looks++) {
        if (looks > SIM_TURNS_MAX) { /* time goes on, and nothing happens in it */
            sim_broken(world, "the world does not come to an end");
        }
        while (world->violation[0] == '\0' && step(world)) {
        }
        people(world);
        plan_tick(world);
        int64_t next_us = rv_actors_next_deadline_us(world->actors, 0);
        next_us = sim_ops_next_us(world) < next_us ? sim_ops_next_us(world) : next_us;
        next_us = world->tick_us < next_us ? world->tick_us : next_us;
        if (next_us == INT64_MAX || next_us > until_us) {
            world->clock.time_us = until_us == INT64_MAX ? world->clock.time_us : until_us;
            break;
        }
        world->clock.time_us = next_us > world->clock.time_us ? next_us : world->clock.time_us;
        rv_actors_fire_due(world->actors, 0);
        sim_ops_due(world);
        if (world->tick_us <= world->clock.time_us) {
            tick(world);
        }
    }
    return world->violation[0] == '\0';
}

bool sim_live(struct sim_world *world)
{
    return live(world, INT64_MAX);
}

bool sim_live_until(struct sim_world *world, int64_t until_us)
{
    return live(world, until_us);
}

void sim_day(const struct sim_options *options, struct sim_report *report)
{
    struct sim_world *world = sim_create(options);
    int runs = 1 + (int)rv_random_below(&world->random, 4);
    for (int i = 0; i < runs; i++) {
        sim_add_run(world, NULL);
    }
    if (sim_live(world)) {
        sim_check_end(world);
    }
    *report = (struct sim_report){.hash = world->hash,
                                  .turns = world->turns,
                                  .effects = world->effect_count,
                                  .kills = world->kills,
                                  .cuts = world->cuts,
                                  .lost = world->lost,
                                  .fenced = world->fenced,
                                  .compared = world->compared,
                                  .doubts = world->doubts};
    for (int i = 0; i < world->run_count; i++) {
        report->steps += world->runs[i].step_count;
        report->ends[world->runs[i].state]++;
    }
    snprintf(report->violation, sizeof report->violation, "%s", world->violation);
    sim_destroy(world);
}
