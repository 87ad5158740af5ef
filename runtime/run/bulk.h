/* bulk.h -- one act for many runs: which ones, whether each of them may, and doing it.
 *
 *   wish -> choose (names, filter) -> check (is it possible?) -> act, run by run through the gate
 *                                         preview ends here
 *
 * What `reeve run cancel`, retry and fork do, and POST /v1/runs/bulk.  A run that is refused keeps
 * nobody else from being asked; each act is decided and recorded by itself, as a single one is.
 */
#ifndef REEVE_RUNTIME_RUN_BULK_H
#define REEVE_RUNTIME_RUN_BULK_H

#include "runtime/db/db.h"
#include "runtime/run/fork.h"

enum { RV_BULK_MAX = 10000 }; /* runs of one wish */

enum rv_bulk_act {
    RV_BULK_CANCEL, /* asks open runs to stop */
    RV_BULK_RETRY,  /* begins new ones for the exceptions of failed runs */
    RV_BULK_FORK,   /* begins new ones from where others, which are over, once were */
    RV_BULK_ACTS
};

struct rv_bulk_wish {
    enum rv_bulk_act act;
    const json_t *filter; /* as the function run_find takes it; without a status: that of the act */
    const json_t *runs;   /* their numbers; NULL: all that the filter gives */
    const char *reason;   /* of a cancel; NULL: "asked to stop" */
    struct rv_run_fork fork; /* of a fork: at, version, input */
};

struct rv_bulk_one {
    int64_t run;
    char status[16];
    char *agent;
    char *exception;      /* hexadecimal key; empty: it was not begun for one */
    char *ending;         /* what it failed of, or why it was stopped; in a few words */
    struct rv_error *err; /* why not; NULL: it would be done, or was */
    int64_t id;           /* of the new run; 0: none */
};

/* Zero to begin with. */
struct rv_bulk {
    struct rv_bulk_one *list; /* the newest first; what was named and is missing comes last */
    int count;
    int refused;                  /* of them */
    const struct rv_error *first; /* that was refused; NULL: none */
};

/* "cancel", "retry", "fork", with a space between two. */
extern const char rv_bulk_act_words[];
enum rv_bulk_act rv_bulk_act_of(const char *word); /* RV_BULK_ACTS: none */
const char *rv_bulk_act_name(enum rv_bulk_act act);
/* What a filter may have as status, with a space between two. */
const char *rv_bulk_status_words(enum rv_bulk_act act);
/* The status of all runs that the act is about: what somebody writes who means all of them. */
const char *rv_bulk_status_all(enum rv_bulk_act act);
/* What has become of a run: "asked to stop", "retried", "forked". */
const char *rv_bulk_done_word(enum rv_bulk_act act);

/* The runs, at most `limit` of them; the filter was checked (search.h).  A run that is named and
 * not there, or not as the act or the filter wants it, is in the list with its error: RV_NOT_FOUND
 * or RV_CONFLICT.  Blocking. */
RV_MUST enum rv_code rv_bulk_choose(struct rv_db_session *session, int32_t tenant,
                                    const struct rv_bulk_wish *wish, int64_t limit,
                                    struct rv_bulk *bulk, struct rv_error *err);
/* It is not done to this one. */
void rv_bulk_refuse(struct rv_bulk *bulk, struct rv_bulk_one *one, const struct rv_error *err);
/* Leaves the first `most`. */
void rv_bulk_cut(struct rv_bulk *bulk, int most);
/* Whether each of them may: would the plan of a fork do the same so far, does the exception of a
 * retry still stand?  Blocking; takes as long as the plans take. */
void rv_bulk_check(struct rv_db_session *session, int32_t tenant, const struct rv_bulk_wish *wish,
                   struct rv_bulk *bulk);

/* Where it is done.  Everything lives until `done`. */
struct rv_bulk_place {
    struct rv_gate *gate;
    struct rv_db *db;
    int32_t tenant;
    const struct rv_principal *principal;
    const char *const *(*resolutions_of)(const char *type);
    const bool *stopped; /* true: what was not begun is refused; NULL: never */
};
/* One after the other, but those with an error; `done` exactly once, and where none is left to ask
 * inside the call.  Thread: the gate's loop. */
void rv_bulk_do(const struct rv_bulk_place *place, const struct rv_bulk_wish *wish,
                struct rv_bulk *bulk, void (*done)(void *data), void *data);

/* One of them: {"run", "agent"?, "status"?, DONE: bool, "new_run"?, "code"?, "message"?, "hint"?},
 * where DONE is "asked_to_stop", "retried" or "forked"; new reference.  `acted`: it was done,
 * unless it was refused. */
json_t *rv_bulk_json(const struct rv_bulk_wish *wish, const struct rv_bulk_one *one, bool acted);
void rv_bulk_fini(struct rv_bulk *bulk);

#endif
