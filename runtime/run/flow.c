/* flow.c -- rules into keys, a look into moves, moves into rows; see flow.h. */
#include "runtime/run/flow.h"

#include "run_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/random.h"
#include "runtime/base/text.h"
#include "runtime/db/args.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- rules into keys ---- */

enum {
    RULES_MAX = 8, /* FLOW_RULES_MAX of runtime/lua/flow_rules.h */
    VALUE_MAX = 100,
    PASS_MARKED = 256, /* a commit's worth */
    PASS_LINE =
        64 /* of a key: more than one commit gives back in most, the next pass has the rest */
};

struct rule {
    char key[RV_FLOW_KEY_MAX];
    int64_t most, seconds; /* 0: a slot */
    int order;             /* narrow ones first */
};

/* The value of a field such as "party" or "evidence.supplier"; NULL where there is none. */
static const json_t *field_of(const json_t *input, const char *path)
{
    const char *dot = strchr(path, '.');
    if (dot == NULL) {
        return json_object_get(input, path);
    }
    char name[VALUE_MAX];
    snprintf(name, sizeof name, "%.*s", (int)(dot - path), path);
    return field_of(json_object_get(input, name), dot + 1);
}

/* A run without the field shares the place of all that have none: a rule always binds. */
static void say_value(const json_t *value, const char *business_key, bool by_key, char *out,
                      size_t size)
{
    const char *text = by_key ? business_key : json_string_value(value);
    if (!by_key && json_is_integer(value)) {
        snprintf(out, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    } else if (!by_key && json_is_boolean(value)) {
        snprintf(out, size, "%s", json_is_true(value) ? "true" : "false");
    } else if (text == NULL) {
        snprintf(out, size, "(none)");
    } else if (strlen(text) < VALUE_MAX) {
        snprintf(out, size, "%s", text);
    } else {
        struct rv_hash hash = rv_sha256(text, strlen(text));
        rv_hash_hex(&hash, out);
    }
}

static struct rule rule_of(const json_t *said, const char *agent, const json_t *input,
                           const char *business_key)
{
    const char *by = rv_json_str(said, "by", NULL);
    const char *name = rv_json_str(said, "name", NULL);
    char value[RV_HASH_HEX + VALUE_MAX] = "";
    char kind[40] = RV_FLOW_SLOT;
    struct rule rule = {.most = rv_json_int(said, "at_once", rv_json_int(said, "starts", 0)),
                        .seconds = rv_json_int(said, "seconds", 0)};
    if (rule.seconds > 0) {
        snprintf(kind, sizeof kind, RV_FLOW_RATE "/%" PRId64, rule.seconds);
    }
    if (by != NULL) {
        say_value(field_of(input, by), business_key, strcmp(by, "key") == 0, value, sizeof value);
    }
    int length =
        snprintf(rule.key, sizeof rule.key, "%s %s%.60s%s%.60s%s%s", kind,
                 name != NULL ? "" : "agent:", name != NULL ? name : agent, by != NULL ? " " : "",
                 by != NULL ? by : "", by != NULL ? "=" : "", value);
    if (length >= (int)sizeof rule.key) { /* long in every part: as one digest of all */
        struct rv_hash hash = rv_sha256(value, strlen(value));
        char hex[RV_HASH_HEX];
        rv_hash_hex(&hash, hex);
        snprintf(rule.key, sizeof rule.key, "%.20s %.40s %s", kind, name != NULL ? name : agent,
                 hex);
    }
    rv_text_mend(rule.key); /* names may have been cut */
    rule.order = (rule.seconds > 0 ? 4 : 0) + (name != NULL ? 2 : 0) + (by != NULL ? 0 : 1);
    return rule;
}

static int by_order(const void *a, const void *b)
{
    const struct rule *left = a;
    const struct rule *right = b;
    return left->order != right->order ? left->order - right->order : strcmp(left->key, right->key);
}

json_t *rv_flow_of(const json_t *manifest, const char *agent, const json_t *input,
                   const char *business_key, int priority)
{
    const json_t *flow = json_object_get(manifest, "flow");
    struct rule rules[RULES_MAX];
    size_t count = json_array_size(flow);
    if (count == 0) {
        return NULL;
    }
    RV_ASSERT(count <= RULES_MAX); /* checked when it was published */
    for (size_t i = 0; i < count; i++) {
        rules[i] = rule_of(json_array_get(flow, i), agent, input, business_key);
    }
    qsort(rules, count, sizeof rules[0], by_order);
    json_t *keys = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *key =
            json_pack("{s:s,s:I}", "key", rules[i].key, "most", (json_int_t)rules[i].most);
        RV_ASSERT(key != NULL);
        if (rules[i].seconds > 0) {
            json_object_set_new(key, "seconds", json_integer(rules[i].seconds));
        }
        json_array_append_new(keys, key);
    }
    return json_pack("{s:i,s:o}", "ahead_s", priority * RV_FLOW_PRIORITY_S, "keys", keys);
}

