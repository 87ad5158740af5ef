/* actors_api.c -- see actors_api.h. */
#include "runtime/cli/actors_api.h"

#include "runtime/actor/trace.h"
#include "runtime/actor/view.h"
#include "runtime/base/check.h"
#include "runtime/run/run_trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- to JSON ---- */

/* As the log writes it. */
static json_t *ref_json(struct rv_ref ref)
{
    char text[20];
    snprintf(text, sizeof text, "%" PRIx64, ref.id);
    return json_string(text);
}

static const char *kind_name(uint32_t kind)
{
    switch (kind) {
    case RV_MESSAGE_STOP: return "stop";
    case RV_MESSAGE_DOWN: return "down";
    case RV_MESSAGE_TIMEOUT: return "timeout";
    case RV_MESSAGE_REPLY: return "reply";
    default: return kind < RV_MESSAGE_USER ? "system" : "message";
    }
}

static bool may_see(int32_t tenant, int32_t admin_of)
{
    return tenant == 0 || tenant == admin_of;
}

static json_t *turn_json(const struct rv_slow_turn *turn, int32_t admin_of)
{
    if (turn->ref.id == 0) {
        return json_null();
    }
    json_t *json = json_pack("{s:I}", "us", (json_int_t)turn->took_us);
    if (may_see(turn->tenant, admin_of)) {
        json_object_set_new(json, "ref", ref_json(turn->ref));
        json_object_set_new(json, "actor", json_string(turn->behavior));
        json_object_set_new(json, "tenant", json_integer(turn->tenant));
    }
    return json;
}

static json_t *stats_json(const struct rv_actor_stats *stats)
{
    return json_pack(
        "{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "live", (json_int_t)stats->live,
        "spawned", (json_int_t)stats->spawned, "turns", (json_int_t)stats->turns, "messages",
        (json_int_t)stats->messages, "sent_remote", (json_int_t)stats->sent_remote, "wakes",
        (json_int_t)stats->wakes, "dead_letters", (json_int_t)stats->dead, "refused",
        (json_int_t)stats->refused, "spilled", (json_int_t)stats->spilled, "restarts",
        (json_int_t)stats->restarts, "passivated", (json_int_t)stats->passivated, "reactivated",
        (json_int_t)stats->reactivated, "longest_mailbox", (json_int_t)stats->longest_mailbox);
}

/* `view` is NULL of a core that does not answer. */
static json_t *core_json(struct rv_actors *actors, int core, const struct rv_core_view *view,
                         int32_t admin_of)
{
    struct rv_actor_stats stats = {0};
    rv_actors_stats(actors, core, &stats);
    json_t *json = stats_json(view != NULL ? &view->stats : &stats);
    json_object_set_new(json, "core", json_integer(core));
    json_object_set_new(json, "answers", json_boolean(view != NULL));
    if (view == NULL) {
        struct rv_ref ref = {0};
        int64_t lasts_us = 0;
        bool in_hand = rv_actors_turn_in_hand(actors, core, &ref, &lasts_us);
        json_object_set_new(
            json, "turn",
            in_hand ? json_pack("{s:o,s:I}", "ref", ref_json(ref), "us", (json_int_t)lasts_us)
                    : json_null());
        return json;
    }
    json_object_set_new(json, "ready", json_integer(view->ready));
    json_object_set_new(json, "timers", json_integer(view->timers));
    json_object_set_new(json, "bytes", json_integer(view->bytes));
    json_object_set_new(json, "slow_turns", json_integer(view->slow_turns));
    json_object_set_new(json, "slowest_turn", turn_json(&view->slowest, admin_of));
    return json;
}

static const char *class_name(enum rv_class class)
{
    switch (class) {
    case RV_CLASS_INTERACTIVE: return "interactive";
    case RV_CLASS_BATCH: return "batch";
    case RV_CLASS_NORMAL: break;
    }
    return "normal";
}

static void add_actors(json_t *out, const struct rv_core_view *view, int32_t admin_of)
{
    for (int i = 0; i < view->actor_count; i++) {
        const struct rv_actor_view *one = &view->actors[i];
        if (may_see(one->tenant, admin_of)) {
            json_array_append_new(
                out, json_pack("{s:i,s:o,s:o,s:s,s:i,s:I,s:I,s:I,s:i,s:b,s:b,s:I,s:s,s:s}", "core",
                               view->core, "ref", ref_json(one->ref), "parent",
                               ref_json(one->parent), "actor", one->behavior, "tenant",
                               (int)one->tenant, "waiting", (json_int_t)one->waiting, "mailbox",
                               (json_int_t)one->mailbox, "handled", (json_int_t)one->handled,
                               "restarts", one->restarts, "suspended", (int)one->suspended,
                               "passivated", (int)one->passivated, "bytes", (json_int_t)one->bytes,
                               "class", class_name(one->class), "what", one->what));
        }
    }
}

