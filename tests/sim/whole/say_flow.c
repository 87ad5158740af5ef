/* say_flow.c -- runtime/run/sql/flow.sql: what runs must have to begin, who has it, who is next;
 * see runtime/run/flow.h.
 */
#include "runtime/base/check.h"
#include "tests/sim/whole/base.h"
#include "tests/sim/whole/rows.h"

#include <stdlib.h>
#include <string.h>

enum { RUNS_MAX = 128, GENERATIONS = 64, MICRO = 1000000 };

/* ---- questions ---- */

bool base_holds_place(const struct base *base, const struct flow_row *row)
{
    return row->holds && (!row->has_until || row->until_us > base_now_us(base));
}

int base_places_used(struct base *base, int32_t tenant, const char *key)
{
    int used = 0;
    BASE_EACH(base, T_FLOW, flow_row, row)
    {
        used += row->tenant == tenant && base_is(row->key, key) && base_holds_place(base, row);
    }
    return used;
}

static bool before(const struct flow_row *one, const struct flow_row *other)
{
    return other == NULL || one->turn < other->turn ||
           (one->turn == other->turn && one->run < other->run);
}

static bool among(const int64_t *runs, int count, int64_t run)
{
    for (int i = 0; i < count; i++) {
        if (runs[i] == run) {
            return true;
        }
    }
    return false;
}

/* The first that waits for the key, but for some; NULL: nobody. */
static struct flow_row *first_but(struct base *base, int32_t tenant, const char *key,
                                  const int64_t *but, int count)
{
    struct flow_row *first = NULL;
    BASE_EACH(base, T_FLOW, flow_row, row)
    {
        if (row->tenant == tenant && base_is(row->key, key) && row->waits && before(row, first) &&
            !among(but, count, row->run)) {
            first = row;
        }
    }
    return first;
}

struct flow_row *base_place_next(struct base *base, int32_t tenant, const char *key)
{
    return first_but(base, tenant, key, NULL, 0);
}

static struct flow_row *place_of(struct base *base, int32_t tenant, int64_t run, int64_t place)
{
    BASE_EACH(base, T_FLOW, flow_row, row)
    {
        if (row->tenant == tenant && row->run == run && row->place == place) {
            return row;
        }
    }
    return NULL;
}

bool base_has_places(struct base *base, int32_t tenant, int64_t run)
{
    BASE_EACH(base, T_FLOW, flow_row, row)
    {
        if (row->tenant == tenant && row->run == run) {
            return true;
        }
    }
    return false;
}

/* ---- a run comes ---- */

bool base_put_places(struct base_call *call, int64_t run, const json_t *flow, int64_t created_us)
{
    size_t i;
    json_t *rule;
    json_array_foreach(json_object_get(flow, "keys"), i, rule)
    {
        if (place_of(call->base, call->tenant, run, (int64_t)i + 1) != NULL) {
            base_fail(call, "23505", "run_flow_pkey");
            return false;
        }
        struct flow_row *row = base_insert(call, T_FLOW);
        *row = (struct flow_row){.tenant = call->tenant,
                                 .run = run,
                                 .place = (int)i + 1,
                                 .key = rv_json_str(rule, "key", NULL),
                                 .most = (int)rv_json_int(rule, "most", 0),
                                 .seconds = (int)rv_json_int(rule, "seconds", 0),
                                 .turn = created_us - rv_json_int(flow, "ahead_s", 0) * MICRO};
    }
    return true;
}

static void mark(struct base_call *call, struct run_row *run)
{
    base_touch(call, T_RUN, run);
    run->has_wake = true;
    run->wake_us = base_now_us(call->base);
}

