/* node.c -- one process: the rooms put together as runtime/cli/node.c and cmd_serve.c do, its
 * birth, its orderly end and its sudden one. */
#include "tests/sim/whole/world.h"

#include "erp_command_sql.h"
#include "runtime/cli/writes.h"
#include "runtime/hooks/vault.h"
#include "tests/support/key_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const node_names[WORLD_NODES_MAX] = {"one", "two", "three"};

enum {
    CLOSE_MS = 10000,
    QUERY_MS = 10000,
    FIRE_LEASE_MS = 3000 /* nodes stand still for longer, and jobs last longer */
};

const struct rv_audit *node_audit;
const struct rv_hook_vault *node_vault;
static const struct rv_statement **write_order;
static const struct rv_statement **wakes;

void nodes_begin(void)
{
    char path[KEY_FILE_NAME];
    struct rv_error err = {.code = RV_OK};
    struct rv_audit *audit = NULL;
    struct rv_hook_vault *vault = NULL;
    key_file_name(path);
    RV_ASSERT(rv_audit_open(path, &audit, &err) == RV_OK);
    key_file_remove(path);
    key_file_name(path);
    RV_ASSERT(rv_hook_vault_open(path, &vault, &err) == RV_OK);
    key_file_remove(path);
    node_audit = audit;
    node_vault = vault;
    write_order = node_writes_make();
    wakes = node_wakes_make();
}

/* ---- a clock of its own ---- */

static int64_t clock_now(void *self)
{
    const struct node *node = self;
    return node->world->now_us + node->jump_us;
}

static int64_t clock_mono(void *self)
{
    const struct node *node = self;
    return node->world->now_us; /* goes on while the process is stopped, and never jumps */
}

const struct rv_clock *node_clock(const struct node *node)
{
    return &node->clock;
}

/* ---- companies come and go ---- */

struct change {
    struct node *node;
    int32_t tenant;
    int64_t epoch;
};

struct rv_ref node_orchestrator(const struct node *node, int32_t tenant)
{
    return rv_company_orchestrator(node->actors, tenant);
}

static void begin_company(void *data)
{
    struct change *change = data;
    rv_company_begin(change->node->driver, change->tenant, change->epoch);
    rv_free(change);
}

static void end_company(void *data)
{
    struct change *change = data;
    rv_company_end(change->node->driver, change->tenant);
    rv_free(change);
}

static void post_change(struct node *node, int32_t tenant, int64_t epoch, void (*run)(void *data))
{
    struct change *change = rv_alloc(sizeof *change);
    *change = (struct change){node, tenant, epoch};
    rv_loop_post(node->loop, run, change);
}

static void gained(void *data, int32_t tenant, int64_t epoch)
{
    struct node *node = data;
    node->driving[tenant] = epoch;
    world_note(node->world, "node %d drives company %d, epoch %lld", node->index, (int)tenant,
               (long long)epoch);
    rules_driving(node, tenant, epoch);
    post_change(node, tenant, epoch, begin_company);
}

static void lost(void *data, int32_t tenant)
{
    struct node *node = data;
    node->driving[tenant] = 0;
    node->lost_last = tenant;
    world_note(node->world, "node %d lets go of company %d", node->index, (int)tenant);
    post_change(node, tenant, 0, end_company);
}

/* As schedules ask. */
static bool holds(void *data, int32_t tenant)
{
    const struct node *node = data;
    return node->lease != NULL && rv_lease_epoch(node->lease, tenant) != 0;
}

/* ---- a commit may let a run go on ---- */

bool node_wake(const struct node *node, int32_t tenant)
{
    struct rv_ref ref = node_orchestrator(node, tenant);
    struct rv_message message = {.kind = RV_ORCHESTRATOR_WAKE};
    return ref.id != 0 && rv_actors_send(node->actors, ref, &message) == RV_OK;
}

/* As the committer asks. */
static bool drives(void *data, int32_t tenant)
{
    return node_orchestrator(data, tenant).id != 0;
}

static void woke(void *data, int32_t tenant)
{
    struct node *node = data;
    if (!node_wake(node, tenant) && !node->stopping) {
        cluster_committed(node, tenant);
    }
}

/* A notification; company 0: the connection was away, perhaps any. */
static void woken(void *data, int32_t tenant)
{
    const struct node *node = data;
    if (tenant != 0) {
        node_wake(node, tenant);
        return;
    }
    for (int i = 0; i < rv_lease_count(node->lease); i++) {
        node_wake(node, rv_lease_tenant(node->lease, i));
    }
}

/* ---- schedules ---- */

struct firing {
    struct node *node;
    int incarnation;
    int32_t tenant;
    int64_t fire;
    enum rv_code code;
};

