/* orchestrator.c -- see orchestrator.h.
 *
 * The actor asks the database and is answered by messages to itself, so it never blocks and a late
 * answer to a restarted incarnation is a dead letter.
 */
#include "runtime/run/orchestrator.h"

#include "approval_sql.h"
#include "run_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/run/granted.h"
#include "runtime/run/request.h"
#include "runtime/run/run_actor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    FOUND_RUNS = RV_MESSAGE_USER + 100, /* private: answers of the database */
    FOUND_CANCELS,
    FOUND_APPROVALS,
    FOUND_NEWEST,
    FOUND_AGENTS,
    FOUND_EXCEPTIONS,
    STARTED,
    TICK_TOKEN = 1
};

struct live {
    int64_t run;
    struct rv_ref ref;
    bool told_to_stop;
};

struct orchestrator {
    struct rv_orchestrator_start start;
    struct rv_ref self;
    struct rv_actors *actors;
    struct live live[RV_RUNS_ACTIVE_MAX];
    int live_count;
    json_t *agents; /* [{name, hash, manifest, owner}] */
    int starting;   /* run.start requests at the gate */
    int started;    /* runs that the present look began */
    bool looking;
    bool again; /* asked while looking, or the look failed: look once more */
    bool more;  /* a look found something: look again when a run makes room for the next */
    bool ticking;
    bool woken; /* while ticking: look once more */
    int ticks;
    int64_t newest;    /* what the last look has seen, see exceptions_newest */
    int64_t looked_us; /* monotonic */
    int64_t wanted;    /* newest number of RV_ORCHESTRATE */
    int64_t answering; /* the number that the present look answers */
    int64_t answered;
};

static enum rv_code on_start(struct rv_actor *self, void *state, const void *argument,
                             struct rv_error *err);
static enum rv_code on_message(struct rv_actor *self, void *state, struct rv_message *message,
                               struct rv_error *err);
static void on_stop(struct rv_actor *self, void *state, enum rv_exit why);

const struct rv_behavior rv_orchestrator_behavior = {
    .name = "orchestrator",
    .start = on_start,
    .receive = on_message,
    .stop = on_stop,
    .state_bytes = sizeof(struct orchestrator),
};

/* ---- the database answers by message ---- */

struct ask {
    struct rv_actors *actors;
    struct rv_ref to;
    uint32_t kind;
};

static void free_json(void *json)
{
    json_decref(json);
}

static void on_rows(void *data, enum rv_code code, const struct rv_result *result,
                    const struct rv_error *err)
{
    struct ask *ask = data;
    json_t *rows = json_array();
    if (code != RV_OK) {
        rv_log(RV_LOG_WARN, "run", "LOOK-FAILED", "%s", err->message);
    }
    for (int row = 0; code == RV_OK && row < rv_result_rows(result); row++) {
        switch (ask->kind) {
        case FOUND_RUNS:
            json_array_append_new(rows, json_pack("{s:I,s:b}", "run",
                                                  (json_int_t)rv_result_i64(result, row, 0),
                                                  "answered", rv_result_bool(result, row, 1)));
            break;
        case FOUND_NEWEST:
        case FOUND_APPROVALS:
            json_array_append_new(rows, json_integer(rv_result_i64(result, row, 0)));
            break;
        case FOUND_CANCELS:
            json_array_append_new(rows, json_pack("{s:I,s:s}", "run",
                                                  (json_int_t)rv_result_i64(result, row, 0),
                                                  "reason", rv_result_text(result, row, 1)));
            break;
        case FOUND_AGENTS: json_array_append_new(rows, rv_run_agent_row(result, row)); break;
        default:
            json_array_append_new(rows,
                                  json_pack("{s:s,s:s,s:o}", "key", rv_result_text(result, row, 0),
                                            "type", rv_result_text(result, row, 1), "row",
                                            rv_result_json(result, row, 2)));
            break;
        }
    }
    struct rv_message message = {.kind = ask->kind, .payload = rows, .free = free_json};
    message.body.numbers[0] = code;
    rv_actors_send(ask->actors, ask->to, &message);
    rv_free(ask);
}

static void look(struct orchestrator *me, uint32_t kind, const struct rv_statement *statement,
                 int limit)
{
    struct ask *ask = rv_alloc(sizeof *ask);
    *ask = (struct ask){.actors = me->actors, .to = me->self, .kind = kind};
    struct rv_args *args = rv_args_create(statement);
    if (limit > 0) {
        rv_args_i32(args, 2, limit);
    }
    rv_db_query(me->start.options->db, me->start.tenant, statement, args, on_rows, ask);
}

/* ---- lifecycle ---- */

static enum rv_code on_start(struct rv_actor *self, void *state, const void *argument,
                             struct rv_error *err)
{
    (void)err;
    struct orchestrator *me = state;
    me->start = *(const struct rv_orchestrator_start *)argument;
    me->self = rv_actor_self(self);
    me->actors = rv_actor_system(self);
    rv_actor_after(self, 0, TICK_TOKEN);
    return RV_OK;
}

