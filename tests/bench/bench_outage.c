/* bench_outage.c -- the database goes away under 1,000 runs at work and comes back: they all end,
 * and nobody does anything about it.
 *
 * Each run takes two notes, waits for a signal, reads an account, takes three more notes and posts
 * three entries in the books, one journaled action each.  All are woken at once; when a fifth of
 * the entries stands in the books, PostgreSQL is stopped as pg_ctl stop -m immediate does it (no
 * checkpoint, recovery at the next start), stays away for 30 seconds (--seconds) and is started
 * again.  The node is left alone; it knows the database by an address, as one of somebody else's,
 * because reeve's own PostgreSQL it would start again within a second.
 *
 *   runs, active_at_stop   of them, how many had not ended when it was stopped
 *   entries_at_stop        how many entries stood in the books when it was back
 *   outage_s               from the stop until it takes connections again
 *   finished               runs that are done within ten minutes
 *   finished_after_s       until then, from when it takes connections
 *   first_after_s          until the first entry in the books after it, in the same way
 *   node_survived          1: it is the same process as before
 *   effects_twice          entries in the books more than one for each that a run asks for
 *   effects_missing        of these, the ones that are not there
 *   steps_twice            journal entries of a run more than those of the one that nobody
 * disturbed, audit records of outcomes more than one for each step, and things said done twice
 *   checks_failed          of `reeve audit verify` and `reeve ledger check`
 *
 * The case "outage" of `recover`.
 */
#include "tests/bench/bench_outage.h"
#include "tests/bench/served.h"

#include "run_sql.h"
#include "runtime/base/buf.h"
#include "runtime/base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RUNS = 1000,
    UNDISTURBED = 1,
    PROTOTYPE = 2,
    FIRST = 1000,
    EFFECTS = 3,
    STOP_AT = RUNS * EFFECTS / 5,
    OUTAGE_S = 30,
    WITHIN_S = 600,
    LOOK_MS = 20
};

static const char agent[] =
    "local agent = { name = 'worker', version = '1', summary = 'posts three entries',\n"
    "  handles = {'F22'}, uses = {'journal.post'} }\n"
    "function agent.plan(ctx, exception)\n"
    "  ctx:note('first')\n  ctx:note('second')\n"
    "  ctx:signal('go', 86400)\n"
    "  local account = erp.get('account', '1490')\n"
    "  ctx:note('third')\n  ctx:note('fourth')\n  ctx:note(account.number)\n"
    "  local plan = ctx:plan()\n"
    "  for i = 1, 3 do\n"
    "    plan:add('journal.post', { memo = 'run ' .. ctx.run .. ', entry ' .. i, lines = {\n"
    "        { account = '1290', amount_minor = 100 * i, currency = 'EUR' },\n"
    "        { account = '1490', amount_minor = -100 * i, currency = 'EUR' } } },\n"
    "      { reason = 'to be explained' })\n"
    "  end\n"
    "  return plan\n"
    "end\n"
    "return agent\n";

static const char policy[] =
    "return bundle { name = 'outage', schema = 'erp.v1',\n"
    "  permit { id = 'entries', agents = '*', action = 'journal.post' },\n"
    "  permit { id = 'admin', persons = role 'admin', action = any_of { 'account.register',\n"
    "    'policy.load', 'agent.publish' } },\n"
    "  permit { id = 'machine', system = true, action = any_of { 'exception.*', 'run.start' } } "
    "}\n";

/* As another process does it (runtime/run/request.c). */
static void wake(struct served *served, int64_t first, int count)
{
    char sql[320];
    struct rv_buf runs;
    snprintf(sql, sizeof sql,
             "BEGIN; INSERT INTO run_signal (tenant_id, run_id, id, name, body, sent_by)"
             " SELECT 1, %" PRId64 " + n, 1, 'go', '{}', 'bench' FROM generate_series(0, %d - 1) AS"
             " n",
             first, count);
    served_do(served, sql);
    rv_buf_init(&runs, 1 << 20);
    for (int i = 0; i < count; i++) {
        rv_buf_printf(&runs, "%c%" PRId64, i == 0 ? '{' : ',', first + i);
    }
    rv_buf_str(&runs, "}");
    rv_buf_char(&runs, '\0');
    const char *const values[] = {"1", (const char *)runs.data};
    PGresult *result =
        PQexecParams(served->conn, rv_sql_run_signal_wake.text, 2, NULL, values, NULL, NULL, 0);
    RV_ASSERT(PQresultStatus(result) == PGRES_COMMAND_OK);
    PQclear(result);
    rv_buf_fini(&runs);
    served_do(served, "SELECT pg_notify('reeve_wake', '1'); COMMIT");
}

/* A node that knows its database by an address: its own it would start again at once. */
static void start(struct served *served)
{
    char uri[512];
    RV_ASSERT(served_answer(served, "db uri", uri, sizeof uri) == 0);
    uri[strcspn(uri, "\n")] = '\0';
    setenv("REEVE_DATABASE_URI", uri, 1);
    served_start(served);
    unsetenv("REEVE_DATABASE_URI");
}