void rv_flow_enter(struct rv_batch *batch, int64_t run, const json_t *input)
{
    if (json_object_get(input, "flow") != NULL) {
        rv_args_i64(rv_batch_rows(batch, &rv_sql_run_flow_put), 2, run);
    }
}

/* ---- a look into moves ---- */

/* A key as the pass goes on. */
struct key {
    const char *name;
    int64_t used, back_us; /* 0: none of its tokens has a time */
    bool changed;          /* somebody has taken a place, or is not the first any more */
    bool next_here;        /* the first that waits for it is one of those that the pass moves */
    int64_t next_run;      /* 0: nobody */
    int64_t next_turn, next_most;
    const json_t *next;
};

struct deciding {
    struct rv_arena *arena;
    struct rv_flow_plan *out;
    struct key *keys;
    size_t key_count;
    int64_t now_us;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct key *)a)->name, ((const struct key *)b)->name);
}

static struct key *key_of(const struct deciding *me, const json_t *row)
{
    struct key wanted = {.name = rv_json_str(row, "key", "")};
    struct key *key = bsearch(&wanted, me->keys, me->key_count, sizeof wanted, by_name);
    RV_ASSERT(key != NULL); /* the look has all keys of all its runs */
    return key;
}

static void read_keys(struct deciding *me, const json_t *look)
{
    const char *name;
    json_t *value;
    json_t *keys = json_object_get(look, "keys");
    me->keys = rv_arena_alloc(me->arena, (json_object_size(keys) + 1) * sizeof *me->keys);
    json_object_foreach(keys, name, value)
    {
        const json_t *next = json_object_get(value, "next");
        me->keys[me->key_count++] = (struct key){.name = name,
                                                 .used = rv_json_int(value, "used", 0),
                                                 .back_us = rv_json_int(value, "back_us", 0),
                                                 .next = next,
                                                 .next_run = rv_json_int(next, "run", 0),
                                                 .next_turn = rv_json_int(next, "turn", 0),
                                                 .next_most = rv_json_int(next, "most", 0)};
    }
    qsort(me->keys, me->key_count, sizeof me->keys[0], by_name);
}

static bool is_before(const struct key *key, const json_t *run)
{
    int64_t turn = rv_json_int(run, "turn", 0);
    return key->next_run != 0 &&
           (key->next_turn < turn ||
            (key->next_turn == turn && key->next_run < rv_json_int(run, "run", 0)));
}

static void take(struct deciding *me, const json_t *run, const json_t *row, int64_t until_us)
{
    me->out->takes[me->out->take_count++] = (struct rv_flow_take){
        rv_json_int(run, "run", 0), (int)rv_json_int(row, "place", 0), until_us};
}

/* It has all: its tokens count from now, those that it had taken before, too. */
static void begin(struct deciding *me, const json_t *run)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(run, "keys"), i, row)
    {
        int64_t seconds = rv_json_int(row, "seconds", 0);
        struct key *key = key_of(me, row);
        int64_t until_us = seconds > 0 ? me->now_us + seconds * INT64_C(1000000) : 0;
        if (seconds > 0 && (key->back_us == 0 || until_us < key->back_us)) {
            key->back_us = until_us;
        }
        key->changed = true;
        take(me, run, row, until_us);
    }
    me->out->begun++;
    me->out->moves[me->out->move_count++] =
        (struct rv_flow_move){.run = rv_json_int(run, "run", 0)};
}

