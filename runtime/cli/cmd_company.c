/* cmd_company.c -- companies, and who asks in which.  People and tokens: cmd_person.c. */
#include "cli_sql.h"
#include "journal_sql.h"
#include "runtime/base/check.h"
#include "runtime/cli/place.h"
#include "runtime/http/people.h"

static const char console_roles[] = "clerk,operator,admin,integrator";

struct found {
    int32_t tenant;
    int count;
};

static enum rv_code take_company(void *data, const struct rv_result *result, int row,
                                 struct rv_error *err)
{
    (void)err;
    struct found *found = data;
    found->tenant = (int32_t)rv_result_i64(result, row, 0);
    found->count++;
    return RV_OK;
}

enum rv_code cli_tenant(const struct cli *cli, struct rv_db_session *session, int32_t *tenant,
                        struct rv_error *err)
{
    struct found found = {0};
    struct rv_args *args = rv_args_create(&rv_sql_cli_company_by_name);
    rv_args_text(args, 1, cli->company != NULL ? cli->company : "");
    enum rv_code code = rv_db_session_query(session, 0, &rv_sql_cli_company_by_name, args,
                                            take_company, &found, err);
    if (code != RV_OK) {
        return code;
    }
    if (found.count == 0) {
        rv_fail(err, RV_NOT_FOUND,
                cli->company != NULL ? "no company \"%s\"" : "there is no company yet",
                cli->company);
        rv_hint(err, "Make one: reeve company create NAME.");
        return RV_NOT_FOUND;
    }
    if (found.count > 1) {
        return rv_fail(err, RV_INVALID, "there are %d companies: say which with --company NAME",
                       found.count);
    }
    *tenant = found.tenant;
    return RV_OK;
}

static enum rv_code take_roles(void *data, const struct rv_result *result, int row,
                               struct rv_error *err)
{
    (void)err;
    *(json_t **)data = rv_result_json(result, row, 0);
    return RV_OK;
}

static void free_json(void *json)
{
    json_decref(json);
}

enum rv_code cli_person(const struct cli *cli, struct rv_db_session *session, int32_t tenant,
                        struct rv_principal *out, struct rv_error *err)
{
    const char *name = cli->as != NULL ? cli->as : "console";
    json_t *roles = NULL;
    struct rv_args *args = rv_args_create(&rv_sql_cli_person_roles);
    rv_args_text(args, 2, name);
    enum rv_code code = rv_db_session_query(session, tenant, &rv_sql_cli_person_roles, args,
                                            take_roles, &roles, err);
    if (code != RV_OK) {
        return code;
    }
    if (roles == NULL) {
        rv_fail(err, RV_NOT_FOUND, "no person \"%s\" in this company", name);
        rv_hint(err, "Add one: reeve person add %s --roles clerk.", name);
        return RV_NOT_FOUND;
    }
    rv_arena_cleanup(cli->arena, free_json, roles);
    *out = (struct rv_principal){.kind = RV_PRINCIPAL_PERSON, .id = name, .roles = roles};
    return RV_OK;
}

static enum rv_code take_id(void *data, const struct rv_result *result, int row,
                            struct rv_error *err)
{
    (void)err;
    *(int64_t *)data = rv_result_i64(result, row, 0);
    return RV_OK;
}

int cmd_company_create(struct cli *cli)
{
    const char *currency = cli_option(cli, "currency");
    const char *zone = cli_option(cli, "timezone");
    if (cli->argc != 1) {
        return cli_usage(cli, "company create NAME [--currency EUR] [--timezone Europe/Berlin]");
    }
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    if (place_session(cli, &session, &err) != RV_OK) {
        return cli_fail(cli, &err);
    }
    json_t *company = json_pack("{s:s,s:s}", "currency", currency != NULL ? currency : "EUR",
                                "timezone", zone != NULL ? zone : "Europe/Berlin");
    struct rv_args *args = rv_args_create(&rv_sql_tenant_create);
    rv_args_text(args, 1, cli->argv[0]);
    rv_args_json(args, 2, company);
    json_decref(company);
    int64_t id = 0;
    enum rv_code code =
        rv_db_session_query(session, 0, &rv_sql_tenant_create, args, take_id, &id, &err);
    if (code == RV_OK && id > 0) {
        code = rv_person_set(session, (int32_t)id, "console", console_roles, -1, &err);
    }
    rv_db_session_close(session);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    int64_t number = id > 0 ? id : -id;
    if (cli->json) {
        cli_print_json(&cli->output, json_pack("{s:s,s:I,s:b}", "company", cli->argv[0], "id",
                                               (json_int_t)number, "made", id > 0));
    } else {
        cli_print(&cli->output, "company %s %s (number %lld)", cli->argv[0],
                  id > 0 ? "made" : "is there already", (long long)number);
    }
    return 0;
}

static int print_all(struct cli *cli, const struct rv_statement *statement, bool of_company)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    enum rv_code code = place_session(cli, &session, &err);
    if (code == RV_OK && of_company) {
        code = cli_tenant(cli, session, &tenant, &err);
    }
    if (code == RV_OK) {
        code = cli_print_query(cli, session, tenant, statement, NULL, NULL, &err);
    }
    rv_db_session_close(session);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

int cmd_company_list(struct cli *cli)
{
    return print_all(cli, &rv_sql_cli_companies, false);
}

int cmd_agent_list(struct cli *cli)
{
    return print_all(cli, &rv_sql_cli_agents, true);
}
