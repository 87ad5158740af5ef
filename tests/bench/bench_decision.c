/* bench_decision.c -- a person decides, and the plan goes on: how long that takes.
 *
 * Each of 240 runs asks to post an entry, which the shipped policy holds for a controller.  The
 * controller approves one after the other through the HTTP interface, each with the digest of what
 * is asked, a fresh connection each and nothing else at work; the next journal entry of the run is
 * that the entry is posted.
 *
 *   decision_to_plan_p50_ms, _p99_ms  from the decision being committed (the commit timestamp of
 * the vote) until another process sees the run's next journal entry: the flush of both commits and
 * that process's looks, once in 0.2 ms, are in it request_to_plan_p50_ms, _p99_ms   the same from
 * the moment the request is sent commit_to_commit_p50_ms, _p99_ms  between the two commit
 * timestamps: without the looks, and without the flush of the second commit decisions that were
 * measured
 *
 * The case "approval" of `park`.
 */
#include "tests/bench/bench_decision.h"
#include "tests/bench/served.h"

#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "tests/support/http_client.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DECISIONS = 240, FIRST = 1000, LOOK_US = 200, WITHIN_S = 60 };

static const char agent[] =
    "local agent = { name = 'poster', version = '1', summary = 'posts one entry',\n"
    "  handles = {'F22'}, uses = {'journal.post'} }\n"
    "function agent.plan(ctx, exception)\n"
    "  return ctx:plan():add('journal.post', { memo = 'run ' .. ctx.run, lines = {\n"
    "      { account = '1290', amount_minor = 100, currency = 'EUR' },\n"
    "      { account = '1490', amount_minor = -100, currency = 'EUR' } } },\n"
    "    { reason = 'to be explained' })\n"
    "end\n"
    "return agent\n";

static const char next_entry[] = "SELECT count(*) FROM journal WHERE tenant_id = 1 AND run_id = "
                                 "$1::bigint AND seq > $2::int";

struct decision {
    int64_t run, approval, seq; /* the newest journal entry */
    char digest[72];
};

enum { OF_DECISION, OF_REQUEST, OF_COMMITS, SAMPLES };

static bool find(struct served *served, int64_t run, struct decision *out)
{
    char sql[320];
    snprintf(sql, sizeof sql,
             "SELECT a.id, encode(a.digest, 'hex'), (SELECT max(seq) FROM journal j"
             "  WHERE j.tenant_id = 1 AND j.run_id = a.run_id)"
             " FROM approval a WHERE a.run_id = %" PRId64 " AND a.status = 'requested'",
             run);
    PGresult *result = PQexec(served->conn, sql);
    bool found = PQntuples(result) == 1;
    *out = (struct decision){.run = run};
    if (found) {
        out->approval = strtoll(PQgetvalue(result, 0, 0), NULL, 10);
        snprintf(out->digest, sizeof out->digest, "%s", PQgetvalue(result, 0, 1));
        out->seq = strtoll(PQgetvalue(result, 0, 2), NULL, 10);
    }
    PQclear(result);
    return found;
}

