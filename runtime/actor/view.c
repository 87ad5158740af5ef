/* view.c -- see view.h. */
#include "runtime/actor/core_time.h"
#include "runtime/actor/share.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_BYTES = ENVELOPE_STRIDE };

void view_note_slow(struct core *core, const struct rv_actor *actor, int64_t took_us)
{
    core->slow_turns++;
    if (took_us >= core->slowest.took_us) {
        core->slowest =
            (struct rv_slow_turn){actor->ref, actor->behavior->name, actor->share->tenant, took_us,
                                  rv_now_us(core->clock)};
    }
}

bool rv_actors_turn_in_hand(struct rv_actors *actors, int core, struct rv_ref *ref,
                            int64_t *lasts_us)
{
    struct core *it = &actors->cores[core];
    ref->id = atomic_load(&it->turn_ref);
    *lasts_us = rv_mono_us(it->clock) - core_noted(it);
    return ref->id != 0;
}

int rv_actors_cores(const struct rv_actors *actors)
{
    return actors->core_count;
}

/* ---- the actors, the most telling ones ---- */

static bool tells_less(const struct rv_actor_view *a, const struct rv_actor_view *b)
{
    return a->waiting != b->waiting ? a->waiting < b->waiting : a->handled < b->handled;
}

static void swap(struct rv_actor_view *a, struct rv_actor_view *b)
{
    struct rv_actor_view other = *a;
    *a = *b;
    *b = other;
}

/* A heap whose top tells least: it goes when there are too many. */
static void keep(struct rv_core_view *view, const struct rv_actor_view *one)
{
    struct rv_actor_view *heap = view->actors;
    if (view->actor_count < RV_VIEW_ACTORS_MAX) {
        int i = view->actor_count++;
        heap[i] = *one;
        for (; i > 0 && tells_less(&heap[i], &heap[(i - 1) / 2]); i = (i - 1) / 2) {
            swap(&heap[i], &heap[(i - 1) / 2]);
        }
        return;
    }
    if (!tells_less(&heap[0], one)) {
        return;
    }
    heap[0] = *one;
    for (int i = 0;;) {
        int least = i;
        for (int child = 2 * i + 1; child <= 2 * i + 2 && child < view->actor_count; child++) {
            least = tells_less(&heap[child], &heap[least]) ? child : least;
        }
        if (least == i) {
            return;
        }
        swap(&heap[i], &heap[least]);
        i = least;
    }
}

static enum rv_class class_of(const struct rv_actor *actor)
{
    return actor->class == LINE_INTERACTIVE ? RV_CLASS_INTERACTIVE
           : actor->class == LINE_BATCH     ? RV_CLASS_BATCH
                                            : RV_CLASS_NORMAL;
}

static struct rv_actor_view view_of(const struct rv_actor *actor)
{
    const struct extra *extra = actor->extra;
    size_t bytes = sizeof *actor + actor->behavior->state_bytes + sizeof(struct slot) +
                   (size_t)actor->waiting * MESSAGE_BYTES;
    if (extra != NULL) {
        bytes += sizeof *extra + extra->argument_bytes +
                 (size_t)extra->restart_max * sizeof *extra->restarts_us;
    }
    struct rv_shown shown = {.bytes = 0};
    if (actor->behavior->show != NULL && actor->started) {
        actor->behavior->show(actor->state, &shown);
    }
    struct rv_actor_view view = {
        .ref = actor->ref,
        .parent = actor->parent != NULL ? actor->parent->ref : (struct rv_ref){0},
        .behavior = actor->behavior->name,
        .tenant = actor->share->tenant,
        .waiting = actor->waiting,
        .mailbox = actor->mailbox_max,
        .handled = actor->handled,
        .restarts = extra != NULL ? extra->restart_count : 0,
        .suspended = (actor->busy & BUSY_SUSPENDED) != 0,
        .passivated = (actor->before & BEFORE_LIFE) != 0,
        .bytes = (int64_t)bytes + shown.bytes,
        .class = class_of(actor),
    };
    memcpy(view.what, shown.what, sizeof view.what);
    return view;
}

static struct rv_tenant_view *tenant_view(struct rv_core_view *view, int32_t tenant)
{
    int low = 0;
    int high = view->tenant_count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (view->tenants[middle].tenant < tenant) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < view->tenant_count && view->tenants[low].tenant == tenant ? &view->tenants[low]
                                                                           : NULL;
}

static void walk(struct core *core, struct rv_core_view *view)
{
    uint32_t slot = core->view_from < core->slot_used ? core->view_from : 0;
    uint32_t visits = core->slot_used < RV_VIEW_WALK_MAX ? core->slot_used : RV_VIEW_WALK_MAX;
    for (uint32_t i = 0; i < visits; i++) {
        const struct rv_actor *actor = core_sitting(core, slot);
        if (actor != NULL) {
            struct rv_actor_view one = view_of(actor);
            struct rv_tenant_view *tenant = tenant_view(view, one.tenant);
            if (tenant != NULL) {
                tenant->waiting += one.waiting;
                tenant->bytes += one.bytes;
            }
            keep(view, &one);
        }
        slot = slot + 1 < core->slot_used ? slot + 1 : 0;
    }
    core->view_from = slot;
    view->visited = visits;
}

