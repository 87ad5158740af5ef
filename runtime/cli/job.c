/* job.c -- one step after the other, each a request at the gate; see job.h. */
#include "runtime/cli/job.h"

#include "cli_sql.h"
#include "runtime/base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { ID_MAX = 128, ARENA_MAX = 1 << 20, LEASE_WAIT_MS = 15000 };

struct job {
    struct job_options options;
    struct rv_arena *arena; /* copies of the principal and the id */
    struct rv_timer *timer;
    int detections;
    json_t *found;
    json_t *clean; /* [{action, args}] */
    size_t next;
    int in_flight;
    int64_t posted; /* in this round */
    int64_t look;   /* number of the look that is awaited; 0 none */
    int64_t look_end_us;
    int64_t lease_end_us;
    int64_t lease_ms; /* as it stood at the last count; 0 not known */
    int renewals;     /* of the company's lease, seen while this node does not drive it */
    bool waiting;     /* for the timer, and nothing else is under way */
    bool cancelled;
    int quiet; /* counts in a row that found nothing left */
    struct job_counts counts;
    struct job_report report;
    struct rv_error why; /* of one refusal */
};

struct posting {
    struct rv_gate_request request;
    struct job *job;
    char id[ID_MAX];
};

static void begin_round(struct job *job);
static bool cancelled(struct job *job);
static void wait_ms(struct job *job, int64_t ms);
static void detect(struct job *job);
static void after_detect(struct rv_gate_request *request, enum rv_code code,
                         const struct rv_gate_outcome *outcome, const struct rv_error *err);
static void look_for_clean(struct job *job);
static void after_look(void *data, enum rv_code code, const struct rv_result *result,
                       const struct rv_error *err);
static void post_more(struct job *job);
static void after_post(struct rv_gate_request *request, enum rv_code code,
                       const struct rv_gate_outcome *outcome, const struct rv_error *err);
static void run_agents(void *data);
static void after_count(void *data, enum rv_code code, const struct rv_result *result,
                        const struct rv_error *err);
static void end(struct job *job, enum rv_code code, const struct rv_error *err);

static int64_t mono_us(void)
{
    return rv_mono_us(rv_clock_system());
}

struct job *job_start(const struct job_options *options)
{
    struct job *job = rv_alloc(sizeof *job);
    job->options = *options;
    job->arena = rv_arena_create("job", ARENA_MAX);
    job->options.id = rv_arena_strdup(job->arena, options->id);
    struct rv_principal *principal = &job->options.principal;
    principal->id = rv_arena_strdup(job->arena, options->principal.id);
    principal->roles = json_incref((json_t *)(uintptr_t)options->principal.roles);
    job->timer = rv_timer_create(options->node->loop, run_agents, job);
    job->lease_end_us = mono_us() + LEASE_WAIT_MS * 1000;
    begin_round(job);
    return job;
}

void job_cancel(struct job *job)
{
    job->cancelled = true;
    if (job->waiting) {
        cancelled(job);
    }
}

/* True when the job was cancelled, and now is over. */
static bool cancelled(struct job *job)
{
    if (!job->cancelled) {
        return false;
    }
    struct rv_error err = {.code = RV_OK};
    end(job, rv_fail(&err, RV_CANCELED, "reeve was stopped; the rest is done next time"), &err);
    return true;
}

static void wait_ms(struct job *job, int64_t ms)
{
    job->waiting = true;
    rv_timer_start(job->timer, ms);
    (void)cancelled(job);
}

static void begin_round(struct job *job)
{
    job->report.rounds++;
    job->report.refused = 0;
    job->posted = 0;
    job->look = 0;
    job->quiet = 0;
    if (job->options.detect) {
        detect(job);
    } else if (job->options.post) {
        look_for_clean(job);
    } else {
        wait_ms(job, 0);
    }
}

