/* monitor.c -- who hears of whose end (Erlang/OTP's monitors).
 *
 * Both sides hold an entry: the watcher a seat with a number of its own, the target the watcher's
 * reference, seat and number.  The word of the end carries the seat and its number, so it is found
 * at once however many are watched; one whose number is not there any more was taken back, or
 * belonged to an earlier life, and is nothing.
 */
#include "runtime/actor/mail.h"

enum { NOBODY = -1 };

/* What an actor watches. */
struct watch {
    struct rv_ref target;
    int64_t number; /* 0: free */
    int64_t next;   /* free seat */
};

struct watches {
    int64_t count; /* seats that were ever taken */
    int64_t capacity;
    int64_t free; /* NOBODY: none */
    struct watch *seats;
};

/* Who watches an actor. */
struct watcher {
    struct watcher *next;
    struct rv_ref ref;
    int64_t seat;
    int64_t number;
};

/* ---- the watcher's side ---- */

static int64_t take_seat(struct rv_actor *self)
{
    struct extra *extra = actor_extra(self);
    if (extra->watches == NULL) {
        extra->watches = rv_alloc(sizeof *extra->watches);
        extra->watches->free = NOBODY;
    }
    struct watches *watches = extra->watches;
    int64_t seat = watches->free;
    if (seat != NOBODY) {
        watches->free = watches->seats[seat].next;
        return seat;
    }
    if (watches->count == watches->capacity) {
        watches->capacity = watches->capacity == 0 ? 4 : watches->capacity * 2;
        watches->seats =
            rv_realloc(watches->seats, (size_t)watches->capacity * sizeof *watches->seats);
    }
    return watches->count++;
}

static void leave_seat(struct watches *watches, int64_t seat)
{
    watches->seats[seat] = (struct watch){.next = watches->free};
    watches->free = seat;
}

static void take_back(struct rv_actor *self, const struct watch *watch)
{
    struct rv_message unwatch = rv_message_of(MESSAGE_UNWATCH);
    unwatch.from = self->ref;
    unwatch.body.numbers[0] = watch->number;
    mail_post(self->core, watch->target, &unwatch, RV_OK);
}

void rv_actor_monitor(struct rv_actor *self, struct rv_ref target)
{
    struct rv_message watch = rv_message_of(MESSAGE_WATCH);
    RV_ASSERT(ref_core(target) < self->core->actors->core_count);
    int64_t seat = take_seat(self);
    int64_t number = ++self->core->watch_numbers;
    self->extra->watches->seats[seat] = (struct watch){.target = target, .number = number};
    watch.body.numbers[0] = number;
    watch.body.numbers[1] = seat;
    core_send(self, target, &watch);
}

void rv_actor_demonitor(struct rv_actor *self, struct rv_ref target)
{
    struct watches *watches = self->extra != NULL ? self->extra->watches : NULL;
    for (int64_t seat = 0; watches != NULL && seat < watches->count; seat++) {
        const struct watch *watch = &watches->seats[seat];
        if (watch->number != 0 && rv_ref_is(watch->target, target)) {
            take_back(self, watch);
            leave_seat(watches, seat);
        }
    }
}

bool monitor_holds(struct rv_actor *actor, const struct rv_message *down)
{
    int64_t number = down->body.numbers[1];
    int64_t seat = down->body.numbers[2];
    struct watches *watches = actor->extra != NULL ? actor->extra->watches : NULL;
    if (watches == NULL || seat >= watches->count || watches->seats[seat].number != number) {
        return false;
    }
    leave_seat(watches, seat);
    return true;
}

void monitors_end(struct rv_actor *actor)
{
    struct watches *watches = actor->extra->watches;
    if (watches == NULL) {
        return;
    }
    for (int64_t seat = 0; seat < watches->count; seat++) {
        if (watches->seats[seat].number != 0) {
            take_back(actor, &watches->seats[seat]);
        }
    }
    rv_free(watches->seats);
    rv_free(watches);
    actor->extra->watches = NULL;
}

/* ---- the target's side ---- */

static void tell(struct core *core, struct rv_ref target, const struct watcher *watcher,
                 enum rv_exit why)
{
    struct rv_message down = rv_message_of(RV_MESSAGE_DOWN);
    down.from = target;
    down.trace = core->trace;
    down.body.numbers[0] = why;
    down.body.numbers[1] = watcher->number;
    down.body.numbers[2] = watcher->seat;
    mail_post(core, watcher->ref, &down, RV_OK);
}

static void forget(struct rv_actor *actor, struct rv_ref ref, int64_t number)
{
    struct watcher **link = &actor->extra->watchers;
    while (*link != NULL && ((*link)->number != number || !rv_ref_is((*link)->ref, ref))) {
        link = &(*link)->next;
    }
    struct watcher *watcher = *link;
    if (watcher != NULL) {
        *link = watcher->next;
        rv_free(watcher);
    }
}

enum rv_code monitor_deliver(struct core *core, struct rv_actor *actor, struct envelope *envelope)
{
    const struct rv_message *message = &envelope->message;
    struct watcher watcher = {
        .ref = message->from, .number = message->body.numbers[0], .seat = message->body.numbers[1]};
    if (message->kind == MESSAGE_UNWATCH) {
        if (actor != NULL && actor->extra != NULL) {
            forget(actor, watcher.ref, watcher.number);
        }
    } else if (actor == NULL) {
        tell(core, envelope->to, &watcher, RV_EXIT_UNKNOWN);
    } else {
        struct extra *extra = actor_extra(actor);
        struct watcher *entry = rv_alloc(sizeof *entry);
        watcher.next = extra->watchers;
        *entry = watcher;
        extra->watchers = entry;
    }
    envelope_free(core, envelope);
    return RV_OK;
}

void monitors_tell(struct rv_actor *actor, enum rv_exit why)
{
    while (actor->extra->watchers != NULL) {
        struct watcher *watcher = actor->extra->watchers;
        actor->extra->watchers = watcher->next;
        tell(actor->core, actor->ref, watcher, why);
        rv_free(watcher);
    }
}
