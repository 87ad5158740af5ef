/* stash.c -- messages put aside until the actor can do something with them (Akka's stash).
 *
 * They lie behind the mailbox's back: bounded by themselves, in order, with their deadlines and the
 * calls they are.  They belong to the actor, not to one of its lives: a restart gives them back.
 */
#include "runtime/actor/core_time.h"
#include "runtime/actor/mail.h"

/* Before what waits in the mailbox. */
static void put_back(struct rv_actor *actor, struct queue *some, int count)
{
    if (count > 0) {
        if (actor->waiting == 0) {
            actor->mailbox.last = some->last;
            some->last->next = NULL;
        } else {
            some->last->next = actor->mailbox.first;
        }
        actor->mailbox.first = some->first;
        actor->waiting += (uint32_t)count;
        actor->extra->stashed -= count;
    }
}

/* Makes room, or not. */
static enum rv_code overflow(struct rv_actor *actor)
{
    struct core *core = actor->core;
    struct extra *extra = actor->extra;
    switch (actor->stash_overflow) {
    case RV_OVERFLOW_DROP_OLDEST:
        core_dead_letter(core, queue_pop(&extra->stash), "dropped oldest");
        extra->stashed--;
        return RV_OK;
    case RV_OVERFLOW_SPILL:
        if (extra->stashed < RV_MAILBOX_SPILL_MAX) {
            bump(&core->spilled, 1);
            return RV_OK;
        }
        break;
    case RV_OVERFLOW_REFUSE: break;
    }
    bump(&core->refused, 1);
    return RV_LIMIT;
}

enum rv_code rv_actor_stash(struct rv_actor *self, struct rv_message *message)
{
    struct core *core = self->core;
    struct extra *extra = actor_extra(self);
    int max = extra->stash_max != 0 ? extra->stash_max : RV_STASH_DEFAULT;
    RV_ASSERT(message->kind >= RV_MESSAGE_USER); /* the system's are never put off */
    if (message->call != 0) {
        actor_paid(self, message); /* it will be received again, or answered for */
    }
    struct envelope *aside = envelope_make(core, self->ref, message, RV_OK);
    aside->queued_us = core_noted(core);
    if (extra->stashed >= max && overflow(self) != RV_OK) {
        core_dead_letter(core, aside, "stash full");
        return RV_LIMIT;
    }
    queue_push(&extra->stash, aside);
    extra->stashed++;
    return RV_OK;
}

int rv_actor_unstash(struct rv_actor *self,
                     bool (*wanted)(const void *state, const struct rv_message *message))
{
    struct queue kept = {.first = NULL};
    struct queue some = {.first = NULL};
    int count = 0;
    if (self->extra == NULL) {
        return 0;
    }
    struct envelope *envelope;
    while ((envelope = queue_pop(&self->extra->stash)) != NULL) {
        bool back = wanted == NULL || wanted(self->state, &envelope->message);
        queue_push(back ? &some : &kept, envelope);
        count += back;
    }
    self->extra->stash = kept;
    put_back(self, &some, count);
    return count;
}

void stash_give_back(struct rv_actor *actor)
{
    struct queue all = actor->extra->stash;
    actor->extra->stash = (struct queue){.first = NULL};
    put_back(actor, &all, actor->extra->stashed);
}
