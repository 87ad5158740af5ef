/* cmd_doctor.c -- reeve doctor: looks at everything once and says what to do. */
#include "runtime/base/check.h"
#include "runtime/cli/doctor.h"
#include "runtime/cli/table.h"

int cmd_doctor(struct cli *cli)
{
    static const struct cli_column columns[] = {
        {"check", "CHECK", false, false},
        {"health", "HEALTH", false, false},
        {"finding", "FINDING", false, true},
        {"remedy", "WHAT TO DO", false, true},
    };
    static const char *const words[] = {"ok", "degraded", "missing"};
    static const enum cli_style looks[] = {CLI_GOOD, CLI_WARN, CLI_BAD};
    int status = 0;
    struct cli_table *table = cli_table_create(columns, RV_COUNT(columns));
    for (const struct cli_check *check = cli_checks; check->name != NULL; check++) {
        struct cli_finding finding = {.text = ""};
        enum cli_health health = check->run(cli, &finding);
        cli_table_text(table, check->name);
        cli_table_text(table, words[health]);
        cli_table_style(table, looks[health]);
        cli_table_text(table, finding.text);
        cli_table_text(table, finding.remedy);
        status = health == CLI_MISSING ? 1 : status;
    }
    cli_table_print(table, &cli->output, "");
    cli_table_destroy(table);
    return status;
}
