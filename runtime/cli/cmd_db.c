/* cmd_db.c -- reeve db: reeve's own PostgreSQL, and the schema of whichever database is used. */
#include "runtime/base/check.h"
#include "runtime/cli/place.h"

#include <string.h>

static enum rv_code need_private(const struct cli *cli, struct rv_private_postgres_options *options,
                                 const char *what, struct rv_error *err)
{
    if (place_is_private(cli, options)) {
        return RV_OK;
    }
    rv_fail(err, RV_INVALID, "database.uri is set, so there is no private database to %s", what);
    rv_detail(err, "set by %s", rv_config_place(cli->config, RV_SET_DATABASE_URI));
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

int cmd_db_start(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_private_postgres_options options;
    struct rv_private_postgres_status status;
    if (need_private(cli, &options, "start", &err) != RV_OK ||
        rv_private_postgres_start(&options, &status, &err) != RV_OK ||
        place_database(cli, &err) != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        cli_print_json(&cli->output, status_json(&status));
        return 0;
    }
    cli_say(&cli->output, "%s: PostgreSQL %d, process %d, in %s",
            status.changed ? "started" : "already running", status.major, status.pid, status.data);
    cli_print(&cli->output, "%s", status.uri);
    return 0;
}

int cmd_db_stop(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_private_postgres_options options;
    struct rv_private_postgres_status status;
    if (need_private(cli, &options, "stop", &err) != RV_OK ||
        rv_private_postgres_stop(&options, &status, &err) != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        cli_print_json(&cli->output, status_json(&status));
    } else {
        cli_print(&cli->output, "%s", status.changed ? "stopped" : "was not running");
    }
    return 0;
}

/* ---- reeve db remove ---- */

enum { ORPHANS_MAX = 256 };

struct orphans {
    struct rv_arena *arena;
    const char *places[ORPHANS_MAX];
    const char *state_dirs[ORPHANS_MAX];
    int count;
};

static void take_orphan(void *data, const struct rv_private_postgres_spare *spare)
{
    struct orphans *orphans = data;
    if (spare->gone && orphans->count < ORPHANS_MAX) {
        orphans->places[orphans->count] = rv_arena_strdup(orphans->arena, spare->place);
        orphans->state_dirs[orphans->count++] = rv_arena_strdup(orphans->arena, spare->state_dir);
    }
}

static void say_removed(const struct cli *cli, const char *place, bool removed)
{
    if (cli->json) {
        cli_print_json(&cli->output, json_pack("{s:s,s:b}", "place", place, "removed", removed));
    } else {
        cli_print(&cli->output, removed ? "deleted %s" : "would delete %s", place);
    }
}

static int remove_orphans(struct cli *cli, bool yes)
{
    struct orphans orphans = {.arena = cli->arena};
    struct rv_error err = {.code = RV_OK};
    rv_private_postgres_spares(take_orphan, &orphans);
    for (int i = 0; i < orphans.count; i++) {
        struct rv_private_postgres_status status;
        struct rv_private_postgres_options options = {.state_dir = orphans.state_dirs[i]};
        if (yes && rv_private_postgres_remove(&options, &status, &err) != RV_OK) {
            return cli_fail(cli, &err);
        }
        say_removed(cli, orphans.places[i], yes);
    }
    if (orphans.count == 0) {
        cli_say(&cli->output, "no cluster has lost its state directory");
    }
    return 0;
}

int cmd_db_remove(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_private_postgres_options options;
    struct rv_private_postgres_status status;
    bool yes = cli_flag(cli, "yes");
    if (cli_flag(cli, "orphaned")) {
        return remove_orphans(cli, yes);
    }
    enum rv_code code = need_private(cli, &options, "remove", &err);
    if (code == RV_OK) {
        code = yes ? rv_private_postgres_remove(&options, &status, &err)
                   : rv_private_postgres_status(&options, &status, &err);
    }
    if (code == RV_OK && !yes && status.state == RV_PRIVATE_ABSENT) {
        code = rv_fail(&err, RV_NOT_FOUND, "there is no cluster in \"%s\"", status.data);
    }
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    say_removed(cli, status.data, yes);
    if (!yes) {
        cli_say(&cli->output, "nothing was deleted; with --yes it is");
    }
    return 0;
}

/* A server that somebody else runs: can it be reached? */
static int show_foreign(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    if (rv_db_session_open(cli->uri, &session, &err) != RV_OK) {
        return cli_fail(cli, &err);
    }
    rv_db_session_close(session);
    char *shown = rv_config_shown(cli->config, RV_SET_DATABASE_URI);
    if (cli->json) {
        cli_print_json(&cli->output, json_pack("{s:b,s:s,s:s}", "private", 0, "state", "reachable",
                                               "uri", shown));
    } else {
        cli_print(&cli->output, "reachable (your own server)\nuri   %s", shown);
    }
    rv_free(shown);
    return 0;
}

int cmd_db_status(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_private_postgres_options options;
    struct rv_private_postgres_status status;
    if (!place_is_private(cli, &options)) {
        return show_foreign(cli);
    }
    if (rv_private_postgres_status(&options, &status, &err) != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        cli_print_json(&cli->output, status_json(&status));
    } else if (status.state == RV_PRIVATE_RUNNING) {
        cli_print(&cli->output,
                  "running: PostgreSQL %d, process %d as %s\nuri   %s\ndata  %s\nlog   %s",
                  status.major, status.pid, status.user, status.uri, status.data, status.log);
    } else {
        cli_print(&cli->output, "%s: `reeve db start` %s it\ndata  %s",
                  rv_private_postgres_state_name(status.state),
                  status.state == RV_PRIVATE_ABSENT ? "makes" : "starts", status.data);
    }
    return status.state == RV_PRIVATE_RUNNING ? 0 : rv_code_exit_status(RV_UNAVAILABLE);
}

int cmd_db_uri(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    bool owner = cli_flag(cli, "owner");
    enum rv_code code = owner ? place_server(cli, &err) : place_database(cli, &err);
    if (code == RV_OK && owner && cli->owner_uri == NULL) {
        code = rv_fail(&err, RV_INVALID, "database.owner_uri is not set");
        rv_hint(&err, "Set it to the login that migrates your server and makes its backups.");
    }
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    const char *uri = owner ? cli->owner_uri : cli->uri;
    if (cli->json) {
        cli_print_json(&cli->output, json_pack("{s:s}", "uri", uri));
    } else {
        cli_print(&cli->output, "%s", uri);
    }
    return 0;
}

int cmd_db_migrate(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    const char *given = cli_option(cli, "owner-uri");
    int applied = 0;
    enum rv_code code = given == NULL ? place_server(cli, &err) : RV_OK;
    if (code == RV_OK) {
        /* the last is told why it may not, and what is to be done */
        const char *uri = given != NULL            ? given
                          : cli->owner_uri != NULL ? cli->owner_uri
                                                   : cli->uri;
        code = place_migrate(cli, uri, &applied, &err);
    }
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        cli_print_json(&cli->output, json_pack("{s:i}", "applied", applied));
    } else {
        cli_print(&cli->output, "%d migrations applied", applied);
    }
    return 0;
}
