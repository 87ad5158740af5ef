/* postgres.c -- see postgres.h.  initdb and postgres are run directly; pg_ctl is not needed.
 *
 * Logins of the server: reeve_test (superuser), reeve_migrate (member of reeve_owner, no more) and
 * reeve (member of reeve_app, no more): the roles of production, see runtime/db/sql/roles.sql. */
#include "tests/support/postgres.h"

#include "db_sql.h"
#include "runtime/base/check.h"
#include "runtime/db/migrate.h"
#include "tests/support/skip.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char base[64];
static char bin[256];
static pid_t server;
static pid_t owner; /* the process that started it, and alone stops it */
static int counter;
static enum test_postgres_durability mode;

static void become_postgres(void)
{
    if (geteuid() != 0) {
        return;
    }
    const struct passwd *user = getpwnam("postgres");
    user = user != NULL ? user : getpwnam("nobody");
    if (user == NULL || setgroups(0, NULL) != 0 || setgid(user->pw_gid) != 0 ||
        setuid(user->pw_uid) != 0) {
        _exit(126);
    }
    prctl(PR_SET_PDEATHSIG, SIGINT); /* after the change of user, which clears it */
}

static pid_t spawn(const char *const argv[], const char *log)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (chdir("/") != 0) {
            _exit(126);
        }
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0666);
        dup2(fd, 1);
        dup2(fd, 2);
        setsid();
        prctl(PR_SET_PDEATHSIG, SIGINT);
        become_postgres();
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return pid;
}

static void find_binaries(void)
{
    glob_t found;
    if (glob("/usr/lib/postgresql/*/bin/postgres", 0, NULL, &found) != 0) {
        printf("SKIP: PostgreSQL is not installed (package postgresql-15)\n");
        exit(TEST_SKIP_STATUS);
    }
    snprintf(bin, sizeof bin, "%s", found.gl_pathv[found.gl_pathc - 1]);
    *strrchr(bin, '/') = '\0';
    globfree(&found);
}

static void server_uri(char out[256], const char *database, const char *user)
{
    snprintf(out, 256, "host=%s dbname=%s user=%s connect_timeout=5 gssencmode=disable", base,
             database, user);
}

static void launch(void)
{
    char data[128];
    char program[300];
    char log[128];
    snprintf(data, sizeof data, "%s/data", base);
    snprintf(program, sizeof program, "%s/postgres", bin);
    snprintf(log, sizeof log, "%s/log", base);
    char socket[160];
    snprintf(socket, sizeof socket, "unix_socket_directories=%s", base);
    char fsync[16];
    snprintf(fsync, sizeof fsync, "fsync=%s", mode == TEST_PG_FSYNC ? "on" : "off");
    const char *const argv[] = {program,
                                "-D",
                                data,
                                "-c",
                                socket,
                                "-c",
                                "listen_addresses=",
                                "-c",
                                fsync,
                                "-c",
                                "max_connections=100",
                                "-c",
                                "shared_buffers=256MB",
                                "-c",
                                "max_wal_size=4GB",
                                "-c",
                                "min_wal_size=1GB",
                                "-c",
                                "autovacuum_naptime=10s",
                                NULL};
    server = spawn(argv, log);
    char uri[256];
    server_uri(uri, "postgres", "reeve_test");
    for (int i = 0; i < 600; i++) {
        PGconn *conn = PQconnectdb(uri);
        bool up = PQstatus(conn) == CONNECTION_OK;
        PQfinish(conn);
        if (up) {
            return;
        }
        if (waitpid(server, NULL, WNOHANG) == server) {
            server = spawn(argv, log); /* children of a killed server may still be going away */
        }
        struct timespec wait = {.tv_nsec = 50000000};
        nanosleep(&wait, NULL);
    }
    fprintf(stderr, "the test server did not start; see %s\n", log);
    exit(EXIT_FAILURE);
}

static void stop(void)
{
    if (server == 0 || getpid() != owner) {
        return;
    }
    kill(server, SIGINT);
    waitpid(server, NULL, 0);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", base);
    if (system(command) != 0) {
        fprintf(stderr, "could not remove %s\n", base);
    }
}

