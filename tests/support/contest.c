/* contest.c -- see contest.h. */
#include "tests/support/contest.h"

#include "audit_sql.h"
#include "db_sql.h"
#include "gate_sql.h"
#include "journal_sql.h"
#include "run_sql.h"
#include "runtime/audit/audit.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "runtime/db/args.h"
#include "runtime/gate/gate.h"
#include "runtime/journal/journal.h"
#include "runtime/run/request.h"
#include "tests/support/key_file.h"
#include "tests/support/postgres.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TENANT = 1, LANES = 3, BACK_OFF_MS = 40, KEY_BYTES = 16 };

static const struct rv_migration *const rooms[] = {rv_journal_migrations, rv_gate_migrations,
                                                   rv_db_migrations, rv_run_migrations, NULL};

/* The order of runtime/cli/node.c, as far as it is asked for. */
static const struct rv_statement *const write_order[] = {&rv_sql_run_insert,
                                                         &rv_sql_run_input_insert,
                                                         &rv_sql_run_status_set,
                                                         &rv_sql_agent_memory_put,
                                                         &rv_sql_run_claim_pass,
                                                         &rv_sql_limit_use_add,
                                                         &rv_sql_outbox_append,
                                                         &rv_sql_audit_append,
                                                         &rv_sql_audit_checkpoint_append,
                                                         NULL};

struct contest;

/* One place that a run is in; when it is over, the next one. */
struct contender {
    struct contest *all;
    int lane, key, number;
    int64_t run;
    char name[KEY_BYTES];
    char run_key[40];
    int64_t asked_us, counter;
    struct rv_timer *again;
    struct rv_unit unit;
};

struct contest {
    struct contest_wish wish;
    struct contest_result *result;
    struct rv_loop *loop;
    struct rv_db *db;
    struct rv_audit *audit;
    struct rv_committer *committers[LANES];
    struct rv_gate *gates[LANES];
    struct rv_random chance;
    char *uri;
    char key_path[KEY_FILE_NAME];
    bool *held; /* a contender works on the key */
    int next, over, alone;
    size_t capacity;
};

static void must(enum rv_code code, const struct rv_error *err)
{
    if (code != RV_OK) {
        fprintf(stderr, "contest: %s (%s) %s\n", err->message, err->detail, err->hint);
        exit(EXIT_FAILURE);
    }
}

static int64_t now_us(void)
{
    return rv_mono_us(rv_clock_system());
}

/* ---- the world ---- */

static const char policy_source[] =
    "return bundle{ name='contest', permit{id='start', agents='*', action='run.start'} }";

static void put_policy(struct rv_db_session *session)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_policy *policy = NULL;
    must(rv_policy_load(policy_source, strlen(policy_source), "contest.lua", &policy, &err), &err);
    struct rv_hash hash = rv_policy_hash(policy);
    struct rv_args *args = rv_args_create(&rv_sql_policy_bundle_put);
    rv_args_i32(args, 1, TENANT);
    rv_args_bytes(args, 2, hash.bytes, RV_HASH_BYTES);
    rv_args_text(args, 3, rv_policy_name(policy));
    rv_args_text(args, 4, policy_source);
    rv_args_text(args, 5, rv_policy_canonical(policy));
    rv_args_text(args, 6, "contest");
    must(rv_db_session_query(session, TENANT, &rv_sql_policy_bundle_put, args, NULL, NULL, &err),
         &err);
    args = rv_args_create(&rv_sql_policy_activate);
    rv_args_i32(args, 1, TENANT);
    rv_args_bytes(args, 2, hash.bytes, RV_HASH_BYTES);
    must(rv_db_session_query(session, TENANT, &rv_sql_policy_activate, args, NULL, NULL, &err),
         &err);
    rv_policy_destroy(policy);
}

