/* replay.c -- see replay.h.
 *
 * The port holds one operation at a time.  A change of status is answered (that is how a run ends);
 * whatever else is asked is a wish to go on live, noted as what comes next, and never answered.
 */
#include "runtime/run/replay.h"

#include "runtime/base/check.h"
#include "runtime/lua/plan.h"
#include "runtime/run/agents.h"
#include "runtime/run/compare.h"
#include "runtime/run/request.h"
#include "runtime/run/run_actor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct replay {
    struct rv_replay_report *report;
    struct rv_actors *actors;
    struct rv_run_port port;
    const struct rv_run_image *original; /* keeps what the actor's own image may lose */
    struct rv_run_image *image;          /* until the actor takes it */
    json_t *rebase;                      /* journal array to be rewritten; NULL: replay is strict */
    rv_port_done done;                   /* of the outstanding operation; NULL: none */
    void (*loaded)(void *data, enum rv_code code, struct rv_run_image *image,
                   const struct rv_error *err);
    void *data;
    bool answers; /* the operation may be answered */
    bool ended;   /* reached a final state */
    bool still;   /* gave up its actor to wait */
    enum rv_run_state state;
    char said[512]; /* with the final state */
    struct rv_hash_stream *hash;
};

/* ---- the transcript ---- */

static void hash_text(struct replay *replay, const char *text)
{
    rv_sha256_add(replay->hash, text, strlen(text) + 1);
}

