/* cmd_hook.c -- reeve hook: who is told what happens, with which secret. */
#include "hooks_sql.h"
#include "runtime/base/check.h"
#include "runtime/cli/admin.h"
#include "runtime/cli/place.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { HOUR_S = 3600 };

/* A change: the vault, and an act of administration. */
struct hooks {
    struct admin admin;
    struct rv_hook_vault *vault;
};

/* Takes `about`. */
static enum rv_code hooks_open(struct cli *cli, const char *what, json_t *about, struct hooks *out,
                               struct rv_error *err)
{
    *out = (struct hooks){.admin = {.cli = cli}};
    enum rv_code code = place_hook_vault(cli, &out->vault, err);
    if (code != RV_OK) {
        json_decref(about);
        return code;
    }
    return admin_begin(cli, ADMIN_WORK, what, about, &out->admin, err);
}

static enum rv_code hooks_close(struct hooks *hooks, enum rv_code code, struct rv_error *err)
{
    code = admin_end(&hooks->admin, code, err);
    rv_hook_vault_close(hooks->vault);
    return code;
}

static json_t *about_endpoint(int64_t id)
{
    return json_pack("{s:I}", "endpoint", (json_int_t)id);
}

/* An endpoint's number; 0 is none. */
static int64_t read_id(const char *text)
{
    char *end = NULL;
    int64_t id = strtoll(text, &end, 10);
    return *text != '\0' && *end == '\0' && id > 0 ? id : 0;
}

/* The receiver's host alone: path and query of its address may be its secret. */
static const char *host_of(const struct cli *cli, const char *url)
{
    const char *rest = strstr(url, "://");
    rest = rest != NULL ? rest + 3 : url;
    size_t length = strcspn(rest, "/?#");
    for (size_t i = length; i > 0; i--) {
        if (rest[i - 1] == '@') {
            rest += i;
            length -= i;
            break;
        }
    }
    return rv_arena_strndup(cli->arena, rest, length);
}

int cmd_hook_add(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct hooks hooks;
    const char *events = cli_option(cli, "events");
    struct rv_hook_endpoint endpoint = {.url = cli->argv[0],
                                        .events = events != NULL ? events : "",
                                        .person = cli_option(cli, "person"),
                                        .allow_private = cli_flag(cli, "allow-private")};
    struct rv_hook_endpoint_keys keys;
    json_t *about =
        json_pack("{s:s,s:s,s:s*,s:b}", "host", host_of(cli, endpoint.url), "events",
                  endpoint.events, "answers", endpoint.person, "private", endpoint.allow_private);
    enum rv_code code = hooks_open(cli, "hook.add", about, &hooks, &err);
    if (code == RV_OK) {
        code = rv_hook_endpoint_add(hooks.admin.session, hooks.admin.tenant, hooks.vault, &endpoint,
                                    rv_now_us(rv_clock_system()), &keys, &err);
    }
    code = hooks_close(&hooks, code, &err);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        cli_print_json(&cli->output, json_pack("{s:I,s:s,s:s,s:s}", "endpoint", (json_int_t)keys.id,
                                               "secret", keys.secret, "public", keys.public_key,
                                               "callback", keys.callback));
    } else {
        cli_print(&cli->output, "endpoint %" PRId64 "\nsecret   %s\npublic   %s\ncallback %s",
                  keys.id, keys.secret, keys.public_key, keys.callback);
    }
    cli_say(&cli->output, "the secret is shown only now");
    return 0;
}

int cmd_hook_list(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    struct rv_args *args = NULL;
    enum rv_code code = place_company(cli, &session, &tenant, &err);
    if (code == RV_OK) {
        args = rv_args_create(&rv_sql_hook_list);
        rv_args_i32(args, 1, tenant);
        code = cli_print_query(cli, session, tenant, &rv_sql_hook_list, args, NULL, &err);
    }
    rv_db_session_close(session);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

int cmd_hook_rotate(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct hooks hooks = {.vault = NULL};
    char secret[RV_HOOK_KEY_TEXT];
    int64_t hours = 0;
    int64_t id = read_id(cli->argv[0]);
    enum rv_code code = cli_integer(cli, "overlap", RV_HOOK_OVERLAP_S / HOUR_S, 0,
                                    RV_HOOK_OVERLAP_MAX_S / HOUR_S, &hours, &err);
    if (code == RV_OK) {
        json_t *about =
            json_pack("{s:I,s:I}", "endpoint", (json_int_t)id, "overlap_hours", (json_int_t)hours);
        code = hooks_open(cli, "hook.rotate", about, &hooks, &err);
    }
    if (code == RV_OK) {
        code = rv_hook_endpoint_rotate(hooks.admin.session, hooks.admin.tenant, hooks.vault, id,
                                       (int32_t)(hours * HOUR_S), secret, &err);
    }
    code = hooks_close(&hooks, code, &err);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        cli_print_json(&cli->output,
                       json_pack("{s:I,s:s,s:I}", "endpoint", (json_int_t)id, "secret", secret,
                                 "overlap_hours", (json_int_t)hours));
    } else {
        cli_print(&cli->output, "secret   %s", secret);
    }
    cli_say(&cli->output,
            hours > 0 ? "the old one stays good beside it for %" PRId64 " hours"
                      : "the old one is no longer good (overlap %" PRId64 ")",
            hours);
    return 0;
}

static int change(struct cli *cli, bool enabled)
{
    struct rv_error err = {.code = RV_OK};
    struct hooks hooks = {.vault = NULL};
    int64_t id = read_id(cli->argv[0]);
    enum rv_code code =
        hooks_open(cli, enabled ? "hook.enable" : "hook.disable", about_endpoint(id), &hooks, &err);
    if (code == RV_OK) {
        code = rv_hook_endpoint_enable(hooks.admin.session, hooks.admin.tenant, id, enabled, &err);
    }
    code = hooks_close(&hooks, code, &err);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        cli_print_json(&cli->output,
                       json_pack("{s:I,s:b}", "endpoint", (json_int_t)id, "enabled", enabled));
    } else {
        cli_print(&cli->output, "endpoint %" PRId64 " is %s", id, enabled ? "enabled" : "disabled");
    }
    return 0;
}

int cmd_hook_enable(struct cli *cli)
{
    return change(cli, true);
}

int cmd_hook_disable(struct cli *cli)
{
    return change(cli, false);
}

int cmd_hook_redrive(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct hooks hooks;
    int count = 0;
    int64_t id = cli->argc > 0 ? read_id(cli->argv[0]) : 0;
    if (cli->argc > 0 && id == 0) {
        return cli_usage(cli, "hook redrive [ENDPOINT]");
    }
    enum rv_code code = hooks_open(cli, "hook.redrive", about_endpoint(id), &hooks, &err);
    if (code == RV_OK) {
        code = rv_hook_redrive(hooks.admin.session, hooks.admin.tenant, id, &count, &err);
    }
    code = hooks_close(&hooks, code, &err);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        cli_print_json(&cli->output, json_pack("{s:i}", "redriven", count));
    } else {
        cli_print(&cli->output, "%d deliveries are due again", count);
    }
    return 0;
}
