/* dry.c -- see dry.h.
 *
 *   the ids -> pages -> each thread: heads, then journals of a page -> images -> replay -> verdict
 *
 * The journal is read after the head, so what is judged is at least as new as the head; the number
 * of the newest entry goes with the verdict, and a change of version holds only at that entry
 * (statement run_migrate).
 */
#include "runtime/run/dry.h"

#include "run_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/journal/journal.h"
#include "runtime/run/agents.h"
#include "runtime/run/canary.h"
#include "runtime/run/replay.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- what the threads share ---- */

struct dry {
    const struct rv_dry_options *options;
    struct rv_hash hash;
    json_t *manifest;
    struct rv_dry_report *report;
    pthread_mutex_t lock; /* of what follows */
    int next;
    enum rv_code code;
    struct rv_error err;
};

struct worker {
    struct dry *dry;
    struct rv_db_session *session;
    struct rv_agents *agents;
    struct rv_run_image *images[RV_DRY_PAGE]; /* of the page at hand; NULL: over meanwhile */
    enum rv_run_state states[RV_DRY_PAGE];
    bool untaken[RV_DRY_PAGE]; /* it was given an update that it has not taken */
    char *broken[RV_DRY_PAGE]; /* why the journal could not be read */
    struct rv_dry_run *page;
    int count;
    pthread_t thread;
};

static void fail(struct dry *dry, enum rv_code code, const struct rv_error *err)
{
    pthread_mutex_lock(&dry->lock);
    if (dry->code == RV_OK) {
        dry->code = code;
        dry->err = *err;
    }
    pthread_mutex_unlock(&dry->lock);
}

static int place_of(const struct worker *worker, int64_t run)
{
    int low = 0;
    int high = worker->count - 1;
    while (low < high) {
        int middle = (low + high) / 2;
        if (worker->page[middle].run < run) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return worker->page[low].run == run ? low : -1;
}

/* ---- a page of runs as the store would load them ---- */

/* Columns as runs_dry_heads gives them. */
static enum rv_code take_head(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)err;
    struct worker *worker = data;
    const struct rv_dry_options *options = worker->dry->options;
    int at = place_of(worker, rv_result_i64(result, row, 0));
    enum rv_run_state state = rv_run_state_from_name(rv_result_text(result, row, 1));
    RV_ASSERT(at >= 0 && state < RV_RUN_STATE_COUNT);
    struct rv_run_image *image = rv_alloc(sizeof *image);
    *image = (struct rv_run_image){.state = state,
                                   .agent = rv_strdup(rv_result_text(result, row, 2)),
                                   .owner = rv_strdup(""), /* no part of a replay */
                                   .plan_hash = worker->dry->hash,
                                   .source = rv_strndup(options->source, options->length),
                                   .source_length = options->length,
                                   .input = rv_result_json(result, row, 3),
                                   .created_us = rv_result_time_us(result, row, 4),
                                   .depth = (int)rv_result_i64(result, row, 5),
                                   .parent = rv_result_i64(result, row, 6),
                                   .budget = rv_result_json(result, row, 7)};
    worker->images[at] = image;
    worker->states[at] = state;
    worker->untaken[at] = rv_result_bool(result, row, 8);
    return RV_OK;
}

/* Columns as runs_dry_steps gives them. */
static enum rv_code take_step(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    (void)err;
    struct worker *worker = data;
    int at = place_of(worker, rv_result_i64(result, row, 0));
    RV_ASSERT(at >= 0);
    struct rv_run_image *image = worker->images[at];
    struct rv_dry_run *run = &worker->page[at];
    if (image == NULL || worker->broken[at] != NULL) {
        return RV_OK;
    }
    struct rv_error why = {.code = RV_OK};
    struct rv_step step = {.seq = (int32_t)rv_result_i64(result, row, 1),
                           .kind = (int)rv_result_i64(result, row, 2)};
    enum rv_code code = rv_journal_out_decode(result, row, 5, &step.out, &why);
    if (code != RV_OK) {
        worker->broken[at] = rv_strdup(why.message);
        return RV_OK;
    }
    run->seq = step.seq;
    step.name = rv_strdup(rv_result_text(result, row, 3));
    if (image->step_count == 0 && step.kind == RV_STEP_CHECKPOINT) {
        image->base = step.seq - 1;
    }
    if (rv_step_is_version(&step)) {
        rv_free(step.name);
        json_decref(step.out);
        image->notes++;
        return RV_OK;
    }
    rv_result_bytes(result, row, 4, step.digest, sizeof step.digest);
    if ((image->step_count & (image->step_count - 1)) == 0) { /* doubles at powers of two */
        size_t room = image->step_count == 0 ? 1 : 2 * (size_t)image->step_count;
        image->steps = rv_realloc(image->steps, room * sizeof step);
    }
    image->steps[image->step_count++] = step;
    return RV_OK;
}

