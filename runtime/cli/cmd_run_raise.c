/* cmd_run_raise.c -- gives a run more to spend: what it waits for when its agent says
 * overrun = "ask". */
#include "runtime/base/check.h"
#include "runtime/cli/place.h"
#include "runtime/run/raise.h"
#include "runtime/run/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "EUR=500000,USD=100000" */
static enum rv_code read_money(const char *text, json_t *more, struct rv_error *err)
{
    json_t *money = json_object();
    json_object_set_new(more, "money", money);
    while (text[0] != '\0') {
        char currency[4];
        int64_t minor = 0;
        int length = 0;
        if (sscanf(text, "%3[A-Z]=%" SCNd64 "%n", currency, &minor, &length) != 2 ||
            (text[length] != '\0' && (text[length] != ',' || text[length + 1] == '\0'))) {
            rv_fail(err, RV_INVALID, "--money must be minor units by currency, e.g. EUR=500000");
            rv_hint(err, "Several stand with commas between: EUR=500000,USD=100000.");
            return RV_INVALID;
        }
        if (json_object_get(money, currency) != NULL) {
            rv_fail(err, RV_INVALID, "--money names %s twice", currency);
            rv_hint(err, "Name each currency once, with all that is added.");
            return RV_INVALID;
        }
        json_object_set_new(money, currency, json_integer(minor));
        text += length + (text[length] == ',');
    }
    return RV_OK;
}

static enum rv_code read_options(const struct cli *cli, json_t *more, struct rv_error *err)
{
    static const struct {
        const char *option, *name;
    } amounts[] = {{"steps", "steps"},
                   {"calls", "calls"},
                   {"tokens", "tokens"},
                   {"risk", "risk"},
                   {"children", "children"},
                   {"wall-ms", "wall_ms"},
                   {"money-minor", "money_minor"}};
    const char *field = NULL;
    for (size_t i = 0; i < RV_COUNT(amounts); i++) {
        int64_t value = 0;
        if (cli_option(cli, amounts[i].option) == NULL) {
            continue;
        }
        if (cli_integer(cli, amounts[i].option, 0, 1, RV_RUN_RAISE_MAX, &value, err) != RV_OK) {
            return err->code;
        }
        json_object_set_new(more, amounts[i].name, json_integer(value));
    }
    const char *money = cli_option(cli, "money");
    if (money != NULL && read_money(money, more, err) != RV_OK) {
        return err->code;
    }
    const char *reason = cli_option(cli, "reason");
    if (reason != NULL) {
        json_object_set_new(more, "reason", json_string(reason));
    }
    return rv_run_check_raise(more, &field, err);
}

static enum rv_code ask(struct cli *cli, int64_t run, const json_t *more, struct rv_error *err)
{
    struct rv_db_session *session = NULL;
    struct node *node = NULL;
    int32_t tenant = 0;
    struct cli_asked asked = {.done = false};
    struct rv_principal principal = {.kind = RV_PRINCIPAL_PERSON};
    enum rv_code code = place_company(cli, &session, &tenant, err);
    if (code == RV_OK) {
        code = place_node(cli, &node, err);
    }
    if (code == RV_OK) {
        code = cli_person(cli, session, tenant, &principal, err);
    }
    if (code == RV_OK) {
        rv_run_raise(node->gate, node->db, tenant, &principal, run, more, cli_on_asked, &asked);
        node_wait(node, &asked.done, 0);
        code = asked.code;
        if (code != RV_OK) {
            *err = asked.err;
        }
    }
    node_close(node);
    rv_db_session_close(session);
    return code;
}

int cmd_run_raise(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    int64_t run = 0;
    json_t *more = json_object();
    enum rv_code code = cli_run_id(cli->argv[0], &run, &err);
    if (code == RV_OK) {
        code = read_options(cli, more, &err);
    }
    if (code == RV_OK) {
        code = ask(cli, run, more, &err);
    }
    if (code == RV_OK && cli->json) {
        cli_print_json(&cli->output, json_pack("{s:s,s:O}", "run", cli->argv[0], "raised", more));
    } else if (code == RV_OK) {
        cli_say(&cli->output, "raised; a serving reeve or \"reeve run work\" lets %s go on",
                cli->argv[0]);
    }
    json_decref(more);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}