static void run_flow_put(struct base_call *call)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        int64_t id = base_int(call, 2, i);
        struct run_row *run = base_run(call->base, call->tenant, id);
        const struct input_row *input = base_input(call->base, call->tenant, id);
        if (run == NULL || input == NULL) {
            continue;
        }
        if (!base_is(run->status, "waiting") || !base_is(run->waiting_on, "lock")) {
            mark(call, run);
            run->status = "waiting";
            run->waiting_on = "slot";
        }
        if (base_claim_hurt(call->base, run)) {
            base_fail(call, "23505", "run_claim");
            return;
        }
    }
    bool ok = true; /* the parts of a statement that nothing reads come last */
    for (int i = 0; i < base_count(call, 2) && ok; i++) {
        int64_t id = base_int(call, 2, i);
        const struct run_row *run = base_run(call->base, call->tenant, id);
        const struct input_row *input = base_input(call->base, call->tenant, id);
        ok = run == NULL || input == NULL ||
             base_put_places(call, id, json_object_get(input->input, "flow"), run->created_us);
    }
}

/* ---- a run goes ---- */

static void run_flow_end(struct base_call *call)
{
    struct base *base = call->base;
    int64_t gone[RUNS_MAX];
    int count = base_count(call, 2);
    RV_ASSERT(count <= RUNS_MAX);
    for (int i = 0; i < count; i++) {
        gone[i] = base_int(call, 2, i);
    }
    BASE_EACH(base, T_FLOW, flow_row, row)
    {
        if (row->tenant != call->tenant || row->has_until || !among(gone, count, row->run)) {
            continue;
        }
        const struct flow_row *next = first_but(base, call->tenant, row->key, gone, count);
        struct run_row *run = next != NULL ? base_run(base, call->tenant, next->run) : NULL;
        if (run != NULL && base_is(run->status, "waiting")) {
            mark(call, run);
        }
        base_delete(call, T_FLOW, row);
    }
}

/* ---- what a pass decides about ---- */

struct moved {
    int64_t runs[RUNS_MAX];
    int count;
};

static void add(struct moved *moved, int64_t run)
{
    if (!among(moved->runs, moved->count, run)) {
        RV_ASSERT(moved->count < RUNS_MAX);
        moved->runs[moved->count++] = run;
    }
}

static const struct flow_row *comes_to(struct base *base, int32_t tenant, int64_t run)
{
    const struct flow_row *first = NULL;
    BASE_EACH(base, T_FLOW, flow_row, row)
    {
        if (row->tenant == tenant && row->run == run && !row->holds &&
            (first == NULL || row->place < first->place)) {
            first = row;
        }
    }
    return first;
}

static int by_wake(const void *a, const void *b)
{
    const struct run_row *left = *(const struct run_row *const *)a;
    const struct run_row *right = *(const struct run_row *const *)b;
    return left->wake_us != right->wake_us ? (left->wake_us > right->wake_us) * 2 - 1
                                           : (left->id > right->id) - (left->id < right->id);
}

static int find_marked(struct base_call *call, struct moved *out, int64_t most)
{
    const struct run_row *found[RUNS_MAX];
    size_t count = 0;
    BASE_EACH(call->base, T_RUN, run_row, run)
    {
        if (run->tenant == call->tenant && base_is(run->status, "waiting") && run->has_wake &&
            run->wake_us <= base_now_us(call->base) &&
            (base_is(run->waiting_on, "slot") || base_is(run->waiting_on, "rate"))) {
            RV_ASSERT(count < RUNS_MAX);
            found[count++] = run;
        }
    }
    qsort(found, count, sizeof found[0], by_wake);
    for (size_t i = 0; i < count && (int64_t)i < most; i++) {
        add(out, found[i]->id);
    }
    return out->count;
}

static void find_moved(struct base_call *call, struct moved *out)
{
    int64_t most = 0;
    int64_t line = 0;
    for (int i = 0; i < base_count(call, 3); i++) {
        int64_t one = rv_json_int(base_json(call, 3, i), "marked", 0);
        int64_t two = rv_json_int(base_json(call, 3, i), "line", 0);
        most = one > most ? one : most;
        line = two > line ? two : line;
    }
    int marked = find_marked(call, out, most);
    for (int i = 0; i < marked; i++) {
        const struct flow_row *at = comes_to(call->base, call->tenant, out->runs[i]);
        int64_t passed[RUNS_MAX];
        int count = 0;
        const struct flow_row *next = NULL;
        while (at != NULL && count < line &&
               (next = first_but(call->base, call->tenant, at->key, passed, count)) != NULL) {
            passed[count++] = next->run;
            add(out, next->run);
        }
    }
}

