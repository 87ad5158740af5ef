/* bench_search.c -- finding runs among very many: every filter that `reeve run list` and
 * GET /v1/runs offer, with a page of 50 and all that is shown of each (who is missing, what it
 * cost).
 *
 *   --runs N     so many runs in one company (default 1,000,000), most of them over: one in 200 is
 *                open, and waits for people, timers, signals, children ...
 * each case, with values by chance and pages by chance:
 *   p50_ms, p99_ms  of the statement api_runs, as reeve_app under row-level security
 *   cpu_ms          that the server spent on one
 *   index           that PostgreSQL's plan goes by (auto_explain); "SCANS run" where it reads
 *                   the table through, which ends the program with status 1
 * and case load: seconds, and bytes of a run in table and indexes.
 */
#include "tests/bench/served.h"

#include "http_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct bench bench_search;

enum {
    RUNS = 1000000,
    BATCH = 250000,
    ASKED = 100,
    PAGE = 50,
    EVERY_S = 30,         /* a run begins: a million are a year */
    EPOCH_S = 1577836800, /* of numbers: 2020 */
    AGENTS = 20,
    ROLES = 8,
    PLAN_BYTES = 64 << 10,
    INDEXES_TEXT = 400
};

static const char agent[] =
    "local agent = { name = 'waiter', version = '1', summary = 'waits', handles = {'F22'},\n"
    "  uses = {} }\n"
    "function agent.plan(ctx, exception) return ctx:plan() end\n"
    "return agent\n";

/* ---- the runs ---- */

/* Of run number n (which its column priority keeps): each 200th is open; of the others each 25th
 * failed.  What it waits for, its agent and its key follow from n, too; one begins in 30 s. */
static const char load_runs[] =
    "INSERT INTO run (tenant_id, id, agent, plan_hash, status, waiting_on, wake_at, business_key,"
    "  attempt, error_code, error_text, steps, created_at, changed_at, priority)"
    " SELECT 1, reeve_run_bound(now() - make_interval(secs => (%" PRId64
    " - n) * %d)) + n %% 4194304,"
    "   CASE WHEN n %% 10007 = 0 THEN 'rare' ELSE 'agent' || n / 25 %% %d END,"
    "   a.active_hash, s.status, CASE WHEN s.status = 'waiting' THEN s.kind END,"
    "   CASE WHEN s.kind IN ('timer', 'effect') AND s.status = 'waiting'"
    "        THEN now() + make_interval(hours => (n %% 900)::int) END,"
    "   CASE WHEN n %% 3 = 0 THEN 'invoice:' || n ELSE 'exception:' || md5(n::text) || md5((n + "
    "1)::text) END,"
    "   CASE WHEN n %% 4000 = 0 THEN 2 ELSE 0 END,"
    "   CASE WHEN s.status IN ('failed', 'diverged', 'cancelled') THEN"
    "        CASE WHEN n %% 50021 = 0 THEN 'rare_code' ELSE (ARRAY['limit', 'denied', 'invalid',"
    "        'timeout', 'conflict'])[1 + n %% 5] END END,"
    "   CASE WHEN s.status = 'failed' THEN 'it did not go well' END, 3,"
    "   now() - make_interval(secs => (%" PRId64 " - n) * %d), now() - make_interval(secs => "
    "CASE WHEN n %% 40000 = 200 THEN 600 ELSE (%" PRId64 " - n) * %d END), n"
    "  FROM generate_series(%" PRId64 "::bigint, %" PRId64 "::bigint) AS n"
    "  CROSS JOIN (SELECT active_hash FROM agent LIMIT 1) AS a"
    "  CROSS JOIN LATERAL (SELECT CASE WHEN n %% 40000 = 200 THEN 'executing'"
    "     WHEN n %% 200 = 0 THEN 'waiting' WHEN n %% 25 = 0 THEN 'failed' WHEN n %% 100 = 1 THEN"
    "     'cancelled' WHEN n %% 5000 = 2 THEN 'diverged' ELSE 'done' END AS status,"
    "     (ARRAY['approval', 'timer', 'signal', 'run', 'approval', 'intent', 'effect', 'budget',"
    "     'approval', 'lock'])[1 + (n / 200) %% 10] AS kind) AS s";

