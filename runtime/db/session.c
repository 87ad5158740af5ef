/* session.c -- the waiting variant for the command line, work threads and tests; see db.h. */
#include "db_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/db/pq.h"

#include <stdio.h>
#include <string.h>

struct rv_db_session {
    PGconn *conn;
    rv_db_session_door change; /* NULL: changes are made directly */
    void *door;
};

enum rv_code rv_db_session_open(const char *uri, struct rv_db_session **out, struct rv_error *err)
{
    PGconn *conn = rv_pq_connect(uri, true);
    if (PQstatus(conn) != CONNECTION_OK) {
        enum rv_code code = rv_pq_lost(conn, err);
        PQfinish(conn);
        return code;
    }
    enum rv_code code = rv_pq_setup(conn, err);
    if (code != RV_OK) {
        PQfinish(conn);
        return code;
    }
    struct rv_db_session *session = rv_alloc(sizeof *session);
    session->conn = conn;
    *out = session;
    return RV_OK;
}

void rv_db_session_close(struct rv_db_session *session)
{
    if (session != NULL) {
        PQfinish(session->conn);
        rv_free(session);
    }
}

static enum rv_code plain(PGconn *conn, const struct rv_statement *statement, struct rv_error *err)
{
    PGresult *result = PQexec(conn, statement->text);
    enum rv_code code = PQresultStatus(result) == PGRES_COMMAND_OK
                            ? RV_OK
                            : rv_pq_error(result, statement->name, err);
    PQclear(result);
    return code;
}

static enum rv_code begin(PGconn *conn, int32_t tenant, struct rv_error *err)
{
    enum rv_code code = plain(conn, &rv_sql_db_begin, err);
    if (code != RV_OK) {
        return code;
    }
    char text[16] = "";
    if (tenant != 0) {
        snprintf(text, sizeof text, "%d", tenant);
    }
    const char *values[1] = {text};
    PGresult *result =
        PQexecParams(conn, rv_sql_db_set_tenant.text, 1, NULL, values, NULL, NULL, 0);
    code =
        PQresultStatus(result) == PGRES_TUPLES_OK ? RV_OK : rv_pq_error(result, "set tenant", err);
    PQclear(result);
    return code;
}

static int send(PGconn *conn, const struct rv_statement *statement, struct rv_args *args)
{
    Oid oids[RV_ARGS_MAX];
    const char *values[RV_ARGS_MAX];
    int lengths[RV_ARGS_MAX];
    int formats[RV_ARGS_MAX];
    int count = 0;
    if (args != NULL) {
        rv_args_seal(args);
        count = args->count;
        for (int i = 0; i < count; i++) {
            const struct rv_arg *arg = &args->items[i];
            oids[i] = arg->oid;
            values[i] = arg->set || arg->array ? arg->bytes.data : NULL;
            lengths[i] = (int)arg->bytes.length;
            formats[i] = 1;
        }
    }
    return PQsendQueryParams(conn, statement->text, count, oids, values, lengths, formats, 0);
}

static enum rv_code run(struct rv_db_session *session, int32_t tenant,
                        const struct rv_statement *statement, struct rv_args *args, bool stream,
                        enum rv_code (*each)(void *data, const struct rv_result *result, int row,
                                             struct rv_error *err),
                        void *data, struct rv_error *err)
{
    PGconn *conn = session->conn;
    if (args == NULL && statement->param_count > 0) {
        args = rv_args_create(statement);
    }
    if (args != NULL && !args->items[0].set && strncmp(statement->params, "tenant int4", 11) == 0) {
        rv_args_i32(args, 1, tenant);
    }
    enum rv_code code = begin(conn, tenant, err);
    if (code == RV_OK &&
        (send(conn, statement, args) != 1 || (stream && PQsetSingleRowMode(conn) != 1))) {
        code = rv_pq_lost(conn, err);
    }
    rv_args_destroy(args);
    PGresult *pg;
    bool canceled = false;
    while ((pg = PQgetResult(conn)) != NULL) {
        ExecStatusType status = PQresultStatus(pg);
        if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK &&
            status != PGRES_SINGLE_TUPLE && code == RV_OK) {
            code = rv_pq_error(pg, statement->name, err);
        }
        struct rv_result result = {pg};
        for (int row = 0; code == RV_OK && each != NULL && row < PQntuples(pg); row++) {
            code = each(data, &result, row, err);
        }
        PQclear(pg);
        if (code != RV_OK && stream && !canceled) {
            canceled = true; /* the reader has enough: the server may stop too */
            PGcancel *cancel = PQgetCancel(conn);
            char ignored_text[256];
            (void)PQcancel(cancel, ignored_text, sizeof ignored_text);
            PQfreeCancel(cancel);
        }
    }
    if (PQstatus(conn) != CONNECTION_OK) {
        return code != RV_OK ? code : rv_pq_lost(conn, err);
    }
    struct rv_error ignored = {.code = RV_OK};
    if (code == RV_OK) {
        return plain(conn, &rv_sql_db_commit, err);
    }
    /* when even this fails the connection is dead and says so next time; it is never reset, because
     * a fresh one would not have the role that keeps tenants apart */
    if (plain(conn, &rv_sql_db_rollback, &ignored) != RV_OK) {
        rv_log_error("db", "SESSION-ROLLBACK", &ignored);
    }
    return code;
}

enum rv_code rv_db_session_query(struct rv_db_session *session, int32_t tenant,
                                 const struct rv_statement *statement, struct rv_args *args,
                                 enum rv_code (*each)(void *data, const struct rv_result *result,
                                                      int row, struct rv_error *err),
                                 void *data, struct rv_error *err)
{
    return run(session, tenant, statement, args, false, each, data, err);
}

static enum rv_code count_row(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)result;
    (void)err;
    int *rows = data;
    *rows = row + 1; /* also right when the rows come anew */
    return RV_OK;
}

enum rv_code rv_db_session_change_rows(struct rv_db_session *session, int32_t tenant,
                                       const struct rv_statement *statement, struct rv_args *args,
                                       int *rows, struct rv_error *err)
{
    *rows = 0;
    return rv_db_session_change(session, tenant, statement, args, count_row, rows, err);
}

enum rv_code rv_db_session_change_one(struct rv_db_session *session, int32_t tenant,
                                      const struct rv_statement *statement, struct rv_args *args,
                                      const char *subject, struct rv_error *err)
{
    int rows = 0;
    enum rv_code code = rv_db_session_change_rows(session, tenant, statement, args, &rows, err);
    if (code == RV_OK && rows == 0) {
        return rv_fail(err, RV_NOT_FOUND, "no %s in this tenant", subject);
    }
    return code;
}

enum rv_code rv_db_session_stream(struct rv_db_session *session, int32_t tenant,
                                  const struct rv_statement *statement, struct rv_args *args,
                                  enum rv_code (*each)(void *data, const struct rv_result *result,
                                                       int row, struct rv_error *err),
                                  void *data, struct rv_error *err)
{
    return run(session, tenant, statement, args, true, each, data, err);
}

void rv_db_session_set_door(struct rv_db_session *session, rv_db_session_door change, void *door)
{
    session->change = change;
    session->door = door;
}

enum rv_code rv_db_session_change(struct rv_db_session *session, int32_t tenant,
                                  const struct rv_statement *statement, struct rv_args *args,
                                  enum rv_code (*each)(void *data, const struct rv_result *result,
                                                       int row, struct rv_error *err),
                                  void *data, struct rv_error *err)
{
    return session->change != NULL
               ? session->change(session->door, statement, args, each, data, err)
               : run(session, tenant, statement, args, false, each, data, err);
}
