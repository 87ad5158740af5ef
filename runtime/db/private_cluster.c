/* private_cluster.c -- makes a cluster: which programs, initdb, who may connect, first SQL.
 *
 * Everything happens in data.new, which is renamed when it is complete and on the disk.  A crash in
 * between leaves a data.new that the next start removes; a folder "data" is always a whole cluster.
 *
 * Who may connect: the unix socket lies in a folder of mode 0700, and pg_hba asks the kernel who is
 * there (peer).  The map is needed because a plain peer rule compares names, and the account is
 * "postgres" or "alice" while the role is "reeve".  No password lies anywhere.
 *
 * Role "reeve" is what the runtime logs in as: a member of reeve_app, the owner of nothing.
 * "reeve_admin", the superuser that initdb makes, is used by the migrator and for backups and
 * repairs by hand.  The map lets the same accounts be both: whoever is root or owns the cluster's
 * files can do everything to it anyway, and nobody else reaches the socket.  What the roles keep
 * apart is the runtime's connections (and whatever is smuggled into them) from the schema.
 */
#include "db_assets.h"
#include "runtime/base/asset.h"
#include "runtime/base/check.h"
#include "runtime/db/private_place.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where distributions put the server's programs; they are seldom in anybody's PATH. */
static const char *const program_patterns[] = {
    "/usr/lib/postgresql/*/bin", /* Debian, Ubuntu */
    "/usr/pgsql-*/bin",          /* packages of the PostgreSQL project for Fedora, RHEL */
    "/usr/local/pgsql/bin",      "/usr/local/bin", "/usr/bin",
};

static int program_major(const char *bin);
static enum rv_code write_file(const char *folder, const char *name, const char *text,
                               size_t length, bool append, struct rv_error *err);
static enum rv_code write_access(const struct private_place *place, struct rv_error *err);
static enum rv_code remove_tree(const char *path, struct rv_error *err);
static enum rv_code sync_path(const char *path, struct rv_error *err);

int private_cluster_major(const struct private_place *place)
{
    char path[RV_PRIVATE_PATH_MAX];
    private_join(path, place->data, "PG_VERSION");
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    char line[16] = "";
    int major = fgets(line, sizeof line, file) != NULL ? (int)strtol(line, NULL, 10) : 0;
    fclose(file);
    return major;
}

/* ---- the programs ---- */

enum rv_code private_find_programs(struct private_place *place, const char *bin_dir,
                                   struct rv_error *err)
{
    int wanted = private_cluster_major(place);
    int best = 0;
    const char *const given[] = {bin_dir};
    bool is_given = bin_dir != NULL && bin_dir[0] != '\0';
    const char *const *patterns = is_given ? given : program_patterns;
    size_t count = is_given ? 1 : RV_COUNT(program_patterns);
    for (size_t i = 0; i < count; i++) {
        glob_t found;
        if (glob(patterns[i], 0, NULL, &found) != 0) {
            continue;
        }
        for (size_t j = 0; j < found.gl_pathc; j++) {
            int major = program_major(found.gl_pathv[j]);
            bool better = wanted != 0 ? major == wanted && best != wanted : major > best;
            if (better && strlen(found.gl_pathv[j]) < sizeof place->bin) {
                best = major;
                snprintf(place->bin, sizeof place->bin, "%s", found.gl_pathv[j]);
            }
        }
        globfree(&found);
    }
    if (best == 0 && wanted != 0) {
        rv_fail(err, RV_UNAVAILABLE, "the cluster needs PostgreSQL %d, which is not installed",
                wanted);
        rv_detail(err, "data=%s", place->data);
        rv_hint(err,
                "Install the package postgresql-%d, or move the data with pg_dump to a new one.",
                wanted);
        return RV_UNAVAILABLE;
    }
    if (best < RV_PRIVATE_POSTGRES_MAJOR_MIN) {
        rv_fail(err, RV_UNAVAILABLE, "PostgreSQL %d or newer is not installed",
                RV_PRIVATE_POSTGRES_MAJOR_MIN);
        rv_detail(err, is_given ? "looked for initdb and postgres in \"%s\"" : "looked in %s",
                  is_given ? bin_dir : "/usr/lib/postgresql/*/bin and other usual places");
        rv_hint(err, "Run scripts/install-packages, or set database.bin_dir or database.uri.");
        return RV_UNAVAILABLE;
    }
    return RV_OK;
}