/* The whole request at once; what it is answered is read when the plan has gone on. */
static bool send_decision(int fd, const struct decision *decision, const char *token)
{
    char body[160];
    char text[640];
    int length = snprintf(body, sizeof body, "{\"decision\": \"approve\", \"digest\": \"%s\"}",
                          decision->digest);
    length = snprintf(text, sizeof text,
                      "POST /v1/approvals/%" PRId64 "/decision HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                      "Connection: close\r\nAuthorization: Bearer %s\r\n"
                      "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                      decision->approval, token, length, body);
    return send(fd, text, (size_t)length, MSG_NOSIGNAL) == length;
}

static bool was_taken(int fd)
{
    char text[4096];
    ssize_t length = recv(fd, text, sizeof text - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    bool taken = strncmp(text, "HTTP/1.1 200", 12) == 0;
    if (!taken) {
        fprintf(stderr, "park: the decision was answered: %s\n", text);
    }
    return taken;
}

/* Until the entry is there; the moment it was seen, or -1. */
static int64_t see(struct served *served, const struct decision *decision)
{
    char run[24];
    char seq[24];
    const char *const values[] = {run, seq};
    int64_t end = served_now_us() + WITHIN_S * INT64_C(1000000);
    snprintf(run, sizeof run, "%" PRId64, decision->run);
    snprintf(seq, sizeof seq, "%" PRId64, decision->seq);
    while (served_now_us() < end) {
        PGresult *result = PQexecPrepared(served->conn, "next", 2, values, NULL, NULL, 0);
        RV_ASSERT(PQresultStatus(result) == PGRES_TUPLES_OK);
        bool there = strcmp(PQgetvalue(result, 0, 0), "0") != 0;
        PQclear(result);
        if (there) {
            return rv_now_us(rv_clock_system());
        }
        usleep(LOOK_US);
    }
    return -1;
}

static bool decide(struct served *served, int64_t run, int port, const char *token,
                   struct bench_samples samples[SAMPLES])
{
    struct decision decision;
    char sql[320];
    if (!find(served, run, &decision)) {
        fprintf(stderr, "park: run %" PRId64 " asks nobody\n", run);
        return false;
    }
    int fd = http_client_dial(port);
    int64_t begin = rv_now_us(rv_clock_system());
    int64_t seen = fd >= 0 && send_decision(fd, &decision, token) ? see(served, &decision) : -1;
    bool good = fd >= 0 && was_taken(fd) && seen >= 0;
    close(fd);
    if (!good) {
        return false;
    }
#define COMMITTED "extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000"
    snprintf(sql, sizeof sql,
             "SELECT (" COMMITTED ")::bigint FROM approval_vote WHERE tenant_id = 1"
             " AND approval_id = %" PRId64,
             decision.approval);
    int64_t decided = served_number(served, sql);
    snprintf(sql, sizeof sql,
             "SELECT (" COMMITTED ")::bigint FROM journal WHERE tenant_id = 1"
             " AND run_id = %" PRId64 " AND seq > %" PRId64 " ORDER BY seq LIMIT 1",
             run, decision.seq);
    int64_t written = served_number(served, sql);
    bench_sample(&samples[OF_DECISION], seen - decided);
    bench_sample(&samples[OF_REQUEST], seen - begin);
    bench_sample(&samples[OF_COMMITS], written - decided);
    return true;
}

/* The runs wait for their controller, and PostgreSQL notes when each transaction was committed. */
static bool prepare(struct served *served, char *token, size_t size)
{
    served_do(served, "ALTER SYSTEM SET track_commit_timestamp = on");
    served_database_stop(served);
    served_database_start(served);
    served_company(served, 1, agent);
    served_chart(served, 1);
    served_person(served, 1, "cora", "controller", token, size);
    served_start(served);
    served_fresh_runs(served, 1, FIRST, DECISIONS);
    bool ok = served_until(served, "SELECT count(*) FROM run WHERE waiting_on = 'approval'",
                           DECISIONS, WITHIN_S) >= 0;
    served_do(served, "VACUUM ANALYZE run, journal, approval");
    PGresult *result = PQprepare(served->conn, "next", next_entry, 2, NULL);
    RV_ASSERT(PQresultStatus(result) == PGRES_COMMAND_OK);
    PQclear(result);
    served_nap(3000); /* at rest */
    return ok;
}

void bench_decision_run(const struct bench_run *run)
{
    static const char name[] = "park";
    static const char kind[] = "approval";
    static const char *const words[SAMPLES] = {"decision_to_plan", "request_to_plan",
                                               "commit_to_commit"};
    struct served served;
    struct bench_samples samples[SAMPLES] = {{.us = NULL}};
    char token[128];
    served_open(&served, name);
    bool ok = prepare(&served, token, sizeof token);
    int port = served_port(&served);
    for (int i = 0; ok && i < DECISIONS; i++) {
        served_nap(20 + 37 * i % 211); /* alone, and not in step with the looks */
        ok = decide(&served, FIRST + i, port, token, samples);
    }
    if (ok) {
        bench_report(run, name, kind, "decisions", DECISIONS, "");
    } else {
        fprintf(stderr, "park: a run does not ask, or does not go on\n");
    }
    for (int i = 0; i < SAMPLES; i++) {
        char metric[48];
        for (int percent = 50; ok && percent <= 99; percent += 49) {
            snprintf(metric, sizeof metric, "%s_p%d_ms", words[i], percent);
            bench_report(run, name, kind, metric, bench_percentile_ms(&samples[i], percent), "ms");
        }
        bench_samples_free(&samples[i]);
    }
    served_close(&served);
}
