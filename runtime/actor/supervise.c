/* supervise.c -- how actors begin, fail, begin again and end.
 *
 * The mailbox belongs to the identity, not to the incarnation: a restart keeps reference, mailbox and
 * order.  Restarts are counted per child in a window of time, with exponential back-off and jitter;
 * more than allowed and the child ends and its parent fails (escalation), with the reason logged.
 */
#include "runtime/actor/actor_private.h"
#include "runtime/base/log.h"

#include <inttypes.h>
#include <string.h>

static void forget_name(struct rv_actors *actors, struct rv_ref ref)
{
    pthread_mutex_lock(&actors->names_lock);
    for (struct name **link = &actors->names; *link != NULL; link = &(*link)->next) {
        struct name *name = *link;
        if (name->ref.id == ref.id) {
            *link = name->next;
            rv_free(name->text);
            rv_free(name);
            break;
        }
    }
    pthread_mutex_unlock(&actors->names_lock);
}

struct rv_actor *actor_create(struct core *core, const struct rv_spawn *spawn, struct rv_ref parent)
{
    struct rv_actor *actor = rv_alloc(sizeof *actor);
    actor->core = core;
    actor->spawn = *spawn;
    actor->parent = parent;
    actor->active_us = rv_mono_us(core->clock);
    if (actor->spawn.mailbox == 0) {
        actor->spawn.mailbox = RV_MAILBOX_DEFAULT;
    }
    if (actor->spawn.restart_max == 0) {
        actor->spawn.restart_max = RESTARTS_DEFAULT;
    }
    if (actor->spawn.restart_window_ms == 0) {
        actor->spawn.restart_window_ms = RESTART_WINDOW_DEFAULT_MS;
    }
    RV_ASSERT(actor->spawn.restart_max < RESTARTS_REMEMBERED);
    if (spawn->argument_bytes > 0) {
        void *copy = rv_alloc(spawn->argument_bytes);
        memcpy(copy, spawn->argument, spawn->argument_bytes);
        actor->spawn.argument = copy;
    }
    actor->spawn.name = rv_strdup(spawn->name);
    actor->state = rv_alloc(spawn->behavior->state_bytes);
    actor->share = share_of(core, spawn->tenant);
    actor->share->actors++;
    actor->owed_end = &actor->owed;
    actor->ref = core_seat(core, actor);
    return actor;
}

enum rv_code actor_start(struct rv_actor *actor, struct rv_error *err)
{
    memset(actor->state, 0, actor->spawn.behavior->state_bytes);
    actor->in_turn = true;
    enum rv_code code =
        actor->spawn.behavior->start(actor, actor->state, actor->spawn.argument, err);
    actor->in_turn = false;
    actor->started = code == RV_OK;
    if (code == RV_OK && actor->spawn.passivate_ms > 0) {
        core_alarm(actor->core, actor->ref, actor->spawn.passivate_ms, TOKEN_PASSIVATE);
    }
    if (actor->system.count > 0 || actor->mailbox.count > 0 || actor->exiting) {
        core_ready(actor);
    }
    return code;
}

static int recent_restarts(struct rv_actor *actor, int64_t now_us)
{
    int kept = 0;
    for (int i = 0; i < actor->restart_count; i++) {
        if (now_us - actor->restarts_us[i] < actor->spawn.restart_window_ms * 1000) {
            actor->restarts_us[kept++] = actor->restarts_us[i];
        }
    }
    actor->restart_count = kept;
    return kept;
}

/* ---- calls that were received and not answered ---- */

static void drop_owed(struct rv_actor *actor, bool tell)
{
    struct owed *owed = actor->owed;
    actor->owed = owed->next;
    actor->owed_end = actor->owed == NULL ? &actor->owed : actor->owed_end;
    actor->owed_count--;
    if (tell) {
        struct rv_message reply = {
            .kind = RV_MESSAGE_REPLY, .from = actor->ref, .call = owed->call};
        struct envelope *back = envelope_make(owed->from, &reply);
        back->code = RV_UNAVAILABLE;
        core_post_remote(actor->core, back);
    }
    rv_free(owed);
}

void actor_owes(struct rv_actor *actor, const struct rv_message *message)
{
    int64_t now_us = rv_mono_us(actor->core->clock);
    while (actor->owed != NULL &&
           (actor->owed->deadline_us < now_us || actor->owed_count >= OWED_MAX)) {
        drop_owed(actor, false); /* its asker has heard of the deadline, or will */
    }
    struct owed *owed = rv_alloc(sizeof *owed);
    *owed = (struct owed){
        .from = message->from, .call = message->call, .deadline_us = message->deadline_us};
    *actor->owed_end = owed;
    actor->owed_end = &owed->next;
    actor->owed_count++;
}

void actor_paid(struct rv_actor *actor, const struct rv_message *request)
{
    for (struct owed **link = &actor->owed; *link != NULL; link = &(*link)->next) {
        struct owed *owed = *link;
        if (owed->call == request->call && owed->from.id == request->from.id) {
            *link = owed->next;
            actor->owed_end = *link == NULL ? link : actor->owed_end;
            actor->owed_count--;
            rv_free(owed);
            return;
        }
    }
}

/* ---- the end of an incarnation ---- */

static void stop_children(struct rv_actor *actor)
{
    while (actor->children != NULL) {
        struct watcher *child = actor->children;
        actor->children = child->next;
        struct rv_actor *found = core_find(actor->core, child->ref);
        rv_free(child);
        if (found != NULL) {
            actor_end(found, RV_EXIT_KILLED);
        }
    }
}

