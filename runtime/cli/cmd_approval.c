/* cmd_approval.c -- people decide at the command line, with the same rules as in the inbox. */
#include "audit_sql.h"
#include "cli_sql.h"
#include "erp_command_sql.h"
#include "runtime/base/check.h"
#include "runtime/cli/place.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cmd_approval_list(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    const char *status = cli->argc > 0 ? cli->argv[0] : "requested";
    if (cli_one_of("STATUS", status, "requested approved rejected expired consumed void", &err) != RV_OK) {
        return cli_fail(cli, &err);
    }
    struct rv_args *args = rv_args_create(&rv_sql_cli_approvals);
    rv_args_text(args, 2, status);
    enum rv_code code = place_session(cli, &session, &err);
    if (code == RV_OK) {
        code = cli_tenant(cli, session, &tenant, &err);
    }
    int rows = 0;
    if (code == RV_OK) {
        code = cli_print_query(cli, session, tenant, &rv_sql_cli_approvals, args, &rows, &err);
    } else {
        rv_args_destroy(args);
    }
    rv_db_session_close(session);
    if (code == RV_OK && rows == 0 && !cli->json) {
        fprintf(stderr, "nothing waits for people\n");
    }
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

static enum rv_code take_json(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)err;
    *(json_t **)data = rv_result_json(result, row, 0);
    return RV_OK;
}

int cmd_approval_show(struct cli *cli)
{
    if (cli->argc != 1) {
        return cli_usage(cli, "approval show ID");
    }
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    json_t *approval = NULL;
    struct rv_args *args = rv_args_create(&rv_sql_cli_approval_one);
    rv_args_i64(args, 2, strtoll(cli->argv[0], NULL, 10));
    enum rv_code code = place_session(cli, &session, &err);
    if (code == RV_OK) {
        code = cli_tenant(cli, session, &tenant, &err);
    }
    if (code == RV_OK) {
        code = rv_db_session_query(session, tenant, &rv_sql_cli_approval_one, args, take_json,
                                   &approval, &err);
    } else {
        rv_args_destroy(args);
    }
    rv_db_session_close(session);
    if (code == RV_OK && approval == NULL) {
        code = rv_fail(&err, RV_NOT_FOUND, "no approval %s", cli->argv[0]);
    }
    if (code == RV_OK) {
        json_dumpf(approval, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(approval);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

struct vote {
    bool done;
    enum rv_code code;
    struct rv_error err;
    json_t *status;
};

static void on_vote(void *data, enum rv_code code, const json_t *status, const struct rv_error *err)
{
    struct vote *vote = data;
    vote->done = true;
    vote->code = code;
    if (code != RV_OK && err != NULL) {
        vote->err = *err;
    }
    vote->status = json_deep_copy(status);
}

static int decide(struct cli *cli, bool approve)
{
    const char *comment = cli_option(cli, "comment");
    const char *digest = cli_option(cli, "digest");
    if (cli->argc != 1 || cli->as == NULL) {
        return cli_usage(cli, approve ? "approval approve ID --as PERSON [--comment TEXT]"
                                      : "approval reject ID --as PERSON [--comment TEXT]");
    }
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    struct node *node = NULL;
    int32_t tenant = 0;
    enum rv_code code = place_session(cli, &session, &err);
    if (code == RV_OK) {
        code = cli_tenant(cli, session, &tenant, &err);
    }
    rv_db_session_close(session);
    if (code == RV_OK) {
        code = place_node(cli, &node, &err);
    }
    if (code != RV_OK) {
        node_close(node);
        return cli_fail(cli, &err);
    }
    struct vote vote = {.done = false};
    struct rv_vote ask = {.tenant = tenant,
                          .approval = strtoll(cli->argv[0], NULL, 10),
                          .person = cli->as,
                          .approve = approve,
                          .comment = comment,
                          .channel = "cli",
                          .digest_hex = digest};
    rv_approval_vote(node->approvals, &ask, on_vote, &vote);
    node_wait(node, &vote.done, 0);
    node_close(node);
    if (vote.code != RV_OK) {
        return cli_fail(cli, &vote.err);
    }
    char *text = rv_json_text(vote.status);
    printf("%s\n", text);
    rv_free(text);
    if (strcmp(rv_json_str(vote.status, "status", ""), "requested") != 0) {
        fprintf(stderr, "the run goes on with: reeve run work (a serving reeve does it by itself)\n");
    }
    json_decref(vote.status);
    return 0;
}

int cmd_approval_approve(struct cli *cli)
{
    return decide(cli, true);
}

int cmd_approval_reject(struct cli *cli)
{
    return decide(cli, false);
}

/* ---- proof ---- */

int cmd_audit_verify(struct cli *cli)
{
    const char *checkpoint = cli_option(cli, "checkpoint");
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    struct rv_audit *audit = NULL;
    int32_t tenant = 0;
    json_t *report = NULL;
    const char *outside = NULL;
    size_t length = 0;
    enum rv_code code = place_session(cli, &session, &err);
    if (code == RV_OK) {
        code = cli_tenant(cli, session, &tenant, &err);
    }
    rv_db_session_close(session);
    if (code == RV_OK) {
        code = rv_audit_open(cli->audit_key, &audit, &err);
    }
    if (code == RV_OK && checkpoint != NULL) {
        code = cli_read_file(checkpoint, 4096, cli->arena, &outside, &length, &err);
    }
    if (code == RV_OK) {
        code = rv_audit_verify(cli->uri, tenant, audit, outside, &report, &err);
    }
    rv_audit_close(audit);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    bool ok = rv_json_bool(report, "ok", false);
    if (cli->json) {
        char *text = rv_json_text(report);
        puts(text);
        rv_free(text);
    } else {
        printf("%s: %" PRId64 " records, %" PRId64 " signed checkpoints\n",
               ok ? "green" : "TAMPERED", rv_json_int(report, "records", 0),
               rv_json_int(report, "checkpoints", 0));
        size_t i;
        json_t *finding;
        json_array_foreach(json_object_get(report, "findings"), i, finding)
        {
            printf("  record %" PRId64 ": %s\n", rv_json_int(finding, "seq", 0),
                   rv_json_str(finding, "finding", ""));
        }
    }
    json_decref(report);
    return ok ? 0 : 1;
}

static enum rv_code take_sum(void *data, const struct rv_result *result, int row,
                             struct rv_error *err)
{
    (void)err;
    int *wrong = data;
    bool zero = rv_result_i64(result, row, 2) == 0;
    *wrong += !zero;
    printf("%s  %6" PRId64 " lines  debits %15" PRId64 "  difference %" PRId64 "%s\n",
           rv_result_text(result, row, 0), rv_result_i64(result, row, 1), rv_result_i64(result, row, 3),
           rv_result_i64(result, row, 2), zero ? "" : "  DOES NOT BALANCE");
    return RV_OK;
}

int cmd_ledger_check(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    int wrong = 0;
    enum rv_code code = place_session(cli, &session, &err);
    if (code == RV_OK) {
        code = cli_tenant(cli, session, &tenant, &err);
    }
    if (code == RV_OK) {
        code = rv_db_session_query(session, tenant, &rv_sql_ledger_sums, NULL, take_sum, &wrong, &err);
    }
    rv_db_session_close(session);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    return wrong == 0 ? 0 : 1;
}