static void seal(const struct orchestrator *me)
{
    if (me->start.options->seal != NULL) {
        me->start.options->seal(me->start.options->seal_data, me->start.tenant);
    }
}

static void on_stop(struct rv_actor *self, void *state, enum rv_exit why)
{
    (void)self;
    (void)why;
    struct orchestrator *me = state;
    json_decref(me->agents);
    seal(me);
}

/* ---- runs that can move ---- */

static bool is_live(const struct orchestrator *me, int64_t run)
{
    for (int i = 0; i < me->live_count; i++) {
        if (me->live[i].run == run) {
            return true;
        }
    }
    return false;
}

/* A run keeps its class while it has its actor: somebody waits for what a person has answered, and
 * nobody for what a look at the exceptions has begun. */
static void wake_run(struct rv_actor *self, struct orchestrator *me, int64_t run,
                     enum rv_class class)
{
    if (is_live(me, run) || me->live_count == RV_RUNS_ACTIVE_MAX) {
        return;
    }
    struct rv_run_start start = {
        .tenant = me->start.tenant,
        .run = run,
        .epoch = me->start.epoch,
        .port = me->start.options->port,
        .changed = me->start.options->changed,
        .changed_data = me->start.options->changed_data,
    };
    struct rv_spawn spawn = {
        .behavior = &rv_run_behavior,
        .argument = &start,
        .argument_bytes = sizeof start,
        .mailbox = 64,
        .class = class,
        .tenant = me->start.tenant,
    };
    struct rv_ref ref = {0};
    struct rv_error err = {.code = RV_OK};
    if (rv_actor_spawn(self, &spawn, &ref, &err) != RV_OK) {
        rv_log_error("run", "RUN-NOT-SPAWNED", &err);
        return;
    }
    rv_actor_monitor(self, ref);
    me->live[me->live_count++] = (struct live){run, ref, false};
}

static void run_ended(struct orchestrator *me, struct rv_ref ref)
{
    for (int i = 0; i < me->live_count; i++) {
        if (rv_ref_is(me->live[i].ref, ref)) {
            me->live[i] = me->live[--me->live_count];
            return;
        }
    }
}

/* A run without an actor gets one first: it is told to stop as its first message. */
static void cancel_run(struct rv_actor *self, struct orchestrator *me, int64_t run,
                       const char *reason)
{
    wake_run(self, me, run, RV_CLASS_INTERACTIVE);
    for (int i = 0; i < me->live_count; i++) {
        if (me->live[i].run == run && !me->live[i].told_to_stop) {
            me->live[i].told_to_stop = true;
            struct rv_message stop = {
                .kind = RV_RUN_CANCEL, .payload = rv_strdup(reason), .free = rv_free};
            rv_actor_send(self, me->live[i].ref, &stop);
        }
    }
}

static void look_at_exceptions(struct orchestrator *me);

/* Runs that can move or shall stop, and what people have granted. */
static bool look_for_work(struct orchestrator *me)
{
    if (me->ticking) {
        me->woken = true;
        return false;
    }
    me->ticking = true;
    me->woken = false;
    look(me, FOUND_CANCELS, &rv_sql_runs_to_cancel, RV_RUNS_ACTIVE_MAX);
    look(me, FOUND_RUNS, &rv_sql_runs_due, RV_RUNS_ACTIVE_MAX * 2);
    rv_granted_execute(me->start.options->gate, me->start.options->db, me->start.tenant, NULL,
                       NULL);
    return true;
}

static void tick(struct rv_actor *self, struct orchestrator *me)
{
    (void)self;
    if (!look_for_work(me)) {
        return;
    }
    look(me, FOUND_APPROVALS, &rv_sql_approvals_due, 0);
    if (++me->ticks % RV_ORCHESTRATOR_SEAL_TICKS == 0) {
        seal(me);
    }
    if (me->again && !me->looking) {
        look_at_exceptions(me);
    } else if (me->start.options->watch && me->ticks % RV_ORCHESTRATOR_WATCH_TICKS == 0) {
        look(me, FOUND_NEWEST, &rv_sql_exceptions_newest, 0);
    }
}

static void watch(struct rv_actor *self, struct orchestrator *me, int64_t newest)
{
    int64_t now_us = rv_mono_us(rv_loop_clock(rv_actor_loop(self)));
    if (newest > me->newest || now_us - me->looked_us > RV_ORCHESTRATOR_LOOK_MS * 1000) {
        me->newest = newest;
        me->looked_us = now_us;
        look_at_exceptions(me);
    }
}

/* ---- exceptions to runs ---- */

/* Where the answer to one rv_run_begin goes. */
struct beginning {
    struct rv_actors *actors;
    struct rv_ref to;
};

static void begun(void *data, enum rv_code code, int64_t run, const struct rv_error *err)
{
    struct beginning *beginning = data;
    if (code != RV_OK && code != RV_CONFLICT) { /* a conflict: somebody else has the claim */
        rv_log_error("run", "RUN-NOT-STARTED", err);
    }
    struct rv_message message = {.kind = STARTED};
    message.body.numbers[0] = run;
    rv_actors_send(beginning->actors, beginning->to, &message);
    rv_free(beginning);
}

