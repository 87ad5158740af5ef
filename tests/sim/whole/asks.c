/* asks.c -- what people ask of runs: updates, what they publish, that a dead one goes on, more to
 * spend, and a run of their own.
 *
 * Much is asked more than once, at the same moment on two nodes or later; what may be answered then
 * is in rules_told.c.
 */
#include "tests/sim/whole/world.h"

#include "run_sql.h"
#include "runtime/db/db.h"
#include "runtime/run/fork.h"
#include "runtime/run/update.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    TWICE = 250,      /* thousandths of what is asked on two nodes at once */
    WRONG = 150,      /* of updates that no schema takes */
    REVIVALS_MAX = 3, /* in one world: each is a run, and may die again */
    BEGUN_MAX = 4, /* two for each of two keys: one has it, and people are asked about the other */
    STEPS_MAX = 512,
    LOOK_MS = 1500 /* between finding the last good step and asking */
};

static struct rv_principal clerk(void)
{
    return (struct rv_principal){
        .kind = RV_PRINCIPAL_PERSON, .id = "clerk", .roles = json_pack("[s]", "clerk")};
}

static void clerk_done(const struct rv_principal *clerk)
{
    json_decref((json_t *)(uintptr_t)clerk->roles);
}

static struct ask *ask_make(struct world *world, int32_t tenant, int64_t run, const char *id)
{
    struct heap *before = heap_enter(&world->heap);
    struct ask *ask = rv_alloc(sizeof *ask);
    heap_leave(before);
    *ask = (struct ask){.next = world->asks, .world = world, .tenant = tenant, .run = run};
    snprintf(ask->id, sizeof ask->id, "%s", id);
    world->asks = ask;
    return ask;
}

bool ask_repeats(const struct ask *ask)
{
    int count = 0;
    for (const struct ask *one = ask->world->asks; one != NULL; one = one->next) {
        count +=
            one->tenant == ask->tenant && one->run == ask->run && strcmp(one->id, ask->id) == 0;
    }
    return count > 1;
}

/* Another one than `node`, or itself. */
static struct node *other_node(struct world *world, struct node *node)
{
    struct node *other = world_some_node(world);
    return other != NULL && !other->stopping ? other : node;
}

static bool may_pass(enum rv_code code)
{
    return code == RV_UNAVAILABLE || code == RV_CANCELED || code == RV_TIMEOUT;
}

static const struct run_row *some_run(struct world *world, const char *agent)
{
    const struct base_rows *runs = &world->base->tables[T_RUN];
    const struct run_row *run = NULL;
    for (int tries = 0; tries < 6 && runs->count > 0; tries++) {
        run = runs->rows[world_below(world, runs->count)];
        if (!base_run_over(run) && base_is(run->agent, agent)) {
            break;
        }
    }
    return run;
}

/* ---- updates ---- */

static void on_update(void *data, enum rv_code code, const json_t *update, const char *field,
                      const struct rv_error *err)
{
    struct ask *ask = data;
    struct world *world = ask->world;
    (void)field;
    world_note(world, "update %s of run %" PRId64 ": %s", ask->id, ask->run,
               code == RV_OK ? rv_json_str(update, "state", "") : err->message);
    if (code == RV_OK) {
        rules_told_update(ask, update);
    } else if (!may_pass(code)) {
        rules_refused_update(ask);
    }
}

static void send_update(struct ask *ask, struct node *node, const char *name, json_t *body)
{
    world_enter(node);
    struct rv_principal person = clerk();
    struct rv_run_update update = {.run = ask->run, .name = name, .id = ask->id, .body = body};
    rv_run_update(node->gate, node->db, ask->tenant, &person, &update, on_update, ask);
    clerk_done(&person);
    world_leave();
}