bool base_asked_to_stop(struct base *base, const struct run_row *run)
{
    BASE_EACH(base, T_SIGNAL, signal_row, signal)
    {
        if (signal->tenant == run->tenant && signal->run == run->id &&
            base_is(signal->name, "$cancel")) {
            return true;
        }
    }
    return false;
}

static bool has_slot(struct base *base, int32_t tenant, int64_t run)
{
    BASE_EACH(base, T_FLOW, flow_row, row)
    {
        if (row->tenant == tenant && row->run == run && row->holds && row->seconds == 0) {
            return true;
        }
    }
    return false;
}

static bool is_nested(struct base *base, const struct run_row *run)
{
    const struct run_row *above = run;
    if (base_is(run->close, "handoff")) {
        return false;
    }
    for (int i = 0; i < GENERATIONS && above != NULL && above->parent != 0; i++) {
        above = base_run(base, run->tenant, above->parent);
        if (above != NULL && has_slot(base, run->tenant, above->id)) {
            return true;
        }
    }
    return false;
}

static int by_place(const void *a, const void *b)
{
    return (*(const struct flow_row *const *)a)->place -
           (*(const struct flow_row *const *)b)->place;
}

static json_t *say_run(struct base *base, const struct run_row *run, int64_t *turn)
{
    const struct flow_row *rows[RUNS_MAX];
    size_t count = 0;
    BASE_EACH(base, T_FLOW, flow_row, row)
    {
        if (row->tenant == run->tenant && row->run == run->id) {
            RV_ASSERT(count < RUNS_MAX);
            rows[count++] = row;
        }
    }
    qsort(rows, count, sizeof rows[0], by_place);
    json_t *keys = json_array();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(
            keys, json_pack("{s:i,s:s,s:i,s:o,s:b}", "place", rows[i]->place, "key", rows[i]->key,
                            "most", rows[i]->most, "seconds",
                            rows[i]->seconds > 0 ? json_integer(rows[i]->seconds) : json_null(),
                            "holds", rows[i]->holds));
    }
    *turn = count > 0 ? rows[0]->turn : INT64_MAX; /* NULL is last */
    return json_pack("{s:I,s:o,s:b,s:b,s:o}", "run", (json_int_t)run->id, "turn",
                     count > 0 ? json_integer(*turn) : json_null(), "nested", is_nested(base, run),
                     "stops", base_asked_to_stop(base, run), "keys", keys);
}

struct said {
    json_t *json;
    int64_t turn, run;
};

static int by_turn(const void *a, const void *b)
{
    const struct said *left = a;
    const struct said *right = b;
    return left->turn != right->turn ? (left->turn > right->turn) * 2 - 1
                                     : (left->run > right->run) - (left->run < right->run);
}

static json_t *say_runs(struct base_call *call, const struct moved *moved)
{
    struct said said[RUNS_MAX];
    size_t count = 0;
    json_t *runs = json_array();
    for (int i = 0; i < moved->count; i++) {
        const struct run_row *run = base_run(call->base, call->tenant, moved->runs[i]);
        if (run != NULL) {
            said[count].run = run->id;
            said[count].json = say_run(call->base, run, &said[count].turn);
            count++;
        }
    }
    qsort(said, count, sizeof said[0], by_turn);
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(runs, said[i].json);
    }
    return runs;
}

static json_t *say_key(struct base_call *call, const char *key, const struct moved *moved)
{
    struct base *base = call->base;
    int64_t back_us = 0;
    BASE_EACH(base, T_FLOW, flow_row, row)
    {
        if (row->tenant == call->tenant && base_is(row->key, key) && row->has_until &&
            base_holds_place(base, row) && (back_us == 0 || row->until_us < back_us)) {
            back_us = row->until_us;
        }
    }
    const struct flow_row *next = first_but(base, call->tenant, key, moved->runs, moved->count);
    return json_pack("{s:i,s:o,s:o}", "used", base_places_used(base, call->tenant, key), "back_us",
                     back_us != 0 ? json_integer(back_us) : json_null(), "next",
                     next == NULL ? json_null()
                                  : json_pack("{s:I,s:I,s:i,s:i}", "run", (json_int_t)next->run,
                                              "turn", (json_int_t)next->turn, "most", next->most,
                                              "place", next->place));
}

