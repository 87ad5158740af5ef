/* supervise.c -- how actors begin, fail, begin again and end.
 *
 * The mailbox belongs to the identity, not to the incarnation: a restart keeps reference, mailbox
 * and order.  Restarts are counted per child in a window of time, with exponential back-off and
 * jitter; more than allowed and the child ends and its parent fails (escalation), with the reason
 * logged.  A supervisor's strategy may have siblings begin again with the child.
 */
#include "runtime/actor/core_time.h"
#include "runtime/actor/mail.h"
#include "runtime/actor/share.h"
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

struct extra *actor_extra(struct rv_actor *actor)
{
    if (actor->extra == NULL) {
        actor->extra = rv_alloc(sizeof *actor->extra);
        actor->extra->owed_end = &actor->extra->owed;
    }
    return actor->extra;
}

static void join_parent(struct rv_actor *actor, struct rv_actor *parent)
{
    struct extra *extra = actor_extra(parent);
    actor->parent = parent;
    actor->depth = (uint8_t)(parent->depth + 1);
    actor->older = extra->children;
    if (actor->older != NULL) {
        actor->older->newer = actor;
    }
    extra->children = actor;
}

static void leave_parent(struct rv_actor *actor)
{
    if (actor->newer != NULL) {
        actor->newer->older = actor->older;
    } else {
        actor->parent->extra->children = actor->older;
    }
    if (actor->older != NULL) {
        actor->older->newer = actor->newer;
    }
}

/* What another life needs, and nobody else has. */
static void remember_spawn(struct rv_actor *actor, const struct rv_spawn *spawn)
{
    struct extra *extra = actor_extra(actor);
    extra->passivate_ms = spawn->passivate_ms;
    extra->active_us = rv_mono_us(actor->core->clock);
    if ((spawn->restart != RV_RESTART_NEVER || spawn->reactivates) && spawn->argument_bytes > 0) {
        extra->argument = rv_alloc(spawn->argument_bytes);
        memcpy(extra->argument, spawn->argument, spawn->argument_bytes);
        extra->argument_bytes = spawn->argument_bytes;
    }
    if (spawn->restart == RV_RESTART_NEVER) {
        return;
    }
    RV_ASSERT(spawn->restart_max >= RV_RESTARTS_NONE && spawn->restart_max < RESTARTS_REMEMBERED);
    extra->restart_max = spawn->restart_max == 0                  ? RESTARTS_DEFAULT
                         : spawn->restart_max == RV_RESTARTS_NONE ? 0
                                                                  : spawn->restart_max;
    extra->restart_window_ms =
        spawn->restart_window_ms != 0 ? spawn->restart_window_ms : RESTART_WINDOW_DEFAULT_MS;
    extra->restarts_us = rv_alloc_array((size_t)extra->restart_max, sizeof *extra->restarts_us);
}

/* In which order the lines of a share have the classes. */
static unsigned class_order(enum rv_class class)
{
    switch (class) {
    case RV_CLASS_INTERACTIVE: return LINE_INTERACTIVE;
    case RV_CLASS_BATCH: return LINE_BATCH;
    case RV_CLASS_NORMAL: break;
    }
    return LINE_NORMAL;
}

struct rv_actor *actor_create(struct core *core, const struct rv_spawn *spawn,
                              struct rv_actor *parent)
{
    struct rv_actor *actor =
        actor_pool_take(&core->pool, sizeof *actor + spawn->behavior->state_bytes);
    actor->core = core;
    actor->behavior = spawn->behavior;
    actor->mailbox_max = spawn->mailbox != 0 ? spawn->mailbox : RV_MAILBOX_DEFAULT;
    actor->overflow = spawn->overflow;
    actor->restart = spawn->restart;
    actor->strategy = spawn->strategy;
    actor->class = class_order(spawn->class);
    actor->stash_overflow = spawn->stash_overflow;
    actor->traps_exits = spawn->traps_exits;
    actor->before = spawn->passivate_ms > 0 ? BEFORE_ACTIVE : 0;
    if (spawn->stash != 0) {
        actor_extra(actor)->stash_max = (int)spawn->stash;
    }
    actor->reactivates = spawn->reactivates;
    if (spawn->restart != RV_RESTART_NEVER || actor->before != 0 || spawn->reactivates) {
        remember_spawn(actor, spawn);
    }
    actor->share = share_of(core, spawn->tenant);
    actor->share->actors++;
    if (parent != NULL) {
        join_parent(actor, parent);
    }
    actor->ref = core_seat(core, actor);
    return actor;
}

