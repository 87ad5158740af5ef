/* commit_batch.c -- one batch: load, decide, write, commit.
 *
 *   with head:  BEGIN tenant head [effect] loads | flush -> decide -> writes head COMMIT | sync
 *   plain:      decide -> BEGIN tenant fence writes COMMIT | sync       (one round trip)
 *
 * Rows go out in chunks while later units still decide, so that the server inserts meanwhile and
 * the parameters in flight stay bounded; within a chunk statements keep the write order.
 *
 * Results of loads carry a slot number (unit * RV_UNIT_LOADS_MAX + load) in their first column.
 */
#include "db_sql.h"
#include "journal_sql.h"
#include "runtime/journal/commit_private.h"

#include <stdio.h>
#include <string.h>

enum tag { TAG_HEAD = 1, TAG_LOAD = 2, TAG_LOOKUP = 3, TAG_EFFECT = 4 };

static void send_loads(struct rv_batch *batch, bool more);
static void loads_done(struct rv_batch *batch);
static void decide_all(struct rv_batch *batch);
static void send_rows(struct rv_batch *batch);
static void send_end(struct rv_batch *batch);

/* ---- lifecycle ---- */

struct rv_batch *batch_create(struct rv_committer *committer, int32_t tenant)
{
    struct rv_batch *batch = rv_alloc(sizeof *batch);
    batch->committer = committer;
    batch->tenant = tenant;
    batch->plain = true;
    batch->arena = rv_arena_create("batch", BATCH_ARENA_MAX);
    return batch;
}

static void forget_states_from(struct rv_batch *batch, int first)
{
    for (int i = first; i < batch->count; i++) {
        struct rv_unit *unit = batch->units[i];
        for (int k = 0; k < unit->load_count; k++) {
            json_decref(unit->loads[k].state);
            unit->loads[k].state = NULL;
        }
    }
}

void batch_forget_states(struct rv_batch *batch)
{
    forget_states_from(batch, 0);
}

static void forget_groups(struct rv_batch *batch)
{
    for (int i = 0; i < batch->group_count; i++) {
        rv_args_destroy(batch->groups[i].args);
    }
    batch->group_count = 0;
}

void batch_destroy(struct rv_batch *batch)
{
    forget_groups(batch);
    rv_arena_destroy(batch->arena);
    rv_free(batch);
}

/* ---- what decide may use ---- */

struct rv_head *rv_batch_head(struct rv_batch *batch)
{
    RV_ASSERT(batch->has_head); /* the unit said it does not need the head */
    return &batch->head;
}

int32_t rv_batch_tenant(const struct rv_batch *batch)
{
    return batch->tenant;
}

struct rv_arena *rv_batch_arena(struct rv_batch *batch)
{
    return batch->arena;
}

struct rv_args *rv_batch_rows(struct rv_batch *batch, const struct rv_statement *statement)
{
    struct rv_committer *committer = batch->committer;
    for (int i = 0; i < committer->write_count; i++) {
        struct write *write = &committer->writes[i];
        if (write->statement != statement) {
            continue;
        }
        if (!write->used) {
            if (write->args == NULL) {
                write->args = rv_args_create(statement);
            } else {
                rv_args_reset(write->args);
            }
            rv_args_i32(write->args, 1, batch->tenant);
            write->used = true;
        }
        return write->args;
    }
    fprintf(stderr, "reeve: statement \"%s\" is not in the write order\n", statement->name);
    RV_UNREACHABLE("every write statement has its place in the write order");
}

void rv_batch_spoil(struct rv_batch *batch, const struct rv_error *err)
{
    if (!batch->failed) {
        batch->failed = true;
        batch->fail_code = err->code;
        batch->fail_state[0] = '\0';
        batch->fail = *err;
    }
    batch->spoiled = true;
}

/* Nothing of what was decided goes out any more. */
static void forget_rows(struct rv_batch *batch)
{
    struct rv_committer *committer = batch->committer;
    for (int i = 0; i < committer->write_count; i++) {
        committer->writes[i].used = false;
    }
    batch->accepted = 0;
}

void *rv_batch_slot(struct rv_batch *batch, const void *room, size_t size_bytes)
{
    for (int i = 0; i < batch->slot_count; i++) {
        if (batch->slots[i].room == room) {
            return batch->slots[i].memory;
        }
    }
    RV_ASSERT(batch->slot_count < COMMIT_SLOTS_MAX);
    void *memory = rv_arena_alloc(batch->arena, size_bytes);
    batch->slots[batch->slot_count++] = (struct slot_entry){room, memory};
    return memory;
}

/* ---- 1 load ---- */

/* A plan is kept as long as the connection.  One made while a table was small reads all of it, also
 * when it has grown a thousandfold; so plans are made anew whenever the rows may have doubled. */
