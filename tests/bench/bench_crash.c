/* bench_crash.c -- the real program is killed at random moments, and its PostgreSQL stopped without
 * warning; then everything is counted: no effect twice, none missing, none without its audit
 * record.
 *
 *   prepare a company -> import its documents -> exception run -> to rest, count -> the next
 * company (policy, people)     ^ killed at any instant, started again, killed again, …
 *
 * A kill counts only when it hits a process that was at work; what is finished is not killed, a
 * fresh company is begun instead.  The first company is never disturbed and shows what the others
 * must come to.
 *
 *   counted_effects     what was looked at: the events of all companies
 *   duplicate_effects   more of anything than there (documents, postings, matches, open items,
 *                       exceptions), one thing done twice, limits taken twice for one action
 *   missing_effects     less of anything, runs that stand still, steps without their effect, gaps
 *   unaudited_effects   steps of runs without their audit record, records that do not verify
 *   recover_s           from the kill to the next durable progress, or to the end when nothing was
 *                       left: the median; also recover_p99_s, recover_max_s
 *
 * --kills N (20), --stops M of PostgreSQL (N / 4), --seed S (from the clock, printed).  Run it from
 * the repository's root.
 */
#include "tests/bench/bench_crash.h"

#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/random.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern const struct bench bench_crash;

enum {
    KILLS_DEFAULT = 20,
    IMPORT_MS =
        900,       /* a kill falls within so much of an import, which takes two to three seconds */
    RUN_MS = 700,  /* and of a run of the exceptions, which takes about one */
    MORE_RUNS = 3, /* what one run of the exceptions settles lets the next post */
    HITS_PER_DOUBLING = 3, /* so that each step ends some time, also on a slow machine */
    AFTER_STOP_MS = 300, /* what the program may do without its database before it is killed too */
    POLL_MS = 3,
    SERVER_MAX_US = 30000000, /* until a server that was stopped is up again */
    FAILURES_MAX = 20,        /* in a row, without a kill: something else is wrong */
    CENSUS_MAX = 256,
    ARGUMENTS_MAX = 512
};

struct count {
    char name[96];
    int64_t number;
};

struct census {
    struct count list[CENSUS_MAX];
    int count;
};

struct crash {
    const struct bench_run *run;
    const char *bench, *name; /* of what is reported */
    char program[1024];
    char state[64];
    char uri[512];
    char pid_file[256]; /* of the postmaster */
    struct rv_random random;
    PGconn *conn;
    int32_t company; /* tenant at work */
    int step;        /* see steps */
    int hits;        /* of this step of this company: each gives the next one more time */
    int hits_of[2];  /* of each step, all companies */
    int64_t killed_us;
    int64_t mark; /* progress before the next start; -1: the server was away */
    struct bench_samples recovered;
    int kills, stops;
    struct census reference;
    int64_t effects; /* of all companies, the undisturbed one too */
    int64_t duplicate, missing, unaudited;
};

static int64_t now_us(void)
{
    return rv_mono_us(rv_clock_system());
}

