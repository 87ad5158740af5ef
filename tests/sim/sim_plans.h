/* sim_plans.h -- the Lua plans that the simulation drives: tests/sim/plans, one file each. */
#ifndef REEVE_TESTS_SIM_SIM_PLANS_H
#define REEVE_TESTS_SIM_SIM_PLANS_H

#include "runtime/base/hash.h"
#include "runtime/base/json.h"

#include <stddef.h>

struct sim_plan {
    const char *name;
    int weight; /* how often the seed picks it */
    char *source;
    size_t length;
    json_t *manifest;
    struct rv_hash hash;
};

/* Reads all plans once, before the first world; ends the program when one is missing. */
void sim_plans_open(void);
void sim_plans_close(void);
const struct sim_plan *sim_plan_named(const char *name); /* NULL: none */
const struct sim_plan *sim_plan_find(const char *name);
/* By weight; `chance` is any number. */
const struct sim_plan *sim_plan_pick(unsigned long chance);

#endif