static void replan_when_grown(struct rv_committer *committer)
{
    if (committer->replan_at == 0) {
        committer->replan_at = COMMIT_REPLAN_FIRST;
    }
    if (committer->stats.units >= committer->replan_at) {
        committer->replan_at = committer->stats.units * 2;
        rv_link_send(committer->link, &rv_sql_plans_discard, NULL, -1);
    }
}

static void set_tenant(struct rv_batch *batch)
{
    struct rv_committer *committer = batch->committer;
    char text[16];
    snprintf(text, sizeof text, "%d", batch->tenant);
    rv_args_reset(committer->tenant_args);
    rv_args_text(committer->tenant_args, 1, text);
    rv_link_send(committer->link, &rv_sql_db_begin, NULL, -1);
    replan_when_grown(committer);
    rv_link_send(committer->link, &rv_sql_batch_begin, committer->tenant_args, -1);
    batch->opened = true;
}

static void send_effect(struct rv_batch *batch, bool first)
{
    const struct rv_unit *unit = batch->units[0];
    if (unit->effect != NULL && unit->effect_first == first) {
        rv_link_send(batch->committer->link, unit->effect, unit->effect_args, TAG_EFFECT);
        batch->waiting++;
    }
}

void batch_begin(struct rv_batch *batch)
{
    struct rv_committer *committer = batch->committer;
    for (int i = 0; i < committer->write_count; i++) {
        committer->writes[i].used = false;
    }
    if (batch->plain) {
        decide_all(batch);
        return;
    }
    batch->phase = BATCH_LOADING;
    set_tenant(batch);
    batch->waiting = 1;
    send_effect(batch, true);
    rv_args_reset(committer->lock_args);
    rv_args_i32(committer->lock_args, 1, batch->tenant);
    rv_link_send(committer->link, &rv_sql_head_lock, committer->lock_args, TAG_HEAD);
    send_effect(batch, false);
    send_loads(batch, false);
    rv_link_flush(committer->link);
}

static struct rv_args *group_for(struct rv_batch *batch, const struct rv_statement *statement)
{
    for (int i = 0; i < batch->group_count; i++) {
        if (batch->groups[i].statement == statement) {
            return batch->groups[i].args;
        }
    }
    RV_ASSERT(batch->group_count < RV_BATCH_UNITS_MAX);
    struct load_group *group = &batch->groups[batch->group_count++];
    group->statement = statement;
    group->args = rv_args_create(statement);
    rv_args_i32(group->args, 1, batch->tenant);
    return group->args;
}

/* First loads of all units, or those that more_loads has added. */
static void send_loads(struct rv_batch *batch, bool more)
{
    for (int i = 0; i < batch->count; i++) {
        struct rv_unit *unit = batch->units[i];
        int first = more ? unit->base_loads : 0;
        int end = more ? unit->load_count : unit->base_loads;
        for (int k = first; k < end; k++) {
            struct rv_args *args = group_for(batch, unit->loads[k].statement);
            rv_args_i32(args, 2, i * RV_UNIT_LOADS_MAX + k);
            rv_args_json(args, 3, unit->loads[k].args);
        }
    }
    for (int i = 0; i < batch->group_count; i++) {
        rv_link_send(batch->committer->link, batch->groups[i].statement, batch->groups[i].args,
                     TAG_LOAD);
        batch->waiting++;
    }
}

static void take_head(struct rv_batch *batch, const struct rv_result *result)
{
    struct rv_head *head = &batch->head;
    if (rv_result_rows(result) != 1) {
        batch->failed = true;
        batch->fail_code =
            rv_fail(&batch->fail, RV_NOT_FOUND, "no company number %d", batch->tenant);
        return;
    }
    head->epoch = rv_result_i64(result, 0, 0);
    head->event_seq = rv_result_i64(result, 0, 1);
    rv_result_bytes(result, 0, 2, head->event_hash.bytes, RV_HASH_BYTES);
    head->audit_size = rv_result_i64(result, 0, 3);
    head->audit_frontier_count =
        (int)(rv_result_bytes(result, 0, 4, head->audit_frontier, sizeof head->audit_frontier) /
              RV_HASH_BYTES);
    head->checkpoint_size = rv_result_i64(result, 0, 5);
    head->checkpoint_at_us = rv_result_i64(result, 0, 6);
    head->now_us = rv_result_i64(result, 0, 7);
    head->seal_now = false;
    snprintf(batch->xid, sizeof batch->xid, "%s", rv_result_text(result, 0, 8));
    batch->has_head = true;
}

