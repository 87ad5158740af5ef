/* actor.c -- the system and the verbs of an actor; see actor.h. */
#include "runtime/actor/core_time.h"
#include "runtime/actor/mail.h"

#include <string.h>

void *rv_message_take(struct rv_message *message)
{
    void *payload = message->payload;
    message->payload = NULL;
    return payload;
}

/* ---- the system ---- */

struct rv_actors *rv_actors_create(struct rv_loop *const *loops, int cores, uint64_t seed)
{
    RV_ASSERT(cores > 0 && cores <= RV_ACTOR_CORES_MAX);
    struct rv_actors *actors = rv_alloc(sizeof *actors);
    actors->core_count = cores;
    actors->cores = rv_alloc_array((size_t)cores, sizeof *actors->cores);
    RV_ASSERT(pthread_mutex_init(&actors->names_lock, NULL) == 0);
    for (int i = 0; i < cores; i++) {
        core_init(&actors->cores[i], actors, i, loops[i], seed);
    }
    return actors;
}

static void drain_core(void *data)
{
    struct core *core = core_rung(data);
    if (core != NULL) {
        core->draining = true;
        core_drain_check(core);
        core_arm_timer(core); /* for when the time is up */
    }
}

void rv_actors_drain(struct rv_actors *actors, int64_t timeout_ms, void (*drained)(void *data),
                     void *data)
{
    actors->drained = drained;
    actors->drained_data = data;
    atomic_store(&actors->draining_cores, actors->core_count);
    for (int i = 0; i < actors->core_count; i++) {
        struct core *core = &actors->cores[i];
        core->drain_deadline_us = rv_mono_us(core->clock) + timeout_ms * 1000;
        core_ring(core, drain_core);
    }
}

void rv_actors_destroy(struct rv_actors *actors)
{
    if (actors == NULL) {
        return;
    }
    for (int i = 0; i < actors->core_count; i++) {
        struct core *core = &actors->cores[i];
        for (uint32_t slot = 0; slot < core->slot_used; slot++) {
            struct rv_actor *actor = core_sitting(core, slot);
            if (actor != NULL) {
                actor_end(actor, RV_EXIT_KILLED);
            }
        }
    }
    for (int i = 0; i < actors->core_count; i++) {
        mail_publish(&actors->cores[i]); /* so that what is under way is found and freed */
    }
    for (int i = 0; i < actors->core_count; i++) {
        core_fini(&actors->cores[i]);
    }
    RV_ASSERT(actors->names == NULL);
    pthread_mutex_destroy(&actors->names_lock);
    rv_free(actors->cores);
    rv_free(actors);
}

int rv_actors_core_of_tenant(const struct rv_actors *actors, int32_t tenant)
{
    return (int)((uint32_t)tenant % (uint32_t)actors->core_count);
}

bool rv_actors_step(struct rv_actors *actors, int core)
{
    struct core *it = &actors->cores[core];
    core_note(it);
    do { /* without the loop, whose queue has an order of its own */
        mail_take(it);
    } while (it->ready_count == 0 && it->later.first != NULL);
    bool any = core_turn(it, true);
    mail_publish(it);
    return any;
}

int64_t rv_actors_next_deadline_us(const struct rv_actors *actors, int core)
{
    return core_next_due_us(&actors->cores[core]);
}

void rv_actors_fire_due(struct rv_actors *actors, int core)
{
    core_fire_due(&actors->cores[core]);
}

static enum rv_code remember_name(struct rv_actors *actors, const char *text, struct rv_ref ref,
                                  struct rv_error *err)
{
    if (text == NULL) {
        return RV_OK;
    }
    enum rv_code code = RV_OK;
    pthread_mutex_lock(&actors->names_lock);
    for (const struct name *name = actors->names; name != NULL; name = name->next) {
        if (strcmp(name->text, text) == 0) {
            code = RV_CONFLICT;
        }
    }
    if (code == RV_OK) {
        struct name *name = rv_alloc(sizeof *name);
        *name = (struct name){.next = actors->names, .text = rv_strdup(text), .ref = ref};
        actors->names = name;
    }
    pthread_mutex_unlock(&actors->names_lock);
    return code == RV_OK ? RV_OK : rv_fail(err, code, "an actor is named \"%s\" already", text);
}

static enum rv_code spawn_on(struct core *core, const struct rv_spawn *spawn,
                             struct rv_actor *parent, struct rv_ref *out, struct rv_error *err)
{
    if (core->draining || core->closed) {
        return rv_fail(err, RV_UNAVAILABLE, "the runtime is stopping");
    }
    struct rv_actor *actor = actor_create(core, spawn, parent);
    struct rv_ref ref = actor->ref;
    enum rv_code code = remember_name(core->actors, spawn->name, ref, err);
    if (code == RV_OK) {
        actor->named = spawn->name != NULL;
        code = actor_start(actor, spawn->argument, err);
    }
    if (code != RV_OK) {
        actor_end(actor, RV_EXIT_FAILED);
        return code;
    }
    *out = ref;
    return RV_OK;
}

enum rv_code rv_actors_spawn(struct rv_actors *actors, int core, const struct rv_spawn *spawn,
                             struct rv_ref *out, struct rv_error *err)
{
    return spawn_on(&actors->cores[core], spawn, NULL, out, err);
}