/* One run is driven to its end, another to where it waits, and that one is copied. */
static bool prepare(struct served *served)
{
    static const char waiting[] = "SELECT count(*) FROM run WHERE waiting_on = 'signal'";
    served_company(served, 1, agent);
    served_chart(served, 1);
    served_policy(served, 1, policy);
    start(served);
    served_fresh_runs(served, 1, UNDISTURBED, 2);
    if (served_until(served, waiting, 2, 30) < 0) {
        fprintf(stderr, "recover: the prototype does not wait\n");
        return false;
    }
    served_copy_runs(served, 1, PROTOTYPE, FIRST, RUNS);
    wake(served, UNDISTURBED, 1);
    if (served_until(served, "SELECT count(*) FROM run WHERE status = 'done'", 1, 30) < 0 ||
        served_number(served, "SELECT count(*) FROM je") != EFFECTS) {
        fprintf(stderr, "recover: the undisturbed run does not post its entries\n");
        return false;
    }
    served_do(served, "VACUUM ANALYZE run, journal, run_signal, run_input");
    served_nap(2000); /* at rest */
    return true;
}

static int64_t ended(struct served *served, const char *status)
{
    char sql[160];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM run WHERE id >= %d AND status IN (%s)", FIRST,
             status);
    return served_number(served, sql);
}

/* Until all runs have ended, or the node has; microseconds. */
static int64_t watch(struct served *served, int64_t entries, int64_t *first_us)
{
    int64_t begin = served_now_us();
    *first_us = -1;
    while (served_lives(served) && served_now_us() - begin < WITHIN_S * INT64_C(1000000)) {
        if (*first_us < 0 && served_number(served, "SELECT count(*) FROM je") > entries) {
            *first_us = served_now_us() - begin;
        }
        if (ended(served, "'done', 'failed', 'cancelled', 'compensated', 'diverged'") == RUNS) {
            break;
        }
        served_nap(LOOK_MS);
    }
    return served_now_us() - begin;
}

static int64_t steps_twice(struct served *served)
{
    char sql[1024];
    snprintf(sql, sizeof sql,
             "SELECT (SELECT coalesce(sum(greatest(n - (SELECT count(*) FROM journal"
             "                                           WHERE run_id = %d), 0)), 0)::bigint"
             "          FROM (SELECT count(*) AS n FROM journal WHERE run_id >= %d"
             "                 GROUP BY run_id) x)"
             "  + (SELECT count(*) - count(DISTINCT (run_id, step)) FROM audit_record"
             "      WHERE kind = 'outcome' AND run_id >= %d)"
             "  + (SELECT count(*) - count(DISTINCT (run_id, kind, name, digest)) FROM journal"
             "      WHERE kind IN (7, 12) AND run_id >= %d)",
             UNDISTURBED, FIRST, FIRST, FIRST);
    return served_number(served, sql);
}

static void measure(const struct bench_run *run, struct served *served)
{
    static const char name[] = "recover";
    static const char kind[] = "outage";
    char out[4096];
    int64_t first_us = 0;
    double away_s = run->outage_s > 0 ? run->outage_s : OUTAGE_S;
    wake(served, FIRST, RUNS);
    if (served_until(served, "SELECT count(*) FROM je", STOP_AT, WITHIN_S) < 0) {
        fprintf(stderr, "recover: the runs do not work\n");
        return;
    }
    int64_t active = RUNS - ended(served, "'done', 'failed'");
    int64_t begin = served_now_us();
    served_database_stop(served);
    while ((double)(served_now_us() - begin) / 1e6 < away_s) {
        served_nap(LOOK_MS);
    }
    served_database_start(served);
    int64_t outage_us = served_now_us() - begin;
    int64_t entries = served_number(served, "SELECT count(*) FROM je");
    int64_t finished_us = watch(served, entries, &first_us);
    bool survived = served_lives(served);
    int64_t there = served_number(
        served, "SELECT count(DISTINCT memo) FROM je WHERE memo ~ '^run (r_)?[0-9]{4}, entry'");
    int64_t all = served_number(
        served, "SELECT count(memo) FROM je WHERE memo ~ '^run (r_)?[0-9]{4}, entry'");
    int failed = served_answer(served, "audit verify --company c1", out, sizeof out) != 0;
    failed += served_answer(served, "ledger check --company c1", out, sizeof out) != 0;
    bench_report(run, name, kind, "runs", RUNS, "");
    bench_report(run, name, kind, "active_at_stop", (double)active, "");
    bench_report(run, name, kind, "entries_at_stop", (double)entries, "");
    bench_report(run, name, kind, "outage_s", (double)outage_us / 1e6, "s");
    bench_report(run, name, kind, "finished", (double)ended(served, "'done'"), "");
    bench_report(run, name, kind, "finished_after_s", (double)finished_us / 1e6, "s");
    bench_report(run, name, kind, "first_after_s", (double)first_us / 1e6, "s");
    bench_report(run, name, kind, "node_survived", survived, "");
    bench_report(run, name, kind, "effects_twice", (double)(all - there), "");
    bench_report(run, name, kind, "effects_missing", (double)(RUNS * EFFECTS - there), "");
    bench_report(run, name, kind, "steps_twice", (double)steps_twice(served), "");
    bench_report(run, name, kind, "checks_failed", failed, "");
}

void bench_outage_run(const struct bench_run *run)
{
    struct served served;
    served_open(&served, "recover");
    if (prepare(&served)) {
        measure(run, &served);
    }
    served_close(&served);
}
