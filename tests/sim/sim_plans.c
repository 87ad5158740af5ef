/* sim_plans.c -- reads tests/sim/plans. */
#include "tests/sim/sim_plans.h"

#include "runtime/base/check.h"
#include "runtime/lua/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SOURCE_MAX = 16 << 10 };

static struct sim_plan plans[] = {
    {.name = "chance", .weight = 10}, {.name = "saga", .weight = 3},
    {.name = "waiter", .weight = 2},  {.name = "sleeper", .weight = 2},
    {.name = "quiet", .weight = 1},   {.name = "spender", .weight = 1},
    {.name = "hurried", .weight = 1}, {.name = "insister", .weight = 1},
    {.name = "shouter", .weight = 1}, {.name = "grumbler", .weight = 1},
    {.name = "adviser", .weight = 2}, {.name = "listener", .weight = 1},
    {.name = "dated", .weight = 1},   {.name = "family", .weight = 4},
    {.name = "ping", .weight = 1},    {.name = "pong", .weight = 1},
    {.name = "deep", .weight = 1},    {.name = "boss", .weight = 2},
    {.name = "rounds", .weight = 3},  {.name = "asker", .weight = 3},
    {.name = "thrifty", .weight = 1}, {.name = "daring", .weight = 2},
    {.name = "staker", .weight = 1},  {.name = "dozer", .weight = 0},
};

static void read_plan(struct sim_plan *plan)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s.lua", SIM_PLANS_DIR, plan->name);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "sim: cannot read %s\n", path);
        exit(EXIT_FAILURE);
    }
    plan->source = rv_alloc(SOURCE_MAX);
    plan->length = fread(plan->source, 1, SOURCE_MAX - 1, file);
    fclose(file);
    plan->hash = rv_sha256(plan->source, plan->length);
    struct rv_agent *agent = NULL;
    struct rv_error err = {.code = RV_OK};
    if (rv_agent_load(plan->source, plan->length, plan->name, &agent, &err) != RV_OK) {
        fprintf(stderr, "sim: %s\n", err.message);
        exit(EXIT_FAILURE);
    }
    plan->manifest = json_incref((json_t *)(uintptr_t)rv_agent_manifest(agent));
    rv_agent_destroy(agent);
}

void sim_plans_open(void)
{
    for (size_t i = 0; i < RV_COUNT(plans); i++) {
        read_plan(&plans[i]);
    }
}

void sim_plans_close(void)
{
    for (size_t i = 0; i < RV_COUNT(plans); i++) {
        rv_free(plans[i].source);
        json_decref(plans[i].manifest);
        plans[i].manifest = NULL;
        plans[i].source = NULL;
    }
}

const struct sim_plan *sim_plan_named(const char *name)
{
    for (size_t i = 0; i < RV_COUNT(plans); i++) {
        if (strcmp(plans[i].name, name) == 0) {
            return &plans[i];
        }
    }
    return NULL;
}

const struct sim_plan *sim_plan_find(const char *name)
{
    const struct sim_plan *plan = sim_plan_named(name);
    RV_ASSERT(plan != NULL);
    return plan;
}

const struct sim_plan *sim_plan_pick(unsigned long chance)
{
    unsigned long total = 0;
    for (size_t i = 0; i < RV_COUNT(plans); i++) {
        total += (unsigned long)plans[i].weight;
    }
    chance %= total;
    size_t i = 0;
    while (chance >= (unsigned long)plans[i].weight) {
        chance -= (unsigned long)plans[i++].weight;
    }
    return &plans[i];
}
