/* cmd_run_search.c -- finding runs by how they stand, and doing something about many at once.
 *
 * cancel, retry and fork first say what they would do; --yes does it, run by run through the gate.
 */
#include "cli_sql.h"
#include "run_sql.h"
#include "runtime/base/check.h"
#include "runtime/cli/admin.h"
#include "runtime/cli/place.h"
#include "runtime/run/fork.h"
#include "runtime/run/replay.h"
#include "runtime/run/run.h"
#include "runtime/run/search.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS_SHOWN = 200, RUNS_AT_ONCE_MAX = 10000, DAYS_MAX = 36600 }; /* an age */

/* ---- what is looked for ---- */

static enum rv_code read_age(const struct cli *cli, int64_t *out, struct rv_error *err)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    const char *text = cli_option(cli, "older");
    *out = 0;
    if (text == NULL) {
        return RV_OK;
    }
    char *end = NULL;
    long long number = strtoll(text, &end, 10);
    for (size_t i = 0; i < RV_COUNT(units); i++) {
        if (end != text && *end == units[i].unit && end[1] == '\0' && number > 0 &&
            number <= DAYS_MAX * INT64_C(86400) / units[i].seconds) {
            *out = number * units[i].seconds;
            return RV_OK;
        }
    }
    rv_fail(err, RV_INVALID, "--older: \"%s\" is not an age", text);
    rv_hint(err, "Give a number with s, m, h or d: --older 90s, --older 30d.");
    return RV_INVALID;
}

static bool filtered(const struct cli *cli)
{
    return cli_option(cli, "waiting-on") != NULL || cli_option(cli, "role") != NULL ||
           cli_option(cli, "view") != NULL || cli_flag(cli, "stuck") || cli_flag(cli, "retrying") ||
           cli_option(cli, "agent") != NULL || cli_option(cli, "key") != NULL ||
           cli_option(cli, "error") != NULL || cli_option(cli, "older") != NULL;
}

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

/* --stuck and --retrying are a status in other words. */
static enum rv_code status_word(const struct cli *cli, const char **status, struct rv_error *err)
{
    static const char *const words[] = {"stuck", "retrying"};
    for (size_t i = 0; i < RV_COUNT(words); i++) {
        if (cli_flag(cli, words[i])) {
            if ((*status)[0] != '\0' && strcmp(*status, words[i]) != 0 &&
                strcmp(*status, "open") != 0) {
                rv_fail(err, RV_INVALID, "--%s: the runs cannot be \"%s\" at the same time",
                        words[i], *status);
                rv_hint(err, "Give one of the two.");
                return RV_INVALID;
            }
            *status = words[i];
        }
    }
    return rv_run_need_word("STATUS", *status, rv_run_status_words, err);
}

/* What was asked for as run_find takes it; `runs`: an array of ids or NULL.  New reference. */
static enum rv_code read_filter(const struct cli *cli, const char *status, const json_t *runs,
                                json_t **out, struct rv_error *err)
{
    static const struct {
        const char *option, *key;
    } texts[] = {{"waiting-on", "waiting_on"},
                 {"role", "role"},
                 {"agent", "agent"},
                 {"key", "key"},
                 {"error", "error"}};
    int64_t older = 0;
    enum rv_code code = status_word(cli, &status, err);
    if (code == RV_OK) {
        code = read_age(cli, &older, err);
    }
    if (code != RV_OK) {
        return code;
    }
    json_t *filter = json_object();
    if (status[0] != '\0') {
        json_object_set_new(filter, "status", json_string(status));
    }
    for (size_t i = 0; i < RV_COUNT(texts); i++) {
        const char *text = cli_option(cli, texts[i].option);
        if (text != NULL) {
            json_object_set_new(filter, texts[i].key, json_string(text));
        }
    }
    if (older > 0) {
        json_object_set_new(filter, "older", json_integer(older));
    }
    if (runs != NULL) {
        json_object_set(filter, "runs", (json_t *)(uintptr_t)runs);
    }
    *out = filter;
    return RV_OK;
}

