/* say_journal.c -- runtime/journal/sql: the frame of a commit, new runs, steps. */
#include "tests/sim/whole/base.h"

#include "runtime/base/check.h"
#include "runtime/base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- commit.sql ---- */

static void head_lock(struct base_call *call)
{
    struct head_row *head = base_head(call->base, (int32_t)base_int(call, 1, 0));
    if (head == NULL) {
        return;
    }
    struct base_session *session = call->session;
    session->xid = session->xid != 0 ? session->xid : ++call->base->last_xid;
    if (session->begun) {
        call->base->head_locks[head->tenant] = session;
    }
    char xid[24];
    snprintf(xid, sizeof xid, "%" PRId64, session->xid);
    base_row(call);
    base_out_int(call, head->epoch);
    base_out_int(call, head->event_seq);
    base_out_bytes(call, head->event_hash, sizeof head->event_hash);
    base_out_int(call, head->audit_size);
    base_out_bytes(call, head->frontier, (size_t)head->frontier_bytes);
    base_out_int(call, head->checkpoint_size);
    base_out_int(call, head->checkpoint_at_us > 0 ? head->checkpoint_at_us : 0);
    base_out_int(call, base_now_us(call->base));
    base_out_text(call, xid);
}

static void head_update(struct base_call *call)
{
    struct head_row *head = base_head(call->base, (int32_t)base_int(call, 1, 0));
    if (head == NULL) {
        return;
    }
    base_touch(call, T_HEAD, head);
    head->last_batch = base_int(call, 2, 0);
    head->event_seq = base_int(call, 3, 0);
    base_hash(call, 4, 0, head->event_hash);
    head->audit_size = base_int(call, 5, 0);
    size_t length = 0;
    const uint8_t *frontier = base_bytes(call, 6, 0, &length);
    memcpy(head->frontier, frontier, length);
    head->frontier_bytes = (int)length;
    head->checkpoint_size = base_int(call, 7, 0);
    head->checkpoint_at_us = base_time_us(call, 8, 0);
}

static struct writer_row *find_writer(struct base *base, int64_t number)
{
    BASE_EACH(base, T_WRITER, writer_row, writer)
    {
        if (writer->writer == number) {
            return writer;
        }
    }
    return NULL;
}

static void head_fence(struct base_call *call)
{
    struct head_row *head = base_head(call->base, (int32_t)base_int(call, 1, 0));
    struct writer_row *writer = find_writer(call->base, base_int(call, 4, 0));
    int64_t epoch = base_int(call, 2, 0);
    if (head == NULL || writer == NULL || (epoch != 0 && head->epoch != epoch)) {
        base_fail(call, "22012", NULL); /* division by zero, on purpose */
        return;
    }
    base_touch(call, T_HEAD, head);
    base_touch(call, T_WRITER, writer);
    head->last_batch = base_int(call, 3, 0);
    writer->last_batch = head->last_batch;
    base_row(call);
    base_out_int(call, 1);
}

static void writer_lock(struct base_call *call)
{
    call->session->advisory = base_int(call, 1, 0);
    call->session->writes = true;
    base_row(call);
    base_out_text(call, "");
}

static void writer_register(struct base_call *call)
{
    if (find_writer(call->base, base_int(call, 1, 0)) == NULL) {
        struct writer_row *writer = base_insert(call, T_WRITER);
        writer->writer = base_int(call, 1, 0);
    }
}

static void nothing(struct base_call *call)
{
    (void)call; /* forgets what is days old: no simulation lasts that long */
}

static void commit_lookup(struct base_call *call)
{
    struct base *base = call->base;
    const char *xid = base_text(call, 1, 0);
    bool committed = false;
    if (xid[0] != '\0') {
        int64_t number = strtoll(xid, NULL, 10);
        for (int i = base->committed_count - 1; i >= 0 && !committed; i--) {
            committed = base->committed[i] == number;
        }
    } else {
        const struct writer_row *writer = find_writer(base, base_int(call, 3, 0));
        committed = writer != NULL && writer->last_batch == base_int(call, 2, 0);
    }
    base_row(call);
    base_out_bool(call, committed);
}

/* ---- journal.sql ---- */

static void journal_append(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        int64_t run = base_int(call, 2, i);
        int32_t seq = (int32_t)base_int(call, 3, i);
        if (base_step(call->base, run, seq) != NULL) {
            base_fail(call, "23505", "journal_default_pkey");
            return;
        }
        struct step_row *step = base_insert(call, T_STEP);
        step->tenant = call->tenant;
        step->run = run;
        step->seq = seq;
        step->at_us = base_now_us(call->base);
        step->kind = (int)base_int(call, 4, i);
        step->name = base_text(call, 5, i);
        size_t length = 0;
        const uint8_t *digest = base_bytes(call, 6, i, &length);
        RV_ASSERT(length == sizeof step->digest);
        memcpy(step->digest, digest, length);
        step->out = base_bytes(call, 7, i, &step->out_length);
        RV_ASSERT(step->out_length > 1 && step->out[0] == 1);
        step->json = base_keep(call->base, json_loadb((const char *)step->out + 1,
                                                      step->out_length - 1, JSON_DECODE_ANY, NULL));
    }
}

