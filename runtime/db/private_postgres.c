/* private_postgres.c -- finds the place, becomes the server's account, and lets the steps run
 * there.
 *
 *     caller ── choose a place ── make its folder ── fork ──> worker: drop privileges, lock,
 *        ^                                                    find programs, make, sweep, launch
 *        └───────────────── struct reply over a pipe ─────────────────┘
 *
 * Everything that touches the cluster happens in one worker process that has the server's account.
 * That is needed for root (PostgreSQL refuses it; and where the capability to trace is missing, as
 * in an ordinary container, not even root may look at another account's /proc entries), and the
 * same for everybody else, because the server's parent is then gone when the worker ends: whoever
 * killed postmaster leaves no zombie behind in the caller.
 *
 * The place: STATE/postgres.  Root's state directory may lie below a folder that the server's
 * account cannot pass (/root, a clone made under umask 077).  Then the cluster goes to
 * /var/lib/reeve/private-HASH, HASH being that of the wanted path: other people's folders are never
 * opened up.  A place that holds a cluster is kept, wherever a new one would go today.
 */
#include "runtime/db/private_postgres.h"

#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/base/hash.h"
#include "runtime/db/private_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    TIMEOUT_DEFAULT_MS = 60000,
    LOCK_WAIT_MS = 120000,  /* another starter may be making a cluster on a slow disk */
    SOCKET_FOLDER_MAX = 90, /* sun_path has 108 bytes; "/.s.PGSQL.5432" and reserve */
    HASH_DIGITS = 12,
    BASE_MAX = RV_PRIVATE_PATH_MAX - 64 /* room for the names inside */
};

enum operation { START, STOP, STATUS };

struct reply {
    enum rv_code code;
    bool unreachable; /* the account cannot get to the place: try another */
    struct rv_error err;
    struct rv_private_postgres_status status;
};

static enum rv_code serve(enum operation operation,
                          const struct rv_private_postgres_options *options,
                          struct rv_private_postgres_status *out, struct rv_error *err);
static enum rv_code choose_account(struct private_place *place, struct rv_error *err);
static enum rv_code absolute(const char *path, char out[RV_PRIVATE_PATH_MAX], struct rv_error *err);
static void spare_place(const char *wanted, char out[RV_PRIVATE_PATH_MAX]);
static bool has_cluster(const char *base);
static enum rv_code make_folder(const struct private_place *place, const char *state_dir,
                                const char *base, struct rv_error *err);
static void note_owner(const char *spare, const char *state_dir);
static enum rv_code settle(struct private_place *place, const char *base, struct rv_error *err);
static enum rv_code ask_worker(enum operation operation, struct private_place *place,
                               const char *bin_dir, struct reply *reply, struct rv_error *err);
static void work(enum operation operation, struct private_place *place, const char *bin_dir,
                 struct reply *reply);
static enum rv_code work_start(struct private_place *place, const char *bin_dir,
                               struct reply *reply, struct rv_error *err);
static enum rv_code work_stop(struct private_place *place, struct reply *reply,
                              struct rv_error *err);

const char *rv_private_postgres_state_name(enum rv_private_postgres_state state)
{
    static const char *const names[] = {"absent", "stopped", "running"};
    return names[state];
}

enum rv_code rv_private_postgres_start(const struct rv_private_postgres_options *options,
                                       struct rv_private_postgres_status *out, struct rv_error *err)
{
    return serve(START, options, out, err);
}

enum rv_code rv_private_postgres_stop(const struct rv_private_postgres_options *options,
                                      struct rv_private_postgres_status *out, struct rv_error *err)
{
    return serve(STOP, options, out, err);
}

enum rv_code rv_private_postgres_status(const struct rv_private_postgres_options *options,
                                        struct rv_private_postgres_status *out,
                                        struct rv_error *err)
{
    return serve(STATUS, options, out, err);
}

/* ---- the caller's side ---- */

