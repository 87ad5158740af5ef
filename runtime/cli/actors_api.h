/* actors_api.h -- what the actors of this node are doing, as JSON for the role admin (the routes
 * stand in nodes_api.h: the company may be on another node).
 *
 * An admin is one of a company: actors and letters are those of that company and of reeve itself
 * (company 0); of the others only what they take of each core together is told.
 *
 * Each question is an actor of its own: it calls the lookout of every core (runtime/actor/view.h)
 * and answers when all have answered, or after ACTORS_ANSWER_MS without those that did not: then it
 * says whose turn holds the core up.  The thread of HTTP never waits.
 */
#ifndef REEVE_RUNTIME_CLI_ACTORS_API_H
#define REEVE_RUNTIME_CLI_ACTORS_API_H

#include "runtime/actor/actor.h"
#include "runtime/http/api.h"

enum { ACTORS_ANSWER_MS = 1000 };

enum actors_what {
    ACTORS_LIVE,
    ACTORS_DEAD_LETTERS,
    ACTORS_TRACE, /* runtime/actor/trace.h */
    ACTORS_WHATS
};

struct actors_question {
    enum actors_what what;
    int32_t admin_of;      /* the company whose admin asks */
    struct rv_trace trace; /* of ACTORS_TRACE; of the others zero */
};

/* On the main core's thread.  `done` is called once, there; inside the call only when the node is
 * stopping. */
void actors_ask(struct rv_actors *actors, const struct actors_question *question, rv_api_done done,
                void *data);

#endif