/* 0 when there is no server in `bin`; asks the program itself, as folder names are only a custom.
 */
static int program_major(const char *bin)
{
    char path[RV_PRIVATE_PATH_MAX];
    if (strlen(bin) + 32 > sizeof path) {
        return 0;
    }
    private_join(path, bin, "initdb");
    if (access(path, X_OK) != 0) {
        return 0;
    }
    private_join(path, bin, "postgres");
    if (access(path, X_OK) != 0) {
        return 0;
    }
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return 0;
    }
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        char *const argv[] = {path, (char[]){"--version"}, NULL};
        execve(path, argv, private_environment);
        _exit(127);
    }
    close(ends[1]);
    char text[128] = "";
    ssize_t got = pid > 0 ? read(ends[0], text, sizeof text - 1) : 0; /* one short line */
    close(ends[0]);
    if (pid > 0) {
        waitpid(pid, NULL, 0);
    }
    const char *digits = got > 0 ? strpbrk(text, "0123456789") : NULL;
    return digits != NULL ? (int)strtol(digits, NULL, 10) : 0;
}

/* ---- the cluster ---- */

static enum rv_code step_failed(const struct private_place *place, const char *what, int status,
                                struct rv_error *err)
{
    rv_fail(err, RV_UNAVAILABLE, "could not make a PostgreSQL cluster: %s ended with status %d",
            what, status);
    private_log_tail(place, err);
    rv_hint(err, "Read \"%s\"; when the cause is gone, try again.", place->start_log);
    return RV_UNAVAILABLE;
}

static enum rv_code run_initdb(const struct private_place *place, struct rv_error *err)
{
    char program[RV_PRIVATE_PATH_MAX];
    private_join(program, place->bin, "initdb");
    const char *const argv[] = {program,
                                "-D",
                                place->fresh,
                                "-U",
                                "reeve_admin",
                                "--auth=peer",
                                "--encoding=UTF8",
                                "--locale=C.UTF-8",
                                "--data-checksums",
                                "--no-sync",
                                NULL};
    int status = private_run(place, argv, NULL);
    return status == 0 ? RV_OK : step_failed(place, "initdb", status, err);
}

static enum rv_code write_settings(const struct private_place *place, struct rv_error *err)
{
    static const char include[] = "\ninclude 'reeve.conf'\n";
    const struct rv_asset *settings = rv_asset_find(rv_db_assets, "reeve.conf");
    RV_ASSERT(settings != NULL);
    enum rv_code code = write_file(place->fresh, "reeve.conf", settings->bytes,
                                   rv_asset_size(settings), false, err);
    if (code == RV_OK) {
        code = write_file(place->fresh, "postgresql.conf", include, sizeof include - 1, true, err);
    }
    return code == RV_OK ? write_access(place, err) : code;
}

static enum rv_code run_first_sql(const struct private_place *place, struct rv_error *err)
{
    const struct rv_asset *sql = rv_asset_find(rv_db_assets, "bootstrap.sql");
    RV_ASSERT(sql != NULL);
    char program[RV_PRIVATE_PATH_MAX];
    private_join(program, place->bin, "postgres");
    /* a server without a socket, for one reader of standard input; -j: statements end in ";\n\n" */
    const char *const argv[] = {program,
                                "--single",
                                "-j",
                                "-D",
                                place->fresh,
                                "-c",
                                "exit_on_error=on",
                                "-c",
                                "logging_collector=off",
                                "postgres",
                                NULL};
    int status = private_run(place, argv, sql->bytes);
    return status == 0 ? RV_OK : step_failed(place, "the first SQL", status, err);
}

