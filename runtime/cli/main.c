/* main.c -- the composition root: which rooms there are.  Everything else is behind cli_main. */
#include "runtime/cli/cli.h"

#include "db_sql.h"
#include "gate_sql.h"
#include "hooks_sql.h"
#include "http_sql.h"
#include "journal_sql.h"

int main(int argc, char **argv)
{
    static const struct rv_migration *const migrations[] = {
        rv_journal_migrations, rv_gate_migrations,  rv_db_migrations,
        rv_http_migrations,    rv_hooks_migrations, NULL,
    };
    const struct cli_rooms rooms = {.migrations = migrations, .checks = NULL};
    return cli_main(&rooms, argc, argv);
}
