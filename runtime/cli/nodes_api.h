/* nodes_api.h -- the nodes of this database and what their actors do, over HTTP, for admins.
 *
 *   GET /v1/nodes                who is there, what each drives, this node's lines to the others
 *   GET /v1/actors               cores, companies, actors
 *   GET /v1/actors/dead-letters  messages that nobody read, newest first
 *   GET /metrics                see metrics_api.h
 *   GET /v1/traces/{trace-id}    messages of one trace, oldest first, and what the database keeps
 * of it: runs, steps that passed the gate, effects, hook deliveries; whose trace it is says GET
 * /v1/runs/{id}.  ?run=ID: a run whose trace was not given to it, but follows from its number
 *
 * The last three are of the node that drives the caller's company, asked over the line when that is
 * another one (a trace is kept where its run was driven: before a move, on the node before).
 * Where the other node cannot be asked, the answer is this node's, and "owner" names the other one.
 */
#ifndef REEVE_RUNTIME_CLI_NODES_API_H
#define REEVE_RUNTIME_CLI_NODES_API_H

#include "runtime/db/db.h"
#include "runtime/http/router.h"

/* For struct rv_api_options: more_routes, with the struct node as more_data. */
extern const struct rv_route nodes_api_routes[];

/* A row of the statement nodes_all; `state` is "serving", "working" (a command) or "gone".  New
 * reference. */
json_t *nodes_api_row(const struct rv_result *result, int row);

#endif