static enum rv_code sync_cluster(const struct private_place *place, struct rv_error *err)
{
    char program[RV_PRIVATE_PATH_MAX];
    private_join(program, place->bin, "initdb");
    const char *const argv[] = {program, "--sync-only", "-D", place->fresh, NULL};
    int status = private_run(place, argv, NULL);
    return status == 0 ? RV_OK : step_failed(place, "initdb --sync-only", status, err);
}

enum rv_code private_make_cluster(const struct private_place *place, struct rv_error *err)
{
    struct stat found;
    if (lstat(place->data, &found) == 0) {
        rv_fail(err, RV_CORRUPT, "\"%s\" exists but is no PostgreSQL cluster", place->data);
        rv_hint(err, "Move it away; reeve does not delete what it did not make.");
        return RV_CORRUPT;
    }
    unlink(place->start_log); /* what it says is about this attempt */
    enum rv_code code = remove_tree(place->fresh, err);
    if (code == RV_OK) {
        code = run_initdb(place, err);
    }
    if (code == RV_OK) {
        code = write_settings(place, err);
    }
    if (code == RV_OK) {
        code = run_first_sql(place, err);
    }
    if (code == RV_OK) {
        code = sync_cluster(place, err);
    }
    if (code == RV_OK && rename(place->fresh, place->data) != 0) {
        code = rv_fail_errno(err, errno, "rename \"%s\"", place->fresh);
    }
    return code == RV_OK ? sync_path(place->base, err) : code;
}

static enum rv_code write_access(const struct private_place *place, struct rv_error *err)
{
    static const char rules[] =
        "# Written by reeve: the kernel says who connects, pg_ident.conf who may.\n"
        "local all all peer map=reeve\n"
        "local replication all peer map=reeve\n";
    enum rv_code code =
        write_file(place->fresh, "pg_hba.conf", rules, sizeof rules - 1, false, err);
    if (code != RV_OK) {
        return code;
    }
    const char *const accounts[] = {place->user, strcmp(place->user, "root") != 0 ? "root" : NULL};
    char map[1024] = "";
    size_t used = 0;
    for (size_t i = 0; i < RV_COUNT(accounts) && accounts[i] != NULL; i++) {
        used += (size_t)snprintf(map + used, sizeof map - used,
                                 "reeve \"%s\" reeve\nreeve \"%s\" reeve_admin\n", accounts[i],
                                 accounts[i]);
    }
    return write_file(place->fresh, "pg_ident.conf", map, used, false, err);
}

static enum rv_code write_file(const char *folder, const char *name, const char *text,
                               size_t length, bool append, struct rv_error *err)
{
    char path[RV_PRIVATE_PATH_MAX];
    private_join(path, folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | (append ? O_APPEND : O_TRUNC),
                  0600);
    if (fd < 0) {
        return rv_fail_errno(err, errno, "open \"%s\"", path);
    }
    ssize_t written = write(fd, text, length);
    int number = written < 0 ? errno : ENOSPC;
    close(fd);
    return written == (ssize_t)length ? RV_OK : rv_fail_errno(err, number, "write \"%s\"", path);
}

static int remove_one(const char *path, const struct stat *found, int kind, struct FTW *at)
{
    (void)found;
    (void)kind;
    (void)at;
    return remove(path);
}

static enum rv_code remove_tree(const char *path, struct rv_error *err)
{
    enum { OPEN_FOLDERS = 16 };
    struct stat found;
    if (lstat(path, &found) != 0 && errno == ENOENT) {
        return RV_OK;
    }
    if (nftw(path, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS) != 0) {
        return rv_fail_errno(err, errno, "remove the half-made cluster \"%s\"", path);
    }
    return RV_OK;
}

static enum rv_code sync_path(const char *path, struct rv_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? -1 : fsync(fd);
    int number = errno;
    if (fd >= 0) {
        close(fd);
    }
    return result == 0 ? RV_OK : rv_fail_errno(err, number, "sync \"%s\"", path);
}
