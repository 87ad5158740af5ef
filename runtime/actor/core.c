/* core.c -- one core: who sits where, what is delivered, and the turn of an actor.
 *
 * A tick takes the mail, gives turns, publishes what was sent, and while there is more goes on for
 * TICK_US_MAX; then the loop looks at its other work.  Without anything to do the core sleeps and
 * costs nothing.  A core whose sleeps turn out too short to pay looks for mail a little longer
 * first (SPIN_US), until SPIN_TRIES such looks were in vain.
 */
#include "runtime/actor/mail.h"

#include <string.h>

static void tick(void *data);

/* ---- lifecycle ---- */

void core_init(struct core *core, struct rv_actors *actors, int index, struct rv_loop *loop,
               uint64_t seed)
{
    core->actors = actors;
    core->index = index;
    core->loop = loop;
    core->clock = rv_loop_clock(loop);
    core->real_time = core->clock == rv_clock_system();
    core_note(core);
    core->free_slot = UINT32_MAX;
    core->random.state = seed + (uint64_t)index;
    core->ticker = rv_idle_create(loop, tick, core);
    core->timer = rv_timer_create(loop, core_on_timer, core);
    core->timer_us = INT64_MAX;
    mail_init(core);
}

void core_fini(struct core *core)
{
    mail_fini(core);
    rv_timer_close(core->timer);
    rv_idle_close(core->ticker);
    shares_fini(core);
    rv_free(core->slots);
    rv_free(core->alarms);
}

/* ---- seats: a reference is core, generation, slot ---- */

static struct rv_ref make_ref(const struct core *core, uint32_t slot)
{
    return (struct rv_ref){((uint64_t)core->index << 56) |
                           ((uint64_t)(core->slots[slot].generation & 0xFFFFFF) << 32) | slot};
}

struct rv_ref core_seat(struct core *core, struct rv_actor *actor)
{
    uint32_t slot = core->free_slot;
    if (slot != UINT32_MAX) {
        core->free_slot = core->slots[slot].is.next_free;
    } else {
        if (core->slot_used == core->slot_count) {
            core->slot_count = core->slot_count == 0 ? 64 : core->slot_count * 2;
            core->slots = rv_realloc(core->slots, core->slot_count * sizeof *core->slots);
        }
        slot = core->slot_used++;
        core->slots[slot].generation = 1;
    }
    core->slots[slot].is.actor = actor;
    core->slots[slot].taken = true;
    bump(&core->live, 1);
    bump(&core->spawned, 1);
    return make_ref(core, slot);
}

void core_unseat(struct core *core, struct rv_actor *actor)
{
    uint32_t slot = (uint32_t)actor->ref.id;
    RV_ASSERT(core->slots[slot].taken && core->slots[slot].is.actor == actor);
    core->slots[slot].taken = false;
    core->slots[slot].generation = (core->slots[slot].generation + 1) & 0xFFFFFF;
    if (core->slots[slot].generation == 0) {
        core->slots[slot].generation = 1; /* so that no reference is ever 0 */
    }
    core->slots[slot].is.next_free = core->free_slot;
    core->free_slot = slot;
    bump(&core->live, -1);
}

struct rv_actor *core_find(struct core *core, struct rv_ref ref)
{
    uint32_t slot = (uint32_t)ref.id;
    if (ref_core(ref) != core->index || slot >= core->slot_used || !core->slots[slot].taken ||
        make_ref(core, slot).id != ref.id) {
        return NULL;
    }
    return core->slots[slot].is.actor;
}

/* ---- delivery ---- */

void core_dead_letter(struct core *core, struct envelope *envelope, const char *reason)
{
    struct rv_dead_letter *letter = &core->dead_letters[core->dead_count++ % RV_DEAD_LETTERS_KEPT];
    const struct rv_actor *whose = core_find(core, envelope->to);
    whose = whose != NULL ? whose : core_find(core, envelope->message.from);
    *letter = (struct rv_dead_letter){.to = envelope->to,
                                      .from = envelope->message.from,
                                      .kind = envelope->message.kind,
                                      .at_us = rv_now_us(core->clock),
                                      .tenant = whose != NULL ? whose->share->tenant : 0,
                                      .behavior = whose != NULL ? whose->behavior->name : NULL,
                                      .reason = reason};
    bump(&core->dead, 1);
    if (envelope->message.call != 0 && envelope->message.kind != RV_MESSAGE_REPLY) {
        struct rv_message reply = {
            .kind = RV_MESSAGE_REPLY, .from = envelope->to, .call = envelope->message.call};
        /* whoever asked hears at once that nobody will answer */
        mail_post(core, envelope->message.from, &reply, RV_UNAVAILABLE);
    }
    envelope_free(core, envelope);
}

