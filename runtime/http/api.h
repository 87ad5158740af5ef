/* api.h -- reeve's REST interface: routes, who may use them, and where the answers come from.
 *
 * Reads are SQL that builds the JSON (runtime/http/sql); decisions go to rv_approval_vote; whatever
 * touches a run goes through `struct rv_api_runs`, which the composition root fills.  The edge
 * turns bytes into one call and one answer and decides nothing itself.
 *
 * Ids are 63-bit and are written as decimal strings, because JavaScript numbers end at 2^53.
 *
 * Thread: the loop's.
 */
#ifndef REEVE_RUNTIME_HTTP_API_H
#define REEVE_RUNTIME_HTTP_API_H

#include "runtime/approval/approval.h"
#include "runtime/base/asset.h"
#include "runtime/db/db.h"
#include "runtime/hooks/callback.h"
#include "runtime/http/auth.h"
#include "runtime/http/server.h"
#include "runtime/model/engine.h"
#include "runtime/model/tier.h"

enum {
    RV_API_BODY_MAX = 64 * 1024,      /* decisions, sign-in: a comment is the largest part */
    RV_API_INPUT_MAX = 1024 * 1024,   /* input of a run, body of a signal */
    RV_API_CALENDAR_MAX = 256 * 1024, /* a thousand holidays with the longest names */
    RV_API_PAGE_MAX = 200,
    RV_API_PAGE_DEFAULT = 50,
    RV_API_COMMENT_MAX = 2000 /* as runtime/approval takes it */
};

/* `answer` (borrowed, may be NULL: an empty object) becomes the body when code is RV_OK. */
typedef void (*rv_api_done)(void *data, enum rv_code code, const json_t *answer,
                            const struct rv_error *err);

/* `field` names the input that was wrong, or is NULL. */
typedef void (*rv_api_updated)(void *data, enum rv_code code, const json_t *update,
                               const char *field, const struct rv_error *err);

/* A run to begin: for an exception, or with an input (checked: runtime/run/begin.h). */
struct rv_api_start {
    const char *exception; /* its key; NULL: with an input */
    const char *agent;     /* NULL: the one that handles the exception */
    const json_t *input;
    const char *key;         /* NULL: none */
    int priority;            /* of its claim on the key; -1: as the agent says */
    const char *traceparent; /* field of the request; NULL: none */
    const char *once;        /* the Idempotency-Key; NULL: none */
};

struct rv_run_fork;  /* runtime/run/fork.h */
struct rv_bulk_wish; /* runtime/run/bulk.h */
struct rv_bulk;

/* What the API asks of the run room.  Each function must call `done` exactly once, on this loop,
 * not inside the call.  `person` is the authenticated one.  Borrowed arguments live until done.
 *   start   answers {"id": "..."}, with what rv_run_claimed says of its key; RV_NOT_FOUND no such
 *           agent or exception, RV_CONFLICT a run holds the key: then the answer has its `holder`
 *   signal  name and body for a run; RV_NOT_FOUND, RV_CONFLICT when it is over
 * Both of them once for a key of the caller's (runtime/run/once.h, checked): the same answer again,
 * RV_CONFLICT when it was used for something else.
 *   cancel  asks a run to stop; RV_NOT_FOUND, RV_CONFLICT when it is over
 *   raise   gives a run more to spend, see runtime/run/request.h; RV_NOT_FOUND, RV_CONFLICT
 *   revive  lets a dead letter go on from where `fork` says (runtime/run/revive.h has found it);
 *           answers {"id": "..."}; RV_CONFLICT somebody was faster
 *   update  see runtime/run/update.h; may be answered inside the call when it is wrong in itself */
