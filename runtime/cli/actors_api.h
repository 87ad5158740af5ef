/* actors_api.h -- what the actors of this node are doing, over HTTP, for the role admin.
 *
 *   GET /v1/actors               cores, companies, actors
 *   GET /v1/actors/dead-letters  messages that nobody read, newest first
 *   GET /v1/traces/{trace-id}    messages of one trace, oldest first (runtime/actor/trace.h): what
 *                                this node has of them; whose trace it is says GET /v1/runs/{id}
 *
 * An admin is one of a company: actors and letters are those of that company and of reeve itself
 * (company 0); of the others only what they take of each core together is told.
 *
 * Each request is an actor of its own: it calls the lookout of every core (runtime/actor/view.h)
 * and answers when all have answered, or after ACTORS_ANSWER_MS without those that did not: then it
 * says whose turn holds the core up.  The thread of HTTP never waits.
 */
#ifndef REEVE_RUNTIME_CLI_ACTORS_API_H
#define REEVE_RUNTIME_CLI_ACTORS_API_H

#include "runtime/http/router.h"

enum { ACTORS_ANSWER_MS = 1000 };

/* For struct rv_api_options: more_routes, with the node's struct rv_actors as more_data. */
extern const struct rv_route actors_api_routes[];

#endif
