/* base.c -- sessions, transactions, values, and the statements by name; see base.h. */
#include "tests/sim/whole/base.h"
#include "tests/sim/whole/effect_rows.h"
#include "tests/sim/whole/once.h"

#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/db/args_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_MAX = 1 << 30, WORDS_TABLE = 512 };
#define POSTGRES_EPOCH_DAYS INT64_C(10957) /* 2000-01-01 */
#define POSTGRES_EPOCH_US   (POSTGRES_EPOCH_DAYS * 86400 * 1000000)

/* ---- life ---- */

static const size_t row_sizes[T_COUNT] = {
    [T_TENANT] = sizeof(struct tenant_row),
    [T_NODE] = sizeof(struct node_row),
    [T_PLACEMENT] = sizeof(struct placement_row),
    [T_HEAD] = sizeof(struct head_row),
    [T_WRITER] = sizeof(struct writer_row),
    [T_PLAN] = sizeof(struct plan_row),
    [T_AGENT] = sizeof(struct agent_row),
    [T_RUN] = sizeof(struct run_row),
    [T_FLOW] = sizeof(struct flow_row),
    [T_INPUT] = sizeof(struct input_row),
    [T_RESULT] = sizeof(struct result_row),
    [T_STEP] = sizeof(struct step_row),
    [T_SIGNAL] = sizeof(struct signal_row),
    [T_UPDATE] = sizeof(struct update_row),
    [T_ONCE] = sizeof(struct once_row),
    [T_REVIVAL] = sizeof(struct revival_row),
    [T_MEMORY] = sizeof(struct memory_row),
    [T_EXCEPTION] = sizeof(struct exception_row),
    [T_POLICY] = sizeof(struct policy_row),
    [T_EVENT] = sizeof(struct event_row),
    [T_LOG] = sizeof(struct log_row),
    [T_LIMIT] = sizeof(struct limit_row),
    [T_APPROVAL] = sizeof(struct approval_row),
    [T_VOTE] = sizeof(struct vote_row),
    [T_PERSON] = sizeof(struct person_row),
    [T_OUTBOX] = sizeof(struct outbox_row),
    [T_AUDIT] = sizeof(struct audit_row),
    [T_CHECKPOINT] = sizeof(struct checkpoint_row),
    [T_ENDPOINT] = sizeof(struct endpoint_row),
    [T_DELIVERY] = sizeof(struct delivery_row),
    [T_SCHEDULE] = sizeof(struct schedule_row),
    [T_FIRE] = sizeof(struct fire_row),
    [T_CONNECTOR] = sizeof(struct connector_row),
    [T_INTENT] = sizeof(struct intent_row),
    [T_EFFECT_LOG] = sizeof(struct effect_log_row),
    [T_LINE] = sizeof(struct line_row),
    [T_POSTING] = sizeof(struct posting_row),
};

static void let_go(void *data)
{
    json_decref(data);
}

struct base *base_create(void)
{
    struct base *base = rv_alloc(sizeof *base);
    base->arena = rv_arena_create("simulated database", ARENA_MAX);
    base->last_xid = 700;
    return base;
}

void base_destroy(struct base *base)
{
    rv_arena_destroy(base->arena);
    for (int i = 0; i < T_COUNT; i++) {
        rv_free(base->tables[i].rows);
    }
    rv_free(base->committed);
    rv_free(base);
}

json_t *base_keep(struct base *base, json_t *json)
{
    rv_arena_cleanup(base->arena, let_go, json);
    return json;
}

int64_t base_now_us(const struct base *base)
{
    return base->now_us(base->now_data);
}

/* ---- rows and what a transaction did to them ---- */

static void note_change(struct base_session *session, enum base_table table, void *row,
                        void *before)
{
    if (session->change_count == session->change_capacity) {
        session->change_capacity = session->change_capacity * 2 + 16;
        session->changes = rv_realloc(session->changes,
                                      (size_t)session->change_capacity * sizeof *session->changes);
    }
    session->changes[session->change_count++] = (struct base_change){table, row, before};
}

void *base_insert(struct base_call *call, enum base_table table)
{
    struct base_rows *rows = &call->base->tables[table];
    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity * 2 + 16;
        rows->rows = rv_realloc(rows->rows, (size_t)rows->capacity * sizeof(void *));
    }
    void *row = rv_arena_alloc(call->base->arena, row_sizes[table]);
    memset(row, 0, row_sizes[table]);
    rows->rows[rows->count++] = row;
    if (call->session != NULL) {
        note_change(call->session, table, row, NULL);
    }
    return row;
}

