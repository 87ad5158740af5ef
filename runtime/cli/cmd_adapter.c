/* cmd_adapter.c -- reeve adapter: a company's LoRA adapters, asked for as MODEL:NAME in the API,
 * and by agents by name or because their company says so.
 *
 * Acts of administration, each with its audit record.  A file is tried with the model that answers
 * the company before it is recorded.
 */
#include "model_sql.h"
#include "runtime/base/check.h"
#include "runtime/cli/admin.h"
#include "runtime/cli/place.h"
#include "runtime/model/health.h"
#include "runtime/model/inspect.h"
#include "runtime/model/model.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { TIMEOUT_MAX_S = 3600 };

static enum rv_code check_name(const char *name, struct rv_error *err)
{
    if (name == NULL) {
        return rv_fail(err, RV_INVALID, "--name is missing");
    }
    bool good = isalnum((unsigned char)name[0]) != 0;
    for (size_t i = 0; good && name[i] != '\0'; i++) {
        unsigned char c = (unsigned char)name[i];
        good = islower(c) || isdigit(c) || strchr("._-", c) != NULL;
    }
    good = good && strcmp(name, RV_MODEL_ADAPTER_NONE) != 0; /* says that there shall be none */
    if (!good || strlen(name) > RV_ENGINE_ADAPTER_MAX) {
        rv_fail(err, RV_INVALID, "\"%.80s\" is no name for an adapter", name);
        rv_hint(err, "1 to %d of a-z, 0-9, '.', '_' and '-', a letter or digit first.",
                RV_ENGINE_ADAPTER_MAX);
        return RV_INVALID;
    }
    return RV_OK;
}

/* ---- load ---- */

struct serving {
    struct cli *cli;
    int32_t tenant;
    struct rv_engine_options options;
};

/* Everybody's row first, the company's own behind it. */
static enum rv_code take_serving(void *data, const struct rv_result *result, int row,
                                 struct rv_error *err)
{
    (void)err;
    struct serving *serving = data;
    int64_t tenant = rv_result_i64(result, row, 0);
    if (tenant == 0 || tenant == serving->tenant) {
        struct rv_arena *arena = serving->cli->arena;
        serving->options.path = rv_arena_strdup(arena, rv_result_text(result, row, 3));
        serving->options.sha256 = rv_arena_strdup(arena, rv_result_text(result, row, 4));
        const char *template = rv_result_text(result, row, 5);
        serving->options.template = template[0] != '\0' ? rv_arena_strdup(arena, template) : NULL;
    }
    return RV_OK;
}

static enum rv_code try_it(const struct admin *admin, const json_t *adapter, int64_t seconds,
                           json_t **health, struct rv_error *err)
{
    struct serving serving = {admin->cli, admin->tenant, place_engine(admin->cli)};
    enum rv_code code = rv_db_session_query(admin->session, 0, &rv_sql_model_serving, NULL,
                                            take_serving, &serving, err);
    if (code == RV_OK && serving.options.path == NULL) {
        code = rv_fail(err, RV_UNAVAILABLE, "no model answers this company: an adapter needs one");
        rv_hint(err, "Promote one (reeve model load, reeve model promote), or set model.path.");
    }
    return code == RV_OK ? rv_model_health(&serving.options, admin->tenant, adapter, seconds * 1000,
                                           health, err)
                         : code;
}

static enum rv_code put(struct admin *admin, const char *name, const char *path, const char *sha256,
                        struct rv_error *err)
{
    int rows = 0;
    struct rv_args *args = rv_args_create(&rv_sql_model_adapter_put);
    rv_args_i32(args, 1, admin->tenant);
    rv_args_text(args, 2, name);
    rv_args_text(args, 3, path);
    rv_args_text(args, 4, sha256);
    rv_args_text(args, 5, admin->person.id);
    return rv_db_session_change_rows(admin->session, admin->tenant, &rv_sql_model_adapter_put, args,
                                     &rows, err); /* none: it is so already */
}

