/* api_bulk.c -- one act for many runs, by the rules of runtime/run/bulk.h: cancel, retry, fork; and
 * a retry or fork of one.
 *
 *   body -> [desk: which runs, whether each may] -> run by run through the gate -> one answer
 *                                  a preview ends here
 */
#include "runtime/base/check.h"
#include "runtime/base/words.h"
#include "runtime/http/desk.h"
#include "runtime/run/bulk.h"
#include "runtime/run/search.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    BULK_MAX = 1000, /* acts of one request: a few seconds */
    BULK_DEFAULT = 200,
    OLDER_MAX = 2000000000 /* seconds */
};

/* In the arena of the exchange. */
struct bulk_call {
    struct rv_call *call;
    struct rv_bulk_wish wish; /* texts and input are the body's */
    json_t *filter, *runs;    /* of the wish; owned */
    struct rv_bulk bulk;
    int limit;
    int matched;
    bool preview;
    bool one; /* of the path: answered as one */
};

static void release(void *data)
{
    struct bulk_call *all = data;
    json_decref(all->filter);
    json_decref(all->runs);
    rv_bulk_fini(&all->bulk);
}

static struct bulk_call *open_call(struct rv_call *call)
{
    struct rv_arena *arena = rv_exchange_arena(call->exchange);
    struct bulk_call *all = rv_arena_alloc(arena, sizeof *all);
    *all = (struct bulk_call){.call = call, .filter = json_object(), .limit = BULK_DEFAULT};
    rv_arena_cleanup(arena, release, all);
    call->data = all;
    return all;
}

/* ---- what is wished ---- */

static enum rv_code read_preview(const json_t *body, bool *out, const char **field,
                                 struct rv_error *err)
{
    const json_t *preview = json_object_get(body, "preview");
    *out = json_is_true(preview);
    if (preview != NULL && !json_is_boolean(preview)) {
        *field = "preview";
        rv_fail(err, RV_INVALID, "preview must be true or false");
        rv_hint(err, "true says what would be done, and does nothing.");
        return RV_INVALID;
    }
    return RV_OK;
}

static enum rv_code read_fork(const json_t *body, struct rv_run_fork *out, const char **field,
                              struct rv_error *err)
{
    const json_t *at = json_object_get(body, "at_step");
    json_int_t step = json_is_integer(at) ? json_integer_value(at) : -1;
    if (step < 0 || step > INT32_MAX) {
        *field = "at_step";
        rv_fail(err, RV_INVALID, "at_step must be the number of the last step that is taken over");
        rv_hint(err, "0: none is.  GET /v1/runs/{id} gives the steps in journal.");
        return RV_INVALID;
    }
    *out = (struct rv_run_fork){.at = (int32_t)step,
                                .version = rv_json_str(body, "agent_version", NULL),
                                .input = json_object_get(body, "input")};
    if (out->input != NULL && !json_is_object(out->input)) {
        *field = "input";
        rv_fail(err, RV_INVALID, "input must be a JSON object");
        rv_hint(err, "It has the members of the exception that the plan sees instead.");
        return RV_INVALID;
    }
    return RV_OK;
}

/* A member that belongs to another act would be left out of account. */
static enum rv_code read_act(const json_t *body, struct rv_bulk_wish *out, const char **field,
                             struct rv_error *err)
{
    static const struct {
        const char *name;
        enum rv_bulk_act act;
    } of_one[] = {{"reason", RV_BULK_CANCEL},
                  {"at_step", RV_BULK_FORK},
                  {"agent_version", RV_BULK_FORK},
                  {"input", RV_BULK_FORK}};
    *field = "act";
    out->act = rv_bulk_act_of(rv_json_str(body, "act", ""));
    if (out->act == RV_BULK_ACTS) {
        rv_fail(err, RV_INVALID, "act must say what is done with the runs");
        rv_hint(err, "Write one of: %s.", rv_bulk_act_words);
        return RV_INVALID;
    }
    for (size_t i = 0; i < RV_COUNT(of_one); i++) {
        if (json_object_get(body, of_one[i].name) != NULL && of_one[i].act != out->act) {
            *field = of_one[i].name;
            rv_fail(err, RV_INVALID, "%s is nothing that a %s takes", *field,
                    rv_bulk_act_name(out->act));
            rv_hint(err, "It belongs to the act %s; leave it out.",
                    rv_bulk_act_name(of_one[i].act));
            return RV_INVALID;
        }
    }
    out->reason = rv_json_str(body, "reason", NULL);
    if (out->reason != NULL &&
        (out->reason[0] == '\0' || strlen(out->reason) > RV_API_COMMENT_MAX)) {
        *field = "reason";
        rv_fail(err, RV_INVALID, "reason must be 1 to %d bytes", RV_API_COMMENT_MAX);
        rv_hint(err, "Without one the runs are asked to stop all the same.");
        return RV_INVALID;
    }
    *field = NULL;
    return out->act == RV_BULK_FORK ? read_fork(body, &out->fork, field, err) : RV_OK;
}