void base_touch(struct base_call *call, enum base_table table, void *row)
{
    if (call->session == NULL) {
        return; /* the world itself, before anything begins */
    }
    void *before = rv_arena_alloc(call->base->arena, row_sizes[table]);
    memcpy(before, row, row_sizes[table]);
    note_change(call->session, table, row, before);
}

void base_delete(struct base_call *call, enum base_table table, void *row)
{
    base_touch(call, table, row);
    *(bool *)row = true;
}

/* ---- transactions ---- */

static void release_locks(struct base_session *session)
{
    for (int i = 0; i < BASE_TENANTS_MAX; i++) {
        if (session->base->head_locks[i] == session) {
            session->base->head_locks[i] = NULL;
        }
    }
}

int32_t base_holds_head(const struct base_session *session)
{
    for (int32_t i = 0; session != NULL && i < BASE_TENANTS_MAX; i++) {
        if (session->base->head_locks[i] == session) {
            return i;
        }
    }
    return 0;
}

static void transaction_over(struct base_session *session)
{
    session->change_count = 0;
    session->begun = false;
    session->xid = 0;
    session->tenant = 0; /* set_config(.., true) ends with the transaction */
    session->epoch_write = false;
    session->asks_to_listen = false;
    session->tells = 0;
    release_locks(session);
}

/* Others may have inserted since: a commit on a slow disk takes its time. */
static void take_out(struct base_rows *rows, const void *row)
{
    int at = rows->count - 1;
    while (at >= 0 && rows->rows[at] != row) {
        at--;
    }
    RV_ASSERT(at >= 0);
    rows->count--;
    memmove(&rows->rows[at], &rows->rows[at + 1], (size_t)(rows->count - at) * sizeof *rows->rows);
}

static void roll_back(struct base_session *session)
{
    for (int i = session->change_count - 1; i >= 0; i--) {
        const struct base_change *change = &session->changes[i];
        if (change->before != NULL) {
            memcpy(change->row, change->before, row_sizes[change->table]);
        } else {
            take_out(&session->base->tables[change->table], change->row);
        }
    }
    transaction_over(session);
}

static void commit(struct base_session *session)
{
    struct base *base = session->base;
    if (session->change_count > 0 && base->watch != NULL) {
        base->watch(base->watch_data, session);
    }
    if (session->xid != 0) {
        if (base->committed_count == base->committed_capacity) {
            base->committed_capacity = base->committed_capacity * 2 + 64;
            base->committed = rv_realloc(base->committed, (size_t)base->committed_capacity *
                                                              sizeof *base->committed);
        }
        base->committed[base->committed_count++] = session->xid;
    }
    session->listens = session->listens || session->asks_to_listen;
    uint32_t tells = session->tells;
    transaction_over(session);
    for (int32_t tenant = 1; tenant < BASE_TENANTS_MAX; tenant++) {
        if ((tells >> tenant & 1) != 0 && base->notify != NULL) {
            base->notify(base->lock_data, tenant);
        }
    }
}

struct base_session *base_session_open(struct base *base, int owner)
{
    struct base_session *session = rv_alloc(sizeof *session);
    session->base = base;
    session->owner = owner;
    return session;
}

void base_session_close(struct base_session *session)
{
    roll_back(session);
    rv_free(session->changes);
    rv_free(session);
}

void base_sync(struct base_session *session)
{
    if (session->aborted) {
        roll_back(session);
    } else if (!session->begun) {
        commit(session);
    }
    session->aborted = false;
}

/* ---- statements by name ---- */

static struct base_word words[WORDS_TABLE];
static bool words_known;

static uint32_t word_at(const char *name)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (const char *at = name; *at != '\0'; at++) {
        hash = (hash ^ (unsigned char)*at) * 16777619u;
    }
    uint32_t at = hash % WORDS_TABLE;
    while (words[at].name != NULL && strcmp(words[at].name, name) != 0) {
        at = (at + 1) % WORDS_TABLE;
    }
    return at;
}

static void learn(const struct base_word *list)
{
    for (; list->name != NULL; list++) {
        words[word_at(list->name)] = *list;
    }
}

static void learn_all(void)
{
    if (!words_known) {
        words_known = true;
        learn(base_words_journal);
        learn(base_words_nodes);
        learn(base_words_run);
        learn(base_words_look);
        learn(base_words_claim);
        learn(base_words_flow);
        learn(base_words_versions);
        learn(base_words_messages);
        learn(base_words_gate);
        learn(base_words_hooks);
        learn(base_words_schedule);
        learn(base_words_effect);
        learn(base_words_books);
    }
}

