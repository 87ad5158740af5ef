/* cmd_run_search.c -- finding runs by how they stand, and doing something about many at once.
 *
 * cancel, retry and fork first say what they would do; --yes does it, run by run through the gate.
 */
#include "cli_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/words.h"
#include "runtime/cli/admin.h"
#include "runtime/cli/place.h"
#include "runtime/run/bulk.h"
#include "runtime/run/search.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS_SHOWN = 200, DAYS_MAX = 36600 }; /* an age */

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

/* --stuck, --standing and --retrying are a status in other words. */
static enum rv_code status_word(const struct cli *cli, const char **status, struct rv_error *err)
{
    static const char *const words[] = {"stuck", "standing", "retrying"};
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
    return rv_words_need("STATUS", *status, rv_run_status_words, err);
}

/* What was asked for as run_find takes it.  New reference. */
static enum rv_code read_filter(const struct cli *cli, const char *status, json_t **out,
                                struct rv_error *err)
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
        code =
            rv_words_need("--error", or_empty(cli_option(cli, "error")), rv_run_error_words, err);
    }
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

static const struct rv_run_filter_names as_typed = {"--waiting-on", "--role", "--agent"};

/* What is looked for, those of a view changed by those that were typed; new reference. */
static enum rv_code read_wanted(const struct cli *cli, struct rv_db_session *session,
                                int32_t tenant, const char *status, json_t **out,
                                struct rv_error *err)
{
    json_t *asked = NULL;
    json_t *kept = NULL;
    const char *view = cli_option(cli, "view");
    enum rv_code code = read_filter(cli, status, &asked, err);
    if (code == RV_OK && view != NULL) {
        code = read_view(session, tenant, view, &kept, err);
    }
    if (code == RV_OK) {
        *out = json_object();
        json_object_update(*out, kept);
        json_object_update(*out, asked);
        code = rv_run_filter_check(session, tenant, *out, &as_typed, NULL, err);
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
    enum rv_code code = read_filter(cli, status, &asked, &err);
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
        code = rv_run_filter_check(admin.session, admin.tenant, asked, &as_typed, NULL, &err);
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
        if (code == RV_NOT_FOUND) {
            rv_error_clear(&err);
            rv_fail(&err, RV_NOT_FOUND,
                    "there is no view \"%.80s\": it is forgotten already, or never was",
                    cli->argv[0]);
            rv_hint(&err, "See them: reeve run views.");
        }
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
    int64_t limit = 0;
    json_t *filter = NULL;
    const char *status = cli->argc > 0 ? cli->argv[0] : or_empty(cli_option(cli, "status"));
    if (cli->argc > 0 && cli_option(cli, "status") != NULL &&
        strcmp(status, cli_option(cli, "status")) != 0) {
        rv_fail(&err, RV_INVALID, "--status: the runs cannot be \"%.80s\" at the same time",
                status);
        rv_hint(&err, "Give one of the two.");
        return cli_fail(cli, &err);
    }
    if (cli_option(cli, "save") != NULL) {
        return save_view(cli, status, cli_option(cli, "save"));
    }
    json_t *checked = NULL; /* what is typed wrong is said before a database is needed */
    enum rv_code code = read_filter(cli, status, &checked, &err);
    json_decref(checked);
    if (code == RV_OK) {
        code = place_session(cli, &session, &err);
    }
    if (code == RV_OK) {
        code = cli_tenant(cli, session, &tenant, &err);
    }
    if (code == RV_OK) {
        code = cli_integer(cli, "limit", RUNS_SHOWN, 1, RV_BULK_MAX, &limit, &err);
    }
    if (code == RV_OK) {
        code = read_wanted(cli, session, tenant, status, &filter, &err);
    }
    if (code == RV_OK) {
        struct rv_args *args = rv_args_create(&rv_sql_cli_runs);
        rv_args_json(args, 2, filter);
        rv_args_i32(args, 3, (int32_t)limit);
        code = cli_print_query(cli, session, tenant, &rv_sql_cli_runs, args, NULL, &err);
    }
    json_decref(filter);
    rv_db_session_close(session);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

/* ---- many at once ---- */

/* The runs that are named; NULL where none is.  New reference. */
static enum rv_code read_names(const struct cli *cli, json_t **out, struct rv_error *err)
{
    enum rv_code code = RV_OK;
    *out = cli->argc > 0 ? json_array() : NULL;
    for (int i = 0; i < cli->argc && code == RV_OK; i++) {
        int64_t run = 0;
        code = cli_run_id(cli->argv[i], &run, err);
        json_array_append_new(*out, json_integer(run));
    }
    return code;
}

/* Never "all" by leaving names and filters away. */
static enum rv_code need_some(const struct cli *cli, enum rv_bulk_act act, bool by_status,
                              struct rv_error *err)
{
    if (cli->argc > 0 || filtered(cli) || by_status) {
        return RV_OK;
    }
    rv_fail(err, RV_INVALID, "which runs? name them, or give a filter");
    if (act == RV_BULK_RETRY) { /* it has no --status: there is one that it is about */
        rv_hint(err,
                "See reeve help run retry; those that failed at one thing: --error CODE, those "
                "that began long ago: --older 1d.");
    } else {
        rv_hint(err, "See reeve help run %s; all %s ones: --status %s.", rv_bulk_act_name(act),
                strcmp(rv_bulk_status_all(act), "over") == 0 ? "finished" : "open",
                rv_bulk_status_all(act));
    }
    return RV_INVALID;
}

static enum rv_code choose(const struct cli *cli, struct rv_db_session *session, int32_t tenant,
                           const char *status, struct rv_bulk_wish *wish, struct rv_bulk *bulk,
                           struct rv_error *err)
{
    int64_t limit = 0;
    json_t *filter = NULL;
    json_t *runs = NULL;
    enum rv_code code = read_names(cli, &runs, err);
    if (code == RV_OK) {
        code = cli_integer(cli, "limit", RV_BULK_MAX, 1, RV_BULK_MAX, &limit, err);
    }
    if (code == RV_OK) {
        code = read_wanted(cli, session, tenant, status, &filter, err);
    }
    if (code == RV_OK) {
        wish->filter = filter;
        wish->runs = runs;
        code = rv_bulk_choose(session, tenant, wish, limit, bulk, err);
    }
    if (code == RV_OK && bulk->first != NULL) { /* one that was named is none of them */
        *err = *bulk->first;
        code = err->code;
    }
    json_decref(filter);
    json_decref(runs);
    wish->filter = NULL;
    wish->runs = NULL;
    return code;
}

static void say_chosen(const struct cli *cli, const struct rv_bulk_wish *wish,
                       const struct rv_bulk *bulk, bool yes)
{
    static const char *const now[RV_BULK_ACTS] = {"is asked to stop", "has a new run",
                                                  "goes on as"};
    const char *done = rv_bulk_done_word(wish->act);
    for (int i = 0; i < bulk->count; i++) {
        const struct rv_bulk_one *one = &bulk->list[i];
        if (cli->json) {
            cli_print_json(&cli->output, rv_bulk_json(wish, one, yes));
        } else if (one->err != NULL) {
            cli_print(&cli->output, "r_%" PRId64 "  %s  not %s: %s", one->run, one->agent, done,
                      one->err->message);
        } else if (yes && wish->act == RV_BULK_FORK) {
            cli_print(&cli->output, "r_%" PRId64 "  %s  %s  %s r_%" PRId64, one->run, one->agent,
                      one->status, now[wish->act], one->id);
        } else {
            cli_print(&cli->output, "r_%" PRId64 "  %s  %s  %s%s", one->run, one->agent,
                      one->status, yes ? now[wish->act] : "would be ", yes ? "" : done);
        }
    }
}

static void say_count(const struct cli *cli, const struct rv_bulk_wish *wish,
                      const struct rv_bulk *bulk, bool yes)
{
    if (bulk->count == 0) {
        cli_say(&cli->output, "no such runs");
    } else if (!yes) {
        cli_say(&cli->output, "%d runs; nothing was done: add --yes", bulk->count);
    } else {
        cli_say(&cli->output, "%d of %d runs %s", bulk->count - bulk->refused, bulk->count,
                rv_bulk_done_word(wish->act));
    }
}

static void set_true(void *data)
{
    *(bool *)data = true;
}

static enum rv_code act(struct cli *cli, struct rv_db_session *session, int32_t tenant,
                        const struct rv_bulk_wish *wish, struct rv_bulk *bulk, struct rv_error *err)
{
    struct rv_principal principal = {.kind = RV_PRINCIPAL_PERSON};
    struct node *node = NULL;
    bool done = false;
    enum rv_code code = cli_person(cli, session, tenant, &principal, err);
    if (code == RV_OK) {
        code = place_node(cli, &node, err);
    }
    if (code == RV_OK) {
        const struct rv_bulk_place place = {.gate = node->gate,
                                            .db = node->db,
                                            .tenant = tenant,
                                            .principal = &principal,
                                            .resolutions_of = node_resolutions_of};
        rv_bulk_do(&place, wish, bulk, set_true, &done);
        node_wait(node, &done, 0);
    }
    node_close(node);
    return code;
}

/* `status` as typed; `wish` without its runs. */
static int bulk_run(struct cli *cli, const char *status, bool by_status, struct rv_bulk_wish *wish)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    struct rv_bulk bulk = {.list = NULL};
    int32_t tenant = 0;
    bool yes = cli_flag(cli, "yes");
    enum rv_code code = need_some(cli, wish->act, by_status, &err);
    if (code == RV_OK) {
        code = place_company(cli, &session, &tenant, &err);
    }
    if (code == RV_OK) {
        code = choose(cli, session, tenant, status, wish, &bulk, &err);
    }
    if (code == RV_OK) {
        rv_bulk_check(session, tenant, wish, &bulk);
    }
    if (code == RV_OK && bulk.first != NULL &&
        bulk.count == 1) { /* that was meant: with its hint */
        err = *bulk.first;
        code = err.code;
    }
    if (code == RV_OK && yes && bulk.count > 0) {
        code = act(cli, session, tenant, wish, &bulk, &err);
    }
    if (code == RV_OK) {
        say_chosen(cli, wish, &bulk, yes);
        say_count(cli, wish, &bulk, yes);
    }
    int status_code = bulk.first == NULL ? 0 : bulk.first->code == RV_DENIED ? 3 : 1;
    rv_db_session_close(session);
    rv_bulk_fini(&bulk);
    return code == RV_OK ? status_code : cli_fail(cli, &err);
}

int cmd_run_cancel(struct cli *cli)
{
    const char *status = cli_option(cli, "status");
    struct rv_error err = {.code = RV_OK};
    struct rv_bulk_wish wish = {.act = RV_BULK_CANCEL, .reason = cli_option(cli, "reason")};
    if (rv_words_need("--status", or_empty(status), rv_bulk_status_words(RV_BULK_CANCEL), &err) !=
        RV_OK) {
        return cli_fail(cli, &err);
    }
    return bulk_run(cli, or_empty(status), status != NULL, &wish);
}

int cmd_run_retry(struct cli *cli)
{
    struct rv_bulk_wish wish = {.act = RV_BULK_RETRY};
    return bulk_run(cli, "failed", false, &wish);
}

int cmd_run_fork(struct cli *cli)
{
    const char *status = cli_option(cli, "status");
    const char *input = cli_option(cli, "input");
    struct rv_error err = {.code = RV_OK};
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
        code =
            rv_words_need("--status", or_empty(status), rv_bulk_status_words(RV_BULK_FORK), &err);
    }
    int result = 0;
    if (code == RV_OK) {
        struct rv_bulk_wish wish = {.act = RV_BULK_FORK,
                                    .fork = {.at = (int32_t)at,
                                             .version = cli_option(cli, "agent-version"),
                                             .input = changed}};
        result = bulk_run(cli, or_empty(status), status != NULL, &wish);
    }
    json_decref(changed);
    return code == RV_OK ? result : cli_fail(cli, &err);
}
