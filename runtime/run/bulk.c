/* bulk.c -- the runs of a wish, and what is said of them; see bulk.h. */
#include "runtime/run/bulk.h"

#include "run_sql.h"
#include "runtime/base/check.h"
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

void rv_bulk_refuse(struct rv_bulk *bulk, struct rv_bulk_one *one, const struct rv_error *err)
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
    rv_bulk_refuse(bulk, one, &why);
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
