/* cmd_run_message.c -- what a run publishes, and what it is asked and answers. */
#include "run_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/cli/place.h"
#include "runtime/run/update.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LOOK_MS = 100, UPDATES_SHOWN = 1000, REFUSED = 1 };

/* ---- what both need ---- */

struct place {
    struct rv_db_session *session;
    int32_t tenant;
    int64_t run;
};

static enum rv_code place_open(struct cli *cli, struct place *place, struct rv_error *err)
{
    enum rv_code code = cli_run_id(cli->argv[0], &place->run, err);
    if (code == RV_OK) {
        code = place_company(cli, &place->session, &place->tenant, err);
    }
    return code;
}

/* NULL in `out` when there is none. */
static enum rv_code read_one(const struct place *place, const struct rv_statement *statement,
                             const char *text, json_t **out, struct rv_error *err)
{
    struct rv_args *args = rv_args_create(statement);
    rv_args_i64(args, 2, place->run);
    rv_args_text(args, 3, text);
    *out = NULL;
    return rv_db_session_query(place->session, place->tenant, statement, args, cli_take_json, out,
                               err);
}

static void print_value(const struct cli *cli, const char *name, const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    RV_ASSERT(text != NULL);
    cli_print(&cli->output, "%s%s%s", name, name[0] != '\0' ? " = " : "", text);
    rv_free(text);
}

/* ---- query ---- */

static void print_values(const struct cli *cli, const json_t *found)
{
    const char *name;
    json_t *one;
    const json_t *values = json_object_get(found, "values");
    if (values == NULL) {
        print_value(cli, "", json_object_get(found, "value"));
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)values, name, one)
    {
        print_value(cli, name, json_object_get(one, "value"));
    }
    cli_say(&cli->output, "%zu values of %s, which is %s", json_object_size(values),
            rv_json_str(found, "run", ""), rv_json_str(found, "status", ""));
}

int cmd_run_query(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct place place = {.session = NULL};
    json_t *found = NULL;
    const char *name = cli->argc > 1 ? cli->argv[1] : NULL;
    enum rv_code code = place_open(cli, &place, &err);
    if (code == RV_OK) {
        code = read_one(&place, &rv_sql_run_values, name, &found, &err);
    }
    if (code == RV_OK && found == NULL) {
        code = name != NULL ? rv_fail(&err, RV_NOT_FOUND, "no run %.40s has published \"%.64s\"",
                                      cli->argv[0], name)
                            : rv_fail(&err, RV_NOT_FOUND, "no run %.40s", cli->argv[0]);
        rv_hint(&err, "All of a run: reeve run query RUN.  The runs: reeve run list.");
    }
    rv_db_session_close(place.session);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (cli->json) {
        cli_print_json(&cli->output, found);
    } else {
        print_values(cli, found);
        json_decref(found);
    }
    return 0;
}

/* ---- update ---- */

struct sent {
    bool done;
    enum rv_code code;
    json_t *shown;
    struct rv_error err;
};

static void on_sent(void *data, enum rv_code code, const json_t *update, const char *field,
                    const struct rv_error *err)
{
    (void)field; /* the message names it */
    struct sent *sent = data;
    sent->done = true;
    sent->code = code;
    sent->shown = json_incref((json_t *)(uintptr_t)update);
    if (code != RV_OK) {
        sent->err = *err;
    }
}

static enum rv_code send(struct cli *cli, const struct place *place, struct node *node,
                         const json_t *body, json_t **out, struct rv_error *err)
{
    struct sent sent = {.done = false};
    struct rv_principal principal = {.kind = RV_PRINCIPAL_PERSON};
    enum rv_code code = cli_person(cli, place->session, place->tenant, &principal, err);
    if (code != RV_OK) {
        return code;
    }
    struct rv_run_update update = {
        .run = place->run, .name = cli->argv[1], .id = cli_option(cli, "id"), .body = body};
    rv_run_update(node->gate, node->db, place->tenant, &principal, &update, on_sent, &sent);
    node_wait(node, &sent.done, 0);
    *out = sent.shown;
    if (sent.code != RV_OK) {
        *err = sent.err;
    }
    return sent.code;
}

static bool is_answered(const json_t *shown)
{
    const char *state = rv_json_str(shown, "state", "");
    return strcmp(state, "answered") == 0 || strcmp(state, "refused") == 0;
}

