/* cmd_run_settle.c -- the word of a person who has dealt, outside, with what a failed run did and
 * could not take back.
 */
#include "run_sql.h"
#include "runtime/cli/admin.h"
#include "runtime/run/revive.h"

#include <string.h>

enum { REASON_MAX = 1000 };

/* Why there was nothing to settle. */
static enum rv_code why_not(const struct admin *admin, int64_t run, const char *name,
                            struct rv_error *err)
{
    json_t *dead = json_array();
    enum rv_code code = rv_dead_read(admin->session, admin->tenant, run, dead, err);
    const json_t *one = json_array_get(dead, 0);
    const char *by = rv_json_str(json_object_get(one, "settled"), "by", NULL);
    const char *revived = rv_json_str(one, "revived", NULL);
    if (code == RV_OK && by != NULL) {
        code = rv_fail(err, RV_CONFLICT, "%s is settled already, by %s", name, by);
        rv_hint(err, "See how: reeve run dead %s.", name);
    } else if (code == RV_OK && revived != NULL) {
        code = rv_fail(err, RV_CONFLICT, "%s: another run goes on for it, %s", name, revived);
        rv_hint(err, "What still stands is that run's.");
    } else if (code == RV_OK) {
        code = rv_fail(err, RV_CONFLICT,
                       "%s has nothing to settle: nothing that it did still "
                       "stands",
                       name);
        rv_hint(err, "Those that have: reeve run dead --class standing.");
    }
    json_decref(dead);
    return code;
}

int cmd_run_settle(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    int64_t run = 0;
    int rows = 0;
    const char *name = cli->argv[0];
    const char *reason = cli_option(cli, "reason");
    enum rv_code code = cli_run_id(name, &run, &err);
    if (code == RV_OK && (reason == NULL || reason[0] == '\0' || strlen(reason) > REASON_MAX)) {
        code = rv_fail(&err, RV_INVALID, "--reason must say how, in 1 to %d bytes", REASON_MAX);
    }
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    json_t *about = json_pack("{s:s,s:s}", "run", name, "reason", reason);
    code = admin_begin(cli, ADMIN_WORK, "run.settle", about, &admin, &err);
    if (code == RV_OK) {
        struct rv_args *args = rv_args_create(&rv_sql_run_settle);
        rv_args_i32(args, 1, admin.tenant);
        rv_args_i64(args, 2, run);
        rv_args_text(args, 3, admin.person.id);
        rv_args_text(args, 4, reason);
        code = rv_db_session_change_rows(admin.session, admin.tenant, &rv_sql_run_settle, args,
                                         &rows, &err);
        if (code == RV_OK && rows == 0) {
            code = why_not(&admin, run, name, &err);
        }
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
