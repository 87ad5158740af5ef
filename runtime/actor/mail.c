/* mail.c -- envelopes, and how messages go from core to core.
 *
 * Between two cores there is a ring of envelopes with one writer and one reader, made with the
 * first message.  A message is copied into it and out of it, so that an envelope never leaves the
 * core that made it: no allocator is shared and no line of memory wanders.  The writer publishes a
 * batch at once, and wakes the reader only when that sleeps.  When the ring is full the rest waits
 * in order at the writer, and the reader wakes it at half.
 *
 * Sleep: the reader says "not awake" and then looks once more; the writer publishes and then looks
 * whether it is awake.  Both are sequentially consistent, so one of them sees the other (Dekker).
 *
 * Threads that are no cores, and senders outside any turn, use the inbox: a list under a mutex.
 */
#include "runtime/actor/mail.h"

#include <stdlib.h>
#include <string.h>

/* ---- envelopes ---- */

void envelopes_grow(struct core *core)
{
    struct slab *slab = rv_alloc(sizeof *slab);
    slab->memory = rv_alloc_array(SLAB_ENVELOPES + 1, ENVELOPE_STRIDE);
    slab->next = core->slabs;
    core->slabs = slab;
    _Static_assert(sizeof(struct envelope) <= ENVELOPE_STRIDE, "an envelope is two cache lines");
    uintptr_t at = ((uintptr_t)slab->memory + 63) & ~(uintptr_t)63;
    for (int i = 0; i < SLAB_ENVELOPES; i++, at += ENVELOPE_STRIDE) {
        struct envelope *envelope = (struct envelope *)at; /* on lines of its own */
        envelope->next = core->free_envelopes;
        core->free_envelopes = envelope;
    }
}

void mail_drop(struct rv_message *message)
{
    if (message->payload != NULL && message->free != NULL) {
        message->free(message->payload);
    }
    message->payload = NULL;
}

void mail_clear(struct rv_message *message)
{
    mail_drop(message);
    message->call = 0;
    message->deadline_us = 0;
    message->trace = (struct rv_trace){0, 0};
}

/* ---- lifecycle ---- */

void mail_init(struct core *core)
{
    size_t cores = (size_t)core->actors->core_count;
    core->outlets = rv_alloc_array(cores, sizeof *core->outlets);
    core->inlets = rv_alloc_array(cores, sizeof *core->inlets);
    core->bell = rv_alloc(sizeof *core->bell);
    core->bell->core = core;
    RV_ASSERT(pthread_mutex_init(&core->inbox_lock, NULL) == 0);
}

static void drop_queue(struct core *core, struct queue *queue)
{
    struct envelope *envelope;
    while ((envelope = queue_pop(queue)) != NULL) {
        envelope_free(core, envelope);
    }
}

static void drop_ring(struct ring *ring)
{
    uint32_t tail = atomic_load(&ring->tail);
    for (uint32_t at = atomic_load(&ring->head); at != tail; at++) {
        struct rv_message *message = &ring->slots[at % RING_SLOTS].message;
        if (message->more != 0) {
            mail_drop(message);
        }
    }
    free(ring); /* aligned: not of rv_alloc */
}

/* After all cores have published. */
void mail_fini(struct core *core)
{
    for (int i = 0; i < core->actors->core_count; i++) {
        drop_queue(core, &core->outlets[i].waiting);
        struct ring *ring = atomic_load(&core->inlets[i]);
        if (ring != NULL) {
            drop_ring(ring);
        }
    }
    drop_queue(core, &core->later);
    struct envelope *envelope;
    while ((envelope = queue_pop(&core->inbox)) != NULL) {
        mail_drop(&envelope->message);
        rv_free(envelope);
    }
    while (core->slabs != NULL) {
        struct slab *slab = core->slabs;
        core->slabs = slab->next;
        rv_free(slab->memory);
        rv_free(slab);
    }
    rv_free(core->outlets);
    rv_free(core->inlets);
    pthread_mutex_destroy(&core->inbox_lock);
    core->bell->core = NULL;
    if (atomic_load(&core->bell->posted) == 0) {
        rv_free(core->bell);
    }
}