/* What says the same of every unit is read once. */
static json_t *take_state(const struct rv_result *result, int row, json_t *before)
{
    size_t length = rv_result_length(result, row, 1);
    if (before != NULL && length == rv_result_length(result, row - 1, 1) &&
        memcmp(rv_result_text(result, row, 1), rv_result_text(result, row - 1, 1), length) == 0) {
        return json_incref(before);
    }
    return rv_result_json(result, row, 1);
}

static void take_states(struct rv_batch *batch, const struct rv_result *result)
{
    json_t *state = NULL;
    for (int row = 0; row < rv_result_rows(result); row++) {
        int slot = (int)rv_result_i64(result, row, 0);
        int i = slot / RV_UNIT_LOADS_MAX;
        int k = slot % RV_UNIT_LOADS_MAX;
        RV_ASSERT(i < batch->count && k < batch->units[i]->load_count);
        struct rv_load *load = &batch->units[i]->loads[k];
        RV_ASSERT(load->state == NULL); /* at most one row per unit */
        load->state = state = take_state(result, row, state);
    }
}

void batch_result(struct rv_batch *batch, int tag, const struct rv_result *result)
{
    switch (tag) {
    case TAG_HEAD: take_head(batch, result); break;
    case TAG_LOAD: take_states(batch, result); break;
    case TAG_EFFECT: batch->units[0]->effected(batch->units[0], result); break;
    case TAG_LOOKUP:
        batch->failed = !(rv_result_rows(result) == 1 && rv_result_bool(result, 0, 0));
        return;
    default: return;
    }
    if (--batch->waiting == 0) {
        loads_done(batch);
    }
}

static void loads_done(struct rv_batch *batch)
{
    if (batch->failed) {
        rv_link_sync(batch->committer->link);
        return;
    }
    if (batch->phase == BATCH_LOADING) {
        batch->phase = BATCH_LOADING_MORE;
        forget_groups(batch);
        bool any = false;
        for (int i = 0; i < batch->count; i++) {
            struct rv_unit *unit = batch->units[i];
            if (unit->more_loads != NULL) {
                unit->more_loads(unit);
                RV_ASSERT(unit->load_count >= unit->base_loads &&
                          unit->load_count <= RV_UNIT_LOADS_MAX);
                any = any || unit->load_count > unit->base_loads;
            }
        }
        if (any) {
            send_loads(batch, true);
            rv_link_flush(batch->committer->link);
            return;
        }
    }
    decide_all(batch);
}

/* ---- 2 decide ---- */

static enum rv_code refuse(struct rv_batch *batch, struct verdict *verdict, enum rv_code code,
                           const struct rv_error *err)
{
    struct rv_error *copy = rv_arena_alloc(batch->arena, sizeof *copy);
    *copy = *err;
    *verdict = (struct verdict){.code = code, .err = copy};
    return code;
}

static enum rv_code decide_one(struct rv_batch *batch, int i)
{
    struct rv_unit *unit = batch->units[i];
    struct rv_error err;
    err.code = RV_OK; /* the rest is written before it is read; this runs 100 000 times a second */
    enum rv_code code;
    if (batch->has_head && unit->epoch != 0 && unit->epoch != batch->head.epoch) {
        code = rv_fail(&err, RV_CONFLICT, "another node drives this company now");
    } else {
        code = unit->decide(unit, batch, &err);
    }
    if (code != RV_OK) {
        if (err.code == RV_OK) {
            rv_fail(&err, code, "the unit was refused without a reason");
        }
        return refuse(batch, &batch->verdicts[i], code, &err);
    }
    batch->verdicts[i] = (struct verdict){.code = RV_OK};
    return RV_OK;
}

static size_t bytes_pending(const struct rv_batch *batch)
{
    const struct rv_committer *committer = batch->committer;
    size_t bytes = 0;
    for (int i = 0; i < committer->write_count; i++) {
        bytes += committer->writes[i].used ? rv_args_bytes_used(committer->writes[i].args) : 0;
    }
    return bytes;
}

static void decide_all(struct rv_batch *batch)
{
    const struct rv_committer_options *options = &batch->committer->options;
    batch->accepted = 0;
    batch->phase = BATCH_DECIDING;
    for (int i = 0; i < batch->count; i++) {
        batch->accepted += decide_one(batch, i) == RV_OK;
        if (batch->spoiled) {
            break;
        }
        size_t pending = bytes_pending(batch);
        if (++batch->chunk >= CHUNK_UNITS || pending >= CHUNK_BYTES) {
            batch->sent_bytes += pending;
            send_rows(batch);
            rv_link_flush(batch->committer->link);
        }
        if (batch->sent_bytes >= RV_BATCH_BYTES_MAX && i + 1 < batch->count) {
            forget_states_from(batch, i + 1); /* the rest is the next batch */
            committer_put_back(batch->committer, batch, i + 1);
        }
    }
    if (batch->spoiled) {
        forget_rows(batch);
    }
    if (batch->accepted > 0 && batch->has_head && options->seal != NULL) {
        struct rv_error err = {.code = RV_OK};
        enum rv_code code = options->seal(options->seal_data, batch, &err);
        for (int i = 0; code != RV_OK && i < batch->count; i++) {
            refuse(batch, &batch->verdicts[i], code,
                   &err); /* what cannot be sealed must not happen */
        }
        batch->accepted = code == RV_OK ? batch->accepted : 0;
    }
    send_end(batch);
}

