/* registry.c -- see registry.h.
 *
 *     place (a company, or everybody): now -> served, wanted -> served
 *     served: an engine under its label; kept until the end, so that whoever was given one may hold
 *     it; its process comes and goes
 */
#include "runtime/model/registry.h"

#include "model_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { SETTLE_MS = 200 /* how long a ready engine may wait to be noticed */ };

struct served {
    struct served *next;
    char *label; /* NULL: the model of the setting */
    struct rv_engine *engine;
    bool resting;
};

struct place {
    int32_t tenant; /* 0: everybody else */
    struct served *now, *wanted;
};

/* A version; label NULL: none. */
struct version {
    char *label, *path, *sha256, *template;
};

struct rv_models {
    struct rv_models_options options;
    struct rv_timer *timer;
    struct served *served;
    int64_t looked_us;
    bool looking, stopped, loaded;
    struct rv_error failed; /* the first look, until one succeeds */
    pthread_mutex_t lock;   /* of the places, for pick */
    struct place *places;   /* the first is everybody's, once loaded */
    size_t count;
    struct version before; /* what answered everybody before the active version */
};

/* ---- engines ---- */

static const char *label_of(const struct served *served)
{
    return served == NULL ? "none" : served->label != NULL ? served->label : "model.path";
}

/* `label` NULL: the setting's; then NULL where that names none. */
static struct served *serve(struct rv_models *models, const char *label, const char *path,
                            const char *sha256, const char *template)
{
    struct rv_engine_options how = models->options.engine;
    for (struct served *at = models->served; at != NULL; at = at->next) {
        if ((label == NULL) == (at->label == NULL) &&
            (label == NULL || strcmp(label, at->label) == 0)) {
            return at;
        }
    }
    if (label == NULL && how.path == NULL) {
        return NULL;
    }
    how.loop = models->options.loop;
    how.label = label;
    how.sha256 = sha256;
    if (label != NULL) { /* the setting is about the file of model.path */
        how.path = path;
        how.template = template[0] != '\0' ? template : NULL;
    }
    struct served *served = rv_alloc(sizeof *served);
    served->next = models->served;
    served->label = rv_strdup(label);
    served->engine = rv_engine_start(&how);
    models->served = served;
    return served;
}

static bool in_use(const struct rv_models *models, const struct served *served)
{
    bool used = false;
    for (size_t i = 0; i < models->count; i++) {
        used = used || models->places[i].now == served || models->places[i].wanted == served;
    }
    return used;
}

/* ---- what steps in ---- */

static void version_free(struct version *version)
{
    rv_free(version->label);
    rv_free(version->path);
    rv_free(version->sha256);
    rv_free(version->template);
    *version = (struct version){NULL, NULL, NULL, NULL};
}

static bool steps_in(const struct place *place, const struct served *served)
{
    return served != NULL && served != place->wanted && !rv_engine_is_refused(served->engine);
}

/* As a rollback would go, as far as it can be opened; else what is wanted, whose questions end with
 * the reason.  A company that tries a version goes with all the others. */
static struct served *stand_in(struct rv_models *models, const struct place *place)
{
    const struct version *before = &models->before;
    struct served *found = place->tenant != 0 ? models->places[0].now : NULL;
    if (!steps_in(place, found) && before->label != NULL) {
        found = serve(models, before->label, before->path, before->sha256, before->template);
    }
    if (!steps_in(place, found)) {
        found = serve(models, NULL, NULL, NULL, NULL);
    }
    return steps_in(place, found) ? found : place->wanted;
}

static void say_stand_in(const struct place *place, const struct served *found)
{
    json_t *status = rv_engine_status(place->wanted->engine);
    rv_log(RV_LOG_WARN, "model", "MODEL-STANDS-IN",
           "tenant=%d wanted=%s now=%s file=%s %s: put the file back, or reeve model rollback; "
           "until then what stands in answers, and the journal says so",
           place->tenant, label_of(place->wanted), label_of(found),
           rv_engine_path(place->wanted->engine), rv_json_str(status, "error", ""));
    json_decref(status);
}

