/* bulk_do.c -- whether the runs of a wish may, and doing it; see bulk.h. */
#include "run_sql.h"
#include "runtime/base/check.h"
#include "runtime/run/bulk.h"
#include "runtime/run/claim.h"
#include "runtime/run/history_read.h"
#include "runtime/run/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- whether ---- */

static enum rv_code take_json(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)err;
    json_t **out = data;
    json_decref(*out);
    *out = rv_result_json(result, row, 0);
    return RV_OK;
}

/* Would the copied part do the same, with the new plan and input?  Nothing is asked or written. */
static enum rv_code check_replay(struct rv_db_session *session, int32_t tenant,
                                 const struct rv_run_fork *fork, const json_t *facts,
                                 struct rv_error *err)
{
    json_t *history = NULL;
    enum rv_code code = rv_history_read(session, tenant, fork->run, &history, err);
    if (code != RV_OK) {
        return code;
    }
    json_t *journal = json_object_get(history, "journal");
    while (json_array_size(journal) > (size_t)fork->at) {
        json_array_remove(journal, json_array_size(journal) - 1);
    }
    json_object_set_new(history, "status", json_string("planning"));
    json_object_del(history, "result");
    json_object_set_new(history, "input", rv_fork_input(facts, fork));
    struct rv_replay_report report;
    code = rv_replay(history, rv_json_str(facts, "new_source", NULL), &report, err);
    if (code == RV_OK && report.verdict == RV_REPLAY_DIFFERS) {
        code = rv_fail(err, RV_CONFLICT, "up to step %d it would do something else: %.300s",
                       fork->at, report.text);
        rv_hint(err, "Fork at an earlier step, before the versions or inputs part.");
    }
    rv_replay_report_fini(&report);
    json_decref(history);
    return code;
}

static enum rv_code check_fork(struct rv_db_session *session, int32_t tenant,
                               const struct rv_bulk_wish *wish, int64_t run, struct rv_error *err)
{
    json_t *facts = NULL;
    struct rv_run_fork fork = wish->fork;
    struct rv_args *args = rv_args_create(&rv_sql_run_fork_look);
    rv_args_i64(args, 2, run);
    rv_args_i32(args, 3, fork.at);
    rv_args_text(args, 4, fork.version);
    fork.run = run;
    enum rv_code code =
        rv_db_session_query(session, tenant, &rv_sql_run_fork_look, args, take_json, &facts, err);
    if (code == RV_OK) {
        code = rv_fork_check(facts, &fork, err);
    }
    if (code == RV_OK && fork.at > 0 && (fork.version != NULL || fork.input != NULL)) {
        code = check_replay(session, tenant, &fork, facts, err);
    }
    json_decref(facts);
    return code;
}

static enum rv_code take_there(void *data, const struct rv_result *result, int row,
                               struct rv_error *err)
{
    (void)result;
    (void)row;
    (void)err;
    *(bool *)data = true;
    return RV_OK;
}

static enum rv_code take_holder(void *data, const struct rv_result *result, int row,
                                struct rv_error *err)
{
    (void)row;
    (void)err;
    json_t **holder = data;
    json_decref(*holder);
    *holder = rv_claim_holder(result);
    return RV_OK;
}

/* Somebody works on the exception of `one` already, or does so before it: an earlier one of these.
 */
static enum rv_code check_alone(struct rv_db_session *session, int32_t tenant,
                                const struct rv_bulk *bulk, const struct rv_bulk_one *one,
                                struct rv_error *err)
{
    json_t *holder = NULL;
    char key[100];
    char who[RV_CLAIM_SAID_MAX];
    for (const struct rv_bulk_one *at = bulk->list; at < one; at++) {
        if (at->err == NULL && strcmp(at->exception, one->exception) == 0) {
            rv_fail(err, RV_CONFLICT, "r_%" PRId64 " is for the same exception, and comes first",
                    at->run);
            rv_hint(err, "One new run is enough.");
            return RV_CONFLICT;
        }
    }
    snprintf(key, sizeof key, "exception:%.80s", one->exception);
    struct rv_args *args = rv_args_create(&rv_sql_run_claim_holder);
    rv_args_text(args, 2, key);
    enum rv_code code = rv_db_session_query(session, tenant, &rv_sql_run_claim_holder, args,
                                            take_holder, &holder, err);
    if (code == RV_OK && holder != NULL) {
        rv_claim_say(holder, who, sizeof who);
        code = rv_fail(err, RV_CONFLICT, "exception: a run is working on it already%s", who);
        rv_hint(err, "See it with reeve explain or GET /v1/runs/{id}; cancel it first if it must "
                     "not go on.");
    }
    json_decref(holder);
    return code;
}

