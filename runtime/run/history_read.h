/* history_read.h -- a run's document (history.h) from the database: its head, and its journal page
 * by page.
 *
 * In memory are the head and one page (RV_HISTORY_PAGE_STEPS entries, RV_HISTORY_PAGE_BYTES of
 * outputs and at most one entry more, which is 8 MiB at the most).
 *
 * Blocking (rv_db_session); never on a loop thread.
 */
#ifndef REEVE_RUNTIME_RUN_HISTORY_READ_H
#define REEVE_RUNTIME_RUN_HISTORY_READ_H

#include "runtime/db/db.h"
#include "runtime/run/history_pages.h"

enum {
    RV_HISTORY_PAGE_STEPS = 1000,
    RV_HISTORY_PAGE_BYTES = 4 << 20,
    RV_HISTORY_DROPPED_TEXT = 200
};

/* Stays where it is while it is open. */
struct rv_history_reader {
    json_t *head; /* everything but the journal; not sealed */
    struct rv_history_pages pages;
    /* private */
    struct rv_db_session *session; /* borrowed */
    int32_t tenant;
    int64_t run;
    int32_t after;
    bool over;
    json_t *page;
    size_t at;
};

/* RV_NOT_FOUND: no such run, or its journal was dropped.  Close it, also on failure. */
RV_MUST enum rv_code rv_history_reader_open(struct rv_db_session *session, int32_t tenant,
                                            int64_t run, struct rv_history_reader *out,
                                            struct rv_error *err);
void rv_history_reader_close(struct rv_history_reader *reader);
/* All of it as one sealed document, for what needs that; new reference.  RV_LIMIT above
 * RV_HISTORY_BYTES_MAX. */
RV_MUST enum rv_code rv_history_whole(json_t *head, const struct rv_history_pages *pages,
                                      json_t **out, struct rv_error *err);
/* The same of a run that is read here. */
RV_MUST enum rv_code rv_history_read(struct rv_db_session *session, int32_t tenant, int64_t run,
                                     json_t **out, struct rv_error *err);

/* What rv_history_redact wants to know of the run that the reader has open; new reference. */
RV_MUST enum rv_code rv_history_known(const struct rv_history_reader *reader, json_t **out,
                                      struct rv_error *err);

/* "journal past its retention, dropped on 2036-12-01 by console"; `dropped` is {"at", "by"}. */
const char *rv_history_dropped(const json_t *dropped, char out[RV_HISTORY_DROPPED_TEXT]);

#endif