static const char *filter_field(const struct rv_call *call, const char *name)
{
    return rv_arena_printf(rv_exchange_arena(call->exchange), "filter.%.40s", name);
}

static enum rv_code read_filter(struct bulk_call *all, const json_t *filter, const char **field,
                                struct rv_error *err)
{
    const char *name = NULL;
    json_t *value;
    *field = "filter";
    if (!json_is_object(filter)) {
        rv_fail(err, RV_INVALID, "filter must be a JSON object");
        rv_hint(err, "Its members are those of GET /v1/runs, such as {\"agent\":\"matcher\"}.");
        return RV_INVALID;
    }
    if (rv_json_only(filter, "filter", "status waiting_on role agent key error *older", &name,
                     err) != RV_OK) {
        *field = filter_field(all->call, name);
        return RV_INVALID;
    }
    json_object_foreach((json_t *)(uintptr_t)filter, name, value)
    {
        *field = filter_field(all->call, name);
        if (strcmp(name, "older") == 0) {
            json_int_t seconds = json_is_integer(value) ? json_integer_value(value) : 0;
            if (seconds < 1 || seconds > OLDER_MAX) {
                rv_fail(err, RV_INVALID, "%s must be a number of seconds, 1 to %d", *field,
                        OLDER_MAX);
                rv_hint(err, "One day is 86400.");
                return RV_INVALID;
            }
        } else if (json_string_length(value) < 1 ||
                   json_string_length(value) > RV_HTTP_PARAMETER_MAX) {
            rv_fail(err, RV_INVALID, "%s must be 1 to %d bytes", *field, RV_HTTP_PARAMETER_MAX);
            rv_hint(err, "Leave it out where it does not matter.");
            return RV_INVALID;
        }
    }
    *field = "filter.status";
    if (rv_words_need(*field, rv_json_str(filter, "status", ""),
                      rv_bulk_status_words(all->wish.act), err) != RV_OK) {
        return RV_INVALID;
    }
    *field = "filter.error";
    if (rv_words_need(*field, rv_json_str(filter, "error", ""), rv_run_error_words, err) != RV_OK) {
        return RV_INVALID;
    }
    json_object_update(all->filter, (json_t *)(uintptr_t)filter);
    return RV_OK;
}

/* "r_42" or "42"; 0: neither. */
static int64_t run_number(const json_t *name)
{
    const char *text = json_is_string(name) ? json_string_value(name) : "";
    const char *digits = text + (strncmp(text, "r_", 2) == 0 ? 2 : 0);
    size_t length = strlen(digits);
    bool number = length > 0 && length <= 18 && strspn(digits, "0123456789") == length;
    return number ? strtoll(digits, NULL, 10) : 0;
}

static enum rv_code read_runs(struct bulk_call *all, const json_t *runs, const char **field,
                              struct rv_error *err)
{
    size_t i;
    json_t *name;
    size_t count = json_array_size(runs);
    *field = "runs";
    all->runs = json_array();
    if (!json_is_array(runs) || count < 1 || count > BULK_MAX) {
        rv_fail(err, RV_INVALID, "runs must be an array of 1 to %d names of runs", BULK_MAX);
        rv_hint(err, "Such as [\"r_911902230237808202\"]; without it the filter says which.");
        return RV_INVALID;
    }
    json_array_foreach((json_t *)(uintptr_t)runs, i, name)
    {
        int64_t run = run_number(name);
        if (run == 0) {
            *field = rv_arena_printf(rv_exchange_arena(all->call->exchange), "runs[%zu]", i);
            rv_fail(err, RV_INVALID, "%s must be the name of a run", *field);
            rv_hint(err, "It looks like \"r_911902230237808202\"; GET /v1/runs gives them.");
            return RV_INVALID;
        }
        json_array_append_new(all->runs, json_integer(run));
    }
    return RV_OK;
}

static enum rv_code read_limit(const json_t *body, int *out, const char **field,
                               struct rv_error *err)
{
    const json_t *limit = json_object_get(body, "limit");
    json_int_t most = json_is_integer(limit) ? json_integer_value(limit) : 0;
    if (limit == NULL) {
        return RV_OK;
    }
    if (most < 1 || most > BULK_MAX) {
        *field = "limit";
        rv_fail(err, RV_INVALID, "limit must be a number from 1 to %d", BULK_MAX);
        rv_hint(err, "Ask again for what is left: matched says how many there are.");
        return RV_INVALID;
    }
    *out = (int)most;
    return RV_OK;
}

static enum rv_code read_body(struct bulk_call *all, const char **field, struct rv_error *err)
{
    const json_t *body = all->call->body;
    const json_t *filter = json_object_get(body, "filter");
    const json_t *runs = json_object_get(body, "runs");
    enum rv_code code = read_act(body, &all->wish, field, err);
    if (code == RV_OK) {
        code = read_preview(body, &all->preview, field, err);
    }
    if (code == RV_OK) {
        code = read_limit(body, &all->limit, field, err);
    }
    if (code == RV_OK && filter != NULL) {
        code = read_filter(all, filter, field, err);
    }
    if (code == RV_OK && runs != NULL) {
        code = read_runs(all, runs, field, err);
    }
    if (code == RV_OK && runs == NULL && json_object_size(all->filter) == 0) {
        *field = "filter"; /* never all by leaving it away */
        code = rv_fail(err, RV_INVALID, "which runs? name them in runs, or give a filter");
        rv_hint(err, "All of them: {\"filter\":{\"status\":\"%s\"}}.",
                rv_bulk_status_all(all->wish.act));
    }
    return code;
}

