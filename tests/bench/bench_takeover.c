/* bench_takeover.c -- two real nodes: how long a company stands still when the one that drives it
 * goes, and what the line between them saves.
 *
 *   takeover_s   the driving process is killed (SIGKILL): until the other one has written the
 *                next step of its run
 *   takeover_stopped_s   it is stopped (SIGSTOP), which nobody is told of: the lease runs out first
 *   after_lease_s   the same without the lease that was left: the promise is 3 s
 *   handover_s   it is asked to stop (SIGTERM)
 *   move_s   it gives one company away and lives on: the longest time without a step
 *   wake_ms, wake_without_ms   from a signal at the node that does not drive the run until the run
 *                is over, with the line and with the line cut: the median
 *
 * The case "nodes" of `recover`.  The database is reeve's own below /tmp, with fsync on.
 */
#include "tests/bench/bench_takeover.h"
#include "tests/support/fleet.h"

#include "runtime/base/check.h"
#include "tests/support/http_client.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS = 5, NOTES = 90000, SETTLE_MS = 20000, WITHIN_MS = 60000, SIGNALS = 15 };

#define LAST "SELECT coalesce(max(seq), 0) FROM journal WHERE run_id = %" PRId64

struct takeover {
    struct fleet fleet;
    char *token;
    int64_t run;  /* that never ends: each of its steps is a transaction */
    int64_t next; /* number of a fresh run */
};

/* The run is driven by the node with that index; false: it could not be had there. */
static bool have_at(struct takeover *bench, int node)
{
    struct fleet *fleet = &bench->fleet;
    for (int64_t end = fleet_now_us() + SETTLE_MS * 1000; fleet_now_us() < end; fleet_nap(20)) {
        if (fleet_owner(fleet, 1) == node) {
            int64_t seq = fleet_number(fleet, LAST, bench->run);
            return fleet_until(fleet, seq + 20, WITHIN_MS, LAST, bench->run) >= 0;
        }
        /* the second company is the heavier one: the first goes where that is not */
        fleet_number(fleet, "UPDATE placement SET moved_at = '-infinity',"
                            " load = CASE tenant_id WHEN 1 THEN 1 ELSE 3 END");
        fleet_number(
            fleet,
            "UPDATE tenant_head SET epoch = epoch + 1, owner_node = (SELECT node_id FROM node"
            " WHERE host = '%s' AND lease_until > clock_timestamp())"
            " WHERE tenant_id = 1",
            fleet->nodes[node].name);
        fleet_nap(1500);
    }
    return false;
}

/* Until the run goes on at another node, in seconds; -1 never. */
static double until_next(struct takeover *bench, int64_t begin, int64_t epoch)
{
    struct fleet *fleet = &bench->fleet;
    if (fleet_until(fleet, epoch + 1, WITHIN_MS,
                    "SELECT epoch FROM tenant_head WHERE tenant_id = 1") < 0) {
        return -1;
    }
    int64_t seq = fleet_number(fleet, LAST, bench->run);
    return fleet_until(fleet, seq + 1, WITHIN_MS, LAST, bench->run) < 0
               ? -1
               : (double)(fleet_now_us() - begin) / 1e6;
}

/* The median over rounds; `after` gets that without what was left of the lease. */
static double lose_node(struct takeover *bench, int signal_number, double *after)
{
    struct fleet *fleet = &bench->fleet;
    struct bench_samples took = {.count = 0};
    struct bench_samples late = {.count = 0};
    for (int i = 0; i < ROUNDS; i++) {
        int node = i % 2;
        if (!have_at(bench, node)) {
            fprintf(stderr, "recover: the company does not move\n");
            break;
        }
        int64_t epoch = fleet_number(fleet, "SELECT epoch FROM tenant_head WHERE tenant_id = 1");
        int64_t lease_ms = fleet_number(
            fleet,
            "SELECT (extract(epoch FROM n.lease_until - clock_timestamp()) * 1000)::bigint"
            "  FROM tenant_head h JOIN node n ON n.node_id = h.owner_node WHERE h.tenant_id = 1");
        int64_t begin = fleet_now_us();
        if (signal_number == SIGTERM) {
            kill(fleet->nodes[node].pid, SIGTERM);
        } else {
            fleet_signal(fleet, node, signal_number);
        }
        double seconds = until_next(bench, begin, epoch);
        if (signal_number == SIGSTOP) {
            fleet_signal(fleet, node, SIGCONT);
        } else {
            if (signal_number == SIGTERM) {
                fleet_reap(fleet, node);
            }
            fleet_start(fleet, node);
        }
        if (seconds >= 0) {
            bench_sample(&took, (int64_t)(seconds * 1e6));
            bench_sample(&late, (int64_t)(seconds * 1e6) - lease_ms * 1000);
        }
    }
    double median = took.count > 0 ? bench_percentile_ms(&took, 50) / 1000 : -1;
    if (after != NULL) {
        *after = late.count > 0 ? bench_percentile_ms(&late, 50) / 1000 : -1;
    }
    bench_samples_free(&took);
    bench_samples_free(&late);
    return median;
}

