/* checks_database.c -- is the database there, new enough, at our schema, of the same time, and is
 * the login that reeve uses no mightier than it must be? */
#include "cli_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/hash.h"
#include "runtime/cli/doctor.h"
#include "runtime/cli/place.h"

#include <stdlib.h>
#include <string.h>

enum {
    SKEW_DEGRADED_MS = 2000, /* business time is the database's; ours only wakes timers */
    VERSION_FACTOR = 10000   /* 150018 is 15.18 */
};

#define SAY(field, ...) snprintf((field), sizeof(field), __VA_ARGS__)

struct server {
    int64_t version;
    int64_t now_us;
    bool has_schema;
};

static enum rv_code read_server(void *data, const struct rv_result *result, int row,
                                struct rv_error *err)
{
    (void)err;
    struct server *server = data;
    server->version = rv_result_i64(result, row, 0);
    server->now_us = rv_result_i64(result, row, 1);
    server->has_schema = rv_result_bool(result, row, 2);
    return RV_OK;
}

enum rv_code cli_look_into(struct cli *cli, struct rv_db_session **session, struct rv_error *err)
{
    struct rv_private_postgres_options options;
    struct rv_private_postgres_status status;
    if (!place_is_private(cli, &options)) {
        return rv_db_session_open(cli->uri, session, err);
    }
    enum rv_code code = rv_private_postgres_start(&options, &status, err);
    return code == RV_OK ? rv_db_session_open(status.uri, session, err) : code;
}

static enum rv_code ask_server(struct rv_db_session *session, struct server *server,
                               struct rv_error *err)
{
    return rv_db_session_query(session, 0, &rv_sql_doctor_server, NULL, read_server, server, err);
}

static enum cli_health say_error(const struct rv_error *err, struct cli_finding *finding)
{
    SAY(finding->text, "%s%s%s", err->message, err->detail[0] != '\0' ? ": " : "", err->detail);
    SAY(finding->remedy, "%s", err->hint);
    return CLI_MISSING;
}

enum cli_health cli_check_database(struct cli *cli, struct cli_finding *finding)
{
    struct rv_error err = {.code = RV_OK};
    struct server server = {0};
    struct rv_db_session *session = NULL;
    enum rv_code code = cli_look_into(cli, &session, &err);
    if (code == RV_OK) {
        code = ask_server(session, &server, &err);
    }
    rv_db_session_close(session);
    if (code != RV_OK) {
        return say_error(&err, finding);
    }
    bool own = rv_config_text(cli->config, RV_SET_DATABASE_URI)[0] == '\0';
    SAY(finding->text, "PostgreSQL %d.%d, %s", (int)(server.version / VERSION_FACTOR),
        (int)(server.version % VERSION_FACTOR), own ? "reeve's own" : "yours");
    if (server.version / VERSION_FACTOR < RV_PRIVATE_POSTGRES_MAJOR_MIN) {
        SAY(finding->remedy, "Use PostgreSQL %d or newer.", RV_PRIVATE_POSTGRES_MAJOR_MIN);
        return CLI_MISSING;
    }
    int64_t skew_ms = llabs(server.now_us - rv_now_us(rv_clock_system())) / 1000;
    if (skew_ms > SKEW_DEGRADED_MS) {
        SAY(finding->text, "its clock is %d s away from ours", (int)(skew_ms / 1000));
        SAY(finding->remedy,
            "Synchronise both machines: timers fire by ours, records carry its time.");
        return CLI_DEGRADED;
    }
    return CLI_OK;
}

/* ---- migrations ---- */

struct applied {
    const struct rv_migration *const *migrations;
    int known, foreign, changed;
};

static const struct rv_migration *find_migration(const struct rv_migration *const *migrations,
                                                 const char *name)
{
    for (const struct rv_migration *const *room = migrations; *room != NULL; room++) {
        for (const struct rv_migration *at = *room; at->name != NULL; at++) {
            if (strcmp(at->name, name) == 0) {
                return at;
            }
        }
    }
    return NULL;
}

static enum rv_code compare(void *data, const struct rv_result *result, int row,
                            struct rv_error *err)
{
    (void)err;
    struct applied *applied = data;
    const struct rv_migration *ours =
        find_migration(applied->migrations, rv_result_text(result, row, 0));
    if (ours == NULL) {
        applied->foreign++;
        return RV_OK;
    }
    struct rv_hash hash = rv_sha256(ours->text, strlen(ours->text));
    char checksum[RV_HASH_HEX];
    rv_hash_hex(&hash, checksum);
    applied->known++;
    applied->changed += strcmp(checksum, rv_result_text(result, row, 1)) != 0;
    return RV_OK;
}

