/* private_server.c -- starts, recognises and ends the postmaster of reeve's own cluster.
 *
 * What has been seen to go wrong, and the answer here:
 *  - A killed postmaster that nobody reaps stays as a zombie: kill(pid, 0) says it lives and
 * PostgreSQL refuses its pid file for ever.  So the state in /proc/PID/stat is read.
 *  - After a reboot the pid in the file may be another process of the same account.  So the process
 *    must be a postgres whose working directory is this very data directory.
 *  - Server processes may outlive the postmaster for a while and keep the shared memory.  So
 * exactly those are ended, then the pid file and the socket are removed.
 *  - Another container with the same volume has other pids.  So the server inherits a locked file
 *    (server.lock) that is free only when its last process has gone, whoever looks.
 *  - SIGTERM waits for clients for ever: SIGINT is sent.  SIGKILL only to what outlived its
 * postmaster.
 */
#include "runtime/base/check.h"
#include "runtime/base/clock.h"
#include "runtime/db/private_place.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    POLL_MS = 5,
    ORPHAN_QUIT_MS = 2000, /* a busy one looks at signals only between two steps of its query */
    ORPHAN_GIVE_UP_MS = 6000,
    LAUNCHES_MAX = 3, /* server processes that are still leaving can refuse the first */
    PID_FILE_STATUS_LINE = 8
};

char *private_environment[] = {(char[]){"PATH=/usr/local/bin:/usr/bin:/bin"},
                               (char[]){"LC_ALL=C.UTF-8"}, (char[]){"TZ=UTC"}, NULL};

static pid_t launch_once(const struct private_place *place, int lock_fd);
static bool is_ready(const struct private_place *place, pid_t pid);
static bool is_server(const struct private_place *place, pid_t pid);
static enum rv_code take_server_lock(const struct private_place *place, int *out_fd,
                                     struct rv_error *err);
static enum rv_code make_socket_folder(const struct private_place *place, struct rv_error *err);

static int64_t now_ms(void)
{
    return rv_mono_us(rv_clock_system()) / 1000;
}

/* ---- start ---- */

enum rv_code private_server_launch(const struct private_place *place, int lock_fd,
                                   struct rv_error *err)
{
    enum rv_code code = make_socket_folder(place, err);
    if (code != RV_OK) {
        return code;
    }
    int64_t until_ms = now_ms() + place->timeout_ms;
    for (int attempt = 1;; attempt++) {
        pid_t pid = launch_once(place, lock_fd);
        if (pid < 0) {
            return rv_fail_errno(err, errno, "start a process");
        }
        int status = 0;
        pid_t ended = 0;
        while (!is_ready(place, pid) && (ended = waitpid(pid, &status, WNOHANG)) == 0 &&
               now_ms() < until_ms) {
            private_pause_ms(POLL_MS);
        }
        if (ended == 0 && is_ready(place, pid)) {
            return RV_OK; /* our own copy of lock_fd goes with this process; the server keeps its */
        }
        if (ended == 0) {
            rv_fail(err, RV_TIMEOUT, "PostgreSQL did not accept connections within %d s",
                    (int)(place->timeout_ms / 1000));
            rv_hint(err, "It may be recovering: look into \"%s/log\" and try again.", place->data);
            return RV_TIMEOUT;
        }
        if (attempt == LAUNCHES_MAX) {
            rv_fail(err, RV_UNAVAILABLE, "PostgreSQL ended right after it was started");
            private_log_tail(place, err);
            rv_hint(err, "Read \"%s\" and the files in \"%s/log\".", place->start_log, place->data);
            return RV_UNAVAILABLE;
        }
        private_pause_ms(100);
    }
}

static pid_t launch_once(const struct private_place *place, int lock_fd)
{
    /* a list of folders, separated by commas: quotes keep ours in one piece */
    char sockets[RV_PRIVATE_PATH_MAX * 2 + 64] = "unix_socket_directories=\"";
    size_t used = strlen(sockets);
    for (const char *at = place->socket; *at != '\0'; at++) {
        if (*at == '"') {
            sockets[used++] = '"';
        }
        sockets[used++] = *at;
    }
    sockets[used++] = '"';
    sockets[used] = '\0';
    char program[RV_PRIVATE_PATH_MAX];
    private_join(program, place->bin, "postgres");
    pid_t pid = fork();
    if (pid == 0) {
        setsid(); /* ours alone: the terminal's Ctrl-C is not for the server */
        private_child(place, -1, lock_fd);
        const char *const argv[] = {program, "-D", place->data, "-c", sockets, NULL};
        execve(program, (char *const *)(uintptr_t)argv, private_environment);
        _exit(127);
    }
    return pid;
}

