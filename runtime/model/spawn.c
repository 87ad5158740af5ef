/* spawn.c -- see spawn.h. */
#include "runtime/model/spawn.h"

#include "runtime/model/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int spawn(struct rv_child_process *process, const char *program, int theirs)
{
    char name[] = "reeve";
    char noun[] = "model";
    char verb[] = "engine";
    char *const words[] = {name, noun, verb, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&actions, theirs, RV_FRAME_FD);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    int failure = posix_spawn(&process->pid, program, &actions, &attributes, words, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failure;
}

enum rv_code rv_child_process_begin(struct rv_child_process *process, const char *program,
                                    struct rv_error *err)
{
    int pair[2];
    rv_child_process_wait(process);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return rv_fail_errno(err, errno, "make a connection to the model's engine");
    }
    int failure = spawn(process, program != NULL ? program : "/proc/self/exe", pair[1]);
    close(pair[1]);
    if (failure != 0) {
        close(pair[0]);
        process->pid = -1;
        return rv_fail_errno(err, failure, "begin the model's engine");
    }
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    process->fd = pair[0];
    return RV_OK;
}

void rv_child_process_end(struct rv_child_process *process)
{
    if (process->fd >= 0) {
        close(process->fd);
        process->fd = -1;
    }
    if (process->pid > 0) {
        rv_child_process_wait(process); /* an earlier one that is still being reaped */
        kill(process->pid, SIGKILL);
        process->ending = process->pid;
        process->pid = -1;
    }
}

void rv_child_process_reap(struct rv_child_process *process)
{
    if (process->ending > 0 && waitpid(process->ending, NULL, WNOHANG) != 0) {
        process->ending = -1;
    }
}

void rv_child_process_wait(struct rv_child_process *process)
{
    while (process->ending > 0 && waitpid(process->ending, NULL, 0) < 0 && errno == EINTR) {
    }
    process->ending = -1;
}
