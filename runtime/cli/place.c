/* place.c -- see place.h. */
#include "runtime/cli/place.h"

#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/db/migrate.h"
#include "runtime/db/private_postgres.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static enum rv_code make_folders(const char *path, struct rv_error *err)
{
    char part[1024];
    for (size_t i = 1; i <= strlen(path) && i < sizeof part; i++) {
        if (path[i] == '/' || path[i] == '\0') {
            memcpy(part, path, i);
            part[i] = '\0';
            if (mkdir(part, 0755) != 0 && errno != EEXIST) {
                int failure = errno;
                rv_fail_errno(err, failure, "make the state folder \"%s\"", part);
                rv_hint(err, "Give another place with --state DIR or REEVE_STATE.");
                return err->code;
            }
        }
    }
    return RV_OK;
}

enum rv_code place_find(struct cli *cli, const char *database, const char *state,
                        struct rv_error *err)
{
    if (state == NULL) {
        state = getenv("REEVE_STATE");
    }
    if (state == NULL && geteuid() == 0) {
        state = "/var/lib/reeve";
    }
    if (state == NULL && getenv("XDG_STATE_HOME") != NULL) {
        state = rv_arena_printf(cli->arena, "%s/reeve", getenv("XDG_STATE_HOME"));
    }
    if (state == NULL && getenv("HOME") != NULL) {
        state = rv_arena_printf(cli->arena, "%s/.local/state/reeve", getenv("HOME"));
    }
    if (state == NULL) {
        return rv_fail(err, RV_INVALID, "no place for reeve's state: set REEVE_STATE");
    }
    if (state[0] != '/') {
        char here[1024];
        RV_ASSERT(getcwd(here, sizeof here) != NULL);
        state = rv_arena_printf(cli->arena, "%s/%s", here, state);
    }
    cli->state_dir = rv_arena_strdup(cli->arena, state);
    cli->audit_key = rv_arena_printf(cli->arena, "%s/audit.key", cli->state_dir);
    cli->uri = database != NULL ? database : getenv("REEVE_DATABASE");
    return RV_OK;
}

static struct rv_private_postgres_options private_options(const struct cli *cli)
{
    return (struct rv_private_postgres_options){.state_dir = cli->state_dir};
}

enum rv_code place_database(struct cli *cli, struct rv_error *err)
{
    enum rv_code code = make_folders(cli->state_dir, err);
    if (code == RV_OK && cli->uri == NULL) {
        struct rv_private_postgres_options options = private_options(cli);
        struct rv_private_postgres_status status;
        code = rv_private_postgres_start(&options, &status, err);
        if (code == RV_OK) {
            cli->uri = rv_arena_strdup(cli->arena, status.uri);
            cli->is_private = true;
        }
    }
    int applied = 0;
    if (code == RV_OK) {
        code = rv_migrate(cli->uri, node_migrations, &applied, err);
    }
    if (code == RV_OK && applied > 0) {
        fprintf(stderr, "database: %d migrations applied\n", applied);
    }
    return code;
}

enum rv_code place_session(struct cli *cli, struct rv_db_session **out, struct rv_error *err)
{
    enum rv_code code = place_database(cli, err);
    return code == RV_OK ? rv_db_session_open(cli->uri, out, err) : code;
}

/* A private server that died is started again: everything above waits and goes on. */
static void keep_private(void *data)
{
    const struct cli *cli = data;
    struct rv_private_postgres_options options = private_options(cli);
    struct rv_private_postgres_status status;
    struct rv_error err = {.code = RV_OK};
    if (rv_private_postgres_status(&options, &status, &err) == RV_OK &&
        status.state == RV_PRIVATE_STOPPED) {
        rv_log(RV_LOG_WARN, "db", "DB-RESTART", "reeve's own PostgreSQL has ended: starting it again");
        if (rv_private_postgres_start(&options, &status, &err) != RV_OK) {
            rv_log_error("db", "DB-RESTART", &err);
        }
    }
}

enum rv_code place_node(struct cli *cli, struct node **out, struct rv_error *err)
{
    enum rv_code code = place_database(cli, err);
    struct node_options options = {.uri = cli->uri, .audit_key = cli->audit_key,
                                   .keep = cli->is_private ? keep_private : NULL, .keep_data = cli};
    return code == RV_OK ? node_open(&options, out, err) : code;
}

/* ---- commands about the place ---- */

int cmd_db_migrate(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    return place_database(cli, &err) == RV_OK ? 0 : cli_fail(&err);
}

int cmd_db_start(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    if (place_database(cli, &err) != RV_OK) {
        return cli_fail(&err);
    }
    printf("%s\n", cli->uri);
    return 0;
}