static void put_agent(struct rv_db_session *session)
{
    struct rv_error err = {.code = RV_OK};
    uint8_t hash[RV_HASH_BYTES] = {0xaa};
    json_t *manifest = json_pack("{s:s,s:s,s:[],s:[],s:s}", "name", "contender", "version", "1",
                                 "handles", "uses", "claims", "first");
    struct rv_args *args = rv_args_create(&rv_sql_plan_source_put);
    rv_args_i32(args, 1, TENANT);
    rv_args_bytes(args, 2, hash, sizeof hash);
    rv_args_text(args, 3, "contender");
    rv_args_text(args, 4, "1");
    rv_args_json(args, 5, manifest);
    rv_args_text(args, 6, "return {}");
    rv_args_text(args, 7, "contest");
    must(rv_db_session_query(session, TENANT, &rv_sql_plan_source_put, args, NULL, NULL, &err),
         &err);
    args = rv_args_create(&rv_sql_agent_activate);
    rv_args_i32(args, 1, TENANT);
    rv_args_text(args, 2, "contender");
    rv_args_bytes(args, 3, hash, sizeof hash);
    rv_args_text(args, 4, "chief");
    rv_args_text(args, 5, "publish");
    rv_args_text(args, 6, "contest");
    must(rv_db_session_query(session, TENANT, &rv_sql_agent_activate, args, NULL, NULL, &err),
         &err);
    json_decref(manifest);
}

/* As the room observe makes it, whose other tables nobody asks for here. */
static void index_records(const struct contest *all)
{
    char *uri = test_postgres_superuser(all->uri);
    test_postgres_execute(
        uri, "CREATE INDEX ON audit_record (tenant_id, run_id) WHERE run_id IS NOT NULL");
    rv_free(uri);
}

static void world_open(struct contest *all)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    rv_log_level(RV_LOG_WARN);
    all->uri = test_postgres_database(rooms);
    index_records(all);
    must(rv_db_session_open(all->uri, &session, &err), &err);
    struct rv_args *args = rv_args_create(&rv_sql_tenant_create);
    rv_args_text(args, 1, "contest");
    rv_args_json_text(args, 2, "{}", 2);
    must(rv_db_session_query(session, 0, &rv_sql_tenant_create, args, NULL, NULL, &err), &err);
    put_policy(session);
    put_agent(session);
    rv_db_session_close(session);
    key_file_name(all->key_path);
    must(rv_audit_open(all->key_path, &all->audit, &err), &err);
    all->loop = rv_loop_create(rv_clock_system());
    all->db = rv_db_create(&(struct rv_db_options){.loop = all->loop, .uri = all->uri});
    for (int i = 0; i < LANES; i++) {
        all->committers[i] =
            rv_committer_create(&(struct rv_committer_options){.loop = all->loop,
                                                               .database_uri = all->uri,
                                                               .write_order = write_order,
                                                               .seal = rv_audit_seal,
                                                               .seal_data = all->audit});
        all->gates[i] = rv_gate_create(
            &(struct rv_gate_options){.committer = all->committers[i], .db = all->db});
    }
}

static void world_close(struct contest *all)
{
    for (int i = 0; i < LANES; i++) {
        rv_committer_close(all->committers[i], NULL, NULL);
    }
    rv_db_close(all->db, NULL, NULL);
    rv_loop_run(all->loop);
    for (int i = 0; i < LANES; i++) {
        rv_gate_destroy(all->gates[i]);
    }
    rv_loop_destroy(all->loop);
    rv_audit_close(all->audit);
    key_file_remove(all->key_path);
}

/* ---- one run: asks, reads, writes, ends ---- */

static void ask(void *data);
static void on_claimed(void *data, enum rv_code code, int64_t id, const json_t *claim,
                       const struct rv_error *err);
static void on_counter(void *data, enum rv_code code, const struct rv_result *result,
                       const struct rv_error *err);
static enum rv_code decide_count(struct rv_unit *unit, struct rv_batch *batch,
                                 struct rv_error *err);
static void on_counted(struct rv_unit *unit, enum rv_code code, const struct rv_error *err);
static enum rv_code decide_end(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err);
static void on_ended(struct rv_unit *unit, enum rv_code code, const struct rv_error *err);

static void ask(void *data)
{
    struct contender *one = data;
    struct contest *all = one->all;
    struct rv_principal who = {.kind = RV_PRINCIPAL_AGENT, .id = "contender", .owner = "chief"};
    struct rv_run_begin_input with = {.agent = "contender", .key = one->name, .priority = -1};
    one->asked_us = now_us();
    rv_run_begin_with(all->gates[one->lane], all->db, TENANT, &who, &with, on_claimed, one);
}

