/* base.h -- a small PostgreSQL in memory: tables, transactions, row locks, and the statements that
 * the runtime sends, each written again in C and found by its name.
 *
 *   base.c           sessions, transactions, locks, values, the list of statements
 *   say_journal.c    the frame of a commit, runs and their journal
 *   say_nodes.c      nodes, leases, placement
 *   say_run.c        what the store asks            say_look.c       what the orchestrator asks
 *   say_versions.c   agents and their versions
 *   say_claim.c      who holds a business key  say_flow.c       slots and tokens
 *   say_messages.c   updates, published values, revivals
 *   say_gate.c       policy, limits, approvals, outbox, audit record, the log of events
 *   say_hooks.c      deliveries                say_schedule.c   schedules and fires
 *   say_effect.c     intents of external effects, connectors
 *   books.c          the loads and projections of the small catalogue
 *
 * What is exact: what a statement returns and writes, unique keys, who waits for whose lock, what a
 * failure rolls back, when a commit is visible.  What is simpler: what is sent in one go is
 * executed at one moment, so two transactions interleave only where the client waits for an answer
 * (there the real committer waits, too); privileges, plans and types are PostgreSQL's own business.
 * The test whole_same_test runs the same statements here and in PostgreSQL and compares.
 *
 * A new statement: write `static void NAME(struct base_call *call)` beside its neighbours and put
 * it into that file's list and into that of whole_same_test.c; ../README.md says it in five lines.
 * A row is changed only between base_touch and the end of the statement.
 */
#ifndef REEVE_TESTS_SIM_WHOLE_BASE_H
#define REEVE_TESTS_SIM_WHOLE_BASE_H

#include "runtime/base/arena.h"
#include "runtime/base/hash.h"
#include "runtime/base/json.h"
#include "runtime/base/statement.h"
#include "tests/sim/whole/rows.h"

#include <stdbool.h>
#include <stdint.h>

struct rv_args;
struct base;
struct base_session;

enum {
    BASE_TENANTS_MAX = 4, /* numbers 1 to 3 */
    BASE_LOCK_MS = 60000, /* lock_timeout, see db.sql */
    BASE_IDLE_MS = 4000,  /* idle_in_transaction_session_timeout, see writer_lock in commit.sql */
    BASE_CONSTRAINT = 48
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
extern const struct base_word base_words_journal[], base_words_nodes[], base_words_run[],
    base_words_look[], base_words_claim[], base_words_flow[], base_words_versions[],
    base_words_messages[], base_words_gate[], base_words_hooks[], base_words_schedule[],
    base_words_effect[], base_words_books[];

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
    bool begun;       /* an explicit transaction */
    bool aborted;     /* after a failure: everything up to the sync is skipped */
    int64_t xid;      /* 0 none yet */
    int64_t advisory; /* lock that is held; 0 none */
    bool asks_to_listen, listens;
    uint32_t tells; /* companies (bits) that this transaction notifies of */
    struct base_change *changes;
    int change_count, change_capacity;
    bool writes;      /* it is a committer's */
    bool deaf;        /* its client has heard that it is gone; for the rules */
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
    int64_t started_us; /* when the server began */
    /* Does another session hold that advisory lock?  Who has sessions knows. */
    bool (*lock_taken)(void *data, const struct base_session *session, int64_t key);
    void *lock_data;
    /* A transaction that was committed notifies of a company; NULL: nobody listens. */
    void (*notify)(void *data, int32_t tenant);
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
/* The company whose head it has locked; 0 none. */
int32_t base_holds_head(const struct base_session *session);
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
struct node_row *base_node(struct base *base, int64_t number);
struct run_row *base_run(struct base *base, int32_t tenant, int64_t id);
struct step_row *base_step(struct base *base, int64_t run, int32_t seq);
struct person_row *base_person(struct base *base, int32_t tenant, const char *name);
bool base_run_over(const struct run_row *run);
/* Has it a word of the name that its newest step waits for? */
struct input_row *base_input(struct base *base, int32_t tenant, int64_t run); /* NULL: none */
bool base_has_far_input(struct base *base, int32_t tenant, int64_t run); /* a row of run_input */
bool base_waits_for_word(const struct run_row *run); /* a signal, or its budget */
bool base_acts(const struct run_row *run); /* its plan is over: nothing that is sent is read */
bool base_waits_for_key(const struct run_row *run);
bool base_is_told_to_stop(struct base *base, const struct run_row *run);
bool base_has_signal(struct base *base, const struct run_row *run);
struct update_row *base_update(struct base *base, int32_t tenant, int64_t run, const char *id);
struct signal_row *base_signal(struct base *base, int32_t tenant, int64_t run, int64_t id);
/* How it stands, as those outside see it; new reference. */
json_t *base_update_shown(struct base *base, const struct update_row *update);
struct revival_row *base_revival(struct base *base, int32_t tenant, int64_t of_run);
/* What a fork must know (statement run_fork_look); NULL: no such run.  New reference. */
json_t *base_fork_facts(struct base *base, int32_t tenant, int64_t id, int32_t at,
                        const char *version);
struct plan_row *base_plan(struct base *base, int32_t tenant, const uint8_t *hash);
struct agent_row *base_agent(struct base *base, int32_t tenant, const char *name);
/* The version that is tried beside the active one, new; NULL: none. */
json_t *base_canary(struct base *base, const struct agent_row *agent);
json_t *base_hex(const uint8_t *hash);
/* The unique index run_claim: does another open run hold the claim on the run's key? */
bool base_claim_hurt(struct base *base, const struct run_row *run);
bool base_is(const char *text, const char *word); /* NULL is never a word */
/* Of slots and tokens: does it take a place now; how many of a key are taken; who is next for it.
 */
bool base_holds_place(const struct base *base, const struct flow_row *row);
int base_places_used(struct base *base, int32_t tenant, const char *key);
struct flow_row *base_place_next(struct base *base, int32_t tenant, const char *key);
bool base_asked_to_stop(struct base *base, const struct run_row *run);
struct connector_row *base_connector(struct base *base, int32_t tenant, const char *name);
struct intent_row *base_intent(struct base *base, int32_t tenant, int64_t run, int32_t seq);
bool base_intent_open(const struct intent_row *intent);
/* Has it an open intent?  `canceled`: one that knows that the run shall stop. */
bool base_has_intent(struct base *base, const struct run_row *run, bool canceled);
bool base_has_places(struct base *base, int32_t tenant, int64_t run);
/* What `flow` of an input says of the run; false: failed. */
bool base_put_places(struct base_call *call, int64_t run, const json_t *flow, int64_t created_us);

#endif