static enum rv_code begin_life(struct rv_actor *actor, const void *argument, struct rv_error *err)
{
    actor->ends = false;
    actor->before &= (uint8_t)~BEFORE_LIFE;
    enum rv_code code = actor->behavior->start(actor, actor->state, argument, err);
    actor->started = code == RV_OK;
    if (code == RV_OK && (actor->before & BEFORE_ACTIVE) != 0) {
        actor_alarm(actor, actor->extra->passivate_ms, TOKEN_PASSIVATE);
    }
    return code;
}

enum rv_code actor_start(struct rv_actor *actor, const void *argument, struct rv_error *err)
{
    actor->busy = BUSY_TURN;
    enum rv_code code = begin_life(actor, argument, err);
    actor->busy = 0;
    if (actor->system.last != NULL || actor->waiting > 0 || actor->exiting) {
        core_ready(actor);
    }
    return code;
}

static int recent_restarts(struct extra *extra, int64_t now_us)
{
    int kept = 0;
    for (int i = 0; i < extra->restart_count; i++) {
        if (now_us - extra->restarts_us[i] < extra->restart_window_ms * 1000) {
            extra->restarts_us[kept++] = extra->restarts_us[i];
        }
    }
    extra->restart_count = kept;
    return kept;
}

/* ---- calls that were received and not answered ---- */

static void drop_owed(struct rv_actor *actor, bool tell)
{
    struct extra *extra = actor->extra;
    struct owed *owed = extra->owed;
    extra->owed = owed->next;
    extra->owed_end = extra->owed == NULL ? &extra->owed : extra->owed_end;
    extra->owed_count--;
    if (tell) {
        struct rv_message reply = {
            .kind = RV_MESSAGE_REPLY, .from = actor->ref, .call = owed->call};
        mail_post(actor->core, owed->from, &reply, RV_UNAVAILABLE);
    }
    rv_free(owed);
}

/* Those whose askers have heard of the deadline, or will. */
static void drop_late(struct rv_actor *actor, int64_t now_us)
{
    while (actor->extra->owed != NULL && actor->extra->owed->deadline_us < now_us) {
        drop_owed(actor, false);
    }
}

bool actor_is_waited_for(struct rv_actor *actor)
{
    drop_late(actor, rv_mono_us(actor->core->clock));
    return actor->extra->owed_count > 0;
}

void actor_owes(struct rv_actor *actor, const struct rv_message *message)
{
    struct extra *extra = actor_extra(actor);
    drop_late(actor, core_now(actor->core));
    if (extra->owed_count >= OWED_MAX) {
        drop_owed(actor, false); /* it hears of its deadline */
    }
    struct owed *owed = rv_alloc(sizeof *owed);
    *owed = (struct owed){
        .from = message->from, .call = message->call, .deadline_us = message->deadline_us};
    *extra->owed_end = owed;
    extra->owed_end = &owed->next;
    extra->owed_count++;
}

void actor_paid(struct rv_actor *actor, const struct rv_message *request)
{
    struct extra *extra = actor_extra(actor);
    for (struct owed **link = &extra->owed; *link != NULL; link = &(*link)->next) {
        struct owed *owed = *link;
        if (owed->call == request->call && owed->from.id == request->from.id) {
            *link = owed->next;
            extra->owed_end = *link == NULL ? link : extra->owed_end;
            extra->owed_count--;
            rv_free(owed);
            return;
        }
    }
}

/* ---- the end of an incarnation ---- */

static void stop_children(struct rv_actor *actor)
{
    while (actor->extra != NULL && actor->extra->children != NULL) {
        actor_end(actor->extra->children, RV_EXIT_KILLED);
    }
}