static void ask_update(struct world *world, struct node *node)
{
    const struct run_row *run = some_run(world, "waiter");
    if (run == NULL || (!base_is(run->agent, "waiter") && !world_chance(world, 200))) {
        return;
    }
    bool wrong = world_chance(world, WRONG);
    int number = wrong ? ++world->wrong : 1 + (int)world_below(world, 3);
    bool changed = world_chance(world, 50); /* under an id that may have been used */
    int minor = 240 * number + (changed ? 1 : 0);
    char id[24];
    snprintf(id, sizeof id, "%s%d", wrong ? "wrong:" : "u", number);
    bool nameless = wrong && world_chance(world, 300);
    struct heap *before = heap_enter(&world->heap);
    json_t *body = wrong && !nameless ? json_pack("{s:s}", "minor", "much")
                                      : json_pack("{s:i}", "minor", minor);
    heap_leave(before);
    for (int twice = world_chance(world, TWICE); twice >= 0; twice--) {
        struct ask *ask = ask_make(world, run->tenant, run->id, id);
        ask->wrong = wrong;
        send_update(ask, twice > 0 ? node : other_node(world, node),
                    nameless ? "nothing" : "amount", body);
    }
    before = heap_enter(&world->heap);
    json_decref(body);
    heap_leave(before);
}

/* ---- values ---- */

static void on_value(void *data, enum rv_code code, const struct rv_result *result,
                     const struct rv_error *err)
{
    struct ask *ask = data;
    if (code != RV_OK) {
        world_note(ask->world, "value of run %" PRId64 ": %s", ask->run, err->message);
        return;
    }
    json_t *found = rv_result_rows(result) > 0 ? rv_result_json(result, 0, 0) : NULL;
    rules_told_value(ask, found);
    json_decref(found);
}

static void ask_value(struct world *world, struct node *node)
{
    const struct run_row *run = some_run(world, world_chance(world, 500) ? "waiter" : "helper");
    if (run == NULL) {
        return;
    }
    bool one = world_chance(world, 500);
    struct ask *ask = ask_make(world, run->tenant, run->id, one ? "state" : "");
    ask->seen = rules_newest_value(world, run->tenant, run->id);
    world_enter(node);
    struct rv_args *args = rv_args_create(&rv_sql_run_values);
    rv_args_i64(args, 2, run->id);
    rv_args_text(args, 3, one ? "state" : NULL);
    rv_db_query(node->db, run->tenant, &rv_sql_run_values, args, on_value, ask);
    world_leave();
}

/* ---- dead letters: as runtime/cli/cmd_run_dead.c finds the last good step ---- */

static const char *result_of(const struct step_row *step)
{
    return rv_json_str(step->json, "result", "");
}

static bool is_done(const struct step_row *step)
{
    return step->kind == RV_STEP_ACTION &&
           (strcmp(result_of(step), "executed") == 0 || strcmp(result_of(step), "repeated") == 0);
}

static bool is_end(const struct step_row *step)
{
    bool no = strcmp(result_of(step), "denied") == 0 || strcmp(result_of(step), "refused") == 0;
    return (step->kind == RV_STEP_NOTE && strcmp(step->name, "end") == 0) ||
           step->kind == RV_STEP_OUTCOME || step->kind == RV_STEP_COMPENSATION ||
           (step->kind == RV_STEP_ACTION && no);
}

static bool is_half(const struct step_row *step)
{
    const json_t *ok = json_object_get(step->json, "ok");
    return step->kind == RV_STEP_TIMER || step->kind == RV_STEP_APPROVAL ||
           (step->kind == RV_STEP_ACTION && !is_done(step)) || (ok != NULL && json_is_false(ok));
}

/* What it did that cannot be done twice and was not taken back, and the last good step. */
static int32_t last_good(struct world *world, const struct run_row *run, int *standing)
{
    int32_t at = 0;
    int32_t first_action = 0;
    bool back = false;
    bool ended = false;
    *standing = 0;
    for (int32_t seq = 1; seq < STEPS_MAX; seq++) {
        const struct step_row *step = base_step(world->base, run->id, seq);
        if (step == NULL) {
            break;
        }
        bool child = step->kind == RV_STEP_START && rv_json_bool(step->json, "ok", false);
        *standing += child || is_done(step);
        first_action = first_action == 0 && step->kind == RV_STEP_ACTION ? seq : first_action;
        back = back || step->kind == RV_STEP_COMPENSATION;
        ended = ended || is_end(step);
        at = ended ? at : seq;
    }
    if (back && first_action > 0 && at >= first_action) {
        at = first_action - 1;
    }
    while (at > 0 && is_half(base_step(world->base, run->id, at))) {
        at--;
    }
    *standing = back ? 0 : *standing;
    return at;
}

