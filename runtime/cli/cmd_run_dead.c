/* cmd_run_dead.c -- dead letters: runs that did not end well, and letting them go on, by the rules
 * of runtime/run/revive.h.
 */
#include "run_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/words.h"
#include "runtime/cli/place.h"
#include "runtime/cli/say_step.h"
#include "runtime/run/revive.h"
#include "runtime/run/search.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { DEAD_SHOWN = 200, DEAD_AT_ONCE_MAX = 10000 };

/* ---- which ---- */

static enum rv_code filter(const struct cli *cli, const struct rv_statement *statement,
                           int64_t otherwise, bool revived, struct rv_args **out,
                           struct rv_error *err)
{
    int64_t limit = 0;
    const char *class = cli_option(cli, "class");
    const char *error = cli_option(cli, "error");
    enum rv_code code =
        rv_words_need("--class", class != NULL ? class : "", rv_run_dead_words, err);
    if (code == RV_OK) {
        code = rv_words_need("--error", error != NULL ? error : "", rv_run_error_words, err);
    }
    if (code == RV_OK) {
        code = cli_integer(cli, "limit", otherwise, 1, DEAD_AT_ONCE_MAX, &limit, err);
    }
    if (code != RV_OK) {
        return code;
    }
    struct rv_args *args = rv_args_create(statement);
    rv_args_text(args, 2, class);
    rv_args_null(args, 3);
    rv_args_i32(args, 4, (int32_t)limit);
    rv_args_text(args, 5, cli_option(cli, "agent"));
    rv_args_text(args, 6, error);
    rv_args_bool(args, 7, revived);
    *out = args;
    return RV_OK;
}

static enum rv_code take_dead(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)err;
    json_t *one = rv_result_json(result, row, 1);
    json_object_set_new(one, "id", json_integer(rv_result_i64(result, row, 0)));
    json_array_append_new(data, one);
    return RV_OK;
}

/* Appends the one that is named. */
static enum rv_code read_named(struct rv_db_session *session, int32_t tenant, const char *name,
                               json_t *dead, struct rv_error *err)
{
    int64_t run = 0;
    enum rv_code code = cli_run_id(name, &run, err);
    return code == RV_OK ? rv_dead_read(session, tenant, run, dead, err) : code;
}

static enum rv_code read_dead(struct cli *cli, struct rv_db_session *session, int32_t tenant,
                              int64_t otherwise, bool revived, json_t *dead, struct rv_error *err)
{
    struct rv_args *args = NULL;
    enum rv_code code = filter(cli, &rv_sql_run_dead, otherwise, revived, &args, err);
    if (code == RV_OK) {
        rv_args_null(args, 8);
        code = rv_db_session_query(session, tenant, &rv_sql_run_dead, args, take_dead, dead, err);
    }
    return code;
}

/* ---- run dead ---- */

static void print_dead(const struct cli *cli, json_t *dead, bool one)
{
    size_t i;
    json_t *row;
    json_array_foreach(dead, i, row)
    {
        json_object_del(row, "id");
        if (one && !cli->json) {
            json_dumpf(row, stdout, JSON_INDENT(2));
            putchar('\n');
            fflush(stdout);
            json_t *clean = cli_clean_json(row);
            say_effects_standing(stderr, json_object_get(clean, "effects_standing"),
                                 json_object_get(clean, "settled"));
            json_decref(clean);
        } else {
            cli_print_json(&cli->output, json_incref(row));
        }
    }
}

