/* migrate.c -- see migrate.h.  Plain libpq, blocking: it runs before anything else does. */
#include "runtime/db/migrate.h"

#include "db_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/db/pq.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MIGRATIONS_MAX = 512 };

/* All rooms' migrations in the order of their names, and which of them the database has. */
struct list {
    const struct rv_migration *items[MIGRATIONS_MAX];
    bool known[MIGRATIONS_MAX];
    size_t count;
};

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

static void gather(const struct rv_migration *const *rooms, struct list *list)
{
    *list = (struct list){.count = 0};
    for (; *rooms != NULL; rooms++) {
        for (const struct rv_migration *one = *rooms; one->name != NULL; one++) {
            RV_ASSERT(list->count < MIGRATIONS_MAX);
            list->items[list->count++] = one;
        }
    }
    qsort(list->items, list->count, sizeof list->items[0], by_name);
}

static void checksum_of(const struct rv_migration *migration, char checksum[RV_HASH_HEX])
{
    struct rv_hash hash = rv_sha256(migration->text, strlen(migration->text));
    rv_hash_hex(&hash, checksum);
}

static enum rv_code ask(PGconn *conn, const struct rv_statement *statement, PGresult **out,
                        struct rv_error *err)
{
    *out = PQexec(conn, statement->text);
    if (PQresultStatus(*out) == PGRES_TUPLES_OK) {
        return RV_OK;
    }
    enum rv_code code = rv_pq_error(*out, statement->name, err);
    PQclear(*out);
    *out = NULL;
    return code;
}

static enum rv_code ask_one(PGconn *conn, const struct rv_statement *statement, char out[16],
                            struct rv_error *err)
{
    PGresult *result = NULL;
    enum rv_code code = ask(conn, statement, &result, err);
    if (code == RV_OK) {
        snprintf(out, 16, "%s", PQgetvalue(result, 0, 0));
        PQclear(result);
    }
    return code;
}

/* Marks what the database has, and compares the texts.  Names that are not ours are let be: a newer
 * program was here. */
static enum rv_code compare(PGconn *conn, struct list *list, struct rv_error *err)
{
    PGresult *found = NULL;
    enum rv_code code = ask(conn, &rv_sql_migrate_list, &found, err);
    for (int row = 0; code == RV_OK && row < PQntuples(found); row++) {
        struct rv_migration key = {.name = PQgetvalue(found, row, 0)};
        const struct rv_migration *wanted = &key;
        const struct rv_migration **at =
            bsearch(&wanted, list->items, list->count, sizeof list->items[0], by_name);
        if (at == NULL) {
            continue;
        }
        char checksum[RV_HASH_HEX];
        checksum_of(*at, checksum);
        list->known[at - list->items] = true;
        if (strcmp(PQgetvalue(found, row, 1), checksum) != 0) {
            code = rv_fail(err, RV_CORRUPT, "migration \"%s\" was applied with another text",
                           key.name);
            rv_hint(err, "This database belongs to another build of reeve; use that build or a new "
                         "database.");
        }
    }
    PQclear(found);
    return code;
}

static enum rv_code apply(PGconn *conn, const struct rv_migration *migration, struct rv_error *err)
{
    enum rv_code code = execute(conn, migration->name, migration->text, err);
    if (code != RV_OK) {
        return code;
    }
    char checksum[RV_HASH_HEX];
    checksum_of(migration, checksum);
    const char *values[2] = {migration->name, checksum};
    PGresult *recorded =
        PQexecParams(conn, rv_sql_migrate_record.text, 2, NULL, values, NULL, NULL, 0);
    if (PQresultStatus(recorded) != PGRES_COMMAND_OK) {
        code = rv_pq_error(recorded, migration->name, err);
    }
    PQclear(recorded);
    return code;
}

/* From the login that was given to reeve_owner; `taken` tells whether objects changed hands. */
static enum rv_code become_owner(PGconn *conn, bool private_server, bool *taken,
                                 struct rv_error *err)
{
    enum rv_code code = RV_OK;
    char count[16] = "0";
    if (private_server) {
        code = execute(conn, "roles of reeve's own server", rv_sql_roles_private.text, err);
    }
    if (code == RV_OK) {
        code = execute(conn, "roles", rv_sql_roles_owner.text, err);
    }
    if (code == RV_OK) {
        code = ask_one(conn, &rv_sql_roles_taken, count, err);
    }
    *taken = strcmp(count, "0") != 0;
    return code == RV_OK ? execute(conn, "become the owner", rv_sql_roles_become.text, err) : code;
}