static void nap(int ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

/* ---- the program ---- */

/* `words` end with NULL; a word with a star is a pattern of files. */
static pid_t start(const struct crash *crash, const char *const *words)
{
    pid_t pid = fork();
    RV_ASSERT(pid >= 0);
    if (pid > 0) {
        return pid;
    }
    char company[32];
    char log[96];
    snprintf(company, sizeof company, "--company=c%d", crash->company);
    snprintf(log, sizeof log, "%s/log", crash->state);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    char *argv[ARGUMENTS_MAX] = {(char *)(uintptr_t)crash->program};
    int count = 1;
    for (; *words != NULL; words++) {
        glob_t files;
        if (strchr(*words, '*') == NULL || glob(*words, 0, NULL, &files) != 0) {
            argv[count++] = (char *)(uintptr_t)*words;
            continue;
        }
        for (size_t i = 0; i < files.gl_pathc && count < ARGUMENTS_MAX - 2; i++) {
            argv[count++] = files.gl_pathv[i];
        }
    }
    if (crash->company > 0) {
        argv[count++] = company;
    }
    execv(crash->program, argv);
    _exit(127);
}

static void fail(const struct crash *crash, const char *what)
{
    fprintf(stderr, "crash: %s; the program's words stand in %s/log\n", what, crash->state);
    exit(EXIT_FAILURE);
}

static void must(const struct crash *crash, const char *const *words)
{
    int status = 0;
    waitpid(start(crash, words), &status, 0);
    if (status != 0) {
        fail(crash, words[0]);
    }
}

/* The first line of what the program prints that begins with `key`, after it. */
static void ask_program(const struct crash *crash, const char *words, const char *key, char *out,
                        size_t size)
{
    char command[1200];
    char line[1024];
    snprintf(command, sizeof command, "'%s' %s", crash->program, words);
    FILE *pipe = popen(command, "r");
    RV_ASSERT(pipe != NULL);
    out[0] = '\0';
    while (fgets(line, sizeof line, pipe) != NULL) {
        if (out[0] == '\0' && strncmp(line, key, strlen(key)) == 0) {
            char *value = line + strlen(key) + strspn(line + strlen(key), " ");
            value[strcspn(value, "\n")] = '\0';
            snprintf(out, size, "%s", value);
        }
    }
    pclose(pipe);
}

/* ---- what the database says ---- */

static void ignore_notice(void *data, const char *text)
{
    (void)data;
    (void)text; /* that the server goes down is what we asked for */
}

/* As the service role, within the company; NULL while the server is away. */
static PGresult *look(struct crash *crash, const char *sql)
{
    if (crash->conn != NULL && PQstatus(crash->conn) != CONNECTION_OK) {
        PQfinish(crash->conn);
        crash->conn = NULL;
    }
    if (crash->conn == NULL) {
        crash->conn = PQconnectdb(crash->uri);
        PQsetNoticeProcessor(crash->conn, ignore_notice, NULL);
        PQclear(PQexec(crash->conn, "SET ROLE reeve_app"));
    }
    char tenant[64];
    snprintf(tenant, sizeof tenant, "SET reeve.tenant = %d", crash->company);
    PQclear(PQexec(crash->conn, tenant));
    PGresult *result = PQexec(crash->conn, sql);
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        bool away = PQstatus(crash->conn) != CONNECTION_OK;
        if (!away && PQresultErrorField(result, PG_DIAG_SQLSTATE) != NULL &&
            strncmp(PQresultErrorField(result, PG_DIAG_SQLSTATE), "57", 2) != 0) {
            fprintf(stderr, "crash: %s", PQresultErrorMessage(result));
        }
        PQclear(result);
        PQfinish(crash->conn);
        crash->conn = NULL;
        return NULL;
    }
    return result;
}

/* -1 while the server is away. */
static int64_t number(struct crash *crash, const char *sql)
{
    PGresult *result = look(crash, sql);
    if (result == NULL) {
        return -1;
    }
    int64_t value = PQntuples(result) == 1 ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : -1;
    PQclear(result);
    return value;
}

static int64_t progress(struct crash *crash)
{
    return number(crash, "SELECT event_seq + audit_size FROM tenant_head");
}

static int64_t number_for_sure(struct crash *crash, const char *sql)
{
    int64_t value = -1;
    for (int i = 0; i < 100 && value < 0; i++) {
        value = number(crash, sql);
        nap(value < 0 ? 100 : 0);
    }
    if (value < 0) {
        fail(crash, sql);
    }
    return value;
}

/* What a company comes to when its work is done.  The road there may differ: which exception is
 * found first, and which request meets a day's limit first, depends on the moment; so runs are not
 * compared but checked. */
