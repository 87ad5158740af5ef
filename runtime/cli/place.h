/* place.h -- where reeve's own things are: state folder, database, audit key; and the commands about
 * them.  The only reader of the environment.
 */
#ifndef REEVE_RUNTIME_CLI_PLACE_H
#define REEVE_RUNTIME_CLI_PLACE_H

#include "runtime/cli/cli.h"

/* Fills uri, state_dir and audit_key: flag, then environment (REEVE_DATABASE, REEVE_STATE), then
 * default (/var/lib/reeve for root, else $XDG_STATE_HOME/reeve or ~/.local/state/reeve).  The uri stays
 * NULL when it is reeve's own PostgreSQL: see place_database. */
RV_MUST enum rv_code place_find(struct cli *cli, const char *database, const char *state,
                                struct rv_error *err);
/* Starts reeve's own PostgreSQL where no other is set, and migrates it; fills cli->uri. */
RV_MUST enum rv_code place_database(struct cli *cli, struct rv_error *err);
/* place_database, then a session. */
RV_MUST enum rv_code place_session(struct cli *cli, struct rv_db_session **out,
                                   struct rv_error *err);
RV_MUST enum rv_code place_node(struct cli *cli, struct node **out, struct rv_error *err);

int cmd_db_start(struct cli *cli);
int cmd_db_stop(struct cli *cli);
int cmd_db_status(struct cli *cli);
int cmd_doctor(struct cli *cli);
int cmd_bench(struct cli *cli);

#endif