static void next_run(struct contender *one)
{
    struct contest *all = one->all;
    if (all->next < all->wish.runs) {
        one->number = all->next++;
        one->key = one->number % all->wish.keys;
        snprintf(one->name, sizeof one->name, "k:%d", one->key);
        ask(one);
    }
}

static void note_answer(struct contest *all, int64_t us)
{
    struct contest_result *result = all->result;
    size_t count = (size_t)(result->won + result->refused);
    if (count == all->capacity) {
        all->capacity = all->capacity == 0 ? 4096 : all->capacity * 2;
        result->answer_us =
            rv_realloc(result->answer_us, all->capacity * sizeof *result->answer_us);
    }
    result->answer_us[count] = (int32_t)us;
}

static void on_claimed(void *data, enum rv_code code, int64_t id, const json_t *claim,
                       const struct rv_error *err)
{
    struct contender *one = data;
    struct contest *all = one->all;
    note_answer(all, now_us() - one->asked_us);
    if (code == RV_CONFLICT) {
        all->result->refused++;
        /* it may have ended before it could be named */
        all->result->nameless += err->message[0] == '\0' || err->hint[0] == '\0';
        rv_timer_start(one->again, 1 + (int64_t)rv_random_below(&all->chance, BACK_OFF_MS));
        return;
    }
    must(code, err);
    RV_ASSERT(claim == NULL);
    all->result->won++;
    all->result->second += all->held[one->key];
    all->held[one->key] = true;
    one->run = id;
    snprintf(one->run_key, sizeof one->run_key, "run:%" PRId64, id);
    struct rv_args *args = rv_args_create(&rv_sql_agent_memory_get);
    rv_args_text(args, 2, "contender");
    rv_args_text(args, 3, one->name);
    rv_db_query(all->db, TENANT, &rv_sql_agent_memory_get, args, on_counter, one);
}

static void commit(struct contender *one,
                   enum rv_code (*decide)(struct rv_unit *, struct rv_batch *, struct rv_error *),
                   void (*done)(struct rv_unit *, enum rv_code, const struct rv_error *))
{
    one->unit = (struct rv_unit){.tenant = TENANT,
                                 .keys = {one->run_key},
                                 .needs_head = true,
                                 .decide = decide,
                                 .done = done,
                                 .data = one};
    rv_commit(one->all->committers[one->lane], &one->unit);
}

static void on_counter(void *data, enum rv_code code, const struct rv_result *result,
                       const struct rv_error *err)
{
    struct contender *one = data;
    must(code, err);
    one->counter = 0;
    if (rv_result_rows(result) > 0) {
        json_t *value = rv_result_json(result, 0, 0);
        one->counter = rv_json_int(value, "n", -1);
        json_decref(value);
    }
    commit(one, decide_count, on_counted);
}

static enum rv_code decide_count(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err)
{
    (void)err;
    const struct contender *one = unit->data;
    json_t *value = json_pack("{s:I}", "n", (json_int_t)one->counter + 1);
    struct rv_args *rows = rv_batch_rows(batch, &rv_sql_agent_memory_put);
    rv_args_text(rows, 2, "contender");
    rv_args_text(rows, 3, one->name);
    rv_args_json(rows, 4, value);
    rv_args_i64(rows, 5, one->run);
    json_decref(value);
    return RV_OK;
}

static void on_counted(struct rv_unit *unit, enum rv_code code, const struct rv_error *err)
{
    struct contender *one = unit->data;
    must(code, err);
    one->all->held[one->key] = false; /* whoever is told from now on asked before it had ended */
    commit(one, decide_end, on_ended);
}

static enum rv_code decide_end(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err)
{
    (void)err;
    const struct contender *one = unit->data;
    struct rv_run_status status = {.run = one->run, .status = "done"};
    rv_journal_run_status(batch, &status);
    rv_args_i64(rv_batch_rows(batch, &rv_sql_run_claim_pass), 2, one->run);
    return RV_OK;
}

static void on_ended(struct rv_unit *unit, enum rv_code code, const struct rv_error *err)
{
    struct contender *one = unit->data;
    must(code, err);
    if (++one->all->over == one->all->wish.runs) {
        rv_loop_stop(one->all->loop);
    } else {
        next_run(one);
    }
}

/* ---- one that asks alone for a key that is held ---- */