static void take_census(struct crash *crash, struct census *out)
{
    PGresult *result =
        look(crash, "SELECT 'event ' || type, count(*) FROM event WHERE type NOT LIKE 'exception%'"
                    "        AND command_id NOT LIKE 'run:%' GROUP BY 1"
                    " UNION ALL SELECT 'posting ' || doc_kind, count(*) FROM je GROUP BY 1"
                    " UNION ALL SELECT 'bank line', count(*) FROM bank_line"
                    " UNION ALL SELECT 'match ' || state, count(*) FROM match GROUP BY 1"
                    " UNION ALL SELECT 'invoice ' || state, count(*) FROM invoice GROUP BY 1"
                    " UNION ALL SELECT 'open item', sum(amount)::bigint FROM open_item"
                    " UNION ALL SELECT 'open exception ' || type, count(*) FROM exception"
                    "        WHERE state = 'open' GROUP BY 1");
    if (result == NULL) {
        fail(crash, "the census");
    }
    out->count = 0;
    for (int i = 0; i < PQntuples(result) && i < CENSUS_MAX; i++) {
        struct count *count = &out->list[out->count++];
        snprintf(count->name, sizeof count->name, "%s", PQgetvalue(result, i, 0));
        count->number = strtoll(PQgetvalue(result, i, 1), NULL, 10);
    }
    PQclear(result);
}

static int64_t in_census(const struct census *census, const char *name)
{
    for (int i = 0; i < census->count; i++) {
        if (strcmp(census->list[i].name, name) == 0) {
            return census->list[i].number;
        }
    }
    return 0;
}

/* More of it, or less of it, than in the company that nobody disturbed. */
static void compare(struct crash *crash)
{
    struct census census;
    take_census(crash, &census);
    for (int pass = 0; pass < 2; pass++) {
        const struct census *list = pass == 0 ? &census : &crash->reference;
        const struct census *other = pass == 0 ? &crash->reference : &census;
        for (int i = 0; i < list->count; i++) {
            int64_t more = list->list[i].number - in_census(other, list->list[i].name);
            if (more > 0) {
                fprintf(stderr, "crash: company c%d has %" PRId64 " %s \"%s\"\n", crash->company,
                        more, pass == 0 ? "too many of" : "too few of", list->list[i].name);
                *(pass == 0 ? &crash->duplicate : &crash->missing) += more;
            }
        }
    }
}

/* What each agent took of its day's actions, and what it did of them (policies/default.lua). */
#define LIMITS                                                                                     \
    "(SELECT coalesce(l.n, 0) AS taken, coalesce(d.n, 0) AS done FROM"                             \
    "  (SELECT key, sum(used) AS n FROM limit_use WHERE rule = 'day.actions' GROUP BY 1) l"        \
    "  FULL JOIN (SELECT 'agent=' || r.agent AS key, count(*) AS n FROM command_log c"             \
    "    JOIN run r ON r.id = split_part(c.command_id, ':', 2)::bigint"                            \
    "    WHERE c.command_id LIKE 'run:%' AND c.outcome = 'applied' AND c.name IN"                  \
    "     ('invoice.hold', 'invoice.link_order', 'invoice.reject', 'invoice.confirm_distinct',"    \
    "      'exception.note', 'exception.snooze', 'exception.resolve')"                             \
    "    GROUP BY 1) d USING (key)) x"

