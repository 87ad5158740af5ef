/* served.c -- see served.h. */
#include "tests/bench/served.h"

#include "runtime/base/check.h"
#include "runtime/base/clock.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SQL_MAX = 4096, POLL_MS = 2, WITHIN_MS = 30000 };

int64_t served_now_us(void)
{
    return rv_mono_us(rv_clock_system());
}

void served_nap(int ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

static pid_t start_to(const struct served *served, char *const *argv, int out);
static pid_t start(const struct served *served, char *const *argv);

static __attribute__((noreturn)) void fail(const struct served *served, const char *what)
{
    fprintf(stderr, "%s: %s; the program's words stand in %s/log\n", served->bench, what,
            served->state);
    if (served->pid > 0) {
        kill(served->pid, SIGKILL);
    }
    char *const stop[] = {(char *)(uintptr_t)served->program, (char *)(uintptr_t) "db",
                          (char *)(uintptr_t) "stop", NULL};
    waitpid(start(served, stop), NULL, 0);
    exit(EXIT_FAILURE);
}

/* ---- the program ---- */

/* `out`: where it prints to; -1: into the log. */
static pid_t start_to(const struct served *served, char *const *argv, int out)
{
    pid_t pid = fork();
    RV_ASSERT(pid >= 0);
    if (pid == 0) {
        char log[96];
        snprintf(log, sizeof log, "%s/log", served->state);
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        dup2(out >= 0 ? out : fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        execv(served->program, argv);
        _exit(127);
    }
    return pid;
}

static pid_t start(const struct served *served, char *const *argv)
{
    return start_to(served, argv, -1);
}

/* Words separated by spaces. */
static pid_t start_words(const struct served *served, const char *words, int out)
{
    char text[512];
    char *argv[16] = {(char *)(uintptr_t)served->program};
    int count = 1;
    snprintf(text, sizeof text, "%s", words);
    char *rest = NULL;
    for (char *word = strtok_r(text, " ", &rest); word != NULL && count < 15;
         word = strtok_r(NULL, " ", &rest)) {
        argv[count++] = word;
    }
    return start_to(served, argv, out);
}

int served_answer(const struct served *served, const char *words, char *out, size_t size)
{
    int ends[2];
    size_t length = 0;
    ssize_t got = 0;
    int status = 0;
    RV_ASSERT(pipe2(ends, O_CLOEXEC) == 0);
    pid_t pid = start_words(served, words, ends[1]);
    close(ends[1]);
    while (length < size - 1 && (got = read(ends[0], out + length, size - 1 - length)) > 0) {
        length += (size_t)got;
    }
    out[length] = '\0';
    close(ends[0]);
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void must(const struct served *served, const char *words)
{
    int status = 0;
    waitpid(start_words(served, words, -1), &status, 0);
    if (status != 0) {
        fail(served, words);
    }
}

static void dial(struct served *served)
{
    served->conn = PQconnectdb(served->uri);
    if (PQstatus(served->conn) != CONNECTION_OK) {
        fail(served, PQerrorMessage(served->conn));
    }
}

void served_open(struct served *served, const char *bench)
{
    *served = (struct served){.bench = bench};
    if (access("policies/default.lua", R_OK) != 0) {
        fprintf(stderr, "%s: run it from the repository's root\n", bench);
        exit(EXIT_FAILURE);
    }
    ssize_t n = readlink("/proc/self/exe", served->program, sizeof served->program - 16);
    RV_ASSERT(n > 0);
    served->program[n] = '\0';
    snprintf(strrchr(served->program, '/'), 16, "/reeve");
    snprintf(served->state, sizeof served->state, "/tmp/reeve-%s-XXXXXX", bench);
    RV_ASSERT(mkdtemp(served->state) != NULL && chmod(served->state, 0755) == 0);
    setenv("REEVE_STATE", served->state, 1);
    setenv("REEVE_MODEL_PATH", "none", 1); /* the rules alone are measured */
    unsetenv("REEVE_DATABASE");
    unsetenv("REEVE_DATABASE_URI");
    must(served, "db start");
    char command[1100];
    snprintf(command, sizeof command, "'%s' db uri --owner", served->program); /* sees all */
    FILE *pipe = popen(command, "r");
    RV_ASSERT(pipe != NULL && fgets(served->uri, sizeof served->uri, pipe) != NULL);
    pclose(pipe);
    served->uri[strcspn(served->uri, "\n")] = '\0';
    dial(served);
}

void served_close(struct served *served)
{
    if (served->pid > 0) {
        served_kill(served, SIGTERM);
    }
    PQfinish(served->conn);
    must(served, "db stop");
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", served->state);
    RV_ASSERT(system(command) == 0);
}

/* `kind`1.lua, `kind`2.lua, ... in the state folder: its path. */
static void keep(const struct served *served, const char *kind, int tenant, const char *text,
                 char *path, size_t size)
{
    snprintf(path, size, "%s/%s%d.lua", served->state, kind, tenant);
    FILE *file = fopen(path, "w");
    RV_ASSERT(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

void served_company(struct served *served, int tenant, const char *agent)
{
    char words[256];
    char path[128];
    keep(served, "agent", tenant, agent, path, sizeof path);
    snprintf(words, sizeof words, "company create c%d", tenant);
    must(served, words);
    snprintf(words, sizeof words, "policy load policies/default.lua --company c%d", tenant);
    must(served, words);
    snprintf(words, sizeof words, "agent publish %s --company c%d", path, tenant);
    must(served, words);
}

void served_policy(struct served *served, int tenant, const char *policy)
{
    char words[256];
    char path[128];
    keep(served, "policy", tenant, policy, path, sizeof path);
    snprintf(words, sizeof words, "policy load %s --company c%d", path, tenant);
    must(served, words);
}

void served_chart(struct served *served, int tenant)
{
    char words[128];
    snprintf(words, sizeof words, "import scripts/demo/chart.json --company c%d", tenant);
    must(served, words);
}

void served_person(struct served *served, int tenant, const char *name, const char *role,
                   char *token, size_t size)
{
    static const char key[] = "\"token\":\"";
    char words[256];
    char out[1024];
    snprintf(words, sizeof words, "person add %s --roles %s --company c%d", name, role, tenant);
    must(served, words);
    snprintf(words, sizeof words, "token make %s --json --company c%d", name, tenant);
    const char *at = served_answer(served, words, out, sizeof out) == 0 ? strstr(out, key) : NULL;
    if (at == NULL) {
        fail(served, "no token was made");
    }
    at += strlen(key);
    snprintf(token, size, "%.*s", (int)strcspn(at, "\""), at);
}

void served_start(struct served *served)
{
    served_start_as(served, "bench");
}

void served_start_as(struct served *served, const char *name)
{
    char node[64];
    snprintf(node, sizeof node, "node.name=%s", name);
    char *const argv[] = {served->program,
                          (char *)(uintptr_t) "serve",
                          (char *)(uintptr_t) "--listen",
                          (char *)(uintptr_t) "127.0.0.1:0",
                          (char *)(uintptr_t) "--set",
                          (char *)(uintptr_t) "runtime.loops=1",
                          (char *)(uintptr_t) "--set",
                          node,
                          NULL};
    char path[96];
    struct stat log;
    snprintf(path, sizeof path, "%s/log", served->state);
    served->said_before = stat(path, &log) == 0 ? (long)log.st_size : 0;
    served->pid = start(served, argv);
}

void served_kill(struct served *served, int signal)
{
    int status = 0;
    kill(served->pid, signal);
    waitpid(served->pid, &status, 0);
    served->pid = 0;
}

/* The line in which the word stands. */
static bool said_line(const struct served *served, const char *word, char *line, size_t size)
{
    char path[96];
    bool found = false;
    snprintf(path, sizeof path, "%s/log", served->state);
    FILE *file = fopen(path, "r");
    RV_ASSERT(file == NULL || fseek(file, served->said_before, SEEK_SET) == 0);
    while (file != NULL && !found && fgets(line, (int)size, file) != NULL) {
        found = strstr(line, word) != NULL;
    }
    if (file != NULL) {
        fclose(file);
    }
    return found;
}

static bool said(const struct served *served, const char *word)
{
    char line[1024];
    return said_line(served, word, line, sizeof line);
}

bool served_said(struct served *served, const char *word, int within_s)
{
    int64_t end = served_now_us() + within_s * INT64_C(1000000);
    while (!said(served, word)) {
        if (served_now_us() > end) {
            return false;
        }
        served_nap(POLL_MS);
    }
    return true;
}

int served_port(struct served *served)
{
    static const char address[] = "http://127.0.0.1:";
    char line[1024];
    if (!served_said(served, address, 30) || !said_line(served, address, line, sizeof line)) {
        fail(served, "it does not say where it serves");
    }
    return atoi(strstr(line, address) + strlen(address));
}

bool served_lives(struct served *served)
{
    int status = 0;
    if (served->pid > 0 && waitpid(served->pid, &status, WNOHANG) == served->pid) {
        served->pid = 0;
    }
    return served->pid > 0;
}

int64_t served_rss(const struct served *served)
{
    char path[64];
    long long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)served->pid);
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        if (fscanf(file, "%*d %lld", &pages) != 1) {
            pages = 0;
        }
        fclose(file);
    }
    return pages * sysconf(_SC_PAGESIZE);
}

int64_t served_rss_peak(const struct served *served)
{
    char path[64];
    char line[128];
    long long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)served->pid);
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0) {
            kib = strtoll(line + 6, NULL, 10);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return kib * 1024;
}

