/* cmd_run_start.c -- a run is begun, or told something: from the command line as through the API.
 */
#include "run_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/text.h"
#include "runtime/cli/place.h"
#include "runtime/lua/given.h"
#include "runtime/run/claim.h"
#include "runtime/run/once.h"
#include "runtime/run/request.h"
#include "runtime/run/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LOOK_MS = 100, WAIT_MAX_S = 86400, STATUS_TEXT = 32, WHY_TEXT = 600, FAILED = 1 };

struct place {
    struct rv_db_session *session;
    int32_t tenant;
    struct rv_principal principal;
    struct node *node;
};

static enum rv_code place_open(struct cli *cli, struct place *place, struct rv_error *err)
{
    enum rv_code code = place_company(cli, &place->session, &place->tenant, err);
    if (code == RV_OK) {
        code = cli_person(cli, place->session, place->tenant, &place->principal, err);
    }
    if (code == RV_OK) {
        code = place_node(cli, &place->node, err);
    }
    return code;
}

static void place_close(const struct place *place)
{
    node_close(place->node);
    rv_db_session_close(place->session);
}

/* ---- start ---- */

struct wish {
    const char *exception; /* NULL: with an input */
    struct rv_run_begin_input with;
};

static enum rv_code check_wish(const struct cli *cli, struct wish *wish, struct rv_error *err)
{
    const char *field = NULL;
    if (wish->exception != NULL &&
        (wish->with.input != NULL || wish->with.key != NULL || wish->with.priority >= 0)) {
        rv_fail(err, RV_INVALID, "--exception excludes --input, --key and --priority");
        rv_hint(err, "The exception is the input, and its key is what the run claims.");
        return RV_INVALID;
    }
    if (wish->exception == NULL && cli->argc == 0) {
        rv_fail(err, RV_INVALID, "which one? name an AGENT, or an open --exception");
        rv_hint(err, "See them: reeve agent list, reeve exception list.");
        return RV_INVALID;
    }
    return wish->exception != NULL ? RV_OK : rv_run_begin_check(&wish->with, &field, err);
}

static void on_claimed(void *data, enum rv_code code, int64_t id, const json_t *claim,
                       const struct rv_error *err)
{
    struct cli_asked *asked = data;
    asked->claim = json_incref((json_t *)(uintptr_t)claim);
    cli_on_asked(data, code, id, err);
}

static enum rv_code start(const struct cli *cli, const struct place *place, const struct wish *wish,
                          int64_t *run, json_t **claim, struct rv_error *err)
{
    struct cli_asked asked = {.done = false};
    struct node *node = place->node;
    if (wish->exception != NULL) {
        rv_run_begin_for(node->gate, node->db, place->tenant, &place->principal, wish->exception,
                         cli->argc > 0 ? cli->argv[0] : NULL, NULL, wish->with.once,
                         node_resolutions_of, cli_on_asked, &asked);
    } else {
        rv_run_begin_with(node->gate, node->db, place->tenant, &place->principal, &wish->with,
                          on_claimed, &asked);
    }
    node_wait(node, &asked.done, 0);
    *run = asked.id;
    *claim = asked.claim;
    if (asked.code != RV_OK) {
        *err = asked.err;
    }
    return asked.code;
}

struct stands {
    char status[STATUS_TEXT];
    char why[WHY_TEXT]; /* it did not end well; "": nothing was said */
};

static enum rv_code take_stands(void *data, const struct rv_result *result, int row,
                                struct rv_error *err)
{
    (void)err;
    struct stands *stands = data;
    snprintf(stands->status, sizeof stands->status, "%s", rv_result_text(result, row, 0));
    snprintf(stands->why, sizeof stands->why, "%s",
             rv_result_is_null(result, row, 1) ? "" : rv_result_text(result, row, 1));
    rv_text_mend(stands->why);
    return RV_OK;
}

/* "merged" is no state: the run that got the input is open. */
static bool is_over(const char *status)
{
    enum rv_run_state state = rv_run_state_from_name(status);
    return state != RV_RUN_STATE_COUNT && rv_run_state_final(state);
}

/* The company's runs are driven here, unless another reeve does. */
static enum rv_code wait_for(const struct place *place, int64_t run, int64_t wait_s,
                             struct stands *stands, struct rv_error *err)
{
    bool never = false;
    enum rv_code code = RV_OK;
    int64_t until_us = rv_mono_us(rv_clock_system()) + wait_s * 1000000;
    node_drive(place->node, place->tenant);
    while (code == RV_OK && rv_mono_us(rv_clock_system()) < until_us && !is_over(stands->status)) {
        node_wait(place->node, &never, LOOK_MS);
        struct rv_args *args = rv_args_create(&rv_sql_run_status);
        rv_args_i64(args, 2, run);
        code = rv_db_session_query(place->session, place->tenant, &rv_sql_run_status, args,
                                   take_stands, stands, err);
    }
    return code;
}