/* What must hold in any company, whatever happened. */
static void check_books(struct crash *crash)
{
    static const char *const audit[] = {"audit", "verify", NULL};
    static const char *const ledger[] = {"ledger", "check", NULL};
    crash->effects += number_for_sure(crash, "SELECT count(*) FROM event");
    crash->duplicate += number_for_sure(
        crash,
        "SELECT (SELECT count(*) - count(DISTINCT command_id) FROM command_log)"
        " + (SELECT count(*) FROM (SELECT FROM match WHERE state = 'active' GROUP BY bank_line"
        "                          HAVING count(*) > 1) x)"
        " + (SELECT count(*) FROM (SELECT FROM je WHERE doc_kind = 'invoice' AND reverses IS NULL"
        "        AND reversed_by IS NULL GROUP BY doc_id HAVING count(*) > 1) x)"
        " + (SELECT count(*) FROM (SELECT FROM approval GROUP BY run_id, seq HAVING count(*) > 1) "
        "x)"
        " + (SELECT coalesce(sum(greatest(taken - done, 0)), 0)::bigint FROM " LIMITS ")"
        " + (SELECT count(*) FROM (SELECT FROM run WHERE status = 'waiting' GROUP BY business_key"
        "                          HAVING count(*) > 1) x)");
    crash->missing += number_for_sure(
        crash,
        "SELECT (SELECT count(*) FROM journal j WHERE j.kind = 7"
        "  AND convert_from(substr(j.out, 2), 'UTF8')::jsonb->>'result' = 'executed' AND NOT EXISTS"
        "  (SELECT FROM command_log c WHERE c.command_id = 'run:' || j.run_id || ':' || j.seq))"
        " + (SELECT count(*) FROM run WHERE status NOT IN ('done', 'failed', 'cancelled',"
        "                                                   'compensated', 'waiting'))"
        " + (SELECT coalesce(max(seq), 0) - count(*) FROM event)"
        " + (SELECT coalesce(sum(greatest(done - taken, 0)), 0)::bigint FROM " LIMITS ")");
    crash->unaudited += number_for_sure(
        crash, "SELECT (SELECT count(*) FROM journal j WHERE j.kind IN (7, 10) AND NOT EXISTS"
               "  (SELECT FROM audit_record a WHERE a.run_id = j.run_id AND a.step = j.seq"
               "    AND a.kind = 'outcome'))"
               " + (SELECT count(*) FROM event e WHERE NOT EXISTS"
               "  (SELECT FROM command_log c WHERE c.command_id = e.command_id))");
    int status = 0;
    waitpid(start(crash, audit), &status, 0);
    crash->unaudited += status != 0;
    waitpid(start(crash, ledger), &status, 0);
    crash->missing += status != 0;
}

/* ---- the work ---- */

#define COMPANY "scripts/demo/company/"
static const char *const import_words[] = {"import",
                                           COMPANY "master.json",
                                           COMPANY "orders/*.xml",
                                           COMPANY "receipts/*.xml",
                                           COMPANY "invoices/*.xml",
                                           COMPANY "creditnotes/*.xml",
                                           COMPANY "statements/*.xml",
                                           NULL};
static const char *const run_words[] = {"exception", "run", NULL};
static const struct {
    const char *const *words;
    int within_ms;
} steps[] = {{import_words, IMPORT_MS}, {run_words, RUN_MS}};
enum { STEPS = sizeof steps / sizeof steps[0] };

/* A fresh company; nobody kills this. */
static void prepare(struct crash *crash, int32_t company)
{
    char name[16];
    const char *const create[] = {"company", "create", name, "--currency", "EUR", NULL};
    static const char *const load[] = {"policy", "load", "policies/default.lua", NULL};
    static const char *const publish[] = {"agent", "publish", "agents/*/agent.lua", NULL};
    static const char *const manager[] = {"person",  "add",        "manager",
                                          "--roles", "ap.manager", NULL};
    snprintf(name, sizeof name, "c%d", company);
    crash->company = 0;
    must(crash, create);
    crash->company = company;
    must(crash, load);
    must(crash, publish);
    must(crash, manager);
    crash->step = 0;
}

static void note_recovery(struct crash *crash, bool ended)
{
    if (crash->killed_us == 0) {
        return;
    }
    int64_t at = ended ? 0 : progress(crash);
    if (ended || (crash->mark >= 0 && at > crash->mark)) {
        bench_sample(&crash->recovered, now_us() - crash->killed_us);
        crash->killed_us = 0;
    } else if (crash->mark < 0) {
        crash->mark = at;
    }
}