static enum rv_code serve(enum operation operation,
                          const struct rv_private_postgres_options *options,
                          struct rv_private_postgres_status *out, struct rv_error *err)
{
    RV_ASSERT(options->state_dir != NULL && options->state_dir[0] != '\0');
    struct private_place place = {.timeout_ms = options->timeout_ms > 0 ? options->timeout_ms
                                                                        : TIMEOUT_DEFAULT_MS};
    char state[RV_PRIVATE_PATH_MAX];
    char wanted[RV_PRIVATE_PATH_MAX];
    char spare[RV_PRIVATE_PATH_MAX] = "";
    enum rv_code code = choose_account(&place, err);
    if (code == RV_OK) {
        code = absolute(options->state_dir, state, err);
    }
    if (code != RV_OK) {
        return code;
    }
    private_join(wanted, state, "postgres");
    if (geteuid() == 0) {
        spare_place(wanted, spare);
    }
    const char *candidates[2] = {wanted, spare};
    int first = !has_cluster(wanted) && spare[0] != '\0' && has_cluster(spare) ? 1 : 0;
    int last = first == 0 && spare[0] != '\0' && !has_cluster(wanted) ? 1 : first;
    for (int i = first; i <= last; i++) {
        bool is_spare = i == 1;
        struct stat ignored;
        if (operation != START && stat(candidates[i], &ignored) != 0) {
            continue;
        }
        if (operation == START) {
            code = make_folder(&place, is_spare ? PRIVATE_SPARE_ROOT : state, candidates[i], err);
        }
        if (code == RV_OK && operation == START && is_spare) {
            note_owner(candidates[i], state);
        }
        if (code == RV_OK) {
            code = settle(&place, candidates[i], err);
        }
        struct reply reply = {.code = RV_OK};
        if (code == RV_OK) {
            code = ask_worker(operation, &place, options->bin_dir, &reply, err);
        }
        if (code != RV_OK) {
            return code;
        }
        if (reply.unreachable && i < last) {
            rmdir(candidates[i]); /* the empty folder that was made above */
            continue;
        }
        if (reply.code != RV_OK && err != NULL) {
            *err = reply.err;
        }
        *out = reply.status;
        return reply.code;
    }
    memset(out, 0, sizeof *out);
    out->state = RV_PRIVATE_ABSENT;
    snprintf(out->user, sizeof out->user, "%s", place.user);
    private_join(out->data, candidates[first], "data");
    return RV_OK;
}

static enum rv_code choose_account(struct private_place *place, struct rv_error *err)
{
    const struct passwd *user = NULL;
    if (geteuid() == 0) {
        user = getpwnam("postgres");
        user = user != NULL ? user : getpwnam("nobody");
    } else {
        user = getpwuid(geteuid());
    }
    if (user == NULL || user->pw_uid == 0) {
        rv_fail(err, RV_UNAVAILABLE, "no account to run PostgreSQL as");
        rv_detail(err, "user id %d has no entry in the user database", (int)geteuid());
        rv_hint(err,
                "Run reeve as a user with an account, or set database.uri to your own server.");
        return RV_UNAVAILABLE;
    }
    place->uid = user->pw_uid;
    place->gid = user->pw_gid;
    snprintf(place->user, sizeof place->user, "%s", user->pw_name);
    place->group_count = PRIVATE_GROUPS_MAX;
    if (getgrouplist(place->user, place->gid, place->groups, &place->group_count) < 0) {
        place->group_count = PRIVATE_GROUPS_MAX;
    }
    snprintf(place->caller, sizeof place->caller, "%s", geteuid() == 0 ? "root" : user->pw_name);
    return RV_OK;
}

static enum rv_code absolute(const char *path, char out[RV_PRIVATE_PATH_MAX], struct rv_error *err)
{
    char folder[RV_PRIVATE_PATH_MAX] = "";
    if (path[0] != '/' && getcwd(folder, sizeof folder - 1) == NULL) {
        return rv_fail_errno(err, errno, "find the current directory");
    }
    if (strlen(folder) + strlen(path) + 2 > BASE_MAX) {
        rv_fail(err, RV_LIMIT, "the state directory's path is longer than %d bytes", BASE_MAX);
        rv_hint(err, "Choose a shorter one with --state or REEVE_STATE.");
        return RV_LIMIT;
    }
    if (path[0] == '/') {
        snprintf(out, RV_PRIVATE_PATH_MAX, "%s", path);
    } else {
        private_join(out, folder, path);
    }
    char *resolved = realpath(out, NULL); /* so that the same folder by another name is the same */
    if (resolved != NULL && strlen(resolved) < BASE_MAX) {
        snprintf(out, RV_PRIVATE_PATH_MAX, "%s", resolved);
    }
    free(resolved);
    return RV_OK;
}