int cmd_run_dead(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    bool revived = cli_flag(cli, "revived");
    json_t *dead = json_array();
    struct rv_args *args = NULL;
    enum rv_code code = filter(cli, &rv_sql_run_dead_table, DEAD_SHOWN, revived, &args, &err);
    if (code == RV_OK) {
        code = place_company(cli, &session, &tenant, &err);
    }
    if (code == RV_OK) {
        code = rv_run_need_agent(session, tenant, "--agent", cli_option(cli, "agent"), &err);
    }
    if (code == RV_OK && cli->argc == 0 && !cli->json) {
        code = cli_print_query(cli, session, tenant, &rv_sql_run_dead_table, args, NULL, &err);
        args = NULL;
    } else if (code == RV_OK && cli->argc == 0) {
        code = read_dead(cli, session, tenant, DEAD_SHOWN, revived, dead, &err);
    } else if (code == RV_OK) {
        code = read_named(session, tenant, cli->argv[0], dead, &err);
    }
    if (code == RV_OK) {
        print_dead(cli, dead, cli->argc > 0);
    }
    if (args != NULL) {
        rv_args_destroy(args);
    }
    json_decref(dead);
    rv_db_session_close(session);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

/* ---- one that shall go on ---- */

struct reviving {
    struct cli *cli;
    struct rv_db_session *session;
    struct node *node; /* NULL: a preview */
    int32_t tenant;
    struct rv_principal principal;
    struct rv_run_fork fork; /* as wished */
    int revived;
    int failed;
    struct rv_error first;
};

static enum rv_code begin(const struct reviving *all, const struct rv_run_fork *fork, int64_t *id,
                          struct rv_error *err)
{
    struct cli_asked asked = {.done = false};
    rv_run_fork(all->node->gate, all->node->db, all->tenant, &all->principal, fork, cli_on_asked,
                &asked);
    node_wait(all->node, &asked.done, 0);
    *id = asked.id;
    if (asked.code != RV_OK) {
        *err = asked.err;
    }
    return asked.code;
}

static void say(const struct reviving *all, const json_t *dead, int32_t at, int64_t id,
                const struct rv_error *err)
{
    const char *name = rv_json_str(dead, "run", "");
    const char *agent = rv_json_str(dead, "agent", "");
    if (all->cli->json) {
        char next[32];
        json_t *line =
            json_pack("{s:s,s:s,s:s,s:i,s:b}", "run", name, "agent", agent, "class",
                      rv_json_str(dead, "class", ""), "at_step", (int)at, "revived", id != 0);
        if (id != 0) {
            snprintf(next, sizeof next, "r_%" PRId64, id);
            json_object_set_new(line, "new_run", json_string(next));
        } else if (err->code != RV_OK) {
            json_object_set_new(line, "message", json_string(err->message));
        }
        cli_print_json(&all->cli->output, line);
    } else if (err->code != RV_OK) {
        cli_print(&all->cli->output, "%s  %s  not revived: %s", name, agent, err->message);
    } else if (id != 0) {
        cli_print(&all->cli->output, "%s  %s  goes on after step %d as r_%" PRId64, name, agent, at,
                  id);
    } else {
        cli_print(&all->cli->output, "%s  %s  would go on after step %d%s", name, agent, at,
                  at == 0 ? ", from the start" : "");
    }
}

static void revive(struct reviving *all, const json_t *dead)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_run_fork fork = all->fork;
    int64_t id = 0;
    enum rv_code code = rv_revive_find(all->session, all->tenant, dead, &fork, NULL, &err);
    if (code == RV_OK && all->node != NULL) {
        code = begin(all, &fork, &id, &err);
    }
    all->revived += id != 0;
    if (code != RV_OK) {
        all->failed++;
        all->first = all->first.code == RV_OK ? err : all->first;
    }
    say(all, dead, fork.at, id, &err);
}

/* ---- run revive ---- */

static enum rv_code check_wish(const struct cli *cli, struct rv_error *err)
{
    if (cli->argc == 0 && cli_option(cli, "class") == NULL && cli_option(cli, "agent") == NULL &&
        cli_option(cli, "error") == NULL) {
        rv_fail(err, RV_INVALID, "which runs? name them, or give a filter");
        rv_hint(err, "See them with reeve run dead; then --class, --agent or --error.");
        return RV_INVALID;
    }
    bool step = cli_option(cli, "message") != NULL;
    bool value = cli_option(cli, "value") != NULL;
    if (step != value || (step && cli->argc != 1)) {
        rv_fail(err, RV_INVALID, "--message STEP and --value JSON go together, for one run");
        rv_hint(err, "The step is that of `reeve run dead RUN`, field message.step.");
        return RV_INVALID;
    }
    return RV_OK;
}