static void wait_for(struct deciding *me, const json_t *run, const json_t *row)
{
    struct key *key = key_of(me, row);
    bool rate = rv_json_int(row, "seconds", 0) > 0;
    bool first = !is_before(key, run);
    struct rv_flow_move *move = &me->out->moves[me->out->move_count++];
    *move = (struct rv_flow_move){.run = rv_json_int(run, "run", 0),
                                  .waiting_on = rate ? RV_FLOW_RATE : RV_FLOW_SLOT,
                                  .place = (int)rv_json_int(row, "place", 0),
                                  .stops = !rate && rv_json_bool(run, "nested", false),
                                  .key = key->name,
                                  .wake_us = rate && first ? key->back_us : 0};
    if (first) {
        key->next_here = true;
        key->next_run = move->run;
        key->next_turn = rv_json_int(run, "turn", 0);
        key->next_most = rv_json_int(row, "most", 0);
    }
}

/* It is asked to stop and will not begin: nobody waits behind it. */
static void stand_aside(struct deciding *me, const json_t *run)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(run, "keys"), i, row)
    {
        key_of(me, row)->changed = true;
    }
    me->out->moves[me->out->move_count++] =
        (struct rv_flow_move){.run = rv_json_int(run, "run", 0), .waiting_on = RV_FLOW_SLOT};
}

/* Takes what is free, one place after the other; runs come in their turn. */
static void move_run(struct deciding *me, const json_t *run)
{
    const json_t *rows = json_object_get(run, "keys");
    int taken = me->out->take_count;
    if (rv_json_bool(run, "stops", false)) {
        stand_aside(me, run);
        return;
    }
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        struct key *key = key_of(me, row);
        if (rv_json_bool(row, "holds", false)) {
            continue;
        }
        if (key->used >= rv_json_int(row, "most", 0) || is_before(key, run)) {
            wait_for(me, run, row);
            return;
        }
        key->used++;
        key->changed = true;
        take(me, run, row, 0);
    }
    me->out->take_count = taken; /* said again, with their times */
    begin(me, run);
}

/* Who comes next for a key, and was not looked at: now, or when a token comes back. */
static void mark_next(struct deciding *me, const struct key *key)
{
    bool is_free = key->used < key->next_most;
    if (!key->changed || key->next_run == 0 || key->next_here || (!is_free && key->back_us == 0)) {
        return;
    }
    me->out->moves[me->out->move_count++] = (struct rv_flow_move){
        .run = key->next_run,
        .waiting_on = strncmp(key->name, RV_FLOW_RATE, strlen(RV_FLOW_RATE)) == 0 ? RV_FLOW_RATE
                                                                                  : RV_FLOW_SLOT,
        .place = (int)rv_json_int(key->next, "place", 0),
        .wake_us = is_free ? me->now_us : key->back_us};
}

void rv_flow_decide(const json_t *look, struct rv_arena *arena, struct rv_flow_plan *out)
{
    struct deciding me = {.arena = arena, .out = out, .now_us = rv_json_int(look, "now_us", 0)};
    const json_t *runs = json_object_get(look, "runs");
    size_t i;
    json_t *run;
    size_t takes = 0;
    json_array_foreach((json_t *)(uintptr_t)runs, i, run)
    {
        takes += json_array_size(json_object_get(run, "keys"));
    }
    read_keys(&me, look);
    *out = (struct rv_flow_plan){
        .moves = rv_arena_alloc(arena, (json_array_size(runs) + me.key_count + 1) *
                                           sizeof(struct rv_flow_move)),
        .takes = rv_arena_alloc(arena, (takes + 1) * sizeof(struct rv_flow_take))};
    json_array_foreach((json_t *)(uintptr_t)runs, i, run)
    {
        move_run(&me, run);
    }
    for (i = 0; i < me.key_count; i++) {
        mark_next(&me, &me.keys[i]);
    }
}

