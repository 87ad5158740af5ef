/* core.c -- one core: who is ready, what is delivered, which alarm is due.
 *
 * Everything of a core is touched by its own thread only, except the inbox (one mutex, one list) and
 * the counters.  A sender wakes a core only when no wake is on its way already.
 */
#include "runtime/actor/actor_private.h"

#include <string.h>

static void tick(void *data);
static void on_inbox(void *data);
static void on_timer(void *data);

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
    core->timer = rv_timer_create(loop, on_timer, core);
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
    rv_free(core->slots);
    rv_free(core->alarms);
    pthread_mutex_destroy(&core->inbox_lock);
}

/* What waits in the loop's queue may outlive the core: it holds the bell, not the core. */
static void ring(struct core *core, void (*run)(void *bell))
{
    atomic_fetch_add(&core->bell->posted, 1);
    rv_loop_post(core->loop, run, core->bell);
}

static struct core *rung(struct bell *bell)
{
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
    actor->ready = true;
    actor->next_ready = NULL;
    if (core->ready_last == NULL) {
        core->ready_first = actor;
    } else {
        core->ready_last->next_ready = actor;
    }
    core->ready_last = actor;
    core->ready_count++;
    if (!core->ticking) {
        core->ticking = true;
        ring(core, tick);
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

enum rv_code core_deliver(struct core *core, struct envelope *envelope)
{
    struct rv_actor *actor = core_find(core, envelope->to);
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
        ring(to, on_inbox);
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
    struct core *core = rung(data);
    if (core != NULL) {
        core_take_inbox(core);
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
    if (actor->exiting) {
        actor_end(actor, actor->exit);
    } else if (code != RV_OK) {
        actor_failed(actor, &err);
    } else if (actor->system.count > 0 || actor->mailbox.count > 0) {
        core_ready(actor);
    }
}

static struct rv_actor *take_ready(struct core *core, bool random_pick)
{
    struct rv_actor **link = &core->ready_first;
    struct rv_actor *before = NULL;
    if (random_pick && core->ready_count > 1) {
        for (uint64_t skip = rv_random_below(&core->random, (uint64_t)core->ready_count); skip > 0;
             skip--) {
            before = *link;
            link = &before->next_ready;
        }
    }
    struct rv_actor *actor = *link;
    *link = actor->next_ready;
    if (core->ready_last == actor) {
        core->ready_last = before;
    }
    core->ready_count--;
    actor->ready = false;
    actor->next_ready = NULL;
    return actor;
}

bool core_turn(struct core *core, bool random_pick)
{
    if (core->ready_count == 0) {
        return false;
    }
    turn(take_ready(core, random_pick));
    return true;
}

static void tick(void *data)
{
    struct core *core = rung(data);
    if (core == NULL) {
        return;
    }
    core->ticking = false;
    for (int n = 0; n < TICK_TURNS_MAX && core->ready_count > 0; n++) {
        core_turn(core, false);
    }
    if (core->ready_count > 0 && !core->ticking) {
        core->ticking = true;
        ring(core, tick);
    }
    core_drain_check(core);
}

/* ---- alarms: a binary heap, and one timer of the loop for its top ---- */

static bool earlier(const struct alarm *a, const struct alarm *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void sift_up(struct alarm *heap, int i)
{
    while (i > 0 && earlier(&heap[i], &heap[(i - 1) / 2])) {
        struct alarm other = heap[i];
        heap[i] = heap[(i - 1) / 2];
        heap[(i - 1) / 2] = other;
        i = (i - 1) / 2;
    }
}

static void sift_down(struct alarm *heap, int count, int i)
{
    for (;;) {
        int least = i;
        for (int child = 2 * i + 1; child <= 2 * i + 2 && child < count; child++) {
            least = earlier(&heap[child], &heap[least]) ? child : least;
        }
        if (least == i) {
            return;
        }
        struct alarm other = heap[i];
        heap[i] = heap[least];
        heap[least] = other;
        i = least;
    }
}

static void arm_timer(struct core *core)
{
    int64_t at_us = core->alarm_count > 0 ? core->alarms[0].at_us : INT64_MAX;
    if (at_us == core->timer_us) {
        return;
    }
    core->timer_us = at_us;
    if (at_us == INT64_MAX) {
        rv_timer_stop(core->timer);
        return;
    }
    int64_t wait_us = at_us - rv_mono_us(core->clock);
    rv_timer_start(core->timer, wait_us > 0 ? (wait_us + 999) / 1000 : 0);
}

void core_alarm(struct core *core, struct rv_ref ref, int64_t delay_ms, uint64_t token)
{
    if (core->alarm_count == core->alarm_capacity) {
        core->alarm_capacity = core->alarm_capacity == 0 ? 64 : core->alarm_capacity * 2;
        core->alarms =
            rv_realloc(core->alarms, (size_t)core->alarm_capacity * sizeof *core->alarms);
    }
    core->alarms[core->alarm_count] =
        (struct alarm){.at_us = rv_mono_us(core->clock) + (delay_ms > 0 ? delay_ms : 0) * 1000,
                       .order = ++core->alarm_order,
                       .ref = ref,
                       .token = token};
    sift_up(core->alarms, core->alarm_count++);
    arm_timer(core);
}

void core_alarm_cancel(struct core *core, struct rv_ref ref, uint64_t token)
{
    for (int i = 0; i < core->alarm_count; i++) {
        if (core->alarms[i].ref.id == ref.id && core->alarms[i].token == token) {
            core->alarms[i] = core->alarms[--core->alarm_count];
            if (i < core->alarm_count) {
                sift_down(core->alarms, core->alarm_count, i);
                sift_up(core->alarms, i);
            }
            break;
        }
    }
    arm_timer(core);
}

void core_fire_due(struct core *core)
{
    int64_t now_us = rv_mono_us(core->clock);
    while (core->alarm_count > 0 && core->alarms[0].at_us <= now_us) {
        struct alarm alarm = core->alarms[0];
        core->alarms[0] = core->alarms[--core->alarm_count];
        sift_down(core->alarms, core->alarm_count, 0);
        struct rv_actor *actor = core_find(core, alarm.ref);
        if (actor == NULL) {
            continue; /* it ended; its alarms die with it */
        }
        if (alarm.token == TOKEN_RESTART) {
            actor_restart_now(actor);
            continue;
        }
        struct rv_message message = {.kind = RV_MESSAGE_TIMEOUT};
        message.body.numbers[0] = (int64_t)alarm.token;
        core_deliver(core, envelope_make(alarm.ref, &message));
    }
    core->timer_us = -1; /* the loop's timer has fired or is stale */
    arm_timer(core);
}

static void on_timer(void *data)
{
    core_fire_due(data);
}

/* ---- drain ---- */

void core_drain_check(struct core *core)
{
    if (!core->draining) {
        return;
    }
    bool late = rv_mono_us(core->clock) >= core->drain_deadline_us;
    if (!late && core->ready_count > 0) {
        return;
    }
    core->draining = false;
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