static const struct base_word *find_word(const char *name)
{
    learn_all();
    const struct base_word *word = &words[word_at(name)];
    if (word->name == NULL) {
        fprintf(
            stderr,
            "sim: the simulated database does not know the statement \"%s\".\n"
            "sim: write it in C beside its neighbours in tests/sim/whole/say_*.c and put it into\n"
            "sim: the list at the end of that file; tests/sim/README.md says how.\n",
            name);
        fflush(NULL);
        abort();
    }
    return word;
}

static bool is(const struct rv_statement *statement, const char *name)
{
    return strcmp(statement->name, name) == 0;
}

/* Whose lock the statement needs, and whether it can have it. */
static bool must_wait(const struct base_call *call)
{
    const struct base *base = call->base;
    const struct base_session *session = call->session;
    if (is(call->statement, "head_lock") || is(call->statement, "head_fence")) {
        const struct base_session *holder = base->head_locks[base_int(call, 1, 0)];
        return holder != NULL && holder != session;
    }
    if (is(call->statement, "writer_lock") || is(call->statement, "node_presence")) {
        return base->lock_taken(base->lock_data, session, base_int(call, 1, 0));
    }
    if (is(call->statement, "lease_pass")) {
        const struct head_row *head = base_head(call->base, (int32_t)base_int(call, 1, 0));
        return head != NULL && head->owner == base_int(call, 2, 0) &&
               head->epoch == base_int(call, 3, 0) && base->head_locks[head->tenant] != NULL;
    }
    if (is(call->statement, "lease_release")) {
        int64_t node = base_int(call, 1, 0);
        BASE_EACH(base, T_HEAD, head_row, head)
        {
            if (head->owner == node && base->head_locks[head->tenant] != NULL) {
                return true;
            }
        }
    }
    return false;
}

/* Transactions, settings and locks: what is no statement about rows. */
static bool execute_frame(struct base_call *call)
{
    struct base_session *session = call->session;
    const struct rv_statement *statement = call->statement;
    if (is(statement, "db_begin")) {
        session->begun = true;
    } else if (is(statement, "db_commit")) {
        commit(session);
    } else if (is(statement, "db_rollback")) {
        roll_back(session);
    } else if (is(statement, "db_set_tenant_and_limit") || is(statement, "db_set_tenant") ||
               is(statement, "batch_begin")) {
        const char *text = base_text(call, 1, 0);
        session->tenant = (int32_t)strtol(text != NULL ? text : "", NULL, 10);
    } else if (!is(statement, "plans_discard")) {
        return false;
    }
    return true;
}

enum base_outcome base_execute(struct base_session *session, struct base_message *message,
                               struct base_reply *reply)
{
    struct base_call call = {.base = session->base,
                             .session = session,
                             .statement = message->statement,
                             .params = message->params,
                             .param_count = message->param_count,
                             .reply = reply,
                             .tenant = session->tenant};
    if (session->aborted) {
        reply->failed = true; /* skipped: nobody is told, as in a pipeline */
        return BASE_DONE;
    }
    if (must_wait(&call)) {
        return BASE_WAITS;
    }
    if (execute_frame(&call)) {
        return BASE_DONE;
    }
    if (strncmp(message->statement->params, "tenant int4", 11) == 0 &&
        !is(message->statement, "lease_pass")) { /* which is the node's, not the company's */
        /* row-level security would give and take nothing; here it is a wrong program */
        RV_ASSERT(session->tenant != 0 && base_int(&call, 1, 0) == session->tenant);
    }
    const struct base_word *word = find_word(message->statement->name);
    word->run(&call);
    if (reply->failed) {
        session->aborted = true;
    }
    return BASE_DONE;
}

void base_fail(struct base_call *call, const char *state, const char *constraint)
{
    if (!call->reply->failed) {
        call->reply->failed = true;
        snprintf(call->reply->state, sizeof call->reply->state, "%s", state);
        snprintf(call->reply->constraint, sizeof call->reply->constraint, "%s",
                 constraint != NULL ? constraint : "");
        snprintf(call->reply->message, sizeof call->reply->message, "%s",
                 strcmp(state, "23505") == 0 ? "duplicate key value violates unique constraint"
                                             : "the statement failed");
    }
}

/* ---- messages ---- */

static uint32_t be32_at(const char *at)
{
    const unsigned char *b = (const unsigned char *)at;
    return ((uint32_t)b[0] << 24) | ((uint32_t)b[1] << 16) | ((uint32_t)b[2] << 8) | b[3];
}