/* Companies that the admin may not see are one row without a number. */
static void add_tenants(json_t *out, const struct rv_core_view *view, int32_t admin_of)
{
    struct rv_tenant_view rest = {.tenant = -1};
    int others = 0;
    for (int i = 0; i <= view->tenant_count; i++) {
        bool last = i == view->tenant_count;
        const struct rv_tenant_view *one = last ? &rest : &view->tenants[i];
        if (!last && !may_see(one->tenant, admin_of)) {
            others++;
            rest.actors += one->actors;
            rest.ready += one->ready;
            rest.turns += one->turns;
            rest.waiting += one->waiting;
            rest.bytes += one->bytes;
            continue;
        }
        if (last && others == 0) {
            continue;
        }
        json_array_append_new(
            out, json_pack("{s:i,s:o,s:o,s:i,s:i,s:I,s:I,s:I,s:i}", "core", view->core, "tenant",
                           last ? json_null() : json_integer(one->tenant), "weight",
                           last ? json_null() : json_integer(one->weight), "actors", one->actors,
                           "ready", one->ready, "turns", (json_int_t)one->turns, "waiting",
                           (json_int_t)one->waiting, "bytes", (json_int_t)one->bytes, "companies",
                           last ? others : 1));
    }
}

static void add_letters(json_t *out, const struct rv_core_view *view, int32_t admin_of)
{
    for (int i = 0; i < view->letter_count; i++) {
        const struct rv_dead_letter *letter = &view->letters[i];
        if (may_see(letter->tenant, admin_of)) {
            json_array_append_new(
                out, json_pack("{s:i,s:I,s:o,s:o,s:s,s:I,s:s?,s:i,s:s}", "core", view->core,
                               "at_us", (json_int_t)letter->at_us, "to", ref_json(letter->to),
                               "from", ref_json(letter->from), "kind", kind_name(letter->kind),
                               "number", (json_int_t)letter->kind, "actor", letter->behavior,
                               "tenant", (int)letter->tenant, "reason", letter->reason));
        }
    }
}

static void add_traced(json_t *out, const struct rv_trace_view *view, int32_t admin_of)
{
    for (int i = 0; i < view->count; i++) {
        const struct rv_traced *one = &view->messages[i];
        if (may_see(one->tenant, admin_of)) {
            json_array_append_new(
                out,
                json_pack("{s:i,s:I,s:I,s:I,s:o,s:o,s:s?,s:s,s:I,s:s?,s:b,s:s}", "core", view->core,
                          "at_us", (json_int_t)one->at_us, "waited_us", (json_int_t)one->waited_us,
                          "took_us", (json_int_t)one->took_us, "to", ref_json(one->to), "from",
                          ref_json(one->from), "actor", one->actor, "kind", kind_name(one->kind),
                          "number", (json_int_t)one->kind, "what", one->what, "dead",
                          (int)one->dead, "code", rv_code_name(one->code)));
        }
    }
}

/* ---- one request ---- */

struct query {
    rv_api_done done; /* NULL: answered */
    void *data;
    json_t *(*compose)(const struct query *query, struct rv_actors *actors);
    struct rv_actors *actors;
    int32_t tenant;
    int cores;
    int waiting;           /* for so many answers */
    struct rv_trace trace; /* asked for instead of what the cores do */
    struct rv_core_view *views[RV_ACTOR_CORES_MAX];
    struct rv_trace_view *traces[RV_ACTOR_CORES_MAX];
};

static json_t *compose_actors(const struct query *query, struct rv_actors *actors)
{
    json_t *cores = json_array();
    json_t *tenants = json_array();
    json_t *list = json_array();
    for (int core = 0; core < query->cores; core++) {
        const struct rv_core_view *view = query->views[core];
        json_array_append_new(cores, core_json(actors, core, view, query->tenant));
        if (view != NULL) {
            add_tenants(tenants, view, query->tenant);
            add_actors(list, view, query->tenant);
        }
    }
    return json_pack("{s:I,s:o,s:o,s:o}", "at_us", (json_int_t)rv_now_us(rv_clock_system()),
                     "cores", cores, "tenants", tenants, "actors", list);
}

static int newest_first(const void *a, const void *b)
{
    int64_t left = rv_json_int(*(json_t *const *)a, "at_us", 0);
    int64_t right = rv_json_int(*(json_t *const *)b, "at_us", 0);
    return (left < right) - (left > right);
}

static int oldest_first(const void *a, const void *b)
{
    return newest_first(b, a);
}

