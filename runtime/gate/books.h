/* books.h -- proving the books: that the log of events is whole, and that every projection is what
 * the log says.
 *
 * The projections are rebuilt aside, in temporary tables of one session, and compared row by row
 * with those in use; the books go on meanwhile, and what was added while the rebuild ran is
 * rebuilt too before anything is compared.  What differs can be staged for one transaction that
 * repairs it (erp/sql/migrations/0110_rebuild.sql).
 *
 * Waits: for the command line and tests, never on a loop thread.  Memory: a page of the log.
 */
#ifndef REEVE_RUNTIME_GATE_BOOKS_H
#define REEVE_RUNTIME_GATE_BOOKS_H

#include "runtime/db/db.h"

struct rv_books;

RV_MUST enum rv_code rv_books_open(const char *uri, int32_t tenant, struct rv_books **out,
                                   struct rv_error *err);
/* Told after each page of the log, with the events that were followed so far. */
void rv_books_watch(struct rv_books *books, void (*page)(void *data, int64_t events), void *data);
void rv_books_close(struct rv_books *books); /* NULL is allowed */

/* A new report: {"ok", "events", "finding" (text; absent when ok), "differences", "first":
 * {"projection","key","held","rebuilt"}}.  A log that is not whole is a finding, and then nothing
 * is compared ("differences" is absent).  May be called again: it goes on where it was.
 * RV_CONFLICT: events came faster than they could be followed. */
RV_MUST enum rv_code rv_books_check(struct rv_books *books, json_t **report, struct rv_error *err);

/* After a check: stages what differs for the statement rebuild_repair and counts it. */
RV_MUST enum rv_code rv_books_stage(struct rv_books *books, int64_t *rows, struct rv_error *err);

#endif
