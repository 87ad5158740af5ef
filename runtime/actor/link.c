/* link.c -- actors that end together (Erlang/OTP's links).
 *
 * Each of the two holds an entry for the other.  The one that links tells the other's core by a
 * message in the same order as everything else it sends there, so a later exit signal cannot
 * overtake it.  An exit signal counts only while the receiver holds the entry: what was unlinked
 * meanwhile, or belonged to an earlier life, is nothing.
 */
#include "runtime/actor/mail.h"

static struct link **find(struct extra *extra, struct rv_ref ref)
{
    struct link **at = &extra->links;
    while (*at != NULL && !rv_ref_is((*at)->ref, ref)) {
        at = &(*at)->next;
    }
    return at;
}

static void add(struct rv_actor *actor, struct rv_ref other)
{
    struct extra *extra = actor_extra(actor);
    if (*find(extra, other) == NULL) {
        struct link *link = rv_alloc(sizeof *link);
        *link = (struct link){.next = extra->links, .ref = other};
        extra->links = link;
    }
}

/* False: there was none. */
static bool take(struct rv_actor *actor, struct rv_ref other)
{
    if (actor->extra == NULL) {
        return false;
    }
    struct link **at = find(actor->extra, other);
    struct link *link = *at;
    if (link == NULL) {
        return false;
    }
    *at = link->next;
    rv_free(link);
    return true;
}

static void signal_exit(struct core *core, struct rv_ref from, struct rv_ref to, enum rv_exit why)
{
    struct rv_message exit = rv_message_of(RV_MESSAGE_EXIT);
    exit.from = from;
    exit.trace = core->trace;
    exit.body.numbers[0] = why;
    mail_post(core, to, &exit, RV_OK);
}

void rv_actor_link(struct rv_actor *self, struct rv_ref other)
{
    struct rv_message link = rv_message_of(MESSAGE_LINK);
    RV_ASSERT(ref_core(other) < self->core->actors->core_count);
    if (!rv_ref_is(self->ref, other)) {
        add(self, other);
        core_send(self, other, &link);
    }
}

void rv_actor_unlink(struct rv_actor *self, struct rv_ref other)
{
    struct rv_message unlink = rv_message_of(MESSAGE_UNLINK);
    if (take(self, other)) {
        core_send(self, other, &unlink);
    }
}

enum rv_code link_deliver(struct core *core, struct rv_actor *actor, struct envelope *envelope)
{
    struct rv_ref from = envelope->message.from;
    bool link = envelope->message.kind == MESSAGE_LINK;
    if (actor == NULL || actor->exiting) {
        if (link) {
            signal_exit(core, envelope->to, from, RV_EXIT_UNKNOWN);
        }
    } else if (link) {
        add(actor, from);
    } else {
        take(actor, from);
    }
    envelope_free(core, envelope);
    return RV_OK;
}

bool link_exit(struct rv_actor *actor, const struct rv_message *message)
{
    enum rv_exit why = (enum rv_exit)message->body.numbers[0];
    if (!take(actor, message->from)) {
        return true;
    }
    if (actor->traps_exits) {
        return false;
    }
    if (why != RV_EXIT_NORMAL && why != RV_EXIT_PASSIVATED) {
        actor->exiting = true;
        actor->exit = RV_EXIT_LINKED;
    }
    return true;
}

void links_break(struct rv_actor *actor, enum rv_exit why)
{
    struct extra *extra = actor->extra;
    while (extra->links != NULL) {
        struct link *link = extra->links;
        extra->links = link->next;
        signal_exit(actor->core, actor->ref, link->ref, why);
        rv_free(link);
    }
}