/* ---- waking ---- */

/* What waits in the loop's queue may outlive the core: it holds the bell, not the core. */
void core_ring(struct core *core, void (*run)(void *bell))
{
    atomic_fetch_add(&core->bell->posted, 1);
    rv_loop_post(core->loop, run, core->bell);
}

struct core *core_rung(void *data)
{
    struct bell *bell = data;
    struct core *core = bell->core;
    if (atomic_fetch_sub(&bell->posted, 1) == 1 && core == NULL) {
        rv_free(bell);
    }
    return core;
}

static void on_wake(void *data)
{
    struct core *core = core_rung(data);
    if (core != NULL) {
        if (core->real_time && (mail_from_cores(core) || mail_can_go(core)) &&
            rv_mono_us(core->clock) - core->rested_us < SPIN_GAP_US) {
            core->spins = SPIN_TRIES;
        }
        core_arm(core);
    }
}

static void wake(struct core *core)
{
    if (!atomic_load(&core->awake) && !atomic_exchange(&core->awake, true)) {
        atomic_fetch_add(&core->wakes, 1);
        core_ring(core, on_wake);
    }
}

/* ---- out ---- */

static struct ring *make_ring(struct core *from, struct core *to)
{
    struct ring *ring = aligned_alloc(64, sizeof *ring);
    RV_ASSERT(ring != NULL);
    memset(ring, 0, offsetof(struct ring, slots));
    atomic_store(&to->inlets[from->index], ring);
    return ring;
}

static bool has_room(struct outlet *outlet)
{
    if (outlet->tail - outlet->head < RING_SLOTS) {
        return true;
    }
    outlet->head = atomic_load_explicit(&outlet->ring->head, memory_order_acquire);
    return outlet->tail - outlet->head < RING_SLOTS;
}

static void put(struct outlet *outlet, struct rv_ref to, struct rv_message *message,
                enum rv_code code)
{
    struct envelope *slot = &outlet->ring->slots[outlet->tail % RING_SLOTS];
    envelope_fill(slot, to, message, message_has_more(message), code);
    outlet->tail++;
}

static void publish(struct outlet *outlet, struct core *to)
{
    if (outlet->published != outlet->tail) {
        outlet->published = outlet->tail;
        atomic_store(&outlet->ring->tail, outlet->tail);
        wake(to);
    }
}

/* True when nothing waits any more. */
static bool put_waiting(struct core *core, struct outlet *outlet)
{
    while (outlet->waiting.first != NULL && has_room(outlet)) {
        struct envelope *envelope = queue_pop(&outlet->waiting);
        put(outlet, envelope->to, &envelope->message, envelope->code);
        envelope_free(core, envelope);
    }
    return outlet->waiting.first == NULL;
}

static void flush(struct core *core, int target)
{
    struct outlet *outlet = &core->outlets[target];
    while (!put_waiting(core, outlet)) {
        publish(outlet, &core->actors->cores[target]);
        atomic_store(&outlet->ring->crowded, true); /* it will wake us; unless it has room now */
        outlet->head = atomic_load(&outlet->ring->head);
        if (!has_room(outlet)) {
            return;
        }
    }
    publish(outlet, &core->actors->cores[target]);
    core->dirty &= ~(UINT64_C(1) << target);
}

void mail_publish(struct core *core)
{
    for (uint64_t left = core->dirty; left != 0; left &= left - 1) {
        flush(core, __builtin_ctzll(left));
    }
}