/* Until the process ends or the time is over; true when it ended, with its status. */
static bool watch(struct crash *crash, pid_t pid, int64_t until_us, int *status)
{
    while (until_us == 0 || now_us() < until_us) {
        pid_t ended = waitpid(pid, status, WNOHANG);
        note_recovery(crash, ended == pid && *status == 0);
        if (ended == pid) {
            return true;
        }
        nap(POLL_MS);
    }
    return false;
}

/* 0: the server is on its way down or up. */
static int postmaster(const struct crash *crash)
{
    FILE *file = fopen(crash->pid_file, "r");
    int pid = 0;
    if (file != NULL) {
        pid = fscanf(file, "%d", &pid) == 1 && pid > 1 ? pid : 0;
        fclose(file);
    }
    return pid;
}

static void stop_postgres(struct crash *crash)
{
    int pid = 0;
    for (int64_t until_us = now_us() + SERVER_MAX_US; (pid = postmaster(crash)) == 0;) {
        if (now_us() > until_us) {
            fail(crash, "no postmaster.pid");
        }
        nap(POLL_MS);
    }
    kill(pid, SIGQUIT); /* immediate: no checkpoint, recovery at the next start */
    crash->stops++;
}

/* One process of the work, which is hit or ends. */
static void disturb(struct crash *crash, int kills, int stops, int *failures)
{
    int status = 0;
    int left = kills - crash->kills + stops - crash->stops;
    bool stop = (int)rv_random_below(&crash->random, (uint64_t)left) < stops - crash->stops;
    int within_ms =
        steps[crash->step].within_ms * (HITS_PER_DOUBLING + crash->hits) / HITS_PER_DOUBLING;
    int64_t until_us =
        now_us() + 1000 * (10 + (int64_t)rv_random_below(&crash->random, (uint64_t)within_ms));
    pid_t pid = start(crash, steps[crash->step].words);
    if (watch(crash, pid, until_us, &status)) {
        *failures = status == 0 ? 0 : *failures + 1;
        crash->step += status == 0;
        crash->hits = status == 0 ? 0 : crash->hits;
        if (*failures > FAILURES_MAX) {
            fail(crash, "the work fails again and again");
        }
        return;
    }
    crash->killed_us = 0;
    crash->hits++;
    crash->hits_of[crash->step]++;
    int64_t hit_us = now_us();
    bool ended = false;
    if (stop) {
        stop_postgres(crash);
        ended = watch(crash, pid, hit_us + AFTER_STOP_MS * 1000, &status);
    } else {
        crash->kills++;
    }
    if (!ended) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
    }
    crash->killed_us = hit_us;
    crash->mark = progress(crash); /* what its last transaction still brought is not recovery */
    *failures = 0;
}

/* To the end, undisturbed, and until another run of the exceptions finds nothing to do. */
static void finish(struct crash *crash)
{
    for (int failures = 0; crash->step < STEPS + MORE_RUNS;) {
        int status = 0;
        int step = crash->step < STEPS ? crash->step : STEPS - 1;
        watch(crash, start(crash, steps[step].words), 0, &status);
        crash->step += status == 0;
        failures += status != 0;
        if (failures > FAILURES_MAX) {
            fail(crash, "the work does not end");
        }
    }
}

static void open_state(struct crash *crash)
{
    ssize_t n = readlink("/proc/self/exe", crash->program, sizeof crash->program - 16);
    RV_ASSERT(n > 0);
    crash->program[n] = '\0';
    snprintf(strrchr(crash->program, '/'), 16, "/reeve");
    snprintf(crash->state, sizeof crash->state, "/tmp/reeve-crash-XXXXXX");
    RV_ASSERT(mkdtemp(crash->state) != NULL);
    setenv("REEVE_STATE", crash->state, 1);
    setenv("REEVE_MODEL_PATH", "none", 1); /* the rules alone are measured */
    unsetenv("REEVE_DATABASE");
    unsetenv("REEVE_DATABASE_URI");
    static const char *const start_words[] = {"db", "start", NULL};
    must(crash, start_words);
    char data[200];
    ask_program(crash, "db uri", "postgres", crash->uri + strlen("postgres"),
                sizeof crash->uri - strlen("postgres"));
    memcpy(crash->uri, "postgres", strlen("postgres"));
    ask_program(crash, "db status", "data", data, sizeof data);
    snprintf(crash->pid_file, sizeof crash->pid_file, "%s/postmaster.pid", data);
}

