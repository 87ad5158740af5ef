/* db.h -- PostgreSQL on the loop: a pool of reader connections with prepared statements.
 *
 * runtime/db is the only includer of <libpq-fe.h>.  Each query is its own short transaction with
 * the tenant set (row-level security: no tenant, no rows).  Connections come and go with back-off;
 * while none is up, queries wait until their deadline and then fail with RV_UNAVAILABLE.
 *
 * Thread: the loop's.  Writes of business meaning go through runtime/journal/commit.h instead.
 */
#ifndef REEVE_RUNTIME_DB_DB_H
#define REEVE_RUNTIME_DB_DB_H

#include "runtime/db/args.h"
#include "runtime/loop/loop.h"

struct rv_db;
struct rv_result; /* valid only inside the callback */

/* `done` gets a result when code is RV_OK (also for statements without rows). */
typedef void (*rv_db_done)(void *data, enum rv_code code, const struct rv_result *result,
                           const struct rv_error *err);

struct rv_db_options {
    struct rv_loop *loop;
    const char *uri;    /* libpq connection string or URI; copied */
    int connections;    /* 0 means 4 */
    int64_t timeout_ms; /* per query from submission, 0 means 30 000: RV_TIMEOUT when the server
                           was at it, RV_UNAVAILABLE when it could not be reached */
};
struct rv_db *rv_db_create(const struct rv_db_options *options);
void rv_db_close(struct rv_db *db, void (*closed)(void *data), void *data);

/* Runs one statement as `tenant` (0: no tenant, sees only node-wide tables and functions).
 * Takes `args` (may be NULL), also on failure.  The transaction commits before `done`: small
 * administrative writes (schedules, sessions, deliveries) may use it too, when they may be written
 * twice: after RV_UNAVAILABLE it is unknown whether the commit happened. */
void rv_db_query(struct rv_db *db, int32_t tenant, const struct rv_statement *statement,
                 struct rv_args *args, rv_db_done done, void *data);
/* The same with its own deadline, for what is known to take long. */
void rv_db_query_within(struct rv_db *db, int32_t tenant, const struct rv_statement *statement,
                        struct rv_args *args, int64_t timeout_ms, rv_db_done done, void *data);

int rv_result_rows(const struct rv_result *result);
bool rv_result_is_null(const struct rv_result *result, int row, int column);
int64_t rv_result_i64(const struct rv_result *result, int row, int column);
bool rv_result_bool(const struct rv_result *result, int row, int column);
const char *rv_result_text(const struct rv_result *result, int row, int column); /* "" for NULL */
size_t rv_result_length(const struct rv_result *result, int row, int column);
/* bytea, decoded into `out` of `max` bytes; returns its length (asserts that it fits). */
size_t rv_result_bytes(const struct rv_result *result, int row, int column, void *out, size_t max);
/* New reference; NULL for SQL NULL. */
json_t *rv_result_json(const struct rv_result *result, int row, int column);
/* As the SQL type says: numbers (int2, int4, float), booleans, JSON, null, else text; int8 is text
 * too, because JavaScript's numbers end at 2^53.  New reference. */
json_t *rv_result_value(const struct rv_result *result, int row, int column);
int64_t rv_result_time_us(const struct rv_result *result, int row, int column); /* timestamptz */
int rv_result_column(const struct rv_result *result, const char *name); /* asserts presence */
int rv_result_columns(const struct rv_result *result);
const char *rv_result_column_name(const struct rv_result *result, int column);

/* ---- for the command line and tests: the same, but waiting (never on a loop thread) ---- */
struct rv_db_session;
RV_MUST enum rv_code rv_db_session_open(const char *uri, struct rv_db_session **out,
                                        struct rv_error *err);
void rv_db_session_close(struct rv_db_session *session);
/* Takes args.  `each` may be NULL; returning another code than RV_OK ends the reading with it. */
RV_MUST enum rv_code rv_db_session_query(struct rv_db_session *session, int32_t tenant,
                                         const struct rv_statement *statement, struct rv_args *args,
                                         enum rv_code (*each)(void *data,
                                                              const struct rv_result *result,
                                                              int row, struct rv_error *err),
                                         void *data, struct rv_error *err);
/* Like query, for a change that somebody answers for: through the session's door where it has one
 * (the command line's puts the change on the audit record, see runtime/cli/admin.h); a session
 * without a door changes it and that is all.  `each` may be called anew from row 0. */
typedef enum rv_code (*rv_db_session_door)(
    void *door, const struct rv_statement *statement, struct rv_args *args,
    enum rv_code (*each)(void *data, const struct rv_result *result, int row, struct rv_error *err),
    void *data, struct rv_error *err);
void rv_db_session_set_door(struct rv_db_session *session, rv_db_session_door change, void *door);
RV_MUST enum rv_code rv_db_session_change(
    struct rv_db_session *session, int32_t tenant, const struct rv_statement *statement,
    struct rv_args *args,
    enum rv_code (*each)(void *data, const struct rv_result *result, int row, struct rv_error *err),
    void *data, struct rv_error *err);
/* The same, counting the rows that come back. */
RV_MUST enum rv_code rv_db_session_change_rows(struct rv_db_session *session, int32_t tenant,
                                               const struct rv_statement *statement,
                                               struct rv_args *args, int *rows,
                                               struct rv_error *err);
/* The same for a statement that gives a row when it found what to change; RV_NOT_FOUND "no SUBJECT
 * in this tenant" else. */
RV_MUST enum rv_code rv_db_session_change_one(struct rv_db_session *session, int32_t tenant,
                                              const struct rv_statement *statement,
                                              struct rv_args *args, const char *subject,
                                              struct rv_error *err);
/* Streams a result row by row in bounded memory (single-row mode); otherwise like query. */
RV_MUST enum rv_code rv_db_session_stream(
    struct rv_db_session *session, int32_t tenant, const struct rv_statement *statement,
    struct rv_args *args,
    enum rv_code (*each)(void *data, const struct rv_result *result, int row, struct rv_error *err),
    void *data, struct rv_error *err);

#endif