static void begin_run(struct orchestrator *me, const json_t *found, const json_t *agent)
{
    struct beginning *beginning = rv_alloc(sizeof *beginning);
    *beginning = (struct beginning){me->actors, me->self};
    const struct rv_orchestrator_options *options = me->start.options;
    struct rv_run_begin begin = {
        .tenant = me->start.tenant,
        .epoch = me->start.epoch,
        .principal = {.kind = RV_PRINCIPAL_SYSTEM, .id = "orchestrator"},
        .agent = agent,
        .exception = found,
        .resolutions = options->resolutions_of != NULL
                           ? options->resolutions_of(rv_json_str(found, "type", ""))
                           : NULL,
    };
    me->starting++;
    rv_run_begin(options->gate, &begin, begun, beginning);
}

static void look_at_exceptions(struct orchestrator *me)
{
    if (me->looking) {
        me->again = true;
        return;
    }
    me->looking = true;
    me->again = false;
    me->started = 0;
    me->answering = me->wanted;
    look(me, FOUND_AGENTS, &rv_sql_agents_active, 0);
}

/* Every run that the look asked for has been started or refused. */
static void look_over(struct orchestrator *me)
{
    me->looking = false;
    if (me->answering != me->answered && me->start.options->looked != NULL) {
        me->start.options->looked(me->start.options->looked_data, me->start.tenant, me->answering,
                                  me->started);
    }
    me->answered = me->answering;
    if (me->again) {
        look_at_exceptions(me);
    }
}

static void look_failed(struct orchestrator *me)
{
    me->looking = false;
    me->again = true; /* at the next tick */
}

static void orchestrate(struct orchestrator *me, const json_t *exceptions)
{
    size_t i;
    json_t *found;
    json_array_foreach((json_t *)(uintptr_t)exceptions, i, found)
    {
        const json_t *agent = rv_run_agent_for(me->agents, rv_json_str(found, "type", ""));
        if (agent != NULL) {
            begin_run(me, found, agent);
        }
    }
    me->more = me->starting > 0;
    if (me->starting == 0) {
        look_over(me);
    }
}

/* ---- messages ---- */

static void wake_all(struct rv_actor *self, struct orchestrator *me, const json_t *runs)
{
    size_t i;
    json_t *run;
    json_array_foreach((json_t *)(uintptr_t)runs, i, run)
    {
        wake_run(self, me, rv_json_int(run, "run", 0),
                 rv_json_bool(run, "answered", false) ? RV_CLASS_INTERACTIVE : RV_CLASS_NORMAL);
    }
}

static enum rv_code on_message(struct rv_actor *self, void *state, struct rv_message *message,
                               struct rv_error *err)
{
    (void)err;
    struct orchestrator *me = state;
    size_t i;
    json_t *item;
    switch (message->kind) {
    case RV_MESSAGE_TIMEOUT:
        tick(self, me);
        rv_actor_after(self, RV_ORCHESTRATOR_TICK_MS, TICK_TOKEN);
        break;
    case FOUND_RUNS:
        me->ticking = false;
        wake_all(self, me, message->payload);
        if (me->woken) { /* what happened since may not be in that answer */
            look_for_work(me);
        }
        break;
    case RV_ORCHESTRATOR_WAKE: look_for_work(me); break;
    case FOUND_CANCELS:
        json_array_foreach((json_t *)message->payload, i, item)
        {
            cancel_run(self, me, rv_json_int(item, "run", 0), rv_json_str(item, "reason", ""));
        }
        break;
    case FOUND_APPROVALS:
        json_array_foreach((json_t *)message->payload, i, item)
        {
            rv_approval_time(me->start.options->approvals, me->start.tenant,
                             json_integer_value(item));
        }
        break;
    case FOUND_NEWEST:
        if (message->body.numbers[0] == RV_OK) {
            watch(self, me, json_integer_value(json_array_get(message->payload, 0)));
        }
        break;
    case RV_ORCHESTRATE:
        me->wanted = message->body.numbers[0];
        look_at_exceptions(me);
        break;
    case FOUND_AGENTS:
        if (message->body.numbers[0] != RV_OK) {
            look_failed(me);
            break;
        }
        json_decref(me->agents);
        me->agents = rv_message_take(message);
        look(me, FOUND_EXCEPTIONS, &rv_sql_exceptions_waiting, RV_EXCEPTIONS_PER_LOOK);
        break;
    case FOUND_EXCEPTIONS:
        if (message->body.numbers[0] != RV_OK) {
            look_failed(me);
            break;
        }
        orchestrate(me, message->payload);
        break;
    case STARTED:
        me->starting--;
        if (message->body.numbers[0] != 0) {
            me->started++;
            wake_run(self, me, message->body.numbers[0], RV_CLASS_BATCH);
        }
        if (me->starting == 0) {
            look_over(me);
        }
        break;
    case RV_MESSAGE_DOWN:
        run_ended(me, message->from);
        tick(self, me); /* room for the next */
        if (me->more) {
            look_at_exceptions(me);
        }
        break;
    default: break;
    }
    return RV_OK;
}