/* ---- 3 write, commit ---- */

static void send_fence(struct rv_batch *batch)
{
    struct rv_committer *committer = batch->committer;
    set_tenant(batch);
    rv_args_reset(committer->fence_args);
    rv_args_i32(committer->fence_args, 1, batch->tenant);
    rv_args_i64(committer->fence_args, 2, batch->units[0]->epoch);
    rv_args_i64(committer->fence_args, 3, batch->id);
    rv_args_i64(committer->fence_args, 4, committer->writer);
    rv_link_send(committer->link, &rv_sql_head_fence, committer->fence_args, BATCH_TAG_FENCE);
}

static void send_head(struct rv_batch *batch)
{
    struct rv_args *args = batch->committer->head_args;
    const struct rv_head *head = &batch->head;
    rv_args_reset(args);
    rv_args_i32(args, 1, batch->tenant);
    rv_args_i64(args, 2, batch->id);
    rv_args_i64(args, 3, head->event_seq);
    rv_args_bytes(args, 4, head->event_hash.bytes, RV_HASH_BYTES);
    rv_args_i64(args, 5, head->audit_size);
    rv_args_bytes(args, 6, head->audit_frontier,
                  (size_t)head->audit_frontier_count * RV_HASH_BYTES);
    rv_args_i64(args, 7, head->checkpoint_size);
    rv_args_time(args, 8, head->checkpoint_at_us);
    rv_link_send(batch->committer->link, &rv_sql_head_update, args, -1);
}

/* The rows appended since the last time, in the write order. */
static void send_rows(struct rv_batch *batch)
{
    struct rv_committer *committer = batch->committer;
    batch->chunk = 0;
    if (batch->accepted > 0 && !batch->opened) {
        send_fence(batch);
    }
    for (int i = 0; i < committer->write_count; i++) {
        struct write *write = &committer->writes[i];
        if (write->used) {
            RV_ASSERT(rv_args_even(write->args)); /* every array has a value for every row */
            rv_link_send(committer->link, write->statement, write->args, -1);
            write->used = false;
            batch->wakes = batch->wakes || write->wakes;
        }
    }
}

/* Whoever drives the company elsewhere hears of the commit, with the commit. */
static void send_wake(struct rv_batch *batch)
{
    struct rv_committer *committer = batch->committer;
    const struct rv_committer_options *options = &committer->options;
    if (batch->wakes &&
        (options->drives == NULL || !options->drives(options->wake_data, batch->tenant))) {
        char tenant[16];
        snprintf(tenant, sizeof tenant, "%d", batch->tenant);
        rv_args_reset(committer->wake_args);
        rv_args_text(committer->wake_args, 1, tenant);
        rv_link_send(committer->link, &rv_sql_wake_tell, committer->wake_args, -1);
    }
}

static void send_end(struct rv_batch *batch)
{
    struct rv_link *link = batch->committer->link;
    if (batch->accepted == 0) {
        batch->phase = BATCH_ROLLING_BACK;
        if (batch->opened) {
            rv_link_send(link, &rv_sql_db_rollback, NULL, -1);
        }
        rv_link_sync(link);
        return;
    }
    send_rows(batch);
    if (batch->has_head) {
        send_head(batch);
    }
    send_wake(batch);
    rv_link_send(link, &rv_sql_db_commit, NULL, -1);
    batch->phase = BATCH_COMMITTING;
    rv_link_sync(link);
}

void batch_lookup(struct rv_batch *batch)
{
    struct rv_committer *committer = batch->committer;
    batch->phase = BATCH_LOOKUP;
    batch->failed = true; /* until the answer says otherwise */
    rv_args_reset(committer->lookup_args);
    rv_args_text(committer->lookup_args, 1, batch->xid);
    rv_args_i64(committer->lookup_args, 2, batch->id);
    rv_args_i64(committer->lookup_args, 3, committer->writer);
    rv_link_send(committer->link, &rv_sql_commit_lookup, committer->lookup_args, TAG_LOOKUP);
    rv_link_sync(committer->link);
}

void batch_synced(struct rv_batch *batch)
{
    batch_forget_states(batch);
    bool committed =
        !batch->failed && (batch->phase == BATCH_COMMITTING || batch->phase == BATCH_LOOKUP);
    committer_batch_over(batch->committer, batch, committed);
}