/* `claim`: what became of a key that is held, as rv_run_claimed says; or NULL. */
static void say_run(const struct cli *cli, int64_t run, const struct stands *stands,
                    const json_t *claim)
{
    const char *status = stands->status;
    bool failed = is_over(status) && stands->why[0] != '\0';
    char name[32];
    snprintf(name, sizeof name, "r_%" PRId64, run);
    const char *holder = rv_json_str(json_object_get(claim, "holder"), "run", NULL);
    const char *approval = rv_json_str(claim, "approval", NULL);
    bool merged = rv_json_bool(claim, "merged", false);
    if (cli->json) {
        json_t *line = json_pack("{s:s,s:s}", "run", name, "status", status);
        if (failed) {
            json_object_set_new(line, "error", json_string(stands->why));
        }
        json_object_update(line, (json_t *)(uintptr_t)claim);
        cli_print_json(&cli->output, line);
        return;
    }
    cli_print(&cli->output, "%s  %s%s%s", name, status, failed ? ": " : "",
              failed ? stands->why : "");
    if (is_over(status)) {
        return;
    }
    if (merged) {
        cli_say(&cli->output, "it works on that key already and was given the input");
    } else if (approval != NULL) {
        cli_say(&cli->output, "people decide whether it gets its key%s%s: reeve approval show %s",
                holder != NULL ? " or " : "", holder != NULL ? holder : "", approval);
    } else if (holder != NULL) {
        cli_say(&cli->output, "it waits for its key; %s has it and was asked to stop", holder);
    }
    cli_say(&cli->output, "a serving reeve, or `reeve run work`, drives it; reeve explain %s",
            name);
}

int cmd_run_start(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct place place = {.session = NULL};
    json_t *input = NULL;
    int64_t wait_s = 0;
    json_t *claim = NULL;
    int64_t run = 0;
    int64_t priority = -1;
    struct stands stands = {.status = "created"};
    enum rv_code code = cli_integer(cli, "wait", 0, 0, WAIT_MAX_S, &wait_s, &err);
    if (code == RV_OK) {
        code = cli_integer(cli, "priority", -1, 0, RV_CLAIM_PRIORITY_MAX, &priority, &err);
    }
    if (code == RV_OK) {
        code = cli_object(cli, "input", &input, &err);
    }
    struct wish wish = {.exception = cli_option(cli, "exception"),
                        .with = {.agent = cli->argc > 0 ? cli->argv[0] : "",
                                 .input = input,
                                 .key = cli_option(cli, "key"),
                                 .once = cli_option(cli, "id"),
                                 .priority = (int)priority}};
    if (code == RV_OK) {
        code = check_wish(cli, &wish, &err);
    }
    if (code == RV_OK && wish.with.once != NULL) {
        code = rv_once_check("--id", wish.with.once, &err);
    }
    if (code == RV_OK) {
        code = place_open(cli, &place, &err);
    }
    if (code == RV_OK) {
        code = start(cli, &place, &wish, &run, &claim, &err);
    }
    if (code == RV_OK && rv_json_bool(claim, "merged", false)) {
        snprintf(stands.status, sizeof stands.status, "merged");
    } else if (code == RV_OK && claim != NULL) {
        snprintf(stands.status, sizeof stands.status, "%s", rv_run_state_name(RV_RUN_WAITING));
    }
    if (code == RV_OK && wait_s > 0) {
        code = wait_for(&place, run, wait_s, &stands, &err);
    }
    place_close(&place);
    json_decref(input);
    if (code != RV_OK) {
        json_decref(claim);
        return cli_fail(cli, &err);
    }
    say_run(cli, run, &stands, claim);
    json_decref(claim);
    return is_over(stands.status) && rv_run_state_from_name(stands.status) != RV_RUN_DONE ? FAILED
                                                                                          : 0;
}

/* ---- signal ---- */

static enum rv_code check_name(const char *name, struct rv_error *err)
{
    if (name[0] == '\0' || strlen(name) > RV_SIGNAL_NAME_MAX) {
        return rv_fail(err, RV_INVALID, "NAME must be 1 to %d bytes", RV_SIGNAL_NAME_MAX);
    }
    if (name[0] == '$') {
        return rv_fail(err, RV_INVALID, "NAME must not begin with \"$\": those are reeve's own");
    }
    return RV_OK;
}

int cmd_run_signal(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct place place = {.session = NULL};
    struct cli_asked asked = {.done = false};
    json_t *body = NULL;
    int64_t run = 0;
    const char *name = cli->argv[1];
    const char *once = cli_option(cli, "id");
    enum rv_code code = cli_run_id(cli->argv[0], &run, &err);
    if (code == RV_OK) {
        code = check_name(name, &err);
    }
    if (code == RV_OK && once != NULL) {
        code = rv_once_check("--id", once, &err);
    }
    if (code == RV_OK) {
        code = cli_object(cli, "body", &body, &err);
    }
    if (code == RV_OK) {
        code = rv_plan_may_get("--body", body, &err);
    }
    if (code == RV_OK) {
        code = place_open(cli, &place, &err);
    }
    if (code == RV_OK) {
        body = body != NULL ? body : json_object();
        rv_run_tell(place.node->gate, place.node->db, place.tenant, &place.principal, run, name,
                    body, once, cli_on_asked, &asked);
        node_wait(place.node, &asked.done, 0);
        code = asked.code;
        err = asked.err;
    }
    place_close(&place);
    json_decref(body);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        char id[24];
        snprintf(id, sizeof id, "%" PRId64, asked.id);
        cli_print_json(&cli->output, json_pack("{s:s,s:s}", "signal", id, "name", name));
    } else {
        cli_print(&cli->output, "r_%" PRId64 " was told \"%s\"", run, name);
    }
    return 0;
}
