/* registry.h -- the models that serve: which engine answers which company, now.
 *
 *     wanted   what the tables model_version and model_canary say, asked every second; the setting
 *              model.path where no version is active
 *     now      the engines that answer: `wanted` as soon as its engine is ready
 *     pick     the engine of `now` for one question of one company
 *
 * A change takes effect when the new engine is ready to answer; until then the one before answers.
 * A question keeps the engine it was given, whatever changes meanwhile; an engine that nobody is
 * given any more rests (engine.h), and is there at once when it is wanted again soon.
 *
 * One that cannot be opened (its file is gone, has changed, is damaged) takes nobody's place: what
 * was serving goes on.  Where nothing was, at a start, what a rollback would give stands in: the
 * version before, else model.path; for a company that tries a version, what answers the others.
 * Never behind anybody's back: the log says MODEL-STANDS-IN with file and remedy, `reeve doctor`
 * and `reeve model list` say it, and each answer carries the name and hash of what gave it.  The
 * file is tried again every 30 s, and its version takes its place as soon as it opens.  Where
 * nothing can stand in, questions end with the reason.
 *
 * Thread: open, stop and close on the loop's; pick on any.  Without `watch` (commands) the registry
 * is read once, when first picked, and pick is for the loop's thread.
 */
#ifndef REEVE_RUNTIME_MODEL_REGISTRY_H
#define REEVE_RUNTIME_MODEL_REGISTRY_H

#include "runtime/db/db.h"
#include "runtime/model/engine.h"

enum {
    RV_MODELS_LOOK_MS = 1000, /* between two looks at the registry */
    RV_MODELS_NAME_MAX = 63,  /* of a model, as the table has it */
    RV_MODELS_LABEL_MAX = 80  /* NAME@VERSION */
};

struct rv_models;

struct rv_models_options {
    struct rv_loop *loop; /* of the engines' supervisors */
    const char *uri;      /* of the database, for the first look */
    struct rv_db *db;     /* of that loop, for the others; NULL without watch */
    /* How engines are begun; its path is the setting's model, NULL: none.  Borrowed. */
    struct rv_engine_options engine;
    bool watch;
};

struct rv_models *rv_models_open(const struct rv_models_options *options);
/* Looks no more; before its database is closed. */
void rv_models_stop(struct rv_models *models);
/* Ends the engines, open questions with RV_CANCELED. */
void rv_models_close(struct rv_models *models); /* NULL is fine */

/* The engine that serves the company; NULL: none. */
struct rv_engine *rv_models_pick(struct rv_models *models, int32_t tenant);
/* True, with the reason, while nobody knows which engines serve: the registry could not be read. */
bool rv_models_unknown(struct rv_models *models, struct rv_error *err);

#endif
