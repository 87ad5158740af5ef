/* private_postgres_test.c -- reeve's own PostgreSQL comes up from nothing, stays, comes back after
 * every way of dying that was seen, and says why when it cannot. */
#include "runtime/db/private_postgres.h"
#include "db_sql.h"
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/db/db.h"
#include "tests/support/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char top[64]; /* all state directories of this program */

static const struct rv_statement slow = {.name = "slow",
                                         .params = "",
                                         .text =
                                             "SELECT sum(a * b) FROM generate_series(1, 100000) a,"
                                             " generate_series(1, 100000) b"};
static const struct rv_statement one = {.name = "one", .params = "", .text = "SELECT 1"};

struct place {
    char state[512];
    struct rv_private_postgres_options options;
    struct rv_private_postgres_status status;
    struct rv_error err;
};

static int remove_one(const char *path, const struct stat *found, int kind, struct FTW *where)
{
    (void)found;
    (void)kind;
    (void)where;
    return remove(path);
}

/* At the end of each test's process: a cluster is 60 MB, and there are many tests. */
static char made[512];

static void remove_made(void)
{
    nftw(made, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct place at(const char *name)
{
    struct place place = {.err = {.code = RV_OK}};
    snprintf(place.state, sizeof place.state, "%s/%s", top, name);
    snprintf(made, sizeof made, "%s", place.state);
    atexit(remove_made);
    return place;
}

static enum rv_code start(struct place *place)
{
    place->options.state_dir = place->state;
    rv_error_clear(&place->err);
    return rv_private_postgres_start(&place->options, &place->status, &place->err);
}

static void must_start(struct place *place)
{
    enum rv_code code = start(place);
    ck_assert_msg(code == RV_OK, "%s (%s) %s", place->err.message, place->err.detail,
                  place->err.hint);
    ck_assert_int_eq(place->status.state, RV_PRIVATE_RUNNING);
}

static void must_stop(struct place *place)
{
    rv_error_clear(&place->err);
    enum rv_code code = rv_private_postgres_stop(&place->options, &place->status, &place->err);
    ck_assert_msg(code == RV_OK, "%s (%s)", place->err.message, place->err.detail);
    ck_assert_int_eq(place->status.state, RV_PRIVATE_STOPPED);
}

static enum rv_code answer(const struct place *place, struct rv_error *err)
{
    struct rv_db_session *session = NULL;
    enum rv_code code = rv_db_session_open(place->status.uri, &session, err);
    if (code == RV_OK) {
        code = rv_db_session_query(session, 0, &one, NULL, NULL, NULL, err);
    }
    rv_db_session_close(session);
    return code;
}

static void must_answer(const struct place *place)
{
    struct rv_error err = {.code = RV_OK};
    enum rv_code code = answer(place, &err);
    ck_assert_msg(code == RV_OK, "%s (%s) uri=%s", err.message, err.detail, place->status.uri);
}

/* All processes of a server: the test must not rely on the code under test to find them. */
static int server_processes(const struct place *place, int signal)
{
    glob_t found;
    int count = 0;
    glob("/proc/[0-9]*/cwd", 0, NULL, &found);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char link[RV_PRIVATE_PATH_MAX] = "";
        if (readlink(found.gl_pathv[i], link, sizeof link - 1) > 0 &&
            strcmp(link, place->status.data) == 0) {
            count++;
            if (signal != 0) {
                kill((pid_t)strtol(found.gl_pathv[i] + strlen("/proc/"), NULL, 10), signal);
            }
        }
    }
    globfree(&found);
    return count;
}

static void sleep_ms(int ms)
{
    usleep((useconds_t)ms * 1000);
}

/* A signal is not yet an end: on a busy machine a killed process shows for a while. */
static void wait_until_dead(int pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    for (int i = 0; i < 1000; i++) {
        char text[512] = "";
        FILE *file = fopen(path, "r");
        size_t got = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
        if (file != NULL) {
            fclose(file);
        }
        const char *end = got > 0 ? strrchr(text, ')') : NULL;
        if (end == NULL || strchr("ZXx", end[2]) != NULL) {
            return;
        }
        sleep_ms(10);
    }
}

/* Runs `body` as another account and passes its verdict on. */
static void as_nobody(void (*body)(void))
{
    const struct passwd *nobody = getpwnam("nobody");
    if (geteuid() != 0 || nobody == NULL) {
        body();
        return;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (setgroups(0, NULL) != 0 || setgid(nobody->pw_gid) != 0 || setuid(nobody->pw_uid) != 0) {
            _exit(1);
        }
        body();
        _exit(0);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

static void must(bool true_thing, const char *what, const struct rv_error *err)
{
    if (!true_thing) {
        fprintf(stderr, "%s: %s (%s) %s\n", what, err->message, err->detail, err->hint);
        _exit(1);
    }
}

/* ---- life ---- */

TEST(it_comes_up_from_nothing_and_stays_until_stopped)
{
    struct place place = at("life");
    place.options.state_dir = place.state;
    ck_assert_int_eq(rv_private_postgres_status(&place.options, &place.status, &place.err), RV_OK);
    ck_assert_int_eq(place.status.state, RV_PRIVATE_ABSENT);
    ck_assert_int_eq(access(place.state, F_OK), -1); /* asking made nothing */
    must_start(&place);
    ck_assert(place.status.changed);
    ck_assert_int_ge(place.status.major, RV_PRIVATE_POSTGRES_MAJOR_MIN);
    must_answer(&place);
    int pid = place.status.pid;
    must_start(&place);
    ck_assert(!place.status.changed);
    ck_assert_int_eq(place.status.pid, pid);
    must_stop(&place);
    ck_assert(place.status.changed);
    ck_assert_int_eq(server_processes(&place, 0), 0);
    must_stop(&place);
    ck_assert(!place.status.changed);
    must_start(&place);
    must_answer(&place);
    must_stop(&place);
}

TEST(the_server_is_never_root_and_the_role_no_superuser)
{
    struct place place = at("roles");
    must_start(&place);
    char path[64];
    struct stat found;
    snprintf(path, sizeof path, "/proc/%d", place.status.pid);
    ck_assert_int_eq(stat(path, &found), 0);
    ck_assert_int_ne((int)found.st_uid, 0);
    ck_assert_int_eq((int)getsid(place.status.pid), place.status.pid); /* Ctrl-C is not for it */
    static const struct rv_statement who = {
        .name = "who",
        .params = "",
        .text = "SELECT rolsuper FROM pg_roles WHERE rolname = 'reeve' AND NOT rolsuper"};
    struct rv_db_session *session = NULL;
    ck_assert_int_eq(rv_db_session_open(place.status.uri, &session, NULL), RV_OK);
    struct rv_error err = {.code = RV_OK};
    ck_assert_int_eq(rv_db_session_query(session, 0, &who, NULL, NULL, NULL, &err), RV_OK);
    rv_db_session_close(session);
    must_stop(&place);
}

static void other_account(void)
{
    struct place place = at("other");
    snprintf(place.state, sizeof place.state, "%s/open/other", top);
    must(start(&place) == RV_OK, "start", &place.err);
    must(answer(&place, &place.err) == RV_OK, "answer", &place.err);
    must(rv_private_postgres_stop(&place.options, &place.status, &place.err) == RV_OK, "stop",
         &place.err);
}

TEST(an_ordinary_account_runs_its_own)
{
    as_nobody(other_account);
}

/* ---- places ---- */

struct spares {
    const char *place; /* a path in it */
    bool found, gone;
    char state_dir[RV_PRIVATE_PATH_MAX];
};

static void find_spare(void *data, const struct rv_private_postgres_spare *spare)
{
    struct spares *spares = data;
    if (strncmp(spares->place, spare->place, strlen(spare->place)) == 0) {
        spares->found = true;
        spares->gone = spare->gone;
        snprintf(spares->state_dir, sizeof spares->state_dir, "%s", spare->state_dir);
    }
}

TEST(a_place_that_the_account_cannot_reach_is_replaced)
{
    if (geteuid() != 0) {
        return; /* only root runs the server as somebody else */
    }
    struct place place = at("closed/clone/state");
    char closed[128];
    snprintf(closed, sizeof closed, "%s/closed", top);
    umask(077);
    ck_assert_int_eq(mkdir(closed, 0700), 0);
    must_start(&place);
    must_answer(&place);
    ck_assert_msg(strncmp(place.status.data, "/var/lib/reeve/private-", 23) == 0, "%s",
                  place.status.data);
    ck_assert_int_eq(chmod(closed, 0755), 0); /* a cluster stays where it is */
    must_start(&place);
    ck_assert(!place.status.changed);
    struct spares spares = {.place = place.status.data};
    rv_private_postgres_spares(find_spare, &spares);
    ck_assert(spares.found && !spares.gone);
    /* without its state directory nobody will use it again: it is named, and can be deleted */
    char command[RV_PRIVATE_PATH_MAX + 32];
    snprintf(command, sizeof command, "rm -rf '%s'", place.state);
    ck_assert_int_eq(system(command), 0);
    spares.found = false;
    rv_private_postgres_spares(find_spare, &spares);
    ck_assert(spares.found && spares.gone);
    ck_assert_int_eq(rv_private_postgres_remove(
                         &(struct rv_private_postgres_options){.state_dir = spares.state_dir},
                         &place.status, &place.err),
                     RV_OK);
    spares.found = false;
    rv_private_postgres_spares(find_spare, &spares);
    ck_assert(!spares.found);
    ck_assert_int_ne(access(place.status.data, F_OK), 0);
    rmdir("/var/lib/reeve"); /* only when nothing else is there */
}

TEST(a_removed_cluster_is_gone_and_a_new_one_can_be_made)
{
    struct place place = at("removed");
    must_start(&place);
    ck_assert_int_eq(rv_private_postgres_remove(&place.options, &place.status, &place.err), RV_OK);
    ck_assert_int_eq(place.status.state, RV_PRIVATE_ABSENT);
    ck_assert_int_ne(access(place.status.data, F_OK), 0);
    ck_assert_int_eq(rv_private_postgres_remove(&place.options, &place.status, NULL), RV_NOT_FOUND);
    must_start(&place);
    must_answer(&place);
    must_stop(&place);
}

TEST(an_empty_private_folder_of_ours_is_used)
{
    struct place place = at("mktemp");
    ck_assert_int_eq(mkdir(place.state, 0700), 0);
    must_start(&place);
    ck_assert_msg(strncmp(place.status.data, top, strlen(top)) == 0, "%s", place.status.data);
    must_answer(&place);
    must_stop(&place);
}

TEST(parents_made_under_a_strict_umask_can_be_passed)
{
    umask(077);
    struct place place = at("strict/deeper/state");
    must_start(&place);
    ck_assert_msg(strncmp(place.status.data, top, strlen(top)) == 0, "%s", place.status.data);
    must_answer(&place);
    must_stop(&place);
}

TEST(a_path_too_long_for_a_socket_works)
{
    struct place place = at("long-long-long-long-long-long-long-long-long-long-long-long/"
                            "path-path-path-path-path-path-path-path-path-path-path");
    must_start(&place);
    ck_assert_ptr_nonnull(strstr(place.status.uri, "host=/tmp/rv-"));
    must_answer(&place);
    must_stop(&place);
    ck_assert_int_eq(access(strstr(place.status.uri, "/tmp/rv-"), F_OK), -1);
}

TEST(a_path_with_every_odd_character_works)
{
    struct place place = at("a b,c\"d'e%f&g=h");
    must_start(&place);
    must_answer(&place);
    must_stop(&place);
}

TEST(the_current_directory_may_be_gone)
{
    struct place place = at("gone");
    char here[128];
    snprintf(here, sizeof here, "%s/here", top);
    ck_assert_int_eq(mkdir(here, 0700), 0);
    ck_assert_int_eq(chdir(here), 0);
    ck_assert_int_eq(rmdir(here), 0);
    must_start(&place);
    must_answer(&place);
    must_stop(&place);
}

/* ---- ways of dying ---- */

TEST(killed_with_everything_it_comes_back)
{
    struct place place = at("killed");
    must_start(&place);
    int pid = place.status.pid;
    server_processes(&place, SIGKILL);
    wait_until_dead(pid);
    int64_t began_us = rv_mono_us(rv_clock_system());
    must_start(&place);
    printf("restart after kill -9: %d ms\n",
           (int)((rv_mono_us(rv_clock_system()) - began_us) / 1000));
    ck_assert_int_ne(place.status.pid, pid);
    must_answer(&place);
    must_stop(&place);
}

TEST(a_zombie_postmaster_does_not_count_as_alive)
{
    struct place place = at("zombie");
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* orphans become ours, and we do not reap */
    must_start(&place);
    int pid = place.status.pid;
    server_processes(&place, SIGKILL);
    sleep_ms(100);
    ck_assert_int_eq(kill(pid, 0), 0); /* it is there, as a zombie */
    ck_assert_int_eq(rv_private_postgres_status(&place.options, &place.status, &place.err), RV_OK);
    ck_assert_int_eq(place.status.state, RV_PRIVATE_STOPPED);
    must_start(&place);
    must_answer(&place);
    must_stop(&place);
}

TEST(a_child_busy_in_a_query_that_outlived_its_postmaster_is_ended)
{
    struct place place = at("orphan");
    must_start(&place);
    pid_t client = fork();
    if (client == 0) {
        struct rv_db_session *session = NULL;
        if (rv_db_session_open(place.status.uri, &session, NULL) == RV_OK &&
            rv_db_session_query(session, 0, &slow, NULL, NULL, NULL, NULL) != RV_OK) {
            _exit(0); /* it was cut off, as it should be */
        }
        _exit(1);
    }
    sleep_ms(300);
    kill(place.status.pid, SIGKILL); /* the postmaster only */
    wait_until_dead(place.status.pid);
    must_start(&place);
    must_answer(&place);
    int status = 0;
    waitpid(client, &status, 0);
    ck_assert_int_eq(status, 0);
    must_stop(&place);
}

TEST(a_pid_file_that_names_somebody_else_is_not_believed)
{
    struct place place = at("stale");
    must_start(&place);
    must_stop(&place);
    pid_t other = fork();
    if (other == 0) {
        const struct passwd *user = getpwnam(place.status.user);
        if (geteuid() == 0 && (user == NULL || setuid(user->pw_uid) != 0)) {
            _exit(1);
        }
        pause();
        _exit(0);
    }
    char path[RV_PRIVATE_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/postmaster.pid", place.status.data);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fprintf(file, "%d\n%s\n1700000000\n5432\n%s\n\n\n", (int)other, place.status.data, top);
    fclose(file);
    ck_assert_int_eq(chmod(path, 0666), 0);
    must_start(&place);
    must_answer(&place);
    must_stop(&place);
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
}

TEST(a_half_made_cluster_is_made_again)
{
    struct place place = at("half");
    must_start(&place);
    must_stop(&place);
    char from[RV_PRIVATE_PATH_MAX + 8];
    snprintf(from, sizeof from, "%s.new", place.status.data);
    ck_assert_int_eq(rename(place.status.data, from), 0); /* as if the last step had not come */
    must_start(&place);
    must_answer(&place);
    must_stop(&place);
    ck_assert_int_eq(access(from, F_OK), -1);
}

TEST(two_starters_at_once_get_the_same_server)
{
    enum { STARTERS = 3 };
    struct place place = at("race");
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    for (int i = 0; i < STARTERS; i++) {
        if (fork() == 0) {
            int pid = start(&place) == RV_OK && answer(&place, &place.err) == RV_OK
                          ? place.status.pid
                          : 0;
            _exit(write(ends[1], &pid, sizeof pid) == (ssize_t)sizeof pid ? 0 : 1);
        }
    }
    int first = 0;
    for (int i = 0; i < STARTERS; i++) {
        int pid = 0;
        ck_assert_int_eq((int)read(ends[0], &pid, sizeof pid), (int)sizeof pid);
        ck_assert_int_ne(pid, 0);
        first = first == 0 ? pid : first;
        ck_assert_int_eq(pid, first);
    }
    while (wait(NULL) > 0) {
    }
    must_start(&place);
    must_stop(&place);
}

/* ---- what it says when it cannot ---- */

static void read_only(void)
{
    struct place place = at("readonly/state");
    must(start(&place) == RV_DENIED, "read-only directory", &place.err);
    must(strstr(place.err.message, "readonly") != NULL, "names the directory", &place.err);
    must(strstr(place.err.hint, "--state") != NULL, "says the remedy", &place.err);
}

TEST(a_read_only_state_directory_is_named_with_its_remedy)
{
    char folder[128];
    snprintf(folder, sizeof folder, "%s/readonly", top);
    ck_assert_int_eq(mkdir(folder, 0555), 0);
    ck_assert_int_eq(chmod(folder, 0555), 0);
    as_nobody(read_only);
}

TEST(a_cluster_of_another_version_names_the_package)
{
    struct place place = at("version");
    must_start(&place);
    must_stop(&place);
    char path[RV_PRIVATE_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/PG_VERSION", place.status.data);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs("13\n", file);
    fclose(file);
    ck_assert_int_eq(start(&place), RV_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(place.err.hint, "postgresql-13"));
}

TEST(a_server_that_cannot_start_tells_why)
{
    struct place place = at("broken");
    must_start(&place);
    must_stop(&place);
    char path[RV_PRIVATE_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/reeve_local.conf", place.status.data);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs("shared_bufers = 1GB\n", file);
    fclose(file);
    ck_assert_int_eq(chmod(path, 0644), 0);
    ck_assert_int_eq(start(&place), RV_UNAVAILABLE);
    ck_assert_msg(strstr(place.err.detail, "shared_bufers") != NULL, "%s", place.err.detail);
}

TEST(programs_that_are_not_there_are_named)
{
    struct place place = at("nobin");
    place.options.bin_dir = "/nowhere";
    ck_assert_int_eq(start(&place), RV_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(place.err.detail, "/nowhere"));
    ck_assert_ptr_nonnull(strstr(place.err.hint, "database.bin_dir"));
}

TEST(a_cluster_in_use_where_we_cannot_see_is_left_alone)
{
    struct place place = at("elsewhere");
    must_start(&place);
    must_stop(&place);
    char path[RV_PRIVATE_PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/../server.lock", place.status.data);
    int fd = open(path, O_RDWR); /* as the server of another container would */
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
    ck_assert_int_eq(start(&place), RV_CONFLICT);
    close(fd);
    must_start(&place);
    must_stop(&place);
}

/* A failed test leaves its server behind: end every one of ours before the folders go. */
static void clean_up(void)
{
    glob_t found;
    glob("/proc/[0-9]*/cwd", 0, NULL, &found);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char link[RV_PRIVATE_PATH_MAX] = "";
        if (readlink(found.gl_pathv[i], link, sizeof link - 1) > 0 &&
            strncmp(link, top, strlen(top)) == 0 && strstr(link, "/data") != NULL) {
            kill((pid_t)strtol(found.gl_pathv[i] + strlen("/proc/"), NULL, 10), SIGQUIT);
        }
    }
    globfree(&found);
    sleep_ms(100);
    nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(int argc, char **argv)
{
    glob_t found;
    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) != 0) {
        printf("SKIP: PostgreSQL is not installed (package postgresql-15)\n");
        return TEST_SKIP_STATUS;
    }
    globfree(&found);
    snprintf(top, sizeof top, "/tmp/rvp-XXXXXX");
    RV_ASSERT(mkdtemp(top) != NULL);
    RV_ASSERT(chmod(top, 0755) == 0);
    char open_folder[128];
    snprintf(open_folder, sizeof open_folder, "%s/open", top);
    RV_ASSERT(mkdir(open_folder, 0777) == 0 && chmod(open_folder, 0777) == 0);
    int status = test_main(argc, argv);
    clean_up();
    return status;
}