/* What is wished: another message, input, version; references of input and value are kept. */
static enum rv_code read_wish(struct cli *cli, json_t **input, json_t **value,
                              struct rv_run_fork *out, struct rv_error *err)
{
    int64_t step = 0;
    enum rv_code code = cli_object(cli, "input", input, err);
    if (code == RV_OK && cli_option(cli, "value") != NULL) {
        code = cli_integer(cli, "message", 0, 1, INT32_MAX, &step, err);
    }
    if (code == RV_OK && cli_option(cli, "value") != NULL) {
        const char *text = cli_option(cli, "value");
        code = rv_json_parse(text, strlen(text), "--value", value, err);
    }
    *out = (struct rv_run_fork){.version = cli_option(cli, "agent-version"),
                                .input = *input,
                                .revive = true,
                                .reason = cli_option(cli, "reason"),
                                .message = {.step = (int32_t)step, .body = *value}};
    return code == RV_OK ? rv_revive_check(out, NULL, err) : code;
}

static enum rv_code choose(struct cli *cli, const struct reviving *all, json_t *dead,
                           struct rv_error *err)
{
    enum rv_code code = RV_OK;
    for (int i = 0; i < cli->argc && code == RV_OK; i++) {
        code = read_named(all->session, all->tenant, cli->argv[i], dead, err);
    }
    if (code == RV_OK && cli->argc == 0) {
        code = read_dead(cli, all->session, all->tenant, DEAD_AT_ONCE_MAX, false, dead, err);
    }
    return code;
}

int cmd_run_revive(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    json_t *input = NULL;
    json_t *value = NULL;
    json_t *dead = json_array();
    bool yes = cli_flag(cli, "yes");
    struct reviving all = {.cli = cli, .principal = {.kind = RV_PRINCIPAL_PERSON}};
    enum rv_code code = check_wish(cli, &err);
    if (code == RV_OK) {
        code = read_wish(cli, &input, &value, &all.fork, &err);
    }
    if (code == RV_OK) {
        code = place_company(cli, &all.session, &all.tenant, &err);
    }
    if (code == RV_OK) {
        code =
            rv_run_need_agent(all.session, all.tenant, "--agent", cli_option(cli, "agent"), &err);
    }
    if (code == RV_OK) {
        code = choose(cli, &all, dead, &err);
    }
    if (code == RV_OK && yes && json_array_size(dead) > 0) {
        code = cli_person(cli, all.session, all.tenant, &all.principal, &err);
    }
    if (code == RV_OK && yes && json_array_size(dead) > 0) {
        code = place_node(cli, &all.node, &err);
    }
    size_t count = json_array_size(dead);
    for (size_t i = 0; code == RV_OK && i < count; i++) {
        revive(&all, json_array_get(dead, i));
    }
    if (code == RV_OK && count == 0) {
        cli_say(&cli->output, "no such runs");
    } else if (code == RV_OK && !yes) {
        cli_say(&cli->output, "%zu runs; nothing was done: add --yes", count);
    } else if (code == RV_OK) {
        cli_say(&cli->output, "%d of %zu runs revived", all.revived, count);
    }
    if (code == RV_OK && all.failed > 0 && all.first.hint[0] != '\0') {
        cli_say(&cli->output, "%s", all.first.hint);
    }
    node_close(all.node);
    rv_db_session_close(all.session);
    json_decref(dead);
    json_decref(input);
    json_decref(value);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    return all.failed == 0 ? 0 : all.first.code == RV_DENIED ? 3 : 1;
}
