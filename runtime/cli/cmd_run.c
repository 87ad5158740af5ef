/* cmd_run.c -- the main job: find discrepancies, let agents work, show what came of it. */
#include "cli_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/words.h"
#include "runtime/cli/job.h"
#include "runtime/cli/place.h"
#include "runtime/cli/say_step.h"
#include "runtime/journal/journal.h"
#include "runtime/run/history_read.h"
#include "runtime/run/search.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct work {
    struct cli *cli;
    struct rv_db_session *session;
    struct node *node;
    int32_t tenant;
};

static enum rv_code work_open(struct cli *cli, struct work *work, struct rv_error *err)
{
    work->cli = cli;
    enum rv_code code = place_company(cli, &work->session, &work->tenant, err);
    if (code == RV_OK) {
        code = place_node(cli, &work->node, err);
    }
    return code;
}

static void work_close(struct work *work)
{
    node_close(work->node);
    rv_db_session_close(work->session);
}

/* ---- the job ---- */

struct job_wait {
    struct cli *cli;
    bool done;
    enum rv_code code;
    struct rv_error *err;
};

/* One line that is rewritten on a terminal, a line per change elsewhere. */
static void on_progress(void *data, const struct job_counts *counts)
{
    const struct job_wait *wait = data;
    if (wait->cli->json) {
        return;
    }
    fprintf(stderr,
            "%sruns: %" PRId64 " started, %" PRId64 " working, %" PRId64 " asking people, %" PRId64
            " over%s",
            wait->cli->tty ? "\r\033[K" : "", counts->all, counts->left, counts->asking,
            counts->over, wait->cli->tty ? "" : "\n");
    fflush(stderr);
}

static void on_job_done(void *data, enum rv_code code, const struct job_report *report,
                        const struct rv_error *err)
{
    struct job_wait *wait = data;
    wait->done = true;
    wait->code = code;
    if (code != RV_OK) {
        *wait->err = *err;
    }
    if (wait->cli->json) {
        return;
    }
    if (wait->cli->tty) {
        fputc('\n', stderr);
    }
    if (report->watched) {
        fprintf(stderr, "another reeve drives this company and did the work\n");
    }
    if (report->found != NULL) {
        fprintf(stderr,
                "found: %" PRId64 " discrepancies stand, %" PRId64
                " documents posted without people, %d rounds\n",
                rv_json_int(report->found, "found", 0), report->posted, report->rounds);
    }
    if (report->refused > 0) {
        fprintf(stderr, "%" PRId64 " documents could not be posted, e.g. %s\n", report->refused,
                report->why);
    }
}

static enum rv_code do_job(struct work *work, bool detect, bool post, bool start,
                           struct rv_error *err)
{
    char id[40];
    snprintf(id, sizeof id, "job:%" PRId64, rv_id_make(rv_now_us(rv_clock_system())));
    struct job_wait wait = {.cli = work->cli, .err = err};
    struct job_options options = {.node = work->node,
                                  .tenant = work->tenant,
                                  .id = id,
                                  .detect = detect,
                                  .post = post,
                                  .start = start,
                                  .progress = on_progress,
                                  .done = on_job_done,
                                  .data = &wait};
    enum rv_code code = cli_person(work->cli, work->session, work->tenant, &options.principal, err);
    if (code == RV_OK) {
        node_drive(work->node, work->tenant);
        job_start(&options);
        node_wait(work->node, &wait.done, 0);
        code = wait.code;
    }
    return code;
}

int cmd_exception_run(struct cli *cli)
{
    bool no_detect = cli_flag(cli, "no-detect");
    bool no_post = cli_flag(cli, "no-post");
    struct rv_error err = {.code = RV_OK};
    struct work work = {.cli = cli};
    enum rv_code code = work_open(cli, &work, &err);
    if (code == RV_OK) {
        code = do_job(&work, !no_detect, !no_post, true, &err);
    }
    int rows = 0;
    if (code == RV_OK) {
        code = cli_print_query(cli, work.session, work.tenant, &rv_sql_cli_exception_table, NULL,
                               &rows, &err);
    }
    work_close(&work);
    if (code != RV_OK) {
        return cli_fail(cli, &err);
    }
    if (!cli->json) {
        fflush(stdout); /* the table first, also into one file */
        fprintf(stderr,
                "%d exceptions. Decide: reeve approval list, or open the inbox: reeve serve\n",
                rows);
    }
    return 0;
}

