/* orchestrator.c -- see orchestrator.h.
 *
 * The actor asks the database and is answered by messages to itself, so it never blocks and a late
 * answer to a restarted incarnation is a dead letter.
 */
#include "runtime/run/orchestrator.h"

#include "journal_sql.h"
#include "run_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/base/random.h"
#include "runtime/run/company_look.h"
#include "runtime/run/flow.h"
#include "runtime/run/granted.h"
#include "runtime/run/request.h"
#include "runtime/run/roster.h"
#include "runtime/run/run_actor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    FOUND = RV_MESSAGE_USER + 100, /* private: answers of the database */
    FOUND_AGENTS,
    FOUND_EXCEPTIONS,
    STARTED,
    PASSED, /* of flow.h */
    TIMED,  /* the approvals whose time had come are done with, or it failed */
    GRANTS_OVER,
    LOOK_RUNS = 16384, /* numbers of each kind at a look */
    LOOK_FEW = 256,    /* active runs: so many are all read at every look, whatever their numbers */
    READY_MAX = 16384, /* that wait for an actor in memory; the rest waits in the database */
    LOOK_GAP_MS = 2,   /* at least, between two looks ... */
    LOOK_GAP_MAX_MS = 200, /* ... and up to so long, as ... */
    LOOK_SHARE = 4,        /* ... looking shall take less than a fifth of the time */
    ENDED_MAX = 512,       /* runs that ended since the last look; the sweep finds the others' */
    SETTLE_MS = 20,   /* after a run has ended or stands still: when is the next one's time, who
                         waits for its approvals?  Later, the more runs are at work: */
    SETTLE_RUNS = 16, /* a millisecond for so many */
    SWEEP_MS = 60000,
    TICK_TOKEN = 1
};

/* Numbers are made from the time (rv_id_make), but not all in its order. */
#define NUMBERS_OF_A_SECOND (INT64_C(1000) << 22)

/* What a look has asked others to do; a message says when all of it is over. */
struct errand {
    struct rv_actors *actors;
    struct rv_ref to;
    uint32_t kind;
    int open;
};

struct orchestrator {
    struct rv_orchestrator_start start;
    struct rv_ref self;
    struct rv_actors *actors;
    struct rv_roster *roster;
    struct rv_run_guest guest;
    json_t *agents; /* [{name, hash, manifest, owner}] */
    int starting;   /* run.start requests at the gate */
    int started;    /* runs that the present look began */
    bool looking;
    bool again;      /* asked while looking, or the look failed: look once more */
    bool passing;    /* places are being given out, see flow.h */
    bool pass_again; /* a mark was found meanwhile */
    bool more;       /* a look found something: look again when a run makes room for the next */
    /* the company's look */
    bool asking;     /* an answer is under way */
    bool ask_again;  /* something happened meanwhile */
    bool part;       /* there are more active runs, above `after` */
    bool few;        /* when all active runs were last read they were few */
    bool many;       /* there are more whose time has come */
    bool held;       /* this look leaves the active ones: enough of them wait in memory */
    int64_t after;   /* where the next look goes on */
    int64_t highest; /* active run that any look has seen */
    int64_t pass_us; /* when all of them were read */
    bool failed;     /* a run, since: it is active and has no actor */
    /* what the last look gave out is not over yet: another one would only queue it up once more,
     * and looks go on while the committer waits for the database */
    bool timing, granting;
    struct errand *timed; /* of the look at hand */
    int64_t asked_us;     /* monotonic, as all below */
    int64_t answered_us;
    int64_t gap_us;  /* until the next may be asked */
    int64_t due_us;  /* when the alarm rings; 0 none */
    int64_t idle_ms; /* until the next look when nothing happens */
    int64_t swept_us;
    int64_t sealed_us;
    int64_t ended[ENDED_MAX];
    int ended_count;
    /* coming back after a change of hands */
    bool back; /* all are, and it was said */
    int woken, unready;
    int64_t began_us;
    int64_t newest; /* what the last look has seen, see company_look */
    int64_t looked_us;
    int64_t wanted;    /* newest number of RV_ORCHESTRATE */
    int64_t answering; /* the number that the present look answers */
    int64_t answered;
};

static void ask_now(struct orchestrator *me);
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