/* The postmaster writes "ready" into its own file; no connection is needed to know. */
static bool is_ready(const struct private_place *place, pid_t pid)
{
    char path[RV_PRIVATE_PATH_MAX];
    private_join(path, place->data, "postmaster.pid");
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    char line[RV_PRIVATE_PATH_MAX];
    bool ready = false;
    for (int number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        if (number == 1 && strtol(line, NULL, 10) != (long)pid) {
            break;
        }
        if (number == PID_FILE_STATUS_LINE) {
            ready = strncmp(line, "ready", 5) == 0;
        }
    }
    fclose(file);
    return ready;
}

/* The copy that the server inherits keeps the lock until its last process has ended. */
static enum rv_code take_server_lock(const struct private_place *place, int *out_fd,
                                     struct rv_error *err)
{
    char path[RV_PRIVATE_PATH_MAX];
    private_join(path, place->base, "server.lock");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return rv_fail_errno(err, errno, "open \"%s\"", path);
    }
    int64_t until_ms = now_ms() + ORPHAN_QUIT_MS;
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (now_ms() > until_ms) {
            close(fd);
            rv_fail(err, RV_CONFLICT, "another server uses the cluster \"%s\"", place->data);
            rv_detail(err, "its lock is held by a process that is not visible from here");
            rv_hint(err, "Stop reeve in the other container that has this volume.");
            return RV_CONFLICT;
        }
        private_pause_ms(POLL_MS);
    }
    *out_fd = fd;
    return RV_OK;
}

/* In /tmp anybody may have been there first: only a real folder of ours is good. */
static enum rv_code make_socket_folder(const struct private_place *place, struct rv_error *err)
{
    if (strcmp(place->socket, place->base) == 0) {
        return RV_OK;
    }
    if (mkdir(place->socket, 0700) != 0 && errno != EEXIST) {
        return rv_fail_errno(err, errno, "make the directory \"%s\"", place->socket);
    }
    struct stat found;
    if (lstat(place->socket, &found) != 0 || !S_ISDIR(found.st_mode) || found.st_uid != geteuid() ||
        (found.st_mode & 077) != 0) {
        rv_fail(err, RV_DENIED, "\"%s\" exists and is not a private directory of \"%s\"",
                place->socket, place->user);
        rv_hint(err, "Remove it, or choose a shorter --state, so that it is not needed.");
        return RV_DENIED;
    }
    return RV_OK;
}

/* ---- recognise ---- */

pid_t private_server_pid(const struct private_place *place)
{
    char path[RV_PRIVATE_PATH_MAX];
    private_join(path, place->data, "postmaster.pid");
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    char line[32] = "";
    long pid = fgets(line, sizeof line, file) != NULL ? strtol(line, NULL, 10) : 0;
    fclose(file);
    return pid > 1 && is_server(place, (pid_t)pid) ? (pid_t)pid : 0;
}

static bool read_link(pid_t pid, const char *name, char *out, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    ssize_t length = readlink(path, out, size - 1);
    if (length < 0) {
        return false;
    }
    out[length] = '\0';
    return true;
}

static bool is_dead(pid_t pid)
{
    char path[64];
    char text[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0) {
        close(fd);
    }
    const char *name_end = got > 0 ? strrchr(text, ')') : NULL; /* the name may hold anything */
    return name_end == NULL || strchr("ZXx", name_end[2]) != NULL;
}

static bool is_server(const struct private_place *place, pid_t pid)
{
    char link[RV_PRIVATE_PATH_MAX + 16];
    if (is_dead(pid) || !read_link(pid, "cwd", link, sizeof link) ||
        strcmp(link, place->data) != 0 || !read_link(pid, "exe", link, sizeof link)) {
        return false;
    }
    const char *name = strrchr(link, '/');
    return name != NULL && (strcmp(name, "/postgres") == 0 ||
                            strcmp(name, "/postgres (deleted)") == 0); /* upgraded under its feet */
}

/* ---- end ---- */

enum rv_code private_server_end(const struct private_place *place, pid_t pid, struct rv_error *err)
{
    static const int signals[] = {SIGINT,
                                  SIGQUIT}; /* fast, then immediate: recovery on next start */
    for (size_t i = 0; i < RV_COUNT(signals); i++) {
        if (kill(pid, signals[i]) != 0 && errno != ESRCH) {
            return rv_fail_errno(err, errno, "end process %d", (int)pid);
        }
        int64_t until_ms = now_ms() + place->timeout_ms;
        while (is_server(place, pid) && now_ms() < until_ms) {
            private_pause_ms(POLL_MS);
        }
        if (!is_server(place, pid)) {
            return RV_OK;
        }
    }
    rv_fail(err, RV_TIMEOUT, "PostgreSQL (process %d) did not end", (int)pid);
    rv_hint(err, "Look into \"%s/log\" for what it waits for.", place->data);
    return RV_TIMEOUT;
}

