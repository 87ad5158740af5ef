/* bench_payloads.c -- ten results of 20 MB each go through one run: what that costs the node's
 * memory.
 *
 * Each is uploaded through the HTTP interface (POST /v1/blobs), the run is told of it by a signal
 * with its handle, reads it whole in slices of 64 KiB, looks that nothing is missing, publishes the
 * handle for whoever comes next, and goes on to the next one from a checkpoint.  No two have a part
 * in common.  A small document has gone the same way before the first look at the memory.
 *
 *   results, mib      that went through, and what they have together
 *   steps             of the run
 *   wall_s            from the first upload until the run is over
 *   rss_before_mib    of the node at rest, while the run waits for the first one
 *   rss_growth_mib    the most it ever had in between (the kernel's high-water mark) against that
 *   rss_left_mib      what it has more when the run is over, than before
 *
 * The case "payloads" of `history`.
 */
#include "tests/bench/bench_payloads.h"
#include "tests/bench/served.h"

#include "runtime/base/check.h"
#include "runtime/base/json.h"
#include "tests/support/http_client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    RUN = 1,
    RESULTS = 10,
    SIZE = 20 * 1000 * 1000,
    SMALL = 200 * 1000,
    LINE = 50,
    LINES = 1000,
    WITHIN_S = 120
};

static const char agent[] =
    "local agent = { name = 'reader', version = '1', summary = 'reads large results',\n"
    "  handles = {'F22'}, uses = {}, limits = { steps = 100000, calls = 100000 } }\n"
    "function agent.plan(ctx, exception)\n"
    "  local state = ctx.state or { results = 0 }\n"
    "  local told = ctx:signal('result', 86400)\n"
    "  if told.last then return ctx:plan():summary(state.results .. ' results') end\n"
    "  local at, size = 0, 0\n"
    "  while at do\n"
    "    local slice = assert(blob.read(told.document, { from = at }))\n"
    "    size, at = size + #slice.text, slice.next\n"
    "  end\n"
    "  assert(size == told.document.size, 'all of it')\n"
    "  ctx:publish('result', told.document)\n"
    "  state.results = state.results + 1\n"
    "  ctx:checkpoint(state)\n"
    "end\n"
    "return agent\n";

struct payloads {
    struct served served;
    char token[128];
    int port;
    int sent; /* signals */
};

static bool send_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        bytes += sent;
        length -= (size_t)sent;
    }
    return true;
}

/* A text of `lines` lines, of which no two are equal, nor those of two numbers. */
static bool send_text(int fd, int number, int lines)
{
    static char part[LINES * (LINE + 1)];
    for (int line = 0; line < lines;) {
        int count = 0;
        for (; count < LINES && line < lines; count++, line++) {
            snprintf(part + (ptrdiff_t)count * LINE, LINE + 1, "result %02d, line %7d, %08x%*s\n",
                     number, line, (unsigned)line * 2654435761U, LINE - 34, "");
        }
        if (!send_all(fd, part, (size_t)count * LINE)) {
            return false;
        }
    }
    return true;
}

/* The handle of a text of that size as JSON, or NULL. */
static json_t *upload(struct payloads *bench, int number, int size)
{
    char text[4096];
    size_t length = 0;
    ssize_t got = 0;
    json_t *handle = NULL;
    int fd = http_client_dial(bench->port);
    int head = snprintf(text, sizeof text,
                        "POST /v1/blobs HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
                        "Authorization: Bearer %s\r\nContent-Type: text/plain\r\n"
                        "Content-Length: %d\r\n\r\n",
                        bench->token, size);
    bool good = fd >= 0 && send_all(fd, text, (size_t)head) && send_text(fd, number, size / LINE);
    while (good && length < sizeof text - 1 &&
           (got = recv(fd, text + length, sizeof text - 1 - length, 0)) > 0) {
        length += (size_t)got;
    }
    close(fd);
    text[length] = '\0';
    const char *body = strstr(text, "\r\n\r\n");
    json_t *answer = body != NULL ? json_loads(body + 4, 0, NULL) : NULL;
    if (rv_json_int(answer, "size", 0) == size) {
        handle =
            json_pack("{s:O,s:O,s:O}", "blob", json_object_get(answer, "blob"), "size",
                      json_object_get(answer, "size"), "media", json_object_get(answer, "media"));
    } else {
        fprintf(stderr, "history: the upload was answered: %s\n", text);
    }
    json_decref(answer);
    return handle;
}

