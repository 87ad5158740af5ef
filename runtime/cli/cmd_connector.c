/* cmd_connector.c -- reeve connector: where agents may act outside of the books.
 *
 * Acts of administration, each with its audit record; a secret is read from a file, stored sealed,
 * and never shown again.
 */
#include "runtime/effect/connector.h"

#include "effect_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/random.h"
#include "runtime/base/words.h"
#include "runtime/cli/admin.h"
#include "runtime/cli/place.h"

#include <string.h>

enum { TIMEOUT_MS = 15000, ATTEMPTS = 5, BACKOFF_MS = 2000 };

/* ---- add ---- */

/* One line; the line break at its end is not the secret's. */
static enum rv_code read_secret(struct cli *cli, const char **secret, size_t *length,
                                struct rv_error *err)
{
    const char *path = cli_option(cli, "secret-file");
    *secret = NULL;
    *length = 0;
    if (path == NULL) {
        return RV_OK;
    }
    enum rv_code code =
        cli_read_file(path, RV_CONNECTOR_SECRET_MAX, cli->arena, secret, length, err);
    while (code == RV_OK && *length > 0 && strchr("\r\n", (*secret)[*length - 1]) != NULL) {
        (*length)--;
    }
    for (size_t i = 0; code == RV_OK && i < *length; i++) {
        if ((unsigned char)(*secret)[i] < ' ' || (unsigned char)(*secret)[i] >= 0x7f) {
            code = rv_fail(err, RV_INVALID, "secret-file must hold one line of ASCII");
        }
    }
    if (code == RV_OK && *length == 0) {
        code = rv_fail(err, RV_INVALID, "secret-file \"%.200s\" is empty", path);
    }
    return code;
}

static enum rv_code read_connector(struct cli *cli, struct rv_connector *out, struct rv_error *err)
{
    const char *kind = cli_option(cli, "kind");
    const char *url = cli_option(cli, "url");
    const char *directory = cli_option(cli, "directory");
    *out = (struct rv_connector){.name = cli->argv[0],
                                 .kind = kind != NULL ? kind : "http",
                                 .target = url != NULL ? url : directory,
                                 .reconcile = cli_option(cli, "reconcile"),
                                 .status = cli_option(cli, "status"),
                                 .methods = cli_option(cli, "methods"),
                                 .header = cli_option(cli, "header"),
                                 .from = cli_option(cli, "from"),
                                 .to = cli_option(cli, "to"),
                                 .login = cli_option(cli, "login"),
                                 .ca = cli_option(cli, "ca"),
                                 .allow_private = cli_flag(cli, "allow-private")};
    if (rv_words_need("--kind", out->kind, "http mail file", err) != RV_OK) {
        return RV_INVALID;
    }
    if (out->target == NULL || (url != NULL && directory != NULL) ||
        (strcmp(out->kind, "file") == 0) != (directory != NULL)) {
        rv_fail(err, RV_INVALID, "a connector needs --url, or --directory with --kind file");
        rv_hint(err, "reeve connector add bank --kind http --url https://bank.example/api");
        return RV_INVALID;
    }
    enum rv_code code = cli_integer(cli, "timeout", TIMEOUT_MS, 100, RV_CONNECTOR_TIMEOUT_MAX_MS,
                                    &out->timeout_ms, err);
    if (code == RV_OK) {
        code = cli_integer(cli, "attempts", ATTEMPTS, 1, RV_CONNECTOR_ATTEMPTS_MAX, &out->attempts,
                           err);
    }
    if (code == RV_OK) {
        code = cli_integer(cli, "backoff", BACKOFF_MS, 0, 3600 * 1000, &out->backoff_ms, err);
    }
    if (code == RV_OK) {
        code = cli_integer(cli, "answer", RV_CONNECTOR_ANSWER_DEFAULT, 1, RV_CONNECTOR_ANSWER_MAX,
                           &out->answer_max, err);
    }
    return code;
}