static void run_flow_look(struct base_call *call)
{
    struct moved moved = {.count = 0};
    find_moved(call, &moved);
    json_t *keys = json_object();
    BASE_EACH(call->base, T_FLOW, flow_row, row)
    {
        if (row->tenant == call->tenant && among(moved.runs, moved.count, row->run) &&
            json_object_get(keys, row->key) == NULL) {
            json_object_set_new(keys, row->key, say_key(call, row->key, &moved));
        }
    }
    json_t *runs = say_runs(call, &moved);
    for (int i = 0; i < base_count(call, 2); i++) {
        base_row(call);
        base_out_int(call, base_int(call, 2, i));
        base_out_json(call,
                      json_pack("{s:I,s:O,s:O}", "now_us", (json_int_t)base_now_us(call->base),
                                "runs", runs, "keys", keys));
    }
    json_decref(runs);
    json_decref(keys);
}

/* ---- what it has decided ---- */

static bool is_taken(const struct base_call *call, const struct flow_row *row)
{
    for (int i = 0; i < base_count(call, 2); i++) {
        if (row->run == base_int(call, 2, i) && row->place == base_int(call, 3, i)) {
            return true;
        }
    }
    return false;
}

static void run_flow_take(struct base_call *call)
{
    struct base *base = call->base;
    BASE_EACH(base, T_FLOW, flow_row, row)
    {
        if (row->tenant == call->tenant && row->has_until && row->until_us <= base_now_us(base) &&
            !is_taken(call, row)) {
            base_delete(call, T_FLOW, row);
        }
    }
    for (int i = 0; i < base_count(call, 2); i++) {
        struct flow_row *row =
            place_of(base, call->tenant, base_int(call, 2, i), base_int(call, 3, i));
        if (row != NULL) {
            base_touch(call, T_FLOW, row);
            row->holds = true;
            row->waits = false;
            row->has_until = !base_null(call, 4, i);
            row->until_us = row->has_until ? base_time_us(call, 4, i) : 0;
        }
    }
}

static bool has_plan(struct base *base, const struct run_row *run)
{
    BASE_EACH(base, T_STEP, step_row, step)
    {
        if (step->run == run->id && step->kind == 6) {
            return true;
        }
    }
    return false;
}

static void run_flow_move(struct base_call *call)
{
    struct base *base = call->base;
    for (int i = 0; i < base_count(call, 2); i++) {
        int64_t id = base_int(call, 2, i);
        const char *waiting_on = base_text(call, 3, i);
        BASE_EACH(base, T_FLOW, flow_row, row)
        {
            bool waits = waiting_on != NULL && row->place == base_int(call, 4, i);
            if (row->tenant == call->tenant && row->run == id && row->waits != waits) {
                base_touch(call, T_FLOW, row);
                row->waits = waits;
            }
        }
        struct run_row *run = base_run(base, call->tenant, id);
        if (run == NULL || !base_is(run->status, "waiting") ||
            !(base_is(run->waiting_on, "slot") || base_is(run->waiting_on, "rate"))) {
            continue;
        }
        base_touch(call, T_RUN, run);
        run->status = waiting_on != NULL    ? "waiting"
                      : run->steps == 0     ? "created"
                      : has_plan(base, run) ? "executing"
                                            : "planning";
        run->waiting_on = waiting_on;
        run->has_wake = !base_null(call, 5, i);
        run->wake_us = run->has_wake ? base_time_us(call, 5, i) : 0;
        run->changed_us = waiting_on == NULL ? base_now_us(base) : run->changed_us;
    }
}

const struct base_word base_words_flow[] = {
    {"run_flow_put", run_flow_put},   {"run_flow_end", run_flow_end},
    {"run_flow_look", run_flow_look}, {"run_flow_take", run_flow_take},
    {"run_flow_move", run_flow_move}, {NULL, NULL},
};
