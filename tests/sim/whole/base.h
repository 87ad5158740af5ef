/* base.h -- a small PostgreSQL in memory: tables, transactions, row locks, and the statements that
 * the runtime sends, each written again in C and found by its name.
 *
 *   base.c           sessions, transactions, locks, values, the list of statements
 *   say_journal.c    the frame of a commit, nodes and leases, runs and their journal
 *   say_run.c        what orchestrator and store ask
 *   say_gate.c       policy, limits, approvals, outbox, audit record, the log of events
 *   say_hooks.c      deliveries                say_schedule.c   schedules and fires
 *   books.c          the loads and projections of the small catalogue
 *
 * What is exact: what a statement returns and writes, unique keys, who waits for whose lock, what a
 * failure rolls back, when a commit is visible.  What is simpler: what is sent in one go is executed
 * at one moment, so two transactions interleave only where the client waits for an answer (there the
 * real committer waits, too); privileges, plans and types are PostgreSQL's own business.  The test
 * whole_same_test runs the same statements here and in PostgreSQL and compares.
 *
 * A new statement: write `static void NAME(struct base_call *call)` beside its neighbours and put it
 * into that file's list.  A row is changed only between base_touch and the end of the statement.
 */
#ifndef REEVE_TESTS_SIM_WHOLE_BASE_H
#define REEVE_TESTS_SIM_WHOLE_BASE_H

#include "runtime/base/arena.h"
#include "runtime/base/hash.h"
#include "runtime/base/json.h"
#include "runtime/base/statement.h"

#include <stdbool.h>
#include <stdint.h>

struct rv_args;
struct base;
struct base_session;

enum {
    BASE_TENANTS_MAX = 4, /* numbers 1 to 3 */
    BASE_LOCK_MS = 60000, /* lock_timeout, see db.sql */
    BASE_IDLE_MS = 60000, /* idle_in_transaction_session_timeout */
    BASE_CONSTRAINT = 48
};

/* ---- rows: every one begins with `gone`; texts and JSON live as long as the base ---- */

