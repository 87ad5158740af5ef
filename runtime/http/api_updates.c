/* api_updates.c -- what a run publishes, what it is asked and answers.
 *
 * ?wait_s= on an update: the call stands until the run has answered, or the time is over; the
 * answer comes from the database, wherever the run works, so it is looked for every now and then.
 */
#include "run_sql.h"
#include "runtime/base/check.h"
#include "runtime/http/call.h"
#include "runtime/run/update.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOOK_MS = 100, /* between two looks, at first; twice as long each time ... */
    LOOK_MAX_MS = 1000,
    UPDATES_SHOWN = 200,
    WAIT_TEXT = 24 /* digits of wait_s, with room for what is too large */
};

/* ---- values ---- */

void rv_api_values(struct rv_call *call)
{
    int64_t run = rv_call_id(call, 0, "run");
    if (run == 0) {
        return;
    }
    bool one = call->match.part_count > 1;
    struct rv_args *args = rv_args_create(&rv_sql_run_values);
    rv_args_i32(args, 1, call->caller->tenant);
    rv_args_i64(args, 2, run);
    rv_args_text(args, 3, one ? call->match.parts[1] : NULL);
    rv_call_read(call, &rv_sql_run_values, args, one ? "run, or published value," : "run");
}

/* ---- waiting for an answer ---- */

struct rv_update_wait {
    struct rv_update_wait *next;
    struct rv_api *api;
    struct rv_call *call;
    int64_t run;
    char id[RV_UPDATE_ID_MAX + 1];
    json_t *shown; /* as it stood at the last look; NULL: none yet */
    struct rv_timer *timer;
    int64_t until_us;
    int64_t pause_ms; /* before the next look */
    int unanswered;   /* status of an answer that says: not yet */
    bool looking;
};

static bool is_answered(const json_t *shown)
{
    const char *state = rv_json_str(shown, "state", "");
    return strcmp(state, "answered") == 0 || strcmp(state, "refused") == 0;
}

static int64_t now_us(const struct rv_api *api)
{
    return rv_mono_us(rv_loop_clock(api->options.loop));
}

static void wait_free(struct rv_update_wait *wait)
{
    struct rv_update_wait **at = &wait->api->waits;
    while (*at != wait) {
        at = &(*at)->next;
    }
    *at = wait->next;
    rv_timer_close(wait->timer);
    json_decref(wait->shown);
    rv_free(wait);
}

static void wait_end(struct rv_update_wait *wait)
{
    int status = is_answered(wait->shown) ? 200 : wait->unanswered;
    rv_exchange_json(wait->call->exchange, status, wait->shown);
    wait_free(wait);
}

static void wait_fail(struct rv_update_wait *wait, const struct rv_error *err)
{
    rv_call_fail(wait->call, err, NULL);
    wait_free(wait);
}

static void on_look(void *data, enum rv_code code, const struct rv_result *result,
                    const struct rv_error *err)
{
    struct rv_update_wait *wait = data;
    struct rv_error missing = {.code = RV_OK};
    wait->looking = false;
    if (code != RV_OK) {
        wait_fail(wait, err);
        return;
    }
    if (rv_result_rows(result) == 0) {
        rv_fail(&missing, RV_NOT_FOUND, "no such run, or update, in your tenant");
        wait_fail(wait, &missing);
        return;
    }
    json_decref(wait->shown);
    wait->shown = rv_result_json(result, 0, 0);
    if (is_answered(wait->shown) || now_us(wait->api) >= wait->until_us || wait->api->stopped ||
        rv_exchange_gone(wait->call->exchange)) {
        wait_end(wait);
    } else {
        wait->pause_ms = wait->pause_ms * 2 < LOOK_MAX_MS ? wait->pause_ms * 2 : LOOK_MAX_MS;
        rv_timer_start(wait->timer, wait->pause_ms);
    }
}

static void look(void *data)
{
    struct rv_update_wait *wait = data;
    int32_t tenant = wait->call->caller->tenant;
    struct rv_args *args = rv_args_create(&rv_sql_run_update_get);
    rv_args_i32(args, 1, tenant);
    rv_args_i64(args, 2, wait->run);
    rv_args_text(args, 3, wait->id);
    wait->looking = true;
    rv_db_query(wait->api->options.db, tenant, &rv_sql_run_update_get, args, on_look, wait);
}