void test_postgres_start(enum test_postgres_durability durability)
{
    mode = durability;
    owner = getpid();
    if (getenv("REEVE_TEST_PG") != NULL) {
        return;
    }
    find_binaries();
    snprintf(base, sizeof base, "/tmp/rvt-XXXXXX");
    RV_ASSERT(mkdtemp(base) != NULL);
    RV_ASSERT(chmod(base, 0777) == 0);
    char data[128];
    char program[300];
    char log[128];
    snprintf(data, sizeof data, "%s/data", base);
    snprintf(program, sizeof program, "%s/initdb", bin);
    snprintf(log, sizeof log, "%s/log", base);
    const char *const argv[] = {program,      "-D", data,   "--no-sync",        "-A", "trust", "-U",
                                "reeve_test", "-E", "UTF8", "--locale=C.UTF-8", NULL};
    int status = 0;
    pid_t pid = spawn(argv, log);
    RV_ASSERT(waitpid(pid, &status, 0) == pid);
    if (status != 0) {
        fprintf(stderr, "initdb failed; see %s\n", log);
        exit(EXIT_FAILURE);
    }
    atexit(stop);
    launch();
}

void test_postgres_execute(const char *uri, const char *sql)
{
    PGconn *conn = PQconnectdb(uri);
    PGresult *result = PQexec(conn, sql);
    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK) {
        fprintf(stderr, "%s: %s\n", sql, PQerrorMessage(conn));
        abort();
    }
    PQclear(result);
    PQfinish(conn);
}

/* After a crash test its server died with that test's process: this one gets its own. */
static void ensure_server(void)
{
    char uri[256];
    server_uri(uri, "postgres", "reeve_test");
    PGconn *conn = PQconnectdb(uri);
    bool up = PQstatus(conn) == CONNECTION_OK;
    PQfinish(conn);
    if (!up) {
        launch();
    }
}

/* URI of a database, for `user` on our own server; on another one as $REEVE_TEST_PG says. */
static void uri_of(char out[512], const char *database, const char *user)
{
    const char *outside = getenv("REEVE_TEST_PG");
    if (outside == NULL) {
        server_uri(out, database, user);
        return;
    }
    PQconninfoOption *options = PQconninfoParse(outside, NULL);
    RV_ASSERT(options != NULL);
    size_t used = 0;
    for (PQconninfoOption *at = options; at->keyword != NULL; at++) {
        if (at->val != NULL && strcmp(at->keyword, "dbname") != 0) {
            used += (size_t)snprintf(out + used, 512 - used, "%s='%s' ", at->keyword, at->val);
            RV_ASSERT(used < 512);
        }
    }
    PQconninfoFree(options);
    snprintf(out + used, 512 - used, "dbname=%s", database);
}

static void create(const char *admin, const char *name, const char *from)
{
    char sql[256];
    snprintf(sql, sizeof sql, "CREATE DATABASE %s TEMPLATE %s%s", name, from,
             getenv("REEVE_TEST_PG") == NULL ? " OWNER reeve_owner" : "");
    test_postgres_execute(admin, sql);
}

static bool exists(const char *admin, const char *name)
{
    PGconn *conn = PQconnectdb(admin);
    const char *values[1] = {name};
    PGresult *result = PQexecParams(conn, "SELECT 1 FROM pg_database WHERE datname = $1", 1, NULL,
                                    values, NULL, NULL, 0);
    bool found = PQntuples(result) == 1;
    PQclear(result);
    PQfinish(conn);
    return found;
}

/* The migrations run once per server and set of rooms; each test gets a copy of the result. */
static void ensure_template(const char *admin, const char *name,
                            const struct rv_migration *const *rooms)
{
    if (exists(admin, name)) {
        return;
    }
    char making[64];
    snprintf(making, sizeof making, "%s_%d", name, (int)getpid());
    create(admin, making, "template1");
    char uri[512];
    uri_of(uri, making, "reeve_migrate");
    struct rv_error err = {.code = RV_OK};
    int applied = 0;
    struct rv_migrate how = {.owner_uri = uri, .rooms = rooms};
    if (rv_migrate(&how, &applied, &err) != RV_OK) {
        fprintf(stderr, "%s (%s) %s\n", err.message, err.detail, err.hint);
        abort();
    }
    char sql[256];
    snprintf(sql, sizeof sql, "ALTER DATABASE %s RENAME TO %s", making, name);
    PGconn *conn = PQconnectdb(admin);
    PGresult *result = PQexec(conn, sql);
    bool renamed = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    PQfinish(conn);
    if (!renamed) { /* another program on the same server was faster */
        snprintf(sql, sizeof sql, "DROP DATABASE %s", making);
        test_postgres_execute(admin, sql);
        RV_ASSERT(exists(admin, name));
    }
}