/* The filter of a view; new reference. */
static enum rv_code read_view(struct rv_db_session *session, int32_t tenant, const char *name,
                              json_t **out, struct rv_error *err)
{
    struct rv_args *args = rv_args_create(&rv_sql_cli_run_view);
    rv_args_text(args, 2, name);
    enum rv_code code =
        rv_db_session_query(session, tenant, &rv_sql_cli_run_view, args, cli_take_json, out, err);
    if (code == RV_OK && *out == NULL) {
        code = rv_fail(err, RV_NOT_FOUND, "--view: there is no view \"%.80s\"", name);
        rv_hint(err, "See them: reeve run views; make one: reeve run list --save NAME.");
    }
    return code;
}

/* ---- roles: what is no kind of waiting is taken for one ---- */

struct role_answer {
    bool known;
    char roles[256];
};

static enum rv_code take_role(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)err;
    struct role_answer *answer = data;
    answer->known = rv_result_bool(result, row, 0);
    snprintf(answer->roles, sizeof answer->roles, "%s", rv_result_text(result, row, 1));
    return RV_OK;
}

/* A role that the company does not have is a mistake, and not one for which nothing waits. */
static enum rv_code check_role(struct rv_db_session *session, int32_t tenant, const char *parameter,
                               const char *word, bool waits, struct rv_error *err)
{
    struct role_answer answer = {.known = false};
    if (word[0] == '\0' || (waits && rv_run_is_word(word, rv_run_wait_words))) {
        return RV_OK;
    }
    struct rv_args *args = rv_args_create(&rv_sql_run_role_known);
    rv_args_text(args, 2, word);
    enum rv_code code =
        rv_db_session_query(session, tenant, &rv_sql_run_role_known, args, take_role, &answer, err);
    return code != RV_OK || answer.known
               ? code
               : rv_run_no_role(parameter, word, waits, answer.roles, err);
}

static enum rv_code check_roles(struct rv_db_session *session, int32_t tenant, const json_t *filter,
                                struct rv_error *err)
{
    enum rv_code code = check_role(session, tenant, "--waiting-on",
                                   rv_json_str(filter, "waiting_on", ""), true, err);
    return code == RV_OK
               ? check_role(session, tenant, "--role", rv_json_str(filter, "role", ""), false, err)
               : code;
}

/* What is looked for: `status` is what was typed, `otherwise` what holds where neither that nor the
 * view says one. */
struct wanted {
    const char *status;
    const char *otherwise;
    const json_t *runs;
    int64_t limit; /* without --limit */
};

/* The arguments of cli_runs and cli_runs_chosen. */
static enum rv_code filter(const struct cli *cli, struct rv_db_session *session, int32_t tenant,
                           const struct rv_statement *statement, const struct wanted *wanted,
                           struct rv_args **out, struct rv_error *err)
{
    int64_t limit = 0;
    json_t *asked = NULL;
    json_t *kept = NULL;
    const char *view = cli_option(cli, "view");
    enum rv_code code = read_filter(cli, wanted->status, wanted->runs, &asked, err);
    if (code == RV_OK) {
        code = cli_integer(cli, "limit", wanted->limit, 1, RUNS_AT_ONCE_MAX, &limit, err);
    }
    if (code == RV_OK && view != NULL) {
        code = read_view(session, tenant, view, &kept, err);
    }
    if (code == RV_OK) {
        json_t *all = json_pack("{s:s}", "status", wanted->otherwise);
        json_object_update(all, kept);
        json_object_update(all, asked);
        code = check_roles(session, tenant, all, err);
        if (code == RV_OK) {
            *out = rv_args_create(statement);
            rv_args_json(*out, 2, all);
            rv_args_i32(*out, 3, (int32_t)limit);
        }
        json_decref(all);
    }
    json_decref(asked);
    json_decref(kept);
    return code;
}

/* ---- views ---- */

enum { VIEW_NAME_MAX = 60 };

