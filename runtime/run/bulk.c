/* bulk.c -- see bulk.h. */
#include "runtime/run/bulk.h"

#include "run_sql.h"
#include "runtime/base/check.h"
#include "runtime/run/claim.h"
#include "runtime/run/history_read.h"
#include "runtime/run/replay.h"
#include "runtime/run/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char rv_bulk_act_words[] = "cancel retry fork";

static const struct {
    const char *name;
    const char *statuses;  /* that a filter may ask for */
    const char *otherwise; /* it asks for none */
    bool of_named;         /* `otherwise` holds for runs that are named, too */
    const char *done;
    const char *field; /* the same in JSON */
} acts[RV_BULK_ACTS] = {
    [RV_BULK_CANCEL] = {"cancel",
                        "open stuck retrying people created planning executing waiting reviewing "
                        "compensating",
                        "open", true, "asked to stop", "asked_to_stop"},
    [RV_BULK_RETRY] = {"retry", "failed", "failed", true, "retried", "retried"},
    /* what cannot be forked says so by itself, with a remedy */
    [RV_BULK_FORK] = {"fork", "over done failed cancelled compensated diverged", "over", false,
                      "forked", "forked"},
};

enum rv_bulk_act rv_bulk_act_of(const char *word)
{
    int act = 0;
    while (act < RV_BULK_ACTS && strcmp(acts[act].name, word) != 0) {
        act++;
    }
    return act;
}

const char *rv_bulk_act_name(enum rv_bulk_act act)
{
    return acts[act].name;
}

const char *rv_bulk_status_words(enum rv_bulk_act act)
{
    return acts[act].statuses;
}

const char *rv_bulk_status_all(enum rv_bulk_act act)
{
    return acts[act].otherwise;
}

const char *rv_bulk_done_word(enum rv_bulk_act act)
{
    return acts[act].done;
}

static void refuse(struct rv_bulk *bulk, struct rv_bulk_one *one, const struct rv_error *err)
{
    one->err = rv_alloc(sizeof *one->err);
    *one->err = *err;
    bulk->refused++;
    bulk->first = bulk->first != NULL ? bulk->first : one->err;
}

/* ---- which ---- */

static struct rv_bulk_one *add(struct rv_bulk *bulk, int64_t run, const char *agent,
                               const char *exception, const char *ending)
{
    bulk->list = rv_realloc(bulk->list, (size_t)(bulk->count + 1) * sizeof *bulk->list);
    struct rv_bulk_one *one = &bulk->list[bulk->count++];
    *one = (struct rv_bulk_one){.run = run,
                                .agent = rv_strdup(agent),
                                .exception = rv_strdup(exception),
                                .ending = rv_strdup(ending)};
    return one;
}

static enum rv_code take_one(void *data, const struct rv_result *result, int row,
                             struct rv_error *err)
{
    (void)err;
    struct rv_bulk_one *one =
        add(data, rv_result_i64(result, row, 0), rv_result_text(result, row, 2),
            rv_result_text(result, row, 3), rv_result_text(result, row, 4));
    snprintf(one->status, sizeof one->status, "%s", rv_result_text(result, row, 1));
    return RV_OK;
}

static enum rv_code read_chosen(struct rv_db_session *session, int32_t tenant, const json_t *filter,
                                int64_t limit, struct rv_bulk *bulk, struct rv_error *err)
{
    struct rv_args *args = rv_args_create(&rv_sql_run_chosen);
    rv_args_json(args, 2, filter);
    rv_args_i32(args, 3, (int32_t)limit);
    return rv_db_session_query(session, tenant, &rv_sql_run_chosen, args, take_one, bulk, err);
}

/* A run that was named and that the filter does not give: adds it, with the reason. */
static enum rv_code add_missing(struct rv_db_session *session, int32_t tenant, int64_t run,
                                bool open, struct rv_bulk *bulk, struct rv_error *err)
{
    struct rv_error why = {.code = RV_OK};
    int before = bulk->count;
    json_t *only = json_pack("{s:[I]}", "runs", (json_int_t)run);
    enum rv_code code = read_chosen(session, tenant, only, 1, bulk, err);
    json_decref(only);
    if (code != RV_OK) {
        return code;
    }
    bool there = bulk->count > before;
    struct rv_bulk_one *one = there ? &bulk->list[before] : add(bulk, run, "", "", "");
    if (!there) {
        rv_fail(&why, RV_NOT_FOUND, "no run r_%" PRId64, run);
        rv_hint(&why, "See the runs: reeve run list.");
    } else if (open && rv_run_state_final(rv_run_state_from_name(one->status))) {
        rv_fail(&why, RV_CONFLICT, "run r_%" PRId64 " is over: %s%s%.120s", run, one->status,
                one->ending[0] != '\0' ? ", " : "", one->ending);
        rv_hint(&why, "See how it ended: reeve explain r_%" PRId64 ".", run);
    } else {
        rv_fail(&why, RV_CONFLICT,
                "run r_%" PRId64 " is %s: it is none of those that the command is about", run,
                one->status);
        rv_hint(&why, "See it: reeve run show r_%" PRId64 ".", run);
    }
    refuse(bulk, one, &why);
    return RV_OK;
}

