/* firing.c -- jobs and runs of fires that are under way; see firing.h. */
#include "runtime/cli/firing.h"

#include "cli_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/cli/job.h"
#include "runtime/run/request.h"
#include "runtime/run/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { WHY_MAX = 300 };

static const struct rv_principal schedule_principal = {.kind = RV_PRINCIPAL_SYSTEM,
                                                       .id = "schedule"};

struct firing {
    struct firing *next;
    struct firings *all;
    int32_t tenant;
    int64_t fire;
    const char *stopped; /* why, by the schedule's overlap policy; NULL: it goes on */
    bool lost;           /* another node's by now: nothing is reported */
    struct job *job;     /* or a run: */
    char *agent;
    json_t *input;
    bool begun;    /* there is a run of the fire's number */
    int64_t round; /* of looks, in which it was looked at last */
};

struct firings {
    struct node *node;
    struct rv_schedule_service *service;
    struct rv_timer *timer;
    struct firing *first;
    int64_t round;
    bool looking; /* a look is under way, or the timer runs */
    bool leaving;
};

static void on_job_done(void *data, enum rv_code code, const struct job_report *report,
                        const struct rv_error *err);
static void begin_run(struct firing *firing);
static void on_facts(void *data, enum rv_code code, const struct rv_result *result,
                     const struct rv_error *err);
static void on_begun(void *data, enum rv_code code, int64_t id, const json_t *claim,
                     const struct rv_error *err);
static void look_later(struct firings *all);
static void look(void *data);
static void on_looked(void *data, enum rv_code code, const struct rv_result *result,
                      const struct rv_error *err);

struct firings *firings_create(struct node *node)
{
    struct firings *all = rv_alloc(sizeof *all);
    *all = (struct firings){.node = node};
    all->timer = rv_timer_create(node->loop, look, all);
    return all;
}

void firings_report_to(struct firings *firings, struct rv_schedule_service *service)
{
    firings->service = service;
}

static void firing_free(struct firing *firing)
{
    struct firing **at = &firing->all->first;
    while (*at != firing) {
        at = &(*at)->next;
    }
    *at = firing->next;
    json_decref(firing->input);
    rv_free(firing->agent);
    rv_free(firing);
}

static void finish(struct firing *firing, enum rv_code code, const char *why)
{
    if (!firing->lost && (!firing->all->leaving || firing->stopped != NULL)) {
        rv_schedule_done(firing->all->service, firing->tenant, firing->fire, code, why);
    }
    firing_free(firing);
}

void firings_fire(void *data, int32_t tenant, const char *name, const char *action,
                  const json_t *input, int64_t fire_id)
{
    (void)name;
    struct firings *all = data;
    struct firing *firing = rv_alloc(sizeof *firing);
    *firing = (struct firing){.next = all->first, .all = all, .tenant = tenant, .fire = fire_id};
    all->first = firing;
    if (strcmp(action, "exceptions.run") != 0) {
        firing->agent = rv_strdup(action);
        firing->input = json_deep_copy(input);
        begin_run(firing);
        return;
    }
    char id[40];
    snprintf(id, sizeof id, "fire:%" PRId64, fire_id);
    firing->job = job_start(&(struct job_options){
        .node = all->node,
        .tenant = tenant,
        .principal = schedule_principal,
        .id = id,
        .detect = true,
        .post = true,
        .start = true,
        .done = on_job_done,
        .data = firing,
    });
}

/* ---- the main job ---- */

static void on_job_done(void *data, enum rv_code code, const struct job_report *report,
                        const struct rv_error *err)
{
    struct firing *firing = data;
    rv_log(RV_LOG_INFO, "schedule", "JOB-DONE",
           "tenant=%d posted=%" PRId64 " refused=%" PRId64 " %s", firing->tenant, report->posted,
           report->refused, report->why);
    finish(firing, code, code == RV_OK ? "" : err->message);
}

/* ---- a run: begun once, watched until it is over ---- */

static void begin_run(struct firing *firing)
{
    struct node *node = firing->all->node;
    struct rv_args *args = rv_args_create(&rv_sql_cli_fire_facts);
    rv_args_i64(args, 2, firing->fire);
    rv_db_query(node->db, firing->tenant, &rv_sql_cli_fire_facts, args, on_facts, firing);
}

static void on_facts(void *data, enum rv_code code, const struct rv_result *result,
                     const struct rv_error *err)
{
    struct firing *firing = data;
    struct node *node = firing->all->node;
    if (code != RV_OK || rv_result_rows(result) == 0) {
        finish(firing, code != RV_OK ? code : RV_NOT_FOUND,
               code != RV_OK ? err->message : "the schedule was removed");
        return;
    }
    json_object_set_new(firing->input, "schedule", rv_result_json(result, 0, 0));
    struct rv_run_begin_input with = {
        .agent = firing->agent, .input = firing->input, .priority = -1, .run = firing->fire};
    struct rv_error wrong = {.code = RV_OK};
    const char *field = NULL;
    if (rv_run_begin_check(&with, &field, &wrong) != RV_OK) {
        finish(firing, wrong.code, wrong.message);
        return;
    }
    rv_run_begin_with(node->gate, node->db, firing->tenant, &schedule_principal, &with, on_begun,
                      firing);
}