static int64_t be_int(const char *at, int length)
{
    uint64_t value = (uint64_t)(int64_t)(signed char)at[0];
    for (int i = 1; i < length; i++) {
        value = (value << 8) | (unsigned char)at[i];
    }
    return (int64_t)value;
}

struct base_message *base_message_make(const struct rv_statement *statement,
                                       const struct rv_args *args, int tag)
{
    int count = args == NULL ? 0 : args->count;
    size_t values = 0;
    size_t bytes = 0;
    for (int i = 0; i < count; i++) {
        values += (size_t)(args->items[i].array ? args->items[i].rows : 1);
        bytes += args->items[i].bytes.length + 1;
    }
    size_t head = sizeof(struct base_message) + (size_t)count * sizeof(struct base_param);
    char *memory = rv_alloc(head + values * sizeof(struct base_value) + bytes);
    struct base_message *message = (struct base_message *)(void *)memory;
    struct base_value *value = (struct base_value *)(void *)(memory + head);
    char *copy = (char *)(value + values);
    message->statement = statement;
    message->tag = tag;
    message->param_count = count;
    for (int i = 0; i < count; i++) {
        const struct rv_arg *arg = &args->items[i];
        memcpy(copy, arg->bytes.data != NULL ? arg->bytes.data : "", arg->bytes.length);
        message->params[i] = (struct base_param){.element = arg->element,
                                                 .array = arg->array,
                                                 .rows = arg->array ? arg->rows : 1,
                                                 .values = value};
        const char *at = copy + (arg->array ? RV_ARRAY_HEADER : 0);
        for (int row = 0; arg->array && row < arg->rows; row++) {
            uint32_t length = be32_at(at);
            at += 4;
            *value++ = (struct base_value){at, length == UINT32_MAX ? -1 : (int32_t)length};
            at += length == UINT32_MAX ? 0 : length;
        }
        if (!arg->array) {
            *value++ = (struct base_value){at, arg->set ? (int32_t)arg->bytes.length : -1};
        }
        copy += arg->bytes.length + 1;
    }
    return message;
}

void base_message_free(struct base_message *message)
{
    rv_free(message);
}

/* ---- parameters ---- */

static const struct base_value *value_of(const struct base_call *call, int param, int row)
{
    RV_ASSERT(param >= 1 && param <= call->param_count);
    const struct base_param *found = &call->params[param - 1];
    RV_ASSERT(row < found->rows);
    return &found->values[row];
}

int base_count(const struct base_call *call, int param)
{
    RV_ASSERT(param >= 1 && param <= call->param_count && call->params[param - 1].array);
    return call->params[param - 1].rows;
}

bool base_null(const struct base_call *call, int param, int row)
{
    return value_of(call, param, row)->length < 0;
}

int64_t base_int(const struct base_call *call, int param, int row)
{
    const struct base_value *value = value_of(call, param, row);
    return value->length <= 0 ? 0 : be_int(value->bytes, value->length);
}

bool base_bool(const struct base_call *call, int param, int row)
{
    const struct base_value *value = value_of(call, param, row);
    return value->length > 0 && value->bytes[0] != 0;
}

const char *base_text(const struct base_call *call, int param, int row)
{
    const struct base_value *value = value_of(call, param, row);
    if (value->length < 0) {
        return NULL;
    }
    char *text = rv_arena_alloc(call->base->arena, (size_t)value->length + 1);
    memcpy(text, value->bytes, (size_t)value->length);
    text[value->length] = '\0';
    return text;
}

const uint8_t *base_bytes(const struct base_call *call, int param, int row, size_t *length)
{
    const struct base_value *value = value_of(call, param, row);
    *length = value->length < 0 ? 0 : (size_t)value->length;
    return (const uint8_t *)base_text(call, param, row);
}

void base_hash(const struct base_call *call, int param, int row, uint8_t out[RV_HASH_BYTES])
{
    const struct base_value *value = value_of(call, param, row);
    RV_ASSERT(value->length == RV_HASH_BYTES);
    memcpy(out, value->bytes, RV_HASH_BYTES);
}

json_t *base_json(const struct base_call *call, int param, int row)
{
    const struct base_value *value = value_of(call, param, row);
    if (value->length < 0) {
        return NULL;
    }
    json_t *json = json_loadb(value->bytes + 1, (size_t)value->length - 1, JSON_DECODE_ANY, NULL);
    RV_ASSERT(json != NULL);
    return base_keep(call->base, json);
}