static struct posting *posting_make(struct job *job, const char *action, json_t *args)
{
    struct posting *posting = rv_alloc(sizeof *posting);
    posting->job = job;
    posting->request = (struct rv_gate_request){.tenant = job->options.tenant,
                                                .principal = job->options.principal,
                                                .action = action,
                                                .args = args,
                                                .command_id = posting->id,
                                                .data = posting};
    return posting;
}

static bool passed(enum rv_code code, const struct rv_gate_outcome *outcome)
{
    return code == RV_OK &&
           (outcome->result == RV_GATE_EXECUTED || outcome->result == RV_GATE_REPEATED);
}

/* The reason, whichever side said no. */
static void why_not(enum rv_code code, const struct rv_gate_outcome *outcome,
                    const struct rv_error *err, struct rv_error *out)
{
    if (code != RV_OK) {
        *out = *err;
    } else {
        rv_fail(out, outcome->code != RV_OK ? outcome->code : RV_DENIED, "%s: %s",
                rv_gate_result_name(outcome->result),
                outcome->message != NULL ? outcome->message : "a person has to decide");
    }
}

static void detect(struct job *job)
{
    struct posting *posting = posting_make(job, "exception.detect", json_object());
    snprintf(posting->id, sizeof posting->id, "%s:detect:%d", job->options.id, ++job->detections);
    posting->request.done = after_detect;
    rv_gate_submit(job->options.node->gate, &posting->request);
}

static void after_detect(struct rv_gate_request *request, enum rv_code code,
                         const struct rv_gate_outcome *outcome, const struct rv_error *err)
{
    struct posting *posting = request->data;
    struct job *job = posting->job;
    json_decref((json_t *)(uintptr_t)request->args);
    rv_free(posting);
    if (!passed(code, outcome)) {
        struct rv_error why = {.code = RV_OK};
        why_not(code, outcome, err, &why);
        end(job, why.code, &why);
        return;
    }
    json_decref(job->found);
    job->found = outcome->answer != NULL ? json_deep_copy(outcome->answer) : NULL;
    if (job->options.post && job->detections % 2 == 1) {
        look_for_clean(job);
    } else {
        wait_ms(job, 0);
    }
}

/* ---- what nobody has anything against is booked without people: touchless posting ---- */

static void look_for_clean(struct job *job)
{
    rv_db_query(job->options.node->db, job->options.tenant, &rv_sql_cli_clean_invoices,
                rv_args_create(&rv_sql_cli_clean_invoices), after_look, job);
}

static void after_look(void *data, enum rv_code code, const struct rv_result *result,
                       const struct rv_error *err)
{
    struct job *job = data;
    if (code != RV_OK) {
        end(job, code, err);
        return;
    }
    json_decref(job->clean);
    job->clean = json_array();
    job->next = 0;
    for (int row = 0; row < rv_result_rows(result); row++) {
        json_array_append_new(job->clean,
                              json_pack("{s:s,s:{s:I}}", "action", rv_result_text(result, row, 0),
                                        "args", rv_result_text(result, row, 1),
                                        (json_int_t)rv_result_i64(result, row, 2)));
    }
    post_more(job);
}

static void post_more(struct job *job)
{
    while (job->in_flight < JOB_POSTS_AT_ONCE && job->next < json_array_size(job->clean)) {
        const json_t *item = json_array_get(job->clean, job->next++);
        json_t *args = json_deep_copy(json_object_get(item, "args"));
        struct posting *posting = posting_make(job, rv_json_str(item, "action", ""), args);
        const char *document = json_object_iter_key(json_object_iter(args));
        snprintf(posting->id, sizeof posting->id, "%s:post:%d:%s:%" PRId64, job->options.id,
                 job->report.rounds, document, rv_json_int(args, document, 0));
        posting->request.principal =
            (struct rv_principal){.kind = RV_PRINCIPAL_SYSTEM, .id = "touchless_posting"};
        posting->request.reason = "no exception stands against it";
        posting->request.done = after_post;
        job->in_flight++;
        rv_gate_submit(job->options.node->gate, &posting->request);
    }
    if (job->in_flight > 0) {
        return;
    }
    if (job->options.detect && job->posted > 0) {
        detect(job);
    } else {
        job->detections += job->options.detect; /* the second of this round is not needed */
        wait_ms(job, 0);
    }
}