enum rv_code rv_actors_send(struct rv_actors *actors, struct rv_ref to, struct rv_message *message)
{
    if (to.id == 0 || ref_core(to) >= actors->core_count) {
        mail_drop(message);
        return RV_NOT_FOUND;
    }
    mail_post_foreign(&actors->cores[ref_core(to)], to, message);
    return RV_OK;
}

struct rv_ref rv_actors_find(struct rv_actors *actors, const char *name)
{
    struct rv_ref found = {0};
    pthread_mutex_lock(&actors->names_lock);
    for (const struct name *at = actors->names; at != NULL; at = at->next) {
        if (strcmp(at->text, name) == 0) {
            found = at->ref;
        }
    }
    pthread_mutex_unlock(&actors->names_lock);
    return found;
}

/* ---- inside an actor ---- */

struct rv_ref rv_actor_self(const struct rv_actor *self)
{
    return self->ref;
}

struct rv_actors *rv_actor_system(const struct rv_actor *self)
{
    return self->core->actors;
}

struct rv_loop *rv_actor_loop(const struct rv_actor *self)
{
    return self->core->loop;
}

enum rv_code rv_actor_spawn(struct rv_actor *self, const struct rv_spawn *spawn, struct rv_ref *out,
                            struct rv_error *err)
{
    if (self->ends) {
        return rv_fail(err, RV_UNAVAILABLE, "an actor that ends has no more children");
    }
    if (self->depth + 1 >= RV_ACTOR_DEPTH_MAX) {
        return rv_fail(err, RV_LIMIT, "a tree of actors is at most %d deep", RV_ACTOR_DEPTH_MAX);
    }
    return spawn_on(self->core, spawn, self, out, err);
}

void rv_actor_call(struct rv_actor *self, struct rv_ref to, struct rv_message *message,
                   int64_t timeout_ms,
                   void (*answered)(struct rv_actor *self, void *state, enum rv_code code,
                                    struct rv_message *reply))
{
    struct call *call = rv_alloc(sizeof *call);
    call->id = ++self->core->call_ids;
    call->target = to;
    call->answered = answered;
    struct extra *extra = actor_extra(self);
    call->next = extra->calls;
    extra->calls = call;
    message->more = 1; /* it may be the one in hand */
    message->call = call->id;
    int64_t now_us = rv_mono_us(self->core->clock);
    int64_t until_us = now_us + timeout_ms * 1000;
    if (self->core->deadline_us != 0 && self->core->deadline_us < until_us) {
        until_us = self->core->deadline_us; /* who asked us does not wait longer either */
        timeout_ms = until_us > now_us ? (until_us - now_us + 999) / 1000 : 0;
    }
    message->deadline_us = until_us;
    actor_alarm(self, timeout_ms, TOKEN_CALL | call->id);
    core_send(self, to, message); /* a failure comes back as a reply */
}

void rv_actor_reply(struct rv_actor *self, const struct rv_message *request,
                    struct rv_message *reply)
{
    if (request->call == 0) {
        mail_drop(reply);
        return;
    }
    actor_paid(self, request);
    reply->kind = RV_MESSAGE_REPLY;
    reply->more = 1;
    reply->call = request->call;
    core_send(self, request->from, reply);
}

void rv_actor_trace(struct rv_actor *self, struct rv_trace trace)
{
    actor_extra(self)->trace = trace;
    self->before |= BEFORE_TRACE;
    if (!rv_trace_is(self->core->trace)) {
        self->core->trace = trace; /* of the message in hand, too */
    }
}

void rv_actor_after(struct rv_actor *self, int64_t delay_ms, uint64_t token)
{
    RV_ASSERT((token & TOKEN_SYSTEM) == 0);
    actor_alarm(self, delay_ms, token);
}

void rv_actor_cancel_after(struct rv_actor *self, uint64_t token)
{
    actor_alarm_cancel(self, token);
}

void rv_actor_exit(struct rv_actor *self, enum rv_exit why)
{
    self->exiting = true;
    self->exit = why;
}

/* ---- looking in ---- */

int rv_actors_dead_letters(struct rv_actors *actors, int core, struct rv_dead_letter *out, int max)
{
    const struct core *it = &actors->cores[core];
    int count = 0;
    for (int64_t i = it->dead_count - 1;
         i >= 0 && i > it->dead_count - 1 - RV_DEAD_LETTERS_KEPT && count < max; i--) {
        out[count++] = it->dead_letters[i % RV_DEAD_LETTERS_KEPT];
    }
    return count;
}

void rv_actors_stats(struct rv_actors *actors, int core, struct rv_actor_stats *out)
{
    struct core *it = &actors->cores[core];
    *out = (struct rv_actor_stats){
        .live = atomic_load(&it->live),
        .spawned = atomic_load(&it->spawned),
        .turns = atomic_load(&it->turns),
        .messages = atomic_load(&it->messages),
        .sent_remote = atomic_load(&it->sent_remote),
        .wakes = atomic_load(&it->wakes),
        .dead = atomic_load(&it->dead),
        .refused = atomic_load(&it->refused),
        .spilled = atomic_load(&it->spilled),
        .restarts = atomic_load(&it->restarts),
        .passivated = atomic_load(&it->passivated),
        .reactivated = atomic_load(&it->reactivated),
        .longest_mailbox = atomic_load(&it->longest_mailbox),
    };
}