/* ---- the tenants ---- */

static int by_tenant(const void *a, const void *b)
{
    int32_t left = ((const struct rv_tenant_view *)a)->tenant;
    int32_t right = ((const struct rv_tenant_view *)b)->tenant;
    return (left > right) - (left < right);
}

static int by_actors(const void *a, const void *b)
{
    int left = ((const struct rv_tenant_view *)a)->actors;
    int right = ((const struct rv_tenant_view *)b)->actors;
    return (left < right) - (left > right);
}

static void look_at_tenants(const struct core *core, struct rv_core_view *view)
{
    int count = 0;
    for (int i = 0; i < SHARE_BUCKETS; i++) {
        for (const struct share *share = core->shares[i]; share != NULL;
             share = share->next_bucket) {
            count++;
        }
    }
    view->tenants = rv_alloc_array((size_t)count + 1, sizeof *view->tenants);
    for (int i = 0; i < SHARE_BUCKETS; i++) {
        for (const struct share *share = core->shares[i]; share != NULL;
             share = share->next_bucket) {
            view->tenants[view->tenant_count++] =
                (struct rv_tenant_view){.tenant = share->tenant,
                                        .weight = share->weight,
                                        .actors = share->actors,
                                        .ready = share_ready(share),
                                        .turns = share->turns};
        }
    }
    qsort(view->tenants, (size_t)count, sizeof *view->tenants, by_actors);
    view->tenant_count = count < RV_VIEW_TENANTS_MAX ? count : RV_VIEW_TENANTS_MAX;
    qsort(view->tenants, (size_t)view->tenant_count, sizeof *view->tenants, by_tenant);
}

struct rv_core_view *rv_actors_view(struct rv_actors *actors, int core)
{
    struct core *it = &actors->cores[core];
    struct rv_core_view *view = rv_alloc(sizeof *view);
    view->core = core;
    rv_actors_stats(actors, core, &view->stats);
    view->ready = it->ready_count;
    view->timers = it->alarm_count;
    view->slow_turns = it->slow_turns;
    view->slowest = it->slowest;
    for (const struct slab *slab = it->slabs; slab != NULL; slab = slab->next) {
        view->bytes += (int64_t)(SLAB_ENVELOPES + 1) * ENVELOPE_STRIDE;
    }
    view->bytes += (int64_t)(it->slot_count * sizeof *it->slots) + core_alarm_bytes(it);
    view->actors = rv_alloc_array(RV_VIEW_ACTORS_MAX, sizeof *view->actors);
    look_at_tenants(it, view);
    walk(it, view);
    view->letters = rv_alloc_array(RV_DEAD_LETTERS_KEPT, sizeof *view->letters);
    view->letter_count = rv_actors_dead_letters(actors, core, view->letters, RV_DEAD_LETTERS_KEPT);
    return view;
}

void rv_core_view_free(void *data)
{
    struct rv_core_view *view = data;
    rv_free(view->actors);
    rv_free(view->tenants);
    rv_free(view->letters);
    rv_free(view);
}

/* ---- the lookout ---- */

static enum rv_code start(struct rv_actor *self, void *state, const void *argument,
                          struct rv_error *err)
{
    (void)self;
    (void)state;
    (void)argument;
    (void)err;
    return RV_OK;
}

static enum rv_code receive(struct rv_actor *self, void *state, struct rv_message *message,
                            struct rv_error *err)
{
    (void)state;
    (void)err;
    if (message->kind == RV_LOOK) {
        struct rv_message answer = rv_message_of(RV_MESSAGE_REPLY);
        answer.payload = rv_actors_view(self->core->actors, self->core->index);
        answer.free = rv_core_view_free;
        rv_actor_reply(self, message, &answer);
    } else if (message->kind == RV_LOOK_TRACE) {
        struct rv_trace trace = {(uint64_t)message->body.numbers[0],
                                 (uint64_t)message->body.numbers[1]};
        struct rv_message answer = rv_message_of(RV_MESSAGE_REPLY);
        answer.payload = rv_actors_trace_view(self->core->actors, self->core->index, trace);
        answer.free = rv_trace_view_free;
        rv_actor_reply(self, message, &answer);
    }
    return RV_OK;
}

static const struct rv_behavior lookout = {.name = "lookout", .start = start, .receive = receive};

static void lookout_name(int core, char out[24])
{
    snprintf(out, 24, "lookout:%d", core);
}

enum rv_code rv_lookout_spawn(struct rv_actors *actors, int core, struct rv_error *err)
{
    char name[24];
    lookout_name(core, name);
    struct rv_spawn spawn = {.behavior = &lookout,
                             .overflow = RV_OVERFLOW_DROP_OLDEST, /* who asked first has left */
                             .mailbox = 64,
                             .restart = RV_RESTART_ALWAYS,
                             .name = name};
    struct rv_ref ref = {0};
    return rv_actors_spawn(actors, core, &spawn, &ref, err);
}

struct rv_ref rv_lookout_find(struct rv_actors *actors, int core)
{
    char name[24];
    lookout_name(core, name);
    return rv_actors_find(actors, name);
}
