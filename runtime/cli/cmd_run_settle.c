/* cmd_run_settle.c -- reeve run settle; see runtime/run/settle.h. */
#include "runtime/cli/admin.h"
#include "runtime/run/settle.h"

int cmd_run_settle(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    int64_t run = 0;
    const char *name = cli->argv[0];
    const char *reason = cli_option(cli, "reason");
    enum rv_code code = cli_run_id(name, &run, &err);
    if (code == RV_OK) {
        code = rv_settle_check(reason, &err);
    }
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    json_t *about = json_pack("{s:s,s:s}", "run", name, "reason", reason);
    code = admin_begin(cli, ADMIN_WORK, "run.settle", about, &admin, &err);
    if (code == RV_OK) {
        code = rv_settle(admin.session, admin.tenant, run, admin.person.id, reason, &err);
    }
    code = admin_end(&admin, code, &err);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        cli_print_json(&cli->output, json_pack("{s:s,s:s,s:s}", "run", name, "settled_by",
                                               admin.person.id, "reason", reason));
    } else {
        cli_print(&cli->output, "%s: settled by %s", name, admin.person.id);
    }
    return 0;
}
