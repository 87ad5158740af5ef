/* core.c -- one core: who sits where, what is delivered, and the turn of an actor.
 *
 * A tick takes the mail, gives turns, publishes what was sent, and while there is more goes on for
 * TICK_US_MAX; then the loop looks at its other work.  Without anything to do the core sleeps and
 * costs nothing.  A core whose sleeps turn out too short to pay looks for mail a little longer
 * first (SPIN_US), until SPIN_TRIES such looks were in vain.
 */
#include "runtime/actor/core_time.h"
#include "runtime/actor/mail.h"
#include "runtime/actor/share.h"

#include <sched.h>
#include <string.h>

/* Out of what each message goes through, whose frame stays small. */
#define APART_FROM_IT __attribute__((noinline))

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
    tracer_destroy(core->tracer);
    rv_free(core->slots);
    actor_pool_fini(&core->pool);
    rv_free(core->alarms);
}

/* ---- seats: a reference is core, generation, slot ---- */

enum { GENERATION_MASK = 0xFFFFFF };

/* The next reference of a seat; generations begin at 1, so that none is ever 0. */
static uint64_t next_id(uint64_t id)
{
    uint64_t generation = ((id >> 32) + 1) & GENERATION_MASK;
    generation += generation == 0;
    return (id & ~((uint64_t)GENERATION_MASK << 32)) | (generation << 32);
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
        core->slots[slot].id = ((uint64_t)core->index << 56) | (UINT64_C(1) << 32) | slot;
    }
    core->slots[slot].is.actor = actor;
    core->slots[slot].id &= ~FREE_SEAT | ((uint64_t)core->index << 56);
    bump(&core->live, 1);
    bump(&core->spawned, 1);
    return (struct rv_ref){core->slots[slot].id};
}

void core_unseat(struct core *core, struct rv_actor *actor)
{
    uint32_t slot = (uint32_t)actor->ref.id;
    RV_ASSERT(core_find(core, actor->ref) == actor);
    core->slots[slot].id = next_id(core->slots[slot].id) | FREE_SEAT;
    core->slots[slot].is.next_free = core->free_slot;
    core->free_slot = slot;
    bump(&core->live, -1);
}

/* ---- delivery ---- */

