/* place.c -- see place.h. */
#include "runtime/cli/place.h"

#include "journal_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/db/migrate.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LOOPS_MAX = 8, /* what "one per processor" may mean: each brings five database connections */
    SERVER_TRIES = 10, /* of a private server that is going away */
    SERVER_PAUSE_US = 300000
};

enum rv_code place_find(struct cli *cli, struct rv_error *err)
{
    const char *state = rv_config_state_dir(cli->config);
    char here[PATH_MAX] = "";
    if (state[0] != '/' && getcwd(here, sizeof here) == NULL) {
        return rv_fail_errno(err, errno, "find the current directory");
    }
    cli->state_dir = state[0] == '/' ? rv_arena_strdup(cli->arena, state)
                                     : rv_arena_printf(cli->arena, "%s/%s", here, state);
    const char *key = rv_config_text(cli->config, RV_SET_AUDIT_KEY_FILE);
    cli->audit_key =
        key[0] != '\0' ? key : rv_arena_printf(cli->arena, "%s/audit.key", cli->state_dir);
    key = rv_config_text(cli->config, RV_SET_HOOKS_KEY_FILE);
    cli->hook_key =
        key[0] != '\0' ? key : rv_arena_printf(cli->arena, "%s/hooks.key", cli->state_dir);
    key = rv_config_text(cli->config, RV_SET_CLUSTER_KEY_FILE);
    cli->cluster_key =
        key[0] != '\0' ? key : rv_arena_printf(cli->arena, "%s/cluster.key", cli->state_dir);
    const char *uri = rv_config_text(cli->config, RV_SET_DATABASE_URI);
    cli->uri = uri[0] != '\0' ? uri : NULL;
    const char *owner = rv_config_text(cli->config, RV_SET_DATABASE_OWNER_URI);
    cli->owner_uri = cli->uri != NULL && owner[0] != '\0' ? owner : NULL;
    return RV_OK;
}

bool place_is_private(const struct cli *cli, struct rv_private_postgres_options *options)
{
    *options = (struct rv_private_postgres_options){
        .state_dir = cli->state_dir,
        .bin_dir = rv_config_text(cli->config, RV_SET_DATABASE_BIN_DIR)};
    return rv_config_text(cli->config, RV_SET_DATABASE_URI)[0] == '\0';
}

/* For the audit key and caches.  Root's must let the private server's account through to its
 * folder, without showing what else is there. */
static enum rv_code make_state_dir(const char *path, struct rv_error *err)
{
    char part[PATH_MAX];
    mode_t mask = umask(022);
    int failure = 0;
    for (size_t i = 1; i <= strlen(path) && i < sizeof part && failure == 0; i++) {
        if (path[i] == '/' || path[i] == '\0') {
            memcpy(part, path, i);
            part[i] = '\0';
            mode_t last = geteuid() == 0 ? 0711 : 0700;
            if (mkdir(part, path[i] == '/' ? 0755 : last) != 0 && errno != EEXIST) {
                failure = errno;
            }
        }
    }
    umask(mask);
    if (failure != 0) {
        enum rv_code code = rv_fail_errno(err, failure, "make the state folder \"%s\"", part);
        rv_hint(err, "Give another place with --state DIR or REEVE_STATE.");
        return code;
    }
    return RV_OK;
}

enum rv_code place_folder(const struct cli *cli, struct rv_error *err)
{
    return make_state_dir(cli->state_dir, err);
}

/* Our own database follows the program by itself.  Somebody else's is migrated by an act of its
 * own: reeve runs there as a login that could not. */
static enum rv_code be_current(const struct cli *cli, struct rv_error *err)
{
    int missing = 0;
    int applied = 0;
    enum rv_code code = rv_migrate_missing(cli->uri, node_migrations, &missing, err);
    if (code != RV_OK || missing == 0) {
        return code;
    }
    if (!cli->is_private) {
        rv_fail(err, RV_UNAVAILABLE, "the database lacks %d migrations of this program", missing);
        rv_hint(err, "Set database.owner_uri to a login that is a member of reeve_owner and run "
                     "`reeve db migrate` (runtime/README.md, \"Your own PostgreSQL\").");
        return RV_UNAVAILABLE;
    }
    code = place_migrate(cli, cli->owner_uri, &applied, err);
    if (code == RV_OK) {
        cli_say(&cli->output, "database: %d migrations applied", applied);
    }
    return code;
}