static void close_state(struct crash *crash)
{
    static const char *const stop_words[] = {"db", "stop", NULL};
    crash->company = 0;
    PQfinish(crash->conn);
    bench_samples_free(&crash->recovered);
    must(crash, stop_words);
    if (crash->duplicate + crash->missing + crash->unaudited > 0) {
        fprintf(stderr, "crash: the companies are kept for a look: REEVE_STATE=%s\n", crash->state);
        return;
    }
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", crash->state);
    RV_ASSERT(system(command) == 0);
}

static void report(const struct crash *crash, struct bench_samples *recovered, double seconds)
{
    const char *bench = crash->bench;
    const char *name = crash->name;
    const struct bench_run *run = crash->run;
    bench_report(run, bench, name, "kills", crash->kills, "");
    bench_report(run, bench, name, "stops", crash->stops, "");
    bench_report(run, bench, name, "companies", crash->company, "");
    bench_report(run, bench, name, "hits_of_import", crash->hits_of[0], "");
    bench_report(run, bench, name, "hits_of_run", crash->hits_of[1], "");
    bench_report(run, bench, name, "counted_effects", (double)crash->effects, "");
    bench_report(run, bench, name, "duplicate_effects", (double)crash->duplicate, "");
    bench_report(run, bench, name, "missing_effects", (double)crash->missing, "");
    bench_report(run, bench, name, "unaudited_effects", (double)crash->unaudited, "");
    bench_report(run, bench, name, "recover_s", bench_percentile_ms(recovered, 50) / 1000, "s");
    bench_report(run, bench, name, "recover_p99_s", bench_percentile_ms(recovered, 99) / 1000, "s");
    bench_report(run, bench, name, "recover_max_s", bench_percentile_ms(recovered, 100) / 1000,
                 "s");
    bench_report(run, bench, name, "seconds_per_kill", seconds / (crash->kills + crash->stops),
                 "s");
}

void bench_crash_run(const struct bench_run *run, const char *bench, const char *name)
{
    int kills = run->kills >= 0 ? run->kills : KILLS_DEFAULT;
    int stops = run->stops >= 0 ? run->stops : kills / 4;
    int64_t seed = run->seed != 0 ? run->seed : rv_now_us(rv_clock_system()) % 1000000007;
    if (access("policies/default.lua", R_OK) != 0 || access(COMPANY "master.json", R_OK) != 0) {
        fprintf(stderr, "crash: run it from the repository's root\n");
        return;
    }
    struct crash *crash = rv_alloc(sizeof *crash);
    crash->run = run;
    crash->bench = bench;
    crash->name = name;
    crash->random = (struct rv_random){(uint64_t)seed};
    bench_report(run, bench, name, "seed", (double)seed, "");
    open_state(crash);
    prepare(crash, 1);
    finish(crash);
    take_census(crash, &crash->reference);
    check_books(crash);
    int64_t begin = now_us();
    int failures = 0;
    prepare(crash, 2);
    while (crash->kills < kills || crash->stops < stops) {
        if (crash->step == STEPS) {
            finish(crash);
            compare(crash);
            check_books(crash);
            prepare(crash, crash->company + 1);
        }
        disturb(crash, kills, stops, &failures);
    }
    finish(crash);
    compare(crash);
    check_books(crash);
    report(crash, &crash->recovered, (double)(now_us() - begin) / 1e6);
    close_state(crash);
    rv_free(crash);
}

static void crash_run(const struct bench_run *run)
{
    bench_crash_run(run, "crash", "crash");
}

const struct bench bench_crash = {
    "crash", "kill -9 and database stops at random moments of the real work, effects counted",
    crash_run};
