/* versions.c -- people who change which version of an agent runs take: a canary, another active
 * one, open runs that go on with another.
 *
 * Every plan is there in two versions that ask the same, so each may take over the other's journal
 * (what `reeve agent` finds out by a dry replay).  It does so some time after it has read the
 * journal: the run may have gone on, ended, or be at work by then.
 */
#include "tests/sim/whole/world.h"

#include "run_sql.h"
#include "runtime/db/args.h"
#include "runtime/journal/commit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { DRY_REPLAY_MS = 1500 };

enum wish { CANARY, ACTIVATE, MIGRATE };

struct change {
    struct rv_unit unit; /* first */
    struct world *world;
    enum wish wish;
    char agent[32];
    uint8_t hash[RV_HASH_BYTES];
    int percent;
    int64_t run;
    int32_t seq;
};

static enum rv_code decide(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err)
{
    (void)err;
    const struct change *change = (const struct change *)unit;
    if (change->wish == MIGRATE) {
        struct rv_args *rows = rv_batch_rows(batch, &rv_sql_run_migrate);
        rv_args_i64(rows, 2, change->run);
        rv_args_i32(rows, 3, change->seq);
        rv_args_bytes(rows, 4, change->hash, RV_HASH_BYTES);
        rv_args_text(rows, 5, "manager");
    } else if (change->wish == CANARY) {
        struct rv_args *rows = rv_batch_rows(batch, &rv_sql_agent_canary_set);
        rv_args_text(rows, 2, change->agent);
        rv_args_bytes(rows, 3, change->hash, RV_HASH_BYTES);
        rv_args_i32(rows, 4, change->percent);
        rv_args_null(rows, 5);
        rv_args_text(rows, 6, "manager");
    } else {
        struct rv_args *rows = rv_batch_rows(batch, &rv_sql_agent_activate);
        rv_args_text(rows, 2, change->agent);
        rv_args_bytes(rows, 3, change->hash, RV_HASH_BYTES);
        rv_args_text(rows, 4, "clerk");
        rv_args_text(rows, 5, "activate");
        rv_args_text(rows, 6, "manager");
    }
    return RV_OK;
}

static void done(struct rv_unit *unit, enum rv_code code, const struct rv_error *err)
{
    struct change *change = (struct change *)unit;
    world_note(change->world, "a version of %s: %s", change->agent,
               code == RV_OK ? "changed" : err->message);
    rv_free(change);
}

static void submit(struct world *world, void *data)
{
    struct change *asked = data;
    struct node *node = &world->nodes[world_below(world, world->node_count)];
    if (node->alive && !node->stopping && !world->ending) {
        world_enter(node);
        struct change *change = rv_alloc(sizeof *change);
        *change = *asked;
        rv_commit(node->committer, &change->unit);
        world_leave();
    }
    rv_free(asked);
}

/* Another version of the agent than the one with that hash. */
static const struct plan_row *other_version(struct world *world, int32_t tenant, const char *agent,
                                            const uint8_t *hash)
{
    BASE_EACH(world->base, T_PLAN, plan_row, plan)
    {
        if (plan->tenant == tenant && strcmp(plan->agent, agent) == 0 &&
            memcmp(plan->hash, hash, RV_HASH_BYTES) != 0) {
            return plan;
        }
    }
    return NULL;
}

static int32_t last_entry(struct world *world, const struct run_row *run)
{
    int32_t last = 0;
    BASE_EACH(world->base, T_STEP, step_row, step)
    {
        last = step->run == run->id && step->seq > last ? step->seq : last;
    }
    return last;
}

/* Mostly one that is open; NULL when there is none yet. */
static const struct run_row *some_run(struct world *world)
{
    const struct base_rows *runs = &world->base->tables[T_RUN];
    const struct run_row *run = NULL;
    for (int tries = 0; tries < 4 && runs->count > 0 && (run == NULL || base_run_over(run));
         tries++) {
        run = runs->rows[world_below(world, runs->count)];
    }
    return run;
}

/* False when there is nothing to change. */
static bool choose(struct world *world, struct change *change)
{
    const struct base_rows *agents = &world->base->tables[T_AGENT];
    const struct agent_row *agent = agents->rows[world_below(world, agents->count)];
    const struct run_row *run = some_run(world);
    change->wish = world_chance(world, 600) ? MIGRATE : (enum wish)world_below(world, MIGRATE);
    change->percent = (int)world_below(world, 3) * 50;
    if (change->wish == MIGRATE && (run == NULL || base_run_over(run))) {
        return false;
    }
    bool migrates = change->wish == MIGRATE;
    const char *name = migrates ? run->agent : agent->name;
    int32_t tenant = migrates ? run->tenant : agent->tenant;
    const struct plan_row *plan =
        other_version(world, tenant, name, migrates ? run->plan : agent->hash);
    if (plan == NULL) {
        return false;
    }
    snprintf(change->agent, sizeof change->agent, "%s", name);
    memcpy(change->hash, plan->hash, RV_HASH_BYTES);
    change->run = migrates ? run->id : 0;
    change->seq = migrates ? last_entry(world, run) + 1 : 0;
    change->unit = (struct rv_unit){.tenant = tenant, .decide = decide, .done = done};
    return true;
}

void versions_change(struct world *world)
{
    struct change chosen = {.world = world};
    if (!choose(world, &chosen)) {
        return;
    }
    struct heap *before = heap_enter(&world->heap);
    struct change *change = rv_alloc(sizeof *change);
    heap_leave(before);
    *change = chosen;
    int64_t wait_us = change->wish == MIGRATE ? world_below(world, DRY_REPLAY_MS * WORLD_MS) : 0;
    world_at(world, world->now_us + wait_us, submit, change);
}
