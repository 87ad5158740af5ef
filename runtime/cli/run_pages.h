/* run_pages.h -- a run as replay, diff and export read it: from the database or a file, its journal
 * page by page.
 *
 * In memory are the head, one page (RUN_PAGE_STEPS entries, RUN_PAGE_BYTES of outputs and at most
 * one entry more, which is 8 MiB at the most), and what the reader keeps of it.  A file that was
 * not written line by line (history_pages.h) is read whole and has RV_HISTORY_BYTES_MAX.
 */
#ifndef REEVE_RUNTIME_CLI_RUN_PAGES_H
#define REEVE_RUNTIME_CLI_RUN_PAGES_H

#include "runtime/cli/cli.h"
#include "runtime/run/history_pages.h"

enum { RUN_PAGE_STEPS = 1000, RUN_PAGE_BYTES = 4 << 20 };

struct run_pages {
    json_t *head; /* of the file with its "sha256" */
    struct rv_history_pages pages;
    /* private */
    struct rv_db_session *session;
    int32_t tenant;
    int64_t run;
    int32_t after;
    bool over;
    json_t *page;
    size_t at;
    struct rv_history_file *file;
    json_t *whole;
    struct rv_history_list list;
};

/* The run of that name.  Close it, also on failure. */
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
