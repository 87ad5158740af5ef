/* cmd_doctor.c -- reeve doctor: looks at everything once and says what to do. */
#include "runtime/base/check.h"
#include "runtime/cli/command.h"
#include "runtime/cli/doctor_checks.h"
#include "runtime/cli/table.h"

const struct cli_check cli_own_checks[] = {
    {"database", cli_check_database}, {"schema", cli_check_migrations}, {"disk", cli_check_disk},
    {"clock", cli_check_clock},       {"zones", cli_check_zones},       {"files", cli_check_files},
    {"model", cli_check_model},       {"gpu", cli_check_gpu},           {NULL, NULL},
};

static void look(struct cli_context *context, const struct cli_check *check,
                 struct cli_table *table)
{
    static const char *const words[] = {"ok", "degraded", "missing"};
    static const enum cli_style looks[] = {CLI_GOOD, CLI_WARN, CLI_BAD};
    struct cli_finding finding = {.text = ""};
    enum cli_health health = check->run(context, &finding);
    cli_table_text(table, check->name);
    cli_table_text(table, words[health]);
    cli_table_style(table, looks[health]);
    cli_table_text(table, finding.text);
    cli_table_text(table, finding.remedy);
    if (health == CLI_MISSING) {
        context->exit_status = 1;
    }
}

static enum rv_code run_doctor(struct cli_context *context, const struct cli_args *args,
                               struct rv_error *err)
{
    (void)args;
    (void)err;
    static const struct cli_column columns[] = {
        {"check", "CHECK", false, false},
        {"health", "HEALTH", false, false},
        {"finding", "FINDING", false, true},
        {"remedy", "WHAT TO DO", false, true},
    };
    struct cli_table *table = cli_table_create(columns, RV_COUNT(columns));
    const struct cli_check *const tables[] = {cli_own_checks, context->rooms->checks};
    for (size_t i = 0; i < RV_COUNT(tables); i++) {
        for (const struct cli_check *at = tables[i]; at != NULL && at->name != NULL; at++) {
            look(context, at, table);
        }
    }
    cli_table_print(table, &context->output, "");
    cli_table_destroy(table);
    return RV_OK;
}

const struct cli_command cli_doctor_commands[] = {
    {.noun = "doctor",
     .summary = "checks everything reeve needs and says what to do",
     .details = "Each line is ok, degraded (reeve works) or missing (it does not).\n"
                "Exit status 1 when something is missing.",
     .run = run_doctor},
    {.noun = NULL},
};
