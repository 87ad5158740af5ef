/* metrics_api.h -- GET /metrics: what a monitor reads of this node, as OpenMetrics 1.0 (or, for
 * whoever does not ask for that, the Prometheus text format 0.0.4).
 *
 * Two readers.  The operator of the machine shows the token of the setting metrics.token_file (a
 * monitor: "Authorization: Bearer ...") and sees all companies together:
 *   reeve_*            of this process: actors, commits, the lines to other nodes, companies,
 *                      and, with telemetry.otlp_endpoint, reeve_traces_*
 *   reeve_backlog_*    of the whole database, so the same from every node: what waits, and for how
 *                      long (function reeve_backlog; a number of RV_BACKLOG_MAX means "or more")
 *   reeve_model_*      of the engine that is active
 * An admin of a company shows an API token, and sees nothing in which another one's work is
 * counted:
 *   reeve_company_*    the same backlog, and the company's questions to the model and their tokens
 *                      of today (UTC)
 *   reeve_build_info, reeve_database_up, reeve_model_ready
 * While the database is away, reeve_database_up is 0 and what is read from it is missing.
 */
#ifndef REEVE_RUNTIME_CLI_METRICS_API_H
#define REEVE_RUNTIME_CLI_METRICS_API_H

#include "runtime/http/call.h"

enum { RV_BACKLOG_MAX = 100000 };

/* A handler of nodes_api_routes. */
void metrics_api_get(struct rv_call *call);

#endif
