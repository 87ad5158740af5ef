/* gate_events.c -- see gate_events.h. */
#include "runtime/gate/gate_events.h"

#include "erp/command/event_hash.h"
#include "erp_command_sql.h"
#include "runtime/base/check.h"
#include "runtime/db/args.h"

static void append_one(struct rv_batch *batch, const struct erp_event *event, const char *actor,
                       const char *command_id)
{
    struct rv_head *head = rv_batch_head(batch);
    const struct erp_event_type *type = erp_event_type_find(event->type);
    RV_ASSERT(type != NULL);
    struct erp_event_record record = {
        .tenant = rv_batch_tenant(batch),
        .seq = ++head->event_seq,
        .stream = event->stream,
        .version = event->version,
        .type = event->type,
        .occurred_on = event->occurred_on,
        .recorded_us = head->now_us,
        .actor = actor,
        .command_id = command_id,
        .body = event->body,
    };
    struct rv_hash body_hash;
    RV_ASSERT(erp_event_hash(&record, &head->event_hash, &body_hash, &head->event_hash, NULL) ==
              RV_OK);
    struct rv_args *rows = rv_batch_rows(batch, &rv_sql_event_append);
    rv_args_i64(rows, 2, record.seq);
    rv_args_text(rows, 3, record.stream);
    rv_args_i32(rows, 4, record.version);
    rv_args_text(rows, 5, record.type);
    rv_args_date(rows, 6, record.occurred_on);
    rv_args_time(rows, 7, record.recorded_us);
    rv_args_text(rows, 8, actor);
    rv_args_text(rows, 9, command_id);
    rv_args_json(rows, 10, event->body);
    rv_args_bytes(rows, 11, body_hash.bytes, RV_HASH_BYTES);
    rv_args_bytes(rows, 12, head->event_hash.bytes, RV_HASH_BYTES);
    if (type->projection != NULL) {
        rows = rv_batch_rows(batch, type->projection);
        rv_args_i64(rows, 2, record.seq);
        rv_args_text(rows, 3, event->stream);
        rv_args_date(rows, 4, event->occurred_on);
        rv_args_json(rows, 5, event->body);
    }
}

void rv_gate_append_events(struct rv_batch *batch, const struct erp_outcome *outcome,
                           const char *actor, const char *command_id, int64_t *first, int64_t *last)
{
    struct rv_head *head = rv_batch_head(batch);
    *first = outcome->event_count > 0 ? head->event_seq + 1 : 0;
    for (int i = 0; i < outcome->event_count; i++) {
        append_one(batch, &outcome->events[i], actor, command_id);
    }
    *last = outcome->event_count > 0 ? head->event_seq : 0;
}
