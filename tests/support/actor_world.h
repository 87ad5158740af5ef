/* actor_world.h -- an actor system under a virtual clock for tests that step it by hand: nothing
 * runs but by actor_world_settle, and no time passes but by actor_world_pass.
 *
 * A test's own world has one as its first member, `base`.
 */
#ifndef REEVE_TESTS_SUPPORT_ACTOR_WORLD_H
#define REEVE_TESTS_SUPPORT_ACTOR_WORLD_H

#include "runtime/actor/actor.h"
#include "runtime/base/log.h"

enum { ACTOR_WORLD_CORES_MAX = 2 };

struct actor_world {
    struct rv_clock_virtual clock;
    struct rv_loop *loops[ACTOR_WORLD_CORES_MAX];
    struct rv_actors *actors;
    int cores;
};

static inline void actor_world_make(struct actor_world *world, int cores)
{
    rv_log_level(RV_LOG_SILENT);
    *world = (struct actor_world){.cores = cores};
    rv_clock_virtual_init(&world->clock, INT64_C(1700000000000000));
    for (int i = 0; i < cores; i++) {
        world->loops[i] = rv_loop_create(&world->clock.clock);
    }
    world->actors = rv_actors_create(world->loops, cores, 7);
}

static inline void actor_world_end(struct actor_world *world)
{
    rv_actors_destroy(world->actors);
    for (int i = 0; i < world->cores; i++) {
        rv_loop_destroy(world->loops[i]);
    }
}

/* Until nobody has anything to do. */
static inline void actor_world_settle(struct actor_world *world)
{
    for (bool some = true; some;) {
        some = false;
        for (int i = 0; i < world->cores; i++) {
            some |= rv_actors_step(world->actors, i);
        }
    }
}

static inline void actor_world_pass(struct actor_world *world, int64_t ms)
{
    world->clock.time_us += ms * 1000;
    for (int i = 0; i < world->cores; i++) {
        rv_actors_fire_due(world->actors, i);
    }
    actor_world_settle(world);
}

static inline void actor_world_post(struct actor_world *world, struct rv_ref to, uint32_t kind,
                                    int64_t number)
{
    struct rv_message message = rv_message_of(kind);
    message.body.numbers[0] = number;
    rv_actors_send(world->actors, to, &message);
}

static inline struct rv_actor_stats actor_world_stats(struct actor_world *world, int core)
{
    struct rv_actor_stats stats;
    rv_actors_stats(world->actors, core, &stats);
    return stats;
}

#endif