static void fired(void *data)
{
    const struct firing *firing = data;
    if (firing->node->schedules != NULL) {
        rv_schedule_done(firing->node->schedules, firing->tenant, firing->fire, firing->code, NULL);
    }
}

static void job_over(struct world *world, void *data)
{
    (void)world;
    struct firing *firing = data;
    struct node *node = firing->node;
    if (node->alive && node->incarnation == firing->incarnation && node->schedules != NULL) {
        world_enter(node);
        rv_loop_post(node->loop, fired, firing);
        world_leave();
    }
}

static void end_job(struct node *node, int32_t tenant, int64_t fire, enum rv_code code,
                    int64_t wait_us)
{
    struct world *world = node->world;
    struct heap *before = heap_enter(&world->heap);
    struct firing *firing = rv_alloc(sizeof *firing);
    heap_leave(before);
    *firing = (struct firing){node, node->incarnation, tenant, fire, code};
    world_at(world, world->now_us + wait_us, job_over, firing);
}

/* The job of a schedule takes a little while, or so long that the next one is due; some fail. */
static void on_fire(void *data, int32_t tenant, const char *name, const char *action,
                    const json_t *input, int64_t fire_id)
{
    (void)action;
    (void)input;
    struct node *node = data;
    struct world *world = node->world;
    bool wild = !world_calm(world);
    int64_t most_us = wild && world_chance(world, 150) ? 15 * WORLD_SECOND : 400 * WORLD_MS;
    enum rv_code code = wild && world_chance(world, 100) ? RV_INVALID : RV_OK;
    world->tally.fires++;
    world_note(world, "node %d: company %d: schedule %s fires", node->index, (int)tenant, name);
    end_job(node, tenant, fire_id, code, world_below(world, most_us));
}

/* It obeys; what it would have answered later is ignored then.  A run is stopped for all nodes. */
static void on_stop(void *data, int32_t tenant, int64_t fire_id, const char *why)
{
    struct node *node = data;
    world_note(node->world, "node %d: company %d: a job is asked to stop: %s", node->index,
               (int)tenant, why);
    rules_stopped_fire(node->world, tenant, fire_id);
    end_job(node, tenant, fire_id, RV_CANCELED, world_below(node->world, 100 * WORLD_MS));
}

static void seal(void *data, int32_t tenant)
{
    const struct node *node = data;
    rv_audit_seal_soon(node->committer, tenant);
}

static const char *const *resolutions_of(const char *type)
{
    static const char *const all[] = {"entry.post", "case.close", NULL};
    (void)type;
    return all;
}

/* ---- birth ---- */

void node_begin(struct node *node)
{
    struct world *world = node->world;
    RV_ASSERT(!node->alive && node->heap.blocks == 0);
    struct node fresh = {.world = world, .index = node->index, .jump_us = node->jump_us};
    *node = fresh;
    node->incarnation = ++world->incarnations;
    node->clock = (struct rv_clock){.now_us = clock_now, .mono_us = clock_mono, .self = node};
    node->alive = true;
    world_note(world, "node %d begins", node->index);
    world_enter(node);
    node->loop = rv_loop_create(&node->clock);
    node->db = rv_db_create(&(struct rv_db_options){
        .loop = node->loop, .uri = "", .connections = 2, .timeout_ms = QUERY_MS});
    node->committer = rv_committer_create(
        &(struct rv_committer_options){.loop = node->loop,
                                       .database_uri = "",
                                       .write_order = write_order,
                                       .seal = rv_audit_seal,
                                       .seal_data = (void *)(uintptr_t)node_audit,
                                       .wakes = wakes,
                                       .drives = drives,
                                       .woke = woke,
                                       .wake_data = node});
    node->gate =
        rv_gate_create(&(struct rv_gate_options){.committer = node->committer, .db = node->db});
    node->approvals = rv_approvals_create(node->committer);
    model_begin(node);
    node->effects = rv_effects_create(&(struct rv_effects_options){
        .loop = node->loop, .db = node->db, .committer = node->committer, .hook_key = ""});
    node->store = rv_store_create(&(struct rv_store_options){.loop = node->loop,
                                                             .db = node->db,
                                                             .committer = node->committer,
                                                             .gate = node->gate,
                                                             .model = node->model,
                                                             .effects = node->effects,
                                                             .erp_read = &rv_sql_erp_read});
    node->room.limits = world->rooms;
    node->orchestrator = (struct rv_orchestrator_options){.loop = node->loop,
                                                          .db = node->db,
                                                          .gate = node->gate,
                                                          .approvals = node->approvals,
                                                          .room = &node->room,
                                                          .port = rv_store_port(node->store),
                                                          .watch = true,
                                                          .resolutions_of = resolutions_of,
                                                          .seal = seal,
                                                          .seal_data = node};
    node->pooled = world_chance(world, 100); /* no connection of its own to hold its lock on */
    uint64_t seed = 0;
    rv_random_secret(&seed, sizeof seed);
    node->actors = rv_actors_create(&node->loop, 1, seed);
    node->driver = rv_companies_create(&(struct rv_companies_options){
        .loop = node->loop, .actors = node->actors, .orchestrator = &node->orchestrator});
    static const int64_t retry_ms[] = {300, 1000, 2000, 3000, 3000, 3000, 3000, 3000, 3000, 3000};
    node->hooks = rv_hooks_create(&(struct rv_hooks_options){.loop = node->loop,
                                                             .db = node->db,
                                                             .vault = node_vault,
                                                             .retry_ms = retry_ms,
                                                             .retry_count = RV_COUNT(retry_ms)});
    node->schedules =
        rv_schedule_service_create(&(struct rv_schedule_options){.loop = node->loop,
                                                                 .db = node->db,
                                                                 .committer = node->committer,
                                                                 .drives = holds,
                                                                 .fire = on_fire,
                                                                 .stop = on_stop,
                                                                 .data = node,
                                                                 .database_clock = true,
                                                                 .lease_ms = FIRE_LEASE_MS});
    node->lease = rv_lease_create(&(struct rv_lease_options){.loop = node->loop,
                                                             .db = node->db,
                                                             .uri = node->pooled ? NULL : "",
                                                             .name = node_names[node->index],
                                                             .gained = gained,
                                                             .lost = lost,
                                                             .beaten = cluster_beaten,
                                                             .woken = woken,
                                                             .data = node});
    cluster_begin(node);
    world_leave();
}