static bool has_run(const struct rv_bulk *bulk, int64_t run)
{
    bool found = false;
    for (int i = 0; i < bulk->count && !found; i++) {
        found = bulk->list[i].run == run;
    }
    return found;
}

enum rv_code rv_bulk_choose(struct rv_db_session *session, int32_t tenant,
                            const struct rv_bulk_wish *wish, int64_t limit, struct rv_bulk *bulk,
                            struct rv_error *err)
{
    RV_ASSERT(limit >= 1 && limit <= RV_BULK_MAX);
    json_t *filter = json_copy((json_t *)(uintptr_t)wish->filter);
    bool named = wish->runs != NULL;
    if (rv_json_str(filter, "status", "")[0] == '\0' && (!named || acts[wish->act].of_named)) {
        json_object_set_new(filter, "status", json_string(acts[wish->act].otherwise));
    }
    if (named) {
        json_object_set(filter, "runs", (json_t *)(uintptr_t)wish->runs);
    }
    enum rv_code code = read_chosen(session, tenant, filter, limit, bulk, err);
    json_decref(filter);
    size_t i;
    json_t *run;
    json_array_foreach((json_t *)(uintptr_t)wish->runs, i, run)
    {
        int64_t id = json_integer_value(run);
        if (code == RV_OK && bulk->count < limit && !has_run(bulk, id)) {
            code = add_missing(session, tenant, id, wish->act == RV_BULK_CANCEL, bulk, err);
        }
    }
    return code;
}

static void drop(struct rv_bulk_one *one)
{
    rv_free(one->agent);
    rv_free(one->exception);
    rv_free(one->ending);
    rv_free(one->err);
}

void rv_bulk_cut(struct rv_bulk *bulk, int most)
{
    while (bulk->count > most) {
        struct rv_bulk_one *last = &bulk->list[--bulk->count];
        bulk->refused -= last->err != NULL;
        bulk->first = bulk->first == last->err ? NULL : bulk->first;
        drop(last);
    }
}

void rv_bulk_fini(struct rv_bulk *bulk)
{
    rv_bulk_cut(bulk, 0);
    rv_free(bulk->list);
    *bulk = (struct rv_bulk){.list = NULL};
}

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

static enum rv_code read_history(struct rv_db_session *session, int32_t tenant, int64_t run,
                                 json_t **out, struct rv_error *err)
{
    struct rv_history_reader reader;
    enum rv_code code = rv_history_reader_open(session, tenant, run, &reader, err);
    if (code == RV_OK) {
        code = rv_history_whole(reader.head, &reader.pages, out, err);
    }
    rv_history_reader_close(&reader);
    return code;
}

/* Would the copied part do the same, with the new plan and input?  Nothing is asked or written. */
static enum rv_code check_replay(struct rv_db_session *session, int32_t tenant,
                                 const struct rv_run_fork *fork, const json_t *facts,
                                 struct rv_error *err)
{
    json_t *history = NULL;
    enum rv_code code = read_history(session, tenant, fork->run, &history, err);
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
    char who[200];
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
            refuse(bulk, one, &err);
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
        refuse(doing->bulk, one, err);
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
                      wish->reason != NULL ? wish->reason : acts[RV_BULK_CANCEL].done, on_asked,
                      doing);
        break;
    case RV_BULK_RETRY:
        rv_run_begin_for(place->gate, place->db, place->tenant, place->principal, one->exception,
                         NULL, NULL, place->resolutions_of, on_asked, doing);
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
            refuse(bulk, one, &err);
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

/* ---- what became of it ---- */

json_t *rv_bulk_json(const struct rv_bulk_wish *wish, const struct rv_bulk_one *one, bool acted)
{
    json_t *said = json_pack("{s:o}", "run", json_sprintf("r_%" PRId64, one->run));
    if (one->agent[0] != '\0') {
        json_object_set_new(said, "agent", json_string(one->agent));
        json_object_set_new(said, "status", json_string(one->status));
    }
    json_object_set_new(said, acts[wish->act].field, json_boolean(acted && one->err == NULL));
    if (one->id != 0) {
        json_object_set_new(said, "new_run", json_sprintf("r_%" PRId64, one->id));
    }
    if (one->err != NULL) {
        json_object_set_new(said, "code", json_string(rv_code_name(one->err->code)));
        json_object_set_new(said, "message", json_string(one->err->message));
    }
    if (one->err != NULL && one->err->hint[0] != '\0') {
        json_object_set_new(said, "hint", json_string(one->err->hint));
    }
    return said;
}
