/* mapped.c -- see mapped.h. */
#include "runtime/model/mapped.h"

#include "runtime/base/check.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LAST_SECONDS = 5 /* to say what happened */ };

void rv_mapped_note(struct rv_mapped *mapped, const char *path)
{
    *mapped = (struct rv_mapped){.path = ""};
    snprintf(mapped->path, sizeof mapped->path, "%s", path);
    if (stat(path, &mapped->as) != 0) {
        mapped->as.st_ino = 0; /* opening it says so */
    }
}

bool rv_mapped_changed(const struct rv_mapped *mapped, char *why, size_t room)
{
    struct stat now;
    const struct stat *as = &mapped->as;
    if (as->st_ino == 0 || stat(mapped->path, &now) != 0 || now.st_ino != as->st_ino ||
        now.st_dev != as->st_dev) {
        return false; /* removed, or another one: ours is still what it was */
    }
    if (now.st_size != as->st_size) {
        snprintf(why, room, "%s has %" PRIdMAX " bytes and had %" PRIdMAX " when it was opened",
                 mapped->path, (intmax_t)now.st_size, (intmax_t)as->st_size);
        return true;
    }
    snprintf(why, room, "%s was written to after it was opened", mapped->path);
    return now.st_mtim.tv_sec != as->st_mtim.tv_sec || now.st_mtim.tv_nsec != as->st_mtim.tv_nsec;
}

/* ---- the guard ---- */

struct guard {
    sem_t fell;
    void (*lost)(void *data);
    void *data;
};

/* A signal's handler is given nothing: this one place is for it, set before it can run. */
static struct guard guard;

static void on_bus(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    if (info->si_code != BUS_ADRERR) {
        struct sigaction plain = {.sa_handler = SIG_DFL};
        sigaction(signal_number, &plain, NULL); /* it comes again, and ends the process */
        return;
    }
    alarm(LAST_SECONDS);
    sem_post(&guard.fell);
    for (;;) {
        pause(); /* there is nothing to go on with */
    }
}

static void *watch(void *data)
{
    (void)data;
    while (sem_wait(&guard.fell) != 0 && errno == EINTR) {
    }
    guard.lost(guard.data);
    return NULL;
}

void rv_mapped_guard(void (*lost)(void *data), void *data)
{
    struct sigaction action = {.sa_sigaction = on_bus, .sa_flags = SA_SIGINFO};
    pthread_t thread;
    RV_ASSERT(guard.lost == NULL);
    guard.lost = lost;
    guard.data = data;
    RV_ASSERT(sem_init(&guard.fell, 0, 0) == 0);
    RV_ASSERT(pthread_create(&thread, NULL, watch, NULL) == 0);
    RV_ASSERT(pthread_detach(thread) == 0);
    RV_ASSERT(sigaction(SIGBUS, &action, NULL) == 0);
}