/* The journals of runs that are shown, of three entries. */
static const char load_steps[] =
    "INSERT INTO journal (tenant_id, run_id, seq, kind, name, digest, out)"
    " SELECT 1, r.id, g, CASE g WHEN 1 THEN 1 WHEN 2 THEN 2 ELSE 4 END, 'step', '\\x00',"
    "   '\\x01'::bytea || convert_to(CASE r.waiting_on WHEN 'run' THEN '{\"run\":\"r_' || r.id + "
    "1000 || '\"}'"
    "   WHEN 'budget' THEN '{\"name\":\"$budget\",\"budget\":\"tokens\"}' ELSE"
    "   '{\"ok\":true,\"usage\":{\"tokens\":12},\"name\":\"go\"}' END, 'UTF8')"
    "  FROM run r CROSS JOIN generate_series(1, 3) AS g WHERE r.tenant_id = 1 AND (r.status NOT IN"
    "   ('done', 'cancelled') OR r.priority % 10 = 0)";

static const char load_approvals[] =
    "INSERT INTO approval (tenant_id, id, run_id, command_id, seq, status, action, args, digest,"
    "  policy_hash, rules, stages, never, agent, requested_by, expires_at)"
    " SELECT 1, r.id, r.id, 'run:' || r.id || ':3', 3, CASE WHEN r.priority %% 40000 = 0 THEN"
    "   'approved' ELSE 'requested' END, 'invoice.hold', '{}', '\\x00', '\\x00', '{rule}',"
    "   jsonb_build_array(jsonb_build_object('role', 'role' || (r.priority / 200) %% %d, 'n', 1)),"
    "   '[]', r.agent, 'agent:' || r.agent, now() + interval '2 days'"
    "  FROM run r WHERE r.tenant_id = 1 AND r.status = 'waiting' AND r.waiting_on = 'approval'";

static const char load_signals[] =
    "INSERT INTO run_signal (tenant_id, run_id, id, name, body, sent_by, sent_at)"
    " SELECT 1, r.id, 1, CASE WHEN r.priority % 10000 = 0 THEN 'go' ELSE 'other' END, '{}', "
    "'bench',"
    "   now() - interval '1 hour'"
    "  FROM run r WHERE r.tenant_id = 1 AND r.status = 'waiting' AND r.waiting_on = 'signal'";

/* Indexes are made behind the rows: in a third of the time. */
static const char drop_indexes[] =
    "SET synchronous_commit = off; SET maintenance_work_mem = '512MB';"
    "CREATE TEMP TABLE later AS SELECT x.indexrelid::regclass::text AS name,"
    "  pg_get_indexdef(x.indexrelid) AS made FROM pg_index x"
    "  WHERE x.indrelid = 'run'::regclass AND NOT x.indisprimary;"
    "DO $$ DECLARE d record; BEGIN FOR d IN SELECT * FROM later LOOP EXECUTE 'DROP INDEX ' || "
    "d.name; END LOOP; END $$";
static const char make_indexes[] =
    "DO $$ DECLARE d record; BEGIN FOR d IN SELECT * FROM later LOOP EXECUTE d.made; END LOOP;"
    " END $$; ANALYZE run";

static void load(const struct bench_run *run, struct served *served, int64_t runs)
{
    char sql[4096];
    int64_t begin = served_now_us();
    served_do(served, drop_indexes);
    for (int64_t first = 1; first <= runs; first += BATCH) {
        int64_t last = first + BATCH - 1 < runs ? first + BATCH - 1 : runs;
        snprintf(sql, sizeof sql, load_runs, runs, EVERY_S, AGENTS, runs, EVERY_S, runs, EVERY_S,
                 first, last);
        served_do(served, sql);
    }
    served_do(served, make_indexes);
    served_do(served, load_steps);
    snprintf(sql, sizeof sql, load_approvals, ROLES);
    served_do(served, sql);
    served_do(served, load_signals);
    served_do(served, "VACUUM (ANALYZE) run, journal, approval, approval_wait, run_signal");
    bench_report(run, "search", "load", "runs", (double)runs, "");
    bench_report(run, "search", "load", "seconds", (double)(served_now_us() - begin) / 1e6, "s");
    bench_report(
        run, "search", "load", "bytes_per_run",
        (double)served_number(served, "SELECT pg_total_relation_size('run')") / (double)runs, "B");
}

/* ---- the questions ---- */

/* Parameters of api_runs, in its order. */
enum { TENANT, STATUS, BELOW, LIMIT, WAITING_ON, AGENT, KEY, ERROR, ROLE, OLDER, PARAMETERS };

struct question {
    const char *name;
    const char *status, *waiting_on, *agent, *key, *error, *role,
        *older; /* "%d": by chance; "%n": of a run */
};