static int save_view(struct cli *cli, const char *status, const char *name)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    json_t *asked = NULL;
    enum rv_code code = read_filter(cli, status, NULL, &asked, &err);
    if (code == RV_OK && (name[0] == '\0' || strlen(name) > VIEW_NAME_MAX)) {
        code = rv_fail(&err, RV_INVALID, "--save: a name has 1 to %d bytes", VIEW_NAME_MAX);
    } else if (code == RV_OK && cli_option(cli, "view") != NULL) {
        code = rv_fail(&err, RV_INVALID, "--save: a view is not made of another; give its filters");
    }
    if (code != RV_OK) {
        json_decref(asked);
        return cli_fail(cli, &err);
    }
    code = admin_begin(cli, ADMIN_WORK, "run.view.save",
                       json_pack("{s:s,s:O}", "name", name, "filter", asked), &admin, &err);
    if (code == RV_OK) {
        code = check_roles(admin.session, admin.tenant, asked, &err);
    }
    if (code == RV_OK) {
        struct rv_args *args = rv_args_create(&rv_sql_cli_run_view_save);
        rv_args_i32(args, 1, admin.tenant);
        rv_args_text(args, 2, name);
        rv_args_json(args, 3, asked);
        rv_args_text(args, 4, admin.person.id);
        code = rv_db_session_change_one(admin.session, admin.tenant, &rv_sql_cli_run_view_save,
                                        args, "view", &err);
    }
    code = admin_end(&admin, code, &err);
    if (code == RV_OK && cli->json) {
        cli_print_json(&cli->output, json_pack("{s:s,s:O}", "view", name, "filter", asked));
    } else if (code == RV_OK) {
        cli_print(&cli->output, "view %s is kept: reeve run list --view %s", name, name);
    }
    json_decref(asked);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