/* With the lock: whoever cannot be opened loses its place. */
static void replace_refused(struct rv_models *models)
{
    for (size_t i = 0; models->options.watch && i < models->count; i++) {
        struct place *place = &models->places[i];
        if (place->now == NULL || place->wanted == NULL ||
            !rv_engine_is_refused(place->now->engine)) {
            continue;
        }
        struct served *found = stand_in(models, place);
        if (found != place->now && found != place->wanted) {
            say_stand_in(place, found);
        }
        place->now = found;
    }
}

/* With the lock.  Whoever is ready takes its place; whoever has none rests. */
static void settle(struct rv_models *models)
{
    replace_refused(models);
    for (size_t i = 0; i < models->count; i++) {
        struct place *place = &models->places[i];
        if (place->now == place->wanted) {
            continue;
        }
        if (place->now == NULL || place->wanted == NULL || !models->options.watch ||
            rv_engine_is_ready(place->wanted->engine)) {
            rv_log(RV_LOG_INFO, "model", "MODEL-SERVES", "tenant=%d now=%s before=%s",
                   place->tenant, label_of(place->wanted), label_of(place->now));
            place->now = place->wanted;
        }
    }
    for (struct served *at = models->served; at != NULL; at = at->next) {
        bool rest = !in_use(models, at);
        if (rest != at->resting) {
            at->resting = rest;
            rv_engine_rest(at->engine, rest);
        }
    }
}

/* ---- what the registry says ---- */

struct wanted {
    struct place *places;
    size_t count;
    struct version before;
};

static void wanted_free(struct wanted *all)
{
    rv_free(all->places);
    version_free(&all->before);
}

static const struct place *place_of(const struct rv_models *models, int32_t tenant)
{
    for (size_t i = 1; i < models->count; i++) {
        if (models->places[i].tenant == tenant) {
            return &models->places[i];
        }
    }
    return models->count > 0 ? &models->places[0] : NULL;
}

static void want(struct rv_models *models, struct wanted *all, int32_t tenant,
                 struct served *served)
{
    const struct place *before = place_of(models, tenant);
    all->places = rv_realloc(all->places, (all->count + 1) * sizeof *all->places);
    all->places[all->count++] = (struct place){tenant, before != NULL ? before->now : NULL, served};
}

/* Rows of model_serving; everybody's, if there is one, comes first. */
static void take_row(struct rv_models *models, struct wanted *all, const struct rv_result *result,
                     int row)
{
    char label[RV_MODELS_LABEL_MAX + 1];
    int32_t tenant = (int32_t)rv_result_i64(result, row, 0);
    snprintf(label, sizeof label, "%s@%lld", rv_result_text(result, row, 1),
             (long long)rv_result_i64(result, row, 2));
    if (all->count == 0 && tenant != 0) {
        want(models, all, 0, serve(models, NULL, NULL, NULL, NULL));
    }
    want(models, all, tenant,
         serve(models, label, rv_result_text(result, row, 3), rv_result_text(result, row, 4),
               rv_result_text(result, row, 5)));
    if (tenant == 0 && rv_result_text(result, row, 6)[0] != '\0') {
        all->before = (struct version){
            rv_strdup(rv_result_text(result, row, 6)), rv_strdup(rv_result_text(result, row, 7)),
            rv_strdup(rv_result_text(result, row, 8)), rv_strdup(rv_result_text(result, row, 9))};
    }
}

/* With the lock. */
static void take_all(struct rv_models *models, struct wanted *all)
{
    if (all->count == 0) {
        want(models, all, 0, serve(models, NULL, NULL, NULL, NULL));
    }
    rv_free(models->places);
    models->places = all->places;
    models->count = all->count;
    version_free(&models->before);
    models->before = all->before;
    models->loaded = true;
    settle(models);
}

/* ---- looking ---- */

struct first_look {
    struct rv_models *models;
    struct wanted all;
};