static enum rv_code put(struct admin *admin, const struct rv_hook_vault *vault,
                        const struct rv_connector *connector, const char *rule,
                        const json_t *settings, const char *secret, size_t length,
                        struct rv_error *err)
{
    int64_t id = rv_id_make(rv_now_us(rv_clock_system()));
    int rows = 0;
    struct rv_args *args = rv_args_create(&rv_sql_connector_put);
    rv_args_i32(args, 1, admin->tenant);
    rv_args_text(args, 2, connector->name);
    rv_args_i64(args, 3, id);
    rv_args_text(args, 4, connector->kind);
    rv_args_text(args, 5, connector->target);
    rv_args_text(args, 6, rule);
    rv_args_json(args, 7, settings);
    if (secret != NULL) {
        struct rv_buf sealed;
        rv_buf_init(&sealed, RV_CONNECTOR_SEALED_MAX);
        rv_hook_seal_connector(vault, admin->tenant, id, secret, length, &sealed);
        rv_args_bytes(args, 8, sealed.data, sealed.length);
        rv_buf_fini(&sealed);
    } else {
        rv_args_null(args, 8);
    }
    enum rv_code code = rv_db_session_change_rows(admin->session, admin->tenant,
                                                  &rv_sql_connector_put, args, &rows, err);
    if (code == RV_OK && rows == 0) {
        code = rv_fail(err, RV_CONFLICT, "there is a connector \"%s\" already", connector->name);
        rv_hint(err, "Remove it first: reeve connector remove %s.", connector->name);
    }
    return code;
}

int cmd_connector_add(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_connector connector;
    struct admin admin = {.cli = cli};
    struct rv_hook_vault *vault = NULL;
    json_t *settings = NULL;
    const char *rule = NULL;
    const char *secret = NULL;
    size_t length = 0;
    enum rv_code code = read_connector(cli, &connector, &err);
    if (code == RV_OK) {
        code = rv_connector_check(&connector, &settings, &rule, &err);
    }
    if (code == RV_OK) {
        code = read_secret(cli, &secret, &length, &err);
    }
    if (code == RV_OK && connector.login != NULL && secret == NULL) {
        code = rv_fail(&err, RV_INVALID, "login needs its password: --secret-file");
    }
    if (code == RV_OK) {
        code = place_hook_vault(cli, &vault, &err);
    }
    if (code == RV_OK) {
        json_t *about = json_pack("{s:s,s:s,s:s,s:s,s:O*,s:b,s:b}", "connector", connector.name,
                                  "kind", connector.kind, "target", connector.target, "reconcile",
                                  rule, "recipients", json_object_get(settings, "recipients"),
                                  "private", connector.allow_private, "secret", secret != NULL);
        code = admin_begin(cli, ADMIN_PEOPLE, "connector.add", about, &admin, &err);
        if (code == RV_OK) {
            code = put(&admin, vault, &connector, rule, settings, secret, length, &err);
        }
        code = admin_end(&admin, code, &err);
    }
    json_decref(settings);
    rv_hook_vault_close(vault);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        cli_print_json(&cli->output, json_pack("{s:s,s:s,s:s}", "connector", connector.name, "kind",
                                               connector.kind, "reconcile", rule));
    } else {
        cli_print(&cli->output, "connector %s (%s); without an outcome: %s", connector.name,
                  connector.kind, rule);
    }
    return 0;
}

/* ---- the others ---- */

int cmd_connector_list(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    enum rv_code code = place_company(cli, &session, &tenant, &err);
    if (code == RV_OK) {
        code = cli_print_query(cli, session, tenant, &rv_sql_connector_list, NULL, NULL, &err);
    }
    rv_db_session_close(session);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

static int change(struct cli *cli, const char *what, const struct rv_statement *statement,
                  bool enabled, const char *said)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    const char *name = cli->argv[0];
    enum rv_code code =
        admin_begin(cli, ADMIN_PEOPLE, what, json_pack("{s:s}", "connector", name), &admin, &err);
    if (code == RV_OK) {
        struct rv_args *args = rv_args_create(statement);
        rv_args_i32(args, 1, admin.tenant);
        rv_args_text(args, 2, name);
        if (statement == &rv_sql_connector_enable) {
            rv_args_bool(args, 3, enabled);
        }
        code = rv_db_session_change_one(admin.session, admin.tenant, statement, args,
                                        statement == &rv_sql_connector_enable
                                            ? "such connector"
                                            : "such connector without open intents",
                                        &err);
    }
    code = admin_end(&admin, code, &err);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        cli_print_json(&cli->output, json_pack("{s:s,s:s}", "connector", name, "state", said));
    } else {
        cli_print(&cli->output, "connector %s is %s", name, said);
    }
    return 0;
}

int cmd_connector_enable(struct cli *cli)
{
    return change(cli, "connector.enable", &rv_sql_connector_enable, true, "open");
}

int cmd_connector_disable(struct cli *cli)
{
    return change(cli, "connector.disable", &rv_sql_connector_enable, false, "switched off");
}

int cmd_connector_remove(struct cli *cli)
{
    return change(cli, "connector.remove", &rv_sql_connector_remove, false, "removed");
}