static void hash_json(struct replay *replay, const json_t *value)
{
    char *text = json_dumps(value != NULL ? value : json_null(),
                            JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    RV_ASSERT(text != NULL);
    hash_text(replay, text);
    rv_free(text);
}

/* The plan failed then and fails now; with other words. */
static bool is_end(const struct rv_run_taken *taken)
{
    return taken->step->kind == RV_STEP_NOTE && strcmp(taken->step->name, "end") == 0 &&
           taken->kind == RV_STEP_NOTE && strcmp(taken->name, "end") == 0;
}

static json_t *difference_of(const struct rv_run_taken *taken)
{
    const struct rv_step *step = taken->step;
    char recorded[RV_HISTORY_DIGEST];
    char now[RV_HISTORY_DIGEST] = "";
    uint8_t digest[RV_STEP_DIGEST_BYTES];
    rv_history_digest_hex(step->digest, recorded);
    if (taken->args != NULL && rv_step_digest(taken->args, digest)) {
        rv_history_digest_hex(digest, now);
    }
    json_t *out =
        json_pack("{s:i,s:{s:s,s:s,s:s,s:O},s:{s:s,s:s,s:s,s:i}}", "step", (int)step->seq,
                  "recorded", "kind", rv_step_kind_name(step->kind), "name", step->name, "digest",
                  recorded, "out", step->out, "now", "kind", rv_step_kind_name(taken->kind), "name",
                  taken->name != NULL ? taken->name : "", "digest", now, "line", taken->line);
    RV_ASSERT(out != NULL);
    if (taken->args != NULL) {
        json_object_set(json_object_get(out, "now"), "args", (json_t *)(uintptr_t)taken->args);
    }
    if (taken->kind == step->kind && taken->args != NULL &&
        (step->kind == RV_STEP_PLAN || step->kind == RV_STEP_OUTCOME || is_end(taken))) {
        json_t *places = json_array(); /* their arguments are what was recorded */
        rv_json_compare(step->out, taken->args, "", places);
        json_object_set_new(out, "differences", places);
    }
    return out;
}

static void on_spent(void *self, const struct rv_budget *budget, int64_t steps)
{
    struct rv_replay_report *report = ((struct replay *)self)->report;
    struct rv_error err = {.code = RV_OK};
    bool within = rv_budget_check(budget, steps, 0, 0, 0, NULL, 0, &err) == RV_OK;
    snprintf(report->over, sizeof report->over, "%s", within ? "" : err.message);
    report->deadline_us = budget->wall_deadline_us;
}

static bool on_taken(void *self, const struct rv_run_taken *taken)
{
    struct replay *replay = self;
    struct rv_replay_report *report = replay->report;
    if (taken->step->seq > report->steps) {
        report->steps = taken->step->seq;
        char hex[RV_HISTORY_DIGEST];
        rv_history_digest_hex(taken->step->digest, hex);
        hash_text(replay, rv_step_kind_name(taken->step->kind));
        hash_text(replay, taken->step->name);
        hash_text(replay, hex);
    }
    if (taken->same) {
        return true;
    }
    json_t *entry = replay->rebase != NULL
                        ? json_array_get(replay->rebase, (size_t)taken->step->seq - 1)
                        : NULL;
    uint8_t digest[RV_STEP_DIGEST_BYTES];
    bool named = taken->kind == RV_STEP_PUBLISH || taken->kind == RV_STEP_REPLY;
    if (entry == NULL || taken->kind != taken->step->kind ||
        (taken->name != NULL && !named && strcmp(taken->name, taken->step->name) != 0) ||
        taken->args == NULL || !rv_step_digest(taken->args, digest)) {
        if (report->difference == NULL) {
            report->difference = difference_of(taken);
        }
        return false;
    }
    if (is_end(taken)) { /* it has no digest */
        json_object_set(entry, "out", (json_t *)(uintptr_t)taken->args);
        return true;
    }
    char hex[RV_HISTORY_DIGEST];
    rv_history_digest_hex(digest, hex);
    json_object_set_new(entry, "digest", json_string(hex));
    if (named && taken->name != NULL) { /* a name may have been hidden in it */
        json_object_set_new(entry, "name", json_string(taken->name));
    }
    if (taken->kind == RV_STEP_PLAN || taken->kind == RV_STEP_OUTCOME) {
        json_object_set(entry, "out", (json_t *)(uintptr_t)taken->args);
    } else if (taken->kind == RV_STEP_CHECKPOINT) { /* the plan begins anew with what it said now */
        json_t *state = json_object_get(taken->args, "state");
        json_object_set(json_object_get(entry, "out"), "state", state);
        json_object_set(taken->step->out, "state", state);
    }
    return true;
}

/* ---- the port: a document, and nothing beyond ---- */

static int64_t port_now_us(void *self)
{
    return ((struct replay *)self)->original->created_us;
}

static void port_load(void *self, int32_t tenant, int64_t run,
                      void (*done)(void *data, enum rv_code code, struct rv_run_image *image,
                                   const struct rv_error *err),
                      void *data)
{
    (void)tenant;
    (void)run;
    struct replay *replay = self;
    replay->loaded = done;
    replay->data = data;
    replay->answers = true;
}

static void wants(struct replay *replay, const char *kind, const char *name, const json_t *args,
                  rv_port_done done, void *data)
{
    RV_ASSERT(replay->done == NULL);
    replay->done = done;
    replay->data = data;
    replay->answers = false;
    replay->report->next = json_pack("{s:s,s:s}", "kind", kind, "name", name);
    if (args != NULL) {
        json_object_set(replay->report->next, "args", (json_t *)(uintptr_t)args);
    }
}

static void port_write(void *self, const struct rv_run_write *write, rv_port_done done, void *data)
{
    struct replay *replay = self;
    const struct rv_run_change *change = write->change;
    if (write->step != NULL) {
        wants(replay, rv_step_kind_name(write->step->kind), write->step->name, write->step->out,
              done, data);
        return;
    }
    if (change != NULL && rv_run_state_final(change->state)) {
        replay->ended = true;
        replay->state = change->state;
        snprintf(replay->said, sizeof replay->said, "%s",
                 change->error_text != NULL ? change->error_text : "");
        replay->report->result = json_incref((json_t *)(uintptr_t)change->result);
    }
    replay->done = done;
    replay->data = data;
    replay->answers = true;
}

static void port_read(void *self, int32_t tenant, const char *agent, const char *name,
                      const json_t *args, rv_port_done done, void *data)
{
    (void)tenant;
    (void)agent;
    wants(self, "read", name, args, done, data);
}

static void port_act(void *self, const struct rv_run_act *act, rv_port_done done, void *data)
{
    wants(self, rv_step_kind_name(act->kind), act->action, act->args, done, data);
}

static void port_effect(void *self, const struct rv_effect_ask *ask, rv_port_done done, void *data)
{
    json_t *args = json_pack("{s:i}", "of_step", (int)ask->seq);
    wants(self, "effect", "outcome", args, done, data);
    json_decref(args);
}

static void port_approval(void *self, int32_t tenant, int64_t approval, rv_port_done done,
                          void *data)
{
    (void)tenant;
    json_t *args = json_pack("{s:I}", "approval", (json_int_t)approval);
    wants(self, "approval", "by people", args, done, data);
    json_decref(args);
}

static void port_child(void *self, int32_t tenant, int64_t run, rv_port_done done, void *data)
{
    (void)tenant;
    char name[32];
    snprintf(name, sizeof name, "r_%" PRId64, run);
    wants(self, "child", name, NULL, done, data);
}

static void port_signal(void *self, int32_t tenant, int64_t run, const char *name,
                        rv_port_done done, void *data)
{
    (void)tenant;
    (void)run;
    struct replay *replay = self;
    const struct rv_run_image *image = replay->original;
    const struct rv_step *last =
        image->step_count > 0 ? &image->steps[image->step_count - 1] : NULL;
    if (strcmp(name, RV_RUN_BUDGET_SIGNAL) == 0 &&
        (last == NULL || strcmp(rv_json_str(last->out, "name", ""), name) != 0)) {
        /* it does not wait for that: nobody had given anything */
        replay->done = done;
        replay->data = data;
        replay->answers = true;
        return;
    }
    wants(self, "signal", name, NULL, done, data);
}

static void on_changed(void *data, int32_t tenant, int64_t run, enum rv_run_state state)
{
    (void)tenant;
    (void)run;
    struct replay *replay = data;
    replay->still = !rv_run_state_final(state);
}

/* ---- the drive ---- */

static void answer(struct replay *replay, enum rv_code code)
{
    void *data = replay->data;
    replay->answers = false;
    if (replay->loaded != NULL) {
        struct rv_run_image *image = replay->image;
        replay->image = NULL;
        void (*loaded)(void *, enum rv_code, struct rv_run_image *, const struct rv_error *) =
            replay->loaded;
        replay->loaded = NULL;
        loaded(data, code, image, NULL);
    } else if (replay->done != NULL) {
        rv_port_done done = replay->done;
        replay->done = NULL;
        done(data, code, NULL, NULL);
    }
}

static bool drive(struct replay *replay, int64_t run, struct rv_error *err)
{
    struct rv_clock_virtual clock;
    rv_clock_virtual_init(&clock, replay->original->created_us);
    struct rv_loop *loop = rv_loop_create(&clock.clock);
    replay->actors = rv_actors_create(&loop, 1, 1);
    struct rv_run_start start = {.tenant = 1,
                                 .run = run,
                                 .port = &replay->port,
                                 .changed = on_changed,
                                 .changed_data = replay};
    struct rv_spawn spawn = {
        .behavior = &rv_run_behavior, .argument = &start, .argument_bytes = sizeof start};
    struct rv_ref ref = {0};
    bool ok = rv_actors_spawn(replay->actors, 0, &spawn, &ref, err) == RV_OK;
    while (ok) {
        while (rv_actors_step(replay->actors, 0)) {
        }
        if (!replay->answers) {
            break;
        }
        answer(replay, RV_OK);
    }
    /* a timer in memory keeps the actor: it waits, too */
    replay->still = replay->still || rv_actors_next_deadline_us(replay->actors, 0) != INT64_MAX;
    answer(replay, RV_CANCELED); /* its memory comes back; nobody is there to hear it */
    rv_actors_destroy(replay->actors);
    rv_loop_destroy(loop);
    return ok;
}

/* ---- the verdict ---- */

static void say(struct rv_replay_report *report, enum rv_replay_verdict verdict, const char *format,
                ...) RV_PRINTF(3, 4);
static void say(struct rv_replay_report *report, enum rv_replay_verdict verdict, const char *format,
                ...)
{
    va_list args;
    va_start(args, format);
    report->verdict = verdict;
    vsnprintf(report->text, sizeof report->text, format, args);
    va_end(args);
}

/* What the replay is compared with. */
struct record {
    int64_t run;
    int steps; /* number of the last journal entry that the plan has a part in */
    const char *status;
    const json_t *result;
};

/* The run ended as it went; did it end as recorded? */
static void judge_end(struct replay *replay, const struct record *record)
{
    struct rv_replay_report *report = replay->report;
    const char *recorded = record->status;
    int recorded_steps = record->steps;
    const char *now = rv_run_state_name(replay->state);
    json_t *places = json_array();
    rv_json_compare(record->result, report->result, "result", places);
    if (report->difference != NULL) {
        say(report, RV_REPLAY_DIFFERS, "%s", replay->said);
    } else if (report->steps < recorded_steps) {
        say(report, RV_REPLAY_DIFFERS, "the run now ends (%s) after step %d, the journal has %d",
            now, report->steps, recorded_steps);
        report->difference = json_pack("{s:i}", "step", report->steps + 1);
    } else if (strcmp(recorded, now) != 0) {
        say(report, RV_REPLAY_DIFFERS, "the run now ends as %s%s%s, the record says %s", now,
            replay->said[0] != '\0' ? ": " : "", replay->said, recorded);
        report->difference = json_pack("{s:i}", "step", report->steps + 1);
    } else if (json_array_size(places) > 0) {
        say(report, RV_REPLAY_DIFFERS, "all %d steps are the same, the result is not",
            report->steps);
        report->difference =
            json_pack("{s:i,s:O}", "step", report->steps + 1, "differences", places);
    } else {
        say(report, RV_REPLAY_SAME, "%d steps, the end (%s) and the result are the same",
            report->steps, now);
    }
    json_decref(places);
}

static void judge(struct replay *replay, const struct record *record)
{
    struct rv_replay_report *report = replay->report;
    int recorded_steps = record->steps;
    bool over = rv_run_state_final(rv_run_state_from_name(record->status));
    const char *next = rv_json_str(report->next, "name", "");
    if (replay->ended) {
        if (!over && report->difference == NULL && report->steps == recorded_steps) {
            say(report, RV_REPLAY_OPEN, "%d steps are the same; next the run ends as %s",
                report->steps, rv_run_state_name(replay->state));
        } else {
            judge_end(replay, record);
        }
    } else if (report->next == NULL && !replay->still) {
        say(report, RV_REPLAY_STOPPED,
            "stopped after step %d of %d by the cap of processor time; try again", report->steps,
            recorded_steps);
    } else if (over) {
        say(report, RV_REPLAY_DIFFERS,
            "the journal ends after step %d (%s), the run now goes on with %s \"%s\"",
            recorded_steps, record->status, rv_json_str(report->next, "kind", "a wait"), next);
        report->difference =
            json_pack("{s:i,s:O?}", "step", recorded_steps + 1, "now", report->next);
    } else {
        say(report, RV_REPLAY_OPEN, "%d steps are the same; next %s %s", report->steps,
            rv_json_str(report->next, "kind", "it waits for"),
            report->next != NULL ? next : "its time");
    }
}

static int last_step(const struct rv_run_image *image)
{
    return image->step_count > 0 ? image->steps[image->step_count - 1].seq : 0;
}

static void begin(struct replay *replay, const struct rv_run_image *image, struct rv_agents *agents)
{
    replay->hash = rv_sha256_begin();
    replay->port = (struct rv_run_port){.self = replay,
                                        .agents = agents,
                                        .now_us = port_now_us,
                                        .load = port_load,
                                        .write = port_write,
                                        .read = port_read,
                                        .act = port_act,
                                        .effect = port_effect,
                                        .ask = port_act,
                                        .start = port_act,
                                        .child = port_child,
                                        .approval = port_approval,
                                        .signal = port_signal,
                                        .taken = on_taken,
                                        .spent = on_spent};
    char plan[2 * RV_HASH_BYTES + 1];
    rv_hash_hex(&image->plan_hash, plan);
    hash_text(replay, plan);
}

static void finish(struct replay *replay, const struct record *record)
{
    struct rv_replay_report *report = replay->report;
    hash_text(replay, replay->ended ? rv_run_state_name(replay->state) : "open");
    hash_json(replay, report->result);
    rv_sha256_end(replay->hash, &report->hash);
    judge(replay, record);
    report->end = replay->ended ? replay->state : RV_RUN_STATE_COUNT;
}

/* Takes `image`. */
static enum rv_code go_image(struct replay *replay, struct rv_run_image *image, int64_t run,
                             struct rv_error *err)
{
    /* from here every end is a legal move: what the record says is compared, not trusted.  Who
     * waits and has taken no step waits for its key (run_actor.c), so that one plans. */
    bool fresh = image->base == 0 && image->step_count == 0;
    image->state = fresh ? RV_RUN_PLANNING : RV_RUN_WAITING;
    replay->image = image;
    enum rv_code code = drive(replay, run, err) ? RV_OK : err->code;
    rv_run_image_free(replay->image);
    replay->image = NULL;
    return code;
}

/* Takes `image`.  `agents` NULL: the plan is compiled for this once. */
static enum rv_code go(struct rv_run_image *image, const struct record *record,
                       struct rv_agents *agents, json_t *rebase, struct rv_replay_report *report,
                       struct rv_error *err)
{
    struct rv_run_image when = {.created_us = image->created_us};
    struct replay replay = {.report = report, .original = &when, .rebase = rebase};
    begin(&replay, image, agents);
    enum rv_code code = go_image(&replay, image, record->run, err);
    finish(&replay, record);
    return code;
}

static struct rv_run_image *image_of(const json_t *history, const char *source)
{
    struct rv_run_image *image = rv_history_image(history);
    if (source != NULL) {
        rv_free(image->source);
        image->source = rv_strdup(source);
        image->source_length = strlen(source);
        image->plan_hash = rv_sha256(source, image->source_length);
    }
    return image;
}

static enum rv_code check_plan(const struct rv_run_image *image, struct rv_error *err)
{
    struct rv_agent *agent = NULL;
    enum rv_code code =
        rv_agent_load(image->source, image->source_length, image->agent, &agent, err);
    rv_agent_destroy(code == RV_OK ? agent : NULL);
    return code;
}

static enum rv_code go_history(const json_t *history, const char *source, json_t *rebase,
                               struct rv_replay_report *report, struct rv_error *err)
{
    *report = (struct rv_replay_report){.steps = 0};
    struct rv_run_image *image = image_of(history, source);
    enum rv_code code = check_plan(image, err);
    if (code != RV_OK) {
        rv_run_image_free(image);
        return code;
    }
    struct record record = {.run = rv_history_run(history),
                            .steps = last_step(image),
                            .status = rv_json_str(history, "status", ""),
                            .result = json_object_get(history, "result")};
    return go(image, &record, NULL, rebase, report, err);
}

enum rv_code rv_replay_image(struct rv_run_image *image, int64_t run, struct rv_agents *agents,
                             struct rv_replay_report *report, struct rv_error *err)
{
    /* a checkpoint that it begins with is no step that it takes */
    *report = (struct rv_replay_report){.steps = image->base > 0 ? image->base + 1 : 0};
    struct record record = {
        .run = run, .steps = last_step(image), .status = rv_run_state_name(image->state)};
    return go(image, &record, agents, NULL, report, err);
}

enum rv_code rv_replay(const json_t *history, const char *source, struct rv_replay_report *report,
                       struct rv_error *err)
{
    return go_history(history, source, NULL, report, err);
}

/* ---- from checkpoint to checkpoint ---- */

/* Where the journal is read, and the entry with which the next stretch begins. */
struct stretches {
    const struct rv_history_pages *pages;
    json_t *beginning; /* a checkpoint; NULL: the run's own beginning */
    int last;          /* number of the newest entry that the plan has a part in */
    bool over;
};

/* Up to the next checkpoint, which ends one stretch and begins another. */
static enum rv_code read_stretch(struct stretches *all, struct rv_run_image *image,
                                 struct rv_error *err)
{
    bool reached = false;
    if (all->beginning != NULL) {
        image->base = (int32_t)rv_json_int(all->beginning, "seq", 1) - 1;
        rv_history_take(image, all->beginning);
        json_decref(all->beginning);
        all->beginning = NULL;
    }
    while (!reached) {
        json_t *entry = NULL;
        enum rv_code code = all->pages->next(all->pages->self, &entry, err);
        if (code != RV_OK || entry == NULL) {
            all->over = true;
            return code;
        }
        rv_history_take(image, entry);
        all->last = last_step(image) > all->last ? last_step(image) : all->last;
        reached = rv_step_kind_from_name(rv_json_str(entry, "kind", "")) == RV_STEP_CHECKPOINT;
        all->beginning = reached ? json_incref(entry) : NULL;
        json_decref(entry);
    }
    return RV_OK;
}

/* How long it is: where a replay stops before its end, that is said. */
static enum rv_code read_rest(struct stretches *all, struct rv_error *err)
{
    enum rv_code code = RV_OK;
    while (code == RV_OK && !all->over) {
        json_t *entry = NULL;
        code = all->pages->next(all->pages->self, &entry, err);
        all->over = entry == NULL;
        if (entry != NULL && strcmp(rv_json_str(entry, "name", ""), RV_STEP_VERSION) != 0) {
            all->last = (int)rv_json_int(entry, "seq", 0);
        }
        json_decref(entry);
    }
    return code;
}

enum rv_code rv_replay_pages(const json_t *head, const struct rv_history_pages *pages,
                             const char *source, struct rv_replay_report *report,
                             struct rv_error *err)
{
    *report = (struct rv_replay_report){.steps = 0};
    struct stretches all = {.pages = pages};
    struct rv_run_image *image = image_of(head, source);
    struct rv_run_image when = {.created_us = image->created_us};
    struct rv_agents *agents = rv_agents_create();
    struct replay replay = {.report = report, .original = &when};
    enum rv_code code = check_plan(image, err);
    begin(&replay, image, agents);
    while (code == RV_OK) {
        code = read_stretch(&all, image, err);
        if (code == RV_OK) {
            code = go_image(&replay, image, rv_history_run(head), err);
            image = NULL;
        }
        if (code != RV_OK || all.over || replay.ended || report->difference != NULL ||
            report->steps < all.last) {
            break;
        }
        json_decref(report->next); /* the next stretch has the answer to it */
        report->next = NULL;
        replay.still = false;
        image = image_of(head, source);
    }
    rv_run_image_free(image);
    code = code == RV_OK ? read_rest(&all, err) : code;
    struct record record = {.run = rv_history_run(head),
                            .steps = all.last,
                            .status = rv_json_str(head, "status", ""),
                            .result = json_object_get(head, "result")};
    finish(&replay, &record);
    json_decref(all.beginning);
    rv_agents_destroy(agents);
    return code;
}

enum rv_code rv_replay_rebase(json_t *history, struct rv_replay_report *report,
                              struct rv_error *err)
{
    json_t *journal = json_deep_copy(json_object_get(history, "journal"));
    enum rv_code code = go_history(history, NULL, journal, report, err);
    if (code == RV_OK) {
        json_object_set(history, "journal", journal);
        if (report->result != NULL && json_object_get(history, "result") != NULL) {
            json_object_set(history, "result", report->result);
        }
    }
    json_decref(journal);
    return code;
}

void rv_replay_report_fini(struct rv_replay_report *report)
{
    json_decref(report->difference);
    json_decref(report->next);
    json_decref(report->result);
    *report = (struct rv_replay_report){.steps = 0};
}

const char *rv_replay_verdict_name(enum rv_replay_verdict verdict)
{
    static const char *const names[] = {"same", "open", "differs", "stopped"};
    return names[verdict];
}
