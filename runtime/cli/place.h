/* place.h -- where reeve's own things are, and how a command gets to them. */
#ifndef REEVE_RUNTIME_CLI_PLACE_H
#define REEVE_RUNTIME_CLI_PLACE_H

#include "runtime/cli/cli.h"
#include "runtime/db/private_postgres.h"

/* Fills state_dir, audit_key and uri from the settings.  The uri stays NULL when the database is
 * reeve's own PostgreSQL: see place_database. */
RV_MUST enum rv_code place_find(struct cli *cli, struct rv_error *err);
/* True when reeve runs its own server; fills its options. */
bool place_is_private(const struct cli *cli, struct rv_private_postgres_options *options);
/* Starts reeve's own PostgreSQL where no other is set, brings the database to this program's
 * schema, fills cli->uri. */
RV_MUST enum rv_code place_database(struct cli *cli, struct rv_error *err);
/* place_database, then a session. */
RV_MUST enum rv_code place_session(struct cli *cli, struct rv_db_session **out,
                                   struct rv_error *err);
/* place_database, then a node: one core for a command, runtime.loops of them to serve. */
RV_MUST enum rv_code place_node(struct cli *cli, struct node **out, struct rv_error *err);
RV_MUST enum rv_code place_serving_node(struct cli *cli, struct node **out, struct rv_error *err);

#endif
