/* cmd_approval.c -- people decide at the command line, with the same rules as in the inbox. */
#include "cli_sql.h"
#include "erp_command_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/words.h"
#include "runtime/cli/place.h"
#include "runtime/run/granted.h"

#include <errno.h>
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
    if (rv_words_need("STATUS", status, rv_approval_status_words, &err) != RV_OK) {
        return cli_fail(cli, &err);
    }
    struct rv_args *args = rv_args_create(&rv_sql_cli_approvals);
    rv_args_text(args, 2, status);
    enum rv_code code = place_company(cli, &session, &tenant, &err);
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

/* The number that `approval list` shows; 0: it is none. */
static int64_t approval_id(const char *text)
{
    char *end = NULL;
    errno = 0;
    long long id = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && id > 0 ? id : 0;
}

int cmd_approval_show(struct cli *cli)
{
    if (cli->argc != 1 || approval_id(cli->argv[0]) == 0) {
        return cli_usage(cli, "approval show ID   (a number that `reeve approval list` shows)");
    }
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    json_t *approval = NULL;
    struct rv_args *args = rv_args_create(&rv_sql_cli_approval_one);
    rv_args_i64(args, 2, approval_id(cli->argv[0]));
    enum rv_code code = place_company(cli, &session, &tenant, &err);
    if (code == RV_OK) {
        code = rv_db_session_query(session, tenant, &rv_sql_cli_approval_one, args, cli_take_json,
                                   &approval, &err);
    } else {
        rv_args_destroy(args);
    }
    rv_db_session_close(session);
    if (code == RV_OK && approval == NULL) {
        code = rv_fail(&err, RV_NOT_FOUND, "no approval %s", cli->argv[0]);
        rv_hint(&err, "See what waits for people: reeve approval list.");
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

struct granted {
    bool done;
    int executed;
};

static void on_granted(void *data, int executed)
{
    struct granted *granted = data;
    *granted = (struct granted){true, executed};
}

static int decide(struct cli *cli, bool approve)
{
    const char *comment = cli_option(cli, "comment");
    const char *digest = cli_option(cli, "digest");
    struct rv_error err = {.code = RV_OK};
    if (approval_id(cli->argv[0]) == 0) {
        rv_fail(&err, RV_INVALID, "%.40s is not the number of an approval", cli->argv[0]);
        rv_hint(&err, "See them: reeve approval list.");
        return cli_fail(cli, &err);
    }
    if (cli->as == NULL) {
        rv_fail(&err, RV_INVALID, "--as PERSON is missing: a decision is somebody's");
        rv_hint(&err, "Usage: reeve approval %s ID --as PERSON [--comment TEXT].",
                approve ? "approve" : "reject");
        return cli_fail(cli, &err);
    }
    struct rv_db_session *session = NULL;
    struct node *node = NULL;
    int32_t tenant = 0;
    enum rv_code code = place_company(cli, &session, &tenant, &err);
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
                          .approval = approval_id(cli->argv[0]),
                          .person = cli->as,
                          .approve = approve,
                          .comment = comment,
                          .channel = "cli",
                          .digest_hex = digest};
    rv_approval_vote(node->approvals, &ask, on_vote, &vote);
    node_wait(node, &vote.done, 0);
    bool granted =
        vote.code == RV_OK && strcmp(rv_json_str(vote.status, "status", ""), "approved") == 0;
    if (granted) { /* a person's own request: there is no run that would go on with it */
        struct granted wait = {.done = false};
        rv_granted_execute(node->gate, node->db, tenant, on_granted, &wait);
        node_wait(node, &wait.done, 0);
        if (wait.executed > 0) {
            cli_say(&cli->output, "executed what was asked for");
        }
    }
    node->wrote = tenant;
    node_close(node);
    if (vote.code != RV_OK) {
        return cli_fail(cli, &vote.err);
    }
    char *text = rv_json_text(vote.status);
    printf("%s\n", text);
    rv_free(text);
    if (strcmp(rv_json_str(vote.status, "status", ""), "requested") != 0) {
        fprintf(stderr,
                "the run goes on with: reeve run work (a serving reeve does it by itself)\n");
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

struct sums {
    const struct cli *cli;
    int wrong;
};

static enum rv_code take_sum(void *data, const struct rv_result *result, int row,
                             struct rv_error *err)
{
    (void)err;
    struct sums *sums = data;
    bool zero = rv_result_i64(result, row, 2) == 0;
    sums->wrong += !zero;
    if (sums->cli->json) {
        cli_print_json(&sums->cli->output,
                       json_pack("{s:s,s:I,s:I,s:I,s:b}", "currency",
                                 rv_result_text(result, row, 0), "lines",
                                 (json_int_t)rv_result_i64(result, row, 1), "debits",
                                 (json_int_t)rv_result_i64(result, row, 3), "difference",
                                 (json_int_t)rv_result_i64(result, row, 2), "balanced", zero));
    } else {
        cli_print(&sums->cli->output,
                  "%s  %6" PRId64 " lines  debits %15" PRId64 "  difference %" PRId64 "%s",
                  rv_result_text(result, row, 0), rv_result_i64(result, row, 1),
                  rv_result_i64(result, row, 3), rv_result_i64(result, row, 2),
                  zero ? "" : "  DOES NOT BALANCE");
    }
    return RV_OK;
}

int cmd_ledger_check(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    struct sums sums = {.cli = cli};
    enum rv_code code = place_company(cli, &session, &tenant, &err);
    if (code == RV_OK) {
        code =
            rv_db_session_query(session, tenant, &rv_sql_ledger_sums, NULL, take_sum, &sums, &err);
    }
    rv_db_session_close(session);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    return sums.wrong == 0 ? 0 : 1;
}
