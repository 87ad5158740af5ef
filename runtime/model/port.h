/* port.h -- the engine's process as runs ask it: struct rv_model_engine over engine.h.
 *
 * Instructions go as the system's message, the rest of the prompt as the user's; options become
 * the kernel's options, so that the choice is measured and not claimed; a schema is satisfied by
 * construction.  The margin is the distance of the two best probabilities in percent points.
 * A company's adapter is looked up in its registry first, with row-level security; one that is not
 * there is RV_INVALID and says how to load it.
 *
 * One port per core.  Thread: its loop's; `pick` is called there too.
 */
#ifndef REEVE_RUNTIME_MODEL_PORT_H
#define REEVE_RUNTIME_MODEL_PORT_H

#include "runtime/db/db.h"
#include "runtime/model/engine.h"
#include "runtime/model/model.h"

struct rv_model_port;

struct rv_model_port_options {
    struct rv_loop *loop;
    /* The engine that serves a company; NULL: none.  Any thread. */
    struct rv_engine *(*pick)(void *data, int32_t tenant);
    struct rv_db *db; /* of the loop, for the companies' adapters; NULL: there are none */
    /* Why no engine is known, see rv_models_unknown; NULL: never. */
    bool (*unknown)(void *data, struct rv_error *err);
    /* After each answer: whom it is to be accounted to.  May be NULL. */
    void (*used)(void *data, const struct rv_model_request *request,
                 const struct rv_model_reply *reply);
    void *data;
};

struct rv_model_port *rv_model_port_create(const struct rv_model_port_options *options);
/* After the model that used it; answers that are still owed must have come (rv_engine_close, and
 * that the database was closed). */
void rv_model_port_destroy(struct rv_model_port *port); /* NULL is fine */
/* Before its database is closed: what is asked from now on ends with RV_CANCELED. */
void rv_model_port_stop(struct rv_model_port *port);
const struct rv_model_engine *rv_model_port_engine(const struct rv_model_port *port);

#endif
