/* bench_recover.c -- 10,000 open runs, and the program is killed: how long until they go on.
 *
 * The runs sleep (a plan of two notes and a sleep); the program that drives them is killed with
 * SIGKILL, their time comes while nobody is there, and the program is started again.
 *
 *   lease_s      from the start until the new process owns the company
 *   first_s      until the first run has a new journal entry
 *   runnable_s   until every run is runnable: its actor has read its journal again and stands where
 *                it stood (the program says so, RUNS-BACK)
 *   runnable_cpu_s  CPU time of reeve and PostgreSQL until then, of both cores together
 *   went_on_s    until every run has a new journal entry as well
 *   runs_per_s   of those that went on, after the lease
 * Then a second process beside it, and the first is killed:
 *   takeover_s        from the kill until the peer owns the company
 *   takeover_first_s  until a run that came in just then has its first journal entry
 *
 * Case nodes is two nodes, bench_takeover.c; case outage the database's end, bench_outage.c.
 * With --kills N it is what `crash` is: N kills at random moments of the real work, effects
 * counted.
 */
#include "tests/bench/bench_outage.h"
#include "tests/bench/bench_takeover.h"
#include "tests/bench/served.h"

#include "runtime/base/check.h"
#include "tests/bench/bench_crash.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

extern const struct bench bench_recover;

enum { RUNS = 10000, PROTOTYPE = 1, FIRST = 1000, LATE = 900000, WITHIN_S = 300 };

static const char agent[] =
    "local agent = { name = 'sleeper', version = '1', summary = 'sleeps', handles = {'F22'},\n"
    "  uses = {} }\n"
    "function agent.plan(ctx, exception)\n"
    "  ctx:note('first')\n  ctx:note('second')\n"
    "  ctx:sleep(3600)\n"
    "  return ctx:plan()\n"
    "end\n"
    "return agent\n";

/* The database is ready and the program sleeps: 10,000 runs whose time comes while it is dead. */
static bool prepare(struct served *served)
{
    served_company(served, 1, agent);
    served_start(served);
    served_fresh_runs(served, 1, PROTOTYPE, 1);
    if (served_until(served, "SELECT count(*) FROM run WHERE waiting_on = 'timer'", 1, 30) < 0) {
        fprintf(stderr, "recover: the prototype does not sleep\n");
        return false;
    }
    served_copy_runs(served, 1, PROTOTYPE, FIRST, RUNS);
    served_do(served, "ANALYZE run, journal, run_input");
    served_nap(1000); /* some looks of the node at them: all sleep */
    served_kill(served, SIGKILL);
    served_do(
        served,
        "ALTER TABLE journal DISABLE TRIGGER USER;" /* it only grows: the clock is turned back */
        "UPDATE journal SET out = '\\x01'::bytea || convert_to(jsonb_set(convert_from("
        "  substr(out, 2), 'UTF8')::jsonb, '{until_us}', '1000000')::text, 'UTF8')"
        "  WHERE name = 'sleep';"
        "UPDATE run SET wake_at = clock_timestamp() WHERE status = 'waiting';"
        "ALTER TABLE journal ENABLE TRIGGER USER;");
    return true;
}

static bool restart(const struct bench_run *run, struct served *served)
{
    static const char name[] = "recover";
    int64_t epoch = served_number(served, "SELECT max(epoch) FROM tenant_head");
    int64_t begin = served_now_us();
    served_start(served);
    int64_t cpu = served_cpu_us(served);
    bool ok = served_until(served, "SELECT max(epoch) FROM tenant_head", epoch + 1, 60) >= 0;
    int64_t leased = served_now_us();
    ok = ok &&
         served_until(served, "SELECT count(*) FROM (SELECT FROM journal WHERE seq > 3 LIMIT 1) x",
                      1, WITHIN_S) >= 0;
    int64_t first = served_now_us();
    ok = ok && served_said(served, "RUNS-BACK", WITHIN_S);
    int64_t back = served_now_us();
    int64_t back_cpu = served_cpu_us(served) - cpu;
    ok = ok && served_until(served, "SELECT count(*) FROM journal WHERE seq = 4", RUNS + 1,
                            WITHIN_S) >= 0;
    int64_t all = served_now_us();
    if (!ok) {
        fprintf(stderr, "recover: not all runs went on within %d s\n", WITHIN_S);
        return false;
    }
    bench_report(run, name, name, "runs", RUNS, "");
    bench_report(run, name, name, "lease_s", (double)(leased - begin) / 1e6, "s");
    bench_report(run, name, name, "first_s", (double)(first - begin) / 1e6, "s");
    bench_report(run, name, name, "runnable_s", (double)(back - begin) / 1e6, "s");
    bench_report(run, name, name, "runnable_cpu_s", (double)back_cpu / 1e6, "s");
    bench_report(run, name, name, "went_on_s", (double)(all - begin) / 1e6, "s");
    bench_report(run, name, name, "runs_per_s", RUNS / ((double)(all - leased) / 1e6), "runs/s");
    bench_report(run, name, name, "rss_mib", (double)served_rss(served) / (1 << 20), "MiB");
    return true;
}

static void takeover(const struct bench_run *run, struct served *served)
{
    static const char name[] = "recover";
    if (served_until(served, "SELECT count(*) FROM run WHERE status = 'done'", RUNS + 1, WITHIN_S) <
        0) {
        fprintf(stderr, "recover: the runs do not end\n");
        return;
    }
    pid_t first = served->pid;
    served_start_as(served, "peer");
    pid_t peer = served->pid;
    if (served_until(served, "SELECT count(*) FROM node WHERE present", 2, 30) < 0) {
        fprintf(stderr, "recover: the peer does not come\n");
    }
    served_nap(1500); /* in the middle of its second */
    int64_t epoch = served_number(served, "SELECT max(epoch) FROM tenant_head");
    int64_t begin = served_now_us();
    served->pid = first;
    served_kill(served, SIGKILL);
    served->pid = peer;
    served_fresh_runs(served, 1, LATE, 1);
    bool ok = served_until(served, "SELECT max(epoch) FROM tenant_head", epoch + 1, 60) >= 0;
    int64_t taken = served_now_us();
    ok = ok &&
         served_until(served, "SELECT count(*) FROM journal WHERE run_id = 900000", 1, 60) >= 0;
    if (ok) {
        bench_report(run, name, name, "takeover_s", (double)(taken - begin) / 1e6, "s");
        bench_report(run, name, name, "takeover_first_s", (double)(served_now_us() - begin) / 1e6,
                     "s");
    } else {
        fprintf(stderr, "recover: the peer does not take over\n");
    }
}

static void recover_run(const struct bench_run *run)
{
    if (run->kills >= 0) {
        bench_crash_run(run, "recover", "kills");
        return;
    }
    if (bench_wants(run, "nodes")) {
        bench_takeover_run(run);
    }
    if (bench_wants(run, "outage")) {
        bench_outage_run(run);
    }
    if (!bench_wants(run, "recover")) {
        return;
    }
    struct served served;
    served_open(&served, "recover");
    if (prepare(&served) && restart(run, &served)) {
        takeover(run, &served);
    }
    served_close(&served);
}

const struct bench bench_recover = {
    "recover", "10,000 open runs after kill -9: until each of them has gone on", recover_run};