static enum rv_code read_page(struct worker *worker, struct rv_error *err)
{
    const struct rv_statement *const reads[] = {&rv_sql_runs_dry_heads, &rv_sql_runs_dry_steps};
    enum rv_code (*const takes[])(void *, const struct rv_result *, int,
                                  struct rv_error *) = {take_head, take_step};
    enum rv_code code = RV_OK;
    for (size_t i = 0; i < RV_COUNT(reads) && code == RV_OK; i++) {
        struct rv_args *args = rv_args_create(reads[i]);
        for (int k = 0; k < worker->count; k++) {
            rv_args_i64(args, 2, worker->page[k].run);
        }
        code = rv_db_session_query(worker->session, worker->dry->options->tenant, reads[i], args,
                                   takes[i], worker, err);
    }
    return code;
}

/* ---- one run ---- */

static void pin(struct rv_dry_run *run, const char *format, ...) RV_PRINTF(2, 3);
static void pin(struct rv_dry_run *run, const char *format, ...)
{
    char text[300];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    run->verdict = RV_DRY_PINNED;
    run->why = rv_strdup(text);
}

static void diverges(struct rv_dry_run *run, const struct rv_replay_report *report)
{
    const json_t *recorded = json_object_get(report->difference, "recorded");
    const json_t *now = json_object_get(report->difference, "now");
    const json_t *place = json_array_get(json_object_get(report->difference, "differences"), 0);
    char text[400];
    run->verdict = RV_DRY_DIVERGES;
    run->step = (int32_t)rv_json_int(report->difference, "step", report->steps + 1);
    if (recorded == NULL || now == NULL) { /* it ends earlier, or goes on where it ended */
        run->now = rv_strdup(report->text);
        return;
    }
    snprintf(text, sizeof text, "%s %s", rv_json_str(recorded, "kind", ""),
             rv_json_str(recorded, "name", ""));
    run->expected = rv_strdup(text);
    bool other = strcmp(rv_json_str(recorded, "kind", ""), rv_json_str(now, "kind", "")) != 0 ||
                 strcmp(rv_json_str(recorded, "name", ""), rv_json_str(now, "name", "")) != 0;
    size_t used =
        (size_t)snprintf(text, sizeof text, "%s %s%s", rv_json_str(now, "kind", ""),
                         rv_json_str(now, "name", ""), other ? "" : " with other arguments");
    if (place != NULL) {
        used += (size_t)snprintf(text + used, sizeof text - used, ": %.100s",
                                 rv_json_str(place, "path", ""));
    }
    if (rv_json_int(now, "line", 0) > 0) {
        snprintf(text + used, sizeof text - used, ", line %" PRId64, rv_json_int(now, "line", 0));
    }
    run->now = rv_strdup(text);
}

static void judge(struct rv_dry_run *run, enum rv_run_state state,
                  const struct rv_replay_report *report)
{
    switch (report->verdict) {
    case RV_REPLAY_DIFFERS: diverges(run, report); return;
    case RV_REPLAY_STOPPED: pin(run, "it needs more processor time than it may have"); return;
    case RV_REPLAY_SAME:
    case RV_REPLAY_OPEN: break;
    }
    if (report->end == RV_RUN_FAILED || report->end == RV_RUN_DIVERGED) {
        pin(run, "the version would end it as %s", rv_run_state_name(report->end));
    } else if (state != RV_RUN_CREATED && state != RV_RUN_WAITING) {
        pin(run, "it moves just now (%s)", rv_run_state_name(state));
    } else if (report->over[0] != '\0') {
        pin(run, "it has spent what the version lets it: %s", report->over);
    } else if (report->deadline_us != 0 && rv_now_us(rv_clock_system()) > report->deadline_us) {
        pin(run, "limits.wall_ms of the version is over for it");
    } else {
        run->verdict = RV_DRY_SAFE;
    }
}