static void on_refused(void *data, enum rv_code code, int64_t id, const json_t *claim,
                       const struct rv_error *err)
{
    struct contender *one = data;
    struct contest *all = one->all;
    (void)id;
    if (code == RV_OK) { /* the first one, which holds it */
        one->run = id;
    } else if (code == RV_CONFLICT && json_object_get(claim, "holder") != NULL) {
        all->result->alone_us[all->alone++] = (int32_t)(now_us() - one->asked_us);
    } else {
        must(code, err);
    }
    if (all->alone == all->wish.alone) {
        rv_loop_stop(all->loop);
        return;
    }
    struct rv_principal who = {.kind = RV_PRINCIPAL_AGENT, .id = "contender", .owner = "chief"};
    struct rv_run_begin_input with = {.agent = "contender", .key = "alone", .priority = -1};
    one->asked_us = now_us();
    rv_run_begin_with(all->gates[0], all->db, TENANT, &who, &with, on_refused, one);
}

/* ---- the books ---- */

static enum rv_code take_number(void *data, const struct rv_result *result, int row,
                                struct rv_error *err)
{
    (void)err;
    *(int64_t *)data = rv_result_i64(result, row, 0);
    return RV_OK;
}

static int64_t number(struct contest *all, const char *sql)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    struct rv_statement statement = {.name = "contest_number", .params = "", .text = sql};
    int64_t value = -1;
    char *uri = test_postgres_superuser(all->uri);
    must(rv_db_session_open(uri, &session, &err), &err);
    must(rv_db_session_query(session, TENANT, &statement, NULL, take_number, &value, &err), &err);
    rv_db_session_close(session);
    rv_free(uri);
    return value;
}

static void count(struct contest *all)
{
    struct contest_result *out = all->result;
    char sql[400];
    out->counted =
        number(all, "SELECT coalesce(sum((value->>'n')::bigint), 0)::bigint FROM agent_memory");
    snprintf(
        sql, sizeof sql,
        "SELECT count(*) FROM (SELECT business_key AS key, count(*) AS runs FROM run WHERE "
        "business_key <> 'alone' GROUP BY 1) r FULL JOIN agent_memory m ON m.key = r.key "
        "WHERE (m.value->>'n')::bigint IS DISTINCT FROM r.runs OR r.runs NOT BETWEEN %d AND %d",
        all->wish.runs / all->wish.keys, (all->wish.runs + all->wish.keys - 1) / all->wish.keys);
    out->wrong_keys = number(all, sql);
    out->overlapping = number(
        all, "SELECT count(*) FROM (SELECT created_at, lag(changed_at) OVER (PARTITION BY "
             "business_key ORDER BY created_at) AS before FROM run WHERE business_key <> 'alone') "
             "AS x WHERE created_at < before");
    out->left_open =
        number(all, "SELECT count(*) FROM run WHERE status <> 'done' AND business_key <> 'alone'");
    out->deadlocks =
        number(all, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()");
}

void contest_run(const struct contest_wish *wish, struct contest_result *out)
{
    struct contest all = {.wish = *wish, .result = out};
    *out = (struct contest_result){.won = 0};
    all.chance.state = (uint64_t)wish->seed;
    all.held = rv_alloc_array((size_t)wish->keys, sizeof *all.held);
    world_open(&all);
    struct contender *contenders = rv_alloc_array((size_t)wish->at_once, sizeof *contenders);
    int64_t began_us = now_us();
    for (int i = 0; i < wish->at_once; i++) {
        contenders[i].all = &all;
        contenders[i].lane = i % LANES;
        contenders[i].again = rv_timer_create(all.loop, ask, &contenders[i]);
        next_run(&contenders[i]);
    }
    rv_loop_run(all.loop);
    out->seconds = (double)(now_us() - began_us) / 1e6;
    if (wish->alone > 0) {
        out->alone_us = rv_alloc_array((size_t)wish->alone, sizeof *out->alone_us);
        on_refused(&contenders[0], RV_OK, 0, NULL, NULL);
        rv_loop_run(all.loop);
    }
    for (int i = 0; i < wish->at_once; i++) {
        rv_timer_close(contenders[i].again);
    }
    world_close(&all);
    count(&all); /* everybody has left: the server's counters are complete */
    rv_free(contenders);
    rv_free(all.held);
    rv_free(all.uri);
}