/* ---- the database ---- */

static PGresult *ask(struct served *served, const char *sql)
{
    PGresult *result = PQexec(served->conn, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        fail(served, PQerrorMessage(served->conn));
    }
    return result;
}

void served_do(struct served *served, const char *sql)
{
    PQclear(ask(served, sql));
}

int64_t served_number(struct served *served, const char *sql)
{
    PGresult *result = ask(served, sql);
    int64_t number = PQntuples(result) > 0 ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : 0;
    PQclear(result);
    return number;
}

int64_t served_until(struct served *served, const char *sql, int64_t least, int within_s)
{
    int64_t begin = served_now_us();
    int64_t end = begin + within_s * INT64_C(1000000);
    while (served_number(served, sql) < least) {
        bool lived = served->pid > 0;
        if (lived && !served_lives(served)) {
            fail(served, "the serving program ended");
        }
        if (served_now_us() > end) {
            return -1;
        }
        served_nap(POLL_MS);
    }
    return served_now_us() - begin;
}

static int parent_of(int pid)
{
    char path[64];
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    RV_ASSERT(file != NULL);
    RV_ASSERT(fscanf(file, "%*d (%*[^)]) %*c %d", &parent) == 1);
    fclose(file);
    return parent;
}

int64_t served_cpu_us(struct served *served)
{
    int64_t own = bench_cpu_us(0);
    int postmaster = parent_of(PQbackendPID(served->conn));
    return bench_cpu_us((int)served->pid) + bench_cpu_us(postmaster) - 2 * own;
}