void mail_post(struct core *core, struct rv_ref to, struct rv_message *message, enum rv_code code)
{
    int target = ref_core(to);
    if (target == core->index) {
        queue_push(&core->later, envelope_make(core, to, message, code));
        core_arm(core);
        return;
    }
    if (target >= core->actors->core_count) {
        mail_drop(message);
        return;
    }
    struct outlet *outlet = &core->outlets[target];
    if (outlet->ring == NULL) {
        outlet->ring = make_ring(core, &core->actors->cores[target]);
    }
    core->dirty |= UINT64_C(1) << target;
    core_arm(core); /* it publishes */
    if (outlet->waiting.first != NULL || !has_room(outlet)) {
        queue_push(&outlet->waiting, envelope_make(core, to, message, code));
        return;
    }
    put(outlet, to, message, code);
    if (outlet->tail - outlet->published >= RING_BATCH) {
        publish(outlet, &core->actors->cores[target]);
    }
}

void mail_post_foreign(struct core *to, struct rv_ref ref, struct rv_message *message)
{
    struct envelope *envelope = rv_alloc(sizeof *envelope);
    envelope_fill(envelope, ref, message, message_has_more(message), RV_OK);
    pthread_mutex_lock(&to->inbox_lock);
    queue_push(&to->inbox, envelope);
    atomic_store(&to->inbox_some, true);
    pthread_mutex_unlock(&to->inbox_lock);
    wake(to);
}

/* ---- in ---- */

static void take_inbox(struct core *core)
{
    pthread_mutex_lock(&core->inbox_lock);
    struct queue taken = core->inbox;
    core->inbox = (struct queue){.first = NULL};
    atomic_store(&core->inbox_some, false);
    pthread_mutex_unlock(&core->inbox_lock);
    struct envelope *foreign;
    while ((foreign = queue_pop(&taken)) != NULL) {
        core_deliver(core, envelope_copy(core, foreign));
        rv_free(foreign);
    }
}

static void take_ring(struct core *core, struct ring *ring, struct core *from)
{
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    while (head != tail) {
        struct envelope *slot = &ring->slots[head % RING_SLOTS];
        __builtin_prefetch(&ring->slots[(head + RING_AHEAD) % RING_SLOTS]);
        core_deliver(core, envelope_copy(core, slot));
        head++;
        if (head % RING_BATCH == 0 || head == tail) {
            atomic_store(&ring->head, head);
        }
    }
    if (atomic_load(&ring->crowded)) { /* it is empty now */
        atomic_store(&ring->crowded, false);
        wake(from);
    }
}

void mail_take(struct core *core)
{
    struct queue later = core->later;
    core->later = (struct queue){.first = NULL};
    struct envelope *envelope;
    while ((envelope = queue_pop(&later)) != NULL) {
        core_deliver(core, envelope);
    }
    for (int i = 0; i < core->actors->core_count; i++) {
        struct ring *ring = atomic_load_explicit(&core->inlets[i], memory_order_acquire);
        if (ring != NULL) {
            take_ring(core, ring, &core->actors->cores[i]);
        }
    }
    if (atomic_load(&core->inbox_some)) {
        take_inbox(core);
    }
}

bool mail_from_cores(struct core *core)
{
    for (int i = 0; i < core->actors->core_count; i++) {
        struct ring *ring = atomic_load(&core->inlets[i]);
        if (ring != NULL && atomic_load(&ring->tail) != atomic_load(&ring->head)) {
            return true;
        }
    }
    return false;
}

bool mail_has_come(struct core *core)
{
    return core->later.first != NULL || atomic_load(&core->inbox_some) || mail_from_cores(core);
}

bool mail_can_go(struct core *core)
{
    for (uint64_t left = core->dirty; left != 0; left &= left - 1) {
        struct outlet *outlet = &core->outlets[__builtin_ctzll(left)];
        outlet->head = atomic_load(&outlet->ring->head);
        if (has_room(outlet)) {
            return true;
        }
    }
    return false;
}

/* There may be room in a ring by now: the wake for it may have come too early. */
bool mail_rest(struct core *core)
{
    atomic_store(&core->awake, false);
    if (mail_has_come(core) || mail_can_go(core)) {
        atomic_store(&core->awake, true);
        return false;
    }
    return true;
}

bool mail_is_quiet(struct core *core)
{
    return core->dirty == 0 && !mail_has_come(core);
}