struct rv_api_runs {
    void (*start)(void *self, const struct rv_caller *caller, const struct rv_api_start *asked,
                  rv_api_done done, void *data);
    void (*signal)(void *self, const struct rv_caller *caller, int64_t run, const char *name,
                   const json_t *body, const char *once, rv_api_done done, void *data);
    void (*cancel)(void *self, const struct rv_caller *caller, int64_t run, const char *reason,
                   rv_api_done done, void *data);
    void *self;
    void (*update)(void *self, const struct rv_caller *caller, int64_t run, const char *name,
                   const char *id /* NULL: one is made */, const json_t *body, rv_api_updated done,
                   void *data);
    void (*raise)(void *self, const struct rv_caller *caller, int64_t run, const json_t *more,
                  rv_api_done done, void *data);
    void (*revive)(void *self, const struct rv_caller *caller, const struct rv_run_fork *fork,
                   rv_api_done done, void *data);
    /* rv_bulk_check: it waits, on a thread of the pool (desk.h) */
    void (*check)(struct rv_db_session *session, int32_t tenant, const struct rv_bulk_wish *wish,
                  struct rv_bulk *bulk);
    /* rv_bulk_do: what became of each stands in `bulk`; *stopped ends it early */
    void (*bulk)(void *self, const struct rv_caller *caller, const struct rv_bulk_wish *wish,
                 struct rv_bulk *bulk, const bool *stopped, void (*done)(void *data), void *data);
    /* rv_dead_read, rv_revive_find and rv_settle: they wait, on a thread of the pool (desk.h). */
    enum rv_code (*dead)(struct rv_db_session *session, int32_t tenant, int64_t run, json_t *dead,
                         struct rv_error *err);
    enum rv_code (*find)(struct rv_db_session *session, int32_t tenant, const json_t *dead,
                         struct rv_run_fork *fork, const char **field, struct rv_error *err);
    enum rv_code (*settle)(struct rv_db_session *session, int32_t tenant, int64_t run,
                           const char *person, const char *reason, struct rv_error *err);
};

/* What the OpenAI-compatible routes ask; pick NULL: no model. */
struct rv_api_models {
    struct rv_engine *(*pick)(void *self, int32_t tenant); /* NULL: none for this company */
    int64_t tokens_per_day;                                /* of one company; 0: no limit */
    int64_t deadline_ms;
    const struct rv_model_tiers *tiers; /* of the companies; NULL: all alike; borrowed */
    void *self;
};

/* A route that another room adds (metrics, the OpenAI-compatible endpoint): see call.h. */
struct rv_route;

struct rv_api_options {
    struct rv_loop *loop;
    struct rv_db *db;
    const char *uri;                /* of the same database, for administration (desk.h); copied */
    struct rv_committer *committer; /* acts of administration, and refusals, with their record;
                                       NULL: no route acts, and no refusal is on record */
    struct rv_approvals *approvals;
    struct rv_api_runs runs;
    struct rv_api_models models;
    struct rv_hook_callbacks *callbacks; /* NULL: signed callbacks are refused with 404 */
    const struct rv_asset *assets;       /* rv_web_assets; NULL: no pages */
    const char *operator_token;          /* of whoever runs the machine: opens the routes with
                                            RV_MAY_OVERSEE, as a caller of tenant 0, and nothing
                                            else; only its hash is kept; NULL or "": none */
    const struct rv_route *more_routes;  /* NULL, or ended by a NULL method; tried first */
    void *more_data;                     /* what their handlers find in call->data */
};

struct rv_api;

struct rv_api *rv_api_create(const struct rv_api_options *options);
void rv_api_destroy(struct rv_api *api); /* after the server and the db are closed */
/* Ends open event streams and timers; call before rv_http_server_close. */
void rv_api_stop(struct rv_api *api);

/* For struct rv_http_options; `data` is the api. */
/* In the words of the API that its path belongs to. */
void rv_api_refuse(void *data, struct rv_exchange *exchange, int status, const char *code,
                   const char *title, const char *hint);
void rv_api_admit(void *data, struct rv_exchange *exchange, size_t *body_max);
void rv_api_handle(void *data, struct rv_exchange *exchange);

#endif