struct tenant_row {
    bool gone;
    int32_t tenant;
    const char *name;
    json_t *company;
};
struct node_row {
    bool gone;
    int64_t node;
    int64_t lease_until_us;
};
struct head_row {
    bool gone;
    int32_t tenant;
    int64_t owner; /* 0: NULL */
    int64_t epoch, last_batch, event_seq;
    uint8_t event_hash[RV_HASH_BYTES];
    int64_t audit_size;
    uint8_t frontier[64 * RV_HASH_BYTES];
    int frontier_bytes;
    int64_t checkpoint_size;
    int64_t checkpoint_at_us; /* INT64_MIN: -infinity */
};
struct writer_row {
    bool gone;
    int64_t writer, last_batch;
};
struct plan_row {
    bool gone;
    int32_t tenant;
    uint8_t hash[RV_HASH_BYTES];
    const char *agent;
    json_t *manifest;
    const char *source;
};
struct agent_row {
    bool gone;
    int32_t tenant;
    const char *name;
    uint8_t hash[RV_HASH_BYTES];
    const char *owner;
    bool enabled;
};
struct run_row {
    bool gone;
    int32_t tenant;
    int64_t id;
    const char *agent;
    uint8_t plan[RV_HASH_BYTES];
    const char *status;
    const char *waiting_on; /* NULL */
    bool has_wake;
    int64_t wake_us;
    const char *key;    /* NULL */
    int64_t parent;     /* 0: NULL */
    const char *close;  /* NULL */
    bool claims;
    int depth, steps;
    const char *error_code, *error_text; /* NULL */
    int64_t created_us, changed_us;
};
struct input_row {
    bool gone;
    int32_t tenant;
    int64_t run;
    json_t *input, *budget;
};
struct result_row {
    bool gone;
    int32_t tenant;
    int64_t run;
    json_t *result;
};
struct step_row {
    bool gone;
    int32_t tenant;
    int64_t run;
    int32_t seq;
    int kind;
    const char *name;
    uint8_t digest[16];
    const uint8_t *out; /* as stored: a version byte and JSON */
    size_t out_length;
    json_t *json;
};
struct signal_row {
    bool gone;
    int32_t tenant;
    int64_t run, id;
    const char *name;
    json_t *body;
    const char *sent_by;
    int consumed_seq; /* 0: NULL */
};
struct memory_row {
    bool gone;
    int32_t tenant;
    const char *agent, *key;
    json_t *value;
    int64_t run;
};
struct exception_row {
    bool gone;
    int32_t tenant;
    uint8_t key[RV_HASH_BYTES];
    const char *type, *subject, *resource, *summary, *state;
    json_t *evidence;
    int64_t opened_seq, found_seq;
};
struct policy_row {
    bool gone;
    int32_t tenant;
    uint8_t hash[RV_HASH_BYTES];
    const char *name, *source;
    bool active;
};
struct event_row {
    bool gone;
    int32_t tenant;
    int64_t seq;
    const char *stream;
    int32_t version;
    const char *type;
    int64_t occurred_day, recorded_us;
    const char *actor, *command;
    json_t *body;
    uint8_t body_hash[RV_HASH_BYTES], hash[RV_HASH_BYTES];
};
struct log_row {
    bool gone;
    int32_t tenant;
    const char *command, *name;
    uint8_t args_hash[RV_HASH_BYTES];
    const char *outcome;
    int64_t first, last; /* 0: NULL */
    json_t *answer;
};
struct limit_row {
    bool gone;
    int32_t tenant;
    const char *rule, *key;
    int64_t bucket_us, used, held;
};
struct approval_row {
    bool gone;
    int32_t tenant;
    int64_t id, run; /* run 0: NULL */
    int32_t seq;
    const char *status, *action;
    json_t *args;
    const char *resource;
    int32_t version;
    uint8_t digest[RV_HASH_BYTES], policy[RV_HASH_BYTES];
    json_t *rules, *stages, *never, *evidence, *facts, *effect, *limits;
    const char *agent, *requested_by, *reason, *escalate_to, *command;
    bool has_exception;
    uint8_t exception[RV_HASH_BYTES];
    int64_t expires_us;
    bool has_escalate, escalated;
    int64_t escalate_us;
};
struct vote_row {
    bool gone;
    int32_t tenant;
    int64_t approval;
    const char *person, *role, *decision, *comment, *channel;
    int64_t at_us;
};
struct person_row {
    bool gone;
    int32_t tenant;
    const char *name;
    json_t *roles;
    bool enabled;
};
struct outbox_row {
    bool gone;
    int32_t tenant;
    int64_t id;
    const char *event;
    json_t *body;
    int64_t at_us;
    bool fanned_out;
};
struct audit_row {
    bool gone;
    int32_t tenant;
    int64_t seq, at_us;
    const char *kind;
    int64_t run; /* 0: NULL */
    int32_t step; /* -1: NULL */
    const char *body;
    uint8_t leaf[RV_HASH_BYTES];
};
struct checkpoint_row {
    bool gone;
    int32_t tenant;
    int64_t size;
    uint8_t root[RV_HASH_BYTES];
    const char *note;
};
struct endpoint_row {
    bool gone;
    int32_t tenant;
    int64_t id;
    const char *url;
    uint8_t secret[256];
    int secret_length;
    const char *disabled; /* NULL: enabled */
    int64_t created_us;
};
struct delivery_row {
    bool gone;
    int32_t tenant;
    int64_t outbox, endpoint;
    const char *status;
    int attempt;
    int64_t next_us;
};
struct schedule_row {
    bool gone;
    int32_t tenant;
    const char *name, *status, *cron, *zone, *gap, *fold, *overlap, *action, *reason, *tzdata;
    int window_s, jitter_s;
    json_t *input;
    bool has_paused, has_next, has_due, has_last;
    int64_t paused_us, next_us, due_us, last_us;
};
struct fire_row {
    bool gone;
    int32_t tenant;
    int64_t id;
    const char *schedule;
    int64_t instant_us;
    bool manual, backfill, exclusive;
    const char *state, *reason;
    int attempt;
    bool has_lease;
    int64_t lease_us;
};
/* of the catalogue in books.c */
struct line_row {
    bool gone;
    int32_t tenant;
    int64_t event;
    const char *reference, *account;
    int64_t minor;
};
struct posting_row { /* what has been posted or paid under a reference */
    bool gone;
    int32_t tenant;
    const char *subject, *reference, *kind; /* "entry" "payment" */
    int64_t minor;
    bool reversed;
};

