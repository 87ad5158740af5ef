/* pq.c -- see pq.h. */
#include "runtime/db/pq.h"

#include "db_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_notice(void *data, const char *message)
{
    (void)data;
    rv_log(RV_LOG_DEBUG, "db", "DB-NOTICE", "%.*s", (int)strcspn(message, "\n"), message);
}

PGconn *rv_pq_connect(const char *uri, bool wait)
{
    /* A dead host is noticed within half a minute; no trip is spent on GSS negotiation. */
    static const char *const names[] = {"gssencmode",
                                        "application_name",
                                        "connect_timeout",
                                        "keepalives_idle",
                                        "keepalives_interval",
                                        "keepalives_count",
                                        "tcp_user_timeout",
                                        "dbname",
                                        NULL};
    const char *const values[] = {"disable", "reeve", "10", "15", "5", "3", "30000", uri, NULL};
    PGconn *conn =
        wait ? PQconnectdbParams(names, values, 1) : PQconnectStartParams(names, values, 1);
    RV_ASSERT(conn != NULL);
    PQsetNoticeProcessor(conn, on_notice, NULL);
    return conn;
}

static bool is_prepared(const struct rv_pq *pq, const struct rv_statement *statement)
{
    for (int i = 0; i < pq->prepared_count; i++) {
        if (pq->prepared[i] == statement) {
            return true;
        }
    }
    return false;
}

static bool prepare(struct rv_pq *pq, const struct rv_statement *statement,
                    const struct rv_args *args)
{
    Oid types[RV_ARGS_MAX];
    int count = args == NULL ? 0 : args->count;
    for (int i = 0; i < count; i++) {
        types[i] = args->items[i].oid;
    }
    RV_ASSERT(pq->prepared_count < RV_PQ_STATEMENTS_MAX);
    if (PQsendPrepare(pq->conn, statement->name, statement->text, count, types) != 1) {
        return false;
    }
    pq->prepared[pq->prepared_count++] = statement;
    return true;
}

void rv_pq_forget(struct rv_pq *pq, const char *name)
{
    for (int i = 0; i < pq->prepared_count; i++) {
        if (strcmp(pq->prepared[i]->name, name) == 0) {
            pq->prepared[i] = pq->prepared[--pq->prepared_count];
            return;
        }
    }
}

bool rv_pq_send(struct rv_pq *pq, const struct rv_statement *statement, struct rv_args *args,
                int *prepares)
{
    RV_ASSERT(statement->param_count == 0 || args != NULL);
    if (!is_prepared(pq, statement)) {
        if (!prepare(pq, statement, args)) {
            return false;
        }
        ++*prepares;
    }
    const char *values[RV_ARGS_MAX];
    int lengths[RV_ARGS_MAX];
    int formats[RV_ARGS_MAX];
    int count = 0;
    if (args != NULL) {
        rv_args_seal(args);
        count = args->count;
        for (int i = 0; i < count; i++) {
            const struct rv_arg *arg = &args->items[i];
            values[i] = arg->set || arg->array ? arg->bytes.data : NULL;
            lengths[i] = (int)arg->bytes.length;
            formats[i] = 1;
        }
    }
    return PQsendQueryPrepared(pq->conn, statement->name, count, values, lengths, formats, 0) == 1;
}

static enum rv_code code_of_state(const char *state)
{
    static const struct {
        const char *prefix;
        enum rv_code code;
    } table[] = {
        {"23505", RV_CONFLICT}, {"23", RV_INVALID},        {"22", RV_INVALID},
        {"40", RV_UNAVAILABLE}, {"55P03", RV_UNAVAILABLE}, {"57014", RV_TIMEOUT},
        {"42501", RV_DENIED},   {"53", RV_UNAVAILABLE},    {"57", RV_UNAVAILABLE},
        {"08", RV_UNAVAILABLE}, {"25", RV_UNAVAILABLE},    {"58", RV_IO},
        {"P0001", RV_INVALID},  {"RV001", RV_CONFLICT},
    };
    for (size_t i = 0; i < RV_COUNT(table); i++) {
        if (strncmp(state, table[i].prefix, strlen(table[i].prefix)) == 0) {
            return table[i].code;
        }
    }
    return RV_CORRUPT;
}

enum rv_code rv_pq_error(const PGresult *result, const char *statement, struct rv_error *err)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
    enum rv_code code = code_of_state(state != NULL ? state : "08000");
    rv_fail(err, code, "database: %s", text != NULL ? text : "the connection was lost");
    rv_detail(err, "statement=%s sqlstate=%s%s%s", statement, state != NULL ? state : "none",
              constraint != NULL ? " constraint=" : "", constraint != NULL ? constraint : "");
    if (state != NULL && (strcmp(state, "42P01") == 0 || strcmp(state, "42703") == 0 ||
                          strcmp(state, "42883") == 0)) {
        rv_hint(err, "The database has another schema than this program: run `reeve db migrate`.");
    }
    return code;
}

enum rv_code rv_pq_lost(const PGconn *conn, struct rv_error *err)
{
    rv_fail(err, RV_UNAVAILABLE, "could not reach the database");
    rv_detail(err, "%s", PQerrorMessage(conn));
    const char *text = PQerrorMessage(conn);
    if (strstr(text, "connection slots") != NULL || strstr(text, "too many clients") != NULL) {
        rv_hint(err, "All of its connections are taken: run fewer commands at once and try again, "
                     "or raise max_connections of your own server.");
    } else {
        rv_hint(err, "Run `reeve db status`; with your own server check database.uri.");
    }
    return RV_UNAVAILABLE;
}