static enum rv_code start_private(struct cli *cli, struct rv_error *err)
{
    struct rv_private_postgres_options options;
    struct rv_private_postgres_status status;
    if (cli->uri != NULL || !place_is_private(cli, &options)) {
        return RV_OK;
    }
    enum rv_code code = rv_private_postgres_start(&options, &status, err);
    if (code == RV_OK && status.changed) {
        cli_say(&cli->output, "started reeve's own PostgreSQL %d in %s", status.major, status.data);
    }
    if (code == RV_OK) {
        cli->uri = rv_arena_strdup(cli->arena, status.uri);
        cli->owner_uri = rv_arena_strdup(cli->arena, status.admin_uri);
        cli->is_private = true;
    }
    return code;
}

enum rv_code place_server(struct cli *cli, struct rv_error *err)
{
    enum rv_code code = make_state_dir(cli->state_dir, err);
    return code == RV_OK ? start_private(cli, err) : code;
}

enum rv_code place_migrate(const struct cli *cli, const char *owner_uri, int *applied,
                           struct rv_error *err)
{
    bool own = cli->is_private && owner_uri == cli->owner_uri;
    struct rv_migrate how = {owner_uri, own, node_migrations};
    return rv_migrate(&how, applied, err);
}

/* A server that was there a moment ago and ends just now (it was killed, the machine is busy) is
 * started again once it is gone. */
enum rv_code place_database(struct cli *cli, struct rv_error *err)
{
    enum rv_code code = place_server(cli, err);
    for (int tries = 1; code == RV_OK && !cli->is_current; tries++) { /* once is enough */
        code = be_current(cli, err);
        cli->is_current = code == RV_OK;
        if (code == RV_UNAVAILABLE && cli->is_private && tries < SERVER_TRIES) {
            usleep(SERVER_PAUSE_US);
            *err = (struct rv_error){.code = RV_OK};
            cli->uri = NULL;
            code = place_server(cli, err);
        }
    }
    return code;
}

enum rv_code place_session(struct cli *cli, struct rv_db_session **out, struct rv_error *err)
{
    enum rv_code code = place_database(cli, err);
    return code == RV_OK ? rv_db_session_open(cli->uri, out, err) : code;
}

enum rv_code place_company(struct cli *cli, struct rv_db_session **out, int32_t *tenant,
                           struct rv_error *err)
{
    enum rv_code code = place_session(cli, out, err);
    return code == RV_OK ? cli_tenant(cli, *out, tenant, err) : code;
}

/* ---- the key of web hook secrets ---- */

struct sealing {
    int32_t *tenants;
    int count;
};

static enum rv_code take_tenant(void *data, const struct rv_result *result, int row,
                                struct rv_error *err)
{
    (void)err;
    struct sealing *sealing = data;
    sealing->tenants = rv_realloc(sealing->tenants, (size_t)(sealing->count + 1) * sizeof(int32_t));
    sealing->tenants[sealing->count++] = (int32_t)rv_result_i64(result, row, 0);
    return RV_OK;
}

/* A secret that does not open with this key is one receiver's trouble: said, and no reason to stop.
 */
static enum rv_code seal_all(const struct cli *cli, const struct rv_hook_vault *vault,
                             struct rv_error *err)
{
    struct rv_db_session *session = NULL;
    struct sealing all = {.count = 0};
    enum rv_code code = rv_db_session_open(cli->uri, &session, err);
    if (code == RV_OK) {
        code = rv_db_session_query(session, 0, &rv_sql_tenants_all, NULL, take_tenant, &all, err);
    }
    for (int i = 0; i < all.count && code == RV_OK; i++) {
        int sealed = 0;
        code = rv_hook_endpoints_seal(session, all.tenants[i], vault, &sealed, err);
        if (sealed > 0) {
            cli_say(&cli->output, "sealed the secrets of %d web hooks", sealed);
        }
        if (code == RV_CORRUPT) {
            cli_say(&cli->output, "warning: %s. %s", err->message, err->hint);
            rv_error_clear(err);
            code = RV_OK;
        }
    }
    rv_free(all.tenants);
    rv_db_session_close(session);
    return code;
}

enum rv_code place_hook_vault(struct cli *cli, struct rv_hook_vault **out, struct rv_error *err)
{
    *out = NULL;
    enum rv_code code = place_database(cli, err);
    if (code == RV_OK) {
        code = rv_hook_vault_open(cli->hook_key, out, err);
    }
    return code == RV_OK ? seal_all(cli, *out, err) : code;
}

/* A private server that died is started again: everything above waits and goes on. */
static void keep_private(void *data)
{
    const struct cli *cli = data;
    struct rv_private_postgres_options options;
    struct rv_private_postgres_status status;
    struct rv_error err = {.code = RV_OK};
    place_is_private(cli, &options);
    if (rv_private_postgres_status(&options, &status, &err) == RV_OK &&
        status.state == RV_PRIVATE_STOPPED) {
        rv_log(RV_LOG_WARN, "db", "DB-RESTART",
               "reeve's own PostgreSQL has ended: starting it again");
        if (rv_private_postgres_start(&options, &status, &err) != RV_OK) {
            rv_log_error("db", "DB-RESTART", &err);
        }
    }
}