static void wait_begin(struct rv_call *call, int64_t run, const char *id, int64_t wait_s,
                       int unanswered)
{
    struct rv_update_wait *wait = rv_alloc(sizeof *wait);
    wait->next = call->api->waits;
    call->api->waits = wait;
    wait->api = call->api;
    wait->call = call;
    wait->run = run;
    wait->unanswered = unanswered;
    snprintf(wait->id, sizeof wait->id, "%s", id);
    wait->until_us = now_us(call->api) + wait_s * 1000000;
    wait->pause_ms = LOOK_MS / 2;
    wait->timer = rv_timer_create(call->api->options.loop, look, wait);
    look(wait);
}

void rv_api_updates_stop(struct rv_api *api)
{
    struct rv_update_wait *next = NULL;
    for (struct rv_update_wait *wait = api->waits; wait != NULL; wait = next) {
        next = wait->next;
        if (!wait->looking) { /* the others end with their look */
            wait_end(wait);
        }
    }
}

/* False: answered. */
static bool read_wait(struct rv_call *call, int64_t *out)
{
    char text[WAIT_TEXT];
    struct rv_error err = {.code = RV_OK};
    *out = 0;
    if (!rv_http_query(rv_exchange_request(call->exchange), "wait_s", text, sizeof text)) {
        return true;
    }
    *out = strtoll(text, NULL, 10);
    if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text) ||
        *out > RV_UPDATE_WAIT_MAX_S) {
        rv_fail(&err, RV_INVALID, "wait_s must be a number of seconds from 0 to %d",
                RV_UPDATE_WAIT_MAX_S);
        rv_hint(&err, "Read the answer later: GET /v1/runs/{id}/updates/{update}.");
        rv_call_fail(call, &err, "wait_s");
        return false;
    }
    return true;
}

/* ---- updates ---- */

struct sent {
    struct rv_call *call;
    int64_t run;
    int64_t wait_s;
};

static void on_updated(void *data, enum rv_code code, const json_t *update, const char *field,
                       const struct rv_error *err)
{
    struct sent *sent = data;
    if (code != RV_OK) {
        rv_call_fail(sent->call, err, field);
    } else if (sent->wait_s > 0 && !is_answered(update)) {
        wait_begin(sent->call, sent->run, rv_json_str(update, "id", ""), sent->wait_s, 202);
    } else {
        rv_exchange_json(sent->call->exchange, is_answered(update) ? 200 : 202, update);
    }
}

void rv_api_update(struct rv_call *call)
{
    struct rv_error err = {.code = RV_OK};
    const char *name = NULL;
    int64_t wait_s = 0;
    int64_t run = rv_call_id(call, 0, "run");
    if (run == 0 || !read_wait(call, &wait_s)) {
        return;
    }
    if (rv_json_need_str(call->body, "body", "name", &name, &err) != RV_OK) {
        rv_call_fail(call, &err, "name");
        return;
    }
    const json_t *id = json_object_get(call->body, "id");
    if (id != NULL && !json_is_string(id)) {
        rv_fail(&err, RV_INVALID, "id must be a text");
        rv_call_fail(call, &err, "id");
        return;
    }
    struct sent *sent = rv_arena_alloc(rv_exchange_arena(call->exchange), sizeof *sent);
    *sent = (struct sent){call, run, wait_s};
    const struct rv_api_runs *runs = &call->api->options.runs;
    runs->update(runs->self, call->caller, run, name, id != NULL ? json_string_value(id) : NULL,
                 json_object_get(call->body, "body"), on_updated, sent);
}

void rv_api_updates_list(struct rv_call *call)
{
    int64_t run = rv_call_id(call, 0, "run");
    if (run != 0) {
        struct rv_args *args = rv_args_create(&rv_sql_run_updates);
        rv_args_i32(args, 1, call->caller->tenant);
        rv_args_i64(args, 2, run);
        rv_args_i32(args, 3, UPDATES_SHOWN);
        rv_call_read(call, &rv_sql_run_updates, args, "run");
    }
}

void rv_api_update_show(struct rv_call *call)
{
    int64_t wait_s = 0;
    int64_t run = rv_call_id(call, 0, "run");
    if (run != 0 && read_wait(call, &wait_s)) {
        wait_begin(call, run, call->match.parts[1], wait_s, 200);
    }
}
