/* cmd_hook.c -- reeve hook: who is told what happens, with which secret. */
#include "hooks_sql.h"
#include "runtime/base/check.h"
#include "runtime/cli/place.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { HOUR_S = 3600 };

struct hooks {
    struct rv_db_session *session;
    struct rv_hook_vault *vault;
    int32_t tenant;
};

static enum rv_code hooks_open(struct cli *cli, struct hooks *out, struct rv_error *err)
{
    *out = (struct hooks){.session = NULL};
    enum rv_code code = place_hook_vault(cli, &out->vault, err);
    if (code == RV_OK) {
        code = rv_db_session_open(cli->uri, &out->session, err);
    }
    return code == RV_OK ? cli_tenant(cli, out->session, &out->tenant, err) : code;
}

static void hooks_close(struct hooks *hooks)
{
    rv_db_session_close(hooks->session);
    rv_hook_vault_close(hooks->vault);
}

/* An endpoint's number; 0 is none. */
static int64_t read_id(const char *text)
{
    char *end = NULL;
    int64_t id = strtoll(text, &end, 10);
    return *text != '\0' && *end == '\0' && id > 0 ? id : 0;
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
    enum rv_code code = hooks_open(cli, &hooks, &err);
    if (code == RV_OK) {
        code = rv_hook_endpoint_add(hooks.session, hooks.tenant, hooks.vault, &endpoint,
                                    rv_now_us(rv_clock_system()), &keys, &err);
    }
    hooks_close(&hooks);
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
    enum rv_code code = place_session(cli, &session, &err);
    if (code == RV_OK) {
        code = cli_tenant(cli, session, &tenant, &err);
    }
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
    struct hooks hooks = {.session = NULL};
    char secret[RV_HOOK_KEY_TEXT];
    int64_t hours = 0;
    int64_t id = read_id(cli->argv[0]);
    enum rv_code code = cli_integer(cli, "overlap", RV_HOOK_OVERLAP_S / HOUR_S, 0,
                                    RV_HOOK_OVERLAP_MAX_S / HOUR_S, &hours, &err);
    if (code == RV_OK) {
        code = hooks_open(cli, &hooks, &err);
    }
    if (code == RV_OK) {
        code = rv_hook_endpoint_rotate(hooks.session, hooks.tenant, hooks.vault, id,
                                       (int32_t)(hours * HOUR_S), secret, &err);
    }
    hooks_close(&hooks);
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
    struct hooks hooks = {.session = NULL};
    int64_t id = read_id(cli->argv[0]);
    enum rv_code code = hooks_open(cli, &hooks, &err);
    if (code == RV_OK) {
        code = rv_hook_endpoint_enable(hooks.session, hooks.tenant, id, enabled, &err);
    }
    hooks_close(&hooks);
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
    enum rv_code code = hooks_open(cli, &hooks, &err);
    if (code == RV_OK) {
        code = rv_hook_redrive(hooks.session, hooks.tenant, id, &count, &err);
    }
    hooks_close(&hooks);
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