enum cli_health cli_check_migrations(struct cli *cli, struct cli_finding *finding)
{
    struct rv_error err = {.code = RV_OK};
    struct server server = {0};
    struct applied applied = {.migrations = node_migrations};
    int total = 0;
    for (const struct rv_migration *const *room = node_migrations; *room != NULL; room++) {
        for (const struct rv_migration *at = *room; at->name != NULL; at++) {
            total++;
        }
    }
    struct rv_db_session *session = NULL;
    enum rv_code code = cli_look_into(cli, &session, &err);
    if (code == RV_OK) {
        code = ask_server(session, &server, &err);
    }
    if (code == RV_OK && server.has_schema) {
        code = rv_db_session_query(session, 0, &rv_sql_doctor_migrations, NULL, compare, &applied,
                                   &err);
    }
    rv_db_session_close(session);
    if (code != RV_OK) {
        return say_error(&err, finding);
    }
    SAY(finding->text, "%d of %d applied", applied.known, total);
    if (applied.changed > 0 || applied.foreign > 0) {
        SAY(finding->text, "%d of %d applied, %d with another text, %d unknown here", applied.known,
            total, applied.changed, applied.foreign);
        SAY(finding->remedy, "This database belongs to another build of reeve: use that one.");
        return CLI_MISSING;
    }
    if (applied.known < total) {
        /* commands bring our own database to the schema by themselves */
        SAY(finding->remedy, "Run `reeve db migrate`.");
        struct rv_private_postgres_options options;
        return place_is_private(cli, &options) ? CLI_DEGRADED : CLI_MISSING;
    }
    return CLI_OK;
}

/* ---- who we are there ---- */

struct login {
    char name[64];
    bool is_super, bypasses, makes_roles, is_owner, makes_tables, owner_logs_in;
    int64_t owns;
    int64_t open_tables;
};

static enum rv_code read_login(void *data, const struct rv_result *result, int row,
                               struct rv_error *err)
{
    (void)err;
    struct login *login = data;
    SAY(login->name, "%s", rv_result_text(result, row, 0));
    login->is_super = rv_result_bool(result, row, 1);
    login->bypasses = rv_result_bool(result, row, 2);
    login->makes_roles = rv_result_bool(result, row, 3);
    login->is_owner = rv_result_bool(result, row, 4);
    login->owns = rv_result_i64(result, row, 5);
    login->makes_tables = rv_result_bool(result, row, 6);
    login->owner_logs_in = rv_result_bool(result, row, 7);
    return RV_OK;
}

static enum rv_code read_open_tables(void *data, const struct rv_result *result, int row,
                                     struct rv_error *err)
{
    (void)err;
    ((struct login *)data)->open_tables = rv_result_i64(result, row, 0);
    return RV_OK;
}

enum cli_health cli_check_login(struct cli *cli, struct cli_finding *finding)
{
    struct rv_error err = {.code = RV_OK};
    struct login login = {.name = ""};
    struct rv_db_session *session = NULL;
    enum rv_code code = cli_look_into(cli, &session, &err);
    if (code == RV_OK) {
        code =
            rv_db_session_query(session, 0, &rv_sql_doctor_login, NULL, read_login, &login, &err);
    }
    if (code == RV_OK) {
        code = rv_db_session_query(session, 0, &rv_sql_doctor_open_tables, NULL, read_open_tables,
                                   &login, &err);
    }
    rv_db_session_close(session);
    if (code != RV_OK) {
        return say_error(&err, finding);
    }
    const char *const might = login.is_super       ? "is a superuser"
                              : login.bypasses     ? "has BYPASSRLS"
                              : login.owns > 0     ? "owns reeve's tables"
                              : login.is_owner     ? "is a member of reeve_owner"
                              : login.makes_roles  ? "may make roles (CREATEROLE)"
                              : login.makes_tables ? "owns the database or may create tables there"
                                                   : NULL;
    struct rv_private_postgres_options options;
    bool own = place_is_private(cli, &options);
    if (login.open_tables > 0) {
        SAY(finding->text, "%d tables are not behind row-level security", (int)login.open_tables);
        SAY(finding->remedy, "Find out who did that; the next migration puts them back behind it.");
        return CLI_DEGRADED;
    }
    if (might != NULL) {
        SAY(finding->text, "\"%s\" %s: what keeps companies apart could be taken away by it",
            login.name, might);
        SAY(finding->remedy, "%s",
            own ? "Run `reeve db migrate`."
                : "Put a login into database.uri that is only a member of reeve_app "
                  "(runtime/README.md, \"Your own PostgreSQL\").");
        return CLI_DEGRADED;
    }
    if (login.owner_logs_in) {
        SAY(finding->text, "reeve_owner, who owns the tables, may log in");
        SAY(finding->remedy, "Run as an administrator: ALTER ROLE reeve_owner NOLOGIN;");
        return CLI_DEGRADED;
    }
    SAY(finding->text, "\"%s\" can do no more than reeve must", login.name);
    return CLI_OK;
}

/* ---- clusters that nobody uses any more ---- */

struct leftovers {
    int gone, unknown;
};

static void count_leftover(void *data, const struct rv_private_postgres_spare *spare)
{
    struct leftovers *leftovers = data;
    leftovers->gone += spare->gone;
    leftovers->unknown += spare->state_dir[0] == '\0';
}

enum cli_health cli_check_leftovers(struct cli *cli, struct cli_finding *finding)
{
    (void)cli;
    struct leftovers leftovers = {0};
    rv_private_postgres_spares(count_leftover, &leftovers);
    if (leftovers.gone == 0 && leftovers.unknown == 0) {
        SAY(finding->text, "no cluster without its state directory");
        return CLI_OK;
    }
    SAY(finding->text,
        "%d private clusters in /var/lib/reeve have lost their state directory, %d "
        "do not say theirs",
        leftovers.gone, leftovers.unknown);
    if (leftovers.gone > 0) {
        SAY(finding->remedy, "Run `reeve db remove --orphaned`, then again with --yes.");
    } else {
        SAY(finding->remedy, "An older version made them: delete by hand those that nobody uses.");
    }
    return CLI_DEGRADED;
}
