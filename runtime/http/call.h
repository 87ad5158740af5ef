/* call.h -- one authenticated call of a route; for handlers.
 *
 * The call lives in the exchange's arena: it must not be touched after an answer.
 */
#ifndef REEVE_RUNTIME_HTTP_CALL_H
#define REEVE_RUNTIME_HTTP_CALL_H

#include "runtime/http/api.h"
#include "runtime/http/router.h"

struct rv_desk; /* desk.h */
struct rv_events;
struct rv_openai_open;  /* openai_call.c */
struct rv_openai_share; /* openai_share.c */
struct rv_update_wait;  /* api_updates.c */

struct rv_api {
    struct rv_api_options options;
    struct rv_auth *auth;
    struct rv_events *events;
    struct rv_desk *desk;
    struct rv_pages *pages;
    struct rv_route *routes; /* more_routes, then our own */
    int more_count;
    struct rv_openai_open *openai;  /* questions to the model on their way */
    struct rv_openai_share *shares; /* what they may use, by company */
    struct rv_update_wait *waits;   /* for answers of runs */
    struct rv_hash operator_hash;   /* of the operator's token ... */
    bool has_operator;              /* ... where there is one */
    bool stopped;
};

struct rv_call {
    struct rv_api *api;
    struct rv_exchange *exchange;
    const struct rv_caller *caller; /* NULL on routes that anyone may use; tenant 0: the operator,
                                       on routes with RV_MAY_OVERSEE alone */
    struct rv_route_match match;
    json_t *body; /* the JSON object of the request; released with the arena; NULL without */
    void *data;   /* more_data for added routes */
};

/* Answers with `error` and forgets the call. */
void rv_call_fail(struct rv_call *call, const struct rv_error *err, const char *field);
/* Answers 401, 429 or 503 with the fields that belong to it. */
void rv_call_refuse_caller(struct rv_call *call, const struct rv_auth_refusal *refusal);
/* Runs a statement whose first column of the first row is the JSON answer, as the caller's tenant.
 * No row or NULL is RV_NOT_FOUND with `what` in the message.  Takes args. */
void rv_call_read(struct rv_call *call, const struct rv_statement *statement, struct rv_args *args,
                  const char *what);
/* A change that the caller answers for: one statement and its audit record in one transaction
 * (runtime/audit/act.h), then 200 with `answer`.  No row is RV_NOT_FOUND with `missing` in the
 * message.  Takes about, args and answer. */
void rv_call_act(struct rv_call *call, const char *what, json_t *about,
                 const struct rv_statement *effect, struct rv_args *args, json_t *answer,
                 const char *missing);
/* The id in path part `index`; on a malformed one answers 404 and returns 0. */
int64_t rv_call_id(struct rv_call *call, int index, const char *what);
/* The arguments (tenant, status word or NULL, after id or NULL, limit) of every list statement;
 * NULL when a query parameter was wrong: then the call is answered.  The parameter `status_name`,
 * where it is given, is one of `status_words`, with a space between two; NULL, NULL: the list has
 * none. */
struct rv_args *rv_call_page(struct rv_call *call, const struct rv_statement *statement,
                             const char *status_name, const char *status_words);
/* The parameter, where it is given, is one of `words`; false: answered. */
bool rv_call_word(struct rv_call *call, const char *parameter, const char *words);
/* An `rv_api_done` that answers `data` (a call) with status 200, or 202 for accepted work. */
void rv_call_done(void *data, enum rv_code code, const json_t *answer, const struct rv_error *err);
void rv_call_accepted(void *data, enum rv_code code, const json_t *answer,
                      const struct rv_error *err);

