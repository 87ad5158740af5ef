/* pq.h -- one libpq connection: statements by name, errors in our words.  Private to runtime/db and
 * the committer. */
#ifndef REEVE_RUNTIME_DB_PQ_H
#define REEVE_RUNTIME_DB_PQ_H

#include "runtime/base/error.h"
#include "runtime/db/args_private.h"
#include "runtime/db/db.h"

enum { RV_PQ_STATEMENTS_MAX = 512 };

/* Which statements this connection has prepared. */
struct rv_pq {
    PGconn *conn;
    const struct rv_statement *prepared[RV_PQ_STATEMENTS_MAX];
    int prepared_count;
};

struct rv_result {
    PGresult *pg;
};

/* Starts a connection with our defaults (the URI wins); `wait` also finishes it.  Never NULL. */
PGconn *rv_pq_connect(const char *uri, bool wait);
/* Queues Prepare when needed, then the execution (pipeline mode).  `prepares` is increased by one
 * when a Prepare was queued, whose result comes first.  False: the connection is broken. */
bool rv_pq_send(struct rv_pq *pq, const struct rv_statement *statement, struct rv_args *args,
                int *prepares);
/* The statement turned out not to be prepared. */
void rv_pq_forget(struct rv_pq *pq, const char *name);
/* SQLSTATE -> code; message without the values PostgreSQL quotes (DETAIL stays with the operator).
 */
enum rv_code rv_pq_error(const PGresult *result, const char *statement, struct rv_error *err);
enum rv_code rv_pq_lost(const PGconn *conn, struct rv_error *err);
/* After connecting, in plain (blocking) mode: role, timeouts, search path. */
RV_MUST enum rv_code rv_pq_setup(PGconn *conn, struct rv_error *err);

#endif