int cmd_db_stop(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_private_postgres_options options = private_options(cli);
    struct rv_private_postgres_status status;
    if (rv_private_postgres_stop(&options, &status, &err) != RV_OK) {
        return cli_fail(&err);
    }
    printf("%s\n", status.changed ? "stopped" : "was not running");
    return 0;
}

int cmd_db_status(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_private_postgres_options options = private_options(cli);
    struct rv_private_postgres_status status;
    if (cli->uri != NULL) {
        printf("another PostgreSQL is set: %s\n", cli->uri);
        return 0;
    }
    if (rv_private_postgres_status(&options, &status, &err) != RV_OK) {
        return cli_fail(&err);
    }
    printf("%s\nuri   %s\nlog   %s\n", rv_private_postgres_state_name(status.state), status.uri,
           status.log);
    return status.state == RV_PRIVATE_RUNNING ? 0 : 4;
}

struct check {
    const char *name;
    const char *state; /* ok, degraded, missing */
    char text[256];
};

static void report(const struct cli *cli, const struct check *check, int *worst)
{
    if (cli->json) {
        json_t *line = json_pack("{s:s,s:s,s:s}", "check", check->name, "state", check->state, "text",
                                 check->text);
        char *text = rv_json_text(line);
        puts(text);
        rv_free(text);
        json_decref(line);
    } else {
        printf("%-10s %-9s %s\n", check->name, check->state, check->text);
    }
    if (strcmp(check->state, "missing") == 0) {
        *worst = 1;
    }
}

int cmd_doctor(struct cli *cli)
{
    int worst = 0;
    struct rv_error err = {.code = RV_OK};
    struct check database = {.name = "database", .state = "ok"};
    if (place_database(cli, &err) == RV_OK) {
        snprintf(database.text, sizeof database.text, "reachable, schema up to date");
    } else {
        database.state = "missing";
        snprintf(database.text, sizeof database.text, "%s %s", err.message, err.hint);
    }
    report(cli, &database, &worst);
    struct check model = {.name = "model", .state = "degraded"};
    snprintf(model.text, sizeof model.text,
             "none: agents work without advice, what needs judgement goes to people");
    report(cli, &model, &worst);
    struct check gpu = {.name = "gpu", .state = access("/dev/nvidia0", R_OK) == 0 ? "ok" : "degraded"};
    snprintf(gpu.text, sizeof gpu.text, "%s",
             strcmp(gpu.state, "ok") == 0 ? "/dev/nvidia0" : "none: the CPU does the work");
    report(cli, &gpu, &worst);
    struct check zones = {.name = "tzdata",
                          .state = access("/usr/share/zoneinfo/Europe/Berlin", R_OK) == 0 ? "ok" : "missing"};
    snprintf(zones.text, sizeof zones.text, "%s",
             strcmp(zones.state, "ok") == 0 ? "/usr/share/zoneinfo" : "install the package tzdata");
    report(cli, &zones, &worst);
    struct check clock = {.name = "clock", .state = "ok"};
    int64_t now_us = rv_now_us(rv_clock_system());
    if (now_us < INT64_C(1767225600000000)) { /* 2026-01-01 */
        clock.state = "degraded";
    }
    char now[RV_TIME_TEXT];
    rv_time_text(now_us, now);
    snprintf(clock.text, sizeof clock.text, "%.19sZ%s", now,
             strcmp(clock.state, "ok") == 0 ? "" : ": before this program was made; set the clock");
    report(cli, &clock, &worst);
    struct statvfs space;
    struct check disk = {.name = "disk", .state = "ok"};
    if (statvfs(cli->state_dir, &space) == 0) {
        unsigned long long free_mib = (unsigned long long)space.f_bavail * space.f_frsize >> 20;
        if (free_mib < 1024) {
            disk.state = "degraded";
        }
        snprintf(disk.text, sizeof disk.text, "%llu MiB free in %s", free_mib, cli->state_dir);
    }
    report(cli, &disk, &worst);
    return worst;
}

int cmd_bench(struct cli *cli)
{
    char path[1024];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 16);
    if (n <= 0) {
        return 1;
    }
    path[n] = '\0';
    snprintf(strrchr(path, '/'), 16, "/reeve-bench");
    char **arguments = rv_alloc_array((size_t)cli->argc + 3, sizeof *arguments);
    arguments[0] = path;
    for (int i = 0; i < cli->argc; i++) {
        arguments[i + 1] = cli->argv[i];
    }
    char json[] = "--json";
    if (cli->json) {
        arguments[cli->argc + 1] = json;
    }
    execv(path, arguments);
    fprintf(stderr, "reeve: %s is not there: build the target reeve-bench\n", path);
    return 1;
}