static const struct question questions[] = {
    {.name = "all"},
    {.name = "open", .status = "open"},
    {.name = "over", .status = "over"},
    {.name = "done", .status = "done"},
    {.name = "failed", .status = "failed"},
    {.name = "diverged", .status = "diverged"},
    {.name = "executing", .status = "executing"},
    {.name = "waiting", .status = "waiting"},
    {.name = "stuck", .status = "stuck"},
    {.name = "retrying", .status = "retrying"},
    {.name = "people", .status = "people"},
    {.name = "timer", .waiting_on = "timer"},
    {.name = "signal", .waiting_on = "signal"},
    {.name = "child", .waiting_on = "child"},
    {.name = "effect", .waiting_on = "effect"},
    {.name = "budget", .waiting_on = "budget"},
    {.name = "lock", .waiting_on = "lock"},
    {.name = "role", .role = "role%d"},
    {.name = "agent", .agent = "agent%d"},
    {.name = "agent-rare", .agent = "rare"},
    {.name = "key", .key = "invoice:%n"},
    {.name = "key-some", .key = "exception:abc"},
    {.name = "key-many", .key = "exception:a"},
    {.name = "key-old", .key = "invoice:12"},
    {.name = "key-missing", .key = "order:%n"},
    {.name = "error", .error = "limit"},
    {.name = "error-rare", .error = "rare_code"},
    {.name = "error-missing", .error = "nothing"},
    {.name = "older", .older = "864000"},
    {.name = "agent-failed", .agent = "agent%d", .status = "failed"},
    {.name = "agent-cancelled", .agent = "agent1", .status = "cancelled"}, /* there is none */
    {.name = "agent-open", .agent = "agent%d", .status = "open"},
    {.name = "rare-failed", .agent = "rare", .status = "failed"},
    {.name = "agent-people", .agent = "agent%d", .status = "people"},
    {.name = "agent-error", .agent = "agent%d", .error = "timeout"},
    {.name = "rare-error", .agent = "rare", .error = "timeout"},
    {.name = "open-older", .status = "open", .older = "864000"},
    {.name = "stuck-role", .status = "stuck", .role = "role%d"},
    {.name = "key-failed", .key = "exception:abc", .status = "failed"},
    {.name = "key-agent", .key = "exception:abc", .agent = "rare"},
};

static const char *chosen(const char *text, int64_t runs, struct rv_random *random, char out[64])
{
    if (text == NULL || strchr(text, '%') == NULL) {
        return text;
    }
    int64_t bound = strstr(text, "%n") != NULL ? runs : ROLES;
    snprintf(out, 64, "%.*s%" PRIu64, (int)strcspn(text, "%"), text,
             rv_random_below(random, (uint64_t)bound));
    return out;
}

static int64_t ask(struct served *served, const struct question *question, int64_t runs,
                   struct rv_random *random)
{
    char texts[PARAMETERS][64];
    const char *values[PARAMETERS] = {
        [TENANT] = "1",
        [STATUS] = question->status,
        [WAITING_ON] = question->waiting_on,
        [AGENT] = chosen(question->agent, runs, random, texts[AGENT]),
        [KEY] = chosen(question->key, runs, random, texts[KEY]),
        [ERROR] = question->error,
        [ROLE] = chosen(question->role, runs, random, texts[ROLE]),
        [OLDER] = question->older,
    };
    snprintf(texts[LIMIT], sizeof texts[LIMIT], "%d", PAGE);
    values[LIMIT] = texts[LIMIT];
    if (rv_random_below(random, 2) == 1) { /* the first page, or one behind it */
        int64_t age_s = EVERY_S * (int64_t)rv_random_below(random, (uint64_t)runs);
        int64_t at_s = rv_now_us(rv_clock_system()) / 1000000 - age_s;
        snprintf(texts[BELOW], sizeof texts[BELOW], "%" PRId64, (at_s - EPOCH_S) * 1000 << 22);
        values[BELOW] = texts[BELOW];
    }
    int64_t begin = served_now_us();
    PGresult *result = PQexecPrepared(served->conn, "api_runs", PARAMETERS, values, NULL, NULL, 0);
    int64_t took = served_now_us() - begin;
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        fprintf(stderr, "search: %s: %s\n", question->name, PQerrorMessage(served->conn));
        exit(EXIT_FAILURE);
    }
    PQclear(result);
    return took;
}

/* ---- what the plan goes by ---- */

struct plan {
    char text[PLAN_BYTES];
    size_t length;
};

static void on_notice(void *data, const char *message)
{
    struct plan *plan = data;
    size_t length = strlen(message);
    if (plan->length + length < sizeof plan->text) {
        memcpy(plan->text + plan->length, message, length + 1);
        plan->length += length;
    }
}

