/* core.c -- one core: what is delivered, and the turn of an actor.
 *
 * Everything of a core is touched by its own thread only, except the inbox (one mutex, one list) and
 * the counters.  A sender wakes a core only when no wake is on its way already.
 */
#include "runtime/actor/actor_private.h"

#include <string.h>

static void tick(void *data);
static void on_inbox(void *data);

/* ---- queues ---- */

void queue_push(struct queue *queue, struct envelope *envelope)
{
    envelope->next = NULL;
    if (queue->last == NULL) {
        queue->first = envelope;
    } else {
        queue->last->next = envelope;
    }
    queue->last = envelope;
    queue->count++;
}

struct envelope *queue_pop(struct queue *queue)
{
    struct envelope *envelope = queue->first;
    if (envelope != NULL) {
        queue->first = envelope->next;
        queue->last = queue->first == NULL ? NULL : queue->last;
        queue->count--;
    }
    return envelope;
}

struct envelope *envelope_make(struct rv_ref to, struct rv_message *message)
{
    struct envelope *envelope = rv_alloc(sizeof *envelope);
    envelope->message = *message;
    envelope->to = to;
    message->payload = NULL; /* moved */
    return envelope;
}

void envelope_free(struct envelope *envelope)
{
    if (envelope->message.payload != NULL && envelope->message.free != NULL) {
        envelope->message.free(envelope->message.payload);
    }
    rv_free(envelope);
}

/* ---- lifecycle ---- */

void core_init(struct core *core, struct rv_actors *actors, int index, struct rv_loop *loop,
               uint64_t seed)
{
    core->actors = actors;
    core->index = index;
    core->loop = loop;
    core->clock = rv_loop_clock(loop);
    core->free_slot = UINT32_MAX;
    core->random.state = seed + (uint64_t)index;
    core->bell = rv_alloc(sizeof *core->bell);
    core->bell->core = core;
    core->timer = rv_timer_create(loop, core_on_timer, core);
    core->timer_us = INT64_MAX;
    RV_ASSERT(pthread_mutex_init(&core->inbox_lock, NULL) == 0);
}

void core_fini(struct core *core)
{
    struct envelope *envelope;
    while ((envelope = queue_pop(&core->inbox)) != NULL) {
        envelope_free(envelope);
    }
    rv_timer_close(core->timer);
    core->bell->core = NULL;
    if (atomic_load(&core->bell->posted) == 0) {
        rv_free(core->bell);
    }
    shares_fini(core);
    rv_free(core->slots);
    rv_free(core->alarms);
    pthread_mutex_destroy(&core->inbox_lock);
}

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

/* ---- seats: a reference is core, generation, slot ---- */

static struct rv_ref make_ref(const struct core *core, uint32_t slot)
{
    return (struct rv_ref){((uint64_t)core->index << 56) |
                           ((uint64_t)(core->slots[slot].generation & 0xFFFFFF) << 32) | slot};
}

struct rv_ref core_seat(struct core *core, struct rv_actor *actor)
{
    if (core->free_slot == UINT32_MAX) {
        uint32_t old = core->slot_count;
        uint32_t count = old == 0 ? 64 : old * 2;
        core->slots = rv_realloc(core->slots, count * sizeof *core->slots);
        for (uint32_t i = old; i < count; i++) {
            core->slots[i] = (struct slot){
                .generation = 1, .next_free = i + 1 < count ? i + 1 : UINT32_MAX};
        }
        core->free_slot = old;
        core->slot_count = count;
    }
    uint32_t slot = core->free_slot;
    core->free_slot = core->slots[slot].next_free;
    core->slots[slot].actor = actor;
    atomic_fetch_add(&core->live, 1);
    atomic_fetch_add(&core->spawned, 1);
    return make_ref(core, slot);
}