/* ---- the sudden end ---- */

static void gone(struct node *node)
{
    wires_node_gone(node);
    heap_wipe(&node->heap);
    node->alive = false;
    node->paused = false;
    node->lines = NULL;
    node->line = NULL;
    node->loop = NULL;
    memset(node->driving, 0, sizeof node->driving);
}

void node_kill(struct node *node)
{
    world_note(node->world, "node %d is killed", node->index);
    node->world->tally.kills++;
    cluster_killed(node);
    gone(node);
}

/* ---- the orderly end: as cmd_serve and node_stop, each step begins when the one before is over
 * ---- */

static void after_db(void *data);
static void after_committer(void *data);
static void after_effects(void *data);
static void after_lease(void *data);
static void after_drain(void *data);
static void after_hooks(void *data);
static void after_schedules(void *data);

void node_stop(struct node *node)
{
    node->stopping = true;
    node->kill_us = node->world->now_us + CLOSE_MS * WORLD_MS;
    node->world->tally.stops++;
    world_note(node->world, "node %d is asked to stop", node->index);
    world_enter(node);
    struct rv_schedule_service *schedules = node->schedules;
    node->schedules = NULL;
    rv_schedule_service_close(schedules, after_schedules, node);
    world_leave();
}

static void after_schedules(void *data)
{
    struct node *node = data;
    rv_hooks_close(node->hooks, after_hooks, node);
}

static void after_hooks(void *data)
{
    struct node *node = data;
    cluster_leave(node);
    rv_actors_drain(node->actors, CLOSE_MS / 2, after_drain, node);
}

static void after_drain(void *data)
{
    struct node *node = data;
    memset(node->driving, 0, sizeof node->driving); /* nobody is left who could */
    rv_lease_close(node->lease, after_lease, node);
}

static void after_lease(void *data)
{
    struct node *node = data;
    node->lease = NULL;
    cluster_left(node);
    model_stop(node);
    rv_store_stop(node->store);
    rv_effects_close(node->effects, after_effects, node);
}

static void after_effects(void *data)
{
    struct node *node = data;
    rv_committer_close(node->committer, after_committer, node);
}

static void after_committer(void *data)
{
    struct node *node = data;
    rv_db_close(node->db, after_db, node);
}

static void end_process(void *data)
{
    struct node *node = data;
    rv_actors_destroy(node->actors);
    rv_companies_destroy(node->driver);
    model_end(node);
    rv_store_destroy(node->store);
    rv_approvals_destroy(node->approvals);
    rv_gate_destroy(node->gate);
    rv_loop_destroy(node->loop);
    cluster_end(node);
    node->loop = NULL;
    world_note(node->world, "node %d has stopped", node->index);
    if (node->heap.blocks != 0) {
        world_broken(node->world, "node %d left %zu pieces of memory behind after an orderly stop",
                     node->index, node->heap.blocks);
    }
    gone(node);
    world_node_stopped(node);
}

/* Everything that was posted before runs before. */
static void after_db(void *data)
{
    struct node *node = data;
    rv_loop_post(node->loop, end_process, node);
}