/* Of the statement that run_find has put together: the indexes in its plan. */
static bool indexes_of(const struct plan *plan, char out[INDEXES_TEXT])
{
    const char *find = strstr(plan->text, "SELECT r.id FROM");
    const char *end = find != NULL ? strstr(find, "Query Text:") : NULL;
    size_t length = 0;
    out[0] = '\0';
    for (const char *at = find; at != NULL && (end == NULL || at < end);) {
        const char *line = strstr(at, " using ");
        const char *bitmap = strstr(at, "Bitmap Index Scan on ");
        const char *next = line == NULL || (bitmap != NULL && bitmap < line) ? bitmap : line;
        if (next == NULL || (end != NULL && next >= end)) {
            break;
        }
        at = next + (next == line ? strlen(" using ") : strlen("Bitmap Index Scan on "));
        int word = (int)strcspn(at, " \n");
        char name[80];
        snprintf(name, sizeof name, "%.*s", word < 79 ? word : 79, at);
        if (strstr(out, name) == NULL && length + strlen(name) + 2 < INDEXES_TEXT) {
            length += (size_t)snprintf(out + length, INDEXES_TEXT - length, "%s%s",
                                       length > 0 ? " " : "", name);
        }
    }
    const char *scan = find != NULL ? strstr(find, "Seq Scan on run ") : NULL;
    return find != NULL && (scan == NULL || (end != NULL && scan > end));
}

static bool explain(const struct bench_run *run, struct served *served,
                    const struct question *question, int64_t runs, struct rv_random *random)
{
    static struct plan plan;
    char indexes[INDEXES_TEXT];
    plan = (struct plan){.length = 0};
    PQsetNoticeProcessor(served->conn, on_notice, &plan);
    served_do(served, "RESET ROLE; SET auto_explain.log_min_duration = 0; SET ROLE reeve_app");
    ask(served, question, runs, random);
    served_do(served, "RESET ROLE; SET auto_explain.log_min_duration = -1");
    bool good = indexes_of(&plan, indexes);
    char metric[64];
    snprintf(metric, sizeof metric, "%s.index", question->name);
    bench_fact(run, "search", metric, good ? indexes : "SCANS run");
    if (!good) {
        fprintf(stderr, "search: %s reads the table through:\n%s\n", question->name, plan.text);
    }
    return good;
}

/* Of one process, in microseconds. */
static int64_t cpu_of(int pid)
{
    char path[64];
    long long ns = 0;
    snprintf(path, sizeof path, "/proc/%d/schedstat", pid);
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        if (fscanf(file, "%lld", &ns) != 1) {
            ns = 0;
        }
        fclose(file);
    }
    return ns / 1000;
}

static void search_run(const struct bench_run *run)
{
    static const char name[] = "search";
    struct served served;
    struct rv_random random = {.state = (uint64_t)run->seed + 1};
    int64_t runs = run->runs > 0 ? run->runs : RUNS;
    bool good = true;
    served_open(&served, name);
    served_company(&served, 1, agent);
    load(run, &served, runs);
    served_do(&served, "LOAD 'auto_explain'; SET auto_explain.log_nested_statements = on;"
                       "SET auto_explain.log_level = notice; SET ROLE reeve_app;"
                       "SET reeve.tenant = '1'");
    PQclear(PQprepare(served.conn, "api_runs", rv_sql_api_runs.text, 0, NULL)); /* as rv_db does */
    int server = PQbackendPID(served.conn);
    for (size_t i = 0; i < RV_COUNT(questions); i++) {
        struct bench_samples samples = {.us = NULL};
        if (!bench_wants(run, questions[i].name)) {
            continue;
        }
        ask(&served, &questions[i], runs, &random);
        int64_t cpu_us = cpu_of(server);
        for (int k = 0; k < ASKED; k++) {
            bench_sample(&samples, ask(&served, &questions[i], runs, &random));
        }
        bench_report(run, name, questions[i].name, "p50_ms", bench_percentile_ms(&samples, 50),
                     "ms");
        bench_report(run, name, questions[i].name, "p99_ms", bench_percentile_ms(&samples, 99),
                     "ms");
        bench_report(run, name, questions[i].name, "cpu_ms",
                     (double)(cpu_of(server) - cpu_us) / ASKED / 1000, "ms");
        bench_samples_free(&samples);
    }
    for (size_t i = 0; i < RV_COUNT(questions); i++) {
        good = (!bench_wants(run, questions[i].name) ||
                explain(run, &served, &questions[i], runs, &random)) &&
               good;
    }
    served_close(&served);
    if (!good) {
        exit(EXIT_FAILURE);
    }
}

const struct bench bench_search = {
    "search", "runs found among a million or more, by every filter, and the index it takes",
    search_run};