/* Where an answer that is no rows goes. */
struct beginning {
    struct rv_actors *actors;
    struct rv_ref to;
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
        json_array_append_new(rows, ask->kind == FOUND_AGENTS
                                        ? rv_run_agent_row(result, row)
                                        : json_pack("{s:s,s:s,s:o}", "key",
                                                    rv_result_text(result, row, 0), "type",
                                                    rv_result_text(result, row, 1), "row",
                                                    rv_result_json(result, row, 2)));
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

static int64_t now_us(const struct orchestrator *me)
{
    return rv_mono_us(rv_loop_clock(me->start.options->loop));
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
    me->roster = rv_roster_create();
    me->guest.weight = rv_actor_weight(self);
    me->began_us = me->sealed_us = now_us(me);
    me->idle_ms = RV_ORCHESTRATOR_TICK_MS;
    ask_now(me);
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
    rv_run_room_wait(me->start.options->room, &me->guest, false);
    rv_run_room_leave(me->start.options->room, &me->guest, me->guest.has); /* ended before me */
    rv_roster_destroy(me->roster);
    seal(me);
}

/* ---- runs that can move ---- */

/* A run keeps its class while it has its actor: somebody waits for what a person has answered, and
 * nobody for what a look at the exceptions has begun. */
static bool spawn_run(struct rv_actor *self, struct orchestrator *me, int64_t run)
{
    const struct rv_roster_run *waiting = rv_roster_find(me->roster, run);
    RV_ASSERT(waiting != NULL);
    struct rv_run_start start = {
        .tenant = me->start.tenant,
        .run = run,
        .epoch = me->start.epoch,
        .port = me->start.options->port,
        .changed = me->start.options->changed,
        .changed_data = me->start.options->changed_data,
        .boss = me->self,
    };
    struct rv_spawn spawn = {
        .behavior = &rv_run_behavior,
        .argument = &start,
        .argument_bytes = sizeof start,
        .mailbox = 64,
        .class = waiting->class,
        .tenant = me->start.tenant,
    };
    struct rv_ref ref = {0};
    struct rv_error err = {.code = RV_OK};
    if (rv_actor_spawn(self, &spawn, &ref, &err) != RV_OK) {
        rv_log_error("run", "RUN-NOT-SPAWNED", &err);
        rv_roster_forget(me->roster, run); /* the next look finds it again */
        return false;
    }
    rv_actor_monitor(self, ref);
    rv_roster_live(me->roster, run, ref);
    rv_run_room_enter(me->start.options->room, &me->guest);
    me->unready++;
    me->woken++;
    return true;
}

/* As many as are needed give their room, of those that only sleep or wait for the model; all, where
 * the core is full and somebody waits.  One that is awake by then keeps it, and says so when it
 * sleeps again. */
static void ask_sleepers(struct rv_actor *self, struct orchestrator *me)
{
    int wanted = rv_run_room_short(me->start.options->room) ? rv_roster_lives(me->roster)
                                                            : rv_roster_waiting(me->roster);
    for (; wanted > 0; wanted--) {
        const struct rv_roster_run *sleeper = rv_roster_sleeper(me->roster);
        if (sleeper == NULL) {
            return;
        }
        struct rv_message give = {.kind = RV_RUN_GIVE_ROOM, .body.numbers = {sleeper->gives}};
        rv_actor_send(self, sleeper->ref, &give);
    }
}

/* Actors for those that wait, as far as there is room. */
static void fill(struct rv_actor *self, struct orchestrator *me)
{
    bool ok = true;
    while (ok && rv_roster_waiting(me->roster) > 0 &&
           rv_run_room_has(me->start.options->room, &me->guest)) {
        ok = spawn_run(self, me, rv_roster_next(me->roster));
    }
    rv_run_room_wait(me->start.options->room, &me->guest, rv_roster_waiting(me->roster) > 0);
    ask_sleepers(self, me);
}

static void wake_run(struct rv_actor *self, struct orchestrator *me, int64_t run,
                     enum rv_class class)
{
    rv_roster_add(me->roster, run, class);
    fill(self, me);
}

/* A run without an actor gets one first: it is told to stop as its first message.  One that is
 * parked gets it at once, room or not, and ends before it asks: its answer would come to one that
 * has not been told yet, and goes on. */
static void cancel_run(struct rv_actor *self, struct orchestrator *me, int64_t run,
                       const char *reason)
{
    wake_run(self, me, run, RV_CLASS_INTERACTIVE);
    struct rv_roster_run *entry = rv_roster_find(me->roster, run);
    if (entry != NULL && entry->parked) {
        rv_roster_answered(me->roster, run);
        spawn_run(self, me, run);
        entry = rv_roster_find(me->roster, run);
    }
    if (entry != NULL && entry->ref.id != 0 && !entry->told_to_stop) {
        entry->told_to_stop = true;
        struct rv_message stop = {
            .kind = RV_RUN_CANCEL, .payload = rv_strdup(reason), .free = rv_free};
        rv_actor_send(self, entry->ref, &stop);
    }
}

/* For whoever waits for a company to come back: its runs have their actors and have read their
 * journals again. */
static void note_back(struct orchestrator *me)
{
    if (me->back || me->asking || me->part || me->many || me->unready > 0 ||
        rv_roster_waiting(me->roster) > 0) {
        return;
    }
    me->back = true;
    if (me->woken > 0) {
        rv_log(RV_LOG_INFO, "run", "RUNS-BACK", "tenant=%d runs=%d ms=%" PRId64, me->start.tenant,
               me->woken, (now_us(me) - me->began_us) / 1000);
    }
}

static void run_begun(struct orchestrator *me, int64_t run)
{
    struct rv_roster_run *entry = rv_roster_find(me->roster, run);
    if (entry != NULL && !entry->begun) {
        entry->begun = true;
        me->unready--;
        note_back(me);
    }
}

/* ---- looking ---- */

static void look_at_exceptions(struct orchestrator *me);

static void ask_now(struct orchestrator *me)
{
    RV_ASSERT(!me->asking);
    const struct rv_orchestrator_options *options = me->start.options;
    me->asking = true;
    me->ask_again = false;
    me->asked_us = now_us(me);
    me->held = me->part && rv_roster_waiting(me->roster) >= READY_MAX / 2;
    struct rv_look_ask ask = {
        .db = options->db,
        .actors = me->actors,
        .to = me->self,
        .kind = FOUND,
        .tenant = me->start.tenant,
        .limit = LOOK_RUNS,
        .after = me->held ? INT64_MAX : me->after,
        .watch = options->watch,
        .ended = me->ended,
        .ended_count = me->ended_count,
    };
    rv_company_look(&ask);
    me->ended_count = 0;
    if (me->swept_us == 0 || me->asked_us - me->swept_us > SWEEP_MS * 1000) {
        me->swept_us = me->asked_us;
        rv_company_sweep(&ask); /* its own answer; nobody waits for it */
    }
}

/* The alarm rings after so long, unless it does earlier. */
static void ring_in(struct rv_actor *self, struct orchestrator *me, int64_t ms)
{
    int64_t due_us = now_us(me) + ms * 1000;
    if (me->due_us == 0 || due_us < me->due_us) {
        rv_actor_cancel_after(self, TICK_TOKEN);
        rv_actor_after(self, ms, TICK_TOKEN);
        me->due_us = due_us;
    }
}

/* Where there are many, new runs are above those that were seen, but for one whose number comes
 * from a clock that is behind; all are read again now and then, and when one has failed.  Just
 * before it is asked: a choice that waits would be made again without its reason. */
static void choose_from(struct orchestrator *me)
{
    int64_t now = now_us(me);
    if (me->part || me->asking) {
        return; /* this pass goes on */
    }
    if (me->failed || me->few || now - me->pass_us > RV_ORCHESTRATOR_IDLE_MS * 1000) {
        me->after = 0;
        me->failed = false;
        me->pass_us = now;
    } else {
        /* a number of another node may come from a clock that is ahead of ours */
        int64_t ours = rv_id_make(rv_now_us(rv_loop_clock(me->start.options->loop)));
        int64_t top = me->highest < ours ? me->highest : ours;
        me->after = top > NUMBERS_OF_A_SECOND ? top - NUMBERS_OF_A_SECOND : 0;
    }
}

/* Something has happened: look at once, or as soon as the last look is far enough away. */
static void look_soon(struct rv_actor *self, struct orchestrator *me)
{
    me->idle_ms = RV_ORCHESTRATOR_TICK_MS;
    int64_t left_us = me->answered_us + me->gap_us - now_us(me);
    if (me->asking) {
        me->ask_again = true;
    } else if (left_us > 0) {
        ring_in(self, me, (left_us + 999) / 1000);
    } else {
        choose_from(me);
        ask_now(me);
    }
}

static void tick(struct orchestrator *me)
{
    me->due_us = 0;
    if (!me->asking) {
        choose_from(me);
        ask_now(me);
    }
}

static void watch(struct orchestrator *me, int64_t newest)
{
    int64_t now = now_us(me);
    if (newest > me->newest || now - me->looked_us > RV_ORCHESTRATOR_LOOK_MS * 1000) {
        me->newest = newest;
        me->looked_us = now;
        look_at_exceptions(me);
    }
}

static void seal_now_and_then(struct orchestrator *me, int64_t unsealed)
{
    int64_t now = now_us(me);
    if (unsealed > 0 && now - me->sealed_us > RV_ORCHESTRATOR_SEAL_MS * 1000) {
        me->sealed_us = now;
        seal(me);
    }
}

/* ---- slots and tokens ---- */

static void passed(void *data, enum rv_code code, const int64_t *begun, int count,
                   const struct rv_error *err)
{
    struct beginning *answer = data;
    struct rv_look *runs = rv_alloc(sizeof *runs + (size_t)count * sizeof runs->rows[0]);
    runs->code = code;
    runs->count = count;
    for (int i = 0; i < count; i++) {
        runs->rows[i].id = begun[i];
    }
    if (code != RV_OK && code != RV_CONFLICT) { /* a conflict: another node has the company */
        rv_log_error("run", "FLOW-FAILED", err);
    }
    struct rv_message message = {.kind = PASSED, .payload = runs, .free = rv_free};
    rv_actors_send(answer->actors, answer->to, &message);
    rv_free(answer);
}

/* One at a time: the next sees what this one did. */
static void pass(struct orchestrator *me)
{
    if (me->passing) {
        me->pass_again = true;
        return;
    }
    me->passing = true;
    me->pass_again = false;
    struct beginning *answer = rv_alloc(sizeof *answer);
    *answer = (struct beginning){me->actors, me->self};
    rv_flow_pass(rv_gate_committer(me->start.options->gate), me->start.tenant, me->start.epoch,
                 passed, answer);
}

/* Those that have begun have numbers that a look may have passed.  One that failed is repeated by
 * the look that finds the marks again. */
static void flow_passed(struct rv_actor *self, struct orchestrator *me, const struct rv_look *runs)
{
    me->passing = false;
    for (int i = 0; i < runs->count; i++) {
        rv_roster_add(me->roster, runs->rows[i].id, RV_CLASS_NORMAL);
    }
    fill(self, me);
    if (me->pass_again && runs->code == RV_OK) {
        pass(me);
    } else if (runs->code == RV_OK) {
        look_soon(self, me); /* there may be more, and when is the next token back? */
    } else {
        ring_in(self, me, RV_ORCHESTRATOR_TICK_MS);
    }
}

/* ---- what others do ---- */

static struct errand *errand_make(const struct orchestrator *me, uint32_t kind)
{
    struct errand *errand = rv_alloc(sizeof *errand);
    *errand = (struct errand){.actors = me->actors, .to = me->self, .kind = kind, .open = 1};
    return errand;
}

static void errand_less(struct errand *errand)
{
    if (--errand->open == 0) {
        struct rv_message message = {.kind = errand->kind};
        rv_actors_send(errand->actors, errand->to, &message);
        rv_free(errand);
    }
}

static void on_timed(void *data, enum rv_code code, const json_t *status,
                     const struct rv_error *err)
{
    (void)code;
    (void)status;
    (void)err;
    errand_less(data);
}

static void on_grants(void *data, int executed)
{
    (void)executed;
    errand_less(data);
}

static void time_approval(struct orchestrator *me, int64_t approval)
{
    if (me->timed == NULL && me->timing) {
        return;
    }
    if (me->timed == NULL) {
        me->timing = true;
        me->timed = errand_make(me, TIMED);
    }
    me->timed->open++;
    rv_approval_time(me->start.options->approvals, me->start.tenant, approval, on_timed, me->timed);
}

static void execute_granted(struct orchestrator *me)
{
    if (!me->granting) {
        me->granting = true;
        rv_granted_execute(me->start.options->gate, me->start.options->db, me->start.tenant,
                           on_grants, errand_make(me, GRANTS_OVER));
    }
}

/* One row of a look; true when it is something to do. */
static bool take_row(struct rv_actor *self, struct orchestrator *me, const struct rv_look_row *row,
                     int64_t *next_ms, bool *marked)
{
    switch (row->kind) {
    case RV_LOOK_ACTIVE:
    case RV_LOOK_DUE: return rv_roster_add(me->roster, row->id, RV_CLASS_NORMAL);
    case RV_LOOK_ANSWERED: return rv_roster_add(me->roster, row->id, RV_CLASS_INTERACTIVE);
    case RV_LOOK_CANCEL: cancel_run(self, me, row->id, row->reason); return true;
    case RV_LOOK_APPROVAL: time_approval(me, row->id); return true;
    case RV_LOOK_GRANTED:
        if (row->id > 0) {
            execute_granted(me);
        }
        return row->id > 0;
    case RV_LOOK_FLOW: *marked = true; return true;
    case RV_LOOK_NEWEST: watch(me, row->id); return false;
    case RV_LOOK_NEXT_MS: *next_ms = row->id; return false;
    case RV_LOOK_UNSEALED: seal_now_and_then(me, row->id); return false;
    case RV_LOOK_EPOCH: return false; /* see is_outdone */
    }
    return false;
}

/* ---- another node has the company, and we have not heard of it ---- */

static bool is_outdone(const struct orchestrator *me, const struct rv_look *look)
{
    for (int i = 0; i < look->count; i++) {
        const struct rv_look_row *row = &look->rows[i];
        if (row->kind == RV_LOOK_EPOCH && row->id > me->start.epoch) {
            return me->start.epoch != 0;
        }
    }
    return false;
}

static void on_told(void *data, enum rv_code code, const struct rv_result *result,
                    const struct rv_error *err)
{
    (void)data;
    (void)result;
    if (code != RV_OK) { /* it looks by itself, too */
        rv_log(RV_LOG_WARN, "run", "WAKE-NOT-PASSED", "%s", err->message);
    }
}

/* What we were woken for is the other one's: it is told, and from now on the commits of this
 * process tell it themselves, as nobody here drives the company any more. */
static void leave(struct rv_actor *self, const struct orchestrator *me)
{
    char tenant[16];
    snprintf(tenant, sizeof tenant, "%d", me->start.tenant);
    struct rv_args *args = rv_args_create(&rv_sql_wake_tell);
    rv_args_text(args, 1, tenant);
    rv_db_query(me->start.options->db, 0, &rv_sql_wake_tell, args, on_told, NULL);
    rv_log(RV_LOG_INFO, "run", "COMPANY-GONE", "tenant=%d epoch=%" PRId64, me->start.tenant,
           me->start.epoch);
    rv_actor_exit(self, RV_EXIT_NORMAL);
}

static void found(struct rv_actor *self, struct orchestrator *me, const struct rv_look *look)
{
    int64_t next_ms = INT32_MAX;
    int active = 0;
    if (is_outdone(me, look)) {
        leave(self, me);
        return;
    }
    bool from_first = me->after == 0 && !me->held;
    int due = 0;
    bool any = false;
    bool marked = false;
    for (int i = 0; i < look->count; i++) {
        const struct rv_look_row *row = &look->rows[i];
        any = take_row(self, me, row, &next_ms, &marked) || any;
        if (row->kind == RV_LOOK_ACTIVE) {
            active++;
            me->after = row->id > me->after ? row->id : me->after;
        }
        due += row->kind == RV_LOOK_DUE || row->kind == RV_LOOK_ANSWERED;
    }
    if (me->timed != NULL) {
        struct errand *timed = me->timed;
        me->timed = NULL;
        errand_less(timed);
    }
    fill(self, me);
    if (marked) {
        pass(me);
    }
    if (look->sweep) {
        return;
    }
    me->asking = false;
    me->answered_us = now_us(me);
    int64_t gap_us = (me->answered_us - me->asked_us) * LOOK_SHARE;
    gap_us = gap_us < LOOK_GAP_MS * 1000 ? LOOK_GAP_MS * 1000 : gap_us;
    me->gap_us = gap_us > LOOK_GAP_MAX_MS * 1000 ? LOOK_GAP_MAX_MS * 1000 : gap_us;
    if (look->code != RV_OK) {
        me->part = me->many = false;
        me->failed = true;
        ring_in(self, me, RV_ORCHESTRATOR_TICK_MS);
        return;
    }
    me->few = from_first ? active <= LOOK_FEW : me->few;
    me->highest = me->after > me->highest ? me->after : me->highest;
    me->part = me->held ? me->part : active == LOOK_RUNS;
    me->many = due == LOOK_RUNS;
    if (me->again && !me->looking) {
        look_at_exceptions(me);
    }
    if (me->part && rv_roster_waiting(me->roster) < READY_MAX / 2) {
        ask_now(me); /* no pause within one pass: each row is read once */
        return;
    }
    if (me->ask_again) {
        me->ask_again = false;
        look_soon(self, me);
        return;
    }
    note_back(me);
    ring_in(self, me, next_ms < me->idle_ms ? next_ms : me->idle_ms);
    me->idle_ms = any || rv_roster_lives(me->roster) > 0      ? RV_ORCHESTRATOR_TICK_MS
                  : me->idle_ms * 2 > RV_ORCHESTRATOR_IDLE_MS ? RV_ORCHESTRATOR_IDLE_MS
                                                              : me->idle_ms * 2;
}

/* A run's actor is gone: it stands still, is over, or has failed. */
static void run_ended(struct rv_actor *self, struct orchestrator *me, struct rv_ref ref,
                      enum rv_exit why)
{
    struct rv_roster_run gone = {.run = 0};
    if (!rv_roster_gone(me->roster, ref, &gone)) {
        return;
    }
    rv_run_room_leave(me->start.options->room, &me->guest, 1);
    me->unready -= !gone.begun;
    if (why == RV_EXIT_NORMAL && me->ended_count < ENDED_MAX) {
        me->ended[me->ended_count++] = gone.run;
    }
    if (why == RV_EXIT_PASSIVATED && gone.gives != 0) {
        rv_roster_park(me->roster, &gone);
    }
    fill(self, me);
    note_back(me);
    bool failed = why != RV_EXIT_PASSIVATED && why != RV_EXIT_NORMAL;
    me->failed = me->failed || failed; /* it gets another actor */
    if ((me->part || me->many) && rv_roster_waiting(me->roster) < READY_MAX / 2) {
        look_soon(self, me);
    } else if (failed) {
        ring_in(self, me, RV_ORCHESTRATOR_TICK_MS);
    } else {
        ring_in(self, me, SETTLE_MS + rv_roster_lives(me->roster) / SETTLE_RUNS);
    }
    if (me->more) {
        look_at_exceptions(me);
    }
}

/* ---- exceptions to runs ---- */

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

static enum rv_exit exit_of(const struct rv_message *down)
{
    int32_t why = RV_EXIT_FAILED;
    memcpy(&why, down->body.bytes, sizeof why);
    return (enum rv_exit)why;
}

static enum rv_code on_message(struct rv_actor *self, void *state, struct rv_message *message,
                               struct rv_error *err)
{
    (void)err;
    struct orchestrator *me = state;
    switch (message->kind) {
    case RV_MESSAGE_TIMEOUT: tick(me); break;
    case FOUND: found(self, me, message->payload); break;
    case RV_RUN_BEGUN: run_begun(me, message->body.numbers[0]); break;
    case TIMED: me->timing = false; break;
    case GRANTS_OVER: me->granting = false; break;
    case RV_RUN_SLEEPS:
        rv_roster_sleeps(me->roster, message->body.numbers[0]);
        ask_sleepers(self, me);
        break;
    case RV_RUN_ASKS:
        rv_roster_asks(me->roster, message->body.numbers[0], message->body.numbers[1]);
        ask_sleepers(self, me);
        break;
    case RV_RUN_ANSWERED:
        rv_roster_answered(me->roster, message->body.numbers[0]);
        fill(self, me);
        break;
    case RV_RUN_CHILD: wake_run(self, me, message->body.numbers[0], RV_CLASS_NORMAL); break;
    case RV_ORCHESTRATOR_WAKE: look_soon(self, me); break;
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
    case PASSED: flow_passed(self, me, message->payload); break;
    case RV_MESSAGE_DOWN: run_ended(self, me, message->from, exit_of(message)); break;
    default: break;
    }
    return RV_OK;
}
