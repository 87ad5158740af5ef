/* place.h -- where reeve's own things are, and how a command gets to them. */
#ifndef REEVE_RUNTIME_CLI_PLACE_H
#define REEVE_RUNTIME_CLI_PLACE_H

#include "runtime/cli/cli.h"
#include "runtime/db/private_postgres.h"
#include "runtime/hooks/endpoint.h"

/* Fills state_dir, audit_key and uri from the settings.  The uri stays NULL when the database is
 * reeve's own PostgreSQL: see place_database. */
RV_MUST enum rv_code place_find(struct cli *cli, struct rv_error *err);
/* True when reeve runs its own server; fills its options. */
bool place_is_private(const struct cli *cli, struct rv_private_postgres_options *options);
/* Makes state_dir where it is not there yet. */
RV_MUST enum rv_code place_folder(const struct cli *cli, struct rv_error *err);
/* Starts reeve's own PostgreSQL where no other is set; fills cli->uri and, there, cli->owner_uri.
 */
RV_MUST enum rv_code place_server(struct cli *cli, struct rv_error *err);
/* place_server, then makes sure that the database is at this program's schema: reeve's own is
 * brought there, for another RV_UNAVAILABLE says how. */
RV_MUST enum rv_code place_database(struct cli *cli, struct rv_error *err);
/* Migrates as the login of `owner_uri`; see rv_migrate. */
RV_MUST enum rv_code place_migrate(const struct cli *cli, const char *owner_uri, int *applied,
                                   struct rv_error *err);
/* place_database, then a session. */
RV_MUST enum rv_code place_session(struct cli *cli, struct rv_db_session **out,
                                   struct rv_error *err);
/* place_session, then the company that is meant (--company, or the only one). */
RV_MUST enum rv_code place_company(struct cli *cli, struct rv_db_session **out, int32_t *tenant,
                                   struct rv_error *err);
/* The model's file: model.path, or the shipped one where it is found; NULL: none.  In the arena.
 */
const char *place_model(const struct cli *cli);
/* The file that a command names: its path, or "shipped".  In the arena. */
const char *place_model_file(const struct cli *cli, const char *path);
/* model.template: the chat format that the model's file is to have; NULL: as it says itself. */
const char *place_template(const struct cli *cli);
/* The engine as the settings have it; its path is NULL where there is no model. */
struct rv_engine_options place_engine(const struct cli *cli);
/* The key of web hook secrets; seals what an earlier version left bare, in all companies.  The
 * caller closes `out` (may be NULL), also on failure. */
RV_MUST enum rv_code place_hook_vault(struct cli *cli, struct rv_hook_vault **out,
                                      struct rv_error *err);
/* place_database, then a node: one core for a command, runtime.loops of them to serve. */
RV_MUST enum rv_code place_node(struct cli *cli, struct node **out, struct rv_error *err);
RV_MUST enum rv_code place_serving_node(struct cli *cli, struct node **out, struct rv_error *err);

#endif