static enum rv_code check_retry(struct rv_db_session *session, int32_t tenant,
                                const struct rv_bulk *bulk, const struct rv_bulk_one *one,
                                struct rv_error *err)
{
    bool open = false;
    if (one->exception[0] == '\0') {
        rv_fail(err, RV_CONFLICT, "r_%" PRId64 " was not begun for an exception", one->run);
        rv_hint(err, "Let it go on with reeve run revive r_%" PRId64 ", or fork it.", one->run);
        return RV_CONFLICT;
    }
    struct rv_args *args = rv_args_create(&rv_sql_exception_open);
    rv_args_text(args, 2, one->exception);
    enum rv_code code =
        rv_db_session_query(session, tenant, &rv_sql_exception_open, args, take_there, &open, err);
    if (code == RV_OK && !open) {
        code = rv_fail(err, RV_NOT_FOUND, "its exception is not open any more");
        rv_hint(err, "There is nothing left to do; see it: reeve explain r_%" PRId64 ".", one->run);
    }
    return code == RV_OK ? check_alone(session, tenant, bulk, one, err) : code;
}

void rv_bulk_check(struct rv_db_session *session, int32_t tenant, const struct rv_bulk_wish *wish,
                   struct rv_bulk *bulk)
{
    for (int i = 0; i < bulk->count && wish->act != RV_BULK_CANCEL; i++) {
        struct rv_error err = {.code = RV_OK};
        struct rv_bulk_one *one = &bulk->list[i];
        enum rv_code code = one->err != NULL ? RV_OK
                            : wish->act == RV_BULK_FORK
                                ? check_fork(session, tenant, wish, one->run, &err)
                                : check_retry(session, tenant, bulk, one, &err);
        if (code != RV_OK) {
            rv_bulk_refuse(bulk, one, &err);
        }
    }
}

/* ---- doing it ---- */

struct doing {
    struct rv_bulk_place place;
    const struct rv_bulk_wish *wish;
    struct rv_bulk *bulk;
    int at;
    void (*done)(void *data);
    void *data;
};

static void next(struct doing *doing);

static void on_asked(void *data, enum rv_code code, int64_t id, const struct rv_error *err)
{
    struct doing *doing = data;
    struct rv_bulk_one *one = &doing->bulk->list[doing->at];
    if (code != RV_OK) {
        rv_bulk_refuse(doing->bulk, one, err);
    } else if (doing->wish->act != RV_BULK_CANCEL) { /* of which it is the signal */
        one->id = id;
    }
    doing->at++;
    next(doing);
}

static void ask(struct doing *doing, const struct rv_bulk_one *one)
{
    const struct rv_bulk_place *place = &doing->place;
    const struct rv_bulk_wish *wish = doing->wish;
    struct rv_run_fork fork = wish->fork;
    fork.run = one->run;
    switch (wish->act) {
    case RV_BULK_CANCEL:
        rv_run_cancel(place->gate, place->db, place->tenant, place->principal, one->run,
                      wish->reason != NULL ? wish->reason : rv_bulk_done_word(RV_BULK_CANCEL),
                      on_asked, doing);
        break;
    case RV_BULK_RETRY:
        rv_run_begin_for(place->gate, place->db, place->tenant, place->principal, one->exception,
                         NULL, NULL, NULL, place->resolutions_of, on_asked, doing);
        break;
    case RV_BULK_FORK:
        rv_run_fork(place->gate, place->db, place->tenant, place->principal, &fork, on_asked,
                    doing);
        break;
    default: RV_UNREACHABLE("unknown act");
    }
}

static void next(struct doing *doing)
{
    struct rv_bulk *bulk = doing->bulk;
    for (; doing->at < bulk->count; doing->at++) {
        struct rv_bulk_one *one = &bulk->list[doing->at];
        bool stopped = doing->place.stopped != NULL && *doing->place.stopped;
        if (one->err == NULL && !stopped) {
            ask(doing, one);
            return;
        }
        if (one->err == NULL) {
            struct rv_error err = {.code = RV_OK};
            rv_fail(&err, RV_UNAVAILABLE, "this node is stopping");
            rv_hint(&err, "Nothing was done about this run; ask again, or another node.");
            rv_bulk_refuse(bulk, one, &err);
        }
    }
    doing->done(doing->data);
    rv_free(doing);
}

void rv_bulk_do(const struct rv_bulk_place *place, const struct rv_bulk_wish *wish,
                struct rv_bulk *bulk, void (*done)(void *data), void *data)
{
    struct doing *doing = rv_alloc(sizeof *doing);
    *doing =
        (struct doing){.place = *place, .wish = wish, .bulk = bulk, .done = done, .data = data};
    next(doing);
}
