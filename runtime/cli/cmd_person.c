/* cmd_person.c -- people and their API tokens.
 *
 * Whoever may change these may become anybody: all changes want the role admin and stand on the
 * audit record (admin.h).
 */
#include "cli_sql.h"
#include "runtime/base/check.h"
#include "runtime/cli/admin.h"
#include "runtime/cli/place.h"
#include "runtime/http/people.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TOKEN_DAYS = 30 };

static int print_all(struct cli *cli, const struct rv_statement *statement)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    enum rv_code code = place_company(cli, &session, &tenant, &err);
    if (code == RV_OK) {
        code = cli_print_query(cli, session, tenant, statement, NULL, NULL, &err);
    }
    rv_db_session_close(session);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

/* ---- people ---- */

int cmd_person_list(struct cli *cli)
{
    return print_all(cli, &rv_sql_cli_people);
}

static enum rv_code take_count(void *data, const struct rv_result *result, int row,
                               struct rv_error *err)
{
    (void)err;
    *(int64_t *)data = rv_result_i64(result, row, 0);
    return RV_OK;
}

/* Nobody could undo it: only an admin makes an admin. */
static enum rv_code check_admins_left(const struct admin *admin, const char *name,
                                      struct rv_error *err)
{
    int64_t others = 0;
    struct rv_args *args = rv_args_create(&rv_sql_cli_other_admins);
    rv_args_text(args, 2, name);
    enum rv_code code = rv_db_session_query(admin->session, admin->tenant, &rv_sql_cli_other_admins,
                                            args, take_count, &others, err);
    if (code == RV_OK && others == 0) {
        code = rv_fail(err, RV_CONFLICT, "\"%s\" is the last person with the role admin", name);
        rv_hint(err, "Give the role to somebody else first: reeve person add NAME --roles admin.");
    }
    return code;
}

static bool has_admin(const char *roles)
{
    for (const char *at = roles; *at != '\0'; at += *at == ',') {
        size_t length = strcspn(at, ",");
        if (length == strlen(ADMIN_PEOPLE) && strncmp(at, ADMIN_PEOPLE, length) == 0) {
            return true;
        }
        at += length;
    }
    return false;
}

int cmd_person_add(struct cli *cli)
{
    const char *name = cli->argv[0];
    const char *roles = cli_option(cli, "roles");
    bool password = cli_flag(cli, "password-stdin");
    if (roles == NULL) {
        return cli_usage(cli, "person add NAME --roles a,b [--password-stdin]");
    }
    struct rv_error err = {.code = RV_OK};
    struct admin admin;
    json_t *about = json_pack("{s:s,s:s,s:b}", "name", name, "roles", roles, "password", password);
    enum rv_code code = admin_begin(cli, ADMIN_PEOPLE, "person.add", about, &admin, &err);
    if (code == RV_OK && !has_admin(roles)) {
        code = check_admins_left(&admin, name, &err);
    }
    if (code == RV_OK) {
        code = rv_person_set(admin.session, admin.tenant, name, roles, password ? STDIN_FILENO : -1,
                             &err);
    }
    code = admin_end(&admin, code, &err);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        cli_print_json(&cli->output, json_pack("{s:s,s:s}", "person", name, "roles", roles));
    } else {
        cli_print(&cli->output, "person %s: %s", name, roles);
    }
    return 0;
}

static int enable(struct cli *cli, bool enabled)
{
    const char *name = cli->argv[0];
    struct rv_error err = {.code = RV_OK};
    struct admin admin;
    enum rv_code code = admin_begin(cli, ADMIN_PEOPLE, enabled ? "person.enable" : "person.disable",
                                    json_pack("{s:s}", "name", name), &admin, &err);
    if (code == RV_OK && !enabled) {
        code = check_admins_left(&admin, name, &err);
    }
    if (code == RV_OK) {
        code = rv_person_enable(admin.session, admin.tenant, name, enabled, &err);
        if (code == RV_NOT_FOUND) {
            rv_hint(&err, "See who there is: reeve person list.");
        }
    }
    code = admin_end(&admin, code, &err);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        cli_print_json(&cli->output, json_pack("{s:s,s:b}", "person", name, "enabled", enabled));
    } else {
        cli_print(&cli->output, "person %s is %s", name,
                  enabled ? "enabled" : "disabled: sessions have ended, tokens do not work");
    }
    return 0;
}

int cmd_person_enable(struct cli *cli)
{
    return enable(cli, true);
}

int cmd_person_disable(struct cli *cli)
{
    return enable(cli, false);
}

/* ---- tokens ---- */

int cmd_token_list(struct cli *cli)
{
    return print_all(cli, &rv_sql_cli_tokens);
}

int cmd_token_make(struct cli *cli)
{
    const char *person = cli->argv[0];
    const char *label = cli_option(cli, "label");
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    int64_t days = 0;
    int64_t id = 0;
    char token[RV_CREDENTIAL_TEXT];
    label = label != NULL ? label : "command line";
    enum rv_code code = cli_integer(cli, "days", TOKEN_DAYS, 1, RV_TOKEN_DAYS_MAX, &days, &err);
    if (code == RV_OK) {
        json_t *about =
            json_pack("{s:s,s:s,s:I}", "name", person, "label", label, "days", (json_int_t)days);
        code = admin_begin(cli, ADMIN_PEOPLE, "token.make", about, &admin, &err);
    }
    if (code == RV_OK) {
        code = rv_token_make(admin.session, admin.tenant, person, label, (int)days,
                             rv_now_us(rv_clock_system()), token, &id, &err);
    }
    code = admin_end(&admin, code, &err);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        cli_print_json(&cli->output, json_pack("{s:I,s:s,s:s}", "id", (json_int_t)id, "person",
                                               person, "token", token));
    } else {
        cli_print(&cli->output, "%s", token);
    }
    cli_say(&cli->output, "token %" PRId64 " of %s; it is shown only now", id, person);
    return 0;
}

int cmd_token_revoke(struct cli *cli)
{
    char *end = NULL;
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    int64_t id = strtoll(cli->argv[0], &end, 10);
    if (*end != '\0' || id <= 0) {
        rv_fail(&err, RV_INVALID, "ID \"%s\" is not the number of a token", cli->argv[0]);
        rv_hint(&err, "See them: reeve token list.  The token itself is not asked for.");
        return cli_fail(cli, &err);
    }
    enum rv_code code = admin_begin(cli, ADMIN_PEOPLE, "token.revoke",
                                    json_pack("{s:I}", "token", (json_int_t)id), &admin, &err);
    if (code == RV_OK) {
        code = rv_token_revoke(admin.session, admin.tenant, id, &err);
        if (code == RV_NOT_FOUND) {
            rv_hint(&err, "See them: reeve token list.");
        }
    }
    code = admin_end(&admin, code, &err);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        cli_print_json(&cli->output,
                       json_pack("{s:I,s:b}", "token", (json_int_t)id, "revoked", true));
    } else {
        cli_print(&cli->output, "token %" PRId64 " is revoked", id);
    }
    return 0;
}