static void short_hash(const char *text, char out[HASH_DIGITS + 1])
{
    char hex[RV_HASH_HEX];
    struct rv_hash hash = rv_sha256(text, strlen(text));
    rv_hash_hex(&hash, hex);
    snprintf(out, HASH_DIGITS + 1, "%.*s", HASH_DIGITS, hex);
}

static void spare_place(const char *wanted, char out[RV_PRIVATE_PATH_MAX])
{
    char hash[HASH_DIGITS + 1];
    short_hash(wanted, hash);
    snprintf(out, RV_PRIVATE_PATH_MAX, PRIVATE_SPARE_ROOT "/" PRIVATE_SPARE_BEGIN "%s", hash);
}

static bool has_cluster(const char *base)
{
    char path[RV_PRIVATE_PATH_MAX];
    struct stat ignored;
    private_join(path, base, "data/PG_VERSION");
    return stat(path, &ignored) == 0;
}

static enum rv_code cannot_make(const char *path, int number, struct rv_error *err)
{
    rv_fail_errno(err, number, "make the directory \"%s\"", path);
    rv_hint(err, "Choose another place with --state or REEVE_STATE.");
    return err != NULL ? err->code : RV_IO;
}

/* Parents are made as everybody expects them (0755), whatever the umask; the last one as `mode`. */
static enum rv_code make_path(const char *path, mode_t mode, struct rv_error *err)
{
    char part[RV_PRIVATE_PATH_MAX];
    snprintf(part, sizeof part, "%s", path);
    for (char *slash = strchr(part + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash != NULL) {
            *slash = '\0';
        }
        if (mkdir(part, 0755) == 0) {
            if (chmod(part, slash != NULL ? 0755 : mode) != 0) {
                return cannot_make(part, errno, err);
            }
        } else if (errno != EEXIST) {
            int number = errno;
            struct stat found;
            if (stat(part, &found) != 0 || !S_ISDIR(found.st_mode)) {
                return cannot_make(part, number, err);
            }
        }
        if (slash == NULL) {
            return RV_OK;
        }
        *slash = '/';
    }
}

static bool is_empty(const char *path)
{
    DIR *folder = opendir(path);
    int entries = 0;
    while (folder != NULL && readdir(folder) != NULL) {
        entries++;
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return folder != NULL && entries == 2; /* "." and ".." */
}

/* An empty folder that root made for us (mktemp -d) is ours to open, unlike one that is in use:
 * others may pass it, not look into it. */
static void let_pass(const char *state_dir)
{
    struct stat found;
    if (geteuid() == 0 && lstat(state_dir, &found) == 0 && S_ISDIR(found.st_mode) &&
        found.st_uid == 0 && (found.st_mode & 0011) != 0011 && is_empty(state_dir)) {
        (void)!chmod(state_dir, (found.st_mode & 07777) | 0011); /* else: the spare place */
    }
}

static enum rv_code make_folder(const struct private_place *place, const char *state_dir,
                                const char *base, struct rv_error *err)
{
    /* root's state directory must let the server's account through, without showing what is there
     */
    enum rv_code code = make_path(state_dir, geteuid() == 0 ? 0711 : 0700, err);
    if (code != RV_OK) {
        return code;
    }
    let_pass(state_dir);
    if (mkdir(base, 0700) != 0 && errno != EEXIST) {
        return cannot_make(base, errno, err);
    }
    struct stat found;
    if (lstat(base, &found) != 0) {
        return rv_fail_errno(err, errno, "look at \"%s\"", base);
    }
    bool ours = found.st_uid == place->uid || found.st_uid == geteuid();
    if (!S_ISDIR(found.st_mode) || !ours) {
        rv_fail(err, RV_DENIED, "\"%s\" is not a directory of \"%s\"", base, place->user);
        rv_detail(err, "owner=%d type=%s", (int)found.st_uid,
                  S_ISDIR(found.st_mode) ? "directory" : "something else");
        rv_hint(err, "Run reeve as its owner, or choose another place with --state.");
        return RV_DENIED;
    }
    if (found.st_uid != place->uid && lchown(base, place->uid, place->gid) != 0) {
        return rv_fail_errno(err, errno, "give \"%s\" to \"%s\"", base, place->user);
    }
    return RV_OK;
}

/* So that a cluster whose state directory was deleted can be told from one that is in use.  Only a
 * convenience: without it the cluster works, and is of unknown owner. */
static void note_owner(const char *spare, const char *state_dir)
{
    char path[RV_PRIVATE_PATH_MAX];
    private_join(path, spare, PRIVATE_OWNER_FILE);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return;
    }
    size_t length = strlen(state_dir);
    if (write(fd, state_dir, length) != (ssize_t)length) {
        unlink(path);
    }
    close(fd);
}