/* One company is given away while its run works. */
static double move(struct takeover *bench)
{
    struct fleet *fleet = &bench->fleet;
    if (!have_at(bench, 0)) {
        return -1;
    }
    fleet_number(fleet, "UPDATE tenant_head SET epoch = epoch + 1, owner_node ="
                        " (SELECT owner_node FROM tenant_head WHERE tenant_id = 1)"
                        " WHERE tenant_id = 2");
    fleet_nap(1500);
    fleet_number(fleet, "UPDATE placement SET moved_at = '-infinity',"
                        " load = CASE tenant_id WHEN 1 THEN 100 ELSE 110 END");
    int64_t longest = 0;
    int64_t last = fleet_number(fleet, LAST, bench->run);
    int64_t changed = fleet_now_us();
    int64_t end = changed + SETTLE_MS * INT64_C(1000);
    for (bool moved = false; fleet_now_us() < end;) {
        int64_t seq = fleet_number(fleet, LAST, bench->run);
        int64_t now = fleet_now_us();
        if (seq != last) {
            longest = now - changed > longest ? now - changed : longest;
            changed = now;
            last = seq;
        }
        if (!moved && fleet_owner(fleet, 1) == 1) {
            moved = true;
            end = now + 2000000; /* the pause is about now */
        }
    }
    return fleet_owner(fleet, 1) == 1 ? (double)longest / 1e6 : -1;
}

static double wake_ms(struct takeover *bench)
{
    struct fleet *fleet = &bench->fleet;
    struct bench_samples took = {.count = 0};
    char headers[300];
    snprintf(headers, sizeof headers,
             "Authorization: Bearer %s\r\nContent-Type: application/json\r\n", bench->token);
    for (int i = 0; i < SIGNALS; i++) {
        int64_t run = bench->next++;
        fleet_runs(fleet, 1, run, 1, "{\"wait\": true}");
        if (fleet_until(fleet, 1, WITHIN_MS,
                        "SELECT count(*) FROM run WHERE id = %" PRId64 " AND waiting_on = 'signal'",
                        run) < 0) {
            break;
        }
        fleet_nap(40 + 37 * i); /* any moment between two looks of the owner */
        char path[60];
        struct answer answer;
        int other = 1 - fleet_owner(fleet, 1);
        snprintf(path, sizeof path, "/v1/runs/%" PRId64 "/signal", run);
        int64_t begin = fleet_now_us();
        http_client_call(fleet->nodes[other == 0 || other == 1 ? other : 0].http_port, "POST", path,
                         headers, "{\"name\": \"go\"}", &answer);
        http_client_forget(&answer);
        if (fleet_until(fleet, 1, WITHIN_MS,
                        "SELECT count(*) FROM run WHERE id = %" PRId64 " AND status = 'done'",
                        run) >= 0) {
            bench_sample(&took, fleet_now_us() - begin);
        }
    }
    double median = took.count > 0 ? bench_percentile_ms(&took, 50) : -1;
    bench_samples_free(&took);
    return median;
}

void bench_takeover_run(const struct bench_run *run)
{
    static const char name[] = "recover";
    static const char kind[] = "nodes";
    static struct takeover bench;
    char program[1024];
    char about[40];
    double after = 0;
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 16);
    RV_ASSERT(n > 0);
    program[n] = '\0';
    snprintf(strrchr(program, '/'), 16, "/reeve");
    struct fleet *fleet = &bench.fleet;
    fleet_open(fleet, program, "takeover", 2);
    fleet->quiet = true;
    fleet_company(fleet);
    fleet_company(fleet);
    bench.token = fleet_token(fleet, 1);
    bench.run = 1;
    bench.next = 1000;
    fleet_start(fleet, 0);
    fleet_start(fleet, 1);
    fleet_balanced(fleet, 1, 1, SETTLE_MS);
    double with = wake_ms(&bench);
    fleet_link(fleet, 0, FLEET_CUT);
    fleet_link(fleet, 1, FLEET_CUT);
    double without = wake_ms(&bench);
    fleet_link(fleet, 0, FLEET_PASS);
    fleet_link(fleet, 1, FLEET_PASS);
    snprintf(about, sizeof about, "{\"notes\": %d}", NOTES);
    fleet_runs(fleet, 1, bench.run, 1, about);
    double killed = lose_node(&bench, SIGKILL, NULL);
    double stopped = lose_node(&bench, SIGSTOP, &after);
    double asked = lose_node(&bench, SIGTERM, NULL);
    double moved = move(&bench);
    bench_report(run, name, kind, "takeover_s", killed, "s");
    bench_report(run, name, kind, "takeover_stopped_s", stopped, "s");
    bench_report(run, name, kind, "after_lease_s", after, "s");
    bench_report(run, name, kind, "handover_s", asked, "s");
    bench_report(run, name, kind, "move_s", moved, "s");
    bench_report(run, name, kind, "wake_ms", with, "ms");
    bench_report(run, name, kind, "wake_without_ms", without, "ms");
    rv_free(bench.token);
    fleet_signal(fleet, 0, SIGKILL); /* the run would go on for minutes */
    fleet_signal(fleet, 1, SIGKILL);
    fleet_close(fleet);
}
