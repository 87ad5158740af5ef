/* mail.h -- envelopes, and how messages reach another core (mail.c).
 *
 * All of it belongs to the core's own thread, except where it says "any thread".  Who posts moves
 * the payload away, also when nobody is there to read it.
 */
#ifndef REEVE_RUNTIME_ACTOR_MAIL_H
#define REEVE_RUNTIME_ACTOR_MAIL_H

#include "runtime/actor/actor_private.h"

void mail_init(struct core *core);
void mail_fini(struct core *core);
/* Any thread: `run` is called on the core's loop with its bell; core_rung gives the core, NULL:
 * gone. */
void core_ring(struct core *core, void (*run)(void *bell));
struct core *core_rung(void *data);
/* From the core's own thread, to whichever core; what is for itself comes with the next take. */
void mail_post(struct core *core, struct rv_ref to, struct rv_message *message, enum rv_code code);
/* From any thread. */
void mail_post_foreign(struct core *to, struct rv_ref ref, struct rv_message *message);
void mail_drop(struct rv_message *message);  /* its payload */
void mail_clear(struct rv_message *message); /* whatever it has more than a body */
void mail_take(struct core *core);           /* delivers what has come */
void mail_publish(struct core *core); /* what was posted is seen by others, and they are woken */
bool mail_has_come(struct core *core);
bool mail_from_cores(struct core *core);
bool mail_can_go(struct core *core); /* what waited for room in a ring has it */
/* From here on others wake the core; false: there is something to do already, it stays awake. */
bool mail_rest(struct core *core);
bool mail_is_quiet(struct core *core); /* nothing came and nothing waits to go */

/* ---- what each message goes through, inline ---- */

void envelopes_grow(struct core *core);

static inline void queue_push(struct queue *queue, struct envelope *envelope)
{
    envelope->next = NULL;
    if (queue->first == NULL) {
        queue->first = envelope;
    } else {
        queue->last->next = envelope;
    }
    queue->last = envelope;
}

static inline struct envelope *queue_pop(struct queue *queue)
{
    struct envelope *envelope = queue->first;
    if (envelope != NULL) {
        queue->first = envelope->next;
    }
    return envelope;
}

static inline void lane_push(struct lane *lane, struct envelope *envelope)
{
    if (lane->last == NULL) {
        envelope->next = envelope;
    } else {
        envelope->next = lane->last->next;
        lane->last->next = envelope;
    }
    lane->last = envelope;
}

static inline struct envelope *lane_pop(struct lane *lane)
{
    struct envelope *last = lane->last;
    if (last == NULL) {
        return NULL;
    }
    struct envelope *first = last->next;
    if (first == last) {
        lane->last = NULL;
    } else {
        last->next = first->next;
    }
    return first;
}

static inline bool message_has_more(const struct rv_message *message)
{
    return (message->call | (uint64_t)message->deadline_us | message->trace.high |
            message->trace.low | (uintptr_t)message->payload) != 0;
}

/* Moves the message, its payload with it.  Field by field, as rv_message_of. */
static inline void envelope_fill(struct envelope *envelope, struct rv_ref to,
                                 struct rv_message *from, bool more, enum rv_code code)
{
    struct rv_message *message = &envelope->message;
    envelope->to = to;
    message->kind = from->kind;
    message->more = more;
    message->from = from->from;
    message->body.numbers[0] = from->body.numbers[0];
    message->body.numbers[1] = from->body.numbers[1];
    message->body.numbers[2] = from->body.numbers[2];
    message->body.numbers[3] = from->body.numbers[3];
    if (more) {
        message->call = from->call;
        message->deadline_us = from->deadline_us;
        message->trace.high = from->trace.high;
        message->trace.low = from->trace.low;
        message->payload = from->payload;
        message->free = from->free;
        from->payload = NULL;
        envelope->code = code; /* only answers to calls have one */
    }
}

static inline struct envelope *envelope_take(struct core *core)
{
    if (core->free_envelopes == NULL) {
        envelopes_grow(core);
    }
    struct envelope *envelope = core->free_envelopes;
    core->free_envelopes = envelope->next;
    return envelope;
}

static inline struct envelope *envelope_make(struct core *core, struct rv_ref to,
                                             struct rv_message *message, enum rv_code code)
{
    struct envelope *envelope = envelope_take(core);
    envelope_fill(envelope, to, message, message_has_more(message), code);
    return envelope;
}

/* Out of a ring, or of the inbox. */
static inline struct envelope *envelope_copy(struct core *core, struct envelope *from)
{
    struct envelope *envelope = envelope_take(core);
    envelope_fill(envelope, from->to, &from->message, from->message.more != 0, from->code);
    return envelope;
}

static inline void envelope_free(struct core *core, struct envelope *envelope)
{
    if (envelope->message.more != 0) {
        mail_clear(&envelope->message);
    }
    envelope->next = core->free_envelopes;
    core->free_envelopes = envelope;
}

#endif
