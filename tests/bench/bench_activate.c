/* bench_activate.c -- a second version of an agent with 10,000 open runs: how long until it is
 * active, all of them tried with it, and how long until the first one is back.
 *
 * The runs wait in a serving program, in the middle of a plan of a dozen steps: three prototypes
 * are driven there and copied.  The new version does the same for most of them, something else at
 * a step that is over for one in five, and does not handle the exception of one in fifty.
 *
 *   --runs N      so many open runs (default 10,000)
 *   activate_s    the command `reeve agent activate`, from its start to its end; the slowest
 *   activate_cpu_s  CPU time of it, of the serving program and PostgreSQL together, in that one
 *   replay_s      the trial of the runs in it, as the command says
 *   replayed, safe, pinned, diverged  runs, as the command says; replayed: all that are not on the
 *                 version already
 *   rollback_s    the command `reeve agent rollback`, from its start to its end; the slowest
 *   rollback_p50_s
 * of so many rounds of both.  Whether the right version is active is looked up after each.
 */
#include "tests/bench/served.h"

#include "runtime/base/check.h"
#include "runtime/base/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

extern const struct bench bench_activate;

enum {
    RUNS = 10000,
    ROUNDS = 5,
    PROTOTYPES = 3,
    DIVERGE_ONE_IN = 5,
    PINNED_ONE_IN = 50,
    FIRST = 1000,
    WITHIN_S = 60,
    ANSWER_MAX = 1 << 20
};

/* A version of the agent: what it handles, and what it notes at its sixth step about an exception
 * of the second kind. */
static const char agent[] =
    "local agent = { name = 'worker', version = '%d', summary = 'waits', handles = {%s},\n"
    "  uses = {} }\n"
    "function agent.plan(ctx, exception)\n"
    "  for i = 1, 5 do ctx:note('step ' .. i) end\n"
    "  ctx:note(exception.kind == 'second' and '%s' or 'sixth')\n"
    "  for i = 7, 11 do ctx:note('step ' .. i) end\n"
    "  ctx:signal('go', 36000)\n"
    "  return ctx:plan()\n"
    "end\n"
    "return agent\n";

struct figures {
    double activate_s, activate_cpu_s, replay_s;
    json_t *tried; /* of the last one */
    struct bench_samples rollbacks;
};

static void stop(struct served *served, const char *why)
{
    fprintf(stderr, "activate: %s\n", why);
    served_close(served);
    exit(EXIT_FAILURE);
}

static void version_text(int version, char *out, size_t size)
{
    int length = snprintf(out, size, agent, version, version == 1 ? "'F22', 'F23'" : "'F22'",
                          version == 1 ? "as ever" : "otherwise");
    RV_ASSERT(length > 0 && (size_t)length < size);
}

/* ---- the runs ---- */

/* The prototypes 1 to 3: safe, diverges, pinned. */
static void prepare(struct served *served, int64_t runs)
{
    char text[1024];
    int diverge = (int)(runs / DIVERGE_ONE_IN);
    int pinned = (int)(runs / PINNED_ONE_IN);
    version_text(1, text, sizeof text);
    served_company(served, 1, text);
    served_fresh_runs(served, 1, 1, PROTOTYPES);
    served_do(served, "UPDATE run SET input = jsonb_build_object('exception', CASE id"
                      "  WHEN 1 THEN '{\"code\": \"F22\", \"kind\": \"first\"}'::jsonb"
                      "  WHEN 2 THEN '{\"code\": \"F22\", \"kind\": \"second\"}'::jsonb"
                      "  ELSE '{\"code\": \"F23\", \"kind\": \"third\"}'::jsonb END)");
    served_start(served);
    if (served_until(served, "SELECT count(*) FROM run WHERE waiting_on = 'signal'", PROTOTYPES,
                     WITHIN_S) < 0) {
        stop(served, "the prototypes do not wait");
    }
    int64_t next = FIRST;
    const int copies[PROTOTYPES] = {(int)runs - PROTOTYPES - diverge - pinned, diverge, pinned};
    for (int i = 0; i < PROTOTYPES; i++) {
        served_copy_runs(served, 1, i + 1, next, copies[i]);
        next += copies[i];
    }
    served_do(served, "ANALYZE run, journal, run_input");
    served_nap(1000); /* some looks of the node at them: all wait */
}

/* ---- the commands ---- */

