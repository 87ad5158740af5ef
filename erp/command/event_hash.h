/* event_hash.h -- the chain over a tenant's events: any changed byte breaks it from there on.
 *
 *   body_hash = SHA-256(RFC 8785 form of body)
 *   hash      = SHA-256("reeve event v1\n" tenant seq version occurred_on recorded_us   big-endian
 *                       stream 0 type 0 actor 0 command_id 0  body_hash  previous hash)
 *
 * The hash of event 0 is 32 zero bytes.  The function is versioned by its first word, so that a
 * later one can live beside it.  Pure functions, any thread.
 */
#ifndef REEVE_ERP_COMMAND_EVENT_HASH_H
#define REEVE_ERP_COMMAND_EVENT_HASH_H

#include "runtime/base/error.h"
#include "runtime/base/hash.h"
#include "runtime/base/json.h"

enum { ERP_EVENT_BODY_MAX = 16 << 20 }; /* canonical text; a thousand bank lines are half a MiB */

/* An event as it is written, everything the chain covers. */
struct erp_event_record {
    int32_t tenant;
    int64_t seq;
    const char *stream;
    int32_t version;
    const char *type;
    int64_t occurred_on; /* days since 1970 */
    int64_t recorded_us;
    const char *actor;
    const char *command_id;
    const json_t *body;
};

/* Gives both hashes.  RV_INVALID when the body has no canonical form (a real number). */
RV_MUST enum rv_code erp_event_hash(const struct erp_event_record *record,
                                    const struct rv_hash *previous, struct rv_hash *body_hash,
                                    struct rv_hash *hash, struct rv_error *err);

/* Verification, one event after the other in order of seq. */
struct erp_chain {
    int64_t seq; /* last one that was right */
    struct rv_hash hash;
};
void erp_chain_init(struct erp_chain *chain); /* before event 1 */
/* RV_CORRUPT naming the sequence: a gap, a changed field, a changed body. */
RV_MUST enum rv_code erp_chain_check(struct erp_chain *chain, const struct erp_event_record *record,
                                     const struct rv_hash *body_hash, const struct rv_hash *hash,
                                     struct rv_error *err);

#endif