/* ---- the pass ---- */

struct pass {
    struct rv_unit unit; /* first */
    json_t *args;
    int64_t *begun; /* of the last try */
    int begun_count;
    rv_flow_passed done;
    void *data;
};

static void append_stop(struct rv_batch *batch, const struct rv_flow_move *move)
{
    char reason[RV_FLOW_KEY_MAX + 160];
    snprintf(reason, sizeof reason,
             "flow: no place is free (%s), and the run that started it has slots of its own: both "
             "could wait for ever",
             move->key);
    json_t *body = json_pack("{s:s}", "reason", reason);
    struct rv_args *rows = rv_batch_rows(batch, &rv_sql_run_signal_put);
    rv_args_i64(rows, 2, move->run);
    rv_args_i64(rows, 3, rv_id_make(rv_batch_head(batch)->now_us));
    rv_args_text(rows, 4, "$cancel");
    rv_args_json(rows, 5, body);
    rv_args_text(rows, 6, "flow");
    json_decref(body);
}

static void append_move(struct rv_batch *batch, const struct rv_flow_move *move)
{
    struct rv_args *rows = rv_batch_rows(batch, &rv_sql_run_flow_move);
    rv_args_i64(rows, 2, move->run);
    rv_args_text(rows, 3, move->waiting_on);
    rv_args_i32(rows, 4, move->place);
    if (move->wake_us != 0) {
        rv_args_time(rows, 5, move->wake_us);
    } else {
        rv_args_null(rows, 5);
    }
    if (move->stops) {
        append_stop(batch, move);
    }
}

static enum rv_code pass_decide(struct rv_unit *unit, struct rv_batch *batch, struct rv_error *err)
{
    struct pass *pass = (struct pass *)unit;
    struct rv_flow_plan plan;
    (void)err;
    rv_flow_decide(unit->loads[0].state, rv_batch_arena(batch), &plan);
    rv_free(pass->begun);
    pass->begun = rv_alloc_array((size_t)plan.begun + 1, sizeof *pass->begun);
    pass->begun_count = 0;
    for (int i = 0; i < plan.take_count; i++) {
        struct rv_args *rows = rv_batch_rows(batch, &rv_sql_run_flow_take);
        rv_args_i64(rows, 2, plan.takes[i].run);
        rv_args_i32(rows, 3, plan.takes[i].place);
        if (plan.takes[i].until_us != 0) {
            rv_args_time(rows, 4, plan.takes[i].until_us);
        } else {
            rv_args_null(rows, 4);
        }
    }
    for (int i = 0; i < plan.move_count; i++) {
        append_move(batch, &plan.moves[i]);
        if (plan.moves[i].waiting_on == NULL) {
            pass->begun[pass->begun_count++] = plan.moves[i].run;
        }
    }
    return RV_OK;
}

static void pass_done(struct rv_unit *unit, enum rv_code code, const struct rv_error *err)
{
    struct pass *pass = (struct pass *)unit;
    pass->done(pass->data, code, pass->begun, code == RV_OK ? pass->begun_count : 0, err);
    json_decref(pass->args);
    rv_free(pass->begun);
    rv_free(pass);
}

void rv_flow_pass(struct rv_committer *committer, int32_t tenant, int64_t epoch,
                  rv_flow_passed done, void *data)
{
    struct pass *pass = rv_alloc(sizeof *pass);
    pass->args = json_pack("{s:i,s:i}", "marked", PASS_MARKED, "line", PASS_LINE);
    pass->done = done;
    pass->data = data;
    pass->unit.tenant = tenant;
    pass->unit.epoch = epoch;
    pass->unit.keys[0] = "flow";
    pass->unit.loads[0] = (struct rv_load){.statement = &rv_sql_run_flow_look, .args = pass->args};
    pass->unit.load_count = 1;
    pass->unit.decide = pass_decide;
    pass->unit.done = pass_done;
    rv_commit(committer, &pass->unit);
}