static double children_cpu_s(void)
{
    struct rusage usage;
    RV_ASSERT(getrusage(RUSAGE_CHILDREN, &usage) == 0);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* `reeve agent WORDS`; what it answers, new reference. */
static json_t *ask(struct served *served, const char *words, int64_t *took_us)
{
    static char text[ANSWER_MAX];
    struct rv_error err = {.code = RV_OK};
    json_t *answer = NULL;
    int64_t begin = served_now_us();
    int status = served_answer(served, words, text, sizeof text);
    *took_us = served_now_us() - begin;
    if (status != 0 || rv_json_parse(text, strlen(text), words, &answer, &err) != RV_OK) {
        stop(served, words);
    }
    return answer;
}

static void must_be_active(struct served *served, int version)
{
    char sql[200];
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM agent a JOIN plan_source p ON p.tenant_id = a.tenant_id"
             " AND p.hash = a.active_hash WHERE p.version = '%d'",
             version);
    if (served_number(served, sql) != 1) {
        stop(served, "another version is active");
    }
}

static void round_trip(struct served *served, int64_t runs, struct figures *figures)
{
    int64_t took_us;
    double cpu_s = (double)served_cpu_us(served) / 1e6 + children_cpu_s();
    json_t *answer = ask(served, "agent activate worker 2 --company c1 --json", &took_us);
    cpu_s = (double)served_cpu_us(served) / 1e6 + children_cpu_s() - cpu_s;
    must_be_active(served, 2);
    json_decref(figures->tried);
    figures->tried = json_incref(json_object_get(answer, "runs"));
    json_decref(answer);
    if (rv_json_int(figures->tried, "open", 0) != runs ||
        rv_json_int(figures->tried, "has_it", -1) != 0) {
        stop(served, "not all runs were tried");
    }
    if ((double)took_us / 1e6 > figures->activate_s) {
        figures->activate_s = (double)took_us / 1e6;
        figures->activate_cpu_s = cpu_s;
        figures->replay_s = (double)rv_json_int(figures->tried, "took_ms", 0) / 1e3;
    }
    json_decref(ask(served, "agent rollback worker --company c1 --json", &took_us));
    must_be_active(served, 1);
    bench_sample(&figures->rollbacks, took_us);
}

static void activate_run(const struct bench_run *run)
{
    static const char name[] = "activate";
    struct served served;
    struct figures figures = {.tried = NULL};
    char path[128];
    char words[256];
    char text[1024];
    int64_t runs = run->runs > PINNED_ONE_IN ? run->runs : RUNS;
    int64_t took_us;
    served_open(&served, name);
    prepare(&served, runs);
    snprintf(path, sizeof path, "%s/second.lua", served.state);
    version_text(2, text, sizeof text);
    FILE *file = fopen(path, "w");
    RV_ASSERT(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
    snprintf(words, sizeof words, "agent publish %s --canary 0 --company c1 --json",
             path); /* kept */
    json_decref(ask(&served, words, &took_us));
    for (int i = 0; i < ROUNDS; i++) {
        round_trip(&served, runs, &figures);
    }
    static const char *const told[][2] = {
        {"safe", "safe"}, {"pinned", "pinned"}, {"diverged", "diverges"}};
    bench_report(run, name, name, "activate_s", figures.activate_s, "s");
    bench_report(run, name, name, "activate_cpu_s", figures.activate_cpu_s, "s");
    bench_report(run, name, name, "replay_s", figures.replay_s, "s");
    bench_report(run, name, name, "replayed", (double)rv_json_int(figures.tried, "open", 0), "");
    for (size_t i = 0; i < RV_COUNT(told); i++) {
        bench_report(run, name, name, told[i][0], (double)rv_json_int(figures.tried, told[i][1], 0),
                     "");
    }
    bench_report(run, name, name, "rollback_s", bench_percentile_ms(&figures.rollbacks, 100) / 1e3,
                 "s");
    bench_report(run, name, name, "rollback_p50_s",
                 bench_percentile_ms(&figures.rollbacks, 50) / 1e3, "s");
    bench_report(run, name, name, "rounds", ROUNDS, "");
    json_decref(figures.tried);
    bench_samples_free(&figures.rollbacks);
    served_close(&served);
}

const struct bench bench_activate = {
    "activate", "a new version against 10,000 open runs: activated, and rolled back", activate_run};