/* ---- the model ---- */

enum { PARENTS_MAX = 5 /* from build/dev/runtime/cli to the root of the source tree */ };

static const char *first_match(const struct cli *cli, const char *pattern)
{
    glob_t found;
    const char *path = NULL;
    if (glob(pattern, 0, NULL, &found) == 0 && found.gl_pathc > 0) {
        path = rv_arena_strdup(cli->arena, found.gl_pathv[0]);
    }
    globfree(&found);
    return path;
}

/* Installed: PREFIX/share/reeve/; built: kernels/nano/ of the source tree above the program. */
static const char *shipped_model(const struct cli *cli)
{
    char path[PATH_MAX] = "";
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    const char *found = NULL;
    for (int up = 0; length > 0 && up < PARENTS_MAX && found == NULL; up++) {
        char *slash = strrchr(path, '/');
        if (slash == NULL) {
            break;
        }
        *slash = '\0';
        found = first_match(cli, rv_arena_printf(cli->arena, "%s/share/reeve/*.gguf", path));
        if (found == NULL) {
            found = first_match(cli, rv_arena_printf(cli->arena, "%s/kernels/nano/*.gguf", path));
        }
    }
    return found;
}

const char *place_model_file(const struct cli *cli, const char *path)
{
    const char *found = strcmp(path, "shipped") == 0 ? shipped_model(cli) : NULL;
    return found != NULL ? found : path;
}

const char *place_model(const struct cli *cli)
{
    const char *path = rv_config_text(cli->config, RV_SET_MODEL_PATH);
    if (path[0] == '\0' || strcmp(path, "none") == 0) {
        return NULL;
    }
    return strcmp(path, "shipped") == 0 ? shipped_model(cli) : path;
}

const char *place_template(const struct cli *cli)
{
    const char *name = rv_config_text(cli->config, RV_SET_MODEL_TEMPLATE);
    return strcmp(name, "auto") == 0 ? NULL : name;
}

struct rv_engine_options place_engine(const struct cli *cli)
{
    return (struct rv_engine_options){
        .path = place_model(cli),
        .template = place_template(cli),
        .backend = rv_config_text(cli->config, RV_SET_MODEL_BACKEND),
        .threads = (int)rv_config_integer(cli->config, RV_SET_MODEL_THREADS),
        .context = rv_config_integer(cli->config, RV_SET_MODEL_CONTEXT),
        .cache_bytes = rv_config_integer(cli->config, RV_SET_MODEL_CACHE)};
}

static enum rv_code open_node(struct cli *cli, int cores, bool watch, struct node **out,
                              struct rv_error *err)
{
    enum rv_code code = place_database(cli, err);
    struct node_options options = {
        .uri = cli->uri,
        .audit_key = cli->audit_key,
        .hook_key = cli->hook_key,
        .cores = cores,
        .watch = watch,
        .readers = (int)rv_config_integer(cli->config, RV_SET_DATABASE_READERS),
        .query_timeout_ms = rv_config_integer(cli->config, RV_SET_DATABASE_TIMEOUT),
        .model_deadline_ms = rv_config_integer(cli->config, RV_SET_MODEL_DEADLINE),
        .engine = place_engine(cli),
        .lease_ms = rv_config_integer(cli->config, RV_SET_RUNTIME_LEASE),
        .name = rv_config_node_name(cli->config),
        .weights = rv_config_text(cli->config, RV_SET_RUNTIME_WEIGHTS),
        .tiers = rv_config_text(cli->config, RV_SET_MODEL_TIERS),
        .period = rv_config_text(cli->config, RV_SET_RETENTION_PERIOD),
        .keep = cli->is_private ? keep_private : NULL,
        .keep_data = cli};
    options.engine.lazy = !watch; /* a command may never ask */
    return code == RV_OK ? node_open(&options, out, err) : code;
}

enum rv_code place_node(struct cli *cli, struct node **out, struct rv_error *err)
{
    return open_node(cli, 1, false, out, err);
}

enum rv_code place_serving_node(struct cli *cli, struct node **out, struct rv_error *err)
{
    int cores = (int)rv_config_integer(cli->config, RV_SET_RUNTIME_LOOPS);
    if (cores == 0) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);
        cores = processors < 1 ? 1 : processors > LOOPS_MAX ? LOOPS_MAX : (int)processors;
    }
    return open_node(cli, cores, true, out, err);
}
