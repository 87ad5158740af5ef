/* trace.c -- see trace.h. */
#include "runtime/actor/trace.h"

#include "runtime/actor/share.h"

#include <string.h>

/* The newest `size` of what was noted. */
struct ring_of_traced {
    struct rv_traced *entries; /* NULL before the first */
    int size;
    int64_t count;
};

struct watched {
    struct rv_trace trace;
    int64_t looked_us; /* monotonic; 0: free */
    struct ring_of_traced ring;
};

struct tracer {
    struct ring_of_traced recent;
    struct watched watched[RV_TRACE_WATCHED];
};

static bool same(struct rv_trace a, struct rv_trace b)
{
    return a.high == b.high && a.low == b.low;
}

/* ---- lifecycle ---- */

void rv_actors_trace(struct rv_actors *actors)
{
    for (int i = 0; i < actors->core_count; i++) {
        struct tracer *tracer = rv_alloc(sizeof *tracer);
        RV_ASSERT(actors->cores[i].tracer == NULL);
        tracer->recent.size = RV_TRACE_RECENT;
        actors->cores[i].tracer = tracer;
    }
}

void tracer_destroy(struct tracer *tracer)
{
    if (tracer == NULL) {
        return;
    }
    for (int i = 0; i < RV_TRACE_WATCHED; i++) {
        rv_free(tracer->watched[i].ring.entries);
    }
    rv_free(tracer->recent.entries);
    rv_free(tracer);
}

/* ---- noting ---- */

static void put(struct ring_of_traced *ring, const struct rv_traced *one)
{
    if (ring->entries == NULL) {
        ring->entries = rv_alloc_array((size_t)ring->size, sizeof *ring->entries);
    }
    ring->entries[ring->count++ % ring->size] = *one;
}

static void note(struct core *core, const struct rv_traced *one)
{
    struct tracer *tracer = core->tracer;
    put(&tracer->recent, one);
    for (int i = 0; i < RV_TRACE_WATCHED; i++) {
        struct watched *watched = &tracer->watched[i];
        if (watched->looked_us != 0 && same(watched->trace, one->trace)) {
            put(&watched->ring, one);
        }
    }
}

static struct rv_traced entry_of(struct core *core, const struct envelope *envelope)
{
    int64_t waited_us = rv_mono_us(core->clock) - envelope->queued_us;
    return (struct rv_traced){.trace = core->trace,
                              .at_us = rv_now_us(core->clock),
                              .waited_us = waited_us > 0 ? waited_us : 0,
                              .to = envelope->to,
                              .from = envelope->message.from,
                              .kind = envelope->message.kind};
}

enum rv_code trace_receive(struct rv_actor *actor, struct envelope *envelope, struct rv_error *err)
{
    struct core *core = actor->core;
    const struct rv_behavior *behavior = actor->behavior;
    struct rv_traced one = entry_of(core, envelope);
    int64_t before_us = rv_mono_us(core->clock);
    one.actor = behavior->name;
    one.tenant = actor->share->tenant;
    one.what = behavior->name_of != NULL ? behavior->name_of(&envelope->message) : NULL;
    one.code = behavior->receive(actor, actor->state, &envelope->message, err);
    one.took_us = rv_mono_us(core->clock) - before_us;
    note(core, &one);
    return one.code;
}

void trace_system(struct rv_actor *actor, const struct envelope *envelope)
{
    struct rv_traced one = entry_of(actor->core, envelope);
    one.actor = actor->behavior->name;
    one.tenant = actor->share->tenant;
    note(actor->core, &one);
}

void trace_dead(struct core *core, const struct envelope *envelope, const struct rv_actor *to,
                const char *reason)
{
    struct rv_traced one = entry_of(core, envelope);
    one.trace = envelope->message.trace;
    one.actor = to != NULL ? to->behavior->name : NULL;
    one.tenant = to != NULL ? to->share->tenant : 0;
    one.what = reason;
    one.dead = true;
    note(core, &one);
}

/* ---- looking ---- */

static struct watched *watch(struct tracer *tracer, struct rv_trace trace, int64_t now_us)
{
    struct watched *oldest = &tracer->watched[0];
    for (int i = 0; i < RV_TRACE_WATCHED; i++) {
        struct watched *watched = &tracer->watched[i];
        if (watched->looked_us != 0 && same(watched->trace, trace)) {
            return watched;
        }
        if (watched->looked_us != 0 &&
            now_us - watched->looked_us > (int64_t)RV_TRACE_WATCH_MS * 1000) {
            watched->looked_us = 0;
        }
        oldest = watched->looked_us < oldest->looked_us ? watched : oldest;
    }
    rv_free(oldest->ring.entries);
    *oldest = (struct watched){.trace = trace, .ring.size = RV_TRACE_KEPT};
    const struct ring_of_traced *recent = &tracer->recent;
    int64_t first = recent->count > recent->size ? recent->count - recent->size : 0;
    for (int64_t i = first; i < recent->count; i++) {
        const struct rv_traced *one = &recent->entries[i % recent->size];
        if (same(one->trace, trace)) {
            put(&oldest->ring, one);
        }
    }
    return oldest;
}

struct rv_trace_view *rv_actors_trace_view(struct rv_actors *actors, int core,
                                           struct rv_trace trace)
{
    struct core *it = &actors->cores[core];
    struct rv_trace_view *view = rv_alloc(sizeof *view);
    view->core = core;
    if (it->tracer == NULL) {
        return view;
    }
    int64_t now_us = rv_mono_us(it->clock);
    struct watched *watched = watch(it->tracer, trace, now_us);
    const struct ring_of_traced *ring = &watched->ring;
    watched->looked_us = now_us > 0 ? now_us : 1;
    view->seen = ring->count;
    view->count = (int)(ring->count < ring->size ? ring->count : ring->size);
    view->messages = rv_alloc_array((size_t)view->count + 1, sizeof *view->messages);
    for (int i = 0; i < view->count; i++) {
        view->messages[i] = ring->entries[(ring->count - view->count + i) % ring->size];
    }
    return view;
}

void rv_trace_view_free(void *data)
{
    struct rv_trace_view *view = data;
    rv_free(view->messages);
    rv_free(view);
}