/* The company's runs are driven here, unless another reeve does. */
static enum rv_code wait_for(const struct place *place, struct node *node, int64_t wait_s,
                             json_t **shown, struct rv_error *err)
{
    bool never = false;
    char id[RV_UPDATE_ID_MAX + 1];
    int64_t until_us = rv_mono_us(rv_clock_system()) + wait_s * 1000000;
    enum rv_code code = RV_OK;
    snprintf(id, sizeof id, "%s", rv_json_str(*shown, "id", ""));
    node_drive(node, place->tenant);
    while (code == RV_OK && !is_answered(*shown) && rv_mono_us(rv_clock_system()) < until_us) {
        json_t *newer = NULL;
        node_wait(node, &never, LOOK_MS);
        code = read_one(place, &rv_sql_run_update_get, id, &newer, err);
        if (newer != NULL) {
            json_decref(*shown);
            *shown = newer;
        }
    }
    return code;
}

static void print_update(const struct cli *cli, const json_t *shown)
{
    const char *state = rv_json_str(shown, "state", "");
    const json_t *result = json_object_get(shown, "result");
    const char *reason = rv_json_str(shown, "reason", NULL);
    cli_print(&cli->output, "%s  %s  %s%s%s", rv_json_str(shown, "id", ""),
              rv_json_str(shown, "name", ""), state, reason != NULL ? ": " : "",
              reason != NULL ? reason : "");
    if (result != NULL) {
        print_value(cli, "", result);
    }
    if (!is_answered(shown)) {
        cli_say(&cli->output, "read the answer: reeve run update %s --id %s",
                rv_json_str(shown, "run", ""), rv_json_str(shown, "id", ""));
    }
}

static enum rv_code list_all(struct cli *cli, const struct place *place, struct rv_error *err)
{
    json_t *found = NULL;
    struct rv_args *args = rv_args_create(&rv_sql_run_updates);
    rv_args_i64(args, 2, place->run);
    rv_args_i32(args, 3, UPDATES_SHOWN);
    enum rv_code code = rv_db_session_query(place->session, place->tenant, &rv_sql_run_updates,
                                            args, cli_take_json, &found, err);
    if (code == RV_OK && found == NULL) {
        return rv_fail(err, RV_NOT_FOUND, "no run %.40s", cli->argv[0]);
    }
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(found, "items"), i, one)
    {
        if (cli->json) {
            cli_print_json(&cli->output, json_incref(one));
        } else {
            print_update(cli, one);
        }
    }
    json_decref(found);
    return code;
}

static enum rv_code read_body(const struct cli *cli, json_t **out, struct rv_error *err)
{
    const char *text = cli_option(cli, "body");
    return text != NULL ? rv_json_parse(text, strlen(text), "--body", out, err) : RV_OK;
}

int cmd_run_update(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct place place = {.session = NULL};
    struct node *node = NULL;
    json_t *body = NULL;
    json_t *shown = NULL;
    int64_t wait_s = 0;
    const char *id = cli_option(cli, "id");
    bool sends = cli->argc > 1;
    enum rv_code code = cli_integer(cli, "wait", 0, 0, RV_UPDATE_WAIT_MAX_S, &wait_s, &err);
    if (code == RV_OK) {
        code = read_body(cli, &body, &err);
    }
    if (code == RV_OK) {
        code = place_open(cli, &place, &err);
    }
    if (code == RV_OK && (sends || wait_s > 0)) {
        code = place_node(cli, &node, &err);
    }
    if (code == RV_OK && sends) {
        code = send(cli, &place, node, body, &shown, &err);
    } else if (code == RV_OK && id != NULL) {
        code = read_one(&place, &rv_sql_run_update_get, id, &shown, &err);
        if (code == RV_OK && shown == NULL) {
            code =
                rv_fail(&err, RV_NOT_FOUND, "no update \"%.100s\" of run %.40s", id, cli->argv[0]);
            rv_hint(&err, "All of a run: reeve run update RUN.");
        }
    } else if (code == RV_OK) {
        code = list_all(cli, &place, &err);
    }
    if (code == RV_OK && shown != NULL && wait_s > 0) {
        code = wait_for(&place, node, wait_s, &shown, &err);
    }
    node_close(node);
    rv_db_session_close(place.session);
    json_decref(body);
    bool refused = strcmp(rv_json_str(shown, "state", ""), "refused") == 0;
    if (code != RV_OK) {
        json_decref(shown);
        return cli_fail(cli, &err);
    }
    if (shown != NULL && cli->json) {
        cli_print_json(&cli->output, shown);
    } else if (shown != NULL) {
        print_update(cli, shown);
        json_decref(shown);
    }
    return refused ? REFUSED : 0;
}