void core_unseat(struct core *core, struct rv_actor *actor)
{
    uint32_t slot = (uint32_t)actor->ref.id;
    RV_ASSERT(core->slots[slot].actor == actor);
    core->slots[slot].actor = NULL;
    core->slots[slot].generation = (core->slots[slot].generation + 1) & 0xFFFFFF;
    if (core->slots[slot].generation == 0) {
        core->slots[slot].generation = 1; /* so that no reference is ever 0 */
    }
    core->slots[slot].next_free = core->free_slot;
    core->free_slot = slot;
    atomic_fetch_sub(&core->live, 1);
}

struct rv_actor *core_find(struct core *core, struct rv_ref ref)
{
    uint32_t slot = (uint32_t)ref.id;
    if (ref_core(ref) != core->index || slot >= core->slot_count ||
        core->slots[slot].actor == NULL || make_ref(core, slot).id != ref.id) {
        return NULL;
    }
    return core->slots[slot].actor;
}

/* ---- delivery ---- */

void core_dead_letter(struct core *core, struct envelope *envelope, const char *reason)
{
    struct rv_dead_letter *letter =
        &core->dead_letters[core->dead_count++ % RV_DEAD_LETTERS_KEPT];
    *letter = (struct rv_dead_letter){.to = envelope->to,
                                      .from = envelope->message.from,
                                      .kind = envelope->message.kind,
                                      .at_us = rv_now_us(core->clock),
                                      .reason = reason};
    atomic_fetch_add(&core->dead, 1);
    if (envelope->message.call != 0 && envelope->message.kind != RV_MESSAGE_REPLY) {
        struct rv_message reply = {.kind = RV_MESSAGE_REPLY,
                                   .from = envelope->to,
                                   .call = envelope->message.call};
        struct envelope *back = envelope_make(envelope->message.from, &reply);
        back->code = RV_UNAVAILABLE; /* whoever asked hears at once that nobody will answer */
        core_post_remote(core, back);
    }
    envelope_free(envelope);
}

void core_ready(struct rv_actor *actor)
{
    struct core *core = actor->core;
    if (actor->ready || actor->suspended || actor->in_turn) {
        return;
    }
    share_put(actor);
    if (!core->ticking) {
        core->ticking = true;
        core_ring(core, tick);
    }
}

static enum rv_code overflow(struct core *core, struct rv_actor *actor, struct envelope *envelope)
{
    switch (actor->spawn.overflow) {
    case RV_OVERFLOW_DROP_OLDEST:
        core_dead_letter(core, queue_pop(&actor->mailbox), "dropped oldest");
        return RV_OK;
    case RV_OVERFLOW_SPILL:
        if (actor->mailbox.count < RV_MAILBOX_SPILL_MAX) {
            atomic_fetch_add(&core->spilled, 1);
            return RV_OK;
        }
        break;
    case RV_OVERFLOW_REFUSE:
        break;
    }
    atomic_fetch_add(&core->refused, 1);
    core_dead_letter(core, envelope, "mailbox full");
    return RV_LIMIT;
}

/* Somebody wants to hear when `actor` ends; when it has already, it hears at once. */
static enum rv_code watch(struct core *core, struct rv_actor *actor, struct envelope *envelope)
{
    if (actor != NULL) {
        struct watcher *entry = rv_alloc(sizeof *entry);
        *entry = (struct watcher){.next = actor->watchers, .ref = envelope->message.from};
        actor->watchers = entry;
    } else {
        struct rv_message down = {.kind = RV_MESSAGE_DOWN, .from = envelope->to};
        down.body.numbers[0] = RV_EXIT_UNKNOWN;
        core_post_remote(core, envelope_make(envelope->message.from, &down));
    }
    envelope_free(envelope);
    return RV_OK;
}