int64_t base_time_us(const struct base_call *call, int param, int row)
{
    return base_int(call, param, row) + POSTGRES_EPOCH_US;
}

int64_t base_day(const struct base_call *call, int param, int row)
{
    return base_int(call, param, row) + POSTGRES_EPOCH_DAYS;
}

/* ---- the answer ---- */

void base_row(struct base_call *call)
{
    call->reply->rows++;
}

static void put(struct base_call *call, const char *bytes, int32_t length)
{
    struct base_reply *reply = call->reply;
    if (reply->cell_count == reply->cell_capacity) {
        reply->cell_capacity = reply->cell_capacity * 2 + 16;
        reply->cells =
            rv_realloc(reply->cells, (size_t)reply->cell_capacity * sizeof *reply->cells);
    }
    reply->cells[reply->cell_count++] = (struct base_value){bytes, length};
    if (reply->rows == 1) {
        reply->columns++;
    }
}

void base_reply_fini(struct base_reply *reply)
{
    rv_free(reply->cells);
    *reply = (struct base_reply){.rows = 0};
}

void base_out_null(struct base_call *call)
{
    put(call, NULL, -1);
}

void base_out_text(struct base_call *call, const char *text)
{
    if (text == NULL) {
        base_out_null(call);
    } else {
        put(call, rv_arena_strdup(call->base->arena, text), (int32_t)strlen(text));
    }
}

void base_out_int(struct base_call *call, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    base_out_text(call, text);
}

void base_out_bool(struct base_call *call, bool value)
{
    base_out_text(call, value ? "t" : "f");
}

void base_out_bytes(struct base_call *call, const void *bytes, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *from = bytes;
    char *text = rv_arena_alloc(call->base->arena, length * 2 + 3);
    text[0] = '\\';
    text[1] = 'x';
    for (size_t i = 0; i < length; i++) {
        text[2 + 2 * i] = digits[from[i] >> 4];
        text[3 + 2 * i] = digits[from[i] & 15];
    }
    text[2 + 2 * length] = '\0';
    put(call, text, (int32_t)(2 + 2 * length));
}

void base_out_json(struct base_call *call, json_t *json)
{
    if (json == NULL) {
        base_out_null(call);
        return;
    }
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    RV_ASSERT(text != NULL);
    base_out_text(call, text);
    rv_free(text);
    json_decref(json);
}

void base_out_time(struct base_call *call, int64_t time_us)
{
    char text[RV_TIME_TEXT + 4];
    rv_time_text(time_us, text); /* "2026-01-31T08:15:02.417123Z" */
    text[10] = ' ';
    snprintf(text + RV_TIME_TEXT - 2, 5, "+00");
    base_out_text(call, text);
}

/* ---- questions ---- */

struct head_row *base_head(struct base *base, int32_t tenant)
{
    BASE_EACH(base, T_HEAD, head_row, head)
    {
        if (head->tenant == tenant) {
            return head;
        }
    }
    return NULL;
}

struct run_row *base_run(struct base *base, int32_t tenant, int64_t id)
{
    BASE_EACH(base, T_RUN, run_row, run)
    {
        if (run->tenant == tenant && run->id == id) {
            return run;
        }
    }
    return NULL;
}

struct step_row *base_step(struct base *base, int64_t run, int32_t seq)
{
    for (int i = base->tables[T_STEP].count - 1; i >= 0; i--) { /* mostly the newest */
        struct step_row *step = base->tables[T_STEP].rows[i];
        if (step->run == run && step->seq == seq) {
            return step;
        }
    }
    return NULL;
}

struct person_row *base_person(struct base *base, int32_t tenant, const char *name)
{
    BASE_EACH(base, T_PERSON, person_row, person)
    {
        if (person->tenant == tenant && strcmp(person->name, name) == 0) {
            return person;
        }
    }
    return NULL;
}

bool base_is(const char *text, const char *word)
{
    return text != NULL && strcmp(text, word) == 0;
}

bool base_run_over(const struct run_row *run)
{
    return base_is(run->status, "done") || base_is(run->status, "failed") ||
           base_is(run->status, "cancelled") || base_is(run->status, "compensated") ||
           base_is(run->status, "diverged");
}

bool base_claim_hurt(struct base *base, const struct run_row *run)
{
    bool hurt = false;
    BASE_EACH(base, T_RUN, run_row, other)
    {
        hurt = hurt || (other != run && other->tenant == run->tenant && other->claims &&
                        run->claims && !base_run_over(other) && !base_run_over(run) &&
                        other->key != NULL && base_is(run->key, other->key));
    }
    return hurt;
}