static bool may_fork(struct world *world, const struct run_row *run, const struct rv_run_fork *fork)
{
    struct rv_error err = {.code = RV_OK};
    json_t *facts = base_fork_facts(world->base, run->tenant, run->id, fork->at, NULL);
    enum rv_code code = rv_fork_check(facts, fork, &err);
    json_decref(facts);
    return code == RV_OK;
}

static bool is_dead(const struct run_row *run)
{
    return base_is(run->status, "failed") || base_is(run->status, "compensated") ||
           base_is(run->status, "diverged");
}

static void on_revived(void *data, enum rv_code code, int64_t id, const struct rv_error *err)
{
    struct ask *ask = data;
    world_note(ask->world, "run %" PRId64 " goes on: %s", ask->run,
               code == RV_OK ? "begun" : err->message);
    if (code == RV_OK) {
        rules_promised_revival(ask, id);
    }
}

static void revive_now(struct world *world, void *data)
{
    struct ask *ask = data;
    struct node *node = world_some_node(world);
    if (node == NULL || node->stopping || world->ending) {
        return;
    }
    const struct run_row *run = base_run(world->base, ask->tenant, ask->run);
    const struct input_row *input = base_input(world->base, ask->tenant, ask->run);
    world_enter(node);
    struct rv_principal person = clerk();
    struct rv_run_fork fork = {
        .run = run->id, .at = ask->seen, .revive = true, .reason = "it is well again"};
    if (ask->other) {
        const json_t *was = json_object_get(json_object_get(input->input, "exception"), "evidence");
        fork.input = json_pack("{s:{s:s,s:[i]}}", "evidence", "name", rv_json_str(was, "name", "?"),
                               "amounts", 100 + (int)world_below(world, 50));
    }
    rv_run_fork(node->gate, node->db, ask->tenant, &person, &fork, on_revived, ask);
    json_decref((json_t *)(uintptr_t)fork.input);
    clerk_done(&person);
    world_leave();
}

static void revive(struct world *world)
{
    const struct base_rows *runs = &world->base->tables[T_RUN];
    const struct run_row *run = NULL;
    for (int tries = 0; tries < 8 && runs->count > 0 && (run == NULL || !is_dead(run)); tries++) {
        run = runs->rows[world_below(world, runs->count)];
    }
    if (run == NULL || !is_dead(run) || world->revivals >= REVIVALS_MAX) {
        return;
    }
    int standing = 0;
    struct rv_run_fork fork = {.run = run->id, .revive = true};
    fork.at = last_good(world, run, &standing);
    bool other = standing == 0 && run->parent == 0 && world_chance(world, 400);
    fork.at = other ? 0 : fork.at;
    while (fork.at > 0 && !may_fork(world, run, &fork)) {
        fork.at--;
    }
    world->revivals++;
    for (int twice = world_chance(world, TWICE); twice >= 0; twice--) {
        struct ask *ask = ask_make(world, run->tenant, run->id, "revive");
        ask->seen = fork.at;
        ask->other = other;
        world_at(world, world->now_us + world_below(world, LOOK_MS * WORLD_MS), revive_now, ask);
    }
}

/* ---- more to spend, and runs of their own ---- */

static void on_raised(void *data, enum rv_code code, int64_t id, const struct rv_error *err)
{
    struct ask *ask = data;
    world_note(ask->world, "run %" PRId64 " may spend more: %s", ask->run,
               code == RV_OK ? "said" : err->message);
    if (code == RV_OK) {
        rules_promised_signal(ask->world, ask->tenant, ask->run, id);
    }
}

/* Nobody else lets such a run go on: they look for it. */
static bool raise_budget(struct world *world, struct node *node)
{
    const struct run_row *run = NULL;
    BASE_EACH(world->base, T_RUN, run_row, other)
    {
        run =
            base_is(other->status, "waiting") && base_is(other->waiting_on, "budget") ? other : run;
    }
    if (run == NULL) {
        return false;
    }
    struct ask *ask = ask_make(world, run->tenant, run->id, "raise");
    world_enter(node);
    struct rv_principal person = clerk();
    json_t *more = json_pack("{s:i,s:i,s:s}", "steps", 3 + (int)world_below(world, 6), "risk", 2,
                             "reason", "it is worth it");
    rv_run_raise(node->gate, node->db, run->tenant, &person, run->id, more, on_raised, ask);
    json_decref(more);
    clerk_done(&person);
    world_leave();
    return true;
}