enum rv_code core_deliver(struct core *core, struct envelope *envelope)
{
    struct rv_actor *actor = core_find(core, envelope->to);
    if (envelope->message.kind == MESSAGE_WATCH) {
        return watch(core, actor, envelope);
    }
    if (actor == NULL || actor->exiting) {
        core_dead_letter(core, envelope, "no such actor");
        return RV_NOT_FOUND;
    }
    if (envelope->message.kind < RV_MESSAGE_USER) {
        queue_push(&actor->system, envelope);
    } else {
        if (actor->mailbox.count >= actor->spawn.mailbox) {
            enum rv_code code = overflow(core, actor, envelope);
            if (code != RV_OK) {
                return code;
            }
        }
        queue_push(&actor->mailbox, envelope);
        if (actor->mailbox.count > atomic_load(&core->longest_mailbox)) {
            atomic_store(&core->longest_mailbox, actor->mailbox.count);
        }
    }
    core_ready(actor);
    return RV_OK;
}

/* Any thread: to the core that owns the receiver. */
void core_post_remote(struct core *core, struct envelope *envelope)
{
    struct rv_actors *actors = core->actors;
    int target = ref_core(envelope->to);
    if (target >= actors->core_count) {
        envelope_free(envelope);
        return;
    }
    struct core *to = &actors->cores[target];
    pthread_mutex_lock(&to->inbox_lock);
    queue_push(&to->inbox, envelope);
    pthread_mutex_unlock(&to->inbox_lock);
    if (!atomic_exchange(&to->inbox_posted, true)) {
        atomic_fetch_add(&to->wakes, 1);
        core_ring(to, on_inbox);
    }
}

void core_take_inbox(struct core *core)
{
    atomic_store(&core->inbox_posted, false); /* before taking: a later sender wakes again */
    pthread_mutex_lock(&core->inbox_lock);
    struct queue taken = core->inbox;
    core->inbox = (struct queue){.first = NULL};
    pthread_mutex_unlock(&core->inbox_lock);
    struct envelope *envelope;
    while ((envelope = queue_pop(&taken)) != NULL) {
        core_deliver(core, envelope);
    }
}

static void on_inbox(void *data)
{
    struct core *core = core_rung(data);
    if (core != NULL) {
        core_take_inbox(core);
        core_drain_check(core);
    }
}

/* ---- turns ---- */

static void answer_call(struct rv_actor *actor, uint64_t id, enum rv_code code,
                        struct rv_message *reply)
{
    for (struct call **link = &actor->calls; *link != NULL; link = &(*link)->next) {
        struct call *call = *link;
        if (call->id == id) {
            *link = call->next;
            core_alarm_cancel(actor->core, actor->ref, TOKEN_CALL | id);
            call->answered(actor, actor->state, code, reply);
            rv_free(call);
            return;
        }
    }
}

static void passivate_if_idle(struct rv_actor *actor)
{
    int64_t idle_us = rv_mono_us(actor->core->clock) - actor->active_us;
    int64_t limit_us = actor->spawn.passivate_ms * 1000;
    if (idle_us >= limit_us && actor->mailbox.count == 0 && actor->calls == NULL) {
        actor->exiting = true;
        actor->exit = RV_EXIT_PASSIVATED;
    } else {
        core_alarm(actor->core, actor->ref, (limit_us - idle_us) / 1000 + 1, TOKEN_PASSIVATE);
    }
}

static bool handle_system(struct rv_actor *actor, struct envelope *envelope)
{
    struct rv_message *message = &envelope->message;
    if (message->kind == RV_MESSAGE_STOP) {
        actor->exiting = true;
        actor->told_to_stop = true;
        actor->exit = RV_EXIT_NORMAL;
        return true;
    }
    if (message->kind == RV_MESSAGE_REPLY) {
        answer_call(actor, message->call, envelope->code, message);
        return true;
    }
    if (message->kind == RV_MESSAGE_TIMEOUT) {
        uint64_t token = (uint64_t)message->body.numbers[0];
        if (token == TOKEN_PASSIVATE) {
            passivate_if_idle(actor);
            return true;
        }
        if ((token & TOKEN_CALL) == TOKEN_CALL) {
            answer_call(actor, token & ~TOKEN_CALL, RV_TIMEOUT, NULL);
            return true;
        }
    }
    return false;
}

