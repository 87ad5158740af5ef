/* bench_recover.c -- 10,000 open runs, and the program is killed: how long until they go on.
 *
 * The runs sleep (a plan of two notes and a sleep); the program that drives them is killed with
 * SIGKILL, their time comes while nobody is there, and the program is started again.
 *
 *   lease_s      from the start until the new process owns the company: the old one's lease has to
 *                run out first, which is what fences it
 *   first_s      until the first run has a new journal entry
 *   runnable_s   until every run has one: it was loaded, replayed and went on
 *   after_lease_s   runnable_s without the wait for the lease
 *   runs_per_s   of those that went on, after the lease
 */
#include "tests/bench/bench_takeover.h"
#include "tests/bench/served.h"

#include "runtime/base/check.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

extern const struct bench bench_recover;

enum { RUNS = 10000, PROTOTYPE = 1, FIRST = 1000, WITHIN_S = 300 };

static const char agent[] =
    "local agent = { name = 'sleeper', version = '1', summary = 'sleeps', handles = {'F22'},\n"
    "  uses = {} }\n"
    "function agent.plan(ctx, exception)\n"
    "  ctx:note('first')\n  ctx:note('second')\n"
    "  ctx:sleep(3600)\n"
    "  return ctx:plan()\n"
    "end\n"
    "return agent\n";

static void recover_run(const struct bench_run *run)
{
    static const char name[] = "recover";
    if (bench_wants(run, "takeover")) {
        bench_takeover_run(run);
    }
    if (!bench_wants(run, name)) {
        return;
    }
    struct served served;
    served_open(&served, name);
    served_company(&served, 1, agent);
    served_start(&served);
    served_fresh_runs(&served, 1, PROTOTYPE, 1);
    if (served_until(&served, "SELECT count(*) FROM run WHERE waiting_on = 'timer'", 1, 30) < 0) {
        fprintf(stderr, "recover: the prototype does not sleep\n");
        served_close(&served);
        return;
    }
    served_copy_runs(&served, 1, PROTOTYPE, FIRST, RUNS);
    served_do(&served, "ANALYZE run, journal, run_input");
    served_nap(1000); /* some looks of the node at them: all sleep */
    served_kill(&served, SIGKILL);
    served_do(
        &served,
        "ALTER TABLE journal DISABLE TRIGGER USER;" /* it only grows: the clock is turned back */
        "UPDATE journal SET out = '\\x01'::bytea || convert_to(jsonb_set(convert_from("
        "  substr(out, 2), 'UTF8')::jsonb, '{until_us}', '1000000')::text, 'UTF8')"
        "  WHERE name = 'sleep';"
        "UPDATE run SET wake_at = clock_timestamp() WHERE status = 'waiting';"
        "ALTER TABLE journal ENABLE TRIGGER USER");
    int64_t epoch = served_number(&served, "SELECT max(epoch) FROM tenant_head");
    int64_t begin = served_now_us();
    served_start(&served);
    bool ok = served_until(&served, "SELECT max(epoch) FROM tenant_head", epoch + 1, 60) >= 0;
    int64_t leased = served_now_us();
    ok = ok &&
         served_until(&served, "SELECT count(*) FROM (SELECT FROM journal WHERE seq > 3 LIMIT 1) x",
                      1, WITHIN_S) >= 0;
    int64_t first = served_now_us();
    ok = ok && served_until(&served, "SELECT count(*) FROM journal WHERE seq = 4", RUNS + 1,
                            WITHIN_S) >= 0;
    int64_t all = served_now_us();
    if (ok) {
        double after = (double)(all - leased) / 1e6;
        bench_report(run, name, name, "runs", RUNS, "");
        bench_report(run, name, name, "lease_s", (double)(leased - begin) / 1e6, "s");
        bench_report(run, name, name, "first_s", (double)(first - begin) / 1e6, "s");
        bench_report(run, name, name, "runnable_s", (double)(all - begin) / 1e6, "s");
        bench_report(run, name, name, "after_lease_s", after, "s");
        bench_report(run, name, name, "runs_per_s", RUNS / after, "runs/s");
    } else {
        fprintf(stderr, "recover: not all runs went on within %d s\n", WITHIN_S);
    }
    served_close(&served);
}

const struct bench bench_recover = {
    "recover", "10,000 open runs after kill -9: until each of them has gone on", recover_run};