static void stop_incarnation(struct rv_actor *actor, enum rv_exit why)
{
    actor->ends = true;
    stop_children(actor);
    if (actor->started && actor->behavior->stop != NULL) {
        actor->behavior->stop(actor, actor->state, why);
    }
    actor->started = false;
    actor_alarms_end(actor);
    struct extra *extra = actor->extra;
    if (extra == NULL) {
        return;
    }
    monitors_end(actor);
    while (extra->calls != NULL) {
        struct call *call = extra->calls;
        extra->calls = call->next;
        rv_free(call);
    }
    while (extra->owed != NULL) {
        drop_owed(actor, true);
    }
    stash_give_back(actor);
    links_break(actor, why);
}

/* Its next incarnation begins with TOKEN_RESTART of it, or of the sibling that took it along. */
static void suspend(struct rv_actor *actor)
{
    actor->exiting = false;
    if ((actor->busy & BUSY_READY) != 0) {
        share_remove(actor);
    }
    actor->busy |= BUSY_SUSPENDED;
}

/* Siblings that wait for their restart may rely on its alarm. */
bool actor_is_of_group(const struct rv_actor *actor)
{
    return actor->parent != NULL && actor->parent->strategy != RV_ONE_FOR_ONE;
}

/* Those of its siblings that its supervisor's strategy names, newest first.  Of them only `actor`
 * has an alarm: the latest failure decides when all begin again. */
static void take_along(const struct rv_actor *actor)
{
    const struct rv_actor *parent = actor->parent;
    if (!actor_is_of_group(actor)) {
        return;
    }
    for (struct rv_actor *sibling = parent->extra->children, *older; sibling != NULL;
         sibling = older) {
        older = sibling->older;
        if (sibling == actor) {
            if (parent->strategy == RV_REST_FOR_ONE) {
                return;
            }
        } else if (sibling->restart == RV_RESTART_NEVER || sibling->told_to_stop) {
            actor_end(sibling, RV_EXIT_KILLED);
        } else if ((sibling->busy & BUSY_SUSPENDED) != 0) {
            actor_alarm_cancel(sibling, TOKEN_RESTART);
        } else {
            stop_incarnation(sibling, RV_EXIT_KILLED);
            suspend(sibling);
        }
    }
}

/* After the end of an incarnation: the next one begins after a while, unless there were too many.
 */
static void begin_again(struct rv_actor *actor)
{
    struct core *core = actor->core;
    struct extra *extra = actor->extra;
    int64_t now_us = rv_mono_us(core->clock);
    int recent = recent_restarts(extra, now_us);
    actor->exiting = false;
    if (recent >= extra->restart_max) {
        rv_log(RV_LOG_ERROR, "actor", "ACTOR-GAVE-UP",
               "actor=%s ref=%" PRIx64 " restarts=%d in %" PRId64 " ms: escalating",
               actor->behavior->name, actor->ref.id, recent, extra->restart_window_ms);
        actor->escalated = true;
        actor_end(actor, RV_EXIT_FAILED);
        return;
    }
    extra->restarts_us[extra->restart_count++] = now_us;
    int64_t delay_ms = (int64_t)RESTART_BACKOFF_MS << (recent < 9 ? recent : 9);
    delay_ms = delay_ms > RESTART_BACKOFF_MAX_MS ? RESTART_BACKOFF_MAX_MS : delay_ms;
    delay_ms += (int64_t)rv_random_below(&core->random, (uint64_t)delay_ms / 2 + 1);
    suspend(actor);
    take_along(actor);
    actor_alarm(actor, delay_ms, TOKEN_RESTART);
}

void actor_failed(struct rv_actor *actor, const struct rv_error *err)
{
    rv_log(RV_LOG_WARN, "actor", "ACTOR-FAILED", "actor=%s ref=%" PRIx64 " tenant=%d code=%s %s",
           actor->behavior->name, actor->ref.id, actor->share->tenant, rv_code_name(err->code),
           err->message);
    stop_incarnation(actor, RV_EXIT_FAILED);
    if (actor->restart == RV_RESTART_NEVER) {
        actor_end(actor, RV_EXIT_FAILED);
    } else {
        begin_again(actor);
    }
}