void core_dead_letter(struct core *core, struct envelope *envelope, const char *reason)
{
    struct rv_dead_letter *letter = &core->dead_letters[core->dead_count++ % RV_DEAD_LETTERS_KEPT];
    const struct rv_actor *to = core_find(core, envelope->to);
    const struct rv_actor *whose = to;
    whose = whose != NULL ? whose : core_find(core, envelope->message.from);
    *letter = (struct rv_dead_letter){.to = envelope->to,
                                      .from = envelope->message.from,
                                      .kind = envelope->message.kind,
                                      .at_us = rv_now_us(core->clock),
                                      .tenant = whose != NULL ? whose->share->tenant : 0,
                                      .behavior = whose != NULL ? whose->behavior->name : NULL,
                                      .reason = reason};
    bump(&core->dead, 1);
    if (core->tracer != NULL && rv_trace_is(envelope->message.trace)) {
        trace_dead(core, envelope, to, reason);
    }
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

static inline void ready(struct core *core, struct rv_actor *actor)
{
    if (actor->busy == 0) {
        share_put(core, actor, actor->class);
        core_arm(core);
    }
}

void core_ready(struct rv_actor *actor)
{
    ready(actor->core, actor);
}

/* Who is told to end goes before all others of its tenant. */
static void ready_urgent(struct core *core, struct rv_actor *actor)
{
    if (actor->busy == BUSY_READY && actor->line != LINE_URGENT) {
        share_remove(actor);
    }
    if (actor->busy == 0) {
        share_put(core, actor, LINE_URGENT);
        core_arm(core);
    }
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

/* The system lane takes everything; what it holds is bounded by what there is: an end, a timer, a
 * call that was made. */
static enum rv_code deliver_system(struct core *core, struct rv_actor *actor,
                                   struct envelope *envelope)
{
    uint32_t kind = envelope->message.kind;
    if (kind == MESSAGE_WATCH || kind == MESSAGE_UNWATCH) {
        return monitor_deliver(core, actor, envelope);
    }
    if (kind == MESSAGE_LINK || kind == MESSAGE_UNLINK) {
        return link_deliver(core, actor, envelope);
    }
    if (actor == NULL || actor->exiting) {
        core_dead_letter(core, envelope, "no such actor");
        return RV_NOT_FOUND;
    }
    bool has_no_life = (actor->before & BEFORE_LIFE) != 0;
    if (kind == RV_MESSAGE_STOP &&
        (has_no_life || (actor->busy == BUSY_SUSPENDED && !actor_is_of_group(actor)))) {
        envelope_free(core, envelope); /* nothing to wait for */
        actor_end(actor, RV_EXIT_NORMAL);
        return RV_OK;
    }
    lane_push(&actor->system, envelope);
    if (kind == RV_MESSAGE_STOP || kind == RV_MESSAGE_EXIT) {
        ready_urgent(core, actor);
    } else {
        ready(core, actor);
    }
    return RV_OK;
}

static inline enum rv_code enqueue(struct core *core, struct rv_actor *actor,
                                   struct envelope *envelope)
{
    queue_push(&actor->mailbox, envelope);
    actor->waiting++;
    ready(core, actor);
    return RV_OK;
}

/* All but what a mailbox has room for. */
static APART_FROM_IT enum rv_code deliver_otherwise(struct core *core, struct rv_actor *actor,
                                                    struct envelope *envelope)
{
    if (envelope->message.kind < RV_MESSAGE_USER) {
        return deliver_system(core, actor, envelope);
    }
    if (actor == NULL || actor->exiting) {
        core_dead_letter(core, envelope, "no such actor");
        return RV_NOT_FOUND;
    }
    enum rv_code code = overflow(core, actor, envelope);
    return code == RV_OK ? enqueue(core, actor, envelope) : code;
}

static inline enum rv_code deliver(struct core *core, struct envelope *envelope)
{
    struct rv_actor *actor = core_find(core, envelope->to);
    if (envelope->message.more != 0) {
        envelope->queued_us = core_noted(core);
    }
    if (actor == NULL || envelope->message.kind < RV_MESSAGE_USER || actor->exiting ||
        actor->waiting >= actor->mailbox_max) {
        return deliver_otherwise(core, actor, envelope);
    }
    return enqueue(core, actor, envelope);
}

enum rv_code core_deliver(struct core *core, struct envelope *envelope)
{
    return deliver(core, envelope);
}

static inline enum rv_code send_from(struct rv_actor *self, struct rv_ref to,
                                     struct rv_message *message)
{
    struct core *core = self->core;
    message->from = self->ref;
    if (rv_trace_is(core->trace) && !rv_trace_is(message->trace)) {
        message->more = 1; /* it may be the one in hand */
        message->trace = core->trace;
    }
    if (ref_core(to) == core->index) {
        return deliver(core, envelope_make(core, to, message, RV_OK));
    }
    bump(&core->sent_remote, 1);
    mail_post(core, to, message, RV_OK);
    return RV_OK;
}

enum rv_code core_send(struct rv_actor *self, struct rv_ref to, struct rv_message *message)
{
    return send_from(self, to, message);
}

enum rv_code rv_actor_send(struct rv_actor *self, struct rv_ref to, struct rv_message *message)
{
    return send_from(self, to, message);
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
            actor_alarm_cancel(actor, TOKEN_CALL | id);
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
    if (idle_us >= limit_us && actor->waiting == 0 && actor->extra->calls == NULL &&
        actor->extra->stashed == 0 && !actor_is_waited_for(actor)) {
        actor->exiting = true;
        actor->exit = RV_EXIT_PASSIVATED;
    } else {
        int64_t left_us = idle_us < limit_us ? limit_us - idle_us : limit_us;
        actor_alarm(actor, left_us / 1000 + 1, TOKEN_PASSIVATE);
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
    if (message->kind == RV_MESSAGE_EXIT) {
        return link_exit(actor, message);
    }
    if (message->kind == RV_MESSAGE_DOWN) {
        return !monitor_holds(actor, message);
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

static void own_trace(struct rv_actor *actor)
{
    if ((actor->before & BEFORE_TRACE) != 0 && !rv_trace_is(actor->core->trace)) {
        actor->core->trace = actor->extra->trace;
    }
}

static void after_system(struct rv_actor *actor, const struct envelope *envelope)
{
    own_trace(actor);
    if (rv_trace_is(actor->core->trace) && actor->core->tracer != NULL) {
        trace_system(actor, envelope);
    }
}

/* What few messages need. */
static void before_receive(struct rv_actor *actor, const struct rv_message *message)
{
    struct core *core = actor->core;
    if ((actor->before & BEFORE_ACTIVE) != 0) {
        actor->extra->active_us = core_noted(core);
    }
    own_trace(actor);
    if (message->call != 0) {
        actor_owes(actor, message);
    }
}

static APART_FROM_IT enum rv_code handle_more(struct core *core, struct rv_actor *actor,
                                              struct envelope *envelope, struct rv_error *err)
{
    struct rv_message *message = &envelope->message;
    core->trace = message->trace;
    core->deadline_us = message->deadline_us;
    if (message->kind < RV_MESSAGE_USER && handle_system(actor, envelope)) {
        after_system(actor, envelope);
        return RV_OK;
    }
    before_receive(actor, message);
    return rv_trace_is(core->trace) && core->tracer != NULL
               ? trace_receive(actor, envelope, err)
               : actor->behavior->receive(actor, actor->state, message, err);
}

/* Between messages nothing is in hand; who ends after this one tells of it with its trace. */
static void nothing_in_hand(struct core *core)
{
    core->trace = (struct rv_trace){0, 0};
    core->deadline_us = 0;
}

static inline enum rv_code handle(struct core *core, struct rv_actor *actor,
                                  struct envelope *envelope, struct rv_error *err)
{
    struct rv_message *message = &envelope->message;
    if ((message->more | actor->before) == 0 && message->kind >= RV_MESSAGE_USER) {
        return actor->behavior->receive(actor, actor->state, message, err);
    }
    enum rv_code code = handle_more(core, actor, envelope, err);
    if (code == RV_OK && !actor->exiting) {
        nothing_in_hand(core);
    }
    return code;
}

static inline bool has_messages(const struct rv_actor *actor)
{
    return actor->waiting > 0 || actor->system.last != NULL;
}

static bool is_late(struct core *core, const struct rv_message *message)
{
    return message->deadline_us != 0 && rv_mono_us(core->clock) > message->deadline_us;
}

static inline struct envelope *next_message(struct core *core, struct rv_actor *actor)
{
    struct envelope *envelope = lane_pop(&actor->system);
    while (envelope == NULL && actor->waiting > 0) {
        envelope = queue_pop(&actor->mailbox);
        actor->waiting--;
        __builtin_prefetch(actor->mailbox.first); /* in a full mailbox it is not in the cache */
        if (envelope->message.more != 0 && is_late(core, &envelope->message)) {
            core_dead_letter(core, envelope, "expired");
            envelope = NULL;
        }
    }
    return envelope;
}

/* Messages until it has had its share; the clock is looked at after every TURN_LOOKSth, and after
 * all once some were not quick. */
static inline enum rv_code handle_some(struct core *core, struct rv_actor *actor, int64_t start_us,
                                       struct rv_error *err)
{
    enum rv_code code = RV_OK;
    bool quick = core->quick;
    uint32_t n = 0;
    while (n < RV_TURN_MESSAGES_MAX) {
        struct envelope *envelope = next_message(core, actor);
        if (envelope == NULL) {
            break;
        }
        n++;
        code = handle(core, actor, envelope, err);
        envelope_free(core, envelope);
        if (code != RV_OK || actor->exiting || !has_messages(actor)) {
            break;
        }
        if (!quick || n % TURN_LOOKS == 0) {
            int64_t before_us = core_noted(core);
            quick = core_now(core) - before_us <= TURN_LOOKS;
            if (core_noted(core) - start_us > RV_TURN_US_MAX) {
                break;
            }
        }
    }
    actor->handled += n;
    bump(&core->messages, n);
    return code;
}

/* A tenant that has the core alone takes time from nobody: while its turns are quick nothing is
 * charged, and the clock is looked at after some of them only. */
static inline void charge(struct core *core, const struct rv_actor *actor, int64_t start_us)
{
    struct share *share = actor->share;
    share->turns++;
    if (core->ring_count == 1 && core->quick && ++core->unseen < TURNS_UNSEEN) {
        return;
    }
    int64_t took_us = core_now(core) - start_us;
    core->quick = took_us <= TURN_QUICK_US && core->real_time;
    core->unseen = 0;
    share_charge(share, took_us);
    if (took_us > TURN_SLOW_US) {
        view_note_slow(core, actor, took_us);
    }
}

/* The actor wants to end, or has failed. */
static APART_FROM_IT void after_last(struct core *core, struct rv_actor *actor, enum rv_code code)
{
    if (actor->exiting) {
        actor_left(actor);
    } else {
        actor_failed(actor, &core->err);
    }
    nothing_in_hand(core);
    if (code != RV_OK) {
        core->err = (struct rv_error){.code = RV_OK}; /* whatever it was made of */
    }
}

/* Begins where core->now_us stands: at the end of the turn before it. */
static inline void turn(struct core *core, struct rv_actor *actor)
{
    int64_t start_us = core_noted(core);
    atomic_store_explicit(&core->turn_ref, actor->ref.id, memory_order_relaxed);
    if (actor->waiting > atomic_load_explicit(&core->longest_mailbox, memory_order_relaxed)) {
        atomic_store_explicit(&core->longest_mailbox, actor->waiting, memory_order_relaxed);
    }
    actor->busy = BUSY_TURN;
    enum rv_code code = RV_OK;
    if ((actor->before & BEFORE_LIFE) != 0) {
        code = actor_reactivate(actor, &core->err);
    }
    if (code == RV_OK && !actor->exiting) {
        code = handle_some(core, actor, start_us, &core->err);
    }
    actor->busy = 0;
    bump(&core->turns, 1);
    charge(core, actor, start_us);
    if (actor->exiting || code != RV_OK) {
        after_last(core, actor, code);
    } else if (has_messages(actor)) {
        share_put(core, actor, actor->class);
    }
    if (core->err.code != RV_OK) {
        core->err = (struct rv_error){.code = RV_OK};
    }
}

bool core_turn(struct core *core, bool random_pick)
{
    struct rv_actor *actor = random_pick ? share_take_any(core) : share_take(core);
    if (actor != NULL) {
        turn(core, actor);
    }
    return actor != NULL;
}

/* Another core that is awake was last seen on the processor that we run on: while we look for its
 * mail it cannot send any. */
static bool shares_processor(struct core *core)
{
    int cpu = sched_getcpu();
    bool shares = false;
    if (atomic_load_explicit(&core->cpu, memory_order_relaxed) != cpu) {
        atomic_store_explicit(&core->cpu, cpu, memory_order_relaxed);
    }
    for (int i = 0; i < core->actors->core_count; i++) {
        struct core *other = &core->actors->cores[i];
        shares |= other != core && atomic_load_explicit(&other->awake, memory_order_relaxed) &&
                  atomic_load_explicit(&other->cpu, memory_order_relaxed) == cpu;
    }
    return shares;
}

/* More to do within this tick: somebody is ready, or mail comes while we look for it. */
static bool goes_on(struct core *core)
{
    if (core->ready_count > 0 || mail_has_come(core)) {
        return true;
    }
    if (core->spins == 0 || shares_processor(core)) {
        return false;
    }
    int64_t until_us = core_now(core) + SPIN_US;
    while (core_now(core) < until_us) {
        if (mail_has_come(core) || mail_can_go(core)) {
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
        int64_t until = atomic_load_explicit(&core->messages, memory_order_relaxed) + MAIL_MESSAGES;
        do {
            n++;
        } while (core_turn(core, false) && n < TICK_TURNS_MAX && core_noted(core) < end_us &&
                 atomic_load_explicit(&core->messages, memory_order_relaxed) < until);
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

/* Somebody backs off, with messages that its next life will handle. */
static bool back_off_has_work(const struct core *core)
{
    for (uint32_t i = 0; i < core->slot_used; i++) {
        const struct rv_actor *actor = core_sitting(core, i);
        if (actor != NULL && (actor->busy & BUSY_SUSPENDED) != 0 && actor->waiting > 0) {
            return true;
        }
    }
    return false;
}

void core_drain_check(struct core *core)
{
    if (!core->draining) {
        return;
    }
    bool quiet = core->ready_count == 0 && mail_is_quiet(core) && !back_off_has_work(core);
    if (!quiet && rv_mono_us(core->clock) < core->drain_deadline_us) {
        return;
    }
    core->draining = false;
    core->closed = true;
    for (uint32_t i = 0; i < core->slot_used; i++) {
        struct rv_actor *actor = core_sitting(core, i);
        if (actor != NULL && (actor->busy & BUSY_TURN) == 0) {
            actor_end(actor, RV_EXIT_NORMAL);
        }
    }
    struct rv_actors *actors = core->actors;
    if (atomic_fetch_sub(&actors->draining_cores, 1) == 1 && actors->drained != NULL) {
        rv_loop_post(actors->cores[0].loop, actors->drained, actors->drained_data);
    }
}