static void try_run(struct worker *worker, int at)
{
    struct rv_dry_run *run = &worker->page[at];
    struct rv_run_image *image = worker->images[at];
    struct rv_error err = {.code = RV_OK};
    struct rv_replay_report report = {.steps = 0};
    worker->images[at] = NULL;
    const char *type = image == NULL
                           ? NULL
                           : rv_json_str(json_object_get(image->input, "exception"), "code", NULL);
    if (run->verdict == RV_DRY_HAS_IT) {
        /* nothing to try */
    } else if (image == NULL || rv_run_state_final(image->state)) {
        pin(run, "it has ended meanwhile");
    } else if (worker->broken[at] != NULL) {
        pin(run, "its journal cannot be read: %.200s", worker->broken[at]);
    } else if (image->parent == 0 && type != NULL &&
               !rv_manifest_handles(worker->dry->manifest, type)) {
        pin(run, "the version does not handle %.40s", type);
    } else if (worker->untaken[at]) {
        pin(run, "an update that it has not taken was checked by its own version");
    } else {
        if (rv_replay_image(image, run->run, worker->agents, &report, &err) == RV_OK) {
            judge(run, worker->states[at], &report);
        } else {
            pin(run, "it could not be tried: %.200s", err.message);
        }
        image = NULL;
        rv_replay_report_fini(&report);
    }
    rv_run_image_free(image);
    rv_free(worker->broken[at]);
    worker->broken[at] = NULL;
}

/* ---- the threads ---- */

static bool next_page(struct worker *worker)
{
    struct dry *dry = worker->dry;
    pthread_mutex_lock(&dry->lock);
    int left = dry->code == RV_OK ? dry->report->count - dry->next : 0;
    worker->page = &dry->report->runs[left > 0 ? dry->next : 0];
    worker->count = left < RV_DRY_PAGE ? left : RV_DRY_PAGE;
    dry->next += worker->count;
    pthread_mutex_unlock(&dry->lock);
    return worker->count > 0;
}

static void *work(void *data)
{
    struct worker *worker = data;
    struct rv_error err = {.code = RV_OK};
    enum rv_code code = rv_db_session_open(worker->dry->options->uri, &worker->session, &err);
    worker->agents = rv_agents_create();
    while (code == RV_OK && next_page(worker)) {
        code = read_page(worker, &err);
        for (int i = 0; i < worker->count; i++) {
            if (code == RV_OK) {
                try_run(worker, i);
            } else {
                rv_run_image_free(worker->images[i]);
                rv_free(worker->broken[i]);
            }
        }
    }
    if (code != RV_OK) {
        fail(worker->dry, code, &err);
    }
    rv_agents_destroy(worker->agents);
    rv_db_session_close(worker->session);
    return NULL;
}

static int threads_for(const struct rv_dry_options *options, int runs)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    long wanted = options->threads > 0 ? options->threads : cores;
    long pages = (runs + RV_DRY_PAGE - 1) / RV_DRY_PAGE;
    wanted = wanted < pages ? wanted : pages;
    return wanted < 1 ? 1 : wanted > RV_DRY_THREADS_MAX ? RV_DRY_THREADS_MAX : (int)wanted;
}

static void run_threads(struct dry *dry)
{
    struct worker *workers = rv_alloc_array(RV_DRY_THREADS_MAX, sizeof *workers);
    int wanted = threads_for(dry->options, dry->report->count);
    int started = 0;
    workers[0].dry = dry;
    for (int i = 1; i < wanted; i++) {
        workers[i].dry = dry;
        if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0) {
            break; /* those that there are do the work */
        }
        started = i;
    }
    work(&workers[0]);
    for (int i = 1; i <= started; i++) {
        pthread_join(workers[i].thread, NULL);
    }
    rv_free(workers);
}

/* ---- all of it ---- */

/* Columns as runs_open_of gives them. */
static enum rv_code take_open(void *data, const struct rv_result *result, int row,
                              struct rv_error *err)
{
    struct dry *dry = data;
    struct rv_dry_report *report = dry->report;
    struct rv_hash plan = {.bytes = {0}};
    if (report->count == RV_DRY_RUNS_MAX) {
        return rv_fail(err, RV_LIMIT, "agent %.80s has more than %d open runs", dry->options->agent,
                       RV_DRY_RUNS_MAX);
    }
    if ((report->count & (report->count - 1)) == 0) {
        size_t room = report->count == 0 ? 1 : 2 * (size_t)report->count;
        report->runs = rv_realloc(report->runs, room * sizeof *report->runs);
    }
    rv_result_bytes(result, row, 1, plan.bytes, sizeof plan.bytes);
    report->runs[report->count++] = (struct rv_dry_run){
        .run = rv_result_i64(result, row, 0),
        .verdict = rv_hash_equal(&plan, &dry->hash) ? RV_DRY_HAS_IT : RV_DRY_PINNED};
    return RV_OK;
}