static enum rv_code handle(struct rv_actor *actor, struct envelope *envelope, struct rv_error *err)
{
    struct rv_message *message = &envelope->message;
    bool system = message->kind < RV_MESSAGE_USER;
    if (system && handle_system(actor, envelope)) {
        return RV_OK;
    }
    actor->active_us = rv_mono_us(actor->core->clock);
    actor->trace = message->trace;
    if (message->call != 0) {
        actor_owes(actor, message);
    }
    enum rv_code code = actor->spawn.behavior->receive(actor, actor->state, message, err);
    actor->trace = 0;
    atomic_fetch_add(&actor->core->messages, 1);
    return code;
}

static struct envelope *next_message(struct rv_actor *actor)
{
    struct core *core = actor->core;
    struct envelope *envelope = queue_pop(&actor->system);
    while (envelope == NULL && actor->mailbox.count > 0) {
        envelope = queue_pop(&actor->mailbox);
        int64_t deadline_us = envelope->message.deadline_us;
        if (deadline_us != 0 && rv_mono_us(core->clock) > deadline_us) {
            core_dead_letter(core, envelope, "expired");
            envelope = NULL;
        }
    }
    return envelope;
}

static void turn(struct rv_actor *actor)
{
    struct core *core = actor->core;
    int64_t start_us = rv_mono_us(core->clock);
    struct rv_error err = {.code = RV_OK};
    enum rv_code code = RV_OK;
    actor->in_turn = true;
    for (int n = 0; n < RV_TURN_MESSAGES_MAX && !actor->exiting && code == RV_OK; n++) {
        struct envelope *envelope = next_message(actor);
        if (envelope == NULL) {
            break;
        }
        code = handle(actor, envelope, &err);
        envelope_free(envelope);
        if (rv_mono_us(core->clock) - start_us > RV_TURN_US_MAX) {
            break;
        }
    }
    actor->in_turn = false;
    atomic_fetch_add(&core->turns, 1);
    share_charge(actor->share, rv_mono_us(core->clock) - start_us);
    if (actor->exiting) {
        actor_left(actor);
    } else if (code != RV_OK) {
        actor_failed(actor, &err);
    } else if (actor->system.count > 0 || actor->mailbox.count > 0) {
        core_ready(actor);
    }
}

bool core_turn(struct core *core, bool random_pick)
{
    struct rv_actor *actor = share_take(core, random_pick);
    if (actor != NULL) {
        turn(actor);
    }
    return actor != NULL;
}

static void tick(void *data)
{
    struct core *core = core_rung(data);
    if (core == NULL) {
        return;
    }
    core->ticking = false;
    for (int n = 0; n < TICK_TURNS_MAX && core->ready_count > 0; n++) {
        core_turn(core, false);
    }
    if (core->ready_count > 0 && !core->ticking) {
        core->ticking = true;
        core_ring(core, tick);
    }
    core_drain_check(core);
}

/* ---- drain ---- */

void core_drain_check(struct core *core)
{
    if (!core->draining) {
        return;
    }
    pthread_mutex_lock(&core->inbox_lock);
    bool quiet = core->inbox.count == 0 && core->ready_count == 0;
    pthread_mutex_unlock(&core->inbox_lock);
    if (!quiet && rv_mono_us(core->clock) < core->drain_deadline_us) {
        return;
    }
    core->draining = false;
    core->closed = true;
    for (uint32_t i = 0; i < core->slot_count; i++) {
        struct rv_actor *actor = core->slots[i].actor;
        if (actor != NULL && !actor->in_turn) {
            actor_end(actor, RV_EXIT_NORMAL);
        }
    }
    struct rv_actors *actors = core->actors;
    if (atomic_fetch_sub(&actors->draining_cores, 1) == 1 && actors->drained != NULL) {
        rv_loop_post(actors->cores[0].loop, actors->drained, actors->drained_data);
    }
}