/* Handlers, by file. */
void rv_api_sign_in(struct rv_call *call); /* api_session.c */
void rv_api_sign_out(struct rv_call *call);
void rv_api_me(struct rv_call *call);
void rv_api_approvals_list(struct rv_call *call); /* api_approvals.c */
void rv_api_approval_show(struct rv_call *call);
void rv_api_approval_decide(struct rv_call *call);
void rv_api_hook_callback(struct rv_call *call);
void rv_api_runs_list(struct rv_call *call); /* api_runs.c */
void rv_api_run_show(struct rv_call *call);
void rv_api_run_start(struct rv_call *call);
void rv_api_run_signal(struct rv_call *call);
void rv_api_run_cancel(struct rv_call *call);
void rv_api_run_raise(struct rv_call *call);
void rv_api_runs_bulk(struct rv_call *call); /* api_bulk.c */
void rv_api_run_retry(struct rv_call *call);
void rv_api_run_fork(struct rv_call *call);
void rv_api_values(struct rv_call *call); /* api_updates.c */
void rv_api_update(struct rv_call *call);
void rv_api_updates_list(struct rv_call *call);
void rv_api_update_show(struct rv_call *call);
void rv_api_dead_letters(struct rv_call *call); /* api_dead.c */
void rv_api_dead_letter(struct rv_call *call);
void rv_api_run_revive(struct rv_call *call);
void rv_api_run_settle(struct rv_call *call);
void rv_api_blobs_list(struct rv_call *call); /* api_blobs.c */
void rv_api_blob_put(struct rv_call *call);
void rv_api_exceptions_list(struct rv_call *call); /* api_exceptions.c */
void rv_api_exception_show(struct rv_call *call);
void rv_api_schedules_list(struct rv_call *call); /* api_schedules.c */
void rv_api_schedule_show(struct rv_call *call);
void rv_api_schedule_add(struct rv_call *call);
void rv_api_schedule_set(struct rv_call *call);
void rv_api_schedule_remove(struct rv_call *call);
void rv_api_schedule_pause(struct rv_call *call);
void rv_api_schedule_resume(struct rv_call *call);
void rv_api_schedule_trigger(struct rv_call *call);
void rv_api_schedule_backfill(struct rv_call *call);
void rv_api_calendars_list(struct rv_call *call); /* api_calendars.c */
void rv_api_calendar_show(struct rv_call *call);
void rv_api_calendar_put(struct rv_call *call);
void rv_api_calendar_remove(struct rv_call *call);
void rv_api_hooks_list(struct rv_call *call); /* api_hooks.c */
void rv_api_hook_deliveries(struct rv_call *call);
void rv_api_hook_redrive(struct rv_call *call);
void rv_api_intents_list(struct rv_call *call); /* api_intents.c */
void rv_api_intent_show(struct rv_call *call);
void rv_api_intent_resolve(struct rv_call *call);
void rv_api_chat_completions(struct rv_call *call); /* api_openai.c */
void rv_api_completions(struct rv_call *call);
void rv_api_embeddings(struct rv_call *call);
void rv_api_models_list(struct rv_call *call);
void rv_api_model_show(struct rv_call *call);
void rv_api_answer_show(struct rv_call *call); /* openai_record.c */
void rv_api_events(struct rv_call *call);      /* events.c */
void rv_api_health(struct rv_call *call);      /* api.c */
void rv_api_page(struct rv_call *call);        /* pages.c */

/* api_openai.c: whether errors of this route have that API's shape, and one of them */
bool rv_route_is_openai(const struct rv_route *route);
bool rv_call_is_openai(const struct rv_call *call);
void rv_openai_refuse_exchange(struct rv_exchange *exchange, int status, const char *code,
                               const char *message, const char *hint);
void rv_openai_refuse_status(struct rv_call *call, int status, const char *code,
                             const char *message);
/* api_updates.c: answers those who wait */
void rv_api_updates_stop(struct rv_api *api);
/* openai_call.c: ends what is on its way */
void rv_openai_stop(struct rv_api *api);
/* events.c */
struct rv_events *rv_events_create(struct rv_loop *loop, struct rv_db *db);
void rv_events_stop(struct rv_events *events);
void rv_events_destroy(struct rv_events *events);
/* pages.c */
struct rv_pages *rv_pages_create(const struct rv_asset *assets);
void rv_pages_destroy(struct rv_pages *pages);

#endif
