/* cmd_intent.c -- reeve intent: what was to happen outside, and the word of a person where nothing
 * else knows whether it did.
 */
#include "effect_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/words.h"
#include "runtime/cli/admin.h"
#include "runtime/cli/place.h"
#include "runtime/effect/connector.h"
#include "runtime/effect/effect.h"

#include <stdio.h>
#include <string.h>

enum { LIST_MAX = 1000, LIST_DEFAULT = 200 };

int cmd_intent_list(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    int64_t limit = 0;
    const char *word = cli->argc > 0 ? cli->argv[0] : "";
    enum rv_code code = strcmp(word, "all") == 0
                            ? RV_OK
                            : rv_words_need("STATE", word, rv_effect_state_words, &err);
    if (code != RV_OK) {
        rv_hint(&err, "Write one of: all %s.", rv_effect_state_words);
    }
    if (code == RV_OK) {
        code = cli_integer(cli, "limit", LIST_DEFAULT, 1, LIST_MAX, &limit, &err);
    }
    if (code == RV_OK) {
        code = place_company(cli, &session, &tenant, &err);
    }
    if (code == RV_OK) {
        struct rv_args *args = rv_args_create(&rv_sql_effect_list);
        rv_args_text(args, 2, word);
        rv_args_i32(args, 3, (int32_t)limit);
        code = cli_print_query(cli, session, tenant, &rv_sql_effect_list, args, NULL, &err);
    }
    rv_db_session_close(session);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

static struct rv_args *intent_args(const struct rv_statement *statement, int64_t run, int32_t seq)
{
    struct rv_args *args = rv_args_create(statement);
    rv_args_i64(args, 2, run);
    rv_args_i32(args, 3, seq);
    return args;
}

static enum rv_code no_intent(const char *name, struct rv_error *err)
{
    rv_fail(err, RV_NOT_FOUND, "no intent %s", name);
    rv_hint(err, "See them: reeve intent list all.");
    return RV_NOT_FOUND;
}

int cmd_intent_show(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    int64_t run = 0;
    int32_t seq = 0;
    json_t *shown = NULL;
    enum rv_code code = rv_intent_read(cli->argv[0], &run, &seq, &err);
    if (code == RV_OK) {
        code = place_company(cli, &session, &tenant, &err);
    }
    if (code == RV_OK) {
        code = rv_db_session_query(session, tenant, &rv_sql_effect_show,
                                   intent_args(&rv_sql_effect_show, run, seq), cli_take_json,
                                   &shown, &err);
    }
    if (code == RV_OK && shown == NULL) {
        code = no_intent(cli->argv[0], &err);
    }
    rv_db_session_close(session);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    json_dumpf(shown, stdout, cli->json ? JSON_COMPACT : JSON_INDENT(2));
    putchar('\n');
    json_decref(shown);
    return 0;
}

/* ---- resolve ---- */

/* Why there was nothing to resolve. */
static enum rv_code why_not(struct admin *admin, const char *name, int64_t run, int32_t seq,
                            struct rv_error *err)
{
    json_t *shown = NULL;
    enum rv_code code =
        rv_db_session_query(admin->session, admin->tenant, &rv_sql_effect_show,
                            intent_args(&rv_sql_effect_show, run, seq), cli_take_json, &shown, err);
    if (code == RV_OK && shown == NULL) {
        code = no_intent(name, err);
    } else if (code == RV_OK) {
        code = rv_fail(err, RV_CONFLICT, "intent %s does not wait for a person: it is %s", name,
                       rv_json_str(shown, "state", ""));
        rv_hint(err, "See what happened to it: reeve intent show %s.", name);
    }
    json_decref(shown);
    return code;
}

int cmd_intent_resolve(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    int64_t run = 0;
    int32_t seq = 0;
    int rows = 0;
    const char *name = cli->argv[0];
    const char *word = cli->argv[1];
    const char *reason = cli_option(cli, "reason");
    bool done = strcmp(word, "done") == 0;
    enum rv_code code = rv_intent_read(name, &run, &seq, &err);
    if (code == RV_OK) {
        code = rv_words_need("OUTCOME", word, "done failed", &err);
    }
    if (code == RV_OK && (reason == NULL || reason[0] == '\0')) {
        code = rv_fail(&err, RV_INVALID, "--reason must say how you know");
    }
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    json_t *about = json_pack("{s:s,s:s,s:s}", "intent", name, "outcome", word, "reason", reason);
    code = admin_begin(cli, ADMIN_WORK, "intent.resolve", about, &admin, &err);
    if (code == RV_OK) {
        struct rv_args *args =
            rv_effect_said(admin.tenant, run, seq, done, admin.person.id, reason);
        code = rv_db_session_change_rows(admin.session, admin.tenant, &rv_sql_effect_resolve, args,
                                         &rows, &err);
        if (code == RV_OK && rows == 0) {
            code = why_not(&admin, name, run, seq, &err);
        }
    }
    code = admin_end(&admin, code, &err);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        cli_print_json(&cli->output, json_pack("{s:s,s:s}", "intent", name, "state", word));
    } else {
        cli_print(&cli->output, "intent %s: %s; its run goes on", name, word);
    }
    return 0;
}
