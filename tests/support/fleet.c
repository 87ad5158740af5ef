/* fleet.c -- see fleet.h. */
#include "tests/support/fleet.h"

#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "tests/support/skip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WORDS_MAX = 512, SQL_MAX = 4096, POLL_MS = 2, START_MS = 30000, STOP_MS = 30000 };

static const char agent_text[] =
    "local agent = { name = 'walker', version = '1', summary = 'takes notes', handles = {},\n"
    "  uses = { 'exception.note' }, limits = { steps = 100000, wall_ms = 3600000 } }\n"
    "function agent.plan(ctx, exception)\n"
    "  for i = 1, exception.notes or 1 do ctx:note('step ' .. i) end\n"
    "  if exception.sleep then ctx:sleep(exception.sleep) end\n"
    "  if exception.wait then ctx:signal('go', 600) end\n"
    "  return ctx:plan():add('exception.note', { key = exception.key, text = 'run ' .. ctx.run },\n"
    "    { reason = 'seen' }):summary('seen')\n"
    "end\n"
    "return agent\n";

static const char policy_text[] =
    "return bundle { name = 'fleet', schema = 'erp.v1',\n"
    "  permit { id = 'notes', agents = '*', action = 'exception.note' },\n"
    "  permit { id = 'people', persons = role 'operator', action = any_of { 'exception.detect',\n"
    "    'run.start', 'run.signal', 'run.cancel' } },\n"
    "  permit { id = 'clerk', persons = role 'clerk', action = any_of { 'order.register',\n"
    "    'receipt.register', 'remittance.register', 'invoice.register', 'credit_note.register',\n"
    "    'bank_statement.*' } },\n"
    "  permit { id = 'admin', persons = role 'admin', action = any_of { 'party.register',\n"
    "    'account.register', 'tolerance.set', 'policy.load', 'agent.publish' } },\n"
    "  permit { id = 'machine', system = true, action = any_of { 'exception.*', 'run.start' } } "
    "}\n";

int64_t fleet_now_us(void)
{
    return rv_mono_us(rv_clock_system());
}

