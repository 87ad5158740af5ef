/* cmd_company.c -- companies, and who asks in which.  People and tokens: cmd_person.c. */
#include "cli_sql.h"
#include "http_sql.h"
#include "runtime/audit/act.h"
#include "runtime/base/check.h"
#include "runtime/base/name.h"
#include "runtime/cli/place.h"

enum { CREATE_TRIES = 5 }; /* when several are made at the same moment */

static const char console[] = "console"; /* the first person of a company */
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
        rv_fail(err, RV_INVALID, "there are %d companies: say which with --company NAME",
                found.count);
        rv_hint(err, "See them: reeve company list.");
        return RV_INVALID;
    }
    *tenant = found.tenant;
    return RV_OK;
}

static void free_json(void *json)
{
    json_decref(json);
}

enum rv_code cli_person(const struct cli *cli, struct rv_db_session *session, int32_t tenant,
                        struct rv_principal *out, struct rv_error *err)
{
    const char *name = cli->as != NULL ? cli->as : console;
    json_t *roles = NULL;
    struct rv_args *args = rv_args_create(&rv_sql_cli_person_roles);
    rv_args_text(args, 2, name);
    enum rv_code code = rv_db_session_query(session, tenant, &rv_sql_cli_person_roles, args,
                                            cli_take_json, &roles, err);
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

/* ---- a new one ---- */

struct number {
    int32_t taken; /* by the company of that name; 0: there is none */
    int32_t next;
};

static enum rv_code take_number(void *data, const struct rv_result *result, int row,
                                struct rv_error *err)
{
    (void)err;
    struct number *number = data;
    number->taken = rv_result_is_null(result, row, 0) ? 0 : (int32_t)rv_result_i64(result, row, 0);
    number->next = (int32_t)rv_result_i64(result, row, 1);
    return RV_OK;
}

struct making {
    struct rv_act act; /* first */
    bool done;
    enum rv_code code;
    struct rv_error err;
};

static void on_made(struct rv_act *act, enum rv_code code, const struct rv_error *err)
{
    struct making *making = (struct making *)act;
    making->done = true;
    making->code = code;
    if (code != RV_OK && err != NULL) {
        making->err = *err;
    }
}

/* RV_NOT_FOUND: somebody was quicker with the number or the name. */
static enum rv_code make_company(struct node *node, int32_t number, const char *name,
                                 const json_t *company, struct rv_error *err)
{
    json_t *about = json_pack("{s:s,s:O}", "name", name, "settings", company);
    if (about == NULL) {
        return rv_fail(err, RV_INVALID, "the name of a company must be UTF-8");
    }
    struct rv_args *args = rv_args_create(&rv_sql_company_make);
    rv_args_i32(args, 1, number);
    rv_args_text(args, 2, name);
    rv_args_json(args, 3, company);
    rv_args_text(args, 4, console);
    rv_args_text(args, 5, console_roles);
    struct making making = {.act = {.tenant = number,
                                    .what = "company.create",
                                    .person = console,
                                    .about = about,
                                    .effect = &rv_sql_company_make,
                                    .args = args,
                                    .founds = true,
                                    .done = on_made}};
    node->wrote = number;
    rv_act_commit(node->committer, &making.act);
    node_wait(node, &making.done, 0);
    rv_args_destroy(args);
    json_decref(about);
    if (making.code != RV_OK) {
        *err = making.err;
    }
    return making.code;
}

static enum rv_code find_or_make(struct cli *cli, const json_t *company, struct number *number,
                                 struct rv_error *err)
{
    struct rv_db_session *session = NULL;
    struct node *node = NULL;
    enum rv_code code = place_session(cli, &session, err);
    for (int tries = 0; tries < CREATE_TRIES && code == RV_OK; tries++) {
        struct rv_args *args = rv_args_create(&rv_sql_cli_company_number);
        rv_args_text(args, 1, cli->argv[0]);
        code = rv_db_session_query(session, 0, &rv_sql_cli_company_number, args, take_number,
                                   number, err);
        if (code != RV_OK || number->taken != 0) {
            break;
        }
        code = rv_name_check("company", cli->argv[0], err); /* older ones keep theirs */
        if (code == RV_OK && node == NULL) {
            code = place_node(cli, &node, err);
        }
        if (code == RV_OK) {
            code = make_company(node, number->next, cli->argv[0], company, err);
        }
        if (code != RV_NOT_FOUND) {
            break;
        }
        rv_error_clear(err);
        code = tries + 1 < CREATE_TRIES
                   ? RV_OK
                   : rv_fail(err, RV_CONFLICT, "other companies are made at the same moment");
    }
    node_close(node);
    rv_db_session_close(session);
    return code;
}

int cmd_company_create(struct cli *cli)
{
    const char *currency = cli_option(cli, "currency");
    const char *zone = cli_option(cli, "timezone");
    if (cli->argc != 1) {
        return cli_usage(cli, "company create NAME [--currency EUR] [--timezone Europe/Berlin]");
    }
    struct rv_error err = {.code = RV_OK};
    struct number number = {0};
    json_t *company = json_pack("{s:s,s:s}", "currency", currency != NULL ? currency : "EUR",
                                "timezone", zone != NULL ? zone : "Europe/Berlin");
    enum rv_code code = company == NULL
                            ? rv_fail(&err, RV_INVALID, "currency and timezone must be UTF-8")
                            : find_or_make(cli, company, &number, &err);
    json_decref(company);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    bool made = number.taken == 0;
    int32_t id = made ? number.next : number.taken;
    if (cli->json) {
        cli_print_json(&cli->output, json_pack("{s:s,s:i,s:b}", "company", cli->argv[0], "id",
                                               (int)id, "made", made));
    } else {
        cli_print(&cli->output, "company %s %s (number %d)", cli->argv[0],
                  made ? "made" : "is there already", (int)id);
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