/* ---- passivated, until a message comes ---- */

static void passivate(struct rv_actor *actor)
{
    stop_incarnation(actor, RV_EXIT_PASSIVATED);
    bump(&actor->core->passivated, 1);
    actor->exiting = false;
    actor->before |= BEFORE_LIFE;
    if (actor->system.last != NULL || actor->waiting > 0) {
        core_ready(actor);
    }
}

enum rv_code actor_reactivate(struct rv_actor *actor, struct rv_error *err)
{
    bump(&actor->core->reactivated, 1);
    memset(actor->state, 0, actor->behavior->state_bytes);
    return begin_life(actor, actor->extra->argument, err);
}

/* ---- the end, or the next one ---- */

void actor_left(struct rv_actor *actor)
{
    if (actor->reactivates && actor->exit == RV_EXIT_PASSIVATED && !actor->told_to_stop &&
        !actor->core->draining) {
        passivate(actor);
        return;
    }
    enum rv_restart policy = actor->restart;
    bool again = !actor->told_to_stop && !actor->core->draining &&
                 (((actor->exit == RV_EXIT_FAILED || actor->exit == RV_EXIT_LINKED) &&
                   policy != RV_RESTART_NEVER) ||
                  (actor->exit == RV_EXIT_NORMAL && policy == RV_RESTART_ALWAYS));
    if (!again) {
        actor_end(actor, actor->exit);
        return;
    }
    stop_incarnation(actor, actor->exit);
    begin_again(actor);
}

/* False: it failed again, and may be gone, and its supervisor with it. */
static bool restart_one(struct rv_actor *actor)
{
    struct rv_error err = {.code = RV_OK};
    bump(&actor->core->restarts, 1);
    actor->busy = 0;
    memset(actor->state, 0, actor->behavior->state_bytes);
    if (actor_start(actor, actor->extra->argument, &err) != RV_OK) {
        actor_failed(actor, &err);
        return false;
    }
    return true;
}

void actor_restart_now(struct rv_actor *actor)
{
    const struct rv_actor *parent = actor->parent;
    struct rv_actor *next = actor;
    if (!actor_is_of_group(actor)) {
        restart_one(actor);
        return;
    }
    while (parent->strategy == RV_ONE_FOR_ALL && next->older != NULL) {
        next = next->older;
    }
    while (next != NULL && ((next->busy & BUSY_SUSPENDED) == 0 || restart_one(next))) {
        next = next->newer;
    }
}

static void free_extra(struct extra *extra)
{
    rv_free(extra->argument);
    rv_free(extra->restarts_us);
    rv_free(extra);
}

void actor_end(struct rv_actor *actor, enum rv_exit why)
{
    struct core *core = actor->core;
    RV_ASSERT((actor->busy & BUSY_TURN) == 0);
    actor->exiting = true;
    stop_incarnation(actor, why);
    if ((actor->busy & BUSY_READY) != 0) {
        share_remove(actor);
    }
    if (why == RV_EXIT_PASSIVATED) {
        bump(&core->passivated, 1);
    }
    if (actor->extra != NULL) {
        monitors_tell(actor, why);
    }
    if (actor->named) {
        forget_name(core->actors, actor->ref);
    }
    struct rv_actor *parent = actor->parent;
    if (parent != NULL) {
        leave_parent(actor);
    }
    core_unseat(core, actor); /* from here on messages to it are dead letters */
    struct envelope *envelope;
    while ((envelope = lane_pop(&actor->system)) != NULL ||
           (envelope = queue_pop(&actor->mailbox)) != NULL) {
        core_dead_letter(core, envelope, "no such actor");
    }
    share_leave(core, actor->share);
    bool escalate = actor->escalated && parent != NULL && (parent->busy & BUSY_TURN) == 0;
    if (actor->extra != NULL) {
        free_extra(actor->extra);
    }
    actor_pool_give(&core->pool, actor, sizeof *actor + actor->behavior->state_bytes);
    if (escalate) {
        struct rv_error err = {.code = RV_OK};
        rv_fail(&err, RV_LIMIT, "a child failed more often than its restart intensity allows");
        actor_failed(parent, &err);
    }
}
