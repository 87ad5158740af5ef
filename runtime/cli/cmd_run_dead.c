/* cmd_run_dead.c -- dead letters: runs that did not end well, and letting them go on.
 *
 * The last good step is found in the journal of the run: before what was refused, what stopped it,
 * and the answers that were none.  What would fail again in the same way is found by replay, before
 * anything is begun.  The new run is a fork (runtime/run/fork.h).
 */
#include "run_sql.h"
#include "runtime/base/check.h"
#include "runtime/cli/place.h"
#include "runtime/run/fork.h"
#include "runtime/run/replay.h"
#include "runtime/run/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    DEAD_SHOWN = 200,
    DEAD_AT_ONCE_MAX = 10000,
    REASON_MAX = 2000,
    BACK_MAX = 64 /* steps that are tried from the last good one backwards */
};

static const char classes[] = "budget plan permission books passing version unread";

/* ---- which ---- */

static enum rv_code filter(const struct cli *cli, const struct rv_statement *statement,
                           int64_t otherwise, bool revived, struct rv_args **out,
                           struct rv_error *err)
{
    int64_t limit = 0;
    const char *class = cli_option(cli, "class");
    enum rv_code code = cli_one_of("--class", class != NULL ? class : "", classes, err);
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
    rv_args_text(args, 6, cli_option(cli, "error"));
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
    size_t before = json_array_size(dead);
    enum rv_code code = cli_run_id(name, &run, err);
    if (code != RV_OK) {
        return code;
    }
    struct rv_args *args = rv_args_create(&rv_sql_run_dead);
    rv_args_text(args, 2, NULL);
    rv_args_null(args, 3);
    rv_args_i32(args, 4, 1);
    rv_args_text(args, 5, NULL);
    rv_args_text(args, 6, NULL);
    rv_args_bool(args, 7, true);
    rv_args_i64(args, 8, run);
    code = rv_db_session_query(session, tenant, &rv_sql_run_dead, args, take_dead, dead, err);
    if (code == RV_OK && json_array_size(dead) == before) {
        code = rv_fail(err, RV_NOT_FOUND, "%.40s is not among the dead letters", name);
        rv_hint(err, "See them: reeve run dead --revived.  A run that is over, whichever way, may "
                     "be forked: reeve run fork.");
    }
    return code;
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

/* ---- the last good step ---- */

static const char *kind_of(const json_t *step)
{
    return rv_json_str(step, "kind", "");
}

static bool is_kind(const json_t *step, const char *kind)
{
    return strcmp(kind_of(step), kind) == 0;
}

static const char *result_of(const json_t *step)
{
    return rv_json_str(json_object_get(step, "out"), "result", "");
}

/* From here on it did not go well. */
static bool is_end(const json_t *step)
{
    const char *result = result_of(step);
    bool no = strcmp(result, "denied") == 0 || strcmp(result, "refused") == 0;
    return (is_kind(step, "note") && strcmp(rv_json_str(step, "name", ""), "end") == 0) ||
           is_kind(step, "outcome") || is_kind(step, "compensation") ||
           (is_kind(step, "action") && no) ||
           (is_kind(step, "effect") && !rv_json_bool(json_object_get(step, "out"), "ok", false));
}

/* It is not where a run may begin: half of something, or an answer that was none. */
static bool is_half(const json_t *step)
{
    const json_t *ok = json_object_get(json_object_get(step, "out"), "ok");
    return is_kind(step, "timer") || is_kind(step, "approval") ||
           (is_kind(step, "action") && strcmp(result_of(step), "executed") != 0 &&
            strcmp(result_of(step), "repeated") != 0) ||
           (ok != NULL && json_is_false(ok));
}

/* What the run did that cannot be done twice, and was not taken back. */
static int count_standing(const json_t *journal)
{
    int standing = 0;
    bool back = false;
    size_t i;
    json_t *step;
    json_array_foreach((json_t *)(uintptr_t)journal, i, step)
    {
        bool child =
            is_kind(step, "start") && rv_json_bool(json_object_get(step, "out"), "ok", false);
        bool done = is_kind(step, "action") && (strcmp(result_of(step), "executed") == 0 ||
                                                strcmp(result_of(step), "repeated") == 0);
        standing += child || done;
        back = back || is_kind(step, "compensation");
    }
    return back ? 0 : standing;
}

static int32_t last_good(const json_t *journal)
{
    size_t at = 0;
    size_t first_action = 0; /* its number */
    bool back = false;
    size_t count = json_array_size(journal);
    while (at < count && !is_end(json_array_get(journal, at))) {
        at++;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *step = json_array_get(journal, i);
        first_action = first_action == 0 && is_kind(step, "action") ? i + 1 : first_action;
        back = back || is_kind(step, "compensation");
    }
    if (back && first_action > 0 && at >= first_action) {
        at = first_action - 1; /* the answers from there on are not true any more */
    }
    while (at > 0 && is_half(json_array_get(journal, at - 1))) {
        at--;
    }
    return (int32_t)at;
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

static enum rv_code look(const struct reviving *all, const struct rv_run_fork *fork, json_t **facts,
                         struct rv_error *err)
{
    struct rv_args *args = rv_args_create(&rv_sql_run_fork_look);
    rv_args_i64(args, 2, fork->run);
    rv_args_i32(args, 3, fork->at);
    rv_args_text(args, 4, fork->version);
    json_decref(*facts);
    *facts = NULL;
    enum rv_code code = rv_db_session_query(all->session, all->tenant, &rv_sql_run_fork_look, args,
                                            cli_take_json, facts, err);
    return code == RV_OK ? rv_fork_check(*facts, fork, err) : code;
}

/* Goes the way up to there again: does it lead there, and does it lead on? */
static enum rv_code try_it(const json_t *history, const json_t *facts,
                           const struct rv_run_fork *fork, struct rv_error *err)
{
    json_t *copy = json_deep_copy(history);
    json_t *journal = json_object_get(copy, "journal");
    while (json_array_size(journal) > (size_t)fork->at) {
        json_array_remove(journal, json_array_size(journal) - 1);
    }
    json_object_set_new(copy, "status", json_string("planning"));
    json_object_del(copy, "result");
    json_object_set_new(copy, "input", rv_fork_input(facts, fork));
    struct rv_replay_report report;
    enum rv_code code = rv_replay(copy, rv_json_str(facts, "new_source", NULL), &report, err);
    bool ends = strcmp(rv_json_str(report.next, "kind", ""), "note") == 0 &&
                strcmp(rv_json_str(report.next, "name", ""), "end") == 0;
    if (code == RV_OK && report.verdict == RV_REPLAY_DIFFERS) {
        code = rv_fail(err, RV_CONFLICT,
                       "up to step %d, which stands, it would do something else: "
                       "%.300s",
                       fork->at, report.text);
        rv_hint(err, "What the first run did must not be done twice: change less.");
    } else if (code == RV_OK && ends) {
        const json_t *said = json_object_get(report.next, "args");
        code = rv_fail(err, RV_CONFLICT, "it would fail again after step %d: %.300s", fork->at,
                       rv_json_str(said, "message", ""));
        rv_hint(err,
                "Publish a better plan and give it with --agent-version, give another --input, "
                "or begin earlier: reeve run fork --at-step.");
    }
    rv_replay_report_fini(&report);
    json_decref(copy);
    return code;
}

/* Finds where `fork` shall begin. */
static enum rv_code find_start(const struct reviving *all, const char *name,
                               struct rv_run_fork *fork, struct rv_error *err)
{
    json_t *history = NULL;
    json_t *facts = NULL;
    enum rv_code code = cli_run_history(all->cli, name, &history, err);
    if (code != RV_OK) {
        return code;
    }
    const json_t *journal = json_object_get(history, "journal");
    bool from_start = fork->input != NULL && count_standing(journal) == 0;
    fork->at = from_start ? 0 : last_good(journal);
    if (strcmp(rv_json_str(history, "status", ""), "diverged") == 0) {
        struct rv_replay_report report;
        code = rv_replay(history, NULL, &report, err);
        const json_t *differs = code == RV_OK ? report.difference : NULL;
        int64_t step = rv_json_int(differs, "step", fork->at + 1);
        fork->at = step - 1 < fork->at ? (int32_t)step - 1 : fork->at;
        rv_replay_report_fini(&report);
    }
    code = code == RV_OK ? look(all, fork, &facts, err) : code;
    for (int back = 0; code != RV_OK && fork->at > 0 && facts != NULL && back < BACK_MAX &&
                       (err->code == RV_INVALID || err->code == RV_CONFLICT);
         back++) {
        fork->at--;
        rv_error_clear(err);
        code = look(all, fork, &facts, err);
    }
    if (code == RV_OK) {
        code = try_it(history, facts, fork, err);
    }
    json_decref(facts);
    json_decref(history);
    return code;
}

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
    const char *name = rv_json_str(dead, "run", "");
    const char *before = rv_json_str(dead, "revived", NULL);
    fork.run = rv_json_int(dead, "id", 0);
    enum rv_code code = RV_OK;
    if (strcmp(rv_json_str(dead, "class", ""), "unread") == 0) {
        code = rv_fail(&err, RV_CONFLICT, "%s ended well; it is its message that nobody has read",
                       name);
        rv_hint(&err, "See it: reeve run dead %s.  Send it to a run that is open.", name);
    } else if (before != NULL) {
        code = rv_fail(&err, RV_CONFLICT, "%s goes on for %s already", before, name);
        rv_hint(&err, "Should that one have failed, revive it: reeve run revive %s.", before);
    } else {
        code = find_start(all, name, &fork, &err);
    }
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
    const char *reason = cli_option(cli, "reason");
    if (reason != NULL && (reason[0] == '\0' || strlen(reason) > REASON_MAX)) {
        return rv_fail(err, RV_INVALID, "--reason must be 1 to %d bytes", REASON_MAX);
    }
    if (cli->argc == 0 && cli_option(cli, "class") == NULL && cli_option(cli, "agent") == NULL &&
        cli_option(cli, "error") == NULL) {
        rv_fail(err, RV_INVALID, "which runs? name them, or give a filter");
        rv_hint(err, "See them with reeve run dead; then --class, --agent or --error.");
        return RV_INVALID;
    }
    return RV_OK;
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
    json_t *dead = json_array();
    bool yes = cli_flag(cli, "yes");
    struct reviving all = {.cli = cli, .principal = {.kind = RV_PRINCIPAL_PERSON}};
    enum rv_code code = check_wish(cli, &err);
    if (code == RV_OK) {
        code = cli_object(cli, "input", &input, &err);
    }
    if (code == RV_OK) {
        code = place_company(cli, &all.session, &all.tenant, &err);
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
    all.fork = (struct rv_run_fork){.version = cli_option(cli, "agent-version"),
                                    .input = input,
                                    .revive = true,
                                    .reason = cli_option(cli, "reason")};
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
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    return all.failed == 0 ? 0 : all.first.code == RV_DENIED ? 3 : 1;
}