/* All the paths of the place, from the real path of `base`. */
static enum rv_code settle(struct private_place *place, const char *base, struct rv_error *err)
{
    char *real = realpath(base, NULL);
    if (real == NULL) {
        return rv_fail_errno(err, errno, "find \"%s\"", base);
    }
    if (strlen(real) > BASE_MAX) {
        free(real);
        return rv_fail(err, RV_LIMIT, "the path \"%s\" is too long", base);
    }
    snprintf(place->base, sizeof place->base, "%s", real);
    free(real);
    private_join(place->data, place->base, "data");
    private_join(place->fresh, place->base, "data.new");
    private_join(place->start_log, place->base, "start.log");
    /* libpq takes a comma for the end of a host's name */
    if (strlen(place->base) <= SOCKET_FOLDER_MAX && strchr(place->base, ',') == NULL) {
        snprintf(place->socket, sizeof place->socket, "%s", place->base);
    } else {
        char hash[HASH_DIGITS + 1];
        short_hash(place->base, hash);
        snprintf(place->socket, sizeof place->socket, "/tmp/rv-%d-%s", (int)place->uid, hash);
    }
    return RV_OK;
}

/* For a URI's query part: everything but the plainest characters as %XX. */
static void write_uri(const char *socket, const char *role, char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "postgresql:///reeve?user=%s&port=5432&host=", role);
    for (const char *at = socket; *at != '\0' && used + 4 < size; at++) {
        unsigned char c = (unsigned char)*at;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '/' || c == '-' || c == '_' || c == '.';
        used += (size_t)snprintf(out + used, size - used, plain ? "%c" : "%%%02X", c);
    }
}

static enum rv_code ask_worker(enum operation operation, struct private_place *place,
                               const char *bin_dir, struct reply *reply, struct rv_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return rv_fail_errno(err, errno, "make a pipe");
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        int number = errno;
        close(ends[0]);
        close(ends[1]);
        return rv_fail_errno(err, number, "start a process");
    }
    if (pid == 0) {
        close(ends[0]);
        work(operation, place, bin_dir, reply);
        _exit(write(ends[1], reply, sizeof *reply) == (ssize_t)sizeof *reply ? 0 : 1);
    }
    close(ends[1]);
    size_t got = 0;
    char *into = (char *)reply;
    while (got < sizeof *reply) {
        ssize_t part = read(ends[0], into + got, sizeof *reply - got);
        if (part == 0 || (part < 0 && errno != EINTR)) {
            break;
        }
        got += part > 0 ? (size_t)part : 0;
    }
    close(ends[0]);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (got != sizeof *reply) {
        rv_fail(err, RV_IO, "the helper process for PostgreSQL ended early");
        rv_detail(err, "status=%d", status);
        rv_hint(err, "Try again; if it was interrupted, nothing is lost.");
        return RV_IO;
    }
    return RV_OK;
}

/* ---- the worker's side ---- */

static bool become(const struct private_place *place, struct rv_error *err)
{
    if (geteuid() == 0 && (setgroups((size_t)place->group_count, place->groups) != 0 ||
                           setresgid(place->gid, place->gid, place->gid) != 0 ||
                           setresuid(place->uid, place->uid, place->uid) != 0)) {
        rv_fail_errno(err, errno, "become the account \"%s\"", place->user);
        rv_hint(err, "This container forbids changing the user: run reeve as an ordinary user, or "
                     "set database.uri.");
        return false;
    }
    RV_ASSERT(geteuid() != 0 && getuid() == place->uid);
    return true;
}

