/* cmd_db.c -- reeve db: reeve's own PostgreSQL, and the schema of whichever database is used. */
#include "runtime/base/check.h"
#include "runtime/cli/command.h"
#include "runtime/cli/context.h"
#include "runtime/db/migrate.h"

#include <string.h>

static enum rv_code need_private(struct cli_context *context,
                                 struct rv_private_postgres_options *options, const char *what,
                                 struct rv_error *err)
{
    if (cli_private_database(context, options)) {
        return RV_OK;
    }
    rv_fail(err, RV_INVALID, "database.uri is set, so there is no private database to %s", what);
    rv_detail(err, "set by %s", rv_config_place(context->config, RV_SET_DATABASE_URI));
    rv_hint(err, "That server is yours to %s; without the setting reeve runs its own.", what);
    return RV_INVALID;
}

static json_t *status_json(const struct rv_private_postgres_status *status)
{
    bool running = status->state == RV_PRIVATE_RUNNING;
    return json_pack("{s:b,s:s,s:b,s:i,s:i,s:s,s:s,s:s*}", "private", 1, "state",
                     rv_private_postgres_state_name(status->state), "changed", status->changed,
                     "pid", status->pid, "major", status->major, "user", status->user, "data",
                     status->data, "uri", running ? status->uri : NULL);
}

static enum rv_code run_start(struct cli_context *context, const struct cli_args *args,
                              struct rv_error *err)
{
    struct rv_private_postgres_options options;
    struct rv_private_postgres_status status;
    int applied = 0;
    enum rv_code code = need_private(context, &options, "start", err);
    if (code == RV_OK) {
        code = rv_private_postgres_start(&options, &status, err);
    }
    if (code == RV_OK && !cli_switch(args, "no-migrate")) {
        code = cli_migrate(context, status.uri, &applied, err);
    }
    if (code != RV_OK) {
        return code;
    }
    if (context->output.json) {
        json_t *value = status_json(&status);
        json_object_set_new(value, "migrations_applied", json_integer(applied));
        cli_print_json(&context->output, value);
    } else {
        cli_print(&context->output, "%s: PostgreSQL %d, process %d, in %s",
                  status.changed ? "started" : "already running", status.major, status.pid,
                  status.data);
    }
    return RV_OK;
}

static enum rv_code run_stop(struct cli_context *context, const struct cli_args *args,
                             struct rv_error *err)
{
    (void)args;
    struct rv_private_postgres_options options;
    struct rv_private_postgres_status status;
    enum rv_code code = need_private(context, &options, "stop", err);
    if (code == RV_OK) {
        code = rv_private_postgres_stop(&options, &status, err);
    }
    if (code == RV_OK && context->output.json) {
        cli_print_json(&context->output, status_json(&status));
    } else if (code == RV_OK) {
        cli_print(&context->output, "%s", status.changed ? "stopped" : "was not running");
    }
    return code;
}

static enum rv_code show_own_server(struct cli_context *context, struct rv_error *err)
{
    struct rv_db_session *session = NULL;
    enum rv_code code = cli_database(context, &session, err);
    char *shown = rv_config_shown(context->config, RV_SET_DATABASE_URI);
    if (code == RV_OK && context->output.json) {
        cli_print_json(&context->output, json_pack("{s:b,s:s,s:s}", "private", 0, "state",
                                                   "reachable", "uri", shown));
    } else if (code == RV_OK) {
        cli_print(&context->output, "reachable: %s (your own server)", shown);
    }
    rv_free(shown);
    return code;
}

static enum rv_code run_status(struct cli_context *context, const struct cli_args *args,
                               struct rv_error *err)
{
    (void)args;
    struct rv_private_postgres_options options;
    struct rv_private_postgres_status status;
    if (!cli_private_database(context, &options)) {
        return show_own_server(context, err);
    }
    enum rv_code code = rv_private_postgres_status(&options, &status, err);
    if (code != RV_OK) {
        return code;
    }
    if (context->output.json) {
        cli_print_json(&context->output, status_json(&status));
    } else if (status.state == RV_PRIVATE_ABSENT) {
        cli_print(&context->output, "absent: `reeve db start` will make it in %s", status.data);
    } else if (status.state == RV_PRIVATE_STOPPED) {
        cli_print(&context->output, "stopped: PostgreSQL %d in %s; `reeve db start` starts it",
                  status.major, status.data);
    } else {
        cli_print(
            &context->output,
            "running: PostgreSQL %d, process %d as %s\n  data  %s\n  logs  %s\n  psql  \"%s\"",
            status.major, status.pid, status.user, status.data, status.log, status.uri);
    }
    context->exit_status =
        status.state == RV_PRIVATE_RUNNING ? 0 : rv_code_exit_status(RV_UNAVAILABLE);
    return RV_OK;
}

static enum rv_code run_uri(struct cli_context *context, const struct cli_args *args,
                            struct rv_error *err)
{
    (void)args;
    const char *uri = NULL;
    enum rv_code code = cli_database_uri(context, &uri, err);
    if (code == RV_OK && context->output.json) {
        cli_print_json(&context->output, json_pack("{s:s}", "uri", uri));
    } else if (code == RV_OK) {
        cli_print(&context->output, "%s", uri);
    }
    return code;
}

static enum rv_code run_migrate(struct cli_context *context, const struct cli_args *args,
                                struct rv_error *err)
{
    const char *uri = cli_value(args, "owner-uri", NULL);
    struct rv_private_postgres_options options;
    struct rv_private_postgres_status status;
    int applied = 0;
    enum rv_code code = RV_OK;
    if (uri == NULL && cli_private_database(context, &options)) {
        code = rv_private_postgres_start(&options, &status, err);
        uri = status.uri;
    } else if (uri == NULL) {
        uri = rv_config_text(context->config, RV_SET_DATABASE_URI);
    }
    if (code == RV_OK) {
        code = rv_migrate(uri, context->rooms->migrations, &applied, err);
    }
    if (code == RV_OK && context->output.json) {
        cli_print_json(&context->output, json_pack("{s:i}", "applied", applied));
    } else if (code == RV_OK) {
        cli_print(&context->output, "%d migrations applied", applied);
    }
    return code;
}

static const struct cli_option start_options[] = {
    {"no-migrate", NULL, "leaves the schema as it is", false},
    {NULL, NULL, NULL, false},
};

static const struct cli_option migrate_options[] = {
    {"owner-uri", "URI", "connects as the owner of the schema instead of database.uri", false},
    {NULL, NULL, NULL, false},
};

const struct cli_command cli_db_commands[] = {
    {.noun = "db",
     .verb = "start",
     .summary = "starts reeve's own PostgreSQL (makes it the first time)",
     .options = start_options,
     .details =
         "The server listens on a unix socket only, runs on between commands and never as root.\n"
         "Commands that need it start it by themselves.",
     .run = run_start},
    {.noun = "db",
     .verb = "stop",
     .summary = "stops reeve's own PostgreSQL cleanly",
     .run = run_stop},
    {.noun = "db",
     .verb = "status",
     .summary = "says where the database is and whether it runs",
     .details = "Exit status 4 when it does not run.",
     .run = run_status},
    {.noun = "db",
     .verb = "uri",
     .summary = "prints the connection string, for psql and scripts",
     .run = run_uri},
    {.noun = "db",
     .verb = "migrate",
     .summary = "brings the database to this program's schema",
     .options = migrate_options,
     .details = "All new migrations in one transaction; applying them again does nothing.",
     .run = run_migrate},
    {.noun = NULL},
};