int cmd_run_work(struct cli *cli)
{
    struct rv_error err = {.code = RV_OK};
    struct work work = {.cli = cli};
    enum rv_code code = work_open(cli, &work, &err);
    if (code == RV_OK) {
        code = do_job(&work, false, false, false, &err);
    }
    work_close(&work);
    if (code == RV_OK && cli->json) {
        cli_print_json(&cli->output, json_pack("{s:b}", "settled", 1));
    }
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

/* ---- looking ---- */

/* `words` are what may be asked for, separated by spaces. */
static int list_with(struct cli *cli, const struct rv_statement *statement, const char *words)
{
    struct rv_error err = {.code = RV_OK};
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    const char *word = cli->argc > 0 ? cli->argv[0] : "";
    if (rv_words_need("STATE", word, words, &err) != RV_OK) {
        return cli_fail(cli, &err);
    }
    struct rv_args *args = rv_args_create(statement);
    rv_args_text(args, 2, word);
    enum rv_code code = place_company(cli, &session, &tenant, &err);
    if (code == RV_OK) {
        code = cli_print_query(cli, session, tenant, statement, args, NULL, &err);
    } else {
        rv_args_destroy(args);
    }
    rv_db_session_close(session);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

int cmd_exception_list(struct cli *cli)
{
    return list_with(cli, &rv_sql_cli_exceptions, rv_run_exception_words);
}

enum { STEPS_SHOWN = 2000 }; /* a page of a journal: one that is read, not archived */

struct story {
    json_t *run;
    json_t *tree; /* with the runs above and below */
    json_t *steps;
    json_t *signals; /* those that these steps took */
    json_t *approvals;
    json_t *audit;
};

static enum rv_code add_json(void *data, const struct rv_result *result, int row,
                             struct rv_error *err)
{
    (void)err;
    json_array_append_new(data, rv_result_json(result, row, 0));
    return RV_OK;
}

static enum rv_code add_step(void *data, const struct rv_result *result, int row,
                             struct rv_error *err)
{
    json_t *out = NULL;
    enum rv_code code = rv_journal_out_decode(result, row, 3, &out, err);
    if (code == RV_OK) {
        json_array_append_new(data, json_pack("{s:I,s:s,s:s,s:o}", "seq",
                                              (json_int_t)rv_result_i64(result, row, 0), "kind",
                                              rv_step_kind_name((int)rv_result_i64(result, row, 1)),
                                              "name", rv_result_text(result, row, 2), "out", out));
    }
    return code;
}

static enum rv_code add_record(void *data, const struct rv_result *result, int row,
                               struct rv_error *err)
{
    json_t *body = NULL;
    enum rv_code code =
        rv_json_parse(rv_result_text(result, row, 1), rv_result_length(result, row, 1),
                      "an audit record", &body, err);
    if (code == RV_OK) {
        json_array_append_new(data, body);
    }
    return code;
}

static struct rv_args *run_args(const struct rv_statement *statement, int64_t run)
{
    struct rv_args *args = rv_args_create(statement);
    rv_args_i64(args, 2, run);
    return args;
}

enum rv_code cli_run_id(const char *text, int64_t *out, struct rv_error *err)
{
    const char *digits = text + (strncmp(text, "r_", 2) == 0 ? 2 : 0);
    char *end = NULL;
    *out = strtoll(digits, &end, 10);
    if (end == digits || *end != '\0' || *out <= 0) {
        rv_fail(err, RV_INVALID, "RUN: \"%s\" is not the name of a run", text);
        rv_hint(err, "It looks like r_911902230237808202; see the runs: reeve run list.");
        return RV_INVALID;
    }
    return RV_OK;
}

static enum rv_code read_story(struct cli *cli, struct story *story, struct rv_error *err)
{
    const char *text = cli->argv[0];
    int64_t run = 0;
    int64_t after = 0;
    int64_t limit = 0;
    *story = (struct story){NULL};
    if (cli_run_id(text, &run, err) != RV_OK ||
        cli_integer(cli, "after", 0, 0, INT32_MAX, &after, err) != RV_OK ||
        cli_integer(cli, "limit", STEPS_SHOWN, 1, STEPS_SHOWN, &limit, err) != RV_OK) {
        return RV_INVALID;
    }
    struct rv_db_session *session = NULL;
    int32_t tenant = 0;
    *story = (struct story){.tree = json_array(),
                            .steps = json_array(),
                            .signals = json_array(),
                            .approvals = json_array(),
                            .audit = json_array()};
    enum rv_code code = place_company(cli, &session, &tenant, err);
    if (code == RV_OK) {
        code = rv_db_session_query(session, tenant, &rv_sql_cli_run_one,
                                   run_args(&rv_sql_cli_run_one, run), cli_take_json, &story->run,
                                   err);
    }
    if (code == RV_OK && story->run == NULL) {
        code = rv_fail(err, RV_NOT_FOUND, "no run %s", text);
        rv_hint(err, "See the runs: reeve run list.");
    }
    if (code == RV_OK) {
        code = rv_db_session_query(session, tenant, &rv_sql_cli_run_tree,
                                   run_args(&rv_sql_cli_run_tree, run), add_json, story->tree, err);
    }
    if (code == RV_OK) {
        struct rv_args *args = run_args(&rv_sql_cli_run_steps, run);
        rv_args_i32(args, 3, (int32_t)after);
        rv_args_i32(args, 4, (int32_t)limit);
        code = rv_db_session_query(session, tenant, &rv_sql_cli_run_steps, args, add_step,
                                   story->steps, err);
    }
    if (code == RV_OK) {
        struct rv_args *args = run_args(&rv_sql_cli_run_signals, run);
        rv_args_i32(args, 3, (int32_t)after);
        rv_args_i32(args, 4, (int32_t)(after + limit));
        code = rv_db_session_query(session, tenant, &rv_sql_cli_run_signals, args, add_json,
                                   story->signals, err);
    }
    if (code == RV_OK) {
        code = rv_db_session_query(session, tenant, &rv_sql_cli_run_approvals,
                                   run_args(&rv_sql_cli_run_approvals, run), add_json,
                                   story->approvals, err);
    }
    if (code == RV_OK) {
        code = rv_db_session_query(session, tenant, &rv_sql_cli_run_audit,
                                   run_args(&rv_sql_cli_run_audit, run), add_record, story->audit,
                                   err);
    }
    rv_db_session_close(session);
    return code;
}

static void story_fini(struct story *story)
{
    json_decref(story->run);
    json_decref(story->tree);
    json_decref(story->steps);
    json_decref(story->signals);
    json_decref(story->approvals);
    json_decref(story->audit);
}

int cmd_run_show(struct cli *cli)
{
    if (cli->argc != 1) {
        return cli_usage(cli, "run show RUN");
    }
    struct rv_error err = {.code = RV_OK};
    struct story story;
    enum rv_code code = read_story(cli, &story, &err);
    if (code == RV_OK) {
        json_t *all = json_pack("{s:O,s:O,s:O,s:O,s:O,s:O}", "run", story.run, "tree", story.tree,
                                "journal", story.steps, "signals", story.signals, "approvals",
                                story.approvals, "audit", story.audit);
        json_dumpf(all, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(all);
    }
    story_fini(&story);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}

/* ---- explain: the same facts as sentences ---- */

/* How it stands: version, what it waits for, attempt, what it has used. */
static void say_standing(const json_t *run)
{
    const json_t *stands = json_object_get(run, "standing");
    const json_t *cost = json_object_get(stands, "cost");
    const char *waits = rv_json_str(stands, "waits", NULL);
    const char *standing = rv_json_str(stands, "standing", "");
    const char *currency;
    json_t *minor;
    printf("version %s, attempt %" PRId64 ", %" PRId64 " calls, %" PRId64 " tokens",
           rv_json_str(run, "version", "?"), rv_json_int(stands, "attempt", 1),
           rv_json_int(cost, "calls", 0), rv_json_int(cost, "tokens", 0));
    if (json_object_get(cost, "risk") != NULL) {
        printf(", %" PRId64 " points of risk", rv_json_int(cost, "risk", 0));
    }
    json_object_foreach(json_object_get(cost, "money"), currency, minor)
    {
        printf(", %" JSON_INTEGER_FORMAT " %s (minor units)", json_integer_value(minor), currency);
    }
    if (strcmp(standing, "stuck") == 0) {
        printf("; stuck: it could move since %.19s", rv_json_str(stands, "since", ""));
    }
    printf("%s%s\n", waits != NULL ? "; waits for " : "", waits != NULL ? waits : "");
    say_effects_standing(stdout, json_object_get(run, "effects_standing"),
                         json_object_get(run, "settled"));
    printf("\n");
}

/* Only where there is more than the run itself. */
static void say_tree(const json_t *tree, const char *self)
{
    size_t i;
    json_t *one;
    json_array_foreach((json_t *)(uintptr_t)tree, i, one)
    {
        const char *run = rv_json_str(one, "run", "");
        const char *close = rv_json_str(one, "close", NULL);
        const char *waits = rv_json_str(one, "waiting_on", NULL);
        if (json_array_size(tree) > 1) {
            printf("  %*s%s %s %s%s%s%s%s%s%s\n", 2 * (int)rv_json_int(one, "level", 0), "", run,
                   rv_json_str(one, "agent", ""), rv_json_str(one, "status", ""),
                   waits != NULL ? " for " : "", waits != NULL ? waits : "",
                   close != NULL ? " (" : "", close != NULL ? close : "", close != NULL ? ")" : "",
                   strcmp(run, self) == 0 ? " <" : "");
        }
    }
    printf("%s", json_array_size(tree) > 1 ? "\n" : "");
}

static void say_approval(const json_t *approval)
{
    printf("  approval %" PRId64 " for %s: %s, asked by rule ", rv_json_int(approval, "id", 0),
           rv_json_str(approval, "action", ""), rv_json_str(approval, "status", ""));
    say_rules(json_object_get(approval, "rules"));
    printf("\n      digest %s\n", rv_json_str(approval, "digest", ""));
    size_t i;
    json_t *rival;
    json_array_foreach(json_object_get(approval, "rivals"), i, rival)
    {
        printf("      the same thing is asked about by %s of agent %s: approval %s for %s, since "
               "%.19s; the first that is granted voids the other\n",
               rv_json_str(rival, "run", "a person"), rv_json_str(rival, "agent", "-"),
               rv_json_str(rival, "id", ""), rv_json_str(rival, "action", ""),
               rv_json_str(rival, "since", ""));
    }
    json_t *vote;
    json_array_foreach(json_object_get(approval, "votes"), i, vote)
    {
        printf("      %s said %s by %s at %.19s%s%s\n", rv_json_str(vote, "person", ""),
               rv_json_str(vote, "decision", ""), rv_json_str(vote, "channel", ""),
               rv_json_str(vote, "at", ""), *rv_json_str(vote, "comment", "") != '\0' ? ": " : "",
               rv_json_str(vote, "comment", ""));
    }
}

/* What began it: an exception that was found, a schedule, another run, or who asked, with what. */
static void say_why(const json_t *run, const json_t *raw_input)
{
    const json_t *exception = json_object_get(json_object_get(run, "input"), "exception");
    const json_t *schedule = json_object_get(exception, "schedule");
    const char *by = rv_json_str(run, "begun_by", NULL);
    const char *key = rv_json_str(run, "business_key", NULL);
    if (rv_json_str(exception, "code", NULL) != NULL) {
        printf("because %s: %s\n", rv_json_str(exception, "code", ""),
               rv_json_str(exception, "summary", ""));
    } else if (rv_json_str(schedule, "name", NULL) != NULL) {
        printf("because the schedule \"%s\" was due at %s\n", rv_json_str(schedule, "name", ""),
               rv_json_str(schedule, "at", ""));
    } else {
        printf("because %s %s it\n", by != NULL ? by : "somebody",
               by != NULL && strncmp(by, "r_", 2) == 0 ? "started" : "asked for");
    }
    if (key != NULL) {
        printf("for the key \"%s\"\n", key);
    }
    if (rv_json_str(exception, "code", NULL) == NULL) {
        printf("with ");
        say_json(json_object_get(raw_input, "exception"));
        putchar('\n');
    }
}

/* Who sent what this step took; NULL: it is not known. */
static const json_t *told_at(const json_t *signals, int64_t seq)
{
    size_t i;
    json_t *told;
    json_array_foreach((json_t *)(uintptr_t)signals, i, told)
    {
        if (rv_json_int(told, "step", 0) == seq) {
            return told;
        }
    }
    return NULL;
}

/* Suppliers, models and people have written in it, and lines of theirs must not look like ours. */
static void clean_story(struct story *story)
{
    json_t **const parts[] = {&story->run, &story->tree, &story->steps, &story->signals,
                              &story->approvals};
    for (size_t i = 0; i < RV_COUNT(parts); i++) {
        json_t *raw = *parts[i];
        *parts[i] = cli_clean_json(raw);
        json_decref(raw);
    }
}

int cmd_explain(struct cli *cli)
{
    if (cli->argc != 1) {
        return cli_usage(cli, "explain RUN");
    }
    if (cli->json) {
        return cmd_run_show(cli);
    }
    struct rv_error err = {.code = RV_OK};
    struct story story;
    enum rv_code code = read_story(cli, &story, &err);
    if (code == RV_OK) {
        json_t *raw = json_incref(story.steps);
        json_t *raw_input = json_incref(json_object_get(story.run, "input"));
        clean_story(&story);
        printf("%s by agent %s (plan %.12s) is %s%s%s\n", rv_json_str(story.run, "run", ""),
               rv_json_str(story.run, "agent", ""), rv_json_str(story.run, "plan", ""),
               rv_json_str(story.run, "status", ""),
               rv_json_str(story.run, "error_text", NULL) != NULL ? ": " : "",
               rv_json_str(story.run, "error_text", ""));
        say_why(story.run, raw_input);
        say_standing(story.run);
        say_tree(story.tree, rv_json_str(story.run, "run", ""));
        size_t i;
        json_t *item;
        char text[RV_HISTORY_DROPPED_TEXT];
        const json_t *dropped = json_object_get(story.run, "journal_dropped");
        if (json_is_object(dropped)) {
            printf("  %s\n", rv_history_dropped(dropped, text));
        }
        json_array_foreach(story.steps, i, item)
        {
            say_step(item, json_array_get(raw, i),
                     told_at(story.signals, rv_json_int(item, "seq", 0)));
        }
        if (json_array_size(story.steps) > 0) { /* there may be more */
            item = json_array_get(story.steps, json_array_size(story.steps) - 1);
            if (rv_json_int(story.run, "last_step", 0) > rv_json_int(item, "seq", 0)) {
                printf("  ... up to step %" PRId64 ": reeve explain %s --after %" PRId64 "\n",
                       rv_json_int(story.run, "last_step", 0), cli->argv[0],
                       rv_json_int(item, "seq", 0));
            }
        }
        printf("\n");
        json_array_foreach(story.approvals, i, item)
        {
            say_approval(item);
        }
        printf("\n  %zu audit records", json_array_size(story.audit));
        if (json_array_size(story.audit) > 0) {
            printf(" (%" PRId64 " to %" PRId64 ")",
                   rv_json_int(json_array_get(story.audit, 0), "seq", 0),
                   rv_json_int(json_array_get(story.audit, json_array_size(story.audit) - 1), "seq",
                               0));
        }
        printf("; the whole journal: reeve run show %s\n", cli->argv[0]);
        json_decref(raw);
        json_decref(raw_input);
    }
    story_fini(&story);
    return code == RV_OK ? 0 : cli_fail(cli, &err);
}
