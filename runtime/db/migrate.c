/* migrate.c -- see migrate.h.  Plain libpq, blocking: it runs before anything else does. */
#include "runtime/db/migrate.h"

#include "db_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/db/pq.h"

#include <stdlib.h>
#include <string.h>

enum { MIGRATIONS_MAX = 512 };

static int by_name(const void *a, const void *b)
{
    const struct rv_migration *x = *(const struct rv_migration *const *)a;
    const struct rv_migration *y = *(const struct rv_migration *const *)b;
    return strcmp(x->name, y->name);
}

static enum rv_code execute(PGconn *conn, const char *what, const char *text, struct rv_error *err)
{
    PGresult *result = PQexec(conn, text);
    ExecStatusType status = PQresultStatus(result);
    enum rv_code code = RV_OK;
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        code = rv_pq_error(result, what, err);
        const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
        if (hint != NULL) {
            rv_hint(err, "%s", hint);
        }
        rv_wrap(err, code, "migrate \"%s\"", what);
    }
    PQclear(result);
    return code;
}

static enum rv_code apply(PGconn *conn, const struct rv_migration *migration, int *applied,
                          struct rv_error *err)
{
    struct rv_hash hash = rv_sha256(migration->text, strlen(migration->text));
    char checksum[RV_HASH_HEX];
    rv_hash_hex(&hash, checksum);
    const char *values[2] = {migration->name, checksum};
    PGresult *found = PQexecParams(conn, rv_sql_migrate_find.text, 1, NULL, values, NULL, NULL, 0);
    if (PQresultStatus(found) != PGRES_TUPLES_OK) {
        enum rv_code code = rv_pq_error(found, migration->name, err);
        PQclear(found);
        return code;
    }
    bool known = PQntuples(found) == 1;
    bool same = known && strcmp(PQgetvalue(found, 0, 0), checksum) == 0;
    PQclear(found);
    if (known && !same) {
        rv_fail(err, RV_CORRUPT, "migration \"%s\" was applied with another text", migration->name);
        rv_hint(
            err,
            "This database belongs to another build of reeve; use that build or a new database.");
        return RV_CORRUPT;
    }
    if (known) {
        return RV_OK;
    }
    enum rv_code code = execute(conn, migration->name, migration->text, err);
    if (code != RV_OK) {
        return code;
    }
    PGresult *recorded =
        PQexecParams(conn, rv_sql_migrate_record.text, 2, NULL, values, NULL, NULL, 0);
    if (PQresultStatus(recorded) != PGRES_COMMAND_OK) {
        code = rv_pq_error(recorded, migration->name, err);
    }
    PQclear(recorded);
    ++*applied;
    return code;
}

enum rv_code rv_migrate(const char *owner_uri, const struct rv_migration *const *rooms,
                        int *applied, struct rv_error *err)
{
    const struct rv_migration *all[MIGRATIONS_MAX];
    size_t count = 0;
    for (; *rooms != NULL; rooms++) {
        for (const struct rv_migration *one = *rooms; one->name != NULL; one++) {
            RV_ASSERT(count < MIGRATIONS_MAX);
            all[count++] = one;
        }
    }
    qsort(all, count, sizeof all[0], by_name);
    PGconn *conn = rv_pq_connect(owner_uri, true);
    if (PQstatus(conn) != CONNECTION_OK) {
        enum rv_code code = rv_pq_lost(conn, err);
        PQfinish(conn);
        return code;
    }
    *applied = 0;
    /* one transaction for all: a database is at the old schema or at the new one, never between */
    enum rv_code code = execute(conn, "settings", rv_sql_migrate_settings.text, err);
    if (code == RV_OK) {
        code = execute(conn, "begin", rv_sql_db_begin.text, err);
    }
    if (code == RV_OK) {
        code = execute(conn, "lock", rv_sql_migrate_lock.text, err);
    }
    if (code == RV_OK) {
        code = execute(conn, "prepare", rv_sql_migrate_prepare.text, err);
    }
    for (size_t i = 0; i < count && code == RV_OK; i++) {
        code = apply(conn, all[i], applied, err);
    }
    if (code == RV_OK && *applied > 0) {
        code = execute(conn, "security", rv_sql_security_apply.text, err);
    }
    if (code == RV_OK) {
        code = execute(conn, "commit", rv_sql_db_commit.text, err);
    }
    PQfinish(conn);
    return code;
}