/* Under a key of its own: each time the same run. */
static void on_begun_once(void *data, enum rv_code code, int64_t id, const json_t *claim,
                          const struct rv_error *err)
{
    struct ask *ask = data;
    (void)claim;
    world_note(ask->world, "%s: %s", ask->id, code == RV_OK ? "begun" : err->message);
    if (code != RV_OK) {
        return;
    }
    ask->run = id;
    rules_promised_run(ask, id);
    rules_once(ask);
}

static void begin_once(struct world *world, struct node *node)
{
    int number = 1 + (int)world_below(world, 2);
    int32_t tenant = 1 + (int32_t)world_below(world, world->companies);
    char key[24];
    snprintf(key, sizeof key, "once:%d", number);
    for (int twice = world_chance(world, TWICE); twice >= 0 && node != NULL; twice--) {
        world_enter(node);
        struct ask *ask = ask_make(world, tenant, 0, key);
        struct rv_principal person = clerk();
        json_t *input = json_pack("{s:s,s:i,s:{s:s,s:[i]}}", "resource", key, "seconds", number,
                                  "evidence", "name", key, "amounts", 10 * number);
        struct rv_run_begin_input begin = {
            .agent = "helper", .input = input, .priority = -1, .once = key};
        rv_run_begin_with(node->gate, node->db, tenant, &person, &begin, on_begun_once, ask);
        json_decref(input);
        clerk_done(&person);
        world_leave();
        node = other_node(world, node);
    }
}

static void on_begun(void *data, enum rv_code code, int64_t id, const json_t *claim,
                     const struct rv_error *err)
{
    struct ask *ask = data;
    (void)claim;
    world_note(ask->world, "a run for %s: %s", ask->id, code == RV_OK ? "begun" : err->message);
    if (code == RV_OK || rv_run_begun_before(code, err)) {
        rules_promised_run(ask, code == RV_OK ? id : ask->run);
    }
}

static void begin_run(struct world *world, struct node *node)
{
    if (world_chance(world, 300)) {
        begin_once(world, node);
        return;
    }
    int number = 1 + (int)world_below(world, 2);
    int32_t tenant = 1 + (int32_t)world_below(world, world->companies);
    char key[24];
    snprintf(key, sizeof key, "desk:%d", number);
    int64_t run = 0;
    for (const struct ask *one = world->asks; one != NULL && world_chance(world, 300);
         one = one->next) { /* the same again */
        if (one->tenant == tenant && strcmp(one->id, key) == 0) {
            run = one->run;
            break;
        }
    }
    if (run == 0 && world->begun++ >= BEGUN_MAX) {
        return;
    }
    world_enter(node);
    run = run != 0 ? run : rv_id_make(rv_now_us(node_clock(node)));
    struct ask *ask = ask_make(world, tenant, run, key);
    struct rv_principal person = clerk();
    json_t *input = json_pack("{s:s,s:i,s:{s:s,s:[i]}}", "resource", key, "seconds",
                              1 + (int)world_below(world, 5), "evidence", "name", key, "amounts",
                              1 + (int)world_below(world, 1000));
    struct rv_run_begin_input begin = {.agent = world_chance(world, 700) ? "asker" : "helper",
                                       .input = input,
                                       .key = key,
                                       .run = run};
    rv_run_begin_with(node->gate, node->db, tenant, &person, &begin, on_begun, ask);
    json_decref(input);
    clerk_done(&person);
    world_leave();
}

void asks_act(struct world *world, struct node *node)
{
    if (world_chance(world, 300) && raise_budget(world, node)) {
        return;
    }
    switch (world_below(world, 8)) {
    case 0:
    case 1:
    case 2: ask_update(world, node); break;
    case 3:
    case 4: ask_value(world, node); break;
    case 5:
    case 6: revive(world); break;
    default: begin_run(world, node); break;
    }
}
