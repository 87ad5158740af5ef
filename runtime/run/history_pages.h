/* history_pages.h -- a run's document (history.h) entry by entry, for journals of any length.
 *
 * What would be one large value is its head (everything but the journal) and a reader of entries.
 * Whoever writes, checks, compares or replays (replay.h) such a document holds the head and a few
 * entries, whatever the journal's length; entries are 8 MiB at most (RV_JOURNAL_OUT_MAX).
 *
 * The file is the same document, `{..., "journal":[`, one entry a line, and `],"sha256":"..."}`:
 * any JSON reader reads it, and the seal is that of history.h.
 *
 * Thread: any, one at a time.
 */
#ifndef REEVE_RUNTIME_RUN_HISTORY_PAGES_H
#define REEVE_RUNTIME_RUN_HISTORY_PAGES_H

#include "runtime/run/history.h"

#include <stdio.h>

struct rv_history_pages {
    void *self;
    /* The next entry, {"seq", "kind", "name", "digest", "out"}, as a new reference; NULL: no more.
     */
    enum rv_code (*next)(void *self, json_t **entry, struct rv_error *err);
};

/* Writes head and entries and returns the seal in `hex`; RV_IO. */
RV_MUST enum rv_code rv_history_write(FILE *file, const json_t *head,
                                      const struct rv_history_pages *pages, int64_t *steps,
                                      char hex[RV_HASH_HEX], struct rv_error *err);

struct rv_history_file;

/* `out` NULL with RV_OK: the file is not written line by line, so it must be read whole.  What was
 * opened is checked to its end (RV_INVALID, RV_CORRUPT) and stands at its first entry. */
RV_MUST enum rv_code rv_history_file_open(const char *path, struct rv_history_file **out,
                                          struct rv_error *err);
void rv_history_file_close(struct rv_history_file *file);               /* NULL is fine */
const json_t *rv_history_file_head(const struct rv_history_file *file); /* borrowed; has "sha256" */
struct rv_history_pages rv_history_file_pages(struct rv_history_file *file);

/* The entries of a list, from `at` on. */
struct rv_history_list {
    const json_t *journal; /* borrowed */
    size_t at;
};
struct rv_history_pages rv_history_list_pages(struct rv_history_list *list);

/* Readable lines of how two runs differ: {"same": bool, "differences": [{"path", "left"?,
 * "right"?}], "parted_at": seq?, "left"?, "right"?}.  New reference.  `steps`: how many were
 * compared. */
RV_MUST enum rv_code rv_history_compare_pages(const json_t *left,
                                              const struct rv_history_pages *left_pages,
                                              const json_t *right,
                                              const struct rv_history_pages *right_pages,
                                              int64_t *steps, json_t **out, struct rv_error *err);

#endif