void served_database_stop(struct served *served)
{
    int postmaster = parent_of(PQbackendPID(served->conn));
    PQfinish(served->conn);
    served->conn = NULL;
    kill(postmaster, SIGQUIT);
    for (int i = 0; PQping(served->uri) != PQPING_NO_RESPONSE; i++) {
        if (i > WITHIN_MS) {
            fail(served, "PostgreSQL does not stop");
        }
        served_nap(1);
    }
}

void served_database_start(struct served *served)
{
    must(served, "db start");
    dial(served);
}

static void say(struct served *served, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(struct served *served, const char *format, ...)
{
    char sql[SQL_MAX];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(sql, sizeof sql, format, args);
    va_end(args);
    RV_ASSERT(length > 0 && length < SQL_MAX);
    served_do(served, sql);
}

void served_fresh_runs(struct served *served, int tenant, int64_t first, int count)
{
    say(served,
        "INSERT INTO run (tenant_id, id, agent, plan_hash, status, input)" /* as rv_journal_run_new
                                                                            */
        " SELECT %d, %" PRId64 " + n, a.name, a.active_hash, 'created', '{\"exception\": {}}'"
        "   FROM generate_series(0, %d - 1) AS n, agent a WHERE a.tenant_id = %d",
        tenant, first, count, tenant);
    say(served, "SELECT pg_notify('reeve_wake', '%d')", tenant); /* as a committer elsewhere does */
}

void served_copy_runs(struct served *served, int tenant, int64_t from, int64_t first, int count)
{
    say(served,
        "WITH ids AS (SELECT %" PRId64 " + n AS id FROM generate_series(0, %d - 1) AS n),"
        " steps AS (INSERT INTO journal (tenant_id, run_id, seq, kind, name, digest, out)"
        "  SELECT j.tenant_id, ids.id, j.seq, j.kind, j.name, j.digest, j.out FROM journal j, ids"
        "   WHERE j.tenant_id = %d AND j.run_id = %" PRId64 ")"
        " INSERT INTO run (tenant_id, id, agent, plan_hash, status, waiting_on, wake_at, steps, "
        "input)"
        " SELECT r.tenant_id, ids.id, r.agent, r.plan_hash, r.status, r.waiting_on, r.wake_at,"
        "        r.steps, r.input FROM run r, ids WHERE r.tenant_id = %d AND r.id = %" PRId64,
        first, count, tenant, from, tenant, from);
}
