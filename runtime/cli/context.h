/* context.h -- what a command is given: settings, output, memory, and the database when it asks.
 *
 * Lifetime: one command.  Nothing is opened before a command asks for it, so that `reeve help`
 * works on a machine where nothing else does.  Thread: the main thread.
 */
#ifndef REEVE_RUNTIME_CLI_CONTEXT_H
#define REEVE_RUNTIME_CLI_CONTEXT_H

#include "runtime/base/arena.h"
#include "runtime/base/statement.h"
#include "runtime/cli/output.h"
#include "runtime/config/config.h"
#include "runtime/db/db.h"
#include "runtime/db/private_postgres.h"

struct cli_check;

/* What the composition root (main.c) knows of all rooms; process lifetime. */
struct cli_rooms {
    const struct rv_migration *const *migrations; /* NULL-terminated list of tables */
    const struct cli_check *checks;               /* more lines for `reeve doctor`; NULL: none */
};

struct cli_context {
    const struct cli_rooms *rooms;
    struct rv_config *config;
    struct cli_output output;
    struct rv_arena *arena; /* lives as long as the command */
    int exit_status;        /* what a command that went well, with a bad verdict, ends with */
    char *uri;              /* cli_database_uri */
    struct rv_db_session *session;
};

/* The database's connection string.  Without the setting database.uri this starts reeve's own
 * PostgreSQL when it does not run and brings it to this program's schema.  Borrowed. */
RV_MUST enum rv_code cli_database_uri(struct cli_context *context, const char **out,
                                      struct rv_error *err);
/* A waiting session, opened once; closed by the frame. */
RV_MUST enum rv_code cli_database(struct cli_context *context, struct rv_db_session **out,
                                  struct rv_error *err);
/* Brings the database at `uri` to this program's schema; `applied` counts new migrations. */
RV_MUST enum rv_code cli_migrate(struct cli_context *context, const char *uri, int *applied,
                                 struct rv_error *err);
/* True when reeve runs its own server (no database.uri); fills its options. */
bool cli_private_database(const struct cli_context *context,
                          struct rv_private_postgres_options *options);

#endif
