/* wire.h -- what one node sends another: a sealed parcel of small records.
 *
 *   "rvL1" | sender 8 | receiver 8 | sequence 8 | nonce 24 | XChaCha20-Poly1305 of the records
 *    the first 28 bytes are authenticated with it         (16 bytes longer than they)
 *   record: kind 1 | length 4 | payload          all numbers big-endian
 *     WAKE 1    company 4: something happened that its runs may wait for
 *     LEASES 2  look at what you own
 *     ASK 3     call 8 | JSON text
 *     ANSWER 4  call 8 | JSON text
 *   Records of other kinds are passed over: a newer node may say more.
 *
 * Sender and receiver are processes (a number per start, never used again), so what was recorded
 * for one start is worth nothing to the next; within two starts the sequence must be new
 * (rv_wire_fresh).  Whoever has the key is believed; nobody else is heard.
 *
 * Pure functions, any thread.
 */
#ifndef REEVE_RUNTIME_CLUSTER_WIRE_H
#define REEVE_RUNTIME_CLUSTER_WIRE_H

#include "runtime/base/buf.h"

#include <stdint.h>

enum {
    RV_WIRE_KEY_BYTES = 32,
    RV_WIRE_HEAD_BYTES = 4 + 8 + 8 + 8,
    RV_WIRE_NONCE_BYTES = 24,
    RV_WIRE_TAG_BYTES = 16,
    RV_WIRE_BODY_MAX = 1 << 20, /* the longest answer (a node's actors) has less */
    RV_WIRE_MESSAGE_MAX =
        RV_WIRE_HEAD_BYTES + RV_WIRE_NONCE_BYTES + RV_WIRE_BODY_MAX + RV_WIRE_TAG_BYTES,
    RV_WIRE_WINDOW = 64 /* messages that may overtake each other when a line is dialled anew */
};

struct rv_wire_key {
    uint8_t bytes[RV_WIRE_KEY_BYTES];
};

struct rv_wire_head {
    int64_t from, to;  /* starts of processes */
    uint64_t sequence; /* from 1 */
};

/* Replaces what is in `out` by the sealed message; `length` at most RV_WIRE_BODY_MAX. */
void rv_wire_seal(const struct rv_wire_key *key, const struct rv_wire_head *head, const void *body,
                  size_t length, struct rv_buf *out);
/* Who claims to have sent it to whom; nothing of it is proven.  RV_PROTOCOL: it is no message. */
RV_MUST enum rv_code rv_wire_head(const void *message, size_t length, struct rv_wire_head *out,
                                  struct rv_error *err);
/* The records, into `body`.  RV_PROTOCOL: no message; RV_DENIED: another key, or changed. */
RV_MUST enum rv_code rv_wire_open(const struct rv_wire_key *key, const void *message, size_t length,
                                  struct rv_buf *body, struct rv_error *err);

/* ---- has this sequence been seen from that sender? ---- */

struct rv_wire_window {
    uint64_t newest; /* 0: nothing yet */
    uint64_t seen;   /* bit n: newest - n */
};
/* False: seen before, or too old to tell.  Ask only for what rv_wire_open has accepted. */
bool rv_wire_fresh(struct rv_wire_window *window, uint64_t sequence);

/* ---- records ---- */

enum rv_wire_kind { RV_WIRE_WAKE = 1, RV_WIRE_LEASES = 2, RV_WIRE_ASK = 3, RV_WIRE_ANSWER = 4 };
enum { RV_WIRE_RECORD_BYTES = 1 + 4, RV_WIRE_CALL_BYTES = 8 };

struct rv_wire_record {
    uint8_t kind;
    int32_t tenant;   /* WAKE */
    uint64_t call;    /* ASK, ANSWER */
    const char *text; /* ASK, ANSWER; not terminated */
    size_t length;
};

void rv_wire_put_wake(struct rv_buf *body, int32_t tenant);
void rv_wire_put_leases(struct rv_buf *body);
/* kind is RV_WIRE_ASK or RV_WIRE_ANSWER. */
void rv_wire_put_text(struct rv_buf *body, enum rv_wire_kind kind, uint64_t call, const char *text,
                      size_t length);
/* The next known record at `*at`, which moves on.  RV_NOT_FOUND at the end, RV_PROTOCOL where the
 * rest makes no sense. */
RV_MUST enum rv_code rv_wire_next(const void *body, size_t length, size_t *at,
                                  struct rv_wire_record *out, struct rv_error *err);

#endif
