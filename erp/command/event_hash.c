/* event_hash.c -- see event_hash.h. */
#include "erp/command/event_hash.h"

#include <inttypes.h>
#include <string.h>

static const char version_word[] = "reeve event v1\n";

enum { HEAD_MAX = 64 };

enum rv_code erp_event_hash(const struct erp_event_record *record, const struct rv_hash *previous,
                            struct rv_hash *body_hash, struct rv_hash *hash, struct rv_error *err)
{
    struct rv_buf text;
    rv_buf_init(&text, ERP_EVENT_BODY_MAX);
    enum rv_code code = rv_json_canonical(record->body, &text, err);
    if (code == RV_OK) {
        *body_hash = rv_sha256(text.data, text.length);
    }
    rv_buf_fini(&text);
    if (code != RV_OK) {
        return rv_wrap(err, code, "event \"%s\" of %s", record->type, record->stream);
    }
    struct rv_buf head;
    rv_buf_init(&head, HEAD_MAX);
    rv_buf_str(&head, version_word);
    rv_buf_be32(&head, (uint32_t)record->tenant);
    rv_buf_be64(&head, (uint64_t)record->seq);
    rv_buf_be32(&head, (uint32_t)record->version);
    rv_buf_be64(&head, (uint64_t)record->occurred_on);
    rv_buf_be64(&head, (uint64_t)record->recorded_us);
    const struct rv_span spans[] = {
        {head.data, head.length},
        {record->stream, strlen(record->stream) + 1},
        {record->type, strlen(record->type) + 1},
        {record->actor, strlen(record->actor) + 1},
        {record->command_id, strlen(record->command_id) + 1},
        {body_hash->bytes, RV_HASH_BYTES},
        {previous->bytes, RV_HASH_BYTES},
    };
    *hash = rv_sha256_spans(spans, sizeof spans / sizeof spans[0]);
    rv_buf_fini(&head);
    return RV_OK;
}

void erp_chain_init(struct erp_chain *chain)
{
    *chain = (struct erp_chain){.seq = 0};
}

enum rv_code erp_chain_check(struct erp_chain *chain, const struct erp_event_record *record,
                             const struct rv_hash *body_hash, const struct rv_hash *hash,
                             struct rv_error *err)
{
    if (record->seq != chain->seq + 1) {
        return rv_fail(err, RV_CORRUPT,
                       "event %" PRId64 " is missing: %" PRId64 " follows %" PRId64, chain->seq + 1,
                       record->seq, chain->seq);
    }
    struct rv_hash body;
    struct rv_hash whole;
    enum rv_code code = erp_event_hash(record, &chain->hash, &body, &whole, err);
    if (code != RV_OK) {
        return code;
    }
    if (!rv_hash_equal(&body, body_hash)) {
        return rv_fail(err, RV_CORRUPT, "the body of event %" PRId64 " was changed", record->seq);
    }
    if (!rv_hash_equal(&whole, hash)) {
        return rv_fail(err, RV_CORRUPT, "event %" PRId64 " or one before it was changed",
                       record->seq);
    }
    chain->seq = record->seq;
    chain->hash = whole;
    return RV_OK;
}
