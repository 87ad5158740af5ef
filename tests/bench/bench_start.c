/* bench_start.c -- how soon the program serves, and what memory it takes.
 *
 *   start    the database runs; from fork and exec of `reeve serve` until GET /health answers 200
 *            p50_ms, max_ms of 20 starts; cpu_ms of the starting thread in one, which a busy
 * machine does not change idle     rss_mib of the serving process five seconds later, one company,
 * one loop and two active   10,000 runs of 40 companies begin at once and then sleep for ten
 * minutes each rss_peak_mib the most there ever was, rss_mib when all sleep, began_s until then
 */
#include "tests/bench/served.h"

#include "runtime/base/check.h"
#include "tests/support/http_client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

extern const struct bench bench_start;

enum {
    STARTS = 20,
    REST_MS = 5000,
    COMPANIES = 40,
    RUNS_EACH = 250,
    WITHIN_S = 300, /* less than they sleep */
    GAP = 1000
};

static const char agent[] =
    "local agent = { name = 'sleeper', version = '1', summary = 'sleeps', handles = {'F22'},\n"
    "  uses = {} }\n"
    "function agent.plan(ctx, exception)\n"
    "  ctx:note('first')\n  ctx:sleep(600)\n"
    "  return ctx:plan()\n"
    "end\n"
    "return agent\n";

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    RV_ASSERT(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
              getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void serve(struct served *served, int port, const char *loops)
{
    char listen[40];
    char setting[40];
    snprintf(listen, sizeof listen, "127.0.0.1:%d", port);
    snprintf(setting, sizeof setting, "runtime.loops=%s", loops);
    char *const argv[] = {served->program,
                          (char *)(uintptr_t) "serve",
                          (char *)(uintptr_t) "--listen",
                          listen,
                          (char *)(uintptr_t) "--set",
                          setting,
                          NULL};
    served->pid = fork();
    RV_ASSERT(served->pid >= 0);
    if (served->pid == 0) {
        char log[96];
        snprintf(log, sizeof log, "%s/log", served->state);
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        execv(served->program, argv);
        _exit(127);
    }
}

/* Looks once in half a millisecond whether somebody listens. */
static bool answers(int port, int within_s)
{
    static struct answer answer;
    int64_t end = served_now_us() + within_s * INT64_C(1000000);
    int fd;
    while ((fd = http_client_dial(port)) < 0) {
        if (served_now_us() > end) {
            return false;
        }
        usleep(500);
    }
    close(fd);
    http_client_call(port, "GET", "/health", "", NULL, &answer);
    bool well = answer.status == 200;
    http_client_forget(&answer);
    return well;
}

/* Of the process' first thread, in milliseconds. */
static double cpu_ms(const struct served *served)
{
    char path[64];
    long long ns = 0;
    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)served->pid);
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        if (fscanf(file, "%lld", &ns) != 1) {
            ns = 0;
        }
        fclose(file);
    }
    return (double)ns / 1e6;
}

static void starts(const struct bench_run *run, struct served *served)
{
    double cpu = 0;
    struct bench_samples samples = {.us = NULL};
    for (int i = 0; i < STARTS; i++) {
        int port = free_port();
        int64_t begin = served_now_us();
        serve(served, port, "1");
        if (!answers(port, 10)) {
            fprintf(stderr, "start: nobody answers\n");
            exit(EXIT_FAILURE);
        }
        bench_sample(&samples, served_now_us() - begin);
        cpu += cpu_ms(served) / STARTS;
        served_nap(300); /* the company is had, too */
        served_kill(served, SIGTERM);
    }
    bench_report(run, "start", "start", "p50_ms", bench_percentile_ms(&samples, 50), "ms");
    bench_report(run, "start", "start", "max_ms", bench_percentile_ms(&samples, 100), "ms");
    bench_report(run, "start", "start", "cpu_ms", cpu, "ms");
    bench_samples_free(&samples);
}

static double mib(int64_t bytes)
{
    return (double)bytes / (1 << 20);
}

static void idle(const struct bench_run *run, struct served *served)
{
    static const char *const loops[] = {"1", "2"};
    for (size_t i = 0; i < RV_COUNT(loops); i++) {
        char metric[32];
        int port = free_port();
        serve(served, port, loops[i]);
        RV_ASSERT(answers(port, 10));
        served_nap(REST_MS);
        snprintf(metric, sizeof metric, "rss_mib_%s_loops", loops[i]);
        bench_report(run, "start", "idle", metric, mib(served_rss(served)), "MiB");
        served_kill(served, SIGTERM);
    }
}

static void active(const struct bench_run *run, struct served *served)
{
    int port = free_port();
    for (int i = 2; i <= COMPANIES; i++) {
        served_company(served, i, agent);
    }
    serve(served, port, "1");
    RV_ASSERT(answers(port, 10));
    served_until(served, "SELECT count(owner_node) FROM tenant_head", COMPANIES, 60);
    served_nap(REST_MS);
    for (int i = 1; i <= COMPANIES; i++) {
        served_fresh_runs(served, i, (int64_t)i * GAP, RUNS_EACH);
    }
    int64_t took = served_until(served, "SELECT count(*) FROM journal WHERE name = 'sleep'",
                                (int64_t)COMPANIES * RUNS_EACH, WITHIN_S);
    if (took < 0 || served_number(served, "SELECT count(*) FROM run WHERE status = 'done'") > 0) {
        fprintf(stderr, "start: the runs are not at work together\n");
        return;
    }
    double peak = mib(served_rss_peak(served));
    served_nap(1500);
    bench_report(run, "start", "active", "runs", COMPANIES * RUNS_EACH, "");
    bench_report(run, "start", "active", "rss_peak_mib", peak, "MiB");
    bench_report(run, "start", "active", "rss_mib", mib(served_rss(served)), "MiB");
    bench_report(run, "start", "active", "began_s", (double)took / 1e6, "s");
}

static void start_run(const struct bench_run *run)
{
    struct served served;
    served_open(&served, "start");
    served_company(&served, 1, agent);
    if (bench_wants(run, "start")) {
        starts(run, &served);
    }
    if (bench_wants(run, "idle")) {
        idle(run, &served);
    }
    if (bench_wants(run, "active")) {
        active(run, &served);
    }
    served_close(&served);
}

const struct bench bench_start = {
    "start", "from exec until it serves; memory at rest and with 10,000 runs", start_run};
