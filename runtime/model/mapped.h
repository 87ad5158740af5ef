/* mapped.h -- a model's file is mapped, not read: what when it changes under the engine.
 *
 * A file that is replaced by another of its name (rename) is no concern: the mapping keeps the old
 * one.  One that is written to in place gives other numbers from one step to the next, and one that
 * is cut ends whoever reads behind its end with SIGBUS.  The engine's process must not answer out
 * of such a file; it says what happened, and its parent begins another when the file is whole.
 *
 * Thread: note and change any; the guard is begun once, before the model is opened.
 */
#ifndef REEVE_RUNTIME_MODEL_MAPPED_H
#define REEVE_RUNTIME_MODEL_MAPPED_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct rv_mapped {
    char path[PATH_MAX];
    struct stat as; /* st_ino 0: nothing was noted */
};

/* The file as it is now; before it is opened. */
void rv_mapped_note(struct rv_mapped *mapped, const char *path);
/* Whether that very file was written to or cut since; `why` says how, for people. */
bool rv_mapped_changed(const struct rv_mapped *mapped, char *why, size_t room);

/* From now on a thread of this process that reads behind the end of a mapped file stops for good,
 * and `lost` is called, on a thread of its own.  The process ends 5 s after that at the latest,
 * by SIGALRM.  SIGBUS for other reasons (memory that is broken) stays what it is. */
void rv_mapped_guard(void (*lost)(void *data), void *data);

#endif
