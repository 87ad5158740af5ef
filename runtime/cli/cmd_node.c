/* cmd_node.c -- reeve node: who serves this database, and with what. */
#include "journal_sql.h"
#include "runtime/base/check.h"
#include "runtime/cli/nodes_api.h"
#include "runtime/cli/place.h"
#include "runtime/cli/table.h"

#include <inttypes.h>
#include <string.h>

struct listing {
    struct cli_table *table;
    bool all;
};

/* "0.4 s", "12 s", "3 min" */
static void print_age(struct cli_table *table, int64_t ms)
{
    if (ms < 10000) {
        cli_table_printf(table, "%d.%d s", (int)(ms / 1000), (int)(ms % 1000 / 100));
    } else if (ms < 120000) {
        cli_table_printf(table, "%d s", (int)(ms / 1000));
    } else {
        cli_table_printf(table, "%" PRId64 " min", ms / 60000);
    }
}

static enum rv_code take_row(void *data, const struct rv_result *result, int row,
                             struct rv_error *err)
{
    (void)err;
    const struct listing *listing = data;
    json_t *node = nodes_api_row(result, row);
    const char *state = rv_json_str(node, "state", "");
    if (!listing->all && strcmp(state, "gone") == 0) {
        json_decref(node);
        return RV_OK;
    }
    cli_table_text(listing->table, rv_json_str(node, "name", ""));
    cli_table_text(listing->table, state);
    cli_table_style(listing->table, strcmp(state, "gone") == 0 ? CLI_DIM : CLI_GOOD);
    const char *link = rv_json_str(node, "link", "");
    cli_table_text(listing->table, link[0] != '\0' ? link : NULL);
    const char *api = rv_json_str(node, "api", "");
    cli_table_text(listing->table, api[0] != '\0' ? api : NULL);
    cli_table_text(listing->table, rv_json_str(node, "since", ""));
    cli_table_integer(listing->table, rv_json_int(node, "companies", 0));
    cli_table_printf(listing->table, "%.1f", json_number_value(json_object_get(node, "load")));
    print_age(listing->table, rv_json_int(node, "seen_ms", 0));
    cli_table_text(listing->table, rv_json_str(node, "version", ""));
    cli_table_integer(listing->table, rv_json_int(node, "pid", 0));
    json_decref(node);
    return RV_OK;
}

static enum rv_code print_json_row(void *data, const struct rv_result *result, int row,
                                   struct rv_error *err)
{
    (void)err;
    const struct cli *cli = data;
    json_t *node = nodes_api_row(result, row);
    if (cli_flag(cli, "all") || strcmp(rv_json_str(node, "state", ""), "gone") != 0) {
        cli_print_json(&cli->output, node);
    } else {
        json_decref(node);
    }
    return RV_OK;
}

int cmd_node_list(struct cli *cli)
{
    static const struct cli_column columns[] = {
        {"name", "NAME", false, true},        {"state", "STATE", false, false},
        {"link", "LINE", false, false},       {"api", "API", false, true},
        {"since", "SINCE", false, false},     {"companies", "COMPANIES", true, false},
        {"load", "LOAD", true, false},        {"seen_ms", "SEEN", true, false},
        {"version", "VERSION", false, false}, {"pid", "PROCESS", true, false},
    };
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    enum rv_code code = place_session(cli, &session, &err);
    if (code == RV_OK && cli->json) {
        code = rv_db_session_query(session, 0, &rv_sql_nodes_all, NULL, print_json_row, cli, &err);
    } else if (code == RV_OK) {
        struct listing listing = {cli_table_create(columns, RV_COUNT(columns)),
                                  cli_flag(cli, "all")};
        code = rv_db_session_query(session, 0, &rv_sql_nodes_all, NULL, take_row, &listing, &err);
        if (code == RV_OK) {
            cli_table_print(listing.table, &cli->output,
                            "no node serves this database: start one with reeve serve");
        }
        cli_table_destroy(listing.table);
    }
    rv_db_session_close(session);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}