/* A signal of that body; true as soon as the run has heard it and gone on until it waits again, or
 * is over. */
static bool tell(struct payloads *bench, json_t *body)
{
    static struct answer answer;
    char headers[200];
    char sql[256];
    char path[40];
    json_t *message = json_pack("{s:s,s:o}", "name", "result", "body", body);
    char *text = json_dumps(message, JSON_COMPACT);
    snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\n", bench->token);
    snprintf(path, sizeof path, "/v1/runs/%d/signal", RUN);
    http_client_call(bench->port, "POST", path, headers, text, &answer);
    bool good = answer.status == 202;
    if (!good) {
        fprintf(stderr, "history: the signal was answered: %s\n", answer.text);
    }
    http_client_forget(&answer);
    free(text);
    json_decref(message);
    bench->sent++;
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM run r WHERE (status IN ('done', 'failed') OR (status = "
             "'waiting' AND waiting_on"
             " = 'signal')) AND (SELECT count(*) FROM run_signal WHERE consumed_seq > 0) = %d",
             bench->sent);
    return good && served_until(&bench->served, sql, 1, WITHIN_S) >= 0;
}

static bool pass(struct payloads *bench, int number, int size)
{
    json_t *handle = upload(bench, number, size);
    return handle != NULL && tell(bench, json_pack("{s:o}", "document", handle));
}

/* Forgets the process' high-water mark, so that it begins at what it has now. */
static void forget_peak(const struct served *served)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/clear_refs", (int)served->pid);
    FILE *file = fopen(path, "w");
    RV_ASSERT(file != NULL && fputs("5", file) >= 0 && fclose(file) == 0);
}

static bool prepare(struct payloads *bench)
{
    struct served *served = &bench->served;
    served_company(served, 1, agent);
    served_person(served, 1, "otto", "operator", bench->token, sizeof bench->token);
    served_start(served);
    bench->port = served_port(served);
    served_fresh_runs(served, 1, RUN, 1);
    bool ok =
        served_until(served, "SELECT count(*) FROM run WHERE waiting_on = 'signal'", 1, 30) >= 0 &&
        pass(bench, 0, SMALL);
    served_nap(3000); /* at rest */
    return ok;
}

void bench_payloads_run(const struct bench_run *run)
{
    static const char name[] = "history";
    static const char kind[] = "payloads";
    static struct payloads bench;
    struct served *served = &bench.served;
    bench = (struct payloads){.sent = 0};
    served_open(served, name);
    bool ok = prepare(&bench);
    forget_peak(served);
    int64_t before = served_rss(served);
    int64_t begin = served_now_us();
    for (int i = 1; ok && i <= RESULTS; i++) {
        ok = pass(&bench, i, SIZE);
    }
    ok = ok && tell(&bench, json_pack("{s:b}", "last", 1)) &&
         served_number(served, "SELECT count(*) FROM run WHERE status = 'done'") == 1;
    double wall_s = (double)(served_now_us() - begin) / 1e6;
    int64_t peak = served_rss_peak(served);
    served_nap(2000);
    if (ok) {
        int64_t steps = served_number(served, "SELECT max(seq) FROM journal");
        bench_report(run, name, kind, "results", RESULTS, "");
        bench_report(run, name, kind, "mib", (double)RESULTS * SIZE / (1 << 20), "MiB");
        bench_report(run, name, kind, "steps", (double)steps, "");
        bench_report(run, name, kind, "wall_s", wall_s, "s");
        bench_report(run, name, kind, "rss_before_mib", (double)before / (1 << 20), "MiB");
        bench_report(run, name, kind, "rss_growth_mib", (double)(peak - before) / (1 << 20), "MiB");
        bench_report(run, name, kind, "rss_left_mib",
                     (double)(served_rss(served) - before) / (1 << 20), "MiB");
    } else {
        fprintf(stderr, "history: not all results went through the run\n");
    }
    served_close(served);
}
