/* cmd_config.c -- reeve config: which settings hold, where they came from, what there is. */
#include "runtime/base/check.h"
#include "runtime/cli/command.h"
#include "runtime/cli/context.h"
#include "runtime/cli/table.h"
#include "runtime/config/suggest.h"

#include <string.h>

enum { SAMPLE_MAX_BYTES = 64 << 10 };

static enum rv_code run_show(struct cli_context *context, const struct cli_args *args,
                             struct rv_error *err)
{
    static const struct cli_column columns[] = {
        {"name", "SETTING", false, false},
        {"value", "VALUE", false, true},
        {"origin", "ORIGIN", false, false},
        {"place", "PLACE", false, true},
    };
    const char *only = cli_arg(args, 0);
    struct rv_suggestion suggestion = rv_suggest(only != NULL ? only : "");
    struct cli_table *table = cli_table_create(columns, RV_COUNT(columns));
    for (int id = 0; id < RV_SETTING_COUNT; id++) {
        rv_suggest_try(&suggestion, rv_settings[id].name);
        if (only != NULL && strcmp(only, rv_settings[id].name) != 0) {
            continue;
        }
        char *shown = rv_config_shown(context->config, (enum rv_setting_id)id);
        enum rv_origin origin = rv_config_origin(context->config, (enum rv_setting_id)id);
        cli_table_text(table, rv_settings[id].name);
        cli_table_text(table, shown);
        cli_table_text(table, rv_origin_name(origin));
        cli_table_style(table, origin == RV_ORIGIN_DEFAULT ? CLI_DIM : CLI_GOOD);
        cli_table_text(table, rv_config_place(context->config, (enum rv_setting_id)id));
        rv_free(shown);
    }
    enum rv_code code = RV_OK;
    if (cli_table_rows(table) == 0) {
        code = rv_fail(err, RV_NOT_FOUND, "there is no setting \"%s\"", only);
        rv_hint(err,
                suggestion.best != NULL ? "Did you mean \"%s\"?" : "`reeve config list` shows all.",
                suggestion.best);
    } else {
        cli_table_print(table, &context->output, "");
    }
    cli_table_destroy(table);
    return code;
}

static enum rv_code run_list(struct cli_context *context, const struct cli_args *args,
                             struct rv_error *err)
{
    (void)args;
    (void)err;
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
    cli_table_print(table, &context->output, "");
    cli_table_destroy(table);
    return RV_OK;
}

static enum rv_code run_sample(struct cli_context *context, const struct cli_args *args,
                               struct rv_error *err)
{
    (void)args;
    struct rv_buf sample;
    rv_buf_init(&sample, SAMPLE_MAX_BYTES);
    rv_config_sample(&sample);
    enum rv_code code = rv_buf_ok(&sample, "the sample file", err);
    if (code == RV_OK && context->output.json) {
        cli_print_json(&context->output, json_pack("{s:s}", "sample", sample.data));
    } else if (code == RV_OK) {
        fputs(sample.data, context->output.data);
    }
    rv_buf_fini(&sample);
    return code;
}

const struct cli_command cli_config_commands[] = {
    {.noun = "config",
     .verb = "show",
     .summary = "shows which settings hold and where each came from",
     .arguments = "[SETTING]",
     .most = 1,
     .details = "A setting may stand in reeve.conf, in the environment (REEVE_HTTP_LISTEN for\n"
                "http.listen) or in --set; the later beats the earlier.  Passwords are not shown.",
     .run = run_show},
    {.noun = "config",
     .verb = "list",
     .summary = "lists all settings with their defaults and meaning",
     .run = run_list},
    {.noun = "config",
     .verb = "sample",
     .summary = "prints a reeve.conf with every setting, commented out",
     .run = run_sample},
    {.noun = NULL},
};