/* Does an open run hold the claim on the key?  Looks at the first `count` runs. */
static bool claimed(struct base *base, int32_t tenant, const char *key, int count)
{
    for (int i = 0; i < count; i++) {
        const struct run_row *run = base->tables[T_RUN].rows[i];
        if (run->tenant == tenant && run->claims && base_is(run->key, key) && !base_run_over(run)) {
            return true;
        }
    }
    return false;
}

/* How many failed at the key before, among the first `count` runs. */
static int attempts(struct base *base, int32_t tenant, const char *key, int count)
{
    int failed = 0;
    for (int i = 0; i < count && key != NULL; i++) {
        const struct run_row *run = base->tables[T_RUN].rows[i];
        failed += run->tenant == tenant && base_is(run->key, key) && base_is(run->status, "failed");
    }
    return failed;
}

static json_t *company_of(struct base *base, int32_t tenant)
{
    BASE_EACH(base, T_TENANT, tenant_row, row)
    {
        if (row->tenant == tenant) {
            return row->company;
        }
    }
    return NULL;
}

/* As a run is begun with it: the company's date stands before what was given. */
static void keep_input(struct base_call *call, int64_t run, bool near, json_t *given,
                       json_t *budget)
{
    struct base *base = call->base;
    RV_ASSERT(strcmp(rv_json_str(company_of(base, call->tenant), "timezone", "UTC"), "UTC") == 0);
    char today[RV_TIME_TEXT];
    rv_time_text(base_now_us(base), today);
    today[10] = '\0';
    struct input_row *input = base_insert(call, T_INPUT);
    input->tenant = call->tenant;
    input->run = run;
    input->near = near;
    input->input = base_keep(base, json_pack("{s:s}", "today", today));
    json_object_update(input->input, given);
    input->budget = budget != NULL ? budget : base_keep(base, json_object());
}

static void run_insert(struct base_call *call)
{
    struct base *base = call->base;
    int before = base->tables[T_RUN].count; /* the statement sees what was there when it began */
    for (int i = 0; i < base_count(call, 2); i++) {
        const char *key = base_text(call, 5, i);
        bool claims =
            !base_bool(call, 9, i) || (key == NULL || !claimed(base, call->tenant, key, before));
        if (base_run(base, call->tenant, base_int(call, 2, i)) != NULL) {
            base_fail(call, "23505", "run_pkey");
            return;
        }
        if (claims && key != NULL && claimed(base, call->tenant, key, base->tables[T_RUN].count)) {
            base_fail(call, "23505", "run_claim");
            return;
        }
        struct run_row *run = base_insert(call, T_RUN);
        run->tenant = call->tenant;
        run->id = base_int(call, 2, i);
        run->agent = base_text(call, 3, i);
        base_hash(call, 4, i, run->plan);
        run->status = "created";
        run->key = key;
        run->parent = base_int(call, 6, i);
        run->depth = (int)base_int(call, 7, i);
        run->close = base_text(call, 8, i);
        run->claims = claims;
        run->attempt = attempts(base, call->tenant, key, before);
        run->created_us = base_now_us(base);
        run->changed_us = run->created_us;
        if (!base_null(call, 10, i)) {
            keep_input(call, run->id, true, base_json(call, 10, i), NULL);
        }
    }
}

static void run_input_insert(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        if (base_has_far_input(call->base, call->tenant, base_int(call, 2, i))) {
            base_fail(call, "23505", "run_input_pkey");
            return;
        }
        keep_input(call, base_int(call, 2, i), false, base_json(call, 3, i), base_json(call, 4, i));
    }
}

static void run_status_set(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        struct run_row *run = base_run(call->base, call->tenant, base_int(call, 2, i));
        if (run == NULL) {
            continue;
        }
        base_touch(call, T_RUN, run);
        run->status = base_text(call, 3, i);
        run->waiting_on = base_text(call, 4, i);
        run->has_wake = !base_null(call, 5, i);
        run->wake_us = run->has_wake ? base_time_us(call, 5, i) : 0;
        run->error_code = base_null(call, 6, i) ? run->error_code : base_text(call, 6, i);
        run->error_text = base_null(call, 7, i) ? run->error_text : base_text(call, 7, i);
        int steps = (int)base_int(call, 8, i);
        run->steps = steps > run->steps ? steps : run->steps;
        run->changed_us = base_now_us(call->base);
        if (base_claim_hurt(call->base, run)) {
            base_fail(call, "23505", "run_claim");
            return;
        }
    }
}

const struct base_word base_words_journal[] = {
    {"head_lock", head_lock},
    {"head_update", head_update},
    {"head_fence", head_fence},
    {"writer_lock", writer_lock},
    {"writer_register", writer_register},
    {"writer_prune", nothing},
    {"commit_lookup", commit_lookup},
    {"journal_append", journal_append},
    {"run_insert", run_insert},
    {"run_input_insert", run_input_insert},
    {"run_status_set", run_status_set},
    {NULL, NULL},
};