/* Takes `found`. */
static json_t *in_order(json_t *found, int (*order)(const void *a, const void *b))
{
    size_t count = json_array_size(found);
    json_t **rows = rv_alloc_array(count + 1, sizeof(json_t *));
    for (size_t i = 0; i < count; i++) {
        rows[i] = json_array_get(found, i);
    }
    qsort(rows, count, sizeof(json_t *), order);
    json_t *sorted = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append(sorted, rows[i]);
    }
    rv_free(rows);
    json_decref(found);
    return sorted;
}

static json_t *compose_letters(const struct query *query, struct rv_actors *actors)
{
    (void)actors;
    json_t *found = json_array();
    for (int core = 0; core < query->cores; core++) {
        if (query->views[core] != NULL) {
            add_letters(found, query->views[core], query->tenant);
        }
    }
    return json_pack("{s:o}", "dead_letters", in_order(found, newest_first));
}

static json_t *compose_trace(const struct query *query, struct rv_actors *actors)
{
    char text[RV_TRACE_TEXT];
    int64_t seen = 0;
    json_t *found = json_array();
    (void)actors;
    for (int core = 0; core < query->cores; core++) {
        if (query->traces[core] != NULL) {
            seen += query->traces[core]->seen;
            add_traced(found, query->traces[core], query->tenant);
        }
    }
    rv_trace_text(query->trace, text);
    return json_pack("{s:s,s:I,s:o}", "trace_id", text, "seen", (json_int_t)seen, "messages",
                     in_order(found, oldest_first));
}

static void answer_now(struct query *query)
{
    json_t *json = query->compose(query, query->actors);
    query->done(query->data, RV_OK, json, NULL);
    query->done = NULL;
    json_decref(json);
}

static void on_view(struct rv_actor *self, void *state, enum rv_code code, struct rv_message *reply)
{
    struct query *query = state;
    if (code == RV_OK && rv_trace_is(query->trace)) {
        struct rv_trace_view *view = rv_message_take(reply);
        query->traces[view->core] = view;
    } else if (code == RV_OK) {
        struct rv_core_view *view = rv_message_take(reply);
        query->views[view->core] = view;
    }
    if (--query->waiting == 0) {
        answer_now(query);
        rv_actor_exit(self, RV_EXIT_NORMAL);
    }
}

static enum rv_code query_start(struct rv_actor *self, void *state, const void *argument,
                                struct rv_error *err)
{
    (void)err;
    struct query *query = state;
    *query = *(const struct query *)argument;
    query->cores = rv_actors_cores(query->actors);
    query->waiting = query->cores;
    for (int core = 0; core < query->cores; core++) {
        struct rv_message look = rv_message_of(rv_trace_is(query->trace) ? RV_LOOK_TRACE : RV_LOOK);
        look.body.numbers[0] = (int64_t)query->trace.high;
        look.body.numbers[1] = (int64_t)query->trace.low;
        rv_actor_call(self, rv_lookout_find(query->actors, core), &look, ACTORS_ANSWER_MS, on_view);
    }
    return RV_OK;
}

static enum rv_code query_receive(struct rv_actor *self, void *state, struct rv_message *message,
                                  struct rv_error *err)
{
    (void)self;
    (void)state;
    (void)message;
    (void)err;
    return RV_OK;
}

static void query_stop(struct rv_actor *self, void *state, enum rv_exit why)
{
    (void)self;
    (void)why;
    struct query *query = state;
    if (query->done != NULL) { /* the node ends meanwhile: with what is there */
        answer_now(query);
    }
    for (int core = 0; core < query->cores; core++) {
        if (query->views[core] != NULL) {
            rv_core_view_free(query->views[core]);
        }
        if (query->traces[core] != NULL) {
            rv_trace_view_free(query->traces[core]);
        }
    }
}

static const struct rv_behavior query_behavior = {.name = "query",
                                                  .start = query_start,
                                                  .receive = query_receive,
                                                  .stop = query_stop,
                                                  .state_bytes = sizeof(struct query)};

void actors_ask(struct rv_actors *actors, const struct actors_question *question, rv_api_done done,
                void *data)
{
    static json_t *(*const compose[])(const struct query *query, struct rv_actors *actors) = {
        [ACTORS_LIVE] = compose_actors,
        [ACTORS_DEAD_LETTERS] = compose_letters,
        [ACTORS_TRACE] = compose_trace};
    struct query query = {.done = done,
                          .data = data,
                          .compose = compose[question->what],
                          .actors = actors,
                          .tenant = question->admin_of,
                          .trace = question->trace};
    struct rv_spawn spawn = {.behavior = &query_behavior, .argument = &query};
    struct rv_ref ref = {0};
    struct rv_error err = {.code = RV_OK};
    enum rv_code code = rv_actors_spawn(actors, 0, &spawn, &ref, &err);
    if (code != RV_OK) {
        done(data, code, NULL, &err); /* the node is stopping */
    }
}