/* ---- answers ---- */

static void answer_one(const struct bulk_call *all)
{
    const struct rv_bulk_one *one = &all->bulk.list[0];
    if (one->err != NULL) {
        bool step = all->wish.act == RV_BULK_FORK && one->err->code == RV_INVALID;
        rv_call_fail(all->call, one->err, step ? "at_step" : NULL);
        return;
    }
    json_t *answer = rv_bulk_json(&all->wish, one, !all->preview);
    if (one->id != 0) {
        json_object_set_new(answer, "id", json_sprintf("%" PRId64, one->id));
    }
    rv_exchange_json(all->call->exchange, all->preview ? 200 : 202, answer);
    json_decref(answer);
}

static void answer(void *data)
{
    const struct bulk_call *all = data;
    if (all->one) {
        answer_one(all);
        return;
    }
    json_t *items = json_array();
    for (int i = 0; i < all->bulk.count; i++) {
        json_array_append_new(items, rv_bulk_json(&all->wish, &all->bulk.list[i], !all->preview));
    }
    json_t *whole = json_pack("{s:s,s:b,s:i,s:i,s:i,s:o}", "act", rv_bulk_act_name(all->wish.act),
                              "preview", all->preview, "matched", all->matched,
                              all->preview ? "would" : "done", all->bulk.count - all->bulk.refused,
                              "refused", all->bulk.refused, "items", items);
    rv_exchange_json(all->call->exchange, all->preview ? 200 : 202, whole);
    json_decref(whole);
}

/* ---- the way ---- */

static void begin(struct rv_call *call, void *data)
{
    struct bulk_call *all = data;
    const struct rv_api_runs *runs = &call->api->options.runs;
    if (all->preview) {
        answer(all);
    } else {
        runs->bulk(runs->self, call->caller, &all->wish, &all->bulk, &call->api->stopped, answer,
                   all);
    }
}

static enum rv_code find(struct rv_asked *asked, struct rv_error *err)
{
    static const struct rv_run_filter_names names = {"filter.waiting_on", "filter.role",
                                                     "filter.agent"};
    struct bulk_call *all = asked->call->data;
    asked->field_status = 400; /* as the same filter of GET /v1/runs */
    enum rv_code code =
        rv_run_filter_check(asked->session, asked->tenant, all->filter, &names, &asked->field, err);
    if (code == RV_OK) {
        code =
            rv_bulk_choose(asked->session, asked->tenant, &all->wish, RV_BULK_MAX, &all->bulk, err);
    }
    if (code == RV_OK) {
        all->matched = all->bulk.count;
        rv_bulk_cut(&all->bulk, all->limit);
        asked->call->api->options.runs.check(asked->session, asked->tenant, &all->wish, &all->bulk);
        asked->then = begin;
        asked->data = all;
    }
    return code;
}

static void go(struct bulk_call *all)
{
    all->wish.filter = all->filter;
    all->wish.runs = all->runs;
    rv_desk_read(all->call, find);
}

void rv_api_runs_bulk(struct rv_call *call)
{
    struct rv_error err = {.code = RV_OK};
    const char *field = NULL;
    struct bulk_call *all = open_call(call);
    if (read_body(all, &field, &err) != RV_OK) {
        rv_call_fail(call, &err, field);
    } else {
        go(all);
    }
}

/* The run of the path; false: answered. */
static bool take_run(struct bulk_call *all, enum rv_bulk_act act)
{
    int64_t run = rv_call_id(all->call, 0, "run");
    all->wish.act = act;
    all->one = true;
    all->runs = json_pack("[I]", (json_int_t)run);
    return run != 0;
}

void rv_api_run_retry(struct rv_call *call)
{
    struct rv_error err = {.code = RV_OK};
    const char *field = NULL;
    struct bulk_call *all = open_call(call);
    if (!take_run(all, RV_BULK_RETRY)) {
        return;
    }
    if (read_preview(call->body, &all->preview, &field, &err) != RV_OK) {
        rv_call_fail(call, &err, field);
    } else {
        go(all);
    }
}

void rv_api_run_fork(struct rv_call *call)
{
    struct rv_error err = {.code = RV_OK};
    const char *field = NULL;
    struct bulk_call *all = open_call(call);
    if (!take_run(all, RV_BULK_FORK)) {
        return;
    }
    if (read_fork(call->body, &all->wish.fork, &field, &err) != RV_OK ||
        read_preview(call->body, &all->preview, &field, &err) != RV_OK) {
        rv_call_fail(call, &err, field);
    } else {
        go(all);
    }
}