char *test_postgres_database(const struct rv_migration *const *rooms)
{
    char name[64];
    char template[64];
    char admin[512];
    const char *outside = getenv("REEVE_TEST_PG");
    if (outside == NULL) {
        ensure_server();
        server_uri(admin, "postgres", "reeve_test");
        /* what an administrator runs once, see runtime/README.md */
        test_postgres_execute(
            admin, "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'reeve') THEN "
                   "CREATE ROLE reeve_owner NOLOGIN; CREATE ROLE reeve_app NOLOGIN; "
                   "CREATE ROLE reeve_migrate LOGIN; GRANT reeve_owner TO reeve_migrate; "
                   "CREATE ROLE reeve LOGIN; GRANT reeve_app TO reeve; END IF; END $$");
    } else {
        snprintf(admin, sizeof admin, "%s", outside);
    }
    uint64_t hash = 1469598103934665603u; /* FNV-1a over all names and texts */
    for (const struct rv_migration *const *room = rooms; *room != NULL; room++) {
        for (const struct rv_migration *one = *room; one->name != NULL; one++) {
            for (const char *at = one->text; *at != '\0'; at++) {
                hash = (hash ^ (unsigned char)*at) * 1099511628211u;
            }
        }
    }
    const char *const frame[] = {rv_sql_roles_owner.text, rv_sql_security_apply.text};
    for (size_t i = 0; i < RV_COUNT(frame); i++) {
        for (const char *at = frame[i]; *at != '\0'; at++) {
            hash = (hash ^ (unsigned char)*at) * 1099511628211u;
        }
    }
    snprintf(template, sizeof template, "rvt_%016llx", (unsigned long long)hash);
    ensure_template(admin, template, rooms);
    snprintf(name, sizeof name, "t_%d_%d_%d", (int)getpid(), counter++, (int)(time(NULL) % 100000));
    create(admin, name, template);
    char *uri = rv_alloc(512);
    uri_of(uri, name, "reeve");
    return uri;
}

static char *as_login(const char *database_uri, const char *login)
{
    char *uri = rv_alloc(512);
    const char *user = strstr(database_uri, "user=reeve ");
    if (getenv("REEVE_TEST_PG") != NULL || user == NULL) {
        snprintf(uri, 512, "%s", database_uri);
    } else {
        snprintf(uri, 512, "%.*suser=%s %s", (int)(user - database_uri), database_uri, login,
                 user + strlen("user=reeve "));
    }
    return uri;
}

char *test_postgres_superuser(const char *database_uri)
{
    return as_login(database_uri, "reeve_test");
}

char *test_postgres_migrator(const char *database_uri)
{
    return as_login(database_uri, "reeve_migrate");
}

int test_postgres_pid(void)
{
    return (int)server;
}

/* Every backend makes its own session, so they are found by their parent. */
static void kill_children(void)
{
    glob_t found;
    if (glob("/proc/[0-9]*/stat", 0, NULL, &found) != 0) {
        return;
    }
    for (size_t i = 0; i < found.gl_pathc; i++) {
        FILE *file = fopen(found.gl_pathv[i], "r");
        char text[512] = "";
        int parent = 0;
        if (file == NULL) {
            continue;
        }
        size_t length = fread(text, 1, sizeof text - 1, file);
        fclose(file);
        text[length] = '\0';
        const char *after = strrchr(text, ')');
        if (after != NULL && sscanf(after + 1, " %*c %d", &parent) == 1 && parent == (int)server) {
            kill(atoi(text), SIGKILL);
        }
    }
    globfree(&found);
}

void test_postgres_crash(void)
{
    RV_ASSERT(server > 0); /* not with a server of somebody else */
    char file[128];
    kill(server, SIGSTOP); /* so that it starts no new ones meanwhile */
    kill_children();
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    struct timespec wait = {.tv_nsec = 100000000};
    nanosleep(&wait, NULL);
    snprintf(file, sizeof file, "%s/data/postmaster.pid", base);
    unlink(file);
    snprintf(file, sizeof file, "%s/.s.PGSQL.5432.lock", base);
    unlink(file); /* the dead postmaster may be a zombie that still seems to hold it */
    launch();
}
