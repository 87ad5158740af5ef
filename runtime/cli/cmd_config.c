/* cmd_config.c -- reeve config: which settings hold, where they came from, what there is. */
#include "runtime/base/check.h"
#include "runtime/cli/cli.h"
#include "runtime/cli/table.h"
#include "runtime/config/suggest.h"

#include <string.h>

enum { SAMPLE_MAX_BYTES = 64 << 10 };

static void add_row(const struct cli *cli, struct cli_table *table, enum rv_setting_id id)
{
    char *shown = rv_config_shown(cli->config, id);
    enum rv_origin origin = rv_config_origin(cli->config, id);
    cli_table_text(table, rv_settings[id].name);
    cli_table_text(table, shown);
    cli_table_text(table, rv_origin_name(origin));
    cli_table_style(table, origin == RV_ORIGIN_DEFAULT ? CLI_DIM : CLI_GOOD);
    cli_table_text(table, rv_config_place(cli->config, id));
    rv_free(shown);
}

int cmd_config_show(struct cli *cli)
{
    static const struct cli_column columns[] = {
        {"name", "SETTING", false, false},
        {"value", "VALUE", false, true},
        {"origin", "ORIGIN", false, false},
        {"place", "PLACE", false, true},
    };
    const char *only = cli->argc > 0 ? cli->argv[0] : NULL;
    struct rv_suggestion suggestion = rv_suggest(only != NULL ? only : "");
    struct cli_table *table = cli_table_create(columns, RV_COUNT(columns));
    for (int id = 0; id < RV_SETTING_COUNT; id++) {
        rv_suggest_try(&suggestion, rv_settings[id].name);
        if (only == NULL || strcmp(only, rv_settings[id].name) == 0) {
            add_row(cli, table, (enum rv_setting_id)id);
        }
    }
    int status = 0;
    if (cli_table_rows(table) > 0) {
        cli_table_print(table, &cli->output, "");
    } else {
        struct rv_error err = {.code = RV_OK};
        rv_fail(&err, RV_NOT_FOUND, "there is no setting \"%s\"", only);
        if (suggestion.best != NULL) {
            rv_hint(&err, "Did you mean \"%s\"?", suggestion.best);
        } else {
            rv_hint(&err, "`reeve config list` shows all settings.");
        }
        status = cli_fail(cli, &err);
    }
    cli_table_destroy(table);
    return status;
}

int cmd_config_list(struct cli *cli)
{
    static const struct cli_column columns[] = {
        {"name", "SETTING", false, false},
        {"default", "DEFAULT", false, false},
        {"reload", "RELOAD", false, false},
        {"doc", "WHAT IT IS", false, true},
    };
    struct cli_table *table = cli_table_create(columns, RV_COUNT(columns));
    for (int id = 0; id < RV_SETTING_COUNT; id++) {
        cli_table_text(table, rv_settings[id].name);
        cli_table_text(table, rv_settings[id].fallback);
        cli_table_text(table, rv_settings[id].live ? "live" : "restart");
        cli_table_text(table, rv_settings[id].doc);
    }
    cli_table_print(table, &cli->output, "");
    cli_table_destroy(table);
    return 0;
}

int cmd_config_sample(struct cli *cli)
{
    struct rv_buf sample;
    rv_buf_init(&sample, SAMPLE_MAX_BYTES);
    rv_config_sample(&sample);
    RV_ASSERT(!sample.overflowed);
    if (cli->json) {
        cli_print_json(&cli->output, json_pack("{s:s}", "sample", sample.data));
    } else {
        fputs(sample.data, cli->output.data);
    }
    rv_buf_fini(&sample);
    return 0;
}
