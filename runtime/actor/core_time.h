/* core_time.h -- what time it is on a core, without asking the clock each time. */
#ifndef REEVE_RUNTIME_ACTOR_CORE_TIME_H
#define REEVE_RUNTIME_ACTOR_CORE_TIME_H

#include "runtime/actor/actor_private.h"

/* The monotonic time, for accounts: the clock is asked again only when the processor's counter says
 * that some microseconds have gone by, which costs less than half of asking. */
static inline int64_t core_noted(struct core *core)
{
    return atomic_load_explicit(&core->now_us, memory_order_relaxed);
}

static inline int64_t core_note(struct core *core)
{
    int64_t now_us = rv_mono_us(core->clock);
    atomic_store_explicit(&core->now_us, now_us, memory_order_relaxed);
    return now_us;
}

static inline int64_t core_now(struct core *core)
{
#ifdef __x86_64__
    uint64_t counter = __builtin_ia32_rdtsc();
    if (core->real_time && counter - core->counter < CLOCK_COUNTER_STEP) {
        return core_noted(core);
    }
    core->counter = counter;
#endif
    return core_note(core);
}

#endif
