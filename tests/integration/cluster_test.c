/* cluster_test.c -- several real nodes on one PostgreSQL: what they promise while links are cut,
 * nodes are killed, stopped in the middle and restarted under load. usage: cluster_test REEVE (from
 * the repository root)
 *
 * Latencies and pauses are printed; they fail the test only where the promise is about time. */
#include "tests/support/fleet.h"

#include "runtime/base/check.h"
#include "tests/support/http_client.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    COMPANIES = 4,
    LEASE_MS = 5000,
    TAKEOVER_MS = 3000,   /* after the end of the lease */
    PAUSE_MS = 1000,      /* of a company that moves */
    MOVE_MS = 60000,      /* until the nodes have looked who has too much */
    SETTLE_MS = 15000,    /* until the nodes have found their share */
    WAKES = 5,            /* of each kind */
    STOPS = 500,          /* tries to stop a node between two trips */
    RUNS_UNDER_LOAD = 60, /* of each company and act */
    LONG_NOTES = 6000,    /* steps of a run that is watched while its company moves */
    DONE_MS = 60000
};

static int64_t next_run = 1000;
static char *tokens[COMPANIES + 1];

static int64_t runs(struct fleet *fleet, int tenant, int count, const char *about)
{
    int64_t first = next_run;
    fleet_runs(fleet, tenant, first, count, about);
    next_run += count;
    return first;
}

static bool all_done(struct fleet *fleet, int within_ms)
{
    int64_t total = fleet_number(fleet, "SELECT count(*) FROM run");
    bool done =
        fleet_until(fleet, total, within_ms, "SELECT count(*) FROM run WHERE status = 'done'") >= 0;
    return fleet_check(fleet, done, "all %" PRId64 " runs are done", total);
}

static void call(struct fleet *fleet, int node, int tenant, const char *method, const char *path,
                 const char *body, struct answer *answer)
{
    char headers[300];
    snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\n%s", tokens[tenant],
             body != NULL ? "Content-Type: application/json\r\n" : "");
    http_client_call(fleet->nodes[node].http_port, method, path, headers, body, answer);
}

/* ---- wake-ups ---- */