int cmd_run_views(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    enum rv_code code = place_company(cli, &session, &tenant, &err);
    if (code == RV_OK) {
        code = cli_print_query(cli, session, tenant, &rv_sql_cli_run_views, NULL, NULL, &err);
    }
    rv_db_session_close(session);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

int cmd_run_forget(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct admin admin = {.cli = cli};
    enum rv_code code = admin_begin(cli, ADMIN_WORK, "run.view.forget",
                                    json_pack("{s:s}", "name", cli->argv[0]), &admin, &err);
    if (code == RV_OK) {
        struct rv_args *args = rv_args_create(&rv_sql_cli_run_view_forget);
        rv_args_i32(args, 1, admin.tenant);
        rv_args_text(args, 2, cli->argv[0]);
        code = rv_db_session_change_one(admin.session, admin.tenant, &rv_sql_cli_run_view_forget,
                                        args, "view", &err);
    }
    code = admin_end(&admin, code, &err);
    if (code == RV_OK && cli->json) {
        cli_print_json(&cli->output, json_pack("{s:s}", "forgotten", cli->argv[0]));
    } else if (code == RV_OK) {
        cli_print(&cli->output, "view %s is forgotten", cli->argv[0]);
    }
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

/* ---- the list ---- */

int cmd_run_list(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    struct rv_args *args = NULL;
    const char *status = cli->argc > 0 ? cli->argv[0] : "";
    if (cli_option(cli, "save") != NULL) {
        return save_view(cli, status, cli_option(cli, "save"));
    }
    json_t *checked = NULL; /* what is typed wrong is said before a database is needed */
    enum rv_code code = read_filter(cli, status, NULL, &checked, &err);
    json_decref(checked);
    if (code == RV_OK) {
        code = place_session(cli, &session, &err);
    }
    if (code == RV_OK) {
        code = cli_tenant(cli, session, &tenant, &err);
    }
    if (code == RV_OK) {
        struct wanted wanted = {.status = status, .otherwise = "", .limit = RUNS_SHOWN};
        code = filter(cli, session, tenant, &rv_sql_cli_runs, &wanted, &args, &err);
    }
    if (code == RV_OK) {
        code = cli_print_query(cli, session, tenant, &rv_sql_cli_runs, args, NULL, &err);
    }
    rv_db_session_close(session);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

/* ---- many at once ---- */

struct chosen {
    int64_t run;
    char status[16];
    char *agent;
    char *exception; /* hexadecimal key; empty when it has none */
    char *error;
    char *answer; /* of the gate; NULL: not asked, or done */
    int64_t id;   /* of the new run */
    bool done;
};

struct bulk;
/* Before anything is done, also for a preview. */
typedef enum rv_code (*bulk_check)(struct bulk *bulk, struct rv_db_session *session, int32_t tenant,
                                   const struct chosen *chosen, struct rv_error *err);

struct bulk {
    struct cli *cli;
    struct rv_run_fork fork; /* of the command fork */
    struct chosen *list;
    int count;
    struct rv_error first; /* that was refused */
};

static void chosen_free(struct bulk *bulk)
{
    for (int i = 0; i < bulk->count; i++) {
        rv_free(bulk->list[i].agent);
        rv_free(bulk->list[i].exception);
        rv_free(bulk->list[i].error);
        rv_free(bulk->list[i].answer);
    }
    rv_free(bulk->list);
}

static enum rv_code take_chosen(void *data, const struct rv_result *result, int row,
                                struct rv_error *err)
{
    (void)err;
    struct bulk *bulk = data;
    bulk->list = rv_realloc(bulk->list, (size_t)(bulk->count + 1) * sizeof *bulk->list);
    struct chosen *chosen = &bulk->list[bulk->count++];
    *chosen = (struct chosen){.run = rv_result_i64(result, row, 0),
                              .agent = rv_strdup(rv_result_text(result, row, 2)),
                              .exception = rv_strdup(or_empty(rv_result_text(result, row, 3))),
                              .error = rv_strdup(rv_result_text(result, row, 4))};
    snprintf(chosen->status, sizeof chosen->status, "%s", rv_result_text(result, row, 1));
    return RV_OK;
}

struct standing {
    char status[16];
    char why[200];
};

static enum rv_code take_standing(void *data, const struct rv_result *result, int row,
                                  struct rv_error *err)
{
    (void)err;
    struct standing *standing = data;
    snprintf(standing->status, sizeof standing->status, "%s", rv_result_text(result, row, 1));
    snprintf(standing->why, sizeof standing->why, "%s", rv_result_text(result, row, 4));
    return RV_OK;
}

/* A run that was named and that the filters do not give: says why.  `open`: the command is about
 * open ones. */
static enum rv_code not_chosen(struct rv_db_session *session, int32_t tenant, const char *name,
                               int64_t run, bool open, struct rv_error *err)
{
    struct standing standing = {.status = ""};
    json_t *one = json_pack("{s:[I]}", "runs", (json_int_t)run);
    struct rv_args *args = rv_args_create(&rv_sql_cli_runs_chosen);
    rv_args_json(args, 2, one);
    rv_args_i32(args, 3, 1);
    json_decref(one);
    enum rv_code code = rv_db_session_query(session, tenant, &rv_sql_cli_runs_chosen, args,
                                            take_standing, &standing, err);
    if (code != RV_OK) {
        return code;
    }
    if (standing.status[0] == '\0') {
        code = rv_fail(err, RV_NOT_FOUND, "no run %.60s", name);
        rv_hint(err, "See the runs: reeve run list.");
    } else if (open && rv_run_state_final(rv_run_state_from_name(standing.status))) {
        code = rv_fail(err, RV_NOT_FOUND, "run %.60s is over: %s%s%.120s", name, standing.status,
                       standing.why[0] != '\0' ? ", " : "", standing.why);
        rv_hint(err, "See how it ended: reeve explain %.60s.", name);
    } else {
        code = rv_fail(err, RV_NOT_FOUND,
                       "run %.60s is %s: it is none of those that the command is about", name,
                       standing.status);
        rv_hint(err, "See it: reeve run show %.60s.", name);
    }
    return code;
}

/* The runs of the arguments, or of the filters; never "all" by leaving both away. */
static enum rv_code choose(struct bulk *bulk, struct rv_db_session *session, int32_t tenant,
                           const char *status, const char *otherwise, bool by_status,
                           struct rv_error *err)
{
    struct cli *cli = bulk->cli;
    struct rv_args *args = NULL;
    json_t *runs = cli->argc > 0 ? json_array() : NULL;
    enum rv_code code = RV_OK;
    for (int i = 0; i < cli->argc && code == RV_OK; i++) {
        int64_t run = 0;
        code = cli_run_id(cli->argv[i], &run, err);
        json_array_append_new(runs, json_integer(run));
    }
    if (code == RV_OK && runs == NULL && !filtered(cli) && !by_status) {
        code = rv_fail(err, RV_INVALID, "which runs? name them, or give a filter");
        rv_hint(err, "See reeve help run %s; all open ones: --status open.", cli->command->verb);
    }
    if (code == RV_OK) {
        struct wanted wanted = {status, otherwise, runs, RUNS_AT_ONCE_MAX};
        code = filter(cli, session, tenant, &rv_sql_cli_runs_chosen, &wanted, &args, err);
    }
    if (code == RV_OK) {
        code = rv_db_session_query(session, tenant, &rv_sql_cli_runs_chosen, args, take_chosen,
                                   bulk, err);
    }
    if (code == RV_OK && runs != NULL && (size_t)bulk->count < json_array_size(runs)) {
        size_t i;
        json_t *run;
        json_array_foreach(runs, i, run)
        {
            bool found = false;
            for (int k = 0; k < bulk->count; k++) {
                found = found || bulk->list[k].run == json_integer_value(run);
            }
            if (!found && code == RV_OK) {
                code = not_chosen(session, tenant, cli->argv[i], json_integer_value(run),
                                  strcmp(otherwise, "open") == 0, err);
            }
        }
    }
    json_decref(runs);
    return code;
}

/* A run that was cancelled has not stopped yet. */
static const char asked_to_stop[] = "asked to stop";

struct asked {
    struct bulk *bulk;
    struct chosen *chosen;
};

static void on_asked(void *data, enum rv_code code, int64_t id, const struct rv_error *err)
{
    struct asked *asked = data;
    asked->chosen->done = true;
    asked->chosen->id = id;
    if (code != RV_OK) {
        asked->chosen->answer = rv_strdup(err->message);
        if (asked->bulk->first.code == RV_OK) {
            asked->bulk->first = *err;
        }
    }
}

/* `verb`: what was done, or would be; in JSON with "_" between its words. */
static void say_chosen(const struct bulk *bulk, bool yes, const char *verb, const char *done)
{
    char field[32];
    snprintf(field, sizeof field, "%s", verb);
    for (char *at = field; *at != '\0'; at++) {
        *at = *at == ' ' ? '_' : *at;
    }
    for (int i = 0; i < bulk->count; i++) {
        const struct chosen *chosen = &bulk->list[i];
        if (bulk->cli->json) {
            char name[32];
            char next[32] = "";
            snprintf(name, sizeof name, "r_%" PRId64, chosen->run);
            json_t *line =
                json_pack("{s:s,s:s,s:s,s:b}", "run", name, "agent", chosen->agent, "status",
                          chosen->status, field, yes && chosen->answer == NULL);
            if (chosen->answer != NULL) {
                json_object_set_new(line, "message", json_string(chosen->answer));
            } else if (yes && chosen->id != 0 && strcmp(verb, asked_to_stop) != 0) {
                snprintf(next, sizeof next, "r_%" PRId64, chosen->id);
                json_object_set_new(line, "new_run", json_string(next));
            }
            cli_print_json(&bulk->cli->output, line);
        } else if (chosen->answer != NULL) {
            cli_print(&bulk->cli->output, "r_%" PRId64 "  %s  not %s: %s", chosen->run,
                      chosen->agent, verb, chosen->answer);
        } else if (yes && strcmp(verb, "forked") == 0) {
            cli_print(&bulk->cli->output, "r_%" PRId64 "  %s  %s  %s r_%" PRId64, chosen->run,
                      chosen->agent, chosen->status, done, chosen->id);
        } else {
            cli_print(&bulk->cli->output, "r_%" PRId64 "  %s  %s  %s%s", chosen->run, chosen->agent,
                      chosen->status, yes ? done : "would be ", yes ? "" : verb);
        }
    }
}

typedef void (*bulk_ask)(struct bulk *bulk, struct node *node, int32_t tenant,
                         const struct rv_principal *principal, struct chosen *chosen,
                         struct asked *asked);

static int check_all(struct bulk *bulk, struct rv_db_session *session, int32_t tenant,
                     bulk_check check)
{
    int failed = 0;
    for (int i = 0; check != NULL && i < bulk->count; i++) {
        struct rv_error err = {.code = RV_OK};
        if (check(bulk, session, tenant, &bulk->list[i], &err) != RV_OK) {
            bulk->list[i].answer = rv_strdup(err.message);
            bulk->first = bulk->first.code == RV_OK ? err : bulk->first;
            failed++;
        }
    }
    return failed;
}

static int bulk_run_checked(struct bulk *given, const char *status, const char *otherwise,
                            bool by_status, const char *verb, const char *done, bulk_check check,
                            bulk_ask ask)
{
    struct cli *cli = given->cli;
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    struct node *node = NULL;
    int32_t tenant = 0;
    bool yes = cli_flag(cli, "yes");
    struct bulk bulk = *given;
    enum rv_code code = place_company(cli, &session, &tenant, &err);
    if (code == RV_OK) {
        code = choose(&bulk, session, tenant, status, otherwise, by_status, &err);
    }
    struct rv_principal principal = {.kind = RV_PRINCIPAL_PERSON};
    if (code == RV_OK && yes && bulk.count > 0) {
        code = cli_person(cli, session, tenant, &principal, &err);
    }
    if (code == RV_OK && yes && bulk.count > 0) {
        code = place_node(cli, &node, &err);
    }
    int failed = code == RV_OK ? check_all(&bulk, session, tenant, check) : 0;
    if (code == RV_OK && failed > 0 &&
        bulk.count == 1) { /* the one that was meant: with its hint */
        code = bulk.first.code;
        err = bulk.first;
    }
    for (int i = 0; code == RV_OK && node != NULL && i < bulk.count; i++) {
        struct asked asked = {&bulk, &bulk.list[i]};
        if (bulk.list[i].answer != NULL) {
            continue;
        }
        ask(&bulk, node, tenant, &principal, &bulk.list[i], &asked);
        node_wait(node, &bulk.list[i].done, 0);
        failed += bulk.list[i].answer != NULL;
    }
    if (code == RV_OK) {
        say_chosen(&bulk, yes, verb, done);
        if (!yes && bulk.count > 0) {
            cli_say(&cli->output, "%d runs; nothing was done: add --yes", bulk.count);
        } else if (bulk.count == 0) {
            cli_say(&cli->output, "no such runs");
        } else {
            cli_say(&cli->output, "%d of %d runs %s", bulk.count - failed, bulk.count, verb);
        }
    }
    node_close(node);
    rv_db_session_close(session);
    chosen_free(&bulk);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    return failed == 0 ? 0 : bulk.first.code == RV_DENIED ? 3 : 1;
}

static int bulk_run(struct cli *cli, const char *status, const char *otherwise, bool by_status,
                    const char *verb, const char *done, bulk_ask ask)
{
    struct bulk bulk = {.cli = cli};
    return bulk_run_checked(&bulk, status, otherwise, by_status, verb, done, NULL, ask);
}

/* ---- cancel ---- */

static void ask_cancel(struct bulk *bulk, struct node *node, int32_t tenant,
                       const struct rv_principal *principal, struct chosen *chosen,
                       struct asked *asked)
{
    const char *reason = cli_option(bulk->cli, "reason");
    rv_run_cancel(node->gate, node->db, tenant, principal, chosen->run,
                  reason != NULL ? reason : asked_to_stop, on_asked, asked);
}

int cmd_run_cancel(struct cli *cli)
{
    const char *status = cli_option(cli, "status");
    struct rv_error err = {.code = RV_OK};
    if (cli_one_of("--status", or_empty(status),
                   "open stuck retrying people created planning executing waiting reviewing "
                   "compensating",
                   &err) != RV_OK) {
        return cli_fail(cli, &err);
    }
    return bulk_run(cli, or_empty(status), "open", status != NULL, asked_to_stop,
                    "is asked to stop", ask_cancel);
}

/* ---- retry ---- */

static void ask_retry(struct bulk *bulk, struct node *node, int32_t tenant,
                      const struct rv_principal *principal, struct chosen *chosen,
                      struct asked *asked)
{
    (void)bulk;
    rv_run_begin_for(node->gate, node->db, tenant, principal, chosen->exception, NULL, NULL,
                     node_resolutions_of, on_asked, asked);
}

int cmd_run_retry(struct cli *cli)
{
    return bulk_run(cli, "failed", "", false, "retried", "has a new run", ask_retry);
}

/* ---- fork ---- */

/* Would the copied part do the same, with the new plan and input?  Nothing is asked or written. */
static enum rv_code check_replay(struct bulk *bulk, const struct chosen *chosen,
                                 const json_t *facts, struct rv_error *err)
{
    char name[32];
    json_t *history = NULL;
    snprintf(name, sizeof name, "r_%" PRId64, chosen->run);
    enum rv_code code = cli_run_history(bulk->cli, name, &history, err);
    if (code != RV_OK) {
        return code;
    }
    json_t *journal = json_object_get(history, "journal");
    while (json_array_size(journal) > (size_t)bulk->fork.at) {
        json_array_remove(journal, json_array_size(journal) - 1);
    }
    json_object_set_new(history, "status", json_string("planning"));
    json_object_del(history, "result");
    json_object_set_new(history, "input", rv_fork_input(facts, &bulk->fork));
    struct rv_replay_report report;
    code = rv_replay(history, rv_json_str(facts, "new_source", NULL), &report, err);
    if (code == RV_OK && report.verdict == RV_REPLAY_DIFFERS) {
        code = rv_fail(err, RV_CONFLICT, "up to step %d it would do something else: %.300s",
                       bulk->fork.at, report.text);
        rv_hint(err, "Fork at an earlier step, before the versions or inputs part.");
    }
    rv_replay_report_fini(&report);
    json_decref(history);
    return code;
}

static enum rv_code check_fork(struct bulk *bulk, struct rv_db_session *session, int32_t tenant,
                               const struct chosen *chosen, struct rv_error *err)
{
    json_t *facts = NULL;
    struct rv_run_fork fork = bulk->fork;
    struct rv_args *args = rv_args_create(&rv_sql_run_fork_look);
    rv_args_i64(args, 2, chosen->run);
    rv_args_i32(args, 3, fork.at);
    rv_args_text(args, 4, fork.version);
    fork.run = chosen->run;
    bulk->fork.run = chosen->run;
    enum rv_code code = rv_db_session_query(session, tenant, &rv_sql_run_fork_look, args,
                                            cli_take_json, &facts, err);
    if (code == RV_OK) {
        code = rv_fork_check(facts, &fork, err);
    }
    if (code == RV_OK && fork.at > 0 && (fork.version != NULL || fork.input != NULL)) {
        code = check_replay(bulk, chosen, facts, err);
    }
    json_decref(facts);
    return code;
}

static void ask_fork(struct bulk *bulk, struct node *node, int32_t tenant,
                     const struct rv_principal *principal, struct chosen *chosen,
                     struct asked *asked)
{
    struct rv_run_fork fork = bulk->fork;
    fork.run = chosen->run;
    rv_run_fork(node->gate, node->db, tenant, principal, &fork, on_asked, asked);
}

int cmd_run_fork(struct cli *cli)
{
    const char *status = cli_option(cli, "status");
    const char *input = cli_option(cli, "input");
    struct rv_error err = {.code = RV_OK};
    struct bulk bulk = {.cli = cli, .fork = {.version = cli_option(cli, "agent-version")}};
    int64_t at = 0;
    json_t *changed = NULL;
    if (cli_option(cli, "at-step") == NULL) {
        return cli_usage(cli, "run fork RUN... --at-step N");
    }
    enum rv_code code = cli_integer(cli, "at-step", 0, 0, INT32_MAX, &at, &err);
    if (code == RV_OK && input != NULL) {
        code = rv_json_parse(input, strlen(input), "--input", &changed, &err);
        if (code == RV_OK && !json_is_object(changed)) {
            code = rv_fail(&err, RV_INVALID,
                           "--input: must be a JSON object, with members of the "
                           "exception that the plan sees");
        }
    }
    if (code == RV_OK) {
        code = cli_one_of("--status", or_empty(status),
                          "over done failed cancelled compensated diverged", &err);
    }
    int result = 0;
    if (code == RV_OK) {
        bulk.fork.at = (int32_t)at;
        bulk.fork.input = changed;
        result = bulk_run_checked(&bulk, or_empty(status), cli->argc > 0 ? "" : "over",
                                  status != NULL, "forked", "goes on as", check_fork, ask_fork);
    }
    json_decref(changed);
    return code == RV_OK ? result : cli_fail(cli, &err);
}