/* Sends `signal` (0: nothing) to every process of this cluster; gives how many there are. */
static int signal_all(const struct private_place *place, int signal)
{
    int count = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *entry; proc != NULL && (entry = readdir(proc)) != NULL;) {
        pid_t pid =
            isdigit((unsigned char)entry->d_name[0]) ? (pid_t)strtol(entry->d_name, NULL, 10) : 0;
        if (pid > 1 && is_server(place, pid)) {
            count++;
            if (signal != 0) {
                kill(pid, signal);
            }
        }
    }
    if (proc != NULL) {
        closedir(proc);
    }
    return count;
}

enum rv_code private_server_sweep(const struct private_place *place, int *out_lock_fd,
                                  struct rv_error *err)
{
    int64_t began_ms = now_ms();
    int left = signal_all(place, SIGQUIT);
    for (bool killed = false; left > 0; left = signal_all(place, 0)) {
        int64_t waited_ms = now_ms() - began_ms;
        if (waited_ms > ORPHAN_GIVE_UP_MS) {
            rv_fail(err, RV_TIMEOUT, "%d processes of a killed PostgreSQL do not end", left);
            rv_hint(err, "They wait for the disk or the kernel; try again later.");
            return RV_TIMEOUT;
        }
        if (waited_ms > ORPHAN_QUIT_MS && !killed) {
            signal_all(place, SIGKILL);
            killed = true;
        }
        private_pause_ms(POLL_MS);
    }
    enum rv_code code = take_server_lock(place, out_lock_fd, err);
    if (code != RV_OK) {
        return code; /* the files are not leftovers: their owner lives where we cannot see it */
    }
    char path[RV_PRIVATE_PATH_MAX];
    private_join(path, place->data, "postmaster.pid");
    unlink(path);
    private_join(path, place->socket, ".s.PGSQL.5432");
    unlink(path);
    private_join(path, place->socket, ".s.PGSQL.5432.lock");
    unlink(path);
    if (strcmp(place->socket, place->base) != 0) {
        rmdir(place->socket); /* the next launch makes it again */
    }
    return RV_OK;
}

/* ---- programs ---- */

void private_child(const struct private_place *place, int input_fd, int keep_fd)
{
    enum { FIRST_OTHER_FD = 3 };
    int input = input_fd >= 0 ? input_fd : open("/dev/null", O_RDONLY);
    int log = open(place->start_log, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
    if (input < 0 || log < 0 || dup2(input, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
        dup2(log, STDERR_FILENO) < 0 || chdir("/") != 0) {
        _exit(126);
    }
    unsigned first = FIRST_OTHER_FD;
    if (keep_fd >= 0) {
        if (dup2(keep_fd, FIRST_OTHER_FD) < 0 || fcntl(FIRST_OTHER_FD, F_SETFD, 0) != 0) {
            _exit(126);
        }
        first++;
    }
    close_range(first, ~0U, 0);
    for (int number = 1; number < NSIG; number++) {
        signal(number, SIG_DFL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

int private_run(const struct private_place *place, const char *const argv[], const char *input)
{
    int ends[2] = {-1, -1};
    if (input != NULL && pipe2(ends, O_CLOEXEC) != 0) {
        return 126;
    }
    pid_t pid = fork();
    if (pid == 0) {
        private_child(place, ends[0], -1);
        execve(argv[0], (char *const *)(uintptr_t)argv, private_environment);
        _exit(127);
    }
    bool fed = true;
    if (input != NULL) {
        close(ends[0]);
        signal(SIGPIPE,
               SIG_IGN); /* the worker's own; a program that ended early is told by status */
        fed = write(ends[1], input, strlen(input)) == (ssize_t)strlen(input);
        close(ends[1]);
    }
    int status = 0;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (pid < 0 || (!fed && status == 0)) {
        return 126;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void private_log_tail(const struct private_place *place, struct rv_error *err)
{
    enum { TAIL = 500 };
    char text[TAIL + 1];
    int fd = open(place->start_log, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    if (lseek(fd, -TAIL, SEEK_END) < 0) {
        lseek(fd, 0, SEEK_SET);
    }
    ssize_t got = read(fd, text, TAIL);
    close(fd);
    if (got <= 0) {
        return;
    }
    text[got] = '\0';
    char *start = got == TAIL && strchr(text, '\n') != NULL ? strchr(text, '\n') + 1 : text;
    for (char *at = start; *at != '\0'; at++) {
        *at = *at == '\n' ? ';' : *at;
    }
    rv_detail(err, "%s", start);
}