static void on_cancel_asked(void *data, enum rv_code code, int64_t id, const struct rv_error *err)
{
    (void)data;
    (void)id;
    if (code != RV_OK && code != RV_CONFLICT) { /* it is over already */
        rv_log(RV_LOG_WARN, "schedule", "CANCEL-REFUSED", "%s", err->message);
    }
}

static void cancel_run(const struct firing *firing)
{
    struct node *node = firing->all->node;
    rv_run_cancel(node->gate, node->db, firing->tenant, &schedule_principal, firing->fire,
                  firing->stopped, on_cancel_asked, NULL);
}

static void on_begun(void *data, enum rv_code code, int64_t id, const json_t *claim,
                     const struct rv_error *err)
{
    (void)id;
    (void)claim; /* it has no key */
    struct firing *firing = data;
    firing->begun = code == RV_OK || rv_run_begun_before(code, err);
    if (!firing->begun || firing->lost) {
        finish(firing, code, code == RV_OK ? "" : err->message);
        return;
    }
    if (firing->stopped != NULL) {
        cancel_run(firing);
    }
    look_later(firing->all);
}

static void look_later(struct firings *all)
{
    if (!all->looking && !all->leaving) {
        all->looking = true;
        rv_timer_start(all->timer, FIRING_LOOK_MS);
    }
}

static bool is_next(const struct firings *all, const struct firing *firing)
{
    return firing->begun && firing->round != all->round;
}

/* One company after the other, until the round is over. */
static void look(void *data)
{
    struct firings *all = data;
    struct rv_args *args = rv_args_create(&rv_sql_cli_fired_runs);
    int32_t tenant = 0;
    int count = 0;
    bool any = false;
    for (struct firing *firing = all->first; firing != NULL; firing = firing->next) {
        any = any || firing->begun;
        if (count < FIRING_LOOK_MAX && is_next(all, firing) &&
            (count == 0 || firing->tenant == tenant)) {
            tenant = firing->tenant;
            firing->round = all->round;
            rv_args_i64(args, 2, firing->fire);
            count++;
        }
    }
    if (count > 0 && !all->leaving) {
        rv_db_query(all->node->db, tenant, &rv_sql_cli_fired_runs, args, on_looked, all);
        return;
    }
    rv_args_destroy(args);
    all->round++;
    all->looking = false;
    if (any) {
        look_later(all);
    }
}

static struct firing *find(const struct firings *all, int64_t fire)
{
    struct firing *firing = all->first;
    while (firing != NULL && firing->fire != fire) {
        firing = firing->next;
    }
    return firing;
}

/* What a run that did not end well ended with; an outcome that is no error of the plan, such as one
 * that was taken back, is a refusal. */
static enum rv_code code_of(const char *word)
{
    enum rv_code code = word[0] != '\0' ? rv_code_from_name(word) : RV_DENIED;
    return code != RV_OK && code != RV_CANCELED ? code : RV_DENIED;
}

static void run_over(struct firing *firing, const char *status, const char *error, const char *code)
{
    char why[WHY_MAX];
    enum rv_run_state state = rv_run_state_from_name(status);
    snprintf(why, sizeof why, "run r_%" PRId64 " %s: %.200s", firing->fire, status, error);
    if (state == RV_RUN_DONE) {
        finish(firing, RV_OK, "");
    } else {
        bool stopped =
            state == RV_RUN_CANCELLED || (state == RV_RUN_COMPENSATED && firing->stopped != NULL);
        finish(firing, stopped ? RV_CANCELED : code_of(code), why);
    }
}

static void on_looked(void *data, enum rv_code code, const struct rv_result *result,
                      const struct rv_error *err)
{
    (void)err; /* the next look asks again */
    struct firings *all = data;
    for (int row = 0; code == RV_OK && row < rv_result_rows(result); row++) {
        struct firing *firing = find(all, rv_result_i64(result, row, 0));
        if (firing != NULL) {
            run_over(firing, rv_result_text(result, row, 1), rv_result_text(result, row, 2),
                     rv_result_text(result, row, 3));
        }
    }
    look(all);
}

/* ---- an early end ---- */

void firings_stop(void *data, int32_t tenant, int64_t fire_id, const char *why)
{
    const struct firings *all = data;
    struct firing *firing = find(all, fire_id);
    if (firing == NULL || firing->tenant != tenant || firing->stopped != NULL) {
        return;
    }
    firing->stopped = why;
    if (firing->job != NULL) {
        job_cancel(firing->job); /* may end it at once */
    } else if (firing->begun) {
        cancel_run(firing);
    }
}

void firings_lost(void *data, int32_t tenant, int64_t fire_id)
{
    const struct firings *all = data;
    struct firing *firing = find(all, fire_id);
    if (firing == NULL || firing->tenant != tenant) {
        return;
    }
    firing->lost = true;
    if (firing->job != NULL && firing->stopped == NULL) {
        job_cancel(firing->job); /* may end it at once */
    } else if (firing->begun) {
        firing_free(firing); /* another node watches the run */
    }
}

void firings_leave(struct firings *firings)
{
    firings->leaving = true;
    for (struct firing *firing = firings->first, *next; firing != NULL; firing = next) {
        next = firing->next;
        if (firing->job != NULL) {
            job_cancel(firing->job);
        }
    }
}

void firings_destroy(struct firings *firings)
{
    while (firings->first != NULL) {
        firing_free(firings->first);
    }
    rv_timer_close(firings->timer);
    rv_free(firings);
}