static enum rv_code connect_owner(const char *uri, PGconn **out, struct rv_error *err)
{
    PGconn *conn = rv_pq_connect(uri, true);
    enum rv_code code = PQstatus(conn) == CONNECTION_OK
                            ? execute(conn, "settings", rv_sql_migrate_settings.text, err)
                            : rv_pq_lost(conn, err);
    if (code != RV_OK) {
        PQfinish(conn);
        return code;
    }
    *out = conn;
    return RV_OK;
}

enum rv_code rv_migrate(const struct rv_migrate *how, int *applied, struct rv_error *err)
{
    struct list list;
    gather(how->rooms, &list);
    PGconn *conn = NULL;
    enum rv_code code = connect_owner(how->owner_uri, &conn, err);
    if (code != RV_OK) {
        return code;
    }
    *applied = 0;
    bool taken = false;
    /* one transaction for all: a database is at the old schema or at the new one, never between */
    code = execute(conn, "begin", rv_sql_db_begin.text, err);
    if (code == RV_OK) {
        code = execute(conn, "lock", rv_sql_migrate_lock.text, err);
    }
    if (code == RV_OK) {
        code = become_owner(conn, how->private_server, &taken, err);
    }
    if (code == RV_OK) {
        code = execute(conn, "prepare", rv_sql_migrate_prepare.text, err);
    }
    if (code == RV_OK) {
        code = compare(conn, &list, err);
    }
    for (size_t i = 0; i < list.count && code == RV_OK; i++) {
        if (!list.known[i]) {
            code = apply(conn, list.items[i], err);
            ++*applied;
        }
    }
    if (code == RV_OK && (*applied > 0 || taken)) {
        code = execute(conn, "security", rv_sql_security_apply.text, err);
    }
    if (code == RV_OK) {
        code = execute(conn, "commit", rv_sql_db_commit.text, err);
    }
    PQfinish(conn);
    return code;
}

enum rv_code rv_owner_call(const char *owner_uri, const struct rv_statement *statement,
                           const char *const *values, struct rv_error *err)
{
    PGconn *conn = NULL;
    enum rv_code code = connect_owner(owner_uri, &conn, err);
    if (code != RV_OK) {
        return code;
    }
    code = execute(conn, "begin", rv_sql_db_begin.text, err);
    if (code == RV_OK) {
        code = execute(conn, "become the owner", rv_sql_roles_become.text, err);
    }
    if (code == RV_OK) {
        PGresult *result = PQexecParams(conn, statement->text, statement->param_count, NULL, values,
                                        NULL, NULL, 0);
        ExecStatusType status = PQresultStatus(result);
        if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
            code = rv_pq_error(result, statement->name, err);
        }
        PQclear(result);
    }
    if (code == RV_OK) {
        code = execute(conn, "commit", rv_sql_db_commit.text, err);
    }
    PQfinish(conn);
    return code;
}

enum rv_code rv_migrate_missing(const char *uri, const struct rv_migration *const *rooms,
                                int *missing, struct rv_error *err)
{
    struct list list;
    gather(rooms, &list);
    PGconn *conn = rv_pq_connect(uri, true);
    if (PQstatus(conn) != CONNECTION_OK) {
        enum rv_code code = rv_pq_lost(conn, err);
        PQfinish(conn);
        return code;
    }
    char known[16] = "f";
    enum rv_code code = rv_pq_setup(conn, err);
    if (code == RV_OK) {
        code = ask_one(conn, &rv_sql_migrate_known, known, err);
    }
    if (code == RV_OK && known[0] == 't') {
        code = compare(conn, &list, err);
        if (code == RV_DENIED) {
            rv_hint(err, "Run as an administrator: GRANT reeve_app TO %s;", PQuser(conn));
        }
    }
    PQfinish(conn);
    *missing = 0;
    for (size_t i = 0; i < list.count; i++) {
        *missing += !list.known[i];
    }
    return code;
}