static int by_size(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* Runs of a company that wait for a signal get it from a node that does not drive them: the median
 * of the times until they are done; -1: one never was. */
static int64_t signals(struct fleet *fleet, int tenant, int from)
{
    int64_t took[WAKES];
    for (int i = 0; i < WAKES; i++) {
        int64_t run = runs(fleet, tenant, 1, "{\"wait\": true}");
        if (fleet_until(fleet, 1, DONE_MS,
                        "SELECT count(*) FROM run WHERE id = %" PRId64 " AND waiting_on = 'signal'",
                        run) < 0) {
            return -1;
        }
        fleet_nap(50 + 97 * i); /* at any moment between two looks of the owner */
        char path[60];
        struct answer answer;
        snprintf(path, sizeof path, "/v1/runs/%" PRId64 "/signal", run);
        int64_t begin = fleet_now_us();
        call(fleet, from, tenant, "POST", path, "{\"name\": \"go\"}", &answer);
        if (answer.status != 202) {
            printf("%s\n", answer.text);
        }
        http_client_forget(&answer);
        if (fleet_until(fleet, 1, DONE_MS,
                        "SELECT count(*) FROM run WHERE id = %" PRId64 " AND status = 'done'",
                        run) < 0) {
            return -1;
        }
        took[i] = fleet_now_us() - begin;
    }
    qsort(took, WAKES, sizeof *took, by_size);
    return took[WAKES / 2];
}

static int owned_by(struct fleet *fleet, int node)
{
    for (int tenant = 1; tenant <= fleet->companies; tenant++) {
        if (fleet_owner(fleet, tenant) == node) {
            return tenant;
        }
    }
    fleet_check(fleet, false, "%s drives a company", fleet->nodes[node].name);
    return 1;
}

static void wakes_and_questions(struct fleet *fleet)
{
    int tenant = owned_by(fleet, 1);
    int64_t with = signals(fleet, tenant, 0);
    fleet_check(fleet, with >= 0 && with < 250000,
                "a signal at another node: %.1f ms with the line", (double)with / 1000);
    struct answer answer;
    call(fleet, 0, tenant, "GET", "/v1/actors", NULL, &answer);
    fleet_check(fleet,
                answer.status == 200 &&
                    strcmp(rv_json_str(answer.json, "node", ""), fleet->nodes[1].name) == 0 &&
                    json_array_size(json_object_get(answer.json, "actors")) > 0,
                "/v1/actors of a company elsewhere is the other node's");
    http_client_forget(&answer);
    call(fleet, 0, tenant, "GET", "/v1/nodes", NULL, &answer);
    fleet_check(fleet,
                answer.status == 200 &&
                    json_array_size(json_object_get(answer.json, "nodes")) == 2 &&
                    json_array_size(json_object_get(answer.json, "lines")) == 1,
                "/v1/nodes knows both");
    http_client_forget(&answer);
    for (int link = FLEET_CUT; link <= FLEET_HOLE; link++) {
        const char *word = link == FLEET_CUT ? "cut" : "dead";
        fleet_link(fleet, 0, (enum fleet_link)link);
        fleet_link(fleet, 1, (enum fleet_link)link);
        int64_t without = signals(fleet, tenant, 0);
        fleet_check(fleet, without >= 0 && without < 2000000,
                    "a signal at another node: %.1f ms with a %s line", (double)without / 1000,
                    word);
        call(fleet, 0, tenant, "GET", "/v1/actors", NULL, &answer);
        const json_t *owner = json_object_get(answer.json, "owner");
        fleet_check(fleet,
                    answer.status == 200 &&
                        strcmp(rv_json_str(owner, "node", ""), fleet->nodes[1].name) == 0,
                    "/v1/actors names the owner over a %s line", word);
        http_client_forget(&answer);
    }
    fleet_link(fleet, 0, FLEET_PASS);
    fleet_link(fleet, 1, FLEET_PASS);
    int64_t again = -1;
    for (int i = 0; i < 5 && (again < 0 || again > 250000); i++) {
        again = signals(fleet, tenant, 0);
    }
    fleet_check(fleet, again >= 0 && again <= 250000, "and %.1f ms when it is mended",
                (double)again / 1000);
}

/* ---- a company moves while it works ---- */

/* The longest time without a step of the run, while its company changes hands. */
static void a_move_without_a_pause(struct fleet *fleet)
{
    int tenant = owned_by(fleet, 0);
    char about[40];
    snprintf(about, sizeof about, "{\"notes\": %d}", LONG_NOTES);
    int64_t run = runs(fleet, tenant, 1, about);
    fleet_until(fleet, 100, DONE_MS,
                "SELECT coalesce(max(seq), 0) FROM journal WHERE run_id = %" PRId64, run);
    int from = fleet_owner(fleet, tenant);
    /* the owner lets go of it as if the placement had said so: it is proposed to the other node */
    fleet_number(fleet,
                 "INSERT INTO placement (tenant_id, load) SELECT %d, 1 ON CONFLICT DO NOTHING",
                 tenant);
    fleet_number(fleet,
                 "UPDATE placement SET moved_at = '-infinity', load = CASE WHEN tenant_id = %d"
                 " THEN 40 ELSE 1 END",
                 tenant);
    fleet_number(
        fleet,
        "UPDATE placement p SET load = 100 FROM tenant_head h WHERE h.tenant_id = p.tenant_id"
        " AND p.tenant_id <> %d AND h.owner_node ="
        " (SELECT owner_node FROM tenant_head WHERE tenant_id = %d)",
        tenant, tenant);
    int64_t longest = 0;
    int64_t last = 0;
    int64_t changed = fleet_now_us();
    int64_t end = changed + MOVE_MS * INT64_C(1000);
    int64_t moved = 0;
    while (fleet_now_us() < end && last <= LONG_NOTES) {
        int64_t seq = fleet_number(
            fleet, "SELECT coalesce(max(seq), 0) FROM journal WHERE run_id = %" PRId64, run);
        int64_t now = fleet_now_us();
        if (seq != last) {
            longest = now - changed > longest && last > 0 ? now - changed : longest;
            changed = now;
            last = seq;
        }
        if (moved == 0 && fleet_owner(fleet, tenant) != from) {
            moved = last;
        }
        if (moved == 0 && last > LONG_NOTES) { /* it was done before the nodes came to it */
            run = runs(fleet, tenant, 1, about);
            fleet_until(fleet, 100, DONE_MS,
                        "SELECT coalesce(max(seq), 0) FROM journal WHERE run_id = %" PRId64, run);
            last = 100;
            changed = fleet_now_us();
        }
    }
    fleet_check(fleet, moved > 0 && moved < LONG_NOTES,
                "the company moved at step %" PRId64 " of %d", moved, LONG_NOTES);
    fleet_check(fleet, longest < PAUSE_MS * 1000, "its longest pause was %.0f ms",
                (double)longest / 1000);
}

/* ---- load: something is always about to happen ---- */

static void load(struct fleet *fleet)
{
    static const char *const about[] = {"{\"notes\": 20}", "{\"notes\": 3, \"sleep\": 1}",
                                        "{\"notes\": 200}", "{\"notes\": 2, \"sleep\": 4}"};
    for (int tenant = 1; tenant <= fleet->companies; tenant++) {
        for (int i = 0; i < 4; i++) {
            runs(fleet, tenant, RUNS_UNDER_LOAD / 4, about[i]);
        }
    }
}

static bool busy(struct fleet *fleet, int node)
{
    return fleet_until(fleet, 1, DONE_MS,
                       "SELECT count(*) FROM run r JOIN tenant_head h ON h.tenant_id = r.tenant_id"
                       " JOIN node n ON n.node_id = h.owner_node"
                       " WHERE n.host = '%s' AND r.status NOT IN ('done', 'created')",
                       fleet->nodes[node].name) >= 0;
}

/* Stops the node where it hurts most: between the two trips of a batch, the head of a company
 * locked. */
static void stop_inside_a_batch(struct fleet *fleet, int node)
{
    for (int i = 0; i < STOPS; i++) {
        fleet_signal(fleet, node, SIGSTOP);
        fleet_nap(20); /* what was sent is answered */
        if (fleet_number(fleet,
                         "SELECT (SELECT count(*) FROM tenant_head h JOIN node n ON n.node_id ="
                         " h.owner_node WHERE n.host = '%s') - (SELECT count(*) FROM"
                         " (SELECT FROM tenant_head h JOIN node n ON n.node_id = h.owner_node"
                         " WHERE n.host = '%s' FOR UPDATE OF h SKIP LOCKED) free)",
                         fleet->nodes[node].name, fleet->nodes[node].name) > 0) {
            return;
        }
        fleet_signal(fleet, node, SIGCONT);
        fleet_nap(1 + i % 7);
    }
    fleet_check(fleet, false, "%s is stopped inside a batch", fleet->nodes[node].name);
}

/* What keeps companies where they are: for whoever reads a failure. */
static void say_who_holds(struct fleet *fleet)
{
    PGresult *rows = PQexec(
        fleet->conn,
        "SELECT 'node ' || n.host || ' ' || n.node_id || ' lease ' || (n.lease_until -"
        " clock_timestamp()) || ' companies ' || (SELECT count(*) FROM tenant_head h WHERE"
        " h.owner_node = n.node_id) FROM node n UNION ALL SELECT 'lock of ' || l.pid || ' ' ||"
        " l.mode || ' ' || l.granted || ' ' || coalesce(a.state, '?') || ' ' ||"
        " coalesce(a.wait_event, '-') || ' ' || coalesce(left(a.query, 80), '')"
        " FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)"
        " WHERE l.relation = 'tenant_head'::regclass");
    for (int row = 0; row < PQntuples(rows); row++) {
        printf("      %s\n", PQgetvalue(rows, row, 0));
    }
    PQclear(rows);
}

static void a_stopped_node_does_no_harm(struct fleet *fleet)
{
    load(fleet);
    busy(fleet, 1);
    stop_inside_a_batch(fleet, 1);
    int64_t begin = fleet_now_us();
    int64_t took = fleet_until(fleet, COMPANIES, LEASE_MS + TAKEOVER_MS,
                               "SELECT count(*) FROM tenant_head h JOIN node n ON n.node_id ="
                               " h.owner_node WHERE n.host = '%s'",
                               fleet->nodes[0].name);
    if (!fleet_check(fleet, took >= 0, "a stopped node's companies are taken after %.1f s",
                     (double)(fleet_now_us() - begin) / 1e6)) {
        say_who_holds(fleet);
    }
    load(fleet);
    busy(fleet, 0);
    fleet_signal(fleet, 1, SIGCONT);
    fleet_check(fleet, fleet_balanced(fleet, 1, COMPANIES - 1, SETTLE_MS + 10000),
                "it comes back and has its share again");
    all_done(fleet, DONE_MS);
}

static void a_killed_node_is_replaced(struct fleet *fleet)
{
    load(fleet);
    busy(fleet, 1);
    fleet_signal(fleet, 1, SIGKILL);
    int64_t begin = fleet_now_us();
    int64_t took = fleet_until(fleet, COMPANIES, LEASE_MS + TAKEOVER_MS,
                               "SELECT count(*) FROM tenant_head h JOIN node n ON n.node_id ="
                               " h.owner_node WHERE n.host = '%s'",
                               fleet->nodes[0].name);
    fleet_check(fleet, took >= 0, "a killed node's companies are taken after %.1f s",
                (double)(fleet_now_us() - begin) / 1e6);
    fleet_start(fleet, 1);
    fleet_check(fleet, fleet_balanced(fleet, 1, COMPANIES - 1, SETTLE_MS + 10000),
                "its successor has a share");
    all_done(fleet, DONE_MS);
}

static void a_rolling_restart_loses_nothing(struct fleet *fleet)
{
    load(fleet);
    for (int round = 0; round < 2; round++) {
        for (int node = 0; node < fleet->node_count; node++) {
            load(fleet);
            busy(fleet, node);
            int64_t begin = fleet_now_us();
            int64_t given = 0;
            int other = 1 - node;
            fleet_signal(fleet, node, SIGTERM);
            given = fleet_until(fleet, COMPANIES, 3000,
                                "SELECT count(*) FROM tenant_head h JOIN node n ON n.node_id ="
                                " h.owner_node WHERE n.host = '%s'",
                                fleet->nodes[other].name);
            int64_t ended = fleet_now_us();
            fleet_check(fleet, given >= 0, "%s has ended and given everything over after %.2f s",
                        fleet->nodes[node].name, (double)(ended - begin) / 1e6);
            fleet_start(fleet, node);
            fleet_check(fleet, fleet_balanced(fleet, 1, COMPANIES - 1, SETTLE_MS + 10000),
                        "%s is back and has its share", fleet->nodes[node].name);
        }
    }
    all_done(fleet, DONE_MS * 2);
}

/* Cut, dead and mended lines while everything above happens to the work. */
static void broken_lines_lose_nothing(struct fleet *fleet)
{
    for (int i = 0; i < 6; i++) {
        load(fleet);
        fleet_link(fleet, i % 2, i % 3 == 0 ? FLEET_HOLE : FLEET_CUT);
        fleet_nap(300);
        fleet_link(fleet, i % 2, FLEET_PASS);
    }
    all_done(fleet, DONE_MS * 2);
}

/* ---- identity ---- */

static void two_nodes_with_one_name(struct fleet *fleet)
{
    char name[40];
    snprintf(name, sizeof name, "--set=node.name=%s", fleet->nodes[0].name);
    int64_t before = fleet_number(fleet, "SELECT sum(epoch) FROM tenant_head");
    int64_t begin = fleet_now_us();
    int status =
        fleet_reeve(fleet, (const char *const[]){"serve", "--listen=127.0.0.1:0", name, NULL});
    fleet_check(fleet, status == 1, "a second %s is refused after %.1f s (status %d)",
                fleet->nodes[0].name, (double)(fleet_now_us() - begin) / 1e6, status);
    fleet_check(fleet, fleet_number(fleet, "SELECT sum(epoch) FROM tenant_head") == before,
                "and costs nothing else");
}

int main(int argc, char **argv)
{
    static struct fleet fleet;
    RV_ASSERT(argc == 2);
    fleet_open(&fleet, argv[1], "cluster", 2);
    for (int i = 0; i < COMPANIES; i++) {
        fleet_company(&fleet);
        tokens[i + 1] = fleet_token(&fleet, i + 1);
    }
    fleet_start(&fleet, 0);
    fleet_check(&fleet, fleet_balanced(&fleet, COMPANIES, COMPANIES, SETTLE_MS),
                "one node drives all companies");
    fleet_start(&fleet, 1);
    fleet_check(&fleet, fleet_balanced(&fleet, COMPANIES / 2, COMPANIES / 2, SETTLE_MS),
                "two nodes share them");
    wakes_and_questions(&fleet);
    two_nodes_with_one_name(&fleet);
    a_move_without_a_pause(&fleet);
    all_done(&fleet, DONE_MS);
    fleet_balanced(&fleet, 1, COMPANIES - 1, SETTLE_MS);
    a_stopped_node_does_no_harm(&fleet);
    a_killed_node_is_replaced(&fleet);
    a_rolling_restart_loses_nothing(&fleet);
    broken_lines_lose_nothing(&fleet);
    fleet_invariants(&fleet);
    for (int i = 1; i <= COMPANIES; i++) {
        rv_free(tokens[i]);
    }
    fleet_close(&fleet);
    printf("%d checks failed\n", fleet.failures);
    return fleet.failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