enum rv_code rv_pq_setup(PGconn *conn, struct rv_error *err)
{
    PGresult *result = PQexec(conn, rv_sql_db_setup.text);
    enum rv_code code = RV_OK;
    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        code = rv_pq_error(result, "setup", err);
        const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
        if (hint != NULL) {
            rv_hint(err, "%s", hint);
        }
    }
    PQclear(result);
    return code;
}

/* ---- results ---- */

int rv_result_rows(const struct rv_result *result)
{
    return PQntuples(result->pg);
}

bool rv_result_is_null(const struct rv_result *result, int row, int column)
{
    return PQgetisnull(result->pg, row, column) != 0;
}

int64_t rv_result_i64(const struct rv_result *result, int row, int column)
{
    return strtoll(PQgetvalue(result->pg, row, column), NULL, 10);
}

bool rv_result_bool(const struct rv_result *result, int row, int column)
{
    return PQgetvalue(result->pg, row, column)[0] == 't';
}

const char *rv_result_text(const struct rv_result *result, int row, int column)
{
    return PQgetvalue(result->pg, row, column);
}

size_t rv_result_length(const struct rv_result *result, int row, int column)
{
    return (size_t)PQgetlength(result->pg, row, column);
}

size_t rv_result_bytes(const struct rv_result *result, int row, int column, void *out, size_t max)
{
    const char *text = PQgetvalue(result->pg, row, column);
    size_t length = (size_t)PQgetlength(result->pg, row, column);
    if (length == 0) {
        return 0;
    }
    RV_ASSERT(length >= 2 && text[0] == '\\' && text[1] == 'x'); /* bytea_output = hex */
    size_t count = (length - 2) / 2;
    RV_ASSERT(count <= max);
    unsigned char *bytes = out;
    for (size_t i = 0; i < count; i++) {
        unsigned int byte = 0;
        for (int k = 0; k < 2; k++) {
            char c = text[2 + 2 * i + (size_t)k];
            byte = byte * 16 + (unsigned int)(c <= '9' ? c - '0' : c - 'a' + 10);
        }
        bytes[i] = (unsigned char)byte;
    }
    return count;
}

json_t *rv_result_json(const struct rv_result *result, int row, int column)
{
    if (rv_result_is_null(result, row, column)) {
        return NULL;
    }
    const char *text = PQgetvalue(result->pg, row, column);
    size_t length = (size_t)PQgetlength(result->pg, row, column);
    json_t *value = json_loadb(text, length, JSON_DECODE_ANY, NULL);
    if (value == NULL) { /* jsonb writes 1e30 as thirty digits: no integer of ours */
        value = json_loadb(text, length, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
    }
    return value != NULL ? value : json_null(); /* a number beyond every double */
}

json_t *rv_result_value(const struct rv_result *result, int row, int column)
{
    enum {
        BOOL = 16,
        INT2 = 21,
        INT4 = 23,
        JSON = 114,
        FLOAT4 = 700,
        FLOAT8 = 701,
        JSONB = 3802
    }; /* pg_type.dat */
    if (rv_result_is_null(result, row, column)) {
        return json_null();
    }
    const char *text = rv_result_text(result, row, column);
    switch (PQftype(result->pg, column)) {
    case BOOL: return json_boolean(text[0] == 't');
    case INT2:
    case INT4: return json_integer(rv_result_i64(result, row, column));
    case FLOAT4:
    case FLOAT8:
    case JSON:
    case JSONB: return rv_result_json(result, row, column);
    default: return json_string(text);
    }
}

/* "2026-01-31 08:15:02.417123+00": the session's zone is UTC. */
int64_t rv_result_time_us(const struct rv_result *result, int row, int column)
{
    const char *text = PQgetvalue(result->pg, row, column);
    int year = 0;
    int month = 0;
    int day = 0;
    int hour = 0;
    int minute = 0;
    int second = 0;
    int used = 0;
    if (text[0] == '-') {
        return INT64_MIN; /* -infinity */
    }
    if (text[0] == 'i' || text[0] == '\0') {
        return text[0] == 'i' ? INT64_MAX : 0;
    }
    RV_ASSERT(sscanf(text, "%d-%d-%d %d:%d:%d%n", &year, &month, &day, &hour, &minute, &second,
                     &used) == 6);
    int64_t micros = 0;
    if (text[used] == '.') {
        int digits = 0;
        for (used++; text[used] >= '0' && text[used] <= '9'; used++, digits++) {
            micros = micros * 10 + (text[used] - '0');
        }
        for (; digits < 6; digits++) {
            micros *= 10;
        }
    }
    RV_ASSERT(strcmp(text + used, "+00") == 0);
    int64_t days = rv_days_from_civil(year, month, day);
    return ((days * 24 + hour) * 60 + minute) * INT64_C(60000000) + second * INT64_C(1000000) +
           micros;
}

int rv_result_column(const struct rv_result *result, const char *name)
{
    int column = PQfnumber(result->pg, name);
    RV_ASSERT(column >= 0);
    return column;
}

int rv_result_columns(const struct rv_result *result)
{
    return PQnfields(result->pg);
}

const char *rv_result_column_name(const struct rv_result *result, int column)
{
    return PQfname(result->pg, column);
}