enum rv_code rv_dry_replay(const struct rv_dry_options *options, struct rv_dry_report *report,
                           struct rv_error *err)
{
    int64_t began_us = rv_mono_us(rv_clock_system());
    *report = (struct rv_dry_report){.count = 0};
    struct dry dry = {.options = options, .report = report};
    struct rv_agent *agent = NULL;
    struct rv_db_session *session = NULL;
    pthread_mutex_init(&dry.lock, NULL);
    enum rv_code code =
        rv_agent_load(options->source, options->length, options->agent, &agent, err);
    if (code == RV_OK) {
        dry.manifest = json_deep_copy(rv_agent_manifest(agent));
        dry.hash = rv_agent_hash(agent);
        code = rv_db_session_open(options->uri, &session, err);
    }
    if (code == RV_OK) {
        struct rv_args *args = rv_args_create(&rv_sql_runs_open_of);
        rv_args_text(args, 2, options->agent);
        code = rv_db_session_query(session, options->tenant, &rv_sql_runs_open_of, args, take_open,
                                   &dry, err);
    }
    if (code == RV_OK && report->count > 0) {
        run_threads(&dry);
        code = dry.code;
        *err = code != RV_OK ? dry.err : *err;
    }
    for (int i = 0; i < report->count; i++) {
        report->of[report->runs[i].verdict]++;
    }
    report->took_us = rv_mono_us(rv_clock_system()) - began_us;
    rv_db_session_close(session);
    rv_agent_destroy(agent);
    json_decref(dry.manifest);
    pthread_mutex_destroy(&dry.lock);
    return code;
}

void rv_dry_report_fini(struct rv_dry_report *report)
{
    for (int i = 0; i < report->count; i++) {
        rv_free(report->runs[i].why);
        rv_free(report->runs[i].expected);
        rv_free(report->runs[i].now);
    }
    rv_free(report->runs);
    *report = (struct rv_dry_report){.count = 0};
}

const char *rv_dry_verdict_name(enum rv_dry_verdict verdict)
{
    static const char *const names[] = {"has_it", "safe", "pinned", "diverges"};
    return names[verdict];
}

/* ---- for people and programs ---- */

static json_t *run_json(const struct rv_dry_run *run)
{
    char name[32];
    snprintf(name, sizeof name, "r_%" PRId64, run->run);
    json_t *out = json_pack("{s:s,s:s,s:s*,s:s*,s:s*}", "run", name, "verdict",
                            rv_dry_verdict_name(run->verdict), "why", run->why, "expected",
                            run->expected, "now", run->now);
    if (run->verdict == RV_DRY_DIVERGES) {
        json_object_set_new(out, "step", json_integer(run->step));
    }
    return out;
}

/* Runs with the same verdict for the same reason; the first one is the example. */
static void add_to_group(json_t *groups, json_t *places, const struct rv_dry_run *run)
{
    json_t *one = run_json(run);
    json_t *example = json_incref(json_object_get(one, "run"));
    json_object_del(one, "run");
    char *key = json_dumps(one, JSON_COMPACT | JSON_SORT_KEYS);
    RV_ASSERT(key != NULL);
    json_t *group = json_object_get(places, key);
    if (group == NULL) {
        json_object_set_new(one, "runs", json_integer(1));
        json_object_set(one, "example", example);
        json_object_set(places, key, one);
        json_array_append(groups, one);
    } else {
        json_object_set_new(group, "runs", json_integer(rv_json_int(group, "runs", 0) + 1));
    }
    rv_free(key);
    json_decref(one);
    json_decref(example);
}

json_t *rv_dry_report_json(const struct rv_dry_report *report, bool with_runs)
{
    json_t *out = json_pack("{s:i,s:I}", "open", report->count, "took_ms",
                            (json_int_t)(report->took_us / 1000));
    json_t *groups = json_array();
    json_t *places = json_object();
    for (int verdict = 0; verdict < RV_DRY_VERDICTS; verdict++) {
        json_object_set_new(out, rv_dry_verdict_name((enum rv_dry_verdict)verdict),
                            json_integer(report->of[verdict]));
        for (int i = 0; i < report->count; i++) {
            if ((int)report->runs[i].verdict == verdict) {
                add_to_group(groups, places, &report->runs[i]);
            }
        }
    }
    json_object_set_new(out, "groups", groups);
    json_decref(places);
    if (with_runs) {
        json_t *runs = json_array();
        for (int i = 0; i < report->count; i++) {
            json_array_append_new(runs, run_json(&report->runs[i]));
        }
        json_object_set_new(out, "runs", runs);
    }
    return out;
}