static enum rv_code take_first(void *data, const struct rv_result *result, int row,
                               struct rv_error *err)
{
    (void)err;
    struct first_look *look = data;
    take_row(look->models, &look->all, result, row);
    return RV_OK;
}

/* With the lock; waits for the database. */
static void look_first(struct rv_models *models)
{
    struct rv_db_session *session = NULL;
    struct rv_error err = {.code = RV_OK};
    struct first_look look = {.models = models};
    enum rv_code code = rv_db_session_open(models->options.uri, &session, &err);
    if (code == RV_OK) {
        code =
            rv_db_session_query(session, 0, &rv_sql_model_serving, NULL, take_first, &look, &err);
    }
    rv_db_session_close(session);
    if (code == RV_OK) {
        take_all(models, &look.all);
    } else {
        wanted_free(&look.all);
        rv_log_error("model", "REGISTRY", &err);
        models->failed = err;
    }
}

static void on_looked(void *data, enum rv_code code, const struct rv_result *result,
                      const struct rv_error *err)
{
    struct rv_models *models = data;
    struct wanted all = {.count = 0};
    models->looking = false;
    if (models->stopped) {
        return;
    }
    if (code != RV_OK) {
        rv_log_error("model", "REGISTRY", err); /* what serves goes on */
        return;
    }
    pthread_mutex_lock(&models->lock);
    for (int i = 0; i < rv_result_rows(result); i++) {
        take_row(models, &all, result, i);
    }
    take_all(models, &all);
    pthread_mutex_unlock(&models->lock);
}

static void on_tick(void *data)
{
    struct rv_models *models = data;
    int64_t now = rv_mono_us(rv_loop_clock(models->options.loop));
    pthread_mutex_lock(&models->lock);
    settle(models);
    pthread_mutex_unlock(&models->lock);
    if (!models->looking && now - models->looked_us >= RV_MODELS_LOOK_MS * INT64_C(1000)) {
        models->looking = true;
        models->looked_us = now;
        rv_db_query(models->options.db, 0, &rv_sql_model_serving, NULL, on_looked, models);
    }
    rv_timer_start(models->timer, SETTLE_MS);
}

/* ---- life ---- */

struct rv_models *rv_models_open(const struct rv_models_options *options)
{
    struct rv_models *models = rv_alloc(sizeof *models);
    models->options = *options;
    RV_ASSERT(pthread_mutex_init(&models->lock, NULL) == 0);
    if (options->watch) {
        RV_ASSERT(options->db != NULL);
        look_first(models);
        models->timer = rv_timer_create(options->loop, on_tick, models);
        rv_timer_start(models->timer, SETTLE_MS);
    }
    return models;
}

void rv_models_stop(struct rv_models *models)
{
    models->stopped = true;
    rv_timer_close(models->timer);
    models->timer = NULL;
}

void rv_models_close(struct rv_models *models)
{
    if (models == NULL) {
        return;
    }
    rv_models_stop(models);
    for (struct served *at = models->served, *next; at != NULL; at = next) {
        next = at->next;
        rv_engine_close(at->engine);
        rv_free(at->label);
        rv_free(at);
    }
    pthread_mutex_destroy(&models->lock);
    rv_free(models->places);
    version_free(&models->before);
    rv_free(models);
}

struct rv_engine *rv_models_pick(struct rv_models *models, int32_t tenant)
{
    pthread_mutex_lock(&models->lock);
    if (!models->loaded && !models->options.watch) {
        look_first(models);
    }
    const struct place *place = place_of(models, tenant);
    struct rv_engine *engine = place != NULL && place->now != NULL ? place->now->engine : NULL;
    pthread_mutex_unlock(&models->lock);
    return engine;
}

bool rv_models_unknown(struct rv_models *models, struct rv_error *err)
{
    pthread_mutex_lock(&models->lock);
    bool unknown = !models->loaded && models->failed.code != RV_OK;
    if (unknown) {
        rv_fail(err, RV_UNAVAILABLE, "the registry of models could not be read: %s",
                models->failed.message);
    }
    pthread_mutex_unlock(&models->lock);
    return unknown;
}
