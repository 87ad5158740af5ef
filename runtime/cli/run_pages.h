/* run_pages.h -- a run as replay, diff and export read it: from the database or a file, its journal
 * page by page.
 *
 * From the database as runtime/run/history_read.h reads it.  A file that was not written line by
 * line (history_pages.h) is read whole and has RV_HISTORY_BYTES_MAX.
 */
#ifndef REEVE_RUNTIME_CLI_RUN_PAGES_H
#define REEVE_RUNTIME_CLI_RUN_PAGES_H

#include "runtime/cli/cli.h"
#include "runtime/run/history_read.h"

struct run_pages {
    json_t *head; /* of the file with its "sha256" */
    struct rv_history_pages pages;
    /* private */
    struct rv_db_session *session;
    struct rv_history_reader reader;
    struct rv_history_file *file;
    json_t *whole;
    struct rv_history_list list;
};

/* The run of that name.  `out` stays where it is; close it, also on failure. */
RV_MUST enum rv_code run_pages_open(struct cli *cli, const char *name, struct run_pages *out,
                                    struct rv_error *err);
/* The run in that file, checked to its end. */
RV_MUST enum rv_code run_pages_open_file(const char *path, struct run_pages *out,
                                         struct rv_error *err);
/* By the name's ending ".json". */
RV_MUST enum rv_code run_pages_open_either(struct cli *cli, const char *name, struct run_pages *out,
                                           struct rv_error *err);
void run_pages_close(struct run_pages *pages);

#endif