static void stop_incarnation(struct rv_actor *actor, enum rv_exit why)
{
    stop_children(actor);
    if (actor->started && actor->spawn.behavior->stop != NULL) {
        actor->spawn.behavior->stop(actor, actor->state, why);
    }
    actor->started = false;
    while (actor->calls != NULL) {
        struct call *call = actor->calls;
        actor->calls = call->next;
        rv_free(call);
    }
    while (actor->owed != NULL) {
        drop_owed(actor, true);
    }
}

/* After the end of an incarnation: the next one begins after a while, unless there were too many. */
static void begin_again(struct rv_actor *actor)
{
    struct core *core = actor->core;
    int64_t now_us = rv_mono_us(core->clock);
    int recent = recent_restarts(actor, now_us);
    actor->exiting = false;
    if (recent >= actor->spawn.restart_max) {
        rv_log(RV_LOG_ERROR, "actor", "ACTOR-GAVE-UP",
               "actor=%s ref=%" PRIx64 " restarts=%d in %" PRId64 " ms: escalating",
               actor->spawn.behavior->name, actor->ref.id, recent, actor->spawn.restart_window_ms);
        actor->escalated = true;
        actor_end(actor, RV_EXIT_FAILED);
        return;
    }
    actor->restarts_us[actor->restart_count++] = now_us;
    int64_t delay_ms = (int64_t)RESTART_BACKOFF_MS << (recent < 9 ? recent : 9);
    delay_ms = delay_ms > RESTART_BACKOFF_MAX_MS ? RESTART_BACKOFF_MAX_MS : delay_ms;
    delay_ms += (int64_t)rv_random_below(&core->random, (uint64_t)delay_ms / 2 + 1);
    actor->suspended = true;
    core_alarm(core, actor->ref, delay_ms, TOKEN_RESTART);
}

void actor_failed(struct rv_actor *actor, const struct rv_error *err)
{
    rv_log(RV_LOG_WARN, "actor", "ACTOR-FAILED", "actor=%s ref=%" PRIx64 " tenant=%d code=%s %s",
           actor->spawn.behavior->name, actor->ref.id, actor->spawn.tenant, rv_code_name(err->code),
           err->message);
    stop_incarnation(actor, RV_EXIT_FAILED);
    if (actor->spawn.restart == RV_RESTART_NEVER) {
        actor_end(actor, RV_EXIT_FAILED);
    } else {
        begin_again(actor);
    }
}

void actor_left(struct rv_actor *actor)
{
    enum rv_restart policy = actor->spawn.restart;
    bool again = !actor->told_to_stop && !actor->core->draining &&
                 ((actor->exit == RV_EXIT_FAILED && policy != RV_RESTART_NEVER) ||
                  (actor->exit == RV_EXIT_NORMAL && policy == RV_RESTART_ALWAYS));
    if (!again) {
        actor_end(actor, actor->exit);
        return;
    }
    stop_incarnation(actor, actor->exit);
    begin_again(actor);
}

void actor_restart_now(struct rv_actor *actor)
{
    struct rv_error err = {.code = RV_OK};
    atomic_fetch_add(&actor->core->restarts, 1);
    actor->suspended = false;
    if (actor_start(actor, &err) != RV_OK) {
        actor_failed(actor, &err);
    }
}

static void tell_watchers(struct rv_actor *actor, enum rv_exit why)
{
    while (actor->watchers != NULL) {
        struct watcher *watcher = actor->watchers;
        actor->watchers = watcher->next;
        struct rv_message down = {.kind = RV_MESSAGE_DOWN, .from = actor->ref};
        down.body.numbers[0] = why;
        core_post_remote(actor->core, envelope_make(watcher->ref, &down));
        rv_free(watcher);
    }
}

static void leave_parent(struct rv_actor *actor, struct rv_actor *parent)
{
    for (struct watcher **link = &parent->children; *link != NULL; link = &(*link)->next) {
        struct watcher *child = *link;
        if (child->ref.id == actor->ref.id) {
            *link = child->next;
            rv_free(child);
            return;
        }
    }
}

void actor_end(struct rv_actor *actor, enum rv_exit why)
{
    struct core *core = actor->core;
    RV_ASSERT(!actor->in_turn);
    actor->exiting = true;
    stop_incarnation(actor, why);
    if (actor->ready) {
        share_remove(actor);
    }
    if (why == RV_EXIT_PASSIVATED) {
        atomic_fetch_add(&core->passivated, 1);
    }
    tell_watchers(actor, why);
    forget_name(core->actors, actor->ref);
    struct rv_actor *parent = core_find(core, actor->parent);
    if (parent != NULL) {
        leave_parent(actor, parent);
    }
    core_unseat(core, actor); /* from here on messages to it are dead letters */
    struct envelope *envelope;
    while ((envelope = queue_pop(&actor->system)) != NULL ||
           (envelope = queue_pop(&actor->mailbox)) != NULL) {
        core_dead_letter(core, envelope, "no such actor");
    }
    share_leave(core, actor->share);
    bool escalate = actor->escalated && parent != NULL && !parent->in_turn;
    rv_free((void *)(uintptr_t)actor->spawn.name);
    if (actor->spawn.argument_bytes > 0) {
        rv_free((void *)(uintptr_t)actor->spawn.argument);
    }
    rv_free(actor->state);
    rv_free(actor);
    if (escalate) {
        struct rv_error err = {.code = RV_OK};
        rv_fail(&err, RV_LIMIT, "a child failed more often than its restart intensity allows");
        actor_failed(parent, &err);
    }
}