static void after_post(struct rv_gate_request *request, enum rv_code code,
                       const struct rv_gate_outcome *outcome, const struct rv_error *err)
{
    struct posting *posting = request->data;
    struct job *job = posting->job;
    if (passed(code, outcome)) {
        job->report.posted++;
        job->posted++;
    } else {
        job->report.refused++;
        why_not(code, outcome, err, &job->why);
    }
    json_decref((json_t *)(uintptr_t)request->args);
    rv_free(posting);
    job->in_flight--;
    post_more(job);
}

/* ---- the agents: start runs, wait until none can move by itself ---- */

/* Called by the timer until the round is over. */
static void run_agents(void *data)
{
    struct job *job = data;
    struct node *node = job->options.node;
    job->waiting = false;
    if (node->driven == 0 && !job->report.watched) {
        job->report.watched = mono_us() >= job->lease_end_us;
    }
    if (node->driven > 0) {
        job->report.watched = false;
    }
    if (node->driven > 0 && job->options.start) {
        if (job->look == 0 || (node->looked < job->look && mono_us() > job->look_end_us)) {
            job->look = node_orchestrate(node, job->options.tenant);
            job->look_end_us = mono_us() + JOB_LOOK_MS * 1000;
        }
        if (job->look == 0 || node->looked < job->look) {
            wait_ms(job, job->look == 0 ? JOB_COUNT_MS : 1);
            return;
        }
    }
    rv_db_query(node->db, job->options.tenant, &rv_sql_cli_work_left,
                rv_args_create(&rv_sql_cli_work_left), after_count, job);
}

static void after_count(void *data, enum rv_code code, const struct rv_result *result,
                        const struct rv_error *err)
{
    struct job *job = data;
    if (code != RV_OK) {
        end(job, code, err);
        return;
    }
    if (job->options.node->driven == 0 && !job->report.watched) {
        /* a node that died still holds its lease, one that lives renews it */
        int64_t lease_ms = rv_result_i64(result, 0, 4);
        job->renewals += job->lease_ms != 0 && lease_ms > job->lease_ms;
        job->lease_ms = lease_ms;
        /* the first may be this node's own claim, of which it has not heard yet */
        job->report.watched = job->renewals >= JOB_RENEWALS;
        if (!job->report.watched) {
            wait_ms(job, JOB_COUNT_MS);
            return;
        }
    }
    struct job_counts counts = {rv_result_i64(result, 0, 0), rv_result_i64(result, 0, 1),
                                rv_result_i64(result, 0, 2), rv_result_i64(result, 0, 3)};
    if (memcmp(&counts, &job->counts, sizeof counts) != 0 && job->options.progress != NULL) {
        job->options.progress(job->options.data, &counts);
    }
    job->counts = counts;
    job->quiet = counts.left == 0 ? job->quiet + 1 : 0;
    if (job->quiet < (job->report.watched ? JOB_WATCH_COUNTS : 1)) {
        wait_ms(job, JOB_COUNT_MS);
        return;
    }
    bool started =
        job->options.start && !job->report.watched && job->options.node->looked_started > 0;
    bool moved = started || job->posted > 0;
    if (moved && job->report.rounds < JOB_ROUNDS_MAX) {
        begin_round(job);
    } else {
        end(job, RV_OK, NULL);
    }
}

static void end(struct job *job, enum rv_code code, const struct rv_error *err)
{
    job->report.found = job->found;
    job->report.why = job->why.message;
    job->options.done(job->options.data, code, &job->report, err);
    rv_timer_close(job->timer);
    json_decref(job->found);
    json_decref(job->clean);
    json_decref((json_t *)(uintptr_t)job->options.principal.roles);
    rv_arena_destroy(job->arena);
    rv_free(job);
}