int cmd_adapter_load(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    json_t *health = NULL;
    int64_t seconds = 0;
    char path[PATH_MAX];
    char sha256[RV_HASH_HEX] = "";
    const char *name = cli_option(cli, "name");
    enum rv_code code = check_name(name, &err);
    if (code == RV_OK) {
        code = cli_integer(cli, "timeout", RV_MODEL_HEALTH_MS / 1000, 1, TIMEOUT_MAX_S, &seconds,
                           &err);
    }
    if (code == RV_OK && realpath(cli->argv[0], path) == NULL) {
        code = rv_fail_errno(&err, errno, "read %.200s", cli->argv[0]);
    }
    if (code == RV_OK) {
        code = rv_model_file_hash(path, sha256, &err);
    }
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    json_t *adapter = json_pack("{s:s,s:s,s:s}", "name", name, "path", path, "sha256", sha256);
    code = admin_begin(cli, ADMIN_PEOPLE, "adapter.load",
                       json_pack("{s:s,s:s,s:s}", "name", name, "file", path, "sha256", sha256),
                       &admin, &err);
    if (code == RV_OK) {
        code = try_it(&admin, adapter, seconds, &health, &err);
    }
    if (code == RV_OK) {
        code = put(&admin, name, path, sha256, &err);
    }
    code = admin_end(&admin, code, &err);
    json_decref(adapter);
    json_decref(health);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        cli_print_json(&cli->output, json_pack("{s:s,s:s}", "adapter", name, "sha256", sha256));
    } else {
        cli_print(&cli->output, "adapter %s is loaded: ask for \"reeve:%s\"", name, name);
    }
    return 0;
}

/* ---- the others ---- */

int cmd_adapter_list(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    enum rv_code code = place_company(cli, &session, &tenant, &err);
    if (code == RV_OK) {
        struct rv_args *args = rv_args_create(&rv_sql_model_adapters);
        rv_args_i32(args, 1, tenant);
        code = cli_print_query(cli, session, tenant, &rv_sql_model_adapters, args, NULL, &err);
    }
    rv_db_session_close(session);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

int cmd_adapter_use(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    const char *name = cli->argv[0];
    bool none = strcmp(name, RV_MODEL_ADAPTER_NONE) == 0;
    const struct rv_statement *statement =
        none ? &rv_sql_model_adapter_use_none : &rv_sql_model_adapter_use;
    enum rv_code code = admin_begin(cli, ADMIN_PEOPLE, "adapter.use",
                                    json_pack("{s:s}", "name", name), &admin, &err);
    if (code == RV_OK) {
        struct rv_args *args = rv_args_create(statement);
        rv_args_i32(args, 1, admin.tenant);
        if (!none) {
            rv_args_text(args, 2, name);
        }
        code =
            rv_db_session_change_one(admin.session, admin.tenant, statement, args,
                                     none ? "adapter that its agents use" : "such adapter", &err);
    }
    code = admin_end(&admin, code, &err);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        cli_print_json(&cli->output,
                       json_pack("{s:s,s:s}", "adapter", name, "state", none ? "unused" : "used"));
    } else if (none) {
        cli_print(&cli->output, "this company's agents ask without an adapter");
    } else {
        cli_print(&cli->output, "this company's agents ask with adapter %s", name);
    }
    return 0;
}

int cmd_adapter_remove(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    const char *name = cli->argv[0];
    enum rv_code code = admin_begin(cli, ADMIN_PEOPLE, "adapter.remove",
                                    json_pack("{s:s}", "name", name), &admin, &err);
    if (code == RV_OK) {
        struct rv_args *args = rv_args_create(&rv_sql_model_adapter_remove);
        rv_args_i32(args, 1, admin.tenant);
        rv_args_text(args, 2, name);
        code = rv_db_session_change_one(admin.session, admin.tenant, &rv_sql_model_adapter_remove,
                                        args, "such adapter", &err);
    }
    code = admin_end(&admin, code, &err);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        cli_print_json(&cli->output, json_pack("{s:s,s:s}", "adapter", name, "state", "removed"));
    } else {
        cli_print(&cli->output, "adapter %s is removed", name);
    }
    return 0;
}