void core_arm(struct core *core)
{
    if (!core->ticking) {
        core->ticking = true;
        atomic_store(&core->awake, true);
        rv_idle_start(core->ticker);
    }
}

void core_ready(struct rv_actor *actor)
{
    if (actor->ready || actor->suspended || actor->in_turn) {
        return;
    }
    share_put(actor);
    core_arm(actor->core);
}

static enum rv_code overflow(struct core *core, struct rv_actor *actor, struct envelope *envelope)
{
    switch (actor->overflow) {
    case RV_OVERFLOW_DROP_OLDEST:
        core_dead_letter(core, queue_pop(&actor->mailbox), "dropped oldest");
        actor->waiting--;
        return RV_OK;
    case RV_OVERFLOW_SPILL:
        if (actor->waiting < RV_MAILBOX_SPILL_MAX) {
            bump(&core->spilled, 1);
            return RV_OK;
        }
        break;
    case RV_OVERFLOW_REFUSE: break;
    }
    bump(&core->refused, 1);
    core_dead_letter(core, envelope, "mailbox full");
    return RV_LIMIT;
}

/* Somebody wants to hear when `actor` ends; when it has already, it hears at once. */
static enum rv_code watch(struct core *core, struct rv_actor *actor, struct envelope *envelope)
{
    if (actor != NULL) {
        struct watcher *entry = rv_alloc(sizeof *entry);
        struct extra *extra = actor_extra(actor);
        *entry = (struct watcher){.next = extra->watchers, .ref = envelope->message.from};
        extra->watchers = entry;
    } else {
        struct rv_message down = {.kind = RV_MESSAGE_DOWN, .from = envelope->to};
        down.body.numbers[0] = RV_EXIT_UNKNOWN;
        mail_post(core, envelope->message.from, &down, RV_OK);
    }
    envelope_free(core, envelope);
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
        if (actor->waiting >= actor->mailbox_max) {
            enum rv_code code = overflow(core, actor, envelope);
            if (code != RV_OK) {
                return code;
            }
        }
        queue_push(&actor->mailbox, envelope);
        actor->waiting++;
        if (actor->waiting > atomic_load_explicit(&core->longest_mailbox, memory_order_relaxed)) {
            atomic_store_explicit(&core->longest_mailbox, actor->waiting, memory_order_relaxed);
        }
    }
    core_ready(actor);
    return RV_OK;
}

/* ---- turns ---- */