static enum rv_code take_lock(const struct private_place *place, struct rv_error *err)
{
    char path[RV_PRIVATE_PATH_MAX];
    private_join(path, place->base, "start.lock");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        rv_fail_errno(err, errno, "open \"%s\"", path);
        rv_hint(err, "Choose another place with --state or REEVE_STATE.");
        return err->code;
    }
    int64_t until_us = rv_mono_us(rv_clock_system()) + LOCK_WAIT_MS * INT64_C(1000);
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return rv_fail_errno(err, errno, "lock \"%s\"", path);
        }
        if (rv_mono_us(rv_clock_system()) > until_us) {
            return rv_fail(err, RV_TIMEOUT, "another command holds \"%s\" for too long", path);
        }
        private_pause_ms(10);
    }
    return RV_OK; /* held until the worker ends */
}

static void work(enum operation operation, struct private_place *place, const char *bin_dir,
                 struct reply *reply)
{
    struct rv_error *err = &reply->err;
    umask(077);
    if (!become(place, err)) {
        reply->code = err->code;
        return;
    }
    if (chdir(place->base) != 0) { /* the caller's directory may be one that we cannot read */
        reply->unreachable = true;
        reply->code = rv_fail(err, RV_DENIED, "the account \"%s\" cannot reach \"%s\"", place->user,
                              place->base);
        rv_hint(err, "Let it pass the folders above (chmod o+x), or choose another --state.");
        return;
    }
    struct rv_private_postgres_status *status = &reply->status;
    snprintf(status->user, sizeof status->user, "%s", place->user);
    snprintf(status->data, sizeof status->data, "%s", place->data);
    private_join(status->log, place->data, "log");
    write_uri(place->socket, "reeve", status->uri, sizeof status->uri);
    write_uri(place->socket, "reeve_admin", status->admin_uri, sizeof status->admin_uri);
    enum rv_code code = RV_OK;
    if (operation == START) {
        code = work_start(place, bin_dir, reply, err);
    } else if (operation == STOP) {
        code = work_stop(place, reply, err);
    }
    status->pid = (int)private_server_pid(place);
    status->major = private_cluster_major(place);
    status->state = status->pid != 0     ? RV_PRIVATE_RUNNING
                    : status->major != 0 ? RV_PRIVATE_STOPPED
                                         : RV_PRIVATE_ABSENT;
    reply->code = code;
}

static enum rv_code work_start(struct private_place *place, const char *bin_dir,
                               struct reply *reply, struct rv_error *err)
{
    enum rv_code code = take_lock(place, err);
    if (code != RV_OK || private_server_pid(place) != 0) {
        return code;
    }
    code = private_find_programs(place, bin_dir, err);
    if (code == RV_OK && private_cluster_major(place) == 0) {
        code = private_make_cluster(place, err);
    }
    int lock_fd = -1;
    if (code == RV_OK) {
        code = private_server_sweep(place, &lock_fd, err);
    }
    if (code == RV_OK) {
        code = private_server_launch(place, lock_fd, err);
    }
    reply->status.changed = code == RV_OK;
    return code;
}

static enum rv_code work_stop(struct private_place *place, struct reply *reply,
                              struct rv_error *err)
{
    enum rv_code code = take_lock(place, err);
    pid_t pid = code == RV_OK ? private_server_pid(place) : 0;
    if (code == RV_OK && pid != 0) {
        code = private_server_end(place, pid, err);
        reply->status.changed = code == RV_OK;
    }
    if (code == RV_OK && private_cluster_major(place) != 0) {
        int lock_fd = -1;
        code = private_server_sweep(place, &lock_fd, err);
    }
    return code;
}

/* ---- shared by the steps ---- */

void private_join(char out[RV_PRIVATE_PATH_MAX], const char *folder, const char *name)
{
    size_t length = strlen(folder);
    bool slash = length > 0 && folder[length - 1] == '/';
    int needed = snprintf(out, RV_PRIVATE_PATH_MAX, "%s%s%s", folder, slash ? "" : "/", name);
    RV_ASSERT(needed > 0 && needed < RV_PRIVATE_PATH_MAX);
}

void private_pause_ms(int ms)
{
    usleep((useconds_t)ms * 1000);
}
