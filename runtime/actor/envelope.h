/* envelope.h -- a message under way, and what it lies in: a mailbox, or a ring between two cores.
 *
 * For the files of runtime/actor; who may touch what is said in mail.c.
 */
#ifndef REEVE_RUNTIME_ACTOR_ENVELOPE_H
#define REEVE_RUNTIME_ACTOR_ENVELOPE_H

#include "runtime/actor/actor.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>

enum {
    RING_SLOTS = 2048, /* messages under way from one core to another; 128 bytes each */
    RING_BATCH = 64,   /* messages that are published, or given back, at once */
    RING_AHEAD = 8,    /* messages that are fetched from the other core's cache beforehand */
    ENVELOPE_STRIDE = 128,
    SLAB_ENVELOPES = 512
};

/* Most messages have a body and nothing more: they are one cache line, and the other one is neither
 * written nor read.  In an envelope that lies free it is clear, in a ring it is anything. */
struct envelope {
    struct envelope *next;
    struct rv_ref to;
    struct rv_message message;
    int64_t queued_us; /* when it was delivered, as the core's clock stood */
    enum rv_code code; /* of a reply */
};

/* Memory of a core's envelopes: they are recycled and stay on the core that made them. */
struct slab {
    struct slab *next;
    void *memory;
};

_Static_assert(offsetof(struct envelope, message.call) == 64, "a plain message is one line");

struct queue {
    struct envelope *first;
    struct envelope *last;
};

/* The system lane of an actor: as a queue, in one word; the last points to the first. */
struct lane {
    struct envelope *last;
};

/* Messages from one core to another: one writer, one reader.  Belongs to the reader. */
struct ring {
    alignas(64) _Atomic uint32_t tail; /* moved by the writer */
    alignas(64) _Atomic uint32_t head; /* moved by the reader */
    alignas(64) atomic_bool crowded;   /* the writer has more: wake it at half */
    alignas(64) struct envelope slots[RING_SLOTS];
};

/* The writer's end. */
struct outlet {
    struct ring *ring; /* NULL before the first message */
    uint32_t tail;     /* written */
    uint32_t published;
    uint32_t head;        /* as last seen */
    struct queue waiting; /* while the ring is full */
};

#endif