static void answer_call(struct rv_actor *actor, uint64_t id, enum rv_code code,
                        struct rv_message *reply)
{
    if (actor->extra == NULL) {
        return;
    }
    for (struct call **link = &actor->extra->calls; *link != NULL; link = &(*link)->next) {
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
    int64_t idle_us = rv_mono_us(actor->core->clock) - actor->extra->active_us;
    int64_t limit_us = actor->extra->passivate_ms * 1000;
    if (idle_us >= limit_us && actor->waiting == 0 && actor->extra->calls == NULL) {
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
    struct core *core = actor->core;
    if (actor->passivates) {
        actor->extra->active_us = core_noted(core);
    }
    core->trace = message->trace;
    if (message->call != 0) {
        actor_owes(actor, message);
    }
    enum rv_code code = actor->behavior->receive(actor, actor->state, message, err);
    core->trace = 0;
    actor->handled++;
    bump(&core->messages, 1);
    return code;
}

static struct envelope *next_message(struct rv_actor *actor)
{
    struct core *core = actor->core;
    struct envelope *envelope = queue_pop(&actor->system);
    while (envelope == NULL && actor->waiting > 0) {
        envelope = queue_pop(&actor->mailbox);
        actor->waiting--;
        int64_t deadline_us = envelope->message.deadline_us;
        if (deadline_us != 0 && rv_mono_us(core->clock) > deadline_us) {
            core_dead_letter(core, envelope, "expired");
            envelope = NULL;
        }
    }
    return envelope;
}

static bool has_messages(const struct rv_actor *actor)
{
    return actor->waiting > 0 || actor->system.first != NULL;
}

/* Messages until it has had its share; the clock is looked at after each that may have been long:
 * the first, every TURN_LOOKSth, and all once one of them was. */
static enum rv_code handle_some(struct rv_actor *actor, int64_t start_us, struct rv_error *err)
{
    struct core *core = actor->core;
    bool quick = true;
    for (int n = 0; n < RV_TURN_MESSAGES_MAX; n++) {
        struct envelope *envelope = next_message(actor);
        if (envelope == NULL) {
            break;
        }
        enum rv_code code = handle(actor, envelope, err);
        envelope_free(core, envelope);
        if (code != RV_OK || actor->exiting || !has_messages(actor)) {
            return code;
        }
        if (!quick || n % TURN_LOOKS == 0) {
            int64_t before_us = core_noted(core);
            quick = core_now(core) - before_us <= TURN_LOOKS;
            if (core_noted(core) - start_us > RV_TURN_US_MAX) {
                break;
            }
        }
    }
    return RV_OK;
}

/* A tenant that has the core alone takes time from nobody: while its turns are quick the clock is
 * looked at after some of them only, and they are charged together. */
static void charge(struct core *core, const struct rv_actor *actor, int64_t start_us)
{
    struct share *share = actor->share;
    share->turns++;
    bool alone = core->ring_count == 1 && core->ring_first == share;
    if (alone && core->quick && core->real_time && ++core->unseen < TURNS_UNSEEN) {
        share_charge(share, 0);
        return;
    }
    int64_t took_us = core_now(core) - start_us;
    core->quick = took_us <= TURNS_UNSEEN;
    core->unseen = 0;
    share_charge(share, took_us);
    if (took_us > TURN_SLOW_US) {
        view_note_slow(core, actor, took_us);
    }
}

/* Begins where core->now_us stands: at the end of the turn before it. */
static void turn(struct rv_actor *actor)
{
    struct core *core = actor->core;
    int64_t start_us = core_noted(core);
    atomic_store_explicit(&core->turn_ref, actor->ref.id, memory_order_relaxed);
    actor->in_turn = true;
    enum rv_code code = handle_some(actor, start_us, &core->err);
    actor->in_turn = false;
    bump(&core->turns, 1);
    charge(core, actor, start_us);
    if (actor->exiting) {
        actor_left(actor);
    } else if (code != RV_OK) {
        actor_failed(actor, &core->err);
    } else if (has_messages(actor)) {
        core_ready(actor);
    }
    if (code != RV_OK || core->err.code != RV_OK) {
        core->err = (struct rv_error){.code = RV_OK};
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

/* More to do within this tick: somebody is ready, or mail comes while we look for it. */
static bool goes_on(struct core *core)
{
    if (core->ready_count > 0 || mail_has_come(core)) {
        return true;
    }
    if (core->spins == 0) {
        return false;
    }
    int64_t until_us = core_now(core) + SPIN_US;
    while (core_now(core) < until_us) {
        if (mail_has_come(core)) {
            return true;
        }
#ifdef __x86_64__
        __builtin_ia32_pause();
#endif
    }
    core->spins--;
    return false;
}

static void tick(void *data)
{
    struct core *core = data;
    core_note(core);
    int64_t end_us = core_noted(core) + TICK_US_MAX;
    bool more = true;
    for (int n = 0; more && n < TICK_TURNS_MAX && core_noted(core) < end_us;) {
        mail_take(core);
        do {
            n++;
        } while (core_turn(core, false) && n < TICK_TURNS_MAX && core_noted(core) < end_us);
        mail_publish(core);
        more = goes_on(core);
    }
    atomic_store_explicit(&core->turn_ref, 0, memory_order_relaxed);
    core_drain_check(core);
    if (!more && core->ready_count == 0 && core->ticking && mail_rest(core)) {
        core->ticking = false;
        core->rested_us = rv_mono_us(core->clock);
        rv_idle_stop(core->ticker);
    }
}

/* ---- drain ---- */

void core_drain_check(struct core *core)
{
    if (!core->draining) {
        return;
    }
    bool quiet = core->ready_count == 0 && mail_is_quiet(core);
    if (!quiet && rv_mono_us(core->clock) < core->drain_deadline_us) {
        return;
    }
    core->draining = false;
    core->closed = true;
    for (uint32_t i = 0; i < core->slot_used; i++) {
        if (core->slots[i].taken && !core->slots[i].is.actor->in_turn) {
            actor_end(core->slots[i].is.actor, RV_EXIT_NORMAL);
        }
    }
    struct rv_actors *actors = core->actors;
    if (atomic_fetch_sub(&actors->draining_cores, 1) == 1 && actors->drained != NULL) {
        rv_loop_post(actors->cores[0].loop, actors->drained, actors->drained_data);
    }
}