void fleet_nap(int ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

static __attribute__((noreturn)) void give_up(struct fleet *fleet, const char *what)
{
    fprintf(stderr, "%s: %s; what was said stands in %s\n", fleet->test, what, fleet->state);
    for (int i = 0; i < fleet->node_count; i++) {
        if (fleet->nodes[i].pid > 0) {
            kill(fleet->nodes[i].pid, SIGKILL);
        }
    }
    fleet_reeve(fleet, (const char *const[]){"db", "stop", NULL});
    exit(EXIT_FAILURE);
}

/* ---- the proxy: one thread, all lines ---- */

static int listen_somewhere(int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    RV_ASSERT(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0);
    RV_ASSERT(listen(fd, 16) == 0 && getsockname(fd, (struct sockaddr *)&at, &length) == 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static int free_port(void)
{
    int port = 0;
    close(listen_somewhere(&port));
    return port;
}

static int dial(int port)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    RV_ASSERT(fd >= 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* A connection is two flows, one after the other in the table. */
static void accept_flow(struct fleet *fleet, int node)
{
    int in = accept4(fleet->nodes[node].proxy_fd, NULL, NULL, SOCK_CLOEXEC);
    int slot = 0;
    while (slot < FLEET_FLOWS_MAX && fleet->flows[slot].from >= 0) {
        slot += 2;
    }
    if (in < 0) {
        return;
    }
    int out = slot < FLEET_FLOWS_MAX && fleet->nodes[node].link != FLEET_CUT
                  ? dial(fleet->nodes[node].link_port)
                  : -1;
    if (out < 0) {
        close(in);
        return;
    }
    fleet->flows[slot] = (struct fleet_flow){in, out, node};
    fleet->flows[slot + 1] = (struct fleet_flow){out, in, node};
}

static void close_flow(struct fleet *fleet, int slot)
{
    slot -= slot % 2;
    close(fleet->flows[slot].from);
    close(fleet->flows[slot].to);
    fleet->flows[slot].from = -1;
    fleet->flows[slot + 1].from = -1;
}

static void move_bytes(struct fleet *fleet, int slot)
{
    char bytes[65536];
    struct fleet_flow *flow = &fleet->flows[slot];
    ssize_t n = read(flow->from, bytes, sizeof bytes);
    if (n <= 0 || (fleet->nodes[flow->node].link == FLEET_PASS &&
                   send(flow->to, bytes, (size_t)n, MSG_NOSIGNAL) != n)) {
        close_flow(fleet, slot);
    }
}

static void *run_proxy(void *data)
{
    struct fleet *fleet = data;
    while (!fleet->over) {
        struct pollfd fds[FLEET_NODES_MAX + FLEET_FLOWS_MAX];
        int slots[FLEET_NODES_MAX + FLEET_FLOWS_MAX];
        nfds_t count = 0;
        for (int i = 0; i < fleet->node_count; i++) {
            fds[count] = (struct pollfd){.fd = fleet->nodes[i].proxy_fd, .events = POLLIN};
            slots[count++] = -1 - i;
        }
        for (int i = 0; i < FLEET_FLOWS_MAX; i++) {
            if (fleet->flows[i].from >= 0 && fleet->nodes[fleet->flows[i].node].link == FLEET_CUT) {
                close_flow(fleet, i);
            }
            if (fleet->flows[i].from >= 0) {
                fds[count] = (struct pollfd){.fd = fleet->flows[i].from, .events = POLLIN};
                slots[count++] = i;
            }
        }
        poll(fds, count, 20);
        for (nfds_t i = 0; i < count; i++) {
            if (fds[i].revents == 0) {
                continue;
            }
            if (slots[i] < 0) {
                accept_flow(fleet, -1 - slots[i]);
            } else if (fleet->flows[slots[i]].from == fds[i].fd) {
                move_bytes(fleet, slots[i]);
            }
        }
    }
    return NULL;
}

void fleet_link(struct fleet *fleet, int node, enum fleet_link link)
{
    fleet->nodes[node].link = link;
    fleet_nap(60); /* a round of the proxy */
}

/* ---- the program ---- */

static pid_t start(const struct fleet *fleet, const char *const *words, const char *log)
{
    pid_t pid = fork();
    RV_ASSERT(pid >= 0);
    if (pid > 0) {
        return pid;
    }
    char path[128];
    snprintf(path, sizeof path, "%s/%s", fleet->state, log);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    char *argv[WORDS_MAX] = {(char *)(uintptr_t)fleet->program};
    int count = 1;
    for (; *words != NULL; words++) {
        glob_t files;
        if (strchr(*words, '*') == NULL || glob(*words, 0, NULL, &files) != 0) {
            argv[count++] = (char *)(uintptr_t)*words;
            continue;
        }
        for (size_t i = 0; i < files.gl_pathc && count < WORDS_MAX - 1; i++) {
            argv[count++] = files.gl_pathv[i];
        }
    }
    execv(fleet->program, argv);
    _exit(127);
}

int fleet_reeve(struct fleet *fleet, const char *const *words)
{
    int status = 0;
    waitpid(start(fleet, words, "log"), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void must(struct fleet *fleet, const char *const *words)
{
    if (fleet_reeve(fleet, words) != 0) {
        give_up(fleet, words[0]);
    }
}

static void first_line(struct fleet *fleet, const char *words, char *out, size_t size)
{
    char command[1400];
    snprintf(command, sizeof command, "'%s' %s 2>/dev/null", fleet->program, words);
    FILE *pipe = popen(command, "r");
    if (pipe == NULL || fgets(out, (int)size, pipe) == NULL) {
        give_up(fleet, words);
    }
    pclose(pipe);
    out[strcspn(out, "\n")] = '\0';
}

static void write_file(const struct fleet *fleet, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", fleet->state, name);
    FILE *file = fopen(path, "w");
    RV_ASSERT(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

void fleet_open(struct fleet *fleet, const char *program, const char *test, int nodes)
{
    glob_t found;
    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) != 0) {
        printf("SKIP: PostgreSQL is not installed (package postgresql-15)\n");
        exit(TEST_SKIP_STATUS);
    }
    globfree(&found);
    memset(fleet, 0, sizeof *fleet);
    fleet->program = program;
    fleet->test = test;
    fleet->lines = true;
    fleet->node_count = nodes;
    snprintf(fleet->state, sizeof fleet->state, "/tmp/rv-%s-XXXXXX", test);
    RV_ASSERT(mkdtemp(fleet->state) != NULL && chmod(fleet->state, 0755) == 0);
    char state[100];
    snprintf(state, sizeof state, "%s/s", fleet->state);
    setenv("REEVE_STATE", state, 1);
    setenv("HOME", fleet->state, 1);
    setenv("REEVE_MODEL_PATH", "none", 1);
    unsetenv("REEVE_DATABASE");
    unsetenv("REEVE_DATABASE_URI");
    unsetenv("REEVE_CONFIG");
    must(fleet, (const char *const[]){"db", "start", NULL});
    first_line(fleet, "db uri --owner", fleet->uri, sizeof fleet->uri);
    fleet->conn = PQconnectdb(fleet->uri);
    if (PQstatus(fleet->conn) != CONNECTION_OK) {
        give_up(fleet, PQerrorMessage(fleet->conn));
    }
    write_file(fleet, "agent.lua", agent_text);
    write_file(fleet, "policy.lua", policy_text);
    for (int i = 0; i < FLEET_FLOWS_MAX; i++) {
        fleet->flows[i].from = -1;
    }
    for (int i = 0; i < nodes; i++) {
        struct fleet_node *node = &fleet->nodes[i];
        snprintf(node->name, sizeof node->name, "node-%c", 'a' + i);
        node->http_port = free_port();
        node->link_port = free_port();
        node->proxy_fd = listen_somewhere(&node->proxy_port);
    }
    RV_ASSERT(pthread_create(&fleet->proxy, NULL, run_proxy, fleet) == 0);
}

void fleet_close(struct fleet *fleet)
{
    for (int i = 0; i < fleet->node_count; i++) {
        if (fleet->nodes[i].pid > 0) {
            fleet_signal(fleet, i, SIGTERM);
        }
    }
    fleet->over = true;
    pthread_join(fleet->proxy, NULL);
    for (int i = 0; i < FLEET_FLOWS_MAX; i += 2) {
        if (fleet->flows[i].from >= 0) {
            close_flow(fleet, i);
        }
    }
    PQfinish(fleet->conn);
    must(fleet, (const char *const[]){"db", "stop", NULL});
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", fleet->state);
    if (fleet->failures == 0 && getenv("KEEP") == NULL) {
        RV_ASSERT(system(command) == 0);
    } else {
        printf("what was said stands in %s\n", fleet->state);
    }
}

#define DEMO "scripts/demo/company/"

void fleet_company(struct fleet *fleet)
{
    char name[16];
    char agent[100];
    char policy[100];
    char option[40];
    snprintf(name, sizeof name, "c%d", ++fleet->companies);
    snprintf(option, sizeof option, "--company=%s", name);
    snprintf(agent, sizeof agent, "%s/agent.lua", fleet->state);
    snprintf(policy, sizeof policy, "%s/policy.lua", fleet->state);
    must(fleet, (const char *const[]){"company", "create", name, "--currency", "EUR", NULL});
    must(fleet, (const char *const[]){"policy", "load", policy, option, NULL});
    must(fleet, (const char *const[]){"agent", "publish", agent, option, NULL});
    must(fleet, (const char *const[]){"import", DEMO "master.json", DEMO "orders/*.xml",
                                      DEMO "receipts/*.xml", DEMO "invoices/*.xml", option, NULL});
    must(fleet, (const char *const[]){"exception", "run", "--no-post", option, NULL});
    if (fleet_number(fleet, "SELECT count(*) FROM exception WHERE tenant_id = %d",
                     fleet->companies) == 0) {
        give_up(fleet, "the documents have no exceptions");
    }
}

char *fleet_token(struct fleet *fleet, int tenant)
{
    char words[100];
    char line[400];
    snprintf(words, sizeof words, "token make console --company c%d --json", tenant);
    first_line(fleet, words, line, sizeof line);
    char *at = strstr(line, "\"token\":\"");
    RV_ASSERT(at != NULL);
    at += strlen("\"token\":\"");
    at[strcspn(at, "\"")] = '\0';
    return rv_strdup(at);
}

void fleet_start(struct fleet *fleet, int index)
{
    struct fleet_node *node = &fleet->nodes[index];
    char http[40];
    char name[40];
    char listen_at[60];
    char address[60];
    snprintf(http, sizeof http, "--listen=127.0.0.1:%d", node->http_port);
    snprintf(name, sizeof name, "--set=node.name=%s", node->name);
    snprintf(listen_at, sizeof listen_at, "--set=cluster.listen=127.0.0.1:%d", node->link_port);
    snprintf(address, sizeof address, "--set=cluster.address=127.0.0.1:%d", node->proxy_port);
    const char *const with[] = {
        "serve", http, name, "--set=runtime.loops=1", fleet->lines ? listen_at : NULL,
        address, NULL};
    node->pid = start(fleet, with, node->name);
    for (int64_t end = fleet_now_us() + START_MS * 1000;;) {
        int fd = dial(node->http_port);
        if (fd >= 0) {
            close(fd);
            return;
        }
        int status = 0;
        if (waitpid(node->pid, &status, WNOHANG) == node->pid || fleet_now_us() > end) {
            node->pid = 0;
            give_up(fleet, "a node did not start");
        }
        fleet_nap(POLL_MS);
    }
}

void fleet_signal(struct fleet *fleet, int index, int signal_number)
{
    RV_ASSERT(fleet->nodes[index].pid > 0);
    kill(fleet->nodes[index].pid, signal_number);
    if (signal_number == SIGKILL || signal_number == SIGTERM) {
        fleet_reap(fleet, index);
    }
}

void fleet_reap(struct fleet *fleet, int index)
{
    struct fleet_node *node = &fleet->nodes[index];
    int status = 0;
    for (int64_t end = fleet_now_us() + STOP_MS * 1000;
         waitpid(node->pid, &status, WNOHANG) != node->pid;) {
        if (fleet_now_us() > end) {
            give_up(fleet, "a node does not end");
        }
        fleet_nap(POLL_MS);
    }
    node->pid = 0;
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (!killed) {
        fleet_check(fleet, WIFEXITED(status) && WEXITSTATUS(status) == 0,
                    "%s stops with status 0 (%d)", node->name, status);
    }
}

/* ---- the database ---- */

static int64_t ask(struct fleet *fleet, const char *sql)
{
    PGresult *result = PQexec(fleet->conn, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        fprintf(stderr, "%s\n", sql);
        give_up(fleet, PQerrorMessage(fleet->conn));
    }
    int64_t number = PQntuples(result) > 0 ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : 0;
    PQclear(result);
    return number;
}

static void spell(char sql[SQL_MAX], const char *format, va_list args)
{
    int length = vsnprintf(sql, SQL_MAX, format, args);
    RV_ASSERT(length > 0 && length < SQL_MAX);
}

int64_t fleet_number(struct fleet *fleet, const char *format, ...)
{
    char sql[SQL_MAX];
    va_list args;
    va_start(args, format);
    spell(sql, format, args);
    va_end(args);
    return ask(fleet, sql);
}

int64_t fleet_until(struct fleet *fleet, int64_t least, int within_ms, const char *format, ...)
{
    char sql[SQL_MAX];
    va_list args;
    va_start(args, format);
    spell(sql, format, args);
    va_end(args);
    int64_t begin = fleet_now_us();
    while (ask(fleet, sql) < least) {
        if (fleet_now_us() - begin > within_ms * INT64_C(1000)) {
            return -1;
        }
        fleet_nap(POLL_MS);
    }
    return fleet_now_us() - begin;
}

void fleet_runs(struct fleet *fleet, int tenant, int64_t first, int count, const char *about)
{
    fleet_number(
        fleet,
        "WITH ids AS (SELECT %" PRId64 " + n AS id FROM generate_series(0, %d - 1) AS n),"
        " keys AS (SELECT array_agg(encode(key, 'hex') ORDER BY key) AS list FROM exception"
        "           WHERE tenant_id = %d),"
        " input AS (INSERT INTO run_input (tenant_id, run_id, input)"
        "           SELECT %d, id, jsonb_build_object('exception', '%s'::jsonb || "
        "jsonb_build_object("
        "                  'key', list[1 + id %% array_length(list, 1)])) FROM ids, keys)"
        " INSERT INTO run (tenant_id, id, agent, plan_hash, status)"
        " SELECT %d, ids.id, a.name, a.active_hash, 'created' FROM ids, agent a"
        "  WHERE a.tenant_id = %d",
        first, count, tenant, tenant, about, tenant, tenant);
    /* as a committer elsewhere does */
    fleet_number(fleet, "SELECT 1 FROM pg_notify('reeve_wake', '%d')", tenant);
}

int fleet_owner(struct fleet *fleet, int tenant)
{
    for (int i = 0; i < fleet->node_count; i++) {
        if (fleet_number(
                fleet,
                "SELECT count(*) FROM tenant_head h JOIN node n ON n.node_id = h.owner_node"
                " WHERE h.tenant_id = %d AND n.host = '%s'"
                "   AND n.lease_until > clock_timestamp()",
                tenant, fleet->nodes[i].name) == 1) {
            return i;
        }
    }
    return -1;
}

int fleet_owned(struct fleet *fleet, int node)
{
    return (int)fleet_number(
        fleet,
        "SELECT count(*) FROM tenant_head h JOIN node n ON n.node_id = h.owner_node"
        " WHERE n.host = '%s' AND n.lease_until > clock_timestamp()",
        fleet->nodes[node].name);
}

bool fleet_balanced(struct fleet *fleet, int least, int most, int within_ms)
{
    for (int64_t end = fleet_now_us() + within_ms * INT64_C(1000); fleet_now_us() < end;) {
        bool good = true;
        for (int i = 0; i < fleet->node_count; i++) {
            int owned = fleet->nodes[i].pid > 0 ? fleet_owned(fleet, i) : least;
            good = good && owned >= least && owned <= most;
        }
        if (good) {
            return true;
        }
        fleet_nap(20);
    }
    return false;
}

/* ---- what must hold ---- */

bool fleet_check(struct fleet *fleet, bool good, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (!fleet->quiet || !good) {
        FILE *out = fleet->quiet ? stderr : stdout;
        fputs(good ? "ok    " : "FAIL  ", out);
        vfprintf(out, format, args);
        fputs("\n", out);
        fflush(out);
    }
    va_end(args);
    fleet->failures += !good;
    return good;
}

static const struct {
    const char *what;
    const char *sql; /* a number that must be 0 */
} invariants[] = {
    {"a run's effect twice",
     "SELECT count(*) FROM (SELECT FROM event WHERE type = 'exception.noted.v1'"
     "  AND command_id LIKE 'run:%' GROUP BY tenant_id, split_part(command_id, ':', 2)"
     "  HAVING count(*) > 1) x"},
    {"a run without its effect",
     "SELECT count(*) FROM run r WHERE r.status = 'done' AND NOT EXISTS (SELECT FROM event e"
     "  WHERE e.tenant_id = r.tenant_id AND e.type = 'exception.noted.v1'"
     "    AND split_part(e.command_id, ':', 2) = r.id::text)"},
    {"a run that is not done", "SELECT count(*) FROM run WHERE status <> 'done'"},
    {"a step that says executed without its command",
     "SELECT count(*) FROM journal j WHERE j.kind = 7 AND NOT EXISTS (SELECT FROM command_log c"
     "  WHERE c.tenant_id = j.tenant_id AND c.command_id = 'run:' || j.run_id || ':' || j.seq)"},
    {"a hole in a journal",
     "SELECT count(*) FROM (SELECT FROM journal GROUP BY run_id HAVING max(seq) <> count(*)) x"},
    {"a hole in the events",
     "SELECT count(*) FROM (SELECT FROM event GROUP BY tenant_id HAVING max(seq) <> count(*)) x"},
    {"a hole in the audit record",
     "SELECT count(*) FROM tenant_head h WHERE h.audit_size <> (SELECT count(*) FROM audit_record a"
     "  WHERE a.tenant_id = h.tenant_id)"},
    {"an effect without its audit record",
     "SELECT count(*) FROM journal j WHERE j.kind IN (7, 10) AND NOT EXISTS (SELECT FROM "
     "audit_record a"
     "  WHERE a.tenant_id = j.tenant_id AND a.run_id = j.run_id AND a.step = j.seq"
     "    AND a.kind = 'outcome')"},
    {"an event without its command",
     "SELECT count(*) FROM event e WHERE NOT EXISTS (SELECT FROM command_log c"
     "  WHERE c.tenant_id = e.tenant_id AND c.command_id = e.command_id)"},
};

void fleet_invariants(struct fleet *fleet)
{
    for (size_t i = 0; i < RV_COUNT(invariants); i++) {
        int64_t found = ask(fleet, invariants[i].sql);
        fleet_check(fleet, found == 0, "never %s (%" PRId64 ")", invariants[i].what, found);
    }
    for (int tenant = 1; tenant <= fleet->companies; tenant++) {
        char name[16];
        char option[40];
        snprintf(name, sizeof name, "c%d", tenant);
        snprintf(option, sizeof option, "--company=%s", name);
        fleet_check(fleet,
                    fleet_reeve(fleet, (const char *const[]){"company", "check", name, NULL}) == 0,
                    "company check %s", name);
        fleet_check(fleet,
                    fleet_reeve(fleet, (const char *const[]){"audit", "verify", option, NULL}) == 0,
                    "audit verify %s", name);
        fleet_check(fleet,
                    fleet_reeve(fleet, (const char *const[]){"ledger", "check", option, NULL}) == 0,
                    "ledger check %s", name);
    }
}
