/* spawn.h -- begins this program again as the engine's process, and ends it.
 *
 * The process has one end of a connection as descriptor RV_FRAME_FD, a process group of its own (so
 * that Ctrl-C reaches it through us), no blocked signals, and none of our other descriptors.
 * Private to runtime/model.  Thread: one.
 */
#ifndef REEVE_RUNTIME_MODEL_SPAWN_H
#define REEVE_RUNTIME_MODEL_SPAWN_H

#include "runtime/base/error.h"

#include <sys/types.h>

struct rv_child_process {
    pid_t pid;    /* -1: none */
    pid_t ending; /* killed, not reaped yet; -1: none */
    int fd;       /* our end, non-blocking; -1: none */
};
#define RV_CHILD_PROCESS_NONE ((struct rv_child_process){-1, -1, -1})

/* `program` NULL: this one. */
RV_MUST enum rv_code rv_child_process_begin(struct rv_child_process *process, const char *program,
                                            struct rv_error *err);
/* Kills it and closes our end; it is reaped later. */
void rv_child_process_end(struct rv_child_process *process);
void rv_child_process_reap(struct rv_child_process *process); /* does not wait */
void rv_child_process_wait(struct rv_child_process *process);

#endif