enum base_table {
    T_TENANT, T_NODE, T_HEAD, T_WRITER, T_PLAN, T_AGENT, T_RUN, T_INPUT, T_RESULT, T_STEP, T_SIGNAL,
    T_MEMORY, T_EXCEPTION, T_POLICY, T_EVENT, T_LOG, T_LIMIT, T_APPROVAL, T_VOTE, T_PERSON, T_OUTBOX,
    T_AUDIT, T_CHECKPOINT, T_ENDPOINT, T_DELIVERY, T_SCHEDULE, T_FIRE, T_LINE, T_POSTING, T_COUNT
};

struct base_rows {
    void **rows; /* stable addresses */
    int count, capacity;
};

/* `for each row of a table that is there`: BASE_EACH(base, T_RUN, run_row, run) { ... } */
#define BASE_EACH(base_, table_, type_, name_)                                                     \
    for (int name_##_i = 0; name_##_i < (base_)->tables[table_].count; name_##_i++)                \
        for (struct type_ *name_ = (base_)->tables[table_].rows[name_##_i];                        \
             name_ != NULL && !name_->gone; name_ = NULL)

/* ---- a statement in execution ---- */

struct base_value {
    const char *bytes;
    int32_t length; /* -1: NULL */
};
struct base_param {
    uint32_t element; /* oid */
    bool array;
    int rows; /* of a scalar: 1 */
    struct base_value *values;
};
/* What a statement answers. */
struct base_reply {
    int columns, rows;
    struct base_value *cells;
    int cell_count, cell_capacity;
    bool failed;
    char state[6]; /* SQLSTATE */
    char constraint[BASE_CONSTRAINT];
    char message[96];
};
struct base_call {
    struct base *base;
    struct base_session *session;
    const struct rv_statement *statement;
    struct base_param *params; /* [0] is $1 */
    int param_count;
    struct base_reply *reply;
    int32_t tenant; /* that the session has set; 0 none */
};

struct base_word {
    const char *name;
    void (*run)(struct base_call *call);
};
/* Lists of the statements, each ended by a NULL name. */
extern const struct base_word base_words_journal[], base_words_run[], base_words_gate[],
    base_words_hooks[], base_words_schedule[], base_words_books[];

/* One row that a transaction has changed or made. */
struct base_change {
    enum base_table table;
    void *row;
    void *before; /* a copy; NULL: the row is new */
};

struct base_session {
    struct base *base;
    int64_t number;
    int owner; /* incarnation of the node that it belongs to, for the rules */
    int32_t tenant;
    bool begun;   /* an explicit transaction */
    bool aborted; /* after a failure: everything up to the sync is skipped */
    int64_t xid;  /* 0 none yet */
    int64_t advisory; /* lock that is held; 0 none */
    struct base_change *changes;
    int change_count, change_capacity;
    bool epoch_write; /* this transaction wrote what only the driver of the company may */
};

struct base {
    struct rv_arena *arena;
    struct base_rows tables[T_COUNT];
    int64_t (*now_us)(void *data); /* the server's own clock */
    void *now_data;
    int64_t last_xid;
    int64_t *committed; /* ids of transactions */
    int committed_count, committed_capacity;
    const struct base_session *head_locks[BASE_TENANTS_MAX];
    /* Does another session hold that advisory lock?  Who has sessions knows. */
    bool (*writer_taken)(void *data, const struct base_session *session, int64_t key);
    void *writer_data;
    /* Told of every commit that changed something, before it is visible to anybody else. */
    void (*watch)(void *data, const struct base_session *session);
    void *watch_data;
};

struct base *base_create(void);
void base_destroy(struct base *base);
struct base_session *base_session_open(struct base *base, int owner);
/* Rolls back and lets go of everything. */
void base_session_close(struct base_session *session);

enum base_outcome {
    BASE_DONE,
    BASE_WAITS /* for a lock: nothing of it was done, ask again later */
};
/* A statement with its parameters, on its way. */
struct base_message {
    const struct rv_statement *statement;
    int tag;
    int param_count;
    struct base_param params[];
};
struct base_message *base_message_make(const struct rv_statement *statement,
                                       const struct rv_args *args, int tag);
void base_message_free(struct base_message *message);
/* Executes one statement into a fresh `reply`, to be ended with base_reply_fini. */
enum base_outcome base_execute(struct base_session *session, struct base_message *message,
                               struct base_reply *reply);
void base_reply_fini(struct base_reply *reply);
/* The end of what was sent together: a failed transaction is rolled back, an implicit one ends. */
void base_sync(struct base_session *session);

/* ---- for the statements ---- */

int64_t base_now_us(const struct base *base);
/* A new row, zeroed; it and what base_touch got are undone when the transaction fails. */
void *base_insert(struct base_call *call, enum base_table table);
void base_touch(struct base_call *call, enum base_table table, void *row);
void base_delete(struct base_call *call, enum base_table table, void *row);
/* "23505" and the like; the rest of the statement is not looked at. */
void base_fail(struct base_call *call, const char *state, const char *constraint);

int base_count(const struct base_call *call, int param); /* rows of an array */
bool base_null(const struct base_call *call, int param, int row);
int64_t base_int(const struct base_call *call, int param, int row); /* 0 for NULL */
bool base_bool(const struct base_call *call, int param, int row);
const char *base_text(const struct base_call *call, int param, int row); /* NULL for NULL */
const uint8_t *base_bytes(const struct base_call *call, int param, int row, size_t *length);
void base_hash(const struct base_call *call, int param, int row, uint8_t out[RV_HASH_BYTES]);
json_t *base_json(const struct base_call *call, int param, int row); /* NULL for NULL; borrowed */
int64_t base_time_us(const struct base_call *call, int param, int row);
int64_t base_day(const struct base_call *call, int param, int row);

/* Keeps a new reference for the life of the base. */
json_t *base_keep(struct base *base, json_t *json);

void base_row(struct base_call *call); /* begins a row of the answer */
void base_out_null(struct base_call *call);
void base_out_int(struct base_call *call, int64_t value);
void base_out_bool(struct base_call *call, bool value);
void base_out_text(struct base_call *call, const char *text); /* NULL is NULL */
void base_out_bytes(struct base_call *call, const void *bytes, size_t length);
void base_out_json(struct base_call *call, json_t *json); /* takes it */
void base_out_time(struct base_call *call, int64_t time_us);

/* ---- questions that several statements ask ---- */

struct head_row *base_head(struct base *base, int32_t tenant);
struct run_row *base_run(struct base *base, int32_t tenant, int64_t id);
struct step_row *base_step(struct base *base, int64_t run, int32_t seq);
struct person_row *base_person(struct base *base, int32_t tenant, const char *name);
bool base_run_over(const struct run_row *run);
bool base_is(const char *text, const char *word); /* NULL is never a word */

#endif
